"""A ReplicaSet that is deleted comes back, but not while its Deployment is paused: it counts as the Deployment."""

from collections.abc import Sequence
from typing import Final

from seconder.admission import coverage
from seconder.admission.findings import Affected, Findings
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.prefilter import Prefilter
from seconder.admission.request import Operation
from seconder.admission.review import ReviewContext
from seconder.admission.rule import AppliesTo, Binds, Rule
from seconder.api.resources import REPLICA_SETS, Action


def evaluate(context: ReviewContext) -> Findings:
    """``Delete`` on the Deployment that controls the ReplicaSet."""
    owner = context.request.old.controller_owner
    if owner is None:
        return []
    named = yield from coverage.named_object(context, owner.group, owner.kind, owner.name, Action.DELETE)
    # Nobody's any more: it is what it is.
    if named is None or named[1] is None or named[1].uid != owner.uid:
        return []
    effect = named[0]
    policies = yield from coverage.policies_for(context, effect)
    return [Affected(effect, policies)]


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """None of its own: whatever agents delete is asked about, since it may own what a policy names."""
    return []


RULE: Final = Rule(
    "controller-owner",
    "A protected Deployment is not emptied through its ReplicaSets.",
    Binds.AGENTS,
    evaluate,
    prefilters,
    applies_to=AppliesTo({Operation.DELETE}, {REPLICA_SETS}, {""}),
)
