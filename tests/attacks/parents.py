"""Having the controller of a parent end what is protected, where no policy names the parent: on the word of a field."""

from collections.abc import Mapping
from typing import Any, Final

from tests.attacks import documents
from tests.attacks.attack import attack
from tests.attacks.documents import CONTAINERS, owned_by, owner
from tests.attacks.field import (
    AUTOSCALERS,
    CRON_JOBS,
    DEFINITIONS,
    DEPLOYMENTS,
    JOBS,
    PODS,
    REPLICA_SETS,
    REVISIONS,
    STATEFUL_SETS,
    Field,
    Kind,
)

_ENDED: Final = 2.0
"""Seconds for which the pods must outlive what was refused."""

_LABELS: Final = {"app": "web"}
_TEMPLATE: Final = {"metadata": {"labels": _LABELS}, "spec": {"containers": CONTAINERS}}
_SETTLED: Final = {"spec": {"replicas": 2, "selector": {"matchLabels": _LABELS}, "template": _TEMPLATE}}
_OTHER: Final = {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "registry.invalid/none:1"}]}}}}
_RUN: Final = {"template": {"spec": {"restartPolicy": "Never", "containers": CONTAINERS}}}
_STRATEGIC: Final = "application/strategic-merge-patch+json"

_PARENTS: Final[Mapping[str, tuple[Kind, dict[str, Any]]]] = {
    "Deployment": (DEPLOYMENTS, _SETTLED),
    "ReplicaSet": (REPLICA_SETS, _SETTLED),
    "StatefulSet": (STATEFUL_SETS, {"spec": {**_SETTLED["spec"], "podManagementPolicy": "Parallel"}}),
    "Job": (JOBS, {"spec": {"parallelism": 2, "completions": 2, **_RUN}}),
}
_WAYS: Final[Mapping[str, tuple[str, str, dict[str, Any]]]] = {
    "Deployment-size": ("Deployment", "", {"spec": {"replicas": 1}}),
    "Deployment-scale": ("Deployment", "/scale", {"spec": {"replicas": 1}}),
    "Deployment-rollout": ("Deployment", "", _OTHER),
    "Deployment-rollback": (
        "Deployment",
        "",
        {"metadata": {"annotations": {"deprecated.deployment.rollback.to": "1"}}},
    ),
    "ReplicaSet-template": ("ReplicaSet", "", _OTHER),
    "ReplicaSet-size": ("ReplicaSet", "", {"spec": {"replicas": 0}}),
    "ReplicaSet-scale": ("ReplicaSet", "/scale", {"spec": {"replicas": 1}}),
    "StatefulSet-scale": ("StatefulSet", "/scale", {"spec": {"replicas": 1}}),
    "Job-suspend": ("Job", "", {"spec": {"suspend": True}}),
    "Job-parallelism": ("Job", "", {"spec": {"parallelism": 1}}),
    "Job-deadline": ("Job", "", {"spec": {"activeDeadlineSeconds": 1}}),
}


def _pods(field: Field, number: int = 2) -> list[str]:
    """The paths of the pods that were made, which nothing but their own policy protects."""

    def found() -> list[str]:
        items = field.admin("GET", PODS.path(field.place)).document["items"]
        return sorted(PODS.path(field.place, item["metadata"]["name"]) for item in items)

    field.eventually(lambda: len(found()) == number, "the pods are there")
    pods = found()
    field.protect(PODS, pods[0])
    return pods


def _parent(field: Field, named: str) -> str:
    """A parent with two pods, both a person's; give its path."""
    field.account()
    kind, document = _PARENTS[named]
    field.make(kind, {"metadata": {"name": "web"}, **document})
    return kind.path(field.place, "web")


def _known(field: Field, path: str) -> None:
    """Wait until it is known what the parent owns: some milliseconds after it was made, or a policy on it.

    Of the parent itself a policy may ask before.
    """

    def asks() -> bool:
        said = field.agent("DELETE", f"{path}?dryRun=All", {"dryRun": ["All"]})
        return not said.done and "not known" not in said.message

    field.eventually(asks, "it is known")
    field.free_work()


@attack(variants=_WAYS)
def have_a_parent_end_pods(field: Field, named: str, below: str, patch: dict[str, Any]) -> None:
    """An agent changes a person's workload, which no policy names, so that its controller ends protected pods."""
    path = _parent(field, named)
    pods = _pods(field)
    _known(field, path)
    field.refused("PATCH", path + below, patch, "" if below or patch is not _OTHER else _STRATEGIC)
    for pod in pods:
        field.lasts(pod, _ENDED / len(pods))


@attack(variants={"background": ("Background",), "foreground": ("Foreground",)})
def delete_their_deployment(field: Field, way: str) -> None:
    """An agent deletes the Deployment over the ReplicaSet over protected pods, neither of which a policy names."""
    path = _parent(field, "Deployment")
    pods = _pods(field)
    _known(field, path)
    field.refused("DELETE", path, {"propagationPolicy": way})
    field.lasts(pods[0], _ENDED)


@attack()
def autoscale_their_deployment(field: Field) -> None:
    """An agent makes an autoscaler that takes a Deployment to fewer pods."""
    path = _parent(field, "Deployment")
    pods = _pods(field)
    _known(field, path)
    field.refused("POST", AUTOSCALERS.path(field.place), documents.autoscaler("Deployment", "web"))
    field.lasts(pods[0], _ENDED)


@attack()
def autoscale_pods_to_come(field: Field) -> None:
    """An agent has an autoscaler keep a Deployment of protected pods at the size that it has, or one to come."""
    path = _parent(field, "Deployment")
    pods = _pods(field)
    _known(field, path)
    kept = documents.autoscaler("Deployment", "web", most=2)
    kept["spec"]["minReplicas"] = 2
    later = documents.autoscaler("Deployment", "later", most=2)
    for each in (kept, later):
        field.refused("POST", AUTOSCALERS.path(field.place), each)
    field.lasts(pods[0], _ENDED)


@attack()
def restart_their_pods(field: Field) -> None:
    """An agent makes a VerticalPodAutoscaler, whose updater evicts pods."""
    path = _parent(field, "Deployment")
    pods = _pods(field)
    _known(field, path)
    scalers = field.defined(Kind("autoscaling.k8s.io", "verticalpodautoscalers"), "VerticalPodAutoscaler")
    spec = {"targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}
    body = {"apiVersion": "autoscaling.k8s.io/v1", "kind": "VerticalPodAutoscaler", "metadata": {"name": "web"}}
    field.refused("POST", scalers, {**body, "spec": spec})
    field.done("POST", scalers, {**body, "spec": {**spec, "updatePolicy": {"updateMode": "Off"}}})
    field.refused("PATCH", f"{scalers}/web", {"spec": {"updatePolicy": {"updateMode": "Auto"}}})
    field.lasts(pods[0])


_LOWER: Final[Mapping[str, tuple[str, dict[str, Any]]]] = {
    "maximum": ("v2", {"spec": {"maxReplicas": 1}}),
    "metrics": ("v2", {"spec": {"metrics": None}}),
    "pace": ("v2", {"spec": {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}}}}),
    "metrics-of-v1": (
        "v1",
        {"metadata": {"annotations": documents.METRICS_OF_V1}},
    ),
    "status": ("v2", {"status": {"desiredReplicas": 1}}),
}


@attack(variants=_LOWER)
def change_their_autoscaler(field: Field, version: str, patch: dict[str, Any]) -> None:
    """An agent changes a person's autoscaler, which may go to one pod already, so that it does."""
    path = _parent(field, "Deployment")
    pods = _pods(field)
    _known(field, path)
    field.make(AUTOSCALERS, documents.autoscaler("Deployment", "web", most=9))
    scaler = AUTOSCALERS._replace(version=version).path(field.place, "web")
    field.done("PATCH", scaler, {"metadata": {"labels": {"team": "shop"}}})
    field.refused("PATCH", scaler + ("/status" if "status" in patch else ""), patch)
    for pod in pods:
        field.lasts(pod, _ENDED / len(pods))


@attack()
def autoscale_what_owns_it(field: Field) -> None:
    """An agent makes an autoscaler over a custom resource that owns a protected Deployment."""
    made = _stack(field)
    target = {"apiVersion": made["apiVersion"], "kind": "Stack", "name": "s"}
    spec = {"minReplicas": 1, "maxReplicas": 1, "scaleTargetRef": target}
    field.refused("POST", AUTOSCALERS.path(field.place), {"metadata": {"name": "s"}, "spec": spec})
    field.lasts(DEPLOYMENTS.path(field.place, "checkout"))


@attack()
def keep_no_history_of_replica_sets(field: Field) -> None:
    """An agent has a Deployment keep none of its former ReplicaSets, which a policy names."""
    path = _parent(field, "Deployment")
    field.free("PATCH", path, _OTHER, _STRATEGIC)
    sets = REPLICA_SETS.path(field.place)
    field.eventually(lambda: len(field.admin("GET", sets).document["items"]) == 2, "there is a former one")
    names = [item["metadata"]["name"] for item in field.admin("GET", sets).document["items"]]
    field.protect(REPLICA_SETS, REPLICA_SETS.path(field.place, names[0]))
    _known(field, path)
    field.refused("PATCH", path, {"spec": {"revisionHistoryLimit": 0}})
    for name in names:
        field.lasts(REPLICA_SETS.path(field.place, name))


@attack(variants={"limit": ({"failedJobsHistoryLimit": 0},), "schedule": ({"concurrencyPolicy": "Replace"},)})
def keep_no_history_of_jobs(field: Field, spec: dict[str, Any]) -> None:
    """An agent has a CronJob keep none of its Jobs, which a policy names."""
    made = field.make(
        CRON_JOBS,
        {"metadata": {"name": "nightly"}, "spec": {"schedule": "0 3 * * *", "jobTemplate": {"spec": _RUN}}},
    )
    above = owner(made, "CronJob", "batch/v1", controller=True)
    field.make(JOBS, {"metadata": {"name": "nightly-1", "ownerReferences": [above]}, "spec": _RUN})
    job, path = JOBS.path(field.place, "nightly-1"), CRON_JOBS.path(field.place, "nightly")
    field.protect(JOBS, job)
    _known(field, path)
    field.refused("PATCH", path, {"spec": spec})
    field.lasts(job, _ENDED)


def _stack(field: Field) -> dict[str, Any]:
    """A custom resource that owns a protected Deployment."""
    group = f"{field.place}.example.com"
    field.make(DEFINITIONS, documents.definition("stacks", group, "Stack"))
    document = {"apiVersion": f"{group}/v1", "kind": "Stack", "metadata": {"name": "s"}, "spec": {"n": 3}}
    made = field.make(Kind(group, "stacks"), document)
    field.deployment()
    field.free("PATCH", DEPLOYMENTS.path(field.place, "checkout"), owned_by(owner(made, "Stack", f"{group}/v1")))
    _known(field, Kind(group, "stacks").path(field.place, "s"))
    return made


@attack()
def shrink_what_a_custom_resource_owns(field: Field) -> None:
    """An agent changes a custom resource, whose controller does what nobody knows to what it owns."""
    group = _stack(field)["apiVersion"].partition("/")[0]
    path = Kind(group, "stacks").path(field.place, "s")
    field.done("PATCH", path, {"metadata": {"labels": {"team": "shop"}}})
    field.refused("PATCH", path, {"spec": {"n": 0}})


_EMPTYING: Final = {
    "type": "object",
    "properties": {
        "spec": {"type": "object", "default": {}, "properties": {"size": {"type": "integer", "default": 0}}}
    },
}
"""A schema that takes a field from what is there already, and gives it another."""


@attack(
    variants={
        "schema": ("", {"schema": {"openAPIV3Schema": _EMPTYING}}),
        "unserve": ("", {"served": False}),
        "status": ("/status", {}),
    }
)
def change_the_definition_of_what_owns_it(field: Field, subresource: str, change: dict[str, Any]) -> None:
    """An agent changes the definition of custom resources that own a protected Deployment, and so all of these."""
    group = _stack(field)["apiVersion"].partition("/")[0]
    path = DEFINITIONS.path("", f"stacks.{group}")
    (version,) = field.admin("GET", path).document["spec"]["versions"]
    field.done("PATCH", path, {"metadata": {"labels": {"team": "shop"}}})
    changed = {"storedVersions": ["v2"]} if subresource else {"versions": [{**version, **change}]}
    field.refused("PATCH", path + subresource, {"status" if subresource else "spec": changed})
    field.lasts(Kind(group, "stacks").path(field.place, "s"))


@attack()
def hand_its_replica_set_over(field: Field) -> None:
    """An agent relabels the ReplicaSet of protected pods, so that a Deployment of its own takes and empties it."""
    _parent(field, "ReplicaSet")
    pods = _pods(field)
    path = REPLICA_SETS.path(field.place, "web")
    _known(field, path)
    field.refused("PATCH", path, {"metadata": {"labels": {"app": "mine"}}})
    field.lasts(pods[0])


@attack(variants={"delete": (None,), "relabel": ({"metadata": {"labels": {"app": "mine"}}},)})
def change_their_revision(field: Field, patch: dict[str, Any] | None) -> None:
    """An agent takes from a StatefulSet the revision that its protected pods are of, so that they are replaced."""
    _parent(field, "StatefulSet")
    pods = _pods(field)
    _known(field, STATEFUL_SETS.path(field.place, "web"))
    (revision,) = field.admin("GET", REVISIONS.path(field.place)).document["items"]
    path = REVISIONS.path(field.place, revision["metadata"]["name"])
    field.refused("DELETE" if patch is None else "PATCH", path, patch)
    for pod in pods:
        field.lasts(pod, _ENDED / len(pods))
