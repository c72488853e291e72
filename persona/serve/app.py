"""The application factory: everything that answers HTTP, put together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apiflask import APIFlask

from persona.recommend import Recommender
from persona.serve import access, admission, analyst, docs, idempotency, limits, logs, problems, security, traces
from persona.serve.api import api
from persona.serve.export import export
from persona.serve.gallery import gallery
from persona.serve.health import health
from persona.serve.jobs import jobs
from persona.serve.lists import lists
from persona.serve.makeup import makeup
from persona.serve.makeup_page import page as makeup_page
from persona.serve.pictures import pictures
from persona.serve.service import Service
from persona.serve.style_page import page as style_page
from persona.serve.styles import styles
from persona.serve.uploads import UploadRequest
from persona.serve.worker import Worker
from persona.settings import Settings, load_settings


def create_app(settings: Settings | None = None, recommender: Recommender | None = None) -> APIFlask:
    """The WSGI application. It answers at once; until its models are warm it says so with 503.

    settings: read from the environment and persona.toml when None. recommender: one that is already open, for a program
    that has one; otherwise it is opened in the background, and `app.extensions["persona"]` is the Service to wait on.
    """
    settings = settings or load_settings()
    app = APIFlask("persona.serve", title="persona", version="1", docs_path=None)
    app.request_class = UploadRequest
    app.ensure_sync = _as_it_is  # type: ignore[assignment,method-assign]
    app.config.update(docs.CONFIG)
    logs.register(app)
    traces.register(app, settings.otel_endpoint)
    security.protect(app, settings.home)
    access.register(app, settings, lambda: app.extensions["persona"].recommender.store)
    limits.register(app, settings)
    problems.register(app)
    docs.register(app)
    idempotency.register(app)
    for blueprint in (api, lists, export, jobs, makeup, styles, pictures, health, gallery, makeup_page, style_page):
        app.register_blueprint(blueprint)
    analyst.register(app, settings)
    service = app.extensions["persona"] = Service(settings, recommender)
    service.start()
    worker = app.extensions["persona.jobs"] = Worker(service)
    worker.watch(app)
    if recommender is None:  # whose program may not want a thread of ours: then the first job starts it
        worker.start()
    admission.admit(app, settings)
    return app


def _as_it_is(function: Callable[..., Any]) -> Callable[..., Any]:
    """None of ours is a coroutine; Flask would look a dozen times a request."""
    return function
