"""Worker processes: how they are started, and what each does first."""

from __future__ import annotations

import os
import signal
import threading
from multiprocessing import get_all_start_methods, get_context, parent_process
from multiprocessing.connection import wait
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # not every system has them
    from multiprocessing.context import ForkServerContext, SpawnContext


def worker_context(*modules: str) -> ForkServerContext | SpawnContext:
    """What starts worker processes; modules: that they need. Where there is a fork server, it imports them but once.

    Never a plain fork, which would copy locks that other threads hold.
    """
    if "forkserver" not in get_all_start_methods():
        return get_context("spawn")
    context = get_context("forkserver")
    context.set_forkserver_preload(list(modules))
    return context


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def begin_worker() -> None:
    """To be called first in a worker process: Ctrl-C is its parent's to answer, and it ends when its parent does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A worker waits for work for ever, also after its parent was killed, if nothing else ends it."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
