"""Real signatures: what lets a request through, and that nothing else does."""

from collections.abc import Sequence
from typing import Any

from tests.support import signing
from tests.support.builders import (
    AGENT,
    DEPLOYMENT,
    DEPLOYMENTS,
    PERSON,
    WIDGETS,
    approved,
    approved_for,
    deletion,
    document,
    policy,
    state,
    target,
)
from tests.support.resolving import Answers, decide

from seconder.admission.lookups import HeldResource, NamespaceContents, OwnsGuard
from seconder.admission.principal import service_account_user
from seconder.admission.request import Caller, Request
from seconder.api.policy import Policy, Requirement, UnknownOperator
from seconder.api.reasons import Reason
from seconder.api.resources import NAMESPACES, PODS, GroupResource
from seconder.approvals import impact
from seconder.approvals.impact import Item
from seconder.approvals.registry import Registry

NAMESPACE = target(NAMESPACES, "payments", uid="2f8f3c6f-0000-4d0e-8f0a-6f0c1f627f11")
HOLDS = {DEPLOYMENTS: [Item("checkout", DEPLOYMENT.uid)]}
APPROVED = deletion(stored={"annotations": approved()})
TEAM = Requirement(teams=frozenset({"payments"}))


def test_a_peers_approval_lets_exactly_this_through() -> None:
    """And says whose it was, under which policies."""
    decided = decide(APPROVED, state(policy(name="production")))
    assert (decided.allowed, decided.reason, decided.policies) == (True, Reason.APPROVED, ("production",))
    assert [approval.statement.iss for approval in decided.counted] == ["alice@example.com"]


def test_an_approval_counts_only_while_the_world_is_proven_fresh() -> None:
    """The approver may have been struck off since."""
    decided = decide(APPROVED, state(policy()), answers=Answers(fresh=False))
    assert decided.reason is Reason.INTERNAL_ERROR
    assert "the approvers at hand may be out of date" in decided.message


def test_an_approval_that_arrives_with_the_request_does_not_count() -> None:
    """Only what the API server had stored before is looked at."""
    brought = deletion(object=document(DEPLOYMENT, annotations=approved()))
    assert brought.incoming
    assert decide(brought, state(policy())).reason is Reason.APPROVAL_MISSING


def test_every_policy_must_be_satisfied_by_its_own_measure() -> None:
    """The most lenient one does not speak for the others, in whatever order they are named."""
    member = signing.registry(signing.approver("alice", teams=("payments",)))
    for first, second in (("a", "b"), ("b", "a")):
        policies = (policy(name=first), policy(name=second, requirement=TEAM))
        decided = decide(APPROVED, state(*policies))
        assert (decided.reason, decided.policies) == (Reason.APPROVER_NOT_ALLOWED, ("a", "b"))
        assert decide(APPROVED, state(*policies, registry=member)).allowed


def test_one_policys_quorum_is_not_met_by_anothers_approver() -> None:
    """Each counts those who fit it."""
    bob = signing.approval(signing.key("bob"), iss="bob@example.com", txn="chg")
    both = deletion(stored={"annotations": approved(txn="chg") | {"approval.seconder.dev/bob": bob}})
    registry = signing.registry(signing.approver("alice", teams=("payments",)), signing.approver("bob"))
    two = policy(name="two", requirement=Requirement(required=2))
    team = policy(name="team", requirement=TEAM)
    two_of_team = policy(name="two-of-team", requirement=Requirement(required=2, teams=TEAM.teams))
    assert decide(both, state(two, team, registry=registry)).allowed
    decided = decide(both, state(two, team, two_of_team, registry=registry))
    assert decided.reason is Reason.QUORUM_NOT_REACHED


def test_approvals_do_not_outweigh_an_invalid_policy() -> None:
    """One policy that is satisfied does not excuse one that nobody can read."""
    decided = decide(APPROVED, state(policy(), policy(name="b", problem="unknown field")))
    assert (decided.reason, decided.policies, decided.change) == (Reason.POLICY_INVALID, ("b", "p"), None)


def test_an_invalid_policy_refuses_what_it_names_to_agents_and_to_nobody_else() -> None:
    """Approvals or not, until it is mended."""
    broken = state(policy(problem="it is broken"))
    assert decide(deletion(), broken).reason is Reason.POLICY_INVALID
    assert decide(deletion(user=PERSON), broken).allowed
    assert decide(deletion(target(PODS)), broken).allowed


def test_whoever_set_the_agent_going_is_no_peer() -> None:
    """By the record on its ServiceAccount or in its credential; where they differ, both are barred."""
    recorded = {service_account_user("seconder-agents", "kiro"): "alice@example.com"}
    assert decide(APPROVED, state(policy(), operators=recorded)).reason is Reason.SELF_APPROVAL
    claiming = Caller(AGENT.username, frozenset(), {"seconder.dev/operator": ("bob@example.com",)})
    asked = deletion(user=claiming, stored={"annotations": approved()})
    assert decide(asked, state(policy())).allowed
    assert decide(asked, state(policy(), operators=recorded)).reason is Reason.SELF_APPROVAL


def test_an_unknown_operator_can_be_refused() -> None:
    """Per policy."""
    strict = policy(requirement=Requirement(unknown_operator=UnknownOperator.REFUSE))
    assert decide(APPROVED, state(strict)).reason is Reason.SELF_APPROVAL
    assert decide(APPROVED, state(strict, operators={AGENT.username: "bob@example.com"})).allowed
    stranger = state(strict, operators={AGENT.username: "erin@example.com"})
    assert decide(APPROVED, stranger).reason is Reason.SELF_APPROVAL


def _counting(policies: Sequence[Policy], holds: dict[GroupResource, list[Item]]) -> dict[str, Any]:
    """The impact of a namespace that holds this."""
    none: dict[GroupResource, list[Item]] = {counted.resource: [] for counted in impact.counted(policies)}
    return {"impact": {"counts": {}, "sha256": impact.impact(policies, none | holds).sha256}}


def _of_namespace(**detail: Any) -> Request:
    return deletion(NAMESPACE, stored={"annotations": approved_for(NAMESPACE, **detail)})


def test_a_namespaces_approval_names_what_goes_down_with_it() -> None:
    """It counts for exactly that: not when something was added since, nor when it names nothing."""
    both = policy(NAMESPACES, DEPLOYMENTS)
    asked = _of_namespace(**_counting([both], HOLDS))
    answers = Answers(holds=HOLDS)
    assert decide(asked, state(both), answers=answers).allowed
    (looked,) = answers.questions(NamespaceContents)
    assert looked.namespace == "payments"
    assert HeldResource(next(counted for counted in impact.counted([both])), whole=True) in looked.held
    more = Answers(holds={DEPLOYMENTS: [*HOLDS[DEPLOYMENTS], Item("cart", "u2")]})
    for request, holding in (
        (asked, more),
        (_of_namespace(impact={"counts": {}, "sha256": "0" * 64}), answers),
        (_of_namespace(), answers),
    ):
        assert decide(request, state(both), answers=holding).reason is Reason.IMPACT_CHANGED
    lost = decide(asked, state(both), answers=Answers(unknown=[NamespaceContents]))
    assert lost.reason is Reason.INTERNAL_ERROR


def test_nothing_is_counted_where_there_is_no_approval_to_compare() -> None:
    """Every refusal of a namespace's deletion would list it otherwise."""
    answers = Answers()
    decided = decide(deletion(NAMESPACE), state(policy(NAMESPACES)), answers=answers)
    assert decided.reason is Reason.APPROVAL_MISSING
    # Whether it owns something of the guard's is known from memory.
    assert {type(each) for each in answers.asked} == {OwnsGuard}


def test_a_policy_that_binds_no_impact_takes_any_approval_of_the_namespace() -> None:
    """But the one beside it that binds one does not."""
    loose = policy(NAMESPACES, name="loose", requirement=Requirement(bind_impact=False))
    assert decide(_of_namespace(), state(loose)).allowed
    decided = decide(_of_namespace(), state(loose, policy(NAMESPACES, name="bound")))
    assert decided.reason is Reason.IMPACT_CHANGED


def test_a_policy_for_what_the_namespace_holds_joins_those_that_name_it() -> None:
    """All of them must be satisfied."""
    named = policy(NAMESPACES, name="named", requirement=Requirement(bind_impact=False))
    held = policy(WIDGETS, name="held", requirement=Requirement(teams=TEAM.teams, bind_impact=False))
    assert decide(_of_namespace(), state(named, held)).allowed
    answers = Answers(holds={WIDGETS: [Item("w", "1")]})
    decided = decide(_of_namespace(), state(named, held), answers=answers)
    assert (decided.reason, decided.policies) == (Reason.APPROVER_NOT_ALLOWED, ("held", "named"))


def test_without_any_approver_the_message_says_so() -> None:
    """Nobody is sent to ask whom there is not."""
    text = decide(deletion(), state(policy(), registry=Registry([]))).text()
    assert "\nThere is no change request for it: too many wait, or none can be written now. Nobody was told.\n" in text
    assert "no change request" not in decide(deletion(dryRun=True), state(policy())).text()
    assert "No approver is registered" in text
    assert "kubectl seconder approve" not in text
