"""`POST /v1/availability`: what it accepts, whom it lets ask, and how it answers."""

import json
from typing import Any

import pytest

from tests.calendars.conftest import Api, Calendar
from widgetsvc.calendars.backend import Backend

MORNING = {"start": "2026-11-24T09:00:00Z", "end": "2026-11-24T12:00:00Z"}


def query(*subs: str, **members: Any) -> dict[str, Any]:
    return {
        "participants": [{"members": [{"sub": sub} for sub in subs], "required": "all"}],
        "required_duration": {"minutes": 60},
        "query_periods": [MORNING],
    } | members


def starts(api: Api, body: dict[str, Any]) -> list[str]:
    response = api.availability(body)
    assert response.status_code == 200, response.text
    ((key, found),) = response.json.items()
    assert key == (
        "available_periods" if body.get("response_format", "periods") == "periods" else "available_slots"
    )
    return [f"{entry['start'][11:16]}-{entry['end'][11:16]}" for entry in found]


@pytest.fixture
def busy(calendar: Calendar) -> Calendar:
    """A calendar with a meeting from 10:00 to 10:30."""
    calendar.write("meeting", "2026-11-24T10:00:00Z", "2026-11-24T10:30:00Z")
    return calendar


@pytest.mark.parametrize(
    ("response_format", "expected"),
    [
        ("periods", ["09:00-10:00", "10:30-12:00"]),
        ("slots", ["09:00-10:00", "11:00-12:00"]),
        ("overlapping_slots", ["09:00-10:00", "11:00-12:00"]),
    ],
)
def test_three_formats_of_one_morning(
    api: Api, busy: Calendar, response_format: str, expected: list[str]
) -> None:
    assert starts(api, query(busy.sub, response_format=response_format)) == expected


def test_an_interval_spaces_the_starts(api: Api, busy: Calendar) -> None:
    body = query(busy.sub, response_format="overlapping_slots", start_interval={"minutes": 30})

    assert starts(api, body) == ["09:00-10:00", "10:30-11:30", "11:00-12:00"]


@pytest.mark.parametrize(
    "buffer",
    [
        {"before": {"minutes": 30}},
        {"before": {"minimum": {"minutes": 30}, "maximum": {"minutes": 60}}, "after": {}},
    ],
)
def test_both_grammars_of_buffers_keep_time_free(api: Api, busy: Calendar, buffer: dict[str, Any]) -> None:
    assert starts(api, query(busy.sub, buffer=buffer)) == ["09:00-10:00", "11:00-12:00"]


def test_one_of_two_is_enough_where_one_is_required(api: Api, busy: Calendar) -> None:
    free = api.calendar("free")
    body = query(busy.sub, free.sub)
    body["participants"][0]["required"] = 1

    found = api.availability(body | {"response_format": "slots"}).json["available_slots"]

    assert [[p["sub"] for p in slot["participants"]] for slot in found] == [
        [busy.sub, free.sub],
        [free.sub],
        [busy.sub, free.sub],
    ]


def test_members_may_be_plain_strings_and_required_may_be_left_out(api: Api, busy: Calendar) -> None:
    body = query() | {"participants": [{"members": [busy.sub]}]}

    assert starts(api, body) == ["09:00-10:00", "10:30-12:00"]


def test_nulls_and_empty_objects_are_absent_as_pycronofy_sends_them(api: Api, busy: Calendar) -> None:
    body = query(busy.sub, start_interval=None, buffer={}, query_slots=None, max_results=None)

    assert starts(api, body) == ["09:00-10:00", "10:30-12:00"]


def test_the_old_name_of_query_periods_is_understood(api: Api, busy: Calendar) -> None:
    body = query(busy.sub)
    body["available_periods"] = body.pop("query_periods")

    assert starts(api, body) == ["09:00-10:00", "10:30-12:00"]


def test_exact_slots_are_answered_exactly(api: Api, busy: Calendar) -> None:
    body = query(busy.sub, response_format="slots")
    del body["query_periods"]
    body["query_slots"] = [{"start": f"2026-11-24T{time}:00Z"} for time in ("09:00", "09:30", "10:30")]

    assert starts(api, body) == ["09:00-10:00", "10:30-11:30"]


def test_transparent_deleted_and_excluded_events_make_nobody_busy(api: Api, calendar: Calendar) -> None:
    calendar.write("free", "2026-11-24T09:00:00Z", "2026-11-24T12:00:00Z", transparency="transparent")
    calendar.write("all-day", "2026-11-24", "2026-11-25")
    calendar.write("excluded", "2026-11-24T09:00:00Z", "2026-11-24T12:00:00Z")
    calendar.write("gone", "2026-11-24T09:00:00Z", "2026-11-24T12:00:00Z")
    api.http.delete(calendar.events_path, headers=calendar.headers, json={"event_id": "gone"})

    assert starts(api, query(calendar.sub)) == []
    assert starts(api, query(calendar.sub, excluded_events=[{"event_id": "excluded"}])) == ["09:00-12:00"]


def test_tentative_events_count_unless_they_are_to_be_ignored(api: Api, calendar: Calendar) -> None:
    calendar.write("maybe", "2026-11-24T09:00:00Z", "2026-11-24T12:00:00Z", extended_transparency="tentative")
    body = query(calendar.sub)

    assert starts(api, body) == []
    body["participants"][0]["members"][0]["ignore_tentative"] = True
    assert starts(api, body) == ["09:00-12:00"]


def test_a_member_with_managed_availability_but_no_rules_is_available_nowhere(
    api: Api, calendar: Calendar
) -> None:
    body = query(calendar.sub)
    body["participants"][0]["members"][0]["managed_availability"] = True

    assert starts(api, body) == []


def test_max_results_cuts_the_answer(api: Api, calendar: Calendar) -> None:
    assert starts(api, query(calendar.sub, response_format="slots", max_results=2)) == [
        "09:00-10:00",
        "10:00-11:00",
    ]


def test_a_week_of_quarter_hours_fits_into_one_answer(api: Api, calendar: Calendar) -> None:
    body = query(
        calendar.sub,
        query_periods=[{"start": "2026-11-22T00:00:00Z", "end": "2026-11-29T00:00:00Z"}],
        required_duration={"minutes": 15},
        response_format="overlapping_slots",
        start_interval={"minutes": 15},
    )

    assert len(starts(api, body)) == 672


PERIODS_TOO_FAR_APART = [MORNING, {"start": "2027-11-24T09:00:00Z", "end": "2027-11-24T12:00:00Z"}]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"participants": []}, "participants"),
        ({"participants": "all"}, "participants"),
        ({"participants": [{"members": []}]}, "participants[0].members"),
        ({"participants": [{"members": ["SUB"], "required": 0}]}, "participants[0].required"),
        ({"participants": [{"members": ["SUB"], "required": True}]}, "participants[0].required"),
        ({"participants": [{"members": ["SUB"], "required": 2}]}, "participants[0].required"),
        ({"participants": [{"members": ["SUB", {"sub": 1}]}]}, "participants[0].members[1].sub"),
        ({"participants": [{"members": ["apc_x"]}]}, "participants[0].members[0].sub"),
        ({"required_duration": None}, "required_duration"),
        ({"required_duration": {}}, "required_duration"),
        ({"required_duration": {"minutes": 0}}, "required_duration"),
        ({"required_duration": {"minutes": "60"}}, "required_duration.minutes"),
        ({"required_duration": {"hours": 1, "minutes": 60}}, "required_duration.minutes"),
        ({"required_duration": {"hours": 9}}, "required_duration"),
        ({"query_periods": None}, "query_periods"),
        ({"available_periods": [MORNING]}, "query_periods"),
        ({"query_periods": [MORNING] * 51}, "query_periods"),
        ({"query_periods": PERIODS_TOO_FAR_APART}, "query_periods"),
        ({"query_periods": [MORNING | {"end": MORNING["start"]}]}, "query_periods[0].end"),
        ({"query_periods": [MORNING | {"end": "2026-11-31T00:00:00Z"}]}, "query_periods[0].end"),
        ({"response_format": "haiku"}, "response_format"),
        ({"start_interval": {"minutes": 7}}, "start_interval"),
        ({"max_results": 0}, "max_results"),
        ({"max_results": 513}, "max_results"),
        ({"buffer": {"before": {"hours": 13}}}, "buffer.before"),
        ({"buffer": {"before": 5}}, "buffer.before"),
        ({"bookable_events": [{"id": 1}]}, "bookable_events"),
    ],
)
def test_a_faulty_query_is_422_at_its_path(
    api: Api, calendar: Calendar, change: dict[str, Any], path: str
) -> None:
    body = json.dumps(query("SUB") | change).replace("SUB", calendar.sub)

    response = api.availability(json.loads(body))

    assert response.status_code == 422
    assert list(response.json["errors"]) == [path]


def test_every_fault_is_listed_at_once(api: Api) -> None:
    response = api.availability({"participants": [{"members": [{"sub": None}]}], "query_periods": [{}]})

    assert set(response.json["errors"]) == {
        "participants[0].members[0].sub",
        "required_duration",
        "query_periods[0].start",
        "query_periods[0].end",
    }


def test_an_access_token_reaches_all_accounts_of_its_application(api: Api, calendar: Calendar) -> None:
    other = api.calendar("other")

    assert calendar.post("/v1/availability", query(calendar.sub, other.sub)).status_code == 200


def test_another_applications_account_is_unknown(backend: Backend, api: Api, calendar: Calendar) -> None:
    stranger = Api(backend, api.http, "stranger")

    response = stranger.availability(query(calendar.sub))

    assert response.json["errors"]["participants[0].members[0].sub"][0]["key"] == "errors.not_recognized"


def test_without_credentials_it_is_401(api: Api, calendar: Calendar) -> None:
    assert api.http.post("/v1/availability", json=query(calendar.sub)).status_code == 401
