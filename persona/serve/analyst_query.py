"""`/analyst/query`: a question or SQL of one's own, its parameters, the first rows, and the whole as a file.

All analysts of an installation share the queries that they save. The audit log has who asked which, not what for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING

from apiflask import APIBlueprint
from flask import current_app, flash, redirect, render_template, request, url_for
from sqlalchemy import text
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from persona.errors import BadInput, Busy, NotFound, OutOfDate, TooLate
from persona.serve.access import audit
from persona.serve.analyst_board import FOLDER
from persona.serve.analyst_desk import DOWNLOAD_SECONDS, MOST, SECONDS, Desk, Shown
from persona.serve.security import check_form
from persona.serve.service import service

if TYPE_CHECKING:
    from persona.analyze.questions import Parameter, Value
    from persona.analyze.saved import SavedQueries

SAVED = "queries"  # folder, beside the board
FORMS = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}
IN_MEMORY, PIECE = 4 * 1024 * 1024, 64 * 1024  # bytes; a longer file waits on the disk, and has no name there

query_page = APIBlueprint("analyst_query", __name__, url_prefix="/analyst", enable_openapi=False)


@dataclass(frozen=True)
class Filled:
    """A parameter, and its value as the form has it."""

    of: Parameter
    value: str


@dataclass(frozen=True)
class Asked:
    """What the form asks. name: of a question or a saved query; fixed: whether it is one of ours, not to be changed."""

    sql: str
    parameters: tuple[Filled, ...] = ()
    name: str = ""
    title: str = ""
    fixed: bool = False


@query_page.get("/queries")
def queries() -> str:
    """The questions, and what analysts saved here."""
    from persona.analyze.questions import questions

    return render_template("analyst/queries.html", questions=questions().values(), saved=list(saved()))


@query_page.get("/query")
def query() -> str:
    """The form: of a question, of a saved query, of a view, or empty."""
    if name := request.args.get("name"):
        return _page(_named(name))
    if view := request.args.get("view"):
        from persona.analyze.dictionary import view_named

        return _page(Asked(f"SELECT * FROM {view_named(view).name} LIMIT 100"))
    return _page(Asked(""))


@query_page.post("/query")
def run() -> str | Response:
    """Run it, give it as a file, or save it."""
    check_form()
    asked, what = _asked(request.form), request.form.get("do", "run")
    try:
        values = _values(asked)
        if what == "save":
            return _save(asked, values)
        return _file(asked, values, what) if what in FORMS else _rows(asked, values)
    except (BadInput, Busy, NotFound, OutOfDate, TooLate) as problem:
        status = 429 if isinstance(problem, Busy) else 503 if isinstance(problem, OutOfDate) else 422
        return Response(_page(asked, trouble=str(problem)), status, mimetype="text/html")


@query_page.post("/queries/<name>/delete")
def forget(name: str) -> Response:
    """Delete a saved query."""
    check_form()
    saved().remove(name)
    _note("analyst.query.delete", name=name)
    flash(f"{name} was deleted.")
    return redirect(url_for("analyst_query.queries"), 303)


def saved() -> SavedQueries:
    """The folder of the queries saved in this installation."""
    from persona.analyze.saved import SavedQueries

    return SavedQueries(service().settings.home / FOLDER / SAVED)


def _named(name: str) -> Asked:
    """A question of ours, or else a saved query. Raises NotFound."""
    from persona.analyze.questions import questions

    ours = questions().get(name)
    found = ours or saved().get(name)
    filled = tuple(Filled(parameter, str(parameter.default)) for parameter in found.parameters)
    return Asked(found.sql, filled, found.name, found.title, fixed=ours is not None)


def _asked(form: MultiDict[str, str]) -> Asked:
    """What was sent. A question's SQL and types are ours, whatever the form says."""
    known = _named(form["name"]) if form.get("name") else Asked("")
    if known.fixed:
        filled = tuple(Filled(one.of, form.get(f"p.{one.of.name}", one.value)) for one in known.parameters)
        return replace(known, parameters=filled)
    sql = form.get("sql", "")
    names = sorted(text(sql).compile().params)
    filled = tuple(Filled(_parameter(name, form.get(f"t.{name}", "word")), form.get(f"p.{name}", "")) for name in names)
    return replace(known, sql=sql, parameters=filled, title=form.get("title", ""))


def _parameter(name: str, kind: str) -> Parameter:
    """A parameter of somebody's own query. Raises BadInput for a type that is none."""
    from persona.analyze.questions import Parameter
    from persona.analyze.saved import kind_named

    return Parameter(name, kind_named(kind), "")


def _values(asked: Asked) -> dict[str, Value]:
    """The parameters' values. Raises BadInput, also for those of SQL that is new to the form, which lacks them."""
    if new := [one.of.name for one in asked.parameters if f"p.{one.of.name}" not in request.form]:
        raise BadInput(new[0], "is a parameter: say above what it is, then run the query again")
    return {one.of.name: one.of.read(one.value) for one in asked.parameters}


def _sql(asked: Asked) -> str:
    """The SQL; of a question of ours its name, by which the store knows that it is."""
    return asked.name if asked.fixed else asked.sql


def _rows(asked: Asked, values: dict[str, Value]) -> str:
    shown = _desk().rows(_sql(asked), values)
    _note("analyst.query", **_which(asked), rows=len(shown.rows))
    return _page(asked, result=shown)


def _file(asked: Asked, values: dict[str, Value], form: str) -> Response:
    """The whole result as a file, made before the first byte of it is sent, so that what fails is said."""
    file = SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115  closed when it is sent
    try:
        rows = _desk().write(_sql(asked), values, form, file)
        _note("analyst.download", **_which(asked), rows=rows, form=form)
    except BaseException:
        file.close()
        raise
    headers = {"Content-Length": str(file.tell()), "Cache-Control": "no-store"}
    headers["Content-Disposition"] = f'attachment; filename="{asked.name or "query"}.{form}"'
    return Response(_sent(file), mimetype=FORMS[form], headers=headers)


def _sent(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        file.seek(0)
        while piece := file.read(PIECE):
            yield piece


def _save(asked: Asked, values: dict[str, Value]) -> Response:
    """Keep it, with the values as defaults: who opens it can run it at once."""
    from persona.analyze.questions import Question, questions

    name = request.form.get("as", "").strip()
    if name in questions():
        raise BadInput("name", f"{name} is a question of ours: choose another")
    parameters = tuple(replace(one.of, default=values[one.of.name]) for one in asked.parameters)
    saved().save(Question(name, asked.title.strip() or name, asked.sql, parameters))
    _note("analyst.query.save", name=name)
    flash(f"{name} was saved.")
    return redirect(url_for("analyst_query.query", name=name), 303)


def _page(asked: Asked, result: Shown | None = None, trouble: str = "") -> str:
    from persona.analyze.saved import KINDS, LONGEST

    return render_template(
        "analyst/query.html",
        asked=asked,
        heading=asked.title or "Your own query",
        result=result,
        trouble=trouble,
        types=KINDS,
        longest=LONGEST,
        seconds=f"{SECONDS:g}",
        download_seconds=f"{DOWNLOAD_SECONDS:g}",
        most=MOST,
    )


def _which(asked: Asked) -> dict[str, str | int]:
    """What was asked, for the audit log: its name, and by a digest which SQL, as that may hold names of people."""
    digest = hashlib.sha256(asked.sql.encode()).hexdigest()[:16]
    return {"query": asked.name or "own", "sql": digest, "parameters": len(asked.parameters)}


def _note(action: str, **details: str | int) -> None:
    audit(service().recommender.store, action, **details)


def _desk() -> Desk:
    found: Desk = current_app.extensions["persona-desk"]
    return found
