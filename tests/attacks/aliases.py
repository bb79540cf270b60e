"""Deleting what stands for a namespace: its own controller deletes the namespace then."""

from typing import Any, NamedTuple

from tests.attacks import documents
from tests.attacks.attack import attack
from tests.attacks.field import CONFIG_MAPS, DEFINITIONS, Field, Kind


class _Alias(NamedTuple):
    """A kind, and the fields of an object of it that stands for a namespace. None as the name: the namespace's own."""

    kind: Kind
    named: str
    named_by: tuple[str, ...] = ()
    many: bool = False


_ALIASES = {
    "OpenShift": _Alias(Kind("project.openshift.io", "projects", namespaced=False), "Project"),
    "HNC": _Alias(Kind("hnc.x-k8s.io", "subnamespaceanchors"), "SubnamespaceAnchor"),
    "Accurate": _Alias(Kind("accurate.cybozu.com", "subnamespaces"), "SubNamespace"),
    "Capsule": _Alias(
        Kind("capsule.clastix.io", "tenants", namespaced=False), "Tenant", ("status", "namespaces"), many=True
    ),
    "k3s": _Alias(Kind("helm.cattle.io", "helmcharts"), "HelmChart", ("spec", "targetNamespace")),
    "loft": _Alias(Kind("cluster.loft.sh", "spaces", namespaced=False), "Space"),
    "kiosk": _Alias(Kind("tenancy.kiosk.sh", "spaces", namespaced=False), "Space"),
}
_VARIANTS = {name: (alias,) for name, alias in _ALIASES.items()}


def _inside(alias: _Alias, name: str) -> dict[str, Any]:
    held: Any = [name] if alias.many else name
    for step in reversed(alias.named_by):
        held = {step: held}
    return held if alias.named_by else {}


def _standing(field: Field, alias: _Alias, *, of: str = "", **metadata: Any) -> tuple[str, str]:
    """An object that stands for a protected namespace, or for ``of``; give its path, and the place where it is."""
    if field.admin("GET", f"/apis/{alias.kind.group}").done:
        raise field.untried(f"this cluster has {alias.kind.plural}.{alias.kind.group} of its own")
    scope = "Namespaced" if alias.kind.namespaced else "Cluster"
    field.make(DEFINITIONS, documents.definition(alias.kind.plural, alias.kind.group, alias.named, scope))
    field.deployment()
    above = f"{field.place}-above"
    field.namespace(above)
    of = of or field.place
    named = f"{field.place}-alias" if alias.named_by else of
    body = {
        "apiVersion": f"{alias.kind.group}/v1",
        "kind": alias.named,
        "metadata": {"name": named, **metadata},
        **_inside(alias, of),
    }
    field.make(alias.kind, body, above)
    return alias.kind.path(above, named), above


@attack(variants=_VARIANTS)
def delete_an_alias(field: Field, alias: _Alias) -> None:
    """An agent deletes what stands for a protected namespace, alone and as one of many."""
    path, above = _standing(field, alias)
    field.refused("DELETE", path)
    field.refused("DELETE", alias.kind.path(above))
    field.lasts(path)


@attack(variants=_VARIANTS)
def end_an_alias_by_an_update(field: Field, alias: _Alias) -> None:
    """An agent gives it to an owner of its own, has it stand for something else, or takes its last finalizer."""
    path, above = _standing(field, alias, finalizers=["example.com/held"])
    field.later_removed(path)
    mine = field.done("POST", CONFIG_MAPS.path(above), {"metadata": {"name": "mine"}})
    field.refused("PATCH", path, documents.owned_by(documents.owner(dict(mine.document), "ConfigMap")))
    if alias.named_by:
        field.refused("PATCH", path, _inside(alias, "another"))
        field.refused("PATCH", path, {alias.named_by[0]: None})
    field.free("DELETE", path)
    field.refused("PATCH", path, {"metadata": {"finalizers": None}})


@attack(variants={"HNC": (_ALIASES["HNC"],), "k3s": (_ALIASES["k3s"],)})
def end_the_guard_by_an_alias(field: Field, alias: _Alias) -> None:
    """An agent deletes what stands for the guard's own namespace, or the namespace that holds it."""
    field.seconders_own()
    path, above = _standing(field, alias, of="seconder-system")
    field.refused("DELETE", path)
    field.refused("DELETE", f"/api/v1/namespaces/{above}")
    field.lasts(path)


@attack(variants={name: (alias,) for name, alias in _ALIASES.items() if alias.kind.namespaced})
def delete_the_namespace_of_an_alias(field: Field, alias: _Alias) -> None:
    """An agent deletes the namespace that holds what stands for another one."""
    _, above = _standing(field, alias)
    field.refused("DELETE", f"/api/v1/namespaces/{above}")
    field.lasts(f"/api/v1/namespaces/{above}")


@attack(variants={"HNC": (_ALIASES["HNC"],), "Capsule": (_ALIASES["Capsule"],)})
def delete_the_definition_of_an_alias(field: Field, alias: _Alias) -> None:
    """An agent deletes the definition of what stands for a namespace, with which go all objects of the kind."""
    path, _ = _standing(field, alias)
    definition = DEFINITIONS.path("", f"{alias.kind.plural}.{alias.kind.group}")
    field.refused_to_delete(definition)
    field.lasts(definition)
    field.lasts(path)


@attack(variants={name: (alias,) for name, alias in _ALIASES.items() if alias.kind.namespaced})
def hide_an_alias_behind_another_version(field: Field, alias: _Alias) -> None:
    """An agent defines another kind of the group, with a version that comes first, and deletes the namespace."""
    _, above = _standing(field, alias)
    other = documents.definition("others", alias.kind.group, "Other")
    other["spec"]["versions"][0]["name"] = "v9"
    field.later_removed(DEFINITIONS.path("", f"others.{alias.kind.group}"))
    field.done("POST", DEFINITIONS.path(""), other)
    first = f"/apis/{alias.kind.group}"
    field.eventually(
        lambda: field.admin("GET", first).document["preferredVersion"]["version"] == "v9", "its version comes first"
    )
    field.refused("DELETE", f"/api/v1/namespaces/{above}")
    field.lasts(f"/api/v1/namespaces/{above}")
