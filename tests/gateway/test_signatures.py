"""Public keys that tenants register: which are taken, and what is said about the others."""

import json
from base64 import urlsafe_b64decode
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA

from tests.signing import b64, private_key, private_pem, public_jwk, public_pem, registered, signed
from widgetsvc.errors import InvalidValue
from widgetsvc.gateway.signatures import PUBLIC_ALGORITHMS, SigningAlgorithm, read_public_key

ALGORITHMS = sorted(PUBLIC_ALGORITHMS)
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_key_is_the_same_as_pem_and_as_jwk(alg: SigningAlgorithm) -> None:
    pem, none = read_public_key(public_pem(alg), alg)
    jwk = public_jwk(alg, kid="2031-06", use="sig", alg=alg.value, key_ops=["verify"], x5t="ignored")
    same, kid = read_public_key(json.dumps(jwk), alg)

    assert same == pem
    assert (none, kid) == (None, "2031-06")
    assert json.loads(pem) == public_jwk(alg)


def refused(text: str, alg: str = "ES256") -> str:
    with pytest.raises(InvalidValue) as refusal:
        read_public_key(text, SigningAlgorithm(alg))
    return str(refusal.value)


@pytest.mark.parametrize("alg", ALGORITHMS)
@pytest.mark.parametrize("form", ["PKCS #8", "JWK"])
def test_a_private_key_is_sent_back_where_it_belongs(alg: SigningAlgorithm, form: str) -> None:
    jwk = {**public_jwk(alg), "d": b64(b"secret")}
    text = private_pem(alg) if form == "PKCS #8" else json.dumps(jwk)

    assert refused(text, alg).startswith("This is a private key; it stays on your server.")


@pytest.mark.parametrize("alg", ALGORITHMS)
@pytest.mark.parametrize("kind", ["EdDSA", "ES256", "RS256", "P-384", "RSA-1024"])
def test_a_key_of_another_type_does_not_fit(alg: SigningAlgorithm, kind: str) -> None:
    if kind == alg:
        return
    for text in (public_pem(kind), json.dumps(public_jwk(kind))):
        assert f"which {alg} takes" in refused(text, alg)


def jwk(**members: Any) -> str:
    return json.dumps({**public_jwk("ES256"), **members})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "neither PEM"),
        ("[]", "neither PEM"),
        ('"text"', "neither PEM"),
        ("[" * 8_000, "neither PEM"),
        ("ssh-ed25519 AAAAC3Nz", "neither PEM"),
        ("x" * 8_193, "longer than 8192"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "no public key"),
        (CERTIFICATE, "openssl x509"),
        ("{}", "it needs kty, crv, x, y"),
        (json.dumps({"keys": [public_jwk("ES256")]}), "a set of keys"),
        (json.dumps({"kty": "oct", "k": "c2VjcmV0"}), "symmetric"),
        (jwk(k="c2VjcmV0"), "symmetric"),
        (jwk(alg="ES384"), "alg is not ES256"),
        (jwk(alg="HS256"), "alg is not ES256"),
        (jwk(alg=None), "alg is not ES256"),
        (jwk(use="enc"), "use is not sig"),
        (jwk(key_ops=["sign"]), "key_ops"),
        (jwk(key_ops="verify"), "key_ops"),
        (jwk(crv="P-257"), "P-256"),
        (jwk(x="AA", y="AA"), "P-256"),
        (jwk(x=1), "P-256"),
        (jwk(x=None), "P-256"),
        (jwk(x="===="), "P-256"),
        (jwk(kid=""), "A kid has"),
        (jwk(kid="a b"), "A kid has"),
        (jwk(kid="k" * 65), "A kid has"),
        (jwk(kid=7), "A kid has"),
    ],
    # Keys are made anew for each run, and no run's names are to differ from another's.
    ids=map(str, range(27)),
)
def test_what_is_no_public_key_is_refused_with_words(text: str, words: str) -> None:
    assert words in refused(text)


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_signature_is_proved_whole_and_by_its_own_key_alone(alg: SigningAlgorithm) -> None:
    content, _, segment = signed(alg, "k", {"iss": "acme"}).rpartition(".")
    signature = urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    key = registered(alg, "k")

    assert key.verifies(content.encode(), signature)
    for broken in (b"", signature[:-1], signature + b"\0", b"\0" * len(signature), signature[::-1]):
        assert not key.verifies(content.encode(), broken)
    assert not key.verifies(content.encode() + b"A", signature)


def test_a_signature_of_es256_is_64_bytes_and_never_der() -> None:
    der = private_key("ES256").sign(b"content", ECDSA(hashes.SHA256()))

    assert not registered("ES256", "k").verifies(b"content", der)
