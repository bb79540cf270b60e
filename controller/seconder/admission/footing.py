"""Single objects that the whole cluster believes, and what rests on each."""

from collections.abc import Mapping, Sequence, Set
from typing import Final, NamedTuple

from seconder.admission.request import MUTATIONS, WRITES, Operation
from seconder.api.resources import CONFIG_MAPS, ENDPOINT_SLICES, ENDPOINTS, NAMESPACES, SERVICES, GroupResource

_API_SERVER: Final = "at which address the cluster finds its API server"
_IDENTITIES: Final = "who is who in the cluster"
ENDS: Final = frozenset({Operation.DELETE})


class Row(NamedTuple):
    """Some objects, and what rests on them. ``place``: a namespace; empty for any. A ``name`` may end with ``*``."""

    place: str
    name: str
    what: str
    reason: str
    operations: Set[Operation] = MUTATIONS


ROWS: Final[Mapping[GroupResource, Sequence[Row]]] = {
    CONFIG_MAPS: (
        Row(
            "kube-system",
            "extension-apiserver-authentication",
            _IDENTITIES,
            "aggregated API servers believe certificates of the authorities in it, and names that its holders give",
        ),
        Row("kube-system", "aws-auth", _IDENTITIES, "EKS takes from it which role of AWS is which user and group"),
        Row("kube-system", "kubeadm-config", _IDENTITIES, "kubeadm sets up API servers and their flags by it"),
        Row("kube-system", "kubelet-config*", _IDENTITIES, "kubeadm sets up by it whom kubelets let in"),
        Row("kube-public", "cluster-info", _IDENTITIES, "nodes that join take the API server and its CA from it"),
        Row(
            "", "kube-root-ca.crt", _IDENTITIES, "pods believe the API server by it; it comes back when deleted", WRITES
        ),
    ),
    SERVICES: (Row("default", "kubernetes", _API_SERVER, "pods reach the API server by it, and webhooks' callers"),),
    ENDPOINTS: (Row("default", "kubernetes", _API_SERVER, "it says which servers these are"),),
    ENDPOINT_SLICES: (Row("default", "kubernetes", _API_SERVER, "it says which servers these are"),),
    NAMESPACES: (
        Row("", "kube-node-lease", "which nodes live", "without their Leases all nodes count as lost", ENDS),
        # The API server keeps these three itself (NamespaceLifecycle), unless somebody turns that off.
        *(
            Row("", name, "which namespaces the cluster has for itself", "its own programs are in it", ENDS)
            for name in ("default", "kube-public", "kube-system")
        ),
    ),
}
"""The objects by their kinds, each with its reason."""


def is_called(row: Row, namespace: str, name: str) -> bool:
    """Whether an object of the row's kind is one of the row's by its namespace and its name."""
    if row.place and namespace != row.place:
        return False
    whole = row.name.removesuffix("*")
    return name == whole or (whole != row.name and name.startswith(whole))
