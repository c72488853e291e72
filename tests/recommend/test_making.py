"""Catalogues of many users: each as the endpoint makes it, in order, bounded, with nothing written and nobody in the
way of the others."""

from __future__ import annotations

import itertools
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch

from persona.batch.making import AHEAD, AT_ONCE, Made, Maker
from persona.batch.types import Spec
from persona.errors import OutOfDate, Unavailable
from persona.makeup.description import VERSION as DESCRIPTION
from persona.makeup.lookgan import LookGenerator, LookNetwork
from persona.recommend import Recommender
from persona.recommend.entries import Entry
from persona.recommend.lookbook import USUAL_TONE
from persona.recommend.looks import SIDE
from persona.recommend.makeup_types import MakeLooksRequest, Painting
from persona.recommend.seeds import derive
from persona.settings import Arm, Settings
from persona.store import Event, Store
from persona.taste.model import TasteConfig, TasteModel

from .drawn import garment
from .test_recommender import GREEN, NO_HATS, ask, did, put_user

USERS = [f"user-{number}" for number in range(7)]
SPEC = Spec(per_user=3, seed=5)


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    """A shop with models of looks too, and users of every kind: with a history, with preferences, strangers."""
    models = tmp_path / "models"
    shutil.copytree(settings.models, models)
    torch.manual_seed(2)
    LookGenerator(LookNetwork(16, 1)).save(models / "look-gan", card="a test's", metrics={})
    taste = TasteModel(TasteConfig(width=16, heads=2, feature_version=DESCRIPTION))
    torch.nn.init.normal_(taste.out.weight, std=0.2)
    taste.save(models / "taste-look", card="a test's", metrics={})
    with Store.open(settings.url) as store:
        for number, user in enumerate(USERS):
            put_user(store, user, preferences=[GREEN, NO_HATS][: number % 3], traits={"skin_tone": 3 + number % 2})
            store.add_events([one for n in range(number % 4) for one in _did(user, 10 * n)])
    return settings.model_copy(update={"models": models})


def _did(user: str, start: int) -> list[Event]:
    done = ("view", "hat-red-0"), ("like", "dress-green-0"), ("purchase", "shoes-black-0"), ("dislike", "pants-red-0")
    return [did(start + n, kind, item, user=user) for n, (kind, item) in enumerate(done)]


@pytest.fixture
def maker(recommender: Recommender, request: pytest.FixtureRequest) -> Iterator[Maker]:
    """Makes what a test is parametrised by, else items and garments."""
    made = Maker(recommender, spec_of(*getattr(request, "param", ("items", "garments"))))
    yield made
    made.close()


def spec_of(*kinds: str) -> Spec:
    return Spec.model_validate({**SPEC.model_dump(), "kinds": kinds})


def of_kind(made: Made, kind: str) -> list[Entry]:
    return [entry for entry in made.entries if entry.kind == kind]


def seed_of(user: str) -> int:
    return derive(SPEC.seed, "catalogue", user)


def test_items_and_garments_are_those_of_the_endpoint(recommender: Recommender, maker: Maker) -> None:
    for made in maker.make(USERS):
        answer = ask(recommender, user_id=made.user_id, count=3, generate=3, seed=seed_of(made.user_id))
        assert (made.state, made.watermark) == ("made", answer.watermark)
        for kind, told in (("item", answer.items), ("garment", answer.generated)):
            wanted = [one.model_dump(exclude={"source", "url"}) for one in told]
            entries = of_kind(made, kind)
            assert [entry.model_dump(include=set(one)) for entry, one in zip(entries, wanted, strict=True)] == wanted
        for entry in of_kind(made, "garment"):
            assert (entry.generated, entry.licence) == (True, "generated")
            assert made.pictures[entry.picture or ""] == recommender.pictures.open_bytes(entry.picture or "")
            stored = recommender.store.generation_features([entry.generation_id or ""])
            assert np.array_equal(stored[entry.generation_id or ""], made.features[entry.generation_id or ""])


@pytest.mark.parametrize("maker", [["outfits"]], indirect=True)
def test_outfits_are_those_of_the_endpoint_and_none_comes_twice(recommender: Recommender, maker: Maker) -> None:
    for made in maker.make(USERS):
        outfits = of_kind(made, "outfit")
        assert [entry.rank for entry in outfits] == [1, 2, 3][: len(outfits)] != []
        assert [entry.score for entry in outfits] == sorted((entry.score for entry in outfits), reverse=True)
        assert len({entry.picture for entry in outfits}) == len(outfits)
        for entry in outfits:
            asked = {"user_id": made.user_id, "mode": "retrieve", "seed": entry.seed}
            outfit = ask(recommender, **asked).outfit
            assert outfit is not None
            assert (entry.generation_id, entry.picture, entry.reasons) == (
                outfit.generation_id, outfit.picture, outfit.reasons,
            )  # fmt: skip
            assert entry.detail == outfit.model_dump(mode="json", include={"pieces", "harmony", "harmony_score"})
            assert made.pictures[outfit.picture] == recommender.pictures.open_bytes(outfit.picture)
            stored = recommender.store.get_generation(outfit.generation_id)
            assert (entry.model, entry.condition_digest) == (stored.model, stored.condition_digest)
        tried = {derive(seed_of(made.user_id), "outfit", number) for number in range(9)}
        assert {entry.seed for entry in outfits} <= tried


@pytest.mark.parametrize("maker", [["looks"]], indirect=True)
def test_looks_are_those_of_the_endpoint_on_the_users_own_chart(recommender: Recommender, maker: Maker) -> None:
    for made in maker.make(USERS[:3]):
        seed = seed_of(made.user_id)
        answer = recommender.makeup.made_for(MakeLooksRequest(user_id=made.user_id, count=3, seed=seed))
        looks = of_kind(made, "look")
        assert [entry.score for entry in looks] == sorted((entry.score for entry in looks), reverse=True)
        told = {one.seed: one for one in answer.looks}
        assert {entry.seed for entry in looks} == told.keys()
        tone = recommender.store.get_user(made.user_id).traits.skin_tone or USUAL_TONE
        for entry in looks:
            one = told[entry.seed]
            assert entry.detail == one.model_dump(mode="json", include={"look", "occasion", "like"})
            assert (entry.model, entry.condition_digest) == (answer.model, one.condition_digest)
            chart = recommender.makeup.chart_of(one.look, "oval", tone, SIDE, Painting())
            assert entry.picture == sha256(chart).hexdigest()
            assert made.pictures[entry.picture] == chart


@pytest.mark.parametrize("maker", [["items", "garments", "outfits", "looks"]], indirect=True)
def test_a_kind_alone_is_as_among_others(recommender: Recommender, maker: Maker) -> None:
    whole = list(maker.make(USERS[:3]))
    for kind in SPEC.kinds:
        with closing(Maker(recommender, spec_of(kind))) as alone:
            for one, other in zip(alone.make(USERS[:3]), whole, strict=True):
                assert list(one.entries) == of_kind(other, kind.removesuffix("s"))
                assert {entry.picture for entry in one.entries} >= one.pictures.keys()
                assert all(other.pictures[name] == content for name, content in one.pictures.items())


def test_others_do_not_change_what_is_made_for_one(maker: Maker) -> None:
    together = list(maker.make(USERS))
    assert [made.user_id for made in together] == USERS
    for user, made in zip(USERS[::-1], maker.make(USERS[::-1]), strict=True):
        assert _same(made, together[USERS.index(user)])
    assert _same(next(maker.make([USERS[3]])), together[3])


def _same(one: Made, other: Made) -> bool:
    alike = one.entries == other.entries and one.pictures == other.pictures
    return alike and all(np.array_equal(feature, other.features[name]) for name, feature in one.features.items())


def test_more_than_an_answer_may_ask_for(recommender: Recommender) -> None:
    with closing(Maker(recommender, Spec(per_user=30, kinds=("garments", "items")))) as maker:
        (made,) = maker.make(USERS[:1])
    assert [entry.rank for entry in of_kind(made, "garment")] == list(range(1, 31))
    assert len(made.pictures) == 30
    assert len(of_kind(made, "item")) == 30


def test_gaps_are_drawn_and_known(bare: Settings) -> None:
    recommender = Recommender.open(bare)
    kept = [garment(recommender.pictures, "t-shirt", "red"), garment(recommender.pictures, "pants", "black")]
    recommender.store.put_items(kept)
    put_user(recommender.store, "ana", preferences=[GREEN])
    recommender.refresh()
    spec = Spec(per_user=2, kinds=("outfits",))
    with closing(Maker(recommender, spec)) as maker:
        (made,) = maker.make(["ana"])
    assert len(made.entries) == 2
    for entry in made.entries:
        shoes = next(piece for piece in entry.detail["pieces"] if piece["slot"] == "shoes")
        assert shoes["picture"] in made.pictures
        assert made.features.keys() >= {shoes["generation_id"], entry.generation_id}
        outfit = ask(recommender, user_id="ana", mode="retrieve", seed=entry.seed).outfit
        assert outfit is not None
        assert outfit.picture == entry.picture


@pytest.mark.parametrize("maker", [["items", "garments", "outfits", "looks"]], indirect=True)
def test_nothing_is_written(recommender: Recommender, maker: Maker, settings: Settings) -> None:
    def everything() -> tuple[list[str], dict[Path, bytes]]:
        with closing(sqlite3.connect(settings.home / "persona.db")) as database:
            rows = list(database.iterdump())
        files = [path for path in settings.home.rglob("*") if path.is_file() and "persona.db" not in path.name]
        return rows, {path: path.read_bytes() for path in files}

    before = everything()
    assert all(made.state == "made" for made in maker.make(USERS[:4]))
    assert everything() == before


def test_who_is_not_there_or_refuses_is_left_out(recommender: Recommender, maker: Maker) -> None:
    put_user(recommender.store, USERS[2], consents={"personalisation": False})
    recommender.erase(USERS[4])
    made = list(maker.make([*USERS, "nobody"]))
    assert [one.user_id for one in made] == [*USERS, "nobody"]
    left = {one.user_id: one.why for one in made if one.state == "left_out"}
    assert left == {USERS[2]: "refuses personalisation", USERS[4]: "erased", "nobody": "erased"}
    assert all(not one.entries and not one.pictures for one in made if one.state == "left_out")


def test_a_poisonous_user_is_set_aside_by_name(recommender: Recommender, settings: Settings) -> None:
    liked = ask(recommender, user_id=USERS[0], generate=1).generated[0].generation_id
    recommender.store.add_events([did(50, "like", user=USERS[0], generation=liked)])
    with closing(sqlite3.connect(settings.home / "persona.db")) as database, database:
        nan = np.full(64, np.nan, np.float32).tobytes()
        database.execute("UPDATE generations SET feature = ? WHERE id = ?", (nan, liked))
        database.execute("UPDATE events SET type = 'poke' WHERE user_id = ?", (USERS[1],))
        database.execute("UPDATE preferences SET value = 'plaid' WHERE user_id = ?", (USERS[5],))
    with closing(Maker(recommender, spec_of("items"))) as maker:
        made = {one.user_id: one for one in maker.make(USERS)}
    aside = {name: one.why for name, one in made.items() if one.state == "set_aside"}
    assert aside == {
        USERS[0]: "cannot be read (ValueError)",
        USERS[1]: "cannot be read (KeyError)",
        USERS[5]: "cannot be read (ValidationError)",
    }
    assert all(one.entries for name, one in made.items() if name not in aside)


@pytest.mark.parametrize("threads", [1, 2], indirect=True)
def test_one_thread_makes_all_of_it_as_several_do(maker: Maker, threads: int) -> None:
    made = list(maker.make(USERS))
    assert [one.user_id for one in made] == USERS
    assert all(one.entries and len(one.pictures) == SPEC.per_user for one in made)
    assert bool(_threads()) is (threads > 1)


def test_what_is_nobodys_fault_stops_the_work(maker: Maker, settings: Settings) -> None:
    def interrupted() -> Iterator[str]:
        yield from USERS[:2]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(maker.make(interrupted()))
    with closing(sqlite3.connect(settings.home / "persona.db")) as database, database:
        database.execute("DROP TABLE preferences")
    with pytest.raises(Unavailable):
        list(maker.make(USERS))
    assert _threads() <= {"persona-finish_0"}


@pytest.fixture
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """Of the models, as a test is parametrised."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("threads", [1, 2], indirect=True)
def test_memory_is_bounded_and_closing_ends_the_threads(maker: Maker, threads: int) -> None:
    """Where the models have but one, there are no others."""
    taken = 0

    def endless() -> Iterator[str]:
        nonlocal taken
        for taken in itertools.count(1):
            yield f"nobody-{taken}"

    made = maker.make(endless())
    for number, one in enumerate(itertools.islice(made, 1000), 1):
        assert one.user_id == f"nobody-{number}"
        assert taken - number <= 2 * AT_ONCE + 4 * AHEAD
    assert _threads() == ({"persona-begin", "persona-passes", "persona-finish_0"} if threads > 1 else set())
    made.close()
    assert _threads() == ({"persona-finish_0"} if threads > 1 else set())


def _threads() -> set[str]:
    ours = ("persona-begin", "persona-passes", "persona-finish")
    return {thread.name for thread in threading.enumerate() if thread.name.startswith(ours)}


def test_arms_draw_each_in_passes_of_their_own(settings: Settings) -> None:
    shutil.copytree(settings.models / "taste-garment", settings.models / "other")
    config = settings.models / "other" / "config.json"
    assert config.exists()
    arms = {"a": Arm(), "b": Arm(share=0.5, taste="taste-garment")}
    recommender = Recommender.open(settings.model_copy(update={"arms": arms}))
    with closing(Maker(recommender, Spec(per_user=2, kinds=("garments",)))) as maker:
        assert maker.versions.taste.keys() == {"a", "b"}
        for made in maker.make(USERS):
            seed = derive(0, "catalogue", made.user_id)
            answer = ask(recommender, user_id=made.user_id, mode="generate", generate=2, outfit=False, seed=seed)
            assert [one.generation_id for one in answer.generated] == [one.generation_id for one in made.entries]
    recommender.store.close()


def test_versions_say_what_decides_the_bits(recommender: Recommender, maker: Maker) -> None:
    versions, arm = maker.versions, recommender.main
    assert versions.taste == {"default": arm.taste.version}
    assert versions.generator == {"default": arm.generator.version}
    assert (versions.device, versions.threads, versions.batch) == ("cpu", torch.get_num_threads(), 8)
    assert versions.looks == recommender.makeup.version is not None


def test_looks_without_their_models_are_refused(recommender: Recommender, bare: Settings) -> None:
    small = Recommender.open(bare)
    assert Maker(small, Spec(kinds=("items",))).versions.looks is None
    with pytest.raises(OutOfDate, match="taste-look"):
        Maker(small, SPEC)
