"""Like mine, but green and striped: a user's own photo through the HTTP door, and what becomes of it."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from flask.testing import FlaskClient
from PIL import Image

from persona.catalog.pictures import unpremultiply
from persona.errors import OutOfDate
from persona.gan import GarmentModel
from persona.gan.invert import Encoder, Inverter
from persona.recommend import Recommender, VariationRequest
from persona.settings import Settings

from .conftest import PAINTS, draw


def png(picture: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


@pytest.fixture
def photo() -> str:
    """A red dress whose background is transparent."""
    return png(unpremultiply(draw("dress", PAINTS["red"], 1.0)))


def files(settings: Settings) -> set[Path]:
    return {path.relative_to(settings.home) for path in settings.pictures.rglob("*") if path.is_file()}


def test_garments_after_a_photo(client: FlaskClient, settings: Settings, photo: str) -> None:
    before = files(settings)
    asked = {"picture": photo, "rights": "own", "garment": "dress", "colour": "green", "count": 3}
    answer = client.post("/v1/variations", json=asked)
    assert answer.status_code == 200, answer.text
    assert answer.json["garment"] == "dress"
    made = answer.json["generated"]
    assert len(made) == 3
    assert len({one["picture"] for one in made}) == 3
    for one in made:
        assert one["generated"] is True
        assert one["category"] == "dress"
        shown = client.get(one["url"])
        assert shown.mimetype == "image/webp"
        assert Image.open(io.BytesIO(shown.data)).size == (64, 64)
    new = {path.stem for path in files(settings) - before}
    assert new == {one["picture"] for one in made}  # and nothing of the photo
    assert client.post("/v1/variations", json=asked).json == answer.json


def test_what_is_asked_is_done(client: FlaskClient, photo: str) -> None:
    def made(**asked: object) -> list[dict[str, object]]:
        answer = client.post("/v1/variations", json={"picture": photo, "rights": "own", "garment": "dress", **asked})
        assert answer.status_code == 200, answer.text
        return list(answer.json["generated"])

    plain = made()[0]
    assert made(category="skirt")[0]["category"] == "skirt"
    assert made(colour="yellow")[0]["condition_digest"] != plain["condition_digest"]
    assert made(count=2)[0]["picture"] == plain["picture"]  # the first is nearest, whatever follows
    assert [one["seed"] for one in made(count=2, seed=5)] == [one["seed"] for one in made(count=2, seed=5)]
    assert made(count=2, seed=5)[1]["picture"] != made(count=2, seed=6)[1]["picture"]


def test_what_the_photo_shows_is_read_where_it_is_not_said(client: FlaskClient, photo: str) -> None:
    answer = client.post("/v1/variations", json={"picture": photo, "rights": "own"})
    assert answer.status_code == 200
    assert answer.json["garment"] == answer.json["generated"][0]["category"]


def test_a_stored_user_has_to_allow_photos(client: FlaskClient, photo: str) -> None:
    asked = {"picture": photo, "rights": "own", "user_id": "demo-ana"}
    refused = client.post("/v1/variations", json=asked)
    assert refused.status_code == 422
    assert refused.json["errors"][0]["pointer"] == "#/user_id"
    assert "consent `photos`" in refused.json["detail"]
    assert client.put("/v1/users/photographer", json={"consents": {"photos": True}}).status_code == 201
    allowed = client.post("/v1/variations", json={**asked, "user_id": "photographer"})
    assert allowed.status_code == 200
    url = allowed.json["generated"][0]["url"]
    assert client.get(url).status_code == 200
    assert client.delete("/v1/users/photographer").status_code == 204
    assert client.get(url).status_code == 404  # what was made for a user goes with the user
    assert client.post("/v1/variations", json={**asked, "user_id": "nobody"}).status_code == 404


@pytest.mark.parametrize(
    ("change", "pointer", "message"),
    [
        ({"picture": "not base64!"}, "#/picture", "no base64"),
        ({"picture": base64.b64encode(b"not a picture").decode()}, "#/picture", "no picture that can be read"),
        ({"picture": ""}, "#/picture", "at least 4"),
        ({"rights": "found"}, "#/rights", "own"),
        ({"rights": None}, "#/rights", "own"),
        ({"colour": "mauve"}, "#/colour", "'black'"),
        ({"count": 9}, "#/count", "8"),
        ({"garment": "longsleeve"}, "#/category", "choose from t-shirt"),  # drawn by no generator of this shop
        ({"keep": True}, "#/keep", "no known field"),
    ],
)
def test_what_cannot_be_used_is_named(
    client: FlaskClient, photo: str, change: dict[str, object], pointer: str, message: str
) -> None:
    answer = client.post("/v1/variations", json={"picture": photo, "rights": "own", **change})
    assert answer.status_code == 422, answer.text
    assert answer.mimetype == "application/problem+json"
    assert answer.json["errors"][0]["pointer"] == pointer
    assert message in answer.json["detail"]


def test_photos_without_a_garment_and_bombs(client: FlaskClient) -> None:
    room = png(np.full((200, 200, 3), 127, np.uint8))
    bomb = io.BytesIO()
    Image.new("L", (6000, 6000)).save(bomb, "PNG")  # 36 million pixels in some 40 KB
    assert len(bomb.getvalue()) < 100_000
    for picture, why in ((room, "plain background"), (base64.b64encode(bomb.getvalue()).decode(), "25 million pixels")):
        answer = client.post("/v1/variations", json={"picture": picture, "rights": "own"})
        assert answer.status_code == 422
        assert answer.json["errors"][0]["pointer"] == "#/picture"
        assert why in answer.json["detail"]
    large = client.post("/v1/variations", json={"picture": "A" * 1_100_000, "rights": "own"})
    assert large.status_code == 413
    assert "smaller picture" in large.json["detail"]


def test_without_its_models_it_says_so(recommender: Recommender, settings: Settings, photo: str) -> None:
    request = VariationRequest(picture=photo, rights="own", colour="green")
    generator = recommender.main.generator
    for inverter, directions, message in (
        (None, generator.directions, "run `persona train inverter`"),
        (Inverter(Encoder(4), "other@1"), generator.directions, "trained with the generator other@1"),
        (Inverter(Encoder(4), generator.version), None, "run `persona train directions`"),
    ):
        model = GarmentModel(
            generator.generator, generator.prior, generator.categories, generator.visual, generator.version, directions
        )
        arms = {"default": (recommender.main.taste, model)}
        opened = Recommender(recommender.store, recommender.pictures, recommender.visual, arms, inverter=inverter)
        with pytest.raises(OutOfDate, match=message):
            opened.vary(request)
