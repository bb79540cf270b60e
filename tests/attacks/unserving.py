"""Hiding protected objects from whoever looks: what cannot be seen is not absent."""

from tests.attacks import documents
from tests.attacks.attack import attack
from tests.attacks.field import DEFINITIONS, NAMESPACES, Field, Kind


@attack()
def unserve_and_delete_the_namespace(field: Field) -> None:
    """An agent stops serving a protected kind, deletes a namespace that holds such an object, and serves it again."""
    group = f"{field.place}.example.com"
    field.make(DEFINITIONS, documents.definition("gears", group, "Gear"))
    gears = Kind(group, "gears")
    field.make(gears, {"apiVersion": f"{group}/v1", "kind": "Gear", "metadata": {"name": "precious"}})
    precious = gears.path(field.place, "precious")
    field.protect(gears, precious)
    definition = DEFINITIONS.path("", f"gears.{group}")
    namespace = NAMESPACES.path("", field.place)

    def served(yes: bool) -> object:
        document = documents.definition("gears", group, "Gear", served=yes)
        return {"spec": {"versions": document["spec"]["versions"]}}

    field.refused("DELETE", namespace)
    if not field.agent("PATCH", definition, served(False)).done:
        # The definition is protected too. A person may stop serving it all the same.
        field.refused("PATCH", definition, served(False))
        field.free("PATCH", definition, served(False))
    field.eventually(lambda: field.admin("GET", precious).code == 404, "it is not served any more")
    try:
        field.refused("DELETE", namespace)
        field.lasts(namespace)
    finally:
        field.admin("PATCH", definition, served(True))
    field.eventually(lambda: field.admin("GET", gears.path(field.place)).done, "it is served again")
    field.lasts(precious)
