"""What an account of a person or a resource is created with."""

import re
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from widgetsvc.calendars.requests.base import Name, Request, TzId, fault

# What browsers take for one (WHATWG HTML, valid e-mail address), with a dot in the domain.
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_EMAIL = re.compile(
    rf"[a-z0-9.!#$%&'*+/=?^_`{{|}}~-]{{1,64}}@(?:{_LABEL}\.)+{_LABEL}", re.IGNORECASE | re.ASCII
)


def _email(text: str) -> str:
    if not _EMAIL.fullmatch(text):
        raise fault("errors.invalid_email", "must be an e-mail address such as jane@example.com")
    return text


def _printable(text: str) -> str:
    if not text.isprintable():
        raise fault("errors.invalid", "must have printable characters only")
    return text


class NewAccount(Request):
    """The identity of a new account."""

    name: Annotated[Name, StringConstraints(max_length=255), AfterValidator(_printable)]
    email: Annotated[str, StringConstraints(max_length=320), AfterValidator(_email)] | None = None
    tzid: TzId | None = None
