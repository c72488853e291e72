"""How well looks are read: rendered on people who were held out, in lights that were held out, beside controls.

A reading is judged by what it would do: the colour that the read look gives a region of that same bare face in neutral
light, against the colour that the true look gives it. The same looks go round in every group, in the same lights, so
that groups differ by their faces alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from persona.catalog.colour import delta_e_2000, srgb_to_lab, to_linear
from persona.makeup.aligned import VARIANTS, align, crop_of, masks_by_placement, matrix_of, spread, through
from persona.makeup.bare import remove
from persona.makeup.face import Bytes, Face, LandmarkDetector
from persona.makeup.lights import HELD_OUT, held_out, lit
from persona.makeup.look import PLACEMENTS, REGIONS, Look, Region
from persona.makeup.portraits import Portrait, band_of
from persona.makeup.random_looks import draw_looks
from persona.makeup.read import UNDER, LookReader, ReadLook, measured
from persona.makeup.render import apply

Labs = NDArray[np.float64]
SETS = 4  # of looks, so that few looks do not make a figure
OFTEN = 2  # ceilings and removals are measured on one look in so many


@dataclass(frozen=True)
class Subject:
    """A portrait with what it is measured by. bare: CIELAB medians by region and placement; groups: what the person
    belongs to, by (kind, group)."""

    portrait: Portrait
    cores: NDArray[np.int64]  # (V, points) flat indices into the aligned crop
    bare: Labs
    groups: tuple[tuple[str, str], ...]

    def colours(self, photo: Bytes) -> Labs:
        """Medians of CIELAB in a picture of the same face in the same place, (V, 3)."""
        crop = crop_of(photo, self.portrait.face).reshape(-1, 3)
        return np.asarray(np.median(srgb_to_lab(crop[self.cores]), 1), np.float64)

    def wearing(self, look: Look) -> Labs:
        """The same, of the portrait with a look."""
        return self.colours(apply(self.portrait.photo, self.portrait.face, look))


@dataclass
class Result:
    """One reading. off: by region that is made up, the CIEDE2000 of the read look, and the same for controls; counts:
    what was right (1) or wrong (0), by name."""

    subject: Subject
    light: str
    off: dict[Region, float] = field(default_factory=dict)
    unread: dict[Region, float] = field(default_factory=dict)  # a bare face read
    other: dict[Region, float] = field(default_factory=dict)  # the next look read
    pigment: dict[Region, float] = field(default_factory=dict)
    ceiling: dict[Region, float] = field(default_factory=dict)  # measured, the light wholly known
    left: dict[Region, float] = field(default_factory=dict)  # of the makeup after its removal
    bare: dict[str, float] = field(default_factory=dict)
    right: dict[str, float] = field(default_factory=dict)


def subject_of(portrait: Portrait) -> Subject:
    """A portrait to measure on."""
    there = through(portrait.face, matrix_of(portrait.face))
    cores = np.stack([spread(mask) for mask in masks_by_placement(there)])
    crop = crop_of(portrait.photo, portrait.face).reshape(-1, 3)
    bare = np.asarray(np.median(srgb_to_lab(crop[cores]), 1), np.float64)
    band = band_of(portrait.photo, portrait.face)
    groups = (("tone", band), ("gender", portrait.gender or "unsaid"), ("ethnicity", portrait.ethnicity or "unsaid"))
    return Subject(portrait, cores, bare, groups)


def random_look(subject: Subject, seed: int) -> Look:
    """The random look of this number, fitted to the subject's skin as `draw_looks` fits it."""
    skin = torch.tensor(subject.bare[core("skin", PLACEMENTS["skin"][0])], dtype=torch.float32)[None]
    return draw_looks(skin, torch.Generator().manual_seed(seed)).looks()[0]


def in_light(photo: Bytes, light: str, seed: int) -> Bytes:
    """A photo under one of the held-out lights and cameras."""
    picture = torch.from_numpy(photo).permute(2, 0, 1)[None].float() / 255
    seen = lit(picture, held_out(light), torch.Generator().manual_seed(seed))
    return (seen[0] * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()


def places_of(subjects: Sequence[Subject]) -> dict[str, int]:
    """By file, the how manieth of its ethnic group a portrait is: the same looks go round in every group."""
    counts: dict[str, int] = {}
    places = {}
    for subject in subjects:
        group = subject.portrait.ethnicity
        places[subject.portrait.file] = counts.get(group, 0)
        counts[group] = places[subject.portrait.file] + 1
    return places


def readings(
    subjects: Sequence[Subject], reader: LookReader, detector: LandmarkDetector, looks: int, seed: int
) -> list[Result]:
    """Every subject in so many looks, one after the other in each of the held-out lights."""
    results, places = [], places_of(subjects)
    for subject in tqdm(subjects, desc="reading", unit="person", leave=False):
        first = looks * (places[subject.portrait.file] % SETS)
        for k in range(looks):
            look, following = (random_look(subject, seed + 97 * (first + at)) for at in (k, (k + 1) % looks))
            made = apply(subject.portrait.photo, subject.portrait.face, look)
            photo = in_light(made, HELD_OUT[k % len(HELD_OUT)], seed + k)
            faces = detector.detect(photo)
            result = Result(subject, HELD_OUT[k % len(HELD_OUT)], right={"found": float(bool(faces))})
            if faces:
                seen = reader.read(photo, faces[0])
                _judge(result, look, seen, following, subject.colours(made))
                if k % OFTEN == 0:  # these take longer than the rest
                    _judge_ceiling(result, look, made, photo, faces[0])
                    _judge_removal(result, look, made, reader)
            results.append(result)
    return results


def _judge(result: Result, look: Look, seen: ReadLook, following: Look, true: Labs) -> None:
    subject = result.subject
    said, other = subject.wearing(seen.look), subject.wearing(following)
    for region in REGIONS:
        product, read = look.on(region), seen.look.on(region)
        result.right[f"present/{region}/{'worn' if product else 'bare'}"] = float((product is None) == (read is None))
        if product is None:
            continue
        at = core(region, product.placement or PLACEMENTS[region][0])
        result.off[region] = between(said[at], true[at])
        result.unread[region] = between(subject.bare[at], true[at])
        result.other[region] = between(other[at], true[at])
        if read is not None:
            result.pigment[region] = between(read.lab, product.lab)
            result.right[f"finish/{region}"] = float(read.finish == product.finish)
            result.right[f"placement/{region}"] = float(read.placement == product.placement)
    for name, lab in seen.bare.items():
        owner = next(region for region in REGIONS if UNDER[region] == name and region == name)
        result.bare[name] = between(lab, subject.bare[core(owner, PLACEMENTS[owner][0])])


def _judge_ceiling(result: Result, look: Look, made: Bytes, photo: Bytes, face: Face) -> None:
    """What could be measured by landmarks seen in this light, if the light's gains on skin were known exactly."""
    subject, region_at = result.subject, [core(r, PLACEMENTS[r][0]) for r in REGIONS]
    aligned, skin = align(photo, face), core("skin", "even")
    seen = to_linear(aligned.crop.reshape(-1, 3)[aligned.at[skin]] / 255)
    neutral = to_linear(crop_of(made, subject.portrait.face).reshape(-1, 3)[subject.cores[skin]] / 255)
    gains = np.exp(np.median(np.log(seen + 0.004), 0) - np.median(np.log(neutral + 0.004), 0))
    said = measured(photo, aligned, face, (float(gains[0]), float(gains[1]), float(gains[2])))
    worn = subject.colours(made)
    for region, at in zip(REGIONS, region_at):
        product = look.on(region)
        if product is not None and product.placement == PLACEMENTS[region][0]:
            result.ceiling[region] = between(said[region], worn[at])


def _judge_removal(result: Result, look: Look, made: Bytes, reader: LookReader) -> None:
    """In neutral light, as what is left must be told from what the light does."""
    portrait = result.subject.portrait
    after = result.subject.colours(remove(made, portrait.face, reader)[0])
    for product in look.products:
        at = core(product.region, product.placement or PLACEMENTS[product.region][0])
        result.left[product.region] = between(after[at], result.subject.bare[at])


def core(region: Region, placement: str) -> int:
    """Which of VARIANTS that is."""
    return next(k for k, variant in enumerate(VARIANTS) if variant == (region, placement))


def between(one: Iterable[float] | Labs, other: Iterable[float] | Labs) -> float:
    """CIEDE2000 of two colours."""
    return float(delta_e_2000(np.asarray(tuple(one)), np.asarray(tuple(other))))
