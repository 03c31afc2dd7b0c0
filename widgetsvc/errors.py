"""The service's errors. Each has a stable `code`; only the HTTP edge knows status codes.

ServiceError
├── ConfigurationError          settings that cannot be served with
├── InvalidRequest              a body or query with faults, all of them listed
├── UnknownKey · InvalidAssertion · ExpiredAssertion
├── OriginNotAllowed · AssertionRequired · PermissionNotAllowed · TenantSuspended
├── UnknownTenant · UnknownCalendar · UnknownWidget · UnknownResource · CalendarRevoked
├── AlreadyExists · InvalidOriginRule · InvalidName · InvalidValue     an operator's or tenant's input
├── SecretKeyExposed            a secret key came from a browser
├── Conflict · PreconditionFailed · IdempotencyKeyReused · RequestInFlight
├── RateLimited · StorageUnavailable
└── UpstreamError
    ├── UpstreamRejected        Cronofy understood and said no
    └── UpstreamUnavailable     Cronofy could not be asked, or its answer not be used
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a request: `field` is a path such as `calendars[0]`, empty for the whole body."""

    field: str
    message: str


class ServiceError(Exception):
    """Base of everything the service refuses or fails at on purpose.

    `str(error)` is the detail for people: what is wrong and what to do.
    """

    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Internal error"

    @property
    def members(self) -> Mapping[str, object]:
        """Further members of the problem document, beside the detail."""
        return {}


class ConfigurationError(ServiceError):
    """The settings cannot be served with; `faults` names every one of them."""

    code = "invalid_configuration"
    title = "Invalid configuration"

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(f"  - {fault}" for fault in self.faults))


class InvalidRequest(ServiceError):
    """The request is malformed; every fault is listed."""

    code = "invalid_request"
    title = "Invalid request"

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(f"{f.field}: {f.message}" if f.field else f.message for f in self.faults))

    @property
    def members(self) -> Mapping[str, object]:
        return {"errors": [{"field": fault.field, "message": fault.message} for fault in self.faults]}


class UnknownKey(ServiceError):
    """The key names no tenant, or is of the wrong kind."""

    code = "unknown_key"
    title = "Unknown key"


class InvalidAssertion(ServiceError):
    """The embed assertion does not verify, or is not meant for this."""

    code = "invalid_assertion"
    title = "Invalid assertion"


class ExpiredAssertion(ServiceError):
    """The embed assertion verifies, but its time is over."""

    code = "expired_assertion"
    title = "Expired assertion"


class OriginNotAllowed(ServiceError):
    """The page's origin is matched by none of the tenant's rules."""

    code = "origin_not_allowed"
    title = "Origin not allowed"

    def __init__(self, detail: str, *, origin: str | None, nearest_rule: str | None) -> None:
        self.origin = origin
        self.nearest_rule = nearest_rule
        super().__init__(detail)

    @property
    def members(self) -> Mapping[str, object]:
        return {"origin": self.origin, "nearest_rule": self.nearest_rule}


class AssertionRequired(ServiceError):
    """The tenant's access is `signed`, and no assertion came."""

    code = "assertion_required"
    title = "Assertion required"


class PermissionNotAllowed(ServiceError):
    """The tenant's policy or the assertion does not cover what was asked for."""

    code = "permission_not_allowed"
    title = "Permission not allowed"


class TenantSuspended(ServiceError):
    """The tenant exists, but the operator has suspended it."""

    code = "tenant_suspended"
    title = "Tenant suspended"


class UnknownTenant(ServiceError):
    """No tenant has this name."""

    code = "unknown_tenant"
    title = "Unknown tenant"


class UnknownCalendar(ServiceError):
    """The tenant has no application calendar of this id."""

    code = "unknown_calendar"
    title = "Unknown calendar"


class UnknownWidget(ServiceError):
    """The tenant has no widget of this id."""

    code = "unknown_widget"
    title = "Unknown widget"


class UnknownResource(ServiceError):
    """The tenant has nothing of this kind and id."""

    code = "unknown_resource"
    title = "Unknown resource"


class CalendarRevoked(ServiceError):
    """The application calendar has been revoked."""

    code = "calendar_revoked"
    title = "Calendar revoked"


class AlreadyExists(ServiceError):
    """Something of this name is there already."""

    code = "already_exists"
    title = "Already exists"


class InvalidOriginRule(ServiceError):
    """The text is not a rule that origins can be held against; `problem` is what is wrong with it."""

    code = "invalid_origin_rule"
    title = "Invalid origin rule"

    def __init__(self, detail: str, *, problem: str) -> None:
        self.problem = problem
        super().__init__(detail)


class InvalidName(ServiceError):
    """A slug, display name or calendar id that cannot be stored."""

    code = "invalid_name"
    title = "Invalid name"


class InvalidValue(ServiceError):
    """A well-formed value that cannot be used; `field` is its path, as in `Fault`."""

    code = "invalid_value"
    title = "Invalid value"

    def __init__(self, detail: str, *, field: str) -> None:
        self.field = field
        super().__init__(detail)

    @property
    def members(self) -> Mapping[str, object]:
        return {"errors": [{"field": self.field, "message": str(self)}]}


class SecretKeyExposed(ServiceError):
    """A secret key was sent by a browser, where anybody can read it."""

    code = "secret_key_exposed"
    title = "Secret key exposed"


class Conflict(ServiceError):
    """What is there now does not allow the change."""

    code = "conflict"
    title = "Conflict"


class PreconditionFailed(ServiceError):
    """Somebody else has changed it since the version that the request was made for."""

    code = "precondition_failed"
    title = "Changed meanwhile"


class IdempotencyKeyReused(ServiceError):
    """The idempotency key belongs to an earlier request with another body."""

    code = "idempotency_key_reused"
    title = "Idempotency key reused"


class RequestInFlight(ServiceError):
    """The first request with this idempotency key is still under way."""

    code = "request_in_flight"
    title = "Request in flight"
    retry_after = 1


class StorageUnavailable(ServiceError):
    """The database is locked, full or gone; worth retrying, and nothing was written."""

    code = "storage_unavailable"
    title = "Storage unavailable"
    retry_after = 5


class RateLimited(ServiceError):
    """Too many requests; `retry_after` is in seconds."""

    code = "rate_limited"
    title = "Too many requests"

    def __init__(self, detail: str, *, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__(detail)


class UpstreamError(ServiceError):
    """Cronofy's API (cloud or embedded) did not give what was asked of it."""


class UpstreamRejected(UpstreamError):
    """Cronofy understood the request and refused it; `status` is its status code."""

    code = "upstream_rejected"
    title = "Calendar provider refused"

    def __init__(self, detail: str, *, status: int) -> None:
        self.status = status
        super().__init__(detail)


class UpstreamUnavailable(UpstreamError):
    """Cronofy could not be reached, or answered with something unusable; worth retrying."""

    code = "upstream_unavailable"
    title = "Calendar provider unavailable"

    def __init__(self, detail: str, *, retry_after: int = 5) -> None:
        self.retry_after = retry_after
        super().__init__(detail)
