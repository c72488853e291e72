"""Long work as it is asked for and told of: recommendations with more pictures than one answer waits for."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field, model_validator

from persona.recommend.types import Recommendation, RecommendationRequest
from persona.store.records import Job, Record

MOST_PICTURES = 1000  # of one job
MOST_REQUESTS = 100
EXAMPLE: dict[str, Any] = {"requests": [{"user_id": "u1", "generate": 100}]}


class LongRequest(RecommendationRequest):
    """A recommendation with as many generated garments as a job may make."""

    generate: int = Field(default=4, ge=0, le=MOST_PICTURES, description="how many garments to generate")

    @property
    def pictures(self) -> int:
        """How many garments are asked for."""
        return 0 if self.mode == "retrieve" else self.generate


class JobRequest(Record):
    """Recommendations to one user, or to inline profiles, that are made in the background."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    requests: tuple[LongRequest, ...] = Field(
        min_length=1, max_length=MOST_REQUESTS, description="answered in this order; all about the same user, or inline"
    )

    @model_validator(mode="after")
    def _one_user(self) -> JobRequest:
        if len({request.user_id for request in self.requests}) > 1:
            raise ValueError("the requests are about several users; send a job for each, so that each can be erased")
        if sum(request.pictures for request in self.requests) > MOST_PICTURES:
            raise ValueError(f"the requests ask for more than {MOST_PICTURES} pictures together; send several jobs")
        return self

    @property
    def user_id(self) -> str | None:
        """Whom it is about; None for inline profiles."""
        return self.requests[0].user_id

    @property
    def total(self) -> int:
        """How much there is to do: pictures, and answers without pictures."""
        return sum(max(1, request.pictures) for request in self.requests)


class JobAnswer(Job):
    """How far a job is, and what it made."""

    answers: tuple[Recommendation, ...] | None = Field(
        default=None, description="once it is done, one for each request: as `/v1/recommendations` gives"
    )
