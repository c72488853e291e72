"""`persona evaluate style`: a reference's style put on garments that were held out, beside colour transfer and the
optimisation mode."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from persona.catalog.pictures import Bytes
from persona.cli import materials
from persona.cli.evaluate_gan import load_perceptual
from persona.cli.gan_report import check_grid
from persona.cli.train_style import load_paintings
from persona.errors import BadInput
from persona.gan.run import tile
from persona.settings import Settings
from persona.style.evaluate import Evaluation, Transfer, evaluate
from persona.style.features import GARMENT, open_features
from persona.style.judge import StyleJudge
from persona.style.model import StyleModel
from persona.style.optimise import STEPS
from persona.style.pairs import FEWEST, SIDE, pairs_of

SERVED = "style"  # the model folder that everything uses
_KEPT_SIDE = 128  # pixels: of garments in the store, mostly
ROWS = 12  # of the grid


def measure(
    settings: Settings, source: Path | None = None, *, pairs: int = 96, optimised: int = 16, steps: int = STEPS,
    seed: int = 0,
) -> tuple[Evaluation, dict[str, str]]:  # fmt: skip
    """Judge the style model, and say why figures are missing that are. source: garments to judge by, in the place of
    the store's held-out owners'.

    Raises as the readers of models and of the store do, and BadInput where there is too little to judge by.
    """
    model = StyleModel.load(settings.models / SERVED)
    judge = StyleJudge(load_perceptual(settings).cpu())
    tried = pairs_of(_garments(settings, source), load_paintings(settings, None), pairs, seed)
    features = open_features(GARMENT, settings.models)
    judged = evaluate(model, judge, features, tried, optimised=optimised, steps=steps, seed=seed)
    about = {"model": model.version, "seed": seed, "side": SIDE, "optimisation_steps": steps}
    unasked = ("style_distance_optimised", "style_over_optimised")
    why = {} if optimised else dict.fromkeys(unasked, "not asked for: --optimised 0")
    return Evaluation(judged.figures | about, judged.transfers), why


def _garments(settings: Settings, source: Path | None) -> Bytes:
    """Of the store, of owners who were held out; or all of a source."""
    if source is None:
        found = materials.garments(settings, _KEPT_SIDE)
        return found.rgba[found.held_out]
    with tempfile.TemporaryDirectory() as folder:
        elsewhere = materials.imported(source, Path(folder), field="--garments", fewest=FEWEST)
        return materials.garments(elsewhere, _KEPT_SIDE).rgba


def write_grid(transfers: list[Transfer], file: Path) -> None:
    """Pairs a row: content, style, colour transfer, optimised where it was tried, made. For the eye: of real garments,
    never to be published. Raises BadInput for a place that ships, and one that cannot be written."""
    check_grid(file)
    pictures = [picture for transfer in transfers[:ROWS] for picture in _row(transfer)]
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(tile(np.stack(pictures), len(_row(transfers[0])), SIDE)).save(file)
    except OSError as error:
        raise BadInput("--grid", f"{file} cannot be written ({error.strerror})") from error


def _row(transfer: Transfer) -> tuple[Bytes, ...]:
    empty = np.zeros_like(transfer.made)
    optimised = empty if transfer.optimised is None else transfer.optimised
    return transfer.pair.content, transfer.pair.style, transfer.recoloured, optimised, transfer.made
