"""Small photos to import: shirts drawn on a floor, as the bench draws them, but smaller."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

from persona.catalog.bench import draw_photos
from persona.catalog.pictures import Pictures

settings.register_profile("persona", deadline=None)  # a busy machine is no error
settings.load_profile("persona")


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of twelve photos in folders named after categories; do not write to it."""
    return draw_photos(tmp_path_factory.mktemp("drawn"), 12, seed=1, size=(96, 128))


@pytest.fixture
def pictures(tmp_path: Path) -> Pictures:
    return Pictures(tmp_path / "pictures")
