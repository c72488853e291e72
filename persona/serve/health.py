"""`/livez` and `/readyz`: is the process there, and can it answer? `/metrics`: what has it done?"""

from __future__ import annotations

from typing import Literal

from apiflask import APIBlueprint, FileSchema
from flask import Response
from pydantic import Field

from persona.serve.exposition import exposition
from persona.serve.service import service
from persona.store.records import Record

health = APIBlueprint("health", __name__, tag="Health")


class Health(Record):
    """The process answers."""

    status: Literal["alive", "ready"] = Field(description="ready: models are warm and the database answers")


@health.get("/livez")
@health.output(Health, description="the process is there")
def livez() -> Response:
    """Is the process there?"""
    return _say(Health(status="alive"))


@health.get("/readyz")
@health.output(Health, description="requests can be answered")
def readyz() -> Response:
    """Can requests be answered?

    503 while the models load, and whenever the database does not answer.
    """
    service().check()
    return _say(Health(status="ready"))


@health.get("/metrics")
@health.output(FileSchema(), content_type="text/plain", description="in Prometheus' text format")
def metrics() -> Response:
    """What was counted, for Prometheus

    Of all workers. Names of operations, models and arms; nothing about a user.
    """
    content, kind = exposition()
    return Response(content, content_type=kind, headers={"Cache-Control": "no-store"})


def _say(state: Health) -> Response:
    return Response(state.model_dump_json(), mimetype="application/json", headers={"Cache-Control": "no-store"})
