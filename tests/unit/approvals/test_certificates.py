"""Approvals by SSH certificates: what counts, and each way in which one does not."""

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization.ssh import (
    SSHCertificate,
    SSHCertificateType,
    load_ssh_public_identity,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support import signing, ssh_ca
from tests.support.fido import PRESENT, VERIFIED, Authenticator, Passkey
from tests.support.signing import NOW, SshKey, approver, armor, entry, sshsig_blob, string
from tests.support.ssh_ca import HOUR, Issued

from seconder.api.policy import Assurance, Requirement, UnknownOperator
from seconder.api.reasons import Reason, Rejected
from seconder.approvals.certificates import certificate as certificates
from seconder.approvals.certificates.authority_documents import parse_authority
from seconder.approvals.keys import CERTIFIED, KeyType
from seconder.approvals.quorum import judge, verify_all
from seconder.approvals.registry import Approver, Registry
from seconder.approvals.verification import Approval, Memo, verify

CA, OTHER_CA = signing.key("ca"), signing.key("other-ca")
ALICE, BOB = signing.key("alice"), signing.key("bob")
ALICE_IS = "alice@example.com"


def _counts(value: str, registry: Registry | None = None, now: float = NOW, **context: Any) -> Approval:
    memo = signing.memo()
    known = registry or ssh_ca.registry()
    first = verify("alice", value, signing.context(**context), known, now, memo)
    assert verify("alice", value, signing.context(**context), known, now, memo) == first, "seen again, it is the same"
    return first


def _fails(reason: Reason, value: str, registry: Registry | None = None, now: float = NOW, **context: Any) -> str:
    memo, known = signing.memo(), registry or ssh_ca.registry()
    told = ""
    for _ in range(2):
        with pytest.raises(Rejected) as caught:
            verify("alice", value, signing.context(**context), known, now, memo)
        assert caught.value.reason is reason, caught.value.detail
        told = caught.value.detail
    return told


def _issued(*principals: str, ca: SshKey = CA, line: str = ALICE.line, **options: Any) -> Issued:
    return ssh_ca.issue(ca, line, *(principals or (ALICE_IS,)), **options)


def _by_hand(**fields: Any) -> str:
    return ssh_ca.approval(ssh_ca.made(CA, ALICE.blob, **fields), ALICE)


# What counts


def test_a_certificates_approval_counts_for_its_principal() -> None:
    """As ssh-keygen signs with a certificate, and with what it says on record."""
    line = signing.line_of(signing.claims())
    value = line + ssh_ca.sign_with_file(_issued(ALICE_IS, "team:payments"), ALICE, line.encode()).rstrip("\n")
    approval = _counts(value)
    assert approval.key.approver.principal == ALICE_IS
    assert approval.key.approver.teams == {"payments"}
    assert approval.key.certified is not None
    assert approval.key.certified.shown == "engineering: alice-laptop (serial 7)"
    assert approval.key.entry.fingerprint == signing.ssh_fingerprint(ALICE.line)
    assert (approval.format, approval.key_type, approval.assurance) == ("ssh", "ssh-ed25519", Assurance.SOFTWARE)


@pytest.mark.parametrize(("kind", "bits"), [("ed25519", None), ("ecdsa", 256), ("ecdsa", 384), ("rsa", 3072)])
def test_every_type_of_key_counts_by_every_type_of_authority(kind: str, bits: int | None) -> None:
    """Each as the certified key, and as the authority's."""
    person = signing.key("typed", kind, bits)
    for authority in (CA, signing.key("typed-ca", kind, bits)):
        value = ssh_ca.approval(_issued(ca=authority, line=person.line), person)
        registry = Registry([], [ssh_ca.authority("engineering", authority.line)])
        assert _counts(value, registry).key.approver.principal == ALICE_IS


def test_certificates_of_all_types_are_known_by_openssh_names() -> None:
    """The names are PROTOCOL.certkeys'."""
    assert {name.decode(): key_type.value for name, key_type in CERTIFIED.items()} == {
        "ssh-ed25519-cert-v01@openssh.com": "ssh-ed25519",
        "ecdsa-sha2-nistp256-cert-v01@openssh.com": "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp384-cert-v01@openssh.com": "ecdsa-sha2-nistp384",
        "ssh-rsa-cert-v01@openssh.com": "ssh-rsa",
        "sk-ssh-ed25519-cert-v01@openssh.com": "sk-ssh-ed25519@openssh.com",
        "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com": "sk-ecdsa-sha2-nistp256@openssh.com",
    }
    assert set(CERTIFIED.values()) == set(KeyType)


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa"])
def test_a_certified_security_key_proves_as_much_as_a_listed_one(kind: str) -> None:
    """A touch, a PIN; and without a touch nothing, whatever the certificate allows for logins."""
    device = Authenticator(kind)
    for options in ((), ("no-touch-required",)):
        issued = _issued(line=device.line, options=options)
        given = {
            flags: ssh_ca.approval(issued, device, choices={"flags": flags})
            for flags in (0, PRESENT, VERIFIED, PRESENT | VERIFIED)
        }
        assert _counts(given[PRESENT]).assurance is Assurance.PRESENCE
        assert _counts(given[PRESENT | VERIFIED]).assurance is Assurance.VERIFIED
        for flags in (0, VERIFIED):
            _fails(Reason.ASSURANCE_TOO_LOW, given[flags])


def test_a_certified_passkey_signs_through_a_browser_alone() -> None:
    """The same rules as for a listed one."""
    device = Passkey()
    issued = _issued(line=device.line)
    line = signing.line_of(signing.claims())
    value = line + armor(sshsig_blob(issued.blob, device.signature(line.encode()))).rstrip("\n")
    assert _counts(value).assurance is Assurance.VERIFIED
    other = device.signature(line.encode(), origin="https://elsewhere.example.com")
    _fails(Reason.SIGNATURE_INVALID, line + armor(sshsig_blob(issued.blob, other)).rstrip("\n"))


def test_an_option_that_demands_verification_is_held_to() -> None:
    """The one critical option that is taken, and for what it says."""
    device = Authenticator()
    issued = _issued(line=device.line, options=("verify-required",))
    assert _counts(ssh_ca.approval(issued, device, choices={"flags": PRESENT | VERIFIED})).assurance
    _fails(Reason.ASSURANCE_TOO_LOW, ssh_ca.approval(issued, device, choices={"flags": PRESENT}))
    _fails(Reason.ASSURANCE_TOO_LOW, ssh_ca.approval(_issued(options=("verify-required",)), ALICE))


# Each way not to count


@pytest.mark.parametrize("option", ["source-address=0.0.0.0/0", "force-command=/bin/true", "critical:made-up=1"])
def test_a_critical_option_that_no_approval_can_be_held_to(option: str) -> None:
    """What a reader does not know it must refuse, and what binds a login cannot be seen here."""
    _fails(Reason.APPROVER_NOT_ALLOWED, ssh_ca.approval(_issued(options=(option,)), ALICE))


def test_a_certificate_by_somebody_else() -> None:
    """Another authority's; and one that names the right authority and is signed by another key."""
    _fails(Reason.APPROVER_UNKNOWN, ssh_ca.approval(_issued(ca=OTHER_CA), ALICE))
    forged = ssh_ca.made(OTHER_CA, ALICE.blob, signed_by=CA.blob)
    _fails(Reason.SIGNATURE_INVALID, ssh_ca.approval(forged, ALICE))
    _fails(Reason.APPROVER_UNKNOWN, ssh_ca.approval(_issued(), ALICE), Registry([]))


def test_a_certificate_of_a_host() -> None:
    """Whoever runs a host is not who it is named after."""
    _fails(Reason.APPROVER_NOT_ALLOWED, ssh_ca.approval(_issued(host=True), ALICE))


def test_a_signature_by_another_key_than_the_certified_one() -> None:
    """A certificate is no secret: anybody can show it."""
    _fails(Reason.SIGNATURE_INVALID, ssh_ca.approval(_issued(), BOB))


@pytest.mark.parametrize(
    "principals",
    [
        ["bob@example.com"], ["alice@example.org"], ["alice@sub.example.com"], ["@example.com"], ["*@example.com"],
        ["alice@@example.com"], ["a b@example.com"], ["alice@example.com@example.com"], ["team:alice@example.com"],
        [ALICE_IS, "bob@example.com"], ["root"], ["ålice@example.com"], ["a*e@example.com"], ["ALICE@example.com"],
    ],
)  # fmt: skip
def test_a_certificate_of_other_principals(principals: list[str]) -> None:
    """It names whom the statement is by, and nobody else whom its authority may speak for."""
    issued = ssh_ca.made(CA, ALICE.blob, principals=b"".join(string(name.encode()) for name in principals))
    with pytest.raises(Rejected) as caught:
        verify("alice", ssh_ca.approval(issued, ALICE), signing.context(), ssh_ca.registry(), NOW, signing.memo())
    assert caught.value.reason in {Reason.APPROVER_NOT_ALLOWED, Reason.SIGNATURE_INVALID}


def test_a_certificate_of_no_principal_is_of_nobody() -> None:
    """OpenSSH once took it for one of everybody."""
    _fails(Reason.APPROVER_NOT_ALLOWED, _by_hand(principals=b""))


def test_login_names_beside_the_person_do_not_matter() -> None:
    """Certificates are issued for logins too, and their authority speaks for none of these."""
    approval = _counts(ssh_ca.approval(_issued(ALICE_IS, "root", "ubuntu", "team:a", "team:", "team:b c"), ALICE))
    assert approval.key.approver.teams == {"a"}


def test_an_authority_without_a_prefix_gives_no_teams() -> None:
    """The field left out."""
    issued = _issued(ALICE_IS, "team:payments")
    document = ssh_ca.document()
    del document["spec"]["teams"]
    known = Registry([], [parse_authority(document)])
    assert _counts(ssh_ca.approval(issued, ALICE), known).key.approver.teams == frozenset()


@pytest.mark.parametrize(
    ("valid", "reason"),
    [
        ((NOW - 2 * HOUR, NOW), Reason.KEY_REVOKED),
        ((NOW - 2 * HOUR, NOW + 1), None),
        ((NOW - 100, NOW + HOUR), None),
        ((NOW - 99, NOW + HOUR), Reason.APPROVAL_NOT_YET_VALID),
        ((NOW + 1, NOW + HOUR), Reason.APPROVAL_NOT_YET_VALID),
        ((0, 2**64 - 1), Reason.APPROVER_NOT_ALLOWED),
        ((NOW - HOUR, NOW - HOUR + 24 * HOUR + 300), None),
        ((NOW - HOUR, NOW - HOUR + 24 * HOUR + 301), Reason.APPROVER_NOT_ALLOWED),
        ((NOW + 5, NOW), Reason.APPROVAL_MALFORMED),
        ((NOW, NOW), Reason.APPROVAL_MALFORMED),
    ],
)
def test_a_certificate_counts_while_it_is_valid(valid: tuple[int, int], reason: Reason | None) -> None:
    """Now, and when the statement was made (100 s ago); and for no longer than its authority may give."""
    value = _by_hand(valid=valid)
    if reason is None:
        _counts(value)
    else:
        _fails(reason, value)


def test_a_statement_from_after_the_certificates_end_does_not_count() -> None:
    """Clocks may differ by a minute, and that lengthens no certificate."""
    value = ssh_ca.approval(ssh_ca.made(CA, ALICE.blob, valid=(NOW - HOUR, NOW + 30)), ALICE, iat=NOW + 30)
    _fails(Reason.KEY_REVOKED, value, now=NOW)


def test_what_counted_while_the_certificate_was_valid_ends_with_it() -> None:
    """A value that was verified before is remembered, its time is not."""
    value, memo, known = _by_hand(valid=(NOW - HOUR, NOW + 60)), signing.memo(), ssh_ca.registry()
    assert verify("a", value, signing.context(), known, NOW + 59, memo)
    with pytest.raises(Rejected) as caught:
        verify("a", value, signing.context(), known, NOW + 60, memo)
    assert caught.value.reason is Reason.KEY_REVOKED


@pytest.mark.parametrize(
    "revoked",
    [{"serials": [7]}, {"serials": ["7"]}, {"keyIds": ["alice-laptop"]}, {"fingerprints": ["ALICE"]}],
)
def test_a_revoked_certificate_counts_no_more(revoked: dict[str, list[Any]]) -> None:
    """By its serial number, its key id or its key; remembered or not."""
    told = {
        kind: [signing.ssh_fingerprint(ALICE.line) if given == "ALICE" else given for given in some]
        for kind, some in revoked.items()
    }
    value, memo = ssh_ca.approval(_issued(), ALICE), signing.memo()
    assert verify("a", value, signing.context(), ssh_ca.registry(), NOW, memo)
    for remembering in (memo, signing.memo()):
        with pytest.raises(Rejected) as caught:
            verify("a", value, signing.context(), ssh_ca.registry(revoked=told), NOW, remembering)
        assert caught.value.reason is Reason.KEY_REVOKED
    others = {kind: [{"serials": 8, "keyIds": "bob"}.get(kind, signing.ssh_fingerprint(BOB.line))] for kind in told}
    assert _counts(value, ssh_ca.registry(revoked=others))


def test_the_greatest_serial_number_can_be_revoked() -> None:
    """As a text: it fits in no number of the API's."""
    value = _by_hand(serial=2**64 - 1)
    assert _counts(value)
    _fails(Reason.KEY_REVOKED, value, ssh_ca.registry(revoked={"serials": [str(2**64 - 1)]}))


@pytest.mark.parametrize(
    "fields",
    [
        {"nonce": b""}, {"nonce": b"n" * 15}, {"nonce": b"n" * 65}, {"reserved": b"x"}, {"tail": b"\0"},
        {"key_id": b"\xff"}, {"principals": string(b"\xff")}, {"principals": b"\0"},
        {"principals": string(b"alice@example.com") * 2}, {"principals": string(b"alice@example.com") + b"\0"},
        {"principals": b"".join(string(b"p%d" % number) for number in range(257))},
        {"critical": b"\0"}, {"extensions": string(b"b") * 2 + string(b"a") * 2},
        {"extensions": string(b"a") + string(b"") + string(b"a") + string(b"")}, {"extensions": string(b"a")},
        {"critical": string(b"verify-required") + string(string(b"yes"))},
        {"kind": b"ssh-ed25519-cert-v00@openssh.com"}, {"spoil": b""}, {"spoil": string(b"ssh-rsa") + string(b"x")},
        {"spoil": string(b"ssh-ed25519") + string(b"x" * 63)},
        {"spoil": string(b"ssh-ed25519") + string(b"x" * 64) + b"\0"},
        {"extensions": string(b"x" * 6200) + string(b"")},
    ],
)  # fmt: skip
def test_what_is_no_certificate_in_its_one_form(fields: dict[str, Any]) -> None:
    """Signed by the authority all the same, where it can be."""
    with pytest.raises(Rejected) as caught:
        verify("a", _by_hand(**fields), signing.context(), ssh_ca.registry(), NOW, signing.memo())
    assert caught.value.reason in {Reason.APPROVAL_MALFORMED, Reason.APPROVER_UNKNOWN}


def test_a_certified_key_is_as_good_as_a_listed_one_must_be() -> None:
    """Anybody signs for a point of small order, whoever certified it."""
    weak = string(b"ssh-ed25519") + string(b"\1" + b"\0" * 31)
    value = ssh_ca.approval(ssh_ca.made(CA, weak), ALICE)
    assert "small order" in _fails(Reason.APPROVER_NOT_ALLOWED, value)
    short = signing.key("short", "rsa", 2048)
    assert "2048" in _fails(Reason.APPROVER_NOT_ALLOWED, ssh_ca.approval(_issued(line=short.line), short))


def test_an_authority_that_signs_with_sha_1_does_not_count() -> None:
    """RFC 8332's ``ssh-rsa`` as a signature is of 1995's hash."""
    import subprocess
    import tempfile
    from pathlib import Path

    rsa = signing.key("typed-ca", "rsa", 3072)
    with tempfile.TemporaryDirectory() as folder:
        public = Path(folder) / "id.pub"
        public.write_text(ALICE.line)
        command = ["ssh-keygen", "-q", "-s", str(rsa.path), "-t", "ssh-rsa", "-I", "x", "-n", ALICE_IS, str(public)]
        if subprocess.run(command, capture_output=True, check=False).returncode != 0:
            return  # This ssh-keygen makes none any more.
        issued = Issued((Path(folder) / "id-cert.pub").read_text().strip())
    _fails(Reason.APPROVAL_MALFORMED, ssh_ca.approval(issued, ALICE), Registry([], [ssh_ca.authority("e", rsa.line)]))


def test_an_untouched_authority_does_not_count() -> None:
    """One that lives in a security key has somebody touch it."""
    device = Authenticator()
    body = ssh_ca.made(CA, ALICE.blob, signed_by=device.blob).blob
    unsigned = body[: -len(string(strings_in_tail(body)))]
    for flags, reason in ((PRESENT, None), (0, Reason.SIGNATURE_INVALID)):
        suffix = bytes([flags]) + (3).to_bytes(4)
        made = string(device.type) + device._signature(suffix, unsigned) + suffix
        blob = unsigned + string(made)
        issued = Issued(f"ssh-ed25519-cert-v01@openssh.com {base64.b64encode(blob).decode()}")
        known = Registry([], [ssh_ca.authority("e", device.line)])
        value = ssh_ca.approval(issued, ALICE)
        if reason is None:
            _counts(value, known)
        else:
            _fails(reason, value, known)


def strings_in_tail(blob: bytes) -> bytes:
    """Give the signature at the end of a certificate by an Ed25519 key."""
    return blob[-(4 + 11 + 4 + 64) :]


# Whoever tries every byte


@given(st.data())
@settings(max_examples=400)
def test_no_changed_byte_of_a_certificate_counts(data: st.DataObject) -> None:
    """Whichever, to whatever: it is refused, and by a reason."""
    issued = _issued(ALICE_IS, "team:payments")
    place = data.draw(st.integers(0, len(issued.blob) - 1))
    value = data.draw(st.integers(1, 255))
    changed = bytearray(issued.blob)
    changed[place] ^= value
    line = signing.line_of(signing.claims())
    spoilt = Issued(f"x {base64.b64encode(bytes(changed)).decode()}")
    armored = ssh_ca.signature(spoilt, ALICE, line.encode())
    with pytest.raises(Rejected):
        verify("a", line + armored.rstrip("\n"), signing.context(), ssh_ca.registry(), NOW, signing.memo())


def test_no_truncated_certificate_and_no_byte_more_counts() -> None:
    """At every length."""
    issued = _issued()
    line = signing.line_of(signing.claims())
    for blob in [*(issued.blob[:size] for size in range(4, len(issued.blob))), issued.blob + b"\0"]:
        armored = ssh_ca.signature(Issued(f"x {base64.b64encode(blob).decode()}"), ALICE, line.encode())
        with pytest.raises(Rejected):
            verify("a", line + armored.rstrip("\n"), signing.context(), ssh_ca.registry(), NOW, signing.memo())


@given(st.binary(max_size=300))
def test_no_bytes_are_too_odd_to_be_read(data: bytes) -> None:
    """One that raised anything else would be an internal error."""
    for blob in (data, string(b"ssh-ed25519-cert-v01@openssh.com") + data):
        with pytest.raises(Rejected):
            certificates.parse(blob)


def test_another_reader_reads_the_same() -> None:
    """The library ``cryptography`` has a reader of its own, which knows no FIDO application."""
    for person in (ALICE, signing.key("typed", "rsa", 3072), signing.key("typed", "ecdsa", 256)):
        issued = _issued(ALICE_IS, "team:payments", line=person.line, serial=2**63, options=("verify-required",))
        theirs, ours = load_ssh_public_identity(issued.line.encode()), certificates.parse(issued.blob)
        assert isinstance(theirs, SSHCertificate)
        theirs.verify_cert_signature()
        certificates.verify(ours, signing.entry(CA.line).public)  # type: ignore[arg-type]
        assert theirs.type is SSHCertificateType.USER
        assert (theirs.serial, theirs.key_id.decode()) == (ours.serial, ours.key_id)
        assert tuple(name.decode() for name in theirs.valid_principals) == ours.principals
        assert (theirs.valid_after, theirs.valid_before) == (ours.valid_after, ours.valid_before)
        assert {name.decode() for name in theirs.critical_options} == ours.options
        assert ours.key_blob == person.blob


# People


def test_nobody_approves_their_own_request_by_certificate() -> None:
    """Nor their own agent's, under any name that the authority gives them, in small letters or capital ones."""
    value = ssh_ca.approval(_issued(), ALICE)
    known = ssh_ca.registry(kubernetesUsers=["{principal}", "oidc:{principal}", "arn:*:assumed-role/*/{principal}"])
    for operator in (ALICE_IS, "oidc:alice@example.com", "arn:aws:sts::1:assumed-role/Admin/alice@example.com",
                     "Alice@Example.com", "OIDC:alice@example.com"):  # fmt: skip
        _fails(Reason.SELF_APPROVAL, value, known, operators=frozenset({operator}))
    assert _counts(value, known, operators=frozenset({"arn:aws:sts::1:assumed-role/Admin/alice2@example.com"}))
    by_self = ssh_ca.approval(_issued(), ALICE, sub=ALICE_IS, act=None)
    _fails(Reason.SELF_APPROVAL, by_self, known, requester=ALICE_IS, by_agent=False, agent=None)


def test_who_is_told_by_extra_approves_nothing_of_their_own() -> None:
    """Identities have the principal at their place."""
    known = ssh_ca.registry(identities=[{"extra": {"key": "canonicalArn", "value": "arn:role/{principal}"}}])
    told = known.told_by({"canonicalarn": ("arn:role/alice@example.com",)})
    assert told == {ALICE_IS}
    assert "canonicalarn" in known.telling_extra
    _fails(Reason.SELF_APPROVAL, ssh_ca.approval(_issued(), ALICE), known, principals=told)
    for value in ("arn:role/", "arn:role/alice@example.org", "role/alice@example.com", "arn:role/alice@example.com/x"):
        assert known.told_by({"canonicalArn": (value,)}) == frozenset()


def test_an_unknown_operator_is_one_whom_no_certificates_names_match() -> None:
    """``unknownOperator: Refuse`` counts authorities' names."""
    known = ssh_ca.registry(kubernetesUsers=["{principal}", "arn:aws:sts::*:assumed-role/Admin/{principal}"])
    requirement = Requirement(unknown_operator=UnknownOperator.REFUSE)
    value = {"alice": ssh_ca.approval(_issued(), ALICE)}
    for operator, satisfied in (
        ("bob@example.com", True), ("arn:aws:sts::1:assumed-role/Admin/bob@example.com", True),
        ("arn:aws:sts::1:assumed-role/Admin/botocore-session-17", False), ("bob@example.org", False),
        ("team:bob@example.com", False), ("*@example.com", False), ("", False),
    ):  # fmt: skip
        context = signing.context(operators=frozenset({operator} - {""}))
        assert judge(verify_all(value, context, known, NOW, signing.memo()), requirement, None).satisfied is satisfied


def test_one_person_with_two_certificates_is_one_peer() -> None:
    """Nor do two principals that differ in capital letters, or one key under two names, make two."""
    requirement = Requirement(required=2)

    def reached(*values: str) -> int:
        named = {f"v{number}": value for number, value in enumerate(values)}
        presented = verify_all(named, signing.context(), ssh_ca.registry(), NOW, signing.memo())
        return judge(presented, requirement, None).reached

    alice = ssh_ca.approval(_issued(), ALICE, txn="t")
    assert reached(alice, ssh_ca.approval(_issued(line=BOB.line, serial=8), BOB, txn="t")) == 1
    capital = ssh_ca.approval(_issued("Alice@example.com", line=BOB.line), BOB, iss="Alice@example.com", txn="t")
    assert reached(alice, capital) == 1
    same_key = ssh_ca.approval(_issued("bob@example.com"), ALICE, iss="bob@example.com", txn="t")
    assert reached(alice, same_key) == 1
    bob = ssh_ca.approval(_issued("bob@example.com", line=BOB.line), BOB, iss="bob@example.com", txn="t")
    assert reached(alice, bob) == 2


# Approvers beside authorities


def _beside(*approvers: Any, **changes: Any) -> Registry:
    return Registry(approvers, [ssh_ca.authority(**changes)])


def test_an_approver_of_the_same_principal_narrows_what_its_certificates_may() -> None:
    """Teams that both name; the names of both."""
    laptop = signing.key("laptop")
    issued = _issued(ALICE_IS, "team:payments", "team:platform", line=laptop.line)
    value = ssh_ca.approval(issued, laptop)
    known = _beside(approver("alice", teams=("payments", "billing"), users=("alice-admin",)))
    approval = _counts(value, known)
    assert approval.key.approver.teams == {"payments"}
    assert approval.key.approver.name == "alice"
    for operator in ("alice-admin", ALICE_IS):
        _fails(Reason.SELF_APPROVAL, value, known, operators=frozenset({operator}))


def test_an_approver_may_take_its_own_keys_alone() -> None:
    """``certificates: Refuse``."""
    import dataclasses

    laptop = signing.key("laptop")
    value = ssh_ca.approval(_issued(line=laptop.line), laptop)
    alone = dataclasses.replace(approver("alice"), certificates=False)
    assert "own keys alone" in _fails(Reason.APPROVER_NOT_ALLOWED, value, _beside(alone))
    assert _counts(signing.approval(), _beside(alone)).key.certified is None


def test_an_approver_that_does_not_count_takes_its_principals_certificates_along() -> None:
    """Two of one principal, one that names nobody, one that is written otherwise: not knowing is not absence."""
    laptop = signing.key("laptop")
    value = ssh_ca.approval(_issued(line=laptop.line), laptop)
    double = (approver("alice"), Registry([approver("alice", entry(BOB.line))]).approvers[0])
    for people in (
        double,
        (Approver("alice", ALICE_IS, frozenset()),),
        (Approver("alice", "Alice@example.com", frozenset({"x"})),),
    ):
        _fails(Reason.APPROVER_NOT_ALLOWED, value, _beside(*people))


def test_a_certified_key_that_is_listed_is_no_less_than_that() -> None:
    """Its own end ends it, and it is nobody else's; what is listed counts on."""
    value = ssh_ca.approval(_issued(), ALICE)
    assert _counts(value, _beside(approver("alice", entry(ALICE.line, not_after=NOW + 1))))
    _fails(Reason.KEY_REVOKED, value, _beside(approver("alice", entry(ALICE.line, not_after=NOW))))
    others = _beside(approver("mallory", entry(ALICE.line)))
    _fails(Reason.APPROVER_NOT_ALLOWED, value, others)
    assert _counts(signing.approval(iss="mallory@example.com"), others)


def test_an_authoritys_key_is_nobodys() -> None:
    """As a person's it would certify itself; and listed as both it certifies nobody."""
    issued = _issued(line=CA.line)
    _fails(Reason.APPROVER_NOT_ALLOWED, ssh_ca.approval(issued, CA))
    _fails(Reason.APPROVER_NOT_ALLOWED, ssh_ca.approval(_issued(), ALICE), _beside(approver("bob", entry(CA.line))))


# Authorities beside each other


def test_a_principal_of_two_authorities_counts_in_neither() -> None:
    """Exact, or by its domain; the others count."""
    first = ssh_ca.authority("engineering")
    bob = ssh_ca.approval(_issued("bob@example.com", line=BOB.line), BOB, iss="bob@example.com")
    for principals in (["*@example.com"], [ALICE_IS]):
        known = Registry([], [first, ssh_ca.authority("second", OTHER_CA.line, principals=principals)])
        _fails(Reason.APPROVER_NOT_ALLOWED, ssh_ca.approval(_issued(), ALICE), known)
        _fails(Reason.APPROVER_NOT_ALLOWED, ssh_ca.approval(_issued(ca=OTHER_CA), ALICE), known)
    assert _counts(bob, known)


def test_a_key_of_two_authorities_counts_in_neither() -> None:
    """Nobody could say whose rules hold."""
    known = Registry([], [ssh_ca.authority("a"), ssh_ca.authority("b", principals=["*@example.org"])])
    _fails(Reason.APPROVER_NOT_ALLOWED, ssh_ca.approval(_issued(), ALICE), known)
    assert known.usable == 0
    assert "Duplicate" in known.authority_problem(CA.blob)


def test_two_keys_of_one_authority_count_while_they_are_exchanged() -> None:
    """And an unusable one beside them does no harm."""
    known = Registry([], [ssh_ca.authority("e", CA.line, OTHER_CA.line, "ssh-dss AAAAB3NzaC1kc3MAAAAA")])
    for ca in (CA, OTHER_CA):
        assert _counts(ssh_ca.approval(_issued(ca=ca), ALICE), known)
    assert known.usable == 1


def test_an_authority_is_somebody_to_ask() -> None:
    """A cluster with authorities alone has approvers."""
    assert ssh_ca.registry().usable == 1
    assert Registry([], [ssh_ca.authority("e", Passkey().line)]).usable == 0


def test_many_certificates_are_forgotten_again() -> None:
    """Whoever shows new ones all the time fills nothing."""
    known = ssh_ca.registry()
    memo = Memo(1)
    for serial in range(1, 600):
        value = ssh_ca.approval(ssh_ca.made(CA, ALICE.blob, serial=serial), ALICE)
        verify("a", value, signing.context(), known, NOW, memo)
    assert len(known._issued._found) <= 512
