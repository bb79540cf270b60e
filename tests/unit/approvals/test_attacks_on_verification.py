"""What somebody who can write annotations may try: each attempt fails with the reason that fits it.

Beside every refusal stands that the same value counts where nothing is wrong, so that none passes for another cause.
"""

import base64
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support import signing, ssh_ca
from tests.support.fido import Authenticator
from tests.support.signing import NOW, approver, armor, entry, mpint, sshsig_blob, string

from seconder.api.reasons import Reason, Rejected
from seconder.api.resources import Action, GroupResource
from seconder.approvals.registry import Approver, Registry
from seconder.approvals.verification import verify

ALICE = signing.key("alice")
EVE = signing.key("eve")


def _counts(value: str, registry: Registry | None = None, now: float = NOW, **changes: Any) -> None:
    verify("alice", value, signing.context(**changes), registry or signing.registry(), now, signing.memo())


def _fails(reason: Reason, value: str, registry: Registry | None = None, now: float = NOW, **changes: Any) -> None:
    with pytest.raises(Rejected) as caught:
        _counts(value, registry, now, **changes)
    assert caught.value.reason is reason, caught.value


def test_the_value_that_all_attacks_start_from_counts() -> None:
    """Else every refusal below would prove nothing."""
    _counts(signing.approval())


# Forging the signature


def test_a_stranger_signs_as_alice() -> None:
    """A good signature by a key that nobody registered."""
    _fails(Reason.APPROVER_UNKNOWN, signing.approval(EVE))


def test_a_stranger_signs_under_the_blob_of_alice() -> None:
    """The envelope names alice's key; the signature is not its."""
    theirs = signing.fields_of(signing.unarmor(signing.ssh_sign(EVE, signing.line_of(signing.claims()).encode())))[4]
    _fails(Reason.SIGNATURE_INVALID, signing.line_of(signing.claims()) + armor(sshsig_blob(ALICE.blob, theirs)))


def test_an_approver_signs_as_another() -> None:
    """Bob's key speaks for bob alone."""
    _fails(Reason.SIGNATURE_INVALID, signing.approval(signing.key("bob")))
    _counts(signing.approval(signing.key("bob"), iss="bob@example.com"))


def test_a_signature_of_one_statement_under_another() -> None:
    """Two approvals, their halves swapped."""
    other = signing.line_of(signing.claims(jti="f" * 32))
    _fails(Reason.SIGNATURE_INVALID, other + signing.approval().partition("\n")[2])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("INC-4821", "INC-4822"),
        ("00112233", "10112233"),
        ('"exp":1795320900', '"exp":1795320901'),
        ('"iat":1795320000', '"iat":1795320001'),
        ('"actions":["Delete"]', '"actions":["Delete","ScaleToZero"]'),
    ],
)
def test_a_claim_changed_after_signing(old: str, new: str) -> None:
    """The statement stays canonical and fitting; the signature does not stay."""
    value = signing.approval()
    assert old in value
    _fails(Reason.SIGNATURE_INVALID, value.replace(old, new, 1))


def test_a_claim_changed_to_fit_this_request() -> None:
    """A real approval of another object, edited to name this one."""
    value = signing.approval(detail={"identifier": "another"})
    _fails(Reason.WRONG_OBJECT, value)
    _fails(Reason.SIGNATURE_INVALID, value.replace('"another"', f'"{signing.DEPLOYMENT.uid}"'))


def test_a_revived_expiry() -> None:
    """An old approval with a later exp written in."""
    value = signing.approval(exp=NOW - 1)
    _fails(Reason.APPROVAL_EXPIRED, value)
    _fails(Reason.SIGNATURE_INVALID, value.replace(f'"exp":{NOW - 1}', f'"exp":{NOW + 100}'))


def test_a_signature_under_a_small_order_key() -> None:
    """The all-zero signature verifies for any message under the point of order one, were it ever registered."""
    identity = b"\x01" + b"\x00" * 31
    signature = identity + b"\x00" * 32
    Ed25519PublicKey.from_public_bytes(identity).verify(signature, b"any message whatever")
    blob = string(b"ssh-ed25519") + string(identity)
    registry = signing.registry(approver("alice", entry(f"ssh-ed25519 {base64.b64encode(blob).decode()}")))
    forged = sshsig_blob(blob, string(b"ssh-ed25519") + string(signature))
    _fails(Reason.APPROVER_NOT_ALLOWED, signing.line_of(signing.claims()) + armor(forged), registry)


def test_a_registered_key_that_is_too_weak() -> None:
    """RSA-2048 and P-521 verify in ssh-keygen, and stand in the Approver, and do not count."""
    for kind, bits in (("rsa", 2048), ("ecdsa", 521)):
        weak = signing.key("alice", kind, bits)
        value = signing.approval(weak)
        assert signing.ssh_verify(
            weak.line, signing.line_of(signing.claims()).encode(), value.partition("\n")[2] + "\n"
        )
        _fails(Reason.APPROVER_NOT_ALLOWED, value, signing.registry(approver("alice", entry(weak.line))))
        _fails(Reason.APPROVER_UNKNOWN, value)


def test_a_dsa_signature() -> None:
    """Unknown to the registry or useless in it."""
    blob = string(b"ssh-dss") + mpint(23) + mpint(11) + mpint(2) + mpint(4)
    value = signing.line_of(signing.claims()) + armor(sshsig_blob(blob, string(b"ssh-dss") + string(b"\x01" * 40)))
    _fails(Reason.APPROVER_UNKNOWN, value)
    registered = entry(f"ssh-dss {base64.b64encode(blob).decode()}")
    _fails(Reason.APPROVER_NOT_ALLOWED, value, signing.registry(approver("alice", registered)))


def test_an_ed25519_point_used_as_another_kind_of_key() -> None:
    """The point of alice's plain key, dressed as a security key, is not the registered key."""
    blob = string(b"sk-ssh-ed25519@openssh.com") + string(ALICE.blob[-32:]) + string(b"ssh:")
    body = string(b"sk-ssh-ed25519@openssh.com") + string(b"\x01" * 64) + b"\x05\x00\x00\x00\x01"
    _fails(Reason.APPROVER_UNKNOWN, signing.line_of(signing.claims()) + armor(sshsig_blob(blob, body)))


def test_a_plain_signature_with_flags_put_behind_it() -> None:
    """A software key proves no presence, whatever bytes follow its signature."""
    fields = signing.fields_of(signing.unarmor(signing.ssh_sign(ALICE, signing.line_of(signing.claims()).encode())))
    padded = sshsig_blob(fields[0], fields[4] + b"\x05\x00\x00\x00\x01")
    _fails(Reason.APPROVAL_MALFORMED, signing.line_of(signing.claims()) + armor(padded))


def test_a_security_key_signature_without_its_flags() -> None:
    """They are part of what was signed."""
    device = Authenticator()
    line = signing.line_of(signing.claims())
    registry = signing.registry(approver("alice", entry(device.line)))
    armored = device.sign(line.encode())
    _counts(line + armored, registry)
    fields = signing.fields_of(signing.unarmor(armored))
    _fails(Reason.APPROVAL_MALFORMED, line + armor(sshsig_blob(fields[0], fields[4][:-5])), registry)


def test_a_certificate_in_place_of_a_key() -> None:
    """Whoever issued it, it is not the registered key, nor by a registered authority."""
    issued = ssh_ca.issue(signing.key("ca"), ALICE.line, "alice@example.com")
    _fails(Reason.APPROVER_UNKNOWN, ssh_ca.approval(issued, ALICE))


# Reusing a signature that was made for something else


@pytest.mark.parametrize("namespace", ["git", "file", "k8s-approval@example.com", "k8s-approval@seconder.dev "])
def test_a_signature_made_for_another_purpose(namespace: str) -> None:
    """A commit's signature over the same bytes is no approval."""
    _fails(Reason.APPROVAL_MALFORMED, signing.signed(signing.line_of(signing.claims()), namespace=namespace))


def test_the_purpose_rewritten() -> None:
    """The envelope's namespace is signed."""
    line = signing.line_of(signing.claims())
    fields = signing.fields_of(signing.unarmor(signing.ssh_sign(ALICE, line.encode(), namespace="git")))
    _fails(Reason.SIGNATURE_INVALID, line + armor(sshsig_blob(fields[0], fields[4])))


def test_the_hash_algorithm_rewritten() -> None:
    """It is signed, too."""
    line = signing.line_of(signing.claims())
    fields = signing.fields_of(signing.unarmor(signing.ssh_sign(ALICE, line.encode())))
    _fails(Reason.SIGNATURE_INVALID, line + armor(sshsig_blob(fields[0], fields[4], hash_algorithm=b"sha256")))


def test_a_second_line_before_the_signature() -> None:
    """A reader sees two statements; the signature is over both."""
    two = signing.line_of(signing.claims()) + signing.line_of(signing.claims(reason="another"))
    _fails(Reason.APPROVAL_MALFORMED, signing.signed(two))


def test_a_signature_over_the_line_without_its_newline() -> None:
    """The signed bytes are exact."""
    line = signing.line_of(signing.claims())
    armored = signing.ssh_sign(ALICE, line.rstrip("\n").encode())
    _fails(Reason.SIGNATURE_INVALID, line + armored)


def test_an_approval_of_another_clusters_object() -> None:
    """Clusters restored from one cache share uids, not the audience."""
    for audience in ("urn:uuid:ffffffff-6c1f-4a53-8b32-b4bfbbd3c7b1", signing.AUDIENCE + "/two", signing.AUDIENCE[:-1]):
        _fails(Reason.WRONG_CLUSTER, signing.approval(), audience=audience)
        _counts(signing.approval(aud=audience), audience=audience)


def test_an_approval_of_the_object_that_had_this_name_before() -> None:
    """Recreated objects have another uid."""
    _fails(Reason.WRONG_OBJECT, signing.approval(), target=msgspec.structs.replace(signing.DEPLOYMENT, uid="new"))


@pytest.mark.parametrize(
    "other",
    [
        {"name": "billing"},
        {"namespace": "billing"},
        {"namespace": ""},
        {"resource": GroupResource("apps", "statefulsets")},
        {"resource": GroupResource("extensions", "deployments")},
        {"resource": GroupResource("", "deployments")},
        {"uid": ""},
        {"uid": signing.DEPLOYMENT.uid.upper()},
    ],
    ids=str,
)
def test_an_approval_of_another_object(other: dict[str, Any]) -> None:
    """Every part that names the object is compared, and exactly."""
    target = msgspec.structs.replace(signing.DEPLOYMENT, **other)
    _fails(Reason.WRONG_OBJECT, signing.approval(), target=target)


def test_an_approval_that_misnames_the_object_of_its_uid() -> None:
    """The approver read one name and would delete another."""
    for detail in ({"name": "billing"}, {"namespace": "billing"}, {"namespace": None}, {"group": ""}):
        _fails(Reason.WRONG_OBJECT, signing.approval(detail=detail))


def test_an_approval_of_scaling_down_used_to_delete() -> None:
    """The other actions do not add up to Delete."""
    value = signing.approval(detail={"actions": ["ScaleToZero", "RemoveFinalizers", "ChangeOwners"]})
    _fails(Reason.WRONG_ACTION, value)
    _counts(value, action=Action.CHANGE_OWNERS)


def test_an_approval_for_another_requester() -> None:
    """User names are compared exactly."""
    for requester in ("system:serviceaccount:seconder-agents:other", signing.REQUESTER.upper(), "", "system:admin"):
        _fails(Reason.WRONG_REQUESTER, signing.approval(), requester=requester)


def test_an_approval_for_another_agent_under_the_same_user() -> None:
    """Several agents may share a credential; each needs its own approval."""
    for agent in ("other", "", "KIRO"):
        _fails(Reason.WRONG_REQUESTER, signing.approval(), agent=agent)


def test_an_approval_that_names_an_agent_for_a_caller_who_is_none() -> None:
    """And the other way round."""
    _fails(Reason.WRONG_REQUESTER, signing.approval(), agent=None)
    _fails(Reason.WRONG_REQUESTER, signing.approval(act=None))


# Approving one's own request


def _person(*users: str, principal: str = "alice@example.com") -> Registry:
    return Registry([Approver("alice", principal, frozenset(users), keys=(entry(ALICE.line),))])


def test_the_requester_approves_by_the_same_principal() -> None:
    """A human under a policy for everyone signs for their own deletion."""
    value = signing.approval(sub="alice@example.com", act=None)
    _fails(Reason.SELF_APPROVAL, value, requester="alice@example.com", agent=None, by_agent=False)


def test_the_requester_approves_under_another_name_of_theirs() -> None:
    """The principal differs; the Kubernetes user is the same person's."""
    value = signing.approval(sub="alice-admin", act=None)
    registry = _person("alice", "alice-admin")
    _fails(Reason.SELF_APPROVAL, value, registry, requester="alice-admin", agent=None, by_agent=False)
    _counts(value, _person("alice"), requester="alice-admin", agent=None, by_agent=False)


def test_an_agent_that_is_registered_as_an_approver() -> None:
    """By its user name or by its own name."""
    _fails(Reason.SELF_APPROVAL, signing.approval(), _person("alice", signing.REQUESTER))
    _fails(Reason.SELF_APPROVAL, signing.approval(iss=signing.REQUESTER), _person("x", principal=signing.REQUESTER))
    _fails(Reason.SELF_APPROVAL, signing.approval(iss="kiro"), _person("x", principal="kiro"))


def test_the_agents_operator_approves() -> None:
    """Who set the agent going is no peer of it, by principal or by user name."""
    _fails(Reason.SELF_APPROVAL, signing.approval(), operators=frozenset({"alice@example.com"}))
    operators = frozenset({"alice-laptop"})
    _fails(Reason.SELF_APPROVAL, signing.approval(), _person("alice", "alice-laptop"), operators=operators)
    _counts(signing.approval(), operators=frozenset({"bob@example.com"}))


def test_either_of_two_contradicting_operators_approves() -> None:
    """Where the records differ, both are barred."""
    operators = frozenset({"carol@example.com", "alice@example.com"})
    _fails(Reason.SELF_APPROVAL, signing.approval(), operators=operators)


# The registry


def test_a_key_that_stands_in_two_approvers() -> None:
    """It counts in neither, whoever signs."""
    registry = signing.registry(approver("alice"), approver("bob", entry(ALICE.line)))
    _fails(Reason.APPROVER_NOT_ALLOWED, signing.approval(), registry)
    _fails(Reason.APPROVER_NOT_ALLOWED, signing.approval(iss="bob@example.com"), registry)


def test_a_withdrawn_key() -> None:
    """Taken from its Approver, its approvals are a stranger's at once."""
    _fails(Reason.APPROVER_UNKNOWN, signing.approval(), signing.registry(approver("bob")))


def test_no_approver_at_all() -> None:
    """An empty registry approves nothing."""
    _fails(Reason.APPROVER_UNKNOWN, signing.approval(), Registry([]))


# Time


def test_an_approval_dated_ahead() -> None:
    """Stocked for later: iat lies in the future."""
    _fails(Reason.APPROVAL_NOT_YET_VALID, signing.approval(iat=NOW + 61, exp=NOW + 100))


def test_an_approval_for_ever() -> None:
    """Exp as far off as numbers go."""
    _fails(Reason.LIFETIME_TOO_LONG, signing.approval(exp=2**53 - 1))


def test_what_is_claimed_before_the_signature_is_checked_can_only_refuse() -> None:
    """A forged statement that says it has expired is expired; one that says it has not is forged."""
    expired = signing.approval().replace(f'"exp":{NOW + 800}', f'"exp":{NOW - 50}')
    _fails(Reason.APPROVAL_EXPIRED, expired)
    _fails(Reason.SIGNATURE_INVALID, signing.approval().replace(f'"exp":{NOW + 800}', f'"exp":{NOW + 801}'))


@pytest.mark.parametrize(
    "changes",
    [
        {"audience": "urn:uuid:another"},
        {"requester": "another"},
        {"agent": "another"},
        {"target": msgspec.structs.replace(signing.DEPLOYMENT, uid="another")},
        {"operators": frozenset({"alice@example.com"})},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_nothing_about_an_unproven_statement_is_told_but_that_it_is_unproven(changes: dict[str, Any]) -> None:
    """The signature comes before what the statement is for."""
    _fails(Reason.SIGNATURE_INVALID, signing.approval().replace("INC-4821", "INC-4822"), **changes)


# Anything else


@settings(max_examples=300, deadline=None)
@given(
    kind=st.sampled_from([("ed25519", None), ("ecdsa", 256), ("ecdsa", 384), ("rsa", 3072)]),
    start=st.integers(0, 10**6),
    length=st.integers(0, 3),
    put=st.text(max_size=3) | st.sampled_from(["\n", "\r", " ", "=", "A", '"', ",", "0", "\x00", "\ufeff"]),
)
def test_a_value_changed_anywhere(kind: tuple[str, int | None], start: int, length: int, put: str) -> None:
    """Letters taken out, put in or replaced: only the same value counts, one newline at its end aside."""
    signer = signing.key("alice", *kind)
    value, registry = signing.approval(signer), signing.registry(approver("alice", entry(signer.line)))
    at = start % (len(value) + 1)
    changed = value[:at] + put + value[at + length :]
    try:
        _counts(changed, registry)
    except Rejected:
        assert changed.removesuffix("\n") != value
    else:
        assert changed.removesuffix("\n") == value
