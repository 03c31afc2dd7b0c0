"""`widgetsvc doctor`: whether all that the service stands on is there, or whether a page can embed.

Either way it says what to do where something is not.
"""

import os
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from ipaddress import ip_address
from pathlib import Path
from secrets import token_hex
from urllib.parse import urlsplit

import click
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from widgetsvc import database
from widgetsvc.cli.embedding import Known, installation
from widgetsvc.cli.support import TEXT, as_json, operations, print_json
from widgetsvc.clock import system_clock
from widgetsvc.config import Settings, secret_keys_of
from widgetsvc.elements import VERSION, read_bundle
from widgetsvc.errors import ConfigurationError, UpstreamError
from widgetsvc.inspection.examination import examine
from widgetsvc.inspection.fetching import PageNotFetched, fetch_page
from widgetsvc.inspection.findings import Finding, Status
from widgetsvc.inspection.pages import read_page
from widgetsvc.outbound import Outbound
from widgetsvc.wiring import check_credentials

SLOW_REDIS_SECONDS = 0.02
"""Above this, asking Redis takes longer than all else that a request for a token does."""

MAX_CLOCK_OFFSET = 30.0
_REDIS_TIMEOUT = 2.0

Check = Callable[[Settings], Finding]


@click.command()
@click.argument("url", type=TEXT, required=False)
@click.option("--tenant", "slug", type=TEXT, help="The tenant that the page is of, where it has no tag yet.")
@click.option("--allow-private", is_flag=True, help="Let URL be on this machine or in its network.")
@as_json
@click.pass_context
def doctor(
    ctx: click.Context, url: str | None, *, slug: str | None, allow_private: bool, as_json: bool
) -> None:
    """Check the installation, or the page at URL; change nothing.

    Without URL: settings, database, Redis, Cronofy, bundle and addresses.

    With URL the page is fetched as a browser does, and its headers and HTML are held against what embeds
    need: the tags, keys, calendars and widgets, the tenant's origins, the Content-Security-Policy and more.
    Below a finding stands what to paste, such as the corrected header:

    \b
      widgetsvc doctor https://www.acme.example/appointments
      widgetsvc doctor http://localhost:8081/ --allow-private

    Each finding is ok, a warning or a fault. The exit status is 1 where there is a fault.
    """  # noqa: D301 - click's mark for lines that stay lines
    if url is None and (slug is not None or allow_private):
        raise click.UsageError("--tenant and --allow-private go with the URL of a page.")
    findings: list[Finding] = []
    for finding in _examine() if url is None else _examine_page(url, slug, allow_private=allow_private):
        if not as_json:
            _print(finding, findings)
        findings.append(finding)
    if as_json:
        print_json([asdict(finding) for finding in findings])
    elif findings[-1].fix is not None:
        click.echo(f"         {_printable(findings[-1].fix)}")
    if any(finding.status is Status.FAULT for finding in findings):
        ctx.exit(1)


def _print(finding: Finding, before: Sequence[Finding]) -> None:
    """Print a finding; what to paste comes once below those that it mends all together."""
    fix = before[-1].fix if before else None
    if fix is not None and fix != finding.fix:
        click.echo(f"         {_printable(fix)}")
    click.echo(f"{finding.status:<8} {finding.check:<12} {_printable(finding.detail)}")


def _printable(text: str) -> str:
    """Escape what a page may hold and a terminal would act on."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _examine_page(url: str, slug: str | None, *, allow_private: bool) -> Iterator[Finding]:
    settings = Settings.from_environment()
    parts = operations(settings)
    expected = parts.tenants.by_slug(slug) if slug is not None else None
    try:
        fetched = fetch_page(url, Outbound(allow_private=allow_private, allow_http=True))
    except PageNotFetched as error:
        yield Finding("page", Status.FAULT, str(error))
        return
    detail = f"{fetched.url}, {fetched.size / 1000:.0f} kB of HTML"
    if fetched.redirects:
        detail += f", after {fetched.redirects} redirects"
    yield Finding("page", Status.OK, detail)
    page = read_page(fetched.url, fetched.headers, fetched.html)
    yield from examine(page, installation(settings), Known(parts), expected, system_clock())


def _examine() -> Iterator[Finding]:
    try:
        settings = Settings.from_environment()
    except ConfigurationError as error:
        yield from (Finding("settings", Status.FAULT, fault) for fault in error.faults)
        return
    behind = "Cronofy's cloud" if settings.is_cloud else "the embedded backend"
    yield Finding("settings", Status.OK, f"understood; with {behind}")
    for check in CHECKS:
        yield check(settings)


def check_data_folder(settings: Settings) -> Finding:
    """Whether the service can keep its files."""
    folder = settings.data_dir
    name = "data folder"
    if not folder.exists():
        parent = next(parent for parent in folder.absolute().parents if parent.exists())
        if os.access(parent, os.W_OK):
            return Finding(name, Status.OK, f"{folder} is not there yet; the first start makes it")
        fix = f"make it, or let this user write to {parent}"
        return Finding(name, Status.FAULT, f"{folder} is not there and cannot be made; {fix}")
    if not folder.is_dir() or not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        fix = "give the folder to the user that the service runs as, or set WIDGETSVC_DATA_DIR"
        return Finding(name, Status.FAULT, f"{folder} cannot be written to; {fix}")
    return Finding(name, Status.OK, str(folder))


def check_secret(settings: Settings) -> Finding:
    """Whether the secret is one, and the operator's own."""
    name = "secret"
    if settings.secret_key:
        return Finding(name, Status.OK, "given by WIDGETSVC_SECRET_KEY")
    file = settings.data_dir / "secret_key"
    try:
        if not file.exists():
            return Finding(name, Status.OK, "not there yet; the first start makes it")
        secret_keys_of(settings)
        mode = stat.S_IMODE(file.stat().st_mode)
    except ConfigurationError as error:
        return Finding(name, Status.FAULT, f"{error.faults[0]} (restore the file from a backup)")
    except OSError as error:
        return Finding(name, Status.FAULT, f"{file} cannot be read ({error.strerror}); check its owner")
    if mode & 0o077:
        return Finding(name, Status.WARNING, f"others can read {file}; run `chmod 600 {file}`")
    return Finding(name, Status.OK, f"{file}, readable by its owner only")


def check_database(settings: Settings) -> Finding:
    """Whether the database answers and has this version's schema."""
    name = "database"
    url = make_url(settings.effective_database_url)
    is_sqlite = url.get_backend_name() == "sqlite"
    if is_sqlite and not Path(url.database or "").exists():
        return Finding(name, Status.OK, f"{url.database} is not there yet; the first start makes it")
    engine = database.connect(settings.effective_database_url)
    try:
        is_current = database.is_current(engine)
    except (SQLAlchemyError, OSError) as error:
        reason = f"{error}".partition("\n")[0]
        return Finding(name, Status.FAULT, f"does not answer ({reason}); check WIDGETSVC_DATABASE_URL")
    finally:
        engine.dispose()
    if not is_current:
        fix = "`widgetsvc db upgrade` brings it there, as does the next start"
        return Finding(name, Status.WARNING, f"answers, but its schema is not this version's; {fix}")
    return Finding(name, Status.OK, f"{url.get_backend_name()} answers, and its schema is this version's")


def check_redis(settings: Settings) -> Finding:
    """Whether Redis, if there is to be one, answers quickly and takes what is written."""
    name = "redis"
    if settings.cache_url == "memory://":
        return Finding(name, Status.OK, "none: tokens and limits are each process's own")
    key = f"widgetsvc:doctor:{token_hex(8)}"
    client = Redis.from_url(
        settings.cache_url,
        socket_timeout=_REDIS_TIMEOUT,
        socket_connect_timeout=_REDIS_TIMEOUT,
        retry=Retry(NoBackoff(), 0),
    )
    try:
        with client:
            client.ping()
            began = time.monotonic()
            client.set(key, b"1", ex=60)
            seconds = time.monotonic() - began
            client.delete(key)
    except RedisError as error:
        fix = "check WIDGETSVC_CACHE_URL, and that Redis runs and may be written to"
        return Finding(name, Status.FAULT, f"cannot be used ({type(error).__name__}: {error}); {fix}")
    if seconds > SLOW_REDIS_SECONDS:
        fix = "put Redis nearer to the service"
        return Finding(name, Status.WARNING, f"takes {1000 * seconds:.0f} ms to write; {fix}")
    return Finding(name, Status.OK, f"answers, and takes {1000 * seconds:.1f} ms to write")


def check_upstream(settings: Settings) -> Finding:
    """Whether Cronofy's cloud can be reached and knows the application."""
    name = "cronofy"
    if not settings.is_cloud:
        return Finding(name, Status.OK, "the embedded backend; no account or network is needed")
    try:
        reached = check_credentials(settings)
    except UpstreamError as error:
        return Finding(name, Status.FAULT, f"{settings.api_url}: {error}")
    offset = reached.clock_offset
    if offset is not None and abs(offset) > MAX_CLOCK_OFFSET:
        direction = "ahead of" if offset > 0 else "behind"
        words = f"this machine's clock is {abs(offset):.0f} s {direction} Cronofy's; let it follow NTP"
        return Finding(name, Status.WARNING, words)
    words = f"{settings.api_url} knows the application, and answered in {1000 * reached.seconds:.0f} ms"
    return Finding(name, Status.OK, words)


def check_bundle(settings: Settings) -> Finding:
    """Whether the UI Elements are served from here."""
    name = "bundle"
    try:
        content = read_bundle(settings.elements_dir)
    except ConfigurationError as error:
        return Finding(name, Status.FAULT, error.faults[0])
    if content is None:
        words = f"none in {settings.elements_dir}, so pages load it from Cronofy's CDN, without integrity"
        return Finding(name, Status.WARNING, f"{words}; `npm install cronofy-elements@{VERSION}` brings it")
    return Finding(name, Status.OK, f"cronofy-elements {VERSION} in {settings.elements_dir}")


def check_public_url(settings: Settings) -> Finding:
    """Whether browsers will load the service's address from partners' pages."""
    name = "public url"
    url = urlsplit(settings.public_url)
    host = url.hostname or ""
    if _is_loopback(host):
        if "public_url" not in settings.model_fields_set:
            return Finding(name, Status.OK, "not set: for this machine's browsers only")
        return Finding(name, Status.OK, f"{settings.public_url}, for this machine's browsers only")
    if url.scheme != "https":
        words = f"{settings.public_url} is not https, so browsers refuse to load it into https pages"
        fix = "put a proxy with TLS in front and set WIDGETSVC_PUBLIC_URL to its address"
        return Finding(name, Status.FAULT, f"{words}; {fix}")
    if settings.trusted_proxies == 0:
        words = "no proxy is trusted, though one has to end TLS, so all visitors seem to come from it"
        return Finding(name, Status.WARNING, f"{words}; set WIDGETSVC_TRUSTED_PROXIES to how many there are")
    return Finding(name, Status.OK, settings.public_url)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


CHECKS: tuple[Check, ...] = (
    check_data_folder,
    check_secret,
    check_database,
    check_redis,
    check_upstream,
    check_bundle,
    check_public_url,
)
