"""Certificates as ``ssh-keygen -Y verify`` takes them: what counts here, counts there, and differences have names."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from tests.support import signing, ssh_ca
from tests.support.fido import PRESENT, VERIFIED, Authenticator
from tests.support.signing import NOW, armor, sshsig_blob, string, unarmor
from tests.support.ssh_ca import HOUR, Issued

from seconder.api.reasons import Rejected
from seconder.approvals.verification import verify

CA, OTHER_CA, ALICE, BOB = (signing.key(name) for name in ("ca", "other-ca", "alice", "bob"))
ALICE_IS = "alice@example.com"


def _ours(value: str, at: int = NOW, **changes: Any) -> bool:
    known = ssh_ca.registry(**({"maxValidity": "720h"} | changes))
    try:
        verify("a", value, signing.context(), known, at, signing.memo())
    except Rejected:
        return False
    return True


def _issued(**options: Any) -> Issued:
    given: dict[str, Any] = {"principals": (ALICE_IS,), "ca": CA, "line": ALICE.line} | options
    return ssh_ca.issue(given.pop("ca"), given.pop("line"), *given.pop("principals"), **given)


def _forged(**fields: Any) -> Issued:
    return ssh_ca.made(OTHER_CA, ALICE.blob, signed_by=CA.blob, **fields)


BOTH_TAKE: dict[str, Callable[[], Issued]] = {
    "usual": lambda: _issued(),
    "with teams and logins": lambda: _issued(principals=(ALICE_IS, "team:a", "root")),
    "over ECDSA": lambda: _issued(line=signing.key("alice", "ecdsa", 256).line),
    "with extensions": lambda: _issued(options=("no-pty", "extension:made-up=x")),
    "with a serial number of 64 bits": lambda: _issued(serial=2**64 - 1),
    "just begun": lambda: _issued(valid=(NOW - 100, NOW + HOUR)),
    "about to end": lambda: _issued(valid=(NOW - HOUR, NOW + 1)),
}
BOTH_REFUSE: dict[str, Callable[[], Issued]] = {
    "ended": lambda: _issued(valid=(NOW - 2 * HOUR, NOW)),
    "not begun": lambda: _issued(valid=(NOW + 60, NOW + HOUR)),
    "a host's": lambda: _issued(host=True),
    "another authority's": lambda: _issued(ca=OTHER_CA),
    "another principal's": lambda: _issued(principals=("bob@example.com",)),
    "another domain's": lambda: _issued(principals=("alice@example.org",)),
    "nobody's": lambda: _issued(principals=()),
    "forged": lambda: _forged(),
    "with trailing bytes": lambda: ssh_ca.made(CA, ALICE.blob, tail=b"\0"),
    "with a spoilt signature": lambda: ssh_ca.made(CA, ALICE.blob, spoil=string(b"ssh-ed25519") + string(b"\0" * 64)),
    "with a spoilt principal": lambda: ssh_ca.made(CA, ALICE.blob, principals=b"\0\0\0\xff"),
    "of no known type": lambda: ssh_ca.made(CA, ALICE.blob, kind=b"ssh-ed25519-cert-v00@openssh.com"),
}
STRICTER: dict[str, Callable[[], Issued]] = {
    "bound to an address": lambda: _issued(options=("source-address=192.0.2.1/32",)),
    "bound to a command": lambda: _issued(options=("force-command=/bin/false",)),
    "with a critical option that nobody knows": lambda: _issued(options=("critical:made-up=1",)),
    "with a short nonce": lambda: ssh_ca.made(CA, ALICE.blob, nonce=b"n"),
    "with its reserved field in use": lambda: ssh_ca.made(CA, ALICE.blob, reserved=b"x"),
    "begun after the statement": lambda: _issued(valid=(NOW - 50, NOW + HOUR)),
    "of two people": lambda: _issued(principals=(ALICE_IS, "bob@example.com")),
    "for ever": lambda: _issued(valid=(0, 2**64 - 1)),
    "over 2,048 bits of RSA": lambda: _issued(line=signing.key("short", "rsa", 2048).line),
}


def _value(issued: Issued) -> str:
    kinds = {"ecdsa": signing.key("alice", "ecdsa", 256), "ssh-rsa": signing.key("short", "rsa", 2048)}
    signer = next((key for begin, key in kinds.items() if issued.line.startswith(begin)), ALICE)
    return ssh_ca.approval(issued, signer)


@pytest.mark.parametrize("name", BOTH_TAKE)
def test_both_take(name: str) -> None:
    """The same certificate, at the same time."""
    value = _value(BOTH_TAKE[name]())
    assert (_ours(value), ssh_ca.verify(value, CA.line, ALICE_IS)) == (True, True)


@pytest.mark.parametrize("name", BOTH_REFUSE)
def test_both_refuse(name: str) -> None:
    """The same certificate, at the same time."""
    value = _value(BOTH_REFUSE[name]())
    assert (_ours(value), ssh_ca.verify(value, CA.line, ALICE_IS)) == (False, False)


@pytest.mark.parametrize("name", STRICTER)
def test_we_alone_refuse(name: str) -> None:
    """Where ssh-keygen is content, and why is told at each check."""
    value = _value(STRICTER[name]())
    assert (_ours(value), ssh_ca.verify(value, CA.line, ALICE_IS)) == (False, True)


def test_whatever_counts_here_counts_there() -> None:
    """Over every combination of who issued, who signed, whose name, when, and what for."""
    agreed = 0
    for ca, signer, principal, valid, option in itertools.product(
        (CA, OTHER_CA),
        (ALICE, BOB),
        (ALICE_IS, "bob@example.com"),
        ((NOW - HOUR, NOW + HOUR), (NOW - HOUR, NOW - 1), (NOW + 1, NOW + HOUR)),
        ((), ("force-command=x",)),
    ):
        issued = ssh_ca.issue(ca, ALICE.line, principal, valid=valid, options=option)
        value = ssh_ca.approval(issued, signer)
        if _ours(value):
            assert ssh_ca.verify(value, CA.line, ALICE_IS)
            agreed += 1
    assert agreed == 1


@pytest.mark.parametrize("flags", [0, PRESENT, VERIFIED, PRESENT | VERIFIED])
@pytest.mark.parametrize("kind", ["ed25519", "ecdsa"])
def test_a_certified_security_keys_signature_is_openssh_s(kind: str, flags: int) -> None:
    """Its form is right; what its flags must say, ssh-keygen does not ask."""
    device = Authenticator(kind)
    value = ssh_ca.approval(_issued(line=device.line), device, choices={"flags": flags})
    assert ssh_ca.verify(value, CA.line, ALICE_IS)
    assert _ours(value) is bool(flags & PRESENT)


@pytest.mark.parametrize(
    ("told", "revoked"),
    [
        ("serial: 7", {"serials": [7]}),
        ("serial: 5-9", {"serials": [5, 6, 7, 8, 9]}),
        ("id: alice-laptop", {"keyIds": ["alice-laptop"]}),
        ("sha256: alice", {"fingerprints": ["alice"]}),
        ("serial: 8", {"serials": [8]}),
        ("id: alice", {"keyIds": ["alice"]}),
        ("sha256: bob", {"fingerprints": ["bob"]}),
    ],
)
def test_what_a_revocation_list_revokes_is_revoked_here(told: str, revoked: dict[str, Any]) -> None:
    """OpenSSH's KRL says the same by the same three."""
    if "fingerprints" in revoked:
        line = signing.key(revoked["fingerprints"][0]).line
        told, revoked = f"sha256: {line}", {"fingerprints": [signing.ssh_fingerprint(line)]}
    value = _value(_issued())
    assert _ours(value, revoked=revoked) is ssh_ca.verify(value, CA.line, ALICE_IS, revoked=told)


def test_no_cut_or_lengthened_signature_counts_in_either() -> None:
    """Of the envelope around the certificate."""
    value = _value(_issued())
    line, _, armored = value.partition("\n")
    blob = unarmor(armored)
    for spoilt in (blob[:-1], blob + b"\0", blob[:200] + blob[201:]):
        text = f"{line}\n{armor(spoilt)}".rstrip("\n")
        assert not _ours(text)
        assert not ssh_ca.verify(text, CA.line, ALICE_IS)


def test_the_plain_keys_signature_does_not_pass_for_the_certificates() -> None:
    """Nor the other way round: which of them is shown is part of neither signature, and each is judged by itself."""
    issued = _issued()
    plain, certified = signing.approval(ALICE), _value(issued)
    assert plain.partition("\n")[0] == certified.partition("\n")[0]
    assert not _ours(plain)
    assert not ssh_ca.verify(plain, CA.line, ALICE_IS)
    _, _, armored = plain.partition("\n")
    swapped = armor(sshsig_blob(issued.blob, signing.fields_of(unarmor(armored))[4]))
    assert _ours(f"{plain.partition(chr(10))[0]}\n{swapped}".rstrip("\n"))
