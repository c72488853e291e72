"""`persona train reader` and `persona evaluate makeup`, on drawn faces whose landmarks are known."""

import csv
import io
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from persona.cli import main
from persona.cli.command import FAILED
from persona.cli.evaluate_makeup import of_faces, on_portraits
from persona.cli.train_reader import run
from persona.errors import BadInput
from persona.makeup.chart import draw_chart
from persona.makeup.detector import KnownLandmarks
from persona.makeup.portraits import held_out_people, load_portraits
from persona.makeup.read import LookReader
from persona.makeup.train_reader import Plan
from persona.settings import Settings

PLAN = Plan(steps=4, batch=4, faces=8, uses=1, poses=1, width=16)
CHARTS = [draw_chart(shape, monk, 256) for shape, monk in (("oval", 2), ("round", 5), ("square", 8))]


@pytest.fixture(scope="module")
def detector() -> KnownLandmarks:
    return KnownLandmarks((chart.picture, [chart.face]) for chart in CHARTS)


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("faces") / "faces.zip"
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(["file", "face_id", "age", "gender", "ethnicity"])
    with zipfile.ZipFile(path, "w") as archive:
        for k, chart in enumerate(CHARTS):
            content = io.BytesIO()
            Image.fromarray(chart.picture).save(content, "PNG")
            archive.writestr(f"drawn/{k}.png", content.getvalue())
            writer.writerow([f"drawn/{k}.png", f"{k}", "", "", "drawn" if k < 2 else "other"])
        archive.writestr("composite/x.png", content.getvalue())  # of several people: no part of it
        writer.writerow(["composite/x.png", "x", "", "", ""])
        archive.writestr("faces.csv", table.getvalue())
    return path


def test_training_goes_on_where_it_stopped_and_ends_the_same(
    tmp_path: Path, faces: Path, detector: KnownLandmarks
) -> None:
    settings = Settings(datasets=None)
    whole = run(settings, tmp_path / "whole", PLAN, faces, detector=detector)
    assert whole["steps"] == 4
    part = run(settings, tmp_path / "parts", PLAN, faces, seconds=1e-9, detector=detector)
    assert part["steps"] == 1
    rest = run(settings, tmp_path / "parts", PLAN, faces, detector=detector)
    assert rest["steps"] == 4
    one, other = (LookReader.load(tmp_path / name).network.state_dict() for name in ("whole", "parts"))
    assert all(torch.equal(one[name], other[name]) for name in one)
    with pytest.raises(BadInput, match="other options"):
        run(settings, tmp_path / "parts", Plan(steps=5, batch=4), faces, detector=detector)


def test_evaluation_says_what_it_could_not_compare(tmp_path: Path, faces: Path, detector: KnownLandmarks) -> None:
    run(Settings(datasets=None), tmp_path / "look-reader", PLAN, faces, detector=detector)
    values, why = on_portraits(Settings(datasets=None, models=tmp_path), faces, False, 1, detector)
    assert values["fairness_worst_over_best"] is None
    assert "groups" in why["fairness_worst_over_best"]
    assert "by hand" in why["lip_iou"]
    assert values["people"] == 3
    assert values["outside_changed"] == 0
    assert set(values["fairness"]) == {"tone", "gender", "ethnicity"}


def test_who_is_held_out_does_not_depend_on_the_order(faces: Path, detector: KnownLandmarks) -> None:
    portraits = load_portraits(faces, detector)
    assert [portrait.face_id for portrait in portraits] == ["0", "1", "2"]
    assert held_out_people(portraits) == set()  # too few to spare any
    many = [replace(portraits[0], face_id=f"{k}") for k in range(10)]
    many += [replace(portraits[2], face_id=f"other{k}") for k in range(4)]
    held = held_out_people(many)
    assert held == held_out_people(many[::-1])
    assert (sum(one.startswith("other") for one in held), len(held)) == (2, 5)


def test_without_portraits_it_says_where_to_get_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PERSONA_DATASETS", "")
    result = CliRunner().invoke(main, ["train", "reader", "--out", str(tmp_path / "out")])
    assert result.exit_code == FAILED
    assert "faces.zip" in result.stderr or "mediapipe" in result.stderr
    values, why = of_faces(Settings(datasets=None), None, 1)
    assert values == {}
    assert all("faces.zip" in reason or "mediapipe" in reason for reason in why.values())


def test_other_zips_are_refused_by_name(tmp_path: Path, detector: KnownLandmarks) -> None:
    with zipfile.ZipFile(tmp_path / "wrong.zip", "w") as archive:
        archive.writestr("else.txt", "nothing")
    with pytest.raises(BadInput, match=r"wrong\.zip"):
        load_portraits(tmp_path / "wrong.zip", detector)
