"""What is told of an owner stays as it is: the garbage collector goes by what the reference says beside the uid."""

from typing import Any, Final

import pytest
from tests.support.builders import AGENT, DEPLOYMENT, PERSON, WIDGETS, creation, policy, state, target, update
from tests.support.resolving import Answers, decide, refusal

from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.prefilter import Entry
from seconder.admission.principal import BUILTIN_CONTROLLERS
from seconder.admission.request import Caller, Request
from seconder.admission.rules.owner_names import RULE
from seconder.api.resources import NAMESPACES, REPLICA_SETS, Target

RETOLD: Final = "agents may not tell of one owner two groups, kinds or names: the garbage collector takes it for gone"
ABOVE: Final = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "taker", "uid": "uid-taker", "controller": True}
BESIDE: Final = {"apiVersion": "v1", "kind": "ConfigMap", "name": "own", "uid": "uid-own"}
FALSE: Final = [{"name": "ghost"}, {"kind": "ReplicaSet"}, {"apiVersion": "example.com/v1"}, {"apiVersion": "v1"}]
OBJECTS: Final = [target(REPLICA_SETS, "taker-5d"), target(WIDGETS, "w"), target(NAMESPACES), DEPLOYMENT]


def _owned(*owners: dict[str, Any]) -> dict[str, Any]:
    return {"ownerReferences": list(owners)}


def _said(asked: Request) -> str:
    return refusal(decide(asked, state(), answers=Answers()))


@pytest.mark.parametrize("false", FALSE)
@pytest.mark.parametrize("object_", OBJECTS, ids=str)
@pytest.mark.parametrize("subresource", ["", "status"])
def test_an_owner_keeps_what_is_told_of_it_while_its_uid_stays(
    object_: Target, subresource: str, false: dict[str, str]
) -> None:
    """On whatever kind, with other owners beside, through a status; and no uid is told twice."""
    for after in (
        _owned(ABOVE | false),
        _owned(ABOVE | false, BESIDE),
        _owned(ABOVE, ABOVE | false),
        _owned(BESIDE, BESIDE | false | {"name": "x"}, ABOVE),
    ):
        assert _said(update(object_, old=_owned(ABOVE), new=after, subResource=subresource)) == RETOLD


@pytest.mark.parametrize("false", FALSE)
def test_nothing_is_made_whose_references_tell_one_uid_twice(false: dict[str, str]) -> None:
    """The first of them has it live, and the second has the collector take that for gone."""
    made = OBJECTS[0]
    assert _said(creation(made, new=_owned(ABOVE, ABOVE | false))) == RETOLD
    assert _said(creation(made, new=_owned(ABOVE | false, BESIDE))) == ""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([ABOVE], [ABOVE | {"apiVersion": "apps/v1beta2"}]),
        ([ABOVE], [ABOVE | {"controller": False, "blockOwnerDeletion": True}]),
        ([ABOVE], [ABOVE, BESIDE]),
        ([ABOVE, BESIDE], [BESIDE, ABOVE]),
        ([ABOVE, BESIDE], [BESIDE]),
        ([ABOVE], []),
        ([], [ABOVE]),
        ([ABOVE], [ABOVE | {"uid": "another", "name": "ghost"}]),
        ([ABOVE, ABOVE | {"name": "ghost"}], [ABOVE, ABOVE | {"name": "ghost"}, BESIDE]),
        ([ABOVE, ABOVE | {"name": "ghost"}], [ABOVE]),
    ],
)
def test_other_owners_are_no_other_names(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> None:
    """A version, a flag, an owner more or less; and what somebody has told twice, agents need not put right."""
    assert _said(update(target(WIDGETS, "w"), old=_owned(*before), new=_owned(*after))) == ""


def test_it_is_asked_about_once() -> None:
    """Where policies protect from deletion, whatever agents update or make under an owner is asked about anyway."""
    assert RULE.prefilters(PolicyIndex([policy()]), Installation()) == []
    assert [each.entry for each in RULE.prefilters(PolicyIndex([]), Installation())] == [Entry.GUARD, Entry.GUARD]


@pytest.mark.parametrize("user", [PERSON, Caller(sorted(BUILTIN_CONTROLLERS)[0])])
def test_people_and_controllers_tell_what_they_like(user: Caller) -> None:
    """As always."""
    false = _owned(ABOVE | {"name": "ghost"})
    retelling = update(OBJECTS[0], user, old=_owned(ABOVE), new=false)
    assert _said(retelling) == ""
    assert _said(update(OBJECTS[0], AGENT, old=_owned(ABOVE), new=false)) == RETOLD
