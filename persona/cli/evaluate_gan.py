"""`persona evaluate gan`: the shipped generator, held against real garments and against the tastes it is asked for."""

from __future__ import annotations

import tempfile
import urllib.error
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from persona.catalog.importing import import_items
from persona.catalog.measure import measure, style_of
from persona.catalog.pictures import Pictures
from persona.cli import materials
from persona.errors import BadInput
from persona.gan import GarmentModel
from persona.gan.evaluate import FEWEST, Judge, RealSet, evaluate
from persona.gan.perceptual import Perceptual
from persona.recommend.evaluate import Wins, garments_for, preference_wins
from persona.settings import Settings
from persona.store import Store, upgrade
from persona.store.records import CATEGORIES, Item, Rights
from persona.taste.evaluate import cases_of
from persona.taste.model import TasteModel
from persona.taste.simulate import Simulator, Tastes, simulate, utilities
from persona.taste.table import ItemTable
from persona.taste.visual import VisualNetwork

USERS, EACH = 120, 4  # simulated users, and garments made for each of them
SHOWN = 10  # likes and better of theirs that the taste model reads, with what lies between
_JUDGED = Rights(licence="none", source="judged", generated=True)


def run(settings: Settings, real: Path | None, seed: int = 0) -> dict[str, Any]:
    """The figures of `persona evaluate gan`. real: a zip of garments to compare with, instead of held-out owners'."""
    network = VisualNetwork.load(settings.models / "visual-64")
    model = GarmentModel.load(settings.models / "garment-64")
    found = materials.garments(settings, side=model.size)
    train, held = _part(found, network, ~found.held_out), _part(found, network, found.held_out)
    if real:
        held = _part(others := _imported(real, model.size), network, np.ones(len(others.items), bool))
    if len(held) < FEWEST:
        raise BadInput(
            "catalogue",
            f"{len(held)} held-out garments, wanted {FEWEST}: import more (`persona import clothing`), or name others "
            "with --real",
        )
    perceptual = load_perceptual(settings)
    figures = evaluate(model, train, held, perceptual, seed=seed)
    table = found.table(network)
    wins, ceiling, shuffled = wins_of(settings, model, table, found.rgba, Judge(perceptual, train), seed)
    return {
        **figures,
        "win_right_over_wrong_user": wins.share,
        "win_interval": [wins.low, wins.high],
        "win_ceiling": ceiling.share,
        "win_shuffled": shuffled.share,
        "win_users": wins.users,
        "seed": seed,
        "model": model.version,
    }


def load_perceptual(settings: Settings) -> Perceptual:
    """SqueezeNet from the data folder, else from where torchvision gets it. Raises BadInput where neither is there."""
    file = settings.datasets / "perceptual" / "squeezenet_v1.1_features.npz" if settings.datasets else None
    try:
        return Perceptual.load(file if file and file.exists() else None)
    except (urllib.error.URLError, OSError) as error:
        raise BadInput(
            "PERSONA_DATASETS",
            f"SqueezeNet's weights are not in {file or 'no folder'}, and cannot be downloaded ({error}); put "
            "squeezenet_v1.1_features.npz from github.com/DeepCognition/keras-squeezenet into its folder `perceptual`",
        ) from error


def wins_of(
    settings: Settings, model: GarmentModel, table: ItemTable, rgba: NDArray[np.uint8], judge: Judge, seed: int
) -> tuple[Wins, Wins, Wins]:
    """Whether garments suit the simulated users they were made for better than other users.

    The users' true tastes judge, on what networks that saw real pictures only read in the picture: category and content
    by the judge, colour and pattern as measured. Beside it the ceiling (each user's best-ranked real garments in the
    place of generated ones) and a control that must fall to one half (garments handed to the wrong users).
    """
    taste = TasteModel.load(settings.models / "taste-garment")
    world = simulate(table, 3 * USERS, seed + 1_000_000)
    cases = cases_of(world.users, SHOWN, preferences=True)[:USERS]
    numbers = [case.number for case in cases]
    tastes = Tastes(world.tastes.affinity[numbers], world.tastes.visual[numbers])
    people, vectors = taste.encode_many([(c.profile, c.history) for c in cases], table), taste.item_vectors(table)
    made, owners = garments_for(people, table, vectors, model, each=EACH, seed=seed)
    best = np.argsort(-(people @ vectors.T), 1)[:, :EACH].reshape(-1)
    wrong = np.roll(owners, EACH * (len(cases) // 2))

    def likes(pictures: NDArray[np.uint8]) -> NDArray[np.floating]:
        return _likes(pictures, judge, tastes)

    return (
        preference_wins(made, owners, likes, seed=seed),
        preference_wins(rgba[best], owners, likes, seed=seed),
        preference_wins(made, wrong, likes, seed=seed),
    )


def _likes(pictures: NDArray[np.uint8], judge: Judge, tastes: Tastes) -> NDArray[np.float32]:
    """How much each user likes each picture, (n, users), from what is read in it."""
    impression = judge.look(pictures)
    items = []
    for number, (rgba, category) in enumerate(zip(pictures, impression.categories)):
        measured = asdict(measure(rgba))
        items.append(
            Item(id=f"judged-{number}", category=category, style=style_of(category), rights=_JUDGED, **measured)
        )
    table = ItemTable.of(items, impression.conditions.astype(np.float32))
    return utilities(tastes, table, replace(Simulator(), appeal=0.0)).T


def _part(found: materials.Garments, network: VisualNetwork, rows: NDArray[np.bool_]) -> RealSet:
    names = [CATEGORIES[code] for code in found.categories[rows]]
    return RealSet(found.rgba[rows], network.features(found.rgba[rows]), names)


def _imported(source: Path, side: int) -> materials.Garments:
    """Other real garments, imported into a store that is thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        elsewhere = Settings(home=Path(folder), database_url=None)
        upgrade(elsewhere.url)
        with Store.open(elsewhere.url) as store:
            import_items(store, Pictures(elsewhere.pictures), source)
        return materials.garments(elsewhere, side)
