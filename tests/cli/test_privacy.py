"""`persona privacy`: what is old goes, what is young stays; one user's data comes out whole."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, text

from persona.recommend.tally import FILE as TALLY
from persona.settings import Settings
from persona.store import Event, Generation, Item, Profile, Rights, Store, Traits
from persona.store.exported import UserExport
from persona.store.recommendations import ShownAnswer
from persona.store.schema import AuditRow
from tests.cli.conftest import run

NOW = datetime.now(UTC)
RIGHTS = Rights(licence="CC0-1.0", source="https://example.org")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Users old and young, each with an event and two pictures, one of them liked."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PERSONA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PERSONA_DATABASE_URL", "")
    assert run("db", "upgrade").exit_code == 0
    store = Store.open(Settings().url)
    store.put_items([Item(id="dress", category="dress", rights=RIGHTS)])
    for number, (user, days) in enumerate({"old": 400, "young": 3}.items()):
        at = NOW - timedelta(days=days)
        store.put_user(Profile(id=user))
        store.add_generations([_generation(f"{user}-{n}", user, f"{number}{n}", at) for n in range(2)])
        liked = {"user_id": user, "type": "like", "at": at}
        store.add_events(
            [
                Event(key=f"{user}-event", item_id="dress", **liked),
                Event(key=f"{user}-picture", generation_id=f"{user}-0", **liked),
            ]
        )
    with store._writing() as session:
        before = (NOW - timedelta(days=400)).replace(tzinfo=None).isoformat(" ")
        session.execute(text("UPDATE users SET updated_at = :at"), {"at": before})
    for sha in ("00", "01", "10", "11"):
        path = Settings().pictures / sha / f"{sha * 32}.webp"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"a picture")
    (Settings().home / TALLY).write_bytes(b"counts")
    return store


def _generation(id: str, user: str, picture: str, at: datetime) -> Generation:
    made = {"model": "garment-64@1", "condition_digest": "c" * 64, "seed": 1, "category": "dress"}
    return Generation.model_validate({"id": id, "user_id": user, "picture": picture * 32, "created_at": at, **made})


def pictures() -> set[str]:
    return {path.parent.name for path in Settings().pictures.rglob("*.webp")}


def audited(store: Store) -> list[tuple[str, dict[str, int]]]:
    with store._reading() as session:
        return [(row.action, dict(row.details)) for row in session.scalars(select(AuditRow).order_by(AuditRow.id))]


def sweep(*options: str) -> dict[str, int]:
    result = run("privacy", "sweep", "--json", *options)
    assert result.exit_code == 0, result.output
    counts: dict[str, int] = json.loads(result.stdout)
    return {name: count for name, count in counts.items() if count}


def test_nothing_is_swept_unless_it_is_set(store: Store) -> None:
    assert sweep() == {}
    assert run("privacy", "sweep").stdout == "erased: nothing\n"
    assert (store.count_users(), store.count_events(), len(pictures())) == (2, 4, 4)
    assert audited(store) == []


def test_old_events_and_pictures(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERSONA_KEEP_GENERATIONS_DAYS", "1")
    assert sweep("--dry-run") == {"generations": 2, "dry_run": True}
    assert len(pictures()) == 4
    assert sweep() == {"generations": 2}  # those that nobody liked
    assert pictures() == {"00", "10"}
    monkeypatch.setenv("PERSONA_KEEP_EVENTS_DAYS", "100")
    assert sweep("--dry-run")["events"] == 2
    assert (Settings().home / TALLY).exists()
    assert sweep() == {"events": 2, "generations": 1}
    assert not (Settings().home / TALLY).exists()  # it rests on them
    assert [event.key for event in store.history("young")] == ["young-event", "young-picture"]
    assert store.history("old") == []
    assert pictures() == {"10"}
    assert sweep() == {}
    assert [action for action, _ in audited(store)] == ["privacy.sweep"] * 2


def test_what_was_shown_and_earlier_profiles_go_with_old_events(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    models = {"arm": "a", "cold_start": "none", "taste_model": "taste@1", "generator_model": "garment-64@1"}
    for days in (3, 40, 400):
        answer = ShownAnswer(id=f"r-{days}", user_id="young", at=NOW - timedelta(days=days), shown=(), **models)
        store.add_recommendations([answer])
    store.put_user(Profile(id="young", traits=Traits(age_band="25-34")))  # an earlier profile, which ends now
    monkeypatch.setenv("PERSONA_KEEP_EVENTS_DAYS", "30")
    assert sweep("--dry-run") == {"events": 2, "recommendations": 2, "dry_run": True}
    assert sweep() == {"events": 2, "recommendations": 2}
    with store._writing() as session:
        long_ago = (NOW - timedelta(days=60)).replace(tzinfo=None).isoformat(" ")
        session.execute(text("UPDATE user_versions SET valid_to = :at"), {"at": long_ago})
    assert run("privacy", "sweep").stdout == "erased: 1 versions\n"


def test_idle_users_go_whole(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERSONA_KEEP_IDLE_USERS_DAYS", "365")
    monkeypatch.setenv("PERSONA_KEEP_EVENTS_DAYS", "2")
    assert sweep("--dry-run")["users"] == 1
    assert sweep() == {"users": 1, "events": 2}
    assert store.user_ids() == ["young"]
    assert pictures() == {"10", "11"}
    assert sweep() == {}  # whose events are forgotten is not idle for that
    erased, swept = audited(store)
    assert erased == ("user.erase", {"events": 2, "generations": 2, "jobs": 0, "answers": 0})
    assert swept[1]["users"] == 1
    assert "old" not in json.dumps([erased, swept])


def test_the_audit_log_is_kept_for_a_year(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.record_export("command")
    with store._writing() as session:
        before = (NOW - timedelta(days=366)).replace(tzinfo=None).isoformat(" ")
        session.execute(text("UPDATE audit_log SET at = :at"), {"at": before})
    store.record_export("command")
    assert sweep() == {"audit": 1}
    assert [action for action, _ in audited(store)] == ["user.export", "privacy.sweep"]


def test_an_interrupted_sweep_goes_on(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERSONA_KEEP_GENERATIONS_DAYS", "1")
    monkeypatch.setattr("persona.store.retention.AT_ONCE", 1)
    from persona.catalog.pictures import Pictures

    with monkeypatch.context() as patch:
        patch.setattr(Pictures, "remove", _raising)
        assert run("privacy", "sweep").exit_code == 130
    ((action, counts),) = audited(store)
    assert (action, counts["generations"]) == ("privacy.sweep", 1)
    assert len(pictures()) == 4  # a row went without its file
    assert sweep() == {"generations": 1}
    assert len(pictures()) == 3
    for path in Settings().pictures.rglob("*.webp"):
        os.utime(path, times=(0, (NOW - timedelta(days=2)).timestamp()))
    assert sweep("--dry-run") == {"files": 1, "dry_run": True}
    assert sweep() == {"files": 1}
    assert pictures() == {"00", "10"}


def _raising(*_: object) -> None:
    raise KeyboardInterrupt


def test_exporting(store: Store, tmp_path: Path) -> None:
    printed = run("privacy", "export", "young")
    told = UserExport.model_validate_json(printed.stdout_bytes)
    assert (told.id, len(told.events), len(told.generations)) == ("young", 2, 2)
    assert run("privacy", "export", "young", "--out", "young.json").exit_code == 0
    written = tmp_path / "young.json"
    assert written.read_bytes() == printed.stdout_bytes
    assert written.stat().st_mode & 0o077 == 0
    missing = run("privacy", "export", "nobody", "--out", "nobody.json")
    assert missing.exit_code == 2
    assert "'nobody' is not stored" in missing.stderr
    assert not (tmp_path / "nobody.json").exists()
    assert [action for action, _ in audited(store)] == ["user.export"] * 2
