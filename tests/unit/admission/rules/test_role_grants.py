"""What agents may not give away, rule by rule and subject by subject."""

from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.builders import (
    AGENT,
    CONFIG_MAPS,
    PERSON,
    REAL,
    creation,
    deletion,
    policy,
    references,
    state,
    target,
    update,
)
from tests.support.calls import counted
from tests.support.resolving import Answers, decide, refusal

from seconder.admission import footing
from seconder.admission.indirect import table
from seconder.admission.indirect.nodes import LEASES_OF_NODES
from seconder.admission.kinds import MESH, MESH_ROOT, NETWORK_PLUGINS, REDIRECTS, VOLUMES
from seconder.admission.lookups import OwningResources, RoleRules
from seconder.admission.policy_index import Installation
from seconder.admission.powers import POWERS, ROUTING
from seconder.admission.rbac import RoleRef, Rule
from seconder.admission.request import Caller, Malformed, Request
from seconder.admission.rule import Binds
from seconder.admission.rules import RULES, guard_addresses, role_grants
from seconder.api import constants
from seconder.api.label_selector import Operator, Requirement
from seconder.api.policy import AgentTags, Mode, Policy
from seconder.api.reasons import Reason
from seconder.api.resources import DEFINITIONS, DEPLOYMENTS, JOBS, NAMESPACES, NODES, PODS, SERVICES, GroupResource

RBAC = "rbac.authorization.k8s.io"
DEFAULT = policy()
STACKS = GroupResource("example.com", "stacks")
DELETING = "the right to delete or change deployments.apps"
TO_OTHERS = f"agents may not give others than agents {DELETING}"
OUT_OF_A_ROLE = f"agents may not take {DELETING} out of a role, where it is put back"
INTO_A_ROLE = f"agents may not put {DELETING} into a role"

PLAIN = Installation()
WITH_PORTAL = Installation(portal_host="approve.example.com")

Document = dict[str, Any]


def _subject(kind: str, name: str, namespace: str = "") -> Document:
    return {"kind": kind, "name": name, "namespace": namespace}


KIRO = _subject("ServiceAccount", "kiro", "seconder-agents")
ERIN = _subject("ServiceAccount", "erin", "payments")


def _rule(groups: str, resources: str, verbs: str) -> Document:
    words = {"apiGroups": groups, "resources": resources, "verbs": verbs}
    return {name: text.split(" ") for name, text in words.items()}


DELETES = _rule("apps", "deployments", "delete")
READS = _rule("apps", "*", "get list watch") | {"resourceNames": ["x"]}


def _binding(*subjects: Document, kind: str = "Role", role: str = "r") -> Document:
    return {"roleRef": {"kind": kind, "name": role}, "subjects": list(subjects)}


def _bindings(namespace: str = "payments") -> Any:
    return target(GroupResource(RBAC, "rolebindings" if namespace else "clusterrolebindings"), "x", namespace)


def _bound(
    subject: Document,
    *rules: Document,
    policies: tuple[Policy, ...] = (DEFAULT,),
    namespace: str = "payments",
    user: Caller = AGENT,
    installation: Installation = PLAIN,
    **more: Any,
) -> str:
    answers = Answers(rules=[msgspec.convert(rule, Rule) for rule in rules], **more)
    made = creation(_bindings(namespace), user, new=_binding(subject))
    return refusal(decide(made, state(*policies, installation=installation), answers=answers))


def _role(new: Any, old: Any = None, resource: str = "roles") -> Request:
    role = target(GroupResource(RBAC, resource), "r")
    return creation(role, new=new) if old is None else update(role, old=old, new=new)


def _written(*rules: Document, **more: Any) -> str:
    return refusal(decide(_role({"rules": rules}), state(DEFAULT), answers=Answers(**more)))


@pytest.mark.parametrize(
    "subject",
    [
        ERIN,
        _subject("User", "erin"),
        _subject("User", "system:serviceaccount:payments:x"),
        _subject("User", "seconder.dev:agents"),
        _subject("Group", "people"),
        _subject("Group", "system:serviceaccounts:payments"),
        _subject("Group", "seconder-agents"),
        _subject("ServiceAccount", "kiro", "payments"),
        _subject("ServiceAccount", "kiro"),
        _subject("Robot", "kiro", "seconder-agents"),
    ],
    ids=str,
)
def test_who_is_no_agent_gets_nothing_that_deletes(subject: Document) -> None:
    """Nor who is only named like one. People give what they like."""
    assert _bound(subject, DELETES) == TO_OTHERS
    assert _bound(subject, READS) == ""
    assert _bound(subject) == ""
    assert _bound(subject, DELETES, user=PERSON) == ""


@pytest.mark.parametrize(
    "subject",
    [
        _subject("User", "system:anonymous"),
        _subject("User", "system:serviceaccount:"),
        _subject("User", "system:node:n1"),
        _subject("Group", "system:unauthenticated"),
        _subject("Group", "system:authenticated"),
        _subject("Group", "system:serviceaccounts"),
        _subject("Group", "system:serviceaccounts:"),
        _subject("Robot", "system:anonymous"),
    ],
    ids=str,
)
def test_users_and_groups_of_kubernetes_own_get_nothing_of_an_agent(subject: Document) -> None:
    """Agents may ask as these at any time, whatever the role comes to hold. Who has one keeps it, or loses it."""
    for rule in (DELETES, READS):
        assert _bound(subject, rule) == "agents may not give a role to users and groups of Kubernetes' own"
        assert _bound(subject, rule, user=PERSON) == ""
    held, none = _binding(subject), _binding()
    answers = Answers(rules=[msgspec.convert(READS, Rule)])
    for old, new in ((held, held), (held, none), (held, _binding(subject, ERIN))):
        assert decide(update(_bindings(), old=old, new=new), state(DEFAULT), answers=answers).allowed


@pytest.mark.parametrize(
    "subject",
    [
        KIRO,
        _subject("User", "system:serviceaccount:seconder-agents:kiro"),
        _subject("Group", "seconder.dev:agents"),
        _subject("Group", "system:serviceaccounts:seconder-agents"),
    ],
    ids=str,
)
def test_agents_may_have_what_reviews_decide(subject: Document) -> None:
    """They are asked when they use it. Together with somebody who is none, the role goes to nobody."""
    assert _bound(subject, DELETES, _rule("", "pods pods/exec", "create delete")) == ""
    both = creation(_bindings(), new=_binding(subject, ERIN))
    answers = Answers(rules=[msgspec.convert(DELETES, Rule)])
    assert refusal(decide(both, state(DEFAULT), answers=answers)) == TO_OTHERS


def test_subjects_tagged_by_a_policy_are_agents() -> None:
    """By user, group, or the group of all ServiceAccounts of a namespace; who asks is one by the last."""
    tags = AgentTags(users=frozenset({"bot"}), groups=frozenset({"bots", "system:serviceaccounts:ci"}))
    for subject in (_subject("User", "bot"), _subject("Group", "bots"), _subject("ServiceAccount", "x", "ci")):
        assert _bound(subject, DELETES, policies=(policy(agents=tags),)) == ""


def test_an_agent_of_one_policy_does_not_get_what_another_holds_the_giver_back_from() -> None:
    """The bots are not bound by the default policy, and would not be asked."""
    bots = AgentTags(groups=frozenset({"bots"}), service_account_namespaces=frozenset(), extra_keys=frozenset())
    other = policy(CONFIG_MAPS, name="other", agents=bots)
    group = _subject("Group", "bots")
    assert _bound(group, DELETES, policies=(DEFAULT, other)) == TO_OTHERS
    keeps = _rule("", "configmaps", "delete")
    for subject in (group, KIRO):
        assert _bound(subject, keeps, policies=(DEFAULT, other)) == ""
    watching = policy(CONFIG_MAPS, name="other", mode=Mode.AUDIT, agents=bots)
    assert _bound(KIRO, DELETES, policies=(DEFAULT, watching)) == ""
    # By an owner, or by one of the powers, no more than directly.
    owns = _rule("example.com", "stacks", "delete")
    told = _bound(group, owns, policies=(DEFAULT, other), owning=frozenset({STACKS}))
    assert told.endswith("the right to delete or change stacks.example.com, which own what policies protect")
    assert _bound(KIRO, owns, policies=(DEFAULT, other), owning=frozenset({STACKS})) == ""
    assert _bound(group, _rule("", "secrets", "patch"), policies=(DEFAULT, other)).endswith(
        "the right to write Secrets"
    )
    broken = policy(agents=AgentTags(groups=bots.groups), problem="x")
    assert _bound(group, DELETES, policies=(broken, other))


@pytest.mark.parametrize("verb", ["delete", "deletecollection", "update", "patch", "*"])
@pytest.mark.parametrize(
    ("group", "resource"),
    [("apps", "deployments"), ("apps", "*"), ("*", "deployments"), ("*", "*"), ("apps", "deployments/scale"),
     ("apps", "*/scale"), ("apps extensions", "widgets deployments/status")],
)  # fmt: skip
def test_every_spelling_of_a_protected_verb_counts(group: str, resource: str, verb: str) -> None:
    """Subresources and wildcards too, whatever stands beside them."""
    assert _bound(ERIN, READS, _rule(group, resource, f"get {verb}")).startswith("agents may not give ")
    assert _written(_rule(group, resource, f"get {verb}")).startswith(("agents may not put ", "agents may not give "))


@pytest.mark.parametrize(
    ("group", "resource", "verb"),
    [("apps", "deployments", "get list watch"), ("", "deployments", "delete"), ("apps", "deploymentconfigs", "delete"),
     ("", "services", "patch delete"), ("apps", "controllerrevisions", "update"), ("", "pods pods/log", "get list")],
)  # fmt: skip
def test_what_no_policy_names_is_free(group: str, resource: str, verb: str) -> None:
    """And so is reading; and rules for paths give nothing on resources."""
    rule = _rule(group, resource, verb)
    assert _bound(ERIN, rule) == ""
    assert _written(rule, {"verbs": ["get"], "nonResourceURLs": ["/metrics"]}) == ""


@pytest.mark.parametrize(
    ("named", "given", "free"),
    [
        (("apps", "*"), "widgets", "pods"),
        (("*", "widgets"), "widgets", "gadgets"),
        (("*", "*"), "widgets", ""),
    ],
)
def test_what_a_policy_names_by_a_wildcard_counts(named: tuple[str, str], given: str, free: str) -> None:
    """As far as the wildcard goes."""
    policies = (policy(GroupResource(*named)),)
    group = "" if named[0] == "*" else "apps"
    assert _bound(ERIN, _rule(group, given, "delete"), policies=policies)
    assert _bound(ERIN, _rule("*", "*", "delete"), policies=policies)
    assert not _bound(ERIN, _rule("example.com", free, "delete"), policies=policies) or not free
    assert _bound(ERIN, _rule(group, given, "get"), policies=policies) == ""


def test_a_policys_namespaces_limit_what_a_rolebinding_gives_and_no_clusterrolebinding() -> None:
    """It gives everywhere."""
    policies = (policy(STACKS, namespaces=frozenset({"payments"})),)
    keeps = _rule("example.com", "stacks", "delete")
    assert _bound(ERIN, keeps, policies=policies, namespace="payments")
    assert _bound(ERIN, keeps, policies=policies, namespace="sandbox") == ""
    assert _bound(ERIN, keeps, policies=policies, namespace="")


def test_a_policy_by_labels_counts_in_the_namespaces_that_it_selects() -> None:
    """And where their labels are not known, and for what is given everywhere."""
    selecting = policy(selector=(Requirement("tier", Operator.IN, frozenset({"prod"})),))
    for labels, free in (({"tier": "dev"}, True), ({"tier": "prod"}, False), (None, False)):
        known = {} if labels is None else {"payments": labels}
        for resource, place in (("roles", "payments"), ("clusterroles", "")):
            made = creation(target(GroupResource(RBAC, resource), "r", place), new={"rules": [DELETES]})
            assert decide(made, state(selecting, namespaces=known)).allowed is (free and bool(place)), labels


def test_what_audit_watches_is_given_away_freely() -> None:
    """Audit refuses nobody anything."""
    assert _bound(ERIN, DELETES, policies=(policy(mode=Mode.AUDIT),)) == ""


def test_namespaces_count_without_any_policy() -> None:
    """They hold what policies name."""
    assert _bound(ERIN, _rule("", "namespaces", "delete"), policies=()).endswith("to delete or change namespaces")


_PASS_ON = "grant what they do not hold"


@pytest.mark.parametrize(
    ("group", "resource", "verb", "right"),
    [
        ("", "users", "impersonate", "impersonate"),
        ("", "serviceaccounts", "*", "impersonate"),
        ("authentication.k8s.io", "userextras/scopes", "*", "impersonate"),
        ("apps", "deployments", "impersonate-on:user-info:get", "impersonate"),
        (RBAC, "roles", "bind", _PASS_ON),
        ("*", "clusterroles", "bind", _PASS_ON),
        ("x", "y", "escalate", _PASS_ON),
        ("admissionregistration.k8s.io", "validatingadmissionpolicies", "patch", "change admission configuration"),
        ("admissionregistration.k8s.io", "of-the-future", "patch", "change admission configuration"),
        ("*", "*", "*", "change admission configuration"),
        ("apiregistration.k8s.io", "apiservices", "update", "change which server answers for an API"),
        ("certificates.k8s.io", "signers", "sign", "make or approve certificates"),
        ("certificates.k8s.io", "certificatesigningrequests", "create", "make or approve certificates"),
        ("", "serviceaccounts/token", "create", "make tokens of ServiceAccounts"),
        ("", "*/token", "create", "make tokens of ServiceAccounts"),
        ("", "nodes/proxy", "get", "run commands through nodes"),
        ("", "namespaces/finalize", "update", "finalize namespaces"),
    ],
)
def test_rights_past_any_guard_go_to_nobody(group: str, resource: str, verb: str, right: str) -> None:
    """Agents no more than others, and into no role."""
    rule = _rule(group, resource, verb)
    said = f"agents may not give anybody the right to {right}"
    assert _bound(KIRO, rule) == _bound(ERIN, rule) == _written(rule) == said


@pytest.mark.parametrize(
    ("group", "resource", "verb"),
    [
        ("seconder.dev", "approvers", "create"),
        (RBAC, "rolebindings", "create"),
        ("apiextensions.k8s.io", "customresourcedefinitions", "delete"),
        ("autoscaling", "horizontalpodautoscalers", "create"),
        ("", "secrets", "create"),
        ("", "pods/eviction", "create"),
        ("", "pods/exec", "get"),
        ("", "pods/exec", "create"),
        ("", "services/proxy", "get"),
        ("", "pods/ephemeralcontainers", "patch"),
        ("", "pods", "create"),
        ("batch", "cronjobs", "create"),
        ("apps", "statefulsets", "create"),
    ],
)
def test_other_ways_to_what_is_protected_go_to_agents_alone(group: str, resource: str, verb: str) -> None:
    """For whom reviews decide."""
    rule = _rule(group, resource, verb)
    assert _bound(ERIN, rule).startswith("agents may not give others than agents the right to ")
    assert _bound(KIRO, rule) == ""


def test_reading_the_secrets_of_an_ordinary_namespace_may_be_given() -> None:
    """By a role of that one, as charts have it: it gives nothing of the cluster's own programs'. Not to write them."""
    reads = _rule("", "secrets", "get list watch")
    for subject in (ERIN, KIRO):
        assert _bound(subject, reads) == _bound(subject, _rule("", "secrets", "delete")) == ""
    assert _written(reads) == ""
    assert _bound(ERIN, _rule("", "secrets", "patch")).endswith("the right to write Secrets")
    for place in ("", "kube-system"):
        said = _bound(ERIN, reads, namespace=place)
        assert said == "agents may not give others than agents the right to use Secrets of the cluster's own programs"
    assert _bound(ERIN, reads, policies=(policy(GroupResource("", "secrets")),)) == ""


def test_every_power_is_kept() -> None:
    """From others by a binding that counts everywhere, and from whom it may not go at all; in each of its spellings."""
    for power in POWERS:
        subresource = power.resource.partition("/")[2]
        for resource in {power.resource, "*", f"*/{subresource}" if subresource else "*"}:
            rule = _rule(power.group, resource, min(power.verbs))
            assert _bound(ERIN, rule, namespace="", installation=WITH_PORTAL), rule
            assert _bound(KIRO, rule, namespace="") or not power.anybody, rule


def test_a_role_that_stays_what_it_was_is_free() -> None:
    """However much it gives. A new label is a new way for others to gather its rules, where roles are gathered."""
    before = {"rules": [DELETES, READS], "labels": {"a": "b"}}

    def said(*rules: Document, labels: Any = None, resource: str = "clusterroles") -> str:
        return refusal(decide(_role({"rules": rules, "labels": labels}, before, resource), state(DEFAULT)))

    assert said(DELETES, READS, labels={"a": "b"}) == ""
    assert said(DELETES, labels={"a": "b"}) == ""
    assert said(DELETES) == INTO_A_ROLE
    assert said(DELETES, resource="roles") == said(DELETES, labels={"c": "d"}, resource="roles") == ""
    assert said(DELETES, _rule("apps", "deployments", "delete patch"), labels={"a": "b"}) == INTO_A_ROLE


def test_how_rules_share_out_the_same_rights_is_no_matter() -> None:
    """Another version of a chart has one kind more in a rule, or one verb less: what counts is asked about alone."""
    before = {"rules": [_rule("apps", "deployments", "get list watch patch"), _rule("", "events", "create")]}
    plain = [_rule("", "events", "create")]

    def said(*rules: Document) -> str:
        return refusal(decide(_role({"rules": [*rules, *plain]}, before, "clusterroles"), state(DEFAULT)))

    for same in (
        [_rule("apps", "deployments controllerrevisions", "get list watch patch")],
        [_rule("apps extensions", "deployments", "get list patch watch")],
        [_rule("apps", "deployments", "get list patch")],
        [_rule("apps", "deployments", "get list watch"), _rule("apps", "deployments", "patch")],
    ):
        assert said(*same) == ""
    reads = _rule("apps", "deployments", "get list watch")
    for more in (
        _rule("apps", "deployments", "patch delete"),
        _rule("apps", "*", "patch"),
        _rule("*", "deployments", "patch"),
    ):
        assert said(reads, more).startswith("agents may not ")
    for less in ([reads], [reads, _rule("apps", "deployments", "patch") | {"resourceNames": ["x"]}]):
        assert said(*less) == OUT_OF_A_ROLE


_WORDS = st.frozensets(st.sampled_from(["a", "b", "*"]), max_size=2)
_RULES = st.frozensets(
    st.builds(Rule, _WORDS, _WORDS | st.just(frozenset({"a/b"})), _WORDS, st.none() | _WORDS), max_size=4
)


def _allowed(rules: Iterable[Rule], *right: str) -> bool:
    """Whether one of these rules has all words of a right: group, resource and verb, and its name where it has one."""
    return any(
        all(word in words for word, words in zip(right, (rule.groups, rule.plurals, rule.verbs or ()), strict=False))
        and (not rule.resource_names or right[3:] in [(name,) for name in rule.resource_names])
        for rule in rules
    )


@given(_RULES, _RULES)
def test_what_a_role_allows_beyond_another_is_told_right_by_right(
    written: frozenset[Rule], kept: frozenset[Rule]
) -> None:
    """By the definition: each right with each name, and with none, that the one allows and the other does not."""
    beyond = set()
    for right in product("ab*", ("a", "b", "*", "a/b"), "ab*", ("", "a", "b", "*")):
        asked = right if right[3] else right[:3]
        if _allowed(written, *asked) and not _allowed(kept, *asked):
            beyond.add(right[:3])
    told = {
        right
        for rule in role_grants._beyond(written - kept, kept)
        for right in product(rule.groups, rule.plurals, rule.verbs or ())
    }
    assert told == beyond


def test_the_names_of_one_rule_may_be_shared_out_among_several() -> None:
    """RBAC asks for one name at a time."""
    named = _rule("apps", "deployments", "patch") | {"resourceNames": ["x", "y"]}
    parts = [named | {"resourceNames": [name]} for name in ("x", "y")]
    for old, new in (([named], parts), (parts, [named])):
        assert decide(_role({"rules": new}, {"rules": old}), state(DEFAULT)).allowed


def _named_rules(last: str, count: int) -> list[Document]:
    """Rules that have all but one resource in common, with names."""
    names = [f"n{number}" for number in range(40)]
    common = " ".join(f"r{number}" for number in range(12))
    return [
        _rule("example.com", f"{common} {last}{number}", "get") | {"resourceNames": names} for number in range(count)
    ]


def _calls_for(old: list[Document], new: list[Document]) -> int:
    """The Python functions that are called, generators that are resumed among them, for an update of a role."""
    asked = _role({"rules": new}, {"rules": old})
    decide(asked, state(DEFAULT))
    decided, calls = counted(lambda: decide(asked, state(DEFAULT)))
    assert decided.allowed
    return calls.total()


def test_rules_are_not_compared_each_with_each() -> None:
    """Twice as many take twice as long, and a minute is taken by none that the API server stores."""
    few, many = (_calls_for(_named_rules("x", count), _named_rules("y", count)) for count in (40, 80))
    assert many < 2.5 * few


def test_powers_are_not_looked_for_in_each_rule() -> None:
    """There are more than a hundred of them, and as many rules or verbs as an agent writes."""

    def calls(count: int) -> list[int]:
        numbers = range(10 * count)
        return [
            _calls_for([], [_rule(f"g{number}.io", "r", f"v{number}") for number in range(count)]),
            _calls_for([], [_rule("g.io", "r", " ".join(f"v{number}" for number in numbers))]),
            _calls_for([], [_rule("g.io", " ".join(f"r{number}" for number in numbers), "create get")]),
        ]

    for few, many in zip(calls(10), calls(110), strict=True):
        assert many - few < 100 * len(POWERS)


def test_a_large_role_stays_an_agents_to_update() -> None:
    """A hundred rules of a chart, and a thousand names in one rule, beside a right that no agent gives."""
    guarded = _rule("apps", "deployments", "patch delete")
    chart = [_rule(f"g{each}.io", " ".join(f"r{kind}" for kind in range(12)), "get list watch") for each in range(150)]
    names = [f"secret-{number}" for number in range(3000)]
    named = _rule("", "configmaps secrets", "get list watch update patch")
    for old, new in (
        (chart, [_rule(f"g{each}.io", "r0 r1", "get list") for each in range(150)]),
        ([], [*chart, _rule("h.io", "r", "get")]),
        (
            [named | {"resourceNames": names}],
            [named | {"resourceNames": names[:1500]}, named | {"resourceNames": names[1000:]}],
        ),
    ):
        decided = decide(_role({"rules": [guarded, *new]}, {"rules": [guarded, *old]}), state(DEFAULT))
        assert decided.allowed, decided.message


def test_of_more_rights_than_are_compared_whole_rules_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a rule counts as another one whatever the others say."""
    old = [_rule("apps", "deployments", "get patch")]
    new = [_rule("apps", "deployments", "get"), _rule("apps", "deployments", "patch")]
    asked = _role({"rules": new}, {"rules": old})
    assert decide(asked, state(DEFAULT)).allowed
    monkeypatch.setattr(role_grants, "_MOST_RIGHTS", 3)
    assert refusal(decide(asked, state(DEFAULT))) == INTO_A_ROLE


_AGGREGATED = "rbac.authorization.k8s.io/aggregate-to-edit"


@pytest.mark.parametrize(
    ("label", "free"),
    [
        ("helm.sh/chart", True),
        ("app.kubernetes.io/version", True),
        ("app.kubernetes.io/managed-by", False),
        ("chart", True),
        ("app.kubernetes.io/component", False),
        ("app.kubernetes.io/instance", False),
        ("app.kubernetes.io/part-of", False),
        ("team", False),
        (_AGGREGATED, False),
    ],
)
def test_another_version_of_a_chart_may_come_of_an_agent(label: str, *, free: bool) -> None:
    """What tells of a chart alone gathers nothing. By others of the common labels some charts do gather rules."""
    old, new = ({"rules": [DELETES], "labels": {"a": "b", label: value}} for value in ("1", "2"))
    for before, after in ((old, new), (old, {**new, "labels": {"a": "b"}}), ({**old, "labels": {"a": "b"}}, new)):
        said = refusal(decide(_role(after, before, "clusterroles"), state(DEFAULT)))
        assert said == ("" if free else INTO_A_ROLE)
        # By this one Argo CD deletes what carries it.
        if label != "app.kubernetes.io/instance":
            assert refusal(decide(_role(after, before, "roles"), state(DEFAULT))) == ""


@pytest.mark.parametrize("resource", ["roles", "clusterroles"])
def test_a_role_is_read_as_it_was_and_as_it_will_be(resource: str) -> None:
    """No rules are none."""
    given = {"rules": [DELETES]}
    assert refusal(decide(_role(given, {"rules": None}, resource), state(DEFAULT))) == INTO_A_ROLE
    assert refusal(decide(_role({"rules": None}, given, resource), state(DEFAULT))) == OUT_OF_A_ROLE


@pytest.mark.parametrize(
    "kept",
    [
        DELETES,
        _rule("", "serviceaccounts/token", "create"),
        _rule("rbac.authorization.k8s.io", "roles", "escalate"),
        _rule("", "secrets", "create"),
    ],
    ids=str,
)
def test_what_an_agent_may_not_give_it_may_not_take_out_of_a_role(kept: Document) -> None:
    """It is put back there, and then all have it that the role was bound to meanwhile. People take what they like."""
    before = {"rules": [kept, READS], "labels": {"a": "b"}}
    role = target(GroupResource(RBAC, "roles"), "r")

    def left(rules: Any, labels: Any = None, user: Caller = AGENT) -> str:
        return refusal(decide(update(role, user, old=before, new={"rules": rules, "labels": labels}), state(DEFAULT)))

    less: list[tuple[Any, Any]] = [([READS], {"a": "b"}), (None, {"a": "b"}), ([], None)]
    for rules, labels in less:
        assert left(rules, labels).startswith("agents may not take the right to ")
        assert left(rules, labels, PERSON) == ""
    assert left([kept], {"a": "b"}) == ""
    said = refusal(decide(deletion(role, stored=before), state(DEFAULT)))
    assert said.startswith("agents may not take the right to ")
    assert refusal(decide(deletion(role, PERSON, stored=before), state(DEFAULT))) == ""
    assert refusal(decide(deletion(role, stored={"rules": [READS]}), state(DEFAULT))) == ""


def test_names_in_a_rule_are_not_changed_where_the_agent_may_not_give_it() -> None:
    """None of them, or others: with fewer it may stand for one object more, and with more for one less."""

    def ruled(*names: str) -> Document:
        return {"rules": [DELETES | ({"resourceNames": list(names)} if names else {})]}

    for resource in ("roles", "clusterroles"):
        for before, after in ((["a"], []), (["a"], ["b"]), (["a"], ["a", "b"]), ([], ["none"])):
            said = refusal(decide(_role(ruled(*after), ruled(*before), resource), state(DEFAULT)))
            assert said == (INTO_A_ROLE if before else OUT_OF_A_ROLE), (before, after)
        assert decide(_role(ruled("a", "b"), ruled("b", "a"), resource), state(DEFAULT)).allowed
    reads, others = ({"rules": [READS | {"resourceNames": [name]}]} for name in "xy")
    assert decide(_role(others, reads), state(DEFAULT)).allowed


_LOST = f"agents may not take {DELETING} from others than agents, whom it is given back"


def _taken(old: Document, new: Document | None, *rules: Document, user: Caller = AGENT, **more: Any) -> str:
    answers = Answers(rules=[msgspec.convert(rule, Rule) for rule in rules], **more)
    asked = deletion(_bindings(), user, stored=old) if new is None else update(_bindings(), user, old=old, new=new)
    return refusal(decide(asked, state(DEFAULT), answers=answers))


def test_what_an_agent_may_not_give_it_may_not_take_from_who_has_it() -> None:
    """It is given back, and by then a pod of the agent's runs as whom. From agents it may, and what it may give."""
    both, kiro, owner = _binding(ERIN, KIRO), _binding(KIRO), {"ownerReferences": references([REAL])}
    for new in (None, kiro, _binding(), both | owner, both | {"annotations": {"janitor/ttl": "1s"}}):
        assert _taken(both, new, DELETES) == _LOST
        assert _taken(both, new, READS) == _taken(both, new) == _taken(both, new, DELETES, user=PERSON) == ""
    for new in (None, _binding(), kiro | owner):
        assert _taken(kiro, new, DELETES) == ""
    assert _taken(both, _binding(ERIN), DELETES) == ""
    token = _rule("", "serviceaccounts/token", "create")
    assert _taken(both, None, token).startswith("agents may not take the right to make tokens")


def test_a_binding_of_a_role_that_is_not_there_takes_nothing() -> None:
    """So that what is left over can be tidied up. What cannot be read is refused."""
    answers = Answers(rules=[])
    assert decide(deletion(_bindings(), stored=_binding(ERIN)), state(DEFAULT), answers=answers).allowed
    assert [lookup.none_if_gone for lookup in answers.questions(RoleRules)] == [True]
    decide(creation(_bindings(), new=_binding(ERIN)), state(DEFAULT), answers=(given := Answers(rules=[])))
    assert [lookup.none_if_gone for lookup in given.questions(RoleRules)] == [False]
    unread = Answers(unknown=[RoleRules])
    decided = decide(deletion(_bindings(), stored=_binding(ERIN)), state(DEFAULT), answers=unread)
    assert decided.reason is Reason.INTERNAL_ERROR


_ONE, _SAME, _OTHER = (
    {"aggregationRule": {"clusterRoleSelectors": [selector]}} for selector in ({"a": 1, "b": 2}, {"b": 2, "a": 1}, {})
)


@pytest.mark.parametrize(
    ("before", "after", "refused"),
    [
        (None, _ONE, True),
        ({}, _ONE, True),
        (_OTHER, _ONE, True),
        (_ONE, _ONE, False),
        (_ONE, {}, False),
        (_ONE, {"aggregationRule": None}, False),
    ],
)
def test_gathering_is_refused_when_it_is_new_or_other(before: Any, after: Any, refused: bool) -> None:
    """What stays is not the agent's doing."""
    said = refusal(decide(_role(after, before, "clusterroles"), state()))
    assert said == ("agents may not make roles that gather the rules of others" if refused else "")


def test_how_a_role_gathers_is_compared_by_what_it_says() -> None:
    """The order of keys makes no difference."""
    assert decide(_role(_SAME, _ONE, "clusterroles"), state()).allowed


def test_roles_too_large_to_judge_are_refused() -> None:
    """By the number of rules, or of what stands in them."""
    many = [_rule("example.com", f"r{number}", "get") for number in range(257)]
    wide = _rule("example.com", " ".join(f"r{number}" for number in range(4096)), "get")
    assert _bound(KIRO, *many[:256]) == ""
    product = _rule(
        " ".join(f"g{number}" for number in range(70)), " ".join(f"r{number}" for number in range(70)), "get"
    )
    for said in (_bound(KIRO, *many), _written(wide), _bound(KIRO, product)):
        assert said == "agents may not write, give or delete roles of that many rules"


def _roles_read(made: Request) -> list[RoleRef]:
    answers = Answers(rules=[msgspec.convert(READS, Rule)])
    assert decide(made, state(DEFAULT), answers=answers).allowed
    return [lookup.role for lookup in answers.questions(RoleRules)]


def test_a_role_is_read_where_it_is_given_to_somebody_new_or_taken() -> None:
    """Nothing else needs a look, and neither does what agents lose."""
    erin = _binding(ERIN)
    assert _roles_read(creation(_bindings(), new=erin)) == [RoleRef("payments", "r")]
    assert _roles_read(update(_bindings(), old=erin, new=_binding(ERIN, KIRO))) == [RoleRef("payments", "r")]
    assert _roles_read(update(_bindings(), old=erin, new=_binding())) == [RoleRef("payments", "r")]
    assert _roles_read(deletion(_bindings(), stored=erin)) == [RoleRef("payments", "r")]
    for made in (
        creation(_bindings(), new=_binding()),
        update(_bindings(), old=erin, new=erin),
        update(_bindings(), old=_binding(ERIN, KIRO), new=erin),
        deletion(_bindings(), stored=_binding(KIRO)),
        _role({"rules": [READS]}),
        creation(target(GroupResource(RBAC, "others")), new={"rules": "text", "roleRef": 5}),
    ):
        assert _roles_read(made) == []


@pytest.mark.parametrize(("kind", "namespace"), [("ClusterRole", ""), ("Role", "payments"), ("Other", "payments")])
def test_a_binding_tells_whom_it_adds_and_which_role_it_gives(kind: str, namespace: str) -> None:
    """Who had it before is not news: the agent that is added may have what erin has already."""
    read = creation(_bindings(), new=_binding(ERIN, KIRO, kind=kind))
    assert _roles_read(read) == [RoleRef(namespace, "r")]
    old, new = _binding(ERIN, kind=kind), _binding(ERIN, KIRO, kind=kind)
    answers = Answers(rules=[msgspec.convert(DELETES, Rule)])
    assert decide(update(_bindings(), old=old, new=new), state(DEFAULT), answers=answers).allowed


@pytest.mark.parametrize("subjects", [[], [ERIN], [KIRO]])
def test_who_has_the_guards_own_roles_is_not_for_agents_to_change(subjects: Sequence[Document]) -> None:
    """Nor to take them from approvers. A Role of such a name is not the guard's, and a name within another neither."""

    def said(kind: str, role: str) -> str:
        given = _binding(*subjects, kind=kind, role=role)
        answers = Answers(rules=[msgspec.convert(READS, Rule)])
        made = refusal(decide(creation(_bindings(), new=given), state(DEFAULT), answers=answers))
        gone = refusal(decide(deletion(_bindings(), stored=given), state(DEFAULT), answers=answers))
        assert made == gone, "a binding that is deleted tells which role it gave"
        return made

    for name in ("seconder-approver", "seconder-webhook"):
        assert said("ClusterRole", name) == "agents may not change who has the guard's own roles"
    for other in (("Role", "seconder-approver"), ("ClusterRole", "not-seconder-approver"), ("ClusterRole", "view")):
        assert said(*other) == ""


@pytest.mark.parametrize(
    ("rule", "refused"),
    [
        (_rule("example.com", "stacks", "delete"), True),
        (_rule("example.com", "*", "deletecollection"), True),
        (_rule("other.com example.com", "others stacks", "list delete"), True),
        (_rule("example.com", "stacks/status", "get patch"), True),
        (_rule("example.com", "stacks", "get list create"), False),
        (_rule("example.com", "others", "delete"), False),
        (_rule("other.com", "stacks", "delete"), False),
    ],
)
def test_the_right_to_end_what_owns_protected_objects_counts_as_that_to_delete_these(
    rule: Document, refused: bool
) -> None:
    """Given to others, or put into a role that anybody may have; an agent may have it."""
    what = "the right to delete or change stacks.example.com, which own what policies protect"
    owning = frozenset({STACKS})
    assert _bound(ERIN, rule, owning=owning) == (f"agents may not give others than agents {what}" if refused else "")
    assert _written(rule, owning=owning) == (f"agents may not put {what} into a role" if refused else "")
    assert _bound(KIRO, rule, owning=owning) == ""
    assert _written(rule) == ""


_ROUTES = policy(SERVICES, JOBS, PODS, namespaces=frozenset({"payments"}))


@pytest.mark.parametrize(
    "rule",
    [
        _rule("discovery.k8s.io", "endpointslices", "create"),
        _rule("", "endpoints", "patch"),
        _rule("", "pods/status", "patch"),
        _rule("", "pods/binding", "create"),
        _rule("apps", "controllerrevisions", "delete"),
        _rule("helm.cattle.io", "helmcharts", "delete"),
    ],
    ids=str,
)
def test_the_right_to_end_what_is_protected_indirectly_counts_as_that_to_delete_it(rule: Document) -> None:
    """By whatever the table of indirect deleters says, where something is protected; an agent may have it."""
    assert _bound(ERIN, rule, policies=()) == ""
    said = _bound(ERIN, rule, policies=(_ROUTES,))
    assert said.startswith("agents may not give others than agents the right to ")
    assert _bound(KIRO, rule, policies=(_ROUTES,)) == ""
    assert _bound(ERIN, rule, policies=(_ROUTES,), user=PERSON) == ""


def test_what_has_no_namespace_and_ends_something_in_one_is_given_by_no_cluster_role() -> None:
    """An address ends its Service, a Lease the pods on its node; neither in a namespace of one's own."""
    leases = _rule("coordination.k8s.io", "leases", "patch")
    for rule in (_rule("networking.k8s.io", "ipaddresses", "delete"), leases):
        assert _bound(ERIN, rule, policies=(_ROUTES,), namespace="")
    assert _bound(ERIN, leases, policies=(_ROUTES,)) == ""
    assert _bound(ERIN, leases, policies=(_ROUTES,), namespace="kube-node-lease")


def test_what_the_table_of_a_rule_of_its_own_says_counts_too() -> None:
    """A Deployment ends with its ReplicaSets, and is scaled by KEDA."""
    for rule in (_rule("apps", "replicasets", "delete"), _rule("keda.sh", "scaledobjects", "create")):
        assert _bound(ERIN, rule)


def test_of_ordinary_kinds_it_is_known_what_they_end() -> None:
    """Of others any protected object anywhere may be ended by one, so that nobody is given the right to it."""
    untold = {kind for kind, rows in table.deleters().items() for row in rows if row.kinds is None and row.only is None}
    assert {kind for kind in untold if kind.group in {"", "apps", "autoscaling", "batch", "discovery.k8s.io"}} == {
        NAMESPACES
    }


@pytest.mark.parametrize("place", ["payments", ""])
def test_ordinary_roles_of_charts_stay_free(place: str) -> None:
    """An ingress controller's, and an operator's on its own kinds. Some namespaces hold what the cluster believes."""
    rules = [
        _rule("", "configmaps endpoints nodes pods services namespaces", "get list watch"),
        _rule("networking.k8s.io", "ingressclasses ingresses", "get list watch"),
        _rule("networking.k8s.io", "ingresses/status", "update"),
        _rule("discovery.k8s.io", "endpointslices", "get list watch"),
        _rule("", "events", "create patch"),
        _rule("events.k8s.io", "events", "create patch"),
        _rule("example.com", "stacks stacks/status stacks/finalizers", "get list watch create update patch delete"),
    ]
    leases = _rule("coordination.k8s.io", "leases", "get list watch create update patch delete")
    defaults = policy(NAMESPACES, DEPLOYMENTS)
    platform = policy(DEFINITIONS, NODES, VOLUMES.resource, name="platform")
    configs = _rule("", "configmaps", "get list watch create update patch delete")
    for policies in ((defaults, platform), (defaults, _ROUTES)):
        assert _bound(ERIN, *rules, policies=policies, namespace=place) == ""
        for rule in (leases, configs):
            assert bool(_bound(ERIN, rule, policies=policies, namespace=place)) is not bool(place)


def test_what_owns_protected_objects_is_asked_where_rights_are_given() -> None:
    """Taken out of a role, or from somebody. Not where a binding only loses an agent, or an agent is given it."""

    def asked(made: Request) -> list[OwningResources]:
        answers = Answers(rules=[msgspec.convert(READS, Rule)])
        decide(made, state(DEFAULT), answers=answers)
        return answers.questions(OwningResources)

    erin = _binding(ERIN)
    assert asked(creation(_bindings(), new=erin)) == [OwningResources("payments")]
    assert asked(creation(_bindings(""), new=erin)) == [OwningResources("")]
    assert asked(_role({"rules": [READS]})) == [OwningResources("payments")]
    for made in (
        creation(_bindings(), new=_binding()),
        creation(_bindings(), new=_binding(KIRO)),
        update(_bindings(), old=_binding(KIRO), new=_binding()),
        _role({"rules": [READS]}, {"rules": [READS]}),
    ):
        assert asked(made) == []
    assert asked(update(_bindings(), old=erin, new=_binding())) == [OwningResources("payments")]
    assert asked(_role({"rules": []}, {"rules": [READS]})) == [OwningResources("payments")]


def test_what_cannot_be_told_is_refused() -> None:
    """What the role gives, what owns protected objects, or that the policies are those of now."""
    made = creation(_bindings(), new=_binding(ERIN))
    for answers in (
        Answers(unknown=[RoleRules]),
        Answers(rules=[msgspec.convert(READS, Rule)], unknown=[OwningResources]),
        Answers(fresh=False),
    ):
        assert decide(made, state(DEFAULT), answers=answers).reason is Reason.INTERNAL_ERROR
    for other in (deletion(_bindings(), stored=_binding(ERIN)), _role({"rules": []})):
        assert decide(other, state(DEFAULT), answers=Answers(fresh=False)).reason is Reason.INTERNAL_ERROR


@pytest.mark.parametrize(
    ("resource", "new"),
    [
        ("roles", {"rules": "all"}),
        ("roles", {"rules": [{"verbs": "get"}]}),
        ("clusterroles", {"aggregationRule": []}),
        ("rolebindings", {"subjects": []}),
        ("rolebindings", {"roleRef": {"kind": "Role", "name": "r"}, "subjects": [{"kind": "User"}]}),
    ],
)
def test_what_is_not_understood_is_refused(resource: str, new: Document) -> None:
    """Rather than taken for nothing."""
    made = creation(target(GroupResource(RBAC, resource)), new=new)
    with pytest.raises(Malformed, match="the role or binding is not understood"):
        decide(made, state())


@pytest.mark.parametrize("resource", [STACKS, GroupResource(RBAC, "others")])
def test_other_kinds_may_have_fields_of_these_names(resource: GroupResource) -> None:
    """Of any shape."""
    odd = {"rules": 5, "subjects": "x", "roleRef": [], "aggregationRule": 1}
    assert decide(creation(target(resource), new=odd), state()).allowed


_HERE = "payments"
_WRITES = "create update patch delete deletecollection"
_EDITS = "update patch"

TWINS: dict[str, Sequence[tuple[str, str, str, str]]] = {
    "agent-namespaces": [("", "namespaces", "update patch delete", "")],
    "autoscaler": [("autoscaling", "horizontalpodautoscalers", "create update patch", _HERE)],
    "definitions": [("apiextensions.k8s.io", "customresourcedefinitions", "create", "")],
    "discovery-size": [("apiextensions.k8s.io", "customresourcedefinitions", "create update", "")],
    "flow-control": [
        ("flowcontrol.apiserver.k8s.io", "flowschemas", _WRITES, ""),
        ("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations", _WRITES, ""),
    ],
    "footing": [
        *(
            (*resource, _WRITES, row.place)
            for resource, rows in footing.ROWS.items()
            for row in rows
            # A ConfigMap that is in all namespaces is kept where a right is for all of them.
            if row.place or resource == CONFIG_MAPS
        ),
        ("", "namespaces", "delete", ""),
    ],
    "guard-addresses": [
        *((*resource, _WRITES, "") for resource in guard_addresses.ALWAYS),
        ("", "services", _WRITES, ""),
        ("", "services/status", _EDITS, _HERE),
    ],
    "guard-aliases": [
        *((*kind, "update patch delete deletecollection", "") for kind in sorted(Installation().aliased)),
        *((*alias.resource, "delete", _HERE) for alias in Installation().aliases if alias.of == NODES),
    ],
    "guard-nodes": [
        (*NODES, _WRITES, ""),
        ("", "nodes/status", _EDITS, ""),
        (*LEASES_OF_NODES, _WRITES, "kube-node-lease"),
    ],
    "identities": [
        ("apiregistration.k8s.io", "apiservices", _WRITES, ""),
        ("certificates.k8s.io", "certificatesigningrequests", "create update patch", ""),
        ("certificates.k8s.io", "certificatesigningrequests/approval", _EDITS, ""),
        ("", "secrets", "create update patch", _HERE),
        ("", "nodes/proxy", "get create", ""),
        ("apiregistration.k8s.io", "apiservices/status", _EDITS, ""),
        ("apiextensions.k8s.io", "customresourcedefinitions", "create update patch", ""),
        ("apiextensions.k8s.io", "customresourcedefinitions/status", _EDITS, ""),
    ],
    "installation": [
        *(("seconder.dev", plural, "create update delete", "") for plural in constants.KINDS),
        *(("", plural, _WRITES, "") for plural in ("configmaps", "pods", "secrets", "serviceaccounts", "services")),
        ("apps", "deployments", _WRITES, ""),
        (RBAC, "clusterroles", _WRITES, ""),
        ("admissionregistration.k8s.io", "validatingwebhookconfigurations", _WRITES, ""),
    ],
    "namespace-finalization": [("", "namespaces/finalize", _EDITS, "")],
    "namespace-labels": [("", "namespaces", _EDITS, "")],
    "networks": [
        *((group, "anything", _WRITES, "") for group in NETWORK_PLUGINS),
        *((*kind, _WRITES, MESH_ROOT) for kind in MESH),
        (*REDIRECTS, _WRITES, _HERE),
    ],
    "node-volumes": [(*VOLUMES.resource, "create", "")],
    "pod-identity": [
        ("", "pods", "create update patch", _HERE),
        ("", "pods/exec", "get create", _HERE),
        ("", "pods/ephemeralcontainers", _EDITS, _HERE),
        ("batch", "cronjobs", "create update patch", _HERE),
        ("batch", "cronjobs/status", _EDITS, _HERE),
        ("apps", "deployments/scale", _EDITS, _HERE),
    ],
    "portal-host": [
        ("networking.k8s.io", "ingresses", _WRITES, ""),
        *((group, "anything", _WRITES, "") for group in ROUTING),
    ],
    "revisions": [("apps", "controllerrevisions", "create", _HERE)],
    "role-grants": [
        *((RBAC, plural, _WRITES, _HERE) for plural in ("roles", "rolebindings")),
        *((RBAC, plural, _WRITES, "") for plural in ("clusterroles", "clusterrolebindings")),
    ],
    "stopped-sets": [
        ("apps", "deployments", "create update patch", _HERE),
        ("apps", "deployments/scale", _EDITS, _HERE),
        ("apps", "replicasets", _EDITS, _HERE),
        ("apps", "replicasets/scale", _EDITS, _HERE),
    ],
    "service-accounts": [
        ("", "serviceaccounts", _WRITES, "seconder-agents"),
        ("", "serviceaccounts/token", "create", _HERE),
    ],
}
"""What rules never let an agent do: group, resource, verbs, and a namespace in which the right to it counts."""

NO_TWIN = {
    "agent-tags": "it has people refused, and whoever is no agent is no agent by it",
    "approval-annotations": "an approval counts by its signature; of what a policy names, its writing is kept anyway",
    "approved-namespaces": "what people and controllers make there voids an approval all the same",
    "controller-owner": "what a policy names tells it",
    "dependents": "what a policy names tells it: ``means``",
    "guard-owners": "which kinds own something of the guard's is not told by a right",
    "indirect-deletion": "what a policy names tells it: ``means``",
    "other-versions": "what a policy names tells it",
    "owner-names": "who may update an object may tell falsely of its owners, whatever the kind",
    "protected-owners": "what a policy names tells it",
    "references": "what a custom resource names is not told by a right to its kind",
    "references-within": "as for references",
    "templates": "as for agent-tags and approval-annotations",
}
"""Rules that refuse an agent something and no right of its own stands for that, each with its reason."""


def test_each_rule_that_binds_agents_has_a_twin_among_the_rights() -> None:
    """Or says why not: what an agent may not do, others would do for it by a right that it gives them."""
    binding = {rule.name for rule in RULES if rule.binds is Binds.AGENTS}
    assert binding == TWINS.keys() | NO_TWIN.keys()
    assert not TWINS.keys() & NO_TWIN.keys()


@pytest.mark.parametrize("name", TWINS)
def test_what_agents_never_write_they_give_nobody_the_right_to(name: str) -> None:
    """By any of its verbs, in the namespace where it counts, and by whatever is given everywhere."""
    for group, plural, verbs, place in TWINS[name]:
        for verb in verbs.split():
            rule = _rule(group, plural, verb)
            for where in {place, ""}:
                said = _bound(ERIN, rule, policies=(), namespace=where, installation=WITH_PORTAL)
                assert said.startswith("agents may not give "), (rule, where)


def test_what_counts_in_one_namespace_is_given_in_others() -> None:
    """And what routes, where there is nothing to keep from that."""
    counting = [each for twins in TWINS.values() for each in twins if each[3] not in {"", _HERE, "seconder-agents"}]
    assert counting
    for group, plural, verbs, _ in counting:
        assert _bound(ERIN, _rule(group, plural, verbs), policies=()) == "", plural
    routes = _rule("networking.k8s.io gateway.networking.k8s.io", "ingresses httproutes", _WRITES)
    virtual = _rule("networking.istio.io", "virtualservices", _WRITES)
    cilium = _rule("cilium.io", "ciliumnetworkpolicies", _WRITES)
    for rule in (routes, virtual, cilium):
        assert _bound(ERIN, rule, policies=(), installation=WITH_PORTAL) == ""
    assert _bound(ERIN, routes, virtual, policies=(), namespace="") == ""
    volumes = _rule("", "persistentvolumes", "create")
    assert _bound(ERIN, volumes, policies=(), namespace="", installation=Installation(node_pods=True)) == ""


def test_nobody_gets_to_delete_what_cannot_be_read() -> None:
    """No admission sees it (KEP-3926); a wildcard holds that verb as well, on whatever resource."""
    words = "agents may not give anybody the right to delete past admission what cannot be read"
    for verb in ("unsafe-delete-ignore-read-errors", "*"):
        for subject in (ERIN, KIRO):
            assert _bound(subject, _rule("example.com", "widgets", verb)) == words
        assert _written(_rule("", "configmaps", verb)) == words


def test_nobody_gets_any_verb_of_constrained_impersonation() -> None:
    """For whom one may act, and on each kind what one may then do (KEP-5284)."""
    words = "agents may not give anybody the right to impersonate"
    for verb in ("impersonate:user-info", "impersonate:whom-a-later-one-adds", "impersonate-on:user-info:delete"):
        for subject in (ERIN, KIRO):
            assert _bound(subject, _rule("apps", "deployments", verb)) == words
