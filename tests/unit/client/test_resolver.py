"""What answers the look-ups of a review: each in its place, all of a review within one deadline, or not at all."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.support.builders import DEPLOYMENTS, REAL, policy, resolved, target
from tests.support.served import Asked, Served

from seconder.admission import pod_templates
from seconder.admission.dependents import Dependent
from seconder.admission.indirect import aliases
from seconder.admission.lookups import (
    Account,
    Adopting,
    AliasedBy,
    Called,
    Claimants,
    Claims,
    ControlledIn,
    DaemonSets,
    Definitions,
    Dependents,
    FirstRight,
    FreeVolumes,
    HeldResource,
    Holders,
    Hosting,
    Lookup,
    MissingOwners,
    NamespaceContents,
    NamingOwners,
    Namings,
    ObjectRef,
    OfClass,
    Overlapping,
    OwningResources,
    PodsOn,
    ReadableTokens,
    ReadObjects,
    ReplicaSets,
    Right,
    RoleRules,
    RunningPod,
    ScaledBy,
    SecretTokens,
    Selected,
    Selecting,
    ServedElsewhere,
    Sharing,
    StorageVersion,
    TokenAccounts,
    Tokens,
    Uncontrolled,
    Unknown,
    ViewIsFresh,
)
from seconder.admission.policy_index import PolicyIndex
from seconder.admission.rbac import RoleRef
from seconder.api.resources import PODS, GroupResource, ResolvedResource
from seconder.client.api import ApiError
from seconder.client.dependents import DependentsIndex
from seconder.client.resolver import LATER, SECONDS, Resolver, within

NOTHING = PolicyIndex(())
GEAR = ResolvedResource(GroupResource("example.com", "gears"), "v1", namespaced=True, custom=True, kind="Gear")
PROTECTING = PolicyIndex([policy()])
CHECKOUT = ObjectRef(resolved(DEPLOYMENTS), "payments", "checkout")
CHECKOUT_PATH = "/apis/apps/v1/namespaces/payments/deployments/checkout"
PODS_PATH = "/api/v1/namespaces/payments/pods"
RIGHT = Right("delete", "", "pods", "", "payments")
REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
LOOKUPS: list[Lookup[Any]] = [
    ReadObjects((CHECKOUT,), "what was asked for"),
    NamespaceContents("payments", (HeldResource(resolved(DEPLOYMENTS), whole=False),)),
    Dependents(frozenset({"uid"}), target()),
    OwningResources("payments"),
    MissingOwners("payments", (REAL,)),
    RoleRules(RoleRef("", "r")),
    RunningPod("payments", "p"),
    SecretTokens("payments", ("s",)),
    ReadableTokens(Account("payments", "worker")),
    ServedElsewhere("acme.example.com"),
    StorageVersion(GroupResource("example.com", "gears"), "v1"),
    FirstRight(Account("payments", "worker"), (RIGHT,)),
    PodsOn("n1"),
    Uncontrolled(resolved(PODS), "payments", "app=broker"),
    Selecting((resolved(DEPLOYMENTS),), "payments", (("app", "broker"),)),
    ReplicaSets("payments", "app=broker"),
    Selected((resolved(DEPLOYMENTS),), "payments", ()),
    Adopting("payments", "uid", ((resolved(PODS), (resolved(DEPLOYMENTS),)),), None),
    Sharing((resolved(DEPLOYMENTS),), "payments", (), ()),
    FreeVolumes(()),
    Claims(),
    Claimants("payments"),
    ControlledIn(resolved(PODS), "payments"),
    DaemonSets(),
    Holders(resolved(PODS), "payments", ("spec", "volumeName")),
    OfClass(resolved(PODS), "nginx"),
    Called(resolved(PODS), ("shop",)),
    Namings(GEAR, ""),
    Namings(None, "payments"),
    Hosting(resolved(PODS), ("shop.example.com",)),
    Overlapping(resolved(PODS), "payments", ()),
    ScaledBy("payments", ()),
    Tokens("payments", "worker"),
    AliasedBy("payments", aliases.BUILT_IN),
    Definitions(),
]


def _resolver(
    served: Served, trouble: Callable[[str, Exception], None] = lambda _what, _error: None, **more: Any
) -> Resolver:
    index = DependentsIndex(served, lambda _path, _error: None)
    index.follow(NOTHING)
    return Resolver(served, index, lambda: True, trouble, **more)


@pytest.mark.parametrize("lookup", LOOKUPS, ids=lambda lookup: type(lookup).__name__)
def test_what_fails_is_not_known_and_told(lookup: Lookup[Any]) -> None:
    """In the look-up's own words, whatever the API server said; what owns what is not known for policies of later."""

    class Failing(Served):
        def _call(self, *_: Any, **__: Any) -> Any:
            raise ApiError(503, "the password is hunter2")

    told: list[Exception] = []
    resolver = _resolver(Failing(), lambda _, error: told.append(error))
    with pytest.raises(Unknown) as raised:
        resolver.answer(lookup, PROTECTING, within())
    assert raised.value.what == lookup.unanswered.what
    assert len(told) == 1


def test_each_look_up_is_answered_in_its_place() -> None:
    """With what the API server says, or what is mirrored of it."""
    served = Served(
        {
            CHECKOUT_PATH: {"metadata": {"uid": "1"}},
            PODS_PATH: {"metadata": {}, "items": []},
            f"{PODS_PATH}/p": {"spec": {"serviceAccountName": "worker"}},
            "/api": {"items": []},
            "/apis": {"items": []},
            REVIEWS: {"status": {"allowed": True}},
            "/apis/apiregistration.k8s.io/v1/apiservices": {"metadata": {}, "items": []},
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/r": {"rules": []},
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions": {"metadata": {}, "items": [{}, {}]},
        }
    )
    held = HeldResource(resolved(DEPLOYMENTS), whole=False)
    served.answers["/apis/apps/v1/namespaces/payments/deployments"] = {"metadata": {}, "items": []}
    resolver = _resolver(served)

    def answer(lookup: Lookup[Any]) -> Any:
        return resolver.answer(lookup, NOTHING, within())

    assert answer(ViewIsFresh()) is True
    assert answer(Definitions()) == 2
    assert [metadata.uid for metadata in answer(ReadObjects((CHECKOUT,))).values()] == ["1"]
    assert answer(NamespaceContents("payments", (held,))) == {DEPLOYMENTS: []}
    assert answer(Dependents(frozenset({"uid"}), target())) == []
    served.answers |= {"/api/v1/pods": {"metadata": {}, "items": []}, "/apis": {"items": [], "groups": []}}
    assert answer(PodsOn("n1")) == []
    assert answer(Uncontrolled(resolved(PODS), "payments", "app=broker")) == []
    assert answer(Selecting((resolved(DEPLOYMENTS),), "payments", (("app", "broker"),))) == []
    assert answer(Selected((resolved(DEPLOYMENTS),), "payments", ())) == []
    served.answers["/apis/apps/v1/namespaces/payments/replicasets"] = {"metadata": {}, "items": []}
    assert answer(ReplicaSets("payments", "app=broker")) == []
    served.answers["/apis/apps/v1/namespaces/payments/statefulsets"] = {"metadata": {}, "items": []}
    assert answer(Claimants("payments")) == []
    served.answers[PODS_PATH] = {"metadata": {}, "items": []}
    assert answer(Sharing((resolved(DEPLOYMENTS),), "payments", (), ())) == []
    assert answer(Adopting("payments", "uid", ((resolved(PODS), (resolved(DEPLOYMENTS),)),), None)) == []
    assert answer(Holders(resolved(PODS), "payments", ("spec", "volumeName"))) == []
    assert answer(OfClass(resolved(PODS), "nginx")) == []
    assert answer(Called(resolved(PODS), ("shop",))) == []
    assert answer(Namings(GEAR, "")) == []
    served.answers["/apis/apiextensions.k8s.io/v1/customresourcedefinitions"] = {"metadata": {}, "items": []}
    assert answer(Namings(None, "payments")) == []
    assert answer(Hosting(resolved(PODS), ("shop.example.com",))) == []
    assert answer(Overlapping(resolved(PODS), "payments", ())) == []
    served.answers["/apis/autoscaling/v2/namespaces/payments/horizontalpodautoscalers"] = {"metadata": {}, "items": []}
    assert answer(ScaledBy("payments", ())) == []
    served.answers["/api/v1/persistentvolumes"] = {"metadata": {}, "items": []}
    assert answer(FreeVolumes(())) == []
    served.answers["/api/v1/persistentvolumeclaims"] = {"metadata": {}, "items": []}
    assert answer(Claims()) == []
    assert answer(ControlledIn(resolved(PODS), "payments")) == []
    served.answers["/apis/apps/v1/daemonsets"] = {"metadata": {}, "items": []}
    assert answer(DaemonSets()) == []
    served.answers["/api/v1/namespaces/payments/secrets"] = {"metadata": {}, "items": []}
    assert answer(Tokens("payments", "worker")) == []
    assert answer(AliasedBy("payments", aliases.BUILT_IN)) == frozenset()
    assert answer(OwningResources("")) == frozenset()
    assert answer(MissingOwners("payments", (REAL,))) == {REAL}
    served.answers["/apis/rbac.authorization.k8s.io/v1/clusterroles/r"] = {"rules": []}
    assert answer(RoleRules(RoleRef("", "r"))) == []
    assert pod_templates.account(answer(RunningPod("payments", "p"))) == "worker"
    assert answer(SecretTokens("payments", ())) == TokenAccounts()
    assert answer(ReadableTokens(Account("payments", "worker"))) == TokenAccounts()
    served.answers |= {"/apis/example.com": {"versions": []}}
    assert answer(StorageVersion(GroupResource("example.com", "gears"), "v1")) == "v1"
    assert answer(ServedElsewhere("acme.example.com")) is False
    assert answer(FirstRight(Account("payments", "worker"), (RIGHT,))) == RIGHT


def test_a_question_of_another_kind_is_a_fault_and_no_answer() -> None:
    """Whoever adds one adds its answer."""

    class New(Lookup[bool], frozen=True):
        pass

    with pytest.raises(TypeError, match="New"):
        _resolver(Served()).answer(New(), NOTHING, within())


def test_one_deadline_holds_for_all_look_ups_of_a_review() -> None:
    """Each takes what the ones before it have left; when that is nothing, nobody is asked any more."""

    def slow(asked: Asked) -> Any:
        time.sleep(min(0.15, asked.timeout))
        return {"metadata": {"uid": "1"}}

    served = Served({CHECKOUT_PATH: slow})
    resolver, started = _resolver(served), time.monotonic()
    deadline = started + 0.4
    for _ in range(3):
        resolver.answer(ReadObjects((CHECKOUT,)), NOTHING, deadline)
    with pytest.raises(Unknown):
        resolver.answer(ReadObjects((CHECKOUT,)), NOTHING, deadline)
    assert time.monotonic() - started < 1.0
    assert len(served.asked) == 3
    timeouts = [asked.timeout for asked in served.asked]
    assert timeouts == sorted(timeouts, reverse=True)
    assert timeouts[0] <= 0.4


def test_a_review_has_eight_seconds() -> None:
    """The API server waits ten, and a reason must still reach it."""
    assert SECONDS < 10
    assert 0 < within() - time.monotonic() <= SECONDS


def test_a_crowd_waits_no_longer_than_its_deadline() -> None:
    """For a place too."""
    asked, over = threading.Event(), threading.Event()

    def hang(_: Asked) -> Any:
        asked.set()
        over.wait(10)
        return 0

    path = "/apis/apps/v1/namespaces/payments/deployments"
    resolver = _resolver(Served({path: hang}), at_once=1)
    lookup = LOOKUPS[1]
    with ThreadPoolExecutor(1) as beside:
        first = beside.submit(resolver.answer, lookup, NOTHING, within(5.0))
        assert asked.wait(5)
        started = time.monotonic()
        with pytest.raises(Unknown):
            resolver.answer(lookup, NOTHING, within(0.2))
        assert time.monotonic() - started < 1.0
        over.set()
        assert isinstance(first.exception(5), Unknown)


def test_what_is_at_hand_is_answered_at_once() -> None:
    """That the view is fresh, and that nothing is owned where that is known."""
    served = Served()
    resolver = _resolver(served)
    dependents = Dependents(frozenset({"uid"}), target())
    assert resolver.at_hand(ViewIsFresh(), PROTECTING) is True
    assert resolver.at_hand(dependents, NOTHING) == ()
    assert resolver.at_hand(dependents, PROTECTING) is LATER
    for lookup in (*LOOKUPS[:2], *LOOKUPS[3:]):
        assert resolver.at_hand(lookup, NOTHING) is LATER
    assert served.asked == []


def test_what_goes_along_is_what_the_index_finds() -> None:
    """For the keys and the object that are asked about, under the policies of the decision."""
    owned = [Dependent(resolved(DEPLOYMENTS), "payments", "checkout", "1", DEPLOYMENTS)]
    asked: list[Any] = []

    class Finding(DependentsIndex):
        def dependents(self, *given: Any) -> Any:
            asked.append(given)
            return owned

        def none_owned(self, *_: Any) -> bool:
            return False

    index = Finding(Served(), lambda _path, _error: None)
    resolver = Resolver(Served(), index, lambda: True, lambda _what, _error: None)
    lookup = Dependents(frozenset({"uid"}), target())
    assert resolver.at_hand(lookup, PROTECTING) is LATER
    assert resolver.answer(lookup, PROTECTING, within()) == owned
    assert asked == [(PROTECTING, lookup.keys, lookup.target)]


class _Loading(DependentsIndex):
    """Knows what goes along when it is asked for the third time."""

    asked = 0

    def dependents(self, *_: Any) -> Any:
        self.asked += 1
        return [] if self.asked > 2 else None


def test_what_names_an_owner_is_waited_for_until_it_is_listed() -> None:
    """A chart defines one kind after another, each of which is followed first where a policy stands for all."""
    index = _Loading(Served(), lambda _path, _error: None)
    resolver = Resolver(Served(), index, lambda: True, lambda _what, _error: None)
    assert resolver.answer(NamingOwners(frozenset({"/v1/X"}), target()), PROTECTING, within()) == []
    assert index.asked == 3


@pytest.mark.parametrize("for_good", [True, False])
def test_nobody_waits_for_what_is_not_known_in_time_or_ever(for_good: bool) -> None:
    """The deadline is the review's; what is more than can be followed is asked for once."""
    index = _Loading(Served(), lambda _path, _error: None)
    resolver = Resolver(Served(), index, lambda: True, lambda _what, _error: None)
    policies = PolicyIndex([policy(resolution_current=False)]) if for_good else PROTECTING
    with pytest.raises(Unknown, match="names an owner"):
        resolver.answer(
            NamingOwners(frozenset({"/v1/X"}), target()), policies, within() if for_good else time.monotonic()
        )
    assert index.asked == 1
