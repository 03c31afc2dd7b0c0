"""Push notification channels: who may have one, and which changes are told."""

import json
from typing import Any

import pytest
from sqlalchemy import Engine, event, select, update
from werkzeug.test import TestResponse

from tests.calendars.conftest import PUBLIC_URL, Api, Calendar
from tests.clocks import FakeClock
from widgetsvc.calendars.api.app import create_backend_app
from widgetsvc.calendars.backend import Backend
from widgetsvc.calendars.records import EventDraft, EventTime, ImportedEvent, Transparency
from widgetsvc.calendars.store import schema
from widgetsvc.calendars.store.channels import MAX_CHANNELS
from widgetsvc.outbound import Outbound

pytestmark = pytest.mark.on_every_database

HOOKS = "https://hooks.example.com/cronofy?key=1"
CHANGE = {"type": "change", "changes_since": "2026-11-22T12:00:00Z"}
NINE, TEN = "2026-11-23T09:00:00Z", "2026-11-23T10:00:00Z"


def owed(engine: Engine) -> list[dict[str, Any]]:
    """The notifications that are owed, in order."""
    query = select(schema.deliveries).order_by(schema.deliveries.c.delivery_id)
    with engine.connect() as connection:
        return [json.loads(row.body) for row in connection.execute(query)]


def open_channel(calendar: Calendar, url: str = HOOKS, **filters: Any) -> dict[str, Any]:
    response = calendar.post("/v1/channels", {"callback_url": url, "filters": filters})
    assert response.status_code == 200, response.text
    channel: dict[str, Any] = response.json["channel"]
    return channel


def close(calendar: Calendar, channel_id: str) -> int:
    return calendar.api.http.delete(f"/v1/channels/{channel_id}", headers=calendar.headers).status_code


def write(calendar: Calendar, event_id: str = "a") -> None:
    calendar.write(event_id, NINE, TEN)


def delete(calendar: Calendar, event_id: str = "a") -> None:
    response = calendar.api.http.delete(
        calendar.events_path, headers=calendar.headers, json={"event_id": event_id}
    )
    assert response.status_code == 202


def notifications(engine: Engine) -> list[dict[str, str]]:
    return [notification["notification"] for notification in owed(engine)]


def test_a_channel_has_cronofys_shape_and_is_owed_a_verification(calendar: Calendar, engine: Engine) -> None:
    channel = open_channel(calendar, calendar_ids=[calendar.calendar_id], only_managed=True)

    assert channel == {
        "channel_id": channel["channel_id"],
        "callback_url": HOOKS,
        "filters": {"calendar_ids": [calendar.calendar_id], "only_managed": True},
    }
    assert channel["channel_id"].startswith("chn_")
    assert len(channel["channel_id"]) == 28
    assert owed(engine) == [{"notification": {"type": "verification"}, "channel": channel}]


def test_filters_that_say_nothing_are_left_out(calendar: Calendar) -> None:
    assert open_channel(calendar, only_managed=False)["filters"] == {}
    assert calendar.post("/v1/channels", {"callback_url": f"{HOOKS}2"}).json["channel"]["filters"] == {}


def test_channels_are_listed_and_closed(calendar: Calendar, engine: Engine) -> None:
    first, second = open_channel(calendar), open_channel(calendar, only_managed=True)

    assert calendar.get("/v1/channels").json == {"channels": sorted([first, second], key=by_id)}

    assert close(calendar, first["channel_id"]) == 202
    assert calendar.get("/v1/channels").json == {"channels": [second]}
    assert [notification["channel"] for notification in owed(engine)] == [second]
    assert close(calendar, first["channel_id"]) == 404


def by_id(channel: dict[str, Any]) -> str:
    return str(channel["channel_id"])


def test_the_same_channel_again_is_the_first_one(calendar: Calendar, engine: Engine) -> None:
    first = open_channel(calendar, calendar_ids=[calendar.calendar_id])

    assert open_channel(calendar, calendar_ids=[calendar.calendar_id] * 2) == first
    assert open_channel(calendar) != first
    assert len(owed(engine)) == 2


def test_channels_belong_to_their_account(api: Api, calendar: Calendar) -> None:
    other = api.calendar("other")
    channel = open_channel(other)

    assert calendar.get("/v1/channels").json == {"channels": []}
    assert close(calendar, channel["channel_id"]) == 404
    assert other.get("/v1/channels").json == {"channels": [channel]}


@pytest.mark.parametrize("credentials", ["none", "api key", "element token"])
def test_channels_are_for_access_tokens(api: Api, calendar: Calendar, credentials: str) -> None:
    token = api.element_token(calendar, permission="agenda", origin="https://jobs.example.com")
    headers = {"api key": api.api_key, "element token": {"Origin": "https://jobs.example.com"}}.get(
        credentials
    )
    query = {"et": token} if credentials == "element token" else {}

    response = api.http.get("/v1/channels", headers=headers, query_string=query)

    assert response.status_code == 401


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        ({}, {"callback_url"}),
        ({"callback_url": ""}, {"callback_url"}),
        ({"callback_url": 7}, {"callback_url"}),
        ({"callback_url": "https://hooks.example.com/\0"}, {"callback_url"}),
        ({"callback_url": "https://hooks.example.com/" + "a" * 2_048}, {"callback_url"}),
        ({"callback_url": "http://hooks.example.com/"}, {"callback_url"}),
        ({"callback_url": "https://169.254.169.254/"}, {"callback_url"}),
        ({"callback_url": HOOKS, "filters": []}, {"filters"}),
        ({"callback_url": HOOKS, "filters": {"calendar_ids": []}}, {"filters.calendar_ids"}),
        ({"callback_url": HOOKS, "filters": {"calendar_ids": "cal"}}, {"filters.calendar_ids"}),
        ({"callback_url": HOOKS, "filters": {"calendar_ids": [7]}}, {"filters.calendar_ids[0]"}),
        ({"callback_url": HOOKS, "filters": {"only_managed": "yes"}}, {"filters.only_managed"}),
        (
            {"callback_url": "https://localhost/", "filters": {"calendar_ids": ["cal_of_others", 7]}},
            {"callback_url", "filters.calendar_ids[0]", "filters.calendar_ids[1]"},
        ),
        (
            {"callback_url": "https://localhost/", "filters": {"calendar_ids": ["cal_of_others"]}},
            {"callback_url", "filters.calendar_ids[0]"},
        ),
    ],
)
def test_faults_are_listed_by_their_paths(
    calendar: Calendar, engine: Engine, body: dict[str, Any], paths: set[str]
) -> None:
    response = calendar.post("/v1/channels", body)

    assert response.status_code == 422
    assert response.json["errors"].keys() == paths
    assert owed(engine) == []


def test_another_accounts_calendar_cannot_be_watched(api: Api, calendar: Calendar) -> None:
    other = api.calendar("other")
    filters = {"calendar_ids": [calendar.calendar_id, other.calendar_id]}

    response = calendar.post("/v1/channels", {"callback_url": HOOKS, "filters": filters})

    assert response.json["errors"].keys() == {"filters.calendar_ids[1]"}


def test_an_application_without_a_kept_secret_is_told_why(calendar: Calendar, engine: Engine) -> None:
    with engine.execution_options(writes=True).begin() as connection:
        connection.execute(update(schema.applications).values(client_secret_encrypted=None))

    response = calendar.post("/v1/channels", {"callback_url": HOOKS})

    assert response.status_code == 422
    (fault,) = response.json["errors"]["base"]
    assert "secret is not kept" in fault["description"]


def test_an_account_has_a_limited_number_of_channels(calendar: Calendar, engine: Engine) -> None:
    (sub,) = {calendar.sub}
    with engine.execution_options(writes=True).begin() as connection:
        connection.execute(
            schema.channels.insert(),
            [
                {
                    "channel_id": f"chn_{number}",
                    "sub": sub,
                    "callback_url": f"{HOOKS}{number}",
                    "filters": {},
                    "created_at": number,
                }
                for number in range(MAX_CHANNELS)
            ],
        )

    response = calendar.post("/v1/channels", {"callback_url": HOOKS})

    assert (response.status_code, response.json["errors"]["base"][0]["key"]) == (422, "errors.too_many")


def test_a_development_setting_lets_callbacks_stay_on_the_machine(engine: Engine, clock: FakeClock) -> None:
    backend = Backend.over(
        engine,
        b"a secret of the tests, 32 bytes long",
        PUBLIC_URL,
        clock,
        outbound=Outbound(allow_private=True),
    )
    calendar = Api(backend, create_backend_app(backend).test_client()).calendar()

    assert open_channel(calendar, "http://localhost:9999/hooks")


@pytest.fixture
def watched(calendar: Calendar, engine: Engine) -> Calendar:
    """A calendar with a channel whose verification is done."""
    open_channel(calendar)
    with engine.execution_options(writes=True).begin() as connection:
        connection.execute(schema.deliveries.delete())
    return calendar


def test_a_write_owes_its_calendars_channel_a_change(watched: Calendar, engine: Engine) -> None:
    write(watched)

    (channel,) = watched.get("/v1/channels").json["channels"]
    assert owed(engine) == [{"notification": CHANGE, "channel": channel}]


def test_a_deletion_is_a_change(watched: Calendar, engine: Engine) -> None:
    write(watched)
    with engine.execution_options(writes=True).begin() as connection:
        connection.execute(schema.deliveries.delete())

    delete(watched)

    assert notifications(engine) == [CHANGE]


def test_what_changes_nothing_is_no_change(watched: Calendar, engine: Engine) -> None:
    delete(watched, "never there")
    refused: TestResponse = watched.post(watched.events_path, {"event_id": "a"})

    assert refused.status_code == 422
    assert notifications(engine) == []


def test_changes_that_come_together_are_told_once(
    watched: Calendar, engine: Engine, clock: FakeClock
) -> None:
    for number in range(3):
        write(watched, f"event-{number}")
        clock.advance(60)

    assert notifications(engine) == [CHANGE]


def test_a_change_is_not_told_by_a_verification_that_waits(calendar: Calendar, engine: Engine) -> None:
    open_channel(calendar)
    write(calendar)

    assert notifications(engine) == [{"type": "verification"}, CHANGE]


def test_a_change_after_the_claim_is_told_anew(
    watched: Calendar, engine: Engine, backend: Backend, clock: FakeClock
) -> None:
    write(watched)
    assert len(backend.outbox.claim(10, {}, 10)) == 1
    clock.advance(5)

    write(watched, "b")
    write(watched, "c")

    assert notifications(engine) == [CHANGE, {"type": "change", "changes_since": "2026-11-22T12:00:05Z"}]


def test_reading_since_the_time_that_is_told_finds_the_change(watched: Calendar, engine: Engine) -> None:
    write(watched, "new")
    (notification,) = notifications(engine)

    assert watched.event_ids(last_modified=notification["changes_since"]) == ["new"]


def test_each_matching_channel_is_told(api: Api, watched: Calendar, engine: Engine) -> None:
    other = api.calendar("other")
    of_other = open_channel(other)
    second = open_channel(watched, f"{HOOKS}2", calendar_ids=[watched.calendar_id], only_managed=True)
    with engine.execution_options(writes=True).begin() as connection:
        connection.execute(schema.deliveries.delete())

    write(watched)

    told = [notification["channel"]["channel_id"] for notification in owed(engine)]
    assert len(told) == 2
    assert second["channel_id"] in told
    assert of_other["channel_id"] not in told


def test_only_managed_channels_do_not_hear_of_external_events(
    calendar: Calendar, backend: Backend, engine: Engine
) -> None:
    every = open_channel(calendar)
    open_channel(calendar, only_managed=True)
    with engine.execution_options(writes=True).begin() as connection:
        connection.execute(schema.deliveries.delete())
        backend.channels.changed(connection, calendar.calendar_id, False, int(backend.clock()))

    assert [notification["channel"] for notification in owed(engine)] == [every]


def test_what_is_rolled_back_owes_nothing(watched: Calendar, backend: Backend, engine: Engine) -> None:
    class Interrupted(Exception):
        pass

    def interrupt() -> None:
        with engine.execution_options(writes=True).begin() as connection:
            backend.channels.changed(connection, watched.calendar_id, True, int(backend.clock()))
            raise Interrupted

    with pytest.raises(Interrupted):
        interrupt()

    assert owed(engine) == []


@pytest.mark.sqlite_only
def test_a_write_without_channels_costs_one_more_query_and_that_by_index(
    calendar: Calendar, engine: Engine
) -> None:
    asked = []

    def record(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_more: Any) -> None:
        if "channels" in statement or "deliveries" in statement:
            asked.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", record)
    write(calendar)
    event.remove(engine, "before_cursor_execute", record)

    ((statement, parameters),) = asked
    with engine.connect() as connection:
        plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
    assert all("INDEX" in step for step in plan)


def test_a_write_by_uid_and_a_bulk_deletion_are_changes(
    watched: Calendar, engine: Engine, backend: Backend
) -> None:
    write(watched)
    (event_uid,) = [
        found["event_uid"]
        for found in watched.get("/v1/events", tzid="UTC", include_managed="true").json["events"]
    ]
    told = []
    for body in (
        {"event_uid": event_uid, "summary": "Moved", "start": NINE, "end": TEN},
        None,
    ):
        with engine.execution_options(writes=True).begin() as connection:
            connection.execute(schema.deliveries.delete())
        if body is None:
            backend.events.delete_managed(watched.calendar_id)
        else:
            assert watched.post(watched.events_path, body).status_code == 202
        told.append(notifications(engine))

    assert told == [[CHANGE], [CHANGE]]


def test_an_import_is_one_change_and_the_same_again_none(
    watched: Calendar, engine: Engine, backend: Backend
) -> None:
    open_channel(watched, f"{HOOKS}2", only_managed=True)
    time = EventTime(int(backend.clock()), int(backend.clock()) + 3_600)
    draft = EventDraft(None, "Imported", "", time, None, Transparency.OPAQUE, False, {})
    imported = [ImportedEvent(f"uid-{number}", draft) for number in range(3)]
    told = []
    for _ in range(2):
        with engine.execution_options(writes=True).begin() as connection:
            connection.execute(schema.deliveries.delete())
        backend.events.import_events(watched.calendar_id, imported)
        told.append([notification["channel"]["callback_url"] for notification in owed(engine)])

    assert told == [[HOOKS], []]
