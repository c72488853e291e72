"""`persona train reader`: the network that reads makeup looks, from portraits made up by the renderer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tqdm import tqdm

from persona import checkpoint
from persona.errors import BadInput
from persona.interrupt import saved
from persona.makeup.detector import open_detector
from persona.makeup.face import LandmarkDetector
from persona.makeup.portraits import Portrait, balanced, held_out_people, load_portraits
from persona.makeup.read import LookReader
from persona.makeup.reader_network import ReaderNetwork
from persona.makeup.train_reader import Plan, State, Trainer, pose_all
from persona.settings import Settings

PARTS = ("plan", "people", "network", "averaged", "adam", "steps")  # of a checkpoint
WHERE = (
    "needs portraits: set PERSONA_DATASETS to a folder with faces.zip, or give a zip of pictures with faces.csv (file, "
    "face_id, age, gender, ethnicity); the Face Research Lab London Set is at doi.org/10.6084/m9.figshare.5047666"
)
CARD = """# {name}: a makeup look read from a photo

A network of {parameters:,} parameters (persona/makeup/reader_network) that reads from colours measured at the landmarks
of a face, and from a small aligned crop of it, which products are worn where, in which colour, how strongly, with which
finish and placement, what the light does to the photo, and the person's own colours under the makeup.

- Data: {portraits} portraits of {people} consenting adults, made up with random looks by the renderer and lit at
  random; {held} more people were held out, of every gender and ethnicity. Face Research Lab London Set, DeBruine and
  Jones 2017, doi 10.6084/m9.figshare.5047666.v5, CC BY 4.0. The pictures are no part of the model.
- Trained for {steps:,} steps of {batch}. Figures by Monk tone and by self-reported group: `persona evaluate makeup`.
- Limits: rendered makeup is not photographed makeup; faces from the front; a natural lip colour and a lipstick of the
  same colour cannot be told apart; deep skin is the rarest in the data; it says how sure it is of each region.
  It reads makeup and light, not people: it is of no use for telling who somebody is.
"""


def faces_of(settings: Settings, faces: Path | None) -> Path:
    """The zip of portraits that was asked for, or that of the data folder. Raises BadInput where there is neither."""
    found = faces or (settings.datasets / "faces.zip" if settings.datasets else None)
    if found is None or not found.exists():
        raise BadInput("--faces", WHERE)
    return found


def run(
    settings: Settings,
    out: Path,
    plan: Plan,
    faces: Path | None,
    seconds: float | None = None,
    detector: LandmarkDetector | None = None,
) -> dict[str, Any]:
    """Train, going on from out/checkpoint.pt where it is; write the model folder and return its figures.

    seconds: to train for at most, now; the model is written all the same, and the same command goes on. detector: left
    out, that of this installation.
    """
    portraits = load_portraits(faces_of(settings, faces), detector or open_detector())
    held = held_out_people(portraits)
    seen = [portrait for portrait in portraits if portrait.face_id not in held]
    if not seen:
        raise BadInput("--faces", "shows too few people to learn from")
    trainer = _trainer(seen, plan, out)
    with tqdm(total=plan.steps, initial=trainer.steps, desc="training", unit="step") as shown:
        for state in _steps(trainer, seen, out, seconds):
            shown.set_postfix({name: f"{state.losses[name]:.2f}" for name in ("shown", "light")}, refresh=False)
            shown.update(state.steps - shown.n)
    people = len({portrait.face_id for portrait in seen})
    about = {"portraits": len(seen), "people": people, "held_out_people": len(held)}
    metrics = {**asdict(plan), **about, "steps": trainer.steps}
    return metrics | {"reader": save(trainer.averaged, out, metrics)}


def save(network: ReaderNetwork, out: Path, metrics: dict[str, Any]) -> str:
    """Write the model folder and return its version."""
    card = CARD.format(
        name=out.name, parameters=sum(p.numel() for p in network.parameters()), held=metrics["held_out_people"], **{
            name: metrics[name] for name in ("portraits", "people", "steps", "batch")},
    )  # fmt: skip
    reader = LookReader(network)
    reader.save(out, card=card, metrics=metrics)
    return reader.version


def _trainer(seen: list[Portrait], plan: Plan, out: Path) -> Trainer:
    """At its beginning, or where it was saved. Raises BadInput for a checkpoint of another plan or other people."""
    at = out / checkpoint.NAME
    state = checkpoint.read_last(at, PARTS) if checkpoint.exists(at) else None
    if state is not None and (state["plan"], state["people"]) != (asdict(plan), _people(seen)):
        raise BadInput(
            str(out), "holds a run with other options or faces; give another --out, or delete its checkpoint"
        )
    trainer = Trainer(pose_all([(p.photo, p.face) for p in seen], balanced(seen), plan), plan)
    if state is not None:
        trainer.restore(state)
    return trainer


def _people(seen: list[Portrait]) -> list[str]:
    return [portrait.file for portrait in seen]


def _steps(trainer: Trainer, seen: list[Portrait], out: Path, seconds: float | None) -> Iterator[State]:
    """Train, saving every so often and at the end, however it comes."""
    out.mkdir(parents=True, exist_ok=True)

    def keep() -> None:
        about = {"plan": asdict(trainer.plan), "people": _people(seen)}
        checkpoint.write(about | trainer.state(), out / checkpoint.NAME)

    yield from saved(trainer.run(), keep, seconds)
