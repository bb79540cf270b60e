"""What autoscalers say of themselves: which workload they take down, and how far. One table tells it kind by kind."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from seconder.admission import codec
from seconder.admission.kinds import MAKERS
from seconder.admission.lookups import Unknown
from seconder.admission.request import MUTATIONS, WRITES, Operation, Request
from seconder.admission.review import ReviewContext
from seconder.api.resources import AUTOSCALERS, GroupResource

SCALED_OBJECTS: Final = GroupResource("keda.sh", "scaledobjects")
VERTICAL: Final = GroupResource("autoscaling.k8s.io", "verticalpodautoscalers")

SCALED_OBJECT: Final = (SCALED_OBJECTS.group, "ScaledObject")

BY_EVENTS: Final = "keda-hpa-"
"""What KEDA calls the autoscaler of a ScaledObject, before that one's name, where it is not told."""

_PAUSED_AT: Final = "autoscaling.keda.sh/paused-replicas"
_MOST: Final = 100
"""What KEDA goes up to unless it is told."""
_WHAT: Final = "the autoscaler"


class Scaling(Struct, frozen=True):
    """What an autoscaler may do: take the workload of this kind and name down to ``least``, and up to ``most``."""

    group: str
    kind: str
    name: str
    least: int
    most: int


class _Reference(Struct, rename="camel"):
    """CrossVersionObjectReference (autoscaling/v2)."""

    api_version: str = ""
    kind: str = ""
    name: str = ""

    def to(self, least: int, most: int) -> Scaling:
        """What is done to the workload that it names."""
        group = self.api_version.rpartition("/")[0]
        # Programs go by the kind alone in Kubernetes' own groups, or take one that is not said for apps.
        built_in = next((each for each in MAKERS.values() if each.kind == self.kind and "." not in group), None)
        return Scaling(built_in.resource.group if built_in else group, self.kind, self.name, least, most)


class _Horizontal(Struct, rename="camel"):
    """HorizontalPodAutoscalerSpec (autoscaling/v2)."""

    scale_target_ref: _Reference = msgspec.field(default_factory=_Reference)
    min_replicas: int | None = None
    max_replicas: int = 1


class _Advanced(Struct, rename="camel"):
    restore_to_original_replica_count: bool = False


class _Scaled(Struct, rename="camel"):
    """ScaledObjectSpec (keda.sh/v1alpha1)."""

    scale_target_ref: _Reference = msgspec.field(default_factory=_Reference)
    min_replica_count: int | None = None
    idle_replica_count: int | None = None
    max_replica_count: int | None = None
    advanced: _Advanced | None = None


class _Updating(Struct, rename="camel"):
    update_mode: str | None = None


class _Vertical(Struct, rename="camel"):
    """VerticalPodAutoscalerSpec (autoscaling.k8s.io/v1)."""

    target_ref: _Reference | None = None
    update_policy: _Updating | None = None


_horizontal: Final = msgspec.json.Decoder(_Horizontal)
_scaled: Final = msgspec.json.Decoder(_Scaled)
_vertical: Final = msgspec.json.Decoder(_Vertical)


def _horizontally(request: Request) -> Scaling | None:
    if request.operation is Operation.DELETE:
        return None
    spec = codec.read(request, _horizontal, request.new_spec, _WHAT)
    return spec.scale_target_ref.to(1 if spec.min_replicas is None else spec.min_replicas, spec.max_replicas)


def _by_events(request: Request) -> Scaling | None:
    """KEDA's: to nothing unless it says otherwise, and back to a former size when it is deleted, if it says so."""
    deleted = request.operation is Operation.DELETE
    spec = codec.read(request, _scaled, request.old_spec if deleted else request.new_spec, _WHAT)
    named = spec.scale_target_ref
    if not named.kind:
        named = _Reference(named.api_version or "apps/v1", "Deployment", named.name)
    elif not named.api_version:
        named = _Reference("apps/v1", named.kind, named.name)
    if deleted:
        return named.to(0, 0) if spec.advanced and spec.advanced.restore_to_original_replica_count else None
    sizes = [spec.min_replica_count or 0]
    if spec.idle_replica_count is not None:
        sizes.append(spec.idle_replica_count)
    paused = request.incoming.get(_PAUSED_AT)
    if paused is not None:
        sizes.append(int(paused) if paused.isdecimal() and len(paused) < 10 else 0)
    return named.to(min(sizes), _MOST if spec.max_replica_count is None else spec.max_replica_count)


def _by_restarts(request: Request) -> Scaling | None:
    """The Vertical Pod Autoscaler's: its updater evicts pods, unless it says that it only tells or starts them."""
    if request.operation is Operation.DELETE:
        return None
    spec = codec.read(request, _vertical, request.new_spec, _WHAT)
    mode = spec.update_policy.update_mode if spec.update_policy else None
    if spec.target_ref is None or mode in {"Off", "Initial"}:
        return None
    return spec.target_ref.to(0, 0)


_TOLD: Final[Mapping[GroupResource, Callable[[Request], Scaling | None]]] = {
    AUTOSCALERS: _horizontally,
    SCALED_OBJECTS: _by_events,
    VERTICAL: _by_restarts,
}

SIZERS: Final = (AUTOSCALERS, SCALED_OBJECTS)
"""Those that change a workload's size."""

VERSIONS: Final = {AUTOSCALERS: "v2", SCALED_OBJECTS: "v1alpha1"}
"""The versions in which these are read."""

ALL: Final = tuple(_TOLD)


def taken_by_events(document: Mapping[str, Any]) -> frozenset[str]:
    """The names of the autoscalers that KEDA takes for a ScaledObject's own, whosever they are. Raises Unknown.

    One that its status tells is ended for another that its spec tells.
    """
    if not document:
        return frozenset()
    try:
        advanced = (document.get("spec") or {}).get("advanced") or {}
        told = (advanced.get("horizontalPodAutoscalerConfig") or {}).get("name")
        named = {told or BY_EVENTS + document["metadata"]["name"], (document.get("status") or {}).get("hpaName")}
        return frozenset(each for each in named if each)
    except (AttributeError, KeyError, TypeError):
        raise Unknown("which autoscaler it has cannot be told") from None


def operations(resource: GroupResource) -> frozenset[Operation]:
    """By which operations on an autoscaler it sizes its workload: KEDA's may go back to a former size when it goes."""
    return MUTATIONS if resource == SCALED_OBJECTS else WRITES


def scaling(context: ReviewContext) -> Scaling | None:
    """What an autoscaler may do by a request that changes anything of it but what is free; None where that is nothing.

    Which of its fields have it go down cannot be listed: a lower maximum, other metrics, another pace. Raises Malformed
    and Unknown.
    """
    request = context.request
    if request.updates and not context.rewrites:
        return None
    told = _TOLD[request.target.resource](request)
    return told if told is not None and told.name else None
