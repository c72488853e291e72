"""Commands that measure how good the models are."""

from __future__ import annotations

from pathlib import Path

import click

from persona.cli.bench import AS_JSON, RECORD, SERVED, publish
from persona.cli.command import Group


@click.group(cls=Group)
def evaluate() -> None:
    """Measure how good the models are, on data that they were not trained on."""


@evaluate.command("gan", example="persona evaluate gan --model garment-64 --json")
@click.option("--model", "name", default=SERVED, show_default=True, help="Model folder in PERSONA_MODELS.")
@click.option(
    "--real", type=click.Path(exists=True, path_type=Path), help="Zip of garments to compare with, like an import."
)
@click.option("--truncation", type=click.FloatRange(0, 2), default=1.0, show_default=True, help="Deviation of z.")
@click.option("--grid", type=click.Path(path_type=Path), help="Picture to write: real above generated, for the eye.")
@AS_JSON
@click.option(
    "--record/--no-record", default=True, show_default=True,
    help="Keep it in the model's folder (metrics, card, grid of generated garments) and data/figures.json.",
)  # fmt: skip
def evaluate_gan(
    name: str, real: Path | None, truncation: float, grid: Path | None, as_json: bool, record: bool
) -> None:
    """Judge the generator: quality, following of conditions, colours, copying, and whether it suits the right user.

    Compares with the held-out part of the store's photographed garments, or with those of --real. Figures of other
    pictures or another truncation are printed and not kept, and data/figures.json holds the served model's alone.
    """
    from persona.cli.evaluate_gan import run
    from persona.cli.gan_report import check_grid, publish_judged, write_grid
    from persona.settings import load_settings

    settings = load_settings()
    if grid:
        check_grid(grid)
    judged = run(settings, name, real, truncation=truncation)
    if grid:
        write_grid(judged, grid)
    folder = settings.models / name if record and not real and truncation == 1 else None
    publish_judged(judged, folder, served=name == SERVED, as_json=as_json)


@evaluate.command("edits", example="persona evaluate edits --json")
@click.option("--garments", type=click.IntRange(1, 500), default=40, show_default=True, help="To edit in every way.")
@AS_JSON
@RECORD
def evaluate_edits(garments: int, as_json: bool, record: bool) -> None:
    """Edit garments to every colour, pattern and category, and measure what is seen of it in the pictures."""
    from persona.cli.evaluate_edits import edits
    from persona.settings import load_settings

    publish("persona evaluate edits", edits(load_settings(), garments), {}, as_json=as_json, record=record)


@evaluate.command("inverter", example="persona evaluate inverter --json")
@click.option("--garments", type=click.IntRange(1, 500), default=100, show_default=True, help="Held-out ones, at most.")
@AS_JSON
@RECORD
def evaluate_inverter(garments: int, as_json: bool, record: bool) -> None:
    """Draw held-out real garments again from what the inverter finds, beside controls; say how near, how fast."""
    from persona.cli.evaluate_edits import inversion
    from persona.settings import load_settings

    publish("persona evaluate inverter", inversion(load_settings(), garments), {}, as_json=as_json, record=record)


@evaluate.command("taste", example="persona evaluate taste --data simulated --json")
@click.option(
    "--data",
    default="simulated",
    show_default=True,
    metavar="simulated|beauty|FILE",
    help="Simulated users over the store's catalogue; Amazon Beauty; or a file, a line `user item item ...` each.",
)
@click.option("--users", type=click.IntRange(10, 100_000), default=1000, show_default=True, help="Simulated, held out.")
@click.option(
    "--attributes",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Of the items of a file: JSON, item to list of whole numbers.",
)
@click.option("--seeds", type=click.IntRange(1, 20), default=3, show_default=True, help="Trainings on a file's users.")
@click.option("--rounds", type=click.IntRange(1, 1000), help="Validations at most of a training; default 50.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to keep trained models in: run again, it goes on after them. Default: runs/taste-NAME.",
)
@click.option(
    "--dp-epsilon", "epsilons", type=float, multiple=True,
    help="Say instead what differential privacy costs on a file's users, by budget; nothing is kept.",
)  # fmt: skip
@AS_JSON
@RECORD
def evaluate_taste(
    data: str, users: int, attributes: Path | None, seeds: int, rounds: int | None, out: Path | None,
    epsilons: tuple[float, ...], as_json: bool, record: bool,
) -> None:  # fmt: skip
    """Rank everything for users who were held out, beside popularity and other controls.

    Simulated users are read by the served model, and its reasons judged. On the users of a file models are trained
    anew, some minutes a seed. Only the figures of simulated and beauty are kept.
    """
    from persona.cli import evaluate_taste as command
    from persona.cli.output import print_json, print_values
    from persona.settings import load_settings

    settings = load_settings()
    if epsilons:
        found = command.private(settings, data, attributes, epsilons, rounds)
        print_values(found, {})
        if as_json:
            print_json(found)
        return
    if data == "simulated":
        values, why = command.simulated(settings, users)
    else:
        values, why = command.on_file(settings, data, attributes, seeds, rounds, out)
    like = "simulated" if data == "simulated" else "beauty"  # whose keys it has
    record = record and data in command.NAMED
    publish(f"persona evaluate taste --data {like}", values, why, as_json=as_json, record=record)


@evaluate.command("makeup", example="persona evaluate makeup --json")
@click.option(
    "--faces", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Zip of other portraits, with faces.csv (file, face_id, age, gender, ethnicity).",
)  # fmt: skip
@click.option("--looks", type=click.IntRange(1, 100), default=8, show_default=True, help="Random looks a portrait.")
@AS_JSON
@RECORD
def evaluate_makeup(faces: Path | None, looks: int, as_json: bool, record: bool) -> None:
    """Read looks from photos, move them to other faces and take them off, on people who were held out; minutes.

    Every figure stands beside a control, and by Monk tone, gender and ethnicity as people say it themselves. Figures of
    other portraits are printed and not kept. Needs mediapipe (`persona[face]`).
    """
    from persona.cli.evaluate_makeup import READER, keep, measure
    from persona.settings import load_settings

    settings = load_settings()
    values, why = measure(settings, faces, looks)
    record = record and faces is None
    if record:
        keep(settings.models / READER, values)
    publish("persona evaluate makeup", values, why, as_json=as_json, record=record)


@evaluate.command("style", example="persona evaluate style --json")
@click.option(
    "--garments", type=click.Path(exists=True, path_type=Path), help="Zip of garments to judge by, like an import."
)
@click.option("--pairs", type=click.IntRange(4, 2000), default=96, show_default=True, help="Garments given a style.")
@click.option(
    "--optimised", type=click.IntRange(0, 2000), default=16, show_default=True,
    help="Of them, how many the optimisation mode is tried on too; some 20 seconds each.",
)  # fmt: skip
@click.option("--grid", type=click.Path(path_type=Path), help="Picture to write: pairs and results, for the eye.")
@AS_JSON
@RECORD
def evaluate_style(
    garments: Path | None, pairs: int, optimised: int, grid: Path | None, as_json: bool, record: bool
) -> None:
    """Put styles on garments that were held out, and have another network judge style and content; minutes.

    Styles are other garments, prints and paintings. Beside it stand colour transfer, the optimisation mode and what
    chance would give. Garments are damaged and restored too, beside OpenCV's inpainting. Takes the held-out part of the
    store's photographed garments, or those of --garments, whose figures are printed and not kept.
    """
    from persona.cli.evaluate_style import measure, write_grid
    from persona.cli.gan_report import check_grid
    from persona.settings import load_settings

    if grid:
        check_grid(grid)
    judged, why = measure(load_settings(), garments, pairs=pairs, optimised=optimised)
    if grid:
        write_grid(judged.transfers, grid)
    record = record and garments is None
    publish("persona evaluate style", judged.figures, why, as_json=as_json, record=record)


COMMANDS: tuple[click.Command, ...] = (evaluate,)
