"""Roles and bindings of rbac.authorization.k8s.io, as far as it matters who is given what."""

from typing import Final, NamedTuple

from msgspec import Struct

GROUP: Final = "rbac.authorization.k8s.io"


class Rule(NamedTuple):
    """What a role allows, with ``*`` for any. Its ``resourceNames`` are left out: a rule never gives more with them."""

    groups: frozenset[str]
    resources: frozenset[str]
    verbs: frozenset[str]


class Role(Struct, frozen=True, gc=False):
    """A Role or ClusterRole. By its ``labels`` others may gather its rules; ``gathers``: how it gathers theirs."""

    rules: frozenset[Rule]
    labels: frozenset[tuple[str, str]] = frozenset()
    gathers: bytes = b""


class Subject(NamedTuple):
    """To whom a binding gives its role. ``kind`` is User, Group or ServiceAccount."""

    kind: str
    namespace: str
    name: str


class RoleRef(NamedTuple):
    """Which role a binding gives. ``namespace`` is empty for a ClusterRole."""

    namespace: str
    name: str


class RoleEdit(Struct, frozen=True, gc=False):
    """A role that is written. ``before`` is None when it is new."""

    before: Role | None
    after: Role


class BindingEdit(Struct, frozen=True, gc=False):
    """A binding that is written or deleted. ``added``: the subjects that it did not have before."""

    role: RoleRef
    added: frozenset[Subject]
