"""The page `/style`: what it shows, what it refuses, and that nothing of a photo stays."""

from __future__ import annotations

import base64
import html
import io
import re
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from PIL import Image

from persona.recommend import Recommender
from persona.recommend.provenance import read_label
from persona.recommend.style_types import LABEL
from persona.recommend.styles import StyleStudio
from persona.settings import Settings
from persona.style.prints import draw_print

from .conftest import file_of
from .test_makeup import kept
from .test_styles import learn

ITEM = "dress-green-light"


@pytest.fixture
def token(client: FlaskClient) -> str:
    return client.get("/style").text.split('name="csrf" value="')[1].split('"')[0]


def post(client: FlaskClient, **fields: Any) -> Any:
    data = {name: (io.BytesIO(one), "a.png") if isinstance(one, bytes) else one for name, one in fields.items()}
    return client.post("/style", data=data, content_type="multipart/form-data")


def after(text: str) -> bytes:
    """The file of the garment in the style."""
    found = re.search(r'class="styled"><img src="data:image/webp;base64,([^"]+)"', text)
    assert found is not None
    return base64.b64decode(html.unescape(found[1]))


def test_it_shows_a_garment_in_a_style_at_once(client: FlaskClient) -> None:
    page = client.get("/style")
    assert page.status_code == 200
    label = read_label(after(page.text))
    assert label is not None
    assert label.words == LABEL
    assert LABEL in page.text
    assert page.text.count('name="garment"') > 10


def test_choices_change_what_is_shown(client: FlaskClient, token: str) -> None:
    assert learn(client, [file_of(draw_print("dots", 128, 2))], title="Mia").status_code == 201
    chosen: list[dict[str, str]] = [
        {"like": "style:style-mia"}, {"like": "item:pants-red-light"}, {"strength": "0.3"}, {"keep": "colour"},
        {"keep": "luminance"}, {"garment": "skirt-navy-light"}, {"method": "pattern", "like": "item:pants-red-light"},
        {"method": "pattern", "like": "item:pants-red-light", "strength": "0.5"},
        {"like": "print:tartan"}, {"method": "pattern", "like": "print:tartan"}, {"method": "oil"}, {"method": "line"},
    ]  # fmt: skip
    shown = {after(post(client, csrf=token, **{"garment": ITEM, **one}).text) for one in chosen}
    assert len(shown) == len(chosen)
    assert 'value="style:style-mia"' in client.get("/style").text


def test_photos_of_ones_own(client: FlaskClient, settings: Settings, token: str) -> None:
    before = kept(settings)
    rgba = np.zeros((160, 120, 4), np.uint8)
    rgba[20:140, 20:100] = (120, 60, 40, 255)
    mine = {"photo": file_of(rgba), "reference": file_of(draw_print("checks", 96, 1))}
    refused = post(client, csrf=token, garment=ITEM, **mine, reference_rights="consented")
    assert refused.status_code == 422
    assert "Your photo: is missing: state that" in html.unescape(refused.text)
    refused = post(client, csrf=token, garment=ITEM, **mine, photo_rights="own")
    assert "The reference: is missing" in html.unescape(refused.text)
    made = post(client, csrf=token, garment=ITEM, **mine, photo_rights="own", reference_rights="consented")
    assert made.status_code == 200, made.text
    assert made.headers["Cache-Control"] == "no-store"
    with Image.open(io.BytesIO(after(made.text))) as image:
        np.testing.assert_array_equal(np.asarray(image)[..., 3], rgba[..., 3])
    saved = post(client, csrf=token, garment=ITEM, **mine, photo_rights="own", reference_rights="consented", do="save")
    assert saved.mimetype == "image/png"
    assert read_label(saved.data) is not None
    assert kept(settings) == before


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"garment": "none"}, 404, "'none'"),
        ({"like": "style:none"}, 404, "there is no style 'none'"),
        ({"like": "item:none"}, 404, "'none'"),
        ({"photo": b"no picture", "photo_rights": "own"}, 422, "Your photo: is no picture"),
        ({"reference": b"no picture", "reference_rights": "own"}, 422, "The reference: is no picture"),
        ({"strength": "2"}, 422, "less than or equal to 1"),
        ({"strength": "much"}, 422, "is no number"),
        ({"keep": "nonsense"}, 422, "choose from nothing, colour, luminance"),
        ({"method": "wool"}, 422, "choose from transfer, pattern, oil"),
        ({"region": "hair"}, 422, "choose from garment, print"),
        ({"like": "print:none"}, 422, "choose one of"),
    ],
)
def test_what_is_wrong_is_said(client: FlaskClient, token: str, fields: Any, status: int, said: str) -> None:
    answer = post(client, csrf=token, **{"garment": ITEM, **fields})
    assert answer.status_code == status
    assert said in html.unescape(answer.text)
    if fields.keys() & {"garment", "keep", "method", "region"} == set():
        assert 'name="garment"' in answer.text or fields.get("strength") == "much"


def test_another_sites_form_is_refused(client: FlaskClient) -> None:
    assert post(client, csrf="guessed", garment=ITEM).status_code == 403


def test_without_a_model_the_page_says_so(client: FlaskClient, recommender: Recommender) -> None:
    recommender.styles = StyleStudio(recommender.store, recommender.pictures)
    page = client.get("/style")
    assert page.status_code == 200
    assert "persona train style" in html.unescape(page.text)
