"""Segments: planted groups are found again, named alike however they are drawn, and never written as SQL."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

from persona.analyze import AnalystStore, open_store
from persona.analyze.segmentation import OTHERS, UNDECIDED, Segmentation, segmentation_of
from persona.analyze.segments import segment
from persona.errors import BadInput, NotFound
from persona.store import Profile, Store

from .company import company

NAMES = {"plain dark casual", "striped light smart", "printed bright sporty", "checked green smart"}


def test_planted_groups_are_found_and_named(analyst: AnalystStore, groups: list[int]) -> None:
    found = analyst.segment()
    assert set(found.names) == NAMES
    assert adjusted_rand_score(groups, found.frame["segment"].cat.codes) > 0.95
    assert max(found.silhouette, key=lambda k: found.silhouette[k]) == 4
    assert found.frame["user_id"].is_monotonic_increasing
    assert found.sizes.to_dict() == {**{name: len(found[name]) for name in found.names}, UNDECIDED: 0}
    assert list(found.sizes[:4]) == sorted(found.sizes[:4], reverse=True)


def test_both_databases_give_the_same_segments(company_url: str, store: Store) -> None:
    company(store, 120)
    with open_store(store.url) as opened:
        found = opened.segment(k=4)
    assert set(found.names) == NAMES
    with open_store(company_url) as other:
        assert len(other.segment(k=4).frame) > len(found.frame)


def test_other_seeds_and_other_samples_of_the_same_people_give_the_same_names(
    analyst: AnalystStore, sqlite_store: Store
) -> None:
    company(sqlite_store, 200, seed=5)
    with open_store(sqlite_store.url) as others:
        named = [set(segment(one, seed=seed).names) for one in (analyst, others) for seed in (1, 2)]
    assert named == [NAMES] * 4


def test_the_same_seed_gives_the_same_segments(analyst: AnalystStore) -> None:
    first, again = analyst.segment(k=6, seed=3), analyst.segment(k=6, seed=3)
    pd.testing.assert_frame_equal(first.frame, again.frame)
    assert first.names == again.names


def test_a_segment_that_is_still_there_keeps_its_name(analyst: AnalystStore, tmp_path: Path) -> None:
    before = analyst.segment(k=4)
    renamed = tuple(f"ours {number}" for number in range(4))
    frame = before.frame.assign(segment=before.frame["segment"].cat.rename_categories([*renamed, UNDECIDED]))
    earlier = segmentation_of({**before.told(), "names": list(renamed)}, frame)
    earlier.save(tmp_path)
    loaded = Segmentation.load(tmp_path)
    pd.testing.assert_frame_equal(loaded.frame, frame)
    pd.testing.assert_frame_equal(loaded.centroids, earlier.centroids)
    again = analyst.segment(k=4, seed=9, like=loaded)
    assert set(again.names) == set(renamed)
    assert all(np.allclose(again.centroids.loc[name], earlier.centroids.loc[name], atol=0.02) for name in renamed)
    assert analyst.segment(k=1, like=loaded).names == ("all-round",)  # what is none of them is named anew


def test_who_did_nothing_is_undecided_and_who_did_not_agree_is_not_there(company_url: str) -> None:
    with Store.open(company_url) as store:
        store.put_user(Profile(id="new", consents={"analytics": True}))
        store.put_user(Profile(id="u00000", consents={"analytics": False}))
        store.delete_user("u00001")
    with open_store(company_url) as opened:
        found = opened.segment(k=4).frame.set_index("user_id")["segment"]
    assert found["new"] == UNDECIDED
    assert {"u00000", "u00001"}.isdisjoint(found.index)


def test_a_rule_divides_by_exact_values(analyst: AnalystStore) -> None:
    found = analyst.segment(rule=" age_band=25-34, top_pattern=striped")
    users = analyst.frame("dim_user", ["user_id", "age_band", "top_pattern"])
    wanted = users[(users["age_band"] == "25-34") & (users["top_pattern"] == "striped")]
    assert found.names == ("age_band=25-34,top_pattern=striped",)
    assert set(found[found.names[0]].users) == set(wanted["user_id"])
    assert set(found.frame["segment"]) == {found.names[0], OTHERS}
    assert len(analyst.segment(rule="undertone=unknown")["undertone=unknown"]) == len(users)
    assert len(analyst.segment(rule="skin_tone=3")["skin_tone=3"]) > 0


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("age_band=65-plus", "age_band=65-plus matches nobody; there are 18-24"),
        ("undertone=warm", "undertone=warm matches nobody; it is unknown of everybody"),
        ("activity=medium,activity=low", "activity stands twice"),
        ("user_id=u00001", "there is no 'user_id' to choose by; choose from age_band"),
        ("age_band", "'age_band' is no condition"),
        ("", "'' is no condition"),
        ("age_band=x' OR '1'='1", "matches nobody"),
        ("age_band=25-34); DROP TABLE users; --", "matches nobody"),
    ],
)
def test_a_rule_that_cannot_be_says_which_part(analyst: AnalystStore, rule: str, said: str) -> None:
    with pytest.raises(BadInput, match=r"^rule: ") as raised:
        analyst.segment(rule=rule)
    assert said in str(raised.value)


def test_a_rule_whose_parts_exclude_each_other_says_so(analyst: AnalystStore) -> None:
    users = analyst.frame("dim_user", ["top_pattern", "top_colour"])
    pairs = set(zip(users["top_pattern"], users["top_colour"], strict=True))
    missing = next(
        (p, c) for p in users["top_pattern"].unique() for c in users["top_colour"].unique() if (p, c) not in pairs
    )
    with pytest.raises(BadInput, match=f"top_colour={missing[1]} matches none of those with top_pattern={missing[0]}"):
        analyst.segment(rule=f"top_pattern={missing[0]},top_colour={missing[1]}")


@pytest.mark.parametrize(("asked", "field"), [({"k": 0}, "k"), ({"k": 161}, "k"), ({"k": 3, "rule": "a=b"}, "k"),
                                              ({"k": "some"}, "k")])  # fmt: skip
def test_numbers_of_segments_that_cannot_be_are_refused(analyst: AnalystStore, asked: dict, field: str) -> None:
    with pytest.raises(BadInput, match=f"^{field}: "):
        analyst.segment(**asked)


def test_too_few_who_liked_something_are_no_segments(sqlite_store: Store, analyst: AnalystStore) -> None:
    company(sqlite_store, 19)
    with open_store(sqlite_store.url) as opened, pytest.raises(BadInput, match="there are 19: run `persona analyze"):
        opened.segment()
    with pytest.raises(NotFound, match="there are "):
        analyst.segment(k=2)["nobody's"]
