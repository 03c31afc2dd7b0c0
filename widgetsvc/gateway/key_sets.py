"""The sets of public keys (JWKS) that tenants publish at addresses of their own.

The address is the tenant's setting and never comes out of a token. A set is kept in process for as long as it
says, within bounds, and renewed in the background. A kid that it does not hold has it fetched again, at most
once a minute: so tenants can rotate without telling anybody, and strangers cannot have it fetched at will.

Sources: RFC 7517, section 5 (JWK Set); RFC 8725, sections 3.1 and 3.10; RFC 9111, section 5.2.2 (max-age).
"""

import json
import logging
import re
import threading
from collections.abc import Mapping
from threading import Lock
from typing import Any

from cachetools import LRUCache

from widgetsvc.clock import Clock, monotonic_clock
from widgetsvc.errors import InvalidValue
from widgetsvc.gateway.signatures import PublicKey, SigningAlgorithm, read_jwk
from widgetsvc.gateway.tenant_models import Tenant
from widgetsvc.outbound import AddressRefused, Answer, NoAnswer, Outbound

SHORTEST, LONGEST = 300, 86_400
"""Bounds of how long a set is kept without a look at its address, in seconds."""

USUAL = 3_600
"""How long it is kept where its address does not say."""

ASK_AGAIN_SECONDS = 60
"""How long nobody asks an address that has just been asked."""

STALE_SECONDS = 86_400
"""How long a set is used that can no longer be fetched, from when it was fetched last."""

WAIT_SECONDS = 3.0
"""How long a request waits for a fetch that another one has begun."""

_MAX_SETS = 1_000
_MAX_AGE = re.compile(r"max-age=\"?([0-9]{1,9})", re.IGNORECASE)
_UNCACHED = re.compile(r"no-store|no-cache", re.IGNORECASE)
_log = logging.getLogger(__name__)


class KeySets:
    """The sets that this process knows; safe to share between threads."""

    def __init__(self, outbound: Outbound, monotonic: Clock = monotonic_clock) -> None:
        self._outbound = outbound
        self._monotonic = monotonic
        self._lock = Lock()
        self._sets: LRUCache[int, _KeySet] = LRUCache(_MAX_SETS)

    def check_address(self, url: str) -> None:
        """Raise InvalidValue for an address that no set will ever be fetched from. Asks nobody."""
        try:
            self._outbound.check(url)
        except AddressRefused as error:
            raise InvalidValue(f"The address of the key set {error}.", field="jwks_url") from error

    def find(self, tenant: Tenant, kid: str) -> PublicKey | None:
        """Return the key of this kid in the set that the tenant publishes, None where there is none."""
        if tenant.jwks_url is None:
            return None
        with self._lock:
            held = self._sets.get(tenant.tenant_id)
            if held is None or held.url != tenant.jwks_url:
                held = self._sets[tenant.tenant_id] = _KeySet(
                    tenant.slug, tenant.jwks_url, self._outbound, self._monotonic
                )
        return held.find(kid)


class _KeySet:
    """One tenant's set. Whoever fetches it holds `_fetching`."""

    def __init__(self, owner: str, url: str, outbound: Outbound, monotonic: Clock) -> None:
        self.url = url
        self._owner = owner
        self._outbound = outbound
        self._monotonic = monotonic
        self._fetching = Lock()
        self._keys: Mapping[str, PublicKey] = {}
        self._renew_at = self._ask_again_at = self._ends_at = monotonic()

    def find(self, kid: str) -> PublicKey | None:
        now = self._monotonic()
        if (key := self._good_keys(now).get(kid)) is not None:
            if now >= max(self._renew_at, self._ask_again_at) and self._fetching.acquire(blocking=False):
                threading.Thread(target=self._fetch_and_release, name="key set", daemon=True).start()
            return key
        if now >= self._ask_again_at and self._fetching.acquire(timeout=WAIT_SECONDS):
            if self._monotonic() >= self._ask_again_at:
                self._fetch_and_release()
            else:
                self._fetching.release()
        return self._good_keys(self._monotonic()).get(kid)

    def _good_keys(self, now: float) -> Mapping[str, PublicKey]:
        return self._keys if now < self._ends_at else {}

    def _fetch_and_release(self) -> None:
        try:
            self._fetch()
        finally:
            self._ask_again_at = self._monotonic() + ASK_AGAIN_SECONDS
            self._fetching.release()

    def _fetch(self) -> None:
        try:
            answer = self._outbound.send("GET", self.url, headers={"Accept": "application/json"})
            keys = read_key_set(_body(answer))
        except (AddressRefused, NoAnswer, ValueError) as error:
            _log.warning("the key set of %s at %s cannot be used: %s", self._owner, self.url, error)
            return
        now = self._monotonic()
        self._keys = keys
        self._renew_at = now + _seconds_to_keep(answer.headers.get("cache-control", ""))
        self._ends_at = now + STALE_SECONDS


def read_key_set(body: bytes) -> dict[str, PublicKey]:
    """Read the keys of a JWK Set that can verify signatures here, by kid; others are left out.

    Left out is what has no kid or one that stands twice, another use than `sig`, a type or algorithm that is
    none of ours, and every symmetric or private key: whoever reads the set could sign with it. Raises
    ValueError for what is no set.
    """
    try:
        document = json.loads(body)
    except RecursionError as error:
        raise ValueError("the JSON is too deep") from error
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise ValueError("it is not a JSON object with a list of keys")  # noqa: TRY004 - as other bad JSON
    keys: dict[str, PublicKey] = {}
    doubled: set[str] = set()
    for members in listed:
        key = _usable(members)
        if key is not None:
            doubled |= {key.kid} & keys.keys()
            keys[key.kid] = key
    return {kid: key for kid, key in keys.items() if kid not in doubled}


def _usable(members: Any) -> PublicKey | None:
    alg = _algorithm(members) if isinstance(members, dict) else None
    if alg is None:
        return None
    try:
        jwk, kid = read_jwk(members, alg)
    except InvalidValue as error:
        _log.info("a key of a key set is left out: %s", error)
        return None
    return None if kid is None else PublicKey(kid=kid, algorithm=alg, jwk=jwk)


def _algorithm(members: Mapping[str, Any]) -> SigningAlgorithm | None:
    """The only algorithm here that keys of this type and curve are for."""
    match members.get("kty"), members.get("crv"):
        case "OKP", "Ed25519":
            return SigningAlgorithm.EDDSA
        case "EC", "P-256":
            return SigningAlgorithm.ES256
        case "RSA", None:
            return SigningAlgorithm.RS256
    return None


def _body(answer: Answer) -> bytes:
    if answer.status != 200:
        raise ValueError(f"its address answers with status {answer.status}")
    if not answer.complete:
        raise ValueError("it is larger than 64 KiB, or was cut off")
    return answer.body


def _seconds_to_keep(cache_control: str) -> int:
    if _UNCACHED.search(cache_control):
        return SHORTEST
    stated = _MAX_AGE.search(cache_control)
    return min(max(int(stated[1]), SHORTEST), LONGEST) if stated else USUAL
