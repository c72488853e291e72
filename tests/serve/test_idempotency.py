"""`Idempotency-Key` over HTTP: done once, answered as often as it is asked for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from persona.recommend import Recommender
from persona.store import Store
from persona.store.idempotency import HEADER
from persona.store.schema import IdempotencyRow, JobRow

from .conftest import Keyed

ASKED: dict[str, Any] = {"user_id": "demo-ana", "generate": 1, "outfit": False}


def send(client: FlaskClient, key: str = "once", path: str = "/v1/recommendations", **body: Any) -> TestResponse:
    return client.post(path, json=body or ASKED, headers={HEADER: key})


def kept(store: Store) -> int:
    with store._reading() as session:
        return session.scalar(select(func.count()).select_from(IdempotencyRow)) or 0


def test_the_first_answer_is_given_again(client: FlaskClient, recommender: Recommender) -> None:
    first = send(client)
    assert "Idempotent-Replayed" not in first.headers
    item = first.json["items"][0]["item_id"]
    event = {"key": "k", "user_id": "demo-ana", "item_id": item, "type": "hide", "at": "2025-06-01T00:00:00Z"}
    assert client.post("/v1/events", json={"events": [event]}).status_code == 200
    again = send(client)
    assert (again.status_code, again.data, again.mimetype) == (200, first.data, "application/json")
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["X-Content-Type-Options"] == "nosniff"
    assert send(client, key="another").data != first.data
    assert client.post("/v1/recommendations", json=ASKED).data != first.data


def test_another_request_under_the_same_key_is_refused(client: FlaskClient) -> None:
    assert send(client).status_code == 200
    for answer in (send(client, **ASKED, seed=3), send(client, path="/v1/events", events=[])):
        assert answer.status_code == 422
        assert answer.json["code"] == "key_reused"
        assert answer.json["errors"][0]["pointer"] == "#/Idempotency-Key"


def test_callers_do_not_meet(keyed: Keyed) -> None:
    for number, scope in enumerate(("read", "write")):
        answer = keyed.client(scope).post(
            "/v1/recommendations", json=ASKED | {"seed": number}, headers={HEADER: "once"}
        )
        assert (answer.status_code, answer.json["seed"]) == (200, number)


def test_what_failed_is_not_kept(client: FlaskClient, recommender: Recommender) -> None:
    assert send(client, user_id="nobody").status_code == 404
    assert send(client, user_id=7).status_code == 422
    assert (
        client.post("/v1/events", data="{", content_type="application/json", headers={HEADER: "x"}).status_code == 400
    )
    assert kept(recommender.store) == 0
    assert send(client).status_code == 200  # under the same key: nothing was done under it yet


def test_a_key_that_is_none(client: FlaskClient) -> None:
    for key in ("", "a b", "x" * 256, "schlüssel".encode().decode("latin-1")):
        answer = send(client, key=key)
        assert answer.status_code == 422
        assert "visible ASCII" in answer.json["detail"]


def test_where_a_key_does_not_count(client: FlaskClient, recommender: Recommender) -> None:
    assert client.get("/v1/users/demo-ana", headers={HEADER: "once"}).status_code == 200
    assert client.post("/v1/makeup/looks", json={}, headers={HEADER: "once"}).status_code in (200, 404, 422, 503)
    assert client.post("/v1/nothing", json={}, headers={HEADER: "once"}).status_code == 404
    assert kept(recommender.store) == 0


def test_an_erased_user_s_answers_are_gone(client: FlaskClient, recommender: Recommender) -> None:
    look = {"name": "x", "regions": {}}
    first = send(client)
    assert first.status_code == 200
    client.post("/v1/users/demo-ana/looks", json=look, headers={HEADER: "look"})
    assert client.delete("/v1/users/demo-ana").status_code == 204
    assert kept(recommender.store) == 0
    assert send(client).status_code == 404


def test_many_at_once_begin_one_job(app: APIFlask, recommender: Recommender) -> None:
    body = {"requests": [{"user_id": "demo-ana", "mode": "retrieve"}]}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: send(app.test_client(), path="/v1/jobs", **body), range(24)))
    assert {answer.status_code for answer in answers} <= {202, 409}
    assert all(answer.headers["Retry-After"] for answer in answers if answer.status_code == 409)
    done = [answer for answer in answers if answer.status_code == 202]
    assert len({answer.json["id"] for answer in done}) == 1
    assert sum("Idempotent-Replayed" not in answer.headers for answer in done) == 1
    with recommender.store._reading() as session:
        assert session.scalar(select(func.count()).select_from(JobRow)) == 1
    app.extensions["persona.jobs"].stop()


def test_an_error_of_ours_gives_the_key_back(app: APIFlask, monkeypatch: pytest.MonkeyPatch) -> None:
    recommender, client = app.extensions["persona"].recommender, app.test_client()
    real = recommender.recommend

    def fail(_: Any) -> Any:
        raise RuntimeError("a bug")

    monkeypatch.setattr(recommender, "recommend", fail)
    assert send(client).status_code == 500
    monkeypatch.setattr(recommender, "recommend", real)
    assert send(client).status_code == 200
