"""Running, or entering, a pod as somebody who may do more."""

from collections.abc import Mapping
from typing import Any, Final

from tests.attacks import documents
from tests.attacks.attack import attack
from tests.attacks.field import (
    ACCOUNTS,
    AUTOSCALERS,
    BINDINGS,
    CLUSTER_BINDINGS,
    CLUSTER_ROLES,
    CRON_JOBS,
    DEPLOYMENTS,
    JOBS,
    NAMESPACES,
    PODS,
    REPLICA_SETS,
    REVISIONS,
    ROLES,
    SECRETS,
    SERVICES,
    STATEFUL_SETS,
    VOLUMES,
    Field,
    Kind,
)

_PLACES = 12


def _account(field: Field, name: str = "deployer") -> None:
    field.make(ACCOUNTS, {"metadata": {"name": name}})


def _run_as_who_may(field: Field, verb: str, group: str, resource: str) -> None:
    """Run a pod as a ServiceAccount with one right in all namespaces, which is refused."""
    _account(field)
    rule = {"apiGroups": [group], "resources": [resource], "verbs": [verb]}
    field.make(CLUSTER_ROLES, {"metadata": {"name": field.place}, "rules": [rule]})
    binding = documents.role_binding(field.place, field.place, documents.account(field.place, "deployer"))
    field.make(CLUSTER_BINDINGS, binding)
    field.refused("POST", PODS.path(field.place), documents.pod("mine", "deployer"))


@attack()
def run_a_pod_as_who_may_delete(field: Field) -> None:
    """An agent runs a pod, and a workload, as a ServiceAccount that may delete."""
    field.deployment()
    _account(field)
    field.make(BINDINGS, documents.role_binding("deployer", "edit", documents.account(field.place, "deployer")))
    field.refused("POST", PODS.path(field.place), documents.pod("mine", "deployer"))
    workload = documents.deployment("mine")
    workload["spec"]["template"]["spec"] |= {"serviceAccountName": "deployer"}
    field.refused("POST", DEPLOYMENTS.path(field.place), workload)


_TEARS_DOWN: Final[dict[str, Any]] = {
    "serviceAccountName": "deployer",
    "containers": documents.CONTAINERS,
    "restartPolicy": "Never",
}
_JOB: Final[dict[str, Any]] = {"template": {"spec": _TEARS_DOWN}}
_LABELLED: Final[dict[str, Any]] = {"metadata": {"annotations": {"example.com/a": "b"}}}
_HELD: Final[dict[str, Any]] = {"type": "RollingUpdate", "rollingUpdate": {"partition": 9}}
_STARTED: Final[dict[str, tuple[Any, ...]]] = {
    "suspended": (
        CRON_JOBS,
        {"suspend": True, "schedule": "0 0 31 2 *", "jobTemplate": {"spec": _JOB}},
        "",
        {"suspend": False},
    ),
    "schedule": (CRON_JOBS, {"schedule": "0 0 31 2 *", "jobTemplate": {"spec": _JOB}}, "", {"schedule": "* * * * *"}),
    "suspended-and-labelled": (
        CRON_JOBS,
        {"suspend": True, "schedule": "0 0 31 2 *", "jobTemplate": {"spec": _JOB}},
        "",
        {"suspend": False, "jobTemplate": _LABELLED},
    ),
    "its-jobs": (
        CRON_JOBS,
        {"schedule": "0 0 31 2 *", "jobTemplate": {"spec": {"suspend": True, **_JOB}}},
        "",
        {"jobTemplate": {"spec": {"suspend": False}}},
    ),
    "its-jobs-size": (
        CRON_JOBS,
        {"schedule": "0 0 31 2 *", "jobTemplate": {"spec": {"parallelism": 0, **_JOB}}},
        "",
        {"jobTemplate": {"spec": {"parallelism": 1}}},
    ),
    "status": (
        CRON_JOBS,
        {"schedule": "0 0 31 2 *", "jobTemplate": {"spec": _JOB}},
        "/status",
        {"lastScheduleTime": "2026-01-01T00:00:00Z"},
    ),
    "job": (JOBS, {"suspend": True, **_JOB}, "", {"suspend": False}),
    "job-and-labels": (JOBS, {"suspend": True, **_JOB}, "", {"suspend": False, "template": _LABELLED}),
    "size": (DEPLOYMENTS, None, "", {"replicas": 1}),
    "size-and-labels": (DEPLOYMENTS, None, "", {"replicas": 1, "template": _LABELLED}),
    "scale": (DEPLOYMENTS, None, "/scale", {"replicas": 1}),
    "held-back": (
        STATEFUL_SETS,
        {"replicas": 1, "updateStrategy": _HELD},
        "",
        {"updateStrategy": {"rollingUpdate": {"partition": 0}}},
    ),
}


@attack(variants=_STARTED)
def start_what_runs_as_who_may_delete(
    field: Field, kind: Kind, spec: dict[str, Any] | None, subresource: str, change: dict[str, Any]
) -> None:
    """An agent starts what a person left stopped, which acts as a ServiceAccount that may delete."""
    field.deployment()
    _account(field)
    field.make(BINDINGS, documents.role_binding("deployer", "edit", documents.account(field.place, "deployer")))
    workload = documents.deployment("teardown", replicas=0)
    workload["spec"]["template"]["spec"] |= {"serviceAccountName": "deployer"}
    if kind in (DEPLOYMENTS, STATEFUL_SETS):
        spec = workload["spec"] | (spec or {})
    field.make(kind, {"metadata": {"name": "teardown"}, "spec": spec})
    written = "status" if subresource == "/status" else "spec"
    field.refused("PATCH", kind.path(field.place, "teardown") + subresource, {written: change})


def _stopped(field: Field, **metadata: Any) -> dict[str, Any]:
    """What a person left stopped, which acts as a ServiceAccount that may delete: a ReplicaSet of nobody's.

    It may elsewhere, where a policy names that, and where the agent works, where one selects namespaces.
    """
    elsewhere = f"{field.place}-elsewhere"
    field.namespace(elsewhere)
    field.make(DEPLOYMENTS, documents.deployment(), elsewhere)
    field.protect(DEPLOYMENTS, DEPLOYMENTS.path(elsewhere, "checkout"), place=elsewhere)
    _account(field)
    binding = documents.role_binding("deployer", "edit", documents.account(field.place, "deployer"))
    field.make(BINDINGS, binding, elsewhere)
    field.make(BINDINGS, binding)
    workload = documents.deployment("teardown", replicas=0)
    workload["spec"]["template"]["spec"] |= {"serviceAccountName": "deployer"}
    return field.make(REPLICA_SETS, {**workload, "kind": "ReplicaSet", "metadata": {"name": "teardown", **metadata}})


def _taking(size: int, **spec: Any) -> dict[str, Any]:
    """A Deployment whose selector fits that ReplicaSet, and whose own pods run as nobody in particular."""
    workload = documents.deployment("teardown", replicas=size)
    # The selector's labels are the same mapping.
    workload["spec"]["template"]["metadata"] = {"labels": {"app": "teardown", "of": "mine"}}
    workload["spec"] |= spec
    return {**workload, "metadata": {"name": "taker"}}


def _own(field: Field, name: str, account: str = "") -> list[str]:
    """The names of the ReplicaSets that a Deployment controls and that have a size; of pods of an account, if any."""
    return [
        each["metadata"]["name"]
        for each in field.admin("GET", REPLICA_SETS.path(field.place)).document["items"]
        if any(owner["name"] == name for owner in each["metadata"].get("ownerReferences") or ())
        and each["spec"]["replicas"]
        and each["spec"]["template"]["spec"].get("serviceAccountName", "") == account
    ]


@attack(variants={"at-once": (1,), "for-later": (0,)})
def have_a_paused_deployment_start_it(field: Field, size: int) -> None:
    """An agent's paused Deployment takes a stopped ReplicaSet, which acts as who may delete, for now or for later."""
    _stopped(field, labels={"app": "teardown"})
    field.free_work()
    field.refused("POST", DEPLOYMENTS.path(field.place), _taking(size, paused=True))
    _still_stopped(field)


def _still_stopped(field: Field) -> None:
    stored = field.lasts(REPLICA_SETS.path(field.place, "teardown"), 2.0)
    if stored["spec"]["replicas"]:
        field.lost("it is started")


@attack(variants={"first": (True,), "later": (False,)})
def have_an_autoscaler_start_it(field: Field, first: bool) -> None:
    """An agent's autoscaler is to size a paused Deployment of size 0, which takes such a ReplicaSet."""
    _stopped(field, labels={"app": "teardown"})
    place, deployments = field.place, DEPLOYMENTS.path(field.place)
    events = field.defined(Kind("keda.sh", "scaledobjects", "v1alpha1"), "ScaledObject")
    body = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject"}
    spec = {"scaleTargetRef": {"name": "taker"}, "minReplicaCount": 1, "triggers": []}
    scaled = {**body, "metadata": {"name": "so"}, "spec": spec}
    field.free_work()
    if first:
        field.done("POST", events, scaled)
        field.refused("POST", deployments, _taking(0, paused=True))
    else:
        field.make(DEPLOYMENTS, _taking(0, paused=True))
        field.eventually(lambda: _taken(field), "it has taken it")
        field.refused("POST", events, scaled)
        field.refused("POST", AUTOSCALERS.path(place), documents.autoscaler("Deployment", "taker"))
        # Named by the one that is there already.
        field.make(AUTOSCALERS, documents.autoscaler("Deployment", "another"))
        another = {"spec": {"scaleTargetRef": {"name": "taker"}}}
        field.refused("PATCH", AUTOSCALERS.path(place, "another"), another)
        for below in ("", "/scale"):
            field.refused("PATCH", f"{deployments}/taker{below}", {"spec": {"replicas": 1}})
    _still_stopped(field)


def _taken(field: Field) -> bool:
    """Whether the Deployment that is to take it controls it."""
    metadata = field.admin("GET", REPLICA_SETS.path(field.place, "teardown")).document["metadata"]
    return any(owner["name"] == "taker" for owner in metadata.get("ownerReferences") or ())


@attack()
def pause_what_has_taken_it(field: Field) -> None:
    """An agent's Deployment takes a stopped ReplicaSet, which acts as who may delete, and is paused then."""
    _stopped(field, labels={"app": "teardown"})
    field.free_work()
    field.done("POST", DEPLOYMENTS.path(field.place), _taking(1))
    field.eventually(lambda: _taken(field), "it has taken it")
    field.eventually(lambda: _own(field, "taker"), "it has a ReplicaSet of its own")
    field.refused("PATCH", DEPLOYMENTS.path(field.place, "taker"), {"spec": {"paused": True}})


@attack(variants={"labels": (True,), "owner": (False,)})
def give_it_to_what_is_paused(field: Field, by_labels: bool) -> None:
    """An agent gives a stopped ReplicaSet, which acts as who may delete, to a person's paused Deployment."""
    _stopped(field)
    taker = field.make(DEPLOYMENTS, {**documents.deployment("release"), "metadata": {"name": "release"}})
    field.free_work()
    owner = documents.owner(taker, "Deployment", "apps/v1", controller=True)
    change = {"labels": {"app": "release"}} if by_labels else {"ownerReferences": [owner]}
    field.refused("PATCH", REPLICA_SETS.path(field.place, "teardown"), {"metadata": change})


def _under_a_roll(field: Field) -> tuple[str, dict[str, Any]]:
    """A custom resource that controls such a stopped ReplicaSet: its path, and that one."""
    rolls = Kind(f"{field.place}.example.com", "rolls")
    field.defined(rolls, "Roll")
    made = field.make(rolls, {"apiVersion": f"{rolls.group}/v1", "kind": "Roll", "metadata": {"name": "roll"}})
    above = documents.owner(made, "Roll", f"{rolls.group}/v1", controller=True)
    stopped = _stopped(field, labels={"app": "teardown"}, ownerReferences=[above])
    return rolls.path(field.place, "roll"), stopped


@attack(variants={"now": (True,), "later": (False,)})
def leave_it_to_what_is_paused(field: Field, now: bool) -> None:
    """An agent has the custom resource over a stopped ReplicaSet, which acts as who may delete, leave that behind."""
    roll, _ = _under_a_roll(field)
    field.free_work()
    if now:
        field.refused("DELETE", roll, {"propagationPolicy": "Orphan"})
    else:
        field.refused("PATCH", roll, {"metadata": {"finalizers": ["orphan"]}})
    field.done("PATCH", roll, {"metadata": {"labels": {"a": "b"}}})


@attack()
def leave_it_beside_what_runs_alike(field: Field) -> None:
    """An agent has such a custom resource leave a stopped ReplicaSet behind, beside one that runs as the same."""
    roll, stopped = _under_a_roll(field)
    labels = {"app": "teardown", "of": "now"}
    template = stopped["spec"]["template"] | {"metadata": {"labels": labels}}
    runs = {"metadata": {"name": "runs", "labels": labels, "ownerReferences": stopped["metadata"]["ownerReferences"]}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    field.make(REPLICA_SETS, {**runs, "spec": spec})
    field.free_work()
    field.refused("DELETE", roll, {"propagationPolicy": "Orphan"})


@attack()
def start_what_it_was_by_pausing(field: Field) -> None:
    """An agent gives a stopped Deployment another template, pauses and sizes it, so that the former one is run."""
    _stopped(field)
    workload = documents.deployment("former", replicas=0)
    workload["spec"]["template"]["spec"] |= {"serviceAccountName": "deployer"}
    field.make(DEPLOYMENTS, workload)
    field.free_work()
    harmless = {"spec": {"serviceAccountName": "default", "serviceAccount": "default"}}
    changes = {"paused": True, "replicas": 1, "template": harmless}
    field.refused("PATCH", DEPLOYMENTS.path(field.place, "former"), {"spec": changes})


@attack()
def take_from_what_is_paused_what_runs(field: Field) -> None:
    """An agent takes the ReplicaSet that runs from a paused Deployment, so that it sizes a former one."""
    _stopped(field)
    workload = documents.deployment("former")
    workload["spec"]["strategy"] = {"type": "Recreate"}
    workload["spec"]["template"]["spec"] |= {"serviceAccountName": "deployer"}
    field.make(DEPLOYMENTS, workload)
    field.eventually(lambda: _own(field, "former", "deployer"), "its first ReplicaSet is there")
    path = DEPLOYMENTS.path(field.place, "former")
    harmless = {"spec": {"serviceAccountName": None, "serviceAccount": None}}
    field.admin("PATCH", path, {"spec": {"template": harmless}})
    field.eventually(lambda: _own(field, "former") and not _own(field, "former", "deployer"), "it runs the second one")
    field.admin("PATCH", path, {"spec": {"paused": True}})
    runs = REPLICA_SETS.path(field.place, _own(field, "former")[0])
    field.refused("PATCH", f"{runs}/scale", {"spec": {"replicas": 0}})
    field.refused("PATCH", runs, {"metadata": {"labels": {"app": "nobodys"}}})
    field.refused("DELETE", runs)


@attack()
def roll_back_to_who_may_delete(field: Field) -> None:
    """An agent annotates a Deployment so that its controller puts a template back that runs as who may delete."""
    field.account()
    field.make(DEPLOYMENTS, documents.deployment("teardown"))
    field.free_work()
    rollback = {"metadata": {"annotations": {"deprecated.deployment.rollback.to": "1"}}}
    field.refused("PATCH", DEPLOYMENTS.path(field.place, "teardown"), rollback)


@attack()
def run_a_pod_as_who_may_delete_in_the_last_of_many_places(field: Field) -> None:
    """An agent runs a pod as somebody whose rights stand in the last of many protected namespaces."""
    _account(field)
    places = [f"{field.place}-{number:02}" for number in range(_PLACES)]
    for place in places:
        field.namespace(place)
    field.make(DEPLOYMENTS, documents.deployment(), places[-1])
    field.protect(DEPLOYMENTS, DEPLOYMENTS.path(places[-1], "checkout"))
    field.protect_places(places)
    binding = documents.role_binding("deployer", "edit", documents.account(field.place, "deployer"))
    field.make(BINDINGS, binding, places[-1])
    field.account()
    field.refused("POST", PODS.path(field.place), documents.pod("mine", "deployer"))


@attack(
    variants={"impersonates": ("impersonate", "", "users"), "makes-tokens": ("create", "", "serviceaccounts/token")}
)
def run_a_pod_as_who_sheds_tags(field: Field, verb: str, group: str, resource: str) -> None:
    """An agent runs a pod as a ServiceAccount that can become somebody else."""
    _run_as_who_may(field, verb, group, resource)


@attack(
    variants={
        "slices": ("discovery.k8s.io", "endpointslices", "create"),
        "endpoints": ("", "endpoints", "patch"),
        "addresses": ("networking.k8s.io", "ipaddresses", "delete"),
        "status": ("", "services/status", "patch"),
    }
)
def run_a_pod_as_who_ends_a_service(field: Field, group: str, resource: str, verb: str) -> None:
    """An agent runs a pod as a ServiceAccount that may end a protected Service by another object, or a part of it."""
    field.make(SERVICES, {"metadata": {"name": "own"}, "spec": {"ports": [{"port": 80}]}})
    field.protect(SERVICES, SERVICES.path(field.place, "own"))
    _run_as_who_may(field, verb, group, resource)


@attack()
def make_an_account_that_has_rights_already(field: Field) -> None:
    """An agent makes a ServiceAccount that is not there and that a binding lets delete."""
    field.deployment()
    field.make(BINDINGS, documents.role_binding("deployer", "edit", documents.account(field.place, "deployer")))
    field.refused("POST", ACCOUNTS.path(field.place), {"metadata": {"name": "deployer"}})


@attack(variants={name: (name,) for name in ("route-controller", "service-controller")})
def act_as_a_controller_of_the_clusters_own(field: Field, name: str) -> None:
    """An agent makes the ServiceAccount of a controller that is never asked, or runs a pod as it."""
    field.seconders_own()
    accounts = ACCOUNTS.path("kube-system")
    field.refused("POST", f"{accounts}?dryRun=All", {"metadata": {"name": name}})
    if field.admin("POST", accounts, {"metadata": {"name": name}}).done:
        field.later_removed(f"{accounts}/{name}")
    field.refused("POST", f"{PODS.path('kube-system')}?dryRun=All", documents.pod(field.place, name))


@attack(variants={way: (way,) for way in ("exec", "attach", "portforward", "proxy")})
def enter_a_pod_of_who_may_delete(field: Field, way: str) -> None:
    """An agent enters a running pod of a ServiceAccount that may delete."""
    field.deployment()
    _account(field)
    field.make(BINDINGS, documents.role_binding("deployer", "edit", documents.account(field.place, "deployer")))
    field.make(PODS, documents.pod("theirs", "deployer"))
    field.refused("POST", f"{PODS.path(field.place, 'theirs')}/{way}?command=id&stdout=true")


_USES: Final[Mapping[str, tuple[Mapping[str, Any], str]]] = {
    "env": ({"env": [{"name": "T", "valueFrom": {"secretKeyRef": {"name": "deployer", "key": "token"}}}]}, ""),
    "env-from": ({"envFrom": [{"secretRef": {"name": "deployer", "optional": True}}]}, ""),
    "volume": ({}, "secret"),
    "projected-volume": ({}, "projected"),
}
_VOLUMES: Final[Mapping[str, Any]] = {
    "secret": {"secret": {"secretName": "deployer"}},
    "projected": {"projected": {"sources": [{"secret": {"name": "deployer"}}]}},
}


def _spending(container: Mapping[str, Any], volume: str) -> dict[str, Any]:
    """What a pod with the token runs."""
    containers = [{**documents.CONTAINERS[0], **container}]
    return {"containers": containers} | ({"volumes": [{"name": "v", **_VOLUMES[volume]}]} if volume else {})


@attack(variants={f"{how}-{when}": (*use, when) for how, use in _USES.items() for when in ("now", "later")})
def spend_a_token_that_a_secret_holds(field: Field, container: Mapping[str, Any], volume: str, when: str) -> None:
    """An agent has a pod use the token of who may delete, which is in a Secret; or waits for one to be there."""
    field.deployment()
    _account(field)
    field.make(BINDINGS, documents.role_binding("deployer", "edit", documents.account(field.place, "deployer")))
    if when == "now":
        metadata = {"name": "deployer", "annotations": {"kubernetes.io/service-account.name": "deployer"}}
        field.make(SECRETS, {"metadata": metadata, "type": "kubernetes.io/service-account-token"})
    field.account()
    spec = _spending(container, volume)
    field.refused("POST", PODS.path(field.place), documents.pod("mine", **spec))
    workload = documents.deployment("mine")
    workload["spec"]["template"]["spec"] |= spec
    field.refused("POST", DEPLOYMENTS.path(field.place), workload)


_READ: Final = {"all": {}, "by-name": {"resourceNames": ["deployer"]}}


@attack(variants={name: (names,) for name, names in _READ.items()})
def run_a_pod_as_who_reads_a_token(field: Field, names: Mapping[str, Any]) -> None:
    """An agent runs a pod as a ServiceAccount that may read the token of one that may delete, and enters one."""
    field.deployment()
    _account(field)
    field.make(BINDINGS, documents.role_binding("deployer", "edit", documents.account(field.place, "deployer")))
    metadata = {"name": "deployer", "annotations": {"kubernetes.io/service-account.name": "deployer"}}
    field.make(SECRETS, {"metadata": metadata, "type": "kubernetes.io/service-account-token"})
    _account(field, "reader")
    rule = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"], **names}
    field.make(ROLES, {"metadata": {"name": "reader"}, "rules": [rule]})
    reader = documents.role_binding("reader", "reader", documents.account(field.place, "reader"), kind="Role")
    field.make(BINDINGS, reader)
    field.refused("POST", PODS.path(field.place), documents.pod("mine", "reader"))
    field.make(PODS, documents.pod("theirs", "reader"))
    field.refused("POST", f"{PODS.path(field.place, 'theirs')}/exec?command=id&stdout=true")


@attack()
def use_the_clusters_own_secrets(field: Field) -> None:
    """An agent has a pod in kube-system use a Secret there, which is of the cluster's own programs."""
    field.account(place="kube-system")
    spec = _spending({"envFrom": [{"secretRef": {"name": "cloud-credentials"}}]}, "")
    field.refused("POST", f"{PODS.path('kube-system')}?dryRun=All", documents.pod(field.place, **spec))


_PRIVILEGED: Final = {"containers": [{**documents.CONTAINERS[0], "securityContext": {"privileged": True}}]}
_NODES_FILES: Final = {"volumes": [{"name": "node", "hostPath": {"path": "/"}}]}


@attack(
    variants={
        "files": (_NODES_FILES,),
        "kubelet": ({"volumes": [{"name": "node", "hostPath": {"path": "/var/lib/kubelet/pods"}}]},),
        "processes": ({"hostPID": True},),
        "privileged": (_PRIVILEGED,),
        "together": ({"hostPID": True, "nodeName": "control-plane", **_PRIVILEGED, **_NODES_FILES},),
    }
)
def reach_the_node(field: Field, spec: Mapping[str, Any]) -> None:
    """An agent runs a pod with a hand on its node, where the guard's own keys may be."""
    place = f"{field.place}-privileged"
    labels = {"pod-security.kubernetes.io/enforce": "privileged"}
    field.later_removed(NAMESPACES.path("", place))
    field.done("POST", NAMESPACES.path(""), {"metadata": {"name": place, "labels": labels}})
    field.account(place=place)
    field.refused("POST", PODS.path(place), documents.pod("mine", **spec))
    workload = documents.deployment("mine")
    workload["spec"]["template"]["spec"] |= spec
    field.refused("POST", DEPLOYMENTS.path(place), workload)


@attack()
def make_a_volume_of_a_nodes_files(field: Field) -> None:
    """An agent makes a volume of all that is on a node, for a claim of its own."""
    spec = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/"}}
    field.later_removed(VOLUMES.path("", field.place))
    field.refused("POST", VOLUMES.path(""), {"metadata": {"name": field.place}, "spec": spec})


@attack(variants={"cluster": ("system-cluster-critical",), "node": ("system-node-critical",)})
def go_before_the_guard(field: Field, name: str) -> None:
    """An agent runs pods of the cluster's own priority, for which the scheduler ends others."""
    field.account()
    field.refused("POST", PODS.path(field.place), documents.pod("mine", priorityClassName=name))
    workload = documents.deployment("mine")
    workload["spec"]["template"]["spec"] |= {"priorityClassName": name}
    field.refused("POST", DEPLOYMENTS.path(field.place), workload)


@attack()
def make_a_revision(field: Field) -> None:
    """An agent makes a ControllerRevision, by whose template a set would make pods as whomever it says."""
    template = {"$patch": "replace", "spec": {"serviceAccountName": "deployer", "containers": documents.CONTAINERS}}
    made = {"metadata": {"name": "web-1"}, "revision": 1, "data": {"spec": {"template": template}}}
    field.deployment()
    field.free_work()
    field.refused("POST", REVISIONS.path(field.place), {"apiVersion": "apps/v1", "kind": "ControllerRevision", **made})
