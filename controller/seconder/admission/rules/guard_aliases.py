"""What agents never end has no other name by which they do: objects that stand for such namespaces and nodes.

The namespaces of the guard, of agents and of the nodes' Leases, and the nodes of the guard's pods, are kept by rules of
their own, which look at the object that a request names.
"""

from collections.abc import Sequence
from typing import Final

from seconder.admission import cel, coverage, keeping
from seconder.admission.findings import Findings, Refusal
from seconder.admission.indirect import aliased, aliases
from seconder.admission.indirect.aliases import Alias
from seconder.admission.lookups import AliasedBy, Asking, PodsOn, ask
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.prefilter import Entry, Prefilter
from seconder.admission.request import MUTATIONS, Operation
from seconder.admission.review import ReviewContext
from seconder.admission.rule import AppliesTo, Binds, Rule
from seconder.api.resources import DEFINITIONS, NAMESPACES, Action, GroupResource

_CHARTS: Final = next(
    each for each in aliases.BUILT_IN if each.resource == GroupResource("helm.cattle.io", "helmcharts")
)
_CHARTS_VALUES: Final = GroupResource("helm.cattle.io", "helmchartconfigs")
"""Values for the HelmChart of their name, which come before its own."""

_DEFINED: Final = "agents may not end the definition of what stands for namespaces or nodes"
_REWRITTEN: Final = "agents may not change what is installed in the guard's own namespace"


def _for_good(context: ReviewContext) -> Refusal | None:
    """Why what stands for a namespace may not be ended or written, where that is told by its own fields."""
    resource = context.request.target.resource
    standing = [alias for alias in context.state.installation.aliases if alias.resource == resource]
    lost = {name for alias in standing if alias.of == NAMESPACES for name in aliased.lost(context, alias)}
    for name in sorted(lost):
        if kept := keeping.namespace(name, context.state):
            return _ended(kept)
    return Refusal(_REWRITTEN) if any(_rewrites_guard(context, alias) for alias in standing) else None


def _ended(kept: str) -> Refusal:
    return Refusal(f"agents may not end {kept}, nor what stands for it")


def evaluate(context: ReviewContext) -> Findings:
    """Refuse what ends one of these by an object that stands for it, or by what such an object goes with.

    What stands for the guard's own namespace is not rewritten either: a chart's controller installs what it says.
    """
    request, place = context.request, context.state.installation
    resource = request.target.resource
    if resource == DEFINITIONS:
        return [Refusal(_DEFINED)] if _defines(context) else []
    if resource == _CHARTS_VALUES:
        return [Refusal(_REWRITTEN)] if (yield from _values_of_guard(context)) else []
    standing = [alias for alias in place.aliases if alias.resource == resource]
    lost = {(alias.of, name) for alias in standing for name in aliased.lost(context, alias)}
    if resource == NAMESPACES and request.operation is not Operation.CREATE:
        lost |= set((yield from aliased.lost_within(context, place.aliases)))
    for kind, name in sorted(lost):
        if kind == NAMESPACES:
            kept = keeping.namespace(name, context.state)
        else:
            own = yield from ask(PodsOn(name, namespace=place.namespace))
            kept = "the node on which the guard runs" if own else ""
        if kept:
            return [_ended(kept)]
    return [Refusal(_REWRITTEN)] if any(_rewrites_guard(context, alias) for alias in standing) else []


def _defines(context: ReviewContext) -> bool:
    """Whether it ends the definition of such objects. Where a policy asks about it, a peer sees what goes with it."""
    kinds = map(str, (*context.state.installation.aliased, _CHARTS_VALUES))
    ends = context.request.target.name in kinds and context.may_end
    return ends and not coverage.may_be_covered(context, context.effect(Action.DELETE))


def _rewrites_guard(context: ReviewContext, alias: Alias) -> bool:
    """Whether it makes or changes what stands for the guard's own namespace."""
    if alias.of != NAMESPACES or context.request.deletes or (context.request.updates and not context.rewrites):
        return False
    named = [aliases.names(alias, document) for document in context.whole if document]
    return any(context.state.installation.namespace in (each or ()) for each in named)


def _values_of_guard(context: ReviewContext) -> Asking[bool]:
    """Whether it may be about the values of a chart that is installed in the guard's own namespace."""
    request = context.request
    if request.updates and not context.rewrites:
        return False
    # Which of the charts there has its name cannot be listed by name.
    stood_for = yield from ask(AliasedBy(request.target.namespace, (_CHARTS,)))
    return (NAMESPACES, context.state.installation.namespace) in stood_for


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """Whatever is done to objects of these kinds; and what ends Namespaces and definitions."""
    ends = f'({cel.one_of({NAMESPACES, DEFINITIONS})}) && request.operation in ["UPDATE", "DELETE"]'
    written = f'({cel.one_of({*place.aliased, _CHARTS_VALUES})}) && request.operation != "CONNECT"'
    return [Prefilter(Entry.GUARD, test) for test in (ends, written)]


RULE: Final = Rule(
    "guard-aliases",
    "Agents end no namespace or node that is never for them by another object that stands for it.",
    Binds.AGENTS,
    evaluate,
    prefilters,
    applies_to=AppliesTo(MUTATIONS, {NAMESPACES, DEFINITIONS, _CHARTS_VALUES}, aliases=True),
    for_good=_for_good,
)
