"""Similar users: what a plain look at everybody finds, and only those who may be seen now."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from persona.analyze import AnalystStore, open_store
from persona.analyze.tastes import features, mean_shares, read_tastes, shares
from persona.errors import BadInput, NotFound
from persona.store import Profile, Store

from .company import company


@pytest.fixture
def opened(store: Store) -> Iterator[AnalystStore]:
    """A small company, on both databases."""
    company(store, 60)
    with open_store(store.url) as analyst:
        yield analyst


def test_neighbours_are_those_of_a_plain_look_at_everybody(analyst: AnalystStore) -> None:
    tastes = read_tastes(analyst)
    points = features(tastes.weights, mean_shares(shares(tastes.weights)))
    away = points - points.mean(0)
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    ids = tastes.users["user_id"].tolist()
    for user in (0, 17, 200):
        nearness = away @ away[user]
        nearness[user] = -np.inf
        wanted = np.argsort(-nearness, kind="stable")[:25]
        found = analyst.similar_users(ids[user], 25)
        assert found["user_id"].tolist() == [ids[row] for row in wanted]
        assert found["rank"].tolist() == list(range(1, 26))
        np.testing.assert_allclose(found["similarity"], nearness[wanted], atol=1e-5)


def test_neighbours_are_of_the_same_group(analyst: AnalystStore, groups: list[int]) -> None:
    found = analyst.similar_users("u00007", 20)["user_id"]
    assert {groups[int(name[1:])] for name in found} == {groups[7]}


def test_who_is_erased_or_does_not_agree_any_more_is_not_found_by_an_index_made_before(
    store: Store, opened: AnalystStore
) -> None:
    before = opened.similar_users("u00007", 59)["user_id"].tolist()
    assert len(before) == 59
    store.delete_user(before[0])
    store.put_user(Profile(id=before[1], consents={"analytics": False}))
    assert opened.similar_users("u00007", 59)["user_id"].tolist() == before[2:]
    assert opened.similar_users("u00007", 3)["user_id"].tolist() == before[2:5]
    for gone in before[:2]:
        with pytest.raises(NotFound, match="analysts see no user"):
            opened.similar_users(gone)


def test_more_than_a_look_that_are_not_seen_any_more_are_made_up_for(store: Store, opened: AnalystStore) -> None:
    before = opened.similar_users("u00007", 59)["user_id"].tolist()
    store.bulk_users([Profile(id=name, consents={"analytics": False}) for name in before[:50]])
    assert opened.similar_users("u00007", 4)["user_id"].tolist() == before[50:54]


def test_new_users_are_found_when_tastes_are_read_anew(store: Store, opened: AnalystStore) -> None:
    before = opened.similar_users("u00007", 100)
    company(store, 10, seed=3, prefix="v")
    assert len(opened.similar_users("v00000", 100)) == 60  # a user who came later can be asked about at once
    assert len(opened.similar_users("u00007", 100, anew=True)) == len(before) + 10


def test_wrong_questions_are_refused(store: Store, opened: AnalystStore) -> None:
    store.put_user(Profile(id="new", consents={"analytics": True}))
    with pytest.raises(BadInput, match="has liked nothing yet"):
        opened.similar_users("new")
    with pytest.raises(BadInput, match="count: 0: choose from 1 to"):
        opened.similar_users("u00007", 0)
    with pytest.raises(NotFound):
        opened.similar_users("nobody")
