"""What a rule is."""

import functools
from collections.abc import Callable, Sequence, Set
from enum import Enum
from typing import Final

from msgspec import Struct

from seconder.admission.findings import Findings, Refusal
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.prefilter import Prefilter
from seconder.admission.request import Operation
from seconder.admission.review import ReviewContext
from seconder.api.resources import ANY, Action, GroupResource

_MOST_REMEMBERED: Final = 4096
"""Answers to which rules look at what. An agent can name any resource."""


class Binds(Enum):
    """Whose requests a rule looks at."""

    AGENTS = "agents"
    """Agents by identity, in mode Enforce."""
    CALLERS = "callers"
    """Everybody but the control plane's own controllers."""
    EVERYBODY = "everybody"
    """The control plane's own controllers too."""


class AppliesTo(Struct, frozen=True):
    """The requests that a rule is about, by their head and whether metadata change. None: whatever it is.

    ``ANY`` as a resource's name stands for all of its group. ``subresources`` hold ``""`` for the object itself.
    ``aliases``: beside ``resources``, the kinds whose objects stand for namespaces in this installation.
    ``metadata``: of updates, those that change any of ``Metadata``. ``others``: but none of these kinds, which ``ANY``
    may stand for, too.
    """

    operations: Set[Operation] | None = None
    resources: Set[GroupResource] | None = None
    subresources: Set[str] | None = None
    aliases: bool = False
    metadata: bool = False
    others: Set[GroupResource] = frozenset()

    def includes(
        self, operation: Operation, resource: GroupResource, subresource: str, aliases: Set[GroupResource] = frozenset()
    ) -> bool:
        """Whether a request with this head is one of them. ``aliases``: the kinds that stand for namespaces."""
        resources = self.resources
        return (
            (self.operations is None or operation in self.operations)
            and (
                resources is None
                or resource in resources
                or GroupResource(resource.group, ANY) in resources
                or (self.aliases and resource in aliases)
            )
            and (self.subresources is None or subresource in self.subresources)
            and self.others.isdisjoint({resource, GroupResource(resource.group, ANY)})
        )


class Rule(Struct, frozen=True, eq=False):
    """One rule. ``name`` stands in the documents and in the tests; ``promise`` says what it keeps from happening.

    ``evaluate`` is a pure generator: it yields look-ups, is sent their answers, and returns what it finds. An answer
    that is not known is thrown into it as ``Unknown``, which denies the request. ``prefilters`` say what the API
    server must ask Seconder about so that the rule sees all that it would find something in.
    ``action`` is the one on the request's own object, if it finds one. ``applies_to``: ``evaluate`` is asked about no
    other requests, and so need not look at that again. ``for_good``: of what it refuses whatever is approved, as much
    as it tells without a look-up. That is asked before a peer is, by whichever rule in front of this one.
    ``along``: it tells what goes with an object, and refuses what is too much to be approved. That is asked then, too.
    """

    name: str
    promise: str
    binds: Binds
    evaluate: Callable[[ReviewContext], Findings]
    prefilters: Callable[[PolicyIndex, Installation], Sequence[Prefilter]]
    action: Action | None = None
    applies_to: AppliesTo = AppliesTo()
    for_good: Callable[[ReviewContext], Refusal | None] | None = None
    along: bool = False

    def looks_at(self, context: ReviewContext) -> bool:
        """Whether the rule looks at this caller's request."""
        return bool(looking_at(context, (self,)))


_FOR_EXEMPT: Final = frozenset({Binds.EVERYBODY})
_FOR_CALLERS: Final = _FOR_EXEMPT | {Binds.CALLERS}
_FOR_AGENTS: Final = _FOR_CALLERS | {Binds.AGENTS}


def looking_at(context: ReviewContext, rules: tuple[Rule, ...]) -> Sequence[Rule]:
    """Those of some rules that look at this caller's request, in their order."""
    request = context.request
    binding = _FOR_EXEMPT if context.exempt else _FOR_AGENTS if context.guards else _FOR_CALLERS
    aliases = context.state.installation.aliased
    head = (request.operation, request.target.resource, request.subresource)
    return _looking_at(rules, binding, *head, aliases, context.keeps_metadata)


@functools.lru_cache(_MOST_REMEMBERED)
def _looking_at(
    rules: tuple[Rule, ...],
    binding: frozenset[Binds],
    operation: Operation,
    resource: GroupResource,
    subresource: str,
    aliases: frozenset[GroupResource],
    keeps_metadata: bool,
) -> tuple[Rule, ...]:
    return tuple(
        rule
        for rule in rules
        if rule.binds in binding
        and rule.applies_to.includes(operation, resource, subresource, aliases)
        and not (keeps_metadata and rule.applies_to.metadata)
    )
