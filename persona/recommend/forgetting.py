"""`persona privacy sweep`: what is older than the settings allow is erased, with the files that belong to it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

from persona.catalog.pictures import Pictures
from persona.errors import NotFound
from persona.recommend.shelf import drawn_folder
from persona.recommend.tally import FILE as TALLY
from persona.settings import Settings
from persona.store import Store
from persona.store.engine import batches

AT_ONCE = 100  # users, files
UNTOUCHED = timedelta(days=1)  # of a file that nothing refers to: a younger one may be waiting for its row


@dataclass
class Swept:
    """How much went, or would go."""

    users: int = 0
    events: int = 0
    generations: int = 0
    jobs: int = 0
    answers: int = 0
    audit: int = 0
    recommendations: int = 0
    versions: int = 0
    files: int = 0


def sweep(
    store: Store, pictures: Pictures, settings: Settings, *, dry_run: bool = False, actor: str = "command"
) -> Swept:
    """Erase what the settings `keep_*` no longer allow, styles whose consent ended, old jobs and answers.

    It goes in small steps; after an interruption the next sweep goes on. dry_run: only count. What was erased is
    written down in the audit log, also after an interruption.
    """
    swept, now = Swept(), datetime.now(UTC)
    with _recorded(store, swept, actor, dry_run):
        if days := settings.keep_idle_users_days:  # before events: by these it is told who is idle
            _sweep_users(store, pictures, swept, now - timedelta(days=days), dry_run, actor)
        if days := settings.keep_events_days:
            _sweep_events(store, swept, now - timedelta(days=days), dry_run)
            swept.recommendations = store.purge_recommendations(now - timedelta(days=days), dry_run=dry_run)
            swept.versions = store.purge_versions(now - timedelta(days=days), dry_run=dry_run)
        if swept.users or swept.events:
            _forget_counts(settings, dry_run)
        if days := settings.keep_generations_days:
            _sweep_generations(store, pictures, swept, now - timedelta(days=days), dry_run)
        if not dry_run:
            _remove(pictures, store.retire_ended_styles())
        swept.jobs = store.purge_jobs(dry_run=dry_run)
        swept.answers = store.purge_answers(dry_run=dry_run)
        if days := settings.keep_audit_days:
            swept.audit = store.purge_audit(now - timedelta(days=days), dry_run=dry_run)
        if swept.users or swept.generations:
            _forget_drawn(settings, dry_run)
        _sweep_files(store, pictures, swept, now - UNTOUCHED, dry_run)
    return swept


@contextmanager
def _recorded(store: Store, swept: Swept, actor: str, dry_run: bool) -> Iterator[None]:
    try:
        yield
    finally:
        if not dry_run and any(asdict(swept).values()):
            store.record_sweep(actor, asdict(swept))


def _sweep_users(store: Store, pictures: Pictures, swept: Swept, before: datetime, dry_run: bool, actor: str) -> None:
    if dry_run:
        swept.users = len(store.idle_users(before))
        return
    while idle := store.idle_users(before, AT_ONCE):  # looked at anew now and then: who comes back meanwhile stays
        for user_id in idle:
            with suppress(NotFound):  # somebody else erased them
                _remove(pictures, store.delete_user(user_id, actor))
                swept.users += 1


def _sweep_events(store: Store, swept: Swept, before: datetime, dry_run: bool) -> None:
    if dry_run:
        swept.events = store.count_old_events(before)
        return
    for count in store.purge_events(before):
        swept.events += count


def _sweep_generations(store: Store, pictures: Pictures, swept: Swept, before: datetime, dry_run: bool) -> None:
    if dry_run:
        swept.generations = store.count_unloved(before)
        return
    for count, free in store.purge_generations(before):
        swept.generations += count
        _remove(pictures, free)


def _sweep_files(store: Store, pictures: Pictures, swept: Swept, before: datetime, dry_run: bool) -> None:
    """Files whose rows went without them: whoever erased these was interrupted."""
    for shas in batches(pictures.older_than(before.timestamp()), AT_ONCE):
        for sha in sorted(set(shas) - store.pictures_in_use(shas)):
            if dry_run or pictures.remove_older(sha, before.timestamp()):
                swept.files += 1


def _forget_counts(settings: Settings, dry_run: bool) -> None:
    """Co-occurrence rests on what was erased: services find its file gone and count anew."""
    if not dry_run:
        (settings.home / TALLY).unlink(missing_ok=True)


def _forget_drawn(settings: Settings, dry_run: bool) -> None:
    """What was drawn for those who are gone; the rest is drawn again when it is wanted."""
    if not dry_run:
        shutil.rmtree(drawn_folder(settings), ignore_errors=True)


def _remove(pictures: Pictures, shas: list[str]) -> None:
    for sha in shas:
        pictures.remove(sha)
