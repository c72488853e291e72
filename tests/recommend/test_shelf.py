"""Drawn garments on disk: whole or not at all, bounded, shared by processes."""

from __future__ import annotations

import hashlib
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from persona.catalog.measure import Measures
from persona.recommend.shelf import Drawn, Shelf


def name_of(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def drawn(number: int, side: int = 64) -> Drawn:
    rng = np.random.default_rng(number)
    rgba = rng.integers(0, 256, (side, side, 4), np.uint8)
    measures = Measures((1.25, -2.5, float(number)), "red", "striped") if number % 2 else Measures(None, None, None)
    return Drawn(rgba, rng.standard_normal(64).astype(np.float32), measures)


def assert_same(one: Drawn | None, other: Drawn) -> None:
    assert one is not None
    assert np.array_equal(one.rgba, other.rgba)
    assert np.array_equal(one.feature, other.feature)
    assert one.measures == other.measures


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_it_comes_back_as_it_was_put(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, 1)
    for number in range(4):
        shelf.put(name_of(number), drawn(number))
    for number in range(4):
        assert_same(Shelf(tmp_path, 1).get(name_of(number)), drawn(number))
    shelf.remove([name_of(1), name_of(99)])
    assert shelf.get(name_of(1)) is None
    assert len(files(tmp_path)) == 3


def test_a_torn_or_changed_file_is_no_hit(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, 1)
    shelf.put(name_of(1), drawn(1))
    (file,) = files(tmp_path)
    whole = file.read_bytes()
    rng = np.random.default_rng(0)
    for at in [0, 40, *rng.integers(0, len(whole), 50).tolist()]:
        file.write_bytes(whole[:at])
        assert shelf.get(name_of(1)) is None
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert shelf.get(name_of(1)) is None
    shelf.put(name_of(1), drawn(1))
    assert_same(shelf.get(name_of(1)), drawn(1))


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path) -> None:
    shelf, size = Shelf(tmp_path, 1), len(drawn(0).rgba.tobytes())
    for number in range(150):  # more than twice the room
        shelf.put(name_of(number), drawn(number))
        for path in files(tmp_path):  # file systems may tell times only coarsely
            if path.name == name_of(number):
                os.utime(path, (number, number))
        if number == 20:
            kept = shelf.get(name_of(0))
            assert kept is not None  # used now, so later than all others
    assert sum(path.stat().st_size for path in files(tmp_path)) <= (1 << 20) + size
    assert shelf.get(name_of(0)) is not None
    assert shelf.get(name_of(149)) is not None
    assert shelf.get(name_of(2)) is None


def test_several_processes_share_one_folder(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from tests.recommend.test_shelf import *\n"
        "shelf = Shelf(Path(sys.argv[1]), 1)\n"
        "for n in range(120):\n"
        "    shelf.put(name_of(n % 80), drawn(n % 80)); found = shelf.get(name_of((n * 7) % 80))\n"
        "    found is None or assert_same(found, drawn((n * 7) % 80))\n"
    )
    checkout = Path(__file__).parents[2]
    command = [sys.executable, "-c", script, str(tmp_path)]
    started = [subprocess.Popen(command, cwd=checkout, stderr=subprocess.PIPE) for _ in range(3)]
    for process in started:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors.decode()
    assert sum(path.stat().st_size for path in files(tmp_path)) <= 3 << 19
    assert not [path for path in files(tmp_path) if path.name.endswith(".part")]


def test_a_full_disk_is_no_error_and_leaves_nothing_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, before[1]))
    try:
        Shelf(tmp_path, 1).put(name_of(1), drawn(1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert files(tmp_path) == []
    Shelf(tmp_path, 0).put(name_of(1), drawn(1))  # no room by setting
    assert files(tmp_path) == []
