"""What everybody together did, as rankings need it: held still, so that all who work on one run rank alike.

The service reads it anew every now and then; a run of the batch keeps it in a folder, for its workers, and for whoever
goes on with the run after it was stopped.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from persona.catalog.pictures import write_whole
from persona.errors import BadInput
from persona.recommend.tally import FILE, Tally
from persona.store.popularity import Popularity

_POPULARITY = "popularity.json"


@dataclass(frozen=True)
class Crowd:
    """popularity: of the items. tally: what was taken together, without the marks of who is counted in it."""

    popularity: Popularity = field(default_factory=Popularity)
    tally: Tally = field(default_factory=Tally.empty)

    def save(self, folder: Path) -> None:
        """Write both into a folder."""
        write_whole(folder / _POPULARITY, json.dumps(asdict(self.popularity)).encode())
        self.tally.save(folder / FILE)

    @classmethod
    def load(cls, folder: Path) -> Crowd:
        """Read both. Raises BadInput for a damaged folder."""
        try:
            popularity = Popularity(**json.loads((folder / _POPULARITY).read_text()))
        except (OSError, ValueError, TypeError) as error:
            raise BadInput(str(folder), f"is damaged ({error}); plan the run anew") from error
        return cls(popularity, Tally.load(folder / FILE))
