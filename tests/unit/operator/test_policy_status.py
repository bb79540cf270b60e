"""The verdict on one ProtectionPolicy: its status, and what it amounts to meanwhile."""

from typing import Any

import pytest

from seconder.admission.policy_index import MOST_FOLLOWED
from seconder.api.policy import Policy, Subjects
from seconder.api.resources import GroupResource, Presence, ResolvedResource
from seconder.client.api import ApiError
from seconder.client.discovery import Catalogue, Served
from seconder.operator.policy_status import Judged, judge

DEPLOYMENTS = GroupResource("apps", "deployments")
PODS = GroupResource("", "pods")
SERVED = Catalogue(
    {
        each: Served(ResolvedResource(each, "v1", namespaced=True, custom=False), frozenset({each.resource[:-1]}))
        for each in (DEPLOYMENTS, PODS)
    }
)
SPEC: dict[str, Any] = {"resources": [{"group": "apps", "resources": ["deployments"]}]}


def _judge(spec: Any, *, refusal: str = "", before: Any = None, generation: int = 1) -> Judged:
    metadata = {"name": "p", "generation": generation}
    document = {"metadata": metadata, "spec": spec} | ({"status": before} if before else {})
    return judge(document, SERVED, lambda _: refusal)


def _condition(judged: Judged, kind: str = "Ready") -> dict[str, Any]:
    [found] = [each for each in judged.status["conditions"] if each["type"] == kind]
    return dict(found)


def test_a_valid_policy_is_ready_and_stands_as_written() -> None:
    """Resolved, compiled, and remembered as the last valid form."""
    judged = _judge(SPEC)
    assert (judged.problem, _condition(judged)["status"], _condition(judged, "Compiled")["status"]) == (
        "",
        "True",
        "True",
    )
    assert judged.status["observedGeneration"] == 1
    assert judged.status["lastValid"] == SPEC
    [policy] = judged.policies
    assert policy.resolved.keys() == {DEPLOYMENTS}


@pytest.mark.parametrize(
    ("spec", "refusal", "reason"),
    [
        (SPEC | {"approvals": {"required": 99}}, "", "SpecInvalid"),
        ({}, "", "SpecInvalid"),
        ("text", "", "SpecInvalid"),
        ({"resources": [{"group": "apps", "resources": ["deployment"]}]}, "", "ResourcesInvalid"),
        (SPEC, "expression is too long", "RefusedByAPIServer"),
    ],
)
def test_an_invalid_policy_is_not_ready_and_refuses_to_agents(spec: Any, refusal: str, reason: str) -> None:
    """With the reason, for its own generation; nothing is remembered as valid."""
    judged = _judge(spec, refusal=refusal)
    ready = _condition(judged)
    assert (ready["status"], ready["reason"], ready["observedGeneration"]) == ("False", reason, 1)
    assert ready["message"] == judged.policies[0].problem
    assert "lastValid" not in judged.status
    [policy] = judged.policies
    assert policy.subjects is Subjects.AGENTS
    if isinstance(spec, dict) and spec:
        assert DEPLOYMENTS in policy.resolved


def test_for_everyone_the_last_valid_form_stays_with_all_that_it_names() -> None:
    """Also when the invalid form names other things, so that people's empty namespaces stay free."""
    everyone = SPEC | {"subjects": "Everyone"}
    before = _judge(everyone).status
    broken = everyone | {"resources": [{"group": "", "resources": ["pod"]}]}
    judged = _judge(broken, before=before, generation=2)
    kept, coarse = judged.policies
    assert kept.problem == ""
    assert kept.resources == kept.resolved.keys() == {DEPLOYMENTS}
    assert all(policy.resolution_current for policy in judged.policies)
    assert coarse.problem
    assert PODS in coarse.resolved
    again = _judge(broken, before=judged.status, generation=2)
    assert again.status == judged.status


def test_a_policy_is_tried_alone() -> None:
    """The API server is asked about this one, and only when all else is in order."""
    tried: list[list[Policy]] = []

    def trial(policies: list[Policy]) -> str:
        tried.append(policies)
        return ""

    for spec in (SPEC, SPEC | {"mode": "?"}, {"resources": [{"group": "apps", "resources": ["nothing"]}]}):
        judge({"metadata": {"name": "p", "generation": 1}, "spec": spec}, SERVED, trial)
    assert [[policy.name for policy in each] for each in tried] == [["p"]]


def test_an_api_server_that_cannot_be_asked_gives_no_verdict() -> None:
    """Neither valid nor invalid: the pass fails and is repeated."""

    def trial(_: list[Policy]) -> str:
        raise ApiError(0, "connection refused")

    with pytest.raises(ApiError):
        judge({"metadata": {"name": "p", "generation": 1}, "spec": SPEC}, SERVED, trial)


def test_judging_again_changes_nothing() -> None:
    """Else each pass would wake the next one."""
    first = _judge(SPEC)
    assert _judge(SPEC, before=first.status).status == first.status


@pytest.mark.parametrize("subjects", ["Agents", "Everyone"])
def test_a_kind_that_is_not_served_any_more_stays_as_it_was_resolved(subjects: str) -> None:
    """In a valid policy, in one that was spoilt meanwhile, and after an edit; until it is served again."""
    spec = SPEC | {"subjects": subjects}
    first = _judge(spec).status
    without = Catalogue({PODS: SERVED[PODS]})

    def judged(spec: Any, before: Any, generation: int = 1) -> Judged:
        document = {"metadata": {"name": "p", "generation": generation}, "spec": spec, "status": before}
        return judge(document, without, lambda _: "")

    hidden = judged(spec, first)
    assert (hidden.problem, _condition(hidden)["status"]) == ("", "True")
    assert "deployments.apps" in _condition(hidden)["message"]
    for seen in (
        hidden,
        judged(spec, hidden.status),
        judged(spec | {"mode": "Audit"}, hidden.status, 2),
        judged(spec | {"mode": "?"}, hidden.status, 2),
    ):
        for policy in seen.policies:
            kept = policy.resolved[DEPLOYMENTS]
            assert (kept.version, kept.namespaced, kept.presence) == ("v1", True, Presence.UNSERVED)
    assert _judge(spec, before=hidden.status).status == first


def test_a_status_that_somebody_spoilt_is_written_anew() -> None:
    """It decides nothing."""
    assert _judge(SPEC, before={"conditions": 7}).status["conditions"]


def test_a_policy_says_where_it_stands_for_more_than_can_be_followed() -> None:
    """Since agents' deletions are refused then, approved or not."""
    many = [GroupResource("many.example.com", f"w{number}s") for number in range(MOST_FOLLOWED)]
    served = Catalogue(
        {each: Served(ResolvedResource(each, "v1", namespaced=True, custom=True), frozenset()) for each in many}
    )
    spec = {"resources": [{"group": "*", "resources": ["*"]}], "namespaces": ["prod"]}
    judged = judge({"metadata": {"name": "p", "generation": 1}, "spec": spec}, served, lambda _: "")
    ready = _condition(judged)
    assert (ready["status"], ready["reason"]) == ("True", "Protecting")
    assert "it stands for 202 resources, and owners are followed of 200" in ready["message"]
