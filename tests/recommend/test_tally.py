"""Counts of a store's users: as counted anew whatever happened since, kept in a file, and out with those who go."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from persona.recommend.tally import FILE, Ledger, Tally
from persona.store import Event, Item, Profile, Rights, Store
from persona.taste.cooccurrence import CooccurrenceConfig, Fusion

BEGAN = datetime(2025, 5, 1, tzinfo=UTC)
USERS, ITEMS = ("ana", "ben", "cem"), tuple(f"i{number}" for number in range(6))
RIGHTS = Rights(licence="CC0-1.0", source="https://example.org")
FUSION = Fusion((0, 1, 1, 1))

Did = tuple[str, str, str, int]  # user, item, type and hour
things_done = st.lists(
    st.tuples(
        st.sampled_from(USERS), st.sampled_from(ITEMS), st.sampled_from(["view", "like", "purchase", "dislike"]),
        st.integers(0, 20),
    ),
    max_size=8,
)  # fmt: skip
steps = st.lists(
    st.one_of(
        things_done,
        st.tuples(st.sampled_from(["erase", "refuse", "allow", "delete"]), st.sampled_from(USERS)),
    ),
    max_size=5,
)


def put_user(store: Store, user: str, **consents: bool) -> None:
    store.put_user(Profile.model_validate({"id": user, "consents": consents}))


def do(store: Store, done: Iterable[Did]) -> None:
    """Add events under keys of their own, whatever their times."""
    first = store.count_events() + 1000 * (max((store.event_watermark(user) for user in USERS), default=0) + 1)
    store.add_events(
        [
            Event(key=f"k{first + n}", user_id=user, item_id=item, type=kind, at=BEGAN + timedelta(hours=hour))  # type: ignore[arg-type]
            for n, (user, item, kind, hour) in enumerate(done)
        ]
    )


def anew(store: Store) -> Tally:
    return Tally.empty().refreshed(store)


def same(one: Tally, other: Tally) -> bool:
    """The same counts of the same items, in whatever order, from the same events."""
    index = {name: row for row, name in enumerate(sorted({*one.items, *other.items}))}
    left, right = one.over(index), other.over(index)
    counts = (left.counts != right.counts).nnz == 0 and left.counts.nnz == right.counts.nnz
    return counts and bool((left.taken == right.taken).all()) and dict(one.marks) == dict(other.marks)


@pytest.fixture
def people(store: Store) -> Store:
    """Three users, six items, a few events."""
    for user in USERS:
        put_user(store, user)
    store.put_items(Item(id=name, category="dress", rights=RIGHTS) for name in ITEMS)
    do(store, [("ana", "i0", "like", 1), ("ana", "i1", "like", 2), ("ben", "i0", "view", 1), ("ben", "i2", "cart", 5)])
    return store


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Whose events are read, as they are."""
    asked: list[str] = []
    whole = Store.favourable_events

    def noted(self: Store, users: Iterable[str]) -> object:
        asked.extend(users)
        return whole(self, users)

    monkeypatch.setattr(Store, "favourable_events", noted)
    return asked


def test_only_who_changed_is_read(people: Store, reads: list[str]) -> None:
    tally = anew(people)
    assert reads == ["ana", "ben"]
    reads.clear()
    assert tally.refreshed(people) is tally
    do(people, [("cem", "i3", "like", 1), ("ana", "i4", "hide", 9), ("ben", "i3", "like", 2)])  # the last came late
    refreshed = tally.refreshed(people)
    assert reads == ["ben", "cem"]
    assert refreshed.items == ("i0", "i1", "i2", "i3")
    assert same(refreshed, anew(people))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(things_done, steps)
def test_refreshed_is_as_counted_anew(
    sqlite_url: str, before: list[Did], steps: list[list[Did] | tuple[str, str]]
) -> None:
    with Store.open(sqlite_url) as store:
        for user in store.user_ids():
            store.delete_user(user)
        for user in USERS:
            put_user(store, user)
        store.put_items(Item(id=name, category="dress", rights=RIGHTS) for name in ITEMS)
        do(store, before)
        ledger = Ledger(store, FUSION)
        ledger.refresh()
        for step in steps:
            _take(step, store, ledger)
            ledger.refresh()
            assert same(ledger._tally, anew(store))


def _take(step: list[Did] | tuple[str, str], store: Store, ledger: Ledger) -> None:
    if isinstance(step, list):
        do(store, step)
        return
    action, user = step
    if action == "erase":  # as the service does; "delete" is behind its back
        with ledger.erasing(user):
            store.delete_user(user)
    elif action == "delete":
        store.delete_user(user)
    put_user(store, user, personalisation=action != "refuse")


def test_withdrawn_consent_takes_somebody_out_and_given_again_in(people: Store, reads: list[str]) -> None:
    tally = anew(people)
    reads.clear()
    put_user(people, "ana", personalisation=False)
    without = tally.refreshed(people)
    assert list(without.marks) == ["ben"]
    assert without.over({name: row for row, name in enumerate(ITEMS)}).popularity.tolist() == [0.25, 0, 1.5, 0, 0, 0]
    put_user(people, "ana", personalisation=True)
    assert same(without.refreshed(people), tally)
    assert reads == ["ana", "ana"]


def test_erasing_takes_somebody_out_of_memory_and_file(people: Store, tmp_path: Path, reads: list[str]) -> None:
    path = tmp_path / FILE
    ledger = Ledger(people, FUSION, path)
    ledger.refresh()
    reads.clear()
    with ledger.erasing("ana"):
        people.delete_user("ana")
    assert reads == ["ana"]
    assert ledger.size == (1, 2)
    assert same(Tally.load(path), anew(people))
    assert b'"ana"' not in path.read_bytes()


def test_an_erasure_that_fails_leaves_the_counts(people: Store) -> None:
    ledger = Ledger(people, FUSION)
    ledger.refresh()
    before = ledger.size
    with pytest.raises(OSError, match="disk"), ledger.erasing("ana"):
        raise OSError("the disk is gone")
    assert ledger.size == before


def test_who_was_erased_elsewhere_is_told_and_all_counted_anew(people: Store, caplog: pytest.LogCaptureFixture) -> None:
    tally = anew(people)
    people.delete_user("ana")
    assert same(tally.refreshed(people), anew(people))
    assert "counted anew: events that are counted were erased" in caplog.text


def test_a_file_is_read_back(people: Store, tmp_path: Path) -> None:
    path, tally = tmp_path / FILE, anew(people)
    tally.save(path)
    found = Tally.load(path)
    assert same(found, tally)
    assert (found.items, found.last_key) == (tally.items, tally.last_key)
    assert found.refreshed(people) is found
    Tally.empty().save(path)
    assert same(Tally.load(path), Tally.empty())


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: content[:-1],
        lambda content: b"PK" + bytes(200),
        lambda content: content.replace(b'"ana"', b'"eva"'),
    ],
)
def test_a_damaged_file_is_counted_anew(
    people: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture, spoil: Callable[[bytes], bytes]
) -> None:
    path, tally = tmp_path / FILE, anew(people)
    tally.save(path)
    path.write_bytes(spoil(path.read_bytes()))
    assert same(Tally.load(path).refreshed(people), tally)
    assert f"{path}: co-occurrence is counted anew" in caplog.text


def test_a_byte_that_turned_never_changes_the_counts(people: Store, tmp_path: Path) -> None:
    path, tally = tmp_path / FILE, anew(people)
    tally.save(path)
    content = path.read_bytes()
    for place in range(0, len(content), 37):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
        assert same(Tally.load(path).refreshed(people), tally)


def test_a_file_of_other_rules_or_of_another_database_is_counted_anew(
    people: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture, sqlite_url: str
) -> None:
    path = tmp_path / FILE
    anew(people).save(path)
    other = CooccurrenceConfig(decay=0.5)
    assert Tally.load(path, other).marks == {}
    assert "counted by other rules" in caplog.text
    assert same(Tally.load(path, other).refreshed(people), Tally.empty(other).refreshed(people))
    people.delete_user("ana")
    people.delete_user("ben")
    for user in USERS:
        put_user(people, user)
    do(people, [("cem", "i5", "like", 1), ("cem", "i4", "like", 2)])
    assert same(Tally.load(path).refreshed(people), anew(people))
    assert "another database" in caplog.text


def test_processes_share_a_file(people: Store, tmp_path: Path, reads: list[str]) -> None:
    one, other = (Ledger(people, FUSION, tmp_path / FILE) for _ in range(2))
    one.refresh()
    assert (one.overtaken, other.overtaken) == (False, True)
    reads.clear()
    other.refresh()
    assert reads == []
    assert not other.overtaken
    do(people, [("cem", "i3", "like", 1)])
    other.refresh()
    assert one.overtaken
    one.refresh()
    assert reads == ["cem"]
    assert (one.overtaken, other.overtaken) == (False, False)


def test_a_file_that_cannot_be_written_is_told(people: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "home").write_text("a file where a folder should be")
    ledger = Ledger(people, FUSION, tmp_path / "home" / FILE)
    with caplog.at_level(logging.WARNING):
        ledger.refresh()
    assert ledger.size == (2, 4)
    assert "cannot be written" in caplog.text


def test_without_a_fusion_nothing_is_counted_or_kept(people: Store, tmp_path: Path, reads: list[str]) -> None:
    path = tmp_path / FILE
    anew(people).save(path)
    reads.clear()
    ledger = Ledger(people, Fusion(), path)
    ledger.refresh()
    assert ledger.companions({}) is None
    assert not reads
    assert not ledger.overtaken
    with ledger.erasing("ana"):
        people.delete_user("ana")
    assert not path.exists()
