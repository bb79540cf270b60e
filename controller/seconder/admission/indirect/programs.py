"""Programs that end objects on the word of an object of theirs: what its fields name, or nobody can tell which.

So does a CronJob's own controller, by the references in the status, and Kubernetes' own for requests of evictions.

Kinds whose objects own what they end are the garbage collector's affair, and whatever else such a program does is told
by the condition ``DeputiesUnprotected``.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from seconder.admission.findings import Refusal
from seconder.admission.indirect import references
from seconder.admission.indirect.deleter import Deleter
from seconder.admission.kinds import CRON_JOBS, MAKERS, POD, WITH_PODS
from seconder.admission.lookups import Asking, Unknown
from seconder.admission.request import WRITES, Operation
from seconder.admission.review import Effect, ReviewContext, goes_along
from seconder.api.reasons import Reason
from seconder.api.resources import DEPLOYMENTS, JOBS, PODS, SERVICES, GroupResource, Target

_BACKUPS: Final = GroupResource("velero.io", "backups")
_UNTOLD: Final = "which object it names cannot be told"
_ADVICE: Final = "Ask a person to write it."
_ONLY_CONTROLLER: Final = "Leave it to the CronJob's controller to say what runs."


class _Untold(NamedTuple):
    """A kind on whose word a program ends whatever fits."""

    group: str
    plural: str
    reason: str


_ANYTHING: Final = (
    _Untold("apps.projectsveltos.io", "cleaners", "Sveltos deletes or changes what it selects, by a schedule"),
    _Untold("chaos.datadoghq.com", "disruptions", "Datadog's chaos controller disturbs the pods that it selects"),
    _Untold("chaos-mesh.org", "podchaos", "Chaos Mesh kills the pods that it selects"),
    _Untold("chaos-mesh.org", "schedules", "Chaos Mesh makes experiments of it, which kill pods"),
    _Untold("chaos-mesh.org", "workflows", "Chaos Mesh makes experiments of it, which kill pods"),
    _Untold("kube-green.com", "sleepinfos", "kube-green scales what is in its namespace to nothing"),
    _Untold("kyverno.io", "cleanuppolicies", "Kyverno deletes what it matches, by a schedule"),
    _Untold("kyverno.io", "clustercleanuppolicies", "Kyverno deletes what it matches, by a schedule"),
    _Untold("litmuschaos.io", "chaosengines", "Litmus runs experiments of it, which end what they select"),
    _Untold("nodemaintenance.medik8s.io", "nodemaintenances", "all pods of a node are evicted"),
    _Untold("policies.kyverno.io", "deletingpolicies", "Kyverno deletes what it matches, by a schedule"),
    _Untold("policies.kyverno.io", "namespaceddeletingpolicies", "Kyverno deletes what it matches, by a schedule"),
    _Untold("velero.io", "restores", "Velero writes over what stands, by a backup and rules for its change"),
)


def _rewritten(context: ReviewContext) -> bool:
    """Whether it is made, or more of it changed than labels and annotations."""
    return not context.request.updates or context.rewrites


def _untold(row: _Untold) -> Deleter:
    def losses(context: ReviewContext) -> Asking[Sequence[Effect | Refusal]]:
        yield from ()
        what = f"which objects go by it cannot be told: {row.reason}"
        return [Refusal(what, Reason.APPROVAL_MISSING, _ADVICE)] if _rewritten(context) else []

    return Deleter(
        GroupResource(row.group, row.plural),
        "its creation, or whatever is changed of it but labels and annotations",
        "whatever it selects; no peer can approve it",
        row.reason,
        losses,
        WRITES,
    )


def _at(document: Any, *path: str) -> Any:
    """A field, or nothing. Raises Unknown where what should hold it is something else."""
    for step in path:
        document = {} if document is None else document
        if not isinstance(document, dict):
            raise Unknown(_UNTOLD)
        document = document.get(step)
    return document


def _text(document: Any, *path: str) -> str:
    value = _at(document, *path)
    if value is not None and not isinstance(value, str):
        raise Unknown(_UNTOLD)
    return value or ""


def _by_canary(context: ReviewContext) -> Asking[Sequence[Effect]]:
    """The workload that a Canary takes over: Flagger scales it to nothing, beside another one of its making."""
    yield from ()
    if not _rewritten(context):
        return []
    reference = _at(context.whole[1], "spec", "targetRef")
    # Flagger goes by the kind alone, and takes for a Deployment what it does not know.
    said, named = _text(reference, "kind"), _text(reference, "name")
    if said == MAKERS[SERVICES].kind or not named:
        return []
    kind = references.workload(said) or MAKERS[DEPLOYMENTS]
    workload = Target(kind.resource, kind.kind, context.request.target.namespace, named, "")
    return [goes_along(workload, kind.version, awaited=True)]


def _by_request(context: ReviewContext) -> Asking[Sequence[Effect]]:
    """The backup that somebody asks Velero to delete, with all that was backed up."""
    yield from ()
    name = _text(context.whole[1], "spec", "backupName")
    backup = Target(_BACKUPS, "Backup", context.request.target.namespace, name, "")
    return [goes_along(backup, awaited=True)] if name else []


def _by_eviction(context: ReviewContext) -> Asking[Sequence[Effect]]:
    """The pod whose eviction is asked for otherwise than through the pod (KEP-4563)."""
    yield from ()
    named = _at(context.whole[1], "spec", "target", "pod") if _rewritten(context) else None
    name = _text(named, "name")
    pod = Target(PODS, POD.kind, context.request.target.namespace, name, "")
    # Of a pod to come nobody knows the uid.
    return [goes_along(pod, awaited=not _text(named, "uid"))] if name else []


def _by_cron_job(context: ReviewContext) -> Asking[Sequence[Refusal]]:
    """The Jobs that a CronJob says it runs: its controller takes its word for it, in whatever namespace they are.

    Nobody but the controller adds any, so that no approval is asked for.
    """
    yield from ()
    stored, wanted = (_at(document, "status", "active") or [] for document in context.whole)
    if not isinstance(wanted, list) or not isinstance(stored, list):
        raise Unknown(_UNTOLD)
    if all(job in stored for job in wanted):
        return []
    what = "it would run Jobs that its controller did not make, which may be anybody's, and ends them with the next one"
    return [Refusal(what, Reason.APPROVAL_MISSING, _ONLY_CONTROLLER)]


_TO_COME: Final = "; of one that is not there yet, no peer can approve it"

DELETERS: Final = (
    *map(_untold, _ANYTHING),
    Deleter(
        CRON_JOBS,
        "another Job in its `status.active`",
        "that Job, in whatever namespace; no peer can approve it",
        "its controller deletes the Jobs that it names where the next one replaces them, and waits for them elsewhere",
        _by_cron_job,
        frozenset({Operation.UPDATE}),
        kinds=frozenset({JOBS}),
        part="status",
    ),
    *(
        Deleter(
            GroupResource("lifecycle.k8s.io", plural),
            "its creation, or whatever is changed of it but labels and annotations",
            f"the pod in its spec.target{_TO_COME}",
            "a controller evicts the pod",
            _by_eviction,
            WRITES,
            kinds=WITH_PODS,
        )
        for plural in ("evictionrequests", "evictions")
    ),
    Deleter(
        GroupResource("flagger.app", "canaries"),
        "its creation, or whatever is changed of it but labels and annotations",
        f"the workload in its spec.targetRef{_TO_COME}",
        "Flagger scales the workload to nothing, beside another one that it makes",
        _by_canary,
        WRITES,
        kinds=frozenset(MAKERS),
    ),
    Deleter(
        GroupResource("velero.io", "deletebackuprequests"),
        "its creation",
        f"the Backup in its spec.backupName{_TO_COME}",
        "Velero deletes the backup with its data",
        _by_request,
        WRITES,
        kinds=frozenset({_BACKUPS}),
    ),
)
