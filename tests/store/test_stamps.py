"""A user's stamp changes with whatever is stored about them, whoever stored it, and with nothing else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from persona.store import Event, Generation, Preference, Profile, Store

MakeEvent = Callable[..., Event]


def test_it_changes_with_profile_and_events_of_any_process(filled: Store, an_event: MakeEvent) -> None:
    before = filled.user_stamp("u1")
    assert before is not None
    assert filled.user_stamp("u1") == before
    assert filled.user_stamp("nobody") is None
    with Store.open(filled.url) as other:
        other.add_events([an_event("1")])
        done = filled.user_stamp("u1")
        assert done is not None
        assert (done.events, done.watermark) == (before.events + 1, other.event_watermark("u1"))
        other.put_user(Profile(id="u1", preferences=(Preference(facet="colour", value="red", weight=1),)))
        said = filled.user_stamp("u1")
        assert said is not None
        assert said.changed != done.changed
        other.add_events([an_event("2", user_id="u2")])
        assert filled.user_stamp("u1") == said
        other.delete_user("u1")
    assert filled.user_stamp("u1") is None


def test_it_changes_when_an_event_goes_with_somebody_else(filled: Store, an_event: MakeEvent) -> None:
    made = Generation(
        id="g1", picture="a" * 64, user_id="u2", model="gan@1", condition_digest="b" * 64, seed=1, category="dress",
        created_at=datetime(2025, 5, 1, tzinfo=UTC),
    )  # fmt: skip
    filled.add_generations([made])
    filled.add_events([an_event("1", generation_id="g1"), an_event("2")])
    before = filled.user_stamp("u1")
    filled.delete_user("u2")
    after = filled.user_stamp("u1")
    assert before is not None
    assert after is not None
    assert (before.events, after.events) == (2, 1)
    assert before.watermark == after.watermark  # only the last of them is as it was
    assert before != after


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["add", "profile", "other", "erase"]), max_size=8))
def test_no_two_states_of_a_user_have_one_stamp(filled: Store, an_event: MakeEvent, acts: list[str]) -> None:
    """Also when the user is erased and comes back in between."""
    seen = [_seen(filled)]
    for number, act in enumerate(acts):
        key = f"{len(seen)}-{number}-{datetime.now(UTC).timestamp()}"
        if act == "erase" and "u1" in filled.user_ids():
            filled.delete_user("u1")
        filled.put_user(Profile(id="u1")) if act in ("profile", "erase") else None
        filled.add_events([an_event(key, user_id="u2" if act == "other" else "u1")]) if act in (
            "add",
            "other",
        ) else None
        seen.append(_seen(filled))
        assert (seen[-1] == seen[-2]) == (act == "other")
    changed = [one for one, act in zip(seen[1:], acts, strict=True) if act != "other"]
    assert len(set(changed)) == len(changed)


def _seen(store: Store) -> object:
    return store.user_stamp("u1")
