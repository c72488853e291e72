"""Settings: where they come from, and what a person is told when one is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from persona.errors import BadInput
from persona.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def _empty_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No persona.toml and no variables but those that a test sets."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"PERSONA_{name.upper()}", raising=False)
    monkeypatch.chdir(tmp_path)


def test_defaults_serve_on_this_machine_only_and_keep_everything_in_home(tmp_path: Path) -> None:
    settings = load_settings()
    assert settings.host == "127.0.0.1"
    assert settings.pictures == Path(".persona/pictures")
    assert settings.url == f"sqlite:///{tmp_path}/.persona/persona.db"


def test_arguments_win_over_the_environment_and_that_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("persona.toml").write_text("port = 1000\nworkers = 3\nhome = 'here'\n")
    monkeypatch.setenv("PERSONA_PORT", "2000")
    monkeypatch.setenv("PERSONA_WORKERS", "4")
    settings = load_settings(port=3000, host=None)
    assert (settings.port, settings.workers, settings.home) == (3000, 4, Path("here"))


def test_secrets_are_read_from_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("persona.settings.SECRETS", tmp_path / "secrets")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "persona_database_url").write_text("postgresql://persona:word@db/persona\n")
    (tmp_path / "secrets" / "of_another_program").write_text("x")
    Path("persona.toml").write_text("database_url = 'sqlite:///here.db'\nport = 1000\n")
    assert load_settings().url == "postgresql://persona:word@db/persona"
    assert load_settings().port == 1000
    monkeypatch.setenv("PERSONA_DATABASE_URL", "sqlite:///there.db")
    assert load_settings().url == "sqlite:///there.db"
    (tmp_path / "secrets" / "persona_port").write_text("eighty")
    with pytest.raises(BadInput, match="secrets/persona_port: "):
        load_settings()


@pytest.mark.parametrize("nothing", ["", "none", "None"])
def test_an_empty_variable_means_unset(nothing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATASETS", "DATABASE_URL", "THREADS"):
        monkeypatch.setenv(f"PERSONA_{name}", nothing)
    settings = load_settings()
    assert settings.datasets is None
    assert settings.threads is None
    assert settings.url.startswith("sqlite:///")


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("PORT", "abc", "port to serve on"),
        ("PORT", "70000", "port to serve on"),
        ("WORKERS", "0", "serving processes"),
        ("DEVICE", "tpu", "auto, cpu, cuda"),
        ("SEED", "-1", "random"),
        ("THREADS", "many", "CPU threads"),
    ],
)
def test_a_wrong_variable_is_named_with_what_it_may_be(
    name: str, value: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"PERSONA_{name}", value)
    with pytest.raises(BadInput, match=rf"^PERSONA_{name} \(environment\): .*'{value}'.*{says}"):
        load_settings()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("port = 'abc'", r"port \(persona.toml\): .*valid integer"),
        ("prot = 8000", r"prot \(persona.toml\): unknown setting; there are home, .*port"),
        ("port = ", r"persona.toml: is not valid TOML: Invalid value"),
    ],
)
def test_a_wrong_line_of_the_file_is_named(text: str, says: str) -> None:
    Path("persona.toml").write_text(text)
    with pytest.raises(BadInput, match=says):
        load_settings()


def test_a_wrong_argument_is_named_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERSONA_PORT", "1")
    with pytest.raises(BadInput, match=r"^port: "):
        load_settings(port=-1)


def test_every_setting_says_what_it_is() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


@pytest.mark.parametrize("name", ["CORS_ORIGINS", "ARMS"])
def test_a_list_that_is_no_json_is_named_with_an_example(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"PERSONA_{name}", "https://shop.example")
    with pytest.raises(BadInput, match=rf"^PERSONA_{name} \(environment\): is no JSON: .*such as"):
        load_settings()
