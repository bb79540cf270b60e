"""Taking away what keeps it."""

from tests.attacks.attack import attack
from tests.attacks.field import DEPLOYMENTS, NAMESPACES, Field


@attack(variants={"object": ("",), "status": ("/status",)})
def remove_finalizers(field: Field, below: str) -> None:
    """An agent takes the last finalizer from what a person has deleted."""
    field.deployment(finalizers=["example.com/backup"])
    checkout = DEPLOYMENTS.path(field.place, "checkout")
    field.later_removed(checkout)
    field.free("DELETE", checkout)
    field.refused("PATCH", checkout + below, {"metadata": {"finalizers": None}})
    field.refused("PATCH", checkout + below, {"metadata": {"finalizers": []}})
    if field.admin("GET", checkout).code != 200:
        field.lost("it is gone")


@attack()
def finalize_the_namespace(field: Field) -> None:
    """An agent empties the finalizers of an active namespace, which is then gone with its content left behind."""
    field.deployment()
    path = NAMESPACES.path("", field.place)
    empty = {"metadata": {"name": field.place}, "spec": {"finalizers": []}}
    field.refused("PUT", f"{path}/finalize", empty)
    if field.lasts(path)["spec"].get("finalizers") != ["kubernetes"]:
        field.lost("its finalizers are gone")
