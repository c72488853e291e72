"""Whether a finished directory is what its manifest says: every file, row, picture and user."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from persona.batch.archive import FOLDER
from persona.batch.layout import Layout
from persona.batch.reading import Catalogues, Shard
from persona.batch.table import made_pictures
from persona.batch.types import File, Totals, shard_of
from persona.catalog.pictures import Pictures
from persona.errors import BadInput, NotFound

if TYPE_CHECKING:
    from persona.store import Store

Progress = Callable[[int], object]
"""Told how many shards more are done."""
_PART = 1 << 20  # bytes read at a time
_COLUMNS = ("user_id", "kind", "picture", "model", "generated", "licence", "generator_model", "detail")


def verify(out: Path, store: Store | None = None, progress: Progress = lambda done: None) -> list[str]:
    """What is wrong with a directory, each with its place; nothing where all is well.

    store: users who were erased since, or refuse personalisation, are wrong, too. One shard is in memory at a time.
    Raises as `Layout.read_manifest` where there is nothing to verify.
    """
    catalogues = Catalogues(out)
    return [*_whole(catalogues), *_shards(catalogues, store, progress)]


def _whole(catalogues: Catalogues) -> Iterator[str]:
    manifest, layout = catalogues.manifest, Layout(catalogues.out)
    if manifest.totals != Totals.of(manifest.shards):
        yield "manifest.json: its totals are not the sums of its shards"
    if [one.shard for one in manifest.shards] != list(range(len(manifest.shards))):
        yield "manifest.json: its shards are not numbered from 0 on, each once"
    if layout.work.exists():
        yield f".work: a run is under way, or was interrupted; `persona batch resume {catalogues.out}`"
    known = {file.name for shard in manifest.shards for file in shard.files}
    folders = ("index", FOLDER) if manifest.spec.archive == "tar" else ("index",)
    there = {path.relative_to(catalogues.out).as_posix() for name in folders for path in (layout.out / name).rglob("*")}
    yield from (f"{name}: the manifest does not name it" for name in sorted(there - known))


def _shards(catalogues: Catalogues, store: Store | None, progress: Progress) -> Iterator[str]:
    single = catalogues.manifest.spec.archive == "files"
    named: list[NDArray[np.uint64]] = []
    for shard in catalogues.shards():
        damaged = [problem for file in shard.record.files if (problem := _file(catalogues.out, file))]
        yield from damaged
        if not damaged:
            try:
                users, pictures = _read(shard)
            except BadInput as error:
                yield str(error)
            else:
                yield from _users(shard, users, len(catalogues.manifest.shards), store)
                yield from _pictures(shard, pictures)
                named.append(_short(pictures) if single else _short(()))
        progress(1)
    if single:
        yield from _strays(Pictures(catalogues.out / FOLDER), np.unique(np.concatenate(named or [_short(())])))


def _file(out: Path, file: File) -> str | None:
    """What is wrong with one file of the manifest."""
    path, found = out / file.name, hashlib.sha256()
    if not path.is_file():
        return f"{file.name}: is missing"
    if path.stat().st_size != file.bytes:
        return f"{file.name}: has {path.stat().st_size} bytes, not the {file.bytes} of the manifest"
    with path.open("rb") as content:
        while part := content.read(_PART):
            found.update(part)
    return None if found.hexdigest() == file.sha256 else f"{file.name}: its content is not that of the manifest"


def _read(shard: Shard) -> tuple[dict[str, int], dict[str, dict[str, Any]]]:
    """Rows by user, and what every picture is that was made."""
    users: dict[str, int] = {}
    pictures: dict[str, dict[str, Any]] = {}
    for user_id, rows in shard.users(_COLUMNS):
        users[user_id] = users.get(user_id, 0) + rows.num_rows
        for sha256, about in made_pictures(rows).items():
            pictures.setdefault(sha256, about)
    return users, pictures


def _users(shard: Shard, users: dict[str, int], shards: int, store: Store | None) -> Iterator[str]:
    record, name = shard.record, shard.record.files[0].name
    if (len(users), sum(users.values())) != (record.users, record.rows):
        yield f"{name}: has {len(users)} users in {sum(users.values())} rows, not {record.users} in {record.rows}"
    if list(users) != sorted(users):
        yield f"{name}: its users are not in the order of their ids"
    set_aside = {one.user_id for one in record.set_aside}
    yield from (f"{name}: user {one!r} is there, and set aside" for one in sorted(set_aside & set(users)))
    everybody = sorted(set_aside | set(users))
    yield from (f"{name}: user {one!r} belongs elsewhere" for one in everybody if shard_of(one, shards) != record.shard)
    for one in sorted(store.gone(everybody)) if store else ():
        yield f"{name}: user {one!r} was erased, or refuses personalisation by now; `persona batch resume` removes them"


def _pictures(shard: Shard, pictures: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Every picture that the index names, and what else is in the archive."""
    record = shard.record
    name = record.files[1].name if len(record.files) > 1 else FOLDER
    members = set(shard.pictures.members)
    wanted = {f"{sha256}.{kind}" for sha256 in pictures for kind in ("webp", "json")}
    yield from (f"{name}: {one} is in no row of the index" for one in sorted(members - wanted))
    size = 0
    for sha256, about in pictures.items():
        try:
            content = shard.pictures.read(sha256)
        except NotFound:
            yield f"{name}: picture {sha256} is missing"
            continue
        except BadInput:
            yield f"{name}: picture {sha256} has another content than its name says"
            continue
        size += len(content)
        if members and not _says(shard.pictures.note(sha256), about):
            yield f"{name}: {sha256}.json does not say of the picture what the index says"
    if (len(pictures), size) != (record.pictures, record.bytes):
        yield f"{name}: has {len(pictures)} pictures of {size} bytes, not {record.pictures} of {record.bytes}"


def _says(note: bytes, about: dict[str, Any]) -> bool:
    try:
        return bool(json.loads(note).items() >= about.items())
    except (ValueError, AttributeError):
        return False


def _short(shas: Any) -> NDArray[np.uint64]:
    """The first 64 bits of hashes: enough to know one's own by, and a quarter of the memory."""
    return np.fromiter((int(sha256[:16], 16) for sha256 in shas), np.uint64)


def _strays(pictures: Pictures, named: NDArray[np.uint64]) -> Iterator[str]:
    """Single files that no index names."""
    for path in sorted(pictures.root.rglob("*")):
        known = path.suffix == ".webp" and len(path.stem) == 64 and np.isin(_short([path.stem]), named).all()
        if path.is_file() and not known:
            yield f"{FOLDER}/{path.relative_to(pictures.root).as_posix()}: no index names it"
