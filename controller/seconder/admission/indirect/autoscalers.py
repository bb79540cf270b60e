"""An autoscaler takes its workload down to ``minReplicas``, by metrics that whoever makes it chooses."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from seconder.admission import codec
from seconder.admission.indirect.deleter import Deleter
from seconder.admission.kinds import MAKERS
from seconder.admission.lookups import Asking, Dependents, ObjectRef, ReadWhole, Unknown, ask
from seconder.admission.request import Operation
from seconder.admission.review import Effect, ReviewContext, goes_along
from seconder.api.resources import AUTOSCALERS, PODS, ResolvedResource, Target

_UNREAD: Final = "what it scales could not be looked up"


class _Reference(Struct, rename="camel"):
    api_version: str = ""
    kind: str = ""
    name: str = ""


class _Autoscaler(Struct, rename="camel"):
    min_replicas: int | None = None
    scale_target_ref: _Reference = msgspec.field(default_factory=_Reference)


class _Size(Struct):
    replicas: int | None = None


class _Metadata(Struct):
    uid: str


class _Workload(Struct):
    metadata: _Metadata
    spec: _Size


_spec: Final = msgspec.json.Decoder(_Autoscaler | None)


def _losses(context: ReviewContext) -> Asking[Sequence[Effect]]:
    request, place = context.request, context.request.target.namespace
    policies = context.state.policies.protecting(Target(PODS, "Pod", place, "", ""))
    after = codec.read(request, _spec, request.new_spec, "the autoscaler") or _Autoscaler()
    before = codec.read(request, _spec, request.old_spec, "the autoscaler") or _Autoscaler()
    if not policies or after == before:
        return []
    kind = _kind(after.scale_target_ref)
    if kind is None:
        raise Unknown("which pods it would end cannot be told")
    workload = Target(kind.resource, kind.kind, place, after.scale_target_ref.name, "")
    # Where they name the workload as well, its size is free there.
    if all(policy in context.state.policies.protecting(workload) for policy in policies):
        return []
    stored: Any = yield from ask(ReadWhole(ObjectRef(kind, place, workload.name), _UNREAD))
    if stored is None:
        return []
    try:
        scaled = msgspec.convert(stored, _Workload)
    except msgspec.ValidationError:
        raise Unknown(_UNREAD) from None
    least = 1 if after.min_replicas is None else after.min_replicas
    if least >= (1 if scaled.spec.replicas is None else scaled.spec.replicas):
        return []
    workload = msgspec.structs.replace(workload, uid=scaled.metadata.uid)
    owned = yield from ask(Dependents(frozenset({workload.uid}), workload))
    return [goes_along(each.target, each.resource.version) for each in owned if each.resource.resource == PODS]


def _kind(named: _Reference) -> ResolvedResource | None:
    group = named.api_version.rpartition("/")[0]
    return next(
        (each for each in MAKERS.values() if (each.resource.group, each.kind) == (group, named.kind)),
        None,
    )


DELETER: Final = Deleter(
    AUTOSCALERS,
    "a workload as its target, with fewer replicas than it has, or fewer than before",
    "the pods of the workload",
    "its controller scales down, by metrics of its maker's choice",
    _losses,
    frozenset({Operation.CREATE, Operation.UPDATE}),
)
