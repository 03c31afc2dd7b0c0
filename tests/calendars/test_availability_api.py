"""`POST /v1/availability`: what it accepts, whom it lets ask, and how it answers."""

import json
import re
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, event
from werkzeug.test import TestResponse

from tests.calendars.conftest import Api, Calendar
from widgetsvc.calendars.backend import Backend
from widgetsvc.calendars.records import EventDraft, EventTime, ImportedEvent, Transparency

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


def of(calendar: Calendar, **members: Any) -> dict[str, Any]:
    """A query for one member with these flags."""
    return query() | {"participants": [{"members": [{"sub": calendar.sub} | members]}]}


def test_only_managed_events_leave_imported_ones_out(api: Api, calendar: Calendar) -> None:
    calendar.write("mine", "2026-11-24T09:00:00Z", "2026-11-24T10:00:00Z")
    begin, end = (int(datetime(2026, 11, 24, hour, tzinfo=UTC).timestamp()) for hour in (10, 11))
    draft = EventDraft(
        event_id=None,
        summary="imported",
        description="",
        time=EventTime(begin, end),
        tzid=None,
        transparency=Transparency.OPAQUE,
        tentative=False,
        details={},
    )
    api.backend.events.import_events(calendar.calendar_id, [ImportedEvent("uid@example.com", draft)])

    assert starts(api, of(calendar)) == ["11:00-12:00"]
    assert starts(api, of(calendar, only_managed_events=True)) == ["10:00-12:00"]


def test_members_with_other_flags_in_one_query_keep_their_own(api: Api, calendar: Calendar) -> None:
    calendar.write("maybe", "2026-11-24T09:00:00Z", "2026-11-24T12:00:00Z", extended_transparency="tentative")
    other = api.calendar("other")
    other.write("maybe", "2026-11-24T09:00:00Z", "2026-11-24T10:00:00Z", extended_transparency="tentative")
    members = [{"sub": calendar.sub, "ignore_tentative": True}, {"sub": other.sub}]

    assert starts(api, query() | {"participants": [{"members": members}]}) == ["10:00-12:00"]


def test_a_members_own_buffer_replaces_the_querys(api: Api, busy: Calendar) -> None:
    wide, narrow = ({"before": {"minutes": minutes}} for minutes in (60, 0))

    assert starts(api, of(busy, buffer=narrow) | {"buffer": wide}) == ["09:00-10:00", "10:30-12:00"]
    assert starts(api, of(busy, buffer=wide) | {"buffer": narrow}) == ["09:00-10:00"]


def test_an_event_just_before_the_query_counts_with_the_widest_buffer(api: Api, calendar: Calendar) -> None:
    calendar.write("night", "2026-11-23T20:00:00Z", "2026-11-23T22:00:00Z")

    assert starts(api, of(calendar, buffer={"before": {"hours": 12}})) == ["10:00-12:00"]


def test_a_members_own_periods_bound_it(api: Api, calendar: Calendar) -> None:
    own = [{"start": "2026-11-24T08:00:00Z", "end": "2026-11-24T10:30:00Z"}]

    assert starts(api, of(calendar, available_periods=own)) == ["09:00-10:30"]
    assert starts(api, of(calendar, available_periods=[])) == []


class TestManagedAvailability:
    def rule(self, calendar: Calendar, name: str, start: str, end: str, **members: Any) -> None:
        rule = {
            "availability_rule_id": name,
            "tzid": "Etc/UTC",
            "weekly_periods": [{"day": "tuesday", "start_time": start, "end_time": end}],
        }
        assert calendar.post("/v1/availability_rules", rule | members).status_code == 200

    def period(self, calendar: Calendar, start: str, end: str) -> None:
        body = {
            "available_period_id": start,
            "start": f"2026-11-24T{start}:00Z",
            "end": f"2026-11-24T{end}:00Z",
        }
        assert calendar.post("/v1/available_periods", body).status_code == 202

    def test_without_rules_and_periods_a_member_is_available_nowhere(
        self, api: Api, calendar: Calendar
    ) -> None:
        assert starts(api, of(calendar, managed_availability=True)) == []

    def test_rules_and_periods_add_up(self, api: Api, calendar: Calendar) -> None:
        self.rule(calendar, "early", "09:00", "10:00")
        self.rule(calendar, "late", "11:00", "24:00")
        assert starts(api, of(calendar, managed_availability=True)) == ["09:00-10:00", "11:00-12:00"]

        self.period(calendar, "10:00", "11:00")
        assert starts(api, of(calendar, managed_availability=True)) == ["09:00-12:00"]

    def test_rules_bind_only_who_asks_for_them(self, api: Api, calendar: Calendar) -> None:
        self.rule(calendar, "early", "09:00", "10:00")

        assert starts(api, of(calendar)) == ["09:00-12:00"]

    def test_a_rules_hours_are_those_of_its_zone(self, api: Api, calendar: Calendar) -> None:
        self.rule(calendar, "paris", "10:00", "11:00", tzid="Europe/Paris")

        assert starts(api, of(calendar, managed_availability=True)) == ["09:00-10:00"]

    def test_hours_follow_the_clocks_when_these_change(self, api: Api, calendar: Calendar) -> None:
        days = [{"day": day, "start_time": "09:00", "end_time": "10:00"} for day in ("saturday", "sunday")]
        self.rule(calendar, "weekend", "09:00", "10:00", tzid="Europe/London", weekly_periods=days)
        weekend = [{"start": "2026-10-24T00:00:00Z", "end": "2026-10-26T00:00:00Z"}]

        body = of(calendar, managed_availability=True) | {"query_periods": weekend}
        assert starts(api, body) == ["08:00-09:00", "09:00-10:00"]

    def test_midnight_ends_a_day_however_it_is_written(self, api: Api, calendar: Calendar) -> None:
        monday = {"day": "monday", "start_time": "23:00", "end_time": "00:00"}
        tuesday = {"day": "tuesday", "start_time": "00:00", "end_time": "01:00"}
        self.rule(calendar, "night", "09:00", "10:00", weekly_periods=[monday, tuesday])
        night = [{"start": "2026-11-23T20:00:00Z", "end": "2026-11-24T05:00:00Z"}]

        body = of(calendar, managed_availability=True) | {"query_periods": night}
        assert starts(api, body) == ["23:00-01:00"]

    def test_ids_choose_among_the_rules_and_leave_periods_alone(self, api: Api, calendar: Calendar) -> None:
        self.rule(calendar, "early", "09:00", "10:00")
        self.rule(calendar, "late", "11:00", "12:00")

        def chosen(*names: str) -> list[str]:
            return starts(api, of(calendar, managed_availability=True, availability_rule_ids=list(names)))

        assert chosen("late") == ["11:00-12:00"]
        assert chosen("late", "early") == ["09:00-10:00", "11:00-12:00"]
        assert chosen() == []
        self.period(calendar, "10:00", "11:00")
        assert chosen() == ["10:00-11:00"]

    def test_an_unknown_rule_is_422_at_its_path(self, api: Api, calendar: Calendar) -> None:
        self.rule(calendar, "early", "09:00", "10:00")
        other = api.calendar("other")
        self.rule(other, "late", "09:00", "10:00")

        response = api.availability(
            of(calendar, managed_availability=True, availability_rule_ids=["early", "late"])
        )

        assert {path: found[0]["key"] for path, found in response.json["errors"].items()} == {
            "participants[0].members[0].availability_rule_ids[1]": "errors.not_recognized"
        }

    def test_exact_slots_have_to_lie_in_the_hours(self, api: Api, calendar: Calendar) -> None:
        self.rule(calendar, "early", "09:00", "10:30")
        slots = [{"start": f"2026-11-24T{time}:00Z"} for time in ("08:30", "09:15", "10:00")]

        body = of(calendar, managed_availability=True) | {"query_periods": None, "query_slots": slots}
        assert starts(api, body) == ["09:15-10:15"]


class TestConstraints:
    """At most so many of the application's own events in a day or week."""

    @pytest.fixture
    def two_days(self, calendar: Calendar) -> Calendar:
        calendar.write("one", "2026-11-24T07:00:00Z", "2026-11-24T08:00:00Z", tags=[{"value": "interview"}])
        calendar.write("two", "2026-11-24T08:00:00Z", "2026-11-24T09:00:00Z", transparency="transparent")
        calendar.write("gone", "2026-11-25T07:00:00Z", "2026-11-25T08:00:00Z")
        calendar.api.http.delete(calendar.events_path, headers=calendar.headers, json={"event_id": "gone"})
        return calendar

    def days(self, api: Api, calendar: Calendar, *constraints: dict[str, Any]) -> list[str]:
        periods = [
            {"start": f"2026-{day}T09:00:00Z", "end": f"2026-{day}T10:00:00Z"}
            for day in ("11-22", "11-24", "11-25", "12-01")
        ]
        body = of(calendar, availability_constraints=constraints) | {"query_periods": periods}
        response = api.availability(body)
        assert response.status_code == 200, response.text
        return [found["start"][5:10] for found in response.json["available_periods"]]

    @pytest.mark.parametrize(
        ("constraint", "expected"),
        [
            ({"period": "day", "limit": 3}, ["11-22", "11-24", "11-25", "12-01"]),
            ({"period": "day", "limit": 2}, ["11-22", "11-25", "12-01"]),
            ({"period": "week", "limit": 2}, ["11-22", "12-01"]),
            ({"period": "week", "limit": 3, "tzid": None}, ["11-22", "11-24", "11-25", "12-01"]),
            ({"period": "day", "limit": 1, "tags": ["interview"]}, ["11-22", "11-25", "12-01"]),
            ({"period": "day", "limit": 1, "tags": [{"value": "interview"}]}, ["11-22", "11-25", "12-01"]),
            ({"period": "day", "limit": 1, "tags": ["lunch"]}, ["11-22", "11-24", "11-25", "12-01"]),
            ({"period": "day", "limit": 0}, []),
            # Where days begin at 08:00 of UTC, the two events are on different ones.
            ({"period": "day", "limit": 2, "tzid": "Etc/GMT+8"}, ["11-22", "11-24", "11-25", "12-01"]),
        ],
    )
    def test_a_full_day_or_week_is_left_out(
        self, api: Api, two_days: Calendar, constraint: dict[str, Any], expected: list[str]
    ) -> None:
        assert self.days(api, two_days, constraint) == expected

    def test_excluded_events_do_not_count(self, api: Api, two_days: Calendar) -> None:
        body = of(two_days, availability_constraints=[{"period": "day", "limit": 2}])

        assert starts(api, body) == []
        assert starts(api, body | {"excluded_events": [{"event_id": "two"}]}) == ["09:00-12:00"]

    def test_several_constraints_all_hold(self, api: Api, two_days: Calendar) -> None:
        two_days.write("three", "2026-11-22T07:00:00Z", "2026-11-22T08:00:00Z")
        day, week = {"period": "day", "limit": 1}, {"period": "week", "limit": 3}

        assert self.days(api, two_days, day, week) == ["11-25", "12-01"]

    @pytest.mark.parametrize(
        ("constraint", "path"),
        [
            ({"period": "month", "limit": 1}, "period"),
            ({"period": "day"}, "limit"),
            ({"period": "day", "limit": -1}, "limit"),
            ({"period": "day", "limit": 1, "tags": []}, "tags"),
            ({"period": "day", "limit": 1, "tags": [{"name": "x"}]}, "tags[0].value"),
            ({"period": "day", "limit": 1, "tzid": "Mars"}, "tzid"),
        ],
    )
    def test_a_faulty_constraint_is_422_at_its_path(
        self, api: Api, calendar: Calendar, constraint: dict[str, Any], path: str
    ) -> None:
        response = api.availability(of(calendar, availability_constraints=[constraint]))

        assert list(response.json["errors"]) == [
            f"participants[0].members[0].availability_constraints[0].{path}"
        ]


def test_more_managed_time_than_can_be_put_together_is_refused(shared: Api) -> None:
    """33 rules of half an hour in each hour are 77,616 stretches in five weeks, and two members too many."""
    days = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    halves = [
        (f"{hour:02}:{minute:02}", f"{hour:02}:{minute + 20}") for hour in range(24) for minute in (0, 30)
    ]
    periods = [{"day": day, "start_time": a, "end_time": b} for day in days for a, b in halves]
    calendars = [shared.calendar(f"patchwork-{n}") for n in range(2)]
    for calendar in calendars:
        for n in range(33):
            rule = {"availability_rule_id": f"r{n}", "tzid": "Etc/UTC", "weekly_periods": periods}
            assert calendar.post("/v1/availability_rules", rule).status_code == 200
    five_weeks = [{"start": "2026-11-24T00:00:00Z", "end": "2026-12-29T00:00:00Z"}]

    def ask(*members: Calendar) -> TestResponse:
        managed = [{"sub": member.sub, "managed_availability": True} for member in members]
        return shared.availability(
            query() | {"participants": [{"members": managed}], "query_periods": five_weeks}
        )

    assert ask(calendars[0]).status_code == 200
    assert ask(*[calendars[0]] * 50).status_code == 200
    refused = ask(*calendars)
    assert refused.status_code == 422
    assert refused.json["errors"]["base"][0]["key"] == "errors.too_many"


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


def test_faults_of_the_body_and_of_what_is_stored_are_listed_together(api: Api, calendar: Calendar) -> None:
    body = {
        "participants": [
            {
                "members": [
                    "apc_nobody",
                    {"sub": calendar.sub, "availability_rule_ids": ["unknown"]},
                    {"sub": calendar.sub, "calendar_ids": ["cal_of_somebody_else"], "buffer": 5},
                ],
                "required": 0,
            }
        ],
        "required_duration": {"hours": 9},
        "start_interval": {"minutes": 7},
        "max_results": 0,
    }

    assert set(api.availability(body).json["errors"]) == {
        "participants[0].members[0].sub",
        "participants[0].members[1].availability_rule_ids[0]",
        "participants[0].members[2].calendar_ids",
        "participants[0].members[2].buffer",
        "participants[0].required",
        "required_duration",
        "start_interval",
        "max_results",
        "query_periods",
    }


def test_a_faulty_query_says_nothing_of_subs_that_its_token_does_not_cover(
    api: Api, calendar: Calendar
) -> None:
    et = api.element_token(calendar, permission="availability", origin="https://jobs.example.com")

    response = api.http.post(
        "/v1/availability",
        query_string={"et": et},
        headers={"Origin": "https://jobs.example.com"},
        json={"participants": [{"members": ["apc_nobody"]}], "query_periods": [MORNING]},
    )

    assert list(response.json["errors"]) == ["required_duration"]


def test_more_members_cost_no_more_reads_of_accounts_rules_and_periods(engine: Engine, api: Api) -> None:
    calendars = [api.calendar(f"store-{number}") for number in range(10)]
    flags = {"managed_availability": True}

    def statements(some: list[Calendar]) -> Counter[str]:
        read: Counter[str] = Counter()

        def count(_conn: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
            read.update(re.findall(r"FROM (\w+)", statement)[:1])

        body = query() | {"participants": [{"members": [{"sub": c.sub} | flags for c in some]}]}
        event.listen(engine, "before_cursor_execute", count)
        try:
            assert api.availability(body).status_code == 200
        finally:
            event.remove(engine, "before_cursor_execute", count)
        return read

    few, many = statements(calendars[:2]), statements(calendars)
    assert few["availability_rules"] == few["available_periods"] == 1
    assert {name: many[name] for name in many if name != "events"} == {
        name: few[name] for name in few if name != "events"
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
