"""What a recommender has to beat: popularity, co-occurrence, and two linear models of the literature."""

from __future__ import annotations

import os
import warnings

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from persona.taste.cooccurrence import Cooccurrence, Sparse
from persona.taste.metrics import Scorer
from persona.taste.sequences import Cases, Sequences
from persona.taste.table import Floats
from persona.taste.users import Ints

EASE_MOST = 20_000  # items: EASE inverts a matrix of this many rows, 1.6 GB of it


def popularity(counts: Floats) -> Scorer:
    """The same ranking for everybody, by events (n,)."""
    scores = torch.from_numpy(counts)
    return lambda cases: scores.repeat(len(cases), 1)


def cooccurrence(counts: Cooccurrence) -> Scorer:
    """Directed, time-decayed co-occurrence (`persona.taste.cooccurrence`); popularity decides between equals."""
    small = torch.from_numpy(counts.popularity / max(1.0, float(counts.popularity.max(initial=0))) * 1e-9)
    return lambda cases: (torch.from_numpy(counts.scores(*cases.histories()).toarray()) + small).float()


def ease(train: Sequences, regularisation: float = 30.0) -> Scorer:
    """EASE: the closed-form linear autoencoder of Steck (2019). Raises ValueError for more items than EASE_MOST."""
    if len(train.items) > EASE_MOST:
        raise ValueError(f"EASE inverts a matrix of items squared: {len(train.items)} items are too many")
    taken = _matrix(train.starts, train.rows, len(train.items))
    gram = torch.from_numpy((taken.T @ taken).toarray())
    gram.diagonal().add_(regularisation)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(gram))
    weights = inverse.div_(-inverse.diagonal().clone())
    weights.fill_diagonal_(0)

    def scores(cases: Cases) -> Tensor:
        return torch.from_numpy(_matrix(*cases.histories(), len(train.items)).toarray()) @ weights

    return scores


def ials(train: Sequences, *, factors: int = 128, rounds: int = 15, seed: int = 0) -> Scorer:
    """iALS (Hu, Koren and Volinsky 2008; settings near those of Rendle et al. 2022) of the `implicit` package.

    A history is folded in, as a new user's would be. Raises ModuleNotFoundError where the package is not installed.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own use of BLAS threads
        from implicit.als import AlternatingLeastSquares  # type: ignore[import-untyped]

        model = AlternatingLeastSquares(
            factors=factors, regularization=0.05, alpha=10.0, iterations=rounds, random_state=seed, num_threads=0
        )
        model.fit(_matrix(train.starts, train.rows, len(train.items)), show_progress=False)
    items = torch.from_numpy(np.asarray(model.item_factors))

    def scores(cases: Cases) -> Tensor:
        history = _matrix(*cases.histories(), len(train.items))
        people = model.recalculate_user(np.arange(len(cases)), history)
        return torch.from_numpy(np.asarray(people, np.float32)) @ items.T

    return scores


def _matrix(starts: Ints, rows: Ints, items: int) -> Sparse:
    """Who took what: sparse float32 (u, n) of ones."""
    matrix = sp.csr_matrix((np.ones(len(rows), np.float32), rows, starts), (len(starts) - 1, items))
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix
