"""What goes along with an object: an owner is not let go before each protected object that it owns may go itself."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest
from tests.support import signing

from seconder.admission import dependents
from seconder.admission.decision import Decision, decide
from seconder.admission.dependents import Owned
from seconder.admission.evidence import Evidence, World
from seconder.admission.policy_index import Guarded, PolicyIndex
from seconder.admission.prerequisites import looks, needs, owner_keys
from seconder.admission.principal import BUILTIN_CONTROLLERS
from seconder.admission.request import Caller, Operation, Owner, Request, State
from seconder.api import constants
from seconder.api.policy import AgentTags, Mode, Policy, Requirement, ResolvedResource
from seconder.api.reasons import Reason
from seconder.api.resources import NAMESPACES, Action, GroupResource, Target
from seconder.approvals import impact
from seconder.approvals.impact import Item, LiveObject, ObjectRef

DEPLOYMENTS = signing.DEPLOYMENT.resource
REPLICA_SETS = GroupResource("apps", "replicasets")
PODS = GroupResource("", "pods")
CONFIG_MAPS = GroupResource("", "configmaps")
CRDS = GroupResource("apiextensions.k8s.io", "customresourcedefinitions")
AGENT = Caller(signing.REQUESTER)
OWNER = Target(CONFIG_MAPS, "ConfigMap", signing.DEPLOYMENT.namespace, "owner", "uid-of-owner")
GHOST = Owner("v1", "ConfigMap", "ghost", "uid-of-ghost")


def _resolved(resource: GroupResource) -> ResolvedResource:
    return ResolvedResource(resource, "v1", resource != NAMESPACES, custom=False, kind="Kind")


def _policy(name: str = "p", *named: GroupResource, **fields: Any) -> Policy:
    wanted = named or (DEPLOYMENTS,)
    return Policy(name, **({"resources": frozenset(wanted), "resolved": {g: _resolved(g) for g in wanted}} | fields))


def _owned(name: str = signing.DEPLOYMENT.name, uid: str = signing.DEPLOYMENT.uid, **fields: Any) -> Owned:
    values: dict[str, Any] = {
        "resource": _resolved(DEPLOYMENTS),
        "namespace": signing.DEPLOYMENT.namespace,
        "through": CONFIG_MAPS,
    }
    return Owned(name=name, uid=uid, **(values | fields))


def _request(target: Target = OWNER, caller: Caller = AGENT, **fields: Any) -> Request:
    request = Request("review", Operation.DELETE, target, "", caller, "", False, {}, {}, "v1")
    return msgspec.structs.replace(request, **fields)


def _world(*policies: Policy) -> World:
    return World(PolicyIndex(policies or [_policy()]), signing.registry(), {}, signing.AUDIENCE, Guarded())


def _approved(value: str | None = None) -> dict[str, str]:
    return {f"{constants.APPROVAL_PREFIX}alice": value or signing.approval()}


def _decide(
    found: Sequence[Owned] | None,
    world: World | None = None,
    request: Request | None = None,
    annotations: Mapping[str, Mapping[str, str]] | None = None,
    **evidence: Any,
) -> Decision:
    """Decide with every object as it was found, its annotations by name."""
    world, request = world or _world(), request or _request()
    refs = looks(request, world, Mode.ENFORCE, found)
    uids = {each.name: each.uid for each in found or ()}
    live = {ref: LiveObject(uids[ref.name], (annotations or {}).get(ref.name, {})) for ref in refs}
    given: dict[str, Any] = {"fresh": True, "contents": {}, "objects": live, "owned": found} | evidence
    return decide(request, world, Mode.ENFORCE, Evidence(**given), signing.NOW, signing.memo())


def test_an_owner_does_not_go_before_what_it_owns_may() -> None:
    """The refusal is that of the owned object, by name; and so is what would be recorded."""
    decided = _decide([_owned()])
    assert decided.reason is Reason.APPROVAL_MISSING
    assert decided.message.startswith("Delete of deployments.apps payments/checkout needs approval")
    assert "DELETE of configmaps payments/owner takes along what it owns" in decided.message
    assert decided.change is not None
    assert decided.change.target == Target(DEPLOYMENTS, "Kind", "payments", "checkout", signing.DEPLOYMENT.uid)
    assert (decided.change.action, decided.change.version) == (Action.DELETE, "v1")


def test_an_approval_on_the_owned_object_lets_the_owner_go() -> None:
    """What was used is that object's approval, and it is told as such."""
    decided = _decide([_owned()], annotations={"checkout": _approved()})
    assert (decided.allowed, decided.reason) == (True, Reason.APPROVED)
    assert [each.statement.iss for each in decided.counted] == ["alice@example.com"]
    used = [part.change.target.name for part in decided.parts if part.change]
    assert used == ["checkout"]


def test_an_approval_on_the_owner_is_none_of_what_it_owns() -> None:
    """It stands on another object."""
    decided = _decide([_owned()], request=_request(stored=_approved()))
    assert decided.reason is Reason.APPROVAL_MISSING


def test_each_owned_object_needs_its_own_approval() -> None:
    """All that lack one are named, and each is to be recorded."""
    found = [_owned(), _owned("b", "uid-b"), _owned("c", "uid-c")]
    decided = _decide(found, annotations={"checkout": _approved(), "b": _approved()})
    assert decided.reason is Reason.WRONG_OBJECT
    assert "this object, deployments.apps payments/c" in decided.message
    assert [part.change.target.name for part in decided.parts if part.change] == ["b", "c"]


def test_what_is_not_known_is_refused() -> None:
    """Who owns what, the objects' approvals, or that the policies are recent."""
    assert _decide(None).reason is Reason.INTERNAL_ERROR
    assert _decide([_owned()], objects=None).reason is Reason.INTERNAL_ERROR
    assert _decide([_owned()], annotations={"checkout": _approved()}, fresh=False).reason is Reason.INTERNAL_ERROR
    assert _decide([], fresh=False).reason is Reason.INTERNAL_ERROR
    assert _decide([]).reason is Reason.NOT_COVERED


def test_an_object_that_took_the_name_meanwhile_is_not_judged() -> None:
    """What stands there now may be owned as well; one that is simply gone is lost already."""
    ref = ObjectRef(ResolvedResource(DEPLOYMENTS, "v1", True, custom=False), "payments", "checkout")
    other = {ref: LiveObject("another-uid", _approved())}
    assert _decide([_owned()], objects=other).reason is Reason.INTERNAL_ERROR
    assert _decide([_owned()], objects={}).reason is Reason.NOT_COVERED


def test_very_many_are_refused_together_and_not_read() -> None:
    """With their number; eight can be approved at once."""
    eight = [_owned(f"d{number}", f"uid-{number}") for number in range(8)]
    nine = [*eight, _owned("d8", "uid-8")]
    assert len(looks(_request(), _world(), Mode.ENFORCE, eight)) == 8
    assert looks(_request(), _world(), Mode.ENFORCE, nine) == []
    decided = _decide(nine)
    assert decided.reason is Reason.APPROVAL_MISSING
    assert "9 protected objects go with it" in decided.message


def test_objects_that_no_policy_protects_do_not_count() -> None:
    """The kind is followed for another namespace's sake, or only watched, or for other actions."""
    for policy in (
        _policy(namespaces=frozenset({"elsewhere"})),
        _policy(mode=Mode.AUDIT),
        _policy(actions=frozenset({Action.SCALE_TO_ZERO})),
    ):
        assert _decide([_owned()] * 20, _world(policy, _policy("q", PODS))).reason is Reason.NOT_COVERED


def test_a_policy_binds_on_owned_objects_whom_it_binds_otherwise() -> None:
    """Others' agents are none of its business."""
    tags = AgentTags(groups=frozenset({"bots"}), service_account_namespaces=frozenset(), annotations=frozenset())
    world = _world(_policy(agents=tags))
    assert _decide([_owned()], world).reason is Reason.NOT_COVERED
    bot = _request(caller=Caller("bot", frozenset({"bots"})))
    assert _decide([_owned()], world, bot).reason is Reason.APPROVAL_MISSING


def test_an_invalid_policy_refuses_on_owned_objects_too() -> None:
    """Whatever approvals there are."""
    decided = _decide([_owned()], _world(_policy(problem="misspelt")), annotations={"checkout": _approved()})
    assert decided.reason is Reason.POLICY_INVALID


def test_a_dry_run_is_refused_and_leaves_no_record() -> None:
    """As for the object itself."""
    decided = _decide([_owned()], request=_request(dry_run=True))
    assert (decided.allowed, decided.change) == (False, None)


def test_the_owner_itself_is_decided_first() -> None:
    """Where it is protected too, both need approval."""
    owner = Target(DEPLOYMENTS, "Deployment", "payments", "owner", "uid-of-owner")
    decided = _decide([_owned(through=DEPLOYMENTS)], request=_request(owner))
    assert decided.change is not None
    assert decided.change.target.name == "owner"
    itself = signing.approval(detail={"name": "owner", "identifier": "uid-of-owner"}, jti="1" * 32)
    asked = _request(owner, stored=_approved(itself))
    assert _decide([_owned(through=DEPLOYMENTS)], request=asked).change != decided.change
    both = _decide([_owned(through=DEPLOYMENTS)], request=asked, annotations={"checkout": _approved()})
    assert both.allowed
    assert [part.change.target.name for part in both.parts if part.change] == ["owner", "checkout"]
    assert len(both.counted) == 2


def test_what_a_controller_makes_of_an_approved_object_goes_with_it() -> None:
    """Under the policies that cover both; under another's it needs that one's approval."""
    everything = _policy("p", DEPLOYMENTS, REPLICA_SETS, PODS)
    found = [
        _owned("checkout-1", "uid-rs", resource=_resolved(REPLICA_SETS), through=DEPLOYMENTS),
        *(_owned(f"x{n}", f"uid-{n}", resource=_resolved(PODS), through=REPLICA_SETS) for n in range(20)),
    ]
    request = _request(signing.DEPLOYMENT, stored=_approved())
    assert _decide(found, _world(everything), request).allowed
    also = _policy("q", REPLICA_SETS, requirement=Requirement(required=2))
    refused = _decide(found, _world(everything, also), request)
    assert refused.reason is Reason.APPROVAL_MISSING
    assert "replicasets.apps payments/checkout-1" in refused.message
    elsewhere = _owned(uid="uid-2", name="given", resource=_resolved(DEPLOYMENTS), through=DEPLOYMENTS)
    assert not _decide([elsewhere], _world(everything), request).allowed, "this one was given to it"


def test_pods_of_an_unprotected_replica_set_count() -> None:
    """Their owner needs no approval, so theirs are asked for."""
    found = [_owned("x", "uid-x", resource=_resolved(PODS), through=REPLICA_SETS)]
    target = Target(REPLICA_SETS, "ReplicaSet", "payments", "checkout-1", "uid-rs")
    assert _decide(found, _world(_policy("p", PODS)), _request(target)).reason is Reason.APPROVAL_MISSING


@pytest.mark.parametrize("bind_impact", [True, False])
def test_a_namespace_goes_along_with_what_goes_down_with_it(bind_impact: bool) -> None:
    """An approval of it names that; a policy on what it holds asks too."""
    tenant = Target(GroupResource("example.com", "tenants"), "Tenant", "", "tenant", "uid-tenant")
    found = [_owned("payments", "uid-ns", resource=_resolved(NAMESPACES), namespace="", through=tenant.resource)]
    world = _world(_policy(requirement=Requirement(bind_impact=bind_impact)))
    lookups = needs(_request(tenant), world, Mode.ENFORCE, found)
    assert {each.namespace for each in lookups} == {"payments"}
    empty: dict[GroupResource, list[Item]] = {each.resource.resource: [] for each in lookups}
    holds = empty | {DEPLOYMENTS: [Item("checkout", "uid-1")]}
    request = _request(tenant)
    assert _decide(found, world, request, contents=empty).reason is Reason.NOT_COVERED
    assert _decide(found, world, request, contents=None).reason is Reason.INTERNAL_ERROR
    refused = _decide(found, world, request, contents=holds)
    assert refused.change is not None
    assert refused.change.target == Target(NAMESPACES, "Kind", "", "payments", "uid-ns")
    detail: dict[str, Any] = {
        "resource": "namespaces",
        "group": "",
        "namespace": None,
        "name": "payments",
        "identifier": "uid-ns",
    }
    if bind_impact:
        digest = impact.impact(list(world.policies.all), holds)
        detail["impact"] = {"counts": dict(digest.counts), "sha256": digest.sha256}
    annotations = {"payments": _approved(signing.approval(detail=detail))}
    assert _decide(found, world, request, contents=holds, annotations=annotations).allowed
    if bind_impact:
        more = holds | {DEPLOYMENTS: [Item("checkout", "uid-1"), Item("new", "uid-2")]}
        changed = _decide(found, world, request, contents=more, annotations=annotations)
        assert changed.reason is Reason.IMPACT_CHANGED


def test_two_namespaces_at_once_are_refused() -> None:
    """What one of them holds is all that is looked at for one request."""
    one = _owned("one", "uid-1", resource=_resolved(NAMESPACES), namespace="")
    two = _owned("two", "uid-2", resource=_resolved(NAMESPACES), namespace="")
    world = _world(_policy("p", NAMESPACES))
    assert "2 protected objects go with it" in _decide([one, two], world).message
    approved = _decide([one], world, _request(Target(NAMESPACES, "Namespace", "", "n", "uid-n")), contents={})
    assert not approved.allowed


@pytest.mark.parametrize("action", ["delete", "finalizers", "owners"])
def test_whatever_may_end_the_owner_counts(action: str) -> None:
    """Its deletion, a finalizer taken from it under deletion, and an owner that would take it along."""
    states = {
        "finalizers": (State(finalizers=frozenset({"orphan"}), leaving=True), State(leaving=True)),
        "owners": (State(), State(owners=frozenset({GHOST}))),
    }
    request = _request()
    if action != "delete":
        before, after = states[action]
        request = _request(operation=Operation.UPDATE, before=before, after=after)
    assert owner_keys(request, _world(), Mode.ENFORCE) == {"uid-of-owner"}
    assert _decide([_owned()], request=request).reason is Reason.APPROVAL_MISSING


def test_ordinary_updates_of_an_owner_are_free() -> None:
    """Nobody asks what it owns."""
    request = _request(operation=Operation.UPDATE, before=State(), after=State())
    assert owner_keys(request, _world(), Mode.ENFORCE) == frozenset()
    assert _decide(None, request=request).allowed


@pytest.mark.parametrize("caller", [Caller("dana@example.com"), *map(Caller, sorted(BUILTIN_CONTROLLERS))])
def test_people_and_the_collector_itself_delete_owners_freely(caller: Caller) -> None:
    """Even while nothing is known of who owns what."""
    assert owner_keys(_request(caller=caller), _world(), Mode.ENFORCE) == frozenset()
    assert _decide(None, request=_request(caller=caller)).allowed


def test_without_a_policy_that_refuses_deletions_nobody_asks() -> None:
    """Audit, or other actions alone; but a policy that discovery has not looked at may name anything."""
    for policy in (_policy(mode=Mode.AUDIT), _policy(actions=frozenset({Action.SCALE_TO_ZERO}))):
        assert owner_keys(_request(), _world(policy), Mode.ENFORCE) == frozenset()
    unseen = _world(_policy(resolved={}, resolution_current=False))
    assert owner_keys(_request(), unseen, Mode.ENFORCE) == {"uid-of-owner"}
    assert owner_keys(_request(), unseen, Mode.AUDIT) == frozenset()


def test_orphaning_leaves_what_is_owned_unless_it_cannot() -> None:
    """Of Events the API server takes no such wish; a definition's objects go in any case, and what they own."""
    assert owner_keys(_request(orphans=True), _world(), Mode.ENFORCE) == frozenset()
    for resource in (GroupResource("", "events"), GroupResource("events.k8s.io", "events"), NAMESPACES):
        target = Target(resource, "Kind", "", "x", "uid-x")
        assert dependents.keys(_request(target, orphans=True)) == {"uid-x"}
    definition = Target(CRDS, "CustomResourceDefinition", "", "stacks.example.com", "uid-crd")
    assert dependents.keys(_request(definition, orphans=True)) == {"uid-crd", dependents.group_key("example.com")}
    update = _request(definition, operation=Operation.UPDATE)
    assert dependents.keys(update) == {"uid-crd"}, "an update of it ends nothing of its kind"


def test_namespaces_are_followed_with_whatever_they_can_hold() -> None:
    """Once, however a policy names them."""
    plain = {each.resource for each in dependents.followed([_policy()])}
    assert plain == {DEPLOYMENTS, NAMESPACES}
    assert len(dependents.followed([_policy("p", DEPLOYMENTS, NAMESPACES)])) == 2
    nodes = ResolvedResource(GroupResource("", "nodes"), "v1", False, custom=False)
    assert dependents.followed(
        [_policy("n", resources=frozenset({nodes.resource}), resolved={nodes.resource: nodes})]
    ) == {nodes}
