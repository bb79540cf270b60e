"""``decide`` with real signatures: what lets a request through, and that nothing else does."""

from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from seconder.admission.evidence import ClusterState, Evidence
from seconder.admission.prerequisites import needs
from tests.support import signing

from seconder.admission.decision import Decision, decide
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.principal import service_account_user
from seconder.admission.request import Caller, Operation, Request
from seconder.api import constants
from seconder.api.policy import AgentTags, Assurance, Mode, Policy, Requirement, Subjects, UnknownOperator
from seconder.api.reasons import Reason
from seconder.api.resources import NAMESPACES, Action, GroupResource, ResolvedResource, Target
from seconder.approvals import impact
from seconder.approvals.impact import Item
from seconder.approvals.quorum import judge, verify_all
from seconder.approvals.registry import Registry

DEPLOYMENTS = signing.DEPLOYMENT.resource
WIDGETS = GroupResource("example.com", "widgets")
NAMESPACE = Target(NAMESPACES, "Namespace", "", "payments", "2f8f3c6f-0000-4d0e-8f0a-6f0c1f627f11")
AGENT = Caller(signing.REQUESTER)
HOLDS = {"apps": [Item("checkout", signing.DEPLOYMENT.uid)]}


def _policy(name: str = "production", **fields: Any) -> Policy:
    named = fields.pop("named", (DEPLOYMENTS,))
    resolved = {
        each: ResolvedResource(each, "v1", namespaced=each != NAMESPACES, custom=each == WIDGETS) for each in named
    }
    return Policy(name, **({"resources": frozenset(named), "resolved": resolved} | fields))


def _delete(target: Target = signing.DEPLOYMENT, caller: Caller = AGENT, **values: str) -> Request:
    stored = {f"{constants.APPROVAL_PREFIX}{slug}": value for slug, value in values.items()}
    return Request("review", Operation.DELETE, target, "", caller, "", False, stored, {})


def _world(*policies: Policy, registry: Registry | None = None, operators: Mapping[str, str] | None = None) -> ClusterState:
    known = registry or signing.registry()
    return ClusterState(PolicyIndex(policies), known, operators or {}, signing.AUDIENCE, Installation())


def _decide(request: Request, state: ClusterState, *, fresh: bool = True, found: impact.Contents | None = None) -> Decision:
    if found is None:
        found = {lookup.resource.resource: [] for lookup in needs(request, state, Mode.ENFORCE)}
    return decide(request, state, Mode.ENFORCE, Evidence(fresh, found), signing.NOW, signing.memo())


def test_a_peers_approval_lets_exactly_this_through() -> None:
    """And says whose it was, under which policies."""
    decided = _decide(_delete(alice=signing.approval()), _world(_policy()))
    assert (decided.allowed, decided.reason, decided.policies) == (True, Reason.APPROVED, ("production",))
    assert [each.statement.iss for each in decided.counted] == ["alice@example.com"]


def test_an_approval_counts_only_while_the_world_is_proven_fresh() -> None:
    """The approver may have been struck off since."""
    request = _delete(alice=signing.approval())
    assert _decide(request, _world(_policy()), fresh=False).reason is Reason.INTERNAL_ERROR


def test_an_approval_that_arrives_with_the_request_does_not_count() -> None:
    """Only what the API server had stored before is looked at."""
    request = _delete()
    brought = Request(
        "review",
        Operation.DELETE,
        request.target,
        "",
        AGENT,
        "",
        False,
        {},
        {"approval.seconder.dev/alice": signing.approval()},
    )
    assert _decide(brought, _world(_policy())).reason is Reason.APPROVAL_MISSING


def test_every_policy_must_be_satisfied_by_its_own_measure() -> None:
    """The most lenient one does not speak for the others, in whatever order they are named."""
    strict = Requirement(teams=frozenset({"payments"}))
    request = _delete(alice=signing.approval())
    for first, second in (("a", "b"), ("b", "a")):
        state = _world(_policy(first), _policy(second, requirement=strict))
        decided = _decide(request, state)
        assert decided.reason is Reason.APPROVER_NOT_ALLOWED
        assert decided.policies == ("a", "b")
    member = signing.registry(signing.approver("alice", teams=("payments",)))
    assert _decide(request, _world(_policy("a"), _policy("b", requirement=strict), registry=member)).allowed


def test_one_policys_quorum_is_not_met_by_anothers_approver() -> None:
    """Each counts those who fit it."""
    txn = "chg"
    both = _delete(
        alice=signing.approval(txn=txn), bob=signing.approval(signing.key("bob"), iss="bob@example.com", txn=txn)
    )
    registry = signing.registry(signing.approver("alice", teams=("payments",)), signing.approver("bob"))
    two = _policy("two", requirement=Requirement(required=2))
    team = _policy("team", requirement=Requirement(required=1, teams=frozenset({"payments"})))
    two_of_team = _policy("two-of-team", requirement=Requirement(required=2, teams=frozenset({"payments"})))
    assert _decide(both, _world(two, team, registry=registry)).allowed
    assert _decide(both, _world(two, team, two_of_team, registry=registry)).reason is Reason.QUORUM_NOT_REACHED


def test_approvals_do_not_outweigh_an_invalid_policy() -> None:
    """One policy that is satisfied does not excuse one that nobody can read."""
    request = _delete(alice=signing.approval())
    state = _world(_policy("a"), _policy("b", problem="unknown field"))
    assert _decide(request, state).reason is Reason.POLICY_INVALID


def test_no_approval_opens_the_guards_own_configuration() -> None:
    """ProtectedConfiguration comes first."""
    target = Target(GroupResource("seconder.dev", "approvers"), "Approver", "", "alice", "uid")
    detail = {
        "group": "seconder.dev",
        "resource": "approvers",
        "namespace": None,
        "name": "alice",
        "identifier": "uid",
    }
    request = _delete(target, alice=signing.approval(detail=detail))
    assert _decide(request, _world(_policy(named=(target.resource,)))).reason is Reason.PROTECTED_CONFIGURATION


def test_whoever_set_the_agent_going_is_no_peer() -> None:
    """By the record on its ServiceAccount or in its credential; where they differ, both are barred."""
    request = _delete(alice=signing.approval())
    recorded = {service_account_user("seconder-agents", "kiro"): "alice@example.com"}
    assert _decide(request, _world(_policy(), operators=recorded)).reason is Reason.SELF_APPROVAL
    claimed = Caller(AGENT.username, frozenset(), {"seconder.dev/operator": ("bob@example.com",)})
    assert _decide(_delete(caller=claimed, alice=signing.approval()), _world(_policy())).allowed
    both = _delete(caller=claimed, alice=signing.approval())
    assert _decide(both, _world(_policy(), operators=recorded)).reason is Reason.SELF_APPROVAL


def test_an_unknown_operator_can_be_refused() -> None:
    """Per policy."""
    policy = _policy(requirement=Requirement(unknown_operator=UnknownOperator.REFUSE))
    request = _delete(alice=signing.approval())
    assert _decide(request, _world(policy)).reason is Reason.SELF_APPROVAL
    known = {AGENT.username: "erin@example.com"}
    assert _decide(request, _world(policy, operators=known)).allowed


def test_the_tags_of_any_policy_make_an_agent_for_all() -> None:
    """The guard refuses whoever any policy calls an agent, and the name is the same whichever policy asks."""
    bot = Caller("bot", frozenset(), {"example.com/bot": ("hal",)})
    other = _policy("other", named=(WIDGETS,), agents=AgentTags(extra_keys=frozenset({"example.com/bot"})))
    target = Target(GroupResource("", "secrets"), "Secret", "seconder-system", "x", "1")
    decided = _decide(_delete(target, bot), _world(_policy(), other))
    assert (decided.reason, decided.requester.agent_name) == (Reason.PROTECTED_CONFIGURATION, "hal")
    # It is no agent to the policy that does not call it one.
    assert _decide(_delete(caller=bot), _world(_policy(), other)).reason is Reason.NOT_COVERED


def _found(state: ClusterState, request: Request, **held: list[Item]) -> impact.Contents:
    return {
        lookup.resource.resource: held.get(lookup.resource.resource.group, [])
        if lookup.resource.resource in {DEPLOYMENTS, WIDGETS}
        else []
        for lookup in needs(request, state, Mode.ENFORCE)
    }


def _namespace_approval(impact: str | None) -> str:
    detail: dict[str, Any] = {
        "group": "",
        "resource": "namespaces",
        "namespace": None,
        "name": NAMESPACE.name,
        "identifier": NAMESPACE.uid,
        "impact": None if impact is None else {"counts": {}, "sha256": impact},
    }
    return signing.approval(detail=detail)


def test_a_namespaces_approval_names_what_goes_down_with_it() -> None:
    """It counts for exactly that: not when something was added since, nor when it names nothing."""
    policy = _policy(named=(NAMESPACES, DEPLOYMENTS))
    state = _world(policy)
    empty = _delete(NAMESPACE, alice=_namespace_approval("0" * 64))
    found = _found(state, empty, **HOLDS)
    digest = impact.impact([policy], found).sha256
    approved = _delete(NAMESPACE, alice=_namespace_approval(digest))
    assert _decide(approved, state, found=found).allowed
    more = _found(state, approved, apps=[*HOLDS["apps"], Item("cart", "u2")])
    assert _decide(approved, state, found=more).reason is Reason.IMPACT_CHANGED
    assert _decide(empty, state, found=found).reason is Reason.IMPACT_CHANGED
    unnamed = _delete(NAMESPACE, alice=_namespace_approval(None))
    assert _decide(unnamed, state, found=found).reason is Reason.IMPACT_CHANGED
    lost = decide(approved, state, Mode.ENFORCE, Evidence(True, None), signing.NOW, signing.memo())
    assert lost.reason is Reason.INTERNAL_ERROR


def test_a_policy_that_binds_no_impact_takes_any_approval_of_the_namespace() -> None:
    """But the one beside it that binds one does not."""
    loose = _policy("loose", named=(NAMESPACES,), requirement=Requirement(bind_impact=False))
    request = _delete(NAMESPACE, alice=_namespace_approval(None))
    assert _decide(request, _world(loose)).allowed
    assert _decide(request, _world(loose, _policy("bound", named=(NAMESPACES,)))).reason is Reason.IMPACT_CHANGED


def test_a_policy_for_what_the_namespace_holds_joins_those_that_name_it() -> None:
    """All of them must be satisfied."""
    named = _policy("named", named=(NAMESPACES,), requirement=Requirement(bind_impact=False))
    team = Requirement(teams=frozenset({"payments"}), bind_impact=False)
    held = _policy("held", named=(WIDGETS,), requirement=team)
    state = _world(named, held)
    request = _delete(NAMESPACE, alice=_namespace_approval(None))
    assert _decide(request, state).allowed
    found = _found(state, request, **{"example.com": [Item("w", "1")]})
    decided = _decide(request, state, found=found)
    assert (decided.reason, decided.policies) == (Reason.APPROVER_NOT_ALLOWED, ("held", "named"))


def test_without_any_approver_the_message_says_so() -> None:
    """Nobody is sent to ask whom there is not."""
    text = _decide(_delete(), _world(_policy(), registry=Registry([]))).text()
    assert "No approver is registered" in text
    assert "kubectl seconder approve" not in text


_CALLERS = st.sampled_from(
    [
        AGENT,
        Caller("dana"),
        Caller("x", frozenset({constants.AGENT_GROUP})),
        Caller("x", frozenset(), {constants.AGENT_KEY: ("kiro",)}),
        Caller("bot"),
        Caller("system:serviceaccount:argocd:controller"),
    ]
)
_TAGS = st.builds(
    AgentTags,
    groups=st.sets(st.sampled_from([constants.AGENT_GROUP, "bots"]), max_size=2).map(frozenset),
    users=st.sets(st.sampled_from(["bot", "dana"]), max_size=1).map(frozenset),
    service_account_namespaces=st.sets(st.sampled_from([constants.AGENT_NAMESPACE, "argocd"])).map(frozenset),
    extra_keys=st.sets(st.just(constants.AGENT_KEY)).map(frozenset),
)
_REQUIREMENTS = st.builds(
    Requirement,
    required=st.integers(1, 3),
    teams=st.sets(st.sampled_from(["payments", "search"]), max_size=1).map(frozenset),
    max_ttl=st.sampled_from([60, 900, 3600]),
    assurance=st.sampled_from(Assurance),
    unknown_operator=st.sampled_from(UnknownOperator),
)
_POLICIES = st.lists(
    st.builds(
        _policy,
        st.sampled_from(["a", "b", "c"]),
        mode=st.sampled_from(Mode),
        subjects=st.sampled_from(Subjects),
        exempt_users=st.sets(st.sampled_from(["dana", "bot", AGENT.username])).map(frozenset),
        agents=_TAGS,
        namespaces=st.sets(st.sampled_from(["payments", "other"]), max_size=1).map(frozenset),
        actions=st.sets(st.sampled_from(Action), min_size=1).map(frozenset),
        requirement=_REQUIREMENTS,
        problem=st.sampled_from(["", "", "broken"]),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda policy: policy.name,
)
_VALUES = {
    "alice": signing.approval(),
    "bob": signing.approval(signing.key("bob"), iss="bob@example.com", txn="chg"),
    "carol": signing.approval(txn="chg"),
    "expired": signing.approval(exp=signing.NOW - 1),
    "stranger": signing.approval(signing.key("mallory")),
    "rubbish": "{",
}


@given(_CALLERS, _POLICIES, st.sets(st.sampled_from(sorted(_VALUES))), st.booleans(), st.booleans())
def test_no_agents_deletion_of_what_is_protected_passes_without_approval(
    caller: Caller, policies: list[Policy], presented: set[str], fresh: bool, added: bool
) -> None:
    """Said anew here, in plain words: who is an agent to a policy, and what that policy then asks for."""
    values = {slug: _VALUES[slug] for slug in presented}
    request = _delete(signing.DEPLOYMENT, caller, **values)
    own = Installation(controllers=frozenset({caller.username} if added else ()))
    state = ClusterState(PolicyIndex(policies), signing.registry(), {}, signing.AUDIENCE, own)
    decided = decide(request, state, Mode.ENFORCE, Evidence(fresh, {}), signing.NOW, signing.memo())
    agent = decided.requester.agent
    for policy in policies:
        tags = policy.agents
        tagged = (
            bool(tags.groups & caller.groups)
            or caller.username in tags.users
            or any(caller.username.startswith(f"system:serviceaccount:{n}:") for n in tags.service_account_namespaces)
            or any(key in caller.extra for key in tags.extra_keys)
        )
        named = not policy.namespaces or "payments" in policy.namespaces
        if not (tagged and named and policy.mode is Mode.ENFORCE and Action.DELETE in policy.actions):
            continue
        assert agent
        if not decided.allowed:
            continue
        assert fresh
        assert not policy.problem
        context = signing.context(requester=caller.username, agent=decided.requester.agent_name)
        verified = verify_all(values, context, signing.registry(), signing.NOW, signing.memo())
        assert judge(verified, policy.requirement, None).satisfied
