"""What an agent's update in another version than the stored one may lose."""

from typing import Any

import pytest
from tests.support.builders import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    PERSON,
    deletion,
    document,
    policy,
    resolved,
    state,
    target,
    update,
)
from tests.support.resolving import Answers, decide, refusal

from seconder.admission.dependents import Dependent
from seconder.admission.lookups import ReadWhole, StorageVersion
from seconder.admission.request import Request
from seconder.api.policy import Mode, Policy
from seconder.api.reasons import Reason
from seconder.api.resources import Action, GroupResource, ResolvedResource

BACKUP = target(GroupResource("data.example.com", "backups"), "b", uid="uid-b")
KEPT = {"spec": {"bucket": "s3", "retention": "10y"}}
SHOWN = {"spec": {"bucket": "s3"}}
LOSES = "in version v1 it, or its approval, may lose fields that are stored in version v2"


def _policy(**fields: Any) -> Policy:
    """A policy that names Backups, which a definition serves."""
    custom = ResolvedResource(BACKUP.resource, "v2", namespaced=True, custom=True, kind="Backup")
    return policy(BACKUP.resource, resolved={BACKUP.resource: custom}, **fields)


def _asked(**new: Any) -> Request:
    return update(BACKUP, old=SHOWN, new=SHOWN | new)


def _answers(stored: Any = KEPT, version: str = "v2", **more: Any) -> Answers:
    return Answers(stored_in=version, whole=document(BACKUP, **stored) | {"apiVersion": "x/v2"}, **more)


@pytest.mark.parametrize("new", [{"labels": {"a": "b"}}, {"finalizers": ["a/b"]}, {"status": {"phase": "Done"}}, {}])
def test_an_update_in_a_version_that_shows_less_is_refused(new: Any) -> None:
    """Whatever it changes, and though all of that were free; the refusal names the version to ask in."""
    decided = decide(_asked(**new), state(_policy()), answers=_answers())
    assert refusal(decided) == LOSES
    assert "kubectl names it backups.v2.data.example.com" in decided.advice


def test_it_is_free_where_nothing_can_go() -> None:
    """In the stored version, where both show the same, of what no policy names, and to people."""
    labelled = _asked(labels={"a": "b"})
    protecting = state(_policy())
    for asked, here, answers in (
        (labelled, protecting, _answers(version="v1")),
        (labelled, protecting, _answers(SHOWN)),
        (labelled, state(policy(DEPLOYMENTS)), _answers()),
        (labelled, state(_policy(actions=frozenset({Action.DELETE}))), _answers()),
        (labelled, state(_policy(mode=Mode.AUDIT)), _answers()),
        (update(BACKUP, PERSON, old=SHOWN, new=SHOWN | {"labels": {"a": "b"}}), protecting, _answers()),
    ):
        assert decide(asked, here, answers=answers).allowed


def test_no_approval_is_asked_for_in_such_a_version() -> None:
    """Whoever approves writes on the object, in the version that was asked in: a deletion, or a scale to nothing."""
    sized = {"spec": {"replicas": 2}}
    emptied = update(BACKUP, old=sized, new={"spec": {"replicas": 0}})
    for asked in (deletion(BACKUP, stored=SHOWN), emptied):
        assert refusal(decide(asked, state(_policy()), answers=_answers())) == LOSES
    decided = decide(deletion(BACKUP, stored=SHOWN), state(_policy()), answers=_answers(SHOWN))
    assert (decided.reason, decided.action) == (Reason.APPROVAL_MISSING, Action.DELETE)


def test_it_counts_of_what_owns_a_protected_object_too() -> None:
    """Its controller ends that, once a field is gone."""
    owned = Dependent(resolved(DEPLOYMENTS), "payments", "checkout", "uid-d", BACKUP.resource)
    answers = _answers(dependents=[owned])
    assert refusal(decide(_asked(labels={"a": "b"}), state(policy(DEPLOYMENTS)), answers=answers)) == LOSES


def test_where_no_served_version_is_the_stored_one_nothing_is_changed() -> None:
    """Nobody can look at all that is stored."""
    decided = decide(_asked(), state(_policy()), answers=_answers(version=""))
    assert refusal(decided).startswith("it is stored in a version that is not served")


def test_kinds_of_kubernetes_own_are_never_looked_up() -> None:
    """Each of their versions tells all. Nor are those that no definition serves."""
    for on in (target(DEPLOYMENTS, "d", uid="u"), target(CONFIG_MAPS, "c", uid="u"), BACKUP):
        answers = _answers()
        known = {on.resource: resolved(on.resource)}
        decide(update(on, old=SHOWN, new=SHOWN), state(policy(on.resource, resolved=known)), answers=answers)
        assert not [*answers.questions(StorageVersion), *answers.questions(ReadWhole)]


def test_what_is_not_known_is_refused() -> None:
    """Another object may have the name by now, or nests too deeply to compare."""
    protecting = state(_policy())
    other = document(target(BACKUP.resource, "b", uid="uid-other"), **SHOWN)
    for answers in (
        _answers(unknown=[StorageVersion]),
        _answers(unknown=[ReadWhole]),
        Answers(stored_in="v2", whole=other),
        Answers(stored_in="v2"),
    ):
        assert decide(_asked(), protecting, answers=answers).reason is Reason.INTERNAL_ERROR
