"""The board: the segments' cards and the charts, as files beside `board.json`, for the analysts' page to show.

Files are named by their content, and board.json is written last: whoever reads it finds all that it names, and what it
names no more is removed after. No user's id is in it, and no number of fewer than SEGMENT users.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from persona.analyze.archetypes import Archetype, archetypes
from persona.analyze.cards import THINGS, card_alt, draw_card
from persona.analyze.charts import draw_drift, draw_palettes, drift_alt, palettes, palettes_alt
from persona.analyze.drawing import as_file, listed, percent
from persona.analyze.profiles import SegmentProfile, profiles
from persona.analyze.segmentation import Segmentation, segmentation_of
from persona.analyze.store import AnalystStore, open_store
from persona.analyze.taste_map import draw_map, lay_out
from persona.catalog.pictures import write_whole
from persona.errors import BadInput, NotFound
from persona.recommend import Recommender
from persona.settings import Settings
from persona.store.popularity import SEGMENT

FOLDER, FILE = "analysis", "board.json"
MONTHS = 13  # of drift: a year of steps


@dataclass
class Board:
    """What is on the board. segmentation: without its users, so that the next one can keep its names."""

    made_at: str
    seed: int
    users: int
    segmentation: dict[str, object]
    notes: list[str] = field(default_factory=list)
    pictures: list[dict[str, Any]] = field(default_factory=list)
    segments: list[dict[str, Any]] = field(default_factory=list)


def make_board(settings: Settings, out: Path | None = None, *, like: bool = True) -> Board:
    """Segment everybody, draw all pictures and put them into a folder; default: `analysis` in the home folder.

    like: segments that were on the board before keep their names. The same store and seed give the same pictures.
    Raises BadInput where too few like anything yet.
    """
    out = out or settings.home / FOLDER
    recommender = Recommender.open(settings)
    try:
        with open_store(settings.url) as store:
            earlier = earlier_segmentation(out) if like else None
            segmentation = store.segment(seed=settings.seed, like=earlier)
            board = _Drawing(store, recommender, segmentation, settings.seed, out).draw()
    finally:
        recommender.close()
    _publish(board, out)
    return board


def earlier_segmentation(out: Path) -> Segmentation | None:
    """The segmentation of the board that is there; None where none is that can be read."""
    try:
        return segmentation_of(json.loads((out / FILE).read_text())["segmentation"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


@dataclass
class _Drawing:
    store: AnalystStore
    recommender: Recommender
    segmentation: Segmentation
    seed: int
    out: Path

    def draw(self) -> Board:
        sizes = self.segmentation.sizes
        names = tuple(name for name in self.segmentation.names if sizes[name] >= SEGMENT)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        rows = [self.segmentation[name].taste.tolist() for name in names]
        told = {**self.segmentation.told(), "names": list(names), "centroids": rows}
        board = Board(now, self.seed, len(self.segmentation.frame), told)
        if len(names) < len(self.segmentation.names):
            board.notes.append(f"Segments of fewer than {SEGMENT} users are not shown.")
        found = list(profiles(self.store, [self.segmentation[name] for name in names], seed=self.seed))
        made = archetypes(self.recommender, self.segmentation, names, self.seed)
        things = {one.name: garments(self.recommender, one.items["item_id"].tolist()) for one in found}
        for number, one in enumerate(found):
            board.segments.append(self._card(one, things[one.name], made.get(one.name), number))
        board.pictures += [self._map(names, things), *self._charts()]
        return board

    def _card(
        self, one: SegmentProfile, things: Sequence[Thing], made: Archetype | None, number: int
    ) -> dict[str, Any]:
        figure = draw_card(one, [thing.rgba for thing in things], made.rgba if made else None, number)
        generated = made is not None or any(thing.generated for thing in things)
        facts = {"users": f"{one.size:,} ({percent(one.size / one.everybody)})"}
        for trait, rows in one.traits.groupby("trait", sort=False):
            most = rows[rows["value"] != "unknown"].nlargest(1, "share")
            facts |= {str(trait).replace("_", " "): f"{row.value} {percent(row.share)}" for row in most.itertuples()}  # type: ignore[arg-type]
        if made:
            facts["drawn by"] = made.model
        alt = card_alt(one, made.words if made else None)
        return {
            "name": one.name,
            "about": alt.partition(". ")[2].partition(" Beside it")[0],
            "file": self._keep(f"segment-{number + 1}", figure, generated=generated),
            "alt": alt,
            "generated": generated,
            "facts": facts,
        }

    def _map(self, names: tuple[str, ...], things: dict[str, list[Thing]]) -> dict[str, Any]:
        laid = lay_out(self.store, self.segmentation, self.seed)
        firsts = {name: pictures[0] for name, pictures in things.items() if pictures}
        generated = any(thing.generated for thing in firsts.values())
        figure = draw_map(laid, names, {name: thing.rgba for name, thing in firsts.items()})
        alt = (
            f"Map of {len(laid.points):,} users as dots, near each other where their tastes are, coloured by segment: "
        )
        return {
            "file": self._keep("taste-map", figure, generated=generated),
            "title": "Map of tastes",
            "alt": alt + listed(names) + ".",
            "about": f"{MAPS[laid.method]} Each picture is a garment that users of the segment like.",
            "generated": generated,
        }

    def _charts(self) -> Iterator[dict[str, Any]]:
        if len(drift := self.store.drift(months=MONTHS, seed=self.seed)):
            title = "How tastes drift"
            yield self._chart("drift", draw_drift(drift), title, drift_alt(drift), "With 95 % intervals.")
        if cohorts := palettes(self.store, seed=self.seed):
            figure, about = draw_palettes(cohorts), "Of a sample of each age band."
            yield self._chart("palettes", figure, "Colours by age", palettes_alt(cohorts), about)

    def _chart(self, name: str, figure: Figure, title: str, alt: str, about: str) -> dict[str, Any]:
        file = self._keep(name, figure, generated=False)
        return {"file": file, "title": title, "alt": alt, "about": about, "generated": False}

    def _keep(self, name: str, figure: Figure, *, generated: bool) -> str:
        content = as_file(figure, generated=generated)
        file = f"{name}-{hashlib.sha256(content).hexdigest()[:12]}.webp"
        write_whole(self.out / file, content)
        return file


MAPS = {
    "pca": "By principal components: directions mean something, and distances are true as far as two dimensions go.",
    "tsne": "By t-SNE: who is near is alike; how far groups are apart means nothing.",
}


@dataclass(frozen=True)
class Thing:
    """A garment's picture, premultiplied uint8 (h, w, 4). generated: a model made it."""

    rgba: NDArray[np.uint8]
    generated: bool


def garments(recommender: Recommender, item_ids: Sequence[str], most: int = THINGS) -> list[Thing]:
    """The pictures of the first of these items that have one."""
    table, found = recommender.table, list[Thing]()
    for item in (table.items[table.index[name]] for name in item_ids if name in table.index):
        if item.picture and len(found) < most:
            with suppress(NotFound):
                found.append(Thing(recommender.pictures.get(item.picture), item.rights.generated))
    return found


def _publish(board: Board, out: Path) -> None:
    """Name the new files in board.json, then remove those that only the one before named."""
    before = _files(out)
    write_whole(out / FILE, json.dumps(board.__dict__, ensure_ascii=False, allow_nan=False, indent=1).encode())
    for name in before - _files(out):
        (out / name).unlink(missing_ok=True)


def _files(out: Path) -> set[str]:
    try:
        told = json.loads((out / FILE).read_text())
        names = {str(one["file"]) for one in (*told["pictures"], *told["segments"])}
    except (OSError, ValueError, KeyError, TypeError):
        return set()
    if bad := [name for name in names if Path(name).name != name]:
        raise BadInput("board", f"{out / FILE} names {bad[0]!r}, which is no file beside it; remove the file")
    return names
