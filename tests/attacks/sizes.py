"""Scaling it to nothing, through whatever can."""

from typing import Any, Final

from tests.attacks import documents
from tests.attacks.attack import attack
from tests.attacks.callers import APPLY, JSON_PATCH, MERGE, STRATEGIC
from tests.attacks.field import AUTOSCALERS, DEPLOYMENTS, Field, Kind

_NOTHING = {"spec": {"replicas": 0}}
_WAYS: dict[str, tuple[str, str, Any, str]] = {
    "merge-patch": ("PATCH", "", _NOTHING, MERGE),
    "strategic-patch": ("PATCH", "", _NOTHING, STRATEGIC),
    "JSON-patch": ("PATCH", "", [{"op": "replace", "path": "/spec/replicas", "value": 0}], JSON_PATCH),
    "scale": ("PATCH", "/scale", _NOTHING, MERGE),
    "scale-by-JSON-patch": ("PATCH", "/scale", [{"op": "remove", "path": "/spec/replicas"}], JSON_PATCH),
}


@attack(variants=_WAYS)
def scale_to_zero(field: Field, method: str, below: str, body: Any, kind: str) -> None:
    """An agent scales a protected Deployment to nothing."""
    field.deployment()
    path = DEPLOYMENTS.path(field.place, "checkout")
    field.refused(method, path + below, body, kind)
    _still_there(field)


@attack()
def scale_to_zero_by_applying(field: Field) -> None:
    """An agent takes the field over by server-side apply, with nothing in it."""
    field.deployment()
    applied = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "checkout"}, **_NOTHING}
    query = "?fieldManager=kubectl&force=true"
    field.refused("PATCH", DEPLOYMENTS.path(field.place, "checkout") + query, applied, APPLY)
    _still_there(field)


@attack()
def scale_to_zero_by_replacing(field: Field) -> None:
    """An agent puts a whole object in its place, and another Scale."""
    stored = field.deployment()
    path = DEPLOYMENTS.path(field.place, "checkout")
    field.refused("PUT", path, documents.deployment(replicas=0))
    scale = {
        "apiVersion": "autoscaling/v1",
        "kind": "Scale",
        "metadata": {"name": stored["metadata"]["name"], "namespace": field.place},
        "spec": {"replicas": 0},
    }
    field.refused("PUT", f"{path}/scale", scale)
    _still_there(field)


@attack()
def scale_to_zero_by_an_autoscaler(field: Field) -> None:
    """An agent has an autoscaler do it."""
    field.deployment()
    external = {"type": "External", "external": {"metric": {"name": "q"}, "target": {"type": "Value", "value": "1"}}}
    spec = {
        "minReplicas": 1,
        "maxReplicas": 3,
        "metrics": [external],
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout"},
    }
    scalers = AUTOSCALERS.path(field.place)
    field.refused("POST", scalers, {"metadata": {"name": "at-once"}, "spec": {**spec, "minReplicas": 0}})
    field.done("POST", scalers, {"metadata": {"name": "later"}, "spec": spec})
    field.refused("PATCH", f"{scalers}/later", {"spec": {"minReplicas": 0}})
    _still_there(field)


@attack()
def change_what_may_scale_to_zero(field: Field) -> None:
    """An agent changes a person's autoscaler, which may go to nothing already, so that it does."""
    field.deployment()
    target: dict[str, Any] = {"type": "Value", "value": "1"}
    external = {"type": "External", "external": {"metric": {"name": "q"}, "target": target}}
    made = documents.autoscaler("Deployment", "checkout", most=3)
    made["spec"] |= {"minReplicas": 0, "metrics": [external]}
    field.make(AUTOSCALERS, made)
    path = AUTOSCALERS.path(field.place, "checkout")
    field.done("PATCH", path, {"metadata": {"labels": {"team": "shop"}}})
    target["value"] = "1000"
    field.refused("PATCH", path, {"spec": {"metrics": [external]}})
    _still_there(field)


def _rollout(field: Field, replicas: int) -> tuple[str, dict[str, Any]]:
    """A protected custom resource with a size; give its path, and the reference to it."""
    kind = Kind(f"{field.place}.example.com", "rollouts")
    rollouts = field.defined(kind, "Rollout")
    head = {"apiVersion": f"{kind.group}/v1", "kind": "Rollout"}
    field.make(kind, {**head, "metadata": {"name": "web"}, "spec": {"replicas": replicas}})
    path = f"{rollouts}/web"
    field.protect(kind, path)
    field.free_work()
    return path, {**head, "name": "web"}


@attack()
def resize_by_an_autoscaler(field: Field) -> None:
    """An agent has an autoscaler change the size of a protected custom resource, which is not an agent's to change."""
    path, named = _rollout(field, replicas=3)
    field.refused("PATCH", path, {"spec": {"replicas": 1}})
    spec = {"minReplicas": 1, "maxReplicas": 2, "scaleTargetRef": named}
    field.refused("POST", AUTOSCALERS.path(field.place), {"metadata": {"name": "web"}, "spec": spec})
    field.lasts(path)


@attack()
def hold_its_size_by_an_autoscaler(field: Field) -> None:
    """An agent has an autoscaler hold the size of a protected custom resource, whatever a person gives it later."""
    path, named = _rollout(field, replicas=1)
    spec = {"minReplicas": 1, "maxReplicas": 1, "scaleTargetRef": named}
    field.refused("POST", AUTOSCALERS.path(field.place), {"metadata": {"name": "web"}, "spec": spec})
    field.free("PATCH", path, {"spec": {"replicas": 5}})
    field.lasts(path)


@attack()
def scale_to_zero_by_an_event(field: Field) -> None:
    """An agent has KEDA's autoscaler do it, which goes to nothing unless it says otherwise."""
    field.deployment()
    scaled = field.defined(Kind("keda.sh", "scaledobjects", "v1alpha1"), "ScaledObject")
    body = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": "so"}}
    named = {"scaleTargetRef": {"name": "checkout"}, "triggers": []}
    field.refused("POST", scaled, {**body, "spec": named})
    field.done("POST", scaled, {**body, "spec": {**named, "minReplicaCount": 1}})
    path = f"{scaled}/so"
    field.refused("PATCH", path, {"spec": {"idleReplicaCount": 0}})
    field.refused("PATCH", path, {"metadata": {"annotations": {"autoscaling.keda.sh/paused-replicas": "0"}}})
    field.free("PATCH", path, {"spec": {"minReplicaCount": 0}})
    field.refused("PATCH", path, {"spec": {"triggers": [{"type": "cron"}]}})
    field.free("PATCH", path, {"spec": {"advanced": {"restoreToOriginalReplicaCount": True}}})
    field.refused("DELETE", path)
    _still_there(field)


def _still_there(field: Field) -> None:
    stored = field.lasts(DEPLOYMENTS.path(field.place, "checkout"))
    if stored["spec"]["replicas"] != 1:
        field.lost(f"it has {stored['spec']['replicas']} replicas")


@attack(variants={"Deployment": ("apps/v1", "Deployment"), "ReplicaSet": ("apps/v1", "ReplicaSet")})
def make_a_second_autoscaler(field: Field, version: str, kind: str) -> None:
    """An agent makes another autoscaler over what a protected one scales, which then scales nothing any more."""
    field.make(DEPLOYMENTS, documents.deployment())
    sets = Kind("apps", "replicasets").path(field.place)
    field.eventually(lambda: field.admin("GET", sets).document["items"], "its ReplicaSet is there")
    name = "checkout" if kind == "Deployment" else field.admin("GET", sets).document["items"][0]["metadata"]["name"]

    def scaling(kind: str, name: str) -> dict[str, Any]:
        named = {"apiVersion": version, "kind": kind, "name": name}
        return {"spec": {"scaleTargetRef": named, "minReplicas": 1, "maxReplicas": 3}}

    path = AUTOSCALERS.path(field.place)
    field.make(AUTOSCALERS, {"metadata": {"name": "checkout"}, **scaling("Deployment", "checkout")})
    field.protect(AUTOSCALERS, f"{path}/checkout")
    field.free_work()
    field.refused("POST", path, {"metadata": {"name": "mine"}, **scaling(kind, name)})
    field.done("POST", path, {"metadata": {"name": "mine"}, **scaling(kind, "other")})
    field.refused("PATCH", f"{path}/mine", scaling(kind, name))
    field.done("PATCH", f"{path}/checkout", {"metadata": {"labels": {"team": "shop"}}})


_KEDAS: Final = {
    "by-its-name": ("front", {"advanced": {"horizontalPodAutoscalerConfig": {"name": "front"}}}),
    "by-the-name-that-it-gives": ("keda-hpa-mine", {}),
}


@attack(variants=_KEDAS)
def have_its_autoscaler_taken_over(field: Field, name: str, spec: dict[str, Any]) -> None:
    """An agent has KEDA take a protected autoscaler for that of a workload of the agent's own."""
    scaling = {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "front"}, "maxReplicas": 3}
    field.make(AUTOSCALERS, {"metadata": {"name": name}, "spec": scaling})
    field.protect(AUTOSCALERS, AUTOSCALERS.path(field.place, name))
    scaled = field.defined(Kind("keda.sh", "scaledobjects", "v1alpha1"), "ScaledObject")
    notes = {"scaledobject.keda.sh/transfer-hpa-ownership": "true"}
    head = {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": "mine", "annotations": notes},
    }
    mine = {"scaleTargetRef": {"name": "other"}, "minReplicaCount": 1, "triggers": []}
    field.free_work()
    field.refused("POST", scaled, {**head, "spec": {**mine, **spec}})
    own = {"advanced": {"horizontalPodAutoscalerConfig": {"name": "own"}}}
    field.done("POST", scaled, {**head, "spec": {**mine, **own}})
    field.refused("PATCH", f"{scaled}/mine", {"spec": {"advanced": None, **spec}})
    field.done("PATCH", f"{scaled}/mine", {"spec": {"maxReplicaCount": 3}})
    field.lasts(AUTOSCALERS.path(field.place, name))
