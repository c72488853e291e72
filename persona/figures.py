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
from persona.goals import FIGURES, Goal
from persona.settings import CHECKOUT

FILE = CHECKOUT / "data" / "figures.json"


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
