"""The whole of it, with real models on a small shop: planned, made, verified, read by others, pushed and served."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
import torch

from persona.batch.layout import Layout
from persona.batch.local import LocalExecutor
from persona.batch.making import Maker
from persona.batch.planning import plan, plan_removal
from persona.batch.push import push
from persona.batch.reading import Catalogues
from persona.batch.running import run_shards
from persona.batch.shard import open_maker
from persona.batch.types import Manifest, Spec, shard_of
from persona.batch.verify import verify
from persona.catalog.pictures import Pictures
from persona.errors import OutOfDate
from persona.gan import GarmentModel
from persona.recommend import Recommender
from persona.recommend.crowd import Crowd
from persona.recommend.pushed import pushed_catalogue
from persona.settings import Settings
from persona.store import Event, Profile, Store, upgrade
from persona.store.records import EPOCH
from tests.serve.conftest import make_catalogue, make_models, make_users

SPEC = Spec(per_user=2, kinds=("items", "garments", "outfits"), users_per_shard=3, seed=3)
USERS = ["demo-ana", "demo-ben", "demo-newcomer", *(f"u{n}" for n in range(4))]


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Models, and a home folder to be copied."""
    root = tmp_path_factory.mktemp("batch")
    settings = Settings(home=root / "home", models=root / "models", datasets=None, threads=1, device="cpu")
    settings.home.mkdir()
    upgrade(settings.url)
    make_models(settings.models)
    with Store.open(settings.url) as store:
        make_users(store, make_catalogue(store, Pictures(settings.pictures)))
        store.bulk_users(Profile(id=name) for name in USERS[3:])
    Recommender.open(settings).close()  # makes the content vectors
    return settings


@pytest.fixture
def settings(furnished: Settings, tmp_path: Path) -> Iterator[Settings]:
    """Of a home of the test's own. Its threads are the test's alone."""
    shutil.copytree(furnished.home, tmp_path / "home")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield furnished.model_copy(update={"home": tmp_path / "home"})
    torch.set_num_threads(before)


def begin(out: Path, settings: Settings, **more: Any) -> bool:
    """Plan; whether there is anything to do."""
    recommender = Recommender.open(settings, Crowd())
    maker = Maker(recommender, SPEC)
    planned = plan(out, SPEC, recommender.store, maker.versions, crowd=recommender.crowd, **more)
    maker.close()
    recommender.close()
    return planned is not None


def drive(out: Path, settings: Settings) -> Manifest:
    """Make what is planned."""
    with Store.open(settings.url) as store:
        return run_shards(out, store, LocalExecutor(settings, open_maker))


def files(out: Path) -> dict[str, bytes]:
    """All that is in a directory, but the lock."""
    found = {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    found.pop(".lock", None)
    return found


def test_from_plan_to_shop_window(settings: Settings, tmp_path: Path) -> None:
    """Made, whole, read by pandas and DuckDB, pushed and served; once more there is nothing to do."""
    out = tmp_path / "out"
    assert begin(out, settings)
    manifest = drive(out, settings)
    assert (manifest.totals.users, len(manifest.shards)) == (len(USERS), 3)
    with Store.open(settings.url) as store:
        assert verify(out, store) == []
        assert push(out, store, Pictures(settings.pictures)).users == len(USERS)
    frame = pd.read_parquet(out / "index")
    found = duckdb.sql(f"SELECT user_id, count(*) FROM '{out}/index/*.parquet' GROUP BY 1 ORDER BY 1").fetchall()
    assert found == sorted(frame.groupby("user_id").size().items())
    recommender = Recommender.open(settings)
    told = pushed_catalogue(recommender, "demo-ana")
    entries = Catalogues(out).entries("demo-ana")
    assert [one.model_dump(exclude={"url", "detail"}) for one in told.entries] == [
        one.model_dump(exclude={"detail"}) for one in entries
    ]
    liked = next(one for one in entries if one.kind == "garment")
    recommender.add_events(
        [Event(key="e", user_id="demo-ana", generation_id=liked.generation_id, type="dislike", at=EPOCH)]
    )
    assert liked.rank not in [one.rank for one in pushed_catalogue(recommender, "demo-ana", "garment").entries]
    recommender.close()
    before = files(out)
    assert begin(out, settings)  # somebody did something
    drive(out, settings)
    changed = {name for name, content in files(out).items() if before.get(name) != content}
    number = shard_of("demo-ana", 3)
    index = {name for name in changed if name.startswith("index/")}
    assert [name.partition("-")[0] for name in index] == [f"index/{number:05d}"]
    others = [name for name in USERS if name != "demo-ana"]
    assert {name: len(Catalogues(out).entries(name)) for name in others} == dict(found[1:])
    assert not begin(out, settings)


def test_stopped_in_between_it_comes_to_the_same(settings: Settings, tmp_path: Path) -> None:
    """To the byte, whichever shard was made before, and whatever lay half written."""
    for number in range(3):
        out = tmp_path / f"out{number}"
        assert begin(out, settings)
        if number:
            make = open_maker(out, settings)
            make(number)
            make.close()
            (out / ".work" / "index" / "00000-abc.part").write_bytes(b"half")
        drive(out, settings)
    assert files(tmp_path / "out0") == files(tmp_path / "out1") == files(tmp_path / "out2")


def test_what_others_do_meanwhile_changes_nothing(settings: Settings, tmp_path: Path) -> None:
    """Everybody's ranking rests on what everybody had done when the run was planned."""
    one, other, later = (tmp_path / name for name in ("one", "other", "later"))
    begin(one, settings)
    begin(other, settings)
    drive(one, settings)
    with Store.open(settings.url) as store:
        store.put_user(Profile(id="newcomer"))
        bought = [item.id for item in store.items("garment")[::3]]
        acts = [Event(key=f"n{n}", user_id="newcomer", item_id=bought[n % len(bought)], type="purchase", at=EPOCH)
                for n in range(300)]  # fmt: skip
        store.add_events(acts)
    drive(other, settings)
    assert files(one) == files(other)
    begin(later, settings)
    drive(later, settings)
    scores = [[entry.score for entry in Catalogues(out).entries("demo-ana")] for out in (one, later)]
    assert scores[0] != scores[1]


def test_who_is_erased_goes_without_any_model(settings: Settings, tmp_path: Path) -> None:
    """From a finished directory, and the others stay as they are."""
    out = tmp_path / "out"
    begin(out, settings)
    drive(out, settings)
    before = {name: Catalogues(out).entries(name) for name in USERS}
    without = settings.model_copy(update={"models": tmp_path / "nowhere"})
    with Store.open(settings.url) as store:
        store.delete_user("u1")
        assert verify(out, store) != []
        assert plan_removal(out, store) is not None
        drive(out, without)
        assert verify(out, store) == []
    assert {name: Catalogues(out).entries(name) for name in USERS if name != "u1"} == {
        name: entries for name, entries in before.items() if name != "u1"
    }


def test_a_model_that_changed_under_a_run_is_refused(settings: Settings, tmp_path: Path) -> None:
    """Both versions are named; with the former one it goes on."""
    out, other = tmp_path / "out", tmp_path / "models"
    begin(out, settings)
    shutil.copytree(settings.models, other)
    generator = GarmentModel.load(other / "garment-64")
    with torch.no_grad():
        next(generator.generator.parameters()).mul_(1.01)
    generator.save(other / "garment-64", width=0.06, card="Another one.", metrics={})
    shutil.rmtree(other / "inverter-64")  # of the former generator
    with pytest.raises(OutOfDate, match=r"planned with generator .*garment-64@\w+.*, and here it is .*garment-64@\w+"):
        drive(out, settings.model_copy(update={"models": other}))
    assert Layout(out).run.exists()
    assert drive(out, settings).totals.users == len(USERS)
