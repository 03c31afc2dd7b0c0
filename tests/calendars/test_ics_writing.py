"""Calendars written as files: the form that applications are given, and that nothing is lost on the way."""

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from widgetsvc.calendars.engine.timespan import Timespan
from widgetsvc.calendars.ics.reading import Scope, read
from widgetsvc.calendars.ics.writing import About, write
from widgetsvc.calendars.records import Event, EventDraft, EventTime, Transparency
from widgetsvc.localtime import first_of_day

ABOUT = About("Harbour store", "w.example.com")
EVERYTHING = Timespan(0, 4_102_444_800)


def event(**members: Any) -> Event:
    plain: dict[str, Any] = {
        "event_id": None,
        "summary": "Lunch",
        "description": "",
        "time": EventTime(1_800_000_000, 1_800_003_600),
        "tzid": None,
        "transparency": Transparency.OPAQUE,
        "tentative": False,
        "details": {},
    }
    draft = EventDraft(**plain | members)
    return Event(
        "cal_1", "evt_external_1", draft, deleted=False, created=1_790_000_000, updated=1_790_000_001
    )


def lines(*events: Event, **options: Any) -> list[str]:
    return write(ABOUT, events, **options).decode().replace("\r\n ", "").split("\r\n")


def test_an_event_is_written_in_utc_with_a_uid_of_this_host() -> None:
    written = lines(event())

    for line in (
        "X-WR-CALNAME:Harbour store",
        "REFRESH-INTERVAL;VALUE=DURATION:PT1H",
        "X-PUBLISHED-TTL:PT1H",
        "UID:evt_external_1@w.example.com",
        "DTSTART:20270115T080000Z",
        "DTEND:20270115T090000Z",
        "DTSTAMP:20260921T141321Z",
        "LAST-MODIFIED:20260921T141321Z",
        "STATUS:CONFIRMED",
        "TRANSP:OPAQUE",
    ):
        assert line in written
    assert not any(line.startswith("X-WR-TIMEZONE") for line in written)


def test_every_line_is_short_and_ends_as_the_format_says() -> None:
    data = write(ABOUT, [event(summary="é" * 300)])

    assert data.count(b"\n") == data.count(b"\r\n")
    assert all(len(line) <= 75 for line in data.split(b"\r\n"))


def test_the_zone_of_the_account_is_where_to_show_it() -> None:
    assert b"X-WR-TIMEZONE:Europe/London\r\n" in write(About("a", "b", "Europe/London"), [])


def test_the_name_of_a_calendar_is_text() -> None:
    assert b"X-WR-CALNAME:Oak\\, ash\\; elm\\nEND\r\n" in write(About("Oak, ash; elm\nEND", "b"), [])


def test_a_private_event_is_busy_and_nothing_else() -> None:
    private = event(
        description="the secret",
        details={
            "event_private": True,
            "location": {"description": "secret place"},
            "url": "https://secret.example.com",
            "categories": ["secret"],
            "reminders": [{"minutes": 5}],
        },
        summary="secret",
    )

    written = lines(private)

    assert {"CLASS:PRIVATE", "SUMMARY:Busy", "DTSTART:20270115T080000Z"} <= set(written)
    assert "secret" not in "".join(written).lower()
    assert "BEGIN:VALARM" not in written
    assert {"CLASS:PRIVATE", "SUMMARY:secret"} <= set(lines(private, tells_private=True))


def test_a_place_that_is_no_position_is_written_without_one() -> None:
    written = lines(event(details={"location": {"description": "Studio", "lat": "north", "long": "1"}}))

    assert "LOCATION:Studio" in written
    assert not any(line.startswith("GEO") for line in written)


# What a file cannot hold, and no event should: control characters. A line break is one, however it is sent.
texts = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n,;:\\\"'^%#\u2028\u200f🪑שלום"),
    max_size=60,
)
zones = st.sampled_from(["Europe/London", "Asia/Kolkata", "America/St_Johns", "Pacific/Apia", "Etc/UTC"])
timed = st.builds(
    lambda start, length: EventTime(start, start + length),
    st.integers(1_600_000_000, 2_500_000_000),
    st.integers(1, 366 * 86_400),
)


@st.composite
def all_day(draw: st.DrawFn, tzid: str) -> EventTime:
    first = draw(st.dates(date(2020, 1, 1), date(2049, 1, 1)))
    last = first + timedelta(days=draw(st.integers(1, 30)))
    zone = ZoneInfo(tzid)
    return EventTime(first_of_day(first, zone), first_of_day(last, zone), (first, last))


@st.composite
def stored(draw: st.DrawFn) -> tuple[str, Event]:
    tzid = draw(zones)
    details: dict[str, object] = {}
    if place := draw(texts):
        details["location"] = {"description": place}
    if names := draw(st.lists(texts.map(str.strip).filter(bool), max_size=3, unique=True)):
        details["categories"] = names
    if minutes := draw(st.lists(st.integers(0, 40_320), max_size=5, unique=True)):
        details["reminders"] = [{"minutes": each} for each in sorted(minutes)]
    if draw(st.booleans()):
        details["event_private"] = True
    tentative = draw(st.booleans())
    transparency = draw(st.sampled_from(Transparency))
    if tentative and transparency is Transparency.OPAQUE:
        details["extended_transparency"] = "tentative"
    return tzid, event(
        summary=draw(texts),
        description=draw(texts),
        time=draw(st.one_of(timed, all_day(tzid))),
        tzid=tzid,
        transparency=transparency,
        tentative=tentative,
        details=details,
    )


@given(stored())
def test_what_is_written_is_read_as_the_same(given_event: tuple[str, Event]) -> None:
    tzid, written = given_event
    data = write(About("a", "b", tzid), [written], tells_private=True)

    reading = read(data, Scope(EVERYTHING, "Etc/UTC"))

    assert reading.skipped == []
    assert [found.draft for found in reading.events] == [written.draft]


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=80))
def test_no_text_breaks_a_file(text: str) -> None:
    data = write(About(text, "b"), [event(summary=text, details={"location": {"description": text}})])

    reading = read(data, Scope(EVERYTHING, "Etc/UTC"))

    assert len(reading.events) == 1
    assert data.count(b"BEGIN:") == 2


def test_the_same_events_make_the_same_file() -> None:
    assert write(ABOUT, [event()]) == write(ABOUT, [event()])
    assert datetime.now(ZoneInfo("UTC")).strftime("%Y%m%dT") not in write(ABOUT, [event()]).decode()
