"""Garments from garments: the ends of a walk, mixtures, and edits that are seen in the picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from persona.catalog.colour import colour_name, delta_e_2000, garment_lab, srgb_to_lab
from persona.errors import BadInput, OutOfDate
from persona.gan import GarmentModel, Prior, sample
from persona.gan.directions import Directions
from persona.gan.edit import NEAR, WHOLE, Change, edit, mix, outline_iou, slerp, walk
from persona.gan.evaluate_edits import labs
from persona.gan.model import Code, pull, render
from persona.gan.networks import Generator
from persona.store.records import COLOURS

from .painter import WIDTH, held_out, painter
from .small import NAMES, shapes


@pytest.fixture(scope="module")
def model() -> GarmentModel:
    return painter()


@pytest.fixture
def code() -> Code:
    _, conditions, names = held_out(6)
    return Code.of(conditions, names, range(6))


def test_stages_with_one_style_draw_what_forward_draws() -> None:
    generator = Generator(64, 3, width=0.1).eval()
    z, condition, category = torch.randn(2, 64), torch.randn(2, 64), torch.tensor([0, 2])
    style = generator.style(z, condition, category)
    assert torch.equal(generator.draw([style] * 4), generator(z, condition, category))
    other = generator.style(z + 1, condition, category)
    assert not torch.equal(generator.draw([style, style, other, style]), generator(z, condition, category))
    with pytest.raises(ValueError, match="zip"):
        generator.draw([style] * 3)


@pytest.mark.parametrize("categories", [("disc", "disc"), ("disc", "bar")])
def test_a_walk_begins_and_ends_at_the_two_garments(model: GarmentModel, categories: tuple[str, str]) -> None:
    _, conditions, _ = held_out(2)
    codes = [Code.of(conditions[i : i + 1], categories[i : i + 1], [i]) for i in range(2)]
    frames = walk(model, *codes, frames=7)
    assert frames.shape == (7, 32, 32, 4)
    for frame, one in zip(frames[[0, -1]], codes):
        assert np.array_equal(frame, render(model, one)[0])
    steps = np.abs(np.diff(frames.astype(int), axis=0)).mean((1, 2, 3))
    whole = np.abs(frames[0].astype(int) - frames[-1]).mean()
    assert steps.max() < 0.7 * whole  # no frame jumps from one to the other


def test_a_walk_needs_two_ends(model: GarmentModel, code: Code) -> None:
    with pytest.raises(BadInput, match="frames: 1 from 1 to 1"):
        walk(model, code[:1], code[1:2], 1)
    with pytest.raises(BadInput, match="from 6 to 1"):
        walk(model, code, code[:1], 3)


vectors = st.lists(st.floats(-3, 3, width=32), min_size=8, max_size=8).map(lambda v: torch.tensor([v]))


@settings(deadline=None, derandomize=True)
@given(vectors, vectors, st.floats(0, 1))
def test_spherical_interpolation(a: torch.Tensor, b: torch.Tensor, share: float) -> None:
    assert torch.equal(slerp(a, b, 0.0), a)
    assert torch.equal(slerp(a, b, 1.0), b)
    between = slerp(a, b, share)
    assert torch.isfinite(between).all()
    torch.testing.assert_close(slerp(b, a, 1 - share), between, atol=1e-3, rtol=1e-3)
    if min(a.norm(), b.norm()) > 0.1:
        unit = slerp(a / a.norm(), b / b.norm(), share).norm()
        cosine = torch.nn.functional.cosine_similarity(a, b)
        assert cosine < -0.99 or unit == pytest.approx(1, abs=1e-2)  # stays on the sphere


def test_mixing_goes_from_the_second_garment_to_the_first(model: GarmentModel, code: Code) -> None:
    coarse, fine = code[:3], code[3:]
    stages = len(model.generator.stages)
    assert np.array_equal(mix(model, coarse, fine, 0), render(model, fine))
    assert np.array_equal(mix(model, coarse, fine, stages), render(model, coarse))
    between = mix(model, coarse, fine, 1)
    assert not np.array_equal(between, render(model, fine))
    assert not np.array_equal(between, render(model, coarse))
    with pytest.raises(BadInput, match=f"crossing: {stages + 1}, wanted 0 to {stages}"):
        mix(model, coarse, fine, stages + 1)
    with pytest.raises(BadInput, match="as many garments"):
        mix(model, code, fine, 1)


def test_truncation_of_z_and_of_the_condition(model: GarmentModel, code: Code) -> None:
    same = np.repeat(code.condition[:1], 3, 0)
    assert len(np.unique(sample(model, same, ["disc"] * 3, [1, 2, 3], truncation=0.0), axis=0)) == 1
    assert len(np.unique(sample(model, same, ["disc"] * 3, [1, 2, 3], truncation=1.0), axis=0)) == 3
    mean = model.prior.mean.numpy()[[NAMES.index(name) for name in code.category]]
    assert np.allclose(pull(model, code, 1.0).condition, mean, atol=1e-6)
    assert np.array_equal(pull(model, code, 0.0).condition, code.condition)
    typical = sample(model, code.condition, code.category, range(6), typical=1.0)
    assert np.array_equal(typical, render(model, pull(model, code, 1.0)))
    with pytest.raises(BadInput, match="typical: 2"):
        pull(model, code, 2)


@pytest.mark.parametrize("colour", ["purple", "pink", "blue"])
def test_another_colour(model: GarmentModel, code: Code, colour: str) -> None:
    before, edited = render(model, code), edit(model, code, Change(colour=colour))
    assert np.array_equal(edited.code.z, code.z)
    assert edited.code.category == code.category
    assert np.array_equal(render(model, edited.code), edited.pictures)
    after = [colour_name(garment_lab(picture)) for picture in edited.pictures]
    assert after.count(colour) >= 5 > [colour_name(lab) for lab in labs(before)].count(colour)
    assert np.allclose(edited.outline, outline_iou(before, edited.pictures))
    assert edited.outline.min() > max(WHOLE, 0.9)


def test_a_colour_by_its_numbers(model: GarmentModel, code: Code) -> None:
    wanted = srgb_to_lab((180, 60, 120))
    edited = edit(model, code, Change(colour=tuple(wanted.tolist())))
    measured = delta_e_2000(labs(edited.pictures), wanted)
    assert np.allclose(edited.colour_error, measured)
    assert np.median(measured) < 2 * NEAR
    assert np.median(delta_e_2000(labs(render(model, code)), wanted)) > 20


def test_rounds_never_make_it_worse(model: GarmentModel, code: Code) -> None:
    errors = [edit(model, code, Change(colour="pink"), rounds=n).colour_error for n in (1, 2, 4)]
    assert (errors[1] <= errors[0] + 1e-9).all()
    assert (errors[2] <= errors[1] + 1e-9).all()
    assert errors[2].mean() < errors[0].mean()


def test_another_category_keeps_the_colour(model: GarmentModel, code: Code) -> None:
    before, edited = render(model, code), edit(model, code, Change(category="bar"))
    assert set(edited.code.category) == {"bar"}
    bars = np.array([name == "bar" for name in code.category])
    assert outline_iou(before, edited.pictures)[~bars].max() < 0.8  # another shape
    assert np.median(delta_e_2000(labs(before), labs(edited.pictures))) < 2 * NEAR


def test_nothing_asked_nothing_changed(model: GarmentModel, code: Code) -> None:
    edited = edit(model, code, Change())
    assert not Change()
    assert np.abs(edited.pictures.astype(int) - render(model, code)).max() <= 1


def test_what_cannot_be_edited(model: GarmentModel, code: Code) -> None:
    with pytest.raises(BadInput, match="pattern: 'striped' is none that the generator has learnt: choose from plain"):
        edit(model, code, Change(pattern="striped"))
    with pytest.raises(BadInput, match="colour: 'mauve'"):
        edit(model, code, Change(colour="mauve"))
    with pytest.raises(BadInput, match=r"colour: .* is no CIELAB"):
        edit(model, code, Change(colour=(50.0, float("nan"), 0.0)))
    with pytest.raises(BadInput, match="category: 'kilt' is unknown"):
        edit(model, code, Change(category="kilt"))
    old = GarmentModel(model.generator, model.prior, NAMES, "visual@0", "old@0")
    with pytest.raises(OutOfDate, match="old@0: cannot edit garments yet; run `persona train directions`"):
        edit(old, code, Change(colour="red"))


def test_directions_read_and_move_what_was_measured() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3000, 64)).astype(np.float32)
    truth = rng.normal(size=(3, 64))
    lab = (50, 0, 0) + x @ truth.T
    striped = x[:, 7] > 1
    directions = Directions.fit(
        x,
        rng.integers(0, 3, 3000),
        [tuple(row) for row in lab.tolist()],
        [colour_name(row) for row in lab],
        ["striped" if one else "plain" for one in striped],
    )
    assert np.abs(directions.read(x)[:, :3] - lab).max() < 1
    wanted = directions.read(x[:50])
    wanted[:, :3] = (40, 10, -20)
    moved = directions.move(x[:50], wanted)
    assert np.abs(moved @ truth.T + (50, 0, 0) - (40, 10, -20)).max() < 1
    assert np.abs(directions.read(moved) - wanted)[:, 3:].max() < 0.05  # patterns were not asked to change
    more = directions.read(x[:50])
    more[:, 3:] = directions.pattern("striped")
    assert (directions.move(x[:50], more)[:, 7] - x[:50, 7])[~striped[:50]].mean() > 0.5


def test_a_folder_keeps_directions_and_old_ones_still_load(model: GarmentModel, code: Code, tmp_path: Path) -> None:
    model = GarmentModel(model.generator, model.prior, NAMES, "visual@0", directions=model.directions)
    model.save(tmp_path / "new", width=WIDTH, card="A card.", metrics={})
    loaded = GarmentModel.load(tmp_path / "new")
    edited = edit(loaded, code, Change(colour="purple"))
    assert [colour_name(lab) for lab in labs(edited.pictures)].count("purple") >= 5
    with pytest.raises(BadInput, match="striped"):
        loaded.directions.pattern("striped")  # unknown stays unknown
    assert {name for name in COLOURS if np.isfinite(loaded.directions.colours[COLOURS.index(name)]).all()}
    GarmentModel(model.generator, model.prior, NAMES, "visual@0").save(
        tmp_path / "old", width=WIDTH, card="", metrics={}
    )
    with pytest.raises(OutOfDate, match=r"old@.*persona train directions"):
        _ = GarmentModel.load(tmp_path / "old").directions


def test_garments_of_which_nothing_was_measured_teach_nothing() -> None:
    _, conditions, codes = shapes(20)
    nothing = [None] * 20
    directions = Directions.fit(conditions, codes, nothing, nothing, nothing)
    with pytest.raises(BadInput, match="it has learnt none"):
        directions.colour("red")
    assert np.array_equal(directions.move(conditions, np.ones((20, 6))), conditions)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (Code(np.zeros((1, 64), np.float32), np.zeros((1, 63), np.float32), ("disc",)), "conditions: wanted finite"),
        (Code(np.full((1, 64), np.inf, np.float32), np.zeros((1, 64), np.float32), ("disc",)), "z: wanted finite"),
        (Code(np.zeros((1, 64), np.float32), np.zeros((1, 64), np.float32), ("kilt",)), "category: 'kilt'"),
        (Code(np.zeros((1, 64), np.float32), np.zeros((1, 64), np.float32), ("disc", "disc")), "conditions: wanted"),
    ],
)
def test_codes_that_cannot_be_drawn(model: GarmentModel, code: Code, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        render(model, code)


def test_the_prior_is_where_categories_go() -> None:
    _, conditions, codes = shapes(60)
    prior = Prior.fit(conditions, codes, 3)
    assert prior.mean.shape == (3, 64)
