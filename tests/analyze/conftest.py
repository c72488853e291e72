"""Stores as analysts open them: a company in known groups, made once, on SQLite and on PostgreSQL."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from persona.analyze import AnalystStore, open_store
from persona.store import Store

from .answered import Answered, fill
from .company import company

USERS = 320


@pytest.fixture(scope="session")
def made_company(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[int]]:
    """An SQLite file with a company in it, to be copied, and the group of each user."""
    path = tmp_path_factory.mktemp("company") / "company.db"
    shutil.copy(migrated_sqlite, path)
    with Store.open(f"sqlite:///{path}") as opened:
        return path, company(opened, USERS)


@pytest.fixture
def company_url(made_company: tuple[Path, list[int]], tmp_path: Path) -> str:
    """A company of the test's own."""
    shutil.copy(made_company[0], tmp_path / "company.db")
    return f"sqlite:///{tmp_path / 'company.db'}"


@pytest.fixture
def analyst(company_url: str) -> Iterator[AnalystStore]:
    """That company as analysts see it."""
    with open_store(company_url) as opened:
        yield opened


@pytest.fixture
def groups(made_company: tuple[Path, list[int]]) -> list[int]:
    """Which group each of its users is of, in the order of their ids."""
    return made_company[1]


@pytest.fixture
def answered(store: Store) -> Answered:
    """Some hundred users of two arms who were shown things, and what they did."""
    return fill(store)


@pytest.fixture
def analysts(store: Store) -> Iterator[AnalystStore]:
    """The store as analysts see it."""
    with open_store(store.url) as opened:
        yield opened
