"""Running, or entering, a pod as somebody who may do more."""

from tests.attacks import documents
from tests.attacks.attack import attack
from tests.attacks.field import (
    ACCOUNTS,
    BINDINGS,
    CLUSTER_BINDINGS,
    CLUSTER_ROLES,
    DEPLOYMENTS,
    PODS,
    Field,
)

_PLACES = 12


def _account(field: Field, name: str = "deployer") -> None:
    field.make(ACCOUNTS, {"metadata": {"name": name}})


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
    _account(field)
    rule = {"apiGroups": [group], "resources": [resource], "verbs": [verb]}
    field.make(CLUSTER_ROLES, {"metadata": {"name": field.place}, "rules": [rule]})
    binding = documents.role_binding(field.place, field.place, documents.account(field.place, "deployer"))
    field.make(CLUSTER_BINDINGS, binding)
    field.refused("POST", PODS.path(field.place), documents.pod("mine", "deployer"))


@attack(variants={way: (way,) for way in ("exec", "attach", "portforward", "proxy")})
def enter_a_pod_of_who_may_delete(field: Field, way: str) -> None:
    """An agent enters a running pod of a ServiceAccount that may delete."""
    field.deployment()
    _account(field)
    field.make(BINDINGS, documents.role_binding("deployer", "edit", documents.account(field.place, "deployer")))
    field.make(PODS, documents.pod("theirs", "deployer"))
    field.refused("POST", f"{PODS.path(field.place, 'theirs')}/{way}?command=id&stdout=true")
