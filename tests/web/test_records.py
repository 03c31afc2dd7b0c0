"""What requests for tokens leave behind: usage, refused origins."""

from datetime import date

from tests.web.conftest import PAGE, Embedder
from widgetsvc.permissions import Element
from widgetsvc.services import Services

TODAY = date(2026, 11, 22)
STAGE = "https://stage.example.com"


def outcomes(services: Services, acme: Embedder) -> list[tuple[Element | None, str, int]]:
    counts = services.usage.between(acme.created.tenant, TODAY, TODAY)
    return [(each.element, each.outcome, each.count) for each in counts]


def test_tokens_given_are_counted_by_whether_they_were_at_hand(services: Services, acme: Embedder) -> None:
    for _ in range(3):
        acme.ask(element="agenda", calendar="store-42")

    assert outcomes(services, acme) == [(Element.AGENDA, "hit", 2), (Element.AGENDA, "miss", 1)]


def test_refusals_are_counted_by_their_code(services: Services, acme: Embedder) -> None:
    acme.ask(element="agenda", calendar="nope")
    acme.ask(element="agenda", calendar="store-42", surprise=1)
    acme.ask(permissions=["availability"], calendars=["store-42"], origin=STAGE)

    assert outcomes(services, acme) == [
        (None, "invalid_request", 1),
        (None, "origin_not_allowed", 1),
        (Element.AGENDA, "unknown_calendar", 1),
    ]


def test_what_no_tenant_is_known_of_is_counted_for_nobody(services: Services, acme: Embedder) -> None:
    acme.ask(key="pk_nobody", element="agenda", calendar="store-42")
    acme.http.options("/embed/token", headers={"Origin": PAGE})

    assert outcomes(services, acme) == []


def test_a_refused_origin_is_remembered_with_its_page(services: Services, acme: Embedder) -> None:
    headers = {"Origin": "https://jobs.example.com:8443", "Referer": "https://jobs.example.com:8443/a?b=c"}
    body = {"key": acme.key, "element": "agenda", "calendar": "store-42"}
    acme.http.post("/embed/token", json=body, headers=headers)

    (seen,) = services.refused_origins.all_of(acme.created.tenant)
    assert (seen.origin, seen.count) == ("https://jobs.example.com:8443", 1)
    assert (seen.page, seen.nearest_rule) == ("https://jobs.example.com:8443/a", PAGE)


def test_a_refused_origin_is_remembered_of_a_malformed_request_too(
    services: Services, acme: Embedder
) -> None:
    acme.ask(origin=STAGE, element="agenda", calendar="store-42", surprise=1)

    assert [each.origin for each in services.refused_origins.all_of(acme.created.tenant)] == [STAGE]


def test_an_allowed_origin_is_not_remembered(services: Services, acme: Embedder) -> None:
    acme.ask(element="agenda", calendar="nope")

    assert services.refused_origins.all_of(acme.created.tenant) == []
