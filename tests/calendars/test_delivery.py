"""Deliveries: signed, repeated until they are accepted, shared among processes, fair to all applications."""

import base64
import hashlib
import hmac
import json
import logging
import threading
from collections.abc import Callable, Mapping
from threading import Event

import pycronofy
import pytest
from sqlalchemy import Engine, func, select, update

from tests.calendars.conftest import PUBLIC_URL, Api, Calendar
from tests.clocks import FakeClock
from tests.receivers import Receiver, Reply
from widgetsvc.calendars.api.app import create_backend_app
from widgetsvc.calendars.backend import Backend
from widgetsvc.calendars.delivery import (
    LONGEST_WAIT,
    RETRY_AFTER_SECONDS,
    Courier,
    CourierService,
    retry_after,
    signature,
)
from widgetsvc.calendars.store import schema
from widgetsvc.calendars.store.outbox import CLAIM_SECONDS, Outbox
from widgetsvc.outbound import AddressRefused, Answer, NoAnswer, Outbound

pytestmark = pytest.mark.on_every_database

HOOKS = "https://hooks.example.com/"
ACCEPTED = Answer(204, {}, b"", complete=True)


def failed(status: int = 500, **headers: str) -> Answer:
    return Answer(
        status, {name.replace("_", "-"): value for name, value in headers.items()}, b"", complete=True
    )


class Receivers:
    """Stands where the network would be: answers in turn, then accepts; keeps what it was sent."""

    def __init__(self) -> None:
        self.replies: list[Answer | Exception] = []
        self.requests: list[tuple[str, Mapping[str, str], bytes]] = []

    def __call__(self, method: str, url: str, *, headers: Mapping[str, str], body: bytes) -> Answer:
        assert method == "POST"
        self.requests.append((url, headers, body))
        reply = self.replies.pop(0) if self.replies else ACCEPTED
        if isinstance(reply, Exception):
            raise reply
        return reply

    @property
    def urls(self) -> list[str]:
        return [url for url, _, _ in self.requests]


@pytest.fixture
def receivers() -> Receivers:
    return Receivers()


@pytest.fixture
def courier(backend: Backend, receivers: Receivers, clock: FakeClock) -> Courier:
    """Without jitter."""
    return Courier(backend.outbox, backend.accounts.client_secret, receivers, clock, jitter=lambda: 0.5)


@pytest.fixture
def application_id(api: Api, engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.execute(select(schema.applications.c.application_id)).scalar_one()


Owe = Callable[..., None]


@pytest.fixture
def owe(backend: Backend, engine: Engine, application_id: int) -> Owe:
    def put(url: str = HOOKS, application: int = application_id) -> None:
        with engine.execution_options(writes=True).begin() as connection:
            backend.outbox.put(connection, application, url, '{"a": "ü"}')

    return put


def waiting(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(schema.deliveries)).scalar_one()


def wait_of(engine: Engine, clock: FakeClock) -> int:
    """Seconds until the one delivery that there is may be tried again."""
    with engine.connect() as connection:
        due = connection.execute(select(schema.deliveries.c.next_attempt_at)).scalar_one()
    return due - int(clock())


def test_the_signature_is_the_one_in_cronofys_documentation() -> None:
    signed = signature("pDY0Oi7TJSP2hfNmZNkm5", b'{"example":"well-known"}')

    assert signed == "6r2/HjBkqymGegX0wOfifieeUXbbHwtV/LohHS+jv6c="


def test_what_is_accepted_is_sent_once_and_signed(
    api: Api, courier: Courier, receivers: Receivers, owe: Owe, engine: Engine
) -> None:
    owe()

    assert courier.deliver_due() == 1
    assert courier.deliver_due() == 0

    ((url, headers, body),) = receivers.requests
    assert (url, json.loads(body)) == (HOOKS, {"a": "ü"})
    assert headers["Content-Type"] == "application/json; charset=utf-8"
    digest = hmac.digest(api.credentials.client_secret.encode(), body, hashlib.sha256)
    assert headers["Cronofy-HMAC-SHA256"] == base64.b64encode(digest).decode()
    client = pycronofy.Client(api.credentials.client_id, api.credentials.client_secret)
    assert client.hmac_valid(headers["Cronofy-HMAC-SHA256"], body.decode())
    assert waiting(engine) == 0


@pytest.mark.parametrize(
    "reply",
    [
        failed(500),
        failed(302),
        failed(404),
        failed(429),
        NoAnswer("no answer within 10 s"),
        AddressRefused("leads to a private or reserved address"),
    ],
)
def test_whatever_else_happens_is_tried_again(
    courier: Courier,
    receivers: Receivers,
    owe: Owe,
    engine: Engine,
    clock: FakeClock,
    reply: Answer | Exception,
) -> None:
    receivers.replies = [reply]
    owe()
    courier.deliver_due()

    assert courier.deliver_due() == 0
    assert wait_of(engine, clock) == RETRY_AFTER_SECONDS[0]

    clock.advance(RETRY_AFTER_SECONDS[0])
    assert courier.deliver_due() == 1
    assert waiting(engine) == 0


def test_it_is_tried_for_three_days_and_then_given_up(
    courier: Courier,
    receivers: Receivers,
    owe: Owe,
    engine: Engine,
    clock: FakeClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    receivers.replies = [failed()] * 20
    owe(f"{HOOKS}?token=a-secret")
    begin = clock()
    waits = []
    with caplog.at_level(logging.INFO):
        while courier.deliver_due():
            if waiting(engine):
                waits.append(wait_of(engine, clock))
                clock.advance(waits[-1])

    assert tuple(waits) == RETRY_AFTER_SECONDS
    assert waits == sorted(waits)
    assert 2.5 < (clock() - begin) / 86_400 < 3.5
    assert waiting(engine) == 0
    assert "given up after 11 attempts: the receiver answered 500" in caplog.text
    assert "a-secret" not in caplog.text


def test_what_failed_together_does_not_come_again_together(
    backend: Backend, receivers: Receivers, owe: Owe, engine: Engine, clock: FakeClock
) -> None:
    jitters = iter([0.0, 1.0])
    courier = Courier(
        backend.outbox, backend.accounts.client_secret, receivers, clock, jitter=lambda: next(jitters)
    )
    receivers.replies = [failed(), failed()]
    owe()
    owe()
    courier.deliver_due()

    with engine.connect() as connection:
        due = connection.execute(select(schema.deliveries.c.next_attempt_at)).scalars().all()
    assert sorted(due) == [int(clock()) + 4, int(clock()) + 6]


def test_a_receiver_may_ask_for_more_time(
    courier: Courier, receivers: Receivers, owe: Owe, engine: Engine, clock: FakeClock
) -> None:
    receivers.replies = [failed(503, retry_after="120")]
    owe()
    courier.deliver_due()

    assert wait_of(engine, clock) == 120


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        ("0", 0),
        ("Sun, 22 Nov 2026 12:01:00 GMT", 60),
        ("Sun, 22 Nov 2026 11:00:00 GMT", 0),
        ("9" * 5_000, LONGEST_WAIT),
        ("", 0),
        ("soon", 0),
        ("-5", 0),
        ("Sun, 22 Nov 99999999 12:00:00 GMT", 0),
    ],
)
def test_times_to_wait_are_read_as_they_may_be_written(value: str, seconds: int, clock: FakeClock) -> None:
    assert retry_after(value, clock()) == seconds


def open_channel(calendar: Calendar, url: str = HOOKS) -> str:
    response = calendar.post("/v1/channels", {"callback_url": url})
    assert response.status_code == 200, response.text
    return str(response.json["channel"]["channel_id"])


def test_a_receiver_that_is_gone_has_no_channel_any_more(
    calendar: Calendar, courier: Courier, receivers: Receivers, engine: Engine
) -> None:
    open_channel(calendar)
    open_channel(calendar, f"{HOOKS}2")
    receivers.replies = [failed(410)]
    courier.deliver_due()

    (channel,) = calendar.get("/v1/channels").json["channels"]
    assert channel["callback_url"] == f"{HOOKS}2"
    assert waiting(engine) == 0

    calendar.write("a", "2026-11-23T09:00:00Z", "2026-11-23T10:00:00Z")
    courier.deliver_due()
    assert receivers.urls == [HOOKS, f"{HOOKS}2", f"{HOOKS}2"]


def test_a_callback_without_a_channel_is_forgotten_when_its_receiver_is_gone(
    courier: Courier, receivers: Receivers, owe: Owe, engine: Engine
) -> None:
    receivers.replies = [failed(410)]
    owe()
    courier.deliver_due()

    assert waiting(engine) == 0


def test_what_cannot_be_signed_is_not_sent(
    courier: Courier, receivers: Receivers, owe: Owe, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    owe()
    with engine.execution_options(writes=True).begin() as connection:
        connection.execute(update(schema.applications).values(client_secret_encrypted=None))
    courier.deliver_due()

    assert receivers.requests == []
    assert waiting(engine) == 0
    assert "secret is not kept" in caplog.text


def test_what_one_process_has_claimed_another_leaves_alone(
    engine: Engine, backend: Backend, clock: FakeClock, owe: Owe
) -> None:
    owe()
    other = Outbox(engine, clock)

    assert len(backend.outbox.claim(10, {}, 10)) == 1
    assert other.claim(10, {}, 10) == []


def test_what_a_killed_process_had_claimed_is_sent_by_another(
    engine: Engine, backend: Backend, courier: Courier, receivers: Receivers, clock: FakeClock, owe: Owe
) -> None:
    owe()
    (lost,) = Outbox(engine, clock).claim(10, {}, 10)
    clock.advance(CLAIM_SECONDS - 1)
    assert courier.deliver_due() == 0
    clock.advance(1)

    assert courier.deliver_due() == 1
    assert receivers.urls == [lost.url]
    assert waiting(engine) == 0


def test_a_claim_that_has_passed_on_is_not_touched_by_its_former_holder(
    engine: Engine, backend: Backend, clock: FakeClock, owe: Owe
) -> None:
    owe()
    (slow,) = backend.outbox.claim(10, {}, 10)
    clock.advance(CLAIM_SECONDS)
    (current,) = backend.outbox.claim(10, {}, 10)

    backend.outbox.remove(slow)
    backend.outbox.postpone(slow, int(clock()))
    assert waiting(engine) == 1
    backend.outbox.remove(current)
    assert waiting(engine) == 0


@pytest.fixture
def second_application(backend: Backend, engine: Engine, api: Api) -> int:
    backend.accounts.create_application("second")
    with engine.connect() as connection:
        return connection.execute(select(func.max(schema.applications.c.application_id))).scalar_one()


def test_an_application_with_many_deliveries_leaves_room_for_others(
    backend: Backend, owe: Owe, application_id: int, second_application: int, clock: FakeClock
) -> None:
    for _ in range(50):
        owe()
    clock.advance(1)
    owe(application=second_application)

    claimed = backend.outbox.claim(4, {}, 2)
    assert [delivery.application_id for delivery in claimed] == [
        application_id,
        second_application,
        application_id,
    ]

    in_hand = {application_id: 2, second_application: 1}
    assert backend.outbox.claim(4, in_hand, 2) == []
    assert len(backend.outbox.claim(4, {application_id: 1}, 2)) == 1


def test_what_has_failed_before_comes_after_what_has_not(
    courier: Courier, receivers: Receivers, owe: Owe, clock: FakeClock
) -> None:
    owe(f"{HOOKS}slow")
    receivers.replies = [failed()]
    courier.deliver_due()
    clock.advance(100)
    owe(f"{HOOKS}quick")

    courier.deliver_due()

    assert receivers.urls == [f"{HOOKS}{name}" for name in ("slow", "quick", "slow")]


def test_a_commit_wakes_and_a_rollback_or_read_does_not(
    backend: Backend, engine: Engine, calendar: Calendar, application_id: int
) -> None:
    with engine.execution_options(writes=True).begin() as connection:
        backend.outbox.put(connection, application_id, HOOKS, "{}")
        assert not backend.outbox.owed.is_set()
    assert backend.outbox.owed.is_set()

    backend.outbox.owed.clear()
    calendar.write("a", "2026-11-23T09:00:00Z", "2026-11-23T10:00:00Z")
    calendar.get("/v1/events", tzid="UTC")
    assert not backend.outbox.owed.is_set()


def test_a_secret_that_cannot_be_read_any_more_is_none(
    engine: Engine, clock: FakeClock, application_id: int
) -> None:
    moved = Backend.over(engine, b"another secret of the tests, 32 bytes", PUBLIC_URL, clock)

    assert moved.accounts.client_secret(application_id) is None


def test_a_fault_in_one_delivery_is_logged_and_stops_no_other(
    backend: Backend, engine: Engine, owe: Owe, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    class Fault(Exception):
        pass

    sent = Event()

    def post(method: str, url: str, *, headers: Mapping[str, str], body: bytes) -> Answer:
        if url.endswith("fault"):
            raise Fault
        sent.set()
        return ACCEPTED

    owe(f"{HOOKS}fault")
    owe(f"{HOOKS}good")
    with CourierService(Courier(backend.outbox, backend.accounts.client_secret, post, clock)):
        assert sent.wait(60)

    assert "ran into a fault" in caplog.text
    assert waiting(engine) == 1


@pytest.fixture
def local_calendar(engine: Engine, clock: FakeClock) -> tuple[Backend, Calendar]:
    """A backend that sends to this machine."""
    backend = Backend.over(
        engine,
        b"a secret of the tests, 32 bytes long",
        PUBLIC_URL,
        clock,
        outbound=Outbound(allow_private=True),
    )
    return backend, Api(backend, create_backend_app(backend).test_client()).calendar()


def test_a_receiver_hears_of_its_channel_and_then_of_changes(
    local_calendar: tuple[Backend, Calendar],
) -> None:
    backend, calendar = local_calendar
    client = pycronofy.Client(calendar.api.credentials.client_id, calendar.api.credentials.client_secret)
    with Receiver() as receiver, CourierService(backend.courier()):
        channel_id = open_channel(calendar, receiver.url)
        verification = receiver.next()
        calendar.write("a", "2026-11-23T09:00:00Z", "2026-11-23T10:00:00Z")
        change = receiver.next()

    for request, kind in ((verification, "verification"), (change, "change")):
        body = json.loads(request.body)
        assert (body["notification"]["type"], body["channel"]["channel_id"]) == (kind, channel_id)
        assert client.hmac_valid(request.headers["Cronofy-HMAC-SHA256"], request.body.decode())


def test_a_receiver_that_fails_twice_is_asked_a_third_time(
    local_calendar: tuple[Backend, Calendar], clock: FakeClock, engine: Engine
) -> None:
    backend, calendar = local_calendar
    courier = backend.courier()
    with Receiver(Reply(500), Reply(503, {"Retry-After": "90"})) as receiver:
        open_channel(calendar, receiver.url)
        courier.deliver_due()
        clock.advance(10)
        courier.deliver_due()
        clock.advance(89)
        courier.deliver_due()
        assert receiver.received.qsize() == 2
        clock.advance(1)
        courier.deliver_due()

        bodies = [receiver.next().body for _ in range(3)]

    assert len(set(bodies)) == 1
    assert waiting(engine) == 0


def test_the_service_ends_while_nothing_is_owed(backend: Backend) -> None:
    before = set(threading.enumerate())

    with CourierService(backend.courier()):
        assert set(threading.enumerate()) - before

    # Threads of other tests may still have been about to end.
    assert set(threading.enumerate()) <= before


def test_what_is_owed_when_the_service_starts_is_sent(
    local_calendar: tuple[Backend, Calendar],
) -> None:
    backend, calendar = local_calendar
    with Receiver() as receiver:
        open_channel(calendar, receiver.url)
        with CourierService(backend.courier()):
            assert b"verification" in receiver.next().body
