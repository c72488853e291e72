"""`persona evaluate makeup`: reading, moving and taking off looks, on people and in lights that were held out; where
regions are found; and the looks that a model makes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from persona import modelfolder
from persona.catalog.visual import VisualNetwork
from persona.cli.train_reader import faces_of
from persona.errors import BadInput, OutOfDate
from persona.goals import FIGURES
from persona.makeup.detector import open_detector
from persona.makeup.evaluate_looks import figures_of
from persona.makeup.evaluate_regions import evaluate_regions
from persona.makeup.evaluate_transfer import evaluate
from persona.makeup.face import LandmarkDetector
from persona.makeup.portraits import held_out_people, load_portraits
from persona.makeup.read import LookReader
from persona.settings import Settings
from persona.taste.bench import shipped_garments

READER = "look-reader"


def measure(settings: Settings, faces: Path | None, looks: int) -> tuple[dict[str, Any], dict[str, str]]:
    """The figures of everything in makeup, and why those are missing that are. faces: other portraits, of whom all are
    measured on."""
    values, why = of_faces(settings, faces, looks)
    garments = shipped_garments(settings.demo / "items.zip", VisualNetwork.load(settings.models / "visual-64"))
    values |= figures_of(settings.models, garments)
    known = {key: value for key, value in values.items() if value is not None}  # nobody was read to wear contour, say
    return known, {key: reason for key, reason in why.items() if key not in known}


def of_faces(settings: Settings, faces: Path | None, looks: int) -> tuple[dict[str, Any], dict[str, str]]:
    """The figures that need portraits and a reader of faces: where there are none, no figures, and where to get them.

    Raises BadInput for other portraits that cannot be read.
    """
    try:
        return on_portraits(settings, faces_of(settings, faces), faces is None, looks, open_detector())
    except (BadInput, OutOfDate) as error:
        if faces is not None:
            raise
        return {}, dict.fromkeys(FIGURES["persona evaluate makeup"], str(error))


def on_portraits(
    settings: Settings, archive: Path, shared: bool, looks: int, detector: LandmarkDetector
) -> tuple[dict[str, Any], dict[str, str]]:
    """What is read of, moved between and taken off portraits, and how well their regions are found.

    shared: the reader has learnt from some of them, so only the people held out count.
    """
    reader = LookReader.load(settings.models / READER)
    portraits = load_portraits(archive, detector)
    held = held_out_people(portraits) if shared else {portrait.face_id for portrait in portraits}
    values, why = evaluate([p for p in portraits if p.face_id in held], reader, detector, looks)
    regions = evaluate_regions(archive, detector)
    if regions is None:
        return values | {"model": reader.version}, why | {"lip_iou": "no picture has points that were placed by hand"}
    return values | {"lip_iou": regions.pop("lip_iou"), "regions": regions, "model": reader.version}, why


def keep(folder: Path, values: dict[str, Any]) -> None:
    """Write the figures beside the model's weights."""
    path = folder / "metrics.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    modelfolder.write_text(path, json.dumps(known | {"evaluation": values}, indent=2) + "\n")
