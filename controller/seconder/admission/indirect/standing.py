"""What stands under a protected workload is a part of it: it runs, or goes back to, what its own objects say.

So a pod, a ReplicaSet or a revision that joins it, or is changed under it, counts as its end; and so does whatever of
its own it does not make anew: a name that is taken, a pod that it selects no more, a pod of a Job, a Job of a CronJob.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from seconder.admission.changes import free_changes, free_paths
from seconder.admission.indirect import annotated, selectors
from seconder.admission.indirect.deleter import Deleter
from seconder.admission.kinds import CRON_JOBS, MAKERS, MAKERS_AND_MADE, SCALED, maker, makers_of
from seconder.admission.lookups import Asking, Dependents, ObjectRef, ReadObjects, ReadWhole, Selected, ask
from seconder.admission.request import MUTATIONS, WRITES, Metadata, Operation, Owner
from seconder.admission.review import Effect, ReviewContext, goes_along, goes_with
from seconder.api.resources import (
    DEPLOYMENTS,
    JOBS,
    PODS,
    REPLICA_SETS,
    STATEFUL_SETS,
    GroupResource,
    Target,
)

_UNREAD: Final = "what it stands under could not be looked up"
_BY_HAND: Final = "cronjob.kubernetes.io/instantiate"
"""Annotation of a Job that kubectl makes of a CronJob, which waits for none of these."""

_KEPT: Final = "ephemeralcontainers"
"""The subresource by which people look into a pod: what runs in it stays."""

_NUMBERED: Final = re.compile(r"(?P<name>.+)-(?P<number>0|[1-9][0-9]{0,9})")
_FIRST_CRON_JOBS: Final = 24_580_800
"""The minute in which version 1.4 of Kubernetes came, the first that had such. Each later one may be due still: the
controller makes up for the last run that it missed however long ago that was, and names the Job by when it was due."""


def matter(context: ReviewContext, kinds: Iterable[GroupResource]) -> list[GroupResource]:
    """Those of these kinds of workloads that policies protect where the request is, or what they are made by.

    Of a request about what is in no namespace: anywhere.
    """
    place = context.request.target.namespace
    if not place:
        return [kind for kind in kinds if context.state.policies.follows_some_of({kind, *makers_of(kind)})]
    return [kind for kind in kinds if _matters(context, kind, place)]


def _matters(context: ReviewContext, kind: GroupResource, place: str) -> bool:
    policies = context.state.policies
    return policies.protects_in(kind, place) or any(policies.protects_in(above, place) for above in makers_of(kind))


def protected(context: ReviewContext, workloads: Sequence[Target]) -> Asking[list[Effect]]:
    """The deletions of those of these workloads, and of what makes them, that some policy protects."""
    found: dict[str, Effect] = {}
    while workloads:
        there = [each for each in workloads if _matters(context, each.resource, each.namespace)]
        found |= {
            each.uid: goes_along(each, MAKERS[each.resource].version)
            for each in there
            if context.state.policies.protecting(each)
        }
        made = {each: ref(each) for each in there if makers_of(each.resource)}
        if not made:
            break
        stored = yield from ask(ReadObjects(tuple(made.values()), _UNREAD))
        workloads = [above for each, read in made.items() for above in _above(each, stored.get(read))]
    return list(found.values())


def ref(target: Target) -> ObjectRef:
    """A workload, or what one counts, as an object to be read."""
    return ObjectRef(MAKERS_AND_MADE[target.resource], target.namespace, target.name)


def _above(workload: Target, stored: Metadata | None) -> list[Target]:
    owner = stored.controller_owner if stored is not None and stored.uid == workload.uid else None
    return workload_of(owner, workload.namespace)


def workload_of(owner: Owner | None, place: str) -> list[Target]:
    """A controller of a built-in kind as the one object that it is; none where there is no such."""
    kind = maker(owner.group, owner.kind) if owner else None
    return [Target(kind.resource, kind.kind, place, owner.name, owner.uid)] if kind and owner else []


def _changed(context: ReviewContext) -> Asking[Sequence[Effect]]:
    """What is changed of an object that a protected workload's controller made, or taken from the workload."""
    request, place = context.request, context.request.target.namespace
    stored = request.old
    if request.evicts or (request.subresource == "scale" and matter(context, [request.target.resource])):
        # Its metadata are not in the review.
        there = ref(request.target)
        stored = (yield from ask(ReadObjects((there,), _UNREAD))).get(there, stored)
    elif request.operation is Operation.CREATE:
        return []
    above = workload_of(stored.controller_owner, place)
    if above and (request.target.resource, above[0].resource) == (PODS, JOBS):
        counts = request.subresource != _KEPT and (request.deletes or request.evicts or context.rewrites)
        return (yield from of_job(context, above[0])) if counts else []
    if not (above and matter(context, [above[0].resource])):
        return []
    if not (yield from _counts(context, above[0])):
        return []
    return (yield from protected(context, above))


def _counts(context: ReviewContext, above: Target) -> Asking[bool]:
    """Whether its controller does not put it right by itself."""
    request = context.request
    if request.subresource == _KEPT:
        return False
    if request.target.resource == JOBS:
        return _ends_run(context, above)
    if request.updates and context.changes([_FREE]):
        return True
    if request.updates and request.target.resource == REPLICA_SETS and annotated.taken_back(context, above):
        return True
    if request.updates and (request.old.labels or {}) != (request.new.labels or {}):
        # Its controller lets go of a pod that it does not select. That has for good what only one pod may have: a name,
        # a port of the node, a claim, a place within a quota; and it is nobody's then, for whoever changes it further.
        spec = (yield from _read(above)).get("spec")
        return not selectors.fits(above.resource, spec, request.new.labels or {})
    return False


def of_job(context: ReviewContext, job: Target) -> Asking[Sequence[Effect]]:
    """What goes by whatever is not free of a pod of an unfinished Job, which decides by it what ran, and is to run.

    Or by a pod more. It may then end pods, or be finished: what it owns goes by its time to live, or with whoever
    cleans up.
    """
    owned = yield from ask(Dependents(frozenset({job.uid}), job))
    # Of its pods the policies ask that name them.
    owned = [each for each in owned if each.resource.resource != PODS]
    if not (owned or context.state.policies.pods_hold or matter(context, [JOBS])) or _finished((yield from _read(job))):
        return []
    above = yield from protected(context, [job])
    return [goes_along(job), *(each for each in above if each.target != job), *map(goes_with, owned)]


def _ends_run(context: ReviewContext, above: Target) -> bool:
    """Whether a CronJob loses one of its runs, or waits for it for ever, and nobody asks about the Job itself."""
    request, protecting = context.request, context.state.policies.protecting
    asked = protecting(request.target)
    if _BY_HAND in (request.old.annotations or {}) or all(policy in asked for policy in protecting(above)):
        return False
    return not _finished(context.whole[0]) if request.deletes else context.rewrites


_FREE: Final = free_paths.compiled(
    (
        *(row.path for row in free_changes.ANYWHERE),
        *(f"!metadata.labels[{key}]" for key in free_changes.KNOWN_BY),
    )
)
"""Labels and annotations that nothing acts by. Not owners and finalizers, nor its size, which no controller puts right
while a rollout is paused or stuck; nor the labels by which controllers know what they have made, and of which revision.
"""


def _read(workload: Target) -> Asking[Mapping[str, Any]]:
    """A workload as it is stored; empty where it is not there."""
    stored = yield from ask(ReadWhole(ref(workload), _UNREAD))
    return stored or {}


def _finished(job: Mapping[str, Any]) -> bool:
    """Whether a Job has come to its end, or is not there."""
    conditions = (job.get("status") or {}).get("conditions") or ()
    told = any(each.get("type") in {"Complete", "Failed"} and each.get("status") == "True" for each in conditions)
    return told or not job


def _named(context: ReviewContext) -> Asking[Sequence[Effect]]:
    """The protected workload that would make an object of this very name itself, and makes none while it is there."""
    yield from ()
    request = context.request
    kind = _NAMED_BY[request.target.resource]
    numbered = _NUMBERED.fullmatch(request.target.name)
    if request.subresource or not (numbered and context.state.policies.protects_in(kind, request.target.namespace)):
        return []
    if kind == CRON_JOBS and int(numbered["number"]) < _FIRST_CRON_JOBS:
        return []
    above = Target(kind, MAKERS[kind].kind, request.target.namespace, numbered["name"], "")
    return [goes_along(above, MAKERS[kind].version)]


_NAMED_BY: Final = {PODS: STATEFUL_SETS, JOBS: CRON_JOBS}


def _selected(context: ReviewContext) -> Asking[Sequence[Effect]]:
    """The protected workloads whose pods another one selects: their autoscalers no longer know which are whose."""
    request, target = context.request, context.request.target
    kinds = [kind for kind in SCALED if context.state.policies.protects_in(kind, target.namespace)]
    if request.subresource or not kinds:
        return []
    selector = selectors.written(request, request.new_spec)
    if not selector or selector == selectors.written(request, request.old_spec):
        return []
    found = yield from ask(Selected(tuple(MAKERS[kind] for kind in kinds), target.namespace, selector))
    others = (each for each in found if (each.resource, each.name) != (target.resource, target.name))
    return [goes_along(each, MAKERS[each.resource].version) for each in others]


def _changes(
    resource: GroupResource, by: str, ends: str, operations: Iterable[Operation], kinds: Iterable[GroupResource]
) -> Deleter:
    reason = "it runs, or goes back to, what they say, and does not put that right by itself"
    return Deleter(
        resource,
        by,
        ends,
        reason,
        _changed,
        frozenset(operations),
        kinds=frozenset(kinds),
        stays="its controller is its owner: it goes with that alone, or with its node",
    )


_STANDS_OVER: Final = "the protected workload that it stands under"

DELETERS: Final = (
    _changes(
        PODS,
        "whatever is changed of it but labels and annotations that nothing acts by, and by which it stays selected; the"
        " end of one of a Job",
        f"{_STANDS_OVER}; with an unfinished Job what that owns, and its pods' claims",
        MUTATIONS,
        # What its end ends. By another label or status other workloads end as well, as a row of ``adoption`` says.
        {JOBS, CRON_JOBS},
    ),
    _changes(
        REPLICA_SETS,
        "the same: another template, revision, size or owner; an annotation that is not free on the Deployment",
        _STANDS_OVER,
        {Operation.UPDATE},
        {DEPLOYMENTS},
    ),
    _changes(
        JOBS,
        "its end while it runs, or whatever is not free of it, unless it was made by hand or the same policies name it",
        "the protected CronJob that it stands under",
        {Operation.UPDATE, Operation.DELETE},
        {CRON_JOBS},
    ),
    *(
        Deleter(
            made,
            f"its creation, by a name that a protected {MAKERS[by].kind} gives",
            f"the {MAKERS[by].kind}",
            "its controller makes none while another has the name",
            _named,
            frozenset({Operation.CREATE}),
            kinds=frozenset({by}),
        )
        for made, by in _NAMED_BY.items()
    ),
    *(
        Deleter(
            resource,
            "its creation, with a selector that fits the pods of a protected workload",
            "that workload",
            "no autoscaler scales what two select",
            _selected,
            WRITES if resource == selectors.BY_LABELS else frozenset({Operation.CREATE}),
            kinds=frozenset(SCALED),
        )
        for resource in SCALED
    ),
)
