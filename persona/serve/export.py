"""`GET /v1/users/{user_id}/export`: everything that is stored about a user, as a file."""

from __future__ import annotations

from collections.abc import Iterator
from tempfile import SpooledTemporaryFile
from typing import IO

from apiflask import APIBlueprint
from flask import Response

from persona.recommend.export import write_export
from persona.serve import strict
from persona.serve.api import UserPath
from persona.serve.service import asking, service
from persona.store.exported import UserExport

IN_MEMORY = 4 * 1024 * 1024  # bytes; a longer export waits on the disk, in a file without a name
PIECE = 64 * 1024  # bytes
_AS_FILE = {"Content-Disposition": 'attachment; filename="persona-export.json"', "Cache-Control": "no-store"}

strict.register()
export = APIBlueprint("export", __name__, url_prefix="/v1", tag="API")


@export.get("/users/<user_id>/export")
@export.input(UserPath, location="path", arg_name="path")
@export.output(UserExport, description="the user, whole")
def export_user(user_id: str, path: UserPath) -> Response:
    """Everything that is stored about a user

    Profile, consents with their times, what they did, vectors, generated pictures with their addresses, saved looks,
    styles, jobs and kept answers, all of one moment. That it was given is written in the audit log, not whom it is
    about.
    """
    store = service().recommender.store
    file = SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115  closed when it is sent
    try:
        write_export(store, user_id, file)
        store.record_export(*asking())
    except BaseException:
        file.close()
        raise
    return Response(_sent(file), mimetype="application/json", headers={"Content-Length": str(file.tell()), **_AS_FILE})


def _sent(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        file.seek(0)
        while piece := file.read(PIECE):
            yield piece
