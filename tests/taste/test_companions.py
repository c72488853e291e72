"""Reasons of a score that is fused: exact parts, shares that add up, and causes without which the score falls."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona.store.records import EVENT_TYPES
from persona.taste.companions import Companions
from persona.taste.cooccurrence import Cooccurrence, Fusion
from persona.taste.history import HistoryEntry
from persona.taste.model import TasteModel
from persona.taste.rank import best
from persona.taste.reasons import causes_of, reasons_for, shares_of
from persona.taste.table import Floats, ItemTable

from .conftest import DAY, did, prefers

N, FAMILY = 150, 5
FUSION = Fusion((0, 3, 2, 1), scale=0.2)
entries = st.builds(
    lambda kind, row: HistoryEntry(kind, DAY, row) if row >= 0 else HistoryEntry(kind, DAY, None, np.zeros(64)),
    st.sampled_from(EVENT_TYPES), st.integers(-1, N - 1),
)  # fmt: skip


def planted(count: int, seed: int) -> list[list[int]]:
    """Histories of people who take one item of a family of five after another, between whatever else."""
    rng = np.random.default_rng(seed)
    histories = []
    for _ in range(count):
        rows = rng.integers(0, N, 8)
        places = np.sort(rng.choice(8, 3, replace=False))
        rows[places] = rng.integers(N // FAMILY) * FAMILY + rng.permutation(FAMILY)[:3]
        histories.append(rows.tolist())
    return histories


@pytest.fixture(scope="module")
def companions() -> Companions:
    histories = planted(1500, 0)
    starts = np.cumsum([0, *map(len, histories)])
    return Companions(Cooccurrence.of(N, starts, np.concatenate(histories)), FUSION)


@given(st.lists(entries, max_size=14))
def test_parts_add_up_to_the_bonus(companions: Companions, history: list[HistoryEntry]) -> None:
    bonus, parts = companions.bonus(history), companions.parts(history, np.arange(N))
    assert parts.shape == (len(history), N)
    assert np.allclose(parts.sum(0), bonus, atol=1e-5)
    assert (parts >= 0).all()
    silent = [entry.item is None or entry.type in ("dislike", "hide") for entry in history]
    assert not parts[silent].any()


def test_shares_of_encoder_and_companions_add_up(model: TasteModel, known: ItemTable, companions: Companions) -> None:
    profile, history = prefers(("colour", "green", 1.0)), did(4, 9, 4, 60)
    causes, vectors = causes_of(model, profile, history, known), model.item_vectors(known)
    rows = best(companions.bonus(history), 10)[0]
    lead, prior = vectors[rows] - vectors.mean(0), model.prior(known)[rows]
    parts = companions.parts(history, rows)
    shares = shares_of(causes, lead, prior, parts)
    assert shares.shape == (10, 5)
    assert (shares.sum(1) <= 1.0001).all()
    fused, alone = (shares_of(causes, lead, None, part) for part in (parts, None))
    own = (lead @ causes.vector).clip(min=0)[:, None] * (alone.sum(1, keepdims=True) > 0)
    together = parts.T.sum(1, keepdims=True)
    assert np.allclose(fused[:, 1:] * (own + together), alone[:, 1:] * own + parts.T, atol=1e-4)
    assert np.allclose(fused[:, 0] * (own + together)[:, 0], alone[:, 0] * own[:, 0], atol=1e-4)
    reasons = reasons_for(causes, vectors[rows], vectors.mean(0), known, prior, parts)
    assert reasons[0][0].item_id in {"item-4", "item-9", "item-60"}


@dataclass(frozen=True)
class Fused:
    """Scores of histories by encoder and co-occurrence, and what is named for them."""

    model: TasteModel
    table: ItemTable
    companions: Companions

    def scores(self, history: list[HistoryEntry]) -> Floats:
        encoder = self.model.item_vectors(self.table) @ self.model.encode(None, history, self.table)
        return encoder + self.model.prior(self.table) + self.companions.bonus(history)

    def named(self, history: list[HistoryEntry], row: int) -> int:
        vectors = self.model.item_vectors(self.table)
        parts, prior = self.companions.parts(history, np.array([row])), self.model.prior(self.table)[[row]]
        causes = causes_of(self.model, None, history, self.table)
        return int(shares_of(causes, vectors[[row]] - vectors.mean(0), prior, parts)[0].argmax())

    def falls(self, history: list[HistoryEntry], row: int, forgotten: int) -> float:
        """By how much the item's log-probability over the catalogue falls without an event."""
        whole = self.scores(history)
        less = self.scores(history[:forgotten] + history[forgotten + 1 :])
        return float((whole[row] - np.logaddexp.reduce(whole)) - (less[row] - np.logaddexp.reduce(less)))


def test_forgetting_the_named_cause_costs_more_than_forgetting_another(
    model: TasteModel, known: ItemTable, companions: Companions
) -> None:
    fused, rng, wins = Fused(model, known, companions), np.random.default_rng(1), []
    for rows in planted(120, 2):
        history = did(*rows)
        scores = fused.scores(history)
        scores[rows] = -np.inf
        row = int(scores.argmax())
        named = fused.named(history, row)
        other = int(rng.choice(np.delete(np.arange(len(rows)), named)))
        wins.append(fused.falls(history, row, named) > fused.falls(history, row, other))
    assert np.mean(wins) >= 0.9
