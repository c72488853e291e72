"""Lists and neighbours over HTTP, and what a recommendation request can ask for besides."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from persona.recommend import Recommendation, Recommender
from persona.serve.problems import Problem

ITEM = "dress-green-light"
AT = "2025-05-20T10:00:00Z"


def problem(answer: TestResponse, status: int) -> Problem:
    assert answer.status_code == status, answer.text
    assert answer.content_type == "application/problem+json"
    return Problem.model_validate_json(answer.data)


def ask(client: FlaskClient, **asked: Any) -> TestResponse:
    return client.post("/v1/recommendations", json={"user_id": "demo-ana", "mode": "retrieve", "outfit": False} | asked)


def pages(client: FlaskClient, address: str, name: str, limit: int) -> list[dict[str, Any]]:
    """A whole list, page by page."""
    rows, cursor = [], ""
    while True:
        answer = client.get(f"{address}?limit={limit}{cursor}")
        assert answer.status_code == 200, answer.text
        assert answer.headers["Cache-Control"] == "no-store"
        rows += answer.json[name]
        if answer.json["next"] is None:
            return rows
        cursor = f"&cursor={quote(answer.json['next'])}"


def test_the_catalogue_page_by_page(client: FlaskClient, recommender: Recommender) -> None:
    found = pages(client, "/v1/items", "items", 7)
    assert [item["item_id"] for item in found] == recommender.table.ids
    one = client.get(f"/v1/items/{ITEM}").json
    assert one in found
    assert (one["category"], one["colour"], one["generated"]) == ("dress", "green", False)
    assert client.get(one["url"]).status_code == 200
    assert not {"owner", "rights", "lab"} & set(one)


def test_what_is_no_garment_is_no_item_here(client: FlaskClient, recommender: Recommender) -> None:
    """Looks and styles can be a user's own."""
    item = recommender.store.get_item(ITEM)
    look = item.model_copy(update={"id": "look-1", "domain": "look", "category": "evening", "look": {}, "owner": "ana"})
    recommender.store.put_items([look])
    for address in ("/v1/items/look-1", "/v1/items/look-1/similar", "/v1/items/nothing", "/v1/items/nothing/similar"):
        problem(client.get(address), 404)
    assert "look-1" not in {item["item_id"] for item in pages(client, "/v1/items", "items", 200)}


def test_similar_items(client: FlaskClient) -> None:
    answer = client.get(f"/v1/items/{ITEM}/similar?count=5&category=dress").json
    assert answer["item_id"] == ITEM
    assert [item["rank"] for item in answer["items"]] == [1, 2, 3, 4, 5]
    assert {item["category"] for item in answer["items"]} == {"dress"}
    assert ITEM not in {item["item_id"] for item in answer["items"]}
    similarities = [item["similarity"] for item in answer["items"]]
    assert similarities == sorted(similarities, reverse=True)
    assert problem(client.get(f"/v1/items/{ITEM}/similar?count=0"), 422).errors[0].pointer == "#/count"
    assert problem(client.get(f"/v1/items/{ITEM}/similar?category=cape"), 422).errors[0].pointer == "#/category"


def test_users_and_what_they_did_and_were_made(client: FlaskClient) -> None:
    assert [user["id"] for user in pages(client, "/v1/users", "users", 2)] == ["demo-ana", "demo-ben", "demo-newcomer"]
    assert pages(client, "/v1/users", "users", 2)[0] == client.get("/v1/users/demo-ana").json
    liked = {"key": "k", "user_id": "demo-ana", "item_id": ITEM, "type": "like", "at": AT, "rec_id": "r-7"}
    client.post("/v1/events", json={"events": [liked]})
    events = pages(client, "/v1/users/demo-ana/events", "events", 2)
    assert len(events) == 6
    assert events[0] == liked | {"generation_id": None}
    made = ask(client, mode="generate", generate=3).json["generated"]
    listed = pages(client, "/v1/users/demo-ana/generations", "generations", 2)
    assert {one["id"] for one in listed} == {one["generation_id"] for one in made}
    assert {one["url"] for one in listed} == {one["url"] for one in made}
    assert pages(client, "/v1/users/demo-ben/generations", "generations", 2) == []
    for name in ("events", "generations", "similar"):
        problem(client.get(f"/v1/users/nobody/{name}"), 404)
    found = problem(client.get("/v1/users?cursor=nonsense"), 422)
    assert found.errors[0].pointer == "#/cursor"
    assert problem(client.get("/v1/users?limit=201"), 422).errors[0].pointer == "#/limit"


def test_similar_users_need_consent(client: FlaskClient) -> None:
    refused = problem(client.get("/v1/users/demo-ana/similar"), 422)
    assert (refused.code, refused.errors[0].pointer) == ("no_consent", "#/user_id")
    for user in ("u1", "u2"):
        client.put(f"/v1/users/{user}", json={"consents": {"analytics": True}})
        liked = {"key": user, "user_id": user, "item_id": ITEM, "type": "like", "at": AT}
        client.post("/v1/events", json={"events": [liked]})
        assert ask(client, user_id=user).status_code == 200
    answer = client.get("/v1/users/u1/similar?count=3").json
    assert [user["user_id"] for user in answer["users"]] == ["u2"]
    assert (answer["compared"], answer["users"][0]["rank"]) == (1, 1)


def test_a_request_asks_for_all_of_it_at_once(client: FlaskClient) -> None:
    asked = {
        "filter": {
            "all": [{"field": "category", "in": ["dress", "shoes"]}, {"not": {"field": "colour", "in": ["red"]}}]
        },
        "context": {"at": AT, "hemisphere": "south", "temperature": 8.5, "occasion": "evening"},
        "session": [{"item_id": "shoes-black-light", "type": "view", "at": AT, "rec_id": "r-1"}],
        "diversity": 0.2,
        "explore": 0.1,
        "exclude": [ITEM],
        "count": 100,
    }
    plan = Recommendation.model_validate_json(ask(client, **asked, validate_only=True).data)
    answer = Recommendation.model_validate_json(ask(client, **asked).data)
    assert plan.plan is not None
    assert plan.plan.items == len(answer.items) == 15
    assert (plan.items, answer.plan, answer.arm) == ((), None, "default")
    shown = {item.item_id for item in answer.items}
    assert all(name.startswith(("dress", "shoes")) and "red" not in name for name in shown)
    assert ITEM not in shown


@pytest.mark.parametrize(
    ("more", "pointer"),
    [
        ({"exploration": 0.1}, "#/exploration"),
        ({"filter": {"any": [{"field": "price", "max": 3}, {"field": "colour", "in": ["mauve"]}]}}, "#/filter/any/1"),
        ({"filter": {"not": {"field": "nothing", "in": ["a"]}}}, "#/filter/not/field"),
        ({"filter": {"field": "price", "max": "80"}}, "#/filter/max"),
        ({"filter": "price < 80"}, "#/filter"),
        ({"context": {"temperature": 61}}, "#/context/temperature"),
        ({"context": {"at": "2025-05-20T10:00:00"}}, "#/context/at"),
        ({"context": {"occasion": "funeral"}}, "#/context/occasion"),
        ({"session": [{"item_id": "nothing", "type": "like", "at": AT}]}, "#/session/0/item_id"),
        ({"session": [{"item_id": ITEM, "type": "like", "at": AT, "rec_id": "r" * 65}]}, "#/session/0/rec_id"),
        ({"user_id": None, "profile": {}, "session": []}, "#"),
    ],
)
@pytest.mark.parametrize("validate_only", [False, True])
def test_what_is_wrong_is_named(client: FlaskClient, more: dict[str, Any], pointer: str, validate_only: bool) -> None:
    found = problem(ask(client, **more, validate_only=validate_only), 422)
    assert found.errors[0].pointer == pointer


def test_conditions_as_deep_as_json_allows(client: FlaskClient) -> None:
    for depth in (10, 150, 5000):
        body = '{"profile": {}, "filter": ' + '{"not": ' * depth + "{}" + "}" * depth + "}"
        answer = client.post("/v1/recommendations", data=body, content_type="application/json")
        assert answer.status_code in (400, 422)


def test_a_plan_for_nobody_is_refused(client: FlaskClient) -> None:
    problem(ask(client, user_id="nobody", validate_only=True), 404)
