"""Whom a scheme is for, with what is not known of them: every tone and shape that it may be, and how likely each is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from persona.catalog.colour import delta_e_2000
from persona.makeup.analysis import FaceAnalysis, FaceShape, Shape, SkinTone, Undertone
from persona.makeup.look import Lab
from persona.makeup.monk import monk_lab
from persona.makeup.rules import When
from persona.store.records import Occasion, Season

SHAPES: tuple[Shape, ...] = get_args(Shape)
UNDERTONES: tuple[Undertone, ...] = get_args(Undertone)
NEAR_EQUAL = 0.15  # between the two likeliest shapes: less is a face between the two
IN_PHOTOS = 0.55  # of the step between two Monk swatches is seen between skins of these tones in photos
CONTRADICTION = 32.0  # CIEDE2000 between measured skin and the swatch of the tone that its owner states
OTHER_LIGHT = 12.0  # CIEDE2000 between skin as it is seen and as it is said to be: more is the light, or an error
_OCCASIONS = {
    "everyday": "every day", "work": "work", "evening": "an evening out", "wedding": "a wedding", "party": "a party",
    "stage": "the stage",
}  # fmt: skip
REMEDY = "A photo by daylight at a window, or your own word, makes it certain."

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Tone:
    """A skin that it may be. chance: of it; over all they add up to 1."""

    monk: int
    undertone: Undertone
    lab: Lab
    chance: float


@dataclass(frozen=True)
class Wearer:
    """A person as rules see them. foundation: colour of their skin as it is seen, None where nobody knows it."""

    tones: tuple[Tone, ...]
    shapes: Mapping[Shape, float]
    foundation: Lab | None
    occasion: Occasion | None = None
    season: Season | None = None
    uncertain: tuple[str, ...] = ()

    @property
    def labs(self) -> Floats:
        """Skin colours of the tones, (tones, 3) CIELAB."""
        return np.array([tone.lab for tone in self.tones])

    @property
    def chances(self) -> Floats:
        """How likely the tones are, (tones,)."""
        return np.array([tone.chance for tone in self.tones])

    @property
    def mean_lab(self) -> Lab:
        """The colour in the middle of what the skin may be."""
        lightness, a, b = self.chances @ self.labs
        return float(lightness), float(a), float(b)

    @property
    def knows_colour(self) -> bool:
        """Whether the skin is known well enough for shades that are a step from its own, as contour is."""
        one_tone = len({tone.monk for tone in self.tones}) == 1
        return one_tone and self.foundation is not None and self._as_seen

    @property
    def _as_seen(self) -> bool:
        return float(delta_e_2000(self.mean_lab, self.foundation or self.mean_lab)) < OTHER_LIGHT

    @property
    def undertones(self) -> tuple[Undertone, ...]:
        """Those that it may be."""
        return tuple(u for u in UNDERTONES if any(tone.undertone == u for tone in self.tones))

    def chances_of(self, when: When) -> Floats:
        """How likely it is that a rule is for them, tone by tone, (tones,). They add up to 1 for a rule for all."""
        if (when.occasion and self.occasion not in when.occasion) or (when.season and self.season not in when.season):
            return np.zeros(len(self.tones))
        shape = sum(self.shapes.get(shape, 0.0) for shape in set(when.shape)) if when.shape else 1.0
        first, last = when.monk or (1, 10)
        fits = [first <= t.monk <= last and (not when.undertone or t.undertone in when.undertone) for t in self.tones]
        return self.chances * np.array(fits, np.float64) * shape

    def words(self, when: When) -> dict[str, str]:
        """What a reason names, by the likeliest that the rule is for."""
        shapes = [shape for shape in SHAPES if shape in when.shape]
        undertones = [u for u in self.undertones if u in when.undertone]
        return {
            "shape": _said_of(max(shapes, key=lambda shape: self.shapes.get(shape, 0.0))) if shapes else "",
            "undertone": undertones[0] if undertones else "",
            "occasion": _OCCASIONS.get(self.occasion or "", ""),
            "season": self.season or "",
        }


def wearer_of(analysis: FaceAnalysis, occasion: Occasion | None = None, season: Season | None = None) -> Wearer:
    """The wearer that an analysis describes; their own word before what was read, and all that it may be where
    neither says."""
    skin = analysis.skin
    shapes = _shapes(analysis.shape)
    wearer = Wearer(_tones(skin), shapes, _foundation(skin), occasion, season)
    said = [*_said_of_tone(skin), *_said_of_undertone(skin), *_said_of_shape(shapes)]
    if not wearer.knows_colour:
        said.insert(1, f"Contour and highlight: left out; they lie a step from your skin's exact colour. {REMEDY}")
    return replace(wearer, uncertain=tuple(said))


def _said_of(shape: Shape) -> str:
    return "heart-shaped" if shape == "heart" else shape


def _tones(skin: SkinTone) -> tuple[Tone, ...]:
    monks, undertones = _monks(skin), _undertones(skin)
    chance = 1 / (len(monks) * len(undertones))
    return tuple(Tone(monk, u, _lab(skin, monk), chance) for monk in monks for u in undertones)


def _knows_tone(skin: SkinTone) -> bool:
    return skin.monk is not None and (skin.certain or "monk" in skin.stated)


def _monks(skin: SkinTone) -> tuple[int, ...]:
    if skin.monk is not None and _knows_tone(skin):
        return (skin.monk,)
    first, last = skin.monk_range or (1, 10)
    low, high = min(first, last, skin.monk or 10), max(first, last, skin.monk or 1)
    return tuple(range(low, high + 1))


def _undertones(skin: SkinTone) -> tuple[Undertone, ...]:
    known = skin.undertone is not None and (skin.certain or "undertone" in skin.stated)
    return (skin.undertone,) if known and skin.undertone else UNDERTONES


def _lab(skin: SkinTone, monk: int) -> Lab:
    """Colour of the skin if it is of this tone: about as the photo shows it, where there is one.

    Skin in a well exposed photo is up to 20 darker than its swatch, so tones are steps from what was measured.
    """
    if skin.lab is None or _contradicted(skin):
        return monk_lab(monk)
    step = np.subtract(monk_lab(monk), np.mean([monk_lab(m) for m in _monks(skin)], 0))
    lightness, a, b = np.add(skin.lab, IN_PHOTOS * step)
    return float(np.clip(lightness, 2, 98)), float(a), float(b)


def _contradicted(skin: SkinTone) -> bool:
    """Whether the photo shows another skin than the user says that they have."""
    if "monk" not in skin.stated or skin.monk is None or skin.lab is None:
        return False
    return float(delta_e_2000(skin.lab, monk_lab(skin.monk))) > CONTRADICTION


def _foundation(skin: SkinTone) -> Lab | None:
    """As the photo shows the skin, so that a foundation evens there and never lightens; without one, as stated."""
    if skin.lab is not None:
        return skin.lab
    return monk_lab(skin.monk) if skin.monk is not None and _knows_tone(skin) else None


def _shapes(face: FaceShape) -> dict[Shape, float]:
    total = sum(face.scores.values())
    if face.shape is not None and (face.stated or total <= 0):
        return {face.shape: 1.0}
    if total <= 0:
        return {shape: 1 / len(SHAPES) for shape in SHAPES}
    return {shape: score / total for shape, score in face.scores.items()}


def _said_of_tone(skin: SkinTone) -> list[str]:
    if _knows_tone(skin):
        if skin.lab is None or skin.monk is None or not _contradicted(skin):
            return []
        looks = "lighter" if skin.lab[0] > monk_lab(skin.monk)[0] else "darker"
        return [f"Skin tone: you said Monk tone {skin.monk}, the photo looks much {looks}; your own word counts."]
    why = f" ({skin.why.strip().rstrip('.')})" if skin.why.strip() else ""
    monks = _monks(skin)
    may_be = f"it may be Monk tone {monks[0]} to {monks[-1]}" if len(monks) > 1 else f"it seems Monk tone {monks[0]}"
    said = [f"Skin tone: not certain{why}; {may_be}, and every choice was made for all of that. {REMEDY}"]
    if skin.lab is None:
        return [*said, "Foundation: left out, because its colour would be a guess; it has to be your own. " + REMEDY]
    return [*said, "Foundation: in the colour that the photo shows; to buy one, match it by daylight."]


def _said_of_undertone(skin: SkinTone) -> list[str]:
    if len(_undertones(skin)) == 1:
        return []
    return [f"Undertone: not known, so shades between cool and warm were preferred, which suit both. {REMEDY}"]


def _said_of_shape(shapes: Mapping[Shape, float]) -> list[str]:
    remedy = "Your own word makes it certain."
    likely = sorted(SHAPES, key=lambda shape: -shapes.get(shape, 0.0))
    first, second = shapes.get(likely[0], 0.0), shapes.get(likely[1], 0.0)
    if first <= 1 / len(SHAPES) + 1e-9:
        return [f"Face shape: not known, so everything is placed in the way that suits most. {remedy}"]
    if first - second < NEAR_EQUAL:
        two = " and ".join(_said_of(shape) for shape in likely[:2])
        return [f"Face shape: between {two}, so placements that suit both counted more. {remedy}"]
    return []
