"""How much one caller may ask for, and which web apps may ask."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask.testing import FlaskClient

from persona.errors import BadInput
from persona.recommend import Recommender
from persona.serve.app import create_app
from persona.serve.counts import LocalCounts
from persona.serve.modes import at_start
from persona.settings import Settings

LOOKS = "/v1/makeup/looks"
SHOP = "https://shop.example"


def limited(keyed: Any, **changed: Any) -> FlaskClient:
    """A client without a key of an application with these settings."""
    return create_app(keyed.settings.model_copy(update=changed), keyed.recommender).test_client()


def test_one_key_s_requests_are_counted_apart_from_another_s(keyed: Any) -> None:
    client = limited(keyed, rate_limit="3/minute")
    mine, other = ({"X-API-Key": keyed.keys[scope][1]} for scope in ("read", "write"))
    for left in (2, 1, 0):
        answer = client.get(LOOKS, headers=mine)
        assert answer.status_code == 200
        assert (answer.headers["RateLimit-Limit"], answer.headers["RateLimit-Remaining"]) == ("3", str(left))
        assert 0 < int(answer.headers["RateLimit-Reset"]) <= 60
        assert "Retry-After" not in answer.headers
    answer = client.get("/v1/styles", headers=mine)  # whatever it asks for
    assert answer.status_code == 429
    assert answer.mimetype == "application/problem+json"
    assert 0 < int(answer.headers["Retry-After"]) <= 60
    assert "Retry-After" in answer.json["detail"]
    assert client.get(LOOKS, headers=other).status_code == 200
    assert client.get("/livez", headers=mine).status_code == 200
    assert client.get("/openapi.json").status_code == 200  # public, so on nobody's account


def test_a_limit_passes(keyed: Any) -> None:
    client, mine = limited(keyed, rate_limit="2/second"), {"X-API-Key": keyed.keys["read"][1]}
    until = time.monotonic() + 20
    while (answer := client.get(LOOKS, headers=mine)).status_code != 429:
        assert time.monotonic() < until
    time.sleep(int(answer.headers["Retry-After"]))
    assert client.get(LOOKS, headers=mine).status_code == 200


def test_who_has_no_key_does_not_use_up_anybody_s_limit(keyed: Any) -> None:
    client = limited(keyed, rate_limit="2/minute")
    for _ in range(5):
        assert client.get(LOOKS, headers={"X-API-Key": keyed.keys["read"][1][:-1] + "_"}).status_code == 401
    assert client.get(LOOKS, headers={"X-API-Key": keyed.keys["read"][1]}).headers["RateLimit-Remaining"] == "1"


def test_threads_that_count_together_lose_nothing_and_leave_nothing_behind() -> None:
    counts, threads = LocalCounts(), threading.active_count()
    with ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(lambda _: counts.incr("k", 60), range(4000)))
    assert sorted(seen) == list(range(1, 4001))
    assert counts.get("k") == 4000
    assert threading.active_count() == threads
    for number in range(25_000):
        counts.incr(f"gone-{number}", 0)
    assert len(counts._counts) <= 10_001
    assert counts.get("k") == 4000
    assert counts.get("gone-24999") == 0


def test_without_a_limit_or_in_development_mode_nothing_is_counted(keyed: Any, client: FlaskClient) -> None:
    unlimited = limited(keyed, rate_limit="")
    for answer in (unlimited.get(LOOKS, headers={"X-API-Key": keyed.keys["read"][1]}), client.get(LOOKS)):
        assert answer.status_code == 200
        assert "RateLimit-Limit" not in answer.headers


def test_no_web_app_may_ask_by_default(keyed: Any) -> None:
    answer = keyed.client("read").get(LOOKS, headers={"Origin": SHOP})
    assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]


def test_a_named_web_app_may_ask_by_key_and_no_other(keyed: Any) -> None:
    client = limited(keyed, cors_origins=(SHOP, "http://localhost:3000"))
    key = {"X-API-Key": keyed.keys["read"][1]}
    wanted = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key, content-type"}
    before = client.options("/v1/recommendations", headers={"Origin": SHOP, **wanted})
    assert before.status_code == 200
    assert before.headers["Access-Control-Allow-Origin"] == SHOP
    assert "x-api-key" in before.headers["Access-Control-Allow-Headers"].lower()
    answer = client.post("/v1/recommendations", json={"profile": {}}, headers={"Origin": SHOP, **key})
    assert answer.headers["Access-Control-Allow-Origin"] == SHOP
    assert "X-Request-Id" in answer.headers["Access-Control-Expose-Headers"]
    assert "Origin" in answer.headers["Vary"]
    assert "Access-Control-Allow-Credentials" not in answer.headers
    for other in ("https://shop.example.evil.example", "http://shop.example", "https://shopxexample", "null"):
        refused = client.get(LOOKS, headers={"Origin": other, **key})
        assert "Access-Control-Allow-Origin" not in refused.headers, other
    assert "Access-Control-Allow-Origin" not in client.get("/metrics", headers={"Origin": SHOP, **key}).headers
    problem = client.get(LOOKS, headers={"Origin": SHOP})  # the app has to be able to read why
    assert (problem.status_code, problem.headers["Access-Control-Allow-Origin"]) == (401, SHOP)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rate_limit", "many"), ("rate_limit", "10/fortnight"), ("rate_limit_storage", "carrier-pigeon://x"),
        ("cors_origins", ("shop.example",)), ("cors_origins", (f"{SHOP}/",)), ("cors_origins", (f"{SHOP}/path",)),
        ("cors_origins", ("https://*.example",)), ("cors_origins", ("file://x",)), ("cors_origins", ("https://",)),
        ("otel_endpoint", "collector:4318"), ("otel_endpoint", "ftp://collector"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_are_named_at_the_start(
    settings: Settings, recommender: Recommender, name: str, value: Any
) -> None:
    own = settings.model_copy(update={name: value})
    for start in (at_start, lambda chosen: create_app(chosen, recommender)):
        with pytest.raises(BadInput, match=f"^{name}: "):
            start(own)


def test_every_answer_tells_a_browser_to_be_careful(keyed: Any) -> None:
    client = keyed.client("read")
    for path in (LOOKS, "/v1/nothing", "/docs", "/livez", "/v1/users/nobody"):
        answer = client.get(path)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert "Strict-Transport-Security" not in answer.headers
        assert "Set-Cookie" not in answer.headers
        assert "max-age" in client.get(path, base_url="https://shop.example").headers["Strict-Transport-Security"]
