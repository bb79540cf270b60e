"""All policies, indexed by what they name."""

from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from seconder.admission.indirect import aliases
from seconder.admission.indirect.aliases import Alias
from seconder.admission.kinds import BY_HAND, MADE_FOR_PODS, makers
from seconder.api import constants
from seconder.api.label_selector import NAME_KEY
from seconder.api.policy import DEFAULT_TAGS, AgentTags, Mode, Policy
from seconder.api.resources import (
    ANY,
    DEFINITIONS,
    NAMESPACES,
    Action,
    GroupResource,
    Presence,
    ResolvedResource,
    Target,
)

_EVERYWHERE: Final = ""
_MOST_REMEMBERED: Final = 4096
MOST_FOLLOWED: Final = 200
"""Resources whose objects' owners are followed. Each takes a thread and a connection."""
_MOST_WORKED_OUT: Final = 8
"""Of what a rule works out from all policies. With very many of them each may take megabytes."""
_ENDING_BY_UPDATE: Final = frozenset({Action.CHANGE_OWNERS, Action.CHANGE})

A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class Installation:
    """Where Seconder is in this cluster.

    ``controllers``: user names that the installer added to the built-in ones. ``aliases``: how objects stand for
    namespaces; ``aliased``: of which kinds. ``portal_host``: where approvers sign in; empty without a portal.
    ``node_pods``: agents may run pods that reach their nodes.
    """

    namespace: str = constants.DEFAULT_NAMESPACE
    controllers: frozenset[str] = frozenset()
    aliases: tuple[Alias, ...] = aliases.BUILT_IN
    portal_host: str = ""
    node_pods: bool = False
    aliased: frozenset[GroupResource] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Work out which kinds these are."""
        object.__setattr__(self, "aliased", frozenset(alias.resource for alias in self.aliases))


class PolicyIndex:
    """All policies. Built once per change; a look-up does not grow with their number."""

    def __init__(self, policies: Iterable[Policy]) -> None:
        self.all: Final[Sequence[Policy]] = tuple(sorted(policies, key=lambda policy: policy.name))
        self.tags: Final = frozenset({DEFAULT_TAGS, *(policy.agents for policy in self.all)})
        """Each way in which some policy, or the defaults, recognise agents."""
        self.known_tags: Final = union_of(self.tags)
        """All of them together."""
        self.selecting: Final = tuple(policy for policy in self.all if policy.selector)
        """Those that select namespaces by labels."""
        self.selecting_keys: Final = frozenset(
            requirement.key for policy in self.selecting for requirement in policy.selector
        ) - {NAME_KEY}
        """The keys of labels by which policies select namespaces, but for the one that nobody sets."""
        self.telling_extra: Final = self.known_tags.extra_keys | {constants.OPERATOR_KEY}
        """The keys of a caller's ``extra`` that tell who it is; the others change with each token."""
        self.known: Final = frozenset(
            {NAMESPACES, *(name for policy in self.all for name in (*policy.resources, *policy.resolved))}
        )
        self.enforced: Final = tuple(policy for policy in self.all if protects(policy))
        """Those that refuse somebody or other a deletion."""
        self.reticent: Final = not all(policy.actions >= _ENDING_BY_UPDATE for policy in self.enforced)
        """Whether some of these do not ask about each update by which an object may go."""
        fitting, beyond = _fitting(self.enforced)
        self.followed: Final = _followed(fitting)
        """The resources whose objects' owners must be known: what Enforce policies protect, and what makes that."""
        self.protected: Final = _followed(self.enforced)
        """Those, and what belongs to policies that stand for too many to be followed."""
        self.followed_resources: Final = frozenset(resolved.resource for resolved in self.protected)
        self.pods_hold: Final = not MADE_FOR_PODS.isdisjoint(self.followed_resources)
        """Whether what goes with a pod may be what policies protect, or what ends that."""
        self.followed_known: Final = all(policy.resolution_current and not _hidden(policy) for policy in self.enforced)
        """Whether discovery has looked at every policy, and sees all that these name."""
        unseen = [policy for policy in fitting if not policy.resolution_current or _hidden(policy)]
        self.unfollowed: Final = (*beyond, *unseen)
        """The policies that protect more than ``followed`` holds, or may."""
        self.follows: Final = bool(self.protected) or not self.followed_known
        """Whether some object's owners matter, or may once discovery has looked at every policy."""
        self._naming: Final[dict[tuple[str, str], dict[str, list[Policy]]]] = {}
        self._within: Final[dict[str, list[Policy]]] = {}
        self._kinds: Final[dict[tuple[str, str], set[ResolvedResource]]] = {}
        self._kind_of: Final[dict[GroupResource, str]] = {}
        self._custom: Final[dict[GroupResource, bool]] = {}
        self._remembered: Final[dict[tuple[GroupResource, str], tuple[Policy, ...]]] = {}
        self._protecting: Final[dict[tuple[GroupResource, str], tuple[Policy, ...]]] = {}
        self._worked_out: Final[dict[Hashable, Any]] = {}
        for policy in self.all:
            for resolved in policy.resolved.values():
                # The garbage collector knows kinds in small letters as well (client-go, NewDiscoveryRESTMapper).
                for kind in {resolved.kind, resolved.kind.lower()}:
                    self._kinds.setdefault((resolved.resource.group, kind), set()).add(resolved)
                self._kind_of.setdefault(resolved.resource, resolved.kind)
                self._custom[resolved.resource] = resolved.custom
            for place in policy.places or {_EVERYWHERE}:
                self._within.setdefault(place, []).append(policy)
            for resource in _named(policy):
                places = self._naming.setdefault((resource.group, resource.resource), {})
                for place in _places(policy, resource):
                    places.setdefault(place, []).append(policy)

    def naming(self, resource: GroupResource, place: str) -> tuple[Policy, ...]:
        """The policies that name this resource, each once; those that select namespaces by labels wherever it is.

        ``place``: the namespace of the object; for a Namespace its own name; empty for other cluster-scoped objects.
        """
        if place not in self._within:
            # All places that no policy names are alike, so that what is remembered stays few.
            place = _EVERYWHERE
        policies = self._remembered.get((resource, place))
        if policies is None:
            policies = self._find(resource, place)
            if len(self._remembered) < _MOST_REMEMBERED:
                self._remembered[resource, place] = policies
        return policies

    def once(self, key: Hashable, work_out: Callable[[], A]) -> A:
        """What ``work_out`` gives for this key, worked out once while these policies are in force."""
        known: A | None = self._worked_out.get(key)
        if known is not None:
            return known
        made = work_out()
        if len(self._worked_out) >= _MOST_WORKED_OUT:
            self._worked_out.clear()
        self._worked_out[key] = made
        return made

    def _find(self, resource: GroupResource, place: str) -> tuple[Policy, ...]:
        group, plural = resource
        policies: dict[int, Policy] = {}
        for somewhere in dict.fromkeys((place, _EVERYWHERE)):
            for name in ((group, plural), (group, ANY), (ANY, plural), (ANY, ANY)):
                for policy in self._naming.get(name, {}).get(somewhere, ()):
                    policies[id(policy)] = policy
        return tuple(policies.values())

    def within(self, namespace: str) -> tuple[Policy, ...]:
        """The policies that protect objects in this namespace, and those that select namespaces by labels."""
        everywhere = self._within.get(_EVERYWHERE, ())
        return (*self._within.get(namespace, ()), *everywhere) if namespace else tuple(everywhere)

    def defining(self, definition: Target, *, ending: bool) -> list[Policy]:
        """The policies that name what a CustomResourceDefinition defines; none for other objects.

        Those objects are deleted with it without any admission of their own, in all namespaces. ``ending``: also those
        that name what such objects end.
        """
        if definition.resource != DEFINITIONS:
            return []
        plural, _, group = definition.name.partition(".")
        defined = GroupResource(group, plural)
        return [
            policy
            for policy in self.all
            if any(name.group in {group, ANY} and name.resource in {plural, ANY} for name in policy.resources)
            or (ending and any(kind.resource == defined for kind in policy.ended_by))
        ]

    def protecting(self, target: Target) -> tuple[Policy, ...]:
        """The policies that refuse somebody or other the deletion of this object, or of what it holds."""
        place = place_of(target)
        if place not in self._within:
            # As in ``naming``.
            place = _EVERYWHERE
        protecting = self._protecting.get((target.resource, place))
        if protecting is None:
            policies = [*self.naming(target.resource, place)]
            if target.resource == NAMESPACES:
                policies += [policy for policy in self.within(place) if policy not in policies]
            protecting = tuple(policy for policy in policies if protects(policy))
            if len(self._protecting) < _MOST_REMEMBERED:
                self._protecting[target.resource, place] = protecting
        return protecting

    def protects_in(self, resource: GroupResource, namespace: str) -> bool:
        """Whether some policy refuses somebody or other the deletion of objects of a kind in a namespace."""
        return bool(self.protecting(Target(resource, "", namespace, "", "")))

    def all_followed(self, place: str) -> bool:
        """Whether ``followed`` is all that may be owned in a namespace, or, without one, anywhere.

        An owner in a namespace owns nothing outside of it.
        """
        return not any(
            policy.problem or not (place and policy.places) or place in policy.places for policy in self.unfollowed
        )

    def follows_some_of(self, resources: Collection[GroupResource]) -> bool:
        """Whether objects of some of these kinds may be what policies protect, or what that is made of or ends with."""
        return not self.followed_known or not self.followed_resources.isdisjoint(resources)

    def followed_labels(self, resource: GroupResource) -> str:
        """Of which objects of a followed resource the owners matter, as a list is asked for; empty: of all."""
        return BY_HAND.get(resource, "") if not any(resource in policy.resolved for policy in self.enforced) else ""

    def kind_of(self, resource: GroupResource) -> str:
        """The kind of a resource's objects; empty where no policy's status tells."""
        return self._kind_of.get(resource, "")

    def may_be_custom(self, resource: GroupResource) -> bool:
        """Whether a CustomResourceDefinition may serve this resource: where no policy's status tells, it may."""
        return self._custom.get(resource, True)

    def of_kind(self, group: str, kind: str) -> Sequence[ResolvedResource]:
        """The resources of this kind, in small letters or not, that some policy names."""
        resources = self._kinds.get((group, kind), set()) if kind else set()
        return sorted(resources, key=lambda resolved: (resolved.resource, resolved.version))


def protects(policy: Policy) -> bool:
    """Whether a policy refuses deletions."""
    return policy.mode is Mode.ENFORCE and Action.DELETE in policy.actions


def place_of(target: Target) -> str:
    """The namespace that an object counts for: a Namespace's is its own name."""
    return target.name if target.resource == NAMESPACES else target.namespace


def union_of(tags: Iterable[AgentTags]) -> AgentTags:
    """The union of some tags."""
    tags = tuple(tags)
    none: frozenset[str] = frozenset()
    return AgentTags(
        groups=none.union(*(one.groups for one in tags)),
        users=none.union(*(one.users for one in tags)),
        service_account_namespaces=none.union(*(one.service_account_namespaces for one in tags)),
        extra_keys=none.union(*(one.extra_keys for one in tags)),
        field_managers=none.union(*(one.field_managers for one in tags)),
        annotations=none.union(*(one.annotations for one in tags)),
    )


_NAMESPACES: Final = ResolvedResource(NAMESPACES, "v1", namespaced=False, custom=False, kind="Namespace")
_DEFINITIONS: Final = ResolvedResource(
    DEFINITIONS, "v1", namespaced=False, custom=False, kind="CustomResourceDefinition"
)


def _followed(policies: Sequence[Policy]) -> frozenset[ResolvedResource]:
    """What these policies protect, what that is made of or ends with, and what all of it is in.

    That is Namespaces, and definitions.
    """
    resources = {resolved for policy in policies for resolved in policy.resolved.values() if resolved.served}
    named = {resolved.resource for resolved in resources}
    between = {each.resource: each for policy in policies for each in policy.ended_by if each.served}
    between |= {each.resource: each for each in makers(named)}
    resources |= {each for each in between.values() if each.resource not in named}
    if any(resolved.namespaced for resolved in resources):
        resources = {resolved for resolved in resources if resolved.resource != NAMESPACES} | {_NAMESPACES}
    if any(resolved.custom for resolved in resources):
        resources = {resolved for resolved in resources if resolved.resource != DEFINITIONS} | {_DEFINITIONS}
    return frozenset(resources)


def _fitting(policies: Sequence[Policy]) -> tuple[Sequence[Policy], Sequence[Policy]]:
    """Those that stand for no more resources together than can be followed, of few resources first; and the others."""
    if len(_followed(policies)) <= MOST_FOLLOWED:
        return policies, ()
    ordered = sorted(policies, key=lambda policy: len(policy.resolved))
    fit = 0
    while len(_followed(ordered[: fit + 1])) <= MOST_FOLLOWED:
        fit += 1
    return ordered[:fit], ordered[fit:]


def _hidden(policy: Policy) -> bool:
    """Whether objects that the policy names may be there, and cannot be looked at."""
    return any(resolved.presence is Presence.UNSERVED for resolved in policy.resolved.values())


def _named(policy: Policy) -> Iterable[GroupResource]:
    return policy.resources | policy.resolved.keys() if policy.problem else policy.resources


def _places(policy: Policy, resource: GroupResource) -> frozenset[str]:
    resolved = policy.resolved.get(resource)
    if not policy.places or (resolved and not resolved.namespaced and resource != NAMESPACES):
        # A namespace list does not fit a cluster-scoped kind. It makes the policy invalid, never silent.
        return frozenset({_EVERYWHERE})
    return policy.places
