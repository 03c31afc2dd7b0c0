"""What an element token is asked to allow.

Source: Cronofy API, Element Tokens.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from widgetsvc.calendars.requests.base import Request, Text, fault
from widgetsvc.permissions import Permission
from widgetsvc.urls import origin_of

_MAX_SUBS = 50
_MAX_ORIGIN = 300


def _permissions(names: Sequence[str]) -> Sequence[str]:
    unknown = [name for name in names if name not in set(Permission)]
    if unknown:
        raise fault("errors.not_recognized", f"unknown: {', '.join(unknown)}")
    return names


def _origin(text: str) -> str:
    origin = origin_of(text)
    if origin is None:
        raise fault("errors.invalid", "must be an origin such as https://jobs.example.com")
    return origin


class ElementTokenRequest(Request):
    """What the token shall allow. A URL as `origin` is cut to its origin."""

    version: Literal["1"] = "1"
    permissions: Annotated[list[str], Field(min_length=1, max_length=16), AfterValidator(_permissions)]
    subs: Annotated[list[Text], Field(max_length=_MAX_SUBS, default_factory=list)]
    origin: Annotated[str, StringConstraints(max_length=_MAX_ORIGIN), AfterValidator(_origin)]
