"""Requests that are owed to applications: written with the change that causes them, sent afterwards.

A crash between the two loses nothing, since both are one transaction.
"""

from sqlalchemy import Connection, insert

from widgetsvc.calendars.store.schema import deliveries
from widgetsvc.clock import Clock


class Outbox:
    """Deliveries that are to be made."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

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
