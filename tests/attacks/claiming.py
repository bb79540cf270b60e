"""Having a protected volume bound to a claim of one's own, which then goes by another hand."""

from typing import Any, Final

from tests.attacks import documents
from tests.attacks.attack import attack
from tests.attacks.documents import owner
from tests.attacks.field import CLAIMS, CONFIG_MAPS, PODS, STATEFUL_SETS, STORAGE_CLASSES, VOLUMES, Field, Kind

_ASKED: Final = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}


def _volume(field: Field, **metadata: Any) -> dict[str, Any]:
    """What a protected volume is that goes with its claim, of a class of its own: nobody else's claim takes it."""
    kept = {"capacity": {"storage": "1Gi"}, "hostPath": {"path": "/tmp/nowhere"}}
    spec = {**kept, "accessModes": ["ReadWriteOnce"], "storageClassName": field.place}
    return {"metadata": {"name": field.place, **metadata}, "spec": {**spec, "persistentVolumeReclaimPolicy": "Delete"}}


def _protected(field: Field, **metadata: Any) -> str:
    """Such a volume that waits for a claim; give its path."""
    field.make(VOLUMES, _volume(field, **metadata))
    path = VOLUMES.path("", field.place)
    field.protect(VOLUMES, path)
    field.free_work()
    return path


def _bound(field: Field) -> None:
    path = CLAIMS.path(field.place, "mine")

    def bound() -> bool:
        return bool(field.admin("GET", path).document.get("status", {}).get("phase") == "Bound")

    field.eventually(bound, "the claim is bound", 60)


@attack(
    variants={
        "by-its-name": ({"volumeName": True}, {}),
        "by-its-class": ({}, {}),
        "that-was-provisioned-once": ({"volumeName": True}, {"pv.kubernetes.io/provisioned-by": "nobody.example.com"}),
    }
)
def claim_a_volume(field: Field, named: dict[str, Any], annotations: dict[str, str]) -> None:
    """An agent makes a claim that is bound to a protected volume, to have it go with its namespace or its owner."""
    path = _protected(field, annotations=annotations)
    spec = {**_ASKED, "storageClassName": field.place, **(dict.fromkeys(named, field.place))}
    field.refused("POST", CLAIMS.path(field.place), {"metadata": {"name": "mine"}, "spec": spec})
    other = {**_ASKED, "storageClassName": f"{field.place}-2"}
    field.done("POST", CLAIMS.path(field.place), {"metadata": {"name": "other"}, "spec": other})
    field.lasts(path)


@attack(variants={"by-a-StatefulSet": (True,), "by-a-pod": (False,)})
def claim_a_volume_by_a_template(field: Field, of_a_set: bool) -> None:
    """An agent makes what makes a claim that is bound to a protected volume: a StatefulSet, a pod."""
    path = _protected(field)
    field.account()
    spec = {**_ASKED, "storageClassName": field.place, "volumeName": field.place}
    if of_a_set:
        claims = [{"metadata": {"name": "data"}, "spec": spec}]
        retention = {"whenDeleted": "Delete", "whenScaled": "Delete"}
        made = documents.stateful_set(1, persistentVolumeClaimRetentionPolicy=retention, volumeClaimTemplates=claims)
        field.refused("POST", STATEFUL_SETS.path(field.place), made)
    else:
        volumes = [{"name": "data", "ephemeral": {"volumeClaimTemplate": {"spec": spec}}}]
        field.refused("POST", PODS.path(field.place), documents.pod("mine", volumes=volumes))
    field.lasts(path)


@attack(variants={"by-itself": (False,), "with-its-owner": (True,)})
def wait_for_a_volume_and_let_go(field: Field, by_owner: bool) -> None:
    """An agent's claim waits for a volume that a person makes later, protected, and goes when it has that."""
    field.seconders_own()
    spec = {**_ASKED, "storageClassName": field.place, "volumeName": field.place}
    made = field.done("POST", CONFIG_MAPS.path(field.place), {"metadata": {"name": "above"}})
    owners = [owner(made.document, "ConfigMap")] if by_owner else []
    claim = {"metadata": {"name": "mine", "ownerReferences": owners}, "spec": spec}
    field.done("POST", CLAIMS.path(field.place), claim)
    path = _protected(field, annotations={"pv.kubernetes.io/provisioned-by": "nobody.example.com"})
    _bound(field)
    field.refused("DELETE", CONFIG_MAPS.path(field.place, "above") if by_owner else CLAIMS.path(field.place, "mine"))
    field.lasts(path)


def _waiting(field: Field, **spec: str) -> str:
    """A protected claim of a class of its own, which has no volume yet; give its path."""
    asked = {**_ASKED, "storageClassName": field.place, **spec}
    field.make(CLAIMS, {"metadata": {"name": "data"}, "spec": asked})
    path = CLAIMS.path(field.place, "data")
    field.protect(CLAIMS, path)
    return path


def _on_nfs(field: Field) -> dict[str, Any]:
    """A volume of an agent's own server, retained, of the class for which the claim waits."""
    volume = _volume(field)
    del volume["spec"]["hostPath"]
    volume["spec"] |= {"persistentVolumeReclaimPolicy": "Retain", "nfs": {"server": "192.0.2.1", "path": "/nowhere"}}
    return volume


@attack(
    variants={
        "by-its-name": ({}, {"namespace": True, "name": "data"}),
        "by-its-class": ({}, {}),
        "to-the-one-after-it": ({"volumeName": "another"}, {}),
        "to-one-that-is-not-there-yet": ({}, {"namespace": True, "name": "data-db-1"}),
    }
)
def offer_a_volume(field: Field, spec: dict[str, str], kept_for: dict[str, Any]) -> None:
    """An agent makes a volume, retained, that a protected claim is bound to, so that what is written goes there."""
    path = _waiting(field, **spec)
    volume = _on_nfs(field)
    field.later_removed(VOLUMES.path("", field.place))
    if kept_for:
        volume["spec"]["claimRef"] = {**kept_for, "namespace": field.place}
    field.refused("POST", VOLUMES.path(""), volume)
    if field.lasts(path)["spec"].get("volumeName") == field.place:
        field.lost("the claim is bound to it")
    other = {**volume["spec"], "storageClassName": f"{field.place}-2", "claimRef": None}
    field.done("POST", VOLUMES.path(""), {**volume, "spec": other})


_BY_STEPS: Final[dict[str, tuple[bool, bool]]] = {
    "without-a-uid": (False, False),
    "with-its-uid": (False, True),
    "that-a-former-one-had": (True, False),
}


@attack(variants=_BY_STEPS)
def offer_a_volume_by_steps(field: Field, by_person: bool, with_uid: bool) -> None:
    """An agent gives a waiting protected claim a volume that names it with another uid at first, as a former claim."""
    path = _waiting(field)
    uid = field.admin("GET", path).document["metadata"]["uid"]
    volume, there = _on_nfs(field), VOLUMES.path("", field.place)
    volume["spec"]["claimRef"] = {"namespace": field.place, "name": "data", "uid": "another"}
    if by_person:
        field.make(VOLUMES, volume)
    else:
        field.later_removed(there)
        field.done("POST", VOLUMES.path(""), volume)
    field.free_work()
    field.refused("PATCH", there, {"spec": {"claimRef": {"uid": uid if with_uid else None}}})
    field.done("PATCH", there, {"metadata": {"annotations": {"note": "mine"}}})
    if field.lasts(path, 1.0)["spec"].get("volumeName") == field.place:
        field.lost("the claim is bound to it")


@attack()
def offer_a_class(field: Field) -> None:
    """An agent makes a class of storage for which a protected claim waits, with a provisioner of its own choice."""
    path = _waiting(field)
    made = {"metadata": {"name": field.place}, "provisioner": "nobody.example.com"}
    field.refused("POST", STORAGE_CLASSES.path(""), made)
    field.later_removed(STORAGE_CLASSES.path("", f"{field.place}-2"))
    field.done("POST", STORAGE_CLASSES.path(""), {**made, "metadata": {"name": f"{field.place}-2"}})
    field.lasts(path)


@attack()
def offer_a_class_of_attributes(field: Field) -> None:
    """An agent makes the class of attributes that a protected claim names, and with it says how its volume is."""
    classes = Kind("storage.k8s.io", "volumeattributesclasses", namespaced=False)
    if not field.admin("GET", classes.path("")).done:
        raise field.untried("this Kubernetes serves no VolumeAttributesClasses")
    spec = {**_ASKED, "storageClassName": field.place, "volumeAttributesClassName": field.place}
    field.make(CLAIMS, {"metadata": {"name": "data"}, "spec": spec})
    field.protect(CLAIMS, CLAIMS.path(field.place, "data"))
    field.free_work()
    made = {"metadata": {"name": field.place}, "driverName": "nobody.example.com", "parameters": {"iops": "1"}}
    field.refused("POST", f"{classes.path('')}?dryRun=All", made)
    field.done("POST", f"{classes.path('')}?dryRun=All", {**made, "metadata": {"name": f"{field.place}-2"}})


@attack()
def name_a_volume_that_is_retained(field: Field) -> None:
    """An agent's claim names a protected volume that is retained, and leaves it as nobody's when it goes."""
    kept = _volume(field)
    kept["spec"]["persistentVolumeReclaimPolicy"] = "Retain"
    field.make(VOLUMES, kept)
    path = VOLUMES.path("", field.place)
    field.protect(VOLUMES, path)
    spec = {**_ASKED, "storageClassName": field.place, "volumeName": field.place}
    field.refused("POST", CLAIMS.path(field.place), {"metadata": {"name": "mine"}, "spec": spec})
    field.lasts(path)


@attack(variants={"by-itself": ("",), "by-a-StatefulSet": ("set",), "by-a-pod": ("pod",)})
def claim_a_volume_that_is_kept_for_another(field: Field, by: str) -> None:
    """An agent's claim has the name for which a person keeps a protected volume, retained, and leaves it as taken."""
    kept = _volume(field)
    reference = {"namespace": field.place, "name": {"": "mine", "set": "data-db-0", "pod": "mine-data"}[by]}
    kept["spec"] |= {"persistentVolumeReclaimPolicy": "Retain", "claimRef": reference}
    field.make(VOLUMES, kept)
    field.protect(VOLUMES, VOLUMES.path("", field.place))
    field.free_work()
    field.account()
    spec = {**_ASKED, "storageClassName": field.place}
    if by == "set":
        templates = [{"metadata": {"name": "data"}, "spec": spec}]
        field.refused(
            "POST", STATEFUL_SETS.path(field.place), documents.stateful_set(1, volumeClaimTemplates=templates)
        )
    elif by == "pod":
        volumes = [{"name": "data", "ephemeral": {"volumeClaimTemplate": {"spec": spec}}}]
        field.refused("POST", PODS.path(field.place), documents.pod("mine", volumes=volumes))
    else:
        field.refused("POST", CLAIMS.path(field.place), {"metadata": {"name": "mine"}, "spec": spec})
    field.done("POST", CLAIMS.path(field.place), {"metadata": {"name": "other"}, "spec": spec})
    if field.lasts(VOLUMES.path("", field.place), 1.0).get("status", {}).get("phase") == "Bound":
        field.lost("it is bound to the agent's claim")
