"""The service's secret is replaced by another one, and nothing that is stored is lost."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.clocks import FakeClock
from tests.shell import Shell
from widgetsvc.calendars.backend import Backend
from widgetsvc.calendars.element_tokens import LIFE
from widgetsvc.calendars.records import Application, Credentials, Grant
from widgetsvc.calendars.store.accounts import ACCESS_TOKEN_LIFE
from widgetsvc.config import Settings, secret_keys_of
from widgetsvc.gateway.tenant_models import NewTenant
from widgetsvc.permissions import Permission
from widgetsvc.reencryption import Reencrypted, reencrypt
from widgetsvc.wiring import Operations, build_operations

A, B, C = "fedcba9876543210" * 4, "0123456789abcdef" * 4, "0f1e2d3c4b5a6978" * 4
PAGE = "https://jobs.example.com"

Start = Callable[..., Operations]


@pytest.fixture
def start(
    request: pytest.FixtureRequest, engine: Engine, tmp_path: Path, clock: FakeClock
) -> Iterator[Start]:
    """Start the service with a secret and fallbacks, always on the same data."""
    database_url = request.getfixturevalue(f"{engine.name}_url")
    started: list[Operations] = []

    def start(*secrets: str) -> Operations:
        current, *fallbacks = secrets
        settings = Settings(
            data_dir=tmp_path,
            database_url=database_url,
            secret_key=current,
            secret_key_fallbacks=tuple(fallbacks),
        )
        started.append(build_operations(settings, clock))
        return started[-1]

    yield start
    for service in started:
        service.close()


def rewrite(service: Operations, *secrets: str) -> list[Reencrypted]:
    keys = [secret.encode() for secret in secrets]
    return [progress for progress in reencrypt(service.engine, keys) if progress.is_done]


def backend_of(service: Operations) -> Backend:
    assert service.backend is not None
    return service.backend


@dataclass
class Stored:
    """One of everything that depends on the secret, as it was handed out."""

    tenant: NewTenant
    credentials: Credentials
    grant: Grant
    feed: str
    link_id: str
    link_token: str
    element_token: str

    @classmethod
    def by(cls, service: Operations) -> "Stored":
        backend = backend_of(service)
        tenant = service.tenants.create("acme", "Acme", [PAGE])
        service.calendars.add(tenant.tenant, "store-42")
        service.calendars.subs(tenant.tenant, ["store-42"])
        credentials = backend.accounts.create_application("App")
        application = backend.accounts.application_by_client_id(credentials.client_id)
        assert application is not None
        grant = backend.accounts.upsert_application_calendar(application, "desk-1")
        link = backend.scheduling_links.create(application.application_id, {"summary": "Talk"})
        token = backend.element_tokens.issue(
            application.application_id, [grant.account.sub], [Permission.AGENDA], PAGE
        )
        return cls(
            tenant,
            credentials,
            grant,
            backend.feeds.token(grant.account.sub),
            link.real_time_scheduling_id,
            link.token,
            token.token,
        )

    def application(self, service: Operations) -> Application:
        found = backend_of(service).accounts.application_by_secret(
            self.credentials.client_secret, self.credentials.client_id
        )
        assert found is not None
        return found

    def check(self, service: Operations) -> None:
        backend, application = backend_of(service), self.application(service)
        key = self.tenant.signing_key
        assert service.signing_keys.all_of(self.tenant.tenant) == [key]
        assert service.tenants.by_secret_key(self.tenant.secret_key)[0] == self.tenant.tenant
        assert backend.accounts.client_secret(application.application_id) == self.credentials.client_secret
        again = backend.accounts.upsert_application_calendar(application, "desk-1")
        assert (again.access_token, again.refresh_token) == (
            self.grant.access_token,
            self.grant.refresh_token,
        )
        assert backend.accounts.refresh(application.application_id, self.grant.refresh_token) == again
        assert backend.accounts.account_by_access_token(self.grant.access_token) == self.grant.account
        assert backend.feeds.token(self.grant.account.sub) == self.feed
        assert backend.feeds.sub(self.feed) == self.grant.account.sub
        link = backend.scheduling_links.by_id(application.application_id, self.link_id)
        assert link is not None
        assert link.token == self.link_token
        assert backend.scheduling_links.by_token(self.link_token) == link
        # The gateway reaches the embedded backend with credentials of its own.
        service.calendars.add(self.tenant.tenant, "store-43")
        service.calendars.subs(self.tenant.tenant, ["store-42", "store-43"])


def test_a_new_secret_reads_what_its_fallback_made(start: Start) -> None:
    stored = Stored.by(start(A))

    service = start(B, A)

    stored.check(service)
    assert backend_of(service).element_tokens.read(stored.element_token) is not None


@pytest.mark.on_every_database
def test_after_the_rewriting_the_old_secret_can_be_dropped(start: Start) -> None:
    stored = Stored.by(start(A))

    done = rewrite(start(B, A), B, A)

    assert {each.what: each.rewritten for each in done} == {
        "signing keys": 1,
        "calendars' tokens": 1,
        # The gateway's own is made anew at the start.
        "client secrets": 1,
        "refresh tokens": 2,
        "calendar feeds": 1,
        "access tokens": 2,
        "scheduling links": 1,
    }
    assert sum(each.lost for each in done) == 0
    stored.check(start(B))


def test_the_secret_can_be_replaced_again_and_again(start: Start) -> None:
    stored = Stored.by(start(A))

    for new, old in ((B, A), (C, B), (A, C)):
        rewrite(start(new, old), new, old)
        stored.check(start(new))


def test_a_rewriting_can_be_repeated_and_then_finds_nothing_to_do(start: Start) -> None:
    stored = Stored.by(start(A))
    service = start(B, A)
    rewrite(service, B, A)

    done = rewrite(service, B, A)

    assert sum(each.rewritten + each.lost for each in done) == 0
    assert sum(each.current for each in done) == 10
    stored.check(start(B))


def test_what_no_secret_can_read_is_counted_and_left_alone(start: Start) -> None:
    stored = Stored.by(start(A))
    service = start(B)

    done = rewrite(service, B)

    assert {each.what: each.lost for each in done if each.lost} == {
        "signing keys": 1,
        "calendars' tokens": 1,
        "client secrets": 1,
        "refresh tokens": 2,
        "calendar feeds": 1,
        "access tokens": 2,
        "scheduling links": 1,
    }
    stored.check(start(C, A))


@pytest.mark.on_every_database
def test_more_than_one_transaction_of_rows_is_rewritten(start: Start) -> None:
    service = start(A)
    backend, stored = backend_of(service), Stored.by(service)
    application_id = stored.application(service).application_id
    for _ in range(620):
        backend.scheduling_links.create(application_id, {})

    steps = [step for step in reencrypt(start(B, A).engine, [B.encode(), A.encode()]) if "links" in step.what]

    assert [step.rewritten for step in steps] == [500, 621, 621]
    assert [step.is_done for step in steps] == [False, False, True]


def test_the_old_secrets_element_tokens_end_with_it_and_new_ones_outlive_it(start: Start) -> None:
    stored = Stored.by(start(A))
    service = start(B, A)
    application_id = stored.application(service).application_id

    new = backend_of(service).element_tokens.issue(application_id, ["apc_1"], [Permission.AGENDA], PAGE)
    alone = backend_of(start(B)).element_tokens

    assert new.expires_in == LIFE
    assert alone.read(new.token) is not None
    assert alone.read(stored.element_token) is None


@pytest.mark.on_every_database
def test_with_its_secret_lost_a_calendar_gets_tokens_that_work(start: Start) -> None:
    stored = Stored.by(start(A))
    service = start(B)
    backend, application = backend_of(service), stored.application(service)

    again = backend.accounts.upsert_application_calendar(application, "desk-1")

    assert again.account == stored.grant.account
    assert again.expires_in == ACCESS_TOKEN_LIFE
    assert backend.accounts.account_by_access_token(again.access_token) == again.account
    assert backend.accounts.refresh(application.application_id, again.refresh_token) == again
    assert backend.feeds.sub(backend.feeds.token(again.account.sub)) == again.account.sub


# On the command line


@pytest.fixture
def shell(tmp_path: Path, migrated: Path) -> Shell:
    (tmp_path / "widgetsvc.sqlite3").write_bytes(migrated.read_bytes())
    return Shell(tmp_path)


def test_an_operator_replaces_the_kept_secret(shell: Shell) -> None:
    created = shell.create_tenant()
    shell("calendar", "add", "acme", "store-42")
    feed = shell("calendar", "feed", "acme", "store-42")

    shell("db", "rotate-secret")
    done = shell.json("db", "reencrypt")
    file = shell.data_dir / "secret_key"
    new, old = file.read_text().split()
    file.write_text(f"{new}\n")

    assert new != old
    assert done["signing keys"] == {"rewritten": 1, "current": 0, "lost": 0}
    shown = shell.json("tenant", "show", "acme")
    assert [key["kid"] for key in shown["signing_keys"]] == [created["signing_key"]["kid"]]
    assert shell("calendar", "feed", "acme", "store-42") == feed
    assert secret_keys_of(Settings(data_dir=shell.data_dir)) == (new.encode(),)


def test_an_operator_sees_how_far_the_rewriting_is_and_what_came_of_it(shell: Shell) -> None:
    shell.create_tenant()
    shell("db", "rotate-secret")

    result = shell.try_("db", "reencrypt")

    assert result.exit_code == 0
    assert "signing keys: 1 seen, 1 rewritten" in result.stderr
    heading, *rows = result.stdout.splitlines()
    assert heading.split() == ["WHAT", "REWRITTEN", "CURRENT", "ALREADY", "LOST"]
    assert rows[0].split() == ["signing", "keys", "1", "0", "0"]


def test_a_secret_that_is_a_setting_is_replaced_there(shell: Shell) -> None:
    result = shell.try_("db", "rotate-secret", secret_key=A)

    assert result.exit_code == 1
    assert "WIDGETSVC_SECRET_KEY_FALLBACKS to the old one" in result.stderr
    assert not (shell.data_dir / "secret_key").exists()
