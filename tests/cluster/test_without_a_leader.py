"""No operator can lead, since an agent's admission policy refuses them their Lease: what is kept all the same."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.support.cluster import Cluster, eventually
from tests.support.operator import Operator, operators

from seconder.operator.election import LEASE_SECONDS

_CONFIGURATION = ("validatingwebhookconfiguration", "seconder")
_LEASE = ("lease", "seconder-operator", "seconder-system")
_ADMISSION = "admissionregistration.k8s.io/v1"
_VACANT_SECONDS = 20
_ALONE = "nobody leads: looking after the webhook configuration alone"


@pytest.fixture
def pair(cluster: Cluster, tmp_path: Path) -> Iterator[list[Operator]]:
    """Two operators in place of the stack's."""
    with operators(cluster.stack, tmp_path) as running:
        yield running


@contextmanager
def _no_lease(cluster: Cluster) -> Iterator[None]:
    """Have an agent refuse everybody the operators' Lease: admission policies are no webhook's business."""
    here = {"matchLabels": {"kubernetes.io/metadata.name": "seconder-system"}}
    rule = {"apiGroups": ["coordination.k8s.io"], "apiVersions": ["*"], "operations": ["*"], "resources": ["leases"]}
    policy = {
        "matchConstraints": {"namespaceSelector": here, "resourceRules": [rule]},
        "validations": [{"expression": "false", "reason": "Forbidden", "message": "no Lease"}],
    }
    binding = {"policyName": "no-lease", "validationActions": ["Deny"]}
    for kind, spec in (("ValidatingAdmissionPolicy", policy), ("ValidatingAdmissionPolicyBinding", binding)):
        document = {"apiVersion": _ADMISSION, "kind": kind, "metadata": {"name": "no-lease"}, "spec": spec}
        made = cluster.agent_with_all_rights("create", "--filename=-", stdin=json.dumps(document))
        assert made.code == 0, made.err
    try:
        yield
    finally:
        cluster.admin("delete", "validatingadmissionpolicybinding,validatingadmissionpolicy", "no-lease")


@contextmanager
def _nobody_leads(cluster: Cluster, pair: list[Operator]) -> Iterator[None]:
    with _no_lease(cluster):
        eventually(lambda: all(_ALONE in each.log() for each in pair), _VACANT_SECONDS, "both have noticed")
        assert not any(each.leads for each in pair)
        yield
    eventually(lambda: sum(each.leads for each in pair) == 1, 10, "one leads again")
    eventually(lambda: all(each.ready() == "ok" for each in pair), 10, "both are ready")


def test_a_configuration_that_is_deleted_comes_back_though_nobody_can_lead(
    cluster: Cluster, pair: list[Operator]
) -> None:
    """Within a second or two, as often as it goes; whole, so that the guard refuses again."""
    cluster.deployment()
    with _nobody_leads(cluster, pair):
        for _ in range(3):
            cluster.admin("delete", *_CONFIGURATION)
            eventually(lambda: cluster.there(*_CONFIGURATION), 2, "it is back")
            eventually(lambda: cluster.delete(cluster.agent).refused_with("ApprovalMissing"), 1, "it is asked about")
        eventually(lambda: _in_force(cluster)["reason"] == "NobodyLeads", 5, "the policy says so")
        assert _in_force(cluster)["status"] == "True"
        assert all("no operator leads: " in each.ready() and "no Lease" in each.ready() for each in pair)
    eventually(lambda: _in_force(cluster)["reason"] == "AsCompiled", 5, "nothing is left of it")


def test_a_configuration_is_never_away_for_long_while_the_leader_ceases_to_lead(
    cluster: Cluster, pair: list[Operator]
) -> None:
    """Deleted all the while from when its Lease is refused until both stand in, by one that was allowed to."""
    with _no_lease(cluster):
        both = time.monotonic() + LEASE_SECONDS + 5
        while time.monotonic() < both:
            cluster.admin("delete", *_CONFIGURATION)
            eventually(lambda: cluster.there(*_CONFIGURATION), 3, "it is back")
    eventually(lambda: sum(each.leads for each in pair) == 1, 10, "one leads again")
    eventually(lambda: all(each.ready() == "ok" for each in pair), 20, "both are ready")


def test_a_configuration_that_is_narrowed_is_put_right_though_nobody_can_lead(
    cluster: Cluster, pair: list[Operator]
) -> None:
    """And what a person adds to policies meanwhile is put in force; what nobody changed stays as it is."""
    with _nobody_leads(cluster, pair):
        before = _version(cluster)
        cluster.narrow()
        eventually(lambda: not cluster.narrowed(), 2, "it is put right")
        assert _version(cluster) != before
        cluster.policy("rooms", resources=[{"group": "apps", "resources": ["statefulsets"]}])
        eventually(lambda: _in_force(cluster, "rooms")["reason"] == "NobodyLeads", 5, "it is in force")
        settled = _version(cluster)
        cluster.objects.delete("protectionpolicies", "rooms")
        eventually(lambda: _version(cluster) != settled, 5, "it is in force no more")
    eventually(lambda: _in_force(cluster)["reason"] == "AsCompiled", 5, "nothing is left of it")


def test_nothing_but_the_configuration_and_what_policies_say_is_written_while_nobody_leads(
    cluster: Cluster, pair: list[Operator]
) -> None:
    """Certificates, roles and change requests wait for a leader: of those, two that write could make what differs."""
    with _nobody_leads(cluster, pair):
        cluster.objects.delete("secret", "seconder-ca", "seconder-system")
        cluster.admin("delete", *_CONFIGURATION)
        eventually(lambda: cluster.there(*_CONFIGURATION), 2, "it is back, by the CA that was trusted before")
        assert cluster.objects.find("secret", "seconder-ca", "seconder-system") is None
        uid = cluster.deployment()
        assert cluster.delete(cluster.agent).refused_with("ApprovalMissing")
        made = eventually(lambda: _requests(cluster, uid), 5, "the webhook records it")
        assert made is not None
    eventually(lambda: cluster.objects.find("secret", "seconder-ca", "seconder-system"), 10, "who leads makes a CA")
    eventually(lambda: _in_force(cluster)["reason"] == "AsCompiled", 5, "it is in force")


def _requests(cluster: Cluster, uid: str) -> list[dict[str, Any]]:
    return [each for each in cluster.objects.all("changerequests") if each["spec"]["object"].get("uid") == uid]


def _version(cluster: Cluster) -> str:
    return str(cluster.get(*_CONFIGURATION)["metadata"]["resourceVersion"])


def _in_force(cluster: Cluster, policy: str = "default") -> dict[str, Any]:
    conditions = cluster.get("protectionpolicy", policy).get("status", {}).get("conditions", [])
    return next((found for found in conditions if found["type"] == "InForce"), {"status": "", "reason": ""})
