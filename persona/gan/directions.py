"""Which way to move a condition for another colour or pattern, learnt from real garments.

Two linear maps. The first reads a condition: the main colour (CIELAB) and how much of each pattern there is, by ridge
regression on what was measured of real garments. The second answers a wished reading with the likeliest condition near
the present one: the conditional mean of the Gaussian that conditions form within a category. What nobody asked to
change stays, unless real garments change it together with what was asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from persona.catalog.colour import Lab
from persona.errors import BadInput
from persona.store.records import COLOURS, PATTERNS

PRESENT = PATTERNS[1:]  # patterns that are read; where none of them is, the garment is plain
RIDGE = 10.0
FEWEST = 5  # garments of a colour or pattern, to know what it is like
_SOFT = 1e-3  # share of a reading's variance that it may stay away from the wish

Floats = NDArray[np.float64]


class Directions:
    """weight (6, 64), bias (6,): what is read, L, a, b and the patterns but plain. gain (64, 6): a wish to a move.

    colours (13, 3): the typical CIELAB of each colour; patterns (4, 3): the typical reading of each pattern; not a
    number where too few garments had it.
    """

    def __init__(self, weight: Tensor, bias: Tensor, gain: Tensor, colours: Tensor, patterns: Tensor) -> None:
        self.weight, self.bias, self.gain = (part.double().numpy() for part in (weight, bias, gain))
        self.colours, self.patterns = colours.double().numpy(), patterns.double().numpy()

    @classmethod
    def fit(
        cls,
        conditions: NDArray[np.float32],
        categories: NDArray[np.int64],
        labs: Sequence[Lab | None],
        colours: Sequence[str | None],
        patterns: Sequence[str | None],
    ) -> Directions:
        """From conditions (n, 64) of garments, their category codes, and what was measured of each (None: unsure).

        What fewer than FEWEST garments show is not learnt, and asking for it later is BadInput.
        """
        x, kind = conditions.astype(np.float64), np.array([p or "" for p in patterns])
        has_lab, has_pattern = np.array([lab is not None for lab in labs], bool), kind != ""
        lab = np.array([lab for lab in labs if lab is not None], np.float64).reshape(-1, 3)
        present = np.stack([kind[has_pattern] == pattern for pattern in PRESENT], 1).astype(np.float64)
        read = [_ridge(x[has_lab], lab), _ridge(x[has_pattern], present)]
        weight, bias = (np.concatenate(parts) for parts in zip(*read))
        means = {code: x[categories == code].mean(0) for code in np.unique(categories)}
        within = np.cov((x - np.stack([means[code] for code in categories])).T)
        names = np.array([colours[row] or "" for row in np.flatnonzero(has_lab).tolist()])
        readings = x @ weight.T + bias
        colour = np.stack([_typical(lab[names == name], _medoid) for name in COLOURS])
        pattern = np.stack([_typical(readings[kind == name, 3:], lambda part: part.mean(0)) for name in PATTERNS])
        return cls(*map(torch.from_numpy, (weight, bias, _gain(weight, within), colour, pattern)))

    @classmethod
    def of(cls, tensors: dict[str, Tensor]) -> Directions | None:
        """Taken out of a model folder's tensors; None where they hold none."""
        names = [f"edit.{name}" for name in ("weight", "bias", "gain", "colours", "patterns")]
        return cls(*[tensors.pop(name) for name in names]) if all(name in tensors for name in names) else None

    def state(self) -> dict[str, Tensor]:
        """Tensors for a model folder."""
        parts = {"weight": self.weight, "bias": self.bias, "gain": self.gain}
        parts |= {"colours": self.colours, "patterns": self.patterns}
        return {f"edit.{name}": torch.from_numpy(part).float() for name, part in parts.items()}

    def read(self, conditions: NDArray[Any]) -> Floats:
        """What conditions (n, 64) hold: (n, 6)."""
        return np.asarray(conditions @ self.weight.T + self.bias, np.float64)

    def move(self, conditions: NDArray[Any], wanted: Floats) -> Floats:
        """The likeliest conditions (n, 64) near these whose readings are the wanted ones (n, 6)."""
        return np.asarray(conditions + (wanted - self.read(conditions)) @ self.gain.T, np.float64)

    def colour(self, name: str) -> Floats:
        """CIELAB (3,) that garments called by this colour have. Raises BadInput for none that it was fitted to."""
        return _known("colour", name, COLOURS, self.colours)

    def pattern(self, name: str) -> Floats:
        """Reading (3,) of garments of this pattern. Raises BadInput likewise."""
        return _known("pattern", name, PATTERNS, self.patterns)


def _ridge(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Weight (k, d) and bias (k,) with y near x @ weight.T + bias; zeros where there is too little to learn from."""
    if len(x) < FEWEST:
        return np.zeros((y.shape[1], x.shape[1])), np.zeros(y.shape[1])
    centred = x - x.mean(0)
    weight = np.linalg.solve(centred.T @ centred + RIDGE * np.eye(x.shape[1]), centred.T @ (y - y.mean(0))).T
    return weight, y.mean(0) - weight @ x.mean(0)


def _gain(weight: Floats, covariance: Floats) -> Floats:
    """Gain (d, k) of a Gaussian's conditional mean given its linear readings, each a little uncertain."""
    spread = weight @ covariance @ weight.T
    soft = np.diag(_SOFT * np.diag(spread) + 1e-9)
    return np.asarray(np.linalg.solve(spread + soft, weight @ covariance).T, np.float64)


def _typical(values: Floats, middle: Callable[[Floats], Floats]) -> Floats:
    return np.asarray(middle(values) if len(values) >= FEWEST else np.full(3, np.nan), np.float64)


def _medoid(values: Floats) -> Floats:
    """The member nearest to the median, which need not be one itself: a colour between reds may be called pink."""
    return np.asarray(values[np.square(values - np.median(values, 0)).sum(1).argmin()], np.float64)


def _known(field: str, name: str, names: tuple[str, ...], values: Floats) -> Floats:
    known = [one for one, value in zip(names, values) if np.isfinite(value).all()]
    if name not in known:
        remedy = f"choose from {', '.join(known)}" if known else "it has learnt none; train it on more garments"
        raise BadInput(field, f"{name!r} is none that the generator has learnt: {remedy}")
    return np.asarray(values[names.index(name)], np.float64)
