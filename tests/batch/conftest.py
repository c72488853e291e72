"""Worker processes, Ray's too, import what they are given by the name that it has here."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_TESTS = str(Path(__file__).parents[1])
sys.path.append(_TESTS)
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), _TESTS]))
