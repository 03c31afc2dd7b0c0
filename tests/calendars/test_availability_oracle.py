"""The whole of `POST /v1/availability` against a judge that looks at every minute by itself.

Events, rules, periods and queries are made up and sent over the API. The judge knows no intervals: of every
minute it says who could meet in it, by what a clock on the wall of the rule's zone shows, and it tries every
start.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import combinations, count
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete

from tests.calendars.conftest import Api, Calendar
from widgetsvc.calendars.backend import Backend
from widgetsvc.calendars.store import schema

# The days around which clocks change in the first three zones; the fourth never changes them.
ZONES = ("Europe/London", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu")
DAYS = (date(2026, 3, 29), date(2026, 10, 25), date(2026, 11, 1), date(2026, 10, 4), date(2026, 11, 24))
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
LENGTH = 2 * 1_440
"""Minutes that a query spans at most."""
MARGIN = 1_440
"""Minutes before and after it in which events are made up: more than any buffer."""


def written(base: datetime, minute: int) -> str:
    return f"{base + timedelta(minutes=minute):%Y-%m-%dT%H:%M:%SZ}"


@dataclass
class Diary:
    """What a member has in its calendar, in minutes from the base."""

    events: list[tuple[int, int, str]]
    """Start, end and one of `opaque`, `transparent`, `tentative`, `excluded`."""
    rules: list[tuple[str, list[tuple[str, str, str]]]]
    periods: list[tuple[int, int]]


@dataclass
class Scene:
    base: datetime
    diaries: list[Diary]
    groups: list[tuple[list[dict[str, Any]], int]]
    windows: list[tuple[int, int]]
    duration: int
    interval: int | None
    buffer: tuple[int, int]
    members: list[dict[str, Any]] = field(init=False)

    def __post_init__(self) -> None:
        self.members = [member for members, _ in self.groups for member in members]


def spans(
    most: int, lengths: tuple[int, int], margin: int = 0, least: int = 0
) -> st.SearchStrategy[list[tuple[int, int]]]:
    pairs = st.tuples(st.integers(-margin, LENGTH + margin - 1), st.integers(*lengths))
    span = pairs.map(lambda pair: (pair[0], min(sum(pair), LENGTH + margin)))
    return st.lists(span, min_size=least, max_size=most)


@st.composite
def hours_of_a_day(draw: st.DrawFn) -> tuple[str, str, str]:
    start = draw(st.integers(0, 60))
    end = draw(st.integers(start + 1, 95) | st.just(96))
    closes = draw(st.sampled_from(["24:00", "00:00"])) if end == 96 else f"{end // 4:02}:{end % 4 * 15:02}"
    # Days that the queries are about.
    day = draw(st.sampled_from(["saturday", "sunday", "monday", "tuesday"]))
    return day, f"{start // 4:02}:{start % 4 * 15:02}", closes


ZONE = st.sampled_from(ZONES)
BUFFERS = st.tuples(st.sampled_from([0, 0, 10, 45, 720]), st.sampled_from([0, 15, 60]))
KINDS = st.sampled_from(["opaque", "opaque", "transparent", "tentative", "excluded"])


@st.composite
def diaries(draw: st.DrawFn) -> Diary:
    kept = draw(spans(6, (5, 240), MARGIN))
    return Diary(
        events=[(start, end, draw(KINDS)) for start, end in kept],
        rules=draw(st.lists(st.tuples(ZONE, st.lists(hours_of_a_day(), min_size=2, max_size=9)), max_size=2)),
        periods=draw(spans(2, (60, 900))),
    )


@st.composite
def flags(draw: st.DrawFn, n: int) -> dict[str, Any]:
    constraints = st.fixed_dictionaries(
        {"period": st.sampled_from(["day", "week"]), "limit": st.integers(1, 6), "tzid": ZONE}
    )
    return {
        "n": n,
        "managed": draw(st.booleans()),
        "rule_ids": draw(st.sampled_from([None, None, None, [], [0], [1]])),
        "ignore_tentative": draw(st.booleans()),
        "periods": draw(st.none() | st.none() | spans(2, (300, 1_500))),
        "buffer": draw(st.none() | BUFFERS),
        "constraints": draw(
            st.sampled_from([0, 0, 0, 1]).flatmap(lambda k: st.lists(constraints, max_size=k))
        ),
    }


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    size = draw(st.integers(1, 3))
    members = [draw(flags(n)) for n in range(size)]
    split = draw(st.integers(1, size))
    groups = [(some, draw(st.integers(1, len(some)))) for some in (members[:split], members[split:]) if some]
    noon = datetime.combine(draw(st.sampled_from(DAYS)), datetime.min.time(), UTC) - timedelta(hours=12)
    return Scene(
        base=noon,
        diaries=[draw(diaries()) for _ in range(size)],
        groups=groups,
        windows=draw(spans(3, (200, LENGTH), least=1)),
        duration=draw(st.sampled_from([15, 30, 45, 60, 90])),
        interval=draw(st.sampled_from([None, 5, 30, 60])),
        buffer=draw(BUFFERS),
    )


@cache
def wall_clock(first: int, tzid: str) -> dict[int, datetime]:
    """What a clock shows in every minute after the first."""
    zone = ZoneInfo(tzid)
    return {
        minute: datetime.fromtimestamp((first + minute) * 60, zone)
        for minute in range(-MARGIN, LENGTH + MARGIN)
    }


@cache
def days(first: int, tzid: str) -> dict[str, list[tuple[int, date, str]]]:
    """The minutes of each day of the week, with their date and the time as `HH:MM`."""
    found: dict[str, list[tuple[int, date, str]]] = {day: [] for day in WEEKDAYS}
    for minute, wall in wall_clock(first, tzid).items():
        found[WEEKDAYS[wall.weekday()]].append((minute, wall.date(), f"{wall:%H:%M}"))
    return found


class Judge:
    """Says of every minute who could meet in it, and finds what there is by trying."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.first = int(scene.base.timestamp()) // 60
        self.free = [self._free(member) for member in scene.members]

    def _free(self, member: dict[str, Any]) -> set[int]:
        """The minutes in which a member could meet; it can attend what has all its minutes among them."""
        diary = self.scene.diaries[member["n"]]
        free = minutes(self.scene.windows)
        if member["periods"] is not None:
            free &= minutes(member["periods"])
        if member["managed"]:
            chosen = [
                rule
                for n, rule in enumerate(diary.rules)
                if member["rule_ids"] is None or n in member["rule_ids"]
            ]
            free &= minutes(diary.periods).union(*(self._hours(*rule) for rule in chosen))
        before, after = self.scene.buffer if member["buffer"] is None else member["buffer"]
        for start, end, kind in diary.events:
            if kind == "opaque" or (kind == "tentative" and not member["ignore_tentative"]):
                # A minute is lost if its buffers, or it, touch the event.
                free.difference_update(range(start - after, end + before))
        for constraint in member["constraints"]:
            free -= self._full(constraint, diary)
        return free

    def _hours(self, tzid: str, hours: list[tuple[str, str, str]]) -> set[int]:
        found: dict[tuple[date, tuple[str, str, str]], list[int]] = {}
        for of_day in hours:
            day, opens, closes = of_day
            closes = closes.replace("00:00", "24:00")
            for minute, today, shown in days(self.first, tzid)[day]:
                if opens <= shown < closes:
                    found.setdefault((today, of_day), []).append(minute)
        # Where clocks show an hour twice, a period that begins in it holds what lies between both passes too.
        return {minute for some in found.values() for minute in range(some[0], some[-1] + 1)}

    def _full(self, constraint: dict[str, Any], diary: Diary) -> set[int]:
        clock = wall_clock(self.first, constraint["tzid"])

        def of(minute: int) -> object:
            day = clock[minute].date()
            return day if constraint["period"] == "day" else day.isocalendar()[:2]

        counts: dict[object, int] = {}
        for start, end, kind in diary.events:
            touching = set() if kind == "excluded" else {of(start), of((start + end) // 2), of(end - 1)}
            for touched in touching:
                counts[touched] = counts.get(touched, 0) + 1
        return {minute for minute in range(LENGTH) if counts.get(of(minute), 0) >= constraint["limit"]}

    def suffices(self, present: tuple[int, ...]) -> bool:
        n = 0
        for members, required in self.scene.groups:
            if sum(n <= member < n + len(members) for member in present) < required:
                return False
            n += len(members)
        return True

    def present(self, start: int, end: int) -> tuple[int, ...]:
        wanted = range(start, end)
        return tuple(n for n, free in enumerate(self.free) if free.issuperset(wanted))

    def on_grid(self, minute: int, step: int) -> bool:
        return (self.first + minute) % step == 0

    def overlapping_slots(self) -> Iterator[tuple[int, int, tuple[int, ...]]]:
        length = self.scene.duration
        step = self.scene.interval or (length if 60 % length == 0 else 30)
        for start in range(LENGTH - length + 1):
            if self.on_grid(start, step):
                present = self.present(start, start + length)
                if self.suffices(present):
                    yield start, start + length, present

    def slots(self) -> Iterator[tuple[int, int, tuple[int, ...]]]:
        earliest = 0
        for start, end, present in self.overlapping_slots():
            if start >= earliest:
                yield start, end, present
                earliest = end

    def periods(self) -> list[tuple[int, int, tuple[int, ...]]]:
        found = set()
        everybody = range(len(self.free))
        for size in range(1, len(self.free) + 1):
            for some in combinations(everybody, size):
                if self.suffices(some):
                    common = set.intersection(*(self.free[n] for n in some))
                    for opens, end in runs(common):
                        start = next(m for m in count(opens) if self.on_grid(m, self.scene.interval or 1))
                        if end - start >= self.scene.duration:
                            found.add((start, end, self.present(start, end)))
        return sorted(
            one
            for one in found
            if not any(
                other != one and other[0] <= one[0] and one[1] <= other[1] and set(one[2]) <= set(other[2])
                for other in found
            )
        )


def minutes(of: list[tuple[int, int]]) -> set[int]:
    return {minute for start, end in of for minute in range(start, end)}


def runs(of: set[int]) -> Iterator[tuple[int, int]]:
    for start in sorted(minute for minute in of if minute - 1 not in of):
        end = start
        while end in of:
            end += 1
        yield start, end


class Stage:
    """A backend in which one scene after the other is set up."""

    def __init__(self, engine: Engine, api: Api) -> None:
        self.engine = engine
        self.api = api
        self.calendars = [api.calendar(f"member-{n}") for n in range(3)]

    def set_up(self, scene: Scene) -> None:
        with self.engine.execution_options(writes=True).begin() as connection:
            for table in (schema.events, schema.availability_rules, schema.available_periods):
                connection.execute(delete(table))
        for calendar, diary in zip(self.calendars, scene.diaries, strict=False):
            self._write(calendar, scene.base, diary)

    def _write(self, calendar: Calendar, base: datetime, diary: Diary) -> None:
        entries = []
        for n, (start, end, kind) in enumerate(diary.events):
            data = {"event_id": f"{kind}-{n}", "summary": kind, "start": written(base, start)}
            data |= {"end": written(base, end)}
            if kind in {"transparent", "tentative"}:
                data["extended_transparency"] = kind
            entries.append({"method": "POST", "relative_url": calendar.events_path, "data": data})
        for n, (start, end) in enumerate(diary.periods):
            data = {"available_period_id": str(n), "start": written(base, start), "end": written(base, end)}
            entries.append({"method": "POST", "relative_url": "/v1/available_periods", "data": data})
        if entries:
            answers = calendar.post("/v1/batch", {"batch": entries}).json["batch"]
            assert {answer["status"] for answer in answers} == {202}
        for n, (tzid, hours) in enumerate(diary.rules):
            weekly = [{"day": day, "start_time": start, "end_time": end} for day, start, end in hours]
            rule = {"availability_rule_id": str(n), "tzid": tzid, "weekly_periods": weekly}
            assert calendar.post("/v1/availability_rules", rule).status_code == 200

    def ask(self, scene: Scene, response_format: str) -> list[tuple[int, int, tuple[int, ...]]]:
        body = {
            "participants": [
                {"members": [self._member(scene, member) for member in members], "required": required}
                for members, required in scene.groups
            ],
            "required_duration": {"minutes": scene.duration},
            "query_periods": self._periods(scene, scene.windows),
            "response_format": response_format,
            "start_interval": scene.interval and {"minutes": scene.interval},
            "buffer": self._buffer(scene.buffer),
            "excluded_events": [{"event_id": f"excluded-{n}"} for n in range(6)],
        }
        response = self.api.availability(body)
        assert response.status_code == 200, response.text
        (found,) = response.json.values()
        return [
            (
                self._minute(scene, entry["start"]),
                self._minute(scene, entry["end"]),
                tuple(
                    n
                    for participant in entry["participants"]
                    for n, member in enumerate(scene.members)
                    if self.calendars[member["n"]].sub == participant["sub"]
                ),
            )
            for entry in found
        ]

    def _member(self, scene: Scene, member: dict[str, Any]) -> dict[str, Any]:
        ids = member["rule_ids"]
        rules = scene.diaries[member["n"]].rules
        return {
            "sub": self.calendars[member["n"]].sub,
            "managed_availability": member["managed"],
            "availability_rule_ids": None if ids is None else [str(n) for n in ids if n < len(rules)],
            "ignore_tentative": member["ignore_tentative"],
            "available_periods": None
            if member["periods"] is None
            else self._periods(scene, member["periods"]),
            "buffer": member["buffer"] and self._buffer(member["buffer"]),
            "availability_constraints": member["constraints"],
        }

    @staticmethod
    def _periods(scene: Scene, spans: list[tuple[int, int]]) -> list[dict[str, str]]:
        return [
            {"start": written(scene.base, start), "end": written(scene.base, end)} for start, end in spans
        ]

    @staticmethod
    def _buffer(buffer: tuple[int, int]) -> dict[str, Any]:
        before, after = buffer
        return {"before": {"minutes": before}, "after": {"minimum": {"minutes": after}}}

    @staticmethod
    def _minute(scene: Scene, time: str) -> int:
        minute, rest = divmod(datetime.fromisoformat(time) - scene.base, timedelta(minutes=1))
        assert not rest
        return minute


@pytest.fixture
def stage(engine: Engine, backend: Backend, api: Api) -> Stage:
    return Stage(engine, api)


@given(scene=scenes())
@settings(
    max_examples=80,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_all_three_formats_are_what_looking_at_every_minute_finds(stage: Stage, scene: Scene) -> None:
    judge = Judge(scene)
    stage.set_up(scene)

    assert stage.ask(scene, "overlapping_slots") == list(judge.overlapping_slots())
    assert stage.ask(scene, "slots") == list(judge.slots())
    assert stage.ask(scene, "periods") == judge.periods()
