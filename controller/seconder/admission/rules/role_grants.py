"""What agents may not give away: the means for a protected action, and rights that no policy holds back.

The API server lets nobody grant what they do not hold, and agents hold the right to delete, so that reviews decide.
Given to somebody who is no agent, the same right is decided by nobody. Users and groups of Kubernetes' own, such as who
shows no credential, get nothing of an agent, whatever the role holds today: an agent may ask as these at any time. What
a ServiceAccount may do is asked again before an agent acts as it.

Nor may they take: the guard's own roles stay with those who have them, approvers among them, and such a right stays in
its role and with those who have it, and gets no owner and no mark by which it would go. Whoever put it there puts it
back, the API server at its next start among others, and then all have it that got the role meanwhile, and whatever runs
as an account that was harmless then.
"""

import functools
import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from seconder.admission import cel, codec, powers, rbac
from seconder.admission.findings import Cleared, Finding, Findings, Refusal
from seconder.admission.indirect import means
from seconder.admission.installation import ROLE_PREFIX
from seconder.admission.lookups import OwningResources, RoleRules, ask
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.powers import POWERS, Place, Power
from seconder.admission.prefilter import Entry, Prefilter
from seconder.admission.principal import identity_tagged, service_account, service_account_caller
from seconder.admission.rbac import Binding, Role, Rule, Subject
from seconder.admission.request import Caller
from seconder.admission.review import ReviewContext
from seconder.admission.rule import AppliesTo, Binds
from seconder.admission.rule import Rule as ReviewRule
from seconder.api.policy import DEFAULT_TAGS, AgentTags, Mode, Policy
from seconder.api.resources import ANY, CLUSTER_ROLES, NAMESPACES, NODES, GroupResource

_LOSSES: Final = frozenset({"update", "patch"}) | powers.ENDS
_ACCOUNTS_OF: Final = "system:serviceaccounts:"
"""The group of the ServiceAccounts of a namespace, whose name follows."""

GATHER_NOTHING: Final[Mapping[str, str]] = {
    "app.kubernetes.io/version": "it is another one with each version of what is installed",
    "chart": "the name of helm.sh/chart in older charts",
    "helm.sh/chart": "it is another one with each version of a chart",
}
"""Labels by which no role gathers the rules of others, each with its reason: every upgrade of a chart changes them.

Other common ones are not here: Kyverno's roles gather by ``app.kubernetes.io/component``, ``instance`` and ``part-of``.
"""

_TAKEN: Final = "take the right to {} out of a role, where it is put back"
_TAKEN_FROM: Final = "take the right to {} from others than agents, whom it is given back"
_MOST_RULES: Final = 256
_MOST_NAMED: Final = 4096
"""Pairs of a group and a resource, and verbs, of all rules together; so that judging them takes milliseconds."""

_MOST_RIGHTS: Final = 65_536
"""Rights of both roles that are compared one by one, which takes a tenth of a second. Of more, whole rules are."""

_roles: Final = msgspec.json.Decoder(codec.ObjectsReview[Role])
_bindings: Final = msgspec.json.Decoder(codec.ObjectsReview[Binding])


def evaluate(context: ReviewContext) -> Findings:
    """Refuse roles and bindings that give away what an agent may not give."""
    if context.request.target.resource in rbac.ROLES:
        return (yield from _role(context))
    return (yield from _binding(context))


def _role(context: ReviewContext) -> Findings:
    """The findings on a role that is written or deleted. Who has it is not known: a binding may be there already."""
    objects = codec.objects(context.request, _roles, "the role or binding")
    before, after = objects.old_object, objects.object
    gathers = after is not None and after.aggregation_rule
    if gathers and (before is None or before.aggregation_rule != gathers):
        return [Refusal("agents may not make roles that gather the rules of others")]
    # Of those in a namespace none gathers the rules, whatever their labels say (``aggregationRule``).
    gathered = context.request.target.resource == CLUSTER_ROLES
    added = _without(after, before, gathered=gathered)
    given = yield from _given(context, added, None, "put the right to {} into a role")
    lost = _without(before, None if context.may_end else after, gathered=gathered)
    taken = yield from _given(context, lost, None, _TAKEN, _TAKEN)
    return [*given, *taken]


def _binding(context: ReviewContext) -> Findings:
    objects = codec.objects(context.request, _bindings, "the role or binding")
    before, after = objects.old_object, objects.object
    # A binding that is deleted takes its role from all.
    written = after or before
    if written is None:
        return []
    role = written.role(context.request.target.namespace)
    if not role.namespace and role.name.startswith(ROLE_PREFIX):
        # Approvers and the guard's programs may have their rights by it.
        return [Refusal("agents may not change who has the guard's own roles")]
    had, get = ((each and each.subjects) or frozenset() for each in (before, after))
    keep = frozenset[Subject]() if context.may_end else get
    tags, added = context.state.policies.known_tags, get - had
    if any(_is_anybody(subject, tags) for subject in added):
        return [Refusal("agents may not give a role to users and groups of Kubernetes' own")]
    found: list[Finding] = []
    if added:
        given = yield from ask(RoleRules(role))
        found += yield from _given(context, given, added, "give others than agents the right to {}")
    # What agents have they are asked about when they use it.
    lost = frozenset(subject for subject in had - keep if not _is_agent(subject, tags))
    if lost:
        taken = yield from ask(RoleRules(role, none_if_gone=True))
        found += yield from _given(context, taken, lost, _TAKEN_FROM, _TAKEN_FROM)
    return found or [Cleared()]


def _given(
    context: ReviewContext,
    given: Sequence[Rule],
    whom: frozenset[Subject] | None,
    saying: str,
    to_anybody: str = "give anybody the right to {}",
) -> Findings:
    """The findings on rules that somebody gets, or gets later. ``whom``: None where that is not known."""
    if not given:
        return [Cleared()]
    if len(given) > _MOST_RULES or sum(map(_size, given)) > _MOST_NAMED:
        return [Refusal("agents may not write, give or delete roles of that many rules")]
    held = list(_powers_of(context, given))
    powerful = next((power.what for power in held if power.anybody), "") or _unheard(given)
    if powerful:
        return [Refusal(f"agents may not {to_anybody.format(powerful)}")]
    strangers, unbound = _strangers(whom, context.state.policies.known_tags), frozenset(_unbound(context, whom))
    right = _means(context, given, unbound, strangers=strangers)
    if not right and (strangers or unbound):
        right = next((power.what for power in held), "")
        if not right and context.state.policies.follows:
            owning = yield from ask(OwningResources(context.request.target.namespace))
            right = _owners(given, owning)
    return [Refusal(f"agents may not {saying.format(right)}")] if right else [Cleared()]


def _size(rule: Rule) -> int:
    return len(rule.groups) + len(rule.verbs or ()) + len(rule.groups) * len(rule.plurals)


def _without(role: Role | None, other: Role | None, *, gathered: bool) -> Sequence[Rule]:
    """What a role allows and the other does not, as it was or as it will be. ``gathered``: roles of its kind are."""
    written = (role and role.rules) or frozenset()
    # By its labels another role gathers its rules, or does so no more.
    if role is None or other is None or (gathered and _selected_by(role) != _selected_by(other)):
        return tuple(written)
    kept = other.rules or frozenset()
    changed = written - kept
    # Whoever writes the role says how many rights there are. Whole rules are never fewer rights than what is beyond.
    if sum(map(_count, changed)) + sum(map(_count, kept)) > _MOST_RIGHTS:
        return tuple(changed)
    return _beyond(changed, kept) if changed else ()


def _beyond(rules: Iterable[Rule], others: Iterable[Rule]) -> Sequence[Rule]:
    """What some rules allow beyond others: how the same rights are shared out among rules is no matter.

    A wildcard is a word like any other. A rule with names covers these alone, and one without all of them; RBAC asks
    for one name at a time, so that several rules cover the names of one. What is beyond is told without names.
    """
    held = set(_rights(others))
    verbs: dict[tuple[str, str], set[str]] = {}
    for right in _rights(rules):
        group, plural, verb, _ = right
        if right not in held and (group, plural, verb, None) not in held:
            verbs.setdefault((group, plural), set()).add(verb)
    # As few rules as there were: what is alike goes together.
    plurals: dict[tuple[str, frozenset[str]], set[str]] = {}
    for (group, plural), some in verbs.items():
        plurals.setdefault((group, frozenset(some)), set()).add(plural)
    groups: dict[tuple[frozenset[str], frozenset[str]], set[str]] = {}
    for (group, allowed), alike in plurals.items():
        groups.setdefault((frozenset(alike), allowed), set()).add(group)
    return [Rule(frozenset(those), resources, allowed) for (resources, allowed), those in groups.items()]


def _rights(rules: Iterable[Rule]) -> Iterator[tuple[str, str, str, str | None]]:
    """Each right by itself: group, resource, verb and name. None: any name, and none at all."""
    for rule in rules:
        yield from itertools.product(rule.groups, rule.plurals, rule.verbs or (), rule.resource_names or (None,))


def _count(rule: Rule) -> int:
    """The number of ``_rights`` of a rule."""
    return len(rule.groups) * len(rule.plurals) * len(rule.verbs or ()) * len(rule.resource_names or (None,))


def _pairs(rule: Rule) -> Iterator[GroupResource]:
    return (GroupResource(group, plural) for group in rule.groups for plural in rule.plurals)


def _selected_by(role: Role) -> Mapping[str, str]:
    """The labels by which a selector may gather the rules of a role."""
    return {key: value for key, value in (role.metadata.labels or {}).items() if key not in GATHER_NOTHING}


def _unheard(given: Iterable[Rule]) -> str:
    """The right that no power lists by name: impersonation has many verbs, and resources for each kind of user."""
    verbs = frozenset[str]().union(*(rule.verbs or () for rule in given))
    if any(verb.startswith("impersonate") for verb in verbs):
        return "impersonate"
    return "grant what they do not hold" if verbs & {"bind", "escalate"} else ""


def _means(context: ReviewContext, given: Sequence[Rule], unbound: Collection[str], *, strangers: bool) -> str:
    """The right among the rules that loses what policies protect, in words; empty where there is none.

    ``unbound``: as ``_unbound`` tells. ``strangers``: whether somebody who gets it is no agent of any policy.
    """
    losing = _Named(given, _LOSSES)
    # Verbs that are asked about together are few, and rules may be many.
    indirect = functools.cache(functools.partial(_Named, given))
    for policy in context.state.policies.all:
        if policy.mode is not Mode.ENFORCE or not (strangers or policy.name in unbound):
            continue
        here = _counts_here(context, policy)
        for name in sorted(policy.resources | policy.resolved.keys()) if here else ():
            if losing.holds(name):
                return f"delete or change {name}"
        for each in means.of(policy, context.state.installation.aliases):
            counts = (here or each.far) and each.counts_in(context.request.target.namespace)
            if counts and indirect(each.verbs).holds(each.resource):
                return f"write {each.resource}, by which what policies protect is ended"
    if not strangers:
        return ""
    # The guard's own namespace and the nodes on which it runs go by other names, too; nodes by those in any namespace.
    place, known = context.request.target.namespace, context.state.installation.aliases
    aliases = {alias.resource for alias in known if not place or alias.of == NODES}
    return next((f"delete or change {name}" for name in (NAMESPACES, *sorted(aliases)) if losing.holds(name)), "")


def _unbound(context: ReviewContext, whom: frozenset[Subject] | None) -> Iterator[str]:
    """The policies of which the one that gives is an agent, and not all are that get.

    An agent of one policy may be none of another, which holds back the one and not the others.
    """
    for policy in context.state.policies.all:
        tags = DEFAULT_TAGS if policy.problem else policy.agents
        bound = policy.mode is Mode.ENFORCE and identity_tagged(context.request.caller, tags)
        if bound and _strangers(whom, tags):
            yield policy.name


def _counts_here(context: ReviewContext, policy: Policy) -> bool:
    """Whether a policy protects something where the right is given: in a namespace there, without one everywhere."""
    target = context.request.target
    if target.namespace and policy.places and target.namespace not in policy.places:
        return False
    return context.selected(policy, target, unknown=True)


def _owners(given: Sequence[Rule], owning: Collection[GroupResource]) -> str:
    for owner in sorted(owning):
        if _Named(given, means.of_owner(owner)).holds(owner):
            return f"delete or change {owner}, which own what policies protect"
    return ""


def _powers_of(context: ReviewContext, given: Sequence[Rule]) -> Iterable[Power]:
    """The powers that some rules give, in the namespace of the role or binding; without one, everywhere."""
    namespace, installation = context.request.target.namespace, context.state.installation
    agents = context.state.policies.known_tags.service_account_namespaces
    everywhere = powers.everywhere(installation)
    # Powers are many, and so may rules be; verbs that powers share are few.
    allowed = functools.cache(functools.partial(_allowed, given))
    counting = {
        Place.HERE: True,
        **{place: namespace in {"", place.value} for place in powers.OF_ONE_NAMESPACE},
        Place.INSTALLATION: namespace in {"", installation.namespace},
        Place.AGENTS: namespace in {"", *agents},
        Place.NAMED: True,
        **{place: place in everywhere and not namespace for place in (Place.PORTAL, Place.NODE_FILES)},
    }
    for power in POWERS:
        # Of what is in namespaces, a role in one gives nothing in the others.
        counting[Place.ANYWHERE] = not namespace or power.places == (Place.ANYWHERE,)
        # Names in a rule are not looked at, so that those on all objects stand for the ones on a single one.
        if power.name:
            continue
        if any(counting[place] for place in power.places) and powers.covers_some(power, allowed(power.verbs)):
            yield power


def _allowed(given: Iterable[Rule], verbs: frozenset[str]) -> Mapping[str, Collection[str]]:
    """On what some rules allow one of a power's verbs: resources by group."""
    begin = powers.beginnings(verbs)
    found: dict[str, set[str]] = {}
    for rule in given:
        if rule.allows(verbs) or (begin and any(verb.startswith(begin) for verb in rule.verbs or ())):
            for group in rule.groups if rule.plurals else ():
                found.setdefault(group, set()).update(rule.plurals)
    return found


def _strangers(subjects: frozenset[Subject] | None, tags: AgentTags) -> bool:
    """Whether somebody among them is no agent by these tags. None: it is not known who they are."""
    return subjects is None or any(not _is_agent(subject, tags) for subject in subjects)


def _is_anybody(subject: Subject, tags: AgentTags) -> bool:
    """Whether it is a user or a group of Kubernetes' own, and no agent nor the ServiceAccounts of a namespace."""
    if subject.kind == "ServiceAccount" or not subject.name.startswith("system:") or _is_agent(subject, tags):
        return False
    if subject.kind == "Group":
        return not subject.name.startswith(_ACCOUNTS_OF) or subject.name == _ACCOUNTS_OF
    return service_account(subject.name) is None


def _is_agent(subject: Subject, tags: AgentTags) -> bool:
    if subject.kind == "ServiceAccount":
        return identity_tagged(service_account_caller(subject.namespace, subject.name), tags)
    if subject.kind == "User":
        return identity_tagged(Caller(subject.name), tags)
    namespace = subject.name.removeprefix(_ACCOUNTS_OF)
    return subject.name in tags.groups or (namespace != subject.name and namespace in tags.service_account_namespaces)


class _Named:
    """What some rules allow to do with some of these verbs, through the object itself or a subresource."""

    def __init__(self, given: Iterable[Rule], verbs: frozenset[str]) -> None:
        self._pairs = {
            (group, plural.partition("/")[0]) for rule in given if rule.allows(verbs) for group, plural in _pairs(rule)
        }
        self._groups = {group for group, _ in self._pairs}
        self._resources = {resource for _, resource in self._pairs}

    def holds(self, name: GroupResource) -> bool:
        """Whether something that a policy names so, with ``*`` for any, is among it."""
        group, resource = name
        if group == ANY or resource == ANY:
            return (
                (group == ANY or not self._groups.isdisjoint({group, ANY}))
                and (resource == ANY or not self._resources.isdisjoint({resource, ANY}))
                and bool(self._pairs)
            )
        return not self._pairs.isdisjoint({(group, resource), (group, ANY), (ANY, resource), (ANY, ANY)})


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """The whole API group: who somebody is, and what they may do."""
    return [Prefilter(Entry.GUARD, f"request.resource.group == {cel.quote(rbac.GROUP)}")]


RULE: Final = ReviewRule(
    "role-grants",
    "Agents give nobody else the means for a protected action, and nobody the means to shed a tag; and they take"
    " neither from a role or from who has it.",
    Binds.AGENTS,
    evaluate,
    prefilters,
    applies_to=AppliesTo(resources={*rbac.ROLES, *rbac.BINDINGS}),
)
