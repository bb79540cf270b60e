"""Defining kinds that stand before others in what is discovered."""

from typing import Any, Final

from tests.attacks import documents
from tests.attacks.attack import attack
from tests.attacks.field import DEFINITIONS, Field, Kind

_INGRESSES: Final = Kind("networking.k8s.io", "ingresses")
_SERVERS: Final = Kind("apiregistration.k8s.io", "apiservices", namespaced=False)
_NAME: Final = "ingresses.networking.k8s.io"
_BACKEND: Final = {"service": {"name": "web", "port": {"number": 80}}}


def _shadow(scope: str) -> dict[str, Any]:
    """A definition of Ingresses in a newer version than the API server has."""
    shadow = documents.definition("ingresses", "networking.k8s.io", "Ingress", scope)
    shadow["spec"]["versions"][0]["name"] = "v9"
    return shadow


@attack(variants={"Cluster": ("Cluster",), "Namespaced": ("Namespaced",)})
def shadow_a_kind_of_kubernetes_own(field: Field, scope: str) -> None:
    """An agent defines a kind of Kubernetes' own once more, in a newer version."""
    field.later_removed(DEFINITIONS.path("", _NAME))
    field.refused("POST", DEFINITIONS.path(""), _shadow(scope))


@attack()
def shadow_a_kind_of_another_server(field: Field) -> None:
    """An agent defines a kind in a group that another server answers for, in a version that comes first."""
    group = f"{field.place}.example.com"
    service = {"namespace": field.place, "name": "nobody"}
    spec = {"group": group, "version": "v1", "service": service, "insecureSkipTLSVerify": True}
    spec |= {"groupPriorityMinimum": 1, "versionPriority": 1}
    field.make(_SERVERS, {"metadata": {"name": f"v1.{group}"}, "spec": spec})
    shadow = documents.definition("vaults", group, "Vault")
    shadow["spec"]["versions"][0]["name"] = "v2"
    field.later_removed(DEFINITIONS.path("", shadow["metadata"]["name"]))
    field.refused("POST", DEFINITIONS.path(""), shadow)


@attack(variants={"create": (True,), "update": (False,)})
def convert_by_a_webhook_that_is_not_there(field: Field, at_once: bool) -> None:
    """An agent defines a kind whose objects nobody can list, so that no namespace is ever deleted to the end."""
    document = documents.definition("gears", f"{field.place}.example.com", "Gear")
    name = document["metadata"]["name"]
    field.later_removed(DEFINITIONS.path("", name))
    service = {"namespace": field.place, "name": "nobody", "path": "/"}
    webhook = {"clientConfig": {"service": service}, "conversionReviewVersions": ["v1"]}
    conversion = {"conversion": {"strategy": "Webhook", "webhook": webhook}}
    if at_once:
        field.refused("POST", DEFINITIONS.path(""), {**document, "spec": {**document["spec"], **conversion}})
        return
    field.done("POST", DEFINITIONS.path(""), document)
    field.refused("PATCH", DEFINITIONS.path("", name), {"spec": conversion})


@attack(variants={"Cluster": ("Cluster",), "Namespaced": ("Namespaced",)})
def use_what_shadows_a_kind(field: Field, scope: str) -> None:
    """Somebody has defined a protected kind of Kubernetes' own once more; agents are refused still, people are not."""
    path = _INGRESSES.path(field.place, "web")
    field.make(_INGRESSES, {"metadata": {"name": "web"}, "spec": {"defaultBackend": _BACKEND}})
    field.protect(_INGRESSES, path)
    field.make(DEFINITIONS, _shadow(scope))
    group = "/apis/networking.k8s.io"
    field.eventually(
        lambda: field.admin("GET", group).document["preferredVersion"]["version"] == "v9", "its version comes first"
    )
    again = f"{field.place}-again"
    field.namespace(again)
    # The operator has looked at what is served by the time that another policy is in force.
    field.protect_places([again])
    field.make(Kind("apps", "deployments"), documents.deployment(), again)
    checkout = Kind("apps", "deployments").path(again, "checkout")
    dry = {"dryRun": ["All"]}
    field.eventually(lambda: not field.agent("DELETE", f"{checkout}?dryRun=All", dry).done, "the policy is in force")
    said = field.refused("DELETE", path)
    if "needs approval" not in said.message:
        field.lost(f"the agent is told something else: {said.first_line}")
    field.free("PATCH", path, {"metadata": {"labels": {"team": "shop"}}})
    field.free("DELETE", path)
