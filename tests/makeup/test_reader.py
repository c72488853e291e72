"""Reading, moving and taking off looks, on drawn faces: with small networks, and with the one that ships."""

from pathlib import Path

import numpy as np
import pytest
import torch

from persona.catalog.colour import delta_e_2000
from persona.catalog.lab import rgb_to_lab
from persona.errors import BadInput, OutOfDate
from persona.makeup.aligned import PATCHES, SIDE, align, matrix_of, through
from persona.makeup.bare import without
from persona.makeup.chart import Chart, draw_chart
from persona.makeup.difference import delta_e
from persona.makeup.evaluate_transfer import changed_outside
from persona.makeup.face import Face
from persona.makeup.lights import HELD_OUT, draw_lights, held_out, lit
from persona.makeup.look import REGIONS, Look, Product
from persona.makeup.random_looks import draw_looks
from persona.makeup.read import LookReader, measured, under_light
from persona.makeup.reader_network import ReaderNetwork
from persona.makeup.render import apply, layers_of, medians, render
from persona.makeup.train_reader import Plan, Trainer, losses, make_faces, pose_all
from persona.makeup.transfer import covering, transfer
from persona.settings import CHECKOUT

SHIPPED = CHECKOUT / "data" / "models" / "look-reader"
RED = Look(products=[Product(region="lips", lab="#b01020", opacity=0.9)])
SMALL = Plan(steps=6, batch=4, faces=8, uses=1, poses=2, width=16)


@pytest.fixture(scope="module")
def chart() -> Chart:
    return draw_chart("oval", 5, 320)


@pytest.fixture(scope="module")
def trainer_data():
    charts = [draw_chart(shape, monk, 256) for shape, monk in (("oval", 3), ("round", 7))]
    return pose_all([(c.picture, c.face) for c in charts], [1.0, 1.0], SMALL)


@pytest.fixture(scope="module")
def reader() -> LookReader:
    if not (SHIPPED / "model.safetensors").exists():
        pytest.skip("the trained reader is not in data/models")
    return LookReader.load(SHIPPED)


def test_difference_is_that_of_numpy() -> None:
    draw = np.random.default_rng(0)
    one, other = draw.uniform((0, -80, -80), (100, 80, 80), (2, 4000, 3))
    ours = delta_e(torch.tensor(one), torch.tensor(other)).numpy()
    np.testing.assert_allclose(ours, delta_e_2000(one, other), atol=2e-3)


def test_difference_can_be_learnt_by_where_colours_are_equal_or_grey() -> None:
    one = torch.tensor([[50.0, 0, 0], [50, 20, 10], [0, 0, 0]], requires_grad=True)
    delta_e(one, torch.tensor([[50.0, 0, 0], [50, 20, 10], [100, 0, 0]])).sum().backward()
    assert one.grad is not None
    assert one.grad.isfinite().all()


@pytest.mark.parametrize(("angle", "scale"), [(0.0, 1.0), (0.3, 0.6), (-0.4, 1.7)])
def test_a_face_stands_alike_however_it_was_turned_and_scaled(chart: Chart, angle: float, scale: float) -> None:
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = chart.face.points.copy()
    points[:, :2] = points[:, :2] @ turn.T + [31, -7]
    moved = Face(points.astype(np.float32))
    one, other = through(chart.face, matrix_of(chart.face)), through(moved, matrix_of(moved))
    np.testing.assert_allclose(one.xy, other.xy, atol=0.02)


def test_large_photos_are_aligned_as_small_ones(chart: Chart) -> None:
    large = draw_chart("oval", 5, 1024)
    one, other = align(chart.picture, chart.face), align(large.picture, large.face)
    assert one.crop.shape == (SIDE, SIDE, 3)
    assert one.at.shape[0] == len(PATCHES)
    assert np.abs(one.crop.astype(int) - other.crop).mean() < 4
    lips = PATCHES.index("lips/full")
    both = [np.median(a.crop.reshape(-1, 3)[a.at[lips]], 0) for a in (one, other)]
    np.testing.assert_allclose(*both, atol=5)


def test_a_face_at_the_edge_of_the_photo_is_aligned(chart: Chart) -> None:
    cut = np.ascontiguousarray(chart.picture[:, 150:])
    assert align(cut, chart.face.moved((150, 0, 0, 0))).crop.std() > 5
    assert not align(chart.picture, chart.face.moved((9000, 9000, 0, 0))).crop.any()  # wholly outside


def test_looks_are_drawn_broadly_and_repeat() -> None:
    skin = torch.tensor([[65.0, 12, 16]]).expand(400, 3)
    one, other = (draw_looks(skin, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(one.layers.lab, other.layers.lab)
    looks = one.looks()
    assert any(not look.products for look in looks)
    assert {product.region for look in looks for product in look.products} == set(REGIONS)
    assert all(product.opacity >= 0.15 for look in looks for product in look.products)


def test_lights_change_pictures_and_neutral_does_not(chart: Chart) -> None:
    picture = torch.from_numpy(chart.picture.copy()).permute(2, 0, 1)[None].float() / 255
    generator = torch.Generator().manual_seed(0)
    changes = {n: float((lit(picture, held_out(n), generator) - picture).abs().mean()) for n in HELD_OUT}
    assert changes.pop("neutral") < 0.01  # only the JPEG
    assert min(changes.values()) > 0.015
    lamp = lit(picture, held_out("lamp"), generator).mean((0, 2, 3)) - picture.mean((0, 2, 3))
    assert lamp[0] > 0 > lamp[2]
    many = lit(picture.expand(3, -1, -1, -1), draw_lights(3, generator), generator)
    assert not torch.equal(many[0], many[1])


def test_colours_go_to_a_light_and_back() -> None:
    light = (1.3, 1.0, 0.7)
    there = under_light((50.0, 30.0, 10.0), light)
    back = under_light(there, (1 / 1.3, 1.0, 1 / 0.7))
    assert delta_e_2000(back, (50.0, 30.0, 10.0)) < 0.1
    assert there[2] > 20  # warm


def test_training_learns_and_repeats(trainer_data) -> None:
    trainers = [Trainer(trainer_data, SMALL) for _ in range(2)]
    for trainer in trainers:
        assert [state.steps for state in trainer.run()] == list(range(1, 7))
    for one, other in zip(trainers[0].averaged.parameters(), trainers[1].averaged.parameters()):
        assert torch.equal(one, other)
    fresh = ReaderNetwork(SMALL.width)
    faces = make_faces(trainer_data, 8, torch.Generator().manual_seed(99))
    batch = faces.under_light(torch.arange(8), torch.Generator().manual_seed(98))

    def total(network: ReaderNetwork) -> float:
        with torch.no_grad():
            return float(sum(losses(network.eval()(batch.crops, batch.at, batch.around), batch).values()))

    assert total(trainers[0].network) < total(fresh)


def test_training_goes_on_to_the_bit_after_a_break(trainer_data) -> None:
    whole, first, second = (Trainer(trainer_data, SMALL) for _ in range(3))
    list(whole.run())
    for _ in range(3):
        first.step()
    second.restore(first.state())
    list(second.run())
    for one, other in zip(whole.averaged.parameters(), second.averaged.parameters()):
        assert torch.equal(one, other)


def test_plans_name_what_is_wrong() -> None:
    with pytest.raises(BadInput, match="poses"):
        Plan(poses=0)


def test_a_reader_comes_back_as_it_was_saved(tmp_path: Path, chart: Chart) -> None:
    torch.manual_seed(0)
    reader = LookReader(ReaderNetwork(16))
    reader.save(tmp_path / "reader", card="# reader\n", metrics={"steps": 0})
    again = LookReader.load(tmp_path / "reader")
    assert again.version == reader.version
    one, other = (r.readings(chart.picture, chart.face).bare for r in (reader, again))
    assert torch.allclose(one, other, atol=0.5)  # weights are stored as float16
    (tmp_path / "reader" / "config.json").write_text(
        (tmp_path / "reader" / "config.json").read_text().replace('"width": 16', '"width": 24')
    )
    with pytest.raises(OutOfDate):
        LookReader.load(tmp_path / "reader")


def test_photos_of_another_kind_are_refused(chart: Chart) -> None:
    reader = LookReader(ReaderNetwork(16))
    for wrong in (chart.picture.astype(np.float32), chart.picture[..., 0], np.zeros((8, 8, 4), np.uint8)):
        with pytest.raises(BadInput, match="photo"):
            reader.read(wrong, chart.face)


def test_a_product_covers_more_where_its_pigment_could_not_do_it() -> None:
    product = RED.products[0].model_copy(update={"opacity": 0.3})
    near = covering(product, (45.0, 20.0, 8.0), (44.0, 24.0, 9.0))
    assert near.opacity == 0.3
    far = covering(product, (80.0, 5.0, 8.0), (20.0, 40.0, 9.0))
    assert far.opacity > 0.3
    worn = np.array((80.0, 5.0, 8.0)) + far.opacity * (np.array(far.lab) - (80.0, 5.0, 8.0))
    assert delta_e_2000(worn, (20.0, 40.0, 9.0)) < 2


@pytest.mark.parametrize("finish", ["matte", "satin", "gloss"])
def test_the_renderer_runs_backwards(chart: Chart, finish: str) -> None:
    bare = torch.from_numpy(chart.picture.copy()).permute(2, 0, 1)[None].float() / 255
    look = Look(products=[Product(region="lips", lab="#902040", opacity=0.7, finish=finish)])
    masks = torch.zeros(1, len(REGIONS), *bare.shape[-2:])
    masks[0, REGIONS.index("lips"), 200:240, 120:200] = 1.0
    made = render(bare, masks, layers_of([look]))
    middle, _ = medians(rgb_to_lab(bare), masks[:, REGIONS.index("lips")])
    back = without(made, masks, look, dict.fromkeys(REGIONS, middle[0]))
    assert torch.equal(back[..., :190, :], bare[..., :190, :])
    assert float((back - bare).abs().mean()) < 0.1 * float((made - bare).abs().mean())


# the reader that ships


@pytest.mark.parametrize("monk", [2, 5, 8])
def test_the_shipped_reader_reads_a_red_lip_as_red(reader: LookReader, monk: int) -> None:
    chart = draw_chart("oval", monk)
    lips = reader.read(apply(chart.picture, chart.face, RED), chart.face).look.on("lips")
    assert lips is not None
    assert lips.lab[1] > 30
    assert delta_e_2000(lips.lab, RED.products[0].lab) < 15


def test_the_shipped_reader_hardly_minds_the_light(reader: LookReader) -> None:
    chart = draw_chart("oval", 5)
    made = apply(chart.picture, chart.face, RED)
    picture = torch.from_numpy(made).permute(2, 0, 1)[None].float() / 255
    neutral = reader.read(made, chart.face)
    warm = lit(picture, held_out("lamp"), torch.Generator().manual_seed(0))
    photo = (warm[0] * 255).byte().permute(1, 2, 0).contiguous().numpy()
    lamp = reader.read(photo, chart.face)
    raw = delta_e_2000(*(measured(p, align(p, chart.face), chart.face)["lips"] for p in (made, photo)))
    assert lamp.look.on("lips") is not None
    assert delta_e_2000(lamp.worn["lips"], neutral.worn["lips"]) < raw
    assert lamp.light[0] / lamp.light[2] > neutral.light[0] / neutral.light[2]


def test_the_shipped_reader_moves_a_look_and_leaves_the_rest(reader: LookReader, chart: Chart) -> None:
    other = draw_chart("heart", 7, 300)
    reference = apply(other.picture, other.face, RED)
    result, look = transfer(chart.picture, chart.face, reference, other.face, reader, regions={"lips"})
    assert {product.region for product in look.products} == {"lips"}
    assert changed_outside(chart.picture, result, chart.face, look) == 0
    goal = measured(reference, align(reference, other.face), other.face)["lips"]
    at = align(chart.picture, chart.face)
    before, after = (measured(p, at, chart.face)["lips"] for p in (chart.picture, result))
    assert delta_e_2000(after, goal) < 0.5 * delta_e_2000(before, goal)
    nothing, _ = transfer(chart.picture, chart.face, reference, other.face, reader, strength=0.0)
    assert np.array_equal(nothing, chart.picture)
