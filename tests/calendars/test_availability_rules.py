"""`/v1/availability_rules`: weekly hours, kept as they were written."""

from typing import Any

import pytest

from tests.calendars.conftest import Api, Calendar
from widgetsvc.calendars.backend import Backend
from widgetsvc.calendars.store.availability_rules import MAX_RULES

pytestmark = pytest.mark.on_every_database

ORIGIN = "https://jobs.example.com"
PATH = "/v1/availability_rules"
MONDAY = {"day": "monday", "start_time": "09:00", "end_time": "17:00"}


def rule(**members: Any) -> dict[str, Any]:
    return {
        "availability_rule_id": "work_hours",
        "tzid": "Europe/London",
        "weekly_periods": [MONDAY],
    } | members


def rules(calendar: Calendar) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = calendar.get(PATH).json["availability_rules"]
    return found


def test_a_rule_comes_back_as_it_was_written(calendar: Calendar) -> None:
    written = rule(
        weekly_periods=[
            MONDAY,
            {"day": "monday", "start_time": "16:00", "end_time": "24:00"},
            {"day": "sunday", "start_time": "00:00", "end_time": "00:00"},
        ]
    )

    assert calendar.post(PATH, written).json == {"availability_rule": written}
    assert calendar.get(f"{PATH}/work_hours").json == {"availability_rule": written}
    assert rules(calendar) == [written]


def test_calendar_ids_come_back_where_they_were_given(calendar: Calendar) -> None:
    named = rule(calendar_ids=[calendar.calendar_id])

    assert calendar.post(PATH, named).json == {"availability_rule": named}
    assert rules(calendar) == [named]


def test_null_calendar_ids_are_absent_as_php_sends_them(calendar: Calendar) -> None:
    calendar.post(PATH, rule(calendar_ids=[calendar.calendar_id]))

    assert calendar.post(PATH, rule(calendar_ids=None)).json == {"availability_rule": rule()}
    assert rules(calendar) == [rule()]


def test_a_second_write_replaces_the_rule(calendar: Calendar) -> None:
    calendar.post(PATH, rule())
    calendar.post(PATH, rule(tzid="Asia/Tokyo", weekly_periods=[]))

    assert rules(calendar) == [rule(tzid="Asia/Tokyo", weekly_periods=[])]


def test_rules_belong_to_one_account(api: Api, calendar: Calendar) -> None:
    other = api.calendar("other")
    calendar.post(PATH, rule())

    assert rules(other) == []
    assert other.get(f"{PATH}/work_hours").status_code == 404


def test_an_absent_rule_is_404_without_a_body(calendar: Calendar) -> None:
    response = calendar.get(f"{PATH}/work_hours")

    assert (response.status_code, response.data) == (404, b"")


@pytest.mark.parametrize(
    "sent", [{}, {"json": []}, {"json": {"availability_rule_id": "work_hours"}}, {"data": "not JSON"}]
)
def test_a_rule_is_deleted_whatever_the_body(calendar: Calendar, sent: dict[str, Any]) -> None:
    calendar.post(PATH, rule())

    for _ in range(2):
        response = calendar.api.http.delete(f"{PATH}/work_hours/", headers=calendar.headers, **sent)
        assert (response.status_code, response.data) == (202, b"")
    assert rules(calendar) == []


@pytest.mark.parametrize(
    ("change", "path", "key"),
    [
        ({"availability_rule_id": None}, "availability_rule_id", "required"),
        ({"availability_rule_id": " "}, "availability_rule_id", "required"),
        ({"availability_rule_id": "x" * 65}, "availability_rule_id", "too_long"),
        ({"availability_rule_id": "arbeitstäglich"}, "availability_rule_id", "invalid"),
        ({"availability_rule_id": "work/hours"}, "availability_rule_id", "invalid"),
        ({"availability_rule_id": ".."}, "availability_rule_id", "invalid"),
        ({"availability_rule_id": 7}, "availability_rule_id", "invalid"),
        ({"tzid": None}, "tzid", "required"),
        ({"tzid": "Europe/Nowhere"}, "tzid", "tzid_unrecognized"),
        ({"weekly_periods": None}, "weekly_periods", "required"),
        ({"weekly_periods": {}}, "weekly_periods", "invalid"),
        ({"weekly_periods": [MONDAY] * 337}, "weekly_periods", "too_many"),
        ({"weekly_periods": [MONDAY, "monday"]}, "weekly_periods[1]", "invalid"),
        ({"weekly_periods": [MONDAY | {"day": "Monday"}]}, "weekly_periods[0].day", "invalid"),
        ({"weekly_periods": [MONDAY | {"start_time": "24:00"}]}, "weekly_periods[0].start_time", "invalid"),
        ({"weekly_periods": [MONDAY | {"start_time": "9:00"}]}, "weekly_periods[0].start_time", "invalid"),
        ({"weekly_periods": [MONDAY | {"end_time": "24:01"}]}, "weekly_periods[0].end_time", "invalid"),
        ({"weekly_periods": [MONDAY | {"end_time": "17:60"}]}, "weekly_periods[0].end_time", "invalid"),
        (
            {"weekly_periods": [MONDAY, MONDAY | {"end_time": "09:00"}]},
            "weekly_periods[1].end_time",
            "invalid_time_pair",
        ),
        ({"calendar_ids": []}, "calendar_ids", "required"),
        ({"calendar_ids": [7]}, "calendar_ids[0]", "invalid"),
        ({"calendar_ids": ["cal_of_somebody_else"]}, "calendar_ids[0]", "not_recognized"),
    ],
)
def test_a_faulty_rule_is_422_at_its_path(
    calendar: Calendar, change: dict[str, Any], path: str, key: str
) -> None:
    response = calendar.post(PATH, rule() | change)

    assert response.status_code == 422
    assert {at: found[0]["key"] for at, found in response.json["errors"].items()} == {path: f"errors.{key}"}
    assert rules(calendar) == []


def test_every_fault_of_a_rule_is_listed_at_once(calendar: Calendar) -> None:
    response = calendar.post(
        PATH,
        {
            "tzid": "Mars/Olympus",
            "weekly_periods": [{"day": "someday", "start_time": "x"}],
            "calendar_ids": [calendar.calendar_id, "cal_of_somebody_else"],
        },
    )

    assert set(response.json["errors"]) == {
        "availability_rule_id",
        "tzid",
        "weekly_periods[0].day",
        "weekly_periods[0].start_time",
        "weekly_periods[0].end_time",
        "calendar_ids[1]",
    }


def test_an_account_has_so_many_rules_and_may_still_change_them(calendar: Calendar) -> None:
    for number in range(MAX_RULES):
        assert calendar.post(PATH, rule(availability_rule_id=str(number))).status_code == 200

    refused = calendar.post(PATH, rule(availability_rule_id="one more"))

    assert refused.status_code == 422
    assert refused.json["errors"]["availability_rule_id"][0]["key"] == "errors.too_many"
    assert calendar.post(PATH, rule(availability_rule_id="0", tzid="Asia/Tokyo")).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"), [("GET", PATH), ("POST", PATH), ("GET", f"{PATH}/x"), ("DELETE", f"{PATH}/x")]
)
def test_without_credentials_it_is_401(api: Api, method: str, path: str) -> None:
    assert api.http.open(path, method=method, json=rule()).status_code == 401


class TestInABrowser:
    """What the Availability Rules Element does, with an element token."""

    @pytest.fixture
    def other(self, api: Api) -> Calendar:
        return api.calendar("other")

    @pytest.fixture
    def et(self, api: Api, calendar: Calendar, other: Calendar) -> str:
        return api.element_token(calendar, other, permission="managed_availability", origin=ORIGIN)

    def call(self, api: Api, method: str, path: str, et: str, **sent: Any) -> Any:
        response = api.http.open(
            path, method=method, query_string={"et": et}, headers={"Origin": ORIGIN}, **sent
        )
        assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
        return response

    def test_a_rule_that_is_absent_is_404_then_saved_then_read(
        self, api: Api, calendar: Calendar, other: Calendar, et: str
    ) -> None:
        assert self.call(api, "GET", f"{PATH}/work_hours", et).status_code == 404
        assert self.call(api, "POST", PATH, et, json=rule()).json == {"availability_rule": rule()}
        assert self.call(api, "GET", f"{PATH}/work_hours", et).json == {"availability_rule": rule()}
        assert (rules(calendar), rules(other)) == ([rule()], [])

    def test_faults_are_readable_by_the_page(self, api: Api, et: str) -> None:
        assert self.call(api, "POST", PATH, et, json={}).status_code == 422

    def test_the_list_and_deleting_are_out_of_reach(self, api: Api, et: str) -> None:
        assert self.call(api, "GET", PATH, et).status_code == 401
        assert self.call(api, "DELETE", f"{PATH}/work_hours", et).status_code == 401

    def test_another_permission_does_not_suffice(self, api: Api, calendar: Calendar) -> None:
        et = api.element_token(calendar, permission="availability", origin=ORIGIN)

        assert self.call(api, "POST", PATH, et, json=rule()).status_code == 403
        assert self.call(api, "GET", f"{PATH}/work_hours", et).status_code == 403


def test_rules_go_with_their_application_alone(backend: Backend, api: Api, calendar: Calendar) -> None:
    stranger = Api(backend, api.http, "stranger").calendar()
    calendar.post(PATH, rule())

    assert stranger.get(f"{PATH}/work_hours").status_code == 404
