"""The rights by which somebody ends what a policy protects on the word of another object: the table, read as rights.

Whoever is no agent may do so unasked. So these rights count like the one to delete what is ended.
"""

import functools
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from seconder.admission.indirect import parents, table
from seconder.admission.indirect.aliases import Alias
from seconder.admission.indirect.deleter import Deleter
from seconder.admission.kinds import SCALED, makers
from seconder.admission.policy_index import protects
from seconder.admission.powers import EDITS, ENDS
from seconder.admission.request import Operation
from seconder.api.policy import Policy
from seconder.api.resources import ANY, NAMESPACES, PODS, GroupResource

_VERBS: Final = {
    Operation.CREATE: frozenset({"create"}),
    Operation.UPDATE: EDITS,
    Operation.DELETE: ENDS,
    Operation.CONNECT: frozenset[str](),
}


class Means(Struct, frozen=True):
    """The right to some verbs on a kind, or on a subresource of it.

    ``only_in``: the namespace in which it counts; empty for any. ``far``: it ends what is in other namespaces
    than the object, too. ``namespaced`` is false where it is known that the kind is not.
    """

    resource: GroupResource
    part: str
    verbs: frozenset[str]
    only_in: str
    far: bool
    namespaced: bool

    def counts_in(self, namespace: str) -> bool:
        """Whether it counts where it is had in a namespace; without one, everywhere."""
        return not namespace or (self.namespaced and self.only_in in {"", namespace})

    def place(self, namespace: str) -> str:
        """Where the authorizer is asked about it, for somebody in a namespace."""
        return (self.only_in or namespace) if self.namespaced else ""


def of(policy: Policy, installed: tuple[Alias, ...]) -> Sequence[Means]:
    """The rights by which what a policy protects is ended. ``installed``: the kinds that stand for namespaces."""
    return _of(policy.resources.union(policy.resolved), installed) if protects(policy) else ()


def of_owner(owner: GroupResource) -> frozenset[str]:
    """The verbs by which what an object of this kind owns is ended: see ``parents``."""
    return ENDS if owner in parents.INERT else ENDS | EDITS


@functools.lru_cache(64)
def _of(named: frozenset[GroupResource], installed: tuple[Alias, ...]) -> Sequence[Means]:
    lost = named | {kind.resource for kind in makers(named)} | table.deleting(named, installed)
    found: dict[Means, None] = {}
    for rows in table.deleters(installed).values():
        for row in rows:
            if row.alone and _ends_some_of(row, lost):
                found |= dict.fromkeys(_means(row))
    return tuple(found)


def _ends_some_of(row: Deleter, lost: Iterable[GroupResource]) -> bool:
    kinds = _kinds(row)
    return not kinds or any(
        name.group in {kind.group, ANY} and name.resource in {kind.resource, ANY} for name in lost for kind in kinds
    )


def _kinds(row: Deleter) -> frozenset[GroupResource]:
    """Of what it may end objects; none for all that is protected: a namespace takes along what is in it."""
    kinds = row.only if row.kinds is None else row.kinds
    return frozenset() if kinds is None or NAMESPACES in kinds else kinds


def _means(row: Deleter) -> Iterable[Means]:
    far = row.far or bool(row.only_in) or not _kinds(row)
    verbs = frozenset[str]().union(*(_VERBS[operation] for operation in row.operations))
    yield Means(row.resource, row.part, verbs, row.only_in, far, row.namespaced)
    if Operation.UPDATE in row.operations and not row.part:
        for part in _parts(row.resource):
            yield Means(row.resource, part, EDITS, row.only_in, far, row.namespaced)


def _parts(resource: GroupResource) -> Sequence[str]:
    """The subresources by which an object of a kind is written."""
    if resource == PODS:
        return ("resize", "status")
    return ("scale", "status") if resource in SCALED else ("status",)
