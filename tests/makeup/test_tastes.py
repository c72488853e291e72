"""Taste over looks: the same model over look items, what carries over from garments, and looks made for one person."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from persona.errors import BadInput
from persona.makeup.description import VERSION, describe
from persona.makeup.look import Look
from persona.makeup.lookgan import LookGenerator
from persona.makeup.monk import monk_lab
from persona.makeup.tastes import CARRIED, corpus_items, leanings, look_table, personal_looks
from persona.store.records import Item, Preference, Profile, Rights
from persona.taste.history import HistoryEntry
from persona.taste.model import TasteModel
from persona.taste.simulate import simulate
from persona.taste.table import KIND_NAMES, ItemTable

MODELS = Path(__file__).parents[2] / "data" / "models"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
RIGHTS = Rights(licence="none", source="drawn for the test")
COLOURS = ("red", "blue", "black", "white")
NOBODY = Profile(id="nobody")


@pytest.fixture(scope="module")
def table() -> ItemTable:
    return look_table(corpus_items(370, 3))


@pytest.fixture(scope="module")
def taste() -> TasteModel:
    return TasteModel.load(MODELS / "taste-look")


@pytest.fixture(scope="module")
def generator() -> LookGenerator:
    return LookGenerator.load(MODELS / "look-gan")


@pytest.fixture(scope="module")
def garments() -> ItemTable:
    """A hundred: a tenth red, the rest of three colours; a fifth sporty."""
    items = [
        Item(
            id=f"g{n}", category="dress" if n % 2 else "shirt", rights=RIGHTS,
            style="sporty" if n % 5 == 0 else "smart",
            colour="red" if n % 10 == 0 else COLOURS[1 + n % 3],  # type: ignore[arg-type]
        )
        for n in range(100)
    ]  # fmt: skip
    return ItemTable.of(items, np.zeros((100, 64), np.float32))


def likes(rows: list[int], kind: str = "like") -> list[HistoryEntry]:
    return [HistoryEntry(kind, NOW, row) for row in rows]


def states(facet: str, value: str, weight: float = 1.0) -> Profile:
    return Profile(id="u", preferences=(Preference(facet=facet, value=value, weight=weight),))  # type: ignore[arg-type]


def share(
    taste: TasteModel, table: ItemTable, profile: Profile | None, history: list[HistoryEntry], mask: np.ndarray
) -> float:
    """Of the forty looks that the model ranks first without popularity, how many are of the mask."""
    scores = table_scores(taste, table, profile, history)
    return float(mask[np.argsort(-scores)[:40]].mean())


def table_scores(
    taste: TasteModel, table: ItemTable, profile: Profile | None, history: list[HistoryEntry]
) -> np.ndarray:
    return taste.item_vectors(table) @ taste.encode(profile, history, table)


def test_a_table_of_looks_has_descriptions_and_occasions(table: ItemTable) -> None:
    assert table.feature_version == VERSION
    assert (table.features == describe([Look.model_validate(item.look) for item in table.items])).all()
    assert (table.category == -1).all()
    assert [KIND_NAMES[kind] for kind in table.kind] == [item.category for item in table.items]
    assert (table.colour >= 0).all()
    assert (table.style >= 0).all()


@pytest.mark.parametrize(("facet", "value"), [("colour", "purple"), ("colour", "brown"), ("style", "sporty")])
def test_what_is_stated_is_read(taste: TasteModel, table: ItemTable, facet: str, value: str) -> None:
    mask = np.array([getattr(item, facet) == value for item in table.items])
    for_it = share(taste, table, states(facet, value), [], mask)
    against = share(taste, table, states(facet, value, -1.0), [], mask)
    assert for_it > 1.5 * mask.mean()
    assert against < 0.5 * mask.mean()


def test_likes_are_read_beyond_colour_and_style(taste: TasteModel, table: ItemTable) -> None:
    """Likes of looks with a winged liner bring more of them than likes of looks without one."""
    wing = np.array([
        (look.on("liner") is not None and look.on("liner").placement == "wing")  # type: ignore[union-attr]
        for look in (Look.model_validate(item.look) for item in table.items)
    ])  # fmt: skip
    rng = np.random.default_rng(0)
    with_wing, without = rng.permutation(np.flatnonzero(wing))[:10], rng.permutation(np.flatnonzero(~wing))[:10]
    assert share(taste, table, None, likes(with_wing.tolist()), wing) > 1.5 * share(
        taste, table, None, likes(without.tolist()), wing
    )


def test_of_whom_nothing_is_known_popularity_decides(taste: TasteModel, table: ItemTable) -> None:
    assert not taste.encode(NOBODY, [], table).any()
    popular = table.with_popularity(simulate(table, 200, 1).users.popularity(table))
    assert np.argmax(taste.prior(popular)) == np.argmax(popular.popularity)


# from garments


def test_liked_garments_lean_and_disliked_ones_lean_away(garments: ItemTable) -> None:
    red = [row for row in range(100) if row % 10 == 0]
    told = {(p.facet, p.value): p.weight for p in leanings(NOBODY, likes(red), garments).preferences}
    assert told[("colour", "red")] == CARRIED
    assert told[("style", "sporty")] > 0.3  # every red one is
    assert all(weight < 0 for (facet, value), weight in told.items() if facet == "colour" and value != "red")
    against = {(p.facet, p.value): p.weight for p in leanings(NOBODY, likes(red, "dislike"), garments).preferences}
    assert against[("colour", "red")] < -0.3
    assert {facet for facet, _ in told} == {"colour", "style"}


def test_garments_like_any_others_lean_nowhere(garments: ItemTable) -> None:
    assert leanings(NOBODY, likes(list(range(0, 100, 1))), garments).preferences == ()
    assert leanings(NOBODY, [], garments).preferences == ()


def test_what_is_stated_wins_over_garments_and_categories_are_left_out(garments: ItemTable) -> None:
    profile = Profile(id="u", preferences=(
        Preference(facet="colour", value="red", weight=-0.4), Preference(facet="category", value="dress", weight=1),
    ))  # fmt: skip
    told = {(p.facet, p.value): p.weight for p in leanings(profile, likes([0, 10, 20, 30]), garments).preferences}
    assert told[("colour", "red")] == -0.4
    assert ("category", "dress") not in told


def test_liking_red_garments_brings_red_looks_first(taste: TasteModel, table: ItemTable, garments: ItemTable) -> None:
    red = np.array([item.colour == "red" for item in table.items])
    profile = leanings(NOBODY, likes([0, 10, 20, 30, 40]), garments)
    other = leanings(NOBODY, likes([1, 4, 7, 13, 16]), garments)
    assert share(taste, table, profile, [], red) > share(taste, table, other, [], red) + 0.15


# looks for one person


def test_looks_for_a_person_repeat_and_differ_from_anothers(
    generator: LookGenerator, taste: TasteModel, table: ItemTable
) -> None:
    profile, history = states("colour", "red"), likes([3, 9, 40])
    made = personal_looks(generator, taste, table, profile, history, count=4, seed=5)
    again = personal_looks(generator, taste, table, profile, history, count=4, seed=5)
    assert [(one.look, one.digest, one.seed) for one in made] == [(one.look, one.digest, one.seed) for one in again]
    assert len({one.digest for one in made}) == 4
    other = personal_looks(generator, taste, table, states("colour", "red", -1.0), [], count=4, seed=5)
    assert [one.look for one in made] != [one.look for one in other]
    for one in made:
        assert one.look.products
        assert one.look.occasions == (one.category,)
        assert set(one.like) <= set(table.ids)


def test_an_occasion_and_a_skin_are_kept_to(generator: LookGenerator, taste: TasteModel, table: ItemTable) -> None:
    made = personal_looks(generator, taste, table, None, [], count=3, seed=1, occasion="stage", skin=monk_lab(9))
    middle = personal_looks(generator, taste, table, None, [], count=3, seed=1, occasion="stage")
    assert {one.category for one in made} == {"stage"}
    assert [one.digest for one in made] == [one.digest for one in middle]
    for one, other in zip(made, middle, strict=True):
        skin, plain = one.look.on("skin"), other.look.on("skin")
        if skin and plain:
            assert skin.lab[0] < plain.lab[0] - 30
    with pytest.raises(BadInput, match="category"):
        personal_looks(
            generator, taste, table.select([row for row in range(len(table)) if table.items[row].category != "stage"]),
            None, [], count=1, seed=1, occasion="stage",
        )  # fmt: skip
