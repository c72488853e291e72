"""What deploys the service is text that no test can run here: linters read it, and it is held against the program."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from persona.cli import main
from persona.cli.command import commands
from persona.settings import CHECKOUT, PREFIX, Settings

DEPLOY = CHECKOUT / ".deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "persona"}


def tool(name: str) -> str:
    """A linter of this environment."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


@pytest.mark.parametrize(
    "command",
    [
        ["hadolint", "--failure-threshold", "style", DEPLOY / "Dockerfile"],
        ["check-jsonschema", "--builtin-schema", "vendor.compose-spec", DEPLOY / "compose.yaml"],
    ],
    ids=["Dockerfile", "compose.yaml"],
)
def test_linters_find_nothing(command: list[Any]) -> None:
    done = subprocess.run([tool(command[0]), *command[1:]], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_copied_into_the_image_is_there_and_not_ignored() -> None:
    wanted = {
        part
        for line in DOCKERFILE.splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for part in line.split()[1:-1]
    }
    assert wanted >= {"persona", "migrations", "data/models", "pyproject.toml"}
    assert [path for path in wanted if not (CHECKOUT / path).exists()] == []
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    let_in = {line[1:] for line in ignored if line.startswith("!")}
    assert [path for path in wanted if not any(part.startswith(path) for part in let_in)] == []
    assert [path for path in let_in if not (CHECKOUT / path).exists()] == []
    assert "*" in ignored  # so that no secret or database gets in


def test_the_image_runs_as_nobody_in_particular_and_says_how_it_is() -> None:
    final = DOCKERFILE.split("\nFROM ")[-1]
    assert "\nUSER 10001:10001\n" in final
    assert "/readyz" in final.split("HEALTHCHECK")[1]
    assert 'ENTRYPOINT ["persona"]' in final


def test_settings_and_commands_of_the_deployment_exist() -> None:
    said = [line.strip().removeprefix("ENV ").split("=")[0] for line in DOCKERFILE.splitlines() if PREFIX in line]
    said += [name for service in OURS.values() for name in service.get("environment", {})]
    said += [name.upper() for name in COMPOSE["secrets"] if name.startswith(PREFIX.lower())]
    assert said
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    assert set(said) <= known
    told = {f"persona {' '.join(service['command'])}" for service in OURS.values()}
    assert told == {"persona serve", "persona db upgrade", "persona privacy sweep"}
    assert told <= set(commands(main))


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_hardened(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert name == "db" or service["user"].split(":")[0] not in ("0", "root")
    assert "privileged" not in service
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
    assert ":" in service["image"] or service["image"] == "persona"  # a version is named
    stated = service.get("environment", {}).items()
    assert all(str(value).startswith("/run/secrets/") for name, value in stated if "PASSWORD" in name or "URL" in name)
    assert set(service.get("secrets", ())) <= set(COMPOSE["secrets"])
    volumes = {volume.split(":")[0] for volume in service.get("volumes", ()) if not volume.startswith(".")}
    assert volumes <= set(COMPOSE["volumes"])


def test_the_database_is_reached_from_within_alone() -> None:
    assert SERVICES["db"]["networks"] == ["data"]
    assert COMPOSE["networks"]["data"]["internal"]
    assert "ports" not in SERVICES["db"]


def test_prometheus_asks_for_what_there_is() -> None:
    (job,) = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"]
    assert job["authorization"]["credentials_file"].rsplit("/", 1)[1] in SERVICES["prometheus"]["secrets"]
    (target,) = job["static_configs"][0]["targets"]
    host, port = target.split(":")
    assert host in SERVICES
    assert f"EXPOSE {port}" in DOCKERFILE
    assert "./prometheus.yml:/etc/prometheus/prometheus.yml:ro" in SERVICES["prometheus"]["volumes"]


def test_secrets_are_not_in_the_repository() -> None:
    assert "/.deploy/secrets/" in (CHECKOUT / ".gitignore").read_text().splitlines()
    assert all(secret["file"].startswith("./secrets/") for secret in COMPOSE["secrets"].values())
