"""What a serving process holds: one Recommender, opened in the background so that the process answers at once."""

from __future__ import annotations

import atexit
import gc
import logging
import os
import threading
import time

import torch
from flask import current_app, g

from persona.caller import within
from persona.errors import PersonaError
from persona.recommend import Recommender
from persona.serve.problems import NotReady
from persona.settings import Settings

SECONDS_TO_CHECK = 2.0  # that the database may take to say that it is there
GARBAGE = 10_000, 20, 1_000  # objects, then rounds, after which the collector looks: at the old ones hardly ever
RETRY = 5.0  # seconds between attempts to open what could not be opened
log = logging.getLogger(__name__)


class Service:
    """Opens the Recommender once and hands it to requests. A database or model that is not there yet is tried again."""

    def __init__(self, settings: Settings, recommender: Recommender | None = None) -> None:
        self.settings = settings
        self._recommender = recommender
        self._problem = "the models are still loading"
        self._opened = threading.Event()
        if recommender is not None:
            self._opened.set()

    def start(self) -> None:
        """Begin to open the Recommender, which is closed when the process ends; returns at once."""
        if not self._opened.is_set():
            atexit.register(self._close)
            threading.Thread(target=self._open, name="persona-open", daemon=True).start()

    def wait(self, seconds: float) -> bool:
        """Wait until requests can be answered; False when they still cannot."""
        return self._opened.wait(seconds)

    @property
    def recommender(self) -> Recommender:
        """The open Recommender. Raises NotReady, saying why, until there is one."""
        if self._recommender is None:
            raise NotReady(f"Not ready: {self._problem}. Try again in a moment.")
        return self._recommender

    def check(self) -> Recommender:
        """The Recommender, after its database has answered a question. Raises NotReady, also while a model hangs."""
        recommender = self.recommender
        if not recommender.healthy:
            raise NotReady("Not ready: a model hangs.")
        try:
            with within(SECONDS_TO_CHECK):
                recommender.store.user_ids(limit=1)
        except Exception as error:
            log.warning("the database does not answer: %s", error)
            raise NotReady("Not ready: the database does not answer.") from error
        return recommender

    def _open(self) -> None:
        torch.set_num_threads(share_of_cores(self.settings))
        while self._recommender is None:
            began = time.perf_counter()
            try:
                opened = Recommender.open(self.settings)
                opened.warm()
                _settle()
                self._recommender = opened
            except Exception as error:
                told = isinstance(error, PersonaError)  # anything else is ours and needs its traceback in the log
                self._problem = str(error) if told else "opening failed, see the server's log"
                log.error("cannot open: %s", error, exc_info=not told)
                time.sleep(RETRY)
        log.info("ready after %.1f s", time.perf_counter() - began)
        self._opened.set()

    def _close(self) -> None:
        if self._recommender is not None:
            self._recommender.close()


def _settle() -> None:
    """Take what is there now, a catalogue's worth of objects, out of what is looked through for garbage: that would
    hold up every request of the moment for a tenth of a second, again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE)


def share_of_cores(settings: Settings) -> int:
    """CPU threads for one worker: workers that each take every core only fight."""
    return settings.threads or max(1, (os.cpu_count() or 1) // settings.workers)


def asking() -> tuple[str, str | None]:
    """Who is asking, a key's id and never a person's, and in which request."""
    return g.get("actor", "open"), g.get("request_id")


def service() -> Service:
    """The Service of the application that is answering."""
    found: Service = current_app.extensions["persona"]
    return found
