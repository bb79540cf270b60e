"""Whom a policy binds on which object."""

import pytest
from tests.support import signing
from tests.support.builders import AGENT, DEPLOYMENT, PERSON, deletion, document, policy, request, state, update

from seconder.admission.policy_index import Installation
from seconder.admission.request import Caller, Operation, Request
from seconder.admission.review import ReviewContext
from seconder.api.policy import AgentTags, Mode, Policy, Subjects
from seconder.api.resources import Action

NONE: frozenset[str] = frozenset()
NOBODY = AgentTags(groups=NONE, service_account_namespaces=NONE, extra_keys=NONE, annotations=NONE)
BOT = Caller("bot")
ARGO = Caller("system:serviceaccount:argocd:controller")
MARKED = {"annotations": {"seconder.dev/agent": ""}}
HELM = policy(agents=AgentTags(field_managers=frozenset({"helm"})))
ACTION = {Operation.DELETE: Action.DELETE}


def _binds(one: Policy, asked: Request, *controllers: Caller, others: tuple[Policy, ...] = ()) -> bool:
    installation = Installation(controllers=frozenset(caller.username for caller in controllers))
    cluster = state(one, *others, installation=installation)
    context = ReviewContext(asked, cluster, Mode.ENFORCE, signing.NOW, signing.memo())
    return context.binds(one, context.effect(ACTION.get(asked.operation, Action.SCALE_TO_ZERO)))


@pytest.mark.parametrize("problem", ["", "broken"])
def test_added_controllers_go_on_with_objects_that_are_tagged_by_annotation(problem: str) -> None:
    """A person is bound on such an object, a controller is not; the policy may be invalid or not."""
    asked = deletion(user=ARGO, stored=MARKED)
    assert _binds(policy(problem=problem), asked)
    assert not _binds(policy(problem=problem), asked, ARGO)


@pytest.mark.parametrize("problem", ["", "broken"])
def test_an_added_controller_that_is_tagged_is_an_agent(problem: str) -> None:
    """Listing an agent among the controllers sets nobody free."""
    assert _binds(policy(problem=problem), deletion(), AGENT)


def test_an_invalid_policy_binds_its_own_agents_and_those_of_the_defaults() -> None:
    """Its tags may be what is wrong with it."""
    assert _binds(policy(agents=NOBODY, problem="broken", subjects=Subjects.EVERYONE), deletion())
    named = AgentTags(users=frozenset({"bot"}))
    assert _binds(policy(agents=named, problem="broken"), deletion(user=BOT))


def test_an_invalid_policy_binds_no_person() -> None:
    """Its refusal stands for agents alone, whatever it says of everyone."""
    assert not _binds(policy(problem="broken", subjects=Subjects.EVERYONE), deletion(user=PERSON))


def test_an_agent_of_any_policy_is_exempt_from_none() -> None:
    """Although this one does not call it an agent, and lists it."""
    everyone = policy(agents=NOBODY, subjects=Subjects.EVERYONE, exempt_users=frozenset({"bot"}))
    other = policy(name="other", agents=AgentTags(users=frozenset({"bot"})))
    assert not _binds(everyone, deletion(user=BOT))
    assert _binds(everyone, deletion(user=BOT), others=(other,))


def test_cleared_tags_are_no_tags() -> None:
    """A policy with other tags than the defaults does not bind the defaults' agents."""
    assert not _binds(policy(agents=NOBODY), deletion())


@pytest.mark.parametrize("operation", list(Operation))
def test_a_field_manager_marks_writes_and_never_a_delete(operation: Operation) -> None:
    """A DELETE carries none; what stands there is not the API server's."""
    objects = {"object": document(DEPLOYMENT), "oldObject": document(DEPLOYMENT)}
    for manager, marks in (("helm", operation is not Operation.DELETE), ("", False)):
        asked = request(operation, DEPLOYMENT, PERSON, options={"fieldManager": manager}, **objects)
        assert _binds(HELM, asked) is marks


def test_a_deletion_by_another_name_is_marked_by_no_field_manager() -> None:
    """Such as an eviction: it is decided on as the deletion."""
    asked = update(user=PERSON, options={"fieldManager": "helm"})
    context = ReviewContext(asked, state(HELM), Mode.ENFORCE, signing.NOW, signing.memo())
    assert context.binds(HELM, context.effect(Action.SCALE_TO_ZERO))
    assert not context.binds(HELM, context.effect(Action.DELETE))


def test_an_annotation_marks_the_object_stored_or_new() -> None:
    """Whatever its value."""
    for old, new in ((MARKED, {}), ({}, MARKED), (MARKED, MARKED)):
        assert _binds(policy(), update(user=PERSON, old=old, new=new))
    assert not _binds(policy(), update(user=PERSON, old={"annotations": {"seconder.dev/agents": "x"}}))
