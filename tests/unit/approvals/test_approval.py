"""One approval: what it takes to count, at which moment, and what is remembered."""

import dataclasses

import msgspec
import pytest
from tests.support import signing
from tests.support.fido import PRESENT, VERIFIED, Authenticator
from tests.support.signing import NOW, approver, entry

from seconder.api.policy import Assurance
from seconder.api.reasons import Reason, Rejected
from seconder.api.resources import LOSSES, Action, GroupResource, Target
from seconder.approvals import sshsig, verification
from seconder.approvals.difference import Difference
from seconder.approvals.verification import Approval, Memo, claimed, verify

NAMESPACE = Target(GroupResource("", "namespaces"), "Namespace", "", "payments", "0f0c1f62-9f1c-4d0e-8f0a-2f8f3c6f7f11")


def _verify(value: str, now: float = NOW, **changes: object) -> Approval:
    return verify("alice", value, signing.context(**changes), signing.registry(), now, signing.memo())


def _reason(value: str, now: float = NOW, **changes: object) -> Reason:
    with pytest.raises(Rejected) as caught:
        _verify(value, now, **changes)
    return caught.value.reason


def test_an_approval_of_exactly_this_counts() -> None:
    """With the person, the key and what was signed at hand for the record."""
    found = _verify(signing.approval())
    assert (found.slug, found.format, found.key_type) == ("alice", "ssh", "ssh-ed25519")
    assert found.key.approver.name == "alice"
    assert found.statement.jti == "00112233445566778899aabbccddeeff"
    assert found.assurance is Assurance.SOFTWARE


def test_an_approval_by_a_cluster_scoped_objects_name_counts() -> None:
    """It has no namespace, in the request as in the statement."""
    detail = {"group": "", "resource": "namespaces", "identifier": NAMESPACE.uid, "name": "payments", "namespace": None}
    assert _verify(signing.approval(detail=detail), target=NAMESPACE).detail.name == "payments"


def test_an_unnamed_caller_is_approved_without_act() -> None:
    """An agent tagged by its group has no name, and a human has none either."""
    assert _verify(signing.approval(act=None), agent=None).statement.agent is None


@pytest.mark.parametrize("action", sorted(LOSSES))
def test_an_approval_of_delete_covers_every_loss(action: Action) -> None:
    """Who may delete an object may scale it to nothing, too."""
    assert _verify(signing.approval(), action=action).detail.actions == [Action.DELETE]


CHANGE = {"actions": ["Change"], "change": {"from": "a" * 64, "to": "b" * 64}}
WANTED = Difference("a" * 64, "b" * 64)


def test_an_approval_of_a_change_covers_that_change_alone() -> None:
    """Neither of another one, nor of the same from another state, nor of a deletion; nor does one of a deletion."""
    value = signing.approval(detail=CHANGE)
    assert _verify(value, action=Action.CHANGE, difference=WANTED).detail.actions == [Action.CHANGE]
    for other in (None, Difference("a" * 64, "c" * 64), Difference("c" * 64, "b" * 64), Difference("b" * 64, "a" * 64)):
        assert _reason(value, action=Action.CHANGE, difference=other) is Reason.WRONG_ACTION
    for action in LOSSES:
        assert _reason(value, action=action) is Reason.WRONG_ACTION
    assert _reason(signing.approval(), action=Action.CHANGE, difference=WANTED) is Reason.WRONG_ACTION


def test_each_object_of_a_statement_is_judged_by_its_own_element() -> None:
    """Sixteen at the most, and the same value stands on each."""
    first = signing.claims()["authorization_details"][0]
    others = [first | {"identifier": f"uid-{number}", "name": f"n-{number}"} for number in range(15)]
    value = signing.signed(signing.line_of(signing.claims(authorization_details=[*others, first])))
    assert _verify(value).detail.identifier == first["identifier"]
    assert (
        _verify(value, target=msgspec.structs.replace(signing.DEPLOYMENT, uid="uid-3", name="n-3")).detail.name == "n-3"
    )
    mixed = msgspec.structs.replace(signing.DEPLOYMENT, uid="uid-3", name="n-4")
    assert _reason(value, target=mixed) is Reason.WRONG_OBJECT
    many = signing.claims(authorization_details=[*others, first, first | {"identifier": "x"}])
    assert _reason(signing.signed(signing.line_of(many))) is Reason.APPROVAL_MALFORMED


@pytest.mark.parametrize("action", sorted(LOSSES))
@pytest.mark.parametrize("approved", sorted(LOSSES - {Action.DELETE}))
def test_an_approval_of_another_action_covers_that_one_alone(action: Action, approved: Action) -> None:
    """Scaling down was approved; deleting was not."""
    value = signing.approval(detail={"actions": [approved.value]})
    if action is approved:
        assert _verify(value, action=action).detail.actions == [approved]
    else:
        assert _reason(value, action=action) is Reason.WRONG_ACTION


def test_time_limits_are_exact() -> None:
    """From a minute before iat up to, and not including, exp."""
    value = signing.approval(iat=NOW, exp=NOW + 10)
    assert _reason(value, NOW - 60.001) is Reason.APPROVAL_NOT_YET_VALID
    assert _verify(value, NOW - 60)
    assert _verify(value, NOW + 9.999)
    assert _reason(value, NOW + 10) is Reason.APPROVAL_EXPIRED


def test_no_approval_lasts_longer_than_an_hour() -> None:
    """Whatever a policy says."""
    assert _verify(signing.approval(iat=NOW, exp=NOW + 3600))
    assert _reason(signing.approval(iat=NOW, exp=NOW + 3601)) is Reason.LIFETIME_TOO_LONG


def test_a_clock_that_tells_no_time_approves_nothing() -> None:
    """Not a number compares as false with everything, which must refuse."""
    for now in (float("nan"), float("inf"), float("-inf")):
        _reason(signing.approval(), now)
    registry = signing.registry(approver("alice", entry(signing.key("alice").line, not_after=float("nan"))))
    with pytest.raises(Rejected) as caught:
        verify("alice", signing.approval(), signing.context(), registry, NOW, signing.memo())
    assert caught.value.reason is Reason.KEY_REVOKED


def test_a_key_counts_until_its_end() -> None:
    """And not at it."""
    registry = signing.registry(approver("alice", entry(signing.key("alice").line, not_after=NOW)))
    assert verify("alice", signing.approval(), signing.context(), registry, NOW - 1, signing.memo())
    with pytest.raises(Rejected) as caught:
        verify("alice", signing.approval(), signing.context(), registry, NOW, signing.memo())
    assert caught.value.reason is Reason.KEY_REVOKED


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa"])
@pytest.mark.parametrize(
    ("flags", "assurance"),
    [
        (PRESENT, Assurance.PRESENCE),
        (PRESENT | VERIFIED, Assurance.VERIFIED),
        (PRESENT | 0x18, Assurance.PRESENCE),
        (0xFF, Assurance.VERIFIED),
    ],
)
def test_the_assurance_is_what_this_signature_proves(kind: str, flags: int, assurance: Assurance) -> None:
    """Bit by bit, whatever else the authenticator says."""
    device = Authenticator(kind)
    line = signing.line_of(signing.claims())
    registry = signing.registry(approver("alice", entry(device.line)))
    value = line + device.sign(line.encode(), flags=flags)
    assert verify("alice", value, signing.context(), registry, NOW, signing.memo()).assurance is assurance


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa"])
@pytest.mark.parametrize("flags", [0, VERIFIED, 0xFA])
def test_a_security_key_that_nobody_touched_approves_nothing(kind: str, flags: int) -> None:
    """ssh-keygen takes such a signature. Each time it is looked at, remembered or not, we do not."""
    device = Authenticator(kind)
    line = signing.line_of(signing.claims())
    armored = device.sign(line.encode(), flags=flags)
    assert signing.ssh_verify(device.line, line.encode(), armored)
    registry, memo = signing.registry(approver("alice", entry(device.line))), signing.memo()
    for _ in range(2):
        with pytest.raises(Rejected) as caught:
            verify("alice", line + armored, signing.context(), registry, NOW, memo)
        assert caught.value.reason is Reason.ASSURANCE_TOO_LOW


def test_a_remembered_signature_is_not_computed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """An approval holds for any number of requests; its arithmetic is done once."""
    memo = signing.memo()
    arguments = (signing.approval(), signing.context(), signing.registry(), NOW, memo)
    first = verify("alice", *arguments)
    monkeypatch.setattr(sshsig, "verify_signature", None)
    assert verify("alice", *arguments) == first


def test_a_remembered_signature_excuses_from_no_other_step() -> None:
    """Time, registry, object, action and requester are looked at on each use."""
    memo, value = signing.memo(), signing.approval()
    usual = (signing.context(), signing.registry(), NOW)
    verify("alice", value, *usual, memo)
    ended = signing.registry(approver("alice", entry(signing.key("alice").line, not_after=NOW)))
    elsewhere = msgspec.structs.replace(signing.DEPLOYMENT, uid="another")
    for context, registry, now, reason in (
        (usual[0], usual[1], NOW + 800, Reason.APPROVAL_EXPIRED),
        (usual[0], usual[1], NOW - 1000, Reason.APPROVAL_NOT_YET_VALID),
        (usual[0], signing.registry(approver("bob")), NOW, Reason.APPROVER_UNKNOWN),
        (usual[0], ended, NOW, Reason.KEY_REVOKED),
        (usual[0], signing.registry(approver("alice"), approver("alice")), NOW, Reason.APPROVER_NOT_ALLOWED),
        (signing.context(audience="urn:uuid:x"), usual[1], NOW, Reason.WRONG_CLUSTER),
        (signing.context(target=elsewhere), usual[1], NOW, Reason.WRONG_OBJECT),
        (signing.context(requester="eve"), usual[1], NOW, Reason.WRONG_REQUESTER),
        (signing.context(operators=frozenset({"alice@example.com"})), usual[1], NOW, Reason.SELF_APPROVAL),
    ):
        with pytest.raises(Rejected) as caught:
            verify("alice", value, context, registry, now, memo)
        assert caught.value.reason is reason
    renamed = dataclasses.replace(approver("alice"), principal="carol@example.com")
    with pytest.raises(Rejected) as caught:
        verify("alice", value, usual[0], signing.registry(renamed), NOW, memo)
    assert caught.value.reason is Reason.SIGNATURE_INVALID


def test_only_verified_values_are_remembered() -> None:
    """Neither a bad signature nor a stranger's good one pushes anything out."""
    memo = Memo(1)
    value = signing.approval()
    verify("alice", value, signing.context(), signing.registry(), NOW, memo)
    tampered = value.replace("INC-4821", "INC-4822")
    for other in (tampered, signing.approval(signing.key("eve"))):
        with pytest.raises(Rejected):
            verify("alice", other, signing.context(), signing.registry(), NOW, memo)
    assert verification.examine(value, signing.registry(), NOW, memo).envelope is None


def test_the_memory_is_bounded_and_forgets_the_longest_unused() -> None:
    """What is in use stays."""
    memo = Memo(2)
    values = [signing.approval(jti=f"{n}" * 32) for n in range(3)]

    def use(value: str) -> None:
        verify("alice", value, signing.context(), signing.registry(), NOW, memo)

    for each in (values[0], values[1], values[0], values[2]):
        use(each)
    remembered = [verification.examine(each, signing.registry(), NOW, memo).envelope is None for each in values]
    assert remembered == [True, False, True]


def test_what_is_in_neither_format_is_malformed() -> None:
    """Nor is what only begins like one; nothing is guessed at."""
    for value in (
        "",
        "eyJhbGciOiJFZERTQSJ9.e30.c2ln",
        "approved",
        "[",
        " {",
        "\ufeff{",
        "-----BEGIN SSH SIGNATURE-----",
    ):
        assert _reason(value) is Reason.APPROVAL_MALFORMED
    assert _reason(signing.line_of(signing.claims())) is Reason.APPROVAL_MALFORMED
    assert _reason("{\ud800}") is Reason.APPROVAL_MALFORMED


def _sized(size: int, letter: str) -> str:
    """Give a good approval of this many bytes; its reason holds the letter, and what it counts fills the rest."""

    def value(*counted: str) -> str:
        impact = {"counts": dict.fromkeys(counted, 0), "sha256": "ab" * 32}
        return signing.approval(reason=letter * 100, detail={"impact": impact})

    names = [f"{at:0112}" for at in range(60)]
    short = size - len(value(*names, "z").encode())
    return value(*names, "z" * (1 + short))


@pytest.mark.parametrize("letter", ["e", "é"])
def test_a_value_has_at_most_8_kib(letter: str) -> None:
    """Measured in bytes and not in characters, whatever it says and whoever signed it."""
    fits, exceeds = _sized(8192, letter), _sized(8193, letter)
    assert (len(fits.encode()), len(exceeds.encode())) == (8192, 8193)
    assert _verify(fits)
    assert _reason(exceeds) is Reason.APPROVAL_MALFORMED


def test_what_a_rejection_says_holds_no_text_of_the_value() -> None:
    """The message goes to the requester's terminal."""
    value = signing.approval(reason="SECRETWORD", iss="SECRETWORD@example.com")
    for text in (value, value.replace('"sub"', '"SECRETWORD"'), value[:-40]):
        with pytest.raises(Rejected) as caught:
            _verify(text)
        assert "SECRETWORD" not in caught.value.detail


def test_what_a_value_claims_is_read_from_whatever_can_be_read() -> None:
    """And from nothing else."""
    claims = claimed(signing.approval(iss="somebody"))
    assert claims is not None
    assert claims.iss == "somebody"
    for rubbish in ("", "x", "{}", "eyJhbGciOiJub25lIn0.e30.", "{" * 9000, "{\ud800"):
        assert claimed(rubbish) is None
