"""Generation through the server against the generator alone, and what becomes of it under ten times the load."""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import replace
from typing import Any

import numpy as np

from persona.cli.bench_server import PATH, serving
from persona.cli.load import Answer, Load, ask, rate
from persona.settings import Arm, Settings, load_settings
from persona.taste.demo import PERSONAS

CLIENTS = 64  # as many as a worker takes on at once
OVERLOAD = 10
THREADS = 1  # of the models: the other core is for everything else
DEADLINE = 5.0  # seconds, which each request of an overload asks for
SLOW = 2.0  # times the usual p99: an answer slower than that shows that the server has not recovered
SIZES = (1, 4, 8, 16, 32)  # pictures drawn at once by the generator alone
HEADERS = (f"X-Request-Timeout: {DEADLINE:g}",)


def measure(seconds: int) -> dict[str, Any]:
    """The generator alone, then a server with the same threads for its models: usual load, ten times that, usual."""
    raw = generator_alone(max(2.0, seconds / len(SIZES)))
    with tempfile.TemporaryDirectory() as home, serving(home, threads=THREADS) as (_, port):
        load = Load(port, PATH, _bodies(), CLIENTS, seconds)
        ask(replace(load, seconds=2.0))  # warm up
        usual = ask(replace(load, first_seed=1_000_000))
        over = ask(replace(load, connections=OVERLOAD * CLIENTS, first_seed=2_000_000, headers=HEADERS))
        after = ask(replace(load, first_seed=3_000_000, seconds=max(3.0, seconds / 2)))
    return figures(usual, over, after, raw)


def generator_alone(seconds: float) -> float:
    """Pictures a second at the best of the sizes, each tried for so many seconds."""
    import torch

    from persona.gan import GarmentModel
    from persona.gan.model import Code, render

    before, settings = torch.get_num_threads(), load_settings()
    torch.set_num_threads(THREADS)
    model, best = GarmentModel.load(settings.models / Arm().generator, settings.torch_device), 0.0
    for size in SIZES:
        kinds = [n % len(model.categories) for n in range(size)]
        conditions = np.concatenate([model.prior.sample(kind, 1, n) for n, kind in enumerate(kinds)])
        code = Code.of(conditions, [model.categories[kind] for kind in kinds], range(size))
        render(model, code)
        began, drawn = time.perf_counter(), 0
        while (passed := time.perf_counter() - began) < seconds:
            render(model, code)
            drawn += size
        best = max(best, drawn / passed)
    torch.set_num_threads(before)
    return best


def figures(usual: list[Answer], over: list[Answer], after: list[Answer], raw: float) -> dict[str, Any]:
    """What the three loads show. raw: pictures a second of the generator alone."""
    peak, goodput = rate(usual), rate(over)
    admitted = [answer.seconds for answer in over if answer.status == 200]
    refused = [answer.seconds for answer in over if answer.status == 429]
    return {
        "share_of_raw_generator": peak / raw,
        "generate_requests_per_s": peak,
        "raw_pictures_per_s": raw,
        "generate_p99_ms": _p99_ms([answer.seconds for answer in usual]),
        "generate_failed": sum(answer.status != 200 for answer in usual),
        "overload_goodput_share": goodput / peak if peak else 0.0,
        "overload_admitted_p99_ms": _p99_ms(admitted),
        "overload_deadline_ms": DEADLINE * 1000,
        "overload_refused": len(refused),
        "overload_lost": sum(answer.status not in (200, 429, 504) for answer in over),
        "reject_p99_ms": _p99_ms(refused),
        "recovery_s": recovery(usual, after),
        "model_threads": THREADS,
        "in_flight": Settings.model_fields["in_flight"].default,
    }


def recovery(usual: list[Answer], after: list[Answer]) -> float:
    """Seconds after an overload until answers are good, and as fast as usual, for good."""
    bound = SLOW * _p99_ms([answer.seconds for answer in usual]) / 1000
    bad = [answer.due + answer.seconds for answer in after if answer.status != 200 or answer.seconds > bound]
    return max(bad, default=0.0)


def _p99_ms(seconds: list[float]) -> float:
    return float(np.percentile(seconds, 99)) * 1000 if seconds else 0.0


def _bodies() -> tuple[str, ...]:
    asked = {"mode": "generate", "generate": 1, "outfit": False, "explain": False, "seed": 0}
    texts = [json.dumps({"user_id": persona.id, **asked}) for persona in PERSONAS]
    return tuple(text.replace('"seed": 0', '"seed": {seed}') for text in texts)
