"""Settings: the only reader of the environment.

Every setting is an environment variable with the prefix `WIDGETSVC_`. Unknown names and bad values stop the
start with a list of all faults, so that a typo never runs as a default.
"""

import os
import secrets
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from limits import parse_many
from platformdirs import user_data_path
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from widgetsvc.errors import ConfigurationError
from widgetsvc.urls import origin_of

PREFIX = "WIDGETSVC_"
_MIN_SECRET_BYTES = 32

MEMORY_CACHE = "memory://"
"""The address of no cache but the processes' own."""


def _base_url(text: str) -> str:
    """Return the origin as browsers write it, which is what their `Origin` header is compared with."""
    origin = origin_of(text)
    if origin is None:
        raise ValueError("must be a URL such as https://w.example.com")
    parts = urlsplit(text)
    if parts.path not in {"", "/"} or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("must be scheme, host and port only; the service lives at the root of an origin")
    return origin


def _database_url(text: str) -> str:
    try:
        url = make_url(text)
    except ArgumentError:
        raise ValueError("must be sqlite:///path/of/a/file or postgresql+psycopg://user@host/name") from None
    if url.drivername == "postgresql+psycopg" and url.database:
        return text
    if not text.startswith("sqlite:///") or url.database in {None, "", ":memory:"}:
        raise ValueError("must be sqlite:///path/of/a/file or postgresql+psycopg://user@host/name")
    return text


def _cache_url(text: str) -> str:
    parts = urlsplit(text)
    if text != MEMORY_CACHE and not (parts.scheme in {"redis", "rediss"} and parts.hostname):
        raise ValueError("must be memory://, or redis://host:6379/0 (rediss:// with TLS)")
    return text


def _secret(text: str) -> str:
    if len(text.encode()) < _MIN_SECRET_BYTES:
        raise ValueError(f"must have at least {_MIN_SECRET_BYTES} bytes; `openssl rand -hex 32` prints one")
    if len(set(text)) < 8:
        raise ValueError("is too regular to be a secret; `openssl rand -hex 32` prints one")
    return text


def _secrets(given: object) -> object:
    if not isinstance(given, str):
        return given
    return tuple(_secret(text.strip()) for text in given.split(","))


def _rate_limits(text: str) -> str:
    try:
        parse_many(text)
    except ValueError:
        raise ValueError("must be limits such as 50/second;500/minute") from None
    return text


BaseUrl = Annotated[str, AfterValidator(_base_url)]


class Settings(BaseModel):
    """What the operator decides. Field names are the variables' names, lower case and without the prefix."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    data_dir: Path = Field(default_factory=lambda: user_data_path("widgetsvc"))
    """Where the SQLite file, the secret and the installed bundle live."""

    database_url: Annotated[str, AfterValidator(_database_url), Field(repr=False)] = ""
    """SQLAlchemy URL, `postgresql+psycopg://…` beyond one machine; by default SQLite in the data folder."""

    cache_url: Annotated[str, AfterValidator(_cache_url), Field(repr=False)] = MEMORY_CACHE
    """Where minted tokens are kept: in each process, with `redis://…` also where all processes find them."""

    token_cache_size: Annotated[int, Field(ge=1, le=10_000_000)] = 100_000
    """How many tokens each process keeps, of about 1 kB each."""

    public_url: BaseUrl = "http://127.0.0.1:8080"
    """The origin at which browsers reach the service."""

    secret_key: Annotated[str, AfterValidator(_secret), Field(repr=False)] = ""
    """From which all other secrets are derived; made and kept in the data folder where it is not given."""

    secret_key_fallbacks: Annotated[tuple[str, ...], BeforeValidator(_secrets), Field(repr=False)] = ()
    """Older secrets, comma separated: what they made is still read, but nothing new is made with them."""

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

    cronofy_rate_limits: Annotated[str, AfterValidator(_rate_limits)] = "50/second;500/minute"
    """How much may be asked of Cronofy's cloud, by all processes together where `cache_url` is Redis."""

    rate_limit: Literal["on", "off"] = "on"
    """`off` for load tests."""

    rate_limits_address: Annotated[str, AfterValidator(_rate_limits)] = "1200/minute"
    """How many tokens, frames and hosted pages (of each) a client address may ask for; `;` joins several."""

    rate_limits_key: Annotated[str, AfterValidator(_rate_limits)] = "60000/minute"
    """How many tokens, and how many frames, may be asked for with one tenant's keys."""

    rate_limits_origin: Annotated[str, AfterValidator(_rate_limits)] = "30000/minute"
    """How many tokens one tenant's pages of one origin may ask for."""

    rate_limits_manage: Annotated[str, AfterValidator(_rate_limits)] = "600/minute"
    """How many management requests may be made with one secret key."""

    api_rate_limits: Annotated[str, AfterValidator(_rate_limits)] = "50/second;500/minute"
    """How many requests each application may make to the embedded backend, in each process."""

    allow_private_callbacks: Literal["on", "off"] = "off"
    """`on` for development: callbacks may go to http addresses and into the own network."""

    metrics_token: Annotated[str | None, AfterValidator(_secret), Field(repr=False)] = None
    """What `/metrics` asks for, as `Authorization: Bearer`; without it everybody may read them."""

    trusted_proxies: Annotated[int, Field(ge=0, le=10)] = 0
    """How many proxies in front of the service set X-Forwarded-For and X-Forwarded-Proto."""

    log_format: Literal["text", "json"] = "text"
    """`json` for machines, one object a line."""

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
        empty = [name for name, value in values.items() if isinstance(value, str) and not value.strip()]
        values = {name: value for name, value in values.items() if name not in empty}
        faults = [f"{_variable(name)}: is empty; give it a value or leave it out" for name in empty]
        faults += _pair_faults(values)
        try:
            settings = cls.model_validate(values)
        except ValidationError as error:
            faults += _faults(error)
        if faults:
            raise ConfigurationError(faults)
        return settings

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


def _variable(name: str) -> str:
    return f"{PREFIX}{name.upper()}"


def _pair_faults(given: Collection[str]) -> list[str]:
    """What is wrong with the settings that go together, by the names of those that are given."""
    client_id, secret = _variable("cronofy_client_id"), _variable("cronofy_client_secret")
    known = [name for name in ("cronofy_client_id", "cronofy_client_secret") if name in given]
    faults = []
    if len(known) == 1:
        faults.append(
            f"{client_id} and {secret}: give both for Cronofy's cloud, or neither for the embedded backend"
        )
    if "cronofy_api_url" in given and not known:
        faults.append(f"{_variable('cronofy_api_url')}: needs {client_id} and {secret}")
    return faults


def _faults(error: ValidationError) -> list[str]:
    faults = []
    for fault in error.errors(include_url=False, include_input=False):
        message = fault["msg"].removeprefix("Value error, ")
        if not fault["loc"]:
            faults.append(message)
            continue
        name = _variable(str(fault["loc"][0]))
        if fault["type"] == "extra_forbidden":
            message = "is not a setting of this version"
        faults.append(f"{name}: {message.replace('Input should be', 'must be')}")
    return faults


@dataclass(frozen=True, slots=True)
class SecretFile:
    """The service's secret in the data folder, made at the first start and readable by its owner only.

    It is the first line; older ones that it has replaced may stand below, one a line.
    """

    path: Path

    def read_or_create(self) -> tuple[str, ...]:
        """Return the secrets. Of two processes that start at once, one makes it and both read it.

        Raises ValueError where a line is no secret.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if not self.path.exists():
            # Of two links the second fails.
            with self._written(_new_secret()) as temporary, suppress(FileExistsError):
                os.link(temporary, self.path)
        return tuple(_secret(line.strip()) for line in self.path.read_text().strip().split("\n"))

    def rotate(self) -> None:
        """Put a new secret in front of those there are. Raises ValueError where a line is no secret."""
        with self._written(_new_secret(), *self.read_or_create()) as temporary:
            temporary.rename(self.path)

    @contextmanager
    def _written(self, *lines: str) -> Iterator[Path]:
        """A file beside (as 0600), to be put into place: nobody who starts now reads half of one."""
        descriptor, name = tempfile.mkstemp(dir=self.path.parent)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.writelines(f"{line}\n" for line in lines)
            yield Path(name)
        finally:
            Path(name).unlink(missing_ok=True)


def _new_secret() -> str:
    return secrets.token_hex(_MIN_SECRET_BYTES)


def secret_file_of(settings: Settings) -> SecretFile:
    """Where the secret is kept unless it is a setting."""
    return SecretFile(settings.data_dir / "secret_key")


def secret_keys_of(settings: Settings) -> tuple[bytes, ...]:
    """The service's secrets as bytes: the current one, from the setting or the data folder, and older ones.

    To replace the current one, make it a fallback of a new one, and restart. `widgetsvc db reencrypt` brings
    all that is stored under the new one; once the last element token of the old one is over (18 hours), it
    can be dropped. Raises ConfigurationError where the kept file does not hold secrets.
    """
    fallbacks = settings.secret_key_fallbacks
    if settings.secret_key:
        return tuple(secret.encode() for secret in (settings.secret_key, *fallbacks))
    file = secret_file_of(settings)
    try:
        return tuple(secret.encode() for secret in (*file.read_or_create(), *fallbacks))
    except ValueError as error:
        raise ConfigurationError([f"{file.path}: {error}"]) from None


_METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"


def share_metrics(folder: Path) -> None:
    """Have the processes that this one starts keep their metrics in one folder, which is emptied first."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    # The name is the library's, and the environment the one way to tell it.
    os.environ[_METRICS_FOLDER] = str(folder)


def shared_metrics() -> str | None:
    """The folder in which all processes keep their metrics; None where there is one process."""
    return os.environ.get(_METRICS_FOLDER)
