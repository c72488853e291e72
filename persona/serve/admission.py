"""Who is let in, and until when: the outermost layer of the application, in front of everything that costs time."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from apiflask import APIFlask
from flask import g, request

from persona.caller import CALLER, Caller
from persona.errors import TooLate
from persona.metrics import REJECTED
from persona.serve.problems import MEDIA_TYPE, Problem
from persona.settings import Settings
from persona.turns import TURNS, Turns

ALWAYS = ("/livez", "/readyz", "/metrics")  # answered however much is going on
RUNNING = 1  # requests that compute at once; others wait for a model, or for their turn: threads only fight
_WHY = {
    429: ("Too Many Requests", "As much is going on here as can be: send the request again after the seconds in "
          "Retry-After, and fewer at once."),
    504: ("Gateway Timeout", "The time allowed for this request is over: allow more, or send it when less is going "
          "on."),
}  # fmt: skip
_BODIES = {status: Problem(title=title, status=status, detail=why).model_dump_json().encode()
           for status, (title, why) in _WHY.items()}  # fmt: skip
_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*(\d{1,6})(?=$|[,;\s])", re.IGNORECASE)

Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


def admit(app: APIFlask, settings: Settings) -> None:
    """Put the layer around an application; call it last."""
    app.wsgi_app = Admission(app.wsgi_app, settings.in_flight, settings.deadline)  # type: ignore[method-assign]
    app.before_request(_in_time)


class Admission:
    """Lets in so many requests at once; others are told to come again within microseconds, as nothing is done for them.

    It also says until when each is to be answered (`CALLER`): `most_seconds` from now, or what the request allows in
    `Prefer: wait=SECONDS` or `X-Request-Timeout: SECONDS`, if that is less.
    """

    def __init__(self, app: Application, at_once: int, most_seconds: float) -> None:
        self._app, self._at_once, self._most_seconds = app, at_once, most_seconds
        self._turns = Turns(RUNNING)
        self._inside, self._lock = 0, threading.Lock()

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """As WSGI says."""
        if environ["PATH_INFO"] in ALWAYS:
            return self._app(environ, start_response)
        if not self._enter():
            return _refused(start_response, 429, "in_flight")
        seconds = min(self._most_seconds, _allowed(environ))
        caller = CALLER.set(Caller(environ.get("REMOTE_ADDR", ""), time.monotonic() + seconds))
        turns = TURNS.set(self._turns)
        streams = True

        def noting(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            nonlocal streams
            streams = all(name.lower() != "content-length" for name, _ in headers)
            return start_response(status, headers, *more)

        try:
            answer = self._in_turn(environ, noting)
        except BaseException:
            self._leave()
            raise
        finally:
            TURNS.reset(turns)
            CALLER.reset(caller)
        if streams:
            return _Inside(answer, self._leave)
        self._leave()  # the work is done; sending it is the server's
        return answer

    def _in_turn(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        if not self._turns.take():
            return _refused(start_response, 504, "deadline")
        try:
            return self._app(environ, start_response)
        finally:
            self._turns.give()

    def _enter(self) -> bool:
        with self._lock:
            if self._inside >= self._at_once:
                return False
            self._inside += 1
            return True

    def _leave(self) -> None:
        with self._lock:
            self._inside -= 1


def _refused(start_response: Callable[..., Any], status: int, why: str) -> Iterable[bytes]:
    """An answer that was written before: nothing is done for it."""
    REJECTED.labels(why).inc()
    body = _BODIES[status]
    headers = [("Content-Type", MEDIA_TYPE), ("Content-Length", str(len(body))), ("Cache-Control", "no-store")]
    start_response(f"{status} {_WHY[status][0]}", [*headers, ("Retry-After", "1")] if status == 429 else headers)
    return [body]


class _Inside:
    """An answer that is made while it is sent: its request is inside until that is done, closed or dropped."""

    __slots__ = ("_answer", "_leave", "_parts")

    def __init__(self, answer: Iterable[bytes], leave: Callable[[], None]) -> None:
        self._answer, self._parts = answer, iter(answer)
        self._leave: Callable[[], None] | None = leave

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            return next(self._parts)
        except BaseException:
            self._out()
            raise

    def close(self) -> None:
        try:
            if hasattr(self._answer, "close"):
                self._answer.close()
        finally:
            self._out()

    def __del__(self) -> None:
        self._out()

    def _out(self) -> None:
        leave, self._leave = self._leave, None
        if leave is not None:
            leave()


def _allowed(environ: Environ) -> float:
    """Seconds that the sender gives this request; infinity where it does not say, or nothing that can be read."""
    given = [float(found.group(1))] if (found := _WAIT.search(environ.get("HTTP_PREFER", ""))) else []
    if re.fullmatch(r"\d{1,6}(\.\d{1,6})?", timeout := environ.get("HTTP_X_REQUEST_TIMEOUT", "").strip()):
        given.append(float(timeout))
    return min(given, default=float("inf"))


def _in_time() -> None:
    """Name the caller, as fairness between callers needs, once it is known who it is; refuse what is late already."""
    caller, actor = CALLER.get(), g.get("actor", "open")
    if actor != "open":  # without keys, callers are told apart by their addresses
        CALLER.set(replace(caller, client=actor))
    if caller.left == 0 and request.path not in ALWAYS:
        REJECTED.labels("deadline").inc()
        raise TooLate("the time allowed for this request is over: allow more")
