"""What the guard's own objects belong to is not an agent's to end or to change."""

from tests.support.builders import CONFIG_MAPS, PERSON, creation, deletion, state, target, update
from tests.support.resolving import Answers, decide, refusal

from seconder.admission.lookups import OwnsGuard
from seconder.api.reasons import Reason
from seconder.api.resources import DEFINITIONS, NODES

WHAT = "agents may not change what the guard's own objects belong to"
NODE = target(NODES, "n1", uid="uid-node")


def test_an_agent_neither_deletes_nor_changes_what_owns_the_guard() -> None:
    """With no policy at all; people do, and so do agents where it owns nothing of it."""
    for asked in (deletion(NODE), update(NODE), update(NODE, subResource="status")):
        answers = Answers(owns_guard=True)
        assert refusal(decide(asked, state(), answers=answers)) == WHAT
        assert answers.questions(OwnsGuard)[0].keys == {"uid-node"}
        assert decide(asked, state(), answers=Answers()).allowed
    assert decide(deletion(NODE, PERSON), state(), answers=Answers(owns_guard=True)).allowed


def test_a_definition_counts_for_all_that_it_defines() -> None:
    """With it go all owners of its group; the namespaces that count are the guard's own and its agents'."""
    answers = Answers()
    decide(deletion(target(DEFINITIONS, "tenants.example.com", uid="uid-d")), state(), answers=answers)
    asked = answers.questions(OwnsGuard)[0]
    assert sorted(asked.keys) == ["*.example.com", "uid-d"]
    assert sorted(asked.namespaces) == ["seconder-agents", "seconder-system"]


def test_a_definition_of_a_kind_of_which_the_guard_names_an_owner_is_refused() -> None:
    """The garbage collector looks for such an owner from then on, and finds none. Other new objects own nothing yet."""
    spec = {"group": "example.com", "names": {"kind": "Tenant"}, "versions": [{"name": "v1", "served": True}]}
    made = target(DEFINITIONS, "tenants.example.com", namespace="", uid="uid-d")
    answers = Answers(owns_guard=True)
    assert refusal(decide(creation(made, new={"spec": spec}), state(), answers=answers)) == WHAT
    assert "/example.com/v1/Tenant" in answers.questions(OwnsGuard)[0].keys
    assert decide(creation(made, new={"spec": spec}), state(), answers=Answers()).allowed
    assert decide(creation(made, PERSON, new={"spec": spec}), state(), answers=Answers(owns_guard=True)).allowed
    other = Answers(owns_guard=True)
    decide(creation(target(NODES, "n2", namespace="", uid="uid-n2")), state(), answers=other)
    assert not other.questions(OwnsGuard)


def test_what_is_in_a_namespace_owns_nothing_of_it() -> None:
    """An owner in a namespace is of no use to what is in none, or in another one."""
    answers = Answers(owns_guard=True)
    assert decide(deletion(target(CONFIG_MAPS, "x")), state(), answers=answers).allowed
    assert not answers.questions(OwnsGuard)


def test_what_is_not_known_is_refused_to_agents_alone() -> None:
    """As everything that is not known."""
    for user, allowed in (((), False), ((PERSON,), True)):
        decided = decide(update(NODE, *user), state(), answers=Answers(unknown=[OwnsGuard]))
        assert decided.allowed is allowed
        assert allowed or decided.reason is Reason.INTERNAL_ERROR
