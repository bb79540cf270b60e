"""Pods end by the claims through which they have devices (Dynamic Resource Allocation)."""

from typing import Any

import msgspec
import pytest
from tests.support.builders import (
    DEPLOYMENTS,
    PERSON,
    approved_for,
    deletion,
    live,
    policy,
    resolved,
    state,
    target,
    update,
)
from tests.support.resolving import Answers, decide, ended

from seconder.admission.dependents import Dependent
from seconder.admission.request import Owner, Request
from seconder.api.reasons import Reason
from seconder.api.resources import PODS, Action, GroupResource

CLAIMS = GroupResource("resource.k8s.io", "resourceclaims")
CLAIM = target(CLAIMS, "gpu", uid="uid-claim")
POD = target(PODS, "broker", uid="uid-pod")
OTHER = target(PODS, "other", uid="uid-other")
HELD = {"finalizers": ["resource.kubernetes.io/delete-protection"]}
OF_POD = {
    "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "broker", "uid": "uid-pod", "controller": True}]
}


def _given(device: str, *pods: str) -> dict[str, Any]:
    """A claim that has a device, and for which pods."""
    allocation = {"devices": {"results": [{"request": "gpu", "driver": "d", "pool": "p", "device": device}]}}
    reserved = [
        {"resource": "pods", "name": name, "uid": f"uid-{'pod' if name == 'broker' else name}"} for name in pods
    ]
    return {"status": {"allocation": allocation, "reservedFor": reserved}} | HELD


USED = _given("good", "broker")
FREE: dict[str, Any] = {"status": {}} | HELD
THERE = Answers(objects={**live(POD), **live(OTHER)})


def _told(old: dict[str, Any], new: dict[str, Any]) -> Request:
    return update(CLAIM, old=old, new=new, subResource="status")


ENDING = {
    "no devices any more": _told(USED, FREE),
    "for nobody any more": _told(USED, _given("good")),
    "for somebody else as well": _told(USED, _given("good", "broker", "other")),
    "broken devices": _told(FREE | OF_POD, _given("bad", "broker") | OF_POD),
    "it has broken ones": _told(_given("bad"), _given("bad", "broker")),
    "what its driver tells": _told(USED, {"status": USED["status"] | {"devices": [{"driver": "d"}]}} | HELD),
    "devices for a pod that waits": _told(FREE | OF_POD, _given("bad") | OF_POD),
    "no finalizer": update(CLAIM, old=USED, new=USED | {"finalizers": []}),
    "another owner": update(CLAIM, old=USED, new=USED | {"owners": [Owner("v1", "ConfigMap", "c", "uid-c")]}),
    "a mark for some program": update(CLAIM, old=USED, new=USED | {"annotations": {"janitor/ttl": "1m"}}),
    "its deletion": deletion(CLAIM, stored=USED),
}


@pytest.mark.parametrize("how", ENDING)
def test_a_claim_that_loses_its_devices_ends_the_pods_that_have_it(how: str) -> None:
    """As their deletion, which can be approved."""
    asked = ENDING[how]
    decided = decide(asked, state(policy(PODS)), answers=THERE)
    assert (decided.reason, decided.action) == (Reason.APPROVAL_MISSING, Action.DELETE)
    assert "broker" in ended(decided)
    signed = Answers(
        objects={**live(POD, annotations=approved_for(POD)), **live(OTHER, annotations=approved_for(OTHER))}
    )
    assert decide(asked, state(policy(PODS)), answers=signed).reason is Reason.APPROVED
    for free in (policy(DEPLOYMENTS), policy(PODS, namespaces=frozenset({"elsewhere"}))):
        assert decide(asked, state(free), answers=THERE).allowed
    assert decide(msgspec.structs.replace(asked, caller=PERSON), state(policy(PODS)), answers=THERE).allowed


STAYING = {
    "labels": update(CLAIM, old=USED, new=USED | {"labels": {"a": "b"}}),
    "nobody has it": deletion(CLAIM, stored=_given("good")),
    "it is new": deletion(CLAIM, stored={}),
    "nobody had them": _told(_given("good"), FREE),
    "whoever had it is gone": deletion(CLAIM, stored=_given("good", "gone")),
}


@pytest.mark.parametrize("how", STAYING)
def test_a_claim_that_no_pod_has_is_changed_freely(how: str) -> None:
    """And so are its labels."""
    assert ended(decide(STAYING[how], state(policy(PODS)), answers=THERE)) == []


@pytest.mark.parametrize(
    "asked",
    [
        _told(FREE, _given("bad")),
        _told(FREE, _given("bad", "other")),
        _told(FREE | OF_POD, {"status": _given("bad")["status"] | {"reservedFor": [{"resource": "podgroups"}]}}),
        deletion(CLAIM, stored={"status": {"reservedFor": [{"apiGroup": "g", "resource": "pods", "name": "n"}]}}),
        deletion(CLAIM, stored={"status": {"reservedFor": "all"}}),
    ],
)
def test_devices_for_whom_nobody_knows_are_refused(asked: Request) -> None:
    """Any pod may name the claim, and wait for it; and a group of pods is not followed."""
    assert decide(asked, state(policy(PODS)), answers=THERE).reason is Reason.INTERNAL_ERROR
    assert decide(asked, state(policy(DEPLOYMENTS)), answers=THERE).allowed


def test_what_a_pod_says_of_its_claims_is_no_agents() -> None:
    """Of one that a policy names it is a change. Of another it counts as the end of the claim that was made for it."""
    names = {"status": {"resourceClaimStatuses": [{"name": "gpu", "resourceClaimName": "gpu"}]}}
    asked = update(POD, old=names, new={"status": {}}, subResource="status")
    assert decide(asked, state(policy(PODS))).action is Action.CHANGE
    made = Dependent(resolved(CLAIMS), CLAIM.namespace, CLAIM.name, CLAIM.uid, PODS)
    answers = Answers(objects=live(CLAIM), dependents=[made])
    assert ended(decide(asked, state(policy(CLAIMS)), answers=answers)) == [CLAIM.name]
