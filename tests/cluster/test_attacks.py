"""The attacks of tests/attacks, which anybody can play on a cluster of their own, on the control plane of the tests."""

import secrets

import pytest
from tests.attacks import playing
from tests.attacks.attack import Attack, attacks
from tests.attacks.callers import Caller
from tests.attacks.playing import Outcome

from localstack.stack import Stack


@pytest.fixture(scope="module")
def callers(stack: Stack) -> tuple[Caller, Caller]:
    """An administrator, and the agent kiro, to whom RBAC forbids next to nothing."""
    return Caller(stack.admin_kubeconfig), Caller(stack.agent_kubeconfig)


_SINCE = {
    "have-all-of-a-kind-stored-anew": pytest.mark.since("1.37", "StorageVersionMigrations of v1"),
    "take-its-devices": pytest.mark.since("1.34", "ResourceClaims of v1"),
    "take-everybodys-addresses": pytest.mark.since("1.33", "ServiceCIDRs"),
    "take-its-address": pytest.mark.since("1.33", "IPAddresses"),
    "taint-its-devices-rule": pytest.mark.since("1.37", "DeviceTaintRules of v1"),
    "taint-its-devices-slice": pytest.mark.since("1.37", "taints of devices in v1"),
}
"""Attacks on kinds that older versions of Kubernetes have not."""


@pytest.mark.parametrize(
    "attack", [pytest.param(attack, id=attack.name, marks=_SINCE.get(attack.name, ())) for attack in attacks()]
)
def test_no_attack_gets_through(callers: tuple[Caller, Caller], attack: Attack) -> None:
    """Each is tried, and answered by the layers that it names and by no other."""
    result = playing.play(attack, *callers, f"{playing.PREFIX}{secrets.token_hex(3)}")
    assert result.outcome is Outcome.HELD, result.why
    assert set(result.layers) <= set(attack.layers)


def test_attacks_leave_nothing_behind(callers: tuple[Caller, Caller]) -> None:
    """No namespace, no policy, no definition, whatever the attacks before it were."""
    admin, _ = callers
    assert playing.left_behind(admin) == []
    for path in (
        "/apis/seconder.dev/v1alpha1/protectionpolicies",
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        "/api/v1/nodes",
        "/api/v1/persistentvolumes",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles",
        "/apis/apps/v1/namespaces/kube-system/deployments",
    ):
        names = [item["metadata"]["name"] for item in admin("GET", path).document["items"]]
        assert [name for name in names if playing.PREFIX in name] == [], path
