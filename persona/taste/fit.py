"""From data to a shipped taste model: the caller of the training loop, which logs, saves, resumes and evaluates."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from tqdm import tqdm

from persona.catalog.split import held_out
from persona.errors import BadInput
from persona.store import Store
from persona.store.records import Profile
from persona.taste.evaluate import evaluate_simulated, evaluate_wardrobes
from persona.taste.fusing import fuse
from persona.taste.history import HistoryEntry, history_of
from persona.taste.model import TasteModel
from persona.taste.private import Budget, needs_opacus, train_privately
from persona.taste.simulate import DEFAULT as SIMULATOR
from persona.taste.simulate import Simulator, simulate
from persona.taste.table import ItemTable
from persona.taste.train import DEFAULT as TRAINING
from persona.taste.train import TrainSettings, TrainState, begin, train
from persona.taste.users import Users
from persona.taste.wardrobe import wardrobes

Log = Callable[[int, dict[str, float]], None]
CHECKPOINT, FIGURES = "checkpoint.safetensors", "log.jsonl"
SAVE_EVERY = 100  # steps
LOG_EVERY = 20  # steps
ENOUGH = 500  # stored users who consented, for the fusion to be chosen by a tenth of them
FUSED_ON = ((5000, 2_000_000), (1000, 2_000_001))  # simulated users otherwise, and seeds that nothing else uses


def train_from_store(
    store: Store | None,
    table: ItemTable,
    out: Path,
    *,
    settings: TrainSettings = TRAINING,
    simulated: int = 10_000,
    simulator: Simulator = SIMULATOR,
    evaluated: int = 1000,
    keep_ids: bool = False,
    start: TasteModel | None = None,
    device: torch.device | str = "cpu",
    run: Path | None = None,
    log: Log | None = None,
    progress: bool = True,
    card_of: Callable[[dict[str, Any], ItemTable, TrainSettings], str] | None = None,
    budget: Budget | None = None,
) -> dict[str, Any]:
    """Train a taste model for this catalogue, evaluate it, write it to the model folder `out` and return its metrics.

    It learns from so many simulated users, from the real wardrobes among the items (less those of held-out owners, on
    which it is evaluated), and from the stored users who consented to training. run: a folder for the checkpoint and
    log.jsonl; a run that was stopped goes on from there. log: called with (step, figures) as it goes, for TensorBoard.
    evaluated: how many simulated users to evaluate on. keep_ids: keep the embeddings of this catalogue's items; without
    them the model reads any catalogue. start: a model to go on from. device: to train on. card_of: writes the model
    card; None: `card`. budget: learn from the stored users last, by so much of their privacy
    (`persona.taste.private`) and from the others before; ids are then not kept. Raises BadInput if there is
    nothing to learn from, or `run` holds another run.
    """
    stored = may_be_spent(budget, store, table, start) if budget else None
    keep_ids = keep_ids and not budget
    people = training_users(None if budget else store, table, simulated, simulator, settings.seed)
    table = table.with_popularity(people.trained.popularity(table))
    state = begin(table, settings, start=start, device=device)
    state = fit(state, table, people.trained, settings, run=run, log=log, progress=progress, start=start)
    model = state.model if keep_ids else state.model.without_ids()
    spent: dict[str, Any] = {}
    if budget and stored is not None:
        spent = train_privately(model, table, stored, budget, settings, progress=progress)
        people.counts["trained_on_stored"] = len(stored)
    metrics: dict[str, Any] = spent | fuse(model, table, people.crowd, people.judged)
    metrics |= {"fusion_weights": list(model.config.fusion.weights), "fusion_judged_on": people.judged_from}
    metrics |= evaluate_simulated(model, table, users=evaluated, crowd=5 * evaluated, settings=simulator)
    metrics |= evaluate_wardrobes(model, table) | people.counts
    metrics |= {"steps": state.step, "loss": round(state.loss, 4), "date": f"{datetime.now(UTC):%Y-%m-%d}"}
    told = (card_of or card)(metrics, table, settings) + (privacy(spent) if spent else "")
    model.save(out, card=told, metrics=metrics)
    return metrics


def may_be_spent(budget: Budget, store: Store | None, table: ItemTable, start: TasteModel | None) -> Users:
    """The stored users that a budget is to be spent on, looked at before anything takes time.

    Raises BadInput as `Budget.check`, and for a model to go on from: what that has learned of users nobody counted.
    """
    needs_opacus()
    if start is not None:
        raise BadInput("from", "what a model has learned of users already is not counted; leave it out, or the budget")
    stored = Users.of(consenting(store, table) if store is not None else [])
    stored = stored.select(np.diff(stored.events) > 0)
    budget.check(len(stored))
    return stored


@dataclass(frozen=True)
class People:
    """Whom a model learns from (`trained`), and by whom its fusion is chosen: counts of the crowd, for the judged.

    The judged are not trained on. counts: how many of each kind are trained on; judged_from: "stored" or "simulated".
    """

    trained: Users
    crowd: Users
    judged: Users
    counts: dict[str, int]
    judged_from: str


def training_users(
    store: Store | None, table: ItemTable, simulated: int, simulator: Simulator = SIMULATOR, seed: int = 0
) -> People:
    """Everybody to learn from. With ENOUGH stored users a tenth of them is kept back to choose the fusion by."""
    parts = {}
    if simulated:
        parts["trained_on_simulated"] = simulate(table, simulated, seed, simulator).users
    held = held_out([item.owner for item in table.items])
    free = [item for item, out in zip(table.items, held, strict=True) if not out]
    owned = ((profile, history_of(events, table)) for profile, events in wardrobes(free))
    parts["trained_on_wardrobes"] = Users.of(owned)
    stored = Users.of(consenting(store, table)) if store is not None else Users.of([])
    if enough := len(stored) >= ENOUGH:
        kept_back = held_out(stored.ids)
        stored, judged = stored.select(~kept_back), stored.select(kept_back)
        crowd = stored
    else:
        crowd, judged = (simulate(table, count, seed + far, simulator).users for count, far in FUSED_ON)
    parts["trained_on_stored"] = stored
    counts = {name: len(part) for name, part in parts.items()}
    return People(Users.join(list(parts.values())), crowd, judged, counts, "stored" if enough else "simulated")


def consenting(store: Store, table: ItemTable) -> Iterator[tuple[Profile, list[HistoryEntry]]]:
    """The stored users who allow training on what they did, with items of the table's domain. Simulated and demo ones
    are not among them."""
    look = len(table) > 0 and table.items[0].domain == "look"
    after: str | None = None
    while page := store.user_ids(limit=500, after=after):
        after = page[-1]
        people = {profile.id: profile for profile in store.users(page) if profile.source == "app"}
        willing = [name for name, profile in people.items() if profile.consents.get("training")]
        looked = ((name, store.history(name, 200, domain="look")) for name in willing)
        for name, events in looked if look else store.histories(willing, limit=200):
            yield people[name], history_of(events, table)


def fit(
    state: TrainState,
    table: ItemTable,
    users: Users,
    settings: TrainSettings,
    *,
    run: Path | None = None,
    log: Log | None = None,
    progress: bool = True,
    start: TasteModel | None = None,
) -> TrainState:
    """Train to the end, resuming from what `run` holds. Ctrl-C ends the step, saves and raises; a second raises.

    start: what the state was begun from, so that no run is resumed that was begun from something else.
    """
    print_of_run = _print_of(table, users, settings, start.version if start else "")
    if run is not None:
        run.mkdir(parents=True, exist_ok=True)
        resume(state, run / CHECKPOINT, print_of_run)
        _forget_after(run / FIGURES, state.step)
    recent: list[float] = []
    bar = tqdm(total=settings.steps, initial=state.step, desc="taste", unit="step", disable=not progress)
    with bar, _patiently() as interrupted:
        for _ in train(state, table, users, settings):
            bar.update()
            recent.append(state.loss)
            if state.step % LOG_EVERY == 0:
                figures = {"loss": float(np.mean(recent)), "prior": state.model.prior_weight.item()}
                recent = []
                bar.set_postfix(loss=f"{figures['loss']:.3f}")
                _report(state.step, figures, run, log)
            if run is not None and (state.step == settings.steps or state.step % SAVE_EVERY == 0 or interrupted()):
                checkpoint(state, run / CHECKPOINT, print_of_run)
            if interrupted():
                raise KeyboardInterrupt
    return state


@contextmanager
def _patiently() -> Iterator[Callable[[], bool]]:
    """Let the first Ctrl-C only be noted, so that no step is cut in half: gives the question whether there was one."""
    asked: list[int] = []

    def note(number: int, frame: object) -> None:
        asked.append(number)
        if len(asked) > 1:
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(asked)
    finally:
        signal.signal(signal.SIGINT, before)


def _report(step: int, figures: dict[str, float], run: Path | None, log: Log | None) -> None:
    if run is not None:
        with (run / FIGURES).open("a") as lines:
            lines.write(json.dumps({"step": step, **figures}) + "\n")
    if log is not None:
        log(step, figures)


def _forget_after(path: Path, step: int) -> None:
    """Drop the lines of steps that will be taken again, and one half written."""
    if path.exists():
        whole = [line for line in path.read_text().splitlines() if line.endswith("}")]
        path.write_text("".join(line + "\n" for line in whole if json.loads(line)["step"] <= step))


def checkpoint(state: TrainState, path: Path, run: str) -> None:
    """Write a run's state, whole or not at all. run: what it was started with, checked when it is resumed."""
    tensors = {f"model.{name}": tensor for name, tensor in state.model.state_dict().items()}
    for number, moments in state.optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{number}.{name}": torch.as_tensor(value) for name, value in moments.items()}
    temporary = path.with_suffix(".tmp")
    contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
    save_file(contiguous, temporary, {"step": str(state.step), "loss": repr(state.loss), "run": run})
    with temporary.open("rb+") as written:
        os.fsync(written.fileno())
    os.replace(temporary, path)


def resume(state: TrainState, path: Path, run: str) -> None:
    """Take up a run where its checkpoint left it, if there is one. Raises BadInput for that of another run."""
    if not path.exists():
        return
    try:
        with safe_open(path, "pt") as stored:
            about = stored.metadata()
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise BadInput("run", f"{path} is damaged ({error}); remove it to begin anew") from error
    if about["run"] != run:
        raise BadInput("run", f"{path} is of other data or settings; remove it, or name another folder")
    state.model.load_state_dict({name[6:]: tensor for name, tensor in tensors.items() if name.startswith("model.")})
    moments: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimiser."):
            _, number, key = name.split(".")
            moments.setdefault(int(number), {})[key] = tensor
    state.optimiser.load_state_dict(state.optimiser.state_dict() | {"state": moments})
    state.step, state.loss = int(about["step"]), float(about["loss"])


def _print_of(table: ItemTable, users: Users, settings: TrainSettings, start: str) -> str:
    """A digest of everything that a run depends on."""
    told = [asdict(settings), table.ids, table.feature_version, users.ids, start]
    digest = hashlib.sha256(json.dumps(told).encode())
    for array in (table.features, table.codes, users.row, users.kind, users.statement, users.weight):
        digest.update(array.tobytes())
    return digest.hexdigest()


def card(metrics: dict[str, Any], table: ItemTable, settings: TrainSettings) -> str:
    """The model card."""
    licences = ", ".join(sorted({item.rights.licence for item in table.items}))
    lines = "\n".join(f"| `{name}` | {value} |" for name, value in metrics.items())
    return f"""# Taste model

Preferences and history to a user vector, items to item vectors (`persona.taste.model`): what a user is shown, and from
which conditions garments are generated for them.

- **Trained on SIMULATED users**: {metrics["trained_on_simulated"]} of the simulator `persona.taste.simulate`.
  Beside them {metrics["trained_on_wardrobes"]} real wardrobes (garments of one owner) and
  {metrics["trained_on_stored"]} stored users who consented. All over {len(table)} garments (licence: {licences}),
  seen through `{table.feature_version or "an unnamed visual network"}`.
- **Made** {metrics["date"]}: {settings.steps} steps of {settings.users} users, seed {settings.seed}.
- **Fusion** with co-occurrence: weights {metrics["fusion_weights"]} for histories of 0, 1-4, 5-9 and 10 or more
  events, chosen on {metrics["fusion_judged_on"]} users who were not trained on (`encoder_ndcg10`, `fused_ndcg10`).
- **Limits.** The simulator's users like what its authors thought people like, a few categories, colours, patterns and
  styles; how strongly was set by real ratings of beauty products (`persona.taste.simulate` says how). The figures
  below say how well the model reads *them*, not real shoppers. Only the `wardrobe_` figures are of real people. Traits
  (body shape, age band, skin tone) are not read. Train again on your own events before relying on it:
  `persona train taste`.
- **Licence.** Apache-2.0, as the code.

| figure | value |
| --- | --- |
{lines}
"""


def privacy(spent: dict[str, Any]) -> str:
    """The model card's section about what `train_privately` spent."""
    return f"""
## Differential privacy

Of each stored user, all their events and preferences together: epsilon {spent["dp_epsilon"]} at delta
{spent["dp_delta"]:g}. DP-SGD over {spent["dp_users"]} users: {spent["dp_steps"]} steps of
{spent["dp_users_a_step"]} expected, gradients clipped to {spent["dp_clip"]}, noise {spent["dp_noise"]} times that.
Every training on the same users spends as much again. Simulated users and wardrobes, learned before, are not protected,
and it is the weights that are private: popularity and co-occurrence, which a service adds from its store, are not.
"""
