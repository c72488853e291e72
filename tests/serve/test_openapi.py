"""The OpenAPI document says what the service does, and the service does what it says (fuzzed by schemathesis)."""

from __future__ import annotations

import copy
import io
import json
import re
import shutil
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest
import schemathesis
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.config import SchemathesisConfig

from persona.catalog.pictures import Pictures
from persona.recommend import Recommender
from persona.serve.app import create_app
from persona.serve.docs import parts
from persona.settings import Settings
from persona.store import Store

from .conftest import make_catalogue, make_users

load_all_checks()
# a request can fit its schema and still name a user that is not stored or a value that its facet has not
EXCLUDED = CHECKS.get_by_names(["positive_data_acceptance"])
# what does not fit its schema is refused; too large a body is too, before it is read
REFUSALS = SchemathesisConfig.from_dict(
    {"checks": {"negative_data_rejection": {"expected-statuses": [400, 404, 405, 406, 413, 415, 422]}}}
)
OPERATIONS = [
    ("post", "/v1/recommendations"),
    ("post", "/v1/variations"),
    ("post", "/v1/events"),
    ("put", "/v1/users/{user_id}"),
    ("get", "/v1/users/{user_id}"),
    ("delete", "/v1/users/{user_id}"),
    ("get", "/v1/users/{user_id}/export"),
    ("post", "/v1/jobs"),
    ("get", "/v1/jobs/{job_id}"),
    ("delete", "/v1/jobs/{job_id}"),
    ("get", "/v1/users"),
    ("get", "/v1/users/{user_id}/events"),
    ("get", "/v1/users/{user_id}/generations"),
    ("get", "/v1/users/{user_id}/catalogue"),
    ("get", "/v1/users/{user_id}/similar"),
    ("get", "/v1/items"),
    ("get", "/v1/items/{item_id}"),
    ("get", "/v1/items/{item_id}/similar"),
    ("post", "/v1/makeup/apply"),
    ("post", "/v1/makeup/transfer"),
    ("post", "/v1/makeup/advise"),
    ("post", "/v1/makeup/analyze"),
    ("get", "/v1/makeup/looks"),
    ("post", "/v1/makeup/looks"),
    ("get", "/v1/makeup/chart"),
    ("post", "/v1/users/{user_id}/looks"),
    ("get", "/v1/users/{user_id}/looks"),
    ("delete", "/v1/users/{user_id}/looks/{look_id}"),
    ("post", "/v1/style/apply"),
    ("post", "/v1/style/restore"),
    ("get", "/v1/styles"),
    ("post", "/v1/styles"),
    ("delete", "/v1/styles/{style_id}"),
    ("get", "/i/{sha256}.webp"),
    ("get", "/livez"),
    ("get", "/readyz"),
    ("get", "/metrics"),
]
ANYHOW = settings(deadline=None, suppress_health_check=list(HealthCheck), database=None)
QUICK = settings(ANYHOW, max_examples=10, derandomize=True)
LONG = settings(ANYHOW, max_examples=100_000 // (2 * len(OPERATIONS)) + 1)  # for each of two databases


@pytest.fixture(scope="module", params=["sqlite"])
def fuzzed(
    request: pytest.FixtureRequest, furnished: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """The document of an application that a fuzzer may fill with what it likes."""
    home = tmp_path_factory.mktemp("fuzzed") / "home"
    shutil.copytree(furnished.home, home)
    own = furnished.model_copy(update={"home": home})
    if request.param == "postgresql":
        own = own.model_copy(update={"database_url": request.getfixturevalue("new_postgres")()})
        with Store.open(own.url) as store:
            make_users(store, make_catalogue(store, Pictures(own.pictures)))
    recommender = Recommender.open(own)
    yield schemathesis.openapi.from_wsgi("/openapi.json", create_app(own, recommender), config=REFUSALS)
    recommender.store.close()


def about_what_exists(case: schemathesis.Case) -> schemathesis.Case:
    """A request that fits its schema, turned to a user and an item that are there: else few would get far."""
    case.body = copy.deepcopy(case.body)  # what was generated stays as it was, or hypothesis would find it changed
    if "user_id" in (case.path_parameters or {}):
        case.path_parameters = {**case.path_parameters, "user_id": "demo-ana"}
    if isinstance(case.body, dict):
        if "profile" in case.body or "history" in case.body or "user_id" in case.body:
            case.body |= {"user_id": "demo-ben", "profile": None, "history": None}
        there = {"user_id": "demo-ana", "item_id": "dress-green-light", "generation_id": None}
        for number, event in enumerate(case.body.get("events", [])):
            event |= {**there, "at": f"2025-05-{number % 28 + 1:02}T10:00:00Z"}
    return case


def fuzz(fuzzed: Any, path: str, method: str, much: settings) -> None:
    """Send what fits the operation's schema and what does not; every answer is checked against the document."""
    operation = fuzzed[path][method]
    fitting = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
    bent = operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)

    @much
    @given(case=st.one_of(fitting, fitting.map(about_what_exists), bent))
    def check(case: schemathesis.Case) -> None:
        case.call_and_validate(excluded_checks=EXCLUDED)

    check()


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_the_service_does_what_its_document_says(fuzzed: Any, method: str, path: str) -> None:
    fuzz(fuzzed, path, method, QUICK)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("fuzzed", ["sqlite", "postgresql"], indirect=True)
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_the_service_does_what_its_document_says_for_long(fuzzed: Any, method: str, path: str) -> None:
    fuzz(fuzzed, path, method, LONG)


def test_the_document(client: FlaskClient) -> None:
    document = client.get("/openapi.json").json
    assert document["openapi"].startswith("3.1")
    paths = document["paths"].items()
    operations = {(method, path): operation for path, methods in paths for method, operation in methods.items()}
    assert sorted(operations) == sorted(OPERATIONS)
    for (method, path), operation in operations.items():
        assert operation["summary"], path
        assert operation["responses"]["default"]["content"].keys() == {"application/problem+json"}
        assert (method in ("post", "put")) == operation.get("requestBody", {}).get("required", False)
    names = [operation["operationId"] for operation in operations.values()]
    assert len(set(names)) == len(names)


def test_every_reference_leads_somewhere_and_every_model_is_used(client: FlaskClient) -> None:
    answer = client.get("/openapi.json")
    schemas = answer.json["components"]["schemas"]
    referred = set(re.findall(r'"#/components/schemas/([^"]+)"', answer.text))
    assert referred == set(schemas)
    assert all("." not in name for name in schemas)


def test_the_examples_of_the_document_are_accepted(client: FlaskClient) -> None:
    """As far as they can be without the demo's users and items: nothing is wrong with their form."""
    for path, methods in client.get("/openapi.json").json["paths"].items():
        for method, operation in methods.items():
            content = operation.get("requestBody", {}).get("content", {})
            for kind, stated in content.items():
                body = {"json": stated["example"]} if kind == "application/json" else {"data": form(stated["example"])}
                answer = client.open(path.replace("{user_id}", "u1"), method=method.upper(), **body)
                assert answer.status_code in (200, 201, 404) or re.search("no such|no picture|not ", answer.text)


def form(example: dict[str, Any]) -> dict[str, Any]:
    """An example as a form: what stands as @name is a file, and a list of such are several."""
    return {name: [_part(part) for part in parts(value)] for name, value in example.items()}


def _part(value: Any) -> Any:
    if isinstance(value, str) and value.startswith("@"):
        return io.BytesIO(b"id,name,region,colour\n" if value.endswith(".csv") else b"not a picture"), value[1:]
    return value if isinstance(value, str) else json.dumps(value)


def test_forms_are_described_as_they_are_read(client: FlaskClient) -> None:
    document = client.get("/openapi.json").json
    form = document["paths"]["/v1/makeup/apply"]["post"]["requestBody"]["content"]
    assert form.keys() == {"multipart/form-data"}
    assert form["multipart/form-data"]["encoding"]["look"] == {"contentType": "application/json"}
    fields = document["components"]["schemas"]["ApplyRequest"]["properties"]
    assert fields["photo"]["format"] == "binary"
    for path in ("/v1/makeup/apply", "/v1/makeup/transfer", "/v1/style/apply", "/v1/style/restore"):
        answers = document["paths"][path]["post"]["responses"]["200"]["content"]
        assert answers.keys() == {"application/json", "image/png", "image/webp", "image/jpeg"}


def test_the_page_tells_all_of_it_without_the_network(client: FlaskClient) -> None:
    answer, document = client.get("/docs"), client.get("/openapi.json").json
    assert answer.status_code == 200
    page = unescape(answer.text)
    for path, methods in document["paths"].items():
        assert path in page
        assert all(operation["summary"] in page for operation in methods.values())
    for name in document["components"]["schemas"]:
        assert f'id="{name}"' in page
    assert not re.search(r'(src|href)="(https?:)?//', page)
    assert "<script" not in page
