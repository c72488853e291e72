"""What a segment's users have in common: traits, tastes, colours, things and activity, never one user alone.

Whatever is counted of fewer than SEGMENT users is left out, or summed under "other". Traits, tastes and activity are of
all of the segment's users; colours, items and embeddings, which take reading what they did, of a sample of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from persona.analyze.groups import OTHER, interval
from persona.analyze.likes import liked_colours, liked_items, parts, some
from persona.analyze.segmentation import Segment
from persona.analyze.tastes import VALUES, Tastes, read_tastes, shares
from persona.errors import BadInput
from persona.store.popularity import SEGMENT

if TYPE_CHECKING:
    from persona.analyze.store import AnalystStore

TRAITS = ("age_band", "skin_tone_band", "undertone", "body_shape")
UNKNOWN = "unknown"
TOP = 12  # items that a profile names
Z = 1.959964  # standard normal quantile of a 95 % interval


@dataclass(frozen=True)
class SegmentProfile:
    """What is known of the users of a segment together. Intervals are of 95 %.

    size, everybody: users of the segment, and all whom analysts see. traits, activity: rows of trait, value,
    users, share, low, high (Wilson), everybody (its share of all). tastes: rows of facet, value, share, everybody,
    difference, low, high (of the difference). colours: colour, share, lab_l, lab_a, lab_b of what they like. items:
    item_id, category, title, colour, users (null below SEGMENT), most users first. archetype: mean of their condition
    vectors under the model `version` that most of `embedded` users have one of; None below SEGMENT.
    sampled: users whose events colours and items rest on.
    """

    name: str
    size: int
    everybody: int
    traits: pd.DataFrame
    activity: pd.DataFrame
    tastes: pd.DataFrame
    colours: pd.DataFrame
    items: pd.DataFrame
    sampled: int
    version: str | None = None
    embedded: int = 0
    archetype: NDArray[np.float32] | None = None


def profile(store: AnalystStore, segment: Segment, *, seed: int = 0) -> SegmentProfile:
    """The profile of a segment, of those of its users whom analysts still see.

    Raises BadInput for a segment of fewer than SEGMENT users: of so few one could tell what one of them did.
    """
    return next(profiles(store, [segment], seed=seed))


def profiles(store: AnalystStore, segments: Sequence[Segment], *, seed: int = 0) -> Iterator[SegmentProfile]:
    """Profiles of several segments, with everybody's tastes read once."""
    everybody = read_tastes(store, [*TRAITS, "activity"])
    for segment in segments:
        yield _profile(store, segment, everybody, seed)


def _profile(store: AnalystStore, segment: Segment, everybody: Tastes, seed: int) -> SegmentProfile:
    users = everybody.users
    inside = users["user_id"].isin(segment.users).to_numpy()
    if (size := int(inside.sum())) < SEGMENT:
        raise BadInput("segment", f"{segment.name!r} has {size} users; nothing is told of fewer than {SEGMENT}")
    sample = some(users.loc[inside, "user_id"].tolist(), seed)
    version, embedded, archetype = _embedding(store, sample)
    return SegmentProfile(
        name=segment.name,
        size=size,
        everybody=len(users),
        traits=pd.concat([_counted(users[trait], inside, trait) for trait in TRAITS], ignore_index=True),
        activity=_counted(users["activity"], inside, "activity"),
        tastes=_tastes(everybody, inside),
        colours=liked_colours(store, sample),
        items=_top(liked_items(store, sample)),
        sampled=len(sample),
        version=version,
        embedded=embedded,
        archetype=archetype,
    )


def _counted(column: pd.Series[Any], inside: NDArray[np.bool_], name: str) -> pd.DataFrame:
    """Values of a trait with how many of the segment have them; small numbers together."""
    words = column.astype("str").fillna(UNKNOWN)
    counts = words[inside].value_counts()
    few = set(counts.index[counts < SEGMENT])
    merged = words.where(~words.isin(few), OTHER)
    size, rows = int(inside.sum()), []
    for value, count in merged[inside].value_counts().sort_index().items():
        if count < SEGMENT:  # even all of the small ones together
            continue
        low, high = interval(int(count), size)
        overall = float((merged == value).mean())
        rows.append((name, value, int(count), count / size, low, high, overall))
    return pd.DataFrame(rows, columns=["trait", "value", "users", "share", "low", "high", "everybody"])


def _tastes(tastes: Tastes, inside: NDArray[np.bool_]) -> pd.DataFrame:
    """Mean shares of the segment against everybody's. The segment is a part f of everybody, so the difference is
    1 - f times that to the others, whose interval is Welch's at large numbers."""
    theirs, others = (_moments(shares(tastes.weights[rows & tastes.decided])) for rows in (inside, ~inside))
    part = theirs[2] / np.maximum(theirs[2] + others[2], 1)
    gap = np.where(part < 1, theirs[0] - others[0], 0)
    error = np.where(part < 1, Z * np.sqrt(theirs[1] + others[1]), 0)
    facets, values = (VALUES.get_level_values(level) for level in (0, 1))
    return pd.DataFrame({
        "facet": pd.Categorical(facets), "value": values.astype("str"), "share": theirs[0],
        "everybody": theirs[0] - (1 - part) * gap, "difference": (1 - part) * gap,
        "low": (1 - part) * (gap - error), "high": (1 - part) * (gap + error),
    })  # fmt: skip


def _moments(rows: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Mean and squared standard error of shares (n, 37), nan where fewer than SEGMENT users tell, and how many do."""
    told = (~np.isnan(rows)).sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.nansum(rows, 0, dtype=np.float64) / told
        square = np.nansum(np.square(rows), 0, dtype=np.float64) / told
        error = np.maximum(square - mean**2, 0) / (told - 1)
    mean[told < SEGMENT] = np.nan
    return mean, error, told


def _top(liked: pd.DataFrame) -> pd.DataFrame:
    best = liked.head(TOP)
    users = best["users"].astype("Int64").where(best["users"] >= SEGMENT)
    return best[["item_id", "category", "title", "colour"]].assign(users=users)


def _embedding(store: AnalystStore, sample: Sequence[str]) -> tuple[str | None, int, NDArray[np.float32] | None]:
    """The version that most users have a condition vector of, how many, and the mean of these."""
    found: dict[str, list[NDArray[np.float32]]] = {}
    for users in parts(sample):
        where = f"user_id IN ({', '.join(f':{name}' for name in users)})"
        for part in store.stream("fct_user_embedding", ["version", "vector"], where, users):
            for version, vector in zip(part["version"], part["vector"], strict=True):
                found.setdefault(version, []).append(vector)
    if not found:
        return None, 0, None
    version = max(found, key=lambda one: (len(found[one]), one))
    if len(found[version]) < SEGMENT:
        return None, 0, None
    return version, len(found[version]), np.mean(found[version], 0).astype(np.float32)
