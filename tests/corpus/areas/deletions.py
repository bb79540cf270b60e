"""Deletions of what policies name: by whom, of what, and what is said of it."""

from collections.abc import Iterator
from typing import Any

from tests.corpus.builders.documents import (
    approver,
    changed,
    config_map,
    definition,
    deployment,
    make,
    pod,
    policy,
    service_account,
)
from tests.corpus.builders.reviews import AGENT, PERSON, account, delete, delete_collection, user
from tests.corpus.builders.scene import CHECKOUT, DEPLOYMENTS, Expected, case
from tests.corpus.builders.signing import annotation

MISSING = "ApprovalMissing"
FREE = "NotCovered"


def cases() -> Iterator[Expected]:
    """Give them all."""
    yield from _callers()
    yield from _tags()
    yield from _tags_of_objects()
    yield from _what()
    yield from _several()
    yield from _told()


def _callers() -> Iterator[Expected]:
    yield case("an agent's DELETE waits for a peer", MISSING, delete(CHECKOUT), DEPLOYMENTS)
    yield case("a person's DELETE under a policy for agents is free", FREE, delete(CHECKOUT, PERSON), DEPLOYMENTS)
    yield case("each DELETE of an agent's deletecollection waits", MISSING, delete_collection(CHECKOUT), DEPLOYMENTS)
    yield case("a person's deletecollection is free", FREE, delete_collection(CHECKOUT, PERSON), DEPLOYMENTS)
    yield case("without any policy an agent's DELETE is free", FREE, delete(CHECKOUT))
    callers = {
        "the agents' group": user("ci-bot", "seconder.dev:agents"),
        "the agent's extra key": user("ci-bot", agent=["kiro"]),
        "the extra key with an empty name": user("ci-bot", agent=[""]),
        "the extra key without a value": user("ci-bot", agent=[]),
        "extra key and ServiceAccount, which give two names": account(
            "seconder-agents", "kiro", extra={"seconder.dev/agent": ["kiro-7"]}
        ),
        "another ServiceAccount of the agents' namespace": account("seconder-agents", "other"),
        "no groups at all, but the agents' namespace": {"username": AGENT["username"]},
        "null groups and null extra, but the agents' namespace": {
            "username": AGENT["username"],
            "groups": None,
            "extra": None,
        },
    }
    for what, caller in callers.items():
        yield case(f"an agent by {what}", MISSING, delete(CHECKOUT, caller), DEPLOYMENTS)
    others = {
        "a ServiceAccount elsewhere": account("payments", "kiro"),
        "a user called like a ServiceAccount, with a colon too many": user("system:serviceaccount:seconder-agents:a:b"),
        "a user called like a ServiceAccount without a name": user("system:serviceaccount:seconder-agents:"),
        "a member of a group that is nearly the agents'": user("ci-bot", "seconder.dev:agents-admins"),
        "an anonymous caller": {"username": "system:anonymous", "groups": ["system:unauthenticated"]},
        "a caller with an extra key whose values are null": {"username": "ci-bot", "extra": {"scopes": None}},
        "the namespace controller": account("kube-system", "namespace-controller"),
        "the garbage collector": account("kube-system", "generic-garbage-collector"),
    }
    for what, caller in others.items():
        reason = "Exempt" if "controller" in what or "collector" in what else FREE
        yield case(f"no agent: {what}", reason, delete(CHECKOUT, caller), DEPLOYMENTS)


def _tags() -> Iterator[Expected]:
    bots = policy("production", "deployments.apps", agents={"groups": ["bots"], "users": ["deployer"]})
    yield case("an agent by a group that a policy names", MISSING, delete(CHECKOUT, user("x", "bots")), bots)
    yield case("an agent by a user name that a policy names", MISSING, delete(CHECKOUT, user("deployer")), bots)
    yield case(
        "a default group that a policy's own list replaces",
        FREE,
        delete(CHECKOUT, user("x", "seconder.dev:agents")),
        bots,
    )
    spaces = policy(
        "production", "deployments.apps", agents={"serviceAccountNamespaces": ["bots"], "extraKeys": ["bot/id"]}
    )
    bot = user("x")
    bot["extra"] = {"bot/id": ["seven"]}
    yield case(
        "an agent by an extra key that a policy names, which gives its name", MISSING, delete(CHECKOUT, bot), spaces
    )
    both = user("x")
    both["extra"] = {"bot/id": ["seven"], "seconder.dev/agent": ["eight"]}
    yield case(
        "an agent by two extra keys, of which our own gives its name",
        MISSING,
        delete(CHECKOUT, both),
        spaces,
        DEPLOYMENTS,
    )
    nameless = account("seconder-agents", "kiro", extra={"seconder.dev/agent": [""]})
    yield case(
        "an extra key with an empty name leaves the ServiceAccount's", MISSING, delete(CHECKOUT, nameless), DEPLOYMENTS
    )
    yield case(
        "an agent by a namespace that a policy names", MISSING, delete(CHECKOUT, account("bots", "seven")), spaces
    )


def _tags_of_objects() -> Iterator[Expected]:
    spaces = policy(
        "production", "deployments.apps", agents={"serviceAccountNamespaces": ["bots"], "extraKeys": ["bot/id"]}
    )
    yield case("an agent of the defaults that no policy in question calls one", FREE, delete(CHECKOUT), spaces)
    tagged = changed(CHECKOUT, annotations={"seconder.dev/agent": "kiro"})
    yield case("a person's DELETE of what is tagged as an agent's waits", MISSING, delete(tagged, PERSON), DEPLOYMENTS)
    yield case(
        "a controller's DELETE of what is tagged as an agent's does not",
        "Exempt",
        delete(tagged, account("kube-system", "job-controller")),
        DEPLOYMENTS,
    )
    added = {"controllers": ["system:serviceaccount:argocd:controller"]}
    yield case(
        "an added controller's DELETE of what is tagged does not",
        FREE,
        delete(tagged, account("argocd", "controller")),
        DEPLOYMENTS,
        options=added,
    )
    own = policy("production", "deployments.apps", agents={"annotations": ["example.com/bot"]})
    marked = changed(CHECKOUT, annotations={"example.com/bot": ""})
    yield case("an annotation that a policy names tags an object", MISSING, delete(marked, PERSON), own)
    yield case("the default annotation does not where a policy names another", FREE, delete(tagged, PERSON), own)
    managers = policy("production", "deployments.apps", agents={"fieldManagers": ["bot"]})
    options = {"fieldManager": "bot"}
    yield case(
        "a DELETE carries no field manager that counts", FREE, delete(CHECKOUT, PERSON, options=options), managers
    )
    yield case(
        "an agent that is an added controller is still an agent",
        MISSING,
        delete(CHECKOUT),
        DEPLOYMENTS,
        options={"controllers": [AGENT["username"]]},
    )


def _what() -> Iterator[Expected]:
    yield case("a kind that no policy names is free", FREE, delete(config_map()), DEPLOYMENTS)
    here = policy("production", "deployments.apps", namespaces=["payments", "checkout"])
    yield case("a policy limited to the object's namespace", MISSING, delete(CHECKOUT), here)
    yield case("a policy limited to another namespace", FREE, delete(deployment(namespace="staging")), here)
    for named in ("*.apps", "deployments.*", "*.*"):
        wide = policy("production", named)
        yield case(f"a policy on {named}", MISSING, delete(CHECKOUT), wide)
        yield case(
            f"a policy on {named} and a ConfigMap", MISSING if named == "*.*" else FREE, delete(config_map()), wide
        )
    nodes = policy("platform", "nodes", "storageclasses.storage.k8s.io")
    yield case("a cluster-scoped object", MISSING, delete(make("Node", "worker-1")), nodes)
    yield case("a cluster-scoped object of a group", MISSING, delete(make("StorageClass", "fast")), nodes)
    stacks = policy("production", "stacks.example.com")
    stack = make("Stack", "checkout", spec={})
    yield case("a custom resource", MISSING, delete(stack), stacks, definition("Stack"))
    cells = policy("production", "cells.example.com")
    yield case("a cluster-scoped custom resource", MISSING, delete(make("Cell", "east")), cells, definition("Cell"))
    scales = policy("production", "deployments.apps", actions=["ScaleToZero", "RemoveFinalizers", "ChangeOwners"])
    yield case("a policy without Delete among its actions", FREE, delete(CHECKOUT), scales)
    yield case("a DELETE of a subresource is no deletion", FREE, delete(CHECKOUT, below="status"), DEPLOYMENTS)
    pods = policy("production", "pods")
    yield case("an agent's DELETE of a protected pod", MISSING, delete(pod()), pods)
    yield case(
        "a pod of the v1 policy, by its kubelet",
        "Exempt",
        delete(pod(), user("system:node:worker-1", "system:nodes")),
        pods,
    )
    for policy_ in ("Background", "Foreground", "Orphan"):
        options = {"propagationPolicy": policy_}
        yield case(f"a DELETE with propagation {policy_}", MISSING, delete(CHECKOUT, options=options), DEPLOYMENTS)
    other = deployment("other", annotations={"approval.seconder.dev/alice": "nothing"})
    yield case(
        "an approval that is none does not matter where no policy covers", FREE, delete(other, PERSON), DEPLOYMENTS
    )


def _several() -> Iterator[Expected]:
    two = policy("two", "deployments.apps", approvals={"required": 2, "teams": ["payments", "platform"]})
    yield case(
        "two policies: the message asks for what the stricter wants", MISSING, delete(CHECKOUT), DEPLOYMENTS, two
    )
    same = policy("again", "deployments.apps")
    yield case("two policies of the same requirement", MISSING, delete(CHECKOUT), DEPLOYMENTS, same)
    for mode in ("Audit", "Enforce"):
        other = policy("other", "deployments.apps", mode=mode, approvals={"required": 3})
        yield case(f"beside a policy in mode {mode}", MISSING, delete(CHECKOUT), DEPLOYMENTS, other)
    watched = policy("watched", "deployments.apps", mode="Audit")
    yield case("a policy in Audit mode alone refuses nothing", FREE, delete(CHECKOUT), watched)
    bots = policy("bots", "deployments.apps", agents={"groups": ["bots"]})
    yield case("of two policies one binds the caller", MISSING, delete(CHECKOUT, user("x", "bots")), bots, DEPLOYMENTS)
    narrow = policy("narrow", "deployments.apps", namespaces=["payments"])
    yield case(
        "a policy for the place and one for everywhere", MISSING, delete(CHECKOUT), narrow, policy("wide", "*.apps")
    )


def _told() -> Iterator[Expected]:
    yield case("a dry run is refused without a change request", MISSING, delete(CHECKOUT, dryRun=True), DEPLOYMENTS)
    yield case("dryRun may be null", MISSING, delete(CHECKOUT, dryRun=None), DEPLOYMENTS)
    reasoned = changed(CHECKOUT, annotations={"seconder.dev/reason": "cost\u202e cutting\n" + "x" * 400})
    yield case("the caller's own reason is noted, cleaned and bounded", MISSING, delete(reasoned), DEPLOYMENTS)
    yield case("without any approver the message says so", MISSING, delete(CHECKOUT), DEPLOYMENTS, approvers=())
    ended = approver("alice", {"name": "odd", "ssh": "ssh-dss AAAAB3NzaC1kc3M= alice"})
    yield case("without any usable key the message says so", MISSING, delete(CHECKOUT), DEPLOYMENTS, approvers=(ended,))
    operated = service_account("kiro", "seconder-agents", operator="dana@example.com")
    yield case("the operator on the agent's ServiceAccount is noted", MISSING, delete(CHECKOUT), DEPLOYMENTS, operated)
    by = account("seconder-agents", "kiro", extra={"seconder.dev/operator": ["erin@example.com", ""]})
    yield case("the operator in the agent's credential is noted", MISSING, delete(CHECKOUT, by), DEPLOYMENTS)
    yield case("two operators that differ are both noted", MISSING, delete(CHECKOUT, by), DEPLOYMENTS, operated)
    person = user("erin@example.com", operator=["dana@example.com"])
    everyone = policy("production", "deployments.apps", subjects="Everyone")
    yield case("a person's extra key names no operator", MISSING, delete(CHECKOUT, person), everyone)
    odd = user("eve\u202e\n; rm -rf ~ 'x'" + "y" * 400, agent=["kiro\u0007"])
    yield case(
        "odd characters of a caller's name are cleaned and quoted",
        MISSING,
        delete(CHECKOUT, odd, dryRun=True),
        DEPLOYMENTS,
    )
    long = user("x" * 600, "seconder.dev:agents")
    yield case("a user name that is too long for a change request", MISSING, delete(CHECKOUT, long), DEPLOYMENTS)
    records = {"path": "/apis/seconder.dev/v1alpha1/changerequests", "status": 503}
    yield case(
        "where change requests cannot be followed none is promised",
        MISSING,
        delete(CHECKOUT),
        DEPLOYMENTS,
        faults=[records],
    )
    full = [_pending(number) for number in range(50)]
    yield case("where the requester has as many open as one may", MISSING, delete(CHECKOUT), DEPLOYMENTS, *full)
    ended_ones = [changed(each, status={"phase": "Expired"}) for each in full]
    yield case("ended change requests leave room", MISSING, delete(CHECKOUT), DEPLOYMENTS, *ended_ones)
    nearly = changed(CHECKOUT, annotations=annotation(CHECKOUT, detail={"name": "other"}))
    yield case("an approval for another object is told with its reason", "WrongObject", delete(nearly), DEPLOYMENTS)
    yield case(
        "kube-system's identity with a cluster id is another audience",
        "WrongCluster",
        delete(changed(CHECKOUT, annotations=annotation(CHECKOUT))),
        DEPLOYMENTS,
        options={"clusterId": "east"},
    )


def _pending(number: int) -> dict[str, Any]:
    target = {"group": "apps", "version": "v1", "resource": "deployments", "kind": "Deployment"}
    named = {"namespace": "payments", "name": f"other-{number}", "uid": f"uid-{number}"}
    policies = [
        {"name": "production", "required": 1, "assurance": "Software", "maxTTLSeconds": 900, "bindImpact": True}
    ]
    spec = {"requester": AGENT["username"], "object": target | named, "action": "Delete", "policies": policies}
    return make("ChangeRequest", f"chg-{number:026}", spec=spec, status={"phase": "Pending"})
