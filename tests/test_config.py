"""Settings: what can be decided, what is refused, and where the secret is kept."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from widgetsvc.config import SecretFile, Settings, secret_file_of, secret_keys_of
from widgetsvc.errors import ConfigurationError

SECRET = "0123456789abcdef" * 4
OLDER, OLDEST = "fedcba9876543210" * 4, "0f1e2d3c4b5a6978" * 4
CLOUD = {"WIDGETSVC_CRONOFY_CLIENT_ID": "client", "WIDGETSVC_CRONOFY_CLIENT_SECRET": "kept to ourselves"}

EVERY_SETTING = {
    "WIDGETSVC_DATA_DIR": "/srv/widgetsvc",
    "WIDGETSVC_DATABASE_URL": "sqlite:////srv/other.sqlite3",
    "WIDGETSVC_CACHE_URL": "memory://",
    "WIDGETSVC_TOKEN_CACHE_SIZE": "5000",
    "WIDGETSVC_PUBLIC_URL": "https://w.example.com/",
    "WIDGETSVC_SECRET_KEY": SECRET,
    "WIDGETSVC_SECRET_KEY_FALLBACKS": f"{OLDER}, {OLDEST}",
    "WIDGETSVC_ELEMENTS_DIR": "/srv/elements",
    "WIDGETSVC_CRONOFY_CLIENT_ID": "client",
    "WIDGETSVC_CRONOFY_CLIENT_SECRET": "kept to ourselves",
    "WIDGETSVC_CRONOFY_DATA_CENTER": "uk",
    "WIDGETSVC_CRONOFY_API_URL": "https://cronofy.example.com",
    "WIDGETSVC_RATE_LIMIT": "off",
    "WIDGETSVC_RATE_LIMITS_ADDRESS": "10/second",
    "WIDGETSVC_RATE_LIMITS_KEY": "20/second",
    "WIDGETSVC_RATE_LIMITS_ORIGIN": "30/second",
    "WIDGETSVC_RATE_LIMITS_MANAGE": "40/second",
    "WIDGETSVC_METRICS_TOKEN": OLDEST,
    "WIDGETSVC_API_RATE_LIMITS": "5/second;50/minute",
    "WIDGETSVC_CRONOFY_RATE_LIMITS": "5/second;50/minute",
    "WIDGETSVC_ALLOW_PRIVATE_CALLBACKS": "on",
    "WIDGETSVC_TRUSTED_PROXIES": "2",
    "WIDGETSVC_LOG_FORMAT": "json",
}


def faults(environment: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_environment(environment)
    return list(caught.value.faults)


def named(environment: dict[str, str]) -> set[str]:
    return {fault.partition(":")[0] for fault in faults(environment)}


def test_without_any_setting_the_embedded_backend_serves_on_this_machine() -> None:
    settings = Settings.from_environment({})

    assert not settings.is_cloud
    assert settings.public_url == settings.api_url == "http://127.0.0.1:8080"
    assert settings.data_dir.name == "widgetsvc"
    assert settings.data_dir.is_absolute()
    assert settings.effective_database_url == f"sqlite:///{settings.data_dir / 'widgetsvc.sqlite3'}"
    assert settings.cache_url == "memory://"
    assert settings.api_rate_limits == "50/second;500/minute"
    assert settings.allow_private_callbacks == "off"
    assert (settings.rate_limit, settings.log_format, settings.trusted_proxies) == ("on", "text", 0)


def test_every_setting_is_read() -> None:
    settings = Settings.from_environment(EVERY_SETTING)

    assert {name.removeprefix("WIDGETSVC_").lower() for name in EVERY_SETTING} == set(Settings.model_fields)
    assert settings.model_fields_set == set(Settings.model_fields)
    assert settings.model_dump() == {
        "data_dir": Path("/srv/widgetsvc"),
        "database_url": "sqlite:////srv/other.sqlite3",
        "cache_url": "memory://",
        "token_cache_size": 5_000,
        "public_url": "https://w.example.com",
        "secret_key": SECRET,
        "secret_key_fallbacks": (OLDER, OLDEST),
        "elements_dir": Path("/srv/elements"),
        "cronofy_client_id": "client",
        "cronofy_client_secret": "kept to ourselves",
        "cronofy_data_center": "uk",
        "cronofy_api_url": "https://cronofy.example.com",
        "cronofy_rate_limits": "5/second;50/minute",
        "rate_limit": "off",
        "rate_limits_address": "10/second",
        "rate_limits_key": "20/second",
        "rate_limits_origin": "30/second",
        "rate_limits_manage": "40/second",
        "api_rate_limits": "5/second;50/minute",
        "metrics_token": OLDEST,
        "allow_private_callbacks": "on",
        "trusted_proxies": 2,
        "log_format": "json",
    }
    assert settings.effective_database_url == "sqlite:////srv/other.sqlite3"


def test_the_process_environment_is_read_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WIDGETSVC_LOG_FORMAT", "json")

    assert Settings.from_environment().log_format == "json"


def test_names_without_the_prefix_belong_to_other_programs() -> None:
    assert Settings.from_environment({"LOG_FORMAT": "xml", "PATH": "/bin"}).log_format == "text"


def test_a_command_line_wins_over_the_environment() -> None:
    environment = {"WIDGETSVC_LOG_FORMAT": "json", "WIDGETSVC_RATE_LIMIT": "off"}

    settings = Settings.from_environment(environment, log_format="text", rate_limit=None)

    assert (settings.log_format, settings.rate_limit) == ("text", "off")


def test_a_relative_data_folder_names_the_same_database_from_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    settings = Settings.from_environment({"WIDGETSVC_DATA_DIR": "data"})

    assert settings.effective_database_url == f"sqlite:///{tmp_path / 'data' / 'widgetsvc.sqlite3'}"


BAD_VALUES = [
    ("WIDGETSVC_DATABASE_URL", "mysql://localhost/widgetsvc"),
    ("WIDGETSVC_CACHE_URL", "memcached://localhost"),
    ("WIDGETSVC_TOKEN_CACHE_SIZE", "0"),
    ("WIDGETSVC_TOKEN_CACHE_SIZE", "many"),
    ("WIDGETSVC_PUBLIC_URL", "w.example.com"),
    ("WIDGETSVC_PUBLIC_URL", "ftp://w.example.com"),
    ("WIDGETSVC_PUBLIC_URL", "https://w.example.com/prefix"),
    ("WIDGETSVC_PUBLIC_URL", "https://w.example.com?a=b"),
    ("WIDGETSVC_PUBLIC_URL", "https://user@w.example.com"),
    ("WIDGETSVC_PUBLIC_URL", "https://"),
    ("WIDGETSVC_PUBLIC_URL", "https://w.example.com:99999"),
    ("WIDGETSVC_PUBLIC_URL", "https://w.example.com:http"),
    ("WIDGETSVC_PUBLIC_URL", "https://w.example.com; script-src *"),
    ("WIDGETSVC_PUBLIC_URL", "https://w.example.com,https://x.example.com"),
    ("WIDGETSVC_SECRET_KEY", "a" * 31),
    ("WIDGETSVC_SECRET_KEY", "a" * 64),
    ("WIDGETSVC_SECRET_KEY", "abcdefg" * 10),
    ("WIDGETSVC_SECRET_KEY_FALLBACKS", "a" * 31),
    ("WIDGETSVC_SECRET_KEY_FALLBACKS", f"{OLDER},"),
    ("WIDGETSVC_SECRET_KEY_FALLBACKS", f"{OLDER},{'a' * 64}"),
    ("WIDGETSVC_CRONOFY_DATA_CENTER", "fr"),
    ("WIDGETSVC_RATE_LIMIT", "no"),
    ("WIDGETSVC_API_RATE_LIMITS", "many"),
    ("WIDGETSVC_API_RATE_LIMITS", "50"),
    ("WIDGETSVC_CRONOFY_RATE_LIMITS", "many"),
    ("WIDGETSVC_ALLOW_PRIVATE_CALLBACKS", "true"),
    ("WIDGETSVC_TRUSTED_PROXIES", "-1"),
    ("WIDGETSVC_TRUSTED_PROXIES", "many"),
    ("WIDGETSVC_TRUSTED_PROXIES", "11"),
    ("WIDGETSVC_LOG_FORMAT", "xml"),
]


@pytest.mark.parametrize(("name", "value"), BAD_VALUES)
def test_a_bad_value_is_a_fault_of_its_setting(name: str, value: str) -> None:
    (fault,) = faults({name: value})

    assert fault.startswith(f"{name}: ")


@pytest.mark.parametrize("name", EVERY_SETTING)
def test_an_empty_value_is_a_fault_and_no_default(name: str) -> None:
    assert name in named(EVERY_SETTING | {name: ""})


def test_an_unknown_name_is_a_fault() -> None:
    assert faults({"WIDGETSVC_RATE_LIMITS": "off"}) == [
        "WIDGETSVC_RATE_LIMITS: is not a setting of this version"
    ]


def test_all_faults_are_listed_at_once() -> None:
    bad = {
        "WIDGETSVC_PUBLIC_URL": "w.example.com",
        "WIDGETSVC_RATE_LIMIT": "no",
        "WIDGETSVC_TRUSTED_PROXIES": "many",
        "WIDGETSVC_TYPO": "1",
        "WIDGETSVC_OTHER_TYPO": "2",
    }

    assert named(bad) == set(bad)
    assert len(faults(bad)) == len(bad)


def test_faults_of_the_pairs_are_listed_beside_the_others() -> None:
    bad = {"WIDGETSVC_CRONOFY_CLIENT_ID": "client", "WIDGETSVC_TYPO": "1"}
    text = "\n".join(faults(bad))

    assert "WIDGETSVC_TYPO" in text
    assert "WIDGETSVC_CRONOFY_CLIENT_SECRET" in text


@pytest.mark.parametrize("alone", CLOUD)
def test_clouds_credentials_come_in_pairs(alone: str) -> None:
    (fault,) = faults({alone: CLOUD[alone]})

    assert all(name in fault for name in CLOUD)


def test_an_api_address_needs_credentials() -> None:
    (fault,) = faults({"WIDGETSVC_CRONOFY_API_URL": "https://cronofy.example.com"})

    assert fault.startswith("WIDGETSVC_CRONOFY_API_URL: ")
    assert all(name in fault for name in CLOUD)


@pytest.mark.parametrize(
    ("center", "api_url"),
    [
        ("us", "https://api.cronofy.com"),
        ("au", "https://api-au.cronofy.com"),
        ("ca", "https://api-ca.cronofy.com"),
        ("de", "https://api-de.cronofy.com"),
        ("sg", "https://api-sg.cronofy.com"),
        ("uk", "https://api-uk.cronofy.com"),
    ],
)
def test_the_data_center_names_the_api(center: str, api_url: str) -> None:
    settings = Settings.from_environment(CLOUD | {"WIDGETSVC_CRONOFY_DATA_CENTER": center})

    assert settings.is_cloud
    assert settings.api_url == api_url


def test_an_api_address_wins_over_the_data_center() -> None:
    settings = Settings.from_environment(EVERY_SETTING)

    assert settings.api_url == "https://cronofy.example.com"


@pytest.mark.parametrize(
    "text",
    [
        "https://w.example.com",
        "https://w.example.com/",
        " https://w.example.com\n",
        "https://W.Example.COM",
        "https://w.example.com:443",
        "HTTPS://w.example.com",
    ],
)
def test_the_public_url_becomes_the_origin_that_browsers_send(text: str) -> None:
    assert Settings.from_environment({"WIDGETSVC_PUBLIC_URL": text}).public_url == "https://w.example.com"


@pytest.mark.parametrize("text", ["http://127.0.0.1:8080", "http://localhost:3000", "http://[::1]:8080"])
def test_a_public_url_with_a_port_stays_as_it_is(text: str) -> None:
    assert Settings.from_environment({"WIDGETSVC_PUBLIC_URL": text}).public_url == text


def test_no_representation_shows_a_secret() -> None:
    settings = Settings.from_environment(EVERY_SETTING)

    for text in (repr(settings), str(settings)):
        assert not any(secret in text for secret in (SECRET, OLDER, OLDEST))
        assert "kept to ourselves" not in text
        assert "https://w.example.com" in text


def test_no_fault_repeats_a_secret() -> None:
    text = "\n".join(faults(EVERY_SETTING | {"WIDGETSVC_SECRET_KEY": "hunter2", "WIDGETSVC_TYPO": "1"}))

    assert "hunter2" not in text
    assert "kept to ourselves" not in text


def test_the_given_secret_is_used_and_none_is_kept(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", secret_key=SECRET)

    assert secret_keys_of(settings) == (SECRET.encode(),)
    assert not settings.data_dir.exists()


def test_a_secret_is_made_once_and_reused(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "deep" / "data")

    (first,) = secret_keys_of(settings)

    assert len(first) == 64
    assert secret_keys_of(settings) == (first,)
    assert secret_keys_of(Settings(data_dir=tmp_path / "other")) != (first,)


@pytest.mark.parametrize("secret", [SECRET, ""], ids=["given", "kept"])
def test_fallbacks_stand_behind_the_secret(tmp_path: Path, secret: str) -> None:
    given = {"WIDGETSVC_SECRET_KEY": secret} if secret else {}
    given |= {"WIDGETSVC_SECRET_KEY_FALLBACKS": f"{OLDER},{OLDEST}"}
    settings = Settings.from_environment(given, data_dir=tmp_path)

    current, *fallbacks = secret_keys_of(settings)

    assert current not in fallbacks
    assert fallbacks == [OLDER.encode(), OLDEST.encode()]


def test_a_kept_secret_that_is_replaced_stands_behind_the_new_one(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    (first,) = secret_keys_of(settings)

    secret_file_of(settings).rotate()
    second, *older = secret_keys_of(settings)

    assert second != first
    assert older == [first]
    assert stat.S_IMODE((tmp_path / "secret_key").stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["secret_key"]


def test_the_kept_secret_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    secret_keys_of(Settings(data_dir=tmp_path))

    (file,) = tmp_path.iterdir()
    assert file.name == "secret_key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_of_many_that_start_at_once_all_read_the_same_secret(tmp_path: Path) -> None:
    together = Barrier(8, timeout=60)

    def start(path: Path) -> tuple[str, ...]:
        together.wait()
        return SecretFile(path).read_or_create()

    with ThreadPoolExecutor(8) as pool:
        for attempt in range(100):
            path = tmp_path / f"secret-{attempt}"
            assert len(set(pool.map(start, [path] * 8))) == 1


@pytest.mark.parametrize("kept", ["", "too short\n", "a" * 64, f"{SECRET}\nshort\n"])
def test_a_kept_file_that_holds_no_secret_is_named(tmp_path: Path, kept: str) -> None:
    file = tmp_path / "secret_key"
    file.write_text(kept)

    with pytest.raises(ConfigurationError) as caught:
        secret_keys_of(Settings(data_dir=tmp_path))

    (fault,) = caught.value.faults
    assert fault.startswith(f"{file}: ")
    assert "openssl rand" in fault
