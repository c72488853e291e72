"""What analysts open: the views as pandas frames, and the questions that are asked of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import pandas as pd

from persona.analyze.abtest import ABTest, ab_test
from persona.analyze.asking import answer, stream
from persona.analyze.asof import as_of_source
from persona.analyze.dictionary import Column, view_named
from persona.analyze.frames import joined, typed
from persona.analyze.funnel import funnel
from persona.analyze.times import aware
from persona.errors import BadInput
from persona.settings import load_settings
from persona.store.warehouse import Warehouse

if TYPE_CHECKING:
    from persona.analyze.alike import Alike
    from persona.analyze.parquet import Written
    from persona.analyze.profiles import SegmentProfile
    from persona.analyze.segmentation import Segment, Segmentation


def open_store(url: str | None = None, analyst_url: str | None = None) -> AnalystStore:
    """Open the store to read: the database at this URL, or that of the settings.

    analyst_url: on PostgreSQL the analysts' login, with which `sql` runs what somebody wrote.
    Raises OutOfDate before a migration, BadInput for a URL that cannot be used.
    """
    if url is None:
        settings = load_settings()
        url, analyst_url = settings.url, analyst_url or settings.analyst_url
    return AnalystStore(Warehouse.open(url, analyst_url))


class AnalystStore:
    """The analysts' views of one store. Nothing can be written through it."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse
        self._alike: Alike | None = None
        self._making = threading.Lock()

    def close(self) -> None:
        """Close all connections."""
        self.warehouse.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def stream(
        self,
        view: str,
        columns: Sequence[str] | None = None,
        where: str = "",
        parameters: Mapping[str, Any] | None = None,
        *,
        as_of: datetime | None = None,
    ) -> Iterator[pd.DataFrame]:
        """Yield a view's rows some thousand at a time.

        where: SQL with `:name` parameters, never from outside. as_of: the rows as they were at this moment, see
        `persona.analyze.asof`. Raises BadInput for unknown names and for a time without a zone.
        """
        types = view_named(view).columns
        wanted = list(columns or types)
        if unknown := [name for name in wanted if name not in types]:
            raise BadInput("columns", f"{view} has no {unknown[0]!r}; choose from {', '.join(types)}")
        source, given = view, dict(parameters or {})
        if as_of is not None:
            source = f"{as_of_source(view, self.warehouse.dialect)} AS {view}"
            given["as_of"] = aware("as_of", as_of)
        sql = f"SELECT {', '.join(wanted)} FROM {source}{' WHERE ' + where if where else ''}"
        yield from self._typed(sql, given, types)

    def frame(
        self,
        view: str,
        columns: Sequence[str] | None = None,
        where: str = "",
        parameters: Mapping[str, Any] | None = None,
        *,
        as_of: datetime | None = None,
    ) -> pd.DataFrame:
        """A view's rows as one frame; see `stream`."""
        types = view_named(view).columns
        return joined(self.stream(view, columns, where, parameters, as_of=as_of), list(columns or types), types)

    def changes(self, by: str | pd.DataFrame | None = None, months: int | None = None, seed: int = 0) -> pd.DataFrame:
        """What makes up the drift of tastes, value by value, see `persona.analyze.drift.changes`."""
        from persona.analyze.drift import changes

        return changes(self, by, months, seed)

    def cohort(self, by: str = "month", months: int | None = None, until: datetime | None = None) -> pd.DataFrame:
        """The share of users who come back, by months since their first, see `persona.analyze.cohort.cohort`."""
        from persona.analyze.cohort import cohort

        return cohort(self, by, months, until)

    def drift(self, by: str | pd.DataFrame | None = None, months: int | None = None, seed: int = 0) -> pd.DataFrame:
        """The cosine between monthly tastes, with intervals and a control, see `persona.analyze.drift.drift`."""
        from persona.analyze.drift import drift

        return drift(self, by, months, seed)

    def to_parquet(
        self,
        view: str,
        out: str | Path,
        partition_by: str | Sequence[str] = (),
        *,
        columns: Sequence[str] | None = None,
        where: str = "",
        parameters: Mapping[str, Any] | None = None,
        as_of: datetime | None = None,
    ) -> Written:
        """Write a view's rows as Parquet as they are read; see `stream`, and `persona.analyze.parquet`."""
        from persona.analyze.parquet import write_parquet

        named, parts = view_named(view), [partition_by] if isinstance(partition_by, str) else list(partition_by)
        frames = self.stream(view, columns, where, parameters, as_of=as_of)
        return write_parquet(frames, named, list(columns or named.columns), Path(out), parts)

    def training_frame(self, entities: pd.DataFrame) -> pd.DataFrame:
        """What was known of users at given moments, see `persona.analyze.training.training_frame`."""
        from persona.analyze.training import training_frame

        return training_frame(self, entities)

    def sql(
        self,
        sql: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        seconds: float = 30.0,
        most: int = 100_000,
        cut: bool = False,
    ) -> pd.DataFrame:
        """What a saved question (by its name) or a SELECT with `:name` parameters gives, within so many seconds.

        cut: of more than `most` rows give the first and set `attrs["cut"]`, instead of raising. Raises BadInput for SQL
        that is wrong, writes, takes longer or gives more, and for parameters that do not fit.
        """
        return answer(self.warehouse, sql, parameters or {}, seconds, most, cut)

    def stream_sql(
        self, sql: str, parameters: Mapping[str, Any] | None = None, *, seconds: float = 600.0, most: int = 10_000_000
    ) -> Iterator[pd.DataFrame]:
        """The same some thousand rows at a time, for files; the first frame may be empty."""
        return stream(self.warehouse, sql, parameters or {}, seconds, most)

    def funnel(self, by: str = "origin", **options: Any) -> pd.DataFrame:
        """What was shown, seen, liked and bought; options: as of `persona.analyze.funnel.funnel`."""
        return funnel(self.warehouse, by, **options)

    def ab_test(self, metric: str = "like", **options: Any) -> ABTest:
        """Two arms compared; options: as of `persona.analyze.abtest.ab_test`."""
        return ab_test(self.warehouse, metric, **options)

    def profile(self, segment: Segment, *, seed: int = 0) -> SegmentProfile:
        """What is known of a segment's users together; see `persona.analyze.profiles.profile`."""
        from persona.analyze.profiles import profile

        return profile(self, segment, seed=seed)

    def segment(
        self,
        k: int | Literal["auto"] = "auto",
        rule: str | None = None,
        seed: int = 0,
        like: Segmentation | None = None,
    ) -> Segmentation:
        """Divide everybody by taste, or by a rule; see `persona.analyze.segments.segment`."""
        from persona.analyze.segments import segment

        return segment(self, k, rule, seed, like)

    def similar_users(self, user_id: str, count: int = 10, *, anew: bool = False) -> pd.DataFrame:
        """The users most like one by taste: rank, user_id, similarity; see `persona.analyze.alike.Alike.search`.

        Everybody's tastes are read at the first call and kept in memory; anew: read them again.
        """
        from persona.analyze.alike import Alike

        with self._making:
            if self._alike is None or anew:
                self._alike = Alike(self)
            alike = self._alike
        return alike.search(user_id, count)

    def _typed(
        self, sql: str, parameters: Mapping[str, Any] | None, types: Mapping[str, Column]
    ) -> Iterator[pd.DataFrame]:
        with self.warehouse.query(sql, parameters) as result:
            for page in result.pages:
                yield typed(page, result.columns, types)
