"""The real server: Granian in a process of its own, over loopback."""

from __future__ import annotations

import json
import signal
import socket
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import pytest

from persona.errors import BadInput, OutOfDate
from persona.serve.run import address, available_port, serve
from persona.settings import Settings


def ask(base: str, path: str, body: Any = None) -> tuple[int, Any]:
    """Status and JSON of an answer."""
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(base + path, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_it_lives_answers_many_and_ends_when_told(server: Any) -> None:
    assert ask(server.address, "/livez") == (200, {"status": "alive"})
    server.ready()
    bodies = [{"user_id": user, "generate": 1} for user in ("demo-ana", "demo-ben")] * 12
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda body: ask(server.address, "/v1/recommendations", body), bodies))
    assert [status for status, _ in answers] == [200] * len(bodies)
    for body, (_, answer) in zip(bodies, answers, strict=True):
        assert answer == answers[bodies.index(body)][1]  # never another user's, and the same every time
    assert ask(server.address, "/v1/nothing")[1]["title"] == "Not Found"
    liked = answers[0][1]["items"][0]["item_id"]
    event = {"key": "k", "user_id": "demo-ana", "item_id": liked, "type": "like", "at": "2025-06-01T00:00:00Z"}
    with ThreadPoolExecutor(6) as pool:
        added = list(pool.map(lambda _: ask(server.address, "/v1/events", {"events": [event]})[1]["added"], range(6)))
    assert sorted(added) == [0] * 5 + [1]
    after = ask(server.address, "/v1/recommendations", bodies[0])[1]
    assert liked not in [item["item_id"] for item in after["items"]]

    family = psutil.Process(server.process.pid).children(recursive=True)
    began = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(20) == 0
    assert time.monotonic() - began < 10
    assert not psutil.wait_procs(family, timeout=5)[1]
    assert "Traceback" not in server.log.read_text()


def test_a_request_in_flight_is_finished(server: Any) -> None:
    server.ready()
    body = json.dumps({"user_id": "demo-ana", "generate": 4}).encode()
    host, port = server.address.removeprefix("http://").split(":")
    head = f"POST /v1/recommendations HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
    head += f"Content-Length: {len(body)}\r\nConnection: close\r\nExpect: 100-continue\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(head.encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 100")  # a worker has begun to read it
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        connection.sendall(body)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"}")
    assert server.process.wait(20) == 0


def test_a_port_in_use_is_said_at_once(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BadInput, match=f"port: {port} is in use"):
            serve(settings.model_copy(update={"port": port}))
    with pytest.raises(BadInput, match="host: cannot listen on"):
        available_port("203.0.113.7", 8000)
    assert available_port("127.0.0.1", 0) > 0


def test_a_database_before_a_migration_is_said_at_once(settings: Settings) -> None:
    for file in settings.home.glob("persona.db*"):
        file.unlink()
    with pytest.raises(OutOfDate, match="persona db upgrade"):
        serve(settings)


def test_the_address_to_point_a_browser_at() -> None:
    assert address("0.0.0.0", 80) == "http://127.0.0.1:80"
    assert address("::1", 8000) == "http://[::1]:8000"
