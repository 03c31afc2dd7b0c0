"""`Idempotency-Key`: a POST that is repeated has one effect."""

import hashlib
import json
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import Engine, select

from tests.clocks import FakeClock
from tests.web.manage.conftest import NewServer, Server, faulty_fields, problem
from widgetsvc.config import Settings
from widgetsvc.errors import Conflict, RequestInFlight
from widgetsvc.gateway.audit import AuditTrail
from widgetsvc.gateway.idempotency import Claim, IdempotencyKeys, KeptAnswer
from widgetsvc.gateway.schema import idempotency_keys
from widgetsvc.gateway.tenant_models import Tenant
from widgetsvc.gateway.tenants import TenantDirectory
from widgetsvc.services import Services

ROTATION = {"kind": "secret", "overlap_seconds": 600}


def rotate(server: Server, key: str, body: object = ROTATION) -> Any:
    return server.post("/keys/rotate", body, headers={"Idempotency-Key": key})


def rotations(server: Server) -> int:
    return sum(entry["action"] == "key.rotated" for entry in server.items("/audit"))


def test_a_repeated_request_has_one_effect_and_the_same_answer(acme: Server) -> None:
    first, again = rotate(acme, "a"), rotate(acme, "a")

    assert first.status_code == again.status_code == 201
    assert first.data == again.data
    assert first.mimetype == again.mimetype
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["Cache-Control"] == "no-store"
    assert rotations(acme) == 1


def test_where_it_was_created_is_repeated_too(acme: Server) -> None:
    body, headers = {"application_calendar_id": "a/b"}, {"Idempotency-Key": "a"}

    first, again = (acme.post("/calendars", body, headers=headers) for _ in range(2))

    assert first.status_code == again.status_code == 201
    assert first.headers["Location"] == again.headers["Location"] == "/manage/v1/calendars/a%2Fb"


def test_how_the_same_is_written_down_does_not_matter(acme: Server) -> None:
    rotate(acme, "a")
    body = '{ "overlap_seconds": 600,  "kind": "secret" }'

    again = acme.call(
        "POST",
        "/keys/rotate",
        data=body,
        content_type="application/json; charset=utf-8",
        headers={"Idempotency-Key": '"a"'},
    )

    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (201, "true")


def test_a_key_is_good_for_one_request_only(acme: Server) -> None:
    rotate(acme, "a")

    response = rotate(acme, "a", {"kind": "publishable", "overlap_seconds": 600})

    assert problem(response) == (422, "idempotency_key_reused")
    assert rotations(acme) == 1


def test_a_key_belongs_to_one_tenant_and_one_endpoint(acme: Server, server_of: NewServer) -> None:
    other = server_of("Other")
    headers = {"Idempotency-Key": "a"}

    mine = rotate(acme, "a")
    theirs = rotate(other, "a")
    calendar = acme.post("/calendars", {"application_calendar_id": "a"}, headers=headers)

    assert [mine.status_code, theirs.status_code, calendar.status_code] == [201, 201, 201]
    assert mine.json["key"] != theirs.json["key"]


def test_a_refusal_is_an_answer_and_is_repeated(acme: Server) -> None:
    new = rotate(acme, "a").json
    refused = rotate(acme, "b")
    assert problem(refused) == (409, "conflict")

    (old,) = (
        key for key in acme.items("/keys") if key["kind"] == "secret" and key["key_id"] != new["key_id"]
    )
    acme.delete(f"/keys/{old['key_id']}")
    acme.created = replace(acme.created, secret_key=new["key"])

    assert rotate(acme, "b").data == refused.data
    assert rotate(acme, "c").status_code == 201


def test_a_malformed_request_does_not_use_its_key_up(acme: Server) -> None:
    assert rotate(acme, "a", {"kind": "both"}).status_code == 400

    assert rotate(acme, "a").status_code == 201


@pytest.mark.parametrize("key", ["x" * 256, "", " ", "ü", "a b", '""', '"a', "tab\there"])
def test_what_is_no_key_is_refused(acme: Server, key: str) -> None:
    assert faulty_fields(rotate(acme, key)) == ["Idempotency-Key"]


@pytest.mark.parametrize(
    "key", ["x" * 255, '"with spaces"', r'"a\"b"', "8e03978e-40d5-43dd-bc93-6894a57f9324"]
)
def test_any_other_text_is_one(acme: Server, key: str) -> None:
    assert [rotate(acme, key).status_code for _ in range(2)] == [201, 201]


def test_while_the_first_request_is_under_way_others_are_told_to_wait(
    acme: Server, services: Services
) -> None:
    digest = hashlib.sha256(json.dumps(ROTATION, sort_keys=True).encode()).digest()
    begun = services.idempotency.begin(acme.created.tenant, "POST /keys/rotate", "a", digest)
    assert isinstance(begun, Claim)

    response = rotate(acme, "a")

    assert problem(response) == (409, "request_in_flight")
    assert int(response.headers["Retry-After"]) >= 1
    services.idempotency.abandon(begun)
    assert rotate(acme, "a").status_code == 201


def test_a_failure_of_the_service_leaves_the_key_free(acme: Server, settings: Settings) -> None:
    database = settings.data_dir / "widgetsvc.sqlite3"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("ALTER TABLE audit_trail RENAME TO gone")
    try:
        failed = rotate(acme, "a")
    finally:
        with closing(sqlite3.connect(database)) as connection:
            connection.execute("ALTER TABLE gone RENAME TO audit_trail")

    assert problem(failed) == (503, "storage_unavailable")
    assert rotate(acme, "a").status_code == 201
    assert rotations(acme) == 1


def test_two_requests_at_once_have_one_effect(acme: Server) -> None:
    at_once = threading.Barrier(4)
    answers: list[Any] = []

    def send() -> None:
        server = Server(acme.http.application.test_client(), acme.created)
        at_once.wait()
        answers.append(rotate(server, "a"))

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    made = [answer for answer in answers if answer.status_code == 201]
    waiting = [answer for answer in answers if answer.status_code != 201]
    assert len({answer.data for answer in made}) == 1
    assert all(problem(answer) == (409, "request_in_flight") for answer in waiting)
    assert rotations(acme) == 1


def test_no_secret_stands_in_the_database(acme: Server, settings: Settings) -> None:
    text = rotate(acme, str(uuid4())).json["key"]

    stored = b"".join(path.read_bytes() for path in settings.data_dir.glob("widgetsvc.sqlite3*"))

    assert text.encode() not in stored
    assert acme.created.tenant.publishable_key.encode() in stored


# The keys themselves, as time goes by

DIGEST, OTHER = b"1" * 32, b"2" * 32
ANSWER = KeptAnswer(201, {"Location": "/x"}, '{"key": "sk_1"}')


@pytest.fixture
def engine_keys(engine: Engine, clock: FakeClock) -> tuple[Tenant, Callable[[], IdempotencyKeys], Engine]:
    cipher = Fernet(Fernet.generate_key())
    tenants = TenantDirectory(engine, AuditTrail(engine, clock), cipher, clock)
    tenant = tenants.create("acme", "Acme", []).tenant
    return tenant, lambda: IdempotencyKeys(engine, cipher, clock), engine


Made = tuple[Tenant, Callable[[], IdempotencyKeys], Engine]


@pytest.mark.on_every_database
def test_a_request_that_died_blocks_its_key_for_a_minute_only(engine_keys: Made, clock: FakeClock) -> None:
    tenant, keys_of_process, _ = engine_keys
    dead, alive = keys_of_process(), keys_of_process()
    claim = dead.begin(tenant, "POST /x", "a", DIGEST)
    assert isinstance(claim, Claim)

    clock.advance(59)
    with pytest.raises(RequestInFlight):
        alive.begin(tenant, "POST /x", "a", DIGEST)
    clock.advance(1)
    taken_over = alive.begin(tenant, "POST /x", "a", DIGEST)

    assert isinstance(taken_over, Claim)
    with pytest.raises(RequestInFlight):
        alive.begin(tenant, "POST /x", "a", DIGEST)
    # Who was thought dead has no say any more.
    dead.abandon(claim)
    dead.keep(claim, KeptAnswer(500, {}, "late"))
    alive.keep(taken_over, ANSWER)
    assert alive.begin(tenant, "POST /x", "a", DIGEST) == ANSWER


@pytest.mark.on_every_database
def test_an_answer_is_kept_for_a_day_and_then_forgotten(engine_keys: Made, clock: FakeClock) -> None:
    tenant, keys_of_process, engine = engine_keys
    keys = keys_of_process()
    for name in ("a", "b"):
        claim = keys.begin(tenant, "POST /x", name, DIGEST)
        assert isinstance(claim, Claim)
        keys.keep(claim, ANSWER)

    clock.advance(24 * 3_600 - 1)
    assert keys.begin(tenant, "POST /x", "a", DIGEST) == ANSWER
    clock.advance(1)
    anew = keys.begin(tenant, "POST /x", "a", OTHER)

    assert isinstance(anew, Claim)
    clock.advance(3_600)
    keys.begin(tenant, "POST /x", "c", DIGEST)
    with engine.connect() as connection:
        left = set(connection.execute(select(idempotency_keys.c.idempotency_key)).scalars())
    assert left == {"a", "c"}


@pytest.mark.on_every_database
def test_a_kept_answer_is_encrypted(engine_keys: Made) -> None:
    tenant, keys_of_process, engine = engine_keys
    keys = keys_of_process()
    claim = keys.begin(tenant, "POST /x", "a", DIGEST)
    assert isinstance(claim, Claim)
    keys.keep(claim, ANSWER)

    with engine.connect() as connection:
        (kept,) = connection.execute(select(idempotency_keys.c.answer)).scalars()
    assert "sk_1" not in json.dumps(kept)


@pytest.mark.on_every_database
def test_an_answer_that_cannot_be_read_is_no_reason_to_do_it_again(
    engine_keys: Made, clock: FakeClock
) -> None:
    tenant, keys_of_process, engine = engine_keys
    keys = keys_of_process()
    claim = keys.begin(tenant, "POST /x", "a", DIGEST)
    assert isinstance(claim, Claim)
    keys.keep(claim, ANSWER)

    with pytest.raises(Conflict, match="carried out"):
        IdempotencyKeys(engine, Fernet(Fernet.generate_key()), clock).begin(tenant, "POST /x", "a", DIGEST)
