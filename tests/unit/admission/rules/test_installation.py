"""Seconder's own objects are not for agents, whatever policies say; what only looks like them is free."""

from typing import Any

import pytest
from tests.support.builders import AGENT, DEPLOYMENT, PERSON, approved_for, document, policy, request, state, target
from tests.support.resolving import decide, refusal

from seconder.admission.policy_index import Installation
from seconder.admission.request import Caller, Operation, Request
from seconder.api.policy import AgentTags
from seconder.api.reasons import Reason
from seconder.api.resources import DEFINITIONS, NAMESPACES, PODS, SECRETS, GroupResource, Target

RBAC = "rbac.authorization.k8s.io"
OWN = [
    target(GroupResource("seconder.dev", "approvers"), "alice"),
    target(GroupResource("seconder.dev", "protectionpolicies"), "p"),
    target(SECRETS, "x", "seconder-system"),
    target(PODS, "webhook", "seconder-system"),
    target(NAMESPACES, "seconder-system"),
    target(DEFINITIONS, "approvers.seconder.dev"),
]
by_name = pytest.mark.parametrize("on", OWN, ids=lambda on: f"{on.resource} {on.path}")


def _request(operation: Operation, on: Target, user: Caller = AGENT, **fields: Any) -> Request:
    object_ = document(on, roleRef={"kind": "ClusterRole", "name": "view"})
    return request(operation, on, user, object=object_, oldObject=object_, **fields)


@pytest.mark.parametrize("operation", list(Operation))
@by_name
def test_the_guard_guards_itself_from_agents_alone(operation: Operation, on: Target) -> None:
    """Without any policy at all."""
    assert decide(_request(operation, on), state()).reason is Reason.PROTECTED_CONFIGURATION
    assert decide(_request(operation, on, PERSON), state()).allowed


@pytest.mark.parametrize("subresource", ["status", "token", "exec"])
@by_name
def test_subresources_are_guarded_like_their_objects(on: Target, subresource: str) -> None:
    """Status, tokens, exec and what else there is."""
    for operation in Operation:
        assert refusal(decide(_request(operation, on, subResource=subresource), state()))


@pytest.mark.parametrize(
    "on",
    [
        Target(GroupResource("seconder.dev.example.com", "approvers"), "Approver", "", "x", "uid"),
        target(PODS, "x", "seconder-system-2"),
        target(NAMESPACES, "seconder-systems"),
        target(GroupResource("", "configmaps"), "seconder-system"),
        target(DEFINITIONS, "approvers.notseconder.dev"),
        target(GroupResource("", "serviceaccounts"), "x"),
    ],
    ids=lambda on: f"{on.resource} {on.path}",
)
def test_what_only_looks_like_the_guards_own_is_free(on: Target) -> None:
    """Names are compared exactly."""
    assert decide(_request(Operation.DELETE, on), state()).allowed


@pytest.mark.parametrize("resource", ["clusterroles", "clusterrolebindings"])
def test_the_guards_own_roles_are_guarded(resource: str) -> None:
    """By name; a Role of that name in some namespace is not the guard's."""
    ours, other = (target(GroupResource(RBAC, resource), name) for name in ("seconder-webhook", "seconders"))
    for operation in (Operation.CREATE, Operation.UPDATE, Operation.DELETE):
        assert refusal(decide(_request(operation, ours), state())) == "agents may not change the guard's own roles"
    role = target(GroupResource(RBAC, "roles"), "seconder-x")
    for on in (other, role):
        assert "the guard's own roles" not in refusal(decide(_request(Operation.UPDATE, on), state()))


def test_where_it_is_installed_is_what_the_webhook_is_told() -> None:
    """Another namespace is then guarded, and the usual one is not."""
    elsewhere = state(installation=Installation("guard"))
    for namespace, allowed in (("guard", False), ("seconder-system", True)):
        request = _request(Operation.UPDATE, target(PODS, "x", namespace))
        assert decide(request, elsewhere).allowed is allowed


def test_the_tags_of_any_policy_make_an_agent_for_all() -> None:
    """The guard refuses whoever any policy calls an agent, and the name is the same whichever policy asks."""
    bot = Caller("bot", frozenset(), {"example.com/bot": ("hal",)})
    other = policy(
        GroupResource("example.com", "widgets"), name="o", agents=AgentTags(extra_keys=frozenset({"example.com/bot"}))
    )
    decided = decide(_request(Operation.DELETE, OWN[2], bot), state(policy(), other))
    assert (decided.reason, decided.principal.agent_name) == (Reason.PROTECTED_CONFIGURATION, "hal")
    # It is no agent to the policy that does not call it one.
    assert decide(_request(Operation.DELETE, DEPLOYMENT, bot), state(policy(), other)).reason is Reason.NOT_COVERED


def test_no_approval_opens_the_guards_own_configuration() -> None:
    """ProtectedConfiguration comes first."""
    on = OWN[0]
    held = document(on, annotations=approved_for(on))
    decided = decide(request(Operation.DELETE, on, oldObject=held), state(policy(on.resource)))
    assert (decided.reason, decided.change) == (Reason.PROTECTED_CONFIGURATION, None)


_REQUEST = Target(GroupResource("seconder.dev", "changerequests"), "ChangeRequest", "", "chg-x", "uid")


def _written(stated: dict[str, str] | None, requester: str = AGENT.username, **fields: Any) -> Request:
    old = document(_REQUEST, spec={"requester": requester})
    new = {**old, "metadata": {**old["metadata"], "resourceVersion": "2"}, **fields.pop("changed", {})}
    if stated is not None:
        new["metadata"] = {**new["metadata"], "annotations": stated}
    return request(Operation.UPDATE, _REQUEST, AGENT, object=new, oldObject=old, **fields)


def test_an_agent_states_on_its_own_change_request_why_it_asks() -> None:
    """The reason and nothing else: not its length, not another annotation, no other requester's, no subresource."""
    reason = {"seconder.dev/reason": "moved"}
    assert decide(_written(reason), state()).allowed
    assert decide(_written(None), state()).allowed, "a write that changes nothing"
    for refused in (
        _written(reason, "somebody else"),
        _written({**reason, "denial.seconder.dev/alice": "no"}),
        _written({"seconder.dev/reason": "a" * 401}),
        _written(reason, changed={"spec": {"requester": AGENT.username, "by_agent": False}}),
        _written(reason, changed={"status": {"phase": "Approved"}}),
        _written(reason, subResource="status"),
    ):
        assert decide(refused, state()).reason is Reason.PROTECTED_CONFIGURATION


def _managing(*entries: tuple[str, dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"manager": manager, "operation": "Update", "fieldsV1": fields} for manager, fields in entries]


def test_with_the_reason_nobody_elses_fields_become_nobodys() -> None:
    """Who manages them stays as it was; the reason itself may pass from one manager to another."""
    spec = ("seconder-webhook", {"f:spec": {".": {}, "f:requester": {}}, "f:metadata": {"f:annotations": {"f:a": {}}}})
    stated: dict[str, Any] = {"f:metadata": {"f:annotations": {".": {}, "f:seconder.dev/reason": {}}}}
    before = _managing(spec, ("kubectl", stated))
    reason = {"annotations": {"seconder.dev/reason": "moved"}}
    for after, allowed in (
        (_managing(spec, ("agent", stated)), True),
        (_managing(("agent", stated), spec), True),
        (_managing(("agent", stated)), False),
        ([], False),
        (_managing(spec, ("agent", {"f:spec": {"f:requester": {}}})), False),
    ):
        old = document(_REQUEST, spec={"requester": AGENT.username})
        held, wanted = ({**old["metadata"], "managedFields": entries} for entries in (before, after))
        new = {**old, "metadata": {**wanted, **reason}}
        asked = request(Operation.UPDATE, _REQUEST, AGENT, object=new, oldObject={**old, "metadata": held})
        assert decide(asked, state()).allowed is allowed, after
