"""Objects that are read, and what namespaces hold: what is asked, page by page, and what is no answer."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from tests.support.builders import CONFIG_MAPS, DEPLOYMENT, resolved, target
from tests.support.served import Asked, Served

from seconder.admission.indirect import aliases, references
from seconder.admission.indirect.scaling import SCALED_OBJECTS
from seconder.admission.kinds import INGRESSES, NETWORK_POLICY, POD_CHOOSERS
from seconder.admission.lookups import (
    Adopting,
    AliasedBy,
    Called,
    Claim,
    Claimant,
    Claimants,
    ControlledIn,
    DaemonSet,
    FreeVolume,
    FreeVolumes,
    HeldResource,
    Holder,
    Holders,
    Hosting,
    NamespaceContents,
    Naming,
    ObjectRef,
    OfClass,
    Overlapping,
    Placed,
    PodsOn,
    ReadObjects,
    ReplicaSet,
    ReplicaSets,
    Scaled,
    ScaledBy,
    Selected,
    Selecting,
    Sharing,
    Tokens,
    Uncontrolled,
)
from seconder.admission.request import Owner
from seconder.api.label_selector import Operator, Requirement
from seconder.api.resources import NAMESPACES, GroupResource, ResolvedResource, Target
from seconder.client import objects
from seconder.client.api import ApiError
from seconder.client.objects import Objects, TooLate

PODS = ResolvedResource(GroupResource("", "pods"), "v1", namespaced=True, custom=False)
WIDGETS = ResolvedResource(GroupResource("example.com", "widgets"), "v2", namespaced=True, custom=True)
PODS_PATH = "/api/v1/namespaces/payments/pods"
WIDGETS_PATH = "/apis/example.com/v2/namespaces/payments/widgets"
DEPLOYMENT_PATH = "/apis/apps/v1/namespaces/payments/deployments/checkout"


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Ask two at once."""
    with ThreadPoolExecutor(2) as made:
        yield made


def _object(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "uid": f"uid-{name}"}}


def _list(*names: str, more: str = "") -> dict[str, Any]:
    return {"metadata": {"continue": more}, "items": [_object(name) for name in names]}


def _contents(
    served: Served, pool: ThreadPoolExecutor, *held: tuple[ResolvedResource, bool], seconds: float = 5.0
) -> Any:
    lookup = NamespaceContents("payments", tuple(HeldResource(*one) for one in held))
    return Objects(served, pool).contents(lookup, time.monotonic() + seconds)


def _read(served: Served, pool: ThreadPoolExecutor, *wanted: Target, seconds: float = 5.0) -> Any:
    refs = tuple(ObjectRef(resolved(one.resource), one.namespace, one.name) for one in wanted)
    metadata_of = Objects(served, pool).read(ReadObjects(refs), time.monotonic() + seconds)
    return {ref.name: metadata for ref, metadata in metadata_of.items()}


def test_objects_are_read_where_they_are(pool: ThreadPoolExecutor) -> None:
    """One or several, as metadata alone; what is not there is left out."""
    held = {"uid": DEPLOYMENT.uid, "annotations": {"a": "b"}, "deletionTimestamp": "2026-11-22T00:00:00Z"}
    served = Served({DEPLOYMENT_PATH: {"metadata": held}, "/api/v1/namespaces/payments": {"metadata": {"uid": "2"}}})
    assert _read(served, pool, target(CONFIG_MAPS, "gone")) == {}
    metadata = _read(served, pool, DEPLOYMENT)["checkout"]
    assert (metadata.uid, metadata.annotations, metadata.deletion_timestamp) == tuple(held.values())
    several = _read(served, pool, DEPLOYMENT, target(NAMESPACES, "payments"), target(CONFIG_MAPS, "gone"))
    assert {name: metadata.uid for name, metadata in several.items()} == {"checkout": DEPLOYMENT.uid, "payments": "2"}
    assert all("PartialObjectMetadata" in asked.accept for asked in served.asked)


@pytest.mark.parametrize("status", [0, 401, 403, 410, 429, 500, 503])
def test_an_object_that_cannot_be_read_is_not_taken_for_gone(pool: ThreadPoolExecutor, status: int) -> None:
    """Alone or among others."""
    served = Served({DEPLOYMENT_PATH: status})
    for wanted in ([DEPLOYMENT], [target(CONFIG_MAPS, "gone"), DEPLOYMENT]):
        with pytest.raises(ApiError):
            _read(served, pool, *wanted)


def test_look_ups_ask_in_the_named_version_and_namespace(pool: ThreadPoolExecutor) -> None:
    """One object is enough to know that there is one; all are fetched, page by page, where all count."""

    def pods(asked: Asked) -> Any:
        return _list("p", more="more" if asked.query["limit"] == "1" else "")

    def widgets(asked: Asked) -> Any:
        return _list(f"w{asked.query.get('continue', '1')}", more="" if "continue" in asked.query else "2")

    served = Served({PODS_PATH: pods, WIDGETS_PATH: widgets})
    contents = _contents(served, pool, (PODS, False), (WIDGETS, True))
    assert [item.name for item in contents[PODS.resource]] == ["p"]
    assert [(item.name, item.uid) for item in contents[WIDGETS.resource]] == [("w1", "uid-w1"), ("w2", "uid-w2")]


def test_an_empty_page_is_not_an_empty_namespace(pool: ThreadPoolExecutor) -> None:
    """While others follow, there may be something on them."""
    served = Served({PODS_PATH: lambda asked: _list("p") if "continue" in asked.query else _list(more="2")})
    assert _contents(served, pool, (PODS, False))[PODS.resource]


@pytest.mark.parametrize("status", [401, 403, 404, 410, 429, 500, 503])
def test_a_look_up_that_is_refused_is_a_failure_and_no_answer(pool: ThreadPoolExecutor, status: int) -> None:
    """Also when the other look-ups succeed."""
    served = Served({PODS_PATH: _list("p"), WIDGETS_PATH: status})
    with pytest.raises(ApiError):
        _contents(served, pool, (PODS, False), (WIDGETS, False))


def test_a_slow_look_up_fails_in_time(pool: ThreadPoolExecutor) -> None:
    """Within the bound for all of them together, however slowly each page trickles in, or an object comes."""

    def slow(_: Asked) -> Any:
        time.sleep(0.1)
        return _list("p", more="more")

    def never(asked: Asked) -> Any:
        time.sleep(asked.timeout)
        return 0

    served = Served({PODS_PATH: slow, WIDGETS_PATH: never, DEPLOYMENT_PATH: never})
    asks: list[Callable[[], Any]] = [
        lambda: _contents(served, pool, (PODS, True), seconds=0.3),
        lambda: _contents(served, pool, (WIDGETS, False), seconds=0.3),
        lambda: _read(served, pool, DEPLOYMENT, seconds=0.3),
        lambda: _read(served, pool, DEPLOYMENT, target(CONFIG_MAPS), seconds=0.3),
    ]
    for ask in asks:
        started = time.monotonic()
        with pytest.raises((ApiError, TimeoutError, TooLate)):
            ask()
        assert time.monotonic() - started < 1.0


def test_a_look_up_of_too_many_objects_fails(pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded too."""
    monkeypatch.setattr(objects, "_MOST", 100)
    served = Served({PODS_PATH: _list(*(f"p{number}" for number in range(60)), more="more")})
    with pytest.raises(TooLate, match="more than 100 pods"):
        _contents(served, pool, (PODS, True))


GROUPS = {
    "groups": [
        {"name": name, "versions": [{"groupVersion": f"{name}/v9"}, {"groupVersion": f"{name}/v2"}]}
        for name in ("apps", "hnc.x-k8s.io", "helm.cattle.io", "capsule.clastix.io")
    ]
}
ANCHORS = "/apis/hnc.x-k8s.io/v2/namespaces/above/subnamespaceanchors"
CHARTS = "/apis/helm.cattle.io/v2/namespaces/above/helmcharts"


def _aliased(served: Served, pool: ThreadPoolExecutor) -> set[str]:
    lookup = AliasedBy("above", aliases.BUILT_IN)
    return {name for _, name in Objects(served, pool).aliased(lookup, time.monotonic() + 5.0)}


def test_what_stands_for_other_namespaces_is_listed_where_it_is_served(pool: ThreadPoolExecutor) -> None:
    """In whichever version; another kind of the group may have a newer one. Kinds of no namespace have none there."""
    here = {"namespace": "above"}
    charts = [{"metadata": here, "spec": {"targetNamespace": "shop"}}, {"metadata": here, "spec": {}}]
    served = Served({"/apis": GROUPS, ANCHORS: _list("till"), CHARTS: {"metadata": {}, "items": charts}})
    assert _aliased(served, pool) == {"till", "shop", "above"}
    assert len(served.asked) == 7
    assert _aliased(Served({"/apis": {"groups": []}}), pool) == set()


@pytest.mark.parametrize("status", [0, 401, 403, 429, 500, 503])
def test_what_cannot_be_listed_does_not_stand_for_nothing(pool: ThreadPoolExecutor, status: int) -> None:
    """Nor does an object that does not tell."""
    with pytest.raises(ApiError):
        _aliased(Served({"/apis": GROUPS, ANCHORS: status}), pool)
    with pytest.raises(ApiError):
        _aliased(Served({"/apis": status}), pool)
    odd = {"metadata": {}, "items": [{"spec": {"targetNamespace": 1}}]}
    with pytest.raises(TooLate):
        _aliased(Served({"/apis": GROUPS, CHARTS: odd}), pool)


def test_what_no_controller_has_is_listed_by_labels(pool: ThreadPoolExecutor) -> None:
    """An owner that is no controller keeps no controller from taking it."""
    items = [
        {"metadata": {"namespace": "payments", "name": name, "uid": f"uid-{name}", "ownerReferences": owners}}
        for name, owners in (
            ("free", None),
            ("owned", [{"kind": "ConfigMap"}]),
            ("taken", [{"kind": "ReplicaSet", "controller": True}]),
            ("daemon", [{"kind": "DaemonSet", "controller": True}]),
        )
    ]
    path = "/api/v1/namespaces/payments/pods"
    served = Served({path: {"metadata": {}, "items": items}, "/api/v1/pods": {"metadata": {}, "items": items}})
    objects, deadline = Objects(served, pool), time.monotonic() + 5.0
    asked = Uncontrolled(PODS, "payments", "app=broker")
    assert [found.name for found in objects.uncontrolled(asked, deadline)] == ["free", "owned"]
    assert served.asked[-1].query["labelSelector"] == "app=broker"
    assert [found.name for found in objects.pods_on(PodsOn("n1", daemons=True), deadline)] == ["daemon"]


def test_what_controllers_have_is_listed_by_these(pool: ThreadPoolExecutor) -> None:
    """By the metadata alone, of one namespace or of all; what nobody controls is left out."""

    def pod(name: str, owner: str, **reference: Any) -> dict[str, Any]:
        references = [
            {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": owner, "uid": f"uid-{owner}", **reference}
        ]
        return {"metadata": {"name": name, "namespace": "payments", "uid": name, "ownerReferences": references}}

    there = [pod("a", "web", controller=True), pod("b", "db", controller=True), pod("c", "web")]
    page = {"metadata": {}, "items": [*there, {"metadata": {"name": "d", "namespace": "payments", "uid": "d"}}]}
    served = Served({PODS_PATH: page, "/api/v1/pods": page})
    found = Objects(served, pool)

    def controlled(lookup: ControlledIn) -> list[tuple[str, str]]:
        return [(each.placed.uid, each.controller.uid) for each in found.controlled(lookup, time.monotonic() + 5.0)]

    assert controlled(ControlledIn(PODS, "payments")) == [("a", "uid-web"), ("b", "uid-db")]
    assert controlled(ControlledIn(PODS, "", "uid-db")) == [("b", "uid-db")]
    assert all("PartialObjectMetadataList" in each.accept for each in served.asked)


def test_token_secrets_are_listed_by_whose_they_are(pool: ThreadPoolExecutor) -> None:
    """Of their type alone, as the API server selects it."""
    items = [
        {"metadata": {"namespace": "payments", "name": name, "uid": f"uid-{name}", "annotations": annotations}}
        for name, annotations in (
            ("mine", {"kubernetes.io/service-account.name": "worker"}),
            ("other", {"kubernetes.io/service-account.name": "web"}),
            ("bare", None),
        )
    ]
    served = Served({"/api/v1/namespaces/payments/secrets": {"metadata": {}, "items": items}})
    found = Objects(served, pool).tokens(Tokens("payments", "worker"), time.monotonic() + 5.0)
    assert found == [Placed("payments", "mine", "uid-mine")]
    assert served.asked[-1].query["fieldSelector"] == "type=kubernetes.io/service-account-token"


def test_what_selects_labels_is_found_among_workloads(pool: ThreadPoolExecutor) -> None:
    """By the selector in each."""
    deployments = resolved(DEPLOYMENT.resource)
    items = [
        {"metadata": {"name": name, "uid": f"uid-{name}"}, "spec": {"selector": {"matchLabels": labels}}}
        for name, labels in (("web", {"app": "web"}), ("other", {"app": "other"}))
    ]
    served = Served({"/apis/apps/v1/namespaces/payments/deployments": {"metadata": {}, "items": items}})
    asked = Selecting((deployments,), "payments", (("app", "web"), ("team", "shop")))
    found = Objects(served, pool).selecting(asked, time.monotonic() + 5.0)
    assert found == [Target(DEPLOYMENT.resource, "Deployment", "payments", "web", "uid-web")]


def _controlled(name: str, labels: dict[str, str], uid: str = "mine", **more: Any) -> dict[str, Any]:
    above = [{"kind": "ReplicaSet", "uid": "another"}, {"kind": "ReplicaSet", "uid": uid, "controller": True}]
    return {"metadata": {"name": name, "namespace": "payments", "labels": labels, "ownerReferences": above} | more}


_PODS_OF_MINE = (
    _controlled("mine-1", {"app": "web"}),
    _controlled("db-3", {"app": "db"}),
    _controlled("theirs", {"app": "other"}, "another"),
    {"metadata": {"name": "bare", "namespace": "payments"}},
)
_TAKERS = (("deployments", "web"), ("deployments", "other"), ("statefulsets", "db"), ("statefulsets", "web"))


def _takers_of(place: str, labels: Any = None, *pods: Any) -> Callable[[ThreadPoolExecutor], list[str]]:
    """Who takes what an object of uid ``mine`` controls."""
    inside = f"namespaces/{place}/" if place else ""
    answers: dict[str, Any] = {f"/api/v1/{inside}pods": {"metadata": {}, "items": list(pods)}}
    for plural, name in _TAKERS:
        found = answers.setdefault(f"/apis/apps/v1/{inside}{plural}", {"metadata": {}, "items": []})["items"]
        metadata = {"name": name, "namespace": "payments", "uid": f"uid-{name}"}
        found.append({"metadata": metadata, "spec": {"selector": {"matchLabels": {"app": name}}}})
    kinds = tuple(resolved(GroupResource("apps", plural)) for plural in ("deployments", "statefulsets"))
    asked = Adopting(place, "mine", ((PODS, kinds),), labels)

    def found_by(pool: ThreadPoolExecutor) -> list[str]:
        served = Served(answers)
        takers = Objects(served, pool).adopting(asked, time.monotonic() + 5.0)
        assert "PartialObjectMetadata" in served.asked[0].accept
        return [f"{each.resource.resource}/{each.name}" for each in takers]

    return found_by


@pytest.mark.parametrize("place", ["payments", ""])
def test_what_takes_what_an_object_controls_is_found_by_the_labels_that_that_has(
    pool: ThreadPoolExecutor, place: str
) -> None:
    """In the same namespace; a StatefulSet takes pods of its own names alone. What others control stays with them."""
    assert _takers_of(place, None, *_PODS_OF_MINE)(pool) == ["deployments/web", "statefulsets/db"]
    assert _takers_of(place)(pool) == []


def test_what_is_made_meanwhile_is_taken_by_its_labels(pool: ThreadPoolExecutor) -> None:
    """By no StatefulSet, since no other gives such names."""
    assert _takers_of("payments", (("app", "other"), ("mine", "yes")))(pool) == ["deployments/other"]
    assert _takers_of("payments", (("app", "db"),))(pool) == []


def test_a_taker_whose_selector_cannot_be_read_takes_all(pool: ThreadPoolExecutor) -> None:
    """Of its namespace."""
    items = [{"metadata": {"name": "odd", "namespace": "payments", "uid": "u"}, "spec": {"selector": "all"}}]
    served = Served(
        {
            PODS_PATH: {"metadata": {}, "items": list(_PODS_OF_MINE)},
            "/apis/apps/v1/namespaces/payments/deployments": {"metadata": {}, "items": items},
        }
    )
    asked = Adopting("payments", "mine", ((PODS, (resolved(DEPLOYMENT.resource),)),), None)
    assert [each.name for each in Objects(served, pool).adopting(asked, time.monotonic() + 5.0)] == ["odd"]


@pytest.mark.parametrize(
    ("labels", "made", "shared"),
    [
        ({"app": "web", "mine": "x"}, {"app": "web"}, True),
        ({"mine": "x"}, {"app": "web"}, False),
        ({"mine": "x"}, {"app": "web", "mine": "x"}, True),
    ],
)
def test_what_shares_pods_is_found_by_what_is_there_and_by_what_is_made(
    pool: ThreadPoolExecutor, labels: dict[str, str], made: dict[str, str], shared: bool
) -> None:
    """By pods that a selector fits, by those that a template makes, and by those of the workload itself."""
    spec = {"selector": {"matchLabels": {"app": "web"}}, "template": {"metadata": {"labels": made}}}
    workloads = {"metadata": {}, "items": [_object("web") | {"spec": spec}]}
    selector = (Requirement("mine", Operator.IN, frozenset({"x"})),)
    kinds, path = (resolved(DEPLOYMENT.resource),), "/apis/apps/v1/namespaces/payments/deployments"
    asked = [
        ([{"metadata": {"name": "p", "labels": labels}}], Sharing(kinds, "payments", selector, (("mine", "x"),))),
        ([], Sharing(kinds, "payments", selector, tuple(sorted(labels.items())))),
    ]
    for pods, lookup in asked:
        served = Served({PODS_PATH: {"metadata": {}, "items": pods}, path: workloads})
        found = Objects(served, pool).sharing(lookup, time.monotonic() + 5.0)
        assert [each.name for each in found] == (["web"] if shared else [])
        assert served.asked[0].query["labelSelector"] == "mine in (x)"


def test_replica_sets_are_told_by_who_controls_them_and_by_what_they_run(pool: ThreadPoolExecutor) -> None:
    """Those that a selector fits, with the specification of their pods; one that does not say has a size of one."""
    told = {"apiVersion": "apps/v1", "kind": "Deployment"}
    above = {"ownerReferences": [{"uid": "other"}, {**told, "name": "web", "uid": "uid-web", "controller": True}]}
    items = [
        _object("web") | {"spec": {"template": {"spec": {"serviceAccountName": "janitor"}}}},
        _object("bare") | {"spec": {"replicas": 0}},
    ]
    items[0]["metadata"] = {**items[0]["metadata"], **above, "deletionTimestamp": "2026-11-28T12:00:00Z"}
    served = Served({"/apis/apps/v1/namespaces/payments/replicasets": {"metadata": {}, "items": items}})
    asked = ReplicaSets("payments", "app in (web)")
    assert Objects(served, pool).replica_sets(asked, time.monotonic() + 5.0) == [
        ReplicaSet(
            Owner("apps/v1", "Deployment", "web", "uid-web"),
            1,
            msgspec.Raw(b'{"serviceAccountName":"janitor"}'),
            ending=True,
        ),
        ReplicaSet(None, 0, msgspec.Raw(b"null")),
    ]
    assert served.asked[0].query["labelSelector"] == "app in (web)"


def test_stateful_sets_are_told_by_the_claims_that_they_name(pool: ThreadPoolExecutor) -> None:
    """By templates of claims and ephemeral volumes, and whether some of its pods may be of another template."""
    pod = {"spec": {"volumes": [{"name": "tmp", "ephemeral": {}}, {"name": "other", "emptyDir": {}}]}}
    spec = {"volumeClaimTemplates": [{"metadata": {"name": "data"}}], "template": pod}
    items = [
        _object("db") | {"spec": spec, "status": {"currentRevision": "1", "updateRevision": "1"}},
        _object("web") | {"spec": {}, "status": {"currentRevision": "1", "updateRevision": "2"}},
    ]
    served = Served({"/apis/apps/v1/namespaces/payments/statefulsets": {"metadata": {}, "items": items}})
    assert Objects(served, pool).claimants(Claimants("payments"), time.monotonic() + 5.0) == [
        Claimant("db", "uid-db", frozenset({"data"}), frozenset({"tmp"}), rolls=False),
        Claimant("web", "uid-web", frozenset(), frozenset(), rolls=True),
    ]


def test_what_chooses_pods_no_longer_is_found_by_both_labels(pool: ThreadPoolExecutor) -> None:
    """A Service's selector is a plain map, and a NetworkPolicy's has a name of its own."""
    chosen = {"app": "web"}
    specs = {
        "/api/v1/namespaces/payments/services": {"selector": chosen},
        "/apis/policy/v1/namespaces/payments/poddisruptionbudgets": {"selector": {"matchLabels": chosen}},
        "/apis/networking.k8s.io/v1/namespaces/payments/networkpolicies": {"podSelector": {"matchLabels": chosen}},
    }
    served = Served(
        {path: {"metadata": {}, "items": [_object("web") | {"spec": spec}]} for path, spec in specs.items()}
    )
    objects_, web, other = Objects(served, pool), (("app", "web"),), (("app", "other"),)

    def found(labels: Any, but: Any) -> list[str]:
        asked = Selecting(POD_CHOOSERS, "payments", labels, but)
        return [each.kind for each in objects_.selecting(asked, time.monotonic() + 5.0)]

    assert found(web, other) == ["Service", "PodDisruptionBudget", "NetworkPolicy"]
    assert found(web, ()) == ["Service", "PodDisruptionBudget", "NetworkPolicy"]
    assert found(web, web) == found(other, web) == []


def test_workloads_are_found_by_the_labels_of_their_pods(pool: ThreadPoolExecutor) -> None:
    """Where a selector fits them. One whose template nobody can read has none."""
    deployments = resolved(DEPLOYMENT.resource)
    specs: dict[str, Any] = {
        "web": {"template": {"metadata": {"labels": {"app": "web", "team": "shop"}}}},
        "other": {"template": {"metadata": {"labels": {"app": "other"}}}},
        "nightly": {"jobTemplate": {"spec": {"template": {"metadata": {"labels": {"app": "web"}}}}}},
        "odd": {"template": "none"},
        "odder": {"jobTemplate": "none"},
        "none": None,
    }
    items = [{**_object(name), "spec": spec} for name, spec in specs.items()]
    served = Served({"/apis/apps/v1/namespaces/payments/deployments": {"metadata": {}, "items": items}})
    selector = (Requirement("app", Operator.IN, frozenset({"web"})),)
    found = Objects(served, pool).selected(Selected((deployments,), "payments", selector), time.monotonic() + 5.0)
    assert found == [
        Target(DEPLOYMENT.resource, "Deployment", "payments", name, f"uid-{name}") for name in ("web", "nightly")
    ]


def test_a_selector_may_fit_what_controllers_and_admission_add(pool: ThreadPoolExecutor) -> None:
    """Of a kind's own controller, or of Kubernetes' own domains; but nothing that the template has, or others add."""
    kinds = {
        "deployments": "Deployment",
        "statefulsets": "StatefulSet",
        "daemonsets": "DaemonSet",
        "replicasets": "ReplicaSet",
    }
    base = "/apis/apps/v1/namespaces/payments"
    template = {"template": {"metadata": {"labels": {"app": "web"}}}}
    items = {kind: [{**_object(kind), "spec": template}] for kind in kinds}
    served = Served({f"{base}/{kind}": {"metadata": {}, "items": items[kind]} for kind in kinds})
    asked = tuple(
        ResolvedResource(GroupResource("apps", plural), "v1", namespaced=True, custom=False, kind=kind)
        for plural, kind in kinds.items()
    )

    def selected(key: str, operator: Operator = Operator.EXISTS, *others: Requirement) -> set[str]:
        values = frozenset({"x"}) if operator in {Operator.IN, Operator.NOT_IN} else frozenset[str]()
        selector = (Requirement(key, operator, values), *others)
        found = Objects(served, pool).selected(Selected(asked, "payments", selector), time.monotonic() + 5.0)
        return {each.name for each in found}

    everything = set(kinds)
    for operator in (Operator.EXISTS, Operator.IN):
        assert selected("pod-template-hash", operator) == {"deployments"}
        assert selected("controller-revision-hash", operator) == {"daemonsets", "statefulsets"}
        assert selected("pod-template-generation", operator) == {"daemonsets"}
        assert selected("statefulset.kubernetes.io/pod-name", operator) == {"statefulsets"}
        assert selected("apps.kubernetes.io/pod-index", operator) == {"statefulsets"}
        assert selected("topology.kubernetes.io/zone", operator) == everything
        for other in ("job-name", "batch.kubernetes.io/job-name", "app.kubernetes.io/name", "team", "example.com/x"):
            assert selected(other, operator) == set(), other
    for operator in (Operator.DOES_NOT_EXIST, Operator.NOT_IN):
        assert selected("pod-template-hash", operator) == everything
    assert selected("app", Operator.IN) == set()
    mine = Requirement("app", Operator.IN, frozenset({"mine"}))
    assert selected("topology.kubernetes.io/zone", Operator.EXISTS, mine) == set()


def test_what_chooses_pods_by_what_is_added_loses_them_by_the_rest(pool: ThreadPoolExecutor) -> None:
    """A Service for one pod of a StatefulSet, where the template gets other labels."""
    services = ResolvedResource(GroupResource("", "services"), "v1", namespaced=True, custom=False, kind="Service")
    one = {"app": "db", "statefulset.kubernetes.io/pod-name": "db-0"}
    document = _object("db-0") | {"spec": {"selector": one}}
    served = Served({"/api/v1/namespaces/payments/services": {"metadata": {}, "items": [document]}})
    sets = GroupResource("apps", "statefulsets")

    def lost(before: dict[str, str], after: dict[str, str], by: GroupResource | None = sets) -> bool:
        labels, but = (tuple(sorted(each.items())) for each in (before, after))
        asked = Selecting((services,), "payments", labels, but, by)
        return bool(Objects(served, pool).selecting(asked, time.monotonic() + 5.0))

    assert lost({"app": "db"}, {"app": "other"})
    assert lost(one, {"app": "db"})
    assert not lost({"app": "db"}, {"app": "db", "a": "b"})
    assert not lost({"app": "db", "a": "b"}, {"app": "db"})
    assert not lost({"app": "db"}, {"app": "other"}, GroupResource("apps", "deployments"))
    assert not lost({"app": "db"}, {"app": "other"}, None)


def test_volumes_that_wait_for_a_claim_are_listed_or_read_by_name(pool: ThreadPoolExecutor) -> None:
    """Those that are bound are no answer, nor is one that is not there."""
    free, bound = _object("free"), _object("bound") | {"spec": {"claimRef": {"name": "c", "uid": "u"}}}
    kept = _object("kept") | {"spec": {"persistentVolumeReclaimPolicy": "Retain"}}
    path = "/api/v1/persistentvolumes"
    served = Served(
        {path: {"metadata": {}, "items": [free, bound, kept]}, f"{path}/free": free, f"{path}/bound": bound}
    )
    objects_ = Objects(served, pool)
    wanted = [FreeVolume("free", "uid-free", (), None)]
    both = [*wanted, FreeVolume("kept", "uid-kept", (), None, retained=True)]
    assert objects_.free_volumes(FreeVolumes(()), time.monotonic() + 5.0) == both
    assert objects_.free_volumes(FreeVolumes(("bound", "free", "gone")), time.monotonic() + 5.0) == wanted
    with pytest.raises(TooLate):
        objects_.free_volumes(FreeVolumes(()), time.monotonic() - 1.0)


def test_all_claims_are_listed_with_what_they_ask_for(pool: ThreadPoolExecutor) -> None:
    """A volume, or one of a class."""
    waits, has = _object("waits"), _object("has") | {"spec": {"volumeName": "pv-1"}}
    waits |= {"spec": {"storageClassName": "fast"}}
    for each in (waits, has):
        each["metadata"]["namespace"] = "payments"
    served = Served({"/api/v1/persistentvolumeclaims": {"metadata": {}, "items": [waits, has]}})
    found = Objects(served, pool).claims(time.monotonic() + 5.0)
    assert found == [
        Claim("payments", "waits", "uid-waits", "", ("fast",)),
        Claim("payments", "has", "uid-has", "pv-1", ()),
    ]


def test_all_daemon_sets_are_listed_with_where_their_pods_go(pool: ThreadPoolExecutor) -> None:
    """The spec of the template alone."""
    pod = {"nodeSelector": {"role": "edge"}}
    one = _object("cni") | {"spec": {"template": {"spec": pod}}}
    one["metadata"]["namespace"] = "net"
    served = Served({"/apis/apps/v1/daemonsets": {"metadata": {}, "items": [one]}})
    assert Objects(served, pool).daemon_sets(time.monotonic() + 5.0) == [DaemonSet("net", "cni", "uid-cni", pod)]


def test_ingresses_are_found_by_their_class(pool: ThreadPoolExecutor) -> None:
    """In all namespaces."""
    kind = ResolvedResource(GroupResource("networking.k8s.io", "ingresses"), "v1", namespaced=True, custom=False)
    shop, other = _object("shop"), _object("other")
    shop["metadata"]["namespace"] = "payments"
    items = [shop | {"spec": {"ingressClassName": "nginx"}}, other | {"spec": {}}, other]
    served = Served({"/apis/networking.k8s.io/v1/ingresses": {"metadata": {}, "items": items}})
    found = Objects(served, pool).of_class(OfClass(kind, "nginx"), time.monotonic() + 5.0)
    assert found == [Placed("payments", "shop", "uid-shop")]


def test_what_is_called_so_is_found_wherever_it_is(pool: ThreadPoolExecutor) -> None:
    """By one name or several. Of a kind that is not served there is none."""
    shop, other = _object("shop"), _object("other")
    for each, place in ((shop, "payments"), (other, "dev")):
        each["metadata"]["namespace"] = place
    served = Served({"/apis/example.com/v2/widgets": {"metadata": {}, "items": [shop, other]}})

    def found(kind: ResolvedResource, *names: str) -> list[Placed]:
        return Objects(served, pool).called(Called(kind, names), time.monotonic() + 5.0)

    assert found(WIDGETS, "shop") == [Placed("payments", "shop", "uid-shop")]
    assert found(WIDGETS, "shop", "other", "gone") == [
        Placed("payments", "shop", "uid-shop"),
        Placed("dev", "other", "uid-other"),
    ]
    assert found(replace(WIDGETS, version="v3"), "shop") == []
    served.answers["/apis/example.com/v2/widgets"] = 503
    with pytest.raises(ApiError):
        found(WIDGETS, "shop")


def test_ingresses_are_found_by_their_hosts(pool: ThreadPoolExecutor) -> None:
    """In all namespaces, by their annotations too; one that nobody can read has all."""
    specs: dict[str, Any] = {
        "shop": {"rules": [{"host": "shop.example.com"}]},
        "other": {"rules": [{"host": "other.example.com"}]},
        "all": {"defaultBackend": {"service": {"name": "x"}}},
        "odd": {"rules": "x"},
    }
    items = [_object(name) | {"spec": spec} for name, spec in specs.items()]
    items[1]["metadata"]["annotations"] = {"a.example.com/server-alias": "alias.example.com"}
    for each in items:
        each["metadata"]["namespace"] = "payments"
    served = Served({"/apis/networking.k8s.io/v1/ingresses": {"metadata": {}, "items": items}})

    def found(*hosts: str) -> list[str]:
        objects_ = Objects(served, pool)
        return [each.name for each in objects_.hosting(Hosting(INGRESSES, hosts), time.monotonic() + 5.0)]

    assert found("shop.example.com") == ["shop", "all", "odd"]
    assert found("alias.example.com") == ["other", "all", "odd"]
    assert found("") == ["shop", "other", "all", "odd"]


def test_what_selects_the_same_is_found_by_its_selector(pool: ThreadPoolExecutor) -> None:
    """One that nobody can read may."""
    specs: dict[str, Any] = {
        "web": {"podSelector": {"matchLabels": {"app": "web"}}},
        "db": {"podSelector": {"matchLabels": {"app": "db"}}},
        "odd": {"podSelector": "x"},
    }
    items = [_object(name) | {"spec": spec} for name, spec in specs.items()]
    for each in items:
        each["metadata"]["namespace"] = "payments"
    path = "/apis/networking.k8s.io/v1/namespaces/payments/networkpolicies"
    served = Served({path: {"metadata": {}, "items": items}})
    asked = Overlapping(NETWORK_POLICY, "payments", (Requirement("app", Operator.IN, frozenset({"web"})),))
    found = Objects(served, pool).overlapping(asked, time.monotonic() + 5.0)
    assert [each.name for each in found] == ["web", "odd"]


def test_autoscalers_are_found_by_their_target(pool: ThreadPoolExecutor) -> None:
    """In whatever version that is named, with what controls them where that is KEDA's."""
    made = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "k", "uid": "uid-k", "controller": True}
    items = []
    for name, version, on in (("a", "apps/v1", "web"), ("b", "apps/v1beta1", "web"), ("c", "apps/v1", "db")):
        named = {"apiVersion": version, "kind": "Deployment", "name": on}
        items.append(_object(name) | {"spec": {"scaleTargetRef": named}})
    items[1]["metadata"]["ownerReferences"] = [made]
    path = "/apis/autoscaling/v2/namespaces/payments/horizontalpodautoscalers"
    served = Served({path: {"metadata": {}, "items": items}})
    asked = ScaledBy("payments", (Scaled("apps", "Deployment", "web"),))
    found = Objects(served, pool).scaling(asked, time.monotonic() + 5.0)
    assert [each.name for each in found] == ["a", "b", "k"]


def test_what_holds_storage_is_listed_by_the_name_of_that(pool: ThreadPoolExecutor) -> None:
    """What holds none is left out; a kind that is not served holds nothing."""
    claims = resolved(GroupResource("", "persistentvolumeclaims"))
    path = "/api/v1/namespaces/payments/persistentvolumeclaims"
    items = [_object("a") | {"spec": {"volumeName": "pv-1"}}, _object("b") | {"spec": {}}, _object("c")]
    served = Served({path: {"metadata": {}, "items": items}})
    asked = Holders(claims, "payments", ("spec", "volumeName"))
    assert Objects(served, pool).holders(asked, time.monotonic() + 5.0) == [Holder("uid-a", "pv-1")]
    assert Objects(Served({}), pool).holders(asked, time.monotonic() + 5.0) == []


def test_the_pods_of_a_node_are_listed_page_by_page(pool: ThreadPoolExecutor) -> None:
    """By their node, as metadata alone."""
    found = iter([("a", "more"), ("b", "")])

    def page(asked: Asked) -> Any:
        name, more = next(found)
        listed = _list(name, more=more)
        listed["items"][0]["metadata"]["namespace"] = "payments"
        return listed

    served = Served({"/api/v1/pods": page})
    pods = Objects(served, pool).pods_on(PodsOn("n1"), time.monotonic() + 5.0)
    assert pods == [Placed("payments", "a", "uid-a"), Placed("payments", "b", "uid-b")]
    assert all(asked.query["fieldSelector"] == "spec.nodeName=n1" for asked in served.asked)


def test_objects_without_a_uid_are_no_answer(pool: ThreadPoolExecutor) -> None:
    """Another server may give such; whoever asks is refused, and nothing breaks."""
    bare = {"metadata": {}, "items": [{"metadata": {"name": "real"}}]}
    path = "/apis/apps/v1/namespaces/payments/deployments"
    held = NamespaceContents("payments", (HeldResource(resolved(DEPLOYMENT.resource), whole=True),))
    served = Objects(Served({path: bare, "/api/v1/pods": bare}), pool)
    with pytest.raises(TooLate, match="an object has no uid"):
        served.contents(held, time.monotonic() + 5)
    with pytest.raises(TooLate, match="an object has no namespace"):
        served.pods_on(PodsOn("n1"), time.monotonic() + 5)


GEARS_PATH = "/apis/example.com/v2/widgets"


def _naming(name: str, place: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": place, "uid": name}, "spec": spec}


def _namings(served: Served, pool: ThreadPoolExecutor, *kinds: ResolvedResource, place: str = "") -> list[Naming]:
    return Objects(served, pool).namings(kinds, place, time.monotonic() + 5.0)


def test_what_custom_resources_name_is_told_with_their_namespaces(pool: ThreadPoolExecutor) -> None:
    """Once each, page by page; of what names nothing, and of kinds that are not served, there is nothing."""
    documents = [
        _naming("a", "payments", deployments=["shop"]),
        _naming("b", "payments", deployments=["shop"]),
        _naming("c", "web", deployments=["shop"]),
        _naming("d", "web", size=1),
    ]
    served = Served({GEARS_PATH: {"metadata": {}, "items": documents}})
    gone = replace(WIDGETS, resource=GroupResource("example.com", "gone"))
    shop = references.found({"deployments": ["shop"]})
    assert sorted(_namings(served, pool, WIDGETS, gone), key=str) == [Naming("payments", shop), Naming("web", shop)]
    served.answers[WIDGETS_PATH] = {"metadata": {}, "items": documents[:1]}
    assert _namings(served, pool, WIDGETS, place="payments") == [Naming("payments", shop)]
    # Of kinds of which rules tell what they do, nothing is asked.
    assert _namings(served, pool, ResolvedResource(SCALED_OBJECTS, "v1alpha1", True, True)) == []


@pytest.mark.parametrize("bound", ["_MOST_READ", "_MOST_BYTES", "_MOST_KINDS"])
def test_of_too_many_custom_resources_nobody_tells_what_they_name(
    pool: ThreadPoolExecutor, bound: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor of too large ones, or of too many kinds."""
    documents = [_naming(str(number), "web", size="x" * 100) for number in range(20)]
    served = Served({GEARS_PATH: {"metadata": {}, "items": documents}})
    assert _namings(served, pool, WIDGETS) == []
    monkeypatch.setattr(objects, bound, 0 if bound == "_MOST_KINDS" else 19)
    with pytest.raises(TooLate, match="more than"):
        _namings(served, pool, WIDGETS)


@pytest.mark.parametrize("status", [0, 403, 500])
def test_what_cannot_be_listed_is_not_taken_for_naming_nothing(pool: ThreadPoolExecutor, status: int) -> None:
    """A kind that the webhook may not read, or a conversion that fails."""
    with pytest.raises(ApiError):
        _namings(Served({GEARS_PATH: status}), pool, WIDGETS)
