"""A generated garment for each segment: its mean taste as the profile of somebody who is nobody, drawn for by the
service itself, so that it is what a user of that taste would be shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from persona.analyze.naming import told
from persona.analyze.segmentation import Segmentation
from persona.analyze.tastes import VALUES
from persona.recommend import Recommender
from persona.recommend.types import InlineProfile, RecommendationRequest
from persona.store.records import Preference

STATED = 6  # values that a segment's profile states
TRIED = 8  # garments, of which the first in a colour that it states is the archetype: one is a matter of chance


@dataclass(frozen=True)
class Archetype:
    """A picture that a model made for a segment. rgba: premultiplied uint8 (h, w, 4); words: what it is; sha256: of the
    picture among the store's; model: version that drew."""

    rgba: NDArray[np.uint8]
    words: str
    sha256: str
    model: str


def archetypes(
    recommender: Recommender, segmentation: Segmentation, names: tuple[str, ...], seed: int = 0
) -> Mapping[str, Archetype]:
    """An archetype of each of these segments that the generator can draw for. Pictures are kept as any generated one,
    for nobody."""
    found = {}
    for number, name in enumerate(names):
        profile = profile_of(segmentation[name].taste, segmentation.everybody)
        drawable = recommender.main.generator.categories
        category = next((p.value for p in profile.preferences if p.facet == "category" and p.value in drawable), None)
        asked = {
            "profile": profile,
            "mode": "generate",
            "generate": TRIED,
            "outfit": False,
            "explain": False,
        }
        answer = recommender.recommend(
            RecommendationRequest.model_validate({**asked, "category": category, "seed": seed + number})
        )
        colours = {p.value for p in profile.preferences if p.facet == "colour"}
        for made in sorted(answer.generated, key=lambda made: made.colour not in colours)[:1]:
            words = f"{made.colour} {made.category}" if made.colour else made.category
            found[name] = Archetype(recommender.pictures.get(made.picture), words, made.picture, made.model)
    return found


def profile_of(centroid: pd.Series, everybody: pd.Series) -> InlineProfile:
    """Somebody who says of themselves what a segment likes more than everybody, in each facet the more the stronger."""
    have, all_ = centroid.to_numpy(float), everybody.to_numpy(float)
    values = told(have, all_, STATED)
    more = {value: have[place] - all_[place] for value in values for place in [list(VALUES).index(value)]}
    most = {facet: max(by for (of, _), by in more.items() if of == facet) for facet, _ in values}
    stated = [
        Preference.model_validate(
            {"facet": facet, "value": value, "weight": round(float(np.sqrt(by / most[facet])), 3)}
        )
        for (facet, value), by in more.items()
    ]
    return InlineProfile(preferences=tuple(stated))
