"""Having somebody's next apply, of an unchanged manifest, take away what an agent may not change itself."""

import json
from collections.abc import Callable
from typing import Any, Final

from tests.attacks import documents
from tests.attacks.attack import attack
from tests.attacks.callers import APPLY, JSON_PATCH
from tests.attacks.field import DEPLOYMENTS, Field

_KEPT: Final = ["example.com/attacked"]
_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
_DEPLOYER: Final = "?fieldManager=deployer&force=true"


def _named(**metadata: Any) -> str:
    """What was applied last, as if it had held more."""
    manifest = documents.deployment()
    return json.dumps(manifest | {"metadata": manifest["metadata"] | metadata})


def _standing(field: Field) -> tuple[str, dict[str, Any]]:
    """A Deployment that a person applies, by client and by server, and that a controller keeps by a finalizer."""
    field.deployment(annotations={_LAST_APPLIED: _named()})
    path = DEPLOYMENTS.path(field.place, "checkout")
    field.free("PATCH", path + _DEPLOYER, documents.deployment(), APPLY)
    field.free("PATCH", path + "?fieldManager=keeper", {"metadata": {"finalizers": _KEPT}})
    field.later_removed(path)
    return path, field.lasts(path)


def _seen(field: Field, path: str) -> None:
    """See that the person's next apply, of the same manifest, leaves the finalizer, and what was applied last too."""
    applied = field.free("PATCH", path + _DEPLOYER, documents.deployment(), APPLY).document["metadata"]
    if applied.get("finalizers") != _KEPT:
        field.lost("a person's next apply has taken its finalizer away")
    if applied["annotations"][_LAST_APPLIED] != _named():
        field.lost("a person's next client-side apply takes away what was not in the manifest")


_NAMES: Final = {
    "a-field": (_LAST_APPLIED, _named(finalizers=_KEPT)),
    "a-null": (_LAST_APPLIED, _named(finalizers=None)),
    "nothing-readable": (_LAST_APPLIED, "[]"),
    "to-kapp": ("kapp.k14s.io/original", _named(finalizers=_KEPT)),
}


@attack(variants=_NAMES)
def name_as_last_applied(field: Field, key: str, value: str) -> None:
    """An agent writes into the annotation of what was applied last that it held more than it did."""
    path, _ = _standing(field)
    field.refused("PATCH", path, {"metadata": {"annotations": {key: value}}})
    _seen(field, path)


def _merging(field: Field, path: str, _: dict[str, Any], entries: list[Any]) -> None:
    field.refused("PATCH", path, {"metadata": {"managedFields": entries}})


def _patching(field: Field, path: str, _: dict[str, Any], entries: list[Any]) -> None:
    field.refused("PATCH", path, [{"op": "replace", "path": "/metadata/managedFields", "value": entries}], JSON_PATCH)


def _replacing(field: Field, path: str, stored: dict[str, Any], entries: list[Any]) -> None:
    metadata = {key: value for key, value in stored["metadata"].items() if key != "resourceVersion"}
    field.refused("PUT", path, stored | {"metadata": metadata | {"managedFields": entries}})


_Sending = Callable[[Field, str, dict[str, Any], list[Any]], None]


@attack(variants={"by-merge-patch": (_merging,), "by-JSON-patch": (_patching,), "by-replacing": (_replacing,)})
def give_a_field_to_who_applies(field: Field, send: _Sending) -> None:
    """An agent sends managedFields by which the person owns a controller's field, and the controller does not."""
    path, stored = _standing(field)
    entries = [entry for entry in stored["metadata"]["managedFields"] if entry["manager"] != "keeper"]
    applied = next(entry for entry in entries if entry["operation"] == "Apply")
    applied["fieldsV1"].setdefault("f:metadata", {})["f:finalizers"] = {f'v:"{_KEPT[0]}"': {}}
    send(field, path, stored, entries)
    _seen(field, path)


@attack(variants={"as-documented": ([{}],), "with-nothing": ([],)})
def clear_who_owns_what(field: Field, entries: list[Any]) -> None:
    """An agent clears managedFields, so that whoever applies next is told of no other manager."""
    path, stored = _standing(field)
    _patching(field, path, stored, entries)
    _seen(field, path)


@attack()
def leave_a_field_to_who_applies(field: Field) -> None:
    """An agent applies a controller's field in the person's name, and then has the controller lose it."""
    path, _ = _standing(field)
    manifest = documents.deployment()
    more = manifest | {"metadata": manifest["metadata"] | {"finalizers": _KEPT}}
    field.done("PATCH", path + _DEPLOYER, more, APPLY)
    entries = field.lasts(path)["metadata"]["managedFields"]
    _merging(field, path, {}, [entry for entry in entries if entry["manager"] != "keeper"])
    _seen(field, path)


@attack()
def pass_a_manager_off_as_kubectl(field: Field) -> None:
    """An agent writes what was applied last as a controller would: kubectl then takes that one's fields for its own."""
    path, _ = _standing(field)
    body = {"metadata": {"annotations": {_LAST_APPLIED: _named() + " "}}}
    field.refused("PATCH", path + "?fieldManager=keeper", body)
    _seen(field, path)


@attack()
def name_as_applied_for_the_first_time(field: Field) -> None:
    """An agent writes into what was applied last, where nobody has applied, what a controller has set."""
    field.deployment()
    path = DEPLOYMENTS.path(field.place, "checkout")
    field.free("PATCH", path + "?fieldManager=keeper", {"metadata": {"finalizers": _KEPT}})
    field.later_removed(path)
    field.done("PATCH", path + "?fieldManager=kubectl&force=true", documents.deployment(), APPLY)
    field.refused("PATCH", path, {"metadata": {"annotations": {_LAST_APPLIED: _named(finalizers=_KEPT)}}})
    if _LAST_APPLIED in field.lasts(path)["metadata"].get("annotations", {}):
        field.lost("a person's first client-side apply takes away what was not in the manifest")


@attack()
def forget_what_was_applied(field: Field) -> None:
    """An agent takes off what a person has applied by client, to write anew that Helm's fields had been in it."""
    path, _ = _standing(field)
    manifest = documents.deployment()
    more = manifest | {"spec": manifest["spec"] | {"revisionHistoryLimit": 3}}
    field.free("PATCH", path + "?fieldManager=helm&force=true", more, APPLY)
    field.refused("PATCH", path, {"metadata": {"annotations": {_LAST_APPLIED: None}}})
    if field.lasts(path)["metadata"].get("annotations", {}).get(_LAST_APPLIED) != _named():
        field.lost("what a person has applied last is not known any more")
