"""What analysts open: the views as pandas frames, and the questions that are asked of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

import pandas as pd

from persona.analyze.dictionary import Column, view_named
from persona.analyze.frames import joined, typed
from persona.errors import BadInput
from persona.settings import load_settings
from persona.store.warehouse import Warehouse

if TYPE_CHECKING:
    from persona.analyze.alike import Alike
    from persona.analyze.profiles import SegmentProfile
    from persona.analyze.segmentation import Segment, Segmentation


def open_store(url: str | None = None) -> AnalystStore:
    """Open the store to read: the database at this URL, or that of the settings.

    Raises OutOfDate before a migration, BadInput for a URL that cannot be used.
    """
    return AnalystStore(Warehouse.open(url or load_settings().url))


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
    ) -> Iterator[pd.DataFrame]:
        """Yield a view's rows some thousand at a time. where: SQL with `:name` parameters, never from outside."""
        types = view_named(view).columns
        wanted = list(columns or types)
        if unknown := [name for name in wanted if name not in types]:
            raise BadInput("columns", f"{view} has no {unknown[0]!r}; choose from {', '.join(types)}")
        sql = f"SELECT {', '.join(wanted)} FROM {view}{' WHERE ' + where if where else ''}"
        yield from self._typed(sql, parameters, types)

    def frame(
        self,
        view: str,
        columns: Sequence[str] | None = None,
        where: str = "",
        parameters: Mapping[str, Any] | None = None,
    ) -> pd.DataFrame:
        """A view's rows as one frame."""
        types = view_named(view).columns
        return joined(self.stream(view, columns, where, parameters), list(columns or types), types)

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
