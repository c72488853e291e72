"""The recipe: fields from the command line, and what is refused."""

from __future__ import annotations

from dataclasses import fields

import pytest
import torch

from persona.errors import BadInput
from persona.gan.draw import Draw
from persona.gan.recipe import Recipe, Schedule

from .small import garments

PLAN = Recipe.plan(32, 10_000)


def test_every_kind_of_field_can_be_set() -> None:
    changed = PLAN.override(
        [
            "batch=64",
            "half=false",
            "rate_generator=1e-3",
            "loss=hinge",
            "penalty=2:1:500",
            "augment=0.5",
            "mismatch=1:.5",
        ]
    )
    assert (changed.batch, changed.half, changed.rate_generator, changed.loss) == (64, False, 1e-3, "hinge")
    assert changed.penalty == Schedule(2, 1, 500)
    assert changed.augment == Schedule(0.5, 0.5, 10_000)
    assert changed.mismatch == Schedule(1, 0.5, 10_000)
    assert (changed.seed, changed.width) == (PLAN.seed, PLAN.width)


def test_what_it_prints_can_be_set() -> None:
    texts = [f"{field.name}={getattr(PLAN, field.name)}" for field in fields(PLAN)]
    assert Recipe(128, 500).override(texts) == PLAN


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tint=3", r"--set: 'tint=3': wanted NAME=VALUE; there are the names augment, balance, batch,"),
        ("batch", "--set: 'batch': wanted NAME=VALUE"),
        ("batch=many", "batch: 'many' is not a whole number"),
        ("batch=1", "batch: 1 of 10000 pictures"),
        ("width=nan", "width: nan, wanted at least 0"),
        ("width=0.01", "width: 0.01, wanted at least 0.05"),
        ("half=maybe", "half: 'maybe' is not true or false"),
        ("loss=best", "loss: 'best' is unknown: choose from relativistic, hinge, lsgan, wgan-gp, minimax"),
        ("size=48", "size: 48 pixels, wanted one of 32, 64, 128"),
        ("penalty=1:2:3:4", "penalty: '1:2:3:4' is not START:END:IMAGES"),
        ("penalty=-1", "penalty: -1:-1:10000, wanted at least 0"),
        ("augment=1.5", "augment: 1.5:1.5:10000, wanted 0 to 1"),
        ("balance=2", "balance: 2.0, wanted 0 to 1"),
        ("rate_generator=0", "rate_generator: 0.0, wanted more than 0"),
        ("seed=-1", "seed: -1, wanted at least 0"),
    ],
)
def test_what_cannot_be_set_is_named(text: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        PLAN.override([text])


@pytest.mark.parametrize(("balance", "share"), [(0.0, 60 / 72), (0.5, 60**0.5 / (60**0.5 + 12**0.5)), (1.0, 0.5)])
def test_balance_decides_how_often_a_category_is_drawn(balance: float, share: float) -> None:
    data = garments(count=72)
    data.categories = torch.tensor([0] * 60 + [1] * 12)
    drawn = data.draw(data.weights(balance), 20_000, Draw(0)).category
    assert float((drawn == 0).float().mean()) == pytest.approx(share, abs=0.015)
