"""One request in, one answer out: repeatable, changed by events, the same through either kind of user."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from persona.catalog.visual import VisualNetwork
from persona.errors import BadInput, NotFound, OutOfDate
from persona.recommend import Recommendation, RecommendationRequest, Recommender
from persona.recommend.outfit import SLOT_OF
from persona.recommend.recommender import VISUAL
from persona.settings import Arm, Settings
from persona.store import Event, Profile, Store
from persona.store.records import CATEGORIES

from .drawn import garment

BEGAN = datetime(2025, 5, 1, tzinfo=UTC)
GREEN = {"facet": "colour", "value": "green", "weight": 1.0}
NO_HATS = {"facet": "category", "value": "hat", "weight": -0.5}


def ask(recommender: Recommender, **asked: Any) -> Recommendation:
    return recommender.recommend(RecommendationRequest.model_validate(asked))


def did(number: int, type: str, item: str | None = None, *, user: str = "ana", generation: str | None = None) -> Event:
    given = {"item_id": item, "generation_id": generation, "type": type, "at": BEGAN + timedelta(hours=number)}
    return Event.model_validate({"key": f"{user}-{number}", "user_id": user, **given})


def put_user(store: Store, user_id: str, **given: Any) -> None:
    store.put_user(Profile.model_validate({"id": user_id, **given}))


@pytest.fixture
def ana(recommender: Recommender) -> str:
    """A user with two preferences and a short history, which is in the popularity too."""
    put_user(recommender.store, "ana", preferences=[GREEN, NO_HATS])
    recommender.store.add_events(
        [did(1, "view", "hat-red-0"), did(2, "like", "dress-green-0"), did(3, "purchase", "shoes-black-0")]
    )
    recommender.refresh()
    return "ana"


def test_an_answer_has_all_that_was_asked_for(recommender: Recommender, ana: str) -> None:
    answer = ask(recommender, user_id=ana, count=10, generate=3)
    assert (answer.user_id, answer.cold_start, answer.watermark) == (ana, "none", 3)
    assert [item.rank for item in answer.items] == list(range(1, 11))
    assert [item.score for item in answer.items] == sorted((item.score for item in answer.items), reverse=True)
    assert [made.score for made in answer.generated] == sorted((m.score for m in answer.generated), reverse=True)
    assert len(answer.generated) == 3
    assert answer.outfit is not None
    shown: list[Any] = [answer.outfit, *answer.items, *answer.generated, *answer.outfit.pieces]
    assert all(thing.picture in recommender.pictures and thing.url == f"/i/{thing.picture}.webp" for thing in shown)
    assert all(thing.reasons for thing in shown[: -len(answer.outfit.pieces)])
    assert answer.taste_model.startswith("taste-garment@")
    assert answer.generator_model.startswith("garment-64@")


def test_the_same_question_has_the_same_answer(recommender: Recommender, ana: str, settings: Settings) -> None:
    answer = ask(recommender, user_id=ana)
    assert ask(recommender, user_id=ana) == answer
    assert ask(Recommender.open(settings), user_id=ana) == answer  # nothing of it came from memory


def test_a_new_event_changes_the_answer(recommender: Recommender, ana: str) -> None:
    before = ask(recommender, user_id=ana)
    recommender.store.add_events([did(4, "like", "hat-yellow-0")])
    after = ask(recommender, user_id=ana)
    assert after.watermark == 4
    assert after.seed != before.seed
    assert after.rec_id != before.rec_id
    scores = {item.item_id: item.score for item in before.items}
    assert any(scores.get(item.item_id) != item.score for item in after.items)


def test_a_new_preference_changes_the_answer_without_an_event(recommender: Recommender, ana: str) -> None:
    before = ask(recommender, user_id=ana, mode="retrieve")
    recommender.store.put_user(recommender.store.get_user(ana).model_copy(update={"preferences": ()}))
    after = ask(recommender, user_id=ana, mode="retrieve")
    assert [item.score for item in after.items] != [item.score for item in before.items]


def test_what_is_disliked_or_hidden_goes_and_comes_back_when_liked(recommender: Recommender, ana: str) -> None:
    everything = {"user_id": ana, "mode": "retrieve", "count": 100}
    first, second = (item.item_id for item in ask(recommender, **everything).items[:2])
    recommender.store.add_events([did(4, "dislike", first), did(5, "hide", second)])
    answer = ask(recommender, **everything)
    pieces = [piece.item_id for piece in answer.outfit.pieces] if answer.outfit else []
    assert not {first, second} & {*(item.item_id for item in answer.items), *pieces}
    recommender.store.add_events([did(6, "like", first)])
    assert first in {item.item_id for item in ask(recommender, **everything).items}


def test_what_somebody_has_comes_last_and_only_when_the_rest_runs_out(recommender: Recommender, ana: str) -> None:
    assert not {"dress-green-0", "shoes-black-0"} & {
        item.item_id for item in ask(recommender, user_id=ana, count=34).items
    }
    answer = ask(recommender, user_id=ana, count=100)
    assert len(answer.items) == len(recommender.table)
    assert {item.item_id for item in answer.items[-2:]} == {"dress-green-0", "shoes-black-0"}


def test_liking_a_generated_garment_changes_taste(recommender: Recommender, ana: str) -> None:
    before = ask(recommender, user_id=ana)
    recommender.store.add_events([did(4, "like", generation=before.generated[0].generation_id)])
    after = ask(recommender, user_id=ana)
    assert [item.score for item in after.items] != [item.score for item in before.items]
    assert after == ask(recommender, user_id=ana)


def test_an_outfit_can_be_liked_as_a_whole(recommender: Recommender, ana: str) -> None:
    before = ask(recommender, user_id=ana)
    assert before.outfit is not None
    recommender.store.add_events([did(4, "like", generation=before.outfit.generation_id)])
    assert ask(recommender, user_id=ana).items != before.items


def test_inline_and_stored_are_treated_alike(recommender: Recommender, ana: str) -> None:
    stored = ask(recommender, user_id=ana, seed=5)
    history = [{"item_id": e.item_id, "type": e.type, "at": e.at} for e in recommender.store.history(ana)]
    inline = ask(recommender, profile={"preferences": [GREEN, NO_HATS]}, history=history[::-1], seed=5)
    assert inline.items == stored.items
    assert [made.picture for made in inline.generated] == [made.picture for made in stored.generated]
    assert inline.outfit is not None
    assert stored.outfit is not None
    assert inline.outfit.picture == stored.outfit.picture
    assert (inline.user_id, inline.watermark) == (None, 0)


def test_an_inline_user_leaves_only_pictures_of_nobodys(recommender: Recommender) -> None:
    answer = ask(recommender, profile={"preferences": [GREEN]})
    store = recommender.store
    assert (store.count_users(), store.count_events()) == (0, 0)
    generation = store.get_generation(answer.generated[0].generation_id)
    assert (generation.user_id, generation.picture) == (None, answer.generated[0].picture)
    liked = {"generation_id": generation.id, "type": "like", "at": BEGAN}
    again = ask(recommender, profile={"preferences": [GREEN]}, history=[liked])
    assert again.items != answer.items
    assert again.cold_start == "none"


def test_seeds_decide_what_is_random(recommender: Recommender, ana: str) -> None:
    one, other = ask(recommender, user_id=ana, seed=1), ask(recommender, user_id=ana, seed=2)
    assert one.items == other.items
    assert {made.picture for made in one.generated} != {made.picture for made in other.generated}
    assert ask(recommender, user_id=ana, seed=1) == one
    unasked = ask(recommender, user_id=ana)
    assert ask(recommender, user_id=ana, seed=unasked.seed).generated == unasked.generated


def test_more_garments_begin_with_the_same_ones(recommender: Recommender, ana: str) -> None:
    few, many = ask(recommender, user_id=ana, generate=2), ask(recommender, user_id=ana, generate=6)
    assert {made.picture for made in few.generated} < {made.picture for made in many.generated}


def test_modes_leave_out_what_was_not_asked_for(recommender: Recommender, ana: str) -> None:
    retrieved = ask(recommender, user_id=ana, mode="retrieve", outfit=False, explain=False)
    assert (retrieved.generated, retrieved.outfit, retrieved.items[0].reasons) == ((), None, ())
    generated = ask(recommender, user_id=ana, mode="generate", generate=2)
    assert (len(generated.items), len(generated.generated)) == (0, 2)
    assert retrieved.items == tuple(
        item.model_copy(update={"reasons": ()}) for item in ask(recommender, user_id=ana).items
    )
    assert ask(recommender, user_id=ana, generate=0).generated == ()


def test_filters_hold(recommender: Recommender, ana: str) -> None:
    dresses = ask(recommender, user_id=ana, category="dress", exclude=["dress-red-0"], count=100)
    assert {item.item_id for item in dresses.items} == {
        f"dress-{c}-0" for c in ("blue", "black", "white", "yellow", "green")
    }
    assert {made.category for made in dresses.generated} == {"dress"}
    summer = ask(recommender, user_id=ana, season="summer", count=100)
    assert "outwear" not in {item.category for item in summer.items}
    assert summer.outfit is not None
    assert "outwear" not in {piece.category for piece in summer.outfit.pieces}


@pytest.mark.parametrize("season", [None, "summer", "winter"])
@pytest.mark.parametrize("category", [None, "dress", "pants", "hat", "outwear"])
def test_outfits_fill_their_slots(recommender: Recommender, ana: str, season: str | None, category: str | None) -> None:
    outfit = ask(recommender, user_id=ana, mode="retrieve", season=season, category=category).outfit
    assert outfit is not None
    slots = [piece.slot for piece in outfit.pieces]
    assert slots[-2:] == ["shoes", "outer"] if season == "winter" or category == "outwear" else slots[-1] == "shoes"
    assert {"top", "bottom"} < set(slots) or "dress" in slots
    assert all(SLOT_OF[piece.category] == piece.slot for piece in outfit.pieces)
    if category in SLOT_OF:
        assert category in {piece.category for piece in outfit.pieces}


def test_an_outfit_of_generated_garments_when_only_those_are_wanted(recommender: Recommender, ana: str) -> None:
    answer = ask(recommender, user_id=ana, mode="generate", category="dress")
    assert answer.outfit is not None
    dress = answer.outfit.pieces[0]
    assert dress.generated
    assert dress.generation_id in {made.generation_id for made in answer.generated}


def test_a_missing_slot_is_filled_by_the_generator(bare: Settings) -> None:
    recommender = Recommender.open(bare)
    kept = [garment(recommender.pictures, "t-shirt", "red"), garment(recommender.pictures, "pants", "black")]
    recommender.store.put_items(kept)
    put_user(recommender.store, "ana", preferences=[GREEN])
    recommender.refresh()
    answer = ask(recommender, user_id="ana", mode="retrieve")
    assert answer.outfit is not None
    by_slot = {piece.slot: piece for piece in answer.outfit.pieces}
    assert [slot for slot, piece in by_slot.items() if piece.generated] == ["shoes"]
    assert recommender.store.get_generation(by_slot["shoes"].generation_id or "").user_id == "ana"


def test_an_empty_catalogue_still_makes_garments(bare: Settings) -> None:
    answer = ask(Recommender.open(bare), profile={})
    assert answer.items == ()
    assert len(answer.generated) == 4
    assert answer.outfit is not None
    assert all(piece.generated for piece in answer.outfit.pieces)


def test_strangers_get_what_is_popular_with_exploration(recommender: Recommender) -> None:
    for number, name in enumerate(("u1", "u2", "u3", "u4")):
        put_user(recommender.store, name)
        recommender.store.add_events([did(number * 10 + n, "purchase", "hat-red-0", user=name) for n in range(5)])
    recommender.refresh()
    answers = [ask(recommender, profile={}, seed=seed, mode="retrieve", outfit=False) for seed in range(8)]
    assert all(answer.cold_start == "popularity" for answer in answers)
    assert sum("hat-red-0" in {item.item_id for item in answer.items[:3]} for answer in answers) >= 6
    assert len({answer.items for answer in answers}) == 8
    assert {reason.kind for answer in answers for item in answer.items for reason in item.reasons} == {
        "popular",
        "explore",
    }
    assert ask(recommender, profile={}, seed=3, mode="retrieve", outfit=False) == answers[3]
    generated = ask(recommender, profile={}, mode="generate", generate=6, outfit=False).generated
    assert len({made.category for made in generated}) > 1


def test_a_stranger_of_a_known_age_gets_what_is_popular_at_it(recommender: Recommender) -> None:
    for number in range(50):
        band, item = ("65-plus", "hat-red-0") if number % 2 else ("18-24", "dress-green-0")
        put_user(recommender.store, f"u{number}", traits={"age_band": band})
        recommender.store.add_events([did(number, "purchase", item, user=f"u{number}")])
    recommender.refresh()

    def first(**traits: str) -> list[str]:
        profile = {"traits": traits}
        return [ask(recommender, profile=profile, seed=seed, mode="retrieve").items[0].item_id for seed in range(12)]

    old, young = first(age_band="65-plus"), first(age_band="18-24")
    assert old.count("hat-red-0") > 8 > old.count("dress-green-0")
    assert young.count("dress-green-0") > 8 > young.count("hat-red-0")
    answer = ask(recommender, profile={"traits": {"age_band": "65-plus"}}, mode="retrieve")
    assert answer.cold_start == "segment"
    assert "popular with people like you (65-plus)" in {r.text for item in answer.items for r in item.reasons}
    for traits in ({"age_band": "35-44"}, {"skin_tone": 5}):  # nobody did anything; never used
        assert ask(recommender, profile={"traits": traits}, mode="retrieve").cold_start == "popularity"
    put_user(recommender.store, "no", traits={"age_band": "65-plus"}, consents={"personalisation": False})
    assert ask(recommender, user_id="no", mode="retrieve").cold_start == "popularity"


def test_preferences_alone_are_enough(recommender: Recommender) -> None:
    answer = ask(recommender, profile={"preferences": [GREEN]})
    assert answer.cold_start == "profile"
    assert {reason.kind for item in answer.items for reason in item.reasons} <= {"preference", "popular"}


def test_a_history_alone_is_enough(recommender: Recommender) -> None:
    answer = ask(recommender, profile={}, history=[{"item_id": "dress-red-0", "type": "like", "at": BEGAN}])
    assert answer.cold_start == "none"
    assert "dress-red-0" not in {item.item_id for item in answer.items}


def test_who_refuses_personalisation_gets_what_everybody_gets(recommender: Recommender) -> None:
    put_user(recommender.store, "ben", preferences=[GREEN], consents={"personalisation": False})
    put_user(recommender.store, "cleo", consents={"personalisation": False})
    put_user(recommender.store, "dan")
    recommender.store.add_events(
        [did(1, "like", "dress-red-0", user="ben"), did(2, "like", "dress-green-0", user="dan")]
    )
    recommender.refresh()
    ben, cleo = ask(recommender, user_id="ben", seed=1), ask(recommender, user_id="cleo", seed=1)
    assert (ben.items, ben.cold_start) == (cleo.items, "popularity")
    assert ben.items[0].item_id == "dress-green-0"
    assert [made.picture for made in ben.generated] == [made.picture for made in cleo.generated]
    reasons = [thing.reasons for thing in ben.items] + [thing.reasons for thing in ben.generated]
    assert ben.outfit is not None
    assert ben.outfit.picture == cleo.outfit.picture if cleo.outfit else False
    assert all("switched off" in reason.text for these in reasons for reason in these)
    assert recommender.store.get_condition("ben", ben.taste_model) is None


def test_a_condition_vector_is_stored_and_kept_until_it_is_stale(recommender: Recommender, ana: str) -> None:
    version = ask(recommender, user_id=ana).taste_model
    first = recommender.store.get_condition(ana, version)
    assert first is not None
    assert first.watermark == 3
    ask(recommender, user_id=ana)
    again = recommender.store.get_condition(ana, version)
    assert again is not None
    assert again.made_at == first.made_at
    recommender.store.add_events([did(4, "like", "hat-yellow-0")])
    ask(recommender, user_id=ana)
    renewed = recommender.store.get_condition(ana, version)
    assert renewed is not None
    assert renewed.watermark == 4
    assert (renewed.vector != first.vector).any()


def test_erasing_leaves_nothing(recommender: Recommender, ana: str) -> None:
    put_user(recommender.store, "ben", preferences=[GREEN])
    before = {path.name for path in recommender.pictures.root.rglob("*.webp")}
    shared = ask(recommender, user_id="ben")
    kept = {path.name for path in recommender.pictures.root.rglob("*.webp")}
    answer = ask(recommender, user_id=ana, season="winter")
    assert {path.name for path in recommender.pictures.root.rglob("*.webp")} > kept > before
    recommender.erase(ana)
    assert {path.name for path in recommender.pictures.root.rglob("*.webp")} == kept
    with pytest.raises(NotFound, match="user_id"):
        ask(recommender, user_id=ana)
    with pytest.raises(NotFound):
        recommender.store.get_generation(answer.generated[0].generation_id)
    assert ask(recommender, user_id="ben") == shared
    with pytest.raises(NotFound):
        recommender.erase(ana)


def test_a_user_erased_while_the_answer_is_made_leaves_nothing(
    recommender: Recommender, ana: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = set(recommender.pictures.root.rglob("*.webp"))
    put = recommender.pictures.put

    def erase_then_put(rgba: Any, **how: Any) -> str:
        monkeypatch.undo()
        recommender.erase(ana)
        return put(rgba, **how)

    monkeypatch.setattr(recommender.pictures, "put", erase_then_put)
    with pytest.raises(NotFound, match="erased while"):
        ask(recommender, user_id=ana)
    assert set(recommender.pictures.root.rglob("*.webp")) == before


def test_a_user_who_returns_gets_pictures_again(recommender: Recommender, ana: str) -> None:
    profile = recommender.store.get_user(ana)
    recommender.erase(ana)
    recommender.store.put_user(profile)
    first = ask(recommender, user_id=ana)
    recommender.erase(ana)
    recommender.store.put_user(profile)
    again = ask(recommender, user_id=ana)
    assert again == first
    assert again.outfit is not None
    assert again.outfit.picture in recommender.pictures
    assert all(made.picture in recommender.pictures for made in again.generated)


def test_new_items_appear_after_a_refresh(recommender: Recommender, ana: str) -> None:
    everything = {"user_id": ana, "mode": "retrieve", "count": 100}
    recommender.store.put_items([garment(recommender.pictures, "hat", "green", 3)])
    assert "hat-green-3" not in {item.item_id for item in ask(recommender, **everything).items}
    recommender.refresh()
    assert "hat-green-3" in {item.item_id for item in ask(recommender, **everything).items}


def test_an_import_shows_up_by_itself(recommender: Recommender, ana: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("persona.recommend.recommender.LOOK_EVERY", 0.0)
    everything = {"user_id": ana, "mode": "retrieve", "count": 100, "outfit": False, "explain": False}
    before = ask(recommender, **everything)
    recommender.store.put_items([garment(recommender.pictures, "hat", "green", 3)])
    until = time.monotonic() + 60
    while len(ask(recommender, **everything).items) == len(before.items) and time.monotonic() < until:
        time.sleep(0.05)
    assert "hat-green-3" in {item.item_id for item in ask(recommender, **everything).items}


def test_an_event_on_a_new_item_brings_the_new_catalogue(recommender: Recommender, ana: str) -> None:
    recommender.store.put_items(
        [garment(recommender.pictures, "hat", "green", 3), garment(recommender.pictures, "hat", "green", 4)]
    )
    recommender.store.add_events([did(4, "like", "hat-green-3")])
    answer = ask(recommender, user_id=ana, mode="retrieve", count=100)
    assert "hat-green-4" in {item.item_id for item in answer.items}


def test_inactive_items_are_not_shown_but_remembered(recommender: Recommender, ana: str) -> None:
    liked = recommender.store.get_item("dress-green-0")
    before = ask(recommender, user_id=ana, mode="retrieve", count=100)
    recommender.store.put_items([liked.model_copy(update={"active": False})])
    recommender.refresh()
    after = ask(recommender, user_id=ana, mode="retrieve", count=100)
    assert "dress-green-0" not in {item.item_id for item in after.items}
    scores = {item.item_id: item.score for item in before.items if item.item_id != "dress-green-0"}
    assert {item.item_id: item.score for item in after.items} == scores  # the like counts still


def test_content_vectors_are_made_once(settings: Settings, recommender: Recommender) -> None:
    ids, vectors = recommender.store.item_vectors(recommender.table.feature_version)
    assert sorted(ids) == sorted(recommender.table.ids)
    opened = Recommender.open(settings)
    assert (opened.table.features == recommender.table.features).all()
    assert vectors.shape == (36, 64)


def test_a_damaged_picture_does_not_stop_the_service(bare: Settings) -> None:
    recommender = Recommender.open(bare)
    item = garment(recommender.pictures, "dress", "red")
    recommender.store.put_items([item, garment(recommender.pictures, "dress", "blue")])
    recommender.pictures.path(item.picture or "").write_bytes(b"RIFF")
    recommender.refresh()
    answer = ask(recommender, profile={}, mode="retrieve", outfit=False)
    assert {item.item_id for item in answer.items if item.picture is None} == {"dress-red-0"}
    assert len(answer.items) == 2


def test_an_item_whose_picture_is_lost_is_ranked_but_never_laid_out(recommender: Recommender) -> None:
    lost = [item for item in recommender.table.items if item.category == "dress"]
    for item in lost:
        recommender.pictures.remove(item.picture or "")
    recommender.refresh()
    answer = ask(recommender, profile={}, category="dress", mode="retrieve", count=100)
    assert {item.item_id for item in answer.items} == {item.id for item in lost}
    assert {item.picture for item in answer.items} == {None}
    assert answer.outfit is not None
    assert not {piece.item_id for piece in answer.outfit.pieces} & {item.id for item in lost}


def test_the_loaded_models_are_registered_once(settings: Settings, recommender: Recommender) -> None:
    Recommender.open(settings)
    registered = {(model.name, model.kind) for model in recommender.store.models()}
    assert registered == {("visual-64", "visual"), ("taste-garment", "taste"), ("garment-64", "gan")}
    assert len(recommender.store.models()) == 3


def test_errors_name_the_field_and_the_remedy(recommender: Recommender) -> None:
    with pytest.raises(NotFound, match=r"user_id: there is no user 'nobody'.*profile"):
        ask(recommender, user_id="nobody")
    events = [
        {"item_id": "dress-red-0", "type": "like", "at": BEGAN},
        {"item_id": "sock-1", "type": "like", "at": BEGAN},
    ]
    with pytest.raises(BadInput, match=r"history.1.item_id: .*'sock-1'"):
        ask(recommender, profile={}, history=events)
    with pytest.raises(BadInput, match=r"history.0.generation_id"):
        ask(recommender, profile={}, history=[{"generation_id": "g-1", "type": "like", "at": BEGAN}])


def test_models_of_different_spaces_are_refused(
    recommender: Recommender, models: Path, tmp_path: Path, settings: Settings
) -> None:
    shutil.copytree(models, tmp_path / "mixed")
    VisualNetwork(CATEGORIES, width=4).save(tmp_path / "mixed" / "visual-64", card="another", metrics={})
    with pytest.raises(OutOfDate, match="train it again"):
        Recommender.open(settings.model_copy(update={"models": tmp_path / "mixed"}))


def test_many_threads_get_the_answers_of_one(recommender: Recommender, ana: str) -> None:
    put_user(recommender.store, "ben", preferences=[GREEN])
    requests = [{"user_id": name, "season": season} for name in ("ana", "ben") for season in (None, "winter")] * 2
    answers: dict[int, Recommendation] = {}

    def work(number: int) -> None:
        answers[number] = ask(recommender, **requests[number])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(requests))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(answers[number] == ask(recommender, **requests[number]) for number in range(len(requests)))


def test_either_database_gives_the_same_answer(
    recommender: Recommender, ana: str, settings: Settings, new_postgres: Callable[[], str]
) -> None:
    wanted = ask(recommender, user_id=ana)
    other = settings.model_copy(update={"database_url": new_postgres()})
    with Store.open(other.url) as store:
        store.put_items(recommender.store.items())
        store.put_user(recommender.store.get_user(ana))
        store.add_events(recommender.store.history(ana))
    moved = Recommender.open(other)
    answer = ask(moved, user_id=ana, seed=wanted.seed)
    assert (answer.items, answer.generated, answer.outfit) == (wanted.items, wanted.generated, wanted.outfit)
    moved.erase(ana)
    assert moved.store.count_users() == 0
    moved.close()


def test_the_shipped_models_answer(settings: Settings) -> None:
    shipped = Settings(home=settings.home).models
    missing = [
        name for name in (VISUAL, Arm().taste, Arm().generator) if not (shipped / name / "model.safetensors").exists()
    ]
    if missing:
        pytest.skip(f"not trained yet: {', '.join(missing)}")
    recommender = Recommender.open(settings.model_copy(update={"models": shipped}))
    answer = ask(recommender, profile={"preferences": [GREEN]}, count=6, season="winter")
    assert len(answer.items) == 6
    assert len(answer.generated) == 4
    assert answer.outfit is not None
    assert sum(item.colour == "green" for item in answer.items[:5]) >= 2
