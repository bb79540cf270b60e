"""Custom resources that name a protected object: what their programs do to it is not known, and so a peer is asked.

What no agent writes or ends, Seconder's own objects among it, is not named either, whatever policies say. Autoscalers
say what they do, and are not told here.
"""

from collections.abc import Sequence
from typing import Final

from seconder.admission import cel
from seconder.admission.findings import Findings, Refusal
from seconder.admission.indirect import along, naming, references
from seconder.admission.kinds import BUILT_IN_GROUPS
from seconder.admission.lookups import Naming
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.prefilter import Entry, Prefilter
from seconder.admission.request import MUTATIONS
from seconder.admission.review import ReviewContext
from seconder.admission.rule import AppliesTo, Binds, Rule

_REASON: Final = "some program acts on what this object names, and how is not known"


def _for_good(context: ReviewContext) -> Refusal | None:
    """Why an object may not be written whose names tell that by themselves."""
    return None if _names_the_same(context) else naming.refused(context, _naming(context))


def _names_the_same(context: ReviewContext) -> bool:
    return context.request.updates and not context.rewrites


def _naming(context: ReviewContext) -> Naming:
    return Naming(context.request.target.namespace, references.found(*context.whole))


def evaluate(context: ReviewContext) -> Findings:
    """``Delete`` on each protected object that is named before or after, where more than what is free changes."""
    if _names_the_same(context):
        return []
    lost = yield from naming.lost(context, (_naming(context),), _REASON)
    return (yield from along.findings(context, lost)) if lost else []


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """What agents do to objects of all groups that are not Kubernetes' own."""
    custom = f'request.resource.group.contains(".") && !(request.resource.group in {cel.listed(BUILT_IN_GROUPS)})'
    return [Prefilter(Entry.GUARD, f'request.operation in ["CREATE", "UPDATE", "DELETE"] && {custom}')]


RULE: Final = Rule(
    "references",
    "Agents write no custom resource that names a protected object without approval, but of kinds that are known, and"
    " none that names what they never write.",
    Binds.AGENTS,
    evaluate,
    prefilters,
    applies_to=AppliesTo(
        MUTATIONS,
        # Nobody reads what a Scale is of: the guard may not.
        subresources={"", "status"},
        others=references.PASSED_OVER,
    ),
    for_good=_for_good,
)
