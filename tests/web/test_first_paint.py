"""The first free times in the frames' HTML: which they are, whose, and what a chosen one leads to."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.clocks import FakeClock
from tests.web.conftest import PAGE, Embedder, embedder
from widgetsvc.app import create_app
from widgetsvc.config import Settings
from widgetsvc.cronofy.client import CronofyClient, http_client
from widgetsvc.gateway.first_slots import FirstSlots
from widgetsvc.gateway.tenant_models import Access, Policy
from widgetsvc.gateway.widget_models import DAYS, WidgetDraft
from widgetsvc.limits import LocalCounts
from widgetsvc.permissions import Element, Permission
from widgetsvc.services import Services

PICKERS = ("availability-viewer", "date-time-picker", "slot-picker")
HOSTILE = ['"><script>alert(1)</script>', "</script><script>alert(1)", "'onload='x", "\u2028", "javascript:x"]
MONDAY = "2026-11-23"


@dataclass
class Paint(HTMLParser):
    """What a page says, read as a browser reads it."""

    path: str
    days: list[str] = field(default_factory=list)
    starts: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    links: dict[str, str] = field(default_factory=dict)
    targets: set[str | None] = field(default_factory=set)
    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    words: str = ""

    @classmethod
    def of(cls, response: TestResponse) -> "Paint":
        assert response.status_code == 200, response.text
        paint = cls(response.request.path)
        HTMLParser.__init__(paint)
        paint.feed(response.text)
        return paint

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        text = " ".join(data.split())
        if not text or not self.tags:
            return
        self.words = f"{self.words} {text}".strip()
        opened = [tag for tag, _ in self.tags]
        tag, attributes = self.tags[-1]
        if tag == "h2":
            self.days.append(text)
        if tag == "time" and opened[-2] == "a":
            self.starts.append(str(attributes["datetime"]))
            self.labels.append(text)
            self.targets.add(self.tags[-2][1].get("target"))
        if "a" in opened[-2:]:
            link = next(attributes for tag, attributes in reversed(self.tags) if tag == "a")
            self.links.setdefault(text, urljoin(self.path, link["href"]))

    @property
    def language(self) -> tuple[str | None, str | None]:
        (page,) = [attributes for tag, attributes in self.tags if tag == "html"]
        return page["lang"], page["dir"]


def frame(acme: Embedder, element: str = "slot-picker", **query: object) -> TestResponse:
    headers = query.pop("headers", {"Accept-Language": "en-GB"})
    asked = {"key": acme.key, "calendar": "store-42"} | query
    return acme.http.get(f"/frame/{element}", query_string=asked, headers=headers)


def paint(acme: Embedder, element: str = "slot-picker", **query: object) -> Paint:
    return Paint.of(frame(acme, element, **query))


def stored(services: Services, acme: Embedder, **changes: Any) -> str:
    draft = {"element": "slot-picker", "calendars": ["store-42"]} | changes
    return services.widgets.create(acme.created.tenant, WidgetDraft.read(draft)).widget_id


def widget_paint(services: Services, acme: Embedder, **changes: Any) -> Paint:
    path = f"/frame/widget/{stored(services, acme, **changes)}"
    return Paint.of(acme.http.get(path, query_string={"key": acme.key}, headers={"Accept-Language": "en-GB"}))


def hours(start: str, end: str) -> dict[str, Any]:
    return {"weekly_hours": [{"day": day, "start_time": start, "end_time": end} for day in DAYS]}


@pytest.fixture
def book(services: Services, acme: Embedder) -> Callable[[str, str], None]:
    """Fills the calendar."""

    def write(start: str, end: str) -> None:
        access = services.calendars.access(acme.created.tenant, "store-42")
        answer = acme.http.post(
            f"/v1/calendars/{access.calendar_id}/events",
            headers={"Authorization": f"Bearer {access.access_token}"},
            json={"event_id": start, "summary": "SECRET-SUMMARY", "start": start, "end": end},
        )
        assert answer.status_code == 202, answer.text

    return write


# Which times


@pytest.mark.parametrize("element", PICKERS)
def test_the_first_times_of_three_days_are_listed(acme: Embedder, element: str) -> None:
    listed = paint(acme, element)

    assert listed.days == [
        "Monday, 23 November 2026",
        "Tuesday, 24 November 2026",
        "Wednesday, 25 November 2026",
    ]
    assert len(listed.starts) == 24
    assert listed.starts[0] == f"{MONDAY}T09:00:00Z"
    assert listed.labels[0] == "09:00"
    assert "Time zone: UTC" in listed.words
    assert "JavaScript" not in listed.words


@pytest.mark.parametrize("element", PICKERS)
@pytest.mark.parametrize("query", [{}, {"start_interval_minutes": 60}, {"duration_minutes": 45}], ids=str)
def test_they_are_those_that_the_element_then_shows(
    services: Services, acme: Embedder, book: Callable[[str, str], None], element: str, query: dict[str, int]
) -> None:
    book(f"{MONDAY}T09:10:00Z", f"{MONDAY}T10:20:00Z")
    widget = stored(services, acme, element=element, query=query)
    granted = acme.ask(widget=widget).json
    body = granted["options"]["availability_query"] | {"response_format": "overlapping_slots"}
    if element == "availability-viewer":
        body["start_interval"] = {"minutes": granted["options"]["config"].get("interval", 15)}
    answer = acme.http.post(
        "/v1/availability",
        query_string={"et": granted["element_token"]["token"]},
        json=body,
        headers={"Origin": PAGE},
    )
    shown = [slot["start"] for slot in answer.json["available_slots"]]

    listed = Paint.of(acme.http.get(f"/frame/widget/{widget}", query_string={"key": acme.key})).starts

    days = sorted({start[:10] for start in shown})[:3]
    assert listed == [start for day in days for start in [s for s in shown if s.startswith(day)][:8]]
    assert f"{MONDAY}T09:00:00Z" not in listed


def test_what_is_taken_is_not_listed_and_nobody_is_told_by_what(
    acme: Embedder, book: Callable[[str, str], None]
) -> None:
    book(f"{MONDAY}T00:00:00Z", f"{MONDAY}T16:00:00Z")

    response = frame(acme)

    assert Paint.of(response).starts[:3] == [
        f"{MONDAY}T16:00:00Z",
        f"{MONDAY}T16:30:00Z",
        "2026-11-24T09:00:00Z",
    ]
    assert "SECRET" not in response.text


@pytest.mark.parametrize(
    ("days_ahead", "words"), [(14, "No free times in the next 14 days."), (0, "No free times today.")]
)
def test_a_full_calendar_says_so(
    services: Services, acme: Embedder, book: Callable[[str, str], None], days_ahead: int, words: str
) -> None:
    book("2026-11-22T00:00:00Z", "2026-12-20T00:00:00Z")

    listed = widget_paint(services, acme, query={"days_ahead": days_ahead})

    assert (listed.starts, words in listed.words) == ([], True)


def test_a_page_holds_a_few_kilobytes(services: Services, acme: Embedder) -> None:
    options = json.dumps({"translations": {"en": {"core": {"x": "y" * 8_000}}}})
    assert len(frame(acme, "availability-viewer").data) < 8_000
    assert len(frame(acme, "slot-picker", options=options).data) < 20_000


def test_all_times_of_a_day_and_all_days_can_be_reached(acme: Embedder) -> None:
    first = paint(acme)

    day = Paint.of(acme.http.get(first.links["More times on this day"], headers={"Accept-Language": "en-GB"}))
    later = Paint.of(acme.http.get(first.links["Later days"], headers={"Accept-Language": "en-GB"}))

    assert (day.starts[0], day.starts[-1], len(day.starts)) == (
        f"{MONDAY}T09:00:00Z",
        f"{MONDAY}T16:30:00Z",
        16,
    )
    assert {start[:10] for start in later.starts} == {"2026-11-26"}
    assert Paint.of(acme.http.get(later.links["Earliest times"])).starts == first.starts
    last = paint(acme, day="2026-12-04")
    assert (last.starts[-1], "Later days" in last.links) == ("2026-12-04T16:30:00Z", False)
    assert "No later free times." in paint(acme, day="2026-12-07").words


# Zones and languages


@pytest.mark.parametrize(
    ("query", "label", "zone"),
    [
        ({}, "09:00", "UTC"),
        ({"tzid": "America/New_York"}, "04:00", "New York (UTC\N{MINUS SIGN}5)"),
        ({"tzid": "Asia/Kolkata"}, "14:30", "Kolkata (UTC+5:30)"),
        ({"options": '{"tzid": "Asia/Tokyo"}'}, "18:00", "Tokyo (UTC+9)"),
        ({"options": '{"tzid": "Asia/Tokyo"}', "tzid": "Etc/UTC"}, "09:00", "UTC"),
        ({"options": '{"tzid": 7}'}, "09:00", "UTC"),
    ],
    ids=str,
)
def test_times_are_those_of_the_zone_that_the_element_is_given(
    acme: Embedder, query: dict[str, str], label: str, zone: str
) -> None:
    listed = paint(acme, **query)

    assert (listed.labels[0], listed.starts[0]) == (label, f"{MONDAY}T09:00:00Z")
    assert f"Time zone: {zone}" in listed.words


def test_days_begin_where_the_visitor_is(services: Services, acme: Embedder) -> None:
    widget = stored(services, acme, query=hours("22:00", "24:00") | {"days_ahead": 1})
    query = {"key": acme.key, "tzid": "Asia/Tokyo"}

    listed = Paint.of(acme.http.get(f"/frame/widget/{widget}", query_string=query))

    assert listed.days == ["Monday, November 23, 2026", "Tuesday, November 24, 2026"]


def test_a_widget_without_a_zone_has_its_tenants(services: Services, http: FlaskClient) -> None:
    tenant = embedder(services, http, policy=Policy(tzid="Europe/Berlin"))

    assert "Berlin (UTC+1)" in widget_paint(services, tenant).words
    assert "London (UTC+0)" in widget_paint(services, tenant, query={"tzid": "Europe/London"}).words


def test_times_that_clocks_show_twice_are_told_apart(
    clock: FakeClock, services: Services, acme: Embedder
) -> None:
    clock.now = datetime(2027, 10, 30, 12, tzinfo=UTC).timestamp()

    listed = widget_paint(
        services, acme, query=hours("00:30", "02:30") | {"days_ahead": 1, "tzid": "Europe/London"}
    )

    assert listed.days == ["Sunday, 31 October 2027"]
    assert listed.labels == [
        *("00:30 (UTC+1)", "01:00 (UTC+1)", "01:30 (UTC+1)"),
        *("01:00 (UTC+0)", "01:30 (UTC+0)", "02:00 (UTC+0)"),
    ]
    assert "Time zone: London " in f"{listed.words} "
    assert "London (UTC" not in listed.words


@pytest.mark.parametrize(
    ("query", "accepts", "page", "title", "day"),
    [
        ({"locale": "de"}, "fr", ("de", "ltr"), "Uhrzeit wählen", "Montag, 23. November 2026"),
        ({"locale": "en-US"}, "fr", ("en-US", "ltr"), "Pick a time", "Monday, November 23, 2026"),
        ({"locale": "he"}, "fr", ("he", "rtl"), "Pick a time", "Monday, November 23, 2026"),
        ({}, "pl, fr-CA;q=0.9, de;q=0.8", ("fr-CA", "ltr"), "Choisir un créneau", "lundi 23 novembre 2026"),
        ({}, "ja", ("ja", "ltr"), "時間を選択", "2026年11月23日月曜日"),
        ({}, "ar", ("ar", "rtl"), "اختر وقتًا", "الاثنين، 23 نوفمبر 2026"),
        ({}, "tlh, *", ("en", "ltr"), "Pick a time", "Monday, November 23, 2026"),
        (
            {"options": '{"locale": "es"}'},
            "fr",
            ("es", "ltr"),
            "Elegir una hora",
            "lunes, 23 de noviembre de 2026",
        ),
        (
            {"options": '{"locale": ["es"]}'},
            "fr",
            ("fr", "ltr"),
            "Choisir un créneau",
            "lundi 23 novembre 2026",
        ),
    ],
    ids=str,
)
def test_the_page_speaks_the_elements_language_as_far_as_it_knows_it(
    acme: Embedder, query: dict[str, str], accepts: str, page: tuple[str, str], title: str, day: str
) -> None:
    listed = paint(acme, headers={"Accept-Language": accepts}, **query)

    assert listed.language == page
    assert listed.words.startswith(title)
    assert listed.days[0] == day


def test_what_is_said_in_another_language_than_the_pages_is_marked(acme: Embedder) -> None:
    listed = paint(acme, locale="ur")

    assert listed.language == ("ur", "rtl")
    (section,) = [attributes for tag, attributes in listed.tags if tag == "section"]
    assert (section["lang"], section["dir"]) == ("en", "ltr")


# Whose times


@pytest.mark.parametrize("calendar", ["store-42", "no-such"])
@pytest.mark.parametrize("element", PICKERS)
def test_a_signed_tenants_page_has_no_times_and_is_the_same_for_every_calendar(
    services: Services, http: FlaskClient, element: str, calendar: str
) -> None:
    signed = embedder(services, http, policy=Policy(access=Access.SIGNED))

    def page(name: str) -> str:
        response = frame(signed, element, calendar=name)
        nonce = response.headers["Content-Security-Policy"].partition("'nonce-")[2].partition("'")[0]
        return response.text.replace(nonce, "").replace(name, "")

    assert "<time" not in page(calendar)
    assert page(calendar) == page("another")


def test_a_signed_tenants_widget_keeps_its_name_to_itself(services: Services, http: FlaskClient) -> None:
    signed = embedder(services, http, policy=Policy(access=Access.SIGNED))

    assert "Board" not in widget_paint(services, signed, name="Board meetings").words
    assert "Board" in widget_paint(services, embedder(services, http, "open"), name="Board meetings").words


@pytest.mark.parametrize(
    ("policy", "element"),
    [
        (Policy(), "agenda"),
        (Policy(), "availability-rules"),
        (Policy(permissions=frozenset({Permission.AGENDA})), "slot-picker"),
        (Policy(elements=frozenset({Element.AGENDA})), "slot-picker"),
        (Policy(access=Access.SIGNED), "slot-picker"),
    ],
    ids=["agenda", "rules", "no permission", "not this element", "signed"],
)
def test_what_may_not_be_embedded_by_everybody_has_no_times(
    services: Services, http: FlaskClient, policy: Policy, element: str
) -> None:
    tenant = embedder(services, http, policy=policy)

    response = frame(tenant, element)

    assert response.status_code == 200
    assert "<time" not in response.text
    assert "needs JavaScript" in response.text
    for more in ({"slot": f"{MONDAY}T09:00:00Z"}, {"day": MONDAY}):
        assert frame(tenant, element, **more).status_code == 400


@pytest.mark.parametrize(
    ("element", "options", "paints"),
    [
        (
            "slot-picker",
            {"availability_query": {"participants": [{"members": [{"sub": "apc_other"}]}]}},
            False,
        ),
        ("availability-viewer", {"config": {"start_time": "06:00"}}, False),
        ("slot-picker", {"config": {"mode": "no_confirm"}}, True),
    ],
    ids=["another query", "another part of the day", "another mode"],
)
def test_options_by_which_the_element_asks_otherwise_leave_the_times_to_it(
    acme: Embedder, element: str, options: dict[str, Any], paints: bool
) -> None:
    response = frame(acme, element, options=json.dumps(options))

    assert response.status_code == 200
    assert ("<time" in response.text) is paints


def test_a_suspended_tenant_and_an_unknown_calendar_have_no_times(acme: Embedder, services: Services) -> None:
    assert frame(acme, calendar="no-such").status_code == 404
    services.tenants.suspend(acme.created.tenant)

    for response in (frame(acme), frame(acme, slot=f"{MONDAY}T09:00:00Z")):
        assert (response.status_code, "<time" in response.text) == (403, False)


# A chosen time


def test_a_time_leads_to_a_page_in_words_that_books_nothing(acme: Embedder) -> None:
    first = paint(acme, tzid="Europe/Paris")

    chosen = Paint.of(acme.http.get(first.links["10:00"], headers={"Accept-Language": "en-GB"}))

    assert "Monday, 23 November 2026 10:00 \N{EN DASH} 10:30" in chosen.words
    assert "Time zone: Paris (UTC+1)" in chosen.words
    assert "nothing is booked yet" in chosen.words
    assert not any(tag == "script" for tag, _ in chosen.tags)
    assert Paint.of(acme.http.get(chosen.links["Choose another time"])).starts == first.starts


def test_a_time_that_was_taken_says_so_and_lists_others(
    acme: Embedder, book: Callable[[str, str], None]
) -> None:
    chosen = paint(acme).links["09:00"]
    book(f"{MONDAY}T09:00:00Z", f"{MONDAY}T09:20:00Z")

    page = Paint.of(acme.http.get(chosen, headers={"Accept-Language": "en-GB"}))

    assert "no longer free" in page.words
    assert "booked yet" not in page.words
    assert len(page.starts) > 10


@pytest.mark.parametrize("slot", [f"{MONDAY}T08:30:00Z", f"{MONDAY}T09:10:00Z", "2020-01-01T09:00:00Z"])
def test_a_time_that_is_not_offered_is_not_free(acme: Embedder, slot: str) -> None:
    assert "no longer free" in paint(acme, slot=slot).words


def test_a_widgets_message_takes_the_place_of_advice(services: Services, acme: Embedder) -> None:
    after = {"kind": "message", "text": "See <b>you</b> then!"}
    first = widget_paint(services, acme, after_pick=after)

    response = acme.http.get(first.links["09:00"])

    assert "See &lt;b&gt;you&lt;/b&gt; then!" in response.text
    assert "booked yet" not in response.text


def test_a_redirect_takes_the_visitor_there_with_the_slot(services: Services, acme: Embedder) -> None:
    after = {"kind": "redirect", "url": "https://jobs.example.com/book?a=b%20c&slot_start=x&d#part"}
    widget = stored(services, acme, after_pick=after)
    query = {"key": acme.key, "slot": f"{MONDAY}T09:00:00Z"}
    there = (
        f"https://jobs.example.com/book?a=b+c&d=&slot_start={MONDAY}T09%3A00%3A00Z"
        f"&slot_end={MONDAY}T09%3A30%3A00Z#part"
    )

    listed = widget_paint(services, acme, after_pick=after)

    assert listed.links["09:00"] == there
    assert listed.targets == {"_top"}
    assert Paint.of(acme.http.get(f"/frame/widget/{widget}", query_string=query)).links["Continue"] == there


@pytest.mark.parametrize(
    "slot",
    [
        *("tomorrow", MONDAY, f"{MONDAY}T09:00:00", f"{MONDAY}T09:00:00+00:00", "2026-02-30T09:00:00Z"),
        *("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-1-1T9:0:0Z", *HOSTILE),
    ],
)
def test_a_slot_that_is_no_instant_is_refused(acme: Embedder, slot: str) -> None:
    response = frame(acme, slot=slot)

    assert response.status_code == 400
    assert "slot: is no start" in response.text
    assert "<script>" not in response.text


@pytest.mark.parametrize("day", ["monday", "2026-02-30", "20261123", "0001-01-01", "9999-12-31", *HOSTILE])
def test_a_day_that_is_none_is_refused(acme: Embedder, day: str) -> None:
    response = frame(acme, day=day)

    assert response.status_code == 400
    assert "<script>" not in response.text


@pytest.mark.parametrize("hostile", [name for name in HOSTILE if name.isprintable()])
def test_nothing_in_an_address_breaks_out_of_the_links(
    acme: Embedder, services: Services, hostile: str
) -> None:
    services.calendars.add(acme.created.tenant, hostile)

    response = frame(acme, calendar=hostile, options=json.dumps({"x": hostile}))

    listed = Paint.of(response)
    assert "<script>" not in response.text
    assert all(link.startswith("/frame/slot-picker?key=") for link in listed.links.values())
    chosen = acme.http.get(listed.links["09:00"], headers={"Accept-Language": "en-GB"})
    assert "nothing is booked yet" in chosen.text
    assert "<script>" not in chosen.text


# Where nothing can be found out


@pytest.fixture
def unwell(
    settings: Settings, services: Services, acme: Embedder, clock: FakeClock, uptime: FakeClock
) -> Callable[[Callable[[httpx.Request], httpx.Response]], Embedder]:
    """The same service, over an API that answers availability in some way of its own."""

    def over(answer: Callable[[httpx.Request], httpx.Response]) -> Embedder:
        http = http_client("https://api.cronofy.test", transport=httpx.MockTransport(answer))
        cronofy = CronofyClient(http, client_id="client-1", client_secret="secret")
        slots = FirstSlots(cronofy, LocalCounts(clock), clock=clock, monotonic=uptime)
        app = create_app(settings, replace(services, first_slots=slots))
        return replace(acme, http=app.test_client())

    return over


def times_out(request: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout("", request=request)


@pytest.mark.parametrize(
    "answer",
    [times_out, lambda _: httpx.Response(500), lambda _: httpx.Response(422), lambda _: httpx.Response(200)],
    ids=["slow", "500", "422", "no JSON"],
)
def test_where_nothing_can_be_found_out_the_page_goes_on_without(
    unwell: Callable[..., Embedder], answer: Callable[[httpx.Request], httpx.Response]
) -> None:
    tenant = unwell(answer)

    listed = paint(tenant)
    chosen = paint(tenant, slot=f"{MONDAY}T09:00:00Z")

    assert (listed.starts, "Loading…" in listed.words) == ([], True)
    assert "could not be looked up" in listed.words
    assert any(tag == "main" and "data-widgetsvc" in attributes for tag, attributes in listed.tags)
    assert "could not be checked" in chosen.words
    assert "Try again" in chosen.links


def test_a_calendar_is_not_created_in_the_cloud_for_it(
    settings: Settings, services: Services, acme: Embedder
) -> None:
    http = create_app(settings, replace(services, backend=None)).test_client()

    listed = paint(replace(acme, http=http))

    assert (listed.starts, "Loading…" in listed.words) == ([], True)
    known = services.calendars.check(acme.created.tenant, ["store-42"])
    assert known["store-42"].sub is None


# The page itself


@pytest.mark.parametrize("more", [{}, {"slot": f"{MONDAY}T09:00:00Z"}], ids=["times", "chosen"])
def test_isolated_pages_may_frame_it(acme: Embedder, more: dict[str, str]) -> None:
    headers = frame(acme, **more).headers

    assert headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    assert f"frame-ancestors {PAGE} https://*.example.org" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"


def test_what_it_loads_is_let_in_by_its_own_isolation(acme: Embedder, services: Services) -> None:
    tags = paint(acme).tags
    scripts = [attributes for tag, attributes in tags if tag == "script"]
    links = {attributes["rel"]: attributes for tag, attributes in tags if tag == "link"}

    def get(url: str | None) -> TestResponse:
        return acme.http.get(str(url).removeprefix(services.service.public_url), buffered=True)

    assert len(scripts) == 2
    for loaded, address in [*((script, "src") for script in scripts), (links["preload"], "href")]:
        assert loaded["crossorigin"] == "anonymous"
        assert get(loaded[address]).headers["Access-Control-Allow-Origin"] == "*"
    assert get(links["stylesheet"]["href"]).headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert links.keys() == {"preload", "stylesheet"}


@pytest.mark.parametrize(("destination", "hosted"), [("document", True), ("iframe", False), (None, False)])
def test_a_page_that_is_opened_by_itself_is_laid_out_as_one(
    acme: Embedder, destination: str | None, hosted: bool
) -> None:
    headers = {} if destination is None else {"Sec-Fetch-Dest": destination}

    (body,) = [attributes for tag, attributes in paint(acme, headers=headers).tags if tag == "body"]

    assert ("hosted" in str(body["class"]).split()) is hosted
