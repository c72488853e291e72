"""Errors meant for a person: each message names the field and the remedy."""

from __future__ import annotations

from typing import Any


class PersonaError(Exception):
    """Base of every error that the command line prints and the API answers without a traceback."""


class BadInput(PersonaError):
    """A value that cannot be used. field: its name as the sender wrote it; message: why, without that name; code: for
    programs, where there are several reasons to tell apart."""

    def __init__(self, field: str, message: str, code: str = "") -> None:
        super().__init__(f"{field}: {message}")
        self.field, self.message, self.code = field, message, code

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.field, self.message, self.code), self.__dict__  # it comes from worker processes too


class NotFound(PersonaError):
    """Something named that is not there."""


class Conflict(PersonaError):
    """A request that contradicts what is already stored."""


class Underway(Conflict):
    """The same is being done already, for another request. retry_after: seconds until it may be worth a look."""

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class OutOfDate(PersonaError):
    """What this installation has not, or has of another version: a migration, a model folder, an optional package."""


class Busy(PersonaError):
    """More is asked for than can be done now; nothing was begun. retry_after: seconds until it may be worth a try."""

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TooLate(PersonaError):
    """The time within which an answer was wanted ran out before there was one."""


class Unavailable(PersonaError):
    """What has to help with this, such as the database, does not now. To ask again is safe and may help."""


class NoRoom(PersonaError):
    """The disk that has to take what was made is full; nothing was kept."""
