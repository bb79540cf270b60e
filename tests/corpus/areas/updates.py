"""Updates that amount to a loss: a scale to zero, finalizers taken off, several at once."""

from collections.abc import Iterator
from typing import Any

from tests.corpus.builders.documents import (
    Document,
    changed,
    config_map,
    definition,
    deployment,
    make,
    namespace,
    policy,
    workload,
)
from tests.corpus.builders.reviews import AGENT, PERSON, account, scale, update, user
from tests.corpus.builders.scene import CHECKOUT, DEPLOYMENTS, Expected, case
from tests.corpus.builders.signing import approved

MISSING = "ApprovalMissing"
FREE = "NotCovered"
UNKNOWN = "InternalError"
LEAVING = "2026-11-22T09:00:00Z"
EMPTY = changed(CHECKOUT, spec__replicas=0)
LIVE = "/apis/apps/v1/namespaces/payments/deployments/checkout"


def cases() -> Iterator[Expected]:
    """Give them all."""
    yield from _to_zero()
    yield from _through_scale()
    yield from _finalizers()
    yield from _at_once()
    yield from _tagged()


def _replicas(before: int | None, after: int | None) -> tuple[Document, Document]:
    return deployment(replicas=before), deployment(replicas=after)


def _to_zero() -> Iterator[Expected]:
    for before, after, reason in ((3, 0, MISSING), (None, 0, MISSING), (3, 1, FREE), (0, 0, FREE), (3, None, FREE)):
        name = f"an agent's update of replicas from {before} to {after}"
        yield case(name, reason, update(*_replicas(before, after)), DEPLOYMENTS)
    yield case("a person's update of replicas to zero", FREE, update(CHECKOUT, EMPTY, PERSON), DEPLOYMENTS)
    ready = approved(CHECKOUT, detail={"actions": ["ScaleToZero"]})
    yield case(
        "an approved update of replicas to zero",
        "Approved",
        update(ready, changed(ready, spec__replicas=0)),
        DEPLOYMENTS,
    )
    deletes = policy("production", "deployments.apps", actions=["Delete"])
    yield case("a policy without ScaleToZero among its actions", FREE, update(CHECKOUT, EMPTY), deletes)
    yield case("an update to zero by dry run", MISSING, update(CHECKOUT, EMPTY, dryRun=True), DEPLOYMENTS)
    sets = policy("production", "statefulsets.apps")
    stateful = workload("StatefulSet", "ledger")
    yield case("a StatefulSet to zero", MISSING, update(stateful, changed(stateful, spec__replicas=0)), sets)
    stacks = policy("production", "stacks.example.com")
    specs: tuple[tuple[Any, Any, str], ...] = (
        ({"replicas": 2}, {"replicas": 0}, MISSING),
        ({"replicas": "two"}, {"replicas": "none"}, MISSING),
        ("two", "none", MISSING),
        ({"replicas": "two"}, {"replicas": 0}, MISSING),
        ({}, {"size": 0}, MISSING),
    )
    for stored, wanted, reason in specs:
        old, new = make("Stack", "checkout", spec=stored), make("Stack", "checkout", spec=wanted)
        name = f"a custom resource's spec from {stored} to {wanted}"
        yield case(name, reason, update(old, new), stacks, definition("Stack"))
    old, new = config_map(), config_map(data={"level": "debug"})
    yield case("an object without a spec", MISSING, update(old, new), policy("production", "configmaps"))
    yield case(
        "an update through a subresource other than scale",
        MISSING,
        update(CHECKOUT, EMPTY, below="status"),
        DEPLOYMENTS,
    )


def _through_scale() -> Iterator[Expected]:
    yield case("an agent's scale to zero", MISSING, scale(CHECKOUT, 0), DEPLOYMENTS, CHECKOUT)
    yield case("an agent's scale to two", FREE, scale(CHECKOUT, 2), DEPLOYMENTS, CHECKOUT)
    yield case("an agent's scale of nothing to nothing", FREE, scale(CHECKOUT, 0, before=0), DEPLOYMENTS, CHECKOUT)
    yield case("a person's scale to zero", FREE, scale(CHECKOUT, 0, PERSON), DEPLOYMENTS, CHECKOUT)
    for action in ("ScaleToZero", "Delete", "RemoveFinalizers"):
        live = approved(CHECKOUT, detail={"actions": [action]})
        reason = "WrongAction" if action == "RemoveFinalizers" else "Approved"
        yield case(
            f"a scale to zero under an approval of {action} on the live object",
            reason,
            scale(CHECKOUT, 0),
            DEPLOYMENTS,
            live,
        )
    ready = approved(CHECKOUT, detail={"actions": ["ScaleToZero"]})
    yield case("a scale to zero of what is not there any more", UNKNOWN, scale(CHECKOUT, 0), DEPLOYMENTS)
    other = changed(ready, uid="another")
    yield case("a scale to zero of what is another object by now", UNKNOWN, scale(CHECKOUT, 0), DEPLOYMENTS, other)
    for status in (503, 403, 0):
        fault = {"path": LIVE, "status": status}
        yield case(
            f"a scale to zero where the object's read gives {status}",
            UNKNOWN,
            scale(CHECKOUT, 0),
            DEPLOYMENTS,
            ready,
            faults=[fault],
        )
    gone = {"path": LIVE, "status": 503}
    yield case("a person's scale needs no read", FREE, scale(CHECKOUT, 0, PERSON), DEPLOYMENTS, ready, faults=[gone])
    yield case("an agent's scale up needs no read", FREE, scale(CHECKOUT, 5), DEPLOYMENTS, ready, faults=[gone])
    tagged = changed(CHECKOUT, annotations={"seconder.dev/agent": "kiro"})
    yield case("the tag on an object is not seen through scale", FREE, scale(tagged, 0, PERSON), DEPLOYMENTS, tagged)
    everyone = policy("production", "deployments.apps", subjects="Everyone")
    yield case(
        "a person's scale to zero under a policy for Everyone", MISSING, scale(CHECKOUT, 0, PERSON), everyone, CHECKOUT
    )
    hpa = account("kube-system", "horizontal-pod-autoscaler")
    yield case(
        "the autoscaler's scale to zero under a policy for Everyone",
        "Exempt",
        scale(CHECKOUT, 0, hpa),
        everyone,
        CHECKOUT,
    )


def _finalizers() -> Iterator[Expected]:
    leaving = changed(CHECKOUT, deletionTimestamp=LEAVING, finalizers=["a.example.com/x", "foregroundDeletion"])
    fewer = changed(leaving, finalizers=["foregroundDeletion"])
    yield case(
        "an agent's removal of a finalizer of what is being deleted", MISSING, update(leaving, fewer), DEPLOYMENTS
    )
    yield case("a person's removal of a finalizer", FREE, update(leaving, fewer, PERSON), DEPLOYMENTS)
    more = changed(leaving, finalizers=["a.example.com/x", "b.example.com/y", "foregroundDeletion"])
    yield case("a finalizer added to what is being deleted", MISSING, update(leaving, more), DEPLOYMENTS)
    kept = changed(CHECKOUT, finalizers=["a.example.com/x"])
    yield case("a finalizer removed from what is not being deleted", MISSING, update(kept, CHECKOUT), DEPLOYMENTS)
    ready = approved(leaving, detail={"actions": ["RemoveFinalizers"]})
    gone = changed(ready, finalizers=None)
    yield case("an approved removal of all finalizers", "Approved", update(ready, gone), DEPLOYMENTS)
    spaces = policy("production", "namespaces")
    place = namespace(deletionTimestamp=LEAVING)
    freed = changed(place, spec={})
    yield case(
        "the finalizers of a namespace that is being deleted, through an ordinary update",
        MISSING,
        update(place, freed),
        spaces,
    )
    yield case("the same through a spec that is none", MISSING, update(place, changed(place, spec=None)), spaces)
    yield case(
        "an agent's finalize of a namespace is never its own",
        "ProtectedConfiguration",
        update(place, freed, below="finalize"),
        spaces,
    )
    everyone = policy("production", "namespaces", subjects="Everyone")
    finalize = update(namespace(), changed(namespace(), spec={}), PERSON, below="finalize")
    yield case("a person's finalize of a namespace that nobody deleted yet", MISSING, finalize, everyone)
    controller = account("kube-system", "namespace-controller")
    yield case(
        "the namespace controller's finalize", "Exempt", update(place, freed, controller, below="finalize"), everyone
    )


def _at_once() -> Iterator[Expected]:
    leaving = changed(CHECKOUT, deletionTimestamp=LEAVING, finalizers=["a.example.com/x"])
    both = {"spec__replicas": 0, "finalizers": None}
    yield case(
        "a scale to zero and a finalizer at once", MISSING, update(leaving, changed(leaving, **both)), DEPLOYMENTS
    )
    for actions, reason in (
        (["ScaleToZero"], "WrongAction"),
        (["RemoveFinalizers"], "WrongAction"),
        (["Delete"], "Approved"),
        (["RemoveFinalizers", "ScaleToZero"], "Approved"),
    ):
        ready = approved(leaving, detail={"actions": actions})
        done = update(ready, changed(ready, **both))
        yield case(
            f"a scale to zero and a finalizer at once under an approval of {' and '.join(actions)}",
            reason,
            done,
            DEPLOYMENTS,
        )
    zero = policy("zero", "deployments.apps", actions=["ScaleToZero"])
    last = policy("last", "deployments.apps", actions=["RemoveFinalizers"])
    ready = approved(leaving)
    yield case(
        "two actions under two policies, one for each", "Approved", update(ready, changed(ready, **both)), zero, last
    )
    once = approved(leaving, detail={"actions": ["ScaleToZero"]})
    spared = update(once, changed(once, **both))
    yield case("two actions of which a policy names one, and that is approved", "Approved", spared, zero)
    done = update(leaving, changed(leaving, **both))
    yield case("two actions of which a policy names one", MISSING, done, last)


def _tagged() -> Iterator[Expected]:
    tag = {"seconder.dev/agent": "kiro"}
    marked = changed(EMPTY, annotations=tag)
    yield case(
        "a person's update that tags the object as it scales to zero",
        MISSING,
        update(CHECKOUT, marked, PERSON),
        DEPLOYMENTS,
    )
    untagged = update(changed(CHECKOUT, annotations=tag), EMPTY, PERSON)
    yield case("a person's update that takes the tag off as it scales to zero", MISSING, untagged, DEPLOYMENTS)
    managers = policy("production", "deployments.apps", agents={"fieldManagers": ["bot"]})
    yield case("an agent by its field manager", MISSING, update(CHECKOUT, EMPTY, PERSON, manager="bot"), managers)
    yield case("another field manager", FREE, update(CHECKOUT, EMPTY, PERSON, manager="kubectl"), managers)
    yield case(
        "an agent by its field manager, through scale",
        MISSING,
        scale(CHECKOUT, 0, PERSON, manager="bot"),
        managers,
        CHECKOUT,
    )
    yield case("options that are null", MISSING, update(CHECKOUT, EMPTY, options=None), DEPLOYMENTS)
    alone = policy(
        "production",
        "deployments.apps",
        actions=["ScaleToZero"],
        agents={
            "fieldManagers": ["bot"],
            "groups": [],
            "serviceAccountNamespaces": [],
            "extraKeys": [],
            "annotations": [],
        },
    )
    yield case(
        "field managers as the only tag, of which an agent has none", FREE, update(CHECKOUT, EMPTY, AGENT), alone
    )
    yield case("field managers as the only tag", MISSING, update(CHECKOUT, EMPTY, user("ci"), manager="bot"), alone)
