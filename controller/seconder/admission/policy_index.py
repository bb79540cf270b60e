"""Which policies cover a request."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from seconder.admission import dependents, principal
from seconder.admission.request import Request
from seconder.api import constants
from seconder.api.policy import DEFAULT_TAGS, AgentTags, Mode, Policy, ResolvedResource, Subjects
from seconder.api.resources import DEFINITIONS, NAMESPACES, Action, GroupResource, Target

ANY: Final = "*"
_EVERYWHERE: Final = ""


class PolicyIndex:
    """All policies, found by what they name. Built once per change; a look-up does not grow with their number."""

    def __init__(self, policies: Iterable[Policy]) -> None:
        self.all: Final[Sequence[Policy]] = tuple(sorted(policies, key=lambda policy: policy.name))
        self.known_tags: Final = _union([DEFAULT_TAGS, *(policy.agents for policy in self.all)])
        self.known: Final = frozenset(
            {NAMESPACES, *(each for policy in self.all for each in (*policy.resources, *policy.resolved))}
        )
        self.followed: Final = dependents.followed(self.all)
        self.followed_known: Final = all(each.resolution_current for each in dependents.protecting(self.all))
        """Whether ``followed`` is all of it: discovery has looked at every policy."""
        self._naming: Final[dict[tuple[str, str, str], list[Policy]]] = {}
        self._within: Final[dict[str, list[Policy]]] = {}
        self._kinds: Final[dict[tuple[str, str], set[ResolvedResource]]] = {}
        self._wildcards = False
        for policy in self.all:
            named = policy.resources | policy.resolved.keys() if policy.problem else policy.resources
            for each in policy.resolved.values():
                self._kinds.setdefault((each.resource.group, each.kind), set()).add(each)
            self._wildcards |= any(ANY in resource for resource in named)
            for place in policy.namespaces or {_EVERYWHERE}:
                self._within.setdefault(place, []).append(policy)
            for resource in named:
                for place in _places(policy, resource):
                    self._naming.setdefault((resource.group, resource.resource, place), []).append(policy)

    def naming(self, resource: GroupResource, namespace: str) -> Iterator[Policy]:
        """Give each policy that names this resource, once.

        ``namespace``: where the object is; for a Namespace its own name; empty for other cluster-scoped objects.
        """
        group, plural = resource
        names_ = [(group, plural)]
        if self._wildcards:
            names_ += [(group, ANY), (ANY, plural), (ANY, ANY)]
        places = (namespace, _EVERYWHERE) if namespace else (_EVERYWHERE,)
        seen: set[str] = set()
        for place in places:
            for group, plural in names_:
                for policy in self._naming.get((group, plural, place), ()):
                    key = f"{policy.name}/{policy.problem}"
                    if key not in seen:
                        seen.add(key)
                        yield policy

    def protecting(self, target: Target) -> list[Policy]:
        """Give the policies that refuse somebody or other the deletion of this object, or of what it holds."""
        place = place_of(target)
        found = [*self.naming(target.resource, place)]
        if target.resource == NAMESPACES:
            found += [each for each in self.within(place) if each not in found]
        return dependents.protecting(found)

    @property
    def follows(self) -> bool:
        """Whether some object's owners matter, or may once discovery has looked at every policy."""
        return bool(self.followed) or not self.followed_known

    def of_kind(self, group: str, kind: str) -> Sequence[ResolvedResource]:
        """Give the resources of this kind that some policy names."""
        found = self._kinds.get((group, kind), set()) if kind else set()
        return sorted(found, key=lambda each: (each.resource, each.version))

    def within(self, namespace: str) -> Iterator[Policy]:
        """Give each policy that protects objects in this namespace."""
        yield from self._within.get(namespace, ())
        yield from self._within.get(_EVERYWHERE, ())


@dataclass(frozen=True, slots=True)
class Guarded:
    """What is Seconder's own in this cluster. ``controllers``: user names that the installer added to the built-in."""

    namespace: str = constants.DEFAULT_NAMESPACE
    controllers: frozenset[str] = frozenset()


def binds(policy: Policy, request: Request, requester: principal.Requester, own: Guarded) -> bool:
    """Say whether the policy binds this caller on this object; what it names is looked at elsewhere."""
    # An invalid policy may be invalid in its tags: the defaults count beside them.
    if policy.problem and principal.identity_tagged(request.caller, DEFAULT_TAGS):
        return True
    if principal.identity_tagged(request.caller, policy.agents):
        return True
    if request.caller.username in own.controllers:
        return False
    if principal.request_tagged(request, policy.agents):
        return True
    if policy.problem or policy.subjects is Subjects.AGENTS:
        return False
    if request.target.resource.group == constants.DOMAIN or place_of(request.target) in {"kube-system", own.namespace}:
        return False
    return requester.agent or request.caller.username not in policy.exempt_users


def covering(
    request: Request, requester: principal.Requester, index: PolicyIndex, mode: Mode, action: Action, own: Guarded
) -> list[Policy]:
    """Give the policies of this mode that name the object itself, the action, and bind the caller."""
    return [
        policy
        for policy in index.naming(request.target.resource, place_of(request.target))
        if _asks(policy, request, requester, mode, action, own)
    ]


def covering_contents(
    request: Request,
    requester: principal.Requester,
    index: PolicyIndex,
    mode: Mode,
    own: Guarded,
    action: Action = Action.DELETE,
) -> list[Policy]:
    """Give the policies that cover a namespace's end by this action if it holds an object that they name."""
    if request.target.resource != NAMESPACES:
        return []
    return [
        policy for policy in index.within(request.target.name) if _asks(policy, request, requester, mode, action, own)
    ]


def covering_definition(
    request: Request,
    requester: principal.Requester,
    index: PolicyIndex,
    mode: Mode,
    own: Guarded,
    action: Action = Action.DELETE,
) -> list[Policy]:
    """Give the policies that cover the end of a CustomResourceDefinition for the objects that go with it."""
    return [
        policy for policy in defining(request.target, index) if _asks(policy, request, requester, mode, action, own)
    ]


def defining(target: Target, index: PolicyIndex) -> list[Policy]:
    """Give the policies that name what a CustomResourceDefinition defines.

    Those objects are deleted with it without any admission of their own, in all namespaces.
    """
    if target.resource != DEFINITIONS:
        return []
    plural, _, group = target.name.partition(".")
    return [
        policy
        for policy in index.all
        if any(each.group in {group, ANY} and each.resource in {plural, ANY} for each in policy.resources)
    ]


def _asks(
    policy: Policy, request: Request, requester: principal.Requester, mode: Mode, action: Action, own: Guarded
) -> bool:
    if policy.mode is not mode or action not in policy.actions or not binds(policy, request, requester, own):
        return False
    # Controllers and people set owners all day: this one is asked of agents alone, and on what is tagged as theirs.
    return action is not Action.CHANGE_OWNERS or requester.agent or principal.request_tagged(request, policy.agents)


def _places(policy: Policy, resource: GroupResource) -> frozenset[str]:
    resolved = policy.resolved.get(resource)
    if not policy.namespaces or (resolved and not resolved.namespaced and resource != NAMESPACES):
        # A namespace list does not fit a cluster-scoped kind. It makes the policy invalid, never silent.
        return frozenset({_EVERYWHERE})
    return policy.namespaces


def place_of(target: Target) -> str:
    """Give the namespace that an object counts for: a Namespace's is its own name."""
    return target.name if target.resource == NAMESPACES else target.namespace


def _union(tags: Sequence[AgentTags]) -> AgentTags:
    none: frozenset[str] = frozenset()
    return AgentTags(
        groups=none.union(*(each.groups for each in tags)),
        users=none.union(*(each.users for each in tags)),
        service_account_namespaces=none.union(*(each.service_account_namespaces for each in tags)),
        extra_keys=none.union(*(each.extra_keys for each in tags)),
        field_managers=none.union(*(each.field_managers for each in tags)),
        annotations=none.union(*(each.annotations for each in tags)),
    )
