"""The notebook: it runs from beginning to end, shows what it says, and is kept without its outputs."""

from __future__ import annotations

import nbformat
import pytest
from nbclient import NotebookClient

from tests.conftest import CHECKOUT

TOUR = CHECKOUT / "data" / "notebooks" / "tour.ipynb"


def test_it_is_kept_without_outputs() -> None:
    book = nbformat.read(TOUR, as_version=4)
    cells = [cell for cell in book.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in cells)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # of Jupyter's own packages
def test_it_runs_and_draws_a_card_for_every_segment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    book = nbformat.read(TOUR, as_version=4)
    NotebookClient(book, timeout=240, kernel_name="python3").execute()
    shown = [[output for output in cell.outputs if "image/png" in output.get("data", {})] for cell in book.cells
             if cell.cell_type == "code"]  # fmt: skip
    drawn = [len(outputs) for outputs in shown if outputs]
    assert drawn[0] == 1  # the map
    assert drawn[1] >= 2  # a card each
