"""The rules that ship are sound and respectful; those that people bring are checked, with errors that name the rule."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from persona.errors import BadInput
from persona.makeup.advice import advise
from persona.makeup.look import REGIONS
from persona.makeup.rules import BOOK, Rulebook, Span, read_rules, shipped_rules
from persona.makeup.wearer import SHAPES, UNDERTONES
from persona.store.records import OCCASIONS, SEASONS

from .examples import LOOKS, face

ONE: dict[str, Any] = {
    "id": "mine", "region": "lips", "want": {"hue": [0, 20]}, "weight": 1.0, "why": "I like it.", "source": "me",
}  # fmt: skip


def book(rule: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"sources": {"me": {"kind": "convention", "text": "my own taste"}}, "rules": [rule], **more}


def test_the_shipped_book_speaks_of_everything() -> None:
    rules = shipped_rules().rules
    assert {rule.region for rule in rules} == {*REGIONS, "look"}
    assert {shape for rule in rules for shape in rule.when.shape} == set(SHAPES)
    assert {undertone for rule in rules for undertone in rule.when.undertone} == set(UNDERTONES)
    assert {occasion for rule in rules for occasion in rule.when.occasion} == set(OCCASIONS)
    assert {season for rule in rules for season in rule.when.season} == set(SEASONS)
    assert {rule.source for rule in rules} == set(shipped_rules().sources)  # none is named for show


def test_every_rule_for_some_depth_has_its_like_for_all_depths() -> None:
    """What is said for light skin of a region or family is said for medium and deep skin too, at like weight."""
    rules = [r for r in shipped_rules().rules if r.when.monk and not r.when.undertone]
    for region, of in {(r.region, r.of) for r in rules if r.of not in ("colour lids", "colour liner")}:
        covered: list[int] = []
        for rule in rules:
            if (rule.region, rule.of) == (region, of) and rule.when.monk:
                covered += range(rule.when.monk[0], rule.when.monk[1] + 1)
        assert sorted(covered) == list(range(1, 11)), (region, of)


def test_the_words_are_respectful_and_for_everybody() -> None:
    for rule in shipped_rules().rules:
        said = f"{rule.why} {rule.why_not or ''}".lower()
        assert not re.search(
            r"\b(flaws?|correct\w*|hide|conceal\w*|imperfect\w*|slim\w*|ugly|problem\w*|minimi[sz]e|disguise|fix)\b"
            r"|\b(she|her|he|his|women|woman|men|man|ladies|feminine|masculine|younger|older|anti-ag\w+)\b"
            r"|\b(lighten\w*|whiten\w*|bleach\w*|fairer)\b",
            said,
        ), rule.id
        assert said.strip().endswith((".", "?"))


def test_ranges_are_written_short() -> None:
    assert Span.model_validate([1, 2]) == Span(low=1, high=2)
    assert Span.model_validate({"skin": [-3, 4]}) == Span(low=-3, high=4, to="skin")
    assert Span.model_validate(Span(low=0, high=1).model_dump()) == Span(low=0, high=1)
    for wrong in ([2, 1], [1], [1, 2, 3], {"moon": [1, 2]}, [float("nan"), 1], "1-2"):
        with pytest.raises(ValidationError):
            Span.model_validate(wrong)


def test_the_book_survives_being_written_out() -> None:
    assert Rulebook.model_validate_json(shipped_rules().model_dump_json()) == shipped_rules()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"want": {}}, "rule mine: want: is empty"),
        ({"want": {"hue": [20, 0]}}, "rules.0.want.hue: [20, 0] ends before it begins"),
        ({"want": {"glow": [0, 1]}}, "rules.0.want.glow: Extra inputs are not permitted"),
        ({"want": {"placement": ["wing"]}}, "rule mine: want: placement: wing is none of lips: choose from full"),
        ({"want": {"focus": [0, 1]}}, "rule mine: want: focus: is no trait of lips"),
        ({"region": "look"}, "rule mine: want: hue: is no trait of look: choose from focus, suits"),
        ({"region": "nose"}, "rules.0.region"),
        ({"region": "skin", "want": {"lightness": {"skin": [0, 9]}}}, "rule mine: want: lightness: foundation never"),
        ({"region": "skin", "want": {"lightness": [80, 90]}}, "rule mine: want: lightness: foundation never lightens"),
        ({"why": "Since you are {age}."}, "rule mine: why: {age} is unknown"),
        ({"why": "A {shape} face."}, "rule mine: why: {shape} stands in a rule for every shape"),
        ({"why": "A brace {."}, "rule mine: why:"),
        ({"why": ""}, "rules.0.why"),
        ({"weight": 0}, "rules.0.weight"),
        ({"weight": -1}, "rules.0.weight"),
        ({"source": "you"}, "rule mine: source: 'you' is not among sources: add it there"),
        ({"of": "reds"}, "rule mine: of: 'reds' is no family of lips: add it to families"),
        ({"when": {"monk": [9, 2]}}, "rules.0.when.monk"),
        ({"when": {"occasion": ["gym"]}}, "rules.0.when.occasion.0"),
    ],
)
def test_a_rule_that_is_wrong_is_named(tmp_path: Path, change: dict[str, Any], named: str) -> None:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(book({**ONE, **change})))
    if named == "rules.0.when.monk":
        named = "rules.0.when: monk: [9, 2] ends before it begins"
    with pytest.raises(BadInput) as error:
        read_rules(path)
    assert str(error.value).startswith("rules: mine.json: ")
    assert named in str(error.value)


def test_books_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        read_rules(tmp_path / "none.json")
    for text, named in (
        ("{", "Invalid JSON"),
        ("{}", "sources: is missing"),
        (json.dumps(book(ONE) | {"rules": []}), "rules"),
    ):
        (tmp_path / "bad.json").write_text(text)
        with pytest.raises(BadInput, match=named):
            read_rules(tmp_path / "bad.json")
    (tmp_path / "bad.json").write_text(json.dumps(book(ONE) | {"rules": [ONE, ONE]}))
    with pytest.raises(BadInput, match="rule mine: stands twice"):
        read_rules(tmp_path / "bad.json")
    starter = {"region": "skin", "shift": [9, 0, 0], "opacity": 0.5}
    (tmp_path / "bad.json").write_text(json.dumps(book(ONE, starters=[starter])))
    with pytest.raises(BadInput, match="starters: skin: foundation is the wearer's own colour"):
        read_rules(tmp_path / "bad.json")


def test_rules_of_ones_own(tmp_path: Path) -> None:
    """Green lips, because I say so: the advice follows, gives the reason, and says of the rest that no rule spoke."""
    path = tmp_path / "mine.json"
    rule = {**ONE, "weight": 5, "want": {"hue": [130, 150]}, "why": "Green, because I say so."}
    path.write_text(json.dumps(book(rule)))
    scheme = advise(face(), LOOKS[1:2], rules=read_rules(path), count=1).schemes[0]
    lips, cheeks = (next(c for c in scheme.choices if c.region == region) for region in ("lips", "cheeks"))
    assert lips.reasons[0].text == "Green, because I say so."
    assert lips.reasons[0].source == "my own taste"
    assert lips.product.lab[1] < 0
    assert cheeks.reasons[0].rule == "base"


def test_the_file_that_ships_is_read_like_any_other() -> None:
    assert read_rules(BOOK) == shipped_rules()
