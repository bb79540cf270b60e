"""What policies compile to, entry by entry."""

import json
import re
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from seconder.admission import cel
from seconder.admission.policy_index import Installation
from seconder.api.policy import DEFAULT_TAGS, AgentTags, Mode, Policy, Subjects
from seconder.api.resources import NAMESPACES, Action, GroupResource, ResolvedResource
from seconder.operator.webhook_configuration import Endpoint, configuration

DEPLOYMENTS = GroupResource("apps", "deployments")
NODES = GroupResource("", "nodes")
RESOLVED = {DEPLOYMENTS: ResolvedResource(DEPLOYMENTS, "v1", namespaced=True, custom=False)}


def _entries(*policies: Policy) -> dict[str, dict[str, Any]]:
    document = configuration(policies, Installation(), Endpoint(url="https://127.0.0.1:9443"), "Q0E=")
    return {each["name"].removesuffix(".seconder.dev"): each for each in document["webhooks"]}


def _policy(name: str = "p", **fields: Any) -> Policy:
    return Policy(name, **({"resources": frozenset({DEPLOYMENTS}), "resolved": RESOLVED} | fields))


def test_without_policies_the_guard_alone_stands() -> None:
    """Seconder's own configuration is protected before anything else is."""
    assert list(_entries()) == ["owners", "guard"]


def test_enforcing_entries_fail_closed_and_audit_never_blocks() -> None:
    """The policy's mode decides, and each mode has a path of its own."""
    entries = _entries(_policy("a"), _policy("b", mode=Mode.AUDIT, subjects=Subjects.EVERYONE))
    shape = {name: (each["failurePolicy"], each["clientConfig"]["url"][22:]) for name, each in entries.items()}
    assert shape == {
        "agents": ("Fail", "/validate"),
        "owners": ("Fail", "/validate"),
        "audit-agents": ("Ignore", "/validate/audit"),
        "audit-everyone": ("Ignore", "/validate/audit"),
        "audit-owners": ("Ignore", "/validate/audit"),
        "guard": ("Fail", "/validate"),
    }
    assert all(each["sideEffects"] == "None" for each in entries.values())


def test_a_policy_on_namespaced_things_asks_about_namespaces_too() -> None:
    """Their deletion takes such things along."""
    rules = _entries(_policy())["agents"]["rules"]
    deleted = {(*rule["apiGroups"], *rule["resources"]) for rule in rules if rule["operations"] == ["DELETE"]}
    assert deleted == {("", "namespaces"), ("apps", "deployments")}


def test_a_policy_on_cluster_scoped_things_does_not() -> None:
    """No namespace holds a node."""
    resolved = {NODES: ResolvedResource(NODES, "v1", namespaced=False, custom=False)}
    rules = _entries(_policy(resources=frozenset({NODES}), resolved=resolved))["agents"]["rules"]
    assert [rule["resources"] for rule in rules] == [["nodes"], ["nodes", "nodes/*"]]


def test_a_policy_whose_names_are_not_looked_up_yet_asks_about_namespaces() -> None:
    """Rather one request too many than one too few."""
    rules = _entries(_policy(resolved={}, resolution_current=False))["agents"]["rules"]
    assert ["namespaces"] in [rule["resources"] for rule in rules]


def test_a_policy_without_delete_asks_about_updates_alone() -> None:
    """Through the object itself and each of its subresources."""
    rules = _entries(_policy(actions=frozenset({Action.SCALE_TO_ZERO})))["agents"]["rules"]
    assert [(rule["operations"], rule["resources"]) for rule in rules] == [
        (["UPDATE"], ["deployments", "deployments/*"])
    ]


def test_a_policy_on_deletions_alone_asks_about_no_update() -> None:
    """Nothing leaves the API server for it."""
    rules = _entries(_policy(actions=frozenset({Action.DELETE})))["agents"]["rules"]
    assert {operation for rule in rules for operation in rule["operations"]} == {"DELETE"}


def test_an_invalid_policy_names_what_was_probably_meant() -> None:
    """Its coarse refusal must be asked for."""
    misspelt = GroupResource("apps", "Deployment")
    rules = _entries(_policy(resources=frozenset({misspelt}), problem="misspelt"))["agents"]["rules"]
    assert ["deployments"] in [rule["resources"] for rule in rules]
    assert "Deployment" not in json.dumps(rules)


def _identities(agent: str) -> str:
    """Of a test for agents that for their identity: what marks an object says more in its own entry."""
    return agent.partition("(oldObject != null")[0].rstrip("( |")


def test_everyone_is_asked_about_once() -> None:
    """What the agents' entry takes, the one for everybody else leaves out."""
    everybody = _policy(subjects=Subjects.EVERYONE, namespaces=frozenset({"payments"}))
    entries = _entries(everybody)
    agent = {each["name"]: each["expression"] for each in entries["agents"]["matchConditions"]}["agent"]
    everyone = {each["name"]: each["expression"] for each in entries["everyone"]["matchConditions"]}
    assert everyone["not-agents-0"].startswith(f"!({_identities(agent)} || ")
    assert "oldObject.metadata.annotations" in everyone["not-agents-0"]
    assert '"payments"' in everyone["covered"]


def test_whom_only_an_audit_policy_calls_an_agent_is_not_exempt_either() -> None:
    """The exemption is for people; the API server asks about such a caller, and the webhook decides."""
    tags = AgentTags(groups=frozenset({"bots"}))
    everyone = _policy("e", subjects=Subjects.EVERYONE, exempt_users=frozenset({"dana"}))
    conditions = _entries(_policy("a", mode=Mode.AUDIT, agents=tags), everyone)["everyone"]["matchConditions"]
    covered = {each["name"]: each["expression"] for each in conditions}["covered"]
    assert f'(!(request.userInfo.username in ["dana"])) || ({cel.in_groups(["bots"])})' in covered
    alone = _entries(everyone)["everyone"]["matchConditions"]
    assert "bots" not in json.dumps(alone)


def _conditions(entry: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["expression"] for each in entry["matchConditions"]}


def _updated(entry: dict[str, Any]) -> set[tuple[str, ...]]:
    assert all(rule["operations"] == ["UPDATE"] for rule in entry["rules"])
    return {(*rule["apiGroups"], *rule["resources"]) for rule in entry["rules"]}


_OWN_RULES = {
    ("seconder.dev", "*/*"),
    ("", "namespaces", "namespaces/*"),
    ("apiextensions.k8s.io", "customresourcedefinitions", "customresourcedefinitions/*"),
    (
        "rbac.authorization.k8s.io",
        "clusterrolebindings",
        "clusterrolebindings/*",
        "clusterroles",
        "clusterroles/*",
    ),
}


def test_owners_are_asked_about_where_policies_name_that_and_on_seconders_guarded() -> None:
    """Of anybody, through every subresource, and for what namespaces hold and definitions define."""
    assert _updated(_entries()["owners"]) == _OWN_RULES
    owners = _entries(_policy())["owners"]
    assert _updated(owners) == _OWN_RULES | {("apps", "deployments", "deployments/*")}
    assert "not-controllers" not in _conditions(owners)
    assert _updated(_entries(_policy(actions=frozenset({Action.DELETE})))["owners"]) == _OWN_RULES
    watched = _entries(_policy(mode=Mode.AUDIT))["audit-owners"]
    assert _updated(watched) == {("apps", "deployments", "deployments/*"), ("", "namespaces", "namespaces/*")}
    assert "audit-owners" not in _entries(_policy(mode=Mode.AUDIT, actions=frozenset({Action.DELETE})))


def test_owners_are_asked_about_in_the_places_that_policies_name() -> None:
    """And in Seconder's own; one policy for all places is for all places."""
    place = "!has(request.namespace) || request.namespace in"
    named = _policy("a", namespaces=frozenset({"payments"}))
    assert _conditions(_entries(named)["owners"])["places"] == f'{place} ["payments", "seconder-system"]'
    assert "places" not in _conditions(_entries(named, _policy("b"))["owners"])
    # What others name everywhere does not have everybody asked about what this one names.
    maps = frozenset({GroupResource("", "configmaps")})
    two = _entries(_policy("a", namespaces=frozenset({"payments"}), resources=maps), _policy("b"))["owners"]
    either = '(request.resource.group == "apps" && request.resource.resource in ["deployments"])'
    assert _conditions(two)["places"] == f'{place} ["payments", "seconder-system"] || {either}'
    assert _conditions(_entries()["owners"])["places"] == f'{place} ["seconder-system"]'


@pytest.mark.parametrize(
    ("group", "plural", "asked"),
    [
        ("rbac.authorization.k8s.io", "clusterroles", {"clusterrolebindings"}),
        ("*", "clusterroles", {"clusterrolebindings"}),
        ("rbac.authorization.k8s.io", "*", set()),
        ("*", "*", set()),
        ("apps", "deployments", {"clusterrolebindings", "clusterroles"}),
    ],
)
def test_of_roles_that_no_policy_names_seconders_own_alone_are_asked_about(
    group: str, plural: str, asked: set[str]
) -> None:
    """Other people's roles are given to whom they like."""
    policy = _policy(resources=frozenset({GroupResource(group, plural)}))
    condition = _conditions(_entries(policy)["owners"]).get("roles", "")
    assert {each for each in ("clusterrolebindings", "clusterroles") if f'"{each}"' in condition} == asked
    assert not asked or condition.endswith('|| request.name.startsWith("seconder-")')


def test_nobody_else_is_asked_about_changes_of_what_is_tagged_as_an_agents() -> None:
    """People and controllers write such objects all day: of the annotation's callers, as before."""
    asked = _conditions(_entries(_policy())["agents"])
    everything = '(request.operation == "UPDATE")'
    assert everything in asked["action"]
    assert everything not in asked["agent"]
    assert 'request.operation == "DELETE"' in asked["agent"]


def test_what_the_agents_entry_takes_the_owners_entry_leaves_out() -> None:
    """But not from controllers, which that entry never takes, nor of kinds that it does not name."""
    entries = _entries(_policy())
    agent = _conditions(entries["agents"])["agent"]
    condition = _conditions(entries["owners"])["not-asked-of-agents"]
    assert _identities(agent) in condition
    for controllers in ("not-controllers", "not-kubelets"):
        assert _conditions(entries["agents"])[controllers] in condition
    assert '"deployments"' in condition
    assert "namespaces" not in condition


def test_an_owner_is_no_action_of_people_under_a_policy_for_everyone() -> None:
    """Their owners are asked about once."""
    entries = _entries(_policy(subjects=Subjects.EVERYONE))
    assert "ownerReferences" in _conditions(entries["agents"])["action"]
    assert "ownerReferences" not in _conditions(entries["everyone"])["action"]


def test_equal_policies_compile_equally_in_any_order() -> None:
    """Else the stored configuration would be written anew for nothing."""
    policies = [_policy(f"p{n}", agents=AgentTags(users=frozenset({f"u{n}", f"v{n}"}))) for n in range(20)]
    assert _entries(*policies) == _entries(*reversed(policies))


_ENDS = '(request.operation in ["DELETE", "UPDATE"])'


def _guarded(*policies: Policy) -> str:
    return _conditions(_entries(*policies)["guard"])["guarded"]


def test_agents_deletions_and_updates_of_anything_are_asked_about_where_deletions_are_refused() -> None:
    """It may own what a policy names; not where policies only watch, or are about other actions."""
    assert _ENDS in _guarded(_policy())
    assert _ENDS in _guarded(_policy(resolved={}, resolution_current=False))
    for nothing in ([], [_policy(mode=Mode.AUDIT)], [_policy(actions=frozenset({Action.SCALE_TO_ZERO}))]):
        assert _ENDS not in _guarded(*nothing)


def _left_out(*policies: Policy) -> str:
    return _conditions(_entries(*policies)["guard"]).get("not-asked-of-agents", "")


def test_what_the_agents_entry_takes_the_guard_leaves_out() -> None:
    """On its own conditions alone; callers whom only an Audit policy calls agents are not its own."""
    tags = AgentTags(groups=frozenset({"bots"}))
    policies = (_policy(actions=frozenset({Action.DELETE})), _policy("a", mode=Mode.AUDIT, agents=tags))
    left_out, asked = _left_out(*policies), _conditions(_entries(*policies)["agents"])
    assert f"({asked['action']})" in left_out
    assert '"seconder.dev:agents"' in left_out
    assert "bots" not in left_out
    assert '(request.operation in ["DELETE"]) && (request.resource.group in ["apps"])' in left_out
    assert '"UPDATE"]' not in left_out


@pytest.mark.parametrize("actions", [{Action.DELETE}, {Action.SCALE_TO_ZERO}, {Action.DELETE, Action.SCALE_TO_ZERO}])
@pytest.mark.parametrize("named", [GroupResource("", "pods"), GroupResource("*", "*"), DEPLOYMENTS])
def test_the_guard_leaves_to_the_agents_entry_the_evictions_that_this_takes(
    named: GroupResource, actions: set[Action]
) -> None:
    """Each is asked about by one of them, where it may take along what is protected."""
    policies = (_policy(resources=frozenset({named}), actions=frozenset(actions)), _policy("also"))
    taken = "CREATE" in {op for rule in _entries(*policies)["agents"]["rules"] for op in rule["operations"]}
    assert taken is ('request.operation in ["CREATE"]' in _left_out(*policies))


@pytest.mark.parametrize(
    ("named", "group", "resource"),
    [
        (GroupResource("*", "*"), "", "(true)"),
        (GroupResource("apps", "*"), '(request.resource.group in ["apps"]) && ', "(true)"),
        (GroupResource("*", "widgets"), "", '(request.resource.resource in ["widgets"])'),
    ],
)
def test_wildcards_are_taken_by_the_agents_entry_whole(named: GroupResource, group: str, resource: str) -> None:
    """What its rules match, and no more, is left to it."""
    assert f'((request.operation in ["UPDATE"]) && {group}({resource}))' in _left_out(
        _policy(resources=frozenset({named}))
    )


def test_an_exception_that_grows_too_long_is_left_out() -> None:
    """Then a request may be asked about twice, and none is missed."""
    many = frozenset(GroupResource("apps", f"a-resource-of-some-length-{number}") for number in range(500))
    assert _ENDS in _guarded(_policy(resources=many))
    assert not _left_out(_policy(resources=many))


@pytest.mark.long
@pytest.mark.parametrize("subjects", list(Subjects))
def test_a_thousand_policies_fit(subjects: Subjects) -> None:
    """At most 64 conditions an entry, none of them near CEL's limit, all of it below etcd's."""
    policies = [
        _policy(
            f"policy-{number}",
            subjects=subjects,
            exempt_users=frozenset({f"person-{number}@example.com"}),
            agents=AgentTags(users=frozenset({f"a{number}-{each}@example.com" for each in range(8)})),
            resources=frozenset({GroupResource(f"g{number}.example.com", "things"), NAMESPACES}),
            namespaces=frozenset({f"place-{number}-{each}" for each in range(64)}),
        )
        for number in range(1000)
    ]
    entries = _entries(*policies)
    # etcd takes 1,572,864 bytes, of which the metadata need some.
    assert len(json.dumps(list(entries.values()))) < 1_450_000
    for each in entries.values():
        assert len(each["matchConditions"]) <= 64
        assert max(len(condition["expression"]) for condition in each["matchConditions"]) < 90_000


def _tags(values: frozenset[str]) -> AgentTags:
    return AgentTags(**dict.fromkeys(AgentTags.__struct_fields__, values))


@given(
    # A text that takes up very much makes the operator leave out exceptions, as the test on those says.
    st.text(min_size=1, max_size=32).filter(lambda text: not any("\ud800" <= each <= "\udfff" for each in text))
)
def test_no_text_of_a_policy_enters_an_expression_but_quoted(text: str) -> None:
    """Removing every quoted literal leaves the same expression whatever the text."""
    # By what the defaults know agents by, nobody else is called one.
    assume(all(text not in getattr(DEFAULT_TAGS, field) for field in AgentTags.__struct_fields__))
    everywhere = frozenset({text})
    tags = _tags(everywhere)
    fields: dict[str, Any] = {"subjects": Subjects.EVERYONE, "agents": tags, "exempt_users": everywhere}

    def skeleton(policy: Policy) -> str:
        conditions = [condition for each in _entries(policy).values() for condition in each["matchConditions"]]
        expressions = " ".join(condition["expression"] for condition in conditions)
        return re.sub(r'"([^"\\]|\\.)*"(, "([^"\\]|\\.)*")*', "S", expressions)

    plain = frozenset({"zzz"})
    reference = _policy(**fields | {"agents": _tags(plain), "exempt_users": plain, "namespaces": plain})
    assert skeleton(_policy(**fields | {"namespaces": everywhere})) == skeleton(reference)
