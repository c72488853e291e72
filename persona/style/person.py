"""Where style may go on a photo of a person: everything but face, hair and bare skin, so that they stay who they are.

What shows a person comes from a segmenter, faces from their landmarks. Within the person all is kept that lies higher
than the chin; below it, GrabCut (Rother, Kolmogorov and Blake 2004) tells clothes from skin and hair by their colours,
learnt on that very face and head. Where it cannot tell, it keeps: clothes left as they are spoil less than a face that
was painted over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from persona.catalog.pictures import Bytes, shrunk
from persona.errors import BadInput
from persona.style.picture import Floats

Where = Literal["all", "clothes", "background"]
WHERE: tuple[Where, ...] = get_args(Where)
Mask = NDArray[np.bool_]

_SIDE = 320  # pixels of the longer side that is worked at
_FOREHEAD, _CHIN = 10, 152  # landmarks
# lengths in faces, from chin to forehead
_HEAD = 1.6  # from the middle of a face: all of a person that is so near and above the chin is head
_NECK = 0.2  # below the chin, as wide as a face: skin is likelier there than clothes
_HAIR_ENDS = 0.9  # below the chin, down to where hair mostly hangs
_RIM = 0.05  # around all that is kept, left as it is
_FEATHER = 0.02  # deviation of the edge
_NOTHING = 0.02  # of a region: what is less is 0, as far above 1 is 1, so that what is kept is kept to the bit
_COLOURS = 4  # that skin, and skin with hair, are made of at most
_UNLIKE = 0.02  # share of the head's own pixels whose colour is as rare on it: what is rarer is taken for clothes
_DARKEST = 0.2  # share of a face that is brows, lashes, nostrils and beard rather than skin
_SAMPLED = 1500  # pixels that they are learnt from
_ITERATIONS = 3
_ELSEWHERE = np.array(
    [255, 0, 255], np.uint8
)  # the background, painted as nothing on a person is: its colours tell nothing of clothes


@dataclass(frozen=True)
class _Head:
    """A face in the pixels that are worked at. up: unit vector; face: pixels from chin to forehead."""

    outline: NDArray[np.int32]
    chin: Floats
    centre: Floats
    up: Floats
    face: float


def styled_region(photo: Bytes, person: Floats, faces: Sequence[Floats], where: Where = "all") -> Floats:
    """How far each pixel of a photo, uint8 (h, w, 3), may be styled: float32 (h, w) from 0 to 1.

    person: (h, w) from 0 to 1, as a PersonSegmenter gives it. faces: landmarks (468, 2) of everyone, in pixels.
    where: clothes and background, or one of the two. Raises BadInput for photo (no_face), person, faces and where.
    """
    _check(photo, person, faces, where)
    height, width = photo.shape[:2]
    small, body = shrunk(photo, _SIDE), shrunk(person, _SIDE)
    scale = np.array([small.shape[1] / width, small.shape[0] / height], np.float32)
    heads = [_head(points * scale) for points in faces]
    kept = _kept(small, body > 0.5, heads)
    unit = max(head.face for head in heads)
    open_to_style = 1 - _widened(kept, _RIM * unit, _FEATHER * unit)
    if where != "all":
        clothes = body * open_to_style
        open_to_style = clothes if where == "clothes" else open_to_style * (1 - _widened(body > 0.1, 1, 1))
    grown = cv2.resize(open_to_style, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.clip((grown - _NOTHING) / (1 - 2 * _NOTHING), 0, 1), np.float32)


def _check(photo: Bytes, person: Floats, faces: Sequence[Floats], where: str) -> None:
    if person.shape != photo.shape[:2] or not np.isfinite(person).all():
        raise BadInput("person", f"shape {person.shape}, wanted finite numbers of {photo.shape[:2]}")
    if where not in WHERE:
        raise BadInput("where", f"{where!r}: choose one of {', '.join(WHERE)}")
    if not faces:
        raise BadInput("photo", "shows no face, so nothing says whom to keep: send one with the face in it", "no_face")
    for points in faces:
        if points.shape != (468, 2) or not np.isfinite(points).all():
            raise BadInput("faces", f"shape {points.shape}, wanted (468, 2) finite numbers")


def _head(points: Floats) -> _Head:
    outline = cv2.convexHull(points.astype(np.float32))[:, 0]
    chin, centre = points[_CHIN], (points[_CHIN] + points[_FOREHEAD]) / 2
    upward = points[_FOREHEAD] - points[_CHIN]
    face = max(float(np.linalg.norm(upward)), 1e-3)
    return _Head(np.rint(outline).astype(np.int32), chin, centre, upward / face, face)


def _kept(rgb: Bytes, body: Mask, heads: Sequence[_Head]) -> Mask:
    """Faces, hair and bare skin (h, w)."""
    seeds = np.where(body, cv2.GC_PR_BGD, cv2.GC_BGD).astype(np.uint8)
    above, aside, far = np.stack([_placed(head, body.shape) for head in heads], 1)
    face = np.zeros(body.shape, np.uint8)
    for head in heads:
        cv2.fillConvexPoly(face, head.outline, (1,))
    whole = (face > 0) | (body & ((above > 0) & (far < _HEAD)).any(0))
    lower = body & ~whole
    if not lower.any() or not face.any():
        return whole
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB).astype(np.float32)
    bare = (face > 0) & (lab[..., 0] > np.quantile(lab[..., 0][face > 0], _DARKEST))
    skin = _alike(lab, bare, body)
    hair = _alike(lab, whole & (face == 0) & ~skin, body) & ~skin & (face == 0)
    grown = _touching(hair, whole)
    seeds[lower & hair & ~grown] = cv2.GC_BGD  # a black pullover under black hair
    seeds[lower & grown & (above > -_HAIR_ENDS).any(0)] = cv2.GC_PR_FGD
    seeds[lower & skin] = cv2.GC_PR_FGD
    seeds[lower & ((above > -_NECK) & (aside < 0.5)).any(0)] = cv2.GC_PR_FGD
    seeds[whole] = cv2.GC_FGD
    return _cut(np.where(body[..., None] | whole[..., None], rgb, _ELSEWHERE), seeds)


def _alike(lab: Floats, known: Mask, asked: Mask) -> Mask:
    """Where asked, whether a colour is one of those of what is known (h, w)."""
    found = np.zeros(known.shape, bool)
    colours = lab[known]
    few = colours[:: max(1, len(colours) // _SAMPLED)]
    if not asked.any() or len(few) < 10 * _COLOURS:
        return found
    from sklearn.mixture import GaussianMixture  # it brings pandas along, which a server starts better without

    mixture = GaussianMixture(_COLOURS, reg_covar=4.0, random_state=0, max_iter=30, tol=1e-2).fit(few)
    least = np.quantile(mixture.score_samples(few), _UNLIKE)
    found[asked] = mixture.score_samples(lab[asked]) > least
    return found


def _touching(mask: Mask, other: Mask) -> Mask:
    """The connected parts of a mask that reach into another."""
    _, parts = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    return mask & np.isin(parts, np.unique(parts[mask & other]))


def _cut(rgb: Bytes, seeds: Bytes) -> Mask:
    """What is kept, from seeds (h, w) in GrabCut's four values."""
    kept = (seeds == cv2.GC_FGD) | (seeds == cv2.GC_PR_FGD)
    if kept.all() or not kept.any():
        return kept  # there are no two things to tell apart
    cv2.setRNGSeed(0)  # its k-means is seeded from a global generator
    behind, before = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(np.ascontiguousarray(rgb), seeds, (0, 0, 1, 1), behind, before, _ITERATIONS, cv2.GC_INIT_WITH_MASK)
    return (seeds == cv2.GC_FGD) | (seeds == cv2.GC_PR_FGD)


def _placed(head: _Head, shape: tuple[int, ...]) -> Floats:
    """Of each pixel, (3, h, w): height above the chin, distance from the head's axis and from its middle, in faces."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    right, down = (x - head.chin[0]) / head.face, (y - head.chin[1]) / head.face
    above = right * head.up[0] + down * head.up[1]
    aside = np.abs(right * head.up[1] - down * head.up[0])
    far = np.hypot(x - head.centre[0], y - head.centre[1]) / head.face
    return np.stack([above, aside, far]).astype(np.float32)


def _widened(mask: Mask, rim: float, feather: float) -> Floats:
    """A mask grown by so many pixels, with a soft edge."""
    side = 2 * max(1, round(rim)) + 1
    grown = cv2.dilate(mask.astype(np.float32), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    return np.asarray(cv2.GaussianBlur(grown, (0, 0), max(feather, 0.5)), np.float32)
