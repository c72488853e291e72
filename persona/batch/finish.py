"""The end of a run: what it made takes the place of what was there. Killed at any point, it is completed later.

While `.work/manifest.json` is there, all shards are made and this is under way; every step may be done twice. Until the
new manifest is there the old one holds, and so do its files.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

from persona.batch.draft import sync_folder, telling_no_room
from persona.batch.layout import Layout
from persona.batch.table import named_pictures
from persona.batch.types import Manifest, Run, ShardRecord, Totals
from persona.catalog.pictures import Pictures, write_whole
from persona.store import Store

AT_ONCE = 1_000_000  # pictures that are looked for among those still in use at a time
_SHARD_FILE = re.compile(r"\d{5,}-[0-9a-f]{12}\.(parquet|tar)")
FOLDERS = ("index", "pictures")


def settle(layout: Layout, run: Run, made: Mapping[int, ShardRecord]) -> None:
    """Write down what the run comes to: from here on nothing is made any more. made: the shards that were to be."""
    before = {one.shard: one for one in layout.read_manifest().shards} if layout.manifest.exists() else {}
    shards = tuple(made[number] if number in made else before[number] for number in range(run.shards))
    manifest = Manifest(spec=run.spec, versions=run.versions, shards=shards, totals=Totals.of(shards))
    with telling_no_room(layout.out):
        write_whole(layout.next_manifest, (manifest.model_dump_json(indent=1) + "\n").encode())


def finish(layout: Layout, store: Store) -> Manifest:
    """Put everything where it belongs, remove what is no longer wanted, and say in the store that the run is done."""
    run, manifest = layout.read_run(), layout.read_next_manifest()
    with telling_no_room(layout.out):
        todo = set(run.todo)
        for record in manifest.shards:
            if record.shard in todo:
                _publish(layout, record, single=run.spec.archive == "files")
        _replace_plan(layout)
        copy = layout.work / "copy.json"  # written there, so that no half of it is ever found outside
        write_whole(copy, layout.next_manifest.read_bytes())
        os.replace(copy, layout.manifest)
        sync_folder(layout.out)
        _remove_old(layout, manifest)
    if store.run_state(run.run) is not None:  # it may have been put back to before the run
        store.end_run(run.run, manifest.totals.model_dump(mode="json"))
    layout.run.unlink()  # from here on no run is under way: what is left of it is nobody's
    shutil.rmtree(layout.work)
    return manifest


def _publish(layout: Layout, record: ShardRecord, *, single: bool) -> None:
    if single:
        index = record.files[0].name
        path = layout.work / index if (layout.work / index).exists() else layout.out / index
        _move_pictures(layout, named_pictures(path).to_pylist())
    for file in record.files:
        _move(layout.work / file.name, layout.out / file.name)


def _move_pictures(layout: Layout, sha256s: Iterable[str]) -> None:
    made, kept = Pictures(layout.work / "pictures"), Pictures(layout.out / "pictures")
    for sha256 in sha256s:
        _move(made.path(sha256), kept.path(sha256))


def _move(source: Path, to: Path) -> None:
    """Rename; what was moved before is no error."""
    if source.exists():
        to.parent.mkdir(parents=True, exist_ok=True)
        os.replace(source, to)


def _replace_plan(layout: Layout) -> None:
    if layout.next_plan.exists():
        if layout.plan.exists():
            os.rename(layout.plan, layout.work / "old-plan")
        os.rename(layout.next_plan, layout.plan)


def _remove_old(layout: Layout, manifest: Manifest) -> None:
    """Remove files of shards that the manifest does not name, and single pictures that nothing but these showed."""
    named = {file.name for record in manifest.shards for file in record.files}
    old = [path for path in _shard_files(layout) if f"{path.parent.name}/{path.name}" not in named]
    for folder in FOLDERS:
        if (layout.out / folder).exists():
            sync_folder(layout.out / folder)
    if manifest.spec.archive == "files":
        _remove_pictures(layout, [path for path in old if path.suffix == ".parquet"], manifest)
    for path in old:
        path.unlink()


def _remove_pictures(layout: Layout, old: list[Path], manifest: Manifest) -> None:
    pictures = Pictures(layout.out / "pictures")
    for some in _together(named_pictures(path) for path in old):
        unused = some
        for record in manifest.shards:
            if not len(unused):
                break
            used = pc.is_in(unused, value_set=named_pictures(layout.out / record.files[0].name))
            unused = unused.filter(pc.invert(used))
        for sha256 in unused.to_pylist():
            pictures.remove(sha256)


def _together(parts: Iterable[pa.Array]) -> Iterator[pa.Array]:
    """The same pictures, each once, about AT_ONCE of them together."""
    held: list[pa.Array] = []
    for part in parts:
        held.append(part)
        if sum(map(len, held)) >= AT_ONCE:
            yield pa.concat_arrays(held).unique()
            held = []
    if held:
        yield pa.concat_arrays(held).unique()


def _shard_files(layout: Layout) -> list[Path]:
    folders = (layout.out / folder for folder in FOLDERS)
    return [path for folder in folders if folder.exists() for path in folder.iterdir() if _is_shard_file(path)]


def _is_shard_file(path: Path) -> bool:
    return bool(_SHARD_FILE.fullmatch(path.name))
