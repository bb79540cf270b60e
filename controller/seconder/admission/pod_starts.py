"""What may be written of a workload that leaves its pods' specification alone, and has no pods run that did not.

That is listed, with its reason. Any other field may start pods: of a size that was none, of a time, of a status that a
controller counts by, or one that nobody has thought of. A template that lies still, and what it runs as, was a
person's to write; who has it run is asked about as if they had made the pods.
"""

import functools
from collections.abc import Mapping
from typing import Final

import msgspec

from seconder.admission.changes import differences, free_paths
from seconder.admission.changes.differences import Fields
from seconder.admission.changes.free_changes import Row
from seconder.admission.changes.free_paths import Free
from seconder.admission.kinds import CRON_JOBS, REPLICATION_CONTROLLERS, SCALED
from seconder.api.resources import DAEMON_SETS, DEPLOYMENTS, JOBS, REPLICA_SETS, STATEFUL_SETS, GroupResource

ROLLBACK: Final = "deprecated.deployment.rollback.to"
"""The annotation on whose word a Deployment's controller puts a former template back, whatever that runs as."""

_METADATA: Final = Row("metadata", "no controller makes pods by it, but for a Deployment's annotation; see ROLLBACK")
_READY: Final = Row("spec.minReadySeconds", "how long the pods that there are must be ready to count")
_HISTORY: Final = Row("spec.revisionHistoryLimit", "how much of what was is kept")
_COUNTED: Final = Row("status", "written by its controller and not read: it counts the pods and goes by the spec")
_TEMPLATE: Final = Row("spec.template", "metadata, beside what is asked about itself: more pods of what has some")
_TOLD: Final = "tells, and its controller works out anew what it makes pods by"

TABLE: Final[Mapping[GroupResource, tuple[Row, ...]]] = {
    DEPLOYMENTS: (
        _METADATA,
        _TEMPLATE,
        _READY,
        _HISTORY,
        _COUNTED,
        Row("spec.strategy", "how pods replace others, which they do under any"),
        Row("spec.progressDeadlineSeconds", "when a rollout counts as stuck, which only its condition tells"),
    ),
    REPLICA_SETS: (_METADATA, _TEMPLATE, _READY, _COUNTED),
    REPLICATION_CONTROLLERS: (_METADATA, _TEMPLATE, _READY, _COUNTED),
    DAEMON_SETS: (
        _METADATA,
        _TEMPLATE,
        _READY,
        _HISTORY,
        _COUNTED,
        Row("spec.updateStrategy.rollingUpdate", "how many pods at a time, of what is rolled out anyway"),
    ),
    STATEFUL_SETS: (
        _METADATA,
        _TEMPLATE,
        _READY,
        _HISTORY,
        Row("spec.persistentVolumeClaimRetentionPolicy", "which claims are deleted"),
        Row(
            "spec.updateStrategy.rollingUpdate.maxUnavailable", "how many pods at a time, of what is rolled out anyway"
        ),
        *(
            Row(f"status.{field}", _TOLD)
            for field in ("conditions", "observedGeneration", "replicas", "readyReplicas", "availableReplicas")
        ),
    ),
    JOBS: (
        _METADATA,
        _TEMPLATE,
        Row("spec.activeDeadlineSeconds", "a Job that ended by it stays ended"),
        Row("spec.ttlSecondsAfterFinished", "when a Job that is done is deleted"),
    ),
    CRON_JOBS: (
        _METADATA,
        Row("spec.failedJobsHistoryLimit", "how many Jobs that are done are kept"),
        Row("spec.successfulJobsHistoryLimit", "how many Jobs that are done are kept"),
        Row("spec.jobTemplate.metadata", "written onto the Jobs that are made at their time"),
        Row(
            "spec.jobTemplate.spec.template",
            "metadata, beside what is asked about itself",
        ),
        Row("spec.jobTemplate.spec.ttlSecondsAfterFinished", "when a Job that is done is deleted"),
        Row("status.lastSuccessfulTime", "tells, and nothing is made by it"),
    ),
}
"""By kind. All of ``kinds.MAKERS`` that have a template of pods are here."""

BY_STATUS: Final = frozenset({STATEFUL_SETS})
"""Kinds whose controller reads in the status from which of its former templates it makes pods."""


_WRITTEN: Final = frozenset({"metadata", "spec"})


class _Rolling(msgspec.Struct):
    partition: int | None = None


class _Strategy(msgspec.Struct, rename="camel"):
    type: str = ""
    rolling_update: _Rolling | None = None


class _Suspended(msgspec.Struct):
    suspend: bool | None = None


class _JobTemplate(msgspec.Struct):
    spec: _Suspended | None = None


class _Spec(msgspec.Struct, rename="camel"):
    replicas: int | None = None
    paused: bool | None = None
    suspend: bool | None = None
    job_template: _JobTemplate | None = None
    update_strategy: _Strategy | None = None


_spec: Final = msgspec.json.Decoder(_Spec | None)


def started(
    resource: GroupResource,
    unlike: tuple[Fields, Fields],
    sizes: tuple[int | None, int | None],
    spec: msgspec.Raw,
) -> bool:
    """Whether an update that leaves the pods' specification may have pods run that did not, now or later.

    ``unlike`` and ``sizes`` are as ``ReviewContext`` has them. ``spec`` is the one that is wanted. Raises
    msgspec.MsgspecError.
    """
    old, new = unlike
    before, after = old.get("spec"), new.get("spec")
    if isinstance(before, dict) and isinstance(after, dict):
        # Most updates, by the names of what is not alike; the rest of each is looked at below.
        left = (before.keys() | after.keys()) - _fields(resource)
        if "replicas" in left and resource in SCALED and not grows(resource, *sizes, spec):
            left.discard("replicas")
        if "paused" in left and resource == DEPLOYMENTS and bytes(after.get("paused", b"")) == b"true":
            # Nothing is rolled out meanwhile.
            left.discard("paused")
        if not left and old.keys() | new.keys() <= _WRITTEN:
            return False
        before, after = (_only(each, left) for each in (before, after))
        old, new = {**old, "spec": before}, {**new, "spec": after}
    if differences.surely_free(old, new, _free(resource)):
        return False
    return not _stopped(resource, _spec.decode(spec) or _Spec())


def _only(fields: Fields, names: set[str]) -> Fields:
    return {name: value for name, value in fields.items() if name in names}


def grows(resource: GroupResource, before: int | None, after: int | None, spec: msgspec.Raw | None) -> bool:
    """Whether a size is more than it was, and pods of the template may be the first. Raises msgspec.MsgspecError.

    A Deployment's controller rolls each template out at once, to as many pods as there are, and a StatefulSet's does
    where no strategy holds it back: with one pod, more are of what runs. A ReplicaSet's never does. ``spec`` is that of
    the workload; None where it is not known.
    """
    # The API server writes a size where the client gives none.
    had, wanted = 1 if before is None else before, 1 if after is None else after
    if wanted <= had:
        return False
    if had < 1 or resource not in {DEPLOYMENTS, STATEFUL_SETS}:
        return True
    return resource == STATEFUL_SETS and (spec is None or _holds_back(_spec.decode(spec) or _Spec()))


def _holds_back(spec: _Spec) -> bool:
    strategy = spec.update_strategy
    if strategy is None:
        return False
    rolling = strategy.rolling_update
    return strategy.type not in {"", "RollingUpdate"} or bool(rolling and rolling.partition)


def _stopped(resource: GroupResource, spec: _Spec) -> bool:
    """Whether it has no pods afterwards, whatever else is written, until an update that is asked about itself."""
    if resource in SCALED:
        return spec.replicas == 0
    inner = spec.job_template.spec if spec.job_template else None
    return resource in {JOBS, CRON_JOBS} and bool(spec.suspend or (inner and inner.suspend))


@functools.lru_cache(64)
def _free(resource: GroupResource) -> Free:
    return (free_paths.compiled(tuple(row.path for row in TABLE.get(resource, ()))),)


@functools.lru_cache(64)
def _fields(resource: GroupResource) -> frozenset[str]:
    """The fields of the spec that are listed as a whole."""
    steps = [free_paths.steps_of(row.path) for row in TABLE.get(resource, ())]
    return frozenset(field for first, *rest in steps if first == "spec" and len(rest) == 1 for field in rest)
