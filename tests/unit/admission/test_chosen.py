"""What chooses pods by labels counts as ended by whoever has them carry others."""

from typing import Any

import pytest
from tests.support.builders import PERSON, creation, live, policy, scale, state, target, update
from tests.support.resolving import Answers, decide

from seconder.admission.kinds import CRON_JOBS, POD_CHOOSERS, POD_RUNNERS
from seconder.admission.lookups import Selecting
from seconder.admission.request import Request
from seconder.api.reasons import Reason
from seconder.api.resources import PODS, SECRETS, SERVICES, Target

SERVICE = Target(SERVICES, "Service", "payments", "web", "uid-web")
POD = target(PODS, "web-1")
BEFORE, AFTER = {"app": "web", "tier": "front"}, {"app": "web"}


def _plural(object_: Target) -> str:
    return object_.resource.resource


def _labels(object_: Target, labels: dict[str, str], image: str = "x") -> dict[str, Any]:
    if object_.resource == PODS:
        return {"labels": labels, "spec": {"image": image}}
    spec: dict[str, Any] = {"template": {"metadata": {"labels": labels}, "spec": {"image": image}}}
    return {"spec": {"jobTemplate": {"spec": spec}} if object_.resource == CRON_JOBS else spec}


def _relabelled(object_: Target) -> Request:
    return update(object_, old=_labels(object_, BEFORE), new=_labels(object_, AFTER))


@pytest.mark.parametrize("object_", [target(each, "web-1") for each in sorted(POD_RUNNERS)], ids=_plural)
def test_pods_of_other_labels_end_what_chose_them(object_: Target) -> None:
    """Of a pod itself, or of the next ones; people are not asked, nor is anybody where none is protected."""
    answers = Answers(objects=live(SERVICE), selecting=[SERVICE])
    decided = decide(_relabelled(object_), state(policy(SERVICES)), answers=answers)
    assert [part.effect.target for part in decided.parts] == [SERVICE]
    (asked,) = answers.questions(Selecting)
    assert asked.labels == (("app", "web"), ("tier", "front"))
    assert asked.but == (("app", "web"),)
    assert [kind.resource for kind in asked.kinds] == [SERVICES]
    unknown = Answers(unknown=[Selecting])
    assert decide(_relabelled(object_), state(policy(SERVICES)), answers=unknown).reason is Reason.INTERNAL_ERROR
    by_person = update(object_, PERSON, old=_labels(object_, BEFORE), new=_labels(object_, AFTER))
    assert decide(by_person, state(policy(SERVICES)), answers=unknown).allowed


def test_a_pod_gets_other_labels_through_its_status_as_well() -> None:
    """The API server takes them there. What is made below a pod is about another rule."""
    answers, old, new = Answers(selecting=[SERVICE]), _labels(POD, BEFORE), _labels(POD, AFTER)
    decide(update(POD, old=old, new=new, subResource="status"), state(policy(SERVICES)), answers=answers)
    assert len(answers.questions(Selecting)) == 1
    decide(creation(POD, new={"labels": AFTER}, subResource="binding"), state(policy(SERVICES)), answers=answers)
    assert len(answers.questions(Selecting)) == 1


def test_labels_that_stay_ask_nothing() -> None:
    """Ordinary rollouts and sizes cost no look-up; nor do labels where no such thing is protected."""
    unknown, one = Answers(unknown=[Selecting]), target()
    rollout = update(one, old=_labels(one, BEFORE), new=_labels(one, BEFORE, "y"))
    assert decide(rollout, state(policy(SERVICES)), answers=unknown).allowed
    assert decide(scale(3, 2), state(policy(SERVICES)), answers=unknown).allowed
    noted = update(one, old=_labels(one, BEFORE), new=_labels(one, BEFORE) | {"labels": {"a": "b"}})
    assert decide(noted, state(policy(SERVICES)), answers=unknown).allowed
    for object_ in (one, POD):
        assert decide(_relabelled(object_), state(policy(SECRETS)), answers=unknown).allowed


@pytest.mark.parametrize("kind", [each.resource for each in POD_CHOOSERS], ids=str)
def test_each_kind_that_chooses_pods_counts(kind: Any) -> None:
    """Where a policy names it."""
    answers = Answers()
    decide(_relabelled(POD), state(policy(kind)), answers=answers)
    (asked,) = answers.questions(Selecting)
    assert [each.resource for each in asked.kinds] == [kind]


STATUSES: dict[str, dict[str, Any]] = {
    "address": {"podIP": "10.6.6.6", "podIPs": [{"ip": "10.6.6.6"}]},
    "condition": {"conditions": [{"type": "Ready", "status": "False"}]},
    "end": {"phase": "Failed"},
    "nobody-knows": {"x": 1},
}
STORED: dict[str, Any] = {
    "phase": "Running",
    "podIP": "10.2.2.2",
    "podIPs": [{"ip": "10.2.2.2"}],
    "conditions": [{"type": "Ready", "status": "True"}],
}


def _told(status: dict[str, Any], *, old: Any = STORED, part: str = "status", **given: Any) -> Request:
    before = _labels(POD, BEFORE) | {"status": old}
    return update(POD, old=before, new=before | {"status": {**(old or {}), **status}} | given, subResource=part)


@pytest.mark.parametrize("status", STATUSES.values(), ids=STATUSES)
@pytest.mark.parametrize("kind", [each.resource for each in POD_CHOOSERS], ids=str)
def test_what_chooses_a_pod_ends_by_its_status(kind: Any, status: dict[str, Any]) -> None:
    """Who serves, and at which address, is worked out by that. By labels that it gets at once no other is hidden."""
    chooser = Target(kind, "Chooser", "payments", "web", "uid-web")
    for asked in (_told(status), _told(status, old=None), _told(status, labels=AFTER)):
        answers = Answers(objects=live(chooser), selecting=[chooser])
        decided = decide(asked, state(policy(kind)), answers=answers)
        assert [part.effect.target for part in decided.parts] == [chooser]
        (question,) = answers.questions(Selecting)
        assert (question.labels, question.but) == ((("app", "web"), ("tier", "front")), None)
        unknown = Answers(unknown=[Selecting])
        assert decide(asked, state(policy(kind)), answers=unknown).reason is Reason.INTERNAL_ERROR


def test_what_is_no_word_about_a_pod_ends_nothing_that_chooses_it() -> None:
    """A resize that waits; the same status; a pod's own fields; kubelets, and where no such thing is protected."""
    unknown = Answers(unknown=[Selecting])
    for free in (
        _told({"resize": "Proposed"}, part="resize"),
        _told({"observedGeneration": 2}, part="resize"),
        _told({}, part="status"),
        _told({}, part="", spec={"image": "y"}),
    ):
        assert decide(free, state(policy(SERVICES)), answers=unknown).allowed
    asked = _told(STATUSES["address"])
    assert decide(asked, state(policy(SECRETS)), answers=unknown).allowed
    by_person = update(
        POD, PERSON, old=_labels(POD, BEFORE), new=_labels(POD, BEFORE) | {"status": {"podIP": "10.6.6.6"}}
    )
    assert decide(by_person, state(policy(SERVICES)), answers=unknown).allowed
