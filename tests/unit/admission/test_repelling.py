"""Required podAntiAffinity that keeps pods of protected workloads off."""

from typing import Any

import pytest
from tests.support.builders import creation, live, policy, state, target, update
from tests.support.resolving import Answers, decide

from seconder.admission.lookups import Selected
from seconder.api.reasons import Reason
from seconder.api.resources import DEPLOYMENTS

OWN = target(DEPLOYMENTS, "own", uid="uid-own")
THERE = target(DEPLOYMENTS, "web", uid="uid-web")
ON = state(policy(DEPLOYMENTS))


def _spec(*labels: str) -> dict[str, Any]:
    terms = [{"labelSelector": {"matchLabels": {"app": each}}, "topologyKey": "kubernetes.io/os"} for each in labels]
    required = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}
    return {"selector": {"matchLabels": {"app": "own"}}, "template": {"spec": {"affinity": required}}}


def _answers() -> Answers:
    return Answers(objects=live(THERE), selected=[THERE])


def _asked(answers: Answers) -> int:
    """How often it was looked up whom terms keep off. What its own selector takes is another matter."""
    return sum(isinstance(each, Selected) and "'own'" not in repr(each.selector) for each in answers.asked)


@pytest.mark.parametrize(("terms", "asked"), [(["web"], 1), (["web"] * 300, 1), (["web", "api"], 2)])
def test_each_selector_is_looked_up_once(terms: list[str], asked: int) -> None:
    """However many terms have it."""
    answers = _answers()
    refused = decide(creation(OWN, new={"spec": _spec(*terms)}), ON, answers=answers)
    assert (refused.reason, _asked(answers)) == (Reason.APPROVAL_MISSING, asked)


def test_more_selectors_than_are_looked_up_are_refused_without_a_look() -> None:
    """Each takes a list of all workloads that are there."""
    many, answers = [f"app-{number}" for number in range(17)], _answers()
    refused = decide(creation(OWN, new={"spec": _spec(*many)}), ON, answers=answers)
    assert (refused.reason, _asked(answers)) == (Reason.APPROVAL_MISSING, 0)
    assert "more than 16 new terms" in refused.message
    assert refused.advice == "Write fewer at a time."
    answers = _answers()
    fewer = decide(creation(OWN, new={"spec": _spec(*many[1:])}), ON, answers=answers)
    assert (fewer.reason, _asked(answers)) == (Reason.APPROVAL_MISSING, 16)


def test_terms_that_stay_are_not_looked_up() -> None:
    """Only what is new counts."""
    many, answers = [f"app-{number}" for number in range(300)], _answers()
    asked = update(OWN, old={"spec": _spec(*many)}, new={"spec": _spec(*reversed(many), "web")})
    assert decide(asked, ON, answers=answers).reason is Reason.APPROVAL_MISSING
    assert _asked(answers) == 1
