from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from persona.errors import BadInput, OutOfDate
from persona.store import Profile, Store
from persona.store.records import Event, Source
from persona.taste import fit as fitting
from persona.taste.fit import CHECKPOINT, FIGURES, Log, consenting, fit, train_from_store, training_users
from persona.taste.model import TasteModel
from persona.taste.simulate import Simulation
from persona.taste.table import ItemTable
from persona.taste.train import TrainSettings, TrainState, begin, train

from .conftest import DAY, SIMULATOR

TINY = TrainSettings(steps=8, users=8, negatives=20, warm_up=2)


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "SAVE_EVERY", 3)
    monkeypatch.setattr(fitting, "LOG_EVERY", 2)


def weights(state: TrainState) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in state.model.parameters()]


def stopping(at: int, stop: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let something happen within the training loop, after so many steps."""

    def train_and_stop(*given: object) -> Iterator[TrainState]:
        for state in train(*given):  # type: ignore[arg-type]
            if state.step == at:
                stop()
            yield state

    monkeypatch.setattr(fitting, "train", train_and_stop)


def ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def killed() -> None:
    raise MemoryError


@pytest.mark.parametrize(("stop", "error", "saved"), [(ctrl_c, KeyboardInterrupt, 5), (killed, MemoryError, 3)])
def test_a_resumed_run_equals_a_straight_one(
    known: ItemTable,
    simulation: Simulation,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stop: Callable[[], None],
    error: type[BaseException],
    saved: int,
) -> None:
    """After Ctrl-C everything done is kept; after a kill, all up to the last checkpoint."""

    def go(run: Path, log: Log | None = None) -> TrainState:
        return fit(begin(known, TINY), known, simulation.users, TINY, run=run, log=log, progress=False)

    straight = go(tmp_path / "straight")
    with monkeypatch.context() as patched:
        stopping(5, stop, patched)
        with pytest.raises(error):
            go(tmp_path / "run")
    steps: list[int] = []
    resumed = go(tmp_path / "run", log=lambda step, _: steps.append(step))
    assert steps[0] == (saved // 2 + 1) * 2
    assert (resumed.step, resumed.loss) == (straight.step, straight.loss)
    assert all(torch.equal(a, b) for a, b in zip(weights(resumed), weights(straight), strict=True))
    logs = [(tmp_path / name / FIGURES).read_text().splitlines() for name in ("straight", "run")]
    assert [[json.loads(line)["step"] for line in lines] for lines in logs] == [[2, 4, 6, 8]] * 2
    assert go(tmp_path / "run").step == 8
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_checkpoint_of_another_run_is_refused(known: ItemTable, simulation: Simulation, tmp_path: Path) -> None:
    fit(begin(known, TINY), known, simulation.users, TINY, run=tmp_path, progress=False)
    other = replace(TINY, seed=1)
    with pytest.raises(BadInput, match=r"run: .* is of other data or settings; remove it"):
        fit(begin(known, other), known, simulation.users, other, run=tmp_path, progress=False)
    (tmp_path / CHECKPOINT).write_bytes(b"half")
    with pytest.raises(BadInput, match=r"run: .* is damaged .*; remove it"):
        fit(begin(known, TINY), known, simulation.users, TINY, run=tmp_path, progress=False)


def person(name: str, source: Source, **consents: bool) -> Profile:
    return Profile(id=name, source=source, consents=consents)  # type: ignore[arg-type]


def test_only_app_users_who_consent_are_learned_from(sqlite_store: Store, table: ItemTable) -> None:
    sqlite_store.put_items(table.items[:2])
    people = [
        person("yes", "app", training=True),
        person("no", "app", training=False),
        person("unasked", "app", personalisation=True),
        person("shown", "demo", training=True),
        person("made-up", "simulated", training=True),
    ]
    for profile in people:
        sqlite_store.put_user(profile)
        event = Event(key=profile.id, user_id=profile.id, item_id="item-1", type="like", at=DAY)
        sqlite_store.add_events([event])
    found = list(consenting(sqlite_store, table))
    assert [(profile.id, [entry.item for entry in history]) for profile, history in found] == [("yes", [1])]
    people = training_users(sqlite_store, table, 0)
    assert people.counts["trained_on_stored"] == 1
    assert people.counts["trained_on_wardrobes"] > 5
    assert len(people.trained) == sum(people.counts.values())
    assert people.judged_from == "simulated"
    assert not set(people.trained.ids) & {*people.crowd.ids, *people.judged.ids}


def test_with_enough_stored_users_some_are_kept_back_to_choose_the_fusion(
    sqlite_store: Store, table: ItemTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    sqlite_store.put_items(table.items[:3])
    for number in range(60):
        sqlite_store.put_user(person(f"u{number}", "app", training=True))
        events = [
            Event(key=f"{number}-{row}", user_id=f"u{number}", item_id=f"item-{row}", type="like", at=DAY)
            for row in range(3)
        ]
        sqlite_store.add_events(events)
    monkeypatch.setattr("persona.taste.fit.ENOUGH", 60)
    people = training_users(sqlite_store, table, 0)
    assert people.judged_from == "stored"
    assert 2 <= len(people.judged) <= 20
    assert set(people.crowd.ids) | set(people.judged.ids) == {f"u{number}" for number in range(60)}
    assert set(people.crowd.ids) <= set(people.trained.ids)
    assert not set(people.judged.ids) & set(people.trained.ids)


def test_a_warm_start_goes_on_from_what_was_learned(known: ItemTable, simulation: Simulation, tmp_path: Path) -> None:
    """A shop's two newest items are unknown to the model of yesterday; all others keep what it knew of them."""
    yesterday = known.select(np.arange(len(known) - 2))
    torch.manual_seed(3)
    old = begin(yesterday, TINY).model
    torch.nn.init.normal_(old.id_embedding.weight[1:])
    old.save(tmp_path / "old", card="# old", metrics={})
    old = TasteModel.load(tmp_path / "old")
    warm = begin(known, TINY, start=old).model.eval()
    np.testing.assert_allclose(warm.item_vectors(known)[:-2], old.item_vectors(yesterday), atol=1e-6)
    np.testing.assert_allclose(warm.item_vectors(known)[-2:], old.without_ids().item_vectors(known)[-2:], atol=1e-6)
    run = tmp_path / "run"
    fit(begin(known, TINY, start=old), known, simulation.users, TINY, run=run, progress=False, start=old)
    with pytest.raises(BadInput, match=r"run: .* is of other data or settings"):
        fit(begin(known, TINY), known, simulation.users, TINY, run=run, progress=False)


def test_a_warm_start_from_another_visual_network_is_refused(known: ItemTable) -> None:
    old = begin(known, TINY).model
    other = ItemTable.of(known.items, known.features, feature_version="visual@other")
    with pytest.raises(OutOfDate, match="visual@test"):
        begin(other, TINY, start=old)


def test_train_from_store_writes_a_model_for_any_catalogue(table: ItemTable, tmp_path: Path) -> None:
    def train_it(**given: object) -> dict[str, object]:
        return train_from_store(
            None,
            table,
            tmp_path / "taste",
            settings=TINY,
            simulated=60,
            simulator=SIMULATOR,
            evaluated=50,
            progress=False,
            **given,
        )  # type: ignore[arg-type]

    metrics = train_it()
    model = TasteModel.load(tmp_path / "taste")
    assert not model.ids
    assert json.loads((tmp_path / "taste" / "metrics.json").read_text()) == metrics
    assert metrics["trained_on_simulated"] == 60
    assert list(model.config.fusion.weights) == metrics["fusion_weights"]
    assert metrics["fused_ndcg10"] >= metrics["encoder_ndcg10"]
    text = (tmp_path / "taste" / "README.md").read_text()
    assert "SIMULATED" in text
    assert "CC0 1.0" in text
    assert "visual@test" in text
    train_it(keep_ids=True)
    assert list(TasteModel.load(tmp_path / "taste").ids) == table.ids
