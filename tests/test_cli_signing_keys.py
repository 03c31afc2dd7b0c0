"""`widgetsvc signing-key`: what operators do with tenants' signing keys."""

import json
from pathlib import Path

import pytest

from tests.shell import Shell
from tests.signing import private_pem, public_jwk, public_pem


@pytest.fixture
def shell(migrated: Path, tmp_path: Path) -> Shell:
    (tmp_path / "widgetsvc.sqlite3").write_bytes(migrated.read_bytes())
    return Shell(tmp_path)


@pytest.fixture
def secret_kid(shell: Shell) -> str:
    kid: str = shell.create_tenant()["signing_key"]["kid"]
    return kid


def test_a_public_key_is_added_from_a_file_listed_and_revoked(
    shell: Shell, secret_kid: str, tmp_path: Path
) -> None:
    (tmp_path / "key.json").write_text(json.dumps(public_jwk("EdDSA", kid="2031-06")))
    file = str(tmp_path / "key.json")

    added = shell.json("signing-key", "add", "acme", "--alg", "EdDSA", "--public-key", file)
    listed = shell.json("signing-key", "list", "acme")
    revoked = shell.json("signing-key", "revoke", "acme", "2031-06")

    assert added == {**added, "tenant": "acme", "kid": "2031-06", "alg": "EdDSA", "expires_at": None}
    assert {key["kid"] for key in listed} == {secret_kid, "2031-06"}
    assert not any("secret" in key for key in listed)
    assert revoked == {"tenant": "acme", "kid": "2031-06", "revoked": True}
    assert secret_kid in shell("signing-key", "list", "acme")
    assert "2031-06" not in shell("signing-key", "list", "acme")


def test_a_public_key_comes_from_standard_input_under_a_kid_of_ones_own(
    shell: Shell, secret_kid: str
) -> None:
    line = ["signing-key", "add", "acme", "--alg", "ES256", "--public-key", "-", "--kid", "mine"]

    result = shell.try_(*line, stdin=public_pem("ES256").encode())

    assert result.exit_code == 0
    assert "mine" in result.stdout
    assert "mine" in shell("signing-key", "list", "acme")


def test_a_private_key_is_refused_and_not_repeated(shell: Shell, secret_kid: str) -> None:
    line = ["signing-key", "add", "acme", "--alg", "RS256", "--public-key", "-"]

    result = shell.try_(*line, stdin=private_pem("RS256").encode())

    assert result.exit_code == 1
    assert "it stays on your server" in result.stderr
    assert "PRIVATE" not in result.output


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"x" * 100_000])
def test_a_file_that_holds_no_key_is_refused(shell: Shell, secret_kid: str, content: bytes) -> None:
    line = ["signing-key", "add", "acme", "--alg", "RS256", "--public-key", "-"]

    assert shell.try_(*line, stdin=content).exit_code == 1


def test_a_rotated_secret_is_shown_once_and_the_old_one_ends_later(shell: Shell, secret_kid: str) -> None:
    new = shell.json("signing-key", "rotate", "acme", "--overlap", "2h")
    listed = {key["kid"]: key for key in shell.json("signing-key", "list", "acme")}

    assert len(new["secret"]) >= 43
    assert listed[new["kid"]]["expires_at"] is None
    assert listed[secret_kid]["expires_at"] is not None

    shell("signing-key", "rotate", "acme", "--overlap", "0")
    assert len(shell.json("signing-key", "list", "acme")) == 1


@pytest.mark.parametrize("line", ["list nobody", "rotate nobody", "revoke acme key_none"])
def test_whom_or_what_nobody_knows_is_named(shell: Shell, secret_kid: str, line: str) -> None:
    assert line.rsplit(maxsplit=1)[-1] in shell.refused("signing-key", *line.split())


@pytest.mark.parametrize("command", ["add", "list", "rotate", "revoke"])
def test_every_command_explains_itself(shell: Shell, command: str) -> None:
    assert "TENANT" in shell("signing-key", command, "--help")
