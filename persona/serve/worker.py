"""The thread of a serving process that works off jobs, a part at a time, and lets live requests go first."""

from __future__ import annotations

import atexit
import logging
import threading
import time

from flask import Flask, g

from persona.caller import CALLER, Caller
from persona.errors import BadInput, Busy, Conflict, NotFound, PersonaError
from persona.recommend import jobs
from persona.recommend.recommender import Recommender
from persona.serve.problems import NotReady
from persona.serve.service import Service
from persona.store.jobs import Turn

LEASE = 30.0  # seconds for a part; after these its worker is taken for dead
LOOK_EVERY = 1.0  # seconds between looks for jobs that other processes were asked for
PATIENCE = 1.0  # seconds that a part waits for a moment without live requests
RETRY = 5.0  # seconds after the database did not answer
TIDY_EVERY = 600.0  # seconds between erasing answers and jobs that are over
log = logging.getLogger(__name__)


class Worker:
    """Works off jobs from when it is started, or first woken, until it is stopped."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._live, self._quiet = 0, threading.Condition()
        self._woken, self._stopped = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._tidied = time.monotonic()

    def watch(self, app: Flask) -> None:
        """Count the live requests of an application."""
        app.before_request(self._come)
        app.teardown_request(self._go)

    def start(self) -> None:
        """Begin, if it has not begun or has died."""
        with self._starting:
            if self._thread is None or not self._thread.is_alive():
                self._stopped.clear()
                atexit.register(self.stop)  # before the service is closed, which was registered before
                self._thread = threading.Thread(target=self._run, name="persona-jobs", daemon=True)
                self._thread.start()

    def wake(self) -> None:
        """Say that there is a job."""
        self.start()
        self._woken.set()

    def stop(self, seconds: float = 10.0) -> None:
        """End after the part that is being done; what is left waits for another process."""
        self._stopped.set()
        self._woken.set()
        with self._quiet:
            self._quiet.notify_all()
        if self._thread is not None:
            self._thread.join(seconds)

    def _run(self) -> None:
        while not self._stopped.is_set():
            pause = self._once() if self._service.wait(LOOK_EVERY) else 0.0
            if pause:
                self._woken.wait(pause)
                self._woken.clear()

    def _once(self) -> float:
        """Do a part of a job, if there is one; returns for how many seconds to rest."""
        try:
            recommender = self._service.recommender
            self._tidy(recommender)
            turn = recommender.store.take_turn(LEASE)
            if turn is None:
                return LOOK_EVERY
            self._let_others_go_first()
            return self._advance(recommender, turn)
        except NotReady:
            return LOOK_EVERY
        except Exception as error:
            log.warning("jobs wait: %s", error, exc_info=not isinstance(error, PersonaError))
            return RETRY

    def _advance(self, recommender: Recommender, turn: Turn) -> float:
        store = recommender.store
        try:
            if not self._stopped.is_set():
                CALLER.set(Caller(turn.job.id))  # one of many in the models' lines, not first in them
                made = jobs.advance(recommender, turn)
                store.end_turn(turn, made.state, made.done, made.result)
                return 0.0
            store.end_turn(turn, "queued", turn.job.done, turn.result)
        except (BadInput, NotFound, Conflict) as error:  # it would be no better the next time
            store.end_turn(turn, "failed", turn.job.done, turn.result, str(error))
        except PersonaError as error:
            log.info("job %s waits: %s", turn.job.id, error)
            store.end_turn(turn, "queued", turn.job.done, turn.result)
            return error.retry_after if isinstance(error, Busy) else RETRY
        except Exception:
            log.exception("job %s failed", turn.job.id)
            store.end_turn(
                turn, "failed", turn.job.done, turn.result, "something went wrong here: see the server's log"
            )
        return 0.0

    def _let_others_go_first(self) -> None:
        with self._quiet:
            self._quiet.wait_for(lambda: self._live == 0 or self._stopped.is_set(), PATIENCE)

    def _tidy(self, recommender: Recommender) -> None:
        if time.monotonic() - self._tidied > TIDY_EVERY:
            self._tidied = time.monotonic()
            recommender.store.purge_answers()
            recommender.store.purge_jobs()

    def _come(self) -> None:
        g.live = True
        with self._quiet:
            self._live += 1

    def _go(self, _: BaseException | None) -> None:
        if g.pop("live", False):  # a request that was refused before it came here does not go
            with self._quiet:
                self._live -= 1
                self._quiet.notify_all()
