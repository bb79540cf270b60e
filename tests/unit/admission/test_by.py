"""By what an action is asked for, where that is no request for the action on the object itself."""

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec import UNSET
from msgspec.structs import replace
from tests.support.builders import (
    CONFIG_MAPS,
    DEPLOYMENT,
    GHOST,
    creation,
    deletion,
    eviction,
    live,
    policy,
    resolved,
    scale,
    state,
    target,
    update,
)
from tests.support.resolving import Answers, decide

from seconder.admission.decision import Decision
from seconder.admission.dependents import Dependent
from seconder.admission.request import Request
from seconder.api import change_request
from seconder.api.policy import Policy
from seconder.api.resources import AUTOSCALERS, PODS, REPLICA_SETS, SERVICES, Action, GroupResource
from seconder.approvals import change_requests
from seconder.approvals.change import Change

SERVICE = target(SERVICES, "api", uid="uid-api")
SLICE = target(GroupResource("discovery.k8s.io", "endpointslices"), "mine", uid="")
POD = target(PODS, "checkout-1", uid="uid-pod")
MADE_BY = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout", "uid": DEPLOYMENT.uid, "controller": True}
SCALER = {"minReplicas": 0, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout"}}
OWNED = Dependent(resolved(DEPLOYMENT.resource), "payments", "checkout", DEPLOYMENT.uid, CONFIG_MAPS)
ANSWERS = Answers(objects=live(DEPLOYMENT) | live(SERVICE) | live(POD), dependents=[OWNED])


def _decided(request: Request, *policies: Policy) -> Decision:
    named = policies or (policy(DEPLOYMENT.resource, SERVICES, PODS),)
    answers = Answers(objects=ANSWERS.objects, dependents=[OWNED] if request.target.resource == CONFIG_MAPS else [])
    return decide(request, state(*named), answers=answers)


def _change(request: Request, *policies: Policy) -> Change:
    decided = _decided(request, *policies)
    assert decided.change is not None, decided.message
    return decided.change


def _slice(name: str = "mine") -> Request:
    return creation(replace(SLICE, name=name), new={"labels": {"kubernetes.io/service-name": "api"}})


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (
            _slice(),
            "CREATE of endpointslices.discovery.k8s.io payments/mine: what is sent to the Service goes where they say",
        ),
        (
            creation(target(AUTOSCALERS, "mine", uid=""), new={"spec": SCALER}),
            "CREATE of horizontalpodautoscalers.autoscaling payments/mine: a controller does it on this one's word,"
            " and whenever it says so",
        ),
        (
            deletion(target(CONFIG_MAPS, "owner", uid="uid-owner")),
            "DELETE of configmaps payments/owner: the garbage collector deletes what it owns",
        ),
        (
            deletion(target(REPLICA_SETS, "checkout-5d"), stored={"ownerReferences": [MADE_BY]}),
            "DELETE of replicasets.apps payments/checkout-5d: a controller does it on this one's word, and whenever it"
            " says so",
        ),
    ],
    ids=["slice", "autoscaler", "owner", "ReplicaSet"],
)
def test_another_request_is_recorded_beside_the_action(asked: Request, told: str) -> None:
    """In the record, in its name, and wherever a list shows what goes down."""
    change = _change(asked)
    document = change_requests.document(change, None)
    recorded = change_request.parse(document)
    assert recorded.spec.asked_by == told
    assert change_requests.change_of(recorded, change.policies).name == recorded.name == change.name
    plain = replace(change, by=None)
    assert plain.name != change.name
    status = change_requests.refused(
        recorded.status, change, times=1, reason="", statement="", impact=None, now=datetime.now(UTC)
    )
    assert status.impact == f"the object itself, by {told}"


def test_an_end_of_ones_own_by_another_way_is_told_as_well() -> None:
    """A new owner counts as the deletion where the policy asks about that alone: it is no deletion."""
    alone = policy(actions=frozenset({Action.DELETE}))
    given = _change(update(new={"owners": [GHOST]}), alone)
    assert given.by is not None
    assert (given.by.operation, given.by.name) == ("UPDATE", "checkout")
    assert given.name != _change(deletion(), alone).name


@pytest.mark.parametrize(
    "asked",
    [
        deletion(),
        scale(1, 0),
        update(new={"owners": [GHOST]}),
        update(old={"spec": {}}, new={"spec": {"paused": True}}),
        eviction(POD),
        deletion(SERVICE),
    ],
    ids=["deletion", "scale", "owners", "change", "eviction", "another kind"],
)
def test_an_action_on_the_object_itself_is_recorded_as_before(asked: Request) -> None:
    """Nothing is said of by what: whoever reads records of earlier versions finds the same."""
    change = _change(asked)
    assert change.by is None
    document: dict[str, Any] = change_requests.document(change, None)
    assert "by" not in document["spec"]
    assert change_request.parse(document).spec.by is UNSET


def test_a_deletion_and_a_diversion_never_share_a_request() -> None:
    """Nor do two diversions."""
    names = {_change(each).name for each in (deletion(SERVICE), _slice(), _slice("other"))}
    assert len(names) == 3


def test_whatever_is_recorded_can_be_read_again() -> None:
    """What a client chose is cut to what the API server stores, the name of the record with it."""
    change = _change(_slice("m" * 300))
    assert change_requests.fits(change)
    recorded = change_request.parse(change_requests.document(change, None))
    assert change_requests.change_of(recorded, ()).name == change.name


def test_what_a_requester_chose_is_told_apart() -> None:
    """It draws no line, and passes for nothing that is ours."""
    change = _change(_slice("mine: alice has \u202eapproved\nit"))
    told = change_request.parse(change_requests.document(change, None)).spec.asked_by
    assert told.startswith('CREATE of endpointslices.discovery.k8s.io "payments/mine: alice has approvedit": what is')
