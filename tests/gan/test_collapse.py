"""The spread within a condition: right where the truth is known, and an alarm when z is no longer heeded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from persona.gan.collapse import Alarm, Spread
from persona.gan.recipe import Recipe, Schedule
from persona.gan.run import run
from persona.gan.train import Trainer

from .child import prior
from .small import garments

SHIFT = 0.15


class Painter(nn.Module):
    """Draws the discs of `small.shapes` perfectly: the colour by the condition, the place by z as far as it heeds z."""

    def __init__(self, heeds: float) -> None:
        super().__init__()
        self.heeds, self.start = heeds, nn.Linear(1, 1)

    def forward(self, z: Tensor, condition: Tensor, category: Tensor) -> Tensor:
        places = torch.special.ndtr(z[:, :2]) * 2 - 1  # evenly from -1 to 1
        y, x = torch.meshgrid(*[torch.linspace(-1, 1, 32)] * 2, indexing="ij")
        away = self.heeds * 2 * SHIFT * places[:, :, None, None]
        alpha = ((y - away[:, :1]) ** 2 + (x - away[:, 1:]) ** 2 < 0.6).float()
        colour = (condition[:, :3, None, None] * 65 + 142) / 255
        return torch.cat([colour * alpha, alpha], 1) * 2 - 1


def discs() -> Spread:
    data = garments(count=900, shift=SHIFT)
    data.conditions[..., 3:] = 0  # nothing but the colour
    rows = data.categories == 1
    data.pictures, data.conditions, data.categories = data.pictures[rows], data.conditions[rows], data.categories[rows]
    return Spread(data)


def test_the_spread_is_one_for_a_perfect_generator_and_falls_with_what_z_does() -> None:
    spread = discs()
    perfect, hardly, deaf = (spread.of(Painter(heeds)) for heeds in (1, 0.1, 0))  # type: ignore[arg-type]
    assert perfect == pytest.approx(1, abs=0.25)
    assert 0 < hardly < 0.5
    assert deaf == pytest.approx(0, abs=1e-3)


def test_nothing_is_measured_where_the_condition_decides_the_picture() -> None:
    assert Spread(garments()).of(Painter(0)) is None  # type: ignore[arg-type]


def test_the_alarm_waits_for_a_second_time_and_says_it_once(caplog: pytest.LogCaptureFixture) -> None:
    alarm = Alarm()
    for spread in (0.4, 0.8, 0.4):
        alarm.hear(spread, 100)
    assert caplog.text == ""
    alarm.hear(0.3, 2000)
    alarm.hear(0.2, 3000)
    assert caplog.text.count("collapse: after 2,000 pictures") == 1
    assert "0.30 times as much as real ones" in caplog.text
    assert "--set penalty=" in caplog.text


@pytest.mark.parametrize("late", [True, False])
def test_a_run_whose_generator_ignores_z_is_told_once_it_has_settled(
    late: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recipe = Recipe(
        32, 64 if late else 1000, width=0.1, batch=8, half=False, rate_generator=1e-9, ema_images=1e9,
        conditional=Schedule(1, 1, 1),
    )  # fmt: skip
    trainer = Trainer(recipe, garments(shift=SHIFT))
    for net in (trainer.generator, trainer.average):
        for layer in net.modules():
            if isinstance(layer, nn.Linear) and layer.in_features > 128:  # those that read the style, z first
                layer.weight.data[:, :64] = 0
    for figures in run(trainer, prior(), "none", tmp_path, every=2, save_seconds=0):
        if figures["images"] == 64:
            break
    assert ("collapse" in caplog.text) == late
    lines = [json.loads(line) for line in (tmp_path / "figures.jsonl").read_text().splitlines()]
    spreads = [line["spread"] for line in lines if "spread" in line]
    assert len(spreads) >= 3
    assert max(spreads) < 1e-3
