"""The rules of sequences one by one, and then all of them against trying every order and every start."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.calendars.test_availability import (
    DAY,
    MINUTE,
    Oracle,
    at,
    clock,
    everyone,
    member,
    on_the_clock,
    query,
    some_spans,
)
from widgetsvc.calendars.engine.availability import Buffer, Group, Member, Opening, Query
from widgetsvc.calendars.engine.sequences import Gap, Item, sequences
from widgetsvc.calendars.engine.timespan import Timespan


def item(
    name: str,
    windows: str,
    minutes: int = 60,
    ordinal: int | None = None,
    before: Gap | None = None,
    after: Gap | None = None,
) -> Item:
    """An item that one person, free in the windows, can hold at every half hour."""
    asked = query(everyone(member()), windows=windows, minutes=minutes, every=30)
    return Item(name, asked, ordinal, before or Gap(), after or Gap())


def least(minutes: int) -> Gap:
    return Gap(minimum=minutes * MINUTE)


def most(minutes: int) -> Gap:
    return Gap(maximum=minutes * MINUTE)


def told(found: Sequence[Sequence[tuple[Item, Opening]]]) -> list[str]:
    """Sequences as "a 09:00, b 10:00"."""
    return [", ".join(f"{part.id} {clock(opening.start)}" for part, opening in parts) for parts in found]


# Order


def test_items_follow_their_ordinals_not_the_request() -> None:
    items = [item("b", "09:00-12:00", ordinal=20), item("a", "09:00-12:00", ordinal=3)]

    assert told(sequences(items)) == ["a 09:00, b 10:00", "a 09:30, b 10:30", "a 10:00, b 11:00"]


def test_items_without_ordinals_come_in_whichever_order_is_over_first() -> None:
    items = [item("a", "11:00-12:00"), item("b", "09:00-10:00 13:00-14:00")]

    assert told(sequences(items)) == ["b 09:00, a 11:00", "a 11:00, b 13:00"]


def test_items_with_equal_ordinals_come_in_either_order() -> None:
    items = [item("a", "10:00-11:00", ordinal=1), item("b", "09:00-10:00", ordinal=1)]

    assert told(sequences(items)) == ["b 09:00, a 10:00"]


def test_an_item_without_ordinal_may_come_between_those_that_have_one() -> None:
    items = [
        item("a", "09:00-10:00", ordinal=1),
        item("b", "11:00-12:00", ordinal=2),
        item("x", "10:00-11:00"),
    ]

    assert told(sequences(items)) == ["a 09:00, x 10:00, b 11:00"]


def test_items_that_cannot_come_in_their_order_make_no_sequence() -> None:
    assert sequences([item("a", "11:00-12:00", ordinal=1), item("b", "09:00-10:00", ordinal=2)]) == []


def test_one_item_makes_sequences_of_one() -> None:
    assert told(sequences([item("a", "09:00-10:30")])) == ["a 09:00", "a 09:30"]


@pytest.mark.parametrize("id", ["123", 123])
def test_ids_are_handed_back_as_they_came(id: str | int) -> None:  # noqa: A002
    found = sequences([replace(item("a", "09:00-10:00"), id=id)])

    assert [[part.id for part, _ in parts] for parts in found] == [[id]]


# Choice


def test_of_sequences_with_one_start_the_one_that_ends_soonest_is_given() -> None:
    long, short = item("long", "09:00-12:00", 120), item("short", "09:00-10:00 13:00-14:00")

    assert told(sequences([long, short])) == [
        "short 09:00, long 10:00",
        "long 09:30, short 13:00",
        "long 10:00, short 13:00",
    ]


def test_of_those_that_end_together_the_one_with_earlier_starts_is_given() -> None:
    first, last = item("a", "09:00-10:00"), item("z", "14:00-15:00")
    between = item("m", "10:00-13:00")

    assert told(sequences([last, between, first])) == ["a 09:00, m 10:00, z 14:00"]


def test_of_those_with_the_same_starts_the_order_of_the_request_decides() -> None:
    assert told(sequences([item("b", "09:00-11:00"), item("a", "09:00-11:00")])) == ["b 09:00, a 10:00"]


def test_items_do_not_overlap() -> None:
    assert sequences([item("a", "09:00-10:30"), item("b", "09:00-10:30")]) == []


# Gaps


@pytest.mark.parametrize(
    ("after", "before", "start"),
    [
        pytest.param(Gap(), Gap(), "10:00", id="none"),
        pytest.param(least(30), Gap(), "10:30", id="after the one"),
        pytest.param(Gap(), least(60), "11:00", id="before the other"),
        pytest.param(least(30), least(60), "11:00", id="the larger, not both"),
        pytest.param(least(45), Gap(), "11:00", id="up to the next start"),
    ],
)
def test_the_larger_minimum_lies_between_neighbours(after: Gap, before: Gap, start: str) -> None:
    items = [
        item("a", "09:00-10:00", ordinal=1, after=after),
        item("b", "09:00-13:00", ordinal=2, before=before),
    ]

    assert told(sequences(items)) == [f"a 09:00, b {start}"]


@pytest.mark.parametrize(
    ("after", "before", "starts"),
    [
        pytest.param(most(60), Gap(), ["10:00", "10:30", "11:00"], id="after the one"),
        pytest.param(Gap(), most(60), ["10:00", "10:30", "11:00"], id="before the other"),
        pytest.param(most(30), most(60), ["10:30", "11:00"], id="the smaller"),
        pytest.param(most(0), Gap(), ["11:00"], id="none"),
        pytest.param(Gap(), Gap(), ["09:00", "09:30", "10:00", "10:30", "11:00"], id="any"),
    ],
)
def test_at_most_the_smaller_maximum_lies_between_neighbours(
    after: Gap, before: Gap, starts: list[str]
) -> None:
    items = [
        item("a", "09:00-12:00", ordinal=1, after=after),
        item("b", "12:00-13:00", ordinal=2, before=before),
    ]

    assert told(sequences(items)) == [f"a {start}, b 12:00" for start in starts]


def test_items_whose_gaps_contradict_are_no_neighbours() -> None:
    first = item("a", "09:00-13:00", ordinal=1, after=most(30))
    last = item("b", "09:00-13:00", ordinal=2, before=least(60))

    assert sequences([first, last]) == []
    assert told(sequences([first, last, item("x", "09:00-13:00")])) == ["a 09:00, x 10:00, b 12:00"]


def test_nothing_bounds_the_time_around_the_whole() -> None:
    outer = Gap(minimum=600 * MINUTE, maximum=600 * MINUTE)
    items = [
        item("a", "09:00-10:00", ordinal=1, before=outer),
        item("b", "10:00-11:00", ordinal=2, after=outer),
    ]

    assert told(sequences(items)) == ["a 09:00, b 10:00"]


def test_an_item_waits_for_a_follower_that_must_come_soon() -> None:
    items = [
        item("a", "09:00-10:00", ordinal=1),
        item("b", "10:00-15:00", ordinal=2, after=most(0)),
        item("c", "14:00-16:00", ordinal=3),
    ]

    assert told(sequences(items)) == ["a 09:00, b 13:00, c 14:00"]


def test_a_later_start_can_be_over_sooner() -> None:
    """At 09:00 only b can follow at once, and then it is long before c can."""
    items = [
        item("a", "09:00-10:00 11:00-12:00", after=most(0)),
        item("b", "10:00-11:00 13:00-14:00", after=least(180)),
        item("c", "12:00-13:00 20:00-21:00"),
    ]

    assert told(sequences(items)) == ["a 09:00, b 10:00, c 20:00", "a 11:00, c 12:00, b 13:00"]


# Members


def test_each_item_names_who_is_available_for_it() -> None:
    rooms = Group([member("apc_b"), member("apc_c", busy="11:00-12:00")], required=1)
    items = [
        Item(1, query(everyone(member("apc_a")), windows="09:00-10:00"), 1),
        Item(2, query(rooms, windows="11:00-12:00"), 2),
    ]

    (parts,) = sequences(items)

    assert [opening for _, opening in parts] == [
        Opening(at("09:00"), at("10:00"), ("apc_a",)),
        Opening(at("11:00"), at("12:00"), ("apc_b",)),
    ]


def test_buffers_keep_their_distance_from_events_too() -> None:
    first = item("a", "09:00-10:00", ordinal=1)
    busy = query(everyone(member(busy="10:00-11:00")), windows="10:00-14:00", every=30)
    second = Item("b", replace(busy, buffer=Buffer(before=30 * MINUTE)), 2, gap_before=least(30))

    assert told(sequences([first, second])) == ["a 09:00, b 11:30"]


def test_an_item_that_is_never_possible_leaves_no_sequence() -> None:
    assert sequences([item("a", "09:00-17:00"), item("b", "09:00-09:30")]) == []


def test_items_may_list_their_starts() -> None:
    listed = Item("b", query(everyone(member()), starts="10:07 09:13"), 2)

    assert told(sequences([item("a", "08:00-12:00", ordinal=1), listed])) == [
        "a 08:00, b 09:13",
        "a 08:30, b 10:07",
        "a 09:00, b 10:07",
    ]


# Results


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_results_are_cut_at_the_maximum_but_items_are_not(limit: int) -> None:
    first = item("a", "09:00-17:00", ordinal=1)
    items = [replace(first, query=replace(first.query, max_results=1)), item("b", "16:00-18:00", ordinal=2)]

    assert sequences(items, max_results=limit) == sequences(items)[:limit]
    assert len(sequences(items)) == 15


def test_the_maximum_is_512_unless_given() -> None:
    always = Query([everyone(member())], 60, [Timespan(DAY, DAY + 700 * MINUTE)])

    assert len(sequences([Item("a", always), Item("b", always)])) == 512
    assert len(sequences([Item("a", always), Item("b", always)], 1000)) == 699


def test_items_may_lie_weeks_apart() -> None:
    days = 24 * 60
    month = [Timespan(DAY, DAY + 3600), Timespan(DAY + 20 * days * MINUTE, DAY + 20 * days * MINUTE + 3600)]
    ends = Query([everyone(member())], 3600, month)

    (first,) = sequences([Item("a", ends), Item("b", ends)])

    assert [opening.start for _, opening in first] == [span.start for span in month]


# What is refused


def test_there_must_be_items() -> None:
    with pytest.raises(ValueError, match="at least one item"):
        sequences([])


@pytest.mark.parametrize(
    ("gap", "fault"),
    [
        ({"minimum": -1}, "negative"),
        ({"minimum": 2, "maximum": 1}, "below its minimum"),
        ({"maximum": -1}, "below"),
    ],
)
def test_a_gap_that_makes_no_sense_is_refused(gap: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        Gap(**gap)


# The oracle: tries every order, and in it every start of every item.


def in_order(order: Sequence[Item]) -> bool:
    ordinals = [part.ordinal for part in order if part.ordinal is not None]
    return ordinals == sorted(ordinals)


def allowed(one: Opening, after: Gap, before: Gap, other: Opening) -> bool:
    gap = other.start - one.end
    return (
        gap >= after.minimum
        and gap >= before.minimum
        and (after.maximum is None or gap <= after.maximum)
        and (before.maximum is None or gap <= before.maximum)
    )


def completed(
    parts: list[tuple[Item, Opening]], rest: Sequence[Item], meetings: dict[int, list[Opening]]
) -> Iterator[list[tuple[Item, Opening]]]:
    if not rest:
        yield parts
        return
    for opening in meetings[id(rest[0])]:
        if not parts or allowed(parts[-1][1], parts[-1][0].gap_after, rest[0].gap_before, opening):
            yield from completed([*parts, (rest[0], opening)], rest[1:], meetings)


def everything_tried(items: Sequence[Item], tick: int) -> list[list[tuple[Item, Opening]]]:
    meetings = {id(part): list(Oracle(part.query, tick).meetings()) for part in items}
    places = {id(part): n for n, part in enumerate(items)}

    def preference(parts: list[tuple[Item, Opening]]) -> tuple[int, list[int], list[int]]:
        return (
            parts[-1][1].end,
            [opening.start for _, opening in parts],
            [places[id(part)] for part, _ in parts],
        )

    best: dict[int, list[tuple[Item, Opening]]] = {}
    for order in permutations(items):
        if in_order(order):
            for parts in completed([], order, meetings):
                start = parts[0][1].start
                if start not in best or preference(parts) < preference(best[start]):
                    best[start] = parts
    return [best[start] for start in sorted(best)]


def some_gaps(longest: int) -> st.SearchStrategy[Gap]:
    bounded = st.builds(
        lambda minimum, more: Gap(minimum, minimum + more), st.integers(0, 3), st.integers(0, longest)
    )
    return st.one_of(st.just(Gap()), st.builds(Gap, st.integers(0, 4)), bounded)


def some_items(horizon: int) -> st.SearchStrategy[Item]:
    """Items counted in ticks, of one or two members; many have the same times, so that much is tied."""
    whole = st.sampled_from([[Timespan(0, horizon)], [Timespan(0, horizon)], [Timespan(0, horizon // 2)]])
    members = st.builds(
        Member,
        sub=st.sampled_from("abc"),
        busy=some_spans(horizon, longest=4, least=0, most=4),
        windows=st.none() | some_spans(horizon, longest=horizon, least=1, most=3),
        buffer=st.none() | st.builds(Buffer, st.integers(0, 2), st.integers(0, 2)),
    )
    free = st.just([Group([Member("a", [])], 1)])
    groups = st.builds(
        lambda some, required: [Group(some, min(required, len(some)))],
        st.lists(members, min_size=1, max_size=2),
        st.integers(1, 2),
    )
    queries = st.builds(
        Query,
        groups=free | groups,
        duration=st.sampled_from([1, 1, 2, 2, 3, 5]),
        windows=whole | some_spans(horizon, longest=horizon, least=1, most=3),
        start_interval=st.sampled_from([1, 1, 2, 3]),
        buffer=st.just(Buffer()) | st.builds(Buffer, st.integers(0, 2), st.integers(0, 2)),
    )
    listed = st.builds(
        lambda asked, starts: replace(asked, windows=(), start_interval=None, starts=starts),
        queries,
        st.lists(st.integers(0, horizon), min_size=1, max_size=6),
    )
    return st.builds(
        Item,
        id=st.sampled_from(["x", "y", 7]),
        query=st.one_of(queries, queries, queries, listed),
        ordinal=st.none() | st.integers(1, 3),
        gap_before=some_gaps(horizon // 2),
        gap_after=some_gaps(horizon // 2),
    )


def placed(part: Item, first: int, tick: int) -> Item:
    """The item with its ticks made seconds."""

    def scaled(gap: Gap) -> Gap:
        return Gap(gap.minimum * tick, None if gap.maximum is None else gap.maximum * tick)

    return Item(
        part.id,
        on_the_clock(part.query, first, tick),
        part.ordinal,
        scaled(part.gap_before),
        scaled(part.gap_after),
    )


# Ticks of hours and days make weeks of a few, over which results are found one part after another.
ticks = st.sampled_from([1, 60, 900, 6 * 3600, 86_400])


@pytest.mark.parametrize(("count", "horizon", "cases"), [(2, 40, 100), (3, 30, 60), (4, 16, 30), (5, 12, 12)])
def test_sequences_are_what_trying_everything_gives(count: int, horizon: int, cases: int) -> None:
    @settings(max_examples=cases)
    @given(st.lists(some_items(horizon), min_size=count, max_size=count), st.integers(-100, 100), ticks)
    def compare(items: list[Item], first: int, tick: int) -> None:
        items = [placed(part, first, tick) for part in items]

        assert sequences(items) == everything_tried(items, tick)

    compare()
