"""`/manage/v1/keys`: the keys that name the tenant."""

from dataclasses import asdict
from http import HTTPStatus
from typing import Annotated, Any

from pydantic import Field

from widgetsvc.errors import Conflict, UnknownResource
from widgetsvc.gateway.keys import DEFAULT_OVERLAP, MAX_OVERLAP, KeyKind
from widgetsvc.services import current_services
from widgetsvc.web.manage.authentication import Caller
from widgetsvc.web.manage.endpoint import NOTHING, Answer, Reply, Resource
from widgetsvc.web.manage.models import Body, Document, Instant, Page, example
from widgetsvc.web.manage.paging import PageQuery, page_of

resource = Resource(
    "Keys",
    "Publishable keys (`pk_…`) stand in markup, secret keys (`sk_…`) on your servers alone. Two of each kind "
    "can be good at a time, so that a rotation needs no downtime: rotate, deploy the new, revoke the old.",
)

_EXAMPLE: dict[str, Any] = {
    "key_id": "key_5b0f8d7c2e91",
    "kind": "secret",
    "hint": "x7Qf",
    "publishable_key": None,
    "created_at": "2031-06-25T09:00:00Z",
    "expires_at": None,
}


class KeyDocument(Document):
    """A key that is good. Of a secret key only the `hint` is known, its last characters."""

    model_config = example(**_EXAMPLE)

    key_id: str
    kind: KeyKind
    hint: str
    publishable_key: str | None
    created_at: Instant
    expires_at: Annotated[
        Instant | None, Field(description="When it ends; null where a newer one has to come.")
    ]


class KeyPage(Page[KeyDocument]):
    """Keys, in order of id."""

    model_config = example(items=[_EXAMPLE], next_cursor=None)


class KeyRotation(Body):
    """Which kind of key to rotate."""

    model_config = example(kind="secret", overlap_seconds=3_600)

    kind: Annotated[KeyKind, Field(strict=False)]
    overlap_seconds: Annotated[
        int, Field(ge=0, le=MAX_OVERLAP, description="How long the old key stays good; 0 ends it at once.")
    ] = DEFAULT_OVERLAP


class NewKeyDocument(KeyDocument):
    """A key just made, and when the one that it replaces ends.

    `key` is its text, which for a secret key is shown this once.
    """

    model_config = example(
        **_EXAMPLE,
        key="sk_Zt2hV7u0qk3m9d8QwErTyUiOpAsDfGhJkLzXcVbNx7Qf",
        old_ends_at="2031-06-25T10:00:00Z",
    )

    key: str
    old_ends_at: Instant | None


@resource.endpoint("GET", "/keys", {200: Answer("The keys that are good.", KeyPage)}, query=PageQuery)
def list_keys(caller: Caller, query: PageQuery) -> Reply:
    """List the keys.

    Those that are good, in order of id.
    """
    page, cursor = page_of("keys", caller.tenant.keys, query, lambda key: key.key_id)
    return Reply(KeyPage(items=[KeyDocument.model_validate(key) for key in page], next_cursor=cursor))


@resource.endpoint(
    "POST",
    "/keys/rotate",
    {201: Answer("The new key.", NewKeyDocument)},
    body=KeyRotation,
    errors=(Conflict,),
)
def rotate_key(caller: Caller, body: KeyRotation) -> Reply:
    """Rotate a key.

    Makes a new one; the old one stays good for a while. Refused while two keys of the kind are good:
    revoke one of them first, or rotate without an overlap.
    """
    new = current_services().tenants.rotate_key(
        caller.tenant, body.kind, overlap=body.overlap_seconds, by=caller.by
    )
    return Reply(
        NewKeyDocument.model_validate({**asdict(new.key), "key": new.text, "old_ends_at": new.old_ends_at}),
        HTTPStatus.CREATED,
    )


@resource.endpoint(
    "DELETE",
    "/keys/<text:key_id>",
    {204: Answer("The key is revoked.")},
    errors=(UnknownResource, Conflict),
)
def revoke_key(caller: Caller, key_id: str) -> Reply:
    """Revoke a key.

    It is good no more, at once. The last one of its kind cannot be revoked, only rotated.
    """
    current_services().tenants.revoke_key(caller.tenant, key_id, by=caller.by)
    return NOTHING
