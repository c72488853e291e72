"""The batch's part of the store: who is in, each shard said to be made once, what was pushed. On both databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from persona.errors import BadInput, Conflict, NotFound
from persona.store import Event, Profile, Store, Traits
from persona.store.batches import Member

MakeEvent = Callable[..., Event]
SPEC = {"per_user": 4}
NOW = datetime(2025, 6, 1, tzinfo=UTC)
ENTRY = {"kind": "item", "rank": 1, "item_id": "i1"}


def members(found: Iterator[list[Member]]) -> list[str]:
    return [member.user_id for part in found for member in part]


def refuse(store: Store, user_id: str) -> None:
    store.put_user(Profile(id=user_id, consents={"personalisation": False}))


def test_members_are_those_who_did_not_refuse_with_how_far_they_have_come(filled: Store, an_event: MakeEvent) -> None:
    filled.add_events([an_event("a"), an_event("b", 1), an_event("c", 2, user_id="u3")])
    refuse(filled, "u2")
    (part,) = filled.members()
    assert [(member.user_id, member.events) for member in part] == [("u1", 2), ("u3", 1)]
    assert [member.watermark for member in part] == [filled.event_watermark("u1"), filled.event_watermark("u3")]
    assert filled.count_catalogue_users() == 2
    assert members(filled.members(["u3", "nobody", "u2", "u1"])) == ["u3", "u1"]


def test_a_member_changes_with_every_event_and_every_change_of_the_profile(filled: Store, an_event: MakeEvent) -> None:
    def u1() -> Member:
        return next(filled.members(["u1"]))[0]

    seen = [u1()]
    filled.add_events([an_event("a")])
    seen.append(u1())
    filled.put_user(Profile(id="u1", traits=Traits(age_band="25-34")))
    seen.append(u1())
    assert len(set(seen)) == 3
    assert u1() == seen[-1]


@pytest.mark.parametrize(
    ("segment", "wanted"),
    [
        ({"age_band": "25-34"}, ["a", "b"]),
        ({"age_band": "25-34", "skin_tone": 3}, ["b"]),
        ({"age_band": None}, ["c", "u1", "u2", "u3"]),
        ({"source": "demo"}, ["c"]),
        ({"active_days": 30}, ["u1"]),
        ({"skin_tone": 10}, []),
    ],
)
def test_a_segment_has_those_whom_it_describes(
    filled: Store, an_event: MakeEvent, segment: dict[str, object], wanted: list[str]
) -> None:
    filled.put_user(Profile(id="a", traits=Traits(age_band="25-34")))
    filled.put_user(Profile(id="b", traits=Traits(age_band="25-34", skin_tone=3)))
    filled.put_user(Profile(id="c", source="demo"))
    recent = datetime.now(UTC) - timedelta(days=2)
    filled.add_events([an_event("now", at=recent), an_event("then", user_id="u2")])
    assert members(filled.members(segment=segment)) == wanted
    assert filled.count_catalogue_users(segment) == len(wanted)


def test_a_segment_of_something_unknown_is_refused(filled: Store) -> None:
    with pytest.raises(BadInput, match="shoe_colour"):
        members(filled.members(segment={"shoe_colour": "red"}))


def test_a_shard_is_said_to_be_made_once_whoever_says_it(filled: Store) -> None:
    filled.begin_run("r", SPEC)

    def say(number: int) -> set[str]:
        return filled.end_shard("r", 7, {"by": number}, ["u1", "u2"])

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(say, range(8))) == [set()] * 8
    (first,) = filled.shards("r").items()
    assert first[0] == 7
    say(99)
    assert filled.shards("r") == dict([first])


def test_a_shard_with_somebody_who_is_gone_is_not_made(filled: Store) -> None:
    filled.begin_run("r", SPEC)
    filled.delete_user("u1")
    refuse(filled, "u2")
    assert filled.end_shard("r", 0, {}, ["u1", "u2", "u3"]) == {"u1", "u2"}
    assert filled.shards("r") == {}
    assert filled.gone(["u1", "u2", "u3"]) == {"u1", "u2"}
    assert filled.end_shard("r", 0, {}, ["u3"]) == set()


def test_a_run_begins_once_and_ends(filled: Store) -> None:
    assert filled.run_state("r") is None
    for _ in range(2):
        filled.begin_run("r", SPEC)
    with pytest.raises(Conflict):
        filled.begin_run("r", {"per_user": 5})
    filled.end_shard("r", 0, {}, [])
    filled.end_shard("r", 1, {}, [])
    filled.drop_shards("r", [1])
    assert list(filled.shards("r")) == [0]
    filled.end_run("r", {"users": 3})
    assert (filled.run_state("r"), filled.shards("r")) == ("done", {})
    with pytest.raises(Conflict):  # a worker that comes too late
        filled.end_shard("r", 1, {}, [])
    with pytest.raises(NotFound):
        filled.end_run("other", {})
    filled.drop_run("r")
    assert filled.run_state("r") is None


def test_what_was_pushed_takes_the_place_of_what_was(filled: Store) -> None:
    refuse(filled, "u2")
    assert filled.push_catalogues("r1", NOW, {"u1": [ENTRY], "u2": [ENTRY], "nobody": [ENTRY]}) == 1
    assert filled.user_catalogue("u2") is None
    assert filled.push_catalogues("r2", NOW, {"u3": [ENTRY, {**ENTRY, "rank": 2}]}) == 1
    assert filled.drop_old_catalogues("r2") == 1
    assert filled.user_catalogue("u1") is None
    pushed = filled.user_catalogue("u3")
    assert pushed is not None
    assert (pushed.run, len(pushed.entries), pushed.made_at) == ("r2", 2, NOW)


def test_a_catalogue_is_erased_with_its_user(filled: Store) -> None:
    filled.push_catalogues("r", NOW, {"u1": [ENTRY]})
    filled.delete_user("u1")
    assert filled.user_catalogue("u1") is None
