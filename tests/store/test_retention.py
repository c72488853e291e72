"""Retention and export: what is old goes, a few rows at a time; what there is about a user comes out whole."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import select, text

from persona.errors import NotFound
from persona.store import Event, Generation, Preference, Profile, Store, Traits, purging
from persona.store.analysis_schema import TasteMonthRow, UserTasteRow
from persona.store.base import Base
from persona.store.exported import UserExport
from persona.store.idempotency import Kept, Lease
from persona.store.recommendations import ShownAnswer
from persona.store.schema import AuditRow

MORNING = datetime(2025, 5, 4, 10, tzinfo=UTC)
MakeEvent = Callable[..., Event]


def generation(name: str, user: str | None = "u1", picture: str = "a", day: int = 4) -> Generation:
    made = {"model": "garment-64@1", "condition_digest": "c" * 64, "seed": 1, "category": "dress"}
    at = datetime(2025, 5, day, tzinfo=UTC)
    reason = {"kind": "popular", "text": "many like it", "weight": 0.5}
    return Generation.model_validate(
        {"id": name, "picture": picture * 64, "user_id": user, "created_at": at, "reasons": [reason], **made}
    )


THINGS = ({"rank": 1, "item_id": "i1", "category": "dress", "score": 0.5},)


def shown(name: str, user: str = "u1", day: int = 4) -> ShownAnswer:
    models = {"arm": "default", "cold_start": "none", "taste_model": "taste@1", "generator_model": "garment-64@1"}
    return ShownAnswer(id=name, user_id=user, at=datetime(2025, 5, day, tzinfo=UTC), shown=THINGS, **models)


def exported(store: Store, user_id: str) -> UserExport:
    parts = {name: list(part) if hasattr(part, "__next__") else part for name, part in store.export_user(user_id, str)}
    return UserExport.model_validate(parts)


@pytest.fixture(autouse=True)
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps small enough for a test to take several."""
    monkeypatch.setattr(purging, "AT_ONCE", 3)
    monkeypatch.setattr("persona.store.retention.AT_ONCE", 3)


def test_old_events_go_with_what_was_made_of_them(filled: Store, an_event: MakeEvent) -> None:
    filled.add_events([an_event(str(n), minute=n) for n in range(10)])
    filled.add_events([an_event("other", minute=60, user_id="u2")])
    for user in ("u1", "u2"):
        filled.put_condition(user, "taste@1", filled.event_watermark(user), np.ones(4), {})
    before = MORNING + timedelta(minutes=8)
    assert filled.count_old_events(before) == 8
    assert list(filled.purge_events(before)) == [3, 3, 2]
    assert [event.key for event in filled.history("u1")] == ["8", "9"]
    assert filled.get_condition("u1", "taste@1") is None
    assert filled.get_condition("u2", "taste@1") is not None
    assert list(filled.purge_events(before)) == []


def test_old_answers_and_old_profiles_go(filled: Store) -> None:
    filled.add_recommendations([shown(f"r-{n}", day=n) for n in range(1, 9)])
    before = datetime(2025, 5, 6, tzinfo=UTC)
    assert filled.purge_recommendations(before, dry_run=True) == 5
    assert filled.purge_recommendations(before) == 5
    assert [answer.id for answer in exported(filled, "u1").recommendations] == ["r-6", "r-7", "r-8"]
    bands = ("18-24", "25-34", "35-44")
    for band in bands:
        filled.bulk_users(Profile(id=f"v{n}", traits=Traits(age_band=band)) for n in range(4))  # of two versions each
    middle = exported(filled, "v0").versions[0].valid_to + timedelta(microseconds=1)
    assert [len(exported(filled, f"v{n}").versions) for n in range(4)] == [2] * 4
    assert (filled.purge_versions(middle, dry_run=True), filled.purge_versions(middle)) == (4, 4)
    left = [version for n in range(4) for version in exported(filled, f"v{n}").versions]
    assert [version.traits.age_band for version in left] == ["25-34"] * 4
    assert filled.purge_versions(middle) == 0


def test_generations_that_nobody_did_anything_with_go(filled: Store, an_event: MakeEvent) -> None:
    filled.add_generations([generation(f"g{n}", user, "a") for n, user in enumerate(["u1", "u2", None, "u1"])])
    filled.add_generations([generation("liked", picture="b"), generation("new", picture="a", day=20)])
    filled.add_generations([generation("alone", picture="d"), generation("shown", picture="e")])
    filled.add_events([an_event("1", generation_id="liked")])
    filled.put_items([filled.get_item("i1").model_copy(update={"picture": "e" * 64})])
    before = datetime(2025, 5, 10, tzinfo=UTC)
    assert filled.count_unloved(before) == 6
    parts = list(filled.purge_generations(before))
    assert sum(count for count, _ in parts) == 6
    assert all(count <= 3 for count, _ in parts)
    assert [picture for _, pictures in parts for picture in pictures] == ["d" * 64]  # the others are in use
    left = filled.generations("u1")
    assert {g.id for g in left} == {"liked", "new"}


def test_idle_is_who_neither_acted_nor_changed(filled: Store, an_event: MakeEvent) -> None:
    now = datetime.now(UTC)
    age(filled, 100)
    filled.put_user(Profile(id="u3"))
    recent = an_event("1", user_id="u2").model_copy(update={"at": now - timedelta(days=5)})
    filled.add_events([recent, an_event("2")])
    assert filled.idle_users(now - timedelta(days=50)) == ["u1"]
    assert filled.idle_users(now - timedelta(days=4)) == ["u1", "u2"]
    assert filled.idle_users(now - timedelta(days=4), limit=1) == ["u1"]
    assert filled.idle_users(now - timedelta(days=101)) == []


def test_who_acted_does_not_become_idle_when_that_is_forgotten(filled: Store, an_event: MakeEvent) -> None:
    now = datetime.now(UTC)
    age(filled, 400)
    acts = [an_event(str(n)).model_copy(update={"at": now - timedelta(days=40 + n)}) for n in range(8)]
    filled.add_events(acts)
    assert sum(filled.purge_events(now - timedelta(days=30))) == 8
    assert filled.idle_users(now - timedelta(days=41)) == ["u2", "u3"]
    assert filled.idle_users(now - timedelta(days=39)) == ["u1", "u2", "u3"]


def test_the_audit_log_tells_how_much_was_erased_and_nothing_of_whom(filled: Store, an_event: MakeEvent) -> None:
    filled.add_events([an_event("1"), an_event("2")])
    filled.delete_user("u1", "k-7", "request-9")
    with pytest.raises(NotFound):
        filled.delete_user("u1", "k-7")
    filled.record_sweep("command", {"events": 3})
    with filled._reading() as session:
        rows = session.execute(select(AuditRow.__table__).order_by(AuditRow.id)).all()
    assert [(row.action, row.actor, row.request_id) for row in rows] == [
        ("user.erase", "k-7", "request-9"),
        ("privacy.sweep", "command", None),
    ]
    assert rows[0].details == {"events": 2, "generations": 0, "jobs": 0, "answers": 0}
    assert "u1" not in str(rows)
    later = datetime.now(UTC) + timedelta(seconds=1)
    assert filled.purge_audit(later - timedelta(days=1)) == 0
    assert (filled.purge_audit(later, dry_run=True), filled.purge_audit(later)) == (2, 2)


def test_an_export_holds_everything(filled: Store, an_event: MakeEvent) -> None:
    profile = Profile(
        id="u1", traits=Traits(size_top="M"), preferences=(Preference(facet="colour", value="green", weight=1),),
        consents={"photos": True, "training": False},
    )  # fmt: skip
    filled.put_user(profile)
    filled.add_events([an_event(str(n), minute=-n) for n in range(600)])  # more than is read at once
    filled.add_generations([generation("g1"), generation("g2", "u2")], np.ones((2, 4)))
    filled.put_condition("u1", "taste@1", 3, np.array([1, 2]), {"events": 3})
    filled.add_job("j1", "k-1", "u1", {"requests": []}, 4)
    lease = filled.claim_request("1" * 64, "b" * 64, "u1", 30)
    assert isinstance(lease, Lease)
    filled.keep_answer(lease, Kept(200, {}, b'{"items": []}'))
    filled.claim_request("2" * 64, "b" * 64, "u2", 30)

    filled.add_recommendations([shown("r-1"), shown("r-2", day=3), shown("r-3", "u2")])
    with filled._writing() as session:
        facets = {"top_category": None, "top_colour": "green", "top_pattern": None, "top_style": "casual"}
        vector = np.arange(37, dtype="<f4").tobytes()
        taste = {"events": 600, "first_at": MORNING, "last_at": MORNING, "vector": vector, **facets}
        session.add(UserTasteRow(user_id="u1", **taste))
        weights = {"colour=green": 2.5}
        session.add(TasteMonthRow(user_id="u1", month=date(2025, 5, 1), events=600, weights=weights))

    told = exported(filled, "u1")
    assert (told.id, told.source, told.traits, told.preferences) == ("u1", "app", profile.traits, profile.preferences)
    assert {consent.purpose: consent.granted for consent in told.consents} == profile.consents
    assert [event.key for event in told.events] == [str(n) for n in reversed(range(600))]
    assert [(v.model, v.vector, v.made_from) for v in told.vectors] == [("taste@1", (1.0, 2.0), {"events": 3})]
    assert [(g.id, g.url, g.feature) for g in told.generations] == [("g1", "a" * 64, (1.0,) * 4)]
    assert told.generations[0].reasons == generation("g1").reasons
    assert [job.id for job in told.jobs] == ["j1"]
    assert [(answer.status, answer.body) for answer in told.answers] == [(200, {"items": []})]
    assert [(answer.id, answer.shown) for answer in told.recommendations] == [("r-2", THINGS), ("r-1", THINGS)]
    (before,) = told.versions  # an empty profile, since replaced
    assert (before.traits, before.stated) == (Traits(), {})
    assert [(taste.top_colour, taste.vector[36]) for taste in told.tastes] == [("green", 36.0)]
    assert [(month.month, month.weights) for month in told.months] == [(date(2025, 5, 1), {"colour=green": 2.5})]
    assert UserExport.model_validate_json(told.model_dump_json()) == told
    assert exported(filled, "u2").events == ()
    with pytest.raises(NotFound, match="nothing to export"):
        exported(filled, "nobody")


def test_no_table_about_users_is_forgotten_by_the_export() -> None:
    """Whoever adds a column that names a user has to export it too: then this list grows."""
    about = {table.name for table in Base.metadata.sorted_tables if {"user_id", "owner"} & set(table.c.keys())}
    assert about == {
        "preferences", "consents", "items", "generations", "events", "condition_vectors", "idempotency", "jobs",
        "user_catalogues", "recommendations", "user_versions", "user_tastes", "taste_months",
        "stale_tastes",  # not exported: it holds only who is in it, until the tastes are made anew
    }  # fmt: skip


def age(store: Store, days: int) -> None:
    """Make everybody's profile older."""
    at = (datetime.now(UTC) - timedelta(days=days)).replace(tzinfo=None if "sqlite" in store.url else UTC)
    with store._writing() as session:
        session.execute(text("UPDATE users SET updated_at = :at"), {"at": at.isoformat(" ")})
