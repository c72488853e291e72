"""Properties, with hypothesis: any profile comes back as it was; events may arrive in any way and count once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import get_args

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from persona.store import Event, Preference, Profile, Store, Traits
from persona.store.records import EVENT_TYPES, FACETS, Purpose, Source

SAME_STORE = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=16)
ids = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,30}", fullmatch=True)
statements = st.sampled_from([(facet, value) for facet, values in FACETS.items() for value in values])
weights = st.floats(-1, 1)


def _choice(field: str) -> st.SearchStrategy[str | None]:
    options = [option for part in get_args(Traits.model_fields[field].annotation) for option in get_args(part)]
    return st.sampled_from([*options, None])


traits = st.builds(
    Traits,
    skin_tone=st.none() | st.integers(1, 10),
    size_top=st.none() | words,
    size_bottom=st.none() | words,
    size_shoe=st.none() | st.floats(15, 55),
    **{field: _choice(field) for field in ("undertone", "face_shape", "body_shape", "age_band")},
)
preferences = st.dictionaries(statements, weights, max_size=20).map(
    lambda stated: tuple(Preference(facet=f, value=v, weight=w) for (f, v), w in stated.items())  # type: ignore[arg-type]
)
profiles = st.builds(
    Profile,
    id=ids,
    traits=traits,
    preferences=preferences,
    consents=st.dictionaries(st.sampled_from(get_args(Purpose)), st.booleans()),
    source=st.sampled_from(get_args(Source)),
)
times = st.datetimes(datetime(1970, 1, 1), datetime(2025, 1, 1), timezones=st.just(UTC))
events = st.builds(
    Event,
    key=ids,
    user_id=st.sampled_from(["u1", "u2"]),
    item_id=st.sampled_from(["i1", "i2", "i3"]),
    type=st.sampled_from(EVENT_TYPES),
    at=times,
)
batches = st.lists(events, min_size=1, max_size=8, unique_by=lambda event: event.key)


def _examples(store: Store, many: int) -> int:
    return many // 10 if store._postgres else many


def _check(store: Store, property_: Callable[..., None], many: int) -> None:
    """Run a property on few examples where a database is a server."""
    settings(SAME_STORE, max_examples=_examples(store, many))(property_)()


def test_any_profile_comes_back_as_it_was(store: Store) -> None:
    @given(st.lists(profiles, min_size=1, max_size=3), st.booleans())
    def property_(some: list[Profile], bulk: bool) -> None:
        if bulk:
            store.bulk_users(some)
        else:
            for profile in some:
                store.put_user(profile)
        for profile in {profile.id: profile for profile in some}.values():
            assert store.get_user(profile.id) == profile

    _check(store, property_, 40)


def test_events_may_be_repeated_in_any_interleaving(filled: Store) -> None:
    """However a batch is cut, shuffled and sent again, what is stored is the batch."""

    @given(batches, st.data())
    def property_(batch: list[Event], data: st.DataObject) -> None:
        for user in ("u1", "u2"):
            filled.delete_user(user)
            filled.put_user(Profile(id=user))
        repeated = data.draw(st.permutations(batch + data.draw(st.lists(st.sampled_from(batch), max_size=6))))
        added = duplicates = 0
        while repeated:
            size = data.draw(st.integers(1, len(repeated)))
            send = data.draw(st.sampled_from([filled.add_events, filled.bulk_events]))
            done = send(repeated[:size])
            added, duplicates, repeated = added + done.added, duplicates + done.duplicates, repeated[size:]
        assert added == len(batch)
        stored = [event for user in ("u1", "u2") for event in filled.history(user)]
        assert sorted(stored, key=lambda event: event.key) == sorted(batch, key=lambda event: event.key)
        for user in ("u1", "u2"):
            times_of_user = [event.at for event in filled.history(user)]
            assert times_of_user == sorted(times_of_user)

    _check(filled, property_, 40)


@given(traits, st.sampled_from(["skin_tone", "size_shoe"]), st.floats(allow_nan=True, allow_infinity=True))
def test_a_number_outside_its_range_is_refused(known: Traits, field: str, number: float) -> None:
    low, high = (1, 10) if field == "skin_tone" else (15, 55)
    assume(not low <= number <= high)
    with pytest.raises(ValueError, match=field):
        Traits.model_validate({**known.model_dump(), field: number})


@given(st.sampled_from([-1.0001, 1.0001, float("nan"), float("inf"), -2.0]))
def test_a_preference_outside_its_range_is_refused(weight: float) -> None:
    with pytest.raises(ValueError, match="weight"):
        Preference(facet="colour", value="green", weight=weight)
