"""The OpenAPI document: complete, valid, and saying what the checks of requests do."""

import json
import re
import typing
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from flask import Flask
from flask.testing import FlaskClient
from pydantic import ValidationError
from schemathesis.specs.openapi import definitions
from sqlalchemy import create_engine

from tests.calendars.conftest import PUBLIC_URL, undisturbed
from widgetsvc.calendars.api.app import create_backend_app
from widgetsvc.calendars.api.endpoint import Operation, operation_of
from widgetsvc.calendars.backend import Backend

UNDECLARED: dict[str, str] = {"/feeds/<token>.ics": "for calendar applications; no part of the API"}
"""Rules of the application that the document leaves out, and why."""

PERIOD = {"start": "2026-11-24T09:00:00Z", "end": "2026-11-24T12:00:00Z"}
QUERY = {
    "participants": [{"members": [{"sub": "apc_1"}]}],
    "required_duration": {"minutes": 60},
    "query_periods": [PERIOD],
}
EVENT = {
    "event_id": "e",
    "summary": "s",
    "start": "2026-11-24T09:00:00Z",
    "end": "2026-11-24T12:00:00Z",
}


@pytest.fixture(scope="module")
def backend() -> Backend:
    """A backend without tables, of which the document needs none."""
    return undisturbed(create_engine("sqlite://"))


@pytest.fixture(scope="module")
def app(backend: Backend) -> Flask:
    return create_backend_app(backend)


@pytest.fixture(scope="module")
def http(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture(scope="module")
def document(http: FlaskClient) -> dict[str, Any]:
    response = http.get("/v1/openapi.json")
    assert (response.status_code, response.mimetype) == (200, "application/json")
    found: dict[str, Any] = response.json
    return found


def operations(app: Flask) -> list[Operation]:
    found = [operation_of(app, rule.endpoint) for rule in app.url_map.iter_rules()]
    return [operation for operation in found if operation is not None]


def described(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        operation["operationId"]: operation
        for item in document["paths"].values()
        for operation in item.values()
    }


def validator(document: dict[str, Any], name: str) -> Any:
    """A validator for a schema of the document."""
    schema = document | {"$ref": f"#/components/schemas/{name}"}
    return jsonschema_rs.Draft202012Validator(schema)


def nodes(tree: object) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        yield tree
    children = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    for child in children:
        yield from nodes(child)


def test_every_endpoint_is_described(app: Flask, document: dict[str, Any]) -> None:
    rules = {rule.rule for rule in app.url_map.iter_rules()} - UNDECLARED.keys()
    paths = {re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule) for rule in rules}

    assert document["paths"].keys() == paths
    assert len(described(document)) == len(operations(app))


def test_the_document_is_valid_openapi(document: dict[str, Any]) -> None:
    definitions.OPENAPI_31_VALIDATOR.validate(document)
    for schema in document["components"]["schemas"].values():
        jsonschema_rs.meta.validate(schema | {"$schema": "https://json-schema.org/draft/2020-12/schema"})


def test_every_reference_leads_somewhere_and_nothing_is_unused(document: dict[str, Any]) -> None:
    references = {node["$ref"] for node in nodes(document) if isinstance(node.get("$ref"), str)}
    components = {
        f"#/components/{kind}/{name}"
        for kind in ("schemas", "responses")
        for name in document["components"][kind]
    }

    assert references == components


def test_examples_are_what_their_schemas_say(document: dict[str, Any]) -> None:
    with_examples = [node for node in nodes(document) if isinstance(node.get("examples"), list)]

    assert with_examples
    for schema in with_examples:
        checks = jsonschema_rs.Draft202012Validator(document | schema)
        for example in schema["examples"]:
            checks.validate(example)


def test_it_is_the_same_for_every_application_of_one_backend(backend: Backend, http: FlaskClient) -> None:
    other = create_backend_app(backend).test_client()

    assert http.get("/v1/openapi.json").data == other.get("/v1/openapi.json").data


def test_who_has_it_need_not_load_it_again(http: FlaskClient) -> None:
    etag = http.get("/v1/openapi.json").headers["ETag"]

    again = http.get("/v1/openapi.json", headers={"If-None-Match": etag})

    assert (again.status_code, again.data) == (304, b"")


def test_any_page_may_read_it(http: FlaskClient) -> None:
    response = http.get("/v1/openapi.json", headers={"Origin": "https://docs.example.com"})

    assert response.headers["Access-Control-Allow-Origin"] == "*"


def test_it_names_the_public_address(document: dict[str, Any]) -> None:
    assert document["servers"] == [{"url": PUBLIC_URL}]


def test_views_take_what_is_declared_for_them(app: Flask) -> None:
    for operation in operations(app):
        hints = typing.get_type_hints(operation.handler)
        assert hints.pop("return").__name__ == "Response"
        taken = list(hints.values())
        if operation.caller is not None:
            taken.pop(0)
        for model in (operation.query, operation.body):
            if model is not None:
                assert taken.pop(0) is model, operation.handler
        assert set(taken) <= {str, int}, operation.handler


def test_who_may_call_is_said(document: dict[str, Any]) -> None:
    operations = described(document)

    assert operations["upsert_event"]["security"] == [{"access_token": []}]
    assert operations["mint_element_token"]["security"] == [{"api_key": []}]
    assert operations["read_events"]["security"] == [{"access_token": []}, {"element_token": []}]
    assert operations["upsert_application_calendar"]["security"] == []


@pytest.mark.parametrize(
    ("operation", "statuses"),
    [
        ("openapi", {"200", "304"}),
        ("upsert_application_calendar", {"200", "401", "413", "422", "429"}),
        ("upsert_event", {"202", "401", "404", "413", "422", "429"}),
        ("read_events", {"200", "401", "403", "422", "429"}),
        ("read_events_page", {"200", "401", "403", "404", "429"}),
        ("refresh_token", {"200", "400", "413", "429"}),
    ],
)
def test_answers_follow_from_what_is_declared(
    document: dict[str, Any], operation: str, statuses: set[str]
) -> None:
    assert described(document)[operation]["responses"].keys() == statuses


def test_lists_in_a_query_have_brackets_and_what_is_required_is_marked(document: dict[str, Any]) -> None:
    parameters = {p["name"]: p for p in described(document)["read_events"]["parameters"]}

    assert parameters["calendar_ids[]"]["schema"]["type"] == "array"
    assert [name for name, parameter in parameters.items() if parameter["required"]] == ["tzid"]
    assert {"from", "to"} <= parameters.keys()


def test_an_empty_answer_has_no_content(document: dict[str, Any]) -> None:
    assert "content" not in described(document)["upsert_event"]["responses"]["202"]
    assert "content" not in described(document)["revoke_authorization"]["responses"]["200"]


def times(*texts: str) -> list[dict[str, Any]]:
    return [{"start": text} for text in texts]


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"tzid": None, "location": None, "description": None, "event_private": None},
        {"url": None, "conferencing": None},
        {"unknown": {"of": ["any", "kind"]}},
        *times("2026-11-24 09:00:00Z", "2026-11-24T10:00:00+01:00", "2026-11-24T09:00:00.000Z"),
        {"start": {"time": "2026-11-24 09:00:00Z", "tzid": "Europe/London"}},
        {"start": {"time": "2026-11-24", "tzid": None}, "end": "2026-11-25"},
        {"event_id": None, "event_uid": "evt_1"},
        {"conferencing": {"profile_id": "explicit", "join_url": "https://meet.example.com"}},
        {"color": "#49BED8", "reminders": [{"minutes": 0}]},
    ],
)
def test_an_event_that_is_described_is_accepted(
    app: Flask, document: dict[str, Any], change: dict[str, Any]
) -> None:
    assert (
        accepted(app, "upsert_event", EVENT | change),
        says(document, "EventRequest", EVENT | change),
    ) == (
        True,
        True,
    )


@pytest.mark.parametrize(
    "change",
    [
        {"summary": None},
        {"summary": 5},
        {"summary": "x" * 1025},
        {"summary": "NUL \x00"},
        {"event_id": None},
        {"event_id": " \t"},
        *times("2026-11-24T09:00:00", "2026-11-24T09:00:00.5Z", "0001-01-01T00:00:00Z", "9999-01-01", "noon"),
        {"start": {"tzid": "Europe/London"}},
        {"start": {"time": "2026-11-24T09:00:00Z", "tzid": 1}},
        {"start": 1_795_348_800},
        {"color": "red"},
        {"reminders": [{"minutes": -1}]},
        {"conferencing": {"profile_id": "pro_zoom"}},
        {"event_private": "true"},
    ],
)
def test_an_event_that_is_not_described_is_refused(
    app: Flask, document: dict[str, Any], change: dict[str, Any]
) -> None:
    assert (
        accepted(app, "upsert_event", EVENT | change),
        says(document, "EventRequest", EVENT | change),
    ) == (
        False,
        False,
    )


def group(**members: Any) -> dict[str, Any]:
    return {"participants": [{"members": [{"sub": "apc_1"}]} | members]}


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"buffer": {}, "start_interval": None, "max_results": None, "response_format": None},
        {"buffer": {"before": {"minutes": 30}, "after": {}}},
        {"buffer": {"before": {"minimum": {"minutes": 15}, "maximum": {"minutes": 30}}, "after": None}},
        {"buffer": {"before": {"minimum": None, "maximum": {"minutes": 30}}}},
        {"required_duration": {"hours": 1, "minutes": 30}},
        {"required_duration": {"minutes": 60.0}},
        {"query_periods": None, "available_periods": [PERIOD]},
        {"query_periods": None, "query_slots": [{"start": "2026-11-24 09:00:00Z"}]},
        group(required="all"),
        group(required=1),
        group(required=None),
        group(members=["apc_1", {"sub": "apc_2", "buffer": {}}]),
        {"bookable_events": []},
    ],
)
def test_a_query_that_is_described_is_accepted(
    app: Flask, document: dict[str, Any], change: dict[str, Any]
) -> None:
    body = QUERY | change

    assert (accepted(app, "query_availability", body), says(document, "AvailabilityRequest", body)) == (
        True,
        True,
    )


@pytest.mark.parametrize(
    "change",
    [
        {"required_duration": {}},
        {"required_duration": {"minutes": None}},
        {"required_duration": {"minutes": 1.5}},
        {"required_duration": {"minutes": True}},
        {"query_periods": []},
        {"query_periods": [{"start": "2026-11-24"}]},
        {"participants": []},
        {"response_format": "weeks"},
        {"max_results": 513},
        {"bookable_events": [{}]},
        {"query_periods": None},
        {"available_periods": [PERIOD]},
        {"bookable_events": 0},
        group(required=0),
        group(required="some"),
        group(required=True),
        group(members=[5]),
        group(members=[""]),
    ],
)
def test_a_query_that_is_not_described_is_refused(
    app: Flask, document: dict[str, Any], change: dict[str, Any]
) -> None:
    body = QUERY | change

    assert (accepted(app, "query_availability", body), says(document, "AvailabilityRequest", body)) == (
        False,
        False,
    )


def accepted(app: Flask, name: str, body: dict[str, Any]) -> bool:
    """Whether a body passes the checks of the operation."""
    (model,) = {found.body for found in operations(app) if found.handler.__name__ == name}
    assert model is not None
    try:
        model.model_validate_json(json.dumps(body))
    except ValidationError:
        return False
    return True


def says(document: dict[str, Any], schema: str, body: dict[str, Any]) -> bool:
    """Whether a body is as the document describes it."""
    return bool(validator(document, schema).is_valid(body))
