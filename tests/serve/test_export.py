"""Everything about a user over HTTP, and consents by purpose: what a refusal keeps from happening."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from persona.recommend import Recommender
from persona.recommend.export import write_export
from persona.serve import export as serve_export
from persona.store.exported import UserExport
from persona.store.records import Event
from persona.store.schema import AuditRow
from persona.taste.fit import consenting


def audited(recommender: Recommender) -> list[tuple[str, str]]:
    with recommender.store._reading() as session:
        rows = session.scalars(select(AuditRow).order_by(AuditRow.id))
        return [(row.action, json.dumps([row.actor, row.request_id is not None, row.details])) for row in rows]


def liked(client: FlaskClient, user: str, item: str) -> None:
    event = {"key": f"{user}-{item}", "user_id": user, "item_id": item, "type": "like", "at": "2025-06-01T00:00:00Z"}
    assert client.post("/v1/events", json={"events": [event]}).status_code == 200


@pytest.mark.parametrize("in_memory", [0, 1 << 22])
def test_a_user_gets_everything(
    client: FlaskClient, recommender: Recommender, monkeypatch: pytest.MonkeyPatch, in_memory: int
) -> None:
    monkeypatch.setattr(serve_export, "IN_MEMORY", in_memory)
    made = client.post("/v1/recommendations", json={"user_id": "demo-ana", "generate": 2}).json
    answer = client.get("/v1/users/demo-ana/export")
    assert answer.status_code == 200
    assert answer.mimetype == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.content_length == len(answer.data)
    told = UserExport.model_validate_json(answer.data)
    assert told.id == "demo-ana"
    assert [event.key for event in told.events] == [f"ana-{n}" for n in range(5)]
    assert {g["generation_id"] for g in made["generated"]} <= {g.id for g in told.generations}
    for generation in told.generations:
        assert client.get(generation.url).status_code == 200
    assert audited(recommender) == [("user.export", '["open", true, {}]')]


def test_an_unknown_user_has_no_export(client: FlaskClient, recommender: Recommender) -> None:
    assert client.get("/v1/users/nobody/export").status_code == 404
    assert audited(recommender) == []


def test_a_long_history_is_written_piece_by_piece(recommender: Recommender) -> None:
    store = recommender.store
    at = "2025-06-01T00:00:00Z"
    events = [
        Event.model_validate(
            {"key": f"e{n}", "user_id": "demo-ben", "item_id": "dress-green-light", "type": "view", "at": at}
        )
        for n in range(5000)
    ]
    store.add_events(events)
    pieces: list[bytes] = []

    class Sink:
        def write(self, content: bytes, /) -> None:
            pieces.append(content)

    write_export(store, "demo-ben", Sink())
    assert max(map(len, pieces)) < 10_000
    assert len(UserExport.model_validate_json(b"".join(pieces)).events) == 5000


def test_erasing_writes_down_who_did_it_and_not_whom(client: FlaskClient, recommender: Recommender) -> None:
    assert client.delete("/v1/users/demo-ana").status_code == 204
    assert client.delete("/v1/users/demo-ana").status_code == 404
    ((action, row),) = audited(recommender)
    assert action == "user.erase"
    assert "ana" not in row
    assert '"events": 5' in row


# consents by purpose


def consent(client: FlaskClient, user: str, **purposes: bool) -> None:
    assert client.put(f"/v1/users/{user}", json={"consents": purposes}).status_code in (200, 201)


def ranking(client: FlaskClient, user: str) -> list[str]:
    answer = client.post(
        "/v1/recommendations", json={"user_id": user, "mode": "retrieve", "outfit": False, "seed": 1}
    ).json
    return [item["item_id"] for item in answer["items"]]


def test_without_personalisation_nothing_is_taken_from_what_a_user_did(client: FlaskClient) -> None:
    for user, allowed in (("yes", True), ("no", False), ("quiet", False)):
        consent(client, user, personalisation=allowed)
    for user in ("yes", "no"):
        for item in ("dress-red-light", "dress-red-dark", "skirt-red-light"):
            liked(client, user, item)
    assert ranking(client, "no") == ranking(client, "quiet")
    assert ranking(client, "yes") != ranking(client, "no")
    job = client.post("/v1/jobs", json={"requests": [{"user_id": "no", "mode": "retrieve"}]})
    assert job.status_code == 202  # a job asks the same function


def test_without_personalisation_a_user_does_not_count_for_others(
    client: FlaskClient, recommender: Recommender
) -> None:
    consent(client, "no", personalisation=False)
    before = recommender.store.popularity()
    liked(client, "no", "dress-red-light")
    assert recommender.store.popularity() == before
    assert "no" not in recommender.store.favourable_marks("personalisation")


def test_no_model_is_trained_on_who_did_not_allow_it(client: FlaskClient, recommender: Recommender) -> None:
    for user, purposes in (("yes", {"training": True}), ("no", {"training": False}), ("silent", {})):
        consent(client, user, **purposes)
        for item in ("dress-red-light", "dress-red-dark", "skirt-red-light"):
            liked(client, user, item)
    assert [profile.id for profile, _ in consenting(recommender.store, recommender.table)] == ["yes"]


def test_no_photo_is_read_of_who_did_not_allow_it(client: FlaskClient) -> None:
    from persona.recommend.variations import EXAMPLE

    for purposes in ({}, {"photos": False}, {"photos": True}):
        consent(client, "u", **purposes)
        answer: Any = client.post("/v1/variations", json={**EXAMPLE, "user_id": "u"})
        refused = answer.status_code == 422 and answer.json["code"] == "no_consent"
        assert refused == (not purposes.get("photos", False))
