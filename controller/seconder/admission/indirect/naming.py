"""What is protected among that which custom resources name, and what none of them may name.

What their programs do to it is not known, and so a peer is asked. What no agent writes or ends, Seconder's own objects
among it, is not named either, whatever policies say.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from seconder.admission import coverage, installation, keeping
from seconder.admission.findings import Refusal
from seconder.admission.indirect.named import Named
from seconder.admission.kinds import POD_RUNNERS
from seconder.admission.lookups import Asking, Called, Naming, ReadObjects, ask
from seconder.admission.review import Effect, ReviewContext, goes_along
from seconder.api.reasons import Reason
from seconder.api.resources import GroupResource, ResolvedResource, Target

_UNREAD: Final = "what the object names could not be looked up"
_TOO_MANY: Final = Refusal(
    "it names more objects than can be looked at",
    Reason.APPROVAL_MISSING,
    "Name fewer of them in one object, or ask a person to write it.",
)
_MOST: Final = 64
"""Objects that policies may be about, and that are looked up."""

_MOST_PLACES: Final = 32_768
"""Namespaces in which some kind may be meant, by all objects that are judged at once: 0.3 s of CPU."""


def refused(context: ReviewContext, naming: Naming) -> Refusal | None:
    """Why what is named may not be, whoever approves."""
    if naming.found.more:
        # Some may be among them that no agent names.
        return _TOO_MANY
    kept = {kept for named in naming.found.named if (kept := _kept(context, named, naming))}
    return Refusal(f"agents may not have another program change {min(kept)}") if kept else None


def lost(
    context: ReviewContext, namings: Collection[Naming], reason: str, goes: Callable[[Target], bool] = lambda _: False
) -> Asking[Sequence[Effect | Refusal]]:
    """``Delete`` on each protected object that is named and is there, for a ``reason``; or one refusal.

    ``goes``: of what goes with the request's object itself others ask. Raises Unknown.
    """
    policies = context.state.policies
    for naming in namings:
        if refusal := refused(context, naming):
            return [refusal]
    if not policies.follows:
        return []
    effects: dict[Target, Effect] = {}
    nowhere: dict[ResolvedResource, set[str]] = {}
    covered = _Covered(context)

    def add(kind: ResolvedResource, place: str, name: str) -> None:
        effect = replace(_deletion(kind, place, name), since=reason)
        if effect.target != context.request.target and not goes(effect.target):
            effects[effect.target] = effect

    for naming in namings:
        anywhere = _anywhere(naming)
        for named in naming.found.named:
            for kind in _kinds(context, named):
                places = _places(named, kind, anywhere)
                if not places and policies.follows_some_of({kind.resource}):
                    nowhere.setdefault(kind, set()).add(named.name)
                for place in covered(kind, places, "" if kind.namespaced else named.name):
                    add(kind, place, named.name)
                if len(effects) > _MOST or covered.looked > _MOST_PLACES:
                    return [_TOO_MANY]
    for kind, name, place in (yield from _called(nowhere)):
        for namespace in covered(kind, frozenset({place}), ""):
            add(kind, namespace, name)
    if len(effects) > _MOST:
        return [_TOO_MANY]
    if not effects:
        return []
    # Most that is named so is yet to come, and nobody's.
    stored = yield from ask(ReadObjects(tuple(effect.ref for effect in effects.values()), _UNREAD))
    return [effect for effect in effects.values() if effect.ref in stored]


def _kept(context: ReviewContext, named: Named, naming: Naming) -> str:
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
        anywhere = _anywhere(naming)
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


class _Covered:
    """Those of some namespaces in which policies may be about a kind. ``name``: of what is in no namespace.

    Looked at once for all names: of what is in a namespace, policies name kinds and places.
    """

    def __init__(self, context: ReviewContext) -> None:
        self._context = context
        self._found: dict[tuple[ResolvedResource, frozenset[str], str], Sequence[str]] = {}
        self.looked = 0
        """How many namespaces were looked at."""

    def __call__(self, kind: ResolvedResource, places: frozenset[str], name: str) -> Sequence[str]:
        asked = kind, places, name
        if asked not in self._found:
            self.looked += len(places)
            self._found[asked] = [
                place for place in places if coverage.may_be_covered(self._context, _deletion(kind, place, name))
            ]
        return self._found[asked]


def _deletion(kind: ResolvedResource, place: str, name: str) -> Effect:
    return goes_along(Target(kind.resource, kind.kind, place, name, ""), kind.version)


def _anywhere(naming: Naming) -> frozenset[str]:
    """The namespaces in which what says none may be: that of the object, and any that it names."""
    own, named = naming.namespace, naming.found.namespaces
    return named | {own} if own else named


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
