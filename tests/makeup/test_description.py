"""A look as 64 numbers: what is seen counts, what is not does not, and distance goes with what an eye sees."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from persona.catalog.lab import rgb_to_lab
from persona.errors import BadInput
from persona.makeup import description
from persona.makeup.corpus import REDS, hue_of, named, variations
from persona.makeup.description import SLOTS, describe, drawn_of, seen
from persona.makeup.following import SKIN, fitted
from persona.makeup.look import PLACEMENTS, REGIONS, Look, Product
from persona.makeup.lookgan import looks_of
from persona.makeup.monk import monk_lab
from persona.makeup.named import named_looks
from persona.makeup.studio import Studio

RED = Product(region="lips", lab=(40.0, 55.0, 30.0), opacity=0.8, finish="satin")
LOOK = Look(products=(RED,))


def changed(**fields: object) -> Look:
    return Look(products=(RED.model_copy(update=fields),))


def test_equal_looks_have_equal_vectors_and_names_do_not_count() -> None:
    renamed = LOOK.model_copy(update={"title": "another", "occasions": ("party",)})
    vectors = describe([LOOK, renamed, LOOK])
    assert vectors.shape == (3, 64)
    assert vectors.dtype == np.float32
    assert (vectors == vectors[0]).all()


@pytest.mark.parametrize(
    "fields", [{"lab": (60.0, 55.0, 30.0)}, {"opacity": 0.3}, {"finish": "gloss"}, {"placement": "blurred"}]
)
def test_everything_that_is_described_moves_the_vector(fields: dict[str, object]) -> None:
    one, other = describe([LOOK, changed(**fields)])
    assert np.linalg.norm(one - other) > 0.2


def test_a_colour_that_nobody_sees_does_not_count() -> None:
    faint, faint_blue = describe([changed(opacity=0.0), changed(opacity=0.0, lab=(30.0, 10.0, -60.0))])
    strong, strong_blue = describe([changed(opacity=0.9), changed(opacity=0.9, lab=(30.0, 10.0, -60.0))])
    assert (faint == faint_blue).all()
    assert np.linalg.norm(strong - strong_blue) > 2


def test_the_corpus_has_mean_0_and_deviations_of_1_at_most() -> None:
    vectors = describe(named(1500, 3))
    assert np.abs(vectors.mean(0)).max() < 0.2
    assert vectors.std(0).max() < 1.3
    assert np.median(vectors.std(0)) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("tone", [3, 7])
def test_distance_goes_with_what_is_seen_on_a_face(tone: int) -> None:
    looks = named(120, 5)
    studio = Studio.open(48, ("oval",), (tone,))
    with torch.no_grad():
        pictures = rgb_to_lab(studio.paint(torch.zeros(len(looks), dtype=torch.long), drawn_of(looks)))
    rows, columns = np.triu_indices(len(looks), 1)
    apart = (pictures[rows] - pictures[columns]).square().sum(1).sqrt().mean((1, 2)).numpy()
    vectors = describe(looks)
    told = np.linalg.norm(vectors[rows] - vectors[columns], axis=1)
    assert spearmanr(told, apart).statistic > 0.55
    assert abs(spearmanr(np.random.default_rng(0).permutation(told), apart).statistic) < 0.1


def test_looks_become_tensors_and_looks_again() -> None:
    looks = named(40, 6)
    for look, back in zip(looks, looks_of(drawn_of(looks)), strict=True):
        assert [(p.region, p.finish, p.placement) for p in back.products] == [
            (p.region, p.finish, p.placement) for p in look.products
        ]
        np.testing.assert_allclose([p.lab for p in back.products], [p.lab for p in look.products], atol=0.01)
    assert drawn_of(looks).places.shape == (40, len(SLOTS))


def test_gradients_reach_every_number_of_a_look() -> None:
    drawn = drawn_of(named(30, 7))
    for tensor in (drawn.layers.lab, drawn.layers.opacity, drawn.layers.finish, drawn.places):
        tensor.requires_grad_(True)
    seen(drawn).square().sum().backward()
    assert all((t.grad is not None and t.grad.abs().sum() > 0) for t in (drawn.layers.lab, drawn.places))
    assert drawn.layers.opacity.grad is not None
    assert (drawn.layers.opacity.grad.abs().sum(0) > 0).all()


# the corpus


def test_variations_repeat_and_do_not_hang_on_their_number() -> None:
    bases = [look.on(5) for look in named_looks()]
    some = variations(bases, 45, 1)
    assert some == variations(bases, 60, 1)[:45]
    assert some != variations(bases, 45, 2)
    assert [look.title for look in some] == [bases[i % len(bases)].title for i in range(45)]


def test_every_variation_is_a_whole_look() -> None:
    looks = named(900, 8)
    for look in looks:
        regions = [product.region for product in look.products]
        assert regions == [region for region in REGIONS if region in regions]
        assert "lips" in regions or "lids" in regions
        assert "lips" in regions or "lip_liner" not in regions
        assert "lids" in regions or "crease" not in regions
        assert all(0.05 <= product.opacity <= 0.98 for product in look.products)
        lips, liner, lids, crease = (look.on(region) for region in ("lips", "lip_liner", "lids", "crease"))
        if lips and liner:
            assert liner.lab[0] <= lips.lab[0]
        if lids and crease:
            assert (lids.placement == "smoky") == (crease.placement == "smoky")
    for region, places in PLACEMENTS.items():
        assert {look.on(region).placement for look in looks if look.on(region)} == set(places)  # type: ignore[union-attr]


def test_lips_keep_to_the_hues_of_lips() -> None:
    hues = [hue_of(lips.lab) for look in named(600, 9) if (lips := look.on("lips"))]
    bases = [hue_of(lips.lab) for look in named_looks() if (lips := look.on(5).on("lips"))]
    assert min(hues) >= min(REDS[0], *bases) - 0.1
    assert max(hues) <= max(REDS[1], *bases) + 0.1
    assert np.std(hues) > np.std(bases)


def test_a_base_without_products_cannot_be_varied() -> None:
    with pytest.raises(BadInput, match="looks: wanted at least one look, each with a product"):
        variations([LOOK, Look()], 3)
    with pytest.raises(BadInput, match="looks"):
        variations([], 3)


# on another skin


def test_foundation_follows_the_skin_and_a_red_lip_stays() -> None:
    skin = Product(region="skin", lab=SKIN, opacity=0.4)
    nude = Product(region="lips", lab=(58.0, 20.0, 16.0), opacity=0.6)
    for tone in range(1, 11):
        own = monk_lab(tone)
        look = fitted(Look(products=(skin, RED)), own)
        np.testing.assert_allclose(look.on("skin").lab, np.clip(own, (2, -128, -128), (98, 128, 128)), atol=0.01)  # type: ignore[union-attr]
        assert look.on("lips").lab == pytest.approx(RED.lab, abs=0.01)  # type: ignore[union-attr]
    deep, light = (fitted(Look(products=(nude,)), monk_lab(tone)).products[0].lab[0] for tone in (9, 1))
    assert deep < nude.lab[0] - 5 < light


def test_a_look_on_the_middle_skin_is_as_it_is() -> None:
    for look in named(20, 10):
        for product, moved in zip(look.products, fitted(look, SKIN).products, strict=True):
            assert moved.lab == pytest.approx(product.lab, abs=0.01)
            assert moved.model_copy(update={"lab": product.lab}) == product


def test_the_constants_are_those_of_the_corpus() -> None:
    shipped = json.loads(Path(description.__file__).with_name("description.json").read_text())
    now = json.loads(description.constants_of(named(6000, 2)))
    deviation = np.array(shipped["deviation"])
    assert (np.abs(np.array(now["mean"]) - shipped["mean"]) < 0.15 * deviation).all()
    assert (np.abs(np.array(now["deviation"]) - deviation) < 0.15 * deviation).all()
