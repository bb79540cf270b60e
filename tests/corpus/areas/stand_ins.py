"""What amounts to an action on another object: a ReplicaSet for its Deployment, an autoscaler for its workload."""

from collections.abc import Iterator
from typing import Any

from tests.corpus.builders.documents import (
    Document,
    autoscaler,
    changed,
    controller,
    definition,
    make,
    owner,
    policy,
    workload,
)
from tests.corpus.builders.reviews import PERSON, create, delete, update
from tests.corpus.builders.scene import AUDIT, CHECKOUT, DEPLOYMENTS, Expected, case
from tests.corpus.builders.signing import annotation, approved

MISSING = "ApprovalMissing"
FREE = "NotCovered"
UNKNOWN = "InternalError"
LIVE = "/apis/apps/v1/namespaces/payments/deployments/checkout"
FAULT = {"path": LIVE, "status": 503}


def cases() -> Iterator[Expected]:
    """Give them all."""
    yield from _replica_sets()
    yield from _replica_sets_otherwise()
    yield from _autoscalers()
    yield from _autoscalers_otherwise()


def replica_set(**fields: Any) -> Document:
    """Give a ReplicaSet that the Deployment controls."""
    return workload("ReplicaSet", "checkout-5d8f", **({"ownerReferences": [controller(CHECKOUT)]} | fields))


def _replica_sets() -> Iterator[Expected]:
    made = replica_set()
    yield case("a ReplicaSet's DELETE is its Deployment's", MISSING, delete(made), DEPLOYMENTS, CHECKOUT)
    yield case("a person's DELETE of a ReplicaSet", FREE, delete(made, PERSON), DEPLOYMENTS, CHECKOUT)
    yield case(
        "a ReplicaSet's DELETE under the Deployment's approval",
        "Approved",
        delete(made),
        DEPLOYMENTS,
        approved(CHECKOUT),
    )
    wrong = approved(CHECKOUT, detail={"actions": ["ScaleToZero"]})
    yield case("a ReplicaSet's DELETE under an approval of less", "WrongAction", delete(made), DEPLOYMENTS, wrong)
    held = replica_set(annotations=annotation(made))
    yield case("an approval on the ReplicaSet is none of its Deployment", MISSING, delete(held), DEPLOYMENTS, CHECKOUT)
    yield case("a ReplicaSet whose Deployment is gone", FREE, delete(made), DEPLOYMENTS)
    other = changed(CHECKOUT, uid="another")
    yield case("a ReplicaSet whose Deployment was made anew", FREE, delete(made), DEPLOYMENTS, other)
    yield case(
        "a ReplicaSet whose Deployment cannot be read", UNKNOWN, delete(made), DEPLOYMENTS, CHECKOUT, faults=[FAULT]
    )
    yield case("a ReplicaSet of nobody", FREE, delete(replica_set(ownerReferences=None)), DEPLOYMENTS, CHECKOUT)
    loose = replica_set(ownerReferences=[owner(CHECKOUT)])
    yield case("a ReplicaSet whose Deployment does not control it", FREE, delete(loose), DEPLOYMENTS, CHECKOUT)
    second = replica_set(ownerReferences=[owner(make("ConfigMap", "app")), controller(CHECKOUT)])
    yield case("a ReplicaSet with another owner before its controller", MISSING, delete(second), DEPLOYMENTS, CHECKOUT)
    yield case("a ReplicaSet's DELETE through a subresource", FREE, delete(made, below="status"), DEPLOYMENTS, CHECKOUT)
    elsewhere = policy("production", "statefulsets.apps")
    yield case("a ReplicaSet whose Deployment no policy names", FREE, delete(made), elsewhere, CHECKOUT)
    zero = policy("production", "deployments.apps", actions=["ScaleToZero"])
    yield case("a ReplicaSet whose Deployment is protected from other actions", FREE, delete(made), zero, CHECKOUT)
    sets = policy("sets", "replicasets.apps")
    yield case(
        "a ReplicaSet that a policy names itself, too", MISSING, delete(made), DEPLOYMENTS, sets, approved(CHECKOUT)
    )


def _replica_sets_otherwise() -> Iterator[Expected]:
    made = replica_set()
    sets = policy("sets", "replicasets.apps")
    ready = approved(made)
    yield case("a ReplicaSet that only its own policy covers", "Approved", delete(ready), sets, CHECKOUT)
    yield case(
        "a ReplicaSet under its own approval and its Deployment's",
        "Approved",
        delete(ready),
        DEPLOYMENTS,
        sets,
        approved(CHECKOUT, jti="ffeeddccbbaa99887766554433221100"),
    )
    stack = make("Stack", "checkout", spec={"replicas": 2})
    of_stack = replica_set(ownerReferences=[controller(stack)])
    stacks = policy("production", "stacks.example.com")
    yield case(
        "a ReplicaSet that a custom resource controls", MISSING, delete(of_stack), stacks, stack, definition("Stack")
    )
    watched = policy("production", "deployments.apps", mode="Audit")
    yield case("a ReplicaSet's DELETE that Audit watches", FREE, delete(made), watched, CHECKOUT, path=AUDIT)
    odd = replica_set(ownerReferences=[controller(CHECKOUT) | {"name": "../checkout"}])
    yield case(
        "a ReplicaSet whose controller has no name that an object can have", FREE, delete(odd), DEPLOYMENTS, CHECKOUT
    )
    everyone = policy("production", "deployments.apps", subjects="Everyone")
    yield case(
        "a person's DELETE of a ReplicaSet under a policy for Everyone",
        FREE,
        delete(made, PERSON),
        everyone,
        CHECKOUT,
    )
    yield case("an agent's DELETE of one under a policy for Everyone", MISSING, delete(made), everyone, CHECKOUT)
    tagged = replica_set(annotations={"seconder.dev/agent": "kiro"})
    yield case(
        "a person's DELETE of a ReplicaSet that is tagged itself", FREE, delete(tagged, PERSON), DEPLOYMENTS, CHECKOUT
    )


def _autoscalers() -> Iterator[Expected]:
    usual, none = autoscaler(), autoscaler(least=0)
    yield case(
        "an autoscaler that may scale to nothing from now on", MISSING, update(usual, none), DEPLOYMENTS, CHECKOUT
    )
    yield case("a new autoscaler that may scale to nothing", MISSING, create(none), DEPLOYMENTS, CHECKOUT)
    yield case("a person's autoscaler that may scale to nothing", FREE, create(none, PERSON), DEPLOYMENTS, CHECKOUT)
    yield case("a new autoscaler that scales between one and more", FREE, create(usual), DEPLOYMENTS, CHECKOUT)
    yield case(
        "a new autoscaler that leaves the least out", FREE, create(autoscaler(least=None)), DEPLOYMENTS, CHECKOUT
    )
    labelled = changed(none, labels={"a": "b"})
    yield case("an autoscaler that might scale to nothing before", FREE, update(none, labelled), DEPLOYMENTS, CHECKOUT)
    ledger = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "ledger"}
    away = autoscaler(least=0, target=ledger)
    yield case(
        "an autoscaler of nothing that turns to what is protected", MISSING, update(away, none), DEPLOYMENTS, CHECKOUT
    )
    yield case("an autoscaler of a workload that no policy names", FREE, create(away), DEPLOYMENTS, CHECKOUT)
    zero = approved(CHECKOUT, detail={"actions": ["ScaleToZero"]})
    yield case("an autoscaler under its workload's approval", "Approved", create(none), DEPLOYMENTS, zero)
    yield case(
        "an autoscaler under its workload's approval of a deletion",
        "Approved",
        update(usual, none),
        DEPLOYMENTS,
        approved(CHECKOUT),
    )
    yield case("an autoscaler of a workload that is not there", MISSING, create(none), DEPLOYMENTS)
    yield case("an autoscaler whose workload cannot be read", UNKNOWN, create(none), DEPLOYMENTS, zero, faults=[FAULT])
    deletes = policy("production", "deployments.apps", actions=["Delete"])
    yield case(
        "an autoscaler of a workload that is protected from deletion alone", FREE, create(none), deletes, CHECKOUT
    )


def _autoscalers_otherwise() -> Iterator[Expected]:
    usual, none = autoscaler(), autoscaler(least=0)
    zero = approved(CHECKOUT, detail={"actions": ["ScaleToZero"]})
    told = update(none, changed(none, status={"desiredReplicas": 0}), below="status")
    yield case("an autoscaler's status", MISSING, told, DEPLOYMENTS, CHECKOUT)
    lower = update(none, changed(none, spec__maxReplicas=1))
    yield case("another maximum of an autoscaler that may go to nothing", MISSING, lower, DEPLOYMENTS, CHECKOUT)
    labelled = update(none, changed(none, labels={"team": "shop"}))
    yield case("a label of an autoscaler that may go to nothing", FREE, labelled, DEPLOYMENTS, CHECKOUT)
    lower = update(usual, changed(usual, spec__maxReplicas=1))
    yield case("another maximum of an autoscaler that keeps one", FREE, lower, DEPLOYMENTS, CHECKOUT)
    yield case("an autoscaler's DELETE", FREE, delete(none), DEPLOYMENTS, CHECKOUT)
    nameless = autoscaler(least=0, target={"apiVersion": "apps/v1", "kind": "Deployment"})
    yield case("an autoscaler that names nothing", FREE, create(nameless), DEPLOYMENTS, CHECKOUT)
    kindless = autoscaler(least=0, target={"apiVersion": "apps/v1", "name": "checkout"})
    yield case("an autoscaler that names no kind", FREE, create(kindless), DEPLOYMENTS, CHECKOUT)
    old = autoscaler(least=0, api_version="autoscaling/v1")
    yield case("an autoscaler of another version", MISSING, create(old), DEPLOYMENTS, CHECKOUT)
    losses = ["ChangeOwners", "Delete", "RemoveFinalizers", "ScaleToZero"]
    own = policy("own", "horizontalpodautoscalers.autoscaling", actions=losses)
    yield case("an autoscaler's DELETE where a policy names it", MISSING, delete(usual), own)
    owned = changed(none, ownerReferences=[owner(make("ConfigMap", "app"))])
    yield case(
        "an autoscaler that gets an owner and may scale to nothing",
        MISSING,
        update(usual, owned),
        DEPLOYMENTS,
        own,
        zero,
    )
    ready = approved(usual, detail={"actions": ["ChangeOwners"]})
    both = changed(ready, ownerReferences=[owner(make("ConfigMap", "app"))], spec__minReplicas=0)
    yield case("the same with an approval on each", "Approved", update(ready, both), DEPLOYMENTS, own, zero)
    yield case(
        "an autoscaler that Audit watches",
        FREE,
        create(none),
        policy("production", "deployments.apps", mode="Audit"),
        CHECKOUT,
        path=AUDIT,
    )
