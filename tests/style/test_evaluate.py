"""The figures of style, of models whose worth is known beforehand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from torchvision.models import squeezenet1_1

from persona.catalog.perceptual import Perceptual
from persona.catalog.pictures import Bytes
from persona.settings import Settings
from persona.style import evaluate as module
from persona.style.bench import bench_style, garment_like, throughput
from persona.style.colour_transfer import colour_transfer
from persona.style.controls import WHOLE, Controls
from persona.style.evaluate import Evaluation, evaluate
from persona.style.features import GARMENT, FeatureNet, open_features
from persona.style.judge import StyleJudge
from persona.style.model import StyleModel
from persona.style.networks import Decoder
from persona.style.pairs import Pair, recut
from persona.style.picture import Floats, check
from tests.style.drawn import garment, printed

PAIRS = [
    Pair(garment(seed), garment(seed + 5) if seed % 2 else printed(seed + 5), "garment" if seed % 2 else "print")
    for seed in range(6)
]


class Copyist:
    """Puts the style picture itself in the garment's place, as far as strength says: all style and no content."""

    def __init__(self) -> None:
        self.styles: list[Bytes] = []

    def read(self, rgba: Bytes, region: Floats | None = None) -> int:
        self.styles.append(rgba)
        return len(self.styles) - 1

    def apply(self, rgba: Bytes, style: int, controls: Controls = WHOLE, region: Floats | None = None) -> Bytes:
        whole = recut(rgba, self.styles[style])
        mixed = np.rint(rgba + controls.strength * (whole.astype(float) - rgba)).astype(np.uint8)
        return np.where((check(rgba, region, "picture") > 0)[..., None], mixed, rgba)


class Idler(Copyist):
    """Does nothing."""

    def apply(self, rgba: Bytes, style: int, controls: Controls = WHOLE, region: Floats | None = None) -> Bytes:
        return rgba.copy()


class Recolourer(Copyist):
    """Colour transfer, whatever is asked for: it knows no region, and no strength."""

    def apply(self, rgba: Bytes, style: int, controls: Controls = WHOLE, region: Floats | None = None) -> Bytes:
        return colour_transfer(rgba, self.styles[style])


@pytest.fixture(scope="module")
def judge() -> StyleJudge:
    torch.manual_seed(0)
    return StyleJudge(Perceptual(squeezenet1_1(weights=None).features, caffe=False))


@pytest.fixture(scope="module")
def net() -> FeatureNet:
    return open_features(GARMENT, Settings().models)


def figures(model: Copyist, judge: StyleJudge, net: FeatureNet, **given: Any) -> dict[str, Any]:
    return evaluate(cast(StyleModel, model), judge, net, PAIRS, **{"optimised": 0, **given}).figures


@pytest.fixture(scope="module")
def copyist(judge: StyleJudge, net: FeatureNet) -> Evaluation:
    return evaluate(cast(StyleModel, Copyist()), judge, net, PAIRS, optimised=2, steps=2)


def test_all_style_and_no_content(copyist: Evaluation) -> None:
    found = copyist.figures
    assert found["style_distance"] < 0.9 * found["colour_transfer_control"]
    assert found["style_distance_interval"][0] <= found["style_distance"] <= found["style_distance_interval"][1]
    assert found["style_distance_wrong"] > 2 * found["style_distance"]
    assert found["edge_cosine"] < found["edge_cosine_colour_transfer"]
    assert found["edge_cosine"] == pytest.approx(found["edge_cosine_chance"], abs=0.2)
    assert found["recognised"] == 1 > found["recognised_untransferred"]
    assert found["spread_over_styles"] == pytest.approx(1, abs=0.4)
    assert found["series_spread"] < 0.4  # one outline is all that a series has of its own
    assert found["strength_monotone"] == 1
    assert found["alpha_changed"] == 0
    assert list(found["style_distance_by_strength"]) == ["0.0", "0.25", "0.5", "0.75", "1.0"]
    assert found["style_distance_by_strength"]["0.0"] == 1


def test_the_optimisation_mode_stands_beside_it_where_it_was_tried(copyist: Evaluation) -> None:
    found = copyist.figures
    assert found["optimised_pairs"] == 2
    assert found["style_over_optimised"] < 1  # two steps lead nowhere
    assert [t.optimised is not None for t in copyist.transfers] == [True, True, False, False, False, False]
    assert set(found["by_kind"]) == {"garment", "print"}
    assert found["by_kind"]["garment"]["pairs"] == found["by_kind"]["print"]["pairs"] == 3


def test_nothing_done(judge: StyleJudge, net: FeatureNet) -> None:
    found = figures(Idler(), judge, net)
    assert found["style_distance"] == found["style_distance_wrong"] == pytest.approx(1)
    assert found["edge_cosine"] == found["ssim_structure"] == pytest.approx(1)
    assert found["content_distance"] == found["feature_distance"] == 0
    assert found["content_distance_chance"] > 0
    assert found["recognised"] == found["recognised_untransferred"] < found["recognised_ceiling"]
    assert found["spread_over_styles"] == pytest.approx(0, abs=1e-6)
    assert found["series_spread"] == pytest.approx(1)
    assert found["strength_monotone"] == found["strength_nearer"] == 0
    assert found["colour_free_de00"] == found["light_free_l"] == 0
    assert "style_over_optimised" not in found


def test_what_ignores_controls_and_regions_is_found_out(judge: StyleJudge, net: FeatureNet) -> None:
    found = figures(Recolourer(), judge, net)
    assert found["style_distance"] == pytest.approx(found["colour_transfer_control"])
    assert found["strength_monotone"] == 0
    assert found["colour_kept_de00"] == found["colour_free_de00"] > 1
    assert found["alpha_changed"] > 1000  # outside the half that it was given
    assert found["spread_over_styles"] == pytest.approx(found["spread_over_styles_colour_transfer"])


def test_paintings_count_by_kind_alone(judge: StyleJudge, net: FeatureNet) -> None:
    """They were trained on."""
    held = evaluate(cast(StyleModel, Copyist()), judge, net, PAIRS[:4], optimised=0).figures
    pairs = [*PAIRS[:4], replace(PAIRS[4], kind="painting")]
    found = evaluate(cast(StyleModel, Copyist()), judge, net, pairs, optimised=0).figures
    assert found["pairs"] == held["pairs"] == 4
    assert found["style_distance"] == pytest.approx(held["style_distance"])
    assert found["by_kind"]["painting"]["pairs"] == 1


def test_an_untrained_model_is_measured_and_leaves_alpha_alone(judge: StyleJudge, net: FeatureNet) -> None:
    """Its decoder paints nothing yet: what is left is a colour transfer."""
    torch.manual_seed(0)
    model = StyleModel(net, Decoder(net.channels, net.strides))
    found = evaluate(model, judge, net, PAIRS[:4], optimised=0).figures
    assert found["style_distance"] < 0.9
    assert found["alpha_changed"] == 0
    assert found["strength_monotone"] == 1
    assert found["colour_kept_de00"] < found["colour_free_de00"]


@pytest.mark.slow
def test_speed_and_memory_are_those_of_a_model_folder(
    net: FeatureNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = tmp_path / "models"
    models.mkdir()
    (models / GARMENT).symlink_to(Settings().models / GARMENT)
    model = StyleModel(net, Decoder(net.channels, net.strides))
    model.save(models / "style", card="# For the test", metrics={})
    monkeypatch.setattr("persona.style.bench.ROUNDS", 3)
    found = bench_style(models / "style", sides=(48, 192))
    assert 0 < found["ms_48"] < found["ms_192"]
    assert 100 < found["rss_mb"] < 4000  # torch alone is more than 100
    assert found["model"] == model.version
    assert throughput(model, "cpu", 2, 64) > 0


def test_the_measured_garment_is_one() -> None:
    picture = garment_like(128)
    share = (picture[..., 3] > 0).mean()
    assert 0.3 < share < 0.8
    assert (picture[..., :3] <= picture[..., 3:]).all()
    assert module.LEVELS[0] == "conv1"
