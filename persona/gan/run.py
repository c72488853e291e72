"""A training run on disk: checkpoints to resume from, figures as JSON lines and TensorBoard, grids of pictures."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.utils.tensorboard import SummaryWriter

from persona import checkpoint
from persona.gan.collapse import Alarm, Spread
from persona.gan.guard import Guard
from persona.gan.model import GarmentModel, sample
from persona.gan.prior import Prior
from persona.gan.train import Trainer
from persona.interrupt import asked_to_stop

CHECKPOINT = checkpoint.NAME
GRID = (8, 12)  # rows and columns of pictures


def run(
    trainer: Trainer, prior: Prior, visual: str, out: Path, *, every: int = 50, save_seconds: float = 120.0
) -> Iterator[dict[str, float]]:
    """Train to the recipe's last picture, from out/checkpoint.pt if it is there; yields figures every so many steps.

    With the figures, every save_seconds, a checkpoint and a grid of generated pictures are written; so too when the
    run ends, and when it is stopped by the caller, by Ctrl-C or by SIGTERM, which then is a KeyboardInterrupt here
    between two steps. A kill loses what came after the last checkpoint, nothing else. Where many processes train,
    the first one writes. Numbers that are lost are won back by `persona.gan.guard`, which raises BadInput where it
    gives up.
    """
    yield from drive(trainer, partial(_GarmentBook, prior, visual), out, every=every, save_seconds=save_seconds)


def drive(
    trainer: Trainer, book_of: Callable[[Trainer, Path], Book], out: Path, *, every: int = 50,
    save_seconds: float = 120.0,
) -> Iterator[dict[str, float]]:  # fmt: skip
    """As `run`, of any kind of trainer. book_of: what is written into the folder."""
    out.mkdir(parents=True, exist_ok=True)
    if checkpoint.exists(out / CHECKPOINT):
        trainer.resume(out / CHECKPOINT)
    first = trainer.images
    with ExitStack() as stack:
        stopped = stack.enter_context(asked_to_stop())
        book = stack.enter_context(book_of(trainer, out)) if trainer.ranks.leads else None
        try:
            for figures in _steps(trainer, stopped, every):
                if figures and book:
                    book.write(figures)
                if book and time.monotonic() - book.saved > save_seconds:
                    book.save()
                if figures:
                    yield figures
        finally:
            if book and trainer.images > first:
                book.save()


def _steps(trainer: Trainer, stopped: threading.Event, every: int) -> Iterator[dict[str, float]]:
    """Yields where the state is known to be good, with figures where they are due; raises as `run`."""
    guard, recipe, shown, began = Guard(trainer), trainer.recipe, 0, time.monotonic()
    while trainer.images < recipe.images:
        try:
            trainer.step()
        except BaseException:  # half a step is no state to save
            trainer.restore(guard.good)
            raise
        shown += recipe.batch
        stop = trainer.ranks.any(stopped.is_set(), trainer.device)
        due = (trainer.images // recipe.batch) % every == 0
        if not (due or stop or trainer.images >= recipe.images) or not guard.check():
            continue
        if stop:
            raise KeyboardInterrupt
        numbers = {name: float(value) for name, value in trainer.figures.items()}
        rate = shown / (time.monotonic() - began)
        yield {"images": trainer.images, "per_second": rate, "rollbacks": trainer.rollbacks, **numbers} if due else {}


class Book:
    """What a run writes into its folder: figures, and the checkpoint with whatever else `save` adds."""

    def __init__(self, trainer: Trainer, out: Path) -> None:
        self.trainer, self.out, self.saved = trainer, out, time.monotonic()

    def __enter__(self) -> Book:
        self.board = SummaryWriter(str(self.out / "tensorboard"), purge_step=self.trainer.images)
        self.lines = (self.out / "figures.jsonl").open("a")
        return self

    def __exit__(self, *error: object) -> None:
        self.board.close()
        self.lines.close()

    def write(self, figures: Mapping[str, float]) -> None:
        """One line of figures."""
        self.lines.write(json.dumps({name: round(value, 5) for name, value in figures.items()}) + "\n")
        self.lines.flush()
        for name, value in figures.items():
            self.board.add_scalar(name, value, self.trainer.images)

    def save(self) -> None:
        """The checkpoint, and a grid of what is generated."""
        self.trainer.save(self.out / CHECKPOINT)
        grid = self.grid()
        Image.fromarray(grid).save(self.out / "grid.png")
        self.board.add_image("grid", grid[::2, ::2], self.trainer.images, dataformats="HWC")
        self.saved = time.monotonic()

    def grid(self) -> NDArray[np.uint8]:
        """What is generated by now: uint8 (h, w, 3)."""
        raise NotImplementedError


class _GarmentBook(Book):
    """With the spread within a condition, and the alarm."""

    def __init__(self, prior: Prior, visual: str, trainer: Trainer, out: Path) -> None:
        super().__init__(trainer, out)
        self.prior, self.visual = prior, visual
        self.spread, self.alarm = Spread(trainer.garments), Alarm()

    def grid(self) -> NDArray[np.uint8]:
        """Of random conditions."""
        trainer = self.trainer
        model = GarmentModel(trainer.averaged(), self.prior, trainer.garments.names, self.visual)
        if (spread := self.spread.of(model.generator)) is not None:
            self.write({"images": trainer.images, "spread": spread})
            if trainer.images > trainer.recipe.settled:
                self.alarm.hear(spread, trainer.images)
        return prior_grid(model)


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
