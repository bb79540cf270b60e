"""What goes along with an object that an agent ends: protected objects that it owns."""

from collections.abc import Iterator
from typing import Any

from tests.corpus.builders.documents import (
    APPROVERS,
    Document,
    changed,
    config_map,
    controller,
    definition,
    deployment,
    make,
    namespace,
    owner,
    policy,
    workload,
)
from tests.corpus.builders.reviews import PERSON, account, delete, delete_collection, update, user
from tests.corpus.builders.scene import AUDIT, CHECKOUT, DEPLOYMENTS, NAMESPACES, Expected, case
from tests.corpus.builders.signing import BOB, annotation, approved, impact

MISSING = "ApprovalMissing"
FREE = "NotCovered"
UNKNOWN = "InternalError"
LEAVING = "2026-11-22T09:00:00Z"
APP = config_map("app")
OWNED = changed(CHECKOUT, ownerReferences=[owner(APP)])
READY = approved(OWNED)
LIST = "/apis/apps/v1/deployments"


def cases() -> Iterator[Expected]:
    """Give them all."""
    yield from _along()
    yield from _orphans()
    yield from _other_endings()
    yield from _several()
    yield from _through_each_other()
    yield from _made()
    yield from _namespaces()
    yield from _namespaces_together()
    yield from _not_known()
    yield from _changed_since()


def owned(name: str, by: Document = APP, space: str = "payments", **fields: Any) -> Document:
    """Give a Deployment that another object owns."""
    return deployment(name, space, ownerReferences=[owner(by)], **fields)


def _along() -> Iterator[Expected]:
    yield case("the owner of a protected object", MISSING, delete(APP), DEPLOYMENTS, OWNED)
    yield case("such an owner in a collection", MISSING, delete_collection(APP), DEPLOYMENTS, OWNED)
    yield case("such an owner by dry run", MISSING, delete(APP, dryRun=True), DEPLOYMENTS, OWNED)
    yield case("a person deletes such an owner", FREE, delete(APP, PERSON), DEPLOYMENTS, OWNED)
    yield case(
        "a controller deletes such an owner",
        "Exempt",
        delete(APP, account("kube-system", "job-controller")),
        DEPLOYMENTS,
        OWNED,
    )
    yield case("an object that owns nothing", FREE, delete(APP), DEPLOYMENTS, CHECKOUT)
    yield case(
        "an object that owns what no policy names",
        FREE,
        delete(APP),
        DEPLOYMENTS,
        config_map("child", ownerReferences=[owner(APP)]),
    )
    yield case("the approval on what is owned lets the owner go", "Approved", delete(APP), DEPLOYMENTS, READY)
    held = changed(APP, annotations=annotation(APP))
    yield case("an approval on the owner is none of what it owns", MISSING, delete(held), DEPLOYMENTS, OWNED)
    wrong = approved(OWNED, detail={"actions": ["ScaleToZero"]})
    yield case("what is owned needs an approval of a deletion", "WrongAction", delete(APP), DEPLOYMENTS, wrong)
    both = policy("maps", "configmaps")
    yield case("an owner that is protected itself", MISSING, delete(APP), DEPLOYMENTS, both, OWNED)
    mine = approved(APP, jti="ffeeddccbbaa99887766554433221100")
    yield case("an owner with an approval, and what it owns without", MISSING, delete(mine), DEPLOYMENTS, both, OWNED)
    yield case(
        "an owner with an approval, and what it owns with one", "Approved", delete(mine), DEPLOYMENTS, both, READY
    )
    watched = policy("production", "deployments.apps", mode="Audit")
    yield case("what is owned under Audit goes along unasked", FREE, delete(APP), watched, OWNED)
    yield case("what is owned under Audit goes along unwatched", FREE, delete(APP), watched, OWNED, path=AUDIT)
    scaled = policy("production", "deployments.apps", actions=["ScaleToZero"])
    yield case("what is owned and protected from other actions goes along", FREE, delete(APP), scaled, OWNED)
    elsewhere = policy("production", "deployments.apps", namespaces=["elsewhere"])
    yield case("what is owned where no policy looks goes along", FREE, delete(APP), elsewhere, OWNED)
    everyone = policy("production", "deployments.apps", subjects="Everyone", approvals={"required": 2})
    yield case("what is owned under a policy for Everyone, an agent's deletion", MISSING, delete(APP), everyone, OWNED)
    yield case(
        "what is owned under a policy for Everyone, a person's deletion", FREE, delete(APP, PERSON), everyone, OWNED
    )
    tags = {"groups": ["bots"], "serviceAccountNamespaces": ["bots"]}
    bots = policy("bots", "deployments.apps", agents=tags)
    yield case(
        "an owner's end by an agent that the policy in question does not call one", FREE, delete(APP), bots, OWNED
    )
    yield case("an owner's end by an agent that it calls one", MISSING, delete(APP, user("x", "bots")), bots, OWNED)


def _orphans() -> Iterator[Expected]:
    for options, reason in (
        ({"propagationPolicy": "Orphan"}, FREE),
        ({"propagationPolicy": "Foreground"}, MISSING),
        ({"orphanDependents": True}, FREE),
        ({"orphanDependents": False}, MISSING),
    ):
        yield case(f"an owner deleted with {options}", reason, delete(APP, options=options), DEPLOYMENTS, OWNED)
    for finalizers, reason in (
        (["orphan"], FREE),
        (["foregroundDeletion", "orphan"], MISSING),
        (["a.example.com/x", "orphan", "foregroundDeletion"], FREE),
    ):
        stored = changed(APP, finalizers=finalizers)
        yield case(
            f"an owner deleted without options, with finalizers {finalizers}",
            reason,
            delete(stored, options=None),
            DEPLOYMENTS,
            OWNED,
        )
    event = make("Event", "app", reason="x")
    of_event = changed(CHECKOUT, ownerReferences=[owner(event)])
    orphans = {"propagationPolicy": "Orphan"}
    yield case("an Event never leaves orphans", MISSING, delete(event, options=orphans), DEPLOYMENTS, of_event)
    yield case(
        "an unknown propagation is no orphaning",
        MISSING,
        delete(APP, options={"propagationPolicy": "Keep"}),
        DEPLOYMENTS,
        OWNED,
    )


def _other_endings() -> Iterator[Expected]:
    leaving = changed(APP, deletionTimestamp=LEAVING, finalizers=["foregroundDeletion"])
    yield case(
        "the last finalizer of an owner",
        MISSING,
        update(leaving, changed(leaving, finalizers=None)),
        DEPLOYMENTS,
        OWNED,
    )
    yield case(
        "the last finalizer of an owner, what it owns approved",
        "Approved",
        update(leaving, changed(leaving, finalizers=None)),
        DEPLOYMENTS,
        READY,
    )
    other = config_map("other")
    given = update(APP, changed(APP, ownerReferences=[owner(other)]))
    yield case("an owner gets an owner", MISSING, given, DEPLOYMENTS, OWNED, other)
    yield case("an owner gets an owner, what it owns approved", "Approved", given, DEPLOYMENTS, READY, other)
    labelled = update(APP, changed(APP, labels={"a": "b"}))
    yield case("an owner gets a label", FREE, labelled, DEPLOYMENTS, OWNED)
    widgets = [
        make("Widget", "a"),
        owned("of-widget", make("Widget", "a")),
        owned("of-stack", make("Stack", "a"), "staging"),
    ]
    known = definition("Widget")
    yield case("a definition whose resources own what is protected", MISSING, delete(known), DEPLOYMENTS, *widgets)
    yield case(
        "such a definition under the approval on that",
        "Approved",
        delete(known),
        DEPLOYMENTS,
        widgets[0],
        approved(widgets[1]),
    )
    yield case("a definition of a group of which nothing owns anything", FREE, delete(known), DEPLOYMENTS, widgets[2])
    also = policy("widgets", "widgets.widgets.example.com")
    yield case("a definition that is asked for, too", MISSING, delete(approved(known)), DEPLOYMENTS, also, *widgets)
    yield case(
        "an owner deleted through a subresource is not deleted", FREE, delete(APP, below="status"), DEPLOYMENTS, OWNED
    )


def _several() -> Iterator[Expected]:
    two = [owned("a"), owned("b")]
    yield case("two objects go along", MISSING, delete(APP), DEPLOYMENTS, *two)
    yield case("two go along, one of them approved", MISSING, delete(APP), DEPLOYMENTS, approved(two[0]), two[1])
    ready = [approved(each, jti=f"{number:032x}") for number, each in enumerate(two)]
    yield case("two go along, both approved", "Approved", delete(APP), DEPLOYMENTS, *ready)
    yield case(
        "two go along, one of them with an approval by somebody else",
        "ApproverUnknown",
        delete(APP),
        DEPLOYMENTS,
        approved(two[0], BOB),
        *two[1:],
        approvers=APPROVERS[:1],
    )
    eight = [owned(f"d-{number}") for number in range(8)]
    yield case("eight go along", MISSING, delete(APP), DEPLOYMENTS, *eight)
    yield case(
        "nine go along: too many to be approved together", MISSING, delete(APP), DEPLOYMENTS, *eight, owned("d-8")
    )
    cell = make("Cell", "east")
    yield case(
        "what goes along in two namespaces",
        MISSING,
        delete(cell),
        DEPLOYMENTS,
        definition("Cell"),
        owned("a", cell),
        owned("a", cell, "staging"),
    )


def _through_each_other() -> Iterator[Expected]:
    cell = make("Cell", "east")
    here = policy("production", "deployments.apps", namespaces=["staging"])
    yield case(
        "what goes along in two namespaces, of which a policy names one",
        MISSING,
        delete(cell),
        here,
        definition("Cell"),
        owned("a", cell),
        owned("a", cell, "staging"),
    )
    chain = [changed(OWNED, name="x"), workload("StatefulSet", "of-checkout", ownerReferences=[owner(CHECKOUT)])]
    sets = policy("sets", "statefulsets.apps")
    yield case("what goes along with what goes along", MISSING, delete(APP), DEPLOYMENTS, sets, *chain)
    yield case("what goes along through a kind that no policy names is not seen", FREE, delete(APP), sets, *chain)
    circle = changed(CHECKOUT, ownerReferences=[owner(deployment("other"))])
    back = deployment("other", ownerReferences=[owner(CHECKOUT)])
    yield case("two objects that own each other", MISSING, delete(circle), DEPLOYMENTS, back)
    cells = [make("Cell", "west"), changed(make("Cell", "inner"), ownerReferences=[owner(make("Cell", "west"))])]
    yield case(
        "a cluster-scoped object goes along",
        MISSING,
        delete(cells[0]),
        policy("cells", "cells.example.com"),
        definition("Cell"),
        cells[1],
    )


def _made() -> Iterator[Expected]:
    made = workload("ReplicaSet", "checkout-5d8f", ownerReferences=[controller(CHECKOUT)])
    pod = make("Pod", "checkout-5d8f-x", spec={}, ownerReferences=[controller(made)])
    ready = approved(CHECKOUT)
    wide = policy("production", "*.apps")
    yield case("a Deployment's ReplicaSet needs no approval beside it", "Approved", delete(ready), wide, made)
    pods = policy("production", "deployments.apps", "replicasets.apps", "pods")
    yield case("nor do the ReplicaSet's pods", "Approved", delete(ready), pods, made, pod)
    sets = policy("sets", "replicasets.apps")
    yield case("a ReplicaSet that a policy of its own protects does", MISSING, delete(ready), DEPLOYMENTS, sets, made)
    yield case("a ReplicaSet whose Deployment nobody protects does", MISSING, delete(CHECKOUT), sets, made)
    stranger = workload("ReplicaSet", "stranger", ownerReferences=[owner(APP)])
    yield case("a ReplicaSet of somebody else does", MISSING, delete(APP), wide, stranger)
    zero = policy("zero", "deployments.apps", actions=["ScaleToZero"])
    yield case(
        "a ReplicaSet whose Deployment is protected from other actions does",
        MISSING,
        delete(CHECKOUT),
        sets,
        zero,
        made,
    )
    job = make("Job", "nightly-1", spec={}, ownerReferences=[controller(make("CronJob", "nightly", spec={}))])
    jobs = policy("jobs", "cronjobs.batch", "jobs.batch")
    yield case(
        "a CronJob's Job under the same policy needs none",
        "Approved",
        delete(approved(make("CronJob", "nightly", spec={}))),
        jobs,
        job,
    )


def _namespaces() -> Iterator[Expected]:
    cell, known = make("Cell", "east"), definition("Cell")
    place = namespace("shop", ownerReferences=[owner(cell)])
    yield case("an owner takes a namespace along that is named", MISSING, delete(cell), NAMESPACES, known, place)
    held = deployment(namespace="shop")
    yield case(
        "an owner takes a namespace along that holds a Deployment",
        MISSING,
        delete(cell),
        DEPLOYMENTS,
        known,
        place,
        held,
    )
    yield case("an owner takes an empty namespace along", FREE, delete(cell), DEPLOYMENTS, known, place)
    ready = approved(place, detail={"impact": impact([held])})
    yield case(
        "the namespace's approval names what goes down with it",
        "Approved",
        delete(cell),
        NAMESPACES,
        known,
        ready,
        held,
    )
    yield case("and no more than that", "ImpactChanged", delete(cell), NAMESPACES, known, ready)


def _namespaces_together() -> Iterator[Expected]:
    cell, known = make("Cell", "east"), definition("Cell")
    place = namespace("shop", ownerReferences=[owner(cell)])
    held = deployment(namespace="shop")
    fault = {"path": "/apis/apps/v1/namespaces/shop/deployments", "status": 503}
    yield case(
        "what such a namespace holds cannot be listed",
        UNKNOWN,
        delete(cell),
        DEPLOYMENTS,
        known,
        place,
        held,
        faults=[fault],
    )
    other = namespace("mail", ownerReferences=[owner(cell)])
    yield case("an owner takes two namespaces along", MISSING, delete(cell), NAMESPACES, known, place, other)
    yield case(
        "a namespace takes another along",
        MISSING,
        delete(namespace("outer")),
        NAMESPACES,
        namespace("inner", ownerReferences=[owner(namespace("outer"))]),
    )
    yield case(
        "a namespace and a Deployment elsewhere",
        MISSING,
        delete(cell),
        DEPLOYMENTS,
        NAMESPACES,
        known,
        place,
        owned("a", cell, "staging"),
    )


def _not_known() -> Iterator[Expected]:
    for status in (503, 403, 0):
        fault = {"path": LIST, "status": status}
        yield case(
            f"who owns what is not known: the list gives {status}",
            UNKNOWN,
            delete(APP),
            DEPLOYMENTS,
            OWNED,
            faults=[fault],
        )
    fault = {"path": LIST, "status": 503}
    yield case(
        "the same for an object that owns nothing",
        UNKNOWN,
        delete(config_map("alone")),
        DEPLOYMENTS,
        OWNED,
        faults=[fault],
    )
    yield case(
        "the same for a protected object with an approval",
        UNKNOWN,
        delete(approved(CHECKOUT)),
        DEPLOYMENTS,
        faults=[fault],
    )
    yield case("the same for a protected object without one", MISSING, delete(CHECKOUT), DEPLOYMENTS, faults=[fault])
    yield case("the same for a person", FREE, delete(APP, PERSON), DEPLOYMENTS, OWNED, faults=[fault])
    yield case(
        "the same for an ordinary update",
        FREE,
        update(APP, changed(APP, labels={"a": "b"})),
        DEPLOYMENTS,
        OWNED,
        faults=[fault],
    )
    yield case("the same under Audit", FREE, delete(APP), DEPLOYMENTS, OWNED, faults=[fault], path=AUDIT)


def _changed_since() -> Iterator[Expected]:
    never = {"path": LIST, "status": 405}
    yield case("a kind that cannot be listed is owned by nobody", FREE, delete(APP), DEPLOYMENTS, OWNED, faults=[never])
    spaces = {"path": "/api/v1/namespaces", "status": 503}
    yield case("namespaces cannot be followed", UNKNOWN, delete(APP), DEPLOYMENTS, OWNED, faults=[spaces])
    read = {"path": "/apis/apps/v1/namespaces/payments/deployments/checkout", "status": 503}
    yield case("what goes along cannot be read", UNKNOWN, delete(APP), DEPLOYMENTS, READY, faults=[read])
    yield case("what goes along is gone by now", FREE, delete(APP), DEPLOYMENTS, earlier=[OWNED])
    yield case(
        "what goes along is another object by now",
        UNKNOWN,
        delete(APP),
        DEPLOYMENTS,
        changed(READY, uid="another"),
        earlier=[OWNED],
    )
    yield case(
        "what goes along is owned by somebody else by now", MISSING, delete(APP), DEPLOYMENTS, CHECKOUT, earlier=[OWNED]
    )
    unseen = changed(DEPLOYMENTS, generation=2, status={"observedGeneration": 1, "conditions": [], "resources": []})
    yield case("the operator has not looked at the policy", UNKNOWN, delete(APP), unseen, OWNED)
    yield case(
        "an owner of what is approved, where the view may be out of date",
        UNKNOWN,
        delete(APP),
        DEPLOYMENTS,
        READY,
        fresh=False,
    )
    yield case(
        "an owner of what is not, where the view may be out of date",
        MISSING,
        delete(APP),
        DEPLOYMENTS,
        OWNED,
        fresh=False,
    )
