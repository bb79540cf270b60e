"""A passkey's signature, against the real ssh-keygen: all that is taken here, it takes too, and more is refused."""

import base64
import hashlib

import pytest
from tests.support import signing
from tests.support.fido import ORIGIN, PAGE, PRESENT, VERIFIED, WEBAUTHN, Authenticator, Passkey, challenge_of
from tests.support.signing import armor, sshsig_blob

from seconder.api.reasons import Reason, Rejected
from seconder.approvals import keys, sshsig

LINE = signing.line_of(signing.claims())
MESSAGE = LINE.encode()
DEVICE = Passkey()


def _verify(armored: str, device: Authenticator = DEVICE) -> int:
    return sshsig.verify_signature(sshsig.parse((LINE + armored).encode()), keys.parse_line(device.line))


def _refused(reason: Reason, armored: str, device: Authenticator = DEVICE) -> None:
    with pytest.raises(Rejected) as caught:
        _verify(armored, device)
    assert caught.value.reason is reason, caught.value


def _ssh_keygen_takes(armored: str, device: Authenticator = DEVICE) -> bool:
    return signing.ssh_verify(device.line, MESSAGE, armored)


@pytest.mark.parametrize("flags", [0, PRESENT, VERIFIED, PRESENT | VERIFIED, 0x1D])
@pytest.mark.parametrize("more", ["}", ',"crossOrigin":false}', ',"crossOrigin":false,"other_keys_can_be_added":"x"}'])
def test_a_passkeys_signature_is_taken_with_its_flags(flags: int, more: str) -> None:
    """What browsers write, ssh-keygen takes and so do we; what the flags must be is judged elsewhere."""
    armored = DEVICE.sign(MESSAGE, flags=flags, more=more)
    assert _verify(armored) == flags
    assert _ssh_keygen_takes(armored)


def test_extensions_that_the_flags_announce_are_signed() -> None:
    """They stand between the counter and the digest of what the browser says."""
    armored = DEVICE.sign(MESSAGE, flags=0x85, extensions=b"\xa1\x61\x78\x01")
    assert _verify(armored) == 0x85
    assert _ssh_keygen_takes(armored)


@pytest.mark.parametrize(
    "origin",
    [ORIGIN, f"{ORIGIN}:8443", f"https://eu.{PAGE}", f"https://a.b.{PAGE}:1"],
)
def test_the_page_and_what_is_below_it_may_ask(origin: str) -> None:
    """A browser signs for the key's host from that host and from those below it."""
    assert _verify(DEVICE.sign(MESSAGE, origin=origin)) == PRESENT | VERIFIED


@pytest.mark.parametrize(
    "origin",
    [
        "https://example.com",
        "https://com",
        "https://approve.example.com.evil.org",
        "https://evilapprove.example.com",
        "https://approve.example.org",
        f"http://{PAGE}",
        f"http://{PAGE}:443",
        "http://localhost",
        f"https://.{PAGE}",
        f"https://-.{PAGE}",
    ],
)
def test_no_other_page_may_ask(origin: str) -> None:
    """ssh-keygen takes each of these: it knows nothing of where a key belongs."""
    armored = DEVICE.sign(MESSAGE, origin=origin)
    assert _ssh_keygen_takes(armored)
    _refused(Reason.SIGNATURE_INVALID, armored)


@pytest.mark.parametrize(
    "origin",
    [
        "",
        PAGE,
        f"{ORIGIN}/",
        f"{ORIGIN}/path",
        f"{ORIGIN}:0",
        f"{ORIGIN}:",
        f"{ORIGIN}:123456",
        f"https://user@{PAGE}",
        f"https://{PAGE.upper()}",
        f"HTTPS://{PAGE}",
        f"ftp://{PAGE}",
        f"{ORIGIN}\\u0000",
        f"{ORIGIN}\n",
        f"android:apk-key-hash:{'x' * 43}",
        "null",
        f'{ORIGIN}"',
        f"https://{'a' * 3000}",
    ],
)
def test_what_is_no_origin_of_a_page_is_malformed(origin: str) -> None:
    """An origin is scheme, host and port as browsers write them, and nothing else."""
    _refused(Reason.APPROVAL_MALFORMED, DEVICE.sign(MESSAGE, origin=origin))


def test_localhost_alone_needs_no_tls() -> None:
    """As in browsers: the name itself, and no name below it."""
    local = Passkey("localhost")
    assert _verify(local.sign(MESSAGE, origin="http://localhost:8080"), local) == PRESENT | VERIFIED
    assert _verify(local.sign(MESSAGE, origin="https://localhost"), local) == PRESENT | VERIFIED
    for origin in ("http://a.localhost", "https://a.localhost", "http://127.0.0.1", "http://localhost.example.com"):
        _refused(Reason.SIGNATURE_INVALID, local.sign(MESSAGE, origin=origin), local)


def test_nothing_is_below_a_host_of_one_label() -> None:
    """A key of "com" would else be every page's."""
    device = Passkey("com")
    _refused(Reason.SIGNATURE_INVALID, device.sign(MESSAGE, origin="https://example.com"), device)


@pytest.mark.parametrize(
    "more",
    [
        ',"crossOrigin":true}',
        ',"crossOrigin":1}',
        ',"crossOrigin":null}',
        ',"crossOrigin":"false"}',
        ',"crossOrigin":true,"crossOrigin":false}',
        ',"cross\\u004frigin":true}',
        ',"crossOrigin":false,"topOrigin":"https://evil.example"}',
        ',"origin":"https://evil.example"}',
        ',"type":"webauthn.get"}',
        "}}",
        "} ",
        " }",
        ",",
        ',"a":' + "[" * 1500 + "]" * 1500 + "}",
    ],
)
def test_a_page_within_another_page_may_not_ask(more: str) -> None:
    """Whoever frames the page would choose when a person touches; nor is anything said twice, or half."""
    too_long = len(more) > 2048
    _refused(Reason.APPROVAL_MALFORMED if too_long else Reason.SIGNATURE_INVALID, DEVICE.sign(MESSAGE, more=more))


def test_what_the_browser_says_begins_in_one_way() -> None:
    """Type, challenge and origin, in this order and spelling, as WebAuthn section 5.8.1.1 fixes it."""
    asked = base64.urlsafe_b64encode(challenge_of(MESSAGE)).decode().rstrip("=")
    for told in (
        f'{{"type":"webauthn.create","challenge":"{asked}","origin":"{ORIGIN}"}}',
        f'{{"challenge":"{asked}","type":"webauthn.get","origin":"{ORIGIN}"}}',
        f'{{"type": "webauthn.get","challenge":"{asked}","origin":"{ORIGIN}"}}',
        f'{{"type":"webauthn.get","challenge":"{asked}=","origin":"{ORIGIN}"}}',
        f'{{"type":"webauthn.get","challenge":"{asked[:-1]}","origin":"{ORIGIN}"}}',
        f'{{"type":"webauthn.get","challenge":"{asked}","origin":"{ORIGIN}:1"}}',
        f' {{"type":"webauthn.get","challenge":"{asked}","origin":"{ORIGIN}"}}',
        "{}",
        MESSAGE.decode(),
    ):
        armored = DEVICE.sign(MESSAGE, told=told)
        assert not _ssh_keygen_takes(armored)
        _refused(Reason.SIGNATURE_INVALID, armored)


def test_the_challenge_is_this_statement() -> None:
    """Neither another statement's, nor another purpose's, nor a digest in its place."""
    for challenge in (
        challenge_of(MESSAGE + b"x"),
        challenge_of(MESSAGE, "git"),
        hashlib.sha256(challenge_of(MESSAGE)).digest(),
        hashlib.sha512(MESSAGE).digest(),
        MESSAGE,
    ):
        armored = DEVICE.sign(MESSAGE, challenge=challenge)
        assert not _ssh_keygen_takes(armored)
        _refused(Reason.SIGNATURE_INVALID, armored)


@pytest.mark.parametrize(("flags", "extensions"), [(0x45, b""), (0x85, b""), (0x05, b"\xa0"), (0xC5, b"\xa0")])
def test_flags_and_extensions_say_the_same(flags: int, extensions: bytes) -> None:
    """A signature that registers a key is none for an approval; and no byte stands there unannounced."""
    _refused(Reason.APPROVAL_MALFORMED, DEVICE.sign(MESSAGE, flags=flags, extensions=extensions))


def test_a_passkey_signs_through_a_browser_and_a_security_key_never_does() -> None:
    """ssh-keygen takes both forms of both. A program that reaches a phone's key gets a page's touch."""
    plain = Authenticator.sign(DEVICE, MESSAGE)
    assert _ssh_keygen_takes(plain)
    _refused(Reason.SIGNATURE_INVALID, plain)
    token = Passkey("ssh:")
    dressed = token.sign(MESSAGE)
    assert _ssh_keygen_takes(dressed, token)
    _refused(Reason.SIGNATURE_INVALID, dressed, token)


def test_the_type_of_a_passkeys_signature_belongs_to_no_other_key() -> None:
    """An ECDSA key without an authenticator, or an Ed25519 one, makes no such signature."""
    body = DEVICE.signature(MESSAGE)
    for other in (signing.key("alice", "ecdsa", 256).blob, signing.key("alice").blob, Authenticator().blob):
        with pytest.raises(Rejected, match="type"):
            sshsig.parse((LINE + armor(sshsig_blob(other, body))).encode())
    assert body.startswith(signing.string(WEBAUTHN))


def test_every_changed_byte_of_a_passkeys_signature_is_refused() -> None:
    """Each byte of the value's blob, with one bit and with all bits turned; ssh-keygen sees each, too."""
    blob = signing.unarmor(DEVICE.sign(MESSAGE))
    for at in range(len(blob)):
        for turned in (0x01, 0xFF):
            changed = bytearray(blob)
            changed[at] ^= turned
            with pytest.raises(Rejected):
                _verify(armor(bytes(changed)))
    for length in range(1, len(blob)):
        with pytest.raises(Rejected):
            _verify(armor(blob[:length]))
    for at in range(0, len(blob), 41):
        changed = bytearray(blob)
        changed[at] ^= 0x01
        assert not _ssh_keygen_takes(armor(bytes(changed)))
