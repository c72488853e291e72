"""The data dictionary against the databases: columns, their order and types, keys, nulls, and what is in no view."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import Engine, create_engine, inspect

from persona.analyze import AnalystStore
from persona.analyze.dictionary import KINDS, dictionary, view_named
from persona.analyze.pages import PAGES
from persona.errors import BadInput
from persona.store.base import Base
from persona.store.warehouse import VIEWS

# of each type, what PostgreSQL says of such a column
DECLARED = {
    "id": r"VARCHAR|TEXT", "word": r"VARCHAR|TEXT", "text": r"VARCHAR|TEXT", "int": r"BIGINT|INTEGER|SMALLINT",
    "number": r"DOUBLE PRECISION", "time": r"TIMESTAMP", "date": r"DATE", "flag": r"BOOLEAN", "json": r"JSONB",
    "vector": r"BYTEA",
}  # fmt: skip
DTYPES = {
    "id": "str", "word": "category", "text": "str", "int": "int64|Int64", "number": "float64", "flag": "bool",
    "time": r"datetime64\[us, UTC\]", "date": r"datetime64\[us\]", "json": "object", "vector": "object",
}  # fmt: skip
# what is of a person and for no analyst, by table; a view that had it would have to call it something
PERSONAL = {
    "users": {"face_shape", "size_top", "size_bottom", "size_shoe", "updated_at"},
    "user_versions": {"face_shape", "size_top", "size_bottom", "size_shoe"},
    "items": {"picture", "look", "cutout_failed", "updated_at"},
    "generations": {"picture", "condition_digest", "seed", "reasons", "feature"},
    "condition_vectors": {"made_from"},
    "events": {"key"},
    "consents": {"changed_at"},
}
NEVER = {
    "styles", "style_vectors", "item_vectors", "model_versions", "api_keys", "audit_log", "idempotency",
    "jobs", "batch_runs", "batch_shards", "user_catalogues", "stale_tastes", "analysis_marks",
}  # fmt: skip


@pytest.fixture(scope="module")
def engine(company_url: str) -> Iterator[Engine]:
    engine = create_engine(company_url)
    yield engine
    engine.dispose()


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_has_just_the_columns_of_the_dictionary(engine: Engine, view: str) -> None:
    found: Any = inspect(engine).get_columns(view)
    told = dictionary()[view].columns
    assert [column["name"] for column in found] == list(told)
    if engine.dialect.name == "postgresql":  # SQLite's columns have the types of their values
        wrong = {
            c["name"]: str(c["type"]) for c in found if not re.match(DECLARED[told[c["name"]].type], str(c["type"]))
        }
        assert wrong == {}


@pytest.mark.parametrize("view", VIEWS)
def test_data_is_as_the_dictionary_says(company: AnalystStore, view: str) -> None:
    frame, told = company.frame(view), dictionary()[view]
    assert len(frame) > 0
    assert not frame.duplicated(list(told.key)).any()
    for name, column in told.columns.items():
        assert re.fullmatch(DTYPES[column.type], str(frame[name].dtype)), name
        assert column.null or not frame[name].isna().any(), name


def test_the_dictionary_is_of_all_views_and_types() -> None:
    assert tuple(dictionary()) == VIEWS
    for view in dictionary().values():
        assert {*view.key, *([view.time] if view.time else [])} <= set(view.columns)
        assert {column.type for column in view.columns.values()} <= set(KINDS)
    with pytest.raises(BadInput, match="view: there is no 'users'; choose from dim_user"):
        view_named("users")


def test_both_databases_hold_the_same(company_file: object, company_postgres: str) -> None:
    from persona.analyze import open_store

    with open_store(f"sqlite:///{company_file}") as one, open_store(company_postgres) as other:
        for name, view in dictionary().items():
            comparable = [c for c, told in view.columns.items() if told.type not in ("json", "vector")]
            now = {"created_at", "valid_from", "valid_to", "as_of"} & set(comparable)  # when each was filled
            frames = [
                store.frame(name, comparable).drop(columns=list(now)).astype(object).astype(str)
                for store in (one, other)
            ]
            key = list(frames[0].columns)
            pd.testing.assert_frame_equal(*(f.sort_values(key).reset_index(drop=True) for f in frames))


def test_what_is_personal_is_in_no_view(company_postgres: str) -> None:
    """The database says what its views are made of; every table is spoken of here, so that a new one is thought of."""
    from persona.store import Store

    with Store.open(company_postgres) as store:
        read = store.make_analyst_role().columns
    assert {table: PERSONAL[table] & set(columns) for table, columns in read.items() if table in PERSONAL} == {
        table: set() for table in PERSONAL
    }
    assert NEVER & set(read) == set()
    assert set(Base.metadata.tables) == NEVER | set(read)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_the_pages_are_what_is_written_from(path: Any) -> None:
    assert path.read_text() == PAGES[path](), "write it anew: python -m persona.analyze.pages"
