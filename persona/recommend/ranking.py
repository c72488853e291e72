"""Where every item stands for one person, which of them the person sees, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from persona.recommend.catalogue import Catalogue, Mask
from persona.recommend.context import suitability
from persona.recommend.filters import passes
from persona.recommend.reading import Reading
from persona.recommend.types import SCORE_DIGITS, RankedItem, RecommendationRequest, picture_url
from persona.store.records import Reason
from persona.taste.rank import EXPLORATION, best, diversify, score
from persona.taste.reasons import POPULAR, SMALLEST, Causes, reasons_for
from persona.taste.table import Codes, Floats

POOL = 300  # candidates at least, to choose various ones from: the best fifty may be one garment in fifty copies
EXPLORE = Reason(kind="explore", text="to find out what you like", weight=1.0)
REFUSED = Reason(kind="popular", text="popular with everyone: personalisation is switched off for you", weight=1.0)

OF_NOBODYS = Reason(kind="explore", text="made for nobody: personalisation is switched off for you", weight=1.0)

Reasons = tuple[Reason, ...]


@dataclass(frozen=True)
class Standing:
    """A request, with all that is needed to answer it.

    scores: float32 (n,) of the whole catalogue. allowed: bool (n,), what may be shown at all. kept: bool (n,), what the
    person has liked, saved or bought already. causes: what the taste came from; None where none is known or wanted.
    suited: float32 (n,), the part of the scores that the request's context makes; None without one.
    """

    request: RecommendationRequest
    reading: Reading
    catalogue: Catalogue
    seed: int
    scores: Floats
    allowed: Mask
    kept: Mask
    causes: Causes | None
    suited: Floats | None = None

    @property
    def drawable(self) -> Mask:
        """What a garment may be made after, bool (n,): of what may be shown, what suits the context, if any does."""
        drawable = self.allowed & self.catalogue.pictured
        suits = drawable if self.suited is None else drawable & (self.suited >= 0)
        return suits if suits.any() else drawable

    def score(self, vector: Floats) -> float:
        """Score of something outside the catalogue by its item vector (d,), as if it were of average popularity."""
        return float(vector @ self.reading.vector)

    def fit(self, score: float) -> float:
        """A score in standard deviations above the person's mean over the catalogue."""
        return float((score - self.scores.mean()) / max(float(self.scores.std()), 1e-6)) if len(self.scores) else 0.0

    def reasons(self, vectors: Floats, prior: Floats | None = None, rows: Codes | None = None) -> list[Reasons]:
        """Reasons for item vectors (m, d); none where none are wanted.

        prior: what popularity adds to each, (m,), and rows: theirs, (m,), from which follows what they are taken
        together with; None for generated garments, which nobody knows yet.
        """
        if not self.request.explain:
            return [()] * len(vectors)
        if self.causes is not None:
            catalogue, companions = self.catalogue, self.catalogue.companions
            parts = None
            if companions is not None and rows is not None:
                parts = companions.parts(self.reading.history, rows)
            return reasons_for(self.causes, vectors, catalogue.mean, catalogue.table, prior, parts)
        refused = OF_NOBODYS if prior is None else REFUSED
        return [(EXPLORE if self.reading.person.personal else refused,)] * len(vectors)


def rank(standing: Standing) -> tuple[RankedItem, ...]:
    """The real items of the answer, best first, with reasons."""
    rows = _rows(standing)
    catalogue = standing.catalogue
    reasons = standing.reasons(catalogue.vectors[rows], catalogue.prior[rows], rows)
    if standing.request.explain and standing.reading.nothing_known:
        reasons = _popular_or_explored(rows, standing)
    elif standing.request.explain:
        reasons = _or_explored(rows, standing, reasons)
    if standing.request.explain and standing.suited is not None:
        reasons = _for_the_context(rows, standing, standing.suited, reasons)
    return tuple(_item(row, place, standing, reasons[place]) for place, row in enumerate(rows.tolist()))


def scores_for(reading: Reading, catalogue: Catalogue, seed: int, explore: float | None = None) -> Floats:
    """Scores float32 (n,) of the catalogue for a person: taste, popularity and what is taken together with the history.

    Where no taste is known that is popularity alone, within the age band if that is known. Explored by `chance`.
    """
    prior = catalogue.prior if reading.segment is None else catalogue.segments[reading.segment]
    scores = score(reading.vector, catalogue.vectors, prior)
    if catalogue.companions is not None:
        scores = scores + catalogue.companions.bonus(reading.history)
    noise = chance(reading, len(scores), seed, explore)
    return scores if noise is None else scores + noise


def chance(reading: Reading, count: int, seed: int, explore: float | None) -> Floats | None:
    """What exploring adds to each of count scores, float32 (count,): Gumbel noise by the seed; None for nothing.

    The items that then come first are drawn, without putting back, by the softmax of score / explore (Gumbel top-k,
    Kool et al. 2019). explore None: EXPLORATION where no taste is known, else 0. Nothing for a person who refused
    to be learned about.
    """
    if explore is None:
        explore = EXPLORATION if reading.nothing_known else 0.0
    if not explore or not reading.person.personal:
        return None
    return np.random.default_rng([seed, 3]).gumbel(scale=explore, size=count).astype(np.float32)


def stand(
    request: RecommendationRequest, reading: Reading, catalogue: Catalogue, seed: int, causes: Causes | None
) -> Standing:
    """Score the catalogue for a person, and tell what may be shown. What was last disliked or hidden may not."""
    kept, refused = reading.person.last_words()
    allowed = candidates(request, catalogue) & catalogue.without(refused)
    scores, suited = scores_for(reading, catalogue, seed, request.explore), None
    if request.context is not None and len(scores):
        suited = suitability(request.context, catalogue) * (float(scores.std()) or 1.0)
        scores = scores + suited
    return Standing(request, reading, catalogue, seed, scores, allowed, ~catalogue.without(kept), causes, suited)


def candidates(request: RecommendationRequest, catalogue: Catalogue) -> Mask:
    """What a request allows whoever asks, bool (n,); its category bounds the ranking alone, not an outfit's slots."""
    allowed = catalogue.shown & catalogue.without(request.exclude)
    if request.season is not None:
        allowed &= catalogue.seasons[request.season]
    if request.price_min is not None or request.price_max is not None:
        allowed &= catalogue.priced(request.price_min, request.price_max)
    if request.licences is not None:
        allowed &= catalogue.under(request.licences)
    if request.generated is not None:
        allowed &= catalogue.generated == request.generated
    if request.filter is not None:
        allowed &= passes(request.filter, catalogue)
    return allowed


def _rows(standing: Standing) -> Codes:
    """Rows of the best items, best first. What the person has already comes last, and only when the rest runs out."""
    allowed, count, diversity = standing.allowed, standing.request.count, standing.request.diversity
    if standing.request.category is not None:
        allowed = allowed & standing.catalogue.of_category(standing.request.category)
    kept = standing.kept & standing.reading.person.personal
    rows, scores = best(standing.scores, max(POOL, 5 * count) if diversity else count, np.flatnonzero(allowed & ~kept))
    new, _ = diversify(rows, scores, standing.catalogue.vectors[rows], count, diversity)
    again, _ = best(standing.scores, count - len(new), np.flatnonzero(allowed & kept))
    return np.concatenate([new, again])


def _popular_or_explored(rows: Codes, standing: Standing) -> list[Reasons]:
    """Popular is what would be here without exploration too."""
    if not standing.reading.person.personal:
        return [(REFUSED,)] * len(rows)
    catalogue, segment = standing.catalogue, standing.reading.segment
    prior, liked = catalogue.prior, POPULAR
    if segment is not None:
        prior, liked = catalogue.segments[segment], _popular_at(segment)
    bought = np.flatnonzero(standing.allowed & (catalogue.table.popularity > 0))
    popular = set(best(prior, len(rows), bought)[0].tolist())
    return [(liked,) if row in popular else (EXPLORE,) for row in rows.tolist()]


def _popular_at(age_band: str) -> Reason:
    """The age band is said, so that the person knows what was used."""
    return Reason(kind="popular", text=f"popular with people like you ({age_band})", weight=1.0)


def _or_explored(rows: Codes, standing: Standing, reasons: list[Reasons]) -> list[Reasons]:
    """Reasons that begin with exploration for what would not be here without it."""
    reading, request = standing.reading, standing.request
    noise = chance(reading, len(standing.scores), standing.seed, request.explore)
    if noise is None:
        return reasons
    without = set(_rows(replace(standing, scores=standing.scores - noise)).tolist())
    return [why if row in without else (EXPLORE, *why) for row, why in zip(rows.tolist(), reasons, strict=True)]


def _for_the_context(rows: Codes, standing: Standing, suited: Floats, reasons: list[Reasons]) -> list[Reasons]:
    """With what the context adds beyond its mean, as a share of the lead over the mean score; they share the rest."""
    assert standing.request.context is not None
    text = f"suits {standing.request.context.words}"
    lead = (standing.scores - standing.scores.mean())[rows]
    added = (suited - suited.mean())[rows]
    shares = np.where(added > 0, added / np.maximum(np.maximum(added, lead), 1e-6), 0).tolist()
    return [_shared(why, share, text) for why, share in zip(reasons, shares, strict=True)]


def _shared(reasons: Reasons, share: float, text: str) -> Reasons:
    if share < SMALLEST:
        return reasons
    less = [reason.model_copy(update={"weight": round(reason.weight * (1 - share), 4)}) for reason in reasons]
    ours = Reason(kind="context", text=text, weight=round(share, 4))
    return tuple(sorted([*less, ours], key=lambda reason: -reason.weight))


def _item(row: int, place: int, standing: Standing, reasons: Sequence[Reason]) -> RankedItem:
    item = standing.catalogue.table.items[row]
    return RankedItem(
        item_id=item.id,
        rank=place + 1,
        score=round(float(standing.scores[row]), SCORE_DIGITS),
        category=item.garment,
        colour=item.colour,
        title=item.title,
        picture=item.picture,
        generated=item.rights.generated,
        licence=item.rights.licence,
        reasons=tuple(reasons),
        url=picture_url(item.picture) if item.picture else None,
    )
