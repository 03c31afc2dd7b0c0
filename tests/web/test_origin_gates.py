"""One list of rules, and every gate that it stands behind: they say the same of every page."""

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, create_engine, text

from tests.processes import share_elements
from tests.web.conftest import PUBLIC_URL
from widgetsvc.app import create_app
from widgetsvc.config import Settings
from widgetsvc.errors import InvalidOriginRule
from widgetsvc.gateway.origin_explanation import explain
from widgetsvc.gateway.origins import Origin, OriginRule
from widgetsvc.gateway.tenant_models import Tenant, TenantUpdate
from widgetsvc.services import Services
from widgetsvc.wiring import build_services

LABELS = ["a", "jobs", "example", "evilexample", "my_app", "pr--site", "xn--fa-hia"]
TAILS = ["com", "co.uk", "github.io", "localhost", "example.org"]
HOSTS = st.builds(
    lambda labels, tail: ".".join([*labels, tail]),
    st.lists(st.sampled_from(LABELS), max_size=3),
    st.sampled_from(TAILS),
) | st.sampled_from(["127.0.0.1", "10.0.0.1", "[::1]"])
SCHEMES = st.sampled_from(["http", "https"])
PORTS = st.sampled_from(["", "", ":80", ":443", ":8443"])


def is_rule(rule: str) -> bool:
    try:
        OriginRule.parse(rule)
    except InvalidOriginRule:
        return False
    return True


pages = st.builds("{}://{}{}".format, SCHEMES, HOSTS, PORTS).filter(lambda page: page != PUBLIC_URL)
stars = st.sampled_from(["", "*."])
any_rules = st.builds("{}://{}{}{}".format, SCHEMES, stars, HOSTS, PORTS | st.just(":*"))


@st.composite
def rules_and_page(draw: st.DrawFn) -> tuple[list[str], str]:
    """Rules, some of which are made from the page, so that they meet."""
    page = draw(pages)
    scheme, _, host = page.partition("://")
    name = re.sub(r":\d+$", "", host)
    near = st.builds(
        "{}://{}{}{}".format,
        st.sampled_from([scheme, "http", "https"]),
        stars,
        st.sampled_from([name, name.partition(".")[2] or name]),
        PORTS | st.just(":*"),
    )
    return draw(st.lists((near | any_rules).filter(is_rule), max_size=4)), page


def csp_shows(value: str, page: str, *, upgrades: bool) -> bool:
    """Whether a browser shows a frame with these `frame-ancestors` on a page.

    Source: CSP Level 3, section 6.7.2 (does url match source list, host-part, port-part, scheme-part). With
    `upgrades`, http in a source is good for https, too, as browsers have it.
    """
    found = re.fullmatch(r"(https?)://(\[[^]]*\]|[^:]*)(?::(\d+))?", page)
    assert found is not None
    scheme, host, port = found[1], found[2], found[3] or {"http": "80", "https": "443"}[found[1]]
    return any(
        _source_matches(source, scheme, host, port, upgrades=upgrades)
        for source in value.split()
        if source != "'none'"
    )


def _source_matches(source: str, scheme: str, host: str, port: str, *, upgrades: bool) -> bool:
    found = re.fullmatch(r"(https?)://(\*\.)?(\[[^]]*\]|[^:]*)(?::(\d+|\*))?", source)
    assert found is not None, source
    upgraded = upgrades and (found[1], scheme) == ("http", "https")
    if found[1] != scheme and not upgraded:
        return False
    if not (host.endswith(f".{found[3]}") if found[2] else host == found[3]):
        return False
    default = {"http": "80", "https": "443"}[scheme]
    return found[4] in {"*", port} or (
        port == default and (found[4] is None or (upgraded and found[4] == "80"))
    )


class House:
    """The whole service, and one tenant whose rules change."""

    def __init__(self, services: Services, http: FlaskClient, engine: Engine) -> None:
        self.services, self.http, self.engine = services, http, engine
        self.tenant: Tenant = services.tenants.create("acme", "Acme", []).tenant
        services.calendars.add(self.tenant, "store-42")

    def allow(self, rules: list[str]) -> None:
        self.tenant = self.services.tenants.update(self.tenant, TenantUpdate(allowed_origins=rules))

    def token(self, page: str):
        body = {"key": self.tenant.publishable_key, "element": "agenda", "calendar": "store-42"}
        return self.http.post("/embed/token", json=body, headers={"Origin": page})

    def preflight(self, page: str):
        asked = {"Origin": page, "Access-Control-Request-Method": "POST"}
        return self.http.options("/embed/token", headers=asked)

    def frame_ancestors(self) -> str:
        query = {"key": self.tenant.publishable_key, "calendar": "store-42"}
        response = self.http.get("/frame/agenda", query_string=query)
        assert response.status_code == 200
        (value,) = re.findall(r"frame-ancestors ([^;]*)", response.headers["Content-Security-Policy"])
        return value


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("origin-gates")
    share_elements(folder)
    (folder / "widgetsvc.sqlite3").write_bytes(migrated.read_bytes())
    chosen = Settings.from_environment({}, data_dir=folder, rate_limit="off")
    engine = create_engine(chosen.effective_database_url)
    with closing(build_services(chosen)) as services:
        yield House(services, create_app(chosen, services).test_client(), engine)
    engine.dispose()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(rules_and_page())
@example((["https://*.example.com"], "https://example.com"))
@example((["http://jobs.example.com"], "https://jobs.example.com"))
@example((["http://10.0.0.1"], "http://10.0.0.1"))
@example((["https://*.example.org:*"], "https://a.b.example.org:8443"))
def test_every_gate_says_the_same_of_a_page(house: House, drawn: tuple[list[str], str]) -> None:
    rules, page = drawn
    house.allow(rules)
    origin = Origin.parse(page)
    allowed = origin is not None and house.tenant.origins.match(origin) is not None

    answer, preflight = house.token(page), house.preflight(page)
    assert answer.status_code == (200 if allowed else 403), answer.text
    assert answer.headers.get("Access-Control-Allow-Origin") == (page if allowed else None)
    assert "Origin" in answer.headers["Vary"]
    if allowed:
        assert answer.json["element_token"]["origin"] == page
    assert (preflight.headers.get("Access-Control-Allow-Origin") == page) == allowed
    assert explain(house.tenant.origins, page).allowed == allowed
    assert (origin is not None and house.services.tenants.any_allows(origin)) == allowed
    if origin is not None:
        value = house.frame_ancestors()
        assert csp_shows(value, page, upgrades=False) == allowed
        # Browsers let http in a source stand for https, too: a frame may show there, but gets no token.
        assert csp_shows(value, page, upgrades=True) == allowed or page.startswith("https:")


# threats.md, T01 and T02: what is nearly the allowed origin
REFUSED_PAGES = [
    "https://jobs.example.com.evil.io",
    "https://evil-jobs.example.com",
    "https://jobsxexample.com",
    "http://jobs.example.com",
    "https://jobs.example.com:8443",
    "https://jobs.example.com:443",
    "https://jobs.example.com.",
    "https://jobs.example.com/",
    "https://jobs.example.com, https://evil.io",
    "https://jobs.example.com https://evil.io",
    "https://user@jobs.example.com",
    "https://JOBS.example.com",
    "https://jobs.example.com%00",
    "https://example.com",
    "http://0x7f.1",
    "http://127.1",
    "http://127.0.0.1.",
    "https://jobs.example.com:0",
    "https://jobs.example.com:65536",
    "https://jobs.example.com:0443",
    "null",
    "*",
    "",
]


@pytest.mark.parametrize("page", REFUSED_PAGES)
def test_nearly_the_same_origin_gets_nothing(house: House, page: str) -> None:
    house.allow(["https://jobs.example.com", "http://127.0.0.1"])
    minted = house.services.token_stats()

    answer = house.token(page)

    assert answer.status_code == 403
    assert answer.json["code"] == "origin_not_allowed"
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert "Access-Control-Allow-Origin" not in house.preflight(page).headers
    assert house.services.token_stats() == minted


# threats.md, T03 and T09: rules too wide or hostile, that got into the store by other means
HOSTILE_RULES = [
    "*",
    "null",
    "https://*",
    "https://*.com",
    "https://*.github.io",
    "https://*evil.io",
    "https://evil.io; script-src *",
    "https://evil.io\r\nSet-Cookie: a=b",
    "https://evil.io, https://*.io",
    "'unsafe-inline'",
    "https://evil.io 'self'",
]


@pytest.mark.parametrize("rule", HOSTILE_RULES)
def test_a_hostile_rule_in_the_store_opens_no_gate(house: House, rule: str) -> None:
    house.allow([])
    with house.engine.begin() as connection:
        values = {"tenant_id": house.tenant.tenant_id, "rule": rule}
        connection.execute(text("INSERT INTO origin_rules VALUES (:tenant_id, 0, :rule)"), values)
    house.services.registry.forget_all()

    assert house.frame_ancestors() == "'none'"
    for page in ("https://evil.io", "https://evil.github.io", "https://evil.com", "null"):
        assert house.token(page).status_code == 403
        assert "Access-Control-Allow-Origin" not in house.preflight(page).headers
    with house.engine.begin() as connection:
        connection.execute(text("DELETE FROM origin_rules"))


@pytest.mark.parametrize("rule", HOSTILE_RULES)
def test_a_hostile_rule_is_refused_where_it_is_entered(house: House, rule: str) -> None:
    house.allow(["https://jobs.example.com"])

    with pytest.raises(InvalidOriginRule):
        house.allow(["https://jobs.example.com", rule])

    assert house.frame_ancestors() == "https://jobs.example.com"
