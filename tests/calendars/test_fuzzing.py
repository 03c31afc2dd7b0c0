"""Requests made from the OpenAPI document, right and wrong: the service answers as the document says.

`FUZZ_EXAMPLES=1000` makes as many requests of each kind for each operation, other ones at every run.
"""

import json
import os
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import hypothesis
import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from sqlalchemy import create_engine

from tests.calendars.conftest import PUBLIC_URL, Api, Calendar, undisturbed
from widgetsvc.calendars.api.app import create_backend_app
from widgetsvc.calendars.api.credentials import Scheme
from widgetsvc.calendars.api.openapi import document
from widgetsvc.permissions import Permission

PAGE = "https://jobs.example.com"

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "6"))
IS_LONG = "FUZZ_EXAMPLES" in os.environ

SETTINGS = hypothesis.settings(
    max_examples=EXAMPLES,
    derandomize=not IS_LONG,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[hypothesis.Phase.generate, *([hypothesis.Phase.shrink] if IS_LONG else [])],
)

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]

ABOUT_THE_FORM = re.compile(r"required$|must be a valid|must be an object|must have at (least|most)")
"""Words for faults that the schema of a body would have told."""


schemathesis.openapi.format(
    "tzid", st.sampled_from(["Europe/London", "America/New_York", "Etc/UTC", "Asia/Kathmandu"])
)


def operations() -> dict[str, dict[str, Any]]:
    """What the document says of every operation; no database is needed to tell."""
    app = create_backend_app(undisturbed(create_engine("sqlite://")))
    paths = document(app, PUBLIC_URL)["paths"]
    return {f"{method.upper()} {path}": said for path, item in paths.items() for method, said in item.items()}


def can_be_wrong(operation: dict[str, Any]) -> bool:
    """Whether a request can be other than described; any text may stand in a path."""
    places = {parameter["in"] for parameter in operation.get("parameters", [])}
    return "requestBody" in operation or "query" in places


OPERATIONS = operations()
FALLIBLE = [label for label, operation in OPERATIONS.items() if can_be_wrong(operation)]


def small(tree: Any) -> Any:
    """Schemas with short lists and no unknown members, of which bodies are made in a moment."""
    if isinstance(tree, list):
        return [small(entry) for entry in tree]
    if not isinstance(tree, dict):
        return tree
    made = {name: small(member) for name, member in tree.items()}
    if made.get("type") == "array":
        made["maxItems"] = min(made.get("maxItems", 2), 2)
    if made.get("type") == "object" and "properties" in made:
        made["additionalProperties"] = False
    return made


@dataclass(frozen=True)
class Service:
    """The backend in this process, an application of it with a calendar, and credentials of every kind."""

    described: dict[str, Any]
    schema: Any
    api: Api
    calendar: Calendar
    credentials: dict[Scheme | None, dict[str, Any]]

    def operation(self, label: str) -> Any:
        return self.schema.find_operation_by_label(label)

    def describes(self, label: str, sent: Any) -> bool:
        """Whether a request, as it was sent, is one that the document describes."""
        operation = OPERATIONS[label]
        query = parse_qs(urlsplit(sent.url).query, keep_blank_values=True)
        return all(
            self._describes_parameter(parameter, query.get(parameter["name"]))
            for parameter in operation.get("parameters", [])
            if parameter["in"] == "query"
        ) and ("requestBody" not in operation or self._describes_body(label, sent))

    def _describes_parameter(self, parameter: dict[str, Any], texts: list[str] | None) -> bool:
        if texts is None or (texts[0] == "" and parameter["allowEmptyValue"]):
            return not parameter["required"]
        words = {"true": True, "1": True, "false": False, "0": False}
        number = int(texts[0]) if texts[0].isdecimal() else None
        readings: list[object] = [texts, texts[0], words.get(texts[0].lower()), number]
        schema = jsonschema_rs.Draft202012Validator(self.described | parameter["schema"])
        return any(map(schema.is_valid, readings))

    def _describes_body(self, label: str, sent: Any) -> bool:
        expected = OPERATIONS[label]["requestBody"]
        if not sent.body:
            return not expected["required"]
        content = expected["content"]
        if sent.headers.get("Content-Type") != "application/json":
            return sent.headers.get("Content-Type") in content  # what a form says is all text
        try:
            body = json.loads(sent.body)
        except ValueError:
            return False
        schema = content["application/json"]["schema"]
        return bool(jsonschema_rs.Draft202012Validator(self.described | schema).is_valid(body))

    def send(self, case: Case, shown: Scheme | None) -> Any:
        return case.call(**self.credentials[shown])

    def own(self, case: Case) -> None:
        """Aim a case at what the application really has."""
        if "calendar_id" in (case.path_parameters or {}):
            case.path_parameters["calendar_id"] = self.calendar.calendar_id
        if isinstance(case.body, dict) and "client_secret" in case.body:
            case.body |= self.api.client_fields()


@pytest.fixture(scope="module")
def service(shared: Api) -> Service:
    api, calendar = shared, shared.calendar()
    wanted = {"permissions": list(Permission), "subs": [calendar.sub], "origin": PAGE}
    minted = api.http.post("/v1/element_tokens", headers=api.api_key, json=wanted).json["element_token"]
    credentials: dict[Scheme | None, dict[str, Any]] = {
        None: {},
        Scheme.ACCESS_TOKEN: {"headers": calendar.headers},
        Scheme.API_KEY: {"headers": api.api_key},
        Scheme.ELEMENT_TOKEN: {"headers": {"Origin": PAGE}, "params": {"et": minted["token"]}},
    }
    described = api.http.get("/v1/openapi.json").json
    schema = schemathesis.openapi.from_dict(described | {"components": small(described["components"])})
    schema.app = api.http.application
    schema.config.generation.update(with_security_parameters=False)
    return Service(described, schema, api, calendar, credentials)


def schemes(operation: APIOperation[Any, Any, Any, Any]) -> set[Scheme]:
    return {Scheme(name) for choice in operation.definition.raw["security"] for name in choice}


@pytest.mark.parametrize("label", OPERATIONS)
def test_described_requests_are_answered_as_described_and_need_credentials(
    service: Service, label: str
) -> None:
    operation = service.operation(label)
    may_do_without = not schemes(operation) or {} in operation.definition.raw["security"]
    others = set() if may_do_without else {None, *Scheme} - schemes(operation)

    @SETTINGS
    @given(
        operation.as_strategy(generation_mode=GenerationMode.POSITIVE),
        st.sampled_from(sorted(schemes(operation)) or [None]),
        st.booleans(),
    )
    def answers(case: Case, shown: Scheme | None, is_own: bool) -> None:
        if is_own:
            service.own(case)
        for other in others:
            refused = service.send(case, other)
            assert (refused.status_code, refused.content) == (401, b"")
        response = service.send(case, shown)
        case.validate_response(response, checks=CHECKS)
        if response.status_code == 422:
            faults = [words for words in descriptions(response) if ABOUT_THE_FORM.search(words)]
            assert faults == [], (case.body, response.content)

    answers()


def descriptions(response: Any) -> list[str]:
    errors = json.loads(response.content)["errors"]
    return [fault["description"] for faults in errors.values() for fault in faults]


@pytest.mark.parametrize("label", FALLIBLE)
def test_requests_that_are_not_described_are_refused(service: Service, label: str) -> None:
    operation = service.operation(label)

    @SETTINGS
    @given(
        operation.as_strategy(generation_mode=GenerationMode.NEGATIVE),
        st.sampled_from(sorted(schemes(operation)) or [None]),
    )
    def refuses(case: Case, shown: Scheme | None) -> None:
        response = service.send(case, shown)
        case.validate_response(response, checks=CHECKS)
        # Not everything that is wrong can be sent: a list of one and what stands in it look alike.
        refused = 400 <= response.status_code < 500
        assert refused or service.describes(label, response.request), response.request.url

    refuses()
