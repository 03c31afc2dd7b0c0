"""Several writes in one request."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, event, func, select

from tests.calendars.conftest import Api, Calendar
from widgetsvc.calendars.backend import Backend, current_backend, one_transaction, undoing
from widgetsvc.calendars.errors import NotFound
from widgetsvc.calendars.requests.batch import MAX_ENTRIES
from widgetsvc.calendars.requests.events import EventRequest
from widgetsvc.calendars.store import schema

pytestmark = pytest.mark.on_every_database


def upsert(calendar: Calendar, event_id: str, **changes: Any) -> dict[str, Any]:
    event = {
        "event_id": event_id,
        "summary": event_id,
        "start": "2026-11-24T10:00:00Z",
        "end": "2026-11-24T11:00:00Z",
    }
    return {"method": "POST", "relative_url": calendar.events_path, "data": event | changes}


def delete(calendar: Calendar, **data: str) -> dict[str, Any]:
    return {"method": "DELETE", "relative_url": calendar.events_path, "data": data}


def outcomes(calendar: Calendar, *entries: dict[str, Any]) -> list[dict[str, Any]]:
    response = calendar.post("/v1/batch", {"batch": entries})
    assert response.status_code == 207, response.text
    return list(response.json["batch"])


def test_entries_are_carried_out_in_order(calendar: Calendar) -> None:
    found = outcomes(calendar, upsert(calendar, "a"), upsert(calendar, "b"), delete(calendar, event_id="a"))

    assert found == [{"status": 202}] * 3
    assert calendar.event_ids() == ["b"]


def test_an_entry_fails_alone_and_with_the_faults_of_its_own(api: Api, calendar: Calendar) -> None:
    other = api.calendar("other")
    faulty = upsert(calendar, "b", end="2026-11-24", color="red")

    found = outcomes(calendar, upsert(calendar, "a"), faulty, upsert(other, "c"), upsert(calendar, "d"))

    assert [outcome["status"] for outcome in found] == [202, 422, 404, 202]
    assert found[1]["data"] == calendar.post(calendar.events_path, faulty["data"]).json
    assert "data" not in found[2]
    assert sorted(calendar.event_ids()) == ["a", "d"]
    assert other.event_ids() == []


def test_an_entry_that_the_store_refuses_fails_alone(calendar: Calendar) -> None:
    nowhere = upsert(calendar, "b", event_uid="evt_unknown")
    period = {"available_period_id": "p", "start": "2026-11-24T10:00:00Z", "end": "2026-11-24T11:00:00Z"}
    available = {"method": "POST", "relative_url": "/v1/available_periods", "data": period}

    found = outcomes(calendar, upsert(calendar, "a"), nowhere, available, upsert(calendar, "c"))

    assert [outcome["status"] for outcome in found] == [202, 404, 202, 202]
    assert sorted(calendar.event_ids()) == ["a", "c"]
    periods = calendar.get("/v1/available_periods").json["available_periods"]
    assert [found["available_period_id"] for found in periods] == ["p"]


def test_channels_are_told_of_what_was_written_alone(api: Api, calendar: Calendar, engine: Engine) -> None:
    other = api.calendar("other")
    for each in (calendar, other):
        assert each.post("/v1/channels", {"callback_url": "https://hooks.example.com/"}).status_code == 200
    with engine.execution_options(writes=True).begin() as connection:
        connection.execute(schema.deliveries.delete())

    def told() -> int:
        with engine.connect() as connection:
            return connection.execute(select(func.count()).select_from(schema.deliveries)).scalar_one()

    outcomes(calendar, upsert(calendar, "a", event_uid="evt_unknown"), upsert(other, "b"))
    assert told() == 0

    outcomes(calendar, upsert(calendar, "a"), upsert(other, "b"), upsert(calendar, "c"))
    assert told() == 1


@pytest.mark.parametrize("kept", [[], ["b"]])
def test_what_is_undone_is_neither_kept_nor_told(
    http: FlaskClient, calendar: Calendar, engine: Engine, kept: list[str]
) -> None:
    calendar.post("/v1/channels", {"callback_url": "https://hooks.example.com/"})

    def write(event_id: str) -> None:
        draft = EventRequest.model_validate(upsert(calendar, event_id)["data"]).draft()
        current_backend().events.upsert(calendar.calendar_id, draft)

    def write_in_vain() -> None:
        write("a")
        raise NotFound("on second thoughts")

    with http.application.app_context(), one_transaction() as connection:
        with pytest.raises(NotFound), undoing(connection, NotFound):
            write_in_vain()
        for event_id in kept:
            write(event_id)

    assert calendar.event_ids() == kept
    with engine.connect() as connection:
        bodies = connection.execute(select(schema.deliveries.c.body)).scalars().all()
    assert len([body for body in bodies if '"change"' in body]) == len(kept)


def test_deliveries_are_owed_once_the_batch_is_written(calendar: Calendar, backend: Backend) -> None:
    calendar.post("/v1/channels", {"callback_url": "https://hooks.example.com/"})
    backend.outbox.claim(10, {}, 10)
    backend.outbox.owed.clear()

    outcomes(calendar, upsert(calendar, "a"), upsert(calendar, "b", event_uid="evt_unknown"))

    assert backend.outbox.owed.is_set()


@pytest.mark.sqlite_only
def test_where_the_database_fails_nothing_of_the_batch_is_written(calendar: Calendar, engine: Engine) -> None:
    calendar.write("moved", "2026-11-24T08:00:00Z", "2026-11-24T09:00:00Z")
    with engine.execution_options(writes=True).begin() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER fail BEFORE INSERT ON former_times BEGIN INSERT INTO missing VALUES (1); END"
        )

    response = calendar.post("/v1/batch", {"batch": [upsert(calendar, "a"), upsert(calendar, "moved")]})

    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
    assert calendar.event_ids() == ["moved"]
    assert outcomes(calendar, upsert(calendar, "b")) == [{"status": 202}]


def test_an_account_that_is_revoked_before_its_batch_is_written_is_unknown(
    api: Api, calendar: Calendar, engine: Engine
) -> None:
    application_id = api.backend.accounts.applications()[0].application_id

    def revoke(*_connection: object) -> None:
        assert api.backend.accounts.revoke(application_id, calendar.sub)

    event.listen(engine, "checkin", revoke, once=True)

    assert calendar.post("/v1/batch", {"batch": [upsert(calendar, "a")]}).status_code == 401


def test_external_events_are_edited_and_deleted_by_uid(calendar: Calendar) -> None:
    calendar.write("a", "2026-11-24T10:00:00Z", "2026-11-24T11:00:00Z")
    uid = calendar.get("/v1/events", tzid="Etc/UTC", only_managed="true").json["events"][0]["event_uid"]
    renamed = upsert(calendar, "ignored", event_uid=uid, summary="Renamed")

    assert outcomes(calendar, renamed, delete(calendar, event_uid=uid)) == [{"status": 202}] * 2
    query = {"tzid": "Etc/UTC", "only_managed": "true", "include_deleted": "true"}
    (event,) = calendar.get("/v1/events", **query).json["events"]
    assert (event["event_id"], event["summary"], event["deleted"]) == ("a", "Renamed", True)


@pytest.mark.parametrize(
    ("method", "relative_url", "status", "path"),
    [
        ("GET", "/v1/events", 422, "relative_url"),
        ("DELETE", "/v1/events", 422, "relative_url"),
        ("POST", "/v1/batch", 422, "relative_url"),
        ("POST", "/oauth/token", 422, "relative_url"),
        ("PATCH", "/v1/events", 422, "method"),
        ("POST", "/v1/nothing", 404, None),
        ("POST", "//[", 404, None),
        ("POST", "http://127.0.0.1/v1/events", 404, None),
    ],
)
def test_what_cannot_be_part_of_a_batch_is_refused(
    calendar: Calendar, method: str, relative_url: str, status: int, path: str | None
) -> None:
    entry = {"method": method, "relative_url": relative_url, "data": {"delete_all": True}}

    (found,) = outcomes(calendar, entry)

    assert found["status"] == status
    assert list(found.get("data", {}).get("errors", {})) == ([path] if path else [])


@pytest.mark.parametrize("data", [{}, {"data": []}, {"data": None}, {"data": {}}])
def test_an_entry_without_data_has_the_faults_of_an_empty_body(
    calendar: Calendar, data: dict[str, object]
) -> None:
    (found,) = outcomes(calendar, {"method": "post", "relative_url": calendar.events_path} | data)

    assert found["status"] == 422
    assert found["data"]["errors"]["summary"][0]["key"] == "errors.required"


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "batch"),
        ({"batch": {}}, "batch"),
        ({"batch": [{"method": "POST", "relative_url": "/"}] * (MAX_ENTRIES + 1)}, "batch"),
        ({"batch": [{"relative_url": "/"}]}, "batch[0].method"),
        ({"batch": ["x"]}, "batch[0]"),
        ({"batch": [{"method": "POST", "relative_url": "/", "data": "x"}]}, "batch[0].data"),
    ],
)
def test_a_malformed_batch_is_refused_as_a_whole(calendar: Calendar, body: object, path: str) -> None:
    response = calendar.post("/v1/batch", body)

    assert response.status_code == 422
    assert list(response.json["errors"]) == [path]


def test_a_batch_may_have_fifty_entries(calendar: Calendar) -> None:
    found = outcomes(calendar, *(delete(calendar, event_id=f"e{n}") for n in range(MAX_ENTRIES)))

    assert [outcome["status"] for outcome in found] == [202] * MAX_ENTRIES


def test_a_batch_needs_an_access_token(api: Api, calendar: Calendar) -> None:
    assert api.http.post("/v1/batch", json={"batch": []}).status_code == 401
    assert api.http.post("/v1/batch", headers=api.api_key, json={"batch": []}).status_code == 401
