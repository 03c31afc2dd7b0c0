"""The documents: complete, valid, and saying what the endpoints do."""

import json
import os
import re
import shlex
from html.parser import HTMLParser
from typing import Any

import hypothesis
import jsonschema_rs
import pytest
import schemathesis
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import definitions
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.web.manage.conftest import PUBLIC_URL, NewServer, Server
from tests.web.manage.test_bad_input import ENDPOINTS, name_of
from widgetsvc.app import create_app
from widgetsvc.config import Settings
from widgetsvc.services import Services
from widgetsvc.web.manage.api import RESOURCES
from widgetsvc.web.manage.endpoint import PREFIX
from widgetsvc.web.manage.openapi import document as document_of

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "3"))
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
DOCUMENT = document_of(RESOURCES, PUBLIC_URL)
OPERATIONS = {
    operation["operationId"]: (method.upper(), path)
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
}


def nodes(tree: object) -> list[dict[str, Any]]:
    children = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    found = [node for child in children for node in nodes(child)]
    return [tree, *found] if isinstance(tree, dict) else found


def test_the_document_is_served_to_everybody(http: FlaskClient) -> None:
    response = http.get("/manage/v1/openapi.json")

    assert (response.status_code, response.json) == (200, DOCUMENT)
    again = http.get("/manage/v1/openapi.json", headers={"If-None-Match": response.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_the_document_is_valid_openapi() -> None:
    definitions.OPENAPI_31_VALIDATOR.validate(DOCUMENT)
    for schema in DOCUMENT["components"]["schemas"].values():
        jsonschema_rs.meta.validate(schema | {"$schema": "https://json-schema.org/draft/2020-12/schema"})


def test_every_route_is_described(settings: Settings, services: Services) -> None:
    rules = create_app(settings, services).url_map.iter_rules()
    paths = {
        re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule) for rule in rules if rule.rule.startswith(PREFIX)
    }

    assert paths - {"/manage/v1/openapi.json"} == DOCUMENT["paths"].keys()
    assert len(OPERATIONS) == len(ENDPOINTS)


def test_every_reference_leads_somewhere_and_nothing_is_unused() -> None:
    references = {node["$ref"] for node in nodes(DOCUMENT) if isinstance(node.get("$ref"), str)}

    assert references == {f"#/components/schemas/{name}" for name in DOCUMENT["components"]["schemas"]}


def test_examples_are_what_their_schemas_say() -> None:
    with_examples = [node for node in nodes(DOCUMENT) if isinstance(node.get("examples"), list)]

    assert with_examples
    for schema in with_examples:
        for example in schema["examples"]:
            jsonschema_rs.Draft202012Validator(DOCUMENT | schema).validate(example)


def test_every_body_and_answer_has_an_example() -> None:
    models = [each.body for each in ENDPOINTS if each.body]
    models += [answer.content for each in ENDPOINTS for answer in each.answers.values() if answer.content]

    for model in models:
        assert DOCUMENT["components"]["schemas"][model.__name__]["examples"], model


def small(tree: Any) -> Any:
    """Schemas with short lists and no unknown members, of which bodies are made in a moment."""
    if isinstance(tree, list):
        return [small(entry) for entry in tree]
    if not isinstance(tree, dict):
        return tree
    made = {name: small(member) for name, member in tree.items()}
    if made.get("type") == "array":
        made["maxItems"] = min(made.get("maxItems", 2), 2)
    return made


def with_small_bodies() -> dict[str, Any]:
    schemas = DOCUMENT["components"]["schemas"]
    answers = re.compile(r".*(Document|Page|Entry|Explanation|Problem)")
    return DOCUMENT["components"] | {
        "schemas": {
            name: schema if answers.fullmatch(name) else small(schema) for name, schema in schemas.items()
        }
    }


def can_be_wrong(method: str, path: str) -> bool:
    """Whether a request can be other than described; any text may stand in a path or a header."""
    described = DOCUMENT["paths"][path][method.lower()]
    places = {parameter["in"] for parameter in described.get("parameters", [])}
    return "requestBody" in described or "query" in places


class Fuzzed:
    """A tenant's server, one of each of its things, and the document to make requests from."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.schema = schemathesis.openapi.from_dict(DOCUMENT | {"components": with_small_bodies()})
        self.schema.app = server.http.application
        self.schema.config.generation.update(with_security_parameters=False)
        server.post("/calendars", {"application_calendar_id": "store-42"})
        widget = server.post("/widgets", {"element": "agenda", "calendars": ["store-42"]}).json
        self.own = {
            "application_calendar_id": "store-42",
            "widget_id": widget["widget_id"],
            "kid": server.items("/signing-keys")[0]["kid"],
        }

    def send(self, case: Case, *, is_own: bool) -> Any:
        parts = case.path_parameters or {}
        for name in parts:
            if is_own and name in self.own:
                parts[name] = self.own[name]
        if case.path.endswith("/keys/rotate") and isinstance(case.body, dict):
            case.body["kind"] = "publishable"  # the key of the requests has to stay good
        return case.call(headers={"Authorization": f"Bearer {self.server.created.secret_key}"})


@pytest.fixture(scope="module")
def fuzzed(server_of: NewServer) -> Fuzzed:
    return Fuzzed(server_of("Acme"))


MODES = [
    (operation, mode)
    for operation, (method, path) in OPERATIONS.items()
    for mode in GenerationMode
    if mode is GenerationMode.POSITIVE or can_be_wrong(method, path)
]


@pytest.mark.parametrize(("operation", "mode"), MODES)
def test_every_request_is_answered_as_described(fuzzed: Fuzzed, operation: str, mode: GenerationMode) -> None:
    method, path = OPERATIONS[operation]
    described = fuzzed.schema[path][method]
    strategy = described.as_strategy(generation_mode=mode)

    @SETTINGS
    @given(strategy, st.booleans())
    def answers(case: Case, is_own: bool) -> None:
        response = fuzzed.send(case, is_own=is_own)
        case.validate_response(response, checks=CHECKS)

    answers()


# The page for people


class Page(HTMLParser):
    """What a page is made of."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.tags: set[str] = set()
        self.texts: dict[str, list[str]] = {"pre": []}
        self._pre = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.add(tag)
        assert not [name for name in found if name.startswith("on") or name == "style"]
        self.ids += filter(None, [found.get("id")])
        self.links += filter(None, [found.get("href")] if tag == "a" else [])
        self.loaded += filter(None, [found.get("src"), found.get("href") if tag == "link" else None])
        if tag == "pre":
            self._pre = True
            self.texts["pre"].append("")

    def handle_endtag(self, tag: str) -> None:
        self._pre = self._pre and tag != "pre"

    def handle_data(self, data: str) -> None:
        if self._pre:
            self.texts["pre"][-1] += data


@pytest.fixture
def page(http: FlaskClient) -> Page:
    return Page(http.get("/manage/").text)


@pytest.mark.parametrize("path", ["/manage", "/manage/"])
def test_the_page_is_its_own_and_runs_nothing(http: FlaskClient, path: str) -> None:
    response = http.get(path)

    assert response.status_code == 200
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    found = Page(response.text)
    assert "script" not in found.tags
    assert all(address.startswith(f"{PUBLIC_URL}/static/") for address in found.loaded)
    for address in found.loaded:
        with http.get(address.removeprefix(PUBLIC_URL)) as asset:
            assert asset.status_code == 200


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=name_of)
def test_the_page_tells_of_every_endpoint(page: Page, endpoint: Any) -> None:
    assert name_of(endpoint).replace("_", "-") in page.ids


def test_links_within_the_page_lead_somewhere(page: Page) -> None:
    anchors = [link[1:] for link in page.links if link.startswith("#")]

    assert set(anchors) <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))


def test_the_commands_on_the_page_do_what_they_say(page: Page, acme: Server) -> None:
    acme.post("/calendars", {"application_calendar_id": "store-42"})
    acme.post("/calendars", {"application_calendar_id": "store-43"})
    widget = acme.post("/widgets", {"element": "slot-picker", "calendars": ["store-42"]}).json
    ids = {"application_calendar_id": "store-42", "widget_id": widget["widget_id"]}
    commands = [text for text in page.texts["pre"] if text.startswith("curl")]
    assert len(commands) == len(ENDPOINTS)
    # What deletes comes last; keys have ids that only the service knows.
    for command in sorted(commands, key=lambda text: "DELETE" in text):
        if re.search(r"\{k(ey_)?id\}|origins/refused|keys/rotate", command):
            continue
        method, path, headers, body = parsed(
            command.replace("$WIDGETSVC_SECRET_KEY", acme.created.secret_key)
        )
        for name, value in ids.items():
            path = path.replace(f"{{{name}}}", value)
        response = acme.http.open(path, method=method, headers=headers, **body)
        assert response.status_code < 300, (command, response.text)


def parsed(command: str) -> tuple[str, str, dict[str, str], dict[str, Any]]:
    """What a curl command sends: method, path, headers, body."""
    words = shlex.split(command.replace("\\\n", " "))[1:]
    method, path, headers, body = "GET", "", {}, {}
    while words:
        word = words.pop(0)
        if word == "-X":
            method = words.pop(0)
        elif word == "-H":
            name, _, value = words.pop(0).partition(": ")
            headers[name] = value.replace("$(uuidgen)", "8e03978e-40d5-43dd-bc93-6894a57f9324")
        elif word == "--json":
            body = {"json": json.loads(words.pop(0))}
            method = "POST" if method == "GET" else method
        else:
            path = word.removeprefix(PUBLIC_URL)
    return method, path, headers, body
