"""The trust report: what it says of groups, exposure and rights, and what it leaves out."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import insert

from persona.analyze.fairness import SMALLEST, by_groups
from persona.analyze.store import AnalystStore
from persona.analyze.trust import answers, missing, rights
from persona.analyze.trust_page import page, write_report
from persona.analyze.trust_ranking import _held_out, ask, foresee, ranking_quality
from persona.analyze.trust_shown import exposure, gini, online_rates, places
from persona.errors import BadInput
from persona.store import Event, Item, Profile, Rights, Store, Traits
from persona.store.analysis_schema import RecommendationRow
from persona.store.trust import RightsCount
from persona.store.warehouse import Warehouse
from persona.taste.history import HistoryEntry
from persona.taste.model import TasteConfig, TasteModel
from persona.taste.table import ItemTable

NOW = datetime(2026, 3, 1, tzinfo=UTC)
RIGHTS = Rights(licence="CC0-1.0", source="https://example.org")


def people(**counts: int) -> pd.DataFrame:
    """Users of these age bands, alike in everything else."""
    bands = [band.replace("_", "-") for band, count in counts.items() for _ in range(count)]
    return pd.DataFrame({"age_band": bands, "skin_tone_band": None, "body_shape": "pear", "activity": "low"})


def test_groups_are_compared_and_an_uneven_measure_is_told_from_chance() -> None:
    users = people(a18_24=60, b25_34=60, c35_44=60)
    values = np.repeat([0.2, 0.8, 0.8], 60) + np.random.default_rng(0).normal(0, 0.05, 180)
    found = by_groups(users, values)
    ages = found["by"]["age_band"]
    assert [group["users"] for group in ages["groups"].values()] == [60, 60, 60]
    assert ages["worst_over_best"] == pytest.approx(0.25, abs=0.02)
    assert ages["expected_by_chance"] > 0.8
    assert ages["p_value"] < 0.01
    low, high = found["all"]["interval"]
    assert low < found["all"]["value"] < high
    assert found["by"]["skin_tone_band"]["groups"].keys() == {"unknown"}
    assert found["by"]["body_shape"]["worst_over_best"] is None  # one group is no comparison


def test_an_even_measure_is_within_chance() -> None:
    rng = np.random.default_rng(1)
    ps = [by_groups(people(a=40, b=40, c=40), rng.normal(1, 0.3, 120))["by"]["age_band"]["p_value"] for _ in range(40)]
    assert np.mean(np.array(ps) < 0.05) < 0.2


def test_a_ratio_is_of_sums() -> None:
    found = by_groups(people(a=30), np.full(30, 2.0), np.arange(1.0, 31.0))
    assert found["all"]["value"] == pytest.approx(60 / np.arange(1, 31).sum(), abs=1e-5)


@pytest.mark.parametrize("few", [1, SMALLEST - 1])
def test_small_groups_are_hidden_and_cannot_be_found_by_subtraction(few: int) -> None:
    ages = by_groups(people(a=50, b=30, c=few), np.ones(80 + few))["by"]["age_band"]
    assert ages["groups"].keys() == {"a"}  # b too: or all, less a and b, would be c
    assert ages["hidden_users"] == 30 + few
    several = by_groups(people(a=50, b=30, c=12, d=12), np.ones(104))["by"]["age_band"]
    assert several["groups"].keys() == {"a", "b"}
    assert several["hidden_users"] == 24


def test_fewer_users_than_the_smallest_group_are_not_told_at_all() -> None:
    assert by_groups(people(a=SMALLEST - 1), np.ones(SMALLEST - 1)) == {"all": None, "by": {}, "users": None}


def test_the_gini_index_of_known_shares() -> None:
    assert gini(np.ones(10)) == pytest.approx(0)
    assert gini(np.array([0.0] * 9 + [1.0])) == pytest.approx(0.9)
    assert gini(np.array([1.0, 3.0])) == pytest.approx(0.25)
    assert gini(np.array([1.0, 3.0]), np.array([1.0, 3.0])) == pytest.approx(0)  # each has its size


def test_exposure_names_large_owners_and_counts_who_is_left_out() -> None:
    items = [
        Item(id=f"{owner}{n}", category="dress", owner=owner, rights=RIGHTS, active=n < 25)
        for owner, count in {"big": 30, "left": 25, "small": 3}.items() for n in range(count)
    ]  # fmt: skip
    found = exposure(items, {"big0": 6, "big1": 3, "small0": 1, "gone": 5})
    assert (found["places"], found["items"], found["items_never_shown"]) == (10, 53, 50)
    assert (found["owners"], found["owners_never_shown"], found["owners_never_shown_items"]) == (3, 1, 25)
    told = {row["owner"]: row for row in found["by_owner"]}
    assert told.keys() == {"big", "left", "1 others"}
    assert told["big"]["ratio"] == pytest.approx(0.9 / (25 / 53), abs=1e-3)
    assert told["left"]["share_of_places"] == 0
    assert exposure(items, {}) == {"places": 0, "items": 53}


def test_what_of_rights_is_missing() -> None:
    def count(**given: Any) -> RightsCount:
        usual = {"domain": "garment", "licence": "CC0", "source": "x", "generated": False, "consent": False}
        return RightsCount(**{**usual, "items": 4, "pictured": 3, **given})

    assert missing(count()) == []
    assert missing(count(licence="Unknown", source=" ")) == ["licence", "source"]
    assert missing(count(domain="style")) == ["consent"]
    assert missing(count(domain="style", consent=True)) == []
    found = rights([count(), count(licence="none"), count(generated=True, source="unknown")])
    assert (found["pictures"], found["open"], found["training_pictures"], found["training_open"]) == (9, 6, 6, 3)
    assert found["coverage"] == pytest.approx(1 / 3, abs=1e-4)


def test_an_answer_that_few_gave_cannot_be_found_by_subtraction() -> None:
    assert answers({"granted": 600, "refused": 40, "unanswered": 0}) == {"granted": 600, "refused": 40, "unanswered": 0}
    few = {"granted": 607, "refused": 6, "unanswered": 0}
    assert answers(few) == {"granted": "about 600", "refused": "fewer than 20", "unanswered": 0}


def test_the_thing_favoured_last_is_held_out_with_every_sight_of_it() -> None:
    acts = [("view", 1), ("like", 2), ("view", 3), ("cart", 1), ("like", 3), ("view", 4), ("dislike", 2)]
    entries = [HistoryEntry(kind, NOW + timedelta(days=day), row) for day, (kind, row) in enumerate(acts)]
    found = _held_out(entries)
    assert found is not None
    assert ([entry.item for entry in found[0]], found[1]) == ([1, 2], 3)
    assert _held_out(entries[:1]) is None


@pytest.fixture
def shop(store: Store) -> Store:
    """Fifty users, half of them 18-24, who see two garments each; the younger like what they see."""
    store.put_items([Item(id=f"i{n}", category="dress", owner="shop", rights=RIGHTS) for n in range(6)])
    rows = []
    for n in range(50):
        young = n < 25
        traits = Traits(age_band="18-24" if young else "55-64")
        consents = {"analytics": n != 49, "training": n < 30, "personalisation": True}
        store.put_user(Profile(id=f"u{n:02}", traits=traits, consents=consents))
        shown = [{"rank": place + 1, "item_id": f"i{(n + place) % 5}", "category": "dress", "score": 1.0}
                 for place in range(2)]  # fmt: skip
        rows.append(
            {"id": f"r{n}", "user_id": f"u{n:02}", "at": NOW, "arm": "default", "cold_start": "none",
             "taste_model": "t@1", "generator_model": "g@1", "shown": shown}
        )  # fmt: skip
        told = {"user_id": f"u{n:02}", "item_id": f"i{n % 5}"}
        later = NOW + timedelta(hours=1)
        store.add_events(
            [
                Event(key=f"{n}-a", type="like", at=later, rec_id=f"r{n}" if young else "r0", **told),
                Event(key=f"{n}-b", type="save", at=later, rec_id=f"r{n}" if young else None, **told),
                Event(key=f"{n}-c", type="view", at=later, rec_id=f"r{n}", user_id=told["user_id"], item_id="i5"),
            ]
        )
    with store._writing() as session:
        session.execute(insert(RecommendationRow), rows)
    return store


def analysts(store: Store) -> AnalystStore:
    return AnalystStore(Warehouse(store._engine))


def test_rates_count_what_was_shown_once_and_only_acts_that_name_their_own_answer(shop: Store) -> None:
    found = online_rates(analysts(shop))
    ages = found["retrieved"]["by"]["age_band"]["groups"]
    assert ages["18-24"]["value"] == 0.5  # one of two, though liked and saved
    assert ages["55-64"] == {"users": 24, "value": 0.0, "interval": [0.0, 0.0]}  # one refuses analytics
    assert found["generated"]["all"] is None
    shown = places(analysts(shop))
    assert sum(shown.values()) == 98
    assert "i5" not in shown


def test_counts_are_of_everybody_and_of_the_log(shop: Store) -> None:
    shop.delete_user("u00")
    counts = shop.consent_counts()
    assert counts["training"] == {"granted": 29, "refused": 20, "unanswered": 0}
    assert counts["photos"] == {"granted": 0, "refused": 0, "unanswered": 49}
    assert shop.accounted_months() == [(f"{datetime.now(UTC):%Y-%m}", "user.erase", 1)]
    (row,) = shop.rights_counts()
    assert (row.domain, row.licence, row.items, row.pictured) == ("garment", "CC0-1.0", 6, 0)
    assert shop.versions_in_use() == {"t@1": {"recommendations": 49}}


def test_rankings_are_asked_of_who_allows_it_without_the_future(shop: Store) -> None:
    refusing = Profile(id="u01", consents={"analytics": True, "personalisation": False})
    shop.put_user(refusing)
    items = shop.items()
    features = np.random.default_rng(0).normal(size=(len(items), 64)).astype(np.float32)
    table = ItemTable.of(items, features)
    users = analysts(shop).frame("dim_user")
    asked = ask(shop, table, users, most=40)
    assert len(asked) <= 40
    everybody = ask(shop, table, users, most=100)
    assert len(everybody) == 48
    assert all(history == [] for history in everybody.histories)  # what they liked is the first thing that they met
    assert set(everybody.traits["activity"]) == {"low"}
    found = ranking_quality(everybody, foresee(TasteModel(TasteConfig()).eval(), table, everybody))
    assert found["ndcg10"]["all"]["users"] == 48
    assert found["hr10"]["all"]["value"] == 1.0  # of six garments


class _Outline(HTMLParser):
    """What of a page matters to those who do not see it: headings, table headers, ids and addresses."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: set[str] = set()
        self.links: set[str] = set()
        self.scopes = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        self.ids |= {given["id"] or ""} if "id" in given else set()
        self.links |= {given["href"] or ""} if "href" in given else set()
        self.scopes += "scope" in given


def report_of(owner: str) -> dict[str, Any]:
    """A whole report of made-up figures."""
    figures = by_groups(people(a=30, b=30), np.random.default_rng(0).random(60))
    none = by_groups(people(a=3), np.ones(3))
    card = {"name": "m", "kind": "gan", "version": "m@1", "made": {"m@1": {"generations": 4}}, "facts": {"date": "x"},
            "card": f"# {owner}"}  # fmt: skip
    return {
        "made": "2026-01-01", "seed": 0, "smallest_group": SMALLEST, "models": {"taste": "t@1", "generator": "g@1"},
        "users_seen": 60, "users_asked": 60, "items": 50, "extent": {},
        "ranking": {"ndcg10": figures, "hr10": figures, "popularity_ndcg10": figures},
        "making": {"wins": figures, "control": figures["all"], "pictures": 9},
        "online": {"retrieved": figures, "generated": none},
        "exposure": {"source": "answers", **exposure(
            [Item(id=f"i{n}", category="dress", owner=owner, rights=RIGHTS) for n in range(30)], {"i1": 4})},
        "rights": rights([RightsCount("garment", "CC0", owner, False, False, 4, 4)]),
        "copying": [{"name": "g", "copy_ratio": 0.97, "copy_ratio_of_copies": 0.48, "held_out": 5, "trained_on": 9},
                    {"name": "look-gan", "copy_ratio": None, "copy_ratio_of_copies": None, "held_out": None,
                     "trained_on": None}],
        "consents": {"training": {"granted": f"fewer than {SMALLEST}", "refused": 0, "unanswered": 60}},
        "accounted": [{"month": "2026-01", "action": "user.erase", "count": 2}],
        "cards": [card, {"name": "broken", "damaged": "no config", "made": {}}], "limits": ["Nobody looked."],
    }  # fmt: skip


def test_the_page_stands_alone_and_is_readable_and_escapes_what_it_is_told() -> None:
    text = page(report_of("<script>alert(1)</script>"))
    outline = _Outline(text)
    assert "script" not in outline.tags
    assert "&lt;script&gt;" in text
    assert text.startswith('<!doctype html>\n<html lang="en">')
    assert outline.tags.count("h1") == outline.tags.count("main") == 1
    assert outline.tags.count("table") == outline.tags.count("caption")
    assert outline.scopes >= outline.tags.count("th") > 0
    inside = {link[1:] for link in outline.links if link.startswith("#")}
    assert inside <= outline.ids
    assert inside >= {"quality", "exposure", "rights", "copying", "people", "models", "limits"}
    assert not re.search(r'(src|href)="https?:', text)
    assert "default-src 'none'" in text
    assert "built-in" not in text  # of a dict's methods


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "file"
    folder.touch()
    with pytest.raises(BadInput, match="--out"):
        write_report(report_of("shop"), folder)
    made, figures = write_report(report_of("shop"), tmp_path / "out")
    assert json.loads(figures.read_text())["items"] == 50
    assert "shop" in made.read_text()
