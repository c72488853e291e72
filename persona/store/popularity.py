"""What everybody together did with the garments: how popular each is, with everybody and in each age band."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from persona.store.engine import Database, batches
from persona.store.events import GARMENT, POPULARITY, refused
from persona.store.schema import EventRow, ItemRow, UserRow

SEGMENT = 20  # users of a segment, at least: of fewer one could tell what one of them did
_ACTS = """
    SELECT users.age_band, events.item_id, events.type{count} FROM events{scan} JOIN users ON users.id = events.user_id
    WHERE events.item_id IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM consents WHERE user_id = users.id AND purpose = 'personalisation' AND granted = false)
"""

Act = tuple[str | None, str, str]
"""Age band, item id, type of event."""


@dataclass(frozen=True)
class Popularity:
    """Weighted numbers of events (see POPULARITY) by item, of everybody; segments: the same within age bands."""

    overall: Mapping[str, float] = field(default_factory=dict)
    segments: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


class Popularities(Database):
    """The part of the store that counts everybody's events."""

    def popularity(self, least: int = SEGMENT) -> Popularity:
        """Return how popular every garment is that has events, in one pass over them.

        Users who refuse personalisation do not count. Segments are age bands of at least so many users who did
        something, and no children: no segment is made of them.
        """
        with self._reading() as session:
            acts = self._acts(session)
            beside = _no_garments(session, {item_id for _, item_id, _ in acts})
            overall: defaultdict[str, float] = defaultdict(float)
            bands: defaultdict[str, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
            for (band, item_id, kind), count in acts.items():
                if item_id not in beside:
                    overall[item_id] += count * POPULARITY[kind]
                    if band is not None and band != "under-18":
                        bands[band][item_id] += count * POPULARITY[kind]
            many = [band for band in sorted(bands) if _are_many(session, band, least)]
        return Popularity(_in_order(overall), {band: _in_order(bands[band]) for band in many})

    def _acts(self, session: Session) -> Mapping[Act, int]:
        """How often each thing was done. Of SQLite, which would sort them all to group them, they are counted here."""
        if self._postgres:
            rows = session.execute(text(_ACTS.format(count=", count(*)", scan="") + " GROUP BY 1, 2, 3"))
            return {(band, item_id, kind): count for band, item_id, kind, count in rows}
        connection = session.connection().connection.driver_connection
        assert connection is not None
        return Counter(connection.execute(_ACTS.format(count="", scan=" NOT INDEXED CROSS")))


def _no_garments(session: Session, item_ids: Collection[str]) -> set[str]:
    """Which of these are looks and styles."""
    found: set[str] = set()
    for part in batches(item_ids):
        query = select(ItemRow.id).where(ItemRow.id.in_(part), ItemRow.domain != "garment")
        found.update(session.scalars(query))
    return found


def _are_many(session: Session, band: str, least: int) -> bool:
    """Whether so many users of an age band did something with garments; not counted further than that."""
    acted = select(EventRow.id).where(EventRow.user_id == UserRow.id, GARMENT).exists()
    willing = UserRow.id.not_in(refused("personalisation"))
    some = select(UserRow.id).where(UserRow.age_band == band, willing, acted).limit(least).subquery()
    return (session.scalar(select(func.count()).select_from(some)) or 0) >= least


def _in_order(counts: Mapping[str, float]) -> dict[str, float]:
    return dict(sorted(counts.items()))
