"""The trust report as one HTML file: no script, nothing fetched from elsewhere, readable without seeing colours."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from persona import modelfolder
from persona.analyze.groups import TRAITS
from persona.errors import BadInput

PAGE, FIGURES = "trust.html", "trust.json"
MEASURES = (
    ("ranking", "ndcg10", "Ranking: NDCG@10", "What each user favoured last, foreseen in the whole catalogue."),
    ("ranking", "hr10", "Ranking: hit rate at 10", "How often it is among the first ten."),
    ("ranking", "popularity_ndcg10", "Control: popularity alone, NDCG@10", "The same users, one ranking for all."),
    ("making", "wins", "Generated garments: right user over wrong user", "One half is chance."),
    ("online", "retrieved", "Shown and then favoured: real items", "Liked, saved, put in the cart or bought."),
    ("online", "generated", "Shown and then favoured: generated garments", "The same of pictures that a model made."),
)  # fmt: skip


def page(report: Mapping[str, Any]) -> str:
    """The report as HTML."""
    loader = PackageLoader("persona.analyze")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["number"] = number
    measures = [(title, about, (report[part] or {}).get(key)) for part, key, title, about in MEASURES]
    return environment.get_template(PAGE).render(report=report, measures=measures, traits=TRAITS)


def number(value: Any) -> str:
    """A figure as people read it; None: a dash."""
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}" if isinstance(value, float) else str(value)


def write_report(report: Mapping[str, Any], folder: Path) -> tuple[Path, Path]:
    """Write the page and the figures into a folder, each file whole or not at all. Raises BadInput where it cannot."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        modelfolder.write_text(folder / PAGE, page(report))
        modelfolder.write_text(folder / FIGURES, text)
    except OSError as error:
        raise BadInput(
            "--out", f"{folder} cannot be written ({os.strerror(error.errno or 0)}); name another"
        ) from error
    return folder / PAGE, folder / FIGURES
