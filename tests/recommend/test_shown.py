"""What stored users are shown is recorded, behind the answer and without ever harming it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text

from persona.recommend import Recommendation, RecommendationRequest, Recommender, shown
from persona.recommend.shown import ShownRecorder
from persona.store import Profile

WANTED = {"user_id": "ana", "mode": "retrieve", "outfit": False, "explain": False}


def ask(recommender: Recommender, **asked: Any) -> Recommendation:
    return recommender.recommend(RecommendationRequest.model_validate(asked))


def recorded(recommender: Recommender) -> list[str]:
    recommender.shown.flush()
    with recommender.store._reading() as session:
        return list(session.scalars(text("SELECT id FROM recommendations ORDER BY at, id")))


def counted(outcome: str) -> float:
    return REGISTRY.get_sample_value("persona_recorded_total", {"outcome": outcome}) or 0.0


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for others here."""
    monkeypatch.setattr(shown, "GATHERING", 0.01)
    monkeypatch.setattr(shown, "RETRY", 0.05)


@pytest.fixture
def ana(recommender: Recommender) -> str:
    """A user whom analysts may see."""
    recommender.store.put_user(Profile(id="ana", consents={"analytics": True}))
    return "ana"


def test_an_answer_is_recorded_as_it_was_given(recommender: Recommender, ana: str) -> None:
    answer = ask(recommender, user_id=ana, count=3, generate=2)
    assert recorded(recommender) == [answer.rec_id]
    with recommender.store._reading() as session:
        told = session.execute(text("SELECT * FROM fct_recommendation ORDER BY origin DESC, rank")).all()
    things = [(i.rank, "retrieved", i.item_id, None, i.category, i.score) for i in answer.items]
    things += [(g.rank, "generated", None, g.generation_id, g.category, g.score) for g in answer.generated]
    columns = "rank", "origin", "item_id", "generation_id", "category", "score"
    assert [tuple(row._mapping[name] for name in columns) for row in told] == things
    assert {(row.user_id, row.arm, row.cold_start) for row in told} == {(ana, answer.arm, answer.cold_start)}
    assert {(row.taste_model, row.generator_model) for row in told} == {(answer.taste_model, answer.generator_model)}


def test_the_same_answer_is_recorded_once(recommender: Recommender, ana: str) -> None:
    before = counted("stored")
    first = ask(recommender, **WANTED)
    assert recorded(recommender) == [first.rec_id]
    assert ask(recommender, **WANTED) == first
    other = ask(recommender, **WANTED, count=5)
    assert recorded(recommender) == [first.rec_id, other.rec_id]
    assert counted("stored") == before + 2


def test_nothing_is_recorded_of_strangers_plans_and_who_refuses(recommender: Recommender, ana: str) -> None:
    ask(recommender, profile={}, mode="retrieve", outfit=False)
    ask(recommender, **WANTED, validate_only=True)
    assert recommender.shown._thread is None  # nothing even waits
    recommender.store.put_user(Profile(id="ben", consents={"personalisation": False}))
    before = counted("dropped")
    ask(recommender, **{**WANTED, "user_id": "ben"})
    assert recorded(recommender) == []
    assert counted("dropped") == before + 1


def test_who_is_erased_and_comes_back_is_recorded_anew(recommender: Recommender, ana: str) -> None:
    answer = ask(recommender, **WANTED)
    assert recorded(recommender) == [answer.rec_id]
    recommender.erase(ana)
    assert recorded(recommender) == []
    recommender.store.put_user(Profile(id="ana"))
    again = ask(recommender, **WANTED)
    assert recorded(recommender) == [again.rec_id]


def test_a_database_that_is_away_delays_only_the_record(recommender: Recommender, ana: str) -> None:
    answers = [ask(recommender, **WANTED, count=count) for count in (1, 2)]
    recommender.shown.flush()
    file = Path(str(recommender.store._engine.url.database))
    away = file.rename(file.with_suffix(".away"))
    late = answers[0].model_copy(update={"rec_id": "r-late"})
    recommender.shown.note(late)
    recommender.shown.flush(0.2)  # tried, and tried again
    assert recommender.shown._thread is not None
    away.rename(file)
    assert recorded(recommender) == [*(answer.rec_id for answer in answers), "r-late"]


def test_what_does_not_fit_is_dropped_and_counted(
    recommender: Recommender, ana: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shown, "MOST_WAITING", 3)
    answer, before = ask(recommender, **WANTED), counted("dropped")
    assert len(recorded(recommender)) == 1
    with recommender.store._writing() as session:  # nobody else can write now
        session.execute(text("SELECT 1"))
        for number in range(5):
            recommender.shown.note(answer.model_copy(update={"rec_id": f"r-{number}"}))
    assert recorded(recommender)[1:] == ["r-0", "r-1", "r-2"]
    assert counted("dropped") == before + 2


def test_closing_writes_what_waits(recommender: Recommender, ana: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shown, "GATHERING", 60.0)
    monkeypatch.setattr(shown, "TOGETHER", 2)
    answer = ask(recommender, **WANTED)
    recorder = ShownRecorder(recommender.store)

    def note(first: int) -> None:
        for number in range(first, first + 5):
            recorder.note(answer.model_copy(update={"rec_id": f"r-{number}"}))

    threads = [threading.Thread(target=note, args=(first,)) for first in (0, 3, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    recorder.close()
    note(20)  # too late
    with recommender.store._reading() as session:
        ids = set(session.scalars(text("SELECT id FROM recommendations")))
    assert ids == {f"r-{number}" for number in range(11)}
