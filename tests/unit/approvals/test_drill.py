"""Answers to a drill: verified as strictly as approvals, and never one of them."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from tests.support import signing, ssh_ca
from tests.support.fido import Authenticator
from tests.support.signing import NOW, key, line_of, signed

from seconder.api import constants
from seconder.api.policy import Assurance
from seconder.api.reasons import Reason, Rejected
from seconder.approvals import drill, statement, verification
from seconder.approvals.drill import Claims
from seconder.approvals.registry import Registry
from seconder.approvals.verification import Memo

_UID = "6c0d2f0e-0a41-4b0a-9a0f-0a41a8e2f001"
_BEGUN = NOW - 300
_PURPOSE = "k8s-drill@seconder.dev"


def _line(**changes: Any) -> str:
    claims = msgspec.to_builtins(Claims(drill=_UID, iat=NOW - 60, iss="alice@example.com")) | changes
    return line_of({name: value for name, value in claims.items() if value is not None})


def _answer(signer: signing.SshKey | None = None, purpose: str = _PURPOSE, **changes: Any) -> str:
    return signed(_line(**changes), signer, namespace=purpose)


def _verify(value: str, registry: Registry | None = None, now: float = NOW) -> drill.Answer:
    return drill.verify("answer.alice", value, _UID, _BEGUN, registry or signing.registry(), now)


def _refused(value: str, reason: Reason, words: str, registry: Registry | None = None) -> None:
    with pytest.raises(Rejected) as rejected:
        _verify(value, registry)
    assert rejected.value.reason is reason
    assert words in rejected.value.detail


def test_an_answer_tells_who_when_and_how_surely() -> None:
    """By the key with which it was signed."""
    answer = _verify(_answer())
    assert (answer.key.approver.name, answer.at, answer.assurance) == ("alice", NOW - 60, Assurance.SOFTWARE)


def test_what_is_signed_is_what_anybody_can_write_by_hand() -> None:
    """And says what it is to whoever reads it."""
    line = drill.encode(Claims(drill=_UID, iat=NOW, iss="alice@example.com")).decode()
    assert line == (
        f'{{"drill":"{_UID}","iat":{NOW},"iss":"alice@example.com",'
        '"says":"This is a drill: it approves nothing.","type":"https://seconder.dev/drill/v1"}\n'
    )


def test_the_two_purposes_differ() -> None:
    """All else rests on it."""
    assert constants.DRILL_NAMESPACE == _PURPOSE
    assert len({constants.DRILL_NAMESPACE, constants.SSHSIG_NAMESPACE}) == 2


@pytest.mark.parametrize("purpose", [_PURPOSE, signing.NAMESPACE])
@pytest.mark.parametrize("line", [_line, lambda: line_of(signing.claims())], ids=["drill", "approval"])
def test_only_an_approval_signed_as_one_approves(line: Callable[[], str], purpose: str) -> None:
    """An answer in an approval's place does not, and neither does what is signed for the one and says the other."""
    value = signed(line(), namespace=purpose)

    def approve() -> None:
        verification.verify("alice", value, signing.context(), signing.registry(), NOW, Memo(1))

    if purpose == signing.NAMESPACE and "authorization_details" in value:
        approve()
    else:
        with pytest.raises(Rejected) as rejected:
            approve()
        assert rejected.value.reason is Reason.APPROVAL_MALFORMED


@pytest.mark.parametrize("purpose", [_PURPOSE, signing.NAMESPACE])
@pytest.mark.parametrize("line", [_line, lambda: line_of(signing.claims())], ids=["drill", "approval"])
def test_only_an_answer_signed_as_one_answers(line: Callable[[], str], purpose: str) -> None:
    """An approval says that somebody was there for something else."""
    value = signed(line(), namespace=purpose)
    if purpose == _PURPOSE and '"drill"' in value:
        _verify(value)
    else:
        _refused(value, Reason.APPROVAL_MALFORMED, "")


def test_neither_set_of_claims_is_read_as_the_other() -> None:
    """The second thing that keeps them apart, with no signature between."""
    with pytest.raises(Rejected):
        statement.parse(_line().encode())
    with pytest.raises(Rejected):
        drill._claims(line_of(signing.claims()).encode())
    with pytest.raises(Rejected):
        drill._claims(line_of(signing.claims() | json.loads(_line())).encode())
    with pytest.raises(Rejected):
        statement.parse(line_of(json.loads(_line()) | signing.claims()).encode())


@pytest.mark.parametrize(
    ("changes", "reason", "words"),
    [
        ({"drill": "another"}, Reason.WRONG_OBJECT, "another drill"),
        ({"iss": "bob@example.com"}, Reason.SIGNATURE_INVALID, "somebody else"),
        ({"iat": _BEGUN - 61}, Reason.APPROVAL_NOT_YET_VALID, "before the drill"),
        ({"iat": NOW + 61}, Reason.APPROVAL_NOT_YET_VALID, "in the future"),
        ({"says": "Delete it."}, Reason.APPROVAL_MALFORMED, "exactly the claims"),
        ({"type": signing.TYPE}, Reason.APPROVAL_MALFORMED, "exactly the claims"),
        ({"more": 1}, Reason.APPROVAL_MALFORMED, "exactly the claims"),
        ({"says": None}, Reason.APPROVAL_MALFORMED, "canonical"),
        ({"iat": None}, Reason.APPROVAL_MALFORMED, "exactly the claims"),
    ],
)
def test_claims_are_exact(changes: dict[str, Any], reason: Reason, words: str) -> None:
    """For this drill, by the key's owner, made while it ran."""
    _refused(_answer(**changes), reason, words)


def test_a_line_that_was_changed_after_it_was_signed_answers_nothing() -> None:
    """Such as one that was sooner."""
    _refused(_answer().replace(str(NOW - 60), str(NOW - 90)), Reason.SIGNATURE_INVALID, "does not verify")


@pytest.mark.parametrize("value", ["", "yes", "{}", "{}\n", "eyJ.eyJ.c2ln", "x" * 9000, "\ud800"])
def test_rubbish_is_refused_with_a_sentence(value: str) -> None:
    """Whoever may write to the ConfigMap can put anything there."""
    _refused(value, Reason.APPROVAL_MALFORMED, "")


def test_keys_count_as_they_do_for_approvals() -> None:
    """Unknown, ended, or in two Approvers."""
    ended = signing.registry(signing.approver("alice", signing.entry(key("alice").line, not_after=NOW)))
    twice = signing.registry(signing.approver("alice"), signing.approver("bob", signing.entry(key("alice").line)))
    _refused(_answer(key("mallory")), Reason.APPROVER_UNKNOWN, "not registered")
    _refused(_answer(), Reason.KEY_REVOKED, "notAfter", ended)
    _refused(_answer(), Reason.APPROVER_NOT_ALLOWED, "does not count", twice)


@pytest.mark.parametrize(("flags", "proven"), [(0x00, None), (0x01, Assurance.PRESENCE), (0x05, Assurance.VERIFIED)])
def test_a_security_key_proves_a_touch_or_does_not_answer(flags: int, proven: Assurance | None) -> None:
    """As for approvals."""
    token = Authenticator("ed25519")
    registry = signing.registry(signing.approver("alice", signing.entry(token.line)))
    value = _line() + token.sign(_line().encode(), flags=flags, namespace=_PURPOSE).rstrip("\n")
    if proven is None:
        _refused(value, Reason.ASSURANCE_TOO_LOW, "touched", registry)
    else:
        assert _verify(value, registry).assurance is proven


def test_a_certificate_makes_an_answer_count_while_it_is_valid() -> None:
    """And no longer."""
    registry = Registry((), (ssh_ca.authority(),))
    for valid, ok in ((ssh_ca.USUAL, True), ((NOW - 9000, NOW - 1), False), ((NOW - 30, NOW + 9000), False)):
        issued = ssh_ca.issue(key("ca"), key("erin").line, "erin@example.com", valid=valid)
        line = _line(iss="erin@example.com")
        value = line + ssh_ca.signature(issued, key("erin"), line.encode(), namespace=_PURPOSE).rstrip("\n")
        if ok:
            assert _verify(value, registry).key.approver.principal == "erin@example.com"
        else:
            with pytest.raises(Rejected):
                _verify(value, registry)


def test_one_person_answers_once() -> None:
    """However many values and keys: what is first in order stands."""
    registry = signing.registry(
        signing.approver("alice", signing.entry(key("alice").line, "a"), signing.entry(key("alice-2").line, "b"))
    )
    data = {"answer.a": _answer(), "answer.b": _answer(key("alice-2")), "answer.c": "no", "required": "1"}
    found, refused = drill.answers(data, _UID, _BEGUN, registry, NOW)
    assert [answer.name for answer in found] == ["answer.a", "answer.b"]
    assert [each.name for each in refused] == ["answer.c"]
    assert [answer.name for answer in drill.first_of_each(found)] == ["answer.a"]


def test_who_cannot_answer_is_known_before_the_night() -> None:
    """Without a key that counts: the most useful thing that a drill finds."""
    ended = signing.approver("alice", signing.entry(key("alice").line, not_after=NOW))
    bob, none = signing.approver("bob"), signing.approver("carol", signing.entry("ssh-dss AAAAB3NzaC1kc3M="))
    registry = signing.registry(ended, bob, none)
    assert drill.obstacle(ended, registry, NOW) == "no key that counts"
    assert drill.obstacle(bob, registry, NOW) == ""
    assert drill.obstacle(none, registry, NOW) == "no key that counts"
    assert drill.obstacle(ended, Registry([ended], [ssh_ca.authority()]), NOW) == ""
