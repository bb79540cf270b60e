"""Objects that cost the API server more than it gives a condition: it would refuse whoever writes them, people too."""

import time

from tests.attacks import documents
from tests.attacks.attack import attack
from tests.attacks.field import CONFIG_MAPS, DEPLOYMENTS, Field

_OWNERS = 64
_SLOW = 5.0
_SLOWER = 20
"""Seconds, and how many times as long as making the object, where all is slow. The requests below took 20 s and more
where a condition looked through everything."""


@attack(variants={"few-long-ones": (_OWNERS, 7_000), "very-many": (2_000, 10)})
def make_an_object_of_heavy_owners(field: Field, count: int, size: int) -> None:
    """An agent makes a Deployment of owners that are costly to compare; a person and the garbage collector go on."""
    settings = field.make(CONFIG_MAPS, {"metadata": {"name": "settings"}})
    same = {"name": "n" * size, "kind": "K"}
    owners = [
        documents.owner(settings, "ConfigMap"),
        *(
            {"apiVersion": f"g{number}.example.com/v1", "uid": f"{number:0{size}}", **same}
            for number in range(count - 1)
        ),
    ]
    heavy = documents.deployment("heavy", 0, ownerReferences=owners)
    path = DEPLOYMENTS.path(field.place, "heavy")
    if not field.agent("POST", DEPLOYMENTS.path(field.place), heavy).done:
        field.refused("POST", DEPLOYMENTS.path(field.place), heavy)
        return
    field.later_removed(path)
    field.free("PATCH", path, {"metadata": {"ownerReferences": owners[:-1]}})
    field.free("DELETE", CONFIG_MAPS.path(field.place, "settings"), {"propagationPolicy": "Orphan"})
    left = CONFIG_MAPS.path(field.place, "settings")
    deadline = time.monotonic() + 30
    while field.admin("GET", left).code != 404:
        if time.monotonic() > deadline:
            field.lost("the garbage collector cannot take the owner away")
        time.sleep(0.1)
    field.free("DELETE", path)


@attack()
def make_an_object_of_very_many_annotations(field: Field) -> None:
    """An agent's object, or a person's, with 25,000 annotations: everybody's writes of it stay quick."""
    begun = time.monotonic()
    field.deployment(annotations={f"a{number}": "" for number in range(25_000)})
    path = DEPLOYMENTS.path(field.place, "checkout")
    started = time.monotonic()
    field.free("PATCH", path, {"metadata": {"labels": {"touched": "yes"}}})
    field.refused("DELETE", path)
    field.free("DELETE", path)
    if time.monotonic() - started > max(_SLOW, _SLOWER * (started - begun)):
        field.lost(f"three writes took {time.monotonic() - started:.0f} s")
