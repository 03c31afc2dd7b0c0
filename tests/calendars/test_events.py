"""Events and free/busy."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, create_engine, event

from tests.calendars.conftest import PUBLIC_URL, Api, Calendar
from tests.calendars.imports import fill, imported
from tests.clocks import FakeClock
from widgetsvc.calendars.api import events as api_events
from widgetsvc.calendars.backend import Backend

pytestmark = pytest.mark.on_every_database

SEED_EVENT = {
    "event_id": "qTtZdczOccgaPncGJaCiLg",
    "summary": "Board meeting",
    "description": "Discuss plans for the next quarter.",
    "start": "2024-06-25T15:30:00Z",
    "end": "2024-06-25T17:00:00Z",
    "location": {"description": "Board room"},
}


def only_event(calendar: Calendar, **query: str) -> dict[str, object]:
    (event,) = calendar.get("/v1/events", tzid="Etc/UTC", include_managed="true", **query).json["events"]
    return dict(event)


def test_an_event_reads_back_as_it_was_written(calendar: Calendar) -> None:
    response = calendar.post(calendar.events_path, SEED_EVENT)

    assert (response.status_code, response.data) == (202, b"")
    event = only_event(calendar)
    assert event.items() >= SEED_EVENT.items()
    assert event["transparency"] == "opaque"
    assert event["created"] == event["updated"] == "2026-11-22T12:00:00Z"


def test_a_second_write_updates_and_keeps_the_uid(calendar: Calendar, clock: FakeClock) -> None:
    calendar.post(calendar.events_path, SEED_EVENT)
    before = only_event(calendar)
    clock.advance(60)
    calendar.post(calendar.events_path, SEED_EVENT | {"summary": "Moved"})
    after = only_event(calendar)

    assert after == before | {"summary": "Moved", "updated": "2026-11-22T12:01:00Z"}


def test_an_update_replaces_all_but_the_url(calendar: Calendar) -> None:
    calendar.write(
        "a",
        "2026-11-24T10:00:00Z",
        "2026-11-24T11:00:00Z",
        url="https://x.test/",
        color="#ff0000",
        location={"description": "here"},
    )
    calendar.write("a", "2026-11-24T10:00:00Z", "2026-11-24T11:00:00Z")

    event = only_event(calendar)
    assert event["url"] == "https://x.test/"
    assert not {"color", "location"} & event.keys()


def test_a_null_url_removes_it(calendar: Calendar) -> None:
    calendar.write("a", "2026-11-24T10:00:00Z", "2026-11-24T11:00:00Z", url="https://x.test/")
    calendar.write("a", "2026-11-24T10:00:00Z", "2026-11-24T11:00:00Z", url=None)

    assert "url" not in only_event(calendar)


@pytest.mark.parametrize(
    "start",
    [
        "2026-11-24T10:00:00Z",
        "2026-11-24 10:00:00Z",
        "2026-11-24T11:00:00+01:00",
        "2026-11-24T10:00:00UTC",
        "2026-11-24T10:00:00.000Z",
        {"time": "2026-11-24 10:00:00Z", "tzid": "Europe/Paris"},
    ],
)
def test_every_sdks_form_of_a_time_is_read(calendar: Calendar, start: object) -> None:
    calendar.write("a", start, "2026-11-24T11:00:00Z")  # type: ignore[arg-type]

    assert only_event(calendar)["start"] == "2026-11-24T10:00:00Z"


def test_all_day_events_are_days_and_leave_the_time_free(calendar: Calendar) -> None:
    calendar.write("a", "2026-11-24", "2026-11-26")

    event = only_event(calendar)
    assert (event["start"], event["end"]) == ("2026-11-24", "2026-11-26")
    assert event["transparency"] == "transparent"


def test_localized_times_name_their_zone(calendar: Calendar) -> None:
    calendar.write("a", "2026-07-01T10:00:00Z", "2026-07-01T11:00:00Z")
    event = calendar.get(
        "/v1/events", tzid="Europe/London", include_managed="true", localized_times="true"
    ).json["events"][0]

    assert event["start"] == {"time": "2026-07-01T11:00:00+01:00", "tzid": "Europe/London"}


def test_location_always_has_a_description_and_geo_on_demand(calendar: Calendar) -> None:
    geo = {"lat": "51.5", "long": "-0.1"}
    calendar.write("a", "2026-11-24T10:00:00Z", "2026-11-24T11:00:00Z", location=geo)

    assert only_event(calendar)["location"] == {"description": ""}
    assert only_event(calendar, include_geo="true")["location"] == {"description": "", **geo}


@pytest.mark.parametrize(
    ("change", "path", "key"),
    [
        ({"event_id": None}, "event_id", "errors.required"),
        ({"event_id": "x" * 513}, "event_id", "errors.too_long"),
        ({"summary": None}, "summary", "errors.required"),
        ({"summary": "x" * 1025}, "summary", "errors.too_long"),
        ({"summary": "\x00"}, "summary", "errors.invalid"),
        ({"description": 5}, "description", "errors.invalid"),
        ({"start": "2024-02-30T10:00:00Z"}, "start", "errors.invalid"),
        ({"start": "0001-01-01T10:00:00Z"}, "start", "errors.invalid"),
        ({"end": "9999-12-31T10:00:00Z"}, "end", "errors.invalid"),
        ({"start": "2024-06-25T15:30:00"}, "start", "errors.invalid"),
        ({"start": "2024-06-25T15:30:00.5Z"}, "start", "errors.invalid"),
        ({"start": 1719329400}, "start", "errors.invalid"),
        (
            {"start": {"time": "2024-06-25T15:30:00Z", "tzid": "Mars/Base"}},
            "start.tzid",
            "errors.tzid_unrecognized",
        ),
        ({"end": "2024-06-25T15:30:00Z"}, "end", "errors.invalid_time_pair"),
        ({"end": "2024-06-25"}, "end", "errors.invalid_time_pair"),
        ({"tzid": "../etc/passwd"}, "tzid", "errors.tzid_unrecognized"),
        ({"tzid": "America"}, "tzid", "errors.tzid_unrecognized"),
        ({"color": "red"}, "color", "errors.invalid"),
        ({"transparency": "murky"}, "transparency", "errors.invalid"),
        ({"reminders": [{"minutes": 5}] * 6}, "reminders", "errors.too_many"),
        ({"reminders": [{"minutes": "5"}]}, "reminders[0].minutes", "errors.invalid"),
        ({"location": {"lat": 51.5}}, "location.lat", "errors.invalid"),
        ({"attendees": {"invite": []}}, "attendees", "errors.event.cannot_set_attendees"),
        (
            {"attendees": {"remove": [{"email": "a@x.test"}]}},
            "attendees",
            "errors.event.cannot_set_attendees",
        ),
        ({"url": "not a URI"}, "url", "errors.invalid"),
        ({"url": "/relative"}, "url", "errors.invalid"),
        ({"url": "https://x.test/" + "x" * 2048}, "url", "errors.too_long"),
        ({"tags": [{"name": "x"}]}, "tags[0].value", "errors.required"),
        ({"tags": "interview"}, "tags", "errors.invalid"),
        ({"event_classes": [""]}, "event_classes[0]", "errors.required"),
        ({"locale": "en GB"}, "locale", "errors.invalid"),
        ({"attachments": ["x" * 20_000]}, "attachments", "errors.too_long"),
        ({"subscriptions": [{"type": "webhook"}]}, "subscriptions[0].uri", "errors.required"),
        ({"event_uid": 5}, "event_uid", "errors.invalid"),
        ({"conferencing": {"profile_id": "explicit"}}, "conferencing.join_url", "errors.required"),
        (
            {"conferencing": {"profile_id": "pro_zoom"}},
            "conferencing.profile_id",
            "errors.integrated_conferencing_not_available",
        ),
        ({"recurrence": {"rules": []}}, "recurrence", "errors.not_supported"),
        (
            {"conferencing": {"profile_id": "integrated"}},
            "conferencing.profile_id",
            "errors.integrated_conferencing_not_available",
        ),
    ],
)
def test_a_faulty_event_is_refused_and_nothing_is_written(
    calendar: Calendar, change: dict[str, object], path: str, key: str
) -> None:
    response = calendar.post(calendar.events_path, SEED_EVENT | change)

    assert response.status_code == 422
    assert response.json["errors"][path][0]["key"] == key
    assert calendar.event_ids() == []


def test_unknown_members_are_ignored(calendar: Calendar) -> None:
    assert calendar.post(calendar.events_path, SEED_EVENT | {"later": {"x": 1}}).status_code == 202


def test_a_deleted_event_is_gone_but_can_be_asked_for(calendar: Calendar) -> None:
    calendar.post(calendar.events_path, SEED_EVENT)
    for _ in range(2):  # an unknown event is deleted as well
        body = {"event_id": SEED_EVENT["event_id"]}
        response = calendar.api.http.delete(calendar.events_path, headers=calendar.headers, json=body)
        assert response.status_code == 202

    assert calendar.event_ids() == []
    assert only_event(calendar, include_deleted="true")["deleted"] is True


def test_a_deleted_event_comes_back_when_it_is_written_again(calendar: Calendar) -> None:
    calendar.post(calendar.events_path, SEED_EVENT)
    calendar.api.http.delete(
        calendar.events_path, headers=calendar.headers, json={"event_id": SEED_EVENT["event_id"]}
    )
    calendar.post(calendar.events_path, SEED_EVENT)

    assert calendar.event_ids() == [SEED_EVENT["event_id"]]


def test_a_foreign_calendar_is_not_found(api: Api, calendar: Calendar) -> None:
    other = api.calendar("other")

    assert calendar.post(other.events_path, SEED_EVENT).status_code == 404
    assert calendar.post("/v1/calendars/cal_unknown/events", SEED_EVENT).status_code == 404


@pytest.mark.parametrize("flag", ["true", "True", "1"])
def test_managed_events_are_read_only_when_asked_for(calendar: Calendar, flag: str) -> None:
    calendar.post(calendar.events_path, SEED_EVENT)

    def count(**query: str) -> int:
        return len(calendar.get("/v1/events", tzid="Etc/UTC", **query).json["events"])

    assert count() == 0
    assert count(include_managed=flag) == 1
    assert count(only_managed=flag) == 1


def test_the_window_is_days_of_the_zone(calendar: Calendar) -> None:
    calendar.write("late", "2026-11-23T04:30:00Z", "2026-11-23T04:45:00Z")  # the 22nd in New York
    calendar.write("ends", "2026-11-22T04:00:00Z", "2026-11-22T05:00:00Z")  # ends as the 22nd begins there
    calendar.write("past", "2026-11-22T04:00:00Z", "2026-11-22T04:59:00Z")
    calendar.write("day", "2026-11-22", "2026-11-23")
    calendar.write("next", "2026-11-23", "2026-11-24")
    calendar.write("before", "2026-11-21", "2026-11-22")
    query = {"tzid": "America/New_York", "from": "2026-11-22", "to": "2026-11-23", "include_managed": "true"}

    events = calendar.get("/v1/events", **query).json["events"]

    assert {event["event_id"] for event in events} == {"late", "ends", "day"}


def test_without_a_window_all_managed_events_come_back(calendar: Calendar) -> None:
    calendar.write("old", "2001-01-01T10:00:00Z", "2001-01-01T11:00:00Z")
    calendar.write("far", "2101-01-01T10:00:00Z", "2101-01-01T11:00:00Z")

    assert calendar.event_ids() == ["old", "far"]
    assert calendar.event_ids(**{"from": "2026-11-01"}) == []


def test_last_modified_finds_what_has_changed(calendar: Calendar, clock: FakeClock) -> None:
    calendar.write("a", "2026-11-24T10:00:00Z", "2026-11-24T11:00:00Z")
    clock.advance(60)
    calendar.write("b", "2026-11-24T10:00:00Z", "2026-11-24T11:00:00Z")

    assert calendar.event_ids(last_modified="2026-11-22 12:01:00Z") == ["b"]


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ({}, "tzid"),
        ({"tzid": "Nope"}, "tzid"),
        ({"tzid": "Etc/UTC", "from": "yesterday"}, "from"),
        ({"tzid": "Etc/UTC", "to": "2026-02-30"}, "to"),
        ({"tzid": "Etc/UTC", "from": "2026-02-03", "to": "2026-02-02"}, "to"),
        ({"tzid": "Etc/UTC", "include_managed": "perhaps"}, "include_managed"),
        ({"tzid": "Etc/UTC", "last_modified": "2026-02-03"}, "last_modified"),
    ],
)
@pytest.mark.parametrize("endpoint", ["/v1/events", "/v1/free_busy"])
def test_a_faulty_query_is_422(calendar: Calendar, endpoint: str, query: dict[str, str], path: str) -> None:
    response = calendar.get(endpoint, **query)

    assert response.status_code == 422
    assert list(response.json["errors"]) == [path]


@pytest.mark.parametrize("path", ["/v1/events", "/v1/available_periods"])
def test_all_faults_of_a_query_are_listed(calendar: Calendar, path: str) -> None:
    response = calendar.get(
        path, tzid="Nope", to="2026-02-02", localized_times="perhaps", **{"from": "2026-02-03"}
    )

    assert response.json["errors"].keys() == {"tzid", "to", "localized_times"}


@pytest.mark.parametrize("brackets", ["calendar_ids[]", "calendar_ids"])
def test_calendar_ids_narrow_the_read(calendar: Calendar, brackets: str) -> None:
    calendar.post(calendar.events_path, SEED_EVENT)

    assert len(calendar.event_ids(**{brackets: calendar.calendar_id})) == 1
    assert calendar.event_ids(**{brackets: "cal_other"}) == []


def pages(calendar: Calendar, kind: str, **query: str) -> Iterator[dict[str, Any]]:
    document = calendar.get(f"/v1/{kind}", tzid="Etc/UTC", **query).json
    while True:
        yield document
        if "next_page" not in document["pages"]:
            return
        path = document["pages"]["next_page"].removeprefix(PUBLIC_URL)
        document = calendar.get(path, extra="tolerated").json


@pytest.mark.parametrize(("kind", "size"), [("events", 300), ("free_busy", 1_000)])
def test_pages_lead_through_all_events_once(
    calendar: Calendar, backend: Backend, kind: str, size: int
) -> None:
    fill(backend, calendar, 2 * size + 1)

    documents = list(pages(calendar, kind, include_ids="true", include_userinfo="true"))

    numbers = [(document["pages"]["current"], document["pages"]["total"]) for document in documents]
    assert numbers == [(1, 3), (2, 3), (3, 3)]
    seen = [entry["event_uid"] for document in documents for entry in document[kind]]
    assert seen == sorted(set(seen))
    assert len(seen) == 2 * size + 1


def test_pages_end_in_the_last_one_whatever_is_written_meanwhile(
    calendar: Calendar, backend: Backend
) -> None:
    fill(backend, calendar, api_events.EVENTS_PER_PAGE + 1)
    reading = pages(calendar, "events")
    first = next(reading)["pages"]
    assert (first["current"], first["total"]) == (1, 2)
    later = [
        imported(f"later{n}", "2026-11-25T10:00:00Z", "2026-11-25T11:00:00Z")
        for n in range(api_events.EVENTS_PER_PAGE)
    ]
    backend.events.import_events(calendar.calendar_id, later)

    assert [(page["pages"]["current"], page["pages"]["total"]) for page in reading] == [(2, 3), (3, 3)]


def test_a_page_goes_on_behind_events_of_every_length(calendar: Calendar, backend: Backend) -> None:
    ends = ["2026-11-01T01", "2026-11-02T00", "2026-11-20T00", "2027-09-01T00"]
    events = [
        imported(f"{end} {n}", "2026-11-01T00:00:00Z", f"{end}:00:00Z")
        for n in range(api_events.EVENTS_PER_PAGE // 3)
        for end in ends
    ]
    backend.events.import_events(calendar.calendar_id, events)

    seen = [event["summary"] for document in pages(calendar, "events") for event in document["events"]]

    assert sorted(seen) == sorted(event.ics_uid for event in events)


def test_zero_results_are_one_page(calendar: Calendar) -> None:
    document = calendar.get("/v1/events", tzid="Etc/UTC", include_managed="true").json

    assert document == {"pages": {"current": 1, "total": 1}, "events": []}


@pytest.mark.parametrize("link", ["x", "W10", "e30", "WzEsMiwzLDRd", "%00", "a" * 5_000, "W3t9LDEsMV0"])
def test_a_page_link_that_was_never_given_out_is_not_found(calendar: Calendar, link: str) -> None:
    assert calendar.get(f"/v1/events/pages/{link}").status_code == 404


@pytest.mark.parametrize(
    ("number", "start", "uid"),
    [
        (2, 2**63, "evt_" + "0" * 24),
        (2, -(10**30), "evt_" + "0" * 24),
        (-5, 0, "evt_" + "0" * 24),
        (10**30, 0, "evt_" + "0" * 24),
        (True, 0, "evt_" + "0" * 24),
        (2, 0, "\ud800"),
        (2, 0, ""),
        (2, 0, "e" * 65),
    ],
)
def test_a_page_link_made_by_hand_is_not_found(calendar: Calendar, number: int, start: int, uid: str) -> None:
    payload = [{"tzid": ["UTC"], "include_managed": ["true"]}, number, 2, start, uid]
    link = base64.urlsafe_b64encode(json.dumps(payload).encode()).decode().rstrip("=")

    assert calendar.get(f"/v1/events/pages/{link}").status_code == 404
    assert calendar.get(f"/v1/free_busy/pages/{link}").status_code == 404


def test_a_page_link_whose_query_was_tampered_with_is_not_found(calendar: Calendar) -> None:
    payload = [{"tzid": ["Nowhere"]}, 2, 2, 0, "evt_" + "0" * 24]
    link = base64.urlsafe_b64encode(json.dumps(payload).encode()).decode().rstrip("=")

    assert calendar.get(f"/v1/events/pages/{link}").status_code == 404


@pytest.mark.parametrize("total", [0, -1, 10**30, True, "2", None])
def test_a_page_link_with_another_total_made_by_hand_is_not_found(calendar: Calendar, total: object) -> None:
    payload = [{"tzid": ["UTC"], "include_managed": ["true"]}, 2, total, 0, "evt_" + "0" * 24]
    link = base64.urlsafe_b64encode(json.dumps(payload).encode()).decode().rstrip("=")

    assert calendar.get(f"/v1/events/pages/{link}").status_code == 404


def test_a_page_link_stays_short_whatever_was_asked(calendar: Calendar, backend: Backend) -> None:
    fill(backend, calendar, api_events.EVENTS_PER_PAGE + 1)
    ids = [calendar.calendar_id, *(f"cal_other_{n}" for n in range(150))]
    query = {"tzid": "Etc/UTC", "include_managed": "true", "calendar_ids[]": ids, "wat": "x" * 5_000}

    link = calendar.get("/v1/events", **query).json["pages"]["next_page"]

    assert len(link) < 500
    assert len(calendar.get(link[link.index("/v1/") :]).json["events"]) == 1


def test_an_event_can_be_named_by_its_uid(calendar: Calendar) -> None:
    calendar.post(calendar.events_path, SEED_EVENT)
    uid = only_event(calendar)["event_uid"]
    by_uid = {name: value for name, value in SEED_EVENT.items() if name != "event_id"} | {"event_uid": uid}

    assert calendar.post(calendar.events_path, by_uid | {"summary": "Renamed"}).status_code == 202
    assert only_event(calendar)["summary"] == "Renamed"
    unknown = by_uid | {"event_uid": "evt_unknown"}
    assert calendar.post(calendar.events_path, unknown).status_code == 404
    calendar.api.http.delete(calendar.events_path, headers=calendar.headers, json={"event_uid": uid})
    assert calendar.event_ids() == []


def test_an_unknown_uid_deletes_nothing_though_an_id_reads_the_same(calendar: Calendar) -> None:
    calendar.write("evt_lookalike", "2026-11-24T10:00:00Z", "2026-11-24T11:00:00Z")

    for body in ({"event_uid": "evt_lookalike"}, {"event_uid": "evt_unknown", "event_id": "evt_lookalike"}):
        response = calendar.api.http.delete(calendar.events_path, headers=calendar.headers, json=body)
        assert response.status_code == 202

    assert calendar.event_ids() == ["evt_lookalike"]


def test_conferencing_is_what_was_made_explicit(calendar: Calendar) -> None:
    times = ("2026-11-24T10:00:00Z", "2026-11-24T11:00:00Z")
    explicit = {"profile_id": "explicit", "provider_description": "Ours", "join_url": "https://x.test/1"}
    calendar.write("a", *times, conferencing=explicit)
    assert only_event(calendar)["conferencing"] == {"provider_name": "Ours", "join_url": "https://x.test/1"}

    calendar.write("a", *times)
    assert "conferencing" in only_event(calendar)
    calendar.write("a", *times, conferencing={"profile_id": "none"})
    assert "conferencing" not in only_event(calendar)


def impatient(connection: Any, *_: object) -> None:
    connection.execute("PRAGMA busy_timeout = 10")


@pytest.mark.sqlite_only
def test_a_locked_database_is_503_and_nothing_is_written(calendar: Calendar, engine: Engine) -> None:
    event.listen(engine, "checkout", impatient)
    other = create_engine(engine.url)
    with other.connect() as connection:
        connection.exec_driver_sql("BEGIN EXCLUSIVE")
        response = calendar.post(calendar.events_path, SEED_EVENT)
        connection.exec_driver_sql("ROLLBACK")
    other.dispose()

    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
    assert calendar.event_ids() == []


@pytest.mark.sqlite_only
def test_event_texts_stay_out_of_logged_database_errors(
    calendar: Calendar, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    with engine.execution_options(writes=True).begin() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER refuse BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'no'); END"
        )

    assert calendar.post(calendar.events_path, SEED_EVENT).status_code == 500
    assert "IntegrityError" in caplog.text
    assert "Board meeting" not in caplog.text


def test_a_page_link_shows_only_the_readers_own_events(
    api: Api, http: FlaskClient, calendar: Calendar, backend: Backend
) -> None:
    fill(backend, calendar, api_events.EVENTS_PER_PAGE + 1)
    link = calendar.get("/v1/events", tzid="Etc/UTC", include_managed="true").json["pages"]["next_page"]
    path = link[link.index("/v1/") :]

    assert http.get(path).status_code == 401
    assert api.calendar("other").get(path).json["events"] == []


def test_free_busy_tells_what_events_do_to_the_time(calendar: Calendar) -> None:
    calendar.write("a", "2026-11-24T10:00:00Z", "2026-11-24T11:00:00Z")
    calendar.write("b", "2026-11-24T12:00:00Z", "2026-11-24T13:00:00Z", transparency="transparent")
    calendar.write("c", "2026-11-24T14:00:00Z", "2026-11-24T15:00:00Z", extended_transparency="tentative")

    def statuses(**query: str) -> list[str]:
        document = calendar.get("/v1/free_busy", tzid="Etc/UTC", include_managed="true", **query).json
        return [entry["free_busy_status"] for entry in document["free_busy"]]

    assert statuses() == ["busy", "free", "tentative"]
    assert statuses(include_free="false") == ["busy", "tentative"]


def test_free_busy_names_events_only_on_demand(calendar: Calendar) -> None:
    calendar.write("a", "2026-11-24T10:00:00Z", "2026-11-24T11:00:00Z")

    def entry(**query: str) -> dict[str, object]:
        return dict(
            calendar.get("/v1/free_busy", tzid="Etc/UTC", include_managed="true", **query).json["free_busy"][
                0
            ]
        )

    assert set(entry()) == {"calendar_id", "start", "end", "free_busy_status"}
    assert entry(include_ids="true")["event_id"] == "a"


FURTHER_MEMBERS = {
    "url": "https://x.test/a?b=c",
    "color": "#49BED8",
    "reminders": [{"minutes": 30}, {"minutes": 0}],
    "event_private": True,
    "extended_transparency": "out_of_office",
    "locale": "pt-BR",
    "tags": [{"value": "Interview"}],
    "event_classes": ["interview"],
    "attachments": {"create": [{"attachment_id": "att_1"}]},
    "subscriptions": [
        {
            "type": "webhook",
            "uri": "https://x.test/hook",
            "interactions": [{"type": "conferencing_assigned"}],
        }
    ],
}


def test_every_member_that_is_accepted_reads_back(calendar: Calendar) -> None:
    calendar.write("a", "2026-11-24T10:00:00Z", "2026-11-24T11:00:00Z", **FURTHER_MEMBERS)

    assert only_event(calendar).items() >= FURTHER_MEMBERS.items()


def test_an_update_that_leaves_members_out_clears_them(calendar: Calendar) -> None:
    calendar.write("a", "2026-11-24T10:00:00Z", "2026-11-24T11:00:00Z", **FURTHER_MEMBERS)
    calendar.write("a", "2026-11-24T10:00:00Z", "2026-11-24T11:00:00Z")

    event = only_event(calendar)
    assert event.keys() & FURTHER_MEMBERS.keys() == {"url", "event_private", "extended_transparency"}
    assert (event["event_private"], event["extended_transparency"]) == (False, "opaque")


def test_a_tag_may_be_a_plain_word(calendar: Calendar) -> None:
    calendar.write("a", "2026-11-24T10:00:00Z", "2026-11-24T11:00:00Z", tags=["Interview"])

    assert only_event(calendar)["tags"] == [{"value": "Interview"}]


@pytest.mark.parametrize("nobody", [{}, [], None])
def test_attendees_that_name_nobody_change_nothing(calendar: Calendar, nobody: object) -> None:
    calendar.write("a", "2026-11-24T10:00:00Z", "2026-11-24T11:00:00Z", attendees=nobody)

    assert only_event(calendar)["attendees"] == []


def test_reminders_for_creation_only_leave_an_update_the_old_ones(calendar: Calendar) -> None:
    times = ("2026-11-24T10:00:00Z", "2026-11-24T11:00:00Z")

    def reminders(minutes: int) -> object:
        calendar.write("a", *times, reminders=[{"minutes": minutes}], reminders_create_only=True)
        return only_event(calendar)["reminders"]

    assert reminders(10) == [{"minutes": 10}]
    assert reminders(20) == [{"minutes": 10}]


@pytest.mark.parametrize("status", ["accepted", "perhaps"])
def test_there_is_no_invitation_to_reply_to(calendar: Calendar, status: str) -> None:
    calendar.post(calendar.events_path, SEED_EVENT)
    path = f"{calendar.events_path}/{only_event(calendar)['event_uid']}/participation_status"

    response = calendar.post(path, {"status": status})

    assert response.status_code == 422
    assert list(response.json["errors"]) == ["status"]


def summaries(calendar: Calendar, **query: str) -> set[str]:
    document = calendar.get("/v1/events", tzid="Etc/UTC", **query).json
    return {event["summary"] for event in document["events"]}


@pytest.fixture
def mixed(calendar: Calendar, backend: Backend) -> Calendar:
    """A calendar with managed and external events, near and far."""
    near, far = (
        ("2026-11-24T10:00:00Z", "2026-11-24T11:00:00Z"),
        ("2028-01-01T10:00:00Z", "2028-01-01T11:00:00Z"),
    )
    calendar.write("managed", *near)
    calendar.write("managed and far", *far)
    events = [imported("external", *near), imported("external and far", *far)]
    backend.events.import_events(calendar.calendar_id, events)
    return calendar


def test_a_read_tells_external_events_from_managed_ones(mixed: Calendar) -> None:
    near = {"from": "2026-11-01", "to": "2026-12-01"}

    assert summaries(mixed, **near) == {"external"}
    assert summaries(mixed, **near, include_managed="true") == {"external", "managed"}
    assert summaries(mixed, **near, only_managed="true") == {"managed"}


def test_the_default_window_holds_for_external_events_only(mixed: Calendar) -> None:
    assert summaries(mixed) == {"external"}
    assert summaries(mixed, include_managed="true") == {"external", "managed", "managed and far"}
    assert summaries(mixed, only_managed="true") == {"managed", "managed and far"}
    far = {"from": "2027-12-31", "to": "2028-01-02"}
    assert summaries(mixed, **far) == {"external and far"}


def test_an_external_event_has_no_id_of_the_application(mixed: Calendar) -> None:
    (event,) = mixed.get("/v1/events", tzid="Etc/UTC").json["events"]

    assert event["event_uid"].startswith("evt_external_")
    assert "event_id" not in event
    assert event["options"] == {"delete": True, "update": True, "change_participation_status": False}


def test_an_external_event_is_edited_and_deleted_by_its_uid(mixed: Calendar) -> None:
    (event,) = mixed.get("/v1/events", tzid="Etc/UTC").json["events"]
    by_uid = {"event_uid": event["event_uid"], "start": event["start"], "end": event["end"]}

    assert mixed.post(mixed.events_path, by_uid | {"summary": "Renamed"}).status_code == 202
    assert summaries(mixed) == {"Renamed"}
    mixed.api.http.delete(mixed.events_path, headers=mixed.headers, json={"event_uid": event["event_uid"]})
    assert summaries(mixed) == set()


def test_an_edit_keeps_what_only_an_import_can_say(calendar: Calendar, backend: Backend) -> None:
    told = {"attendees": [{"email": "a@x.test", "status": "accepted"}], "recurring": True}
    event = imported("a", "2026-11-24T10:00:00Z", "2026-11-24T11:00:00Z", color="#ff0000", **told)
    backend.events.import_events(calendar.calendar_id, [event])
    before = only_event(calendar)
    again = {name: before[name] for name in ("event_uid", "summary", "start", "end")}
    calendar.post(calendar.events_path, again)

    after = only_event(calendar)
    assert after.items() >= told.items()
    assert "color" not in after


def test_events_that_were_moved_out_of_the_window_are_found_on_demand(calendar: Calendar) -> None:
    window = {"from": "2026-11-23", "to": "2026-11-25"}
    calendar.write("stays", "2026-11-24T10:00:00Z", "2026-11-24T11:00:00Z")
    calendar.write("moved", "2026-11-24T10:00:00Z", "2026-11-24T11:00:00Z")
    calendar.write("moved", "2026-12-24T10:00:00Z", "2026-12-24T11:00:00Z")
    calendar.write("moved", "2026-12-26T10:00:00Z", "2026-12-26T11:00:00Z")

    assert calendar.event_ids(**window) == ["stays"]
    assert calendar.event_ids(**window, include_moved="true") == ["stays", "moved"]
    christmas = {"from": "2026-12-24", "to": "2026-12-25"}
    assert calendar.event_ids(**christmas) == []
    assert calendar.event_ids(**christmas, include_moved="true") == ["moved"]
    assert calendar.event_ids(**{"from": "2026-11-27", "to": "2026-11-28"}, include_moved="true") == []


def test_a_moved_event_is_told_once_though_it_came_back(calendar: Calendar) -> None:
    for day in ("24", "25", "24", "25", "24"):
        calendar.write("a", f"2026-11-{day}T10:00:00Z", f"2026-11-{day}T11:00:00Z")

    assert calendar.event_ids(**{"from": "2026-11-24", "to": "2026-11-25"}, include_moved="true") == ["a"]


def delete_events(calendar: Calendar, query: dict[str, str], body: object) -> int:
    response = calendar.api.http.delete("/v1/events", headers=calendar.headers, query_string=query, json=body)
    return response.status_code


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ({}, {"delete_all": True}),
        ({"delete_all": "True"}, {}),
        ({}, {"calendar_ids": ["mine"]}),
        ({"calendar_ids[]": "mine"}, {}),
        ({}, {"calendar_ids": ["mine"], "delete_all": False}),
        ({}, {"calendar_ids": [], "delete_all": True}),
    ],
)
def test_bulk_deletion_takes_what_the_application_wrote(
    mixed: Calendar, query: dict[str, str], body: dict[str, Any]
) -> None:
    query = {name: value.replace("mine", mixed.calendar_id) for name, value in query.items()}
    if body.get("calendar_ids"):
        body = body | {"calendar_ids": [mixed.calendar_id]}

    assert delete_events(mixed, query, body) == 202

    assert summaries(mixed, include_managed="true") == {"external"}
    assert summaries(mixed, only_managed="true", include_deleted="true") == {"managed", "managed and far"}


@pytest.mark.parametrize(
    ("query", "body", "status"),
    [
        ({}, {}, 422),
        ({}, {"delete_all": False}, 422),
        ({}, {"delete_all": "yes"}, 422),
        ({"delete_all": "true"}, {"calendar_ids": ["cal_a"]}, 422),
        ({}, {"delete_all": True, "calendar_ids": ["cal_a"]}, 422),
        ({}, {"calendar_ids": ["cal_of_somebody_else"]}, 404),
    ],
)
def test_a_bulk_deletion_that_is_not_clear_deletes_nothing(
    mixed: Calendar, query: dict[str, str], body: object, status: int
) -> None:
    assert delete_events(mixed, query, body) == status

    assert summaries(mixed, only_managed="true") == {"managed", "managed and far"}


def test_transparent_events_are_left_out_of_free_busy_alone(calendar: Calendar) -> None:
    times = ("2026-11-24T10:00:00Z", "2026-11-24T11:00:00Z")
    calendar.write("free", *times, transparency="transparent", extended_transparency="tentative")
    query = {"tzid": "Etc/UTC", "only_managed": "true"}

    (entry,) = calendar.get("/v1/free_busy", **query).json["free_busy"]
    assert entry["free_busy_status"] == "free"
    assert calendar.get("/v1/free_busy", **query, include_free="false").json["free_busy"] == []
    assert len(calendar.get("/v1/events", **query, include_free="false").json["events"]) == 1


def test_free_busy_marks_what_was_deleted(calendar: Calendar) -> None:
    calendar.write("a", "2026-11-24T10:00:00Z", "2026-11-24T11:00:00Z")
    calendar.api.http.delete(calendar.events_path, headers=calendar.headers, json={"event_id": "a"})
    query = {"tzid": "Etc/UTC", "only_managed": "true"}

    assert calendar.get("/v1/free_busy", **query).json["free_busy"] == []
    (entry,) = calendar.get("/v1/free_busy", **query, include_deleted="true").json["free_busy"]
    assert entry["deleted"] is True
