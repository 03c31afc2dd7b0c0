"""`/v1/available_periods`: single stretches of time, written, read by pages, deleted."""

from collections.abc import Iterable
from typing import Any

import pytest
from sqlalchemy import insert
from werkzeug.test import TestResponse

from tests.calendars.conftest import PUBLIC_URL, Api, Calendar
from widgetsvc.calendars.api.available_periods import PERIODS_PER_PAGE
from widgetsvc.calendars.engine.timespan import Timespan
from widgetsvc.calendars.records import AvailablePeriod
from widgetsvc.calendars.store import schema
from widgetsvc.calendars.store.available_periods import MAX_LENGTH, MAX_PERIODS, AvailablePeriodStore
from widgetsvc.calendars.times import parse_time

pytestmark = pytest.mark.on_every_database

PATH = "/v1/available_periods"
ORIGIN = "https://jobs.example.com"
MORNING = {
    "available_period_id": "morning",
    "start": "2026-11-24T09:00:00Z",
    "end": "2026-11-24T12:00:00Z",
}


def delete(calendar: Calendar, body: object, path: str = PATH) -> TestResponse:
    return calendar.api.http.delete(path, headers=calendar.headers, json=body)


def write(calendar: Calendar, name: str, start: str, end: str, **members: Any) -> None:
    response = calendar.post(PATH, {"available_period_id": name, "start": start, "end": end} | members)
    assert (response.status_code, response.data) == (202, b"")


def ids(calendar: Calendar, **query: Any) -> list[str]:
    found = calendar.get(PATH, **query).json["available_periods"]
    return [period["available_period_id"] for period in found]


def test_a_period_is_written_and_read(calendar: Calendar) -> None:
    response = calendar.post(PATH, MORNING)

    assert (response.status_code, response.data) == (202, b"")
    assert calendar.get(PATH).json == {"pages": {"current": 1, "total": 1}, "available_periods": [MORNING]}


def test_no_periods_are_one_empty_page(calendar: Calendar) -> None:
    assert calendar.get(PATH).json == {"pages": {"current": 1, "total": 1}, "available_periods": []}


def test_a_second_write_replaces_the_period(calendar: Calendar) -> None:
    calendar.post(PATH, MORNING)
    calendar.post(PATH, MORNING | {"end": "2026-11-24T11:00:00Z"})

    assert calendar.get(PATH).json["available_periods"] == [MORNING | {"end": "2026-11-24T11:00:00Z"}]


def test_times_come_in_every_form_that_the_sdks_send(calendar: Calendar) -> None:
    calendar.post(
        PATH,
        MORNING
        | {
            "start": {"time": "2026-11-24 09:00:00Z", "tzid": "Etc/UTC"},
            "end": {"time": "2026-11-24T13:00:00+01:00", "tzid": None},
        },
    )

    assert calendar.get(PATH).json["available_periods"] == [MORNING]


@pytest.mark.parametrize(
    ("query", "time", "tzid"),
    [
        ({"tzid": "Asia/Tokyo"}, "2026-11-24T18:00:00+09:00", "Asia/Tokyo"),
        ({}, "2026-11-24T10:00:00+01:00", "Europe/Paris"),
    ],
)
def test_localized_times_are_in_the_querys_zone_or_the_periods_own(
    calendar: Calendar, query: dict[str, str], time: str, tzid: str
) -> None:
    calendar.post(PATH, MORNING | {"tzid": "Europe/Paris"})

    (found,) = calendar.get(PATH, localized_times="True", **query).json["available_periods"]

    assert found["start"] == {"time": time, "tzid": tzid}


def test_without_any_zone_localized_times_are_in_utc(calendar: Calendar) -> None:
    calendar.post(PATH, MORNING)

    (found,) = calendar.get(PATH, localized_times="true").json["available_periods"]

    assert found["end"] == {"time": "2026-11-24T12:00:00+00:00", "tzid": "Etc/UTC"}


def test_a_window_holds_what_starts_before_its_end_and_ends_at_or_after_its_start(calendar: Calendar) -> None:
    write(calendar, "before", "2026-11-23T20:00:00Z", "2026-11-23T23:59:59Z")
    write(calendar, "until", "2026-11-23T20:00:00Z", "2026-11-24T00:00:00Z")
    write(calendar, "within", "2026-11-24T09:00:00Z", "2026-11-24T12:00:00Z")
    write(calendar, "late", "2026-11-24T23:59:59Z", "2026-11-25T01:00:00Z")
    write(calendar, "after", "2026-11-25T00:00:00Z", "2026-11-25T01:00:00Z")

    assert ids(calendar, **{"from": "2026-11-24", "to": "2026-11-25"}) == ["until", "within", "late"]
    assert ids(calendar, **{"from": "2026-11-24"}) == ["until", "within", "late", "after"]
    assert ids(calendar, to="2026-11-24") == ["before", "until"]


def test_days_are_those_of_the_querys_zone(calendar: Calendar) -> None:
    write(calendar, "late", "2026-11-24T23:30:00Z", "2026-11-24T23:45:00Z")

    assert ids(calendar, to="2026-11-25", tzid="Europe/Paris") == []
    assert ids(calendar, to="2026-11-25", tzid="Europe/London") == ["late"]


def test_a_long_period_is_found_from_its_far_end(calendar: Calendar) -> None:
    write(calendar, "year", "2026-01-01T00:00:00Z", "2027-01-02T00:00:00Z")

    assert ids(calendar, **{"from": "2027-01-02"}) == ["year"]


BEGIN = parse_time("2026-11-24T00:00:00Z")


def identifier(number: int) -> str:
    return f"{number:05}:&=?"


def fill(api: Api, calendar: Calendar, periods: Iterable[tuple[str, int]]) -> None:
    """Let the account have periods of these ids and starts, written faster than through the API."""
    rows = [
        {"sub": calendar.sub, "available_period_id": id_, "start_at": start, "end_at": start + 3_600}
        for id_, start in periods
    ]
    with api.backend.writer.begin() as connection:
        connection.execute(insert(schema.available_periods), rows)


class TestPages:
    @pytest.fixture
    def full(self, api: Api, calendar: Calendar) -> Calendar:
        # Two start at once, so that only their ids put them in order.
        fill(
            api,
            calendar,
            [(identifier(number), BEGIN + number // 2 * 60) for number in range(2 * PERIODS_PER_PAGE + 1)],
        )
        return calendar

    def test_next_page_leads_to_the_rest_of_the_same_query(self, full: Calendar) -> None:
        query = {"tzid": "Europe/Paris", "localized_times": "true", "from": "2026-11-24"}
        pages = [full.get(PATH, **query).json]
        while link := pages[-1]["pages"].get("next_page"):
            assert link.startswith(f"{PUBLIC_URL}{PATH}/pages/")
            path = link.removeprefix(PUBLIC_URL) + "?extra=1"
            pages.append(full.api.http.get(path, headers=full.headers).json)

        assert [(page["pages"]["current"], page["pages"]["total"]) for page in pages] == [
            (1, 3),
            (2, 3),
            (3, 3),
        ]
        found = [period for page in pages for period in page["available_periods"]]
        assert [period["available_period_id"] for period in found] == [
            identifier(number) for number in range(2 * PERIODS_PER_PAGE + 1)
        ]
        assert {period["start"]["tzid"] for period in found} == {"Europe/Paris"}

    def test_a_page_link_that_was_never_given_out_is_not_found(self, calendar: Calendar) -> None:
        assert calendar.get(f"{PATH}/pages/x").status_code == 404


class TestDeleting:
    @pytest.fixture
    def two(self, calendar: Calendar) -> Calendar:
        for name in ("one", "two"):
            write(calendar, name, "2026-11-24T09:00:00Z", "2026-11-24T12:00:00Z")
        return calendar

    @pytest.mark.parametrize("path", [PATH, f"{PATH}/"])
    def test_one_is_deleted_by_its_id_and_again_without_complaint(self, two: Calendar, path: str) -> None:
        for _ in range(2):
            response = delete(two, {"available_period_id": "one"}, path)
            assert (response.status_code, response.data) == (202, b"")
        assert ids(two) == ["two"]

    def test_all_are_deleted_but_not_somebody_elses(self, api: Api, two: Calendar) -> None:
        other = api.calendar("other")
        other.post(PATH, MORNING)

        assert delete(two, {"delete_all": True}).status_code == 202
        assert (ids(two), ids(other)) == ([], ["morning"])

    @pytest.mark.parametrize(
        ("body", "path"),
        [
            ([], "base"),
            ({}, "available_period_id"),
            ({"delete_all": False}, "available_period_id"),
            ({"available_period_id": None}, "available_period_id"),
            ({"available_period_id": ""}, "available_period_id"),
            ({"delete_all": "yes"}, "delete_all"),
            ({"delete_all": True, "available_period_id": "one"}, "available_period_id"),
        ],
    )
    @pytest.mark.parametrize("url", [PATH, f"{PATH}/"])
    def test_what_to_delete_has_to_be_said(self, two: Calendar, body: object, path: str, url: str) -> None:
        response = delete(two, body, url)

        assert response.status_code == 422
        assert list(response.json["errors"]) == [path]
        assert ids(two) == ["one", "two"]


@pytest.mark.parametrize(
    ("change", "path", "key"),
    [
        ({"available_period_id": None}, "available_period_id", "required"),
        ({"available_period_id": "ü"}, "available_period_id", "invalid"),
        ({"available_period_id": "x" * 65}, "available_period_id", "too_long"),
        ({"start": None}, "start", "required"),
        ({"start": 7}, "start", "invalid"),
        ({"start": "2026-11-24"}, "start", "invalid"),
        ({"start": "2026-11-24T09:00:00.5Z"}, "start", "invalid"),
        ({"end": {}}, "end.time", "required"),
        ({"end": {"time": "noon"}}, "end.time", "invalid"),
        ({"end": {"time": MORNING["end"], "tzid": "Mars"}}, "end.tzid", "tzid_unrecognized"),
        ({"end": MORNING["start"]}, "end", "invalid_time_pair"),
        ({"end": "2028-11-24T12:00:00Z"}, "end", "invalid_time_pair"),
        ({"tzid": "Mars/Olympus"}, "tzid", "tzid_unrecognized"),
    ],
)
def test_a_faulty_period_is_422_at_its_path(
    calendar: Calendar, change: dict[str, Any], path: str, key: str
) -> None:
    response = calendar.post(PATH, MORNING | change)

    assert response.status_code == 422
    assert {at: found[0]["key"] for at, found in response.json["errors"].items()} == {path: f"errors.{key}"}
    assert ids(calendar) == []


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ({"from": "yesterday"}, "from"),
        ({"to": "2026-11-31"}, "to"),
        ({"from": "2026-11-25", "to": "2026-11-24"}, "to"),
        ({"tzid": "Mars"}, "tzid"),
        ({"localized_times": "maybe"}, "localized_times"),
    ],
)
def test_a_faulty_read_is_422_at_its_parameter(calendar: Calendar, query: dict[str, str], path: str) -> None:
    assert list(calendar.get(PATH, **query).json["errors"]) == [path]


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_element_tokens_and_strangers_are_401(api: Api, calendar: Calendar, method: str) -> None:
    et = api.element_token(calendar, permission="managed_availability", origin=ORIGIN)

    assert api.http.open(PATH, method=method, json=MORNING).status_code == 401
    in_a_browser = api.http.open(
        PATH, method=method, json=MORNING, query_string={"et": et}, headers={"Origin": ORIGIN}
    )
    assert in_a_browser.status_code == 401


def test_an_account_has_so_many_periods_and_may_still_change_them(api: Api, calendar: Calendar) -> None:
    fill(api, calendar, [(identifier(number), BEGIN) for number in range(MAX_PERIODS - 1)])
    assert calendar.post(PATH, MORNING).status_code == 202

    refused = calendar.post(PATH, MORNING | {"available_period_id": "evening"})

    assert refused.json["errors"]["available_period_id"][0]["key"] == "errors.too_many"
    assert calendar.post(PATH, MORNING | {"end": "2026-11-24T11:00:00Z"}).status_code == 202


def test_the_store_finds_what_touches_a_stretch_for_many_accounts_at_once(
    api: Api, calendar: Calendar
) -> None:
    store: AvailablePeriodStore = api.backend.available_periods
    other = api.calendar("other")
    store.upsert(calendar.sub, AvailablePeriod("longest", 0, MAX_LENGTH))
    store.upsert(calendar.sub, AvailablePeriod("short", 10, 20))
    store.upsert(other.sub, AvailablePeriod("short", MAX_LENGTH, MAX_LENGTH + 1))

    end = Timespan(MAX_LENGTH - 1, MAX_LENGTH)
    assert store.touching([calendar.sub, other.sub], end) == {
        calendar.sub: [Timespan(0, MAX_LENGTH)],
        other.sub: [],
    }
    assert store.touching([calendar.sub], Timespan(20, 21)) == {calendar.sub: [Timespan(0, MAX_LENGTH)]}


def test_the_store_keeps_nothing_longer_than_it_can_find(api: Api, calendar: Calendar) -> None:
    with pytest.raises(ValueError, match="lasts"):
        api.backend.available_periods.upsert(calendar.sub, AvailablePeriod("x", 0, MAX_LENGTH + 1))
