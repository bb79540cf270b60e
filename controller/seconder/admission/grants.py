"""What agents may not give away: means to what they are guarded from, and rights past any guard.

The API server lets nobody grant what they do not hold, and agents hold the right to delete, so that reviews decide.
Given to somebody who is no agent, the same right is decided by nobody. Nor may they take: the guard's own roles stay
with those who have them, approvers among them.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Final, NamedTuple

from seconder.admission import rbac
from seconder.admission.policy_index import ANY, PolicyIndex
from seconder.admission.principal import identity_tagged, service_account_caller
from seconder.admission.rbac import BindingEdit, RoleEdit, RoleRef, Rule, Subject
from seconder.admission.request import Caller, Request
from seconder.api import constants
from seconder.api.policy import DEFAULT_TAGS, AgentTags, Mode
from seconder.api.resources import NAMESPACES, GroupResource

_CHANGES: Final = frozenset({"create", "update", "patch", "delete", "deletecollection"})
_ENDS: Final = frozenset({"delete", "deletecollection"})
_LOSSES: Final = frozenset({"update", "patch"}) | _ENDS
_ALL: Final = frozenset({"get", "list", "watch"}) | _CHANGES
_MADE: Final = frozenset({"create", "update", "patch"})
_OWN_ROLES: Final = "seconder-"
_MOST_RULES: Final = 256
_MOST_NAMED: Final = 4096
"""Pairs of a group and a resource, and verbs, of all rules together; so that judging them takes milliseconds."""


class _Power(NamedTuple):
    """A right by what it is for. ``resource`` is as rules spell it; ``*`` stands for any of the group."""

    what: str
    group: str
    resource: str
    verbs: frozenset[str]


_PAST_ANY_GUARD: Final = (
    *(
        _Power("to pass on rights that one does not hold", rbac.GROUP, each, frozenset({"bind", "escalate"}))
        for each in ("roles", "clusterroles")
    ),
    _Power("to impersonate", "authentication.k8s.io", ANY, frozenset({"impersonate"})),
    *(
        _Power("to impersonate", "", each, frozenset({"impersonate"}))
        for each in ("users", "groups", "serviceaccounts")
    ),
    _Power("to change admission configuration", "admissionregistration.k8s.io", ANY, _CHANGES),
    _Power("to change which server answers for an API", "apiregistration.k8s.io", ANY, _CHANGES),
    _Power("to make or approve certificates", "certificates.k8s.io", ANY, _CHANGES | {"approve", "attest", "sign"}),
    _Power("to make tokens of ServiceAccounts", "", "serviceaccounts/token", frozenset({"create"})),
    _Power("to run commands through nodes", "", "nodes/proxy", _ALL),
)
"""Given to an agent they take its tag off or the guard away; no review shows what is done with most of them."""

_MEANS: Final = (
    _Power("to change policies, approvers and change requests", constants.DOMAIN, ANY, _CHANGES),
    _Power("to change resource definitions", "apiextensions.k8s.io", "customresourcedefinitions", _CHANGES),
    _Power("to change autoscalers", "autoscaling", "horizontalpodautoscalers", _MADE),
    _Power("to write Secrets", "", "secrets", _MADE),
    _Power("to evict pods", "", "pods/eviction", frozenset({"create"})),
    _Power("to change running pods", "", "pods/ephemeralcontainers", _MADE),
    *(
        _Power("to connect to pods", "", each, _ALL)
        for each in ("pods/exec", "pods/attach", "pods/portforward", "pods/proxy", "services/proxy")
    ),
    *(_Power("to run pods", "", each, _MADE) for each in ("pods", "replicationcontrollers")),
    *(
        _Power("to run pods", "apps", each, _MADE)
        for each in ("daemonsets", "deployments", "replicasets", "statefulsets")
    ),
    *(_Power("to run pods", "batch", each, _MADE) for each in ("cronjobs", "jobs")),
)
"""Ways to what policies protect for whom no review takes for an agent. A pod has its ServiceAccount's rights."""


def role_to_read(request: Request) -> RoleRef | None:
    """Name the role whose rules ``refusal`` must know; None when the request gives no role to anybody."""
    edit = request.rbac
    return edit.role if isinstance(edit, BindingEdit) and edit.added else None


def gives(request: Request) -> bool:
    """Say whether the request puts rights into a role, or gives a role to somebody."""
    edit = request.rbac
    return bool(_added(edit)) if isinstance(edit, RoleEdit) else edit is not None and bool(edit.added)


def refusal(request: Request, index: PolicyIndex, role: Sequence[Rule], owning: Collection[GroupResource] = ()) -> str:
    """Say in a few words what an agent must not give here; empty when it gives nothing of the kind.

    The caller is known to be an agent. ``role``: the rules of ``role_to_read``, none where that role does not exist.
    ``owning``: what owns protected objects where the rights are given.
    """
    edit = request.rbac
    if edit is None:
        return ""
    if isinstance(edit, BindingEdit) and _ours(edit.role):
        return "change who has the guard's own roles"
    if isinstance(edit, RoleEdit):
        if edit.after.gathers and (edit.before is None or edit.before.gathers != edit.after.gathers):
            return "make roles that gather the rules of others"
        # Who has this role, or will have it, is not known: a binding names it and may be there already.
        given, whom, where = _added(edit), None, "put the right {} into a role"
    elif edit.added:
        given, whom, where = role, edit.added, "give others than agents the right {}"
    else:
        return ""
    if not given:
        return ""
    if len(given) > _MOST_RULES or sum(map(_size, given)) > _MOST_NAMED:
        return "give away roles of that many rules"
    power = _first(given, _PAST_ANY_GUARD) or _unheard(given)
    if power:
        return f"give anybody the right {power}"
    means = _means(given, whom, request, index, owning)
    return where.format(means) if means else ""


def _ours(role: RoleRef) -> bool:
    """Say whether approvers and the guard's programs may have their rights by it: those roles are refused already."""
    return not role.namespace and role.name.startswith(_OWN_ROLES)


def _size(rule: Rule) -> int:
    return len(rule.groups) + len(rule.verbs) + len(rule.groups) * len(rule.resources)


def _added(edit: RoleEdit) -> Sequence[Rule]:
    before, after = edit.before, edit.after
    # By a new label another role gathers rules that this one had before.
    if before is None or before.labels != after.labels:
        return tuple(after.rules)
    return tuple(after.rules - before.rules)


def _unheard(rules: Iterable[Rule]) -> str:
    """Impersonation has many verbs, and resources of its own for each kind of user."""
    verbs = frozenset[str]().union(*(rule.verbs for rule in rules))
    if any(verb.startswith("impersonate") for verb in verbs):
        return "to impersonate"
    return "to pass on rights that one does not hold" if verbs & {"bind", "escalate"} else ""


def _means(
    rules: Sequence[Rule],
    whom: frozenset[Subject] | None,
    request: Request,
    index: PolicyIndex,
    owning: Collection[GroupResource],
) -> str:
    given = _Given(rules, _LOSSES)
    strangers = _strangers(whom, index.known_tags)
    place = request.target.namespace
    for policy in index.all:
        if place and policy.namespaces and place not in policy.namespaces:
            continue
        # An agent of one policy may be none of another, which holds back the one that gives and not the one that gets.
        tags = DEFAULT_TAGS if policy.problem else policy.agents
        enforced = policy.mode is Mode.ENFORCE and identity_tagged(request.caller, tags)
        if strangers or (enforced and _strangers(whom, tags)):
            for named in sorted(policy.resources | policy.resolved.keys()):
                if given.holds(named):
                    return f"to delete or change {named}"
    if not strangers:
        return ""
    if given.holds(NAMESPACES):
        return f"to delete or change {NAMESPACES}"
    ended = _Given(rules, _ENDS)
    owner = next((each for each in sorted(owning) if ended.holds(each)), None)
    return f"to delete {owner}, which own what policies protect" if owner else _first(rules, _MEANS)


def _strangers(subjects: frozenset[Subject] | None, tags: AgentTags) -> bool:
    """Say whether somebody among them is no agent by these tags. None: it is not known who they are."""
    return subjects is None or any(not _agent(each, tags) for each in subjects)


def _agent(subject: Subject, tags: AgentTags) -> bool:
    if subject.kind == "ServiceAccount":
        return identity_tagged(service_account_caller(subject.namespace, subject.name), tags)
    if subject.kind == "User":
        return identity_tagged(Caller(subject.name), tags)
    namespace = subject.name.removeprefix("system:serviceaccounts:")
    return subject.name in tags.groups or (namespace != subject.name and namespace in tags.service_account_namespaces)


def _first(rules: Sequence[Rule], powers: Sequence[_Power]) -> str:
    return next((power.what for power in powers if any(_gives(rule, power) for rule in rules)), "")


def _gives(rule: Rule, power: _Power) -> bool:
    return (
        (ANY in rule.groups or power.group in rule.groups)
        and (ANY in rule.verbs or not power.verbs.isdisjoint(rule.verbs))
        and (power.resource == ANY or not rule.resources.isdisjoint(_spellings(power.resource)))
    )


def _spellings(resource: str) -> tuple[str, ...]:
    _, slash, subresource = resource.partition("/")
    return (resource, ANY, f"{ANY}/{subresource}") if slash else (resource, ANY)


class _Given:
    """What some rules allow to do with some of these verbs, through the object itself or a subresource."""

    def __init__(self, rules: Iterable[Rule], verbs: frozenset[str]) -> None:
        self._pairs = {
            (group, resource.partition("/")[0])
            for rule in rules
            if ANY in rule.verbs or not verbs.isdisjoint(rule.verbs)
            for group in rule.groups
            for resource in rule.resources
        }
        self._groups = {group for group, _ in self._pairs}
        self._resources = {resource for _, resource in self._pairs}

    def holds(self, named: GroupResource) -> bool:
        """Say whether something that a policy names so, with ``*`` for any, is among it."""
        group, resource = named
        if group == ANY or resource == ANY:
            return (
                (group == ANY or not self._groups.isdisjoint({group, ANY}))
                and (resource == ANY or not self._resources.isdisjoint({resource, ANY}))
                and bool(self._pairs)
            )
        return not self._pairs.isdisjoint({(group, resource), (group, ANY), (ANY, resource), (ANY, ANY)})
