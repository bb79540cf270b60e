"""On API servers that let nobody change who owns what they may not delete (OwnerReferencesPermissionEnforcement)."""

import json
from collections.abc import Iterator

import pytest
from tests.support.cluster import Cluster, eventually

from localstack.binaries import provide
from localstack.stack import Stack

_CONFIGURATION = ("validatingwebhookconfiguration", "seconder")
_GHOST = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRole",
    "name": "ghost",
    "uid": "00000000-0000-4000-8000-000000000000",
    "blockOwnerDeletion": True,
}
_TAMPERED = json.dumps(
    [
        {"op": "replace", "path": "/metadata/ownerReferences", "value": [_GHOST]},
        {"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Ignore"},
    ]
)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """No garbage collector takes the configuration away: what is wrong has to be put right in place."""
    folder = tmp_path_factory.mktemp("stack")
    flags = ["--enable-admission-plugins=OwnerReferencesPermissionEnforcement"]
    with Stack(folder, provide(any_kubectl=False), apiserver_flags=flags, controllers=False) as stack:
        yield Cluster(stack, "default")


def _owners(cluster: Cluster) -> list[str]:
    return [each["name"] for each in cluster.get(*_CONFIGURATION)["metadata"].get("ownerReferences") or []]


def test_a_configuration_given_away_is_put_right(cluster: Cluster) -> None:
    """The operator may delete it, so it may change its owner too."""
    before = cluster.get(*_CONFIGURATION)["webhooks"]
    cluster.admin("patch", *_CONFIGURATION, "--type=json", "-p", _TAMPERED)
    eventually(lambda: cluster.get(*_CONFIGURATION)["webhooks"] == before, 3, "the configuration is as compiled")
    assert _owners(cluster) == ["seconder-operator"]


def test_what_is_guarded_does_not_wait_for_the_owner(cluster: Cluster) -> None:
    """Where the operator has no right to change the owner, the entries are as compiled all the same."""
    before = cluster.get(*_CONFIGURATION)["webhooks"]
    role = cluster.get("clusterrole", "seconder-operator")
    for rule in role["rules"]:
        if rule.get("resourceNames") == ["seconder"]:
            rule["verbs"].remove("delete")
    cluster.admin("replace", "-f", "-", stdin=json.dumps(role))
    cluster.admin("patch", *_CONFIGURATION, "--type=json", "-p", _TAMPERED)
    eventually(lambda: cluster.get(*_CONFIGURATION)["webhooks"] == before, 3, "the configuration is as compiled")
    assert _owners(cluster) == ["ghost"]
    log = cluster.stack.seconder.log_of("operator").read_text()
    assert "the owner of the webhook configuration cannot be put right" in log
