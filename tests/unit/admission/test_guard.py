"""What agents may not touch, and what they still may."""

from collections.abc import Mapping

import pytest

from seconder.admission.guard import refusal
from seconder.admission.policy_index import Guarded
from seconder.admission.request import Caller, Operation, Request
from seconder.api.policy import DEFAULT_TAGS, AgentTags
from seconder.api.resources import NAMESPACES, GroupResource, Target

MINE = "system:serviceaccount:seconder-agents:kiro"
OLD = {"approval.seconder.dev/alice": "signed", "note": "x"}


def _refusal(
    operation: Operation,
    target: Target,
    stored: Mapping[str, str] | None = None,
    incoming: Mapping[str, str] | None = None,
    subresource: str = "",
) -> str:
    request = Request("r", operation, target, subresource, Caller(MINE), "", False, stored or {}, incoming or {})
    return refusal(request, DEFAULT_TAGS, Guarded(), None)


def _target(group: str, resource: str, namespace: str, name: str) -> Target:
    return Target(GroupResource(group, resource), "Kind", namespace, name, "uid")


DEPLOYMENT = _target("apps", "deployments", "payments", "checkout")


@pytest.mark.parametrize(
    ("stored", "incoming"),
    [
        ({}, OLD),
        (OLD, {}),
        (OLD, {"note": "x"}),
        (OLD, OLD | {"approval.seconder.dev/alice": "other"}),
        (OLD, OLD | {"approval.seconder.dev/bob": "more"}),
        ({}, {"approval.seconder.dev/": ""}),
    ],
)
def test_agents_neither_add_nor_change_nor_remove_approvals(
    stored: Mapping[str, str], incoming: Mapping[str, str]
) -> None:
    """On the object or through a subresource that stores annotations."""
    for subresource in ("", "status", "finalize"):
        assert (
            _refusal(Operation.UPDATE, DEPLOYMENT, stored, incoming, subresource)
            == "approvals and break-glass annotations"
        )


def test_agents_make_no_object_with_an_approval_on_it() -> None:
    """An exported manifest carries the old one along."""
    assert _refusal(Operation.CREATE, DEPLOYMENT, {}, OLD) == "approvals and break-glass annotations"


def test_agents_go_on_with_objects_that_carry_approvals() -> None:
    """While these stay as they are; deleting is decided elsewhere."""
    assert _refusal(Operation.UPDATE, DEPLOYMENT, OLD, OLD | {"note": "y"}) == ""
    assert _refusal(Operation.DELETE, DEPLOYMENT, OLD) == ""
    assert _refusal(Operation.UPDATE, DEPLOYMENT, {"approval.seconder.dev.example/x": "1"}) == ""


@pytest.mark.parametrize(
    "target",
    [
        _target("seconder.dev", "protectionpolicies", "", "p"),
        _target("", "pods", "seconder-system", "webhook"),
        _target("", "namespaces", "", "seconder-system"),
        _target("apiextensions.k8s.io", "customresourcedefinitions", "", "approvers.seconder.dev"),
        _target("", "serviceaccounts", "seconder-agents", "other"),
    ],
    ids=lambda target: str(target.resource),
)
def test_subresources_are_guarded_like_their_objects(target: Target) -> None:
    """Status, tokens, exec and what else there is."""
    for operation in Operation:
        for subresource in ("", "status", "token", "exec"):
            assert _refusal(operation, target, subresource=subresource)


def test_an_agent_renews_its_own_token_and_no_other() -> None:
    """Writing its own ServiceAccount is still refused, since its operator is recorded there."""
    mine = _target("", "serviceaccounts", "seconder-agents", "kiro")
    assert _refusal(Operation.CREATE, mine, subresource="token") == ""
    assert _refusal(Operation.UPDATE, mine)
    assert _refusal(Operation.CREATE, _target("", "serviceaccounts", "seconder-agents", "hal"), subresource="token")


@pytest.mark.parametrize(
    "target",
    [
        _target("seconder.dev.example.com", "approvers", "", "x"),
        _target("", "pods", "seconder-system-2", "x"),
        Target(NAMESPACES, "Namespace", "", "seconder-systems", "uid"),
        _target("", "configmaps", "payments", "seconder-system"),
        _target("apiextensions.k8s.io", "customresourcedefinitions", "", "approvers.notseconder.dev"),
        _target("", "serviceaccounts", "payments", "x"),
    ],
    ids=lambda target: f"{target.resource} {target.path}",
)
def test_what_only_looks_like_the_guards_own_is_free(target: Target) -> None:
    """Names are compared exactly."""
    assert _refusal(Operation.DELETE, target) == ""


def _minted(
    resource: GroupResource, operation: Operation = Operation.CREATE, secret_type: str = "", subresource: str = ""
) -> str:
    target = Target(resource, "Kind", "payments", "x", "uid")
    caller = Caller(MINE)
    request = Request("r", operation, target, subresource, caller, "", False, {}, {}, secret_type=secret_type)
    return refusal(request, DEFAULT_TAGS, Guarded(), None)


@pytest.mark.parametrize("secret_type", ["kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"])
def test_secrets_that_become_tokens_are_guarded(secret_type: str) -> None:
    """Wherever they are; others are free, and so is deleting one."""
    secrets = GroupResource("", "secrets")
    assert _minted(secrets, secret_type=secret_type) == "Secrets that hold tokens of identities"
    assert _minted(secrets, Operation.UPDATE, secret_type) == "Secrets that hold tokens of identities"
    assert _minted(secrets, secret_type="Opaque") == _minted(secrets, Operation.DELETE) == ""


def test_certificates_are_guarded() -> None:
    """Asking, approving and signing; a request that nobody wants any more may go."""
    requests = GroupResource("certificates.k8s.io", "certificatesigningrequests")
    for subresource in ("", "approval", "status"):
        assert _minted(requests, Operation.UPDATE, subresource=subresource)
    assert _minted(requests) == "certificates that identities rest on"
    assert _minted(requests, Operation.DELETE) == ""


def test_nodes_are_not_entered() -> None:
    """Whatever else an agent does with them is not the guard's business."""
    nodes = GroupResource("", "nodes")
    assert _minted(nodes, Operation.CONNECT, subresource="proxy") == "what runs on nodes"
    assert _minted(nodes, Operation.UPDATE) == ""


@pytest.mark.parametrize("resource", ["clusterroles", "clusterrolebindings"])
def test_the_guards_own_roles_are_guarded(resource: str) -> None:
    """By name; a Role of that name in some namespace is not the guard's."""
    for operation in (Operation.CREATE, Operation.UPDATE, Operation.DELETE):
        target = _target("rbac.authorization.k8s.io", resource, "", "seconder-webhook")
        assert _refusal(operation, target) == "the guard's own roles"
    assert _refusal(Operation.DELETE, _target("rbac.authorization.k8s.io", resource, "", "seconders")) == ""
    assert _refusal(Operation.DELETE, _target("rbac.authorization.k8s.io", "roles", "payments", "seconder-x")) == ""


def test_which_server_answers_is_guarded() -> None:
    """For any group: aggregation goes by group and version, and the API server's own may be taken over."""
    for operation in (Operation.CREATE, Operation.UPDATE, Operation.DELETE):
        target = _target("apiregistration.k8s.io", "apiservices", "", "v1.apps")
        assert _refusal(operation, target) == "which server answers for an API"


@pytest.mark.parametrize(
    ("caller", "renewed"),
    [
        (Caller("system:serviceaccount:ci:bot"), True),
        (Caller("system:serviceaccount:ci:bot", frozenset({"bots"})), False),
        (Caller("system:serviceaccount:ci:bot", frozenset({"system:serviceaccounts:ci"})), True),
        (Caller("system:serviceaccount:ci:bot", frozenset(), {"seconder.dev/agent": ("kiro",)}), False),
        (Caller("system:serviceaccount:ci:other"), False),
    ],
)
def test_a_token_of_its_own_is_renewed_where_nothing_of_its_tags_is_lost(caller: Caller, renewed: bool) -> None:
    """An extra key or a group that a token does not give would be left behind."""
    users = frozenset({"system:serviceaccount:ci:bot"})
    known = AgentTags(users=users, groups=frozenset({"bots", "system:serviceaccounts:ci"}))
    target = _target("", "serviceaccounts", "ci", "bot")
    request = Request("r", Operation.CREATE, target, "token", caller, "", False, {}, {})
    assert refusal(request, known, Guarded(), None) == ("" if renewed else "ServiceAccounts and tokens of agents")


def test_a_token_is_refused_to_whom_it_would_not_make_an_agent() -> None:
    """It asks for its own, but is an agent by something else."""
    target = _target("", "serviceaccounts", "ci", "bot")
    caller = Caller("system:serviceaccount:ci:bot")
    request = Request("r", Operation.CREATE, target, "token", caller, "", False, {}, {})
    assert refusal(request, DEFAULT_TAGS, Guarded(), None) == "tokens of ServiceAccounts"


def test_the_account_of_an_agent_is_guarded_wherever_it_is() -> None:
    """It records who set the agent going and when its tokens end; its neighbours are nobody's."""
    tags = AgentTags(users=frozenset({"system:serviceaccount:ci:bot"}), groups=frozenset({"system:serviceaccounts:qa"}))
    caller = Caller("hal", frozenset({"seconder.dev:agents"}))
    for namespace, name, guarded in (("ci", "bot", True), ("ci", "other", False), ("qa", "any", True)):
        for operation in (Operation.CREATE, Operation.UPDATE, Operation.DELETE):
            target = _target("", "serviceaccounts", namespace, name)
            request = Request("r", operation, target, "", caller, "", False, {}, {})
            expected = "ServiceAccounts and tokens of agents" if guarded else ""
            assert refusal(request, tags, Guarded(), None) == expected
