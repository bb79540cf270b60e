"""Which updates amount to losing an object, and what each of them takes."""

from typing import Any

import pytest
from tests.support import signing

from seconder.admission import actions
from seconder.admission.decision import Decision, decide
from seconder.admission.evidence import Evidence, World
from seconder.admission.policy_index import Guarded, PolicyIndex
from seconder.admission.prerequisites import looks
from seconder.admission.request import Caller, Operation, Owner, Request, State
from seconder.api import constants
from seconder.api.policy import Mode, Policy, ResolvedResource, Subjects
from seconder.api.reasons import Reason
from seconder.api.resources import Action, GroupResource, Target
from seconder.approvals.impact import LiveObject, ObjectRef

DEPLOYMENTS = GroupResource("apps", "deployments")
RESOLVED = ResolvedResource(DEPLOYMENTS, "v1", namespaced=True, custom=False, kind="Deployment")
POLICY = Policy("p", resources=frozenset({DEPLOYMENTS}), resolved={DEPLOYMENTS: RESOLVED})
AGENT = Caller(signing.REQUESTER)
HUMAN = Caller("dana@example.com")
GHOST = Owner("v1", "ConfigMap", "ghost", "uid-9")
OWNER = Owner("apps/v1", "Deployment", "owner", "uid-2")
OWNER_REF = ObjectRef(RESOLVED, "payments", "owner")


def _request(before: State, after: State, caller: Caller = AGENT, **fields: Any) -> Request:
    given: dict[str, Any] = {"operation": Operation.UPDATE, "subresource": "", "stored": {}, "incoming": {}}
    given |= fields
    return Request(
        uid="r",
        target=signing.DEPLOYMENT,
        caller=caller,
        field_manager="",
        dry_run=False,
        version="v1",
        before=before,
        after=after,
        **given,
    )


def _decide(
    request: Request,
    *policies: Policy,
    objects: Any = None,
    fresh: bool = True,
    missing: frozenset[Owner] | None = None,
) -> Decision:
    world = World(PolicyIndex(policies or (POLICY,)), signing.registry(), {}, signing.AUDIENCE, Guarded())
    evidence = Evidence(fresh, {}, {} if objects is None else objects, missing=missing)
    return decide(request, world, Mode.ENFORCE, evidence, float(signing.NOW), signing.memo())


def _looks(request: Request, *policies: Policy) -> list[ObjectRef]:
    world = World(PolicyIndex(policies or (POLICY,)), signing.registry(), {}, signing.AUDIENCE, Guarded())
    return looks(request, world, Mode.ENFORCE)


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        (State(replicas=3), State(replicas=0), (Action.SCALE_TO_ZERO,)),
        (State(replicas=None), State(replicas=0), (Action.SCALE_TO_ZERO,)),
        (State(replicas=3), State(replicas=1), ()),
        (State(replicas=0), State(replicas=0), ()),
        (State(replicas=0), State(replicas=3), ()),
        (State(replicas=3), State(replicas=None), ()),
        (State(frozenset("ab"), leaving=True), State(frozenset("a"), leaving=True), (Action.REMOVE_FINALIZERS,)),
        (State(frozenset("ab"), leaving=True), State(frozenset("ac"), leaving=True), (Action.REMOVE_FINALIZERS,)),
        (State(frozenset("ab")), State(frozenset("a")), ()),
        (State(frozenset("a"), leaving=True), State(frozenset("a"), leaving=True), ()),
        (State(), State(owners=frozenset({GHOST})), (Action.CHANGE_OWNERS,)),
        (State(owners=frozenset({GHOST})), State(owners=frozenset({GHOST})), ()),
        (State(owners=frozenset({GHOST})), State(), ()),
        (
            State(owners=frozenset({GHOST})),
            State(owners=frozenset({GHOST._replace(uid="another")})),
            (Action.CHANGE_OWNERS,),
        ),
        (
            State(frozenset("a"), replicas=1, leaving=True),
            State(owners=frozenset({GHOST}), replicas=0),
            (Action.SCALE_TO_ZERO, Action.REMOVE_FINALIZERS, Action.CHANGE_OWNERS),
        ),
    ],
)
def test_an_update_is_what_it_takes_away(before: State, after: State, found: tuple[Action, ...]) -> None:
    """And ordinary work is nothing."""
    assert actions.actions(_request(before, after)) == found


def test_finalizers_taken_through_finalize_count_before_any_deletion() -> None:
    """What is finalized first is gone at the next deletion."""
    request = _request(State(frozenset("a")), State(), subresource="finalize")
    assert actions.actions(request) == (Action.REMOVE_FINALIZERS,)


@pytest.mark.parametrize("operation", [Operation.CREATE, Operation.CONNECT])
def test_nothing_is_lost_by_what_is_new(operation: Operation) -> None:
    """A new object may have an owner, and no replicas."""
    assert actions.actions(_request(State(), State(replicas=0, owners=frozenset({GHOST})), operation=operation)) == ()


def test_behind_the_scale_the_object_itself_is_read() -> None:
    """A Scale carries no annotations, and what a request says is no approval."""
    request = _request(State(replicas=3), State(replicas=0), subresource="scale")
    (ref,) = _looks(request)
    assert (ref.resource.resource, ref.namespace, ref.name) == (DEPLOYMENTS, "payments", "checkout")
    approved = {f"{constants.APPROVAL_PREFIX}alice": signing.approval(detail={"actions": ["ScaleToZero"]})}
    uid = signing.DEPLOYMENT.uid
    assert _decide(request, objects={ref: LiveObject(uid, approved)}).reason is Reason.APPROVED
    assert _decide(request, objects={ref: LiveObject(uid, {})}).reason is Reason.APPROVAL_MISSING


@pytest.mark.parametrize("what", ["not found", "recreated"])
def test_a_scale_whose_object_is_not_known_is_refused(what: str) -> None:
    """Rather than taken for one without approvals that anybody could mend."""
    request = _request(State(replicas=3), State(replicas=0), subresource="scale")
    (ref,) = _looks(request)
    objects = {} if what == "not found" else {ref: LiveObject("another", {})}
    assert _decide(request, objects=objects).reason is Reason.INTERNAL_ERROR


def test_an_owner_that_is_protected_too_takes_no_approval() -> None:
    """Looked up by its kind, and taken only with its own uid."""
    request = _request(State(), State(owners=frozenset({OWNER})))
    assert _looks(request) == [OWNER_REF]
    assert _decide(request, objects={OWNER_REF: LiveObject("uid-2", {})}).reason is Reason.NOT_COVERED
    assert _decide(request, objects={OWNER_REF: LiveObject("another", {})}).reason is Reason.APPROVAL_MISSING
    assert _decide(request, objects={OWNER_REF: LiveObject("uid-2", {}, leaving=True)}).reason is (
        Reason.APPROVAL_MISSING
    )
    assert _decide(request, objects={}).reason is Reason.APPROVAL_MISSING


def test_one_unprotected_owner_among_protected_ones_is_enough() -> None:
    """The collector waits for all owners, but nobody knows for how long the others stay owners."""
    request = _request(State(), State(owners=frozenset({OWNER, GHOST})))
    assert _decide(request, objects={OWNER_REF: LiveObject("uid-2", {})}).reason is Reason.APPROVAL_MISSING


def test_an_owner_whose_deletion_is_free_protects_nothing() -> None:
    """Being named by a policy for other actions is not enough."""
    scaling = Policy(
        "s", resources=POLICY.resources, resolved=POLICY.resolved, actions=frozenset({Action.SCALE_TO_ZERO})
    )
    owners = Policy("o", resources=POLICY.resources, resolved={}, actions=frozenset({Action.CHANGE_OWNERS}))
    request = _request(State(), State(owners=frozenset({OWNER})))
    assert _looks(request, scaling, owners) == []
    assert _decide(request, scaling, owners, objects={OWNER_REF: LiveObject("uid-2", {})}).reason is (
        Reason.APPROVAL_MISSING
    )


@pytest.mark.parametrize("name", ["..", "a/b", "a%2fb", "", "-a", "x" * 254, "a\n", "a b"])
def test_an_owners_name_that_is_no_name_is_not_looked_up(name: str) -> None:
    """It is a client's own words, and would become part of a path."""
    request = _request(State(), State(owners=frozenset({OWNER._replace(name=name)})))
    assert _looks(request) == []
    assert _decide(request).reason is Reason.APPROVAL_MISSING


def test_owners_that_people_and_their_controllers_set_need_no_approval() -> None:
    """Under a policy for everyone, too, as long as they exist; what is tagged as an agent's is asked about anyway."""
    everyone = Policy("e", subjects=Subjects.EVERYONE, resources=POLICY.resources, resolved=POLICY.resolved)
    adds = (State(), State(owners=frozenset({GHOST})))
    assert _decide(_request(*adds, HUMAN), everyone, missing=frozenset()).reason is Reason.NOT_COVERED
    tagged = _request(*adds, HUMAN, stored={constants.AGENT_KEY: "kiro"})
    assert _decide(tagged, everyone).reason is Reason.APPROVAL_MISSING
    assert _decide(_request(*adds), everyone).reason is Reason.APPROVAL_MISSING


def test_each_action_of_one_update_needs_its_own_approval() -> None:
    """An approval of a deletion covers them all."""
    before, after = State(replicas=1), State(replicas=0, owners=frozenset({GHOST}))

    def with_approval(*actions: str) -> Reason:
        value = signing.approval(detail={"actions": list(actions)})
        held = {f"{constants.APPROVAL_PREFIX}alice": value}
        return _decide(_request(before, after, stored=held, incoming=held)).reason

    assert with_approval("ScaleToZero") is Reason.WRONG_ACTION
    assert with_approval("ChangeOwners") is Reason.WRONG_ACTION
    assert with_approval("ScaleToZero", "ChangeOwners") is Reason.APPROVED
    assert with_approval("Delete") is Reason.APPROVED


def test_a_controller_of_the_control_plane_scales_as_it_must() -> None:
    """The autoscaler's own requests are free; who may tell it what to do is another question."""
    autoscaler = Caller("system:serviceaccount:kube-system:horizontal-pod-autoscaler")
    everyone = Policy("e", subjects=Subjects.EVERYONE, resources=POLICY.resources)
    request = _request(State(replicas=3), State(replicas=0), autoscaler, subresource="scale")
    assert _decide(request, everyone).reason is Reason.EXEMPT
    assert _looks(request, everyone) == []


def test_with_a_stale_view_no_deed_is_let_through() -> None:
    """Neither by a policy that is not there nor by an owner that is."""
    request = _request(State(replicas=1), State(replicas=0))
    assert _decide(request, Policy("other", resources=frozenset({GroupResource("", "pods")})), fresh=False).reason is (
        Reason.INTERNAL_ERROR
    )


def test_the_command_to_approve_names_the_action() -> None:
    """Where there is no change request; a deletion is what it approves by itself."""
    decided = _decide(_request(State(replicas=1), State(replicas=0)))
    assert decided.text().endswith(f"--requester {signing.REQUESTER} --action ScaleToZero")
    assert decided.change is not None
    assert decided.change.action is Action.SCALE_TO_ZERO


def test_a_target_keeps_its_own_names() -> None:
    """The change request is for the object, not for its scale."""
    decided = _decide(_request(State(replicas=1), State(replicas=0)))
    assert decided.change is not None
    assert decided.change.target == Target(DEPLOYMENTS, "Deployment", "payments", "checkout", signing.DEPLOYMENT.uid)
