"""Background removal: a photo of one garment to a centred, premultiplied RGBA square.

GrabCut (Rother, Kolmogorov and Blake 2004, OpenCV's implementation), started from a thin border taken as
background; the colours under the new edge are the garment's own, not the background's.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from persona.catalog.pictures import Bytes, shrunk

WORKING_SIDE = 192  # pixels: GrabCut's cost grows with the area, its cut hardly improves above this
PICTURE_SIDE = 128  # pixels: stored pictures are squares of this side
BORDER = 0.04  # share of each side taken as certain background
SMALLEST, LARGEST = 0.11, 0.80  # a cut covering less or more of the photo is a failed one: of 4,546 cuts those between
# 5 and 11 % were 9, and not one of them held the garment, but a print on it or a part of the floor
FILL = 0.92  # share of the square that the garment's longer side fills
_ITERATIONS = 4


@dataclass(frozen=True)
class Cutout:
    """A cut-out garment.

    rgba: uint8 (side, side, 4), premultiplied. coverage: share of the photo taken as garment.
    failed: why the cut cannot be trusted, or None. A failed one holds the whole photo, opaque.
    """

    rgba: Bytes
    coverage: float
    failed: str | None


def cut_out(photo: Bytes, side: int = PICTURE_SIDE) -> Cutout:
    """Cut the garment out of a photo: uint8 (h, w, 3), or (h, w, 4) with straight alpha, which is then trusted."""
    if photo.ndim != 3 or photo.shape[2] not in (3, 4):
        raise ValueError(f"photo: shape {photo.shape}, wanted (height, width, 3 or 4)")
    photo = shrunk(photo, WORKING_SIDE)
    if photo.shape[2] == 4 and photo[..., 3].min() < 255:
        alpha = np.asarray(photo[..., 3] / np.float32(255), np.float32)
        coverage = float(alpha.mean())
        failed = "the picture is transparent" if coverage < 0.005 else None
    else:
        alpha, coverage, failed = _found(photo)
    if failed:
        alpha = np.ones(photo.shape[:2], np.float32)
    return Cutout(centred(photo[..., :3], alpha, side), coverage, failed)


def garment_region(photo: Bytes) -> tuple[NDArray[np.float32], str | None]:
    """Where a garment is in its photo (h, w, 3): float32 (h, w) from 0 to 1; why that cannot be trusted, or None."""
    alpha, _, failed = _found(shrunk(photo, WORKING_SIDE))
    large = cv2.resize(alpha, (photo.shape[1], photo.shape[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(large, np.float32), failed


def _found(photo: Bytes) -> tuple[NDArray[np.float32], float, str | None]:
    """Alpha of the garment in a small photo, how much of it that is, and why the cut cannot be trusted."""
    mask = _grabcut(np.ascontiguousarray(photo[..., :3]))
    coverage = float(mask.mean())
    return _soften(mask), coverage, _judge(coverage)


def _judge(coverage: float) -> str | None:
    if coverage < SMALLEST:
        return f"garment covers {coverage:.0%} of the photo, under {SMALLEST:.0%}: not found"
    if coverage > LARGEST:
        return f"garment covers {coverage:.0%} of the photo, over {LARGEST:.0%}: background not found"
    return None


def _grabcut(rgb: Bytes) -> NDArray[np.uint8]:
    height, width = rgb.shape[:2]
    top, left = max(1, round(height * BORDER)), max(1, round(width * BORDER))
    if height < 16 or width < 16 or rgb.reshape(-1, 3).std(0).max() < 2:
        return np.zeros((height, width), np.uint8)
    mask = np.full((height, width), cv2.GC_BGD, np.uint8)
    mask[top : height - top, left : width - left] = cv2.GC_PR_FGD
    cv2.setRNGSeed(0)  # its k-means is seeded from a global generator: the same photo must give the same cut
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(rgb[..., ::-1].copy(), mask, (0, 0, 0, 0), *models, _ITERATIONS, cv2.GC_INIT_WITH_MASK)
    found = ((mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD)).astype(np.uint8)
    opened = cv2.morphologyEx(found, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    return _largest_parts(np.asarray(opened, np.uint8))


def _largest_parts(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Keep parts of at least a fifth of the largest one's area (a pair of shoes is two), and fill small holes."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    kept = (areas[labels] >= max(1, areas.max() / 5)).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(1 - kept)
    small = stats[:, cv2.CC_STAT_AREA] < 0.002 * mask.size
    small[0] = False
    kept[small[labels]] = 1
    return kept


def _soften(mask: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Draw the edge in by half a pixel, where the photo mixes garment and background, and feather it."""
    blurred = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 1.0)
    return np.asarray(np.clip((blurred - 0.35) / 0.5, 0, 1), np.float32)


def centred(rgb: Bytes, alpha: NDArray[np.float32], side: int = PICTURE_SIDE) -> Bytes:
    """What alpha (h, w), from 0 to 1, shows of straight colours (h, w, 3), premultiplied in the middle of a square."""
    rows, columns = np.flatnonzero(alpha.max(1) > 0.5), np.flatnonzero(alpha.max(0) > 0.5)
    if rows.size == 0 or columns.size == 0:
        rows, columns = np.arange(alpha.shape[0]), np.arange(alpha.shape[1])
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    scale = side * FILL / max(bottom - top, right - left)
    size = max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale))
    box = np.s_[top:bottom, left:right]
    premultiplied = np.dstack([_bleed(rgb, alpha)[box] * alpha[box][..., None], alpha[box] * 255])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = cv2.resize(premultiplied.astype(np.float32), size, interpolation=how)
    square = np.zeros((side, side, 4), np.float32)
    y, x = (side - size[1]) // 2, (side - size[0]) // 2
    square[y : y + size[1], x : x + size[0]] = small
    return np.asarray(np.clip(np.rint(square), 0, 255), np.uint8)


def _bleed(rgb: Bytes, alpha: NDArray[np.float32]) -> NDArray[np.float32]:
    """Colours of half-covered pixels replaced by the mean of the covered ones around them."""
    solid = (alpha > 0.95).astype(np.float32)
    weight = cv2.GaussianBlur(solid, (0, 0), 1.5)[..., None]
    spread = cv2.GaussianBlur(rgb.astype(np.float32) * solid[..., None], (0, 0), 1.5)
    inside = solid[..., None] > 0
    return np.where(inside | (weight < 1e-3), rgb.astype(np.float32), spread / np.maximum(weight, 1e-3))
