import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from persona.catalog.pictures import Bytes, premultiply
from persona.errors import BadInput
from persona.style.drape import Drape, lay
from persona.style.picture import check, composed, extended, opaque, view_of


def garment(height: int = 48, width: int = 40, seed: int = 0) -> Bytes:
    """A blob with soft edges and noise in it, premultiplied."""
    draw = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    reach = np.hypot((rows - height / 2) / (height / 2), (columns - width / 2) / (width / 2))
    alpha = np.clip((0.95 - reach) * 6, 0, 1)
    rgb = draw.integers(0, 256, (height, width, 3))
    return premultiply(np.dstack([rgb, np.rint(255 * alpha)]).astype(np.uint8))


def test_the_region_left_out_is_what_can_be_seen() -> None:
    picture = garment()
    np.testing.assert_allclose(check(picture, None, "picture"), picture[..., 3] / 255, atol=1e-6)


def test_a_region_counts_where_the_picture_is_not_transparent() -> None:
    picture = garment()
    region = check(picture, np.ones(picture.shape[:2], np.float32), "picture")
    np.testing.assert_allclose(region, picture[..., 3] / 255, atol=1e-6)


@pytest.mark.parametrize(
    ("picture", "code"),
    [
        (np.zeros((4, 4, 4), np.uint8), "too_small"),
        (np.zeros((1, 1, 4), np.uint8), "too_small"),
        (np.full((16, 200, 4), 255, np.uint8), "too_long"),
        (np.zeros((32, 32, 4), np.uint8), "transparent"),
        (np.zeros((32, 32, 3), np.uint8), "not_rgba"),
        (np.zeros((32, 32, 4), np.float32), "not_rgba"),
    ],
)
def test_pictures_that_cannot_be_worked_on_are_refused_by_field(picture: Bytes, code: str) -> None:
    with pytest.raises(BadInput) as refused:
        check(picture, None, "style")
    assert (refused.value.field, refused.value.code) == ("style", code)


@pytest.mark.parametrize("region", [np.zeros((48, 40)), np.ones((40, 48)), np.full((48, 40), np.nan)])
def test_regions_that_cannot_be_worked_on_are_refused(region: np.ndarray) -> None:
    with pytest.raises(BadInput) as refused:
        check(garment(), region.astype(np.float32), "picture")
    assert (refused.value.field, refused.value.code) == ("region", "no_region")


def test_the_surroundings_are_filled_from_the_region() -> None:
    rgb = torch.zeros(1, 3, 32, 32)
    rgb[:, 0, :, :16], rgb[:, 2, :, 16:] = 0.8, 0.4
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., 8:24, 8:24] = 1
    filled = extended(rgb * mask, mask)
    torch.testing.assert_close(filled * mask, rgb * mask)
    torch.testing.assert_close(filled[0, :, 16, 0], torch.tensor([0.8, 0.0, 0.0]), atol=0.15, rtol=0)
    torch.testing.assert_close(filled[0, :, 16, 31], torch.tensor([0.0, 0.0, 0.4]), atol=0.15, rtol=0)
    assert filled.min() >= 0
    assert filled.max() <= 0.8 + 1e-6


@settings(max_examples=25, deadline=None)
@given(st.integers(16, 90), st.integers(16, 90), st.integers(0, 99), st.sampled_from([32, 512]))
def test_a_view_put_back_unchanged_is_the_picture_bit_for_bit(height: int, width: int, seed: int, side: int) -> None:
    picture = garment(height, width, seed)
    region = check(picture, None, "picture")
    view = view_of(picture, region, side)
    assert view.rgb.shape[2] % 16 == view.rgb.shape[3] % 16 == 0
    assert max(view.size) <= max(side, 16)
    assert view.rgb.isfinite().all()
    assert np.array_equal(composed(picture, region, view, view.rgb), picture)


@pytest.mark.parametrize("side", [32, 512])
def test_only_the_region_changes_and_alpha_never(side: int) -> None:
    picture = garment()
    half = np.zeros(picture.shape[:2], np.float32)
    half[:, :20] = 1
    region = check(picture, half, "picture")
    view = view_of(picture, region, side)
    changed = composed(picture, region, view, 1 - view.rgb)
    assert np.array_equal(changed[..., 3], picture[..., 3])
    assert np.array_equal(changed[:, 20:], picture[:, 20:])
    assert (changed[20:28, 10:16] != picture[20:28, 10:16]).any()
    assert (changed[..., :3] <= changed[..., 3:]).all()  # still premultiplied


def test_a_photo_becomes_an_opaque_picture() -> None:
    photo = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    picture = opaque(photo)
    assert np.array_equal(picture[..., :3], photo)
    assert (picture[..., 3] == 255).all()


@pytest.mark.parametrize("size", [(40, 60), (700, 520)])
def test_working_in_strips_changes_no_bit(monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]) -> None:
    draw = np.random.default_rng(3)
    straight = draw.integers(0, 256, (*size, 4), dtype=np.uint8)
    straight[5:-5, 5:-5, 3] = 255
    rgba = premultiply(straight)
    region = check(rgba, draw.random(size, np.float32) ** 0.2, "picture")
    tile = draw.integers(0, 256, (24, 24, 3), dtype=np.uint8)

    def made() -> list[np.ndarray]:
        view = view_of(rgba, region)
        result = composed(rgba, region, view, 1 - view.rgb)
        return [view.rgb.numpy(), view.mask.numpy(), result, lay(rgba, tile, Drape(rotation=30), region)]

    parts = [made()]
    for pixels in (1, 7 * size[1]):
        monkeypatch.setattr("persona.style.picture._STRIP", pixels)
        monkeypatch.setattr("persona.catalog.pictures._PART", pixels + 12)
        parts.append(made())
    for other in parts[1:]:
        for one, same in zip(parts[0], other, strict=True):
            np.testing.assert_array_equal(one, same)
