"""Owners that do not exist: whoever gives one to a protected object loses it at once, people and controllers too."""

from collections.abc import Iterator
from typing import Any

from tests.corpus.areas.owners import gets
from tests.corpus.builders.documents import (
    APPROVERS,
    Document,
    changed,
    cluster_role,
    config_map,
    definition,
    deployment,
    make,
    namespace,
    owner,
    policy,
    role,
    workload,
)
from tests.corpus.builders.reviews import PERSON, account, update
from tests.corpus.builders.scene import AUDIT, CHECKOUT, DEPLOYMENTS, NAMESPACES, Expected, case
from tests.corpus.builders.signing import approved

REFUSED = "ProtectedConfiguration"
FREE = "NotCovered"
UNKNOWN = "InternalError"
APP = config_map("app")
COLLECTOR = account("kube-system", "generic-garbage-collector")


def cases() -> Iterator[Expected]:
    """Give them all."""
    yield from _by_whom()
    yield from _of_protected_objects()
    yield from _how_they_are_missing()
    yield from _of_the_guard()


def _by_whom() -> Iterator[Expected]:
    ghost = owner(APP)
    yield case(
        "a person gives a protected object an owner that is there", FREE, gets(ghost, by=PERSON), DEPLOYMENTS, APP
    )
    yield case(
        "a person gives a protected object an owner that is not there", REFUSED, gets(ghost, by=PERSON), DEPLOYMENTS
    )
    yield case("a controller gives it an owner that is there", "Exempt", gets(ghost, by=COLLECTOR), DEPLOYMENTS, APP)
    yield case("a controller gives it an owner that is not there", REFUSED, gets(ghost, by=COLLECTOR), DEPLOYMENTS)
    added = account("argocd", "controller")
    options = {"controllers": [added["username"]]}
    yield case(
        "an added controller gives it an owner that is not there",
        REFUSED,
        gets(ghost, by=added),
        DEPLOYMENTS,
        options=options,
    )
    yield case("a person by dry run", REFUSED, gets(ghost, by=PERSON, dryRun=True), DEPLOYMENTS)
    yield case(
        "a person gives an object an owner that no policy names",
        FREE,
        gets(ghost, stored=config_map(), by=PERSON),
        DEPLOYMENTS,
    )
    deletes = policy("production", "deployments.apps", actions=["Delete"])
    yield case("a person, where the policy does not name ChangeOwners", FREE, gets(ghost, by=PERSON), deletes)
    elsewhere = policy("production", "deployments.apps", namespaces=["elsewhere"])
    yield case("a person, where the policy looks elsewhere", FREE, gets(ghost, by=PERSON), elsewhere)
    tagged = changed(CHECKOUT, annotations={"seconder.dev/agent": "kiro"})
    yield case(
        "a person, of what is tagged: an approval decides",
        "ApprovalMissing",
        gets(ghost, stored=tagged, by=PERSON),
        DEPLOYMENTS,
    )
    yield case("a controller, of what is tagged", REFUSED, gets(ghost, stored=tagged, by=COLLECTOR), DEPLOYMENTS)
    yield case("an agent whose approval covers it", "Approved", gets(ghost, stored=approved(CHECKOUT)), DEPLOYMENTS)


def _of_protected_objects() -> Iterator[Expected]:
    ghost = owner(APP)
    watched = policy("production", "deployments.apps", mode="Audit")
    yield case("a person's ghost that Audit watches", REFUSED, gets(ghost, by=PERSON), watched, path=AUDIT)
    yield case("a person's ghost under Audit is let through", FREE, gets(ghost, by=PERSON), watched)
    replica_set = workload("ReplicaSet", "checkout-5d8f")
    sets = policy("sets", "replicasets.apps")
    by = account("kube-system", "deployment-controller")
    yield case(
        "the Deployment controller adopts for a Deployment that is gone",
        REFUSED,
        gets(ghost, stored=replica_set, by=by),
        sets,
    )
    place = namespace()
    cell = make("Cell", "east")
    given = update(place, changed(place, ownerReferences=[owner(cell)]), PERSON)
    yield case(
        "a namespace that is named gets an owner that is not there", REFUSED, given, NAMESPACES, definition("Cell")
    )
    yield case("a namespace with something protected gets one", REFUSED, given, DEPLOYMENTS, definition("Cell"))
    yield case(
        "a namespace that no policy looks at gets one",
        FREE,
        given,
        policy("x", "nodes", actions=["Delete"]),
        definition("Cell"),
    )
    known = definition("Stack")
    defined = update(known, changed(known, ownerReferences=[owner(cell)]), PERSON)
    yield case(
        "a definition of something protected gets one",
        REFUSED,
        defined,
        policy("x", "stacks.example.com"),
        definition("Cell"),
    )
    yield case("another definition gets one", FREE, defined, DEPLOYMENTS, definition("Cell"))
    tags = {"groups": ["bots"], "serviceAccountNamespaces": ["bots"]}
    bots = policy("bots", "deployments.apps", agents=tags)
    yield case("a ghost by an agent that the policy in question does not call one", REFUSED, gets(ghost), bots)


def _how_they_are_missing() -> Iterator[Expected]:
    def missing(what: str, reason: str, *owners: Document, **given: Any) -> Expected:
        held = (APP, deployment("ledger"), make("Cell", "east"), definition("Cell"))
        return case(f"an owner: {what}", reason, gets(*owners, by=PERSON), DEPLOYMENTS, *held, **given)

    yield missing("that is there, of another uid", REFUSED, owner(APP, uid="another"))
    yield missing("of a kind that is not served", REFUSED, owner(APP, kind="Gadget"))
    yield missing("of a version that is not served", REFUSED, owner(APP, apiVersion="gadgets.example.com/v1"))
    yield missing("of an apiVersion that cannot be one", REFUSED, owner(APP, apiVersion="../v1"))
    yield missing("without a name", REFUSED, owner(APP, name=""))
    yield missing("of a name that is a path", REFUSED, owner(APP, name="a/b"))
    yield missing("of a name that is too long", REFUSED, owner(APP, name="x" * 254))
    yield missing("cluster-scoped, and there", FREE, owner(make("Cell", "east")))
    yield missing("of a kind that is served twice", FREE, owner(deployment("ledger")))
    yield missing("with odd characters in its name", REFUSED, owner(APP, name="a\u202e\nb"))
    yield missing("two, of which one is there", REFUSED, owner(APP), owner(APP, name="ghost", uid="ghost"))
    leaving = changed(APP, deletionTimestamp="2026-11-22T09:00:00Z", finalizers=["foregroundDeletion"])
    yield case("an owner that is on its way out", REFUSED, gets(owner(APP), by=PERSON), DEPLOYMENTS, leaving)
    clustered = policy("cells", "cells.example.com")
    cell = make("Cell", "east")
    inside = update(cell, changed(cell, ownerReferences=[owner(APP)]), PERSON)
    yield case(
        "an owner in a namespace, of a cluster-scoped object", REFUSED, inside, clustered, definition("Cell"), APP
    )
    for path, status in (
        ("/api/v1", 503),
        ("/api/v1/namespaces/payments/configmaps/app", 503),
        ("/api/v1/namespaces/payments/configmaps/app", 403),
        ("/api/v1/namespaces/payments/configmaps/app", 0),
    ):
        yield missing(f"{path} gives {status}", UNKNOWN, owner(APP), faults=[{"path": path, "status": status}])
    many = [owner(APP, name=f"app-{number}", uid=f"uid-{number}") for number in range(33)]
    yield missing("very many of them", REFUSED, *many)
    yield case(
        "a person's new owner, where the view may be out of date",
        UNKNOWN,
        gets(owner(APP), by=PERSON),
        DEPLOYMENTS,
        APP,
        fresh=False,
    )


def _of_the_guard() -> Iterator[Expected]:
    ghost = owner(config_map("ghost", "seconder-system"))
    ours = {
        "the operator's role": cluster_role("seconder-operator"),
        "the guard's namespace": namespace("seconder-system"),
        "an Approver": APPROVERS[0],
        "one of the guard's definitions": definition("Approver"),
        "the webhook's Deployment": deployment("seconder-webhook", "seconder-system"),
    }
    for what, document in ours.items():
        given = update(document, changed(document, ownerReferences=[ghost]), PERSON)
        yield case(f"a person gives an owner that is not there to {what}", REFUSED, given)
        yield case(
            f"an agent gives one to {what}", REFUSED, update(document, changed(document, ownerReferences=[ghost]))
        )
    document = ours["the operator's role"]
    real = owner(config_map("real", "seconder-system"))
    own = update(document, changed(document, ownerReferences=[owner(cluster_role("other"))]), PERSON)
    yield case("a person gives the operator's role an owner that is there", FREE, own, cluster_role("other"))
    yield case("the same under Audit, whatever is there", FREE, own, path=AUDIT)
    webhook = ours["the webhook's Deployment"]
    yield case(
        "a person gives the webhook's Deployment an owner that is there",
        FREE,
        update(webhook, changed(webhook, ownerReferences=[real]), PERSON),
        config_map("real", "seconder-system"),
    )
    other = role("seconder-x")
    yield case("a Role of that name is nobody's", FREE, update(other, changed(other, ownerReferences=[ghost]), PERSON))
    elsewhere = {"namespace": "guard"}
    yield case(
        "the guard's namespace by another name",
        FREE,
        update(webhook, changed(webhook, ownerReferences=[ghost]), PERSON),
        options=elsewhere,
    )
