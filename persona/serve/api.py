"""The API under `/v1`: recommendations, events, users. Each route is a few lines around what the parts below do."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response, url_for
from pydantic import BaseModel, Field, ValidationError

from persona.recommend.types import Recommendation, RecommendationRequest
from persona.recommend.variations import EXAMPLE, VariationRequest, Variations
from persona.serve import strict
from persona.serve.problems import InvalidRequest
from persona.serve.service import asking, service
from persona.store.records import Event, EventsAnswer, Identifier, Preference, Profile, Purpose, Record, Traits

MOST_EVENTS = 1000
_EVENT = {
    "key": "order-17-dress",
    "user_id": "u1",
    "item_id": "demo-0007",
    "type": "like",
    "at": "2025-05-04T10:00:00Z",
}
_USER = {
    "traits": {"age_band": "25-34"},
    "preferences": [{"facet": "colour", "value": "green", "weight": 1.0}],
    "consents": {"personalisation": True},
}

strict.register()  # before the decorators below ask for it
api = APIBlueprint("api", __name__, url_prefix="/v1", tag="API")


class UserPath(Record):
    """Names a user."""

    user_id: Identifier = Field(description="the user's id, as the app chose it", examples=["u1"])


class UserBody(Record):
    """Everything about a user but the id and what they did."""

    traits: Traits = Field(default=Traits(), description="what the user says of themselves; all may be left out")
    preferences: tuple[Preference, ...] = Field(default=(), max_length=200, description="stated likes and dislikes")
    consents: dict[Purpose, bool] = Field(default={}, description="allowed (true) or refused (false)")

    def as_profile(self, user_id: str) -> Profile:
        """The user to store. Raises InvalidRequest for what is wrong as a whole: a preference that stands twice."""
        try:
            return Profile(id=user_id, traits=self.traits, preferences=self.preferences, consents=self.consents)
        except ValidationError as error:
            raise InvalidRequest(error.errors(include_url=False, include_context=False)) from None


class EventBatch(Record):
    """Events to add, all or none."""

    events: tuple[Event, ...] = Field(min_length=1, max_length=MOST_EVENTS, description="in any order")


@api.post("/recommendations")
@api.input(RecommendationRequest, arg_name="wanted", example={"user_id": "u1", "count": 12, "generate": 4})
@api.output(Recommendation, description="ranked items, generated garments and an outfit")
def recommend(wanted: RecommendationRequest) -> Response:
    """Recommend to a stored user, or to anyone by an inline profile

    The same user, events and models give the same answer; an event sent to `/v1/events` changes the next one. Every
    generated picture is labelled (`generated: true`). Send `rec_id` with the events that an answer leads to, and they
    are counted for its arm of an A/B split.
    """
    return _json(service().recommender.recommend(wanted))


@api.post("/variations")
@api.input(VariationRequest, arg_name="wanted", example=EXAMPLE)
@api.output(Variations, description="garments made after the photo")
def vary(wanted: VariationRequest) -> Response:
    """Make garments like the one in a user's own photo, in another colour, pattern or kind

    The photo is not stored. A stored user has to have allowed it (consent `photos`). What comes back is generated and
    labelled so.
    """
    return _json(service().recommender.vary(wanted))


@api.post("/events")
@api.input(EventBatch, arg_name="batch", example={"events": [_EVENT]})
@api.output(EventsAnswer, description="all are stored")
def add_events(batch: EventBatch) -> Response:
    """Add what users did, up to 1,000 events at once

    All or none are stored. Sending the same events again changes nothing, so a client may repeat a request whose answer
    it never saw; the same key with other content is refused (409).
    """
    done = service().recommender.add_events(batch.events)
    return _json(EventsAnswer(added=done.added, duplicates=done.duplicates))


@api.put("/users/<user_id>")
@api.input(UserPath, location="path", arg_name="path")
@api.input(UserBody, arg_name="body", example=_USER)
@api.output(Profile, description="the user was replaced")
@api.doc(responses={201: "the user was created"})
def put_user(user_id: str, path: UserPath, body: UserBody) -> Response:
    """Create or replace a user

    What the user did stays as it is.
    """
    profile = body.as_profile(user_id)
    created = service().recommender.store.put_user(profile)
    answer = _json(profile, 201 if created else 200)
    answer.headers["Location"] = url_for("api.get_user", user_id=user_id)
    return answer


@api.get("/users/<user_id>")
@api.input(UserPath, location="path", arg_name="path")
@api.output(Profile, description="the user")
def get_user(user_id: str, path: UserPath) -> Response:
    """A user's traits, preferences and consents"""
    return _json(service().recommender.store.get_user(user_id))


@api.delete("/users/<user_id>")
@api.input(UserPath, location="path", arg_name="path")
@api.doc(responses={204: "the user is gone"})
def delete_user(user_id: str, path: UserPath) -> Response:
    """Erase a user and everything about them

    The profile, what they did, their vectors, jobs and kept answers, and the pictures made for them that no one else
    was given. The audit log keeps that it was done, not whom it was about.
    """
    service().recommender.erase(user_id, *asking())
    return Response(status=204)


def _json(model: BaseModel, status: int = 200) -> Response:
    return Response(model.model_dump_json(), status, mimetype="application/json")
