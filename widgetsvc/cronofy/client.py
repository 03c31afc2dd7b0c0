"""The only door to Cronofy's API: what the gateway asks of it, and what can go wrong.

One client speaks to both backends. Whoever builds its `httpx.Client` chooses the transport: the network for
Cronofy's cloud, `httpx.WSGITransport` for the embedded backend.

Error texts are for operators. They name the call and what to check, and never hold a token or a secret.
"""

import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Literal, TypeVar
from urllib.parse import quote

import httpx
from authlib.oauth2 import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_token_request

from widgetsvc import __version__
from widgetsvc.clock import Clock, monotonic_clock, system_clock
from widgetsvc.cronofy.breaker import BreakerState
from widgetsvc.cronofy.faults import (
    Failed,
    InvalidGrant,
    NotAsked,
    NotAwaited,
    Outcome,
    Overloaded,
    Throttled,
    outcome_of,
)
from widgetsvc.cronofy.guard import Guard
from widgetsvc.cronofy.responses import (
    ApplicationCalendar,
    AvailableSlots,
    Calendar,
    CalendarsAnswer,
    ElementToken,
    ElementTokenAnswer,
    RefreshedTokens,
    SchedulingLinkAnswer,
    Slot,
    oauth_error,
    parse,
    refused_fields,
)
from widgetsvc.cronofy.transport import NetworkTransport
from widgetsvc.errors import ConfigurationError, UpstreamError, UpstreamRejected, UpstreamUnavailable
from widgetsvc.permissions import Permission
from widgetsvc.retry_after import seconds_to_wait

CONNECT_SECONDS = 2.0
TOTAL_SECONDS = 5.0
MAX_ANSWER_BYTES = 1024 * 1024
"""Far above any answer that is read here; a body that goes on beyond it is not Cronofy's."""

DEFAULT_RETRY_AFTER = 5
MAX_RETRY_AFTER = 60

_VISIBLE_ASCII = re.compile(r"[!-~]+")
_CLIENT_REFUSED = (
    "the client id or client secret was refused; check WIDGETSVC_CRONOFY_CLIENT_ID and "
    "WIDGETSVC_CRONOFY_CLIENT_SECRET, and that the application lives in WIDGETSVC_CRONOFY_DATA_CENTER"
)
_ACCESS_REFUSED = (
    "the calendar's access token was refused, so it has expired or was revoked; "
    "ask for the application calendar again to get a new one"
)
_TRANSIENT = frozenset({500, 502, 503, 504})
_CLIENT_ERRORS = frozenset({"invalid_client", "unauthorized_client"})
_ADVICE = {
    402: "the plan does not cover this; check the application's plan with Cronofy",
    403: "the credentials do not reach this far; check the application's rights in Cronofy's dashboard",
    404: "no such thing; check that the calendar still exists and what WIDGETSVC_CRONOFY_API_URL names",
    423: "the account behind the calendar is locked; its owner has to connect it again",
}


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and what came of it, for metrics and logs; nothing in it names an account or is secret."""

    call: str
    """Method and path with its ids left out, such as `POST /v1/calendars/{calendar_id}/events`."""
    outcome: Outcome
    seconds: float
    """From the request to the answer's last byte."""


Observe = Callable[[Exchange], None]
"""Is told of every exchange, attempts repeated and held back included, in the thread that made it."""


def http_client(base_url: str, *, transport: httpx.BaseTransport | None = None) -> httpx.Client:
    """Make the `httpx.Client` for a `CronofyClient`, which closes it.

    It follows no redirect and reads no proxy or credential from the environment. Without `transport` it uses
    the network.
    """
    return httpx.Client(
        base_url=base_url,
        transport=transport or NetworkTransport(),
        follow_redirects=False,
        trust_env=False,
        headers={"User-Agent": f"widgetsvc/{__version__}"},
    )


@dataclass(frozen=True, slots=True)
class Reached:
    """What a check of the credentials tells beside that they are right."""

    seconds: float
    """How long the answer took."""
    clock_offset: float | None
    """How far the own clock is ahead of the API's, in seconds; None where the API does not say the time."""


@dataclass(frozen=True, slots=True)
class _Call:
    method: str
    path: str
    body: Mapping[str, object] | None = field(default=None, repr=False)
    form: str | None = field(default=None, repr=False)
    bearer: str | None = field(default=None, repr=False)
    success: int = 200
    on_401: str = _CLIENT_REFUSED
    on_400: str | None = None
    route: str | None = None
    """The path with its ids left out, where there are any."""
    repeatable: bool = False
    """Whether sending it twice does no more than sending it once."""
    seconds: float = TOTAL_SECONDS
    """How long it may take in all, repeated or not."""

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def name(self) -> str:
        return f"{self.method} {self.route or self.path}"

    @property
    def headers(self) -> dict[str, str]:
        # Uncompressed, so that the size cap counts what has to be held in memory.
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        if self.bearer is not None:
            headers["Authorization"] = f"Bearer {self.bearer}"
        if self.form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        return headers


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: httpx.Headers
    body: bytes


class CronofyClient:
    """Cronofy's API for one application; safe to share between threads.

    Every method raises UpstreamRejected when Cronofy understood and said no, and UpstreamUnavailable when it
    could not be asked, asks to be left alone for a while, or gave an answer that cannot be used.
    """

    def __init__(  # noqa: PLR0913 - all but one by name
        self,
        http: httpx.Client,
        *,
        client_id: str,
        client_secret: str,
        guard: Guard | None = None,
        observe: Observe | None = None,
        timed: bool = True,
        clock: Clock = system_clock,
        monotonic: Clock = monotonic_clock,
    ) -> None:
        """Take a ready `http` whose base URL is the API's, and a `guard` where that is Cronofy's cloud.

        Without one every method makes one attempt. `timed` is false for a backend in this process: it works
        in the caller's thread, and to give its answer up when it is there would save nobody's time. `clock`
        is held against dates in answers, `monotonic` measures how long they take.
        """
        if not _VISIBLE_ASCII.fullmatch(client_secret):
            raise ConfigurationError(
                ["WIDGETSVC_CRONOFY_CLIENT_SECRET: has a space, line break or non-ASCII"]
            )
        self._http = http
        self._client_id = client_id
        self._client_secret = client_secret
        self._guard = guard
        self._observe = observe
        self._timed = timed
        self._clock = clock
        self._monotonic = monotonic

    @property
    def breaker_state(self) -> BreakerState:
        """Whether calls go out now; always closed where nothing guards them."""
        return BreakerState.CLOSED if self._guard is None else self._guard.state

    def close(self) -> None:
        """Close the connections that are open."""
        self._http.close()
        if self._guard is not None:
            self._guard.close()

    def check_credentials(self) -> Reached:
        """Show the credentials to Cronofy; nothing there changes.

        Raises UpstreamRejected where they are refused. What is asked for is a grant that cannot be: an
        application that is known is told so, any other is told first that it is not.
        """
        call = self._grant("no-refresh-token")

        def exchange(deadline: float) -> _Answer:
            answer = self._receive(call, deadline)
            refusal = _refusal(call, answer, self._clock())
            if not isinstance(refusal, InvalidGrant):
                raise refusal
            return answer

        began = self._monotonic()
        answer = self._ask(call, exchange)
        seconds = self._monotonic() - began
        return Reached(seconds, _clock_offset(answer.headers.get("Date", ""), self._clock() - seconds / 2))

    def refresh(self, refresh_token: str) -> RefreshedTokens:
        """Get a valid access token of the account that the refresh token is for.

        Source: RFC 6749, section 6; Cronofy API, Refreshing Access Tokens. Raises InvalidGrant for a refresh
        token that is unknown or revoked. Cronofy's do not rotate, so asking twice does no harm.
        """
        call = self._grant(refresh_token)
        return self._send(call, lambda answer: parse(RefreshedTokens, answer, str(call)))

    def _grant(self, refresh_token: str) -> _Call:
        path = "/oauth/token"
        form = prepare_token_request("refresh_token", refresh_token=refresh_token)
        auth = ClientAuth(self._client_id, self._client_secret, "client_secret_post")
        _, _, form = auth.prepare("POST", path, {}, form)
        return _Call("POST", path, form=form, repeatable=True)

    def upsert_application_calendar(self, application_calendar_id: str) -> ApplicationCalendar:
        """Create the calendar, or return the one that the application already has by this id.

        Source: Cronofy API, Application Calendars.
        """
        body = {
            "client_id": self._client_id,
            "client_secret": self._client_secret,
            "application_calendar_id": application_calendar_id,
        }
        call = _Call("POST", "/v1/application_calendars", body, repeatable=True)

        def read(answer: bytes) -> ApplicationCalendar:
            calendar = parse(ApplicationCalendar, answer, str(call))
            if calendar.application_calendar_id != application_calendar_id:
                raise _other_than_asked(call, "application_calendar_id")
            return calendar

        return self._send(call, read)

    def revoke(self, sub: str) -> None:
        """Revoke the account: its tokens end at once, and an application calendar is deleted with its events.

        Source: Cronofy API, Revoking Authorization. An account that is not there counts as revoked.
        """
        body = {"client_id": self._client_id, "client_secret": self._client_secret, "sub": sub}
        call = _Call("POST", "/oauth/token/revoke", body, on_400=_CLIENT_REFUSED, repeatable=True)
        self._send(call, _unread)

    def element_token(
        self, permissions: Collection[Permission], subs: Sequence[str], origin: str
    ) -> ElementToken:
        """Mint a browser token that lets pages of `origin` use `permissions` on the accounts `subs`.

        Source: Cronofy API, Element Tokens. Lives 64,800 s on Cronofy's cloud.
        """
        body = {"version": "1", "permissions": sorted(permissions), "subs": list(subs), "origin": origin}
        call = _Call("POST", "/v1/element_tokens", body, bearer=self._client_secret, repeatable=True)

        def read(answer: bytes) -> ElementToken:
            token = parse(ElementTokenAnswer, answer, str(call)).element_token
            if token.origin != origin:
                raise _other_than_asked(call, "origin")
            if token.permissions != frozenset(permissions):
                raise _other_than_asked(call, "permissions")
            return token

        return self._send(call, read)

    def availability(
        self,
        query: Mapping[str, object],
        response_format: Literal["slots", "overlapping_slots"] = "slots",
        *,
        seconds: float = TOTAL_SECONDS,
    ) -> tuple[Slot, ...]:
        """Find the meetings that a query has room for, the earliest first.

        Source: Cronofy API, Availability. `query` goes out as JSON, as it is but for `response_format`. With
        less than 5 `seconds` a late answer raises NotAwaited, which is not held against the API.
        """
        call = _Call(
            "POST",
            "/v1/availability",
            {**query, "response_format": response_format},
            bearer=self._client_secret,
            repeatable=True,
            seconds=seconds,
        )
        return self._send(call, lambda answer: parse(AvailableSlots, answer, str(call)).available_slots)

    def list_calendars(self, access_token: str) -> tuple[Calendar, ...]:
        """List the calendars of the account that the access token is for; an application calendar has one."""
        call = _Call(
            "GET",
            "/v1/calendars",
            bearer=_header_safe(access_token),
            on_401=_ACCESS_REFUSED,
            repeatable=True,
        )
        return self._send(call, lambda answer: parse(CalendarsAnswer, answer, str(call)).calendars)

    def upsert_event(self, access_token: str, calendar_id: str, event: Mapping[str, object]) -> None:
        """Create or update the event, by the `event_id` it holds, in this calendar.

        Source: Cronofy API, Create or Update Events. `event` goes out as JSON, as it is.
        """
        call = _Call(
            "POST",
            f"/v1/calendars/{_path_segment(calendar_id)}/events",
            event,
            bearer=_header_safe(access_token),
            success=202,
            on_401=_ACCESS_REFUSED,
            route="/v1/calendars/{calendar_id}/events",
            repeatable=True,
        )
        self._send(call, _unread)

    def create_scheduling_link(self, link: Mapping[str, object]) -> str:
        """Create a real-time scheduling link and return the address to share.

        Source: Cronofy API, Create Real-Time Scheduling Link. `link` goes out as JSON, as it is, and once:
        where no answer comes, there may be a link that nobody knows.
        """
        call = _Call("POST", "/v1/real_time_scheduling", link, bearer=self._client_secret)
        return self._send(
            call, lambda answer: parse(SchedulingLinkAnswer, answer, str(call)).real_time_scheduling.url
        )

    def _send(self, call: _Call, read: Callable[[bytes], T]) -> T:
        """Ask, and read the successful answer; what cannot be read is as good as no answer."""

        def exchange(deadline: float) -> T:
            answer = self._receive(call, deadline)
            if answer.status != call.success:
                raise _refusal(call, answer, self._clock())
            return read(answer.body)

        return self._ask(call, exchange)

    def _ask(self, call: _Call, exchange: Callable[[float], T]) -> T:
        """Make the exchange, which is given its deadline, as often as it may be and the time allows."""
        deadline = self._monotonic() + call.seconds if self._timed else math.inf
        send = partial(exchange, deadline)
        if self._guard is None:
            return self._observed(call, send)
        attempt = partial(self._observed, call, partial(self._guard.exchange, send))
        if not call.repeatable:
            return attempt()
        return self._guard.repeat(attempt, lambda: deadline - self._monotonic())

    def _observed(self, call: _Call, exchange: Callable[[], T]) -> T:
        if self._observe is None:
            return exchange()
        began = self._monotonic()
        error: UpstreamError | None = None
        try:
            return exchange()
        except UpstreamError as raised:
            error = raised
            raise
        finally:
            self._observe(Exchange(call.name, outcome_of(error), self._monotonic() - began))

    def _receive(self, call: _Call, deadline: float) -> _Answer:
        seconds = deadline - self._monotonic()
        if seconds <= 0:
            raise _too_slow(call)
        connect = min(CONNECT_SECONDS, seconds)
        try:
            with self._http.stream(
                call.method,
                call.path,
                json=call.body,
                content=call.form,
                headers=call.headers,
                timeout=httpx.Timeout(seconds, connect=connect, pool=connect),
                extensions={"total": seconds},
            ) as response:
                return _Answer(response.status_code, response.headers, self._read(call, response, deadline))
        except httpx.PoolTimeout as error:
            raise NotAsked(
                f"{call}: all connections are busy with calls that get no answer; check the network"
            ) from error
        except httpx.TimeoutException as error:
            raise _too_slow(call) from error
        except httpx.ConnectError as error:
            host = self._http.base_url.host
            detail = f"{call}: cannot connect to {host} ({error}); check name, network and firewall"
            raise Failed(detail, transient=True) from error
        except httpx.TransportError as error:
            detail = (
                f"{call}: the exchange broke off ({type(error).__name__}); check the network, then try again"
            )
            raise Failed(detail, transient=True) from error

    def _read(self, call: _Call, response: httpx.Response, deadline: float) -> bytes:
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise Failed(f"{call} answered in a compressed form that was not asked for; check proxies")
        body = bytearray()
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > MAX_ANSWER_BYTES:
                raise Failed(f"{call} answered more than 1 MiB; check WIDGETSVC_CRONOFY_API_URL")
            # Transports may time each read alone; a body that drips would never end.
            if self._monotonic() > deadline:
                raise _too_slow(call)
        return bytes(body)


def _refusal(call: _Call, answer: _Answer, now: float) -> UpstreamError:
    status = answer.status
    if status in {408, 425, 429} or status >= 500:
        return _not_now(call, status, answer.headers.get("Retry-After"), now)
    if status == 400 and call.form is not None and oauth_error(answer.body) == "invalid_grant":
        return InvalidGrant(
            f"{call} answered 400: the refresh token is unknown or revoked; "
            "ask for the application calendar again to get a new one",
            status=status,
        )
    if status >= 400:
        advice = _advice(call, status, answer.body)
        return UpstreamRejected(f"{call} answered {status}: {advice}", status=status)
    meaning = "a redirect, which is not followed" if status >= 300 else f"where {call.success} was due"
    return Failed(
        f"{call} answered {status}, {meaning}; check that WIDGETSVC_CRONOFY_API_URL names the API host itself"
    )


def _not_now(call: _Call, status: int, asked: str | None, now: float) -> UpstreamUnavailable:
    retry_after = _retry_after(asked or "", now)
    if status == 429:
        reason = "the rate limit is reached; if this happens often, ask Cronofy to raise it"
    else:
        reason = "a fault on the API's side; if it lasts, look at Cronofy's status page"
    detail = f"{call} answered {status}: {reason}. Worth trying again in {retry_after} s"
    if status == 429:
        return Throttled(detail, retry_after=retry_after)
    if status < 500:
        return UpstreamUnavailable(detail, retry_after=retry_after)
    if asked is not None:
        return Overloaded(detail, retry_after=retry_after)
    return Failed(detail, retry_after=retry_after, transient=status in _TRANSIENT)


def _advice(call: _Call, status: int, body: bytes) -> str:
    if status == 401:
        return call.on_401
    if status == 400 and call.on_400 is not None:
        return call.on_400
    if status == 400 and call.form is not None and oauth_error(body) in _CLIENT_ERRORS:
        return _CLIENT_REFUSED
    if status == 422:
        fields = ", ".join(refused_fields(body)) or "something it does not name"
        return f"Cronofy does not accept {fields}; correct what was sent for it"
    return _ADVICE.get(
        status, "the request was refused; check that WIDGETSVC_CRONOFY_API_URL names Cronofy's API"
    )


def _too_slow(call: _Call) -> UpstreamUnavailable:
    detail = (
        f"{call}: no whole answer within {call.seconds:g} s; check the network, and Cronofy's status page"
    )
    return Failed(detail, transient=True) if call.seconds >= TOTAL_SECONDS else NotAwaited(detail)


def _unread(_answer: bytes) -> None:
    """Take whatever a successful answer holds."""


def _clock_offset(date: str, now: float) -> float | None:
    try:
        return now - parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError):
        return None


def _other_than_asked(call: _Call, member: str) -> UpstreamUnavailable:
    return UpstreamUnavailable(
        f"{call} answered with another {member} than was asked for, so the answer is not used; "
        "check what stands between this service and WIDGETSVC_CRONOFY_API_URL"
    )


def _retry_after(value: str, now: float) -> int:
    """Seconds to wait by a Retry-After header (RFC 9110, 10.2.3), 1 to 60; 5 if it says nothing usable."""
    seconds = seconds_to_wait(value, now)
    return max(1, min(DEFAULT_RETRY_AFTER if seconds is None else seconds, MAX_RETRY_AFTER))


def _header_safe(token: str) -> str:
    # Left to httpx, an illegal header value is refused by an error that quotes it.
    if not _VISIBLE_ASCII.fullmatch(token):
        raise ValueError("a bearer token consists of visible ASCII characters only")
    return token


def _path_segment(value: str) -> str:
    # httpx resolves dot segments, quoted or not: `..` would address something else.
    if value in {"", ".", ".."}:
        raise ValueError(f"{value!r} cannot be an id in a path")
    return quote(value, safe="")
