"""A training run on disk: checkpoints to resume from, figures as JSON lines and TensorBoard, grids of pictures."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.utils.tensorboard import SummaryWriter

from persona.errors import BadInput
from persona.gan.model import GarmentModel, sample
from persona.gan.prior import Prior
from persona.gan.train import Trainer

CHECKPOINT = "checkpoint.pt"
GRID = (8, 12)  # rows and columns of pictures


def run(
    trainer: Trainer, prior: Prior, visual: str, out: Path, *, every: int = 50, save_seconds: float = 120.0
) -> Iterator[dict[str, float]]:
    """Train to the recipe's last picture, from out/checkpoint.pt if it is there; yields figures every so many steps.

    A checkpoint and a grid of generated pictures are written every save_seconds, when the run ends, and when the
    caller stops it (Ctrl-C included). A kill loses what came after the last checkpoint, nothing else. Raises BadInput
    when the losses are no longer numbers; the last checkpoint is then from before.
    """
    out.mkdir(parents=True, exist_ok=True)
    if (out / CHECKPOINT).exists():
        trainer.resume(out / CHECKPOINT)
    board = SummaryWriter(str(out / "tensorboard"), purge_step=trainer.images)
    with (out / "figures.jsonl").open("a") as lines, board:
        try:
            for figures in _steps(trainer, every, save_seconds, lambda: _save(trainer, prior, visual, out)):
                if not all(np.isfinite(value) for value in figures.values()):
                    after = f"{figures['images']:.0f} pictures"
                    raise BadInput("loss", f"not a number after {after}; lower the rates and begin again from {out}")
                lines.write(json.dumps({name: round(value, 5) for name, value in figures.items()}) + "\n")
                lines.flush()
                for name, value in figures.items():
                    board.add_scalar(name, value, trainer.images)
                yield figures
        except BadInput:
            raise  # a state that is no longer numbers must not replace the last good one
        except BaseException:
            _save(trainer, prior, visual, out)
            raise
        _save(trainer, prior, visual, out)


def _steps(trainer: Trainer, every: int, save_seconds: float, save: Callable[[], None]) -> Iterator[dict[str, float]]:
    began = saved = time.monotonic()
    first, recipe = trainer.images, trainer.recipe
    while trainer.images < recipe.images:
        trainer.step()
        if (trainer.images // recipe.batch) % every == 0:
            rate = (trainer.images - first) / (time.monotonic() - began)
            numbers = {name: float(value) for name, value in trainer.figures.items()}
            yield {"images": trainer.images, "per_second": rate, **numbers}
        if time.monotonic() - saved > save_seconds:
            save()
            saved = time.monotonic()


def _save(trainer: Trainer, prior: Prior, visual: str, out: Path) -> None:
    trainer.save(out / CHECKPOINT)
    model = GarmentModel(trainer.averaged(), prior, trainer.garments.names, visual)
    Image.fromarray(prior_grid(model)).save(out / "grid.png")


def prior_grid(model: GarmentModel, seed: int = 0, side: int = 96) -> NDArray[np.uint8]:
    """Generated pictures of random conditions of all categories in turn, on light grey: uint8 (h, w, 3)."""
    rows, columns = GRID
    codes = [i % len(model.categories) for i in range(rows * columns)]
    conditions = np.concatenate([model.prior.sample(code, 1, seed + i) for i, code in enumerate(codes)])
    pictures = sample(model, conditions, [model.categories[code] for code in codes], range(seed, seed + len(codes)))
    return tile(pictures, columns, side)


def tile(pictures: NDArray[np.uint8], columns: int, side: int) -> NDArray[np.uint8]:
    """Premultiplied pictures (n, s, s, 4) side by side on light grey, each side x side: uint8 (h, w, 3)."""
    if len(pictures) % columns:
        raise ValueError(f"pictures: {len(pictures)}, wanted a multiple of {columns}")
    flat = pictures[..., :3] + (255 - pictures[..., 3:].astype(np.float32)) * 0.94
    tensor = torch.from_numpy(flat).permute(0, 3, 1, 2)
    larger = torch.nn.functional.interpolate(tensor, (side, side), mode="bicubic", antialias=True).clamp(0, 255)
    rows = larger.unflatten(0, (-1, columns)).permute(0, 3, 1, 4, 2).reshape(-1, columns * side, 3)
    return rows.round().to(torch.uint8).numpy()
