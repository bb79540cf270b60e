"""The warning of programs that delete on the word of an object that no policy names."""

from typing import Any

import pytest

from seconder.api.policy import Mode, Policy, Subjects
from seconder.api.resources import NAMESPACES, Action, GroupResource, ResolvedResource
from seconder.client.discovery import Catalogue, Served
from seconder.operator import indirect_deleters
from seconder.operator.policy_status import Judged

APPLICATIONS = GroupResource("argoproj.io", "applications")
SCALED = GroupResource("keda.sh", "scaledobjects")
DEPLOYMENTS = GroupResource("apps", "deployments")
DOCUMENT = {"metadata": {"name": "p", "generation": 3}}


def _served(*resources: GroupResource) -> Catalogue:
    return Catalogue({each: Served(ResolvedResource(each, "v1", True, custom=True), frozenset()) for each in resources})


def _policy(*named: GroupResource, **fields: Any) -> Policy:
    resolved = {each: ResolvedResource(each, "v1", True, custom=False) for each in named}
    return Policy("p", resources=frozenset(named), resolved=resolved, **fields)


def _judged(policy: Policy, problem: str = "") -> Judged:
    return Judged("p", policy.mode, problem, {"conditions": [{"type": "Ready"}]}, [policy])


def test_installed_kinds_that_no_policy_protects_are_found() -> None:
    """A policy that only watches, or is about other actions, protects nothing from deletion."""
    served = _served(APPLICATIONS, SCALED, DEPLOYMENTS)
    assert indirect_deleters.unprotected(_served(DEPLOYMENTS), []) == []
    assert indirect_deleters.unprotected(served, [_policy(SCALED)]) == [APPLICATIONS]
    assert indirect_deleters.unprotected(served, [_policy(APPLICATIONS, SCALED)]) == []
    for policy in (
        _policy(APPLICATIONS, SCALED, mode=Mode.AUDIT),
        _policy(APPLICATIONS, SCALED, actions=frozenset({Action.SCALE_TO_ZERO})),
    ):
        assert indirect_deleters.unprotected(served, [policy]) == [APPLICATIONS, SCALED]


def test_the_warning_stands_beside_the_other_conditions() -> None:
    """And names what is unprotected."""
    status = indirect_deleters.status(_judged(_policy(DEPLOYMENTS)), DOCUMENT, [APPLICATIONS, SCALED])
    ready, warning = status["conditions"]
    assert ready == {"type": "Ready"}
    assert (warning["type"], warning["status"], warning["observedGeneration"]) == ("DeputiesUnprotected", "True", 3)
    assert "applications.argoproj.io (Argo CD), scaledobjects.keda.sh (KEDA)" in warning["message"]


@pytest.mark.parametrize(
    ("policy", "problem", "found"),
    [
        (_policy(DEPLOYMENTS), "", []),
        (_policy(DEPLOYMENTS), "misspelt", [SCALED]),
        (_policy(DEPLOYMENTS, mode=Mode.AUDIT), "", [SCALED]),
        (_policy(DEPLOYMENTS, actions=frozenset({Action.SCALE_TO_ZERO})), "", [SCALED]),
    ],
)
def test_other_policies_are_not_bothered(policy: Policy, problem: str, found: list[GroupResource]) -> None:
    """Nothing to warn of, something else to mend, or nothing that it protects."""
    judged = _judged(policy, problem)
    assert indirect_deleters.status(judged, DOCUMENT, found) == judged.status


def test_the_warning_keeps_its_time() -> None:
    """So that an unchanged status is not written again."""
    first = indirect_deleters.status(_judged(_policy(DEPLOYMENTS)), DOCUMENT, [SCALED])["conditions"][1]
    first["lastTransitionTime"] = "2020-01-01T00:00:00Z"
    stored = DOCUMENT | {"status": {"conditions": [first]}}
    again = indirect_deleters.status(_judged(_policy(DEPLOYMENTS)), stored, [SCALED])["conditions"][1]
    assert again == first


def test_projects_of_openshift_are_protected_by_a_policy_for_everyone_on_namespaces_alone() -> None:
    """Its API server asks about the deletion of no Project, and deletes the Namespace by an account of its own."""
    projects = indirect_deleters.PROJECTS
    served = _served(projects)
    everyone = _policy(NAMESPACES, subjects=Subjects.EVERYONE)
    assert indirect_deleters.unprotected(served, [everyone]) == []
    somewhere = _policy(NAMESPACES, subjects=Subjects.EVERYONE, namespaces=frozenset({"shop"}))
    for policy in (_policy(projects), _policy(NAMESPACES), somewhere):
        assert indirect_deleters.unprotected(served, [policy]) == [projects]
    warned = indirect_deleters.status(_judged(_policy(NAMESPACES)), DOCUMENT, [projects])
    assert "a policy for Everyone must name namespaces" in warned["conditions"][-1]["message"]
