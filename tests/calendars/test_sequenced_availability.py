"""`POST /v1/sequenced_availability`: what it accepts and how it answers; the engine has tests of its own."""

import json
from datetime import date, timedelta
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.calendars.conftest import Api, Calendar

PATH = "/v1/sequenced_availability"
ORIGIN = "https://jobs.example.com"


def period(start: str, end: str) -> dict[str, str]:
    return {"start": f"2026-11-24T{start}:00Z", "end": f"2026-11-24T{end}:00Z"}


def item(name: str | float, *subs: str, minutes: int = 60, **members: Any) -> dict[str, Any]:
    return {
        "sequence_id": name,
        "participants": [{"members": [{"sub": sub} for sub in subs], "required": "all"}],
        "required_duration": {"minutes": minutes},
    } | members


def query(*items: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {"sequence": list(items), "query_periods": [period("09:00", "11:00")]} | members


def ask(api: Api, body: object) -> TestResponse:
    return api.http.post(PATH, headers=api.api_key, json=body)


def told(api: Api, body: object) -> list[str]:
    """Sequences as "a 09:00, b 10:00"."""
    response = ask(api, body)
    assert response.status_code == 200, response.text
    return [
        ", ".join(f"{part['sequence_id']} {part['start'][11:16]}" for part in found["sequence"])
        for found in response.json["sequences"]
    ]


@pytest.fixture
def other(api: Api) -> Calendar:
    return api.calendar("other")


def test_a_sequence_has_times_and_people_for_every_item(
    api: Api, calendar: Calendar, other: Calendar
) -> None:
    body = query(item("123", calendar.sub, ordinal=1), item(456, other.sub, ordinal=2))

    assert ask(api, body).json == {
        "sequences": [
            {
                "sequence": [
                    {
                        "sequence_id": "123",
                        **period("09:00", "10:00"),
                        "participants": [{"sub": calendar.sub}],
                    },
                    {"sequence_id": 456, **period("10:00", "11:00"), "participants": [{"sub": other.sub}]},
                ]
            }
        ]
    }


def test_items_without_an_ordinal_come_in_any_order(api: Api, calendar: Calendar, other: Calendar) -> None:
    other.write("late", "2026-11-24T10:00:00Z", "2026-11-24T11:00:00Z")

    assert told(api, query(item("a", calendar.sub), item("b", other.sub))) == ["b 09:00, a 10:00"]
    assert told(api, query(item("a", calendar.sub, ordinal=1), item("b", other.sub, ordinal=2))) == []


@pytest.mark.parametrize(
    ("buffer", "expected"),
    [
        ({"after": {"minimum": {"minutes": 30}}}, "a 09:00, b 10:30"),
        ({"after": {"minutes": 30}}, "a 09:00, b 10:30"),
        ({"after": {"minimum": {"minutes": 0}, "maximum": {"minutes": 15}}}, "a 11:30, b 12:30"),
        ({"before": None, "after": {"minimum": None, "maximum": None}}, "a 09:00, b 12:30"),
    ],
)
def test_buffers_part_neighbours(
    api: Api, calendar: Calendar, other: Calendar, buffer: dict[str, Any], expected: str
) -> None:
    if expected != "a 09:00, b 10:30":
        other.write("busy", "2026-11-24T09:00:00Z", "2026-11-24T12:30:00Z")
    body = query(
        item("a", calendar.sub, ordinal=1, buffer=buffer, start_interval={"minutes": 30}),
        item("b", other.sub, ordinal=2, start_interval={"minutes": 30}),
        query_periods=[period("09:00", "13:30")],
        max_results=1,
    )

    assert told(api, body) == [expected]


def test_a_buffer_keeps_away_from_events_too(api: Api, calendar: Calendar) -> None:
    calendar.write("before", "2026-11-24T08:00:00Z", "2026-11-24T09:00:00Z")
    body = query(item("a", calendar.sub, buffer={"before": {"minutes": 30}}, start_interval={"minutes": 30}))

    assert told(api, body) == ["a 09:30", "a 10:00"]


class TestTimes:
    """Those of an item and those of the query both bound it."""

    @pytest.mark.parametrize("name", ["query_periods", "available_periods"])
    def test_an_items_periods_lie_inside_the_querys(self, api: Api, calendar: Calendar, name: str) -> None:
        one = item("a", calendar.sub, **{name: [period("10:00", "12:00")]})

        assert told(api, query(one)) == ["a 10:00"]
        assert told(api, {"sequence": [one]}) == ["a 10:00", "a 11:00"]
        assert told(api, query(one, query_periods=[period("07:00", "09:00")])) == []

    def test_an_items_slots_lie_inside_the_querys_periods(self, api: Api, calendar: Calendar) -> None:
        slots = [{"start": f"2026-11-24T{time}:00Z"} for time in ("08:30", "09:05", "10:00", "10:30")]

        assert told(api, query(item("a", calendar.sub, query_slots=slots))) == ["a 09:05", "a 10:00"]

    def test_the_querys_slots_lie_inside_an_items_periods(self, api: Api, calendar: Calendar) -> None:
        slots = [{"start": f"2026-11-24T{time}:00Z"} for time in ("09:05", "10:00", "11:30")]
        one = item("a", calendar.sub, query_periods=[period("09:30", "12:00")])

        assert told(api, {"sequence": [one], "query_slots": slots}) == ["a 10:00"]

    def test_slots_of_both_have_to_agree(self, api: Api, calendar: Calendar) -> None:
        def slots(*times: str) -> list[dict[str, str]]:
            return [{"start": f"2026-11-24T{time}:00Z"} for time in times]

        def found(*times: str) -> list[str]:
            one = item("a", calendar.sub, query_slots=slots(*times))
            return told(api, {"sequence": [one], "query_slots": slots("10:00", "11:00")})

        assert found("09:00", "10:00") == ["a 10:00"]
        assert found("09:00") == []


def test_members_keep_their_rules_here_too(api: Api, calendar: Calendar) -> None:
    hours = [{"day": "tuesday", "start_time": "10:00", "end_time": "24:00"}]
    rule = {"availability_rule_id": "late", "tzid": "Etc/UTC", "weekly_periods": hours}
    calendar.post("/v1/availability_rules", rule)
    one = item("a")
    one["participants"][0]["members"] = [{"sub": calendar.sub, "managed_availability": True}]

    assert told(api, query(one)) == ["a 10:00"]


def test_what_the_date_time_picker_sends_is_answered(api: Api, calendar: Calendar, other: Calendar) -> None:
    et = api.element_token(calendar, other, permission="availability", origin=ORIGIN)
    body = {
        "response_format": "overlapping_slots",
        "sequence": [
            item("one", calendar.sub, minutes=30, ordinal=1, sequence_title="First"),
            item("two", other.sub, minutes=30, ordinal=2, sequence_title="Second", event={"summary": "x"}),
        ],
        "query_periods": [period("09:00", "10:30")],
        "max_results": 512,
    }

    response = api.http.post(PATH, query_string={"et": et}, headers={"Origin": ORIGIN}, json=body)

    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert [[part["sequence_id"] for part in found["sequence"]] for found in response.json["sequences"]] == [
        ["one", "two"]
    ] * 2


def test_max_results_cuts_the_answer(api: Api, calendar: Calendar) -> None:
    assert told(api, query(item("a", calendar.sub), max_results=1)) == ["a 09:00"]


NINE_TO_TEN = period("09:00", "10:00")
NARROW = {"after": {"minimum": {"hours": 1}, "maximum": {"minutes": 5}}}


@pytest.mark.parametrize(
    ("change", "paths"),
    [
        ({"sequence": None}, ["sequence"]),
        ({"sequence": []}, ["sequence"]),
        ({"sequence": [item(n, "SUB", ordinal=n) for n in range(11)]}, ["sequence"]),
        ({"sequence": [item(n, "SUB") for n in range(6)]}, ["sequence"]),
        ({"sequence": [item(n, "SUB", ordinal=1) for n in range(6)]}, ["sequence"]),
        ({"sequence": [item(n, *["SUB"] * 26, ordinal=n) for n in range(2)]}, ["sequence"]),
        ({"sequence": [item("a", "SUB"), item("a", "SUB")]}, ["sequence[1].sequence_id"]),
        (
            {"sequence": [{"participants": [{"members": ["SUB"]}], "required_duration": {}}]},
            ["sequence[0].required_duration", "sequence[0].sequence_id"],
        ),
        ({"sequence": [item(1.5, "SUB")]}, ["sequence[0].sequence_id"]),
        ({"sequence": [item(True, "SUB")]}, ["sequence[0].sequence_id"]),
        ({"sequence": [item(10**30, "SUB")]}, ["sequence[0].sequence_id"]),
        ({"sequence": [item("a", "SUB", ordinal="1")]}, ["sequence[0].ordinal"]),
        ({"sequence": [item("a", "SUB", buffer=NARROW)]}, ["sequence[0].buffer.after.maximum"]),
        (
            {"sequence": [item("a", "SUB", query_periods=[NINE_TO_TEN], query_slots=[])]},
            ["sequence[0].query_periods", "sequence[0].query_slots"],
        ),
        ({"query_periods": None}, ["query_periods"]),
        (
            {
                "query_periods": None,
                "sequence": [item("a", "SUB", query_periods=[NINE_TO_TEN]), item("b", "SUB")],
            },
            ["query_periods"],
        ),
        ({"max_results": 513}, ["max_results"]),
    ],
)
def test_a_faulty_query_is_422_at_its_paths(
    api: Api, calendar: Calendar, change: dict[str, Any], paths: list[str]
) -> None:
    body = json.dumps(query(item("a", "SUB")) | change).replace("SUB", calendar.sub)

    response = ask(api, json.loads(body))

    assert response.status_code == 422
    assert sorted(response.json["errors"]) == sorted(paths)


def test_items_that_lie_months_apart_are_refused(api: Api, calendar: Calendar) -> None:
    later = {"start": "2027-03-01T09:00:00Z", "end": "2027-03-01T10:00:00Z"}
    items = [
        item("a", calendar.sub, query_periods=[period("09:00", "10:00")]),
        item("b", calendar.sub, query_periods=[later]),
    ]

    assert list(ask(api, {"sequence": items}).json["errors"]) == ["sequence"]


@pytest.mark.parametrize(
    ("free", "ordered", "minutes", "days", "taken"),
    [
        (5, 0, 5, 35, True),
        (5, 0, 1, 35, False),
        (5, 5, 15, 35, False),
        (5, 5, 15, 7, True),
        (0, 10, 5, 35, True),
        (0, 10, 1, 35, False),
    ],
)
def test_a_search_that_would_take_too_long_is_refused(
    shared: Api, free: int, ordered: int, minutes: int, days: int, *, taken: bool
) -> None:
    calendar = shared.calendar("busy")
    calendar.write("always", "2026-11-01T00:00:00Z", "2027-01-31T00:00:00Z")
    orders: list[dict[str, int]] = [{}] * free + [{"ordinal": n} for n in range(ordered)]
    items = [item(n, calendar.sub, minutes=minutes, **order) for n, order in enumerate(orders)]
    end = date(2026, 11, 24) + timedelta(days=days)
    periods = [{"start": "2026-11-24T00:00:00Z", "end": f"{end}T00:00:00Z"}]

    response = ask(shared, {"sequence": items, "query_periods": periods})

    assert response.status_code == (200 if taken else 422)
    assert taken or set(response.json["errors"]) == {"sequence"}


def test_every_fault_is_listed_at_once(api: Api, calendar: Calendar) -> None:
    body = {
        "sequence": [
            item("a", "apc_nobody"),
            item("a", calendar.sub, minutes=0),
            {"sequence_id": [], "participants": [{"members": [calendar.sub, "apc_nobody"]}]},
        ],
        "max_results": 0,
    }

    assert set(ask(api, body).json["errors"]) == {
        "query_periods",
        "max_results",
        "sequence[0].participants[0].members[0].sub",
        "sequence[1].sequence_id",
        "sequence[1].required_duration",
        "sequence[2].sequence_id",
        "sequence[2].required_duration",
        "sequence[2].participants[0].members[1].sub",
    }


def test_an_element_token_has_to_cover_every_item(api: Api, calendar: Calendar, other: Calendar) -> None:
    et = api.element_token(calendar, permission="availability", origin=ORIGIN)
    body = query(item("a", calendar.sub), item("b", other.sub))

    response = api.http.post(PATH, query_string={"et": et}, headers={"Origin": ORIGIN}, json=body)

    assert response.status_code == 403


def test_without_credentials_it_is_401(api: Api, calendar: Calendar) -> None:
    assert api.http.post(PATH, json=query(item("a", calendar.sub))).status_code == 401
    assert calendar.post(PATH, query(item("a", calendar.sub))).status_code == 200
