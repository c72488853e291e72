"""A run whose numbers are lost goes back to where they were good, instead of ending or being saved that way."""

from __future__ import annotations

import copy
import logging

from persona.errors import BadInput
from persona.gan.train import Trainer

MOST = 5  # times; each halves the rates
log = logging.getLogger(__name__)


class Guard:
    """Keeps the last good state of a trainer in memory."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer, self.good = trainer, copy.deepcopy(trainer.state())

    def check(self) -> bool:
        """Whether figures, weights and moments are numbers. If not, the trainer is put back, on other random numbers
        and at half the rates; the MOST + 1st time raises BadInput, and leaves it at its last good state.

        Every process has to call it.
        """
        trainer = self.trainer
        if not trainer.ranks.any(not trainer.sound(), trainer.device):
            self.good = copy.deepcopy(trainer.state())
            return True
        lost = trainer.images
        trainer.restore(copy.deepcopy(self.good))
        if trainer.rollbacks == MOST:
            raise BadInput(
                "loss",
                f"not a number after {lost:,} pictures, the {MOST + 1}th time and at {0.5**MOST:.3g} of the rates; the "
                f"last good state, after {trainer.images:,}, is kept. Begin a new run from it with a lower "
                "rate_generator and rate_discriminator, or a higher penalty (--grow-from its checkpoint.pt, --set, "
                "another --out)",
            )
        trainer.rollbacks += 1
        trainer.draw.skip(trainer.rollbacks)
        self.good = copy.deepcopy(trainer.state())
        log.warning(
            "not a number after %s pictures: back to %s, with other random numbers and half the rates (%d of %d times)",
            f"{lost:,}", f"{trainer.images:,}", trainer.rollbacks, MOST,
        )  # fmt: skip
        return False
