"""Custom resources that name a protected object: what their programs do to it is not known, and so a peer is asked.

Autoscalers say what they do, and are not told here.
"""

import functools
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from seconder.admission import cel, coverage
from seconder.admission.findings import Findings, Refusal
from seconder.admission.indirect import along, references, scaling
from seconder.admission.indirect.references import Found, Named
from seconder.admission.kinds import BUILT_IN_GROUPS, KUBERNETES_GROUPS, METRICS_GROUPS, POD_RUNNERS
from seconder.admission.lookups import Asking, Called, ReadObjects, ask
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.prefilter import Entry, Prefilter
from seconder.admission.request import MUTATIONS
from seconder.admission.review import Effect, ReviewContext, goes_along
from seconder.admission.rule import AppliesTo, Binds, Rule
from seconder.api import constants
from seconder.api.reasons import Reason
from seconder.api.resources import ANY, GroupResource, ResolvedResource, Target

_REASON: Final = "some program acts on what this object names, and how is not known"
_UNREAD: Final = "what the object names could not be looked up"
_TOO_MANY: Final = "it names more objects than can be looked at"
_FEWER: Final = "Name fewer of them in one object, or ask a person to write it."
_MOST: Final = 64
"""Objects that policies may be about, and that are looked up."""

_SIZERS: Final = {*scaling.SIZERS, scaling.VERTICAL}
"""The custom kinds of which rules tell what they do to the workload that they name."""


def evaluate(context: ReviewContext) -> Findings:
    """``Delete`` on each protected object that is named before or after, where more than what is free changes."""
    request, policies = context.request, context.state.policies
    if not policies.follows or (request.updates and not context.rewrites):
        return []
    found = references.found(*context.whole)
    if found.more:
        return [Refusal(_TOO_MANY, Reason.APPROVAL_MISSING, _FEWER)] if policies.follows_some_of(POD_RUNNERS) else []
    effects: dict[Target, Effect] = {}
    anywhere = _anywhere(context, found)
    # Once for all names: of what is in a namespace, policies name kinds and places.
    covered = functools.cache(functools.partial(_covered, context))
    placeless: dict[ResolvedResource, set[str]] = {}
    for named in found.named:
        for kind in _kinds(context, named):
            places = _places(named, kind, anywhere)
            if not places and policies.follows_some_of({kind.resource}):
                placeless.setdefault(kind, set()).add(named.name)
            for place in covered(kind, places, "" if kind.namespaced else named.name):
                effect = _effect(kind, place, named.name)
                if effect.target != request.target:
                    effects[effect.target] = effect
            if len(effects) > _MOST:
                return [Refusal(_TOO_MANY, Reason.APPROVAL_MISSING, _FEWER)]
    for kind, name, place in (yield from _called(placeless)):
        for namespace in covered(kind, frozenset({place}), ""):
            effect = _effect(kind, namespace, name)
            effects[effect.target] = effect
    if len(effects) > _MOST:
        return [Refusal(_TOO_MANY, Reason.APPROVAL_MISSING, _FEWER)]
    if not effects:
        return []
    # Most that is named so is yet to come, and nobody's.
    stored = yield from ask(ReadObjects(tuple(effect.ref for effect in effects.values()), _UNREAD))
    there = [effect for effect in effects.values() if effect.ref in stored]
    return (yield from along.findings(context, there)) if there else []


def _called(names: Mapping[ResolvedResource, Collection[str]]) -> Asking[list[tuple[ResolvedResource, str, str]]]:
    """What is called so in any namespace: an object in none that says none may mean it wherever it is. Raises Unknown.

    Each by its kind, name and namespace.
    """
    called: list[tuple[ResolvedResource, str, str]] = []
    for kind in sorted(names, key=lambda each: (each.resource, each.version)):
        placed = yield from ask(Called(kind, tuple(sorted(names[kind]))))
        called += [(kind, each.name, each.namespace) for each in placed]
    return called


def _covered(context: ReviewContext, kind: ResolvedResource, places: frozenset[str], name: str) -> Sequence[str]:
    """Those of some namespaces in which policies may be about this kind. ``name``: of what is in no namespace."""
    return [place for place in places if coverage.may_be_covered(context, _effect(kind, place, name))]


def _effect(kind: ResolvedResource, place: str, name: str) -> Effect:
    return replace(goes_along(Target(kind.resource, kind.kind, place, name, ""), kind.version), since=_REASON)


def _anywhere(context: ReviewContext, found: Found) -> frozenset[str]:
    """The namespaces in which what says none may be: that of the object, and any that it names."""
    own = context.request.target.namespace
    return found.namespaces | {own} if own else found.namespaces


def _places(named: Named, kind: ResolvedResource, anywhere: frozenset[str]) -> frozenset[str]:
    """The namespaces in which it may be meant; an empty name for what is in none."""
    if not kind.namespaced:
        return frozenset({""})
    return frozenset({named.namespace}) if named.namespace else anywhere


def _kinds(context: ReviewContext, named: Named) -> Sequence[ResolvedResource]:
    """The kinds of what is named, as far as they matter: workloads; of whole manifests whatever policies name."""
    if named.workload is not None:
        return (named.workload,)
    return context.state.policies.of_kind(named.group, named.kind)


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """What agents do to objects of all groups that are not Kubernetes' own."""
    if not index.follows:
        return []
    custom = f'request.resource.group.contains(".") && !(request.resource.group in {cel.listed(BUILT_IN_GROUPS)})'
    return [Prefilter(Entry.GUARD, f'request.operation in ["CREATE", "UPDATE", "DELETE"] && {custom}')]


RULE: Final = Rule(
    "references",
    "Agents write no custom resource that names a protected object without approval, but of kinds that are known.",
    Binds.AGENTS,
    evaluate,
    prefilters,
    applies_to=AppliesTo(
        MUTATIONS,
        # Nobody reads what a Scale is of: the guard may not.
        subresources={"", "status"},
        others={
            *(GroupResource(group, ANY) for group in KUBERNETES_GROUPS | METRICS_GROUPS | {constants.DOMAIN}),
            *_SIZERS,
        },
    ),
)
