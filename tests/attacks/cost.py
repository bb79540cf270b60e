"""Objects that cost the API server more than it gives a condition: it would refuse whoever writes them, people too."""

import time

from tests.attacks import documents
from tests.attacks.attack import attack
from tests.attacks.field import CONFIG_MAPS, DEPLOYMENTS, PODS, Field

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


_HELD = 70


@attack()
def have_a_pod_own_very_much(field: Field) -> None:
    """A pod owns more than is looked through; an agent still rolls out and sizes what is not above it."""
    field.deployment()
    field.account()
    pod = field.make(PODS, documents.pod("driver", schedulerName="nobody"))
    for number in range(_HELD):
        held = {"metadata": {"name": f"held-{number}", "ownerReferences": [documents.owner(pod, "Pod")]}}
        field.make(CONFIG_MAPS, held)
    field.protect(CONFIG_MAPS, CONFIG_MAPS.path(field.place, "held-0"))
    path = PODS.path(field.place, "driver")

    def known() -> bool:
        said = field.agent("DELETE", f"{path}?dryRun=All", {"dryRun": ["All"]})
        return not said.done and "not known" not in said.message

    field.eventually(known, "it is known what the pod owns")
    field.refused("DELETE", path)
    template = {"spec": {"template": {"metadata": {"annotations": {"a": "b"}}}}}
    for change in (template, {"spec": {"replicas": 3}}, {"spec": {"replicas": 1}}):
        answer = field.agent("PATCH", DEPLOYMENTS.path(field.place, "checkout"), change)
        if not answer.done:
            field.lost(f"what belongs to another's pod hinders a rollout: {answer.first_line}")
    field.lasts(path)
