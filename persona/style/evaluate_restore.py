"""How well damage is filled: garments damaged on purpose, against what was there, beside OpenCV's inpainting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from persona.catalog.colour import SOLID
from persona.catalog.pattern import pattern_of
from persona.catalog.pictures import Bytes, unpremultiply
from persona.style.picture import surrounded
from persona.style.restore import Mask, restore

Damage = Literal["box", "blob", "scratch"]
DAMAGES: tuple[Damage, ...] = get_args(Damage)
SHARES = (0.02, 0.06, 0.15)  # of the garment's area
OPENCV = {"telea": cv2.INPAINT_TELEA, "navier_stokes": cv2.INPAINT_NS}
REACH = 1.0  # pixels: the radius at which the better of its methods did best, of 1, 3, 5 and 9
_MOST_SCRATCHED = 0.06  # a longer scratch covers all of it
_FEWEST = 200  # pixels of a garment that is damaged
_LEAST_ERROR = 1e-6  # mean square, so that a perfect fill counts 60 dB


def restore_figures(rgba: NDArray[np.uint8], *, shares: Sequence[float] = SHARES, seed: int = 0) -> dict[str, Any]:
    """Peak signal-to-noise ratio inside the damage, in dB, means over garments uint8 (n, h, w, 4), premultiplied.

    Each garment is damaged once a share. inpaint_psnr (ours), inpaint_psnr_opencv (the better of its two methods over
    all), inpaint_gain and inpaint_gain_95 (paired, bootstrap over garments), inpaint_won (share of holes in which ours
    is nearer than the better one on that very hole), inpaint_by_share, inpaint_by_damage, inpaint_patterned (striped
    and checked garments), inpaint_textured (with all texture added), inpaint_holes, inpaint_outside_changed (pixels).

    OpenCV is given the garment with its surroundings filled from it: without, it draws the background in.
    """
    rows = [
        row
        for number, picture in enumerate(rgba)
        for level, share in enumerate(shares)
        if (row := _row(picture, share, DAMAGES[(number + level) % len(DAMAGES)], (seed, number, level))) is not None
    ]
    if not rows:
        return {"inpaint_psnr": None, "inpaint_psnr_opencv": None, "inpaint_holes": 0}
    best = max(OPENCV, key=lambda name: _mean(rows, name))
    garments = {row["garment"] for row in rows}
    gains = np.array([np.mean([r["ours"] - r[best] for r in rows if r["garment"] == garment]) for garment in garments])
    drawn = np.random.default_rng(seed).choice(gains, (1000, len(gains))).mean(1)
    patterned = [row for row in rows if row["pattern"] in ("striped", "checked")]
    return {
        **_both(rows, best),
        "inpaint_opencv_method": best,
        "inpaint_gain": round(_mean(rows, "ours") - _mean(rows, best), 2),
        "inpaint_gain_95": [round(float(bound), 2) for bound in np.quantile(drawn, (0.025, 0.975))],
        "inpaint_won": round(float(np.mean([row["ours"] > max(row[name] for name in OPENCV) for row in rows])), 3),
        "inpaint_textured": _mean(rows, "textured"),
        "inpaint_by_share": {str(share): _both([r for r in rows if r["share"] == share], best) for share in shares},
        "inpaint_by_damage": {kind: _both([r for r in rows if r["damage"] == kind], best) for kind in DAMAGES},
        "inpaint_patterned": _both(patterned, best),
        "inpaint_outside_changed": sum(row["outside"] for row in rows),
        "inpaint_seed": seed,
    }


def damage_of(solid: Mask, kind: Damage, share: float, random: np.random.Generator) -> Mask:
    """Damage of about this share of the garment's pixels (h, w): a rectangle, a stain or a long thin scratch."""
    area, shape = share * float(solid.sum()), solid.shape
    best = np.zeros(shape, bool)
    rows, columns = np.nonzero(solid)
    for _ in range(8):  # one at the rim falls off the garment in part
        at = int(random.integers(len(rows)))
        drawn = np.zeros(shape, np.uint8)
        _PAINTERS[kind](drawn, (float(columns[at]), float(rows[at])), area, random)
        hole = (drawn > 0) & solid
        if hole.sum() > best.sum():
            best = hole
        if best.sum() >= 0.7 * area:
            break
    return best


def opencv(rgba: Bytes, hole: Mask, method: int) -> Bytes:
    """Straight colours (h, w, 3) of a premultiplied picture whose hole OpenCV has filled."""
    straight = unpremultiply(rgba)
    known = (straight[..., 3] >= SOLID * 255) & ~hole
    around = surrounded(straight[..., :3].astype(np.float32), known)
    whole = np.rint(np.clip(around, 0, 255)).astype(np.uint8)
    return np.asarray(cv2.inpaint(whole, hole.astype(np.uint8), REACH, method), np.uint8)


def psnr(one: Bytes, other: Bytes, where: Mask) -> float:
    """Peak signal-to-noise ratio in dB of colours (h, w, 3) over a mask (h, w)."""
    error = np.square((one[where].astype(np.float64) - other[where]) / 255).mean()
    return float(-10 * np.log10(max(error, _LEAST_ERROR)))


def _row(rgba: Bytes, share: float, kind: Damage, seed: tuple[int, int, int]) -> dict[str, Any] | None:
    """One hole, filled in every way; None for a garment too small to be damaged."""
    straight = unpremultiply(rgba)
    solid = straight[..., 3] >= SOLID * 255
    if solid.sum() < _FEWEST:
        return None
    hole = damage_of(
        solid, kind, min(share, _MOST_SCRATCHED) if kind == "scratch" else share, np.random.default_rng(seed)
    )
    damaged = rgba.copy()
    damaged[hole, :3] = 0
    filled = restore(damaged, hole)
    textured = restore(damaged, hole, texture=1.0)
    ways = {name: opencv(damaged, hole, method) for name, method in OPENCV.items()}
    ways |= {"ours": unpremultiply(filled)[..., :3], "textured": unpremultiply(textured)[..., :3]}
    return {
        **{name: psnr(way, straight[..., :3], hole) for name, way in ways.items()},
        "garment": seed[1], "share": share, "damage": kind, "pattern": pattern_of(rgba),
        "outside": int((filled != damaged).any(2)[~hole].sum()),
    }  # fmt: skip


def _both(rows: Sequence[dict[str, Any]], best: str) -> dict[str, Any]:
    if not rows:
        return {"inpaint_psnr": None, "inpaint_psnr_opencv": None, "inpaint_holes": 0}
    ours, theirs = _mean(rows, "ours"), _mean(rows, best)
    return {"inpaint_psnr": ours, "inpaint_psnr_opencv": theirs, "inpaint_holes": len(rows)}


def _mean(rows: Sequence[dict[str, Any]], key: str) -> float:
    return round(float(np.mean([row[key] for row in rows])), 2)


def _box(drawn: Bytes, centre: tuple[float, float], area: float, random: np.random.Generator) -> None:
    ratio = np.exp(random.uniform(-0.5, 0.5))
    half = np.sqrt([area * ratio, area / ratio]) / 2
    low, high = np.rint(np.array(centre) - half).astype(int), np.rint(np.array(centre) + half).astype(int) - 1
    cv2.rectangle(drawn, low.tolist(), np.maximum(low, high).tolist(), (1,), -1)


def _blob(drawn: Bytes, centre: tuple[float, float], area: float, random: np.random.Generator) -> None:
    turn = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    waves = [random.uniform(0, 0.25) * np.cos(k * turn + random.uniform(0, 2 * np.pi)) for k in (2, 3)]
    reach = np.sqrt(area / np.pi) * (1 + waves[0] + waves[1])
    outline = np.array(centre) + reach[:, None] * np.stack([np.cos(turn), np.sin(turn)], 1)
    cv2.fillPoly(drawn, [np.rint(outline).astype(np.int32)], (1,))


def _scratch(drawn: Bytes, centre: tuple[float, float], area: float, random: np.random.Generator) -> None:
    width = max(3, round(0.03 * max(drawn.shape)))
    left = max(area / (width + 1) - width, 1.0)  # its ends are round, and its steps as well
    at, angle, line = np.array(centre), random.uniform(0, 2 * np.pi), [np.array(centre)]
    while left > 0:
        step = min(left, random.uniform(2, 5) * width)
        angle += random.normal(0, 0.5)
        at = at + step * np.array([np.cos(angle), np.sin(angle)])
        line.append(at)
        left -= step
    cv2.polylines(drawn, [np.rint(np.array(line)).astype(np.int32)], False, (1,), width)


_PAINTERS = {"box": _box, "blob": _blob, "scratch": _scratch}
