"""Everything that decides a training run: the recipe, its schedules, and how the command line changes single fields."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, get_type_hints

from persona.errors import BadInput
from persona.gan.losses import LOSSES
from persona.gan.networks import SIZES


@dataclass(frozen=True)
class Schedule:
    """A value that moves evenly from start to end over so many pictures, and stays there."""

    start: float
    end: float
    images: int

    def at(self, images: int) -> float:
        """Its value after so many pictures."""
        return self.start + (self.end - self.start) * min(1.0, images / max(1, self.images))

    def __str__(self) -> str:
        """As `--set` reads it."""
        return f"{self.start:g}:{self.end:g}:{self.images}"


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a run, with its seed. images: pictures to show in all.

    batch is that of all processes together: with more of them each shows a smaller share of the same batch.
    """

    size: int
    images: int
    loss: str = "relativistic"
    width: float = 1.0
    batch: int = 32
    balance: float = 0.5  # a category is drawn in proportion to count ** (1 - balance). 0: as they come, 1: all alike
    rate_generator: float = 2e-4
    rate_discriminator: float = 4e-4
    rate_end: float = 0.25  # both rates fall to this share by a cosine
    penalty: Schedule = Schedule(1.0, 0.3, 200_000)  # gamma of R1 + R2
    penalty_every: int = 8
    gradient_penalty: float = 10.0  # WGAN-GP's
    mismatch: Schedule = Schedule(1.0, 0.0, 200_000)
    mismatch_sigma: float = 4.0
    classify: Schedule = Schedule(0.0, 1.0, 200_000)  # weight of telling the category back from the picture
    contrast: Schedule = Schedule(0.0, 0.1, 200_000)  # of finding the condition that it was drawn for
    colour: float = 10.0  # of the mean colour's distance from the real picture's
    conditional: Schedule = Schedule(0.0, 1.0, 12_000)  # begin unconditionally
    augment: Schedule = Schedule(0.7, 0.4, 200_000)
    noise: float = 0.1  # on the condition
    ema_images: float = 10_000.0  # half-life of the averaged generator
    half: bool = True  # bfloat16 autocast, penalties in float32
    seed: int = 0

    @classmethod
    def plan(cls, size: int, images: int, *, grown: bool = False, loss: str = "relativistic", seed: int = 0) -> Recipe:
        """The default recipe, its schedules spread over the run. grown: it begins with nets that follow conditions."""
        conditional, gamma, mismatch, strength = (1.0, 1.5, 0.5, 0.5) if grown else (0.0, 1.0, 1.0, 0.7)
        read = 1.0 if grown else 0.0  # a net that draws nothing yet is only led astray by what can be read in it
        return cls(
            size, images, loss, seed=seed,
            conditional=Schedule(conditional, 1.0, 12_000), penalty=Schedule(gamma, 0.25 * gamma, images),
            mismatch=Schedule(mismatch, 0.0, images), augment=Schedule(strength, 0.6 * strength, images),
            classify=Schedule(read, 1.0, images), contrast=Schedule(0.1 * read, 0.1, images),
        )  # fmt: skip

    def __post_init__(self) -> None:
        for field in fields(self):
            _check_numbers(field.name, getattr(self, field.name))
        if self.loss not in LOSSES:
            raise BadInput("loss", f"{self.loss!r} is unknown: choose from {', '.join(LOSSES)}")
        if self.size not in SIZES:
            raise BadInput("size", f"{self.size} pixels, wanted one of {', '.join(map(str, SIZES))}")
        if self.batch < 2 or self.images < self.batch:
            raise BadInput("batch", f"{self.batch} of {self.images} pictures, wanted 2 to images")
        if self.width < NARROWEST:
            raise BadInput("width", f"{self.width}, wanted at least {NARROWEST}")

    @property
    def settled(self) -> int:
        """Pictures after which a run shows what it is: a tenth of them, and the condition ramped in."""
        return max(self.images // 10, min(self.images // 2, self.conditional.images))

    def override(self, settings: Sequence[str]) -> Recipe:
        """With fields of one's own, each as name=value; a schedule is START:END:IMAGES, START:END or one value.

        Raises BadInput naming the field, and what it may be.
        """
        kinds, given = get_type_hints(Recipe), dict[str, Any]()
        for setting in settings:
            name, equals, text = setting.partition("=")
            if name not in kinds or not equals:
                raise BadInput(
                    "--set", f"{setting!r}: wanted NAME=VALUE; there are the names {', '.join(sorted(kinds))}"
                )
            given[name] = _read(name, text, kinds[name], given.get("images", self.images))
        return replace(self, **given)

    def changes(self, other: dict[str, Any]) -> list[str]:
        """What differs from a recipe that was saved (`asdict`), as "name theirs -> ours".

        One saved before a field was there was trained with the field's default.
        """
        now, defaults = asdict(self), {field.name: _plain(field.default) for field in fields(self)}
        before = defaults | other
        return [f"{name} {before[name]} -> {now[name]}" for name in now if before[name] != now[name]]


NARROWEST = 0.05  # width at which the finest stage still has a channel
POSITIVE = (
    "size", "images", "batch", "rate_generator", "rate_discriminator", "penalty_every", "mismatch_sigma", "ema_images",
)  # fmt: skip
SHARES = ("balance", "rate_end", "augment", "conditional")  # from 0 to 1


def _check_numbers(name: str, value: Any) -> None:
    numbers = (value.start, value.end, value.images) if isinstance(value, Schedule) else (value,)
    for number in numbers:
        if isinstance(number, str):
            continue
        if not math.isfinite(number) or number < 0 or (name in POSITIVE and number == 0):
            raise BadInput(name, f"{value}, wanted {'more than' if name in POSITIVE else 'at least'} 0")
    if name in SHARES and max(numbers[:2]) > 1:
        raise BadInput(name, f"{value}, wanted 0 to 1")


def _plain(value: Any) -> Any:
    return asdict(value) if isinstance(value, Schedule) else value


def _read(name: str, text: str, kind: type, images: int) -> Any:
    try:
        if kind is bool:
            return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[text.lower()]
        return _schedule(text, images) if kind is Schedule else kind(text)
    except (KeyError, ValueError):
        raise BadInput(name, f"{text!r} is not {_WANTED[kind]}") from None


_WANTED = {
    int: "a whole number", float: "a number", str: "a name", bool: "true or false",
    Schedule: "START:END:IMAGES (from, to, over so many pictures), START:END or one number",
}  # fmt: skip


def _schedule(text: str, images: int) -> Schedule:
    start, *rest = text.split(":")
    end = float(rest[0]) if rest else float(start)
    if len(rest) > 2:
        raise ValueError(text)
    return Schedule(float(start), end, int(rest[1]) if len(rest) > 1 else images)
