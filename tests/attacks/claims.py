"""Losing claims by the hand of a StatefulSet's own controller, or with their volume."""

import hashlib
from typing import Any, Final

from tests.attacks import documents
from tests.attacks.attack import attack
from tests.attacks.documents import owned_by, owner
from tests.attacks.field import (
    ATTACHMENTS,
    AUTOSCALERS,
    CLAIMS,
    CONFIG_MAPS,
    DEFINITIONS,
    NODES,
    PODS,
    PRIORITIES,
    REPLICA_SETS,
    STATEFUL_SETS,
    VOLUMES,
    Field,
    Kind,
)

_PODS = 3
_DELETE = {"persistentVolumeClaimRetentionPolicy": {"whenScaled": "Delete"}}


def _database(field: Field, **retention: str) -> str:
    """A StatefulSet with protected claims; give its path."""
    policy = {"persistentVolumeClaimRetentionPolicy": retention} if retention else {}
    field.make(STATEFUL_SETS, documents.stateful_set(_PODS, **policy))
    claims = CLAIMS.path(field.place)
    field.eventually(lambda: len(field.admin("GET", claims).document["items"]) == _PODS, "its claims are there")
    field.protect(CLAIMS, f"{claims}/data-db-0")
    return STATEFUL_SETS.path(field.place, "db")


def _all_left(field: Field) -> None:
    for number in range(_PODS):
        field.lasts(CLAIMS.path(field.place, f"data-db-{number}"), 1.0 if number == _PODS - 1 else 0.0)


_CHANGES: dict[str, tuple[dict[str, Any]]] = {
    "and-scale-down": ({**_DELETE, "replicas": 1},),
    "and-number-them-anew": ({**_DELETE, "ordinals": {"start": 100}},),
    "for-later": (_DELETE,),
    "for-the-end": ({"persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete"}},),
}


@attack(variants=_CHANGES)
def delete_claims_by_their_retention(field: Field, spec: dict[str, Any]) -> None:
    """An agent tells a StatefulSet that no policy names to delete its claims."""
    field.refused("PATCH", _database(field), {"spec": spec})
    _all_left(field)


@attack(variants={"object": ("", {"spec": {"replicas": 1}}), "scale": ("/scale", {"spec": {"replicas": 1}})})
def scale_down_where_claims_go(field: Field, below: str, body: Any) -> None:
    """An agent scales down a StatefulSet to which a person said that claims go then."""
    field.refused("PATCH", _database(field, whenScaled="Delete") + below, body)
    _all_left(field)


@attack()
def delete_the_set_where_claims_go(field: Field) -> None:
    """An agent deletes a StatefulSet to which a person said that claims go then."""
    path = _database(field, whenDeleted="Delete")
    field.refused("DELETE", path)
    field.refused("DELETE", STATEFUL_SETS.path(field.place))
    _all_left(field)


@attack()
def delete_the_owner_of_the_set_where_claims_go(field: Field) -> None:
    """An agent deletes what owns a StatefulSet to which a person said that claims go with it."""
    above = field.make(CONFIG_MAPS, {"metadata": {"name": "above"}})
    path = _database(field, whenDeleted="Delete")
    field.admin("PATCH", path, owned_by(owner(above, "ConfigMap")))
    field.free_work()
    field.refused("DELETE", CONFIG_MAPS.path(field.place, "above"))
    field.lasts(path)
    _all_left(field)


_WANTED: Final = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
_BEYOND: Final = {
    "made": ("Parallel", {"whenScaled": "Delete"}, False),
    "labelled": ("Parallel", {"whenScaled": "Delete"}, True),
    "in-order": ("OrderedReady", {"whenScaled": "Delete"}, False),
    "for-the-end": ("Parallel", {"whenDeleted": "Delete"}, False),
}


@attack(variants=_BEYOND)
def give_the_set_a_pod_too_many(field: Field, policy: str, retention: dict[str, str], labelled: bool) -> None:
    """An agent has a person's StatefulSet take a pod beyond its ordinals, and so end the claim of that ordinal."""
    field.account()
    claims = CLAIMS.path(field.place)
    for number in (5, 7):
        field.make(CLAIMS, {"metadata": {"name": f"data-db-{number}"}, "spec": {**_WANTED, "storageClassName": "none"}})
    kept = {"podManagementPolicy": policy, "persistentVolumeClaimRetentionPolicy": retention}
    field.make(STATEFUL_SETS, documents.stateful_set(0, **kept))
    field.protect(CLAIMS, f"{claims}/data-db-5")
    field.free_work()
    pods, labels = PODS.path(field.place), {"metadata": {"labels": {"app": "db"}}}
    # With a zero before it, a pod's number is the same one.
    for name in ("db-5", "db-007"):
        made = documents.pod(name)
        if labelled:
            field.done("POST", pods, made)
            field.refused("PATCH", f"{pods}/{name}", labels)
        else:
            field.refused("POST", pods, {**made, "metadata": {"name": name, **labels["metadata"]}})
    field.done("POST", pods, {**documents.pod("db-x"), "metadata": {"name": "db-x", **labels["metadata"]}})
    for number in (5, 7):
        stored = field.lasts(f"{claims}/data-db-{number}", 2.0 if number == 7 else 0.0)
        if stored["metadata"].get("ownerReferences"):
            field.lost("the claim goes with what the controller has given it for an owner")


_CACHE: Final = {
    "name": "cache",
    "ephemeral": {"volumeClaimTemplate": {"spec": {**_WANTED, "storageClassName": ""}}},
}
"""A volume that has a claim of its own for as long as its pod is there."""
_ON_NFS: Final = {
    "capacity": {"storage": "1Gi"},
    "accessModes": ["ReadWriteOnce"],
    "storageClassName": "",
    "nfs": {"server": "192.0.2.1", "path": "/nowhere"},
}
_GOES: Final = {"persistentVolumeReclaimPolicy": "Delete"}
_ENDING: Final[dict[str, tuple[str, str, Any]]] = {
    "scale": ("PATCH", "/scale", {"spec": {"replicas": 0}}),
    "rollout": ("PATCH", "", {"spec": {"template": {"metadata": {"annotations": {"a": "b"}}}}}),
    "deletion": ("DELETE", "", None),
}


def _cached(field: Field) -> list[str]:
    """A person's StatefulSet, whose two pods have an ephemeral volume each; give the paths of the claims of these."""
    field.account()
    made = documents.stateful_set(2, volumeClaimTemplates=[])
    made["spec"]["template"]["spec"] = {"containers": documents.CONTAINERS, "volumes": [_CACHE]}
    field.make(STATEFUL_SETS, made)
    claims = [CLAIMS.path(field.place, f"db-{number}-cache") for number in range(2)]
    field.eventually(lambda: all(field.admin("GET", each).done for each in claims), "its claims are there")
    return claims


def _set_with_claims(field: Field, *others: Kind) -> str:
    """A person's StatefulSet whose pod has a protected claim of its own, as those others are; give the claim's path."""
    claims = _cached(field)
    field.protect(CLAIMS, claims[1], *others)
    field.free_work()
    return claims[1]


@attack(variants=_ENDING)
def end_the_claims_of_its_pods(field: Field, method: str, below: str, body: Any) -> None:
    """An agent ends the pods of a person's StatefulSet, with which protected claims of ephemeral volumes go."""
    claim = _set_with_claims(field)
    field.refused(method, STATEFUL_SETS.path(field.place, "db") + below, body)
    field.lasts(claim, 1.0)


@attack(variants=_ENDING)
def end_the_volumes_of_those_claims(field: Field, method: str, below: str, body: Any) -> None:
    """An agent ends such pods, with whose claims protected volumes go that were there before."""
    kept_for = {"namespace": field.place, "name": "db-0-cache"}
    field.make(VOLUMES, {"metadata": {"name": field.place}, "spec": {**_ON_NFS, "claimRef": kept_for, **_GOES}})
    (claim, _), path = _cached(field), VOLUMES.path("", field.place)
    field.eventually(lambda: "volumeName" in field.admin("GET", claim).document["spec"], "the claim has its volume")
    field.protect(VOLUMES, path)
    field.free_work()
    field.refused(method, STATEFUL_SETS.path(field.place, "db") + below, body)
    field.lasts(claim, 1.0)
    field.lasts(path)


_FREE: Final = {
    "size": ("/scale", {"spec": {"replicas": 1}}),
    "rollout": ("", {"spec": {"template": {"metadata": {"annotations": {"a": "b"}}}}}),
}


@attack(variants=_FREE)
def end_claims_by_what_is_free(field: Field, below: str, body: Any) -> None:
    """An agent rolls out or sizes a StatefulSet, which the policy frees, and so ends claims that it names as well."""
    claim = _set_with_claims(field, STATEFUL_SETS)
    field.refused("PATCH", STATEFUL_SETS.path(field.place, "db") + below, body)
    field.lasts(claim, 1.0)


_WEB: Final = {"app": "web"}


def _a_pod_with_its_claim(field: Field, **spec: Any) -> str:
    """A person's pod of no controller with a protected claim of its own; give the claim's path."""
    field.account()
    pod = documents.pod("web", volumes=[_CACHE], **spec)
    pod["metadata"]["labels"] = _WEB
    field.make(PODS, pod)
    claim = CLAIMS.path(field.place, "web-cache")
    field.eventually(lambda: field.admin("GET", claim).done, "its claim is there")
    field.protect(CLAIMS, claim)
    field.free_work()
    return claim


def _pods_with_claims(field: Field) -> list[str]:
    """A person's ReplicaSet of two pods with protected claims of their own; give the paths of the claims."""
    field.account()
    template = {"metadata": {"labels": _WEB}, "spec": {"containers": documents.CONTAINERS, "volumes": [_CACHE]}}
    spec = {"replicas": 2, "selector": {"matchLabels": _WEB}, "template": template}
    field.make(REPLICA_SETS, {"metadata": {"name": "web"}, "spec": spec})
    there = CLAIMS.path(field.place)
    field.eventually(lambda: len(field.admin("GET", there).document["items"]) == 2, "its claims are there")
    claims = [f"{there}/{each['metadata']['name']}" for each in field.admin("GET", there).document["items"]]
    field.protect(CLAIMS, claims[0])
    field.free_work()
    return claims


_CROWDING: Final = {"labels": _WEB, "annotations": {"controller.kubernetes.io/pod-deletion-cost": "2147483647"}}


@attack(
    variants={
        "autoscaling": (AUTOSCALERS, documents.autoscaler("ReplicaSet", "web")),
        "one-pod-more": (PODS, {**documents.pod("mine"), "metadata": {"name": "mine", **_CROWDING}}),
    }
)
def have_a_controller_end_pods_with_claims(field: Field, kind: Kind, made: dict[str, Any]) -> None:
    """An agent has a ReplicaSet end pods, which no policy names, with their claims, which one does."""
    claims = _pods_with_claims(field)
    field.refused("POST", kind.path(field.place), made)
    for path in claims:
        field.lasts(path, 1.0)


@attack()
def leave_pods_beside_those_with_claims(field: Field) -> None:
    """An agent leaves pods to the ReplicaSet of pods with protected claims, which ends what is too much."""
    claims = _pods_with_claims(field)
    labels = {**_WEB, "mine": "yes"}
    metadata = {"labels": labels, "annotations": _CROWDING["annotations"]}
    template = {"metadata": metadata, "spec": {"containers": documents.CONTAINERS}}
    spec = {"replicas": 1, "selector": {"matchLabels": {"mine": "yes"}}, "template": template}
    field.done("POST", REPLICA_SETS.path(field.place), {"metadata": {"name": "mine"}, "spec": spec})
    theirs = f"{PODS.path(field.place)}?labelSelector=mine%3Dyes"
    field.eventually(lambda: field.admin("GET", theirs).document["items"], "the agent's pod is there")
    field.refused("DELETE", REPLICA_SETS.path(field.place, "mine"), {"propagationPolicy": "Orphan"})
    for path in claims:
        field.lasts(path, 1.0)


@attack()
def take_a_pod_with_its_claim(field: Field) -> None:
    """An agent makes a workload that takes a pod with a protected claim for its own, and wants none."""
    claim = _a_pod_with_its_claim(field)
    template = {"metadata": {"labels": _WEB}, "spec": {"containers": documents.CONTAINERS}}
    spec = {"replicas": 0, "selector": {"matchLabels": _WEB}, "template": template}
    field.refused("POST", REPLICA_SETS.path(field.place), {"metadata": {"name": "mine"}, "spec": spec})
    field.lasts(claim, 1.0)


@attack()
def end_the_node_of_a_pod_with_its_claim(field: Field) -> None:
    """An agent taints or deletes the node on which a pod with a protected claim runs."""
    field.make(NODES, {"metadata": {"name": field.place}})
    claim = _a_pod_with_its_claim(field, nodeName=field.place)
    node = NODES.path("", field.place)
    field.refused("PATCH", node, {"spec": {"taints": [{"key": "k", "value": "v", "effect": "NoExecute"}]}})
    field.refused("DELETE", node)
    field.lasts(claim, 1.0)


def _volume(field: Field) -> tuple[str, dict[str, Any]]:
    """A protected claim with its volume, which is kept; give the volume's path, and what a second one would be."""
    name = field.place
    claim = {"metadata": {"name": "data"}, "spec": {**_WANTED, "storageClassName": "", "volumeName": name}}
    bound = {"namespace": field.place, "name": "data", "uid": field.make(CLAIMS, claim)["metadata"]["uid"]}
    kept = {"persistentVolumeReclaimPolicy": "Retain", "claimRef": bound}
    field.make(VOLUMES, {"metadata": {"name": name}, "spec": {**_ON_NFS, **kept}})
    field.protect(CLAIMS, CLAIMS.path(field.place, "data"))
    elsewhere = {"claimRef": {"namespace": f"{name}-2", "name": "another"}}
    return VOLUMES.path("", name), {"metadata": {"name": f"{name}-2"}, "spec": {**_ON_NFS, **elsewhere}}


@attack()
def take_its_volume(field: Field) -> None:
    """An agent deletes the volume of a protected claim, gives it to another, or has it reclaimed later."""
    path, _ = _volume(field)
    field.refused("PATCH", path, {"spec": {"persistentVolumeReclaimPolicy": "Delete"}})
    field.refused("PATCH", path, {"spec": {"claimRef": {"name": "another", "uid": None}}})
    field.refused("PATCH", path, {"spec": {"claimRef": None}})
    field.refused("PATCH", path, {"metadata": {"annotations": {"pv.kubernetes.io/provisioned-by": "nobody"}}})
    field.refused("PATCH", path + "/status", {"status": {"phase": "Released"}})
    field.refused("DELETE", path)
    field.lasts(path)


@attack()
def make_a_second_volume_of_its_storage(field: Field) -> None:
    """An agent makes another volume of the storage of a protected claim's, and has that one deleted by its policy."""
    path, second = _volume(field)
    volumes, name = VOLUMES.path(""), second["metadata"]["name"]
    field.free_work()
    field.later_removed(VOLUMES.path("", name))
    field.refused("POST", volumes, {**second, "spec": {**second["spec"], "persistentVolumeReclaimPolicy": "Delete"}})
    field.done("POST", volumes, second)
    field.refused("PATCH", VOLUMES.path("", name), {"spec": {"persistentVolumeReclaimPolicy": "Delete"}})
    field.lasts(path)


@attack()
def detach_its_volume(field: Field) -> None:
    """An agent deletes the VolumeAttachment by which a node has the volume of a protected claim, or says it is over."""
    path, _ = _volume(field)
    source = {"persistentVolumeName": path.rpartition("/")[2]}
    made = {"attacher": "nobody.example.com", "nodeName": "nowhere", "source": source}
    field.make(ATTACHMENTS, {"metadata": {"name": field.place}, "spec": made})
    attachment = ATTACHMENTS.path("", field.place)
    field.free_work()
    field.refused("PATCH", attachment + "/status", {"status": {"attached": True}})
    field.refused("DELETE", attachment)
    field.lasts(path)


@attack()
def attach_its_volume(field: Field) -> None:
    """An agent attaches the volume of a protected claim to a node, to have it detached by the end of that."""
    path, _ = _volume(field)
    source = {"persistentVolumeName": path.rpartition("/")[2]}
    made = {"attacher": "nobody.example.com", "nodeName": "nowhere", "source": source}
    field.free_work()
    field.later_removed(ATTACHMENTS.path("", field.place))
    field.refused("POST", ATTACHMENTS.path(""), {"metadata": {"name": field.place}, "spec": made})
    # The name that the controller would give to another one, of a volume that is not there; or one that waits for it.
    name = f"csi-{hashlib.sha256(field.place.encode()).hexdigest()}"
    field.later_removed(ATTACHMENTS.path("", name))
    ghost = {**made, "source": {"persistentVolumeName": "ghost"}}
    for each in (name, field.place):
        field.refused("POST", ATTACHMENTS.path(""), {"metadata": {"name": each}, "spec": ghost})
    field.lasts(path)


_BY_ANOTHER_NAME: Final = {"a-spec-of-its-own": (False,), "a-second-volume": (True,)}


@attack(variants=_BY_ANOTHER_NAME)
def attach_its_storage_by_another_name(field: Field, by_volume: bool) -> None:
    """An agent attaches or detaches the storage of a protected claim by what stands for it beside its volume."""
    handle = {"csi": {"driver": "nobody.example.com", "volumeHandle": field.place}}
    kept = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], **handle}
    kept |= {"persistentVolumeReclaimPolicy": "Retain", "storageClassName": ""}
    claim = {"metadata": {"name": "data"}, "spec": {**_WANTED, "storageClassName": "", "volumeName": field.place}}
    bound = {"namespace": field.place, "name": "data", "uid": field.make(CLAIMS, claim)["metadata"]["uid"]}
    field.make(VOLUMES, {"metadata": {"name": field.place}, "spec": {**kept, "claimRef": bound}})
    field.protect(CLAIMS, CLAIMS.path(field.place, "data"))
    field.free_work()
    source: dict[str, Any] = {"inlineVolumeSpec": {"accessModes": ["ReadWriteOnce"], **handle}}
    if by_volume:
        second, elsewhere = f"{field.place}-2", {"namespace": "elsewhere", "name": "mine"}
        field.later_removed(VOLUMES.path("", second))
        field.done("POST", VOLUMES.path(""), {"metadata": {"name": second}, "spec": {**kept, "claimRef": elsewhere}})
        source = {"persistentVolumeName": second}
    made = {"attacher": "nobody.example.com", "nodeName": "nowhere", "source": source}
    attachment = ATTACHMENTS.path("", field.place)
    field.later_removed(attachment)
    field.refused("POST", ATTACHMENTS.path(""), {"metadata": {"name": field.place}, "spec": made})
    field.make(ATTACHMENTS, {"metadata": {"name": field.place}, "spec": made})
    field.refused("PATCH", attachment + "/status", {"status": {"attached": True}})
    field.refused("DELETE", attachment)
    field.lasts(attachment)


@attack()
def take_the_name_of_its_volume(field: Field) -> None:
    """An agent makes a volume of the name that a provisioner would give to that of a protected claim, which waits."""
    claim = {"metadata": {"name": "data"}, "spec": {**_WANTED, "storageClassName": f"{field.place}-later"}}
    uid = field.make(CLAIMS, claim)["metadata"]["uid"]
    field.protect(CLAIMS, CLAIMS.path(field.place, "data"))
    field.free_work()
    spec = {**_ON_NFS, "storageClassName": field.place, "persistentVolumeReclaimPolicy": "Retain"}
    for name, sent in ((f"pvc-{uid}", field.refused), (f"{field.place}-other", field.done)):
        field.later_removed(VOLUMES.path("", name))
        sent("POST", VOLUMES.path(""), {"metadata": {"name": name}, "spec": spec})


@attack()
def say_that_its_node_has_no_drivers(field: Field) -> None:
    """An agent deletes or makes the CSINode of a protected node, which then attaches no volumes."""
    drivers = Kind("storage.k8s.io", "csinodes", namespaced=False)
    field.make(NODES, {"metadata": {"name": field.place}})
    field.protect(NODES, NODES.path("", field.place))
    field.free_work()
    made = {"metadata": {"name": field.place}, "spec": {"drivers": []}}
    field.refused("POST", drivers.path(""), made)
    field.make(drivers, made)
    field.refused("DELETE", drivers.path("", field.place))


@attack()
def let_its_attachment_go_with_an_owner(field: Field) -> None:
    """An agent deletes the owner of the VolumeAttachment by which a node has the volume of a protected claim."""
    path, _ = _volume(field)
    above = field.make(PRIORITIES, {"metadata": {"name": field.place}, "value": 1})
    owners = [documents.owner(above, "PriorityClass", "scheduling.k8s.io/v1")]
    source = {"persistentVolumeName": path.rpartition("/")[2]}
    made = {"attacher": "nobody.example.com", "nodeName": "nowhere", "source": source}
    field.make(ATTACHMENTS, {"metadata": {"name": field.place, "ownerReferences": owners}, "spec": made})
    field.refused_to_delete(PRIORITIES.path("", field.place))
    field.lasts(ATTACHMENTS.path("", field.place))


@attack()
def delete_the_definition_of_its_snapshot(field: Field) -> None:
    """An agent deletes the definition of VolumeSnapshots, and so all of them, with the protected content of one."""
    path, _ = _snapshots(field)
    contents = Kind("snapshot.storage.k8s.io", "volumesnapshotcontents", namespaced=False)
    field.protect(contents, path)
    field.refused_to_delete(DEFINITIONS.path("", "volumesnapshots.snapshot.storage.k8s.io"))
    field.lasts(path)


def _snapshots(field: Field) -> tuple[str, dict[str, Any]]:
    """A protected VolumeSnapshot with its content, which is kept; give that one's path, and a second one."""
    contents = Kind("snapshot.storage.k8s.io", "volumesnapshotcontents", namespaced=False)
    snapshots = Kind("snapshot.storage.k8s.io", "volumesnapshots")
    field.defined(contents, "VolumeSnapshotContent")
    place = field.defined(snapshots, "VolumeSnapshot")
    head = {"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshot", "metadata": {"name": "s"}}
    made = field.make(snapshots, {**head, "spec": {"source": {"volumeSnapshotContentName": field.place}}})
    named = {"namespace": field.place, "name": "s", "uid": made["metadata"]["uid"]}
    spec = {"driver": "nobody.example.com", "source": {"snapshotHandle": "one"}, "deletionPolicy": "Retain"}
    content = {"apiVersion": head["apiVersion"], "kind": "VolumeSnapshotContent", "metadata": {"name": field.place}}
    field.make(contents, {**content, "spec": {**spec, "volumeSnapshotRef": named}})
    field.protect(snapshots, f"{place}/s")
    return contents.path("", field.place), {**content, "metadata": {"name": f"{field.place}-2"}, "spec": spec}


@attack()
def take_the_content_of_its_snapshot(field: Field) -> None:
    """An agent deletes the content of a protected VolumeSnapshot, or has it deleted by a second one of its handle."""
    path, second = _snapshots(field)
    field.free_work()
    field.refused("DELETE", path)
    field.refused("PATCH", path, {"spec": {"deletionPolicy": "Delete"}})
    contents, _, name = path.rpartition("/")
    field.later_removed(f"{contents}/{name}-2")
    field.refused("POST", contents, {**second, "spec": {**second["spec"], "deletionPolicy": "Delete"}})
    field.done("POST", contents, second)
    field.refused("PATCH", f"{contents}/{name}-2", {"spec": {"deletionPolicy": "Delete"}})
    field.lasts(path)


@attack()
def take_a_claim_for_bound(field: Field) -> None:
    """An agent marks a pending claim as bound, so that the volume controller takes its volume for lost."""
    wanted = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    field.make(CLAIMS, {"metadata": {"name": "data"}, "spec": {**wanted, "storageClassName": "none"}})
    path = CLAIMS.path(field.place, "data")
    field.protect(CLAIMS, path)
    field.refused("PATCH", path, {"metadata": {"annotations": {"pv.kubernetes.io/bind-completed": "yes"}}})
    field.lasts(path)


@attack()
def autoscale_where_claims_go(field: Field) -> None:
    """An agent has an autoscaler take a StatefulSet down to which a person said that claims go then."""
    _database(field, whenScaled="Delete")
    field.refused("POST", AUTOSCALERS.path(field.place), documents.autoscaler("StatefulSet", "db"))
    _all_left(field)


@attack()
def autoscale_claims_to_come(field: Field) -> None:
    """An agent has an autoscaler keep such a StatefulSet at the size that it has, and at one that is made later."""
    path = _database(field, whenScaled="Delete")
    field.free("PATCH", f"{path}/scale", {"spec": {"replicas": 1}})
    claims = CLAIMS.path(field.place)
    field.eventually(lambda: len(field.admin("GET", claims).document["items"]) == 1, "its other claims are gone")
    for name in ("db", "later"):
        field.refused("POST", AUTOSCALERS.path(field.place), documents.autoscaler("StatefulSet", name))
    field.free("PATCH", f"{path}/scale", {"spec": {"replicas": _PODS}})
    field.eventually(lambda: len(field.admin("GET", claims).document["items"]) == _PODS, "its claims are there")
    _all_left(field)


@attack(variants={"scaled": ("whenScaled",), "deleted": ("whenDeleted",)})
def give_claims_to_come_away(field: Field, when: str) -> None:
    """An agent tells a person's StatefulSet that has no claims at the moment to delete those that it gets."""
    control = {"metadata": {"name": "other"}, "spec": {**_WANTED, "storageClassName": ""}}
    field.make(CLAIMS, control)
    field.protect(CLAIMS, CLAIMS.path(field.place, "other"))
    field.make(STATEFUL_SETS, documents.stateful_set(0))
    field.free_work()
    path = STATEFUL_SETS.path(field.place, "db")
    field.refused("PATCH", path, {"spec": {"persistentVolumeClaimRetentionPolicy": {when: "Delete"}}})
    field.done("PATCH", path, {"metadata": {"labels": {"team": "shop"}}})
