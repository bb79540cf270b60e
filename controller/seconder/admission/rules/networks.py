"""Networks of the whole cluster: whoever writes their policies has the API server's reviews never reach the guard."""

from collections.abc import Sequence
from typing import Final

from seconder.admission import cel
from seconder.admission.findings import Findings, Refusal
from seconder.admission.kinds import MESH, MESH_ROOT, NETWORK_PLUGINS, REDIRECTS
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.prefilter import Entry, Prefilter
from seconder.admission.request import MUTATIONS
from seconder.admission.review import ReviewContext
from seconder.admission.rule import AppliesTo, Binds, Rule
from seconder.api.resources import ANY, GroupResource


def evaluate(context: ReviewContext) -> Findings:
    """Refuse what is about pods of all namespaces. No approval of a peer's shows what follows from it."""
    yield from ()
    target = context.request.target
    if target.resource in MESH:
        everywhere = target.namespace == MESH_ROOT
    else:
        everywhere = not target.namespace or target.resource == REDIRECTS
    return [Refusal("agents may not change who reaches whom in the whole cluster")] if everywhere else []


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """These groups where there is no namespace, and kinds of them where there is one."""
    inside = 'has(request.namespace) && request.namespace != ""'
    return [
        Prefilter(Entry.GUARD, f"request.resource.group in {cel.listed(NETWORK_PLUGINS)} && !({inside})"),
        Prefilter(Entry.GUARD, cel.kind(REDIRECTS)),
        Prefilter(Entry.GUARD, f"{inside} && request.namespace == {cel.quote(MESH_ROOT)} && ({cel.one_of(MESH)})"),
    ]


RULE: Final = Rule(
    "networks",
    "Agents write nothing that says who reaches whom in the whole cluster.",
    Binds.AGENTS,
    evaluate,
    prefilters,
    applies_to=AppliesTo(MUTATIONS, {*MESH, *(GroupResource(group, ANY) for group in NETWORK_PLUGINS)}),
)
