"""A row of an item table, or a picture in a folder named after its category, to what is asked of the importer."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, get_args

from pydantic import ValidationError

from persona.catalog.measure import seasons_of, style_of
from persona.catalog.sources import Finder, Source, on_disk, only_pictures
from persona.errors import BadInput
from persona.store.reading import ImportReport, read_rows, row_error
from persona.store.records import CATEGORIES, SEASONS, Category, Item, Rights

COLUMNS = ("file", "id", "category", "title", "price", "owner", "colour", "pattern", "style", "seasons",
           "licence", "source", "generated")  # fmt: skip
ALIASES = {"picture": "file", "image": "file", "label": "category", "sender_id": "owner"}
_OTHER_WORDS: dict[str, Category] = {
    "tshirt": "t-shirt", "tee": "t-shirt", "long-sleeve": "longsleeve", "sweater": "longsleeve",
    "pullover": "longsleeve", "trousers": "pants", "jeans": "pants", "shoe": "shoes", "outerwear": "outwear",
    "jacket": "outwear", "coat": "outwear", "short": "shorts", "tank-top": "undershirt", "cap": "hat",
}  # fmt: skip
_CATEGORIES: dict[str, Category] = {**{word: word for word in get_args(Category)}, **_OTHER_WORDS}


@dataclass(frozen=True)
class Defaults:
    """What holds for every item that its table says nothing else of.

    source: where the pictures are from; None: the name of what is imported. id_prefix and owner_prefix are put before
    every id and owner. ignored: columns of the table that are read past.
    """

    licence: str = "unstated"
    source: str | None = None
    category: Category | None = None
    owner: str | None = None
    id_prefix: str = ""
    owner_prefix: str = ""
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True)
class Wanted:
    """An item that lacks its picture and what is measured of it. file: the picture's name in the source.

    where: how to name it to a person, `items.csv:12`.
    """

    where: str
    file: str
    item: Item


def wanted_of_table(source: Source, table: str, defaults: Defaults, report: ImportReport) -> Iterator[Wanted]:
    """What a table of the source asks for; rows that cannot be used are named in the report and left out.

    Raises BadInput for a table that cannot be read at all, and for missing or unknown columns.
    """
    finder = Finder(source, PurePosixPath(table).parent.as_posix())
    seen: dict[str, str] = {}
    with on_disk(source, table) as path:
        allowed = (*COLUMNS, *ALIASES, *defaults.ignored)
        for line, row in read_rows(path, optional=allowed, report=report):
            _has_columns(path.name, row, defaults)
            try:
                row = _renamed(row, defaults)
                file = finder.find(_text(row, "file"))
                item = _item(row, PurePosixPath(file).stem, source.path.name, defaults)
                yield _once(Wanted(f"{path.name}:{line}", file, item), seen)
            except (BadInput, ValidationError) as error:
                report.skip(path, line, row_error(error))


def wanted_of_folders(source: Source, defaults: Defaults, report: ImportReport) -> Iterator[Wanted]:
    """What a source without a table asks for: each picture lies in a folder that is named after its category."""
    seen: dict[str, str] = {}
    for file in only_pictures(source.names):
        report.read += 1
        path = PurePosixPath(file)
        row = {"category": path.parent.name or None}
        try:
            if row["category"] is None and defaults.category is None:
                raise BadInput("category", f"lies in no folder named after one: {', '.join(CATEGORIES)}")
            name = "-".join(path.with_suffix("").parts)
            yield _once(Wanted(file, file, _item(row, name, source.path.name, defaults)), seen)
        except (BadInput, ValidationError) as error:
            report.skipped.append(f"{file}: {row_error(error)}")


def category_of(said: str) -> Category:
    """Our category for a word of a table or a folder: "T-Shirt", "tshirts", "Outerwear". Raises BadInput."""
    word = re.sub(r"[\s_]+", "-", said.strip().lower())
    for form in (word, word.removesuffix("s"), word.removesuffix("es"), f"{word}s"):
        if form in _CATEGORIES:
            return _CATEGORIES[form]
    raise BadInput("category", f"{said!r} is unknown: choose from {', '.join(CATEGORIES)}")


def identifier_of(name: str) -> str:
    """A usable item id made of a file's name; a name with nothing usable in it gives a digest of it."""
    kept = re.sub(r"[^A-Za-z0-9._:@-]+", "-", name).lstrip("._:@-").rstrip("-")
    if kept and len(kept) <= 96:
        return kept
    return (kept[:64] + "-" if kept else "") + hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:24]


def _once(wanted: Wanted, seen: dict[str, str]) -> Wanted:
    before = seen.setdefault(wanted.item.id, wanted.where)
    if before != wanted.where:
        raise BadInput("id", f"{wanted.item.id!r} stands already at {before}: give each item its own")
    return wanted


def _has_columns(table: str, row: Mapping[str, Any], defaults: Defaults) -> None:
    """Raise for a csv or parquet table without the columns that every item needs; jsonl rows may differ."""
    found = {ALIASES.get(name, name) for name in row}
    missing = {"file"} | ({"category"} if defaults.category is None else set())
    if missing - found and not table.lower().endswith(("jsonl", "ndjson")):
        lacking = " and ".join(sorted(missing - found))
        raise BadInput(
            "columns", f"{table} lacks {lacking}: wanted file and category, and may have {', '.join(COLUMNS)}"
        )


def _renamed(row: Mapping[str, Any], defaults: Defaults) -> dict[str, Any]:
    renamed: dict[str, Any] = {}
    for name, value in row.items():
        name = ALIASES.get(name, name)
        if name not in COLUMNS:
            if name not in defaults.ignored:  # a jsonl row may bring columns that the first one had not
                raise BadInput(name, f"is no column of items: {', '.join(COLUMNS)}")
        elif renamed.get(name) is not None and value is not None:
            raise BadInput(name, "is given in two columns: leave one")
        elif value is not None:
            renamed[name] = value
    return renamed


def _item(row: Mapping[str, Any], stem: str, origin: str, defaults: Defaults) -> Item:
    category = category_of(_text(row, "category")) if row.get("category") else defaults.category
    if category is None:
        raise BadInput("category", f"is missing: choose from {', '.join(CATEGORIES)}")
    owner = str(row["owner"]) if row.get("owner") is not None else None
    rights = Rights(
        licence=_text(row, "licence", defaults.licence),
        source=_text(row, "source", defaults.source or origin),
        generated=_answer(row, "generated"),
    )
    return Item.model_validate(
        {
            "id": defaults.id_prefix + (str(row["id"]) if row.get("id") is not None else identifier_of(stem)),
            "category": category,
            "title": _text(row, "title", ""),
            "colour": row.get("colour"),
            "pattern": row.get("pattern"),
            "style": row.get("style") or style_of(category),
            "seasons": _seasons(row["seasons"]) if row.get("seasons") else seasons_of(category),
            "price": _price(row.get("price")),
            "owner": defaults.owner if owner is None else defaults.owner_prefix + owner,
            "rights": rights,
        }
    )


def _text(row: Mapping[str, Any], name: str, default: str | None = None) -> str:
    value = row.get(name, default)
    if value is None:
        raise BadInput(name, "is missing")
    return str(value)


def _answer(row: Mapping[str, Any], name: str) -> bool:
    """A cell that says yes or no; empty means no."""
    said = str(row.get(name) or "no").lower()
    if said not in ("yes", "no", "true", "false"):
        raise BadInput(name, f"{said!r} is unclear: write yes or no")
    return said in ("yes", "true")


def _price(said: Any) -> float | None:
    if said is None:
        return None
    try:
        price = float(said)
    except (TypeError, ValueError):
        raise BadInput("price", f"{said!r} is no number: write it like 12.50") from None
    if not 0 <= price < math.inf:
        raise BadInput("price", f"{said!r}: a price is a number from 0 on")
    return price


def _seasons(said: Any) -> tuple[str, ...]:
    words = said if isinstance(said, (list, tuple)) else re.split(r"[;,\s]+", str(said).strip().lower())
    if list(words) == ["all"]:
        return ()
    for word in words:
        if word not in SEASONS:
            raise BadInput("seasons", f"{word!r} is unknown: write {';'.join(SEASONS)}, some of them, or all")
    return tuple(season for season in SEASONS if season in words)
