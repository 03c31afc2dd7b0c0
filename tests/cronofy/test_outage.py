"""Ten minutes without Cronofy: what pages still get, how little goes out, and how soon all is well again."""

import httpx
import pytest
from cryptography.fernet import Fernet
from limits import parse_many
from sqlalchemy import Engine

from tests.clocks import FakeClock
from tests.gateway.conftest import API_URL, Upstream
from widgetsvc.cronofy.breaker import OPEN_SECONDS, BreakerState, CircuitBreaker
from widgetsvc.cronofy.budget import Budget
from widgetsvc.cronofy.client import CronofyClient, http_client
from widgetsvc.cronofy.guard import Guard
from widgetsvc.errors import UpstreamUnavailable
from widgetsvc.gateway.audit import AuditTrail
from widgetsvc.gateway.calendars import CalendarDirectory
from widgetsvc.gateway.embedding import Embed, EmbedDesk, EmbedRequest, Service
from widgetsvc.gateway.key_sets import KeySets
from widgetsvc.gateway.registry import TenantRegistry
from widgetsvc.gateway.signed_access import SignedAccess
from widgetsvc.gateway.signing_keys import SigningKeyStore
from widgetsvc.gateway.tenants import TenantDirectory
from widgetsvc.gateway.token_cache import TokenCache
from widgetsvc.gateway.used_assertions import UsedAssertions
from widgetsvc.gateway.widgets import WidgetStore
from widgetsvc.outbound import Outbound
from widgetsvc.permissions import Element

PAGE = "https://jobs.example.com"
LIFE = 64_800
MINUTES = 10
CACHED, NEW = ("a", "b"), ("c", "d", "e")


class Outage:
    """Cronofy, which can be down: each request then costs a connect time-out."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.upstream = Upstream()
        self.is_down = False
        self.asked = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        if self.is_down:
            self.clock.advance(2)
            raise httpx.ConnectTimeout("", request=request)
        return self.upstream(request)


@pytest.fixture
def outage(clock: FakeClock) -> Outage:
    return Outage(clock)


@pytest.fixture
def cronofy(outage: Outage, clock: FakeClock) -> CronofyClient:
    return CronofyClient(
        http_client(API_URL, transport=httpx.MockTransport(outage)),
        client_id="app_1",
        client_secret="secret",
        guard=Guard(
            CircuitBreaker(clock),
            Budget("app_1", parse_many("50/second;500/minute"), monotonic=clock),
            sleep=clock.advance,
        ),
        clock=clock,
        monotonic=clock,
    )


class Desk:
    """Asks for one tenant's calendars as its pages do."""

    def __init__(self, desk: EmbedDesk, key: str) -> None:
        self._desk = desk
        self._key = key

    def embed(self, calendar: str) -> Embed:
        wish = EmbedRequest(
            key=self._key,
            assertion=None,
            widget=None,
            element=Element.SLOT_PICKER,
            permissions=frozenset({Element.SLOT_PICKER.permission}),
            calendars=(calendar,),
        )
        return self._desk.embed(wish, PAGE)


@pytest.fixture
def desk(engine: Engine, cronofy: CronofyClient, clock: FakeClock) -> Desk:
    trail = AuditTrail(engine, clock)
    cipher = Fernet(Fernet.generate_key())
    tenants = TenantDirectory(engine, trail, cipher, clock)
    calendars = CalendarDirectory(engine, trail, cronofy, clock, cipher=cipher, monotonic=clock)
    tenant = tenants.create("acme", "Acme", [PAGE]).tenant
    for name in (*CACHED, *NEW):
        calendars.add(tenant, name)
    signing_keys = SigningKeyStore(engine, trail, cipher, clock)
    registry = TenantRegistry(tenants, calendars, signing_keys, trail, clock, clock)
    used, key_sets = UsedAssertions(engine, clock), KeySets(Outbound(), clock)
    desk = EmbedDesk(
        registry=registry,
        widgets=WidgetStore(engine, trail, calendars),
        signed_access=SignedAccess(registry, key_sets, used, "https://w.example.com", clock),
        cronofy=cronofy,
        cache=TokenCache(clock=clock),
        service=Service(public_url="https://w.example.com", api_url=API_URL),
        clock=clock,
    )
    return Desk(desk, tenant.publishable_key)


@pytest.mark.parametrize("age", [0, int(LIFE * 0.95)], ids=["fresh tokens", "tokens due for renewal"])
def test_ten_minutes_without_cronofy(
    desk: Desk, outage: Outage, cronofy: CronofyClient, clock: FakeClock, age: int
) -> None:
    tokens = {calendar: desk.embed(calendar).token.token for calendar in CACHED}
    clock.advance(age)
    outage.is_down, outage.asked = True, 0
    began = clock.now
    refusals: list[UpstreamUnavailable] = []

    while clock.now < began + 60 * MINUTES:
        for calendar in CACHED:
            assert desk.embed(calendar).token.token == tokens[calendar]
        for calendar in NEW:
            with pytest.raises(UpstreamUnavailable) as caught:
                desk.embed(calendar)
            refusals.append(caught.value)
        clock.advance(1)

    assert all(1 <= refusal.retry_after <= 60 for refusal in refusals)
    # Five failures open it, and one probe an interval follows.
    assert outage.asked <= 5 + 60 * MINUTES / OPEN_SECONDS
    assert len(refusals) > 10 * outage.asked

    outage.is_down = False
    over = clock.now
    while cronofy.breaker_state is not BreakerState.CLOSED:
        clock.advance(1)
        try:
            desk.embed(NEW[0])
        except UpstreamUnavailable:
            assert clock.now - over < OPEN_SECONDS
    assert clock.now - over <= OPEN_SECONDS
    assert {len(desk.embed(calendar).subs) for calendar in (*CACHED, *NEW)} == {1}


def test_tokens_that_end_meanwhile_are_not_served_beyond_their_time(
    desk: Desk, outage: Outage, clock: FakeClock
) -> None:
    desk.embed("a")
    clock.advance(LIFE - 300)
    outage.is_down = True
    assert desk.embed("a").token.expires_in <= 300

    clock.advance(300)

    with pytest.raises(UpstreamUnavailable):
        desk.embed("a")
