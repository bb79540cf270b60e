"""What leads people to a program: an Ingress is dropped with its class, and a Service goes where its endpoints say."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from seconder.admission import codec
from seconder.admission.indirect.deleter import Deleter
from seconder.admission.kinds import INGRESSES, MADE_ANEW, managed_by
from seconder.admission.lookups import Asking, OfClass, ask
from seconder.admission.request import MUTATIONS, Metadata, Operation
from seconder.admission.review import Effect, ReviewContext, goes_along
from seconder.api.resources import (
    ENDPOINT_SLICES,
    ENDPOINTS,
    SERVICES,
    Action,
    GroupResource,
    Target,
)

_CLASSES: Final = GroupResource("networking.k8s.io", "ingressclasses")
_OF: Final = "kubernetes.io/service-name"


def _by_class(context: ReviewContext) -> Asking[Sequence[Effect]]:
    """The Ingresses of a class that goes, or becomes another; and those that wait for one of its name."""
    if not context.state.policies.follows_some_of({INGRESSES.resource}):
        return []
    if context.request.updates and not (context.request.may_end or context.rewrites):
        return []
    found = yield from ask(OfClass(INGRESSES, context.request.target.name))
    kind = INGRESSES
    return [goes_along(Target(kind.resource, kind.kind, each.namespace, each.name, each.uid)) for each in found]


def _by_endpoints(context: ReviewContext) -> Asking[Sequence[Effect]]:
    """The Service whose endpoints are written; those that its own controller makes anew may be deleted."""
    yield from ()
    request, target = context.request, context.request.target
    if request.updates and not (context.rewrites or request.may_end):
        return []
    if target.resource == ENDPOINTS:
        names = {target.name}
    else:
        made_anew = managed_by(request.old.labels) in MADE_ANEW
        names = {_service(request.new), "" if request.deletes and made_anew else _service(request.old)}
    return [goes_along(Target(SERVICES, "Service", target.namespace, name, "")) for name in sorted(names - {""})]


class _Service(Struct):
    selector: dict[str, Any] | None = None


_spec: Final = msgspec.json.Decoder(_Service | None)


def _of_its_name(context: ReviewContext) -> Asking[Sequence[Effect]]:
    """The Endpoints of a Service's name. Where policies ask about that of the Service itself, it is that alone."""
    yield from ()
    request, target = context.request, context.request.target
    if request.subresource or (request.updates and not (context.rewrites or request.may_end)):
        return []
    if request.operation is Operation.CREATE:
        spec = codec.read(request, _spec, request.new_spec, "the Service")
        if spec is None or not spec.selector:
            return []
    elif context.naming(context.effect(Action.CHANGE if request.updates else Action.DELETE)):
        return []
    return [goes_along(Target(ENDPOINTS, "Endpoints", target.namespace, target.name, ""))]


def _service(metadata: Metadata) -> str:
    return (metadata.labels or {}).get(_OF, "")


def _endpoints(resource: GroupResource, named: str) -> Deleter:
    return Deleter(
        resource,
        "its creation, its deletion, or whatever is not free of it",
        f"the Service {named}",
        "what is sent to the Service goes where they say",
        _by_endpoints,
        MUTATIONS,
        kinds=frozenset({SERVICES}),
    )


DELETERS: Final = (
    Deleter(
        _CLASSES,
        "its creation, its deletion, or whatever is not free of it",
        "the Ingresses of the class",
        "their controller passes over Ingresses of a class that is not there, or another's; who is named takes them",
        _by_class,
        MUTATIONS,
        kinds=frozenset({INGRESSES.resource}),
        namespaced=False,
    ),
    Deleter(
        SERVICES,
        "its deletion, whatever is not free of it, or its creation with a selector",
        "the Endpoints of its name",
        "their controller deletes them, or writes over what somebody has put there",
        _of_its_name,
        MUTATIONS,
        kinds=frozenset({ENDPOINTS}),
    ),
    _endpoints(ENDPOINT_SLICES, "that its label names"),
    _endpoints(ENDPOINTS, "of its name"),
)
