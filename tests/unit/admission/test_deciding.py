"""``decide``, case by case: nothing is let through by accident, and nobody is refused who is not meant."""

from typing import Any

import pytest
from seconder.admission.evidence import ClusterState, Evidence
from seconder.admission.prerequisites import needs

from seconder.admission.decision import Decision, decide
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.principal import BUILTIN_CONTROLLERS
from seconder.admission.request import Caller, Operation, Request
from seconder.api.policy import AgentTags, Mode, Policy, Subjects
from seconder.api.reasons import Reason
from seconder.api.resources import NAMESPACES, Action, GroupResource, ResolvedResource, Target
from seconder.approvals.impact import Item
from seconder.approvals.registry import Registry
from seconder.approvals.verification import Memo

DEPLOYMENTS = GroupResource("apps", "deployments")
PODS = GroupResource("", "pods")
AGENT = Caller("system:serviceaccount:seconder-agents:kiro")
HUMAN = Caller("dana@example.com", frozenset({"people"}))
NONE: frozenset[str] = frozenset()


def _target(resource: GroupResource = DEPLOYMENTS, name: str = "checkout", namespace: str = "payments") -> Target:
    kind = resource.resource.removesuffix("s").capitalize()
    return Target(resource, kind, "" if resource == NAMESPACES else namespace, name, "uid-1")


def _request(caller: Caller = AGENT, target: Target | None = None, **fields: Any) -> Request:
    defaults: dict[str, Any] = {
        "uid": "review-1",
        "operation": Operation.DELETE,
        "subresource": "",
        "field_manager": "",
        "dry_run": False,
        "stored": {},
        "incoming": {},
    }
    return Request(caller=caller, target=target or _target(), **(defaults | fields))


def _policy(name: str = "p", *named: GroupResource, **fields: Any) -> Policy:
    wanted = named or (DEPLOYMENTS,)
    resolved = {each: ResolvedResource(each, "v1", each != NAMESPACES, custom=False) for each in wanted}
    return Policy(name, **({"resources": frozenset(wanted), "resolved": resolved} | fields))


def _decide(
    request: Request,
    *policies: Policy,
    installation: Installation | None = None,
    holds: bool | None = False,
    fresh: bool = True,
    mode: Mode = Mode.ENFORCE,
) -> Decision:
    state = ClusterState(PolicyIndex(policies), Registry([]), {}, "urn:uuid:1", own or Installation())
    contents = None
    if holds is not None:
        found = [Item("x", "1")] if holds else []
        contents = {lookup.resource.resource: found for lookup in needs(request, state, mode)}
    return decide(request, state, mode, Evidence(fresh, contents), 0.0, Memo(4))


@pytest.mark.parametrize(
    "caller",
    [
        AGENT,
        Caller("x", frozenset({"seconder.dev:agents"})),
        Caller("x", NONE, {"seconder.dev/agent": ("kiro",)}),
        Caller("x", NONE, {"seconder.dev/agent": ()}),
    ],
)
def test_each_default_tag_makes_an_agent(caller: Caller) -> None:
    """Namespace of its ServiceAccount, group, or extra key, with or without a value."""
    assert _decide(_request(caller), _policy()).reason is Reason.APPROVAL_MISSING


@pytest.mark.parametrize(
    "username",
    [
        "dana@example.com",
        "system:serviceaccount:seconder-agents",
        "system:serviceaccount:seconder-agents:",
        "system:serviceaccount:seconder-agents:a:b",
        "system:serviceaccount:seconder-agents-2:kiro",
        "SYSTEM:serviceaccount:seconder-agents:kiro",
        "",
    ],
)
def test_a_name_that_only_looks_like_an_agents_is_none(username: str) -> None:
    """Compared exactly, and a ServiceAccount's name has its four parts."""
    assert _decide(_request(Caller(username)), _policy()).reason is Reason.NOT_COVERED


@pytest.mark.parametrize("username", sorted(BUILTIN_CONTROLLERS))
def test_the_control_planes_controllers_are_never_bound(username: str) -> None:
    """Whatever a policy says of everyone, of all ServiceAccounts, or of the object."""
    caller = Caller(username, frozenset({"system:serviceaccounts"}))
    everyone = _policy(subjects=Subjects.EVERYONE, agents=AgentTags(groups=frozenset({"system:serviceaccounts"})))
    request = _request(caller, stored={"seconder.dev/agent": "kiro"})
    assert _decide(request, everyone).reason is Reason.EXEMPT


def test_a_kubelet_is_spared_for_pods_alone() -> None:
    """It deletes the pods that the API server told it to; nothing else is its work."""
    kubelet = Caller("system:node:n1", frozenset({"system:nodes"}))
    policy = _policy("p", PODS, DEPLOYMENTS, subjects=Subjects.EVERYONE)
    assert _decide(_request(kubelet, _target(PODS)), policy).allowed
    assert not _decide(_request(kubelet), policy).allowed
    assert not _decide(_request(Caller("system:node:n1"), _target(PODS)), policy).allowed


def test_everyone_means_everyone_but_the_exempt_and_added_controllers() -> None:
    """And an agent is never exempt."""
    policy = _policy(subjects=Subjects.EVERYONE, exempt_users=frozenset({"dana@example.com", AGENT.username}))
    assert _decide(_request(HUMAN), policy).allowed
    assert not _decide(_request(Caller("erin@example.com")), policy).allowed
    assert not _decide(_request(AGENT), policy).allowed
    argo = Caller("system:serviceaccount:argocd:controller")
    own = Installation(controllers=frozenset({argo.username}))
    assert _decide(_request(argo), policy, own=own).allowed
    assert not _decide(_request(argo), policy).allowed


@pytest.mark.parametrize("place", ["kube-system", "seconder-system"])
def test_some_places_are_never_covered_for_everyone(place: str) -> None:
    """So that nobody can lock the cluster's administrators out."""
    policy = _policy("p", DEPLOYMENTS, NAMESPACES, subjects=Subjects.EVERYONE)
    assert _decide(_request(HUMAN, _target(namespace=place)), policy).allowed
    assert _decide(_request(HUMAN, _target(NAMESPACES, place)), policy).allowed


def test_an_annotation_binds_whoever_asks_but_makes_no_agent() -> None:
    """A person is refused on the object, and may still annotate it."""
    marked = {"seconder.dev/agent": "kiro"}
    refused = _decide(_request(HUMAN, stored=marked), _policy())
    assert refused.reason is Reason.APPROVAL_MISSING
    assert refused.requester.agent is False
    assert refused.requester.agent_name is None
    approving = marked | {"approval.seconder.dev/alice": "x"}
    update = _request(HUMAN, operation=Operation.UPDATE, stored=marked, incoming=approving)
    assert _decide(update, _policy()).allowed


def test_a_policy_limits_itself_to_its_namespaces() -> None:
    """By name, a Namespace's own included."""
    policy = _policy("p", DEPLOYMENTS, NAMESPACES, namespaces=frozenset({"payments"}))
    assert not _decide(_request(), policy).allowed
    assert _decide(_request(target=_target(namespace="other")), policy).allowed
    assert not _decide(_request(target=_target(NAMESPACES, "payments")), policy).allowed
    assert _decide(_request(target=_target(NAMESPACES, "other")), policy).allowed


@pytest.mark.parametrize(
    "named",
    [GroupResource("*", "*"), GroupResource("apps", "*"), GroupResource("*", "deployments")],
)
def test_wildcards_name_what_they_stand_for(named: GroupResource) -> None:
    """Group, resource, or both."""
    policy = _policy(resources=frozenset({named}))
    assert not _decide(_request(), policy).allowed
    assert _decide(_request(target=_target(PODS)), policy).allowed is (named.group == "apps" or named.resource != "*")


@pytest.mark.parametrize(
    ("holds", "reason"),
    [(True, Reason.APPROVAL_MISSING), (False, Reason.NOT_COVERED), (None, Reason.INTERNAL_ERROR)],
)
def test_a_namespace_is_covered_for_what_it_holds(holds: bool | None, reason: Reason) -> None:
    """And a look-up that fails refuses."""
    assert _decide(_request(target=_target(NAMESPACES, "payments")), _policy(), holds=holds).reason is reason


def test_a_policy_that_is_not_looked_up_yet_refuses_namespaces_to_agents() -> None:
    """What it covers is not known."""
    request = _request(target=_target(NAMESPACES, "payments"))
    assert _decide(request, _policy(resolved={}, resolution_current=False)).reason is Reason.INTERNAL_ERROR


def test_without_proof_of_freshness_nothing_is_let_through() -> None:
    """Not for want of a policy either: one may have been made since. A refusal needs no proof."""
    assert _decide(_request(), fresh=False).reason is Reason.INTERNAL_ERROR
    assert _decide(_request(), _policy(), fresh=False).reason is Reason.APPROVAL_MISSING
    update = _request(operation=Operation.UPDATE)
    assert _decide(update, _policy(), fresh=False).allowed


def test_an_invalid_policy_refuses_what_it_names_to_agents_and_to_nobody_else() -> None:
    """Approvals or not, until it is mended."""
    broken = _policy(problem="it is broken", subjects=Subjects.AGENTS)
    assert _decide(_request(), broken).reason is Reason.POLICY_INVALID
    assert _decide(_request(HUMAN), broken).allowed
    assert _decide(_request(target=_target(PODS)), broken).allowed


def test_the_modes_are_decided_apart() -> None:
    """An Audit policy has no say in what is enforced, nor the other way round."""
    watching = _policy(mode=Mode.AUDIT)
    assert _decide(_request(), watching).allowed
    assert _decide(_request(), watching, mode=Mode.AUDIT).reason is Reason.APPROVAL_MISSING
    assert _decide(_request(), _policy(), mode=Mode.AUDIT).allowed


@pytest.mark.parametrize("operation", [Operation.CREATE, Operation.UPDATE, Operation.CONNECT])
def test_other_operations_are_free(operation: Operation) -> None:
    """Only Delete is acted on yet."""
    assert _decide(_request(operation=operation), _policy()).reason is Reason.NOT_COVERED


def test_a_policy_without_delete_protects_from_no_deletion() -> None:
    """It says so on its status."""
    assert _decide(_request(), _policy(actions=frozenset({Action.SCALE_TO_ZERO}))).allowed


@pytest.mark.parametrize("operation", [Operation.CREATE, Operation.UPDATE, Operation.DELETE, Operation.CONNECT])
@pytest.mark.parametrize(
    "target",
    [
        Target(GroupResource("seconder.dev", "approvers"), "Approver", "", "alice", "1"),
        Target(GroupResource("", "secrets"), "Secret", "seconder-system", "x", "1"),
        Target(NAMESPACES, "Namespace", "", "seconder-system", "1"),
        Target(GroupResource("", "serviceaccounts"), "ServiceAccount", "seconder-agents", "x", "1"),
        Target(
            GroupResource("apiextensions.k8s.io", "customresourcedefinitions"), "X", "", "approvers.seconder.dev", "1"
        ),
    ],
    ids=lambda value: str(value.resource) if isinstance(value, Target) else str(value),
)
def test_the_guard_guards_itself_from_agents_alone(operation: Operation, target: Target) -> None:
    """Without any policy at all."""
    assert _decide(_request(target=target, operation=operation)).reason is Reason.PROTECTED_CONFIGURATION
    assert _decide(_request(HUMAN, target, operation=operation)).allowed


def test_text_from_clients_is_stripped_of_what_moves_a_cursor() -> None:
    """No control and no bidi characters in a message, and nothing overlong."""
    caller = Caller("a\u202eb\x1b[31m\nc" + "d" * 1000, frozenset({"seconder.dev:agents"}))
    text = _decide(_request(caller, _target(name="x\u2066y")), _policy()).text()
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "\u2066" not in text
    assert "ab[31mc" in text
    assert max(map(len, text.splitlines())) < 800
