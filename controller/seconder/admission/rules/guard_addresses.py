"""The addresses of the guard's own Services and of the API server's: who gets one gets what is asked of these.

And those of everybody's new Services: of a ServiceCIDR that is being deleted none is given any more, and of a new one
all are, whatever has them (KEP-1880).
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from seconder.admission import cel, codec
from seconder.admission.findings import Findings, Refusal
from seconder.admission.indirect import addresses
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.prefilter import Entry, Prefilter
from seconder.admission.request import MUTATIONS, Operation, Request
from seconder.admission.review import ReviewContext
from seconder.admission.rule import AppliesTo, Binds, Rule
from seconder.api.resources import SERVICES, GroupResource

_RANGES: Final = GroupResource("networking.k8s.io", "servicecidrs")
ALWAYS: Final = frozenset({addresses.ADDRESSES, _RANGES})
"""The kinds that agents make none of."""


class _Service(Struct):
    external_ips: list[str] | None = msgspec.field(default=None, name="externalIPs")


class _Status(Struct, rename="camel"):
    load_balancer: dict[str, Any] | None = None


class _Reported(Struct):
    status: _Status = msgspec.field(default_factory=_Status)


_spec: Final = msgspec.json.Decoder(_Service | None)
_reported: Final = msgspec.json.Decoder(codec.ObjectsReview[_Reported])


def evaluate(context: ReviewContext) -> Findings:
    """Refuse what frees the address of such a Service, and what takes addresses from the cluster."""
    yield from ()
    if context.request.target.resource in ALWAYS and context.request.operation is Operation.CREATE:
        # Of a range that somebody makes Services take addresses, whatever has them: a node, the API server, a host.
        return [Refusal("agents may not say which addresses Services have")]
    if context.request.target.resource == _RANGES:
        changed = context.request.deletes or context.rewrites
        return [Refusal("agents may not take addresses of Services from the cluster")] if changed else []
    if context.request.target.resource == SERVICES:
        return [Refusal("agents may not have a Service take addresses")] if _takes(context.request) else []
    service = addresses.freed(context)
    if service is None:
        return []
    if service.namespace == context.state.installation.namespace:
        return [Refusal("agents may not free the addresses of the guard's own Services")]
    if service.path == "default/kubernetes":
        return [Refusal("agents may not free the address of the API server")]
    return []


def _takes(request: Request) -> bool:
    """Whether a Service takes an address that nobody has given it, as external or as a load balancer's.

    kube-proxy then sends it there whatever it belongs to: another Service, the API server, a node, a host outside of
    the cluster (CVE-2020-8554). No look-up tells of all of these, so that none is taken on an agent's word.
    """
    if request.operation is Operation.DELETE:
        return False
    held, wanted = (codec.read(request, _spec, spec, "the Service") for spec in (request.old_spec, request.new_spec))
    if _external(wanted) - _external(held):
        return True
    if request.subresource != "status":
        return False
    told = codec.objects(request, _reported, "the Service")
    held_by, wanted_by = (each.status.load_balancer if each else None for each in (told.old_object, told.object))
    return bool(wanted_by) and wanted_by != held_by


def _external(service: _Service | None) -> frozenset[str]:
    return frozenset((service and service.external_ips) or ())


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """Whatever is done to IPAddresses and their ranges; Services with external addresses, and their status."""
    external = "has(object.spec) && has(object.spec.externalIPs)"
    taking = f"({external}) || ({cel.subresource('status')})"
    takes = f'request.operation in ["CREATE", "UPDATE"] && object != null && ({taking})'
    return [
        Prefilter(Entry.GUARD, cel.one_of(ALWAYS)),
        Prefilter(Entry.GUARD, f"{cel.kind(SERVICES)} && {takes}"),
    ]


RULE: Final = Rule(
    "guard-addresses",
    "Agents free no address of the guard's own Services and of the API server's, take no range of them from the"
    " cluster, give it none, and have no Service take an address.",
    Binds.AGENTS,
    evaluate,
    prefilters,
    applies_to=AppliesTo(MUTATIONS, ALWAYS | {SERVICES}),
)
