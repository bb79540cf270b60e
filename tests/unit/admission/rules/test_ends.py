"""What agents may not delete whatever policies say, they end in no other way: by an owner, a mark, or a finalizer."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
from tests.support.builders import (
    PERSON,
    REAL,
    approved_for,
    deletion,
    live,
    policy,
    references,
    state,
    target,
    update,
)
from tests.support.resolving import Answers, decide, refusal

from seconder.admission.indirect.named import Found, Named
from seconder.admission.kinds import REDIRECTS
from seconder.admission.lookups import Naming, Placed
from seconder.admission.policy_index import Installation
from seconder.admission.request import Operation, Request
from seconder.admission.rule import Binds
from seconder.admission.rules import RULES
from seconder.admission.state import ClusterState
from seconder.api.resources import DEFINITIONS, NAMESPACES, NODES, SERVICE_ACCOUNTS, SERVICES, GroupResource, Target

RBAC = "rbac.authorization.k8s.io"
DELETES = {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["delete"]}
FLOWS = GroupResource("flowcontrol.apiserver.k8s.io", "flowschemas")
INGRESSES = GroupResource("networking.k8s.io", "ingresses")
ADDRESSES = GroupResource("networking.k8s.io", "ipaddresses")
RANGES = GroupResource("networking.k8s.io", "servicecidrs")
SERVERS = GroupResource("apiregistration.k8s.io", "apiservices")
OF_GUARD = {"spec": {"parentRef": {"resource": "services", "namespace": "seconder-system", "name": "seconder-webhook"}}}
NAMED = {"spec": {"rules": [{"host": "approve.example.com"}]}}
NAMES_GUARD = Found(frozenset({Named("seconder-system", "", group="", kind="Namespace")}), frozenset())
PAYMENTS = target(NAMESPACES, "payments", uid="uid-ns")


class Case(NamedTuple):
    """What a rule never lets an agent delete. ``stored``: fields of the object."""

    rule: str
    object: Target
    stored: dict[str, Any]
    cluster: ClusterState = state(policy())
    answers: Mapping[str, Any] = MappingProxyType({})


CASES = (
    Case("installation", target(GroupResource("", "configmaps"), "x", "seconder-system"), {}),
    Case("service-accounts", target(SERVICE_ACCOUNTS, "kiro", "seconder-agents"), {}),
    Case("identities", target(SERVERS, "v1.apps", ""), {}),
    Case("flow-control", target(FLOWS, "x", ""), {}),
    Case("footing", target(SERVICES, "kubernetes", "default"), {}),
    Case("footing", target(NAMESPACES, "kube-node-lease"), {}),
    Case("networks", target(REDIRECTS, "x"), {}),
    Case("agent-namespaces", target(NAMESPACES, "seconder-agents"), {}),
    Case("role-grants", target(GroupResource(RBAC, "roles"), "deployer"), {"rules": [DELETES]}),
    Case("role-grants", target(GroupResource(RBAC, "clusterroles"), "deployer"), {"rules": [DELETES]}),
    Case(
        "approved-namespaces",
        target(SERVICES, "web"),
        {},
        state(policy(NAMESPACES)),
        {"objects": live(PAYMENTS, annotations=approved_for(PAYMENTS))},
    ),
    Case("guard-aliases", target(GroupResource("hnc.x-k8s.io", "subnamespaceanchors"), "seconder-system", "tools"), {}),
    Case("guard-owners", target(GroupResource(RBAC, "clusterroles"), "x"), {}, answers={"owns_guard": True}),
    Case(
        "guard-nodes", target(NODES, "n1"), {}, answers={"pods": [Placed("seconder-system", "seconder-webhook", "u")]}
    ),
    Case("references-within", PAYMENTS, {}, state(), {"namings": [Naming("payments", NAMES_GUARD)]}),
    Case("guard-addresses", target(ADDRESSES, "10.0.0.7", ""), OF_GUARD),
    Case("guard-addresses", target(RANGES, "kubernetes", ""), {}),
    Case(
        "portal-host",
        target(INGRESSES, "portal"),
        NAMED,
        state(policy(), installation=Installation(portal_host="approve.example.com")),
    ),
)

ELSEWHERE = {
    "dependents": "it has policies asked, by the same ``may_end``",
    "discovery-size": "it is about what is written alone",
    "indirect-deletion": "each row of its table says what counts as the end",
    "stopped-sets": "what is left behind is so by a finalizer, and whoever gives that is asked",
    "references": "whatever changes of what names a protected object is asked about",
    "other-versions": "an update is looked at as a deletion is",
}
"""Rules that look at deletions, too, with the reason why nothing needs a case here."""

UNDER_DELETION = {"deletionTimestamp": "2026-11-28T12:00:00Z"}
WAYS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "owner": ({}, {"ownerReferences": references([REAL])}),
    "label": ({}, {"labels": {"cleanup.kyverno.io/ttl": "1s"}}),
    "annotation": ({}, {"annotations": {"janitor/ttl": "1s"}}),
    "finalizer": ({**UNDER_DELETION, "finalizers": ["example.com/x"]}, UNDER_DELETION),
}


def _said(case: Case, asked: Request) -> str:
    return refusal(decide(asked, case.cluster, answers=Answers(**case.answers)))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule} {case.object.resource}")
def test_what_may_not_be_deleted_is_ended_in_no_other_way(case: Case, way: str) -> None:
    """And in the same words, by each of the ways in which an update may be an object's end. People do as they like."""
    before, after = ({**case.stored, **fields} for fields in WAYS[way])
    said = _said(case, deletion(case.object, stored=case.stored))
    assert said.startswith(("agents may not ", "a peer has approved ")), said
    told = _said(case, update(case.object, old=before, new=after))
    # By a label of a ClusterRole others may gather its rules, too.
    assert told == said or (way == "label" and told.startswith("agents may not put "))
    assert _said(case, update(case.object, PERSON, old=before, new=after)) == ""


def test_each_rule_that_looks_at_deletions_has_a_case() -> None:
    """Or says why not."""
    kinds = {case.object.resource for case in CASES} | {DEFINITIONS, SERVICES}
    looking = {
        rule.name
        for rule in RULES
        if rule.binds is Binds.AGENTS and any(rule.applies_to.includes(Operation.DELETE, kind, "") for kind in kinds)
    }
    assert looking == {case.rule for case in CASES} | ELSEWHERE.keys()
