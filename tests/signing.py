"""Key pairs of tenants' servers, and assertions signed with them as any JWT library would."""

import json
from base64 import urlsafe_b64encode
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from joserfc import jws
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from widgetsvc.gateway.signatures import PublicKey, SigningAlgorithm, read_public_key

_FAMILIES = {"EdDSA": OKPKey, "ES256": ECKey, "P-384": ECKey, "RS256": RSAKey, "RSA-1024": RSAKey}
PrivateKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@cache
def private_key(kind: str) -> PrivateKey:
    """A key that lives as long as the tests: one of an algorithm, or of a kind that no algorithm takes."""
    match kind:
        case "EdDSA":
            return ed25519.Ed25519PrivateKey.generate()
        case "ES256":
            return ec.generate_private_key(ec.SECP256R1())
        case "P-384":
            return ec.generate_private_key(ec.SECP384R1())
        case "RS256":
            return rsa.generate_private_key(65_537, 2_048)
        case "RSA-1024":
            return rsa.generate_private_key(65_537, 1_024)
    raise ValueError(kind)


def public_pem(kind: str) -> str:
    public = private_key(kind).public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def private_pem(kind: str) -> str:
    return private_key(kind).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public_jwk(kind: str, **members: Any) -> dict[str, Any]:
    family = _FAMILIES[kind]
    made = family.binding.convert_raw_key_to_dict(private_key(kind).public_key(), private=False)
    return {"kty": family.key_type, **made, **members}


def registered(kind: str, kid: str) -> PublicKey:
    alg = SigningAlgorithm(kind)
    jwk, _ = read_public_key(public_pem(kind), alg)
    return PublicKey(kid=kid, algorithm=alg, jwk=jwk)


def signed(alg: str, kid: str, claims: object, secret: bytes | None = None, **header: Any) -> str:
    """A JWT, signed with the secret or with the private key of the algorithm."""
    key = OctKey.import_key(secret) if secret is not None else _FAMILIES[alg].import_key(private_key(alg))
    algorithm = jws.JWSRegistry.algorithms[alg]
    content = f"{encoded({'alg': alg, 'kid': kid, **header})}.{encoded(claims)}"
    return f"{content}.{b64(algorithm.sign(content.encode(), key))}"


def encoded(value: object) -> str:
    return b64(json.dumps(value).encode())


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
