"""What a server says of itself: ids of requests, lines of the log, metrics and traces, none of which names a user."""

from __future__ import annotations

import gzip
import io
import json
import logging
import os
import re
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest
from flask.testing import FlaskClient
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from persona.recommend import Recommender
from persona.serve import logs
from persona.serve.app import create_app
from persona.serve.exposition import FOLDER
from persona.settings import Settings

from .conftest import serving

SECRETS = ("demo-ana", "demo-ben", "dress-red", "green", "q-word")


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What `configure("json")` makes of the log of this process."""
    root, persona, written = logging.getLogger(), logging.getLogger("persona"), io.StringIO()
    before = root.handlers[:], root.level, persona.level
    root.handlers[:] = []
    logs.configure("json")
    (handler,) = root.handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(written)
    yield written
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    persona.setLevel(before[2])


def ask_for_much(client: FlaskClient) -> None:
    """Requests that name people, and some that fail."""
    event = {"key": "k", "user_id": "demo-ana", "item_id": "dress-red-dark", "type": "like"}
    at = {"at": "2025-06-01T00:00:00Z"}
    client.post("/v1/recommendations", json={"user_id": "demo-ana"})
    client.post("/v1/recommendations", json={"user_id": "demo-ana-unknown"})
    client.post("/v1/events", json={"events": [{**event, **at}]})
    client.post("/v1/events", json={"events": [{**event, **at, "type": "dislike"}]})
    client.post("/v1/events", json={"events": [{**event, **at, "key": "l", "item_id": "dress-red-none"}]})
    client.put("/v1/users/demo-ben", json={"preferences": [{"facet": "colour", "value": "green", "weight": 3}]})
    client.get("/v1/users/demo-ben?q-word=1")
    client.get("/v1/makeup/looks?user_id=demo-ben")
    client.get("/demo-ana/nothing?q-word")
    client.get("/for/demo-ana")
    client.delete("/v1/users/demo-ben")


def test_every_answer_names_its_request(client: FlaskClient) -> None:
    for path in ("/livez", "/v1/users/demo-ana", "/v1/nothing", "/v1/users/nobody"):
        first, second = client.get(path), client.get(path)
        assert re.fullmatch("[0-9a-f]{32}", first.headers["X-Request-Id"])
        assert first.headers["X-Request-Id"] != second.headers["X-Request-Id"]
        if first.status_code >= 400:
            assert first.json["request_id"] == first.headers["X-Request-Id"]


@pytest.mark.parametrize("sent", ["r-17", "A.b_c-9", "x" * 64])
def test_a_caller_may_name_its_requests(client: FlaskClient, sent: str) -> None:
    assert client.get("/livez", headers={"X-Request-Id": sent}).headers["X-Request-Id"] == sent


@pytest.mark.parametrize(
    "sent", ["", "x" * 65, "a b", "<script>", "ä", "%0d%0aSet-Cookie: a=b", "a;b", '{"a":1}', "../x"]
)
def test_but_not_as_it_likes(client: FlaskClient, sent: str) -> None:
    given = client.get("/livez", headers={"X-Request-Id": sent.encode().decode("latin-1")}).headers["X-Request-Id"]
    assert re.fullmatch("[0-9a-f]{32}", given)


def test_the_log_has_a_line_for_each_request_and_names_nobody(client: FlaskClient, lines: io.StringIO) -> None:
    ask_for_much(client)
    written = lines.getvalue()
    said = [json.loads(line) for line in written.splitlines()]
    asked = [one for one in said if one["logger"] == "persona.request"]
    assert [one["operation"] for one in asked] == [
        "recommend", "recommend", "add_events", "add_events", "add_events", "put_user", "get_user", "list_looks",
        "unknown", "person", "delete_user",
    ]  # fmt: skip
    assert [one["status"] for one in asked] == [200, 404, 200, 409, 422, 422, 200, 200, 404, 200, 204]
    for one in asked:
        assert one["actor"] == "open"
        assert one["ms"] > 0
        assert re.fullmatch("[0-9a-f]{32}", one["request_id"])
        assert one["level"] == "INFO"
    assert [word for word in SECRETS if word in written] == []


def test_an_error_of_ours_is_logged_under_the_request_s_id(
    client: FlaskClient, recommender: Recommender, lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise ZeroDivisionError("of ours")

    monkeypatch.setattr(recommender, "recommend", fail)
    answer = client.post("/v1/recommendations", json={"user_id": "demo-ana"}, headers={"X-Request-Id": "r-1"})
    assert answer.status_code == 500
    assert "r-1" in answer.json["detail"]
    assert "of ours" not in answer.text
    error = next(one for one in map(json.loads, lines.getvalue().splitlines()) if one["level"] == "ERROR")
    assert error["request_id"] == "r-1"
    assert "ZeroDivisionError: of ours" in error["exc_info"]


def test_an_error_of_the_database_names_nobody(client: FlaskClient, settings: Settings, lines: io.StringIO) -> None:
    import sqlite3

    with sqlite3.connect(settings.home / "persona.db") as database:
        database.execute("DROP TABLE consents")
    database.close()
    answer = client.get("/v1/users/demo-ana")
    assert answer.status_code >= 500
    assert "consents" not in answer.text
    assert "demo-ana" not in lines.getvalue()


def counted(text: str, name: str, **labels: str) -> float:
    """The sum of a metric's samples with these labels."""
    samples = [s for family in text_string_to_metric_families(text) for s in family.samples if s.name == name]
    return sum(s.value for s in samples if labels.items() <= s.labels.items())


def test_metrics_count_each_operation_and_name_nobody(client: FlaskClient) -> None:
    before = client.get("/metrics").text
    ask_for_much(client)
    answer = client.get("/metrics")
    assert answer.mimetype == "text/plain"
    of = "persona_request_seconds_count"
    for operation, status, number in (("add_events", "409", 1), ("recommend", "200", 1), ("unknown", "404", 1)):
        labels = {"operation": operation, "status": status}
        assert counted(answer.text, of, **labels) - counted(before, of, **labels) == number
    assert [word for word in SECRETS if word in answer.text] == []
    assert REGISTRY.get_sample_value(of, {"operation": "recommend", "status": "404"}) >= 1


def test_addresses_that_callers_think_up_add_no_metrics(client: FlaskClient) -> None:
    client.get("/nothing")
    before = len(client.get("/metrics").text.splitlines())
    for number in range(50):
        client.get(f"/nothing-{number}")
        client.open(f"/v1/{number}", method=f"X{number}")
    after = client.get("/metrics").text.splitlines()
    assert len(after) - before <= 40  # one more status at most, with its buckets


@pytest.mark.slow
def test_workers_count_together(settings: Settings) -> None:
    """Two workers: whichever is asked tells of both, also of one that was killed."""
    with serving(settings.model_copy(update={"workers": 2})) as server:
        server.ready()

        def get(path: str) -> str:
            with urllib.request.urlopen(server.address + path, timeout=30) as answer:
                return str(answer.read().decode())

        def counting() -> list[psutil.Process]:
            family = psutil.Process(server.process.pid).children(recursive=True)
            return [process for process in family if any("persona-metrics-" in f.path for f in process.open_files())]

        asked, until = 0, time.monotonic() + 90
        while len(counting()) < 2:  # one is ready before the other
            get("/v1/styles")
            asked += 1
            assert time.monotonic() < until
        of = {"name": "persona_request_seconds_count", "operation": "list_styles", "status": "200"}
        assert [counted(get("/metrics"), **of) for _ in range(6)] == [asked] * 6
        killed = counting()[0]
        killed.kill()
        killed.wait(10)
        server.ready()
        assert counted(get("/metrics"), **of) == asked


def test_jobs_of_a_worker_that_is_gone_wait_for_nothing(tmp_path: Path) -> None:
    """Gauges end with their process, counters stay."""

    def run(code: str) -> str:
        environment = os.environ | {FOLDER: str(tmp_path)}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        return done.stdout

    show = "from persona.serve.exposition import exposition; print(exposition()[0].decode())"
    count = "from persona.metrics import GENERATED, QUEUE; QUEUE.labels('g').set(5); GENERATED.labels('m').inc(3)\n"
    inside = run(count + show)
    after = run(show)
    assert [counted(text, "persona_queue_jobs") for text in (inside, after)] == [5, 0]
    assert [counted(text, "persona_generated_total") for text in (inside, after)] == [3, 3]


class Collector(BaseHTTPRequestHandler):
    """Takes traces."""

    received: list[tuple[str, bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        compressed = self.headers.get("Content-Encoding") == "gzip"
        self.received.append((self.path, gzip.decompress(body) if compressed else body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing."""


def test_traces_go_to_a_collector_as_part_of_the_caller_s(settings: Settings, recommender: Recommender) -> None:
    proto = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
    kind = type("Kept", (Collector,), {"received": []})
    with HTTPServer(("127.0.0.1", 0), kind) as collector:
        threading.Thread(target=collector.serve_forever, daemon=True).start()
        own = settings.model_copy(update={"otel_endpoint": f"http://127.0.0.1:{collector.server_port}"})
        app = create_app(own, recommender)
        client = app.test_client()
        trace = "0af7651916cd43dd8448eb211c80319c"
        client.get("/v1/users/demo-ana", headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"})
        client.get("/v1/users/demo-nobody", headers={"traceparent": "nonsense", "X-Request-Id": "r-9"})
        app.extensions["persona-traces"].shutdown()
        collector.shutdown()
    spans = []
    for path, body in kind.received:
        assert path == "/v1/traces"
        assert b"demo-" not in body
        sent = proto.ExportTraceServiceRequest.FromString(body)
        spans += [span for one in sent.resource_spans for scope in one.scope_spans for span in scope.spans]
    assert [span.name for span in spans] == ["GET /v1/users/<user_id>"] * 2
    assert spans[0].trace_id.hex() == trace
    assert spans[0].parent_span_id.hex() == "b7ad6b7169203331"
    assert spans[1].trace_id.hex() != trace
    found = {pair.key: pair.value for pair in spans[1].attributes}
    assert found["http.response.status_code"].int_value == 404
    assert found["persona.request_id"].string_value == "r-9"
