"""`POST /oauth/token/revoke`: what it takes, what is gone afterwards, and what happens at the same moment."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, event, func, insert, select
from werkzeug.test import TestResponse

from tests.calendars.conftest import Api, Calendar
from tests.clocks import FakeClock
from widgetsvc.calendars.api.app import create_backend_app
from widgetsvc.calendars.backend import Backend
from widgetsvc.calendars.store import schema
from widgetsvc.calendars.store.accounts import ACCESS_TOKEN_LIFE

pytestmark = pytest.mark.on_every_database

PATH = "/oauth/token/revoke"
PAGE = "https://jobs.example.com"


def revoke(api: Api, *, encoding: str = "json", **fields: object) -> TestResponse:
    return api.http.post(PATH, **{encoding: api.client_fields(**fields)})


def is_alive(calendar: Calendar) -> bool:
    return calendar.get("/v1/calendars").status_code == 200


@pytest.mark.parametrize("encoding", ["json", "data"])
@pytest.mark.parametrize(
    ("parameter", "member"), [("token", "access_token"), ("token", "refresh_token"), ("sub", "sub")]
)
def test_either_token_and_the_sub_revoke_the_whole_account(
    api: Api, calendar: Calendar, encoding: str, parameter: str, member: str
) -> None:
    response = revoke(api, encoding=encoding, **{parameter: calendar.document[member]})

    assert (response.status_code, response.data) == (200, b"")
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Pragma"] == "no-cache"
    refused = calendar.get("/v1/calendars")
    assert refused.status_code == 401
    assert 'error="invalid_token"' in refused.headers["WWW-Authenticate"]
    refresh = api.client_fields(grant_type="refresh_token", refresh_token=calendar.document["refresh_token"])
    answer = api.http.post("/oauth/token", json=refresh)
    assert (answer.status_code, answer.json["error"]) == (400, "invalid_grant")


def test_revoking_again_changes_nothing(api: Api, calendar: Calendar) -> None:
    token = calendar.document["refresh_token"]

    assert [revoke(api, token=token).status_code for _ in range(3)] == [200, 200, 200]


@pytest.mark.parametrize("fields", [{"token": "nobody's"}, {"sub": "apc_nobody"}, {"refresh_token": "none"}])
def test_what_is_unknown_counts_as_revoked(api: Api, calendar: Calendar, fields: dict[str, str]) -> None:
    response = revoke(api, **fields)

    assert (response.status_code, response.data) == (200, b"")
    assert is_alive(calendar)


def test_an_expired_access_token_revokes_nothing(api: Api, calendar: Calendar, clock: FakeClock) -> None:
    clock.advance(ACCESS_TOKEN_LIFE)

    assert revoke(api, token=calendar.document["access_token"]).status_code == 200

    assert api.calendar().sub == calendar.sub


def test_a_token_counts_before_a_sub(api: Api) -> None:
    named, shown = api.calendar("named"), api.calendar("shown")

    revoke(api, sub=named.sub, token=shown.document["access_token"])

    assert (is_alive(named), is_alive(shown)) == (True, False)


def test_an_unknown_token_keeps_the_sub_from_being_revoked(api: Api, calendar: Calendar) -> None:
    revoke(api, sub=calendar.sub, token="nobody's")

    assert is_alive(calendar)


def test_what_the_node_sdk_adds_counts_when_it_comes_alone(api: Api) -> None:
    named, own = api.calendar("named"), api.calendar("own")
    added = own.document["refresh_token"]

    revoke(api, sub=named.sub, refresh_token=added)
    assert (is_alive(named), is_alive(own)) == (False, True)

    revoke(api, refresh_token=added)
    assert not is_alive(own)


@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "pii"])
def test_a_hint_at_the_tokens_type_makes_no_difference(api: Api, calendar: Calendar, hint: str) -> None:
    assert revoke(api, token=calendar.document["access_token"], token_type_hint=hint).status_code == 200

    assert not is_alive(calendar)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({}, "invalid_request"),
        ({"token": ""}, "invalid_request"),
        ({"token": None, "sub": None}, "invalid_request"),
        ({"token": 5}, "invalid_request"),
        ({"sub": ["apc_1"]}, "invalid_request"),
        ({"sub": "x", "client_id": ""}, "invalid_request"),
        ({"sub": "x", "client_secret": "wrong"}, "invalid_client"),
        ({"sub": "x", "client_id": "wrong"}, "invalid_client"),
        ({"sub": "x", "client_secret": "\u2026"}, "invalid_client"),
    ],
)
def test_a_bad_request_is_400_as_rfc_6749_says(
    api: Api, calendar: Calendar, change: dict[str, object], error: str
) -> None:
    response = revoke(api, **change)

    assert (response.status_code, response.json["error"]) == (400, error)
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Pragma"] == "no-cache"
    assert "WWW-Authenticate" not in response.headers


@pytest.mark.parametrize("path", [PATH, "/oauth/token"])
@pytest.mark.parametrize("body", [b"{oops", b"[]", b'"text"', b"\xff\xfe", b""])
def test_what_is_no_json_object_is_an_invalid_request(api: Api, path: str, body: bytes) -> None:
    response = api.http.post(path, data=body, content_type="application/json")

    assert (response.status_code, response.json["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("path", [PATH, "/oauth/token"])
def test_a_field_that_is_sent_twice_is_an_invalid_request(api: Api, calendar: Calendar, path: str) -> None:
    fields = api.client_fields(grant_type="refresh_token", refresh_token=calendar.document["refresh_token"])

    response = api.http.post(path, data=fields | {"client_id": [fields["client_id"], "another"]})

    assert (response.status_code, response.json["error"]) == (400, "invalid_request")
    assert "client_id" in response.json["error_description"]
    assert is_alive(calendar)


@pytest.mark.parametrize("path", [PATH, "/oauth/token"])
@pytest.mark.parametrize("header", ["Bearer None", "Bearer undefined", "Basic d3Jvbmc6d3Jvbmc="])
def test_the_authorization_header_is_not_looked_at(
    api: Api, calendar: Calendar, path: str, header: str
) -> None:
    fields = api.client_fields(grant_type="refresh_token", refresh_token=calendar.document["refresh_token"])

    assert api.http.post(path, json=fields, headers={"Authorization": header}).status_code == 200
    without = {"sub": calendar.sub, "grant_type": "refresh_token"}
    refused = api.http.post(path, json=without, headers={"Authorization": f"Bearer {api.credentials}"})
    assert refused.json["error"] == "invalid_request"


@pytest.mark.parametrize("path", [PATH, "/oauth/token"])
def test_tokens_in_the_query_are_not_looked_at(api: Api, calendar: Calendar, path: str) -> None:
    query = api.client_fields(grant_type="refresh_token", refresh_token=calendar.document["refresh_token"])

    response = api.http.post(path, query_string=query, json={})

    assert response.json["error"] == "invalid_request"
    assert is_alive(calendar)


@pytest.mark.parametrize("host", ["w.example.com", "127.0.0.1", "bad_host"])
def test_oauth_works_behind_a_proxy_that_ends_tls(api: Api, calendar: Calendar, host: str) -> None:
    fields = api.client_fields(token=calendar.document["refresh_token"])

    assert api.http.post(PATH, json=fields, headers={"Host": host}).status_code == 200

    assert not is_alive(calendar)


@pytest.mark.parametrize("member", ["access_token", "refresh_token", "sub"])
def test_another_applications_account_stays(
    backend: Backend, http: FlaskClient, calendar: Calendar, member: str
) -> None:
    stranger = Api(backend, http, "stranger")
    parameter = "sub" if member == "sub" else "token"

    response = revoke(stranger, **{parameter: calendar.document[member]})

    assert (response.status_code, response.data) == (200, b"")
    assert is_alive(calendar)


def test_the_same_id_is_a_new_empty_calendar_afterwards(api: Api, calendar: Calendar) -> None:
    calendar.write("standup", "2026-11-24T09:00:00Z", "2026-11-24T09:15:00Z")
    revoke(api, sub=calendar.sub)

    again = api.calendar()

    assert again.sub != calendar.sub
    assert again.calendar_id != calendar.calendar_id
    for member in ("access_token", "refresh_token"):
        assert again.document[member] != calendar.document[member]
    assert (
        again.document["linking_profile"]["profile_id"] != calendar.document["linking_profile"]["profile_id"]
    )
    assert again.event_ids() == []
    assert not is_alive(calendar)


def fill(engine: Engine, calendar: Calendar) -> None:
    """Give the calendar a row in every table that belongs to an account."""
    calendar.write("standup", "2026-11-24T09:00:00Z", "2026-11-24T09:15:00Z")
    sub = {"sub": calendar.sub}
    span = {"start_at": 0, "end_at": 3_600}
    channel = f"chn_{calendar.sub}"
    with engine.execution_options(writes=True).begin() as connection:
        event_uid = connection.execute(
            select(schema.events.c.event_uid).where(schema.events.c.calendar_id == calendar.calendar_id)
        ).scalar_one()
        rows: dict[Any, dict[str, object]] = {
            schema.former_times: {"event_uid": event_uid, **span},
            schema.availability_rules: sub
            | {"availability_rule_id": "r", "tzid": "Etc/UTC", "weekly_periods": [], "created_at": 0},
            schema.available_periods: sub | {"available_period_id": "p", **span},
            schema.channels: sub
            | {"channel_id": channel, "callback_url": "https://a.test", "filters": {}, "created_at": 0},
            schema.deliveries: {
                "application_id": select(schema.applications.c.application_id).scalar_subquery(),
                "channel_id": channel,
                "url": "https://a.test",
                "body": "{}",
                "attempts": 0,
                "next_attempt_at": 0,
                "created_at": 0,
            },
        }
        for table, values in rows.items():
            connection.execute(insert(table).values(values))


def counts(engine: Engine) -> dict[str, int]:
    of_accounts = [
        table
        for table in schema.metadata.sorted_tables
        if table not in {schema.applications, schema.scheduling_links}
    ]
    with engine.connect() as connection:
        return {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in of_accounts
        }


def test_all_that_the_account_held_is_deleted_and_nothing_of_others(engine: Engine, api: Api) -> None:
    calendar, other = api.calendar("one"), api.calendar("other")
    fill(engine, other)
    before = counts(engine)
    assert 0 not in before.values()
    fill(engine, calendar)

    revoke(api, sub=calendar.sub)

    # The account and its access token were there before it was filled.
    created_with_the_account = {"accounts", "access_tokens"}
    assert counts(engine) == {name: n - (name in created_with_the_account) for name, n in before.items()}
    assert other.event_ids() == ["standup"]


def element_call(api: Api, method: str, path: str, token: str, **kwargs: Any) -> int:
    call = api.http.get if method == "GET" else api.http.post
    return call(f"{path}?et={token}", headers={"Origin": PAGE}, **kwargs).status_code


def availability_of(*calendars: Calendar) -> dict[str, Any]:
    return {
        "participants": [{"members": [c.sub for c in calendars], "required": "all"}],
        "required_duration": {"minutes": 60},
        "query_periods": [{"start": "2026-11-24T09:00:00Z", "end": "2026-11-24T10:00:00Z"}],
    }


@pytest.mark.parametrize(
    ("permission", "method", "path"),
    [
        ("agenda", "GET", "/v1/userinfo"),
        ("agenda", "GET", "/v1/events"),
        ("agenda", "GET", "/v1/free_busy"),
        ("availability", "POST", "/v1/availability"),
        ("account_management", "GET", "/v1/userinfo"),
        ("account_management", "POST", "/v1/profiles/pro_any/revoke"),
    ],
)
def test_an_element_token_has_lost_its_account_at_once(
    api: Api, calendar: Calendar, permission: str, method: str, path: str
) -> None:
    token = api.element_token(calendar, permission=permission, origin=PAGE)
    query = availability_of(calendar)
    assert element_call(api, method, path, token, json=query) != 403

    revoke(api, sub=calendar.sub)

    assert element_call(api, method, path, token, json=query) == 403


def test_an_element_token_goes_on_for_the_accounts_it_has_not_lost(api: Api) -> None:
    lost, kept = api.calendar("lost"), api.calendar("kept")
    token = api.element_token(lost, kept, permission="availability", origin=PAGE)

    revoke(api, sub=lost.sub)

    def status(*calendars: Calendar) -> int:
        return element_call(api, "POST", "/v1/availability", token, json=availability_of(*calendars))

    assert [status(kept), status(lost), status(kept, lost)] == [200, 403, 403]


def test_a_page_does_not_turn_to_another_account_when_it_loses_its_own(api: Api) -> None:
    lost, kept = api.calendar("lost"), api.calendar("kept")
    token = api.element_token(lost, kept, permission="agenda", origin=PAGE)
    of_the_kept = api.element_token(kept, lost, permission="agenda", origin=PAGE)

    revoke(api, sub=lost.sub)

    assert element_call(api, "GET", "/v1/userinfo", token) == 403
    assert element_call(api, "GET", "/v1/userinfo", of_the_kept) == 200


def test_a_new_calendar_of_the_same_id_is_not_reached_by_old_element_tokens(
    api: Api, calendar: Calendar
) -> None:
    token = api.element_token(calendar, permission="agenda", origin=PAGE)

    revoke(api, sub=calendar.sub)
    api.calendar()

    assert element_call(api, "GET", "/v1/userinfo", token) == 403


def test_a_revoked_sub_is_no_longer_recognized(api: Api, calendar: Calendar) -> None:
    revoke(api, sub=calendar.sub)

    minted = api.http.post(
        "/v1/element_tokens",
        headers=api.api_key,
        json={"permissions": ["agenda"], "subs": [calendar.sub], "origin": PAGE},
    )
    assert (minted.status_code, list(minted.json["errors"])) == (422, ["subs[0]"])
    asked = api.availability(availability_of(calendar))
    assert (asked.status_code, list(asked.json["errors"])) == (422, ["participants[0].members[0].sub"])


def statements_of(engine: Engine, act: Callable[[], object]) -> list[str]:
    seen: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_more: object) -> None:
        seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    act()
    event.remove(engine, "before_cursor_execute", note)
    return seen


@pytest.mark.parametrize(
    ("permission", "method", "path"),
    [("agenda", "GET", "/v1/userinfo"), ("availability", "POST", "/v1/availability")],
)
def test_checking_an_element_token_takes_no_query_of_its_own(
    engine: Engine, api: Api, calendar: Calendar, permission: str, method: str, path: str
) -> None:
    token = api.element_token(calendar, permission=permission, origin=PAGE)
    query = availability_of(calendar)

    seen = statements_of(engine, lambda: element_call(api, method, path, token, json=query))

    assert sum("FROM accounts" in statement for statement in seen) == 1
    assert not any("FROM applications" in statement for statement in seen)


def test_many_threads_that_upsert_and_revoke_meet_no_fault_and_agree_in_the_end(
    backend: Backend, api: Api
) -> None:
    app = create_backend_app(backend)
    wanted = api.client_fields(application_calendar_id="contested")

    def turn(number: int) -> list[int]:
        http = app.test_client()
        created = http.post("/v1/application_calendars", json=wanted)
        while created.status_code == 503:  # a busy machine: the others held the calendar for too long
            created = http.post("/v1/application_calendars", json=wanted)
        headers = {"Authorization": f"Bearer {created.json['access_token']}"}
        read = http.get("/v1/calendars", headers=headers)
        fields = api.client_fields(sub=created.json["sub"])
        revoked = http.post(PATH, json=fields).status_code if number % 3 == 0 else 200
        while revoked == 503:
            revoked = http.post(PATH, json=fields).status_code
        return [created.status_code, read.status_code, revoked]

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(turn, range(60)))

    assert {(created, revoked) for created, _, revoked in answers} == {(200, 200)}
    assert {read for _, read, _ in answers} <= {200, 401, 503}
    with ThreadPoolExecutor(20) as pool:
        subs = set(pool.map(lambda _n: api.calendar("contested").sub, range(20)))
    assert len(subs) == 1


@pytest.mark.parametrize("in_batch", [False, True])
def test_a_write_that_loses_to_a_revocation_is_401(
    engine: Engine, backend: Backend, api: Api, calendar: Calendar, in_batch: bool
) -> None:
    application = backend.accounts.application_by_client_id(api.credentials.client_id)
    assert application is not None
    revocations = [calendar.sub]

    def revoke_after_the_look_up(_connection: object) -> None:
        if revocations:
            assert backend.accounts.revoke(application.application_id, revocations.pop())

    event.listen(engine, "rollback", revoke_after_the_look_up)  # how a transaction that only read ends
    body = {
        "event_id": "late",
        "summary": "Late",
        "start": "2026-11-24T09:00:00Z",
        "end": "2026-11-24T10:00:00Z",
    }

    entry = {"method": "POST", "relative_url": calendar.events_path, "data": body}
    if in_batch:
        response = calendar.post("/v1/batch", {"batch": [entry]})
    else:
        response = calendar.post(calendar.events_path, body)

    assert revocations == []
    assert response.status_code == 401
