"""Changes whose outcome is another one at each try: approved once, they are made, and nothing else is."""

import functools
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.cluster.test_changes import approve, do, phase, refused
from tests.support.cluster import Cluster, Result, eventually
from tests.support.plugin import Plugin

from seconder.admission.changes import anew

_SERVICES = [{"group": "", "resources": ["services"]}]
_PORT = {"name": "web", "port": 80, "protocol": "TCP", "targetPort": 80}
_MORE = {"name": "more", "port": 81, "protocol": "TCP", "targetPort": 81}
_RESTARTED = "kubectl.kubernetes.io/restartedAt"


def _service(cluster: Cluster, **spec: Any) -> None:
    document = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web"},
        "spec": {"ports": [_PORT], "selector": {"app": "web"}} | spec,
    }
    assert do(cluster, cluster.human, "create", "-f-", stdin=json.dumps(document)).code == 0


def _patch(**spec: Any) -> tuple[str, ...]:
    return ("patch", "service/web", "--type=strategic", f"-p={json.dumps({'spec': spec})}")


_LOCAL = {"type": "LoadBalancer", "externalTrafficPolicy": "Local"}
_CASES: dict[str, tuple[dict[str, Any], tuple[str, ...], str]] = {
    "a node port": ({}, _patch(type="NodePort"), "spec.ports.0.nodePort"),
    "a balancer": ({}, _patch(type="LoadBalancer"), "spec.ports.0.nodePort"),
    "a health check": ({"type": "LoadBalancer"}, _patch(externalTrafficPolicy="Local"), "spec.healthCheckNodePort"),
    "both": ({}, _patch(**_LOCAL), "spec.healthCheckNodePort"),
    "one more port": ({"type": "NodePort"}, _patch(ports=[_MORE]), "spec.ports"),
    "an address": (
        {"type": "ExternalName", "externalName": "x.example.com"},
        _patch(type="ClusterIP", externalName=None),
        "spec.clusterIP",
    ),
}


@pytest.mark.parametrize("case", _CASES)
def test_what_the_api_server_allocates_makes_no_other_change(cluster: Cluster, plugin: Plugin, case: str) -> None:
    """It is another port or address at each try; a peer is shown that the API server chooses it."""
    cluster.policy("services", resources=_SERVICES)
    given, change, path = _CASES[case]
    _service(cluster, **given)
    chg = refused(do(cluster, cluster.agent, *change))
    assert refused(do(cluster, cluster.agent, *change)) == chg
    assert approve(plugin, chg).code == 0
    recorded = cluster.recorded(chg)["spec"]["change"]
    assert path in recorded["paths"]
    assert json.dumps(anew.CHOSEN, separators=(",", ":")) in recorded["patch"]
    made = do(cluster, cluster.agent, *change)
    assert made.code == 0, made
    eventually(lambda: phase(cluster, chg) == "Used", 10, "it is used")


def test_a_port_or_an_address_that_is_named_is_approved_as_it_is(cluster: Cluster, plugin: Plugin) -> None:
    """No approval of one that the API server chooses lets it through, whatever is said of who owns fields."""
    cluster.policy("services", resources=_SERVICES)
    _service(cluster)
    publish = _patch(type="NodePort")
    chg = refused(do(cluster, cluster.agent, *publish))
    assert approve(plugin, chg).code == 0
    live = cluster.get("service", "web")
    port = _PORT | {"nodePort": 31234}
    named = {"type": "NodePort", "ports": [port]}
    entries: list[list[dict[str, Any]]] = [[{}], [], _owning()]
    for metadata in ({}, *({"managedFields": each} for each in entries)):
        whole = live | {"metadata": live["metadata"] | metadata, "spec": live["spec"] | named}
        answer = do(cluster, cluster.agent, "replace", "-f-", stdin=json.dumps(whole))
        assert answer.refused_with("WrongAction"), (metadata, answer)
        given = json.dumps({"metadata": metadata, "spec": named})
        merged = do(cluster, cluster.agent, "patch", "service/web", "--type=merge", f"-p={given}")
        assert merged.refused_with("WrongAction"), (metadata, merged)
    manifest = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": named}
    applied = do(
        cluster,
        cluster.agent,
        *("apply", "--server-side", "--force-conflicts", "-f-"),
        stdin=json.dumps(manifest),
    )
    assert applied.refused_with("WrongAction"), applied
    wanted = refused(do(cluster, cluster.agent, *_patch(**named)))
    assert approve(plugin, wanted).code == 0
    assert "31234" in cluster.recorded(wanted)["spec"]["change"]["patch"]
    assert do(cluster, cluster.agent, *_patch(**named)).code == 0
    assert cluster.get("service", "web")["spec"]["ports"][0]["nodePort"] == 31234


_VERBS = ("patch", "replace")
_CHOSEN: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "a node port": ({}, {"type": "NodePort"}, {"ports": [_PORT | {"nodePort": 31888}]}),
    "a health check": ({"type": "LoadBalancer"}, {"externalTrafficPolicy": "Local"}, {"healthCheckNodePort": 31999}),
    "an address": (
        {"type": "ExternalName", "externalName": "x.example.com"},
        {"type": "ClusterIP", "externalName": None},
        {"clusterIP": "10.0.0.77"},
    ),
}
"""A Service, a change for which the API server chooses something, and what an agent names instead."""


@pytest.mark.parametrize("case", _CHOSEN)
def test_what_is_named_is_not_taken_for_chosen_by_what_else_the_request_says(
    cluster: Cluster, plugin: Plugin, case: str
) -> None:
    """Of managedFields that it cannot work on the API server notes nothing, and keeps what it had.

    Those of the request's own manager it unites with what it notes itself, fields that no Service has among them.
    """
    cluster.policy("services", resources=_SERVICES)
    given, change, named = _CHOSEN[case]
    _service(cluster, **given)
    chg = refused(do(cluster, cluster.agent, *_patch(**change)))
    assert approve(plugin, chg).code == 0
    live = cluster.get("service", "web")
    had = live["metadata"]["managedFields"]
    assert had, live
    broken = [entry | {"apiVersion": "a/b/c"} for entry in _owning()]
    wanted = {key: value for key, value in (live["spec"] | change | named).items() if value is not None}
    beside: dict[str, Any] = {"f:spec": {"f:ports": {"f:foo": {"f:x": {}}}, "f:a": {}}}
    own = [entry | {"manager": f"kubectl-{verb}", "fieldsV1": beside} for entry in _owning() for verb in _VERBS]
    for entries in (broken, [*had, *broken], [entry | {"apiVersion": "a/b/c"} for entry in had], [*had, *own]):
        metadata = {"managedFields": entries}
        body = json.dumps({"metadata": metadata, "spec": change | named})
        merged = do(cluster, cluster.agent, "patch", "service/web", "--type=merge", f"-p={body}")
        assert merged.refused_with("WrongAction"), (entries, merged)
        whole = json.dumps(live | {"metadata": live["metadata"] | metadata, "spec": wanted})
        put = do(cluster, cluster.agent, "replace", "-f-", stdin=whole)
        assert put.refused_with("WrongAction"), (entries, put)
    made = do(cluster, cluster.agent, *_patch(**change))
    assert made.code == 0, made


def _owning() -> list[dict[str, Any]]:
    """A claim to own all but the port that is named."""
    key = 'k:{"port":80,"protocol":"TCP"}'
    ports: dict[str, Any] = {key: {".": {}, "f:name": {}, "f:port": {}, "f:protocol": {}, "f:targetPort": {}}}
    fields: dict[str, Any] = {"f:spec": {"f:type": {}, "f:ports": {".": {}} | ports}}
    entry = {"manager": "kubectl-patch", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1"}
    return [entry | {"time": "2026-01-01T00:00:00Z", "fieldsV1": fields}]


def test_a_port_may_be_approved_from_a_manifest(cluster: Cluster, plugin: Plugin, tmp_path: Any) -> None:
    """Which port the dry run gives is no matter."""
    cluster.policy("services", resources=_SERVICES)
    _service(cluster)
    publish = _patch(type="NodePort")
    chg = refused(do(cluster, cluster.agent, *publish))
    file = tmp_path / "wanted.json"
    spec = {"type": "NodePort"}
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec}))
    approved = approve(plugin, chg, f"--filename={file}")
    assert approved.code == 0, approved
    assert do(cluster, cluster.agent, *publish).code == 0


@pytest.mark.parametrize("kind", ["deployment", "statefulset", "daemonset"])
def test_a_restart_is_approved_once_and_made_once(cluster: Cluster, plugin: Plugin, kind: str) -> None:
    """Whatever time the client writes; the next restart takes an approval of its own."""
    cluster.policy("rollouts", resources=[{"group": "apps", "resources": [f"{kind}s"]}], freeChanges=[])
    labels = {"app": "web"}
    spec: dict[str, Any] = {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "none:0"}]}},
    }
    if kind == "statefulset":
        spec["serviceName"] = "web"
    kinds = {"deployment": "Deployment", "statefulset": "StatefulSet", "daemonset": "DaemonSet"}
    document = {"apiVersion": "apps/v1", "kind": kinds[kind], "metadata": {"name": "web"}, "spec": spec}
    assert do(cluster, cluster.human, "create", "-f-", stdin=json.dumps(document)).code == 0
    restarted = functools.partial(_restarted, cluster, kind)
    names = set[str]()
    for _ in range(2):
        chg = refused(restarted())
        names.add(chg)
        approved = approve(plugin, chg)
        assert approved.code == 0, approved
        answer = restarted()
        assert answer.code == 0, answer
        eventually(lambda chg=chg: phase(cluster, chg) == "Used", 10, "it is used")  # type: ignore[misc]
    assert len(names) == 2
    assert restarted().refused_with("WrongAction")
    since = _time(cluster, kind)
    for time in (since.replace("20", "19", 1), "tomorrow", "9999-01-01T00:00:00Z"):
        template = {"metadata": {"annotations": {_RESTARTED: time}}}
        given = json.dumps({"spec": {"template": template}})
        answer = do(cluster, cluster.agent, "patch", f"{kind}/web", "--type=merge", f"-p={given}")
        assert answer.refused_with("WrongAction"), answer


def _restarted(cluster: Cluster, kind: str) -> Result:
    """Have the agent restart it, once kubectl would: it makes no two restarts within a second."""
    since = _time(cluster, kind)
    eventually(lambda: _now() > since, 5, "another second")
    return do(cluster, cluster.agent, "rollout", "restart", f"{kind}/web")


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _time(cluster: Cluster, kind: str) -> str:
    metadata = cluster.get(kind, "web")["spec"]["template"]["metadata"]
    return str(metadata.get("annotations", {}).get(_RESTARTED, ""))


def test_a_service_that_becomes_a_name_by_an_approved_change_is_seen_as_done(cluster: Cluster, plugin: Plugin) -> None:
    """The API server shows none of the fields that such a Service has no use for, whatever a review said."""
    cluster.policy("services", resources=_SERVICES)
    _service(cluster)
    change = _patch(type="ExternalName", externalName="x.example.com")
    chg = refused(do(cluster, cluster.agent, *change))
    assert approve(plugin, chg).code == 0
    made = do(cluster, cluster.agent, *change)
    assert made.code == 0, made
    eventually(lambda: phase(cluster, chg) not in {"Approved", "Pending"}, 10, "it is seen")
    assert phase(cluster, chg) == "Used"
    free = do(cluster, cluster.agent, "label", "service/web", "a=b")
    assert free.code == 0, free
