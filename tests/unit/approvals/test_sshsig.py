"""The signature format, against the real ssh-keygen: all that is taken here, it takes too."""

import base64
import dataclasses
import functools
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support import signing
from tests.support.fido import PRESENT, VERIFIED, Authenticator, Passkey
from tests.support.signing import SshKey, armor, mpint, sshsig_blob, string

from seconder.api.reasons import Reason, Rejected
from seconder.approvals import keys, sshsig

LINE = signing.line_of(signing.claims())
KINDS = [("ed25519", None), ("ecdsa", 256), ("ecdsa", 384), ("rsa", 3072)]

quick = settings(max_examples=400, deadline=None)


def _verify(value: str, line: str) -> int:
    return sshsig.verify_signature(sshsig.parse(value.encode()), keys.parse_line(line))


def _malformed(value: str) -> str:
    with pytest.raises(Rejected) as caught:
        sshsig.parse(value.encode("utf-8", "surrogatepass"))
    assert caught.value.reason is Reason.APPROVAL_MALFORMED
    return caught.value.detail


def _fields(signer: SshKey | None = None) -> list[bytes]:
    return signing.fields_of(signing.unarmor(signing.ssh_sign(signer or signing.key("alice"), LINE.encode())))


@pytest.mark.parametrize(("kind", "bits"), KINDS)
@pytest.mark.parametrize("hash_algorithm", ["sha256", "sha512"])
def test_what_ssh_keygen_signs_is_taken(kind: str, bits: int | None, hash_algorithm: str) -> None:
    """Every key type with either hash, and ssh-keygen takes its own too."""
    signer = signing.key("alice", kind, bits)
    value = signing.signed(LINE, signer, hash_algorithm=hash_algorithm)
    assert _verify(value, signer.line) == 0
    assert signing.ssh_verify(signer.line, LINE.encode(), value.removeprefix(LINE))


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa"])
@pytest.mark.parametrize("flags", [0, PRESENT, VERIFIED, PRESENT | VERIFIED])
def test_a_security_key_signature_is_taken_with_its_flags(kind: str, flags: int) -> None:
    """ssh-keygen takes the same bytes, even with flags of 0: what they must be is judged elsewhere."""
    device = Authenticator(kind)
    armored = device.sign(LINE.encode(), flags=flags)
    assert signing.ssh_verify(device.line, LINE.encode(), armored)
    assert _verify(LINE + armored, device.line) == flags


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa"])
def test_flags_and_counter_are_signed(kind: str) -> None:
    """Nobody can add a touch to a signature that was made without."""
    device = Authenticator(kind)
    blob = signing.unarmor(device.sign(LINE.encode(), flags=0))
    for at in range(-5, 0):
        changed = bytearray(blob)
        changed[at] ^= 1
        with pytest.raises(Rejected) as caught:
            _verify(LINE + armor(bytes(changed)), device.line)
        assert caught.value.reason is Reason.SIGNATURE_INVALID
        assert not signing.ssh_verify(device.line, LINE.encode(), armor(bytes(changed)))


def test_the_application_of_a_security_key_is_signed() -> None:
    """The same point under another application is another key, and its signatures are not this one's."""
    device = Authenticator()
    armored = device.sign(LINE.encode())
    kind, point, _ = signing.strings_in(device.blob)
    blob = string(kind) + string(point) + string(b"ssh:elsewhere")
    fields = signing.fields_of(signing.unarmor(armored))
    with pytest.raises(Rejected) as caught:
        sshsig.verify_signature(sshsig.parse((LINE + armor(sshsig_blob(blob, fields[4]))).encode()), keys.parse(blob))
    assert caught.value.reason is Reason.SIGNATURE_INVALID


@pytest.mark.parametrize("width", [1, 64, 70, 76])
def test_the_armor_may_have_any_usual_width_and_one_newline_at_its_end(width: int) -> None:
    """ssh-keygen breaks lines at 70, other signers at 64 or 76; a shell's $(...) eats the last newline."""
    blob = signing.unarmor(signing.ssh_sign(signing.key("alice"), LINE.encode()))
    wrapped = armor(blob, width)
    assert _verify(LINE + wrapped, signing.key("alice").line) == 0
    assert _verify(LINE + wrapped.removesuffix("\n"), signing.key("alice").line) == 0
    assert signing.ssh_verify(signing.key("alice").line, LINE.encode(), wrapped)


def test_anything_about_the_armor_is_refused() -> None:
    """One line, one armored signature, and nothing before, between or after."""
    armored = signing.ssh_sign(signing.key("alice"), LINE.encode())
    blob = signing.unarmor(armored)
    begin, body, end = armored[:30], armored[30:-28], armored[-28:]
    assert (begin[-1], end[0]) == ("\n", "-")
    lines = armor(blob, 64).splitlines()
    for value in (
        "",
        "\n",
        LINE,
        LINE.strip() + armored,
        LINE + "\n" + armored,
        LINE + " " + armored,
        LINE + armored + "\n",
        LINE + armored + " ",
        LINE + armored + armored,
        LINE + LINE + armored,
        LINE + armored.replace("\n", "\r\n"),
        LINE + begin + "\n" + body + end,
        LINE + begin + body + "\n" + end,
        LINE + begin + body.replace("\n", "", 1) + end,
        LINE + begin + body.replace("\n", "\n\n", 1) + end,
        LINE + begin + " " + body + end,
        LINE + begin + body[:50] + "\n" + body[50:] + end,
        LINE + begin + end,
        LINE + begin + end[1:],
        LINE + "-----BEGIN SSH SIGNATURE-----\n-----END SSH SIGNATURE-----",
        LINE + armored.replace("SSH", "PGP"),
        LINE + armor(blob, 77),
        LINE + armor(blob, 65).replace("\n-----END", "\n\n-----END"),
        LINE + "\n".join([*lines[:-3], lines[-3] + lines[-2], lines[-1]]),
        LINE + begin + body.replace("A", "=", 1) + end,
        LINE + begin + body.replace("A", "-", 1) + end,
        LINE + begin + "é" + body[1:] + end,
    ):
        _malformed(value)


def test_every_field_of_the_blob_has_one_value_or_none() -> None:
    """Magic, version, namespace, reserved, hash and the end of it all are exact."""
    public, _, _, _, signature = _fields()
    for blob, problem in (
        (sshsig_blob(public, signature, magic=b"SSHSIX"), "version 1"),
        (sshsig_blob(public, signature, version=0), "version 1"),
        (sshsig_blob(public, signature, version=2), "version 1"),
        (sshsig_blob(public, signature, namespace="git"), "another purpose"),
        (sshsig_blob(public, signature, namespace=signing.NAMESPACE + "\x00"), "another purpose"),
        (sshsig_blob(public, signature, namespace=""), "another purpose"),
        (sshsig_blob(public, signature, reserved=b"x"), "reserved"),
        (sshsig_blob(public, signature, hash_algorithm=b"sha1"), "another hash"),
        (sshsig_blob(public, signature, hash_algorithm=b"md5"), "another hash"),
        (sshsig_blob(public, signature, hash_algorithm=b""), "another hash"),
        (sshsig_blob(public, signature) + b"\x00", "trailing"),
        (sshsig_blob(public, signature + b"\x00"), "trailing"),
        (sshsig_blob(b"", signature), "truncated"),
        (sshsig_blob(public, b""), "truncated"),
        (sshsig_blob(public, string(b"ssh-ed25519") + string(b"\x01" * 63)), "64 bytes"),
        (sshsig_blob(public, string(b"ssh-ed25519") + string(b"\x01" * 65)), "64 bytes"),
    ):
        assert problem in _malformed(LINE + armor(blob))


def test_a_blob_cut_short_anywhere_is_refused() -> None:
    """No length in it is believed beyond its end."""
    blob = signing.unarmor(signing.ssh_sign(signing.key("alice"), LINE.encode()))
    for length in range(1, len(blob)):
        _malformed(LINE + armor(blob[:length]))


@pytest.mark.parametrize("other", [b"ssh-rsa", b"rsa-sha2-256", b"sk-ssh-ed25519@openssh.com", b"", b"ssh-ed25519\x00"])
def test_the_signature_must_be_of_the_keys_own_type(other: bytes) -> None:
    """The key says which arithmetic there is; the signature may not choose another."""
    public, _, _, _, signature = _fields()
    raw = signing.strings_in(signature)[1]
    assert "does not belong" in _malformed(LINE + armor(sshsig_blob(public, string(other) + string(raw))))


def test_an_rsa_key_never_signs_with_sha1() -> None:
    """The signature type ssh-rsa means SHA-1, whatever the hash of the message."""
    signer = signing.key("alice", "rsa", 3072)
    public, _, _, _, signature = _fields(signer)
    kind, raw = signing.strings_in(signature)
    assert kind == b"rsa-sha2-512"
    assert "does not belong" in _malformed(LINE + armor(sshsig_blob(public, string(b"ssh-rsa") + string(raw))))
    swapped = LINE + armor(sshsig_blob(public, string(b"rsa-sha2-256") + string(raw)))
    with pytest.raises(Rejected) as caught:
        _verify(swapped, signer.line)
    assert caught.value.reason is Reason.SIGNATURE_INVALID


def test_an_rsa_signature_is_as_long_as_the_modulus() -> None:
    """A leading zero byte more or fewer is another spelling of the same number."""
    signer = signing.key("alice", "rsa", 3072)
    public, _, _, _, signature = _fields(signer)
    kind, raw = signing.strings_in(signature)
    for other in (b"\x00" + raw, raw[1:], b"", raw + b"\x00"):
        with pytest.raises(Rejected) as caught:
            _verify(LINE + armor(sshsig_blob(public, string(kind) + string(other))), signer.line)
        assert caught.value.reason is Reason.SIGNATURE_INVALID


def test_ecdsa_numbers_are_positive_and_have_one_encoding() -> None:
    """Zero, negative and padded numbers are refused before any arithmetic; too great ones by it."""
    signer = signing.key("alice", "ecdsa", 256)
    public, _, _, _, signature = _fields(signer)
    kind, raw = signing.strings_in(signature)
    r, s = signing.strings_in(raw)
    for numbers in (
        string(b"") + string(s),
        string(r) + string(b"\x00"),
        string(b"\x00" + r) + string(s),
        string(b"\xff" + r) + string(s),
        string(r),
        string(r) + string(s) + b"\x00",
        string(r) + string(s) + string(s),
    ):
        _malformed(LINE + armor(sshsig_blob(public, string(kind) + string(numbers))))
    for numbers in (
        mpint(signing.P256_ORDER) + mpint(1),
        mpint(1) + mpint(signing.P256_ORDER),
        mpint(2**500) + mpint(1),
    ):
        with pytest.raises(Rejected) as caught:
            _verify(LINE + armor(sshsig_blob(public, string(kind) + string(numbers))), signer.line)
        assert caught.value.reason is Reason.SIGNATURE_INVALID


def test_the_second_form_of_an_ecdsa_signature_says_nothing_else() -> None:
    """(r, n - s) verifies as (r, s) does, here and in ssh-keygen, for the same message and key: hence the jti."""
    signer = signing.key("alice", "ecdsa", 256)
    public, _, _, _, signature = _fields(signer)
    kind, raw = signing.strings_in(signature)
    r, s = (int.from_bytes(number, "big") for number in signing.strings_in(raw))
    other = armor(sshsig_blob(public, string(kind) + string(mpint(r) + mpint(signing.P256_ORDER - s))))
    envelope = sshsig.parse((LINE + other).encode())
    assert decode_dss_signature(envelope.signature.data) == (r, signing.P256_ORDER - s)
    assert sshsig.verify_signature(envelope, keys.parse_line(signer.line)) == 0
    assert signing.ssh_verify(signer.line, LINE.encode(), other)


def test_an_ed25519_signature_has_one_form() -> None:
    """RFC 8032 section 5.1.7: S + L, which the equation alone would take, is refused."""
    public, _, _, _, signature = _fields()
    kind, raw = signing.strings_in(signature)
    great = int.from_bytes(raw[32:], "little") + signing.ED25519_ORDER
    other = raw[:32] + great.to_bytes(32, "little")
    with pytest.raises(Rejected) as caught:
        _verify(LINE + armor(sshsig_blob(public, string(kind) + string(other))), signing.key("alice").line)
    assert caught.value.reason is Reason.SIGNATURE_INVALID


def test_no_number_above_the_modulus_is_an_rsa_signature() -> None:
    """As long as it should be, and still refused in words."""
    signer = signing.key("alice", "rsa", 3072)
    for raw in (b"\xff" * 384, bytes(384)):
        blob = sshsig_blob(signer.blob, string(b"rsa-sha2-512") + string(raw))
        with pytest.raises(Rejected) as caught:
            _verify(LINE + armor(blob), signer.line)
        assert caught.value.reason is Reason.SIGNATURE_INVALID


def test_a_key_of_no_known_arithmetic_takes_no_signature() -> None:
    """To fall through the list of algorithms would be to take anything: it is an error instead."""
    envelope = sshsig.parse(signing.signed(LINE).encode())
    unknown: Any = "ssh-unknown"
    key = dataclasses.replace(keys.parse_line(signing.key("alice").line), type=unknown)
    with pytest.raises(AssertionError):
        sshsig.verify_signature(envelope, key)


@pytest.mark.parametrize("kind", ["ecdsa", "rsa"])
def test_a_key_of_another_arithmetic_than_its_type_takes_no_signature(kind: str) -> None:
    """No registered key is one: both are read from the same bytes."""
    envelope = sshsig.parse(signing.signed(LINE).encode())
    other = keys.parse_line(signing.key("alice", kind, {"ecdsa": 256, "rsa": 3072}[kind]).line)
    key = dataclasses.replace(keys.parse_line(signing.key("alice").line), material=other.material)
    with pytest.raises(AttributeError):
        sshsig.verify_signature(envelope, key)


def test_a_signature_counts_for_its_own_key_alone() -> None:
    """Another registered key, of the same type, is another key."""
    envelope = sshsig.parse(signing.signed(LINE).encode())
    with pytest.raises(Rejected) as caught:
        sshsig.verify_signature(envelope, keys.parse_line(signing.key("bob").line))
    assert caught.value.reason is Reason.SIGNATURE_INVALID


def test_a_signature_under_another_persons_key_blob_does_not_verify() -> None:
    """Naming alice's key in the envelope does not make bob's signature hers."""
    theirs = _fields(signing.key("bob"))[4]
    with pytest.raises(Rejected) as caught:
        _verify(LINE + armor(sshsig_blob(signing.key("alice").blob, theirs)), signing.key("alice").line)
    assert caught.value.reason is Reason.SIGNATURE_INVALID


def test_a_type_that_is_not_known_is_left_to_the_registry() -> None:
    """The envelope reads, so that the registry can say that nobody has this key."""
    signer = signing.key("alice", "ecdsa", 521)
    envelope = sshsig.parse(signing.signed(LINE, signer).encode())
    assert envelope.key_blob == signer.blob


@functools.cache
def _signers() -> list[tuple[str, str]]:
    signers = [signing.key("alice", kind, bits) for kind, bits in KINDS]
    found = [(signer.line, signing.signed(LINE, signer)) for signer in signers]
    for kind in ("ed25519", "ecdsa"):
        device = Authenticator(kind)
        found.append((device.line, LINE + device.sign(LINE.encode()).rstrip("\n")))
    passkey = Passkey()
    found.append((passkey.line, LINE + passkey.sign(LINE.encode()).rstrip("\n")))
    return found


SIGNERS = st.deferred(lambda: st.sampled_from(_signers()))


def _taken(value: str, line: str) -> bool:
    try:
        _verify(value, line)
    except Rejected:
        return False
    return True


@quick
@given(signer=SIGNERS, at=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_no_flipped_bit_of_the_blob_is_taken(signer: tuple[str, str], at: int, bit: int) -> None:
    """A changed signature, key, namespace or length counts for nothing."""
    line, value = signer
    blob = bytearray(signing.unarmor(value.removeprefix(LINE)))
    blob[at % len(blob)] ^= 1 << bit
    assert not _taken(LINE + armor(bytes(blob)), line)


@quick
@given(signer=SIGNERS, at=st.integers(0, 10**6), bit=st.integers(0, 6))
def test_no_flipped_bit_of_the_value_is_taken(signer: tuple[str, str], at: int, bit: int) -> None:
    """Neither in the statement nor in the armor."""
    line, value = signer
    text = bytearray(value.encode())
    text[at % len(text)] ^= 1 << bit
    changed = text.decode("utf-8", "replace")
    assert not _taken(changed, line)


@quick
@given(
    signer=SIGNERS,
    start=st.integers(0, 10**6),
    length=st.integers(0, 40),
    put=st.binary(max_size=12) | st.just(b"\x00\x00\x00\x00"),
)
def test_no_spliced_blob_is_taken(signer: tuple[str, str], start: int, length: int, put: bytes) -> None:
    """Cut out, put in or replaced bytes leave either the same blob, which ssh-keygen takes, or none that counts."""
    line, value = signer
    blob = signing.unarmor(value.removeprefix(LINE))
    at = start % (len(blob) + 1)
    changed = blob[:at] + put + blob[at + length :]
    if changed == blob:
        assert signing.ssh_verify(line, LINE.encode(), armor(changed))
    else:
        assert not changed or not _taken(LINE + armor(changed), line)


@quick
@given(st.binary(max_size=400))
def test_arbitrary_blobs_are_refused_in_words(blob: bytes) -> None:
    """Whatever stands in the armor, the answer is a reason and not a crash."""
    if blob:
        _malformed(LINE + armor(b"SSHSIG\x00\x00\x00\x01" + blob))
        _malformed(LINE + armor(blob))


def test_the_strict_reader_decodes_what_base64_encodes() -> None:
    """The test's own armor is not what makes the refusals above."""
    blob = signing.unarmor(signing.ssh_sign(signing.key("alice"), LINE.encode()))
    assert base64.b64encode(blob).decode() == "".join(armor(blob).splitlines()[1:-1])
