"""Model folders: `model.safetensors`, `config.json`, `metrics.json` and `README.md` (the model card). Never pickle."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save_file
from torch import nn

from persona.errors import BadInput, NotFound, OutOfDate

FORMAT = 1  # raised when a released model folder can no longer be read by this code


@dataclass(frozen=True)
class ModelFolder:
    """A model as read from its folder. version: 12 hex digits that change with the weights or the configuration."""

    path: Path
    kind: str
    config: dict[str, Any]
    tensors: dict[str, torch.Tensor]
    metrics: dict[str, Any]
    version: str

    @property
    def name(self) -> str:
        """The folder's name and version, as recorded with everything that the model makes."""
        return f"{self.path.name}@{self.version}"


def read(path: Path, kind: str) -> ModelFolder:
    """Read the model folder at path, which must hold a model of this kind (visual, taste or gan).

    Raises NotFound (no such folder or file), OutOfDate (written by another version of persona) and BadInput (another
    kind of model, or a damaged file). Weights are returned as float32 on the CPU, whatever they were stored as.
    """
    weights, config_text = _bytes(path / "model.safetensors"), _bytes(path / "config.json")
    try:
        config = json.loads(config_text)
        tensors = {name: t.float() if t.is_floating_point() else t for name, t in load(weights).items()}
        metrics = json.loads((path / "metrics.json").read_text()) if (path / "metrics.json").exists() else {}
    except (ValueError, SafetensorError) as error:
        raise BadInput(str(path), f"damaged model folder ({error}); restore it from where it came") from error
    if config.get("format") != FORMAT:
        raise OutOfDate(
            f"{path}: model format {config.get('format')}, this persona reads {FORMAT}; "
            "train the model again or install the persona version that wrote it"
        )
    if config.get("kind") != kind:
        raise BadInput(str(path), f"holds a model of kind {config.get('kind')!r}, wanted {kind!r}")
    version = hashlib.sha256(hashlib.sha256(weights).digest() + config_text).hexdigest()[:12]
    return ModelFolder(path, kind, config, tensors, metrics, version)


def fill(module: nn.Module, model: ModelFolder) -> None:
    """Load a folder's weights into a network. Raises OutOfDate where they are of another architecture."""
    try:
        module.load_state_dict(model.tensors)
    except RuntimeError as error:
        why = str(error).splitlines()[-1].strip()
        raise OutOfDate(f"{model.path}: weights do not fit this version of persona ({why}); train it again") from error


def write(
    path: Path,
    kind: str,
    config: dict[str, Any],
    tensors: dict[str, torch.Tensor],
    *,
    card: str,
    metrics: dict[str, Any] | None = None,
    half: bool = True,
) -> ModelFolder:
    """Write a model folder, each file whole or not at all, and read it back. half: store weights as float16."""
    path.mkdir(parents=True, exist_ok=True)
    stored = {
        name: (t.half() if half and t.is_floating_point() else t).detach().cpu().contiguous()
        for name, t in tensors.items()
    }
    with tempfile.NamedTemporaryFile(dir=path, suffix=".tmp", delete=False) as temporary:
        pass
    save_file(stored, temporary.name)
    os.chmod(temporary.name, 0o644)
    os.replace(temporary.name, path / "model.safetensors")
    write_text(path / "config.json", json.dumps({"format": FORMAT, "kind": kind, **config}, indent=2) + "\n")
    write_text(path / "metrics.json", json.dumps(metrics or {}, indent=2) + "\n")
    write_text(path / "README.md", card)
    return read(path, kind)


def write_text(path: Path, text: str) -> None:
    """Replace a text file atomically."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text)
    os.replace(temporary, path)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise NotFound(f"{path}: no such model file ({error.strerror}); train it, or set PERSONA_MODELS") from error
