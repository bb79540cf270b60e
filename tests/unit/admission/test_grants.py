"""What agents may not give away, rule by rule and subject by subject."""

from collections.abc import Mapping

import pytest
from seconder.admission.grants import gives, refusal, role_to_read

from seconder.admission.policy_index import PolicyIndex
from seconder.admission.rbac import GROUP, BindingEdit, Role, RoleEdit, RoleRef, Rule, Subject
from seconder.admission.request import Caller, Operation, Request
from seconder.api.policy import AgentTags, Mode, Policy
from seconder.api.resources import GroupResource, Target

DEPLOYMENTS = GroupResource("apps", "deployments")
DEFAULT = Policy("default", resources=frozenset({DEPLOYMENTS}))
ROLE = RoleRef("payments", "r")
KIRO = Subject("ServiceAccount", "seconder-agents", "kiro")
ERIN = Subject("User", "", "erin")
DELETING = "the right to delete or change deployments.apps"


def _rule(groups: str, resources: str, verbs: str) -> Rule:
    return Rule(*(frozenset(words.split(" ")) for words in (groups, resources, verbs)))


DELETES = _rule("apps", "deployments", "delete")
READS = _rule("apps", "*", "get list watch")


def _request(edit: RoleEdit | BindingEdit | None, namespace: str = "payments", caller: Caller | None = None) -> Request:
    target = Target(GroupResource(GROUP, "x"), "X", namespace, "x", "uid")
    by = caller or Caller("system:serviceaccount:seconder-agents:kiro")
    return Request("r", Operation.UPDATE, target, "", by, "", False, {}, {}, rbac=edit)


def _bound(
    subject: Subject, *rules: Rule, policies: tuple[Policy, ...] = (DEFAULT,), namespace: str = "payments"
) -> str:
    request = _request(BindingEdit(ROLE, frozenset({subject})), namespace)
    return refusal(request, PolicyIndex(policies), rules)


def _written(*rules: Rule, before: Role | None = None, labels: Mapping[str, str] | None = None) -> str:
    after = Role(frozenset(rules), frozenset((labels or {}).items()))
    return refusal(_request(RoleEdit(before, after)), PolicyIndex([DEFAULT]), ())


@pytest.mark.parametrize(
    "subject",
    [
        ERIN,
        Subject("User", "", "system:anonymous"),
        Subject("User", "", "system:serviceaccount:payments:x"),
        Subject("User", "", "seconder.dev:agents"),
        Subject("Group", "", "people"),
        Subject("Group", "", "system:serviceaccounts"),
        Subject("Group", "", "system:serviceaccounts:payments"),
        Subject("Group", "", "seconder-agents"),
        Subject("ServiceAccount", "payments", "kiro"),
        Subject("ServiceAccount", "", "kiro"),
        Subject("Robot", "seconder-agents", "kiro"),
    ],
    ids=str,
)
def test_who_is_no_agent_gets_nothing_that_deletes(subject: Subject) -> None:
    """Nor who is only named like one."""
    assert _bound(subject, DELETES) == f"give others than agents {DELETING}"
    assert _bound(subject, READS) == ""
    assert _bound(subject) == ""


@pytest.mark.parametrize(
    "subject",
    [
        KIRO,
        Subject("User", "", "system:serviceaccount:seconder-agents:kiro"),
        Subject("Group", "", "seconder.dev:agents"),
        Subject("Group", "", "system:serviceaccounts:seconder-agents"),
    ],
    ids=str,
)
def test_agents_may_have_what_reviews_decide(subject: Subject) -> None:
    """They are asked when they use it. Together with somebody who is none, the role goes to nobody."""
    assert _bound(subject, DELETES, _rule("", "pods pods/exec", "*")) == ""
    both = _request(BindingEdit(ROLE, frozenset({subject, ERIN})))
    assert refusal(both, PolicyIndex([DEFAULT]), [DELETES])


def test_subjects_tagged_by_a_policy_are_agents() -> None:
    """By user, group, or the group of all ServiceAccounts of a namespace."""
    tags = AgentTags(users=frozenset({"bot"}), groups=frozenset({"bots", "system:serviceaccounts:ci"}))
    policy = Policy("p", agents=tags, resources=frozenset({DEPLOYMENTS}))
    for subject in (Subject("User", "", "bot"), Subject("Group", "", "bots"), Subject("ServiceAccount", "ci", "x")):
        assert _bound(subject, DELETES, policies=(policy,)) == ""


def test_an_agent_of_one_policy_does_not_get_what_another_holds_the_giver_back_from() -> None:
    """The bots are not bound by the default policy, and would not be asked."""
    bots = AgentTags(groups=frozenset({"bots"}), service_account_namespaces=frozenset(), extra_keys=frozenset())
    other = Policy("other", agents=bots, resources=frozenset({GroupResource("", "configmaps")}))
    group = Subject("Group", "", "bots")
    assert _bound(group, DELETES, policies=(DEFAULT, other)) == f"give others than agents {DELETING}"
    keeps = _rule("", "configmaps", "delete")
    assert _bound(group, keeps, policies=(DEFAULT, other)) == ""
    assert _bound(KIRO, keeps, policies=(DEFAULT, other)) == ""
    watching = Policy("other", mode=Mode.AUDIT, agents=bots, resources=other.resources)
    assert _bound(KIRO, DELETES, policies=(DEFAULT, watching)) == ""
    broken = Policy("default", agents=AgentTags(groups=bots.groups), problem="x", resources=DEFAULT.resources)
    assert _bound(group, DELETES, policies=(broken, other))


@pytest.mark.parametrize("verb", ["delete", "deletecollection", "update", "patch", "*"])
@pytest.mark.parametrize(
    ("group", "resource"),
    [("apps", "deployments"), ("apps", "*"), ("*", "deployments"), ("*", "*"), ("apps", "deployments/scale"),
     ("apps", "*/scale"), ("apps extensions", "widgets deployments/status")],
)  # fmt: skip
def test_every_spelling_of_a_protected_verb_counts(group: str, resource: str, verb: str) -> None:
    """Subresources and wildcards too, whatever stands beside them."""
    assert _bound(ERIN, READS, _rule(group, resource, f"get {verb}")).startswith("give ")
    assert _written(_rule(group, resource, f"get {verb}")).startswith(("put the right ", "give anybody "))


@pytest.mark.parametrize(
    ("group", "resource", "verb"),
    [("apps", "deployments", "get list watch"), ("", "deployments", "delete"), ("apps", "deploymentconfigs", "delete"),
     ("", "configmaps", "* delete"), ("apps", "controllerrevisions", "update"), ("", "pods pods/log", "get list")],
)  # fmt: skip
def test_what_no_policy_names_is_free(group: str, resource: str, verb: str) -> None:
    """And so is reading."""
    assert _bound(ERIN, _rule(group, resource, verb)) == ""
    assert _written(_rule(group, resource, verb)) == ""


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
    policy = Policy("p", resources=frozenset({GroupResource(*named)}))
    group = "" if named[0] == "*" else "apps"
    assert _bound(ERIN, _rule(group, given, "delete"), policies=(policy,))
    assert _bound(ERIN, _rule("*", "*", "delete"), policies=(policy,))
    assert not _bound(ERIN, _rule("example.com", free, "delete"), policies=(policy,)) or not free
    assert _bound(ERIN, _rule(group, given, "get"), policies=(policy,)) == ""


def test_a_policys_namespaces_limit_what_a_rolebinding_gives_and_no_clusterrolebinding() -> None:
    """It gives everywhere."""
    policy = Policy("p", resources=frozenset({GroupResource("", "configmaps")}), namespaces=frozenset({"payments"}))
    keeps = _rule("", "configmaps", "delete")
    assert _bound(ERIN, keeps, policies=(policy,), namespace="payments")
    assert _bound(ERIN, keeps, policies=(policy,), namespace="sandbox") == ""
    assert _bound(ERIN, keeps, policies=(policy,), namespace="")


def test_namespaces_count_without_any_policy() -> None:
    """They hold what policies name."""
    assert _bound(ERIN, _rule("", "namespaces", "delete"), policies=()).endswith("to delete or change namespaces")


@pytest.mark.parametrize(
    ("group", "resource", "verb", "right"),
    [
        ("", "users", "impersonate", "to impersonate"),
        ("", "serviceaccounts", "*", "to impersonate"),
        ("authentication.k8s.io", "userextras/scopes", "*", "to impersonate"),
        ("apps", "deployments", "impersonate-on:user-info:get", "to impersonate"),
        ("rbac.authorization.k8s.io", "roles", "bind", "to pass on rights that one does not hold"),
        ("*", "clusterroles", "*", "to pass on rights that one does not hold"),
        ("x", "y", "escalate", "to pass on rights that one does not hold"),
        ("admissionregistration.k8s.io", "validatingadmissionpolicies", "patch", "to change admission configuration"),
        ("apiregistration.k8s.io", "apiservices", "update", "to change which server answers for an API"),
        ("certificates.k8s.io", "signers", "sign", "to make or approve certificates"),
        ("certificates.k8s.io", "certificatesigningrequests", "create", "to make or approve certificates"),
        ("", "serviceaccounts/token", "create", "to make tokens of ServiceAccounts"),
        ("", "*/token", "create", "to make tokens of ServiceAccounts"),
        ("", "nodes/proxy", "get", "to run commands through nodes"),
    ],
)
def test_rights_past_any_guard_go_to_nobody(group: str, resource: str, verb: str, right: str) -> None:
    """Agents no more than others, and into no role."""
    rule = _rule(group, resource, verb)
    assert _bound(KIRO, rule) == _bound(ERIN, rule) == _written(rule) == f"give anybody the right {right}"


@pytest.mark.parametrize(
    ("group", "resource", "verb"),
    [
        ("seconder.dev", "approvers", "create"),
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
    assert _bound(ERIN, rule).startswith("give others than agents the right to ")
    assert _bound(KIRO, rule) == ""


def test_a_role_that_stays_what_it_was_is_free() -> None:
    """However much it gives; less of it too. A new label is a new way for others to gather its rules."""
    before = Role(frozenset({DELETES, READS}), frozenset({("a", "b")}))
    assert _written(DELETES, READS, before=before, labels={"a": "b"}) == ""
    assert _written(READS, before=before, labels={"a": "b"}) == ""
    assert _written(DELETES, before=before) == f"put {DELETING} into a role"
    more = _rule("apps", "deployments", "delete patch")
    assert _written(DELETES, more, before=before, labels={"a": "b"}) == f"put {DELETING} into a role"


def test_gathering_is_refused_when_it_is_new_or_other() -> None:
    """What stays is not the agent's doing."""
    gathers = Role(frozenset(), gathers=b"[1]")
    for before, after, refused in (
        (None, gathers, True),
        (Role(frozenset()), gathers, True),
        (Role(frozenset(), gathers=b"[2]"), gathers, True),
        (gathers, gathers, False),
        (gathers, Role(frozenset()), False),
    ):
        assert bool(refusal(_request(RoleEdit(before, after)), PolicyIndex([]), ())) is refused


def test_roles_too_large_to_judge_are_refused() -> None:
    """By the number of rules, or of what stands in them."""
    many = [_rule("example.com", f"r{number}", "get") for number in range(257)]
    wide = _rule("example.com", " ".join(f"r{number}" for number in range(4096)), "get")
    assert _bound(KIRO, *many[:256]) == ""
    product = _rule(
        " ".join(f"g{number}" for number in range(70)), " ".join(f"r{number}" for number in range(70)), "get"
    )
    for said in (_bound(KIRO, *many), _written(wide), _bound(KIRO, product)):
        assert said == "give away roles of that many rules"


def test_a_role_is_read_where_it_is_given_to_somebody_new() -> None:
    """Nothing else needs a look."""
    assert role_to_read(_request(BindingEdit(ROLE, frozenset({ERIN})))) == ROLE
    for edit in (None, BindingEdit(ROLE, frozenset()), RoleEdit(None, Role(frozenset({DELETES})))):
        assert role_to_read(_request(edit)) is None
    assert refusal(_request(None), PolicyIndex([DEFAULT]), [DELETES]) == ""
    assert refusal(_request(BindingEdit(ROLE, frozenset())), PolicyIndex([DEFAULT]), [DELETES]) == ""


@pytest.mark.parametrize("added", [frozenset(), frozenset({ERIN}), frozenset({KIRO})])
def test_who_has_the_guards_own_roles_is_not_for_agents_to_change(added: frozenset[Subject]) -> None:
    """Nor to take them from approvers. A Role of such a name is not the guard's, and a name within another neither."""
    for name in ("seconder-approver", "seconder-webhook"):
        said = refusal(_request(BindingEdit(RoleRef("", name), added)), PolicyIndex([DEFAULT]), ())
        assert said == "change who has the guard's own roles"
    for role in (RoleRef("payments", "seconder-approver"), RoleRef("", "not-seconder-approver"), RoleRef("", "view")):
        assert refusal(_request(BindingEdit(role, added)), PolicyIndex([DEFAULT]), (READS,)) == ""


STACKS = GroupResource("example.com", "stacks")


@pytest.mark.parametrize(
    ("rule", "refused"),
    [
        (_rule("example.com", "stacks", "delete"), True),
        (_rule("example.com", "*", "deletecollection"), True),
        (_rule("other.com example.com", "others stacks", "list delete"), True),
        (_rule("example.com", "stacks", "get update patch create"), False),
        (_rule("example.com", "others", "delete"), False),
        (_rule("other.com", "stacks", "delete"), False),
    ],
)
def test_the_right_to_delete_what_owns_protected_objects_counts_as_that_to_delete_these(
    rule: Rule, refused: bool
) -> None:
    """Given to others, or put into a role that anybody may have; an agent may have it."""
    what = "the right to delete stacks.example.com, which own what policies protect"
    bound = refusal(_request(BindingEdit(ROLE, frozenset({ERIN}))), PolicyIndex([DEFAULT]), [rule], {STACKS})
    assert bound == (f"give others than agents {what}" if refused else "")
    written = _request(RoleEdit(None, Role(frozenset({rule}))))
    assert refusal(written, PolicyIndex([DEFAULT]), (), {STACKS}) == (f"put {what} into a role" if refused else "")
    assert refusal(_request(BindingEdit(ROLE, frozenset({KIRO}))), PolicyIndex([DEFAULT]), [rule], {STACKS}) == ""
    assert refusal(written, PolicyIndex([DEFAULT]), (), ()) == ""


def test_what_owns_protected_objects_is_asked_where_rights_are_given() -> None:
    """Not where a binding only loses somebody, or a role only a rule."""
    role = Role(frozenset({READS}))
    assert gives(_request(BindingEdit(ROLE, frozenset({ERIN}))))
    assert gives(_request(RoleEdit(None, role)))
    for edit in (None, BindingEdit(ROLE, frozenset()), RoleEdit(role, Role(frozenset()))):
        assert not gives(_request(edit))
