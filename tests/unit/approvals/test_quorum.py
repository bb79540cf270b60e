"""Whether what stands on an object satisfies a policy: peers are counted, never signatures."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from tests.support import signing, ssh_ca
from tests.support.fido import PRESENT, VERIFIED, Authenticator
from tests.support.signing import NOW, approver, entry

from seconder.api.duration import Duration
from seconder.api.policy import Assurance, Requirement, UnknownOperator
from seconder.api.reasons import Reason
from seconder.api.resources import NAMESPACES, Action, Target
from seconder.approvals import sshsig
from seconder.approvals.keys import PublicKey
from seconder.approvals.quorum import Verdict, able, judge, verify_all
from seconder.approvals.registry import Registry
from seconder.approvals.user_names import Identity

TXN = "7d7c5ea4-1f1d-4c3b-9a39-4f9c1df0a1c2"
TWO = Requirement(required=2)
DIGEST = "ab" * 32
IMPACT = {"counts": {"pods": 3}, "sha256": DIGEST}


def _by(name: str, **changes: Any) -> str:
    return signing.approval(signing.key(name), **{"iss": f"{name}@example.com", "txn": TXN} | changes)


def _judge(
    values: Mapping[str, str],
    requirement: Requirement | None = None,
    impact: str | None = None,
    registry: Registry | None = None,
    **changes: Any,
) -> Verdict:
    presented = verify_all(values, signing.context(**changes), registry or signing.registry(), NOW, signing.memo())
    return judge(presented, requirement or Requirement(), impact)


def _who(verdict: Verdict) -> list[str]:
    return [each.statement.iss for each in verdict.counted]


def _is(verdict: Verdict, reason: Reason) -> None:
    assert verdict.reason is reason
    assert verdict.satisfied is (reason is Reason.APPROVED)
    assert bool(verdict.counted) is verdict.satisfied


def test_one_peer_satisfies_a_requirement_of_one() -> None:
    """The usual case, and nothing failed."""
    verdict = _judge({"alice": _by("alice", txn=None)})
    _is(verdict, Reason.APPROVED)
    assert verdict.failures == ()


def test_no_values_are_a_missing_approval() -> None:
    """Emptiness satisfies nothing."""
    _is(_judge({}), Reason.APPROVAL_MISSING)
    _is(_judge({}, TWO), Reason.APPROVAL_MISSING)


@pytest.mark.parametrize("required", [0, -1])
def test_a_requirement_of_nobody_is_an_error(required: int) -> None:
    """It would be satisfied by nothing, or by anything."""
    for values in ({}, {"alice": _by("alice")}):
        with pytest.raises(ValueError, match="no approval"):
            _judge(values, Requirement(required=required))


def test_two_peers_satisfy_a_requirement_of_two() -> None:
    """With the same change request and the same details; the counts shown may differ."""
    values = {
        "alice": _by("alice", detail={"impact": IMPACT}),
        "bob": _by("bob", detail={"impact": IMPACT | {"counts": {"pods": 2}}}),
    }
    verdict = _judge(values, TWO)
    _is(verdict, Reason.APPROVED)
    assert _who(verdict) == ["alice@example.com", "bob@example.com"]


def test_one_of_two_is_too_few() -> None:
    """And nothing failed either."""
    verdict = _judge({"alice": _by("alice")}, TWO)
    _is(verdict, Reason.QUORUM_NOT_REACHED)
    assert verdict.failures == ()


def test_one_person_is_counted_once() -> None:
    """Neither a second signature, nor a copy, nor a second key adds a peer."""
    registry = signing.registry(approver("alice", entry(signing.key("alice").line), entry(signing.key("spare").line)))
    spare = signing.approval(signing.key("spare"), txn=TXN)
    for second in (_by("alice"), _by("alice", jti="b" * 32), spare):
        _is(_judge({"alice": _by("alice"), "alice2": second}, TWO, registry=registry), Reason.QUORUM_NOT_REACHED)


def test_the_second_form_of_an_ecdsa_signature_adds_nobody() -> None:
    """(r, n - s) is another value with a good signature; it is the same person's."""
    signer = signing.key("alice", "ecdsa", 256)
    line = signing.line_of(signing.claims(txn=TXN))
    public, *_, signature = signing.fields_of(signing.unarmor(signing.ssh_sign(signer, line.encode())))
    kind, numbers = signing.strings_in(signature)
    r, s = (int.from_bytes(number, "big") for number in signing.strings_in(numbers))
    forms = [
        line + signing.armor(signing.sshsig_blob(public, signing.string(kind) + signing.string(both)))
        for both in (signing.mpint(r) + signing.mpint(n) for n in (s, signing.P256_ORDER - s))
    ]
    registry = signing.registry(approver("alice", entry(signer.line)))
    for each in forms:
        _is(_judge({"alice": each}, registry=registry), Reason.APPROVED)
    _is(_judge(dict(zip("ab", forms, strict=True)), TWO, registry=registry), Reason.QUORUM_NOT_REACHED)


def test_one_key_is_counted_once_even_if_it_had_two_owners() -> None:
    """The registry lets no key be two people's; the count does not rest on that alone."""
    presented = verify_all({"alice": _by("alice")}, signing.context(), signing.registry(), NOW, signing.memo())
    (alice,) = presented.approvals
    statement = msgspec.structs.replace(alice.statement, iss="carol@example.com")
    twin = msgspec.structs.replace(alice, slug="carol", statement=statement)
    _is(judge(msgspec.structs.replace(presented, approvals=(alice, twin)), TWO, None), Reason.QUORUM_NOT_REACHED)


def _sharing(registry: Registry) -> Verdict:
    return _judge({"alice": _by("alice"), "bob": _by("bob")}, TWO, registry=registry)


@pytest.mark.parametrize(
    ("users", "others"),
    [
        (("alice",), ("bob", "alice")),
        (("Alice",), ("alice ",)),
        (("alice",), ("ali*",)),
        (("*:role/admin/alice",), ("arn:*/alice",)),
        (("bob@example.com",), ("bob",)),
        (("alice",), ("alice@example.com",)),
    ],
)
def test_two_registrations_that_go_by_one_user_name_are_one_peer(
    users: tuple[str, ...], others: tuple[str, ...]
) -> None:
    """However it is written, and where it is one's principal; either of them is a peer, and whoever looks is told."""
    registry = signing.registry(approver("alice", users=users), approver("bob", users=others))
    verdict = _sharing(registry)
    _is(verdict, Reason.QUORUM_NOT_REACHED)
    assert verdict.reached == 1
    assert [(failure.slug, failure.reason) for failure in verdict.failures] == [("bob", Reason.QUORUM_NOT_REACHED)]
    one = _judge({"alice": _by("alice"), "bob": _by("bob")}, registry=registry)
    _is(one, Reason.APPROVED)
    assert one.failures == ()


def test_two_registrations_that_one_extra_tells_are_one_peer() -> None:
    """By its key in either case, and by patterns."""
    one, other = (
        dataclasses.replace(approver(name), identities=(Identity(key, value),))
        for name, key, value in (("alice", "Arn", "arn:aws:iam::1:user/*"), ("bob", "arn", "arn:*:user/alice"))
    )
    _is(_sharing(signing.registry(one, other)), Reason.QUORUM_NOT_REACHED)
    elsewhere = dataclasses.replace(other, identities=(Identity("other", "arn:aws:iam::1:user/alice"),))
    _is(_sharing(signing.registry(one, elsewhere)), Reason.APPROVED)


def test_a_certificate_and_an_approver_that_go_by_one_user_name_are_one_peer() -> None:
    """A short principal in the Approver, a mail address in the certificate."""
    ca, spare = signing.key("ca"), signing.key("spare")
    issued = ssh_ca.issue(ca, spare.line, "alice@example.com")
    short = dataclasses.replace(approver("alice"), principal="alice")
    registry = ssh_ca.registry(short, approver("bob"))
    by_certificate = ssh_ca.approval(issued, spare, txn=TXN)
    values = {"listed": _by("alice", iss="alice"), "certificate": by_certificate}
    _is(_judge(values, TWO, registry=registry), Reason.QUORUM_NOT_REACHED)
    _is(_judge({"bob": _by("bob"), "certificate": by_certificate}, TWO, registry=registry), Reason.APPROVED)


def test_whoever_may_be_either_of_two_peers_takes_none_of_them_away() -> None:
    """A third approval adds nobody, and costs nobody."""
    both = approver("carol", users=("alice@example.com", "bob@example.com"))
    registry = signing.registry(approver("alice"), approver("bob"), both)
    values = {"a": _by("carol"), "b": _by("alice"), "c": _by("bob")}
    verdict = _judge(values, TWO, registry=registry)
    _is(verdict, Reason.APPROVED)
    assert _who(verdict) == ["alice@example.com", "bob@example.com"]
    _is(_judge(values, Requirement(required=3), registry=registry), Reason.QUORUM_NOT_REACHED)


@pytest.mark.parametrize(
    "changes",
    [
        {"txn": "another"},
        {"detail": {"actions": ["Delete", "ScaleToZero"]}},
        {"detail": {"impact": IMPACT}},
    ],
    ids=str,
)
def test_peers_who_approved_different_things_do_not_add_up(changes: dict[str, Any]) -> None:
    """Two halves of two quorums are none."""
    _is(_judge({"alice": _by("alice"), "bob": _by("bob", **changes)}, TWO), Reason.QUORUM_NOT_REACHED)
    other = {"impact": IMPACT | {"sha256": "cd" * 32}}
    values = {"alice": _by("alice", detail=other), "bob": _by("bob", detail={"impact": IMPACT})}
    _is(_judge(values, TWO), Reason.QUORUM_NOT_REACHED)


def test_the_largest_group_that_approved_the_same_counts() -> None:
    """Whatever else has been approved beside it."""
    registry = signing.registry(*(approver(name) for name in ("alice", "bob", "carol")))
    values = {"a": _by("alice", txn="another"), "b": _by("bob"), "c": _by("carol"), "d": _by("alice", txn="third")}
    verdict = _judge(values, TWO, registry=registry)
    _is(verdict, Reason.APPROVED)
    assert _who(verdict) == ["bob@example.com", "carol@example.com"]


def test_several_approvals_name_their_change_request() -> None:
    """Without one they are not known to be of one motion; a single approval needs none."""
    values = {"alice": _by("alice", txn=None), "bob": _by("bob", txn=None)}
    verdict = _judge(values, TWO)
    _is(verdict, Reason.QUORUM_NOT_REACHED)
    assert [(each.slug, each.reason) for each in verdict.failures] == [
        ("alice", Reason.QUORUM_NOT_REACHED),
        ("bob", Reason.QUORUM_NOT_REACHED),
    ]
    _is(_judge(values), Reason.APPROVED)


def test_a_failed_approval_does_not_spoil_a_good_one() -> None:
    """Anybody could write rubbish beside it."""
    verdict = _judge({"alice": _by("alice"), "rubbish": "{", "eve": signing.approval(signing.key("eve"))})
    _is(verdict, Reason.APPROVED)
    assert [(each.slug, each.reason) for each in verdict.failures] == [
        ("eve", Reason.APPROVER_UNKNOWN),
        ("rubbish", Reason.APPROVAL_MALFORMED),
    ]


def test_the_failure_that_got_furthest_heads_the_message() -> None:
    """The one whose mending brings the caller nearest."""
    malformed, unknown = "{", signing.approval(signing.key("eve"))
    expired, elsewhere = _by("alice", exp=NOW - 1), _by("bob", aud="urn:uuid:another")
    _is(_judge({"a": malformed}), Reason.APPROVAL_MALFORMED)
    _is(_judge({"a": malformed, "b": unknown}), Reason.APPROVER_UNKNOWN)
    _is(_judge({"a": expired, "b": unknown, "c": malformed}), Reason.APPROVAL_EXPIRED)
    _is(_judge({"a": expired, "b": elsewhere, "c": malformed}), Reason.WRONG_CLUSTER)
    teams = Requirement(teams=frozenset({"payments"}))
    _is(_judge({"a": _by("alice"), "b": elsewhere}, teams), Reason.APPROVER_NOT_ALLOWED)


def test_a_policys_own_limit_on_the_lifetime_holds() -> None:
    """Up to and with it."""
    value = {"alice": _by("alice", iat=NOW, exp=NOW + 300)}
    _is(_judge(value, Requirement(max_ttl=Duration(300))), Reason.APPROVED)
    _is(_judge(value, Requirement(max_ttl=Duration(299))), Reason.LIFETIME_TOO_LONG)


def test_an_approver_belongs_to_one_of_the_teams() -> None:
    """Any one is enough, none is not, and without teams anybody registered may."""
    registry = signing.registry(approver("alice", teams=("payments", "sre")), approver("bob"))
    teams = Requirement(teams=frozenset({"payments", "billing"}))
    _is(_judge({"alice": _by("alice")}, teams, registry=registry), Reason.APPROVED)
    _is(_judge({"bob": _by("bob")}, teams, registry=registry), Reason.APPROVER_NOT_ALLOWED)
    _is(_judge({"bob": _by("bob")}, registry=registry), Reason.APPROVED)
    both = Requirement(required=2, teams=teams.teams)
    _is(_judge({"alice": _by("alice"), "bob": _by("bob")}, both, registry=registry), Reason.QUORUM_NOT_REACHED)


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa"])
@pytest.mark.parametrize(
    ("flags", "proven"),
    [
        (0, set()),
        (VERIFIED, set()),
        (PRESENT, {Assurance.SOFTWARE, Assurance.PRESENCE}),
        (PRESENT | VERIFIED, set(Assurance)),
    ],
)
def test_the_signature_proves_the_assurance_that_is_asked_for(kind: str, flags: int, proven: set[Assurance]) -> None:
    """Without a touch it proves nothing at all, though ssh-keygen takes all of these."""
    device = Authenticator(kind)
    line = signing.line_of(signing.claims())
    armored = device.sign(line.encode(), flags=flags)
    assert signing.ssh_verify(device.line, line.encode(), armored)
    registry = signing.registry(approver("alice", entry(device.line)))
    for assurance in Assurance:
        verdict = _judge({"alice": line + armored}, Requirement(assurance=assurance), registry=registry)
        _is(verdict, Reason.APPROVED if assurance in proven else Reason.ASSURANCE_TOO_LOW)


def test_a_software_key_proves_nobodys_presence() -> None:
    """Any process that reaches the agent's socket could have signed."""
    for assurance in (Assurance.PRESENCE, Assurance.VERIFIED):
        _is(_judge({"alice": _by("alice")}, Requirement(assurance=assurance)), Reason.ASSURANCE_TOO_LOW)


def test_an_impact_that_is_bound_is_the_one_that_was_signed() -> None:
    """What goes down is what the approver was shown."""
    named = {"alice": _by("alice", detail={"impact": IMPACT})}
    _is(_judge(named, impact=DIGEST), Reason.APPROVED)
    _is(_judge(named, impact="cd" * 32), Reason.IMPACT_CHANGED)
    _is(_judge(named, impact=""), Reason.IMPACT_CHANGED)
    _is(_judge({"alice": _by("alice")}, impact=DIGEST), Reason.IMPACT_CHANGED)
    _is(_judge(named, Requirement(bind_impact=False)), Reason.APPROVED)


def test_a_namespaces_impact_that_is_not_known_is_approved_by_nobody() -> None:
    """A forgotten look-up must not be an approval of anything."""
    target = Target(NAMESPACES, "Namespace", "", "payments", "uid-1")
    detail = {"group": "", "resource": "namespaces", "identifier": "uid-1", "name": "payments", "namespace": None}
    values = {"alice": _by("alice", detail=detail | {"impact": IMPACT})}
    # Given to an owner, it goes with what is in it as well.
    for action in (Action.DELETE, Action.CHANGE_OWNERS):
        _is(_judge(values, target=target, action=action), Reason.IMPACT_CHANGED)
        _is(_judge(values, impact=DIGEST, target=target, action=action), Reason.APPROVED)
        _is(_judge(values, Requirement(bind_impact=False), target=target, action=action), Reason.APPROVED)
    _is(_judge(values, target=target, action=Action.REMOVE_FINALIZERS), Reason.APPROVED)


def test_an_unknown_operator_is_refused_where_the_policy_says_so() -> None:
    """Nobody can be told to be a peer of nobody, nor of a name that no approver goes by."""
    refuse = Requirement(unknown_operator=UnknownOperator.REFUSE)
    named, unnamed = {"alice": _by("alice")}, {"alice": _by("alice", act=None)}
    _is(_judge(named, refuse), Reason.SELF_APPROVAL)
    _is(_judge(unnamed, refuse, agent=None), Reason.SELF_APPROVAL)
    _is(_judge(named, refuse, operators=frozenset({"bob@example.com"})), Reason.APPROVED)
    session = "arn:aws:sts::111122223333:assumed-role/Admin/botocore-session-1764233000"
    _is(_judge(named, refuse, operators=frozenset({session})), Reason.SELF_APPROVAL)
    _is(_judge(named, refuse, operators=frozenset({session, "bob@example.com"})), Reason.SELF_APPROVAL)
    _is(_judge(unnamed, refuse, agent=None, by_agent=False), Reason.APPROVED)
    _is(_judge(named), Reason.APPROVED)


def test_at_most_eight_signatures_are_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one request may cost is bounded."""
    checked: list[object] = []
    original = sshsig.verify_signature

    def count(envelope: sshsig.Envelope, key: PublicKey) -> int:
        checked.append(envelope)
        return original(envelope, key)

    monkeypatch.setattr(sshsig, "verify_signature", count)
    values = {f"s{n:02}": _by("alice", jti=f"{n:032}") for n in range(12)}
    verdict = _judge(values)
    _is(verdict, Reason.APPROVED)
    assert len(checked) == 8
    assert [each.slug for each in verdict.failures] == ["s08", "s09", "s10", "s11"]


def test_nothing_that_fails_a_cheap_check_crowds_an_approval_out() -> None:
    """Rubbish, strangers, the expired, the misattributed and the overlong before it take no place."""
    crowd = [
        "{",
        "x" * 9000,
        signing.approval(signing.key("eve")),
        _by("alice", exp=NOW),
        _by("bob", iss="alice@example.com"),
        signing.line_of(signing.claims()) + "-----BEGIN SSH SIGNATURE-----",
    ]
    values = {f"a{n:02}": crowd[n % len(crowd)] for n in range(60)} | {"zoe": _by("alice")}
    _is(_judge(values), Reason.APPROVED)


def test_approvals_of_other_requests_crowd_none_out() -> None:
    """Many agents may have approvals on one object; and unproven claims only choose the order."""
    values = {f"a{n:02}": _by("alice", sub=f"agent-{n}", jti=f"{n:032}") for n in range(20)}
    _is(_judge(values | {"zoe": _by("bob")}), Reason.APPROVED)
    _is(_judge(values), Reason.WRONG_REQUESTER)


def test_the_same_values_give_the_same_verdict_however_often_they_were_seen() -> None:
    """What the memory holds changes the cost and nothing else."""
    values = {f"s{n:02}": _by("alice", jti=f"{n:032}") for n in range(11)}
    memo, registry = signing.memo(), signing.registry()
    verify_all({"s10": values["s10"]}, signing.context(), registry, NOW, memo)
    warm = verify_all(dict(reversed(values.items())), signing.context(), registry, NOW, memo)
    assert warm == verify_all(values, signing.context(), registry, NOW, signing.memo())


def test_several_policies_judge_what_was_verified_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each by its own terms."""
    presented = verify_all({"alice": _by("alice")}, signing.context(), signing.registry(), NOW, signing.memo())
    monkeypatch.setattr(sshsig, "verify_signature", None)
    _is(judge(presented, Requirement(), None), Reason.APPROVED)
    _is(judge(presented, TWO, None), Reason.QUORUM_NOT_REACHED)
    _is(judge(presented, Requirement(max_ttl=Duration(60)), None), Reason.LIFETIME_TOO_LONG)


def test_a_failure_tells_the_kind_of_key_once_it_is_known() -> None:
    """For the counters: an unknown key has no kind."""
    verdict = _judge({"a": _by("alice", aud="urn:uuid:x"), "b": signing.approval(signing.key("eve"))})
    assert [(each.slug, each.format, each.key_type) for each in verdict.failures] == [
        ("a", "ssh", "ssh-ed25519"),
        ("b", "ssh", ""),
    ]


def test_eight_peers_can_be_required_and_nine_never_come_together() -> None:
    """The greatest requirement there is can be met."""
    people = [f"p{n}" for n in range(9)]
    registry = signing.registry(*(approver(name) for name in people))
    values = {name: _by(name) for name in people}
    _is(_judge(values, Requirement(required=8), registry=registry), Reason.APPROVED)
    _is(_judge(values, Requirement(required=9), registry=registry), Reason.QUORUM_NOT_REACHED)


def test_who_is_able_is_counted_by_person() -> None:
    """A key that has ended, one that counts for nobody and a second key of the same person add nobody."""
    alice, carol = signing.key("alice").line, signing.key("carol").line
    two_keys = approver("alice", entry(alice), entry(signing.key("alice-2").line, "second"))
    ended = approver("bob", entry(signing.key("bob").line, not_after=NOW - 1))
    assert able(signing.registry(two_keys, ended), Requirement(), NOW) == 1
    assert able(signing.registry(approver("c", entry(carol)), approver("d", entry(carol))), Requirement(), NOW) == 0
    payments = Requirement(teams=frozenset({"payments"}))
    assert able(signing.registry(two_keys, approver("bob", teams=("payments", "x"))), payments, NOW) == 1
    touched = Requirement(assurance=Assurance.PRESENCE)
    assert able(signing.registry(two_keys), touched, NOW) == 0
    assert able(signing.registry(approver("erin", entry(Authenticator().line))), touched, NOW) == 1
