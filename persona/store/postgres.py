"""Connections to PostgreSQL that nobody waits for longer than is allowed, and that are known to work when used."""

from __future__ import annotations

import math
import time
from typing import Any

import psycopg
from psycopg import OperationalError
from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.exc import InvalidatePoolError

from persona.caller import CALLER

SECONDS_TO_CONNECT = 10
SECONDS_FOR_A_CONNECTION = 5  # to become free, when all are in use
SURE = 1.0  # seconds for which a connection that was just used is taken to be still there
# of the operating system: a server that is gone without a word is noticed even by those who wait for it without limit
_KEEPALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 20_000}
_NOTICE = """SELECT set_config(name, '10s', false) FROM pg_settings WHERE name = 'client_connection_check_interval'"""


class Patient(psycopg.Connection[Any]):
    """A connection that is closed when its caller's time is up: the server's own limits do not help while it hangs."""

    def wait(self, gen: Any, *args: Any, **kwargs: Any) -> Any:
        """Wait for an answer until the caller's deadline. Raises OperationalError past it."""
        deadline = CALLER.get().deadline
        return super().wait(gen if deadline is None else self._until(deadline, gen), *args, **kwargs)

    def _until(self, deadline: float, gen: Any) -> Any:
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if not ready and time.monotonic() > deadline:
                    self.pgconn.finish()
                    raise OperationalError("it did not answer within the time allowed for the request")
                wanted = gen.send(ready)
        except StopIteration as done:
            return done.value


def make_engine(url: URL) -> Engine:
    """An engine of such connections."""
    engine = create_engine(
        url, pool_size=8, max_overflow=24, pool_use_lifo=True, pool_timeout=SECONDS_FOR_A_CONNECTION,
        hide_parameters=True,  # personal data, and errors end in logs
    )  # fmt: skip

    @event.listens_for(engine, "do_connect")
    def _connect(dialect: Any, record: Any, args: Any, parameters: dict[str, Any]) -> Patient:
        left, longest = CALLER.get().left, float(parameters.pop("connect_timeout", SECONDS_TO_CONNECT))
        within = longest if left is None else min(longest, left)
        return Patient.connect(*args, **{**_KEEPALIVE, **parameters}, connect_timeout=max(1, math.ceil(within)))

    @event.listens_for(engine, "connect")
    def _configure(connection: Patient, record: Any) -> None:
        connection.execute(_NOTICE)  # from version 14 on: nothing is done for those who do not wait any longer
        connection.commit()

    @event.listens_for(engine, "checkin")
    def _came_back(connection: Any, record: Any) -> None:
        record.info["used"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def _look(connection: Any, record: Any, proxy: Any) -> None:
        if time.monotonic() - record.info.get("used", math.inf) > SURE and not _answers(engine, connection):
            raise InvalidatePoolError  # this one and all others that are as old are made anew

    return engine


def _answers(engine: Engine, connection: Any) -> bool:
    try:
        return engine.dialect.do_ping(connection)
    except psycopg.Error:
        return False
