"""An autoscaler that may take a protected workload to nothing is decided on as that."""

from typing import Any

import pytest
from tests.support.builders import (
    AGENT,
    DEPLOYMENT,
    DEPLOYMENTS,
    PERSON,
    approved,
    creation,
    deletion,
    document,
    live,
    policy,
    state,
    target,
    update,
)
from tests.support.resolving import Answers, decide

from seconder.admission.decision import Decision
from seconder.admission.indirect import scaling
from seconder.admission.lookups import ReadObjects, ReadWhole
from seconder.admission.request import Caller, Malformed, Request
from seconder.admission.rules import autoscaler
from seconder.api.policy import Policy
from seconder.api.reasons import Reason
from seconder.api.resources import AUTOSCALERS, Action

WORKLOAD = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout"}
SCALER = target(AUTOSCALERS, "h")


OLD_FORM = "autoscaling.alpha.kubernetes.io"
SCALED = target(scaling.SCALED_OBJECTS, "so")


def _spec(least: Any, workload: Any = WORKLOAD, most: int = 3) -> dict[str, Any]:
    return {"spec": {"minReplicas": least, "maxReplicas": most, "scaleTargetRef": workload}}


def _made(least: Any = 0, workload: Any = WORKLOAD, user: Caller = AGENT) -> Request:
    return creation(SCALER, user, new=_spec(least, workload))


def _events(*, paused: str = "", **spec: Any) -> dict[str, Any]:
    """A ScaledObject over the Deployment, whose kind need not be said."""
    notes = {"annotations": {"autoscaling.keda.sh/paused-replicas": paused}} if paused else {}
    return notes | {"spec": {"scaleTargetRef": {"name": "checkout"}} | spec}


RESTORES = {"restoreToOriginalReplicaCount": True}


@pytest.mark.parametrize(
    ("request_", "empties"),
    [
        (creation(SCALED, new=_events()), True),
        (creation(SCALED, new=_events(minReplicaCount=1, scaleTargetRef=WORKLOAD)), False),
        (creation(SCALED, new=_events(minReplicaCount=2, idleReplicaCount=0)), True),
        (creation(SCALED, new=_events(minReplicaCount=2, paused="0")), True),
        (creation(SCALED, new=_events(minReplicaCount=2, paused="x")), True),
        (creation(SCALED, new=_events(minReplicaCount=2, paused="1")), False),
        (creation(SCALED, new=_events(scaleTargetRef={"kind": "StatefulSet", "name": "checkout"})), False),
        (update(SCALED, old=_events(), new=_events(maxReplicaCount=1)), True),
        (update(SCALED, old=_events(), new=_events() | {"labels": {"team": "shop"}}), False),
        (deletion(SCALED, stored=_events(minReplicaCount=1, advanced=RESTORES)), True),
        (deletion(SCALED, stored=_events()), False),
        (creation(SCALED, PERSON, new=_events()), False),
    ],
)
def test_what_kedas_autoscaler_may_do_counts_as_well(request_: Request, *, empties: bool) -> None:
    """To nothing it goes unless it says otherwise; by its deletion where it says so."""
    decided = decide(request_, state(policy()), answers=Answers(objects=live(DEPLOYMENT)))
    assert decided.reason is (Reason.APPROVAL_MISSING if empties else Reason.NOT_COVERED)


def test_one_whose_workload_is_gone_is_deleted_freely() -> None:
    """There is nothing to take back to a former size."""
    gone = deletion(SCALED, stored=_events(advanced=RESTORES))
    assert decide(gone, state(policy()), answers=Answers()).allowed


@pytest.mark.parametrize(
    ("request_", "empties"),
    [
        (_made(0), True),
        (update(SCALER, old=_spec(1), new=_spec(0)), True),
        (update(SCALER, old=_spec(0), new=_spec(0)), False),
        (update(SCALER, old=_spec(0), new=_spec(0) | {"labels": {"team": "shop"}}), False),
        (update(SCALER, old=_spec(0), new=_spec(0, most=9)), True),
        (update(SCALER, old=_spec(0), new=_spec(0) | {"annotations": {f"{OLD_FORM}/metrics": "[]"}}), True),
        (update(SCALER, old=_spec(0), new=_spec(0) | {"status": {}}, subResource="status"), True),
        (_made(1), False),
        (_made(None), False),
        (deletion(SCALER, stored=_spec(0)), False),
        (update(SCALER, old=_spec(1), new=_spec(0), subResource="status"), True),
    ],
)
def test_what_an_autoscaler_may_not_do_yet_is_what_counts(request_: Request, *, empties: bool) -> None:
    """Where it may go to nothing already, whatever else is changed may have it go; what is free does not."""
    answers = Answers(objects=live(DEPLOYMENT))
    decided = decide(request_, state(policy()), answers=answers)
    assert decided.reason is (Reason.APPROVAL_MISSING if empties else Reason.NOT_COVERED)
    assert answers.read == ([(DEPLOYMENTS, "payments", "checkout")] if empties else [])


@pytest.mark.parametrize(
    "request_",
    [_made("0"), creation(SCALER, new={"spec": None}), creation(SCALED, new=_events(minReplicaCount="0"))],
)
def test_an_autoscaler_whose_numbers_are_none_is_malformed(request_: Request) -> None:
    """What it may do could not be told."""
    with pytest.raises(Malformed, match="the autoscaler is not understood"):
        decide(request_, state(policy()))


def test_the_approvals_are_the_workloads_own() -> None:
    """For the action that the autoscaler would take."""
    refused = decide(_made(), state(policy()), answers=Answers(objects=live(DEPLOYMENT)))
    assert (refused.reason, refused.action) == (Reason.APPROVAL_MISSING, Action.SCALE_TO_ZERO)
    assert refused.change is not None
    assert refused.change.target == DEPLOYMENT
    held = live(DEPLOYMENT, annotations=approved(detail={"actions": ["ScaleToZero"]}))
    assert decide(_made(), state(policy()), answers=Answers(objects=held)).reason is Reason.APPROVED


def test_a_workload_that_is_not_there_or_not_known_is_refused() -> None:
    """An autoscaler that waits for it would empty it later."""
    assert decide(_made(), state(policy())).reason is Reason.APPROVAL_MISSING
    unknown = Answers(unknown=[ReadObjects])
    assert decide(_made(), state(policy()), answers=unknown).reason is Reason.INTERNAL_ERROR


@pytest.mark.parametrize(
    "other",
    [policy(actions=frozenset({Action.DELETE})), policy(namespaces=frozenset({"elsewhere"}))],
    ids=["another action", "another place"],
)
def test_what_no_policy_protects_from_it_is_free(other: Policy) -> None:
    """As for any other action."""
    assert decide(_made(), state(other)).reason is Reason.NOT_COVERED


@pytest.mark.parametrize("named", [{"kind": "StatefulSet"}, {"apiVersion": "example.com/v1"}, {"name": "../x"}])
def test_what_it_names_is_taken_exactly_and_steers_no_path(named: dict[str, Any]) -> None:
    """Another kind, another group, and no name at all."""
    answers = Answers()
    assert decide(_made(workload=WORKLOAD | named), state(policy()), answers=answers).reason is Reason.NOT_COVERED
    assert answers.read == []


def _asked(least: int, most: int, one: Policy, held: dict[str, str] | None = None) -> Decision:
    answers = Answers(
        objects=live(DEPLOYMENT), whole=document(DEPLOYMENT, spec={"replicas": 3}, annotations=held or {})
    )
    asked = creation(SCALER, new=_spec(least, most=most))
    decided = decide(asked, state(one), answers=answers, rules=[autoscaler.RULE])
    assert not (one.free_changes is None and answers.questions(ReadWhole)), "where sizes are free nothing more is read"
    return decided


def _patch(decided: Decision) -> str:
    assert decided.change is not None
    assert decided.change.target == DEPLOYMENT
    assert decided.change.difference is not None
    return decided.change.difference.patch


def test_another_size_needs_approval_where_that_is_not_free() -> None:
    """As if it were set at once: the sizes furthest down and up, each with an approval of its own."""
    strict = policy(free_changes=())
    down = _asked(1, 5, strict)
    assert (down.reason, down.action) == (Reason.APPROVAL_MISSING, Action.CHANGE)
    assert _patch(down) == '{"spec":{"replicas":1}}'
    both = dict[str, str]()
    for number, decided in enumerate((down, _asked(3, 5, strict))):
        assert decided.change is not None
        assert decided.change.difference is not None
        named = {"from": decided.change.difference.before, "to": decided.change.difference.after}
        value = approved(detail={"actions": ["Change"], "change": named}, jti=str(number) * 32)
        both |= {f"{key}-{number}": each for key, each in value.items()}
    first, second = both.items()
    assert _patch(_asked(1, 5, strict, dict([first]))) == '{"spec":{"replicas":5}}'
    assert _patch(_asked(1, 5, strict, dict([second]))) == '{"spec":{"replicas":1}}'
    assert _asked(1, 5, strict, both).reason is Reason.APPROVED
    assert _asked(1, 6, strict, both).reason is not Reason.APPROVED
    assert _asked(1, 5, policy()).reason is Reason.NOT_COVERED


def test_nothing_at_all_is_that_action_where_every_policy_asks_for_it() -> None:
    """And else a change of a size, which no list frees then."""
    assert _asked(0, 5, policy(free_changes=())).action is Action.SCALE_TO_ZERO
    unnamed = policy(actions=frozenset({Action.DELETE, Action.CHANGE}), free_changes=("spec.replicas",))
    assert _patch(_asked(0, 5, unnamed)) == '{"spec":{"replicas":0}}'
    assert _asked(1, 5, unnamed).reason is Reason.NOT_COVERED


def test_whose_size_is_not_an_agents_to_change_is_there_first() -> None:
    """An autoscaler that waits for it would change it later. People do as they like."""
    strict = policy(free_changes=())
    never = decide(creation(SCALER, new=_spec(1)), state(strict), answers=Answers())
    assert "is not there, so that nobody can approve it" in never.message
    assert decide(creation(SCALER, PERSON, new=_spec(1)), state(strict)).allowed


def test_a_size_that_is_held_for_good_is_not_an_agents_to_hold() -> None:
    """It changes none today, and takes back whatever a person sets afterwards. Where sizes are free it may."""
    held = _asked(3, 3, policy(free_changes=()))
    assert held.reason is Reason.APPROVAL_MISSING
    assert "a size that it would hold for good is not there, so that nobody can approve it" in held.message
    assert _asked(3, 3, policy()).allowed
    one = policy(actions=frozenset({Action.DELETE, Action.CHANGE}), free_changes=())
    answers = Answers(objects=live(DEPLOYMENT), whole=document(DEPLOYMENT, spec={"replicas": 0}))
    gone = deletion(SCALED, stored=_events(advanced=RESTORES))
    assert decide(gone, state(one), answers=answers, rules=[autoscaler.RULE]).allowed


def test_people_set_their_autoscalers_as_they_like() -> None:
    """A policy for agents binds agents."""
    assert decide(_made(user=PERSON), state(policy())).reason is Reason.NOT_COVERED
