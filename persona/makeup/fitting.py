"""How well rules are met by a look on a person, and the look changed so that they are met better.

A rule that is met is worth its weight, one that is not costs it, in between in proportion:
points = weight x (2 met - 1) x how likely it is that the rule is for this person. Points add up, so that each rule's
share of a score is exactly what the same look loses without it. What is not known of a person is averaged over: a
colour that suits all that they may be then wins over one that suits a guess.

A look is fitted one trait at a time, each at the best of many candidates. Leaving the look's own idea costs points
too, so a blue lid stays blue, and a strong red becomes the red of that family that suits.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from persona.catalog.colour import delta_e_2000, lab_to_srgb, srgb_to_lab
from persona.makeup.look import FINISHES, PLACEMENTS, Lab, Look, Product, Region
from persona.makeup.rules import Rule, Rulebook, Span, Trait
from persona.makeup.wearer import Wearer

Floats = NDArray[np.float64]
ORDER: tuple[Region, ...] = (
    "skin", "contour", "highlight", "lips", "lip_liner", "cheeks", "lids", "crease", "liner", "brows",
)  # fmt: skip  # what others are chosen by comes first
EYES: tuple[Region, ...] = ("lids", "crease", "liner")
SLACK = {"lightness": 6.0, "chroma": 8.0, "hue": 10.0, "opacity": 0.1, "contrast": 4.0, "focus": 6.0}  # met by 1/e
KEEPING = {"lightness": 0.01, "chroma": 0.012, "hue": 0.012, "opacity": 0.5, "placement": 0.5, "finish": 0.5}
COLOURFUL = 12.0  # chroma from which a hue counts in full; greys have none
_PLACES: dict[str, int] = {"lightness": 0, "chroma": 1, "hue": 2}  # in _lch
_STEPS: dict[Trait, Floats] = {
    "lightness": np.arange(-80, 81, 2.0), "chroma": np.arange(-60, 61, 2.0), "hue": np.arange(-180, 181, 3.0),
    "opacity": np.arange(-1, 1.01, 0.05),
}  # fmt: skip


@dataclass(frozen=True)
class Paint:
    """Candidates for one product: the numbers are (k, 1) each, or (1, 1) where all candidates share one."""

    lightness: Floats
    chroma: Floats
    hue: Floats  # degrees
    opacity: Floats
    finish: tuple[str, ...]
    placement: tuple[str, ...]
    apart: Floats  # CIEDE2000 to each skin, (1, tones); of the colour before it was changed, while it is

    @property
    def contrast(self) -> Floats:
        """What is seen of it, (k, tones)."""
        return self.opacity * self.apart

    @property
    def lab(self) -> tuple[float, float, float]:
        """CIELAB of the only candidate."""
        angle, chroma = np.radians(self.hue.item()), self.chroma.item()
        return self.lightness.item(), chroma * float(np.cos(angle)), chroma * float(np.sin(angle))


@lru_cache(maxsize=8192)
def _apart(lab: Lab, skins: tuple[Lab, ...]) -> Floats:
    """CIEDE2000 of a colour to each skin, (1, tones)."""
    return delta_e_2000(lab, np.array(skins))[None]


class Judge:
    """Rules held against looks on one wearer."""

    def __init__(self, book: Rulebook, wearer: Wearer) -> None:
        self.book, self.wearer = book, wearer
        self.skins = tuple(tone.lab for tone in wearer.tones)
        self._skin_lch = np.array([_lch(lab) for lab in self.skins])
        self._chances = {rule.id: wearer.chances_of(rule.when) for rule in book.rules}
        self._rules = tuple(rule for rule in book.rules if self._chances[rule.id].any())

    def speaking(self, base: Look) -> tuple[Rule, ...]:
        """The rules that are, or may be, for this wearer and for the families of what the look wears."""
        families = {product.region: family_of(product, self.book) for product in base.products}
        return tuple(
            rule
            for rule in self._rules
            if rule.region == "look" or (rule.region in families and rule.of in (None, families[rule.region]))
        )

    def points(self, rules: Iterable[Rule], look: Look) -> dict[str, float]:
        """What each rule is worth to a look, by id; those that are relative to what is not worn are left out.

        Points of products are shared out over their number, so that a look does not gain by wearing more.
        """
        paints = {product.region: self._paint(product) for product in look.products}
        found = {}
        for rule in rules:
            if rule.region == "look":
                met: Floats | None = self._look_met(rule, look)
            else:
                met = self._met(rule, rule.want.traits, paints[rule.region], look)
            if met is not None:
                share = 1 if rule.region == "look" else len(look.products)
                found[rule.id] = float(rule.weight * ((2 * met - 1) @ self._chances[rule.id])[0]) / share
        return found

    def most(self, rules: Iterable[Rule], look: Look) -> float:
        """The points of a look that meets all these rules."""
        shares = ((1 if rule.region == "look" else len(look.products), rule) for rule in rules)
        return sum(rule.weight * float(self._chances[rule.id].sum()) / share for share, rule in shares)

    def whole(self, base: Look, regions: Collection[str]) -> Look:
        """The look on these regions, with starters where it leaves some bare, and the wearer's own foundation.

        What lies a step from the skin's exact colour is left out where nobody knows that.
        """
        wearer = self.wearer
        look = base.only(frozenset(regions))
        for starter in self.book.starters:
            applies = wearer.chances_of(starter.when).sum() > 0.5
            if starter.region in regions and applies and look.on(starter.region) is None:
                lab = _seen(starter.lab(wearer.mean_lab))
                product = Product(region=starter.region, lab=lab, opacity=starter.opacity, finish=starter.finish)
                look = look.with_product(product)
        if not wearer.knows_colour:
            look = look.only(frozenset(regions) - {"contour", "highlight"})
        if "skin" not in regions or wearer.foundation is None:
            return look.only(frozenset(regions) - {"skin"})
        own = look.on("skin") or Product(region="skin", lab=wearer.foundation, opacity=0.3)
        return look.with_product(own.model_copy(update={"lab": wearer.foundation, "name": ""}))

    def fitted(self, look: Look, rules: Sequence[Rule]) -> Look:
        """The look with every product at the traits that its rules, weighed against its own idea, find best."""
        for region in ORDER:
            product = look.on(region)
            if product is not None:
                look = look.with_product(self._fitted(product, [r for r in rules if r.region == region], look))
        return look

    def contrast(self, product: Product | None) -> Floats:
        """Opacity times CIEDE2000 between a product and each skin that it may lie on, (1, tones); 0 for none."""
        if product is None:
            return np.zeros((1, len(self.skins)))
        return product.opacity * _apart(product.lab, self.skins)

    def _paint(self, product: Product) -> Paint:
        lightness, chroma, hue = (_one(value) for value in _lch(product.lab))
        finish, placement = (product.finish,), (str(product.placement),)
        apart = _apart(product.lab, self.skins)
        return Paint(lightness, chroma, hue, _one(product.opacity), finish, placement, apart)

    def _fitted(self, product: Product, rules: Sequence[Rule], look: Look) -> Product:
        paint = self._paint(product)
        colours: tuple[Trait, ...] = () if product.region == "skin" else ("lightness", "chroma", "hue")
        for trait in colours:
            paint = self._best(trait, paint, product.region, rules, look)
        lab = _seen(paint.lab) if colours else product.lab
        paint = replace(paint, apart=_apart(lab, self.skins))
        rest: tuple[Trait, ...] = ("opacity", "finish", "placement")
        for trait in rest:
            paint = self._best(trait, paint, product.region, rules, look)
        found = {"lab": lab, "opacity": round(float(paint.opacity.item()), 3)}
        named = {"finish": paint.finish[0], "placement": paint.placement[0]}
        renamed = {} if lab == product.lab else {"name": ""}  # it is another shade than the product so named
        return product.model_copy(update={**found, **named, **renamed})

    def _best(self, trait: Trait, paint: Paint, region: Region, rules: Sequence[Rule], look: Look) -> Paint:
        """The paint with one trait at its best candidate; the first of equals, its own before all others."""
        candidates, cost = _candidates(trait, paint, region)
        worth = -cost
        # the contrast of a colour is the opacity's to settle
        names: tuple[Trait, ...] = ("opacity", "contrast") if trait == "opacity" else (trait,)
        for rule in rules:
            wanted = tuple(name for name in names if name in rule.want.traits)
            met = self._met(rule, wanted, candidates, look) if wanted else None
            if met is not None:
                part = len(wanted) / len(rule.want.traits)
                worth = worth + 2 * rule.weight * part * (met @ self._chances[rule.id])
        best = int(worth.argmax())
        return replace(paint, **{trait: getattr(candidates, trait)[best : best + 1]})

    def _met(self, rule: Rule, traits: Sequence[Trait], paint: Paint, look: Look) -> Floats | None:
        """How far traits are met, 0 to 1 on average: (k, tones). None where what they are relative to is not worn."""
        total: Floats = np.zeros((1, len(self.skins)))
        for trait in traits:
            wanted = getattr(rule.want, trait)
            if trait in ("finish", "placement"):
                total = total + np.array([[float(name in wanted)] for name in getattr(paint, trait)])
                continue
            anchor = self._anchor(trait, wanted, look)
            if anchor is None:
                return None
            one = np.exp(-_outside(wanted, getattr(paint, trait), anchor, trait == "hue") / SLACK[trait])
            if trait == "hue":  # of greys there is none
                one = 1 - (1 - one) * np.minimum(paint.chroma / COLOURFUL, 1)
            total = total + one
        return total / len(traits)

    def _anchor(self, trait: Trait, wanted: Span, look: Look) -> Floats | float | None:
        """What a range is relative to, (tones,) or one number."""
        place = _PLACES.get(trait)
        if wanted.to == "nothing" or place is None:
            return 0.0
        if wanted.to == "skin":
            return np.asarray(self._skin_lch[:, place], np.float64)
        other = look.on(wanted.to)
        return None if other is None else _lch(other.lab)[place]

    def _look_met(self, rule: Rule, look: Look) -> Floats:
        """How far a rule about the whole look is met, (1, tones)."""
        met = []
        if rule.want.focus is not None:
            eyes = np.max([self.contrast(look.on(region)) for region in EYES], axis=0)
            apart = np.abs(eyes - self.contrast(look.on("lips")))
            met.append(np.exp(-_outside(rule.want.focus, apart, 0.0, False) / SLACK["focus"]))
        if rule.want.suits is not None:
            met.append(np.full((1, len(self.skins)), self._suits(rule.want.suits, look)))
        return np.asarray(np.mean(met, axis=0), np.float64)

    def _suits(self, what: str, look: Look) -> float:
        """1: the look names what is asked for; half: it names nothing, being for anything; 0: it names another."""
        named: Sequence[str] = look.occasions if what == "occasion" else look.seasons
        asked = self.wearer.occasion if what == "occasion" else self.wearer.season
        return (1.0 if asked in named else 0.0) if named else 0.5


def family_of(product: Product, book: Rulebook) -> str | None:
    """The first family of its region that a product's colour lies in."""
    lightness, chroma, hue = _lch(product.lab)
    for name, family in book.families.items():
        inside = family.lightness.low <= lightness <= family.lightness.high
        inside = inside and family.chroma.low <= chroma <= family.chroma.high
        if family.region == product.region and inside and not _outside(family.hue, _one(hue), 0.0, True).any():
            return name
    return None


def _candidates(trait: Trait, paint: Paint, region: Region) -> tuple[Paint, Floats]:
    """Paints that differ in one trait, the first as it is, and what leaving it costs, (k,)."""
    if trait in ("finish", "placement"):
        own = getattr(paint, trait)[0]
        all_of: Sequence[str] = FINISHES if trait == "finish" else PLACEMENTS[region]
        names = (own, *(name for name in all_of if name != own))
        cost = KEEPING[trait] * np.array([float(name != own) for name in names])
        return (replace(paint, finish=names) if trait == "finish" else replace(paint, placement=names)), cost
    own = getattr(paint, trait)[0, 0]
    low, high = {"lightness": (0, 100), "chroma": (0, 110), "opacity": (0, 1)}.get(trait, (-np.inf, np.inf))
    values = np.unique(np.clip(own + _STEPS[trait], low, high))
    values = values[np.argsort(np.abs(values - own), kind="stable")]
    return replace(paint, **{trait: values[:, None]}), KEEPING[trait] * np.abs(values - own)


def _outside(span: Span, value: Floats, anchor: Floats | float, circular: bool) -> Floats:
    """How far values lie outside a range, 0 inside."""
    low, high = span.low + anchor, span.high + anchor
    if not circular:
        return np.maximum(np.maximum(low - value, value - high), 0)
    from_middle = np.abs((value - (low + high) / 2 + 180) % 360 - 180)
    return np.maximum(from_middle - (high - low) / 2, 0)


def _lch(lab: Sequence[float]) -> tuple[float, float, float]:
    """CIELAB as lightness, chroma, hue in degrees from -180 to 180."""
    lightness, a, b = lab
    return float(lightness), float(np.hypot(a, b)), float(np.degrees(np.arctan2(b, a)))


def _seen(lab: Sequence[float]) -> Lab:
    """The nearest colour that a screen can show."""
    lightness, a, b = srgb_to_lab(lab_to_srgb(lab))
    return round(float(np.clip(lightness, 0, 100)), 3), round(float(a), 3), round(float(b), 3)


def _one(value: float) -> Floats:
    return np.array([[value]], np.float64)
