"""The commands for widgets."""

import json
import shutil
from pathlib import Path

import pytest

from tests.shell import Shell

CREATE = ("widget", "create", "acme", "--element", "slot-picker", "--calendar", "store-42")


@pytest.fixture
def shell(migrated: Path, tmp_path: Path) -> Shell:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    shutil.copyfile(migrated, data_dir / "widgetsvc.sqlite3")
    shell = Shell(data_dir)
    shell.json("tenant", "create", "acme", "--name", "Acme")
    shell.json("calendar", "add", "acme", "store-42")
    return shell


def test_a_widget_is_what_the_options_say(shell: Shell) -> None:
    options = ("--name", "Interviews", "--duration", "45", "--days-ahead", "7", "--tzid", "Europe/London")
    hours = ("--hours", "saturday-sunday 10:00-12:00", "--hours", "monday 09:00-24:00")
    more = ("--notice", "60", "--buffer-after", "15", "--interval", "15", "--day-off", "2031-12-25")

    created = shell.json(*CREATE, *options, *hours, *more, "--required", "any")

    assert created["widget_id"].startswith("wgt_")
    assert (created["tenant"], created["name"], created["version"]) == ("acme", "Interviews", 1)
    assert created["query"] == {
        "duration_minutes": 45,
        "days_ahead": 7,
        "tzid": "Europe/London",
        "weekly_hours": [
            {"day": "saturday", "start_time": "10:00", "end_time": "12:00"},
            {"day": "sunday", "start_time": "10:00", "end_time": "12:00"},
            {"day": "monday", "start_time": "09:00", "end_time": "24:00"},
        ],
        "days_off": ["2031-12-25"],
        "minimum_notice_minutes": 60,
        "buffer_after_minutes": 15,
        "start_interval_minutes": 15,
        "required": "any",
    }
    assert shell.json("widget", "show", "acme", created["widget_id"]) == created
    assert shell.json("widget", "list", "acme") == [created]


def test_a_widget_is_read_from_a_file(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "widget.json"
    document = {
        "element": "slot-picker",
        "calendars": ["store-42"],
        "query": {"duration_minutes": 60},
        "after_pick": {"kind": "redirect", "url": "https://jobs.example.com/thanks"},
    }
    file.write_text(json.dumps(document))

    created = shell.json("widget", "create", "acme", "--json-file", str(file))

    assert created | document == created


def test_a_deleted_widget_is_gone(shell: Shell) -> None:
    widget_id = shell.json(*CREATE)["widget_id"]

    assert shell.json("widget", "delete", "acme", widget_id)["deleted"] is True
    assert shell.json("widget", "list", "acme") == []
    assert "has no widget" in shell.refused("widget", "show", "acme", widget_id)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--duration", "1"), "query.duration_minutes: must be greater than or equal to 5"),
        (("--hours", "monday"), "is not like"),
        (("--hours", "mo-fr 9-17"), "is not like"),
        (("--calendar", "store-99"), "has no calendar 'store-99'"),
        (("--json-file", "/dev/null"), "is not JSON"),
    ],
)
def test_a_fault_is_told_in_words(shell: Shell, arguments: tuple[str, ...], words: str) -> None:
    result = shell.try_(*CREATE, *arguments)

    assert result.exit_code in (1, 2)
    assert words in result.stderr


def test_people_read_a_widget_line_by_line(shell: Shell) -> None:
    widget_id = shell.json(*CREATE)["widget_id"]

    shown = shell("widget", "show", "acme", widget_id)

    assert "weekly_hours             monday 09:00-17:00" in shown.splitlines()
    assert widget_id in shell("widget", "list", "acme")
