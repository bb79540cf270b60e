"""The eviction of a pod (policy/v1 Eviction, CREATE on ``pods/eviction``) ends it as a deletion does."""

from collections.abc import Sequence
from typing import Final

from seconder.admission import coverage
from seconder.admission.findings import Affected, Findings
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.prefilter import Entry, Prefilter
from seconder.admission.request import Operation
from seconder.admission.review import Effect, ReviewContext
from seconder.admission.rule import AppliesTo, Binds, Rule
from seconder.api.resources import PODS, Action, Target


def evaluate(context: ReviewContext) -> Findings:
    """``Delete`` on the pod. The review holds the Eviction alone, so that the pod is read for its approvals."""
    request = context.request
    pod = request.target
    effect = Effect(Action.DELETE, Target(PODS, "Pod", pod.namespace, pod.name, ""), request.version, {})
    # Whose tag the pod itself carries is seen only once it is read.
    named = context.state.policies.naming(PODS, pod.namespace)
    if not any(policy.mode is context.mode for policy in named):
        return [Affected(effect, [])]
    stored = yield from coverage.read(effect, "the pod's approvals could not be looked up")
    if stored is None:
        return []
    effect = coverage.at(effect, stored)
    policies = yield from coverage.policies_for(context, effect)
    return [Affected(effect, policies)]


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """Every eviction where a policy names pods."""
    evicts = 'request.operation == "CREATE" && has(request.subResource) && request.subResource == "eviction"'
    entries = (Entry.AGENTS, Entry.EVERYONE)
    return [Prefilter(entry, evicts, creates=(PODS, "eviction")) for entry in entries]


RULE: Final = Rule(
    "eviction",
    "A pod that a policy names is evicted only with the approval of its deletion.",
    Binds.CALLERS,
    evaluate,
    prefilters,
    Action.DELETE,
    AppliesTo({Operation.CREATE}, {PODS}, {"eviction"}),
)
