"""What analysts' SQL may do on SQLite: read the views, with functions that only compute, for as long as is allowed.

SQLite's authorizer alone does not tell a view from a WITH of the same name. So a statement is first compiled on a twin:
an empty database in memory where the views are the only tables. What compiles there names nothing else.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager

_FUNCTIONS = """
    abs changes char coalesce concat concat_ws glob hex ifnull iif instr length like likelihood likely lower
    ltrim max min nullif octet_length quote random replace round rtrim sign soundex substr substring trim typeof
    unhex unicode unlikely upper
    avg count group_concat string_agg sum total
    row_number rank dense_rank percent_rank cume_dist ntile lag lead first_value last_value nth_value
    date time datetime julianday unixepoch strftime timediff current_date current_time current_timestamp
    acos acosh asin asinh atan atan2 atanh ceil ceiling cos cosh degrees exp floor ln log log10 log2 mod pi pow power
    radians sin sinh sqrt tan tanh trunc
    json json_array json_array_length json_each json_extract json_group_array json_group_object json_object json_tree
    json_type json_valid -> ->>
"""
FUNCTIONS = frozenset(_FUNCTIONS.split())
_DOING = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE)
_STEPS = 10_000  # of SQLite's machine between two looks at the clock: a fraction of a millisecond
_LIMITS = {sqlite3.SQLITE_LIMIT_LENGTH: 1_000_000, sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 1000}
_TABLES_OF_FUNCTIONS = ("json_each", "json_tree")


def check(sql: str, parameters: int, views: Mapping[str, Sequence[str]]) -> None:
    """Raise sqlite3.Error unless a statement, with so many `?`, only reads views. views: the columns of each."""
    with closing(sqlite3.connect(":memory:")) as twin:
        for name, columns in views.items():
            twin.execute(f"CREATE TABLE {name} ({', '.join(columns)})")
        _know_functions(twin)
        known = {*views, *_TABLES_OF_FUNCTIONS}

        def authorize(action: int, first: str | None, second: str | None, database: str | None, _: str | None) -> int:
            unknown = action == sqlite3.SQLITE_READ and database is not None and first not in known  # None: of a WITH
            return sqlite3.SQLITE_DENY if unknown else _authorize(action, first, second)

        twin.set_authorizer(authorize)
        twin.execute(f"EXPLAIN {sql}", (None,) * parameters)


@contextmanager
def guarded(connection: sqlite3.Connection, seconds: float | None) -> Iterator[None]:
    """Let a connection only read in this block, and for so many seconds; then it raises SQLITE_INTERRUPT."""
    _know_functions(connection)
    before = {limit: connection.setlimit(limit, most) for limit, most in _LIMITS.items()}
    connection.set_authorizer(_authorize)
    if seconds is not None:
        deadline = time.monotonic() + seconds
        connection.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
    try:
        yield
    finally:
        connection.set_progress_handler(None, 0)
        connection.set_authorizer(None)
        for limit, most in before.items():
            connection.setlimit(limit, most)


def _know_functions(connection: sqlite3.Connection) -> None:
    """Use those functions that are tables once: SQLite makes their tables then, which nobody is allowed to."""
    for function in _TABLES_OF_FUNCTIONS:
        connection.execute(f"SELECT 1 FROM {function}('[]')").fetchall()


def _authorize(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    if action == sqlite3.SQLITE_FUNCTION:
        return sqlite3.SQLITE_OK if (second or "").lower() in FUNCTIONS else sqlite3.SQLITE_DENY
    if (first or "").lower().startswith("sqlite_"):
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK if action in _DOING else sqlite3.SQLITE_DENY
