import numpy as np
import pytest

from persona.errors import BadInput
from persona.style.prints import PRINTS, draw_print


@pytest.mark.parametrize("kind", PRINTS)
def test_prints_are_seamless_and_follow_their_seed(kind: str) -> None:
    tile = draw_print(kind, 96, 3).astype(float)
    assert tile.shape == (96, 96, 3)
    assert np.array_equal(tile, draw_print(kind, 96, 3))
    assert not np.array_equal(tile, draw_print(kind, 96, 4))
    for axis in (0, 1):  # the step across the seam is a step like any other
        steps = np.abs(np.diff(tile, axis=axis)).mean((1 - axis, 2))
        seam = np.abs(np.take(tile, 0, axis) - np.take(tile, -1, axis)).mean()
        assert seam <= 1.05 * steps.max() + 1


@pytest.mark.parametrize("kind", PRINTS)
def test_prints_have_colours_that_can_be_told_apart(kind: str) -> None:
    assert all(draw_print(kind, 64, seed).std((0, 1)).max() > 3 for seed in range(5))


def test_bad_input_is_named() -> None:
    with pytest.raises(BadInput, match="choose one of stripes"):
        draw_print("paisley")
    with pytest.raises(BadInput, match="at least 16"):
        draw_print("dots", side=8)
