"""Objects that cost the API server more than it gives a condition: it would refuse whoever writes them."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.support.cluster import Cluster, eventually

_OWNERS = 64


def _owner(**fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "name": "settings", **fields}


def _heavy(cluster: Cluster, uid: str, size: int, count: int) -> dict[str, Any]:
    """A Deployment of many owners whose names are equal and long; the first is one that is there."""
    same = {"name": "n" * size, "kind": "K"}
    owners = [
        _owner(uid=uid),
        *(
            {"apiVersion": f"g{number}.example.com/v1", "uid": f"{number:0{size}}", **same}
            for number in range(count - 1)
        ),
    ]
    labels = {"app": "heavy"}
    containers = [{"name": "main", "image": "registry.invalid/app:1"}]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "heavy", "namespace": cluster.namespace, "ownerReferences": owners},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
        },
    }


@pytest.mark.parametrize(("size", "count"), [(7000, _OWNERS), (10, 2_000)])
def test_no_object_costs_more_than_the_api_server_gives_a_condition(
    cluster: Cluster, tmp_path: Path, size: int, count: int
) -> None:
    """A few very long owners or very many: an agent makes it, and a person and the garbage collector still write it."""
    settings = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "settings", "namespace": cluster.namespace},
    }
    uid = cluster.objects.create(settings)["metadata"]["uid"]
    heavy = _heavy(cluster, uid, size, count)
    document = tmp_path / "heavy.json"
    document.write_text(json.dumps(heavy))
    made = cluster.agent("create", "-f", str(document))
    assert made.code == 0, made.err[:2000]
    patch = tmp_path / "patch.json"
    patch.write_text(json.dumps({"metadata": {"ownerReferences": heavy["metadata"]["ownerReferences"][:-1]}}))
    answer = cluster.human(
        "patch", "deployment", "heavy", "-n", cluster.namespace, "--type=merge", f"--patch-file={patch}"
    )
    assert answer.code == 0, answer.err[:2000]
    orphaned = cluster.human(
        "delete", "configmap", "settings", "-n", cluster.namespace, "--cascade=orphan", "--wait=false"
    )
    assert orphaned.code == 0, orphaned.err
    eventually(lambda: not cluster.there("configmap", "settings"), 30, "the garbage collector takes its owner away")
    # Nobody serves the kinds of its owners, and so they refuse no agent anything.
    role = json.dumps(
        {"metadata": {"name": "look"}, "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}
    )
    roles = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{cluster.namespace}/roles"
    written = cluster.agent("create", "--raw", roles, "-f", "-", stdin=role)
    assert written.code == 0, written.err
