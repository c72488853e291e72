"""The taste model trained on sequences alone: stopped early, then fused with co-occurrence, both by the validation."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from persona.taste.cooccurrence import Cooccurrence
from persona.taste.factors import item_factors
from persona.taste.fusing import choose_fusion, encoder, together
from persona.taste.metrics import gains, rank_cases
from persona.taste.model import TasteConfig, TasteModel
from persona.taste.sequences import Cases, PlainItems, Sequences, Split
from persona.taste.table import UNKNOWN, Codes
from persona.taste.train import TrainSettings, begin, train

VALIDATED = 7000  # validation cases that decide when to stop; the fusion is chosen on all
PATIENCE = 6  # rounds without a better one
CARD = "# A taste model of a benchmark\n\nTrained by `persona evaluate taste --data`, seed {seed}; not for use.\n"
MODEL = TasteConfig(
    blocks=2, heads=2, dropout=0.3, id_dropout=0.0, attribute_dropout=0.0, bare=0.0, content=0, vocabulary=0
)
TRAINING = TrainSettings(users=256, negatives=512, learning_rate=1e-3, weight_decay=0.0, warm_up=200, ahead=0.0)


@dataclass(frozen=True)
class Recipe:
    """How the encoder of a benchmark is trained: as found on Beauty's validation, see `persona/taste/README.md`.

    rounds: validations at most, one every `every` steps.
    """

    model: TasteConfig = MODEL
    training: TrainSettings = TRAINING
    every: int = 88
    rounds: int = 50
    factors: bool = True


@dataclass(frozen=True)
class Data:
    """A benchmark's data. attributes: int64 (n, m), -1 unknown; None where nothing is told of the items."""

    sequences: Sequences
    attributes: Codes | None = None

    def items(self, train: Sequences) -> PlainItems:
        """The items as a model trained on `train` sees them."""
        nothing = np.full((len(train.items), 0), UNKNOWN, np.int64)
        return PlainItems(train.items, nothing if self.attributes is None else self.attributes, train.popularity())

    @property
    def vocabulary(self) -> int:
        """How many values attributes have."""
        return 0 if self.attributes is None else int(self.attributes.max(initial=-1)) + 1


@dataclass(frozen=True)
class Fitted:
    """A trained model, fusion included. seconds: that it took, choosing included; rounds: after which it was best."""

    model: TasteModel
    seconds: float
    rounds: int


def fit(
    data: Data, split: Split, recipe: Recipe, seed: int, progress: bool = True, folder: Path | None = None
) -> Fitted:
    """Train an encoder on a split and choose its fusion, looking at the training and validation parts alone.

    folder: where the trained model is kept; one that is there already, of the same data and recipe, is not trained
    again.
    """
    made_by = _digest(data, split, recipe, seed)
    if folder is not None and (known := _kept(folder, made_by)):
        return known
    begun = time.perf_counter()
    counts = count(split.train)
    items = data.items(split.train)
    settings = replace(recipe.training, seed=seed, steps=recipe.rounds * recipe.every)
    config = replace(recipe.model, vocabulary=data.vocabulary)
    state = begin(items, settings, config)
    if recipe.factors:
        with torch.no_grad():
            state.model.id_embedding.weight[1:] = torch.from_numpy(item_factors(counts, config.width, seed=seed))
    cases, best, stop, rounds = _some(split.validation, seed), -1.0, 0, 0
    kept = {name: tensor.clone() for name, tensor in state.model.state_dict().items()}
    steps = tqdm(train(state, items, split.train.as_users(), settings), total=settings.steps, desc=f"seed {seed}",
                 unit="step", disable=not progress)  # fmt: skip
    for _ in steps:
        if state.step % recipe.every:
            continue
        ndcg = float(gains(rank_cases(encoder(state.model, items), cases).ranks, 10).mean())
        steps.set_postfix(loss=f"{state.loss:.3f}", validation_ndcg10=f"{ndcg:.4f}", best=f"{max(best, ndcg):.4f}")
        if ndcg > best:
            best, stop, rounds = ndcg, 0, state.step // recipe.every
            kept = {name: tensor.clone() for name, tensor in state.model.state_dict().items()}
        elif (stop := stop + 1) == PATIENCE:
            break
    steps.close()
    state.model.load_state_dict(kept)
    model = state.model
    model.config = replace(config, fusion=choose_fusion(encoder(model, items), together(counts), split.validation))
    fitted = Fitted(model.eval(), time.perf_counter() - begun, rounds)
    if folder is not None:
        metrics = {"seconds": fitted.seconds, "rounds": rounds, "made_by": made_by}
        model.save(folder, card=CARD.format(seed=seed), metrics=metrics)
    return fitted


def _digest(data: Data, split: Split, recipe: Recipe, seed: int) -> str:
    """Of everything that a trained model depends on."""
    digest = hashlib.sha256(json.dumps([asdict(recipe), seed, data.sequences.items]).encode())
    attributes = np.zeros(0) if data.attributes is None else data.attributes
    for array in (split.train.starts, split.train.rows, split.validation.users, split.validation.places, attributes):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _kept(folder: Path, made_by: str) -> Fitted | None:
    """What an earlier run left in the folder, if it was of the same data and recipe."""
    metrics = folder / "metrics.json"
    if not metrics.exists() or (told := json.loads(metrics.read_text())).get("made_by") != made_by:
        return None
    return Fitted(TasteModel.load(folder), told["seconds"], told["rounds"])


def count(train: Sequences) -> Cooccurrence:
    """The co-occurrences of sequences."""
    return Cooccurrence.of(len(train.items), train.starts, train.rows)


def _some(cases: Cases, seed: int) -> Cases:
    """So many of the cases that judging them costs less than training in between."""
    if len(cases) <= VALIDATED:
        return cases
    chosen = np.sort(np.random.default_rng([seed, 2]).choice(len(cases), VALIDATED, replace=False))
    return replace(cases, users=cases.users[chosen], places=cases.places[chosen])
