"""Custom resources that name a protected object, and go with their definition or with their namespace.

The API server and the namespace controller delete them without any admission of their own. So all of them are read, as
far as there are not too many, and each is judged as though it were deleted. What cannot be read is not known.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from seconder.admission import cel, codec
from seconder.admission.findings import Findings
from seconder.admission.indirect import along, definitions, naming, references
from seconder.admission.lookups import Namings, Unknown, ask
from seconder.admission.policy_index import Installation, PolicyIndex, place_of
from seconder.admission.prefilter import Entry, Prefilter
from seconder.admission.request import Operation
from seconder.admission.review import ReviewContext
from seconder.admission.rule import AppliesTo, Binds, Rule
from seconder.api.resources import DEFINITIONS, NAMESPACES, GroupResource, ResolvedResource, Target
from seconder.api.type_reader import TypeReader

_REASON: Final = "some program acts on an object that names it and goes along, and how is not known"
_UNREADABLE: Final = "its objects cannot be read: the version in which they are stored is not served"


class _Names(Struct):
    kind: str = ""


class _Version(Struct):
    name: str = ""
    served: bool = False
    storage: bool = False


class _Spec(Struct):
    scope: str = ""
    names: _Names = msgspec.field(default_factory=_Names)
    versions: list[_Version] = []


class _Condition(Struct):
    type: str = ""
    status: str = ""


class _Status(Struct):
    conditions: list[_Condition] = []


_status: Final = TypeReader(_Status)
_spec: Final = msgspec.json.Decoder(_Spec | None)


def evaluate(context: ReviewContext) -> Findings:
    """``Delete`` on each protected object that is named by what goes, but for what goes itself."""
    request, target = context.request, context.request.target
    if not (context.may_end or (request.updates and definitions.may_lose(context))):
        return []
    if target.resource == NAMESPACES:
        return (yield from _named(context, Namings(None, target.name)))
    if _never_served(context):
        return []
    kind = _defined(context)
    return (yield from _named(context, Namings(kind, ""))) if references.judged(kind.resource) else []


def _named(context: ReviewContext, lookup: Namings) -> Findings:
    def goes(named: Target) -> bool:
        return place_of(named) == lookup.namespace if lookup.kind is None else named.resource == lookup.kind.resource

    found = yield from ask(lookup)
    lost = yield from naming.lost(context, found, _REASON, goes)
    return (yield from along.findings(context, lost)) if lost else []


def _never_served(context: ReviewContext) -> bool:
    """Whether nothing can have been made of a stored definition, since its names are another one's.

    Its status tells, which no agent writes; what was served once stays ``Established``.
    """
    try:
        status = _status.convert(context.whole[0].get("status") or {})
    except msgspec.ValidationError:
        return False
    return any(each.type == "Established" and each.status == "False" for each in status.conditions)


def _defined(context: ReviewContext) -> ResolvedResource:
    """The kind of a stored definition, in the version that shows all that is stored. Raises Malformed and Unknown."""
    plural, _, group = context.request.target.name.partition(".")
    resource = GroupResource(group, plural)
    spec = codec.read(context.request, _spec, context.request.old_spec, "the definition") or _Spec()
    version = next((each.name for each in spec.versions if each.storage and each.served), "")
    if not version and references.judged(resource):
        raise Unknown(_UNREADABLE)
    return ResolvedResource(resource, version, spec.scope == "Namespaced", custom=True, kind=spec.names.kind)


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """Whatever agents change of definitions and namespaces."""
    ends = f'({cel.one_of({NAMESPACES, DEFINITIONS})}) && request.operation in ["UPDATE", "DELETE"]'
    return [Prefilter(Entry.GUARD, ends)]


RULE: Final = Rule(
    "references-within",
    "No custom resource that names a protected object, or what agents never write, goes with its definition or its"
    " namespace without the approval that its own deletion needs.",
    Binds.AGENTS,
    evaluate,
    prefilters,
    applies_to=AppliesTo({Operation.UPDATE, Operation.DELETE}, {NAMESPACES, DEFINITIONS}),
)
