"""Ed25519 (RFC 8032), beside OpenSSL's: no signature counts that it would refuse."""

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from seconder.approvals import ed25519

ORDER = 2**252 + 27742317777372353535851937790883648493
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))

RFC_8032 = (
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
)


def _takes(key: Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    try:
        ed25519.verify(key, signature, message)
    except InvalidSignature:
        return False
    return True


def _openssl_takes(key: Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


@pytest.mark.parametrize(("key", "message", "signature"), RFC_8032)
def test_the_examples_of_the_rfc_are_taken(key: str, message: str, signature: str) -> None:
    """Section 7.1, tests 1 and 2."""
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key))
    assert _takes(public, bytes.fromhex(signature), bytes.fromhex(message))


@given(message=st.binary(max_size=200), seed=st.binary(min_size=32, max_size=32))
def test_a_good_signature_is_taken(message: bytes, seed: bytes) -> None:
    """By whichever key."""
    key = Ed25519PrivateKey.from_private_bytes(seed)
    assert _takes(key.public_key(), key.sign(message), message)


@given(message=st.binary(max_size=50), bit=st.integers(0, 511))
def test_a_signature_with_a_bit_turned_is_refused(message: bytes, bit: int) -> None:
    """Whichever bit."""
    turned = bytearray(KEY.sign(message))
    turned[bit // 8] ^= 1 << bit % 8
    assert not _takes(KEY.public_key(), bytes(turned), message)


@given(message=st.binary(max_size=50), cut=st.integers(-64, 64))
def test_what_is_not_64_bytes_is_no_signature_of_anything(message: bytes, cut: int) -> None:
    """Also where the rest of the signature stands at the beginning of the message, or the other way about."""
    both = KEY.sign(message) + message
    signature, rest = both[: 64 + cut], both[64 + cut :]
    assert _takes(KEY.public_key(), signature, rest) is (cut == 0 or signature == both[:64])


@given(message=st.binary(max_size=50), factor=st.integers(1, 15))
def test_a_second_signature_is_not_made_from_the_first(message: bytes, factor: int) -> None:
    """S and S + L are the same number to whoever does not look (RFC 8032 section 8.4)."""
    signature = KEY.sign(message)
    scalar = int.from_bytes(signature[32:], "little") + factor * ORDER
    if scalar < 2**256:
        assert not _takes(KEY.public_key(), signature[:32] + scalar.to_bytes(32, "little"), message)


@given(
    signature=st.binary(min_size=64, max_size=64),
    message=st.binary(max_size=20),
    key=st.binary(min_size=32, max_size=32),
)
def test_nothing_is_taken_that_openssl_refuses(signature: bytes, message: bytes, key: bytes) -> None:
    """By a key that need not be a point."""
    public = Ed25519PublicKey.from_public_bytes(key)
    assert not _takes(public, signature, message) or _openssl_takes(public, signature, message)


COFACTORED = (
    "6f6ca5462ae560235abfc4bf18f762edd72bc1a7de9e49eec0aeb5ecaa8d37ce",
    "6999d5cb5126005c325892f1c6eab824b310708befff12fbaf45dda050cb12f0"
    "3864f9cf8b0049e1fbe49c578010127b207aa9641e02937b0423b08c52b94001",
)
"""Made so that R is off by a point of order 8, over b"hello": its equation holds when multiplied by 8 alone."""


def test_a_signature_that_holds_up_to_a_cofactor_is_refused() -> None:
    """As OpenSSL does. RFC 8032 leaves it open, and a version of the library that takes it would show here."""
    key, signature = (bytes.fromhex(part) for part in COFACTORED)
    public = Ed25519PublicKey.from_public_bytes(key)
    assert not _takes(public, signature, b"hello")
    assert not _openssl_takes(public, signature, b"hello")


SMALL_ORDER = (bytes(32), b"\x01" + bytes(31), b"\xec" + b"\xff" * 30 + b"\x7f")


@pytest.mark.parametrize("key", SMALL_ORDER, ids=("order 4", "order 1", "order 2"))
@pytest.mark.parametrize("commitment", SMALL_ORDER, ids=("R of order 4", "R of order 1", "R of order 2"))
def test_points_of_small_order_sign_nothing(key: bytes, commitment: bytes) -> None:
    """OpenSSL takes some of these, for whatever message: the registry refuses such keys as well."""
    public = Ed25519PublicKey.from_public_bytes(key)
    assert not any(_takes(public, commitment + bytes(32), b"%d" % number) for number in range(32))
