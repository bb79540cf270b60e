"""Which policies cover an effect: for the object itself, for what it holds, and for what it defines."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from seconder.admission.lookups import Asking, HeldResource, NamespaceContents, ReadObjects, ReadWhole, Unknown, ask
from seconder.admission.request import Metadata
from seconder.admission.review import Effect, ReviewContext
from seconder.api.policy import Policy
from seconder.api.resources import DEFINITIONS, ENDINGS, NAMESPACES, Action, Target
from seconder.approvals import impact

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9:._-]{0,252}")
"""What a name in a path of the API may look like; the API server itself takes any text in an ownerReference."""


def policies_for(context: ReviewContext, effect: Effect) -> Asking[list[Policy]]:
    """The policies that cover an effect. Raises Unknown where what a namespace holds cannot be known."""
    covering = context.naming(effect)
    if effect.action not in ENDINGS or Action.CHANGE in effect.instead:
        # What a change of a namespace or a definition ends of theirs is a row of the table of indirect deleters.
        return covering
    policies = context.state.policies
    if effect.target.resource == NAMESPACES:
        everywhere = context.covering(policies.within(effect.target.name), effect)
        _refuse_unseen(context, [*covering, *everywhere])
        within = [policy for policy in everywhere if policy not in covering]
        if within:
            held = yield from _contents(effect.target.name, within)
            covering += [policy for policy in within if impact.held(policy, held)]
    if effect.target.resource == DEFINITIONS:
        defining = _defining(context, effect)
        covering += [policy for policy in defining if policy not in covering]
    return covering


def _refuse_unseen(context: ReviewContext, covering: Sequence[Policy]) -> None:
    """Raise Unknown for an agent where a namespace may hold what nobody can look at. For others, that is nothing."""
    if not context.principal.agent:
        return
    for policy in covering:
        for resolved in policy.resolved.values():
            if resolved.namespaced and not resolved.served:
                raise Unknown(f"{resolved.resource}, which policy {policy.name} protects, cannot be seen at present")


def _defining(context: ReviewContext, effect: Effect) -> list[Policy]:
    """The policies about what a definition defines; of an agent's also those about what such objects end."""
    return context.covering(context.state.policies.defining(effect.target, ending=context.guards), effect)


def may_be_covered(context: ReviewContext, effect: Effect) -> bool:
    """Whether some policy covers an effect, or would if the namespace held what it names."""
    policies, target = context.state.policies, effect.target
    if context.naming(effect) or _defining(context, effect):
        return True
    return target.resource == NAMESPACES and bool(context.covering(policies.within(target.name), effect))


def _contents(namespace: str, within: Sequence[Policy]) -> Asking[impact.Contents]:
    if any(not policy.resolution_current for policy in within):
        # What the policies name is not known yet, so that no look-up can tell what they cover.
        raise Unknown(NamespaceContents.unknown)
    resources = {
        resolved.resource: HeldResource(resolved, False)
        for policy in within
        for resolved in policy.resolved.values()
        if resolved.namespaced and resolved.served
    }
    if not resources:
        return {}
    return (yield from ask(NamespaceContents(namespace, tuple(resources[key] for key in sorted(resources)))))


def named_object(
    context: ReviewContext, group: str, kind: str, name: str, action: Action
) -> Asking[tuple[Effect, Metadata | None] | None]:
    """The effect on an object that another names by kind and name, in the same namespace, and its metadata.

    None where no policy covers it. The metadata are None where the object is not there; else the effect has its
    uid and annotations.
    """
    if not NAME.fullmatch(name):
        return None
    for resolved in context.state.policies.of_kind(group, kind):
        target = Target(resolved.resource, kind, context.request.target.namespace, name, "")
        effect = Effect(action, target, resolved.version, {})
        if not context.naming(effect):
            continue
        if context.principal.agent and not resolved.served:
            raise Unknown(f"{resolved.resource} cannot be seen at present")
        stored = yield from read(effect, "the approvals of what it amounts to could not be looked up")
        if stored is None:
            return effect, None
        return at(effect, stored), stored
    return None


def read(effect: Effect, missing: str) -> Asking[Metadata | None]:
    """The metadata of an effect's object as it is stored; None where it is not there.

    ``missing`` says what is not known where it cannot be read. Raises Unknown.
    """
    objects = yield from ask(ReadObjects((effect.ref,), missing))
    return objects.get(effect.ref)


def read_whole(effect: Effect, missing: str) -> Asking[Mapping[str, Any]]:
    """An effect's object as it is stored. ``missing``: as for ``read``. Raises Unknown, also where it is not there."""
    stored = yield from ask(ReadWhole(effect.ref, missing))
    if stored is None:
        raise Unknown(missing)
    return stored


def at(effect: Effect, stored: Metadata) -> Effect:
    """An effect on the object as it is stored."""
    annotations = stored.annotations or {}
    target = Target(effect.target.resource, effect.target.kind, effect.target.namespace, effect.target.name, stored.uid)
    return msgspec.structs.replace(
        effect,
        target=target,
        stored=annotations,
        incoming=annotations,
        controlled=stored.controller_owner is not None,
    )
