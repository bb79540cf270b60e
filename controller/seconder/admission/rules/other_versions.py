"""An update in another version than the stored one loses what that version does not know, and its review shows nothing.

The API server reads an object in the version that is asked in, prunes what that one's schema does not know, and stores
what is left (apiextensions-apiserver). Both objects of the review are in that version. So do what a definition's
conversion webhook leaves out. And approvals are written in the version that was asked in.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from seconder.admission import codec, coverage
from seconder.admission.changes import differences, free_paths
from seconder.admission.findings import Findings, Refusal
from seconder.admission.kinds import KUBERNETES_GROUPS
from seconder.admission.lookups import Asking, Owned, StorageVersion, Unknown, ask
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.prefilter import Prefilter
from seconder.admission.request import Operation
from seconder.admission.review import Effect, ReviewContext
from seconder.admission.rule import AppliesTo, Binds, Rule
from seconder.api.resources import ANY, Action, GroupResource

_UNREAD: Final = "what another version of it holds could not be looked up"
_NAMED_BY_VERSION: Final = (free_paths.compiled(("apiVersion",)),)


def evaluate(context: ReviewContext) -> Findings:
    """Refuse what is asked of a protected object, or of what owns one, in a version that does not show all of it."""
    request, target = context.request, context.request.target
    if not context.state.policies.may_be_custom(target.resource):
        return []
    effect = context.effect(Action.CHANGE if request.updates else Action.DELETE)
    if not context.naming(effect) and not (request.updates and (yield from _owns(context))):
        return []
    stored = yield from ask(StorageVersion(target.resource, request.version))
    if stored == request.version or (stored and (yield from _alike(context, effect, stored))):
        return []
    group, plural = target.resource.group, target.resource.resource
    if not stored:
        return [Refusal("it is stored in a version that is not served, and may lose fields")]
    what = f"in version {request.version} it, or its approval, may lose fields that are stored in version {stored}"
    return [Refusal(what, advice=f"Ask in that version: kubectl names it {plural}.{stored}.{group}.")]


def _owns(context: ReviewContext) -> Asking[bool]:
    """Whether protected objects belong to it: its controller may end them once a field is gone."""
    if not context.state.policies.follows:
        return False
    target = context.request.target
    return bool((yield from ask(Owned(frozenset({target.uid}), target))))


def _alike(context: ReviewContext, effect: Effect, version: str) -> Asking[bool]:
    """Whether the version that is asked in shows all that the stored one does, and nothing else. Raises Unknown."""
    there = yield from coverage.read_whole(msgspec.structs.replace(effect, version=version), _UNREAD)
    if context.request.subresource == "scale":
        here: Mapping[str, Any] = yield from coverage.read_whole(effect, _UNREAD)
    else:
        here, _ = context.whole
    if codec.metadata_of(there).uid != codec.metadata_of(here).uid:
        raise Unknown(_UNREAD)
    try:
        return not differences.differ(there, here, _NAMED_BY_VERSION)
    except RecursionError:
        raise Unknown(_UNREAD) from None


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """None of its own: ``change``, ``deletion`` and ``dependents`` have it asked about all that matters."""
    return []


RULE: Final = Rule(
    "other-versions",
    "No protected object, and none that owns such, loses what the version does not know in which an agent asks.",
    Binds.AGENTS,
    evaluate,
    prefilters,
    applies_to=AppliesTo(
        {Operation.UPDATE, Operation.DELETE}, others={GroupResource(group, ANY) for group in KUBERNETES_GROUPS}
    ),
)
