"""Records what stored users were shown, behind the answers: nobody waits for it, and where it fails nobody notices."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from persona.errors import PersonaError
from persona.metrics import RECORDED
from persona.recommend.types import Recommendation
from persona.store import Store
from persona.store.recommendations import ShownAnswer

GATHERING = 1.0  # seconds in which answers come together: a commit waits for the disk once, however many they are
TOGETHER = 500  # answers in one transaction
MOST_WAITING = 10_000  # answers; what does not fit is not recorded
MOST_KNOWN = 20_000  # ids lately written: the same answer given again is no news
RETRY = 5.0  # seconds until a database that was away is tried again
SECONDS_TO_STOP = 8.0
log = logging.getLogger(__name__)


class ShownRecorder:
    """Writes answers to the store from a thread of its own, which lives while there are any. Safe to share."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._changed = threading.Condition()
        self._waiting: OrderedDict[str, ShownAnswer] = OrderedDict()
        self._known: OrderedDict[str, None] = OrderedDict()
        self._thread: threading.Thread | None = None
        self._closed = False

    def note(self, answer: Recommendation) -> None:
        """Have an answer recorded, unless it is to nobody stored or was recorded lately. Returns at once."""
        if answer.user_id is None:
            return
        with self._changed:
            if answer.rec_id in self._known or answer.rec_id in self._waiting:
                return
            if self._closed or len(self._waiting) >= MOST_WAITING:
                RECORDED.labels("dropped").inc()
                return
            self._waiting[answer.rec_id] = _shown(answer, answer.user_id)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="persona-shown", daemon=True)
                self._thread.start()

    def forget(self) -> None:
        """Forget which answers are recorded: those of somebody erased are not any more."""
        with self._changed:
            self._known.clear()

    def flush(self, seconds: float = SECONDS_TO_STOP) -> None:
        """Wait until what was noted is written, at most so long."""
        with self._changed:
            thread = self._thread
        if thread is not None:
            thread.join(seconds)

    def close(self) -> None:
        """Note nothing more, and write what waits; what the store does not take now is dropped."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self.flush()

    def _run(self) -> None:
        """The thread's life: until nothing waits, or something goes wrong that is ours."""
        pause = GATHERING
        while batch := self._next(pause):
            pause = GATHERING if self._write(batch) else RETRY

    def _next(self, pause: float) -> list[ShownAnswer]:
        with self._changed:
            if self._waiting:
                self._changed.wait_for(lambda: self._closed, pause)
            else:
                self._thread = None  # whoever notes the next one begins another
            return [answer for _, answer in zip(range(TOGETHER), self._waiting.values())]

    def _write(self, batch: list[ShownAnswer]) -> bool:
        """Whether it is done with: stored, or no use. After a failure of the database it stays in line."""
        try:
            stored = self._store.add_recommendations(batch)
        except PersonaError as error:
            if not self._closed:
                log.warning("what was shown is recorded later: %s", error)
                return False
            stored = frozenset()
        except Exception:
            log.exception("%d answers are not recorded", len(batch))
            stored = frozenset()
        self._settle(batch, stored)
        return True

    def _settle(self, batch: list[ShownAnswer], stored: frozenset[str]) -> None:
        RECORDED.labels("stored").inc(len(stored))
        RECORDED.labels("dropped").inc(len(batch) - len(stored))
        with self._changed:
            for answer in batch:
                self._waiting.pop(answer.id, None)
            self._known.update(dict.fromkeys(stored))
            while len(self._known) > MOST_KNOWN:
                self._known.popitem(last=False)


def _shown(answer: Recommendation, user_id: str) -> ShownAnswer:
    return ShownAnswer(
        id=answer.rec_id,
        user_id=user_id,
        at=datetime.now(UTC),
        arm=answer.arm,
        cold_start=answer.cold_start,
        taste_model=answer.taste_model,
        generator_model=answer.generator_model,
        shown=tuple(_things(answer)),
    )


def _things(answer: Recommendation) -> Iterator[dict[str, Any]]:
    """The real items, then the generated garments. The outfit is made of either, and is not shown again."""
    for item in answer.items:
        yield {"rank": item.rank, "item_id": item.item_id, "category": item.category, "score": item.score}
    for made in answer.generated:
        yield {"rank": made.rank, "generation_id": made.generation_id, "category": made.category, "score": made.score}
