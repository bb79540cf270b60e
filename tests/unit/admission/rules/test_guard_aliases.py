"""No agent ends, by what stands for it, a namespace or node that it never ends itself; approvals or not."""

from typing import Any

import pytest
from tests.support.builders import PERSON, creation, deletion, policy, state, target, update
from tests.support.resolving import Answers, decide, refusal

from seconder.admission.indirect import aliases
from seconder.admission.lookups import AliasedBy, Placed, PodsOn
from seconder.admission.policy_index import Installation
from seconder.api.reasons import Reason
from seconder.api.resources import DEFINITIONS, NAMESPACES, NODES, GroupResource

CHARTS = GroupResource("helm.cattle.io", "helmcharts")
ANCHORS = GroupResource("hnc.x-k8s.io", "subnamespaceanchors")
MACHINES = GroupResource("cluster.x-k8s.io", "machines")
OWN = Placed("seconder-system", "seconder-webhook-1", "uid-own")
KEPT = ["seconder-system", "seconder-agents", "kube-node-lease"]


def _chart(namespace: str) -> dict[str, Any]:
    return {"spec": {"targetNamespace": namespace}}


@pytest.mark.parametrize("namespace", KEPT)
def test_a_chart_or_an_anchor_of_such_a_namespace_is_no_agents_to_end(namespace: str) -> None:
    """Where no policy names it, and where one asks for approval."""
    for policies in ((), (policy(NAMESPACES),)):
        for asked in (
            deletion(target(CHARTS, "shop", "kube-system"), stored=_chart(namespace)),
            update(target(CHARTS, "shop", "kube-system"), old=_chart(namespace), new=_chart("mine")),
            deletion(target(ANCHORS, namespace, "tools")),
        ):
            told = refusal(decide(asked, state(*policies), answers=Answers()))
            assert told.endswith((", nor what stands for it", "what is installed in the guard's own namespace"))


def test_a_chart_or_an_anchor_of_another_namespace_is_for_policies_to_say() -> None:
    """Nothing is asked besides."""
    answers = Answers()
    assert decide(deletion(target(CHARTS, "s", "x"), stored=_chart("shop")), state(), answers=answers).allowed
    assert decide(deletion(target(ANCHORS, "shop", "tools")), state(), answers=answers).allowed
    charts = target(CHARTS, "s", "x")
    kept = _chart("seconder-system")
    labelled = kept | {"labels": {"a": "b"}}
    assert decide(update(charts, old=kept, new=labelled), state(), answers=answers).allowed
    assert decide(creation(charts, new=_chart("shop")), state(), answers=answers).allowed
    upgraded = _chart("shop") | {"spec": {"targetNamespace": "shop", "version": "2"}}
    assert decide(update(charts, old=_chart("shop"), new=upgraded), state(), answers=answers).allowed
    assert answers.questions(PodsOn) == []


def test_people_end_what_they_like() -> None:
    """To uninstall Seconder is a person's affair."""
    asked = deletion(target(CHARTS, "s", "x"), PERSON, stored=_chart("seconder-system"))
    assert decide(asked, state(), answers=Answers()).allowed


def test_a_namespace_that_holds_what_stands_for_such_a_one_is_kept_with_it() -> None:
    """The look-up tells which; where it cannot, an agent deletes no namespace."""
    asked = deletion(target(NAMESPACES, "tools"))
    held = Answers(aliased=frozenset({"seconder-system"}))
    assert refusal(decide(asked, state(), answers=held)).startswith("agents may not end the guard's own namespace")
    assert decide(asked, state(), answers=Answers(aliased=frozenset({"shop"}))).allowed
    assert decide(asked, state(), answers=Answers(unknown=[AliasedBy])).reason is Reason.INTERNAL_ERROR


def test_a_machine_of_the_guards_node_is_no_agents_to_end() -> None:
    """Its Node goes with it, and the guard's pods with that."""
    asked = deletion(target(MACHINES, "m", "tools"), stored={"status": {"nodeRef": {"name": "n1"}}})
    answers = Answers(pods=[OWN])
    assert "the node on which the guard runs" in refusal(decide(asked, state(), answers=answers))
    assert answers.questions(PodsOn) == [PodsOn("n1", namespace="seconder-system")]
    assert not decide(asked, state(policy(NODES)), answers=Answers(pods=[OWN])).allowed
    assert decide(asked, state(), answers=Answers()).allowed
    assert decide(asked, state(), answers=Answers(unknown=[PodsOn])).reason is Reason.INTERNAL_ERROR


def test_a_machine_that_may_be_of_the_guards_node_is_no_agents_to_end() -> None:
    """One that tells its instance and no Node; nor does an agent say of a machine which instance it is."""
    machine = target(MACHINES, "m", "tools")
    instance = {"spec": {"providerID": "aws:///eu/i-1"}}
    for asked in (
        deletion(machine, stored=instance),
        creation(machine, new=instance),
        update(machine, old={}, new=instance),
    ):
        assert decide(asked, state(), answers=Answers()).reason is Reason.INTERNAL_ERROR
    joined = {"status": {"nodeRef": {"name": "n1"}}}
    assert not decide(update(machine, old={}, new=joined), state(), answers=Answers(pods=[OWN])).allowed
    assert not decide(creation(machine, new=joined), state(), answers=Answers(pods=[OWN])).allowed
    assert decide(creation(machine, new={"spec": {}}), state(), answers=Answers()).allowed
    noted = instance | {"labels": {"a": "b"}}
    assert decide(update(machine, old=instance, new=noted), state(), answers=Answers()).allowed
    assert decide(deletion(machine, PERSON, stored=instance), state(), answers=Answers()).allowed


def test_what_told_nothing_of_what_it_stands_for_does_not_begin_to_by_an_agent() -> None:
    """Its end would count as that of another namespace then."""
    spaces = GroupResource("example.com", "spaces")
    space = target(spaces, "s", "tools")
    place = Installation(aliases=(*aliases.BUILT_IN, aliases.parse("spaces.example.com=spec.namespace")))
    asked = update(space, old={"spec": {}}, new={"spec": {"namespace": "mine"}})
    assert decide(asked, state(installation=place), answers=Answers()).reason is Reason.INTERNAL_ERROR


def test_what_is_installed_in_the_guards_namespace_is_not_rewritten() -> None:
    """Another version, other values, or a chart beside it: its controller has more rights than any agent."""
    charts = target(CHARTS, "seconder", "kube-system")
    kept = _chart("seconder-system")
    changed = {"spec": kept["spec"] | {"set": {"replicas": "0"}}}
    for asked in (creation(charts, new=kept), update(charts, old=kept, new=changed)):
        assert "what is installed in the guard's own namespace" in refusal(decide(asked, state(), answers=Answers()))
    values = target(GroupResource("helm.cattle.io", "helmchartconfigs"), "seconder", "kube-system")
    for asked in (creation(values, new={"spec": {"valuesContent": ""}}), deletion(values)):
        told = Answers(aliased=frozenset({"seconder-system"}))
        assert "what is installed in the guard's own namespace" in refusal(decide(asked, state(), answers=told))
        assert decide(asked, state(), answers=Answers(aliased=frozenset({"shop"}))).allowed
        assert decide(asked, state(), answers=Answers(unknown=[AliasedBy])).reason is Reason.INTERNAL_ERROR


@pytest.mark.parametrize(
    "name",
    ["helmcharts.helm.cattle.io", "subnamespaceanchors.hnc.x-k8s.io", "machines.cluster.x-k8s.io"],
)
def test_the_definition_of_what_stands_for_others_is_no_agents_to_end(name: str) -> None:
    """All of its objects go with it, and what they stand for."""
    definition = target(DEFINITIONS, name, namespace="")
    owner = {"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "u"}
    for asked in (deletion(definition), update(definition, new={"ownerReferences": [owner]})):
        assert "agents may not end the definition" in refusal(decide(asked, state(), answers=Answers()))
    assert decide(deletion(definition, PERSON), state(), answers=Answers()).allowed
    assert decide(deletion(target(DEFINITIONS, "gears.example.com", namespace="")), state(), answers=Answers()).allowed
