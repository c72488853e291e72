"""Who may ask for what: every route against every key, keys that end, and development mode, for one machine alone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from persona.errors import BadInput
from persona.recommend import Recommender
from persona.serve.access import END_USER, FRESH, SCOPES
from persona.serve.app import create_app
from persona.serve.modes import OPEN, at_start, is_loopback, is_open
from persona.settings import Settings
from persona.store.keys import IMPLIED
from persona.store.keys import SCOPES as KEY_SCOPES

VALUES = {
    "user_id": "nobody",
    "look_id": "l",
    "style_id": "s",
    "sha256": "0" * 64,
    "filename": "nothing.css",
    "name": "n",
}
ASK = {"profile": {}}


def routes(app: APIFlask) -> Iterator[tuple[str, str, str]]:
    """Endpoint, method and an address of every route."""
    for rule in app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) - {"OPTIONS", "HEAD"}):
            yield rule.endpoint, method, address(rule)


def address(rule: Rule) -> str:
    path = rule.rule.replace("<path:", "<")
    for name, value in VALUES.items():
        path = path.replace(f"<{name}>", value)
    return path


def refused(answer: TestResponse) -> bool:
    """Whether it was refused because of who asked."""
    return answer.status_code in (401, 403)


def test_the_table_names_every_route_and_nothing_else(app: APIFlask) -> None:
    assert set(SCOPES) == {rule.endpoint for rule in app.url_map.iter_rules()}
    assert set(SCOPES) >= END_USER
    assert all(SCOPES[endpoint] in ("read", "write", "admin") for endpoint in END_USER)


def test_every_route_asks_for_the_scope_that_it_needs(keyed: Any) -> None:
    for endpoint, method, path in routes(keyed.app):
        wanted = SCOPES[endpoint]
        stranger = keyed.client().open(path, method=method)
        if endpoint in ("analyst_login.log_in", "analyst_login.log_out"):  # forms, which have to come from our page
            assert "This form is out of date" in stranger.json["detail"]
            continue
        if wanted == "public":
            assert not refused(stranger), path
            continue
        if wanted == "page":
            assert stranger.status_code == 404, path
            assert "development mode" in stranger.json["detail"]
            continue
        if wanted == "session":  # which no key in a header stands for
            for client in (keyed.client(), keyed.client("admin"), keyed.client("analyst")):
                answer = client.open(path, method=method)
                assert (answer.status_code, answer.location) in ((303, "/analyst/login"), (401, None)), path
            continue
        assert stranger.status_code == 401, (method, path)
        assert stranger.headers["WWW-Authenticate"] == "Bearer realm=persona"
        assert stranger.mimetype == "application/problem+json"
        for scope in KEY_SCOPES:
            answer = keyed.client(scope).open(path, method=method)
            assert refused(answer) is (wanted not in IMPLIED[scope]), (method, path, scope)
            if refused(answer):
                assert answer.status_code == 403
                assert f"scope {wanted}" in answer.json["detail"]
                assert f"yours has {scope}" in answer.json["detail"]


def test_a_route_that_the_table_lacks_is_for_nobody(keyed: Any, app: APIFlask) -> None:
    for which, client in ((keyed.app, keyed.client("admin")), (app, app.test_client())):
        which.add_url_rule("/v1/forgotten", "forgotten", lambda: "all secrets")
        answer = client.get("/v1/forgotten")
        assert (answer.status_code, "secrets" in answer.text) == (403, False)


def test_a_key_is_shown_in_one_of_two_headers(keyed: Any) -> None:
    secret = keyed.keys["read"][1]
    for headers, status in (
        ({"X-API-Key": secret}, 200),
        ({"Authorization": f"Bearer {secret}"}, 200),
        ({"Authorization": f"bearer  {secret} "}, 200),
        ({"Authorization": "Basic dTpw", "X-API-Key": secret}, 200),  # a proxy's own
        ({"Authorization": f"Bearer {secret[:-1]}0"}, 401),
        ({"Authorization": "Bearer pk_0_0", "X-API-Key": secret}, 401),
        ({"Authorization": f"Basic {secret}"}, 401),
        ({"Authorization": "Bearer"}, 401),
        ({"X-API-Key": ""}, 401),
        ({"Authorization": "Bearer " + "x" * 10_000}, 401),
        ({"Authorization": "Bearer \udcff"}, 401),
    ):
        answer = keyed.client().post("/v1/recommendations", json=ASK, headers=headers)
        assert answer.status_code == status, headers
        assert secret not in answer.text
    assert keyed.client().post(f"/v1/recommendations?api_key={secret}", json=ASK).status_code == 401


def test_a_revoked_key_is_refused_within_a_second_by_every_worker(keyed: Any) -> None:
    workers = [create_app(keyed.settings, keyed.recommender).test_client() for _ in range(2)]
    key, secret = keyed.keys["read"]
    headers = {"X-API-Key": secret}
    assert all(worker.post("/v1/recommendations", json=ASK, headers=headers).status_code == 200 for worker in workers)
    keyed.store.revoke_key(key.id)
    time.sleep(FRESH + 0.1)
    for worker in workers:
        answer = worker.post("/v1/recommendations", json=ASK, headers=headers)
        assert answer.status_code == 401
        assert "error=invalid_token" in answer.headers["WWW-Authenticate"]
    fresh = keyed.store.create_key("new", ["read"])[1]  # and a new one is known at once
    assert workers[0].post("/v1/recommendations", json=ASK, headers={"X-API-Key": fresh}).status_code == 200


def test_an_expired_key_is_refused_at_once(keyed: Any) -> None:
    end = datetime.now(UTC) + timedelta(seconds=2)
    _, secret = keyed.store.create_key("guest", ["analyst"], end)
    client, headers = keyed.client(), {"X-API-Key": secret}
    assert client.get("/metrics", headers=headers).status_code == 200
    time.sleep(max(0.0, (end - datetime.now(UTC)).total_seconds()))
    assert client.get("/metrics", headers=headers).status_code == 401


def test_without_a_database_nobody_gets_in(keyed: Any) -> None:
    client = keyed.client("read")
    assert client.get("/v1/makeup/looks").status_code == 200
    keyed.store.close()
    for file in keyed.settings.home.glob("persona.db*"):
        file.rename(file.with_suffix(".away" + file.suffix))
    time.sleep(FRESH + 0.1)
    assert client.get("/v1/makeup/looks").status_code >= 500


def test_what_is_done_to_stored_data_is_written_down_without_names(keyed: Any) -> None:
    admin = keyed.client("admin")
    assert admin.delete("/v1/styles/style-nobody").status_code == 404
    before = len(keyed.store.audited())
    agreed = {"licence": "by agreement", "source": "herself", "consent": True, "given_at": datetime.now(UTC)}
    put_style(keyed.recommender, "style-mia", agreed)
    answer = admin.delete("/v1/styles/style-mia", headers={"X-Request-Id": "r-17"})
    assert answer.status_code == 204
    (entry,) = keyed.store.audited()[: len(keyed.store.audited()) - before]
    key = keyed.keys["admin"][0]
    assert (entry.actor, entry.action, entry.request_id) == (key.id, "style.retire", "r-17")
    assert "mia" not in entry.model_dump_json()


def put_style(recommender: Recommender, name: str, agreed: dict[str, Any]) -> None:
    """A named style in the store, as if it had been learnt."""
    import numpy as np

    from persona.store import Agreement, NamedStyle

    style = NamedStyle.model_validate({
        "id": name, "title": name, "origin": "person", "agreement": Agreement(**agreed), "model": "style 1",
        "weights": (1.0,), "learnt_at": datetime.now(UTC),
    })  # fmt: skip
    recommender.store.put_style(style, np.zeros((1, 4), np.float32), "visual 1", np.zeros(4, np.float32))


def test_the_document_says_which_scope_each_operation_needs(keyed: Any, client: FlaskClient) -> None:
    for document, openly in (
        (keyed.client().get("/openapi.json").json, False),
        (client.get("/openapi.json").json, True),
    ):
        assert document["components"]["securitySchemes"].keys() == {"bearer", "apiKey"}
        for path, methods in document["paths"].items():
            for operation in methods.values():
                name = operation["operationId"]
                wanted = next(scope for endpoint, scope in SCOPES.items() if endpoint.endswith(f".{name}"))
                keys = [{"bearer": [wanted]}, {"apiKey": [wanted]}]
                expected = [] if wanted == "public" else [*keys, *([{}] if openly else [])]
                assert operation["security"] == expected, path
                assert {"401", "403", "429"} <= set(operation["responses"]) or wanted == "public"
    assert "Authorization: Bearer" in keyed.client().get("/docs").text
    assert "Authorization: Bearer" not in client.get("/docs").text


# Development mode


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1", "127.0.0.1:8000", "[::1]:8000"])
def test_this_machine_is_answered_by_its_own_names(client: FlaskClient, host: str) -> None:
    assert client.post("/v1/recommendations", json=ASK, headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        *({"Host": host} for host in (
            "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "evil.example:8000", "10.0.0.1",
            "127.0.0.1@evil.example", "evil.example@127.0.0.1", "0.0.0.0", "[::]", "2130706433", "localhost:8000, evil",
            "", "127.1", "[::ffff:10.0.0.1]", "localhost:123456", "localhost/", "localhost ",
        )),
        {"X-Forwarded-For": "10.0.0.1"},
        {"X-Forwarded-Host": "localhost"},
        {"X-Forwarded-Proto": "https"},
        {"X-Real-IP": "127.0.0.1"},
        {"Forwarded": "for=127.0.0.1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://[", "Host": "localhost"},
    ],
    ids=str,
)  # fmt: skip
def test_development_mode_refuses_what_comes_from_elsewhere(client: FlaskClient, headers: dict[str, str]) -> None:
    answer = client.post("/v1/recommendations", json=ASK, headers=headers)
    assert answer.status_code == 403
    assert "Development mode" in answer.json["detail"]
    assert client.get("/livez", headers=headers).status_code == 200  # says nothing


def test_development_mode_refuses_another_machine(client: FlaskClient) -> None:
    for remote, status in (("10.0.0.7", 403), ("::ffff:10.0.0.7", 403), ("::1", 200), ("::ffff:127.0.0.1", 200)):
        answer = client.get("/v1/styles", environ_base={"REMOTE_ADDR": remote})
        assert answer.status_code == status, remote


def test_a_page_of_a_named_web_app_may_send_changes(settings: Settings, recommender: Recommender) -> None:
    own = settings.model_copy(update={"cors_origins": ("http://localhost:3000",)})
    client = create_app(own, recommender).test_client()
    sent = {"Origin": "http://localhost:3000", "Sec-Fetch-Site": "same-site"}
    assert client.post("/v1/recommendations", json=ASK, headers=sent).status_code == 200
    other = sent | {"Origin": "http://localhost:3001"}
    assert client.post("/v1/recommendations", json=ASK, headers=other).status_code == 403


def test_what_is_loopback() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.8.9.1", "::1", "[::1]", "localhost", "::ffff:127.0.0.1")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "10.0.0.1", "shop.example", "", "::ffff:10.0.0.1")))


def test_which_mode_a_server_is_in(furnished: Settings) -> None:
    def chosen(**values: Any) -> Settings:
        return furnished.model_copy(update=values)

    assert is_open(chosen())
    assert is_open(chosen(access="open", host="::1"))
    assert not is_open(chosen(access="keys"))
    assert not is_open(chosen(host="0.0.0.0"))
    with pytest.raises(BadInput, match="access: open would let anybody in"):
        at_start(chosen(access="open", host="0.0.0.0"))


def test_who_starts_a_server_is_told_what_to_know(settings: Settings, recommender: Recommender) -> None:
    assert at_start(settings) == OPEN
    public = settings.model_copy(update={"host": "0.0.0.0"})
    assert "persona keys create" in at_start(public)
    key, _ = recommender.store.create_key("app", ["read"])
    assert at_start(public) == ""
    recommender.store.revoke_key(key.id)
    assert "persona keys create" in at_start(public)


def test_the_real_server_says_that_it_is_in_development_mode(shared_server: Any) -> None:
    assert OPEN in shared_server.log.read_text()
