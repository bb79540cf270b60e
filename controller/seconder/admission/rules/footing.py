"""Single objects that the whole cluster believes: which address the API server has, who is who, and which nodes live.

Whoever writes one of these becomes somebody else, is taken for the API server, or has every node taken for lost. No
approval of a peer's is asked for, since none shows what follows from such a write.
"""

from collections.abc import Sequence
from typing import Final

from seconder.admission import cel
from seconder.admission.findings import Findings, Refusal
from seconder.admission.footing import ENDS, ROWS, Row, is_called
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.prefilter import Entry, Prefilter
from seconder.admission.request import MUTATIONS
from seconder.admission.review import ReviewContext
from seconder.admission.rule import AppliesTo, Binds, Rule
from seconder.api.resources import CONFIG_MAPS, ENDPOINT_SLICES, NAMESPACES

_OF_SERVICE: Final = "kubernetes.io/service-name"
"""The label by which an EndpointSlice says of which Service it is."""


def evaluate(context: ReviewContext) -> Findings:
    """Refuse whatever is done to one of these objects."""
    yield from ()
    request = context.request
    found = next((row for row in ROWS[request.target.resource] if _is(row, context)), None)
    return [Refusal(f"agents may not change {found.what}")] if found else []


def _is(row: Row, context: ReviewContext) -> bool:
    request, target = context.request, context.request.target
    if request.operation not in row.operations and row.operations != ENDS:
        return False
    if target.resource == ENDPOINT_SLICES:
        # Its name is whatever it is called, and may not be made up yet.
        services = ((each.labels or {}).get(_OF_SERVICE, "") for each in (request.old, request.new))
        return any(is_called(row, target.namespace, service) for service in services)
    # A Namespace that gets an owner goes with it.
    return is_called(row, target.namespace, target.name) and (request.operation in row.operations or context.may_end)


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """All of these kinds in the namespaces of the rows; and one ConfigMap wherever it is."""
    named = '(!has(request.name) || request.name == "kube-root-ca.crt")'
    everywhere = f'{cel.kind(CONFIG_MAPS)} && request.operation != "DELETE" && {named}'
    places = cel.listed({row.place for rows in ROWS.values() for row in rows if row.place})
    return [
        Prefilter(
            Entry.GUARD,
            f"has(request.namespace) && request.namespace in {places} && ({cel.one_of(ROWS.keys() - {NAMESPACES})})",
        ),
        Prefilter(Entry.GUARD, everywhere),
        Prefilter(Entry.GUARD, f'{cel.kind(NAMESPACES)} && request.operation in ["UPDATE", "DELETE"]'),
    ]


RULE: Final = Rule(
    "footing",
    "Agents write nothing that tells where the API server is or who is who, and end no namespace of the cluster's own.",
    Binds.AGENTS,
    evaluate,
    prefilters,
    applies_to=AppliesTo(MUTATIONS, ROWS.keys()),
)
