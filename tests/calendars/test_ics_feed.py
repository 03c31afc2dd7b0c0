"""The feed of a calendar: who can read it, what is in it, and what a second look costs."""

import pytest
from flask.testing import FlaskClient
from icalendar import Calendar as ParsedCalendar
from werkzeug.test import TestResponse

from tests.calendars.conftest import Api, Calendar
from tests.clocks import FakeClock
from widgetsvc.calendars.backend import Backend


class Feed:
    """A subscriber to a calendar's feed."""

    def __init__(self, backend: Backend, http: FlaskClient, sub: str) -> None:
        self.path = f"/feeds/{backend.feeds.token(sub)}.ics"
        self.http = http

    def get(self, **headers: str) -> TestResponse:
        return self.http.get(self.path, headers={k.replace("_", "-"): v for k, v in headers.items()})

    def summaries(self) -> list[str]:
        response = self.get()
        assert response.status_code == 200
        parsed = ParsedCalendar.from_ical(response.data)
        return [str(event["SUMMARY"]) for event in parsed.walk("VEVENT")]


@pytest.fixture
def feed(backend: Backend, http: FlaskClient, calendar: Calendar, clock: FakeClock) -> Feed:
    calendar.write("lunch", "2026-11-23T12:00:00Z", "2026-11-23T13:00:00Z")
    clock.advance(60)
    return Feed(backend, http, calendar.sub)


def test_a_feed_is_a_calendar_file_for_its_reader_alone(feed: Feed) -> None:
    response = feed.get()

    assert response.headers["Content-Type"] == "text/calendar; charset=utf-8"
    assert response.headers["Cache-Control"] == "private, max-age=300"
    assert response.headers["Content-Disposition"].startswith('inline; filename="store-42.ics"')
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert response.headers["X-Robots-Tag"] == "noindex"
    assert feed.summaries() == ["lunch"]


def test_a_feed_is_announced_without_being_sent(feed: Feed) -> None:
    response = feed.http.head(feed.path)

    assert (response.status_code, response.data) == (200, b"")
    assert response.headers["ETag"] == feed.get().headers["ETag"]


def test_the_name_of_a_feed_cannot_break_its_header(api: Api, backend: Backend, http: FlaskClient) -> None:
    response = Feed(backend, http, api.calendar('Büro "1"; x=../y').sub).get()

    disposition = response.headers["Content-Disposition"]
    assert disposition.startswith("inline; filename=\"B-ro-1-x-..-y.ics\"; filename*=UTF-8''B%C3%BCro")


def test_a_feed_has_neither_deleted_events_nor_those_far_away(feed: Feed, calendar: Calendar) -> None:
    calendar.write("past", "2026-06-01T12:00:00Z", "2026-06-01T13:00:00Z")
    calendar.write("last quarter", "2026-09-01T12:00:00Z", "2026-09-01T13:00:00Z")
    calendar.write("next year", "2027-11-20T12:00:00Z", "2027-11-20T13:00:00Z")
    calendar.write("in two years", "2028-11-20T12:00:00Z", "2028-11-20T13:00:00Z")
    calendar.write("deleted", "2026-11-23T12:00:00Z", "2026-11-23T13:00:00Z")
    deleted = calendar.api.http.delete(
        calendar.events_path, headers=calendar.headers, json={"event_id": "deleted"}
    )

    assert deleted.status_code == 202
    assert feed.summaries() == ["last quarter", "lunch", "next year"]


def test_a_private_event_is_busy_in_a_feed(feed: Feed, calendar: Calendar) -> None:
    calendar.write("secret", "2026-11-24T12:00:00Z", "2026-11-24T13:00:00Z", event_private=True)

    assert feed.summaries() == ["lunch", "Busy"]


def test_a_feed_that_is_withdrawn_is_gone_at_once(feed: Feed, backend: Backend, calendar: Calendar) -> None:
    assert backend.feeds.revoke(calendar.sub) is True

    assert (feed.get().status_code, feed.get().data) == (404, b"")
    assert backend.feeds.revoke(calendar.sub) is False


def test_another_address_takes_the_place_of_the_first(
    feed: Feed, backend: Backend, http: FlaskClient, calendar: Calendar
) -> None:
    assert Feed(backend, http, calendar.sub).path == feed.path

    backend.feeds.rotate(calendar.sub)

    assert feed.get().status_code == 404
    assert Feed(backend, http, calendar.sub).summaries() == ["lunch"]


def test_a_feed_ends_with_its_account(feed: Feed, backend: Backend, api: Api, calendar: Calendar) -> None:
    application = backend.accounts.application_by_secret(api.credentials.client_secret)
    assert application is not None

    backend.accounts.revoke(application.application_id, calendar.sub)

    assert feed.get().status_code == 404


@pytest.mark.parametrize("token", ["x", "a" * 32, "%00", "..%2F", "é"])
def test_an_address_that_is_none_is_not_found(http: FlaskClient, token: str) -> None:
    response = http.get(f"/feeds/{token}.ics")

    assert (response.status_code, response.data) == (404, b"")
    assert response.headers["Cache-Control"] == "no-store"


def test_what_has_not_changed_is_not_sent_again(feed: Feed) -> None:
    etag = feed.get().headers["ETag"]

    for sent in (etag, f"W/{etag}", f'"other", {etag}'):
        response = feed.get(If_None_Match=sent)
        assert (response.status_code, response.data) == (304, b"")
        assert response.headers["ETag"] == etag
    assert feed.get(If_None_Match='"other"').status_code == 200


def test_every_change_is_sent(feed: Feed, calendar: Calendar, clock: FakeClock) -> None:
    def changed() -> bool:
        response = feed.get(If_None_Match=seen[-1])
        seen.append(response.headers["ETag"])
        return response.status_code == 200

    seen = [feed.get().headers["ETag"]]
    calendar.write("tea", "2026-11-23T16:00:00Z", "2026-11-23T17:00:00Z")
    clock.advance(60)
    assert changed()
    calendar.write("tea", "2026-11-23T15:00:00Z", "2026-11-23T16:00:00Z")
    clock.advance(60)
    assert changed()
    calendar.api.http.delete(calendar.events_path, headers=calendar.headers, json={"event_id": "tea"})
    clock.advance(60)
    assert changed()
    assert not changed()


def test_a_feed_that_may_still_change_in_this_second_has_no_etag(
    feed: Feed, calendar: Calendar, clock: FakeClock
) -> None:
    calendar.write("tea", "2026-11-23T16:00:00Z", "2026-11-23T17:00:00Z")

    assert "ETag" not in feed.get().headers
    clock.advance(1)
    assert "ETag" in feed.get().headers
