"""What an approval is used for is recorded, by whatever request it was asked for and by whatever other it is used."""

import json
import re
from typing import Any

import pytest
from tests.cluster.test_plugin_verbs import _SLICE
from tests.support.cluster import AGENT, Cluster, Result, eventually
from tests.support.plugin import Plugin

_NAME = re.compile(r"^change request: (chg-[0-9a-z]{26})$", re.MULTILINE)
_SOON = 10.0
_ITSELF = "the action on the object itself"


@pytest.fixture
def service(cluster: Cluster) -> str:
    """A Service that a policy protects, whose end an EndpointSlice of an agent's counts as."""
    document = {"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 80}]}}
    cluster.objects.apply(document | {"metadata": {"name": "api", "namespace": cluster.namespace}})
    cluster.policy(f"services-{cluster.namespace[-6:]}", resources=[{"group": "", "resources": ["services"]}])
    eventually(lambda: _diverts(cluster, "--dry-run=server").refused, _SOON, "the policy is in force")
    return "api"


def _diverts(cluster: Cluster, *options: str) -> Result:
    create = ("create", "--filename=-", f"--namespace={cluster.namespace}", *options)
    return cluster.agent(*create, stdin=json.dumps(_SLICE))


def _deletes(cluster: Cluster, service: str, *options: str) -> Result:
    return cluster.delete(cluster.agent, "service", service, *options)


def _recorded(cluster: Cluster, answer: Result) -> str:
    found = _NAME.search(answer.err)
    assert found, answer.err
    eventually(lambda: _status(cluster, found[1]).get("lastReason"), _SOON, "its status")
    return found[1]


def _status(cluster: Cluster, chg: str) -> dict[str, Any]:
    if not cluster.there("chg", chg):
        return {}
    status: dict[str, Any] = cluster.get("chg", chg).get("status", {})
    return status


def _becomes(cluster: Cluster, chg: str, **fields: str) -> None:
    def so() -> bool:
        return _status(cluster, chg).items() >= fields.items()

    eventually(so, _SOON, f"{fields}: {json.dumps(_status(cluster, chg))}")


def _approved(cluster: Cluster, service: str, *waiting: str) -> None:
    cluster.approve(cluster.alice, "service", service, resource="services", group="")
    for chg in waiting:
        _becomes(cluster, chg, phase="Approved")


def test_what_was_asked_for_by_another_request_and_is_done_by_the_agent_itself_is_used(
    cluster: Cluster, plugin: Plugin, service: str
) -> None:
    """Not withdrawn, as if somebody else had done it; it says by what, and so does the report."""
    chg = _recorded(cluster, _diverts(cluster))
    _approved(cluster, service, chg)
    assert _deletes(cluster, service, "--dry-run=server").code == 0
    assert not _status(cluster, chg).get("allowedAt"), "a dry run is no use"
    assert _deletes(cluster, service).code == 0
    _becomes(cluster, chg, phase="Used", letThrough=_ITSELF)
    told = plugin.script(cluster.alice.kubeconfig, "report", "--since=10m")
    assert f"approved by alice@example.com; as {_ITSELF}" in " ".join(told.out.split()), told.out


def test_what_was_asked_for_itself_and_is_used_by_another_request_is_let_through_and_not_yet_used(
    cluster: Cluster, service: str
) -> None:
    """The object stands: it waits on, and says what was let through; gone, it is used."""
    chg = _recorded(cluster, _deletes(cluster, service))
    _approved(cluster, service, chg)
    assert _diverts(cluster).code == 0
    way = f"CREATE of endpointslices.discovery.k8s.io {cluster.namespace}/mine"
    _becomes(cluster, chg, phase="Approved", letThrough=way)
    assert _status(cluster, chg)["allowedAt"]
    assert _deletes(cluster, service).code == 0
    # That of the second use is written a while after that of the first.
    _becomes(cluster, chg, phase="Used", letThrough="")


def test_a_use_of_what_was_approved_before_anything_was_refused_is_an_event(
    cluster: Cluster, plugin: Plugin, service: str
) -> None:
    """There is no change request to tell of it; the report does."""
    _approved(cluster, service)
    assert _deletes(cluster, service).code == 0
    told = f"Delete by {AGENT} let through, approved by alice@example.com"
    eventually(lambda: _events(cluster) == [told], _SOON, "the event")
    reported = plugin.script(cluster.alice.kubeconfig, "report", "--since=10m")
    assert told in " ".join(reported.out.split()), reported.out


def test_a_use_by_an_update_that_takes_the_approval_off_is_an_event(cluster: Cluster) -> None:
    """Nothing on the object tells of it afterwards, and there is no change request."""
    cluster.policy(f"deployments-{cluster.namespace[-6:]}")
    cluster.deployment()
    eventually(lambda: cluster.delete(cluster.agent, "deployment", "checkout", "--dry-run=server").refused, _SOON, "")
    cluster.approve(cluster.alice, detail={"actions": ["ScaleToZero"]})

    def scaled() -> bool:
        wanted = cluster.get("deployment", "checkout")
        wanted["spec"]["replicas"] = 0
        del wanted["metadata"]["annotations"]["approval.seconder.dev/alice"]
        answer = cluster.agent("replace", "--filename=-", stdin=json.dumps(wanted))
        assert answer.code == 0 or "the object has been modified" in answer.err, answer
        return answer.code == 0

    eventually(scaled, _SOON, "nobody else writes")
    told = f"ScaleToZero by {AGENT} let through, approved by alice@example.com"
    eventually(lambda: _events(cluster) == [told], _SOON, "the event")


def _events(cluster: Cluster) -> list[str]:
    found = json.loads(cluster.admin("get", "events", "-n", cluster.namespace, "-o", "json"))["items"]
    return [each["message"] for each in found if each["reason"] == "LetThrough"]
