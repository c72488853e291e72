"""End users' own tokens: what is no valid token opens nothing, and a valid one opens what is about that user alone."""

from __future__ import annotations

import base64
import io
import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from apiflask import APIFlask
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from flask.testing import FlaskClient

from persona.errors import BadInput
from persona.recommend import Recommender
from persona.recommend.variations import EXAMPLE as VARIATION
from persona.serve.access import END_USER, SCOPES
from persona.serve.app import create_app
from persona.serve.tokens import WHOSE, Tokens
from persona.settings import Settings

ANA = "demo-ana"
KEY = ec.generate_private_key(ec.SECP256R1())
PRIVATE = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
PUBLIC = KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
SECRET = b"a secret of more than thirty-two bytes"


def claims(**changed: Any) -> dict[str, Any]:
    said = {"sub": ANA, "exp": int(time.time()) + 60, "iss": "shop", "aud": "persona", **changed}
    return {name: value for name, value in said.items() if value is not None}


def token(key: Any = PRIVATE, algorithm: str = "ES256", **changed: Any) -> str:
    return jwt.encode(claims(**changed), key, algorithm)


def bare(header: dict[str, Any], key: bytes | None = None) -> str:
    """A token put together by hand, signed by HS256 with `key` or not at all."""
    import hashlib
    import hmac

    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims())]
    signature = hmac.new(key, b".".join(parts), hashlib.sha256).digest() if key else b""
    return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()


def as_user(app: APIFlask, sent: str) -> FlaskClient:
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {sent}"
    return client


@pytest.fixture
def app(settings: Settings, recommender: Recommender, tmp_path: Path) -> APIFlask:
    (tmp_path / "public.pem").write_bytes(PUBLIC)
    chosen = {"access": "keys", "jwt_key": tmp_path / "public.pem", "jwt_issuer": "shop", "jwt_audience": "persona"}
    return create_app(settings.model_copy(update=chosen), recommender)


@pytest.fixture
def ana(app: APIFlask) -> FlaskClient:
    return as_user(app, token())


def test_an_end_user_asks_about_themselves(ana: FlaskClient) -> None:
    assert ana.post("/v1/recommendations", json={"user_id": ANA}).json["user_id"] == ANA
    assert ana.post("/v1/recommendations", json={"profile": {}}).status_code == 200
    assert ana.get(f"/v1/users/{ANA}").status_code == 200
    event = {"key": "k", "user_id": ANA, "item_id": "dress-red-dark", "type": "like", "at": "2025-06-01T00:00:00Z"}
    assert ana.post("/v1/events", json={"events": [event]}).status_code == 200
    assert ana.delete(f"/v1/users/{ANA}").status_code == 204


OTHER = ec.generate_private_key(ec.SECP256R1()).private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)


@pytest.mark.parametrize(
    "sent",
    [
        token(exp=int(time.time()) - 1), token(exp=None), token(exp="soon"), token(sub=None), token(sub=""),
        token(sub="../" + ANA), token(sub="ana\nx"), token(sub="x" * 129), token(iss="elsewhere"), token(iss=None),
        token(aud="other"), token(aud=None), token(nbf=int(time.time()) + 600), token(key=OTHER),
        bare({"alg": "none", "typ": "JWT"}), bare({"alg": "None"}), bare({"alg": "HS256"}, PUBLIC),
        bare({"alg": "HS256"}, b"x"),
        bare({"alg": "ES256", "kid": "../../../../dev/null"}), bare({"alg": "ES256", "jwk": {"kty": "oct", "k": ""}}),
        token()[:-2], token() + "A", token().replace(".", "", 1), "a.b.c", "..", "." * 5000,
        jwt.encode(claims(pad="x" * 9000), PRIVATE, "ES256"), jwt.encode(claims(), SECRET, "HS256"),
    ],
)  # fmt: skip
def test_what_is_no_valid_token_opens_nothing(app: APIFlask, sent: str) -> None:
    answer = as_user(app, sent).post("/v1/recommendations", json={"user_id": ANA})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer realm=persona, error=invalid_token"
    assert sent not in answer.text


def test_end_users_reach_only_what_is_for_one_user(app: APIFlask, ana: FlaskClient) -> None:
    for rule in app.url_map.iter_rules():
        if SCOPES[rule.endpoint] in ("public", "page"):
            continue
        path = rule.rule.replace("<user_id>", ANA).replace("<look_id>", "l").replace("<style_id>", "s")
        for method in (rule.methods or set()) - {"OPTIONS", "HEAD"}:
            if rule.endpoint != "api.delete_user":
                answer = ana.open(path, method=method)
                if SCOPES[rule.endpoint] == "session":  # where one logs in, and not by a token
                    assert answer.status_code in (303, 401), rule
                    continue
                assert (answer.status_code == 403) is (rule.endpoint not in END_USER), rule


def test_naming_somebody_else_is_refused_wherever_it_stands(ana: FlaskClient) -> None:
    ben, event = "demo-ben", {"item_id": "dress-red-dark", "type": "like", "at": "2025-06-01T00:00:00Z"}
    mixed = [{"key": "1", "user_id": ANA, **event}, {"key": "2", "user_id": ben, **event}]
    photo = {"photo": (io.BytesIO(b"x"), "me.jpg"), "photo_rights": "own"}
    twice = f'{{"user_id": "{ANA}", "user_id": "{ben}"}}'
    escaped = f'{{"user\\u005fid": "{ben}"}}'
    typed = {"content_type": "application/json"}
    answers = [
        ana.get(f"/v1/users/{ben}"),
        ana.put(f"/v1/users/{ben}", json={}),
        ana.delete(f"/v1/users/{ben}"),
        ana.get(f"/v1/users/{ben}/looks"),
        ana.get("/v1/users/demo%2Dben"),
        ana.post("/v1/recommendations", json={"user_id": ben}),
        ana.post("/v1/recommendations", data=twice, **typed),
        ana.post("/v1/recommendations", data=escaped, **typed),
        ana.post("/v1/variations", json={**VARIATION, "user_id": ben}),
        ana.post("/v1/events", json={"events": mixed}),
        ana.get(f"/v1/makeup/looks?user_id={ben}"),
        ana.get(f"/v1/makeup/chart?user_id={ben}&look=x"),
        ana.post("/v1/makeup/looks", json={"user_id": ben}),
        ana.post("/v1/makeup/advise", data={"user_id": ben}, content_type="multipart/form-data"),
        ana.post("/v1/makeup/apply", data={"user_id": ben, "look_id": "look-classic-red", **photo}),
    ]
    for answer in answers:
        assert answer.status_code == 403, answer.request
        assert "names another" in answer.json["detail"]
        assert ben not in answer.text
    assert ana.get(f"/v1/users/{ANA}").status_code == 200
    assert len(ana.post("/v1/recommendations", json={"user_id": ANA}).json["items"]) > 0


def test_of_keys_that_stand_twice_the_one_counts_that_is_acted_on(ana: FlaskClient) -> None:
    body = f'{{"user_id": "demo-ben", "user_id": "{ANA}"}}'
    answer = ana.post("/v1/recommendations", data=body, content_type="application/json")
    assert answer.status_code == 403 or answer.json["user_id"] == ANA


def test_every_field_that_names_a_user_is_looked_at(client: FlaskClient) -> None:
    """A field added later under another name would not be; this says so."""
    named = set()
    document = client.get("/openapi.json").json
    for name, schema in document["components"]["schemas"].items():
        named |= {field for field in schema.get("properties", {}) if "user" in field or "owner" in field}
        assert not {"on_behalf_of", "customer", "person", "account"} & set(schema.get("properties", {})), name
    for methods in document["paths"].values():
        for operation in methods.values():
            named |= {one["name"] for one in operation["parameters"] if "user" in one["name"]}
    assert named - {"users"} <= WHOSE  # those are in answers alone


def test_end_users_are_hidden_in_names_of_callers(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "public.pem").write_bytes(PUBLIC)
    own = settings.model_copy(update={"jwt_key": tmp_path / "public.pem"})
    one, other = Tokens(own, b"pepper"), Tokens(own, b"another")
    assert one.actor(ANA) == one.actor(ANA) != one.actor("demo-ben")
    assert one.actor(ANA) != other.actor(ANA)  # so it cannot be found by trying ids
    assert ANA not in one.actor(ANA)
    assert len(one.actor(ANA)) <= 32


def test_a_shared_secret_works_too(settings: Settings, recommender: Recommender, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(SECRET)
    own = settings.model_copy(update={"access": "keys", "jwt_key": tmp_path / "secret", "jwt_algorithm": "HS256"})
    app = create_app(own, recommender)
    signed = jwt.encode({"sub": ANA, "exp": time.time() + 60}, SECRET, "HS256")
    assert as_user(app, signed).get(f"/v1/users/{ANA}").status_code == 200
    wrong = jwt.encode({"sub": ANA, "exp": time.time() + 60}, SECRET[::-1], "HS256")
    assert as_user(app, wrong).get(f"/v1/users/{ANA}").status_code == 401


def test_keys_work_beside_tokens(app: APIFlask, recommender: Recommender) -> None:
    _, secret = recommender.store.create_key("app", ["read"])
    assert as_user(app, secret).get("/v1/users/demo-ben").status_code == 200


@pytest.mark.parametrize(
    ("content", "algorithm"),
    [
        (b"short", "HS256"), (PUBLIC, "HS256"), (b"no key", "ES256"), (PRIVATE.encode(), "ES256"), (PUBLIC, "RS256"),
        (None, "ES256"), (b"", "HS256"),
    ],
)  # fmt: skip
def test_a_key_that_cannot_be_is_said_at_the_start(
    settings: Settings, recommender: Recommender, tmp_path: Path, content: bytes | None, algorithm: str
) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    own = settings.model_copy(update={"access": "keys", "jwt_key": file, "jwt_algorithm": algorithm})
    with pytest.raises(BadInput, match="jwt_key"):
        create_app(own, recommender)
