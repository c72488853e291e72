"""Makeup advice: from face shape, skin tone, occasion, season and taste to ranked whole schemes, with reasons.

Every look is fitted to the person (`fitting`), scored by the rules that speak of it and by taste, and the best are
shown that also differ from one another. A reason's weight is exactly what the scheme's score loses without its rule.
Every face is good as it is: rules say what a choice does, never what to hide, and foundation is the skin's own colour.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from persona.catalog.colour import delta_e_2000
from persona.errors import BadInput
from persona.makeup.analysis import FaceAnalysis
from persona.makeup.fitting import Judge
from persona.makeup.look import REGIONS, Look, Product, Region
from persona.makeup.products import Match, ProductTable, match, match_skin
from persona.makeup.rules import Rule, Rulebook, Source, shipped_rules
from persona.makeup.wearer import Wearer, wearer_of
from persona.store.records import OCCASIONS, SEASONS, Finite, Occasion, Record, Season
from persona.taste.rank import diversify

TASTE = 0.6  # of a standard deviation of taste, in points
VARIETY = 0.3  # weight of differing from the schemes before, as in `persona.taste.rank.diversify`
MOST = 10  # schemes at once
NEITHER = 1e-9  # points of a rule that is half met, as by a look that is named for no season
SAME_LIPS = 6.0  # CIEDE2000 under which two schemes have the same lips
FOR_VARIETY = 1.2  # points that a scheme may have less than the last of the best, for other lips than theirs
LIPS = 2.0  # lips count this much more than another region in how far two schemes differ

Floats = NDArray[np.float64]


class Reason(Record):
    """Why, by one rule. weight: what the scheme's score loses without it; below 0: what it speaks against, and costs.

    text: for people. kind: a study, a book, or a mere convention.
    """

    rule: str
    text: str
    source: str
    kind: Annotated[str, Field(examples=["study", "book", "convention"])]
    weight: Finite


class Choice(Record):
    """One product of a scheme: where, what, why, heaviest reason first, and real products that come near."""

    region: Region
    product: Product
    reasons: tuple[Reason, ...] = Field(min_length=1)
    matches: tuple[Match, ...] | None = Field(default=None, description="null: no table, or nothing in it is near")


class Scheme(Record):
    """A whole look for one person."""

    look_id: str = Field(description="of the look that it is based on")
    look: Look
    score: Finite = Field(description="sum of the weights of all reasons, and taste")
    fit: Annotated[Finite, Field(ge=0, le=1)] = Field(description="share of what the rules want that is there")
    taste: Finite = Field(description="what taste adds to the score")
    choices: tuple[Choice, ...]
    reasons: tuple[Reason, ...] = Field(description="for the look as a whole")
    liked: str = Field(default="", description="for the caller to say: you liked ...")


class Advice(Record):
    """Schemes, best first; what is not certain, and what would make it so; the analysis that all this is for."""

    schemes: tuple[Scheme, ...]
    uncertain: tuple[str, ...]
    analysis: FaceAnalysis


@dataclass(frozen=True)
class _Judged:
    """A look fitted to a wearer, with the points of each rule that speaks of it."""

    id: str
    look: Look
    points: Mapping[str, float]
    fit: float
    taste: float

    @property
    def score(self) -> float:
        return sum(self.points.values()) + self.taste


def advise(
    analysis: FaceAnalysis,
    looks: Sequence[tuple[str, Look]],
    *,
    occasion: Occasion | None = None,
    season: Season | None = None,
    taste: Mapping[str, float] | None = None,
    products: ProductTable | None = None,
    count: int = 3,
    regions: Collection[str] | None = None,
    rules: Rulebook | None = None,
) -> Advice:
    """The `count` best whole schemes for a person, based on these looks (id, look); fewer where there are fewer looks.

    taste: score of each look that the user was asked or guessed of, by id, on any scale; only their order counts, as
    normal scores times TASTE, so that a higher score never lowers a look. Looks without one stand in the middle.
    products: real ones to hold beside. regions: those to be made up; None: all. rules: None: those that ship.

    Raises BadInput for no looks, an id that stands twice, a count outside 1 to 10, an occasion, a season or a region
    that is unknown, and a taste that is no finite number.
    """
    wanted = _checked(looks, occasion, season, count, regions)
    book = rules or shipped_rules()
    wearer = wearer_of(analysis, occasion, season)
    tastes = _tastes([name for name, _ in looks], taste or {})
    judge = Judge(book, wearer)
    judged = [_judge(judge, name, look, wanted, liking) for (name, look), liking in zip(looks, tastes)]
    judged.sort(key=lambda one: -one.score)
    chosen = _varied(judged, wearer, count)
    schemes = tuple(_scheme(one, book, wearer, products) for one in sorted(chosen, key=lambda one: -one.score))
    return Advice(schemes=schemes, uncertain=wearer.uncertain, analysis=analysis)


def _judge(judge: Judge, name: str, look: Look, wanted: Collection[str], taste: float) -> _Judged:
    base = judge.whole(look, wanted)
    rules = judge.speaking(base)
    result = judge.fitted(base, rules)
    found = judge.points(rules, result)
    best = judge.most([rule for rule in rules if rule.id in found], result)
    fit = 0.5 + 0.5 * sum(found.values()) / best if best else 1.0
    return _Judged(name, result, found, float(np.clip(fit, 0, 1)), taste)


def _tastes(names: Sequence[str], taste: Mapping[str, float]) -> list[float]:
    """Normal scores (van der Waerden 1952) of the tastes times TASTE; 0 where there is none."""
    for name, value in taste.items():
        if not math.isfinite(value):
            raise BadInput("taste", f"{value} of {name!r} is no finite number: leave it out where it is not known")
    from scipy.stats import norm, rankdata  # a tenth of a server's start

    known = [name for name in names if name in taste]
    ranks = rankdata([taste[name] for name in known]) if known else []
    scores = {name: TASTE * float(norm.ppf(rank / (len(known) + 1))) for name, rank in zip(known, ranks)}
    return [scores.get(name, 0.0) for name in names]


def _varied(judged: Sequence[_Judged], wearer: Wearer, count: int) -> list[_Judged]:
    """The best first, then those that are good and unlike what is chosen already."""
    scores = np.array([one.score for one in judged], np.float32)
    vectors = np.stack([_vector(one.look, wearer) for one in judged]).astype(np.float32)
    good = int((scores >= scores[min(count, len(judged)) - 1] - FOR_VARIETY).sum())
    rows, _ = diversify(np.arange(good), scores[:good], vectors[:good], good, VARIETY)
    chosen: list[_Judged] = []
    for row in rows:
        if len(chosen) < count and all(_other_lips(judged[row].look, one.look) for one in chosen):
            chosen.append(judged[row])
    rest = [judged[row] for row in rows if judged[row] not in chosen]
    return chosen + rest[: count - len(chosen)]


def _other_lips(one: Look, other: Look) -> bool:
    lips, others = one.on("lips"), other.on("lips")
    return lips is None or others is None or float(delta_e_2000(lips.lab, others.lab)) >= SAME_LIPS


def _vector(look: Look, wearer: Wearer) -> Floats:
    """A look as what it adds to the skin: opacity times the step from its colour, region by region."""
    steps = np.zeros((len(REGIONS), 3))
    for product in look.products:
        weight = LIPS if product.region == "lips" else 1.0
        step = np.array(product.lab) - np.array(wearer.mean_lab)
        steps[REGIONS.index(product.region)] = weight * product.opacity * step
    return steps.ravel()


def _scheme(one: _Judged, book: Rulebook, wearer: Wearer, products: ProductTable | None) -> Scheme:
    choices = tuple(
        Choice(
            region=product.region,
            product=product,
            reasons=_reasons(product.region, one, book, wearer) or (_PLAIN,),
            matches=_matches(product, wearer, products),
        )
        for product in one.look.products
    )
    reasons = _reasons("look", one, book, wearer)
    return Scheme(
        look_id=one.id, look=one.look, score=one.score, fit=one.fit, taste=one.taste, choices=choices, reasons=reasons
    )


_PLAIN = Reason(
    rule="base", text="It is part of the look, and no rule speaks of it.", source="the look itself",
    kind="convention", weight=0.0,
)  # fmt: skip


def _reasons(region: str, one: _Judged, book: Rulebook, wearer: Wearer) -> tuple[Reason, ...]:
    """The rules that speak of a region of the scheme: those that are met, heaviest first, then those that are not."""
    found = [_reason(r, one.points[r.id], book.sources[r.source], wearer) for r in book.rules
             if r.region == region and abs(one.points.get(r.id, 0)) > NEITHER]  # fmt: skip
    return tuple(sorted(found, key=lambda reason: -reason.weight))


def _reason(rule: Rule, weight: float, source: Source, wearer: Wearer) -> Reason:
    words = wearer.words(rule.when)
    said = rule.why.format(**words)
    if weight < 0:
        said = rule.why_not.format(**words) if rule.why_not else f"Set aside here: {said}"
    return Reason(rule=rule.id, text=said, source=source.text, kind=source.kind, weight=weight)


def _matches(product: Product, wearer: Wearer, table: ProductTable | None) -> tuple[Match, ...] | None:
    if table is None:
        return None
    return match_skin(wearer.tones, product.finish, table) if product.region == "skin" else match(product, table)


def _checked(
    looks: Sequence[tuple[str, Look]], occasion: str | None, season: str | None, count: int,
    regions: Collection[str] | None,
) -> frozenset[str]:  # fmt: skip
    names = [name for name, _ in looks]
    if not names:
        raise BadInput("looks", "are none: give at least one look to begin from")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise BadInput("looks", f"{twice!r} stands twice: give each look an id of its own")
    if not 1 <= count <= MOST:
        raise BadInput("count", f"{count} is not from 1 to {MOST}")
    for field, said, known in (("occasion", occasion, OCCASIONS), ("season", season, SEASONS)):
        if said is not None and said not in known:
            raise BadInput(field, f"{said!r} is unknown: choose from {', '.join(known)}")
    wanted = frozenset(REGIONS if regions is None else regions)
    for region in sorted(wanted - set(REGIONS)):
        raise BadInput("regions", f"{region!r} is unknown: choose from {', '.join(get_args(Region))}")
    if not wanted:
        raise BadInput("regions", f"are none: choose from {', '.join(REGIONS)}")
    return wanted
