"""What the backend refuses, in Cronofy's terms.

Source: Cronofy API, Errors; RFC 6749 section 5.2 for `/oauth`.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple


class FieldError(NamedTuple):
    """One fault: a `path` as in `participants[0].members[1].sub`, a `key` for programs, words for people."""

    path: str
    key: str
    description: str


class ApiError(Exception):
    """Base of every refusal of the backend."""


class InvalidParameters(ApiError):
    """The request is understood but cannot be carried out; all faults are listed (422)."""

    def __init__(self, faults: Iterable[FieldError]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(f"{fault.path}: {fault.description}" for fault in self.faults))

    @classmethod
    def single(cls, path: str, key: str, description: str) -> "InvalidParameters":
        """The error for one fault."""
        return cls([FieldError(path, key, description)])

    def as_document(self) -> dict[str, object]:
        """Cronofy's body: `{"errors": {path: [{"key", "description"}]}}`."""
        by_path: dict[str, list[dict[str, str]]] = defaultdict(list)
        for fault in self.faults:
            by_path[fault.path].append({"key": fault.key, "description": fault.description})
        return {"errors": dict(by_path)}


class NotAuthenticated(ApiError):
    """The credentials are missing, unknown, expired or used from another origin (401)."""

    def __init__(self, description: str, *, error: str = "invalid_token") -> None:
        self.error = error
        super().__init__(description)


class NotPermitted(ApiError):
    """The credentials are known, but do not reach this far (403)."""


class NotFound(ApiError):
    """The resource is not there, or belongs to somebody else (404)."""


class TooManyRequests(ApiError):
    """The application has used up its requests for now (429); `retry_after` is in seconds."""

    def __init__(self, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__(f"try again in {retry_after} s")


class OAuthRefused(ApiError):
    """A token request failed; `error` is one of RFC 6749 section 5.2 (400)."""

    def __init__(self, error: str, description: str) -> None:
        self.error = error
        super().__init__(description)
