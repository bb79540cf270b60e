"""Having the garbage collector delete it: by an owner that is not there, that goes, that ends by itself."""

from typing import Any, Final

from tests.attacks import documents
from tests.attacks.attack import attack
from tests.attacks.documents import GHOST, owned_by, owner
from tests.attacks.field import CONFIG_MAPS, DEFINITIONS, DEPLOYMENTS, JOBS, NAMESPACES, SERVICES, Field, Kind

_ORPHANED = 2.0
"""Seconds for which it must outlive an owner: the garbage collector takes it within a tenth of that."""


def _checkout(field: Field) -> str:
    return DEPLOYMENTS.path(field.place, "checkout")


def _owned(field: Field, kind: Kind = CONFIG_MAPS, named: str = "ConfigMap", version: str = "v1") -> dict[str, Any]:
    """A Deployment that belongs to another object, both a person's; give the owner."""
    made = field.make(kind, {"apiVersion": version, "kind": named, "metadata": {"name": "owner"}})
    field.deployment()
    field.free("PATCH", _checkout(field), owned_by(owner(made, named, version)))
    path = kind.path(field.place, "owner")
    # An ownerReference is known some milliseconds after it was written.
    field.eventually(
        lambda: not field.agent("DELETE", f"{path}?dryRun=All", {"dryRun": ["All"]}).done, "it is known", 5
    )
    return made


@attack(variants={"object": ("",), "status": ("/status",)})
def give_it_to_nobody(field: Field, below: str) -> None:
    """An agent gives it an owner that does not exist."""
    field.deployment()
    field.refused("PATCH", _checkout(field) + below, owned_by(GHOST))
    field.lasts(_checkout(field), _ORPHANED)


@attack()
def give_it_to_something_of_ones_own(field: Field) -> None:
    """An agent gives it an owner that the agent may delete."""
    field.deployment()
    made = field.done("POST", CONFIG_MAPS.path(field.place), {"metadata": {"name": "mine"}})
    field.refused("PATCH", _checkout(field), owned_by(owner(dict(made.document), "ConfigMap")))
    field.lasts(_checkout(field))


@attack()
def give_it_to_what_ends_by_itself(field: Field) -> None:
    """An agent gives it to a Deployment that belongs to a Job that ends, and is removed, by itself."""
    field.deployment()
    job = {
        "metadata": {"name": "short"},
        "spec": {
            "activeDeadlineSeconds": 1,
            "ttlSecondsAfterFinished": 1,
            "backoffLimit": 0,
            "template": {"spec": {"restartPolicy": "Never", "containers": documents.CONTAINERS}},
        },
    }
    ending = field.done("POST", JOBS.path(field.place), job)
    above = owner(dict(ending.document), "Job", "batch/v1")
    trap = field.done("POST", DEPLOYMENTS.path(field.place), documents.deployment("trap", ownerReferences=[above]))
    given = owned_by(owner(dict(trap.document), "Deployment", "apps/v1"))
    field.refused("PATCH", _checkout(field), given)
    field.lasts(_checkout(field), _ORPHANED)


_WRITTEN_OUT = ("Delete", "ScaleToZero", "RemoveFinalizers")


@attack(
    variants={
        "owner": (owned_by(GHOST),),
        "mark-of-Kyverno": ({"metadata": {"labels": {"cleanup.kyverno.io/ttl": "1s"}}},),
        "mark-of-kube-janitor": ({"metadata": {"annotations": {"janitor/ttl": "1s"}}},),
    }
)
def end_it_by_what_no_policy_asks_about(field: Field, patch: dict[str, Any]) -> None:
    """An agent gives it an owner or a mark that ends it, under a policy that asks about neither."""
    field.make(SERVICES, {"metadata": {"name": "shop"}, "spec": {"ports": [{"port": 80}]}})
    path = SERVICES.path(field.place, "shop")
    field.protect(SERVICES, path, actions=_WRITTEN_OUT)
    field.free_work()
    field.refused("PATCH", path, patch)
    field.lasts(path, _ORPHANED)


@attack()
def take_its_controller_away(field: Field) -> None:
    """An agent takes away the owner whose controller keeps it as it is."""
    _owned(field)
    field.refused("PATCH", _checkout(field), {"metadata": {"ownerReferences": None}})
    field.lasts(_checkout(field))


@attack()
def give_the_namespace_to_nobody(field: Field) -> None:
    """An agent gives the namespace around it an owner that does not exist."""
    field.deployment()
    path = NAMESPACES.path("", field.place)
    field.refused("PATCH", path, owned_by(GHOST))
    field.refused("PATCH", f"{path}/status", owned_by(GHOST))
    field.lasts(path, _ORPHANED)


_WAYS = {"background": "Background", "foreground": "Foreground"}


@attack(variants={name: (way,) for name, way in _WAYS.items()})
def delete_its_owner(field: Field, way: str) -> None:
    """An agent deletes what owns it, of a kind that no policy names."""
    _owned(field)
    field.refused("DELETE", CONFIG_MAPS.path(field.place, "owner"), {"propagationPolicy": way})
    field.lasts(_checkout(field), _ORPHANED)


@attack()
def delete_its_owner_among_others(field: Field) -> None:
    """An agent deletes a collection with its owner in it."""
    _owned(field)
    field.refused("DELETE", CONFIG_MAPS.path(field.place))
    field.lasts(_checkout(field), _ORPHANED)


@attack()
def delete_its_owners_definition(field: Field) -> None:
    """An agent deletes the definition of what owns it; asking for orphans changes nothing there."""
    group = f"{field.place}.example.com"
    field.make(DEFINITIONS, documents.definition("stacks", group, "Stack"))
    _owned(field, Kind(group, "stacks"), "Stack", f"{group}/v1")
    for way in ("Background", "Orphan"):
        field.refused("DELETE", DEFINITIONS.path("", f"stacks.{group}"), {"propagationPolicy": way})
    field.lasts(_checkout(field), _ORPHANED)


def _former(field: Field) -> dict[str, Any]:
    """An owner of a kind that nobody serves, as what was restored from another cluster names it."""
    return {**GHOST, "apiVersion": f"{field.place}.example.com/v1", "kind": "Stack"}


def _serving(field: Field, plural: str, kind: str, scope: str = "Namespaced", *, served: bool = True) -> dict[str, Any]:
    """A definition in the group of ``_former``, whoever makes it."""
    made = documents.definition(plural, f"{field.place}.example.com", kind, scope, served=served)
    field.later_removed(DEFINITIONS.path("", made["metadata"]["name"]))
    return made


@attack(variants={"create": (True,), "update": (False,)})
def have_the_kind_of_its_owner_served(field: Field, new: bool) -> None:
    """An agent has the kind served of which it names an owner: the garbage collector finds none, and deletes it."""
    if not new:
        field.make(DEFINITIONS, _serving(field, "stacks", "Stack", served=False))
    field.deployment(ownerReferences=[_former(field)])
    field.free_work()
    made = _serving(field, "stacks", "Stack")
    if new:
        # Another kind of the group leaves it unanswered.
        field.done("POST", DEFINITIONS.path(""), _serving(field, "blocks", "Block"))
        field.refused("POST", DEFINITIONS.path(""), made)
    else:
        field.refused("PATCH", DEFINITIONS.path("", made["metadata"]["name"]), {"spec": made["spec"]})
    field.lasts(_checkout(field), _ORPHANED)


@attack()
def have_the_kind_of_its_namespaces_owner_served(field: Field) -> None:
    """An agent has the kind served of which the namespace around it names an owner."""
    around = f"{field.place}-owned"
    field.make(NAMESPACES, {"metadata": {"name": around, "ownerReferences": [_former(field)]}})
    field.make(DEPLOYMENTS, documents.deployment(), around)
    field.protect(DEPLOYMENTS, DEPLOYMENTS.path(around, "checkout"), NAMESPACES, place=around)
    field.free_work()
    field.refused("POST", DEFINITIONS.path(""), _serving(field, "stacks", "Stack", "Cluster"))
    field.lasts(DEPLOYMENTS.path(around, "checkout"), _ORPHANED)


@attack()
def give_its_owner_away(field: Field) -> None:
    """An agent puts an owner over its owner."""
    _owned(field)
    made = field.done("POST", CONFIG_MAPS.path(field.place), {"metadata": {"name": "mine"}})
    path = CONFIG_MAPS.path(field.place, "owner")
    field.refused("PATCH", path, owned_by(owner(dict(made.document), "ConfigMap")))
    field.refused("PATCH", path, owned_by(GHOST))
    field.lasts(_checkout(field), _ORPHANED)


@attack()
def let_its_owner_go(field: Field) -> None:
    """An agent takes the last finalizer from its owner, which a person has deleted, or deletes that again."""
    path = CONFIG_MAPS.path(field.place, "owner")
    _owned(field)
    field.free("PATCH", path, {"metadata": {"finalizers": ["example.com/held"]}})
    field.later_removed(path)
    field.free("DELETE", path)
    field.refused("PATCH", path, {"metadata": {"finalizers": None}})
    field.refused("DELETE", path, {"propagationPolicy": "Background"})
    field.lasts(_checkout(field), _ORPHANED)


@attack()
def have_its_owner_end_by_itself(field: Field) -> None:
    """An agent gives a finished Job, which owns it, a time to live."""
    job = {
        "metadata": {"name": "owner"},
        "spec": {
            "suspend": True,
            "template": {"spec": {"restartPolicy": "Never", "containers": documents.CONTAINERS}},
        },
    }
    made = field.make(JOBS, job)
    field.deployment()
    field.free("PATCH", _checkout(field), owned_by(owner(made, "Job", "batch/v1")))
    path = JOBS.path(field.place, "owner")
    field.eventually(
        lambda: not field.agent("DELETE", f"{path}?dryRun=All", {"dryRun": ["All"]}).done, "it is known", 5
    )
    field.refused("PATCH", path, {"spec": {"ttlSecondsAfterFinished": 1}})
    field.refused("PATCH", path, {"spec": {"ttlSecondsAfterFinished": 0, "activeDeadlineSeconds": 1, "suspend": False}})
    field.lasts(_checkout(field), _ORPHANED)


_TOLD: Final[dict[str, tuple[dict[str, str]]]] = {
    "name": ({"name": "ghost"},),
    "kind": ({"kind": "Secret"},),
    "group": ({"apiVersion": "example.com/v1"},),
}


@attack(variants=_TOLD)
def tell_of_an_owner_otherwise(field: Field, false: dict[str, str]) -> None:
    """An agent tells of what owns its object another group, kind or name, which is not there, though the uid is."""
    field.deployment()
    made = field.done("POST", CONFIG_MAPS.path(field.place), {"metadata": {"name": "above"}})
    told = owner(dict(made.document), "ConfigMap")
    below = {"metadata": {"name": "below", "ownerReferences": [told]}}
    field.done("POST", CONFIG_MAPS.path(field.place), below)
    path = CONFIG_MAPS.path(field.place, "below")
    field.refused("PATCH", path, owned_by(told | false))
    field.refused("PATCH", path, owned_by(told, told | false))
    twice = {"metadata": {"name": "twice", "ownerReferences": [told, told | false]}}
    field.refused("POST", CONFIG_MAPS.path(field.place), twice)
    field.free("PATCH", path, owned_by(told | false))
    field.done("PATCH", path, {"metadata": {"labels": {"a": "b"}}})
    field.done("PATCH", path, {"metadata": {"ownerReferences": None}})


@attack()
def make_something_under_it(field: Field) -> None:
    """An agent makes another Deployment below it, so that an approval of its deletion is not enough any more."""
    stored = field.deployment()
    below = documents.deployment("below", ownerReferences=[owner(stored, "Deployment", "apps/v1")])
    field.refused("POST", DEPLOYMENTS.path(field.place), below)
