"""`/analyst/login`: where an analyst shows a key once, and gets the cookie by which the pages know it."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response, g, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response as Answer

from persona.serve.access import audit, guard, serves_openly
from persona.serve.security import check_form
from persona.serve.service import service

login_page = APIBlueprint("analyst_login", __name__, url_prefix="/analyst", enable_openapi=False)
_REFUSED = "This is no key in force with the scope analyst. Ask whoever runs persona for one."


@login_page.get("/login")
def login() -> str | Answer:
    """The form that asks for a key; where none is needed, the pages."""
    if serves_openly():
        return redirect(url_for("analyst.overview"), 303)
    return render_template("analyst/login.html")


@login_page.post("/login")
def log_in() -> str | Response | Answer:
    """Begin a session for a key with the scope `analyst`. Which of its reasons refused another key is not told."""
    check_form()
    if serves_openly():
        return redirect(url_for("analyst.overview"), 303)
    sessions = guard().sessions
    sessions.may_try()
    key = guard().keys.find(request.form.get("key", "").strip())
    if key is None or not key.allows("analyst"):
        sessions.failed()
        return Response(render_template("analyst/login.html", trouble=_REFUSED), 403, mimetype="text/html")
    g.actor = key.id
    audit(service().recommender.store, "analyst.login")
    session.pop("csrf", None)  # forms of before the login are of no use after it
    answer = redirect(url_for("analyst.overview"), 303)
    sessions.begin(answer, key.id)
    return answer


@login_page.post("/logout")
def log_out() -> Answer:
    """End the session in this browser."""
    check_form()
    session.pop("csrf", None)
    answer = redirect(url_for("analyst_login.login"), 303)
    guard().sessions.end(answer)
    return answer
