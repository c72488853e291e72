"""`/v1/jobs`: recommendations with more pictures than one answer waits for, made in the background."""

from __future__ import annotations

import secrets
from typing import cast

from apiflask import APIBlueprint
from flask import Response, current_app, url_for
from pydantic import Field

from persona.recommend.job_types import EXAMPLE, JobAnswer, JobRequest
from persona.serve import strict
from persona.serve.answers import as_json
from persona.serve.idempotency import job_id
from persona.serve.service import asking, service
from persona.serve.worker import Worker
from persona.store.jobs import ENDED
from persona.store.records import Identifier, Job, Record

LOOK_AGAIN = "1"  # seconds

strict.register()
jobs = APIBlueprint("jobs", __name__, url_prefix="/v1", tag="Jobs")


class JobPath(Record):
    """Names a job."""

    job_id: Identifier = Field(description="from the answer that began it")


@jobs.post("/jobs")
@jobs.input(JobRequest, arg_name="wanted", example=EXAMPLE)
@jobs.output(Job, status_code=202, description="it waits for its turn")
def begin_job(wanted: JobRequest) -> Response:
    """Begin a job: up to 1,000 generated pictures, made in the background

    Live requests go first, and of several jobs none waits for another to end. What the user does meanwhile counts in
    what is made after. A server that ends leaves the rest to another one.
    """
    asked = wanted.model_dump(mode="json", exclude_unset=True)
    id = job_id() or f"j-{secrets.token_hex(16)}"
    job = service().recommender.store.add_job(id, asking()[0], wanted.user_id, asked, wanted.total)
    cast(Worker, current_app.extensions["persona.jobs"]).wake()
    answer = as_json(job, 202)
    answer.headers["Location"] = url_for("jobs.get_job", job_id=job.id)
    return answer


@jobs.get("/jobs/<job_id>")
@jobs.input(JobPath, location="path", arg_name="path")
@jobs.output(JobAnswer, description="how far it is; once it is done, what it made")
def get_job(job_id: str, path: JobPath) -> Response:
    """How far a job is, and what it made

    Only for who began it. Kept for a week after its end.
    """
    store = service().recommender.store
    job = store.get_job(job_id, asking()[0])
    made = store.job_result(job_id) if job.state == "done" else None
    answers = made["answers"] if made else None
    answer = as_json(JobAnswer.model_validate({**job.model_dump(), "answers": answers}))
    if job.state not in ENDED:
        answer.headers["Retry-After"] = LOOK_AGAIN
    return answer


@jobs.delete("/jobs/<job_id>")
@jobs.input(JobPath, location="path", arg_name="path")
@jobs.doc(responses={204: "the job is gone"})
def cancel_job(job_id: str, path: JobPath) -> Response:
    """Cancel a job, or erase what a finished one answered

    Pictures that it made stay with their user.
    """
    service().recommender.store.drop_job(job_id, asking()[0])
    return Response(status=204)
