"""Whatever is sent, the answer is a refusal in words, and never a failure of the service."""

from typing import Any

import pytest

from tests.web.manage.conftest import NewServer, Server, faulty_fields, problem
from widgetsvc.web.manage.api import RESOURCES
from widgetsvc.web.manage.endpoint import Endpoint

ENDPOINTS = [endpoint for resource in RESOURCES for endpoint in resource.endpoints]
WITH_BODY = [endpoint for endpoint in ENDPOINTS if endpoint.body is not None]


@pytest.fixture(scope="module")
def acme(server_of: NewServer) -> Server:
    """A tenant that all of these tests share: what they send changes nothing."""
    return server_of("Acme")


def name_of(endpoint: Endpoint) -> str:
    return endpoint.handler.__name__


def path_of(endpoint: Endpoint, part: str = "x") -> str:
    return "".join(part if piece.endswith(">") else piece for piece in split(endpoint.path))


def split(path: str) -> list[str]:
    """A path cut before and after its placeholder."""
    before, bracket, rest = path.partition("<")
    return [before, bracket + rest] if bracket else [before]


HUGE = "9" * 5_000
BAD_BODIES: list[bytes] = [
    b"{",
    b"",
    b"null",
    b"[]",
    b'"text"',
    b"\xff\xfe",
    b'{"name": "\xff"}',
    b'{"name": "\\ud800"}',
    b'{"name": "\\u0000"}',
    b'{"\\u0000": 1}',
    b'{"name": NaN}',
    b'{"overlap_seconds": Infinity}',
    b'{"overlap_seconds": %s, "kind": "secret"}' % HUGE.encode(),
    b'{"overlap_seconds": 1e999, "kind": "secret"}',
    b'{"public_key": {"x": %s}, "alg": "EdDSA"}' % HUGE.encode(),
    b'{"public_key": %s1%s, "alg": "EdDSA"}' % (b'{"x":' * 150, b"}" * 150),
    b'{"calendars": %s}' % (b"[" * 100_000),
    b'{"query": %s1%s}' % (b'{"a":' * 5_000, b"}" * 5_000),
    b"{%s}" % b",".join(b'"%d": 1' % number for number in range(9_000)),
    b'{"allowed_origins": [%s]}' % b",".join([b"1"] * 9_000),
    b'{"allowed_origins": ["%s"]}' % (b"a" * 100_000),
    b'{"jwks_url": "https://[::1", "tzid": "../../etc/passwd"}',
    b'{"tzid": "%s"}' % (b"a" * 10_000),
    b'{"application_calendar_id": "\xe2\x80\xae\xf0\x9f\x98\x80"}',
]


@pytest.mark.parametrize("body", BAD_BODIES, ids=lambda body: str(body[:40]))
def test_no_body_makes_the_service_fail(acme: Server, body: bytes) -> None:
    for endpoint in WITH_BODY:
        response = acme.call(endpoint.method, path_of(endpoint), data=body, content_type="application/json")
        assert 400 <= response.status_code < 500 or response.status_code in {200, 201}, response.text
        if response.status_code >= 400:
            assert problem(response)[0] in {400, 404, 422}
            assert len(response.data) < 40_000


@pytest.mark.parametrize("body", [b"{", b"[]", b"null", b'{"name": NaN}', b'{"name": "\\ud800"}'])
def test_what_is_no_json_object_is_named_as_such(acme: Server, body: bytes) -> None:
    response = acme.call("PATCH", "/tenant", data=body, content_type="application/json")

    assert faulty_fields(response) == [""]
    assert "JSON" in response.json["detail"]


def test_of_many_faults_the_first_are_listed(acme: Server) -> None:
    fields = faulty_fields(acme.patch("/tenant", {str(number): 1 for number in range(500)}))

    assert len(fields) == 101
    assert fields[-1] == ""


def test_faults_of_all_parts_of_a_request_are_listed_at_once(acme: Server) -> None:
    response = acme.call(
        "POST", "/keys/rotate?limit=1", json={"kind": "both"}, headers={"Idempotency-Key": "x" * 256}
    )

    assert sorted(faulty_fields(response)) == ["Idempotency-Key", "kind", "limit"]


@pytest.mark.parametrize("endpoint", WITH_BODY, ids=name_of)
@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "", "nonsense"])
def test_bodies_are_json(acme: Server, endpoint: Endpoint, content_type: str) -> None:
    response = acme.call(endpoint.method, path_of(endpoint), data=b"{}", content_type=content_type)

    assert problem(response) == (415, "unsupported_media_type")


@pytest.mark.parametrize("endpoint", WITH_BODY, ids=name_of)
def test_a_body_has_a_limit(acme: Server, endpoint: Endpoint) -> None:
    body = b'{"name": "%s"}' % (b"x" * 300_000)

    response = acme.call(endpoint.method, path_of(endpoint), data=body, content_type="application/json")

    assert problem(response) == (413, "request_too_large")


ODD_PARTS = [
    "%00",
    "a%00b",
    "%ff",
    "%ed%a0%80",
    "x" * 5_000,
    "%0d%0a",
    "..%2f..",
    "'%20OR%201=1",
    "%F0%9F%98%80",
]


@pytest.mark.parametrize("endpoint", [each for each in ENDPOINTS if "<" in each.path], ids=name_of)
@pytest.mark.parametrize("part", ODD_PARTS)
def test_no_path_makes_the_service_fail(acme: Server, endpoint: Endpoint, part: str) -> None:
    more: dict[str, Any] = {"json": {}} if endpoint.body is not None else {}

    response = acme.call(endpoint.method, path_of(endpoint, part), **more)

    assert problem(response)[0] == 404


@pytest.mark.parametrize("path", ["/", "/nothing", "/tenant/", "/tenants", "/keys/rotate/", "/calendars/"])
def test_unknown_paths_are_not_found(acme: Server, path: str) -> None:
    assert problem(acme.get(path))[0] in {404, 405}
    assert problem(acme.get("/nothing")) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/tenant", "GET, HEAD, PATCH"),
        ("DELETE", "/tenant", "GET, HEAD, PATCH"),
        ("PUT", "/calendars", "GET, HEAD, POST"),
        ("PATCH", "/calendars/x", "DELETE, GET, HEAD"),
        ("GET", "/keys/rotate", "DELETE, POST"),
        ("POST", "/audit", "GET, HEAD"),
    ],
)
def test_methods_that_are_not_there_are_named(acme: Server, method: str, path: str, allowed: str) -> None:
    response = acme.call(method, path)

    assert problem(response) == (405, "method_not_allowed")
    assert response.headers["Allow"] == allowed


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=name_of)
@pytest.mark.parametrize("query", ["nonsense=1", "%00=1", "x=%ff", "limit=1&limit=1", "a=" + "x" * 20_000])
def test_unknown_parameters_are_refused(acme: Server, endpoint: Endpoint, query: str) -> None:
    more: dict[str, Any] = {"json": {}} if endpoint.body is not None else {}

    response = acme.call(endpoint.method, f"{path_of(endpoint)}?{query}", **more)

    assert problem(response) == (400, "invalid_request")


@pytest.mark.parametrize("endpoint", [each for each in ENDPOINTS if each.method == "DELETE"], ids=name_of)
def test_what_has_no_versions_is_changed_for_none(acme: Server, endpoint: Endpoint) -> None:
    path = path_of(endpoint) + ("?origin=x" if endpoint.path == "/origins/refused" else "")

    response = acme.call("DELETE", path, headers={"If-Match": '"v1"'})

    assert problem(response)[0] == (404 if endpoint.versioned else 412)
