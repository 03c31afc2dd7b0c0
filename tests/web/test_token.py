"""`POST /embed/token`: the contract and its table of errors."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest
from flask.testing import FlaskClient
from joserfc import jwt
from joserfc.jwk import OctKey
from sqlalchemy import Engine, create_engine, text

from tests.clocks import FakeClock
from tests.web.conftest import PAGE, PUBLIC_URL, Embedder, embedder
from widgetsvc.config import Settings
from widgetsvc.elements import INTEGRITY
from widgetsvc.gateway.tenant_models import Access, Policy
from widgetsvc.gateway.token_cache import REFUSABLE_FROM
from widgetsvc.permissions import Permission
from widgetsvc.services import Services
from widgetsvc.wiring import build_operations

SLOT_PICKER = {"element": "slot-picker", "calendar": "store-42"}


def test_an_element_gets_all_it_needs_to_start(acme: Embedder) -> None:
    response = acme.ask(**SLOT_PICKER)
    document = response.json

    assert response.status_code == 200
    assert set(document) == {"element_token", "element", "subs", "options", "bundle", "support_code"}
    token = document["element_token"]
    assert set(token) == {"token", "permissions", "origin", "expires_in"}
    assert (token["permissions"], token["origin"]) == (["availability"], PAGE)
    assert 0 < token["expires_in"] <= 64_800
    assert document["element"] == "slot-picker"
    assert document["subs"][0].startswith("apc_")
    assert document["bundle"] == {
        "src": f"{PUBLIC_URL}/elements/1.67.7/CronofyElements.js",
        "integrity": INTEGRITY,
    }


def test_a_pickers_query_covers_two_weeks_of_office_hours(acme: Embedder) -> None:
    options = acme.ask(**SLOT_PICKER).json["options"]
    query = options["availability_query"]

    assert (options["api_domain"], options["tzid"]) == (PUBLIC_URL, "Etc/UTC")
    assert query["required_duration"] == {"minutes": 30}
    assert query["query_periods"][0] == {"start": "2026-11-23T09:00:00Z", "end": "2026-11-23T17:00:00Z"}
    assert len(query["query_periods"]) == 10


def test_office_hours_begin_no_earlier_than_now(
    services: Services, http: FlaskClient, clock: FakeClock
) -> None:
    london = embedder(services, http, policy=Policy(tzid="America/New_York"))
    clock.now += 24 * 3_600 + 5 * 3_600 + 60  # Monday 12:01 in New York

    first = london.ask(**SLOT_PICKER).json["options"]["availability_query"]["query_periods"][0]

    assert first == {"start": "2026-11-23T17:30:00Z", "end": "2026-11-23T22:00:00Z"}


def test_the_agenda_leaves_the_zone_to_the_browser(acme: Embedder) -> None:
    document = acme.ask(element="agenda", calendar="store-42").json

    assert document["element_token"]["permissions"] == ["agenda"]
    assert document["options"] == {"api_domain": PUBLIC_URL}


def test_a_form_needs_no_preflight_and_gets_the_same(acme: Embedder) -> None:
    form = {"key": acme.key, "element": "slot-picker", "calendars": ["store-42", "store-43"]}

    response = acme.http.post("/embed/token", data=form, headers={"Origin": PAGE})

    assert response.status_code == 200
    assert len(response.json["subs"]) == 2


def test_a_frontend_asks_for_permissions(acme: Embedder) -> None:
    document = acme.ask(permissions=["agenda", "availability"], calendars=["store-42"]).json

    assert document["element_token"]["permissions"] == ["agenda", "availability"]
    assert "element" not in document


def test_the_token_works_on_the_api_it_names(acme: Embedder) -> None:
    document = acme.ask(**SLOT_PICKER).json
    path = f"/v1/availability?et={document['element_token']['token']}"

    response = acme.http.post(path, json=document["options"]["availability_query"], headers={"Origin": PAGE})

    assert response.status_code == 200
    assert len(response.json["available_periods"]) == 10


def test_a_second_page_gets_the_same_token(acme: Embedder) -> None:
    first, second = acme.ask(**SLOT_PICKER).json, acme.ask(**SLOT_PICKER).json

    assert first["element_token"]["token"] == second["element_token"]["token"]
    assert first["support_code"] != second["support_code"]


def test_a_token_that_cronofy_refuses_is_replaced(
    acme: Embedder, clock: FakeClock, uptime: FakeClock
) -> None:
    wish = {"element": "agenda", "calendar": "store-42"}
    first = acme.ask(**wish).json["element_token"]["token"]
    for each in (clock, uptime):
        each.advance(REFUSABLE_FROM)

    second = acme.ask(**wish, refused=first).json["element_token"]["token"]

    assert second != first
    assert acme.ask(**wish).json["element_token"]["token"] == second


def test_each_origin_gets_a_token_of_its_own(acme: Embedder) -> None:
    first = acme.ask(**SLOT_PICKER).json["element_token"]
    second = acme.ask(origin="https://a.example.org", **SLOT_PICKER).json["element_token"]

    assert first["token"] != second["token"]
    assert second["origin"] == "https://a.example.org"


def test_two_hundred_concurrent_first_requests_mint_once(acme: Embedder, services: Services) -> None:
    app = acme.http.application

    def ask(_n: int) -> str:
        body = {"key": acme.key, **SLOT_PICKER}
        response = app.test_client().post("/embed/token", json=body, headers={"Origin": PAGE})
        return str(response.json["element_token"]["token"])

    with ThreadPoolExecutor(200) as pool:
        tokens = set(pool.map(ask, range(200)))

    assert len(tokens) == 1
    assert services.token_stats().mints == 1


def test_tokens_are_never_cacheable_and_vary_by_origin(acme: Embedder) -> None:
    response = acme.ask(**SLOT_PICKER)

    assert response.headers["Cache-Control"] == "no-store"
    assert "Origin" in response.vary
    assert response.headers["Access-Control-Allow-Origin"] == PAGE
    assert "Access-Control-Allow-Credentials" not in response.headers


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "null",
        "",
        "https://evil.example.com",
        "http://jobs.example.com",
        "https://jobs.example.com:8443",
        "https://jobs.example.com:443",
        "https://JOBS.example.com",
        "https://jobs.example.com/",
        "https://jobs.example.com.",
        "https://jobs.example.com.evil.io",
        "https://u@jobs.example.com",
        f"{PAGE}, https://evil.example.com",
        f"{PAGE} {PAGE}",
        "https://example.org",
        "https://evilexample.org",
    ],
)
def test_a_refused_origin_gets_no_token_and_no_header(
    acme: Embedder, services: Services, origin: str | None
) -> None:
    response = acme.ask(origin=origin, **SLOT_PICKER)

    assert (response.status_code, response.json["code"]) == (403, "origin_not_allowed")
    assert "Access-Control-Allow-Origin" not in response.headers
    assert "Origin" in response.vary
    assert services.token_stats().mints == 0


def test_a_refusal_names_the_rule_that_came_nearest(acme: Embedder) -> None:
    document = acme.ask(origin=f"{PAGE}:8443", **SLOT_PICKER).json

    assert (document["origin"], document["nearest_rule"]) == (f"{PAGE}:8443", PAGE)
    assert "port" in document["detail"]


def test_frames_of_the_service_itself_get_tokens(acme: Embedder) -> None:
    document = acme.ask(origin=PUBLIC_URL, **SLOT_PICKER).json

    assert document["element_token"]["origin"] == PUBLIC_URL


@pytest.mark.parametrize(
    ("fields", "faulty"),
    [
        ({}, {"element", "calendar"}),
        ({"element": "slot-picker"}, {"calendar"}),
        ({"calendar": "store-42"}, {"element"}),
        ({"element": "clock", "calendar": "store-42"}, {"element"}),
        ({"element": 5, "calendar": ["store-42"], "wat": 1}, {"element", "calendar", "wat"}),
        ({"element": "slot-picker", "calendar": "store-42", "calendars": ["store-43"]}, {"calendars"}),
        ({"element": "agenda", "calendars": ["store-42", "store-43"]}, {"calendars"}),
        ({"element": "agenda", "permissions": ["agenda"], "calendar": "store-42"}, {"permissions"}),
        (
            {"permissions": ["free_busy_write", "x"], "calendar": "store-42"},
            {"permissions[0]", "permissions[1]"},
        ),
        ({"permissions": [], "calendars": []}, {"permissions", "calendars"}),
        ({"permissions": "agenda", "calendars": [None]}, {"permissions", "calendars[0]"}),
        ({"element": "slot-picker", "calendar": "x" * 256}, {"calendar"}),
        ({"widget": "wgt_1", "calendar": "store-42"}, {"calendar"}),
        ({"element": "slot-picker", "calendar": "store-42", "sub": "apc_1"}, {"sub"}),
    ],
)
def test_every_fault_of_a_body_is_listed_at_once(
    acme: Embedder, fields: dict[str, Any], faulty: set[str]
) -> None:
    response = acme.ask(**fields)

    assert (response.status_code, response.json["code"]) == (400, "invalid_request")
    assert {error["field"] for error in response.json["errors"]} == faulty
    assert response.headers["Access-Control-Allow-Origin"] == PAGE


def test_the_origin_is_the_header_and_never_a_field(acme: Embedder) -> None:
    body = {"key": acme.key, "origin": PAGE, **SLOT_PICKER}

    response = acme.http.post("/embed/token", json=body)

    assert [error["field"] for error in response.json["errors"]] == ["origin"]


def test_faults_are_not_told_to_a_refused_origin(acme: Embedder) -> None:
    response = acme.ask(origin="https://evil.example.com")

    assert response.status_code == 400
    assert "Access-Control-Allow-Origin" not in response.headers


@pytest.mark.parametrize("body", [b"{oops", b"[]", b"7", b'{"key": NaN}', b"[" * 200_000, b"\xff", b""])
def test_what_is_no_json_object_is_400(acme: Embedder, body: bytes) -> None:
    response = acme.http.post("/embed/token", data=body, content_type="application/json")

    assert (response.status_code, response.json["code"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    "content_type", ["text/plain", "multipart/form-data; boundary=x", "application/xml", ""]
)
def test_other_content_types_are_415(acme: Embedder, content_type: str) -> None:
    response = acme.http.post("/embed/token", data=b"{}", content_type=content_type)

    assert (response.status_code, response.json["code"]) == (415, "unsupported_media_type")


def test_a_body_that_is_too_large_is_413(acme: Embedder) -> None:
    body = b'{"key":"' + b"x" * 300_000 + b'"}'

    response = acme.http.post("/embed/token", data=body, content_type="application/json")

    assert (response.status_code, response.json["code"]) == (413, "request_too_large")


def test_other_methods_are_405(acme: Embedder) -> None:
    response = acme.http.get("/embed/token")

    assert (response.status_code, response.json["code"]) == (405, "method_not_allowed")


@pytest.mark.parametrize("key", ["pk_unknown", "sk_unknown", "pk_" + "é", "'; drop table tenants"])
def test_an_unknown_key_is_401(acme: Embedder, key: str) -> None:
    response = acme.ask(key=key, **SLOT_PICKER)

    assert (response.status_code, response.json["code"]) == (401, "unknown_key")


def test_an_unknown_calendar_is_404_whoever_else_has_it(acme: Embedder, services: Services) -> None:
    other = embedder(services, acme.http, "other")
    services.calendars.add(other.created.tenant, "private")

    mine, unknown = (
        acme.ask(element="agenda", calendar="private"),
        acme.ask(element="agenda", calendar="nope"),
    )

    assert (mine.status_code, mine.json["code"]) == (404, "unknown_calendar")
    assert mine.json["detail"].replace("private", "nope") == unknown.json["detail"]


def test_the_same_id_at_two_tenants_is_two_calendars(acme: Embedder, services: Services) -> None:
    other = embedder(services, acme.http, "other")

    assert acme.ask(**SLOT_PICKER).json["subs"] != other.ask(**SLOT_PICKER).json["subs"]


def test_an_unknown_widget_is_404(acme: Embedder) -> None:
    response = acme.ask(widget="wgt_unknown")

    assert (response.status_code, response.json["code"]) == (404, "unknown_widget")


def test_a_permission_outside_the_policy_is_403(services: Services, http: FlaskClient) -> None:
    tenant = embedder(services, http, policy=Policy(permissions=frozenset({Permission.AGENDA})))

    response = tenant.ask(**SLOT_PICKER)

    assert (response.status_code, response.json["code"]) == (403, "permission_not_allowed")
    assert services.token_stats().mints == 0


def test_a_suspended_tenant_is_403(acme: Embedder, services: Services) -> None:
    services.tenants.suspend(acme.created.tenant)

    response = acme.ask(**SLOT_PICKER)

    assert (response.status_code, response.json["code"]) == (403, "tenant_suspended")


@pytest.fixture
def signed(services: Services, http: FlaskClient) -> Embedder:
    return embedder(services, http, policy=Policy(access=Access.SIGNED))


def assertion(tenant: Embedder, now: float, **claims: object) -> str:
    key = tenant.created.signing_key
    body = {"iss": "acme", "aud": PUBLIC_URL, "iat": int(now), "exp": int(now) + 300} | claims
    return jwt.encode({"alg": "HS256", "kid": key.kid}, body, OctKey.import_key(key.secret))


def test_signed_access_needs_an_assertion(signed: Embedder) -> None:
    response = signed.ask(**SLOT_PICKER)

    assert (response.status_code, response.json["code"]) == (403, "assertion_required")


def test_an_assertion_opens_signed_access(signed: Embedder, clock: FakeClock) -> None:
    token = assertion(signed, clock.now, calendars=["store-42"], element="slot-picker")

    assert signed.ask(assertion=token, **SLOT_PICKER).status_code == 200


def test_an_assertion_names_the_tenant_without_a_key(signed: Embedder, clock: FakeClock) -> None:
    token = assertion(signed, clock.now)
    headers = {"Origin": PAGE, "Authorization": f"Bearer {token}"}

    assert signed.http.post("/embed/token", json=SLOT_PICKER, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "claims", [{"calendars": ["store-43"]}, {"element": "agenda"}, {"permissions": ["agenda"]}]
)
def test_an_assertion_narrows(signed: Embedder, clock: FakeClock, claims: dict[str, Any]) -> None:
    response = signed.ask(assertion=assertion(signed, clock.now, **claims), **SLOT_PICKER)

    assert (response.status_code, response.json["code"]) == (403, "permission_not_allowed")


def test_an_expired_assertion_is_401(signed: Embedder, clock: FakeClock) -> None:
    token = assertion(signed, clock.now)
    clock.advance(3_600)
    response = signed.ask(assertion=token, **SLOT_PICKER)

    assert (response.status_code, response.json["code"]) == (401, "expired_assertion")


def test_a_forged_assertion_is_401(signed: Embedder, clock: FakeClock) -> None:
    token = assertion(signed, clock.now)
    response = signed.ask(assertion=token[:-4] + "AAAA", **SLOT_PICKER)

    assert (response.status_code, response.json["code"]) == (401, "invalid_assertion")


def test_another_tenants_assertion_is_401(signed: Embedder, services: Services, clock: FakeClock) -> None:
    other = embedder(services, signed.http, "other", Policy(access=Access.SIGNED))
    token = assertion(other, clock.now, iss="other")

    assert signed.ask(assertion=token, **SLOT_PICKER).json["code"] == "invalid_assertion"


@pytest.mark.parametrize("origin", [PAGE, "https://deep.down.example.org", PUBLIC_URL])
def test_preflights_of_known_origins_succeed(acme: Embedder, origin: str) -> None:
    response = acme.http.options("/embed/token", headers={"Origin": origin})

    assert response.status_code == 204
    assert response.headers["Access-Control-Allow-Origin"] == origin
    assert response.headers["Access-Control-Allow-Methods"] == "POST"
    assert int(response.headers["Access-Control-Max-Age"]) <= 7_200


@pytest.mark.parametrize("origin", ["https://evil.example.com", "null", "https://example.org"])
def test_preflights_of_strangers_get_no_header(acme: Embedder, origin: str) -> None:
    response = acme.http.options("/embed/token", headers={"Origin": origin})

    assert "Access-Control-Allow-Origin" not in response.headers
    assert "Origin" in response.vary


def test_problem_documents_have_rfc_9457s_members(acme: Embedder) -> None:
    response = acme.ask(key="pk_unknown", **SLOT_PICKER)

    assert response.mimetype == "application/problem+json"
    assert {"type", "title", "status", "detail", "code", "support_code"} <= set(response.json)
    assert response.json["status"] == 401
    assert len(response.json["support_code"]) == 7


def test_nothing_is_written_by_a_refused_request(acme: Embedder, settings: Settings) -> None:
    engine: Engine = create_engine(settings.effective_database_url)
    with engine.connect() as connection:
        count = text("SELECT (SELECT count(*) FROM accounts) + (SELECT count(*) FROM access_tokens)")
        before = connection.execute(count).scalar_one()
        acme.ask(element="clock", calendar="store-42")
        acme.ask(origin="https://evil.example.com", **SLOT_PICKER)
        after = connection.execute(count).scalar_one()
    engine.dispose()

    assert (before, after) == (0, 0)


def test_a_calendar_that_another_process_revoked_is_410_within_a_second(
    settings: Settings, uptime: FakeClock, acme: Embedder
) -> None:
    assert acme.ask(**SLOT_PICKER).status_code == 200
    with closing(build_operations(settings)) as elsewhere:
        elsewhere.calendars.revoke(acme.created.tenant, "store-42")
    uptime.advance(1)

    response = acme.ask(**SLOT_PICKER)
    assert (response.status_code, response.json["code"]) == (410, "calendar_revoked")
    assert acme.ask(element="slot-picker", calendars=["store-43", "store-42"]).status_code == 410
    assert acme.ask(element="slot-picker", calendar="store-43").status_code == 200
    frame = acme.http.get(f"/frame/slot-picker?key={acme.key}&calendar=store-42")
    assert frame.status_code == 410


def test_a_calendar_that_was_added_anew_gets_a_token_of_its_own(services: Services, acme: Embedder) -> None:
    first = acme.ask(**SLOT_PICKER).json

    services.calendars.revoke(acme.created.tenant, "store-42")
    services.calendars.add(acme.created.tenant, "store-42")

    second = acme.ask(**SLOT_PICKER).json
    assert second["subs"] != first["subs"]
    assert second["element_token"]["token"] != first["element_token"]["token"]
