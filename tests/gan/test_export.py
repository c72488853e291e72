"""Exported generators, opened as other programs open them."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from torch import Tensor

from persona.cli import main
from persona.cli.exporting import FORMATS
from persona.gan import GarmentModel
from persona.gan import export as exporting
from persona.gan.export import BATCHES, NAMES, SUFFIXES, TOLERANCE, TRACED

from .nets import stirred_model
from .small import NAMES as CATEGORIES

MISSING = [name for name in ("onnx", "onnxruntime", "onnxscript") if importlib.util.find_spec(name) is None]
needs_onnx = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")
SIZES = (1, 4, 7)  # neither the size of the export nor any that the export itself checks, but for 1


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of model folders, with a generator of 32 px."""
    folder = tmp_path_factory.mktemp("models")
    stirred_model(32).save(folder / "garment-32", width=0.1, card="A card.", metrics={})
    return folder


@pytest.fixture
def in_place(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, with settings that lead to the models."""
    monkeypatch.setenv("PERSONA_MODELS", str(models))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def export(*options: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["export", "gan", "--model", "garment-32", *options])
    return result.exit_code, result.output


def draws_the_same(model: GarmentModel, draw: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    assert not {TRACED, *BATCHES} & set(SIZES[1:])
    for n in SIZES:
        torch.manual_seed(n)
        given = torch.randn(n, 64), torch.randn(n, 64), torch.randint(len(CATEGORIES), (n,))
        wanted, drawn = model.generator(*given), draw(*given)
        assert drawn.shape == (n, 4, 32, 32)
        assert wanted.std() > 0.1
        assert (drawn - wanted).abs().max() < TOLERANCE


def says_what_it_is(metadata: dict[str, str], model: GarmentModel) -> None:
    assert metadata["model"] == model.version
    assert metadata["visual"] == "visual-64@0"
    assert metadata["licence"] == "CC-BY-4.0"
    assert tuple(json.loads(metadata["categories"])) == CATEGORIES
    assert metadata["size"] == "32"


@needs_onnx
def test_onnx_draws_the_same_at_any_batch_size(in_place: Path, models: Path) -> None:
    code, output = export("--out", "garment.onnx", "--licence", "CC-BY-4.0")
    assert code == 0, output
    import onnx
    import onnxruntime

    model = GarmentModel.load(models / "garment-32")
    session = onnxruntime.InferenceSession("garment.onnx", providers=["CPUExecutionProvider"])
    draws_the_same(
        model,
        lambda *given: torch.from_numpy(session.run(["picture"], dict(zip(NAMES, [g.numpy() for g in given])))[0]),
    )
    proto = onnx.load("garment.onnx")
    says_what_it_is({entry.key: entry.value for entry in proto.metadata_props}, model)
    assert [(opset.domain, opset.version) for opset in proto.opset_import] == [("", 18)]
    sides = [value.type.tensor_type.shape.dim for value in (*proto.graph.input, *proto.graph.output)]
    assert [[dim.dim_param or dim.dim_value for dim in dims] for dims in sides] == [
        ["batch", 64], ["batch", 64], ["batch"], ["batch", 4, 32, 32],
    ]  # fmt: skip
    assert "opset               18" in output
    assert "BatchNormalization" not in {node.op_type for node in proto.graph.node}


def test_torch_draws_the_same_at_any_batch_size(in_place: Path, models: Path) -> None:
    code, output = export("--format", "torch", "--out", "garment.pt2", "--licence", "CC-BY-4.0")
    assert code == 0, output
    model, said = GarmentModel.load(models / "garment-32"), {"persona.json": ""}
    draws_the_same(model, torch.export.load("garment.pt2", extra_files=said).module())
    says_what_it_is(json.loads(said["persona.json"]), model)
    assert [path.name for path in in_place.iterdir()] == ["garment.pt2"]


def test_what_draws_otherwise_is_not_written(in_place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (in_place / "garment.pt2").write_text("the one before")
    monkeypatch.setattr(exporting, "TOLERANCE", 0.0)  # folding rounds
    code, output = export("--format", "torch", "--out", "garment.pt2")
    assert code == 2
    assert "torch: the exported generator draws otherwise, by " in output
    assert [path.read_text() for path in in_place.iterdir()] == ["the one before"]


def test_differences_are_found() -> None:
    model = stirred_model(32)
    assert exporting.largest_difference(model, model.generator) == 0
    assert exporting.largest_difference(model, lambda *given: model.generator(*given) + 0.01) == pytest.approx(
        0.01, 1e-3
    )
    assert exporting.largest_difference(model, lambda *given: model.generator(*given)[:1]) == float("inf")
    assert exporting.largest_difference(model, lambda *given: model.generator(*given) * float("nan")) > TOLERANCE


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--out", "garment.pt2"), "--out: garment.pt2 must end in .onnx for --format onnx"),
        (("--format", "torch", "--out", "garment"), "--out: garment must end in .pt2 for --format torch"),
        (("--out", "nowhere/garment.onnx"), "--out: no folder nowhere: make it first"),
        (("--out", "folder.onnx"), "--out: folder.onnx is a folder"),
        (("--format", "tflite", "--out", "garment.tflite"), "'tflite' is not one of 'onnx', 'torch'"),
        (("--out", "garment.onnx", "--model", "garment-31"), "no such model file"),
    ],
)
def test_bad_input_is_named_and_nothing_written(in_place: Path, options: tuple[str, ...], message: str) -> None:
    (in_place / "folder.onnx").mkdir()
    code, output = export(*options)
    assert code == 2
    assert message in output
    assert [path.name for path in in_place.rglob("*")] == ["folder.onnx"]


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime"])
def test_a_missing_package_is_named_with_its_remedy(
    in_place: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    for name in ("onnx", "onnxscript", "onnxruntime"):
        monkeypatch.setitem(sys.modules, name, None if name == package else sys)
    code, output = export("--out", "garment.onnx")
    assert code == 2
    assert f"onnx needs {package}: pip install 'persona[export]'" in output
    assert list(in_place.iterdir()) == []


def test_the_command_offers_every_format() -> None:
    assert FORMATS == SUFFIXES
