"""Times as analysts give them: aware ones alone, since of a naive one nobody could say which moment it is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pandas as pd

from persona.errors import BadInput

ZONE = "has no time zone; say which moment is meant, such as datetime(2026, 3, 1, tzinfo=UTC)"


def aware(field: str, at: Any) -> datetime:
    """A moment in UTC, to the microsecond. Raises BadInput naming the field for a naive time and what is no time."""
    if not isinstance(at, datetime) or pd.isna(at):
        raise BadInput(field, f"{at!r} is no time; give an aware datetime, such as datetime(2026, 3, 1, tzinfo=UTC)")
    if at.tzinfo is None:
        raise BadInput(field, f"{at.isoformat()} {ZONE}")
    moment = at.to_pydatetime(warn=False) if isinstance(at, pd.Timestamp) else at
    return moment.astimezone(UTC)


def aware_column(field: str, column: pd.Series) -> pd.Series:
    """A column of moments in UTC, none missing, to the microsecond or finer. Raises BadInput naming the field."""
    if column.dtype == object and len(column):
        return pd.Series([aware(field, at) for at in column], index=column.index).astype("datetime64[us, UTC]")
    if not isinstance(column.dtype, pd.DatetimeTZDtype):
        naive = pd.api.types.is_datetime64_dtype(column.dtype)
        raise BadInput(
            field, ZONE if naive else f"holds {column.dtype}, no times; see pandas.to_datetime(..., utc=True)"
        )
    if column.isna().any():
        raise BadInput(field, f"is missing in row {column.index[column.isna()][0]!r}; give every row its time")
    fine = column.dt.unit == "ns"
    return column.dt.tz_convert(UTC).dt.as_unit("ns" if fine else "us")
