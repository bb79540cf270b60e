"""What the control plane's controllers write on an object by themselves, outside of its status: one table.

A row is here because a controller writes the field in answer to a change of the object, or all day, and because nothing
is decided by it that a peer looks at. No row frees anything: an agent's own change of such a field is a change like any
other. A change that leaves them alone is bound without them.

What controllers write besides, and is not here: the size that an autoscaler gives, and the rules that an aggregated
ClusterRole gathers, since these are what peers look at; the volume of a claim and the claim of a volume, since they say
whose data it is; taints, since they say what runs on a node; and finalizers and owners of other kinds than Services.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from seconder.admission.changes.free_paths import ANNOTATIONS, Steps
from seconder.admission.kinds import CLAIMS
from seconder.api.resources import AUTOSCALERS, DEPLOYMENTS, REPLICA_SETS, SERVICES, GroupResource


class Row(NamedTuple):
    """A field, and who writes it."""

    steps: Steps
    reason: str


_ROLLOUTS: Final = "the Deployment's controller counts rollouts in it"
_SIZES: Final = "the Deployment's controller keeps the sizes of a rollout in it"
_STATUS: Final = "the status, as version 1 has it"

TABLE: Final[Mapping[GroupResource, tuple[Row, ...]]] = {
    # pkg/controller/deployment/sync.go and util/deployment_util.go, here and below, in kubernetes/kubernetes.
    DEPLOYMENTS: (Row((*ANNOTATIONS, "deployment.kubernetes.io/revision"), _ROLLOUTS),),
    REPLICA_SETS: (
        Row((*ANNOTATIONS, "deployment.kubernetes.io/revision"), _ROLLOUTS),
        Row((*ANNOTATIONS, "deployment.kubernetes.io/revision-history"), _ROLLOUTS),
        Row((*ANNOTATIONS, "deployment.kubernetes.io/desired-replicas"), _SIZES),
        Row((*ANNOTATIONS, "deployment.kubernetes.io/max-replicas"), _SIZES),
    ),
    # pkg/apis/autoscaling/v1/conversion.go.
    AUTOSCALERS: (
        Row((*ANNOTATIONS, "autoscaling.alpha.kubernetes.io/conditions"), _STATUS),
        Row((*ANNOTATIONS, "autoscaling.alpha.kubernetes.io/current-metrics"), _STATUS),
    ),
    # pkg/controller/volume/expand/expand_controller.go.
    CLAIMS.resource: (
        Row(
            (*ANNOTATIONS, "volume.kubernetes.io/storage-resizer"),
            "the controller of volumes' sizes names in it who gives the claim its new size",
        ),
    ),
    # controllers/service/controller.go in kubernetes/cloud-provider: its finalizer, for as long as there is a balancer.
    SERVICES: (Row(("metadata", "finalizers"), "the controller of balancers keeps the Service until its own is gone"),),
}
"""The fields, by kind."""

FIELDS: Final[Mapping[GroupResource, tuple[Steps, ...]]] = {
    resource: tuple(row.steps for row in rows) for resource, rows in TABLE.items()
}
"""Their steps alone."""


class Unshown(NamedTuple):
    """A field that a review holds and the API server shows nobody, where another field holds a value; and why.

    The first of its values is its default.
    """

    steps: Steps
    values: tuple[str, ...]
    where: Steps
    holds: str
    reason: str


UNSHOWN: Final[Mapping[GroupResource, tuple[Unshown, ...]]] = {
    # pkg/registry/core/service/storage/storage.go in kubernetes/kubernetes: defaultOnReadInternalTrafficPolicy.
    SERVICES: (
        Unshown(
            ("spec", "internalTrafficPolicy"),
            ("Cluster", "Local"),
            ("spec", "type"),
            "ExternalName",
            "what has been a Service of pods still has it in the review, and in etcd",
        ),
    ),
}
"""What the API server leaves out of an object when it reads it, after any review, by kind."""
