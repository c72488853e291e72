"""Who is let in and until when, at the outermost layer and through the whole application."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient
from werkzeug.test import Client, TestResponse

from persona.batcher import Batcher
from persona.caller import CALLER
from persona.errors import BadInput
from persona.recommend import Recommender
from persona.serve.admission import RUNNING, Admission
from persona.serve.app import create_app
from persona.serve.run import serve
from persona.settings import Settings
from persona.turns import resting

ASKED = {"user_id": "demo-ana", "mode": "generate", "generate": 1, "outfit": False, "explain": False}
Environ = dict[str, Any]


def plain(answer: Callable[[Environ], Iterable[bytes]], *, length: bool = True) -> Callable[..., Iterable[bytes]]:
    def app(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = answer(environ)
        start_response("200 OK", [("Content-Length", "2")] if length else [])
        return body

    return app


def ask(app: Callable[..., Iterable[bytes]], path: str = "/v1/x", **headers: str) -> TestResponse:
    return Client(app).get(path, headers=headers)


def test_so_many_are_let_in_and_the_others_are_told_at_once() -> None:
    go, entered = threading.Event(), threading.Semaphore(0)

    def hold(environ: Environ) -> Iterable[bytes]:
        if environ["PATH_INFO"] not in ("/livez", "/metrics"):
            entered.release()
            with resting():  # as who waits for a model
                assert go.wait(20)
        return [b"ok"]

    app = Admission(plain(hold), 3, 60.0)
    with ThreadPoolExecutor(3) as pool:
        inside = [pool.submit(ask, app) for _ in range(3)]
        for _ in inside:
            assert entered.acquire(timeout=10)
        began = time.perf_counter()
        refused = [ask(app) for _ in range(200)]
        assert (time.perf_counter() - began) / 200 < 0.02
        assert {answer.status_code for answer in refused} == {429}
        problem = json.loads(refused[0].data)
        assert refused[0].content_type == "application/problem+json"
        assert refused[0].headers["Retry-After"] == "1"
        assert (problem["status"], problem["title"]) == (429, "Too Many Requests")
        assert ask(app, "/livez").status_code == ask(app, "/metrics").status_code == 200
        go.set()
        assert [one.result(10).status_code for one in inside] == [200, 200, 200]
    assert ask(app).status_code == 200


def test_who_fails_or_breaks_off_leaves_no_place_taken() -> None:
    def fail(environ: Environ) -> Iterable[bytes]:
        raise OSError("broken")

    def parts(environ: Environ) -> Iterator[bytes]:
        yield b"a"
        if environ["PATH_INFO"] == "/v1/fails":
            raise OSError("broken")
        yield b"b"

    failing, streaming = Admission(plain(fail), 1, 60.0), Admission(plain(parts, length=False), 1, 60.0)
    for _ in range(3):
        with pytest.raises(OSError, match="broken"):
            ask(failing)
        half = ask(streaming)
        assert ask(streaming).status_code == 429  # as long as it is sent
        half.close()
        whole = ask(streaming)
        assert whole.data == b"ab"
        with pytest.raises(OSError, match="broken"):
            ask(streaming, "/v1/fails").get_data()


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 50.0),
        ({"Prefer": "wait=7"}, 7.0),
        ({"Prefer": "respond-async, wait=7, handling=lenient"}, 7.0),
        ({"Prefer": "wait=7000"}, 50.0),
        ({"X-Request-Timeout": "2.5"}, 2.5),
        ({"X-Request-Timeout": "2.5", "Prefer": "wait=1"}, 1.0),
        ({"X-Request-Timeout": "nan"}, 50.0),
        ({"X-Request-Timeout": "-1"}, 50.0),
        ({"X-Request-Timeout": "1e9"}, 50.0),
        ({"Prefer": "await=7"}, 50.0),
    ],
)
def test_a_request_may_shorten_its_deadline(headers: dict[str, str], seconds: float) -> None:
    left: list[float] = []

    def note(environ: Environ) -> Iterable[bytes]:
        found = CALLER.get().left
        assert found is not None
        left.append(found)
        return [b"ok"]

    ask(Admission(plain(note), 1, 50.0), **headers)
    assert left == [pytest.approx(seconds, abs=0.4)]
    assert CALLER.get().deadline is None


def test_few_compute_at_once_and_late_ones_are_told_so() -> None:
    at_once, most, lock = 0, 0, threading.Lock()

    def work(environ: Environ) -> Iterable[bytes]:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        time.sleep(0.05)
        with lock:
            at_once -= 1
        return [b"ok"]

    app = Admission(plain(work), 100, 0.12)
    with ThreadPoolExecutor(40) as pool:
        answers = [one.result() for one in [pool.submit(ask, app) for _ in range(40)]]
    assert most == RUNNING
    assert {answer.status_code for answer in answers} == {200, 504}
    late = next(answer for answer in answers if answer.status_code == 504)
    assert json.loads(late.data)["status"] == 504
    assert ask(app).status_code == 200


def test_who_waits_for_a_batch_leaves_the_turn_to_others() -> None:
    gate = threading.Event()

    def work(numbers: Iterable[int]) -> list[int]:
        assert gate.wait(20)
        return list(numbers)

    batcher = Batcher("test", work, batch=50, wait=0.0, most=100)

    def answer(environ: Environ) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/v1/batch":
            batcher.results([1])
        return [b"ok"]

    app = Admission(plain(answer), 100, 20.0)
    with ThreadPoolExecutor(2 * RUNNING) as pool:
        waiting = [pool.submit(ask, app, "/v1/batch") for _ in range(2 * RUNNING)]
        assert ask(app).status_code == 200
        gate.set()
        assert {one.result(10).status_code for one in waiting} == {200}
    batcher.close()


def test_a_request_that_is_late_is_not_worked_on(client: FlaskClient, recommender: Recommender) -> None:
    before = len(recommender.store.generation_origins("demo-ana"))
    answer = client.post("/v1/recommendations", json=ASKED, headers={"Prefer": "wait=0"})
    assert answer.status_code == 504
    assert answer.content_type == "application/problem+json"
    assert len(recommender.store.generation_origins("demo-ana")) == before


def test_a_hung_model(
    settings: Settings, recommender: Recommender, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    recommender.warm()
    gate, drawer = threading.Event(), recommender.main.atelier.drawer
    work = drawer._batcher._work

    def hang(codes: Any) -> Any:
        assert gate.wait(20)
        return work(codes)

    monkeypatch.setattr(drawer._batcher, "_work", hang)
    monkeypatch.setattr("persona.batcher.HUNG", 0.2)
    answer = client.post("/v1/recommendations", json=ASKED | {"seed": 77}, headers={"X-Request-Timeout": "0.5"})
    assert answer.status_code == 504
    assert client.get("/readyz").status_code == 503
    assert client.get("/livez").status_code == 200
    ranking = client.post("/v1/recommendations", json=ASKED | {"mode": "retrieve"})
    assert ranking.status_code == 200
    gate.set()
    assert client.post("/v1/recommendations", json=ASKED | {"seed": 77}).status_code == 200
    assert client.get("/readyz").status_code == 200


def test_a_full_line_is_429_with_an_honest_retry_after(
    settings: Settings, recommender: Recommender, monkeypatch: pytest.MonkeyPatch
) -> None:
    app: APIFlask = create_app(settings, recommender)
    recommender.warm()
    gate, pictures = threading.Event(), recommender.main.atelier.drawer._batcher
    work, pictures._line.most = pictures._work, 2

    def hang(codes: Any) -> Any:
        assert gate.wait(20)
        return work(codes)

    monkeypatch.setattr(pictures, "_work", hang)

    def post(seed: int) -> TestResponse:
        return app.test_client().post("/v1/recommendations", json=ASKED | {"seed": seed})

    with ThreadPoolExecutor(12) as pool:
        asked = [pool.submit(post, 1000 + n) for n in range(12)]
        until = time.monotonic() + 15
        while not any(one.done() for one in asked) and time.monotonic() < until:
            time.sleep(0.01)
        gate.set()
        answers = [one.result(20) for one in asked]
    assert {answer.status_code for answer in answers} == {200, 429}
    assert all(int(a.headers["Retry-After"]) >= 1 for a in answers if a.status_code == 429)


def test_what_was_drawn_for_an_erased_user_is_gone(settings: Settings, recommender: Recommender) -> None:
    client = create_app(settings, recommender).test_client()
    folder = settings.home / "cache" / "drawn"
    made = client.post("/v1/recommendations", json=ASKED | {"generate": 3, "seed": 5}).get_json()["generated"]
    kept = {path.name for path in folder.rglob("*") if path.is_file()}
    assert len(kept) == 3
    other = client.post("/v1/recommendations", json=ASKED | {"user_id": "demo-ben", "seed": 5})
    assert other.status_code == 200
    assert client.delete("/v1/users/demo-ana").status_code == 204
    left = {path.name for path in folder.rglob("*") if path.is_file()}
    assert left
    assert not left & kept
    assert not any(one["picture"] in recommender.pictures for one in made)


def test_what_was_drawn_for_who_is_erased_meanwhile_is_not_kept(
    settings: Settings, recommender: Recommender, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = recommender.pictures.put

    def erase_then_put(rgba: Any, **how: Any) -> str:
        monkeypatch.undo()
        recommender.erase("demo-ana")
        return put(rgba, **how)

    monkeypatch.setattr(recommender.pictures, "put", erase_then_put)
    client = create_app(settings, recommender).test_client()
    assert client.post("/v1/recommendations", json=ASKED | {"generate": 3, "seed": 8}).status_code == 404
    assert [path for path in (settings.home / "cache" / "drawn").rglob("*") if path.is_file()] == []


def test_what_was_drawn_once_is_read_from_the_disk(settings: Settings, recommender: Recommender) -> None:
    client = create_app(settings, recommender).test_client()
    first = client.post("/v1/recommendations", json=ASKED | {"generate": 2, "seed": 6}).get_json()
    recommender.main.atelier._drawn.clear()

    def never(codes: object) -> list[np.ndarray]:
        raise AssertionError("drawn again")

    recommender.main.atelier.drawer._batcher._work = never  # type: ignore[assignment]
    assert client.post("/v1/recommendations", json=ASKED | {"generate": 2, "seed": 6}).get_json() == first


def test_several_workers_on_one_gpu_are_refused(settings: Settings) -> None:
    with pytest.raises(BadInput, match="workers: 2 processes would share one GPU"):
        serve(settings.model_copy(update={"workers": 2, "device": "cuda"}))
