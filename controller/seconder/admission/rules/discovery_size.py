"""What everybody reads of all kinds at once stays small: agents define no kind of very many names or versions."""

from collections.abc import Sequence
from typing import Final

import msgspec

from seconder.admission import codec, defined_kinds
from seconder.admission.findings import Findings, Refusal
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.prefilter import Entry, Prefilter
from seconder.admission.request import WRITES, Request
from seconder.admission.review import ReviewContext
from seconder.admission.rule import AppliesTo, Binds, Rule
from seconder.api.resources import DEFINITIONS

_MOST_BYTES: Final = 64 * 1024
"""Of one definition in aggregated discovery (KEP-3352). What is common takes one or two thousand."""

_ENTRY_BYTES: Final = 500
"""Of one version there, without short names and categories, which each of them repeats."""


class _Names(msgspec.Struct, rename="camel"):
    short_names: list[str] | None = None
    categories: list[str] | None = None


class _Version(msgspec.Struct):
    served: bool = False


class _Definition(msgspec.Struct):
    names: _Names = msgspec.field(default_factory=_Names)
    versions: list[_Version] | None = None


_spec: Final = msgspec.json.Decoder(_Definition | None)


def evaluate(context: ReviewContext) -> Findings:
    """Refuse a definition that adds more to discovery than there is room for in whoever reads it."""
    yield from ()
    request = context.request
    if request.operation not in WRITES or len(bytes(request.new_spec)) < _ENTRY_BYTES:
        return []
    wanted = _weight(request, request.new_spec)
    if wanted <= _MOST_BYTES or wanted <= _weight(request, request.old_spec):
        return []
    return [Refusal("agents may not define kinds of very many names or versions, which everybody has to read")]


def _weight(request: Request, spec: msgspec.Raw) -> int:
    """About the bytes that a definition takes in discovery."""
    definition: _Definition | None = codec.read(request, _spec, spec, "the definition")
    if definition is None:
        return 0
    names = [*(definition.names.short_names or ()), *(definition.names.categories or ())]
    served = sum(version.served for version in definition.versions or ())
    return served * (_ENTRY_BYTES + sum(len(name) + len('"",') for name in names))


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """Definitions."""
    return [Prefilter(Entry.GUARD, defined_kinds.DEFINES)]


RULE: Final = Rule(
    "discovery-size",
    "Agents define no kind of very many names or versions: whoever discovers kinds reads all of them.",
    Binds.AGENTS,
    evaluate,
    prefilters,
    applies_to=AppliesTo(resources={DEFINITIONS}),
)
