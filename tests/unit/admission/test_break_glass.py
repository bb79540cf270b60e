"""The emergency exit: for the group of a policy for Everyone, within the hour, with a reason, and never for agents."""

from typing import Any

import pytest
from tests.support.builders import deletion, policy, state, update
from tests.support.resolving import Answers, decide

from seconder.admission.break_glass import BreakGlass, parse
from seconder.admission.decision import Decision
from seconder.admission.request import Caller
from seconder.api import constants
from seconder.api.policy import AgentTags, Policy, Subjects
from seconder.api.reasons import Reason

NOW = 1_795_320_000.0  # 2026-11-22T04:00:00Z
INCIDENT = "2026-11-22T04:30:00Z INC-4821 database is full"
ONCALL = Caller("dana@example.com", frozenset({"oncall"}))


def _policy(name: str = "p", **fields: Any) -> Policy:
    given: dict[str, Any] = {"subjects": Subjects.EVERYONE, "break_glass_groups": frozenset({"oncall"})}
    return policy(name=name, **(given | fields))


def _stored(value: str = INCIDENT, **more: str) -> dict[str, Any]:
    return {"annotations": {constants.BREAK_GLASS: value} | more}


def _decide(*policies: Policy, user: Caller = ONCALL, value: str = INCIDENT, **answers: Any) -> Decision:
    asked = deletion(user=user, stored=_stored(value))
    return decide(asked, state(*(policies or [_policy()])), answers=Answers(**answers), now=NOW)


def test_a_member_of_the_policys_group_passes_with_a_reason() -> None:
    """And the reason is kept for the record."""
    decided = _decide()
    assert (decided.allowed, decided.reason) == (True, Reason.BREAK_GLASS)
    assert decided.broken_glass == "INC-4821 database is full"
    assert decided.policies == ("p",)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "2026-11-22T04:30:00Z",
        "2026-11-22T04:30:00Z  ",
        "INC-4821 database is full",
        "2026-11-22 04:30:00Z reason",
        "2026-11-22T04:30:00 reason",
        "2026-02-30T04:30:00Z reason",
        "2026-13-01T04:30:00Z reason",
        "2026-11-22T24:30:00Z reason",
        "0000-01-01T00:00:00Z year 0, of which no calendar tells",
        "0001-01-01T00:00:00+14:00 before the first year",
        "9999-12-31T23:59:59-14:00 after the last",
        "2026-11-22T04:30:00+24:00 of no zone",
        "2026-11-22T04:00:00Z it is over this very second",
        "2026-11-22T03:59:59Z it is over",
        "2026-11-22T05:00:01Z more than an hour ahead",
        "2026-11-22T04:30:00-02:00 more than an hour ahead, elsewhere",
        "２０２６-11-22T04:30:00Z digits of another script",
    ],
)
def test_anything_but_an_end_within_the_hour_and_a_reason_is_nothing(value: str) -> None:
    """What cannot be read is as if it were not there."""
    decided = _decide(value=value)
    assert (decided.allowed, decided.reason, decided.broken_glass) == (False, Reason.APPROVAL_MISSING, "")


@pytest.mark.parametrize(
    ("value", "end"),
    [
        ("2026-11-22T04:30:00Z x", 1_795_321_800),
        ("2026-11-22T05:30:00.5+01:00 x", 1_795_321_800),
        ("2026-11-22T02:30:00-02:00 x", 1_795_321_800),
        ("2024-02-29t00:00:00z x", 1_709_164_800),
        ("  2026-11-22T04:30:00Z   x y \n", 1_795_321_800),
    ],
)
def test_ends_are_read_as_rfc_3339_has_them(value: str, end: int) -> None:
    """Offsets and lower case included."""
    read = parse({constants.BREAK_GLASS: value})
    assert isinstance(read, BreakGlass)
    assert read.end == end


def test_an_hour_ahead_to_the_second_is_taken() -> None:
    """And not a second more: see above."""
    assert _decide(value="2026-11-22T05:00:00Z reason").allowed


@pytest.mark.parametrize(
    "caller",
    [
        Caller("dana@example.com"),
        Caller("dana@example.com", frozenset({"on-call", "Oncall", "oncall "})),
        Caller("oncall"),
    ],
)
def test_who_is_not_in_the_group_does_not_pass(caller: Caller) -> None:
    """Groups are compared exactly, and a user's name is no group."""
    assert _decide(user=caller).reason is Reason.APPROVAL_MISSING


@pytest.mark.parametrize(
    "caller",
    [
        Caller("system:serviceaccount:seconder-agents:kiro", frozenset({"oncall"})),
        Caller("dana@example.com", frozenset({"oncall", constants.AGENT_GROUP})),
        Caller("dana@example.com", frozenset({"oncall"}), {constants.AGENT_KEY: ("kiro",)}),
    ],
)
def test_an_agent_never_passes_whatever_its_groups(caller: Caller) -> None:
    """By the defaults, under a policy that clears them too."""
    assert _decide(user=caller).reason is Reason.APPROVAL_MISSING


def test_a_policy_for_agents_has_no_exit() -> None:
    """It binds people only on what is tagged as an agent's, and there too."""
    asked = deletion(user=ONCALL, stored=_stored(**{constants.AGENT_KEY: "kiro"}))
    decided = decide(asked, state(_policy(subjects=Subjects.AGENTS)), now=NOW)
    assert decided.reason is Reason.APPROVAL_MISSING


def test_the_other_policies_hold() -> None:
    """Each has its own groups; passing one by passes no other by."""
    decided = _decide(_policy("a"), _policy("b", break_glass_groups=frozenset({"security"})))
    assert decided.reason is Reason.APPROVAL_MISSING
    assert decided.change is not None
    assert [policy.name for policy in decided.change.policies] == ["b"]


def test_it_needs_a_fresh_view() -> None:
    """A group that was taken from the policy counts no longer."""
    assert _decide(fresh=False).reason is Reason.INTERNAL_ERROR


def test_an_agent_that_only_its_field_manager_gives_away_does_not_pass() -> None:
    """It works with the credential of a member; the member's own tools pass."""
    cluster = state(_policy(agents=AgentTags(field_managers=frozenset({"assistant"}))))
    for manager, allowed in (("kubectl-client-side-apply", True), ("assistant", False)):
        asked = update(
            user=ONCALL,
            old=_stored() | {"spec": {"replicas": 1}},
            new=_stored() | {"spec": {"replicas": 0}},
            options={"fieldManager": manager},
        )
        assert decide(asked, cluster, now=NOW).allowed is allowed
