"""The generator for other programs: as ONNX, or as `torch.export` saves it. Free batch size; checked before it is kept.

What is exported is the folded generator (`persona.gan.fold`) in float32: z (n, 64), condition (n, 64) and category
int64 (n,) to picture (n, 4, size, size), premultiplied RGBA in [-1, 1]. Taste, prior and seeds stay with persona.
"""

from __future__ import annotations

import importlib
import io
import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.export import Dim, ExportedProgram

from persona.errors import BadInput, PersonaError
from persona.gan.fold import fold
from persona.gan.model import GarmentModel
from persona.gan.networks import LATENT

SUFFIXES = {"onnx": ".onnx", "torch": ".pt2"}  # by format
OPSET = 18  # of ONNX; every runtime since 2023 reads it
TRACED, BATCHES = 3, (1, 2, 5, 16)  # batch sizes: seen in the export, and checked
MOST = 2**20  # pictures to a batch: torch 2.6 wants a bound
TOLERANCE = 1e-3  # of a picture's values, whose levels are 2 / 255 apart
NAMES = ("z", "condition", "category")
METADATA = "persona.json"  # the extra file of a .pt2 that holds the metadata; in ONNX it is the model's properties

Drawer = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Exported:
    """A file's content, what it says about itself, and the largest difference from the generator, at most TOLERANCE."""

    content: bytes
    metadata: dict[str, str]
    difference: float


def export(model: GarmentModel, to: str, licence: str) -> Exported:
    """Export a generator that lives on the CPU, and compare what came out with it on every batch size of BATCHES.

    to: onnx or torch. Raises BadInput where the format is unknown or needs a package that is not installed, and
    PersonaError where the exported pictures are not the generator's own.
    """
    if to not in SUFFIXES:
        raise BadInput("--format", f"{to!r} is unknown: choose from {', '.join(SUFFIXES)}")
    if to == "onnx":
        _require("onnx", "onnxscript", "onnxruntime")
    metadata = describe(model, licence) | ({"opset": str(OPSET)} if to == "onnx" else {})
    traced = _trace(model)
    content = _to_onnx(traced, metadata) if to == "onnx" else _to_torch(traced, metadata)
    difference = largest_difference(model, _open_onnx(content) if to == "onnx" else _open_torch(content))
    if not difference <= TOLERANCE:  # not a number either
        raise PersonaError(f"{to}: the exported generator draws otherwise, by {difference:.2g}, allowed {TOLERANCE:g}")
    return Exported(content, metadata, difference)


def describe(model: GarmentModel, licence: str) -> dict[str, str]:
    """What an exported file says about itself; lists as JSON."""
    return {
        "model": model.version,
        "licence": licence,
        "categories": json.dumps(model.categories),
        "visual": model.visual,
        "size": str(model.size),
        "picture": "premultiplied RGBA in [-1, 1]",
        "tolerance": f"{TOLERANCE:g}",
    }


@torch.no_grad()
def largest_difference(model: GarmentModel, draw: Drawer) -> float:
    """Between pictures of the generator as trained, in [-1, 1], and those of another for the same arguments.

    Infinite where shapes differ.
    """
    worst = 0.0
    for n in BATCHES:
        given = _arguments(model, n)
        wanted, drawn = model.generator(*given), draw(*given)
        if drawn.shape != wanted.shape:
            return float("inf")
        worst = max(worst, (drawn - wanted).abs().max().nan_to_num(float("inf")).item())
    return worst


def _arguments(model: GarmentModel, n: int) -> tuple[Tensor, Tensor, Tensor]:
    """n seeded garments: conditions of the prior, categories in turn."""
    codes = [code % len(model.categories) for code in range(n)]
    conditions = np.concatenate([model.prior.sample(code, 1, seed=n) for code in codes])
    z = torch.randn(n, LATENT, generator=torch.Generator().manual_seed(n))
    return z, torch.from_numpy(conditions), torch.tensor(codes)


def _trace(model: GarmentModel) -> ExportedProgram:
    plain = fold(model.generator).to(memory_format=torch.contiguous_format)
    batch = {0: Dim("batch", max=MOST)}
    return torch.export.export(plain, _arguments(model, TRACED), dynamic_shapes=(batch, batch, batch))


def _to_onnx(traced: ExportedProgram, metadata: dict[str, str]) -> bytes:
    import onnx

    with warnings.catch_warnings(action="ignore"):  # about the exporter's own insides; the result is checked
        program = torch.onnx.export(
            traced, (), input_names=NAMES, output_names=("picture",), opset_version=OPSET, dynamo=True, verbose=False
        )
    assert program is not None
    proto = program.model_proto
    for argument in (*proto.graph.input, *proto.graph.output):
        argument.type.tensor_type.shape.dim[0].dim_param = "batch"  # torch 2.6 says TRACED of the output
    del proto.graph.value_info[:]  # shapes in between, which follow
    onnx.helper.set_model_props(proto, metadata)
    onnx.checker.check_model(proto)
    content: bytes = proto.SerializeToString()
    return content


def _open_onnx(content: bytes) -> Drawer:
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])

    def draw(*given: Tensor) -> Tensor:
        return torch.from_numpy(session.run(None, {name: part.numpy() for name, part in zip(NAMES, given)})[0])

    return draw


def _to_torch(traced: ExportedProgram, metadata: dict[str, str]) -> bytes:
    file = io.BytesIO()
    torch.export.save(traced, file, extra_files={METADATA: json.dumps(metadata)})
    return file.getvalue()


def _open_torch(content: bytes) -> Drawer:
    module: Drawer = torch.export.load(io.BytesIO(content)).module()
    return module


def _require(*packages: str) -> None:
    for package in packages:
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise BadInput("--format", f"onnx needs {package}: pip install 'persona[export]'") from error
