"""`/manage/v1/signing-keys`: the keys with which the tenant's servers sign embed assertions."""

import json
from http import HTTPStatus
from typing import Annotated, Any

from pydantic import Field

from widgetsvc.errors import AlreadyExists, Conflict, InvalidValue, UnknownResource
from widgetsvc.gateway.keys import DEFAULT_OVERLAP, MAX_OVERLAP
from widgetsvc.gateway.signatures import PublicKey, SharedSecret, SigningAlgorithm, SigningKey
from widgetsvc.services import current_services
from widgetsvc.web.manage.authentication import Caller
from widgetsvc.web.manage.endpoint import NOTHING, Answer, Reply, Resource
from widgetsvc.web.manage.models import Body, Document, Instant, Page, example
from widgetsvc.web.manage.paging import PageQuery, page_of

resource = Resource(
    "Signing keys",
    "Your servers sign assertions with these: with an HS256 secret, made here and shown once, or with a "
    "private key of their own, whose public key you register (EdDSA, ES256, RS256).",
)

_JWK: dict[str, Any] = {
    "kty": "OKP",
    "crv": "Ed25519",
    "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
}
_EXAMPLE: dict[str, Any] = {
    "kid": "key_9d3c41f07a55",
    "alg": "EdDSA",
    "public_key": _JWK,
    "created_at": "2031-06-25T09:00:00Z",
    "expires_at": None,
}
_SECRET_EXAMPLE: dict[str, Any] = {
    **_EXAMPLE,
    "alg": "HS256",
    "public_key": None,
    "secret": "Zt2hV7u0qk3m9d8QwErTyUiOpAsDfGhJkLzXcVbNx7Q",
}


class NewSigningKey(Body):
    """The public key to register."""

    model_config = example(alg="EdDSA", public_key=_JWK)

    alg: Annotated[SigningAlgorithm, Field(strict=False, description="Any but HS256, whose keys are secret.")]
    public_key: Annotated[str | dict[str, Any], Field(description="PEM, or a JWK as text or as an object.")]
    kid: Annotated[
        str | None,
        Field(description="What assertions call it: by default the JWK's own kid, or else one made up."),
    ] = None


class SigningKeyDocument(Document):
    """A key that is good. `public_key` is a JWK; null where the key is a secret, which is nowhere shown."""

    model_config = example(**_EXAMPLE)

    kid: str
    alg: SigningAlgorithm
    public_key: dict[str, Any] | None
    created_at: Instant
    expires_at: Instant | None


class SigningKeyPage(Page[SigningKeyDocument]):
    """Signing keys, in order of id."""

    model_config = example(items=[_EXAMPLE], next_cursor=None)


class SecretRotation(Body):
    """How long the old HS256 secret stays good."""

    model_config = example(overlap_seconds=3_600)

    overlap_seconds: Annotated[
        int, Field(ge=0, le=MAX_OVERLAP, description="0 ends the old secret at once.")
    ] = DEFAULT_OVERLAP


class NewSecretDocument(SigningKeyDocument):
    """A secret just made. Its text is shown this once; sign with its bytes as they stand, not decoded."""

    model_config = example(**_SECRET_EXAMPLE)

    secret: str


@resource.endpoint(
    "GET", "/signing-keys", {200: Answer("The keys that are good.", SigningKeyPage)}, query=PageQuery
)
def list_signing_keys(caller: Caller, query: PageQuery) -> Reply:
    """List the signing keys.

    Those that are good, in order of id.
    """
    keys = current_services().signing_keys.all_of(caller.tenant)
    page, cursor = page_of("signing-keys", keys, query, lambda key: key.kid)
    return Reply(
        SigningKeyPage(items=[SigningKeyDocument(**_members(key)) for key in page], next_cursor=cursor)
    )


@resource.endpoint(
    "POST",
    "/signing-keys",
    {201: Answer("The key, registered.", SigningKeyDocument)},
    body=NewSigningKey,
    errors=(InvalidValue, AlreadyExists, Conflict),
)
def add_signing_key(caller: Caller, body: NewSigningKey) -> Reply:
    """Register a public key."""
    text = body.public_key if isinstance(body.public_key, str) else json.dumps(body.public_key)
    key = current_services().signing_keys.add_public(
        caller.tenant, body.alg, text, kid=body.kid, by=caller.by
    )
    return Reply(SigningKeyDocument(**_members(key)), HTTPStatus.CREATED)


@resource.endpoint(
    "POST",
    "/signing-keys/rotate",
    {201: Answer("The new secret.", NewSecretDocument)},
    body=SecretRotation,
    errors=(Conflict,),
)
def rotate_signing_secret(caller: Caller, body: SecretRotation) -> Reply:
    """Rotate the signing secret.

    Makes a new HS256 secret; the old one stays good for a while.
    """
    key: SharedSecret = current_services().signing_keys.rotate_secret(
        caller.tenant, overlap=body.overlap_seconds, by=caller.by
    )
    return Reply(NewSecretDocument(**_members(key), secret=key.secret.decode("ascii")), HTTPStatus.CREATED)


@resource.endpoint(
    "DELETE",
    "/signing-keys/<text:kid>",
    {204: Answer("The key is revoked.")},
    errors=(UnknownResource,),
)
def revoke_signing_key(caller: Caller, kid: str) -> Reply:
    """Revoke a signing key.

    What it has signed is refused at once.
    """
    current_services().signing_keys.revoke(caller.tenant, kid, by=caller.by)
    return NOTHING


def _members(key: SigningKey) -> dict[str, Any]:
    return {
        "kid": key.kid,
        "alg": key.alg,
        "public_key": json.loads(key.jwk) if isinstance(key, PublicKey) else None,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
    }
