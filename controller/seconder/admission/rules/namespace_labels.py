"""Labels by which policies select namespaces are not for agents: with one goes what it protects."""

import functools
from collections.abc import Mapping, Sequence
from typing import Final

from seconder.admission import cel
from seconder.admission.changes import next_apply
from seconder.admission.changes.free_paths import LABELS, FreePaths
from seconder.admission.findings import Findings, Refusal
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.prefilter import Entry, Prefilter
from seconder.admission.request import WRITES
from seconder.admission.review import ReviewContext
from seconder.admission.rule import AppliesTo, Binds, Rule
from seconder.api.resources import NAMESPACES, GroupResource

_PROJECTS: Final = GroupResource("project.openshift.io", "projects")
"""OpenShift's API server writes the labels of a Project onto its Namespace, as itself."""


def evaluate(context: ReviewContext) -> Findings:
    """Refuse whatever sets, changes or removes such a label, or has somebody's next apply do so."""
    yield from ()
    guarded = context.state.policies.selecting_keys
    before: Mapping[str, str] = context.request.old.labels or {}
    after: Mapping[str, str] = context.request.new.labels or {}
    changed = sorted(key for key in guarded if before.get(key) != after.get(key))
    if changed:
        return [Refusal(f"agents may not change label {changed[0]}, by which policies select namespaces")]
    if guarded and next_apply.taken(context, (_but_for(guarded),)):
        return [Refusal("agents may not have the next apply take away a label by which policies select namespaces")]
    return []


@functools.lru_cache(8)
def _but_for(keys: frozenset[str]) -> FreePaths:
    """All is free but these labels."""
    return FreePaths(back=tuple((*LABELS, key) for key in sorted(keys)), freed=True)


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """Whatever agents write of namespaces, while some policy selects by labels."""
    if not index.selecting_keys:
        return []
    kinds = [cel.kind(NAMESPACES), cel.kind(_PROJECTS)]
    return [Prefilter(Entry.GUARD, f'request.operation in ["CREATE", "UPDATE"] && ({cel.either(kinds)})')]


RULE: Final = Rule(
    "namespace-labels",
    "Agents set, change and remove no label by which a policy selects namespaces.",
    Binds.AGENTS,
    evaluate,
    prefilters,
    applies_to=AppliesTo(WRITES, {NAMESPACES, _PROJECTS}),
)
