"""The contract of each rule with its prefilter, on the real API server: what a rule would find, Seconder is asked."""

import base64
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from tests.support.certificates import certificate_request
from tests.support.cluster import Cluster, eventually
from tests.support.recorder import Recorder
from tests.support.requests import Call, client

from localstack.stack import Stack
from seconder.admission import codec, lookups
from seconder.admission.findings import Affected, Cleared
from seconder.admission.lookups import Unknown
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.review import ReviewContext
from seconder.admission.rule import Rule
from seconder.admission.rules import RULES
from seconder.admission.state import ClusterState
from seconder.api.label_selector import Operator, Requirement
from seconder.api.policy import Mode, Policy, Subjects
from seconder.api.resources import GroupResource, ResolvedResource
from seconder.approvals.registry import Registry
from seconder.approvals.verification import Memo
from seconder.client import client_config
from seconder.client.api import Api
from seconder.client.listed_dependents import ListedDependents
from seconder.client.resolver import Resolver, within
from seconder.operator.webhook_configuration import Endpoint, configuration

pytestmark = pytest.mark.core

_RULES: Final = {rule.name: rule for rule in RULES}
_SINCE: Final = {"guard-addresses": pytest.mark.since("1.33", "IPAddresses")}
"""Rules about kinds that older versions of Kubernetes have not."""

_ELSEWHERE: Final = {
    "approved-namespaces": "cluster/test_namespaces.py::test_an_agent_makes_no_approval_of_it_void",
    "definitions": "attacks/defining.py::define_more_kinds_than_are_followed",
    "discovery-size": "attacks/defining.py::fill_discovery",
    "guard-aliases": "attacks/aliases.py::end_the_guard_by_an_alias",
    "networks": "attacks/footing.py::cut_the_guard_off",
    "other-versions": "attacks/defining.py::ask_in_a_version_that_knows_less",
    "references": "attacks/programs.py::name_it_in_a_custom_resource",
    "references-within": "attacks/programs.py::let_what_names_it_go_with_its_definition",
    "revisions": "attacks/borrowing.py::make_a_revision",
}
"""Rules that find something only where there is more than these requests are about, and what shows on the real API
server that it asks about that."""

_INSTALLATION: Final = Installation(portal_host="approve.example.com")
_ALL: Final = "/all"
_TOGETHER: Final = "together"
"""The path below which each entry asks that is compiled from all rules."""

_HOOKS: Final = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
_GHOST: Final = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "name": "ghost",
    "uid": "00000000-0000-4000-8000-000000000000",
}
_ADDRESS: Final = "/apis/networking.k8s.io/v1/ipaddresses/192.0.2.77"
"""Of a Service in Seconder's own namespace."""

_CONTAINERS: Final = [{"name": "main", "image": "none:0"}]
_LABELS: Final = {"app": "checkout"}


class _Try(NamedTuple):
    """One request. ``by`` is an agent (kiro), an agent to whom RBAC forbids nothing (hal), or a person (dana)."""

    by: str
    method: str
    path: str
    document: Any = None


class _Observed(NamedTuple):
    """A request with the rules that find something in it, those it was asked about for, and all entries that asked."""

    tried: _Try
    found: frozenset[str]
    asked: frozenset[str]
    entries: frozenset[str]


def _resolved(group: str, plural: str, kind: str, *, namespaced: bool = True) -> ResolvedResource:
    return ResolvedResource(GroupResource(group, plural), "v1", namespaced, custom=False, kind=kind)


_NAMED: Final = {
    resolved.resource: resolved
    for resolved in (
        _resolved("apps", "deployments", "Deployment"),
        _resolved("", "pods", "Pod"),
        _resolved("", "namespaces", "Namespace", namespaced=False),
    )
}


def _policies(namespace: str) -> list[Policy]:
    """One policy for agents and one for everyone on the test's own objects."""
    return [
        Policy(
            f"probe-{subjects}".lower(),
            subjects=subjects,
            resources=frozenset(_NAMED),
            namespaces=frozenset({namespace}),
            resolved=_NAMED,
            selector=(Requirement("probe", Operator.EXISTS, frozenset()),),
        )
        for subjects in Subjects
    ]


def _probes(namespace: str, recorder: Recorder) -> dict[str, Any]:
    """A configuration that asks for each rule at a path of its own, and about everything at another."""
    bundle = base64.b64encode(recorder.authority).decode()
    webhooks = []
    for rule in RULES:
        asking = (rule, *_relied_on(rule))
        compiled = configuration(
            _policies(namespace), _INSTALLATION, Endpoint(url=f"{recorder.base}/{rule.name}"), bundle, asking
        )
        webhooks += [entry | {"name": f"{rule.name}.{entry['name']}"} for entry in compiled["webhooks"]]
    together = configuration(_policies(namespace), _INSTALLATION, Endpoint(url=recorder.base), bundle)
    for entry in together["webhooks"]:
        at = {"url": f"{recorder.base}/{_TOGETHER}/{entry['name']}", "caBundle": bundle}
        webhooks.append(entry | {"name": f"{_TOGETHER}.{entry['name']}", "clientConfig": at})
    everything = dict(webhooks[0]) | {"name": "all.seconder.dev", "matchConditions": []}
    everything["clientConfig"] = {"url": recorder.base + _ALL, "caBundle": bundle}
    operations = ["CREATE", "UPDATE", "DELETE", "CONNECT"]
    everything["rules"] = [
        {"apiGroups": ["*"], "apiVersions": ["*"], "operations": operations, "resources": ["*/*"], "scope": "*"}
    ]
    name = f"probes-{namespace[-6:]}"
    return compiled | {"metadata": {"name": name}, "webhooks": [*webhooks, everything]}


def _relied_on(rule: Rule) -> Sequence[Rule]:
    """The rules whose prefilters another one's objects come through."""
    if rule.name == "owner-names":
        return [_RULES["dependents"], _RULES["protected-owners"]]
    return [_RULES["dependents"]] if rule.name in {"controller-owner", "stopped-sets"} else []


class _Probe:
    """Sends requests, and says for each what each rule finds in it and where the API server asked."""

    def __init__(self, cluster: Cluster, recorder: Recorder, calls: Mapping[str, Call]) -> None:
        self._recorder = recorder
        self._calls = calls
        registry, policies = Registry(()), PolicyIndex(_policies(cluster.namespace))
        self._state = ClusterState(policies, registry, {}, "urn:uuid:0", _INSTALLATION)
        api = Api(client_config.load(str(cluster.stack.admin_kubeconfig)), user_agent="probe")
        self._resolver = Resolver(api, ListedDependents(api), lambda: True, lambda what, error: None)

    def send(self, tried: _Try) -> _Observed:
        """Send one request, and see who asks about it."""
        self._recorder.came.clear()
        # The options of a DELETE come from its body, where it has one, and never from the query then.
        document = {"dryRun": ["All"]} if tried.method == "DELETE" else tried.document
        self._calls[tried.by](tried.method, tried.path, document)
        came = list(self._recorder.came)
        bodies = [json.dumps(review).encode() for path, review in came if path == _ALL]
        paths = [path.split("/")[1:3] for path, _ in came if path != _ALL]
        asked = {rule for rule, _ in paths if rule != _TOGETHER}
        entries = {entry for rule, entry in paths if rule == _TOGETHER}
        finding = {rule.name for rule in RULES for body in bodies if self._finds(rule, body)}
        return _Observed(tried, frozenset(finding), frozenset(asked), frozenset(entries))

    def _finds(self, rule: Rule, body: bytes) -> bool:
        context = ReviewContext(codec.decode(body), self._state, Mode.ENFORCE, 0.0, Memo(1))
        if not rule.looks_at(context):
            return False
        deadline = within(20)
        try:
            findings = lookups.drive(
                rule.evaluate(context), lambda asked: self._resolver.answer(asked, self._state.policies, deadline)
            )
        except Unknown:
            # It asked, and so it found something to ask about.
            return True
        telling = [finding for finding in findings if not isinstance(finding, Cleared)]
        return any(not isinstance(finding, Affected) or finding.policies for finding in telling)


def _deployment(name: str, **metadata: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": _LABELS}, "spec": {"containers": _CONTAINERS}}
    return {"metadata": {"name": name} | metadata, "spec": {"selector": {"matchLabels": _LABELS}, "template": template}}


def _nightly(marked: Mapping[str, Any]) -> dict[str, Any]:
    run = {"template": {"spec": {"restartPolicy": "Never", "containers": _CONTAINERS}}}
    spec = {"schedule": "0 3 * * *", "jobTemplate": {**marked, "spec": run}}
    return {"metadata": {"name": "nightly"}, "spec": spec}


def _stopped(place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """What runs as somebody powerful once somebody starts it, by where it is made."""
    run: dict[str, Any] = {"serviceAccountName": "powerful", "containers": _CONTAINERS}
    nightly, sized = _nightly({}), _deployment("stopped")
    nightly["spec"]["jobTemplate"]["spec"]["template"]["spec"] |= run
    sized["spec"] |= {"replicas": 0, "template": {"metadata": {"labels": _LABELS}, "spec": run}}
    held = {"updateStrategy": {"type": "OnDelete"}, "replicas": 1, "serviceName": "stopped"}
    yield f"/apis/batch/v1/namespaces/{place}/cronjobs", nightly
    yield f"/apis/apps/v1/namespaces/{place}/deployments", sized
    yield f"/apis/apps/v1/namespaces/{place}/statefulsets", sized | {"spec": sized["spec"] | held}


def _starts(place: str) -> Iterator[_Try]:
    apps, nightly = f"/apis/apps/v1/namespaces/{place}", f"/apis/batch/v1/namespaces/{place}/cronjobs/nightly"
    sets, dry = f"{apps}/statefulsets/stopped", "?dryRun=All"
    revision = {"status": {"replicas": 1, "currentRevision": "stopped-1"}}
    yield _Try("hal", "PATCH", f"{nightly}/status{dry}", {"status": {"lastScheduleTime": "2026-01-01T00:00:00Z"}})
    yield _Try("hal", "PATCH", nightly + dry, {"spec": {"jobTemplate": {"spec": {"parallelism": 3}}}})
    yield _Try("hal", "PATCH", f"{sets}/status{dry}", revision)
    yield _Try("hal", "PATCH", f"{sets}/scale{dry}", {"spec": {"replicas": 3}})
    yield _Try("hal", "PATCH", f"{apps}/deployments/stopped/scale{dry}", {"spec": {"replicas": 3}})


def _tries(place: str) -> Iterator[_Try]:
    """What agents and people do to the objects of the test: at least one request for each rule, and ordinary ones."""
    core, apps = f"/api/v1/namespaces/{place}", f"/apis/apps/v1/namespaces/{place}"
    rbac, dry = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{place}", "?dryRun=All"
    ours = "/apis/seconder.dev/v1alpha1"
    checkout, held = f"{apps}/deployments/checkout", f"{apps}/deployments/held"
    owners = {"metadata": {"ownerReferences": [_GHOST]}}
    for who in ("kiro", "dana"):
        yield _Try(who, "DELETE", checkout + dry)
        yield _Try(who, "DELETE", f"{apps}/deployments{dry}")
        yield _Try(who, "DELETE", f"/api/v1/namespaces/{place}{dry}")
        yield _Try(who, "DELETE", f"{core}/pods/web{dry}")
        yield _Try(who, "POST", f"{core}/pods/web/eviction{dry}", _eviction())
        yield _Try(who, "PATCH", checkout + dry, {"spec": {"replicas": 0}})
        yield _Try(who, "PATCH", f"{checkout}/scale{dry}", {"spec": {"replicas": 0}})
        yield _Try(who, "PATCH", f"{checkout}/scale{dry}", {"spec": {"replicas": 3}})
        yield _Try(who, "PATCH", checkout + dry, owners)
        yield _Try(who, "PATCH", f"{checkout}/status{dry}", owners)
        yield _Try(who, "PATCH", held + dry, {"metadata": {"finalizers": None}})
        yield _Try(who, "PATCH", f"{held}/status{dry}", {"metadata": {"finalizers": None}})
        yield _Try(who, "PATCH", checkout + dry, {"metadata": {"labels": {"tier": "web"}}})
        yield _Try(who, "PATCH", checkout + dry, {"spec": {"paused": True}})
        yield _Try(who, "PATCH", f"{checkout}/status{dry}", {"status": {"observedGeneration": 9}})
        yield _Try(who, "POST", f"{apps}/deployments{dry}", _deployment("another"))
        waits = _deployment("waits")
        yield _Try(who, "POST", f"{apps}/deployments{dry}", waits | {"spec": {**waits["spec"], "paused": True}})
        yield _Try(who, "PATCH", f"{core}/pods/web{dry}", owners)
    agents_place = "/api/v1/namespaces/seconder-agents"
    annotation = {"metadata": {"annotations": {"approval.seconder.dev/x": "yes"}}}
    rules = [{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["delete"]}]
    account = {"spec": {"serviceAccountName": "powerful", "containers": _CONTAINERS}}
    yield _Try("kiro", "DELETE", f"{core}/configmaps/owner{dry}")
    yield _Try("kiro", "DELETE", f"{apps}/replicasets{dry}")
    yield _Try("kiro", "POST", f"/apis/autoscaling/v2/namespaces/{place}/horizontalpodautoscalers{dry}", _autoscaler())
    yield _Try("kiro", "PUT", f"/api/v1/namespaces/{place}/finalize{dry}", _finalized(place))
    yield _Try(
        "kiro", "PUT", f"/api/v1/namespaces/{place}{dry}", {"metadata": {"name": place, "labels": {"probe": ""}}}
    )
    yield _Try("kiro", "PATCH", f"{core}/configmaps/owner{dry}", annotation)
    yield _Try("kiro", "POST", f"{core}/configmaps{dry}", {"metadata": {"name": "crowded", "annotations": _crowd()}})
    yield _Try("kiro", "POST", f"{core}/pods{dry}", {"metadata": {"name": "as-somebody"}} | account)
    yield _Try("kiro", "POST", f"{core}/pods/web/exec?command=id&stdout=true")
    yield _Try("hal", "POST", f"{rbac}/roles{dry}", {"metadata": {"name": "more"}, "rules": rules})
    yield _Try("kiro", "PATCH", f"{agents_place}/serviceaccounts/kiro{dry}", annotation)
    yield _Try("kiro", "POST", f"{core}/serviceaccounts/default/token", {"spec": {}})
    yield _Try("kiro", "DELETE", f"{ours}/protectionpolicies/default{dry}")
    yield _Try("kiro", "POST", f"{ours}/approvers{dry}", {"metadata": {"name": "m"}, "spec": {}})
    yield _Try("hal", "DELETE", f"/apis/rbac.authorization.k8s.io/v1/clusterroles/seconder-webhook{dry}")
    flow = "/apis/flowcontrol.apiserver.k8s.io/v1"
    yield _Try("kiro", "DELETE", f"{flow}/flowschemas/seconder{dry}")
    yield _Try("kiro", "PATCH", f"/api/v1/namespaces/seconder-agents{dry}", {"metadata": {"labels": {"a": "b"}}})
    tag = {"metadata": {"annotations": {"seconder.dev/agent": "x"}}}
    yield _Try("kiro", "PATCH", f"{core}/configmaps/owner{dry}", tag)
    yield _Try("kiro", "PATCH", f"{core}/pods/web/status{dry}", tag)
    yield _Try("kiro", "PATCH", checkout + dry, {"spec": {"template": tag}})
    yield _Try("kiro", "POST", f"/apis/batch/v1/namespaces/{place}/cronjobs{dry}", _nightly(tag))
    owning = f"/apis/scheduling.k8s.io/v1/priorityclasses/{place}"
    yield _Try("kiro", "DELETE", owning + dry)
    yield _Try("kiro", "PATCH", owning + dry, {"metadata": {"labels": {"a": "b"}}})
    node = f"/api/v1/nodes/{place}{dry}"
    yield _Try("kiro", "DELETE", node)
    yield _Try("kiro", "PATCH", node, {"spec": {"taints": [{"key": "k", "effect": "NoExecute"}]}})
    leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
    yield _Try("kiro", "POST", leases + dry, {"metadata": {"name": place}})
    above = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout", "uid": _GHOST["uid"]}
    yield _Try("kiro", "POST", f"{apps}/deployments{dry}", _deployment("below", ownerReferences=[above]))
    told = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": _GHOST["uid"]}
    twice = {"name": "twice", "ownerReferences": [told, _GHOST]}
    yield _Try("kiro", "POST", f"{core}/configmaps{dry}", {"metadata": twice})
    yield _Try("kiro", "PATCH", f"{core}/configmaps/below{dry}", owners)
    yield _Try("kiro", "PATCH", f"{apps}/replicasets/made{dry}", {"metadata": {"labels": {"app": "another"}}})
    yield _Try("kiro", "DELETE", f"{_ADDRESS}{dry}")
    certificates = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
    yield _Try("hal", "POST", certificates + dry, certificate_request("erin"))
    token = {"metadata": {"name": "t", "annotations": {"kubernetes.io/service-account.name": "default"}}}
    yield _Try("kiro", "POST", f"{core}/secrets{dry}", token | {"type": "kubernetes.io/service-account-token"})
    yield _Try("kiro", "POST", f"{core}/secrets{dry}", {"metadata": {"name": "plain"}})
    ports = [{"port": 443}]
    taking = {"metadata": {"name": "taking"}, "spec": {"ports": ports, "externalIPs": ["192.0.2.9"]}}
    yield _Try("kiro", "POST", f"{core}/services{dry}", taking)
    files = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/"}}
    yield _Try("hal", "POST", f"/api/v1/persistentvolumes{dry}", {"metadata": {"name": place}, "spec": files})
    backend = {"service": {"name": "mine", "port": {"number": 80}}}
    routing = {"rules": [{"host": "approve.example.com"}], "defaultBackend": backend}
    ingresses = f"/apis/networking.k8s.io/v1/namespaces/{place}/ingresses"
    yield _Try("kiro", "POST", f"{ingresses}{dry}", {"metadata": {"name": "routing"}, "spec": routing})
    yield _Try(
        "kiro", "PATCH", f"/api/v1/namespaces/default/services/kubernetes{dry}", {"spec": {"selector": {"a": "b"}}}
    )
    yield _Try("kiro", "PATCH", f"{core}/configmaps/kube-root-ca.crt{dry}", {"data": {"ca.crt": ""}})
    yield _Try("kiro", "DELETE", f"/api/v1/namespaces/kube-node-lease{dry}")
    yield from _starts(place)


def _eviction() -> dict[str, Any]:
    return {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "web"}}


def _autoscaler() -> dict[str, Any]:
    metric = {"metric": {"name": "q"}, "target": {"type": "Value", "value": "1"}}
    spec = {
        "minReplicas": 0,
        "maxReplicas": 3,
        "metrics": [{"type": "External", "external": metric}],
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout"},
    }
    return {"metadata": {"name": "to-nothing"}, "spec": spec}


def _finalized(place: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": place}, "spec": {"finalizers": []}}


def _crowd() -> dict[str, str]:
    return {f"crowd-{number}": "x" * 50_000 for number in range(4)}


def _own(admin: Call, name: str) -> None:
    """Make something of the guard's own that belongs to a PriorityClass; it goes with that."""
    made = admin("POST", "/apis/scheduling.k8s.io/v1/priorityclasses", {"metadata": {"name": name}, "value": 1})
    owner = {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "name": name,
        "uid": made.document["metadata"]["uid"],
    }
    role = {"metadata": {"name": f"seconder-{name}", "ownerReferences": [owner]}, "rules": []}
    made = admin("POST", "/apis/rbac.authorization.k8s.io/v1/clusterroles", role)
    assert made.code == 201, made.message


def _furnish(cluster: Cluster, admin: Call) -> None:
    """Make what the requests are about: a Deployment with a ReplicaSet, a pod, an owner, and what is held."""
    place = cluster.namespace
    core, apps = f"/api/v1/namespaces/{place}", f"/apis/apps/v1/namespaces/{place}"
    eventually(lambda: admin("GET", f"{core}/serviceaccounts/default").code == 200, 10, "the ServiceAccount")
    made = admin("POST", f"{core}/configmaps", {"metadata": {"name": "owner"}})
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": made.document["metadata"]["uid"]}
    _own(admin, place)
    admin("POST", f"{core}/serviceaccounts", {"metadata": {"name": "powerful"}})
    binding = {
        "metadata": {"name": "powerful"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "powerful", "namespace": place}],
    }
    admin("POST", f"/apis/rbac.authorization.k8s.io/v1/namespaces/{place}/rolebindings", binding)
    admin("POST", f"{core}/pods", {"metadata": {"name": "web"}, "spec": {"containers": _CONTAINERS}})
    admin("POST", "/api/v1/nodes", {"metadata": {"name": place}})
    placed = {"metadata": {"name": "placed"}, "spec": {"containers": _CONTAINERS, "nodeName": place}}
    admin("POST", f"{core}/pods", placed)
    own = {"metadata": {"name": place}, "spec": placed["spec"]}
    admin("POST", "/api/v1/namespaces/seconder-system/pods", own)
    addresses, _, address = _ADDRESS.rpartition("/")
    service = {"resource": "services", "namespace": "seconder-system", "name": place}
    admin("POST", addresses, {"metadata": {"name": address}, "spec": {"parentRef": service}})
    stored = admin("POST", f"{apps}/deployments", _deployment("checkout")).document["metadata"]
    above = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "name": "checkout",
        "uid": stored["uid"],
        "controller": True,
    }
    # Of no kind that there is: the garbage collector asks until somebody says which that is.
    below = {"name": "below", "ownerReferences": [{**_GHOST, "apiVersion": "example.com/v1"}]}
    admin("POST", f"{core}/configmaps", {"metadata": below})
    admin("POST", f"{apps}/replicasets", _deployment("made", ownerReferences=[above]))
    admin("POST", f"{apps}/deployments", _deployment("owned", ownerReferences=[owner]))
    admin("POST", f"{apps}/deployments", _deployment("held", finalizers=["example.com/held"]))
    admin("DELETE", f"{apps}/deployments/held")
    sets = f"{apps}/replicasets"
    for path, workload in _stopped(place):
        made = admin("POST", path, workload)
        assert made.code == 201, made.message
    eventually(lambda: len(admin("GET", sets).document["items"]) >= 1, 10, "a ReplicaSet")


@pytest.fixture(scope="module")
def observed(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[_Observed]]:
    """Each request, with the rules that find something in it and those that the API server asked for."""
    cluster = Cluster(stack, f"prefilters-{os.urandom(3).hex()}")
    cluster.make_namespace()
    hal = stack.control_plane.client_kubeconfig("hal", ["people", "seconder.dev:agents"])
    admin = client(stack.admin_kubeconfig, 1)
    calls = {
        "kiro": client(stack.agent_kubeconfig, 1),
        "hal": client(hal, 1),
        "dana": client(stack.human_kubeconfig, 1),
    }
    folder: Path = tmp_path_factory.mktemp("recorder")
    with Recorder(folder) as recorder:
        _furnish(cluster, admin)
        probes = _probes(cluster.namespace, recorder)
        made = admin("POST", _HOOKS, probes)
        assert made.code == 201, made.message
        try:
            eventually(lambda: _reaches(recorder, admin, cluster.namespace), 10, "everything is recorded")
            probe = _Probe(cluster, recorder, calls)
            yield [probe.send(tried) for tried in _tries(cluster.namespace)]
        finally:
            admin("DELETE", f"{_HOOKS}/{probes['metadata']['name']}")
            admin("DELETE", f"/apis/scheduling.k8s.io/v1/priorityclasses/{cluster.namespace}")
            admin("DELETE", f"/api/v1/namespaces/seconder-system/pods/{cluster.namespace}", {"gracePeriodSeconds": 0})
            admin("DELETE", f"/api/v1/nodes/{cluster.namespace}")
            admin("DELETE", _ADDRESS)
            held = f"/apis/apps/v1/namespaces/{cluster.namespace}/deployments/held"
            admin("PATCH", held, {"metadata": {"finalizers": None}})


def _reaches(recorder: Recorder, admin: Call, namespace: str) -> bool:
    admin("POST", f"/api/v1/namespaces/{namespace}/configmaps?dryRun=All", {"metadata": {"name": "x"}})
    return bool(recorder.reviews)


@pytest.mark.parametrize("rule", _ELSEWHERE)
def test_what_these_requests_do_not_show_is_shown_elsewhere(rule: str) -> None:
    """For a rule that there is, by what is there."""
    file, _, name = _ELSEWHERE[rule].partition("::")
    assert rule in _RULES
    assert f"def {name}(" in (Path(__file__).parents[1] / file).read_text()


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=_SINCE.get(name, ())) for name in _RULES if name not in _ELSEWHERE]
)
def test_the_api_server_asks_about_all_that_a_rule_would_find(observed: list[_Observed], name: str) -> None:
    """By the rule's own prefilter alone; and each rule finds something in these requests."""
    finding = [seen for seen in observed if name in seen.found]
    assert finding, f"no request shows what the rule {name} finds"
    assert [seen.tried for seen in finding if name not in seen.asked] == []


def test_whatever_starts_what_stands_still_is_asked_about(observed: list[_Observed]) -> None:
    """By a status, by a size, by what lies below the template of Jobs."""
    tried = {repr(each) for each in _starts("here")}
    starting = [seen for seen in observed if repr(seen.tried).replace(_place(seen), "here") in tried]
    assert len(starting) == len(tried)
    assert [seen.tried for seen in starting if "pod-identity" not in seen.found & seen.asked] == []


def _place(seen: _Observed) -> str:
    _, _, rest = seen.tried.path.partition("/namespaces/")
    return rest.partition("/")[0].partition("?")[0] or "none"


def test_ordinary_updates_by_people_leave_the_api_server_for_no_rule(
    observed: list[_Observed],
) -> None:
    """A label, another number of replicas, a new object."""
    ordinary = [seen.asked for seen in observed if seen.tried.by == "dana" and not seen.found]
    assert ordinary
    assert set().union(*ordinary) <= {"finalizer-removal"}


def test_what_an_agent_does_is_asked_about_once(observed: list[_Observed]) -> None:
    """By one entry of all that are compiled together: else it would be judged and counted twice."""
    by_agents = [seen for seen in observed if seen.tried.by != "dana"]
    assert {len(seen.entries) for seen in by_agents if seen.found} == {1}
    assert [(seen.tried, seen.entries) for seen in by_agents if len(seen.entries) > 1] == []
