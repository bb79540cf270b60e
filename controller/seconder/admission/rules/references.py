"""Custom resources that name a protected object: what their programs do to it is not known, and so a peer is asked.

The table of indirect deleters has what is known of some kinds. Theirs are not told here.
"""

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from seconder.admission import cel, coverage
from seconder.admission.findings import Findings
from seconder.admission.indirect import along, references, scaling, table
from seconder.admission.indirect.references import Named
from seconder.admission.kinds import BUILT_IN_GROUPS, KUBERNETES_GROUPS, METRICS_GROUPS
from seconder.admission.lookups import Unknown
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.prefilter import Entry, Prefilter
from seconder.admission.request import MUTATIONS
from seconder.admission.review import Effect, ReviewContext, goes_along
from seconder.admission.rule import AppliesTo, Binds, Rule
from seconder.api import constants
from seconder.api.resources import ANY, GroupResource, ResolvedResource, Target

_REASON: Final = "some program acts on what this object names, and how is not known"
_NOWHERE: Final = "in which namespace the object is that it names cannot be told"
_TOLD: Final = table.deleters(()).keys() | set(scaling.SIZERS)
"""The kinds of which it is known what they do: rows, and the rule ``autoscaler``."""


def evaluate(context: ReviewContext) -> Findings:
    """``Delete`` on each protected object that is named before or after, where more than what is free changes."""
    request, policies = context.request, context.state.policies
    if request.target.resource in context.state.installation.aliased or not policies.follows:
        return []
    if request.updates and not context.rewrites:
        return []
    named = dict.fromkeys(each for document in context.whole for each in references.found(document))
    effects: dict[Target, Effect] = {}
    for each in named:
        for kind in _kinds(context, each):
            place = (each.namespace or request.target.namespace) if kind.namespaced else ""
            effect = goes_along(Target(kind.resource, kind.kind, place, each.name, ""), kind.version)
            if kind.namespaced and not place:
                if policies.follows_some_of({kind.resource}):
                    raise Unknown(_NOWHERE)
            elif effect.target != request.target and coverage.may_be_covered(context, effect):
                effects[effect.target] = replace(effect, since=_REASON)
    return (yield from along.findings(context, list(effects.values()))) if effects else []


def _kinds(context: ReviewContext, named: Named) -> Sequence[ResolvedResource]:
    """The kinds of what is named, as far as they matter: workloads; of whole manifests whatever policies name."""
    workload = references.workload(named)
    if workload is not None:
        return (workload,)
    return context.state.policies.of_kind(named.group or "", named.kind) if named.whole else ()


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """What agents do to objects of all groups that are not Kubernetes' own."""
    if not index.follows:
        return []
    custom = f'request.resource.group.contains(".") && !(request.resource.group in {cel.listed(BUILT_IN_GROUPS)})'
    return [Prefilter(Entry.GUARD, f'request.operation in ["CREATE", "UPDATE", "DELETE"] && {custom}')]


RULE: Final = Rule(
    "references",
    "Agents write no custom resource that names a protected object without approval, but of kinds that are known.",
    Binds.AGENTS,
    evaluate,
    prefilters,
    applies_to=AppliesTo(
        MUTATIONS,
        subresources={"", "status"},
        others={
            *(GroupResource(group, ANY) for group in KUBERNETES_GROUPS | METRICS_GROUPS | {constants.DOMAIN}),
            *_TOLD,
        },
    ),
)
