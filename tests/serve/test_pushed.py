"""The catalogue that the last batch pushed, over HTTP: as it was made, without what is refused or gone since."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest
from flask.testing import FlaskClient

from persona.recommend import Recommender
from persona.recommend.entries import Entry, UserCatalogue
from persona.store.exported import UserExport
from persona.store.records import Event, Profile

from .conftest import Keyed

AT = datetime(2026, 1, 2, 3, tzinfo=UTC)


def entry(kind: str, rank: int, **more: Any) -> dict[str, Any]:
    """As it is pushed."""
    about = {"kind": kind, "rank": rank, "score": 1.0, "category": "dress", "generated": kind != "item", "seed": 1}
    whole = Entry.model_validate({**about, "licence": "CC0-1.0", "model": "m@1", **more})
    return whole.model_dump(mode="json", exclude_none=True)


@pytest.fixture
def made(client: FlaskClient) -> list[dict[str, Any]]:
    """Garments and an outfit of an answer, whose pictures and generations are there."""
    asked = {"user_id": "demo-ana", "mode": "generate", "generate": 2}
    answer = client.post("/v1/recommendations", json=asked).json
    return [*answer["generated"], answer["outfit"]]


@pytest.fixture
def pushed(recommender: Recommender, made: list[dict[str, Any]]) -> Recommender:
    """Ana has two items, two garments, an outfit of a garment and a real item, and a look."""
    first, second, outfit = made
    pieces = [
        {"slot": "dress", "generation_id": first["generation_id"], "picture": first["picture"]},
        {"slot": "shoes", "item_id": "shoes-navy-light"},
    ]
    entries = [
        entry("item", 1, item_id="dress-green-light", picture="e" * 64),
        entry("item", 2, item_id="skirt-red-dark"),
        entry("garment", 1, generation_id=first["generation_id"], picture=first["picture"]),
        entry("garment", 2, generation_id=second["generation_id"], picture=second["picture"]),
        entry("outfit", 1, generation_id=outfit["generation_id"], picture=outfit["picture"], detail={"pieces": pieces}),
        entry("look", 1, category="evening", detail={"look": {"title": "Night"}}),
    ]
    recommender.store.push_catalogues("c-1", AT, {"demo-ana": entries})
    return recommender


def asked(client: FlaskClient, query: str = "") -> list[str]:
    """What is told: kind and rank of each."""
    answer = client.get(f"/v1/users/demo-ana/catalogue{query}")
    assert answer.status_code == 200, answer.text
    return [f"{one.kind}-{one.rank}" for one in UserCatalogue.model_validate_json(answer.data).entries]


def did(recommender: Recommender, key: str, type: str, **subject: str) -> None:
    """Ana does something."""
    event = {"key": key, "user_id": "demo-ana", "type": type, "at": "2026-01-03T00:00:00Z", **subject}
    recommender.add_events([Event.model_validate(event)])


def test_it_is_told_as_it_was_pushed(client: FlaskClient, pushed: Recommender) -> None:
    """With addresses of pictures, in a few milliseconds; by kind too."""
    answer = client.get("/v1/users/demo-ana/catalogue")
    assert answer.headers["Cache-Control"] == "no-store"
    told = UserCatalogue.model_validate_json(answer.data)
    assert told.made_at == AT
    assert len(told.entries) == 6
    for one in told.entries[2:5]:
        assert one.generated
        assert client.get(one.url or "").status_code == 200
    assert asked(client, "?kind=garment") == ["garment-1", "garment-2"]
    assert asked(client, "?kind=look") == ["look-1"]
    assert client.get("/v1/users/demo-ana/catalogue?kind=hats").status_code == 422
    began = time.perf_counter()
    for _ in range(20):
        asked(client)
    assert (time.perf_counter() - began) / 20 < 0.25


def test_what_is_refused_since_is_left_out(client: FlaskClient, pushed: Recommender, made: Any) -> None:
    """An item, a garment, and with a piece the outfit; liked again it is there again."""
    did(pushed, "e1", "hide", item_id="skirt-red-dark")
    did(pushed, "e2", "dislike", generation_id=made[1]["generation_id"])
    assert asked(client) == ["item-1", "garment-1", "outfit-1", "look-1"]
    did(pushed, "e3", "dislike", item_id="shoes-navy-light")
    assert asked(client) == ["item-1", "garment-1", "look-1"]
    did(pushed, "e4", "like", item_id="shoes-navy-light")
    assert asked(client) == ["item-1", "garment-1", "outfit-1", "look-1"]


def test_what_is_no_longer_there_is_left_out(client: FlaskClient, pushed: Recommender, made: Any) -> None:
    """An item that was taken out of the catalogue, and a picture that was swept away."""
    item = pushed.store.get_item("dress-green-light")
    pushed.store.put_items([item.model_copy(update={"active": False})])
    pushed.refresh()
    assert "item-1" not in asked(client)
    pushed.pictures.remove(made[0]["picture"])
    assert asked(client) == ["item-2", "garment-2", "look-1"]


def test_there_is_none(client: FlaskClient, pushed: Recommender) -> None:
    """For strangers, those for whom nothing was pushed, and those who refuse personalisation."""
    for name in ("nobody", "demo-ben"):
        assert client.get(f"/v1/users/{name}/catalogue").status_code == 404
    pushed.store.put_user(Profile(id="demo-ana", consents={"personalisation": False}))
    answer = client.get("/v1/users/demo-ana/catalogue")
    assert answer.status_code == 404
    assert "refuses personalisation" in answer.json["detail"]


def test_it_is_exported_and_erased_with_the_user(client: FlaskClient, pushed: Recommender) -> None:
    """Like everything about them."""
    told = UserExport.model_validate_json(client.get("/v1/users/demo-ana/export").data)
    assert [(one.run, len(one.entries), one.made_at) for one in told.catalogues] == [("c-1", 6, AT)]
    assert client.delete("/v1/users/demo-ana").status_code == 204
    assert pushed.store.user_catalogue("demo-ana") is None


def test_a_key_may_read_it(keyed: Keyed) -> None:
    """With the scope read."""
    keyed.store.push_catalogues("c-1", AT, {"demo-ana": [entry("item", 1, item_id="dress-green-light")]})
    assert keyed.client("read").get("/v1/users/demo-ana/catalogue").status_code == 200
    assert keyed.client().get("/v1/users/demo-ana/catalogue").status_code == 401
