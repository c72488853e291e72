"""Commands that train the models anew, and measure how good they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from persona.cli.bench import AS_JSON, RECORD, publish
from persona.cli.command import Group

LOSSES = ("relativistic", "hinge", "lsgan", "wgan-gp", "minimax")  # of persona.gan.losses
Decorated = TypeVar("Decorated", bound=Callable[..., Any])
SEED = click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Of everything random. Default: PERSONA_SEED.")


def _out(name: str) -> Callable[[Decorated], Decorated]:
    path = click.Path(file_okay=False, path_type=Path)
    return click.option("--out", type=path, default=f"runs/{name}", show_default=True, help="Model folder to write.")


@click.group(cls=Group)
def train() -> None:
    """Train a model on the store's catalogue. Interrupted runs go on where they were saved.

    The models build on each other: first visual, then taste and gan. Serve what was trained with PERSONA_MODELS=runs.
    """


@train.command(example="persona train visual --epochs 30 --out runs/visual-64")
@click.option(
    "--epochs", type=click.IntRange(1, 10_000), default=30, show_default=True, help="Rounds over the garments."
)
@_out("visual-64")
@SEED
def visual(epochs: int, out: Path, seed: int | None) -> None:
    """Train the network that reads a garment's look, from photographed garments; some minutes."""
    from persona.cli.output import print_values
    from persona.cli.train_visual import run
    from persona.settings import load_settings

    settings = load_settings(seed=seed)
    print_values(run(settings, out, epochs, settings.seed), {})


@train.command(example="persona train taste --simulated 10000 --steps 3000 --out runs/taste-garment")
@click.option(
    "--simulated", type=click.IntRange(0, 1_000_000), default=10_000, show_default=True, help="Simulated users."
)
@click.option(
    "--steps", type=click.IntRange(1, 10_000_000), default=3000, show_default=True, help="Batches of 128 users."
)
@click.option("--ids/--no-ids", default=True, show_default=True, help="Keep each item's own vector besides its look.")
@_out("taste-garment")
@SEED
def taste(simulated: int, steps: int, ids: bool, out: Path, seed: int | None) -> None:
    """Train the model that reads a user's taste, from simulated users, wardrobes and users who consented."""
    from persona.cli.output import print_values
    from persona.cli.train_taste import run
    from persona.settings import load_settings

    settings = load_settings(seed=seed)
    print_values(run(settings, out, simulated=simulated, steps=steps, keep_ids=ids), {})


@train.command(example="persona train gan --size 64 --images 400000 --out runs/garment-64")
@click.option("--size", type=click.Choice(["32", "64", "128"]), default="64", show_default=True, help="Side in pixels.")
@click.option(
    "--images", type=click.IntRange(1000), default=400_000, show_default=True, help="Pictures to show in all."
)
@click.option("--loss", type=click.Choice(LOSSES), default=LOSSES[0], show_default=True, help="Adversarial loss.")
@click.option(
    "--grow-from", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Checkpoint of a smaller size."
)
@_out("garment-64")
@SEED
def gan(size: str, images: int, loss: str, grow_from: Path | None, out: Path, seed: int | None) -> None:
    """Train the generator of garments; hours on two cores, so it saves every two minutes and goes on from there.

    A grid of pictures, figures as JSON lines and TensorBoard's files are written to the same folder as it goes.
    """
    from persona.cli.output import print_values
    from persona.cli.train_gan import train as run
    from persona.gan.train import Recipe
    from persona.settings import load_settings

    settings = load_settings(seed=seed)
    recipe = Recipe.plan(int(size), images, grown=grow_from is not None, loss=loss, seed=settings.seed)
    print_values(run(settings, out, recipe, grow_from), {})


@click.group(cls=Group)
def evaluate() -> None:
    """Measure how good the models are, on data that they were not trained on."""


@evaluate.command("gan", example="persona evaluate gan --json")
@click.option(
    "--real", type=click.Path(exists=True, path_type=Path), help="Zip of garments to compare with, like an import."
)
@AS_JSON
@RECORD
def evaluate_gan(real: Path | None, as_json: bool, record: bool) -> None:
    """Judge the generator: quality, following of conditions, colours, copying, and whether it suits the right user.

    Compares with the held-out part of the store's photographed garments, or with those of --real.
    """
    from persona.cli.evaluate_gan import run
    from persona.settings import load_settings

    publish("persona evaluate gan", run(load_settings(), real), {}, as_json=as_json, record=record and not real)


@evaluate.command("taste", example="persona evaluate taste --data simulated --json")
@click.option(
    "--data", type=click.Choice(["simulated"]), default="simulated", show_default=True, help="Whose histories."
)
@click.option("--users", type=click.IntRange(10, 100_000), default=1000, show_default=True, help="Held-out users.")
@AS_JSON
@RECORD
def evaluate_taste(data: str, users: int, as_json: bool, record: bool) -> None:
    """Rank the store's catalogue for held-out users, beside popularity and other controls; judge the reasons."""
    from persona.cli.materials import garments
    from persona.settings import load_settings
    from persona.taste.evaluate import evaluate_simulated, evaluate_wardrobes
    from persona.taste.model import TasteModel
    from persona.taste.visual import VisualNetwork

    settings = load_settings()
    table = garments(settings, real=False).table(VisualNetwork.load(settings.models / "visual-64"))
    model = TasteModel.load(settings.models / "taste-garment")
    values = evaluate_simulated(model, table, users=users) | evaluate_wardrobes(model, table) | {"model": model.version}
    why = {"wardrobe_auc": values.pop("wardrobe_why")} if "wardrobe_why" in values else {}
    publish("persona evaluate taste --data simulated", values, why, as_json=as_json, record=record)


COMMANDS: tuple[click.Command, ...] = (train, evaluate)
