"""`widgetsvc doctor`: what it finds, and that it changes nothing."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tests.cronofy.faulty import Connection, FaultyUpstream
from tests.processes import free_port
from tests.shell import Shell

SECRET = "0123456789abcdef" * 4


@pytest.fixture(autouse=True)
def without_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("WIDGETSVC_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def shell(migrated: Path, tmp_path: Path) -> Shell:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    shutil.copyfile(migrated, data_dir / "widgetsvc.sqlite3")
    return Shell(data_dir)


def lines(result: Result) -> dict[str, tuple[str, str]]:
    """Each check's status and words."""
    split = (line.split(maxsplit=1) for line in result.stdout.splitlines())
    return {rest[:12].strip(): (status, rest[13:]) for status, rest in split}


def test_a_machine_where_nothing_has_run_is_well_and_stays_untouched(tmp_path: Path) -> None:
    result = Shell(tmp_path / "nothing" / "here").try_("doctor")

    assert {status for status, _ in lines(result).values()} == {"ok"}
    assert result.exit_code == 0
    assert list(tmp_path.iterdir()) == []


def test_programs_get_json(shell: Shell) -> None:
    findings = shell.json("doctor")

    assert [list(finding) for finding in findings] == [["check", "status", "detail", "fix"]] * len(findings)
    assert {finding["check"] for finding in findings} == {
        *("settings", "data folder", "secret", "database", "redis", "cronofy", "bundle", "public url")
    }


def test_a_fault_is_exit_status_1_in_json_too(shell: Shell) -> None:
    result = shell.try_("doctor", "--json", public_url="http://w.example.com")

    assert result.exit_code == 1
    assert '"fault"' in result.stdout


def test_every_faulty_setting_is_named(shell: Shell) -> None:
    result = shell.try_("doctor", log_format="xml", colour="blue")

    assert result.exit_code == 1
    assert "WIDGETSVC_LOG_FORMAT" in result.stdout
    assert "WIDGETSVC_COLOUR" in result.stdout
    assert {line.split()[0] for line in result.stdout.splitlines()} == {"fault"}


def test_a_secret_that_others_can_read_is_a_warning_with_the_command(shell: Shell) -> None:
    file = shell.data_dir / "secret_key"
    file.write_text(SECRET)
    file.chmod(0o644)
    assert lines(shell.try_("doctor"))["secret"] == (
        "warning",
        f"others can read {file}; run `chmod 600 {file}`",
    )
    file.chmod(0o600)

    assert lines(shell.try_("doctor"))["secret"][0] == "ok"


def test_a_file_that_holds_no_secret_is_a_fault(shell: Shell) -> None:
    (shell.data_dir / "secret_key").write_text("short")

    assert lines(shell.try_("doctor"))["secret"][0] == "fault"


def test_an_older_schema_is_a_warning_with_the_command(shell: Shell) -> None:
    with sqlite3.connect(shell.data_dir / "widgetsvc.sqlite3") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
    connection.close()

    status, words = lines(shell.try_("doctor"))["database"]

    assert (status, "widgetsvc db upgrade" in words) == ("warning", True)


def test_a_file_that_is_no_database_is_a_fault(shell: Shell) -> None:
    (shell.data_dir / "widgetsvc.sqlite3").write_bytes(b"not a database, but long enough to look at" * 50)

    status, words = lines(shell.try_("doctor"))["database"]

    assert (status, "WIDGETSVC_DATABASE_URL" in words) == ("fault", True)


def test_a_redis_that_answers_is_measured(shell: Shell, redis_url: str) -> None:
    status, words = lines(shell.try_("doctor", cache_url=redis_url))["redis"]

    assert status in {"ok", "warning"}  # a machine can be slow
    assert " ms to write" in words


def test_a_redis_that_is_not_there_is_a_fault(shell: Shell) -> None:
    status, words = lines(shell.try_("doctor", cache_url=f"redis://127.0.0.1:{free_port()}"))["redis"]

    assert (status, "WIDGETSVC_CACHE_URL" in words) == ("fault", True)


@pytest.mark.parametrize(
    ("public_url", "proxies", "status", "word"),
    [
        ("http://127.0.0.1:8080", "0", "ok", "this machine"),
        ("http://localhost:8080", "0", "ok", "this machine"),
        ("http://[::1]:8080", "0", "ok", "this machine"),
        ("http://w.example.com", "1", "fault", "TLS"),
        ("http://192.168.1.7", "1", "fault", "TLS"),
        ("https://w.example.com", "0", "warning", "WIDGETSVC_TRUSTED_PROXIES"),
        ("https://w.example.com", "1", "ok", "https://w.example.com"),
    ],
)
def test_the_public_address_has_to_be_one_that_browsers_load(
    shell: Shell, public_url: str, proxies: str, status: str, word: str
) -> None:
    found, words = lines(shell.try_("doctor", public_url=public_url, trusted_proxies=proxies))["public url"]

    assert (found, word in words) == (status, True)


def test_no_bundle_is_a_warning_with_the_command(shell: Shell, tmp_path: Path) -> None:
    status, words = lines(shell.try_("doctor", elements_dir=str(tmp_path)))["bundle"]

    assert (status, "npm install cronofy-elements@" in words) == ("warning", True)


def test_another_bundle_is_a_fault(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "CronofyElements.js").write_text("alert(1)")

    assert lines(shell.try_("doctor", elements_dir=str(tmp_path)))["bundle"][0] == "fault"


class TestCloud:
    @pytest.fixture
    def ask(self, shell: Shell) -> Callable[[bytes], tuple[str, str]]:
        def ask(answer: bytes) -> tuple[str, str]:
            def script(connection: Connection) -> None:
                connection.send(answer)

            with FaultyUpstream(script) as upstream:
                cloud = {"cronofy_client_id": "id", "cronofy_client_secret": "s3cret-s3cret"}
                result = shell.try_("doctor", cronofy_api_url=upstream.url, **cloud)
            assert "s3cret-s3cret" not in result.output
            return lines(result)["cronofy"]

        return ask

    @staticmethod
    def refusal(error: bytes, *headers: bytes) -> bytes:
        body = b'{"error": "%s"}' % error
        lines = [b"HTTP/1.1 400 Bad Request", b"Content-Length: %d" % len(body), *headers]
        return b"\r\n".join([*lines, b"Connection: close", b"", body])

    def test_credentials_that_are_right_are_ok(self, ask: Callable[[bytes], tuple[str, str]]) -> None:
        status, words = ask(self.refusal(b"invalid_grant"))

        assert (status, "knows the application" in words) == ("ok", True)

    def test_wrong_ones_are_a_fault_that_names_credentials_and_data_center(
        self, ask: Callable[[bytes], tuple[str, str]]
    ) -> None:
        status, words = ask(self.refusal(b"invalid_client"))

        assert status == "fault"
        assert "WIDGETSVC_CRONOFY_CLIENT_SECRET" in words
        assert "WIDGETSVC_CRONOFY_DATA_CENTER" in words

    def test_a_clock_that_is_wrong_is_a_warning(self, ask: Callable[[bytes], tuple[str, str]]) -> None:
        status, words = ask(self.refusal(b"invalid_grant", b"Date: Sun, 06 Nov 1994 08:49:37 GMT"))

        assert (status, "ahead of Cronofy's; let it follow NTP" in words) == ("warning", True)

    def test_what_is_not_cronofy_is_a_fault(self, ask: Callable[[bytes], tuple[str, str]]) -> None:
        assert ask(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")[0] == "fault"
