"""What is read from calendar files: exports of well-known calendars, and what is broken or not meant well."""

from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from widgetsvc.calendars.engine.timespan import Timespan
from widgetsvc.calendars.ics.lines import CalendarFileError
from widgetsvc.calendars.ics.reading import Reading, Scope, read
from widgetsvc.calendars.ics.skips import Reason
from widgetsvc.calendars.records import EventDraft, Transparency

TESTDATA = Path(__file__).with_name("testdata")
LONDON, BERLIN, NEW_YORK = ZoneInfo("Europe/London"), ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")


def at(*time: int, tz: ZoneInfo | None = None) -> int:
    return int(datetime(*time, tzinfo=tz or UTC).timestamp())


THREE_YEARS = Timespan(at(2026, 1, 1), at(2029, 1, 1))


def read_text(data: str | bytes, tzid: str = "Etc/UTC", within: Timespan = THREE_YEARS) -> Reading:
    return read(data if isinstance(data, bytes) else data.encode(), Scope(within, tzid))


def calendar(*components: str, head: str = "") -> str:
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", *head.splitlines(), *components, "END:VCALENDAR", ""]
    return "\r\n".join("\r\n".join(lines).splitlines()) + "\r\n"


def vevent(*lines: str, uid: str = "UID:a@example.com", start: str = "DTSTART:20270301T100000Z") -> str:
    more = () if any(line.startswith(("DTEND", "DURATION")) for line in lines) else ("DURATION:PT1H",)
    return "\r\n".join(filter(None, ("BEGIN:VEVENT", uid, start, *more, *lines, "END:VEVENT")))


def drafts(data: str | bytes, tzid: str = "Etc/UTC") -> list[EventDraft]:
    reading = read_text(data, tzid)
    assert reading.skipped == []
    return [event.draft for event in reading.events]


def draft(*lines: str, start: str = "DTSTART:20270301T100000Z") -> EventDraft:
    (only,) = drafts(calendar(vevent(*lines, start=start)))
    return only


def reasons(reading: Reading) -> Counter[Reason]:
    return Counter(skipped.reason for skipped in reading.skipped)


def test_a_google_export_is_read_occurrence_by_occurrence() -> None:
    reading = read_text((TESTDATA / "google.ics").read_bytes())

    weekly = {e.ics_uid: e.draft for e in reading.events if e.ics_uid.startswith("3k2weekly@google.com#")}
    assert {uid.partition("#")[2]: d.time.start for uid, d in weekly.items()} == {
        "20270322T093000Z": at(2027, 3, 22, 9, 30, tz=LONDON),
        "20270329T083000Z": at(2027, 3, 29, 9, 30, tz=LONDON),  # the clocks have changed
        "20270412T083000Z": at(2027, 4, 12, 14, 0, tz=LONDON),
        "20270419T083000Z": at(2027, 4, 19, 9, 30, tz=LONDON),
    }
    first = weekly["3k2weekly@google.com#20270322T093000Z"]
    assert (first.summary, first.description) == ("Opening round", "Floor walk\nand deliveries")
    assert first.details["location"] == {"description": "12 Quay Street, Harbour"}
    assert first.details["reminders"] == [{"minutes": 30}]
    assert (first.details["recurring"], first.tzid, first.event_id) == (True, "Europe/London", None)
    moved = weekly["3k2weekly@google.com#20270412T083000Z"]
    assert moved.summary == "Opening round, moved to the afternoon"
    assert moved.details["series_identifier"] == first.details["series_identifier"]


def test_a_google_export_says_who_is_private_tentative_free_and_cancelled() -> None:
    reading = read_text((TESTDATA / "google.ics").read_bytes())

    others = {e.ics_uid: e.draft for e in reading.events if "#" not in e.ics_uid}
    single, holiday = others["5single@google.com"], others["7holiday@google.com"]
    assert (single.tentative, single.details["event_private"]) == (True, True)
    assert single.details["extended_transparency"] == "tentative"
    assert (single.time.start, single.tzid) == (at(2027, 6, 10, 13), "Europe/London")
    assert holiday.time.days == (date(2027, 12, 24), date(2027, 12, 27))
    assert holiday.transparency is Transparency.TRANSPARENT
    assert [(s.reason, s.line) for s in reading.skipped] == [(Reason.CANCELLED, 77)]


def test_an_outlook_export_has_zones_of_windows_and_of_its_own() -> None:
    chairs, boston = drafts((TESTDATA / "outlook.ics").read_bytes())

    assert (chairs.time.start, chairs.tzid) == (at(2027, 7, 5, 9, tz=BERLIN), "Europe/Berlin")
    assert chairs.details["categories"] == ["Customers", "Chairs, tables"]
    assert chairs.details["extended_transparency"] == "out_of_office"
    assert chairs.transparency is Transparency.OPAQUE
    assert (boston.time.start, boston.tzid) == (at(2027, 7, 5, 16, tz=NEW_YORK), None)
    assert (boston.tentative, boston.details["event_private"]) == (True, True)


def test_an_apple_export_has_addresses_places_and_tasks() -> None:
    reading = read_text((TESTDATA / "apple.ics").read_bytes(), tzid="America/New_York")

    service, *sharpening = [event.draft for event in reading.events]
    assert service.details == {
        "location": {"lat": "40.7128", "long": "-74.006"},
        "url": "https://example.com/machines/7",
    }
    assert [d.time.start for d in sharpening] == [at(2027, 3, day, 8, tz=NEW_YORK) for day in (2, 3, 4)]
    assert reasons(reading) == {Reason.NOT_AN_EVENT: 1}
    assert any("America/New_York" in note for note in reading.notes)


def test_floating_times_are_read_in_the_calendars_own_zone_first() -> None:
    file = calendar(vevent(start="DTSTART:20270701T100000"), head="X-WR-TIMEZONE:Europe/Berlin")

    reading = read_text(file, tzid="America/New_York")

    assert reading.events[0].draft.time.start == at(2027, 7, 1, 10, tz=BERLIN)
    assert reading.notes == []


def test_what_recurs_in_utc_recurs_by_the_clock_of_the_calendars_own_zone() -> None:
    file = calendar(
        vevent("RRULE:FREQ=DAILY;COUNT=2", start="DTSTART:20270327T090000Z"),
        head="X-WR-TIMEZONE:Europe/London",
    )

    assert [d.time.start for d in drafts(file)] == [at(2027, 3, day, 9, tz=LONDON) for day in (27, 28)]


@pytest.mark.parametrize(
    "tzid",
    ["Europe/Berlin", '"W. Europe Standard Time"', "/example.com/20260101_1/Europe/Berlin", "/Europe/Berlin"],
)
def test_a_zone_is_known_by_any_of_its_names(tzid: str) -> None:
    found = draft(start=f"DTSTART;TZID={tzid}:20270701T100000")

    assert (found.time.start, found.tzid) == (at(2027, 7, 1, 10, tz=BERLIN), "Europe/Berlin")


def test_a_zone_of_another_file_is_not_known() -> None:
    read_text((TESTDATA / "outlook.ics").read_bytes())

    reading = read_text(calendar(vevent(start='DTSTART;TZID="Customized Time Zone":20270701T100000')))

    assert [(s.reason, s.detail) for s in reading.skipped] == [(Reason.UNKNOWN_ZONE, "Customized Time Zone")]


@pytest.mark.parametrize(
    ("lines", "days"),
    [
        (("DTEND;VALUE=DATE:20270303",), 2),
        (("DTEND;VALUE=DATE:20270301",), 1),
        (("DURATION:P3D",), 3),
        ((), 1),
    ],
)
def test_an_all_day_event_lasts_at_least_a_day(lines: tuple[str, ...], days: int) -> None:
    event = "\r\n".join(("BEGIN:VEVENT", "UID:a", "DTSTART;VALUE=DATE:20270301", *lines, "END:VEVENT"))

    (found,) = drafts(calendar(event))

    assert found.time.days == (date(2027, 3, 1), date(2027, 3, 1 + days))


def test_a_duration_and_an_end_say_the_same() -> None:
    assert draft("DURATION:PT90M").time == draft("DTEND:20270301T113000Z").time


def test_dates_beside_the_rule_count_and_dates_excepted_do_not() -> None:
    found = drafts(
        calendar(
            vevent(
                "RRULE:FREQ=DAILY;COUNT=3",
                "RDATE:20270310T120000Z,20270311T120000Z",
                "EXDATE:20270302T100000Z",
            )
        )
    )

    starts = [(1, 10), (3, 10), (10, 12), (11, 12)]
    assert sorted(d.time.start for d in found) == [at(2027, 3, day, hour) for day, hour in starts]


def test_a_change_of_this_and_future_occurrences_keeps_them_apart() -> None:
    reading = read_text(
        calendar(
            vevent("RRULE:FREQ=DAILY;COUNT=4"),
            vevent(
                "RECURRENCE-ID;RANGE=THISANDFUTURE:20270303T100000Z",
                "SUMMARY:later",
                start="DTSTART:20270303T150000Z",
            ),
        )
    )

    assert len({event.ics_uid for event in reading.events}) == 4
    assert sorted(e.draft.time.start for e in reading.events if e.draft.summary == "later") == [
        at(2027, 3, 3, 15),
        at(2027, 3, 4, 15),
    ]


def test_a_cancelled_occurrence_is_left_out_of_its_series() -> None:
    reading = read_text(
        calendar(
            vevent("RRULE:FREQ=DAILY;COUNT=3"),
            vevent("RECURRENCE-ID:20270302T100000Z", "STATUS:CANCELLED", start="DTSTART:20270302T100000Z"),
        )
    )

    assert [e.ics_uid[-16:] for e in reading.events] == ["20270301T100000Z", "20270303T100000Z"]
    assert reasons(reading) == {Reason.CANCELLED: 1}
    assert reading.covered == {"a@example.com"}


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (("UID:a", "SUMMARY:x"), Reason.NO_START),
        (("UID:a", "DTSTART:20270301T100000Z"), Reason.NO_DURATION),
        (("UID:a", "DTSTART:20270301T100000Z", "DTEND:20270301T090000Z"), Reason.ENDS_BEFORE_START),
        (("UID:a", "DTSTART:20270301T100000Z", "DTEND:20290301T090000Z"), Reason.TOO_LONG),
        (("UID:a", "DTSTART:20270301T100000Z", "DURATION:P999999999D"), Reason.TOO_LONG),
        (("UID:a", "DTSTART:20200301T100000Z", "DURATION:PT1H"), Reason.OUTSIDE_WINDOW),
        (("UID:a", "DTSTART:00010101T000000Z", "DURATION:PT1H"), Reason.YEAR_OUT_OF_RANGE),
        (("UID:a", "DTSTART;TZID=Pacific/Apia:99991231T235959", "DURATION:PT1H"), Reason.YEAR_OUT_OF_RANGE),
        (("UID:a", "DTSTART:tomorrow"), Reason.UNREADABLE),
        (("UID:a", "DTSTART:20270301T100000Z", "DTSTART:20270302T100000Z"), Reason.UNREADABLE),
        (("UID:a", "DTSTART:PT1H", "DURATION:PT1H"), Reason.UNREADABLE),
        (("UID:a", "DTSTART;TZID=America:20270301T100000"), Reason.UNKNOWN_ZONE),
        (("UID:a", "DTSTART;TZID=../../etc/passwd:20270301T100000"), Reason.UNKNOWN_ZONE),
        (("UID:a", "DTSTART;TZID=:20270301T100000"), Reason.UNKNOWN_ZONE),
    ],
)
def test_what_is_no_event_is_left_out_with_its_line_and_the_reason(
    lines: tuple[str, ...], reason: Reason
) -> None:
    reading = read_text(calendar(vevent(uid="UID:b"), "\r\n".join(("BEGIN:VEVENT", *lines, "END:VEVENT"))))

    assert [event.ics_uid for event in reading.events] == ["b"]
    assert [(skipped.reason, skipped.line) for skipped in reading.skipped] == [(reason, 8)]
    assert reason.words


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=SECONDLY",
        "FREQ=MINUTELY",
        "FREQ=HOURLY;BYMINUTE=0,10,20,30,40,50",
        "FREQ=DAILY;BYHOUR=0,1,2,3,4,5,6,7,8,9;BYMINUTE=0,5,10,15,20,25,30,35,40,45",
        "FREQ=DAILY;INTERVAL=0",
        "FREQ=MONTHLY;BYDAY=6MO",
        "FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=31",
    ],
)
def test_a_rule_that_would_never_end_is_not_followed(rule: str) -> None:
    reading = read_text(calendar(vevent(f"RRULE:{rule}"), vevent(uid="UID:b")))

    assert [event.ics_uid for event in reading.events] == ["b"]
    assert reasons(reading) == {Reason.UNUSABLE_RULE: 1}
    assert reading.covered == {"b"}


@pytest.mark.parametrize(
    ("rule", "count"),
    [
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", 2),  # and the first, which does not meet the rule
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;COUNT=5", 6),
        ("FREQ=MINUTELY;INTERVAL=20;BYHOUR=9,10;COUNT=6", 6),
        ("FREQ=YEARLY;INTERVAL=4;UNTIL=20400101T000000Z", 1),
        ("FREQ=DAILY;COUNT=5;UNTIL=20270303T100000Z", 3),
    ],
)
def test_a_rare_rule_is_followed(rule: str, count: int) -> None:
    assert len(read_text(calendar(vevent(f"RRULE:{rule}"))).events) == count


def test_more_occurrences_than_an_import_holds_are_refused_with_what_to_do() -> None:
    events = [vevent("RRULE:FREQ=DAILY", uid=f"UID:{number}") for number in range(2)]
    scope = Scope(THREE_YEARS, "Etc/UTC", most=1_000)

    with pytest.raises(CalendarFileError, match="more than 1,000 events in those days; choose fewer"):
        read(calendar(*events).encode(), scope)


def test_many_unusable_rules_are_refused_as_a_whole() -> None:
    events = [vevent("RRULE:FREQ=SECONDLY", uid=f"UID:{n}") for n in range(101)]

    with pytest.raises(CalendarFileError, match="More than 100 events recur by rules"):
        read_text(calendar(*events))


def test_a_zone_that_changes_every_second_is_none() -> None:
    zone = (
        "BEGIN:VTIMEZONE\r\nTZID:Bomb\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nTZOFFSETFROM:+0000\r\n"
        "TZOFFSETTO:+0100\r\nRRULE:FREQ=SECONDLY\r\nEND:STANDARD\r\nEND:VTIMEZONE"
    )

    reading = read_text(calendar(zone, vevent(start="DTSTART;TZID=Bomb:20270301T100000")))

    assert reasons(reading) == {Reason.UNKNOWN_ZONE: 1}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no BEGIN:VCALENDAR"),
        (b"<!doctype html>", "no BEGIN:VCALENDAR"),
        (b"PK\x03\x04...", "ZIP archive; unpack it"),
        (b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:a", "ends inside of the VEVENT that begins in line 2"),
        (
            b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VCALENDAR",
            "Line 3: END:VCALENDAR, but it is VEVENT of line 2",
        ),
        (b"BEGIN:VEVENT\nEND:VEVENT", "Line 1: BEGIN:VEVENT stands outside"),
        (b"END:VCALENDAR", "Line 1: END:VCALENDAR ends what was never begun"),
        (b"BEGIN:VCALENDAR\n" + b"BEGIN:X\n" * 12, "Line 11: components are nested"),
        (b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:Caf\xe9\n", "Line 3 is not valid UTF-8.*iconv"),
        (b"\xff\xfeB\x00E", "ends inside|UTF-16|no BEGIN"),
        (b"BEGIN:VCALENDAR\n" + b"X" * 25_000_000, "more than 25 MB"),
    ],
)
def test_a_broken_file_is_refused_with_the_line_and_what_to_do(data: bytes, words: str) -> None:
    with pytest.raises(CalendarFileError, match=words):
        read_text(data)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: text.encode("utf-16"),
        lambda text: text.replace("\r\n", "\n").encode(),
        lambda text: text.replace("\r\n", "\r").encode(),
        lambda text: text.replace("\r\n", "\r\n\r\n").encode(),
        lambda text: text.replace("VERSION:2.0\r\n", "").encode(),
        lambda text: text.replace("BEGIN:VEVENT", "begin:vevent").encode(),
        lambda text: text.replace("END:VEVENT", "left over of a text\r\nEND:VEVENT").encode(),
        lambda text: text.replace("Lunch", "Lu\r\n nch").encode(),
        lambda text: text.encode().replace(b"\xc3\xa9", b"\xc3\r\n \xa9"),
        lambda text: text.replace("Lunch", "Lu\x00\x07nch").encode(),
    ],
)
def test_a_file_is_read_however_it_was_saved(change: object) -> None:
    assert callable(change)

    (found,) = drafts(change(calendar(vevent("SUMMARY:Lunch at the café"))))

    assert found.summary == "Lunch at the café"


def test_all_calendars_of_a_file_are_read() -> None:
    both = calendar(vevent(uid="UID:a")) + calendar(vevent(uid="UID:b"))

    assert [event.ics_uid for event in read_text(both).events] == ["a", "b"]


def test_an_event_without_a_uid_is_known_by_its_start_and_summary() -> None:
    first, again, other = (
        read_text(calendar(vevent(f"SUMMARY:{summary}", f"DESCRIPTION:{text}", uid=""))).events[0].ics_uid
        for summary, text in (("Lunch", "x"), ("Lunch", "y"), ("Dinner", "x"))
    )

    assert first == again != other


def test_a_uid_with_the_sign_that_separates_occurrences_is_not_taken_for_one() -> None:
    (event,) = read_text(calendar(vevent(uid="UID:a#b%23"))).events

    assert event.ics_uid == "a%23b%2523"


def test_a_long_uid_fits_and_stays_one_of_its_own() -> None:
    first, second = read_text(calendar(*(vevent(uid=f"UID:{'u' * 600}{n}") for n in (1, 2)))).events

    assert first.ics_uid != second.ics_uid
    assert len(first.ics_uid) < 500


def test_texts_that_are_too_long_are_cut_and_that_is_said() -> None:
    reading = read_text(calendar(vevent(f"DESCRIPTION:{'x' * 5_000}", f"SUMMARY:{'y' * 1_024}")))

    found = reading.events[0].draft
    assert (len(found.description), found.description[-2:], len(found.summary)) == (4_096, "x…", 1_024)
    assert reading.notes[0].startswith("1 texts were cut")


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "https://example.com/a b", "x" * 10, "https://e/" + "x" * 2_048]
)
def test_what_is_no_web_address_is_left_out(url: str) -> None:
    assert "url" not in draft(f"URL:{url}").details


def test_reminders_are_the_alarms_before_the_start_once_each() -> None:
    triggers = ["-PT10M", "-PT10M", "PT0S", "-P1D", "PT5M", "-P5W", "nonsense", "-PT1H", "-PT2H", "-PT3H"]
    alarms = [f"BEGIN:VALARM\r\nTRIGGER:{trigger}\r\nEND:VALARM" for trigger in triggers]
    of_the_end = "BEGIN:VALARM\r\nTRIGGER;RELATED=END:-PT7M\r\nEND:VALARM"

    found = draft(*alarms, of_the_end)

    assert found.details["reminders"] == [{"minutes": minutes} for minutes in (0, 10, 60, 120, 180)]


def test_progress_ends_with_all_of_it_done() -> None:
    seen: list[tuple[int, int]] = []

    read(
        calendar(
            vevent("RRULE:FREQ=DAILY;COUNT=3"), vevent(uid="UID:b"), "BEGIN:VTODO\r\nEND:VTODO"
        ).encode(),
        Scope(THREE_YEARS, "Etc/UTC"),
        lambda done, total: seen.append((done, total)),
    )

    assert seen[-1] == (3, 3)
