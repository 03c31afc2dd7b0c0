"""The keys that tenants' signatures are checked with: shared secrets and public keys, each for one algorithm.

Sources: RFC 7515 (JWS), RFC 7517 (JWK), RFC 7518 (algorithms), RFC 8037 (Ed25519), RFC 8725 (best practices).
"""

import json
import re
from abc import ABC, abstractmethod
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from widgetsvc.errors import InvalidValue

FIELD = "public_key"
"""What the errors of public keys name as their field."""

MAX_PUBLIC_KEY = 8 * 1024
"""Characters of a public key as it is given."""

_MIN_SECRET = 32  # RFC 7518, section 3.2: not shorter than the hash
_MIN_RSA, _MAX_RSA = 2_048, 8_192  # RFC 7518, section 3.3; above, each check takes too long
_MAX_EXPONENT = 2**32
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth"})
_KID = re.compile(r"[!-~]{1,64}")

_Verifier = OctKey | OKPKey | ECKey | RSAKey


class SigningAlgorithm(StrEnum):
    """How a tenant's server signs, spelled as in the `alg` header (RFC 7518, section 3.1; RFC 8037)."""

    HS256 = "HS256"
    """HMAC with SHA-256 and a secret that the tenant and the service share."""
    EDDSA = "EdDSA"
    """Ed25519."""
    ES256 = "ES256"
    """ECDSA on P-256 with SHA-256."""
    RS256 = "RS256"
    """RSA, PKCS #1 v1.5, with SHA-256 and a key of at least 2048 bits."""


PUBLIC_ALGORITHMS = frozenset(SigningAlgorithm) - {SigningAlgorithm.HS256}
"""Those that a public key verifies."""

_WANTED = {
    SigningAlgorithm.EDDSA: "an Ed25519 key",
    SigningAlgorithm.ES256: "a key on the curve P-256",
    SigningAlgorithm.RS256: f"an RSA key of {_MIN_RSA} to {_MAX_RSA} bits",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey(ABC):
    """A tenant's key, bound to one algorithm (RFC 8725, section 3.1). Instants are Unix seconds."""

    kid: str
    created_at: int = 0
    expires_at: int | None = None
    _verifier: _Verifier = field(init=False, repr=False, compare=False)

    @property
    @abstractmethod
    def alg(self) -> SigningAlgorithm:
        """The only algorithm that the key is used with."""

    def is_valid(self, now: float) -> bool:
        """Whether the key is good at this moment."""
        return self.expires_at is None or now < self.expires_at

    def verifies(self, signed: bytes, signature: bytes) -> bool:
        """Whether the signature of these bytes was made with the key."""
        return JWSRegistry.algorithms[self.alg].verify(signed, signature, self._verifier)


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedSecret(SigningKey):
    """An HS256 key.

    The secret is text: tenants paste it into `jwt.sign(payload, secret)`, which takes the text's UTF-8 bytes
    as they stand, so `secret` holds those bytes. It is never base64-decoded, though it looks as if it could
    be. Raises ValueError for a secret shorter than 32 bytes.
    """

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) < _MIN_SECRET:
            raise ValueError(f"a signing secret has at least {_MIN_SECRET} bytes")
        object.__setattr__(self, "_verifier", OctKey.import_key(self.secret))

    @property
    def alg(self) -> SigningAlgorithm:
        return SigningAlgorithm.HS256


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey(SigningKey):
    """A public key. `jwk` has the members that make the key, as JSON without spaces, in order of name."""

    algorithm: SigningAlgorithm
    jwk: str

    def __post_init__(self) -> None:
        members = json.loads(self.jwk)
        object.__setattr__(self, "_verifier", _TYPES[members["kty"]].import_key(members))

    @property
    def alg(self) -> SigningAlgorithm:
        return self.algorithm


def generate_secret(kid: str, random_bytes: Callable[[int], bytes], created_at: int = 0) -> SharedSecret:
    """Make an HS256 key of 256 random bits, whose secret is text in base64url (43 characters)."""
    secret = urlsafe_b64encode(random_bytes(_MIN_SECRET)).rstrip(b"=")
    return SharedSecret(kid=kid, secret=secret, created_at=created_at)


# Public keys


def read_public_key(text: str, alg: SigningAlgorithm) -> tuple[str, str | None]:
    """Read a public key, PEM or JWK, for an algorithm; return its canonical JWK and the kid that it names.

    Raises InvalidValue for what is no such key; one that is private is refused and kept nowhere.
    """
    if len(text) > MAX_PUBLIC_KEY:
        raise _refused(f"The key is longer than {MAX_PUBLIC_KEY} characters.")
    if "PRIVATE KEY" in text:
        raise _private()
    if "-----BEGIN" in text:
        return _canonical(_from_pem(text), alg), None
    try:
        members = json.loads(text)
    except (ValueError, RecursionError):
        members = None
    if not isinstance(members, dict):
        raise _refused(
            "The key is neither PEM (-----BEGIN PUBLIC KEY-----) nor a JWK, which is a JSON object."
        )
    return read_jwk(members, alg)


def read_jwk(members: Mapping[str, Any], alg: SigningAlgorithm) -> tuple[str, str | None]:
    """The same for the members of a JWK (RFC 7517, section 4)."""
    if "keys" in members:
        raise _refused("This is a set of keys; register one of them, or the address that the set stands at.")
    if members.get("kty") == "oct" or "k" in members:
        raise _refused("This is a symmetric key; the service makes those itself.")
    if not _PRIVATE_MEMBERS.isdisjoint(members):
        raise _private()
    if members.get("alg", alg) != alg:
        raise _refused(f"The key's alg is not {alg.value}.")
    if members.get("use", "sig") != "sig":
        raise _refused("The key's use is not sig.")
    operations = members.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        raise _refused("The key's key_ops do not include verify.")
    kid = members.get("kid")
    if kid is not None:
        check_kid(kid)
    return _canonical(_from_jwk(members, alg), alg), kid


def check_kid(kid: object) -> None:
    """Raise InvalidValue for what cannot be the id of a key here."""
    if not isinstance(kid, str) or not _KID.fullmatch(kid):
        raise InvalidValue("A kid has 1 to 64 printable ASCII characters, and no spaces.", field="kid")


def _from_pem(text: str) -> object:
    if "CERTIFICATE-----" in text:
        raise _refused("This is a certificate; `openssl x509 -pubkey -noout -in FILE` prints its public key.")
    try:
        return load_pem_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _refused("The PEM text holds no public key that can be read.") from error


def _from_jwk(members: Mapping[str, Any], alg: SigningAlgorithm) -> object:
    # What is no text is left out, and so missing.
    named = {name: members[name] for name in _MEMBERS[alg] if isinstance(members.get(name), str)}
    try:
        return _TYPES[named["kty"]].binding.import_from_dict(named)
    except (KeyError, TypeError, ValueError, OverflowError, JoseError) as error:
        raise _refused(
            f"The JWK is not {_WANTED[alg]}, which {alg.value} takes: it needs {', '.join(_MEMBERS[alg])}."
        ) from error


_MEMBERS = {
    SigningAlgorithm.EDDSA: ("kty", "crv", "x"),
    SigningAlgorithm.ES256: ("kty", "crv", "x", "y"),
    SigningAlgorithm.RS256: ("kty", "n", "e"),
}
_TYPES: Mapping[str, type[OKPKey | ECKey | RSAKey]] = {"OKP": OKPKey, "EC": ECKey, "RSA": RSAKey}


def _canonical(key: object, alg: SigningAlgorithm) -> str:
    members = _members(key, alg).as_dict(private=False)
    return json.dumps({name: members[name] for name in sorted(_MEMBERS[alg])}, separators=(",", ":"))


def _members(key: object, alg: SigningAlgorithm) -> OKPKey | ECKey | RSAKey:
    match alg, key:
        case SigningAlgorithm.EDDSA, Ed25519PublicKey():
            return OKPKey.import_key(key)
        case SigningAlgorithm.ES256, EllipticCurvePublicKey(curve=SECP256R1()):
            return ECKey.import_key(key)
        case SigningAlgorithm.RS256, RSAPublicKey() if _is_sound(key):
            return RSAKey.import_key(key)
    raise _refused(f"The key is not {_WANTED[alg]}, which {alg.value} takes.")


def _is_sound(key: RSAPublicKey) -> bool:
    return _MIN_RSA <= key.key_size <= _MAX_RSA and key.public_numbers().e < _MAX_EXPONENT


def _private() -> InvalidValue:
    return _refused(
        "This is a private key; it stays on your server. Register the public key that belongs to it."
    )


def _refused(detail: str) -> InvalidValue:
    return InvalidValue(detail, field=FIELD)
