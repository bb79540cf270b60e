"""What agents may not touch, and what they still may."""

from collections.abc import Mapping

import pytest

from seconder.core.guard import refusal
from seconder.core.matching import Guarded
from seconder.core.policy import DEFAULT_TAGS
from seconder.core.request import NAMESPACES, Caller, GroupResource, Operation, Request, Target

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
