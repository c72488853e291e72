"""Long campaigns against the real server: stopped fifty times under load, left by its clients, asked 100,000 times."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psutil
import pytest

from persona.catalog.pictures import Pictures
from persona.settings import Settings
from persona.store import Store
from tests.conftest import NewDatabase
from tests.store.proxy import Proxy

from .conftest import Server, make_catalogue, make_users, serving

USERS = ("demo-ana", "demo-ben", "demo-newcomer")
CLIENTS = 12
SECONDS_TO_STOP = 10


def wanted(number: int, mode: str = "retrieve") -> dict[str, Any]:
    """A request for recommendations; another number is another request."""
    user = USERS[number % len(USERS)]
    return {"user_id": user, "mode": mode, "generate": 1, "outfit": False, "explain": number % 2 == 0, "seed": number}


def event(key: str) -> dict[str, Any]:
    """One view, under a key of its own."""
    item = {"user_id": "demo-ben", "item_id": "dress-green-light", "type": "view", "at": "2025-06-01T00:00:00Z"}
    return {"events": [{"key": key, **item}]}


class Load:
    """Clients that ask one request after another until the server is gone. sent: when each was; answers: by number."""

    def __init__(self, address: str, name: str) -> None:
        self.address, self.name = address, name
        self.sent: dict[str, float] = {}
        self.answers: dict[str, int] = {}
        self._clients = [threading.Thread(target=self._ask, args=(number,)) for number in range(CLIENTS)]

    def start(self) -> None:
        for client in self._clients:
            client.start()

    def join(self) -> None:
        for client in self._clients:
            client.join(60)

    def _ask(self, number: int) -> None:
        with httpx.Client(base_url=self.address, timeout=30) as client:
            for turn in range(100_000):
                key = f"{self.name}-{number}-{turn}"
                self.sent[key] = time.monotonic()
                try:
                    if turn % 3:
                        mode = "generate" if turn % 3 == 1 else "retrieve"
                        answer = client.post("/v1/recommendations", json=wanted(number * 1000 + turn, mode))
                    else:
                        answer = client.post("/v1/events", json=event(key))
                except httpx.TransportError:
                    return
                self.answers[key] = answer.status_code


def stop_under_load(settings: Settings, turn: int) -> tuple[set[str], float]:
    """Start, load and stop a server once: keys of the events that it said were stored, and seconds until its end."""
    with serving(settings) as server:
        server.ready()
        load = Load(server.address, str(turn))
        load.start()
        time.sleep(random.Random(turn).uniform(0.2, 1.5))
        told = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(30) == 0, server.log.read_text()
        seconds = time.monotonic() - told
        load.join()
        lost = [key for key, sent in load.sent.items() if sent < told and key not in load.answers]
        assert lost == [], f"turn {turn}: sent before the signal and never answered"
        assert set(load.answers.values()) <= {200, 429, 503}, Counter(load.answers.values())
        assert "Traceback" not in server.log.read_text()
    return {key for key, status in load.answers.items() if status == 200 and _is_event(key)}, seconds


def _is_event(key: str) -> bool:
    return int(key.rpartition("-")[2]) % 3 == 0


def check_stops(settings: Settings, turns: int) -> None:
    answered: set[str] = set()
    for turn in range(turns):
        keys, seconds = stop_under_load(settings, turn)
        assert seconds < SECONDS_TO_STOP
        answered |= keys
    with Store.open(settings.url) as store:
        stored = {one.key for one in store.history("demo-ben", limit=10_000_000)}
    assert answered
    assert answered <= stored


def test_a_stop_under_load_loses_nothing(settings: Settings) -> None:
    check_stops(settings, 1)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_fifty_stops_under_load_lose_nothing(settings: Settings) -> None:
    check_stops(settings, 50)


@pytest.mark.slow
def test_when_four_of_five_clients_leave_the_next_all_get_their_answer(server: Server) -> None:
    """Each asks for new garments; those who leave have closed their connection long before theirs are drawn."""
    server.ready()

    def ask(number: int) -> int:
        seconds = 0.02 if number % 5 else 60
        try:
            body = wanted(1_000_000 + number, "generate")
            return httpx.post(f"{server.address}/v1/recommendations", json=body, timeout=seconds).status_code
        except httpx.TimeoutException:
            return 0

    with ThreadPoolExecutor(40) as pool:
        first = list(pool.map(ask, range(200)))
        assert set(first) <= {0, 200, 429}
        assert first.count(0) > 50
        second = list(pool.map(ask, range(1000, 1200, 5)))
    assert set(second) == {200}


@pytest.fixture
def far_server(settings: Settings, new_postgres: NewDatabase) -> Iterator[tuple[Proxy, Server]]:
    """A ready server whose PostgreSQL lies behind a network that can be disturbed."""
    url = new_postgres()
    with Store.open(url) as store:
        make_users(store, make_catalogue(store, Pictures(settings.pictures)))
    with Proxy(url) as between, serving(settings.model_copy(update={"database_url": between.url})) as server:
        server.ready()
        yield between, server


def test_a_database_that_goes_away_and_comes_back(far_server: tuple[Proxy, Server]) -> None:
    """Slow, it is waited for; away, everybody is told so at once; back, all is well within five seconds."""
    between, server = far_server
    with httpx.Client(base_url=server.address, timeout=30) as client:

        def status(key: str) -> int:
            asked = client.post("/v1/recommendations", json=wanted(len(key))).status_code
            sent = client.post("/v1/events", json=event(key)).status_code
            return asked if asked == sent else -1

        assert status("before") == 200
        between.delay = 0.05
        assert status("slow") == 200
        between.delay = 0.0
        between.cut()
        began = time.monotonic()
        for path in ("/v1/users/demo-ana", "/readyz"):
            answer = client.get(path)
            assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
        assert client.post("/v1/events", json=event("away")).status_code == 503
        assert time.monotonic() - began < 10
        between.restore()
        began = time.monotonic()
        while status("back") != 200:
            assert time.monotonic() - began < 5
            time.sleep(0.1)
    assert "Traceback" not in server.log.read_text()


def check_flat(server: Server, requests: int) -> None:
    """Nothing piles up in a worker: file descriptors, threads and memory after all requests are those after a tenth."""
    server.ready()
    (worker,) = [p for p in psutil.Process(server.process.pid).children(recursive=True) if p.num_threads() > 4]
    counts: Counter[int] = Counter()

    def ask(numbers: range) -> None:
        with httpx.Client(base_url=server.address, timeout=60) as client:
            for number in numbers:
                counts[_one_of_many(client, number)] += 1

    def wave(start: int, end: int) -> tuple[int, int, float]:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(ask, [range(start + first, end, 8) for first in range(8)]))
        time.sleep(1)
        return worker.num_fds(), worker.num_threads(), worker.memory_info().rss / 2**20

    descriptors, threads, megabytes = wave(0, requests // 10)
    after = wave(requests // 10, requests)
    print(counts, (descriptors, threads, megabytes), after)
    assert set(counts) <= {200, 404, 422}
    assert after[0] <= descriptors + 8
    assert after[1] <= threads + 2
    assert after[2] <= megabytes * 1.1 + 32


def _one_of_many(client: httpx.Client, number: int) -> int:
    """Mostly rankings, as apps ask for them; events, profiles, pages, pictures, mistakes and new garments between."""
    kind = number % 20
    if kind == 0:
        return client.post("/v1/recommendations", json=wanted(number, "generate")).status_code
    if kind == 1:
        return client.post("/v1/events", json=event(f"soak-{number}")).status_code
    if kind == 2:
        return client.put(f"/v1/users/soak-{number % 50}", json={"traits": {"skin_tone": 5}}).status_code // 201 * 200
    if kind == 3:
        return client.get(f"/v1/users/nobody-{number}").status_code
    if kind == 4:
        return client.post("/v1/recommendations", json={"user_id": 5}).status_code
    if kind == 5:
        return client.get("/readyz").status_code
    return client.post("/v1/recommendations", json=wanted(number)).status_code


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_hundred_thousand_requests_leave_nothing_behind(server: Server) -> None:
    check_flat(server, 100_000)
