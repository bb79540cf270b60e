"""JSON Web Keys in an Approver: which of them count, and what their status shows."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support import jws, signing
from tests.support.jws import KINDS, b64, signer, unb64

from seconder.approvals import keys
from seconder.approvals.approver_documents import approver
from seconder.approvals.keys import KeyType, UnusableKey
from seconder.approvals.registry import Approver, KeyEntry, Registry
from seconder.operator.approver_status import judge

P256_PRIME = 2**256 - 2**224 + 2**192 + 2**96 - 1
ED25519, ES256 = signer("alice").jwk, signer("alice", "es256").jwk


def _document(*listed: dict[str, Any], name: str = "alice") -> dict[str, Any]:
    spec = {
        "principal": f"{name}@example.com",
        "kubernetesUsers": [f"{name}@example.com"],
        "keys": [{"name": f"key-{at}"} | each for at, each in enumerate(listed)],
    }
    return {"metadata": {"name": name, "generation": 1}, "spec": spec}


def _entry(jwk: dict[str, Any]) -> KeyEntry:
    found = approver(_document({"jwk": jwk}))
    assert isinstance(found, Approver)
    return found.keys[0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_json_web_key_is_the_key_that_ssh_writes(kind: str) -> None:
    """Byte for byte, with the fingerprint that ssh-keygen prints for it."""
    by = signer("alice", kind)
    entry = _entry(by.jwk)
    assert (entry.problem, entry.kid, entry.format) == ("", "alice", "jws")
    assert entry.blob == keys.blob_of_line(by.line)
    assert entry.fingerprint == signing.ssh_fingerprint(by.line)
    assert entry.public is not None
    assert entry.public.type is (KeyType.ED25519 if kind == "ed25519" else KeyType.ECDSA_P256)


@pytest.mark.parametrize(
    "jwk",
    [
        ED25519 | {"y": ES256["y"]},
        {name: value for name, value in ES256.items() if name != "y"},
        ED25519 | {"kty": "EC"},
        ES256 | {"kty": "OKP"},
        ES256 | {"crv": "Ed25519"},
        ED25519 | {"crv": "P-256"},
        ED25519 | {"kty": "EC", "y": ES256["y"]},
    ],
)
def test_members_that_do_not_belong_together(jwk: dict[str, str]) -> None:
    """One kind of key has y, the other has none."""
    assert _entry(jwk).problem.startswith("the JSON Web Key is neither")
    assert _entry(jwk).public is None


def test_an_unusable_json_web_key_is_known_by_its_kid() -> None:
    """So that its owner reads what is wrong, and that no other key is taken for it."""
    found = approver(_document({"jwk": ES256 | {"kty": "OKP"}}))
    assert found is not None
    registered = Registry([found]).find_kid("alice")
    assert registered is not None
    assert registered.problem.startswith("the JSON Web Key is neither")
    assert Registry([found]).usable == 0


def _trailing(text: str) -> str:
    """Write the same 32 bytes with one of the two bits set that are left over."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    other = text[:-1] + alphabet[alphabet.index(text[-1]) + 1]
    assert unb64(other) == unb64(text)
    return other


@pytest.mark.parametrize(
    "jwk",
    [
        ED25519 | {"x": _trailing(ED25519["x"])},
        ES256 | {"x": _trailing(ES256["x"])},
        ES256 | {"y": _trailing(ES256["y"])},
        ED25519 | {"x": ED25519["x"][:-1] + "\n"},
    ],
)
def test_a_coordinate_has_one_way_to_be_written(jwk: dict[str, str]) -> None:
    """Bits that stand for nothing are zero."""
    assert "base64url" in _entry(jwk).problem


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_a_coordinate_has_32_bytes(size: int) -> None:
    """Whatever a schema lets through."""
    for jwk in (ED25519, ES256):
        for member in {"x", "y"} & jwk.keys():
            odd = jwk | {member: b64(b"\x01" * size)}
            with pytest.raises(UnusableKey, match="32 bytes"):
                keys.blob_of_jwk(odd["kty"], odd["crv"], odd["x"], odd.get("y"))


@pytest.mark.parametrize("y", [0, 1, 2**255 - 20, 2**255 - 19, 2**255 - 18, keys._ORDER_8, 2**255 - 19 - keys._ORDER_8])
def test_a_point_of_small_order_is_refused(y: int) -> None:
    """Anybody could sign for it: the lint is that of SSH keys."""
    for sign in (0, 1):
        raw = (y | sign << 255).to_bytes(32, "little")
        assert "small order" in _entry(ED25519 | {"x": b64(raw)}).problem


def test_a_point_that_is_not_on_its_curve_is_refused() -> None:
    """Zero, a swapped pair, a coordinate of another key, and one that is written above the prime."""
    x, y = ES256["x"], ES256["y"]
    zero = b64(bytes(32))
    for pair in ((zero, zero), (y, x), (x, zero), (x, b64(b"\xff" * 32))):
        assert "not a point" in _entry(ES256 | {"x": pair[0], "y": pair[1]}).problem
    # A point whose x is small enough to be written a second time.
    small = next(n for n in range(1, 50) if pow(_square(n), (P256_PRIME - 1) // 2, P256_PRIME) == 1)
    root = pow(_square(small), (P256_PRIME + 1) // 4, P256_PRIME)
    first, second = (number.to_bytes(32, "big") for number in (small, small + P256_PRIME))
    assert _entry(ES256 | {"x": b64(first), "y": b64(root.to_bytes(32, "big"))}).problem == ""
    assert "not a point" in _entry(ES256 | {"x": b64(second), "y": b64(root.to_bytes(32, "big"))}).problem


def _square(x: int) -> int:
    b = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
    return (x**3 - 3 * x + b) % P256_PRIME


def test_an_entry_has_exactly_one_notation() -> None:
    """An older schema may let through what the present one does not; neither of both keys counts then."""
    found = approver(_document({"jwk": ED25519, "ssh": signing.key("alice").line}, {}))
    assert found is not None
    assert [each.problem for each in found.keys] == ["give exactly one of ssh and jwk"] * 2
    assert [each.public for each in found.keys] == [None, None]


def test_the_status_of_a_json_web_key() -> None:
    """With the fingerprint of the same key in SSH's notation, and counted under its own format."""
    line = signing.key("alice").line
    [judged] = judge([_document({"jwk": ED25519}, {"jwk": ES256 | {"kid": "two"}}, {"ssh": line})]).approvers
    assert judged.counting == [("jws", "Software"), ("jws", "Software"), ("ssh", "Software")]
    assert judged.status["keys"][0] == {
        "name": "key-0",
        "fingerprint": signing.ssh_fingerprint(signer("alice").line),
        "assurance": "Software",
        "problem": "",
    }
    assert [each["type"] for each in judged.status["conditions"]] == ["Ready"]


def test_a_kid_of_two_approvers_is_a_duplicate_on_both() -> None:
    """As a key is."""
    other = signer("bob").jwk | {"kid": "alice"}
    judged = judge([_document({"jwk": ED25519}), _document({"jwk": other}, name="bob")]).approvers
    for each in judged:
        assert each.counting == []
        assert {found["type"]: found["status"] for found in each.status["conditions"]} == {
            "Ready": "False",
            "Duplicate": "True",
        }
        assert each.status["keys"][0]["problem"].startswith("Duplicate")


def test_a_key_of_two_approvers_is_a_duplicate_in_either_notation() -> None:
    """It counts in neither."""
    judged = judge([_document({"jwk": ED25519}), _document({"ssh": signer("alice").line}, name="bob")]).approvers
    assert [each.counting for each in judged] == [[], []]
    assert all(each.status["keys"][0]["problem"].startswith("Duplicate") for each in judged)


@given(
    st.sampled_from(["OKP", "EC", "RSA", ""]),
    st.sampled_from(["Ed25519", "P-256", "X25519", ""]),
    st.text(max_size=50) | st.binary(min_size=32, max_size=32).map(b64),
    st.none() | st.text(max_size=50) | st.binary(min_size=32, max_size=32).map(b64),
)
def test_no_json_web_key_is_too_odd_to_be_read(kty: str, crv: str, x: str, y: str | None) -> None:
    """It gets a problem instead."""
    try:
        keys.parse(keys.blob_of_jwk(kty, crv, x, y))
    except UnusableKey:
        pass
    else:
        assert (kty, crv) in {("OKP", "Ed25519"), ("EC", "P-256")}
    jwk = {"kty": kty, "crv": crv, "kid": "k", "x": x} | ({} if y is None else {"y": y})
    approver(_document({"jwk": jwk}))


def test_an_approver_is_parsed_as_the_tests_register_it() -> None:
    """So that tests of the core speak of what documents give."""
    by = jws.signer("alice")
    assert _entry(by.jwk) == jws.entry(by, "key-0")
