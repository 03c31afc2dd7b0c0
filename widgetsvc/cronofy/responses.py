"""What Cronofy answers, in the shapes that are believed.

An answer crosses a network and may come from whatever stands at the configured address, so nothing in it
is taken on trust: members must be there, of the right type and within bounds. Members that are not read
may come and go; Cronofy adds to its answers over time.
"""

import re
from typing import Annotated, TypeVar

from pydantic import AliasPath, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from widgetsvc.cronofy.faults import Failed
from widgetsvc.permissions import Permission

Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][!-~]*$", max_length=255)]
"""An id such as `cal_n23kjnwrw2_jsdfjksn000`. Never `.` or `..`, which would change the path it is put in."""

Credential = Annotated[str, Field(pattern=r"^[!-~]+$", max_length=4096, repr=False)]
"""Fit for an Authorization header as it is."""

UrlToken = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+={0,2}$", max_length=4096, repr=False)]
"""Base64url or JWT. The UI Elements put it into URLs, so anything else could add parameters of its own."""

Seconds = Annotated[int, Field(gt=0, le=2**31 - 1)]
"""A duration; Cronofy's integers are 32-bit signed."""


class _Answer(BaseModel):
    # Answers hold tokens, so a validation error must not quote what it refuses.
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", hide_input_in_errors=True)


class ApplicationCalendar(_Answer):
    """One application calendar and the tokens to act for it (Cronofy API, Application Calendars)."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)

    sub: Identifier
    """The account, `apc_…`; what element tokens and availability queries name it by."""
    application_calendar_id: str
    """The id that the application chose."""
    access_token: Credential
    expires_in: Seconds
    """How long the access token lives, in seconds from the answer."""
    refresh_token: Credential
    profile_id: Identifier = Field(validation_alias=AliasPath("linking_profile", "profile_id"))


class RefreshedTokens(_Answer):
    """An access token got with a refresh token (Cronofy API, Refreshing Access Tokens)."""

    access_token: Credential
    expires_in: Seconds
    """How long the access token lives, in seconds from the answer."""
    refresh_token: Annotated[str | None, Field(pattern=r"^[!-~]+$", max_length=4096, repr=False)] = None
    """None where the one that was sent goes on (RFC 6749, section 6)."""


class ElementToken(_Answer):
    """A browser token for UI Elements, bound to one origin (Cronofy API, Element Tokens)."""

    token: UrlToken
    permissions: frozenset[Permission]
    origin: str
    """The only origin whose pages can use the token."""
    expires_in: Seconds
    """How long the token lives, in seconds from the answer."""


class Calendar(_Answer):
    """A calendar of one account (Cronofy API, List Calendars)."""

    calendar_id: Identifier
    calendar_name: str = ""
    """Empty where Cronofy names none: application calendars have been seen without."""
    profile_id: Identifier


class Slot(_Answer):
    """A meeting that there is room for (Cronofy API, Availability)."""

    start: AwareDatetime
    end: AwareDatetime


class AvailableSlots(_Answer):
    """`POST /v1/availability` with a `response_format` of slots."""

    available_slots: tuple[Slot, ...]


class ElementTokenAnswer(_Answer):
    """`POST /v1/element_tokens`."""

    element_token: ElementToken


class CalendarsAnswer(_Answer):
    """`GET /v1/calendars`."""

    calendars: tuple[Calendar, ...]


class _SchedulingLink(_Answer):
    url: Annotated[str, Field(pattern=r"^https?://[!-~]+$", max_length=2048)]


class SchedulingLinkAnswer(_Answer):
    """`POST /v1/real_time_scheduling`."""

    real_time_scheduling: _SchedulingLink


class _Refusal(_Answer):
    errors: dict[str, object]


class _OAuthRefusal(_Answer):
    error: str


_FIELD_PATH = re.compile(r"[a-z_]+(\[\d{1,4}\])?(\.[a-z_]+(\[\d{1,4}\])?)*")
_FIELDS_SHOWN = 5

A = TypeVar("A", bound=_Answer)


def parse(shape: type[A], body: bytes, call: str) -> A:
    """Read a successful answer; `call` is its method and path, for the error's text.

    Raises Failed for anything that is not JSON of this shape.
    """
    try:
        return shape.model_validate_json(body)
    except ValidationError as error:
        detail = (
            f"{call} answered something that is not Cronofy's ({_summary(error)}); "
            "check that WIDGETSVC_CRONOFY_API_URL names Cronofy's API"
        )
        raise Failed(detail) from error


def refused_fields(body: bytes) -> tuple[str, ...]:
    """The field paths that a 422 names, such as `subs[0]`; empty where the body cannot be read.

    Only what looks like a path is kept, and no description: either could echo what was sent.
    """
    try:
        refusal = _Refusal.model_validate_json(body)
    except ValidationError:
        return ()
    paths = [path for path in refusal.errors if len(path) <= 80 and _FIELD_PATH.fullmatch(path)]
    return tuple(paths[:_FIELDS_SHOWN])


def oauth_error(body: bytes) -> str | None:
    """The error that a token endpoint names (RFC 6749, section 5.2); None where the body cannot be read."""
    try:
        return _OAuthRefusal.model_validate_json(body).error
    except ValidationError:
        return None


def _summary(error: ValidationError) -> str:
    faults = error.errors(include_url=False, include_context=False, include_input=False)[:_FIELDS_SHOWN]
    return "; ".join(f"{_path(fault['loc'])}: {fault['msg']}" for fault in faults)


def _path(location: tuple[int | str, ...]) -> str:
    return ".".join(str(step) for step in location) or "body"
