"""What an answer changed into, and why."""

from persona.recommend.types import RankedItem
from persona.serve.changes import Done, changes
from persona.store.records import Reason

GREEN = Reason(kind="preference", text="because you like green", weight=0.6, facet="colour", value="green")
LIKED = Reason(kind="event", text="because you liked the green dress", weight=0.2, item_id="dress")
DONE = Done(user_id="u", said="You liked the green dress.", since="your like", item_id="dress", before=("a", "b", "c"))


def answer(*ids: str, reasons: tuple[Reason, ...] = ()) -> list[RankedItem]:
    return [
        RankedItem(item_id=item, rank=rank, score=1 / rank, category="dress", licence="CC0", reasons=reasons)
        for rank, item in enumerate(ids, start=1)
    ]


def test_the_same_answer_is_no_change() -> None:
    same = changes(DONE, answer("a", "b", "c"))
    assert not same.any
    assert (same.arrived, same.left, same.why) == (frozenset(), (), ())


def test_another_order_is_a_change() -> None:
    moved = changes(DONE, answer("c", "a", "b"))
    assert moved.any
    assert not moved.arrived
    assert moved.moved == {"c": 2, "a": -1, "b": -1}


def test_arrivals_departures_and_why() -> None:
    found = changes(DONE, [*answer("new", reasons=(GREEN, LIKED)), *answer("old", reasons=(GREEN,)), *answer("a")])
    assert found.arrived == {"new", "old"}
    assert found.left == ("b", "c")
    # the reason that names what was done comes before a weightier one that does not
    assert dict(found.why) == {"because you liked the green dress": 1, "because you like green": 1}


def test_it_survives_the_session() -> None:
    assert Done.model_validate(DONE.model_dump(mode="json")) == DONE
