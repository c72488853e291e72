"""Connections to an SQLite file: the one that was opened. Its writers wait no longer than is allowed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import InvalidatePoolError

from persona.caller import CALLER
from persona.errors import Unavailable

SECONDS_TO_WAIT = 30  # for another writer of the same file
SECONDS_FOR_A_CONNECTION = 5  # to become free, when all are in use
_IMMEDIATE = "persona_immediate"


def make_engine(url: URL, *, foreign_keys: bool = True, read_only: bool = False) -> Engine:
    """An engine of such connections. Every commit reaches the disk before it is acknowledged.

    read_only: nothing can be written through it, and no file comes to be.
    """
    file, opened = str(url.database), False
    if read_only:
        url = url.set(database=Path(file).absolute().as_uri()).update_query_dict({"mode": "ro", "uri": "true"})
    # isolation_level None: the driver begins nothing by itself, _begin does
    connect_args = {"timeout": SECONDS_TO_WAIT, "isolation_level": None, "check_same_thread": False}
    engine = create_engine(
        url, connect_args=connect_args, pool_size=8, max_overflow=24, pool_use_lifo=True,
        pool_timeout=SECONDS_FOR_A_CONNECTION, hide_parameters=True,  # personal data, and errors end in logs
    )  # fmt: skip

    @event.listens_for(engine, "do_connect")
    def _still_there(dialect: Any, record: Any, args: Any, parameters: Any) -> None:
        if opened and _inode(file) is None:  # to connect would make an empty one
            raise Unavailable("the database does not answer; try again in a moment")

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, record: Any) -> None:
        nonlocal opened
        opened, record.info["inode"] = True, _inode(file)
        if read_only:
            connection.execute("PRAGMA query_only=ON")
            return
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(f"PRAGMA foreign_keys={'ON' if foreign_keys else 'OFF'}")

    @event.listens_for(engine, "checkout")
    def _look(connection: Any, record: Any, proxy: Any) -> None:
        if record.info["inode"] != _inode(file):  # removed or put back: the old one would still answer, with old data
            raise InvalidatePoolError

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # a transaction that reads first and writes later could not wait for another writer: it takes its turn at once
        immediate = connection.get_execution_options().get(_IMMEDIATE, False)
        if immediate:
            left = CALLER.get().left
            patience = SECONDS_TO_WAIT if left is None else min(left, SECONDS_TO_WAIT)
            connection.exec_driver_sql(f"PRAGMA busy_timeout={int(patience * 1000)}")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine


def for_writing(engine: Engine) -> Engine:
    """The same engine, whose transactions begin as writers."""
    return engine.execution_options(**{_IMMEDIATE: True})


def _inode(file: str) -> int | None:
    try:
        return os.stat(file).st_ino
    except OSError:
        return None
