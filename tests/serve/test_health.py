"""`/livez` and `/readyz`: from the first moment, through a failure to open, to a database that went away."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from persona.recommend import Recommender
from persona.serve import service
from persona.serve.app import create_app
from persona.settings import Settings


def test_a_ready_service(client: FlaskClient) -> None:
    assert client.get("/livez").json == {"status": "alive"}
    assert client.get("/readyz").json == {"status": "ready"}


def test_models_load_in_the_background(settings: Settings) -> None:
    app = create_app(settings)
    client = app.test_client()
    assert client.get("/livez").status_code == 200
    assert app.extensions["persona"].wait(60)
    assert client.get("/readyz").status_code == 200
    assert client.post("/v1/recommendations", json={"user_id": "demo-ana"}).status_code == 200
    app.extensions["persona"].recommender.store.close()


def test_what_cannot_be_opened_is_said_and_tried_again(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "RETRY", 0.05)
    away = Path(f"{settings.home}-away")
    settings.home.rename(away)
    settings.home.mkdir()
    app = create_app(settings)
    client = app.test_client()
    assert not app.extensions["persona"].wait(0.5)
    for answer in (client.get("/readyz"), client.post("/v1/recommendations", json={"profile": {}})):
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "2"
        assert "persona db upgrade" in answer.json["detail"]
    assert client.get("/livez").status_code == 200
    page = client.get("/", headers={"Accept": "text/html"})
    assert page.status_code == 503
    assert 'http-equiv="refresh"' in page.text  # a browser that came too early tries again by itself
    for file in away.iterdir():
        file.rename(settings.home / file.name)
    assert app.extensions["persona"].wait(60)
    assert client.get("/readyz").status_code == 200
    app.extensions["persona"].recommender.store.close()


def test_a_database_that_went_away(client: FlaskClient, recommender: Recommender, settings: Settings) -> None:
    recommender.store.close()
    for file in settings.home.glob("persona.db*"):
        file.rename(file.with_suffix(".away" + file.suffix))
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "database" in answer.json["detail"]
