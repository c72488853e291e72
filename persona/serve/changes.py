"""What an answer changed into, and why: the answer before something was done, beside the answer after it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from persona.recommend.types import RankedItem
from persona.store.records import Identifier, Record


class Done(Record):
    """What a person just did, and the item ids that stood there before it. Kept in the session, so small."""

    user_id: Identifier
    said: str  # "You liked the green dress."
    since: str  # "your like"
    item_id: Identifier | None = None  # what it was done to; neither for a change of tastes
    generation_id: Identifier | None = None
    before: tuple[Identifier, ...] = ()


@dataclass(frozen=True)
class Changes:
    """The difference that it made. moved: places gained since (negative: lost), for items that stayed."""

    done: Done
    arrived: frozenset[str]
    moved: dict[str, int]
    left: tuple[str, ...]  # without the item that it was done to: what is liked or hidden is not picked again
    why: tuple[tuple[str, int], ...]  # reasons of what arrived, with how many items each brought

    @property
    def any(self) -> bool:
        """Whether the answer is another one."""
        return bool(self.arrived or self.left or any(self.moved.values()))


def changes(done: Done, after: Sequence[RankedItem]) -> Changes:
    """Compare the ids that stood there before with the items that stand there now."""
    places = {item_id: place for place, item_id in enumerate(done.before, start=1)}
    arrived = [item for item in after if item.item_id not in places]
    staying = {item.item_id for item in after}
    return Changes(
        done=done,
        arrived=frozenset(item.item_id for item in arrived),
        moved={item.item_id: places[item.item_id] - item.rank for item in after if item.item_id in places},
        left=tuple(item_id for item_id in done.before if item_id not in {*staying, done.item_id}),
        why=_why(done, arrived),
    )


def _why(done: Done, arrived: Sequence[RankedItem]) -> tuple[tuple[str, int], ...]:
    """The weightiest reason of each arrival, or the one that names what was done, if it has one."""
    found: Counter[str] = Counter()
    for item in arrived:
        ours = [reason for reason in item.reasons if done.item_id and reason.item_id == done.item_id]
        found.update(reason.text for reason in (ours or item.reasons)[:1])
    return tuple(found.most_common(3))
