"""Settings: the only reader of the environment.

Every setting is an environment variable with the prefix `WIDGETSVC_`. Unknown names and bad values stop the
start with a list of all faults, so that a typo never runs as a default.
"""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from platformdirs import user_data_path
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from widgetsvc.errors import ConfigurationError

PREFIX = "WIDGETSVC_"
_MIN_SECRET_BYTES = 32


def _base_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be a URL such as https://w.example.com")
    if parts.path not in {"", "/"} or parts.query or parts.fragment or parts.username:
        raise ValueError("must be scheme, host and port only; the service lives at the root of an origin")
    return text.removesuffix("/")


def _database_url(text: str) -> str:
    if not text.startswith("sqlite:///"):
        raise ValueError("must begin with sqlite:///, the only database this version runs on")
    return text


def _secret(text: str) -> str:
    if len(text.encode()) < _MIN_SECRET_BYTES:
        raise ValueError(f"must have at least {_MIN_SECRET_BYTES} bytes; `openssl rand -hex 32` prints one")
    if len(set(text)) < 8:
        raise ValueError("is too regular to be a secret; `openssl rand -hex 32` prints one")
    return text


BaseUrl = Annotated[str, AfterValidator(_base_url)]


class Settings(BaseModel):
    """What the operator decides. Field names are the variables' names, lower case and without the prefix."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    data_dir: Path = Field(default_factory=lambda: user_data_path("widgetsvc"))
    """Where the SQLite file, the secret and the installed bundle live."""

    database_url: Annotated[str, AfterValidator(_database_url)] = ""
    """SQLAlchemy URL; by default a SQLite file in the data folder."""

    cache_url: Literal["memory://"] = "memory://"
    """Where minted tokens are kept: in each process."""

    public_url: BaseUrl = "http://127.0.0.1:8080"
    """The origin at which browsers reach the service."""

    secret_key: Annotated[str, AfterValidator(_secret), Field(repr=False)] = ""
    """From which all other secrets are derived; made and kept in the data folder where it is not given."""

    elements_dir: Path = Path("node_modules/cronofy-elements/dist")
    """Folder of the UI Elements bundle; without it pages load the bundle from Cronofy's CDN."""

    cronofy_client_id: str | None = None
    """With the secret: use Cronofy's cloud instead of the embedded backend."""

    cronofy_client_secret: Annotated[str | None, Field(repr=False)] = None
    """The application's client secret, which is also its API key."""

    cronofy_data_center: Literal["us", "au", "ca", "de", "sg", "uk"] = "us"
    """Where the Cronofy application lives."""

    cronofy_api_url: BaseUrl | None = None
    """Another address of Cronofy's API than the data center's."""

    rate_limit: Literal["on", "off"] = "on"
    """`off` for load tests."""

    trusted_proxies: Annotated[int, Field(ge=0, le=10)] = 0
    """How many proxies in front of the service set X-Forwarded-For and X-Forwarded-Proto."""

    log_format: Literal["text", "json"] = "text"
    """`json` for machines, one object a line."""

    @model_validator(mode="after")
    def _credentials_come_in_pairs(self) -> Self:
        if (self.cronofy_client_id is None) != (self.cronofy_client_secret is None):
            raise ValueError(
                f"{PREFIX}CRONOFY_CLIENT_ID and {PREFIX}CRONOFY_CLIENT_SECRET: "
                "give both for Cronofy's cloud, or neither for the embedded backend"
            )
        if self.cronofy_api_url is not None and self.cronofy_client_id is None:
            raise ValueError(
                f"{PREFIX}CRONOFY_API_URL: needs {PREFIX}CRONOFY_CLIENT_ID and {PREFIX}CRONOFY_CLIENT_SECRET"
            )
        return self

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None, **overrides: object) -> Self:
        """Read the settings; `overrides` (from a command line) win over the environment.

        Raises ConfigurationError with every fault.
        """
        given = os.environ if environment is None else environment
        values: dict[str, object] = {
            name.removeprefix(PREFIX).lower(): text for name, text in given.items() if name.startswith(PREFIX)
        }
        values |= {name: value for name, value in overrides.items() if value is not None}
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise ConfigurationError(_faults(error)) from None

    @property
    def is_cloud(self) -> bool:
        """Whether Cronofy's cloud stands behind the service."""
        return self.cronofy_client_id is not None

    @property
    def api_url(self) -> str:
        """Where browsers and the gateway find Cronofy's API."""
        if not self.is_cloud:
            return self.public_url
        center = "" if self.cronofy_data_center == "us" else f"-{self.cronofy_data_center}"
        return self.cronofy_api_url or f"https://api{center}.cronofy.com"

    @property
    def effective_database_url(self) -> str:
        """The database's URL with its default filled in."""
        return self.database_url or f"sqlite:///{self.data_dir.absolute() / 'widgetsvc.sqlite3'}"


def _faults(error: ValidationError) -> list[str]:
    faults = []
    for fault in error.errors(include_url=False, include_input=False):
        message = fault["msg"].removeprefix("Value error, ")
        if not fault["loc"]:
            faults.append(message)
            continue
        name = f"{PREFIX}{str(fault['loc'][0]).upper()}"
        if fault["type"] == "extra_forbidden":
            message = "is not a setting of this version"
        faults.append(f"{name}: {message.replace('Input should be', 'must be')}")
    return faults


@dataclass(frozen=True, slots=True)
class SecretFile:
    """The service's secret in the data folder, made at the first start and readable by its owner only."""

    path: Path

    def read_or_create(self) -> str:
        """Return the secret. Of two processes that start at once, one makes it and both read it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return _secret(self.path.read_text().strip())
        with os.fdopen(descriptor, "w") as file:
            secret = secrets.token_hex(_MIN_SECRET_BYTES)
            file.write(f"{secret}\n")
        return secret


def secret_key_of(settings: Settings) -> bytes:
    """The service's secret as bytes: the setting, or what the data folder keeps.

    Raises ConfigurationError where the kept file does not hold one.
    """
    if settings.secret_key:
        return settings.secret_key.encode()
    file = SecretFile(settings.data_dir / "secret_key")
    try:
        return file.read_or_create().encode()
    except ValueError as error:
        raise ConfigurationError([f"{file.path}: {error}"]) from None
