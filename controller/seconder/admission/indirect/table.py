"""The table of indirect deleters: (kind, field or verb) -> what it ends.

Rows that rules of their own see, since there is more to say about them, stand in ``ELSEWHERE``.
"""

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from seconder.admission.indirect import (
    addresses,
    adoption,
    aliased,
    aliases,
    autoscalers,
    bindings,
    chosen,
    claiming,
    claims,
    daemons,
    defaults,
    definitions,
    devices,
    hosts,
    nodes,
    programs,
    repelling,
    rivals,
    routes,
    scaling,
    standing,
    tokens,
    unions,
    volumes,
)
from seconder.admission.indirect.aliases import Alias
from seconder.admission.indirect.deleter import Deleter
from seconder.api.resources import GroupResource

_BUILT_IN: Final = (
    claims.DELETER,
    claims.JOINED,
    *claims.NAMED,
    *claims.AUTOSCALED,
    *autoscalers.DELETERS,
    *adoption.ADOPTERS,
    *standing.DELETERS,
    *chosen.DELETERS,
    *rivals.DELETERS,
    *claiming.DELETERS,
    *nodes.BINDINGS,
    *bindings.DELETERS,
    *volumes.DELETERS,
    nodes.DELETER,
    daemons.DELETER,
    nodes.LEASES,
    nodes.DRIVERS,
    *devices.DELETERS,
    tokens.DELETER,
    addresses.DELETER,
    *definitions.DELETERS,
    *defaults.DELETERS,
    *routes.DELETERS,
    hosts.DELETER,
    unions.DELETER,
    *repelling.DELETERS,
    *programs.DELETERS,
    volumes.WITHIN,
    aliased.WITHIN,
)


class Elsewhere(NamedTuple):
    """A row that a rule of its own sees: ``rule`` is its name."""

    kind: str
    by: str
    ends: str
    reason: str
    rule: str


ELSEWHERE: Final = (
    Elsewhere("pods", "eviction", "the pod", "the API server deletes it", "eviction"),
    Elsewhere("namespaces", "its deletion", "all that is in it", "the namespace controller deletes it", "deletion"),
    Elsewhere(
        "customresourcedefinitions.apiextensions.k8s.io",
        "its deletion",
        "all objects of the kind",
        "the API server deletes them",
        "deletion",
    ),
    *(
        Elsewhere(
            str(kind),
            f"`{least}`, in whatever is not free of it",
            "the pods of its workload; where that one's size is not free, a change to its least and to its most; one to"
            " come, where it would hold the size that there is, which no peer can approve",
            "its controller scales it",
            "autoscaler",
        )
        for kind, least in zip(scaling.SIZERS, ("minReplicas: 0", "minReplicaCount: 0"), strict=True)
    ),
    Elsewhere(
        "replicasets.apps",
        "its deletion; other labels or owners",
        "the pods of its Deployment",
        "a paused Deployment makes none anew, and lets go of one that it does not select",
        "controller-owner",
    ),
    Elsewhere(
        "any kind",
        "an owner, or a mark or a field on whose word it is deleted, where its policy's `actions` are without"
        " `ChangeOwners` or `Change`",
        "the object itself",
        "the garbage collector, some program or its own controller deletes it",
        "dependents",
    ),
    Elsewhere(
        "any kind", "its deletion, or an owner", "what it owns", "the garbage collector deletes it", "dependents"
    ),
    Elsewhere(
        "customresourcedefinitions.apiextensions.k8s.io",
        "its creation",
        "what names an owner of a kind that it has served",
        "the garbage collector looks for that owner from then on, and finds none",
        "dependents",
    ),
    Elsewhere(
        "any kind",
        "a field that is not free on its kind; a rollout, or fewer replicas",
        "what it owns",
        "its own controller ends it: a history limit, `suspend`, a time to live, another template",
        "dependents",
    ),
    Elsewhere(
        "jobs.batch",
        "`ttlSecondsAfterFinished`",
        "the Job, and what it owns",
        "its controller deletes it once it is finished",
        "dependents",
    ),
)


@functools.lru_cache(8)
def deleters(installed: tuple[Alias, ...] = aliases.BUILT_IN) -> Mapping[GroupResource, Sequence[Deleter]]:
    """The rows by their kinds. ``installed``: the kinds that stand for namespaces."""
    rows: dict[GroupResource, list[Deleter]] = {}
    for row in (*_BUILT_IN, *map(aliased.deleter, installed)):
        rows.setdefault(row.resource, []).append(row)
    return rows


def ending(named: Iterable[GroupResource], installed: tuple[Alias, ...]) -> frozenset[GroupResource]:
    """The other kinds with whose objects, when they go, some of these end; and those with which such do."""
    return _above(frozenset(named), installed, lambda row: row.ended if row.goes_along else frozenset())


def deleting(named: Iterable[GroupResource], installed: tuple[Alias, ...]) -> frozenset[GroupResource]:
    """Those of them with whose objects some of these are deleted."""
    return _above(frozenset(named), installed, lambda row: row.deletes)


def _above(
    named: frozenset[GroupResource],
    installed: tuple[Alias, ...],
    takes: Callable[[Deleter], frozenset[GroupResource]],
) -> frozenset[GroupResource]:
    found, below = named, named
    while below:
        rows = deleters(installed).items()
        below = frozenset(each for each, own in rows if any(takes(row) & below for row in own)) - found
        found |= below
    return found - named
