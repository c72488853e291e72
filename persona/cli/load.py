"""A load generator, as a process of its own: many connections, one loop. It loads nothing heavy, and parses little.

`ask(Load(...))` starts one and waits for the answers. A connection that is told to come again (429 with Retry-After)
does so after that time, a little more or less, as a client that behaves does.
"""

from __future__ import annotations

import heapq
import json
import random
import selectors
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import NamedTuple

LOST = 0  # the status of a request that got no answer
HEAD_ENDS = b"\r\n\r\n"
PATIENCE = 60.0  # seconds for what is under way when the time is up
AGAIN = 0.1  # seconds until a connection that was lost is made anew


@dataclass(frozen=True)
class Load:
    """What to ask: `bodies` one after the other, again and again, as POST to `path` of 127.0.0.1:`port`.

    bodies: JSON texts, with {seed} where a number from first_seed on belongs that is never sent twice. rate: requests a
    second, evenly spaced however long answers take; None: each of the connections asks anew as soon as it is answered.
    seconds: for how long; None: each body once. headers: lines of their own.
    """

    port: int
    path: str
    bodies: Sequence[str]
    connections: int
    seconds: float | None = None
    rate: float | None = None
    headers: Sequence[str] = ()
    first_seed: int = 0


class Answer(NamedTuple):
    """due: when the request should have been sent, in seconds since the load began; seconds: from then until the whole
    answer was there; status: of HTTP, or LOST."""

    due: float
    seconds: float
    status: int


def ask(load: Load) -> list[Answer]:
    """Load a server from a second process. Raises CalledProcessError if that fails."""
    command = [sys.executable, "-m", "persona.cli.load"]
    done = subprocess.run(command, input=json.dumps(asdict(load)), stdout=subprocess.PIPE, text=True, check=True)
    return [Answer(*answer) for answer in json.loads(done.stdout)]


def good(answers: Sequence[Answer]) -> list[float]:
    """Latencies in seconds of the answers of status 200."""
    return [answer.seconds for answer in answers if answer.status == 200]


def rate(answers: Sequence[Answer]) -> float:
    """Good answers a second."""
    ends = [answer.due + answer.seconds for answer in answers if answer.status == 200]
    return len(ends) / max(ends) if ends else 0.0


class _Connection:
    """One request at a time. due: when that should have been sent."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.due, self._read, self._wanted = 0.0, b"", 0

    def send(self, request: bytes, due: float) -> None:
        self.due, self._read, self._wanted = due, b"", 0
        with suppress(OSError):  # it shows in what is received
            self.socket.sendall(request)

    def receive(self) -> tuple[int, float] | None:
        """Status of the answer and seconds to wait before the next request, once it is there whole."""
        try:
            piece = self.socket.recv(1 << 18)
        except OSError:
            piece = b""
        if not piece:
            return LOST, AGAIN
        self._read += piece
        if not self._wanted and (end := self._read.find(HEAD_ENDS)) >= 0:
            self._wanted = end + len(HEAD_ENDS) + int(self._field(b"content-length") or 0)
        if not self._wanted or len(self._read) < self._wanted:
            return None
        status = int(self._read[9:12])
        return status, 0.0 if status == 200 else float(self._field(b"retry-after") or 0)

    def _field(self, name: bytes) -> bytes:
        head = self._read[: self._read.find(HEAD_ENDS)].lower()
        return head.partition(b"\r\n" + name + b":")[2].split(b"\r\n")[0].strip()


class _Run:
    """Load a server from this process."""

    def __init__(self, load: Load) -> None:
        self.load, self.sent, self.answers = load, 0, list[Answer]()
        self.free: deque[_Connection] = deque()
        self.resting: list[tuple[float, int, _Connection]] = []  # until when
        self.selector = selectors.DefaultSelector()
        self.chance = random.Random(load.first_seed)
        self.began = time.perf_counter()

    def run(self) -> list[Answer]:
        for _ in range(self.load.connections):
            self._connect(0.0)
        self.began = time.perf_counter()
        while True:
            now = time.perf_counter() - self.began
            while self.resting and self.resting[0][0] <= now:
                self.free.append(heapq.heappop(self.resting)[2])
            while self.free and (due := self._due(now)) is not None:
                self.free.popleft().send(self._request(), due)
                self.sent += 1
            if len(self.free) + len(self.resting) == self.load.connections and self._over(now):
                break
            for key, _ in self.selector.select(self._pause(now)):
                self._receive(key.data)
        for connection in [*self.free, *(resting for _, _, resting in self.resting)]:
            connection.socket.close()
        self.selector.close()
        return self.answers

    def _receive(self, connection: _Connection) -> None:
        answer, now = connection.receive(), time.perf_counter() - self.began
        if answer is None:
            return
        status, pause = answer
        self.answers.append(Answer(connection.due, now - connection.due, status))
        if status == LOST:
            self.selector.unregister(connection.socket)
            connection.socket.close()
            self._connect(now + pause)
        elif pause:
            self._rest(connection, now + pause * self.chance.uniform(0.5, 1.5))
        else:
            self.free.append(connection)

    def _connect(self, until: float) -> None:
        connection = _Connection(self.load.port)
        self.selector.register(connection.socket, selectors.EVENT_READ, connection)
        self._rest(connection, until)

    def _rest(self, connection: _Connection, until: float) -> None:
        heapq.heappush(self.resting, (until, id(connection), connection))

    def _request(self) -> bytes:
        load = self.load
        body = load.bodies[self.sent % len(load.bodies)].replace("{seed}", str(load.first_seed + self.sent)).encode()
        lines = [f"POST {load.path} HTTP/1.1", f"Host: 127.0.0.1:{load.port}", "Content-Type: application/json"]
        return "\r\n".join([*lines, *load.headers, f"Content-Length: {len(body)}", "\r\n"]).encode() + body

    def _over(self, now: float) -> bool:
        seconds = self.load.seconds
        return self.sent >= len(self.load.bodies) if seconds is None else now >= seconds

    def _due(self, now: float) -> float | None:
        """When the next request should be sent, None if that is not yet, or no more."""
        if self._over(now):
            return None
        due = now if self.load.rate is None else self.sent / self.load.rate
        return due if due <= now else None

    def _pause(self, now: float) -> float:
        """Seconds until there may be something to send."""
        ends = [now + PATIENCE]
        if self.load.seconds is not None and now < self.load.seconds:
            ends.append(self.load.seconds)
        if self.resting and not self._over(now):
            ends.append(self.resting[0][0])
        if self.free and self.load.rate is not None and not self._over(now):
            ends.append(self.sent / self.load.rate)
        return max(0.0, min(ends) - now)


if __name__ == "__main__":
    json.dump(_Run(Load(**json.load(sys.stdin))).run(), sys.stdout)
