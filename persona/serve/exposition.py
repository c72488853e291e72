"""The metrics of all workers as one page for Prometheus."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # read by prometheus_client when it is first imported


@contextmanager
def shared_metrics(workers: int) -> Iterator[None]:
    """Let workers that begin within the block count into files that each of them can add up. One needs none."""
    if workers == 1:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="persona-metrics-", ignore_cleanup_errors=True) as folder:
        before = os.environ.get(FOLDER)
        os.environ[FOLDER] = folder
        try:
            yield
        finally:
            os.environ.pop(FOLDER) if before is None else os.environ.update({FOLDER: before})


def exposition() -> tuple[bytes, str]:
    """What was counted so far, and its media type. Gauges of workers that are gone are dropped first."""
    from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
    from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

    folder = os.environ.get(FOLDER)
    if folder is None:
        return generate_latest(REGISTRY), CONTENT_TYPE_LATEST
    for pid in _gone(Path(folder)):
        mark_process_dead(pid, folder)
    registry = CollectorRegistry()
    MultiProcessCollector(registry, folder)
    return generate_latest(registry), CONTENT_TYPE_LATEST


def _gone(folder: Path) -> set[int]:
    """Processes that left gauges behind."""
    pids = {int(file.stem.rpartition("_")[2]) for file in folder.glob("gauge_live*.db")}
    return {pid for pid in pids if not psutil.pid_exists(pid)}
