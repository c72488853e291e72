"""The pairs that a model is judged on, and the controls cut of them."""

from __future__ import annotations

import numpy as np
import pytest

from persona.catalog.pictures import Bytes
from persona.errors import BadInput
from persona.style.content import edge_cosine
from persona.style.pairs import FEWEST, SIDE, enlarged, halves, pairs_of, recut
from tests.style.drawn import garment, printed


@pytest.fixture(scope="module")
def garments() -> Bytes:
    return np.stack([garment(seed, 32) for seed in range(FEWEST)])


def test_pairs_take_all_kinds_in_turn_and_no_garment_twice(garments: Bytes) -> None:
    painting = printed(5, 96)[:80, :, :3]
    pairs = pairs_of(garments, [painting], 8)
    assert [pair.kind for pair in pairs[:4]] == ["garment", "print", "garment", "painting"]
    assert all(each.shape == (SIDE, SIDE, 4) for pair in pairs for each in (pair.content, pair.style))
    used = [pair.content for pair in pairs] + [pair.style for pair in pairs if pair.kind == "garment"]
    assert len({each.tobytes() for each in used}) == len(used)
    assert all((pair.style[..., 3] == 255).all() for pair in pairs if pair.kind != "garment")


def test_the_same_seed_gives_the_same_pairs_and_no_paintings_give_prints(garments: Bytes) -> None:
    one, again, other = (pairs_of(garments, [], 4, seed) for seed in (3, 3, 4))
    assert [p.kind for p in one] == ["garment", "print", "garment", "print"]
    assert all((a.content == b.content).all() and (a.style == b.style).all() for a, b in zip(one, again))
    assert any((a.content != b.content).any() for a, b in zip(one, other))


def test_too_few_garments_are_refused(garments: Bytes) -> None:
    with pytest.raises(BadInput, match=f"^garments: {FEWEST - 1} to judge by"):
        pairs_of(garments[1:], [], 4)


@pytest.mark.parametrize("side", [32, SIDE, 300])
def test_garments_come_at_one_size_and_stay_premultiplied(side: int) -> None:
    large = enlarged(garment(3, side))
    assert large.shape == (SIDE, SIDE, 4)
    assert (large[..., :3] <= large[..., 3:]).all()


def test_halves_are_as_large_as_each_other_and_make_the_whole() -> None:
    picture = garment(1)
    left, right = halves(picture)
    assert left.sum() == pytest.approx(right.sum(), rel=0.1)
    np.testing.assert_allclose(left + right, picture[..., 3] / 255, atol=1e-6)
    assert (left * right == 0).all()


def test_another_garment_in_this_outline_has_other_edges() -> None:
    one, other = garment(3), garment(8)
    made = recut(one, other)
    region = (one[..., 3] / 255).astype(np.float32)
    assert (made[..., 3] == one[..., 3]).all()
    assert edge_cosine(other, made, region) > 0.9  # one outline drew both
    assert edge_cosine(one, made, region) < edge_cosine(other, made, region)
