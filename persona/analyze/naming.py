"""Names for segments, of what a segment has more of than everybody: "plain dark casual", "green sporty hoodie".

A name is up to three words in the order pattern, colour, style, category. The words are those values that stand out
most: by (share - everybody's) / sqrt(everybody's (1 - everybody's)), the difference in deviations of a single choice,
so that a rare value need not be as frequent as a common one to be named. Where several colours of one kind stand out
together, the kind is named (dark, light, bright). The same shares give the same names, whatever numbers clusters have.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from persona.analyze.tastes import PARTS, VALUES
from persona.store.records import COLOURS, FACETS

TONES: dict[str, tuple[str, ...]] = {
    "dark": ("black", "navy", "brown"),
    "light": ("white", "beige"),
    "bright": ("red", "orange", "yellow", "green", "blue", "purple", "pink"),
}
ORDER = ("pattern", "colour", "style", "category")
WORDS = 3  # of a name, if it need not be longer to be the only one
LEAST = 0.1  # deviations above everybody from which on a value stands out
MOSTLY = 0.7  # of what is liked more of a tone than everybody does: a colour with more of that is named itself
AVERAGE = "all-round"  # the name where nothing stands out

Shares = NDArray[np.float64]
Word = tuple[float, str, str]
"""How far it stands out, its facet, and the word."""


def names_of(centroids: Shares, everybody: Shares) -> list[str]:
    """A name for each of centroids (k, 37), shares as everybody's (37,); no two are the same.

    Where two would be, the one that stands out less gets further words, and in the end a number.
    """
    words = [_words(centroid, everybody) for centroid in centroids]
    strongest = sorted(range(len(words)), key=lambda one: (-sum(word[0] for word in words[one][:WORDS]), one))
    taken: dict[int, str] = {}
    for one in strongest:
        taken[one] = next(name for name in _longer(words[one]) if name not in taken.values())
    return [taken[one] for one in range(len(words))]


def _words(centroid: Shares, everybody: Shares) -> list[Word]:
    """What stands out, of each facet the first, then the seconds, each most first."""
    of_facet = [_standing_out(facet, centroid, everybody) for facet in FACETS]
    firsts = sorted((words[0] for words in of_facet if words), key=lambda word: -word[0])
    return firsts + sorted((word for words in of_facet for word in words[1:]), key=lambda word: -word[0])


def _standing_out(facet: str, centroid: Shares, everybody: Shares) -> list[Word]:
    part = PARTS[facet]
    found = _excess(FACETS[facet], centroid[part], everybody[part])
    if facet == "colour":
        for tone, colours in TONES.items():
            found = _one_tone(found, tone, colours, centroid, everybody)
    return [(by, facet, value) for value, by in sorted(found.items(), key=lambda one: (-one[1], one[0]))]


def _excess(values: Sequence[str], have: Shares, all_: Shares) -> dict[str, float]:
    """By how much each value that stands out does."""
    by = (have - all_) / np.sqrt(np.maximum(all_ * (1 - all_), 1e-4))
    return {value: float(one) for value, one in zip(values, by, strict=True) if one >= LEAST}


def _one_tone(
    found: dict[str, float], tone: str, colours: Sequence[str], centroid: Shares, everybody: Shares
) -> dict[str, float]:
    """The colours that stand out, with one word for those of a tone where they are several and none is most of it."""
    rows = [PARTS["colour"].start + COLOURS.index(colour) for colour in colours]
    together = _excess([tone], centroid[rows].sum(keepdims=True), everybody[rows].sum(keepdims=True))
    several = [colour for colour in colours if colour in found]
    more = (centroid - everybody)[rows].clip(0)
    if len(several) < 2 or not together or more.max() > MOSTLY * more.sum():
        return found
    return {value: by for value, by in found.items() if value not in several} | together


def _longer(words: Sequence[Word]) -> Iterator[str]:
    """Names of WORDS words of different facets, as far as there are, then longer ones, then numbered ones."""
    first = min(WORDS, len({facet for _, facet, _ in words}))
    for count in range(first, len(words) + 1):
        yield _written(words[:count])
    number = 2
    while True:
        yield f"{_written(words[:first])} {number}"
        number += 1


def _written(words: Sequence[Word]) -> str:
    ordered = sorted(enumerate(words), key=lambda one: (ORDER.index(one[1][1]), one[0]))
    return " ".join(word for _, (_, _, word) in ordered) or AVERAGE


def told(centroid: Shares, everybody: Shares, count: int = 5) -> list[tuple[str, str]]:
    """The values, as (facet, value), that a segment has most more of than everybody, at most so many."""
    excess = (centroid - everybody) / np.sqrt(np.maximum(everybody * (1 - everybody), 1e-4))
    return [VALUES[row] for row in np.argsort(-excess, kind="stable")[:count] if excess[row] >= LEAST]
