"""What a worker of a run does, in whatever process on whatever machine: it opens once, and makes shard after shard."""

from __future__ import annotations

import pickle
import traceback
from pathlib import Path

from persona.batch.types import Make, Open, ShardRecord
from persona.errors import PersonaError
from persona.settings import Settings

Outcome = ShardRecord | Exception

DEATHS = 3
"""So many workers may die of one shard."""


class Worker:
    """Makes shards of the run in a directory, one at a time. It opens with the first: so all errors are outcomes."""

    def __init__(self, open: Open, out: Path, settings: Settings) -> None:
        self._open, self._out, self._settings = open, out, settings
        self._make: Make | None = None

    @property
    def module(self) -> str:
        """That has to be imported for it."""
        return self._open.__module__

    def __call__(self, shard: int) -> Outcome:
        """Make a shard. What it came to can be pickled, an error too."""
        try:
            if self._make is None:
                self._make = self._open(self._out, self._settings)
            return self._make(shard)
        except Exception as error:
            return _portable(error)

    def close(self) -> None:
        """Close what was opened, where that has a method for it."""
        close_made(self._make)


def close_made(make: Make | None) -> None:
    """Close what an Open returned, where it has a method `close`."""
    close = getattr(make, "close", None)
    if close is not None:
        close()


def died(shard: int, how: str) -> PersonaError:
    """The error of a shard that nobody survives. how: the last of them died."""
    return PersonaError(
        f"shard {shard}: {DEATHS} workers died of it, one after the other ({how}); perhaps for want of memory: give "
        "them more of it, or use fewer --workers, then go on with `persona batch resume`"
    )


def _portable(error: Exception) -> Exception:
    """The error, if it outlives a pickle, else one that says the same; where it came from is a note on it."""
    told = "".join(traceback.format_exception(error))
    try:
        again = pickle.loads(pickle.dumps(error))
    except Exception:  # such as one whose __init__ wants more than its message
        again = PersonaError(f"{type(error).__name__}: {error}")
    again.add_note(f"In a worker:\n{told}")
    return again
