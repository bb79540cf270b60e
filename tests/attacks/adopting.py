"""Having a controller of one's own take protected pods for its own, and end what is too much."""

from typing import Any, Final

from tests.attacks import documents
from tests.attacks.attack import attack
from tests.attacks.documents import CONTAINERS, owned_by, owner
from tests.attacks.field import (
    AUTOSCALERS,
    CONFIG_MAPS,
    CRON_JOBS,
    DAEMON_SETS,
    DEPLOYMENTS,
    JOBS,
    PODS,
    REPLICA_SETS,
    STATEFUL_SETS,
    Field,
    Kind,
)

_TAKEN: Final = 2.0
_LABELS: Final = {"app": "broker"}
_TEMPLATE: Final = {"metadata": {"labels": _LABELS}, "spec": {"containers": CONTAINERS}}
_OF_ITS_OWN: Final[dict[str, Any]] = {"selector": {"matchLabels": _LABELS}, "template": _TEMPLATE}
_RUN: Final = {"metadata": {"labels": _LABELS}, "spec": {"restartPolicy": "Never", "containers": CONTAINERS}}
CONTROLLERS: Final = Kind("", "replicationcontrollers")


def _orphan(field: Field, name: str = "broker", **labels: str) -> str:
    """A protected pod of no controller; give its path."""
    field.account()
    pod = documents.pod(name)
    field.make(PODS, {**pod, "metadata": {"name": name, "labels": {**_LABELS, **labels}}})
    path = PODS.path(field.place, name)
    field.protect(PODS, path)
    field.free_work()
    return path


@attack(
    variants={
        "ReplicaSet": (REPLICA_SETS, {**_OF_ITS_OWN, "replicas": 0}),
        "ReplicationController": (CONTROLLERS, {"replicas": 0, "selector": _LABELS, "template": _TEMPLATE}),
        "DaemonSet": (DAEMON_SETS, _OF_ITS_OWN),
        "Deployment": (DEPLOYMENTS, {**_OF_ITS_OWN, "replicas": 0}),
        "Job": (
            JOBS,
            {"manualSelector": True, "suspend": True, "selector": {"matchLabels": _LABELS}, "template": _RUN},
        ),
        "StatefulSet": (STATEFUL_SETS, {**_OF_ITS_OWN, "replicas": 0, "serviceName": "broker"}),
    }
)
def make_a_workload_over_it(field: Field, kind: Kind, spec: dict[str, Any]) -> None:
    """An agent makes a workload whose selector fits a protected pod of no controller, and which wants fewer."""
    path = _orphan(field, "broker-0")
    field.refused("POST", kind.path(field.place), {"metadata": {"name": "broker"}, "spec": spec})
    field.lasts(path, _TAKEN)


@attack()
def give_it_to_a_controller_of_ones_own(field: Field) -> None:
    """An agent makes its own ReplicaSet the controller of a protected pod, and would make that smaller."""
    path = _orphan(field, version="1")
    mine = {"app": "broker", "version": "2"}
    template = {"metadata": {"labels": mine}, "spec": {"containers": CONTAINERS}}
    spec = {"replicas": 1, "selector": {"matchLabels": mine}, "template": template}
    made = field.done("POST", REPLICA_SETS.path(field.place), {"metadata": {"name": "mine"}, "spec": spec})
    controller = owner(dict(made.document), "ReplicaSet", "apps/v1", controller=True, blockOwnerDeletion=True)
    field.refused("PATCH", path, {"metadata": {**owned_by(controller)["metadata"], "labels": mine}})
    field.refused("PATCH", path, {"metadata": {"labels": mine}})
    field.lasts(path, _TAKEN)


@attack()
def leave_a_pod_to_its_controller(field: Field) -> None:
    """An agent deletes its own ReplicaSet and leaves its pod, which the controller of protected ones then counts."""
    field.account()
    selector = {"matchLabels": _LABELS}
    field.make(
        REPLICA_SETS,
        {"metadata": {"name": "broker"}, "spec": {"replicas": 1, "selector": selector, "template": _TEMPLATE}},
    )
    pods = PODS.path(field.place)
    field.eventually(lambda: field.admin("GET", pods).document["items"], "its pod is there")
    path = PODS.path(field.place, field.admin("GET", pods).document["items"][0]["metadata"]["name"])
    field.protect(PODS, path)
    field.free_work()
    labels = {**_LABELS, "mine": "x"}
    dearer = {"controller.kubernetes.io/pod-deletion-cost": "1000"}
    template = {"metadata": {"labels": labels, "annotations": dearer}, "spec": {"containers": CONTAINERS}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    field.done("POST", REPLICA_SETS.path(field.place), {"metadata": {"name": "mine"}, "spec": spec})
    field.eventually(lambda: len(field.admin("GET", pods).document["items"]) == 2, "so is the agent's")
    mine = REPLICA_SETS.path(field.place, "mine")
    field.refused_to_delete(mine, propagationPolicy="Orphan")
    field.lasts(path, _TAKEN)


def _owning(field: Field, kind: Kind, name: str, named: str, version: str = "v1") -> str:
    """A protected Deployment that belongs to another object; give its path, once the guard knows that."""
    made = field.admin("GET", kind.path(field.place, name)).document
    field.deployment()
    path = DEPLOYMENTS.path(field.place, "checkout")
    field.free("PATCH", path, owned_by(owner(made, named, version)))
    control = f"{kind.path(field.place, name)}?dryRun=All"

    def known() -> bool:
        said = field.agent("DELETE", control, {"dryRun": ["All"]})
        return not said.done and "not known" not in said.message

    field.eventually(known, "it is known what owns it")
    return path


@attack()
def take_the_pod_that_owns_it(field: Field) -> None:
    """An agent has a pod that owns what is protected end: by a ReplicaSet over it that wants none, or a binding."""
    field.account()
    pod = documents.pod("lead", schedulerName="nobody")
    pod["metadata"]["labels"] = _LABELS
    field.make(PODS, pod)
    path = _owning(field, PODS, "lead", "Pod")
    field.refused("POST", REPLICA_SETS.path(field.place), {"metadata": {"name": "mine"}, "spec": _NONE})
    binding = {"metadata": {"name": "lead"}, "target": {"kind": "Node", "name": "nowhere"}}
    field.refused("POST", f"{PODS.path(field.place, 'lead')}/binding", binding)
    field.lasts(path, _TAKEN)


_NONE: Final = {**_OF_ITS_OWN, "replicas": 0}


def _of_a_pod(field: Field) -> str:
    """What is protected and a ReplicaSet's only pod owns: its path."""
    field.account()
    field.make(REPLICA_SETS, {"metadata": {"name": "web"}, "spec": {**_OF_ITS_OWN, "replicas": 1}})
    pods = PODS.path(field.place)
    field.eventually(lambda: field.admin("GET", pods).document["items"], "its pod is there")
    name = field.admin("GET", pods).document["items"][0]["metadata"]["name"]
    return _owning(field, PODS, name, "Pod")


@attack()
def crowd_out_the_pod_that_owns_it(field: Field) -> None:
    """An agent has a controller end its pod, which owns what is protected: by one pod more, or an autoscaler."""
    path, pods = _of_a_pod(field), PODS.path(field.place)
    pod = documents.pod("mine")
    pod["metadata"] |= {"labels": _LABELS, "annotations": {"controller.kubernetes.io/pod-deletion-cost": "1000"}}
    field.refused("POST", pods, pod)
    field.refused("POST", AUTOSCALERS.path(field.place), documents.autoscaler("ReplicaSet", "web"))
    other = documents.pod("other")
    other["metadata"]["labels"] = {"app": "other"}
    field.done("POST", pods, other)
    field.lasts(path, _TAKEN)


@attack()
def crowd_out_the_pod_that_owns_it_by_an_owner_more(field: Field) -> None:
    """An agent's pod is to stay when its ReplicaSet goes with an owner, and to be counted beside what owns another."""
    path, pods = _of_a_pod(field), PODS.path(field.place)
    holders = [
        owner(
            dict(field.done("POST", CONFIG_MAPS.path(field.place), {"metadata": {"name": name}}).document), "ConfigMap"
        )
        for name in ("of-the-set", "of-the-pod")
    ]
    mine = {"mine": "yes"}
    dearer = {"controller.kubernetes.io/pod-deletion-cost": "1000"}
    template = {"metadata": {"labels": {**_LABELS, **mine}, "annotations": dearer}, "spec": {"containers": CONTAINERS}}
    spec = {"replicas": 1, "selector": {"matchLabels": mine}, "template": template}
    metadata = {"name": "mine", "ownerReferences": holders[:1]}
    field.done("POST", REPLICA_SETS.path(field.place), {"metadata": metadata, "spec": spec})
    theirs = f"{pods}?labelSelector=mine%3Dyes"
    field.eventually(lambda: field.admin("GET", theirs).document["items"], "so is the agent's")
    (pod,) = field.admin("GET", theirs).document["items"]
    stays = owned_by(*pod["metadata"]["ownerReferences"], holders[1])
    field.refused("PATCH", PODS.path(field.place, pod["metadata"]["name"]), stays)
    field.lasts(path)


@attack()
def crowd_the_job_that_owns_it_out_of_history(field: Field) -> None:
    """An agent makes a Job under a person's CronJob, which keeps few, so that one goes that owns what is protected."""
    jobs = JOBS.path(field.place)
    made = {}
    for name in ("nightly", "other"):
        cron = {"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": {"spec": _RUN["spec"]}}}}
        made[name] = owner(
            field.make(CRON_JOBS, {"metadata": {"name": name}, "spec": cron | {"successfulJobsHistoryLimit": 1}}),
            "CronJob",
            "batch/v1",
            controller=True,
        )
    spec = {"template": {"spec": _RUN["spec"]}}
    field.make(JOBS, {"metadata": {"name": "first", "ownerReferences": [made["nightly"]]}, "spec": spec})
    path = _owning(field, JOBS, "first", "Job", "batch/v1")
    field.refused("POST", jobs, {"metadata": {"name": "more", "ownerReferences": [made["nightly"]]}, "spec": spec})
    field.done("POST", jobs, {"metadata": {"name": "mine", "ownerReferences": [made["other"]]}, "spec": spec})
    field.lasts(path)


@attack(variants={"made": (True,), "later": (False,)})
def finish_the_job_that_owns_it_by_one_pod_more(field: Field, at_once: bool) -> None:
    """An agent's pod is counted for a person's Job, by labels, so that the Job ends, and goes with what it owns."""
    field.account()
    field.make(JOBS, {"metadata": {"name": "boot"}, "spec": {"template": {"spec": _RUN["spec"]}}})
    path = _owning(field, JOBS, "boot", "Job", "batch/v1")
    labels = field.admin("GET", JOBS.path(field.place, "boot")).document["spec"]["template"]["metadata"]["labels"]
    pods, pod = PODS.path(field.place), documents.pod("mine", restartPolicy="Never")
    if at_once:
        pod["metadata"]["labels"] = labels
        field.refused("POST", pods, pod)
    else:
        field.done("POST", pods, pod)
        field.refused("PATCH", f"{pods}/mine", {"metadata": {"labels": labels}})
    field.lasts(path)


@attack()
def let_a_replica_set_take_it_later(field: Field) -> None:
    """An agent points its ReplicationController, which fits nothing yet, at a protected pod."""
    path = _orphan(field)
    labels = {**_LABELS, "mine": "yes"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": CONTAINERS}}
    spec = {"replicas": 0, "selector": labels, "template": template}
    field.done("POST", CONTROLLERS.path(field.place), {"metadata": {"name": "mine"}, "spec": spec})
    field.refused("PATCH", CONTROLLERS.path(field.place, "mine"), {"spec": {"selector": {"mine": None}}})
    field.lasts(path, _TAKEN)


@attack(variants={"by-labels": (False,), "by-an-owner": (True,)})
def crowd_it_out(field: Field, owned: bool) -> None:
    """An agent makes one pod more under the controller of protected ones, which ends the cheapest of them."""
    field.account()
    web = {"selector": {"matchLabels": _LABELS}, "template": _TEMPLATE, "replicas": 2}
    made = field.make(REPLICA_SETS, {"metadata": {"name": "web"}, "spec": web})
    items = PODS.path(field.place)
    field.eventually(lambda: len(field.admin("GET", items).document["items"]) == 2, "its pods are there")
    pods = [PODS.path(field.place, each["metadata"]["name"]) for each in field.admin("GET", items).document["items"]]
    field.protect(PODS, pods[0])
    field.free_work()
    pod = documents.pod("mine")
    cost = {"controller.kubernetes.io/pod-deletion-cost": "2147483647"}
    pod["metadata"] |= {"labels": _LABELS, "annotations": cost}
    if owned:
        pod["metadata"]["ownerReferences"] = [owner(made, "ReplicaSet", "apps/v1", controller=True)]
    field.refused("POST", items, pod)
    other = documents.pod("other")
    other["metadata"]["labels"] = {"app": "other"}
    field.done("POST", items, other)
    for path in pods:
        field.lasts(path, 1.0)


@attack(variants={"": ({},), "by-a-false-reference": ({"apiVersion": "foo.example.com/v1", "uid": "another"},)})
def crowd_it_out_of_history(field: Field, false: dict[str, str]) -> None:
    """An agent makes Jobs under a person's CronJob, which keeps three, so that a protected one is the fourth."""
    cron = {"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": {"spec": _RUN["spec"]}}}}
    made = field.make(CRON_JOBS, {"metadata": {"name": "nightly"}, "spec": cron})
    above = owner(made, "CronJob", "batch/v1", controller=True)
    spec = {"template": {"spec": _RUN["spec"]}}
    field.make(JOBS, {"metadata": {"name": "first", "ownerReferences": [above]}, "spec": spec})
    path = JOBS.path(field.place, "first")
    field.protect(JOBS, path)
    field.free_work()
    more = {"metadata": {"name": "more", "ownerReferences": [{**above, **false}]}, "spec": spec}
    field.refused("POST", JOBS.path(field.place), more)
    field.lasts(path)
