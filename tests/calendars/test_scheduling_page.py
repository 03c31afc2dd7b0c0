"""`/schedule/{token}` as a browser without scripts uses it."""

import html
import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from flask.testing import FlaskClient
from icalendar import Calendar as CalendarFile
from sqlalchemy import Engine, delete, select, update
from werkzeug.test import TestResponse

from tests.calendars.conftest import PUBLIC_URL, Api, Calendar
from tests.calendars.scheduling import ELEVEN, MONDAY, OWN_FORM, create, page_of, pick, status
from tests.clocks import FakeClock
from widgetsvc.calendars.api.app import create_backend_app
from widgetsvc.calendars.backend import Backend
from widgetsvc.calendars.pages.assets import PageAssets
from widgetsvc.calendars.records import AccountIdentity, AccountKind
from widgetsvc.calendars.store import schema

HOUR, DAY = 3_600, 86_400
TEMPLATES = Path(__file__).parents[2] / "templates"


@pytest.fixture
def http(backend: Backend) -> FlaskClient:
    assets = PageAssets(
        templates=TEMPLATES,
        static_url=f"{PUBLIC_URL}/static",
        bundle_src=f"{PUBLIC_URL}/elements/bundle.js",
        bundle_integrity="sha384-x",
        style_hashes=["'sha256-y'"],
    )
    return create_backend_app(backend, assets).test_client()


@pytest.fixture
def link(api: Api, calendar: Calendar) -> dict[str, Any]:
    return create(api, calendar)


def starts(page: TestResponse) -> list[str]:
    """The times that the list offers."""
    return [found[11:16] for found in re.findall(r'<button name="start" value="([^"]+)"', page.text)]


def picker(page: TestResponse) -> dict[str, Any]:
    """What the Element is started with."""
    found = re.search(r'<script type="application/json" id="schedule">(.*?)</script>', page.text)
    assert found
    document: dict[str, Any] = json.loads(found[1])
    return document


def owed(engine: Engine) -> list[tuple[str, dict[str, Any]]]:
    """What the outbox holds: addresses and bodies."""
    with engine.connect() as connection:
        rows = connection.execute(select(schema.deliveries.c.url, schema.deliveries.c.body))
        return [(url, json.loads(body)) for url, body in rows]


def revoke(engine: Engine, calendar: Calendar) -> None:
    with engine.execution_options(writes=True).begin() as connection:
        connection.execute(delete(schema.accounts).where(schema.accounts.c.sub == calendar.sub))


def test_the_page_lists_what_is_free(http: FlaskClient, link: dict[str, Any], calendar: Calendar) -> None:
    calendar.write("busy", f"{MONDAY}T10:30:00Z", f"{MONDAY}T11:00:00Z")

    page = http.get(page_of(link))

    assert page.status_code == 200
    assert "Interview" in page.text
    assert "30 minutes" in page.text
    assert "Monday 23 November 2026" in page.text
    assert starts(page) == ["10:00", "11:00", "11:30"]


def test_a_time_is_picked_confirmed_and_booked(
    http: FlaskClient, api: Api, link: dict[str, Any], calendar: Calendar
) -> None:
    confirm = http.get(page_of(link), query_string={"start": ELEVEN})
    assert "Book this time" in confirm.text
    assert calendar.event_ids() == []

    answer = pick(http, link)

    assert (answer.status_code, answer.location) == (303, page_of(link))
    booked = http.get(answer.location)
    assert "Booked" in booked.text
    assert "11:00 to 11:30" in booked.text
    assert calendar.event_ids() == ["interview-1"]
    after = status(api, link)
    assert after["status"] == "completed"
    assert (after["event"]["start"], after["event"]["end"]) == (ELEVEN, f"{MONDAY}T11:30:00Z")


def test_the_event_stands_in_every_target_calendar(http: FlaskClient, api: Api) -> None:
    host, room = api.calendar("host"), api.calendar("room")

    pick(http, create(api, host, room))

    assert (host.event_ids(), room.event_ids()) == (["interview-1"], ["interview-1"])


def test_a_single_event_stands_in_the_first_target_calendar(http: FlaskClient, api: Api) -> None:
    host, room = api.calendar("host"), api.calendar("room")

    pick(http, create(api, host, room, event_creation="single"))

    assert (host.event_ids(), room.event_ids()) == (["interview-1"], [])


def test_booking_again_is_answered_as_at_first(
    http: FlaskClient, link: dict[str, Any], calendar: Calendar
) -> None:
    first, second = pick(http, link), pick(http, link)

    assert (second.status_code, second.location) == (first.status_code, first.location)
    assert calendar.event_ids() == ["interview-1"]


def test_a_second_choice_changes_nothing(http: FlaskClient, link: dict[str, Any], calendar: Calendar) -> None:
    pick(http, link)

    answer = pick(http, link, f"{MONDAY}T10:00:00Z")

    assert answer.status_code == 409
    assert "it stays as it was" in answer.text
    assert "11:00 to 11:30" in answer.text
    assert calendar.event_ids() == ["interview-1"]


def test_a_time_that_was_taken_meanwhile_is_answered_with_what_is_free(
    http: FlaskClient, link: dict[str, Any], calendar: Calendar
) -> None:
    calendar.write("sooner", ELEVEN, f"{MONDAY}T11:30:00Z")

    answer = pick(http, link)

    assert answer.status_code == 409
    assert "has just been taken" in answer.text
    assert starts(answer) == ["10:00", "10:30", "11:30"]
    assert calendar.event_ids() == ["sooner"]


@pytest.mark.parametrize(
    "start",
    [
        "2026-11-22T10:00:00Z",  # past
        f"{MONDAY}T09:30:00Z",  # before the periods
        f"{MONDAY}T11:45:00Z",  # ends after them
        f"{MONDAY}T10:10:00Z",  # off the grid
        "2026-11-30T10:00:00Z",
    ],
)
def test_what_was_never_offered_is_not_booked(
    http: FlaskClient, link: dict[str, Any], calendar: Calendar, start: str
) -> None:
    assert pick(http, link, start).status_code == 409
    assert calendar.event_ids() == []


def test_a_start_that_is_no_time_is_asked_for_again(http: FlaskClient, link: dict[str, Any]) -> None:
    answer = pick(http, link, "soon")

    assert answer.status_code == 400
    assert "Please choose one of these times" in answer.text


@pytest.mark.on_every_database
def test_of_many_who_want_one_time_one_gets_it(backend: Backend, api: Api, calendar: Calendar) -> None:
    events = [{"event_id": f"visitor-{n}", "summary": "Visit"} for n in range(6)]
    links = [create(api, calendar, event=event) for event in events]
    together = Barrier(len(links))

    def visit(link: dict[str, Any]) -> int:
        together.wait(60)
        return pick(api.http.application.test_client(), link).status_code

    with ThreadPoolExecutor(len(links)) as pool:
        answers = list(pool.map(visit, links))

    assert sorted(answers) == [303, 409, 409, 409, 409, 409]
    assert len(calendar.event_ids()) == 1


@pytest.mark.on_every_database
def test_of_many_who_use_one_link_one_gets_a_time(api: Api, calendar: Calendar) -> None:
    link = create(api, calendar)
    times = [f"{MONDAY}T{clock}:00Z" for clock in ("10:00", "10:30", "11:00", "11:30")]
    together = Barrier(len(times))

    def visit(start: str) -> int:
        together.wait(60)
        return pick(api.http.application.test_client(), link, start).status_code

    with ThreadPoolExecutor(len(times)) as pool:
        answers = list(pool.map(visit, times))

    assert sorted(answers) == [303, 409, 409, 409]
    assert calendar.event_ids() == ["interview-1"]


def test_what_is_over_or_too_near_is_not_offered(
    http: FlaskClient, api: Api, calendar: Calendar, clock: FakeClock
) -> None:
    link = create(api, calendar, minimum_notice={"hours": 1})
    clock.advance(22 * HOUR - 90)  # Monday, 09:58:30

    page = http.get(page_of(link))

    assert starts(page) == ["11:00", "11:30"]
    assert picker(page)["availability_query"]["query_periods"] == [
        {"start": f"{MONDAY}T10:59:00Z", "end": f"{MONDAY}T12:00:00Z"}
    ]
    clock.advance(2 * 60)
    assert pick(http, link).status_code == 409
    assert pick(http, link, f"{MONDAY}T11:30:00Z").status_code == 303


def test_exact_starts_are_offered_and_booked(http: FlaskClient, api: Api, calendar: Calendar) -> None:
    query = {
        "participants": [{"members": [{"sub": calendar.sub}], "required": "all"}],
        "required_duration": {"minutes": 45},
        "query_slots": [{"start": f"{MONDAY}T{clock}:00Z"} for clock in ("10:05", "13:10")],
    }
    link = create(api, calendar, availability=query)

    assert starts(http.get(page_of(link))) == ["10:05", "13:10"]
    assert pick(http, link, f"{MONDAY}T10:30:00Z").status_code == 409
    assert pick(http, link, f"{MONDAY}T13:10:00Z").status_code == 303


def test_without_confirmation_the_list_books(http: FlaskClient, api: Api, calendar: Calendar) -> None:
    page = http.get(page_of(create(api, calendar, selection_mode="no_confirm")))

    form = re.search(r'<form id="times"[^>]*>', page.text)
    assert form
    assert 'method="post"' in form[0]


def test_times_are_shown_in_the_applications_zone_and_clock(
    http: FlaskClient, api: Api, calendar: Calendar
) -> None:
    link = create(api, calendar, tzid="America/New_York", formatting={"hour_format": "h"})

    page = http.get(page_of(link), query_string={"start": ELEVEN})

    assert "6:00 am to 6:30 am" in page.text
    assert "New York time (UTC-5)" in page.text


def test_the_visitors_zone_wins(http: FlaskClient, link: dict[str, Any]) -> None:
    answer = pick(http, link, tzid="Asia/Kolkata")

    page = http.get(answer.location)
    assert "16:30 to 17:00" in page.text
    assert "Kolkata time (UTC+5:30)" in page.text


def test_later_days_are_on_further_pages(http: FlaskClient, api: Api, calendar: Calendar) -> None:
    days = [f"2026-11-{day}" for day in range(23, 31)]
    query = {
        "participants": [{"members": [{"sub": calendar.sub}], "required": "all"}],
        "required_duration": {"minutes": 60},
        "query_periods": [{"start": f"{day}T10:00:00Z", "end": f"{day}T11:00:00Z"} for day in days],
    }
    path = page_of(create(api, calendar, availability=query))

    first = http.get(path)
    assert len(starts(first)) == 5
    onwards = re.search(r'href="([^"]+)">Later times', first.text)
    assert onwards
    second = http.get(html.unescape(onwards[1]))

    assert re.findall(r'id="day-([^"]+)"', second.text) == days[5:]
    assert "Later times" not in second.text


def test_the_application_is_told_of_the_booking(
    http: FlaskClient, api: Api, calendar: Calendar, engine: Engine
) -> None:
    urls = {"completed_url": "https://jobs.example.com/hook"}
    link = create(api, calendar, tzid="Europe/London", callback_urls=urls)

    pick(http, link, tzid="Europe/Paris")
    pick(http, link, tzid="Europe/Paris")

    ((url, body),) = owed(engine)
    assert url == "https://jobs.example.com/hook"
    assert body["event"]["event_id"] == "interview-1"
    assert body["event"]["start"] == {"time": ELEVEN, "tzid": "Europe/London"}
    assert body["participants"] == [{"sub": calendar.sub}]
    assert body["user"] == {"tzid": "Europe/Paris"}
    assert body["notification"] == {"type": "real_time_scheduling_completed"}
    assert body["real_time_scheduling"] == status(api, link)


def test_the_deprecated_callback_url_is_told_too(
    http: FlaskClient, api: Api, calendar: Calendar, engine: Engine
) -> None:
    pick(http, create(api, calendar, callback_url="https://jobs.example.com/old"))

    assert [url for url, _ in owed(engine)] == ["https://jobs.example.com/old"]


def test_the_visitor_is_sent_on_at_once(http: FlaskClient, api: Api, calendar: Calendar) -> None:
    thanks = "https://jobs.example.com/thanks?a=1&b=2"
    link = create(api, calendar, redirect_urls={"completed_url": thanks})

    answer = pick(http, link)

    assert (answer.status_code, answer.location) == (303, thanks)
    assert html.escape(thanks) in http.get(page_of(link)).text


def test_a_browser_lets_the_form_lead_there(http: FlaskClient, api: Api, calendar: Calendar) -> None:
    link = create(api, calendar, redirect_urls={"completed_url": "https://jobs.example.com/thanks"})

    policy = http.get(page_of(link)).headers["Content-Security-Policy"]

    assert "form-action 'self' https://jobs.example.com;" in policy


def test_the_booked_event_can_be_taken_along(http: FlaskClient, api: Api, calendar: Calendar) -> None:
    event = {
        "event_id": "interview-1",
        "summary": "Interview; bring tools, please",
        "description": "Ring\x07the\x1bbell",  # which no content line may hold (RFC 5545 section 3.1)
        "location": {"description": "14 Rope Walk"},
    }
    link = create(api, calendar, event=event)
    path = f"{page_of(link)}/event.ics"
    assert http.get(path).status_code == 404
    pick(http, link)

    answer = http.get(path)

    assert answer.mimetype == "text/calendar"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="event.ics"'
    (entry,) = CalendarFile.from_ical(answer.data).walk("VEVENT")
    assert entry["summary"] == "Interview; bring tools, please"
    assert (entry["description"], entry["location"]) == ("Ringthebell", "14 Rope Walk")
    assert f"{entry.decoded('dtstart'):%Y-%m-%dT%H:%M:%SZ}" == ELEVEN


def test_a_link_that_can_no_longer_be_answered_says_so(
    http: FlaskClient, api: Api, calendar: Calendar, engine: Engine
) -> None:
    link = create(api, calendar)
    with engine.execution_options(writes=True).begin() as connection:
        stored = connection.execute(select(schema.scheduling_links.c.request)).scalar_one()
        stored["availability"]["required_duration"] = {"minutes": 10_000}
        connection.execute(update(schema.scheduling_links).values(request=stored))

    page = http.get(page_of(link))

    assert (page.status_code, page.mimetype) == (410, "text/html")
    assert "ask whoever sent it" in page.text


def test_who_finds_nothing_suitable_can_say_so_once(
    http: FlaskClient, api: Api, calendar: Calendar, engine: Engine
) -> None:
    link = create(api, calendar, callback_urls={"no_times_suitable_url": "https://jobs.example.com/none"})
    assert "None of these times suit me" in http.get(page_of(link)).text

    for _ in range(2):
        answer = http.post(
            f"{page_of(link)}/no_times_suitable",
            headers=OWN_FORM,
            content_type="application/x-www-form-urlencoded",
        )
        assert answer.status_code == 303

    assert "has been passed on" in http.get(answer.location).text
    ((url, body),) = owed(engine)
    assert url == "https://jobs.example.com/none"
    assert body["notification"] == {"type": "no_times_suitable"}
    assert body["real_time_scheduling"] == link
    assert pick(http, link).status_code == 303


def test_nobody_is_asked_what_nobody_would_hear(http: FlaskClient, link: dict[str, Any]) -> None:
    assert "None of these times suit me" not in http.get(page_of(link)).text


def test_the_application_is_told_once_that_nothing_was_free(
    http: FlaskClient, api: Api, calendar: Calendar, engine: Engine
) -> None:
    link = create(api, calendar, callback_urls={"no_times_displayed_url": "https://jobs.example.com/full"})
    http.get(page_of(link))
    assert owed(engine) == []
    calendar.write("all day", f"{MONDAY}T09:00:00Z", f"{MONDAY}T13:00:00Z")

    pages = [http.get(page_of(link)) for _ in range(2)]

    assert all("No free times" in page.text for page in pages)
    assert [(url, body["notification"]) for url, body in owed(engine)] == [
        ("https://jobs.example.com/full", {"type": "no_times_displayed"})
    ]


@pytest.mark.parametrize(
    "path", ["/schedule/none", "/schedule/none/event.ics", "/schedule/a/b/c", "/schedule/"]
)
def test_an_unknown_link_is_a_page_that_says_so(http: FlaskClient, path: str) -> None:
    page = http.get(path)

    assert page.status_code == 404
    assert "This link does not exist" in page.text


def test_a_disabled_link_shows_the_applications_words(
    http: FlaskClient, api: Api, link: dict[str, Any], calendar: Calendar
) -> None:
    api.http.post(
        f"/v1/real_time_scheduling/{link['real_time_scheduling_id']}/disable",
        headers=api.api_key,
        json={"display_message": "The <b>position</b> is filled."},
    )

    page = http.get(page_of(link))

    assert page.status_code == 410
    assert "The &lt;b&gt;position&lt;/b&gt; is filled." in page.text
    assert pick(http, link).status_code == 410
    assert calendar.event_ids() == []


def test_a_completed_link_cannot_be_disabled(http: FlaskClient, api: Api, link: dict[str, Any]) -> None:
    pick(http, link)

    response = api.http.post(
        f"/v1/real_time_scheduling/{link['real_time_scheduling_id']}/disable",
        headers=api.api_key,
        json={"display_message": "Too late"},
    )

    assert response.status_code == 422
    assert status(api, link)["status"] == "completed"


def test_a_link_whose_calendar_is_gone_says_so(
    http: FlaskClient, link: dict[str, Any], calendar: Calendar, engine: Engine
) -> None:
    revoke(engine, calendar)

    assert "no longer works" in http.get(page_of(link)).text
    assert pick(http, link).status_code == 410


def test_a_link_whose_person_has_no_calendar_any_more_books_nothing(http: FlaskClient, api: Api) -> None:
    jane = api.account(AccountIdentity(AccountKind.USER, name="Jane Doe"))
    link = create(api, jane)
    assert jane.post(f"/v1/profiles/{jane.profile_id}/revoke", {}).status_code == 202

    assert "no longer works" in http.get(page_of(link)).text
    assert pick(http, link).status_code == 410
    assert status(api, link)["status"] == "open"


def test_a_booking_outlives_its_calendar_for_the_visitor(
    http: FlaskClient, link: dict[str, Any], calendar: Calendar, engine: Engine
) -> None:
    pick(http, link)
    revoke(engine, calendar)

    assert "11:00 to 11:30" in http.get(page_of(link)).text


def test_a_link_whose_times_are_over_says_so(
    http: FlaskClient, link: dict[str, Any], clock: FakeClock
) -> None:
    clock.advance(2 * DAY)

    page = http.get(page_of(link))

    assert page.status_code == 410
    assert "too late" in page.text


def test_a_database_that_does_not_answer_is_a_page_too(
    http: FlaskClient, link: dict[str, Any], engine: Engine
) -> None:
    with engine.execution_options(writes=True).begin() as connection:
        schema.scheduling_links.drop(connection)

    page = http.get(page_of(link))

    assert page.status_code == 503
    assert page.headers["Retry-After"]
    assert "Nothing has been booked" in page.text


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": PUBLIC_URL, "Sec-Fetch-Site": "cross-site"},
    ],
)
def test_forms_of_other_sites_book_nothing(
    http: FlaskClient, link: dict[str, Any], calendar: Calendar, headers: dict[str, str]
) -> None:
    answer = http.post(page_of(link), data={"start": ELEVEN}, headers=headers)

    assert answer.status_code == 403
    assert calendar.event_ids() == []


def test_only_forms_are_taken(http: FlaskClient, link: dict[str, Any], calendar: Calendar) -> None:
    body = f"start={ELEVEN}"

    answer = http.post(page_of(link), data=body, content_type="text/plain", headers=OWN_FORM)

    assert answer.status_code == 403
    assert calendar.event_ids() == []


def test_event_text_is_never_markup(http: FlaskClient, api: Api, calendar: Calendar) -> None:
    nasty = "</script><img src=x onerror=alert(1)>"
    event = {
        "event_id": "x",
        "summary": nasty,
        "description": nasty,
        "location": {"description": nasty},
    }
    link = create(api, calendar, event=event)

    pages = [http.get(page_of(link)), http.get(page_of(link), query_string={"start": ELEVEN})]
    pick(http, link)
    pages.append(http.get(page_of(link)))

    for page in pages:
        assert "<img" not in page.text
        assert html.escape(nasty) in page.text


def test_the_page_keeps_its_address_and_its_frame_to_itself(http: FlaskClient, link: dict[str, Any]) -> None:
    page = http.get(page_of(link))

    policy = page.headers["Content-Security-Policy"]
    nonces = set(re.findall(r'nonce="([^"]+)"', page.text))
    assert len(nonces) == 1
    assert f"script-src 'nonce-{nonces.pop()}';" in policy
    assert "'sha256-y'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Referrer-Policy"] == "same-origin"


def test_the_elements_token_reaches_free_times_and_nothing_else(
    http: FlaskClient, link: dict[str, Any], calendar: Calendar
) -> None:
    options = picker(http.get(page_of(link)))
    token = options["element_token"]

    times = http.post(f"/v1/availability?et={token}", json=options["availability_query"], headers=OWN_FORM)
    events = http.get(f"/v1/events?et={token}&tzid=Etc/UTC", headers=OWN_FORM)

    assert times.status_code == 200
    assert len(times.json["available_periods"]) == 1
    assert events.status_code == 403
