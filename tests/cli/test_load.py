"""The load generator sends what it is given, as often as it should, and counts what comes back."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from persona.cli.load import LOST, Load, ask, good, rate

SLOW = "slow"


class Server(ThreadingHTTPServer):
    """Answers with the body it was sent; remembers them."""

    seen: list[str]
    allow_reuse_address = True


class Handler(BaseHTTPRequestHandler):
    """503 for a body `bad`, 429 for `busy`, no answer at all for `gone`, and some time for a slow one."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append(body.decode())  # type: ignore[attr-defined]
        if body == SLOW.encode():
            time.sleep(0.2)
        if body == b"gone":
            self.close_connection = True
            return
        self.send_response({b"bad": 503, b"busy": 429}.get(body, 200))
        self.send_header("Retry-After", "1")
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
    bodies = [*(f"{number} {{seed}}" for number in range(20)), "bad", "bad", "bad"]
    answers = ask(Load(echo.server_port, "/x", bodies, connections=4, first_seed=7))
    assert sorted(echo.seen) == sorted(body.replace("{seed}", str(7 + n)) for n, body in enumerate(bodies))
    assert (len(good(answers)), len(answers)) == (20, 23)
    assert rate(answers) == pytest.approx(20 / max(a.due + a.seconds for a in answers if a.status == 200))


def test_a_rate_is_kept_and_waiting_counts(echo: Server) -> None:
    quick = good(ask(Load(echo.server_port, "/x", ["quick"], connections=2, seconds=1.0, rate=50)))
    assert 45 <= len(quick) <= 51
    late = good(ask(Load(echo.server_port, "/x", [SLOW], connections=1, seconds=1.0, rate=20)))
    assert len(late) <= 6  # one at a time
    assert max(late) > 0.5  # from when it was due, not from when the connection was free


def test_who_is_told_to_come_again_does_so_and_who_is_cut_off_connects_anew(echo: Server) -> None:
    busy = ask(Load(echo.server_port, "/x", ["busy"], connections=1, seconds=2.0))
    assert 2 <= len(busy) <= 5  # each half a second to one and a half after the last
    answers = ask(Load(echo.server_port, "/x", ["gone", "quick"], connections=1, seconds=1.0))
    assert {answer.status for answer in answers} == {LOST, 200}
