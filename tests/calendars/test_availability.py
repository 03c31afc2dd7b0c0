"""The engine's rules one by one, and then all of them at once against a clock that is read tick by tick."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from widgetsvc.calendars.engine.availability import (
    Buffer,
    Group,
    Member,
    Opening,
    Query,
    overlapping_slots,
    periods,
    slots,
)
from widgetsvc.calendars.engine.timespan import Timespan
from widgetsvc.calendars.engine.weekly import WeeklyPeriod, windows

DAY = 1719273600  # 2024-06-25T00:00:00Z
MINUTE = 60

Format = Callable[[Query], list[Opening]]
every_format = pytest.mark.parametrize("ask", [periods, slots, overlapping_slots])


def at(clock: str) -> int:
    """Unix seconds of a time such as 09:30 on the day; hours may run past 24."""
    hours, minutes = clock.split(":")
    return DAY + int(hours) * 3600 + int(minutes) * MINUTE


def span(text: str) -> Timespan:
    """A timespan written as 09:00-10:30."""
    start, end = text.split("-")
    return Timespan(at(start), at(end))


def spans(text: str) -> list[Timespan]:
    return [span(word) for word in text.split()]


def member(
    sub: str = "apc_a", busy: str = "", windows: str | None = None, buffer: Buffer | None = None
) -> Member:
    return Member(sub, spans(busy), None if windows is None else spans(windows), buffer)


def everyone(*members: Member) -> Group:
    return Group(members, len(members))


def query(
    *groups: Group, windows: str = "", starts: str = "", minutes: int = 60, every: int | None = None
) -> Query:
    return Query(
        groups=groups,
        duration=minutes * MINUTE,
        windows=spans(windows),
        starts=[at(clock) for clock in starts.split()],
        start_interval=None if every is None else every * MINUTE,
    )


def clock(seconds: int) -> str:
    minutes = (seconds - DAY) // MINUTE
    return f"{minutes // 60:02}:{minutes % 60:02}"


def times(openings: Sequence[Opening]) -> str:
    return " ".join(f"{clock(opening.start)}-{clock(opening.end)}" for opening in openings)


def named(openings: Sequence[Opening]) -> list[tuple[str, str]]:
    """Each opening's time and subs, the subs without their prefix: ("09:00-10:00", "ab")."""
    return [
        (times([opening]), "".join(sub.removeprefix("apc_") for sub in opening.subs)) for opening in openings
    ]


# Events


def test_without_events_the_window_is_one_period() -> None:
    asked = query(everyone(member()), windows="09:00-18:00")

    assert periods(asked) == [Opening(at("09:00"), at("18:00"), ("apc_a",))]


@every_format
def test_a_meeting_may_start_the_moment_another_ends(ask: Format) -> None:
    asked = query(everyone(member(busy="09:00-10:00 11:00-12:00")), windows="09:00-12:00")

    assert times(ask(asked)) == "10:00-11:00"


@every_format
def test_a_gap_shorter_than_the_meeting_offers_nothing(ask: Format) -> None:
    asked = query(everyone(member(busy="09:00-10:00 10:59-12:00")), windows="09:00-12:00", every=1)

    assert ask(asked) == []


@pytest.mark.parametrize(
    ("busy", "free"),
    [
        pytest.param("10:00-11:00", "09:00-10:00 11:00-13:00", id="one"),
        pytest.param("11:00-12:00 10:00-11:00", "09:00-10:00 12:00-13:00", id="unsorted and touching"),
        pytest.param("10:00-12:00 10:30-11:00", "09:00-10:00 12:00-13:00", id="one inside another"),
        pytest.param("10:00-11:00 10:00-11:00", "09:00-10:00 11:00-13:00", id="the same twice"),
        pytest.param("08:00-10:00 12:00-15:00", "10:00-12:00", id="across both ends of the window"),
        pytest.param("06:00-09:00 13:00-14:00", "09:00-13:00", id="outside the window"),
        pytest.param("08:00-20:00", "", id="all of the window"),
    ],
)
def test_events_block_in_whatever_order_they_come(busy: str, free: str) -> None:
    asked = query(everyone(member(busy=busy)), windows="09:00-13:00")

    assert times(periods(asked)) == free


def test_events_may_be_plain_rows() -> None:
    rows = Member("apc_a", [(at("10:00"), at("11:00"))])
    asked = query(everyone(rows), windows="09:00-12:00")

    assert times(periods(asked)) == "09:00-10:00 11:00-12:00"


# Windows


@every_format
@pytest.mark.parametrize("windows", ["09:00-10:00 10:00-11:00", "09:30-11:00 09:00-10:30"])
def test_windows_that_touch_or_overlap_are_one(ask: Format, windows: str) -> None:
    asked = query(everyone(member()), windows=windows, minutes=120, every=60)

    assert times(ask(asked)) == "09:00-11:00"


@every_format
def test_a_meeting_lies_inside_one_window(ask: Format) -> None:
    asked = query(everyone(member()), windows="09:00-10:00 10:01-11:00", minutes=120, every=1)

    assert ask(asked) == []


@every_format
def test_a_members_windows_narrow_the_querys(ask: Format) -> None:
    asked = query(everyone(member(windows="11:00-12:00 08:00-10:00 16:00-19:00")), windows="09:00-17:00")

    assert times(ask(asked)) == "09:00-10:00 11:00-12:00 16:00-17:00"


@every_format
def test_a_member_with_an_empty_list_of_windows_is_never_available(ask: Format) -> None:
    assert ask(query(everyone(member(windows="")), windows="09:00-17:00")) == []


@every_format
def test_without_windows_and_starts_there_is_nothing(ask: Format) -> None:
    assert ask(query(everyone(member()))) == []


# Buffers


def test_a_before_buffer_keeps_its_distance_from_the_event_before() -> None:
    asked = query(everyone(member(busy="09:00-10:00 12:00-13:00")), windows="09:00-13:00")

    found = periods(replace(asked, buffer=Buffer(before=30 * MINUTE)))

    assert times(found) == "10:30-12:00"


def test_an_after_buffer_keeps_its_distance_from_the_event_after() -> None:
    asked = query(everyone(member(busy="09:00-10:00 12:00-13:00")), windows="09:00-13:00")

    found = periods(replace(asked, buffer=Buffer(after=30 * MINUTE)))

    assert times(found) == "10:00-11:30"


@every_format
def test_a_buffer_may_touch_an_event(ask: Format) -> None:
    asked = query(everyone(member(busy="08:00-08:30 10:15-11:00")), windows="09:00-10:00")

    assert times(ask(replace(asked, buffer=Buffer(30 * MINUTE, 15 * MINUTE)))) == "09:00-10:00"


@every_format
def test_a_buffer_must_not_overlap_an_event_by_a_second(ask: Format) -> None:
    late = Member("apc_a", [Timespan(at("08:00"), at("08:30") + 1)])
    asked = query(everyone(late), windows="09:00-10:00")

    assert ask(replace(asked, buffer=Buffer(before=30 * MINUTE))) == []


@every_format
def test_buffers_need_not_lie_inside_any_window(ask: Format) -> None:
    asked = query(everyone(member(windows="09:00-10:00")), windows="09:00-10:00")

    assert times(ask(replace(asked, buffer=Buffer(30 * MINUTE, 30 * MINUTE)))) == "09:00-10:00"


@pytest.mark.parametrize(
    ("own", "free"),
    [
        pytest.param(None, "10:30-12:00", id="none of its own"),
        pytest.param(Buffer(), "10:00-12:00", id="an empty one"),
        pytest.param(Buffer(before=3600), "11:00-12:00", id="a longer one"),
    ],
)
def test_a_members_buffer_replaces_the_querys(own: Buffer | None, free: str) -> None:
    asked = query(everyone(member(busy="09:00-10:00", buffer=own)), windows="09:00-12:00")

    assert times(periods(replace(asked, buffer=Buffer(before=30 * MINUTE)))) == free


# Groups


def test_an_opening_names_everyone_available_not_only_those_required() -> None:
    rooms = Group([member("apc_a"), member("apc_b", busy="08:00-18:00"), member("apc_c")], required=1)

    assert named(slots(query(rooms, windows="09:00-10:00"))) == [("09:00-10:00", "ac")]


@every_format
def test_every_group_must_have_enough(ask: Format) -> None:
    hosts = Group([member("apc_a", busy="09:00-10:00"), member("apc_b", busy="10:00-11:00")], required=1)
    rooms = Group([member("apc_c", busy="10:00-11:00"), member("apc_d")], required=2)

    assert named(ask(query(hosts, rooms, windows="09:00-11:00"))) == [("09:00-10:00", "bcd")]


@every_format
def test_one_group_cannot_lend_its_members_to_another(ask: Format) -> None:
    full = Group([member("apc_a"), member("apc_b")], required=1)
    empty = Group([member("apc_c", busy="09:00-11:00")], required=1)

    assert ask(query(full, empty, windows="09:00-11:00")) == []


@every_format
def test_a_group_that_requires_more_than_it_has_is_never_available(ask: Format) -> None:
    assert ask(query(Group([member()], required=2), windows="09:00-11:00")) == []


@every_format
def test_subs_come_in_request_order_each_once(ask: Format) -> None:
    groups = [everyone(member("apc_c"), member("apc_a")), everyone(member("apc_b"), member("apc_c"))]

    assert named(ask(query(*groups, windows="09:00-10:00"))) == [("09:00-10:00", "cab")]


def test_people_keep_their_order_whichever_of_their_memberships_is_available() -> None:
    twice = Group([member("apc_a", busy="09:00-10:00"), member("apc_b"), member("apc_a")], required=1)

    assert named(periods(query(twice, windows="09:00-11:00"))) == [("09:00-11:00", "ab")]


# Starts


@pytest.mark.parametrize(
    ("minutes", "starts"),
    [
        (15, "09:15 09:30 09:45 10:00 10:15 10:30 10:45 11:00"),
        (20, "09:20 09:40 10:00 10:20 10:40"),
        (30, "09:30 10:00 10:30"),
        (60, "10:00"),
        (45, "09:30 10:00 10:30"),
        (90, "09:30"),
        (120, ""),
    ],
)
def test_without_an_interval_slots_start_on_multiples_of_their_length_or_half_hours(
    minutes: int, starts: str
) -> None:
    asked = query(everyone(member()), windows="09:10-11:15", minutes=minutes)

    assert " ".join(clock(opening.start) for opening in overlapping_slots(asked)) == starts


def test_overlapping_slots_start_at_every_interval() -> None:
    asked = query(everyone(member()), windows="09:05-10:35", every=15)

    assert times(overlapping_slots(asked)) == "09:15-10:15 09:30-10:30"


def test_the_interval_counts_on_the_clock_and_not_from_an_events_end() -> None:
    asked = query(everyone(member(busy="09:00-09:50")), windows="09:00-12:00", every=30)

    assert times(overlapping_slots(asked)) == "10:00-11:00 10:30-11:30 11:00-12:00"


def test_a_slot_that_would_end_a_second_late_is_not_offered() -> None:
    early = Member("apc_a", [Timespan(at("10:30") - 1, at("11:00"))])
    asked = query(everyone(early), windows="09:00-11:00", every=30)

    assert times(overlapping_slots(asked)) == "09:00-10:00"


def test_slots_do_not_overlap_and_the_earliest_wins() -> None:
    asked = query(everyone(member(busy="10:45-11:00")), windows="09:00-13:00", minutes=45, every=30)

    assert times(slots(asked)) == "09:00-09:45 10:00-10:45 11:00-11:45 12:00-12:45"


def test_a_slot_waits_for_the_next_interval_after_the_last_one() -> None:
    asked = query(everyone(member()), windows="09:00-12:00", minutes=50, every=20)

    assert times(slots(asked)) == "09:00-09:50 10:00-10:50 11:00-11:50"


def test_slots_do_not_overlap_where_the_members_change() -> None:
    either = Group([member("apc_a", busy="10:30-12:00"), member("apc_b", busy="08:00-09:30")], required=1)

    assert named(slots(query(either, windows="09:00-12:00", every=30))) == [
        ("09:00-10:00", "a"),
        ("10:00-11:00", "b"),
        ("11:00-12:00", "b"),
    ]


@every_format
def test_query_starts_are_the_only_candidates(ask: Format) -> None:
    asked = query(everyone(member(busy="12:00-13:00")), starts="14:07 09:03 11:30 14:07")

    assert times(ask(asked)) == "09:03-10:03 14:07-15:07"


@every_format
def test_query_starts_ignore_the_interval(ask: Format) -> None:
    assert times(ask(query(everyone(member()), starts="09:03", every=30))) == "09:03-10:03"


@every_format
def test_query_starts_are_bounded_by_the_members_windows(ask: Format) -> None:
    asked = query(everyone(member(windows="09:00-10:30")), starts="08:59 09:30 09:31")

    assert times(ask(asked)) == "09:30-10:30"


def test_query_starts_that_overlap_are_all_periods_but_not_all_slots() -> None:
    asked = query(everyone(member()), starts="09:00 09:30 10:00")

    assert times(periods(asked)) == "09:00-10:00 09:30-10:30 10:00-11:00"
    assert times(overlapping_slots(asked)) == "09:00-10:00 09:30-10:30 10:00-11:00"
    assert times(slots(asked)) == "09:00-10:00 10:00-11:00"


# Periods


def test_a_period_without_an_interval_starts_where_the_window_opens() -> None:
    assert times(periods(query(everyone(member()), windows="09:07-11:00"))) == "09:07-11:00"


def test_a_period_with_an_interval_starts_at_the_first_multiple_inside_it() -> None:
    busy = member(busy="12:00-12:10 13:31-14:00")

    assert (
        times(periods(query(everyone(busy), windows="09:07-15:00", every=30)))
        == "09:30-12:00 12:30-13:31 14:00-15:00"
    )


def test_a_period_too_short_after_its_first_multiple_is_dropped() -> None:
    assert periods(query(everyone(member()), windows="09:07-10:20", every=30)) == []


def test_everyone_required_gives_the_time_all_share() -> None:
    both = everyone(member("apc_a", busy="11:00-12:00"), member("apc_b", windows="10:00-16:00"))

    assert named(periods(query(both, windows="09:00-17:00"))) == [
        ("10:00-11:00", "ab"),
        ("12:00-16:00", "ab"),
    ]


def test_one_required_gives_each_members_time_and_the_time_they_share() -> None:
    either = Group(
        [member("apc_a", windows="09:00-12:00"), member("apc_b", windows="10:00-14:00")], required=1
    )

    assert named(periods(query(either, windows="09:00-17:00"))) == [
        ("09:00-12:00", "a"),
        ("10:00-12:00", "ab"),
        ("10:00-14:00", "b"),
    ]


def test_time_shared_for_less_than_the_meeting_is_no_period() -> None:
    either = Group(
        [member("apc_a", windows="09:00-12:00"), member("apc_b", windows="11:01-14:00")], required=1
    )

    assert named(periods(query(either, windows="09:00-17:00"))) == [
        ("09:00-12:00", "a"),
        ("11:01-14:00", "b"),
    ]


def test_a_period_inside_one_that_names_more_is_dropped() -> None:
    either = Group(
        [member("apc_a", windows="09:00-12:00"), member("apc_b", windows="08:00-17:00")], required=1
    )

    assert named(periods(query(either, windows="09:00-12:00"))) == [("09:00-12:00", "ab")]


def test_periods_that_the_interval_makes_equal_are_one() -> None:
    either = Group(
        [member("apc_a", windows="09:05-12:00"), member("apc_b", windows="09:10-12:00")], required=1
    )

    assert named(periods(query(either, windows="09:00-17:00", every=30))) == [("09:30-12:00", "ab")]


@pytest.mark.parametrize("window", ["10:00-12:00", "09:00-11:00", "10:00-11:00"])
def test_a_period_inside_one_of_the_same_people_is_dropped(window: str) -> None:
    """The same sub in two groups, with other windows: more memberships, but nobody new."""
    twice = [
        Group([member("apc_a", windows="09:00-12:00"), member("apc_b", windows="09:00-12:00")], required=1),
        Group([member("apc_a", windows=window), member("apc_c", windows="09:00-12:00")], required=1),
    ]

    assert named(periods(query(*twice, windows="09:00-17:00"))) == [("09:00-12:00", "abc")]


def test_one_person_in_two_groups_must_be_available_in_both() -> None:
    groups = [everyone(member(windows="09:00-12:00")), everyone(member(windows="10:00-13:00"))]

    assert named(periods(query(*groups, windows="09:00-17:00"))) == [("10:00-12:00", "a")]


def test_periods_sort_by_start_and_then_by_end() -> None:
    either = Group(
        [member("apc_a", windows="09:00-14:00"), member("apc_b", windows="09:00-12:00")], required=1
    )

    assert times(periods(query(either, windows="09:00-17:00"))) == "09:00-12:00 09:00-14:00"


@every_format
@pytest.mark.parametrize("limit", [1, 2, 3])
def test_results_are_cut_at_the_maximum(ask: Format, limit: int) -> None:
    asked = query(everyone(member(busy="10:00-11:00 12:00-13:00 14:00-15:00")), windows="09:00-16:00")

    assert ask(replace(asked, max_results=limit)) == ask(asked)[:limit]
    assert len(ask(asked)) == 4


@every_format
def test_the_maximum_is_512_unless_given(ask: Format) -> None:
    windows = [Timespan(DAY + 7200 * n, DAY + 7200 * n + 3600) for n in range(600)]

    assert len(ask(Query([everyone(member())], 3600, windows))) == 512


# What is refused


def test_a_buffer_must_not_be_negative() -> None:
    with pytest.raises(ValueError, match="negative"):
        Buffer(before=5, after=-1)


def test_a_group_must_require_somebody() -> None:
    with pytest.raises(ValueError, match="at least one member"):
        Group([member()], required=0)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"duration": 0}, "last at least a second"),
        ({"start_interval": 0}, "a second apart"),
        ({"starts": [DAY]}, "not both"),
    ],
)
def test_a_query_that_makes_no_sense_is_refused(change: dict[str, Any], fault: str) -> None:
    asked = query(everyone(member()), windows="09:00-10:00")

    with pytest.raises(ValueError, match=fault):
        replace(asked, **change)


# The oracle: reads the rules literally, one tick of the clock after another, and knows nothing of spans.


class Oracle:
    """Answers a query whose times are all multiples of `tick` by trying everything."""

    def __init__(self, asked: Query, tick: int) -> None:
        self.asked, self.tick = asked, tick
        self.members = [member for group in asked.groups for member in group.members]
        self.busy = [self.ticks(member.busy) for member in self.members]
        self.open = [self.ticks(member.windows or ()) for member in self.members]
        self.window = self.ticks(asked.windows)

    def ticks(self, pairs: Sequence[tuple[int, int]]) -> set[int]:
        return {moment for start, end in pairs for moment in range(start, end, self.tick)}

    def suits(self, n: int, start: int, end: int) -> bool:
        """Whether member n could attend from start to end."""
        member = self.members[n]
        buffer = member.buffer or self.asked.buffer
        meeting = set(range(start, end, self.tick))
        guarded = range(start - buffer.before, end + buffer.after, self.tick)
        return (
            (bool(self.asked.starts) or meeting <= self.window)
            and (member.windows is None or meeting <= self.open[n])
            and self.busy[n].isdisjoint(guarded)
        )

    def attendance(self, start: int, end: int) -> tuple[str, ...] | None:
        """Everyone who could attend from start to end, or None if some group would be short."""
        present = [self.suits(n, start, end) for n in range(len(self.members))]
        left = iter(present)
        for group in self.asked.groups:
            if sum(next(left) for _ in group.members) < group.required:
                return None
        here = {member.sub for member, suits in zip(self.members, present, strict=True) if suits}
        return tuple(sub for sub in dict.fromkeys(member.sub for member in self.members) if sub in here)

    def starts(self, interval: int) -> list[int]:
        if self.asked.starts:
            return sorted(set(self.asked.starts))
        return [moment for moment in sorted(self.window) if moment % interval == 0]

    def meetings(self) -> Iterator[Opening]:
        length = self.asked.duration
        interval = self.asked.start_interval or (length if 3600 % length == 0 else 1800)
        for start in self.starts(interval):
            if subs := self.attendance(start, start + length):
                yield Opening(start, start + length, subs)

    def overlapping_slots(self) -> list[Opening]:
        return list(self.meetings())[: self.asked.max_results]

    def slots(self) -> list[Opening]:
        chosen: list[Opening] = []
        for meeting in self.meetings():
            if not chosen or meeting.start >= chosen[-1].end:
                chosen.append(meeting)
        return chosen[: self.asked.max_results]

    def periods(self) -> list[Opening]:
        if self.asked.starts:
            return self.overlapping_slots()
        step = self.asked.start_interval or self.tick
        stretches: dict[tuple[int, int], tuple[str, ...]] = {}
        for start in self.starts(step):
            end = start + self.asked.duration
            while subs := self.attendance(start, end):
                stretches[start, end] = subs
                end += self.tick
        # A stretch is inside a better one exactly if it can grow by one step and lose nobody.
        return [
            Opening(start, end, subs)
            for (start, end), subs in sorted(stretches.items())
            if not set(subs) <= set(stretches.get((start - step, end), ()))
            and not set(subs) <= set(stretches.get((start, end + self.tick), ()))
        ][: self.asked.max_results]


def some_spans(horizon: int, longest: int, least: int, most: int) -> st.SearchStrategy[list[Timespan]]:
    """Lists of spans that start before the horizon; one number stands for a start and a length."""
    one = st.integers(0, horizon * longest - 1).map(
        lambda code: Timespan(code // longest, code // longest + 1 + code % longest)
    )
    return st.lists(one, min_size=least, max_size=most)


def some_queries(horizon: int) -> st.SearchStrategy[Query]:
    """Queries counted in ticks."""
    windows = some_spans(horizon, longest=horizon, least=1, most=3)
    buffer = st.builds(Buffer, st.integers(0, 5), st.integers(0, 5))
    member = st.builds(
        Member,
        sub=st.sampled_from("abcdef"),
        busy=some_spans(horizon, longest=max(3, horizon // 8), least=0, most=6),
        windows=st.none() | st.none() | windows,
        buffer=st.none() | buffer,
    )
    group = st.builds(
        lambda members, required: Group(members, min(required, len(members))),
        st.lists(member, min_size=1, max_size=4),
        st.integers(1, 4),
    )
    asked = st.builds(
        Query,
        groups=st.lists(group, min_size=1, max_size=3),
        duration=st.integers(1, 12),
        start_interval=st.none() | st.integers(1, 12) | st.sampled_from([15, 20, 30, 45, 60]),
        buffer=buffer,
        max_results=st.sampled_from([512, 512, 3]),
    )
    starts = st.lists(st.integers(-10, horizon), max_size=12)
    return st.one_of(
        st.builds(lambda query, windows: replace(query, windows=windows), asked, windows),
        st.builds(lambda query, windows: replace(query, windows=windows), asked, windows),
        st.builds(lambda query, starts: replace(query, starts=starts), asked, starts),
    )


def on_the_clock(asked: Query, first: int, tick: int) -> Query:
    """The query with its ticks made seconds, counted from `first` ticks after the day begins."""

    def scaled(buffer: Buffer) -> Buffer:
        return Buffer(buffer.before * tick, buffer.after * tick)

    def moment(ticks: int) -> int:
        return DAY + (first + ticks) * tick

    def moments(pairs: Sequence[tuple[int, int]]) -> list[Timespan]:
        return [Timespan(moment(start), moment(end)) for start, end in pairs]

    def placed(member: Member) -> Member:
        windows = None if member.windows is None else moments(member.windows)
        return Member(member.sub, moments(member.busy), windows, member.buffer and scaled(member.buffer))

    return Query(
        groups=[
            Group([placed(member) for member in group.members], group.required) for group in asked.groups
        ],
        duration=asked.duration * tick,
        windows=moments(asked.windows),
        starts=[moment(ticks) for ticks in asked.starts],
        start_interval=asked.start_interval and asked.start_interval * tick,
        buffer=scaled(asked.buffer),
        max_results=asked.max_results,
    )


def questions(horizon: int) -> st.SearchStrategy[tuple[Query, int]]:
    """Queries and their tick in seconds: 1 s shows every seam, 15 min makes 200 ticks two days."""
    return st.builds(
        lambda asked, first, tick: (on_the_clock(asked, first, tick), tick),
        some_queries(horizon),
        st.integers(-100, 100),
        st.sampled_from([1, 60, 300, 900]),
    )


modest = settings(max_examples=200)


@modest
@given(questions(horizon=200))
def test_slots_of_both_kinds_are_what_reading_the_clock_gives(question: tuple[Query, int]) -> None:
    asked, tick = question
    oracle = Oracle(asked, tick)

    assert slots(asked) == oracle.slots()
    assert overlapping_slots(asked) == oracle.overlapping_slots()


@modest
@given(questions(horizon=40))
def test_periods_are_what_reading_the_clock_gives(question: tuple[Query, int]) -> None:
    asked, tick = question

    assert periods(asked) == Oracle(asked, tick).periods()


# Office hours by weekly periods, in weeks when clocks change.

brief = settings(max_examples=60)

QUARTER = 15 * MINUTE
CHANGES = {
    "Europe/London": ["2024-03-31", "2024-10-27"],
    "America/New_York": ["2024-03-10", "2024-11-03"],
    "America/Sao_Paulo": ["2017-10-15", "2018-02-18"],
    "America/Havana": ["2024-03-10", "2024-11-03"],
    "Africa/Cairo": ["2024-04-26", "2024-10-31"],
    "Asia/Beirut": ["2024-03-31", "2024-10-27"],
    "Australia/Lord_Howe": ["2024-04-07", "2024-10-06"],
    "Pacific/Apia": ["2011-12-30"],
}
Hours = list[WeeklyPeriod]


# On whole hours, so that a time shown twice is all in a period or all out.
office_hours: st.SearchStrategy[Hours] = st.lists(
    st.builds(
        lambda day, ends: WeeklyPeriod(day, 60 * min(ends), 60 * max(ends)),
        st.integers(0, 6),
        st.lists(st.integers(0, 24), min_size=2, max_size=2, unique=True),
    ),
    min_size=1,
    max_size=12,
)


@st.composite
def offices(draw: st.DrawFn) -> tuple[Query, list[tuple[ZoneInfo, Hours]]]:
    """A query over the days around a change of clocks, and the zone and the office hours of each member."""
    tz = ZoneInfo(draw(st.sampled_from(sorted(CHANGES))))
    day = int(datetime.fromisoformat(draw(st.sampled_from(CHANGES[tz.key])) + "+00:00").timestamp())
    moments = st.integers(-150, 250).map(lambda quarters: day + quarters * QUARTER)
    start = draw(moments)
    extent = Timespan(start, start + QUARTER * draw(st.integers(4, 300)))
    minutes = st.integers(0, 8).map(lambda quarters: quarters * QUARTER)
    events = st.builds(lambda at, length: Timespan(at, at + QUARTER + length), moments, minutes)
    staff = [
        (draw(st.sampled_from([tz, tz, ZoneInfo("Asia/Kathmandu")])), draw(office_hours))
        for _ in range(draw(st.integers(1, 4)))
    ]
    members = [
        Member(f"apc_{n}", draw(st.lists(events, max_size=8)), windows(hours, zone, extent))
        for n, (zone, hours) in enumerate(staff)
    ]
    first = draw(st.integers(1, len(members)))
    groups = [
        Group(some, draw(st.integers(1, len(some)))) for some in (members[:first], members[first:]) if some
    ]
    asked = Query(
        groups,
        duration=draw(st.integers(1, 10)) * QUARTER,
        windows=[extent],
        start_interval=draw(st.sampled_from([None, QUARTER, 2 * QUARTER, 4 * QUARTER])),
        buffer=Buffer(draw(minutes), draw(minutes)),
        max_results=10_000,
    )
    return asked, staff


class Wall(Oracle):
    """An oracle that tells office hours from the clock on each member's wall."""

    def __init__(self, asked: Query, staff: list[tuple[ZoneInfo, Hours]]) -> None:
        super().__init__(asked, QUARTER)
        self.open = [
            {moment for moment in self.window if self.is_open(datetime.fromtimestamp(moment, zone), hours)}
            for zone, hours in staff
        ]

    @staticmethod
    def is_open(shown: datetime, hours: Hours) -> bool:
        minute = 60 * shown.hour + shown.minute
        return any(
            period.day == shown.weekday() and period.start_minute <= minute < period.end_minute
            for period in hours
        )


@brief
@given(offices())
def test_office_hours_hold_when_clocks_change(office: tuple[Query, list[tuple[ZoneInfo, Hours]]]) -> None:
    asked, staff = office
    wall = Wall(asked, staff)

    assert overlapping_slots(asked) == wall.overlapping_slots()
    assert slots(asked) == wall.slots()


# What the formats say of each other, without any oracle.

any_question = st.one_of(
    questions(horizon=200).map(lambda question: replace(question[0], max_results=10_000)),
    offices().map(lambda office: office[0]),
)


def inside(one: Opening, other: Opening) -> bool:
    """Whether one lies in the other, and the other names everyone that it names."""
    return other.start <= one.start and one.end <= other.end and set(one.subs) <= set(other.subs)


@brief
@given(any_question)
def test_slots_are_some_of_the_overlapping_ones_with_no_room_for_another(asked: Query) -> None:
    chosen, possible = slots(asked), overlapping_slots(asked)

    assert set(chosen) <= set(possible)
    assert all(one.end <= other.start for one, other in pairwise(chosen))
    assert all(any(one.start < other.end and other.start < one.end for other in chosen) for one in possible)


@brief
@given(any_question)
def test_every_overlapping_slot_lies_in_a_period_of_its_people(asked: Query) -> None:
    stretches = periods(asked)

    assert all(any(inside(slot, stretch) for stretch in stretches) for slot in overlapping_slots(asked))


@brief
@given(any_question)
def test_every_start_on_the_grid_in_a_period_is_an_overlapping_slot(asked: Query) -> None:
    possible = {slot.start: slot for slot in overlapping_slots(asked)}
    length = asked.duration
    step = 1 if asked.starts else asked.start_interval or (length if 3600 % length == 0 else 1800)

    for stretch in periods(asked):
        first = stretch.start + -stretch.start % step
        for start in range(first, stretch.end - length + 1, step):
            assert inside(Opening(start, start + length, stretch.subs), possible[start])


@brief
@given(any_question)
def test_no_period_lies_in_another_of_its_people(asked: Query) -> None:
    stretches = periods(asked)

    assert not any(inside(one, other) for one in stretches for other in stretches if one is not other)
    assert stretches == sorted(stretches, key=lambda stretch: (stretch.start, stretch.end))
