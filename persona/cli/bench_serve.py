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

from persona.cli.demo import free_port
from persona.cli.load import Load, Loaded, ask
from persona.errors import NotFound
from persona.store import Store
from persona.taste.demo import PERSONAS

CLIENTS = 8  # connections that ask one request after another
USERS = 1000  # simulated ones, beside the demo's
SHARE = 0.7  # of the most that is answered, for the latency under a usual load
ON_SCREEN = 12  # items that a distinct request excludes
PATH = "/v1/recommendations"
IN_FLIGHT = 40  # requests under way when the server is told to stop
SECONDS_TO_ARRIVE = 0.3  # for requests that were sent to be taken on
START_SECONDS = 120
HOST = "127.0.0.1"
_LATER = "not measured yet: it comes with the batched generation service"

Measured = tuple[dict[str, Any], dict[str, str]]


def measure(seconds: int) -> Measured:
    """Serve a temporary demo with many more users, rank for them as fast as it answers, then stop it in the middle of
    requests."""
    with tempfile.TemporaryDirectory() as home, _server(home) as (process, port):
        personas = [persona.id for persona in PERSONAS]
        for user in personas:  # warm up; generation too, so that its memory counts
            _ask(port, _request(user, "both"))
        values = _ranking(port, home, seconds)
        values["rss_mb"] = sum(part.memory_info().rss for part in _family(process)) / 2**20
        values["sigterm_in_flight"], values["sigterm_dropped"] = _stop_in_flight(process, port, personas)
    return values, dict.fromkeys(("share_of_raw_generator", "overload_goodput_share", "reject_p99_ms"), _LATER)


@contextmanager
def _server(home: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A server with the demo in this home; ended with the block, if it has not been before."""
    port = free_port(HOST, 0)
    unset = dict.fromkeys(("PERSONA_DATABASE_URL", "PERSONA_DATASETS"), "")
    environment = {**os.environ, **unset, "PERSONA_HOME": home, "PERSONA_HOST": HOST, "PERSONA_PORT": str(port)}
    command = [sys.executable, "-m", "persona.cli"]
    for step in (["demo", "--no-serve"], ["simulate", "--users", str(USERS), "--seed", "0"]):
        prepared = subprocess.run([*command, *step], env=environment, capture_output=True)
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


def _request(user: str, mode: str, **more: Any) -> bytes:
    outfit = mode == "both"
    return json.dumps(
        {"user_id": user, "mode": mode, "generate": 1, "outfit": outfit, "explain": False, **more}
    ).encode()


def _ask(port: int, body: bytes) -> bool:
    """Whether a recommendation came back whole."""
    own = http.client.HTTPConnection(HOST, port, timeout=60)
    own.request("POST", PATH, body, {"Content-Type": "application/json"})
    whole = _whole(own)
    own.close()
    return whole


def _whole(connection: http.client.HTTPConnection) -> bool:
    """Whether the answer on this connection is a complete one."""
    answer = connection.getresponse()
    return answer.status == 200 and answer.read().endswith(b"}")


def _ranking(port: int, home: str, seconds: int) -> dict[str, Any]:
    """Ranking requests in random order of the users, from a second process: what apps send, and harder ones.

    first: everybody's first request, of whom nothing is in memory. distinct: with a seed of its own and other items
    excluded each, so that no answer was given before. The latencies are those at 70 % of the most that is answered.
    """
    with Store.open(f"sqlite:///{home}/persona.db") as store:
        users, items = store.user_ids(), [item.id for item in store.items()]
    rng = np.random.default_rng(0)
    shuffled = [users[number] for number in rng.permutation(len(users))]

    def loaded(bodies: list[bytes], seconds: float | None = seconds, rate: float | None = None) -> Loaded:
        load = Load(port, PATH, [body.decode() for body in bodies], CLIENTS, seconds, rate)
        done = ask(load)
        failed.append(done.failed)
        return done

    failed: list[int] = []
    first = loaded([_request(user, "retrieve") for user in users], None)
    plain = [_request(user, "retrieve") for user in shuffled]
    explained = [_request(user, "retrieve", explain=True) for user in shuffled]
    distinct = [
        _request(user, "retrieve", seed=turn, explain=True, exclude=rng.choice(items, ON_SCREEN).tolist())
        for turn, user in enumerate(shuffled * 20)
    ]
    loaded(explained, None)  # once each, as the plain ones were
    most, with_reasons, never_asked = (loaded(bodies) for bodies in (plain, explained, distinct))
    usual = loaded(plain, rate=SHARE * most.per_second)
    p50, p99 = np.percentile(np.array(usual.latencies) * 1000, (50, 99)).tolist()
    return {
        "rank_requests_per_s": most.per_second,
        "rank_explained_per_s": with_reasons.per_second,
        "rank_distinct_per_s": never_asked.per_second,
        "rank_first_per_s": first.per_second,
        "p99_over_p50": p99 / p50,
        "rank_p50_ms": p50,
        "rank_p99_ms": p99,
        "failed": sum(failed),
        "clients": CLIENTS,
        "users": len(users),
    }


def _stop_in_flight(process: subprocess.Popen[bytes], port: int, users: list[str]) -> tuple[int, int]:
    """Tell the server to stop while it draws new garments: (requests under way then, those never answered)."""
    sent = threading.Barrier(IN_FLIGHT + 1)

    def client(number: int) -> bool:
        connection = http.client.HTTPConnection(HOST, port, timeout=60)
        body = _request(users[number % len(users)], "generate", seed=1_000_000 + number)
        connection.request("POST", PATH, body, {"Content-Type": "application/json"})
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
