"""What only people write on an object, and the room that it needs there."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from tests.support import signing
from tests.support.builders import AGENT, DEPLOYMENT, PERSON, REAL, creation, deletion, policy, state, update
from tests.support.resolving import decide, refusal

from seconder.admission.request import Caller, Request
from seconder.api import constants
from seconder.api.policy import Mode, Requirement
from seconder.api.reasons import Reason
from seconder.api.resources import SECRETS, Action

OLD = {"approval.seconder.dev/alice": "signed", "note": "x"}
NOTE = {constants.BREAK_GLASS: "2026-11-22T04:30:00Z INC-4821"}
REFUSED = "agents may not change approvals and break-glass annotations"


def _changed(old: Mapping[str, str], new: Mapping[str, str], user: Caller = AGENT, **fields: Any) -> Request:
    return update(user=user, old={"annotations": old}, new={"annotations": new}, **fields)


def _made(annotations: Mapping[str, str]) -> Request:
    return creation(DEPLOYMENT, new={"annotations": annotations})


@pytest.mark.parametrize(
    ("stored", "incoming"),
    [
        ({}, OLD),
        (OLD, {}),
        (OLD, {"note": "x"}),
        (OLD, OLD | {"approval.seconder.dev/alice": "other"}),
        (OLD, OLD | {"approval.seconder.dev/bob": "more"}),
        ({}, {"approval.seconder.dev/": ""}),
    ],
)
def test_agents_neither_add_nor_change_nor_remove_approvals(stored: dict[str, str], incoming: dict[str, str]) -> None:
    """On the object or through a subresource that stores annotations."""
    for subresource in ("", "status", "finalize"):
        assert refusal(decide(_changed(stored, incoming, subResource=subresource), state())) == REFUSED
    assert decide(_changed(stored, incoming, PERSON), state()).allowed


ALICE = "approval.seconder.dev/alice"
_OVER = signing.NOW - 60
_LIVE = {"exp": _OVER + 1, "iat": _OVER - 900}
_ENDED: dict[str, Any] = {"exp": _OVER, "iat": _OVER - 900}
_ANOTHERS = {"sub": "dana@example.com", "act": None}


def _alice(**claims: Any) -> dict[str, str]:
    return {ALICE: signing.approval(**claims)}


@pytest.mark.parametrize(
    ("stored", "incoming"),
    [
        (_alice(**_ENDED), {}),
        (_alice(**_ENDED, **_ANOTHERS), {}),
        ({}, _alice(**_ENDED)),
        ({}, _alice(**_ENDED, **_ANOTHERS)),
        (_alice(**_ENDED), _alice(**_ENDED, reason="another")),
    ],
    ids=["taken", "another's", "brought", "another's brought", "replaced"],
)
def test_what_is_over_goes_and_comes_back_by_an_agent(stored: dict[str, str], incoming: dict[str, str]) -> None:
    """A rollback puts all annotations of a former ReplicaSet in place."""
    note = {"note": "x"}
    assert decide(_changed(stored | note, incoming | note), state()).allowed


@pytest.mark.parametrize(
    ("stored", "incoming"),
    [
        ({}, _alice()),
        (_alice(), {}),
        (_alice(), _alice(**_ENDED)),
        ({}, _alice(**_LIVE)),
        (_alice(**_ENDED), _alice()),
        (_alice(**_ENDED), _alice(**_LIVE)),
        (_alice(**_ANOTHERS), {}),
        (_alice(**_LIVE, **_ANOTHERS), {}),
        (_alice(act=None), {}),
        (_alice(act={"sub": "hal"}), {}),
        (_alice(**_ANOTHERS), _alice(**_ENDED)),
        (_alice(**_ENDED), {"approval.seconder.dev/bob": "rubbish"}),
        (_alice(**_ENDED) | NOTE, _alice(**_ENDED)),
        (_alice(**_ENDED), NOTE),
    ],
    ids=lambda each: "",
)
def test_what_may_count_neither_comes_nor_goes_by_an_agent(stored: dict[str, str], incoming: dict[str, str]) -> None:
    """By no clock of another replica: what has just ended here may count there. Nor what nobody can read."""
    assert refusal(decide(_changed(stored, incoming), state())) == REFUSED


def test_what_no_approver_gave_the_object_does_not_come_although_it_is_over() -> None:
    """It would have the place of an approval to come: by an unknown key, by another's, of another object, rewritten."""
    real = signing.approval(**_ENDED)
    elsewhere = signing.approval(**_ENDED, detail={"identifier": "another"})
    tampered = signing.line_of(signing.claims(**_ENDED, reason="another")) + real[real.index("\n") + 1 :]
    unknown, others = (signing.approval(signing.key(name), **_ENDED) for name in ("mallory", "bob"))
    for value in (unknown, others, elsewhere, tampered):
        for stored in ({}, {ALICE: real}):
            assert refusal(decide(_changed(stored, {ALICE: value}), state())) == REFUSED
        assert decide(_changed({ALICE: value}, {}), state()).allowed
    anew = creation(msgspec.structs.replace(DEPLOYMENT, uid="anew"), new={"annotations": {ALICE: real}})
    assert refusal(decide(anew, state())) == REFUSED


_SPEC: dict[str, Any] = {"replicas": 2, "paused": False}
_PAUSED, _NONE = ({"spec": _SPEC | change} for change in ({"paused": True}, {"replicas": 0}))
_OWNED: dict[str, Any] = {"spec": _SPEC, "owners": [REAL]}


def _wanted(new: Any, held: Mapping[str, str], kept: Mapping[str, str] | None = None) -> Request:
    """An update of an object with these approvals that takes all off but those that are kept."""
    return update(old={"spec": _SPEC, "annotations": held}, new={**new, "annotations": kept or {}})


def _lets_through(new: Any, slug: str = "alice", **claims: Any) -> dict[str, str]:
    """An approval of this update, under a slug."""
    change = decide(_wanted(new, {}), state(policy())).change
    assert change is not None
    detail: dict[str, Any] = {"actions": [change.action.value]}
    if change.difference is not None:
        detail["change"] = {"from": change.difference.before, "to": change.difference.after}
    return {f"approval.seconder.dev/{slug}": signing.approval(detail=detail, **claims)}


@pytest.mark.parametrize("new", [_PAUSED, _NONE, _OWNED], ids=["Change", "ScaleToZero", "ChangeOwners"])
def test_an_update_takes_off_the_very_approval_that_lets_it_through(new: dict[str, Any]) -> None:
    """As a rollback does, and whoever writes a whole object. What is over may come back in its place."""
    held = _lets_through(new)
    for kept in (held, {}, {"note": "x"}, _alice(**_ENDED)):
        decided = decide(_wanted(new, held, kept), state(policy()))
        assert decided.reason is Reason.APPROVED
    others = _alice(**_ENDED) | _lets_through(new, "bob")
    assert decide(_wanted(new, others), state(policy())).reason is Reason.APPROVED


@pytest.mark.parametrize(
    ("new", "held"),
    [
        (_PAUSED, _alice()),
        (_PAUSED, _lets_through(_PAUSED) | {"approval.seconder.dev/bob": signing.approval()}),
        (_PAUSED, _lets_through(_PAUSED) | {"approval.seconder.dev/bob": "rubbish"}),
        (_PAUSED, _lets_through(_PAUSED) | NOTE),
        (_PAUSED, _lets_through(_PAUSED) | _lets_through(_PAUSED, "bob", sub="dana@example.com")),
        (_PAUSED, _lets_through(_PAUSED) | _lets_through({"spec": _SPEC | {"paused": None}}, "bob")),
        (_NONE, _alice()),
        (_NONE, _alice(detail={"actions": ["ScaleToZero", "ChangeOwners"]})),
        ({"spec": _SPEC, "labels": {"a": "b"}}, _lets_through(_PAUSED)),
        ({"spec": _SPEC}, _lets_through(_NONE)),
    ],
    ids=lambda each: "",
)
def test_no_update_takes_off_another(new: dict[str, Any], held: dict[str, str]) -> None:
    """Of a deletion, of another change, for somebody else; and none by what is free. It is said at once."""
    assert refusal(decide(_wanted(new, held), state(policy()))) == REFUSED


def test_what_a_deletion_was_approved_for_may_come_later() -> None:
    """An owner under which the object goes, where a policy asks about that alone."""
    deleted = state(policy(actions=frozenset({Action.DELETE})))
    assert decide(_wanted(_OWNED, _alice(), _alice()), deleted).reason is Reason.APPROVED
    assert refusal(decide(_wanted(_OWNED, _alice()), deleted)) == REFUSED


def test_none_comes_back_by_what_it_lets_through() -> None:
    """Nor another in its place."""
    held = _lets_through(_PAUSED)
    for kept in (_alice(**_LIVE), _lets_through(_PAUSED, jti="another".rjust(32, "0"))):
        assert refusal(decide(_wanted(_PAUSED, held, kept), state(policy()))) == REFUSED


def test_who_takes_off_one_of_two_that_are_needed_is_told_what_is_missing() -> None:
    """It may take both off then."""
    two = state(policy(requirement=Requirement(required=2)))
    one = _lets_through(_PAUSED, txn="chg-1")
    assert decide(_wanted(_PAUSED, one), two).reason is Reason.QUORUM_NOT_REACHED


def test_who_may_not_roll_back_is_told_what_to_do() -> None:
    """An approval of somebody else's change is not the agent's to take off, and none comes back by it."""
    taken = decide(_changed(_alice(**_ANOTHERS), {}), state()).advice
    brought = decide(_changed({}, _alice()), state()).advice
    # It came in the place of the one that the ReplicaSet has.
    replaced = decide(_changed(_alice(**_ENDED), _alice(**_LIVE)), state()).advice
    for advice, why in ((taken, "takes off"), (brought, "brings back"), (replaced, "brings back")):
        assert advice.startswith(f"It {why} an approval that is not over")
        assert "kubectl set image" in advice
        assert "revoke" in advice


def test_agents_make_no_object_with_an_approval_on_it() -> None:
    """An exported manifest carries the old one along."""
    assert refusal(decide(_made(OLD), state())) == REFUSED


@pytest.mark.parametrize(
    "request_",
    [_made(NOTE), _changed({}, NOTE), _changed(NOTE, {}), _changed(NOTE, {constants.BREAK_GLASS: "other"})],
)
def test_agents_do_not_write_it(request_: Request) -> None:
    """The emergency's annotation: neither new nor changed nor removed."""
    assert decide(request_, state()).reason is Reason.PROTECTED_CONFIGURATION


def test_agents_go_on_with_objects_that_carry_approvals() -> None:
    """While these stay as they are; deleting is decided elsewhere."""
    for request in (
        _changed(OLD, OLD | {"note": "y"}),
        deletion(stored={"annotations": OLD}),
        _changed({}, {"approval.seconder.dev.example/x": "1"}),
    ):
        assert decide(request, state()).allowed


def test_annotations_leave_room_for_approvals() -> None:
    """Bytes count, not characters; what crowds the object already may become less, but no more."""
    size = 192 * 1024 - len("key")
    full, over, umlauts = ({"key": text} for text in ("x" * size, "x" * (size + 1), "ä" * (size // 2 + 1)))
    for request in (_made(full), _changed({}, full), _changed(over, over), _changed(umlauts, over)):
        assert decide(request, state(policy())).allowed
    for request in (_made(over), _made(umlauts), _changed(full, over)):
        said = "agents may not change annotations so that no approval finds room beside them"
        decided = decide(request, state(policy()))
        assert refusal(decided) == said
        assert decided.advice.startswith("Leave at most 192 KiB of annotations")
        assert decide(request, state(policy(SECRETS))).allowed, "nobody needs room for what no policy names"
        assert decide(request, state(policy(mode=Mode.AUDIT))).allowed
        assert refusal(decide(request, state(policy(actions=frozenset({Action.CHANGE}))))) == said
    assert decide(_changed({}, over, PERSON), state(policy())).allowed
