"""ReplicaSets that somebody left stopped, and that a Deployment would start, whatever its own template says.

A Deployment takes every ReplicaSet that its selector fits and that nobody controls. One that is paused makes none of
its own: where none of those that it has runs, it sizes the latest of them
(kubernetes/pkg/controller/deployment, ``FindActiveOrLatest``), and pods are made by that one's template. One that is
not paused makes its own, and sizes no other that is stopped.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from seconder.admission import cel, codec, pod_accounts, pod_templates
from seconder.admission.coverage import NAME
from seconder.admission.dependents import may_leave
from seconder.admission.findings import Cleared, Findings, Refusal
from seconder.admission.indirect import selectors
from seconder.admission.kinds import MAKERS, maker
from seconder.admission.lookups import Asking, ObjectRef, ReadObjects, ReadWhole, ReplicaSets, ask
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.prefilter import Entry, Prefilter
from seconder.admission.request import MUTATIONS, Operation, Owner
from seconder.admission.review import ReviewContext
from seconder.admission.rule import AppliesTo, Binds, Rule
from seconder.api.label_selector import Selector
from seconder.api.resources import DEPLOYMENTS, REPLICA_SETS

_PAUSED: Final = b'"paused"'
_ORPHAN: Final = b"rphan"
"""In all that has a deletion leave something behind: ``Orphan``, ``orphanDependents`` and the finalizer ``orphan``."""

_UNREAD: Final = "the Deployment could not be looked up"
_WAITS: Final = "agents may not have a paused Deployment size what it finds: it has no ReplicaSet of its own that runs"
_RESUME: Final = "Leave it unpaused until its own pods are there, or at size 0."
_TAKES: Final = "agents may not take from a paused Deployment what runs: it would size another ReplicaSet"
_RESUME_FIRST: Final = "Resume the Deployment first, or scale it to 0."


class _Spec(msgspec.Struct):
    paused: bool | None = None


_spec: Final = msgspec.json.Decoder(_Spec | None)


def _for_good(context: ReviewContext) -> Refusal | None:
    """Why a Deployment may not be paused, or sized while it is, where none of its own pods run."""
    request = context.request
    if request.subresource == "scale" or _PAUSED not in request.body or request.operation is Operation.DELETE:
        return None
    before, after = context.replicas
    # The API server writes a size where the client gives none.
    if request.operation is not Operation.CREATE and (before is None or before):
        return None
    starts = request.target.resource == DEPLOYMENTS and _size(after) and _is_paused(context, request.new_spec)
    return Refusal(_WAITS, advice=_RESUME) if starts else None


def evaluate(context: ReviewContext) -> Findings:
    """Refuse what has a Deployment start a ReplicaSet that is not its own doing."""
    request = context.request
    # The guard's own namespace is refused as a whole.
    if request.target.namespace == context.state.installation.namespace:
        return []
    if request.target.resource == REPLICA_SETS:
        return (yield from _of_set(context))
    if request.operation is Operation.DELETE:
        return (yield from _left(context)) if _ORPHAN in request.body and may_leave(request) else []
    if request.subresource == "scale":
        return (yield from _scaled(context))
    # Most write no such field. No character of its name is written by an escape.
    return (yield from _paused(context)) if _PAUSED in request.body else []


def _paused(context: ReviewContext) -> Findings:
    """Why a Deployment may not be paused, or sized while it is."""
    request = context.request
    if refusal := _for_good(context):
        return [refusal]
    had, wanted = map(_size, context.replicas)
    if not (wanted and _is_paused(context, request.new_spec)) or (had and _is_paused(context, request.old_spec)):
        return []
    return (yield from _held(context, selectors.written(request, request.new_spec), running=True))


def _size(replicas: int | None) -> int:
    # The API server writes a size where the client gives none.
    return 1 if replicas is None else replicas


def _is_paused(context: ReviewContext, spec: msgspec.Raw) -> bool:
    read = codec.read(context.request, _spec, spec, "the Deployment")
    return bool(read and read.paused)


def _held(context: ReviewContext, selector: Selector, *, running: bool) -> Findings:
    """Why what a Deployment has, or comes to have, may not be started. Raises Unknown.

    ``running``: one of its own must run. As whom one of these runs already the others may run as well.
    """
    target = context.request.target
    found = yield from ask(ReplicaSets(target.namespace, selectors.text(selector)))
    own = [each for each in found if each.controller == target.uid and not each.ending]
    if running and not any(each.size for each in own):
        return [Refusal(_WAITS, advice=_RESUME)]
    try:
        known = {_identity(each.pods) for each in own if each.size}
        # What others control they let go of first, which is asked about itself.
        there = [each.pods for each in found if not each.size and each.controller in {"", target.uid}]
        stopped = {identity: pods for pods in there if (identity := _identity(pods)) not in known}
    except (msgspec.MsgspecError, RecursionError) as error:
        raise pod_accounts.not_understood(context.request, error) from None
    for pods in stopped.values():
        refused = yield from pod_accounts.judged(context, pods)
        if refused:
            return [refused]
    return [Cleared()]


def _identity(pods: msgspec.Raw) -> tuple[str, frozenset[str]]:
    return pod_templates.account(pods), pod_templates.secrets(pods)


def _scaled(context: ReviewContext) -> Findings:
    """Why a Deployment may not be sized by its scale."""
    had, wanted = context.replicas
    if had or not wanted:
        return []
    spec = yield from _deployment(context, context.request.target.name)
    return [Refusal(_WAITS, advice=_RESUME) if spec.get("paused") else Cleared()]


def _deployment(context: ReviewContext, name: str) -> Asking[Mapping[str, Any]]:
    """The ``spec`` of a Deployment as it is stored; empty where it is not there."""
    stored = yield from ask(ReadWhole(ObjectRef(MAKERS[DEPLOYMENTS], context.request.target.namespace, name), _UNREAD))
    return (stored or {}).get("spec") or {}


def _left(context: ReviewContext) -> Findings:
    """Why a Deployment's ReplicaSets may not be left to another one."""
    request = context.request
    return (yield from _held(context, selectors.written(request, request.old_spec), running=False))


def _of_set(context: ReviewContext) -> Findings:
    """Why a ReplicaSet may not be given to a Deployment, or taken from one."""
    request = context.request
    if request.operation is Operation.CREATE:
        return []
    owner = request.old.controller_owner
    joins = False
    if request.subresource == "scale":
        if not _stops(context):
            return []
        there = ObjectRef(MAKERS[REPLICA_SETS], request.target.namespace, request.target.name)
        stored = (yield from ask(ReadObjects((there,), _UNREAD))).get(there)
        owner = stored.controller_owner if stored else None
    elif request.updates:
        joins = request.changes_owners or (request.old.labels or {}) != (request.new.labels or {})
        if not (joins or _stops(context)):
            return []
    if _size(context.replicas[0]) and (yield from _holds_on(context, owner)):
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


def _holds_on(context: ReviewContext, owner: Owner | None) -> Asking[bool]:
    """Whether the controller of a ReplicaSet is a paused Deployment that has a size."""
    if owner is None or maker(owner.group, owner.kind) != MAKERS[DEPLOYMENTS] or not NAME.fullmatch(owner.name):
        return False
    spec = yield from _deployment(context, owner.name)
    return bool(spec.get("paused") and spec.get("replicas", 1))


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """Writes and deletions of Deployments and ReplicaSets."""
    kinds = cel.one_of((DEPLOYMENTS, REPLICA_SETS))
    return [Prefilter(Entry.GUARD, f'request.operation in ["CREATE", "UPDATE", "DELETE"] && ({kinds})')]


RULE: Final = Rule(
    "stopped-sets",
    "Agents have no Deployment start a ReplicaSet that somebody left stopped, as whom they may not run pods: by pausing"
    " it, by giving it one, or by taking from it what runs.",
    Binds.AGENTS,
    evaluate,
    prefilters,
    applies_to=AppliesTo(MUTATIONS, {DEPLOYMENTS, REPLICA_SETS}),
    for_good=_for_good,
)
