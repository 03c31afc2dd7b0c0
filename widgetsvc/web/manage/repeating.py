"""The `Idempotency-Key` header: a POST that is repeated has one effect, and the same answer."""

import hashlib
import json
import re
from collections.abc import Callable

from flask import Response, request
from pydantic import BaseModel

from widgetsvc.errors import Fault, InvalidRequest
from widgetsvc.gateway.idempotency import KeptAnswer
from widgetsvc.services import current_services
from widgetsvc.web.manage.authentication import Caller

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
MAX_KEY = 255

_QUOTED = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
_BARE = re.compile(r"[!#-~]+")
_KEPT_HEADERS = ("Content-Type", "Location", "ETag")


def idempotency_key() -> str | None:
    """The current request's key: a string of structured fields (RFC 9651), or bare as most send it.

    Raises InvalidRequest.
    """
    sent = request.headers.get(HEADER)
    if sent is None:
        return None
    quoted = _QUOTED.fullmatch(sent.strip())
    key = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else sent.strip()
    if not 1 <= len(key) <= MAX_KEY or not (quoted or _BARE.fullmatch(key)):
        raise InvalidRequest([Fault(HEADER, f"must be 1 to {MAX_KEY} printable ASCII characters")])
    return key


def answer_once(
    caller: Caller, endpoint: str, key: str, body: BaseModel | None, answer: Callable[[], Response]
) -> Response:
    """Answer the first request with a key, and repeat that answer to the others.

    A failure of the service (5xx) is not kept, so that the request can be made again. Raises what
    `IdempotencyKeys.begin` raises.
    """
    keys = current_services().idempotency
    begun = keys.begin(caller.tenant, endpoint, key, _digest(body))
    if isinstance(begun, KeptAnswer):
        headers = {**begun.headers, REPLAYED: "true", "Cache-Control": "no-store"}
        return Response(begun.body, begun.status, headers)
    is_kept = False
    try:
        response = answer()
        if response.status_code < 500:
            headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
            keys.keep(begun, KeptAnswer(response.status_code, headers, response.get_data(as_text=True)))
            is_kept = True
    finally:
        if not is_kept:
            keys.abandon(begun)
    return response


def _digest(body: BaseModel | None) -> bytes:
    """What is asked for, however it was written down."""
    sent = {} if body is None else body.model_dump(mode="json", exclude_unset=True)
    return hashlib.sha256(json.dumps(sent, sort_keys=True).encode()).digest()
