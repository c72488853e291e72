"""What is made for a user without any model: entries, pictures and vectors that follow from the id alone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from persona.batch.layout import Layout
from persona.batch.making import Made
from persona.batch.types import Manifest, Spec, Totals, Versions, shard_of
from persona.batch.writing import ShardWriter
from persona.catalog.pictures import encode
from persona.recommend.entries import Entry
from persona.recommend.seeds import derive
from persona.store.records import Reason

MODELS = ("taste-garment@0123456789ab", "garment-64@ba9876543210")
VERSIONS = Versions(
    taste={"default": MODELS[0]}, generator={"default": MODELS[1]}, looks=None, visual="v", device="cpu", threads=1,
    batch=8,
)  # fmt: skip


SHARDS = 2
USERS = sorted(f"u{n}" for n in range(8))


def a_picture(seed: int) -> bytes:
    """A picture's file."""
    rgba = np.random.default_rng(seed).integers(0, 256, (8, 8, 4)).astype(np.uint8)
    rgba[..., 3] = 255
    return encode(rgba, quick=True)


def made_up(user_id: str, garments: int = 2, salt: str = "", title: str = "Bluse, weiß") -> Made:
    """A real item, some garments (the first shows the same as everybody's), an outfit and a look. salt: another one,
    others. title: of the item."""
    seed = derive(user_id, salt)
    files = [a_picture(0), *(a_picture(derive(seed, n)) for n in range(garments + 1))]
    shas = [hashlib.sha256(file).hexdigest() for file in files]
    why = Reason(kind="event", text="you liked “Bluse”", weight=0.5, item_id="demo-0001")
    taste, generator = MODELS
    common: dict[str, Any] = {"seed": seed, "reasons": (why,), "score": 1 / 3}
    drawn = {**common, "generated": True, "licence": "generated"}
    item = Entry(
        kind="item", rank=1, item_id="demo-0001", picture="e" * 64, category="blouse", title=title,
        generated=False, licence="CC0-1.0", model=taste, **common,
    )  # fmt: skip
    clothes = [
        Entry(
            kind="garment",
            rank=n + 1,
            generation_id=f"g-{user_id}{salt}-{n}",
            picture=sha,
            category="dress",
            colour="red",
            model=generator,
            condition_digest=hashlib.sha256(user_id.encode()).hexdigest(),
            **drawn,
        )
        for n, sha in enumerate(shas[:garments])
    ]
    outfit = Entry(
        kind="outfit", rank=1, generation_id=f"o-{user_id}{salt}", picture=shas[garments], category="dress",
        model="flat-lay@1", detail={"pieces": [{"slot": "dress", "generation_id": f"g-{user_id}-0"}]}, **drawn,
    )  # fmt: skip
    look = Entry(
        kind="look", rank=1, picture=shas[garments + 1], category="evening", title="Night",
        model="look-gan@1", detail={"look": {"title": "Night", "products": []}}, **drawn,
    )  # fmt: skip
    features = {
        one.generation_id: np.random.default_rng(one.seed).random(64, np.float32)
        for one in (*clothes, outfit)
        if one.generation_id
    }
    return Made(user_id, "made", "", 7, (item, *clothes, outfit, look), dict(zip(shas, files)), features)


def all_made_up(user_ids: Iterable[str]) -> Iterator[Made]:
    """For one user after the other."""
    return (made_up(user_id) for user_id in user_ids)


def catalogue(
    out: Path, archive: Any = "tar", change: Callable[[str], str] = lambda name: name, salt: str = "", **more: str
) -> Path:
    """A finished directory. change: of a user's id, to where it does not belong. salt: another one, other pictures.
    more: as of `made_up`."""
    records = []
    for number in range(SHARDS):
        with ShardWriter(out, number, archive, lambda _: MODELS) as writer:
            for name in sorted(change(one) for one in USERS if shard_of(one, SHARDS) == number):
                writer.add(made_up(name, salt=salt, **more))
            writer.add(
                Made(next(f"x{n}" for n in range(99) if shard_of(f"x{n}", SHARDS) == number), "set_aside", "NaN")
            )
            records.append(writer.finish())
    spec = Spec(archive=archive)
    manifest = Manifest(spec=spec, versions=VERSIONS, shards=tuple(records), totals=Totals.of(records))
    Layout(out).manifest.write_text(manifest.model_dump_json())
    return out
