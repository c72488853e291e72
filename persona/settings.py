"""Settings: `PERSONA_*` in the environment, files of these names in /run/secrets, `persona.toml`, then defaults."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from persona.errors import BadInput

CHECKOUT = Path(__file__).resolve().parents[1]
PREFIX = "PERSONA_"
FILE = "persona.toml"
SECRETS = Path("/run/secrets")  # where containers find what does not belong into an environment


def _datasets() -> Path | None:
    """The data folder beside the checkout, which developers have; None for everybody else."""
    beside = CHECKOUT.parent / "shared" / "data"
    return beside if beside.is_dir() else None


Days = Annotated[int, Field(ge=1, le=36500)]
Signature = Literal["es256", "es384", "es512", "ps256", "ps384", "ps512", "ed25519"]


class Arm(BaseModel):
    """One arm of an A/B split. share: of the users, by a hash of their id, relative to the other arms."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    share: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    taste: str = "taste-garment"
    generator: str = "garment-64"


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
    analyst_url: str | None = Field(
        default=None,
        description="URL of a PostgreSQL store with a login that `persona analyze role` made; unset: no SQL of "
        "analysts' own on PostgreSQL",
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
    in_flight: Annotated[int, Field(ge=1, le=4096)] = Field(
        default=64, description="requests that a worker works on at once; what comes on top is told to come again (429)"
    )
    deadline: Annotated[float, Field(gt=0, le=600)] = Field(
        default=30.0, description="seconds from its arrival within which a request is answered, else it gets a 504"
    )
    batch_most: Annotated[int, Field(ge=1, le=256)] = Field(
        default=8, description="pictures that a model is given at once at most; another number, other pixels"
    )
    batch_wait_ms: Annotated[float, Field(ge=0, le=1000)] = Field(
        default=40.0,
        description="milliseconds that a picture waits for others to be drawn with, at most; a lone one does not wait",
    )
    queue_most: Annotated[int, Field(ge=1, le=100_000)] = Field(
        default=256,
        description="pictures that wait for a model at most; who asks for more is told to come again (429)",
    )
    cache_mb: Annotated[int, Field(ge=0)] = Field(
        default=512, description="MiB of drawn garments that are kept on disk, the last used ones; 0: none"
    )
    access: Literal["auto", "keys", "open"] = Field(
        default="auto",
        description="keys: callers need an API key; open: none, only on loopback; auto: open on loopback, else keys",
    )
    jwt_key: Path | None = Field(
        default=None, description="public key (PEM) of your tokens for end users, or a file with a secret of 32 bytes"
    )
    jwt_algorithm: Literal["HS256", "RS256", "ES256", "EdDSA"] = Field(
        default="ES256", description="what those tokens are signed by"
    )
    jwt_issuer: str | None = Field(default=None, description="the tokens' issuer (iss), where it must be this one")
    jwt_audience: str | None = Field(default=None, description="the tokens' audience (aud), where it must be this one")
    rate_limit: str = Field(
        default="6000/minute",
        description="requests that one key may send to a worker, such as 100/second; empty: any",
    )
    rate_limit_storage: str = Field(
        default="memory://", description="where they are counted; redis://HOST:PORT counts for all workers and replicas"
    )
    cors_origins: tuple[str, ...] = Field(
        default=(), description='origins of web apps that may call the API, such as ["https://shop.example"]'
    )
    log_format: Literal["text", "json"] = Field(default="text", description="of the log on standard error")
    otel_endpoint: str | None = Field(
        default=None,
        description="OTLP/HTTP address of a collector of traces (needs persona[otel]); unset: no traces",
    )
    arms: dict[Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$")], Arm] = Field(
        default={},
        description='A/B split of the users between model folders, such as {"a": {"share": 0.9}, "b": {"share": 0.1, '
        '"generator": "garment-128"}}',
    )
    keep_events_days: Days | None = Field(
        default=None, description="days that events are kept; `persona privacy sweep` erases older ones"
    )
    keep_generations_days: Days | None = Field(
        default=None, description="days that generated pictures are kept that nobody did anything with"
    )
    keep_idle_users_days: Days | None = Field(
        default=None, description="days after a user's last event or change when they are erased"
    )
    keep_audit_days: Days | None = Field(default=365, description="days that the audit log is kept")
    c2pa_certificate: Path | None = Field(
        default=None, description="certificate chain (PEM) that made-up photos are signed with; unset: not signed"
    )
    c2pa_key: Path | None = Field(default=None, description="its private key (PEM, PKCS 8)")
    c2pa_algorithm: Signature = Field(default="es256", description="what the key signs by")

    @field_validator(
        "database_url", "analyst_url", "datasets", "threads", "c2pa_certificate", "c2pa_key", mode="before"
    )
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
        file = TomlConfigSettingsSource(settings_cls)
        if not SECRETS.is_dir():
            return init_settings, env_settings, file
        return init_settings, env_settings, SecretsSettingsSource(settings_cls, secrets_dir=SECRETS), file


def load_settings(**given: Any) -> Settings:
    """Read the settings; given: values that win over environment and file (None is left out).

    Raises BadInput, naming the variable or the key of persona.toml, and what it may be.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except tomllib.TOMLDecodeError as error:
        raise BadInput(FILE, f"is not valid TOML: {error}") from error
    except SettingsError as error:  # a list or an object that is no JSON
        name = str(error).split('"')[1]
        said = os.environ.get(_variable(name), "")
        raise BadInput(_place(name, given), f"is no JSON: {_explain(name, str(error.__cause__), said)}") from error
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else "settings"
        raise BadInput(_place(name, given), _explain(name, first["msg"], first["input"])) from error


def _place(name: str, given: dict[str, Any]) -> str:
    """Where a setting was set, as its user would write it."""
    if given.get(name) is not None:
        return name
    if variable := _variable(name):
        return f"{variable} (environment)"
    secret = SECRETS / f"{PREFIX}{name}".lower()
    return str(secret) if secret.is_file() else f"{name} ({FILE})"


def _variable(name: str) -> str:
    """The environment variable that sets a setting, in whatever case it is written; empty where there is none."""
    variables = {variable.upper(): variable for variable in os.environ}
    return variables.get(f"{PREFIX}{name}".upper(), "")


def _explain(name: str, message: str, value: object) -> str:
    field = Settings.model_fields.get(name)
    if field is None:
        return f"unknown setting; there are {', '.join(Settings.model_fields)}"
    return f"{message}, not {value!r}. It is: {field.description}"
