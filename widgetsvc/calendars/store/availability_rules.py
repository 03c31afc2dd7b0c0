"""The store of availability rules: the weekly hours that accounts keep."""

from collections.abc import Collection
from dataclasses import asdict
from typing import Any

from sqlalchemy import Engine, Row, delete, select

from widgetsvc.calendars.records import AvailabilityRule, WeeklyPeriod
from widgetsvc.calendars.store import owned
from widgetsvc.calendars.store.schema import availability_rules as table
from widgetsvc.clock import Clock

MAX_RULES = 50
"""Rules that an account has at most: each one costs every availability query that asks for them."""


class AvailabilityRuleStore:
    """Availability rules of all accounts, by sub and the application's own id."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._reader = engine
        self._writer = engine.execution_options(writes=True)
        self._clock = clock

    def upsert(self, sub: str, rule: AvailabilityRule) -> bool:
        """Write a rule over the one of its id. False if it would be more than `MAX_RULES`."""
        values = {
            "tzid": rule.tzid,
            "weekly_periods": [asdict(period) for period in rule.weekly_periods],
            "calendar_ids": None if rule.calendar_ids is None else list(rule.calendar_ids),
        }
        key = {"sub": sub, "availability_rule_id": rule.availability_rule_id}
        with self._writer.begin() as connection:
            return owned.put(
                connection,
                table,
                key,
                values,
                at_most=MAX_RULES,
                when_new={"created_at": int(self._clock())},
            )

    def rule(self, sub: str, availability_rule_id: str) -> AvailabilityRule | None:
        """The account's rule of this id, if there is one."""
        query = select(table).where(table.c.sub == sub, table.c.availability_rule_id == availability_rule_id)
        with self._reader.connect() as connection:
            row = connection.execute(query).one_or_none()
        return _rule(row) if row else None

    def delete(self, sub: str, availability_rule_id: str) -> None:
        """Remove a rule; an unknown one is no error."""
        with self._writer.begin() as connection:
            connection.execute(
                delete(table).where(table.c.sub == sub, table.c.availability_rule_id == availability_rule_id)
            )

    def rules(self, subs: Collection[str]) -> dict[str, list[AvailabilityRule]]:
        """The rules of each account, oldest first."""
        query = (
            select(table)
            .where(table.c.sub.in_(sorted(subs)))
            .order_by(table.c.created_at, table.c.availability_rule_id)
        )
        found: dict[str, list[AvailabilityRule]] = {sub: [] for sub in subs}
        with self._reader.connect() as connection:
            for row in connection.execute(query):
                found[row.sub].append(_rule(row))
        return found


def _rule(row: Row[*tuple[Any, ...]]) -> AvailabilityRule:
    return AvailabilityRule(
        availability_rule_id=row.availability_rule_id,
        tzid=row.tzid,
        weekly_periods=tuple(WeeklyPeriod(**period) for period in row.weekly_periods),
        calendar_ids=None if row.calendar_ids is None else tuple(row.calendar_ids),
    )
