"""The index: one row for each entry of each user, in types that pandas, DuckDB and Spark read alike.

The same rows give the same bytes, by the same version of Arrow, however they were handed over.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from persona.batch.draft import Draft
from persona.errors import BadInput
from persona.recommend.entries import Entry

if TYPE_CHECKING:
    from persona.batch.making import Made

Rows: TypeAlias = pa.Table  # with these columns, or some of them
_TOLD = ("kind", "model", "generated", "licence")  # of a picture, beside it
ROWS = 4096  # to a row group; what a writer holds in memory
_REASON = pa.struct(
    [
        pa.field("kind", pa.string()),
        pa.field("text", pa.string()),
        pa.field("weight", pa.float64()),
        pa.field("item_id", pa.string()),
        pa.field("facet", pa.string()),
        pa.field("value", pa.string()),
    ]
)
SCHEMA = pa.schema(
    [
        pa.field("user_id", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("rank", pa.int32(), nullable=False),
        pa.field("item_id", pa.string()),
        pa.field("generation_id", pa.string()),
        pa.field("picture", pa.string()),
        pa.field("score", pa.float64(), nullable=False),
        pa.field("category", pa.string(), nullable=False),
        pa.field("colour", pa.string()),
        pa.field("title", pa.string(), nullable=False),
        pa.field("generated", pa.bool_(), nullable=False),
        pa.field("licence", pa.string(), nullable=False),
        pa.field("reasons", pa.list_(_REASON), nullable=False),
        pa.field("seed", pa.int64(), nullable=False),
        pa.field("model", pa.string(), nullable=False),
        pa.field("taste_model", pa.string(), nullable=False),
        pa.field("generator_model", pa.string(), nullable=False),
        pa.field("watermark", pa.int64(), nullable=False),
        pa.field("condition_digest", pa.string()),
        pa.field("detail", pa.string(), nullable=False),
        pa.field("feature", pa.list_(pa.float32())),
    ]
)
"""Columns as the fields of `Entry`; detail: as JSON; watermark: number of the user's last event that counted;
taste_model, generator_model: of the user's arm; feature: content vector (64,) of what was generated, else null."""


def table_of(made: Made, taste: str, generator: str) -> Rows:
    """The rows of what was made for one user. taste, generator: the models of the user's arm."""
    about = {
        "user_id": made.user_id,
        "taste_model": taste,
        "generator_model": generator,
        "watermark": made.watermark,
    }
    rows = [{**about, **_plain(entry), "feature": _feature(made, entry)} for entry in made.entries]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def entries_of(rows: Rows) -> list[Entry]:
    """The entries that rows were written from, in their order."""
    return [
        Entry.model_validate({**row, "detail": json.loads(row["detail"])})
        for row in rows.select(list(Entry.model_fields)).to_pylist()
    ]


def made_pictures(rows: Rows) -> dict[str, dict[str, Any]]:
    """What goes into the archive: sha256 of every picture that was made, in the order of the rows, and of the first
    entry that shows it `kind`, `model`, `generated` and `licence`. Pictures of real items stay with their owner."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows.select([*_TOLD, "picture", "generator_model", "detail"]).to_pylist():
        if row["picture"] is not None and row["kind"] != "item":
            found.setdefault(row["picture"], {name: row[name] for name in _TOLD})
        for piece in made_pieces(json.loads(row["detail"])) if row["kind"] == "outfit" else ():
            about = {"kind": "garment", "model": row["generator_model"], "generated": True, "licence": row["licence"]}
            found.setdefault(piece["picture"], about)
    return found


def made_pieces(detail: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Of an outfit's detail, the pieces that were made for it because the catalogue had none."""
    return [piece for piece in detail.get("pieces", ()) if piece.get("generation_id") and piece.get("picture")]


def named_pictures(index: Path) -> pa.Array:
    """sha256 of every picture in the archive of an index, each once. Raises BadInput for a damaged file."""
    found: list[pa.Array] = [pa.array([], pa.string())]
    for rows in _batches(index, ["kind", "picture", "detail"]):
        made = rows.filter(pc.and_(pc.not_equal(rows["kind"], "item"), pc.is_valid(rows["picture"])))
        outfits = rows.filter(pc.match_substring(rows["detail"], '"generation_id":"'))  # few have such a piece
        pieces = [piece["picture"] for told in outfits["detail"].to_pylist() for piece in made_pieces(json.loads(told))]
        found += [*made["picture"].chunks, pa.array(pieces, pa.string())]
    return pa.concat_arrays(found).unique()


def by_user(path: Path, columns: Sequence[str] | None = None) -> Iterator[tuple[str, Rows]]:
    """Yield (user id, rows) of an index, in its order, some thousand rows in memory. columns: None for all.

    Raises BadInput for a file that cannot be read.
    """
    wanted = None if columns is None else sorted({"user_id", *columns})
    held: list[Rows] = []
    whose = None
    for batch in _batches(path, wanted):
        for user_id, part in _runs(batch):
            if user_id != whose and held:
                yield held[0]["user_id"][0].as_py(), pa.concat_tables(held)
                held = []
            whose = user_id
            held.append(part)
    if held:
        yield held[0]["user_id"][0].as_py(), pa.concat_tables(held)


class IndexWriter:
    """Writes rows as Parquet, a row group at a time."""

    def __init__(self, file: Draft) -> None:
        self._writer = pq.ParquetWriter(
            file, SCHEMA, compression="zstd", compression_level=3, version="2.6", write_page_checksum=True
        )
        self._held: list[Rows] = []
        self._count = 0
        self.rows = 0

    def write(self, rows: Rows) -> None:
        """Add rows; where they came from or how many at a time does not show in the file."""
        self.rows += rows.num_rows
        self._count += rows.num_rows
        self._held.append(rows)
        if self._count >= ROWS:
            together = pa.concat_tables(self._held)
            whole = self._count // ROWS * ROWS
            self._write(together.slice(0, whole))
            self._held, self._count = [together.slice(whole)], self._count - whole

    def close(self) -> None:
        """Write what is left, and the footer."""
        if self._count:
            self._write(pa.concat_tables(self._held))
        self._writer.close()

    def abandon(self) -> None:
        """Let go of the file without a footer; nothing of it will be used."""
        self._writer.is_open = False

    def _write(self, rows: Rows) -> None:
        self._writer.write_table(rows.combine_chunks(), row_group_size=ROWS)


def _plain(entry: Entry) -> dict[str, Any]:
    plain = entry.model_dump()
    plain["detail"] = json.dumps(entry.detail, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return plain


def _feature(made: Made, entry: Entry) -> Any:
    return made.features.get(entry.generation_id) if entry.generation_id is not None else None


def _batches(path: Path, columns: Sequence[str] | None) -> Iterable[Rows]:
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            for batch in file.iter_batches(batch_size=ROWS, columns=columns):
                yield pa.Table.from_batches([batch])
    except (OSError, pa.ArrowException) as error:
        raise BadInput(str(path), f"is damaged ({error}); see `persona batch verify`, make it anew") from error


def _runs(rows: Rows) -> Iterator[tuple[str, Rows]]:
    """Rows of the same user that stand together."""
    start = 0
    for user_id, run in groupby(rows["user_id"].to_pylist()):
        count = sum(1 for _ in run)
        yield user_id, rows.slice(start, count)
        start += count
