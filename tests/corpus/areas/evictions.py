"""Evictions of pods: each ends its pod as a deletion does, and what the pod owns goes with it."""

from collections.abc import Iterator

from tests.corpus.builders.documents import changed, controller, owner, pod, policy
from tests.corpus.builders.reviews import PERSON, account, evict, user
from tests.corpus.builders.scene import AUDIT, CHECKOUT, DEPLOYMENTS, Expected, case
from tests.corpus.builders.signing import annotation, approved

MISSING = "ApprovalMissing"
FREE = "NotCovered"
UNKNOWN = "InternalError"
POD = pod()
PODS = policy("production", "pods")
EVERYONE = policy("production", "pods", subjects="Everyone")
PATH = "/api/v1/namespaces/payments/pods/checkout-1"


def cases() -> Iterator[Expected]:
    """Give them all."""
    yield from _by_policies()
    yield from _by_approvals()
    yield from _by_callers()
    yield from _that_take_along()


def _by_policies() -> Iterator[Expected]:
    yield case("an eviction of a pod that a policy names", MISSING, evict(POD), PODS, POD)
    yield case("an eviction of a pod where policies name other kinds", FREE, evict(POD), DEPLOYMENTS, POD)
    yield case("an eviction of a pod without any policy", FREE, evict(POD), POD)
    elsewhere = policy("production", "pods", namespaces=["staging"])
    yield case("an eviction of a pod where pods are named elsewhere", FREE, evict(POD), elsewhere, POD)
    here = policy("production", "pods", namespaces=["payments"])
    yield case("an eviction of a pod where pods are named here", MISSING, evict(POD), here, POD)
    wildcard = policy("production", "*.*")
    yield case("an eviction of a pod that a wildcard names", MISSING, evict(POD), wildcard, POD)
    zero = policy("production", "pods", actions=["ScaleToZero"])
    yield case("an eviction of a pod that is protected from other actions", FREE, evict(POD), zero, POD)
    yield case("an eviction by dry run", MISSING, evict(POD, dryRun=True), PODS, POD)
    watched = policy("production", "pods", mode="Audit")
    yield case("an eviction that Audit watches", MISSING, evict(POD), watched, POD, path=AUDIT)
    yield case("an eviction by a policy that Audit watches, asked in Enforce", FREE, evict(POD), watched, POD)


def _by_approvals() -> Iterator[Expected]:
    yield case("an eviction of a pod whose deletion is approved", "Approved", evict(POD), PODS, approved(POD))
    wrong = approved(POD, detail={"actions": ["ScaleToZero"]})
    yield case("an eviction under an approval of another action", "WrongAction", evict(POD), PODS, wrong)
    old = approved(POD, detail={"identifier": "another"})
    yield case("an eviction under an approval of the pod before", "WrongObject", evict(POD), PODS, old)
    given = evict(POD)
    given["request"]["object"]["metadata"]["annotations"] = annotation(POD)
    yield case("an approval on the Eviction, written by the agent", "ProtectedConfiguration", given, PODS, POD)
    yield case("an eviction of a pod that is gone", FREE, evict(POD), PODS)
    for status in (503, 403, 0):
        fault = {"path": PATH, "status": status}
        name = f"an eviction of a pod that cannot be read: the API server gives {status}"
        yield case(name, UNKNOWN, evict(POD), PODS, approved(POD), faults=[fault])
    yield case(
        "an approved eviction, where the view may be out of date", UNKNOWN, evict(POD), PODS, approved(POD), fresh=False
    )
    yield case("an eviction of a pod that is gone, by an old view", FREE, evict(POD), PODS, fresh=False)
    odd = changed(POD) | {"metadata": {"name": "a/b", "namespace": "payments"}}
    yield case("an eviction of a pod whose name is a path", UNKNOWN, evict(odd), PODS)


def _by_callers() -> Iterator[Expected]:
    erin = user("erin@example.com")
    yield case("a person's eviction under a policy for agents", FREE, evict(POD, PERSON), PODS, POD)
    yield case("somebody's eviction under a policy for Everyone", MISSING, evict(POD, erin), EVERYONE, POD)
    ready = approved(POD, sub="erin@example.com", act=None)
    yield case("somebody's approved eviction", "Approved", evict(POD, erin), EVERYONE, ready)
    drains = account("kube-system", "node-controller")
    yield case("a controller's eviction", "Exempt", evict(POD, drains), EVERYONE, POD)
    tagged = pod(annotations={"seconder.dev/agent": "kiro"})
    yield case("a person's eviction of a pod that is tagged as an agent's", MISSING, evict(POD, PERSON), PODS, tagged)
    broken = policy("production", "pods", "gadgets.apps")
    yield case("an eviction under a policy that is misspelt", "PolicyInvalid", evict(POD), broken, POD)
    glass = policy("production", "pods", subjects="Everyone", breakGlass={"groups": ["sre"]})
    held = pod(annotations={"seconder.dev/break-glass": "2026-11-22T04:30:00Z the site is down"})
    yield case("an eviction in an emergency", "BreakGlass", evict(POD, user("erin", "sre")), glass, held)


def _that_take_along() -> Iterator[Expected]:
    owned = changed(CHECKOUT, ownerReferences=[owner(POD)])
    yield case("an eviction of a pod that owns a protected Deployment", MISSING, evict(POD), DEPLOYMENTS, POD, owned)
    ready = approved(owned)
    yield case("an eviction of a pod that owns an approved Deployment", "Approved", evict(POD), DEPLOYMENTS, POD, ready)
    yield case(
        "an approved eviction of a pod that owns a protected Deployment",
        MISSING,
        evict(POD),
        DEPLOYMENTS,
        policy("pods", "pods"),
        approved(POD),
        owned,
    )
    yield case(
        "a person's eviction of a pod that owns such a one",
        FREE,
        evict(POD, PERSON),
        DEPLOYMENTS,
        POD,
        owned,
    )
    member = pod(ownerReferences=[controller(CHECKOUT)])
    yield case("an eviction of a pod that such a one owns", FREE, evict(member), DEPLOYMENTS, member, CHECKOUT)
    fault = {"path": "/apis/apps/v1/deployments", "status": 503}
    yield case(
        "an eviction, while who owns what is not known", UNKNOWN, evict(POD), DEPLOYMENTS, POD, owned, faults=[fault]
    )
