"""MediaPipe, which finds faces and people: the one release that is used, how it is opened, and what it says of itself.

Later releases than 0.10.21 bring no models along, and 1.x reports usage to its maker.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from persona.errors import OutOfDate

VERSION = "0.10.21"
REMEDY = "pip uninstall -y {owners} && pip install --no-deps opencv-python-headless"
_open_lock = threading.Lock()
_NOISE = re.compile(
    rb"^(INFO: Created TensorFlow Lite|WARNING: All log messages before absl::Init|[IW]\d{4} .*calculator"
    rb"|[IW]\d{4} .*(inference_feedback_manager|gl_context))"
)


def check_installed() -> None:
    """Raises OutOfDate where MediaPipe is not installed, saying what to install; warns where two distributions
    installed the same cv2."""
    try:
        found = importlib.metadata.version("mediapipe")
    except importlib.metadata.PackageNotFoundError:
        raise OutOfDate(how_to_install()) from None
    if found != VERSION:
        raise OutOfDate(f"mediapipe {found} brings no models along: pip install mediapipe=={VERSION}")
    owners = importlib.metadata.packages_distributions().get("cv2", [])
    if len(set(owners)) > 1:
        warnings.warn(two_owners(sorted(set(owners))), stacklevel=3)


def how_to_install(python: tuple[int, ...] = sys.version_info[:2], machine: str | None = None) -> str:
    """What to say to who has no MediaPipe, on this or another Python and machine."""
    need, install = "reading a face from a photo needs mediapipe", "`pip install 'persona[face]'`"
    machine = machine or f"{sys.platform} {platform.machine()}"
    if python >= (3, 13):
        here = f"Python {python[0]}.{python[1]}"
        return f"{need}, which has no release for {here}: use Python 3.11 or 3.12, and there {install}"
    if machine.startswith("linux") and not machine.endswith("x86_64"):
        return f"{need}, which has no release for {machine}: use x86-64, macOS or Windows, and there {install}"
    return f"{need}, which is not installed: {install}"


def two_owners(owners: list[str]) -> str:
    """What to say where several distributions wrote the same cv2."""
    return (
        f"cv2 was installed by {' and '.join(owners)}, each over the other; it breaks when one of them is updated or "
        f"removed. Keep one: {REMEDY.format(owners=' '.join(owners))}"
    )


def open_solutions() -> Any:
    """Its Python interface. Raises OutOfDate where it does not start."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of protobuf and matplotlib, about what mediapipe uses of them
        try:
            from mediapipe.python import solutions
        except ImportError as error:
            missing = isinstance(error, ModuleNotFoundError) and error.name == "mediapipe"
            said = how_to_install() if missing else f"mediapipe does not start ({error}): {how_to_install()}"
            raise OutOfDate(said) from error
    return solutions


def broken(error: Exception) -> OutOfDate:
    """What to say where it does not open its models."""
    first = (str(error).strip().splitlines() or [""])[0][:200]
    remedy = f"pip install --force-reinstall mediapipe=={VERSION}"
    return OutOfDate(f"mediapipe does not open its models ({first}): {remedy}")


@contextmanager
def quiet(on: bool) -> Iterator[None]:
    """Leave out what MediaPipe's C++ says on stderr while it opens, which no setting of it turns off; what else is
    written there meanwhile comes afterwards."""
    if not on:
        yield
        return
    with _open_lock, tempfile.TemporaryFile() as heard:
        kept = os.dup(2)
        os.dup2(heard.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            heard.seek(0)
            for line in heard:
                if not _NOISE.match(line):
                    os.write(kept, line)
            os.close(kept)
