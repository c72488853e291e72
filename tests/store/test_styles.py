"""Named styles: learnt under an agreement, used while it lasts, liked like items, and gone when consent ends."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from sqlalchemy import text

from persona.errors import BadInput, Conflict, NotFound
from persona.store import Agreement, Event, Item, NamedStyle, Profile, Store

from .conftest import MORNING

VISUAL = "visual-64@1"
AGREED = Agreement(licence="by agreement", source="https://example.org/mia", consent=True, given_at=MORNING)
MIA = NamedStyle(
    id="style-mia", title="Mia", agreement=AGREED, model="style@1", weights=(1.0, 0.5), picture="a" * 64,
    learnt_at=MORNING,
)  # fmt: skip
VECTORS = np.arange(12, dtype=np.float32).reshape(2, 6)
CONTENT = np.full(4, 0.5, np.float32)


def put(store: Store, style: NamedStyle = MIA, **fields: Any) -> NamedStyle:
    made = style.model_copy(update=fields)
    store.put_style(made, VECTORS[: len(made.weights)], VISUAL, CONTENT)
    return made


def ending(**fields: float) -> Agreement:
    return AGREED.model_copy(update={"until": datetime.now(UTC) + timedelta(**fields)})


def over(store: Store, style_id: str) -> None:
    """Let a style's agreement end, as time does."""
    with store._writing() as session:
        ended: dict[str, Any] = {"at": datetime.now(UTC) - timedelta(seconds=1), "id": style_id}
        if not store._postgres:
            ended["at"] = ended["at"].strftime("%Y-%m-%d %H:%M:%S.%f")
        session.execute(text("UPDATE styles SET until = :at WHERE item_id = :id"), ended)


def kept(store: Store) -> dict[str, int]:
    """Rows that hold what was learnt."""
    with store._reading() as session:
        count = {table: f"SELECT count(*) FROM {table}" for table in ("style_vectors", "item_vectors")}
        return {table: session.execute(text(query)).scalar_one() for table, query in count.items()}


def test_a_style_comes_back_as_it_was_learnt(filled: Store) -> None:
    mia = put(filled, agreement=ending(days=30))
    plaid = put(
        filled, id="plaid", origin="work", weights=(2.0,), agreement=AGREED.model_copy(update={"consent": False})
    )
    assert filled.get_style("style-mia") == mia
    assert filled.styles() == [plaid, mia]
    np.testing.assert_array_equal(filled.style_vectors("style-mia"), VECTORS)
    np.testing.assert_array_equal(filled.style_vectors("plaid"), VECTORS[:1])
    ((name, (content, item)),) = filled.style_features(["style-mia", "i1"], VISUAL).items()
    assert (name, item) == ("style-mia", mia.item())
    np.testing.assert_array_equal(content, CONTENT)
    assert filled.style_features(["style-mia"], "visual-64@2") == {}
    item = filled.get_item("style-mia")
    assert (item.domain, item.category, item.rights.generated) == ("style", "person", True)
    assert [item.id for item in filled.items()] == ["i1", "i2", "i3", "i4"]
    assert (filled.count_items("style"), filled.count_items("garment")) == (2, 4)


def test_an_unknown_style(store: Store) -> None:
    for ask in (store.get_style, store.style_vectors, store.retire_style):
        with pytest.raises(NotFound, match="no style 'nobody'"):
            ask("nobody")
    assert store.styles() == []


def test_a_name_is_taken_while_it_is_in_force(filled: Store) -> None:
    put(filled)
    with pytest.raises(Conflict, match="'style-mia' already; retire it first"):
        put(filled, weights=(1.0,))
    with pytest.raises(Conflict, match="there is a garment 'i1'"):
        put(filled, id="i1")
    np.testing.assert_array_equal(filled.style_vectors("style-mia"), VECTORS)
    assert filled.get_item("i1").domain == "garment"
    filled.retire_style("style-mia")
    again = put(filled, weights=(3.0,), title="Mia again")
    assert filled.get_style("style-mia") == again
    assert len(filled.style_vectors("style-mia")) == 1


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"agreement": AGREED.model_copy(update={"consent": False})}, "consent: a person's style is learnt only if"),
        ({"weights": ()}, "weights"),
        ({"weights": (0.0,)}, "greater than 0"),
        ({"agreement": {**AGREED.model_dump(), "until": MORNING}}, "is not after given_at"),
        ({"agreement": {**AGREED.model_dump(), "licence": ""}}, "licence"),
        ({"origin": "robot"}, "origin"),
    ],
)
def test_what_is_no_style(change: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        NamedStyle.model_validate(MIA.model_dump() | change)


def test_an_item_of_a_style_says_whose_it_is() -> None:
    with pytest.raises(ValidationError, match="dress is none of a style: choose from person, work"):
        Item.model_validate(MIA.item().model_dump() | {"category": "dress"})
    with pytest.raises(ValidationError, match="look: a style has none"):
        Item.model_validate(MIA.item().model_dump() | {"look": {}})


@pytest.mark.parametrize("vectors", [VECTORS[:1], np.full((2, 6), np.nan), VECTORS[0]])
def test_vectors_that_cannot_be_kept(store: Store, vectors: Any) -> None:
    with pytest.raises(BadInput, match="vectors: "):
        store.put_style(MIA, vectors, VISUAL, CONTENT)
    with pytest.raises(BadInput, match="content: "):
        store.put_style(MIA, VECTORS, VISUAL, np.full(4, np.inf))
    assert store.count_items() == 0


def test_a_retired_style_is_gone_at_once(filled: Store, an_event: Callable[..., Event]) -> None:
    put(filled)
    shared = put(filled, id="other", picture="b" * 64)
    filled.put_items([Item(id="look-alike", category="dress", picture="b" * 64, rights=shared.item().rights)])
    filled.add_events([an_event("liked", item_id="style-mia"), an_event("worn", user_id="u2")])
    for user in ("u1", "u2"):
        filled.put_condition(user, "taste@1", 1, CONTENT, {})
    assert filled.retire_style("style-mia") == ["a" * 64]
    assert filled.styles() == [shared]
    for ask in (filled.get_style, filled.style_vectors):
        with pytest.raises(BadInput, match="style: the consent to 'style-mia' was withdrawn") as refused:
            ask("style-mia")
        assert refused.value.code == "no_consent"
    assert filled.style_features(["style-mia"], VISUAL) == {}
    assert kept(filled) == {"style_vectors": 2, "item_vectors": 1}  # the other's
    assert filled.get_condition("u1", "taste@1") is None
    assert filled.get_condition("u2", "taste@1") is not None
    assert [event.key for event in filled.history("u1")] == ["liked"]
    assert not filled.get_item("style-mia").active
    with pytest.raises(NotFound, match="style-mia"):
        filled.retire_style("style-mia")
    assert filled.retire_style("other") == []  # a garment has that picture too


def test_an_agreement_ends_by_itself(filled: Store, an_event: Callable[..., Event]) -> None:
    put(filled, agreement=ending(days=1))
    assert filled.retire_ended_styles() == []
    filled.add_events([an_event("liked", item_id="style-mia")])
    over(filled, "style-mia")
    with pytest.raises(BadInput, match=f"ended on {datetime.now(UTC):%Y-%m-%d}") as refused:
        filled.get_style("style-mia")
    assert refused.value.code == "no_consent"
    assert filled.styles() == []
    assert filled.style_features(["style-mia"], VISUAL) == {}
    assert kept(filled)["style_vectors"] == 2
    assert filled.retire_ended_styles() == ["a" * 64]
    assert kept(filled) == {"style_vectors": 0, "item_vectors": 0}
    put(filled, agreement=ending(days=2))
    assert len(filled.styles()) == 1


def test_an_agreement_that_is_over_is_not_entered_into(filled: Store) -> None:
    with pytest.raises(BadInput, match="ended on 2025-05-05") as refused:
        put(filled, agreement=AGREED.model_copy(update={"until": MORNING + timedelta(days=1)}))
    assert refused.value.code == "no_consent"
    assert filled.count_items("style") == 0
    assert kept(filled)["style_vectors"] == 0


def test_a_users_style_lasts_as_long_as_they_allow_it(filled: Store) -> None:
    with pytest.raises(NotFound, match="owner: user 'nobody'"):
        put(filled, owner="nobody")
    with pytest.raises(BadInput, match="style-mia") as refused:
        put(filled, owner="u1")
    assert refused.value.code == "no_consent"
    filled.put_user(Profile(id="u1", consents={"photos": True}))
    put(filled, owner="u1")
    assert [style.id for style in filled.styles()] == ["style-mia"]
    filled.put_user(Profile(id="u1", consents={"photos": False}))
    assert filled.styles() == []
    filled.put_user(Profile(id="u1", consents={"photos": True}))
    assert [style.id for style in filled.styles()] == ["style-mia"]
    filled.put_user(Profile(id="u1"))
    assert filled.retire_ended_styles() == ["a" * 64]


def test_a_users_style_is_erased_with_them(filled: Store, an_event: Callable[..., Event]) -> None:
    filled.put_user(Profile(id="u1", consents={"photos": True}))
    put(filled, owner="u1")
    put(filled, id="free", picture=None)
    filled.add_events([an_event("l", user_id="u2", item_id="style-mia"), an_event("k", user_id="u3", item_id="free")])
    for user in ("u2", "u3"):
        filled.put_condition(user, "taste@1", 1, CONTENT, {})
    assert filled.delete_user("u1") == ["a" * 64]
    assert [style.id for style in filled.styles()] == ["free"]
    assert filled.history("u2") == []
    assert filled.get_condition("u2", "taste@1") is None
    assert filled.get_condition("u3", "taste@1") is not None
    assert kept(filled) == {"style_vectors": 2, "item_vectors": 1}


def test_liked_styles_count_in_taste_but_not_among_garments(filled: Store, an_event: Callable[..., Event]) -> None:
    put(filled)
    filled.add_events([an_event("dress", 1), an_event("style", 2, item_id="style-mia")])
    assert [event.key for event in filled.history("u1", domain="garment")] == ["dress", "style"]
    assert [event.key for event in filled.history("u1", domain="style")] == ["style"]
    assert filled.history("u1", domain="look") == []
    assert filled.popularity().overall == {"i1": 1.0}
    assert filled.favourable_marks("personalisation")["u1"].events == 1
    assert [item for _, item, _ in dict(filled.favourable_events(["u1"]))["u1"]] == ["i1"]
    assert [event.key for event in dict(filled.histories(["u1"]))["u1"]] == ["dress"]
