"""How long a transfer takes, on all the cores that the settings allow, and in how much memory."""

from __future__ import annotations

import copy
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
import torch

from persona.catalog.pictures import Bytes
from persona.memory import peak_memory
from persona.style.model import StyleModel
from persona.style.networks import style_of, stylise
from persona.style.picture import check, opaque, view_of
from persona.style.prints import PRINTS, draw_print

SIDES = (256, 512)  # pixels
ROUNDS = 15


def bench_style(folder: Path, sides: tuple[int, ...] = SIDES) -> dict[str, Any]:
    """Figures of the model in this folder: medians of 15, on as many threads as torch is set to.

    ms_256, ms_512: from a picture and a style vector to the finished picture; read_ms: of a style, from a picture of
    the larger size. rss_mb: the most memory that a fresh process needs for all sizes, torch itself included (MiB).
    gpu_pictures_per_s: only where there is a graphics card, see `throughput`.
    """
    model = StyleModel.load(folder)
    style = style_like(max(sides))
    vector = model.read(style)
    pictures = {side: garment_like(side) for side in sides}
    return {
        **{f"ms_{side}": _milliseconds(partial(model.apply, picture, vector)) for side, picture in pictures.items()},
        "read_ms": _milliseconds(lambda: model.read(style)),
        "rss_mb": _memory(folder, sides),
        **({"gpu_pictures_per_s": throughput(model, "cuda", 64)} if torch.cuda.is_available() else {}),
        "threads": torch.get_num_threads(),
        "model": model.version,
    }


@torch.no_grad()
def throughput(model: StyleModel, device: str, batch: int, side: int = SIDES[0]) -> float:
    """Pictures a second that networks paint on a device in batches, each in a style of its own; read and written as
    tensors there."""
    net, decoder = copy.deepcopy(model.net).to(device), copy.deepcopy(model.decoder).to(device)
    view, its = (view_of(rgba, check(rgba, None, "picture")) for rgba in (garment_like(side), style_like(side)))
    rgb, mask, other = (
        part.to(device).expand(batch, -1, -1, -1).contiguous() for part in (view.rgb, view.mask, its.rgb)
    )
    style = style_of(net, other, torch.ones_like(mask))

    def paint() -> None:
        stylise(decoder, net, rgb, mask, style)
        if device == "cuda":
            torch.cuda.synchronize()

    return batch * 1000 / _milliseconds(paint)


def garment_like(side: int) -> Bytes:
    """A drawn jumper with folds, premultiplied (side, side, 4), which fills its square as garments do."""
    shape, outline = np.zeros((side, side), np.uint8), _JUMPER * side
    cv2.fillPoly(shape, [np.rint(outline).astype(np.int32)], (255,), lineType=cv2.LINE_AA)
    rows, columns = np.mgrid[:side, :side] / side
    light = 0.75 + 0.15 * np.sin(23 * columns + 5 * rows) + 0.1 * np.sin(17 * rows - 9 * columns)
    colour = np.array([170, 60, 50]) * light[..., None]
    alpha = shape[..., None] / 255
    return np.dstack([np.rint(colour * alpha), shape]).astype(np.uint8)


def style_like(side: int) -> Bytes:
    """A drawn print, (side, side, 4)."""
    return opaque(draw_print(next(iter(PRINTS)), side, 1))


# of the square, clockwise from the left of the neck
_JUMPER = np.array(
    [[.38, .06], [.62, .06], [.78, .12], [.98, .62], [.86, .68], [.74, .42], [.74, .95], [.26, .95], [.26, .42],
     [.14, .68], [.02, .62], [.22, .12]]
)  # fmt: skip


def _milliseconds(act: Callable[[], object]) -> float:
    times = []
    act()
    for _ in range(ROUNDS):
        began = time.perf_counter()
        act()
        times.append(time.perf_counter() - began)
    return 1000 * median(times)


def _memory(folder: Path, sides: tuple[int, ...]) -> float:
    """MiB, of a process of its own: this one has held other things."""
    arguments = [str(folder), str(torch.get_num_threads()), *map(str, sides)]
    done = subprocess.run([sys.executable, "-m", __name__, *arguments], capture_output=True, text=True, check=True)
    return float(done.stdout)


def _peak(folder: Path, threads: int, sides: list[int]) -> float:
    """The most memory, MiB, that this process has held once it has put a style on pictures of these sizes."""
    torch.set_num_threads(threads)
    model = StyleModel.load(folder)
    for side in sides:
        model.apply(garment_like(side), model.read(style_like(side)))
    return peak_memory()


if __name__ == "__main__":
    print(_peak(Path(sys.argv[1]), int(sys.argv[2]), list(map(int, sys.argv[3:]))))
