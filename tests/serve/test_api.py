"""The API's contract, route by route."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from persona.recommend import Recommendation, Recommender
from persona.serve.problems import Problem

ITEM = "dress-green-light"
GREEN = {"facet": "colour", "value": "green", "weight": 1}
LIKED = {"item_id": ITEM, "type": "like", "at": "2025-05-20T10:00:00Z"}


def event(key: str, **more: Any) -> dict[str, Any]:
    return {"key": key, "user_id": "demo-ana", "item_id": ITEM, "type": "like", "at": "2025-05-20T10:00:00Z"} | more


def send(client: FlaskClient, *events: dict[str, Any]) -> TestResponse:
    return client.post("/v1/events", json={"events": events})


def ids(client: FlaskClient, **more: Any) -> list[str]:
    asked = {"user_id": "demo-ana", "mode": "retrieve", "outfit": False} | more
    return [item["item_id"] for item in client.post("/v1/recommendations", json=asked).json["items"]]


def problem(answer: TestResponse, status: int) -> Problem:
    """The problem that an answer is; fails unless it is one, of this status, and tells nothing of our insides."""
    assert answer.status_code == status, answer.text
    assert answer.content_type == "application/problem+json"
    assert "Traceback" not in answer.text
    found = Problem.model_validate_json(answer.data)
    assert (found.status, bool(found.detail)) == (status, True)
    return found


def test_recommends_to_a_stored_user(client: FlaskClient) -> None:
    answer = client.post("/v1/recommendations", json={"user_id": "demo-ana", "count": 5, "generate": 2})
    assert answer.status_code == 200
    found = Recommendation.model_validate_json(answer.data)
    assert [item.rank for item in found.items] == [1, 2, 3, 4, 5]
    assert all(item.reasons for item in found.items)
    assert [item.generated for item in found.generated] == [True, True]
    assert found.outfit is not None
    shown = [found.outfit.url, *(item.url for item in found.generated), *(item.url for item in found.items)]
    for url in shown:
        picture = client.get(url or "")
        assert (picture.status_code, picture.mimetype) == (200, "image/webp")


def test_recommends_to_an_inline_profile_without_storing_it(client: FlaskClient, recommender: Recommender) -> None:
    before = recommender.store.count_users()
    answer = client.post("/v1/recommendations", json={"profile": {}, "history": [LIKED], "generate": 1})
    assert answer.status_code == 200
    assert answer.json["user_id"] is None
    assert answer.json["cold_start"] == "none"
    assert recommender.store.count_users() == before


def test_a_new_event_changes_the_next_answer(client: FlaskClient) -> None:
    before = ids(client)
    assert send(client, event("k1", item_id=before[0])).json == {"added": 1, "duplicates": 0}
    after = ids(client)
    assert after != before
    assert before[0] not in after  # what is liked is kept, not picked again
    assert send(client, event("k2", item_id=after[0], type="hide")).status_code == 200
    assert after[0] not in ids(client)


def test_events_are_idempotent(client: FlaskClient) -> None:
    assert send(client, event("a"), event("b")).json == {"added": 2, "duplicates": 0}
    assert send(client, event("a"), event("c")).json == {"added": 1, "duplicates": 1}
    assert "'a'" in problem(send(client, event("a", type="hide")), 409).detail


def test_a_thousand_events_and_no_more(client: FlaskClient) -> None:
    events = [event(f"n{n}") for n in range(1001)]
    assert send(client, *events[:1000]).json == {"added": 1000, "duplicates": 0}
    assert problem(send(client, *events), 422).errors[0].pointer == "#/events"
    assert problem(send(client), 422).errors[0].pointer == "#/events"


@pytest.mark.parametrize(
    ("more", "pointer"),
    [
        ({"user_id": "nobody"}, "#/events/1/user_id"),
        ({"item_id": "nothing"}, "#/events/1/item_id"),
        ({"type": "love"}, "#/events/1/type"),
        ({"at": "2999-01-01T00:00:00Z"}, "#/events/1/at"),
        ({"at": "2025-05-20T10:00:00"}, "#/events/1/at"),
        ({"at": 1747735200}, "#/events/1/at"),
        ({"generation_id": "g"}, "#/events/1"),
        ({"colour": "red"}, "#/events/1/colour"),
    ],
)
def test_one_bad_event_is_named_and_none_is_stored(
    client: FlaskClient, recommender: Recommender, more: dict[str, Any], pointer: str
) -> None:
    before = recommender.store.event_watermark("demo-ana")
    found = problem(send(client, event("good"), event("bad", **more)), 422)
    assert found.errors[0].pointer == pointer
    assert recommender.store.event_watermark("demo-ana") == before


def test_a_user_is_put_read_and_erased(client: FlaskClient, recommender: Recommender) -> None:
    body = {
        "traits": {"age_band": "25-34", "size_shoe": 39.5},
        "preferences": [{"facet": "colour", "value": "red", "weight": 0.5}],
        "consents": {"personalisation": True, "training": False},
    }
    created = client.put("/v1/users/u1", json=body)
    assert (created.status_code, created.headers["Location"]) == (201, "/v1/users/u1")
    assert client.put("/v1/users/u1", json=body).status_code == 200
    stored = client.get("/v1/users/u1").json
    assert stored == created.json
    assert {name: stored[name] for name in ("preferences", "consents")} == {
        name: body[name] for name in ("preferences", "consents")
    }
    made = client.post("/v1/recommendations", json={"user_id": "u1", "generate": 1, "outfit": False}).json["generated"]
    assert client.get(made[0]["url"]).status_code == 200

    assert client.delete("/v1/users/u1").status_code == 204
    problem(client.get("/v1/users/u1"), 404)
    problem(client.delete("/v1/users/u1"), 404)
    problem(client.get(made[0]["url"]), 404)
    assert not recommender.store.generation_features([made[0]["generation_id"]])


def test_liking_a_generated_garment_changes_the_answer(client: FlaskClient) -> None:
    made = client.post("/v1/recommendations", json={"user_id": "demo-ana", "generate": 1}).json["generated"][0]
    before = client.post("/v1/recommendations", json={"user_id": "demo-ana", "mode": "retrieve"}).json
    assert send(client, event("g", item_id=None, generation_id=made["generation_id"])).json["added"] == 1
    after = client.post("/v1/recommendations", json={"user_id": "demo-ana", "mode": "retrieve"}).json
    assert after["watermark"] > before["watermark"]
    assert [item["score"] for item in after["items"]] != [item["score"] for item in before["items"]]


def test_refused_personalisation_is_respected(client: FlaskClient) -> None:
    client.put("/v1/users/private", json={"consents": {"personalisation": False}})
    send(client, event("p", user_id="private"))
    answer = client.post("/v1/recommendations", json={"user_id": "private", "mode": "retrieve"}).json
    assert answer["cold_start"] == "popularity"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#"),
        ({"user_id": "demo-ana", "profile": {}}, "#"),
        ({"user_id": "demo-ana", "count": 0}, "#/count"),
        ({"user_id": "demo-ana", "count": "3"}, "#/count"),
        ({"user_id": "demo-ana", "count": 101}, "#/count"),
        ({"user_id": "demo-ana", "generate": 17}, "#/generate"),
        ({"user_id": "demo-ana", "category": "cape"}, "#/category"),
        ({"user_id": "demo-ana", "colour": "red"}, "#/colour"),
        ({"user_id": "a b"}, "#/user_id"),
        ({"profile": {"preferences": [GREEN | {"weight": 1.01}]}}, "#/profile/preferences/0/weight"),
        ({"profile": {"preferences": [GREEN | {"value": "mauve"}]}}, "#/profile/preferences/0"),
        ({"profile": {"preferences": [GREEN, GREEN]}}, "#/profile"),
        ({"profile": {}, "history": [LIKED | {"item_id": "nothing"}]}, "#/history/0/item_id"),
        ({"profile": {}, "history": [LIKED | {"at": "2999-01-01T00:00:00Z"}]}, "#/history/0/at"),
        ([], "#"),
        ("dress", "#"),
    ],
)
def test_a_bad_request_is_answered_with_the_field(client: FlaskClient, body: Any, pointer: str) -> None:
    assert problem(client.post("/v1/recommendations", json=body), 422).errors[0].pointer == pointer


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"traits": {"skin_tone": 11}}, "#/traits/skin_tone"),
        ({"consents": {"selling": True}}, "#/consents/selling"),
        ({"consents": {"training": "yes"}}, "#/consents/training"),
        ({"preferences": [GREEN | {"weight": -2}]}, "#/preferences/0/weight"),
        ({"preferences": [GREEN, GREEN]}, "#"),
        ({"preferences": [GREEN | {"weight": float("nan")}]}, "#/preferences/0/weight"),
        ({"id": "other"}, "#/id"),
    ],
)
def test_a_bad_user_is_answered_with_the_field(client: FlaskClient, body: Any, pointer: str) -> None:
    assert problem(client.put("/v1/users/u2", json=body), 422).errors[0].pointer == pointer
    problem(client.get("/v1/users/u2"), 404)


def test_unknown_users_and_ids_that_nobody_can_have(client: FlaskClient) -> None:
    assert "nobody" in problem(client.post("/v1/recommendations", json={"user_id": "nobody"}), 404).detail
    problem(client.get("/v1/users/a%20b"), 404)
    problem(client.put("/v1/users/a%20b", json={}), 422)


def test_what_is_no_json(client: FlaskClient) -> None:
    def post(body: bytes | str, kind: str | None = "application/json") -> TestResponse:
        return client.post("/v1/events", data=body, content_type=kind)

    for body in ("", "{", "{'events': []}", b"\xff\xfe", "[" * 100_000):
        problem(post(body), 400)
    problem(post('{"events": [NaN]}'), 422)
    problem(post("{}", "text/plain"), 415)
    problem(post("a=b", "application/x-www-form-urlencoded"), 415)
    problem(post("{}", None), 415)
    problem(post(" " * (1024 * 1024 + 1)), 413)
    assert "NUL" in problem(client.post("/v1/events", json={"events": [event("a\0b")]}), 422).detail
    assert send(client, event("a\\u0000b")).status_code == 200  # a backslash and letters are no NUL


def test_addresses_and_methods_that_are_not_there(client: FlaskClient) -> None:
    problem(client.get("/v1/nothing"), 404)
    answer = client.get("/v1/events")
    assert "GET" in problem(answer, 405).detail
    assert set(answer.headers["Allow"].split(", ")) == {"OPTIONS", "POST"}
    problem(client.patch("/v1/users/demo-ana"), 405)
    problem(client.get("/nothing"), 404)
    page = client.get("/nothing", headers={"Accept": "text/html,*/*;q=0.8"})
    assert (page.status_code, page.mimetype) == (404, "text/html")


def test_a_bug_is_answered_without_its_traceback(client: FlaskClient, recommender: Recommender, caplog: Any) -> None:
    recommender.store.close()
    recommender.pictures = None  # type: ignore[assignment]
    found = problem(client.get(f"/i/{'0' * 64}.webp"), 500)
    reference = found.detail.rsplit(" ", 1)[1].rstrip(".")
    assert reference in caplog.text
    assert "AttributeError" in caplog.text
    assert "NoneType" not in found.detail


def test_pictures_are_kept_for_ever(client: FlaskClient, recommender: Recommender) -> None:
    sha = recommender.store.get_item(ITEM).picture
    answer = client.get(f"/i/{sha}.webp")
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["ETag"] == f'"{sha}"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    again = client.get(f"/i/{sha}.webp", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert client.head(f"/i/{sha}.webp").headers["Content-Length"] == str(len(answer.data))
    for name in ("0" * 64, "0" * 63, "..", "%2e%2e%2fpersona.db", "A" * 64):
        assert problem(client.get(f"/i/{name}.webp"), 404).detail.find(str(recommender.pictures.root)) == -1
