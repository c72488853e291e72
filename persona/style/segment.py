"""Who is in a photo, and where: MediaPipe's selfie segmentation, whose weights come in its wheel."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Any, Protocol

import cv2
import numpy as np

from persona.catalog.pictures import Bytes, shrunk
from persona.mediapipe_models import broken, check_installed, open_solutions, quiet
from persona.style.picture import Floats

SEEN = 640  # pixels of the longer side that are looked at; the network itself sees 256


class PersonSegmenter(Protocol):
    """Tells people from what is behind them."""

    def segment(self, photo: Bytes) -> Floats:
        """How surely each pixel of a photo, uint8 (h, w, 3), shows a person: float32 (h, w) from 0 to 1."""


class MediaPipeSegmenter:
    """Selfie segmentation of MediaPipe 0.10.21, on the CPU and without a network.

    Opens with the first photo and may be used by several threads; they take turns. Raises OutOfDate where MediaPipe
    has lost its models.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._graph: Any = None

    def segment(self, photo: Bytes) -> Floats:
        """See PersonSegmenter."""
        height, width = photo.shape[:2]
        small = np.ascontiguousarray(shrunk(photo, SEEN))
        with self._lock, quiet(self._graph is None):
            found = self._open().process(small).segmentation_mask
        return np.asarray(np.clip(cv2.resize(found, (width, height), interpolation=cv2.INTER_LINEAR), 0, 1), np.float32)

    def close(self) -> None:
        """Free the model. The next photo opens it again."""
        with self._lock:
            if self._graph is not None:
                self._graph.close()
            self._graph = None

    def __enter__(self) -> MediaPipeSegmenter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _open(self) -> Any:
        if self._graph is None:
            try:
                self._graph = open_solutions().selfie_segmentation.SelfieSegmentation(model_selection=0)
            except (OSError, RuntimeError, ValueError) as error:
                raise broken(error) from error
        return self._graph


def open_segmenter() -> PersonSegmenter:
    """The segmenter of this installation, its model not loaded yet.

    Raises OutOfDate where MediaPipe is not installed, saying what to install.
    """
    check_installed()
    return MediaPipeSegmenter()
