"""`widgetsvc doctor URL`, as operators use it: what it prints, and what its exit status says."""

import json
import os
import shutil
from pathlib import Path

import pytest
from click.testing import Result

from tests.receivers import Receiver, Reply
from tests.shell import Shell
from widgetsvc.elements import STYLE_HASHES

HTML = {"Content-Type": "text/html"}
SERVICE = "https://w.example.com"


@pytest.fixture(autouse=True)
def without_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("WIDGETSVC_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def shell(migrated: Path, tmp_path: Path) -> Shell:
    shutil.copyfile(migrated, tmp_path / "widgetsvc.sqlite3")
    shell = Shell(tmp_path)
    shell.environment["WIDGETSVC_PUBLIC_URL"] = SERVICE
    return shell


def examine(shell: Shell, body: str, *options: str, **headers: str) -> Result:
    """Examine a page of the origin http://127.0.0.1:PORT; PORT in the body stands for its port."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    html = f"<!doctype html><title>T</title><body>{body}".encode()
    with Receiver(Reply(200, {**HTML, **named}, html)) as site:
        return shell.try_("doctor", site.url, "--allow-private", *options)


@pytest.fixture
def tag(shell: Shell) -> str:
    created = shell.create_tenant("acme", "Acme", "--origin", "http://127.0.0.1:*")
    shell("calendar", "add", "acme", "store-42")
    return (
        f'<script async src="{SERVICE}/embed.js" data-key="{created["publishable_key"]}" '
        'data-element="slot-picker" data-calendar="store-42"></script>'
    )


def test_a_page_that_is_well_is_exit_status_0(shell: Shell, tag: str) -> None:
    result = examine(shell, tag)

    assert result.exit_code == 0
    assert {line.split()[0] for line in result.stdout.splitlines()} == {"ok"}
    assert {line[9:21].strip() for line in result.stdout.splitlines()} == {
        *("page", "embed", "loader", "origin", "CSP")
    }


def test_a_fault_is_exit_status_1_and_what_to_paste_stands_below(shell: Shell, tag: str) -> None:
    policy = f"default-src 'self'; script-src {SERVICE}"
    result = examine(shell, tag, Content_Security_Policy=policy)

    assert result.exit_code == 1
    assert result.stdout.splitlines()[-2].startswith(
        "fault    style-src    default-src (there is no style-src)"
    )
    assert result.stdout.splitlines()[-1] == (
        f"         Content-Security-Policy: {policy}; style-src 'self' {' '.join(STYLE_HASHES)}; "
        f"connect-src 'self' {SERVICE}"
    )


def test_programs_get_json(shell: Shell, tag: str) -> None:
    result = examine(shell, tag, "--json", Content_Security_Policy="connect-src 'none'")
    findings = json.loads(result.stdout)

    assert result.exit_code == 1
    assert [list(finding) for finding in findings] == [["check", "status", "detail", "fix"]] * len(findings)
    assert [finding["fix"] for finding in findings if finding["status"] == "fault"] == [
        f"Content-Security-Policy: connect-src {SERVICE}"
    ]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("pk_", "pk_x", "no tenant has the key"),
        ("store-42", "store-43", "Acme has no calendar 'store-43'"),
        (
            'data-element="slot-picker" data-calendar="store-42"',
            'data-widget="wgt_1"',
            "has no widget 'wgt_1'",
        ),
    ],
)
def test_what_the_page_names_is_looked_up(shell: Shell, tag: str, old: str, new: str, words: str) -> None:
    result = examine(shell, tag.replace(old, new))

    assert result.exit_code == 1
    assert words in result.stdout


def test_a_calendar_that_has_been_revoked_is_a_fault(shell: Shell, tag: str) -> None:
    shell("calendar", "revoke", "acme", "store-42")

    assert "revoked" in examine(shell, tag).stdout


def test_a_widget_that_is_there_is_well(shell: Shell, tag: str) -> None:
    made = shell.json("widget", "create", "acme", "--element", "agenda", "--calendar", "store-42")
    named = tag.replace(
        'data-element="slot-picker" data-calendar="store-42"', f'data-widget="{made["widget_id"]}"'
    )

    assert examine(shell, named).exit_code == 0


def test_a_secret_key_in_the_page_is_found_and_not_printed(shell: Shell) -> None:
    created = shell.create_tenant("acme", "Acme", "--origin", "http://127.0.0.1:*")
    result = examine(shell, f"<script>const key = {created['secret_key']!r}</script>")

    assert "widgetsvc tenant rotate-key acme --kind secret --overlap 0" in result.stdout
    assert created["secret_key"] not in result.stdout


def test_a_tenant_can_be_named_for_a_page_without_a_tag(shell: Shell) -> None:
    shell.create_tenant("acme", "Acme", "--origin", "https://www.acme.example")
    result = examine(shell, "<script src=/app.js></script>", "--tenant", "acme")

    assert "widgetsvc origin add acme http://127.0.0.1:" in result.stdout
    assert examine(shell, "", "--tenant", "nobody").stdout == ""


def test_what_a_page_holds_does_not_reach_the_terminal_raw(shell: Shell, tag: str) -> None:
    result = examine(shell, tag.replace("<script", '<script title="\x1b[2J\u202e" type=module'))

    assert "\\x1b[2J\\u202e" in result.stdout
    assert "\x1b" not in result.stdout


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/", "https://localhost/", "http://10.0.0.1/"])
def test_a_page_of_the_own_network_is_examined_only_where_that_is_asked_for(shell: Shell, url: str) -> None:
    result = shell.try_("doctor", url)

    assert result.exit_code == 1
    assert result.stdout.startswith("fault    page")
    assert "--allow-private" in result.stdout


def test_what_goes_with_a_page_is_refused_without_one(shell: Shell) -> None:
    for option in (["--tenant", "acme"], ["--allow-private"]):
        result = shell.try_("doctor", *option)
        assert result.exit_code == 2
        assert "go with the URL of a page" in result.stderr
