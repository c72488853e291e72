import itertools

import cv2
import numpy as np
import pytest
import torch

from persona.catalog.colour import delta_e_2000, lab_to_srgb, srgb_to_lab
from persona.catalog.lab import lab_to_rgb, rgb_to_lab
from persona.makeup.chart import draw_chart
from persona.makeup.face import Face
from persona.makeup.look import FINISHES, PLACEMENTS, REGIONS, Look, Product
from persona.makeup.regions import masks_of, usual_placements
from persona.makeup.render import Layers, apply, layers_of, look_of, medians, placements_of, render

CHART = draw_chart("oval", 4, 256)
LIPS = Product(region="lips", lab="#a01838", opacity=0.8)
COLOURS = dict(
    zip(
        REGIONS,
        ["#8a5a3c", "#6a4028", "#ffe4cc", "#c8505a", "#40281c", "#6b3f35", "#4a2a66", "#101014", "#7c1020", "#a01838"],
        strict=True,
    )
)
FULL = Look(products=[Product(region=r, lab=c, opacity=0.7) for r, c in COLOURS.items()])


def lips_mask(side: int = 256) -> np.ndarray:
    chart = draw_chart("oval", 4, side)
    return masks_of(chart.face, (side, side), {"lips": "full"}, chart.picture)["lips"]


def stack(look: Look, side: int = 256) -> torch.Tensor:
    chart = draw_chart("oval", 4, side)
    drawn = masks_of(chart.face, (side, side), placements_of(look), chart.picture)
    return torch.stack([torch.from_numpy(drawn.get(r, np.zeros((side, side), np.float32))) for r in REGIONS])[None]


def as_tensor(picture: np.ndarray) -> torch.Tensor:
    return torch.tensor(picture).permute(2, 0, 1)[None].float() / 255


def median_lab(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return np.median(srgb_to_lab(picture[mask > 0.95]), 0)


def test_colours_convert_as_in_float64():
    rgb = np.random.default_rng(0).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    lab = rgb_to_lab(as_tensor(rgb))[0].permute(1, 2, 0).numpy()
    assert np.abs(lab - srgb_to_lab(rgb)).max() < 0.02
    back = lab_to_rgb(torch.from_numpy(srgb_to_lab(rgb)).permute(2, 0, 1)[None].float())[0].permute(1, 2, 0).numpy()
    assert np.abs(back * 255 - rgb).max() < 0.1
    outside = np.array([[[50.0, 120.0, -120.0]]])
    clipped = lab_to_rgb(torch.from_numpy(outside).permute(2, 0, 1)[None].float())[0, :, 0, 0].numpy() * 255
    assert np.abs(clipped - lab_to_srgb(outside)[0, 0]).max() < 0.1


def test_medians_are_those_of_sorting():
    generator = torch.Generator().manual_seed(0)
    lab = torch.rand(2, 3, 40, 40, generator=generator) * torch.tensor([100.0, 80, 80])[:, None, None]
    mask = (torch.rand(2, 40, 40, generator=generator) > 0.4).float()
    middle, _ = medians(lab, mask)
    for row in range(2):
        sorted_out = lab[row][:, mask[row] > 0].median(1).values
        assert (middle[row] - sorted_out).abs().max() < 0.5


@pytest.mark.parametrize("tone", [1, 5, 9])
@pytest.mark.parametrize("colour", ["#a01838", "#f2b8c0", "#35101c"])
def test_full_cover_shows_the_pigment_on_every_skin(tone: int, colour: str):
    chart = draw_chart("round", tone, 512)
    look = Look(products=[Product(region="lips", lab=colour, opacity=1)])
    made = apply(chart.picture, chart.face, look)
    mask = masks_of(chart.face, (512, 512), {"lips": "full"}, chart.picture)["lips"]
    assert delta_e_2000(median_lab(made, mask), look.products[0].lab) < 2.5


@pytest.mark.parametrize("region", REGIONS)
def test_pixels_outside_the_masks_stay_bit_for_bit(region: str):
    look = FULL.only({region})
    made = apply(CHART.picture, CHART.face, look)
    mask = masks_of(CHART.face, (256, 256), placements_of(look), CHART.picture)[region]
    changed = (made != CHART.picture).any(-1)
    assert changed.any()
    assert not changed[mask == 0].any()


def test_a_bare_look_no_strength_and_a_face_elsewhere_change_nothing():
    for look, strength in ((Look(), 1.0), (FULL, 0.0), (FULL, dict.fromkeys(REGIONS, 0.0))):
        assert (apply(CHART.picture, CHART.face, look, strength) == CHART.picture).all()
    points = CHART.face.points + np.array([5000, 0, 0], np.float32)
    assert (apply(CHART.picture, Face(points), FULL) == CHART.picture).all()


@pytest.mark.parametrize("region", REGIONS)
def test_strength_is_monotone(region: str):
    bare = srgb_to_lab(CHART.picture)
    look = FULL.only({region})
    away = [
        np.linalg.norm(srgb_to_lab(apply(CHART.picture, CHART.face, look, {region: share})) - bare, axis=-1).sum()
        for share in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    assert away[0] == 0
    assert all(more > 1.1 * less for less, more in itertools.pairwise(away))


def test_a_region_can_be_worn_alone():
    only = apply(CHART.picture, CHART.face, FULL, {r: float(r == "lips") for r in REGIONS})
    assert (only == apply(CHART.picture, CHART.face, FULL.only({"lips"}))).all()


@pytest.mark.parametrize("tone", range(1, 11))
def test_foundation_never_lightens(tone: int):
    chart = draw_chart("square", tone, 256)
    look = Look(products=[Product(region="skin", lab=(96, 2, 8), opacity=1, finish="matte")])
    mask = masks_of(chart.face, (256, 256), {"skin": "even"}, chart.picture)["skin"]
    before, after = (
        median_lab(picture, mask)[0] for picture in (chart.picture, apply(chart.picture, chart.face, look))
    )
    assert after <= before + 0.5


def test_finishes_shine_differently():
    chart = draw_chart("oval", 4, 512)
    mask = lips_mask(512) > 0.9
    spread, grain = {}, {}
    for finish in FINISHES:
        look = Look(products=[Product(region="lips", lab="#a01838", opacity=1, finish=finish)])
        lightness = srgb_to_lab(apply(chart.picture, chart.face, look))[..., 0]
        spread[finish] = np.quantile(lightness[mask], 0.98) - np.median(lightness[mask])
        grain[finish] = np.abs(lightness - cv2.GaussianBlur(lightness, (0, 0), 1.5))[mask].mean()
    assert spread["matte"] < spread["satin"] < spread["gloss"]
    assert grain["shimmer"] > 1.3 * max(grain["matte"], grain["satin"])


def test_shading_is_kept():
    made = apply(CHART.picture, CHART.face, Look(products=[Product(region="cheeks", lab="#c8505a", opacity=0.5)]))
    mask = masks_of(CHART.face, (256, 256), {"cheeks": "apples"}, CHART.picture)["cheeks"] > 0.5
    before, after = (srgb_to_lab(picture)[mask][:, 0] for picture in (CHART.picture, made))
    assert np.corrcoef(before, after)[0, 1] > 0.8


def test_gradients_reach_the_look_and_lead_to_it():
    """A look is found again by descent through the renderer, from its picture alone."""
    wanted = Look(products=[Product(region="lips", lab=(40, 45, 20), opacity=0.8)])
    picture, masks = as_tensor(CHART.picture), stack(wanted)
    target = render(picture, masks, layers_of([wanted]))
    lab = torch.tensor([60.0, 10.0, 10.0]).expand(1, len(REGIONS), 3).clone().requires_grad_()
    start = layers_of([wanted])
    optimiser = torch.optim.Adam([lab], lr=2)
    for _ in range(60):
        optimiser.zero_grad()
        loss = (render(picture, masks, Layers(lab, start.opacity, start.finish)) - target).square().sum()
        loss.backward()
        optimiser.step()
    found = lab[0, REGIONS.index("lips")].detach().numpy()
    assert delta_e_2000(found, (40, 45, 20)) < 2
    assert (lab.grad[0, REGIONS.index("skin")] == 0).all()


def test_a_batch_is_rendered_as_its_pictures_alone():
    looks = [FULL, Look(products=[LIPS]), Look()]
    pictures = torch.cat([as_tensor(draw_chart("oval", 4, 256).picture)] * 3)
    masks = torch.cat([stack(FULL), stack(looks[1]), stack(looks[2])])
    together = render(pictures, masks, layers_of(looks), 0.7)
    for row, look in enumerate(looks):
        alone = render(pictures[row : row + 1], masks[row : row + 1], layers_of([look]), 0.7)
        assert (together[row] - alone[0]).abs().max() < 2e-3
    assert torch.equal(together[2], pictures[2])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no graphics card")
def test_a_graphics_card_renders_the_same():
    on_card = apply(CHART.picture, CHART.face, FULL, device="cuda").astype(int)
    assert np.abs(on_card - apply(CHART.picture, CHART.face, FULL)).max() <= 2


def test_a_large_photo_is_made_up_like_a_small_one():
    large = cv2.resize(CHART.picture, (3464, 3464), interpolation=cv2.INTER_CUBIC)
    face = Face(CHART.face.points * np.float32(3464 / 256))
    look = Look(products=[LIPS])
    made = apply(large, face, look)
    box = masks_of(face, (3464, 3464), {"lips": "full"})["lips"]
    assert not (made != large).any(-1)[cv2.dilate(box, np.ones((25, 25), np.uint8)) == 0].any()
    colour = median_lab(made, box)
    assert delta_e_2000(colour, median_lab(apply(CHART.picture, CHART.face, look), lips_mask())) < 3


def test_looks_survive_being_tensors():
    again = look_of(layers_of([FULL]), 0, placements_of(FULL))
    assert [p.region for p in again.products] == [p.region for p in FULL.products]
    for one, other in zip(again.products, FULL.products, strict=True):
        assert one.lab == pytest.approx(other.lab, abs=0.01)
        assert one.opacity == pytest.approx(other.opacity, abs=1e-4)
        assert (one.finish, one.placement) == (other.finish, other.placement)


def test_every_placement_can_be_worn():
    for number in range(3):
        products = [
            Product(region=r, lab=COLOURS[r], opacity=0.7, placement=PLACEMENTS[r][min(number, len(PLACEMENTS[r]) - 1)])
            for r in REGIONS
        ]
        made = apply(CHART.picture, CHART.face, Look(products=products))
        assert (made != CHART.picture).any()
    assert set(usual_placements()) == set(REGIONS)
