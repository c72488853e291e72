"""The analysts' pages: numbers and pictures, the data dictionary, queries with downloads, and the trust report.

Every page is made here and works without JavaScript. Who may see them is `access`' to say.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from apiflask import APIBlueprint
from flask import Flask, current_app, render_template, request
from werkzeug.wrappers import Response

from persona.errors import BadInput, Busy, OutOfDate
from persona.serve.access import serves_openly
from persona.serve.analyst_board import FOLDER, board_in, picture_in
from persona.serve.analyst_desk import Desk
from persona.serve.analyst_login import login_page
from persona.serve.analyst_numbers import Numbers
from persona.serve.analyst_query import query_page
from persona.serve.analyst_session import PLACE
from persona.serve.service import service
from persona.settings import Settings
from persona.store.popularity import SEGMENT

TRUST = "trust/trust.html"  # in the same folder as the board
_REPORT_CSP = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; sandbox"
)

analyst = APIBlueprint("analyst", __name__, url_prefix="/analyst", enable_openapi=False)


@analyst.app_context_processor
def _frame() -> dict[str, Any]:
    """What the frame around every page of analysts needs to know."""
    if not request.path.startswith(PLACE):
        return {}
    inside = (request.endpoint or "").startswith(("analyst.", "analyst_query."))
    return {"inside": inside, "openly": serves_openly(), "fewest": SEGMENT}


def register(app: Flask, settings: Settings) -> None:
    """Give an application the analysts' pages."""
    opened = app.extensions["persona-desk"] = Desk(settings)
    app.extensions["persona-numbers"] = Numbers(opened, lambda: app.extensions["persona"].recommender.store)
    for blueprint in (login_page, analyst, query_page):
        app.register_blueprint(blueprint)


def folder() -> Path:
    """Where what was made for analysts lies."""
    return service().settings.home / FOLDER


@analyst.get("")
def overview() -> str:
    """Numbers, the board's segments and pictures."""
    numbers: Numbers = current_app.extensions["persona-numbers"]
    found, trouble = None, ""
    try:
        found = numbers.read()
    except (BadInput, Busy, OutOfDate) as problem:
        trouble = str(problem)
    return render_template(
        "analyst/overview.html", numbers=found, trouble=trouble, board=board_in(service().settings.home)
    )


@analyst.get("/pictures/<name>")
def board_picture(name: str) -> Response:
    """A picture of the board."""
    path = picture_in(service().settings.home, name)
    return Response(path.read_bytes(), mimetype=f"image/{path.suffix[1:]}")


@analyst.get("/dictionary")
def data_dictionary() -> str:
    """Every view and column."""
    from persona.analyze.dictionary import dictionary

    return render_template("analyst/dictionary.html", views=dictionary())


@analyst.get("/trust")
def trust() -> str | Response:
    """The trust report, which is a page of its own; it may run nothing and fetch nothing."""
    report = folder() / TRUST
    if not report.is_file():
        command = f"persona report trust --out {report.parent}"
        return render_template("analyst/trust.html", command=command)
    return Response(report.read_bytes(), mimetype="text/html", headers={"Content-Security-Policy": _REPORT_CSP})
