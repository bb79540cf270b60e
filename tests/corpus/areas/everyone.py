"""Policies for Everyone: whom they bind, and whom they leave alone."""

from collections.abc import Iterator
from typing import Any

from tests.corpus.builders.documents import (
    changed,
    cluster_role,
    config_map,
    deployment,
    make,
    namespace,
    owner,
    pod,
    policy,
    rule,
    service_account,
)
from tests.corpus.builders.reviews import AGENT, PERSON, account, create, delete, delete_collection, scale, update, user
from tests.corpus.builders.scene import AUDIT, CHECKOUT, DEPLOYMENTS, Expected, case
from tests.corpus.builders.signing import BOB, annotation, approved

MISSING = "ApprovalMissing"
FREE = "NotCovered"
EXEMPT = "Exempt"
GHOST = "ProtectedConfiguration"
EVERYONE = policy("everyone", "deployments.apps", subjects="Everyone", exempt={"users": ["dana@example.com"]})
PODS = policy("everyone", "pods", subjects="Everyone")


def cases() -> Iterator[Expected]:
    """Give them all."""
    yield from _exempt()
    yield from _controllers()
    yield from _beside()
    yield from _other_actions()
    yield from _approvals()
    yield from _of_no_concern()


def _exempt() -> Iterator[Expected]:
    yield case("somebody's DELETE", MISSING, delete(CHECKOUT, user("erin@example.com")), EVERYONE)
    yield case("somebody's deletecollection", MISSING, delete_collection(CHECKOUT, user("erin@example.com")), EVERYONE)
    yield case("a DELETE by who is exempt", FREE, delete(CHECKOUT, PERSON), EVERYONE)
    yield case(
        "a DELETE by who is exempt in one of two policies",
        MISSING,
        delete(CHECKOUT, PERSON),
        EVERYONE,
        policy("all", "deployments.apps", subjects="Everyone"),
    )
    spared = policy("everyone", "deployments.apps", subjects="Everyone", exempt={"users": [AGENT["username"]]})
    yield case("an agent is never exempt", MISSING, delete(CHECKOUT), spared)
    other = policy("bots", "nodes", agents={"users": ["dana@example.com"]})
    yield case("an agent of another policy is never exempt", MISSING, delete(CHECKOUT, PERSON), EVERYONE, other)
    for name in ("kube-system:deployment-controller", "kube-system:statefulset-controller"):
        yield case(f"{name} is never bound", EXEMPT, delete(CHECKOUT, account(*name.split(":"))), EVERYONE)
    for name in ("system:kube-controller-manager", "system:kube-scheduler", "system:apiserver"):
        yield case(f"{name} is never bound", EXEMPT, delete(CHECKOUT, user(name)), EVERYONE)
    yield case(
        "a controller of another namespace is bound",
        MISSING,
        delete(CHECKOUT, account("payments", "deployment-controller")),
        EVERYONE,
    )
    yield case(
        "a controller of nearly that name is bound",
        MISSING,
        delete(CHECKOUT, account("kube-system", "deployment-controllers")),
        EVERYONE,
    )
    argo = account("argocd", "controller")
    yield case(
        "a controller that was added is not bound",
        FREE,
        delete(CHECKOUT, argo),
        EVERYONE,
        options={"controllers": [argo["username"]]},
    )


def _controllers() -> Iterator[Expected]:
    argo = account("argocd", "controller")
    yield case("a controller that was not added is bound", MISSING, delete(CHECKOUT, argo), EVERYONE)
    kubelet = user("system:node:worker-1", "system:nodes")
    yield case("a kubelet deletes a pod", EXEMPT, delete(pod(), kubelet), PODS)
    yield case("a kubelet deletes something else", MISSING, delete(CHECKOUT, kubelet), EVERYONE)
    yield case(
        "somebody called like a kubelet deletes a pod", MISSING, delete(pod(), user("system:node:worker-1")), PODS
    )
    yield case(
        "somebody of the kubelets' group deletes a pod", MISSING, delete(pod(), user("eve", "system:nodes")), PODS
    )
    system = deployment("coredns", "kube-system")
    yield case("somebody's DELETE in kube-system", FREE, delete(system, user("erin@example.com")), EVERYONE)
    yield case("an agent's DELETE in kube-system", MISSING, delete(system), EVERYONE)
    own = deployment("seconder-webhook", "seconder-system")
    yield case("somebody's DELETE in the guard's namespace", FREE, delete(own, user("erin@example.com")), EVERYONE)
    yield case(
        "somebody's ordinary update",
        FREE,
        update(CHECKOUT, changed(CHECKOUT, labels={"a": "b"}), user("erin")),
        EVERYONE,
    )
    yield case("somebody's creation", FREE, create(CHECKOUT, user("erin")), EVERYONE)
    nodes = policy("everyone", "nodes", subjects="Everyone")
    yield case(
        "somebody's DELETE of something cluster-scoped", MISSING, delete(make("Node", "worker-1"), user("erin")), nodes
    )
    watched = policy("everyone", "deployments.apps", subjects="Everyone", mode="Audit")
    yield case("somebody's DELETE that Audit watches", MISSING, delete(CHECKOUT, user("erin")), watched, path=AUDIT)
    yield case(
        "a controller's DELETE that Audit watches",
        EXEMPT,
        delete(CHECKOUT, account("kube-system", "namespace-controller")),
        watched,
        path=AUDIT,
    )


def _beside() -> Iterator[Expected]:
    yield case("an agent under Everyone and a policy for agents", MISSING, delete(CHECKOUT), EVERYONE, DEPLOYMENTS)
    yield case(
        "somebody under Everyone and a policy for agents",
        MISSING,
        delete(CHECKOUT, user("erin")),
        EVERYONE,
        DEPLOYMENTS,
    )
    yield case(
        "somebody's DELETE, where the view may be out of date",
        MISSING,
        delete(CHECKOUT, user("erin")),
        EVERYONE,
        fresh=False,
    )
    yield case(
        "an exempt DELETE, where the view may be out of date",
        "InternalError",
        delete(CHECKOUT, PERSON),
        EVERYONE,
        fresh=False,
    )
    yield case(
        "a controller's DELETE, where the view may be out of date",
        EXEMPT,
        delete(CHECKOUT, account("kube-system", "job-controller")),
        EVERYONE,
        fresh=False,
    )
    yield case(
        "a person's DELETE of what no policy names, where the view may be out of date",
        "InternalError",
        delete(config_map(), PERSON),
        EVERYONE,
        fresh=False,
    )


def _other_actions() -> Iterator[Expected]:
    erin = user("erin@example.com")
    yield case("somebody's scale to zero", MISSING, scale(CHECKOUT, 0, erin), EVERYONE, CHECKOUT)
    yield case("somebody's scale to less", FREE, scale(CHECKOUT, 1, erin), EVERYONE, CHECKOUT)
    none = changed(CHECKOUT, spec__replicas=0)
    yield case("somebody's scale to zero in the Deployment itself", MISSING, update(CHECKOUT, none, erin), EVERYONE)
    yield case("a scale to zero by who is exempt", FREE, scale(CHECKOUT, 0, PERSON), EVERYONE, CHECKOUT)
    autoscales = account("kube-system", "horizontal-pod-autoscaler")
    yield case(
        "a scale to zero by the autoscaler's controller", EXEMPT, scale(CHECKOUT, 0, autoscales), EVERYONE, CHECKOUT
    )
    leaving = changed(CHECKOUT, deletionTimestamp="2026-11-22T03:00:00Z", finalizers=["example.com/hold"])
    freed = changed(leaving, finalizers=[])
    yield case("somebody takes the finalizer of what is being deleted", MISSING, update(leaving, freed, erin), EVERYONE)
    held = changed(CHECKOUT, finalizers=["example.com/hold"])
    yield case("somebody takes the finalizer of what stays", FREE, update(held, CHECKOUT, erin), EVERYONE)
    app = config_map("app")
    owned = changed(CHECKOUT, ownerReferences=[owner(app)])
    yield case("somebody gives an owner that is there", FREE, update(CHECKOUT, owned, erin), EVERYONE, app)
    yield case("somebody gives an owner that is not there", GHOST, update(CHECKOUT, owned, erin), EVERYONE)
    yield case(
        "a controller gives an owner that is not there",
        GHOST,
        update(CHECKOUT, owned, account("kube-system", "deployment-controller")),
        EVERYONE,
    )
    spaces = policy("everyone", "namespaces", subjects="Everyone")
    yield case("somebody's DELETE of a namespace", MISSING, delete(namespace(), erin), spaces, CHECKOUT)


def _approvals() -> Iterator[Expected]:
    erin = user("erin@example.com")
    by_person: dict[str, Any] = {"sub": "erin@example.com", "act": None}
    yield case("somebody's approved DELETE", "Approved", delete(approved(CHECKOUT, **by_person), erin), EVERYONE)
    yield case(
        "somebody's DELETE that an agent's approval is for",
        "WrongRequester",
        delete(approved(CHECKOUT), erin),
        EVERYONE,
    )
    own = approved(CHECKOUT, sub="bob@example.com", act=None, by=BOB)
    yield case(
        "somebody's DELETE that they approve themselves", "SelfApproval", delete(own, user("bob@example.com")), EVERYONE
    )
    two = policy("everyone", "deployments.apps", subjects="Everyone", approvals={"required": 2})
    one = approved(CHECKOUT, **by_person)
    yield case("somebody's DELETE with one approval of two", "QuorumNotReached", delete(one, erin), two)
    annotated = changed(CHECKOUT, annotations=annotation(CHECKOUT))
    yield case("somebody writes an approval", FREE, update(CHECKOUT, annotated, erin), EVERYONE)


def _of_no_concern() -> Iterator[Expected]:
    """What agents may not do, people may."""
    erin = user("erin@example.com")
    app = config_map("app")
    owned = changed(CHECKOUT, ownerReferences=[owner(app)])
    yield case("somebody deletes what owns what is named", FREE, delete(app, erin), EVERYONE, owned)
    wide = cluster_role("given", rule("*", "*.*"))
    yield case("somebody makes a role of all rights", FREE, create(wide, erin), EVERYONE)
    yield case("somebody changes a policy", FREE, update(EVERYONE, DEPLOYMENTS, erin), EVERYONE)
    yield case("somebody makes an agent", FREE, create(service_account("other", "seconder-agents"), erin), EVERYONE)
    yield case(
        "somebody runs a pod as an agent",
        FREE,
        create(pod(namespace_="seconder-agents", account="kiro"), erin),
        EVERYONE,
    )
