"""What no client should send: refused in the API's own form, every fault at its path, and never a 5xx.

Each body is the same in kind for every endpoint; `WELL_FORMED` has one good body of each to spoil.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.calendars.conftest import Api
from widgetsvc.calendars.api.credentials import Scheme
from widgetsvc.calendars.api.endpoint import Operation, operation_of

START, END = "2026-11-24T09:00:00Z", "2026-11-24T12:00:00Z"
PERIOD = {"start": START, "end": END}

WELL_FORMED: dict[str, dict[str, Any]] = {
    "upsert_application_calendar": {
        "client_id": "id",
        "client_secret": "secret",
        "application_calendar_id": "store-42",
    },
    "refresh_token": {
        "client_id": "id",
        "client_secret": "secret",
        "grant_type": "refresh_token",
        "refresh_token": "token",
    },
    "revoke_authorization": {"client_id": "id", "client_secret": "secret", "token": "token"},
    "create_calendar": {"profile_id": "pro_1", "name": "Second"},
    "upsert_event": {
        "event_id": "meeting",
        "summary": "Meeting",
        "description": "About it",
        **PERIOD,
        "tzid": "Europe/London",
        "location": {"description": "Here", "lat": "51.5", "long": "0.0"},
        "url": "https://example.com/meeting",
        "reminders": [{"minutes": 10}],
        "color": "#49BED8",
        "conferencing": {"profile_id": "explicit", "join_url": "https://meet.example.com"},
    },
    "delete_event": {"event_id": "meeting"},
    "delete_events": {"calendar_ids": ["cal_1"]},
    "reply": {"status": "accepted"},
    "run_batch": {"batch": [{"method": "POST", "relative_url": "/v1/available_periods"}]},
    "upsert_availability_rule": {
        "availability_rule_id": "work",
        "tzid": "Europe/London",
        "weekly_periods": [{"day": "monday", "start_time": "09:00", "end_time": "17:00"}],
        "calendar_ids": ["cal_1"],
    },
    "upsert_available_period": {"available_period_id": "morning", **PERIOD, "tzid": "Europe/London"},
    "delete_available_periods": {"available_period_id": "morning"},
    "query_availability": {
        "participants": [
            {
                "members": [{"sub": "apc_1", "available_periods": [PERIOD], "calendar_ids": ["cal_1"]}],
                "required": 1,
            }
        ],
        "required_duration": {"minutes": 60},
        "query_periods": [PERIOD],
        "response_format": "slots",
        "start_interval": {"minutes": 30},
        "buffer": {"before": {"minutes": 10}, "after": {"minutes": 10}},
        "max_results": 5,
        "excluded_events": [{"event_id": "meeting"}],
        "tzid": "Europe/London",
    },
    "query_sequenced_availability": {
        "sequence": [
            {
                "sequence_id": "first",
                "ordinal": 1,
                "participants": [{"members": [{"sub": "apc_1"}], "required": 1}],
                "required_duration": {"minutes": 60},
                "query_periods": [PERIOD],
            }
        ],
        "max_results": 5,
    },
    "mint_element_token": {
        "version": "1",
        "permissions": ["availability"],
        "subs": ["apc_1"],
        "origin": "https://jobs.example.com",
    },
    "create_link": {
        "oauth": {"redirect_uri": "https://jobs.example.com/back"},
        "event": {"event_id": "interview-1", "summary": "Interview"},
        "availability": {
            "participants": [{"members": [{"sub": "apc_1"}], "required": 1}],
            "required_duration": {"minutes": 60},
            "query_periods": [{"start": START, "end": END}],
        },
        "target_calendars": [{"sub": "apc_1", "calendar_id": "cal_1"}],
        "tzid": "Europe/London",
        "minimum_notice": {"hours": 4},
        "callback_urls": {"completed_url": "https://jobs.example.com/hook"},
    },
    "disable_link": {"display_message": "The position is filled"},
    "create_channel": {
        "callback_url": "https://hooks.example.com/",
        "filters": {"calendar_ids": ["calendar"], "only_managed": True},
    },
}

DEEP = 100_000

NO_OBJECTS = [
    pytest.param(b"", id="nothing"),
    pytest.param(b"null", id="null"),
    pytest.param(b"[]", id="an array"),
    pytest.param(b'["client_id"]', id="an array of names"),
    pytest.param(b'"text"', id="text"),
    pytest.param(b"0", id="a number"),
    pytest.param(b"true", id="a boolean"),
    pytest.param(b"{", id="cut off"),
    pytest.param(b"{} {}", id="two documents"),
    pytest.param(b"{'a': 1}", id="single quotes"),
    pytest.param(b"\xff\xfe{\x00}\x00", id="UTF-16"),
    pytest.param(b'\xef\xbb\xbf{"a": 1}', id="a byte order mark"),
    pytest.param(b'{"a": "\xc3\x28"}', id="bad UTF-8"),
    pytest.param(b'{"a": "\\ud800"}', id="a lone surrogate"),
    pytest.param(b'{"\\ud800": 1}', id="a name with a lone surrogate"),
    pytest.param(b'{"a": "\x00"}', id="a raw NUL"),
    pytest.param(b'{"a": NaN, "b": Infinity, "c": -Infinity, "d": 1e999}', id="numbers that are none"),
    pytest.param(b'{"a": ' + b"9" * 5_000 + b"}", id="an integer of 5000 digits"),
    pytest.param(b'{"a": 1e' + b"9" * 5_000 + b"}", id="an exponent of 5000 digits"),
    pytest.param(b"[" * DEEP, id="deep arrays"),
    pytest.param(b"[" * DEEP + b"]" * DEEP, id="deep arrays that are closed"),
    pytest.param(b'{"a":' * DEEP + b"1" + b"}" * DEEP, id="deep objects"),
    pytest.param(b'{"a":"' + b"x" * 1_000_000 + b'"}', id="a megabyte of text"),
    pytest.param(b"{" + b",".join(b'"m%d":1' % n for n in range(50_000)) + b"}", id="50000 members"),
]

BAD_TIMES = [
    "2024-02-30T10:00:00Z",
    "2024-02-30",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "0000-01-01T00:00:00Z",
    "2026-11-24T10:00:00",
    "2026-11-24T10:00:00+99:00",
    "2026-11-24T25:00:00Z",
    "2026-11-24T24:00:00Z",
    "2026-11-24T23:59:60Z",
    "2199-12-31T23:30:00-00:30",  # in 2200 as it is written in answers, and in stored links
    "1900-01-01T00:00:00+00:01",
    "2026-11-24T10:00:00.5Z",
    "\u0662\u0660\u0662\u0666-11-24T10:00:00Z",
    "2026-11-24T10:00:00Z\n",
    "x" * 100_000,
    "",
    0,
    10**18,
    1.5,
    True,
    [],
    {},
]
BAD_TEXTS: list[object] = ["NUL \x00", 5, 1.5, True, [], ["text"], {"text": "text"}]
BAD_NUMBERS: list[object] = ["5", "", 1.5, -1, 10**30, 1e300, True, [], {}, "9" * 5_000]


class Place(NamedTuple):
    """A member of a body: whose, by which steps, and the path that its faults are reported at."""

    operation: str
    steps: tuple[str | int, ...]
    path: str
    value: object

    def spoilt(self, value: object) -> dict[str, Any]:
        """The body with another value here."""
        body: dict[str, Any] = json.loads(json.dumps(WELL_FORMED[self.operation]))
        *way, last = self.steps
        holder: Any = body
        for step in way:
            holder = holder[step]
        holder[last] = value
        return body


def places(operation: str) -> Iterator[Place]:
    """All members of the operation's good body that are neither objects nor arrays."""

    def walk(value: object, steps: tuple[str | int, ...], path: str) -> Iterator[Place]:
        if isinstance(value, dict):
            for name, member in value.items():
                yield from walk(member, (*steps, name), f"{path}.{name}".removeprefix("."))
        elif isinstance(value, list):
            for index, entry in enumerate(value):
                yield from walk(entry, (*steps, index), f"{path}[{index}]")
        else:
            yield Place(operation, steps, path, value)

    yield from walk(WELL_FORMED[operation], (), "")


PLACES = [place for operation in WELL_FORMED for place in places(operation)]
TIMES = [place for place in PLACES if place.value in {START, END}]
TEXTS = [
    place
    for place in PLACES
    # A sequence_id may be text or a number, and is only given back.
    if isinstance(place.value, str) and place not in TIMES and place.steps[-1] != "sequence_id"
]
# An ordinal may be less than nothing.
NUMBERS = [place for place in PLACES if type(place.value) is int and place.steps[-1] != "ordinal"]


def named(place: Place) -> str:
    return f"{place.operation}:{place.path}"


class Sender:
    """Sends bodies to endpoints by the names of their views, with credentials that will do."""

    def __init__(self, api: Api) -> None:
        self.http, self.api = api.http, api
        self.calendar = api.calendar()
        self.rules = {
            rule.endpoint.rpartition(".")[2]: rule
            for rule in self.app.url_map.iter_rules()
            if operation_of(self.app, rule.endpoint) is not None
        }

    @property
    def app(self) -> Flask:
        return self.http.application

    def operation(self, name: str) -> Operation:
        operation = operation_of(self.app, self.rules[name].endpoint)
        assert operation is not None
        return operation

    def send(self, name: str, body: bytes, content_type: str = "application/json") -> TestResponse:
        operation = self.operation(name)
        path = re.sub(
            r"<\w+>", "x", self.rules[name].rule.replace("<calendar_id>", self.calendar.calendar_id)
        )
        takes_key = not operation.schemes or Scheme.API_KEY in operation.schemes
        headers = self.api.api_key if takes_key else self.calendar.headers
        return self.http.open(
            path, method=operation.method, data=body, headers=headers, content_type=content_type
        )

    def faults(self, name: str, body: bytes, content_type: str = "application/json") -> dict[str, Any]:
        """What is refused, by path; `base` stands for whatever OAuth refuses, as it has no paths."""
        response = self.send(name, body, content_type)
        if self.operation(name).is_oauth:
            assert (response.status_code, response.json["error"]) == (400, "invalid_request"), response.text
            return {"base": []}
        assert response.status_code == 422, (response.status_code, response.text[:500])
        errors: dict[str, list[dict[str, str]]] = response.json["errors"]
        assert errors
        assert all(fault.keys() == {"key", "description"} for faults in errors.values() for fault in faults)
        assert all(len(path) + len(fault["description"]) < 300 for path in errors for fault in errors[path])
        return errors


@pytest.fixture(scope="module")
def sender(shared: Api) -> Sender:
    return Sender(shared)


def test_every_endpoint_with_a_body_has_a_good_one_to_spoil(sender: Sender) -> None:
    rules = sender.rules.values()
    operations = filter(None, (operation_of(sender.app, rule.endpoint) for rule in rules))

    assert {found.handler.__name__ for found in operations if found.body} == WELL_FORMED.keys()


@pytest.mark.parametrize("body", NO_OBJECTS)
def test_what_is_no_object_of_members_is_refused_everywhere(sender: Sender, body: bytes) -> None:
    for name in WELL_FORMED:
        assert sender.faults(name, body)


def test_a_form_is_refused_where_json_is_expected(sender: Sender) -> None:
    for name in WELL_FORMED:
        if not sender.operation(name).takes_form:
            form = b"event_id=meeting&summary=x&start=2026-11-24"
            assert sender.faults(name, form, "application/x-www-form-urlencoded") == {
                "base": [{"key": "errors.invalid", "description": "the body is not valid JSON"}]
            }


@pytest.mark.parametrize(
    "form", [b"", b"=", b"&&&", b"%", b"%ff=%ff", b"\xff=\xff", b"client_id", b"a=1&" * 20_000, b"{}"]
)
def test_a_form_that_names_nothing_is_refused(sender: Sender, form: bytes) -> None:
    for name in WELL_FORMED:
        if sender.operation(name).takes_form:
            assert sender.faults(name, form, "application/x-www-form-urlencoded")


def test_a_body_that_is_too_large_is_413_everywhere(sender: Sender) -> None:
    for name in WELL_FORMED:
        response = sender.send(name, b'{"a":"' + b"x" * 1_048_576 + b'"}')
        assert (response.status_code, list(response.json["errors"])) == (413, ["base"])


@pytest.mark.parametrize("place", TIMES, ids=named)
def test_a_time_that_is_none_is_refused_at_its_path(sender: Sender, place: Place) -> None:
    for value in BAD_TIMES:
        faults = sender.faults(place.operation, json.dumps(place.spoilt(value)).encode())
        assert {path for path in faults if path.startswith(place.path)}, value


@pytest.mark.parametrize("place", TEXTS, ids=named)
def test_text_that_is_none_is_refused_at_its_path(sender: Sender, place: Place) -> None:
    is_oauth = sender.operation(place.operation).is_oauth
    for value in BAD_TEXTS:
        faults = sender.faults(place.operation, json.dumps(place.spoilt(value)).encode())
        assert is_oauth or {path for path in faults if path.startswith(place.path)}, value


@pytest.mark.parametrize("place", TEXTS, ids=named)
def test_text_as_long_as_a_body_can_be_is_never_a_fault_of_ours(sender: Sender, place: Place) -> None:
    response = sender.send(place.operation, json.dumps(place.spoilt("x" * 1_000_000)).encode())

    assert 400 <= response.status_code < 500
    assert len(response.data) < 2_000


@pytest.mark.parametrize("place", NUMBERS, ids=named)
def test_a_number_that_is_none_is_refused_at_its_path(sender: Sender, place: Place) -> None:
    for value in BAD_NUMBERS:
        faults = sender.faults(place.operation, json.dumps(place.spoilt(value)).encode())
        assert {path for path in faults if path.startswith(place.path)}, value


@pytest.mark.parametrize("place", NUMBERS, ids=named)
@pytest.mark.parametrize("number", ["9" * 5_000, "-" + "9" * 5_000, "1e999", "NaN", "-Infinity"])
def test_a_number_beyond_all_bounds_is_refused(sender: Sender, place: Place, number: str) -> None:
    text = json.dumps(place.spoilt("HERE")).replace('"HERE"', number)

    assert sender.faults(place.operation, text.encode())


@pytest.mark.parametrize("name", WELL_FORMED)
def test_all_faults_are_told_at_once(sender: Sender, name: str) -> None:
    body = json.loads(json.dumps(WELL_FORMED[name]))
    for place in places(name):
        holder: Any = body
        for step in place.steps[:-1]:
            holder = holder[step]
        holder[place.steps[-1]] = [[]]

    faults = sender.faults(name, json.dumps(body).encode())

    if not sender.operation(name).is_oauth:
        assert {place.path for place in places(name)} <= faults.keys()


@pytest.mark.parametrize(
    ("name", "members", "path"),
    [
        ("upsert_event", {"start": END, "end": START}, "end"),
        ("upsert_event", {"start": START, "end": START}, "end"),
        ("upsert_event", {"start": "2026-11-24", "end": END}, "end"),
        ("upsert_event", {"start": END, "end": START, "tzid": "Mars/Base", "url": 7}, "end"),
        ("upsert_event", {"start": "2026-11-24", "end": "2026-11-24", "summary": 7}, "end"),
        ("upsert_available_period", {"start": END, "end": START, "tzid": "Mars/Base"}, "end"),
        ("query_availability", {"query_periods": [{"start": END, "end": START}]}, "query_periods[0].end"),
    ],
)
def test_an_end_that_is_not_after_its_start_is_refused(
    sender: Sender, name: str, members: dict[str, Any], path: str
) -> None:
    faults = sender.faults(name, json.dumps(WELL_FORMED[name] | members).encode())

    assert faults[path][0]["key"] == "errors.invalid_time_pair"


def test_a_time_and_its_zone_are_both_looked_at(sender: Sender) -> None:
    body = WELL_FORMED["upsert_event"] | {"start": {"time": "soon", "tzid": "Mars/Base"}}

    assert sender.faults("upsert_event", json.dumps(body).encode()).keys() == {"start.time", "start.tzid"}


def test_of_two_members_with_one_name_the_last_counts(sender: Sender) -> None:
    text = json.dumps(WELL_FORMED["upsert_event"])[:-1] + ', "summary": "Last"}'

    assert sender.send("upsert_event", text.encode()).status_code == 202
    events = sender.calendar.get("/v1/events", tzid="Etc/UTC", include_managed="true").json["events"]
    assert [event["summary"] for event in events] == ["Last"]


def test_many_faults_are_not_repeated_without_end(sender: Sender) -> None:
    body = WELL_FORMED["query_availability"] | {"participants": [{"members": [5] * 200_000}]}

    response = sender.send("query_availability", json.dumps(body).encode())

    assert (response.status_code, list(response.json["errors"])) == (422, ["base"])
