"""The members of a query as the engine takes them: what the stores know of them, cut to what is asked.

Source: Cronofy API, Availability. Where the documentation is silent:

- Managed availability is the time in any of the member's rules or available periods, so that a member with
  neither is available nowhere. `availability_rule_ids` chooses among the rules; the periods always apply.
- An account has one calendar, so the `calendar_ids` of rules and members have nothing to choose from.
- A constraint counts what the application itself wrote, transparent events included but not those that the
  query excludes, by the days of UTC if it names no zone.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from widgetsvc.calendars import times
from widgetsvc.calendars.backend import Backend
from widgetsvc.calendars.engine import availability as engine
from widgetsvc.calendars.engine import limits, weekly
from widgetsvc.calendars.engine.timespan import Timespan, intersect, merge, subtract
from widgetsvc.calendars.errors import FieldError, InvalidParameters
from widgetsvc.calendars.records import Account, AvailabilityRule, WeeklyPeriod
from widgetsvc.calendars.requests.availability import (
    BufferRequest,
    ConstraintRequest,
    GroupRequest,
    LocatedMember,
    MemberRequest,
)
from widgetsvc.calendars.store.events import EventStore, ManagedTime
from widgetsvc.calendars.store.selection import BusyFilter

MOST_SPANS = 150_000
"""Stretches of managed availability in one query; more would hold a thread for several seconds."""

_WEEK = 7 * 86_400
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY = 24 * 60


def faults(
    backend: Backend, accounts: Mapping[str, Account], members: Sequence[LocatedMember]
) -> Iterator[FieldError]:
    """What the stores do not know of what members refer to: subs, calendars and rules.

    `accounts` are those of the application among the members.
    """
    choosy = {member.sub for _, member in members if member.availability_rule_ids and member.sub in accounts}
    rules = backend.availability_rules.rules(choosy) if choosy else {}
    for path, member in members:
        account = accounts.get(member.sub)
        if account is None:
            yield FieldError(f"{path}.sub", "errors.not_recognized", "is not an account of this application")
            continue
        if not account.connected:
            yield FieldError(
                f"{path}.sub", "errors.not_recognized", "has no calendar: its profile was revoked"
            )
        if member.calendar_ids and account.calendar_id not in member.calendar_ids:
            yield FieldError(
                f"{path}.calendar_ids", "errors.not_recognized", "none is the account's calendar"
            )
        known = {rule.availability_rule_id for rule in rules.get(member.sub, ())}
        for index, name in enumerate(member.availability_rule_ids or ()):
            if name not in known:
                yield FieldError(
                    f"{path}.availability_rule_ids[{index}]",
                    "errors.not_recognized",
                    "is not an availability rule of the account",
                )


def buffer(wanted: BufferRequest) -> engine.Buffer:
    """A buffer as the engine takes it."""
    return engine.Buffer(before=wanted.before.seconds, after=wanted.after.seconds)


class Party(NamedTuple):
    """The groups of a meeting, and the buffer of those members who have none of their own."""

    groups: Sequence[GroupRequest]
    buffer: BufferRequest

    @property
    def members(self) -> Iterator[MemberRequest]:
        """The members of all groups."""
        return (member for group in self.groups for member in group.members)

    @property
    def widest_buffer(self) -> int:
        """How far from a meeting, in seconds, an event can be in its way."""
        buffers = [self.buffer, *(member.buffer for member in self.members if member.buffer)]
        return max(side.seconds for each in buffers for side in (each.before, each.after))


class Diaries:
    """What the stores know of everybody in some parties about one stretch of time.

    Rules and periods cost a statement each for all members together, and events one call of
    `EventStore.busy` for each of the up to four ways in which members choose among them.
    """

    def __init__(
        self,
        backend: Backend,
        accounts: Mapping[str, Account],
        parties: Sequence[Party],
        within: Timespan,
        excluded: Iterable[str] = (),
    ) -> None:
        """Read what matters to meetings inside `within`; every member's sub has to be in `accounts`.

        `excluded` are the ids or uids of events that make nobody busy and that no constraint counts. Raises
        InvalidParameters where the members' managed availability is in more pieces than can be put together
        in reasonable time.
        """
        self._calendar_ids = {sub: account.calendar_id for sub, account in accounts.items()}
        self._within = within
        self._excluded = frozenset(excluded)
        self._weeks: dict[tuple[str, frozenset[WeeklyPeriod]], list[Timespan]] = {}
        members = [member for party in parties for member in party.members]
        managed = {member.sub for member in members if member.managed_availability}
        self._rules = backend.availability_rules.rules(managed) if managed else {}
        self._periods = backend.available_periods.touching(managed, within) if managed else {}
        self._managed: dict[tuple[str, frozenset[str] | None], list[Timespan]] = {}
        self._check_spans(members)
        reach = max(party.widest_buffer for party in parties)
        self._busy = self._read_busy(
            backend.events, members, Timespan(within.start - reach, within.end + reach)
        )
        self._managed_times = self._read_managed_times(backend.events, members)

    def _read_busy(
        self, store: EventStore, members: Iterable[MemberRequest], around: Timespan
    ) -> dict[BusyFilter, dict[str, list[tuple[int, int]]]]:
        asked: dict[BusyFilter, set[str]] = defaultdict(set)
        for member in members:
            asked[self._filter(member)].add(self._calendar_ids[member.sub])
        return {which: store.busy(calendars, around, which) for which, calendars in asked.items()}

    def _filter(self, member: MemberRequest) -> BusyFilter:
        return BusyFilter(member.only_managed_events, member.ignore_tentative, self._excluded)

    def _read_managed_times(
        self, store: EventStore, members: Iterable[MemberRequest]
    ) -> dict[str, list[ManagedTime]]:
        counted: dict[str, list[Timespan]] = defaultdict(list)
        for member in members:
            for constraint in member.availability_constraints or ():
                counted[member.sub].append(limits.counted(_limit(constraint), self._within))
        return {
            sub: store.managed_times(self._calendar_ids[sub], _around(spans), self._excluded)
            for sub, spans in counted.items()
        }

    def group(self, wanted: GroupRequest, bounds: Sequence[Timespan] | None = None) -> engine.Group:
        """A group whose members are available only inside `bounds`, sorted and disjoint, where given."""
        members = [self._member(member, bounds) for member in wanted.members]
        return engine.Group(members, wanted.required or len(members))

    def _member(self, wanted: MemberRequest, bounds: Sequence[Timespan] | None) -> engine.Member:
        return engine.Member(
            sub=wanted.sub,
            busy=self._busy[self._filter(wanted)][self._calendar_ids[wanted.sub]],
            windows=self._windows(wanted, bounds),
            buffer=buffer(wanted.buffer) if wanted.buffer else None,
        )

    def _windows(self, wanted: MemberRequest, bounds: Sequence[Timespan] | None) -> Sequence[Timespan] | None:
        narrowings = [] if bounds is None else [bounds]
        if wanted.available_periods is not None:
            narrowings.append(merge(period.span for period in wanted.available_periods))
        if wanted.managed_availability:
            narrowings.append(self._managed_windows(wanted))
        full = merge(
            span for limit in wanted.availability_constraints or () for span in self._full(wanted, limit)
        )
        if full:
            narrowings.append(subtract([self._within], full))
        if not narrowings:
            return None
        windows, *others = narrowings
        for other in others:
            windows = intersect(windows, other)
        return windows

    def _check_spans(self, members: Iterable[MemberRequest]) -> None:
        kinds = {_managed_key(member) for member in members if member.managed_availability}
        weeks = (self._within.end - self._within.start) // _WEEK + 2
        weekly_periods = sum(len(rule.weekly_periods) for kind in kinds for rule in self._chosen(*kind))
        spans = weekly_periods * weeks + sum(len(self._periods[sub]) for sub, _ in kinds)
        if spans > MOST_SPANS:
            raise InvalidParameters.single(
                "base",
                "errors.too_many",
                "the members have too many weekly and available periods in that time; ask for fewer, or less",
            )

    def _chosen(self, sub: str, rule_ids: frozenset[str] | None) -> list[AvailabilityRule]:
        return [
            rule for rule in self._rules[sub] if rule_ids is None or rule.availability_rule_id in rule_ids
        ]

    def _managed_windows(self, wanted: MemberRequest) -> list[Timespan]:
        """The time in any of the member's rules and periods; one who is in several groups has it once."""
        key = _managed_key(wanted)
        if key not in self._managed:
            zones = _by_zone(self._chosen(*key)).items()
            weeks = [span for tzid, periods in zones for span in self._week(tzid, periods)]
            self._managed[key] = merge([*weeks, *self._periods[wanted.sub]])
        return self._managed[key]

    def _week(self, tzid: str, periods: frozenset[WeeklyPeriod]) -> list[Timespan]:
        """When weekly periods apply: members who keep the same hours share the work."""
        key = tzid, periods
        if key not in self._weeks:
            self._weeks[key] = weekly.windows(list(map(_weekly, periods)), times.zone(tzid), self._within)
        return self._weeks[key]

    def _full(self, wanted: MemberRequest, constraint: ConstraintRequest) -> list[Timespan]:
        tags = None if constraint.tags is None else {tag.value for tag in constraint.tags}
        counting = [
            (event.start, event.end)
            for event in self._managed_times[wanted.sub]
            if tags is None or not event.tags.isdisjoint(tags)
        ]
        return limits.full_periods(counting, _limit(constraint), self._within)


def _managed_key(wanted: MemberRequest) -> tuple[str, frozenset[str] | None]:
    chosen = wanted.availability_rule_ids
    return wanted.sub, None if chosen is None else frozenset(chosen)


def _around(spans: Sequence[Timespan]) -> Timespan:
    return Timespan(min(span.start for span in spans), max(span.end for span in spans))


def _limit(constraint: ConstraintRequest) -> limits.Limit:
    return limits.Limit(constraint.limit, limits.Period(constraint.period), times.zone(constraint.tzid))


def _by_zone(rules: Iterable[AvailabilityRule]) -> dict[str, frozenset[WeeklyPeriod]]:
    found: dict[str, frozenset[WeeklyPeriod]] = {}
    for rule in rules:
        found[rule.tzid] = found.get(rule.tzid, frozenset()).union(rule.weekly_periods)
    return found


def _weekly(written: WeeklyPeriod) -> weekly.WeeklyPeriod:
    # Midnight at the end is 24:00 whether it was written so or as 00:00.
    return weekly.WeeklyPeriod(
        _DAYS.index(written.day), _minute(written.start_time), _minute(written.end_time) or _DAY
    )


def _minute(time_of_day: str) -> int:
    hours, minutes = time_of_day.split(":")
    return int(hours) * 60 + int(minutes)
