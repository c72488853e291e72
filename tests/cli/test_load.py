"""The load generator sends what it is given, as often as it should, and counts what comes back."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from persona.cli.load import Load, ask, run

SLOW = "slow"


class Server(ThreadingHTTPServer):
    """Answers with the body it was sent; remembers them."""

    seen: list[str]
    allow_reuse_address = True


class Handler(BaseHTTPRequestHandler):
    """503 for a body `bad`, and some time for a slow one."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append(body.decode())  # type: ignore[attr-defined]
        if body == SLOW.encode():
            time.sleep(0.2)
        self.send_response(503 if body == b"bad" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def echo() -> Iterator[Server]:
    server = Server(("127.0.0.1", 0), Handler)
    server.seen = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_each_body_once_from_a_process_of_its_own(echo: Server) -> None:
    bodies = [str(number) for number in range(20)] + ["bad"] * 3
    done = ask(Load(echo.server_port, "/x", bodies, connections=4))
    assert sorted(echo.seen) == sorted(bodies)
    assert (len(done.latencies), done.failed) == (20, 3)
    assert done.per_second == pytest.approx(20 / done.seconds)


def test_a_rate_is_kept_and_waiting_counts(echo: Server) -> None:
    done = run(Load(echo.server_port, "/x", ["quick"], connections=2, seconds=1.0, rate=50))
    assert 45 <= len(done.latencies) <= 51
    late = run(Load(echo.server_port, "/x", [SLOW], connections=1, seconds=1.0, rate=20))
    assert len(late.latencies) <= 6  # one at a time
    assert max(late.latencies) > 0.5  # from when it was due, not from when the connection was free
