"""A server of its own with the demo catalogue, on loopback: how much it answers, in what memory, and how it stops."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import psutil

from persona.cli import bench_overload
from persona.cli.demo import free_port
from persona.errors import NotFound
from persona.taste.demo import PERSONAS

CLIENTS = 8  # connections that ask one request after another
IN_FLIGHT = 40  # requests under way when the server is told to stop
SECONDS_TO_ARRIVE = 0.3  # for requests that were sent to be taken on
START_SECONDS = 120
HOST = "127.0.0.1"

Measured = tuple[dict[str, Any], dict[str, str]]


def measure(seconds: int) -> Measured:
    """Serve a temporary demo, rank for its users as fast as it answers, then stop it in the middle of requests."""
    with tempfile.TemporaryDirectory() as home, serving(home) as (process, port):
        users = [persona.id for persona in PERSONAS]
        for user in users:  # warm up; generation too, so that its memory counts
            _ask(port, _request(user, "both"))
        latencies, failed = _load(port, users, seconds)
        memory = sum(part.memory_info().rss for part in _family(process)) / 2**20
        waiting, dropped = _stop_in_flight(process, port, users)
    milliseconds = np.array(latencies) * 1000
    p50, p99 = (float(np.percentile(milliseconds, q)) for q in (50, 99))
    values = {
        "rank_requests_per_s": len(latencies) / seconds,
        "p99_over_p50": p99 / p50,
        "sigterm_dropped": dropped,
        "sigterm_in_flight": waiting,
        "rss_mb": memory,
        "rank_p50_ms": p50,
        "rank_p99_ms": p99,
        "failed": failed,
        "clients": CLIENTS,
    }
    more, why = bench_overload.measure(seconds)
    return values | more, why


@contextmanager
def serving(home: str, **settings: object) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A server with the demo in this home; ended with the block, if it has not been before."""
    port = free_port(HOST, 0)
    unset = dict.fromkeys(("PERSONA_DATABASE_URL", "PERSONA_DATASETS"), "")
    environment = {**os.environ, **unset, "PERSONA_HOME": home, "PERSONA_HOST": HOST, "PERSONA_PORT": str(port)}
    environment |= {f"PERSONA_{name.upper()}": str(value) for name, value in settings.items()}
    command = [sys.executable, "-m", "persona.cli"]
    prepared = subprocess.run([*command, "demo", "--no-serve"], env=environment, capture_output=True)
    if prepared.returncode:
        raise NotFound(f"the demo cannot be set up for the measurement: {prepared.stderr.decode().strip()[-500:]}")
    process = subprocess.Popen(
        [*command, "serve"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait(process, port)
        yield process, port
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            for part in _family(process):
                part.kill()


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
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


def _family(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    parent = psutil.Process(process.pid)
    return [parent, *parent.children(recursive=True)]


def _request(user: str, mode: str, seed: int | None = None) -> bytes:
    outfit = mode == "both"
    asked = {"user_id": user, "mode": mode, "generate": 1, "outfit": outfit, "explain": False, "seed": seed}
    return json.dumps(asked).encode()


def _ask(port: int, body: bytes, connection: http.client.HTTPConnection | None = None) -> bool:
    """Whether a recommendation came back whole."""
    own = connection or http.client.HTTPConnection(HOST, port, timeout=60)
    own.request("POST", "/v1/recommendations", body, {"Content-Type": "application/json"})
    whole = _whole(own)
    if connection is None:
        own.close()
    return whole


def _whole(connection: http.client.HTTPConnection) -> bool:
    """Whether the answer on this connection is a complete one."""
    answer = connection.getresponse()
    return answer.status == 200 and answer.read().endswith(b"}")


def _load(port: int, users: list[str], seconds: int) -> tuple[list[float], int]:
    """Latencies in seconds of the answered ranking requests, and how many failed."""
    until = time.perf_counter() + seconds

    def client(number: int) -> tuple[list[float], int]:
        connection = http.client.HTTPConnection(HOST, port, timeout=60)
        latencies, failed, turn = [], 0, number
        while (began := time.perf_counter()) < until:
            turn += 1
            if _ask(port, _request(users[turn % len(users)], "retrieve"), connection):
                latencies.append(time.perf_counter() - began)
            else:
                failed += 1
        connection.close()
        return latencies, failed

    with ThreadPoolExecutor(CLIENTS) as pool:
        results = list(pool.map(client, range(CLIENTS)))
    return [value for latencies, _ in results for value in latencies], sum(failed for _, failed in results)


def _stop_in_flight(process: subprocess.Popen[bytes], port: int, users: list[str]) -> tuple[int, int]:
    """Tell the server to stop while it draws new garments: (requests under way then, those never answered)."""
    sent = threading.Barrier(IN_FLIGHT + 1)

    def client(number: int) -> bool:
        connection = http.client.HTTPConnection(HOST, port, timeout=60)
        body = _request(users[number % len(users)], "generate", seed=1_000_000 + number)
        connection.request("POST", "/v1/recommendations", body, {"Content-Type": "application/json"})
        sent.wait(60)
        try:
            return _whole(connection)
        except (OSError, http.client.HTTPException):
            return False

    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        answers = [pool.submit(client, number) for number in range(IN_FLIGHT)]
        sent.wait(60)
        time.sleep(SECONDS_TO_ARRIVE)
        waiting = sum(not answer.done() for answer in answers)
        process.send_signal(signal.SIGTERM)
        return waiting, sum(not answer.result() for answer in answers)
