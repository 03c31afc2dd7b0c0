"""The UI Elements as Cronofy ships them, without our loader, against the embedded backend."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from e2e.applications import Application, Calendar, at, today
from e2e.conftest import PartnerSite, Visit
from e2e.elements import press
from tests.processes import RunningService


class Stage:
    """A partner's page that runs one Element with a token of its own, and hears what it says."""

    def __init__(self, visit: Visit, partner: PartnerSite, application: Application) -> None:
        self.visit = visit
        self.partner = partner
        self.application = application
        self.page: Page = visit.page

    def show(self, element: str, permission: str, *calendars: Calendar, **options: object) -> Locator:
        token = self.application.element_token(
            self.partner.origin, permission, *(calendar.sub for calendar in calendars)
        )
        given = {
            "element_token": token,
            "target_id": "stage",
            "api_domain": self.application.service.url,
            "tzid": "Etc/UTC",
            **options,
        }
        bundle = f"{self.application.service.url}/elements/1.67.7/CronofyElements.js"
        self.visit.open(
            self.partner.origin
            + self.partner.put(
                f"""<div id="stage"></div><script src="{bundle}"></script><script>
                window.heard = [];
                CronofyElements.{element}({{...{json.dumps(given)}, callback: (told) => heard.push(told)}});
                </script>"""
            )
        )
        return self.page.locator("#stage")

    def heard(self, kind: str) -> list[dict[str, Any]]:
        """The Element's notifications of a kind, so far."""
        told: list[dict[str, Any]] = self.page.evaluate("window.heard")
        return [each for each in told if each["notification"]["type"] == kind]

    def wait_for(self, kind: str) -> dict[str, Any]:
        """The first notification of a kind."""
        self.page.wait_for_function(
            "(kind) => window.heard.some((told) => told.notification.type === kind)", arg=kind
        )
        return self.heard(kind)[0]


@pytest.fixture(scope="module")
def application(service: RunningService) -> Iterator[Application]:
    with httpx.Client(base_url=service.url, trust_env=False, timeout=60) as http:
        yield Application(service, http)


@pytest.fixture
def stage(visit: Visit, partner: PartnerSite, application: Application) -> Iterator[Stage]:
    stage = Stage(visit, partner, application)
    yield stage
    assert stage.heard("error") == []


def query(*calendars: Calendar, days: int = 10, **more: object) -> dict[str, object]:
    """Any free half hour of everybody, from tomorrow on, by day."""
    members = [{"sub": calendar.sub} for calendar in calendars]
    periods = [
        {"start": at(today() + timedelta(days=n), "09:00"), "end": at(today() + timedelta(days=n), "17:00")}
        for n in range(1, days + 1)
    ]
    return {
        "participants": [{"members": members, "required": "all"}],
        "required_duration": {"minutes": 30},
        "query_periods": periods,
        **more,
    }


def test_the_agenda_pages_to_next_week_and_on(stage: Stage, application: Application) -> None:
    calendar = application.calendar("agenda")
    days = [today() + timedelta(days=n) for n in range(1, 10)]
    calendar.write("Far off", at(days[-1], "09:00"), at(days[-1], "10:00"))
    element = stage.show("Agenda", "agenda", calendar)
    expect(element.get_by_text("No events to show")).to_be_visible()

    for day in days:
        element.get_by_role("button", name="Next").click()
        # Both days are there while one slides out.
        expect(element.locator(".CronofyAgenda__nav-date__number")).to_have_text([str(day.day)])

    expect(element.locator(".CronofyAgenda__event__title")).to_have_text("Far off")
    expect(element.locator(".CronofyAgenda__event__times--time")).to_have_text("09:00 - 10:00")


OFFICE_PARTY = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//Example//Calendar//EN
BEGIN:VEVENT
UID:party@example.com
DTSTAMP:20260101T000000Z
DTSTART:{day}T140000Z
DTEND:{day}T150000Z
SUMMARY:Office party
END:VEVENT
END:VCALENDAR
"""


@pytest.fixture(scope="module")
def mixed(application: Application, tmp_path_factory: pytest.TempPathFactory) -> Calendar:
    """A calendar with an event that the application wrote, and one that was imported."""
    calendar = application.calendar("mixed")
    calendar.write("Interview", at(today(), "10:00"), at(today(), "11:00"))
    file = tmp_path_factory.mktemp("files") / "office.ics"
    file.write_text(OFFICE_PARTY.format(day=f"{today():%Y%m%d}"))
    application.service.run("calendar", "import", str(file), "--sub", calendar.sub)
    return calendar


@pytest.mark.parametrize(
    ("mode", "titles"),
    [
        ("default", ["Interview", "Office party"]),
        ("only_managed", ["Interview"]),
        ("free_busy", ["busy", "busy"]),
        ("free_busy_managed", ["Interview", "busy"]),
    ],
)
def test_the_agenda_has_four_modes(stage: Stage, mixed: Calendar, mode: str, titles: list[str]) -> None:
    element = stage.show("Agenda", "agenda", mixed, config={"mode": mode})

    expect(element.locator(".CronofyAgenda__event__title")).to_have_text(titles)


def test_the_slot_picker_has_a_slot_confirmed(stage: Stage, application: Application) -> None:
    calendar, colleague = application.calendar("picker"), application.calendar("colleague")
    tomorrow = today() + timedelta(days=1)
    calendar.write("Busy", at(tomorrow, "09:00"), at(tomorrow, "16:00"))
    colleague.write("Busy, too", at(tomorrow, "16:30"), at(tomorrow, "17:00"))
    element = stage.show(
        "SlotPicker",
        "availability",
        calendar,
        colleague,
        availability_query=query(calendar, colleague, days=1),
    )
    slots = element.locator(".SlotPicker__slot")

    slots.first.click()
    expect(slots).to_have_text(["16:00 - 16:30"])
    slots.first.click()
    element.get_by_role("button", name="Confirm").click()

    slot = stage.wait_for("slot_selected")["notification"]["slot"]
    assert slot == {
        "start": at(tomorrow, "16:00"),
        "end": at(tomorrow, "16:30"),
        "participants": [{"sub": calendar.sub}, {"sub": colleague.sub}],
    }


def test_the_availability_viewer_pages_to_next_week(stage: Stage, application: Application) -> None:
    calendar = application.calendar("viewer")
    element = stage.show(
        "AvailabilityViewer", "availability", calendar, availability_query=query(calendar, days=20)
    )
    stage.wait_for("visible_slots")

    with stage.page.expect_response(lambda answer: "/v1/availability" in answer.url) as next_week:
        element.get_by_role("button", name="Next").click()
    offered = [slot["start"] for slot in next_week.value.json()["available_slots"]]
    element.get_by_role("button", name="10:15 - 10:45").nth(3).click()
    element.get_by_role("button", name="Confirm").click()

    slot = stage.wait_for("slot_selected")["notification"]["slot"]
    assert slot["start"] in offered
    assert slot["start"].endswith("T10:15:00Z")
    assert slot["participants"] == [{"sub": calendar.sub}]


def test_the_date_time_picker_pages_to_next_month(stage: Stage, application: Application) -> None:
    calendar = application.calendar("dates")
    day = (today().replace(day=1) + timedelta(days=32)).replace(day=15)
    wanted = query(calendar, days=(day - today()).days)
    element = stage.show("DateTimePicker", "availability", calendar, availability_query=wanted)
    times = element.locator(".DTP__time-slot")
    times.first.wait_for()

    month = element.get_by_role("heading", name=f"{day:%B %Y}")
    press(element.get_by_role("button", name="navigate to next month"), month)
    chosen = element.get_by_text(f"{day:%A} {day.day} {day:%B %Y}")
    press(element.locator(".DTP__calendar-grid--button").get_by_text("15", exact=True), chosen)
    times.nth(2).click()
    element.get_by_role("button", name="Confirm").click()

    told = stage.wait_for("slot_selected")["notification"]
    assert told["slot"]["start"].endswith("T10:00:00Z")
    assert told["slot"]["participants"] == [{"sub": calendar.sub}]


def test_the_availability_rules_are_edited_and_saved(stage: Stage, application: Application) -> None:
    calendar = application.calendar("rules")
    element = stage.show(
        "AvailabilityRules", "managed_availability", calendar, availability_rule_id="work_hours"
    )
    stage.wait_for("availability_rule_not_found")
    hours_of_a_day = 8
    monday_at_nine = element.locator(".AvailabilityViewer__slot-button").nth(hours_of_a_day)

    monday_at_nine.click()
    element.get_by_role("button", name="Save").click()
    stage.wait_for("availability_rule_saved")

    rule = calendar.get("/v1/availability_rules/work_hours").json()["availability_rule"]
    working = ["tuesday", "wednesday", "thursday", "friday"]
    assert rule == {
        "availability_rule_id": "work_hours",
        "tzid": "Etc/UTC",
        "weekly_periods": [
            {"day": "monday", "start_time": "10:00", "end_time": "17:00"},
            *({"day": day, "start_time": "09:00", "end_time": "17:00"} for day in working),
        ],
    }


def test_the_availability_rules_come_back_as_they_were_saved(stage: Stage, application: Application) -> None:
    calendar = application.calendar("more rules")
    periods = [{"day": "sunday", "start_time": "12:00", "end_time": "14:00"}]
    answer = application.http.post(
        "/v1/availability_rules",
        headers=calendar.headers,
        json={"availability_rule_id": "work_hours", "tzid": "Europe/Paris", "weekly_periods": periods},
    )
    assert answer.status_code == 200, answer.text

    element = stage.show(
        "AvailabilityRules", "managed_availability", calendar, availability_rule_id="work_hours"
    )

    expect(element.locator(".AvailabilityViewer__slot--available")).to_have_count(2)
    expect(element.get_by_role("combobox", name="Choose a timezone")).to_contain_text("Paris")


AUTHORIZATION = {"redirect_uri": "http://localhost/", "client_id": "app", "scope": "read_write"}


def test_calendar_sync_shows_an_application_calendar(stage: Stage, application: Application) -> None:
    calendar = application.calendar("sync")

    element = stage.show("CalendarSync", "account_management", calendar, authorization=AUTHORIZATION)

    profile = calendar.get("/v1/profiles").json()["profiles"][0]
    expect(element.locator(".CalendarSync__profile-name")).to_have_text(profile["profile_name"])
    expect(element.locator(".CalendarSync__status-label")).to_have_text("Active")
    expect(element.get_by_role("button")).to_have_count(0)


def test_calendar_sync_lets_a_person_remove_a_profile(stage: Stage, application: Application) -> None:
    jane = application.person("Jane Doe")
    element = stage.show("CalendarSync", "account_management", jane, authorization=AUTHORIZATION)

    element.get_by_role("button", name="Edit accounts").click()
    element.locator(".CalendarSync__profile").get_by_role("button").click()
    told = stage.wait_for("profile_revoked")

    assert told["userinfo"]["cronofy.data"]["profiles"] == []
    assert jane.get("/v1/profiles").json() == {"profiles": []}


def test_the_date_time_picker_offers_meetings_in_sequence(stage: Stage, application: Application) -> None:
    first, second = application.calendar("first round"), application.calendar("second round")
    tomorrow = today() + timedelta(days=1)
    first.write("Free from eleven", at(tomorrow, "09:00"), at(tomorrow, "11:00"))
    second.write("Free till noon", at(tomorrow, "12:00"), at(tomorrow, "17:00"))
    parts = [
        {
            "sequence_id": name,
            "ordinal": ordinal,
            "participants": [{"members": [{"sub": calendar.sub}], "required": "all"}],
            "required_duration": {"minutes": 30},
            "start_interval": {"minutes": 30},
        }
        for ordinal, (name, calendar) in enumerate([("one", first), ("two", second)], 1)
    ]
    period = {"start": at(tomorrow, "09:00"), "end": at(tomorrow, "17:00")}
    element = stage.show(
        "DateTimePicker",
        "availability",
        first,
        second,
        availability_query={"sequence": parts, "query_periods": [period]},
    )

    element.locator(".DTP__calendar-grid--button:not([disabled])").first.click()
    element.locator(".DTP__time-slot").first.click()
    element.get_by_role("button", name="Confirm").click()

    slot = stage.wait_for("slot_selected")["notification"]["slot"]
    times = [(part["sequence_id"], part["start"], part["end"]) for part in slot["sequence"]]
    assert times == [
        ("one", at(tomorrow, "11:00"), at(tomorrow, "11:30")),
        ("two", at(tomorrow, "11:30"), at(tomorrow, "12:00")),
    ]
