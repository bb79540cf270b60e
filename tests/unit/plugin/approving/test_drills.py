"""Who has answered a drill, as it is told."""

from collections.abc import Mapping
from typing import Any

import pytest
from tests.support import signing
from tests.support.fido import Authenticator
from tests.support.signing import NOW, key

from seconder.api import constants
from seconder.api.policy import Assurance
from seconder.approvals import drill
from seconder.approvals.drill import Claims
from seconder.approvals.registry import Registry
from seconder.plugin.approving import drills
from seconder.plugin.approving.drills import Call, Outcome
from seconder.plugin.terminal.problem import Problem

_UID = "6c0d2f0e-0a41-4b0a-9a0f-0a41a8e2f001"
_BEGUN = NOW - 3600


def _answer(who: str, after: int, signer: Any = None) -> str:
    line = drill.encode(Claims(drill=_UID, iat=_BEGUN + after, iss=f"{who}@example.com"))
    if isinstance(signer, Authenticator):
        return line.decode() + signer.sign(line, namespace=constants.DRILL_NAMESPACE).rstrip("\n")
    return signing.signed(line.decode(), signer or key(who), namespace=constants.DRILL_NAMESPACE)


def _outcome(registry: Registry, answers: Mapping[str, str], **asked: Any) -> Outcome:
    given: dict[str, Any] = {"teams": frozenset(), "required": 1, "assurance": Assurance.SOFTWARE, "within": None}
    data = {f"answer.{name}": value for name, value in answers.items()}
    return drills.outcome(Call("drills", "night", _UID, _BEGUN, data=data, **(given | asked)), registry, NOW)


def _states(found: Outcome) -> dict[str, str]:
    return {person.approver: person.state for person in found.people}


def test_one_person_with_two_keys_is_one_who_answered() -> None:
    """However many answers stand there."""
    alice = signing.approver("alice", signing.entry(key("alice").line, "a"), signing.entry(key("alice-2").line, "b"))
    answers = {"a": _answer("alice", 60), "b": _answer("alice", 90, key("alice-2")), "c": _answer("alice", 60)}
    found = _outcome(signing.registry(alice, signing.approver("bob")), answers, required=2)
    assert _states(found) == {"alice": "Answered", "bob": "NotYet"}
    assert (found.counted, found.reached, found.people[0].after) == (1, False, 60)


def test_who_came_late_or_without_a_touch_is_told_and_does_not_count() -> None:
    """And whoever did better at another time counts by that."""
    token = Authenticator("ed25519")
    carol = signing.approver("carol", signing.entry(key("carol").line, "a"), signing.entry(token.line, "b"))
    registry = signing.registry(signing.approver("alice"), carol)
    answers = {"alice": _answer("alice", 901), "carol": _answer("carol", 10), "more": _answer("carol", 900, token)}
    found = _outcome(registry, answers, within=900)
    assert _states(found) == {"carol": "Answered", "alice": "TooLate"}
    found = _outcome(registry, answers, assurance=Assurance.PRESENCE)
    assert _states(found) == {"carol": "Answered", "alice": "TooWeak"}
    assert (found.people[0].after, found.counted) == (900, 1)
    assert _states(_outcome(registry, answers, assurance=Assurance.PRESENCE, within=899))["carol"] == "TooWeak"


def test_only_those_who_were_asked_count() -> None:
    """Others' answers are told apart, and who was asked and has no key that counts, too."""
    ended = signing.entry(key("dave").line, not_after=NOW)
    registry = signing.registry(
        signing.approver("alice", teams=("payments",)),
        signing.approver("bob", teams=("web",)),
        signing.approver("dave", ended, teams=("payments",)),
    )
    answers = {"alice": _answer("alice", 5), "bob": _answer("bob", 5), "dave": _answer("dave", 5)}
    found = _outcome(registry, answers, teams=frozenset({"payments"}), required=2)
    assert _states(found) == {"alice": "Answered", "dave": "Cannot"}
    assert {each.name: str(each.reason) for each in found.refused} == {
        "answer.bob": "ApproverNotAllowed",
        "answer.dave": "KeyRevoked",
    }
    assert not found.reached


@pytest.mark.parametrize(
    "changes",
    [
        {"required": "0"}, {"required": "1000"}, {"required": "x"}, {"required": "\u0661"}, {"assurance": "much"},
        {"within": "0s"}, {"within": "soon"}, {"teams": "a/b"}, {"teams": "x" * 64}, {"required": ""},
    ],
)  # fmt: skip
def test_a_damaged_drill_is_told_in_a_sentence(changes: dict[str, str]) -> None:
    """Whoever may write to the ConfigMap can put anything there."""
    data = drills.fields(["b", "a", "b"], 2, Assurance.PRESENCE, "15m")
    assert data == {"assurance": "Presence", "required": "2", "teams": "a b", "within": "15m"}
    with pytest.raises(Problem):
        drills._read_fields(data | changes)
