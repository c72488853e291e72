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
from persona.errors import OutOfDate
from persona.makeup.chart import draw_chart
from persona.makeup.face import LandmarkDetector
from persona.mediapipe_models import how_to_install
from persona.recommend import Recommender
from persona.recommend.provenance import FORMATS, read_label
from persona.recommend.style_regions import RegionFinder
from persona.recommend.style_types import LABEL, StyleRequest
from persona.recommend.styles import StyleStudio
from persona.settings import Settings
from persona.store.records import Event, Profile
from persona.style.picture import opaque
from persona.style.prints import draw_print

from .conftest import PAINTS, draw, file_of, needs_faces, portrait
from .test_makeup import kept

ITEM = "dress-green-light"
AGREED = {"licence": "by agreement", "source": "a test", "consent": True, "reference_region": "print"}


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
        fields.setdefault("reference_region", "print")
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
        client, photo=photo, photo_rights="own", region="print", references=[stripes], format=format, strength=0.5
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
    photo = {"photo": stripes, "region": "print", "references": [stripes]}
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
    pixel = {"photo": file_of(np.zeros((1, 1, 3), np.uint8)), "photo_rights": "own", "region": "print"}
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


@needs_faces
@pytest.mark.parametrize("method", ["transfer", "art"])
def test_a_person_keeps_their_face(client: FlaskClient, stripes: bytes, method: str) -> None:
    photo = portrait(side=240)
    how = {"method": "art", "art": "oil"} if method == "art" else {"references": [stripes]}
    answer = styled(client, photo=file_of(photo), photo_rights="own", **how)
    assert answer.status_code == 200, answer.text
    assert (answer.json["people"], answer.json["region"]) == (1, "all")
    after = pixels(base64.b64decode(answer.json["picture"]))[..., :3]
    face = np.rint(draw_chart("oval", 4, 240).face.xy).astype(int)
    np.testing.assert_array_equal(after[face[:, 1], face[:, 0]], photo[face[:, 1], face[:, 0]])
    assert (after != photo).any(2).mean() > 0.1


@needs_faces
def test_a_portrait_is_painted_whole_only_where_that_is_asked_for(client: FlaskClient) -> None:
    photo = portrait(side=240)
    answer = styled(client, photo=file_of(photo), photo_rights="own", method="art", art="cartoon", region="all")
    assert (answer.status_code, answer.json["people"], answer.json["covered"]) == (200, None, 1)
    after = pixels(base64.b64decode(answer.json["picture"]))[..., :3]
    assert (after != photo).any(2).mean() > 0.9


@needs_faces
def test_a_face_is_never_read_as_style(recommender: Recommender) -> None:
    """What is around a face is read; which face it is changes nothing."""
    one, other = portrait(side=240), portrait(side=240)
    finder = RegionFinder()
    region = finder.find(opaque(one), None, usual="all", of_person="all", field="references.0").region
    assert region is not None
    other[region == 0] = 255 - other[region == 0]
    model = recommender.styles._need_model()
    np.testing.assert_allclose(model.read(opaque(one), region), model.read(opaque(other), region), atol=1e-4)
    asked = StyleRequest(item_id=ITEM, references=(file_of(one),), reference_rights="own")
    read = recommender.styles.vector(asked)
    np.testing.assert_array_equal(read, model.read(opaque(one), region))


def test_without_mediapipe_a_photo_must_be_said_to_show_nobody(
    client: FlaskClient, recommender: Recommender, stripes: bytes
) -> None:
    def missing() -> LandmarkDetector:
        raise OutOfDate(how_to_install((3, 11), "linux x86_64"))

    recommender.styles._regions = RegionFinder(missing)
    refused = styled(client, photo=stripes, photo_rights="own", references=[stripes])
    assert refused.status_code == 503
    assert "persona[face]" in refused.json["detail"]
    assert "region=garment or print" in refused.json["detail"]
    taken = styled(client, photo=stripes, photo_rights="own", region="print", references=[stripes])
    assert (taken.status_code, taken.json["people"]) == (200, None)


def test_a_damaged_picture_is_restored(client: FlaskClient, settings: Settings, stripes: bytes) -> None:
    client.get("/makeup")  # the session's key
    before, mask = kept(settings), np.zeros((128, 128, 3), np.uint8)
    mask[40:60, 40:60] = 255
    asked = {"photo": stripes, "photo_rights": "own", "mask": file_of(mask)}
    answer = send(client, "style/restore", **asked)
    assert answer.status_code == 200, answer.text
    after, source = pixels(base64.b64decode(answer.json["picture"])), pixels(stripes)
    np.testing.assert_array_equal(after[mask[..., 0] == 0], source[mask[..., 0] == 0])
    assert (after != source).any()
    assert 0 < answer.json["changed"] <= answer.json["filled"]
    assert kept(settings) == before
    for fields, pointer in (
        ({**asked, "photo_rights": None}, "#/photo_rights"),
        ({**asked, "mask": file_of(mask[:64])}, "#/mask"),
        ({**asked, "user_id": "demo-ana"}, "#/user_id"),
    ):
        refused = send(client, "style/restore", **{k: v for k, v in fields.items() if v is not None})
        assert (refused.status_code, refused.json["errors"][0]["pointer"]) == (422, pointer), refused.text
