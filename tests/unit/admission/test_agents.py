"""Who is an agent, its name, and who set it going."""

import pytest

from seconder.admission.principal import request_tagged, requester_of
from seconder.admission.request import Caller, Operation, Request
from seconder.api.policy import DEFAULT_TAGS, AgentTags
from seconder.api.resources import GroupResource, Target

KIRO = "system:serviceaccount:seconder-agents:kiro"
NONE: frozenset[str] = frozenset()
HELM = AgentTags(NONE, NONE, NONE, NONE, frozenset({"helm"}), NONE)


def _name(caller: Caller, tags: AgentTags = DEFAULT_TAGS) -> str | None:
    return requester_of(caller, tags, None).agent_name


def test_the_extra_keys_value_names_the_agent_before_its_serviceaccount() -> None:
    """An empty value names nobody."""
    assert _name(Caller(KIRO)) == "kiro"
    assert _name(Caller(KIRO, NONE, {"seconder.dev/agent": ("hal", "eve")})) == "hal"
    assert _name(Caller(KIRO, NONE, {"seconder.dev/agent": ("",)})) == "kiro"
    assert _name(Caller(KIRO, NONE, {"seconder.dev/agent": ()})) == "kiro"


def test_a_group_or_user_name_gives_no_name() -> None:
    """A ServiceAccount elsewhere gives none either."""
    assert _name(Caller("bot", frozenset({"seconder.dev:agents"}))) is None
    assert _name(Caller("system:serviceaccount:ci:bot", frozenset({"seconder.dev:agents"}))) is None


def test_of_several_extra_keys_our_own_counts_first() -> None:
    """Then by their order, so that the name never depends on chance."""
    tags = AgentTags(extra_keys=frozenset({"a.example/agent", "seconder.dev/agent", "z.example/agent"}))
    extra = {"z.example/agent": ("z",), "a.example/agent": ("a",)}
    assert _name(Caller("x", NONE, extra), tags) == "a"
    assert _name(Caller("x", NONE, extra | {"seconder.dev/agent": ("s",)}), tags) == "s"


@pytest.mark.parametrize(
    ("extra", "recorded", "operators"),
    [
        ((), None, set()),
        (("erin",), None, {"erin"}),
        ((), "erin", {"erin"}),
        (("erin",), "erin", {"erin"}),
        (("erin", "dana", ""), "frank", {"erin", "dana", "frank"}),
    ],
)
def test_every_recorded_operator_is_barred(extra: tuple[str, ...], recorded: str | None, operators: set[str]) -> None:
    """Where they differ, all of them."""
    caller = Caller(KIRO, NONE, {"seconder.dev/operator": extra} if extra else {})
    assert requester_of(caller, DEFAULT_TAGS, recorded).operators == operators


def test_a_person_has_no_operator() -> None:
    """Whatever their credential says."""
    person = requester_of(Caller("dana", NONE, {"seconder.dev/operator": ("erin",)}), DEFAULT_TAGS, "frank")
    assert (person.agent, person.agent_name, person.operators) == (False, None, NONE)


@pytest.mark.parametrize("operation", list(Operation))
def test_a_field_manager_marks_writes_and_never_a_delete(operation: Operation) -> None:
    """A DELETE carries none; what stands there is not the API server's."""
    target = Target(GroupResource("apps", "deployments"), "Deployment", "payments", "checkout", "uid")
    request = Request("r", operation, target, "", Caller("dana"), "helm", False, {}, {})
    assert request_tagged(request, HELM) is (operation is not Operation.DELETE)
    without = Request("r", operation, target, "", Caller("dana"), "", False, {}, {})
    assert not request_tagged(without, HELM)
    assert not requester_of(request.caller, HELM, None).agent


def test_an_annotation_marks_the_object_stored_or_new() -> None:
    """Whatever its value."""
    target = Target(GroupResource("apps", "deployments"), "Deployment", "payments", "checkout", "uid")
    marked = {"seconder.dev/agent": ""}
    for stored, incoming in ((marked, {}), ({}, marked), (marked, marked)):
        request = Request("r", Operation.UPDATE, target, "", Caller("dana"), "", False, stored, incoming)
        assert request_tagged(request, DEFAULT_TAGS)
    other = Request("r", Operation.UPDATE, target, "", Caller("dana"), "", False, {"seconder.dev/agents": "x"}, {})
    assert not request_tagged(other, DEFAULT_TAGS)
