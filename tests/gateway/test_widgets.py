"""Widgets as they are written, stored, changed and listed."""

from typing import Any

import pytest
from sqlalchemy import Engine, insert

from tests.clocks import FakeClock
from widgetsvc.errors import (
    Conflict,
    InvalidRequest,
    InvalidValue,
    PreconditionFailed,
    UnknownTenant,
    UnknownWidget,
)
from widgetsvc.gateway import schema
from widgetsvc.gateway.audit import Action, AuditTrail
from widgetsvc.gateway.calendars import CalendarDirectory
from widgetsvc.gateway.tenant_models import Policy, Tenant
from widgetsvc.gateway.tenants import TenantDirectory
from widgetsvc.gateway.widget_models import DAYS, WidgetDraft
from widgetsvc.gateway.widgets import MAX_WIDGETS, WidgetStore
from widgetsvc.permissions import Element

MONDAYS = [{"day": "monday", "start_time": "09:00", "end_time": "17:00"}]
INTERVIEWS: dict[str, Any] = {
    "element": "slot-picker",
    "calendars": ["store-42"],
    "query": {
        "duration_minutes": 30,
        "days_ahead": 14,
        "tzid": "Europe/London",
        "minimum_notice_minutes": 60,
        "weekly_hours": MONDAYS,
    },
}


@pytest.fixture
def acme(tenants: TenantDirectory, calendars: CalendarDirectory) -> Tenant:
    tenant = tenants.create("acme", "Acme", ["https://jobs.example.com"]).tenant
    for name in ("store-42", "store-43"):
        calendars.add(tenant, name)
    return tenant


@pytest.fixture
def globex(tenants: TenantDirectory) -> Tenant:
    return tenants.create("globex", "Globex", []).tenant


def draft(**changes: Any) -> WidgetDraft:
    return WidgetDraft.read(INTERVIEWS | changes)


def faults(document: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as caught:
        WidgetDraft.read(document)
    return {fault.field: fault.message for fault in caught.value.faults}


# Drafts


def test_a_draft_is_answered_as_it_was_written() -> None:
    assert draft().as_document() == INTERVIEWS


@pytest.mark.parametrize(
    ("part", "value", "path"),
    [
        ("element", "map", "element"),
        ("calendars", [], "calendars"),
        ("calendars", ["store-42", "store-42"], "calendars[1]"),
        ("calendars", ["x" * 181], "calendars[0]"),
        ("calendars", [f"store-{number}" for number in range(51)], "calendars"),
        ("name", "two\nlines", "name"),
        ("colour", "red", "colour"),
        ("query", {"duration_minutes": 4}, "query.duration_minutes"),
        ("query", {"duration_minutes": 481}, "query.duration_minutes"),
        ("query", {"duration_minutes": "30"}, "query.duration_minutes"),
        ("query", {"days_ahead": 35}, "query.days_ahead"),
        ("query", {"tzid": "Europe/Lundon"}, "query.tzid"),
        ("query", {"weekly_hours": []}, "query.weekly_hours"),
        ("query", {"weekly_hours": [MONDAYS[0] | {"day": "Monday"}]}, "query.weekly_hours[0].day"),
        (
            "query",
            {"weekly_hours": [MONDAYS[0] | {"start_time": "9:00"}]},
            "query.weekly_hours[0].start_time",
        ),
        ("query", {"weekly_hours": [MONDAYS[0] | {"end_time": "24:30"}]}, "query.weekly_hours[0].end_time"),
        ("query", {"weekly_hours": [MONDAYS[0] | {"end_time": "06:00"}]}, "query.weekly_hours[0].end_time"),
        ("query", {"weekly_hours": [MONDAYS[0] | {"end_time": "09:29"}]}, "query.weekly_hours"),
        ("query", {"days_off": ["2031-02-29"]}, "query.days_off[0]"),
        ("query", {"days_off": ["20310228"]}, "query.days_off[0]"),
        ("query", {"minimum_notice_minutes": -1}, "query.minimum_notice_minutes"),
        ("query", {"minimum_notice_minutes": 2_880, "days_ahead": 1}, "query.minimum_notice_minutes"),
        ("query", {"buffer_before_minutes": 721}, "query.buffer_before_minutes"),
        ("query", {"start_interval_minutes": 25}, "query.start_interval_minutes"),
        ("query", {"required": "most"}, "query.required"),
        ("look", {"locale": "en_GB"}, "look.locale"),
        ("look", {"colors": {"primary": "red"}}, "look.colors.primary"),
        ("look", {"colors": {"primary": "#1234"}}, "look.colors.primary"),
        ("look", {"colors": {"primary": "var(--x)"}}, "look.colors.primary"),
        ("look", {"colors": {"button": "#fff"}}, "look.colors.button"),
        ("look", {"class_prefix": "a b"}, "look.class_prefix"),
        (
            "look",
            {"texts": {"en": {"slot_picker": {"confirm": "x" * 501}}}},
            "look.texts.en.slot_picker.confirm",
        ),
        ("look", {"week_start_day": "monday"}, "look.week_start_day"),
        ("after_pick", {"kind": "book"}, "after_pick"),
        ("after_pick", {"kind": "message"}, "after_pick.text"),
        ("after_pick", {"kind": "redirect", "url": "javascript:alert(1)"}, "after_pick.url"),
        ("after_pick", {"kind": "redirect", "url": "http://example.com/"}, "after_pick.url"),
        ("after_pick", {"kind": "redirect", "url": "https:///thanks"}, "after_pick.url"),
        ("after_pick", {"kind": "redirect", "url": "https://user:secret@example.com/"}, "after_pick.url"),
        ("after_pick", {"kind": "redirect", "url": "https://example.com\\@evil.example/"}, "after_pick.url"),
        ("after_pick", {"kind": "redirect", "url": "https://exa\nmple.com/"}, "after_pick.url"),
    ],
)
def test_a_fault_is_named_by_its_path(part: str, value: object, path: str) -> None:
    assert list(faults(INTERVIEWS | {part: value})) == [path]


def test_every_fault_is_listed() -> None:
    document = {
        "element": "agenda",
        "calendars": ["store-42", "store-43"],
        "query": {"duration_minutes": 0, "weekly_hours": [{"day": "monday"}]},
        "look": {"colors": {"primary": "red", "paint": "#fff"}, "confirm": False},
        "after_pick": {"kind": "message", "text": ""},
    }

    assert sorted(faults(document)) == [
        "after_pick",
        "after_pick.text",
        "calendars",
        "look.colors.paint",
        "look.colors.primary",
        "look.confirm",
        "query",
        "query.duration_minutes",
        "query.weekly_hours[0].end_time",
        "query.weekly_hours[0].start_time",
    ]


@pytest.mark.parametrize("element", ["agenda", "availability-rules", "calendar-sync"])
def test_what_offers_no_times_takes_no_query(element: str) -> None:
    found = faults(INTERVIEWS | {"element": element})

    assert found == {"query": f"{element} offers no times, so there is nothing to ask for"}


def test_the_viewer_starts_meetings_in_its_rows_only() -> None:
    viewer = INTERVIEWS | {"element": "availability-viewer"}

    assert faults(viewer | {"query": {"start_interval_minutes": 20}}) == {
        "query.start_interval_minutes": "availability-viewer draws rows of 15, 30, 60 minutes only"
    }
    assert WidgetDraft.read(viewer | {"query": {"start_interval_minutes": 15}})


def test_more_stretches_than_can_be_asked_for_are_refused() -> None:
    hours = [
        {"day": day, "start_time": start, "end_time": end}
        for day in DAYS
        for start, end in (("08:00", "12:00"), ("13:00", "17:00"))
    ]

    assert draft(query={"weekly_hours": hours, "days_ahead": 24})
    assert list(faults(INTERVIEWS | {"query": {"weekly_hours": hours, "days_ahead": 25}})) == [
        "query.weekly_hours"
    ]


def test_hours_that_touch_at_midnight_are_one_stretch() -> None:
    nights = [
        {"day": day, "start_time": start, "end_time": end}
        for day in DAYS
        for start, end in (("00:00", "06:00"), ("22:00", "24:00"))
    ]

    assert draft(query={"weekly_hours": nights, "days_ahead": 34, "duration_minutes": 480})


# Storage


def test_a_stored_widget_is_the_draft_with_an_id(
    widgets: WidgetStore, acme: Tenant, clock: FakeClock
) -> None:
    wanted = draft(
        name="Interviews",
        look={"locale": "de", "colors": {"primary": "#0a7cff"}},
        after_pick={"kind": "message", "text": "See you then!"},
    )

    created = widgets.create(acme, wanted)

    assert created.widget_id.startswith("wgt_")
    assert widgets.get(acme, created.widget_id) == created
    assert created.as_document() == {
        "widget_id": created.widget_id,
        "name": "Interviews",
        **INTERVIEWS,
        "look": {"locale": "de", "colors": {"primary": "#0a7cff"}},
        "after_pick": {"kind": "message", "text": "See you then!"},
        "version": 1,
        "created_at": int(clock.now),
        "updated_at": int(clock.now),
    }


def test_what_was_left_out_stays_out(widgets: WidgetStore, acme: Tenant) -> None:
    created = widgets.create(acme, WidgetDraft.read({"element": "agenda", "calendars": ["store-42"]}))

    document = widgets.get(acme, created.widget_id).as_document()

    assert document["name"] is None
    assert (document["query"], document["look"], document["after_pick"]) == ({}, {}, {"kind": "callback"})


def test_every_change_is_on_record(
    widgets: WidgetStore, acme: Tenant, trail: AuditTrail, clock: FakeClock
) -> None:
    created = widgets.create(acme, draft(), by="key key_1")
    clock.advance(60)
    changed = widgets.update(
        acme, created.widget_id, draft(calendars=["store-43"]), version=1, by="key key_1"
    )
    widgets.delete(acme, created.widget_id, version=2, by="key key_1")

    assert (changed.version, changed.created_at, changed.updated_at) == (
        2,
        created.created_at,
        created.created_at + 60,
    )
    entries = trail.of(acme, 3)
    assert [(entry.action, entry.subject, entry.by, dict(entry.details)) for entry in reversed(entries)] == [
        (Action.WIDGET_CREATED, created.widget_id, "key key_1", {"element": "slot-picker"}),
        (Action.WIDGET_UPDATED, created.widget_id, "key key_1", {"calendars": [["store-42"], ["store-43"]]}),
        (Action.WIDGET_DELETED, created.widget_id, "key key_1", {}),
    ]


def test_an_update_that_changes_nothing_leaves_no_trace(
    widgets: WidgetStore, acme: Tenant, trail: AuditTrail
) -> None:
    created = widgets.create(acme, draft())
    newest = trail.newest()

    assert widgets.update(acme, created.widget_id, draft()) == created
    assert trail.newest() == newest


def test_a_change_for_an_old_version_is_refused(widgets: WidgetStore, acme: Tenant) -> None:
    widget_id = widgets.create(acme, draft()).widget_id
    widgets.update(acme, widget_id, draft(name="Interviews"), version=1)

    with pytest.raises(PreconditionFailed, match="at version 2"):
        widgets.update(acme, widget_id, draft(name="Talks"), version=1)
    with pytest.raises(PreconditionFailed, match="at version 2"):
        widgets.delete(acme, widget_id, version=1)
    assert widgets.get(acme, widget_id).draft.name == "Interviews"


def test_a_widget_is_its_tenants_alone(widgets: WidgetStore, acme: Tenant, globex: Tenant) -> None:
    widget_id = widgets.create(acme, draft()).widget_id

    for touch in (
        lambda: widgets.get(globex, widget_id),
        lambda: widgets.delete(globex, widget_id),
    ):
        with pytest.raises(UnknownWidget):
            touch()
    assert widgets.page(globex, 10) == []
    assert widgets.get(acme, widget_id)


def test_pages_go_by_age_and_survive_deletions(widgets: WidgetStore, acme: Tenant, clock: FakeClock) -> None:
    made = []
    for number in range(5):
        made.append(widgets.create(acme, draft(name=f"Widget {number}")))
        clock.advance(number % 2)  # some of them in the same second
    expected = sorted(made, key=lambda widget: widget.position)

    first = widgets.page(acme, 2)
    widgets.delete(acme, first[-1].widget_id)
    second = widgets.page(acme, 2, first[-1].position)
    third = widgets.page(acme, 2, second[-1].position)

    assert first + second + third == expected


def test_a_tenant_has_so_many_widgets_and_no_more(widgets: WidgetStore, acme: Tenant, engine: Engine) -> None:
    created = widgets.create(acme, draft())
    row = {
        "tenant_id": acme.tenant_id,
        **{name: {} for name in ("query", "look", "after_pick")},
        "name": "",
        "element": "agenda",
        "calendars": [],
        "version": 1,
        "created_at": 0,
        "updated_at": 0,
    }
    with engine.execution_options(writes=True).begin() as connection:
        rows = [row | {"widget_id": f"wgt_{number}"} for number in range(1, MAX_WIDGETS)]
        connection.execute(insert(schema.widgets), rows)

    with pytest.raises(Conflict, match="1000 widgets"):
        widgets.create(acme, draft())
    widgets.delete(acme, created.widget_id)
    assert widgets.create(acme, draft())


def test_an_element_outside_the_policy_is_refused(
    widgets: WidgetStore, tenants: TenantDirectory, acme: Tenant, calendars: CalendarDirectory
) -> None:
    policy = Policy(elements=frozenset({Element.AGENDA}))
    strict = tenants.create("strict", "Strict", [], policy).tenant
    calendars.add(strict, "store-42")

    with pytest.raises(InvalidValue, match="slot-picker") as caught:
        widgets.create(strict, draft())
    assert caught.value.field == "element"
    with pytest.raises(InvalidValue, match="managed_availability"):
        widgets.create(acme, draft(element="availability-rules", query={}))


def test_a_calendar_that_is_not_there_is_refused(
    widgets: WidgetStore, acme: Tenant, calendars: CalendarDirectory
) -> None:
    with pytest.raises(InvalidValue, match="no calendar 'store-99'") as caught:
        widgets.create(acme, draft(calendars=["store-42", "store-99"]))
    assert caught.value.field == "calendars[1]"

    calendars.revoke(acme, "store-43")
    with pytest.raises(InvalidValue, match="revoked its calendar 'store-43'"):
        widgets.create(acme, draft(calendars=["store-43"]))


def test_calendars_are_created_lazily_where_the_policy_says_so(
    widgets: WidgetStore, tenants: TenantDirectory, calendars: CalendarDirectory
) -> None:
    lazy = tenants.create("lazy", "Lazy", [], Policy(lazy_calendars=True)).tenant

    widgets.create(lazy, draft(calendars=["store-99"]))

    assert [each.application_calendar_id for each in calendars.all_of(lazy)] == ["store-99"]


def test_a_deleted_tenant_gets_no_widget(
    widgets: WidgetStore, acme: Tenant, tenants: TenantDirectory
) -> None:
    tenants.delete(acme)

    with pytest.raises((UnknownTenant, InvalidValue)):
        widgets.create(acme, draft())
