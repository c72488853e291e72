"""The state of a run on disk: written atomically, the one before kept, read back from whichever of the two is whole."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from persona.errors import BadInput

NAME = "checkpoint.pt"
log = logging.getLogger(__name__)


def previous(path: Path) -> Path:
    """Where the checkpoint before this one is kept."""
    return path.with_name(f"previous-{path.name}")


def exists(path: Path) -> bool:
    """Whether there is a checkpoint to go on from: it, or the one before."""
    return path.exists() or previous(path).exists()


def write(state: dict[str, Any], path: Path) -> None:
    """Write a state. What a kill leaves behind, at any moment, is a whole checkpoint: this one or the one before."""
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    if path.exists():
        os.replace(path, previous(path))
    os.replace(temporary, path)


def read(path: Path, parts: Sequence[str] = ()) -> dict[str, Any]:
    """A state as written, of these parts at least. Raises BadInput where it is missing, damaged or no checkpoint."""
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise BadInput(str(path), "no such checkpoint") from None
    except Exception as error:  # torch raises whatever its zip reader met
        raise BadInput(str(path), f"damaged checkpoint ({type(error).__name__}); use the one before it") from error
    if not isinstance(state, dict) or (missing := [part for part in parts if part not in state]):
        raise BadInput(
            str(path), f"no checkpoint of a run: it lacks {missing[0] if isinstance(state, dict) else 'all'}"
        )
    return state


def read_last(path: Path, parts: Sequence[str] = ()) -> dict[str, Any]:
    """The state in `path`, or the one before where that is damaged or missing, with a warning. Raises BadInput."""
    try:
        return read(path, parts)
    except BadInput as error:
        if not previous(path).exists():
            raise
        try:
            state = read(previous(path), parts)
        except BadInput as second:
            raise BadInput(str(path), f"{error}; {second}; begin again with another --out") from error
        key, counted = ("images", "pictures") if "images" in parts else ("steps", "steps")
        log.warning("%s; going on from %s, after %s %s", error, previous(path), format(state[key], ","), counted)
        return state
