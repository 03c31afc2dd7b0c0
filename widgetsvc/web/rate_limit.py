"""Limits on what one address, one tenant's key and one origin may ask for.

An address is the client's; behind proxies it is only as true as `WIDGETSVC_TRUSTED_PROXIES` says. Of IPv6 it
is the network (/64), since whoever has one address there has all of them.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import AddressValueError, IPv6Address

from flask import Flask, Response, current_app, g, request

from widgetsvc.errors import RateLimited
from widgetsvc.gateway.origins import Origin
from widgetsvc.gateway.tenant_models import Tenant
from widgetsvc.limits import Allowance, Counts, Excess, Limited

_EXTENSION = "widgetsvc rate limit"

_TOKEN, _MANAGE, _FRAME, _SCHEDULE = "/embed/token", "/manage/", "/frame/", "/schedule/"

_WHAT = {"token": "requests for tokens", "frame": "frames", "failure": "wrong keys", "manage": "requests"}


@dataclass(frozen=True, slots=True)
class Allowances:
    """What the operator allows; each is several allowances, all of which have to hold."""

    address: Sequence[Allowance]
    """Of tokens, of frames and of hosted pages, each for itself, by client address."""
    key: Sequence[Allowance]
    """Of tokens and of frames, each for itself, for one tenant."""
    origin: Sequence[Allowance]
    """Of tokens for one tenant's pages of one origin."""
    manage: Sequence[Allowance]
    """Of management requests with one secret key."""
    failures: Sequence[Allowance] = (Allowance(20, 60),)
    """Of management requests whose key is wrong, by client address."""


class RateLimit:
    """Refuses who has used up an allowance."""

    def __init__(self, counts: Counts, allowances: Allowances) -> None:
        self._counts = counts
        self._allowances = allowances

    def install(self, app: Flask, backend: Flask | None) -> None:
        """Hold the gateway's requests, and the backend's hosted pages, to the allowances."""
        app.extensions[_EXTENSION] = self
        app.before_request(self._check)
        app.after_request(self._note_failure)
        app.after_request(_tell)
        if backend is not None:
            # Its API has limits of its own.
            backend.before_request(self._check_page)

    def allows_token(self, address: str, tenant: Tenant, origin: str) -> bool:
        """Count a request for a token for its address, tenant and origin, unless it is one too many."""
        everybody = [*self._of_address(address), *self._of_tenant(tenant, origin)]
        return self._counts.use(everybody) is None

    def check_tenant(self, tenant: Tenant) -> None:
        """Hold a request for a token to the allowances of its tenant and origin. Raises RateLimited."""
        self._use([*self._of_tenant(tenant, str(Origin.parse(request.headers.get("Origin"))))])

    def check_frame(self, tenant: Tenant) -> None:
        """Hold a request for a frame to the allowance of its tenant. Raises RateLimited."""
        self._use([*_limited("frame by key", str(tenant.tenant_id), self._allowances.key)])

    def _of_address(self, address: str) -> Iterator[Limited]:
        return _limited("token by address", _network(address), self._allowances.address)

    def _of_tenant(self, tenant: Tenant, origin: str) -> Iterator[Limited]:
        who = str(tenant.tenant_id)
        yield from _limited("token by key", who, self._allowances.key)
        yield from _limited("token by origin", f"{who} {origin}", self._allowances.origin)

    def _check(self) -> None:
        path = request.path
        if path == _TOKEN:
            if request.method == "POST":
                self._use([*self._of_address(request.remote_addr or "unknown")])
        elif path.startswith(_FRAME):
            self._use([*_limited("frame by address", _address(), self._allowances.address)])
        elif path.startswith(_MANAGE):
            for limited in _limited("failure by address", _address(), self._allowances.failures):
                if excess := self._counts.excess(limited):
                    _refuse(excess)
            self._use([*_limited("manage by key", _credentials(), self._allowances.manage)])

    def _check_page(self) -> Response | None:
        if not request.path.startswith(_SCHEDULE):
            return None
        excess = self._counts.use([*_limited("page by address", _address(), self._allowances.address)])
        if excess is None:
            return None
        words = f"Too many requests from this address. Try again in {excess.wait} s.\n"
        response = Response(words, HTTPStatus.TOO_MANY_REQUESTS, mimetype="text/plain")
        response.headers["Retry-After"] = str(excess.wait)
        response.headers["Cache-Control"] = "no-store"
        return _with_fields(response, excess)

    def _use(self, everybody: Sequence[Limited]) -> None:
        if excess := self._counts.use(everybody):
            _refuse(excess)

    def _note_failure(self, response: Response) -> Response:
        if response.status_code == HTTPStatus.UNAUTHORIZED and request.path.startswith(_MANAGE):
            self._counts.use([*_limited("failure by address", _address(), self._allowances.failures)])
        return response


def check_tenant(tenant: Tenant) -> None:
    """Hold the current request for a token to its tenant's allowances. Raises RateLimited."""
    limit = limit_of(current_app)
    if limit is not None:
        limit.check_tenant(tenant)


def check_frame(tenant: Tenant) -> None:
    """Hold the current request for a frame, which may ask for free slots, to its tenant's allowance.

    Raises RateLimited.
    """
    limit = limit_of(current_app)
    if limit is not None:
        limit.check_frame(tenant)


def limit_of(app: Flask) -> RateLimit | None:
    """What limits an application's requests, if anything does."""
    limit: RateLimit | None = app.extensions.get(_EXTENSION)
    return limit


def _limited(scope: str, who: str, allowances: Sequence[Allowance]) -> Iterator[Limited]:
    for allowance in allowances:
        yield Limited(scope, who, allowance)


def _refuse(excess: Excess) -> None:
    g.rate_excess = excess
    part, _, measure = excess.scope.partition(" by ")
    raise RateLimited(
        f"Too many {_WHAT[part]} from this {measure}; try again in {excess.wait} s.", retry_after=excess.wait
    )


def _tell(response: Response) -> Response:
    excess: Excess | None = g.get("rate_excess")
    return response if excess is None else _with_fields(response, excess)


def _with_fields(response: Response, excess: Excess) -> Response:
    """Source: draft-ietf-httpapi-ratelimit-headers-06."""
    response.headers["RateLimit-Limit"] = str(excess.allowance.amount)
    response.headers["RateLimit-Remaining"] = "0"
    response.headers["RateLimit-Reset"] = str(excess.wait)
    return response


def _credentials() -> str:
    """Name a secret key without keeping it."""
    header = request.headers.get("Authorization", "")
    return hashlib.sha256(header.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def _address() -> str:
    return _network(request.remote_addr or "unknown")


def _network(address: str) -> str:
    if ":" not in address:
        return address
    try:
        parsed = IPv6Address(address.partition("%")[0])
    except AddressValueError:
        return "unknown"
    mapped = parsed.ipv4_mapped
    return str(mapped) if mapped is not None else parsed.packed[:8].hex()
