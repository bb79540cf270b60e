"""A whole review: nothing is let through by accident, and nobody is refused who is not meant."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support import signing
from tests.support.builders import (
    AGENT,
    DEPLOYMENT,
    DEPLOYMENTS,
    PERSON,
    approved,
    deletion,
    live,
    policy,
    state,
    target,
    update,
)
from tests.support.resolving import Answers, decide

from seconder.admission import lookups, pipeline
from seconder.admission.findings import Refusal
from seconder.admission.kinds import INGRESSES
from seconder.admission.lookups import Placed, ReadObjects, Unknown
from seconder.admission.policy_index import Installation
from seconder.admission.principal import BUILTIN_CONTROLLERS
from seconder.admission.request import Caller, Request
from seconder.admission.review import ReviewContext
from seconder.admission.rule import Binds, Rule
from seconder.admission.rules import deletion as deletion_rule
from seconder.api import constants
from seconder.api.policy import AgentTags, Assurance, Mode, Policy, Requirement, Subjects, UnknownOperator
from seconder.api.reasons import Reason
from seconder.api.resources import NAMESPACES, NODES, PODS, SERVICES, Action, GroupResource
from seconder.approvals.quorum import judge, verify_all

EVERYONE = policy(subjects=Subjects.EVERYONE)
MARKED = {"annotations": {"seconder.dev/agent": "kiro"}}


@pytest.mark.parametrize("username", sorted(BUILTIN_CONTROLLERS))
def test_the_control_planes_controllers_are_never_bound(username: str) -> None:
    """Whatever a policy says of everyone, of all ServiceAccounts, or of the object."""
    caller = Caller(username, frozenset({"system:serviceaccounts"}))
    tags = AgentTags(groups=frozenset({"system:serviceaccounts"}))
    everyone = policy(subjects=Subjects.EVERYONE, agents=tags)
    assert decide(deletion(user=caller, stored=MARKED), state(everyone)).reason is Reason.EXEMPT


def test_a_kubelet_is_spared_for_pods_alone() -> None:
    """It deletes the pods that the API server told it to; nothing else is its work."""
    kubelet = Caller("system:node:n1", frozenset({"system:nodes"}))
    everyone = state(policy(PODS, DEPLOYMENTS, subjects=Subjects.EVERYONE))
    assert decide(deletion(target(PODS), kubelet), everyone).reason is Reason.EXEMPT
    assert not decide(deletion(user=kubelet), everyone).allowed
    assert not decide(deletion(target(PODS), Caller("system:node:n1")), everyone).allowed


def test_everyone_means_everyone_but_the_exempt_and_added_controllers() -> None:
    """And an agent is never exempt."""
    argo = Caller("system:serviceaccount:argocd:controller")
    exempting = policy(subjects=Subjects.EVERYONE, exempt_users=frozenset({PERSON.username, AGENT.username}))
    added = Installation(controllers=frozenset({argo.username}))
    for caller, allowed in ((PERSON, True), (Caller("erin@example.com"), False), (AGENT, False), (argo, False)):
        assert decide(deletion(user=caller), state(exempting)).allowed is allowed
    assert decide(deletion(user=argo), state(exempting, installation=added)).allowed


@pytest.mark.parametrize("place", ["kube-system", "seconder-system"])
def test_some_places_are_never_covered_for_everyone(place: str) -> None:
    """So that nobody can lock the cluster's administrators out."""
    everyone = state(policy(DEPLOYMENTS, NAMESPACES, subjects=Subjects.EVERYONE))
    for on in (target(namespace=place), target(NAMESPACES, place)):
        assert decide(deletion(on, PERSON), everyone).allowed


def test_an_annotation_binds_whoever_asks_but_makes_no_agent() -> None:
    """A person is refused on the object, and may still annotate it."""
    refused = decide(deletion(user=PERSON, stored=MARKED), state(policy()))
    assert refused.reason is Reason.APPROVAL_MISSING
    assert (refused.principal.agent, refused.principal.agent_name) == (False, None)
    approving = {"annotations": MARKED["annotations"] | {"approval.seconder.dev/alice": "x"}}
    assert decide(update(user=PERSON, old=MARKED, new=approving), state(policy())).allowed


def test_without_proof_of_freshness_nothing_is_let_through() -> None:
    """Not for want of a policy either: one may have been made since. A refusal needs no proof."""
    stale = Answers(fresh=False)
    uncovered = decide(deletion(), state(), answers=stale)
    assert (uncovered.reason, uncovered.action) == (Reason.INTERNAL_ERROR, Action.DELETE)
    assert decide(deletion(), state(policy()), answers=stale).reason is Reason.APPROVAL_MISSING
    # What is free by the policies at hand may not be by the present ones.
    assert decide(update(), state(policy()), answers=stale).reason is Reason.INTERNAL_ERROR
    assert decide(update(user=PERSON), state(policy()), answers=stale).allowed


def test_the_modes_are_decided_apart() -> None:
    """An Audit policy has no say in what is enforced, nor the other way round."""
    watching = state(policy(mode=Mode.AUDIT))
    assert decide(deletion(), watching).allowed
    refused = decide(deletion(), watching, Mode.AUDIT)
    assert (refused.reason, refused.change) == (Reason.APPROVAL_MISSING, None)
    assert decide(deletion(), state(policy()), Mode.AUDIT).allowed


def test_one_effect_is_judged_alone_by_the_same_measure() -> None:
    """For whoever follows a change request, which is about one object."""
    for held, reason in ((approved(), Reason.APPROVED), ({}, Reason.APPROVAL_MISSING)):
        asked = deletion(stored={"annotations": held})
        context = ReviewContext(asked, state(policy()), Mode.ENFORCE, signing.NOW, signing.memo())
        verdict = lookups.drive(pipeline.judge(context, context.effect(Action.DELETE)), Answers())
        assert (verdict.allowed, verdict.reason) == (reason is Reason.APPROVED, reason)


def test_a_computation_goes_on_from_the_look_up_that_it_waits_for() -> None:
    """As the webhook does, which answers the first ones without a thread."""
    autoscaler = update(old={"spec": {"replicas": 1}}, new={"spec": {}}, subResource="scale")
    context = ReviewContext(autoscaler, state(policy()), Mode.ENFORCE, signing.NOW, signing.memo())
    asking = pipeline.review(context)
    lookup = next(asking)
    assert isinstance(lookup, ReadObjects)
    answers = Answers(objects=live(DEPLOYMENT))
    assert lookups.resume(asking, lookup, answers).reason is Reason.APPROVAL_MISSING
    assert answers.asked == [lookup]


SERVICE = target(SERVICES, "web")
NODE = target(NODES, "n1", uid="uid-node")
INGRESS = target(INGRESSES.resource, "web")
CHART = target(GroupResource("helm.cattle.io", "helmcharts"), "shop")
ROLLOUT = target(GroupResource("argoproj.io", "rollouts"), "mine")
_SECONDERS_OWN = {"kind": "ProtectionPolicy", "name": "default"}


@pytest.mark.parametrize(
    ("asked", "answers"),
    [
        (update(SERVICE, old={"spec": {}}, new={"spec": {"externalIPs": ["192.0.2.1"]}}), Answers()),
        (update(old={"spec": {"replicas": 0}}, new={"spec": {"replicas": 2, "paused": True}}), Answers()),
        (
            update(INGRESS, old={"spec": {"rules": []}}, new={"spec": {"rules": [{"host": "approve.example.com"}]}}),
            Answers(),
        ),
        (deletion(NODE), Answers(pods=[Placed("seconder-system", "seconder-webhook-1", "uid-own")])),
        (deletion(NODE), Answers(owns_guard=True)),
        (deletion(CHART, stored={"spec": {"targetNamespace": "seconder-system"}}), Answers()),
        (update(ROLLOUT, old={"spec": {}}, new={"spec": {"targetRef": _SECONDERS_OWN}}), Answers()),
    ],
    ids=["address", "paused size", "portal", "node of the guard", "owner of the guard", "alias", "reference"],
)
def test_nobody_is_asked_to_approve_what_no_approval_lets_through(asked: Request, answers: Answers) -> None:
    """Of what a policy protects, too: a peer would sign for what is refused all the same."""
    place = Installation(portal_host="approve.example.com")
    decided = decide(asked, state(policy(asked.target.resource), installation=place), answers=answers)
    assert (decided.reason, decided.change) == (Reason.PROTECTED_CONFIGURATION, None), decided.message
    assert "No approval changes this" in decided.text() or "Leave it unpaused" in decided.text()


def _unknown(_: ReviewContext) -> Refusal:
    raise Unknown("what is not at hand")


@pytest.mark.parametrize(
    ("for_good", "reason"),
    [
        (lambda _: None, Reason.APPROVAL_MISSING),
        (_unknown, Reason.APPROVAL_MISSING),
        (lambda _: Refusal("never"), Reason.PROTECTED_CONFIGURATION),
    ],
    ids=["nothing", "unknown", "refused"],
)
def test_what_a_later_rule_refuses_for_good_comes_in_the_place_of_the_ask_alone(
    for_good: Callable[[ReviewContext], Refusal | None], reason: Reason
) -> None:
    """It is asked of what is refused anyhow, and evaluated of nothing else: no refusal becomes an allow by it."""

    def evaluate(_: ReviewContext) -> list[Refusal]:
        raise AssertionError("it is evaluated where nobody in front refuses")

    later = Rule("later", "", Binds.AGENTS, evaluate, lambda *_: [], for_good=for_good)  # type: ignore[arg-type]
    context = ReviewContext(deletion(), state(policy()), Mode.ENFORCE, signing.NOW, signing.memo())
    asking = pipeline.review(context, (deletion_rule.RULE, later))
    assert lookups.drive(asking, Answers()).reason is reason


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
        policy,
        name=st.sampled_from(["a", "b", "c"]),
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


@settings(deadline=None)
@given(_CALLERS, _POLICIES, st.sets(st.sampled_from(sorted(_VALUES))), st.booleans(), st.booleans())
def test_no_agents_deletion_of_what_is_protected_passes_without_approval(
    caller: Caller, policies: list[Policy], presented: set[str], fresh: bool, added: bool
) -> None:
    """Said anew here, in plain words: who is an agent to a policy, and what that policy then asks for."""
    values = {slug: _VALUES[slug] for slug in presented}
    stored = {f"{constants.APPROVAL_PREFIX}{slug}": value for slug, value in values.items()}
    installation = Installation(controllers=frozenset({caller.username} if added else ()))
    cluster = state(*policies, installation=installation)
    decided = decide(deletion(user=caller, stored={"annotations": stored}), cluster, answers=Answers(fresh=fresh))
    agent = decided.principal.agent
    for one in policies:
        tags = one.agents
        tagged = (
            bool(tags.groups & caller.groups)
            or caller.username in tags.users
            or any(caller.username.startswith(f"system:serviceaccount:{n}:") for n in tags.service_account_namespaces)
            or any(key in caller.extra for key in tags.extra_keys)
        )
        named = not one.namespaces or "payments" in one.namespaces
        if not (tagged and named and one.mode is Mode.ENFORCE and Action.DELETE in one.actions):
            continue
        assert agent
        if not decided.allowed:
            continue
        assert fresh
        assert not one.problem
        context = signing.context(requester=caller.username, agent=decided.principal.agent_name)
        verified = verify_all(values, context, signing.registry(), signing.NOW, signing.memo())
        assert judge(verified, one.requirement, None).satisfied
