"""Who has to be made anew: those of whom something changed since the finished catalogue, and nobody else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
from numpy.typing import NDArray

from persona.batch.plan import Chosen, Plan
from persona.batch.types import Manifest, ShardRecord
from persona.errors import BadInput

_PIECE = re.compile(r'"item_id":"([^"]+)"')


def everything(rows: pa.Table, shards: range) -> Chosen:
    """Everybody, and shards that have nobody, too: as `plan.Choose`."""
    return Chosen(np.ones(rows.num_rows, bool), frozenset(shards))


class Changes:
    """Compares users with a finished catalogue, as `plan.Choose`.

    To be made are those who are new, whose profile or events changed, or who have an item that can no longer be had. A
    shard is made if it has such a user, and if it lost one.
    """

    def __init__(self, out: Path, before: Plan, manifest: Manifest, items: Sequence[str]) -> None:
        """items: that can be chosen now."""
        self._out, self._before = out, before
        self._records = {record.shard: record for record in manifest.shards}
        withdrawn = pc.is_in(before.items, value_set=pa.array(items, pa.string()))
        self._withdrawn = before.items.filter(pc.invert(withdrawn)).combine_chunks()

    def __call__(self, rows: pa.Table, shards: range) -> Chosen:
        """What of these users is to be made."""
        there = self._before.rows(shards)
        todo = _changed(rows, there) | self._with_withdrawn(rows, shards)
        numbers = rows["shard"].to_numpy()
        return Chosen(todo, _numbers(numbers[todo]) | self._lost(numbers, there["shard"].to_numpy(), shards))

    def _lost(self, now: NDArray[np.int32], before: NDArray[np.int32], shards: range) -> frozenset[int]:
        """Shards that have fewer users than their catalogue was made for."""
        left_out = [self._records[shard].left_out for shard in shards]
        return _numbers(np.arange(shards.start, shards.stop)[_counts(now, shards) < _counts(before, shards) - left_out])

    def _with_withdrawn(self, rows: pa.Table, shards: range) -> NDArray[np.bool_]:
        if not len(self._withdrawn):
            return np.zeros(rows.num_rows, bool)
        gone = frozenset(self._withdrawn.to_pylist())
        holding = [user for shard in shards for user in _holding(self._out, self._records[shard], gone)]
        return _is_in(rows["user_id"], holding)


def _changed(rows: pa.Table, before: pa.Table) -> NDArray[np.bool_]:
    """bool for each row: its user was not planned before, or was otherwise."""
    then = before.take(pc.index_in(rows["user_id"], value_set=before["user_id"].combine_chunks()))
    same = np.ones(rows.num_rows, bool)
    for name in ("changed", "events", "watermark"):
        same &= pc.fill_null(pc.equal(rows[name], then[name]), False).to_numpy()
    return ~same


def _holding(out: Path, record: ShardRecord, items: frozenset[str]) -> set[str]:
    """The users of a shard who were given one of these items, by itself or in an outfit."""
    path = out / record.files[0].name
    try:
        index = pq.read_table(path, columns=["user_id", "item_id", "detail"])
    except (OSError, pa.ArrowException) as error:
        raise BadInput(str(path), f"is damaged ({error}); see `persona batch verify`, make it anew") from error
    held = pc.is_in(index["item_id"], value_set=pa.array(sorted(items))).to_numpy()
    held = held | np.array([not items.isdisjoint(_PIECE.findall(detail)) for detail in index["detail"].to_pylist()])
    return set(index["user_id"].filter(pa.array(held, pa.bool_())).to_pylist())


def _is_in(user_ids: pa.ChunkedArray, some: Sequence[str]) -> NDArray[np.bool_]:
    return np.asarray(pc.is_in(user_ids, value_set=pa.array(some, pa.string())).to_numpy(), bool)


def _counts(numbers: NDArray[np.int32], shards: range) -> NDArray[np.int64]:
    return np.bincount(numbers - shards.start, minlength=len(shards))


def _numbers(numbers: NDArray[np.int32]) -> frozenset[int]:
    return frozenset(np.unique(numbers).tolist())
