"""Makeup through the HTTP door: photos in, photos made up out, and nothing of them kept."""

from __future__ import annotations

import base64
import builtins
import html
import io
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient
from PIL import Image
from sqlalchemy import create_engine, inspect, text
from werkzeug.test import EnvironBuilder, run_wsgi_app

from persona.catalog.pictures import Bytes
from persona.makeup.chart import draw_chart
from persona.makeup.look import Look
from persona.recommend import Recommender
from persona.recommend.makeup import MakeupStudio
from persona.recommend.provenance import WORDS, read_label
from persona.serve.uploads import MAX_UPLOAD
from persona.settings import Settings
from persona.store.records import Profile, Traits

from .conftest import file_of, needs_faces, portrait

LIPS = {"products": [{"region": "lips", "lab": "#9e1b32", "opacity": 0.9, "finish": "satin"}]}


@pytest.fixture(scope="module")
def photo() -> bytes:
    return file_of(portrait())


def send(client: FlaskClient, path: str, accept: str = "application/json", **fields: Any) -> Any:
    """Post a form: bytes are files, what is no text is sent as JSON."""
    data = {name: _part(name, value) for name, value in fields.items()}
    headers = {"Accept": accept}
    return client.post(f"/v1/makeup/{path}", data=data, headers=headers, content_type="multipart/form-data")


def _part(name: str, value: Any) -> Any:
    if isinstance(value, bytes):
        return io.BytesIO(value), name
    return value if isinstance(value, str) else json.dumps(value)


def pixels(content: bytes) -> Bytes:
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert("RGB"))


def kept(settings: Settings) -> tuple[set[str], dict[str, int]]:
    """The files of the home folder and the number of rows of each table."""
    files = {str(path.relative_to(settings.home)) for path in settings.home.rglob("*")}
    engine = create_engine(settings.url)
    with engine.connect() as connection:
        tables = inspect(connection).get_table_names()
        rows = {name: connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one() for name in tables}
    engine.dispose()
    return {name for name in files if not name.endswith(("-wal", "-shm"))}, rows


@pytest.fixture
def nothing_is_kept(client: FlaskClient, settings: Settings) -> Iterator[None]:
    """No file and no row is there afterwards that was not there before."""
    client.get("/makeup")  # the session's key
    before = kept(settings)
    yield
    assert kept(settings) == before


@needs_faces
def test_a_look_on_a_photo(client: FlaskClient, photo: bytes, nothing_is_kept: None) -> None:
    answer = send(client, "apply", photo=photo, photo_rights="own", look=LIPS, strength=0.9, regions={"lips": 0.5})
    assert answer.status_code == 200, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    made = answer.json
    assert made["strengths"] == {"lips": 0.45}
    assert made["generated"] is True
    assert made["media_type"] == "image/png"
    content = base64.b64decode(made["picture"])
    before, after = pixels(photo), pixels(content)
    assert after.shape == before.shape
    changed = (before != after).any(2)
    left, top, right, bottom = made["face"]["box"]
    outside = np.ones(changed.shape, bool)
    outside[top:bottom, left:right] = False
    assert changed.any()
    assert not changed[outside].any()
    assert changed.mean() < 0.05  # of lips alone
    alone = send(
        client, "apply", "image/*", photo=photo, photo_rights="own", look=LIPS, strength=0.9, regions={"lips": 0.5}
    )
    assert alone.mimetype == "image/png"
    assert (pixels(alone.data) == after).all()


@needs_faces
@pytest.mark.parametrize(("format", "exact"), [("png", True), ("webp", True), ("jpeg", False)])
def test_the_file_says_what_it_is(client: FlaskClient, format: str, exact: bool) -> None:
    photo = file_of(portrait(), "JPEG", quality=95, exif=_exif(Make="Secret camera"))
    answer = send(client, "apply", photo=photo, photo_rights="own", look=LIPS, format=format)
    content = base64.b64decode(answer.json["picture"])
    label = read_label(content)
    assert label is not None
    assert label.uri == answer.json["digital_source_type"]
    assert label.source == "algorithmicallyEnhanced"
    assert label.words == WORDS
    assert b"Secret camera" not in content
    with Image.open(io.BytesIO(content)) as image:
        assert image.format == format.upper()
    corner = slice(0, 40), slice(0, 40)
    same = (pixels(content)[corner] == pixels(photo)[corner]).all()
    assert same == exact


@needs_faces
def test_a_look_that_ships_comes_in_the_shades_for_the_skin(client: FlaskClient, photo: bytes) -> None:
    def nude(**said: Any) -> dict[str, Any]:
        answer = send(client, "apply", photo=photo, photo_rights="own", look_id="look-office-nude", **said)
        assert answer.status_code == 200, answer.text
        return dict(answer.json)

    light, dark = nude(tone=2), nude(tone=9)
    assert light["look_id"] == "look-office-nude"
    assert light["skin"]["monk"] == 2
    assert light["look"]["products"] != dark["look"]["products"]
    again = send(client, "apply", photo=photo, photo_rights="own", look=dark["look"])  # as it came, it can be sent
    assert again.status_code == 200, again.text
    assert again.json["look"] == dark["look"]


@needs_faces
def test_a_look_moves_from_one_photo_to_another(client: FlaskClient, photo: bytes, nothing_is_kept: None) -> None:
    reference = file_of(portrait("heart", 7))
    rights = {"photo_rights": "own", "reference_rights": "consented"}
    answer = send(client, "transfer", photo=photo, reference=reference, **rights)
    assert answer.status_code == 200, answer.text
    assert answer.json["digital_source_type"].endswith("/compositeWithTrainedAlgorithmicMedia")
    label = read_label(base64.b64decode(answer.json["picture"]))
    assert label is not None
    assert label.source == "compositeWithTrainedAlgorithmicMedia"
    part = send(client, "transfer", photo=photo, reference=reference, **rights, regions={"lips": 0, "lids": 0})
    assert not {"lips", "lids"} & {product["region"] for product in part.json["look"]["products"]}
    later = send(client, "apply", photo=base64.b64decode(answer.json["picture"]), photo_rights="own", look=LIPS)
    assert later.json["digital_source_type"] == answer.json["digital_source_type"]  # it does not lose its label


@needs_faces
def test_what_is_read_of_a_face(client: FlaskClient, photo: bytes, nothing_is_kept: None) -> None:
    answer = send(client, "analyze", photo=photo, photo_rights="own")
    assert answer.status_code == 200, answer.text
    read = answer.json
    assert (read["width"], read["height"]) == (320, 320)
    assert read["faces"] == [read["face"]]
    assert sum(read["shape"]["scores"].values()) == pytest.approx(1, abs=0.01)
    said = send(client, "analyze", photo=photo, photo_rights="own", tone=9, shape="heart").json
    assert said["skin"]["monk"] == 9
    assert said["skin"]["stated"] == ["monk"]
    assert said["shape"]["shape"] == "heart"
    assert said["shape"]["stated"] is True


@needs_faces
def test_an_upright_photo_is_worked_on(client: FlaskClient) -> None:
    turned = np.rot90(portrait(), 1)  # as the sensor lies; EXIF says to turn it back
    photo = file_of(np.ascontiguousarray(turned), "JPEG", quality=95, exif=_exif(Orientation=6))
    answer = send(client, "analyze", photo=photo, photo_rights="own")
    assert answer.status_code == 200, answer.text
    made = send(client, "apply", photo=photo, photo_rights="own", look=LIPS)
    after = base64.b64decode(made.json["picture"])
    with Image.open(io.BytesIO(after)) as image:
        assert image.getexif().get(0x0112) in (None, 1)
    assert np.abs(pixels(after)[:60].astype(int) - portrait()[:60]).mean() < 6  # upright, as drawn


@needs_faces
def test_one_of_several_faces_is_chosen(client: FlaskClient, nothing_is_kept: None) -> None:
    two = file_of(np.concatenate([portrait("oval", 3), portrait("round", 8)], 1))
    refused = send(client, "apply", photo=two, photo_rights="own", look=LIPS)
    assert refused.status_code == 422
    problem = refused.json
    assert problem["code"] == "several_faces"
    assert [face["choose"] for face in problem["faces"]] == [1, 2]
    assert problem["faces"][0]["box"][2] <= 320 <= problem["faces"][1]["box"][0]
    right = send(client, "apply", photo=two, photo_rights="own", look=LIPS, face=2)
    assert right.status_code == 200, right.text
    changed = (pixels(base64.b64decode(right.json["picture"])) != pixels(two)).any(2)
    assert changed[:, 320:].any()
    assert not changed[:, :320].any()
    third = send(client, "apply", photo=two, photo_rights="own", look=LIPS, face=3)
    assert (third.status_code, third.json["errors"][0]["pointer"]) == (422, "#/face")


def cat() -> Bytes:
    """A drawn cat."""
    picture = np.full((400, 400, 3), 245, np.uint8)
    y, x = np.mgrid[:400, :400]
    for cx, cy, rx, ry, paint in [
        (200, 220, 120, 105, (225, 150, 70)), (155, 200, 20, 26, (90, 160, 60)), (245, 200, 20, 26, (90, 160, 60)),
        (155, 200, 6, 24, (10, 10, 10)), (245, 200, 6, 24, (10, 10, 10)), (200, 250, 12, 8, (230, 120, 130)),
    ]:  # fmt: skip
        picture[((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 < 1] = paint
    for side in (-1, 1):
        ear = (np.abs(x - (200 + 85 * side)) < (y - 60) * 0.5) & (y > 60) & (y < 150)
        picture[ear & (picture == 245).all(2)] = (205, 130, 60)
    return picture


def _exif(Make: str = "", Orientation: int = 1) -> Image.Exif:
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = Make, Orientation
    return exif


def animated() -> bytes:
    frames, file = [Image.fromarray(portrait(monk=monk, side=128)) for monk in (2, 8)], io.BytesIO()
    frames[0].save(file, "WEBP", save_all=True, append_images=frames[1:], duration=100)
    return file.getvalue()


def lying() -> bytes:
    """A JPEG whose header says that it is as large as JPEGs can be."""
    content = bytearray(file_of(portrait(side=128), "JPEG"))
    at = content.index(b"\xff\xc0") + 5
    content[at : at + 4] = b"\xff\xff\xff\xff"
    return bytes(content)


def bomb() -> bytes:
    """Half a gigapixel of nothing in some kilobytes."""
    file = io.BytesIO()
    Image.new("1", (30_000, 20_000)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("photo", "code"),
    [
        (lambda: b"", "no_photo"),
        (lambda: b"%PDF-1.7 not a picture at all", "not_a_picture"),
        (animated, "animated"),
        (lying, "too_many_pixels"),
        (bomb, "too_many_pixels"),
        (lambda: file_of(portrait())[:20_000], "broken"),
    ],
    ids=["empty", "no-picture", "animated", "lying-header", "bomb", "cut-short"],
)
def test_what_is_no_photo_is_refused(
    client: FlaskClient, photo: Any, code: str, nothing_is_kept: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = send(client, "apply", photo=photo(), photo_rights="own", look=LIPS)
    assert answer.status_code == 422, answer.text
    assert answer.json["errors"][0]["pointer"] == "#/photo"
    if code != "no_photo":  # an empty part is a field left out
        assert answer.json["code"] == code
    assert answer.content_type == "application/problem+json"


@needs_faces
@pytest.mark.parametrize(
    ("photo", "codes"),
    [
        (cat, {"no_face", "not_a_photo"}),
        (lambda: np.full((300, 300, 3), 128, np.uint8), {"no_face"}),
        (
            lambda: draw_chart("oval", 4).picture.copy() // 16 * 16,
            {"not_a_photo"},
        ),
        (lambda: portrait(side=64).repeat(1, 0), {"no_face", "face_too_small"}),
    ],
    ids=["cat", "nothing", "cartoon", "tiny"],
)
def test_what_has_no_usable_face_is_refused(
    client: FlaskClient, photo: Any, codes: set[str], nothing_is_kept: None
) -> None:
    answer = send(client, "apply", photo=file_of(photo()), photo_rights="own", look=LIPS)
    assert answer.status_code == 422, answer.text
    assert answer.json["code"] in codes


@needs_faces
def test_pictures_of_other_kinds_are_taken(client: FlaskClient, nothing_is_kept: None) -> None:
    cmyk = io.BytesIO()
    Image.fromarray(portrait()).convert("CMYK").save(cmyk, "JPEG", quality=95)
    grey = io.BytesIO()
    deep = Image.fromarray(portrait()).convert("L")
    Image.fromarray(np.asarray(deep).astype(np.uint16) * 257).save(grey, "PNG")
    assert send(client, "apply", photo=cmyk.getvalue(), photo_rights="own", look=LIPS).status_code == 200
    answer = send(client, "apply", photo=grey.getvalue(), photo_rights="own", look=LIPS)
    assert answer.status_code == 200 or answer.json["code"] == "lips_hidden", answer.text  # grey lips may not be seen


def test_a_photo_needs_consent(
    client: FlaskClient, recommender: Recommender, photo: bytes, nothing_is_kept: None
) -> None:
    for fields in ({}, {"photo_rights": "borrowed"}):
        answer = send(client, "apply", photo=photo, look=LIPS, **fields)
        assert answer.status_code == 422
        assert answer.json["code"] == "no_consent"
        assert answer.json["errors"][0]["pointer"] == "#/photo_rights"
    stored = send(client, "apply", photo=photo, photo_rights="own", look=LIPS, user_id="demo-ana")
    assert (stored.status_code, stored.json["code"]) == (422, "no_consent")
    advice = send(client, "advise", photo=photo)
    assert (advice.status_code, advice.json["code"]) == (422, "no_consent")
    unknown = send(client, "apply", photo=photo, photo_rights="own", look=LIPS, user_id="nobody")
    assert unknown.status_code == 404
    reference = send(client, "transfer", photo=photo, photo_rights="own", reference=photo)
    assert reference.json["code"] == "no_consent"


@needs_faces
def test_a_stored_user_who_allows_photos(client: FlaskClient, recommender: Recommender, photo: bytes) -> None:
    profile = Profile(id="mia", traits=Traits(skin_tone=8), consents={"photos": True})
    recommender.store.put_user(profile)
    answer = send(client, "apply", photo=photo, photo_rights="own", look_id="look-office-nude", user_id="mia")
    assert answer.status_code == 200, answer.text
    assert answer.json["skin"]["monk"] == 8


@pytest.mark.parametrize(
    ("fields", "pointer", "said"),
    [
        ({"look": {"products": [LIPS["products"][0], {"region": "lids", "lab": "#123456", "opacity": 7}]}},
         "#/look/products/1/opacity", "less than or equal to 1"),
        ({"look": {"products": [{"region": "lips", "lab": "red", "opacity": 1}]}}, "#/look/products/0/lab", "no col"),
        ({"look": {"products": [LIPS["products"][0]] * 2}}, "#/look", "lips stands twice"),
        ({"look": "lipstick"}, "#/look", "Input should be"),
        ({}, "#", "exactly one of look and look_id"),
        ({"look": LIPS, "look_id": "look-classic-red"}, "#", "exactly one of look and look_id"),
        ({"look": LIPS, "strength": 2}, "#/strength", "less than or equal to 1"),
        ({"look": LIPS, "strength": "much"}, "#/strength", "number"),
        ({"look": LIPS, "regions": {"chin": 1}}, "#/regions/chin", "Input should be"),
        ({"look": LIPS, "tone": 11}, "#/tone", "less than or equal to 10"),
        ({"look": LIPS, "colour": "red"}, "#/colour", "is no known field"),
        ({"look": LIPS, "format": "gif"}, "#/format", "Input should be"),
    ],
)  # fmt: skip
def test_wrong_fields_are_named(client: FlaskClient, photo: bytes, fields: Any, pointer: str, said: str) -> None:
    answer = send(client, "apply", photo=photo, photo_rights="own", **fields)
    assert answer.status_code == 422
    assert answer.json["errors"][0]["pointer"] == pointer
    assert said in answer.json["errors"][0]["detail"]


def test_forms_are_read_strictly(client: FlaskClient, photo: bytes) -> None:
    assert client.post("/v1/makeup/apply", json={"photo": "x"}).status_code == 415
    assert client.post(
        "/v1/makeup/apply", data={"photo_rights": "own"}, content_type="multipart/form-data"
    ).status_code in (415, 422)
    text = send(client, "apply", photo="me.jpg", photo_rights="own", look=LIPS)
    assert "send it as a part with a file name" in text.json["detail"]
    twice = client.post(
        "/v1/makeup/apply", data={"photo_rights": ["own", "own"], "photo": (io.BytesIO(photo), "a.png")}
    )
    assert "stands twice" in twice.json["detail"]
    nul = send(client, "apply", photo=photo, photo_rights="own", look={**LIPS, "title": "a\0b"})
    assert (nul.status_code, "NUL" in nul.json["detail"]) == (422, True)


def test_a_body_that_is_too_large_is_not_read(app: APIFlask, client: FlaskClient) -> None:
    class Endless(io.RawIOBase):
        taken = 0

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            self.taken += len(buffer)
            return len(buffer)

    def post(**told: Any) -> tuple[Any, Endless]:
        body = Endless()
        builder = EnvironBuilder(path="/v1/makeup/apply", method="POST", content_type="multipart/form-data; boundary=x")
        environ = builder.get_environ() | {"wsgi.input": body, **told}
        iterable, status, headers = run_wsgi_app(app, environ, buffered=True)
        return app.response_class(iterable, status, headers), body

    answer, body = post(CONTENT_LENGTH=str(MAX_UPLOAD + 1))
    assert answer.status_code == 413
    assert "16 MiB" in answer.json["detail"]
    assert body.taken == 0
    answer, body = post(**{"wsgi.input_terminated": True})
    assert answer.status_code in (413, 422)
    assert body.taken <= MAX_UPLOAD + 2**20
    small = client.post("/v1/events", data=b"x" * (2**20 + 1), content_type="application/json")
    assert (small.status_code, "1 MiB" in small.json["detail"]) == (413, True)


def test_a_photo_touches_no_disk(client: FlaskClient, photo: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Werkzeug alone would write parts of more than half a megabyte to a temporary file."""
    import tempfile

    def refuse(*args: Any, **named: Any) -> Any:
        raise AssertionError("a temporary file")

    large = file_of(np.random.default_rng(0).integers(0, 256, (700, 700, 3)).astype(np.uint8))
    assert len(large) > 1_000_000
    part = b"\r\n--x\r\nContent-Disposition: form-data; name="
    body = part[2:] + b'"photo_rights"\r\n\r\nown' + part + b'"look"\r\n\r\n' + json.dumps(LIPS).encode()
    body += part + b'"photo"; filename="me.png"\r\n\r\n' + large + b"\r\n--x--\r\n"
    for name in ("TemporaryFile", "NamedTemporaryFile", "SpooledTemporaryFile", "mkstemp"):
        monkeypatch.setattr(tempfile, name, refuse)
    monkeypatch.setattr(MakeupStudio, "_detect", lambda self, photo: [])
    answer = client.post("/v1/makeup/apply", data=body, content_type="multipart/form-data; boundary=x")
    assert (answer.status_code, answer.json["code"]) == (422, "no_face")


def test_without_the_extra_it_says_what_to_install(
    client: FlaskClient, photo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.metadata

    version, real = importlib.metadata.version, builtins.__import__

    def absent(name: str) -> str:
        if name == "mediapipe":
            raise importlib.metadata.PackageNotFoundError(name)
        return version(name)

    def no_import(name: str, *more: Any, **named: Any) -> Any:
        if name.startswith("mediapipe"):
            raise ModuleNotFoundError("No module named 'mediapipe'", name="mediapipe")
        return real(name, *more, **named)

    monkeypatch.setattr(importlib.metadata, "version", absent)
    monkeypatch.setattr(builtins, "__import__", no_import)
    answer = send(client, "apply", photo=photo, photo_rights="own", look=LIPS)
    assert answer.status_code == 503
    assert "persona[face]" in answer.json["detail"]
    page = client.get("/makeup")
    token = page.text.split('name="csrf" value="')[1].split('"')[0]
    form = {"csrf": token, "photo": (io.BytesIO(photo), "me.png"), "photo_rights": "own", "do": "apply"}
    shown = client.post("/makeup", data=form)
    assert shown.status_code == 503
    assert "persona[face]" in shown.text
    assert send(client, "advise", tone=5).status_code == 200  # what needs no photo goes on


def test_without_the_models_it_says_what_to_train(app: APIFlask, recommender: Recommender, photo: bytes) -> None:
    recommender.makeup = MakeupStudio(recommender.store)
    client = app.test_client()
    rights = {"photo_rights": "own", "reference_rights": "own"}
    answer = send(client, "transfer", photo=photo, reference=photo, **rights)
    assert (answer.status_code, "persona train reader" in answer.json["detail"]) == (503, True)
    looks = client.post("/v1/makeup/looks", json={"count": 1})
    assert (looks.status_code, "persona train" in looks.json["detail"]) == (503, True)
    advice = send(client, "advise", user_id="demo-ana", tone=4)
    assert (advice.status_code, advice.json["tasted"]) == (200, False)


def test_the_page_makes_looks_that_can_be_put_on(client: FlaskClient) -> None:
    page = client.get("/makeup?user=demo-ana")
    token = page.text.split('name="csrf" value="')[1].split('"')[0]
    form = {"csrf": token, "user": "demo-ana", "tone": "7", "occasion": "party"}
    made = client.post("/makeup", data={**form, "do": "make"})
    assert made.status_code == 200
    wear = [html.unescape(part.split("'")[0]) for part in made.text.split('name="wear" value=\'')[1:]]
    looks = [Look.model_validate_json(text) for text in wear]
    assert len(looks) == 4
    assert made.text.count("generated</span>") >= 4
    worn = client.post("/makeup", data={**form, "wear": wear[0]})
    assert worn.status_code == 200
    assert all(product.hex in worn.text for product in looks[0].products)


def test_a_body_that_is_no_form_is_refused(client: FlaskClient) -> None:
    body = b"--x\r\n[]--x--\r\n"
    answer = client.post("/v1/makeup/advise", data=body, content_type="multipart/form-data; boundary=x")
    assert answer.status_code == 422
    assert "no part" in answer.json["detail"]
    assert (
        client.post("/v1/makeup/advise", data=b"--x--\r\n", content_type="multipart/form-data; boundary=x").status_code
        == 200
    )
