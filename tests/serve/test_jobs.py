"""`/v1/jobs`: begun, worked off, gone on with after a crash, cancelled, bounded, erased."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
from apiflask import APIFlask
from flask.testing import FlaskClient

from persona.client import Client
from persona.errors import Busy, NoRoom
from persona.recommend import RecommendationRequest, Recommender
from persona.recommend.job_types import JobRequest
from persona.recommend.jobs import advance
from persona.serve import worker
from persona.serve.service import Service
from persona.serve.worker import Worker
from persona.store.jobs import MOST
from tests.serve.conftest import Keyed, serving

LONG: dict[str, Any] = {"user_id": "demo-ana", "generate": 20, "count": 3, "explain": False}


@pytest.fixture
def client(app: APIFlask) -> Iterator[FlaskClient]:
    """A client of the shop, whose worker ends with the test."""
    yield app.test_client()
    app.extensions["persona.jobs"].stop()


def begin(client: FlaskClient, *requests: dict[str, Any]) -> Any:
    answer = client.post("/v1/jobs", json={"requests": list(requests or (LONG,))})
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"] == f"/v1/jobs/{answer.json['id']}"
    return answer.json


def wait(client: FlaskClient, id: str, seconds: float = 60) -> Any:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        answer = client.get(f"/v1/jobs/{id}")
        if answer.json["state"] in ("done", "failed"):
            assert "Retry-After" not in answer.headers
            return answer.json
        assert answer.headers["Retry-After"]
        assert answer.json["answers"] is None
        time.sleep(0.05)
    raise AssertionError(answer.json)


def pictures(job: Any) -> list[str]:
    return [garment["picture"] for garment in job["answers"][0]["generated"]]


def test_a_long_generation_is_made_in_the_background(client: FlaskClient, recommender: Recommender) -> None:
    begun = begin(client)
    assert (begun["state"], begun["done"], begun["total"], begun["user_id"]) == ("queued", 0, 20, "demo-ana")
    job = wait(client, begun["id"])
    assert (job["state"], job["done"], job["error"]) == ("done", 20, None)
    (answer,) = job["answers"]
    assert len(answer["items"]) == 3
    assert answer["outfit"] is not None
    made = answer["generated"]
    assert len({garment["generation_id"] for garment in made}) == 20
    assert [garment["rank"] for garment in made] == list(range(1, 21))
    assert [garment["score"] for garment in made] == sorted((g["score"] for g in made), reverse=True)
    assert {g.id for g in recommender.store.generations("demo-ana", 100)} >= {g["generation_id"] for g in made}
    assert client.get(made[0]["url"]).status_code == 200
    again = wait(client, begin(client)["id"])
    assert pictures(again) == pictures(job)


def test_its_first_pictures_are_those_of_an_ordinary_answer(client: FlaskClient) -> None:
    job = wait(client, begin(client)["id"])
    asked = {**LONG, "generate": 8}
    ordinary = client.post("/v1/recommendations", json=asked).json
    assert {garment["picture"] for garment in ordinary["generated"]} <= set(pictures(job))
    assert ordinary["items"] == job["answers"][0]["items"]


def test_several_requests_are_answered_in_order(client: FlaskClient) -> None:
    inline = [
        {"profile": {}, "mode": mode, "generate": 2, "seed": seed} for seed, mode in enumerate(["retrieve", "both"])
    ]
    job = wait(client, begin(client, *inline)["id"])
    assert (job["done"], job["total"], job["user_id"]) == (3, 3, None)
    assert [answer["seed"] for answer in job["answers"]] == [0, 1]
    assert [len(answer["generated"]) for answer in job["answers"]] == [0, 2]


def test_what_a_killed_worker_left_is_gone_on_with(recommender: Recommender) -> None:
    store = recommender.store
    finished = []
    for id, killed in (("whole", False), ("broken", True)):
        store.add_job(id, "open", "demo-ana", {"requests": [LONG]}, 20)
        while (turn := store.take_turn(-1 if killed else 60)) is not None:
            made = advance(recommender, turn)
            if killed:  # its pictures are stored, its turn was never ended
                killed = False
                continue
            assert store.end_turn(turn, made.state, made.done, made.result)
            killed = id == "broken" and made.done == 8
        result = store.job_result(id)
        assert result is not None
        finished.append(result["answers"])
    assert finished[0] == finished[1]


def test_live_requests_and_errors_make_it_wait(
    settings: Any, recommender: Recommender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is no room for now, nothing is lost: it goes on when there is."""
    failures: list[Exception] = [Busy("the queue is full", 0.01), NoRoom("the disk is full")]
    real, asked = recommender.recommend, []

    def reluctant(request: RecommendationRequest) -> Any:
        asked.append(request.generate)
        if failures:
            raise failures.pop()
        return real(request)

    monkeypatch.setattr(recommender, "recommend", reluctant)
    monkeypatch.setattr(worker, "RETRY", 0.01)
    works = Worker(Service(settings, recommender))
    recommender.store.add_job("j", "open", "demo-ana", {"requests": [LONG]}, 20)
    works.start()
    until = time.monotonic() + 60
    while recommender.store.get_job("j").state != "done" and time.monotonic() < until:
        time.sleep(0.02)
    works.stop()
    assert recommender.store.get_job("j").state == "done"
    assert asked == [8, 8, 8, 8, 4]


def test_a_live_request_goes_first(app: APIFlask, client: FlaskClient, recommender: Recommender) -> None:
    works = app.extensions["persona.jobs"]
    with app.test_request_context("/livez"):
        app.preprocess_request()
        began = time.monotonic()
        works._let_others_go_first()
        assert time.monotonic() - began >= worker.PATIENCE * 0.9
        app.do_teardown_request()
    began = time.monotonic()
    works._let_others_go_first()
    assert time.monotonic() - began < worker.PATIENCE / 2


def test_a_bug_fails_the_job_and_not_the_worker(
    client: FlaskClient, recommender: Recommender, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Any) -> Any:
        raise RuntimeError("secret details")

    with monkeypatch.context() as patch:
        patch.setattr(recommender, "recommend", fail)
        job = wait(client, begin(client)["id"])
    assert job["state"] == "failed"
    assert "server's log" in job["error"]
    assert "secret" not in job["error"]
    assert wait(client, begin(client)["id"])["state"] == "done"


def test_cancelling(client: FlaskClient, recommender: Recommender) -> None:
    id = begin(client, {**LONG, "generate": 1000})["id"]
    while client.get(f"/v1/jobs/{id}").json["done"] < 8:
        time.sleep(0.02)
    assert client.delete(f"/v1/jobs/{id}").status_code == 204
    assert client.get(f"/v1/jobs/{id}").status_code == 404
    assert client.delete(f"/v1/jobs/{id}").status_code == 404
    assert wait(client, begin(client, {**LONG, "generate": 1})["id"])["state"] == "done"  # the worker is free again
    made = len(recommender.store.generations("demo-ana", 1000))
    time.sleep(0.3)
    assert len(recommender.store.generations("demo-ana", 1000)) == made


def test_erasing_the_user_ends_it(client: FlaskClient, recommender: Recommender) -> None:
    id = begin(client, {**LONG, "generate": 1000})["id"]
    while client.get(f"/v1/jobs/{id}").json["done"] < 8:
        time.sleep(0.02)
    assert client.delete("/v1/users/demo-ana").status_code == 204
    assert client.get(f"/v1/jobs/{id}").status_code == 404
    until = time.monotonic() + 20
    while any(recommender.pictures.root.rglob("*.part")) and time.monotonic() < until:
        time.sleep(0.05)
    assert recommender.store.generations("demo-ana") == []


def test_what_cannot_be_a_job(client: FlaskClient, recommender: Recommender) -> None:
    def refused(*requests: dict[str, Any]) -> tuple[int, str]:
        answer = client.post("/v1/jobs", json={"requests": list(requests)})
        return answer.status_code, answer.json["detail"]

    assert refused(LONG, {**LONG, "user_id": "demo-ben"}) == (
        422,
        "body: the requests are about several users; send a job for each, so that each can be erased",
    )
    assert refused(*[{**LONG, "generate": 600}] * 2)[0] == 422
    assert refused({**LONG, "generate": 1001})[0] == 422
    assert refused()[0] == 422
    assert refused({**LONG, "user_id": "nobody"})[0] == 404
    assert client.get("/v1/jobs/none").status_code == 404
    for n in range(MOST):
        recommender.store.add_job(f"j{n}", "open", None, {"requests": [LONG]}, 20)
    answer = client.post("/v1/jobs", json={"requests": [LONG]})
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "5")


def test_a_job_is_its_caller_s_alone(keyed: Keyed) -> None:
    client, other = keyed.client("write"), keyed.client("admin")
    id = begin(client, {**LONG, "generate": 1})["id"]
    for call in (other.get, other.delete):
        assert call(f"/v1/jobs/{id}").status_code == 404
    assert client.get(f"/v1/jobs/{id}").status_code == 200


def test_two_workers_do_no_part_twice(settings: Any, recommender: Recommender, monkeypatch: pytest.MonkeyPatch) -> None:
    real, asked = recommender.recommend, []

    def counted(request: RecommendationRequest) -> Any:
        asked.append(request.generate)
        return real(request)

    monkeypatch.setattr(recommender, "recommend", counted)
    store = recommender.store
    for n in range(3):
        store.add_job(f"j{n}", "open", "demo-ana", {"requests": [{**LONG, "seed": n}]}, 20)
    both = [Worker(Service(settings, recommender)) for _ in range(2)]
    for one in both:
        one.start()
    until = time.monotonic() + 60
    while any(store.get_job(f"j{n}").state != "done" for n in range(3)) and time.monotonic() < until:
        time.sleep(0.02)
    for one in both:
        one.stop()
    assert sorted(asked) == [4] * 3 + [8] * 6
    assert [store.get_job(f"j{n}").done for n in range(3)] == [20] * 3


@pytest.mark.slow
def test_a_server_s_death_costs_no_picture(settings: Any, recommender: Recommender, client: FlaskClient) -> None:
    """kill -9 of the process that makes them: its successor finishes what it left, with the same pictures."""
    asked = {**LONG, "generate": 400, "outfit": False}
    whole = wait(client, begin(client, asked)["id"], 200)
    with serving(settings) as server, Client(server.address) as remote:
        server.ready()
        job = remote.begin_job(JobRequest.model_validate({"requests": [asked]}))
        while remote.get_job(job.id).done < 40:
            time.sleep(0.02)
        for process in psutil.Process(server.process.pid).children(recursive=True):
            process.kill()
        (answer,) = remote.wait_for_job(job.id, 200)
    assert [garment.picture for garment in answer.generated] == pictures(whole)
