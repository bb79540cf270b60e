"""Which policies cover what, beyond the plain cases of ``decide``."""

from typing import Any

import pytest

from seconder.admission.policy_index import Guarded, PolicyIndex, binds, covering, covering_contents
from seconder.admission.principal import requester_of
from seconder.admission.request import Caller, Operation, Request
from seconder.api.policy import DEFAULT_TAGS, AgentTags, Mode, Policy, ResolvedResource, Subjects
from seconder.api.resources import NAMESPACES, Action, GroupResource, Target

DEPLOYMENTS = GroupResource("apps", "deployments")
NODES = GroupResource("", "nodes")
NOBODY = AgentTags(*([frozenset[str]()] * 6))


def _request(username: str, *, annotated: bool = False, resource: GroupResource = DEPLOYMENTS) -> Request:
    place = "" if resource in {NODES, NAMESPACES} else "payments"
    stored = {"seconder.dev/agent": "kiro"} if annotated else {}
    target = Target(resource, "Kind", place, "payments", "uid")
    return Request("r", Operation.DELETE, target, "", Caller(username), "", False, stored, {})


def _binds(policy: Policy, request: Request, *controllers: str) -> bool:
    return binds(
        policy, request, requester_of(request.caller, DEFAULT_TAGS, None), Guarded(controllers=frozenset(controllers))
    )


@pytest.mark.parametrize("problem", ["", "broken"])
def test_added_controllers_go_on_with_objects_that_are_tagged_by_annotation(problem: str) -> None:
    """A person is bound on such an object, a controller is not; the policy may be invalid or not."""
    policy = Policy("p", problem=problem)
    request = _request("system:serviceaccount:argocd:controller", annotated=True)
    assert _binds(policy, request)
    assert not _binds(policy, request, request.caller.username)


@pytest.mark.parametrize("problem", ["", "broken"])
def test_an_added_controller_that_is_tagged_is_an_agent(problem: str) -> None:
    """Listing an agent among the controllers sets nobody free."""
    request = _request("system:serviceaccount:seconder-agents:kiro")
    assert _binds(Policy("p", problem=problem), request, request.caller.username)


def test_an_invalid_policy_binds_its_own_agents_and_those_of_the_defaults() -> None:
    """Its tags may be what is wrong with it."""
    own = AgentTags(*([frozenset[str]()] * 6))
    broken = Policy("p", agents=own, problem="broken", subjects=Subjects.EVERYONE)
    assert _binds(broken, _request("system:serviceaccount:seconder-agents:kiro"))
    named = Policy("p", agents=AgentTags(users=frozenset({"bot"})), problem="broken")
    assert _binds(named, _request("bot"))


def test_an_invalid_policy_binds_no_person() -> None:
    """Its refusal stands for agents alone, whatever it says of everyone."""
    assert not _binds(Policy("p", problem="broken", subjects=Subjects.EVERYONE), _request("dana"))


def test_an_agent_of_any_policy_is_exempt_from_none() -> None:
    """Although this one does not call it an agent, and lists it."""
    policy = Policy("p", agents=NOBODY, subjects=Subjects.EVERYONE, exempt_users=frozenset({"bot"}))
    request = _request("bot")
    known = AgentTags(users=frozenset({"bot"}))
    assert not _binds(policy, request)
    assert binds(policy, request, requester_of(request.caller, known, None), Guarded())


def test_cleared_tags_are_no_tags() -> None:
    """A policy with other tags than the defaults does not bind the defaults' agents."""
    assert not _binds(Policy("p", agents=NOBODY), _request("system:serviceaccount:seconder-agents:kiro"))


def _covering(policies: list[Policy], request: Request) -> list[Policy]:
    requester = requester_of(request.caller, DEFAULT_TAGS, None)
    return covering(request, requester, PolicyIndex(policies), Mode.ENFORCE, Action.DELETE, Guarded())


def test_both_forms_of_an_invalid_policy_are_found() -> None:
    """Its coarse refusal, and its last valid form, under one name."""
    everyone = Policy("p", subjects=Subjects.EVERYONE, resources=frozenset({DEPLOYMENTS}))
    coarse = Policy("p", problem="broken", resources=frozenset({DEPLOYMENTS}))
    agent = _request("system:serviceaccount:seconder-agents:kiro")
    assert _covering([everyone, coarse], agent) == [everyone, coarse]
    assert _covering([everyone, coarse], _request("dana")) == [everyone]


def test_a_policy_is_found_once_however_often_it_names_a_thing() -> None:
    """By name and by wildcard."""
    ways = frozenset(
        {DEPLOYMENTS, GroupResource("apps", "*"), GroupResource("*", "*"), GroupResource("*", "deployments")}
    )
    policy = Policy("p", resources=ways)
    assert _covering([policy], _request("system:serviceaccount:seconder-agents:kiro")) == [policy]


def test_a_namespace_list_on_a_cluster_scoped_kind_still_covers_it() -> None:
    """It makes the policy invalid, and an invalid policy refuses what it names wherever that is."""
    resolved = {NODES: ResolvedResource(NODES, "v1", namespaced=False, custom=False)}
    policy = Policy(
        "p", resources=frozenset({NODES}), namespaces=frozenset({"payments"}), resolved=resolved, problem="broken"
    )
    assert _covering([policy], _request("system:serviceaccount:seconder-agents:kiro", resource=NODES)) == [policy]


def test_a_wildcard_limited_to_a_namespace_covers_that_namespace_and_nothing_cluster_wide() -> None:
    """Names, never labels."""
    policy = Policy("p", resources=frozenset({GroupResource("*", "*")}), namespaces=frozenset({"payments"}))
    agent = "system:serviceaccount:seconder-agents:kiro"
    assert _covering([policy], _request(agent, resource=NAMESPACES)) == [policy]
    assert _covering([policy], _request(agent)) == [policy]
    assert _covering([policy], _request(agent, resource=NODES)) == []


def test_contents_are_asked_about_for_namespaces_alone() -> None:
    """And only where the policy protects."""
    here, there = (Policy(name, namespaces=frozenset({name})) for name in ("payments", "other"))
    requester = requester_of(Caller("system:serviceaccount:seconder-agents:kiro"), DEFAULT_TAGS, None)
    index = PolicyIndex([here, there])

    def within(resource: GroupResource) -> list[Policy]:
        request = _request(requester.username, resource=resource)
        return covering_contents(request, requester, index, Mode.ENFORCE, Guarded())

    assert within(NAMESPACES) == [here]
    assert within(DEPLOYMENTS) == []


def test_the_known_tags_are_those_of_all_policies_and_the_defaults() -> None:
    """Audit and invalid ones included."""
    any_policy: list[Any] = [
        Policy("a", agents=AgentTags(users=frozenset({"bot"})), mode=Mode.AUDIT),
        Policy("b", agents=AgentTags(groups=frozenset({"bots"}), extra_keys=frozenset()), problem="broken"),
    ]
    known = PolicyIndex(any_policy).known_tags
    assert known.users == {"bot"}
    assert known.groups == {"bots", "seconder.dev:agents"}
    assert known.extra_keys == {"seconder.dev/agent"}
    assert PolicyIndex([]).known_tags == DEFAULT_TAGS
