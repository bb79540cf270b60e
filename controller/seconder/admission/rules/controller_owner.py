"""A ReplicaSet that is deleted comes back, but not while its Deployment is paused: it counts as the Deployment.

One with other labels or another owner is none of the Deployment's any more, and can be deleted by anybody.
"""

from collections.abc import Sequence
from typing import Final

from seconder.admission import coverage
from seconder.admission.findings import Affected, Findings
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.prefilter import Entry, Prefilter
from seconder.admission.request import Operation
from seconder.admission.review import ReviewContext
from seconder.admission.rule import AppliesTo, Binds, Rule
from seconder.api.resources import REPLICA_SETS, Action


def evaluate(context: ReviewContext) -> Findings:
    """``Delete`` on the Deployment that controls the ReplicaSet."""
    request = context.request
    owner = request.old.controller_owner
    let_go = request.changes_owners or (request.old.labels or {}) != (request.new.labels or {})
    if owner is None or not (request.deletes or (request.updates and let_go)):
        return []
    named = yield from coverage.named_object(context, owner.group, owner.kind, owner.name, Action.DELETE)
    # Nobody's any more: it is what it is.
    if named is None or named[1] is None or named[1].uid != owner.uid:
        return []
    effect = named[0]
    policies = yield from coverage.policies_for(context, effect)
    return [Affected(effect, policies)]


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """Updates. Whatever agents delete is asked about anyway, since it may own what a policy names."""
    updates = 'request.operation == "UPDATE" && request.resource.resource == "replicasets"'
    return [Prefilter(Entry.GUARD, f'{updates} && request.resource.group == "apps"')]


RULE: Final = Rule(
    "controller-owner",
    "A protected Deployment is not emptied through its ReplicaSets.",
    Binds.AGENTS,
    evaluate,
    prefilters,
    applies_to=AppliesTo({Operation.UPDATE, Operation.DELETE}, {REPLICA_SETS}, {"", "status"}),
)
