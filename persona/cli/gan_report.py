"""What `persona evaluate gan` leaves behind: tables on the screen, figures, a model's card with its random grid."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from PIL import Image

from persona import figures as kept
from persona import modelfolder
from persona.catalog.pictures import Bytes, write_whole
from persona.cli.evaluate_gan import Judged
from persona.cli.output import print_json, print_table, print_values
from persona.errors import BadInput
from persona.gan import GarmentModel
from persona.gan.evaluate import Confusion
from persona.gan.run import prior_grid, tile
from persona.goals import FIGURES
from persona.settings import CHECKOUT

COMMAND = "persona evaluate gan"
BEGIN, END = "<!-- figures -->", "<!-- /figures -->"
PAIRS = (4, 12)  # rows, each of real above generated, and columns of the grid for the eye
MOST = 10  # confusions shown

# the card's lines: what it is, and the keys of generated, real (floor or ceiling) and control
_LINES: tuple[tuple[str, str, str, str], ...] = (
    ("Frechet distance, SqueezeNet features", "frechet", "frechet_floor", ""),
    ("the same over its floor", "frechet_ratio", "", ""),
    ("kernel distance", "kernel", "kernel_floor", ""),
    ("precision", "precision", "precision_ceiling", ""),
    ("recall", "recall", "recall_ceiling", ""),
    ("density", "density", "density_ceiling", ""),
    ("coverage", "coverage", "coverage_ceiling", ""),
    ("condition retrieval, top-1 of 100", "retrieval_top1", "retrieval_ceiling", "retrieval_shuffled"),
    ("category accuracy", "category_accuracy", "category_ceiling", "category_shuffled"),
    (
        "classification accuracy score (trained on generated, tested on real)",
        "classification_accuracy_score", "classification_accuracy_score_ceiling",
        "classification_accuracy_score_shuffled",
    ),
    ("colour error, median CIEDE2000", "colour_de00_median", "colour_de00_nearest_real", "colour_de00_shuffled"),
    ("spread within a condition, over that of real garments", "spread_ratio", "", "spread_shuffled"),
    ("nearest training picture, over that of held-out ones", "copy_ratio", "", "copy_ratio_of_copies"),
    ("suits the right user better than a wrong one", "win_right_over_wrong_user", "win_ceiling", "win_shuffled"),
)  # fmt: skip
_INTERVALS = {"category_accuracy": "category_interval", "win_right_over_wrong_user": "win_interval"}


def show(judged: Judged) -> dict[str, Any]:
    """Print the figures, how each category fares, and what is taken for what; return the result to be kept."""
    measured = kept.result(COMMAND, judged.figures)
    print_values({key: value for key, value in measured.items() if key in judged.figures and key != "by_category"}, {})
    click.echo("\nCategory accuracy of generated and of real pictures:")
    print_table(("category", "held out", "generated", "real", "trained on"), _categories(measured))
    click.echo("\nTaken for another category, where generated pictures are oftener than real ones:")
    print_table(("asked for", "taken for", "generated", "real"), _confused(judged.evaluation.confusions))
    return measured


def record(measured: Mapping[str, Any], model: GarmentModel, folder: Path) -> None:
    """Keep the figures in the model's folder: in metrics.json, in the card between its markers, with a random grid.

    Weights and configuration stay as they are, and with them the model's version. Raises BadInput, naming the remedy.
    """
    try:
        metrics = json.dumps(_merged(json.loads(_text(folder / "metrics.json") or "{}"), measured), indent=2) + "\n"
        card = with_figures(_text(folder / "README.md") or f"# {folder.name}\n", measured)
        write_whole(folder / "samples.webp", _webp(prior_grid(model, side=max(96, model.size))))
        modelfolder.write_text(folder / "metrics.json", metrics)
        modelfolder.write_text(folder / "README.md", card)
    except ValueError as error:
        raise BadInput(str(folder), f"its metrics.json or README.md is damaged ({error}); restore it") from error
    except OSError as error:
        raise BadInput(str(folder), f"cannot be written ({error.strerror}); use --no-record") from error


def with_figures(card: str, measured: Mapping[str, Any]) -> str:
    """A model card with the figures between its markers; where it has none, they come last. ValueError: one of two."""
    section = f"{BEGIN}\n{card_section(measured)}\n{END}"
    if BEGIN not in card and END not in card:
        return f"{card.rstrip()}\n\n## Figures\n\n{section}\n"
    head, begin, rest = card.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"wanted {BEGIN} and after it {END}")
    return f"{head}{section}{tail}"


def card_section(measured: Mapping[str, Any]) -> str:
    """What stands between the markers: the grid, the table of figures and that of categories, in Markdown."""
    where = f"{kept.describe(measured['machine'])}, {measured['date']}, version {measured['version']}"
    lines = [
        "![Random garments of all categories in turn, from the prior; not chosen](samples.webp)",
        "",
        f"`{COMMAND} --model {str(measured['model']).partition('@')[0]}` of `{measured['model']}` on {where}:",
        f"conditions of {measured['held_out']} garments of owners held out whole, {measured['trained_on']} others; "
        f"truncation {measured['truncation']:g}, seed {measured['seed']}.",
        "Real: the floor or ceiling that real held-out garments reach. Control: conditions or users shuffled; for",
        "copying, mirrored training pictures.",
        "",
        "| figure | generated | real | control | goal |",
        "| --- | --- | --- | --- | --- |",
    ]
    goals = FIGURES[COMMAND]
    for words, key, real, control in _LINES:
        value = _number(measured, key) + (f" ({_interval(measured, key)})" if key in _INTERVALS else "")
        shown = (words, value, _number(measured, real), _number(measured, control), str(goals.get(key) or ""))
        lines.append(f"| {' | '.join(shown)} |")
    lines += ["", "| category | held out | generated told right | real told right | trained on |"]
    lines += ["| --- | --- | --- | --- | --- |"]
    for name, count, generated, of_real, trained in _categories(measured):
        lines.append(f"| {name} | {count} | {generated:.2f} | {of_real:.2f} | {trained} |")
    return "\n".join(lines)


def check_grid(file: Path) -> None:
    """Raise BadInput unless pictures of real garments may be written to this file: it must not ship."""
    if file.resolve().is_relative_to((CHECKOUT / "data").resolve()):
        raise BadInput("--grid", f"{file} lies in what ships, and the grid shows real garments; name another")
    if file.suffix.lower() not in (".png", ".webp", ".jpg"):
        raise BadInput("--grid", f"{file.name}: name a .png, .webp or .jpg")


def write_grid(judged: Judged, file: Path) -> None:
    """Random held-out garments, real above generated for the same conditions. For the eye: never to be published."""
    check_grid(file)
    picture = pair_grid(judged.held.rgba, judged.evaluation.made)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(file)
    except OSError as error:
        raise BadInput("--grid", f"{file} cannot be written ({error.strerror})") from error


def pair_grid(real: Bytes, made: Bytes, seed: int = 0) -> Bytes:
    """Rows of real pictures (n, s, s, 4), drawn at random, each above the generated ones (n, s, s, 4): (h, w, 3)."""
    rows, columns = PAIRS
    chosen = np.random.default_rng(seed).choice(len(real), (rows, 1, columns), replace=False)
    pairs = np.concatenate([real[chosen], made[chosen]], 1)
    return tile(pairs.reshape(-1, *real.shape[1:]), columns, max(96, real.shape[1]))


def publish_judged(judged: Judged, folder: Path | None, *, served: bool, as_json: bool) -> None:
    """Print everything, keep it in the model's folder and, of the served model, among the figures; None: keep nothing.

    Ends with the line of JSON where asked for.
    """
    measured = show(judged)
    if folder:
        record(measured, judged.model, folder)
        if served:
            kept.record(COMMAND, measured)
    if as_json:
        print_json(measured)


def _merged(metrics: dict[str, Any], measured: Mapping[str, Any]) -> dict[str, Any]:
    """What training wrote, under a key of its own, beside what was measured now."""
    before = {key: value for key, value in metrics.items() if key not in {*measured, "training", "evaluation"}}
    return {"training": before | metrics.get("training", {}), "evaluation": dict(measured)}


def _categories(measured: Mapping[str, Any]) -> list[tuple[str, int, float, float, int]]:
    table = measured["by_category"].items()
    return [(name, int(v["count"]), v["generated"], v["real"], int(v["trained_on"])) for name, v in table]


def _confused(confusions: Sequence[Confusion]) -> list[tuple[str, str, int, int]]:
    return [(one.asked, one.taken_for, one.generated, one.real) for one in confusions[:MOST]]


def _number(measured: Mapping[str, Any], key: str) -> str:
    return f"{measured[key]:,.0f}" if key and measured[key] >= 100 else f"{measured[key]:.3g}" if key else ""


def _interval(measured: Mapping[str, Any], key: str) -> str:
    low, high = measured[_INTERVALS[key]]
    return f"{low:.3g} to {high:.3g}"


def _text(file: Path) -> str | None:
    return file.read_text() if file.exists() else None


def _webp(picture: Bytes) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "WEBP", quality=85, method=6)
    return file.getvalue()
