"""A load generator, as a process of its own: many connections, one loop. It loads nothing heavy, and parses little.

`ask(Load(...))` starts one and waits for what it measured.
"""

from __future__ import annotations

import json
import selectors
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass

HEAD_ENDS = b"\r\n\r\n"
PATIENCE = 60.0  # seconds for what is under way when the time is up


@dataclass(frozen=True)
class Load:
    """What to ask: `bodies` one after the other, again and again, as POST to `path` of 127.0.0.1:`port`.

    rate: requests a second, evenly spaced however long answers take; None: each of the connections asks anew as soon as
    it is answered. seconds: for how long; None: each body once.
    """

    port: int
    path: str
    bodies: Sequence[str]
    connections: int
    seconds: float | None = None
    rate: float | None = None


@dataclass(frozen=True)
class Loaded:
    """Latencies in seconds of the answers of status 200, from when each request was due; how many had another status;
    and how long all took."""

    latencies: list[float]
    failed: int
    seconds: float

    @property
    def per_second(self) -> float:
        """Good answers a second."""
        return len(self.latencies) / self.seconds


def ask(load: Load) -> Loaded:
    """Load a server from a second process."""
    command = [sys.executable, "-m", "persona.cli.load"]
    done = subprocess.run(command, input=json.dumps(asdict(load)), stdout=subprocess.PIPE, text=True, check=True)
    return Loaded(**json.loads(done.stdout))


class _Connection:
    """One request at a time. due: when that should have been sent."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.due, self._read, self._wanted = 0.0, b"", 0

    def send(self, request: bytes, due: float) -> None:
        self.due, self._read, self._wanted = due, b"", 0
        self.socket.sendall(request)

    def receive(self) -> int | None:
        """Status of the answer, once it is there whole. Raises ConnectionError when it ends before."""
        piece = self.socket.recv(1 << 18)
        if not piece:
            raise ConnectionError("the server closed the connection")
        self._read += piece
        if not self._wanted and (end := self._read.find(HEAD_ENDS)) >= 0:
            head = self._read[:end].lower()
            self._wanted = end + len(HEAD_ENDS) + int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
        if not self._wanted or len(self._read) < self._wanted:
            return None
        return int(self._read[9:12])


def run(load: Load) -> Loaded:
    """Load a server from this process."""
    requests = [_request(load, body.encode()) for body in load.bodies]
    connections = [_Connection(load.port) for _ in range(load.connections)]
    free, latencies, failed, sent = deque(connections), [], 0, 0
    began = time.perf_counter()
    with selectors.SelectSelector() as selector:
        for connection in connections:
            selector.register(connection.socket, selectors.EVENT_READ, connection)
        while True:
            now = time.perf_counter()
            while free and (due := _due(load, sent, began, now)) is not None:
                free.popleft().send(requests[sent % len(requests)], due)
                sent += 1
            if len(free) == len(connections) and _over(load, sent, began, now):
                break
            for key, _ in selector.select(_pause(load, sent, began, now) if free else PATIENCE):
                status = key.data.receive()
                if status is not None:
                    latencies.append(time.perf_counter() - key.data.due) if status == 200 else None
                    failed += status != 200
                    free.append(key.data)
    for connection in connections:
        connection.socket.close()
    return Loaded(latencies, failed, time.perf_counter() - began)


def _request(load: Load, body: bytes) -> bytes:
    head = f"POST {load.path} HTTP/1.1\r\nHost: 127.0.0.1:{load.port}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def _over(load: Load, sent: int, began: float, now: float) -> bool:
    return sent >= len(load.bodies) if load.seconds is None else now - began >= load.seconds


def _due(load: Load, sent: int, began: float, now: float) -> float | None:
    """When the next request should be sent, None if that is not yet, or no more."""
    if _over(load, sent, began, now):
        return None
    due = now if load.rate is None else began + sent / load.rate
    return due if due <= now else None


def _pause(load: Load, sent: int, began: float, now: float) -> float:
    """Seconds until there may be something to send."""
    if load.rate is None:
        return PATIENCE
    return max(0.0, min(began + sent / load.rate, began + (load.seconds or PATIENCE)) - now)


if __name__ == "__main__":
    json.dump(asdict(run(Load(**json.load(sys.stdin)))), sys.stdout)
