"""The board: pictures of a small shop's segments, whole or not at all, and nothing of few in them."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from persona.analyze.board import FILE, FOLDER, make_board
from persona.analyze.charts import draw_drift, drift_alt
from persona.analyze.drawing import as_file, pixels
from persona.errors import BadInput
from persona.recommend.provenance import read_label
from persona.settings import Settings
from persona.store import Store
from tests.recommend.conftest import models, settings, shop  # noqa: F401

from .company import company

DRIFT = pd.DataFrame({
    "month_from": pd.to_datetime(["2025-01-01", "2025-02-01"]),
    "month_to": pd.to_datetime(["2025-02-01", "2025-03-01"]),
    "cosine": [0.99, 0.91], "low": [0.98, 0.9], "high": [0.995, 0.93], "control": [0.992, 0.991],
})  # fmt: skip


@pytest.mark.slow
def test_a_board_shows_every_segment_with_a_generated_garment(settings: Settings) -> None:  # noqa: F811
    with Store.open(settings.url) as store:
        company(store, 90, stored=store.items())
    board = make_board(settings)
    folder = settings.home / FOLDER
    told = json.loads((folder / FILE).read_text())
    files = {one["file"] for one in (*told["segments"], *told["pictures"])}
    assert {path.name for path in folder.iterdir()} == files | {FILE}
    assert [one["title"] for one in told["pictures"]] == ["Map of tastes", "How tastes drift", "Colours by age"]
    assert len(told["segments"]) == len(board.segments) >= 2
    for one in told["segments"]:
        assert one["generated"]
        assert one["name"] in one["alt"]
        assert "generated picture" in one["alt"]
        content = (folder / one["file"]).read_bytes()
        assert read_label(content) is not None  # the file itself says that a model had a part in it
        assert np.asarray(Image.open(io.BytesIO(content))).std() > 10
    again = make_board(settings)
    assert [one["name"] for one in again.segments] == [one["name"] for one in board.segments]
    assert [one["file"] for one in again.segments] == [one["file"] for one in board.segments]  # the same pictures
    assert len(list(folder.iterdir())) == len(files) + 1  # those of the board before went


def test_nothing_is_made_of_few(settings: Settings) -> None:  # noqa: F811
    with Store.open(settings.url) as store:
        company(store, 12, stored=store.items())
    with pytest.raises(BadInput, match="there are 12"):
        make_board(settings)
    assert not (settings.home / FOLDER / FILE).exists()


def test_drift_is_drawn_and_told(tmp_path: Path) -> None:
    assert pixels(draw_drift(DRIFT)).std() > 10
    assert as_file(draw_drift(DRIFT), generated=False) == as_file(draw_drift(DRIFT), generated=False)
    assert "in March 2025: cosine 0.910, where chance alone gives 0.991" in drift_alt(DRIFT)
