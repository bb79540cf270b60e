"""Marking others' objects, so that people are refused: agents tag what they make, and nothing else."""

from typing import Any, Final

from tests.attacks import documents
from tests.attacks.attack import attack
from tests.attacks.field import CRON_JOBS, DEFINITIONS, DEPLOYMENTS, NAMESPACES, PODS, STATEFUL_SETS, Field, Kind

_TAG = {"metadata": {"annotations": {"seconder.dev/agent": "x"}}}


@attack()
def tag_others_objects(field: Field) -> None:
    """An agent marks a person's objects as an agent's, here and in kube-system; the person goes on."""
    field.deployment()
    path = DEPLOYMENTS.path(field.place, "checkout")
    name = field.place
    field.make(DEPLOYMENTS, documents.deployment(name, 0), "kube-system")
    tried = [path, f"{path}/status", NAMESPACES.path("", field.place), DEPLOYMENTS.path("kube-system", name)]
    for tagged in tried:
        answer = field.agent("PATCH", tagged, _TAG)
        if not answer.done:
            field.refused("PATCH", tagged, _TAG)
    field.free("PATCH", f"{path}/scale", {"spec": {"replicas": 0}})
    field.free("PATCH", path, {"spec": {"replicas": 1}})
    field.free("DELETE", path)
    field.free("DELETE", DEPLOYMENTS.path("kube-system", name))
    field.free("DELETE", NAMESPACES.path("", field.place) + "?dryRun=All", {"dryRun": ["All"]})


@attack()
def tag_by_a_binding(field: Field) -> None:
    """An agent binds a person's pod to a node, with the mark on the binding; the person goes on."""
    field.account()
    field.make(PODS, documents.pod("theirs", schedulerName="nobody"))
    path = PODS.path(field.place, "theirs")
    binding = {"apiVersion": "v1", "kind": "Binding", "target": {"kind": "Node", "name": "nowhere"}}
    field.agent("POST", f"{path}/binding", {**binding, "metadata": {"name": "theirs", **_TAG["metadata"]}})
    if "seconder.dev/agent" in (field.admin("GET", path).document["metadata"].get("annotations") or {}):
        field.lost("the pod is tagged")
    field.free("DELETE", path, {"gracePeriodSeconds": 0})


_MARKED: Final = {"metadata": {"annotations": {"seconder.dev/agent": "x"}}}
_RUN: Final = {"spec": {"restartPolicy": "Never", "containers": documents.CONTAINERS}}
_CLAIM: Final = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}


@attack(variants={"of-the-agent": (False,), "of-a-person": (True,)})
def tag_by_a_template(field: Field, by_a_person: bool) -> None:
    """The template of a person's Deployment is marked, by whomever; the person drains and deletes its pods."""
    field.account()
    field.deployment()
    path, pods = DEPLOYMENTS.path(field.place, "checkout"), PODS.path(field.place)
    patch = {"spec": {"template": _MARKED}}
    if by_a_person:
        # What stands there by a person's hand marks nothing either.
        field.free("PATCH", path, patch)
    else:
        field.refused("PATCH", path, patch)

    def found() -> list[str]:
        items = field.admin("GET", pods).document["items"]
        marked = [item for item in items if bool(item["metadata"].get("annotations")) is by_a_person]
        return [PODS.path(field.place, item["metadata"]["name"]) for item in marked]

    field.eventually(found, "its pods are there")
    (pod, *_) = found()
    field.protect(PODS, pod)
    name = pod.rpartition("/")[2]
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    field.free("POST", f"{pod}/eviction?dryRun=All", {**eviction, "deleteOptions": {"dryRun": ["All"]}})
    field.free("DELETE", pod, {"gracePeriodSeconds": 0})


@attack(
    variants={
        "of-Jobs": (CRON_JOBS, {"schedule": "0 3 * * *", "jobTemplate": {**_MARKED, "spec": {"template": _RUN}}}),
        "of-their-pods": (CRON_JOBS, {"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": _MARKED | _RUN}}}),
        "of-claims": (
            STATEFUL_SETS,
            {
                "serviceName": "db",
                "selector": {"matchLabels": {"app": "db"}},
                "template": {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": documents.CONTAINERS}},
                "volumeClaimTemplates": [
                    {"metadata": {"name": "data", "annotations": {"seconder.dev/agent": "x"}}, "spec": _CLAIM}
                ],
            },
        ),
    }
)
def make_a_marked_template(field: Field, kind: Kind, spec: dict[str, Any]) -> None:
    """An agent makes an object whose template marks what its controller makes."""
    field.refused("POST", kind.path(field.place), {"metadata": {"name": "db"}, "spec": spec})


@attack()
def mark_a_custom_kinds_template(field: Field) -> None:
    """An agent marks a template in a custom resource, whose controller makes pods."""
    group = f"{field.place}.example.com"
    field.make(DEFINITIONS, documents.definition("rollouts", group, "Rollout"))
    rollouts = Kind(group, "rollouts")
    document = {"apiVersion": f"{group}/v1", "kind": "Rollout", "metadata": {"name": "r"}, "spec": {"template": {}}}
    field.make(rollouts, document)
    field.refused("PATCH", rollouts.path(field.place, "r"), {"spec": {"template": _MARKED}})
