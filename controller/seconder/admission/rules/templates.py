"""What an agent writes into a template lands on what controllers make for others: pods, Jobs, claims, Secrets.

An agent's annotation would have people refused there; approvals would leave no room for a peer's; an emergency exit
would be open to whoever comes by. Templates stand in many places of many kinds: it is looked for anywhere in an object.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from seconder.admission import codec
from seconder.admission.findings import Findings, Refusal
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.prefilter import Entry, Prefilter
from seconder.admission.request import WRITES
from seconder.admission.review import ReviewContext
from seconder.admission.rule import AppliesTo, Binds, Rule
from seconder.api import constants
from seconder.api.policy import DEFAULT_TAGS

_OURS: Final = f"{constants.DOMAIN}/".encode()
_OWN: Final = ("metadata", "managedFields", "status")
"""Fields of an object that hold none of it, or its own annotations, of which other rules know."""

_objects: Final[Any] = msgspec.json.Decoder(codec.ObjectsReview[dict[str, Any]])


def evaluate(context: ReviewContext) -> Findings:
    """Refuse such keys within an object, where they did not stand before."""
    yield from ()
    request = context.request
    tags = context.state.policies.known_tags.annotations
    # Nearly all that agents write holds none. No character of such a key is written by an escape.
    if not (_OURS in request.body or (tags != DEFAULT_TAGS.annotations and _named(request.body, tags))):
        return []
    objects = codec.objects(request, _objects, "the object")
    before, after = (Counter(_within(each or {}, tags)) for each in (objects.old_object, objects.object))
    if after - before:
        return [Refusal("agents may not write an agent's annotation, an approval or an emergency exit into a template")]
    return []


def _named(body: bytes, tags: Collection[str]) -> bool:
    return any(key.encode() in body for key in tags)


def _within(document: Mapping[str, Any], tags: Collection[str]) -> Iterator[tuple[str, str]]:
    """Such keys below an object's own fields, with their values. However deep it nests.

    What stands in the value of one is told with that, and once.
    """
    left: list[Any] = [value for key, value in document.items() if key not in _OWN]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            for key, below in value.items():
                if key in tags or key == constants.BREAK_GLASS or key.startswith(constants.APPROVAL_PREFIX):
                    yield key, str(below)
                else:
                    left.append(below)
        elif isinstance(value, list):
            left.extend(value)


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """Whatever agents write that has fields of its kind."""
    writes = 'request.operation in ["CREATE", "UPDATE"] && object != null'
    return [Prefilter(Entry.GUARD, f"{writes} && (has(object.spec) || has(object.template))")]


RULE: Final = Rule(
    "templates",
    "Agents write nothing into templates that would have people refused, or let through, on what is made from them.",
    Binds.AGENTS,
    evaluate,
    prefilters,
    applies_to=AppliesTo(WRITES),
)
