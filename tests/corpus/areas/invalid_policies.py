"""Policies that are invalid, stale, or damaged: what they name stays refused to agents."""

from collections.abc import Iterator
from typing import Any

from tests.corpus.builders.documents import Document, changed, config_map, deployment, make, namespace, policy
from tests.corpus.builders.reviews import PERSON, delete, scale, update, user
from tests.corpus.builders.scene import AUDIT, CHECKOUT, DEPLOYMENTS, Expected, case
from tests.corpus.builders.signing import approved

INVALID = "PolicyInvalid"
MISSING = "ApprovalMissing"
FREE = "NotCovered"
APPS = [{"group": "apps", "resources": ["deployments"]}]


def cases() -> Iterator[Expected]:
    """Give them all."""
    yield from _misspelt()
    yield from _unreadable()
    yield from _unreadable_in_part()
    yield from _last_valid()
    yield from _stale()


def _misspelt() -> Iterator[Expected]:
    for named in ("deployment.apps", "Deployments.apps", "deployments", "deploy.apps"):
        yield case(
            f"a policy on {named} refuses what was probably meant", INVALID, delete(CHECKOUT), policy("odd", named)
        )
    yield case(
        "a policy on nothing that is served refuses nothing else", FREE, delete(CHECKOUT), policy("odd", "gadgets.apps")
    )
    both = policy("odd", "gadgets.apps", "deployments.apps")
    yield case("a policy with one bad name refuses its good one", INVALID, delete(CHECKOUT), both)
    yield case("and that to agents alone", FREE, delete(CHECKOUT, PERSON), both)
    yield case("and no approval helps", INVALID, delete(approved(CHECKOUT)), both)
    yield case("nor a valid policy beside it", INVALID, delete(approved(CHECKOUT)), both, DEPLOYMENTS)
    yield case("two invalid policies are both named", INVALID, delete(CHECKOUT), both, policy("other", "deploy.apps"))
    limited = policy("odd", "nodes", namespaces=["payments"])
    yield case("namespaces on a cluster-scoped kind", INVALID, delete(make("Node", "worker-1")), limited)
    mixed = policy("odd", "nodes", "deployments.apps", namespaces=["payments"])
    yield case("such a policy's other kinds, inside", INVALID, delete(CHECKOUT), mixed)
    yield case("such a policy's other kinds, outside", FREE, delete(deployment(namespace="staging")), mixed)
    yield case("an invalid policy covers a namespace for its contents", INVALID, delete(namespace()), both, CHECKOUT)
    yield case("an invalid policy covers an empty namespace not", FREE, delete(namespace()), both)
    yield case("an invalid policy covers a scale to zero", INVALID, scale(CHECKOUT, 0), both, CHECKOUT)
    zero = policy("odd", "gadgets.apps", "deployments.apps", actions=["ScaleToZero"])
    yield case("an invalid policy covers its own actions", FREE, delete(CHECKOUT), zero)
    watched = policy("odd", "gadgets.apps", "deployments.apps", mode="Audit")
    yield case("an invalid policy in Audit mode refuses nothing", FREE, delete(CHECKOUT), watched)
    yield case("an invalid policy in Audit mode warns", INVALID, delete(CHECKOUT), watched, path=AUDIT)
    tagged = changed(CHECKOUT, annotations={"seconder.dev/agent": "kiro"})
    yield case("an invalid policy binds whoever acts on what is tagged", INVALID, delete(tagged, PERSON), both)
    bots = policy(
        "odd", "gadgets.apps", "deployments.apps", agents={"groups": ["bots"], "serviceAccountNamespaces": []}
    )
    yield case("an invalid policy binds agents of the defaults beside its own", INVALID, delete(CHECKOUT), bots)
    yield case("an invalid policy binds agents of its own", INVALID, delete(CHECKOUT, user("x", "bots")), bots)
    refused = _judged(DEPLOYMENTS, "RefusedByAPIServer", "spec.matchConditions[0]: Invalid value\u202e", True)
    yield case("a policy that the API server would not take", INVALID, delete(CHECKOUT), refused)
    before = _judged(DEPLOYMENTS, "SpecInvalid", "it was wrong", True, generation=0)
    yield case("a problem of an earlier generation", MISSING, delete(CHECKOUT), before)
    wordless = _judged(DEPLOYMENTS, "SpecInvalid", "", True)
    yield case("a problem without words", INVALID, delete(CHECKOUT), wordless)


def _judged(document: Document, reason: str, message: str, resolved: bool, generation: int = 1) -> Document:
    """Give a policy with a status that says that it is not ready."""
    since = {"lastTransitionTime": "2026-11-20T08:00:00Z", "observedGeneration": generation}
    ready = {"type": "Ready", "status": "False", "reason": reason, "message": message} | since
    known = {
        "group": "apps",
        "version": "v1",
        "resource": "deployments",
        "namespaced": True,
        "custom": False,
        "kind": "Deployment",
    }
    status: Document = {"conditions": [ready], "observedGeneration": 1, "resources": [known] if resolved else []}
    return changed(document, status=status)


def _unreadable() -> Iterator[Expected]:
    specs: dict[str, Any] = {
        "an unknown field": {"resources": APPS, "excepted": []},
        "an unknown mode": {"resources": APPS, "mode": "Ignore"},
        "subjects of another kind": {"resources": APPS, "subjects": "Robots"},
        "tags that are no lists": {"resources": APPS, "agents": {"groups": "bots"}},
        "all tags cleared": {
            "resources": APPS,
            "agents": {
                each: []
                for each in ("groups", "users", "serviceAccountNamespaces", "extraKeys", "fieldManagers", "annotations")
            },
        },
        "an extra key in capitals": {"resources": APPS, "agents": {"extraKeys": ["Bot"]}},
        "field managers alone, with Delete": {
            "resources": APPS,
            "agents": {
                "groups": [],
                "serviceAccountNamespaces": [],
                "extraKeys": [],
                "annotations": [],
                "fieldManagers": ["bot"],
            },
        },
        "no actions": {"resources": APPS, "actions": []},
        "an action that is none": {"resources": APPS, "actions": ["Destroy"]},
        "approvals by nobody": {"resources": APPS, "approvals": {"required": 0}},
        "a lifetime that is none": {"resources": APPS, "approvals": {"maxTTL": "soon"}},
        "a lifetime with a line's end": {"resources": APPS, "approvals": {"maxTTL": "15m\n"}},
        "a lifetime of days": {"resources": APPS, "approvals": {"maxTTL": "25h"}},
        "namespaces that are no names": {"resources": APPS, "namespaces": ["*"]},
        "a resource beside one that cannot be read": {"resources": [*APPS, {"group": "apps"}, "pods"]},
        "a wildcard for Everyone": {"resources": [*APPS, {"group": "*", "resources": ["*"]}], "subjects": "Everyone"},
    }
    for what, spec in specs.items():
        document = make("ProtectionPolicy", "odd", generation=1, spec=spec)
        yield case(f"a policy with {what}", INVALID, delete(CHECKOUT), document)


def _unreadable_in_part() -> Iterator[Expected]:
    for what, spec in {
        "no spec": {},
        "no resources": {"resources": []},
        "resources that are no list": {"resources": "all"},
    }.items():
        document = make("ProtectionPolicy", "odd", generation=1, spec=spec)
        yield case(
            f"a policy with {what} refuses nothing",
            FREE,
            delete(CHECKOUT),
            document,
            DEPLOYMENTS | {"spec": {"resources": [{"group": "", "resources": ["nodes"]}]}},
        )
    elsewhere = make(
        "ProtectionPolicy", "odd", generation=1, spec={"resources": APPS, "namespaces": ["staging"], "excepted": []}
    )
    yield case("what can be read of an invalid policy keeps its meaning", FREE, delete(CHECKOUT), elsewhere)
    watched = make("ProtectionPolicy", "odd", generation=1, spec={"resources": APPS, "mode": "Audit", "excepted": []})
    yield case("an invalid policy that is readable in its mode", FREE, delete(CHECKOUT), watched)
    odd = changed(DEPLOYMENTS, status={"conditions": "none", "resources": 7})
    yield case("a status that cannot be read resolves nothing", MISSING, delete(CHECKOUT), odd)
    yield case("a status that cannot be read, and a namespace", "InternalError", delete(namespace()), odd, CHECKOUT)


def _last_valid() -> Iterator[Expected]:
    valid = {"resources": APPS, "subjects": "Everyone", "approvals": {"required": 2}}
    edited = make(
        "ProtectionPolicy", "everyone", generation=2, spec=valid | {"excepted": []}, status={"lastValid": valid}
    )
    edited = _judged(edited, "SpecInvalid", "Object contains unknown field `excepted`", True, generation=2)
    edited["status"] |= {"lastValid": valid, "observedGeneration": 2}
    yield case("the last valid form stays in force for people", MISSING, delete(CHECKOUT, PERSON), edited)
    yield case("and the invalid one refuses agents", INVALID, delete(CHECKOUT), edited)
    agents = {"resources": APPS}
    other = changed(edited, status=edited["status"] | {"lastValid": agents})
    yield case("the last valid form of a policy for agents does not stay", FREE, delete(CHECKOUT, PERSON), other)
    damaged = changed(edited, status=edited["status"] | {"lastValid": {"resources": 7}})
    yield case("a last valid form that cannot be read", FREE, delete(CHECKOUT, PERSON), damaged)
    mine = approved(CHECKOUT, sub="dana@example.com", act=None)
    yield case("an approval satisfies the last valid form", "QuorumNotReached", delete(mine, PERSON), edited)
    yield case("a map beside it is free to people", FREE, delete(config_map(), PERSON), edited)


def _stale() -> Iterator[Expected]:
    bad = changed(_judged(DEPLOYMENTS, "Protecting", "in force", True), generation=2)
    bad["spec"] = {"resources": APPS, "excepted": []}
    place = delete(namespace())
    yield case("an edit that cannot be read, of a policy whose names are known", INVALID, place, bad, CHECKOUT)
    unknown = changed(bad, status={"observedGeneration": 1, "conditions": [], "resources": []})
    yield case(
        "an edit that cannot be read, of a policy whose names are not", "InternalError", place, unknown, CHECKOUT
    )
    wide = make(
        "ProtectionPolicy",
        "odd",
        generation=1,
        spec={"resources": [{"group": "*", "resources": ["*"]}], "subjects": "Everyone"},
    )
    unseen = changed(wide, status={})
    yield case(
        "a wildcard for Everyone that the operator has not seen, and a person", FREE, delete(CHECKOUT, PERSON), unseen
    )
    yield case(
        "a wildcard for Everyone that the operator has not seen, and an agent", INVALID, delete(CHECKOUT), unseen
    )
    warned = _judged(DEPLOYMENTS, "NamedByNoPolicy", "nothing names them", True)
    warned["status"]["conditions"][0]["type"] = "DeputiesUnprotected"
    yield case("another condition that is False", MISSING, delete(CHECKOUT), warned)
    unseen = changed(DEPLOYMENTS, generation=2, status={"observedGeneration": 1, "conditions": [], "resources": []})
    yield case("a policy that the operator has not seen names what it names", MISSING, delete(CHECKOUT), unseen)
    given = update(CHECKOUT, changed(CHECKOUT, spec__replicas=0))
    yield case("also for updates", MISSING, given, unseen)
    yield case("an approval of what such a policy names", "InternalError", delete(approved(CHECKOUT)), unseen)
    kept = _judged(DEPLOYMENTS, "Protecting", "in force", True)
    kept["status"]["conditions"][0]["status"] = "True"
    edited = changed(kept, generation=2)
    yield case("an edit that names nothing new needs no new look", "Approved", delete(approved(CHECKOUT)), edited)
    limited = changed(edited, spec={"resources": APPS, "namespaces": ["staging"]})
    yield case("an edit is in force at once", FREE, delete(CHECKOUT), limited)
    wider = changed(kept, generation=2, spec={"resources": [*APPS, {"group": "", "resources": ["configmaps"]}]})
    yield case("an edit that names something new holds at once", MISSING, delete(config_map()), wider)
    less = changed(kept, spec={"resources": [{"group": "", "resources": ["configmaps"]}]}, generation=2)
    yield case("what was named before an edit is free", "InternalError", delete(CHECKOUT), less)
