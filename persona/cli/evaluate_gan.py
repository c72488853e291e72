"""`persona evaluate gan`: a generator, held against real garments and against the tastes it is asked for."""

from __future__ import annotations

import tempfile
import urllib.error
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from persona.catalog.measure import measure, style_of
from persona.catalog.perceptual import Perceptual
from persona.catalog.visual import VisualNetwork
from persona.cli import materials
from persona.errors import BadInput, OutOfDate
from persona.gan import GarmentModel
from persona.gan.evaluate import FEWEST, Evaluation, check_sizes, evaluate
from persona.gan.judge import Judge, RealSet
from persona.recommend.evaluate import Wins, garments_for, preference_wins
from persona.settings import Settings
from persona.store.records import Item, Rights
from persona.taste.cases import cases_of
from persona.taste.model import TasteModel
from persona.taste.simulate import Simulator, Tastes, simulate, utilities
from persona.taste.table import Floats, ItemTable

USERS, EACH = 120, 4  # simulated users, and garments made for each of them
SHOWN = 10  # likes and better of theirs that the taste model reads, with what lies between
_JUDGED = Rights(licence="none", source="judged", generated=True)


@dataclass(frozen=True)
class Judged:
    """A generator, the held-out pictures it was judged by, and what came of it; figures: with the right user's."""

    model: GarmentModel
    held: RealSet
    evaluation: Evaluation
    figures: dict[str, Any]


def run(settings: Settings, name: str, real: Path | None = None, *, truncation: float = 1.0, seed: int = 0) -> Judged:
    """Judge the generator of this name at its own size. real: garments to compare with, instead of held-out owners'.

    Raises as the readers of models and of the store do, and BadInput where there is too little to judge by.
    """
    network = VisualNetwork.load(settings.models / "visual-64")
    model = GarmentModel.load(settings.models / name, settings.torch_device)
    if model.visual != network.version:
        raise OutOfDate(
            f"{settings.models / name}: its conditions are of {model.visual}, the visual network is {network.version}; "
            "train it again"
        )
    found = materials.garments(settings, side=model.size)
    content = network.features(found.rgba)
    train, held = (
        materials.real_set(found, content, ~found.held_out),
        materials.real_set(found, content, found.held_out),
    )
    if real:
        others = _imported(real, model.size)
        held = materials.real_set(others, network.features(others.rgba), np.ones(len(others.items), bool))
    check_sizes(len(train), len(held))
    judge = Judge(load_perceptual(settings), train)
    evaluation = evaluate(model, judge, held, seed=seed, truncation=truncation)
    table = ItemTable.of(found.items, content, feature_version=network.version)
    wins, ceiling, wrong = wins_of(settings, model, table, found.rgba, judge, seed)
    figures = evaluation.figures | {
        "win_right_over_wrong_user": wins.share,
        "win_interval": [wins.low, wins.high],
        "win_ceiling": ceiling.share,
        "win_shuffled": wrong.share,
        "win_users": wins.users,
        "seed": seed,
        "size": model.size,
        "model": model.version,
    }
    return Judged(model, held, evaluation, figures)


def load_perceptual(settings: Settings) -> Perceptual:
    """SqueezeNet from the data folder, else from where torchvision gets it. Raises BadInput where neither is there."""
    file = settings.datasets / "perceptual" / "squeezenet_v1.1_features.npz" if settings.datasets else None
    try:
        perceptual = Perceptual.load(file if file and file.exists() else None)
    except (urllib.error.URLError, OSError) as error:
        raise BadInput(
            "PERSONA_DATASETS",
            f"SqueezeNet's weights are not in {file or 'no folder'}, and cannot be downloaded ({error}); put "
            "squeezenet_v1.1_features.npz from github.com/DeepCognition/keras-squeezenet into its folder `perceptual`",
        ) from error
    return perceptual.to(torch.device(settings.torch_device))


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
    best, back = np.unique(np.argsort(-(people @ vectors.T), 1)[:, :EACH], return_inverse=True)  # many share them
    likes, likes_best = _likes(made, judge, tastes), _likes(rgba[best], judge, tastes)[back.reshape(-1)]
    wrong = np.roll(owners, EACH * (len(cases) // 2))
    return (
        preference_wins(made, owners, _always(likes), seed=seed),
        preference_wins(rgba[best][back.reshape(-1)], owners, _always(likes_best), seed=seed),
        preference_wins(made, wrong, _always(likes), seed=seed),
    )


def _always(scores: Floats) -> Callable[[NDArray[np.uint8]], Floats]:
    """A judge who has looked already."""
    return lambda _: scores


def _likes(pictures: NDArray[np.uint8], judge: Judge, tastes: Tastes) -> Floats:
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


def _imported(source: Path, side: int) -> materials.Garments:
    """Other real garments, imported into a store that is thrown away. Raises BadInput where too few can be used."""
    with tempfile.TemporaryDirectory() as folder:
        elsewhere = materials.imported(source, Path(folder), field="--real", fewest=FEWEST)
        return materials.garments(elsewhere, side)
