"""One call of Cronofy's API as data, and what is said of it when its answer cannot be used.

Error texts are for operators. They name the call and what to check, and never hold a token or a secret.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from widgetsvc.cronofy.faults import Failed, InvalidGrant, NotAwaited, Overloaded, Throttled
from widgetsvc.cronofy.responses import oauth_error, refused_fields
from widgetsvc.errors import UpstreamError, UpstreamRejected, UpstreamUnavailable
from widgetsvc.retry_after import seconds_to_wait

TOTAL_SECONDS = 5.0

DEFAULT_RETRY_AFTER = 5
MAX_RETRY_AFTER = 60

VISIBLE_ASCII = re.compile(r"[!-~]+")
CLIENT_REFUSED = (
    "the client id or client secret was refused; check WIDGETSVC_CRONOFY_CLIENT_ID and "
    "WIDGETSVC_CRONOFY_CLIENT_SECRET, and that the application lives in WIDGETSVC_CRONOFY_DATA_CENTER"
)
ACCESS_REFUSED = (
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


@dataclass(frozen=True, slots=True)
class Call:
    """What is asked, how, and what is said of a refusal."""

    method: str
    path: str
    body: Mapping[str, object] | None = field(default=None, repr=False)
    form: str | None = field(default=None, repr=False)
    bearer: str | None = field(default=None, repr=False)
    success: int = 200
    on_401: str = CLIENT_REFUSED
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
class Answer:
    """What came back, whole."""

    status: int
    headers: Mapping[str, str]
    """By names of any case."""
    body: bytes


def refusal_of(call: Call, answer: Answer, now: float) -> UpstreamError:
    """What an answer with another status than the one for success means; `now` is in Unix seconds."""
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


def _not_now(call: Call, status: int, asked: str | None, now: float) -> UpstreamUnavailable:
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


def _advice(call: Call, status: int, body: bytes) -> str:
    if status == 401:
        return call.on_401
    if status == 400 and call.on_400 is not None:
        return call.on_400
    if status == 400 and call.form is not None and oauth_error(body) in _CLIENT_ERRORS:
        return CLIENT_REFUSED
    if status == 422:
        fields = ", ".join(refused_fields(body)) or "something it does not name"
        return f"Cronofy does not accept {fields}; correct what was sent for it"
    return _ADVICE.get(
        status, "the request was refused; check that WIDGETSVC_CRONOFY_API_URL names Cronofy's API"
    )


def too_slow(call: Call) -> UpstreamUnavailable:
    """The error of a call whose time is over."""
    detail = (
        f"{call}: no whole answer within {call.seconds:g} s; check the network, and Cronofy's status page"
    )
    return Failed(detail, transient=True) if call.seconds >= TOTAL_SECONDS else NotAwaited(detail)


def other_than_asked(call: Call, member: str) -> UpstreamUnavailable:
    """The error of an answer that is not to the question."""
    return UpstreamUnavailable(
        f"{call} answered with another {member} than was asked for, so the answer is not used; "
        "check what stands between this service and WIDGETSVC_CRONOFY_API_URL"
    )


def _retry_after(value: str, now: float) -> int:
    """Seconds to wait by a Retry-After header (RFC 9110, 10.2.3), 1 to 60; 5 if it says nothing usable."""
    seconds = seconds_to_wait(value, now)
    return max(1, min(DEFAULT_RETRY_AFTER if seconds is None else seconds, MAX_RETRY_AFTER))


def header_safe(token: str) -> str:
    """Return a bearer token as it is. Raises ValueError for what no header can hold."""
    # Left to httpx, an illegal header value is refused by an error that quotes it.
    if not VISIBLE_ASCII.fullmatch(token):
        raise ValueError("a bearer token consists of visible ASCII characters only")
    return token


def path_segment(value: str) -> str:
    """Quote an id for a path. Raises ValueError for what would address something else."""
    # httpx resolves dot segments, quoted or not: `..` would address something else.
    if value in {"", ".", ".."}:
        raise ValueError(f"{value!r} cannot be an id in a path")
    return quote(value, safe="")
