"""Two tenants: what is one's is to the other as if it were not there."""

import re
from typing import Any

import pytest

from tests.web.manage.conftest import NewServer, Server
from tests.web.manage.test_bad_input import ENDPOINTS, name_of, path_of
from widgetsvc.services import Services
from widgetsvc.web.manage.endpoint import Endpoint


def own_things(server: Server, services: Services, name: str) -> dict[str, str]:
    """One of everything that has an id, by the name of its place in a path."""
    calendar = f"store-{name}"
    server.post("/calendars", {"application_calendar_id": calendar})
    widget = server.post("/widgets", {"element": "agenda", "calendars": [calendar], "name": f"w-{name}"})
    services.refused_origins.note(
        server.created.tenant, f"https://{name}.example.net", nearest_rule=None, referer=None
    )
    services.usage.count(server.created.tenant, None, f"only-{name}")
    return {
        "application_calendar_id": calendar,
        "widget_id": widget.json["widget_id"],
        "key_id": next(key["key_id"] for key in server.items("/keys")),
        "kid": next(key["kid"] for key in server.items("/signing-keys")),
        "origin": f"https://{name}.example.net",
    }


def aimed(endpoint: Endpoint, things: dict[str, str]) -> str:
    """The endpoint's address for these things."""
    placeholder = re.search(r"<text:(\w+)>", endpoint.path)
    path = path_of(endpoint, things[placeholder[1]]) if placeholder else endpoint.path
    return f"{path}?origin={things['origin']}" if endpoint.path == "/origins/refused" else path


def neutral(response: Any, things: dict[str, str]) -> tuple[int, str]:
    """An answer without what differs from request to request."""
    text: str = response.text
    for value in things.values():
        text = text.replace(value, "ID")
    return response.status_code, re.sub(r'"support_code": ?"[^"]+"', "", text)


BY_ID = [
    each
    for each in ENDPOINTS
    if "<" in each.path or (each.method, each.path) == ("DELETE", "/origins/refused")
]


@pytest.mark.parametrize("endpoint", BY_ID, ids=name_of)
def test_anothers_thing_is_as_unknown_as_none(
    server_of: NewServer, services: Services, endpoint: Endpoint
) -> None:
    acme, other = server_of("Acme"), server_of("Other")
    theirs = own_things(other, services, "theirs")
    nobodys = {
        "application_calendar_id": "store-nobodys",
        "widget_id": "wgt_000000000000000000000000",
        "key_id": "key_000000000000",
        "kid": "key_000000000000",
        "origin": "https://nobodys.example.net",
    }
    more: dict[str, Any] = {"json": {"name": "mine"}} if endpoint.body is not None else {}
    before = [other.items(path) for path in ("/calendars", "/widgets", "/keys", "/signing-keys", "/audit")]

    foreign = acme.call(endpoint.method, aimed(endpoint, theirs), **more)
    unknown = acme.call(endpoint.method, aimed(endpoint, nobodys), **more)

    assert foreign.status_code == 404
    assert neutral(foreign, theirs) == neutral(unknown, nobodys)
    after = [other.items(path) for path in ("/calendars", "/widgets", "/keys", "/signing-keys", "/audit")]
    assert before == after
    assert other.items("/origins/refused")


LISTS = [each for each in ENDPOINTS if each.method == "GET" and each not in BY_ID]


def test_lists_hold_the_tenants_own_things_only(server_of: NewServer, services: Services) -> None:
    acme, other = server_of("Acme"), server_of("Other")
    own_things(other, services, "theirs")
    own_things(acme, services, "ours")
    days = {"from": "2026-11-01", "to": "2026-11-30"}

    for endpoint in LISTS:
        needed = {"usage": days, "explain": {"origin": "https://a.example"}}
        query = needed.get(endpoint.path.rpartition("/")[2], {})
        response = acme.get(endpoint.path, query_string=query)
        assert response.status_code == 200, response.text
        assert "theirs" not in response.text
        assert other.slug not in response.text


def test_anothers_calendar_is_in_no_widget(server_of: NewServer, services: Services) -> None:
    acme, other = server_of("Acme"), server_of("Other")
    theirs = own_things(other, services, "theirs")

    answers = [
        acme.post("/widgets", {"element": "agenda", "calendars": [name]})
        for name in (theirs["application_calendar_id"], "store-nobodys")
    ]

    assert [answer.status_code for answer in answers] == [422, 422]
    assert neutral(answers[0], theirs) == neutral(answers[1], {"name": "store-nobodys"})
