"""A server of its own for a measurement: the demo catalogue in a temporary home, on loopback."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

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
    given = {"host": HOST, "port": port, **settings}
    environment = prepared(home, **given)
    if users:
        command(environment, "simulate", "--users", str(users), "--seed", "0")
    process = subprocess.Popen(
        [sys.executable, "-m", "persona.cli", "serve"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
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


def prepared(home: str | Path, **settings: object) -> dict[str, str]:
    """Set up the demo in this home; returns the environment, with these settings, in which commands work with it."""
    environment = environment_of(home, **settings)
    command(environment, "demo", "--no-serve")
    return environment


def environment_of(home: str | Path, **settings: object) -> dict[str, str]:
    """The environment in which commands work with this home and these settings."""
    unset = dict.fromkeys(("PERSONA_DATABASE_URL", "PERSONA_DATASETS"), "")
    environment = {**os.environ, **unset, "PERSONA_HOME": str(home)}
    return environment | {f"PERSONA_{name.upper()}": str(value) for name, value in settings.items()}


def command(environment: Mapping[str, str], *arguments: str) -> None:
    """Run a command of persona's. Raises NotFound, with the end of what it said, where it fails."""
    line = [sys.executable, "-m", "persona.cli", *arguments]
    done = subprocess.run(line, env=dict(environment), capture_output=True)
    if done.returncode:
        raise NotFound(f"the demo cannot be set up for the measurement: {done.stderr.decode().strip()[-500:]}")


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
