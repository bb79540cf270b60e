"""Every power that ends the guard, from one list: an agent neither gets it through a pod, nor gives it away."""

import os
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pytest
from tests.support.cluster import Cluster, eventually
from tests.support.powers import EVERYWHERE, HERE, POWERS, RBAC, Power, has, holder, role_of
from tests.support.requests import Answer, Call, client

from localstack.stack import Stack

_CONTAINERS = [{"name": "main", "image": "none:0"}]


class _Clients(NamedTuple):
    """One namespace for all powers, and who asks for something there. ``agent`` and ``hal`` are agents.

    RBAC forbids ``hal`` nothing.
    """

    here: str
    admin: Call
    agent: Call
    hal: Call
    person: Call


@pytest.fixture(scope="module")
def clients(stack: Stack) -> _Clients:
    """Everybody's clients, and the namespace."""
    cluster = Cluster(stack, f"powers-{os.urandom(3).hex()}")
    cluster.make_namespace()
    hal = stack.control_plane.client_kubeconfig("hal", ["people", "seconder.dev:agents"])
    return _Clients(
        cluster.namespace,
        client(stack.admin_kubeconfig, 1),
        client(stack.agent_kubeconfig, 1),
        client(hal, 1),
        client(stack.human_kubeconfig, 1),
    )


def _pod(account: str) -> dict[str, Any]:
    return {"serviceAccountName": account, "containers": _CONTAINERS}


def _deployment(account: str) -> dict[str, Any]:
    labels = {"app": account[:63].strip("-")}
    template = {"metadata": {"labels": labels}, "spec": _pod(account)}
    return {"metadata": {"name": account}, "spec": {"selector": {"matchLabels": labels}, "template": template}}


def _through_a_pod(caller: Call, here: str, account: str) -> Mapping[str, Answer]:
    """Try to act as a ServiceAccount: by a pod of one's own, by a Deployment's, and in a pod that is there."""
    pods, deployments = f"/api/v1/namespaces/{here}/pods", f"/apis/apps/v1/namespaces/{here}/deployments"
    pod = {"metadata": {"generateName": "mine-"}, "spec": _pod(account)}
    return {
        "pod": caller("POST", f"{pods}?dryRun=All", pod),
        "template": caller("POST", f"{deployments}?dryRun=All", _deployment(account)),
        "exec": caller("POST", f"{pods}/{account}/exec?command=id&stdout=true"),
    }


def _refused(answer: Answer, words: str) -> None:
    causes = (answer.document.get("details") or {}).get("causes") or [{}]
    assert (answer.code, causes[0].get("reason")) == (403, "ProtectedConfiguration"), answer.document
    assert 'seconder.dev" denied the request: ' in answer.message
    assert words in answer.message


def _running(clients: _Clients, account: str) -> None:
    """Have a person run a pod as this ServiceAccount, for an agent to enter."""
    pod = {"metadata": {"name": account}, "spec": _pod(account)}
    made = clients.person("POST", f"/api/v1/namespaces/{clients.here}/pods", pod)
    assert made.code == 201, made.message


@pytest.mark.parametrize("power", POWERS, ids=str)
def test_no_power_that_ends_the_guard_is_had_through_a_pod(clients: _Clients, power: Power) -> None:
    """By a pod of an agent's own, by a Deployment's template, or by entering a pod that runs as its holder."""
    with holder(clients.admin, clients.here, power) as account:
        _running(clients, account)
        for answer in _through_a_pod(clients.agent, clients.here, account).values():
            _refused(answer, f"agents may not act as ServiceAccount {clients.here}/{account}, which may ")


@pytest.mark.parametrize(
    "power",
    [
        Power("get", "", "configmaps", HERE, "", True),
        Power("create", "", "events", EVERYWHERE, "", True),
        Power("update", "coordination.k8s.io", "leases", HERE, "", True),
        Power("get", RBAC, "clusterroles", EVERYWHERE, "", True),
        Power("get", "apps", "deployments", EVERYWHERE, "", True),
        Power("list", "seconder.dev", "protectionpolicies", EVERYWHERE, "", True),
    ],
    ids=str,
)
def test_accounts_of_ordinary_rights_stay_free(clients: _Clients, power: Power) -> None:
    """What a controller usually has is nothing that an agent could not do itself."""
    with holder(clients.admin, clients.here, power) as account:
        _running(clients, account)
        tried = _through_a_pod(clients.agent, clients.here, account)
        assert tried["pod"].code == 201, tried["pod"].message
        assert tried["template"].code == 201, tried["template"].message
        # There is no node to run it on, and so nothing to connect to.
        assert "denied the request" not in tried["exec"].message


@pytest.mark.parametrize("power", POWERS, ids=str)
def test_no_power_that_ends_the_guard_is_given(clients: _Clients, power: Power) -> None:
    """Neither put into a role, nor given to a person by binding one that is there."""
    with role_of(clients.admin, clients.here, power) as role:
        more = {"metadata": {"name": "more"}, "rules": [power.rule]}
        binding = {
            "metadata": {"name": "more"},
            "roleRef": {"apiGroup": RBAC, "kind": role.kind, "name": role.name},
            "subjects": [{"apiGroup": RBAC, "kind": "User", "name": "erin"}],
        }
        _refused(clients.hal("POST", f"{role.collection}s?dryRun=All", more), "agents may not ")
        _refused(clients.hal("POST", f"{role.collection}bindings?dryRun=All", binding), "agents may not ")
        made = clients.person("POST", f"{role.collection}s?dryRun=All", more)
        assert made.code == 201, made.message


def test_the_role_that_comes_for_agents_has_none_of_them(cluster: Cluster, clients: _Clients) -> None:
    """But for what reviews decide, as of all that is in the guard's own namespace."""
    user = f"limited-{cluster.namespace}"
    cluster.admin("create", "clusterrolebinding", user, "--clusterrole=seconder-agent", f"--user={user}")
    here = cluster.namespace
    try:
        work = Power("create", "apps", "deployments", HERE, "", True)
        eventually(lambda: has(clients.admin, user, work, here), 10, "the role is bound")
        asked = [power for power in POWERS if not (power.decided or power.name or power.place == "seconder-system")]
        assert [str(power) for power in asked if has(clients.admin, user, power, here)] == []
    finally:
        cluster.admin("delete", "clusterrolebinding", user)


@pytest.fixture
def elsewhere(cluster: Cluster) -> Iterator[str]:
    """A namespace that a policy names, beside the test's own."""
    name = f"named-{os.urandom(3).hex()}"
    cluster.admin("create", "namespace", name)
    cluster.policy(name, namespaces=[name], resources=[{"group": "", "resources": ["configmaps"]}])
    yield name
    cluster.admin("delete", "namespace", name, "--wait=false")


@pytest.mark.parametrize(
    ("verb", "resource"), [("create", "serviceaccounts/token"), ("create", "pods"), ("create", "pods/exec")]
)
def test_powers_in_a_namespace_that_a_policy_names_count(
    cluster: Cluster, clients: _Clients, elsewhere: str, verb: str, resource: str
) -> None:
    """The account is in another one; who deletes what the policy names there may be had by a token or a pod."""
    power = Power(verb, "", resource, elsewhere, "", True)
    here = cluster.namespace
    with holder(clients.admin, here, power) as account:
        pods, pod = f"/api/v1/namespaces/{here}/pods?dryRun=All", {"metadata": {"name": account}, "spec": _pod(account)}

        def known() -> bool:
            # Who owns what a new policy names is listed first.
            return "is not known yet" not in clients.agent("POST", pods, pod).message

        eventually(known, 10, "who owns what is known")
        _refused(clients.agent("POST", pods, pod), f"agents may not act as ServiceAccount {here}/{account}, which may ")
