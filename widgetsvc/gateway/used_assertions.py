"""Which assertions have been used, for tenants whose policy lets each be good once.

An assertion counts as used when it has passed every check, just before a token is minted or found: one that
is refused can be sent again; one that was accepted cannot, even where Cronofy then gave no token.
"""

from threading import Lock

from sqlalchemy import Engine, delete, insert
from sqlalchemy.exc import IntegrityError

from widgetsvc.clock import Clock
from widgetsvc.errors import InvalidAssertion
from widgetsvc.gateway.assertions import LEEWAY, Assertion
from widgetsvc.gateway.schema import used_assertions
from widgetsvc.gateway.tenant_models import Tenant

CLEAN_SECONDS = 300
"""How often a process that uses assertions deletes those that have expired."""


class UsedAssertions:
    """The used ones, in the database, until they have expired."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._writer = engine.execution_options(writes=True)
        self._clock = clock
        self._lock = Lock()
        self._clean_at = 0.0

    def use(self, tenant: Tenant, assertion: Assertion) -> None:
        """Use an assertion up. Raises InvalidAssertion where it was used before, or has no `jti`."""
        if assertion.jti is None:
            raise InvalidAssertion(
                f"{tenant.name} takes each assertion once. Give it a jti, a text that is never used again, "
                "such as a UUID."
            )
        row = {
            "tenant_id": tenant.tenant_id,
            "jti": assertion.jti,
            "expires_at": assertion.expires_at + LEEWAY,
        }
        try:
            with self._writer.begin() as connection:
                connection.execute(insert(used_assertions).values(row))
        except IntegrityError as error:
            raise InvalidAssertion(
                "The assertion was used already. Sign a new one, with a jti of its own, for every request."
            ) from error
        if self._is_time_to_clean():
            self._clean()

    def _is_time_to_clean(self) -> bool:
        now = self._clock()
        with self._lock:
            due = now >= self._clean_at
            if due:
                self._clean_at = now + CLEAN_SECONDS
        return due

    def _clean(self) -> None:
        with self._writer.begin() as connection:
            connection.execute(delete(used_assertions).where(used_assertions.c.expires_at <= self._clock()))
