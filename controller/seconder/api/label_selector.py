"""LabelSelector (meta/v1) as a document, and as a test of labels."""

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Final, NamedTuple

import msgspec
from msgspec import Meta

from seconder.api.schema import SET, Strict, cel_rules

NAME_KEY: Final = "kubernetes.io/metadata.name"
"""The label that the API server sets on each Namespace, to its name, whatever a client writes."""

_KEY: Final = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)$"
_VALUE: Final = r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"
_LONGEST_PREFIX: Final = 253
_LONGEST_NAME: Final = 63

LabelKey = Annotated[str, Meta(min_length=1, max_length=317, pattern=_KEY)]
LabelValue = Annotated[str, Meta(max_length=63, pattern=_VALUE)]


class Operator(StrEnum):
    """How a requirement compares."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


class Expression(Strict, frozen=True, kw_only=True):
    """One requirement. NotIn is satisfied where there is no such label at all."""

    key: LabelKey
    operator: Operator
    values: Annotated[frozenset[LabelValue], Meta(max_length=64, extra_json_schema=SET)] = frozenset()


EXPRESSION_RULES: Final = cel_rules(
    (
        "self.operator in ['In', 'NotIn'] ? size(self.values) > 0 : size(self.values) == 0",
        "In and NotIn take values, Exists and DoesNotExist take none",
    )
)


class LabelSelector(Strict, frozen=True, kw_only=True):
    """Labels that must be there, all of them. Empty, it selects nothing beside what is named."""

    match_labels: Annotated[dict[LabelKey, LabelValue], Meta(max_length=16)] = msgspec.field(default_factory=dict)
    match_expressions: Annotated[
        Sequence[Annotated[Expression, Meta(extra_json_schema=EXPRESSION_RULES)]],
        Meta(max_length=16, extra_json_schema={"x-kubernetes-list-type": "atomic"}),
    ] = ()


class Requirement(NamedTuple):
    """A requirement on one label."""

    key: str
    operator: Operator
    values: frozenset[str]

    def met(self, labels: Mapping[str, str]) -> bool:
        """Whether labels meet it, as the API server takes it (apimachinery, labels.Requirement.Matches)."""
        value = labels.get(self.key)
        match self.operator:
            case Operator.IN:
                return value is not None and value in self.values
            case Operator.NOT_IN:
                return value is None or value not in self.values
            case Operator.EXISTS:
                return value is not None
            case Operator.DOES_NOT_EXIST:
                return value is None


Selector = tuple[Requirement, ...]
"""Requirements that must all be met; without any, nothing is selected."""


def selector_of(document: LabelSelector) -> Selector:
    """The selector of a document. Raises msgspec.ValidationError for one that the API server would not take."""
    wanted = [Requirement(key, Operator.IN, frozenset({value})) for key, value in document.match_labels.items()]
    for given in document.match_expressions:
        if bool(given.values) != (given.operator in {Operator.IN, Operator.NOT_IN}):
            raise msgspec.ValidationError("namespaceSelector: In and NotIn take values, the other operators take none")
        wanted.append(Requirement(given.key, given.operator, given.values))
    for requirement in wanted:
        prefix, _, name = requirement.key.rpartition("/")
        if len(prefix) > _LONGEST_PREFIX or len(name) > _LONGEST_NAME or not re.match(_KEY, requirement.key):
            raise msgspec.ValidationError(f"namespaceSelector: {requirement.key!r} is no key of a label")
        if ".." in prefix or ".-" in prefix or "-." in prefix:
            raise msgspec.ValidationError(f"namespaceSelector: {prefix!r} is no prefix of a label's key")
    return tuple(sorted(wanted, key=lambda each: (each.key, each.operator, sorted(each.values))))


def selects(selector: Selector, labels: Mapping[str, str]) -> bool:
    """Whether a selector selects what has these labels."""
    return bool(selector) and all(requirement.met(labels) for requirement in selector)
