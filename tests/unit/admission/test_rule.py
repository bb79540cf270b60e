"""Which rules look at which requests."""

from typing import Any

import pytest
from tests.support import signing
from tests.support.builders import (
    AGENT,
    DEPLOYMENTS,
    GHOST,
    PERSON,
    REAL,
    creation,
    deletion,
    policy,
    references,
    state,
    target,
    update,
)
from tests.support.resolving import Answers

from seconder.admission import lookups
from seconder.admission.principal import BUILTIN_CONTROLLERS
from seconder.admission.request import Caller, Operation, Request
from seconder.admission.review import ReviewContext
from seconder.admission.rule import AppliesTo, Rule, looking_at
from seconder.admission.rules import RULES
from seconder.api.policy import Mode
from seconder.api.resources import ANY, NAMESPACES, SECRETS, GroupResource, Target

CONTROLLER = Caller(sorted(BUILTIN_CONTROLLERS)[0])


def _looking(request: Request, mode: Mode = Mode.ENFORCE) -> list[str]:
    context = ReviewContext(request, state(policy()), mode, signing.NOW, signing.memo())
    return [rule.name for rule in looking_at(context, RULES)]


@pytest.mark.parametrize(
    ("applies_to", "included"),
    [
        (AppliesTo(), True),
        (AppliesTo(operations={Operation.UPDATE}), True),
        (AppliesTo(operations={Operation.DELETE}), False),
        (AppliesTo(resources={DEPLOYMENTS}), True),
        (AppliesTo(resources={SECRETS, GroupResource("apps", ANY)}), True),
        (AppliesTo(resources={SECRETS, GroupResource("", ANY)}), False),
        (AppliesTo(subresources={"scale"}), True),
        (AppliesTo(subresources={""}), False),
        (AppliesTo({Operation.UPDATE}, {DEPLOYMENTS}, {"", "scale"}), True),
        (AppliesTo({Operation.UPDATE}, {SECRETS}, {"", "scale"}), False),
        (AppliesTo(others={SECRETS}), True),
        (AppliesTo(others={SECRETS, DEPLOYMENTS}), False),
    ],
)
def test_a_request_is_included_where_each_part_of_its_head_is(applies_to: AppliesTo, included: bool) -> None:
    """What is not said is any."""
    assert applies_to.includes(Operation.UPDATE, DEPLOYMENTS, "scale") is included


def test_whose_requests_a_rule_looks_at_is_told_apart() -> None:
    """Though the request is the same, and whoever asked before."""
    for _ in range(2):
        guarding = [
            "installation",
            "guard-owners",
            "deletion",
            "approved-namespaces",
            "stopped-sets",
            "dependents",
            "indirect-deletion",
        ]
        assert _looking(deletion(user=AGENT)) == guarding
        assert _looking(deletion(user=AGENT), Mode.AUDIT) == ["deletion"]
        assert _looking(deletion(user=PERSON)) == ["deletion"]
        assert _looking(deletion(user=CONTROLLER)) == []
        assert _looking(update(user=CONTROLLER, new={"labels": {"a": "b"}})) == ["dangling-owners"]


_KEPT = {"annotations": {"seconder.dev/agent": "a"}, "ownerReferences": references([REAL]), "finalizers": ["a"]}


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.applies_to.metadata], ids=lambda rule: rule.name)
@pytest.mark.parametrize("object_", [target(), target(NAMESPACES), target(SECRETS)], ids=str)
@pytest.mark.parametrize("user", [AGENT, PERSON, CONTROLLER], ids=["agent", "person", "controller"])
def test_a_rule_about_metadata_finds_nothing_where_they_stay(rule: Rule, object_: Target, user: Caller) -> None:
    """So that it need not be asked, which saves most updates a good part of what they cost."""
    for kept in ({}, _KEPT, {**_KEPT, "deletionTimestamp": "2026-11-28T12:00:00Z"}):
        request = update(object_, user, old={**kept, "spec": {"a": 1}}, new={**kept, "spec": {"finalizers": []}})
        context = ReviewContext(request, state(policy(object_.resource)), Mode.ENFORCE, signing.NOW, signing.memo())
        assert context.keeps_metadata
        assert not rule.looks_at(context)
        assert lookups.drive(rule.evaluate(context), Answers()) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"annotations": {"seconder.dev/agent": "b"}},
        {"ownerReferences": references([GHOST])},
        {"finalizers": []},
        {"labels": {"a": "b"}},
        {"deletionTimestamp": "2026-11-28T12:00:00Z"},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_rule_about_metadata_is_asked_where_any_of_them_changes(changed: dict[str, Any]) -> None:
    """An update of an agent's; and whoever makes or deletes an object has no metadata that stay."""
    about = {rule.name for rule in RULES if rule.applies_to.metadata}
    assert about <= set(_looking(update(old=_KEPT, new={**_KEPT, **changed})))
    assert not about & set(_looking(update(old=_KEPT, new=_KEPT)))
    assert {"approval-annotations", "agent-tags"} <= set(_looking(creation(target(), new=_KEPT)))


def test_the_order_of_the_rules_is_kept() -> None:
    """The first that refuses is told."""
    names = [rule.name for rule in RULES]
    for request in (update(), deletion(), update(target(SECRETS))):
        looking = _looking(request)
        assert looking == [name for name in names if name in looking]
