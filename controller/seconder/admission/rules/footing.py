"""Single objects that the whole cluster believes: which address the API server has, who is who, and which nodes live.

Whoever writes one of these becomes somebody else, is taken for the API server, or has every node taken for lost. No
approval of a peer's is asked for, since none shows what follows from such a write.
"""

from collections.abc import Mapping, Sequence, Set
from typing import Final, NamedTuple

from seconder.admission import cel
from seconder.admission.findings import Findings, Refusal
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.prefilter import Entry, Prefilter
from seconder.admission.request import MUTATIONS, WRITES, Operation
from seconder.admission.review import ReviewContext
from seconder.admission.rule import AppliesTo, Binds, Rule
from seconder.api.resources import CONFIG_MAPS, ENDPOINT_SLICES, ENDPOINTS, NAMESPACES, SERVICES, GroupResource

_OF_SERVICE: Final = "kubernetes.io/service-name"
"""The label by which an EndpointSlice says of which Service it is."""

_API_SERVER: Final = "at which address the cluster finds its API server"
_IDENTITIES: Final = "who is who in the cluster"
_ENDS: Final = frozenset({Operation.DELETE})


class _Row(NamedTuple):
    """Some objects, and what rests on them. ``place``: a namespace; empty for any. A ``name`` may end with ``*``."""

    place: str
    name: str
    what: str
    reason: str
    operations: Set[Operation] = MUTATIONS


ROWS: Final[Mapping[GroupResource, Sequence[_Row]]] = {
    CONFIG_MAPS: (
        _Row(
            "kube-system",
            "extension-apiserver-authentication",
            _IDENTITIES,
            "aggregated API servers believe certificates of the authorities in it, and names that its holders give",
        ),
        _Row("kube-system", "aws-auth", _IDENTITIES, "EKS takes from it which role of AWS is which user and group"),
        _Row("kube-system", "kubeadm-config", _IDENTITIES, "kubeadm sets up API servers and their flags by it"),
        _Row("kube-system", "kubelet-config*", _IDENTITIES, "kubeadm sets up by it whom kubelets let in"),
        _Row("kube-public", "cluster-info", _IDENTITIES, "nodes that join take the API server and its CA from it"),
        _Row(
            "", "kube-root-ca.crt", _IDENTITIES, "pods believe the API server by it; it comes back when deleted", WRITES
        ),
    ),
    SERVICES: (_Row("default", "kubernetes", _API_SERVER, "pods reach the API server by it, and webhooks' callers"),),
    ENDPOINTS: (_Row("default", "kubernetes", _API_SERVER, "it says which servers these are"),),
    ENDPOINT_SLICES: (_Row("default", "kubernetes", _API_SERVER, "it says which servers these are"),),
    NAMESPACES: (
        _Row("", "kube-node-lease", "which nodes live", "without their Leases all nodes count as lost", _ENDS),
        # The API server keeps these three itself (NamespaceLifecycle), unless somebody turns that off.
        *(
            _Row("", name, "which namespaces the cluster has for itself", "its own programs are in it", _ENDS)
            for name in ("default", "kube-public", "kube-system")
        ),
    ),
}
"""The objects by their kinds, each with its reason."""


def evaluate(context: ReviewContext) -> Findings:
    """Refuse whatever is done to one of these objects."""
    yield from ()
    request = context.request
    found = next((row for row in ROWS[request.target.resource] if _is(row, context)), None)
    return [Refusal(f"agents may not change {found.what}")] if found else []


def _is(row: _Row, context: ReviewContext) -> bool:
    request, target = context.request, context.request.target
    if request.operation not in row.operations and row.operations != _ENDS:
        return False
    if row.place and target.namespace != row.place:
        return False
    whole = row.name.removesuffix("*")
    if target.resource == ENDPOINT_SLICES:
        # Its name is whatever it is called, and may not be made up yet.
        return any((each.labels or {}).get(_OF_SERVICE) == whole for each in (request.old, request.new))
    named = target.name == whole or (whole != row.name and target.name.startswith(whole))
    # A Namespace that gets an owner goes with it.
    return named and (request.operation in row.operations or context.may_end)


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
