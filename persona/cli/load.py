"""Load for a server, from a process of its own: `python -m persona.cli.load` reads a Load as JSON, writes answers.

Each client sends one request after another on its own connection. Told to come again (429 with Retry-After), it does so
after that time, a little more or less, as a client that behaves does.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

PATIENCE = 60.0  # seconds for an answer, after which the client gives up
LOST = 0  # the status of a request that got no answer


@dataclass(frozen=True)
class Load:
    """clients at once, for so many seconds. bodies: JSON texts that are sent in turn, with {seed} where a number that
    is never sent twice belongs."""

    host: str
    port: int
    path: str
    bodies: tuple[str, ...]
    clients: int
    seconds: float
    first_seed: int = 0
    headers: tuple[tuple[str, str], ...] = ()


class Answer(NamedTuple):
    """began: seconds since the load began; seconds: until the whole answer was there; status: of HTTP, or LOST."""

    began: float
    seconds: float
    status: int


def put_on(load: Load) -> list[Answer]:
    """The answers to a load that another process puts on. Raises CalledProcessError if that fails."""
    command = [sys.executable, "-m", "persona.cli.load"]
    done = subprocess.run(command, input=json.dumps(asdict(load)), capture_output=True, text=True, check=True)
    return [Answer(*answer) for answer in json.loads(done.stdout)]


async def _all(load: Load) -> list[Answer]:
    began, answers, sent = time.perf_counter(), list[Answer](), [load.first_seed]

    async def client(number: int) -> None:
        connection = None
        while (now := time.perf_counter() - began) < load.seconds:
            sent[0] += 1
            body = load.bodies[sent[0] % len(load.bodies)].replace("{seed}", str(sent[0]))
            try:
                connection = connection or await asyncio.open_connection(load.host, load.port)
                status, pause = await asyncio.wait_for(_ask(connection, load, body), PATIENCE)
            except (OSError, EOFError, ValueError, TimeoutError):
                status, pause, connection = LOST, 0.1, None
            answers.append(Answer(now, time.perf_counter() - began - now, status))
            if pause:
                left = began + load.seconds - time.perf_counter()
                await asyncio.sleep(min(max(left, 0), pause * random.uniform(0.5, 1.5)))
        if connection:
            connection[1].close()

    await asyncio.gather(*(client(number) for number in range(load.clients)))
    return answers


async def _ask(
    connection: tuple[asyncio.StreamReader, asyncio.StreamWriter], load: Load, body: str
) -> tuple[int, float]:
    """(status, seconds to wait before the next request) once the whole answer is there."""
    reader, writer = connection
    content = body.encode()
    given = "".join(f"{name}: {value}\r\n" for name, value in load.headers)
    head = f"POST {load.path} HTTP/1.1\r\nHost: {load.host}:{load.port}\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}{given}Content-Length: {len(content)}\r\n\r\n".encode() + content)
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    fields = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
    await reader.readexactly(int(fields["content-length"]))
    status = int(lines[0].split()[1])
    return status, float(fields.get("retry-after", 0)) if status != 200 else 0.0


def _main(given: dict[str, object]) -> None:
    bodies: Sequence[str] = given.pop("bodies")  # type: ignore[assignment]
    headers: Sequence[Sequence[str]] = given.pop("headers")  # type: ignore[assignment]
    load = Load(**given, bodies=tuple(bodies), headers=tuple((name, value) for name, value in headers))  # type: ignore[arg-type]
    json.dump(asyncio.run(_all(load)), sys.stdout)


if __name__ == "__main__":
    _main(json.load(sys.stdin))
