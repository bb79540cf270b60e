"""Seconder's own objects are not for agents, whatever policies say.

There is one exception: the requester of a change request states there why it asks.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from seconder.admission import cel, codec, installation
from seconder.admission.findings import Findings, Refusal
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.prefilter import Entry, Prefilter
from seconder.admission.request import Request
from seconder.admission.review import ReviewContext
from seconder.admission.rule import Binds, Rule
from seconder.api import change_request, constants
from seconder.api.resources import DEFINITIONS, GroupResource


def evaluate(context: ReviewContext) -> Findings:
    """Refuse whatever an agent does to one of Seconder's own objects."""
    yield from ()
    own = installation.own_object(context.request.target, context.state.installation)
    if not own:
        return []
    if not _states_reason(context.request):
        return [Refusal(f"agents may not change {own}")]
    if len(context.request.incoming.get(constants.REASON_KEY, "")) > change_request.LONGEST_REASON:
        return [Refusal(f"a reason has at most {change_request.LONGEST_REASON} characters")]
    return []


def _states_reason(request: Request) -> bool:
    """Whether it changes nothing but the annotation with the reason, on a change request that is the caller's own."""
    if request.target.resource != _CHANGE_REQUESTS or not request.updates or request.subresource:
        return False
    written = codec.objects(request, _documents, "the change request")
    if not written.old_object or not written.object:
        return False
    own = written.old_object.get("spec", {}).get("requester") == request.caller.username
    return own and _but_for_reason(written.old_object) == _but_for_reason(written.object)


def _but_for_reason(document: dict[str, Any]) -> dict[str, Any]:
    """The object without its reason and without what the API server keeps of every write."""
    metadata = {key: value for key, value in document.get("metadata", {}).items() if key not in _OF_EVERY_WRITE}
    annotations = {
        key: value for key, value in (metadata.pop("annotations", None) or {}).items() if key != constants.REASON_KEY
    }
    kept = [_managed(entry) for entry in document.get("metadata", {}).get("managedFields") or ()]
    managed = sorted((entry for entry in kept if any(entry[1:])), key=str)
    return {**document, "metadata": metadata, "annotations": annotations, "managed": managed}


def _managed(entry: Mapping[str, Any]) -> tuple[Any, ...]:
    """Who manages what, but for the reason: resetting that makes others' fields nobody's."""
    fields = dict(entry.get("fieldsV1") or {})
    metadata = dict(fields.pop("f:metadata", None) or {})
    annotations = metadata.pop("f:annotations", None) or {}
    others = {key: value for key, value in annotations.items() if key not in {".", f"f:{constants.REASON_KEY}"}}
    return tuple(entry.get(key) for key in ("manager", "operation", "subresource")), fields, metadata, others


_documents: Final = msgspec.json.Decoder(codec.ObjectsReview[dict[str, Any]])
_CHANGE_REQUESTS: Final = GroupResource(constants.DOMAIN, "changerequests")
_OF_EVERY_WRITE: Final = frozenset({"managedFields", "resourceVersion"})


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """Kinds of the group, the namespace, the definitions and the roles."""
    own_definitions = (
        f"{cel.kind(DEFINITIONS)} && (!has(request.name) || request.name.endsWith({cel.quote('.' + constants.DOMAIN)}))"
    )
    named_so = f"(!has(request.name) || request.name.startsWith({cel.quote(installation.ROLE_PREFIX)}))"
    own_roles = cel.either([f"{cel.kind(role)} && {named_so}" for role in installation.ROLES])
    return [
        Prefilter(Entry.GUARD, expression)
        for expression in (
            f"request.resource.group == {cel.quote(constants.DOMAIN)}",
            f"has(request.namespace) && request.namespace == {cel.quote(place.namespace)}",
            own_definitions,
            own_roles,
        )
    ]


RULE: Final = Rule(
    "installation",
    "Agents write no policy, approver or change request (but the reason on their own), nothing in Seconder's namespace,"
    " and none of its roles.",
    Binds.AGENTS,
    evaluate,
    prefilters,
)
