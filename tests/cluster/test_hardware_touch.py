"""Policies that ask for a touch, or a PIN, on the real API server; the authenticator is the tests' own."""

import json
from collections.abc import Iterator

import pytest
from tests.support.cluster import Cluster
from tests.support.fido import PRESENT, VERIFIED, Authenticator


@pytest.fixture
def carol(cluster: Cluster) -> Iterator[Authenticator]:
    """Carol's hardware key, registered."""
    device = Authenticator()
    name = f"carol-{cluster.namespace[-6:]}"
    principal = f"{name}@example.com"
    key = {"name": "yubikey", "ssh": device.line}
    spec = {"principal": principal, "kubernetesUsers": [principal], "keys": [key]}
    cluster.apply({"apiVersion": "seconder.dev/v1alpha1", "kind": "Approver", "metadata": {"name": name}, "spec": spec})
    cluster.admin("wait", "--for=condition=Ready", f"approver/{name}", "--timeout=10s")
    yield device
    cluster.admin("delete", "approver", name)


def _approve(cluster: Cluster, device: Authenticator, flags: int) -> None:
    claims = cluster.claims(
        cluster.get("deployment", "checkout"), "deployments", "apps", iss=f"carol-{cluster.namespace[-6:]}@example.com"
    )
    line = json.dumps(claims, sort_keys=True, separators=(",", ":")) + "\n"
    value = line + device.sign(line.encode(), flags=flags).rstrip("\n")
    cluster.annotate("deployment", "checkout", f"approval.seconder.dev/carol={value}")


@pytest.mark.parametrize(("assurance", "enough"), [("Presence", PRESENT), ("Verified", PRESENT | VERIFIED)])
def test_a_policy_gets_the_human_that_it_asks_for(
    cluster: Cluster, carol: Authenticator, assurance: str, enough: int
) -> None:
    """A software key is not enough, nor less than asked for; what is asked for is."""
    cluster.policy(f"touch-{cluster.namespace}", approvals={"assurance": assurance})
    cluster.deployment()
    cluster.approve(cluster.alice)
    assert cluster.delete(cluster.agent).refused_with("AssuranceTooLow")
    _approve(cluster, carol, PRESENT if assurance == "Verified" else 0)
    assert cluster.delete(cluster.agent).refused_with("AssuranceTooLow")
    _approve(cluster, carol, enough)
    done = cluster.delete(cluster.agent)
    assert done.code == 0, done.err
