"""Compiles all policies into one ValidatingWebhookConfiguration.

Only requests that some policy may cover leave the API server: rules name the resources, matchConditions (CEL, evaluated
inside the API server) pick the callers. The webhook decides again, exactly; what is compiled here may let a request too
many through to it, and never one too few.

Entries, each called at most once for a request and exclusive among one mode's, but for updates that add an owner
besides what ``everyone`` takes:

- ``agents``: what tagged callers, or anyone on a tagged object, do to what a policy names;
- ``everyone``: what the others do to what an Everyone policy names;
- ``owners``: what all callers not taken by ``agents`` give owners to, of what a policy names or Seconder rests on;
- ``guard``: what tagged callers do to Seconder itself, and what they delete of all the rest, since it may own what a
  policy names; of both, what ``agents`` is not asked about;
- ``audit-agents``, ``audit-everyone``, ``audit-owners``: the same for policies in Audit mode, never blocking
  (failurePolicy Ignore).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from seconder.admission import cel
from seconder.admission.installation import ROLE_PREFIX, ROLES
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.prefilter import Entry, Prefilter
from seconder.admission.principal import BUILTIN_CONTROLLERS
from seconder.admission.rule import Rule
from seconder.admission.rules import RULES
from seconder.api import constants
from seconder.api.policy import DEFAULT_TAGS, AgentTags, Mode, Policy, Subjects
from seconder.api.resources import DEFINITIONS, NAMESPACES, Action, GroupResource

NAME: Final = constants.CONFIGURATION
"""Of the ValidatingWebhookConfiguration."""

LABELS: Final = {"app.kubernetes.io/name": "seconder", "app.kubernetes.io/managed-by": "seconder-operator"}

_EXPRESSION: Final = 40_000
"""Characters in one matchCondition, about. CEL takes 100,000 code points."""

_EXACT: Final = 350_000
"""Characters of all Everyone policies' tests in one mode. Beyond, places are for the webhook: etcd takes 1.5 MiB."""

_SEPARATE_RULES: Final = 50
"""API groups that get a rule each. Rules are repeated in every entry, and the webhook is exact anyway."""

_REPEATED: Final = 8_000
"""Characters of tests that may be repeated from entry to entry so that no request is asked about twice."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the API server finds the webhook: a URL, or a Service (namespace, name, port) in the cluster."""

    url: str = ""
    service: tuple[str, str, int] | None = None

    def client_config(self, path: str, ca_bundle: str) -> dict[str, Any]:
        """``clientConfig`` (WebhookClientConfig of admissionregistration.k8s.io/v1). ``ca_bundle`` is base64."""
        if self.service is None:
            return {"url": f"{self.url}{path}", "caBundle": ca_bundle}
        namespace, name, port = self.service
        return {"service": {"namespace": namespace, "name": name, "path": path, "port": port}, "caBundle": ca_bundle}


def configuration(
    policies: Iterable[Policy],
    installation: Installation,
    endpoint: Endpoint,
    ca_bundle: str,
    rules: Sequence[Rule] = RULES,
) -> dict[str, Any]:
    """The compiled configuration. ``policies`` are those that the webhook sees too, coarse refusals among them."""
    index = PolicyIndex(policies)
    compiler = _Compiler(installation, rules)
    webhooks = []
    for mode, prefix, path in ((Mode.ENFORCE, "", "/validate"), (Mode.AUDIT, "audit-", "/validate/audit")):
        chosen = [policy for policy in index.all if policy.mode is mode]
        entries = (
            *compiler.agents(chosen),
            *compiler.everyone(chosen, index.known_tags),
            *compiler.owners(chosen, mode),
            *(compiler.guard(index) if mode is Mode.ENFORCE else ()),
        )
        client = endpoint.client_config(path, ca_bundle)
        webhooks += [_webhook(prefix + name, mode, asked, conditions, client) for name, asked, conditions in entries]
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": NAME, "labels": dict(LABELS)},
        "webhooks": webhooks,
    }


_Entry = tuple[str, list[dict[str, Any]], list[tuple[str, str]]]


class _Compiler:
    """Gives the entries that some rules need, each with what it asks about and on which conditions."""

    def __init__(self, installation: Installation, rules: Sequence[Rule]) -> None:
        self._installation = installation
        self._rules = rules

    def agents(self, policies: Sequence[Policy]) -> Iterable[_Entry]:
        """What agents, or anyone on an object that is tagged as an agent's, do to what policies name."""
        asked = self._asked(Entry.AGENTS, policies)
        if policies and asked:
            action = ("action", asked)
            # What agents alone are asked about, nobody else is on what is tagged as an agent's.
            others = self._asked(Entry.AGENTS, policies, by_agents=False)
            tests = _agent_tests(policies, self._installation, others if others != asked else "")
            yield from _tagged("agents", self._taken(Entry.AGENTS, policies), tests, [action])

    def everyone(self, policies: Sequence[Policy], known: AgentTags) -> Iterable[_Entry]:
        """What the others do to what policies for Everyone name."""
        everyone = [policy for policy in policies if policy.subjects is Subjects.EVERYONE and not policy.problem]
        asked = self._asked(Entry.EVERYONE, policies)
        if not everyone or not asked:
            return
        spared = cel.listed({"kube-system", self._installation.namespace})
        conditions = [
            *_NOT_CONTROLLERS,
            # An owner that people add is asked about elsewhere, and no action of theirs.
            ("action", asked),
            *_negated(_agent_tests(policies, self._installation)),
            ("not-added-controllers", f"!({cel.username_in(self._installation.controllers)})"),
            ("not-spared-places", f"!(has(request.namespace) && request.namespace in {spared})"),
            ("not-own-kinds", f"request.resource.group != {cel.quote(constants.DOMAIN)}"),
        ]
        # Whom only a policy of the other mode calls an agent: no entry has taken them before.
        others = _identity_tests(_without(known, PolicyIndex(policies).known_tags))
        exact = [_everyone_test(policy, others, places=True) for policy in everyone]
        if sum(map(len, exact)) <= _EXACT:
            tests = exact
        else:
            tests = [_everyone_test(policy, others, places=False) for policy in everyone]
        rules = self._taken(Entry.EVERYONE, everyone)
        for number, group in enumerate(cel.pack(dict.fromkeys(tests), _EXPRESSION)):
            yield _numbered("everyone", number), rules, [*conditions, ("covered", cel.either(group))]

    def owners(self, policies: Sequence[Policy], mode: Mode) -> Iterable[_Entry]:
        """Owners that are added to what policies name, and to what these are in or of.

        In Enforce, to Seconder's own kinds, roles, namespace and definitions as well: with the operator's role goes
        this configuration.
        """
        asking = [policy for policy in policies if Action.CHANGE_OWNERS in policy.actions]
        asked = self._asked(Entry.OWNERS, policies)
        if not asked or (not asking and mode is Mode.AUDIT):
            return
        named = _by_group(resource for policy in asking for resource in _named(policy))
        if mode is Mode.ENFORCE:
            named.setdefault(constants.DOMAIN, set()).add("*")
        if mode is Mode.ENFORCE or any(NAMESPACES in _deleted(policy) for policy in asking):
            named.setdefault(NAMESPACES.group, set()).add(NAMESPACES.resource)
        if mode is Mode.ENFORCE or any(_may_be_custom(policy) for policy in asking):
            named.setdefault(DEFINITIONS.group, set()).add(DEFINITIONS.resource)
        conditions = [("adds-owners", asked)]
        if mode is Mode.ENFORCE:
            unnamed = _by_group(resource for resource in ROLES if not _names(named, resource))
            if unnamed:
                ours = f"request.name.startsWith({cel.quote(ROLE_PREFIX)})"
                conditions.append(("roles", f"!({_is_one_of(unnamed)}) || {ours}"))
            for group, plurals in unnamed.items():
                named.setdefault(group, set()).update(plurals)
        if asking:
            taken = cel.either(_agent_tests(policies, self._installation))
            updated = _is_one_of(_by_operation(policies)[1])
            # As elsewhere, rather asked about twice than too long.
            if len(taken) + len(updated) <= _REPEATED:
                not_controllers = " && ".join(f"({test})" for _, test in _NOT_CONTROLLERS)
                conditions.append(("not-asked-of-agents", f"!({not_controllers} && ({taken}) && ({updated}))"))
        places = cel.listed({self._installation.namespace}.union(*(policy.places for policy in asking)))
        everywhere = _by_group(resource for policy in asking if not policy.places for resource in _named(policy))
        limited = {resource for policy in asking for resource in _named(policy) if not _names(everywhere, resource)}
        if (limited or not asking) and len(places) <= _EXPRESSION:
            elsewhere = f" || {_is_one_of(everywhere)}" if everywhere else ""
            conditions.append(("places", f"!has(request.namespace) || request.namespace in {places}{elsewhere}"))
        yield "owners", _update_rules(named), conditions

    def _asked(self, entry: Entry, policies: Sequence[Policy], *, by_agents: bool = True) -> str:
        """The test for what some rule must see, of what an entry takes; empty where none must.

        ``by_agents``: what agents alone are asked about is a part of it.
        """
        found = self._prefilters(PolicyIndex(policies))
        tests = [
            prefilter.expression
            for prefilter in found
            if prefilter.entry is entry and (by_agents or not prefilter.by_agents)
        ]
        return cel.either(tests) if tests else ""

    def _taken(self, entry: Entry, policies: Sequence[Policy]) -> list[dict[str, Any]]:
        """What an entry takes: the deletions and updates of what policies name, and what amounts to a deletion."""
        found = self._prefilters(PolicyIndex(policies))
        created = {prefilter.creates for prefilter in found if prefilter.entry is entry and prefilter.creates}
        return _rules(policies, created)

    def _prefilters(self, index: PolicyIndex) -> list[Prefilter]:
        found = (prefilter for rule in self._rules for prefilter in rule.prefilters(index, self._installation))
        # Two rules may ask for the same.
        return list(dict.fromkeys(found))

    def guard(self, index: PolicyIndex) -> Iterable[_Entry]:
        """What agents do to Seconder and its footing, and about what may take along what a policy names."""
        tests = [each.expression for each in self._prefilters(index) if each.entry is Entry.GUARD]
        if not tests:
            return
        conditions = [("guarded", cel.either(tests))]
        taken = self._taken_by_agents([policy for policy in index.all if policy.mode is Mode.ENFORCE])
        if taken:
            conditions.append(("not-asked-of-agents", f"!({taken})"))
        rules = [_rule(["*"], ["*/*"], ["CREATE", "UPDATE", "DELETE", "CONNECT"])]
        agents = [cel.either(group) for group in cel.pack(_identity_tests(index.known_tags), _EXPRESSION)]
        yield from _tagged("guard", rules, agents, conditions)

    def _taken_by_agents(self, enforced: Sequence[Policy]) -> str:
        """The test for what agents do that the ``agents`` entry takes; empty where saying so takes too long."""
        asked = self._asked(Entry.AGENTS, enforced)
        if not enforced or not asked:
            return ""
        callers = cel.either(_identity_tests(PolicyIndex(enforced).known_tags))
        tests = (callers, _matched(self._taken(Entry.AGENTS, enforced)), asked)
        # As elsewhere, rather asked about twice than too long.
        return " && ".join(f"({test})" for test in tests) if sum(map(len, tests)) <= _REPEATED else ""


def _names(groups: Mapping[str, set[str]], resource: GroupResource) -> bool:
    return any(not {resource.resource, "*"}.isdisjoint(groups.get(group, ())) for group in (resource.group, "*"))


def _may_be_custom(policy: Policy) -> bool:
    return not policy.resolution_current or any(resolved.custom for resolved in policy.resolved.values())


def _tagged(
    name: str, rules: list[dict[str, Any]], tests: Sequence[str], also: Sequence[tuple[str, str]]
) -> Iterable[_Entry]:
    """One entry for each test, none of which is asked about what an earlier one was."""
    for number, test in enumerate(tests):
        before = _negated(tests[:number])
        yield _numbered(name, number), rules, [*_NOT_CONTROLLERS, *before, ("agent", test), *also]


def _negated(tests: Sequence[str]) -> list[tuple[str, str]]:
    # Where there are so many tags that repeating them would fill etcd's limit, a request may be asked about twice.
    if sum(map(len, tests)) > _REPEATED:
        return []
    return [(f"not-agents-{number}", f"!({test})") for number, test in enumerate(tests)]


def _everyone_test(policy: Policy, other_agents: Sequence[str], *, places: bool) -> str:
    parts = [cel.one_of(_deleted(policy))]
    if places and policy.places:
        parts.append(f"has(request.namespace) && request.namespace in {cel.listed(policy.places)}")
    # An agent is never exempt. Where to say who is one takes too long, the webhook is asked about the exempt too.
    if policy.exempt_users and sum(map(len, other_agents)) <= _REPEATED // 10:
        parts.append(cel.either([f"!({cel.username_in(policy.exempt_users)})", *other_agents]))
    return " && ".join(f"({part})" for part in parts)


def _matched(rules: Iterable[Mapping[str, Any]]) -> str:
    """The test for what some of these rules matches (RuleWithOperations of admissionregistration.k8s.io/v1)."""
    tests = []
    for rule in rules:
        parts = [f"request.operation in {cel.listed(rule['operations'])}"]
        if "*" not in rule["apiGroups"]:
            parts.append(f"request.resource.group in {cel.listed(rule['apiGroups'])}")
        named = [resource.partition("/") for resource in rule["resources"]]
        # "pods/*" is pods too.
        whole = {resource for resource, _, sub in named if sub == "*"}
        bare = {resource for resource, _, sub in named if not sub} - whole
        options = ["true" if "*" in whole else f"request.resource.resource in {cel.listed(whole)}"] if whole else []
        if bare:
            one = "true" if "*" in bare else f"request.resource.resource in {cel.listed(bare)}"
            options.append(f"!has(request.subResource) && {one}")
        options += [
            f"request.resource.resource == {cel.quote(resource)}"
            f" && has(request.subResource) && request.subResource == {cel.quote(sub)}"
            for resource, _, sub in named
            if sub not in {"", "*"}
        ]
        parts.append(cel.either(options))
        tests.append(" && ".join(f"({part})" for part in parts))
    return cel.either(tests)


def _is_one_of(groups: Mapping[str, set[str]]) -> str:
    """The test for a resource that the ``agents`` entry's rules name."""
    tests = []
    for group, plurals in sorted(groups.items()):
        parts = [] if group == "*" else [f"request.resource.group == {cel.quote(group)}"]
        parts += [] if "*" in plurals else [f"request.resource.resource in {cel.listed(plurals)}"]
        tests.append(" && ".join(parts) or "true")
    return cel.either(tests)


def _agent_tests(policies: Sequence[Policy], installation: Installation, on_tagged: str = "") -> list[str]:
    """Expressions of which any one says that some policy takes the request as an agent's.

    ``on_tagged`` is a test for what is asked about of those who are none, on what is tagged as an agent's.
    """
    known = PolicyIndex(policies).known_tags if policies else DEFAULT_TAGS
    tests = _identity_tests(known)
    for managers in cel.slices(known.field_managers, _EXPRESSION // 2):
        tests.append(cel.field_manager_in(managers))
    for keys in cel.slices(known.annotations, _EXPRESSION // 2):
        # Asked of the few tags, not of the annotations: anyone may put 80,000 of those on an object, and see _MANY.
        named = f"{cel.listed(keys)}.exists(key, key in @)"
        marked = f"({cel.annotated('oldObject', named)}) || ({cel.annotated('object', named)})"
        marked = f"({marked}) && ({on_tagged})" if on_tagged else marked
        tests.append(
            f"({marked}) && !({cel.username_in(installation.controllers)})" if installation.controllers else marked
        )
    return [cel.either(group) for group in cel.pack(tests, _EXPRESSION)]


def _identity_tests(tags: AgentTags) -> list[str]:
    return [
        test(values)
        for test, all_values in (
            (cel.in_groups, tags.groups),
            (cel.username_in, tags.users),
            (cel.service_account_of, tags.service_account_namespaces),
            (cel.has_extra, tags.extra_keys),
        )
        for values in cel.slices(all_values, _EXPRESSION // 2)
    ]


def _without(tags: AgentTags, less: AgentTags) -> AgentTags:
    return AgentTags(
        groups=tags.groups - less.groups,
        users=tags.users - less.users,
        service_account_namespaces=tags.service_account_namespaces - less.service_account_namespaces,
        extra_keys=tags.extra_keys - less.extra_keys,
        field_managers=tags.field_managers - less.field_managers,
        annotations=tags.annotations - less.annotations,
    )


_NOT_CONTROLLERS: Final = [
    ("not-controllers", f"!({cel.username_in(BUILTIN_CONTROLLERS)})"),
    (
        "not-kubelets",
        '!(request.resource.group == "" && request.resource.resource == "pods"'
        ' && request.userInfo.username.startsWith("system:node:") && has(request.userInfo.groups)'
        # One in very many groups is no kubelet, and is asked about.
        ' && request.userInfo.groups.size() < 1000 && "system:nodes" in request.userInfo.groups)',
    ),
]


def _rules(policies: Sequence[Policy], created: Iterable[tuple[GroupResource, str]]) -> list[dict[str, Any]]:
    """The rules of an entry: each group with its own resources; with very many groups, all resources in all of them.

    They are for deletions of what is covered, and for updates of what is named where policies name such actions.
    """
    deleted, updated = _by_operation(policies)
    if len(deleted | updated) > _SEPARATE_RULES:
        groups = deleted.keys() | updated.keys()
        plurals = set().union(*deleted.values(), *updated.values())
        return [
            _rule(["*"] if "*" in groups else sorted(groups), _with_subresources(plurals), ["DELETE", "UPDATE"]),
            *_creation_rules(created, deleted),
        ]
    return [
        *(_rule([group], _plurals(plurals), ["DELETE"]) for group, plurals in sorted(deleted.items())),
        *_update_rules(updated),
        *_creation_rules(created, deleted),
    ]


def _creation_rules(
    created: Iterable[tuple[GroupResource, str]], deleted: Mapping[str, set[str]]
) -> list[dict[str, Any]]:
    """The creation of a subresource, of what is named, that amounts to a deletion."""
    return [
        _rule([resource.group], [f"{resource.resource}/{subresource}"], ["CREATE"])
        for resource, subresource in sorted(created)
        if _names(deleted, resource)
    ]


def _update_rules(groups: Mapping[str, set[str]]) -> list[dict[str, Any]]:
    if len(groups) > _SEPARATE_RULES:
        return [
            _rule(
                ["*"] if "*" in groups else sorted(groups),
                _with_subresources(set().union(*groups.values())),
                ["UPDATE"],
            )
        ]
    return [_rule([group], _with_subresources(plurals), ["UPDATE"]) for group, plurals in sorted(groups.items())]


def _by_operation(policies: Sequence[Policy]) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """By API group, the resources whose deletions, and those whose updates, are asked about."""
    deleted = _by_group(
        resource for policy in policies if Action.DELETE in policy.actions for resource in _deleted(policy)
    )
    updated = _by_group(
        resource for policy in policies if policy.actions - {Action.DELETE} for resource in _named(policy)
    )
    return deleted, updated


def _by_group(resources: Iterable[GroupResource]) -> dict[str, set[str]]:
    groups: dict[str, set[str]] = {}
    for group, plural in resources:
        groups.setdefault(group, set()).add(plural)
    return groups


def _plurals(plurals: set[str]) -> list[str]:
    return ["*"] if "*" in plurals else sorted(plurals)


def _with_subresources(plurals: set[str]) -> list[str]:
    """Each resource with all of its subresources: some carry metadata, another a scale."""
    return ["*/*"] if "*" in plurals else sorted([*plurals, *(f"{plural}/*" for plural in plurals)])


def _named(policy: Policy) -> set[GroupResource]:
    """What the policy names; of an invalid one, what it may have meant too."""
    named = {resource for resource in policy.resources if policy.problem == "" or _registrable(resource)}
    return named | policy.resolved.keys() if policy.problem else named


def _deleted(policy: Policy) -> set[GroupResource]:
    """What the policy names, and Namespaces when it names anything that these can hold."""
    named = _named(policy)
    if not policy.resolution_current or any(resolved.namespaced for resolved in policy.resolved.values()):
        named.add(NAMESPACES)
    return named


def _registrable(resource: GroupResource) -> bool:
    return resource.resource == resource.resource.lower() and resource.group == resource.group.lower()


def _rule(groups: list[str], resources: list[str], operations: list[str]) -> dict[str, Any]:
    return {"apiGroups": groups, "apiVersions": ["*"], "operations": operations, "resources": resources, "scope": "*"}


def _numbered(name: str, number: int) -> str:
    return name if number == 0 else f"{name}-{number}"


def _webhook(
    name: str,
    mode: Mode,
    rules: list[dict[str, Any]],
    conditions: Sequence[tuple[str, str]],
    client_config: Mapping[str, Any],
) -> dict[str, Any]:
    """One entry with every default written out, so that what the API server stores compares equal."""
    enforce = mode is Mode.ENFORCE
    return {
        "name": f"{name}.{constants.DOMAIN}",
        "admissionReviewVersions": ["v1"],
        "clientConfig": dict(client_config),
        "failurePolicy": "Fail" if enforce else "Ignore",
        "matchConditions": [{"name": condition, "expression": expression} for condition, expression in conditions],
        "matchPolicy": "Equivalent",
        "namespaceSelector": {},
        "objectSelector": {},
        "rules": rules,
        "sideEffects": "None",
        # A request waits 34 s for all its webhooks together; an Audit entry may not use that up.
        "timeoutSeconds": 10 if enforce else 3,
    }
