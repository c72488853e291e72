"""What a caller sees while the database is away, locked or full: a problem that says so and when to come again."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text

from persona.recommend import Recommender

RANK = {"user_id": "demo-ana", "mode": "retrieve", "outfit": False}
EVENT = {"key": "k", "user_id": "demo-ana", "item_id": "dress-red-light", "type": "like", "at": "2025-06-01T00:00:00Z"}


def test_a_database_that_is_away_is_told_at_once_and_found_again(client: FlaskClient, recommender: Recommender) -> None:
    before = client.post("/v1/recommendations", json=RANK)
    assert before.status_code == 200
    file = Path(str(recommender.store._engine.url.database))
    away = file.rename(file.with_suffix(".away"))
    for path, body in (("/v1/recommendations", RANK), ("/v1/events", {"events": [EVENT]})):
        began = time.monotonic()
        answer = client.post(path, json=body)
        assert time.monotonic() - began < 1
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
        assert answer.mimetype == "application/problem+json"
        assert answer.json is not None
        assert answer.json["detail"] == "the database does not answer; try again in a moment"
    assert client.get("/readyz").status_code == 503
    assert client.get("/livez").status_code == 200
    away.rename(file)
    assert client.get("/readyz").status_code == 200
    assert client.post("/v1/recommendations", json=RANK).json == before.json
    assert client.post("/v1/events", json={"events": [EVENT]}).json == {"added": 1, "duplicates": 0}


def test_a_writer_that_waits_in_vain_is_told_to_come_again(
    client: FlaskClient, recommender: Recommender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("persona.store.sqlite.SECONDS_TO_WAIT", 0.2)
    with recommender.store._writing() as session:
        session.execute(text("SELECT 1"))
        assert client.post("/v1/events", json={"events": [EVENT]}).status_code == 503
        assert client.post("/v1/recommendations", json=RANK).status_code == 200  # readers go on


def test_a_full_disk_is_told(client: FlaskClient, recommender: Recommender) -> None:
    with recommender.store._engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    events = [{**EVENT, "key": f"{number}-{'x' * 100}"} for number in range(1000)]
    answer = client.post("/v1/events", json={"events": events})
    assert answer.status_code == 507
    assert recommender.store.count_events() == 5  # all or none
    assert client.post("/v1/recommendations", json=RANK).status_code == 200
