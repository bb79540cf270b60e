"""Marking others' objects, so that people are refused: agents tag what they make, and nothing else."""

from tests.attacks import documents
from tests.attacks.attack import attack
from tests.attacks.field import DEPLOYMENTS, NAMESPACES, PODS, Field

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
    account = f"/api/v1/namespaces/{field.place}/serviceaccounts/default"
    field.eventually(lambda: field.admin("GET", account).done, "the ServiceAccount is there")
    field.make(PODS, documents.pod("theirs", schedulerName="nobody"))
    path = PODS.path(field.place, "theirs")
    binding = {"apiVersion": "v1", "kind": "Binding", "target": {"kind": "Node", "name": "nowhere"}}
    field.agent("POST", f"{path}/binding", {**binding, "metadata": {"name": "theirs", **_TAG["metadata"]}})
    if "seconder.dev/agent" in (field.admin("GET", path).document["metadata"].get("annotations") or {}):
        field.lost("the pod is tagged")
    field.free("DELETE", path, {"gracePeriodSeconds": 0})
