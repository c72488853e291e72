"""What was known of users at given moments, for learning: nothing in a row is from after its entity's time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from persona.analyze.times import aware_column
from persona.errors import BadInput
from persona.store.engine import batches
from persona.store.records import EVENT_TYPES
from persona.store.sums import WEIGHTS
from persona.taste.table import FACET_NAMES, STATEMENTS, statement_code

if TYPE_CHECKING:
    from persona.analyze.store import AnalystStore

AT_ONCE = 2_000  # users, with all their events, in memory
TRAITS = ["age_band", "skin_tone", "skin_tone_band", "undertone", "body_shape"]
STATED = [f"stated_{facet}={value}" for facet, value in STATEMENTS]
COUNTS = [f"events_{kind}" for kind in EVENT_TYPES]
TASTE = [f"taste_{facet}={value}" for facet, value in STATEMENTS]
FEATURES = [*TRAITS, *STATED, "events", *COUNTS, "days_since", *TASTE, "embedding", "embedding_version"]
_FACET = np.array([FACET_NAMES.index(facet) for facet, _ in STATEMENTS])


def training_frame(store: AnalystStore, entities: pd.DataFrame) -> pd.DataFrame:
    """The entities' rows, in their order and with their index, and beside them what was known of each user then.

    entities: with `user_id`, `at` (aware times) and what else they carry, such as a label. Added are, as of `at`: the
    traits that were valid (missing where histories do not go back so far), `stated_FACET=VALUE`, the weights that
    were stated; of the events on garments strictly before, `events`, `events_TYPE`, `days_since` the last (nan without
    one) and `taste_FACET=VALUE`, the share that the value has of what they weigh in its facet: -1 to 1, the sizes of
    a facet's shares summing to 1, or all 0; and of the condition vectors made strictly before, the last: `embedding`
    (float32, or None) with its `embedding_version`.

    Left out, and counted in `attrs["left_out"]`, are entities whose user analysts do not see or who does not allow
    `training`. As they are now count those consents, and what the catalogue says of items. A profile's change drops
    the user's condition vectors, so that a row may come to lack one; it never gets one from after its time.

    Raises BadInput for columns that are missing or would be written over, and for times without a zone.
    """
    wanted = _checked(entities)
    allowed = _allowed(store, wanted["user_id"])
    rows = wanted[allowed == "yes"].sort_values("at", kind="stable")
    garments = _garments(store)
    parts = [
        _known(store, rows[rows["user_id"].isin(users)], users, garments)
        for users in batches(sorted(rows["user_id"].unique()), AT_ONCE)
    ]
    features = pd.concat(parts or [_known(store, rows, [], garments)]).sort_index()
    found = entities.iloc[features.index]
    found = pd.concat([found, features.set_axis(found.index)], axis=1)
    found.attrs["left_out"] = {why: int((allowed == why).sum()) for why in ("not seen", "no consent")}
    return found


def _checked(entities: pd.DataFrame) -> pd.DataFrame:
    """Users and times, row by row."""
    for name in ("user_id", "at"):
        if name not in entities:
            raise BadInput("entities", f"has no column {name!r}; give users (user_id) and moments (at)")
    if taken := [name for name in FEATURES if name in entities]:
        raise BadInput("entities", f"has a column {taken[0]!r}, which would be written over; name it otherwise")
    if entities["user_id"].isna().any():
        raise BadInput("entities", "lacks a user_id; give every row its user")
    users, at = entities["user_id"].astype(str), aware_column("at", entities["at"])
    return pd.DataFrame({"user_id": users.array, "at": at.array})


def _allowed(store: AnalystStore, users: pd.Series) -> pd.Series:
    """Of each row: yes, "no consent" for training, or "not seen" by analysts."""
    found: dict[str, str] = {}
    for part in batches(users.unique(), AT_ONCE):
        where, parameters = among(part)
        seen = store.frame("dim_user", ["user_id", "training"], where, parameters)
        found.update(zip(seen["user_id"], np.where(seen["training"], "yes", "no consent"), strict=True))
    return users.map(found).astype(object).fillna("not seen")


def among(users: Sequence[str]) -> tuple[str, dict[str, str]]:
    """SQL that holds of these users' rows, and its parameters."""
    names = [f"u{place}" for place in range(len(users))]
    return f"user_id IN ({', '.join(f':{name}' for name in names) or 'NULL'})", dict(zip(names, users, strict=True))


def _known(store: AnalystStore, rows: pd.DataFrame, users: Sequence[str], garments: pd.DataFrame) -> pd.DataFrame:
    """The features of rows in order of time, all of these users."""
    parts = [_profiles(store, rows, users), _acts(store, rows, users, garments), _embeddings(store, rows, users)]
    return pd.concat(parts, axis=1)[FEATURES]


def _profiles(store: AnalystStore, rows: pd.DataFrame, users: Sequence[str]) -> pd.DataFrame:
    where, parameters = among(users)
    history = store.frame(
        "dim_user_history", ["user_id", "valid_from", "valid_to", *TRAITS, "stated"], where, parameters
    )
    place = _last(rows, history, "valid_from", exact=True)
    ends = history["valid_to"].reindex(place)
    place = np.where(ends.isna().to_numpy() | (_utc(rows["at"]) < _utc(ends)), place, -1)
    stated = np.zeros((len(history) + 1, len(STATEMENTS)), np.float32)
    stated[-1] = np.nan
    for row, said in zip(stated, history["stated"]):
        for statement, weight in said.items():
            row[statement_code(*statement.split("=", 1))] = weight
    traits = history[TRAITS].reindex(place).set_axis(rows.index)
    return pd.concat([traits, pd.DataFrame(stated[place], rows.index, STATED)], axis=1)


def _acts(store: AnalystStore, rows: pd.DataFrame, users: Sequence[str], garments: pd.DataFrame) -> pd.DataFrame:
    acts = _read_acts(store, rows, users, garments)
    sums = _sums(acts, garments)
    last = _last(rows, acts, "at", exact=False)
    first = np.searchsorted(acts["user_id"].to_numpy(str), rows["user_id"].to_numpy(str))
    done = np.where(last[:, None] >= 0, sums[last + 1] - sums[np.where(last >= 0, first, 0)], 0.0)
    counts, weights = done[:, : len(COUNTS)], done[:, len(COUNTS) :]
    since = (_utc(rows["at"]) - _utc(acts["at"].reindex(last))) / np.timedelta64(1, "D")
    told = pd.DataFrame({"events": counts.sum(1).astype(np.int64), "days_since": since}, rows.index)
    numbers = pd.DataFrame(counts.astype(np.int64), rows.index, COUNTS)
    return pd.concat([told, numbers, pd.DataFrame(shares(weights), rows.index, TASTE)], axis=1)


def _read_acts(store: AnalystStore, rows: pd.DataFrame, users: Sequence[str], garments: pd.DataFrame) -> pd.DataFrame:
    """What these users did with garments before the last of the rows, by user and time.

    The garments are beside, not joined in SQL: SQLite would go from them to all of their events.
    """
    where, parameters = among(users)
    before = rows["at"].max().ceil("us").to_pydatetime() if len(rows) else None
    columns = ["user_id", "at", "type", "item_id"]
    found = store.frame("fct_event", columns, f"{where} AND at < :before", {**parameters, "before": before})
    place = garments.index.get_indexer(pd.Index(found["item_id"]))
    found = found.drop(columns="item_id").assign(garment=place)[place >= 0]
    return found.sort_values(["user_id", "at"], kind="stable", ignore_index=True)


def _garments(store: AnalystStore) -> pd.DataFrame:
    """Garments (index) and, for each facet, the code of what is said of them, -1 for nothing."""
    found = store.frame("dim_item", ["item_id", *FACET_NAMES], "domain = 'garment'").set_index("item_id")
    for facet in FACET_NAMES:
        codes = {value: statement_code(facet, value) for name, value in STATEMENTS if name == facet}
        found[facet] = found[facet].astype(object).map(codes).fillna(-1).astype(int)
    return found


def _sums(acts: pd.DataFrame, garments: pd.DataFrame) -> NDArray[np.float64]:
    """What came together up to each act: counts by type, then weights by statement, (n + 1, 7 + 37)."""
    parts = np.zeros((len(acts) + 1, len(COUNTS) + len(STATEMENTS)))
    kinds = acts["type"].astype(str)
    row = np.arange(1, len(acts) + 1)
    parts[row, kinds.map({kind: place for place, kind in enumerate(EVENT_TYPES)}).to_numpy(int)] = 1
    weight = kinds.map(WEIGHTS).to_numpy(float)
    for facet in FACET_NAMES:
        place = garments[facet].to_numpy()[acts["garment"]]
        told = place >= 0
        parts[row[told], len(COUNTS) + place[told]] = weight[told]
    return parts.cumsum(0)


def shares(weights: NDArray[np.float64]) -> NDArray[np.float32]:
    """Weights (n, 37) by statement as shares of the sizes of all of their facet: float32, 0 where these are 0."""
    sizes = np.zeros((len(weights), len(FACET_NAMES)))
    np.add.at(sizes.T, _FACET, np.abs(weights).T)
    of = sizes[:, _FACET]
    return np.divide(weights, of, out=np.zeros_like(weights), where=of > 0).astype(np.float32)


def _embeddings(store: AnalystStore, rows: pd.DataFrame, users: Sequence[str]) -> pd.DataFrame:
    where, parameters = among(users)
    made = store.frame("fct_user_embedding", ["user_id", "version", "as_of", "vector"], where, parameters)
    made = made.sort_values(["as_of", "version"], ignore_index=True)
    last = made.reindex(_last(rows, made, "as_of", exact=False)).set_axis(rows.index)
    vectors = last["vector"].astype(object).where(last["vector"].notna(), None)
    return pd.DataFrame({"embedding": vectors, "embedding_version": last["version"].astype("str")}, rows.index)


def _utc(times: pd.Series) -> NDArray[np.datetime64]:
    return times.dt.tz_localize(None).to_numpy()


def _last(rows: pd.DataFrame, facts: pd.DataFrame, time: str, *, exact: bool) -> NDArray[np.int64]:
    """Where among the facts the user's last before each row's time is, -1 for none. exact: at that time, too."""
    unit = rows["at"].dt.unit
    told = pd.DataFrame({"user_id": facts["user_id"], "of": facts[time].dt.as_unit(unit), "place": range(len(facts))})
    found = pd.merge_asof(
        rows,
        told.sort_values("of", kind="stable"),
        left_on="at",
        right_on="of",
        by="user_id",
        allow_exact_matches=exact,
    )
    return found["place"].fillna(-1).to_numpy(np.int64)
