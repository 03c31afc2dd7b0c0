"""`/frame/{element}`: the page for iframes, and its policy."""

import re

import pytest
from flask.testing import FlaskClient

from tests.web.conftest import PAGE, Embedder, embedder
from widgetsvc.gateway.tenant_models import Access, Policy
from widgetsvc.services import Services


def policy(response) -> dict[str, str]:
    directives = response.headers["Content-Security-Policy"].split("; ")
    return dict(directive.split(" ", 1) for directive in directives)


@pytest.mark.parametrize("element", ["agenda", "availability-viewer", "date-time-picker", "slot-picker"])
def test_a_frame_holds_the_tag(acme: Embedder, element: str) -> None:
    response = acme.http.get(f"/frame/{element}", query_string={"key": acme.key, "calendar": "store-42"})

    assert response.status_code == 200
    assert response.mimetype == "text/html"
    assert f'data-key="{acme.key}"' in response.text
    assert f'data-element="{element}"' in response.text
    assert 'data-calendar="store-42"' in response.text
    assert response.headers["Cache-Control"] == "no-store"


def test_only_the_tenants_origins_may_frame_it(acme: Embedder) -> None:
    response = acme.http.get("/frame/agenda", query_string={"key": acme.key, "calendar": "store-42"})

    assert policy(response)["frame-ancestors"] == f"{PAGE} https://*.example.org"
    assert "X-Frame-Options" not in response.headers


def test_a_page_that_is_isolated_from_other_origins_may_hold_it(acme: Embedder) -> None:
    response = acme.http.get("/frame/agenda", query_string={"key": acme.key, "calendar": "store-42"})

    assert response.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    assert response.headers["Cross-Origin-Resource-Policy"] == "cross-origin"


def test_the_policy_is_strict(acme: Embedder) -> None:
    response = acme.http.get("/frame/agenda", query_string={"key": acme.key, "calendar": "store-42"})
    directives = policy(response)
    nonce = re.search(r"'nonce-([^']+)'", directives["script-src"])[1]

    assert "unsafe" not in response.headers["Content-Security-Policy"]
    assert directives["default-src"] == "'none'"
    assert directives["script-src"] == f"'nonce-{nonce}'"
    assert directives["style-src"].count("'sha256-") == 3
    assert all(f'nonce="{nonce}"' in tag for tag in re.findall(r"<(?:script|link)[^>]*>", response.text))


def test_every_page_has_a_nonce_of_its_own(acme: Embedder) -> None:
    query = {"key": acme.key, "calendar": "store-42"}
    nonces = {policy(acme.http.get("/frame/agenda", query_string=query))["script-src"] for _ in range(3)}

    assert len(nonces) == 3


def test_the_page_holds_no_token_and_mints_none(acme: Embedder, services: Services) -> None:
    response = acme.http.get("/frame/agenda", query_string={"key": acme.key, "calendar": "store-42"})

    assert "eyJ" not in response.text
    assert services.token_stats().mints == 0


@pytest.mark.parametrize(
    "hostile", ['"><script>alert(1)</script>', "</script><script>alert(1)", "'onload='x", "\u2028"]
)
@pytest.mark.parametrize("parameter", ["tzid", "locale", "options"])
def test_no_parameter_breaks_out_of_its_attribute(acme: Embedder, parameter: str, hostile: str) -> None:
    query = {"key": acme.key, "calendar": "store-42", parameter: hostile}

    response = acme.http.get("/frame/agenda", query_string=query)

    assert response.status_code == 400
    assert "<script>" not in response.text


def test_options_stay_in_their_attribute(acme: Embedder) -> None:
    options = '{"a": "\\"></script><script>alert(1)</script>"}'
    query = {"key": acme.key, "calendar": "store-42", "options": options, "locale": "en-GB"}

    response = acme.http.get("/frame/agenda", query_string=query)

    assert response.status_code == 200
    assert "<script>" not in response.text
    assert "alert(1)" not in re.sub(r'"[^"]*"', "", response.text)


def test_a_picker_takes_several_calendars(acme: Embedder) -> None:
    query = {"key": acme.key, "calendar": ["store-42", "store-43"]}

    assert (
        'data-calendars="store-42 store-43"' in acme.http.get("/frame/slot-picker", query_string=query).text
    )


@pytest.mark.parametrize(
    ("path", "query", "status", "words"),
    [
        ("/frame/clock", {"calendar": "store-42"}, 404, "no element called clock"),
        ("/frame/agenda", {"key": "pk_unknown", "calendar": "store-42"}, 404, "publishable key"),
        ("/frame/agenda", {"calendar": "nope"}, 404, "no calendar"),
        ("/frame/agenda", {}, 400, "calendar: is missing"),
        ("/frame/agenda", {"key": "", "calendar": "store-42"}, 400, "key: is missing"),
        ("/frame/agenda", {"calendar": "store-42", "colour": "red"}, 400, "colour: is no parameter"),
        ("/frame/agenda", {"calendar": ["store-42", "store-43"]}, 400, "one calendar"),
    ],
)
def test_a_refusal_is_a_page_in_words_that_nobody_frames(
    acme: Embedder, path: str, query: dict[str, object], status: int, words: str
) -> None:
    response = acme.http.get(path, query_string={"key": acme.key} | query)

    assert response.status_code == status
    assert response.mimetype == "text/html"
    assert words in response.text
    assert re.search(r"[0-9A-Z]{4}-[0-9A-Z]{2}", response.text)
    assert policy(response)["frame-ancestors"] == "'none'"
    assert response.headers["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize(
    ("host", "ancestors"),
    [
        pytest.param(PAGE, PAGE, id="origin"),
        pytest.param(f"{PAGE}/path", "'none'", id="address"),
        pytest.param(f"{PAGE}; script-src *", "'none'", id="directive"),
        pytest.param("*", "'none'", id="anybody"),
        pytest.param("null", "'none'", id="null"),
    ],
)
def test_a_refusal_is_told_to_the_one_page_that_manages_the_frame(
    acme: Embedder, host: str, ancestors: str
) -> None:
    query = {"key": "pk_unknown", "calendar": "store-42", "host": host}

    response = acme.http.get("/frame/agenda", query_string=query)

    assert policy(response)["frame-ancestors"] == ancestors
    assert ("X-Frame-Options" in response.headers) == (ancestors == "'none'")
    assert ('data-refusal="unknown_key"' in response.text) == (ancestors == PAGE)
    assert ("<script" in response.text) == (ancestors == PAGE)


def test_hostile_names_are_shown_as_text(acme: Embedder) -> None:
    response = acme.http.get("/frame/<script>alert(1)<%2Fscript>", query_string={"key": acme.key})

    assert "<script>alert" not in response.text


def test_a_tenant_without_origins_is_framed_by_nobody(services: Services, http: FlaskClient) -> None:
    created = services.tenants.create("bare", "Bare", [])
    services.calendars.add(created.tenant, "a")
    query = {"key": created.tenant.publishable_key, "calendar": "a"}

    assert policy(http.get("/frame/agenda", query_string=query))["frame-ancestors"] == "'none'"


@pytest.mark.parametrize("calendar", ["store-42", "no-such"])
def test_a_signed_tenants_frame_takes_its_assertion_from_the_fragment_and_tells_strangers_nothing(
    services: Services, http: FlaskClient, calendar: str
) -> None:
    tenant = embedder(services, http, policy=Policy(access=Access.SIGNED))

    response = http.get("/frame/agenda", query_string={"key": tenant.key, "calendar": calendar})

    assert response.status_code == 200
    assert 'data-assertion="#assertion"' in response.text


@pytest.mark.parametrize("element", ["availability-rules", "calendar-sync"])
def test_frames_of_what_writes_take_an_assertion_whatever_the_access(acme: Embedder, element: str) -> None:
    response = acme.http.get(f"/frame/{element}", query_string={"key": acme.key, "calendar": "store-42"})

    assert 'data-assertion="#assertion"' in response.text


def test_an_assertion_in_the_query_is_refused(acme: Embedder) -> None:
    query = {"key": acme.key, "calendar": "store-42", "assertion": "a.b.c"}

    assert acme.http.get("/frame/agenda", query_string=query).status_code == 400


def test_a_suspended_tenants_frame_says_so(acme: Embedder, services: Services) -> None:
    services.tenants.suspend(acme.created.tenant)

    response = acme.http.get("/frame/agenda", query_string={"key": acme.key, "calendar": "store-42"})

    assert response.status_code == 403
    assert "tenant_suspended" in response.text
