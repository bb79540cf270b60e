"""Custom resources that name a protected object: what their programs do to it is not known, and so a peer is asked.

What no agent writes or ends, Seconder's own objects among it, is not named either, whatever policies say. Autoscalers
say what they do, and are not told here.
"""

import functools
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from seconder.admission import cel, coverage, installation, keeping
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
_TOO_MANY: Final = Refusal(
    "it names more objects than can be looked at",
    Reason.APPROVAL_MISSING,
    "Name fewer of them in one object, or ask a person to write it.",
)
_MOST: Final = 64
"""Objects that policies may be about, and that are looked up."""

_SIZERS: Final = {*scaling.SIZERS, scaling.VERTICAL}
"""The custom kinds of which rules tell what they do to the workload that they name."""


def _for_good(context: ReviewContext) -> Refusal | None:
    """Why an object may not be written whose names tell that by themselves."""
    return None if _names_the_same(context) else _refused(context, references.found(*context.whole))


def _names_the_same(context: ReviewContext) -> bool:
    return context.request.updates and not context.rewrites


def _refused(context: ReviewContext, found: Found) -> Refusal | None:
    if found.more:
        # Some may be among them that no agent names.
        return _TOO_MANY
    kept = {kept for named in found.named if (kept := _kept(context, named, found))}
    return Refusal(f"agents may not have another program change {min(kept)}") if kept else None


def evaluate(context: ReviewContext) -> Findings:
    """``Delete`` on each protected object that is named before or after, where more than what is free changes."""
    request, policies = context.request, context.state.policies
    if _names_the_same(context):
        return []
    found = references.found(*context.whole)
    if refusal := _refused(context, found):
        return [refusal]
    if not policies.follows:
        return []
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
                return [_TOO_MANY]
    for kind, name, place in (yield from _called(placeless)):
        for namespace in covered(kind, frozenset({place}), ""):
            effect = _effect(kind, namespace, name)
            effects[effect.target] = effect
    if len(effects) > _MOST:
        return [_TOO_MANY]
    if not effects:
        return []
    # Most that is named so is yet to come, and nobody's.
    stored = yield from ask(ReadObjects(tuple(effect.ref for effect in effects.values()), _UNREAD))
    there = [effect for effect in effects.values() if effect.ref in stored]
    return (yield from along.findings(context, there)) if there else []


def _kept(context: ReviewContext, named: Named, found: Found) -> str:
    """What it is that no agent writes or ends, if it is; also where the namespace in which it is stands elsewhere.

    It is not looked up then: what is Seconder's own is called so, and others' objects are not.
    """
    state, own = context.state, context.state.installation.namespace
    if named.known is not None:
        resource, namespaced = named.known.resource, named.known.namespaced
    else:
        resource = _resource(named.group, named.kind)
        namespaced = resource not in installation.NAMED.values()
    place = named.namespace if namespaced else ""
    if namespaced and not place and named.name.startswith(installation.ROLE_PREFIX):
        anywhere = _anywhere(context, found)
        place = own if own in anywhere or not anywhere else ""
    told = keeping.object_(Target(resource, "", place, named.name, ""), state)
    return told or (keeping.group(named.group) if named.whole else "")


def _resource(group: str, kind: str) -> GroupResource:
    """The resource of a kind, as far as it matters of which it is."""
    own = installation.NAMED.get(kind)
    return own if own is not None and own.group == group else GroupResource(group, f"{kind.lower().removesuffix('s')}s")


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
    """The kinds of what is named, as far as policies ask: workloads; of what is told in full whatever they name."""
    if named.known is not None:
        return (named.known,) if named.known.resource in POD_RUNNERS else ()
    return context.state.policies.of_kind(named.group, named.kind)


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """What agents do to objects of all groups that are not Kubernetes' own."""
    custom = f'request.resource.group.contains(".") && !(request.resource.group in {cel.listed(BUILT_IN_GROUPS)})'
    return [Prefilter(Entry.GUARD, f'request.operation in ["CREATE", "UPDATE", "DELETE"] && {custom}')]


RULE: Final = Rule(
    "references",
    "Agents write no custom resource that names a protected object without approval, but of kinds that are known, and"
    " none that names what they never write.",
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
    for_good=_for_good,
)
