"""Requests that are owed to applications: written with the change that causes them, sent afterwards.

A crash between the two loses nothing, since both are one transaction. Several processes share the work:
whoever wants to make a delivery claims it for a while, and what a dead process has claimed comes back by
itself. A delivery may thus be made twice, but is never lost (at least once).
"""

import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Select, delete, event, func, insert, or_, select, update

from widgetsvc.calendars.store.schema import channels, deliveries
from widgetsvc.clock import Clock

CLAIM_SECONDS = 60
"""How long a claim holds; far longer than one attempt may take."""

_RANKED = 500


@dataclass(frozen=True, slots=True)
class Delivery:
    """A request that its holder may make until `claimed_until`; `attempts` were made before."""

    delivery_id: int
    application_id: int
    channel_id: str | None
    url: str
    body: str
    attempts: int
    claimed_until: int


class Outbox:
    """Deliveries that are to be made. `owed` is set after each commit that has put something in."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._reader = engine
        self._writer = engine.execution_options(writes=True)
        self._clock = clock
        self.owed = threading.Event()
        event.listen(engine, "checkin", self._after_transaction)

    def put(
        self, connection: Connection, application_id: int, url: str, body: str, channel_id: str | None = None
    ) -> None:
        """Owe the application a POST of a JSON body, as part of the connection's transaction."""
        now = int(self._clock())
        connection.execute(
            insert(deliveries).values(
                application_id=application_id,
                channel_id=channel_id,
                url=url,
                body=body,
                attempts=0,
                next_attempt_at=now,
                created_at=now,
            )
        )
        connection.info[self] = True

    def _after_transaction(self, _driver_connection: object, record: Any) -> None:
        # A connection goes back to the pool when its transaction is over: what it has put can be seen by now.
        if record.info.pop(self, False):
            self.owed.set()

    def claim(self, limit: int, in_hand: Mapping[int, int], per_application: int) -> list[Delivery]:
        """Claim up to `limit` deliveries that are due, and so many for each application at most.

        `in_hand` says how many each application has already. First come the applications' first deliveries,
        then their second ones, and what has failed before comes after what has not: nobody's slow receiver
        stands in the way of others.
        """
        now = int(self._clock())
        busy = [application_id for application_id, count in in_hand.items() if count >= per_application]
        with self._reader.connect() as connection:
            due = connection.execute(_due(now, busy, per_application).limit(limit)).all()
        counts = dict(in_hand)
        chosen: list[int] = []
        for row in due:
            if counts.get(row.application_id, 0) < per_application:
                counts[row.application_id] = counts.get(row.application_id, 0) + 1
                chosen.append(row.delivery_id)
        return self._claim(chosen, now) if chosen else []

    def _claim(self, delivery_ids: Sequence[int], now: int) -> list[Delivery]:
        statement = (
            update(deliveries)
            .where(deliveries.c.delivery_id.in_(delivery_ids), _unclaimed(now))
            .values(claimed_until=now + CLAIM_SECONDS)
            .returning(*(deliveries.c[name] for name in Delivery.__dataclass_fields__))
        )
        with self._writer.begin() as connection:
            claimed = [Delivery(*row) for row in connection.execute(statement)]
        return sorted(claimed, key=lambda delivery: delivery_ids.index(delivery.delivery_id))

    def remove(self, delivery: Delivery) -> None:
        """Forget a delivery that has been made or given up, unless the claim has passed to another."""
        with self._writer.begin() as connection:
            connection.execute(delete(deliveries).where(*_held(delivery)))

    def postpone(self, delivery: Delivery, until: int) -> None:
        """Count a failed attempt and give the claim back, unless it has passed to another."""
        with self._writer.begin() as connection:
            connection.execute(
                update(deliveries)
                .where(*_held(delivery))
                .values(attempts=delivery.attempts + 1, next_attempt_at=until, claimed_until=None)
            )

    def close_channel(self, channel_id: str) -> None:
        """Delete a channel whose receiver is gone, and with it all that is owed to it."""
        with self._writer.begin() as connection:
            connection.execute(delete(channels).where(channels.c.channel_id == channel_id))


def _unclaimed(now: int) -> Any:
    return or_(deliveries.c.claimed_until.is_(None), deliveries.c.claimed_until <= now)


def _held(delivery: Delivery) -> tuple[Any, ...]:
    return (
        deliveries.c.delivery_id == delivery.delivery_id,
        deliveries.c.claimed_until == delivery.claimed_until,
    )


def _due(now: int, busy: Collection[int], per_application: int) -> Select[Any]:
    # Not all that is due is ranked, or a long queue would be read anew for each of its entries. Whoever fills
    # this many places is busy by the next claim, which then sees the others.
    some = (
        select(deliveries)
        .where(deliveries.c.next_attempt_at <= now, _unclaimed(now), deliveries.c.application_id.not_in(busy))
        .order_by(deliveries.c.next_attempt_at)
        .limit(_RANKED)
        .subquery()
    )
    in_order = (some.c.attempts, some.c.next_attempt_at, some.c.delivery_id)
    rank = func.row_number().over(partition_by=some.c.application_id, order_by=in_order).label("rank")
    ranked = select(some, rank).subquery()
    return (
        select(ranked.c.delivery_id, ranked.c.application_id)
        .where(ranked.c.rank <= per_application)
        .order_by(ranked.c.rank, ranked.c.attempts, ranked.c.next_attempt_at, ranked.c.delivery_id)
    )
