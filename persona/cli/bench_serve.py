"""A server of its own with the demo catalogue, on loopback: how much it answers, in what memory, and how it stops."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from persona.cli import bench_overload
from persona.cli.bench_server import HOST, PATH, family, serving
from persona.cli.load import Answer, Load, ask, good
from persona.cli.load import rate as per_second
from persona.store import Store
from persona.taste.demo import PERSONAS

CLIENTS = 8  # connections that ask one request after another
USERS = 1000  # simulated ones, beside the demo's
SHARE = 0.7  # of the most that is answered, for the latency under a usual load
ON_SCREEN = 12  # items that a distinct request excludes
IN_FLIGHT = 40  # requests under way when the server is told to stop
SECONDS_TO_ARRIVE = 0.3  # for requests that were sent to be taken on

Measured = tuple[dict[str, Any], dict[str, str]]


def measure(seconds: int) -> Measured:
    """Serve a temporary demo with many more users, rank for them as fast as it answers, then stop it in the middle of
    requests."""
    with tempfile.TemporaryDirectory() as home, serving(home, users=USERS) as (process, port):
        personas = [persona.id for persona in PERSONAS]
        for user in personas:  # warm up; generation too, so that its memory counts
            _ask(port, _request(user, "both"))
        values = _ranking(port, home, seconds)
        values["rss_mb"] = sum(part.memory_info().rss for part in family(process)) / 2**20
        values["sigterm_in_flight"], values["sigterm_dropped"] = _stop_in_flight(process, port, personas)
    return values | bench_overload.measure(seconds), {}


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

    def loaded(bodies: list[bytes], seconds: float | None = seconds, rate: float | None = None) -> list[Answer]:
        answers = ask(Load(port, PATH, [body.decode() for body in bodies], CLIENTS, seconds, rate))
        failed.append(len(answers) - len(good(answers)))
        return answers

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
    usual = loaded(plain, rate=SHARE * per_second(most))
    p50, p99 = np.percentile(np.array(good(usual)) * 1000, (50, 99)).tolist()
    return {
        "rank_requests_per_s": per_second(most),
        "rank_explained_per_s": per_second(with_reasons),
        "rank_distinct_per_s": per_second(never_asked),
        "rank_first_per_s": per_second(first),
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
