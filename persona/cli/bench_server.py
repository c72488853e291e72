"""A server of its own for a measurement: the demo catalogue in a temporary home, on loopback."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from persona.cli.demo import free_port
from persona.errors import NotFound

HOST = "127.0.0.1"
PATH = "/v1/recommendations"
START_SECONDS = 120


@contextmanager
def serving(home: str, users: int = 0, **settings: object) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A server with the demo in this home, and its port; ended with the block, if it has not been before.

    users: simulated ones, beside the demo's. settings: of the server, besides.
    """
    port = free_port(HOST, 0)
    unset = dict.fromkeys(("PERSONA_DATABASE_URL", "PERSONA_DATASETS"), "")
    environment = {**os.environ, **unset, "PERSONA_HOME": home, "PERSONA_HOST": HOST, "PERSONA_PORT": str(port)}
    environment |= {f"PERSONA_{name.upper()}": str(value) for name, value in settings.items()}
    command = [sys.executable, "-m", "persona.cli"]
    steps = [["demo", "--no-serve"], *([["simulate", "--users", str(users), "--seed", "0"]] if users else [])]
    for step in steps:
        prepared = subprocess.run([*command, *step], env=environment, capture_output=True)
        if prepared.returncode:
            raise NotFound(f"the demo cannot be set up for the measurement: {prepared.stderr.decode().strip()[-500:]}")
    process = subprocess.Popen(
        [*command, "serve"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait_until_ready(process, port)
        yield process, port
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            for part in family(process):
                part.kill()


def _wait_until_ready(process: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        connection = http.client.HTTPConnection(HOST, port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.2)
    raise NotFound(f"the server was not ready within {START_SECONDS} s; see what `persona serve` says")


def family(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """The server's processes."""
    parent = psutil.Process(process.pid)
    return [parent, *parent.children(recursive=True)]
