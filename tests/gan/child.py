"""Runs in processes of their own, for tests that kill them: `python -m tests.gan.child WHAT FOLDER`."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import torch

from persona.gan.prior import Prior
from persona.gan.ranks import Ranks, joined
from persona.gan.recipe import Recipe, Schedule
from persona.gan.run import run
from persona.gan.train import Trainer
from tests.gan.small import NAMES, garments, shapes

RECIPE = Recipe(size=32, images=1600, width=0.1, batch=8, half=False)  # 200 steps
RANKED = replace(RECIPE, images=48, mismatch=Schedule(0, 0, 1), conditional=Schedule(1, 1, 1))
LOSSES = ("relativistic", "wgan-gp")


def prior() -> Prior:
    """Of the shapes."""
    _, conditions, codes = shapes()
    return Prior.fit(conditions, codes, len(NAMES))


def killed(out: Path) -> None:
    """The run of RECIPE, saved every 20 steps."""
    for figures in run(Trainer(RECIPE, garments()), prior(), "none", out, every=20, save_seconds=0):
        print(int(figures["images"]), flush=True)


def first_gradients(trainer: Trainer) -> dict[str, torch.Tensor]:
    """Of both networks, after the first step (which has the penalty)."""
    trainer.step()
    nets = (trainer.generator, trainer.discriminator)
    return {name: p.grad.clone() for net in nets for name, p in net.named_parameters() if p.grad is not None}


def ranked(out: Path) -> None:
    """Train as one of several processes; what this one computed goes to a file of its own."""
    with joined("cpu") as (ranks, device):
        results: dict[str, object] = {}
        for loss in LOSSES:
            trainer = Trainer(replace(RANKED, loss=loss), garments(), device, ranks)
            results[loss] = first_gradients(trainer)
        folder = out / f"run-{ranks.rank}"
        for _ in run(trainer, prior(), "none", folder, every=2, save_seconds=1000):
            pass
        results["weights"], results["images"] = trainer.discriminator.state_dict(), trainer.images
        results["statistics"] = dict(trainer.generator.named_buffers())
        results["stopped"] = stopped(out / f"stopped-{ranks.rank}", device, ranks)
    torch.save(results, out / f"{ranks.rank}.pt")


def stopped(folder: Path, device: torch.device, ranks: Ranks) -> int:
    """Pictures after which a run ended of whose processes only the last one was asked to."""
    trainer = Trainer(replace(RANKED, images=800), garments(), device, ranks)
    try:
        for _ in run(trainer, prior(), "none", folder, every=2, save_seconds=1000):
            if ranks.rank == ranks.count - 1:
                os.kill(os.getpid(), signal.SIGTERM)
    except KeyboardInterrupt:
        pass
    return trainer.images


if __name__ == "__main__":
    torch.set_num_threads(1)
    {"killed": killed, "ranked": ranked}[sys.argv[1]](Path(sys.argv[2]))
