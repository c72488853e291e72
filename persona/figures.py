"""What was measured: `data/figures.json`, which the evaluate and bench commands write, and the table made of it."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from persona.errors import BadInput
from persona.settings import CHECKOUT

FILE = CHECKOUT / "data" / "figures.json"


@dataclass(frozen=True)
class Goal:
    """What a value should reach: at least or at most a bound, which may be a share of another value.

    bound: of a value by name, such as by database, the bound of each name that has one.
    """

    sign: str  # ">=" or "<="
    bound: float | Mapping[str, float]
    share_of: str | None = None

    def met(self, key: str, values: Mapping[str, Any]) -> bool | None:
        """Whether it is reached; None where a value is missing."""
        value, whole = values.get(key), values.get(self.share_of) if self.share_of else 1.0
        if value is None or whole is None:
            return None
        if isinstance(self.bound, Mapping):
            return all(Goal(self.sign, bound).met(name, value) for name, bound in self.bound.items())
        bound = self.bound * float(whole)
        return bool(value >= bound) if self.sign == ">=" else bool(value <= bound)

    def __str__(self) -> str:
        """As it stands in the table."""
        if isinstance(self.bound, Mapping):
            return ", ".join(f"{name} {self.sign} {bound:g}" for name, bound in self.bound.items())
        return f"{self.sign} {self.bound:g}" + (f" × {self.share_of}" if self.share_of else "")


def _least(bound: float | Mapping[str, float], share_of: str | None = None) -> Goal:
    return Goal(">=", bound, share_of)


def _most(bound: float | Mapping[str, float]) -> Goal:
    return Goal("<=", bound)


# every command that measures: its keys in the order of the table, and the goal of each that has one
FIGURES: dict[str, dict[str, Goal | None]] = {
    "persona evaluate gan": {
        "frechet": None,
        "frechet_floor": None,
        "frechet_ratio": _most(2),
        "precision": None,
        "recall": _least(0.5, "precision"),
        "density": None,
        "coverage": _least(0.7),
        "retrieval_top1": _least(0.75, "retrieval_ceiling"),
        "retrieval_ceiling": None,
        "retrieval_shuffled": None,
        "category_accuracy": _least(0.95, "category_ceiling"),
        "category_ceiling": None,
        "classification_accuracy_score": None,
        "classification_accuracy_score_ceiling": None,
        "colour_de00_median": _most(6),
        "spread_ratio": None,
        "copy_ratio": _least(0.9),
        "win_right_over_wrong_user": _least(0.8),
    },
    "persona evaluate edits": {
        "colour_edited": None,
        "colour_before": None,
        "colour_outline_kept": None,
        "pattern_edited": None,
        "pattern_before": None,
        "pattern_colour_de00": None,
        "category_edited": None,
        "category_before": None,
        "category_own": None,
        "category_colour_de00": None,
    },
    "persona evaluate inverter": {
        "rgb_mae": None,
        "rgb_mae_no_steps": None,
        "rgb_mae_no_encoder": None,
        "rgb_mae_zero": None,
        "psnr": None,
        "outline_iou": None,
        "colour_de00": None,
        "seconds": None,
    },
    "persona evaluate taste --data beauty": {
        "hr10": _least(0.095),
        "ndcg10": _least(0.056),
        "hr10_sd": None,
        "ndcg10_sd": None,
        "train_seconds": _most(1200),
        "encoder_hr10": None,
        "encoder_ndcg10": None,
        "cooccurrence_hr10": None,
        "cooccurrence_ndcg10": None,
        "ease_hr10": None,
        "ease_ndcg10": None,
        "ials_hr10": None,
        "ials_ndcg10": None,
        "popularity_hr10": None,
        "popularity_ndcg10": None,
        "refreshed_hr10": None,
        "refreshed_ndcg10": None,
        "one_event_over_popularity": None,
        "deletion_win": _least(0.9),
        "coverage10": None,
        "popularity_share10": None,
        "intra_list_diversity10": None,
        "by_position_hr10": None,
        "by_position_ndcg10": None,
        "by_position_cooccurrence_ndcg10": None,
        "by_position_popularity_ndcg10": None,
    },
    "persona evaluate taste --data simulated": {
        "one_event_over_popularity": _least(3),
        "three_preferences_over_popularity": _least(5),
        "deletion_win": _least(0.9),
    },
    "persona evaluate makeup": {
        "lip_reduction": _least(0.8),
        "lid_reduction": _least(0.65),
        "ssim": _least(0.97),
        "nme": _most(0.012),
        "outside_changed": _most(0),
        "read_lip_de00": _most(4),
        "read_lid_de00": _most(6),
        "read_cheek_de00": _most(6),
        "lip_iou": _least(0.85),
        "fairness_worst_over_best": _most(1.25),
        "removed_lip": None,
        "removed_lid": None,
        "removed_cheek": None,
        "look_retrieval_top1": None,
        "look_retrieval_ceiling": None,
        "look_retrieval_shuffled": None,
        "look_lips_de00": None,
        "look_spread_ratio": None,
        "look_win_right_over_wrong_user": None,
        "look_win_ceiling": None,
        "look_win_shuffled": None,
    },
    "persona evaluate style": {
        "style_distance": _most(0.35),
        "style_over_optimised": _most(1.15),
        "edge_cosine": _least(0.6),
        "alpha_changed": _most(0),
        "strength_monotone": _least(1),
        "colour_transfer_control": None,
        "style_distance_optimised": None,
        "style_distance_floor": None,
        "style_distance_wrong": None,
        "edge_cosine_chance": None,
        "recognised": None,
        "recognised_ceiling": None,
        "spread_over_styles": None,
        "series_spread": None,
        "colour_kept_de00": None,
        "inpaint_psnr": _least(1, "inpaint_psnr_opencv"),
        "inpaint_psnr_opencv": None,
    },
    "persona bench taste": {
        "rank100k_p50_ms": _most(10),
        "rank100k_p99_ms": _most(25),
        "rank1m_p50_ms": _most(5),
        "rank1m_recall10": _least(0.97),
        "encode_users_per_s": _least(5000),
    },
    "persona bench generate": {
        "pictures_per_s": None,
        "gflops_per_picture": None,
        "matmul_gflops_per_s": None,
        "share_of_limit": _least(0.5),
        "gpu_pictures_per_s": None,
        "gpu_share_of_bf16_limit": None,
    },
    "persona bench makeup": {
        "render512_ms": _most(60),
        "render12mp_ms": _most(400),
        "masks512_ms": None,
        "detect512_ms": None,
        "detect12mp_ms": None,
    },
    "persona bench style": {
        "ms_512": _most(500),
        "ms_256": _most(150),
        "rss_mb": _most(1000),
        "gpu_pictures_per_s": None,
    },
    "persona bench serve": {
        "share_of_raw_generator": _least(0.85),
        "rank_requests_per_s": _least(1000),
        "p99_over_p50": _most(3),
        "overload_goodput_share": _least(0.9),
        "reject_p99_ms": _most(20),
        "sigterm_dropped": _most(0),
        "rss_mb": _most(1500),
    },
    "persona bench batch": {
        "share_of_raw_generator": _least(0.9),
        "encode_share": None,
        "pictures_per_s": None,
        "raw_pictures_per_s": None,
        "bytes_per_picture": None,
        "plan_1m_seconds": _most(60),
        "plan_1m_sqlite_seconds": _most(120),
        "rss_growth_mb_10k_to_1m": _most(200),
        "rss_mb_10k": None,
        "simulate_events_per_s": _least(100_000),
        "simulate_sqlite_events_per_s": _least(50_000),
        "ray_scaling": None,
        "ray_overhead_s_per_10k": None,
    },
    "persona bench analyze": {
        "events_per_s": _least({"postgresql": 100_000, "sqlite": 50_000}),
        "dim_user_p50_ms": _most({"postgresql": 200}),
        "dim_user_as_analyst_p50_ms": None,
        "taste_build_s": None,
        "taste_refresh_s": _most({"postgresql": 60, "sqlite": 60}),
        "segment_s": _most({"postgresql": 120, "sqlite": 120}),
        "segment_rss_mb": _most({"postgresql": 3000, "sqlite": 3000}),
        "similar_p50_ms": _most({"postgresql": 20, "sqlite": 20}),
    },
    "persona bench import": {"pictures_per_s": _least(4)},
}


@dataclass(frozen=True)
class Row:
    """One line of the table. why: where the value is None, the reason."""

    command: str
    key: str
    value: Any
    goal: Goal | None
    met: bool | None
    why: str | None
    date: str | None
    machine: str | None

    @property
    def measured(self) -> str:
        """The value, or why there is none."""
        return number(self.value) if self.value is not None else f"({self.why})"

    @property
    def verdict(self) -> str:
        """Whether the goal is reached, in a word; empty where there is none, or no value."""
        return "" if self.met is None else "reached" if self.met else "not yet"


def result(command: str, values: Mapping[str, Any], why: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What a measuring command prints and records: its values, why some are null, and where and when it ran.

    Every key of the command is there; one that was not measured is None and must be named in why (KeyError).
    """
    why = dict(why or {})
    whole = {key: values.get(key) for key in FIGURES[command]} | dict(values)
    unexplained = [key for key, value in whole.items() if value is None and key not in why]
    if unexplained:
        raise KeyError(f"{command}: no value and no reason for {', '.join(unexplained)}")
    return {
        **_rounded(whole),
        **({"why": why} if why else {}),
        "date": datetime.now(UTC).date().isoformat(),
        "version": _version(),
        "commit": _commit(),
        "machine": machine(),
    }


def record(command: str, measured: Mapping[str, Any], file: Path = FILE) -> None:
    """Put a result in the file in the place of the command's last one. The file changes whole or not at all."""
    everything = {**read(file), command: dict(measured)}
    ordered = {name: everything[name] for name in FIGURES if name in everything}
    temporary = file.with_name(file.name + ".tmp")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(ordered, indent=2, ensure_ascii=False) + "\n")
        os.replace(temporary, file)
    except OSError as error:
        raise BadInput(str(file), f"cannot be written ({error.strerror}); use --no-record") from error


def read(file: Path = FILE) -> dict[str, dict[str, Any]]:
    """The last results by command; empty before the first."""
    if not file.exists():
        return {}
    try:
        results: dict[str, dict[str, Any]] = json.loads(file.read_text())
    except ValueError as error:
        raise BadInput(str(file), f"is damaged ({error}); restore it from version control") from error
    return results


def rows(results: Mapping[str, Mapping[str, Any]]) -> Iterator[Row]:
    """The table, every key of every command in order, measured or not."""
    for command, goals in FIGURES.items():
        values = results.get(command, {})
        where = values.get("machine")
        for key, goal in goals.items():
            value = values.get(key)
            why = None if value is not None else values.get("why", {}).get(key, "not measured yet")
            met = goal.met(key, values) if goal else None
            yield Row(command, key, value, goal, met, why, values.get("date"), where and describe(where))


def markdown(results: Mapping[str, Mapping[str, Any]]) -> str:
    """The table as the README holds it: for each command that has measured something, where, when, and its values."""
    blocks = []
    for command, values in results.items():
        if command in FIGURES:
            lines = [row for row in rows({command: values}) if row.command == command]
            where = f"`{command}` on {describe(values['machine'])}, {values['date']}, version {values['version']}:"
            body = [f"| `{r.key}` | {r.measured} | {r.goal or ''} | {r.verdict} |" for r in lines]
            blocks.append("\n".join([where, "", "| figure | measured | goal | |", "| --- | --- | --- | --- |", *body]))
    return "\n\n".join(blocks)


def number(value: Any) -> str:
    """A measured value to four figures; a table of them as key: value."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {number(item)}" for key, item in value.items())
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return str(value)


def machine() -> dict[str, Any]:
    """What the numbers depend on: processor, cores, memory, graphics card and versions. No names of hosts."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30 if hasattr(os, "sysconf") else None
    return {
        "cpu": _cpu(),
        "cores": cores,
        "memory_gib": round(memory) if memory else None,
        "gpu": _gpu(),
        "python": platform.python_version(),
        "torch": metadata.version("torch"),
    }


def describe(where: Mapping[str, Any]) -> str:
    """A machine in a few words."""
    return f"{where['cores']} × {where['cpu']}" + (f", {where['gpu']}" if where.get("gpu") else "")


def _rounded(value: Any) -> Any:
    """Numbers to five figures, which is more than any of them is good for."""
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def _gpu() -> str | None:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


def _version() -> str:
    try:
        return metadata.version("persona")
    except metadata.PackageNotFoundError:
        return "not installed"


def _commit() -> str | None:
    """The checkout's commit, with a plus when files differ from it; None outside a checkout."""
    try:
        name = _git("rev-parse", "--short", "HEAD")
        return name + ("+" if _git("status", "--porcelain", "--untracked-files=no", "--", "persona") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=CHECKOUT, capture_output=True, text=True, check=True, timeout=20)
    return done.stdout.strip()
