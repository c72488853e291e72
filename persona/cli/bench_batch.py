"""The offline batch against the generator alone, on Ray, and with a million users: `persona bench batch`."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from persona.batch.layout import Layout
from persona.batch.local import LocalExecutor
from persona.batch.making import Maker
from persona.batch.planning import plan
from persona.batch.reading import Shard
from persona.batch.shard import open_maker
from persona.batch.types import Executor, Run, ShardRecord, Spec
from persona.catalog.pictures import decode_photo, encode, premultiply
from persona.cli.bench_company import Companies, companies, filled
from persona.cli.bench_raw import OpenRaw, best_batch
from persona.cli.bench_server import prepared
from persona.errors import OutOfDate
from persona.recommend import Recommender
from persona.settings import Settings, load_settings
from persona.store import Store
from persona.workers import cores

Measured = tuple[dict[str, Any], dict[str, str]]
ENCODED = 200  # pictures whose encoding is timed
RAW = 20  # passes of the generator alone that count as a shard


@dataclass(frozen=True)
class Sizes:
    """How much is measured. shards: of each rate and worker, with so many users; rounds: in which rates take turns."""

    shards: int = 5
    users: int = 40
    rounds: int = 3
    companies: Companies = field(default_factory=Companies)


QUICK = Sizes(shards=3, users=3, rounds=1, companies=Companies(few=60, many=240, each=5, shards=2, users=10))
"""To see that it works, in two minutes."""


def measure(sizes: Sizes = Sizes()) -> Measured:
    """The keys of `persona bench batch`, and why some are missing."""
    with tempfile.TemporaryDirectory() as folder:
        demo = Path(folder) / "demo"
        prepared(demo)
        few = filled(demo, Path(folder) / "few", sizes.companies.few, sizes.companies.each)
        values, why = _speeds(Bench.begin(load_settings(home=few.home, database_url=few.url, threads=1), sizes))
        more, unknown = companies(sizes.companies, demo, few)
    return values | more, why | unknown


@dataclass
class Bench:
    """A planned run of garments, whose shards are made and made again: the same each time, by whatever means."""

    settings: Settings
    out: Path
    run: Run
    sizes: Sizes

    def __post_init__(self) -> None:
        self._shards = cycle(self.run.todo)

    @classmethod
    def begin(cls, settings: Settings, sizes: Sizes) -> Bench:
        """Plan it, for the users who are in the store, by the models as every worker will have them: on one thread."""
        import torch

        spec, out = Spec(kinds=("garments",), users_per_shard=sizes.users), settings.home / "catalogues"
        torch.set_num_threads(1)
        recommender = Recommender.open(settings)
        with closing(Maker(recommender, spec)) as maker:
            planned = plan(out, spec, recommender.store, maker.versions, crowd=recommender.crowd)
        recommender.close()
        assert planned is not None
        return cls(settings, out, planned, sizes)

    def rate(self, executor: Executor, workers: int) -> float:
        """Pictures a second of an executor with so many workers, once all of them work."""
        shards = list(islice(self._shards, self.sizes.shards * workers))
        ends, counts = [], []
        with closing(executor.run(self.out, shards)) as records:
            for record in records:
                ends.append(time.perf_counter())
                counts.append(record.pictures)
        return steady(ends, counts, workers)

    def encoding(self) -> tuple[float, float]:
        """Seconds to encode one of the pictures that were made, and its bytes."""
        with Store.open(self.settings.url) as store:
            record = ShardRecord.model_validate(next(iter(store.shards(self.run.run).values())))
        pictures = [
            premultiply(decode_photo(content)) for content in islice(_pictures(Layout(self.out).work, record), ENCODED)
        ]
        began = time.perf_counter()
        encoded = sum(len(encode(picture, quick=True)) for picture in pictures)
        return (time.perf_counter() - began) / len(pictures), encoded / len(pictures)


def steady(ends: Sequence[float], counts: Sequence[int], workers: int) -> float:
    """Pictures a second while every worker worked: from when each could have finished a shard, until one may be done.

    ends: when shards were finished; counts: their pictures.
    """
    first, last = workers - 1, len(ends) - workers
    return sum(counts[first + 1 : last + 1]) / (ends[last] - ends[first])


def _speeds(bench: Bench) -> Measured:
    """Pictures a second by the batch and by the generator alone, in turns; what encoding takes of it; and on Ray."""
    import torch

    count = cores()
    workers = count if bench.run.versions.device == "cpu" else 1
    batch = best_batch(bench.settings)
    # the generator in one process with all threads, or in one for each core: whichever is faster
    ways = {
        "batch": (LocalExecutor(bench.settings, open_maker, workers), workers),
        "apart": (LocalExecutor(bench.settings, OpenRaw(batch, 1, RAW), workers), workers),
        "together": (LocalExecutor(bench.settings, OpenRaw(batch, count, RAW), 1), 1),
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(bench.sizes.rounds):
        for name, (executor, count) in ways.items():
            rates[name].append(bench.rate(executor, count))
    torch.set_num_threads(1)
    middle = {name: statistics.median(found) for name, found in rates.items()}
    raw, seconds = max(middle["apart"], middle["together"]), bench.encoding()
    values = {
        "share_of_raw_generator": middle["batch"] / raw,
        "encode_share": seconds[0] * middle["batch"] / workers,
        "pictures_per_s": middle["batch"],
        "raw_pictures_per_s": raw,
        "raw_batch": batch,
        "bytes_per_picture": seconds[1],
        "workers": workers,
    }
    more, why = _on_ray(bench)
    return values | more, why


def _on_ray(bench: Bench) -> Measured:
    """What a second worker brings on Ray, and what Ray costs beside a worker of our own."""
    from persona.batch.ray import RayExecutor

    def middle(kind: type[LocalExecutor] | type[RayExecutor], workers: int) -> float:
        executor = kind(bench.settings, open_maker, workers)
        return statistics.median(bench.rate(executor, workers) for _ in range(bench.sizes.rounds))

    try:
        alone, one, two = middle(LocalExecutor, 1), middle(RayExecutor, 1), middle(RayExecutor, 2)
    except OutOfDate as error:
        return {}, dict.fromkeys(("ray_scaling", "ray_overhead_s_per_10k"), str(error))
    return {"ray_scaling": two / (2 * one), "ray_overhead_s_per_10k": 10_000 / one - 10_000 / alone}, {}


def _pictures(work: Path, record: ShardRecord) -> Iterator[bytes]:
    """The picture files of a shard that was made."""
    shard = Shard(work, record)
    for sha256 in dict.fromkeys(name for _, rows in shard.users() for name in rows["picture"].to_pylist() if name):
        yield shard.pictures.read(sha256)
