"""The only door to Cronofy's API: what the gateway asks of it, and what can go wrong.

One client speaks to both backends. Whoever builds its `httpx.Client` chooses the transport: the network for
Cronofy's cloud, `httpx.WSGITransport` for the embedded backend.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Literal, TypeVar

import httpx
from authlib.oauth2 import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_token_request

from widgetsvc import __version__
from widgetsvc.clock import Clock, monotonic_clock, system_clock
from widgetsvc.cronofy.breaker import BreakerState
from widgetsvc.cronofy.calls import (
    ACCESS_REFUSED,
    CLIENT_REFUSED,
    TOTAL_SECONDS,
    VISIBLE_ASCII,
    Answer,
    Call,
    header_safe,
    other_than_asked,
    path_segment,
    refusal_of,
    too_slow,
)
from widgetsvc.cronofy.faults import (
    Failed,
    InvalidGrant,
    NotAsked,
    Outcome,
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
    parse,
)
from widgetsvc.cronofy.transport import NetworkTransport
from widgetsvc.errors import ConfigurationError, UpstreamError
from widgetsvc.permissions import Permission

CONNECT_SECONDS = 2.0
MAX_ANSWER_BYTES = 1024 * 1024
"""Far above any answer that is read here; a body that goes on beyond it is not Cronofy's."""

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
        if not VISIBLE_ASCII.fullmatch(client_secret):
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

        def exchange(deadline: float) -> Answer:
            answer = self._receive(call, deadline)
            refusal = refusal_of(call, answer, self._clock())
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

    def _grant(self, refresh_token: str) -> Call:
        path = "/oauth/token"
        form = prepare_token_request("refresh_token", refresh_token=refresh_token)
        auth = ClientAuth(self._client_id, self._client_secret, "client_secret_post")
        _, _, form = auth.prepare("POST", path, {}, form)
        return Call("POST", path, form=form, repeatable=True)

    def upsert_application_calendar(self, application_calendar_id: str) -> ApplicationCalendar:
        """Create the calendar, or return the one that the application already has by this id.

        Source: Cronofy API, Application Calendars.
        """
        body = {
            "client_id": self._client_id,
            "client_secret": self._client_secret,
            "application_calendar_id": application_calendar_id,
        }
        call = Call("POST", "/v1/application_calendars", body, repeatable=True)

        def read(answer: bytes) -> ApplicationCalendar:
            calendar = parse(ApplicationCalendar, answer, str(call))
            if calendar.application_calendar_id != application_calendar_id:
                raise other_than_asked(call, "application_calendar_id")
            return calendar

        return self._send(call, read)

    def revoke(self, sub: str) -> None:
        """Revoke the account: its tokens end at once, and an application calendar is deleted with its events.

        Source: Cronofy API, Revoking Authorization. An account that is not there counts as revoked.
        """
        body = {"client_id": self._client_id, "client_secret": self._client_secret, "sub": sub}
        call = Call("POST", "/oauth/token/revoke", body, on_400=CLIENT_REFUSED, repeatable=True)
        self._send(call, _unread)

    def element_token(
        self, permissions: Collection[Permission], subs: Sequence[str], origin: str
    ) -> ElementToken:
        """Mint a browser token that lets pages of `origin` use `permissions` on the accounts `subs`.

        Source: Cronofy API, Element Tokens. Lives 64,800 s on Cronofy's cloud.
        """
        body = {"version": "1", "permissions": sorted(permissions), "subs": list(subs), "origin": origin}
        call = Call("POST", "/v1/element_tokens", body, bearer=self._client_secret, repeatable=True)

        def read(answer: bytes) -> ElementToken:
            token = parse(ElementTokenAnswer, answer, str(call)).element_token
            if token.origin != origin:
                raise other_than_asked(call, "origin")
            if token.permissions != frozenset(permissions):
                raise other_than_asked(call, "permissions")
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
        call = Call(
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
        call = Call(
            "GET",
            "/v1/calendars",
            bearer=header_safe(access_token),
            on_401=ACCESS_REFUSED,
            repeatable=True,
        )
        return self._send(call, lambda answer: parse(CalendarsAnswer, answer, str(call)).calendars)

    def upsert_event(self, access_token: str, calendar_id: str, event: Mapping[str, object]) -> None:
        """Create or update the event, by the `event_id` it holds, in this calendar.

        Source: Cronofy API, Create or Update Events. `event` goes out as JSON, as it is.
        """
        call = Call(
            "POST",
            f"/v1/calendars/{path_segment(calendar_id)}/events",
            event,
            bearer=header_safe(access_token),
            success=202,
            on_401=ACCESS_REFUSED,
            route="/v1/calendars/{calendar_id}/events",
            repeatable=True,
        )
        self._send(call, _unread)

    def create_scheduling_link(self, link: Mapping[str, object]) -> str:
        """Create a real-time scheduling link and return the address to share.

        Source: Cronofy API, Create Real-Time Scheduling Link. `link` goes out as JSON, as it is, and once:
        where no answer comes, there may be a link that nobody knows.
        """
        call = Call("POST", "/v1/real_time_scheduling", link, bearer=self._client_secret)
        return self._send(
            call, lambda answer: parse(SchedulingLinkAnswer, answer, str(call)).real_time_scheduling.url
        )

    def _send(self, call: Call, read: Callable[[bytes], T]) -> T:
        """Ask, and read the successful answer; what cannot be read is as good as no answer."""

        def exchange(deadline: float) -> T:
            answer = self._receive(call, deadline)
            if answer.status != call.success:
                raise refusal_of(call, answer, self._clock())
            return read(answer.body)

        return self._ask(call, exchange)

    def _ask(self, call: Call, exchange: Callable[[float], T]) -> T:
        """Make the exchange, which is given its deadline, as often as it may be and the time allows."""
        deadline = self._monotonic() + call.seconds if self._timed else math.inf
        send = partial(exchange, deadline)
        if self._guard is None:
            return self._observed(call, send)
        attempt = partial(self._observed, call, partial(self._guard.exchange, send))
        if not call.repeatable:
            return attempt()
        return self._guard.repeat(attempt, lambda: deadline - self._monotonic())

    def _observed(self, call: Call, exchange: Callable[[], T]) -> T:
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

    def _receive(self, call: Call, deadline: float) -> Answer:
        seconds = deadline - self._monotonic()
        if seconds <= 0:
            raise too_slow(call)
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
                return Answer(response.status_code, response.headers, self._read(call, response, deadline))
        except httpx.PoolTimeout as error:
            raise NotAsked(
                f"{call}: all connections are busy with calls that get no answer; check the network"
            ) from error
        except httpx.TimeoutException as error:
            raise too_slow(call) from error
        except httpx.ConnectError as error:
            host = self._http.base_url.host
            detail = f"{call}: cannot connect to {host} ({error}); check name, network and firewall"
            raise Failed(detail, transient=True) from error
        except httpx.TransportError as error:
            detail = (
                f"{call}: the exchange broke off ({type(error).__name__}); check the network, then try again"
            )
            raise Failed(detail, transient=True) from error

    def _read(self, call: Call, response: httpx.Response, deadline: float) -> bytes:
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise Failed(f"{call} answered in a compressed form that was not asked for; check proxies")
        body = bytearray()
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > MAX_ANSWER_BYTES:
                raise Failed(f"{call} answered more than 1 MiB; check WIDGETSVC_CRONOFY_API_URL")
            # Transports may time each read alone; a body that drips would never end.
            if self._monotonic() > deadline:
                raise too_slow(call)
        return bytes(body)


def _unread(_answer: bytes) -> None:
    """Take whatever a successful answer holds."""


def _clock_offset(date: str, now: float) -> float | None:
    try:
        return now - parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError):
        return None
