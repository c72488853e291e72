"""Names of segments: what stands out, in words, each name once."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from persona.analyze.naming import AVERAGE, names_of, told
from persona.analyze.tastes import PARTS, VALUES, mean_shares, shares
from persona.taste.table import STATEMENTS, statement_code

EVERYBODY = np.concatenate([np.full(part.stop - part.start, 1 / (part.stop - part.start)) for part in PARTS.values()])


def liking(**shares: float) -> np.ndarray:
    """Everybody's shares but for some values of "facet__value", the rest of their facets in proportion."""
    found = EVERYBODY.copy()
    for facet, part in PARTS.items():
        given_ = {statement_code(facet, v.split("__")[1]): s for v, s in shares.items() if v.startswith(f"{facet}__")}
        if given_:
            found[part] = (1 - sum(given_.values())) / (part.stop - part.start - len(given_))
            found[list(given_)] = list(given_.values())
    return found


def test_values_are_in_the_order_of_the_vectors() -> None:
    assert tuple(VALUES) == STATEMENTS


def test_names_say_what_stands_out_pattern_first_and_category_last() -> None:
    dark = liking(pattern__plain=0.8, colour__black=0.4, colour__navy=0.3, style__casual=0.7)
    green = liking(colour__green=0.7, style__sporty=0.8, category__hoodie=0.3)
    assert names_of(np.stack([dark, green]), EVERYBODY) == ["plain dark casual", "green sporty hoodie"]
    assert told(green, EVERYBODY, 2) == [("colour", "green"), ("category", "hoodie")]


def test_who_is_like_everybody_is_called_so_and_nobody_shares_a_name() -> None:
    dark = liking(pattern__plain=0.8, colour__black=0.8, style__casual=0.9)
    alike = liking(pattern__plain=0.8, colour__black=0.8, style__casual=0.8, category__pants=0.12)
    names = names_of(np.stack([EVERYBODY, alike, dark, dark]), EVERYBODY)
    assert names == [AVERAGE, "plain black casual pants", "plain black casual", "plain black casual 2"]


@given(st.integers(1, 12), st.randoms(use_true_random=False))
def test_names_do_not_depend_on_the_numbers_of_clusters(k: int, random: object) -> None:
    rng = np.random.default_rng(random.randrange(2**32))  # type: ignore[attr-defined]
    weights = rng.exponential(1, (k, len(VALUES))).astype(np.float32) ** 3
    centroids = shares(weights).astype(float)
    everybody, order = mean_shares(shares(weights)), rng.permutation(k)
    names = names_of(centroids, everybody)
    assert len(set(names)) == k
    assert names_of(centroids[order], everybody) == [names[one] for one in order]
