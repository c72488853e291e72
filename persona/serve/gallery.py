"""The gallery: choose or make a profile, see the answer for it, say what you like, see what that changed and why.

Every page is made here and works without JavaScript: forms post, and the answer to a post is a redirect.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime
from typing import Any, TypeVar

from apiflask import APIBlueprint
from flask import flash, redirect, render_template, request, session, url_for
from pydantic import BaseModel, ValidationError
from werkzeug.wrappers import Response

from persona.errors import BadInput, Conflict
from persona.recommend import Recommender
from persona.recommend.types import Recommendation, RecommendationRequest
from persona.serve import people, tastes
from persona.serve.changes import Changes, Done, changes
from persona.serve.security import check_form
from persona.serve.service import asking, service
from persona.store.records import CATEGORIES, FACETS, SEASONS, Event, Profile, Traits

COUNT, GENERATE = 12, 4
SAID = {  # what a button posts: what the page then says, and what new arrivals are new since
    "like": ("You liked {}.", "your like"),
    "dislike": ("You said {} is not for you.", "your “not for me”"),
    "hide": ("You hid {}.", "you hid something"),
}
TRAITS = (  # offered when making a profile: field, what the page calls it, values
    ("age_band", "Age", people.values_of("age_band")),
    ("body_shape", "Body shape", people.values_of("body_shape")),
    ("undertone", "Undertone", people.values_of("undertone")),
)

M = TypeVar("M", bound=BaseModel)

gallery = APIBlueprint("gallery", __name__, enable_openapi=False)


@gallery.get("/")
def home() -> str:
    """Profiles to choose from, and a form to make one's own."""
    recommender = service().recommender
    return render_template(
        "home.html",
        people=people.shown(recommender, session.get("mine", [])),
        montage=people.montage(recommender),
        tastes=tastes,
        facets=FACETS,
        preferences=(),
        trait_choices=TRAITS,
    )


@gallery.get("/for")
def find() -> Response:
    """Go to the profile that was typed in."""
    profile = service().recommender.store.get_user(request.args.get("user", "").strip())
    return redirect(url_for("gallery.person", user_id=profile.id))


@gallery.post("/profiles")
def create() -> Response:
    """Make a profile of one's own."""
    check_form()
    name = people.slug(request.form.get("name", ""))
    traits = {field: value for field in Traits.model_fields if (value := request.form.get(field, "").strip())}
    profile = Profile(
        id=f"{name}.{secrets.token_hex(3)}",
        traits=valid(Traits, traits),
        preferences=tastes.from_form(request.form),
        consents={"personalisation": True},
    )
    service().recommender.store.put_user(profile)
    session["mine"] = [profile.id, *session.get("mine", [])][:5]
    return redirect(url_for("gallery.person", user_id=profile.id))


@gallery.get("/for/<user_id>")
def person(user_id: str) -> str:
    """The answer for one profile, and what the last thing done to it changed."""
    recommender = service().recommender
    profile = recommender.store.get_user(user_id)
    answer = recommender.recommend(_wanted(user_id, mode="both"))
    change = _changes(user_id, answer)
    return render_template(
        "person.html",
        profile=profile,
        name=people.name_of(user_id),
        likes=tastes.summary(profile)[0],
        dislikes=tastes.summary(profile)[1],
        personal=profile.consents.get("personalisation", True),
        answer=answer,
        changes=change,
        history=people.history(recommender, user_id),
        said=people.last_words(recommender, user_id),
        done_to=people.done_to(recommender, change.done) if change else None,
        key=lambda subject, type: _key(user_id, answer, subject, type),
        left=lambda item_id: people.title_of(recommender, item_id),
        title_of=people.title,
        tastes=tastes,
        facets=FACETS,
        preferences=profile.preferences,
        categories=CATEGORIES,
        seasons=SEASONS,
        filters=_filters(),
    )


@gallery.post("/for/<user_id>/events")
def react(user_id: str) -> Response:
    """Like, dislike or hide one thing: stored at once, so the next answer is another one."""
    check_form()
    recommender, form = service().recommender, request.form
    said, since = SAID.get(form.get("type", ""), ("", ""))
    if not said:
        raise BadInput("type", f"is {form.get('type')!r}; choose from {', '.join(SAID)}")
    subject = {name: form[name] for name in ("item_id", "generation_id") if form.get(name)}
    stated = {"user_id": user_id, "key": form.get("key"), "type": form["type"], "at": datetime.now(UTC), **subject}
    event = valid(Event, stated)
    before = _before(recommender, user_id)
    if _stored(recommender, event):
        title = people.title_of(recommender, event.item_id, event.generation_id)
        done = Done(user_id=user_id, said=said.format(title), since=since, before=before, **subject)
        session["done"] = done.model_dump()
    return _back(user_id)


@gallery.post("/for/<user_id>/tastes")
def set_tastes(user_id: str) -> Response:
    """Replace the likes and dislikes of a profile."""
    check_form()
    recommender = service().recommender
    profile = recommender.store.get_user(user_id)
    preferences = tastes.from_form(request.form, profile.preferences)
    said = tastes.difference(profile.preferences, preferences)
    if said:
        before = _before(recommender, user_id)
        recommender.store.put_user(profile.model_copy(update={"preferences": preferences}))
        session["done"] = Done(user_id=user_id, said=said, since="your new tastes", before=before).model_dump()
    return _back(user_id)


@gallery.post("/for/<user_id>/delete")
def delete(user_id: str) -> Response:
    """Erase a profile that was made here, and everything made for it."""
    check_form()
    recommender = service().recommender
    if recommender.store.get_user(user_id).source != "app":
        raise BadInput("user_id", f"{user_id} is a demo profile: delete it through the API if you mean it")
    recommender.erase(user_id, *asking())
    session["mine"] = [mine for mine in session.get("mine", []) if mine != user_id]
    flash(f"{people.name_of(user_id)} and everything about them was erased.")
    return redirect(url_for("gallery.home"))


def _wanted(user_id: str, **more: Any) -> RecommendationRequest:
    asked = {"user_id": user_id, "count": COUNT, "generate": GENERATE, **_filters(), **more}
    return valid(RecommendationRequest, asked)


def _filters() -> dict[str, str]:
    return {name: request.args[name] for name in ("category", "season") if request.args.get(name)}


def _before(recommender: Recommender, user_id: str) -> tuple[str, ...]:
    """The item ids that the page shows now: the same request, ranking only."""
    answer = recommender.recommend(_wanted(user_id, mode="retrieve", outfit=False, explain=False))
    return tuple(item.item_id for item in answer.items)


def _stored(recommender: Recommender, event: Event) -> bool:
    """Store an event; False when its button was pressed twice."""
    try:
        return recommender.add_events([event]).added > 0
    except Conflict:  # the same key, at another time: the second press
        return False


def _changes(user_id: str, answer: Recommendation) -> Changes | None:
    done = Done.model_validate(session["done"]) if "done" in session else None
    return changes(done, answer.items) if done and done.user_id == user_id else None


def _key(user_id: str, answer: Recommendation, subject: str, type: str) -> str:
    """Idempotency key of a button, so that pressing it twice counts once. A new answer gives new keys."""
    pressed = f"{user_id} {answer.rec_id} {answer.watermark} {subject} {type}"
    return f"page-{hashlib.sha256(pressed.encode()).hexdigest()[:40]}"


def _back(user_id: str) -> Response:
    place: dict[str, Any] = {"user_id": user_id, **_filters()}
    return redirect(url_for("gallery.person", _anchor="picks", **place), 303)


def valid(model: type[M], given: dict[str, Any]) -> M:
    """A model from what a person sent by a form or an address. Raises BadInput, naming the field."""
    try:
        return model.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(step) for step in first["loc"]) or "form"
        raise BadInput(field, f"{first['msg'].removeprefix('Value error, ')}; go back and change it") from error
