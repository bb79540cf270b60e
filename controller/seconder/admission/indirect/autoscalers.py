"""An autoscaler takes its workload down to ``minReplicas``, by metrics that whoever makes it chooses."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from seconder.admission import codec
from seconder.admission.indirect.deleter import Deleter
from seconder.admission.kinds import maker
from seconder.admission.lookups import Asking, Dependents, ObjectRef, ReadWhole, Unknown, ask
from seconder.admission.request import Operation, Request
from seconder.admission.review import Effect, ReviewContext, goes_along
from seconder.api.resources import AUTOSCALERS, PODS, Target

_UNREAD: Final = "what it scales could not be looked up"


class ScaleTarget(Struct, rename="camel"):
    """CrossVersionObjectReference (autoscaling/v2)."""

    api_version: str = ""
    kind: str = ""
    name: str = ""

    @property
    def group(self) -> str:
        """The API group of the kind."""
        return self.api_version.rpartition("/")[0]


class Autoscaler(Struct, rename="camel"):
    """HorizontalPodAutoscalerSpec (autoscaling/v2), as far as it says what may be ended."""

    min_replicas: int | None = None
    scale_target_ref: ScaleTarget = msgspec.field(default_factory=ScaleTarget)

    @property
    def least(self) -> int:
        """The fewest replicas that it goes to."""
        return 1 if self.min_replicas is None else self.min_replicas


class _Size(Struct):
    replicas: int | None = None


class _Metadata(Struct):
    uid: str


class _Workload(Struct):
    metadata: _Metadata
    spec: _Size


_spec: Final = msgspec.json.Decoder(Autoscaler | None)


def states(request: Request) -> tuple[Autoscaler, Autoscaler]:
    """The autoscaler of a request as stored and as wanted; an empty one where there is none. Raises Malformed."""
    before = codec.read(request, _spec, request.old_spec, "the autoscaler") or Autoscaler()
    return before, codec.read(request, _spec, request.new_spec, "the autoscaler") or Autoscaler()


def _losses(context: ReviewContext) -> Asking[Sequence[Effect]]:
    request, place = context.request, context.request.target.namespace
    policies = context.state.policies.protecting(Target(PODS, "Pod", place, "", ""))
    before, after = states(request)
    if not policies or after == before:
        return []
    kind = maker(after.scale_target_ref.group, after.scale_target_ref.kind)
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
    if after.least >= (1 if scaled.spec.replicas is None else scaled.spec.replicas):
        return []
    workload = msgspec.structs.replace(workload, uid=scaled.metadata.uid)
    owned = yield from ask(Dependents(frozenset({workload.uid}), workload))
    return [goes_along(each.target, each.resource.version) for each in owned if each.resource.resource == PODS]


DELETER: Final = Deleter(
    AUTOSCALERS,
    "a workload as its target, with fewer replicas than it has, or fewer than before",
    "the pods of the workload",
    "its controller scales down, by metrics of its maker's choice",
    _losses,
    frozenset({Operation.CREATE, Operation.UPDATE}),
)
