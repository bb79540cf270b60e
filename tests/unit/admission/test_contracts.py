"""What holds for all rules: nothing that is not known lets anything through, and each stands in its place."""

import dataclasses
import itertools
import pkgutil
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from tests.support import signing
from tests.support.builders import (
    CONFIG_MAPS,
    DEPLOYMENT,
    DEPLOYMENTS,
    PERSON,
    REAL,
    approved,
    approved_for,
    connection,
    creation,
    deletion,
    document,
    eviction,
    live,
    policy,
    resolved,
    scale,
    state,
    target,
    update,
)
from tests.support.resolving import Answers

from seconder.admission import lookups, pipeline, rbac, rules
from seconder.admission.changes import differences
from seconder.admission.changes.free_paths import NOTHING
from seconder.admission.dependents import Dependent
from seconder.admission.indirect import references
from seconder.admission.lookups import Claim, Claimant, DaemonSet, FreeVolume, Holder, Lookup, Naming, Placed
from seconder.admission.request import Request
from seconder.admission.review import ReviewContext
from seconder.admission.rule import looking_at
from seconder.admission.rules import RULES
from seconder.api.policy import Mode, Policy
from seconder.api.reasons import Reason
from seconder.api.resources import (
    ANY,
    AUTOSCALERS,
    DEFINITIONS,
    JOBS,
    NAMESPACES,
    NODES,
    PODS,
    REPLICA_SETS,
    SECRETS,
    SERVICES,
    GroupResource,
    Target,
)
from seconder.approvals import impact
from seconder.approvals.impact import Item

SILENT = {
    "installation",
    "service-accounts",
    "namespace-finalization",
    "namespace-labels",
    "agent-namespaces",
    "agent-tags",
    "discovery-size",
    "flow-control",
    "footing",
    "networks",
    "guard-addresses",
    "approval-annotations",
    "finalizer-removal",
    "protected-owners",
    "revisions",
    "node-volumes",
    "owner-names",
    "portal-host",
    "templates",
}
"""Rules that find all they need in the review and the cluster's state."""

OWNER = target(CONFIG_MAPS, "owner")
NAMESPACE = target(NAMESPACES, "payments", uid="uid-ns")
POD = target(PODS, "checkout-1", uid="uid-pod")
TOKEN = target(SECRETS, "worker-token", uid="uid-token")
SIBLING = target(PODS, "checkout-2", uid="uid-sibling")
HOLDS = {DEPLOYMENTS: [Item("checkout", DEPLOYMENT.uid)]}
BINDING = {
    "roleRef": {"kind": "Role", "name": "r"},
    "subjects": [{"kind": "ServiceAccount", "name": "erin", "namespace": "payments"}],
}
READING = {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get"]}
SCALER = {"minReplicas": 0, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout"}}
MINE_SCALED = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "mine"}
MADE_BY = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout", "uid": DEPLOYMENT.uid, "controller": True}
ANCHORS = GroupResource("hnc.x-k8s.io", "subnamespaceanchors")
CLAIMS = GroupResource("", "persistentvolumeclaims")
CLAIM = target(CLAIMS, "data-db-1", uid="uid-claim")
SET = target(GroupResource("apps", "statefulsets"), "db", uid="uid-set")
VOLUMES = GroupResource("", "persistentvolumes")
VOLUME = Target(VOLUMES, "PersistentVolume", "", "pv-1", "uid-pv")
CLASS = Target(GroupResource("networking.k8s.io", "ingressclasses"), "IngressClass", "", "nginx", "uid-class")
DAEMONS = target(GroupResource("apps", "daemonsets"), "cni", uid="uid-cni")
INGRESS = Target(GroupResource("networking.k8s.io", "ingresses"), "Ingress", "payments", "shop", "uid-ingress")
CLOSED = Target(
    GroupResource("networking.k8s.io", "networkpolicies"), "NetworkPolicy", "payments", "closed", "uid-closed"
)
SCALES = target(AUTOSCALERS, "checkout", uid="uid-scales")
GEAR = target(GroupResource("example.com", "gears"), "g", uid="uid-gear")
GEAR_STORED = {"spec": {"teeth": 7}}
JOB = target(JOBS, "export", uid="uid-job")
JOB_ABOVE = {"apiVersion": "batch/v1", "kind": "Job", "name": "export", "uid": "uid-job", "controller": True}
PAUSED = {"paused": True, "selector": {"matchLabels": {"app": "checkout"}}}
SHRINKS = {
    "replicas": 2,
    "volumeClaimTemplates": [{"metadata": {"name": "data"}}],
    "persistentVolumeClaimRetentionPolicy": {"whenScaled": "Delete", "whenDeleted": "Retain"},
}
SCALING = approved(detail={"actions": ["ScaleToZero"]})


def _resized() -> dict[str, Any]:
    """The Deployment as it is stored, with alice's approval of its scale from one to two."""
    stored = document(DEPLOYMENT, spec={"replicas": 1})
    wanted = document(DEPLOYMENT, spec={"replicas": 2})
    difference = differences.between(DEPLOYMENTS, stored, wanted, [NOTHING])
    assert difference is not None
    change = {"from": difference.before, "to": difference.after}
    held = approved(detail={"actions": ["Change"], "change": change})
    return document(DEPLOYMENT, spec={"replicas": 1}, annotations=held)


RESIZED = _resized()


class Case(NamedTuple):
    """A request that is let through after some look-ups, one of them at least by the rule of this name."""

    rule: str
    request: Request
    policies: tuple[Policy, ...]
    answers: Answers


def _counted(*policies: Policy) -> dict[str, Any]:
    none: dict[GroupResource, list[Item]] = {counted.resource: [] for counted in impact.counted(policies)}
    return {"impact": {"counts": {}, "sha256": impact.impact(policies, none | HOLDS).sha256}}


def _cases() -> list[Case]:
    one = policy()
    along = [
        Dependent(resolved(DEPLOYMENTS), "payments", "checkout", DEPLOYMENT.uid, CONFIG_MAPS),
        Dependent(resolved(NAMESPACES), "", "payments", "uid-ns", CONFIG_MAPS),
    ]
    of_namespace = approved_for(NAMESPACE, **_counted(one))
    there = live(DEPLOYMENT, annotations=approved())
    given = approved_for(NAMESPACE, actions=["ChangeOwners"], **_counted(one))
    roles = target(GroupResource("rbac.authorization.k8s.io", "rolebindings"))
    return [
        Case("deletion", deletion(NAMESPACE, stored={"annotations": of_namespace}), (one,), Answers(holds=HOLDS)),
        Case(
            "dependents",
            deletion(OWNER),
            (one,),
            Answers(objects=there | live(NAMESPACE, annotations=of_namespace), holds=HOLDS, dependents=along),
        ),
        Case(
            "dependents",
            eviction(POD),
            (one,),
            Answers(objects=there | live(POD), dependents=[along[0]._replace(through=PODS)]),
        ),
        Case(
            "controller-owner",
            deletion(target(REPLICA_SETS, "checkout-5d"), stored={"ownerReferences": [MADE_BY]}),
            (one,),
            Answers(objects=there),
        ),
        Case(
            "autoscaler",
            creation(target(AUTOSCALERS), new={"spec": SCALER}),
            (one,),
            Answers(objects=live(DEPLOYMENT, annotations=SCALING)),
        ),
        Case(
            "dependents",
            scale(2, 1),
            (policy(CLAIMS),),
            Answers(
                # A claim of another's pod.
                dependents=[Dependent(resolved(CLAIMS), "payments", "x-cache", "uid-cache", PODS)],
                whole=document(DEPLOYMENT, spec={"volumes": [{"name": "cache", "ephemeral": {}}]}),
            ),
        ),
        Case("scale-to-zero", scale(1, 0), (one,), Answers(objects=live(DEPLOYMENT, annotations=SCALING))),
        Case(
            "eviction",
            eviction(POD),
            (policy(PODS),),
            Answers(objects=live(POD, annotations=approved_for(POD))),
        ),
        Case(
            "owner-change",
            update(NAMESPACE, old={"annotations": given}, new={"annotations": given, "owners": [REAL]}),
            (one,),
            Answers(holds=HOLDS),
        ),
        Case(
            "change",
            scale(1, 2),
            (policy(free_changes=()),),
            Answers(whole=RESIZED),
        ),
        Case("guard-owners", deletion(target(GroupResource("", "nodes"), "n1", namespace="")), (one,), Answers()),
        Case("dangling-owners", update(user=PERSON, new={"owners": [REAL]}), (one,), Answers()),
        Case(
            "role-grants",
            creation(roles, new=BINDING),
            (one,),
            Answers(rules=[msgspec.convert(READING, rbac.Rule)]),
        ),
        Case(
            "indirect-deletion",
            deletion(target(NODES, "n1", namespace="")),
            (policy(PODS),),
            Answers(objects=live(POD, annotations=approved_for(POD)), pods=[Placed(POD.namespace, POD.name, POD.uid)]),
        ),
        Case(
            "indirect-deletion",
            scale(2, 1, object_=SET),
            (policy(CLAIMS),),
            Answers(
                objects=live(CLAIM, annotations=approved_for(CLAIM)),
                whole=document(SET, spec=SHRINKS),
                holds={CLAIMS: [Item(CLAIM.name, CLAIM.uid)]},
            ),
        ),
        Case(
            "indirect-deletion",
            deletion(target(ANCHORS, "payments", "above")),
            (one,),
            Answers(objects=live(NAMESPACE, annotations=of_namespace), holds=HOLDS),
        ),
        Case(
            "indirect-deletion",
            creation(target(REPLICA_SETS, "mine"), new={"spec": {"selector": {"matchLabels": {"app": "checkout"}}}}),
            (policy(PODS),),
            Answers(
                objects=live(POD, annotations=approved_for(POD)),
                uncontrolled={PODS: [Placed(POD.namespace, POD.name, POD.uid)]},
            ),
        ),
        Case(
            "indirect-deletion",
            creation(POD, new={"labels": {"app": "checkout"}, "spec": {}}),
            (policy(PODS),),
            Answers(
                objects=live(SIBLING, annotations=approved_for(SIBLING)),
                selecting=[target(REPLICA_SETS, "checkout-5d", uid="uid-set")],
                dependents=[Dependent(resolved(PODS), "payments", SIBLING.name, SIBLING.uid, REPLICA_SETS)],
            ),
        ),
        Case(
            "indirect-deletion",
            deletion(target(GroupResource("", "serviceaccounts"), "worker")),
            (policy(SECRETS),),
            Answers(
                objects=live(TOKEN, annotations=approved_for(TOKEN)),
                tokens=[Placed(TOKEN.namespace, TOKEN.name, TOKEN.uid)],
            ),
        ),
        Case(
            "indirect-deletion",
            creation(CLAIM, new={"spec": {}}),
            (policy(VOLUMES),),
            Answers(
                objects=live(VOLUME, annotations=approved_for(VOLUME)),
                volumes=[FreeVolume(VOLUME.name, VOLUME.uid, (), None)],
            ),
        ),
        Case(
            "indirect-deletion",
            creation(target(REPLICA_SETS, "mine"), new={"spec": {"selector": {"matchLabels": {"app": "checkout"}}}}),
            (one,),
            Answers(objects=there, selected=[DEPLOYMENT]),
        ),
        Case(
            "indirect-deletion",
            creation(POD, new={"labels": {"app": "checkout"}, "spec": {}}),
            (policy(SET.resource),),
            Answers(objects=live(SET, annotations=approved_for(SET)), selecting=[SET]),
        ),
        Case(
            "indirect-deletion",
            creation(CLAIM, new={"spec": {}}),
            (policy(SET.resource),),
            Answers(
                objects=live(SET, annotations=approved_for(SET)),
                claimants=[Claimant(SET.name, SET.uid, frozenset({"data"}), frozenset(), rolls=False)],
            ),
        ),
        Case(
            "indirect-deletion",
            creation(target(AUTOSCALERS, "mine"), new={"spec": {"scaleTargetRef": MINE_SCALED, "minReplicas": 1}}),
            (one,),
            Answers(
                objects=there,
                whole=document(target(name="mine"), spec={"selector": {"matchLabels": {"a": "b"}}}),
                sharing=[DEPLOYMENT],
                scaling=[SCALES],
            ),
        ),
        Case(
            "indirect-deletion",
            deletion(target(REPLICA_SETS, "mine"), options={"propagationPolicy": "Orphan"}),
            (policy(SET.resource),),
            Answers(objects=live(SET, annotations=approved_for(SET)), adopting=[SET]),
        ),
        Case(
            "dependents",
            deletion(GEAR, options={"propagationPolicy": "Orphan"}),
            (policy(SET.resource),),
            Answers(objects=live(SET, annotations=approved_for(SET)), adopting=[SET]),
        ),
        Case(
            "indirect-deletion",
            deletion(POD, stored={"ownerReferences": [JOB_ABOVE]}),
            (policy(JOBS),),
            Answers(objects=live(JOB, annotations=approved_for(JOB)), whole=document(JOB, spec={})),
        ),
        Case(
            "dependents",
            deletion(NAMESPACE),
            (policy(VOLUMES),),
            Answers(
                objects=live(VOLUME, annotations=approved_for(VOLUME)),
                holders=[Holder("uid-claim", VOLUME.name)],
                whole=document(VOLUME, spec={"persistentVolumeReclaimPolicy": "Delete"}),
            ),
        ),
        Case(
            "indirect-deletion",
            creation(VOLUME, new={"spec": {"persistentVolumeReclaimPolicy": "Retain"}}),
            (policy(CLAIMS),),
            Answers(
                objects=live(CLAIM, annotations=approved_for(CLAIM)),
                claims=[Claim(CLAIM.namespace, CLAIM.name, CLAIM.uid, "", ())],
            ),
        ),
        Case(
            "indirect-deletion",
            update(target(NODES, "n1", namespace=""), old={"labels": {"role": "edge"}}, new={"spec": {}}),
            (policy(DAEMONS.resource),),
            Answers(
                objects=live(DAEMONS, annotations=approved_for(DAEMONS)),
                daemon_sets=[
                    DaemonSet(DAEMONS.namespace, DAEMONS.name, DAEMONS.uid, {"nodeSelector": {"role": "edge"}})
                ],
            ),
        ),
        Case(
            "indirect-deletion",
            creation(target(INGRESS.resource, "mine"), new={"spec": {"rules": [{"host": "shop.example.com"}]}}),
            (policy(INGRESS.resource),),
            Answers(
                objects=live(INGRESS, annotations=approved_for(INGRESS)),
                hosting=[Placed(INGRESS.namespace, INGRESS.name, INGRESS.uid)],
            ),
        ),
        Case(
            "indirect-deletion",
            creation(target(CLOSED.resource, "mine"), new={"spec": {"podSelector": {}}}),
            (policy(CLOSED.resource),),
            Answers(
                objects=live(CLOSED, annotations=approved_for(CLOSED)),
                overlapping=[Placed(CLOSED.namespace, CLOSED.name, CLOSED.uid)],
            ),
        ),
        Case(
            "indirect-deletion",
            deletion(CLASS),
            (policy(INGRESS.resource),),
            Answers(
                objects=live(INGRESS, annotations=approved_for(INGRESS)),
                of_class=[Placed(INGRESS.namespace, INGRESS.name, INGRESS.uid)],
            ),
        ),
        Case(
            "indirect-deletion",
            creation(target(AUTOSCALERS, "mine", uid=""), new={"spec": {**SCALER, "minReplicas": 1}}),
            (policy(AUTOSCALERS),),
            Answers(objects=live(SCALES, annotations=approved_for(SCALES)), scaling=[SCALES]),
        ),
        Case("other-versions", update(GEAR), (policy(GEAR.resource, resolved={}),), Answers()),
        Case(
            "other-versions",
            update(GEAR, old=GEAR_STORED, new=GEAR_STORED | {"labels": {"a": "b"}}),
            (policy(GEAR.resource, resolved={}),),
            Answers(stored_in="v2", whole=document(GEAR, **GEAR_STORED)),
        ),
        Case(
            "approved-namespaces",
            creation(target(SERVICES, "web"), new={"spec": {}}),
            (policy(NAMESPACES),),
            Answers(objects=live(NAMESPACE)),
        ),
        Case("guard-nodes", deletion(target(NODES, "n1", namespace="")), (one,), Answers()),
        Case(
            "references",
            creation(GEAR, new={"spec": {"ref": {"kind": "Deployment", "name": DEPLOYMENT.name}}}),
            (policy(DEPLOYMENT.resource),),
            Answers(objects=live(DEPLOYMENT, annotations=approved_for(DEPLOYMENT))),
        ),
        Case(
            "references",
            creation(target(GEAR.resource, "mine", namespace=""), new={"spec": {"deployments": [DEPLOYMENT.name]}}),
            (policy(DEPLOYMENT.resource),),
            Answers(
                objects=live(DEPLOYMENT, annotations=approved_for(DEPLOYMENT)),
                called=[Placed(DEPLOYMENT.namespace, DEPLOYMENT.name, DEPLOYMENT.uid)],
            ),
        ),
        Case(
            "references-within",
            deletion(target(NAMESPACES, "elsewhere", namespace="")),
            (policy(DEPLOYMENT.resource),),
            Answers(
                objects=live(DEPLOYMENT, annotations=approved_for(DEPLOYMENT)),
                namings=[
                    Naming(
                        "elsewhere",
                        references.found(
                            {"ref": {"kind": "Deployment", "namespace": DEPLOYMENT.namespace, "name": DEPLOYMENT.name}}
                        ),
                    )
                ],
            ),
        ),
        Case("stopped-sets", update(new={"spec": {**PAUSED, "replicas": 1}}), (policy(SERVICES),), Answers()),
        Case(
            "stopped-sets",
            deletion(target(REPLICA_SETS, "checkout-5d"), stored={"ownerReferences": [MADE_BY]}),
            (policy(SERVICES),),
            Answers(whole=document(DEPLOYMENT, spec={"replicas": 1})),
        ),
        Case("guard-aliases", deletion(NAMESPACE), (policy(SERVICES),), Answers(machines=frozenset({"n1"}))),
        Case("pod-identity", connection(POD, "exec"), (one,), Answers()),
        Case("identities", creation(target(DEFINITIONS, "gears.example.com"), new={"spec": {}}), (one,), Answers()),
        Case(
            "definitions",
            creation(target(DEFINITIONS, "gears.example.com", namespace=""), new={"spec": {}}),
            (policy(GroupResource(ANY, ANY), resolved={}),),
            Answers(),
        ),
        Case("pod-identity", creation(POD, new={"spec": {}}), (one,), Answers()),
        Case("pod-identity", creation(POD, new={"spec": {"imagePullSecrets": [{"name": "s"}]}}), (one,), Answers()),
    ]


CASES = _cases()


def _context(case: Case) -> ReviewContext:
    return ReviewContext(case.request, state(*case.policies), Mode.ENFORCE, signing.NOW, signing.memo())


def _asking(case: Case) -> set[str]:
    """The rules that ask something about this request."""
    asking = set()
    for rule in looking_at(_context(case), RULES):
        answers = dataclasses.replace(case.answers, asked=[])
        lookups.drive(rule.evaluate(_context(case)), answers)
        if answers.asked:
            asking.add(rule.name)
    return asking


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}: {case.request.operation}")
def test_what_is_not_known_at_any_yield_denies(case: Case) -> None:
    """One look-up at a time goes unanswered, of the rules' and of the pipeline's own; all the rest speaks for it."""
    answers = dataclasses.replace(case.answers, asked=[])
    assert lookups.drive(pipeline.review(_context(case)), answers).allowed
    asked = list(answers.asked)
    for missing in range(len(asked)):
        count = itertools.count()

        def answer(lookup: Lookup[Any], count: Any = count, missing: int = missing) -> Any:
            if next(count) == missing:
                raise lookup.unanswered
            return case.answers(lookup)

        decided = lookups.drive(pipeline.review(_context(case)), answer)
        assert (decided.allowed, decided.reason) == (False, Reason.INTERNAL_ERROR), asked[missing]


def test_every_rule_that_asks_is_tried() -> None:
    """A new one has a case above, or finds all it needs without asking."""
    for case in CASES:
        assert case.rule in _asking(case), case.rule
    assert set().union(*map(_asking, CASES)) == {rule.name for rule in RULES} - SILENT


def test_every_look_up_is_tried() -> None:
    """Each kind of question there is."""
    told = set()
    for case in CASES:
        answers = dataclasses.replace(case.answers, asked=[])
        lookups.drive(pipeline.review(_context(case)), answers)
        told |= {type(lookup) for lookup in answers.asked}
    assert told >= {kind for kind in Lookup.__subclasses__() if kind.__module__ == lookups.__name__}


MODULES = [module.name for module in pkgutil.iter_modules(rules.__path__)]


def test_every_rule_stands_in_the_list_under_its_modules_name() -> None:
    """Once."""
    assert sorted(rule.name for rule in RULES) == sorted(name.replace("_", "-") for name in MODULES)
    for name in MODULES:
        assert import_module(f"seconder.admission.rules.{name}").RULE in RULES


@pytest.mark.parametrize("name", MODULES)
def test_every_rule_has_tests_of_its_own(name: str) -> None:
    """Where its module's name says."""
    assert (Path(__file__).parent / "rules" / f"test_{name}.py").is_file()
