"""The gallery's forms, as a browser without JavaScript sends them."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from persona.recommend import Recommender
from persona.serve import people, tastes
from persona.store.records import COLOURS, FACETS

HTML = {"Accept": "text/html"}


class Page(HTMLParser):
    """A page's forms (action and fields), links and what was left open or is not allowed in it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.forms: list[tuple[str, dict[str, str]]] = []
        self.ids: list[str] = []
        self.forbidden: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if "id" in found:
            self.ids.append(found["id"])
        self.forbidden += [name for name in found if name == "style" or name.startswith("on")]
        self.forbidden += [tag] if tag in ("script", "style") else []
        if tag == "form":
            self.forms.append((found.get("action", ""), {}))
        sent = "checked" in found or found.get("type") != "radio"
        if tag in ("input", "button") and self.forms and "name" in found and sent:
            self.forms[-1][1][found["name"]] = found.get("value", "")


def page_of(client: FlaskClient, address: str = "/for/demo-ana") -> Page:
    answer = client.get(address, headers=HTML)
    assert answer.status_code == 200, answer.text
    return Page(answer.text)


def form(page: Page, action: str, **wanted: str) -> dict[str, str]:
    """The fields of the first form with this action and these values."""
    return next(f for a, f in page.forms if action in a and all(f.get(name) == value for name, value in wanted.items()))


def cards(answer: TestResponse) -> list[str]:
    return re.findall(r'data-item="([^"]+)"', answer.text)


def test_the_first_page_offers_the_profiles(client: FlaskClient) -> None:
    answer = client.get("/", headers=HTML)
    for name, address in (("Ana", "/for/demo-ana"), ("Ben", "/for/demo-ben"), ("Newcomer", "/for/demo-newcomer")):
        assert name in answer.text
        assert f'href="{address}"' in answer.text
    assert "demo profile" in answer.text
    assert client.get("/for?user=demo-ana").headers["Location"] == "/for/demo-ana"
    unknown = client.get("/for?user=nobody", headers=HTML)
    assert (unknown.status_code, unknown.mimetype) == (404, "text/html")
    assert "nobody" in unknown.text


def test_the_page_shows_picks_garments_outfit_and_why(client: FlaskClient) -> None:
    answer = client.get("/for/demo-ana", headers=HTML)
    assert len(cards(answer)) == 12
    assert len(re.findall(r"data-generation=", answer.text)) == 4
    assert "Outfit laid out flat" in answer.text
    assert answer.text.count('class="reasons"') >= 12
    # every generated garment is labelled, and so is every item whose picture a model made
    assert answer.text.count(">generated</span>") >= 4 + sum(name.endswith("-dark") for name in cards(answer))


def test_a_like_changes_the_answer_and_the_page_says_how_and_why(client: FlaskClient) -> None:
    before = client.get("/for/demo-ana", headers=HTML)
    liked = cards(before)[0]
    sent = form(Page(before.text), "/events", item_id=liked, type="like")
    answer = client.post("/for/demo-ana/events", data=sent)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/for/demo-ana#picks")
    after = client.get("/for/demo-ana", headers=HTML)
    new = set(cards(after)) - set(cards(before))
    assert liked not in cards(after)
    assert new
    assert "You liked" in after.text
    assert f"{len(new)} of 12 picks" in after.text
    assert after.text.count("new since your like") == len(new)
    assert re.search(r'<ul class="why".*?<li>\s*<span>\w', after.text, re.S)
    # pressed twice, counted once
    client.post("/for/demo-ana/events", data=sent)
    assert cards(client.get("/for/demo-ana", headers=HTML)) == cards(after)


@pytest.mark.parametrize(("type", "said"), [("dislike", "is not for you"), ("hide", "You hid")])
def test_what_is_refused_goes(client: FlaskClient, type: str, said: str) -> None:
    before = client.get("/for/demo-ana", headers=HTML)
    refused = cards(before)[1]
    client.post("/for/demo-ana/events", data=form(Page(before.text), "/events", item_id=refused, type=type))
    after = client.get("/for/demo-ana", headers=HTML)
    assert refused not in cards(after)
    assert said in after.text


def test_a_generated_garment_can_be_liked(client: FlaskClient, recommender: Recommender) -> None:
    sent = next(f for a, f in page_of(client).forms if "generation_id" in f and f["type"] == "like")
    client.post("/for/demo-ana/events", data=sent)
    assert "You liked the generated" in client.get("/for/demo-ana", headers=HTML).text
    assert recommender.store.history("demo-ana")[-1].generation_id == sent["generation_id"]


def test_tastes_change_the_answer(client: FlaskClient, recommender: Recommender) -> None:
    sent = form(page_of(client), "/tastes")
    assert sent["taste.colour.green"] == "1"
    client.post("/for/demo-ana/tastes", data=sent | {"taste.colour.red": "1", "taste.category.shoes": "-1"})
    weights = {p.value: p.weight for p in recommender.store.get_user("demo-ana").preferences}
    assert weights == {"green": 0.8, "red": 1.0, "shoes": -1.0}
    page = client.get("/for/demo-ana", headers=HTML).text
    assert "You like red, do not like shoes." in page
    assert form(Page(page), "/tastes")["taste.colour.red"] == "1"


def test_ones_own_profile_is_made_and_erased(client: FlaskClient, recommender: Recommender) -> None:
    sent = form(page_of(client, "/"), "/profiles")
    assert set(sent) >= {tastes.field(facet, value) for facet, values in FACETS.items() for value in values}
    answer = client.post("/profiles", data=sent | {"name": "Zoë B.", "age_band": "25-34", "taste.colour.navy": "1"})
    address = answer.headers["Location"]
    user = address.removeprefix("/for/")
    assert re.fullmatch(r"zo-b\.[0-9a-f]{6}", user)
    profile = recommender.store.get_user(user)
    assert (profile.traits.age_band, profile.consents) == ("25-34", {"personalisation": True})
    assert [(p.value, p.weight) for p in profile.preferences] == [("navy", 1.0)]
    assert address in client.get("/", headers=HTML).text
    answer = client.post(f"{address}/delete", data=form(page_of(client, address), "/delete"), follow_redirects=True)
    assert "was erased" in answer.text
    assert client.get(address, headers=HTML).status_code == 404


def test_a_demo_profile_is_not_erased_from_the_page(client: FlaskClient, recommender: Recommender) -> None:
    csrf = form(page_of(client), "/tastes")["csrf"]
    assert client.post("/for/demo-ana/delete", data={"csrf": csrf}, headers=HTML).status_code == 422
    assert recommender.store.get_user("demo-ana")


def test_a_form_that_another_site_sends_is_refused(client: FlaskClient, recommender: Recommender) -> None:
    sent = form(page_of(client), "/events", type="like")
    before = recommender.store.event_watermark("demo-ana")
    for data, headers in (
        ({**sent, "csrf": ""}, {}),
        ({**sent, "csrf": "guess"}, {}),
        (sent, {"Sec-Fetch-Site": "cross-site"}),
    ):
        assert client.post("/for/demo-ana/events", data=data, headers=HTML | headers).status_code == 403
    assert client.application.test_client().post("/for/demo-ana/events", data=sent).status_code == 403
    assert recommender.store.event_watermark("demo-ana") == before


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"type": "love"}, 422),
        ({"item_id": "nothing"}, 422),
        ({"item_id": ""}, 422),
        ({"generation_id": "g-1"}, 422),
        ({"key": ""}, 422),
    ],
)
def test_a_bent_form_is_answered_with_a_page(client: FlaskClient, more: dict[str, str], status: int) -> None:
    sent = form(page_of(client), "/events", type="like")
    answer = client.post("/for/demo-ana/events", data=sent | more, headers=HTML)
    assert (answer.status_code, answer.mimetype) == (status, "text/html")
    assert "Back to the profiles" in answer.text


def test_filters_stay_through_a_like(client: FlaskClient) -> None:
    before = client.get("/for/demo-ana?category=dress&season=winter", headers=HTML)
    assert all(name.startswith("dress-") for name in cards(before))
    action, sent = next((a, f) for a, f in Page(before.text).forms if f.get("type") == "like")
    assert client.post(action, data=sent).headers["Location"] == "/for/demo-ana?category=dress&season=winter#picks"
    assert client.get("/for/demo-ana?category=cape", headers=HTML).status_code == 422


@pytest.mark.parametrize("address", ["/", "/for/demo-ana", "/for/demo-newcomer", "/docs", "/nothing"])
def test_every_page_is_safe_and_sound(client: FlaskClient, address: str) -> None:
    answer = client.get(address, headers=HTML)
    page = Page(answer.text)
    assert page.forbidden == []
    assert len(page.ids) == len(set(page.ids))
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    assert "script-src 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert not re.search(r'(src|href|action)="(https?:)?//', answer.text)
    assert all("alt=" in image for image in re.findall(r"<img[^>]*>", answer.text))
    assert all("csrf" in fields for action, fields in page.forms if action.endswith(("/events", "/tastes", "/delete")))


def test_what_people_write_is_escaped(client: FlaskClient, recommender: Recommender) -> None:
    item = recommender.store.get_item("dress-green-light")
    recommender.store.put_items([item.model_copy(update={"title": "<script>alert(1)</script>"})])
    recommender.refresh()
    assert "<script" not in client.get("/for/demo-ana?category=dress", headers=HTML).text
    assert "<script" not in client.get("/for?user=<script>alert(1)</script>", headers=HTML).text


def test_the_session_cookie_is_signed_and_closed_to_scripts(client: FlaskClient, settings: Any) -> None:
    cookie = client.get("/", headers=HTML).headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert (settings.home / "session.key").stat().st_mode & 0o077 == 0


def test_names_and_colours() -> None:
    names = {"demo-ana": "Ana", "demo-01": "Demo 01", "zo-b.3f09ab": "Zo B", "u1": "u1", "app:42": "app:42"}
    assert {user: people.name_of(user) for user in names} == names
    assert people.slug("  Zoë B. ") == "zo-b"
    assert people.slug("…") == "you"
    css = (people.__file__ or "").replace("people.py", "static/persona.css")
    with open(css) as file:
        text = file.read()
    assert all(f".dot.{colour} " in text for colour in COLOURS)
