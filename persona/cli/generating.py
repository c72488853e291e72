"""What `persona generate` asks for, and how it hands garments out: as picture files and a table."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from persona.cli.output import print_json, print_table
from persona.errors import BadInput

if TYPE_CHECKING:
    from persona.catalog.pictures import Pictures
    from persona.recommend import Recommendation, Variations
    from persona.recommend.types import GeneratedItem
    from persona.recommend.variations import Variation


def request(
    user: str | None, category: str | None, count: int, seed: int | None, liked: Mapping[str, str | None]
) -> dict[str, Any]:
    """A request for garments alone: for a stored user, or for somebody who likes what was named."""
    stated = [{"facet": facet, "value": value, "weight": 1.0} for facet, value in liked.items() if value]
    if user and stated:
        raise BadInput("--user", f"has likes of their own: leave out --{stated[0]['facet']}")
    if not (user or stated or category):
        raise BadInput("--user", "name a user, or a category, colour, pattern or style (or --catalogue N)")
    if category and not user:
        stated.append({"facet": "category", "value": category, "weight": 1.0})
    person = {"user_id": user} if user else {"profile": {"preferences": stated}}
    return {**person, "mode": "generate", "generate": count, "category": category, "seed": seed, "outfit": False}


def save(answer: Recommendation | Variations, pictures: Pictures, out: Path) -> list[Path]:
    """Copy the pictures into a folder, numbered best first."""
    folder(out)
    files, garments = [], cast("Sequence[GeneratedItem | Variation]", answer.generated)
    for number, garment in enumerate(garments, 1):
        files.append(out / f"{number:02d}-{garment.category}-{garment.seed}.webp")
        shutil.copyfile(pictures.path(garment.picture), files[-1])
    return files


def folder(out: Path) -> None:
    """Make the folder to write to. Raises BadInput where a file is in its place."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise BadInput("--out", f"{out} is a file; name a folder") from error


def show(answer: Recommendation, files: list[Path], as_json: bool) -> None:
    """Print which files were written, what each is and why."""
    rows = [
        (str(file), garment.category, garment.colour, garment.score, "; ".join(r.text for r in garment.reasons[:2]))
        for file, garment in zip(files, answer.generated)
    ]
    print_table(("file", "category", "colour", "score", "why"), rows)
    click.echo(
        f"Made by {answer.generator_model} from seed {answer.seed}: label them as generated where you show them."
    )
    if as_json:
        print_json({**answer.model_dump(mode="json"), "files": [str(file) for file in files]})
