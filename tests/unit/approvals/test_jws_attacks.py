"""Every known attack on JSON Web Signatures: each fails with the reason that fits it.

All start from a value that counts, so that none is refused for another cause.
"""

import hashlib
import hmac
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from tests.support import jws, signing
from tests.support.jws import KINDS, Signer, b64, compact, header, payload, signer
from tests.support.signing import NOW, P256_ORDER

from seconder.api.reasons import Reason, Rejected
from seconder.approvals import jws as core
from seconder.approvals.registry import Registry
from seconder.approvals.verification import verify

ALICE, ALICE_ES256, EVE = signer("alice"), signer("alice-es256", "es256"), signer("eve")
OURS = [ALICE, ALICE_ES256]


def _registry() -> Registry:
    return Registry([jws.approver("alice", *OURS), jws.approver("bob")])


def _counts(value: str, registry: Registry | None = None) -> None:
    verify("alice", value, signing.context(), registry or _registry(), NOW, signing.memo())


def _fails(reason: Reason, value: str, registry: Registry | None = None) -> None:
    with pytest.raises(Rejected) as caught:
        _counts(value, registry)
    assert caught.value.reason is reason, caught.value


def _unsigned(protected: dict[str, Any], signature: bytes) -> str:
    return f"{b64(json.dumps(protected).encode().replace(b' ', b''))}.{b64(payload())}.{b64(signature)}"


@pytest.mark.parametrize("by", OURS, ids=KINDS)
def test_the_value_that_all_attacks_start_from_counts(by: Signer) -> None:
    """Else every refusal below would prove nothing."""
    _counts(jws.approval(by))


# The algorithm


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", ""])
@pytest.mark.parametrize("by", OURS, ids=KINDS)
def test_no_algorithm_at_all(by: Signer, algorithm: str) -> None:
    """Without a signature, with an empty part for it, or with a good one that it would make needless."""
    protected = header(by, alg=algorithm)
    _fails(Reason.SIGNATURE_INVALID, _unsigned(protected, b""))
    _fails(Reason.SIGNATURE_INVALID, compact(by, protected, payload()))
    _fails(Reason.APPROVAL_MALFORMED, _unsigned(protected, b"").removesuffix("."))


@pytest.mark.parametrize("algorithm", ["HS256", "HS512"])
@pytest.mark.parametrize("by", OURS, ids=KINDS)
def test_the_public_key_as_the_secret_of_a_mac(by: Signer, algorithm: str) -> None:
    """Whoever lets the token choose the algorithm takes this; HS512 even has the right size."""
    public = by.jwk
    secrets = [by.public_pem, by.line.encode(), jws.unb64(public["x"]), json.dumps(public).encode()]
    digest = hashlib.sha256 if algorithm == "HS256" else hashlib.sha512
    unsigned = _unsigned(header(by, alg=algorithm), b"")
    for secret in secrets:
        mac = hmac.new(secret, unsigned.removesuffix(".").encode(), digest).digest()
        _fails(Reason.SIGNATURE_INVALID, unsigned + b64(mac))


@pytest.mark.parametrize(
    ("by", "algorithm"),
    [
        (ALICE, "ES256"),
        (ALICE_ES256, "EdDSA"),
        (ALICE_ES256, "Ed25519"),
        (ALICE_ES256, "ES256K"),
        (ALICE_ES256, "ES384"),
    ]
    + [(ALICE, name) for name in ("Ed448", "eddsa", "ED25519", "EdDSA ", "ES512", "RS256", "PS256")],
)
def test_an_algorithm_of_another_key(by: Signer, algorithm: str) -> None:
    """The registered key says which one counts: even a signature that is good by that key is refused."""
    _fails(Reason.SIGNATURE_INVALID, compact(by, header(by, alg=algorithm), payload()))


def test_a_signature_of_one_algorithm_under_the_kid_of_the_other() -> None:
    """With the algorithm of the signer, and with that of the registered key."""
    for by, named in ((ALICE, ALICE_ES256), (ALICE_ES256, ALICE)):
        for algorithm in ("EdDSA", "ES256"):
            _fails(Reason.SIGNATURE_INVALID, compact(by, header(named, alg=algorithm), payload()))


# Members of the header that bring a key, or bend the rules

_URL = "https://evil.example/keys"


@pytest.mark.parametrize(
    "more",
    [
        {"jwk": EVE.jwk},
        {"jku": _URL},
        {"x5u": _URL},
        {"x5c": ["MIIB"]},
        {"x5t": "A" * 27},
        {"x5t#S256": "A" * 43},
        {"crit": ["b64"], "b64": False},
        {"crit": ["exp"], "exp": NOW + 800},
        {"crit": []},
        {"b64": False},
        {"b64": True},
        {"zip": "DEF"},
        {"cty": "JWT"},
        {"enc": "A128GCM"},
        {"nonce": "n"},
        {"Alg": "EdDSA"},
        {"": ""},
    ],
    ids=lambda more: "+".join(more),
)
def test_a_member_that_is_not_known(more: dict[str, Any]) -> None:
    """An embedded key, an address of keys, a certificate, crit, b64: signed by the stranger, and by alice herself."""
    for by in (EVE, ALICE):
        _fails(Reason.APPROVAL_MALFORMED, compact(by, header(ALICE) | more, payload()))


def test_an_unencoded_payload() -> None:
    """RFC 7797: the payload as it is, in the place of its encoding."""
    protected = b64(json.dumps(header(ALICE, b64=False, crit=["b64"])).replace(" ", "").encode())
    signature = b64(ALICE.sign(f"{protected}.".encode() + payload()))
    _fails(Reason.APPROVAL_MALFORMED, f"{protected}.{payload().decode()}.{signature}")
    _fails(Reason.APPROVAL_MALFORMED, f"{protected}..{signature}")


def test_a_detached_payload() -> None:
    """RFC 7515 appendix F: what was approved would stand elsewhere."""
    protected, _, signature = jws.approval().split(".")
    _fails(Reason.APPROVAL_MALFORMED, f"{protected}..{signature}")


@pytest.mark.parametrize("member", ["alg", "kid", "typ"])
def test_a_member_left_out(member: str) -> None:
    """Nothing is assumed."""
    _fails(Reason.APPROVAL_MALFORMED, compact(ALICE, header(ALICE, **{member: None}), payload()))


@pytest.mark.parametrize(
    "kind", ["JWT", "jwt", "k8s-approval+JWT", "application/k8s-approval+jwt", "k8s-approval+jwt ", "at+jwt", ""]
)
def test_another_typ(kind: str) -> None:
    """A token that the same key signed for another purpose is no approval."""
    _fails(Reason.APPROVAL_MALFORMED, compact(ALICE, header(ALICE, typ=kind), payload()))


@pytest.mark.parametrize(
    "protected",
    [
        b'{"alg":"none","alg":"EdDSA","kid":"alice","typ":"k8s-approval+jwt"}',
        b'{"alg":"EdDSA","kid":"eve","kid":"alice","typ":"k8s-approval+jwt"}',
        b'{"alg":"EdDSA","kid":"alice","kid":"alice","typ":"k8s-approval+jwt"}',
        b'{"alg":"EdDSA","kid":"alice","typ":"JWT","typ":"k8s-approval+jwt"}',
        b'{"alg":"EdDSA","kid":"eve","\\u006bid":"alice","typ":"k8s-approval+jwt"}',
    ],
)
def test_a_member_of_the_header_twice(protected: bytes) -> None:
    """Whichever of the two another program would have read."""
    _fails(Reason.APPROVAL_MALFORMED, compact(ALICE, protected, payload()))


@pytest.mark.parametrize(
    "protected",
    [
        b'{"a":' + b"[" * 3000,
        b'{"a":' + b"[" * 1500 + b"]" * 1500 + b"}",
        b'{"alg":["EdDSA"],"kid":"alice","typ":"k8s-approval+jwt"}',
        b'{"alg":"EdDSA","kid":1,"typ":"k8s-approval+jwt"}',
        b'{"alg":"EdDSA","kid":null,"typ":"k8s-approval+jwt"}',
        b'{"alg":"EdDSA","kid":["alice"],"typ":"k8s-approval+jwt"}',
        b'{"alg":{"a":"EdDSA"},"kid":"alice","typ":"k8s-approval+jwt"}',
        b'{"alg":"EdDSA","kid":"alice","typ":"k8s-approval+jwt"',
        b'{"alg":"EdDSA","kid":"alice","typ":"k8s-approval+jwt",}',
        b'{"alg":"EdDSA","kid":"alice","typ":"k8s-approval+jwt"}{}',
        b'{"alg":"EdDSA","kid":"alice\xff","typ":"k8s-approval+jwt"}',
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a',
    ],
    ids=range(13),
)
def test_a_header_that_is_no_object_of_three_strings(protected: bytes) -> None:
    """However deep, long or odd; and none is refused for its beginning already."""
    value = compact(ALICE, protected, payload())
    assert value.startswith("eyJ")
    _fails(Reason.APPROVAL_MALFORMED, value)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16", "utf-32-le", "utf-8-sig"])
def test_a_header_in_another_encoding(encoding: str) -> None:
    """A JSON parser may guess; here only UTF-8 is JSON."""
    raw = json.dumps(header(ALICE)).encode(encoding)
    _fails(Reason.APPROVAL_MALFORMED, compact(ALICE, raw, payload()))
    # The same where the beginning is not what gives it away.
    with pytest.raises(Rejected) as caught:
        core.parse(compact(ALICE, raw, payload()).encode())
    assert caught.value.reason is Reason.APPROVAL_MALFORMED


# The payload


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"iss":"alice@example.com"', '"iss":"alice@example.com","iss":"alice@example.com"'),
        ('"sub":', '"sub":"eve","sub":'),
        ('"exp":', '"exp":1,"exp":'),
    ],
)
def test_a_claim_twice(old: str, new: str) -> None:
    """Signed by alice herself, who saw one and meant the other."""
    text = payload().decode()
    assert old in text
    _fails(Reason.APPROVAL_MALFORMED, compact(ALICE, header(ALICE), text.replace(old, new, 1).encode()))


@pytest.mark.parametrize("more", [{"nbf": 1}, {"scope": "all"}, {"admin": True}, {"crit": ["x"]}, {"cnf": {}}])
def test_a_claim_that_is_not_known(more: dict[str, Any]) -> None:
    """The set is closed."""
    _fails(Reason.APPROVAL_MALFORMED, jws.approval(**more))


@pytest.mark.parametrize("claim", ["iss", "sub", "aud", "iat", "exp", "jti", "reason", "authorization_details"])
def test_a_claim_left_out(claim: str) -> None:
    """A token without exp never ends, one without aud is for every cluster."""
    _fails(Reason.APPROVAL_MALFORMED, jws.approval(**{claim: None}))


def test_a_payload_in_another_form() -> None:
    """Spaces, another order, another number, a newline as SSH signs it, nothing, and a token within the token."""
    claims = signing.claims()
    for raw in (
        json.dumps(claims, sort_keys=True).encode(),
        json.dumps(dict(sorted(claims.items(), reverse=True)), separators=(",", ":")).encode(),
        payload().replace(str(NOW + 800).encode(), str(NOW + 800).encode() + b".0"),
        payload() + b"\n",
        b" " + payload(),
        b"",
        b"{}",
        b"null",
        jws.approval().encode(),
    ):
        _fails(Reason.APPROVAL_MALFORMED, compact(ALICE, header(ALICE), raw))


def test_a_claim_changed_after_signing() -> None:
    """The payload of one token under the signature of another."""
    for by in OURS:
        protected, _, signature = jws.approval(by).split(".")
        _fails(Reason.SIGNATURE_INVALID, f"{protected}.{b64(payload(jti='f' * 32))}.{signature}")


def test_a_header_changed_after_signing() -> None:
    """It is signed, too: the other name of the same algorithm, and the same members in another order."""
    _, body, signature = jws.approval().split(".")
    other = b64(json.dumps(header(ALICE, alg="Ed25519")).replace(" ", "").encode())
    turned = b64(json.dumps(dict(reversed(header(ALICE).items()))).replace(" ", "").encode())
    for protected in (other, turned):
        _fails(Reason.SIGNATURE_INVALID, f"{protected}.{body}.{signature}")


# The signature


@pytest.mark.parametrize("by", OURS, ids=KINDS)
@pytest.mark.parametrize("size", [0, 1, 32, 63, 65, 96, 128])
def test_a_signature_of_another_size(by: Signer, size: int) -> None:
    """Cut off, filled up with zeros, or empty."""
    head, _, signature = jws.approval(by).rpartition(".")
    raw = jws.unb64(signature)
    resized = (raw + bytes(64))[:size]
    _fails(Reason.SIGNATURE_INVALID, f"{head}.{b64(resized)}")


def test_halves_of_another_size() -> None:
    """The numbers of a good signature, one or both with a zero in front and so longer than they are written."""
    head, _, signature = jws.approval(ALICE_ES256).rpartition(".")
    raw = jws.unb64(signature)
    _fails(Reason.SIGNATURE_INVALID, f"{head}.{b64(bytes(1) + raw[:32] + bytes(1) + raw[32:])}")
    _fails(Reason.SIGNATURE_INVALID, f"{head}.{b64(raw[:32] + bytes(1) + raw[32:])}")


def test_a_signature_in_der() -> None:
    """What a library or a KMS gives before it is converted."""
    head, _, signature = jws.approval(ALICE_ES256).rpartition(".")
    raw = jws.unb64(signature)
    der = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
    _fails(Reason.SIGNATURE_INVALID, f"{head}.{b64(der)}")


@pytest.mark.parametrize("r", [0, 1, P256_ORDER, P256_ORDER + 1, 2**256 - 1])
@pytest.mark.parametrize("s", [0, 1, P256_ORDER, P256_ORDER + 1, 2**256 - 1])
def test_numbers_that_no_signature_has(r: int, s: int) -> None:
    """Zero for both verified anything in some libraries."""
    head = jws.approval(ALICE_ES256).rpartition(".")[0]
    _fails(Reason.SIGNATURE_INVALID, f"{head}.{b64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}")


def test_a_number_of_a_good_signature_moved_by_the_order() -> None:
    """It stands for the same residue and is out of range: tried with a key made so that its s leaves room for that."""
    head = jws.approval(ALICE_ES256).rpartition(".")[0]
    nonce, s = 0xC0FFEE, 5
    r = ec.derive_private_key(nonce, ec.SECP256R1()).public_key().public_numbers().x % P256_ORDER
    digest = int.from_bytes(hashlib.sha256(head.encode()).digest())
    secret = (s * nonce - digest) * pow(r, -1, P256_ORDER) % P256_ORDER
    by = Signer(ALICE_ES256.kid, ec.derive_private_key(secret, ec.SECP256R1()))
    registry = Registry([jws.approver("alice", by)])

    def value(number: int) -> str:
        return f"{head}.{b64(r.to_bytes(32, 'big') + number.to_bytes(32, 'big'))}"

    _counts(value(s), registry)
    _fails(Reason.SIGNATURE_INVALID, value(s + P256_ORDER), registry)


def test_an_ed25519_signature_moved_by_the_order() -> None:
    """RFC 8032 section 5.1.7: S is below the group's order, so that nobody makes a second signature of one."""
    head, _, signature = jws.approval(ALICE).rpartition(".")
    raw = jws.unb64(signature)
    moved = int.from_bytes(raw[32:], "little") + signing.ED25519_ORDER
    _fails(Reason.SIGNATURE_INVALID, f"{head}.{b64(raw[:32] + moved.to_bytes(32, 'little'))}")


def test_the_zero_signature() -> None:
    """Of either kind."""
    for by in OURS:
        _fails(Reason.SIGNATURE_INVALID, f"{jws.approval(by).rpartition('.')[0]}.{b64(bytes(64))}")


# The form


def test_another_number_of_parts() -> None:
    """Dots behind, before and between; the five parts of an encrypted token; two; one."""
    value = jws.approval()
    head, body, signature = value.split(".")
    for other in (
        value + ".",
        value + "..",
        f"{head}.{body}..{signature}",
        f"{head}.{body}.{signature}.{signature}",
        f"{head}.{body}.{signature}.{body}.{signature}",
        f"{head}.{body}",
        head,
        "eyJ",
        "eyJ..",
    ):
        _fails(Reason.APPROVAL_MALFORMED, other)


def test_the_json_serialization() -> None:
    """Flattened and general (RFC 7515 section 7.2), with the parts of a token that counts."""
    head, body, signature = jws.approval().split(".")
    flattened = {"payload": body, "protected": head, "signature": signature}
    general = {"payload": body, "signatures": [{"protected": head, "signature": signature}]}
    for document in (flattened, flattened | {"header": {"kid": "bob"}}, general):
        _fails(Reason.APPROVAL_MALFORMED, json.dumps(document))


def test_padding() -> None:
    """In every part, as much as it would have, and more."""
    parts = jws.approval(reason="padded 12").split(".")
    assert any(len(part) % 4 for part in parts)
    for at in range(3):
        for padding in ("=", "==", "=" * (-len(parts[at]) % 4 or 4)):
            changed = [part + padding if at == place else part for place, part in enumerate(parts)]
            _fails(Reason.APPROVAL_MALFORMED, ".".join(changed))


def test_padding_that_was_signed() -> None:
    """By alice herself: there is one way to write a token."""
    for extra in range(3):
        padded = payload(reason="x" * (10 + extra))
        if len(padded) % 3 == 0:
            continue
        head = b64(json.dumps(header(ALICE)).replace(" ", "").encode())
        signed = f"{head}.{b64(padded)}{'=' * (-len(b64(padded)) % 4)}"
        _fails(Reason.APPROVAL_MALFORMED, f"{signed}.{b64(ALICE.sign(signed.encode()))}")


@pytest.mark.parametrize("space", [" ", "\n", "\r\n", "\t", "\x00", "\u00a0", "\ufeff"])
def test_whitespace(space: str) -> None:
    """At the end, in front, beside a dot and within a part."""
    value = jws.approval()
    for other in (value + space, space + value, value.replace(".", space + "."), value[:9] + space + value[9:]):
        _fails(Reason.APPROVAL_MALFORMED, other)


def test_characters_of_the_other_alphabet() -> None:
    """Plus and slash stand for the same bits in base64."""
    swapped = 0
    for at in range(64):
        value = jws.approval(jti=f"{at:032}")
        for url, plain in (("-", "+"), ("_", "/")):
            if url in value:
                _fails(Reason.APPROVAL_MALFORMED, value.replace(url, plain))
                swapped += 1
    assert swapped


def test_trailing_bits_that_stand_for_nothing() -> None:
    """The last character of a part has bits that no byte takes: all but one way to write them are refused."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for by in OURS:
        value = jws.approval(by)
        place = alphabet.index(value[-1])
        # 64 bytes leave four bits over.
        assert place % 16 == 0
        for bits in range(1, 16):
            other = value[:-1] + alphabet[place + bits]
            assert jws.unb64(other.rpartition(".")[2]) == jws.unb64(value.rpartition(".")[2])
            _fails(Reason.APPROVAL_MALFORMED, other)


# The key


def test_a_stranger() -> None:
    """Under a kid of their own, and under that of alice."""
    _fails(Reason.APPROVER_UNKNOWN, jws.approval(EVE))
    _fails(Reason.SIGNATURE_INVALID, jws.approval(Signer("alice", EVE.private)))


def test_the_kid_of_another_approver() -> None:
    """Bob's kid, whoever the statement says that it is by; and bob's key under alice's kid."""
    bob = signer("bob")
    _counts(jws.approval(bob, iss="bob@example.com"))
    _fails(Reason.SIGNATURE_INVALID, jws.approval(Signer("bob", ALICE.private)))
    _fails(Reason.SIGNATURE_INVALID, jws.approval(Signer("bob", ALICE.private), iss="bob@example.com"))
    _fails(Reason.SIGNATURE_INVALID, jws.approval(Signer("alice", bob.private)))
    _fails(Reason.SIGNATURE_INVALID, jws.approval(bob))


@pytest.mark.parametrize(
    "kid", ["", "Alice", "alice ", " alice", "alice\x00", "alicе", "../../etc/passwd", "' OR 1=1 --", "\ud800"]
)
def test_a_kid_that_nobody_has(kid: str) -> None:
    """Compared exactly, and looked up nowhere but in the registry."""
    _fails(Reason.APPROVER_UNKNOWN, jws.approval(Signer(kid, ALICE.private)))


def test_a_kid_written_with_escapes_is_the_same_kid() -> None:
    """It is signed as it stands, and there is one key that it can mean."""
    protected = b'{"alg":"EdDSA","kid":"\\u0061lice","typ":"k8s-approval+jwt"}'
    _counts(compact(ALICE, protected, payload()))
