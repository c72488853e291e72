"""Popularity within a segment of users: what people of one age band do, as far as there are enough of them to tell.

The counts of a segment are drawn toward everybody's: (counts + m * share) / (total + m), where share is an item's share
of all events and m the pseudo count, that many events of everybody's. m is empirical Bayes: the counts are taken for a
Dirichlet-multinomial draw around the shares, whose Pearson statistic is on average
(items - 1)(1 + (total - 1) / (m + 1)) (Mosimann 1962), and solved for m. A segment that does what everybody does is
read as everybody; one that differs more than chance explains speaks for itself.

Only the age band makes segments. It is what garments are cut and sold by, and it is the user's own word. Skin tone,
face and body are not used: they would sort people by their bodies. Of children no segment is made.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from persona.taste.table import Floats


def segment_popularity(counts: Floats, popularity: Floats) -> Floats:
    """Weighted events of a segment, (n,), drawn toward everybody's popularity (n,), on the scale of the latter.

    float32 (n,), summing to what popularity sums to.
    """
    total, everybody = float(counts.sum()), float(popularity.sum())
    if not total or not everybody:
        return popularity
    share = popularity / np.float32(everybody)
    events = pseudo_count(counts, share)
    if np.isinf(events):
        return popularity
    return ((counts + events * share) * (everybody / (total + events))).astype(np.float32)


def pseudo_count(counts: NDArray[np.floating], share: NDArray[np.floating]) -> float:
    """How many events of everybody's a segment's counts (n,) are to be mixed with; infinite where they do not differ.

    share (n,): of all events, summing to 1. Items that nobody acted on tell nothing.
    """
    told = share > 0
    expected = counts.sum() * share[told]
    if told.sum() < 2 or counts.sum() <= 1:
        return float("inf")
    excess = float((np.square(counts[told] - expected) / expected).sum()) / (int(told.sum()) - 1) - 1
    return max(0.0, (float(counts.sum()) - 1) / excess - 1) if excess > 0 else float("inf")
