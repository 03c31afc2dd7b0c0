import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import OctKey

from tests.signing import public_jwk, public_pem, registered, signed
from widgetsvc.errors import ExpiredAssertion, InvalidAssertion
from widgetsvc.gateway.assertions import (
    Assertion,
    unverified_issuer,
    verify_assertion,
)
from widgetsvc.gateway.signatures import SharedSecret, SigningAlgorithm, SigningKey, generate_secret
from widgetsvc.permissions import Element, Permission

NOW = 1_900_000_000
SERVICE = "https://w.example.com"
KEY = SharedSecret(kid="acme-1", secret=b"acme secret, long enough to sign with")
FOREIGN = SharedSecret(kid="evil-1", secret=b"another tenant's secret, just as long")

HEADER = {"alg": "HS256", "kid": "acme-1", "typ": "JWT"}
CLAIMS = {"iss": "acme", "aud": SERVICE, "iat": NOW, "exp": NOW + 300}
FULL = {
    **CLAIMS,
    "element": "slot-picker",
    "calendars": ["store-42", "store-43"],
    "permissions": ["availability"],
    "sub": "visitor-7",
    "nbf": NOW,
    "jti": "1",
}


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def encode(value: object) -> str:
    return b64(value if isinstance(value, bytes) else json.dumps(value).encode())


def sign(
    claims: object = CLAIMS, header: object = HEADER, secret: bytes = KEY.secret, hash_name="sha256"
) -> str:
    """Sign whatever it is given, raw bytes included, as no library would."""
    signed = f"{encode(header)}.{encode(claims)}"
    return f"{signed}.{b64(hmac.digest(secret, signed.encode(), hash_name))}"


def verify(token: str, *, now: float = NOW, audience: str = SERVICE) -> Assertion:
    return verify_assertion(token, find_key={KEY.kid: KEY}.get, issuer="acme", audience=audience, now=now)


def without(mapping: dict[str, object], name: str) -> dict[str, object]:
    return {key: value for key, value in mapping.items() if key != name}


def test_a_full_assertion_says_what_it_narrows():
    assert verify(sign(FULL)) == Assertion(
        element=Element.SLOT_PICKER,
        permissions=frozenset({Permission.AVAILABILITY}),
        calendars=frozenset({"store-42", "store-43"}),
        viewer="visitor-7",
        expires_at=NOW + 300,
        jti="1",
    )


def test_a_bare_assertion_narrows_nothing():
    assert verify(sign()) == Assertion(None, None, None, None, NOW + 300)


def test_what_a_library_signs_with_the_secrets_text_is_accepted():
    key = generate_secret("acme-1", lambda count: bytes(range(count)))
    token = jwt.encode({"alg": "HS256", "kid": "acme-1"}, CLAIMS, OctKey.import_key(key.secret.decode()))

    assert verify_assertion(
        token, find_key={"acme-1": key}.get, issuer="acme", audience=SERVICE, now=NOW
    ).expires_at == (NOW + 300)


@pytest.mark.parametrize(
    ("claims", "now"),
    [
        (CLAIMS, NOW + 300),
        (CLAIMS, NOW + 359.9),
        (CLAIMS, NOW - 60),
        ({**CLAIMS, "nbf": NOW + 60}, NOW),
        ({**CLAIMS, "exp": NOW + 3600}, NOW),
        ({**CLAIMS, "exp": NOW + 1}, NOW),
        ({**CLAIMS, "aud": [SERVICE]}, NOW),
        ({**CLAIMS, "aud": ["https://other.example.com", SERVICE]}, NOW),
        ({**CLAIMS, "sub": "v" * 255}, NOW),
        ({**CLAIMS, "sub": "J\u00fcrgen \U0001f600"}, NOW),
        ({**CLAIMS, "permissions": ["agenda", "availability", "agenda"]}, NOW),
    ],
)
def test_what_is_just_within_the_rules_is_accepted(claims, now):
    assert verify(sign(claims), now=now).expires_at == claims["exp"]


@pytest.mark.parametrize("header", [without(HEADER, "typ"), {**HEADER, "typ": "jwt"}])
def test_the_type_may_be_left_out_or_in_lower_case(header):
    assert verify(sign(header=header))


@pytest.mark.parametrize("now", [NOW + 360, NOW + 361.5, NOW + 10**9])
def test_an_assertion_that_is_over_says_since_when(now):
    with pytest.raises(ExpiredAssertion, match=f"expired {now - NOW - 300:.0f} seconds ago"):
        verify(sign(), now=now)


BAD_CLAIMS = {
    "no iss": (without(CLAIMS, "iss"), "iss is None"),
    "other iss": ({**CLAIMS, "iss": "evil"}, "iss is 'evil', not 'acme'"),
    "iss in capitals": ({**CLAIMS, "iss": "Acme"}, "iss"),
    "iss with more": ({**CLAIMS, "iss": "acme "}, "iss"),
    "iss in a list": ({**CLAIMS, "iss": ["acme"]}, "iss"),
    "no aud": (without(CLAIMS, "aud"), "aud is None"),
    "other aud": ({**CLAIMS, "aud": "https://evil.io"}, "not 'https://w.example.com'"),
    "aud with a slash": ({**CLAIMS, "aud": f"{SERVICE}/"}, "aud"),
    "aud is a part": ({**CLAIMS, "aud": "https://w.example"}, "aud"),
    "aud goes on": ({**CLAIMS, "aud": f"{SERVICE}.evil.io"}, "aud"),
    "aud list without it": ({**CLAIMS, "aud": [f"{SERVICE}.evil.io"]}, "aud"),
    "aud list nested": ({**CLAIMS, "aud": [[SERVICE]]}, "aud"),
    "aud list with a number": ({**CLAIMS, "aud": [SERVICE, 1]}, "aud"),
    "aud list empty": ({**CLAIMS, "aud": []}, "aud"),
    "aud object": ({**CLAIMS, "aud": {SERVICE: 1}}, "aud"),
    "no iat": (without(CLAIMS, "iat"), "iat is None"),
    "no exp": (without(CLAIMS, "exp"), "exp is None"),
    "iat true": ({**CLAIMS, "iat": True}, "whole number"),
    "exp as text": ({**CLAIMS, "exp": str(NOW + 300)}, "whole number"),
    "exp as fraction": ({**CLAIMS, "exp": NOW + 300.5}, "whole number"),
    "exp as float": ({**CLAIMS, "exp": float(NOW + 300)}, "whole number"),
    "exp null": ({**CLAIMS, "exp": None}, "whole number"),
    "exp negative": ({**CLAIMS, "exp": -1}, "whole number"),
    "exp in a list": ({**CLAIMS, "exp": [NOW + 300]}, "whole number"),
    "exp of 4000 digits": ({**CLAIMS, "exp": int("9" * 4000)}, "milliseconds"),
    "iat and exp in milliseconds": ({**CLAIMS, "iat": NOW * 1000, "exp": (NOW + 300) * 1000}, "Math.floor"),
    "exp in milliseconds": ({**CLAIMS, "exp": (NOW + 300) * 1000}, "Math.floor"),
    "lives too long": ({**CLAIMS, "exp": NOW + 3601}, "lives 3601 seconds"),
    "lives for ever": ({**CLAIMS, "exp": 253_402_300_799}, "lives"),
    "lives no time": ({**CLAIMS, "exp": NOW}, "lives 0 seconds"),
    "lives backwards": ({**CLAIMS, "exp": NOW - 1}, "lives -1 seconds"),
    "from the future": ({**CLAIMS, "iat": NOW + 61}, "becomes valid in 61 seconds"),
    "not yet": ({**CLAIMS, "nbf": NOW + 61}, "becomes valid in 61 seconds"),
    "nbf as text": ({**CLAIMS, "nbf": str(NOW)}, "whole number"),
    "nbf null": ({**CLAIMS, "nbf": None}, "whole number"),
    "element unknown": ({**CLAIMS, "element": "slotpicker"}, "slot-picker"),
    "element null": ({**CLAIMS, "element": None}, "element"),
    "element in a list": ({**CLAIMS, "element": ["agenda"]}, "element"),
    "calendars as text": ({**CLAIMS, "calendars": "store-42"}, "list"),
    "calendars empty": ({**CLAIMS, "calendars": []}, "at least one"),
    "calendars null": ({**CLAIMS, "calendars": None}, "list"),
    "calendars of numbers": ({**CLAIMS, "calendars": [42]}, "text"),
    "calendars of nothing": ({**CLAIMS, "calendars": [""]}, "text"),
    "calendars object": ({**CLAIMS, "calendars": {"store-42": True}}, "list"),
    "permissions as text": ({**CLAIMS, "permissions": "agenda"}, "list"),
    "permissions unknown": ({**CLAIMS, "permissions": ["agenda", "admin"]}, "'admin'"),
    "permissions empty": ({**CLAIMS, "permissions": []}, "at least one"),
    "permissions null": ({**CLAIMS, "permissions": None}, "list"),
    "sub as number": ({**CLAIMS, "sub": 7}, "text"),
    "sub empty": ({**CLAIMS, "sub": ""}, "text"),
    "sub null": ({**CLAIMS, "sub": None}, "text"),
    "sub too long": ({**CLAIMS, "sub": "v" * 256}, "255"),
    "sub with NUL": ({**CLAIMS, "sub": "a\x00b"}, "text"),
    "sub with a newline": ({**CLAIMS, "sub": "a\nb"}, "text"),
    "sub with half a pair": ({**CLAIMS, "sub": "\ud800"}, "text"),
    "misspelt claim": ({**CLAIMS, "calendar": ["store-42"]}, "'calendar'"),
    "claim in capitals": ({**CLAIMS, "Element": "agenda"}, "'Element'"),
    "claim with half a pair": ({**CLAIMS, "\ud800": 1}, "not understood"),
    "origin": ({**CLAIMS, "origin": "https://evil.io"}, "'origin'"),
}


@pytest.mark.parametrize(("claims", "words"), BAD_CLAIMS.values(), ids=BAD_CLAIMS)
def test_well_signed_claims_that_break_a_rule_are_refused(claims, words):
    with pytest.raises(InvalidAssertion) as refused:
        verify(sign(claims))

    assert words in str(refused.value)


BAD_HEADERS = {
    "no kid": (without(HEADER, "kid"), "no kid"),
    "kid null": ({**HEADER, "kid": None}, "no kid"),
    "kid as number": ({**HEADER, "kid": 1}, "no kid"),
    "kid in a list": ({**HEADER, "kid": ["acme-1"]}, "no kid"),
    "kid unknown": ({**HEADER, "kid": "acme-2"}, "'acme-2'"),
    "kid of another tenant": ({**HEADER, "kid": "evil-1"}, "'evil-1'"),
    "kid that is a path": ({**HEADER, "kid": "../../dev/null"}, "no signing key"),
    "kid that is SQL": ({**HEADER, "kid": "' OR 1=1 --"}, "no signing key"),
    "kid that is hostile": ({**HEADER, "kid": "\x1b[31m\r\n"}, r"\x1b"),
    "no alg": (without(HEADER, "alg"), "HS256 only"),
    "alg none": ({**HEADER, "alg": "none"}, "HS256 only"),
    "alg None": ({**HEADER, "alg": "None"}, "HS256 only"),
    "alg in lower case": ({**HEADER, "alg": "hs256"}, "HS256 only"),
    "alg HS512": ({**HEADER, "alg": "HS512"}, "HS256 only"),
    "alg RS256": ({**HEADER, "alg": "RS256"}, "HS256 only"),
    "alg EdDSA": ({**HEADER, "alg": "EdDSA"}, "HS256 only"),
    "alg in a list": ({**HEADER, "alg": ["HS256"]}, "HS256 only"),
    "alg null": ({**HEADER, "alg": None}, "HS256 only"),
    "typ of an access token": ({**HEADER, "typ": "at+jwt"}, "typ"),
    "typ null": ({**HEADER, "typ": None}, "typ"),
    "crit": ({**HEADER, "crit": ["exp"]}, "'crit'"),
    "crit empty": ({**HEADER, "crit": []}, "'crit'"),
    "b64 false": ({**HEADER, "b64": False, "crit": ["b64"]}, "'b64, crit'"),
    "b64 true": ({**HEADER, "b64": True}, "'b64'"),
    "jwk": ({**HEADER, "jwk": {"kty": "oct", "k": b64(KEY.secret)}}, "'jwk'"),
    "jku": ({**HEADER, "jku": "https://evil.io/keys"}, "'jku'"),
    "x5u": ({**HEADER, "x5u": "https://evil.io/cert"}, "'x5u'"),
    "x5c": ({**HEADER, "x5c": ["MII"]}, "'x5c'"),
    "cty": ({**HEADER, "cty": "JWT"}, "'cty'"),
    "anything else": ({**HEADER, "x": 1}, "'x'"),
    "not an object": (["alg", "kid"], "header is not a JSON object"),
    "text": ("alg kid b64", "header is not a JSON object"),
    "number": (1, "header is not a JSON object"),
    "null": (None, "header is not a JSON object"),
    "empty": (b"", "header is not a JSON object"),
    "kid twice": (b'{"alg":"HS256","kid":"evil-1","kid":"acme-1"}', "each name in it once"),
    "UTF-16": (json.dumps(HEADER).encode("utf-16"), "header is not a JSON object"),
    "byte order mark": (b"\xef\xbb\xbf" + json.dumps(HEADER).encode(), "header is not a JSON object"),
    "not UTF-8": (b'{"alg":"\xff"}', "header is not a JSON object"),
    "NaN": (b'{"alg":NaN}', "header is not a JSON object"),
    "very deep": (b"[" * 4000, "header is not a JSON object"),
    "deep in a member": (b'{"typ":' + b'{"a":' * 600 + b"1" + b"}" * 601, "typ"),
    "very long": ({**HEADER, "typ": "J" * 600}, "typ"),
}


@pytest.mark.parametrize(("header", "words"), BAD_HEADERS.values(), ids=BAD_HEADERS)
def test_a_header_that_breaks_a_rule_is_refused(header, words):
    with pytest.raises(InvalidAssertion) as refused:
        verify(sign(header=header))

    assert words in str(refused.value)
    assert str(refused.value).isprintable()


BAD_PAYLOADS = {
    "list": [1],
    "text": "iss",
    "null": None,
    "empty": b"",
    "cut": b'{"iss":"acme"',
    "iss twice": b'{"iss":"evil","iss":"acme","aud":"https://w.example.com","iat":1900000000,"exp":1900000300}',
    "NaN": b'{"iss":"acme","exp":NaN}',
    "Infinity": b'{"iss":"acme","exp":Infinity}',
    "UTF-16": json.dumps(CLAIMS).encode("utf-16"),
    "not UTF-8": b'{"iss":"\xff"}',
    "very deep": b"[" * 4000,
    "deep in a claim": b'{"iss":' + b"[" * 900 + b"]" * 900 + b"}",
    "number of 5000 digits": b'{"exp":' + b"9" * 5000 + b"}",
    "comment": b'{"iss":"acme"} // yes',
}


@pytest.mark.parametrize("payload", BAD_PAYLOADS.values(), ids=BAD_PAYLOADS)
def test_a_well_signed_payload_that_is_no_strict_json_object_is_refused(payload):
    with pytest.raises(InvalidAssertion):
        verify(sign(payload))


def unsigned() -> str:
    return sign().rpartition(".")[0]


def last_character_changed(token: str) -> str:
    """Change bits of the last character that the decoded signature does not hold."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return token[:-1] + alphabet[alphabet.index(token[-1]) ^ 1]


FORGED = {
    "nothing": "",
    "a word": "token",
    "two dots": "..",
    "two parts": unsigned(),
    "four parts": f"{sign()}.x",
    "five parts, as of a JWE": f"{sign()}.x.x",
    "no signature": f"{unsigned()}.",
    "alg none and no signature": f"{encode({**HEADER, 'alg': 'none'})}.{encode(CLAIMS)}.",
    "another tenant's secret": sign(secret=FOREIGN.secret),
    "another tenant's secret and kid": sign(header={**HEADER, "kid": "evil-1"}, secret=FOREIGN.secret),
    "empty secret": sign(secret=b""),
    "decoded secret": sign(secret=b"acme secret"),
    "HMAC with SHA-512": sign(hash_name="sha512"),
    "plain hash": f"{unsigned()}.{b64(hashlib.sha256(unsigned().encode()).digest())}",
    "signature of other claims": f"{unsigned()}.{sign(FULL).rpartition('.')[2]}",
    "payload exchanged": f"{encode(HEADER)}.{encode(FULL)}.{sign().rpartition('.')[2]}",
    "signature cut": sign()[:-4],
    "signature not canonical": last_character_changed(sign()),
    "padded": f"{sign()}=",
    "newline at the end": f"{sign()}\n",
    "space in front": f" {sign()}",
    "space inside": sign().replace(".", " .", 1),
    "plus for minus": f"{encode(HEADER)}.++++.{b64(b'x' * 32)}",
    "bearer in front": f"Bearer {sign()}",
    "not ASCII": f"{sign()}\u00e9",
    "lone surrogate": f"{sign()}\ud800",
    "NUL": f"{sign()}\x00",
    "JSON serialisation": json.dumps({"payload": encode(CLAIMS), "signatures": []}),
    "just too long": "x" * 8193,
    "huge": "." * 5_000_000,
    "huge part": "e30.e30." + "A" * 5_000_000,
}


@pytest.mark.parametrize("token", FORGED.values(), ids=FORGED)
def test_what_the_tenant_did_not_sign_is_refused(token):
    with pytest.raises(InvalidAssertion):
        verify(token)


PUBLIC_KEYS = {alg: registered(alg, f"key-{alg}") for alg in ("EdDSA", "ES256", "RS256")}
PEMS = {alg: public_pem(alg).encode() for alg in PUBLIC_KEYS}


def verify_with(key: SigningKey, token: str) -> Assertion:
    return verify_assertion(token, find_key={key.kid: key}.get, issuer="acme", audience=SERVICE, now=NOW)


@pytest.mark.parametrize("alg", PUBLIC_KEYS)
def test_a_public_key_verifies_what_its_private_key_signed(alg):
    assert verify_with(PUBLIC_KEYS[alg], signed(alg, f"key-{alg}", FULL)).viewer == "visitor-7"


def hmac_signed(alg: str, secret: bytes, header_alg: str = "HS256") -> str:
    return sign(header={"alg": header_alg, "kid": f"key-{alg}"}, secret=secret)


CONFUSIONS = {
    "HMAC with the PEM": lambda alg: hmac_signed(alg, PEMS[alg]),
    "HMAC with the PEM, no newline": lambda alg: hmac_signed(alg, PEMS[alg].strip()),
    "HMAC with the JWK": lambda alg: hmac_signed(alg, PUBLIC_KEYS[alg].jwk.encode()),
    "HMAC under the key's own alg": lambda alg: hmac_signed(alg, PEMS[alg], alg),
    "none": lambda alg: f"{encode({'alg': 'none', 'kid': f'key-{alg}'})}.{encode(CLAIMS)}.",
    "no signature under its alg": lambda alg: (
        f"{encode({'alg': alg, 'kid': f'key-{alg}'})}.{encode(CLAIMS)}."
    ),
    "a signature of zeros": lambda alg: forged_tail(alg, bytes(64)),
    "a signature of zeros, DER": lambda alg: forged_tail(alg, bytes.fromhex("3006020100020100")),
    "cut": lambda alg: signed(alg, f"key-{alg}", CLAIMS)[:-4],
    "longer": lambda alg: signed(alg, f"key-{alg}", CLAIMS) + "AAAA",
    "with the public key in its header": lambda alg: signed(alg, f"key-{alg}", CLAIMS, jwk=public_jwk(alg)),
    "with an address of keys": lambda alg: signed(alg, f"key-{alg}", CLAIMS, jku="https://evil.io/jwks"),
    "with crit": lambda alg: signed(alg, f"key-{alg}", CLAIMS, crit=["b64"], b64=False),
    "kid of another key": lambda alg: signed(alg, "acme-1", CLAIMS),
}


def forged_tail(alg: str, signature: bytes) -> str:
    return f"{signed(alg, f'key-{alg}', CLAIMS).rpartition('.')[0]}.{b64(signature)}"


@pytest.mark.parametrize("forge", CONFUSIONS.values(), ids=CONFUSIONS)
@pytest.mark.parametrize("alg", PUBLIC_KEYS)
def test_a_public_key_takes_nothing_but_its_own_signatures(alg, forge):
    with pytest.raises(InvalidAssertion):
        verify_with(PUBLIC_KEYS[alg], forge(alg))


@pytest.mark.parametrize("alg", PUBLIC_KEYS)
@pytest.mark.parametrize("other", PUBLIC_KEYS)
def test_no_algorithm_stands_in_for_another(alg, other):
    if alg == other:
        return
    with pytest.raises(InvalidAssertion, match=f"signs with {alg} only"):
        verify_with(PUBLIC_KEYS[alg], signed(other, f"key-{alg}", CLAIMS))


def test_a_key_that_has_ended_verifies_nothing_more():
    ends = replace(KEY, expires_at=NOW + 1)

    assert verify_with(ends, sign())
    with pytest.raises(InvalidAssertion, match="no signing key"):
        verify_with(replace(KEY, expires_at=NOW), sign())


@pytest.mark.parametrize("jti", ["", 7, None, "j" * 256, "a\nb"])
def test_a_jti_is_text(jti):
    with pytest.raises(InvalidAssertion, match="jti"):
        verify(sign({**CLAIMS, "jti": jti}))


def test_a_key_of_another_tenant_is_never_looked_at():
    token = sign({**CLAIMS, "iss": "evil"}, {**HEADER, "kid": "evil-1"}, FOREIGN.secret)

    with pytest.raises(InvalidAssertion, match="no signing key"):
        verify(token)
    with pytest.raises(InvalidAssertion, match="iss"):
        verify_assertion(token, find_key={"evil-1": FOREIGN}.get, issuer="acme", audience=SERVICE, now=NOW)


def test_a_tenant_without_keys_accepts_nothing():
    with pytest.raises(InvalidAssertion):
        verify_assertion(sign(), find_key={}.get, issuer="acme", audience=SERVICE, now=NOW)


def test_the_largest_assertion_fits():
    names = [f"store-{number:03}" for number in range(440)]
    token = sign({**CLAIMS, "calendars": names})

    assert 7000 < len(token) <= 8192
    assert verify(token).calendars == frozenset(names)


def test_the_issuer_can_be_read_before_anything_is_proved():
    assert unverified_issuer(sign()) == "acme"
    assert unverified_issuer(sign({"iss": "evil"}, secret=b"")) == "evil"


@pytest.mark.parametrize(
    "token",
    [
        *FORGED.values(),
        sign(without(CLAIMS, "iss")),
        *(sign({"iss": iss}) for iss in (None, 1, "", ["acme"], "a" * 256, "\x00", "\ud800")),
        *map(sign, BAD_PAYLOADS.values()),
    ],
)
def test_reading_the_issuer_fails_in_one_way_only(token):
    try:
        issuer = unverified_issuer(token)
    except InvalidAssertion:
        return
    assert issuer == "acme"


def test_a_generated_key_has_256_random_bits_as_text():
    key = generate_secret("acme-2", lambda count: b"\xff" * count)

    assert (key.kid, key.alg) == ("acme-2", SigningAlgorithm.HS256)
    assert key.secret == b"_" * 42 + b"8"


def test_a_key_hides_its_secret():
    assert "secret" not in repr(KEY)
    assert "secret" not in str({"key": KEY})


def test_an_assertion_hides_its_viewer():
    assert "visitor-7" not in repr(verify(sign(FULL)))


PUBLIC_KEY = b"""-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
"""


@pytest.mark.parametrize(
    "secret", [b"", b"secret", b"x" * 31, PUBLIC_KEY], ids=["none", "weak", "31", "public"]
)
def test_a_secret_that_is_weak_or_public_is_no_key(secret):
    with pytest.raises(ValueError, match=r"secret|public"):
        SharedSecret(kid="acme-1", secret=secret)


def assert_only_our_errors(token: str) -> None:
    for read in (verify, unverified_issuer):
        try:
            read(token)
        except (InvalidAssertion, ExpiredAssertion) as error:
            detail = str(error)
        else:
            continue
        assert detail.isprintable()


thorough = settings(max_examples=200)
any_text = st.lists(st.integers(0, 0x10FFFF).map(chr), max_size=20).map("".join)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=8,
)


@thorough
@given(st.data())
def test_a_mutated_token_raises_only_our_errors(data):
    token = sign(FULL)
    start = data.draw(st.integers(0, len(token)))
    end = data.draw(st.integers(start, len(token)))
    mutated = token[:start] + data.draw(any_text | st.text("._-=AQgw{}[]", max_size=5)) + token[end:]

    assert_only_our_errors(mutated)
    if mutated != token:
        with pytest.raises(InvalidAssertion):
            verify(mutated)


@thorough
@given(st.sampled_from(sorted(FULL)), json_values)
def test_a_well_signed_claim_of_any_value_raises_only_our_errors(name, value):
    assert_only_our_errors(sign({**FULL, name: value}))


@thorough
@given(st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk"]), json_values)
def test_a_header_of_any_value_raises_only_our_errors(name, value):
    assert_only_our_errors(sign(header={**HEADER, name: value}))


@thorough
@given(st.binary(max_size=60), st.binary(max_size=60))
def test_any_well_signed_bytes_raise_only_our_errors(header, payload):
    assert_only_our_errors(sign(payload))
    assert_only_our_errors(sign(header=header))


@thorough
@given(any_text | st.text("._-=AQgw", max_size=60))
def test_any_text_raises_only_our_errors(text):
    assert_only_our_errors(text)


@thorough
@given(st.integers(1, 2000), st.sampled_from(["sub", "iss", "exp", "element"]))
def test_any_depth_raises_only_our_errors(depth, name):
    assert_only_our_errors(sign(f'{{"{name}":{"[" * depth}{"]" * depth}}}'.encode()))
