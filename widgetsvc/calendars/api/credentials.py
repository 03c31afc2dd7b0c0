"""Who calls, and what they may reach.

Source: Cronofy API, Authentication and Element Tokens. Endpoints that take client credentials in the body
ignore the Authorization header: pycronofy sends `Bearer None` there and Node `Bearer undefined`.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from flask import g, request

from widgetsvc.calendars.api.rate_limits import count_request
from widgetsvc.calendars.backend import current_backend
from widgetsvc.calendars.element_tokens import ElementTokenClaims
from widgetsvc.calendars.errors import NotAuthenticated, NotPermitted
from widgetsvc.calendars.records import Account, Application
from widgetsvc.permissions import Permission
from widgetsvc.urls import origin_of

ELEMENT_TOKEN_PARAMETER = "et"  # noqa: S105 - the name of a parameter, not a secret


class _OfApplication(Protocol):
    @property
    def application_id(self) -> int: ...


Identity = TypeVar("Identity", bound=_OfApplication)


class Scheme(StrEnum):
    """A way to show who calls, by its name in the OpenAPI document."""

    ACCESS_TOKEN = "access_token"  # noqa: S105 - a name, not a secret
    """The Bearer token of one account."""
    API_KEY = "api_key"
    """The application's client secret as the Bearer token."""
    ELEMENT_TOKEN = "element_token"  # noqa: S105 - a name, not a secret
    """A browser's token, in the query as `et`."""


@dataclass(frozen=True, slots=True)
class Caller(Generic[Identity]):
    """How an endpoint finds out who calls, and the schemes of which any one will do.

    `find` raises NotAuthenticated or NotPermitted.
    """

    find: Callable[[], Identity]
    schemes: tuple[Scheme, ...]

    def identify(self) -> Identity:
        """Who calls; the request counts for their application.

        Raises NotAuthenticated, NotPermitted or TooManyRequests.
        """
        found = self.find()
        count_request(found.application_id)
        return found


@dataclass(frozen=True, slots=True)
class Reach:
    """An application, and which of its accounts the caller may query; None stands for all of them."""

    application_id: int
    subs: frozenset[str] | None = None

    def covers(self, subs: Iterable[str]) -> bool:
        """Whether all of these accounts are within reach."""
        return self.subs is None or self.subs.issuperset(subs)

    def accounts(self, subs: Collection[str]) -> dict[str, Account]:
        """The accounts that there are among these, by sub.

        Raises NotPermitted where an element token does not name one of them, or names one that has been
        revoked since: the page that holds the token has lost it, and did not ask for anything faulty.
        """
        if not self.covers(subs):
            raise NotPermitted("the element token does not cover every sub of the query")
        found = current_backend().accounts.accounts(self.application_id, subs)
        if self.subs is not None and not found.keys() >= set(subs):
            raise NotPermitted("the element token names an account that has been revoked")
        return found


def bearer() -> str:
    """Return the Bearer token. Raises NotAuthenticated where there is none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise NotAuthenticated("no token was sent", error="invalid_request")
    return token.strip()


def presented_claims() -> ElementTokenClaims | None:
    """What the request's element token says, whether live or not; None without one of ours."""
    if "element_token_claims" not in g:
        token = request.args.get(ELEMENT_TOKEN_PARAMETER)
        g.element_token_claims = current_backend().element_tokens.read(token) if token else None
    claims: ElementTokenClaims | None = g.element_token_claims
    return claims


def _element_token(any_of: frozenset[Permission]) -> ElementTokenClaims:
    claims = presented_claims()
    if claims is None:
        raise NotAuthenticated("the element token is not one of this server's")
    if not current_backend().element_tokens.is_live(claims):
        raise NotAuthenticated("the element token has expired")
    if _calling_origin() != claims.origin:
        raise NotAuthenticated("the element token belongs to another origin")
    if not any_of & claims.permissions:
        raise NotPermitted(f"the element token allows none of {', '.join(sorted(any_of))}")
    return claims


def _calling_origin() -> str | None:
    """The origin of the calling page; a page of our own origin sends none with a GET (Fetch, Origin)."""
    origin = request.headers.get("Origin")
    if origin is not None:
        return origin
    if request.headers.get("Sec-Fetch-Site") == "same-origin":
        return origin_of(current_backend().public_url)
    return origin_of(request.headers.get("Referer", ""))


def account(*any_of: Permission) -> Caller[Account]:
    """Whoever an access token reaches, or an element token with one of these permissions, if any are named.

    An element token for several accounts reaches its first: the Elements that read events show one. When that
    is revoked, the token reaches none: a page that showed one account's events does not turn to another's.
    """
    schemes = (Scheme.ACCESS_TOKEN, Scheme.ELEMENT_TOKEN) if any_of else (Scheme.ACCESS_TOKEN,)
    return Caller(lambda: _account(frozenset(any_of)), schemes)


def _account(any_of: frozenset[Permission]) -> Account:
    backend = current_backend()
    if ELEMENT_TOKEN_PARAMETER not in request.args:
        found = backend.accounts.account_by_access_token(bearer())
        if found is None:
            raise NotAuthenticated("the access token is unknown or has expired")
        return found
    if not any_of:
        raise NotAuthenticated("element tokens do not reach this endpoint")
    claims = _element_token(any_of)
    reached = list(backend.accounts.accounts(claims.application_id, claims.subs[:1]).values())
    if not reached:
        raise NotPermitted("the element token names no account, or one that has been revoked")
    return reached[0]


def _application_by_api_key() -> Application:
    application = current_backend().accounts.application_by_secret(bearer())
    if application is None:
        raise NotAuthenticated("the API key is unknown")
    return application


def _reach() -> Reach:
    if ELEMENT_TOKEN_PARAMETER in request.args:
        claims = _element_token(frozenset({Permission.AVAILABILITY}))
        return Reach(claims.application_id, frozenset(claims.subs))
    accounts = current_backend().accounts
    token = bearer()
    application = accounts.application_by_secret(token)
    if application is not None:
        return Reach(application.application_id)
    found = accounts.account_by_access_token(token)
    if found is None:
        raise NotAuthenticated("the token is neither an API key nor a live access token")
    return Reach(found.application_id)


API_KEY = Caller(_application_by_api_key, (Scheme.API_KEY,))
"""The application whose API key (its client secret) was sent as the Bearer token."""

REACH = Caller(_reach, (Scheme.API_KEY, Scheme.ACCESS_TOKEN, Scheme.ELEMENT_TOKEN))
"""What an element token for availability, an API key or an access token may query.

An access token reaches all accounts of its application, as the SDKs' samples need.
"""


def application_by_credentials(client_id: str, client_secret: str) -> Application:
    """The application with these client credentials."""
    application = current_backend().accounts.application_by_secret(client_secret, client_id)
    if application is None:
        raise NotAuthenticated("the client credentials are unknown", error="invalid_client")
    count_request(application.application_id)
    return application
