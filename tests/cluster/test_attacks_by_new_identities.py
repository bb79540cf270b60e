"""An agent that makes itself an identity that nobody knows as an agent's."""

import json
from typing import Any

from tests.support.certificates import certificate_request
from tests.support.cluster import Cluster, eventually


def _create(cluster: Cluster, document: dict[str, Any]) -> str:
    answer = cluster.agent("create", "--filename=-", stdin=json.dumps(document))
    assert answer.refused_with("ProtectedConfiguration"), answer.err
    return answer.err


def _secret(cluster: Cluster, kind: str, account: str, namespace: str | None = None) -> dict[str, Any]:
    annotations = {"kubernetes.io/service-account.name": account}
    place = namespace or cluster.namespace
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "token", "namespace": place, "annotations": annotations},
        "type": kind,
    }


def test_a_token_secret_that_is_there_does_not_go_to_another_account(cluster: Cluster) -> None:
    """Changing one is refused like making it."""
    # A controller takes away the token of an account that is not there yet.
    eventually(lambda: cluster.exists("serviceaccount", "default"), 30, "the namespace's own account")
    cluster.apply(_secret(cluster, "kubernetes.io/service-account-token", "default"))
    change = ("annotate", "secret", "token", "--overwrite", "kubernetes.io/service-account.name=worker")
    answer = cluster.agent(*change, f"--namespace={cluster.namespace}")
    assert answer.refused_with("ProtectedConfiguration"), answer.err


def test_approving_or_signing_a_certificate_is_refused(cluster: Cluster) -> None:
    """That somebody else asked for, too."""
    name = cluster.namespace
    cluster.apply(certificate_request(name))
    through_status = json.dumps({"metadata": {"labels": {"a": "b"}}})
    for words in (
        ("certificate", "approve", name),
        ("patch", "csr", name, "--subresource=status", "--type=merge", "-p", through_status),
    ):
        answer = cluster.agent_with_all_rights(*words)
        assert answer.refused_with("ProtectedConfiguration"), answer.err
    assert "conditions" not in cluster.get("csr", name).get("status", {})
    cluster.admin("delete", "csr", name)
