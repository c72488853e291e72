"""Why an item: which stated preferences and past events its score comes from, by leaving each out in turn.

The model is read again without the one thing, and what the item then loses against the catalogue's mean is that thing's
part. So a reason names what really moved the score, and says nothing of the model's other workings. What co-occurrence
adds needs no leaving out: it is a sum over the events, so their parts of it are exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from persona.store.records import Item, Preference, Profile, Reason
from persona.taste.history import LONGEST, HistoryEntry
from persona.taste.model import TasteModel
from persona.taste.table import CATEGORY_NAMES, UNKNOWN, Floats, Items, ItemTable

MOST = 3  # reasons given for one item
SMALLEST = 0.1  # share of the score under which a second cause is not worth naming
POPULAR = Reason(kind="popular", text="popular with everyone", weight=1.0)
_DONE = {
    "view": "you looked at {}", "like": "you liked {}", "save": "you saved {}", "cart": "you put {} in your cart",
    "purchase": "you bought {}", "dislike": "you disliked {}", "hide": "you hid {}",
}  # fmt: skip
_PLURALS = {"dress": "dresses", "pants": "pants", "shorts": "shorts", "shoes": "shoes", "body": "bodies"}


@dataclass(frozen=True)
class Causes:
    """What a user vector was made from. lost: float32 (c, d), the vector less the one read without cause i."""

    causes: list[Preference | HistoryEntry]
    vector: Floats
    lost: Floats


def causes_of(
    model: TasteModel,
    profile: Profile | None,
    history: Sequence[HistoryEntry],
    table: Items,
    vectors: Floats | None = None,
) -> Causes:
    """Read a user once whole and once without each stated preference and each of the last 50 events, in one batch.

    vectors (n, d): the table's `item_vectors`, where they are at hand: that is faster.
    """
    history = list(history[-LONGEST:])
    stated = [
        preference for preference in (profile.preferences if profile is not None else ()) if preference.weight != 0
    ]
    whole = (profile, history)
    users: list[tuple[Profile | None, Sequence[HistoryEntry]]] = [whole]
    for left_out in stated:
        assert profile is not None
        rest = tuple(preference for preference in profile.preferences if preference is not left_out)
        users.append((profile.model_copy(update={"preferences": rest}), history))
    users += [(profile, history[:place] + history[place + 1 :]) for place in range(len(history))]
    read = model.encode_many(users, table, vectors)
    return Causes([*stated, *history], read[0], read[0] - read[1:])


def reasons_for(
    causes: Causes, vectors: Floats, mean: Floats, table: ItemTable, prior: Floats | None = None,
    parts: Floats | None = None, most: int = MOST,
) -> list[tuple[Reason, ...]]:  # fmt: skip
    """Reasons for each of several items or generated pictures, given by their vectors (m, d).

    mean (d,): the mean vector of the catalogue. prior (m,): what popularity adds to each score. parts (h, m): what each
    event of the history that was read adds to each score by co-occurrence (`Companions.parts`), without which there is
    none. Weights are shares of the score over the catalogue's mean, see `shares_of`; the rest is popularity's.
    """
    shares = shares_of(causes, vectors - mean, prior, parts)
    names = [_reason(cause, table) for cause in causes.causes]
    return [
        _strongest([*zip(names, row.tolist(), strict=True), (POPULAR, 1 - float(row.sum()))], most) for row in shares
    ]


def shares_of(causes: Causes, lead: Floats, prior: Floats | None = None, parts: Floats | None = None) -> Floats:
    """The causes' shares of the scores of m items, float32 (m, c). lead (m, d): item vectors less the catalogue's mean.

    The encoder's part is divided in proportion to what is lost without each (like causes stand in for one another, so
    the losses alone would add up to less); to that comes each event's part by co-occurrence.
    """
    popular = np.zeros(len(lead), np.float32) if prior is None else prior.clip(min=0)
    lost, own = (lead @ causes.lost.T).clip(min=0), (lead @ causes.vector).clip(min=0)
    own *= lost.any(1)
    due = lost * (own / lost.sum(1).clip(1e-12))[:, None]
    if parts is not None:
        due[:, due.shape[1] - len(parts) :] += parts.T  # the events are the last causes
    return np.asarray(due / (due.sum(1) + popular).clip(1e-12)[:, None])


def explain(
    model: TasteModel, profile: Profile | None, history: Sequence[HistoryEntry], table: ItemTable, item_index: int
) -> tuple[Reason, ...]:
    """Reasons for one row of the table, strongest first; popularity where nothing else speaks for it."""
    vectors, prior = model.item_vectors(table), model.prior(table)
    causes = causes_of(model, profile, history, table)
    return reasons_for(causes, vectors[[item_index]], vectors.mean(0), table, prior[[item_index]])[0]


def _strongest(shares: Sequence[tuple[Reason, float]], most: int) -> tuple[Reason, ...]:
    """The reasons of the greatest shares; those of one text (two black hats that were bought) count as one."""
    by_text: dict[str, tuple[Reason, float]] = {}
    for reason, share in shares:
        first, sum_before = by_text.get(reason.text, (reason, 0.0))
        by_text[reason.text] = first, sum_before + share
    ranked = sorted(by_text.values(), key=lambda pair: -pair[1])[:most]
    return tuple(
        reason.model_copy(update={"weight": share})
        for place, (reason, share) in enumerate(ranked)
        if place == 0 or share >= SMALLEST
    )


def _reason(cause: Preference | HistoryEntry, table: ItemTable) -> Reason:
    if isinstance(cause, Preference):
        verb = "like" if cause.weight > 0 else "dislike"
        text = f"because you {verb} {_said(cause)}"
        return Reason(kind="preference", text=text, weight=0, facet=cause.facet, value=cause.value)
    item = table.items[cause.item] if cause.item is not None else cause.style
    text = "because " + _DONE[cause.type].format(name_of(item) if item else _drawn(cause.category))
    return Reason(kind="event", text=text, weight=0, item_id=item.id if item else None)


def _said(preference: Preference) -> str:
    if preference.facet == "category":
        return _PLURALS.get(preference.value, preference.value + "s")
    return {"pattern": f"{preference.value} garments", "style": f"a {preference.value} style"}.get(
        preference.facet, preference.value
    )


def name_of(item: Item) -> str:
    """An item as a person would name it: its title, or colour, pattern and category; a style by its name."""
    if item.domain == "style":
        return f"the style {item.title or item.id}"
    if item.title:
        return item.title
    words = [item.colour, item.pattern if item.pattern != "plain" else None, item.category]
    return _with_article(" ".join(word for word in words if word))


def _drawn(category: int) -> str:
    return _with_article(f"generated {CATEGORY_NAMES[category] if category != UNKNOWN else 'picture'}")


def _with_article(name: str) -> str:
    if name.endswith(("pants", "shorts", "shoes")):
        return name
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
