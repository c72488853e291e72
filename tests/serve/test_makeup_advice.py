"""Advice, looks to choose, looks made for a taste and looks that are saved, through the HTTP door."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import numpy as np
from flask.testing import FlaskClient
from PIL import Image

from persona.recommend import Recommender
from persona.store.records import Event, Profile

from .test_makeup import LIPS, send

SHADES = b"id,name,region,colour\nr1,Rouge 7,lips,#a01828\nr2,Rouge 8,lips,#c03848\nb1,Peach,cheeks,#e8a088\n"


def test_advice_by_ones_own_word(client: FlaskClient) -> None:
    answer = send(client, "advise", tone=5, undertone="warm", shape="oval", occasion="evening", count=2)
    assert answer.status_code == 200, answer.text
    advice = answer.json
    assert len(advice["schemes"]) == 2
    for scheme in advice["schemes"]:
        assert scheme["choices"]
        assert all(choice["reasons"][0]["source"] for choice in scheme["choices"])
    assert advice["tasted"] is False
    assert advice["analysis"]["skin"]["monk"] == 5
    nobody = send(client, "advise").json
    assert any("Skin tone" in line for line in nobody["uncertain"])


def test_advice_holds_products_beside_it(client: FlaskClient) -> None:
    answer = send(client, "advise", tone=4, products=SHADES)
    assert answer.status_code == 200, answer.text
    choices = [choice for scheme in answer.json["schemes"] for choice in scheme["choices"]]
    assert any(choice["matches"] for choice in choices if choice["region"] in ("lips", "cheeks"))
    bad = send(client, "advise", tone=4, products=b"id,name,region,colour\nr1,Rouge,lips,reddish\n")
    assert bad.status_code == 422
    assert "reddish" in bad.json["detail"]


def test_taste_speaks_in_advice(client: FlaskClient, recommender: Recommender) -> None:
    now = datetime(2025, 5, 4, tzinfo=UTC).isoformat()
    profile = {"preferences": [{"facet": "colour", "value": "red", "weight": 1.0}]}
    known = send(client, "advise", profile=profile, history=[], count=1)
    assert known.json["tasted"] is True
    history = [{"item_id": "look-smoky-eye", "type": "like", "at": now}]
    assert send(client, "advise", profile={}, history=history).json["tasted"] is True
    missing = send(client, "advise", profile={}, history=[{**history[0], "item_id": "look-none"}])
    assert (missing.status_code, missing.json["errors"][0]["pointer"]) == (422, "#/history/0/item_id")
    assert send(client, "advise", user_id="demo-ana").json["tasted"] is True  # by the garments that she likes
    assert send(client, "advise", user_id="demo-newcomer").json["tasted"] is False
    recommender.store.put_user(Profile(id="shy", consents={"personalisation": False}))
    assert send(client, "advise", user_id="shy").json["tasted"] is False
    assert send(client, "advise", user_id="nobody").status_code == 404


def test_looks_are_made_for_a_taste(client: FlaskClient) -> None:
    asked = {"user_id": "demo-ana", "count": 3, "occasion": "evening"}
    answer = client.post("/v1/makeup/looks", json=asked)
    assert answer.status_code == 200, answer.text
    looks = answer.json["looks"]
    assert len(looks) == 3
    assert all(look["generated"] and look["occasion"] == "evening" for look in looks)
    assert client.post("/v1/makeup/looks", json=asked).json == answer.json
    other = client.post("/v1/makeup/looks", json={**asked, "seed": answer.json["seed"] + 1}).json
    assert other["looks"] != looks
    assert client.post("/v1/makeup/looks", json={"user_id": "nobody"}).status_code == 404


def test_looks_to_choose_and_their_charts(client: FlaskClient) -> None:
    looks = client.get("/v1/makeup/looks?tone=8").json["looks"]
    assert len(looks) >= 30
    assert looks[0]["look"] != client.get("/v1/makeup/looks?tone=2").json["looks"][0]["look"]
    chart = client.get(looks[2]["chart"] + "&side=128")
    assert chart.mimetype == "image/webp"

    def pixels(query: str) -> np.ndarray:
        return np.asarray(Image.open(io.BytesIO(client.get(f"/v1/makeup/chart?side=128&{query}").data)).convert("RGB"))

    bare, whole = pixels("tone=8"), pixels("tone=8&look=look-classic-red")
    none = pixels("tone=8&look=look-classic-red&strength=0")
    assert np.abs(bare.astype(int) - whole).mean() > np.abs(bare.astype(int) - none).mean()
    assert (pixels("tone=8&look=look-classic-red&lips=0") != whole).any()
    assert client.get("/v1/makeup/chart?look=look-nothing").status_code == 404
    for wrong in ("tone=0", "side=9999", "shape=long", "strength=2", "lips=x", "tone=1&tone=2", "what=1"):
        assert client.get(f"/v1/makeup/chart?{wrong}").status_code == 422, wrong


def test_looks_can_be_saved_and_are_erased_with_their_user(client: FlaskClient, recommender: Recommender) -> None:
    saved = client.post("/v1/users/demo-ben/looks", json={"title": "Mine", **LIPS})
    assert saved.status_code == 201, saved.text
    look_id = saved.json["look_id"]
    mine = client.get("/v1/users/demo-ben/looks").json["looks"]
    assert [(look["look_id"], look["saved"]) for look in mine] == [(look_id, True)]
    listed = client.get("/v1/makeup/looks?user_id=demo-ben").json["looks"]
    assert listed[0]["look_id"] == look_id
    assert client.get(listed[0]["chart"]).status_code == 200
    assert look_id not in {look["look_id"] for look in client.get("/v1/makeup/looks").json["looks"]}
    assert client.get(f"/v1/makeup/chart?look={look_id}").status_code == 404  # it is nobody else's
    assert client.get(f"/v1/makeup/chart?look={look_id}&user_id=demo-ana").status_code == 404
    event = Event(key="k", user_id="demo-ben", item_id=look_id, type="like", at=datetime(2025, 5, 4, tzinfo=UTC))
    recommender.store.add_events([event])
    assert client.delete("/v1/users/demo-ana/looks/" + look_id).status_code == 404
    assert client.delete("/v1/users/demo-ben/looks/" + look_id).status_code == 204
    assert client.get("/v1/users/demo-ben/looks").json["looks"] == []
    client.post("/v1/users/demo-ben/looks", json=LIPS)
    assert client.delete("/v1/users/demo-ben").status_code == 204
    assert recommender.store.looks("demo-ben") == recommender.store.looks()
    assert client.post("/v1/users/demo-ben/looks", json=LIPS).status_code == 404
    wrong = client.post(
        "/v1/users/demo-ana/looks", json={"products": [{"region": "lips", "lab": "#123", "opacity": 1}]}
    )
    assert (wrong.status_code, wrong.json["errors"][0]["pointer"]) == (422, "#/products/0/lab")
