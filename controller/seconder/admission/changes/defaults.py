"""What the API server keeps of an object whatever an apply does not send: defaults, and what nobody changes any more.

Nothing is lost where a field of its default goes: it is back at once, with the same value. Only what is known to be so
is listed (SetDefaults of ``pkg/apis/*/v*/defaults.go``, and the validation of updates, in kubernetes/kubernetes).
"""

from collections.abc import Mapping
from typing import Any, Final

from seconder.admission.changes.free_paths import Steps
from seconder.admission.kinds import BY_SELECTOR
from seconder.api.resources import (
    AUTOSCALERS,
    DAEMON_SETS,
    DEPLOYMENTS,
    JOBS,
    NAMESPACES,
    SECRETS,
    SERVICES,
    STATEFUL_SETS,
    GroupResource,
)

Values = tuple[Any, ...]

_HISTORY: Final[Mapping[Steps, Values]] = {("spec", "revisionHistoryLimit"): (10,)}
_GRACE: Final = ("template", "spec", "terminationGracePeriodSeconds")
_ENDS: Final[Mapping[Steps, Values]] = {("spec", *_GRACE): (30,)}
DEFAULTS: Final[Mapping[GroupResource, Mapping[Steps, Values]]] = {
    **dict.fromkeys(BY_SELECTOR, _ENDS),
    DEPLOYMENTS: {
        **_HISTORY,
        **_ENDS,
        ("spec", "progressDeadlineSeconds"): (600,),
        ("spec", "strategy"): (
            {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
        ),
    },
    STATEFUL_SETS: {
        **_HISTORY,
        **_ENDS,
        ("spec", "updateStrategy"): (
            {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
            {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "partition": 0}},
        ),
        ("spec", "persistentVolumeClaimRetentionPolicy"): ({"whenDeleted": "Retain", "whenScaled": "Retain"},),
    },
    DAEMON_SETS: {
        **_HISTORY,
        **_ENDS,
        ("spec", "updateStrategy"): ({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},),
        ("spec", "template", "spec", "schedulerName"): ("default-scheduler",),
    },
    GroupResource("batch", "cronjobs"): {
        ("spec", "concurrencyPolicy"): ("Allow",),
        ("spec", "suspend"): (False,),
        ("spec", "successfulJobsHistoryLimit"): (3,),
        ("spec", "failedJobsHistoryLimit"): (1,),
        ("spec", "jobTemplate", "spec", *_GRACE): (30,),
        ("spec", "jobTemplate", "metadata"): ({}, {"creationTimestamp": None}),
    },
    JOBS: {**_ENDS, ("spec", "suspend"): (False,)},
    SERVICES: {
        ("spec", "sessionAffinity"): ("None",),
        ("spec", "internalTrafficPolicy"): ("Cluster",),
        ("spec", "type"): ("ClusterIP",),
    },
    AUTOSCALERS: {("spec", "minReplicas"): (1,)},
    GroupResource("networking.k8s.io", "networkpolicies"): {("spec", "podSelector"): ({},)},
}
"""The values, by kind and field, that the API server puts back."""

_LASTING: Final[Mapping[GroupResource, tuple[Steps, ...]]] = {
    NAMESPACES: (("spec",),),
    # Write-only: no stored object has it.
    SECRETS: (("stringData",), ("type",)),
    STATEFUL_SETS: tuple(("spec", field) for field in ("podManagementPolicy", "serviceName", "volumeClaimTemplates")),
}


def lasting(resource: GroupResource) -> tuple[Steps, ...]:
    """The fields of a kind that no apply takes away: nobody changes them once they are there, or clients at all."""
    fields = _LASTING.get(resource, ())
    if resource.group == "apps":
        fields = (*fields, ("spec", "selector"))
    # Groups of others have a dot in their name; of Kubernetes' own, the API server keeps the status.
    return fields if "." in resource.group else (*fields, ("status",))
