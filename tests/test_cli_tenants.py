"""The commands for tenants, their keys, their origins and the trail of what was done to them."""

import os
import shutil
from pathlib import Path

import pytest

from tests.shell import Shell
from widgetsvc.permissions import Permission

ORIGIN, OTHER = "https://jobs.example.com", "https://*.example.org"


@pytest.fixture(autouse=True)
def without_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("WIDGETSVC_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def shell(migrated: Path, tmp_path: Path) -> Shell:
    shutil.copyfile(migrated, tmp_path / "widgetsvc.sqlite3")
    return Shell(tmp_path)


def test_a_tenant_is_shown_as_it_was_created(shell: Shell) -> None:
    options = [
        "--element",
        "agenda",
        "--element",
        "slot-picker",
        "--lazy-calendars",
        "--single-use-assertions",
        "--test-mode",
    ]
    options += [part for permission in Permission for part in ("--permission", permission.value)]
    created = shell.create_tenant("acme", "Acme Stores", "--origin", ORIGIN, *options)
    shell("calendar", "add", "acme", "store-42")

    shown = shell.json("tenant", "show", "acme")

    keys = shown.pop("keys")
    assert shown == {
        "tenant": "acme",
        "name": "Acme Stores",
        "suspended": False,
        "access": "public",
        "permissions": sorted(Permission),
        "elements": ["agenda", "slot-picker"],
        "tzid": "Etc/UTC",
        "lazy_calendars": True,
        "single_use_assertions": True,
        "test_mode": True,
        "jwks_url": None,
        "origins": [ORIGIN],
        "signing_keys": [{"kid": created["signing_key"]["kid"], "alg": "HS256"}],
        "calendars": 1,
        "version": 1,
    }
    assert {key["kind"]: (key["publishable_key"], key["hint"]) for key in keys} == {
        "publishable": (created["publishable_key"], created["publishable_key"][-4:]),
        "secret": (None, created["secret_key"][-4:]),
    }


def test_a_tenant_is_shown_to_people_without_its_secrets(shell: Shell) -> None:
    created = shell.create_tenant("acme", "Acme", "--origin", ORIGIN, "--origin", OTHER)

    shown = shell("tenant", "show", "acme")

    assert all(word in shown for word in (ORIGIN, OTHER, created["publishable_key"], "HS256", "Acme"))
    assert f"sk_…{created['secret_key'][-4:]}" in shown
    assert created["secret_key"] not in shown
    assert created["signing_key"]["secret"] not in shown


def test_an_update_changes_what_it_names(shell: Shell) -> None:
    shell.create_tenant("acme", "Acme", "--origin", ORIGIN)
    before = shell.json("tenant", "show", "acme")

    options = ["--name", "Acme 2", "--origin", OTHER, "--access", "signed", "--lazy-calendars"]
    after = shell.json("tenant", "update", "acme", *options)

    assert after == before | {
        "name": "Acme 2",
        "origins": [OTHER],
        "access": "signed",
        "lazy_calendars": True,
        "version": 2,
    }
    back = ["--no-origins", "--no-lazy-calendars", "--element", "agenda"]
    assert shell.json("tenant", "update", "acme", *back) == after | {
        "origins": [],
        "lazy_calendars": False,
        "elements": ["agenda"],
        "version": 3,
    }
    assert shell.json("tenant", "update", "acme", "--every-element")["elements"] is None


def test_test_mode_is_switched_on_and_off_and_is_seen_in_the_list(shell: Shell) -> None:
    shell.create_tenant("acme", "Acme")
    shell.create_tenant("other", "Other")

    assert shell.json("tenant", "update", "acme", "--test-mode")["test_mode"] is True

    listed = shell.json("tenant", "list")
    assert [(each["tenant"], each["test_mode"]) for each in listed] == [("acme", True), ("other", False)]
    assert "public, test mode" in shell("tenant", "list")
    assert shell.json("tenant", "update", "acme", "--no-test-mode")["test_mode"] is False


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "Say what to change"),
        (["--origin", ORIGIN, "--no-origins"], "exclude each other"),
        (["--element", "agenda", "--every-element"], "exclude each other"),
        (["--jwks-url", "https://a.example.com/jwks", "--no-jwks-url"], "exclude each other"),
    ],
)
def test_an_update_without_sense_is_refused(shell: Shell, options: list[str], words: str) -> None:
    shell.create_tenant()

    result = shell.try_("tenant", "update", "acme", *options)

    assert result.exit_code == 2
    assert words in result.stderr


def test_a_key_is_rotated_and_revoked(shell: Shell) -> None:
    created = shell.create_tenant()

    rotated = shell.json("tenant", "rotate-key", "acme", "--kind", "publishable", "--overlap", "7d")

    new, old = [key for key in shell.json("tenant", "show", "acme")["keys"] if key["kind"] == "publishable"]
    assert (new["key_id"], new["publishable_key"]) == (rotated["key_id"], rotated["key"])
    assert (old["publishable_key"], old["expires_at"]) == (
        created["publishable_key"],
        rotated["old_key_ends_at"],
    )
    shell("tenant", "revoke-key", "acme", old["key_id"])
    assert "only publishable key" in shell.refused("tenant", "revoke-key", "acme", new["key_id"])


def test_a_secret_key_is_rotated_by_default_and_shown_once(shell: Shell) -> None:
    shell.create_tenant()

    result = shell.try_("tenant", "rotate-key", "acme", "--overlap", "0")

    assert result.stdout.startswith("secret_key  sk_")
    assert "shown only now" in result.stdout
    assert "The old key is dead" in result.stderr


@pytest.mark.parametrize("overlap", ["", "-1h", "1w", "24", "1.5h", "9999999d"])
def test_an_overlap_that_is_no_duration_is_refused(shell: Shell, overlap: str) -> None:
    shell.create_tenant()

    result = shell.try_("tenant", "rotate-key", "acme", "--overlap", overlap)

    assert result.exit_code == 2
    assert "24h" in result.stderr


def test_a_tenant_is_suspended_and_resumed(shell: Shell) -> None:
    shell.create_tenant()

    assert shell.json("tenant", "suspend", "acme") == {"tenant": "acme", "suspended": True}
    assert "suspended" in shell("tenant", "list")
    assert shell.json("tenant", "resume", "acme") == {"tenant": "acme", "suspended": False}
    assert "suspended" not in shell("tenant", "list")


def test_a_tenant_is_deleted_only_by_those_who_mean_it(shell: Shell) -> None:
    shell.create_tenant()

    refused = shell.try_("tenant", "delete", "acme", stdin=b"n\n")
    assert refused.exit_code == 1
    assert refused.stdout == ""
    assert [each["tenant"] for each in shell.json("tenant", "list")] == ["acme"]

    assert shell.try_("tenant", "delete", "acme", stdin=b"y\n").exit_code == 0
    assert shell.json("tenant", "list") == []


def test_a_tenant_is_deleted_with_its_calendars(shell: Shell) -> None:
    shell.create_tenant()
    for name in ("store-42", "store-43"):
        shell("calendar", "add", "acme", name)
    shell("calendar", "revoke", "acme", "store-43")

    deleted = shell.json("tenant", "delete", "acme", "--yes", "--with-calendars")

    assert deleted == {"tenant": "acme", "deleted": True, "calendars_revoked": 1}
    assert shell.json("account", "list", "app_gateway") == []
    shell.create_tenant("acme")


def test_calendars_that_stay_upstream_keep_the_slug(shell: Shell) -> None:
    shell.create_tenant()
    shell("calendar", "add", "acme", "store-42")
    shell("tenant", "delete", "acme", "--yes")

    assert len(shell.json("account", "list", "app_gateway")) == 1
    assert "--upstream-id acme:ID" in shell.refused("tenant", "create", "acme", "--name", "Acme")


def test_origins_are_added_and_removed(shell: Shell) -> None:
    shell.create_tenant("acme", "Acme", "--origin", ORIGIN)

    assert shell.json("origin", "add", "acme", OTHER, f"{ORIGIN}/", "HTTP://localhost:*") == [
        ORIGIN,
        OTHER,
        "http://localhost:*",
    ]
    assert shell.json("origin", "remove", "acme", f"{ORIGIN}:443") == [OTHER, "http://localhost:*"]
    assert shell.json("origin", "list", "acme") == [OTHER, "http://localhost:*"]
    assert "has no rule" in shell.refused("origin", "remove", "acme", OTHER, "https://a.example.com")
    assert len(shell.json("origin", "list", "acme")) == 2


def test_what_is_no_rule_is_refused_with_words_on_what_to_write(shell: Shell) -> None:
    shell.create_tenant()

    refused = shell.refused("origin", "add", "acme", ORIGIN, "https://*.github.io")

    assert "https://*.your-name.github.io" in refused
    assert shell.json("origin", "list", "acme") == []


def test_an_origin_is_explained_by_words_and_exit_status(shell: Shell) -> None:
    shell.create_tenant("acme", "Acme", "--origin", ORIGIN)

    allowed = shell.json("origin", "explain", "acme", ORIGIN)
    assert list(allowed) == ["allowed", "rule", "reason", "suggestion"]
    assert (allowed["allowed"], allowed["rule"]) == (True, ORIGIN)
    denied = shell.try_("origin", "explain", "acme", "http://jobs.example.com")
    assert denied.exit_code == 1
    assert "is for https pages" in denied.stdout
    assert "Add http://jobs.example.com" in denied.stdout


def test_the_trail_tells_what_was_done_and_outlives_the_tenant(shell: Shell) -> None:
    shell.create_tenant("acme", "Acme")
    shell.create_tenant("other", "Other")
    shell("tenant", "suspend", "acme")
    shell("tenant", "delete", "acme", "--yes")

    entries = shell.json("audit", "acme")

    assert [(each["action"], each["by"]) for each in entries] == [
        ("tenant.deleted", "operator"),
        ("tenant.suspended", "operator"),
        ("tenant.created", "operator"),
    ]
    assert len(shell.json("audit")) == 4
    assert [each["action"] for each in shell.json("audit", "--limit", "1")] == ["tenant.deleted"]
    earlier = shell.json("audit", "acme", "--before", str(entries[0]["entry_id"]))
    assert earlier == entries[1:]
    heading, *rows = shell("audit").splitlines()
    assert heading.split() == ["ENTRY", "WHEN", "TENANT", "BY", "ACTION", "WHAT"]
    assert len(rows) == 4


@pytest.mark.parametrize(
    "args",
    [
        ["tenant", "show"],
        ["tenant", "suspend"],
        ["tenant", "delete", "--yes"],
        ["tenant", "rotate-key"],
        ["origin", "list"],
    ],
    ids=" ".join,
)
def test_an_unknown_tenant_is_named(shell: Shell, args: list[str]) -> None:
    assert "no tenant called nobody" in shell.refused(*args, "nobody")
