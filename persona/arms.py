"""An A/B split: which arm a user is in follows from a hash of their id, so it stays and needs no table."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate

from persona.errors import BadInput
from persona.settings import Arm, Settings

DEFAULT = "default"  # the one arm where none are set
PARTS = ("taste", "generator")


@dataclass(frozen=True)
class Split:
    """shares: of the users by arm, relative to each other. The arms count in the order of their names."""

    shares: Mapping[str, float]

    def of(self, name: str) -> str:
        """The arm of a user's id, or of the digest of an inline profile.

        When shares change, only users between the old bounds and the new ones move to another arm.
        """
        place = int.from_bytes(hashlib.sha256(f"arm {name}".encode()).digest()[:8], "big") / 2**64
        names = sorted(self.shares)
        bounds = list(accumulate(self.shares[arm] for arm in names))
        return next(arm for arm, bound in zip(names, bounds) if place < bound / bounds[-1])


def arms_of(settings: Settings) -> dict[str, Arm]:
    """The arms that are set, or the one default arm. Raises BadInput for a model folder that is not there."""
    for name, arm in settings.arms.items():
        for part in PARTS:
            folder = settings.models / getattr(arm, part)
            if not (folder / "config.json").is_file():
                there = sorted(file.parent.name for file in settings.models.glob("*/config.json"))
                known = ", ".join(there) or "none"
                raise BadInput(f"arms.{name}.{part}", f"there is no model folder {folder}; there are {known}")
    return dict(sorted(settings.arms.items())) or {DEFAULT: Arm()}
