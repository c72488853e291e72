"""The store as the other packages see it: one object with everything that is kept."""

from __future__ import annotations

from typing import Self

from persona.store import migrate
from persona.store.analysts import Analysts
from persona.store.audit import Audit
from persona.store.batches import Batches
from persona.store.engine import make_engine
from persona.store.events import Events
from persona.store.export import Export
from persona.store.generations import Generations
from persona.store.idempotency import Idempotency
from persona.store.items import Items
from persona.store.jobs import Jobs
from persona.store.keys import Keys
from persona.store.loading import Loading
from persona.store.pages import Pages
from persona.store.popularity import Popularities
from persona.store.retention import Retention
from persona.store.stamps import Stamps
from persona.store.styles import Styles
from persona.store.trust import TrustCounts
from persona.store.users import Users


class Store(
    Users, Items, Events, Generations, Styles, Pages, Stamps, Idempotency, Jobs, Export, Retention, Keys, Audit,
    Batches, Loading, Popularities, Analysts, TrustCounts,
):  # fmt: skip
    """Profiles, catalogue, events and what models made of them, in SQLite or PostgreSQL.

    Threads may share one store; every call is a short session or one transaction of its own. Processes open their own.
    """

    @classmethod
    def open(cls, url: str, *, check_revision: bool = True) -> Self:
        """Open the database at an SQLAlchemy URL: sqlite:///FILE or postgresql+psycopg://USER@HOST/NAME.

        Raises OutOfDate if its tables are not those of this version, BadInput for a URL that cannot be used.
        check_revision: False leaves that look out, where it has just been taken.
        """
        engine = make_engine(url)
        try:
            if check_revision:
                migrate.check_revision(engine)
        except BaseException:
            engine.dispose()
            raise
        return cls(engine)
