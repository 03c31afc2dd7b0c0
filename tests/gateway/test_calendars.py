"""A tenant's calendars: when each is created upstream, under which name, and whose it is."""

import httpx
import pytest
from cryptography.fernet import Fernet
from sqlalchemy import Engine

from tests.clocks import FakeClock
from tests.gateway.conftest import API_URL, Upstream
from widgetsvc.cronofy.client import CronofyClient, http_client
from widgetsvc.errors import (
    AlreadyExists,
    CalendarRevoked,
    InvalidName,
    UnknownCalendar,
    UpstreamUnavailable,
)
from widgetsvc.gateway.audit import AuditTrail
from widgetsvc.gateway.calendars import CalendarDirectory, TenantCalendar
from widgetsvc.gateway.tenant_models import Tenant
from widgetsvc.gateway.tenants import TenantDirectory

pytestmark = pytest.mark.on_every_database


@pytest.fixture
def acme(tenants: TenantDirectory) -> Tenant:
    return tenants.create("acme", "Acme", []).tenant


@pytest.fixture
def other(tenants: TenantDirectory) -> Tenant:
    return tenants.create("other", "Other", []).tenant


def test_a_calendar_is_created_upstream_at_its_first_use_and_once(
    calendars: CalendarDirectory, upstream: Upstream, acme: Tenant
) -> None:
    calendars.add(acme, "store-42")
    assert upstream.upserts == []
    assert calendars.all_of(acme) == [TenantCalendar("store-42", "acme:store-42", None)]

    resolved = [calendars.subs(acme, ["store-42"]) for _ in range(3)]

    assert resolved == [("apc_acme_store-42",)] * 3
    assert upstream.upserts == ["acme:store-42"]
    assert calendars.all_of(acme) == [TenantCalendar("store-42", "acme:store-42", "apc_acme_store-42")]


def test_looking_whether_calendars_are_there_creates_none(
    calendars: CalendarDirectory, upstream: Upstream, acme: Tenant
) -> None:
    calendars.add(acme, "store-42")

    assert set(calendars.check(acme, ["store-42"])) == {"store-42"}
    assert upstream.upserts == []


def test_subs_come_in_the_order_asked_for(calendars: CalendarDirectory, acme: Tenant) -> None:
    for name in ("a", "b", "c"):
        calendars.add(acme, name)
    calendars.subs(acme, ["b"])

    assert calendars.subs(acme, ["c", "b", "a"]) == ("apc_acme_c", "apc_acme_b", "apc_acme_a")


def test_one_unknown_calendar_creates_none_of_the_others(
    calendars: CalendarDirectory, upstream: Upstream, acme: Tenant
) -> None:
    calendars.add(acme, "store-42")

    with pytest.raises(UnknownCalendar, match=r"'nope', 'nor-this'.*POST /manage/v1/calendars"):
        calendars.subs(acme, ["store-42", "nope", "nor-this"])
    assert upstream.upserts == []


def test_what_failed_upstream_is_tried_again(
    calendars: CalendarDirectory, upstream: Upstream, acme: Tenant
) -> None:
    calendars.add(acme, "store-42")
    upstream.status = 503
    with pytest.raises(UpstreamUnavailable):
        calendars.subs(acme, ["store-42"])
    assert calendars.all_of(acme)[0].sub is None

    upstream.status = 200

    assert calendars.subs(acme, ["store-42"]) == ("apc_acme_store-42",)


@pytest.mark.parametrize("used_before", [False, True])
def test_access_takes_one_upsert_and_counts_as_use(
    calendars: CalendarDirectory, upstream: Upstream, acme: Tenant, used_before: bool
) -> None:
    calendars.add(acme, "store-42")
    if used_before:
        calendars.subs(acme, ["store-42"])

    access = calendars.access(acme, "store-42")

    assert (access.sub, access.calendar_id) == ("apc_acme_store-42", "cal_1")
    assert upstream.upserts == ["acme:store-42"]
    assert calendars.all_of(acme)[0].sub == "apc_acme_store-42"


def test_access_to_an_unknown_calendar_creates_nothing(
    calendars: CalendarDirectory, upstream: Upstream, acme: Tenant
) -> None:
    with pytest.raises(UnknownCalendar, match="nope"):
        calendars.access(acme, "nope")
    assert upstream.upserts == []


def test_a_calendar_with_a_name_of_its_own_upstream_is_mapped(
    calendars: CalendarDirectory, upstream: Upstream, acme: Tenant
) -> None:
    calendars.add(acme, "store-42", "theirs")

    assert calendars.subs(acme, ["store-42"]) == ("apc_theirs",)
    assert upstream.upserts == ["theirs"]


@pytest.mark.parametrize("upstream_id", [None, "theirs"])
def test_adding_again_changes_nothing(
    calendars: CalendarDirectory, upstream: Upstream, acme: Tenant, upstream_id: str | None
) -> None:
    calendars.add(acme, "store-42", upstream_id)
    calendars.subs(acme, ["store-42"])
    before = calendars.all_of(acme)

    calendars.add(acme, "store-42", upstream_id)

    assert calendars.all_of(acme) == before


def test_a_mapping_that_was_never_used_can_be_corrected(
    calendars: CalendarDirectory, upstream: Upstream, acme: Tenant
) -> None:
    calendars.add(acme, "store-42", "tehirs")
    calendars.add(acme, "store-42", "theirs")

    assert calendars.subs(acme, ["store-42"]) == ("apc_theirs",)
    assert upstream.upserts == ["theirs"]


@pytest.mark.parametrize("upstream_id", ["", " ", "x" * 256, "a\nb"])
def test_an_upstream_id_that_nobody_can_have_is_refused(
    calendars: CalendarDirectory, acme: Tenant, upstream_id: str
) -> None:
    with pytest.raises(InvalidName, match="printable"):
        calendars.add(acme, "store-42", upstream_id)
    assert calendars.all_of(acme) == []


def test_a_calendar_in_use_is_not_mapped_anew(calendars: CalendarDirectory, acme: Tenant) -> None:
    calendars.add(acme, "store-42", "theirs")
    calendars.subs(acme, ["store-42"])

    with pytest.raises(AlreadyExists, match="theirs"):
        calendars.add(acme, "store-42", "another")
    with pytest.raises(AlreadyExists, match="theirs"):
        calendars.add(acme, "store-42")
    assert calendars.all_of(acme) == [TenantCalendar("store-42", "theirs", "apc_theirs")]


def test_no_tenant_maps_the_calendar_of_another(
    calendars: CalendarDirectory, acme: Tenant, other: Tenant
) -> None:
    calendars.add(acme, "store-42")

    with pytest.raises(AlreadyExists, match="acme:store-42"):
        calendars.add(other, "mine", "acme:store-42")
    assert calendars.all_of(other) == []


def test_the_same_id_at_two_tenants_is_two_calendars(
    calendars: CalendarDirectory, acme: Tenant, other: Tenant
) -> None:
    for tenant in (acme, other):
        calendars.add(tenant, "store-42")

    assert calendars.subs(acme, ["store-42"]) != calendars.subs(other, ["store-42"])


def test_no_tenant_uses_the_calendar_of_another(
    calendars: CalendarDirectory, upstream: Upstream, acme: Tenant, other: Tenant
) -> None:
    calendars.add(other, "private")

    with pytest.raises(UnknownCalendar):
        calendars.subs(acme, ["private"])
    assert upstream.upserts == []


@pytest.mark.parametrize("name", ["", "x" * 181, "two words", "line\nbreak", "\x00", "tab\t"])
def test_a_name_that_markup_cannot_hold_is_refused(
    calendars: CalendarDirectory, acme: Tenant, name: str
) -> None:
    with pytest.raises(InvalidName):
        calendars.add(acme, name)


@pytest.mark.parametrize("name", ["x" * 180, "store/42", "Kasse-Süd", "..", "a:b"])
def test_other_names_are_taken_as_they_are(calendars: CalendarDirectory, acme: Tenant, name: str) -> None:
    calendars.add(acme, name)

    assert [calendar.application_calendar_id for calendar in calendars.all_of(acme)] == [name]


def test_a_revoked_calendar_is_revoked_upstream_and_resolves_no_more(
    calendars: CalendarDirectory, upstream: Upstream, acme: Tenant
) -> None:
    for name in ("store-42", "store-43"):
        calendars.add(acme, name)
    calendars.subs(acme, ["store-42", "store-43"])

    calendars.revoke(acme, "store-42")

    assert upstream.revoked == ["apc_acme_store-42"]
    for ask in (calendars.subs, calendars.check):
        with pytest.raises(CalendarRevoked, match=r"calendar add acme store-42`.*POST /manage/v1/calendars"):
            ask(acme, ["store-43", "store-42"])
    with pytest.raises(CalendarRevoked):
        calendars.access(acme, "store-42")
    assert calendars.subs(acme, ["store-43"]) == ("apc_acme_store-43",)


def test_revoking_again_changes_nothing(
    calendars: CalendarDirectory, upstream: Upstream, acme: Tenant
) -> None:
    calendars.add(acme, "store-42")
    calendars.subs(acme, ["store-42"])

    for _ in range(2):
        calendars.revoke(acme, "store-42")

    assert upstream.revoked == ["apc_acme_store-42"]


def test_a_calendar_that_was_never_used_here_is_revoked_under_its_upstream_name(
    calendars: CalendarDirectory, upstream: Upstream, acme: Tenant
) -> None:
    calendars.add(acme, "store-42", "theirs")

    calendars.revoke(acme, "store-42")

    assert upstream.revoked == ["apc_theirs"]


def test_a_revocation_that_failed_upstream_stops_embedding_and_can_be_finished(
    calendars: CalendarDirectory, upstream: Upstream, acme: Tenant
) -> None:
    calendars.add(acme, "store-42")
    calendars.subs(acme, ["store-42"])
    upstream.status = 503
    with pytest.raises(UpstreamUnavailable):
        calendars.revoke(acme, "store-42")
    with pytest.raises(CalendarRevoked):
        calendars.subs(acme, ["store-42"])

    upstream.status = 200
    calendars.revoke(acme, "store-42")

    assert upstream.revoked == ["apc_acme_store-42"]
    assert calendars.all_of(acme)[0].sub is None


def test_adding_a_calendar_anew_first_finishes_its_revocation(
    calendars: CalendarDirectory, upstream: Upstream, acme: Tenant
) -> None:
    calendars.add(acme, "store-42")
    calendars.subs(acme, ["store-42"])
    upstream.status = 503
    with pytest.raises(UpstreamUnavailable):
        calendars.revoke(acme, "store-42")
    with pytest.raises(UpstreamUnavailable):
        calendars.add(acme, "store-42")

    upstream.status = 200
    calendars.add(acme, "store-42")

    assert calendars.subs(acme, ["store-42"]) == ("apc_acme_store-42_2",)


def test_a_first_use_that_loses_to_a_revocation_leaves_nothing_upstream(
    engine: Engine,
    trail: AuditTrail,
    calendars: CalendarDirectory,
    upstream: Upstream,
    acme: Tenant,
    clock: FakeClock,
) -> None:
    calendars.add(acme, "store-42")

    def revoke_before_the_upsert(request: httpx.Request) -> httpx.Response:
        if upstream.upserts == []:
            calendars.revoke(acme, "store-42")
        return upstream(request)

    http = http_client(API_URL, transport=httpx.MockTransport(revoke_before_the_upsert))
    client = CronofyClient(http, client_id="app_1", client_secret="secret")
    cipher = Fernet(Fernet.generate_key())
    elsewhere = CalendarDirectory(engine, trail, client, clock, cipher=cipher)

    with pytest.raises(CalendarRevoked):
        elsewhere.subs(acme, ["store-42"])

    assert upstream.revoked == ["apc_acme_store-42", "apc_acme_store-42_2"]
    assert calendars.all_of(acme)[0].sub is None


def test_a_calendar_that_is_another_one_upstream_by_now_is_noticed(
    calendars: CalendarDirectory, upstream: Upstream, cronofy: CronofyClient, acme: Tenant
) -> None:
    calendars.add(acme, "store-42")
    calendars.subs(acme, ["store-42"])
    cronofy.revoke("apc_acme_store-42")

    access = calendars.access(acme, "store-42")

    assert calendars.subs(acme, ["store-42"]) == (access.sub,) == ("apc_acme_store-42_2",)


def test_unknown_calendars_are_added_up_to_a_bound_and_known_ones_left_alone(
    calendars: CalendarDirectory, tenants: TenantDirectory
) -> None:
    acme = tenants.create("acme", "Acme", []).tenant
    calendars.add(acme, "a", "elsewhere")

    calendars.add_unknown(acme, ["a", "b", "c"], 3, by="assertion")
    calendars.add_unknown(acme, ["c", "a"], 3, by="assertion")

    listed = {each.application_calendar_id: each.upstream_id for each in calendars.all_of(acme)}
    assert listed == {"a": "elsewhere", "b": "acme:b", "c": "acme:c"}
    with pytest.raises(UnknownCalendar, match="3 is the most"):
        calendars.add_unknown(acme, ["a", "d"], 3, by="assertion")


def test_an_unknown_calendar_takes_over_no_other_ones_upstream_calendar(
    calendars: CalendarDirectory, tenants: TenantDirectory
) -> None:
    acme = tenants.create("acme", "Acme", []).tenant
    calendars.add(acme, "a", "acme:b")

    with pytest.raises(AlreadyExists):
        calendars.add_unknown(acme, ["b"], 10, by="assertion")
