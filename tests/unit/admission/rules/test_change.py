"""Whatever else an agent changes of a protected object, it changes only with approval."""

from typing import Any

import pytest
from tests.support.builders import (
    AGENT,
    CONFIG_MAPS,
    DEPLOYMENT,
    GHOST,
    PERSON,
    approved,
    document,
    policy,
    scale,
    state,
    target,
    update,
)
from tests.support.resolving import Answers, decide

from seconder.admission import codec
from seconder.admission.decision import Decision
from seconder.admission.lookups import ReadWhole
from seconder.admission.request import Caller, Request
from seconder.api import constants
from seconder.api.policy import AgentTags, Mode, Policy, Subjects
from seconder.api.reasons import Reason
from seconder.api.resources import LOSSES, NAMESPACES, PODS, Action

BEFORE: dict[str, Any] = {
    "spec": {"replicas": 2, "paused": False, "template": {"spec": {"containers": [{"image": "shop:1"}]}}},
    "labels": {"team": "shop"},
}
ROLLED_OUT = BEFORE["spec"] | {"template": {"spec": {"containers": [{"image": "shop:2"}]}}}
PAUSED = BEFORE["spec"] | {"paused": True}


def _update(user: Caller = AGENT, subresource: str = "", old: Any = None, **new: Any) -> Request:
    stored = BEFORE | (old or {})
    return update(user=user, old=stored, new=stored | new, subResource=subresource)


def _decide(request: Request, *policies: Policy, **more: Any) -> Decision:
    return decide(request, state(*(policies or (policy(),))), **more)


def _approved(decided: Decision, **changes: Any) -> dict[str, str]:
    assert decided.change is not None
    assert decided.change.difference is not None
    named = {"from": decided.change.difference.before, "to": decided.change.difference.after} | changes
    return approved(detail={"actions": ["Change"], "change": named})


@pytest.mark.parametrize(
    "new",
    [
        {},
        {"spec": ROLLED_OUT},
        {"spec": BEFORE["spec"] | {"replicas": 5}},
        {"labels": {"team": "shop", "x": "y"}},
        {"labels": None, "annotations": {"seconder.dev/reason": "INC-1"}},
        {"spec": ROLLED_OUT | {"replicas": 7}, "labels": {}},
    ],
)
def test_ordinary_work_is_free_and_asks_nothing(new: dict[str, Any]) -> None:
    """A rollout, a size, labels and annotations; and what changes nothing at all."""
    answers = Answers()
    decided = _decide(_update(**new), answers=answers)
    assert (decided.allowed, decided.reason) == (True, Reason.NOT_COVERED)
    assert answers.questions(ReadWhole) == []
    assert _decide(_update(**new), policy(free_changes=())).allowed == (not new)


@pytest.mark.parametrize(
    ("new", "below"),
    [
        ({"spec": PAUSED}, ""),
        ({"spec": ROLLED_OUT | {"paused": True}}, ""),
        ({"finalizers": ["example.com/x"]}, ""),
        ({"status": {"replicas": 0}}, "status"),
        ({"status": {"replicas": 0}}, ""),
        ({"spec": PAUSED}, "anything"),
        ({"unheard": {"of": 1}}, ""),
    ],
)
def test_whatever_is_not_listed_needs_a_peer(new: dict[str, Any], below: str) -> None:
    """Through whichever subresource, and beside whatever is free. People change what they like."""
    decided = _decide(_update(subresource=below, **new))
    assert (decided.reason, decided.action) == (Reason.APPROVAL_MISSING, Action.CHANGE)
    assert decided.change is not None
    assert decided.text().startswith("Change of deployments.apps payments/checkout needs approval by 1 peer")
    person = _decide(_update(PERSON, below, old={"annotations": {constants.AGENT_KEY: "kiro"}}, **new))
    assert person.allowed
    assert _decide(_update(PERSON, below, **new), policy(subjects=Subjects.EVERYONE, actions=frozenset(Action))).allowed


def test_a_change_is_approved_from_what_is_stored_to_what_is_wanted() -> None:
    """Free work in between does not void it; another change, another state, or a deletion's approval is no use."""
    held = _approved(_decide(_update(spec=PAUSED)))
    stored = {"annotations": held, "labels": {"team": "other"}, "status": {"replicas": 1}}
    decided = _decide(_update(old=stored, spec=PAUSED))
    assert (decided.reason, decided.action) == (Reason.APPROVED, Action.CHANGE)
    assert _decide(_update(old=stored, spec=PAUSED | ROLLED_OUT | {"paused": True})).reason is Reason.APPROVED
    assert _decide(_update(old=stored, spec=PAUSED, finalizers=["a/b"])).reason is Reason.WRONG_ACTION
    done = {"annotations": held, "spec": PAUSED}
    assert _decide(_update(old=done, spec=BEFORE["spec"])).reason is Reason.WRONG_ACTION
    assert _decide(_update(old=done, spec=PAUSED)).reason is Reason.NOT_COVERED
    assert _decide(_update(old={"annotations": approved()}, spec=PAUSED)).reason is Reason.WRONG_ACTION


def test_what_has_a_name_of_its_own_is_no_change_and_the_rest_is() -> None:
    """As long as the policy asks for it by that name."""
    zero = BEFORE["spec"] | {"replicas": 0}
    assert _decide(_update(spec=zero)).action is Action.SCALE_TO_ZERO
    owned: dict[str, Any] = {"owners": [GHOST]}
    assert _decide(_update(**owned)).action is Action.CHANGE_OWNERS
    both = approved(detail={"actions": ["ScaleToZero", "ChangeOwners"]})
    named = {"annotations": both}
    assert _decide(_update(old=named, spec=zero, **owned)).reason is Reason.APPROVED
    assert _decide(_update(old=named, spec=zero | {"paused": True})).reason is Reason.WRONG_ACTION
    alone = policy(actions=frozenset({Action.CHANGE}))
    for new in ({"spec": zero}, owned):
        assert _decide(_update(**new), alone).action is Action.CHANGE
    assert _decide(_update(spec=zero), policy(actions=LOSSES), alone).action is Action.SCALE_TO_ZERO
    leaving = {"deletionTimestamp": "2026-11-22T09:00:00Z", "finalizers": ["a/b"]}
    assert _decide(_update(old=leaving, finalizers=None)).action is Action.REMOVE_FINALIZERS


def test_an_owner_that_is_taken_away_is_a_change_of_owners() -> None:
    """And so is one whose flags change: what it controls is not made anew, or another one takes it."""
    stored: dict[str, Any] = {"owners": [GHOST]}
    assert _decide(_update(old=stored, owners=[])).action is Action.CHANGE_OWNERS
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "ghost", "uid": "uid-of-ghost"}
    flagged: dict[str, Any] = {"owners": [], "ownerReferences": [reference | {"controller": True}]}
    assert _decide(_update(old={"ownerReferences": [reference]}, **flagged)).allowed is False
    assert _decide(_update(PERSON, old=stored, owners=[])).allowed


def test_a_policys_own_list_replaces_the_table() -> None:
    """And where several cover the object, free is what each of them frees."""
    strict, loose = policy(name="strict", free_changes=("spec.paused",)), policy(name="loose")
    assert _decide(_update(spec=PAUSED), strict).allowed
    assert _decide(_update(spec=ROLLED_OUT), strict).action is Action.CHANGE
    assert _decide(_update(spec=ROLLED_OUT), strict, loose).policies == ("loose", "strict")
    assert not _decide(_update(spec=PAUSED), strict, loose).allowed
    assert _decide(_update(spec=PAUSED), policy(actions=LOSSES)).allowed
    assert _decide(_update(spec=PAUSED), policy(PODS)).allowed
    assert not _decide(_update(spec=PAUSED), policy(mode=Mode.AUDIT), mode=Mode.AUDIT).allowed


def test_a_scale_is_a_change_of_the_object_where_sizes_are_not_free() -> None:
    """A Scale holds none of it, so that the object is read: for its digest and its approvals."""
    strict = policy(free_changes=())
    stored = document(DEPLOYMENT, **BEFORE)
    answers = Answers(whole=stored)
    through_object = _decide(_update(spec=BEFORE["spec"] | {"replicas": 5}), strict)
    decided = _decide(scale(2, 5), strict, answers=answers)
    assert decided.change is not None
    assert through_object.change is not None
    assert decided.change.difference == through_object.change.difference
    held = Answers(whole=document(DEPLOYMENT, **BEFORE, annotations=_approved(decided)))
    assert _decide(scale(2, 5), strict, answers=held).reason is Reason.APPROVED
    for whole in (
        None,
        document(DEPLOYMENT, **BEFORE | {"spec": {"replicas": 4}}),
        document(target(uid="u-2"), **BEFORE),
    ):
        assert _decide(scale(2, 5), strict, answers=Answers(whole=whole)).reason is Reason.INTERNAL_ERROR
    assert _decide(scale(2, 2), strict).allowed
    asked = Answers()
    assert _decide(scale(2, 5), answers=asked).allowed
    assert asked.questions(ReadWhole) == []


def test_an_agent_by_its_field_manager_is_one() -> None:
    """A client chooses it, and some agents work with a person's credential."""
    bot = policy(agents=AgentTags(field_managers=frozenset({"bot"})))
    asked = update(user=PERSON, old=BEFORE, new=BEFORE | {"spec": PAUSED}, options={"fieldManager": "bot"})
    assert _decide(asked, bot).action is Action.CHANGE
    assert _decide(asked).allowed


def test_what_cannot_be_told_is_refused_to_agents() -> None:
    """And is nobody else's concern."""
    deep: Any = {}
    for _ in range(600):
        deep = {"a": deep}
    request = _update(spec=BEFORE["spec"] | {"deep": deep})
    assert not _decide(request).allowed
    assert _decide(_update(PERSON, spec={"deep": deep})).allowed


def test_the_labels_of_pod_security_are_not_free() -> None:
    """Other labels of a namespace are."""
    space = target(NAMESPACES, "payments", uid="uid-ns")
    named = policy(NAMESPACES, CONFIG_MAPS)
    for key, allowed in (("team", True), ("pod-security.kubernetes.io/enforce", False)):
        asked = update(space, old={"labels": {}}, new={"labels": {key: "privileged"}})
        assert _decide(asked, named).allowed is allowed


def _as_go_writes(request: Request) -> Request:
    """The review as Go's encoder writes it: an escape for each byte that is no UTF-8, and U+FFFD as it is."""
    body = request.body.replace(b"LOST", rb"\ufffd\ufffd").replace(b"TOLD", "\ufffd\ufffd".encode())
    return codec.decode(body)


@pytest.mark.parametrize(
    ("old", "new"), [("LOST", "LOST"), ("LOST", "TOLD"), ("TOLD", "LOST"), ("\\\\LOST", "\\\\LOST")]
)
def test_text_that_is_not_told_is_not_known_to_stay(old: str, new: str) -> None:
    """A protobuf client stores any bytes; what is written alike may be others, or be lost by a client of JSON."""
    guarded = policy(CONFIG_MAPS)
    on = target(CONFIG_MAPS, "settings", uid="uid-c")
    asked = _as_go_writes(update(on, old={"data": {"k": old}}, new={"data": {"k": new}, "labels": {"a": "b"}}))
    decided = _decide(asked, guarded)
    assert decided.reason is Reason.INTERNAL_ERROR
    assert "not UTF-8" in decided.message
    freeing = policy(CONFIG_MAPS, free_changes=("data", "metadata.labels"))
    assert _decide(asked, freeing).allowed
    person = update(on, PERSON, old={"data": {"k": old}}, new={"data": {"k": new}})
    assert _decide(_as_go_writes(person), guarded).allowed


@pytest.mark.parametrize("text", ["TOLD", r"\ufffd", r'{"a": "\ufffd"}', r"\\ufffd"])
def test_text_that_looks_so_is_told(text: str) -> None:
    """U+FFFD itself, and its escape in JSON within JSON."""
    on = target(CONFIG_MAPS, "settings", uid="uid-c")
    held = {"data": {"k": text}}
    asked = _as_go_writes(update(on, old=held, new=held | {"labels": {"a": "b"}}))
    assert _decide(asked, policy(CONFIG_MAPS)).allowed
