"""Long work a part at a time: each part is an ordinary request, so that a part made again has the same pictures.

The first part of a request ranks and dresses as well; the others draw more garments, by seeds that follow from its own.
What the user does or refuses meanwhile counts in the parts that come after.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from persona.recommend.job_types import JobRequest, LongRequest
from persona.recommend.recommender import Recommender
from persona.recommend.seeds import derive
from persona.recommend.types import GeneratedItem, Recommendation, RecommendationRequest
from persona.store.jobs import Turn
from persona.store.records import JobState

AT_ONCE = 8  # pictures of a part: few enough that a live request never waits long behind them


@dataclass(frozen=True)
class Part:
    """A part of a job: number of the request that it belongs to, its own within that, and how many pictures it has."""

    request: int
    number: int
    pictures: int


@dataclass(frozen=True)
class Progress:
    """What to keep after a turn."""

    state: JobState
    done: int
    result: dict[str, Any]


def parts(request: JobRequest) -> list[Part]:
    """The parts of a job, in order; none has more than AT_ONCE pictures."""
    return [
        Part(place, number, pictures)
        for place, one in enumerate(request.requests)
        for number, pictures in enumerate(_shares(one.pictures))
    ]


def advance(recommender: Recommender, turn: Turn) -> Progress:
    """Do the next part of a job, and add it to what was kept. Raises as `Recommender.recommend`."""
    request = JobRequest.model_validate(turn.request)
    every, answers = parts(request), list(turn.result.get("answers", ()))
    finished = turn.result.get("parts", 0)
    part = every[finished]
    wanted = request.requests[part.request]
    if part.number == 0:
        answers.append(recommender.recommend(_short(wanted, generate=part.pictures)).model_dump(mode="json"))
    else:
        begun = Recommendation.model_validate(answers[-1])
        seed = derive(begun.seed, "part", part.number)
        more = _short(wanted, generate=part.pictures, seed=seed, mode="generate", outfit=False)
        answers[-1] = extended(begun, recommender.recommend(more)).model_dump(mode="json")
    done = sum(max(1, part.pictures) for part in every[: finished + 1])
    state: JobState = "queued" if finished + 1 < len(every) else "done"
    return Progress(state, done, {"answers": answers, "parts": finished + 1})


def extended(answer: Recommendation, more: Recommendation) -> Recommendation:
    """An answer with the garments of another one of the same request among its own, best first."""
    both = {garment.generation_id: garment for garment in (*answer.generated, *more.generated)}
    ranked = sorted(both.values(), key=lambda garment: -garment.score)
    return answer.model_copy(update={"generated": tuple(_at(garment, n) for n, garment in enumerate(ranked, start=1))})


def _at(garment: GeneratedItem, rank: int) -> GeneratedItem:
    return garment.model_copy(update={"rank": rank})


def _shares(pictures: int) -> Iterator[int]:
    yield min(pictures, AT_ONCE)
    for begun in range(AT_ONCE, pictures, AT_ONCE):
        yield min(pictures - begun, AT_ONCE)


def _short(request: LongRequest, **changed: Any) -> RecommendationRequest:
    """The request of a part."""
    return RecommendationRequest.model_validate({**request.model_dump(), **changed})
