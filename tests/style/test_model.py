from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from persona.catalog.colour import srgb_to_lab
from persona.catalog.pictures import Bytes, premultiply
from persona.errors import BadInput, OutOfDate
from persona.settings import Settings
from persona.style.controls import Controls
from persona.style.model import StyleModel, blend
from persona.style.picture import opaque
from persona.style.prints import draw_print


@pytest.fixture(scope="module")
def model() -> StyleModel:
    """The one that ships."""
    return StyleModel.load(Settings().models / "style")


def shirt(side: int = 96) -> Bytes:
    """A red disc with folds in it, soft at the edge."""
    rows, columns = np.mgrid[:side, :side] / side
    light = 0.7 + 0.3 * np.sin(12 * rows + 5 * columns)
    alpha = np.clip((0.45 - np.hypot(rows - 0.5, columns - 0.5)) * 30, 0, 1)
    rgb = np.stack([200 * light, 40 * light, 50 * light], -1)
    return premultiply(np.dstack([rgb, 255 * alpha]).round().astype(np.uint8))


def blue_dots(side: int = 96) -> Bytes:
    tile = draw_print("dots", side, 5).astype(float)
    return opaque(np.clip(tile * [0.3, 0.5, 0.6] + [0, 20, 100], 0, 255).astype(np.uint8))


def mean_lab(picture: Bytes) -> np.ndarray:
    return np.asarray(srgb_to_lab(picture[picture[..., 3] == 255][:, :3]).mean(0))


def test_colours_come_from_the_style_and_alpha_stays_bit_for_bit(model: StyleModel) -> None:
    content, style = shirt(), blue_dots()
    made = model.apply(content, model.read(style))
    assert np.array_equal(made[..., 3], content[..., 3])
    assert np.array_equal(made[content[..., 3] == 0], content[content[..., 3] == 0])
    before, after = (np.linalg.norm(mean_lab(picture) - mean_lab(style)) for picture in (content, made))
    assert after < 0.15 * before


def test_the_same_again_is_the_same_picture(model: StyleModel) -> None:
    vector = model.read(blue_dots())
    assert np.array_equal(model.apply(shirt(), vector), model.apply(shirt(), vector))


def test_strength_is_monotone_from_nothing_to_all(model: StyleModel) -> None:
    content, vector = shirt(), model.read(blue_dots())
    made = [model.apply(content, vector, Controls(strength=s)).astype(float) for s in (0, 0.02, 0.25, 0.5, 0.75, 1)]
    change = [np.abs(picture - content).mean() for picture in made]
    assert change[0] == 0
    assert change[1] < 3  # of 255: no jump where it begins
    assert (np.diff(change) > 0).all()


def test_a_style_of_its_own_changes_little(model: StyleModel) -> None:
    content = shirt()
    made = model.apply(content, model.read(content))
    assert np.abs(made.astype(int) - content)[content[..., 3] == 255].mean() < 12


def test_keep_colour_keeps_hue_and_chroma_and_keep_luminance_light_and_dark(model: StyleModel) -> None:
    content, vector = shirt(), model.read(blue_dots())
    solid = content[..., 3] == 255
    own = srgb_to_lab(content[solid][:, :3])
    colour = srgb_to_lab(model.apply(content, vector, Controls(keep_colour=True))[solid][:, :3])
    light = srgb_to_lab(model.apply(content, vector, Controls(keep_luminance=True))[solid][:, :3])
    free = srgb_to_lab(model.apply(content, vector)[solid][:, :3])
    # medians: what sRGB cannot show is clipped to it
    assert np.median(np.abs(colour - own)[:, 1:]) < 2 < np.median(np.abs(free - own)[:, 1:])
    assert np.median(np.abs(light - own)[:, 0]) < 1 < np.median(np.abs(free - own)[:, 0])


def test_both_kept_is_refused() -> None:
    with pytest.raises(ValidationError, match="keep one of the two"):
        Controls(keep_colour=True, keep_luminance=True)


def test_only_the_region_changes(model: StyleModel) -> None:
    content = shirt()
    left = np.zeros(content.shape[:2], np.float32)
    left[:, :48] = 1
    made = model.apply(content, model.read(blue_dots()), region=left)
    assert np.array_equal(made[:, 48:], content[:, 48:])
    assert (made[30:60, 30:40] != content[30:60, 30:40]).any()


def test_a_style_of_one_colour_brings_the_colour_and_leaves_the_folds(model: StyleModel) -> None:
    content, green = shirt(), opaque(np.full((64, 64, 3), (20, 140, 60), np.uint8))
    made = model.apply(content, model.read(green))
    solid = content[..., 3] == 255
    own, new = srgb_to_lab(content[solid][:, :3]), srgb_to_lab(made[solid][:, :3])
    assert np.median(new[:, 1]) < -15  # green
    assert new[:, 0].std() > 0.15 * own[:, 0].std()
    assert np.corrcoef(own[:, 0], new[:, 0])[0, 1] > 0.7


def test_larger_pictures_keep_their_own_detail(model: StyleModel) -> None:
    content = np.repeat(np.repeat(shirt(96), 8, 0), 8, 1)
    content[200:560:2, 300:460, :3] = content[200:560:2, 300:460, :3] // 4 * 3  # lines one pixel wide
    made = model.apply(content, model.read(blue_dots()))
    assert made.shape == content.shape
    steps = np.abs(np.diff(made[260:500, 340:420].astype(int), axis=0)).mean()
    assert steps > 0.4 * np.abs(np.diff(content[260:500, 340:420].astype(int), axis=0)).mean()


def test_blending_lies_between_and_minds_its_weights(model: StyleModel) -> None:
    one, other = model.read(shirt()), model.read(blue_dots())
    np.testing.assert_allclose(blend([one, other], [1, 3]), 0.25 * one + 0.75 * other, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(blend([one, other], [2, 0]), one, rtol=1e-5)
    for weights in ([1.0], [-1.0, 2.0], [0.0, 0.0], [float("nan"), 1.0]):
        with pytest.raises(BadInput, match="weights"):
            blend([one, other], weights)
    with pytest.raises(BadInput, match="different models"):
        blend([one, other[:-1]], [1, 1])


def test_bad_input_names_the_field_and_changes_nothing(model: StyleModel) -> None:
    with pytest.raises(BadInput) as refused:
        model.read(np.zeros((40, 40, 4), np.uint8))
    assert (refused.value.field, refused.value.code) == ("style", "transparent")
    with pytest.raises(BadInput) as refused:
        model.apply(np.zeros((1, 1, 4), np.uint8), model.read(blue_dots()))
    assert (refused.value.field, refused.value.code) == ("picture", "too_small")
    for vector in (np.zeros(3, np.float32), np.full(model.dimensions, np.nan, np.float32)):
        with pytest.raises(BadInput, match="finite numbers"):
            model.apply(shirt(), vector)


def test_a_saved_model_makes_the_same_picture_and_minds_its_feature_net(model: StyleModel, tmp_path: Path) -> None:
    (tmp_path / "visual-64").symlink_to(Settings().models / "visual-64")
    model.save(tmp_path / "style", card="a card", metrics={})
    again = StyleModel.load(tmp_path / "style")
    vector = model.read(blue_dots())
    assert np.array_equal(model.apply(shirt(), vector), again.apply(shirt(), again.read(blue_dots())))
    config = tmp_path / "style" / "config.json"
    config.write_text(config.read_text().replace("visual-64@", "visual-64@0"))
    with pytest.raises(OutOfDate, match="train it again"):
        StyleModel.load(tmp_path / "style")


def test_the_decoder_is_under_a_million_parameters(model: StyleModel) -> None:
    assert sum(parameter.numel() for parameter in model.decoder.parameters()) < 1_000_000
    assert not torch.is_grad_enabled() or all(not p.requires_grad for p in model.net.parameters())
