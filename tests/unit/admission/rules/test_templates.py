"""What agents write into templates has nobody refused, and nobody let through, on what is made from them."""

from typing import Any

import pytest
from tests.support.builders import (
    AGENT,
    DEPLOYMENTS,
    PERSON,
    approved,
    creation,
    deletion,
    eviction,
    live,
    policy,
    state,
    target,
    update,
)
from tests.support.resolving import Answers, decide, refusal

from seconder.admission.request import OwnerReference
from seconder.admission.rules import templates
from seconder.api.policy import AgentTags
from seconder.api.reasons import Reason
from seconder.api.resources import PODS, GroupResource

WHAT = "agents may not write an agent's annotation, an approval or an emergency exit into a template"
TAG = {"seconder.dev/agent": "x"}
MARKED = {"metadata": {"annotations": TAG}}
POD = target(PODS, "web-1", uid="uid-pod")
CONTROLLED = {
    "annotations": TAG,
    "ownerReferences": [{"apiVersion": "apps/v1", "kind": "R", "name": "r", "uid": "u", "controller": True}],
}

TEMPLATES: list[tuple[GroupResource, dict[str, Any]]] = [
    (DEPLOYMENTS, {"spec": {"template": MARKED}}),
    (GroupResource("batch", "cronjobs"), {"spec": {"jobTemplate": MARKED}}),
    (GroupResource("batch", "cronjobs"), {"spec": {"jobTemplate": {"spec": {"template": MARKED}}}}),
    (GroupResource("apps", "statefulsets"), {"spec": {"volumeClaimTemplates": [{}, MARKED]}}),
    (GroupResource("", "podtemplates"), {"template": MARKED}),
    (GroupResource("argoproj.io", "rollouts"), {"spec": {"template": MARKED}}),
    (GroupResource("cert-manager.io", "certificates"), {"spec": {"secretTemplate": {"annotations": TAG}}}),
    (GroupResource("monitoring.coreos.com", "prometheuses"), {"spec": {"podMetadata": {"annotations": TAG}}}),
    (DEPLOYMENTS, {"spec": {"template": {"metadata": {"annotations": approved()}}}}),
    (DEPLOYMENTS, {"spec": {"template": {"metadata": {"annotations": {"seconder.dev/break-glass": "x"}}}}}),
]


@pytest.mark.parametrize(("resource", "marked"), TEMPLATES)
def test_an_agent_writes_nothing_of_the_guards_into_a_template(resource: GroupResource, marked: dict[str, Any]) -> None:
    """Wherever it stands, at the creation or later. What stood there before may stay, and people may write it."""
    object_ = target(resource, "web")
    made, changed = creation(object_, new=marked), update(object_, new=marked)
    assert refusal(decide(made, state())) == WHAT
    assert refusal(decide(changed, state())) == WHAT
    assert decide(update(object_, old=marked, new=marked | {"labels": {"a": "b"}}), state()).allowed
    assert decide(creation(object_, PERSON, new=marked), state()).allowed
    assert decide(update(object_, PERSON, new=marked), state()).allowed


def test_what_stands_in_one_template_is_not_written_into_another() -> None:
    """Nor as another value."""
    cron = target(GroupResource("batch", "cronjobs"), "nightly")
    once = {"spec": {"jobTemplate": MARKED}}
    twice = {"spec": {"jobTemplate": MARKED | {"spec": {"template": MARKED}}}}
    other = {"spec": {"jobTemplate": {"metadata": {"annotations": {"seconder.dev/agent": "y"}}}}}
    assert refusal(decide(update(cron, old=once, new=twice), state())) == WHAT
    assert refusal(decide(update(cron, old=once, new=other), state())) == WHAT
    assert decide(update(cron, old=twice, new=once), state()).allowed


def test_tags_of_policies_count_in_templates_as_well() -> None:
    """Any policy's annotation."""
    bots = policy(PODS, agents=AgentTags(annotations=frozenset({"example.com/bot"})))
    asked = creation(target(), new={"spec": {"template": {"metadata": {"annotations": {"example.com/bot": "1"}}}}})
    assert refusal(decide(asked, state(bots))) == WHAT
    assert decide(asked, state()).allowed


def test_what_is_only_spoken_of_is_free() -> None:
    """An agent's own mark on what it makes, and a text that holds the word."""
    made = {"annotations": TAG, "spec": {"note": "seconder.dev/agent", "template": {}}}
    assert decide(creation(target(), new=made), state()).allowed


def test_an_annotation_does_not_count_on_what_a_controller_made() -> None:
    """People delete, evict and change it as if it were not there; agents are told by who they are."""
    one = policy(PODS)
    asked = deletion(POD, PERSON, stored=CONTROLLED)
    assert decide(asked, state(one)).allowed
    assert decide(deletion(POD, PERSON, stored={"annotations": TAG}), state(one)).reason is Reason.APPROVAL_MISSING
    assert decide(deletion(POD, AGENT, stored=CONTROLLED), state(one)).reason is Reason.APPROVAL_MISSING
    assert decide(update(POD, PERSON, old=CONTROLLED, new=CONTROLLED | {"finalizers": []}), state(one)).allowed
    controller = OwnerReference(api_version="apps/v1", kind="R", name="r", uid="u", controller=True)
    for owners, allowed in (([controller], True), ([], False)):
        answers = Answers(objects=live(POD, annotations=TAG, owner_references=owners))
        assert decide(eviction(POD, PERSON), state(one), answers=answers).allowed is allowed


def test_what_nests_in_such_a_key_is_told_once() -> None:
    """Not at each level: 500 of them around a megabyte take seconds. Whatever changes below is seen all the same."""
    nested: Any = "x" * 1000
    for _ in range(100):
        nested = {"seconder.dev/agent": nested}
    told = list(templates._within({"spec": nested}, AgentTags().annotations))
    assert sum(len(text) for _, text in told) < 2 * len(str(nested))
    for inner in ({"seconder.dev/agent": {"seconder.dev/agent": "y"}}, {"seconder.dev/agent": {"a": 1}}):
        asked = update(
            target(DEPLOYMENTS), old={"spec": {"x": {"seconder.dev/agent": {"a": 2}}}}, new={"spec": {"x": inner}}
        )
        assert refusal(decide(asked, state())) == WHAT
