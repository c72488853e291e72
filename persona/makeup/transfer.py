"""A look from one face to another: the reference's colours become the user's, in the light of the user's own photo."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from persona.catalog.colour import lab_to_srgb, srgb_to_lab
from persona.makeup.aligned import Aligned, align
from persona.makeup.face import Bytes, Face
from persona.makeup.look import Lab, Look, Product, Region
from persona.makeup.read import LookReader, ReadLook, look_under, measured
from persona.makeup.render import apply

# these shall look alike on both faces; all other products keep their difference to the face's own colours
ALIKE: tuple[Region, ...] = ("lips", "lip_liner", "lids", "crease", "liner")
_SETTLED: tuple[Region, ...] = ("lips", "lids")  # measured on the result, and mended
_MENDED = 2  # times; once leaves a fifth more of the distance
_SHARE: dict[Region, float] = {"cheeks": 0.5}  # of the difference in skin that a product follows; others: all of it


def transfer(
    photo: Bytes,
    face: Face,
    reference: Bytes,
    reference_face: Face,
    reader: LookReader,
    strength: float | Mapping[Region, float] = 1.0,
    regions: Iterable[Region] | None = None,
) -> tuple[Bytes, Look]:
    """The reference's look on the face of a photo, uint8 (h, w, 3) to a new one; and the look as it was fitted.

    The look is in neutral light, so it can be kept and edited. strength: as in `render.apply`; regions: to take over,
    left out: all. Outside of its masks the photo stays bit for bit. Raises BadInput for what are no photos.
    """
    seen, own = reader.read(reference, reference_face), reader.read(photo, face)
    look = fitted(seen, own)
    look = look.only(frozenset(regions)) if regions is not None else look
    if any(product.region in _SETTLED for product in look.products):
        for _ in range(_MENDED):
            look = _settled(look, seen, own, photo, face)
    return apply(photo, face, look_under(look, own.light), strength), look


def fitted(seen: ReadLook, own: ReadLook) -> Look:
    """The look read from one face, fitted to another, whose photo says what it wears already."""
    products = [
        _alike(product, seen, own) if product.region in ALIKE else _following(product, seen, own)
        for product in seen.look.products
    ]
    return seen.look.model_copy(update={"products": tuple(products)})


def _alike(product: Product, seen: ReadLook, own: ReadLook) -> Product:
    """The product that makes this face's region look as the other one's does, covering more where it must."""
    return covering(product, own.worn[product.region], seen.worn[product.region])


def covering(product: Product, base: Lab, target: Lab) -> Product:
    """The product whose colour on `base` is `target`: of its own opacity where a pigment allows it, else of more."""
    start, end = np.array(base), np.array(target)
    for opacity in np.linspace(product.opacity, 1.0, 9):
        pigment = start + (end - start) / max(float(opacity), 0.05)
        if np.abs(srgb_to_lab(lab_to_srgb(pigment)) - pigment).max() < 1:
            break
    else:
        pigment, opacity = end, 1.0
    return product.model_copy(update={"lab": _possible(pigment), "opacity": round(float(opacity), 4)})


def _following(product: Product, seen: ReadLook, own: ReadLook) -> Product:
    """The product as far from this face's skin as it is from the other's; blush follows half of the way."""
    under = "brows" if product.region == "brows" else "skin"
    shift = np.array(own.bare[under]) - np.array(seen.bare[under])
    lab = np.array(product.lab) + _SHARE.get(product.region, 1.0) * shift
    return product.model_copy(update={"lab": _possible(lab)})


def _settled(look: Look, seen: ReadLook, own: ReadLook, photo: Bytes, face: Face) -> Look:
    """The look with lips and lids mended by what they lack once it is worn: shine and liner change colours too."""
    aligned: Aligned = align(photo, face)
    worn = measured(apply(photo, face, look_under(look, own.light)), aligned, face, own.light)
    for region in _SETTLED:
        product = look.on(region)
        if product is not None:
            lack = np.array(seen.worn[region]) - np.array(worn[region])
            lab = np.array(product.lab) + lack / max(product.opacity, 0.25)
            look = look.with_product(product.model_copy(update={"lab": _possible(lab)}))
    return look


def _possible(lab: np.ndarray) -> Lab:
    """The nearest colour that sRGB has."""
    lightness, a, b = srgb_to_lab(lab_to_srgb(lab))
    return round(float(np.clip(lightness, 0, 100)), 2), round(float(a), 2), round(float(b), 2)
