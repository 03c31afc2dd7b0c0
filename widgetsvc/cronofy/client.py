"""The only door to Cronofy's API: what the gateway asks of it, and what can go wrong.

One client speaks to both backends. Whoever builds its `httpx.Client` chooses the transport: the network for
Cronofy's cloud, `httpx.WSGITransport` for the embedded backend.

Error texts are for operators. They name the call and what to check, and never hold a token or a secret.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

import httpx

from widgetsvc import __version__
from widgetsvc.clock import Clock, monotonic_clock, system_clock
from widgetsvc.cronofy.responses import (
    ApplicationCalendar,
    Calendar,
    CalendarsAnswer,
    ElementToken,
    ElementTokenAnswer,
    SchedulingLinkAnswer,
    parse,
    refused_fields,
)
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
_ADVICE = {
    402: "the plan does not cover this; check the application's plan with Cronofy",
    403: "the credentials do not reach this far; check the application's rights in Cronofy's dashboard",
    404: "no such thing; check that the calendar still exists and what WIDGETSVC_CRONOFY_API_URL names",
    423: "the account behind the calendar is locked; its owner has to connect it again",
}


def http_client(base_url: str, *, transport: httpx.BaseTransport | None = None) -> httpx.Client:
    """Make the `httpx.Client` for a `CronofyClient`; close it when the service stops.

    It follows no redirect and reads no proxy or credential from the environment. Connecting may take 2 s and
    each read 5 s; `CronofyClient` holds the whole answer to 5 s. Without `transport` it uses the network.
    """
    return httpx.Client(
        base_url=base_url,
        transport=transport,
        timeout=httpx.Timeout(TOTAL_SECONDS, connect=CONNECT_SECONDS, pool=CONNECT_SECONDS),
        follow_redirects=False,
        trust_env=False,
        headers={"User-Agent": f"widgetsvc/{__version__}"},
    )


@dataclass(frozen=True, slots=True)
class _Call:
    method: str
    path: str
    body: Mapping[str, object] | None = field(default=None, repr=False)
    bearer: str | None = field(default=None, repr=False)
    success: int = 200
    on_401: str = _CLIENT_REFUSED
    on_400: str | None = None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def headers(self) -> dict[str, str]:
        # Uncompressed, so that the size cap counts what has to be held in memory.
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        if self.bearer is not None:
            headers["Authorization"] = f"Bearer {self.bearer}"
        return headers


class CronofyClient:
    """Cronofy's API for one application; safe to share between threads.

    Every method raises UpstreamRejected when Cronofy understood and said no, and UpstreamUnavailable when it
    could not be asked, asks to be left alone for a while, or gave an answer that cannot be used.
    """

    def __init__(
        self,
        http: httpx.Client,
        *,
        client_id: str,
        client_secret: str,
        clock: Clock = system_clock,
        monotonic: Clock = monotonic_clock,
    ) -> None:
        """Take a ready `http` whose base URL is the API's.

        `clock` is held against dates in Retry-After, `monotonic` measures how long an answer takes.
        """
        if not _VISIBLE_ASCII.fullmatch(client_secret):
            raise ConfigurationError(
                ["WIDGETSVC_CRONOFY_CLIENT_SECRET: has a space, line break or non-ASCII"]
            )
        self._http = http
        self._client_id = client_id
        self._client_secret = client_secret
        self._clock = clock
        self._monotonic = monotonic

    def upsert_application_calendar(self, application_calendar_id: str) -> ApplicationCalendar:
        """Create the calendar, or return the one that the application already has by this id.

        Source: Cronofy API, Application Calendars.
        """
        body = {
            "client_id": self._client_id,
            "client_secret": self._client_secret,
            "application_calendar_id": application_calendar_id,
        }
        call = _Call("POST", "/v1/application_calendars", body)
        calendar = parse(ApplicationCalendar, self._send(call), str(call))
        if calendar.application_calendar_id != application_calendar_id:
            raise _other_than_asked(call, "application_calendar_id")
        return calendar

    def revoke(self, sub: str) -> None:
        """Revoke the account: its tokens end at once, and an application calendar is deleted with its events.

        Source: Cronofy API, Revoking Authorization. An account that is not there counts as revoked.
        """
        body = {"client_id": self._client_id, "client_secret": self._client_secret, "sub": sub}
        self._send(_Call("POST", "/oauth/token/revoke", body, on_400=_CLIENT_REFUSED))

    def element_token(
        self, permissions: Collection[Permission], subs: Sequence[str], origin: str
    ) -> ElementToken:
        """Mint a browser token that lets pages of `origin` use `permissions` on the accounts `subs`.

        Source: Cronofy API, Element Tokens. Lives 64,800 s on Cronofy's cloud.
        """
        body = {"version": "1", "permissions": sorted(permissions), "subs": list(subs), "origin": origin}
        call = _Call("POST", "/v1/element_tokens", body, bearer=self._client_secret)
        token = parse(ElementTokenAnswer, self._send(call), str(call)).element_token
        if token.origin != origin:
            raise _other_than_asked(call, "origin")
        if token.permissions != frozenset(permissions):
            raise _other_than_asked(call, "permissions")
        return token

    def list_calendars(self, access_token: str) -> tuple[Calendar, ...]:
        """List the calendars of the account that the access token is for; an application calendar has one."""
        call = _Call("GET", "/v1/calendars", bearer=_header_safe(access_token), on_401=_ACCESS_REFUSED)
        return parse(CalendarsAnswer, self._send(call), str(call)).calendars

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
        )
        self._send(call)

    def create_scheduling_link(self, link: Mapping[str, object]) -> str:
        """Create a real-time scheduling link and return the address to share.

        Source: Cronofy API, Create Real-Time Scheduling Link. `link` goes out as JSON, as it is.
        """
        call = _Call("POST", "/v1/real_time_scheduling", link, bearer=self._client_secret)
        return parse(SchedulingLinkAnswer, self._send(call), str(call)).real_time_scheduling.url

    def _send(self, call: _Call) -> bytes:
        deadline = self._monotonic() + TOTAL_SECONDS
        try:
            with self._http.stream(
                call.method, call.path, json=call.body, headers=call.headers, follow_redirects=False
            ) as response:
                body = self._read(call, response, deadline)
        except httpx.TimeoutException as error:
            raise _too_slow(call) from error
        except httpx.ConnectError as error:
            host = self._http.base_url.host
            detail = f"{call}: cannot connect to {host} ({error}); check name, network and firewall"
            raise UpstreamUnavailable(detail) from error
        except httpx.TransportError as error:
            detail = (
                f"{call}: the exchange broke off ({type(error).__name__}); check the network, then try again"
            )
            raise UpstreamUnavailable(detail) from error
        if response.status_code != call.success:
            raise _refusal(call, response, body, self._clock())
        return body

    def _read(self, call: _Call, response: httpx.Response, deadline: float) -> bytes:
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise UpstreamUnavailable(
                f"{call} answered in a compressed form that was not asked for; check proxies"
            )
        body = bytearray()
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > MAX_ANSWER_BYTES:
                raise UpstreamUnavailable(f"{call} answered more than 1 MiB; check WIDGETSVC_CRONOFY_API_URL")
            # httpx times each read; a body that drips would never end.
            if self._monotonic() > deadline:
                raise _too_slow(call)
        return bytes(body)


def _refusal(call: _Call, response: httpx.Response, body: bytes, now: float) -> UpstreamError:
    status = response.status_code
    if status in {408, 425, 429} or status >= 500:
        return _asked_to_wait(call, status, _retry_after(response.headers.get("Retry-After", ""), now))
    if status >= 400:
        return UpstreamRejected(f"{call} answered {status}: {_advice(call, status, body)}", status=status)
    meaning = "a redirect, which is not followed" if status >= 300 else f"where {call.success} was due"
    return UpstreamUnavailable(
        f"{call} answered {status}, {meaning}; check that WIDGETSVC_CRONOFY_API_URL names the API host itself"
    )


def _asked_to_wait(call: _Call, status: int, retry_after: int) -> UpstreamUnavailable:
    if status == 429:
        reason = "the rate limit is reached; if this happens often, ask Cronofy to raise it"
    else:
        reason = "a fault on the API's side; if it lasts, look at Cronofy's status page"
    detail = f"{call} answered {status}: {reason}. Worth trying again in {retry_after} s"
    return UpstreamUnavailable(detail, retry_after=retry_after)


def _advice(call: _Call, status: int, body: bytes) -> str:
    if status == 401:
        return call.on_401
    if status == 400 and call.on_400 is not None:
        return call.on_400
    if status == 422:
        fields = ", ".join(refused_fields(body)) or "something it does not name"
        return f"Cronofy does not accept {fields}; correct what was sent for it"
    return _ADVICE.get(
        status, "the request was refused; check that WIDGETSVC_CRONOFY_API_URL names Cronofy's API"
    )


def _too_slow(call: _Call) -> UpstreamUnavailable:
    return UpstreamUnavailable(
        f"{call}: no whole answer within {TOTAL_SECONDS:.0f} s; check the network, and Cronofy's status page"
    )


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
