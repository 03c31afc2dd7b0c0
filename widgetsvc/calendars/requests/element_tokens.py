"""What an element token is asked to allow.

Source: Cronofy API, Element Tokens.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from widgetsvc.calendars.requests.base import NOTHING, Described, Request, Text, fault, refused
from widgetsvc.permissions import Permission
from widgetsvc.urls import origin_of

_MAX_SUBS = 50
_MAX_ORIGIN = 300


def _permission(name: str) -> str:
    if name not in set(Permission):
        raise fault("errors.not_recognized", f"must be one of {', '.join(Permission)}")
    return name


def _origin(text: str) -> str:
    origin = origin_of(text)
    if origin is None:
        raise fault("errors.invalid", "must be an origin such as https://jobs.example.com")
    return origin


class ElementTokenRequest(Request):
    """What the token shall allow. A URL as `origin` is cut to its origin."""

    version: Literal["1"] = "1"
    permissions: Annotated[
        list[Annotated[str, AfterValidator(_permission), Described({"enum": list(Permission)})]],
        Field(min_length=1, max_length=16),
    ]
    subs: Annotated[list[Text], Field(max_length=_MAX_SUBS, default_factory=list)]
    bookable_event_ids: Annotated[None, refused("bookable events"), NOTHING] = None
    origin: Annotated[
        str,
        StringConstraints(max_length=_MAX_ORIGIN),
        AfterValidator(_origin),
        Described({"pattern": "^[Hh][Tt][Tt][Pp][Ss]?://", "examples": ["https://jobs.example.com"]}),
    ]
