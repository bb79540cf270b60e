"""What agents make or delete in a namespace would make void what peers have signed for its deletion."""

from collections.abc import Sequence
from typing import Final

from seconder.admission import cel, coverage
from seconder.admission.findings import Findings, Refusal
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.prefilter import Entry, Prefilter
from seconder.admission.request import MUTATIONS, Operation
from seconder.admission.review import Effect, ReviewContext
from seconder.admission.rule import AppliesTo, Binds, Rule
from seconder.api.resources import NAMESPACES, Action, GroupResource, Target
from seconder.approvals import impact, verification

_UNREAD: Final = "the approvals of the namespace's deletion could not be looked up"
_ADVICE: Final = "Wait until the namespace is gone, or the approval is over: within an hour."


def evaluate(context: ReviewContext) -> Findings:
    """Refuse one more object, or one less, of those that a signed impact counts, while an approval stands."""
    policies, target = context.state.policies, context.request.target
    if not policies.follows:
        return []
    # What is protected goes with its own approval alone. First, since each deletion comes by here.
    made = context.request.operation is Operation.CREATE and not context.request.subresource
    if not made and policies.protecting(target):
        return []
    if not target.namespace or target.resource not in _counted(policies):
        return []
    namespace = Target(NAMESPACES, "Namespace", "", target.namespace, "")
    if not any(policy.requirement.bind_impact for policy in policies.protecting(namespace)):
        return []
    if not (made or context.may_end):
        return []
    effect = Effect(Action.DELETE, namespace, "v1", {})
    stored = yield from coverage.read(effect, _UNREAD)
    # One that is going takes all of it along by now.
    if stored is None or stored.deletion_timestamp is not None:
        return []
    effect = coverage.at(effect, stored)
    values = verification.approvals_of(effect.stored)
    state = context.state
    if not verification.stands(values, effect.target, state.audience, state.registry, context.now, context.memo):
        return []
    what = f"a peer has approved that namespace {target.namespace} goes with what it holds, which agents leave as it is"
    return [Refusal(what, advice=_ADVICE)]


def _counted(policies: PolicyIndex) -> frozenset[GroupResource]:
    """The kinds that some impact counts."""

    def counted() -> frozenset[GroupResource]:
        binding = [policy for policy in policies.enforced if policy.requirement.bind_impact]
        return frozenset(kind.resource for kind in impact.counted(binding)) if binding else frozenset()

    return policies.once(_counted, counted)


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """What is made, deleted and changed of the kinds that an impact counts."""
    counted = _counted(index)
    if not (index.follows and counted):
        return []
    changes = 'request.operation in ["CREATE", "UPDATE", "DELETE"]'
    return [Prefilter(Entry.GUARD, f"{changes} && ({cel.one_of(counted)})")]


RULE: Final = Rule(
    "approved-namespaces",
    "Agents make and delete nothing that counts in a namespace whose deletion peers have approved, so that no approval"
    " of that is void.",
    Binds.AGENTS,
    evaluate,
    prefilters,
    # A Job that gets a time to live goes by it alone of what keeps its metadata, and may have had one all along.
    applies_to=AppliesTo(MUTATIONS, metadata=True),
)
