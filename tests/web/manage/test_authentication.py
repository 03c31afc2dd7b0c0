"""Whom the management API answers, and whom it refuses."""

import logging

import pytest
from flask.testing import FlaskClient

from tests.web.manage.conftest import PAGE, NewServer, Server, problem
from widgetsvc.services import Services


def test_a_secret_key_names_its_tenant(acme: Server, server_of: NewServer) -> None:
    other = server_of("Other")

    assert acme.get("/tenant").json["tenant"] == acme.slug
    assert other.get("/tenant").json["tenant"] == other.slug


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer sk_nobody",
        "Basic c2s6",
        "Bearer ü",
        "Bearer sk_a=b",
        "sk_nobody",
    ],
)
def test_nobody_is_answered_without_a_key(http: FlaskClient, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}

    response = http.get("/manage/v1/tenant", headers=headers)

    assert problem(response) == (401, "unknown_key")
    assert response.headers["WWW-Authenticate"] == "Bearer"


def test_a_publishable_key_is_refused_with_words_on_the_right_one(acme: Server) -> None:
    response = acme.get("/tenant", key=acme.created.tenant.publishable_key)

    assert problem(response) == (401, "unknown_key")
    assert "sk_" in response.json["detail"]
    assert "publishable" in response.json["detail"]


def test_the_name_of_the_scheme_may_be_in_any_case(acme: Server) -> None:
    headers = {"Authorization": f"bearer {acme.created.secret_key}"}

    assert acme.get("/tenant", headers=headers).status_code == 200


@pytest.mark.parametrize("origin", [PAGE, "null", "https://elsewhere.example"])
def test_a_key_from_a_browser_is_refused_and_told_to_the_operator(
    acme: Server, caplog: pytest.LogCaptureFixture, origin: str
) -> None:
    (key_id,) = (key.key_id for key in acme.created.tenant.keys if key.publishable_key is None)

    with caplog.at_level(logging.ERROR, logger="widgetsvc.web.manage"):
        response = acme.get("/tenant", headers={"Origin": origin})

    assert problem(response) == (403, "secret_key_exposed")
    assert "Access-Control-Allow-Origin" not in response.headers
    (record,) = caplog.records
    assert key_id in record.getMessage()
    assert acme.created.secret_key not in caplog.text


def test_pages_are_let_in_by_no_preflight(http: FlaskClient) -> None:
    headers = {"Origin": PAGE, "Access-Control-Request-Method": "PATCH"}

    response = http.options("/manage/v1/tenant", headers=headers)

    assert response.status_code == 405
    assert not [name for name, _ in response.headers if name.startswith("Access-Control")]


def test_a_suspended_tenant_is_refused_until_it_is_resumed(acme: Server, services: Services) -> None:
    services.tenants.suspend(acme.created.tenant)
    assert problem(acme.get("/tenant")) == (403, "tenant_suspended")

    services.tenants.resume(acme.created.tenant)
    assert acme.get("/tenant").status_code == 200


def test_a_deleted_tenants_key_is_unknown(acme: Server, services: Services) -> None:
    services.tenants.delete(acme.created.tenant)

    assert problem(acme.get("/tenant")) == (401, "unknown_key")


def test_strangers_learn_nothing_about_what_they_send(http: FlaskClient) -> None:
    response = http.patch("/manage/v1/tenant", data="{", content_type="application/json")

    assert problem(response) == (401, "unknown_key")
