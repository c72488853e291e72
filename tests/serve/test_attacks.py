"""Hostile paths, texts, bodies, headers, files: nothing is read that was not meant to be, or evaluated, or called."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, unquote_to_bytes

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from persona.recommend import Recommender
from persona.serve.docs import parts
from persona.settings import Settings

from .corpora import BODIES, HEADERS, LEAKS, MARK, PATHS, TEXTS
from .listening import listening


@pytest.fixture
def client(client: FlaskClient, settings: Settings) -> FlaskClient:
    """A client of a shop with files beside it that nobody should see."""
    for folder in (settings.home, settings.home.parent, settings.pictures):
        (folder / "secret.txt").write_text(MARK)
    return client


def harmless(answer: TestResponse, said: object) -> None:
    """What is true of every answer, whatever was sent."""
    assert answer.status_code < 500, (said, answer.status_code, answer.text[:500])
    assert not [name for name in answer.headers.keys() if "evil" in name.lower()], said  # noqa: SIM118
    assert "evil" not in answer.headers.get("Set-Cookie", ""), said
    assert "evil.example" not in answer.headers.get("Location", ""), said
    if answer.mimetype == "image/webp":
        return
    text = answer.get_data(as_text=True)
    assert [leak for leak in LEAKS if leak in text and leak not in str(said)] == [], said
    if answer.mimetype == "text/html":
        for raw in ("<script>alert", "<img src=x", "<svg/onload", "</title><script"):
            assert raw not in text, said
    else:
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_no_path_leads_to_a_file(client: FlaskClient, settings: Settings) -> None:
    key = (settings.home / "session.key").read_bytes()
    for path, accept in itertools.product(PATHS, ("*/*", "text/html")):
        bare, _, query = path.partition("?")
        raw = {"PATH_INFO": unquote_to_bytes(bare).decode("latin-1"), "QUERY_STRING": query}  # as a server hands it on
        answer = client.get("/", headers={"Accept": accept}, environ_overrides=raw)
        harmless(answer, path)
        assert key not in answer.data


def leaves(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each text within a JSON value."""
    if isinstance(value, dict | list):
        for step, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(part, (*way, step))
    elif isinstance(value, str):
        yield way


def changed(value: Any, way: tuple[Any, ...], text: str) -> Any:
    """A JSON value with another text at the end of a way."""
    if not way:
        return text
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[way[0]] = changed(value[way[0]], way[1:], text)
    return copy


def form(stated: dict[str, Any]) -> dict[str, Any]:
    """An example of a form, with files that are no pictures."""
    return {
        name: [
            (io.BytesIO(b"no picture"), part[1:]) if isinstance(part, str) and part.startswith("@") and len(part) < 50
            else part if isinstance(part, str) else json.dumps(part) for part in parts(value)
        ]
        for name, value in stated.items()
    }  # fmt: skip


def operations(client: FlaskClient) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Path, method and description of every operation."""
    for path, methods in client.get("/openapi.json").json["paths"].items():
        for method, operation in methods.items():
            yield path, method.upper(), operation


def assault(client: FlaskClient, texts: list[str], **more: Any) -> Iterator[tuple[TestResponse, object]]:
    """Put each text into each string that each operation takes, in path, query and body."""
    for path, method, operation in operations(client):
        filled = path.replace("{user_id}", "demo-newcomer")
        for parameter in operation["parameters"]:
            name = parameter["name"]
            for text in texts:
                there = quote(text, safe="", errors="surrogatepass")
                bare = filled.replace(f"{{{name}}}", there)
                address = f"{filled}?{name}={there}" if parameter["in"] == "query" else bare
                yield (
                    client.open(address, method=method, json={} if method in ("POST", "PUT") else None, **more),
                    address,
                )
        for kind, content in operation.get("requestBody", {}).get("content", {}).items():
            stated = content["example"]
            for way, text in itertools.product(leaves(stated), texts):
                body = changed(stated, way, text)
                if kind == "application/json":
                    sent = {"data": json.dumps(body), "content_type": kind}
                else:
                    sent = {"data": form(body), "content_type": kind}
                address = filled.replace("{style_id}", "s").replace("{look_id}", "l")
                yield client.open(address, method=method, **sent, **more), (address, way, text)


def encodable(text: str) -> bool:
    """Whether a form can hold it: half a surrogate pair is no UTF-8."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_text_is_more_than_a_text(client: FlaskClient, recommender: Recommender) -> None:
    before = recommender.store.get_user("demo-ana"), recommender.store.history("demo-ana")
    number = 0
    for answer, said in assault(client, [text for text in TEXTS if encodable(text) and len(text) < 1000]):
        harmless(answer, said)
        number += 1
    assert number > 3000
    assert (recommender.store.get_user("demo-ana"), recommender.store.history("demo-ana")) == before
    assert recommender.store.api_keys() == []


def test_pages_take_the_same_texts(client: FlaskClient) -> None:
    token = client.get("/for/demo-ana").text.partition('name="csrf" value="')[2].partition('"')[0]
    assert token
    for text in (text for text in TEXTS if encodable(text) and set(text) & set("<>\"'{$\r\n\x00&=")):
        there = quote(text, safe="")
        for path in (
            f"/for?user={there}",
            f"/for/{there}",
            f"/for/demo-ana?category={there}",
            f"/style?garment={there}",
        ):
            harmless(client.get(path, headers={"Accept": "text/html"}), path)
        sent = {"csrf": token, "name": text, "type": text, "key": text, "item_id": text, "user": text}
        for path in ("/profiles", "/for/demo-ana/events", "/for/demo-ana/tastes", f"/for/{there}/delete", "/makeup"):
            answer = client.post(path, data=sent, headers={"Accept": "text/html"})
            harmless(answer, (path, text))
            if "Location" in answer.headers:
                harmless(client.get(answer.headers["Location"], headers={"Accept": "text/html"}), (path, text))


def test_no_body_is_more_than_a_body(client: FlaskClient) -> None:
    for path, method, operation in operations(client):
        for kind in operation.get("requestBody", {}).get("content", {}):
            for body in BODIES:
                boundary = "; boundary=x" if "multipart" in kind else ""
                sent = body.replace(b"\n", b"\r\n")
                address = path.replace("{user_id}", "demo-newcomer")
                harmless(
                    client.open(address, method=method, data=sent, content_type=kind + boundary), (path, body[:60])
                )


def test_no_header_is_more_than_a_header(client: FlaskClient, recommender: Recommender) -> None:
    for name, values in HEADERS.items():
        for value, path in itertools.product(values, ("/v1/users/demo-ana", "/", "/livez", "/i/" + "0" * 64 + ".webp")):
            harmless(client.get(path, headers={name: value}), (name, value, path))
        for value in values:
            harmless(client.post("/v1/recommendations", data=b'{"profile": {}}', headers={name: value}), (name, value))
    assert recommender.store.get_user("demo-ana")


def test_no_address_in_a_request_is_called(client: FlaskClient, recommender: Recommender) -> None:
    with listening() as listener:
        place = f"127.0.0.1:{listener.port}"
        urls = [f"http://{place}/x.png", f"//{place}/x", f"ftp://{place}/x", f"gopher://{place}/_x", f"\\\\{place}\\x"]
        for answer, said in assault(client, urls):
            harmless(answer, said)
        for name in ("Referer", "Origin", "Forwarded", "X-Forwarded-Host", "X-Forwarded-For", "X-Original-URL",
                     "X-Wap-Profile", "Via", "X-Callback-Url", "traceparent", "Host", "True-Client-IP"):  # fmt: skip
            harmless(client.post("/v1/recommendations", json={"profile": {}}, headers={name: urls[0]}), name)
        for file in calling_files(place):
            photo = {"photo": (io.BytesIO(file), "x.png"), "photo_rights": "own"}
            references = {"references": (io.BytesIO(file), "y.png"), "reference_rights": "own"}
            for path, more in (("makeup/analyze", {}), ("style/apply", references)):
                again = {name: (io.BytesIO(file), "x.png") if isinstance(value, tuple) else value
                         for name, value in (photo | more).items()}  # fmt: skip
                harmless(client.post(f"/v1/{path}", data=again, content_type="multipart/form-data"), file[:40])


def calling_files(place: str) -> list[bytes]:
    """Files that make careless readers fetch something."""
    url = f"http://{place}/x"
    names = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return [
        f'<svg {names}><image xlink:href="{url}"/></svg>'.encode(),
        f'<?xml version="1.0"?><!DOCTYPE a SYSTEM "{url}"><svg/>'.encode(),
        f'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY % b SYSTEM "{url}"> %b;]><svg/>'.encode(),
        f"push graphic-context\nviewbox 0 0 9 9\nimage over 0,0 0,0 '{url}'\n".encode(),
        f"#EXTM3U\n#EXTINF:1,\n{url}\n".encode(),
        f"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n({url}) (r) file\n".encode(),
        f"<html><img src='{url}'></html>".encode(),
    ]


def test_files_beside_the_shop_are_what_the_corpus_looks_for(client: FlaskClient, settings: Settings) -> None:
    """Or else nothing above could have found anything."""
    assert (settings.home / "secret.txt").read_text() == MARK
    with client.get("/static/persona.css") as sheet:
        assert sheet.status_code == 200
