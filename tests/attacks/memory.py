"""Objects so large, and so many, that whoever keeps them in memory is killed: the guard still answers afterwards."""

import time
from typing import Any

from tests.attacks import documents
from tests.attacks.attack import attack
from tests.attacks.field import CONFIG_MAPS, DEFINITIONS, DEPLOYMENTS, Field, Kind

_MANY = 12
_LABELS = documents.values(15_000, 63)
"""About 1.1 MB."""
_SLOW = 8.0


@attack(variants={"workloads": ("apps", "deployments"), "ConfigMaps": ("", "configmaps")})
def make_many_large_objects(field: Field, group: str, plural: str) -> None:
    """An agent makes dozens of objects with a megabyte of labels each; the guard still answers, and in time."""
    field.deployment()
    kind = Kind(group, plural)
    for number in range(_MANY):
        name = f"large-{number}"
        large: dict[str, Any] = documents.deployment(name, 0) if group else {"metadata": {"name": name}}
        large["metadata"]["labels"] = _LABELS
        answer = field.agent("POST", kind.path(field.place), large)
        if not answer.done:
            field.refused("POST", kind.path(field.place), large)
            break
    path = DEPLOYMENTS.path(field.place, "checkout")
    started = time.monotonic()
    field.refused("DELETE", path)
    field.lasts(path)
    field.free("PATCH", path, {"metadata": {"labels": {"touched": "yes"}}})
    if time.monotonic() - started > _SLOW:
        field.lost(f"an answer takes {time.monotonic() - started:.0f} s")
    # One by one, since a collection of this size is read as a whole.
    for number in range(_MANY):
        field.admin("DELETE", kind.path(field.place, f"large-{number}"))


@attack()
def make_many_large_definitions(field: Field) -> None:
    """An agent makes a dozen definitions of a megabyte each; what people protect afterwards is protected."""
    for number in range(_MANY):
        large = documents.definition(f"large{number}s", f"{field.place}.example.com", f"Large{number}", served=False)
        column = {"name": "x", "type": "string", "jsonPath": ".x", "description": "x" * 1_000_000}
        large["spec"]["versions"][0]["additionalPrinterColumns"] = [column]
        field.later_removed(DEFINITIONS.path("", large["metadata"]["name"]))
        if not field.agent("POST", DEFINITIONS.path(""), large).done:
            field.refused("POST", DEFINITIONS.path(""), large)
            break
    path = CONFIG_MAPS.path(field.place, "kept")
    field.make(CONFIG_MAPS, {"metadata": {"name": "kept"}})
    field.protect(CONFIG_MAPS, path)
    field.refused("DELETE", path)
    field.lasts(path)
