"""Real products in a table, and those of them that are nearest to a colour that was advised.

Distances are CIEDE2000. Foundation is held against the skin itself: never lighter than it, with its undertone, and
against every tone that the skin may be where that is uncertain.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from persona.catalog.colour import delta_e_2000
from persona.errors import BadInput
from persona.makeup.look import FINISHES, REGIONS, Finish, Lab, Product, Region, lab_of_hex
from persona.makeup.rules import LIGHTER
from persona.makeup.wearer import Tone
from persona.store.reading import ImportReport, read_rows, row_error
from persona.store.records import Finite, Identifier, NoNul, Record

COLUMNS = ("id", "name", "brand", "region", "kind", "colour", "finish", "price", "licence")
KINDS: dict[str, Region] = {
    "foundation": "skin", "blush": "cheeks", "blusher": "cheeks", "highlighter": "highlight", "bronzer": "contour",
    "eyeshadow": "lids", "eye shadow": "lids", "eyeliner": "liner", "lipstick": "lips", "lip gloss": "lips",
    "lip liner": "lip_liner", "brow": "brows", "brow pencil": "brows",
}  # fmt: skip
OTHER_FINISH = 1.5  # added to the distance of a product with another finish
UNSTATED_FINISH = 0.5  # and of one that does not say
OFF_UNDERTONE = 2.0  # added at most, to a foundation whose hue lies the wrong way from the skin's
LIMITS: dict[bool, tuple[float, float, float]] = {True: (2.0, 4.0, 8.0), False: (4.0, 8.0, 14.0)}
"""Up to where a match is near, fair and far; beyond, there is none. True: foundation, which lies beside bare skin."""
MOST_ROWS = 100_000
_SHOWN = 5

Text = Annotated[str, Field(max_length=256), NoNul]
Nearness = Literal["near", "fair", "far"]
Floats = NDArray[np.float64]


class TableProduct(Record):
    """A row of a product table."""

    id: Identifier
    name: Annotated[str, Field(min_length=1, max_length=256), NoNul]
    region: Region
    lab: Lab
    brand: Text = ""
    finish: Finish | None = None
    price: Annotated[Finite, Field(ge=0)] | None = None
    licence: Text = ""


class Match(Record):
    """A real product beside one that was advised. distance: CIEDE2000 of the colours alone; penalty: added to it for
    another finish, or a foundation's undertone; tones: of a foundation, the Monk tones that it is the match for."""

    product: TableProduct
    distance: Annotated[Finite, Field(ge=0)]
    penalty: Annotated[Finite, Field(ge=0)] = 0.0
    nearness: Nearness
    tones: tuple[int, ...] = ()


@dataclass(frozen=True)
class ProductTable:
    """Real products, in the order of their table."""

    products: tuple[TableProduct, ...]

    @classmethod
    def read(cls, source: Path | str | bytes, report: ImportReport | None = None) -> ProductTable:
        """Products from a csv (parquet, jsonl) file, or the bytes of a csv.

        Columns: id, name, region (or kind: "lipstick"), colour as `#rrggbb` or `L,a,b`; and if wanted brand, finish,
        price, licence. Raises BadInput for a table that cannot be read and for missing or unknown columns; for rows
        that cannot be used too, naming line, column and remedy, unless a report is given: they are named there then
        and left out.
        """
        if isinstance(source, bytes):
            with TemporaryDirectory(prefix="persona-") as folder:
                path = Path(folder) / "products.csv"
                path.write_bytes(source)
                return cls(_read(path, report))
        return cls(_read(Path(source), report))

    @cached_property
    def of_region(self) -> dict[Region, tuple[tuple[TableProduct, ...], Floats]]:
        """Products of each region and their colours, (n, 3)."""
        found: dict[Region, list[TableProduct]] = defaultdict(list)
        for product in self.products:
            found[product.region].append(product)
        return {region: (tuple(rows), np.array([p.lab for p in rows])) for region, rows in found.items()}


def match(product: Product, table: ProductTable, count: int = 3) -> tuple[Match, ...] | None:
    """The nearest products of a table, nearest first, at most count; None where nothing of the region is near enough.

    Raises BadInput for a count below 1.
    """
    rows, labs = _rows(table, product.region, count)
    if not rows:
        return None
    distance = delta_e_2000(product.lab, labs)
    penalty = np.array([_finish_penalty(product.finish, row.finish) for row in rows])
    if product.region == "skin":
        distance = np.where(labs[:, 0] > product.lab[0] + LIGHTER, np.inf, distance)
    order = np.argsort(distance + penalty, kind="stable")
    found = [_match(rows[i], distance[i], penalty[i], product.region == "skin") for i in order[: _pool(count, order)]]
    return tuple(m for m in found if m is not None)[:count] or None


def match_skin(tones: Sequence[Tone], finish: Finish, table: ProductTable, count: int = 3) -> tuple[Match, ...] | None:
    """Foundations for a skin: never lighter than it, near to it in colour, and on its undertone's side of it.

    tones: what the skin may be. For one tone the count nearest; for several the nearest for each, in order of depth,
    with the Monk tones that each is for, at most as many as there are tones. None where nothing is near enough.
    """
    rows, labs = _rows(table, "skin", count)
    found: dict[str, tuple[Match, set[int]]] = {}
    one_tone = len({tone.monk for tone in tones}) == 1
    for tone in tones if rows else ():
        distance = np.where(labs[:, 0] > tone.lab[0] + LIGHTER, np.inf, delta_e_2000(tone.lab, labs))
        penalty = np.array([_finish_penalty(finish, row.finish) for row in rows]) + _undertone_penalty(tone, labs)
        order = np.argsort(distance + penalty, kind="stable")
        for i in order[: count if one_tone else 1]:
            new = _match(rows[i], distance[i], penalty[i], True)
            if new is not None:
                old, monks = found.get(rows[i].id, (new, set()))
                found[rows[i].id] = (min(old, new, key=_total), monks | {tone.monk})
    matches = [m.model_copy(update={"tones": tuple(sorted(monks))}) for m, monks in found.values()]
    return tuple(sorted(matches, key=_total)[:count] if one_tone else sorted(matches, key=lambda m: m.tones)) or None


def _read(path: Path, report: ImportReport | None) -> tuple[TableProduct, ...]:
    problems = ImportReport()
    products: dict[str, TableProduct] = {}
    required, optional = ("id", "name", "region or kind", "colour"), ("brand", "finish", "price", "licence")
    for line, row in read_rows(path, required=required, optional=optional, report=problems):
        try:
            product = TableProduct.model_validate(_fields(row))
            if product.id in products:
                raise BadInput("id", f"{product.id!r} stands twice: give each product its own")
            products[product.id] = product
        except (BadInput, ValidationError) as error:
            problems.skip(path, line, row_error(error))
        if problems.read > MOST_ROWS:
            raise BadInput("path", f"{path.name} has more than {MOST_ROWS} rows: split it")
    if report is not None:
        report.read, report.added = report.read + problems.read, report.added + len(products)
        report.skipped.extend(problems.skipped)
    elif problems.skipped:
        more = len(problems.skipped) - _SHOWN
        raise BadInput("products", " | ".join(problems.skipped[:_SHOWN]) + (f" | and {more} more" if more > 0 else ""))
    return tuple(products.values())


def _fields(row: dict[str, Any]) -> dict[str, Any]:
    fields = {name: value for name, value in row.items() if value is not None and name in COLUMNS}
    region = fields.pop("region", None)
    kind = fields.pop("kind", None)
    fields["region"] = _region(str(kind if region is None else region)) if region or kind else None
    if fields["region"] is None:
        raise BadInput("region", f"is missing: write {', '.join(REGIONS)}")
    fields["lab"] = _colour(fields.pop("colour", None))
    if "finish" in fields:
        fields["finish"] = str(fields["finish"]).strip().lower()
        if fields["finish"] not in FINISHES:
            raise BadInput("finish", f"{fields['finish']!r} is unknown: write {', '.join(FINISHES)}, or leave it empty")
    return fields


def _region(said: str) -> Region:
    word = re.sub(r"[\s_-]+", " ", said.strip().lower())
    for region in REGIONS:
        if word == region.replace("_", " "):
            return region
    if word in KINDS:
        return KINDS[word]
    raise BadInput("region", f"{said!r} is unknown: write {', '.join(REGIONS)}, or a kind: {', '.join(KINDS)}")


def _colour(said: Any) -> Lab | tuple[float, ...]:
    remedy = 'write #rrggbb, or CIELAB in quotes like "40,52,24"'
    if said is None:
        raise BadInput("colour", f"is missing: {remedy}")
    words = said if isinstance(said, (list, tuple)) else re.split(r"[,;\s]+", str(said).strip().strip("[]()"))
    try:
        return lab_of_hex(str(said)) if len(words) == 1 else tuple(float(word) for word in words)
    except (TypeError, ValueError):
        raise BadInput("colour", f"{str(said)[:40]!r} is no colour: {remedy}") from None


def _rows(table: ProductTable, region: Region, count: int) -> tuple[tuple[TableProduct, ...], Floats]:
    if count < 1:
        raise BadInput("count", f"{count} is too few: ask for 1 product or more")
    return table.of_region.get(region, ((), np.zeros((0, 3))))


def _pool(count: int, order: NDArray[np.intp]) -> int:
    return min(len(order), 4 * count)  # a near finish may stand before what is too far in colour


def _match(row: TableProduct, distance: float, penalty: float, foundation: bool) -> Match | None:
    near, fair, far = LIMITS[foundation]
    if not distance < far:
        return None
    word: Nearness = "near" if distance <= near else "fair" if distance <= fair else "far"
    return Match(product=row, distance=round(float(distance), 2), penalty=round(float(penalty), 2), nearness=word)


def _total(match: Match) -> float:
    return match.distance + match.penalty


def _finish_penalty(wanted: Finish, has: Finish | None) -> float:
    return UNSTATED_FINISH if has is None else 0.0 if has == wanted else OTHER_FINISH


def _undertone_penalty(tone: Tone, labs: Floats) -> Floats:
    """Grows with the degrees by which a hue is yellower than a cool skin's, or rosier than a warm one's."""
    turn = np.degrees(np.arctan2(labs[:, 2], labs[:, 1])) - np.degrees(np.arctan2(tone.lab[2], tone.lab[1]))
    wrong = {"cool": turn, "warm": -turn, "neutral": np.abs(turn) - 5}[tone.undertone]
    return np.asarray(OFF_UNDERTONE * np.clip(wrong / 15, 0, 1), np.float64)
