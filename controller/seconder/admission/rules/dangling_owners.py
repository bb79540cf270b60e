"""Owners that do not exist: whoever gives one to a stored object, the garbage collector deletes the object at once.

Agents are asked for approval of any owner that they add. Others add owners all day, and a mutating webhook or policy
may slip one into any request of theirs, a controller's too: they are refused those owners alone that are not there.
"""

from collections.abc import Sequence
from typing import Final

from seconder.admission import cel, installation
from seconder.admission.coverage import may_be_covered
from seconder.admission.findings import Findings, Refusal
from seconder.admission.kinds import ADOPTERS
from seconder.admission.lookups import MissingOwners, ask
from seconder.admission.policy_index import Installation, PolicyIndex, place_of
from seconder.admission.prefilter import Entry, Prefilter
from seconder.admission.principal import kube_system_controllers
from seconder.admission.request import Operation
from seconder.admission.review import ReviewContext
from seconder.admission.rule import AppliesTo, Binds, Rule
from seconder.api.policy import Mode
from seconder.api.resources import NAMESPACES, Action
from seconder.api.text import clean

_REWRITTEN: Final = (
    "No approval changes this. If you added no owner, something rewrites requests in this cluster: ask the people who"
    " run it to look at its mutating webhooks and policies."
)


def evaluate(context: ReviewContext) -> Findings:
    """Refuse an owner that does not exist; nothing where approvals decide instead, or nothing is at stake."""
    added = context.request.added_owners
    if not added or not _at_stake(context) or _approvals_decide(context):
        return []
    owners = tuple(sorted(added))
    missing = yield from ask(MissingOwners(context.request.target.namespace, owners))
    for owner in owners:
        if owner in missing:
            what = (
                f"the owner that it would get, {clean(f'{owner.kind} {owner.name}')}, does not exist or is being"
                " deleted, and it would go as well"
            )
            return [Refusal(what, advice=_REWRITTEN, action=Action.CHANGE_OWNERS)]
    return []


def _at_stake(context: ReviewContext) -> bool:
    """Whether the object is protected, or something that would go with it."""
    target, index = context.request.target, context.state.policies
    if context.mode is Mode.ENFORCE and installation.own_object(target, context.state.installation):
        # Agents do not touch it at all.
        return not context.principal.agent
    place = place_of(target)
    policies = [*index.naming(target.resource, place), *index.defining(target, ending=False)]
    if target.resource == NAMESPACES:
        policies += index.within(place)
    return any(
        policy.mode is context.mode
        and Action.CHANGE_OWNERS in policy.actions
        and context.selected(policy, target, unknown=context.principal.agent)
        for policy in policies
    )


def _approvals_decide(context: ReviewContext) -> bool:
    if context.exempt:
        return False
    return may_be_covered(context, context.effect(Action.CHANGE_OWNERS))


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """Updates that give an object an owner, but for what controllers adopt.

    An object may lose an owner, or change how the one that it has waits for it, unasked.
    """
    adopted = cel.either(
        [
            f"{cel.kind(resource)} && {cel.username_in(kube_system_controllers(*controllers))}"
            for resource, controllers in ADOPTERS.items()
        ]
    )
    adds = f"object == null || oldObject == null || ({cel.ADDS_OWNERS})"
    return [Prefilter(Entry.OWNERS, f"({adds}) && !({adopted})")]


RULE: Final = Rule(
    "dangling-owners",
    "Nobody gives a protected object an owner that does not exist, knowing it or not.",
    Binds.EVERYBODY,
    evaluate,
    prefilters,
    Action.CHANGE_OWNERS,
    AppliesTo({Operation.UPDATE}, metadata=True),
)
