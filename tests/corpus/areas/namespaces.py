"""The end of a namespace: where it is named, for what it holds, and what goes down with it."""

from collections.abc import Iterator, Sequence
from typing import Any

from tests.corpus.builders.documents import (
    Document,
    changed,
    config_map,
    definition,
    deployment,
    make,
    namespace,
    owner,
    policy,
    workload,
)
from tests.corpus.builders.reviews import PERSON, account, delete, update
from tests.corpus.builders.scene import AUDIT, CHECKOUT, DEPLOYMENTS, NAMESPACES, Expected, case
from tests.corpus.builders.signing import BOB, TXN, approved, impact

MISSING = "ApprovalMissing"
FREE = "NotCovered"
UNKNOWN = "InternalError"
PLACE = namespace()
LOOSE = policy("production", "namespaces", approvals={"bindImpact": False})
LISTS = "/apis/apps/v1/namespaces/payments/deployments"
SERVICE = make("Service", "checkout", spec={"ports": [{"port": 80}]})
HELD = (CHECKOUT, SERVICE, config_map())


def cases() -> Iterator[Expected]:
    """Give them all."""
    yield from _named()
    yield from _for_what_it_holds()
    yield from _bound()
    yield from _bound_otherwise()
    yield from _not_known()
    yield from _definitions()


def _bound_to(*held: Document, custom: Sequence[str] = (), **changes: Any) -> Document:
    return approved(PLACE, detail={"impact": impact(held, custom)}, **changes)


def _named() -> Iterator[Expected]:
    yield case("a namespace that is named, empty", MISSING, delete(PLACE), NAMESPACES)
    yield case("a namespace that is named, with contents", MISSING, delete(PLACE), NAMESPACES, *HELD)
    yield case("a person's DELETE of a namespace that is named", FREE, delete(PLACE, PERSON), NAMESPACES)
    controller = account("kube-system", "namespace-controller")
    yield case("the namespace controller's own DELETE", "Exempt", delete(PLACE, controller), NAMESPACES)
    mine = policy("production", "namespaces", namespaces=["payments"])
    yield case("a policy that names this namespace", MISSING, delete(PLACE), mine)
    yield case("a policy that names another namespace", FREE, delete(namespace("staging")), mine)
    yield case("a namespace's DELETE without its name repeated", MISSING, delete(PLACE, namespace=""), NAMESPACES)
    dry = delete(PLACE, dryRun=True)
    yield case("a namespace's DELETE by dry run", MISSING, dry, NAMESPACES, *HELD)


def _for_what_it_holds() -> Iterator[Expected]:
    yield case("an empty namespace under a policy on Deployments", FREE, delete(PLACE), DEPLOYMENTS)
    yield case("a namespace with other things only", FREE, delete(PLACE), DEPLOYMENTS, SERVICE)
    yield case("a namespace that holds a Deployment", MISSING, delete(PLACE), DEPLOYMENTS, CHECKOUT)
    yield case("a person's DELETE of a namespace that holds one", FREE, delete(PLACE, PERSON), DEPLOYMENTS, CHECKOUT)
    here = policy("production", "deployments.apps", namespaces=["payments"])
    yield case("a policy limited to the namespace that holds one", MISSING, delete(PLACE), here, CHECKOUT)
    other = deployment(namespace="staging")
    yield case("a policy limited to another namespace than holds one", FREE, delete(namespace("staging")), here, other)
    nodes = policy("platform", "nodes", "deployments.apps")
    yield case("a policy on nodes and Deployments", MISSING, delete(PLACE), nodes, CHECKOUT)
    yield case("a policy on cluster-scoped things alone", FREE, delete(PLACE), policy("platform", "nodes"), CHECKOUT)
    both = policy("spaces", "namespaces")
    yield case("a namespace that is named and holds a Deployment", MISSING, delete(PLACE), DEPLOYMENTS, both, CHECKOUT)
    stacks = policy("production", "stacks.example.com")
    stack = make("Stack", "checkout", spec={})
    yield case("a namespace that holds a custom resource", MISSING, delete(PLACE), stacks, stack, definition("Stack"))
    yield case("a namespace that holds no such custom resource", FREE, delete(PLACE), stacks, definition("Stack"))
    everything = policy("production", "*.apps")
    yield case(
        "a policy on *.apps and a StatefulSet", MISSING, delete(PLACE), everything, workload("StatefulSet", "ledger")
    )
    everyone = policy("production", "deployments.apps", subjects="Everyone")
    yield case("a person's DELETE under a policy for Everyone", MISSING, delete(PLACE, PERSON), everyone, CHECKOUT)
    yield case("a person's DELETE of an empty one under a policy for Everyone", FREE, delete(PLACE, PERSON), everyone)
    system = namespace("kube-system")
    yield case(
        "a person's DELETE of kube-system under a policy for Everyone",
        FREE,
        delete(system, PERSON),
        everyone,
        live=False,
    )
    scaled = policy("production", "deployments.apps", actions=["ScaleToZero"])
    yield case("a policy without Delete on what it holds", FREE, delete(PLACE), scaled, CHECKOUT)
    watched = policy("production", "deployments.apps", mode="Audit")
    yield case("a namespace with contents that Audit watches", MISSING, delete(PLACE), watched, CHECKOUT, path=AUDIT)
    given = update(PLACE, changed(PLACE, ownerReferences=[owner(make("Cell", "east"))]))
    yield case("an owner that a namespace with a Deployment gets", MISSING, given, DEPLOYMENTS, CHECKOUT)
    yield case("an owner that an empty namespace gets", FREE, given, DEPLOYMENTS)
    yield case("an owner that a namespace gets that is named", MISSING, given, NAMESPACES)
    finalizers = update(
        changed(PLACE, deletionTimestamp="2026-11-22T09:00:00Z", finalizers=["a.example.com/x"]),
        changed(PLACE, deletionTimestamp="2026-11-22T09:00:00Z"),
    )
    yield case("a finalizer of a namespace that is not named", FREE, finalizers, DEPLOYMENTS, CHECKOUT)


def _bound() -> Iterator[Expected]:
    yield case("an approval that names what goes down", "Approved", delete(_bound_to(*HELD)), NAMESPACES, *HELD)
    yield case("an approval of an empty namespace", "Approved", delete(_bound_to()), NAMESPACES)
    yield case("an approval that names nothing", "ImpactChanged", delete(approved(PLACE)), NAMESPACES, *HELD)
    yield case(
        "an approval from before a Service came", "ImpactChanged", delete(_bound_to(CHECKOUT)), NAMESPACES, *HELD
    )
    again = changed(SERVICE, uid="another")
    yield case(
        "an approval from before a Service was made anew",
        "ImpactChanged",
        delete(_bound_to(*HELD)),
        NAMESPACES,
        CHECKOUT,
        again,
    )
    many = [make("PersistentVolumeClaim", f"data-{number}", spec={}) for number in range(3)]
    kinds = [
        workload("StatefulSet", "a"),
        workload("DaemonSet", "b"),
        make("CronJob", "c", spec={}),
        make("Ingress", "d", spec={}),
    ]
    yield case(
        "an approval of all kinds that are counted",
        "Approved",
        delete(_bound_to(*HELD, *many, *kinds)),
        NAMESPACES,
        *HELD,
        *many,
        *kinds,
    )
    yield case("where impact is not bound none need be named", "Approved", delete(approved(PLACE)), LOOSE, *HELD)
    yield case("where impact is not bound one may be named", "Approved", delete(_bound_to()), LOOSE, *HELD)
    strict = policy("strict", "namespaces")
    yield case("of two policies one binds impact", "ImpactChanged", delete(approved(PLACE)), LOOSE, strict, *HELD)
    yield case(
        "both are satisfied by an approval that names it", "Approved", delete(_bound_to(*HELD)), LOOSE, strict, *HELD
    )


def _bound_otherwise() -> Iterator[Expected]:
    stacks = policy("production", "stacks.example.com", "namespaces")
    stack, known = make("Stack", "checkout", spec={}), definition("Stack")
    named = _bound_to(CHECKOUT, stack, custom=["Stack"])
    yield case(
        "custom resources that the policy names are counted", "Approved", delete(named), stacks, CHECKOUT, stack, known
    )
    yield case(
        "an approval that leaves such a one out",
        "ImpactChanged",
        delete(_bound_to(CHECKOUT)),
        stacks,
        CHECKOUT,
        stack,
        known,
    )
    yield case("an approval for what a namespace holds", "Approved", delete(_bound_to(CHECKOUT)), DEPLOYMENTS, CHECKOUT)
    yield case(
        "an approval for what it held, and holds otherwise now",
        "ImpactChanged",
        delete(_bound_to()),
        DEPLOYMENTS,
        CHECKOUT,
    )
    zero = approved(PLACE, detail={"impact": impact(HELD), "actions": ["ScaleToZero"]})
    yield case(
        "the impact is told where the approval fails for another reason", "WrongAction", delete(zero), NAMESPACES, *HELD
    )
    two = policy("production", "namespaces", approvals={"required": 2})
    first = _bound_to(*HELD, txn=TXN)
    second = approved(first, BOB, txn=TXN, jti="ffeeddccbbaa99887766554433221100", detail={"impact": impact(HELD)})
    yield case("two peers who name the same", "Approved", delete(second), two, *HELD)
    earlier = approved(
        first, BOB, txn=TXN, jti="ffeeddccbbaa99887766554433221100", detail={"impact": impact([CHECKOUT])}
    )
    yield case("two peers who name different things", "QuorumNotReached", delete(earlier), two, *HELD)
    leaving = changed(
        approved(PLACE, detail={"actions": ["RemoveFinalizers"]}), deletionTimestamp="2026-11-22T09:00:00Z"
    )
    freed = update(leaving, changed(leaving, spec={}))
    yield case("finalizers of a namespace bind no impact", "Approved", freed, NAMESPACES, *HELD)


def _not_known() -> Iterator[Expected]:
    for status in (503, 403, 404, 0):
        fault = {"path": LISTS, "status": status}
        yield case(f"contents whose list gives {status}", UNKNOWN, delete(PLACE), DEPLOYMENTS, CHECKOUT, faults=[fault])
    fault = {"path": "/api/v1/namespaces/payments/services", "status": 503}
    yield case("an impact that cannot be counted", UNKNOWN, delete(_bound_to(*HELD)), NAMESPACES, *HELD, faults=[fault])
    yield case("without an approval it need not be", MISSING, delete(PLACE), NAMESPACES, *HELD, faults=[fault])
    yield case(
        "where impact is not bound it need not be", "Approved", delete(approved(PLACE)), LOOSE, *HELD, faults=[fault]
    )
    yield case(
        "a person needs no list",
        FREE,
        delete(PLACE, PERSON),
        DEPLOYMENTS,
        CHECKOUT,
        faults=[{"path": LISTS, "status": 503}],
    )
    unseen = changed(DEPLOYMENTS, generation=2, status={"observedGeneration": 1, "conditions": [], "resources": []})
    yield case("a policy that the operator has not looked at", UNKNOWN, delete(PLACE), unseen, CHECKOUT)
    fresh = changed(policy("new", "deployments.apps"), status=None)
    yield case("a policy without any status", UNKNOWN, delete(PLACE), changed(fresh, status={}), CHECKOUT)


def _definitions() -> Iterator[Expected]:
    stacks = policy("production", "stacks.example.com")
    known = definition("Stack")
    yield case("the definition of a protected custom resource", MISSING, delete(known), stacks)
    yield case("a person's DELETE of such a definition", FREE, delete(known, PERSON), stacks)
    yield case("an approved DELETE of such a definition", "Approved", delete(approved(known)), stacks)
    yield case("the definition of another group", FREE, delete(definition("Widget")), stacks, known)
    yield case("the definition of another plural", FREE, delete(definition("Cell")), stacks, known)
    for named in ("*.example.com", "stacks.*", "*.*"):
        yield case(f"a definition under a policy on {named}", MISSING, delete(known), policy("production", named))
    here = policy("production", "stacks.example.com", namespaces=["elsewhere"])
    yield case("a definition under a policy limited to some namespaces", MISSING, delete(known), here)
    itself = policy("production", "customresourcedefinitions.apiextensions.k8s.io")
    yield case("a definition that is named itself", MISSING, delete(known), itself)
    yield case(
        "a definition that is named and defines what is named",
        MISSING,
        delete(known),
        itself,
        policy("stacks", "stacks.example.com"),
    )
    given = update(known, changed(known, ownerReferences=[owner(make("Cell", "east"))]))
    yield case("an owner that the definition of a protected resource gets", MISSING, given, stacks, definition("Cell"))
    scaled = policy("production", "stacks.example.com", actions=["ScaleToZero"])
    yield case("a definition under a policy without Delete", FREE, delete(known), scaled)
    everyone = policy("production", "stacks.example.com", subjects="Everyone")
    yield case(
        "a person's DELETE of a definition under a policy for Everyone", MISSING, delete(known, PERSON), everyone
    )
