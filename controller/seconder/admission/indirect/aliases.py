"""Kinds whose objects stand for Namespaces or Nodes: whoever deletes one has its own controller delete these."""

import re
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from seconder.api.resources import NAMESPACES, NODES, GroupResource

_GIVEN: Final = re.compile(
    r"(?P<plural>[a-z0-9-]{1,63})\.(?P<group>[a-z0-9][a-z0-9.-]{0,252})=(?P<path>[A-Za-z]\w*(?:\.[A-Za-z]\w*)*)(?P<may>\??)"
)
NAMES: Final = {
    NAMESPACES: re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"),
    NODES: re.compile(r"[a-z0-9][-.a-z0-9]{0,252}"),
}
"""What they may be called (RFC 1123 label, subdomain)."""


class Alias(Struct, frozen=True):
    """A kind of object that stands for Namespaces, or for what ``of`` says.

    ``path``: the field that names one, or lists some; ``otherwise`` that of an object without it. ``instance``: fields
    that tell one by a name of another's; which it is cannot be told. ``optional``: an object without any of these
    stands for none; else nobody can tell which go with it. ``reason`` is for people.
    """

    resource: GroupResource
    path: str
    reason: str
    optional: bool = False
    otherwise: str = ""
    instance: tuple[str, ...] = ()
    of: GroupResource = NAMESPACES


_INSTANCE: Final = ("spec.providerID", "status.providerID", "status.providerStatus")
"""What a machine's controller ends goes by these (Cluster API, Karpenter, OpenShift's ``instanceId``).

Each cloud writes them in ways of its own, and a Node need not tell them alike.
"""

BUILT_IN: Final[tuple[Alias, ...]] = (
    Alias(
        GroupResource("accurate.cybozu.com", "subnamespaces"),
        "metadata.name",
        "Accurate deletes the sub-namespace with the object that asked for it",
    ),
    Alias(
        GroupResource("capsule.clastix.io", "tenants"),
        "status.namespaces",
        "Capsule's tenant owns its namespaces, and its status lists them",
        # Left out by Capsule where there are none.
        optional=True,
    ),
    Alias(
        GroupResource("cluster.loft.sh", "spaces"),
        "metadata.name",
        "a Space of loft is the namespace, by another API",
    ),
    Alias(
        GroupResource("helm.cattle.io", "helmcharts"),
        "spec.targetNamespace",
        "the Helm controller of k3s and RKE2 uninstalls all that the chart has put there",
        otherwise="metadata.namespace",
    ),
    Alias(
        GroupResource("hnc.x-k8s.io", "subnamespaceanchors"),
        "metadata.name",
        "the Hierarchical Namespace Controller deletes the subnamespace with its anchor",
    ),
    Alias(
        GroupResource("project.openshift.io", "projects"),
        "metadata.name",
        "a Project of OpenShift is the namespace, by another API",
    ),
    Alias(
        GroupResource("tenancy.kiosk.sh", "spaces"),
        "metadata.name",
        "a Space of kiosk is the namespace, by another API",
    ),
    *(
        Alias(
            GroupResource(group, "machines"),
            "status.nodeRef.name",
            "the machine is ended, and its Node deleted",
            optional=True,
            instance=_INSTANCE,
            of=NODES,
        )
        for group in ("cluster.x-k8s.io", "machine.openshift.io")
    ),
    Alias(
        GroupResource("karpenter.sh", "nodeclaims"),
        "status.nodeName",
        "Karpenter ends the machine, and deletes its Node",
        optional=True,
        instance=_INSTANCE,
        of=NODES,
    ),
)
"""The rows that are known. A chart value adds to them."""


def parse(text: str) -> Alias:
    """An alias that an installer added: ``PLURAL.GROUP=FIELD``, with ``?`` behind where the field may be absent.

    Raises ValueError.
    """
    given = _GIVEN.fullmatch(text)
    if given is None:
        raise ValueError(f"not PLURAL.GROUP=FIELD: {text!r}; give such as spaces.example.com=spec.namespace")
    kind = GroupResource(given["group"], given["plural"])
    return Alias(kind, given["path"], "added by who installed Seconder", optional=bool(given["may"]))


def names(alias: Alias, document: Mapping[str, Any]) -> frozenset[str] | None:
    """The names of what an object stands for; None where that cannot be told."""
    value = _at(document, alias.path)
    if value in (None, "") and alias.otherwise:
        value = _at(document, alias.otherwise)
    found = value if isinstance(value, list) else [] if value in (None, "") else [value]
    if not found and any(each is not None for each in instance(alias, document)):
        return None
    if value in (None, "") and not alias.optional:
        return None
    if not all(isinstance(name, str) and NAMES[alias.of].fullmatch(name) for name in found):
        return None
    return frozenset(found)


def instance(alias: Alias, document: Mapping[str, Any]) -> list[Any]:
    """What an object tells of what it stands for by a name of another's, field by field; None where it does not."""
    told = (_at(document, path) for path in alias.instance)
    return [None if value in ("", {}) else value for value in told]


def _at(document: Mapping[str, Any], path: str) -> Any:
    """What is at a path; None where there is nothing, and a number below what is no object."""
    value: Any = document
    for step in path.split("."):
        if value is None:
            break
        if not isinstance(value, Mapping):
            return 0
        value = value.get(step)
    return value
