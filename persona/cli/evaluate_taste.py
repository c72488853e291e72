"""`persona evaluate taste`: the served model on simulated users, and models trained anew on the users of a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from persona.errors import BadInput
from persona.settings import Settings
from persona.taste.sequences import read_attributes, read_sequences
from persona.taste.sequential import Data, Recipe

BEAUTY = Path("interactions/Beauty.txt.gz")
BEAUTY_ATTRIBUTES = Path("interactions/Beauty_item2attributes.json.gz")
NAMED = ("simulated", "beauty")  # data whose figures are kept
Why = dict[str, str]


def simulated(settings: Settings, users: int) -> tuple[dict[str, Any], Why]:
    """The served model on so many simulated users over the store's catalogue: values, and why some are missing."""
    from persona.catalog.visual import VisualNetwork
    from persona.cli.materials import garments
    from persona.taste.evaluate import evaluate_simulated, evaluate_wardrobes
    from persona.taste.model import TasteModel

    table = garments(settings, real=False).table(VisualNetwork.load(settings.models / "visual-64"))
    model = TasteModel.load(settings.models / "taste-garment")
    values = evaluate_simulated(model, table, users=users) | evaluate_wardrobes(model, table) | {"model": model.version}
    why = {"wardrobe_auc": values.pop("wardrobe_why")} if "wardrobe_why" in values else {}
    return values, why


def on_file(
    settings: Settings, name: str, attributes: Path | None, seeds: int, rounds: int | None, out: Path | None
) -> tuple[dict[str, Any], Why]:
    """Models trained on the users of "beauty" or of a file: values, and why some are missing."""
    from persona.taste.benchmark import benchmark

    data = _beauty(settings) if name == "beauty" else _data(Path(name), attributes)
    recipe = replace(Recipe(), rounds=rounds) if rounds else Recipe()
    folder = out or Path("runs") / f"taste-{Path(name).name.partition('.')[0].lower()}"
    values = benchmark(data, seeds=seeds, recipe=recipe, say=lambda line: click.echo(line, err=True), folder=folder)
    why = {key: reason for key in values if values[key] is None and (reason := _reason(key, values))}
    return {key: value for key, value in values.items() if not key.endswith("_why")}, why


def private(
    settings: Settings, name: str, attributes: Path | None, epsilons: tuple[float, ...], rounds: int | None
) -> dict[str, Any]:
    """What differential privacy costs on the users of "beauty" or of a file, by budget."""
    from persona.taste.private import needs_opacus
    from persona.taste.private_benchmark import private_cost

    needs_opacus()
    if name == "simulated":
        raise BadInput("--dp-epsilon", "models are trained on the users of a file: add --data beauty or --data FILE")
    data = _beauty(settings) if name == "beauty" else _data(Path(name), attributes)
    recipe = replace(Recipe(), rounds=rounds) if rounds else Recipe()
    return private_cost(data, epsilons, recipe=recipe, say=lambda line: click.echo(line, err=True))


def _reason(key: str, values: dict[str, Any]) -> str:
    baseline = key.partition("_")[0]
    if f"{baseline}_why" in values:
        return str(values[f"{baseline}_why"])
    return "one seed has no spread" if key.endswith("_sd") else "nothing is known of the items but their ids"


def _beauty(settings: Settings) -> Data:
    folder = settings.datasets
    if folder is None or not (folder / BEAUTY).exists():
        raise BadInput(
            "data",
            f"beauty: {BEAUTY} is not in the folder of PERSONA_DATASETS; get Beauty.txt and "
            "Beauty_item2attributes.json from github.com/RUCAIBox/CIKM2020-S3Rec and gzip them, or give a file of "
            "your own with --data FILE",
        )
    return _data(folder / BEAUTY, folder / BEAUTY_ATTRIBUTES)


def _data(path: Path, attributes: Path | None) -> Data:
    if not path.is_file():
        raise BadInput("data", f"{path} is no file; give simulated, beauty or a file of lines `user item item ...`")
    sequences = read_sequences(path)
    return Data(sequences, read_attributes(attributes, sequences.items)[0] if attributes else None)
