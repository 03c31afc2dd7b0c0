"""The official Python SDK against the service, with nothing changed but its base URL."""

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pycronofy
import pytest
import requests
from pycronofy.batch import BatchBuilder
from pycronofy.exceptions import PyCronofyPartialSuccessError, PyCronofyRequestError

from tests.processes import RunningService
from tests.receivers import Receiver
from tests.sdks.conftest import Application, FullCalendar

MEETING = {
    "event_id": "qTtZdczOccgaPncGJaCiLg",
    "summary": "Board meeting",
    "description": "Discuss plans for the next quarter.",
    "start": "2024-06-25T15:30:00Z",
    "end": "2024-06-25T17:00:00Z",
    "location": {"description": "Board room"},
}

# `requests` leaves the connection of an answer that became an error to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

NewClient = Callable[..., pycronofy.Client]


@pytest.fixture(scope="module")
def new_client(application: Application, pycronofy_base: str) -> NewClient:
    of_the_application = asdict(application)

    def new(**credentials: str) -> pycronofy.Client:
        client = pycronofy.Client(**(credentials or of_the_application))
        assert client.request_handler.base_url == pycronofy_base
        return client

    return new


class Calendar:
    """A fresh application calendar as the samples come to it."""

    def __init__(self, client: pycronofy.Client) -> None:
        self.client = client
        self.name = f"calendar-{uuid4()}"
        self.authorization = client.application_calendar(self.name)
        self.sub: str = self.authorization["sub"]
        self.calendar_id: str = client.list_calendars()[0]["calendar_id"]

    def write(self, **changes: Any) -> None:
        self.client.upsert_event(calendar_id=self.calendar_id, event=MEETING | changes)

    def events(self, **query: Any) -> list[dict[str, Any]]:
        return list(self.client.read_events(**query))


@pytest.fixture
def calendar(new_client: NewClient) -> Calendar:
    return Calendar(new_client())


def periods(*days: str) -> list[dict[str, Any]]:
    return [{"start": f"{day}T09:00:00Z", "end": f"{day}T18:00:00Z"} for day in days]


def refusal(call: Callable[..., object], *args: Any, **kwargs: Any) -> requests.Response:
    with pytest.raises(PyCronofyRequestError) as caught:
        call(*args, **kwargs)
    response: requests.Response = caught.value.response
    return response


def first_keys(response: requests.Response) -> dict[str, str]:
    return {field: faults[0]["key"] for field, faults in response.json()["errors"].items()}


def test_the_sample_creates_an_application_calendar(new_client: NewClient) -> None:
    cronofy = new_client()
    name = f"my-unique-string-{uuid4()}"

    application_calendar = cronofy.application_calendar(name)

    assert application_calendar["application_calendar_id"] == name
    assert application_calendar["sub"].startswith("apc_")
    assert len(application_calendar["access_token"]) == 32
    assert not cronofy.is_authorization_expired()


def test_creating_the_same_calendar_again_returns_it(calendar: Calendar, new_client: NewClient) -> None:
    again = new_client().application_calendar(calendar.name)

    kept = ("sub", "access_token", "refresh_token", "application_calendar_id")
    assert [again[name] for name in kept] == [calendar.authorization[name] for name in kept]


def test_the_sample_lists_the_one_calendar_by_its_access_token(
    calendar: Calendar, new_client: NewClient
) -> None:
    cronofy = new_client(access_token=calendar.authorization["access_token"])

    (only,) = cronofy.list_calendars()

    assert only["calendar_id"] == calendar.calendar_id
    assert only["provider_name"] == "cronofy"
    assert (only["calendar_primary"], only["calendar_readonly"], only["calendar_deleted"]) == (
        True,
        False,
        False,
    )


def test_the_sample_writes_an_event_that_reads_back_as_written(
    calendar: Calendar, new_client: NewClient
) -> None:
    cronofy = new_client(access_token=calendar.authorization["access_token"])

    assert cronofy.upsert_event(calendar_id=calendar.calendar_id, event=dict(MEETING)) is None

    (event,) = cronofy.read_events()
    assert event.items() >= MEETING.items()
    assert event["calendar_id"] == calendar.calendar_id


def test_a_second_upsert_moves_the_event(calendar: Calendar) -> None:
    calendar.write()
    calendar.write(start="2024-06-26T15:30:00Z", end="2024-06-26T17:00:00Z")

    assert [event["start"] for event in calendar.events()] == ["2024-06-26T15:30:00Z"]


@pytest.mark.parametrize(
    "start",
    [
        datetime(2024, 6, 25, 15, 30, tzinfo=UTC),
        datetime(2024, 6, 25, 16, 30, tzinfo=ZoneInfo("Europe/London")),
        {"time": datetime(2024, 6, 25, 15, 30, tzinfo=UTC), "tzid": "Europe/London"},
        "2024-06-25T15:30:00UTC",
        "2024-06-25T15:30:00+00:00",
    ],
    ids=["utc", "zoned", "object", "utc-suffix", "offset"],
)
def test_every_time_that_the_sdk_takes_arrives_as_the_same_moment(calendar: Calendar, start: object) -> None:
    calendar.write(start=start)

    assert [event["start"] for event in calendar.events()] == ["2024-06-25T15:30:00Z"]


def test_dates_make_an_event_of_whole_days(calendar: Calendar) -> None:
    calendar.write(start=date(2024, 6, 25), end=date(2024, 6, 27))

    (event,) = calendar.events()
    assert (event["start"], event["end"]) == ("2024-06-25", "2024-06-27")


def test_localized_times_come_with_their_zone(calendar: Calendar) -> None:
    calendar.write()

    (event,) = calendar.events(localized_times=True, tzid="Europe/London")
    assert event["start"] == {"time": "2024-06-25T16:30:00+01:00", "tzid": "Europe/London"}


def test_a_read_keeps_to_its_window_and_calendars(calendar: Calendar) -> None:
    calendar.write()
    calendar.write(event_id="later", start="2024-07-02T10:00:00Z", end="2024-07-02T11:00:00Z")

    june = {"from_date": date(2024, 6, 1), "to_date": date(2024, 7, 1)}
    assert [event["event_id"] for event in calendar.events(**june)] == [MEETING["event_id"]]
    assert calendar.events(calendar_ids=["cal_of_somebody_else"]) == []
    assert len(calendar.events(calendar_ids=[calendar.calendar_id])) == 2


def test_events_of_the_application_are_left_out_when_they_are_not_asked_for(calendar: Calendar) -> None:
    calendar.write()

    assert calendar.events(include_managed=False) == []
    assert len(calendar.events(include_managed=False, only_managed=True)) == 1


def test_a_deleted_event_is_gone_but_can_be_asked_for(calendar: Calendar) -> None:
    calendar.write()

    calendar.client.delete_event(calendar.calendar_id, MEETING["event_id"])

    assert calendar.events() == []
    assert [event["deleted"] for event in calendar.events(include_deleted=True)] == [True]


def test_pages_are_iterated_to_the_last_event(new_client: NewClient, full_calendar: FullCalendar) -> None:
    client = new_client()
    client.application_calendar(full_calendar.application_calendar_id)

    pages = client.read_events()

    assert (pages.current, pages.total, len(pages)) == (1, 2, 300)
    assert [event["event_id"] for event in pages] == full_calendar.event_ids
    assert (pages.current, pages.total, len(pages)) == (2, 2, 5)


def test_the_query_holds_on_every_page(new_client: NewClient, full_calendar: FullCalendar) -> None:
    client = new_client()
    client.application_calendar(full_calendar.application_calendar_id)

    events = client.read_events(localized_times=True, tzid="Europe/Paris").all()

    assert len(events) == len(full_calendar.event_ids)
    assert {event["start"]["tzid"] for event in events} == {"Europe/Paris"}


def test_free_busy_tells_when_but_not_what(calendar: Calendar) -> None:
    calendar.write()
    calendar.write(event_id="free", transparency="transparent")

    entries = list(calendar.client.read_free_busy(tzid="Europe/London"))

    when = {name: MEETING[name] for name in ("start", "end")} | {"calendar_id": calendar.calendar_id}
    assert sorted(entries, key=lambda entry: entry["free_busy_status"]) == [
        when | {"free_busy_status": "busy"},
        when | {"free_busy_status": "free"},
    ]


def test_the_sample_query_finds_when_both_calendars_are_free(
    calendar: Calendar, new_client: NewClient
) -> None:
    other = Calendar(new_client())
    calendar.write()
    other.write(start="2024-06-26T09:00:00Z", end="2024-06-26T12:00:00Z")

    found = calendar.client.availability(
        participants=[{"members": [{"sub": calendar.sub}, {"sub": other.sub}], "required": "all"}],
        required_duration={"minutes": 60},
        available_periods=periods("2024-06-25", "2024-06-26"),
    )

    both = [{"sub": calendar.sub}, {"sub": other.sub}]
    assert found == [
        {"start": "2024-06-25T09:00:00Z", "end": "2024-06-25T15:30:00Z", "participants": both},
        {"start": "2024-06-25T17:00:00Z", "end": "2024-06-25T18:00:00Z", "participants": both},
        {"start": "2024-06-26T12:00:00Z", "end": "2024-06-26T18:00:00Z", "participants": both},
    ]


def test_the_sdks_short_forms_of_a_query_are_understood(calendar: Calendar) -> None:
    calendar.write()

    found = calendar.client.availability(
        participants={"members": [calendar.sub]},
        required_duration=60,
        start_interval=30,
        buffer={"before": 30, "after": 30},
        available_periods=[
            {
                "start": datetime(2024, 6, 25, 13, 0, tzinfo=UTC),
                "end": datetime(2024, 6, 25, 19, 0, tzinfo=UTC),
            }
        ],
        response_format="overlapping_slots",
        max_results=4,
    )

    assert [slot["start"][11:16] for slot in found] == ["13:00", "13:30", "14:00", "17:30"]


def test_slots_can_be_asked_for_one_by_one(calendar: Calendar) -> None:
    calendar.write()
    free, taken = "2024-06-25T14:00:00Z", "2024-06-25T16:00:00Z"

    found = calendar.client.availability(
        participants={"members": [calendar.sub], "required": "all"},
        required_duration=30,
        query_slots=[{"start": free}, {"start": taken}],
        response_format="slots",
    )

    assert [slot["start"] for slot in found] == [free]


def test_an_account_of_another_kind_is_refused_at_its_place_in_the_query(calendar: Calendar) -> None:
    members = [{"sub": calendar.sub}, {"sub": "acc_5ba21743f408617d1269ea1e"}]

    response = refusal(
        calendar.client.availability,
        participants=[{"members": members, "required": "all"}],
        required_duration={"minutes": 60},
        available_periods=periods("2024-06-25"),
    )

    assert response.status_code == 422
    assert first_keys(response) == {"participants[0].members[1].sub": "errors.not_recognized"}


def test_the_sample_element_token_opens_the_calendar_to_its_origin_only(
    calendar: Calendar, pycronofy_base: str
) -> None:
    answer = calendar.client.get_ui_element_token(["agenda"], [calendar.sub], "http://localhost")

    minted = answer["element_token"]
    assert minted["permissions"] == ["agenda"]
    assert minted["origin"] == "http://localhost"
    assert minted["expires_in"] > 3600

    def userinfo(origin: str) -> requests.Response:
        return requests.get(
            f"{pycronofy_base}/v1/userinfo",
            params={"et": minted["token"]},
            headers={"Origin": origin},
            timeout=60,
        )

    assert userinfo("http://localhost").json()["sub"] == calendar.sub
    assert userinfo("http://localhost:3000").status_code == 401


def test_a_refresh_keeps_the_refresh_token_and_the_calendar(
    calendar: Calendar, application: Application, new_client: NewClient
) -> None:
    later = new_client(
        client_id=application.client_id,
        client_secret=application.client_secret,
        refresh_token=calendar.authorization["refresh_token"],
    )

    refreshed = later.refresh_authorization()

    assert refreshed["refresh_token"] == calendar.authorization["refresh_token"]
    assert later.list_calendars()[0]["calendar_id"] == calendar.calendar_id


def test_userinfo_names_the_application_calendar(calendar: Calendar) -> None:
    info = calendar.client.userinfo()

    assert info["sub"] == calendar.sub
    assert info["cronofy.type"] == "application_calendar"
    assert info["cronofy.data"]["application_calendar"] == {"application_calendar_id": calendar.name}


def test_every_fault_of_an_event_comes_back_in_one_error(calendar: Calendar) -> None:
    event = {"start": "2024-06-25T15:30:00Z", "end": "2024-06-25T15:00:00Z", "tzid": "Europe/Nowhere"}

    response = refusal(calendar.client.upsert_event, calendar.calendar_id, event)

    assert response.status_code == 422
    assert (
        first_keys(response).items()
        >= {
            "event_id": "errors.required",
            "summary": "errors.required",
            "tzid": "errors.tzid_unrecognized",
        }.items()
    )


def test_an_application_calendar_invites_nobody(calendar: Calendar) -> None:
    response = refusal(calendar.write, attendees={"invite": [{"email": "a@example.com"}]})

    assert response.status_code == 422
    assert first_keys(response) == {"attendees": "errors.event.cannot_set_attendees"}


def test_another_accounts_calendar_is_not_found(calendar: Calendar, new_client: NewClient) -> None:
    other = Calendar(new_client())

    response = refusal(calendar.client.upsert_event, other.calendar_id, dict(MEETING))

    assert response.status_code == 404
    assert other.events() == []


def test_an_unknown_access_token_is_401(new_client: NewClient) -> None:
    response = refusal(new_client(access_token="nobody's").list_calendars)

    assert response.status_code == 401
    assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]


def test_a_wrong_client_secret_is_401(application: Application, new_client: NewClient) -> None:
    client = new_client(client_id=application.client_id, client_secret="wrong")

    assert refusal(client.application_calendar, "any").status_code == 401
    assert refusal(client.get_ui_element_token, ["agenda"], [], "http://localhost").status_code == 401


def test_a_refresh_token_that_is_none_is_an_invalid_grant(
    application: Application, new_client: NewClient
) -> None:
    client = new_client(
        client_id=application.client_id, client_secret=application.client_secret, refresh_token="none"
    )

    response = refusal(client.refresh_authorization)

    assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")


# Identity and revocation.


def test_a_revoked_authorization_ends_both_tokens(
    calendar: Calendar, application: Application, new_client: NewClient
) -> None:
    calendar.write()
    refresh = new_client(**asdict(application), refresh_token=calendar.authorization["refresh_token"])

    calendar.client.revoke_authorization()

    assert calendar.client.auth.access_token is None
    with_the_old_token = new_client(access_token=calendar.authorization["access_token"])
    assert refusal(with_the_old_token.list_calendars).status_code == 401
    refused = refusal(refresh.refresh_authorization)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")


def test_a_revoked_calendar_comes_back_new_and_empty(calendar: Calendar, new_client: NewClient) -> None:
    calendar.write()
    calendar.client.revoke_authorization()

    client = new_client()
    again = client.application_calendar(calendar.name)

    assert again["sub"] != calendar.sub
    assert client.list_calendars()[0]["calendar_id"] != calendar.calendar_id
    assert list(client.read_events()) == []


def test_revoking_what_is_revoked_is_no_error(
    calendar: Calendar, application: Application, new_client: NewClient
) -> None:
    calendar.client.revoke_authorization()
    again = new_client(**asdict(application), access_token=calendar.authorization["access_token"])

    again.revoke_authorization()

    assert again.auth.access_token is None


def test_only_the_applications_own_secret_revokes(calendar: Calendar, new_client: NewClient) -> None:
    client = new_client(
        client_id="app_other", client_secret="wrong", access_token=calendar.authorization["access_token"]
    )

    response = refusal(client.revoke_authorization)

    assert (response.status_code, response.json()["error"]) == (400, "invalid_client")
    assert calendar.client.list_calendars()


def test_an_element_token_loses_a_revoked_calendar(calendar: Calendar, pycronofy_base: str) -> None:
    answer = calendar.client.get_ui_element_token(["agenda"], [calendar.sub], "http://localhost")
    calendar.client.revoke_authorization()

    response = requests.get(
        f"{pycronofy_base}/v1/userinfo",
        params={"et": answer["element_token"]["token"]},
        headers={"Origin": "http://localhost"},
        timeout=60,
    )

    assert response.status_code == 403


def test_an_application_calendar_has_an_account_and_one_profile(calendar: Calendar) -> None:
    account = calendar.client.account()
    (profile,) = calendar.client.list_profiles()

    assert (account["account_id"], account["type"]) == (calendar.sub, "application_calendar")
    assert profile["profile_id"] == calendar.client.list_calendars()[0]["profile_id"]
    assert profile["profile_connected"] is True


def test_the_sdk_can_read_why_there_is_no_second_calendar(calendar: Calendar) -> None:
    (profile,) = calendar.client.list_profiles()

    # It passes over any refusal that is not about a name in use, and returns nothing.
    assert calendar.client.create_calendar(profile["profile_id"], "Home") is None
    assert len(calendar.client.list_calendars()) == 1


def test_the_sample_query_mixes_an_application_calendar_and_a_user(
    service: RunningService, application: Application, calendar: Calendar, new_client: NewClient
) -> None:
    jane = service.run(
        *("account", "create", application.client_id, "--kind", "user", "--name", "Jane Doe"),
        *("--email", "jane@example.com", "--tzid", "Europe/London"),
    )
    client = new_client(access_token=jane["access_token"])
    client.upsert_event(calendar_id=jane["calendar_id"], event=dict(MEETING))
    both = [{"sub": calendar.sub}, {"sub": jane["sub"]}]

    found = calendar.client.availability(
        participants=[{"members": both, "required": "all"}],
        required_duration={"minutes": 60},
        available_periods=periods("2024-06-25", "2024-06-26"),
    )

    assert found == [
        {"start": "2024-06-25T09:00:00Z", "end": "2024-06-25T15:30:00Z", "participants": both},
        {"start": "2024-06-25T17:00:00Z", "end": "2024-06-25T18:00:00Z", "participants": both},
        {"start": "2024-06-26T09:00:00Z", "end": "2024-06-26T18:00:00Z", "participants": both},
    ]
    assert client.account() == {
        "account_id": jane["sub"],
        "email": "jane@example.com",
        "name": "Jane Doe",
        "default_tzid": "Europe/London",
        "scope": "read_write",
    }
    assert client.userinfo()["cronofy.type"] == "account"


def test_an_event_is_edited_and_deleted_by_its_uid(calendar: Calendar) -> None:
    calendar.write()
    (event,) = calendar.events()
    edited = {name: MEETING[name] for name in ("start", "end")} | {"summary": "Renamed"}

    calendar.client.upsert_event(calendar.calendar_id, edited | {"event_uid": event["event_uid"]})
    assert [found["summary"] for found in calendar.events()] == ["Renamed"]
    calendar.client.delete_external_event(calendar.calendar_id, event["event_uid"])
    assert calendar.events() == []


@pytest.mark.parametrize("of_which_calendars", ["all", "mine"])
def test_all_events_are_deleted_at_once(calendar: Calendar, of_which_calendars: str) -> None:
    calendar.write()
    calendar.write(event_id="other")

    calendar.client.delete_all_events([calendar.calendar_id] if of_which_calendars == "mine" else ())

    assert calendar.events() == []
    assert len(calendar.events(include_deleted=True)) == 2


def test_a_batch_of_writes_is_carried_out_in_order(calendar: Calendar) -> None:
    builder = BatchBuilder()
    for event_id in ("one", "two"):
        builder.upsert_event(calendar.calendar_id, MEETING | {"event_id": event_id})
    builder.delete_event(calendar.calendar_id, "one")

    result = calendar.client.batch(builder)

    assert not result.has_errors()
    assert [entry.status() for entry in result.entries] == [202] * 3
    assert [event["event_id"] for event in calendar.events()] == ["two"]


def test_a_batch_tells_which_of_its_entries_failed(calendar: Calendar) -> None:
    builder = BatchBuilder()
    builder.upsert_event(calendar.calendar_id, MEETING | {"summary": "x" * 2000})
    builder.upsert_event(calendar.calendar_id, dict(MEETING))

    with pytest.raises(PyCronofyPartialSuccessError) as caught:
        calendar.client.batch(builder)

    (failed,) = caught.value.batch_response.errors()
    assert failed.response["data"]["errors"]["summary"][0]["key"] == "errors.too_long"
    assert len(calendar.events()) == 1


def test_there_is_no_invitation_to_reply_to(calendar: Calendar) -> None:
    calendar.write()
    (event,) = calendar.events()

    response = refusal(
        calendar.client.change_participation_status, calendar.calendar_id, event["event_uid"], "accepted"
    )

    assert response.status_code == 422
    assert list(response.json()["errors"]) == ["status"]


# Real-time scheduling.


def link(calendar: Calendar, client: pycronofy.Client, **members: Any) -> dict[str, Any]:
    day = datetime.now(UTC).date() + timedelta(days=3)
    availability = {
        "participants": [{"members": [calendar.sub], "required": "all"}],
        "required_duration": 60,
        "available_periods": periods(str(day)),
    }
    created: dict[str, Any] = client.real_time_scheduling(
        availability=availability,
        oauth={"redirect_uri": "https://jobs.example.com/back"},
        event={"event_id": "interview-1", "summary": "Interview", "tzid": "Europe/London"},
        target_calendars=[{"sub": calendar.sub, "calendar_id": calendar.calendar_id}],
        **members,
    )
    return created


def test_a_scheduling_link_is_created_found_and_disabled(calendar: Calendar, new_client: NewClient) -> None:
    client = new_client()

    created = link(calendar, client, minimum_notice={"hours": 4}, event_creation="single")

    made = created["real_time_scheduling"]
    assert (created["url"], made["status"]) == (made["url"], "open")
    assert made["event"]["event_id"] == "interview-1"
    token, id_ = made["url"].rpartition("/")[2], made["real_time_scheduling_id"]
    assert client.get_real_time_scheduling_status(token=token) == {"real_time_scheduling": made}
    assert client.get_real_time_scheduling_status(real_time_scheduling_id=id_) == {
        "real_time_scheduling": made
    }
    disabled = client.disable_real_time_scheduling_link(id_, "The position is filled")
    assert disabled == {"real_time_scheduling": made | {"status": "disabled"}}


def test_a_booked_link_tells_when(calendar: Calendar, new_client: NewClient) -> None:
    client = new_client()
    url = link(calendar, client, callback_urls={"completed_url": "https://jobs.example.com/hook"})["url"]
    day = datetime.now(UTC).date() + timedelta(days=3)

    answer = requests.post(
        url,
        data={"start": f"{day}T11:00:00Z"},
        headers={"Origin": url.partition("/schedule/")[0]},
        allow_redirects=False,
        timeout=60,
    )

    assert answer.status_code == 303
    status = client.get_real_time_scheduling_status(token=url.rpartition("/")[2])["real_time_scheduling"]
    assert status["status"] == "completed"
    assert (status["event"]["start"], status["event"]["end"]) == (f"{day}T11:00:00Z", f"{day}T12:00:00Z")
    assert [event["event_id"] for event in calendar.events(include_managed=True)] == ["interview-1"]


WORK_HOURS = {
    "availability_rule_id": "work_hours",
    "tzid": "Europe/London",
    "weekly_periods": [{"day": "tuesday", "start_time": "10:00", "end_time": "12:00"}],
}


def test_a_rule_is_written_read_and_deleted(calendar: Calendar) -> None:
    client = calendar.client

    assert client.upsert_availability_rule(dict(WORK_HOURS)) == WORK_HOURS
    assert client.get_availability_rule("work_hours") == WORK_HOURS
    assert client.list_availability_rules() == [WORK_HOURS]
    client.delete_availability_rule("work_hours")
    assert refusal(client.get_availability_rule, "work_hours").status_code == 404


@pytest.mark.parametrize("by", ["access token", "API key"])
def test_managed_availability_is_found_with_either_credential(
    calendar: Calendar, new_client: NewClient, application: Application, by: str
) -> None:
    calendar.client.upsert_availability_rule(dict(WORK_HOURS))
    client = new_client(access_token=application.client_secret) if by == "API key" else calendar.client
    member = {"sub": calendar.sub, "managed_availability": True}

    found = client.availability(
        participants=[{"members": [member], "required": "all"}],
        required_duration={"minutes": 60},
        available_periods=periods("2024-06-25"),
    )

    # 10:00 on a summer's day in London.
    assert [(period["start"], period["end"]) for period in found] == [
        ("2024-06-25T09:00:00Z", "2024-06-25T11:00:00Z")
    ]


def test_a_sequence_has_a_time_for_every_step(calendar: Calendar, new_client: NewClient) -> None:
    other = Calendar(new_client())

    def step(sequence_id: int, ordinal: int, sub: str) -> dict[str, Any]:
        return {
            "sequence_id": sequence_id,
            "ordinal": ordinal,
            "participants": [{"members": [sub], "required": "all"}],
            "required_duration": 60,
            "start_interval": 60,
            "buffer": {"before": {"minimum": {"minutes": 30}}},
            "event": {"summary": "An interview"},
        }

    found = calendar.client.sequenced_availability(
        sequence=[step(1, 1, calendar.sub), step(2, 2, other.sub)], available_periods=periods("2024-06-25")
    )

    assert [(part["sequence_id"], part["start"]) for part in found[0]["sequence"]] == [
        (1, "2024-06-25T09:00:00Z"),
        (2, "2024-06-25T11:00:00Z"),
    ]
    assert found[0]["sequence"][1]["participants"] == [{"sub": other.sub}]


# Push notifications.


def test_a_channel_is_verified_told_of_changes_and_closed(calendar: Calendar) -> None:
    client = calendar.client
    with Receiver() as receiver:
        channel = client.create_notification_channel(
            receiver.url, calendar_ids=[calendar.calendar_id], only_managed=True
        )
        verification = receiver.next()
        calendar.write()
        change = receiver.next()

    assert client.list_notification_channels() == [channel]
    for request, kind in ((verification, "verification"), (change, "change")):
        body = request.body.decode()
        assert json.loads(body)["notification"]["type"] == kind
        assert json.loads(body)["channel"] == channel
        assert client.hmac_valid(request.headers["Cronofy-HMAC-SHA256"], body)
        assert not client.hmac_valid(request.headers["Cronofy-HMAC-SHA256"], f"{body} ")
    since = json.loads(change.body)["notification"]["changes_since"]
    assert [event["event_id"] for event in calendar.events(last_modified=since)] == [MEETING["event_id"]]

    client.close_notification_channel(channel["channel_id"])
    assert client.list_notification_channels() == []


def test_a_channel_to_an_impossible_address_is_422(calendar: Calendar) -> None:
    response = refusal(calendar.client.create_notification_channel, "ftp://hooks.example.com/")

    assert response.status_code == 422
    assert response.json()["errors"].keys() == {"callback_url"}
