"""Commands that train the models anew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from persona.cli.bench import SERVED
from persona.cli.command import Group

if TYPE_CHECKING:
    from persona.store.records import Domain

LOSSES = ("relativistic", "hinge", "lsgan", "wgan-gp", "minimax")  # of persona.gan.losses
Decorated = TypeVar("Decorated", bound=Callable[..., Any])
SEED = click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Of everything random. Default: PERSONA_SEED.")


def _out(name: str) -> Callable[[Decorated], Decorated]:
    path = click.Path(file_okay=False, path_type=Path)
    return click.option("--out", type=path, default=f"runs/{name}", show_default=True, help="Model folder to write.")


SECONDS = click.option(
    "--seconds", type=click.FloatRange(min=1), help="Stop after so long; the same command goes on from there."
)


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
@click.option(
    "--from",
    "start",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Taste model's folder to go on from, with what has happened since (warm start).",
)
@click.option("--ids/--no-ids", default=True, show_default=True, help="Keep each item's own vector besides its look.")
@click.option(
    "--domain", type=click.Choice(["garment", "look"]), default="garment", show_default=True,
    help="Taste in garments, or in makeup looks.",
)  # fmt: skip
@click.option(
    "--dp-epsilon", type=float,
    help="Differential privacy of each stored user: the most that their data may change the model (needs persona[dp]).",
)  # fmt: skip
@click.option("--dp-delta", type=float, default=1e-5, show_default=True, help="Chance that it changes it more.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path),
    help="Model folder to write. Default: runs/taste-garment or runs/taste-look.")  # fmt: skip
@SEED
def taste(
    simulated: int, steps: int, start: Path | None, ids: bool, domain: Domain, dp_epsilon: float | None,
    dp_delta: float, out: Path | None, seed: int | None,
) -> None:  # fmt: skip
    """Train the model that reads a user's taste, from simulated users, wardrobes and users who consented.

    From a trained model on, some hundred steps do for what has happened since. With --dp-epsilon the stored users are
    learned from last, with noise, and no item keeps a vector of its own.
    """
    from persona.cli.output import print_values
    from persona.cli.train_taste import run
    from persona.settings import load_settings
    from persona.taste.private import Budget

    settings = load_settings(seed=seed)
    out, budget = out or Path("runs") / f"taste-{domain}", None if dp_epsilon is None else Budget(dp_epsilon, dp_delta)
    found = run(
        settings, out, simulated=simulated, steps=steps, keep_ids=ids, start=start, domain=domain, budget=budget
    )
    print_values(found, {})


@train.command(example="persona train gan --size 64 --images 400000 --out runs/garment-64")
@click.option("--size", type=click.Choice(["32", "64", "128"]), default="64", show_default=True, help="Side in pixels.")
@click.option(
    "--images", type=click.IntRange(1000), default=400_000, show_default=True, help="Pictures to show in all."
)
@click.option("--loss", type=click.Choice(LOSSES), default=LOSSES[0], show_default=True, help="Adversarial loss.")
@click.option(
    "--data", type=click.Path(exists=True, path_type=Path), help="Catalogue to train on (see `persona import items`)."
)
@click.option(
    "--grow-from", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Checkpoint of another run, of this size or a smaller.",
)  # fmt: skip
@click.option("--set", "changed", multiple=True, metavar="NAME=VALUE", help="Change a field of the recipe.")
@click.option("--dry-run", is_flag=True, help="Print the recipe and what it will cost here; write nothing.")
@click.option("--profile", is_flag=True, help="Print where the time of some steps goes; write their trace.")
@_out("garment-64")
@SEED
def gan(
    size: str, images: int, loss: str, data: Path | None, grow_from: Path | None, changed: tuple[str, ...],
    dry_run: bool, profile: bool, out: Path, seed: int | None,
) -> None:  # fmt: skip
    """Train the generator of garments; hours on two cores, so it saves every two minutes and goes on from there.

    A grid of pictures, figures as JSON lines and TensorBoard's files are written to the same folder as it goes. On
    several GPUs: torchrun --nproc-per-node 8 -m persona train gan --set batch=256; the processes share each batch.
    Every field of the recipe can be set, and --dry-run lists them; a schedule is START:END:IMAGES.
    """
    from persona.cli import train_gan
    from persona.cli.output import print_values
    from persona.gan.recipe import Recipe
    from persona.settings import load_settings

    settings = load_settings(seed=seed)
    plan = Recipe.plan(int(size), images, grown=grow_from is not None, loss=loss, seed=settings.seed)
    order = train_gan.Order(settings, plan.override(changed), out, data, grow_from)
    if profile:
        click.echo(train_gan.profile(order))
    else:
        print_values(train_gan.dry_run(order) if dry_run else train_gan.train(order), {})


@train.command("look-gan", example="persona train look-gan --images 45000 --out runs/look-gan")
@click.option("--images", type=click.IntRange(1000), default=45_000, show_default=True, help="Pictures to show in all.")
@click.option("--set", "changed", multiple=True, metavar="NAME=VALUE", help="Change a field of the recipe.")
@_out("look-gan")
@SEED
def look_gan(images: int, changed: tuple[str, ...], out: Path, seed: int | None) -> None:
    """Train the generator of makeup looks on drawn face charts; some twenty minutes on one core.

    It saves every two minutes and goes on from there. A grid of looks, figures as JSON lines and TensorBoard's files
    are written to the same folder as it goes.
    """
    from persona.cli import train_look_gan
    from persona.cli.output import print_values
    from persona.makeup.train_lookgan import plan
    from persona.settings import load_settings

    settings = load_settings(seed=seed)
    recipe = plan(64, images, settings.seed).override(changed)
    print_values(train_look_gan.train(recipe, out, settings.torch_device), {})


@train.command(example="persona train directions")
@click.option(
    "--model", "folder", type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Generator's model folder to write into. Default: garment-64 in PERSONA_MODELS.",
)  # fmt: skip
def directions(folder: Path | None) -> None:
    """Fit what editing colours and patterns moves along, and write it into a generator's folder; seconds.

    `persona train gan` does this at its end. Its weights stay; its version changes, so train the inverter after it.
    """
    from persona.cli.output import print_values
    from persona.cli.train_edits import fit_directions
    from persona.settings import load_settings

    settings = load_settings()
    print_values(fit_directions(settings, folder or settings.models / SERVED), {})


@train.command(example="persona train inverter --out data/models/inverter-64")
@click.option("--images", type=click.IntRange(32), default=12_000, show_default=True, help="Pictures to show in all.")
@_out("inverter-64")
@SEED
def inverter(images: int, out: Path, seed: int | None) -> None:
    """Train the network that finds what draws a picture like a user's own; some minutes.

    It belongs to the one generator in PERSONA_MODELS, garment-64: train it again after that.
    """
    from persona.cli.output import print_values
    from persona.cli.train_edits import fit_inverter
    from persona.settings import load_settings

    print_values(fit_inverter(load_settings(seed=seed), out, images), {})


@train.command(example="persona train reader --out runs/look-reader")
@click.option("--steps", type=click.IntRange(1, 1_000_000), default=2600, show_default=True, help="Batches of 32.")
@SECONDS
@click.option(
    "--faces", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Zip of portraits, with faces.csv (file, face_id, age, gender, ethnicity).",
)  # fmt: skip
@_out("look-reader")
@SEED
def reader(steps: int, seconds: float | None, faces: Path | None, out: Path, seed: int | None) -> None:
    """Train the network that reads makeup looks from photos; some twenty minutes on one core.

    It learns from portraits that the renderer makes up, so it needs mediapipe (`persona[face]`) and portraits. Whole
    people are held out for `persona evaluate makeup`.
    """
    from persona.cli.output import print_values
    from persona.cli.train_reader import run
    from persona.makeup.train_reader import Plan
    from persona.settings import load_settings

    settings = load_settings(seed=seed)
    print_values(run(settings, out, Plan(steps=steps, seed=settings.seed), faces, seconds), {})


@train.command(example="persona train style --seconds 3600 --out runs/style")
@click.option("--steps", type=click.IntRange(1, 10_000_000), default=3000, show_default=True, help="Batches of 8.")
@SECONDS
@click.option(
    "--paintings", type=click.Path(file_okay=False, exists=True, path_type=Path),
    help="Folder of pictures to learn as styles too; left out, art/ of PERSONA_DATASETS.",
)  # fmt: skip
@click.option(
    "--features", type=click.Choice(["visual-64", "squeezenet1_1", "vgg16"]), default="visual-64", show_default=True,
    help="The frozen feature net; the last two are downloaded by torchvision.",
)  # fmt: skip
@_out("style")
@SEED
def style(
    steps: int, seconds: float | None, paintings: Path | None, features: str, out: Path, seed: int | None
) -> None:
    """Train the network that puts a style on a picture; two hours on one core, minutes on a GPU.

    It learns from the store's photographed garments, from prints that it draws itself, and from paintings.
    """
    from persona.cli.output import print_values
    from persona.cli.train_style import run
    from persona.settings import load_settings
    from persona.style.train import Plan

    settings = load_settings(seed=seed)
    print_values(run(settings, out, Plan(steps=steps, seed=settings.seed), paintings, features, seconds), {})


COMMANDS: tuple[click.Command, ...] = (train,)
