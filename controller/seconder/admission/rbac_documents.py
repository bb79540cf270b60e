"""Documents of rbac.authorization.k8s.io/v1 to the core's roles and bindings."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from seconder.admission.rbac import GROUP, BindingEdit, Role, RoleRef, Rule, Subject
from seconder.api.resources import GroupResource

ROLES: Final = frozenset({GroupResource(GROUP, "roles"), GroupResource(GROUP, "clusterroles")})
BINDINGS: Final = frozenset({GroupResource(GROUP, "rolebindings"), GroupResource(GROUP, "clusterrolebindings")})


class _Rule(msgspec.Struct, rename="camel"):
    verbs: list[str] | None = None
    api_groups: list[str] | None = None
    resources: list[str] | None = None


class _Subject(msgspec.Struct):
    kind: str
    name: str
    namespace: str = ""


class _RoleRef(msgspec.Struct):
    kind: str
    name: str


_rules: Final = msgspec.json.Decoder(list[_Rule] | None)
_subjects: Final = msgspec.json.Decoder(list[_Subject] | None)
_role_ref: Final = msgspec.json.Decoder(_RoleRef)
_aggregation: Final = msgspec.json.Decoder(dict[str, Any] | None)


def role(found: bytes, aggregation: bytes, labels: Mapping[str, str]) -> Role:
    """Read ``rules`` and ``aggregationRule`` (JSON, ``null`` where there is none). Raises msgspec.MsgspecError."""
    gathers = _aggregation.decode(aggregation)
    return Role(
        rules=frozenset(_to_rules(_rules.decode(found) or ())),
        labels=frozenset(labels.items()),
        gathers=msgspec.json.encode(gathers, order="deterministic") if gathers else b"",
    )


def binding(role_ref: bytes, subjects: bytes, before: bytes, namespace: str) -> BindingEdit:
    """Read ``roleRef`` and ``subjects``, now and before (JSON). ``namespace`` is the binding's own.

    Raises msgspec.MsgspecError.
    """
    ref = _role_ref.decode(role_ref)
    return BindingEdit(
        role=RoleRef("" if ref.kind == "ClusterRole" else namespace, ref.name),
        added=_to_subjects(subjects) - _to_subjects(before),
    )


def rules(document: Any) -> list[Rule]:
    """Read the rules of a role as the API server gives it. Raises msgspec.ValidationError."""
    return _to_rules(msgspec.convert(document.get("rules"), list[_Rule] | None) or ())


def _to_rules(found: Iterable[_Rule]) -> list[Rule]:
    return [
        Rule(frozenset(each.api_groups or ()), frozenset(each.resources or ()), frozenset(each.verbs or ()))
        for each in found
    ]


def _to_subjects(found: bytes) -> frozenset[Subject]:
    return frozenset(Subject(each.kind, each.namespace, each.name) for each in _subjects.decode(found) or ())
