"""The command line as a newcomer meets it: help, examples, errors, interruption."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from persona.cli import main
from persona.cli.command import Command, Group, commands
from persona.cli.train import LOSSES as LOSS_NAMES
from persona.errors import BadInput
from persona.gan.losses import LOSSES

COMMANDS = commands(main)
WANTED = {
    "demo", "db upgrade", "import items", "import clothing", "import users", "import events", "simulate",
    "train visual", "train taste", "train gan", "train directions", "train inverter", "evaluate taste",
    "evaluate gan", "evaluate edits", "evaluate inverter", "generate", "recommend", "refresh", "serve",
    "train look-gan", "train reader", "import looks", "evaluate makeup", "bench makeup", "makeup apply",
    "makeup transfer", "makeup advise", "makeup analyze", "makeup looks", "export gan", "bench taste",
    "bench generate", "bench import", "bench serve", "bench style", "evaluate style", "train style", "style apply",
    "style learn", "style list", "style retire", "style restore", "figures", "keys create", "keys list", "keys rotate",
    "keys revoke", "audit", "privacy export", "privacy sweep", "bench batch", "batch run", "batch plan", "batch resume",
    "batch status", "batch verify", "batch push", "batch lookbook", "batch sheet",
    "analyze role", "analyze sql",
    "report trust",
}  # fmt: skip


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, with a home of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PERSONA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PERSONA_DATABASE_URL", "")
    return tmp_path


def run(*arguments: str) -> click.testing.Result:
    return CliRunner().invoke(main, arguments)


def test_every_command_is_there() -> None:
    assert set(COMMANDS) == {f"persona {name}" for name in WANTED}


@pytest.mark.parametrize("name", COMMANDS)
def test_help_explains_the_command_with_an_example_that_parses(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = run(*shlex.split(name)[1:], "--help")
    assert result.exit_code == 0
    example = COMMANDS[name].example
    assert f"Example:\n  {example}" in result.output
    arguments = shlex.split(example)[len(name.split()) :]
    assert example.startswith(name)
    missing = [option.name for option in COMMANDS[name].params if isinstance(option, click.Option) and not option.help]
    assert missing == [], "options without help"
    monkeypatch.chdir(tmp_path)
    for file in (word for word in arguments if "." in word and "/" not in word):
        Path(file).touch()
    COMMANDS[name].make_context(name, arguments)


def test_no_command_or_group_without_a_first_sentence() -> None:
    assert all(command.help for command in main.commands.values())
    assert run().exit_code == run("--help").exit_code + 2  # click: no command is a usage error that shows the help
    assert "demo" in run().output


def test_help_is_there_at_once_and_loads_no_models() -> None:
    code = (
        "import sys; from persona.cli import main; main(['--help'], standalone_mode=False); print(sorted(sys.modules))"
    )
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - began
    heavy = {"torch", "numpy", "pandas", "sqlalchemy", "pydantic", "flask", "cv2"}
    assert not heavy & set(done.stdout.replace("'", "").replace(" ", "").strip("[]\n").split(","))
    assert seconds < 2  # measured: .15 s on an idle machine


def test_an_error_is_one_line_and_status_2(place: Path) -> None:
    (place / "users.csv").write_text("id\nu1\n")
    result = run("import", "users", "users.csv")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert "persona db upgrade" in result.stderr
    assert "Traceback" not in result.output
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_wrong_setting_is_named(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERSONA_PORT", "eighty")
    result = run("db", "upgrade")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: PERSONA_PORT (environment): ")
    assert not (place / "home").exists()


def test_a_wrong_option_is_named(place: Path) -> None:
    result = run("serve", "--port", "70000")
    assert result.exit_code == 2
    assert "'--port'" in result.stderr


@pytest.mark.parametrize("raised", [KeyboardInterrupt, click.Abort])
def test_an_interruption_is_said_and_has_the_shell_s_status(raised: type[BaseException]) -> None:
    @click.group(cls=Group)
    def group() -> None: ...

    @group.command(example="group wait")
    def wait() -> None:
        raise raised

    result = CliRunner().invoke(group, ["wait"])
    assert result.exit_code == 130
    assert "interrupted" in result.stderr


def test_ctrl_c_stops_a_real_process(place: Path) -> None:
    code = "import time, click; from persona.cli import main; from persona.cli.command import Command\n"
    code += (
        "main.add_command(Command('wait', callback=lambda: (print('up', flush=True), time.sleep(60)), example=''))\n"
    )
    code += "main(['wait'])"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        os.kill(process.pid, signal.SIGINT)
        _, error = process.communicate(timeout=20)
    assert process.returncode == 130
    assert b"interrupted" in error
    assert b"Traceback" not in error


def test_errors_of_groups_within_groups_are_printed_once() -> None:
    @click.group(cls=Group)
    def outer() -> None: ...

    @outer.group()
    def inner() -> None: ...

    @inner.command(example="outer inner fail")
    def fail() -> None:
        raise BadInput("this", "is wrong")

    assert isinstance(inner, Group)
    result = CliRunner().invoke(outer, ["inner", "fail"])
    assert (result.exit_code, result.stderr) == (2, "error: this: is wrong\n")


def test_the_losses_of_the_help_are_those_that_train() -> None:
    assert set(LOSS_NAMES) == set(LOSSES)


def test_commands_need_an_example() -> None:
    with pytest.raises(TypeError, match="example"):
        Command("name")  # type: ignore[call-arg]


def test_figures_are_printed_even_when_nothing_is_measured() -> None:
    result = run("figures")
    assert result.exit_code == 0
    assert "rank100k_p50_ms" in result.output
