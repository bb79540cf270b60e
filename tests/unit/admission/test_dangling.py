"""Owners that do not exist: who is asked about them, on what, and what is said."""

from typing import Any

import msgspec
import pytest
from tests.support import signing

from seconder.admission.dangling import ADOPTED
from seconder.admission.decision import Decision, decide
from seconder.admission.evidence import Evidence, World
from seconder.admission.policy_index import Guarded, PolicyIndex
from seconder.admission.prerequisites import needs, owners_to_find
from seconder.admission.request import Caller, Operation, Owner, Request, State
from seconder.api import constants
from seconder.api.policy import AgentTags, Mode, Policy, ResolvedResource, Subjects
from seconder.api.reasons import Reason
from seconder.api.resources import DEFINITIONS, NAMESPACES, Action, GroupResource, Target
from seconder.approvals.impact import Item

DEPLOYMENTS = signing.DEPLOYMENT.resource
WIDGETS = GroupResource("example.com", "widgets")
AGENT = Caller(signing.REQUESTER)
DANA = Caller("dana@example.com")
GHOST = Owner("v1", "ConfigMap", "ghost", "uid-9")
REAL = Owner("v1", "ConfigMap", "real", "uid-8")
NAMESPACE = Target(NAMESPACES, "Namespace", "", "payments", "uid-n")
DEFINITION = Target(DEFINITIONS, "CustomResourceDefinition", "", "widgets.example.com", "uid-d")
CONTROLLER = Caller("system:serviceaccount:kube-system:deployment-controller")
COLLECTOR = Caller("system:serviceaccount:kube-system:generic-garbage-collector")


def _policy(*named: GroupResource, **fields: Any) -> Policy:
    wanted = named or (DEPLOYMENTS,)
    resolved = {each: ResolvedResource(each, "v1", each != NAMESPACES, each == WIDGETS, "K") for each in wanted}
    return Policy("p", **({"resources": frozenset(wanted), "resolved": resolved} | fields))


def _request(
    *owners: Owner, target: Target = signing.DEPLOYMENT, caller: Caller = DANA, before: tuple[Owner, ...] = ()
) -> Request:
    states = State(owners=frozenset(before)), State(owners=frozenset(owners))
    request = Request("r", Operation.UPDATE, target, "", caller, "", False, {}, {}, "v1")
    return msgspec.structs.replace(request, before=states[0], after=states[1])


def _world(*policies: Policy) -> World:
    return World(PolicyIndex(policies), signing.registry(), {}, signing.AUDIENCE, Guarded())


def _decide(request: Request, *policies: Policy, mode: Mode = Mode.ENFORCE, **evidence: Any) -> Decision:
    given: dict[str, Any] = {"fresh": True, "contents": {}, "missing": frozenset({GHOST})} | evidence
    world = _world(*(policies or (_policy(),)))
    return decide(request, world, mode, Evidence(**given), signing.NOW, signing.memo())


@pytest.mark.parametrize("caller", [DANA, CONTROLLER, COLLECTOR], ids=["person", "controller", "collector"])
def test_nobody_gives_an_owner_that_does_not_exist(caller: Caller) -> None:
    """Not even the control plane's own, whose requests may be rewritten on their way; it says what is wrong."""
    decided = _decide(_request(GHOST, caller=caller))
    assert (decided.allowed, decided.reason) == (False, Reason.PROTECTED_CONFIGURATION)
    assert decided.action is Action.CHANGE_OWNERS
    assert "ConfigMap ghost" in decided.message.partition("\n")[0]
    assert "mutating webhooks" in decided.ask
    assert decided.change is None
    assert _decide(_request(GHOST, REAL, caller=caller)).reason is Reason.PROTECTED_CONFIGURATION


@pytest.mark.parametrize("caller", [DANA, CONTROLLER], ids=["person", "controller"])
def test_an_owner_that_exists_is_free(caller: Caller) -> None:
    """For people and controllers."""
    assert _decide(_request(REAL, caller=caller)).allowed


@pytest.mark.parametrize("caller", [DANA, CONTROLLER], ids=["person", "controller"])
def test_what_could_not_be_looked_up_is_refused(caller: Caller) -> None:
    """For want of an answer; and only where one is wanted."""
    assert _decide(_request(REAL, caller=caller), missing=None).reason is Reason.INTERNAL_ERROR
    assert _decide(_request(before=(GHOST,), caller=caller), missing=None).allowed
    assert _decide(_request(GHOST, before=(GHOST,), caller=caller), missing=None).allowed


def test_a_policy_for_everyone_changes_nothing() -> None:
    """Nor does an exemption from it."""
    for exempt in (frozenset[str](), frozenset({DANA.username})):
        everyone = _policy(subjects=Subjects.EVERYONE, exempt_users=exempt)
        assert _decide(_request(GHOST), everyone).reason is Reason.PROTECTED_CONFIGURATION
        assert _decide(_request(REAL), everyone).allowed


def test_an_agents_owners_are_for_approvers() -> None:
    """Existing or not: nothing is looked for, and an approval lets even one through that does not exist."""
    request = _request(GHOST, caller=AGENT)
    assert owners_to_find(request, _world(_policy()), Mode.ENFORCE) == []
    assert _decide(request, missing=None).reason is Reason.APPROVAL_MISSING
    held = {f"{constants.APPROVAL_PREFIX}alice": signing.approval(detail={"actions": ["ChangeOwners"]})}
    approved = msgspec.structs.replace(request, stored=held, incoming=held)
    assert _decide(approved, missing=None).reason is Reason.APPROVED


def test_whom_only_another_policy_calls_an_agent_is_asked_as_everybody_is() -> None:
    """It is bound by none that names the object."""
    bots = Caller("bot", frozenset({"bots"}))
    tagging = _policy(GroupResource("", "pods"), agents=AgentTags(groups=frozenset({"bots"})))
    other = Policy("q", resources=frozenset({DEPLOYMENTS}))
    assert _decide(_request(GHOST, caller=bots), tagging, other).reason is Reason.PROTECTED_CONFIGURATION


@pytest.mark.parametrize(
    "policies",
    [
        [],
        [_policy(GroupResource("", "pods"))],
        [_policy(namespaces=frozenset({"elsewhere"}))],
        [_policy(actions=frozenset({Action.DELETE, Action.SCALE_TO_ZERO}))],
        [_policy(mode=Mode.AUDIT)],
    ],
    ids=["none", "other kind", "other place", "other actions", "only watching"],
)
def test_nobody_asks_where_nothing_is_protected(policies: list[Policy]) -> None:
    """By this kind of policy, here, from this."""
    assert owners_to_find(_request(GHOST), _world(*policies), Mode.ENFORCE) == []


def test_a_policy_that_only_watches_would_refuse_it() -> None:
    """In its own mode."""
    watching = _policy(mode=Mode.AUDIT)
    assert _decide(_request(GHOST), watching, mode=Mode.AUDIT).reason is Reason.PROTECTED_CONFIGURATION


@pytest.mark.parametrize(
    ("target", "policy"),
    [
        (NAMESPACE, _policy()),
        (NAMESPACE, _policy(namespaces=frozenset({"payments"}))),
        (DEFINITION, _policy(WIDGETS)),
        (DEFINITION, _policy(GroupResource("example.com", "*"))),
    ],
    ids=["a namespace", "the namespace", "the definition", "a definition of the group"],
)
def test_what_holds_or_defines_protected_objects_counts(target: Target, policy: Policy) -> None:
    """They would go with it."""
    assert _decide(_request(GHOST, target=target), policy).reason is Reason.PROTECTED_CONFIGURATION
    assert _decide(_request(REAL, target=target), policy).allowed


def test_other_namespaces_and_definitions_do_not_count() -> None:
    """Nothing that is protected goes with them."""
    elsewhere = _policy(namespaces=frozenset({"elsewhere"}))
    assert owners_to_find(_request(GHOST, target=NAMESPACE), _world(elsewhere), Mode.ENFORCE) == []
    assert owners_to_find(_request(GHOST, target=DEFINITION), _world(_policy()), Mode.ENFORCE) == []


@pytest.mark.parametrize(
    "target",
    [
        Target(GroupResource(constants.DOMAIN, "protectionpolicies"), "ProtectionPolicy", "", "default", "u"),
        Target(GroupResource(constants.DOMAIN, "approvers"), "Approver", "", "alice", "u"),
        Target(DEFINITIONS, "CustomResourceDefinition", "", f"approvers.{constants.DOMAIN}", "u"),
        Target(NAMESPACES, "Namespace", "", constants.DEFAULT_NAMESPACE, "u"),
        Target(DEPLOYMENTS, "Deployment", constants.DEFAULT_NAMESPACE, "seconder-webhook", "u"),
    ],
    ids=["policy", "approver", "definition", "namespace", "webhook"],
)
def test_what_seconder_rests_on_counts_without_any_policy(target: Target) -> None:
    """For people and controllers; agents do not touch it whatever the owner, and nothing is looked up for that."""
    nothing = _policy(GroupResource("", "pods"))
    assert _decide(_request(GHOST, target=target), nothing).reason is Reason.PROTECTED_CONFIGURATION
    by_agent = _request(REAL, target=target, caller=AGENT)
    assert owners_to_find(by_agent, _world(nothing), Mode.ENFORCE) == []
    decided = _decide(by_agent, nothing, missing=None)
    assert (decided.allowed, decided.reason) == (False, Reason.PROTECTED_CONFIGURATION)


@pytest.mark.parametrize("owner", [GHOST, REAL])
def test_an_agent_gives_no_namespace_away_that_holds_protected_objects(owner: Owner) -> None:
    """No policy names it, but the collector would take it whole. What it holds is looked up; an empty one is free."""
    request = _request(owner, target=NAMESPACE, caller=AGENT)
    lookups = needs(request, _world(_policy()), Mode.ENFORCE)
    assert [(each.resource.resource, each.namespace, each.whole) for each in lookups] == [
        (DEPLOYMENTS, "payments", False)
    ]
    assert _decide(request, contents={DEPLOYMENTS: [Item("a", "u")]}).reason is Reason.APPROVAL_MISSING
    assert _decide(request, contents=None).reason is Reason.INTERNAL_ERROR
    assert _decide(request, contents={DEPLOYMENTS: []}).allowed


def test_an_agent_gives_no_definition_away_whose_objects_are_protected() -> None:
    """They would go with it."""
    request = _request(GHOST, target=DEFINITION, caller=AGENT)
    assert _decide(request, _policy(WIDGETS)).reason is Reason.APPROVAL_MISSING
    assert _decide(request, _policy(WIDGETS, actions=frozenset({Action.DELETE}))).allowed


def test_a_clients_words_are_cleaned() -> None:
    """The API server takes any text as an owner's name."""
    ghost = Owner("v1", "ConfigMap", "\u202eghost\nforged line", "uid-9")
    decided = _decide(_request(ghost), missing=frozenset({ghost}))
    assert "ConfigMap ghostforged line," in decided.message.partition("\n")[0]


def test_only_what_is_made_anew_is_spared() -> None:
    """Controllers that adopt wait for nobody; what holds data or is anybody's own is not among it."""
    assert {str(each) for each in ADOPTED} == {"replicasets.apps", "pods", "controllerrevisions.apps"}
    assert all(name.startswith("system:") for users in ADOPTED.values() for name in users)
