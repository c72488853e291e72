"""`persona evaluate makeup`: reading, moving and taking off looks, on people and in lights that were held out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from persona import modelfolder
from persona.cli.train_reader import faces_of
from persona.makeup.detector import open_detector
from persona.makeup.evaluate_transfer import evaluate
from persona.makeup.face import LandmarkDetector
from persona.makeup.portraits import held_out_people, load_portraits
from persona.makeup.read import LookReader
from persona.settings import Settings

READER = "look-reader"


def measure(
    settings: Settings, faces: Path | None, looks: int, detector: LandmarkDetector | None = None
) -> tuple[dict[str, Any], dict[str, str]]:
    """The figures, and why those are missing that are. faces: other portraits, of whom all are measured on. detector:
    left out, that of this installation."""
    reader, detector = LookReader.load(settings.models / READER), detector or open_detector()
    portraits = load_portraits(faces_of(settings, faces), detector)
    held = {portrait.face_id for portrait in portraits} if faces else held_out_people(portraits)
    values, why = evaluate([p for p in portraits if p.face_id in held], reader, detector, looks)
    return {**values, "model": reader.version}, why


def keep(folder: Path, values: dict[str, Any]) -> None:
    """Write the figures beside the model's weights."""
    path = folder / "metrics.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    modelfolder.write_text(path, json.dumps(known | {"evaluation": values}, indent=2) + "\n")
