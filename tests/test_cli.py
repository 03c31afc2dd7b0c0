"""The commands, as operators and other programs use them."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from tests.shell import Shell
from widgetsvc import __version__
from widgetsvc.cli import main
from widgetsvc.permissions import PUBLIC_PERMISSIONS, Permission

ORIGIN = "https://jobs.example.com"


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


@pytest.fixture
def new_shell(tmp_path: Path) -> Shell:
    """A shell on a machine where nothing has run yet."""
    return Shell(tmp_path / "nothing" / "here")


def test_a_new_tenant_is_printed_with_its_keys_for_programs(shell: Shell) -> None:
    created = shell.json("tenant", "create", "acme", "--name", "Acme Stores", "--origin", ORIGIN)

    assert list(created) == ["tenant", "publishable_key", "secret_key", "signing_key"]
    assert created["tenant"] == "acme"
    assert created["publishable_key"].startswith("pk_")
    assert created["secret_key"].startswith("sk_")
    assert list(created["signing_key"]) == ["kid", "alg", "secret"]
    assert created["signing_key"]["alg"] == "HS256"
    assert len(created["signing_key"]["secret"]) >= 43


def test_a_new_tenants_policy_is_what_the_options_say(shell: Shell) -> None:
    origins = ["https://*.example.com", "http://localhost:3000"]
    options = [
        *("--access", "signed", "--tzid", "Europe/London"),
        *(part for origin in origins for part in ("--origin", origin)),
    ]
    created = shell.create_tenant("acme", "Acme Stores", *options)

    assert shell.json("tenant", "list") == [
        {
            "tenant": "acme",
            "name": "Acme Stores",
            "publishable_key": created["publishable_key"],
            "origins": origins,
            "access": "signed",
            "permissions": ["agenda", "availability"],
            "tzid": "Europe/London",
            "suspended": False,
            "test_mode": False,
        }
    ]


@pytest.mark.parametrize("permission", sorted(PUBLIC_PERMISSIONS))
def test_a_tenant_may_be_held_to_one_permission(shell: Shell, permission: Permission) -> None:
    shell.create_tenant("acme", "Acme Stores", "--permission", permission.value)

    (listed,) = shell.json("tenant", "list")
    assert listed["permissions"] == [permission.value]


def test_without_options_a_tenant_embeds_everything_from_nowhere(shell: Shell) -> None:
    shell.create_tenant()

    (listed,) = shell.json("tenant", "list")
    assert listed["origins"] == []
    assert (listed["access"], listed["permissions"]) == ("public", ["agenda", "availability"])


def test_an_operator_is_told_each_key_and_what_comes_next(shell: Shell) -> None:
    result = shell.try_("tenant", "create", "acme", "--name", "Acme Stores", "--origin", ORIGIN)

    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines()] == [
        "publishable_key",
        "secret_key",
        "signing_key",
    ]
    assert result.stdout.count("shown only now") == 2
    assert "widgetsvc calendar add acme ID" in result.stderr
    assert "No origin" not in result.stderr


def test_an_operator_is_told_that_without_an_origin_nothing_shows(shell: Shell) -> None:
    result = shell.try_("tenant", "create", "acme", "--name", "Acme Stores")

    assert "No origin is allowed yet" in result.stderr


def test_tenants_are_listed_by_slug_with_their_whole_keys(shell: Shell) -> None:
    keys = {slug: shell.create_tenant(slug)["publishable_key"] for slug in ("zoo", "acme")}

    _, *rows = shell("tenant", "list").splitlines()

    assert [row.split()[0] for row in rows] == ["acme", "zoo"]
    assert [keys[slug] in row for slug, row in zip(("acme", "zoo"), rows, strict=True)] == [True, True]


def test_a_list_keeps_each_tenant_on_one_line(shell: Shell) -> None:
    origins = [f"https://site-{number}.example.com" for number in range(5)]
    shell.create_tenant("acme", "A name of some length", *(part for o in origins for part in ("--origin", o)))

    _, row = shell("tenant", "list").splitlines()

    assert all(origin in row for origin in origins)
    assert "A name of some length" in row


@pytest.mark.parametrize("name", ["Acme [north]", "Acme [/b]", "Acme :tv: Ltd", "Åre & Söner <b>"])
def test_a_list_shows_names_as_they_are(shell: Shell, name: str) -> None:
    shell.create_tenant("acme", name)

    assert name in shell("tenant", "list")


def test_where_there_are_no_tenants_a_list_says_how_to_make_one(new_shell: Shell) -> None:
    assert "widgetsvc tenant create" in new_shell("tenant", "list")
    assert new_shell.json("tenant", "list") == []


def test_a_calendar_is_printed_with_its_sub_for_programs(shell: Shell) -> None:
    shell.create_tenant()

    added = shell.json("calendar", "add", "acme", "store-42")

    assert list(added) == ["tenant", "application_calendar_id", "sub"]
    assert (added["tenant"], added["application_calendar_id"]) == ("acme", "store-42")
    assert added["sub"].startswith("apc_")
    assert len(added["sub"]) == len("apc_64b17fbb8090ea21640c9152")


def test_adding_a_calendar_again_changes_nothing(shell: Shell) -> None:
    shell.create_tenant()
    first = shell.json("calendar", "add", "acme", "store-42")

    assert shell.json("calendar", "add", "acme", "store-42") == first
    assert len(shell.json("calendar", "list", "acme")) == 1


def test_two_tenants_may_use_the_same_calendar_id(shell: Shell) -> None:
    subs = set()
    for slug in ("acme", "zoo"):
        shell.create_tenant(slug)
        subs.add(shell.json("calendar", "add", slug, "store-42")["sub"])

    assert len(subs) == 2


def test_calendars_are_listed_by_id(shell: Shell) -> None:
    shell.create_tenant()
    subs = {name: shell.json("calendar", "add", "acme", name)["sub"] for name in ("zebra", "ape")}

    assert shell.json("calendar", "list", "acme") == [
        {
            "tenant": "acme",
            "application_calendar_id": name,
            "upstream_id": f"acme:{name}",
            "sub": subs[name],
            "revoked": False,
        }
        for name in ("ape", "zebra")
    ]
    _, *rows = shell("calendar", "list", "acme").splitlines()
    assert [row.split() for row in rows] == [[name, subs[name], f"acme:{name}"] for name in ("ape", "zebra")]


def test_a_calendar_that_exists_upstream_keeps_its_name_there(shell: Shell) -> None:
    shell.create_tenant()

    shell("calendar", "add", "acme", "store-42", "--upstream-id", "interviews/store 42")

    (listed,) = shell.json("calendar", "list", "acme")
    assert listed["upstream_id"] == "interviews/store 42"


@pytest.mark.parametrize("name", ["room-[a]", "room-[/a]", "tv:1", "Büro-1", "a/b?c=d"])
def test_a_list_shows_calendar_ids_as_they_are(shell: Shell, name: str) -> None:
    shell.create_tenant()
    shell("calendar", "add", "acme", name)

    _, row = shell("calendar", "list", "acme").splitlines()

    assert row.startswith(f"{name} ")
    assert row.rstrip().endswith(f" acme:{name}")


def test_where_there_are_no_calendars_a_list_says_how_to_add_one(shell: Shell) -> None:
    shell.create_tenant()

    assert "widgetsvc calendar add acme ID" in shell("calendar", "list", "acme")
    assert shell.json("calendar", "list", "acme") == []


def test_an_operator_is_shown_the_sub_of_a_new_calendar(shell: Shell) -> None:
    shell.create_tenant()

    shown = shell("calendar", "add", "acme", "store-42")

    assert shown.split() == ["store-42", shell.json("calendar", "add", "acme", "store-42")["sub"]]


def test_a_calendar_token_writes_an_event(shell: Shell) -> None:
    shell.create_tenant()
    sub = shell.json("calendar", "add", "acme", "store-42")["sub"]

    token = shell.json("calendar", "token", "acme", "store-42")

    assert (token["tenant"], token["application_calendar_id"], token["sub"]) == ("acme", "store-42", sub)
    assert token["api_url"] == "http://127.0.0.1:8080"
    assert 0 < token["expires_in"] <= 3600
    headers = {"Authorization": f"Bearer {token['access_token']}"}
    event = {
        "event_id": "a",
        "summary": "Board meeting",
        "start": "2024-06-25T15:30:00Z",
        "end": "2024-06-25T17:00:00Z",
    }
    with shell.service() as http:
        written = http.post(f"/v1/calendars/{token['calendar_id']}/events", headers=headers, json=event)
        read = http.get("/v1/events?tzid=Etc/UTC&include_managed=true", headers=headers)
    assert written.status_code == 202
    assert [found["summary"] for found in read.json["events"]] == ["Board meeting"]


def test_a_calendar_token_is_printed_line_by_line_for_people(shell: Shell) -> None:
    shell.create_tenant()
    shell("calendar", "add", "acme", "store-42")

    lines = [line.split() for line in shell("calendar", "token", "acme", "store-42").splitlines()]

    token = shell.json("calendar", "token", "acme", "store-42")
    approximate = {"expires_in": ""}
    assert dict(lines) | approximate == {name: str(value) for name, value in token.items()} | approximate


def test_an_application_is_printed_with_its_credentials(shell: Shell) -> None:
    created = shell.json("app", "create", "Interview portal")

    assert list(created) == ["client_id", "client_secret"]
    assert created["client_id"].startswith("app_")
    assert created["client_secret"] not in shell("app", "create", "Another")


def test_an_operator_is_told_that_an_applications_secret_is_shown_once(shell: Shell) -> None:
    first, second = shell("app", "create", "Interview portal").splitlines()

    assert first.startswith("client_id ")
    assert second.startswith("client_secret ")
    assert "shown only now" in second


def test_cloud_applications_are_made_in_clouds_dashboard(shell: Shell) -> None:
    credentials = {"cronofy_client_id": "client", "cronofy_client_secret": "secret"}

    for args in (("app", "create", "Interview portal"), ("app", "list"), ("account", "list", "app_1")):
        result = shell.try_(*args, **credentials)

        assert result.exit_code == 1
        assert "dashboard" in result.stderr


def test_applications_are_listed_by_age_the_services_own_first(shell: Shell) -> None:
    created = shell.json("app", "create", "Interview portal")

    assert shell.json("app", "list") == [
        {"client_id": "app_gateway", "name": "widgetsvc gateway"},
        {"client_id": created["client_id"], "name": "Interview portal"},
    ]
    assert f"{created['client_id']}  Interview portal" in shell("app", "list")


def create_account(shell: Shell, client_id: str, kind: str, *options: str) -> dict[str, Any]:
    created: dict[str, Any] = shell.json(
        "account", "create", client_id, "--kind", kind, "--name", "Jane Doe", *options
    )
    return created


@pytest.mark.parametrize(("kind", "prefix"), [("user", "acc_"), ("resource", "res_")])
def test_an_account_is_printed_with_its_tokens_for_programs(shell: Shell, kind: str, prefix: str) -> None:
    client_id = shell.json("app", "create", "Portal")["client_id"]

    created = create_account(shell, client_id, kind, "--email", "jane@example.com", "--tzid", "Europe/London")

    assert list(created) == ["sub", "calendar_id", "access_token", "refresh_token", "expires_in"]
    assert created["sub"].startswith(prefix)
    assert shell.json("account", "list", client_id) == [
        {
            "sub": created["sub"],
            "kind": kind,
            "application_calendar_id": None,
            "name": "Jane Doe",
            "email": "jane@example.com",
            "tzid": "Europe/London",
            "calendar_id": created["calendar_id"],
        }
    ]


def test_accounts_are_shown_to_people_without_their_tokens(shell: Shell) -> None:
    client_id = shell.json("app", "create", "Portal")["client_id"]
    assert f"widgetsvc account create {client_id}" in shell("account", "list", client_id)

    shown = shell("account", "create", client_id, "--kind", "resource", "--name", "Room 1")

    tokens = dict(line.split() for line in shown.splitlines())
    listed = shell("account", "list", client_id)
    assert listed.splitlines()[1].split() == [tokens["sub"], "resource", "Room", "1"]
    assert tokens["access_token"] not in listed


def test_a_tenants_calendar_is_an_account_of_the_services_own_application(shell: Shell) -> None:
    shell.create_tenant()
    sub = shell.json("calendar", "add", "acme", "store-42")["sub"]

    (listed,) = shell.json("account", "list", "app_gateway")

    assert (listed["sub"], listed["kind"]) == (sub, "application_calendar")
    assert listed["application_calendar_id"] == "acme:store-42"


def test_a_revoked_account_is_gone(shell: Shell) -> None:
    client_id = shell.json("app", "create", "Portal")["client_id"]
    sub = create_account(shell, client_id, "user")["sub"]

    other = create_account(shell, client_id, "resource")["sub"]

    assert f"{sub} is revoked" in shell("account", "revoke", client_id, sub)
    revoked = {"client_id": client_id, "sub": other, "revoked": True}
    assert shell.json("account", "revoke", client_id, other) == revoked

    assert shell.json("account", "list", client_id) == []
    assert f"no account {sub}" in shell.refused("account", "revoke", client_id, sub)


def test_nobody_revokes_an_account_of_another_application(shell: Shell) -> None:
    portal, other = (shell.json("app", "create", name)["client_id"] for name in ("Portal", "Other"))
    sub = create_account(shell, portal, "user")["sub"]

    assert f"{other} has no account {sub}" in shell.refused("account", "revoke", other, sub)
    assert len(shell.json("account", "list", portal)) == 1


@pytest.mark.parametrize("command", ["create", "list", "revoke"])
def test_an_unknown_application_is_refused_with_where_to_look(shell: Shell, command: str) -> None:
    more = {"create": ["--kind", "user", "--name", "Jane"], "list": [], "revoke": ["acc_1"]}[command]

    message = shell.refused("account", command, "app_none", *more)

    assert "no application app_none" in message
    assert "widgetsvc app list" in message


@pytest.mark.parametrize(
    ("option", "value", "advice"),
    [
        ("--name", " ", "must not be blank"),
        ("--name", "x" * 256, "at most 255 characters"),
        ("--name", "a\nb", "printable"),
        ("--email", "jane", "such as jane@example.com"),
        ("--email", "jane@localhost", "such as jane@example.com"),
        ("--email", "jane@exa mple.com", "such as jane@example.com"),
        ("--email", "jane@-.com", "such as jane@example.com"),
        ("--email", f"jane@{'a.' * 200}com", "at most 320 characters"),
        ("--tzid", "Europe/Nowhere", "TZID not recognized"),
    ],
)
def test_what_no_account_can_have_is_refused(shell: Shell, option: str, value: str, advice: str) -> None:
    fields = {"--kind": "user", "--name": "Jane", option: value}
    options = [part for pair in fields.items() for part in pair]

    message = shell.refused("account", "create", "app_gateway", *options)

    assert f"{option}: " in message
    assert advice in message
    assert shell.json("account", "list", "app_gateway") == []


def test_all_faults_of_an_account_are_told_at_once(shell: Shell) -> None:
    faulty = ("--name", "", "--email", "jane", "--tzid", "Mars")

    message = shell.refused("account", "create", "app_gateway", "--kind", "user", *faulty)

    assert [option for option in ("--name", "--email", "--tzid") if f"{option}: " in message] == [
        "--name",
        "--email",
        "--tzid",
    ]


def test_a_revoked_calendar_can_be_added_anew(shell: Shell) -> None:
    shell.create_tenant()
    first = shell.json("calendar", "add", "acme", "store-42")["sub"]

    assert "store-42 is revoked" in shell("calendar", "revoke", "acme", "store-42")
    again = shell.json("calendar", "revoke", "acme", "store-42")
    assert again == {"tenant": "acme", "application_calendar_id": "store-42", "revoked": True}

    (listed,) = shell.json("calendar", "list", "acme")
    assert (listed["sub"], listed["revoked"]) == (None, True)
    assert "(revoked)" in shell("calendar", "list", "acme")
    assert shell.json("account", "list", "app_gateway") == []
    assert "has been revoked" in shell.refused("calendar", "token", "acme", "store-42")
    assert shell.json("calendar", "add", "acme", "store-42")["sub"] != first


def test_a_database_is_upgraded_once(new_shell: Shell) -> None:
    assert "has been brought up to date" in new_shell("db", "upgrade")
    assert (new_shell.data_dir / "widgetsvc.sqlite3").is_file()
    assert "is up to date" in new_shell("db", "upgrade")


def test_a_first_command_needs_no_preparation(new_shell: Shell) -> None:
    new_shell.create_tenant()

    assert [each["tenant"] for each in new_shell.json("tenant", "list")] == ["acme"]


@pytest.mark.parametrize("slug", ["Acme", "acme stores", "-acme", "acme-", "a" * 64, "", "acme:1", "åre"])
def test_a_bad_slug_is_refused_with_what_a_slug_is(shell: Shell, slug: str) -> None:
    message = shell.refused("tenant", "create", "--name", "Acme", "--", slug)

    assert "lower-case letters, digits and hyphens, such as acme-stores" in message


def test_a_taken_slug_is_refused_and_the_first_tenant_stays(shell: Shell) -> None:
    first = shell.create_tenant()

    message = shell.refused("tenant", "create", "acme", "--name", "Another")

    assert "choose another slug" in message
    (listed,) = shell.json("tenant", "list")
    assert listed["publishable_key"] == first["publishable_key"]


@pytest.mark.parametrize(
    ("origin", "instead"),
    [
        ("jobs.example.com", "Write an origin such as https://jobs.example.com"),
        ("https://jobs.example.com/careers", "https://jobs.example.com"),
        ("*", "Write the origins that you trust"),
        ("https://*.co.uk", "co.uk"),
    ],
)
def test_a_bad_origin_rule_is_refused_with_what_to_write_instead(
    shell: Shell, origin: str, instead: str
) -> None:
    message = shell.refused("tenant", "create", "acme", "--name", "Acme", "--origin", origin)

    assert f'"{origin}" is not an origin rule' in message
    assert instead in message.partition("is not an origin rule")[2]
    assert shell.json("tenant", "list") == []


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        (["--name", " "], "1 to 255 printable characters"),
        (["--name", "n" * 256], "1 to 255 printable characters"),
        (["--name", "Acme\nStores"], "1 to 255 printable characters"),
        (["--name", "Acme", "--tzid", "London"], "an IANA name such as Europe/London"),
    ],
)
def test_what_cannot_be_stored_is_refused_with_what_can(
    shell: Shell, options: list[str], advice: str
) -> None:
    assert advice in shell.refused("tenant", "create", "acme", *options)


@pytest.mark.parametrize("command", ["add", "list", "token", "revoke"])
def test_an_unknown_tenant_is_refused_with_where_to_look(shell: Shell, command: str) -> None:
    args = ["nobody"] if command == "list" else ["nobody", "store-42"]

    message = shell.refused("calendar", command, *args)

    assert "no tenant called nobody" in message
    assert "widgetsvc tenant list" in message


@pytest.mark.parametrize("command", ["token", "revoke"])
def test_an_unknown_calendar_is_refused_with_how_to_add_it(shell: Shell, command: str) -> None:
    shell.create_tenant()

    message = shell.refused("calendar", command, "acme", "store-43")

    assert "no calendar 'store-43'" in message
    assert "widgetsvc calendar add acme" in message


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("", "1 to 180 characters"),
        ("x" * 181, "1 to 180 characters"),
        ("store 42", "no spaces"),
        ("a\nb", "printable characters only"),
    ],
)
def test_a_bad_calendar_id_is_refused_with_what_one_is(shell: Shell, name: str, advice: str) -> None:
    shell.create_tenant()

    assert advice in shell.refused("calendar", "add", "acme", name)


def test_a_calendar_is_not_moved_to_another_upstream(shell: Shell) -> None:
    shell.create_tenant()
    shell("calendar", "add", "acme", "store-42")

    message = shell.refused("calendar", "add", "acme", "store-42", "--upstream-id", "other")

    assert "acme:store-42" in message


def test_one_upstream_calendar_is_not_shared_by_two(shell: Shell) -> None:
    for slug in ("acme", "zoo"):
        shell.create_tenant(slug)
    shell("calendar", "add", "acme", "store-42", "--upstream-id", "shared")

    message = shell.refused("calendar", "add", "zoo", "store-42", "--upstream-id", "shared")

    assert "shared belongs to another calendar" in message


@pytest.mark.parametrize(
    ("args", "advice"),
    [
        (["tenant", "create"], "Missing argument 'SLUG'"),
        (["tenant", "create", "acme"], "Missing option '--name'"),
        (["tenant", "create", "acme", "--name", "A", "--access", "open"], "'public', 'signed'"),
        (["tenant", "create", "acme", "--name", "A", "--permission", "write"], "'availability'"),
        (["calendar", "add", "acme"], "Missing argument 'APPLICATION_CALENDAR_ID'"),
        (["serve", "--port", "0"], "range"),
        (["serv"], "No such command 'serv'"),
    ],
)
def test_a_command_line_that_is_none_is_refused_with_what_is_missing(
    shell: Shell, args: list[str], advice: str
) -> None:
    result = shell.try_(*args)

    assert result.exit_code == 2
    assert advice in result.stderr


def commands(command: click.Command, *path: str) -> Iterator[tuple[str, ...]]:
    yield path
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            yield from commands(child, *path, name)


def command_at(path: tuple[str, ...]) -> click.Command:
    command: click.Command = main
    for name in path:
        assert isinstance(command, click.Group)
        command = command.commands[name]
    return command


def words(path: tuple[str, ...]) -> str:
    return " ".join(path) or "widgetsvc"


@pytest.mark.parametrize("path", list(commands(main)), ids=words)
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_says_what_a_command_does_and_takes(shell: Shell, path: tuple[str, ...], option: str) -> None:
    command = command_at(path)

    text = shell(*path, option)

    assert command.help
    assert command.get_short_help_str(limit=40).rstrip(".") in text
    for parameter in command.params:
        if isinstance(parameter, click.Argument):
            assert str(parameter.name).upper() in text
        else:
            assert parameter.opts[0] in text
    if isinstance(command, click.Group):
        assert all(name in text for name in command.commands)


def test_the_version_is_the_packages(shell: Shell) -> None:
    assert __version__ in shell("--version")


BAD_SETTINGS = {"rate_limit": "no", "public_url": "w.example.com", "typo": "1"}


@pytest.mark.parametrize(
    "args",
    [
        ["serve"],
        ["demo"],
        ["db", "upgrade"],
        ["app", "create", "a"],
        ["tenant", "list"],
        ["tenant", "create", "acme", "--name", "Acme"],
        ["calendar", "add", "acme", "a"],
        ["calendar", "list", "acme"],
        ["calendar", "token", "acme", "a"],
        ["calendar", "import", "-", "acme", "a"],
        ["calendar", "export", "acme", "a"],
        ["calendar", "feed", "acme", "a"],
    ],
    ids=" ".join,
)
def test_bad_settings_are_listed_all_at_once_before_anything_happens(
    new_shell: Shell, args: list[str]
) -> None:
    result = new_shell.try_(*args, **BAD_SETTINGS)

    assert result.exit_code == 2
    assert result.stdout == ""
    assert all(f"WIDGETSVC_{name.upper()}: " in result.stderr for name in BAD_SETTINGS)
    assert not new_shell.data_dir.exists()


def test_an_unknown_setting_is_named(shell: Shell) -> None:
    result = shell.try_("tenant", "list", rate_limits="off")

    assert result.exit_code == 2
    assert "WIDGETSVC_RATE_LIMITS: is not a setting of this version" in result.stderr


def test_a_lost_secret_is_not_replaced_by_a_bad_one(shell: Shell) -> None:
    (shell.data_dir / "secret_key").write_text("short")

    result = shell.try_("tenant", "list")

    assert result.exit_code == 2
    assert str(shell.data_dir / "secret_key") in result.stderr
