"""Advice: whole schemes for everybody, with reasons that are true, the user's own word first, and honest doubt."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persona.catalog.colour import delta_e_2000
from persona.errors import BadInput
from persona.makeup.advice import SAME_LIPS, Advice, advise
from persona.makeup.fitting import Judge
from persona.makeup.look import REGIONS, Look
from persona.makeup.monk import monk_lab
from persona.makeup.products import ProductTable
from persona.makeup.rules import shipped_rules
from persona.makeup.wearer import wearer_of
from persona.store.records import OCCASIONS, SEASONS, Occasion

from .examples import LOOKS, SHAPES, face, look

UNDERTONES = ("cool", "neutral", "warm")
MONKS = range(1, 11)
ESSENTIAL = {"skin", "cheeks", "brows", "lids", "lips"}
maybe = {
    "occasion": st.sampled_from([None, *OCCASIONS]),
    "season": st.sampled_from([None, *SEASONS]),
    "shape": st.sampled_from(SHAPES),
}
few = settings(max_examples=20, deadline=None)


def hue(lab: tuple[float, ...]) -> float:
    return float(np.degrees(np.arctan2(lab[2], lab[1])))


@few
@given(monk=st.sampled_from(MONKS), undertone=st.sampled_from([*UNDERTONES, None]), count=st.integers(1, 5), **maybe)
def test_everybody_gets_whole_schemes(monk, undertone, count, shape, occasion, season) -> None:  # type: ignore[no-untyped-def]
    advice = advise(face(monk, undertone, shape), LOOKS, occasion=occasion, season=season, count=count)
    assert len(advice.schemes) == len({s.look_id for s in advice.schemes}) == count
    assert Advice.model_validate_json(advice.model_dump_json()) == advice
    for scheme in advice.schemes:
        assert {p.region for p in scheme.look.products} >= ESSENTIAL
        assert [c.product for c in scheme.choices] == list(scheme.look.products)
        for choice in scheme.choices:
            assert choice.reasons[0].weight > 0
            assert all(reason.text and reason.source for reason in choice.reasons)
        skin = scheme.look.on("skin")
        assert skin is not None
        assert skin.lab == monk_lab(monk)  # the wearer's own: no lighter, no darker
    scores = [s.score for s in advice.schemes]
    assert scores == sorted(scores, reverse=True)


@few
@given(
    scores=st.lists(st.floats(0.01, 1), min_size=5, max_size=5), first_tone=st.integers(1, 10),
    width=st.integers(0, 9), lab=st.sampled_from([None, (62.0, 9.0, 18.0)]),
    undertone=st.sampled_from([*UNDERTONES, None]),
)  # fmt: skip
def test_what_is_uncertain_is_said_and_nothing_is_made_lighter(scores, first_tone, width, lab, undertone) -> None:  # type: ignore[no-untyped-def]
    shape = {s: v / sum(scores) for s, v in zip(SHAPES, scores)}
    last = min(10, first_tone + width)
    unsure = face(None, undertone, None, certain=False, monk_range=(first_tone, last), scores=shape, lab=lab)
    advice = advise(unsure, LOOKS, occasion="evening")
    said = " ".join(advice.uncertain)
    assert re.search(r"Skin tone: not certain.*daylight", said)
    assert "Undertone: not known" in said
    assert len(advice.schemes) == 3
    for scheme in advice.schemes:
        skin, contour = scheme.look.on("skin"), scheme.look.on("contour")
        assert skin is None if lab is None else skin is not None and skin.lab == lab
        assert ("Foundation: left out" in said) == (skin is None)
        assert ("Contour and highlight: left out" in said) == (contour is None)


def test_certain_readings_leave_nothing_uncertain() -> None:
    assert advise(face(), LOOKS).uncertain == ()


def test_a_face_between_two_shapes_is_named() -> None:
    between = face(scores={"oval": 0.1, "round": 0.4, "square": 0.38, "heart": 0.06, "oblong": 0.06}, shape=None)
    assert "between round and square" in advise(between, LOOKS).uncertain[0]


def test_a_choice_for_a_range_is_between_those_for_its_ends() -> None:
    """A colour for all that the skin may be: worth more over the range than what either end would choose."""
    unsure = face(None, None, "oval", certain=False, monk_range=(3, 8))
    judge = Judge(shipped_rules(), wearer_of(unsure))
    ids = {s.look_id: s.look for s in advise(unsure, LOOKS, count=10).schemes}
    for name, base in LOOKS:
        if name not in ids:
            continue
        rules = judge.speaking(judge.whole(base, REGIONS))
        ours = sum(judge.points(rules, ids[name]).values())
        for monk in (3, 8):
            certain = advise(face(monk, "cool", "oval"), [(name, base)], count=1).schemes[0].look
            same = certain.only({p.region for p in ids[name].products})
            assert ours >= sum(judge.points(rules, same).values()) - 0.25


def test_the_stated_word_stands_before_what_was_read() -> None:
    """The photo says 3, cool, square; the user 9, warm, round."""
    skin = {"lab": monk_lab(3), "certain": False}
    said = face(9, "warm", None, stated=("monk", "undertone"), monk_range=(2, 4), scores=None, **skin)
    said = said.model_copy(update={"shape": said.shape.model_copy(update={"shape": "round", "stated": True})})
    advice = advise(said, LOOKS, occasion="evening")
    assert not [text for text in advice.uncertain if text.startswith(("Skin tone: not", "Undertone", "Face shape"))]
    reasons = {r.rule for s in advice.schemes for c in s.choices for r in c.reasons}
    assert {"cheeks-deep", "cheeks-warm", "cheeks-lifted"} <= reasons
    assert not {"cheeks-light", "cheeks-cool", "cheeks-apples"} & reasons


def test_a_word_against_a_certain_photo_counts_and_is_said() -> None:
    advice = advise(face(9, "warm", stated=("monk",), lab=monk_lab(3)), LOOKS)
    assert "you said Monk tone 9, the photo looks much lighter; your own word counts" in advice.uncertain[0]
    assert advice.schemes[0].look.on("skin").lab == monk_lab(3)  # type: ignore[union-attr]  # evens in the photo


@pytest.mark.parametrize("stated", [(), ("monk",)])
def test_light_skin_as_photos_show_it_is_no_contradiction(stated: tuple[str, ...]) -> None:
    """Photos show the lightest Monk tones darker than their swatches: colours follow what the photo shows."""
    seen = (66.0, 12.0, 14.0)
    advice = advise(face(3, "neutral", stated=stated, lab=seen), LOOKS, occasion="evening")
    assert advice.uncertain == ()
    for scheme in advice.schemes:
        contour = scheme.look.on("contour")
        assert contour is not None
        assert seen[0] - 20 <= contour.lab[0] < seen[0]


@few
@given(
    tastes=st.dictionaries(st.sampled_from([name for name, _ in LOOKS]), st.floats(-1e6, 1e6), min_size=2),
    raised=st.sampled_from([name for name, _ in LOOKS]), by=st.floats(0, 1e6),
)  # fmt: skip
def test_a_look_that_is_liked_more_never_falls(tastes: dict[str, float], raised: str, by: float) -> None:
    if raised not in tastes:
        return
    schemes = advise(face(), LOOKS, taste=tastes, count=10).schemes
    before, scores = [s.look_id for s in schemes], {s.look_id: s.score for s in schemes}
    more = advise(face(), LOOKS, taste={**tastes, raised: tastes[raised] + by}, count=10)
    for scheme in more.schemes:
        if scheme.look_id == raised and raised in scores:
            assert scheme.score >= scores[raised] - 1e-9
    after = [s.look_id for s in more.schemes]
    if before[0] == raised:
        assert after[0] == raised


def test_taste_moves_the_ranking_on_any_scale() -> None:
    plain = [s.look_id for s in advise(face(), LOOKS, count=10).schemes]
    last = plain[-1]
    taste = {name: float(name == last) + at / 100 for at, name in enumerate(plain[::-1])}
    liked = advise(face(), LOOKS, taste=taste, count=10)
    assert [s.look_id for s in liked.schemes].index(last) < 9
    scaled = advise(face(), LOOKS, taste={name: 1000 * value - 7 for name, value in taste.items()}, count=10)
    assert scaled.schemes == liked.schemes


@few
@given(monk=st.sampled_from(MONKS), undertone=st.sampled_from([*UNDERTONES, None]), **maybe)
def test_the_score_loses_most_without_the_heaviest_reason(monk, undertone, shape, occasion, season) -> None:  # type: ignore[no-untyped-def]
    """Deletion: the same look, judged without one rule after another."""
    person = face(monk, undertone, shape)
    book, wearer = shipped_rules(), wearer_of(person, occasion, season)
    scheme = advise(person, LOOKS, occasion=occasion, season=season, count=1).schemes[0]
    base = Judge(book, wearer).whole(dict(LOOKS)[scheme.look_id], REGIONS)

    def score(rules: object) -> float:
        judge = Judge(rules, wearer)  # type: ignore[arg-type]
        return sum(judge.points(judge.speaking(base), scheme.look).values())

    assert score(book) == pytest.approx(scheme.score)
    reasons = [r for c in scheme.choices for r in c.reasons] + list(scheme.reasons)
    losses = {r.rule: score(book) - score(book.without(r.rule)) for r in reasons}
    assert losses == pytest.approx({r.rule: r.weight for r in reasons})
    named = max(reasons, key=lambda r: abs(r.weight)).rule
    assert abs(losses[named]) == pytest.approx(max(abs(loss) for loss in losses.values()))


def test_without_its_rule_a_choice_is_made_differently() -> None:
    round_face = face(shape="round")
    with_rule = advise(round_face, LOOKS, count=1).schemes[0].look.on("cheeks")
    without = advise(round_face, LOOKS, count=1, rules=shipped_rules().without("cheeks-lifted")).schemes[0]
    assert with_rule is not None
    assert with_rule.placement == "lifted"
    assert without.look.on("cheeks").placement == "apples"  # type: ignore[union-attr]


@pytest.mark.parametrize("occasion", OCCASIONS)
def test_every_tone_is_served_alike(occasion: str) -> None:
    fits = np.array([
        np.mean([s.fit for u in UNDERTONES for s in advise(face(m, u), LOOKS, occasion=occasion).schemes])  # type: ignore[arg-type]
        for m in MONKS
    ])  # fmt: skip
    assert fits.max() / fits.min() < 1.1


def test_colours_alone_change_with_the_tone() -> None:
    """Undertone and depth move colours and opacities, not what is worn, where it lies or how many schemes there are."""

    def worn(monk: int, undertone: str) -> list[tuple[str, str | None]]:
        made = advise(face(monk, undertone), [("rose", dict(LOOKS)["rose"])], occasion="work", count=1).schemes[0].look
        return [(p.region, p.placement) for p in made.products]

    assert len({tuple(worn(monk, undertone)) for monk in MONKS for undertone in UNDERTONES}) == 1


@pytest.mark.parametrize("monk", MONKS)
def test_undertone_turns_lips_and_cheeks(monk: int) -> None:
    nude = [("bare", dict(LOOKS)["bare"])]
    hues = {}
    for undertone in UNDERTONES:
        made = advise(face(monk, undertone), nude, count=1, occasion="everyday").schemes[0].look
        hues[undertone] = [hue(made.on(region).lab) for region in ("lips", "cheeks")]  # type: ignore[union-attr,arg-type]
    assert max(hues["cool"]) <= 32  # no orange nude on a cool undertone
    assert min(hues["warm"]) >= 26
    assert all(cool < warm for cool, warm in zip(hues["cool"], hues["warm"]))


@pytest.mark.parametrize("monk", [7, 8, 9, 10])
@pytest.mark.parametrize("undertone", UNDERTONES)
def test_deep_skin_gets_blush_and_highlight_that_show_and_are_not_ashy(monk: int, undertone: str) -> None:
    for scheme in advise(face(monk, undertone), LOOKS, occasion="evening", count=5).schemes:
        skin = np.array(monk_lab(monk))
        for region, chroma in (("cheeks", 36), ("highlight", 16)):
            product = scheme.look.on(region)  # type: ignore[arg-type]
            assert product is not None
            assert product.opacity * float(delta_e_2000(product.lab, skin)) >= 2
            assert np.hypot(*product.lab[1:]) >= chroma
            assert product.lab[0] <= skin[0] + 36


def test_occasion_sets_the_strength() -> None:
    def lids(occasion: str) -> float:
        made = advise(face(), [("rose", dict(LOOKS)["rose"])], occasion=occasion, count=1).schemes[0]  # type: ignore[arg-type]
        return float(Judge(shipped_rules(), wearer_of(face())).contrast(made.look.on("lids")).item())

    assert lids("everyday") < lids("evening") < lids("stage")


@pytest.mark.parametrize("occasion", [None, "everyday", "evening"])
@pytest.mark.parametrize("monk", [2, 5, 9])
def test_schemes_do_not_repeat_their_lips(monk: int, occasion: Occasion | None) -> None:
    lips = [s.look.on("lips") for s in advise(face(monk), LOOKS, occasion=occasion).schemes]
    apart = [float(delta_e_2000(one.lab, other.lab)) for one, other in itertools.combinations(lips, 2) if one and other]
    assert min(apart) >= SAME_LIPS


def test_the_same_question_has_the_same_answer() -> None:
    assert advise(face(), LOOKS, occasion="party") == advise(face(), LOOKS, occasion="party")


def test_regions_that_are_wanted() -> None:
    advice = advise(face(), LOOKS, regions=("lips", "cheeks"))
    assert {p.region for s in advice.schemes for p in s.look.products} == {"lips", "cheeks"}


def test_products_stand_beside_choices() -> None:
    table = ProductTable.read(b"id,name,kind,colour\nown,Own,foundation,#d7bd96\npale,Pale,foundation,#ffffff\n")
    chosen = {c.region: c for c in advise(face(), LOOKS, products=table, count=1).schemes[0].choices}
    assert [m.product.id for m in chosen["skin"].matches or ()] == ["own"]
    assert chosen["lips"].matches is None


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"looks": []}, "looks: are none"),
        ({"looks": [LOOKS[0], LOOKS[0]]}, "looks: 'bare' stands twice"),
        ({"count": 0}, "count: 0 is not from 1 to 10"),
        ({"occasion": "gym"}, "occasion: 'gym' is unknown: choose from everyday"),
        ({"season": "monsoon"}, "season: 'monsoon' is unknown"),
        ({"regions": ["nose"]}, "regions: 'nose' is unknown: choose from skin"),
        ({"regions": []}, "regions: are none"),
        ({"taste": {"bare": float("nan")}}, "taste: nan of 'bare' is no finite number"),
    ],
)
def test_bad_questions(wrong: dict[str, object], named: str) -> None:
    asked = {"looks": LOOKS, **wrong}
    with pytest.raises(BadInput, match=re.escape(named)):
        advise(face(), asked.pop("looks"), **asked)  # type: ignore[arg-type]


def test_a_look_with_nothing_in_it_still_makes_a_whole_scheme() -> None:
    scheme = advise(face(), [("none", Look())], count=3).schemes
    assert len(scheme) == 1
    assert {p.region for p in scheme[0].look.products} >= ESSENTIAL


def test_a_named_product_that_changed_colour_loses_its_name() -> None:
    named = look("x", lips=("#ff8800", 0.9, "matte"))
    named = named.with_product(named.products[0].model_copy(update={"name": "Shop 12"}))
    lips = advise(face(2, "cool"), [("x", named)], count=1).schemes[0].look.on("lips")
    assert lips is not None
    assert lips.name == ""
