"""Roles and bindings of rbac.authorization.k8s.io/v1, as far as it matters who is given what."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct

from seconder.api.resources import GroupResource
from seconder.api.type_reader import TypeReader

GROUP: Final = "rbac.authorization.k8s.io"
ROLES: Final = frozenset({GroupResource(GROUP, "roles"), GroupResource(GROUP, "clusterroles")})
BINDINGS: Final = frozenset({GroupResource(GROUP, "rolebindings"), GroupResource(GROUP, "clusterrolebindings")})


class Rule(Struct, rename="camel", frozen=True):
    """What a role allows, with ``*`` for any.

    ``resource_names`` tell one rule from another, and nothing else: a rule gives no more with them than without.
    """

    api_groups: frozenset[str] | None = frozenset()
    resources: frozenset[str] | None = frozenset()
    verbs: frozenset[str] | None = frozenset()
    resource_names: frozenset[str] | None = None

    @property
    def groups(self) -> frozenset[str]:
        """``apiGroups``; none for null."""
        return self.api_groups or frozenset()

    @property
    def plurals(self) -> frozenset[str]:
        """``resources``, with their subresources; none for null."""
        return self.resources or frozenset()

    def allows(self, verbs: frozenset[str]) -> bool:
        """Whether it allows one of these verbs."""
        given = self.verbs or frozenset()
        return "*" in given or not verbs.isdisjoint(given)


class Subject(Struct, frozen=True):
    """To whom a binding gives its role. ``kind`` is User, Group or ServiceAccount."""

    kind: str
    name: str
    namespace: str = ""


class RoleRef(NamedTuple):
    """Which role a binding gives. ``namespace`` is empty for a ClusterRole."""

    namespace: str
    name: str


class _Labelled(Struct):
    labels: Mapping[str, str] | None = None


class Role(Struct, rename="camel"):
    """A Role or ClusterRole. By its labels others may gather its rules; ``aggregation_rule``: how it gathers theirs."""

    rules: frozenset[Rule] | None = None
    aggregation_rule: dict[str, Any] | None = None
    metadata: _Labelled = msgspec.field(default_factory=_Labelled)


class _RoleRef(Struct):
    kind: str
    name: str


class Binding(Struct, rename="camel"):
    """A RoleBinding or ClusterRoleBinding."""

    role_ref: _RoleRef
    subjects: frozenset[Subject] | None = None

    def role(self, namespace: str) -> RoleRef:
        """The role that it gives. ``namespace`` is the binding's own."""
        return RoleRef("" if self.role_ref.kind == "ClusterRole" else namespace, self.role_ref.name)


_role: Final = TypeReader(Role)


def rules(document: Any) -> list[Rule]:
    """The rules of a role as the API server gives it. Raises msgspec.ValidationError."""
    return list(_role.convert(document).rules or ())
