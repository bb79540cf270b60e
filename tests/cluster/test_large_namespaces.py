"""A namespace with 5,000 objects: what goes down with it is found, named and compared within a review's time."""

import json
from concurrent.futures import ThreadPoolExecutor

from tests.cluster.test_change_requests import refused
from tests.support.cluster import Cluster, eventually, sign
from tests.support.requests import connect

_OBJECTS = 5_000
_AT_ONCE = 8


def test_5000_objects_are_counted_bound_and_compared(cluster: Cluster) -> None:
    """The record names them; the approval made from it lets the deletion through; one more object, and it does not."""
    _fill(cluster, _OBJECTS)
    chg = refused(cluster, "namespace", cluster.namespace)
    eventually(lambda: cluster.get("chg", chg)["status"].get("statement"), 15, "the statement")
    status = cluster.get("chg", chg)["status"]
    assert status["impact"] == f"{_OBJECTS} ingresses"
    draft = json.loads(status["statement"])
    claims = cluster.claims(cluster.get("namespace", cluster.namespace), "namespaces", "")
    value = sign(cluster.alice.key, claims | draft)
    cluster.admin("annotate", "namespace", cluster.namespace, f"approval.seconder.dev/alice={value}")
    delete = ("namespace", cluster.namespace, "--dry-run=server")
    allowed = cluster.delete(cluster.agent, *delete)
    assert allowed.code == 0, allowed.err
    assert _slowest_decision(cluster) < 5, "a look-up is given 5 s"
    cluster.admin("create", "service", "clusterip", "one-more", "--clusterip=None", "-n", cluster.namespace)
    changed = cluster.delete(cluster.agent, *delete)
    assert changed.refused_with("ImpactChanged"), changed.err
    assert f"impact: {_OBJECTS} ingresses, 1 services" in changed.err


def _fill(cluster: Cluster, count: int) -> None:
    pool, server, headers = connect(cluster.stack.human_kubeconfig, _AT_ONCE)
    url = f"{server}/apis/networking.k8s.io/v1/namespaces/{cluster.namespace}/ingresses"
    backend = {"service": {"name": "s", "port": {"number": 80}}}

    def make(number: int) -> int:
        document = {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": {"name": f"i{number}"},
            "spec": {"defaultBackend": backend},
        }
        content = headers | {"Content-Type": "application/json"}
        answer = pool.request("POST", url, body=json.dumps(document), headers=content, timeout=20)
        return int(answer.status)

    with ThreadPoolExecutor(_AT_ONCE) as threads:
        assert set(threads.map(make, range(count))) == {201}


def _slowest_decision(cluster: Cluster) -> float:
    lines = cluster.stack.seconder.log_of("webhook").read_text().splitlines()
    ours = [json.loads(line) for line in lines if f'"name":"{cluster.namespace}"' in line]
    return float(max(entry["seconds"] for entry in ours))
