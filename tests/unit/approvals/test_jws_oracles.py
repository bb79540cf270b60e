"""JSON Web Signatures against other implementations: published vectors, joserfc and PyJWT.

What they make with our exact header counts here; what counts here, they verify. They take far more than that.
"""

import base64

import joserfc.jws
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc.errors import BadSignatureError
from joserfc.jwk import ECKey, OKPKey
from jwt.api_jws import PyJWS
from jwt.exceptions import InvalidSignatureError
from tests.support import jws, signing
from tests.support.jws import KINDS, Signer, signer, unb64
from tests.support.signing import NOW, P256_ORDER

from seconder.api.reasons import Reason, Rejected
from seconder.approvals import jws as core
from seconder.approvals import keys
from seconder.approvals.registry import Registry
from seconder.approvals.verification import verify

pytestmark = pytest.mark.filterwarnings("ignore:EdDSA is deprecated")

# RFC 8037 appendix A.1, A.2, A.4 and A.5.
ED25519 = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
ED25519_PRIVATE = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"
ED25519_TOKEN = (
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
)
# RFC 7515 appendix A.3.
P256 = {
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}
P256_TOKEN = (
    "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
    ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
)


def _envelope(token: str, algorithm: str) -> core.Envelope:
    """Read a token whose header lacks what ours has, for the signature alone."""
    signed, _, signature = token.rpartition(".")
    return core.Envelope(signed.encode(), b"", algorithm, "", unb64(signature))


def _key(jwk: dict[str, str]) -> keys.PublicKey:
    return keys.parse(keys.blob_of_jwk(jwk["kty"], jwk["crv"], jwk["x"], jwk.get("y")))


@pytest.mark.parametrize(
    ("token", "algorithm", "jwk"), [(ED25519_TOKEN, "EdDSA", ED25519), (P256_TOKEN, "ES256", P256)], ids=KINDS
)
def test_the_published_signatures_verify(token: str, algorithm: str, jwk: dict[str, str]) -> None:
    """RFC 8037 A.5 and RFC 7515 A.3.2; and no longer with one bit changed, in any byte of the signature."""
    envelope = _envelope(token, algorithm)
    core.verify_signature(envelope, _key(jwk))
    for at in range(64):
        changed = bytearray(envelope.signature)
        changed[at] ^= 1
        other = core.Envelope(envelope.signed, b"", algorithm, "", bytes(changed))
        with pytest.raises(Rejected) as caught:
            core.verify_signature(other, _key(jwk))
        assert caught.value.reason is Reason.SIGNATURE_INVALID


def test_the_published_key_signs_the_published_token() -> None:
    """RFC 8037 A.4: so the tests' own signer does as the standard says."""
    private = Ed25519PrivateKey.from_private_bytes(unb64(ED25519_PRIVATE))
    by = Signer("published", private)
    assert by.jwk == ED25519 | {"kid": "published"}
    assert jws.compact(by, {"alg": "EdDSA"}, b"Example of Ed25519 signing") == ED25519_TOKEN


def test_a_published_token_is_no_approval() -> None:
    """Its header lacks kid and typ."""
    for token in (ED25519_TOKEN, P256_TOKEN):
        with pytest.raises(Rejected) as caught:
            core.parse(token.encode())
        assert caught.value.reason is Reason.APPROVAL_MALFORMED


def _ours(value: str, by: Signer) -> bool:
    registry = Registry([jws.approver("alice", by)])
    try:
        verify("alice", value, signing.context(), registry, NOW, signing.memo())
    except Rejected:
        return False
    return True


def _joserfc(value: str, by: Signer) -> bool:
    key = OKPKey.import_key({**by.jwk}) if by.algorithm == "EdDSA" else ECKey.import_key({**by.jwk})
    try:
        joserfc.jws.deserialize_compact(value, key, algorithms=["EdDSA", "Ed25519", "ES256"])
    except BadSignatureError:
        return False
    return True


def _pyjwt(value: str, by: Signer) -> bool:
    try:
        PyJWS().decode_complete(value, by.public_pem, algorithms=["EdDSA", "ES256"])
    except InvalidSignatureError:
        return False
    return True


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", range(5))
def test_what_joserfc_signs_counts(kind: str, number: int) -> None:
    """With exactly our header."""
    by = signer("alice", kind, number)
    private = OKPKey.import_key(by.pem) if kind == "ed25519" else ECKey.import_key(by.pem)
    for algorithm in ("EdDSA", "Ed25519") if kind == "ed25519" else ("ES256",):
        protected = jws.header(by, alg=algorithm)
        value = joserfc.jws.serialize_compact(protected, jws.payload(), private, algorithms=[algorithm])
        assert _ours(value, by)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", range(5))
def test_what_pyjwt_signs_counts(kind: str, number: int) -> None:
    """With exactly our header; with the one that it makes of itself it does not."""
    by = signer("alice", kind, number)
    headers = {"kid": by.kid, "typ": jws.TYPE}
    assert _ours(PyJWS().encode(jws.payload(), by.pem, by.algorithm, headers=headers), by)
    assert not _ours(PyJWS().encode(jws.payload(), by.pem, by.algorithm), by)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(KINDS),
    st.sampled_from(["nothing", "signer", "bit", "other s", "random", "text"]),
    st.binary(min_size=64, max_size=64),
    st.integers(0, 511),
    st.text(max_size=20),
)
def test_what_counts_is_what_others_verify(kind: str, how: str, raw: bytes, bit: int, reason: str) -> None:
    """For good signatures and for bad ones; and where all three could verify it, all three say the same."""
    by = signer("alice", kind)
    line = signing.line_of(signing.claims(reason=f"x{reason}" if reason.isprintable() else "x"))
    made_by = Signer("alice", signer("eve", kind).private) if how == "signer" else by
    head, _, text = jws.compact(made_by, jws.header(by), line.rstrip("\n").encode()).rpartition(".")
    signature = unb64(text)
    if how == "bit":
        signature = (int.from_bytes(signature, "big") ^ 1 << bit).to_bytes(64, "big")
    if how == "random":
        signature = raw
    if how == "other s" and kind == "es256":
        signature = signature[:32] + (P256_ORDER - int.from_bytes(signature[32:], "big")).to_bytes(32, "big")
    value = f"{head}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
    verdicts = {_ours(value, by), _joserfc(value, by), _pyjwt(value, by)}
    assert verdicts == {how in ("nothing", "text", "other s")}
