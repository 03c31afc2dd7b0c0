"""Versions as entity tags, so that no server undoes another's change unseen (RFC 9110, section 13)."""

from flask import request

from widgetsvc.errors import PreconditionFailed


def tag_of(version: int) -> str:
    """The opaque part of the entity tag of a version."""
    return f"v{version}"


def version_to_change(current: int) -> int | None:
    """The version that the request was made for; None where it says nothing of one.

    `current` is the version that is there now. Raises PreconditionFailed where `If-Match` names others.
    """
    if "If-Match" not in request.headers or request.if_match.star_tag:
        return None
    if request.if_match.contains(tag_of(current)):
        return current
    raise PreconditionFailed(
        f'It is at version "{tag_of(current)}" now, which If-Match does not name. '
        "Read it again, and repeat the change."
    )
