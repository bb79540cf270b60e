"""An autoscaler that may take a protected workload to nothing is decided on as that."""

import json
from typing import Any

import pytest
from tests.support import signing

from seconder.admission import codec
from seconder.admission.decision import Decision, decide
from seconder.admission.evidence import Evidence, World
from seconder.admission.policy_index import Guarded, PolicyIndex
from seconder.admission.prerequisites import looks
from seconder.admission.request import Reference, Request
from seconder.api import constants
from seconder.api.policy import Mode, Policy, ResolvedResource
from seconder.api.reasons import Reason
from seconder.api.resources import AUTOSCALERS, Action, GroupResource
from seconder.approvals.impact import LiveObject

DEPLOYMENTS = GroupResource("apps", "deployments")
RESOLVED = ResolvedResource(DEPLOYMENTS, "v1", namespaced=True, custom=False, kind="Deployment")
POLICY = Policy("p", resources=frozenset({DEPLOYMENTS}), resolved={DEPLOYMENTS: RESOLVED})
TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout"}


def _request(
    least: Any, before: Any = None, target: dict[str, Any] | None = None, user: str = signing.REQUESTER, **fields: Any
) -> Request:
    def scaler(minimum: Any) -> dict[str, Any]:
        spec = {"minReplicas": minimum, "maxReplicas": 3, "scaleTargetRef": target or TARGET}
        return {"metadata": {"name": "h", "namespace": "payments", "uid": "h-1"}, "spec": spec}

    request = {
        "uid": "r",
        "kind": {"group": "autoscaling", "version": "v2", "kind": "HorizontalPodAutoscaler"},
        "resource": {"group": AUTOSCALERS.group, "version": "v2", "resource": AUTOSCALERS.resource},
        "name": "h",
        "namespace": "payments",
        "operation": "CREATE" if before is None else "UPDATE",
        "userInfo": {"username": user},
        "object": scaler(least),
        "oldObject": None if before is None else scaler(before),
    }
    body = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request | fields}
    return codec.decode(json.dumps(body).encode())


def _decide(request: Request, policy: Policy = POLICY, objects: Any = None) -> Decision:
    world = World(PolicyIndex([policy]), signing.registry(), {}, signing.AUDIENCE, Guarded())
    evidence = Evidence(fresh=True, contents={}, objects=objects)
    return decide(request, world, Mode.ENFORCE, evidence, float(signing.NOW), signing.memo())


def _live(**annotations: str) -> dict[Any, LiveObject]:
    world = World(PolicyIndex([POLICY]), signing.registry(), {}, signing.AUDIENCE, Guarded())
    (ref,) = looks(_request(0), world, Mode.ENFORCE)
    assert (ref.resource.resource, ref.namespace, ref.name) == (DEPLOYMENTS, "payments", "checkout")
    return {ref: LiveObject(signing.DEPLOYMENT.uid, annotations)}


@pytest.mark.parametrize(
    ("request_", "shrinks"),
    [
        (_request(0), True),
        (_request(0, before=1), True),
        (_request(0, before=0), False),
        (_request(1), False),
        (_request(None), False),
        (_request(0, subResource="status"), False),
    ],
)
def test_what_an_autoscaler_may_not_do_yet_is_what_counts(request_: Request, *, shrinks: bool) -> None:
    """A write that leaves its least number at nothing changes nothing."""
    assert request_.shrinks == (Reference("apps/v1", "Deployment", "checkout") if shrinks else None)


def test_an_autoscaler_whose_numbers_are_none_is_malformed() -> None:
    """What it may do could not be told."""
    with pytest.raises(codec.Malformed):
        _request("0")


def test_the_approvals_are_the_workloads_own() -> None:
    """For the action that the autoscaler would take."""
    refused = _decide(_request(0), objects=_live())
    assert (refused.reason, refused.action) == (Reason.APPROVAL_MISSING, Action.SCALE_TO_ZERO)
    assert refused.change is not None
    assert refused.change.target == signing.DEPLOYMENT
    value = signing.approval(detail={"actions": ["ScaleToZero"]})
    held = {f"{constants.APPROVAL_PREFIX}alice": value}
    assert _decide(_request(0), objects=_live(**held)).reason is Reason.APPROVED


def test_a_workload_that_is_not_there_or_not_known_is_refused() -> None:
    """An autoscaler that waits for it would empty it later."""
    assert _decide(_request(0), objects={}).reason is Reason.APPROVAL_MISSING
    assert _decide(_request(0), objects=None).reason is Reason.INTERNAL_ERROR


@pytest.mark.parametrize(
    "policy",
    [
        Policy("p", resources=POLICY.resources, resolved=POLICY.resolved, actions=frozenset({Action.DELETE})),
        Policy("p", resources=POLICY.resources, resolved=POLICY.resolved, namespaces=frozenset({"elsewhere"})),
    ],
    ids=["another action", "another place"],
)
def test_what_no_policy_protects_from_it_is_free(policy: Policy) -> None:
    """As for any other action."""
    assert _decide(_request(0), policy, objects={}).reason is Reason.NOT_COVERED


@pytest.mark.parametrize(
    "target",
    [TARGET | {"kind": "StatefulSet"}, TARGET | {"apiVersion": "example.com/v1"}, TARGET | {"name": "../x"}],
)
def test_what_it_names_is_taken_exactly_and_steers_no_path(target: dict[str, Any]) -> None:
    """Another kind, another group, and no name at all."""
    assert _decide(_request(0, target=target), objects={}).reason is Reason.NOT_COVERED


def test_people_set_their_autoscalers_as_they_like() -> None:
    """A policy for agents binds agents."""
    assert _decide(_request(0, user="dana@example.com"), objects={}).reason is Reason.NOT_COVERED
