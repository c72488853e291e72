"""API keys and the audit log, on both databases: what opens, what no longer does, and what is left on record."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from sqlalchemy import MetaData, create_engine, select

from persona.errors import BadInput, NotFound
from persona.store import Store
from persona.store.keys import SCOPES, key_id

SOON = timedelta(hours=1)


def test_a_key_opens_until_it_is_revoked(store: Store) -> None:
    key, secret = store.create_key("shop app", ["write", "analyst"])
    assert store.verify_key(secret) == key == store.api_keys()[0]
    assert key.scopes == ("write", "analyst")
    assert store.any_key()
    for wrong in (secret[:-1], secret + "x", secret.swapcase(), f"pk_{key.id}", "", "pk__", "pk_\0_x", "é" * 60):
        assert store.verify_key(wrong) is None, wrong
    ended = store.revoke_key(key.id)
    assert store.revoke_key(key.id) == ended  # again: nothing changes, nothing is written down
    assert store.verify_key(secret) is None
    assert not store.any_key()
    assert [(e.action, e.details["key"]) for e in store.audited()] == [("key.revoke", key.id), ("key.create", key.id)]


def test_another_key_s_secret_opens_nothing(store: Store) -> None:
    (one, of_one), (other, of_other) = (store.create_key(name, ["read"]) for name in ("one", "other"))
    mixed = f"pk_{one.id.removeprefix('k-')}_{of_other.split('_')[2]}"
    assert key_id(mixed) == one.id
    assert store.verify_key(mixed) is None
    assert store.verify_key(of_one) == one
    assert store.verify_key(of_other) == other
    assert of_one != of_other


def test_the_database_holds_no_secret(database_url: str) -> None:
    with Store.open(database_url) as store:
        _, secret = store.create_key("shop app", ["admin"])
    engine, tables = create_engine(database_url), MetaData()
    tables.reflect(engine)
    with engine.connect() as connection:
        held = [tuple(row) for table in tables.sorted_tables for row in connection.execute(select(table))]
    engine.dispose()
    assert "shop app" in str(held)
    assert secret.split("_")[2] not in str(held)


@pytest.mark.parametrize(("own", "wanted"), list(product(SCOPES, SCOPES)))
def test_scopes_hold_each_other(sqlite_store: Store, own: str, wanted: str) -> None:
    order = ("read", "write", "admin")
    expected = own == wanted if "analyst" in (own, wanted) else order.index(wanted) <= order.index(own)
    assert sqlite_store.create_key("app", [own])[0].allows(wanted) is expected


def test_a_key_ends_by_itself(store: Store) -> None:
    key, secret = store.create_key("guest", ["read"], datetime.now(UTC) + timedelta(milliseconds=150))
    assert store.verify_key(secret) == key
    time.sleep(0.2)
    assert store.verify_key(secret) is None
    with pytest.raises(BadInput, match="no longer in force"):
        store.rotate_key(key.id)


def test_rotation_lets_the_old_key_go_on_for_a_while(store: Store) -> None:
    until = datetime.now(UTC) + timedelta(days=30)
    old, old_secret = store.create_key("shop app", ["write"], until)
    new, secret = store.rotate_key(old.id, SOON)
    assert (new.name, new.scopes, new.expires_at) == (old.name, old.scopes, old.expires_at)
    assert store.verify_key(secret) == new
    ending = store.verify_key(old_secret)
    assert ending is not None
    assert ending.expires_at is not None
    assert timedelta(minutes=59) < ending.expires_at - datetime.now(UTC) <= SOON
    store.rotate_key(new.id, timedelta(0))
    assert store.verify_key(secret) is None  # at once
    assert store.audited()[0].action == "key.rotate"


def test_rotation_never_lengthens_a_key(store: Store) -> None:
    key, secret = store.create_key("guest", ["read"], datetime.now(UTC) + timedelta(minutes=5))
    store.rotate_key(key.id, timedelta(days=7))
    ending = store.verify_key(secret)
    assert ending is not None
    assert ending.expires_at == key.expires_at


def test_what_is_no_key_is_refused_and_changes_nothing(store: Store) -> None:
    for name, scopes, at in (
        ("", ["read"], None), ("  ", ["read"], None), ("a\nb", ["read"], None), ("x" * 129, ["read"], None),
        ("app", [], None), ("app", ["root"], None), ("app", ["read"], datetime(2020, 1, 1, tzinfo=UTC)),
    ):  # fmt: skip
        with pytest.raises(BadInput):
            store.create_key(name, scopes, at)
    key, _ = store.create_key("app", ["read"])
    with pytest.raises(BadInput, match="overlap"):
        store.rotate_key(key.id, timedelta(seconds=-1))
    for change in (store.rotate_key, store.revoke_key):
        with pytest.raises(NotFound, match="persona keys list"):
            change("k-nobody")
    assert store.api_keys() == [key]
    assert len(store.audited()) == 1


def test_keys_made_at_once_are_all_there(store: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda n: store.create_key(f"app {n}", ["read"]), range(24)))
    assert len({key.id for key, _ in made}) == len({secret for _, secret in made}) == 24
    assert {key.id for key in store.api_keys()} == {key.id for key, _ in made}
    assert len(store.audited()) == 24


def test_the_audit_log_is_read_page_by_page_and_shortened(store: Store) -> None:
    for number in range(7):
        store.audit("user.erase", "k-1", f"r{number}", {"events": number})
    first = store.audited(limit=3)
    assert [entry.details["events"] for entry in first] == [6, 5, 4]
    assert [entry.request_id for entry in store.audited(limit=3, before=first[-1].id)] == ["r3", "r2", "r1"]
    assert store.purge_audit(first[-1].at) == 4
    assert store.audited() == first
