"""Several writes in one request."""

from typing import Any

import pytest

from tests.calendars.conftest import Api, Calendar
from widgetsvc.calendars.requests.batch import MAX_ENTRIES


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
