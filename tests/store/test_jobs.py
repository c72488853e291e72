"""Jobs: queued once, worked off in turns, gone on with after a crash, cancelled, bounded, erased."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from persona.errors import Busy, Conflict, NotFound
from persona.store import Store
from persona.store.jobs import LOST, Turn

REQUEST = {"requests": [{"user_id": "u1", "generate": 20}]}


def add(store: Store, id: str = "j1", actor: str = "k-1", user: str | None = "u1", **more: int) -> None:
    store.add_job(id, actor, user, REQUEST, 20, **more)


def take(store: Store, seconds: float = 30) -> Turn:
    turn = store.take_turn(seconds)
    assert turn is not None
    return turn


def test_a_job_goes_through_its_states(filled: Store) -> None:
    add(filled)
    job = filled.get_job("j1")
    assert (job.state, job.done, job.total, job.user_id) == ("queued", 0, 20, "u1")
    turn = take(filled)
    assert (turn.request, turn.actor) == (REQUEST, "k-1")
    assert filled.get_job("j1").state == "running"
    assert filled.take_turn(30) is None  # it is taken
    assert filled.end_turn(turn, "queued", 8, {"answers": [1]})
    turn = take(filled)
    assert (turn.job.done, turn.result["answers"]) == (8, [1])
    assert filled.end_turn(turn, "done", 20, {"answers": [1, 2]})
    assert filled.take_turn(30) is None
    assert (filled.get_job("j1").state, filled.get_job("j1").done) == ("done", 20)
    assert filled.job_result("j1") == {"answers": [1, 2]}


def test_the_same_job_is_queued_once(filled: Store) -> None:
    for _ in range(2):
        add(filled)
    with pytest.raises(Conflict):
        filled.add_job("j1", "k-1", "u1", {"requests": []}, 20)
    with pytest.raises(NotFound):
        add(filled, "j2", user="nobody")
    assert [job.id for job in filled.jobs_of("u1")] == ["j1"]


def test_each_waits_about_as_long(filled: Store) -> None:
    for id in ("j1", "j2", "j3"):
        add(filled, id)
    order = []
    for _ in range(6):
        turn = take(filled)
        order.append(turn.job.id)
        filled.end_turn(turn, "queued", turn.job.done + 1, {})
    assert order == ["j1", "j2", "j3"] * 2


def test_a_killed_worker_s_job_is_taken_over(filled: Store) -> None:
    add(filled)
    first = take(filled)
    assert filled.end_turn(first, "queued", 8, {"answers": [1]})
    killed = take(filled, seconds=-1)
    second = take(filled)
    assert (second.job.done, second.result["answers"]) == (8, [1])
    assert not filled.end_turn(killed, "queued", 16, {})  # it was slow, not dead: its work counts no more
    assert filled.end_turn(second, "queued", 16, {"answers": [2]})


def test_a_job_over_which_workers_end_is_given_up(filled: Store) -> None:
    add(filled)
    for _ in range(LOST):
        take(filled, seconds=-1)
    assert filled.take_turn(30) is None
    job = filled.get_job("j1")
    assert job.state == "failed"
    assert job.error is not None
    assert "3 workers" in job.error


def test_no_turn_is_given_twice(filled: Store) -> None:
    for n in range(5):
        add(filled, f"j{n}")
    with ThreadPoolExecutor(8) as pool:
        turns = [turn for turn in pool.map(lambda _: filled.take_turn(30), range(16)) if turn]
    assert sorted(turn.job.id for turn in turns) == [f"j{n}" for n in range(5)]


def test_cancelling(filled: Store) -> None:
    add(filled)
    with pytest.raises(NotFound):
        filled.drop_job("j1", "k-2")
    with pytest.raises(NotFound):
        filled.get_job("j1", "k-2")
    turn = take(filled)
    filled.drop_job("j1", "k-1")
    assert not filled.end_turn(turn, "done", 20, {})
    for call in (filled.get_job, filled.drop_job):
        with pytest.raises(NotFound, match="no such job"):
            call("j1")


def test_callers_are_bounded_apart(filled: Store) -> None:
    for n in range(3):
        add(filled, f"j{n}", most=3)
    with pytest.raises(Busy) as told:
        add(filled, "j3", most=3)
    assert told.value.retry_after > 0
    add(filled, "j1", most=3)  # the same again is none more
    add(filled, "other", actor="k-2", most=3)
    filled.end_turn(take(filled), "failed", 0, {}, error="x" * 2000)
    add(filled, "j3", most=3)


def test_jobs_go_with_their_user(filled: Store) -> None:
    add(filled)
    add(filled, "inline", user=None)
    turn = take(filled)
    filled.delete_user("u1")
    assert not filled.end_turn(turn, "done", 20, {"answers": ["of u1"]})
    with pytest.raises(NotFound):
        filled.get_job("j1")
    assert filled.get_job("inline").state == "queued"


def test_ended_jobs_are_kept_for_a_week(filled: Store) -> None:
    for id in ("j1", "j2"):
        add(filled, id)
    ended = take(filled)
    filled.end_turn(ended, "done", 20, {})
    week = datetime.now(UTC) - timedelta(days=7, minutes=1)
    at = week.replace(tzinfo=None if "sqlite" in filled.url else UTC).isoformat(" ")
    with filled._writing() as session:
        session.execute(text("UPDATE jobs SET updated_at = :at"), {"at": at})
    assert filled.purge_jobs(dry_run=True) == 1
    assert filled.purge_jobs() == 1
    assert filled.get_job("j2").state == "queued"  # however long it waits
