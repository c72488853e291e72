"""Condition vector to picture: networks, losses, training, sampling, evaluation. Knows no SQL and no HTTP."""

from persona.gan.model import GarmentModel, condition_digest, sample
from persona.gan.prior import Prior

__all__ = ["GarmentModel", "Prior", "condition_digest", "sample"]
