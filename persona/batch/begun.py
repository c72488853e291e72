"""One user's catalogue as it is made: everything before the pictures are drawn, and everything after.

Each kind is an ordinary request, answered by the functions that the endpoint answers by: so it is the same through
either door. Only nothing is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from persona.batch.passes import Wisher
from persona.batch.types import Spec
from persona.catalog.measure import measure_all
from persona.catalog.pictures import encode, encode_to_show
from persona.recommend.answerer import Answerer, best_first, generated, reasons_of
from persona.recommend.answerer import Begun as Answer
from persona.recommend.dressing import FLAT_LAY, Dressing, outfit_of
from persona.recommend.entries import Entry
from persona.recommend.flatlay import flat_lay
from persona.recommend.garments import Garment
from persona.recommend.job_types import LongRequest
from persona.recommend.look_taste import LookShelf
from persona.recommend.lookbook import USUAL_TONE
from persona.recommend.looks import SIDE
from persona.recommend.makeup import USUAL_SHAPE, MakeupStudio
from persona.recommend.makeup_types import MadeLook, MadeLooks, Painting
from persona.recommend.outfit import Choice
from persona.recommend.person import Person
from persona.recommend.ranking import Standing
from persona.recommend.seeds import derive
from persona.recommend.shelf import Drawn
from persona.recommend.types import SCORE_DIGITS, GeneratedItem, Mode, RankedItem
from persona.store.records import Event
from persona.taste.table import Floats

LICENCE = "generated"
TRIES = 3  # outfits that are put together for each that is wanted, since some come out alike

ReadPicture = Callable[[str], NDArray[np.uint8]]


@dataclass(frozen=True)
class Doors:
    """What a user's catalogue is made by. picture: reads a stored one by its sha256; looks: that tastes are read over,
    None where none are made."""

    spec: Spec
    picture: ReadPicture
    studio: MakeupStudio
    looks: LookShelf | None


@dataclass
class Kept:
    """What was made for a user besides the entries. pictures: WebP files by their sha256; features: content vectors
    float32 (64,) by the generation."""

    pictures: dict[str, bytes] = field(default_factory=dict)
    features: dict[str, Floats] = field(default_factory=dict)

    def put(self, rgba: NDArray[np.uint8]) -> str:
        """The sha256 of a picture's file, which is kept: as `Pictures.put` of one that somebody waits for."""
        return self.put_file(encode(rgba, quick=True))

    def put_file(self, content: bytes) -> str:
        """The sha256 of a file, which is kept."""
        name = sha256(content).hexdigest()
        self.pictures[name] = content
        return name


class Begun(Wisher):
    """A user whose pictures are still to be drawn. Raises whatever the models raise about what is known of a user."""

    def __init__(self, arm: Answerer, person: Person, events: Sequence[Event], doors: Doors) -> None:
        """events: the last of all kinds, where looks are made."""
        assert person.user_id is not None
        super().__init__(arm.atelier.drawer)
        self.user_id, self.watermark, self._arm, self._doors = person.user_id, person.watermark, arm, doors
        self._spec, self._traits = doors.spec, person.profile.traits
        self._seed = derive(doors.spec.seed, "catalogue", person.user_id)
        self._standing = arm.stand_for(person, self._request())
        _check_finite(self._standing.reading.vector, self._standing.scores)
        answer = arm.begin(self._standing) if {"items", "garments"} & {*doors.spec.kinds} else Answer((), [])
        self._items, self._wishes = answer.items, answer.wishes
        self._dressings = list(self._outfits(person)) if "outfits" in self._spec.kinds else []
        self._looks: tuple[MadeLooks, list[float]] | None = None
        if doors.looks is not None:
            self._looks = doors.studio.made_with_scores(
                person.profile, events, doors.looks, self._spec.per_user, self._seed
            )
        self.wishes = [*self._wishes, *(wish for dressing in self._dressings for wish in dressing.wishes)]
        _check_finite(*(wish.condition for wish in self.wishes))

    def finish(self) -> tuple[tuple[Entry, ...], Kept]:
        """The entries, once everything is drawn, and what was made for them."""
        kept, drawn = Kept(), iter(self._garments())
        garments = [next(drawn) for _ in self._wishes]
        entries = [_of_item(item, self._seed, self._arm.taste.version) for item in self._items]
        entries += self._of_garments(best_first(garments, self._standing), kept)
        entries += self._of_outfits([[next(drawn) for _ in one.wishes] for one in self._dressings], kept)
        entries += self._of_looks(kept)
        return tuple(entries), kept

    def _request(self) -> LongRequest:
        """What the endpoint would be asked for items and garments."""
        items, garments = "items" in self._spec.kinds, "garments" in self._spec.kinds
        mode: Mode = "both" if items and garments else "generate" if garments else "retrieve"
        return LongRequest(
            user_id=self.user_id, mode=mode, count=self._spec.per_user, generate=self._spec.per_user, outfit=False,
            seed=self._seed,
        )  # fmt: skip

    def _outfits(self, person: Person) -> Iterator[Dressing]:
        """Outfits begun, some of which may come out alike."""
        found: set[tuple[str, ...]] = set()
        for number in range(TRIES * self._spec.per_user):
            seed = derive(self._seed, "outfit", number)
            request = LongRequest(user_id=self.user_id, mode="retrieve", seed=seed)
            dressing = self._arm.dresser.begin(self._arm.stand_again(self._standing, request))
            choice = None if dressing.wishes else dressing.choose()
            if dressing.wishes:
                found.add((str(number),))  # what is drawn for it is like nothing else
            elif choice is None or (pieces := _pieces(choice)) in found:
                continue
            else:
                found.add(pieces)
            yield dressing
            if len(found) == self._spec.per_user:
                return

    def _garments(self) -> list[Garment]:
        measured = measure_all([rgba for rgba, _ in self.drawn], [False] * len(self.drawn))
        drawn = [Drawn(*picture, measures) for picture, measures in zip(self.drawn, measured, strict=True)]
        return self._arm.atelier.garments(self.wishes, drawn)

    def _named(self, garments: Sequence[Garment], kept: Kept) -> list[Garment]:
        named = [self._arm.atelier.named(one, self.user_id, kept.put(one.rgba)) for one in garments]
        kept.features.update((one.id, one.feature) for one in named)
        return named

    def _of_garments(self, garments: Sequence[Garment], kept: Kept) -> list[Entry]:
        reasons, version = reasons_of(garments, self._standing), self._arm.generator.version
        made = generated(self._named(garments, kept), reasons, self._standing, version)
        return [_of_garment(one) for one in made]

    def _of_outfits(self, drawn: Sequence[Sequence[Garment]], kept: Kept) -> list[Entry]:
        """Outfits of different pieces, best first."""
        found: dict[tuple[str, ...], Entry] = {}
        for dressing, garments in zip(self._dressings, drawn, strict=True):
            named = self._named(garments, kept)
            choice = dressing.choose(named)
            if choice is not None and _pieces(choice) not in found:
                found[_pieces(choice)] = self._of_outfit(choice, dressing.standing, named, kept)
        ranked = sorted(found.values(), key=lambda entry: -entry.score)
        return [entry.model_copy(update={"rank": place}) for place, entry in enumerate(ranked, 1)]

    def _of_outfit(self, choice: Choice, standing: Standing, drawn: Sequence[Garment], kept: Kept) -> Entry:
        own = {garment.picture: garment.rgba for garment in drawn}
        pieces: dict[str, NDArray[np.uint8]] = {
            piece.slot: own[piece.picture] if piece.picture in own else self._doors.picture(piece.picture)
            for piece in choice.pieces
        }
        outfit = outfit_of(choice, standing, kept.put_file(encode_to_show(flat_lay(pieces))))
        kept.features[outfit.generation_id] = choice.feature
        told = outfit.model_dump(mode="json", include={"pieces", "harmony", "harmony_score"})
        worn = {piece.generation_id for piece in choice.pieces}
        if made := [_drawn(one, self._arm.generator.version) for one in drawn if one.id in worn]:
            told["drawn"] = made
        return Entry(
            kind="outfit", rank=1, generation_id=outfit.generation_id, picture=outfit.picture,
            score=round(float(np.mean([piece.score for piece in choice.pieces])), SCORE_DIGITS),
            category=choice.pieces[0].category, colour=choice.pieces[0].colour, generated=True, licence=LICENCE,
            reasons=outfit.reasons, seed=standing.seed, model=FLAT_LAY, condition_digest=choice.digest, detail=told,
        )  # fmt: skip

    def _of_looks(self, kept: Kept) -> list[Entry]:
        if self._looks is None:
            return []
        made, scores = self._looks
        shape, tone = self._traits.face_shape or USUAL_SHAPE, self._traits.skin_tone or USUAL_TONE
        order = sorted(range(len(scores)), key=lambda place: -scores[place])

        def draw(look: MadeLook) -> str:
            return kept.put_file(self._doors.studio.chart_of(look.look, shape, tone, SIDE, Painting()))

        return [
            _of_look(made.looks[place], rank, scores[place], made.model, draw(made.looks[place]))
            for rank, place in enumerate(order, 1)
        ]


def _drawn(garment: Garment, model: str) -> dict[str, Any]:
    """A garment that only an outfit has: what the store keeps of it once the outfit is pushed, as JSON."""
    return {
        "id": garment.id,
        "picture": garment.picture,
        "model": model,
        "condition_digest": garment.wish.digest,
        "seed": garment.wish.seed,
        "category": garment.wish.category,
        "feature": garment.feature.tolist(),
    }


def _pieces(choice: Choice) -> tuple[str, ...]:
    return tuple(piece.picture for piece in choice.pieces)


def _check_finite(*arrays: Floats) -> None:
    if not all(np.isfinite(array).all() for array in arrays):
        raise ValueError("not finite")


def _of_item(item: RankedItem, seed: int, model: str) -> Entry:
    told = item.model_dump(exclude={"source", "url", "reasons"})
    return Entry(kind="item", seed=seed, model=model, reasons=item.reasons, **told)


def _of_garment(garment: GeneratedItem) -> Entry:
    told = garment.model_dump(exclude={"source", "url", "reasons"})
    return Entry(kind="garment", licence=LICENCE, reasons=garment.reasons, **told)


def _of_look(one: MadeLook, rank: int, score: float, model: str, picture: str) -> Entry:
    return Entry(
        kind="look", rank=rank, picture=picture, score=round(score, SCORE_DIGITS), category=one.occasion,
        title=one.look.title, generated=True, licence=LICENCE, seed=one.seed, model=model,
        condition_digest=one.condition_digest, detail=one.model_dump(mode="json", include={"look", "occasion", "like"}),
    )  # fmt: skip
