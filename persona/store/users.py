"""Users: profiles with preferences and consents, stored and erased as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session, selectinload

from persona.errors import NotFound
from persona.store.analysis_schema import UserVersionRow
from persona.store.audit import add_audit
from persona.store.bulk import append, existing, replace
from persona.store.counting import mark_stale, uncount
from persona.store.engine import Database, batches
from persona.store.items import in_use
from persona.store.records import Preference, Profile, Traits
from persona.store.schema import (
    ConditionRow,
    ConsentRow,
    EventRow,
    GenerationRow,
    IdempotencyRow,
    ItemRow,
    JobRow,
    PreferenceRow,
    UserRow,
)
from persona.store.styles import forget_conditions

TRAITS = tuple(Traits.model_fields)


@dataclass(frozen=True)
class UsersWritten:
    """How many profiles were new, and how many took the place of one."""

    added: int
    updated: int


class Users(Database):
    """The users' part of the store."""

    def put_user(self, profile: Profile) -> bool:
        """Store a profile in place of what is known under its id; True if the user is new.

        The user's condition vectors are dropped, since they were made from what the profile said before.
        """
        with self._writing() as session:
            return bool(_write(session, [profile]))

    def bulk_users(self, profiles: Iterable[Profile]) -> UsersWritten:
        """Store many profiles like `put_user`, in one transaction over the database's bulk path; a later one wins."""
        added = total = 0
        with self._writing(alone=True) as session:
            for part in batches(profiles):
                last = {profile.id: profile for profile in part}
                added += len(_write(session, list(last.values()), bulk=True))
                total += len(part)
        return UsersWritten(added, total - added)

    def get_user(self, user_id: str) -> Profile:
        """Return a profile. Raises NotFound."""
        found = self.users([user_id])
        if not found:
            raise NotFound(f"user {user_id!r} is not stored; store the profile first, or ask with an inline one")
        return found[0]

    def users(self, user_ids: Sequence[str]) -> list[Profile]:
        """Return the profiles with these ids, in that order; unknown ids are left out."""
        found: dict[str, Profile] = {}
        load = selectinload(UserRow.preferences), selectinload(UserRow.consents)
        with self._reading() as session:
            for part in batches(user_ids):
                rows = session.scalars(select(UserRow).where(UserRow.id.in_(part)).options(*load))
                found.update((row.id, profile_of(row)) for row in rows)
                session.expunge_all()
        return [found[user_id] for user_id in user_ids if user_id in found]

    def user_ids(self, limit: int | None = None, after: str | None = None) -> list[str]:
        """Return ids in order, those behind `after`, at most `limit`: page by page without holding anything open."""
        query = select(UserRow.id).order_by(UserRow.id).limit(limit)
        if after is not None:
            query = query.where(UserRow.id > after)
        with self._reading() as session:
            return list(session.scalars(query))

    def count_users(self) -> int:
        """Return how many users are stored."""
        with self._reading() as session:
            return session.scalar(select(func.count()).select_from(UserRow)) or 0

    def delete_user(self, user_id: str, actor: str = "command", request_id: str | None = None) -> list[str]:
        """Erase a user with everything of theirs: preferences, consents, events, vectors, generations, saved looks,
        styles that are theirs, jobs and kept answers. The audit log keeps who asked for it, and how much went.

        Returns the sha256s of their pictures that nothing else refers to, for the caller to remove.
        Raises NotFound.
        """
        theirs = select(GenerationRow.id).where(GenerationRow.user_id == user_id)
        touched = select(EventRow.user_id).where(EventRow.generation_id.in_(theirs))
        with self._writing(alone=True) as session:
            pictures = set(session.scalars(select(GenerationRow.picture).where(GenerationRow.user_id == user_id)))
            own = ItemRow.domain.in_(("look", "style")), ItemRow.owner == user_id
            forget_conditions(session, list(session.scalars(select(ItemRow.id).where(*own))))
            uncount(session, EventRow.user_id == user_id)
            items = delete(ItemRow.__table__).where(*own)
            pictures |= {picture for picture in session.scalars(items.returning(ItemRow.picture)) if picture}
            counts = _counts(session, user_id)
            session.execute(delete(IdempotencyRow.__table__).where(IdempotencyRow.user_id == user_id))
            # others who acted on these generations lose those events: what was made from them is made anew
            session.execute(delete(ConditionRow.__table__).where(ConditionRow.user_id.in_(touched)))
            gone = session.execute(delete(UserRow.__table__).where(UserRow.id == user_id).returning(UserRow.id))
            if gone.first() is None:
                raise NotFound(f"user {user_id!r} is not stored, so there is nothing to erase")
            add_audit(session, "user.erase", actor, request_id, **counts)
            return sorted(pictures - in_use(session, sorted(pictures)))


def _counts(session: Session, user_id: str) -> dict[str, int]:
    """How much there is of a user, for the audit log."""
    owners = {
        "events": EventRow.user_id,
        "generations": GenerationRow.user_id,
        "jobs": JobRow.user_id,
        "answers": IdempotencyRow.user_id,
    }
    counts = {name: select(func.count()).where(owner == user_id) for name, owner in owners.items()}
    return {name: session.scalar(query) or 0 for name, query in counts.items()}


def _write(session: Session, profiles: Sequence[Profile], *, bulk: bool = False) -> set[str]:
    """Store profiles with distinct ids; returns the ids that were new."""
    now = datetime.now(UTC)
    ids = [profile.id for profile in profiles]
    known = existing(session, UserRow.id, ids, change=True)
    since = _keep_versions(session, [profile for profile in profiles if profile.id in known], now)
    rows = [_row(profile, now, since.get(profile.id, now)) for profile in profiles]
    _forget_tastes(session, rows)
    replace(session, UserRow.__table__, rows, keep=["created_at"], bulk=bulk)
    consents = select(ConsentRow.user_id, ConsentRow.purpose, ConsentRow.granted, ConsentRow.changed_at)
    before = {
        (user, purpose, granted): at
        for user, purpose, granted, at in session.execute(consents.where(ConsentRow.user_id.in_(ids)))
    }
    # from here on the users' rows are locked: two writers of one new user cannot both find nothing to remove
    for part in (PreferenceRow, ConsentRow, ConditionRow):
        session.execute(delete(part.__table__).where(part.user_id.in_(ids)))
    append(session, PreferenceRow.__table__, [row for p in profiles for row in _preferences(p)], bulk=bulk)
    append(session, ConsentRow.__table__, [row for p in profiles for row in _consents(p, before, now)], bulk=bulk)
    return set(ids) - known


def _row(profile: Profile, now: datetime, since: datetime) -> dict[str, Any]:
    traits = profile.traits.model_dump()
    allowed = may_be_analysed(profile.consents.get("analytics", False), profile.traits.age_band)
    times = {"created_at": now, "updated_at": now, "valid_from": since}
    return {"id": profile.id, **traits, "source": profile.source, **times, "analysed": allowed}


def may_be_analysed(allowed: bool, age_band: str | None) -> bool:
    """Whether analysts see a user: one who has allowed `analytics` and is no child."""
    return allowed and age_band != "under-18"


def _forget_tastes(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Have tastes made, or erased, of known users whom analysts may see from now on, or may no longer."""
    allowed = {row["id"]: row["analysed"] for row in rows}
    known = session.execute(select(UserRow.id, UserRow.analysed).where(UserRow.id.in_(allowed)))
    if changed := [user_id for user_id, before in known if allowed[user_id] != before]:
        mark_stale(session, EventRow.user_id.in_(changed))


def _keep_versions(session: Session, profiles: Sequence[Profile], now: datetime) -> dict[str, datetime]:
    """Keep how the known profiles that say something new were until now; returns since when the others have been so."""
    load = selectinload(UserRow.preferences), selectinload(UserRow.consents)
    rows = session.scalars(select(UserRow).where(UserRow.id.in_([p.id for p in profiles])).options(*load)).all()
    told = {profile.id: (profile.traits, _stated(profile)) for profile in profiles}
    since, versions = {}, []
    for row in rows:
        before = profile_of(row)
        if told[row.id] == (before.traits, _stated(before)):
            since[row.id] = row.valid_from
        elif row.valid_from < now:
            times = {"user_id": row.id, "valid_from": row.valid_from, "valid_to": now}
            versions.append({**times, **before.traits.model_dump(), "stated": _stated(before)})
    session.expunge_all()
    append(session, UserVersionRow.__table__, versions)
    return since


def _stated(profile: Profile) -> dict[str, float]:
    return {f"{preference.facet}={preference.value}": preference.weight for preference in profile.preferences}


def _preferences(profile: Profile) -> Iterable[dict[str, Any]]:
    for position, preference in enumerate(profile.preferences):
        yield {"user_id": profile.id, **preference.model_dump(), "position": position}


def _consents(
    profile: Profile, before: dict[tuple[str, str, bool], datetime], now: datetime
) -> Iterable[dict[str, Any]]:
    for purpose, granted in profile.consents.items():
        since = before.get((profile.id, purpose, granted), now)
        yield {"user_id": profile.id, "purpose": purpose, "granted": granted, "changed_at": since}


def profile_of(row: UserRow) -> Profile:
    """A user's row, with preferences and consents loaded, as a profile."""
    return Profile.model_validate(
        {
            "id": row.id,
            "traits": Traits(**{name: getattr(row, name) for name in TRAITS}),
            "preferences": tuple(
                Preference.model_validate({"facet": p.facet, "value": p.value, "weight": p.weight})
                for p in row.preferences
            ),
            "consents": {consent.purpose: consent.granted for consent in row.consents},
            "source": row.source,
        }
    )
