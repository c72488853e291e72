"""The typed client against the real server, directly and through a proxy that loses, delays and refuses."""

from __future__ import annotations

import io
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from apiflask import APIFlask

from persona import client as client_module
from persona.client import Client, Conflict, InvalidRequest, JobFailed, NotFound, NotReached, Unavailable
from persona.recommend import Recommender
from persona.recommend.entries import Entry
from persona.recommend.job_types import JobRequest
from persona.recommend.types import InlineProfile, RecommendationRequest
from persona.store import Store
from persona.store.records import Event, Preference, Profile

AT = datetime(2025, 6, 1, tzinfo=UTC)
Fault = Callable[["Handler"], bool]  # answers instead of the server: True


class Handler(BaseHTTPRequestHandler):
    """Forwards requests, unless a fault is next."""

    server: Proxy

    def _forward(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append(self.command + " " + self.path)
        fault = self.server.faults.popleft() if self.server.faults else None
        if fault is None or not fault(self):
            self.pass_on(self.ask())

    def ask(self) -> httpx.Response:
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
        return httpx.request(
            self.command, self.server.address + self.path, content=self.body, headers=headers, timeout=60
        )

    def pass_on(self, answer: httpx.Response) -> None:
        self.answer(answer.status_code, answer.content, **dict(answer.headers))

    def answer(self, status: int, content: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "server", "date"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = _forward

    def log_message(self, *_: object) -> None:
        """Nothing."""


class Proxy(ThreadingHTTPServer):
    """Stands before the server at `address`. faults: what goes wrong next; seen: what was asked for."""

    daemon_threads = True

    def __init__(self, address: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.address, self.faults, self.seen = address, deque[Fault | None](), list[str]()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


def status(code: int, **headers: str) -> Fault:
    """Answers with a status, as a load balancer would: no problem document."""

    def fault(handler: Handler) -> bool:
        handler.answer(code, b"<html>", **headers)
        return True

    return fault


def broken(handler: Handler) -> bool:
    """Breaks the connection before the request is passed on."""
    handler.connection.shutdown(socket.SHUT_RDWR)
    return True


def lost(handler: Handler) -> bool:
    """The server does it, and its answer never arrives."""
    handler.ask()
    return broken(handler)


@pytest.fixture
def proxy(shared_server: Any) -> Iterator[Proxy]:
    with Proxy(shared_server.address) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def pauses() -> list[float]:
    """How long the client would have rested."""
    return []


@pytest.fixture
def client(proxy: Proxy, pauses: list[float]) -> Iterator[Client]:
    with Client(proxy.url, key="pk_test_1", sleep=pauses.append) as opened:
        yield opened


def event(key: str, item: str) -> Event:
    return Event(key=key, user_id="c1", item_id=item, type="like", at=AT)


def test_a_user_from_beginning_to_end(client: Client) -> None:
    profile = Profile(
        id="c1", preferences=(Preference(facet="colour", value="green", weight=1),), consents={"photos": False}
    )
    assert client.put_user(profile) == profile
    answer = client.recommend(user_id="c1", count=3, generate=1)
    assert answer.user_id == "c1"
    assert len(answer.items) == 3
    assert client.picture(answer.generated[0].url)[:4] == b"RIFF"
    done = client.add_events([event("c1-a", answer.items[0].item_id), event("c1-a", answer.items[0].item_id)])
    assert (done.added, done.duplicates) == (1, 1)
    after = client.recommend(RecommendationRequest(user_id="c1", count=3, generate=0))
    assert answer.items[0].item_id not in [item.item_id for item in after.items]
    assert after.watermark > 0
    export = client.export_user("c1")
    assert [one.key for one in export.events] == ["c1-a"]
    file = io.BytesIO()
    client.export_user_to("c1", file)
    assert type(export).model_validate_json(file.getvalue()).events == export.events
    client.delete_user("c1")
    with pytest.raises(NotFound, match="404: user 'c1' is not stored"):
        client.get_user("c1")
    with pytest.raises(NotFound):
        client.export_user_to("c1", file)


def test_lists_and_neighbours(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "AT_ONCE", 7)
    items = [item.item_id for item in client.items()]
    assert items == sorted(set(items))
    assert len(items) > 21  # several pages
    users = [profile.id for profile in client.users()]
    assert {"demo-ana", "demo-ben"} <= set(users)
    assert [event.key for event in client.events("demo-ana")] == [f"ana-{n}" for n in reversed(range(5))]
    made = client.recommend(user_id="demo-ben", mode="generate", generate=2, outfit=False).generated
    assert {one.generation_id for one in made} <= {one.id for one in client.generations("demo-ben")}
    assert client.get_item(items[0]).item_id == items[0]
    near = client.similar_items(items[0], count=3, category="dress").items
    assert [item.category for item in near] == ["dress"] * 3
    client.put_user(Profile(id="c3", consents={"analytics": True}))
    assert client.similar_users("c3").user_id == "c3"
    with pytest.raises(InvalidRequest, match="has not allowed analytics"):
        client.similar_users("demo-ana")


def test_the_catalogue_of_the_last_batch(client: Client, shared_server: Any) -> None:
    client.put_user(Profile(id="c3"))
    with pytest.raises(NotFound, match="no catalogue yet"):
        client.catalogue("c3")
    item = client.recommend(user_id="c3", mode="retrieve", count=1).items[0]
    about = {"item_id": item.item_id, "score": 1.0, "category": item.category, "generated": False, "seed": 1}
    entry = Entry.model_validate({**about, "kind": "item", "rank": 1, "licence": "CC0-1.0", "model": "m@1"})
    with Store.open(f"sqlite:///{shared_server.log.parent / 'home' / 'persona.db'}") as store:
        store.push_catalogues("r", AT, {"c3": [entry.model_dump(mode="json", exclude_none=True)]})
    told = client.catalogue("c3", "item")
    assert (told.made_at, [one.item_id for one in told.entries]) == (AT, [item.item_id])
    assert client.catalogue("c3", "look").entries == ()


def test_inline(client: Client) -> None:
    assert client.recommend(profile=InlineProfile(), mode="retrieve").user_id is None


def test_a_wrong_request_is_told_with_its_fields(client: Client, proxy: Proxy) -> None:
    wrong = RecommendationRequest.model_construct(_fields_set={"user_id", "count"}, user_id="demo-ana", count=1000)
    with pytest.raises(InvalidRequest) as told:
        client.recommend(wrong)
    assert told.value.status == 422
    assert told.value.errors[0][0] == "#/count"
    assert len(proxy.seen) == 1  # it would be no better the next time


def test_what_may_help_is_tried_again(client: Client, proxy: Proxy, pauses: list[float]) -> None:
    proxy.faults.extend([status(503, **{"Retry-After": "3"}), broken, status(502), status(429, **{"Retry-After": "1"})])
    assert client.get_user("demo-ana").id == "demo-ana"
    assert len(proxy.seen) == 5
    assert pauses[0] == 3
    assert 0.25 <= pauses[1] <= 0.5
    assert 0.5 <= pauses[2] <= 1
    assert 1 <= pauses[3] <= 2


def test_retries_end(client: Client, proxy: Proxy, pauses: list[float]) -> None:
    proxy.faults.extend([status(503)] * 5)
    with pytest.raises(Unavailable, match="503: Service Unavailable"):
        client.get_user("demo-ana")
    proxy.faults.extend([broken] * 5)
    with pytest.raises(NotReached):
        client.get_user("demo-ana")
    assert len(proxy.seen) == 10
    proxy.faults.append(status(503, **{"Retry-After": "3600"}))
    with pytest.raises(Unavailable):
        client.get_user("demo-ana")  # nobody waits an hour within a call
    proxy.faults.append(status(500))
    with pytest.raises(Unavailable):
        client.get_user("demo-ana")
    assert len(proxy.seen) == 12


def test_a_server_that_is_not_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with Client(f"http://127.0.0.1:{port}", retries=1, sleep=lambda _: None) as client:
        assert not client.ready()
        with pytest.raises(NotReached, match=str(port)):
            client.get_user("u1")


def test_a_slow_server_is_given_up(proxy: Proxy) -> None:
    def slow(_: Handler) -> bool:
        time.sleep(0.5)
        return False

    proxy.faults.append(slow)
    with Client(proxy.url, timeout=0.2, sleep=lambda _: None) as client:
        assert client.get_user("demo-ana").id == "demo-ana"  # at the second attempt
    assert len(proxy.seen) == 2


def test_lost_answers_do_nothing_twice(client: Client, proxy: Proxy) -> None:
    proxy.faults.append(lost)
    client.put_user(Profile(id="c2"))
    item = client.recommend(user_id="c2", mode="retrieve", count=1).items[0].item_id
    proxy.faults.append(lost)
    one = event("c2-a", item).model_copy(update={"user_id": "c2"})
    assert client.add_events([one]).duplicates == 1  # stored by the attempt whose answer was lost
    proxy.faults.append(lost)
    job = client.begin_job(user_id="c2", generate=2, outfit=False)
    assert [one.id for one in client.export_user("c2").jobs] == [job.id]
    proxy.faults.append(lost)
    client.cancel_job(job.id)
    proxy.faults.append(lost)
    client.delete_user("c2")  # gone by the first attempt: the second's 404 is no error
    with pytest.raises(NotFound):
        client.delete_user("c2")


def test_a_repetition_that_overtakes_waits(client: Client, proxy: Proxy) -> None:
    with ThreadPoolExecutor(6) as pool:
        asked = JobRequest.model_validate({"requests": [{"user_id": "demo-ben", "mode": "retrieve"}]})
        jobs = list(pool.map(lambda _: client.begin_job(asked, key="the-same").id, range(6)))
    assert len(set(jobs)) == 1
    with pytest.raises(InvalidRequest) as told:
        client.begin_job(user_id="demo-ana", key="the-same")
    assert told.value.code == "key_reused"


def test_a_job(client: Client, proxy: Proxy, shared_server: Any) -> None:
    with Client(shared_server.address) as patient:
        told: list[int] = []
        job = patient.begin_job(user_id="demo-ana", generate=12, outfit=False)
        (answer,) = patient.wait_for_job(job.id, told=lambda state: told.append(state.done))
        assert len(answer.generated) == 12
        assert told == sorted(told)
        assert told[-1] == 12
        long = patient.begin_job(user_id="demo-ana", generate=1000)
        with pytest.raises(TimeoutError, match="of 1000"):
            patient.wait_for_job(long.id, timeout=0.3)
        patient.cancel_job(long.id)
        with pytest.raises(NotFound):
            patient.get_job(long.id)


def test_a_server_that_is_away_meanwhile_is_waited_for(client: Client, proxy: Proxy) -> None:
    job = client.begin_job(user_id="demo-ana", mode="retrieve")
    proxy.faults.extend([broken] * 6 + [status(503)] * 5)
    (answer,) = client.wait_for_job(job.id, 60)
    assert answer.items
    proxy.faults.extend([status(503)] * 5)
    with pytest.raises(TimeoutError, match="503"):
        client.wait_for_job(job.id, timeout=0)


def test_a_failed_job(app: APIFlask, recommender: Recommender) -> None:
    store = recommender.store
    store.add_job("j", "open", None, {"requests": []}, 1)
    turn = store.take_turn(60)
    assert turn is not None
    store.end_turn(turn, "failed", 0, {}, "there was no room")
    with Client("http://127.0.0.1", transport=httpx.WSGITransport(app=app)) as client:  # type: ignore[arg-type]
        with pytest.raises(JobFailed, match="job j: there was no room"):
            client.wait_for_job("j")
        with pytest.raises(Conflict):
            client.add_events([_ana(item) for item in ("dress-green-light", "dress-red-light")])


def _ana(item: str) -> Event:
    return Event(key="one-key", user_id="demo-ana", item_id=item, type="like", at=AT)


def test_it_loads_neither_models_nor_a_database_nor_a_server() -> None:
    heavy = ("torch", "sqlalchemy", "flask", "cv2", "scipy", "pandas", "faiss", "sklearn")
    code = f"import sys, persona.client; print([name for name in {heavy} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


def test_when_to_come_back() -> None:
    def asked(value: str) -> float:
        return client_module._retry_after(httpx.Response(503, headers={"Retry-After": value}))

    assert asked("7") == 7
    assert asked("-3") == asked("soon") == asked("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert 50 < asked(datetime.fromtimestamp(time.time() + 60, UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")) <= 60
