"""The deletion of a ReplicaSet is decided on as that of the Deployment that made it."""

import json
from typing import Any

import pytest
from tests.support import signing

from seconder.admission import codec
from seconder.admission.decision import Decision, decide
from seconder.admission.evidence import Evidence, World
from seconder.admission.policy_index import Guarded, PolicyIndex
from seconder.admission.prerequisites import looks
from seconder.admission.request import Request
from seconder.api import constants
from seconder.api.policy import Mode, Policy, ResolvedResource
from seconder.api.reasons import Reason
from seconder.api.resources import Action, GroupResource
from seconder.approvals.impact import LiveObject

DEPLOYMENTS = GroupResource("apps", "deployments")
RESOLVED = ResolvedResource(DEPLOYMENTS, "v1", namespaced=True, custom=False, kind="Deployment")
WORLD = World(
    PolicyIndex([Policy("p", resources=frozenset({DEPLOYMENTS}), resolved={DEPLOYMENTS: RESOLVED})]),
    signing.registry(),
    {},
    signing.AUDIENCE,
    Guarded(),
)


def _request(user: str = signing.REQUESTER, **owner: Any) -> Request:
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout", "controller": True}
    reference |= {"uid": signing.DEPLOYMENT.uid} | owner
    metadata = {"name": "checkout-5d", "namespace": "payments", "uid": "rs-1", "ownerReferences": [reference]}
    request = {
        "uid": "r",
        "kind": {"group": "apps", "version": "v1", "kind": "ReplicaSet"},
        "resource": {"group": "apps", "version": "v1", "resource": "replicasets"},
        "name": "checkout-5d",
        "namespace": "payments",
        "operation": "DELETE",
        "userInfo": {"username": user},
        "oldObject": {"metadata": metadata},
    }
    body = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    return codec.decode(json.dumps(body).encode())


def _decide(request: Request, live: LiveObject | None) -> Decision:
    objects = {} if live is None else dict.fromkeys(looks(request, WORLD, Mode.ENFORCE), live)
    evidence = Evidence(fresh=True, contents={}, objects=objects)
    return decide(request, WORLD, Mode.ENFORCE, evidence, float(signing.NOW), signing.memo())


def test_it_needs_the_approval_of_its_deployments_deletion() -> None:
    """On the Deployment, and for its deletion."""
    refused = _decide(_request(), LiveObject(signing.DEPLOYMENT.uid, {}))
    assert (refused.reason, refused.action) == (Reason.APPROVAL_MISSING, Action.DELETE)
    assert refused.change is not None
    assert refused.change.target == signing.DEPLOYMENT
    held = {f"{constants.APPROVAL_PREFIX}alice": signing.approval()}
    assert _decide(_request(), LiveObject(signing.DEPLOYMENT.uid, held)).reason is Reason.APPROVED


@pytest.mark.parametrize("live", [None, LiveObject("made anew", {})])
def test_one_whose_deployment_is_gone_is_free(live: LiveObject | None) -> None:
    """Nobody's any more."""
    assert _decide(_request(), live).reason is Reason.NOT_COVERED


@pytest.mark.parametrize(
    "owner", [{"controller": False}, {"kind": "Rollout"}, {"apiVersion": "example.com/v1"}, {"name": "../x"}]
)
def test_one_that_no_protected_kind_made_is_free(owner: dict[str, Any]) -> None:
    """Kind and group are taken exactly, and a name that is none steers no path."""
    assert looks(_request(**owner), WORLD, Mode.ENFORCE) == []
    assert _decide(_request(**owner), LiveObject(signing.DEPLOYMENT.uid, {})).reason is Reason.NOT_COVERED


def test_people_delete_them_as_they_like() -> None:
    """A policy for agents binds agents."""
    live = LiveObject(signing.DEPLOYMENT.uid, {})
    assert _decide(_request(user="dana@example.com"), live).reason is Reason.NOT_COVERED


def test_a_failed_look_up_refuses() -> None:
    """What is not known is never taken for absent."""
    evidence = Evidence(fresh=True, contents={}, objects=None)
    decided = decide(_request(), WORLD, Mode.ENFORCE, evidence, float(signing.NOW), signing.memo())
    assert decided.reason is Reason.INTERNAL_ERROR
