"""A detector for the whole session, and the shared portraits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from persona.errors import OutOfDate
from persona.makeup.detector import MediaPipeDetector, open_detector
from persona.makeup.face import LandmarkDetector
from persona.makeup.portraits import Picture, pictures_of


@pytest.fixture(scope="session")
def detector() -> Iterator[LandmarkDetector]:
    """MediaPipe where it is installed."""
    try:
        opened = open_detector()
    except OutOfDate as error:
        pytest.skip(str(error))
    yield opened
    if isinstance(opened, MediaPipeDetector):
        opened.close()


@pytest.fixture(scope="session")
def faces_zip(datasets: Path) -> Path:
    """The shared portraits."""
    archive = datasets / "faces.zip"
    if not archive.is_file():
        pytest.skip(f"no portraits: {archive} is missing")
    return archive


@pytest.fixture(scope="session")
def shared_portraits(faces_zip: Path) -> list[Picture]:
    """Every ninth of them, neutral and smiling ones and composites."""
    return list(pictures_of(faces_zip))[::9]
