"""Idempotency: of the same request sent many times one is done, the others get its answer."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from persona.errors import BadInput, Underway
from persona.store import Store
from persona.store.idempotency import Kept, Lease

ID, OTHER, BODY = "1" * 64, "2" * 64, "b" * 64
ANSWER = Kept(201, {"Location": "/v1/jobs/j1"}, b'{"done": 1}')


def claim(store: Store, request: str = BODY, seconds: float = 30, id: str = ID, user: str | None = None) -> Lease:
    lease = store.claim_request(id, request, user, seconds)
    assert isinstance(lease, Lease)
    return lease


def test_an_answer_comes_back_as_it_was_given(store: Store) -> None:
    assert store.keep_answer(claim(store), ANSWER)
    assert store.claim_request(ID, BODY, None, 30) == ANSWER
    assert store.claim_request(ID, BODY, None, 30) == ANSWER
    claim(store, id=OTHER)  # another caller, or another key


def test_in_flight_and_another_request(store: Store) -> None:
    lease = claim(store)
    with pytest.raises(Underway) as told:
        claim(store)
    assert told.value.retry_after == 1
    for _ in range(2):
        with pytest.raises(BadInput, match="Idempotency-Key: was sent with another request") as refused:
            claim(store, request="c" * 64)
        assert refused.value.code == "key_reused"
        store.keep_answer(lease, ANSWER)


def test_what_failed_may_be_sent_again(store: Store) -> None:
    store.release_request(claim(store))
    assert store.keep_answer(claim(store), ANSWER)


def test_the_lease_of_a_crashed_request_ends(store: Store) -> None:
    crashed = claim(store, seconds=-1)
    with pytest.raises(BadInput):  # the key still stands for that request
        claim(store, request="c" * 64)
    second = claim(store)
    assert not store.keep_answer(crashed, ANSWER)  # who was slow, not dead, must not answer for the other
    store.release_request(crashed)
    assert store.keep_answer(second, ANSWER)


def test_of_many_at_once_exactly_one_does_it(store: Store) -> None:
    def ask(_: int) -> object:
        try:
            return store.claim_request(ID, BODY, None, 30)
        except Underway as underway:
            return underway

    with ThreadPoolExecutor(12) as pool:
        got = list(pool.map(ask, range(36)))
    assert sum(isinstance(one, Lease) for one in got) == 1
    assert sum(isinstance(one, Underway) for one in got) == 35


def test_answers_are_kept_for_a_day(store: Store) -> None:
    for id in (ID, OTHER):
        store.keep_answer(claim(store, id=id), ANSWER)
    grow_older(store, ID, timedelta(hours=23, minutes=59))
    assert store.claim_request(ID, BODY, None, 30) == ANSWER
    grow_older(store, ID, timedelta(hours=24, minutes=1))
    assert store.purge_answers(dry_run=True) == 1
    assert store.purge_answers() == 1
    assert store.purge_answers() == 0
    assert store.claim_request(OTHER, BODY, None, 30) == ANSWER
    grow_older(store, OTHER, timedelta(hours=24, minutes=1))
    claim(store, request="c" * 64, id=OTHER)  # a key that is over may stand for anything


def test_answers_are_erased_with_the_user_that_they_are_about(filled: Store) -> None:
    filled.keep_answer(claim(filled, user="u1"), ANSWER)
    under_way = claim(filled, id=OTHER, user="u1")
    filled.keep_answer(claim(filled, id="3" * 64, user="u2"), ANSWER)
    filled.delete_user("u1")
    assert not filled.keep_answer(under_way, ANSWER)
    claim(filled, user="u1")
    assert filled.claim_request("3" * 64, BODY, "u2", 30) == ANSWER


def grow_older(store: Store, id: str, by: timedelta) -> None:
    with store._writing() as session:
        at = (datetime.now(UTC) - by).replace(tzinfo=None if "sqlite" in store.url else UTC)
        session.execute(
            text("UPDATE idempotency SET created_at = :at WHERE id = :id"), {"at": at.isoformat(" "), "id": id}
        )
