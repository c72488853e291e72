"""Puts an outfit together for one person under one taste mode, draws its flat-lay and stores both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import get_args

import numpy as np

from persona.catalog.measure import seasons_of
from persona.catalog.pictures import Pictures, encode_to_show
from persona.recommend.catalogue import Mask
from persona.recommend.flatlay import flat_lay
from persona.recommend.garments import Atelier, Garment, Wish
from persona.recommend.memo import Memo
from persona.recommend.outfit import SHAPES, SHORTLIST, SLOT_OF, Candidate, Choice, choose, shapes
from persona.recommend.ranking import Standing
from persona.recommend.seeds import derive, digest
from persona.recommend.types import SCORE_DIGITS, Outfit, OutfitPiece, RecommendationRequest, Slot, picture_url
from persona.store import Store
from persona.store.records import Category, Generation
from persona.taste.interests import Interests
from persona.taste.rank import best
from persona.taste.table import FACET_CODES

FLAT_LAY = "flat-lay@2"  # what made an outfit's picture, as recorded with it; raised when the layout changes
BOLDNESS = 0.4  # temperature of the mode that an outfit is built around: surer of being liked than single things
_KEPT_LAID = 4096  # flat-lays remembered by their pieces' pictures: hashes only

Slots = dict[Slot, list[Candidate]]
_CATEGORIES_OF: dict[Slot, list[Category]] = {
    slot: [name for name in get_args(Category) if SLOT_OF.get(name) == slot] for slot in dict.fromkeys(SLOT_OF.values())
}


@dataclass(frozen=True)
class Dressing:
    """An outfit begun. candidates: best first by slot; wanted: sets of slots that make it; wishes: of garments that are
    to be drawn for slots without any."""

    standing: Standing
    candidates: Slots
    wanted: Sequence[tuple[Slot, ...]]
    wishes: list[Wish]

    def choose(self, drawn: Sequence[Garment] = ()) -> Choice | None:
        """The best outfit; None where a slot can be filled in no way. drawn: for the wishes, with their ids."""
        candidates = self.candidates | _from_garments(drawn, self.standing)
        # better without an outer layer than none
        return choose(candidates, self.wanted) or choose(candidates, SHAPES)


class Dresser:
    """Chooses, draws and stores outfits. Safe to share between threads."""

    def __init__(self, atelier: Atelier, pictures: Pictures, store: Store) -> None:
        self._atelier, self._pictures, self._store = atelier, pictures, store
        self._laid: Memo[tuple[tuple[Slot, str], ...], str] = Memo(_KEPT_LAID)

    def dress(self, standing: Standing, made: Sequence[Garment] = ()) -> Choice | None:
        """The best outfit around one thing that the person likes; None where a slot can be filled in no way.

        made: as of `begin`. What is generated for gaps is stored.
        """
        begun = self.begin(standing, made)
        drawn = self._atelier.draw(begun.wishes)
        reasons = standing.reasons(np.stack([garment.vector for garment in drawn])) if drawn else []
        return begun.choose(self._atelier.keep(drawn, standing.reading.person.user_id, reasons))

    def begin(self, standing: Standing, made: Sequence[Garment] = ()) -> Dressing:
        """What an outfit around one thing that the person likes may be chosen from, and what is missing.

        That thing is a taste mode drawn by the seed: in its slot only the items nearest to it are tried. made: this
        answer's generated garments; they take the place of real ones when only those were asked for.
        """
        request, catalogue, seed = standing.request, standing.catalogue, derive(standing.seed, "outfit")
        allowed = standing.allowed & catalogue.pictured
        taste = Interests.whole(standing.reading.vector)
        modes = self._atelier.modes(taste, catalogue, standing.drawable, 1, seed, request.category, BOLDNESS)
        candidates = _real(standing, allowed)
        around = SLOT_OF.get(modes[0].category if modes else request.category or "")
        if modes and around:
            near = [row for row in modes[0].items if allowed[row]]
            candidates[around] = [_from_row(row, around, standing) for row in near] or candidates[around]
        if request.mode == "generate":
            candidates |= _from_garments(made, standing)
        wanted = shapes(request.dress_for, around)
        whole = any(all(candidates[slot] for slot in shape) for shape in wanted)
        wishes = self._gaps(candidates, wanted, standing, seed) if not whole and request.fills_gaps else []
        return Dressing(standing, candidates, wanted, wishes)

    def lay_out(self, choice: Choice, standing: Standing) -> Outfit:
        """Draw and store the flat-lay of a choice, as a generated picture that can be liked like any other.

        Being a generation of the user's, it is also erased with the user.
        """
        outfit = outfit_of(choice, standing, self._draw(choice))
        generation = Generation(
            id=outfit.generation_id,
            picture=outfit.picture,
            user_id=standing.reading.person.user_id,
            model=FLAT_LAY,
            condition_digest=choice.digest,
            seed=standing.seed,
            category=choice.pieces[0].category,
            reasons=outfit.reasons,
            created_at=datetime.now(UTC),
        )
        if not self._store.generation_features([generation.id]):
            self._atelier.keeper.keep([generation], choice.feature[None])
        return outfit

    def _draw(self, choice: Choice) -> str:
        """sha256 of the flat-lay's file, which is drawn unless it is remembered and still there."""
        key = tuple((piece.slot, piece.picture) for piece in choice.pieces)

        def draw() -> str:
            picture = flat_lay({slot: self._pictures.get(sha) for slot, sha in key})
            return self._pictures.put_file(encode_to_show(picture))

        picture = self._laid.get(key, draw)
        return picture if picture in self._pictures else draw()

    def _gaps(self, candidates: Slots, wanted: Sequence[tuple[Slot, ...]], standing: Standing, seed: int) -> list[Wish]:
        """What is to be generated because the catalogue lacks it, for the shape that lacks least."""
        shape = min(wanted, key=lambda slots: sum(not candidates[slot] for slot in slots))
        catalogue, wishes = standing.catalogue, list[Wish]()
        allowed, taste = catalogue.shown & catalogue.pictured, Interests.whole(standing.reading.vector)
        for slot in shape:
            category = None if candidates[slot] else self._category(slot, standing.request)
            if category is not None:
                wishes += self._atelier.wishes(taste, catalogue, allowed, 1, derive(seed, slot), category)
        return wishes

    def _category(self, slot: Slot, request: RecommendationRequest) -> Category | None:
        """What to generate for a slot: the category asked for, else one for the season, else any that can be drawn."""
        fitting = [name for name in _CATEGORIES_OF[slot] if name in self._atelier.generator.categories]
        if request.category in fitting:
            return request.category
        in_season = [name for name in fitting if request.dress_for is None or request.dress_for in seasons_of(name)]
        return next(iter(in_season or fitting), None)


def outfit_of(choice: Choice, standing: Standing, picture: str) -> Outfit:
    """A choice as an answer tells of it. picture: sha256 of its flat-lay's file."""
    vector = np.mean([piece.vector for piece in choice.pieces], axis=0, keepdims=True)
    prior = np.mean([piece.prior for piece in choice.pieces], keepdims=True)
    (reasons,) = standing.reasons(vector, prior.astype(np.float32))
    made = digest(standing.reading.person.user_id, FLAT_LAY, standing.seed, picture)
    return Outfit(
        generation_id=f"o-{made[:32]}",
        pieces=tuple(_as_piece(piece) for piece in choice.pieces),
        picture=picture,
        harmony=choice.rule,
        harmony_score=round(choice.harmony, 4),
        reasons=reasons,
        url=picture_url(picture),
    )


def _real(standing: Standing, allowed: Mask) -> Slots:
    """The best real items of each slot; in the slot of the category asked for, only of that category."""
    category = standing.request.category
    asked = SLOT_OF.get(category or "")
    found: Slots = {}
    for slot, names in _CATEGORIES_OF.items():
        codes = [FACET_CODES["category"][name] for name in names if slot != asked or name == category]
        rows = np.flatnonzero(allowed & np.isin(standing.catalogue.table.category, codes))
        found[slot] = [_from_row(row, slot, standing) for row in best(standing.scores, SHORTLIST, rows)[0].tolist()]
    return found


def _from_row(row: int, slot: Slot, standing: Standing) -> Candidate:
    catalogue, score = standing.catalogue, float(standing.scores[row])
    item = catalogue.table.items[row]
    assert item.picture is not None  # as `Catalogue.pictured` says
    return Candidate(
        slot=slot,
        category=item.garment,
        picture=item.picture,
        score=score,
        fit=standing.fit(score),
        lab=item.lab,
        colour=item.colour,
        generated=item.rights.generated,
        feature=catalogue.table.features[row],
        vector=catalogue.vectors[row],
        prior=float(catalogue.prior[row]),
        item_id=item.id,
    )


def _from_garments(made: Sequence[Garment], standing: Standing) -> Slots:
    """Stored generated garments by slot, best first."""
    found: Slots = {}
    for garment in sorted(made, key=lambda garment: -standing.score(garment.vector)):
        slot, score = SLOT_OF.get(garment.wish.category), standing.score(garment.vector)
        if slot is not None:
            candidate = Candidate(
                slot=slot,
                category=garment.wish.category,
                picture=garment.picture,
                score=score,
                fit=standing.fit(score),
                lab=garment.measures.lab,
                colour=garment.measures.colour,
                generated=True,
                feature=garment.feature,
                vector=garment.vector,
                generation_id=garment.id,
            )
            found.setdefault(slot, []).append(candidate)
    return found


def _as_piece(piece: Candidate) -> OutfitPiece:
    return OutfitPiece(
        slot=piece.slot,
        item_id=piece.item_id,
        generation_id=piece.generation_id,
        category=piece.category,
        colour=piece.colour,
        picture=piece.picture,
        generated=piece.generated,
        score=round(piece.score, SCORE_DIGITS),
        url=picture_url(piece.picture),
    )
