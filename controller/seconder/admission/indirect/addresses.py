"""An IPAddress that goes frees the address of its Service for another one, which then gets what is sent to the first.

See KEP-1880, and kubernetes/pkg/registry/core/service/ipallocator.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from seconder.admission import codec
from seconder.admission.indirect.deleter import Deleter
from seconder.admission.lookups import Asking
from seconder.admission.request import Operation
from seconder.admission.review import Effect, ReviewContext, goes_along
from seconder.api.resources import SERVICES, GroupResource, Target

ADDRESSES: Final = GroupResource("networking.k8s.io", "ipaddresses")


class _Parent(Struct):
    group: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""


class _Address(Struct, rename="camel"):
    parent_ref: _Parent | None = None


_spec: Final = msgspec.json.Decoder(_Address | None)


def freed(context: ReviewContext) -> Target | None:
    """The Service whose address a request may free; None for what is no such request. Raises Malformed and Unknown."""
    request = context.request
    if request.target.resource != ADDRESSES or not context.may_end:
        return None
    address = codec.read(request, _spec, request.old_spec, "the address")
    parent = address.parent_ref if address else None
    if parent is None or GroupResource(parent.group, parent.resource) != SERVICES:
        return None
    return Target(SERVICES, "Service", parent.namespace, parent.name, "")


def _losses(context: ReviewContext) -> Asking[Sequence[Effect]]:
    yield from ()
    service = freed(context)
    return [goes_along(service)] if service else []


DELETER: Final = Deleter(
    ADDRESSES,
    "its deletion",
    "the Service that has the address",
    "another Service may be given it",
    _losses,
    frozenset({Operation.UPDATE, Operation.DELETE}),
    kinds=frozenset({SERVICES}),
    namespaced=False,
)
