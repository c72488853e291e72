"""The looks that models learn from: designed variations of given looks, seeded, each whole and wearable.

They are invented, as the named looks are: no photo of anybody's makeup is behind them, and how often something is worn
is not known here. A variation keeps the idea of its base and changes, all by the numbers of `Variety`:

1. **Shades.** Lips, lip liner and cheeks move together round the hue circle, lighter or darker, duller or clearer; the
   eyes stay with their own or take a family of EYES whose undertone goes with the lips, the crease always the darker.
2. **Strength.** All products together, then each a little by itself.
3. **Finish and placement.** Now and then another one that the region is worn with; a smoky lid has a smoky crease.
4. **Products left out or added.** No lip liner without lips, no crease without lids, never neither lips nor eyes; what
   is added are EXTRAS in their usual colours.

All of them are as on the middle skin; `persona.makeup.following` puts them on any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from persona.errors import BadInput
from persona.makeup.following import MIDDLE
from persona.makeup.look import PLACEMENTS, REGIONS, Finish, Lab, Look, Product, Region
from persona.makeup.named import named_looks

# by undertone (warm, cool, either): lid in lightness, chroma and hue; the crease is the same, darker
EYES: dict[str, tuple[tuple[float, float, float], ...]] = {
    "warm": ((62, 34, 72), (52, 40, 58), (70, 30, 80), (44, 36, 48), (40, 24, 110), (38, 26, 62)),
    "cool": ((60, 22, 345), (42, 30, 325), (66, 18, 10), (38, 28, 290), (48, 34, 262), (70, 8, 280)),
    "either": ((60, 14, 55), (48, 12, 50), (34, 8, 40), (52, 30, 195), (30, 20, 270), (78, 12, 75)),
}
_WORN: dict[Region, tuple[Finish, ...]] = {
    "skin": ("matte", "satin"), "contour": ("matte",), "highlight": ("shimmer", "gloss", "satin"),
    "cheeks": ("matte", "satin", "shimmer"), "brows": ("matte", "satin"), "crease": ("matte", "satin", "shimmer"),
    "lids": ("matte", "satin", "shimmer", "gloss"), "liner": ("matte", "satin", "gloss"),
    "lip_liner": ("matte", "satin"), "lips": ("matte", "satin", "gloss", "shimmer"),
}  # fmt: skip
EXTRAS: tuple[Product, ...] = (
    Product(region="contour", lab=(65.0, 6.5, 27.0), opacity=0.25, finish="matte"),
    Product(region="highlight", lab=(87.0, 6.0, 26.0), opacity=0.3, finish="shimmer"),
    Product(region="cheeks", lab=(57.0, 38.0, 20.0), opacity=0.25, finish="satin"),
    Product(region="brows", lab=(25.0, 8.0, 11.0), opacity=0.4, finish="matte"),
    Product(region="crease", lab=(47.0, 12.0, 20.0), opacity=0.35, finish="matte"),
    Product(region="lids", lab=(78.0, 7.0, 27.0), opacity=0.4, finish="satin"),
    Product(region="liner", lab=(10.0, 1.0, 2.0), opacity=0.75, finish="satin"),
    Product(region="lips", lab=(55.0, 33.0, 20.0), opacity=0.5, finish="satin"),
)
REDS = (-45.0, 52.0)  # hues in degrees that lips and cheeks keep to: from purple to brick
_MOUTH: tuple[Region, ...] = ("lips", "lip_liner", "cheeks")
_EYES: tuple[Region, ...] = ("lids", "crease")


@dataclass(frozen=True)
class Variety:
    """How far variations go. hue in degrees, lightness in L, chroma and strength as deviations of the logarithm;
    own: the same of each product by itself, as a share; the rest are chances."""

    hue: float = 16.0
    lightness: float = 7.0
    chroma: float = 0.22
    strength: float = 0.22
    own: float = 0.4
    eyes: float = 0.45
    finish: float = 0.2
    placement: float = 0.2
    without: float = 0.12
    extra: float = 0.15


DEFAULT = Variety()


def variations(bases: Sequence[Look], count: int, seed: int = 0, variety: Variety = DEFAULT) -> list[Look]:
    """So many looks, number i from bases[i % len(bases)], whose title, occasions and seasons it has.

    It depends on the base, the seed and i alone. Raises BadInput without a base, or for one without products.
    """
    if not bases or not all(base.products for base in bases):
        raise BadInput("looks", "wanted at least one look, each with a product to vary")
    return [_varied(bases[i % len(bases)], np.random.default_rng([seed, i]), variety) for i in range(count)]


def named(count: int, seed: int = 0, variety: Variety = DEFAULT) -> list[Look]:
    """The corpus: variations of the looks that ship, on the middle skin."""
    return variations([look.on(MIDDLE) for look in named_looks()], count, seed, variety)


def _varied(base: Look, rng: np.random.Generator, variety: Variety) -> Look:
    products = {product.region: product for product in base.products}
    _leave_out(products, rng, variety)
    _add(products, rng, variety)
    _shade_mouth(products, rng, variety)
    _shade_eyes(products, rng, variety)
    together = rng.normal(0, variety.strength)
    made = []
    for region in REGIONS:
        if region in products:
            own = rng.normal(0, variety.own * variety.strength)
            made.append(_worn(products[region], float(np.exp(together + own)), rng, variety))
    return _smoky_together(base.model_copy(update={"products": tuple(made)}))


def _leave_out(products: dict[Region, Product], rng: np.random.Generator, variety: Variety) -> None:
    for region in list(products):
        if rng.random() < variety.without and not (
            region in ("lips", "lids") and not {"lips", "lids"} <= set(products)
        ):
            del products[region]
    for needed, region in (("lips", "lip_liner"), ("lids", "crease")):
        if needed not in products:
            products.pop(region, None)


def _add(products: dict[Region, Product], rng: np.random.Generator, variety: Variety) -> None:
    for extra in EXTRAS:
        if extra.region not in products and rng.random() < variety.extra:
            if extra.region == "crease" and "lids" not in products:
                continue
            products[extra.region] = extra
    lips = products.get("lips")
    if lips and "lip_liner" not in products and rng.random() < variety.extra:
        darker = moved(lips.lab, lightness=-9.0, chroma=0.95)
        products["lip_liner"] = Product(region="lip_liner", lab=darker, opacity=0.6, finish="matte")


def _shade_mouth(products: dict[Region, Product], rng: np.random.Generator, variety: Variety) -> None:
    hue, lightness, chroma = _change(rng, variety)
    for region in _MOUTH:
        if region in products:
            own = [variety.own * x for x in _change(rng, variety)]
            share = 0.6 if region == "cheeks" else 1.0  # a dark lip does not make a dark cheek
            turn = np.clip(hue_of(products[region].lab) + hue + own[0], *REDS) - hue_of(products[region].lab)
            lab = moved(
                products[region].lab, hue=turn, lightness=share * lightness + own[1],
                chroma=float(np.exp(chroma + own[2])),
            )  # fmt: skip
            products[region] = products[region].model_copy(update={"lab": lab})
    if "lips" in products and "lip_liner" in products:  # the liner is never lighter than the lips
        lips, liner = products["lips"].lab, products["lip_liner"].lab
        products["lip_liner"] = products["lip_liner"].model_copy(update={"lab": (min(liner[0], lips[0]), *liner[1:])})


def _shade_eyes(products: dict[Region, Product], rng: np.random.Generator, variety: Variety) -> None:
    hue, lightness, chroma = _change(rng, variety)
    if "lids" in products and rng.random() < variety.eyes:
        families = EYES[_undertone(products)] + EYES["either"]
        family = families[rng.integers(len(families))]
        for region, darker in (("lids", 0.0), ("crease", 0.3)):
            if region in products:
                lab = _of_lch(family[0] * (1 - darker), family[1], family[2])
                products[region] = products[region].model_copy(update={"lab": lab})
    for region in _EYES:
        if region in products:
            lab = moved(products[region].lab, hue=hue, lightness=lightness, chroma=float(np.exp(chroma)))
            products[region] = products[region].model_copy(update={"lab": lab})
    if {"liner", "lids"} <= set(products) and rng.random() < variety.eyes / 3:  # in the colour of the eye, deep
        deep = moved(products["lids"].lab, lightness=-0.65 * products["lids"].lab[0], chroma=0.9)
        products["liner"] = products["liner"].model_copy(update={"lab": deep})


def _change(rng: np.random.Generator, variety: Variety) -> tuple[float, float, float]:
    return (
        float(rng.normal(0, variety.hue)),
        float(rng.normal(0, variety.lightness)),
        float(rng.normal(0, variety.chroma)),
    )


def _undertone(products: dict[Region, Product]) -> str:
    """Of the mouth: warm where lips (or cheeks) turn to orange, cool where to blue."""
    told = products.get("lips") or products.get("cheeks")
    if told is None:
        return "either"
    hue = hue_of(told.lab)
    return "warm" if hue > 32 else "cool" if hue < 18 else "either"


def _worn(product: Product, strength: float, rng: np.random.Generator, variety: Variety) -> Product:
    """The product at this strength, now and then with another finish or elsewhere."""
    finish, placement = product.finish, product.placement
    if rng.random() < variety.finish:
        finish = _WORN[product.region][rng.integers(len(_WORN[product.region]))]
    if rng.random() < variety.placement:
        placement = PLACEMENTS[product.region][rng.integers(len(PLACEMENTS[product.region]))]
    opacity = round(float(np.clip(product.opacity * strength, 0.05, 0.98)), 4)
    return product.model_copy(update={"opacity": opacity, "finish": finish, "placement": placement})


def _smoky_together(look: Look) -> Look:
    lids, crease = look.on("lids"), look.on("crease")
    if lids is None or crease is None:
        return look
    placement = "smoky" if lids.placement == "smoky" else "classic"
    return look.with_product(crease.model_copy(update={"placement": placement}))


def hue_of(lab: Lab) -> float:
    """Hue angle in degrees, -180 to 180."""
    return float(np.degrees(np.arctan2(lab[2], lab[1])))


def moved(lab: Lab, hue: float = 0.0, lightness: float = 0.0, chroma: float = 1.0) -> Lab:
    """A colour turned by `hue` degrees, lighter by `lightness`, its chroma times `chroma`; kept where pigments are."""
    turned = hue_of(lab) + hue
    return _of_lch(lab[0] + lightness, float(np.hypot(lab[1], lab[2])) * chroma, float(turned))


def _of_lch(lightness: float, chroma: float, hue: float) -> Lab:
    chroma = min(chroma, 75.0)
    angle = np.radians(hue)
    return (
        round(float(np.clip(lightness, 4, 96)), 3),
        round(float(chroma * np.cos(angle)), 3),
        round(float(chroma * np.sin(angle)), 3),
    )
