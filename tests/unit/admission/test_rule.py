"""Which rules look at which requests."""

import pytest
from tests.support import signing
from tests.support.builders import AGENT, DEPLOYMENTS, PERSON, deletion, policy, state, target, update

from seconder.admission.principal import BUILTIN_CONTROLLERS
from seconder.admission.request import Caller, Operation, Request
from seconder.admission.review import ReviewContext
from seconder.admission.rule import AppliesTo, looking_at
from seconder.admission.rules import RULES
from seconder.api.policy import Mode
from seconder.api.resources import ANY, SECRETS, GroupResource

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
    ],
)
def test_a_request_is_included_where_each_part_of_its_head_is(applies_to: AppliesTo, included: bool) -> None:
    """What is not said is any."""
    assert applies_to.includes(Operation.UPDATE, DEPLOYMENTS, "scale") is included


def test_whose_requests_a_rule_looks_at_is_told_apart() -> None:
    """Though the request is the same, and whoever asked before."""
    for _ in range(2):
        guarding = ["installation", "deletion", "dependents", "indirect-deletion", "guard-owners"]
        assert _looking(deletion(user=AGENT)) == guarding
        assert _looking(deletion(user=AGENT), Mode.AUDIT) == ["deletion"]
        assert _looking(deletion(user=PERSON)) == ["deletion"]
        assert _looking(deletion(user=CONTROLLER)) == []
        assert _looking(update(user=CONTROLLER)) == ["dangling-owners"]


def test_the_order_of_the_rules_is_kept() -> None:
    """The first that refuses is told."""
    names = [rule.name for rule in RULES]
    for request in (update(), deletion(), update(target(SECRETS))):
        looking = _looking(request)
        assert looking == [name for name in names if name in looking]
