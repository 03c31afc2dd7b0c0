"""Makes the deliveries that the outbox holds: signed requests, repeated until they are accepted.

Source: Cronofy API, Push Notifications (the signature); Standard Webhooks, Deliverability (the schedule and
410); RFC 9110 section 10.2.3 (Retry-After).
"""

import base64
import hmac
import logging
import random
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from http import HTTPStatus
from typing import Protocol, Self

from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from widgetsvc import __version__
from widgetsvc.calendars.store.outbox import Delivery, Outbox
from widgetsvc.clock import Clock
from widgetsvc.outbound import AddressRefused, Answer, NoAnswer
from widgetsvc.retry_after import seconds_to_wait

_log = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = (5, 60, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""How long to wait after each failed attempt, three days in all; after the last one nobody tries again."""

LONGEST_WAIT = 86_400
"""What a receiver may ask for with Retry-After."""

SIMULTANEOUS = 16
"""Attempts at once in one process, nearly all of which wait for somebody's answer."""

SIMULTANEOUS_PER_APPLICATION = 2
"""So few that the slow receivers of one application leave the rest to others."""

POLL_SECONDS = 1.0
"""How soon a delivery is seen that another process owes, or that has become due."""


_UNAVAILABLE = (OperationalError, PoolTimeoutError)


class Post(Protocol):
    """Sends one request; raises AddressRefused or NoAnswer. `Outbound.send` is one."""

    def __call__(self, method: str, url: str, *, headers: Mapping[str, str], body: bytes) -> Answer: ...


def signature(client_secret: str, body: bytes) -> str:
    """The value of `Cronofy-HMAC-SHA256` for a body."""
    return base64.b64encode(hmac.digest(client_secret.encode(), body, "sha256")).decode()


class Courier:
    """Makes deliveries. `client_secret` finds what an application's deliveries are signed with, if anything.

    `jitter` returns numbers from 0 to 1, so that what failed together does not come again together.
    """

    def __init__(
        self,
        outbox: Outbox,
        client_secret: Callable[[int], str | None],
        post: Post,
        clock: Clock,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.outbox = outbox
        self._client_secret = client_secret
        self._post = post
        self._clock = clock
        self._jitter = jitter

    def deliver_due(self) -> int:
        """Make an attempt at everything that is due, one after the other; return how many."""
        made = 0
        while found := self.outbox.claim(SIMULTANEOUS, {}, SIMULTANEOUS_PER_APPLICATION):
            for delivery in found:
                self.deliver(delivery)
            made += len(found)
        return made

    def deliver(self, delivery: Delivery) -> None:
        """Make one attempt and write down what comes of it."""
        secret = self._client_secret(delivery.application_id)
        if secret is None:
            self._give_up(delivery, "the application's secret is not kept; create its credentials anew")
            return
        body = delivery.body.encode()
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": f"widgetsvc/{__version__}",
            "Cronofy-HMAC-SHA256": signature(secret, body),
        }
        try:
            answer = self._post("POST", delivery.url, headers=headers, body=body)
        except AddressRefused as error:
            self._try_again(delivery, f"the address {error}")
            return
        except NoAnswer as error:
            self._try_again(delivery, str(error))
            return
        if 200 <= answer.status < 300:
            self.outbox.remove(delivery)
        elif answer.status == HTTPStatus.GONE:
            self._close(delivery)
        else:
            asked = retry_after(answer.headers.get("retry-after", ""), self._clock())
            self._try_again(delivery, f"the receiver answered {answer.status}", asked)

    def _close(self, delivery: Delivery) -> None:
        _log.warning("%s: the receiver answered 410, so nothing is sent to it any more", _name(delivery))
        if delivery.channel_id is not None:
            self.outbox.close_channel(delivery.channel_id)
        self.outbox.remove(delivery)

    def _try_again(self, delivery: Delivery, reason: str, asked: int = 0) -> None:
        if delivery.attempts >= len(RETRY_AFTER_SECONDS):
            self._give_up(delivery, reason)
            return
        wait = RETRY_AFTER_SECONDS[delivery.attempts]
        # Up to a fifth more or less.
        wait = max(round(wait * (0.8 + 0.4 * self._jitter())), asked, 1)
        _log.info("%s: %s; trying again in %d s", _name(delivery), reason, wait)
        self.outbox.postpone(delivery, int(self._clock()) + wait)

    def _give_up(self, delivery: Delivery, reason: str) -> None:
        _log.warning("%s: given up after %d attempts: %s", _name(delivery), delivery.attempts + 1, reason)
        self.outbox.remove(delivery)


def _name(delivery: Delivery) -> str:
    """How log lines call a delivery: URLs may hold the receiver's secrets."""
    to = delivery.channel_id or "a callback"
    return f"delivery {delivery.delivery_id} to {to} of application {delivery.application_id}"


def retry_after(value: str, now: float) -> int:
    """Seconds that a Retry-After header asks for, 0 to a day; 0 where it says nothing usable."""
    return max(0, min(seconds_to_wait(value, now) or 0, LONGEST_WAIT))


class CourierService:
    """Runs a courier in the background of a serving process, for as long as the context lasts.

    Leaving it claims nothing more, and waits for the attempts that are under way (10 s at most).
    """

    def __init__(self, courier: Courier) -> None:
        self._courier = courier
        self._in_hand: Counter[int] = Counter()
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="deliveries", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._ending.set()
        self._courier.outbox.owed.set()
        self._thread.join()

    def _run(self) -> None:
        owed = self._courier.outbox.owed
        with ThreadPoolExecutor(SIMULTANEOUS, thread_name_prefix="delivery") as pool:
            while True:
                owed.clear()
                if self._ending.is_set():
                    return
                if not self._hand_out(pool):
                    owed.wait(POLL_SECONDS)

    def _hand_out(self, pool: ThreadPoolExecutor) -> int:
        with self._lock:
            in_hand = dict(self._in_hand)
        free = SIMULTANEOUS - sum(in_hand.values())
        if not free:
            return 0
        try:
            found = self._courier.outbox.claim(free, in_hand, SIMULTANEOUS_PER_APPLICATION)
        except _UNAVAILABLE as error:
            _log.warning("the database does not answer, so no deliveries are made: %s", error)
            return 0
        for delivery in found:
            with self._lock:
                self._in_hand[delivery.application_id] += 1
            pool.submit(self._deliver, delivery).add_done_callback(_report)
        return len(found)

    def _deliver(self, delivery: Delivery) -> None:
        try:
            self._courier.deliver(delivery)
        except _UNAVAILABLE as error:
            # The claim runs out, and then the attempt is made again.
            _log.warning("%s: the database does not answer: %s", _name(delivery), error)
        finally:
            with self._lock:
                self._in_hand[delivery.application_id] -= 1
                if not self._in_hand[delivery.application_id]:
                    del self._in_hand[delivery.application_id]
            # A free hand may find more to do.
            self._courier.outbox.owed.set()


def _report(attempt: Future[None]) -> None:
    """A pool keeps to itself what goes wrong in its threads."""
    error = attempt.exception()
    if error is not None:
        _log.error("a delivery ran into a fault; its claim runs out", exc_info=error)
