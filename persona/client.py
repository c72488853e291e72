"""A typed client of a persona server: the same records as the server's own, retries that do nothing twice.

    with Client("https://persona.example", key="pk_...") as client:
        client.put_user(Profile(id="u1"))
        answer = client.recommend(user_id="u1", count=12)
        client.add_events([Event(key="e1", user_id="u1", item_id=answer.items[0].item_id, type="like", at=now)])

It loads neither models nor a database. Threads may share one client.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import IO, Any, Self, TypeVar
from urllib.parse import quote
from uuid import uuid4

import httpx
from pydantic import BaseModel

from persona.recommend.entries import Kind, UserCatalogue
from persona.recommend.job_types import JobAnswer, JobRequest
from persona.recommend.list_types import (
    EventPage,
    GenerationPage,
    ItemPage,
    ListedItem,
    ListPage,
    MadeGarment,
    SimilarItems,
    SimilarUsers,
    UserPage,
)
from persona.recommend.types import Recommendation, RecommendationRequest
from persona.store.exported import UserExport
from persona.store.records import Category, Event, EventsAnswer, Job, Profile

Answer = TypeVar("Answer", bound=BaseModel)
Pages = TypeVar("Pages", bound=ListPage)

AT_ONCE = 200  # rows of a page
RETRIES = 4  # after the first attempt
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 20.0  # seconds; doubled each time, and cut short by chance
LONGEST_WAIT = 60.0  # seconds that a server may ask to be left alone for; when it asks for more, the caller is told
AGAIN = (429, 502, 503, 504)
KEY = "Idempotency-Key"


class ApiError(Exception):
    """A request that was not done. status: of the answer; detail: what happened and what to do; code: for programs;
    errors: (JSON pointer, detail) of each field that is wrong; request_id: to find it in the server's log."""

    def __init__(self, response: httpx.Response) -> None:
        problem = _problem(response)
        self.status = response.status_code
        self.detail = str(problem.get("detail") or response.reason_phrase)
        self.code = str(problem.get("code", ""))
        self.errors = [(str(e.get("pointer")), str(e.get("detail"))) for e in problem.get("errors", ())]
        self.request_id = response.headers.get("X-Request-Id")
        super().__init__(f"{self.status}: {self.detail}")


class InvalidRequest(ApiError):
    """The request cannot be understood, or a field is wrong (400, 413, 415, 422)."""


class Refused(ApiError):
    """The key is missing, unknown or over (401), or may not do this (403)."""


class NotFound(ApiError):
    """There is none of that name (404)."""


class Conflict(ApiError):
    """The key or the name was used before, for something else (409)."""


class Unavailable(ApiError):
    """The server is busy, out of order, or too slow, also after retries (429, 5xx)."""


class NotReached(Exception):
    """No answer came, also after retries: the server is not there, or the connection broke."""


class JobFailed(Exception):
    """A job that ended without a result."""


_KINDS: dict[int, type[ApiError]] = {
    400: InvalidRequest,
    401: Refused,
    403: Refused,
    404: NotFound,
    409: Conflict,
    413: InvalidRequest,
    415: InvalidRequest,
    422: InvalidRequest,
    429: Unavailable,
}


class Client:
    """A server by its address.

    Every call raises an ApiError for a request that was refused, and NotReached where no answer comes. What may help is
    tried again: broken connections, 429, 502, 503, 504, and a repetition that overtook its first attempt; with pauses
    that grow, and as long as the server asks for by Retry-After.
    """

    def __init__(
        self,
        address: str,
        key: str | None = None,
        *,
        timeout: float = 30.0,
        retries: int = RETRIES,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """key: an API key or a user's token. timeout: seconds for an attempt. transport: in place of the network."""
        headers = {"Accept": "application/json", "User-Agent": "persona-client"}
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        self._http = httpx.Client(base_url=address, headers=headers, timeout=timeout, transport=transport)
        self._retries, self._sleep = retries, sleep

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # recommendations and events

    def recommend(self, request: RecommendationRequest | None = None, **fields: Any) -> Recommendation:
        """Recommend to a stored user or an inline profile; the fields of a RecommendationRequest, or one as a whole."""
        return self._post("/v1/recommendations", request or RecommendationRequest(**fields), Recommendation)

    def add_events(self, events: Iterable[Event]) -> EventsAnswer:
        """Add what users did, up to 1,000 events, all or none. By their keys it is safe to send them again."""
        body = {"events": [event.model_dump(mode="json", exclude_none=True) for event in events]}
        return EventsAnswer.model_validate_json(self._send("POST", "/v1/events", json=body).content)

    def picture(self, url: str) -> bytes:
        """The file (WebP) of a picture, by its address in an answer."""
        return self._send("GET", url).content

    # users

    def put_user(self, profile: Profile) -> Profile:
        """Create or replace a user."""
        body = profile.model_dump(mode="json", include={"traits", "preferences", "consents"}, exclude_none=True)
        return Profile.model_validate_json(self._send("PUT", _user(profile.id), json=body).content)

    def get_user(self, user_id: str) -> Profile:
        """A user's traits, preferences and consents."""
        return self._get(_user(user_id), Profile)

    def delete_user(self, user_id: str) -> None:
        """Erase a user and everything about them."""
        self._send("DELETE", _user(user_id))

    def export_user(self, user_id: str) -> UserExport:
        """Everything that is stored about a user."""
        return self._get(f"{_user(user_id)}/export", UserExport)

    def export_user_to(self, user_id: str, file: IO[bytes]) -> None:
        """The same as JSON into a file, without ever holding it whole; not tried again once it has begun."""
        with self._http.stream("GET", f"{_user(user_id)}/export") as response:
            if response.is_error:
                response.read()
                raise _error(response)
            for piece in response.iter_bytes():
                file.write(piece)

    # lists and neighbours

    def items(self) -> Iterator[ListedItem]:
        """The catalogue's garments, in the order of their ids, read page by page as they are wanted."""
        return (item for page in self._pages("/v1/items", ItemPage) for item in page.items)

    def users(self) -> Iterator[Profile]:
        """All users, in the order of their ids."""
        return (user for page in self._pages("/v1/users", UserPage) for user in page.users)

    def events(self, user_id: str) -> Iterator[Event]:
        """What a user did, newest first."""
        return (event for page in self._pages(f"{_user(user_id)}/events", EventPage) for event in page.events)

    def generations(self, user_id: str) -> Iterator[MadeGarment]:
        """The pictures that were made for a user, newest first."""
        pages = self._pages(f"{_user(user_id)}/generations", GenerationPage)
        return (made for page in pages for made in page.generations)

    def catalogue(self, user_id: str, kind: Kind | None = None) -> UserCatalogue:
        """What the last batch made for a user; kind: only entries of it. Raises NotFound where there is nothing."""
        return self._get(f"{_user(user_id)}/catalogue", UserCatalogue, {"kind": kind} if kind else None)

    def get_item(self, item_id: str) -> ListedItem:
        """A garment of the catalogue."""
        return self._get(_item(item_id), ListedItem)

    def similar_items(self, item_id: str, count: int = 12, category: Category | None = None) -> SimilarItems:
        """The items nearest to one."""
        asked = {"count": count, "category": category} if category else {"count": count}
        return self._get(f"{_item(item_id)}/similar", SimilarItems, asked)

    def similar_users(self, user_id: str, count: int = 12) -> SimilarUsers:
        """Users whose taste is like a user's; all of them allow `analytics`."""
        return self._get(f"{_user(user_id)}/similar", SimilarUsers, {"count": count})

    # jobs

    def begin_job(self, request: JobRequest | None = None, *, key: str | None = None, **fields: Any) -> Job:
        """Begin a job, once, however often it has to be sent; a JobRequest, or its one request by fields.

        key: idempotency key, for a program that may itself be started again; default: a new one.
        """
        wanted = request or JobRequest.model_validate({"requests": [fields]})
        return self._post("/v1/jobs", wanted, Job, {KEY: key or str(uuid4())})

    def get_job(self, job_id: str) -> JobAnswer:
        """How far a job is, and what it made."""
        return self._get(_job(job_id), JobAnswer)

    def cancel_job(self, job_id: str) -> None:
        """Cancel a job, or erase what a finished one answered."""
        self._send("DELETE", _job(job_id))

    def wait_for_job(
        self, job_id: str, timeout: float = 3600.0, *, told: Callable[[JobAnswer], None] | None = None
    ) -> tuple[Recommendation, ...]:
        """Wait until a job is done, and return its answers. A server that is away meanwhile is waited for as well.

        told: called with each state. Raises JobFailed, TimeoutError.
        """
        until, pause, known = time.monotonic() + timeout, FIRST_PAUSE, "nothing was heard of it"
        while True:
            try:
                job = self.get_job(job_id)
            except (NotReached, Unavailable) as error:
                known = str(error)
            else:
                if told is not None:
                    told(job)
                if job.state == "failed":
                    raise JobFailed(f"job {job_id}: {job.error}")
                if job.answers is not None:
                    return job.answers
                known = f"{job.done} of {job.total}"
            if time.monotonic() + pause > until:
                raise TimeoutError(f"job {job_id}: {known} after {timeout:g} seconds")
            self._sleep(pause)
            pause = min(2 * pause, 5.0)

    def ready(self) -> bool:
        """Whether the server can answer requests now."""
        try:
            return self._http.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    # the wire

    def _get(self, path: str, kind: type[Answer], asked: Mapping[str, Any] | None = None) -> Answer:
        return kind.model_validate_json(self._send("GET", path, params=asked).content)

    def _pages(self, path: str, kind: type[Pages]) -> Iterator[Pages]:
        cursor: str | None = None
        while True:
            page = self._get(path, kind, {"limit": AT_ONCE} | ({"cursor": cursor} if cursor else {}))
            yield page
            cursor = page.next
            if cursor is None:
                return

    def _post(self, path: str, body: BaseModel, kind: type[Answer], headers: Mapping[str, str] | None = None) -> Answer:
        sent = body.model_dump(mode="json", exclude_unset=True)
        return kind.model_validate_json(self._send("POST", path, json=sent, headers=headers).content)

    def _send(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Send until it is answered or nothing more is to be hoped for."""
        for attempt in range(self._retries + 1):
            last = attempt == self._retries
            try:
                response = self._http.request(method, path, **more)
            except httpx.TransportError as error:
                if last:
                    raise NotReached(f"{self._http.base_url}: {error or type(error).__name__}") from error
                self._sleep(_pause(attempt))
                continue
            gone = method == "DELETE" and attempt > 0 and response.status_code == 404  # by an attempt without an answer
            if response.is_success or gone:
                return response
            wanted = _retry_after(response)
            if last or not _may_help(response, wanted) or wanted > LONGEST_WAIT:
                raise _error(response)
            self._sleep(max(_pause(attempt), wanted))
        raise ValueError(f"retries: is {self._retries}, wanted 0 or more")


def _may_help(response: httpx.Response, wanted: float) -> bool:
    """Whether the same request may be answered otherwise later. 409 with Retry-After: it is being done already."""
    return response.status_code in AGAIN or (response.status_code == 409 and wanted > 0)


def _pause(attempt: int) -> float:
    """Seconds before the next attempt: growing, and others for each client, so that not all come back at once."""
    longest = min(FIRST_PAUSE * 2**attempt, LONGEST_PAUSE)
    return random.uniform(longest / 2, longest)


def _retry_after(response: httpx.Response) -> float:
    """Seconds that the server asks to wait; 0 where it says nothing that can be read."""
    stated = response.headers.get("Retry-After", "")
    try:
        return max(0.0, float(stated))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(stated) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return 0.0


def _error(response: httpx.Response) -> ApiError:
    return _KINDS.get(response.status_code, Unavailable if response.is_server_error else ApiError)(response)


def _problem(response: httpx.Response) -> dict[str, Any]:
    """The problem document of an answer; empty where something in between answered."""
    try:
        problem = response.json()
    except ValueError:
        return {}
    return problem if isinstance(problem, dict) else {}


def _user(user_id: str) -> str:
    return f"/v1/users/{quote(user_id, safe='')}"


def _item(item_id: str) -> str:
    return f"/v1/items/{quote(item_id, safe='')}"


def _job(job_id: str) -> str:
    return f"/v1/jobs/{quote(job_id, safe='')}"
