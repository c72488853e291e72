"""What editing and inversion are worth: how often an edit is seen in the picture, how near a picture comes again."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from persona.catalog.colour import colour_name, delta_e_2000, garment_lab
from persona.catalog.measure import measure
from persona.errors import BadInput
from persona.gan.edit import Change, edit, outline_iou
from persona.gan.invert import STEPS, Inverter, invert
from persona.gan.judge import Judge, RealSet
from persona.gan.model import Code, GarmentModel, render
from persona.store.records import COLOURS, PATTERNS

GARMENTS = 40  # edited, each in every way
_EMPTY = (100.0, 0.0, 0.0)

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]


def evaluate_edits(
    model: GarmentModel, held: RealSet, judge: Judge, garments: int = GARMENTS, seed: int = 0
) -> dict[str, Any]:
    """Garments under held-out conditions, edited to every colour, pattern and category that the generator knows.

    *_edited: share whose picture has what was wished (colour name and pattern as measured, category by the judge);
    *_before: the same share without the edit; *_once: after the linear move alone, for colours; *_real: of real
    held-out garments of each kind, for patterns and categories. *_kept: intersection over union of the outlines and,
    where colour was to stay, CIEDE2000 from the colour before.
    """
    rows = np.random.default_rng(seed).permutation(len(held))[:garments]
    if len(rows) == 0:
        raise BadInput("garments", "none to edit; import some")
    some = held.rows(rows)
    code = Code.of(some.conditions, some.categories, [seed + int(row) for row in rows])
    before = render(model, code)
    return {
        **_colours(model, code, before),
        **_patterns(model, code, before, held),
        **_categories(model, code, before, judge, held),
        "garments": len(rows),
        "model": model.version,
    }


def _colours(model: GarmentModel, code: Code, before: Bytes) -> dict[str, Any]:
    was = [colour_name(lab) for lab in labs(before)]
    hits, once, outlines = {}, [], []
    for name in known(COLOURS, model.directions.colours):
        first, best = (edit(model, code, Change(colour=name), rounds=n).pictures for n in (1, 6))
        hits[name] = _share([colour_name(lab) for lab in labs(best)], name)
        once.append(_share([colour_name(lab) for lab in labs(first)], name))
        outlines.append(outline_iou(before, best).mean())
    return {
        "colour_edited": float(np.mean(list(hits.values()))),
        "colour_once": float(np.mean(once)),
        "colour_before": float(np.mean([_share(was, name) for name in hits])),
        "colour_outline_kept": float(np.mean(outlines)),
        "colours": hits,
    }


def _patterns(model: GarmentModel, code: Code, before: Bytes, held: RealSet) -> dict[str, Any]:
    was = [measure(picture).pattern for picture in before]
    names = known(PATTERNS, model.directions.patterns)
    edited = {name: edit(model, code, Change(pattern=name)) for name in names}
    hits = {name: _share([measure(picture).pattern for picture in one.pictures], name) for name, one in edited.items()}
    return {
        "pattern_edited": float(np.mean(list(hits.values()))),
        "pattern_before": float(np.mean([_share(was, name) for name in names])),
        "pattern_outline_kept": float(np.mean([outline_iou(before, one.pictures).mean() for one in edited.values()])),
        "pattern_colour_de00": float(np.median([one.colour_error for one in edited.values()])),
        "patterns": hits,
    }


def _categories(model: GarmentModel, code: Code, before: Bytes, judge: Judge, held: RealSet) -> dict[str, Any]:
    present = [name for name in model.categories if name in judge.train.categories]
    edited = {name: edit(model, code, Change(category=name)) for name in present}
    seen = {name: judge.look(one.pictures).categories for name, one in edited.items()}
    was, real = judge.look(before).categories, judge.look(held.rgba).categories
    return {
        "category_edited": float(np.mean([_share(seen[name], name) for name in present])),
        "category_before": float(np.mean([_share(was, name) for name in present])),
        "category_own": float(np.mean(was == np.array(code.category))),
        "category_real": float(np.mean(real == np.array(held.categories))),
        "category_colour_de00": float(np.median([one.colour_error for one in edited.values()])),
    }


def evaluate_inversion(
    inverter: Inverter, model: GarmentModel, held: RealSet, garments: int = 100, seed: int = 0
) -> dict[str, Any]:
    """Held-out real garments drawn again, beside what comes without steps, without the encoder, and of random z."""
    some = held.rows(np.random.default_rng(seed).permutation(len(held))[:garments])
    names = tuple(some.categories)
    made: dict[str, Bytes] = {"random": render(model, Code.of(some.conditions, names, range(len(some))))}
    made["zero"] = render(model, invert(None, model, some.rgba, some.conditions, names, steps=0).code)
    made["no_steps"] = render(model, invert(inverter, model, some.rgba, some.conditions, names, steps=0).code)
    made["no_encoder"] = render(model, invert(None, model, some.rgba, some.conditions, names).code)
    made["inverted"] = render(model, invert(inverter, model, some.rgba, some.conditions, names).code)
    figures = {
        f"{key}_{name}" if name != "inverted" else key: value
        for name, pictures in made.items()
        for key, value in reconstruction(pictures, some.rgba).items()
    }
    spent = [_seconds(inverter, model, some.rows(np.array([row]))) for row in range(min(8, len(some)))]
    return {
        **figures,
        "seconds": float(np.median(spent)),
        "steps": STEPS,
        "held_out": len(some),
        "inverter": inverter.version,
        "model": model.version,
    }


def reconstruction(made: Bytes, real: Bytes) -> dict[str, float]:
    """How near pictures (n, s, s, 4) come to real ones of the same size, both premultiplied.

    rgb_mae: of 255, over the real garment; psnr: dB, of all four channels; outline_iou; colour_de00: CIEDE2000 of the
    main colours, median.
    """
    weight, apart = real[..., 3:] / 255, np.abs(made.astype(np.float64) - real)
    mae = (apart[..., :3] * weight).sum((1, 2, 3)) / (3 * weight.sum((1, 2, 3))).clip(1)
    error = np.square(apart).mean((1, 2, 3)).clip(1e-3)
    return {
        "rgb_mae": float(mae.mean()),
        "psnr": float(np.mean(10 * np.log10(255**2 / error))),
        "outline_iou": float(outline_iou(made, real).mean()),
        "colour_de00": float(np.median(delta_e_2000(labs(made), labs(real)))),
    }


def labs(pictures: Bytes) -> Floats:
    """CIELAB (n, 3) of the main colours; the page's white where there is no garment."""
    return np.array([garment_lab(picture) or _EMPTY for picture in pictures], np.float64).reshape(-1, 3)


def known(names: Sequence[str], values: Floats) -> list[str]:
    """Those that the directions were fitted to."""
    return [name for name, value in zip(names, values) if np.isfinite(value).all()]


def _seconds(inverter: Inverter, model: GarmentModel, one: RealSet) -> float:
    began = time.perf_counter()
    invert(inverter, model, one.rgba, one.conditions, tuple(one.categories))
    return time.perf_counter() - began


def _share(found: Sequence[str | None] | NDArray[np.str_], name: str) -> float:
    return float(np.mean([one == name for one in found]))
