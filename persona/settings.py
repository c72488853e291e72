"""One Settings object: `PERSONA_*` in the environment, then `persona.toml` in the working directory, then defaults."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from persona.errors import BadInput

CHECKOUT = Path(__file__).resolve().parents[1]
PREFIX = "PERSONA_"
FILE = "persona.toml"


def _datasets() -> Path | None:
    """The data folder beside the checkout, which developers have; None for everybody else."""
    beside = CHECKOUT.parent / "shared" / "data"
    return beside if beside.is_dir() else None


Signature = Literal["es256", "es384", "es512", "ps256", "ps384", "ps512", "ed25519"]


class Settings(BaseSettings):
    """Everything that can be set, with its default. Paths may be relative to the working directory.

    A value of the wrong kind raises pydantic's ValidationError; `load_settings` says it in words for a person.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, toml_file=FILE, extra="forbid", frozen=True)

    home: Path = Field(default=Path(".persona"), description="where the database and the pictures live")
    database_url: str | None = Field(
        default=None,
        description="SQLAlchemy URL of the store, sqlite:// or postgresql+psycopg://; unset: SQLite in home",
    )
    models: Path = Field(default=CHECKOUT / "data" / "models", description="folder of the model folders")
    demo: Path = Field(default=CHECKOUT / "data" / "demo", description="folder of the demo catalogue")
    datasets: Path | None = Field(
        default_factory=_datasets, description="folder with clothing.zip and the like; unset or empty: none"
    )
    host: str = Field(default="127.0.0.1", min_length=1, description="address to serve on")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(default=8000, description="port to serve on; 0: any free one")
    device: str = Field(
        default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="auto, cpu, cuda or cuda:N, for the models"
    )
    threads: Annotated[int, Field(ge=1, le=1024)] | None = Field(
        default=None, description="CPU threads of the models; unset: one for each core"
    )
    seed: Annotated[int, Field(ge=0, lt=2**63)] = Field(default=0, description="that everything random comes from")
    workers: Annotated[int, Field(ge=1, le=64)] = Field(default=1, description="serving processes")
    c2pa_certificate: Path | None = Field(
        default=None, description="certificate chain (PEM) that made-up photos are signed with; unset: not signed"
    )
    c2pa_key: Path | None = Field(default=None, description="its private key (PEM, PKCS 8)")
    c2pa_algorithm: Signature = Field(default="es256", description="what the key signs by")

    @field_validator("database_url", "datasets", "threads", "c2pa_certificate", "c2pa_key", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: Any) -> Any:
        return None if isinstance(value, str) and value.strip().lower() in ("", "none") else value

    @property
    def url(self) -> str:
        """URL of the store's database."""
        return self.database_url or f"sqlite:///{self.home.absolute() / 'persona.db'}"

    @property
    def torch_device(self) -> str:
        """Where models live: the setting's device; auto: the graphics card where there is one."""
        import torch  # only here: settings are read by commands that need no torch

        return ("cuda" if torch.cuda.is_available() else "cpu") if self.device == "auto" else self.device

    @property
    def pictures(self) -> Path:
        """Folder of the content-addressed picture files."""
        return self.home / "pictures"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What comes first wins: arguments, environment, file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def load_settings(**given: Any) -> Settings:
    """Read the settings; given: values that win over environment and file (None is left out).

    Raises BadInput, naming the variable or the key of persona.toml, and what it may be.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except tomllib.TOMLDecodeError as error:
        raise BadInput(FILE, f"is not valid TOML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else "settings"
        raise BadInput(_place(name, given), _explain(name, first["msg"], first["input"])) from error


def _place(name: str, given: dict[str, Any]) -> str:
    """Where a setting was set, as its user would write it."""
    if given.get(name) is not None:
        return name
    variables = {variable.upper(): variable for variable in os.environ}
    variable = variables.get(f"{PREFIX}{name}".upper())
    return f"{variable} (environment)" if variable else f"{name} ({FILE})"


def _explain(name: str, message: str, value: object) -> str:
    field = Settings.model_fields.get(name)
    if field is None:
        return f"unknown setting; there are {', '.join(Settings.model_fields)}"
    return f"{message}, not {value!r}. It is: {field.description}"
