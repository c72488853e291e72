"""The ten tones of the Monk Skin Tone scale (Ellis Monk, 2019; published by Google at skintone.google, CC BY 4.0)."""

from __future__ import annotations

from persona.makeup.look import Lab, lab_of_hex

MONK = ("#f6ede4", "#f3e7db", "#f7ead0", "#eadaba", "#d7bd96", "#a07e56", "#825c43", "#604134", "#3a312a", "#292420")
MONK_LAB: tuple[Lab, ...] = tuple(lab_of_hex(tone) for tone in MONK)  # of tone 1 first


def monk_lab(tone: int) -> Lab:
    """CIELAB of a Monk tone, 1 to 10."""
    return MONK_LAB[tone - 1]
