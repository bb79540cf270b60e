"""Objects as large and as deep as the API server takes them: nobody but an agent is refused because of that."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.cluster import Cluster, eventually
from tests.support.requests import client

_TRICKY = "<" * (1000 * 1024)
"""As large as a ConfigMap's data may be. Where the API server writes JSON, each of these takes six bytes."""

_LEVELS = 4000


@pytest.fixture
def everyone(cluster: Cluster) -> Iterator[str]:
    """A policy for Everyone on ConfigMaps and on a kind of the test's own, which it names."""
    group = f"{cluster.namespace[-6:]}.example.com"
    names = {"plural": "wells", "singular": "well", "kind": "Well", "listKind": "WellList"}
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    cluster.apply(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"wells.{group}"},
            "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [version]},
        }
    )
    eventually(lambda: cluster.human("get", f"wells.{group}").code == 0, 20, "the kind is served")
    resources = [{"group": "", "resources": ["configmaps"]}, {"group": group, "resources": ["wells"]}]
    cluster.policy(
        "large", resources=resources, subjects="Everyone", namespaces=[cluster.namespace], actions=["RemoveFinalizers"]
    )
    yield group
    cluster.objects.delete("customresourcedefinitions", f"wells.{group}")


def test_a_person_writes_an_object_whose_review_is_six_times_as_large(cluster: Cluster, everyone: str) -> None:
    """As it is stored, and as it is wanted."""
    person = client(cluster.scene.human_kubeconfig, 1)
    place = f"/api/v1/namespaces/{cluster.namespace}/configmaps"
    meta = {"name": "large", "namespace": cluster.namespace, "finalizers": ["example.com/wait"]}
    large = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"page": _TRICKY}}
    assert person("POST", place, large).code == 201
    assert person("DELETE", f"{place}/large").code == 200
    # What is under deletion is asked about, with both states.
    changed = person("PATCH", f"{place}/large", {"data": {"page": _TRICKY[:-1]}})
    assert changed.code == 200, changed.message[:1000]
    answer = person("PATCH", f"{place}/large", {"metadata": {"finalizers": None}})
    assert (answer.code, "ApprovalMissing" in answer.message) == (403, True), "it was asked about"
    cluster.objects.delete("protectionpolicies", "large")
    assert person("PATCH", f"{place}/large", {"metadata": {"finalizers": None}}).code == 200


def test_a_person_writes_an_object_that_nests_thousands_of_levels(
    cluster: Cluster, everyone: str, tmp_path: Path
) -> None:
    """The API server takes ten thousand."""
    deep = '{"a":' * _LEVELS + "1" + "}" * _LEVELS

    def document(finalizers: str, note: str) -> str:
        meta = f'{{"name": "deep", "namespace": "{cluster.namespace}", "finalizers": {finalizers}}}'
        kind = f'"apiVersion": "{everyone}/v1", "kind": "Well"'
        return f'{{{kind}, "metadata": {meta}, "note": "{note}", "spec": {deep}}}'

    path = tmp_path / "deep.json"
    # Written by hand: Python's own encoder ends at its recursion limit.
    path.write_text(document('["example.com/wait"]', "one"))
    what = f"wells.{everyone}"
    made = cluster.human("create", "--validate=false", "-f", str(path))
    assert made.code == 0, made.err[:1000]
    assert cluster.human("delete", what, "deep", "-n", cluster.namespace, "--wait=false").code == 0
    patch = ("patch", what, "deep", "-n", cluster.namespace, "--type=merge")
    changed = cluster.human(*patch, '-p={"note":"two"}')
    assert changed.code == 0, changed.err[:1000]
    assert cluster.human(*patch, '-p={"metadata":{"finalizers":null}}').refused_with("ApprovalMissing")
    cluster.objects.delete("protectionpolicies", "large")
    assert cluster.human(*patch, '-p={"metadata":{"finalizers":null}}').code == 0
