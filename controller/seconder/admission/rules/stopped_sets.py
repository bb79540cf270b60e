"""ReplicaSets that somebody left stopped, and that a Deployment would start, whatever its own template says.

A Deployment takes every ReplicaSet that its selector fits and that nobody controls. One that is paused makes none of
its own: where none of those that it has runs, it sizes the latest of them
(kubernetes/pkg/controller/deployment, ``FindActiveOrLatest``), and pods are made by that one's template. One that is
not paused makes its own, and sizes no other that is stopped.

Whose hand sizes it then nobody is asked: an autoscaler's, or a person's. So what it takes counts when it is paused,
though its size is 0.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from seconder.admission import cel, codec, pod_accounts, pod_templates
from seconder.admission.coverage import NAME
from seconder.admission.dependents import comes_to_leave, may_leave
from seconder.admission.findings import Cleared, Finding, Findings, Refusal
from seconder.admission.indirect import scaling, selectors
from seconder.admission.kinds import MAKERS, maker
from seconder.admission.lookups import (
    Asking,
    ControlledIn,
    ObjectRef,
    Placed,
    ReadObjects,
    ReadWhole,
    ReplicaSet,
    ReplicaSets,
    Selecting,
    ask,
)
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.prefilter import Entry, Prefilter
from seconder.admission.request import MUTATIONS, Metadata, Operation
from seconder.admission.review import ReviewContext
from seconder.admission.rule import AppliesTo, Binds, Rule
from seconder.api.reasons import Reason
from seconder.api.resources import DEPLOYMENTS, REPLICA_SETS, Target

_PAUSED: Final = b'"paused"'
_ORPHAN: Final = b"rphan"
"""In all that has a deletion leave something behind: ``Orphan``, ``orphanDependents`` and the finalizer ``orphan``."""

_UNREAD: Final = "the Deployment could not be looked up"
_ANYWHERE: Final = "agents may not leave behind stopped ReplicaSets in whatever namespaces"
_MOST: Final = 16
"""ReplicaSets of an object in no namespace that are read; each may be of a megabyte. Few such objects have any."""

_TOO_MANY: Final = f"it would leave behind more than {_MOST} ReplicaSets, too many to look at each"
_WITHOUT: Final = "Delete some of them first, or ask a person to delete it."
_UNTOLD: Final = "which ReplicaSets it leaves behind could not be looked up"
_WAITS: Final = "agents may not have a paused Deployment size what it finds: it has no ReplicaSet of its own that runs"
_RESUME: Final = "Leave it unpaused until its own pods are there, or at size 0."
_SIZED: Final = "agents may not have an autoscaler size a paused Deployment of size 0: it sizes what it finds"
_RESUME_IT: Final = "Resume the Deployment first."
_TAKES: Final = "agents may not take from a paused Deployment what runs: it would size another ReplicaSet"
_RESUME_FIRST: Final = "Resume the Deployment first, or scale it to 0."


class _Spec(msgspec.Struct):
    paused: bool | None = None


_spec: Final = msgspec.json.Decoder(_Spec | None)


def _for_good(context: ReviewContext) -> Refusal | None:
    """Why a Deployment may not be paused, or sized while it is, where none of its own pods run."""
    request = context.request
    if request.target.resource != DEPLOYMENTS or _PAUSED not in request.body:
        return None
    if request.subresource == "scale" or request.operation is Operation.DELETE:
        return None
    before, after = context.replicas
    # The API server writes a size where the client gives none.
    if request.operation is not Operation.CREATE and (before is None or before):
        return None
    starts = _size(after) and _is_paused(context, request.new_spec)
    return Refusal(_WAITS, advice=_RESUME) if starts else None


def evaluate(context: ReviewContext) -> Findings:
    """Refuse what has a Deployment start a ReplicaSet that is not its own doing."""
    request = context.request
    # The guard's own namespace is refused as a whole.
    if request.target.namespace == context.state.installation.namespace:
        return []
    if request.target.resource == REPLICA_SETS:
        return (yield from _of_set(context))
    found: Sequence[Finding] = ()
    if request.target.resource in scaling.SIZERS:
        found = yield from _autoscaled(context)
    if request.operation is Operation.DELETE:
        return [*found, *(yield from _left(context))] if _ORPHAN in request.body and may_leave(request) else found
    if request.new.finalizers and request.operation is Operation.UPDATE and comes_to_leave(request):
        # By it they are left behind whatever ends it, and whoever does.
        found = [*found, *(yield from _left(context))]
    if request.target.resource == DEPLOYMENTS:
        if request.subresource == "scale":
            return [*found, *(yield from _scaled(context))]
        # Most write no such field. No character of its name is written by an escape.
        if _PAUSED in request.body:
            return [*found, *(yield from _paused(context))]
    return found


def _paused(context: ReviewContext) -> Findings:
    """Why a Deployment may not be paused, or sized while it is."""
    request = context.request
    if refusal := _for_good(context):
        return [refusal]
    had, wanted = map(_size, context.replicas)
    if not _is_paused(context, request.new_spec) or ((had or not wanted) and _is_paused(context, request.old_spec)):
        return []
    return (yield from _held(context, wanted))


def _size(replicas: int | None) -> int:
    # The API server writes a size where the client gives none.
    return 1 if replicas is None else replicas


def _is_paused(context: ReviewContext, spec: msgspec.Raw) -> bool:
    read = codec.read(context.request, _spec, spec, "the Deployment")
    return bool(read and read.paused)


def _held(context: ReviewContext, wanted: int) -> Findings:
    """Why what a Deployment has, or comes to have, may not be started, at once or later. Raises Unknown."""
    request = context.request
    selector = selectors.written(request, request.new_spec)
    found = yield from ask(ReplicaSets(request.target.namespace, selectors.text(selector)))
    runs = [each for each in found if each.size and _stays(each, request.target)]
    if wanted and not runs:
        return [Refusal(_WAITS, advice=_RESUME)]
    # What others control they let go of first, which is asked about itself.
    taken = [each for each in found if each.controller is None or each.is_of(request.target.uid)]
    # At size 0 it stops what runs, and that waits like the others.
    stopped = [each for each in taken if not (wanted and each.size)]
    return [(yield from pod_accounts.started(context, stopped, runs)) or Cleared()]


def _stays(replica_set: ReplicaSet, deployment: Target) -> bool:
    """Whether a ReplicaSet is a Deployment's, and no end of it is due.

    The garbage collector looks for an owner by group, kind and name. Where these are another's it is the Deployment's
    by the uid, until the collector ends it unasked.
    """
    owner = replica_set.controller
    if owner is None or replica_set.ending:
        return False
    told = (owner.group, owner.kind, owner.name, owner.uid)
    kind = MAKERS[DEPLOYMENTS]
    return told == (kind.resource.group, kind.kind, deployment.name, deployment.uid)


def _scaled(context: ReviewContext) -> Findings:
    """Why a Deployment may not be sized by its scale."""
    had, wanted = context.replicas
    if had or not wanted:
        return []
    stored = yield from _deployment(context, context.request.target.name)
    return [Refusal(_WAITS, advice=_RESUME) if _spec_of(stored).get("paused") else Cleared()]


def _autoscaled(context: ReviewContext) -> Findings:
    """Why an autoscaler may not size a Deployment, by its hand or by what it says of a former size."""
    told = scaling.scaling(context)
    if told is None or maker(told.group, told.kind) != MAKERS[DEPLOYMENTS] or not NAME.fullmatch(told.name):
        return []
    spec = _spec_of((yield from _deployment(context, told.name)))
    waits = spec.get("paused") and not spec.get("replicas", 1)
    return [Refusal(_SIZED, advice=_RESUME_IT) if waits else Cleared()]


def _left(context: ReviewContext) -> Findings:
    """Why the ReplicaSets that an object of whatever kind controls may not be left to a Deployment."""
    target = context.request.target
    # Most control none; and of those that others control nothing but their metadata is read.
    controlled = yield from ask(ControlledIn(MAKERS[REPLICA_SETS], target.namespace, target.uid))
    if not controlled:
        return [Cleared()]
    if not target.namespace:
        return (yield from _left_anywhere([each.placed for each in controlled]))
    found = yield from ask(ReplicaSets(target.namespace, ""))
    stopped = [each for each in found if not each.size and each.is_of(target.uid) and not each.ending]
    # Whoever takes one alone starts it, whatever else of the same controller runs, and as whom.
    return [(yield from pod_accounts.started(context, stopped, ())) or Cleared()]


def _left_anywhere(controlled: Sequence[Placed]) -> Findings:
    """Why these ReplicaSets, which an object in no namespace controls, may not be left to Deployments."""
    if len(controlled) > _MOST:
        return [Refusal(_TOO_MANY, Reason.APPROVAL_MISSING, _WITHOUT)]
    for each in controlled:
        stored = yield from ask(ReadWhole(ObjectRef(MAKERS[REPLICA_SETS], each.namespace, each.name), _UNTOLD))
        if stored and not (_spec_of(stored).get("replicas", 1) or "deletionTimestamp" in stored["metadata"]):
            return [Refusal(_ANYWHERE)]
    return [Cleared()]


def _deployment(context: ReviewContext, name: str) -> Asking[Mapping[str, Any]]:
    """A Deployment as it is stored; empty where it is not there."""
    stored = yield from ask(ReadWhole(ObjectRef(MAKERS[DEPLOYMENTS], context.request.target.namespace, name), _UNREAD))
    return stored or {}


def _spec_of(stored: Mapping[str, Any]) -> Mapping[str, Any]:
    return stored.get("spec") or {}


def _of_set(context: ReviewContext) -> Findings:
    """Why a ReplicaSet may not be given to a Deployment, or taken from one."""
    request = context.request
    if request.operation is Operation.CREATE:
        return []
    there: Metadata | None = request.old
    joins = False
    if request.subresource == "scale":
        if not _stops(context):
            return []
        read = ObjectRef(MAKERS[REPLICA_SETS], request.target.namespace, request.target.name)
        there = (yield from ask(ReadObjects((read,), _UNREAD))).get(read)
    elif request.updates:
        joins = request.changes_owners or (request.old.labels or {}) != (request.new.labels or {})
        if not (joins or _stops(context)):
            return []
    if _size(context.replicas[0]) and (yield from _holds_on(context, there)):
        return [Refusal(_TAKES, advice=_RESUME_FIRST)]
    if not joins:
        return [Cleared()]
    refused = yield from pod_accounts.judged(context, _template(context))
    return [refused or Cleared()]


def _stops(context: ReviewContext) -> bool:
    before, after = map(_size, context.replicas)
    return bool(before) and not after


def _template(context: ReviewContext) -> msgspec.Raw:
    request = context.request
    try:
        return pod_templates.spec_of_pods(request.target.resource, request.new_spec)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise pod_accounts.not_understood(request, error) from None


def _holds_on(context: ReviewContext, replica_set: Metadata | None) -> Asking[bool]:
    """Whether the controller of a ReplicaSet is a paused Deployment that has a size.

    That one knows it by the uid in the reference and by its labels. The group, kind and name are their writer's words.
    """
    owner = replica_set.controller_owner if replica_set else None
    if replica_set is None or owner is None:
        return False
    above: Mapping[str, Any] = {}
    if maker(owner.group, owner.kind) == MAKERS[DEPLOYMENTS] and NAME.fullmatch(owner.name):
        above = yield from _deployment(context, owner.name)
    if (above.get("metadata") or {}).get("uid") != owner.uid:
        labels = selectors.pairs(replica_set.labels or {})
        found = yield from ask(Selecting((MAKERS[DEPLOYMENTS],), context.request.target.namespace, labels))
        name = next((each.name for each in found if each.uid == owner.uid), "")
        above = (yield from _deployment(context, name)) if name else {}
    spec = _spec_of(above)
    return bool(spec.get("paused") and spec.get("replicas", 1))


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """Writes and deletions of Deployments and ReplicaSets, and of what sizes them.

    Whatever else agents delete or update is asked about anyway, since it may own what a policy names.
    """
    kinds = cel.one_of((DEPLOYMENTS, REPLICA_SETS, *scaling.SIZERS))
    return [Prefilter(Entry.GUARD, f'request.operation in ["CREATE", "UPDATE", "DELETE"] && ({kinds})')]


RULE: Final = Rule(
    "stopped-sets",
    "Agents have no Deployment start a ReplicaSet that somebody left stopped, as whom they may not run pods: by pausing"
    " it, by having an autoscaler size it, by giving it one, by taking from it what runs, or by leaving one behind,"
    " whatever controls it.",
    Binds.AGENTS,
    evaluate,
    prefilters,
    applies_to=AppliesTo(MUTATIONS),
    for_good=_for_good,
)
