"""Widgets as pages embed them."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from joserfc import jwt
from joserfc.jwk import OctKey

from tests.clocks import FakeClock
from tests.web.conftest import PAGE, PUBLIC_URL, Embedder, embedder
from widgetsvc.gateway.tenant_models import Access, Policy
from widgetsvc.gateway.widget_models import DAYS, WidgetDraft
from widgetsvc.services import Services

AFTERNOONS = [{"day": day, "start_time": "13:00", "end_time": "15:00"} for day in DAYS[:5]]
INTERVIEWS: dict[str, Any] = {
    "element": "slot-picker",
    "calendars": ["store-42"],
    "query": {"days_ahead": 1, "tzid": "Europe/London", "weekly_hours": AFTERNOONS},
    "look": {"locale": "de"},
    "after_pick": {"kind": "message", "text": "See you then!"},
}


def stored(services: Services, acme: Embedder, **changes: Any) -> str:
    draft = WidgetDraft.read(INTERVIEWS | changes)
    return services.widgets.create(acme.created.tenant, draft).widget_id


@pytest.fixture
def widget_id(services: Services, acme: Embedder) -> str:
    return stored(services, acme)


def test_a_widget_says_what_is_shown(acme: Embedder, widget_id: str) -> None:
    response = acme.ask(widget=widget_id)

    assert response.status_code == 200, response.text
    document = response.json
    (sub,) = document["subs"]
    assert document["element"] == "slot-picker"
    assert document["element_token"]["permissions"] == ["availability"]
    assert document["after_pick"] == {"kind": "message", "text": "See you then!"}
    # It is noon on a Sunday: tomorrow is all that the widget looks ahead.
    assert document["options"] == {
        "api_domain": PUBLIC_URL,
        "tzid": "Europe/London",
        "locale": "de",
        "availability_query": {
            "participants": [{"members": [{"sub": sub}], "required": "all"}],
            "required_duration": {"minutes": 30},
            "query_periods": [{"start": "2026-11-23T13:00:00Z", "end": "2026-11-23T15:00:00Z"}],
        },
    }


@pytest.mark.parametrize("days_ahead", [0, 1], ids=["no times", "times"])
def test_the_backend_takes_the_widgets_query(services: Services, acme: Embedder, days_ahead: int) -> None:
    query = INTERVIEWS["query"] | {"days_ahead": days_ahead, "buffer_before_minutes": 15}
    document = acme.ask(widget=stored(services, acme, query=query)).json

    body = document["options"]["availability_query"] | {"response_format": "slots"}
    path = f"/v1/availability?et={document['element_token']['token']}"
    answer = acme.http.post(path, json=body, headers={"Origin": PAGE})

    assert answer.status_code == 200, answer.text
    assert len(answer.json["available_slots"]) == 4 * days_ahead


def test_an_unknown_widget_is_not_found(services: Services, acme: Embedder, http: FlaskClient) -> None:
    other = embedder(services, http, "globex")

    for widget in ("wgt_none", stored(services, other)):
        response = acme.ask(widget=widget)
        assert (response.status_code, response.json["code"]) == (404, "unknown_widget")


def test_a_changed_widget_changes_at_once(services: Services, acme: Embedder, widget_id: str) -> None:
    assert acme.ask(widget=widget_id).json["element"] == "slot-picker"
    tenant = acme.created.tenant

    services.widgets.update(
        tenant, widget_id, WidgetDraft.read(INTERVIEWS | {"element": "availability-viewer"})
    )
    assert acme.ask(widget=widget_id).json["element"] == "availability-viewer"

    services.widgets.delete(tenant, widget_id)
    assert acme.ask(widget=widget_id).status_code == 404


def test_a_widget_of_a_revoked_calendar_is_gone(services: Services, acme: Embedder, widget_id: str) -> None:
    assert acme.ask(widget=widget_id).status_code == 200

    services.calendars.revoke(acme.created.tenant, "store-42")

    response = acme.ask(widget=widget_id)
    assert (response.status_code, response.json["code"]) == (410, "calendar_revoked")


def test_the_times_move_on_with_the_clock(acme: Embedder, widget_id: str, clock: FakeClock) -> None:
    clock.advance(26 * 3_600 + 1)

    query = acme.ask(widget=widget_id).json["options"]["availability_query"]

    assert query["query_periods"] == [
        {"start": "2026-11-23T14:30:00Z", "end": "2026-11-23T15:00:00Z"},
        {"start": "2026-11-24T13:00:00Z", "end": "2026-11-24T15:00:00Z"},
    ]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"calendar": "store-42"}, "calendar"),
        ({"element": "slot-picker"}, "widget"),
        ({"permissions": ["agenda"]}, "widget"),
    ],
)
def test_a_widget_stands_alone(acme: Embedder, widget_id: str, fields: dict[str, Any], field: str) -> None:
    response = acme.ask(widget=widget_id, **fields)

    assert response.status_code == 400
    assert field in [error["field"] for error in response.json["errors"]]


# Assertions


def assertion(acme: Embedder, clock: FakeClock, **claims: object) -> str:
    key = acme.created.signing_key
    payload = {
        "iss": "acme",
        "aud": PUBLIC_URL,
        "iat": int(clock.now),
        "exp": int(clock.now) + 60,
        **claims,
    }
    header = {"alg": "HS256", "kid": key.kid, "typ": "JWT"}
    return jwt.encode(header, payload, OctKey.import_key(key.secret))


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({}, 200),
        ({"element": "slot-picker", "calendars": ["store-42"], "permissions": ["availability"]}, 200),
        ({"element": "agenda"}, 403),
        ({"calendars": ["store-43"]}, 403),
        ({"permissions": ["agenda"]}, 403),
    ],
)
def test_an_assertion_narrows_widgets_too(
    services: Services, http: FlaskClient, clock: FakeClock, claims: dict[str, object], status: int
) -> None:
    acme = embedder(services, http, "acme", Policy(Access.SIGNED))
    widget_id = stored(services, acme)

    assert acme.ask(widget=widget_id).json["code"] == "assertion_required"
    response = acme.ask(widget=widget_id, assertion=assertion(acme, clock, **claims))
    assert response.status_code == status, response.text


# Frames


def test_a_frame_of_a_widget_names_the_widget_only(http: FlaskClient, acme: Embedder, widget_id: str) -> None:
    response = http.get(f"/frame/widget/{widget_id}?key={acme.key}&tzid=Asia%2FTokyo")

    assert response.status_code == 200
    assert f'data-widget="{widget_id}" data-tzid="Asia/Tokyo"' in response.text
    assert "data-element" not in response.text
    assert "data-calendar" not in response.text
    assert '<html lang="de" dir="ltr"' in response.text
    assert f"frame-ancestors {PAGE}" in response.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("query", "status"),
    [("", 400), ("key=pk_none", 404), ("key={key}&calendar=store-42", 400), ("key={key}&tzid=Mars", 400)],
)
def test_a_frame_of_a_widget_says_what_is_wrong(
    http: FlaskClient, acme: Embedder, widget_id: str, query: str, status: int
) -> None:
    response = http.get(f"/frame/widget/{widget_id}?{query.format(key=acme.key)}")

    assert response.status_code == status
    assert response.mimetype == "text/html"


def test_a_frame_of_no_widget_is_a_page_that_is_not_there(http: FlaskClient, acme: Embedder) -> None:
    response = http.get(f"/frame/widget/wgt_none?key={acme.key}")

    assert response.status_code == 404
    assert "unknown_widget" in response.text


def test_a_signed_tenants_widget_frame_waits_for_an_assertion(services: Services, http: FlaskClient) -> None:
    signed = embedder(services, http, "acme", Policy(Access.SIGNED))

    response = http.get(f"/frame/widget/{stored(services, signed)}?key={signed.key}")

    assert response.status_code == 200
    assert 'data-assertion="#assertion"' in response.text
