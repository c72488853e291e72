"""`serve(settings)`: Granian in front of the application, with workers that load their models after they have begun."""

from __future__ import annotations

import errno
import multiprocessing
import os
import socket
import threading
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server

from persona.arms import arms_of
from persona.errors import BadInput
from persona.serve.exposition import shared_metrics
from persona.serve.modes import at_start
from persona.settings import Settings
from persona.store import Store

# Workers inherit these. A request's own small sums need no threads, which would only wait for each other, busily; how
# many the models take is told to torch. And many threads need not each have a heap of their own (glibc).
INHERITED = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
NVIDIA = Path("/dev/nvidiactl")  # there where a GPU can be used

if TYPE_CHECKING:  # only workers load the models' libraries
    from apiflask import APIFlask

SPARE_THREADS = 16  # of a worker, to say no with, and that it is alive, while all others are at work
CONNECTIONS = 8192  # that a worker holds open; more wait in the socket's queue
SECONDS_FOR_HEADERS = 10  # within which a client has to send them; idle connections are closed after as long
SECONDS_TO_STOP = 10  # after SIGTERM, until a worker that does not end is killed


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C, then finish the requests in flight. Prints the address.

    Raises OutOfDate or BadInput at once, before a worker begins, if the database, an arm's models or the port cannot be
    used.
    """
    arms_of(settings)
    _one_process_a_device(settings)
    for variable, value in INHERITED.items():
        os.environ.setdefault(variable, value)
    Store.open(settings.url).close()
    note = at_start(settings)
    multiprocessing.set_start_method("spawn", force=True)  # a forked worker would inherit threads and CUDA half-alive
    port = available_port(settings.host, settings.port)
    server = Server(
        "persona",
        address=settings.host,
        port=port,
        interface=Interfaces.WSGI,
        workers=settings.workers,
        blocking_threads=settings.in_flight + SPARE_THREADS,
        backpressure=CONNECTIONS,
        http1_settings=HTTP1Settings(header_read_timeout=SECONDS_FOR_HEADERS * 1000),
        respawn_failed_workers=True,
        workers_kill_timeout=SECONDS_TO_STOP,
        log_level=LogLevels.warning,
    )
    server.on_startup(partial(_announce, settings.host, port, note))
    with shared_metrics(settings.workers):
        server.serve(target_loader=partial(_application, settings), wrap_loader=False)


def address(host: str, port: int) -> str:
    """Where to point a browser on this machine."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


def _announce(host: str, port: int, note: str) -> None:
    """Print the address as soon as a worker listens there, and no earlier."""

    def wait() -> None:
        place = urlsplit(address(host, port))
        while True:
            try:
                socket.create_connection((place.hostname or "", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        print(f"persona serves at {place.geturl()} (API: /docs)", note, sep="\n" if note else "", flush=True)

    threading.Thread(target=wait, name="persona-announce", daemon=True).start()


def available_port(host: str, port: int) -> int:
    """The port, or any free one for 0. Raises BadInput if another program has it, or the host is not ours."""
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)  # Granian shares its port (SO_REUSEPORT), so it would not notice another server there
            found: int = probe.getsockname()[1]
            return found
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise BadInput("port", f"{port} is in use by another program; choose another, or 0 for any") from error
        field = "port" if error.errno == errno.EACCES else "host"
        raise BadInput(field, f"cannot listen on {host}:{port}: {error.strerror or error}") from error


def _one_process_a_device(settings: Settings) -> None:
    """Raise BadInput for several workers on one GPU. Looks at files only: this process must not touch CUDA."""
    on_gpu = settings.device.startswith("cuda") or (settings.device == "auto" and NVIDIA.exists())
    if settings.workers > 1 and on_gpu:
        why = f"{settings.workers} processes would share one GPU and halve each other's batches"
        raise BadInput("workers", f"{why}: serve with 1, and once more for each further GPU (PERSONA_DEVICE=cuda:1)")


def _application(settings: Settings) -> APIFlask:
    """What a worker does first."""
    from persona.serve import logs
    from persona.serve.app import create_app

    logs.configure(settings.log_format)
    return create_app(settings)
