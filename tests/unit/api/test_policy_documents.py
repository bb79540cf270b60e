"""ProtectionPolicy documents: what an invalid or stale one amounts to, whatever was written into it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seconder.api import policy_documents
from seconder.api.duration import Duration
from seconder.api.policy import DEFAULT_TAGS, Mode, Policy, Subjects
from seconder.api.policy_documents import policies
from seconder.api.resources import NAMESPACES, Action, GroupResource
from seconder.approvals.impact import Item, held

DEPLOYMENTS = GroupResource("apps", "deployments")
PODS = GroupResource("", "pods")
SPEC: dict[str, Any] = {"resources": [{"group": "apps", "resources": ["deployments"]}]}


def _resolved(*named: GroupResource) -> list[dict[str, Any]]:
    return [
        {"group": group, "version": "v1", "resource": plural, "namespaced": plural != "namespaces"}
        for group, plural in named
    ]


def _document(spec: Any, generation: int = 1, **status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "p", "generation": generation}, "spec": spec, "status": status}


def _not_ready(generation: int) -> dict[str, Any]:
    return {
        "type": "Ready",
        "status": "False",
        "reason": "ResourcesInvalid",
        "message": "no such thing",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
        "observedGeneration": generation,
    }


def _only(document: dict[str, Any]) -> Policy:
    [policy] = policies(document)
    return policy


def test_a_plain_policy_has_the_documented_defaults() -> None:
    """Enforce, Agents, all four actions, one peer, fifteen minutes."""
    policy = _only(_document(SPEC, observedGeneration=1, resources=_resolved(DEPLOYMENTS)))
    assert policy.problem == ""
    assert (policy.mode, policy.subjects, policy.agents) == (Mode.ENFORCE, Subjects.AGENTS, DEFAULT_TAGS)
    assert policy.actions == set(Action)
    assert (policy.requirement.required, policy.requirement.max_ttl, policy.requirement.bind_impact) == (1, 900, True)


def test_a_tag_left_out_keeps_its_default_and_an_empty_list_clears_it() -> None:
    """Field by field."""
    tags = _only(_document(SPEC | {"agents": {"groups": [], "users": ["bot"]}})).agents
    assert tags.groups == set()
    assert tags.users == {"bot"}
    assert tags.extra_keys == DEFAULT_TAGS.extra_keys
    assert tags.annotations == DEFAULT_TAGS.annotations


_CLEARED: dict[str, list[str]] = {
    field: [] for field in ("groups", "users", "serviceAccountNamespaces", "extraKeys", "fieldManagers", "annotations")
}


@pytest.mark.parametrize(
    "change",
    [
        {"resources": []},
        {"resource": SPEC["resources"]},
        {"mode": "enforce"},
        {"mode": None},
        {"subjects": "All"},
        {"actions": []},
        {"approvals": {"required": 0}},
        {"approvals": {"required": 9}},
        {"approvals": {"required": "1"}},
        {"approvals": {"maxTTL": "61m"}},
        {"approvals": {"maxTTL": "0s"}},
        {"approvals": {"maxTTL": "1d"}},
        {"agents": _CLEARED},
        {"agents": _CLEARED | {"fieldManagers": ["helm"]}},
        {"agents": {"extraKeys": ["Example.com/Agent"]}},
        {"agents": {"groups": None}},
        {"namespaces": ["Payments"]},
        {"namespaces": [""]},
        {"subjects": "Everyone", "resources": [{"group": "*", "resources": ["pods"]}]},
        {"subjects": "Everyone", "resources": [{"group": "", "resources": ["*"]}]},
    ],
    ids=str,
)
def test_whatever_the_schema_refuses_is_a_problem_here_too(change: dict[str, Any]) -> None:
    """It refuses what it names to agents, and never protects less in silence."""
    policy = _only(_document(SPEC | change, observedGeneration=1, resources=_resolved(DEPLOYMENTS)))
    assert policy.problem
    assert policy.subjects is Subjects.AGENTS
    assert Action.DELETE in policy.actions
    assert policy.agents.groups >= DEFAULT_TAGS.groups or policy.agents == DEFAULT_TAGS
    assert DEPLOYMENTS in policy.resources | policy.resolved.keys()


def test_fields_that_can_still_be_read_keep_their_meaning() -> None:
    """Mode, tags, namespaces and actions of an invalid policy; one bad element hides no other."""
    spec = {
        "mode": "Audit",
        "agents": {"users": ["bot"]},
        "namespaces": ["payments"],
        "resources": [{"group": "apps", "resources": ["deployments"]}, {"group": 7, "resources": ["x"]}, None],
        "approvals": {"required": 99},
    }
    policy = _only(_document(spec))
    assert policy.problem
    assert policy.mode is Mode.AUDIT
    assert policy.namespaces == {"payments"}
    assert policy.resources == {DEPLOYMENTS}
    assert policy.agents.users == {"bot"}


_JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 99) | st.text(max_size=4) | st.sampled_from(["Audit", "*", "1h"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from([
            "resources", "group", "agents", "mode", "namespaces", "actions", "approvals", "maxTTL", "groups",
            "conditions", "lastValid", "type", "observedGeneration", "subjects", "exempt", "users",
        ]),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@given(_JUNK, _JUNK)
def test_no_document_is_too_odd_to_amount_to_something(spec: Any, status: Any) -> None:
    """One that raised would keep all the others from being loaded."""
    found = policies({"metadata": {"name": "p"}, "spec": spec, "status": status})
    assert found
    assert all(policy.problem or policy.resources for policy in found)


@pytest.mark.parametrize("listed", [5, True, "deployments", {"group": "apps"}, None])
def test_resources_that_are_no_list_spoil_this_policy_alone(listed: object) -> None:
    """Nothing can be read from them, and that is said."""
    assert _only(_document({"resources": listed})).problem


def test_a_problem_on_the_status_counts_for_its_own_generation_alone() -> None:
    """An edit gets a fresh start."""
    stale = _document(SPEC, 2, observedGeneration=1, conditions=[_not_ready(1)], resources=_resolved(DEPLOYMENTS))
    assert _only(stale).problem == ""
    current = _document(SPEC, 2, observedGeneration=2, conditions=[_not_ready(2)], resources=_resolved(DEPLOYMENTS))
    assert _only(current).problem == "no such thing"


def test_the_last_valid_form_stays_for_everyone() -> None:
    """Beside the refusal to agents; it covers what it named, not what the invalid one names."""
    last = SPEC | {"subjects": "Everyone"}
    document = _document(
        last | {"resources": [{"group": "", "resources": ["pods", "deployment"]}]},
        2,
        observedGeneration=2,
        conditions=[_not_ready(2)],
        resources=_resolved(PODS, DEPLOYMENTS),
        lastValid=last,
    )
    kept, coarse = policies(document)
    assert (kept.problem, kept.subjects) == ("", Subjects.EVERYONE)
    assert kept.resources == {DEPLOYMENTS}
    assert not held(kept, {PODS: [Item("pod", "1")]})
    assert held(kept, {DEPLOYMENTS: [Item("checkout", "2")]})
    assert kept.resolution_current
    assert coarse.problem
    assert coarse.resolved.keys() >= {PODS, DEPLOYMENTS}


def test_the_last_valid_form_of_a_policy_for_agents_is_not_kept() -> None:
    """Agents are refused what it names now; nobody else was bound."""
    [policy] = policies(_document(None, 2, lastValid=SPEC))
    assert policy.problem


def test_names_that_were_never_looked_up_leave_contents_unknown() -> None:
    """Of a valid policy as of an invalid one: a namespace's deletion is then refused, not let through."""
    assert not _only(_document(SPEC, 2, observedGeneration=1)).resolution_current
    assert not _only(_document(SPEC | {"mode": "?"}, 2, observedGeneration=1)).resolution_current
    assert _only(_document(SPEC | {"mode": "?"}, 2, observedGeneration=2)).resolution_current
    assert _only(_document(SPEC, 2, observedGeneration=1, resources=_resolved(DEPLOYMENTS))).resolution_current


def test_what_a_policy_named_before_an_edit_it_no_longer_holds() -> None:
    """The status may lag behind; the names in the spec decide."""
    document = _document(SPEC, 2, observedGeneration=1, resources=_resolved(DEPLOYMENTS, PODS))
    assert _only(document).resolved.keys() == {DEPLOYMENTS}


def test_a_wildcard_stands_for_what_discovery_made_of_it() -> None:
    """By group, by name, or both."""
    for group, plural in (("*", "*"), ("apps", "*"), ("*", "deployments")):
        spec = {"resources": [{"group": group, "resources": [plural]}]}
        found = _only(_document(spec, observedGeneration=1, resources=_resolved(DEPLOYMENTS, NAMESPACES)))
        assert (NAMESPACES in found.resolved) is (group == plural == "*")
        assert DEPLOYMENTS in found.resolved


@pytest.mark.parametrize(("text", "seconds"), [("15m", 900), ("1h", 3600), ("1h30m", 5400), ("90s", 90), ("1m1m", 120)])
def test_durations_are_read(text: str, seconds: int) -> None:
    """As Kubernetes writes them."""
    assert Duration.parse(text) == seconds


@pytest.mark.parametrize("text", ["", "15", "m", "-1m", "1.5h", "15 m", "15m\n", "1d", "١m"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """ValueError, never a guess."""
    with pytest.raises(ValueError, match="not a duration"):
        Duration.parse(text)


def test_no_text_of_a_problem_moves_a_cursor() -> None:
    """A condition's message is shown to callers."""
    document = _document(SPEC, observedGeneration=1, conditions=[_not_ready(1) | {"message": "a\x1b[2Jb\u202ec"}])
    assert _only(document).problem == "a[2Jbc"


def test_named_resources_are_those_written() -> None:
    """Wildcards as they stand."""
    spec = policy_documents.parse_spec({"resources": [{"group": "*", "resources": ["pods", "*"]}]})
    assert policy_documents.named_resources(spec) == {GroupResource("*", "pods"), GroupResource("*", "*")}
