"""Standing under a protected workload: in the place of what its controller makes, or by a change of that."""

import time
from typing import Any, Final

from tests.attacks import documents
from tests.attacks.attack import attack
from tests.attacks.documents import CONTAINERS
from tests.attacks.field import (
    AUTOSCALERS,
    CLAIMS,
    CONFIG_MAPS,
    CRON_JOBS,
    DAEMON_SETS,
    DEPLOYMENTS,
    JOBS,
    PODS,
    REPLICA_SETS,
    REVISIONS,
    SERVICES,
    STATEFUL_SETS,
    Field,
    Kind,
)

_INDEX: Final = "batch.kubernetes.io/job-completion-index"
_LABELS: Final = {"app": "db"}
_TEMPLATE: Final = {"metadata": {"labels": _LABELS}, "spec": {"containers": CONTAINERS}}
_SPEC: Final[dict[str, Any]] = {"selector": {"matchLabels": _LABELS}, "template": _TEMPLATE}
_CLAIM: Final = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
_RUN: Final = {"restartPolicy": "Never", "containers": CONTAINERS}
_WORKLOADS: Final[dict[Kind, dict[str, Any]]] = {
    DEPLOYMENTS: {**_SPEC, "replicas": 1},
    STATEFUL_SETS: {**_SPEC, "replicas": 1, "serviceName": "db"},
    DAEMON_SETS: _SPEC,
    Kind("", "replicationcontrollers"): {"replicas": 1, "selector": _LABELS, "template": _TEMPLATE},
    JOBS: {"template": {"spec": _RUN}, "backoffLimit": 0},
    CRON_JOBS: {"schedule": "* * * * *", "suspend": True, "jobTemplate": {"spec": {"template": {"spec": _RUN}}}},
}


def _workload(field: Field, kind: Kind, pods: int = 1) -> dict[str, Any]:
    """A protected workload; give its only pod, where it has one."""
    field.account()
    field.make(kind, {"metadata": {"name": "db"}, "spec": _WORKLOADS[kind]})
    field.protect(kind, kind.path(field.place, "db"))
    items: list[dict[str, Any]] = []

    def found() -> bool:
        items[:] = field.admin("GET", PODS.path(field.place)).document["items"]
        return len(items) == pods

    field.eventually(found, "its pods are there")
    field.free_work()
    return items[0] if items else {}


def _impostor(name: str, **metadata: Any) -> dict[str, Any]:
    pod = documents.pod(name, restartPolicy="Never")
    return {**pod, "metadata": {"name": name, **metadata}}


@attack(variants={"Deployment": (DEPLOYMENTS,), "StatefulSet": (STATEFUL_SETS,), "Job": (JOBS,)})
def join_its_pods(field: Field, kind: Kind) -> None:
    """An agent makes a pod that the controller of a protected workload takes for its own, or labels one so."""
    real = _workload(field, kind)["metadata"]
    dear = {"controller.kubernetes.io/pod-deletion-cost": "2147483647"}
    name = "db-1" if kind == STATEFUL_SETS else "mine"
    pods = PODS.path(field.place)
    field.refused("POST", pods, _impostor(name, labels=real["labels"], annotations=dear))
    owned = _impostor(name, ownerReferences=real["ownerReferences"])
    field.refused("POST", pods, owned)
    if kind != STATEFUL_SETS:
        field.done("POST", pods, _impostor(name, labels={"app": "mine"}))
        for below in ("", "/status"):
            path = f"{PODS.path(field.place, name)}{below}"
            field.refused("PATCH", path, {"metadata": {"labels": real["labels"]}})
    field.lasts(PODS.path(field.place, real["name"]), 1.0)


_FALSE: Final = {
    "group": {"apiVersion": "foo.example.com/v1"},
    "kind": {"kind": "Foo"},
    "name": {"name": "another"},
}


@attack(
    variants={
        **{f"Deployment-{what}": (DEPLOYMENTS, false) for what, false in _FALSE.items()},
        "Job-group": (JOBS, _FALSE["group"]),
        "ReplicationController-group": (Kind("", "replicationcontrollers"), _FALSE["group"]),
    }
)
def join_its_pods_by_a_false_reference(field: Field, kind: Kind, false: dict[str, str]) -> None:
    """An agent's pod names a protected workload by its uid, and says another group, kind or name beside that."""
    real = _workload(field, kind)["metadata"]
    dear = {"controller.kubernetes.io/pod-deletion-cost": "2147483647"}
    above = {**real["ownerReferences"][0], **false}
    joins = _impostor("mine", labels=real["labels"], annotations=dear, ownerReferences=[above])
    field.refused("POST", PODS.path(field.place), joins)
    field.lasts(PODS.path(field.place, real["name"]), 1.0)


@attack()
def plant_a_revision_by_a_false_reference(field: Field) -> None:
    """An agent's ReplicaSet names a protected Deployment by its uid and says another group, to be gone back to."""
    _workload(field, DEPLOYMENTS)
    above = field.admin("GET", DEPLOYMENTS.path(field.place, "db")).document
    labels = {**_LABELS, "mine": "yes"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": CONTAINERS}}
    metadata = {
        "name": "planted",
        "labels": labels,
        "annotations": {"deployment.kubernetes.io/revision": "1000"},
        "ownerReferences": [documents.owner(above, "Deployment", "foo.example.com/v1", controller=True)],
    }
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
    field.refused("POST", REPLICA_SETS.path(field.place), {"metadata": metadata, "spec": spec})


@attack()
def leave_pods_to_it(field: Field) -> None:
    """An agent has a ReplicaSet make pods that fit a protected Deployment's, and leaves these behind."""
    real = _workload(field, DEPLOYMENTS)["metadata"]
    labels = {**real["labels"], "mine": "yes"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": CONTAINERS}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    field.done("POST", REPLICA_SETS.path(field.place), {"metadata": {"name": "mine"}, "spec": spec})
    mine = REPLICA_SETS.path(field.place, "mine")
    field.refused("DELETE", mine, {"propagationPolicy": "Orphan"})
    field.done("DELETE", mine, {"propagationPolicy": "Background"})


_CONTROLLERS: Final = Kind("", "replicationcontrollers")
_MINE: Final = {"mine": "yes"}


def _made_beside(field: Field, kind: Kind, labels: dict[str, str]) -> str:
    """A workload of the agent's whose only pod has these labels, once it is there; give the workload's path."""
    template = {"metadata": {"labels": {**labels, **_MINE}}, "spec": {"containers": CONTAINERS}}
    selector = _MINE if kind == _CONTROLLERS else {"matchLabels": _MINE}
    spec: dict[str, Any] = {"selector": selector, "template": template, "replicas": 1}
    if kind == JOBS:
        template["spec"] = _RUN
        spec = {"template": template}
    field.done("POST", kind.path(field.place), {"metadata": {"name": "mine"}, "spec": spec})
    path, pods = kind.path(field.place, "mine"), f"{PODS.path(field.place)}?labelSelector=mine%3Dyes"
    field.eventually(lambda: field.admin("GET", pods).document["items"], "its own pod is there")
    return path


def _observed(field: Field, path: str) -> bool:
    stored = field.admin("GET", path).document
    return bool(stored["metadata"]["generation"] == stored["status"].get("observedGeneration"))


@attack(variants={"ReplicaSet": (REPLICA_SETS,), "ReplicationController": (_CONTROLLERS,)})
def leave_pods_of_a_former_template_to_it(field: Field, kind: Kind) -> None:
    """An agent leaves behind pods that fit a protected Deployment's, by a workload whose template says so no more."""
    real = _workload(field, DEPLOYMENTS)["metadata"]
    mine = _made_beside(field, kind, real["labels"])
    field.done("PATCH", mine, {"spec": {"template": {"metadata": {"labels": dict.fromkeys(real["labels"])}}}})
    field.eventually(lambda: _observed(field, mine), "its controller has seen it")
    field.refused("DELETE", mine, {"propagationPolicy": "Orphan"})
    field.lasts(PODS.path(field.place, real["name"]), 1.0)


@attack(variants={"Job": (JOBS,), "ReplicationController": (_CONTROLLERS,)})
def leave_pods_to_it_without_a_word(field: Field, kind: Kind) -> None:
    """An agent leaves pods to a protected Deployment by a kind whose deletion does so where nothing is said of it."""
    real = _workload(field, DEPLOYMENTS)["metadata"]
    mine = _made_beside(field, kind, real["labels"])
    field.refused("DELETE", mine)
    field.lasts(PODS.path(field.place, real["name"]), 1.0)
    field.done("DELETE", mine, {"propagationPolicy": "Background"})


@attack()
def have_a_selector_let_go_to_it(field: Field) -> None:
    """An agent has its ReplicationController select others than its pods, which a protected Deployment's fit."""
    real = _workload(field, DEPLOYMENTS)["metadata"]
    mine = _made_beside(field, _CONTROLLERS, real["labels"])
    other = {"mine": "other"}
    template = {"metadata": {"labels": {**other, **dict.fromkeys(real["labels"])}}}
    field.refused("PATCH", mine, {"spec": {"replicas": 0, "selector": other, "template": template}})
    field.lasts(PODS.path(field.place, real["name"]), 1.0)


@attack(variants={"made": (True,), "later": (False,)})
def leave_pods_to_it_with_an_owner(field: Field, made: bool) -> None:
    """An agent gives its ReplicaSet the finalizer by which its pods stay when it goes with an owner of the agent's."""
    real = _workload(field, DEPLOYMENTS)["metadata"]
    template = {"metadata": {"labels": {**real["labels"], **_MINE}}, "spec": {"containers": CONTAINERS}}
    spec = {"replicas": 1, "selector": {"matchLabels": _MINE}, "template": template}
    sets, stays = REPLICA_SETS.path(field.place), {"finalizers": ["orphan"]}
    if made:
        field.refused("POST", sets, {"metadata": {"name": "mine", **stays}, "spec": spec})
        field.done("POST", sets, {"metadata": {"name": "mine", "finalizers": ["example.com/mine"]}, "spec": spec})
        field.done("PATCH", f"{sets}/mine", {"metadata": {"finalizers": None}})
    else:
        field.done("POST", sets, {"metadata": {"name": "mine"}, "spec": spec})
        for below in ("", "/status"):
            field.refused("PATCH", f"{sets}/mine{below}", {"metadata": stays})
    field.refused("PATCH", CONFIG_MAPS.path(field.place, "kube-root-ca.crt"), {"metadata": stays})


@attack(
    variants={
        "Deployment": (DEPLOYMENTS,),
        "DaemonSet": (DAEMON_SETS,),
        "ReplicationController": (_CONTROLLERS,),
        "Job": (JOBS,),
    }
)
def leave_pods_to_it_by_an_owner_more(field: Field, kind: Kind) -> None:
    """An agent gives a pod of its own ReplicaSet a further owner, by which the pod stays when the ReplicaSet goes."""
    real = _workload(field, kind, 0 if kind == DAEMON_SETS else 1)
    _made_beside(field, REPLICA_SETS, real["metadata"]["labels"] if real else _LABELS)
    path, stays = _with_an_owner_more(field)
    field.refused("PATCH", path, stays)
    added = [{"op": "add", "path": "/metadata/ownerReferences/-", "value": stays["metadata"]["ownerReferences"][-1]}]
    field.refused("PATCH", path, added, "application/json-patch+json")


@attack()
def label_what_stays_by_an_owner_more(field: Field) -> None:
    """An agent's pod has two owners, and gets the labels of a protected Deployment's pods before one of them goes."""
    real = _workload(field, DEPLOYMENTS)["metadata"]
    _made_beside(field, REPLICA_SETS, {})
    path, stays = _with_an_owner_more(field)
    field.done("PATCH", path, stays)
    field.refused("PATCH", path, {"metadata": {"labels": real["labels"]}})


def _with_an_owner_more(field: Field) -> tuple[str, dict[str, Any]]:
    """The path of the pod of the agent's own workload, and the patch that gives it one more owner, of the agent's."""
    holder = field.done("POST", CONFIG_MAPS.path(field.place), {"metadata": {"name": "holder"}})
    (pod,) = field.admin("GET", f"{PODS.path(field.place)}?labelSelector=mine%3Dyes").document["items"]
    owners = *pod["metadata"]["ownerReferences"], documents.owner(dict(holder.document), "ConfigMap")
    return PODS.path(field.place, pod["metadata"]["name"]), documents.owned_by(*owners)


@attack(variants={"StatefulSet": (STATEFUL_SETS, DAEMON_SETS), "DaemonSet": (DAEMON_SETS, STATEFUL_SETS)})
def leave_its_history_to_it(field: Field, kind: Kind, mine: Kind) -> None:
    """An agent leaves the revisions of its own workload to a protected one, to which a person then goes back."""
    _workload(field, kind, 1 if kind == STATEFUL_SETS else 0)
    template = {"metadata": {"labels": {**_LABELS, **_MINE}}, "spec": {"containers": CONTAINERS}}
    spec: dict[str, Any] = {"selector": {"matchLabels": _MINE}, "template": template}
    if mine == STATEFUL_SETS:
        spec |= {"replicas": 0, "serviceName": "mine"}
    field.done("POST", mine.path(field.place), {"metadata": {"name": "mine"}, "spec": spec})
    theirs, path = f"{REVISIONS.path(field.place)}?labelSelector=mine%3Dyes", mine.path(field.place, "mine")
    field.eventually(lambda: field.admin("GET", theirs).document["items"], "its revision is there")
    field.done("PATCH", path, {"spec": {"template": {"metadata": {"labels": {"app": None}}}}})
    field.eventually(lambda: _observed(field, path), "its controller has seen it")
    field.refused("DELETE", path, {"propagationPolicy": "Orphan"})


@attack()
def have_a_pod_let_go_to_it(field: Field) -> None:
    """An agent labels a pod of its own ReplicaSet so that this lets go of it, and a protected one takes it."""
    real = _workload(field, DEPLOYMENTS)["metadata"]
    labels = {"mine": "yes"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": CONTAINERS}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    field.done("POST", REPLICA_SETS.path(field.place), {"metadata": {"name": "mine"}, "spec": spec})
    items: list[dict[str, Any]] = []

    def found() -> bool:
        listed = field.admin("GET", PODS.path(field.place)).document["items"]
        items[:] = [each for each in listed if each["metadata"]["labels"].get("mine")]
        return bool(items)

    field.eventually(found, "its own pod is there")
    pod = PODS.path(field.place, items[0]["metadata"]["name"])
    field.refused("PATCH", pod, {"metadata": {"labels": {**real["labels"], "mine": None}}})
    field.refused("PATCH", pod, {"metadata": {"labels": real["labels"]}})
    field.done("PATCH", pod, {"metadata": {"labels": {"team": "a"}}})


@attack(
    variants={
        "Deployment": (DEPLOYMENTS, PODS),
        "Deployment-revision": (DEPLOYMENTS, REPLICA_SETS),
        "StatefulSet-revision": (STATEFUL_SETS, REVISIONS),
    }
)
def join_it_under_another_owner(field: Field, kind: Kind, made: Kind) -> None:
    """An agent makes what fits a protected workload, under an owner of its own, which it then takes away."""
    real = _workload(field, kind)["metadata"]
    holder = field.done("POST", CONFIG_MAPS.path(field.place), {"metadata": {"name": "holder"}})
    above = documents.owner(dict(holder.document), "ConfigMap", "v1", controller=True)
    labels = real["labels"] if made == PODS else {**_LABELS, "pod-template-hash": "planted"}
    body = _impostor("db-planted", labels=labels, ownerReferences=[above])
    if made != PODS:
        body = {"metadata": body["metadata"]}
    if made == REPLICA_SETS:
        template = {"metadata": {"labels": labels}, "spec": {"containers": CONTAINERS}}
        body["spec"] = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
    elif made == REVISIONS:
        body |= {"revision": 50, "data": {"spec": {}}}
    field.refused("POST", made.path(field.place), body)


@attack()
def join_the_pods_of_a_daemon_set(field: Field) -> None:
    """An agent makes a pod that a protected DaemonSet takes for its own."""
    _workload(field, DAEMON_SETS, 0)
    field.refused("POST", PODS.path(field.place), _impostor("mine", labels=_LABELS))


@attack(
    variants={
        "StatefulSet": (STATEFUL_SETS, PODS, 1),
        "CronJob": (CRON_JOBS, JOBS, int(time.time()) // 60 + 2),
        "missed-run": (CRON_JOBS, JOBS, int(time.time()) // 60 - 5000),
    }
)
def take_the_name_of_what_it_makes(field: Field, kind: Kind, made: Kind, number: int) -> None:
    """An agent makes what has the name that a protected workload's controller would give, so that it makes none."""
    _workload(field, kind, 1 if kind == STATEFUL_SETS else 0)
    names = f"db-{number}", "mine-1"
    refused, done = (
        _impostor(name) if made == PODS else {"metadata": {"name": name}, "spec": {"template": {"spec": _RUN}}}
        for name in names
    )
    field.refused("POST", made.path(field.place), refused)
    field.done("POST", made.path(field.place), done)


@attack()
def take_the_name_of_a_claim_of_its_pods(field: Field) -> None:
    """An agent makes the claim that the next pod of a protected StatefulSet would get, or never start without."""
    scratch = {"name": "tmp", "ephemeral": {"volumeClaimTemplate": {"spec": _CLAIM}}}
    pod = {"metadata": {"labels": _LABELS}, "spec": {"containers": CONTAINERS, "volumes": [scratch]}}
    claims = [{"metadata": {"name": "data"}, "spec": _CLAIM}]
    spec = _WORKLOADS[STATEFUL_SETS] | {"replicas": 0, "template": pod, "volumeClaimTemplates": claims}
    field.account()
    field.make(STATEFUL_SETS, {"metadata": {"name": "db"}, "spec": spec})
    field.protect(STATEFUL_SETS, STATEFUL_SETS.path(field.place, "db"))
    field.free_work()
    for name in ("data-db-0", "db-1-tmp"):
        field.refused("POST", CLAIMS.path(field.place), {"metadata": {"name": name}, "spec": _CLAIM})
    field.done("POST", CLAIMS.path(field.place), {"metadata": {"name": "mine-0"}, "spec": _CLAIM})


@attack(variants={"set": (False,), "pod": (True,)})
def have_a_claim_of_its_pods_made(field: Field, by_a_pod: bool) -> None:
    """An agent has a controller make the claim of a protected StatefulSet's next pod, by names that add up to it."""
    claims = [{"metadata": {"name": "data"}, "spec": _CLAIM}]
    field.account()
    spec = _WORKLOADS[STATEFUL_SETS] | {"replicas": 0, "volumeClaimTemplates": claims}
    field.make(STATEFUL_SETS, {"metadata": {"name": "my-db"}, "spec": spec})
    field.protect(STATEFUL_SETS, STATEFUL_SETS.path(field.place, "my-db"))
    field.free_work()
    mine = {"mine": "yes"}
    other = {"replicas": 0, "serviceName": "db", "selector": {"matchLabels": mine}}
    other["template"] = {"metadata": {"labels": mine}, "spec": {"containers": CONTAINERS}}
    for claim, name in (("data-my", "db"), ("data", "other")):
        if by_a_pod:
            scratch = {
                "name": "5" if claim == "data-my" else "tmp",
                "ephemeral": {"volumeClaimTemplate": {"spec": _CLAIM}},
            }
            kind, body = PODS, documents.pod(f"{claim}-{name}", volumes=[scratch])
        else:
            kind = STATEFUL_SETS
            body = {"spec": other | {"volumeClaimTemplates": [{"metadata": {"name": claim}, "spec": _CLAIM}]}}
            body["metadata"] = {"name": name}
        (field.refused if name == "db" else field.done)("POST", kind.path(field.place), body)


@attack(variants={"StatefulSet": (STATEFUL_SETS,), "Deployment": (DEPLOYMENTS,)})
def take_a_pod_of_its_set(field: Field, kind: Kind) -> None:
    """An agent takes the label from a protected workload's pod, which has what the next one cannot have: its place."""
    field.make(Kind("", "resourcequotas"), {"metadata": {"name": "one"}, "spec": {"hard": {"pods": "1"}}})
    pod = PODS.path(field.place, _workload(field, kind)["metadata"]["name"])
    for below in ("", "/status"):
        field.refused("PATCH", f"{pod}{below}", {"metadata": {"labels": {"app": None}}})
    field.done("PATCH", pod, {"metadata": {"labels": {"debug": "yes"}}})


@attack(variants={"StatefulSet": (STATEFUL_SETS,), "Deployment": (DEPLOYMENTS,)})
def give_its_pod_to_another(field: Field, kind: Kind) -> None:
    """An agent gives the pod of a protected workload another controller, or a finalizer that holds it for good."""
    pod = PODS.path(field.place, _workload(field, kind)["metadata"]["name"])
    mine = field.done("POST", CONFIG_MAPS.path(field.place), {"metadata": {"name": "mine"}}).document["metadata"]
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "mine", "uid": mine["uid"], "controller": True}
    field.refused("PATCH", pod, {"metadata": {"ownerReferences": [owner]}})
    field.refused("PATCH", pod, {"metadata": {"ownerReferences": None}})
    field.refused("PATCH", pod, {"metadata": {"finalizers": ["example.com/mine"]}})
    field.lasts(pod)


@attack(variants={"StatefulSet": (STATEFUL_SETS,), "Deployment": (DEPLOYMENTS,)})
def say_which_revision_its_pod_is_of(field: Field, kind: Kind) -> None:
    """An agent labels a pod of a protected workload as of another revision, so that a rollout passes it over."""
    pod = PODS.path(field.place, _workload(field, kind)["metadata"]["name"])
    key = "controller-revision-hash" if kind == STATEFUL_SETS else "pod-template-hash"
    field.refused("PATCH", pod, {"metadata": {"labels": {key: "mine"}}})
    field.refused("PATCH", pod, {"metadata": {"annotations": {"controller.kubernetes.io/pod-deletion-cost": "-1"}}})
    field.lasts(pod)


@attack()
def take_down_what_serves_while_it_waits(field: Field) -> None:
    """An agent sizes a ReplicaSet of a protected Deployment, whose paused or stuck rollout never puts that right."""
    _workload(field, DEPLOYMENTS)
    name = field.admin("GET", REPLICA_SETS.path(field.place)).document["items"][0]["metadata"]["name"]
    replica_set = REPLICA_SETS.path(field.place, name)
    for size in (0, 2):
        field.refused("PATCH", f"{replica_set}/scale", {"spec": {"replicas": size}})
        field.refused("PATCH", replica_set, {"spec": {"replicas": size}})


@attack()
def have_what_it_made_sized(field: Field) -> None:
    """An agent has an autoscaler size a ReplicaSet of a protected Deployment: one that serves, or the next one."""
    _workload(field, DEPLOYMENTS)
    name = field.admin("GET", REPLICA_SETS.path(field.place)).document["items"][0]["metadata"]["name"]
    for each in (name, "db-7d9c8b6f5"):
        field.refused("POST", AUTOSCALERS.path(field.place), documents.autoscaler("ReplicaSet", each))
    field.done("POST", AUTOSCALERS.path(field.place), documents.autoscaler("ReplicaSet", "web-7d9c8b6f5"))


@attack(variants={"Deployment": (DEPLOYMENTS,), "Job": (JOBS,)})
def change_what_it_made(field: Field, kind: Kind) -> None:
    """An agent changes a pod of a protected workload where it stands: another image, a status, a deadline."""
    pod = PODS.path(field.place, _workload(field, kind)["metadata"]["name"])
    strategic = "application/strategic-merge-patch+json"
    image = {"spec": {"containers": [{"name": "main", "image": "registry.invalid/none:1"}]}}
    field.refused("PATCH", pod, image, strategic)
    field.refused("PATCH", pod, {"spec": {"activeDeadlineSeconds": 1}})
    field.refused("PATCH", f"{pod}/status", {"status": {"phase": "Failed"}})
    field.lasts(pod)


@attack()
def end_the_pod_of_its_job(field: Field) -> None:
    """An agent deletes or evicts the pod of a protected Job that takes no failure, or takes it from the Job."""
    pod = PODS.path(field.place, _workload(field, JOBS)["metadata"]["name"])
    name = pod.rpartition("/")[2]
    field.refused("DELETE", pod, {"gracePeriodSeconds": 0})
    field.refused("DELETE", PODS.path(field.place))
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    field.refused("POST", f"{pod}/eviction", eviction)
    field.refused("PATCH", pod, {"metadata": {"labels": {"batch.kubernetes.io/controller-uid": "mine"}}})
    field.done("PATCH", pod, {"metadata": {"annotations": {"team": "shop"}}})
    field.lasts(pod)


@attack(variants={"finalizer": ({"finalizers": None},), "index": ({"annotations": {_INDEX: "1"}},)})
def have_its_job_lose_count(field: Field, metadata: dict[str, Any]) -> None:
    """An agent has a protected Job run again what it ran, or take for run what was not, by a pod's metadata."""
    pod = PODS.path(field.place, _workload(field, JOBS)["metadata"]["name"])
    field.refused("PATCH", pod, {"metadata": metadata})
    field.lasts(pod)


@attack(variants={"status": ("/status", {"status": {"phase": "Succeeded"}}), "end": ("", None)})
def finish_the_job_that_owns_it(field: Field, below: str, patch: dict[str, Any] | None) -> None:
    """An agent ends a person's Job through its pod, so that by its time to live it goes, and what it owns."""
    field.account()
    spec = _WORKLOADS[JOBS] | {"ttlSecondsAfterFinished": 0}
    made = field.make(JOBS, {"metadata": {"name": "par"}, "spec": spec})
    field.deployment()
    path = DEPLOYMENTS.path(field.place, "checkout")
    field.free("PATCH", path, documents.owned_by(documents.owner(made, "Job", "batch/v1")))
    pods = PODS.path(field.place)
    listed = f"{pods}?labelSelector=job-name%3Dpar"
    field.eventually(lambda: field.admin("GET", listed).document["items"], "its pod is there")
    pod = field.admin("GET", listed).document["items"][0]["metadata"]["name"]
    control = f"{JOBS.path(field.place, 'par')}?dryRun=All"

    def known() -> bool:
        said = field.agent("DELETE", control, {"dryRun": ["All"]})
        return not said.done and "not known" not in said.message

    field.eventually(known, "it is known what the Job owns")
    field.refused("DELETE" if patch is None else "PATCH", f"{pods}/{pod}{below}", patch)
    field.lasts(path, 2.0)


_HOLDS: Final[dict[str, tuple[dict[str, Any] | None]]] = {
    "suspend": ({"spec": {"suspend": True}},),
    "owner": ({"metadata": {"ownerReferences": None}},),
    "size": ({"spec": {"parallelism": 0}},),
    "end": (None,),
}


@attack(variants=_HOLDS)
def hold_the_run_of_its_cron_job(field: Field, patch: dict[str, Any] | None) -> None:
    """An agent holds the Job for which a protected CronJob waits, takes it away from that, or ends it half-way."""
    _workload(field, CRON_JOBS, 0)
    above = field.admin("GET", CRON_JOBS.path(field.place, "db")).document
    metadata = {"name": "db-1", "ownerReferences": [documents.owner(above, "CronJob", "batch/v1", controller=True)]}
    field.make(JOBS, {"metadata": metadata, "spec": _WORKLOADS[JOBS]})
    job = JOBS.path(field.place, "db-1")
    field.refused("DELETE" if patch is None else "PATCH", job, patch)
    field.done("PATCH", job, {"metadata": {"labels": {"team": "shop"}}})
    field.lasts(job)


@attack()
def have_a_cron_job_replace_it(field: Field) -> None:
    """An agent says of a protected Job that a CronJob of the agent's own runs it, which the next one replaces."""
    _workload(field, JOBS)
    job = field.admin("GET", JOBS.path(field.place, "db")).document["metadata"]
    spec = _WORKLOADS[CRON_JOBS] | {"concurrencyPolicy": "Replace", "suspend": False}
    field.done("POST", CRON_JOBS.path(field.place), {"metadata": {"name": "mine"}, "spec": spec})
    active = {"apiVersion": "batch/v1", "kind": "Job", "namespace": field.place, "name": "db", "uid": job["uid"]}
    status = f"{CRON_JOBS.path(field.place, 'mine')}/status"
    field.refused("PATCH", status, {"status": {"active": [active]}})
    field.done("PATCH", status, {"status": {"active": None}})
    field.done("DELETE", CRON_JOBS.path(field.place, "mine"))
    field.lasts(JOBS.path(field.place, "db"))


@attack()
def plant_a_revision(field: Field) -> None:
    """An agent plants a ReplicaSet in the history of a protected Deployment, to which a person then goes back."""
    _workload(field, DEPLOYMENTS)
    sets = REPLICA_SETS.path(field.place)
    real = field.admin("GET", sets).document["items"][0]["metadata"]["name"]
    labels = {**_LABELS, "pod-template-hash": "planted"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": CONTAINERS}}
    number = {"deployment.kubernetes.io/revision": "50"}
    planted = {
        "metadata": {"name": "db-planted", "labels": labels, "annotations": number},
        "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": template},
    }
    field.refused("POST", sets, planted)
    field.refused("PATCH", f"{sets}/{real}", {"metadata": {"annotations": number}})
    field.refused("PATCH", f"{sets}/{real}", {"spec": {"template": {"metadata": {"annotations": {"mine": "yes"}}}}})


@attack()
def plant_a_revision_of_a_set(field: Field) -> None:
    """An agent plants a ControllerRevision in the history of a protected StatefulSet, or deletes what is there."""
    _workload(field, STATEFUL_SETS)
    revisions = REVISIONS.path(field.place)
    field.eventually(lambda: field.admin("GET", revisions).document["items"], "its revision is there")
    real = field.admin("GET", revisions).document["items"][0]
    planted = {"metadata": {"name": "db-planted", "labels": _LABELS}, "revision": 50, "data": real["data"]}
    field.refused("POST", revisions, planted)
    field.refused("DELETE", f"{revisions}/{real['metadata']['name']}")


@attack()
def select_its_pods(field: Field) -> None:
    """An agent makes a workload that selects the pods of a protected one, whose autoscaler then scales nothing."""
    _workload(field, DEPLOYMENTS)
    decoy = documents.deployment("decoy")
    decoy["spec"] |= _SPEC
    field.refused("POST", DEPLOYMENTS.path(field.place), decoy)
    # By a label that its controller adds, whatever the value is.
    labels = {"pod-template-hash": "5bd57478f6"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": documents.CONTAINERS}}
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
    field.refused("POST", REPLICA_SETS.path(field.place), {"metadata": {"name": "decoy"}, "spec": spec})
    field.done("POST", DEPLOYMENTS.path(field.place), documents.deployment("mine"))


_BOTH: Final = _LABELS | {"mine": "yes"}
_OF_TWO: Final[dict[str, tuple[Kind, str, dict[str, Any]]]] = {
    "by-its-pod": (PODS, "", {"metadata": {"labels": {"mine": "yes"}}}),
    "by-the-status-of-its-pod": (PODS, "/status", {"metadata": {"labels": {"mine": "yes"}}}),
    "by-its-template": (DEPLOYMENTS, "", {"spec": {"template": {"metadata": {"labels": {"mine": "yes"}}}}}),
    "by-a-template-of-ones-own": (REPLICA_SETS, "", {"spec": {"template": {"metadata": {"labels": _BOTH}}}}),
}


@attack(variants=_OF_TWO)
def have_two_select_its_pods(field: Field, kind: Kind, below: str, patch: dict[str, Any]) -> None:
    """An agent has a pod carry labels by which two workloads select it, and a protected one's autoscaler stops."""
    name = _workload(field, DEPLOYMENTS)["metadata"]["name"]
    field.make(AUTOSCALERS, documents.autoscaler("Deployment", "db", 3))
    mine = {"mine": "yes"}
    spec = {"replicas": 0, "selector": {"matchLabels": mine}}
    spec["template"] = {"metadata": {"labels": mine}, "spec": {"containers": CONTAINERS}}
    field.done("POST", REPLICA_SETS.path(field.place), {"metadata": {"name": "mine"}, "spec": spec})
    path = kind.path(field.place, {PODS: name, DEPLOYMENTS: "db", REPLICA_SETS: "mine"}[kind])
    field.refused("PATCH", f"{path}{below}", patch)
    field.done("PATCH", path, {"metadata": {"annotations": {"mine": "yes"}}})
    job = {"template": {"metadata": {"labels": _BOTH}, "spec": _RUN}}
    field.refused("POST", JOBS.path(field.place), {"metadata": {"name": "mine"}, "spec": job})


@attack(variants={"workload": (DEPLOYMENTS,), "autoscaler": (AUTOSCALERS,)})
def have_an_autoscaler_beside_its_own(field: Field, protected: Kind) -> None:
    """An agent has an autoscaler scale what shares pods with a protected workload, whose own one then stops."""
    template = {"metadata": {"labels": _BOTH}, "spec": {"containers": CONTAINERS}}
    spec = {"replicas": 1, "selector": {"matchLabels": _MINE}, "template": template}
    made = {"metadata": {"name": "mine"}, "spec": spec}
    if protected == DEPLOYMENTS:
        _workload(field, DEPLOYMENTS)
        field.done("POST", DEPLOYMENTS.path(field.place), made)
        field.make(AUTOSCALERS, documents.autoscaler("Deployment", "db", 3))
    else:
        field.make(DEPLOYMENTS, {"metadata": {"name": "db"}, "spec": _WORKLOADS[DEPLOYMENTS]})
        field.done("POST", DEPLOYMENTS.path(field.place), made)
        field.make(AUTOSCALERS, documents.autoscaler("Deployment", "db", 3))
        field.protect(AUTOSCALERS, AUTOSCALERS.path(field.place, "db"))
        field.free_work()
        field.refused("POST", DEPLOYMENTS.path(field.place), {**made, "metadata": {"name": "other"}})
        decoy = {"replicas": 0, **_SPEC}
        field.refused("POST", REPLICA_SETS.path(field.place), {"metadata": {"name": "decoy"}, "spec": decoy})
    field.refused("POST", AUTOSCALERS.path(field.place), documents.autoscaler("Deployment", "mine", 5))
    alone = documents.deployment("alone")
    field.done("POST", DEPLOYMENTS.path(field.place), alone)
    field.done("POST", AUTOSCALERS.path(field.place), documents.autoscaler("Deployment", "alone", 5))


_NETWORK_POLICIES: Final = Kind("networking.k8s.io", "networkpolicies")
_CHOSEN: Final[dict[str, tuple[Kind, dict[str, Any]]]] = {
    "of-its-service": (SERVICES, {"ports": [{"port": 80}], "selector": {"app": "web", "tier": "front"}}),
    "of-its-budget": (
        Kind("policy", "poddisruptionbudgets"),
        {"minAvailable": 1, "selector": {"matchLabels": {"tier": "front"}}},
    ),
    "of-its-network-policy": (
        _NETWORK_POLICIES,
        {"podSelector": {"matchLabels": {"tier": "front"}}, "policyTypes": ["Ingress"]},
    ),
}


@attack(variants=_CHOSEN)
def take_the_pods(field: Field, kind: Kind, spec: dict[str, Any]) -> None:
    """An agent labels the pods, or the template of them, so that what a policy names chooses none of them any more."""
    field.account()
    field.make(kind, {"metadata": {"name": "web"}, "spec": spec})
    field.protect(kind, kind.path(field.place, "web"))
    labels = {"app": "web", "tier": "front"}
    pod = documents.pod("web-1")
    field.make(PODS, {**pod, "metadata": {"name": "web-1", "labels": labels}})
    template = {"metadata": {"labels": labels}, "spec": {"containers": documents.CONTAINERS}}
    workload = {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    field.make(DEPLOYMENTS, {"metadata": {"name": "web"}, "spec": workload})
    field.free_work()
    field.refused("PATCH", PODS.path(field.place, "web-1"), {"metadata": {"labels": {"tier": None}}})
    without = {"spec": {"template": {"metadata": {"labels": {"tier": "back"}}}}}
    field.refused("PATCH", DEPLOYMENTS.path(field.place, "web"), without)
    other = {"spec": {"template": {"metadata": {"labels": {"version": "2"}}}}}
    field.free("PATCH", DEPLOYMENTS.path(field.place, "web"), other)
    field.lasts(kind.path(field.place, "web"))


@attack(variants={"CronJob": (CRON_JOBS,), "suspended-Job": (JOBS,)})
def take_the_next_pods_of_a_job(field: Field, kind: Kind) -> None:
    """An agent labels the template of Jobs that do not run yet, so that a protected NetworkPolicy chooses no pod."""
    field.account()
    policies, closed = _CHOSEN["of-its-network-policy"]
    field.make(policies, {"metadata": {"name": "web"}, "spec": closed})
    field.protect(policies, policies.path(field.place, "web"))
    job = {"template": {"metadata": {"labels": {"tier": "front"}}, "spec": _RUN}}
    spec = {"suspend": True, **({"schedule": "@daily", "jobTemplate": {"spec": job}} if kind == CRON_JOBS else job)}
    field.make(kind, {"metadata": {"name": "db"}, "spec": spec})
    field.free_work()

    def labelled(**labels: str | None) -> dict[str, Any]:
        template = {"template": {"metadata": {"labels": labels}}}
        return {"spec": {"jobTemplate": {"spec": template}} if kind == CRON_JOBS else template}

    field.refused("PATCH", kind.path(field.place, "db"), labelled(tier=None))
    field.done("PATCH", kind.path(field.place, "db"), labelled(version="2"))


_ADDED: Final[dict[str, dict[str, Any]]] = {
    "to-all-pods": {},
    "to-pods-of-another-label": {"matchLabels": {"app": "web"}},
    "to-pods-without-a-label": {"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["back"]}]},
}


@attack(variants={name: (selector,) for name, selector in _ADDED.items()})
def add_to_its_network_policy(field: Field, selector: dict[str, Any]) -> None:
    """An agent makes a NetworkPolicy that lets everything through to the pods that a protected one closes."""
    closed = {"podSelector": {"matchLabels": {"tier": "front"}}, "policyTypes": ["Ingress"]}
    field.make(_NETWORK_POLICIES, {"metadata": {"name": "closed"}, "spec": closed})
    path = _NETWORK_POLICIES.path(field.place)
    field.protect(_NETWORK_POLICIES, f"{path}/closed")
    field.free_work()
    opened = {"metadata": {"name": "opened"}, "spec": {"podSelector": selector, "ingress": [{}]}}
    field.refused("POST", path, opened)
    elsewhere = {"podSelector": {"matchLabels": {"tier": "back"}}, "ingress": [{}]}
    field.done("POST", path, {**opened, "spec": elsewhere})
    # A merge patch adds to the labels that are there.
    instead = {**selector, "matchLabels": {"tier": None, **selector.get("matchLabels", {})}}
    field.refused("PATCH", f"{path}/opened", {"spec": {"podSelector": instead}})
    field.lasts(f"{path}/closed")
