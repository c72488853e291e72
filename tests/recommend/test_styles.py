"""The style service: pictures in, pictures in a style out; styles learnt, used by name, and gone when consent ends."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from persona.catalog.pictures import Bytes, Pictures, premultiply, unpremultiply
from persona.catalog.visual import VisualNetwork
from persona.errors import BadInput, Conflict, NotFound, OutOfDate
from persona.recommend.provenance import read_label
from persona.recommend.style_regions import RegionFinder
from persona.recommend.style_types import LABEL, LearnRequest, StyleRequest
from persona.recommend.styles import StyleModels, StyleStudio
from persona.store import Generation, Profile, Store
from persona.store.records import CATEGORIES
from persona.style.features import open_features
from persona.style.model import StyleModel
from persona.style.networks import Decoder
from persona.style.prints import draw_print
from tests.serve.conftest import file_of

from .drawn import COLOURS, draw, garment

SIDE = 128


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> StyleModels:
    """A small garment network and an untrained decoder on it."""
    import torch

    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    VisualNetwork(CATEGORIES, width=4).save(folder / "visual-64", card="a test's", metrics={})
    net = open_features("visual-64", folder)
    StyleModel(net, Decoder(net.channels, net.strides)).save(folder / "style", card="a test's", metrics={})
    return StyleModels(StyleModel.load(folder / "style"), VisualNetwork.load(folder / "visual-64"))


@pytest.fixture
def pictures(tmp_path: Path) -> Pictures:
    return Pictures(tmp_path / "pictures")


@pytest.fixture(scope="module")
def regions() -> RegionFinder:
    """One for the whole file: what finds faces takes seconds to open."""
    return RegionFinder()


@pytest.fixture
def studio(sqlite_store: Store, pictures: Pictures, models: StyleModels, regions: RegionFinder) -> StyleStudio:
    """A studio over two garments, one of them generated."""
    red, blue = garment(pictures, "dress", "red"), garment(pictures, "pants", "blue")
    blue = blue.model_copy(update={"rights": blue.rights.model_copy(update={"generated": True})})
    sqlite_store.put_items([red, blue])
    return StyleStudio(sqlite_store, pictures, models, regions)


def printed(kind: str = "stripes", seed: int = 1) -> Bytes:
    return draw_print(kind, SIDE, seed)


def transparent(rgba: Bytes) -> bytes:
    return file_of(unpremultiply(rgba))


def ask(**asked: Any) -> StyleRequest:
    if "references" in asked:
        asked.setdefault("reference_rights", "own")
        asked.setdefault("reference_region", "print")
    if "photo" in asked:
        asked.setdefault("photo_rights", "own")
    return StyleRequest.model_validate(asked)


def learn(studio: StyleStudio, name: str = "mia", **stated: Any) -> Any:
    agreed = {"licence": "by agreement", "source": "a test", "consent": True, "reference_region": "print"}
    references = (file_of(printed()), file_of(printed("checks", 2)))
    return studio.learn(LearnRequest.model_validate({"name": name, "references": references, **agreed, **stated}))


def files(pictures: Pictures) -> set[Path]:
    return {path for path in pictures.root.rglob("*") if path.is_file()}


def test_a_stored_garment_in_the_style_of_a_picture(studio: StyleStudio, pictures: Pictures) -> None:
    before = files(pictures)
    made = studio.apply(ask(item_id="dress-red-0", references=(file_of(printed()),)))
    source = draw("dress", COLOURS["red"])
    np.testing.assert_array_equal(made.after[..., 3], source[..., 3])
    np.testing.assert_array_equal(made.after[source[..., 3] == 0], 0)
    assert (made.after != source).any()
    assert made.done.covered == pytest.approx((source[..., 3] > 0).mean(), abs=1e-3)
    assert made.done.region == "garment"
    label = read_label(made.file("png"))
    assert label is not None
    assert (label.source, label.words) == ("compositeWithTrainedAlgorithmicMedia", LABEL)
    assert files(pictures) == before


def test_strength_and_controls_reach_the_model(studio: StyleStudio) -> None:
    asked = {"item_id": "dress-red-0", "references": (file_of(printed()),)}
    source = studio.apply(ask(**asked, strength=0)).after
    np.testing.assert_array_equal(source, draw("dress", COLOURS["red"]))
    results = [studio.apply(ask(**asked, **more)).after for more in ({}, {"strength": 0.5}, {"keep_colour": True})]
    assert len({each.tobytes() for each in results}) == 3


def test_a_pattern_is_laid_on_a_garment(studio: StyleStudio) -> None:
    asked = {"item_id": "dress-red-0", "references": (file_of(printed("checks")),), "method": "pattern"}
    source = draw("dress", COLOURS["red"])
    made = [studio.apply(ask(**asked, **more)) for more in ({}, {"scale": 6}, {"rotation": 45}, {"strength": 0.5})]
    assert len({one.after.tobytes() for one in made}) == 4
    for one in made:
        np.testing.assert_array_equal(one.after[..., 3], source[..., 3])
        assert (one.label.source, one.done.model) == ("algorithmicallyEnhanced", None)
    assert (studio.apply(ask(**asked, strength=0)).after == source).all()
    stored = studio.apply(ask(item_id="dress-red-0", reference_items=("pants-blue-0",), method="pattern"))
    assert (stored.after != source).any()
    narrow = np.zeros((64, 64, 4), np.uint8)
    narrow[:, 30:34] = 255
    with pytest.raises(BadInput, match=r"references\.0: is too narrow"):
        studio.apply(ask(**asked | {"references": (file_of(narrow),)}))


def test_a_photo_is_painted(studio: StyleStudio) -> None:
    photo = {"photo": file_of(printed("checks")), "method": "art"}
    oil, line = (studio.apply(ask(**photo, art=kind)) for kind in ("oil", "line"))
    assert (oil.done.region, oil.done.covered) == ("all", 1.0)
    assert (oil.after != line.after).any()
    half = studio.apply(ask(**photo, art="oil", strength=0.5)).after.astype(int)
    np.testing.assert_allclose(half, (oil.after.astype(int) + oil.before) / 2, atol=1)
    garment = studio.apply(ask(item_id="dress-red-0", method="art", art="cartoon"))
    np.testing.assert_array_equal(garment.after[..., 3], draw("dress", COLOURS["red"])[..., 3])


def test_what_a_model_made_goes_on_saying_so(studio: StyleStudio, sqlite_store: Store, pictures: Pictures) -> None:
    reference = (file_of(printed()),)
    assert studio.apply(ask(item_id="pants-blue-0", references=reference)).label.source == "trainedAlgorithmicMedia"
    made = Generation(
        id="g1", picture=pictures.put(draw("hat", COLOURS["green"])), user_id=None, model="garment-64@1",
        condition_digest="0" * 64, seed=1, category="hat", created_at=datetime.now(UTC),
    )  # fmt: skip
    sqlite_store.add_generations([made])
    result = studio.apply(ask(generation_id="g1", references=reference))
    assert result.label.source == "trainedAlgorithmicMedia"
    again = studio.apply(ask(photo=result.file("png"), references=reference))
    assert again.label.source == "trainedAlgorithmicMedia"


def test_a_garment_is_cut_out_of_its_photo(studio: StyleStudio) -> None:
    rgba = draw("t-shirt", COLOURS["blue"])
    floor = np.full((SIDE, SIDE, 3), (214, 200, 180), np.uint8)
    floor = np.clip(floor + np.random.default_rng(0).normal(0, 4, floor.shape), 0, 255).astype(np.uint8)
    photo = np.where(rgba[..., 3:] > 0, rgba[..., :3], floor)
    made = studio.apply(ask(photo=file_of(photo), references=(file_of(printed()),)))
    assert made.done.region == "garment"
    changed = (made.after[..., :3] != photo).any(2)
    shirt = rgba[..., 3] > 0
    assert changed[shirt].mean() > 0.9
    assert changed[~shirt].mean() < 0.05
    whole = studio.apply(ask(photo=file_of(photo), region="all", references=(file_of(printed()),)))
    assert (whole.after[..., :3] != photo).any(2)[~shirt].mean() > 0.9
    with pytest.raises(BadInput, match=r"photo: .*not found; .*region=all") as refused:
        studio.apply(ask(photo=file_of(floor), references=(file_of(printed()),)))
    assert refused.value.code == "no_garment"


def test_transparency_is_kept(studio: StyleStudio) -> None:
    rgba = draw("hat", COLOURS["yellow"])
    made = studio.apply(ask(photo=transparent(rgba), references=(file_of(printed()),)))
    np.testing.assert_array_equal(made.after[..., 3], rgba[..., 3])
    assert (made.after != rgba).any()


def test_several_weighted_references(studio: StyleStudio) -> None:
    one, other = file_of(printed()), file_of(printed("dots", 3))
    source: dict[str, Any] = {"item_id": "dress-red-0"}

    def vector(**asked: Any) -> Any:
        return studio.vector(ask(**source, **asked))

    alone, second = vector(references=(one,)), vector(references=(other,))
    mixed = vector(references=(one, other), weights=(3, 1))
    np.testing.assert_allclose(mixed, 0.75 * alone + 0.25 * second, rtol=1e-5, atol=1e-6)
    stored = vector(reference_items=("pants-blue-0",))
    np.testing.assert_allclose(
        vector(reference_items=("pants-blue-0",), references=(one,)), (stored + alone) / 2, rtol=1e-5, atol=1e-6
    )


def test_a_style_is_learnt_and_used_by_name(studio: StyleStudio, sqlite_store: Store, pictures: Pictures) -> None:
    learnt = learn(studio, title="Mia", weights=(1, 3))
    assert (learnt.references, learnt.usable, learnt.generated) == (2, True, True)
    assert studio.listed() == (learnt,)
    swatch = sqlite_store.get_style("mia").picture
    assert learnt.url == f"/i/{swatch}.webp"
    assert pictures.get(swatch or "").shape == (256, 256, 4)
    asked = {"item_id": "dress-red-0", "weights": (1, 3)}
    twice = ask(**asked, references=(file_of(printed()), file_of(printed("checks", 2))))
    np.testing.assert_allclose(
        studio.vector(ask(item_id="dress-red-0", styles=("mia",))), studio.vector(twice), rtol=1e-5, atol=1e-6
    )
    np.testing.assert_array_equal(
        studio.apply(ask(item_id="dress-red-0", styles=("mia",))).after, studio.apply(twice).after
    )
    assert sqlite_store.style_features(["mia"], studio._models.visual.version)  # type: ignore[union-attr]


def test_nothing_of_the_references_is_kept(studio: StyleStudio, sqlite_store: Store, pictures: Pictures) -> None:
    before = files(pictures)
    learn(studio)
    (swatch,) = files(pictures) - before
    assert pictures.path(sqlite_store.get_style("mia").picture or "") == swatch


def test_a_retired_style_is_gone(studio: StyleStudio, pictures: Pictures) -> None:
    before = files(pictures)
    learn(studio)
    studio.retire("mia")
    assert files(pictures) == before
    assert studio.listed() == ()
    with pytest.raises(BadInput, match="consent to 'mia' was withdrawn") as refused:
        studio.apply(ask(item_id="dress-red-0", styles=("mia",)))
    assert refused.value.code == "no_consent"
    with pytest.raises(NotFound):
        studio.retire("mia")


def test_consent_ends_by_itself(studio: StyleStudio, pictures: Pictures) -> None:
    before = files(pictures)
    learn(studio, until=datetime.now(UTC) + timedelta(seconds=2))
    time.sleep(2)
    with pytest.raises(BadInput, match="consent to 'mia' ended"):
        studio.vector(ask(item_id="dress-red-0", styles=("mia",)))
    assert studio.listed() == ()
    studio.retire_ended()
    assert files(pictures) == before


def test_learning_needs_consent(studio: StyleStudio, sqlite_store: Store, pictures: Pictures) -> None:
    before = files(pictures)
    with pytest.raises(BadInput, match="consent: a person's style") as refused:
        learn(studio, consent=False)
    assert refused.value.code == "no_consent"
    over = datetime(2025, 1, 1, tzinfo=UTC)
    with pytest.raises(BadInput, match="ended on 2025-02-01") as refused:
        learn(studio, given_at=over, until=datetime(2025, 2, 1, tzinfo=UTC))
    assert refused.value.code == "no_consent"
    sqlite_store.put_user(Profile(id="u1"))
    with pytest.raises(BadInput, match="user_id: user 'u1' has not allowed") as refused:
        learn(studio, owner="u1")
    assert refused.value.code == "no_consent"
    assert files(pictures) == before
    assert studio.listed() == ()
    assert learn(studio, "plaid", consent=False, origin="work", weights=(2, 1)).name == "plaid"
    sqlite_store.put_user(Profile(id="u1", consents={"photos": True}))
    assert learn(studio, owner="u1").owner == "u1"
    with pytest.raises(Conflict, match="'mia' already"):
        learn(studio, weights=(1, 7))
    assert len(files(pictures)) == len(before) + 2  # two swatches, none of the style that was refused


def test_photos_need_consent(studio: StyleStudio, sqlite_store: Store) -> None:
    sqlite_store.put_user(Profile(id="u1"))
    reference = {"references": (file_of(printed()),)}
    photo = {"photo": transparent(draw("hat", COLOURS["red"]))}
    for asked, field in (
        ({**photo, **reference, "photo_rights": None}, "photo_rights"),
        ({**photo, **reference, "reference_rights": None}, "reference_rights"),
        ({**photo, **reference, "user_id": "u1"}, "user_id"),
    ):
        with pytest.raises(BadInput, match=f"{field}: ") as refused:
            studio.apply(ask(**asked))
        assert refused.value.code == "no_consent"
    with pytest.raises(NotFound, match="nobody"):
        studio.apply(ask(**photo, **reference, user_id="nobody"))


def flat(*size: int, channels: int = 3) -> bytes:
    return file_of(np.full((*size, channels), 90, np.uint8))


@pytest.mark.parametrize(
    ("reference", "code"),
    [
        (b"", "no_photo"),
        (b"no picture", "not_a_picture"),
        (flat(1, 1), "too_small"),
        (flat(20, 400), "too_long"),
        (file_of(np.zeros((64, 64, 4), np.uint8)), "transparent"),
        (file_of(printed())[:700], "broken"),
    ],
    ids=["empty", "no picture", "one pixel", "long", "transparent", "cut short"],
)
def test_what_is_no_usable_picture(studio: StyleStudio, reference: bytes, code: str) -> None:
    with pytest.raises(BadInput, match=r"references\.0: ") as refused:
        studio.apply(ask(item_id="dress-red-0", references=(reference,)))
    assert refused.value.code == code
    with pytest.raises(BadInput, match=r"references\.1: ") as refused:
        learn(studio, references=(file_of(printed()), reference))
    assert refused.value.code == code
    with pytest.raises(BadInput, match="photo: ") as refused:
        studio.apply(ask(photo=reference, region="all", references=(file_of(printed()),)))
    assert refused.value.code == code


def test_a_style_of_one_colour_is_a_style(studio: StyleStudio) -> None:
    made = studio.apply(ask(item_id="dress-red-0", references=(flat(64, 64),)))
    assert np.isfinite(studio.vector(ask(item_id="dress-red-0", references=(flat(64, 64),)))).all()
    assert (made.after[..., 3] == draw("dress", COLOURS["red"])[..., 3]).all()


def test_what_is_not_there(studio: StyleStudio, pictures: Pictures, sqlite_store: Store) -> None:
    reference = {"references": (file_of(printed()),)}
    for asked in ({"item_id": "none"}, {"generation_id": "none"}, {"item_id": "dress-red-0", "styles": ("none",)}):
        with pytest.raises(NotFound, match="none"):
            studio.apply(ask(**asked, **({} if "styles" in asked else reference)))
    learn(studio)
    with pytest.raises(BadInput, match="item_id: 'mia' is no garment"):
        studio.apply(ask(item_id="mia", **reference))
    pictures.remove(sqlite_store.get_item("dress-red-0").picture or "")
    with pytest.raises(BadInput, match="item_id: its picture's file is lost"):
        studio.apply(ask(item_id="dress-red-0", **reference))


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({}, "exactly one of photo, item_id and generation_id"),
        ({"item_id": "a", "generation_id": "b", "styles": ("c",)}, "exactly one of photo"),
        ({"item_id": "a"}, "one to 8 of styles, reference_items and references, not 0"),
        ({"item_id": "a", "styles": ("b",), "weights": (1, 2)}, "weights: there are 2 for 1 references"),
        ({"item_id": "a", "styles": ("b",), "weights": (0,)}, "greater than 0"),
        ({"item_id": "a", "styles": ("b",), "strength": 2}, "less than or equal to 1"),
        ({"item_id": "a", "styles": ("b",), "keep_colour": True, "keep_luminance": True}, "nothing of the style"),
        ({"item_id": "a", "styles": ("b",), "method": "pattern"}, "a pattern is taken from one picture"),
        ({"item_id": "a", "reference_items": ("b", "c"), "method": "pattern"}, "a pattern is taken from one picture"),
        ({"item_id": "a", "reference_items": ("b",), "method": "pattern", "keep_colour": True}, "with the method tran"),
        ({"item_id": "a", "method": "art"}, "together with the kind of art"),
        ({"item_id": "a", "styles": ("b",), "art": "oil"}, "together with the kind of art"),
        ({"item_id": "a", "styles": ("b",), "method": "art", "art": "oil"}, "painted without references"),
        ({"item_id": "a", "styles": ("b",) * 5, "reference_items": ("c",) * 4}, "not 9"),
    ],
)
def test_what_cannot_be_asked(asked: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        StyleRequest.model_validate(asked)


def test_without_models_it_says_what_to_train(sqlite_store: Store, pictures: Pictures, models: StyleModels) -> None:
    bare = StyleStudio(sqlite_store, pictures)
    with pytest.raises(OutOfDate, match="persona train style"):
        learn(bare)
    with pytest.raises(OutOfDate, match="persona train visual"):
        learn(StyleStudio(sqlite_store, pictures, StyleModels(models.style)))


def test_a_style_of_another_model_is_learnt_anew(studio: StyleStudio, models: StyleModels) -> None:
    learn(studio)
    assert models.style is not None
    version, models.style.version = models.style.version, "style@other"
    try:
        assert [one.usable for one in studio.listed()] == [False]
        with pytest.raises(OutOfDate, match=r"style 'mia' was learnt by .*: learn it anew"):
            studio.vector(ask(item_id="dress-red-0", styles=("mia",)))
    finally:
        models.style.version = version


def test_premultiplied_edges_stay(studio: StyleStudio) -> None:
    straight = unpremultiply(draw("dress", COLOURS["green"]))
    straight[:, : SIDE // 2, 3] //= 2
    made = studio.apply(ask(photo=file_of(straight), references=(file_of(printed()),), strength=0))
    np.testing.assert_array_equal(made.after, premultiply(straight))
