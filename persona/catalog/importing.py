"""Import of a catalogue: photos and what a table says of them, to cut-out pictures and items.

A picture's file is written first, then rows, in batches; so nothing is ever half there, whatever interrupts, and a
second run goes on where the first one ended. A row or picture that cannot be used is named and left out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import cv2
from tqdm import tqdm

from persona.catalog.cuts import Cut, cut_photo
from persona.catalog.pictures import Pictures
from persona.catalog.rows import Defaults, Wanted, wanted_of_folders, wanted_of_table
from persona.catalog.sources import TABLE_SUFFIXES, Folder, Source, open_source, table_in
from persona.errors import BadInput, NotFound, PersonaError
from persona.interrupt import asked_to_stop
from persona.store import ImportReport, Item, Store
from persona.workers import begin_worker, cores, worker_context

BATCH = 200  # items in one transaction
_FEW = 8  # pictures for which starting processes does not pay
_AHEAD = 8  # pictures under way for each process: enough to keep it busy, few enough to stop at once
_SECONDS_BEFORE_BAR = 2.0

CLOTHING = Defaults(
    licence="CC0-1.0",
    source="github.com/alexeygrigorev/clothing-dataset",
    id_prefix="clothing-",
    owner_prefix="wardrobe-",
    ignored=("kids",),
)


@dataclass
class ItemReport(ImportReport):
    """read = added + updated_or_duplicate + len(skipped). failed_cutouts: `where: id: why`; these are imported too."""

    failed_cutouts: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        failed = len(self.failed_cutouts)
        return super().__str__() + (f", {failed} with their background left on" if failed else "")


def import_items(
    store: Store,
    pictures: Pictures,
    source: Path,
    *,
    defaults: Defaults | None = None,
    workers: int | None = None,
    progress: bool = True,
    limit: int | None = None,
) -> ItemReport:
    """Import items from a table beside its pictures, a folder or a zip archive, with a table in it or without one.

    A table (.csv, .parquet, .jsonl) has the columns file and category, and may have id, title, price, owner, colour,
    pattern, style, seasons, licence and source (`picture`, `image`, `label` and `sender_id` are understood). Without a
    table each picture lies in a folder that is named after its category. What the table does not say is measured or
    guessed. workers: processes, one for each core by default; limit: the first so many items only.

    Raises BadInput for a source or table that cannot be read at all, before anything is imported. After Ctrl-C what
    was finished is kept.
    """
    files, table = _opened(Path(source))
    report, defaults = ItemReport(), defaults or Defaults()
    asked = wanted_of_table(files, table, defaults, report) if table else wanted_of_folders(files, defaults, report)
    wanted = list(islice(asked, limit))
    batch: list[tuple[Wanted, Cut]] = []
    cuts = _cut_all(files, pictures, wanted, workers)
    bar = tqdm(total=len(wanted), unit="picture", disable=not progress, delay=_SECONDS_BEFORE_BAR)
    with asked_to_stop() as stop, bar, closing(cuts):
        try:
            for one, cut in cuts:
                bar.update()
                if isinstance(cut, str):
                    report.skipped.append(f"{one.where}: {cut}")
                else:
                    batch.append((one, cut))
                if len(batch) == BATCH:
                    _keep(store, batch, report)
                if stop.is_set():  # not where the signal came: raised in a destructor it would be lost
                    raise KeyboardInterrupt
        finally:
            _keep(store, batch, report)
    return report


def import_clothing(
    store: Store,
    pictures: Pictures,
    path: Path,
    *,
    workers: int | None = None,
    progress: bool = True,
    limit: int | None = None,
) -> ItemReport:
    """Import the clothing data set (clothing.zip, or the publisher's own archive or folder), its rights recorded.

    4,589 photos of single garments by people who gave them away under CC0; one sender's garments are one wardrobe.
    """
    return import_items(store, pictures, path, defaults=CLOTHING, workers=workers, progress=progress, limit=limit)


def _opened(path: Path) -> tuple[Source, str | None]:
    if path.suffix.lower() in TABLE_SUFFIXES and path.is_file():
        return Folder(path.parent), path.name
    source = open_source(path)
    return source, table_in(source)


def _keep(store: Store, batch: list[tuple[Wanted, Cut]], report: ItemReport) -> None:
    """Store a batch and empty it."""
    changed = []
    for wanted, cut in batch:
        item, before = _complete(wanted.item, cut), _known(store, wanted.item.id)
        if item != before:
            changed.append(item)
        report.added += before is None
        report.updated_or_duplicate += before is not None
        if cut.failed:
            report.failed_cutouts.append(f"{wanted.where}: {item.id}: {cut.failed}")
    store.put_items(changed)
    batch.clear()


def _complete(item: Item, cut: Cut) -> Item:
    colour, pattern = item.colour or cut.colour, item.pattern or cut.pattern
    words = [word for word in (pattern if pattern != "plain" else None, colour, item.category) if word]
    return item.model_copy(
        update={
            "picture": cut.picture,
            "lab": cut.lab,
            "colour": colour,
            "pattern": pattern,
            "title": item.title or " ".join(words).capitalize(),
            "cutout_failed": cut.failed,
        }
    )


def _known(store: Store, item_id: str) -> Item | None:
    try:
        return store.get_item(item_id)
    except NotFound:
        return None


def _cut_all(
    source: Source, pictures: Pictures, wanted: list[Wanted], workers: int | None
) -> Generator[tuple[Wanted, Cut | str], None, None]:
    """Each wanted item with its cut, in order, or with what is wrong with its picture."""
    count = min(workers or cores(), len(wanted))
    if count <= 1 or len(wanted) <= _FEW:
        for one in wanted:
            yield one, _cut(source, pictures, one.file)
        return
    with _pool(count, source.path, pictures.root) as pool:
        waiting: deque[tuple[Wanted, Future[Cut | str]]] = deque()
        rest = iter(wanted)
        while True:
            for one in islice(rest, count * _AHEAD - len(waiting)):
                waiting.append((one, pool.submit(_cut_here, one.file)))
            if not waiting:
                return
            one, future = waiting.popleft()
            yield one, future.result()


@contextmanager
def _pool(count: int, source: Path, pictures: Path) -> Iterator[ProcessPoolExecutor]:
    """Worker processes; on the way out, also after an error or Ctrl-C, what they have not begun is dropped."""
    pool = ProcessPoolExecutor(count, worker_context(__name__), _start, (source, pictures))
    try:
        yield pool
    except BrokenProcessPool:
        raise PersonaError(
            "a worker process was killed, perhaps for want of memory: run the import again, it goes on where it was; "
            "with --workers 1 it needs the least"
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_here: tuple[Source, Pictures] | None = None  # of this worker process


def _start(source: Path, pictures: Path) -> None:
    global _here
    begin_worker()
    cv2.setNumThreads(1)
    _here = open_source(source), Pictures(pictures)


def _cut_here(file: str) -> Cut | str:
    assert _here is not None, "the pool starts with _start"
    return _cut(*_here, file)


def _cut(source: Source, pictures: Pictures, file: str) -> Cut | str:
    try:
        return cut_photo(source.read(file), pictures)
    except BadInput as error:
        return str(error)
