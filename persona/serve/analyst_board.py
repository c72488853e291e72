"""The board that `persona analyze board` leaves in the home folder: pictures and segments, for the overview to show."""

from __future__ import annotations

import json
import logging
from datetime import datetime
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from persona.errors import NotFound

FOLDER, FILE = "analysis", "board.json"
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}\.(webp|png)$")]
log = logging.getLogger(__name__)


class BoardPicture(BaseModel):
    """A picture. file: its name beside board.json; alt: what is on it, for who cannot see it."""

    model_config = ConfigDict(frozen=True)

    file: Name
    title: str
    alt: str
    about: str = ""
    generated: bool = False


class BoardSegment(BaseModel):
    """A segment's card. facts: what is worth saying, by name, as text."""

    model_config = ConfigDict(frozen=True)

    name: str
    about: str = ""
    file: Name | None = None
    alt: str = ""
    generated: bool = True
    facts: dict[str, str] = {}


class Board(BaseModel):
    """Everything on it, in the order in which it is shown. notes: what is left out, and why."""

    model_config = ConfigDict(frozen=True)

    made_at: datetime
    notes: tuple[str, ...] = ()
    pictures: tuple[BoardPicture, ...] = ()
    segments: tuple[BoardSegment, ...] = ()

    def files(self) -> frozenset[str]:
        """The names of all pictures."""
        cards = {segment.file for segment in self.segments if segment.file}
        return frozenset(cards | {picture.file for picture in self.pictures})


def board_in(home: Path) -> Board | None:
    """The board of a home folder; None where there is none that can be read."""
    try:
        return Board.model_validate(json.loads((home / FOLDER / FILE).read_text()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, ValidationError) as error:
        log.warning("the board cannot be read: %s", type(error).__name__)
        return None


def picture_in(home: Path, name: str) -> Path:
    """Where a picture of the board is. Raises NotFound for any other file."""
    board = board_in(home)
    path = home / FOLDER / name
    if board is None or name not in board.files() or not path.is_file():
        raise NotFound(f"picture {name[:80]!r} is not on the board; it may have been made anew: open the page again")
    return path
