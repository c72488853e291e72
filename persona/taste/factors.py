"""Where item vectors may begin: what co-occurrence alone says of them."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from sklearn.utils.extmath import randomized_svd

from persona.taste.cooccurrence import Cooccurrence
from persona.taste.table import Floats


def item_factors(counts: Cooccurrence, width: int, *, deviation: float = 0.3, seed: int = 0) -> Floats:
    """Items as vectors float32 (n, width): those often taken by the same users are near one another.

    The leading singular vectors of log(1 + c_ij c / (c_i c_j)), each times the root of its value: the factorised
    pointwise mutual information of Levy and Goldberg (2014), softened so that it is never negative. Scaled to the
    given deviation. Items without any pair, and all of them where there are fewer pairs than vectors, are zeros.
    """
    both = sp.coo_array(counts.counts + counts.counts.T)
    if both.nnz <= width:
        return np.zeros((len(counts), width), np.float32)
    value = both.data.astype(np.float64)
    margin = np.bincount(both.row, value, minlength=len(counts))
    value = np.log1p(value * margin.sum() / (margin[both.row] * margin[both.col]))
    information = sp.csr_array((value, (both.row, both.col)), both.shape)
    vectors, values, _ = randomized_svd(information, min(width, len(counts)), random_state=seed)
    factors = np.zeros((len(counts), width), np.float32)
    factors[:, : len(values)] = vectors * np.sqrt(values) * (margin > 0)[:, None]  # exactly zero, not nearly
    return factors * np.float32(deviation / max(float(factors.std()), 1e-9))
