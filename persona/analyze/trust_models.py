"""What is known of the models themselves: cards, versions in use, and whether generators copy their training data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from persona import modelfolder
from persona.errors import PersonaError

COPYING = ("copy_ratio", "copy_ratio_of_copies", "held_out", "trained_on")
GENERATORS = ("gan", "look-gan")
DATED = ("date", "trained_on_stored", "trained_on_simulated", "dp_epsilon", "dp_delta", "model")


def model_cards(folder: Path, in_use: Mapping[str, Mapping[str, int]]) -> list[dict[str, Any]]:
    """Every model folder: name, kind, version, what stored things each of its versions made, and its card.

    in_use: as `Store.versions_in_use`. A folder that cannot be read says why in `damaged`.
    """
    return [_card(path.parent, in_use) for path in sorted(folder.glob("*/config.json"))]


def _card(path: Path, in_use: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    made = {version: dict(counts) for version, counts in in_use.items() if version.partition("@")[0] == path.name}
    try:
        kind = str(json.loads((path / "config.json").read_text()).get("kind"))
        read = modelfolder.read(path, kind)
    except (ValueError, PersonaError) as error:
        return {"name": path.name, "damaged": str(error), "made": made}
    card = path / "README.md"
    measured = read.metrics.get("evaluation", read.metrics)
    return {
        "name": path.name,
        "kind": kind,
        "version": read.name,
        "made": made,
        "facts": {key: measured[key] for key in DATED if key in measured},
        "card": card.read_text() if card.exists() else None,
        "link": str(card.resolve().as_uri()) if card.exists() else None,
    }


def copying(folder: Path) -> list[dict[str, Any]]:
    """How near generated pictures come to training pictures, of every shipped generator, from its metrics.json.

    `copy_ratio`: median distance to the nearest training picture over the same of held-out real pictures, 1 for a
    generator that copies no more than chance has it; `copy_ratio_of_copies`: what mirrored training pictures get.
    """
    found = []
    for path in sorted(folder.glob("*/config.json")):
        try:
            kind = json.loads(path.read_text()).get("kind")
            metrics = json.loads(path.with_name("metrics.json").read_text())
        except (ValueError, OSError):
            continue
        if kind in GENERATORS:
            measured = metrics.get("evaluation", metrics)
            found.append({"name": path.parent.name, **{key: measured.get(key) for key in COPYING}})
    return found
