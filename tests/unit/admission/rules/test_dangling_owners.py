"""Owners that do not exist: who is asked about them, on what, and what is said."""

from typing import Any

import pytest
from tests.support.builders import (
    AGENT,
    DEPLOYMENT,
    DEPLOYMENTS,
    GHOST,
    PERSON,
    REAL,
    WIDGETS,
    approved,
    policy,
    state,
    target,
    update,
)
from tests.support.resolving import Answers, decide

from seconder.admission.kinds import ADOPTERS
from seconder.admission.lookups import HeldResource, MissingOwners, NamespaceContents
from seconder.admission.principal import BUILTIN_CONTROLLERS, kube_system_controllers
from seconder.admission.request import Caller, Owner, Request
from seconder.api import constants
from seconder.api.policy import AgentTags, Mode, Policy, Subjects
from seconder.api.reasons import Reason
from seconder.api.resources import DEFINITIONS, NAMESPACES, PODS, Action, GroupResource, Target
from seconder.approvals.impact import Item

NAMESPACE = target(NAMESPACES, "payments")
DEFINITION = target(DEFINITIONS, "widgets.example.com")
CONTROLLER = Caller("system:serviceaccount:kube-system:deployment-controller")
COLLECTOR = Caller("system:serviceaccount:kube-system:generic-garbage-collector")


def _request(
    *owners: Owner, user: Caller = PERSON, on: Target = DEPLOYMENT, before: tuple[Owner, ...] = (), **fields: Any
) -> Request:
    return update(on, user, old={"owners": before} | fields, new={"owners": owners} | fields)


def _answers(**more: Any) -> Answers:
    return Answers(**({"missing": {GHOST.name}} | more))


def _reason(request: Request, *policies: Policy, **more: Any) -> Reason:
    return decide(request, state(*(policies or (policy(),))), answers=_answers(**more)).reason


def _asked(request: Request, *policies: Policy) -> list[MissingOwners]:
    answers = _answers()
    decide(request, state(*policies), answers=answers)
    return answers.questions(MissingOwners)


@pytest.mark.parametrize("user", [PERSON, CONTROLLER, COLLECTOR], ids=["person", "controller", "collector"])
def test_nobody_gives_an_owner_that_does_not_exist(user: Caller) -> None:
    """Not even the control plane's own, whose requests may be rewritten on their way; it says what is wrong."""
    decided = decide(_request(GHOST, user=user), state(policy()), answers=_answers())
    assert (decided.allowed, decided.reason) == (False, Reason.PROTECTED_CONFIGURATION)
    assert decided.action is Action.CHANGE_OWNERS
    assert "ConfigMap ghost" in decided.message.partition("\n")[0]
    assert "mutating webhooks" in decided.advice
    assert decided.change is None
    assert _reason(_request(GHOST, REAL, user=user)) is Reason.PROTECTED_CONFIGURATION


@pytest.mark.parametrize("user", [PERSON, CONTROLLER], ids=["person", "controller"])
def test_an_owner_that_exists_is_free(user: Caller) -> None:
    """For people and controllers."""
    assert decide(_request(REAL, user=user), state(policy()), answers=_answers()).allowed
    assert _asked(_request(REAL, user=user), policy()) == [MissingOwners("payments", (REAL,))]


@pytest.mark.parametrize("user", [PERSON, CONTROLLER], ids=["person", "controller"])
def test_what_could_not_be_looked_up_is_refused(user: Caller) -> None:
    """For want of an answer; and only where one is wanted."""
    unknown = _answers(unknown=[MissingOwners])
    decided = decide(_request(REAL, user=user), state(policy()), answers=unknown)
    assert (decided.reason, decided.action) == (Reason.INTERNAL_ERROR, Action.CHANGE_OWNERS)
    for after in ((), (GHOST,)):
        assert _asked(_request(*after, before=(GHOST,), user=user), policy()) == []


def test_a_policy_for_everyone_changes_nothing() -> None:
    """Nor does an exemption from it."""
    for exempt in (frozenset[str](), frozenset({PERSON.username})):
        everyone = policy(subjects=Subjects.EVERYONE, exempt_users=exempt)
        assert _reason(_request(GHOST), everyone) is Reason.PROTECTED_CONFIGURATION
        assert _reason(_request(REAL), everyone) is Reason.NOT_COVERED


def test_an_agents_owners_are_for_approvers() -> None:
    """Existing or not: nothing is looked for, and an approval lets even one through that does not exist."""
    assert _asked(_request(GHOST, user=AGENT), policy()) == []
    assert _reason(_request(GHOST, user=AGENT)) is Reason.APPROVAL_MISSING
    held = approved(detail={"actions": ["ChangeOwners"]})
    assert _reason(_request(GHOST, user=AGENT, annotations=held)) is Reason.APPROVED


def test_whom_only_another_policy_calls_an_agent_is_asked_as_everybody_is() -> None:
    """It is bound by none that names the object."""
    bots = Caller("bot", frozenset({"bots"}))
    tagging = policy(PODS, agents=AgentTags(groups=frozenset({"bots"})))
    other = policy(name="q")
    assert _reason(_request(GHOST, user=bots), tagging, other) is Reason.PROTECTED_CONFIGURATION


@pytest.mark.parametrize(
    "policies",
    [
        [],
        [policy(PODS)],
        [policy(namespaces=frozenset({"elsewhere"}))],
        [policy(actions=frozenset({Action.DELETE, Action.SCALE_TO_ZERO}))],
        [policy(mode=Mode.AUDIT)],
    ],
    ids=["none", "other kind", "other place", "other actions", "only watching"],
)
def test_nobody_asks_where_nothing_is_protected(policies: list[Policy]) -> None:
    """By this kind of policy, here, from this."""
    assert _asked(_request(GHOST), *policies) == []


def test_a_policy_that_only_watches_would_refuse_it() -> None:
    """In its own mode."""
    decided = decide(_request(GHOST), state(policy(mode=Mode.AUDIT)), Mode.AUDIT, _answers())
    assert decided.reason is Reason.PROTECTED_CONFIGURATION


@pytest.mark.parametrize(
    ("on", "protecting"),
    [
        (NAMESPACE, policy()),
        (NAMESPACE, policy(namespaces=frozenset({"payments"}))),
        (DEFINITION, policy(WIDGETS)),
        (DEFINITION, policy(GroupResource("example.com", "*"))),
    ],
    ids=["a namespace", "the namespace", "the definition", "a definition of the group"],
)
def test_what_holds_or_defines_protected_objects_counts(on: Target, protecting: Policy) -> None:
    """They would go with it."""
    assert _reason(_request(GHOST, on=on), protecting) is Reason.PROTECTED_CONFIGURATION
    assert _reason(_request(REAL, on=on), protecting) is Reason.NOT_COVERED


def test_other_namespaces_and_definitions_do_not_count() -> None:
    """Nothing that is protected goes with them."""
    assert _asked(_request(GHOST, on=NAMESPACE), policy(namespaces=frozenset({"elsewhere"}))) == []
    assert _asked(_request(GHOST, on=DEFINITION), policy()) == []


@pytest.mark.parametrize(
    "on",
    [
        target(GroupResource(constants.DOMAIN, "protectionpolicies"), "default"),
        target(GroupResource(constants.DOMAIN, "approvers"), "alice"),
        target(DEFINITIONS, f"approvers.{constants.DOMAIN}"),
        target(NAMESPACES, constants.DEFAULT_NAMESPACE),
        target(DEPLOYMENTS, "seconder-webhook", constants.DEFAULT_NAMESPACE),
        target(GroupResource("rbac.authorization.k8s.io", "clusterroles"), "seconder-operator"),
    ],
    ids=["policy", "approver", "definition", "namespace", "webhook", "role"],
)
def test_what_seconder_rests_on_counts_without_any_policy(on: Target) -> None:
    """For people and controllers; agents do not touch it whatever the owner, and nothing is looked up for that."""
    assert _reason(_request(GHOST, on=on), policy(PODS)) is Reason.PROTECTED_CONFIGURATION
    by_agent = _request(REAL, on=on, user=AGENT)
    assert _asked(by_agent, policy(PODS)) == []
    assert _reason(by_agent, policy(PODS)) is Reason.PROTECTED_CONFIGURATION


@pytest.mark.parametrize("owner", [GHOST, REAL])
def test_an_agent_gives_no_namespace_away_that_holds_protected_objects(owner: Owner) -> None:
    """No policy names it, but the collector would take it whole. What it holds is looked up; an empty one is free."""
    request = _request(owner, on=NAMESPACE, user=AGENT)
    answers = _answers(holds={DEPLOYMENTS: [Item("a", "u")]})
    assert decide(request, state(policy()), answers=answers).reason is Reason.APPROVAL_MISSING
    held = HeldResource(policy().resolved[DEPLOYMENTS], whole=False)
    assert answers.questions(NamespaceContents) == [NamespaceContents("payments", (held,))]
    assert _reason(request, unknown=[NamespaceContents]) is Reason.INTERNAL_ERROR
    assert _reason(request) is Reason.NOT_COVERED


def test_an_agent_gives_no_definition_away_whose_objects_are_protected() -> None:
    """They would go with it."""
    request = _request(GHOST, on=DEFINITION, user=AGENT)
    assert _reason(request, policy(WIDGETS)) is Reason.APPROVAL_MISSING
    # An owner counts as what it comes to, where that alone is asked about.
    assert _reason(request, policy(WIDGETS, actions=frozenset({Action.DELETE}))) is Reason.APPROVAL_MISSING
    assert _reason(request, policy(WIDGETS, actions=frozenset({Action.SCALE_TO_ZERO}))) is Reason.NOT_COVERED


def test_a_clients_words_are_cleaned() -> None:
    """The API server takes any text as an owner's name."""
    ghost = Owner("v1", "ConfigMap", "\u202eghost\nforged line", "uid-9")
    decided = decide(_request(ghost), state(policy()), answers=Answers(missing={ghost.name}))
    assert "ConfigMap ghostforged line," in decided.message.partition("\n")[0]


def test_only_what_is_made_anew_is_spared() -> None:
    """Controllers that adopt wait for nobody; what holds data or is anybody's own is not among it."""
    assert {str(resource) for resource in ADOPTERS} == {"replicasets.apps", "pods", "controllerrevisions.apps"}
    assert all(kube_system_controllers(*names) <= BUILTIN_CONTROLLERS for names in ADOPTERS.values())
