"""Who is asked for: a stored user, or one that came with the request. From here on the two are treated alike."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from persona.errors import BadInput, NotFound
from persona.recommend.seeds import digest
from persona.recommend.types import InlineEvent, RecommendationRequest
from persona.store import Store
from persona.store.records import EPOCH, Event, Profile

LONGEST_MEMORY = 1000  # events in which a user's last word on an item is looked for
_KEEPS = ("like", "save", "cart", "purchase")
_REFUSES = ("dislike", "hide")


@dataclass(frozen=True)
class Person:
    """events: oldest first. watermark: of the last stored event that counts, 0 for an inline user.

    personal: False for a user who has refused personalisation: then nothing but hidden items is taken from the history.
    session: how many of the events, the last ones, came with the request and are not stored.
    """

    user_id: str | None
    profile: Profile
    events: Sequence[Event]
    watermark: int
    personal: bool
    session: int = 0

    @cached_property
    def name(self) -> str:
        """What seeds are derived from: a stored user's id, with the session; of an inline one, all that is known."""
        if self.user_id is not None:
            return digest(self.user_id, _done(self.events[-self.session :])) if self.session else self.user_id
        return digest(self.profile.model_dump(mode="json"), _done(self.events))

    def during(self, session: Sequence[InlineEvent]) -> Person:
        """The same person, who has done this since: not stored, and after all that is."""
        last = self.events[-1].at if self.events else EPOCH
        done = [event.as_event(self.profile.id, number) for number, event in enumerate(session)]
        later = [event.model_copy(update={"at": max(event.at, last)}) for event in sorted(done, key=lambda e: e.at)]
        return replace(self, events=[*self.events, *later], session=self.session + len(later))

    @cached_property
    def last_words(self) -> tuple[set[str], set[str]]:
        """Ids of items and generations (kept, refused), by what the user last said of each. A view says nothing."""
        words: dict[str, str] = {}
        for event in self.events:
            if event.type != "view":
                words[event.item_id or event.generation_id or ""] = event.type
        kept = {name for name, word in words.items() if word in _KEEPS}
        return kept, {name for name, word in words.items() if word in _REFUSES}


def _done(events: Sequence[Event]) -> list[tuple[str | None, ...]]:
    return [(event.item_id, event.generation_id, event.type, event.at.isoformat()) for event in events]


def stored_person(store: Store, user_id: str) -> Person:
    """A user of the store. Raises NotFound."""
    try:
        profile = store.get_user(user_id)
    except NotFound as error:
        remedy = f"put the user first (PUT /v1/users/{user_id}), or send `profile` in place of `user_id`"
        raise NotFound(f"user_id: there is no user {user_id!r}; {remedy}") from error
    watermark = store.event_watermark(user_id)  # read before the events: one that arrives in between counts next time
    events = store.history(user_id, limit=LONGEST_MEMORY, domain="garment")
    return _stored(profile, watermark, events)


def _stored(profile: Profile, watermark: int, events: Sequence[Event]) -> Person:
    return Person(profile.id, profile, events, watermark, profile.consents.get("personalisation", True))


def stored_people(store: Store, user_ids: Sequence[str]) -> dict[str, Person]:
    """Many users of the store as `stored_person` gives each, by id; those who are not there are left out."""
    profiles = store.users(user_ids)
    watermarks = store.event_watermarks(user_ids)  # before the events, as there
    events = store.last_events(user_ids, LONGEST_MEMORY, domain="garment")
    return {
        profile.id: _stored(profile, watermarks.get(profile.id, 0), events.get(profile.id, [])) for profile in profiles
    }


def inline_person(request: RecommendationRequest) -> Person:
    """The user that a request describes. Nothing of it is looked up or stored."""
    assert request.profile is not None
    profile = request.profile.as_profile("inline")
    events = [event.as_event(profile.id, number) for number, event in enumerate(request.history or ())]
    return Person(None, profile, sorted(events, key=lambda event: event.at), 0, True)


def identity(request: RecommendationRequest) -> str:
    """What stays the same of who is asked for, whatever they do: a stored user's id, or a digest of the profile."""
    if request.user_id is not None:
        return request.user_id
    assert request.profile is not None
    return digest(request.profile.model_dump(mode="json"))


def person_of(request: RecommendationRequest, store: Store) -> Person:
    """Who a request is for. Raises NotFound."""
    if request.user_id is None:
        return inline_person(request)
    person = stored_person(store, request.user_id)
    return person.during(request.session) if request.session else person


def check_known(request: RecommendationRequest, items: Sequence[Container[str]], generations: Container[str]) -> None:
    """Raise BadInput, naming its place, for the first event of the request on something that does not exist.

    items: an item is in one of them.
    """
    told = [("history", request.history or ()), ("session", request.session or ())]
    for place, event in [(f"{name}.{number}", event) for name, events in told for number, event in enumerate(events)]:
        item, generation = event.item_id, event.generation_id
        if item is not None and not any(item in some for some in items):
            raise BadInput(f"{place}.item_id", f"the catalogue has no item {item!r}; leave the event out")
        if generation is not None and generation not in generations:
            remedy = "leave the event out"
            raise BadInput(f"{place}.generation_id", f"there is no generated picture {generation!r}; {remedy}")
