"""Styles through the HTTP door: pictures in, pictures in a style out, and nothing of them kept."""

from __future__ import annotations

import base64
import io
import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from PIL import Image

from persona.catalog.pictures import Bytes, unpremultiply
from persona.recommend import Recommender
from persona.recommend.provenance import FORMATS, read_label
from persona.recommend.style_types import LABEL
from persona.recommend.styles import StyleStudio
from persona.settings import Settings
from persona.store.records import Event, Profile
from persona.style.prints import draw_print

from .conftest import PAINTS, draw, file_of
from .test_makeup import kept

ITEM = "dress-green-light"
AGREED = {"licence": "by agreement", "source": "a test", "consent": True}


@pytest.fixture(scope="module")
def stripes() -> bytes:
    return file_of(draw_print("stripes", 128, 1))


@pytest.fixture(scope="module")
def dots() -> bytes:
    return file_of(draw_print("dots", 128, 2))


def send(client: FlaskClient, path: str, accept: str = "application/json", **fields: Any) -> Any:
    """Post a form: bytes are files, lists of them several; what is no text is sent as JSON."""
    data = {name: _part(value) for name, value in fields.items()}
    return client.post(f"/v1/{path}", data=data, headers={"Accept": accept}, content_type="multipart/form-data")


def _part(value: Any) -> Any:
    if isinstance(value, bytes):
        return io.BytesIO(value), "picture.png"
    if isinstance(value, list) and value and isinstance(value[0], bytes):
        return [_part(one) for one in value]
    return value if isinstance(value, str) else json.dumps(value)


def pixels(content: bytes) -> Bytes:
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert("RGBA"))


def styled(client: FlaskClient, **fields: Any) -> Any:
    if "references" in fields:
        fields.setdefault("reference_rights", "own")
    return send(client, "style/apply", **fields)


def learn(client: FlaskClient, references: list[bytes], name: str = "style-mia", **fields: Any) -> Any:
    return send(client, "styles", name=name, references=references, **{**AGREED, **fields})


def test_a_stored_garment_in_a_style(client: FlaskClient, settings: Settings, stripes: bytes) -> None:
    client.get("/makeup")  # the session's key
    before = kept(settings)
    answer = styled(client, item_id=ITEM, references=[stripes], strength=0.7)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    made = answer.json
    assert made["controls"] == {"strength": 0.7, "keep_colour": False, "keep_luminance": False}
    assert (made["generated"], made["media_type"], made["region"]) == (True, "image/png", "garment")
    after, source = pixels(base64.b64decode(made["picture"])), unpremultiply(draw("dress", PAINTS["green"], 1.0))
    np.testing.assert_array_equal(after[..., 3], source[..., 3])
    assert (after != source).any(2).mean() > 0.1
    alone = styled(client, accept="image/*", item_id=ITEM, references=[stripes], strength=0.7)
    assert alone.mimetype == "image/png"
    assert 'filename="styled.png"' in alone.headers["Content-Disposition"]
    np.testing.assert_array_equal(pixels(alone.data), after)
    assert kept(settings) == before


@pytest.mark.parametrize("format", FORMATS)
def test_the_file_says_what_it_is(client: FlaskClient, stripes: bytes, format: str) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Secret camera"
    photo = file_of(draw_print("checks", 96, 5), "JPEG", quality=95, exif=exif)
    answer = styled(
        client, photo=photo, photo_rights="own", region="all", references=[stripes], format=format, strength=0.5
    )
    assert answer.status_code == 200, answer.text
    content = base64.b64decode(answer.json["picture"])
    label = read_label(content)
    assert label is not None
    assert (label.uri, label.words) == (answer.json["digital_source_type"], LABEL)
    assert label.source == "compositeWithTrainedAlgorithmicMedia"
    assert b"Secret camera" not in content


def test_a_style_is_learnt_used_liked_and_retired(
    client: FlaskClient, recommender: Recommender, stripes: bytes, dots: bytes
) -> None:
    assert client.get("/v1/styles").json == {"styles": []}
    learnt = learn(client, [stripes, dots], weights=[1, 2], title="Mia", until="2100-01-01T00:00:00Z")
    assert learnt.status_code == 201, learnt.text
    assert (learnt.json["references"], learnt.json["usable"]) == (2, True)
    assert client.get("/v1/styles").json == {"styles": [learnt.json]}
    swatch = client.get(learnt.json["url"])
    assert pixels(swatch.data).shape == (256, 256, 4)
    named = styled(client, item_id=ITEM, styles=["style-mia"])
    uploaded = styled(client, item_id=ITEM, references=[stripes, dots], weights=[1, 2])
    assert named.json["picture"] == uploaded.json["picture"]
    assert learn(client, [stripes]).status_code == 409

    ask = {"user_id": "demo-ben", "mode": "retrieve", "count": 60}

    def scores() -> dict[str, float]:
        items = client.post("/v1/recommendations", json=ask).json["items"]
        return {item["item_id"]: item["score"] for item in items}

    before = scores()
    liked = Event(key="l", user_id="demo-ben", item_id="style-mia", type="like", at=datetime.now(UTC))
    body = {"events": [liked.model_dump(mode="json", exclude={"generation_id"})]}
    assert client.post("/v1/events", json=body).status_code == 200
    after = scores()
    assert after != before
    assert "style-mia" not in after
    assert client.delete("/v1/styles/style-mia").status_code == 204
    assert scores() == before
    assert client.get("/v1/styles").json == {"styles": []}
    assert client.get(learnt.json["url"]).status_code == 404
    gone = styled(client, item_id=ITEM, styles=["style-mia"])
    assert (gone.status_code, gone.json["code"]) == (422, "no_consent")
    assert client.delete("/v1/styles/style-mia").status_code == 404


def test_consent(client: FlaskClient, recommender: Recommender, stripes: bytes) -> None:
    photo = {"photo": stripes, "region": "all", "references": [stripes]}
    for fields, pointer in (
        ({**photo}, "#/photo_rights"),
        ({**photo, "photo_rights": "borrowed"}, "#/photo_rights"),
        ({"item_id": ITEM, "references": [stripes], "reference_rights": "found"}, "#/reference_rights"),
        ({**photo, "photo_rights": "own", "user_id": "demo-ana"}, "#/user_id"),
    ):
        answer = styled(client, **fields)
        assert (answer.status_code, answer.json["code"]) == (422, "no_consent"), answer.text
        assert answer.json["errors"][0]["pointer"] == pointer
    bare = send(client, "style/apply", item_id=ITEM, references=[stripes])
    assert (bare.json["code"], bare.json["errors"][0]["pointer"]) == ("no_consent", "#/reference_rights")
    for fields, pointer in (({"consent": False}, "#/consent"), ({"owner": "demo-ana"}, "#/user_id")):
        answer = learn(client, [stripes], **fields)
        assert (answer.status_code, answer.json["code"]) == (422, "no_consent"), answer.text
        assert answer.json["errors"][0]["pointer"] == pointer
    recommender.store.put_user(Profile(id="mia", consents={"photos": True}))
    assert learn(client, [stripes], owner="mia").status_code == 201
    recommender.store.put_user(Profile(id="mia", consents={"photos": False}))
    assert client.get("/v1/styles").json == {"styles": []}
    withdrawn = styled(client, item_id=ITEM, styles=["style-mia"])
    assert (withdrawn.status_code, withdrawn.json["code"]) == (422, "no_consent")
    client.delete("/v1/users/mia")
    assert styled(client, item_id=ITEM, styles=["style-mia"]).status_code == 404


@pytest.mark.parametrize(
    ("fields", "pointer", "said"),
    [
        ({"item_id": ITEM}, "#", "one to 8 of styles"),
        ({"styles": ["a"]}, "#", "exactly one of photo"),
        ({"item_id": ITEM, "styles": ["a"], "strength": 2}, "#/strength", "less than or equal to 1"),
        ({"item_id": ITEM, "styles": ["a"], "strength": "much"}, "#/strength", "number"),
        ({"item_id": ITEM, "styles": "a"}, "#/styles", "valid array"),
        ({"item_id": ITEM, "styles": ["a"], "colour": "red"}, "#/colour", "is no known field"),
        ({"item_id": ITEM, "styles": ["a"], "format": "gif"}, "#/format", "Input should be"),
        ({"item_id": ITEM, "references": "print.png"}, "#/references", "send it as a part with a file name"),
    ],
)
def test_wrong_fields_are_named(client: FlaskClient, fields: Any, pointer: str, said: str) -> None:
    answer = send(client, "style/apply", **fields)
    assert answer.status_code == 422, answer.text
    assert answer.json["errors"][0]["pointer"] == pointer
    assert said in answer.json["errors"][0]["detail"]


def test_unusable_pictures_are_named(client: FlaskClient, stripes: bytes) -> None:
    answer = styled(client, item_id=ITEM, references=[stripes, b"no picture"])
    assert (answer.status_code, answer.json["code"]) == (422, "not_a_picture")
    assert answer.json["errors"][0]["pointer"] == "#/references/1"
    pixel = {"photo": file_of(np.zeros((1, 1, 3), np.uint8)), "photo_rights": "own", "region": "all"}
    tiny = styled(client, **pixel, references=[stripes])
    assert (tiny.status_code, tiny.json["code"]) == (422, "too_small")
    assert styled(client, item_id="nothing", references=[stripes]).status_code == 404
    assert styled(client, item_id=ITEM, styles=["nothing"]).status_code == 404
    assert learn(client, []).status_code == 422


def test_without_a_model_it_says_what_to_train(client: FlaskClient, recommender: Recommender, stripes: bytes) -> None:
    recommender.styles = StyleStudio(recommender.store, recommender.pictures)
    answer = styled(client, item_id=ITEM, references=[stripes])
    assert (answer.status_code, "persona train style" in answer.json["detail"]) == (503, True)
    assert client.get("/v1/styles").status_code == 200
