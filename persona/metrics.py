"""What the service counts for Prometheus, in one place. A worker's own; `serve` adds up those of several.

Labels hold names of models, operations and arms, never a user's.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Histogram(
    "persona_request_seconds",
    "From a request's arrival to its answer.",
    ["operation", "status"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
REJECTED = Counter("persona_rejected_total", "Requests refused before work on them began.", ["why"])
QUEUE = Gauge("persona_queue_jobs", "Jobs that wait for a model.", ["batcher"], multiprocess_mode="livesum")
BATCH = Histogram("persona_batch_jobs", "Jobs done at once.", ["batcher"], buckets=(1, 2, 4, 6, 8, 16, 32, 64))
WAITED = Histogram(
    "persona_queue_seconds",
    "How long a job waited for its batch.",
    ["batcher"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
GENERATED = Counter("persona_generated_total", "Pictures that a model drew.", ["model"])
CACHE = Counter("persona_cache_total", "What caches were asked for.", ["cache", "outcome"])
ANSWERS = Counter("persona_answers_total", "Recommendations given.", ["arm", "mode", "cold_start"])
EVENTS = Counter("persona_events_total", "Events stored.", ["arm", "type", "attributed"])
RECORDED = Counter("persona_recorded_total", "Answers to stored users, by whether analysts will see them.", ["outcome"])
