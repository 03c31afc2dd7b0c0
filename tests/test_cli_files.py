"""Calendar files on the command line: what goes in, what comes out, and what is said about it."""

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.shell import Shell

CALENDAR = ("acme", "store-42")
TOMORROW = datetime.now(UTC).replace(hour=10, minute=0, second=0, microsecond=0) + timedelta(days=1)


def stamp(days: int = 0, hours: int = 0) -> str:
    return f"{TOMORROW + timedelta(days=days, hours=hours):%Y%m%dT%H%M%SZ}"


def ics(*events: str) -> bytes:
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0"]
    for number, event in enumerate(events):
        uid = [] if "UID:" in event else [f"UID:{number}@example.com"]
        lines += ["BEGIN:VEVENT", *uid, "DURATION:PT1H", *event.splitlines(), "END:VEVENT"]
    return "\r\n".join([*lines, "END:VCALENDAR", ""]).encode()


LUNCH = f"SUMMARY:Lunch, and\nDTSTART:{stamp()}"
DAILY = f"SUMMARY:Opening round\nDTSTART:{stamp()}\nRRULE:FREQ=DAILY;COUNT=3"


@pytest.fixture(autouse=True)
def without_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("WIDGETSVC_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def shell(migrated: Path, tmp_path: Path) -> Shell:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    shutil.copyfile(migrated, data_dir / "widgetsvc.sqlite3")
    shell = Shell(data_dir)
    shell.create_tenant()
    shell("calendar", "add", *CALENDAR)
    return shell


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "calendar.ics"
    path.write_bytes(ics(LUNCH, DAILY))
    return path


def exported(shell: Shell) -> list[str]:
    lines = shell("calendar", "export", *CALENDAR).replace("\r\n", "\n").splitlines()
    return [line for line in lines if line.startswith(("SUMMARY", "DTSTART"))]


def test_a_file_is_imported_and_exported(shell: Shell, file: Path) -> None:
    assert shell("calendar", "import", str(file), *CALENDAR).splitlines() == [
        "acme:store-42: 4 events written, 0 updated, 0 unchanged, 0 deleted."
    ]

    times = [line.removeprefix("DTSTART:") for line in exported(shell) if line.startswith("DTSTART")]
    assert times == [stamp(), stamp(), stamp(days=1), stamp(days=2)]
    assert exported(shell).count("SUMMARY:Lunch\\, and") == 1


def test_an_import_is_printed_for_programs(shell: Shell, file: Path) -> None:
    file.write_bytes(ics(LUNCH, f"DTSTART:{stamp()}\nSTATUS:CANCELLED"))

    report = shell.json("calendar", "import", str(file), *CALENDAR)

    (listed,) = shell.json("calendar", "list", "acme")
    assert report | {"calendar_id": "", "from": "", "to": ""} == {
        "sub": listed["sub"],
        "calendar_id": "",
        "from": "",
        "to": "",
        "dry_run": False,
        "events": 1,
        "created": 1,
        "updated": 0,
        "unchanged": 0,
        "deleted": 0,
        "skipped": [{"reason": "cancelled", "line": 9, "detail": ""}],
        "notes": [],
    }


def test_a_file_is_read_from_the_standard_input(shell: Shell) -> None:
    result = shell.try_("calendar", "import", "-", *CALENDAR, stdin=ics(LUNCH))

    assert result.stdout.startswith("acme:store-42: 1 events written")
    assert result.stderr == ""


def test_a_calendar_is_named_by_its_sub(shell: Shell, file: Path) -> None:
    (listed,) = shell.json("calendar", "list", "acme")

    shell("calendar", "import", str(file), "--sub", listed["sub"])

    assert len(exported(shell)) == 8


def test_a_later_export_updates_what_is_there(shell: Shell, file: Path) -> None:
    shell("calendar", "import", str(file), *CALENDAR)
    other = f"UID:other@example.com\nSUMMARY:Other\nDTSTART:{stamp()}"
    shell.try_("calendar", "import", "-", *CALENDAR, stdin=ics(other))
    again = shell.json("calendar", "import", str(file), *CALENDAR)
    assert (again["created"], again["updated"], again["unchanged"], again["deleted"]) == (0, 0, 4, 0)

    moved = f"SUMMARY:Opening round\nDTSTART:{stamp(hours=1)}\nRRULE:FREQ=DAILY;COUNT=2"
    file.write_bytes(ics(LUNCH.replace("and", "late") + "\nSTATUS:TENTATIVE", moved))
    later = shell.json("calendar", "import", str(file), *CALENDAR)

    assert (later["created"], later["updated"], later["unchanged"], later["deleted"]) == (2, 1, 0, 3)
    assert sorted(line for line in exported(shell) if line.startswith("SUMMARY")) == [
        "SUMMARY:Lunch\\, late",
        "SUMMARY:Opening round",
        "SUMMARY:Opening round",
        "SUMMARY:Other",
    ]


def test_what_was_cancelled_after_an_import_is_deleted_by_the_next(shell: Shell, file: Path) -> None:
    shell("calendar", "import", str(file), *CALENDAR)
    file.write_bytes(ics(LUNCH + "\nSTATUS:CANCELLED", DAILY + f"\nEXDATE:{stamp(days=1)}"))

    later = shell.json("calendar", "import", str(file), *CALENDAR)

    assert (later["unchanged"], later["deleted"]) == (2, 2)
    assert len(exported(shell)) == 4


def test_days_that_are_not_imported_stay_as_they_are(shell: Shell, file: Path) -> None:
    shell("calendar", "import", str(file), *CALENDAR)

    up_to = f"{TOMORROW + timedelta(days=1):%Y-%m-%d}"
    part = shell.json("calendar", "import", str(file), *CALENDAR, "--to", up_to)

    assert (part["events"], part["unchanged"], part["deleted"]) == (2, 2, 0)
    assert len(exported(shell)) == 8


def test_a_trial_writes_nothing(shell: Shell, file: Path) -> None:
    said = shell("calendar", "import", str(file), *CALENDAR, "--dry-run")

    assert said.startswith("4 events would be imported")
    assert shell.json("calendar", "import", str(file), *CALENDAR, "--dry-run")["events"] == 4
    assert exported(shell) == []


def test_what_is_left_out_is_told_with_its_lines(shell: Shell, file: Path) -> None:
    file.write_bytes(ics(LUNCH, "DTSTART;TZID=Mars/Base:20270101T100000", "SUMMARY:no start", "SUMMARY:none"))

    said = shell("calendar", "import", str(file), *CALENDAR).splitlines()

    assert said[1:] == [
        "Left out, in a zone that neither is known nor defined in the file: 1, in line 9 (Mars/Base)",
        "Left out, without a start: 2, in line 14, 19",
    ]


def test_the_zone_of_times_without_one_is_told(shell: Shell, file: Path) -> None:
    file.write_bytes(ics(f"DTSTART:{stamp().removesuffix('Z')}"))

    said = shell("calendar", "import", str(file), *CALENDAR, "--tzid", "Asia/Tokyo")

    assert "were read in Asia/Tokyo" in said.splitlines()[1]
    assert exported(shell)[1] == f"DTSTART:{stamp(hours=-9)}"


def test_a_broken_file_changes_nothing(shell: Shell, file: Path) -> None:
    file.write_bytes(ics(LUNCH).replace(b"END:VCALENDAR", b""))

    message = shell.refused("calendar", "import", str(file), *CALENDAR)

    assert "cut off" in message
    assert "Nothing was imported" in message
    assert exported(shell) == []


@pytest.mark.parametrize(
    ("args", "status", "advice"),
    [
        (["import", "FILE"], 2, "TENANT APPLICATION_CALENDAR_ID, or --sub SUB"),
        (["import", "FILE", "acme"], 2, "TENANT APPLICATION_CALENDAR_ID, or --sub SUB"),
        (["feed", *CALENDAR, "--sub", "apc_1"], 2, "leave out TENANT"),
        (["feed", "--sub", "apc_1"], 1, "There is no account apc_1"),
        (["feed", *CALENDAR, "--rotate", "--revoke"], 2, "exclude each other"),
        (["import", "nowhere.ics", *CALENDAR], 2, "No such file"),
        (["import", "FILE", *CALENDAR, "--tzid", "London"], 2, "IANA name"),
        (
            ["import", "FILE", *CALENDAR, "--from", "2027-01-02", "--to", "2027-01-01"],
            2,
            "--from must lie before",
        ),
        (["export", "acme", "store-43"], 1, "no calendar 'store-43'"),
    ],
)
def test_what_cannot_be_done_is_refused_with_what_can(
    shell: Shell, file: Path, args: list[str], status: int, advice: str
) -> None:
    result = shell.try_("calendar", *(str(file) if arg == "FILE" else arg for arg in args))

    assert result.exit_code == status
    assert advice in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("command", [["import", "FILE"], ["export"], ["feed"]])
def test_the_cloud_keeps_its_calendars_to_itself(shell: Shell, file: Path, command: list[str]) -> None:
    args = [str(file) if arg == "FILE" else arg for arg in command]
    credentials = {"cronofy_client_id": "client", "cronofy_client_secret": "secret"}

    result = shell.try_("calendar", *args, *CALENDAR, **credentials)

    assert result.exit_code == 1
    assert "need the embedded backend" in result.stderr


def test_a_feed_is_read_at_its_address_until_it_is_withdrawn(shell: Shell, file: Path) -> None:
    shell("calendar", "import", str(file), *CALENDAR)
    address = shell("calendar", "feed", *CALENDAR).strip()
    assert shell.json("calendar", "feed", *CALENDAR)["url"] == address
    path = address.removeprefix("http://127.0.0.1:8080")

    with shell.service() as http:
        assert http.get(path).data.count(b"BEGIN:VEVENT") == 4
        other = shell("calendar", "feed", *CALENDAR, "--rotate").strip()
        assert http.get(path).status_code == 404
        assert http.get(other.removeprefix("http://127.0.0.1:8080")).status_code == 200
        assert "is withdrawn" in shell("calendar", "feed", *CALENDAR, "--revoke")
        assert http.get(other.removeprefix("http://127.0.0.1:8080")).status_code == 404
    assert shell.json("calendar", "feed", *CALENDAR, "--revoke")["revoked"] is False


def test_an_export_tells_what_a_feed_keeps(shell: Shell, file: Path, tmp_path: Path) -> None:
    file.write_bytes(ics(f"SUMMARY:Interview\nCLASS:PRIVATE\nDTSTART:{stamp()}"))
    shell("calendar", "import", str(file), *CALENDAR)

    written = tmp_path / "export.ics"
    assert shell("calendar", "export", *CALENDAR, "--output", str(written)) == ""

    assert b"SUMMARY:Interview" in written.read_bytes()
