"""What `persona evaluate makeup` says of reading, transfer and removal: figures, controls, and how fair they are.

Transfer is measured between two people who were held out: one wears a random look, rendered, the other is bare. A
reduction is one minus the distance (CIEDE2000 of the region's medians) of the result to the reference, over that of the
bare face to the reference.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tqdm import tqdm

from persona.catalog.similarity import luminance, ssim
from persona.errors import BadInput
from persona.makeup.evaluate_reading import (
    Labs,
    Result,
    Subject,
    between,
    core,
    in_light,
    places_of,
    random_look,
    readings,
    subject_of,
)
from persona.makeup.face import Bytes, Face, LandmarkDetector
from persona.makeup.lights import HELD_OUT
from persona.makeup.look import PLACEMENTS, REGIONS, Look, Region
from persona.makeup.portraits import Portrait
from persona.makeup.read import LookReader
from persona.makeup.regions import face_box, masks_of
from persona.makeup.render import apply, placements_of
from persona.makeup.transfer import transfer

TIMES = 4  # looks that every picture is given
GIVING = 8  # turns until the same people give again: as many pictures as the smaller groups have
_STRIDE = 13  # between them in the list
FEWEST = 8  # pictures from which on a group has a figure of its own to be compared
_JUDGED: tuple[Region, ...] = ("lips", "lids")
READ: dict[str, Region] = {"lip": "lips", "lid": "lids", "cheek": "cheeks"}


@dataclass(frozen=True)
class Pair:
    """One transfer. before, after, lit: by region, distance to the reference of the bare face, of the result, and of
    the result where the reference came in a held-out light (nothing: not tried)."""

    subject: Subject
    before: Mapping[Region, float]
    after: Mapping[Region, float]
    lit: Mapping[Region, float]
    ssim: float
    nme: float | None
    outside: int

    def reduction(self, region: Region, lit: bool = False) -> float:
        """Of the distance in a region."""
        return 1 - (self.lit if lit else self.after)[region] / self.before[region]


def evaluate(
    portraits: Sequence[Portrait], reader: LookReader, detector: LandmarkDetector, looks: int = 8, seed: int = 1
) -> tuple[dict[str, Any], dict[str, str]]:
    """The figures, and why those are missing that are. portraits: of people who were held out, two at least, with
    `looks` random looks each.

    Raises BadInput for fewer people.
    """
    if len({portrait.face_id for portrait in portraits}) < 2:
        raise BadInput("faces", "shows fewer than two people: a look is moved from one to another")
    subjects = [subject_of(portrait) for portrait in portraits]
    read = readings(subjects, reader, detector, looks, seed)
    pairs = transfers(subjects, reader, detector, seed)
    values = {**_transfer_figures(pairs), **_reading_figures(read), "people": len({p.face_id for p in portraits})}
    table = fairness(read, pairs)
    ratios = {name: worst_over_best(table, name) for name in _FAIR}
    known = [ratio for ratio in ratios.values() if ratio is not None]
    values |= {"fairness": table, "fairness_by_figure": ratios, "pictures": len(portraits), "readings": len(read)}
    values["fairness_worst_over_best"] = round(max(known), 3) if known else None
    why = {} if known else {"fairness_worst_over_best": f"no two groups of at least {FEWEST} pictures"}
    return values, why


def transfers(
    subjects: Sequence[Subject], reader: LookReader, detector: LandmarkDetector, seed: int, times: int = TIMES
) -> list[Pair]:
    """Looks with something on lips and lids, from other people to every subject.

    The same people in the same looks give to every group, so that groups differ by their own faces alone.
    """
    pairs, places = [], places_of(subjects)
    for at, subject in enumerate(tqdm(subjects, desc="transfer", unit="person", leave=False)):
        for k in range(times):
            turn = times * (places[subject.portrait.file] % GIVING) + k
            giver = _other(subjects, subject, turn)
            number = _wearing(giver, seed + 10_000 + 131 * turn)
            light = HELD_OUT[at % len(HELD_OUT)] if k == 0 else None
            pairs.append(_pair(subject, giver, number, reader, detector, light))
    return pairs


def _other(subjects: Sequence[Subject], subject: Subject, turn: int) -> Subject:
    """Who gives at this turn: somebody else, all over the list."""
    start = turn * _STRIDE % len(subjects)
    rest = [*subjects[start:], *subjects[:start]]
    return next(other for other in rest if other.portrait.face_id != subject.portrait.face_id)


def _wearing(subject: Subject, seed: int) -> int:
    """The first number from `seed` on whose look has something on lips and lids."""
    return next(k for k in range(seed, seed + 1000) if all(random_look(subject, k).on(r) for r in _JUDGED))


def _pair(
    subject: Subject, giver: Subject, number: int, reader: LookReader, detector: LandmarkDetector, light: str | None
) -> Pair:
    own, other = subject.portrait, giver.portrait
    reference = apply(other.photo, other.face, random_look(giver, number))
    goal = giver.colours(reference)
    result, look = transfer(own.photo, own.face, reference, other.face, reader)
    lit: dict[Region, float] = {}
    if light is not None:
        moved, _ = transfer(own.photo, own.face, in_light(reference, light, number), other.face, reader)
        lit = _distances(subject.colours(moved), goal)
    return Pair(
        subject,
        before=_distances(subject.bare, goal),
        after=_distances(subject.colours(result), goal),
        lit=lit,
        ssim=ssim(luminance(result), luminance(own.photo)),
        nme=shift_of_landmarks(own.photo, result, detector),
        outside=changed_outside(own.photo, result, own.face, look),
    )


def _distances(one: Labs, other: Labs) -> dict[Region, float]:
    at = {region: core(region, PLACEMENTS[region][0]) for region in _JUDGED}
    return {region: between(one[k], other[k]) for region, k in at.items()}


def changed_outside(photo: Bytes, result: Bytes, face: Face, look: Look) -> int:
    """How many pixels differ that no mask of the look's products reaches."""
    left, top, right, bottom = box = face_box(face, photo.shape[1], photo.shape[0])
    free = np.ones(photo.shape[:2], bool)
    crop = np.ascontiguousarray(photo[top:bottom, left:right])
    for mask in masks_of(face.moved(box), (bottom - top, right - left), placements_of(look), crop).values():
        free[top:bottom, left:right] &= mask <= 0
    return int((free & (photo != result).any(-1)).sum())


def shift_of_landmarks(photo: Bytes, result: Bytes, detector: LandmarkDetector) -> float | None:
    """Mean distance of the landmarks, detected anew in both, over the eye distance; None where one shows no face."""
    before, after = detector.detect(photo), detector.detect(result)
    if not before or not after:
        return None
    shift = np.linalg.norm(before[0].xy - after[0].xy, axis=1).mean()
    return float(shift / before[0].eye_distance)


def _transfer_figures(pairs: Sequence[Pair]) -> dict[str, Any]:
    values: dict[str, Any] = {"pairs": len(pairs)}
    for name, region in zip(("lip", "lid"), _JUDGED):
        reductions = np.array([pair.reduction(region) for pair in pairs])
        values[f"{name}_reduction"] = _median(reductions)  # the median pair
        values[f"{name}_reduction_mean"] = round(float(reductions.mean()), 4)
        before, after = (np.array([d[region] for d in side]) for side in zip(*[(p.before, p.after) for p in pairs]))
        values[f"{name}_reduction_pooled"] = round(1 - float(after.mean() / before.mean()), 4)
        values[f"{name}_reduction_lit"] = _median([p.reduction(region, lit=True) for p in pairs if p.lit])
        values[f"{name}_distance_before"], values[f"{name}_distance_after"] = _median(before), _median(after)
    shifts = [pair.nme for pair in pairs if pair.nme is not None]
    values |= {"ssim": _median([pair.ssim for pair in pairs]), "ssim_least": round(min(p.ssim for p in pairs), 4)}
    values |= {"nme": round(float(np.mean(shifts)), 5) if shifts else None}
    return values | {"outside_changed": sum(pair.outside for pair in pairs)}


def _reading_figures(read: Sequence[Result]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    names = {region: name for name, region in READ.items()}
    for region in REGIONS:
        name = names.get(region, region)
        for key, part in _READINGS.items():
            values[f"read_{name}_{key}"] = _median([part(result)[region] for result in read if region in part(result)])
        values[f"removed_{name}"] = _removed(read, region)
    values |= {f"bare_{name}_de00": _median([r.bare[name] for r in read if name in r.bare]) for name in _names(read)}
    right: dict[str, list[float]] = defaultdict(list)
    for result in read:
        for name, value in result.right.items():
            right[name].append(value)
    values["right"] = {name: round(float(np.mean(found)), 3) for name, found in sorted(right.items())}
    values["read_by_light"] = {
        light: {n: _median([x.off[r] for x in read if x.light == light and r in x.off]) for n, r in READ.items()}
        for light in HELD_OUT
    }
    return values


_READINGS: dict[str, Callable[[Result], Mapping[Region, float]]] = {
    "de00": lambda result: result.off,
    "de00_neutral": lambda result: result.off if result.light == "neutral" else {},
    "pigment_de00": lambda result: result.pigment,
    "control_bare": lambda result: result.unread,
    "control_other_look": lambda result: result.other,
    "ceiling": lambda result: result.ceiling,
}


def _removed(read: Sequence[Result], region: Region) -> float | None:
    """Share of the makeup's distance from the bare face that removal takes off: of the median distances."""
    both = [(r.left[region], r.unread[region]) for r in read if region in r.left]
    if not both:
        return None
    after, before = np.median(np.array(both), 0)
    return round(1 - float(after / before), 4)


def _names(read: Sequence[Result]) -> list[str]:
    return sorted({name for result in read for name in result.bare})


_FAIR = ("read_lip_de00", "read_lid_de00", "read_cheek_de00", "lip_remainder", "lid_remainder")


def fairness(read: Sequence[Result], pairs: Sequence[Pair]) -> dict[str, dict[str, dict[str, Any]]]:
    """By kind of group and group: how many pictures, and the figures of `_FAIR`, which are the better the less."""
    kinds: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    for kind, group in sorted({one for result in read for one in result.subject.groups}):
        own = [result for result in read if (kind, group) in result.subject.groups]
        moved = [pair for pair in pairs if (kind, group) in pair.subject.groups]
        row: dict[str, Any] = {"pictures": len({result.subject.portrait.file for result in own})}
        for name, region in READ.items():
            row[f"read_{name}_de00"] = _median([result.off[region] for result in own if region in result.off])
        for name, judged in (("lip", _JUDGED[0]), ("lid", _JUDGED[1])):
            row[f"{name}_remainder"] = _median([1 - pair.reduction(judged) for pair in moved])
        kinds[kind][group] = row
    return dict(kinds)


def worst_over_best(table: Mapping[str, Mapping[str, Mapping[str, Any]]], name: str) -> float | None:
    """The largest ratio, within one kind of group, of the worst group's figure to the best one's; None: no two groups
    of at least FEWEST pictures."""
    ratios = []
    for groups in table.values():
        values = [row[name] for row in groups.values() if row["pictures"] >= FEWEST and row[name] is not None]
        if len(values) > 1:
            ratios.append(max(values) / max(min(values), 1e-6))
    return round(max(ratios), 3) if ratios else None


def _median(values: Iterable[float] | np.ndarray) -> float | None:
    found = list(values)
    return round(float(np.median(found)), 4) if found else None
