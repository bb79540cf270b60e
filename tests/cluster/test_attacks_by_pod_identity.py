"""An agent that acts through a pod, which acts as a ServiceAccount that nobody takes for an agent."""

import json
from typing import Any

import pytest
from tests.support.cluster import Cluster, Result, eventually

_CONTAINERS = {"containers": [{"name": "main", "image": "none:0"}]}
_KINDS = {
    "Pod": "v1",
    "ReplicationController": "v1",
    "DaemonSet": "apps/v1",
    "Deployment": "apps/v1",
    "ReplicaSet": "apps/v1",
    "StatefulSet": "apps/v1",
    "Job": "batch/v1",
    "CronJob": "batch/v1",
}


def _workload(cluster: Cluster, kind: str, account: str, **pod: Any) -> str:
    """Give a manifest whose pods run as this ServiceAccount."""
    labels = {"app": "worker"}
    run: dict[str, Any] = _CONTAINERS | {"serviceAccountName": account} | pod
    template = {"metadata": {"labels": labels}, "spec": run}
    spec: dict[str, Any]
    match kind:
        case "Pod":
            spec = run
        case "Job":
            spec = {"template": {"spec": run | {"restartPolicy": "Never"}}}
        case "CronJob":
            job = {"template": {"spec": run | {"restartPolicy": "Never"}}}
            spec = {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": job}}
        case "ReplicationController":
            spec = {"replicas": 0, "selector": labels, "template": template}
        case _:
            spec = {"selector": {"matchLabels": labels}, "template": template}
            if kind == "StatefulSet":
                spec["serviceName"] = "worker"
    metadata = {"name": "worker", "namespace": cluster.namespace, "labels": labels}
    return json.dumps({"apiVersion": _KINDS[kind], "kind": kind, "metadata": metadata, "spec": spec})


def _powerful(cluster: Cluster, *role: str) -> None:
    """Make ServiceAccount ``deployer`` that may do something, and ``plain`` that may not."""
    place = f"--namespace={cluster.namespace}"
    for name in ("deployer", "plain"):
        cluster.admin("create", "serviceaccount", name, place)
    cluster.admin("create", "role", "power", *(role or ("--verb=delete", "--resource=deployments.apps")), place)
    cluster.admin(
        "create", "rolebinding", "power", "--role=power", f"--serviceaccount={cluster.namespace}:deployer", place
    )


def _refused(answer: Result, cluster: Cluster, right: str = "delete deployments.apps") -> None:
    assert answer.refused_with("ProtectedConfiguration"), answer.err
    assert f"agents may not act as ServiceAccount {cluster.namespace}/deployer, which may {right}" in answer.err


@pytest.mark.parametrize("kind", _KINDS)
def test_pods_as_somebody_who_may_delete_are_refused(cluster: Cluster, kind: str) -> None:
    """Made as such, or through each of the kinds that make them; the same with an account that may not is free."""
    _powerful(cluster)
    _refused(cluster.agent("create", "--filename=-", stdin=_workload(cluster, kind, "deployer")), cluster)
    free = cluster.agent("create", "--filename=-", stdin=_workload(cluster, kind, "plain"))
    assert free.code == 0, free.err


@pytest.mark.parametrize("kind", ["Deployment", "CronJob"])
def test_changing_what_runs_as_somebody_is_refused(cluster: Cluster, kind: str) -> None:
    """Another image under the same account, or another account; its labels and scale stay free."""
    _powerful(cluster)
    place = f"--namespace={cluster.namespace}"
    cluster.admin("create", "--filename=-", stdin=_workload(cluster, kind, "deployer"))
    _refused(cluster.agent("set", "image", f"{kind}/worker", "main=mine:1", place), cluster)
    assert cluster.agent("label", kind, "worker", "a=b", place).code == 0
    if kind == "Deployment":
        assert cluster.agent("scale", kind, "worker", "--replicas=3", place).code == 0
        assert cluster.agent("set", "serviceaccount", kind, "worker", "plain", place).code == 0
        assert cluster.agent("set", "image", f"{kind}/worker", "main=mine:1", place).code == 0
        _refused(cluster.agent("set", "serviceaccount", kind, "worker", "deployer", place), cluster)


@pytest.mark.parametrize("subresource", ["exec", "attach", "portforward", "proxy", "ephemeralcontainers"])
def test_entering_a_pod_of_somebody_who_may_delete_is_refused(cluster: Cluster, subresource: str) -> None:
    """A person made it, and it runs under that account's rights."""
    _powerful(cluster)
    cluster.admin("create", "--filename=-", stdin=_workload(cluster, "Pod", "deployer"))
    cluster.admin("create", "--filename=-", stdin=_workload(cluster, "Pod", "plain").replace('"worker"', '"other"'))
    answers = {}
    for name in ("worker", "other"):
        if subresource == "ephemeralcontainers":
            body = json.dumps({"spec": {"ephemeralContainers": [{"name": "x", "image": "none:0"}]}})
            words = (f"--namespace={cluster.namespace}", f"--subresource={subresource}", "--type=strategic", "-p", body)
            answers[name] = cluster.agent("patch", "pod", name, *words)
        else:
            path = f"/api/v1/namespaces/{cluster.namespace}/pods/{name}/{subresource}?command=id&stdout=true"
            answers[name] = cluster.agent("create", "--raw", path, "--filename=-", stdin="{}")
    _refused(answers["worker"], cluster)
    # There is no node to run it on, and so nothing to connect to.
    assert not answers["other"].refused, answers["other"].err


@pytest.mark.parametrize(
    ("verb", "resource", "right"),
    [
        ("deletecollection", "deployments.apps", "deletecollection deployments.apps"),
        ("patch", "deployments.apps/scale", "patch deployments.apps/scale"),
        ("delete", "namespaces", "delete namespaces"),
        ("impersonate", "serviceaccounts", "impersonate serviceaccounts"),
        ("create", "serviceaccounts/token", "create serviceaccounts/token"),
        ("create", "pods", "create pods"),
    ],
)
def test_each_right_that_matters_is_asked_about(cluster: Cluster, verb: str, resource: str, right: str) -> None:
    """One of them is enough."""
    _powerful(cluster, f"--verb={verb}", f"--resource={resource}")
    _refused(cluster.agent("create", "--filename=-", stdin=_workload(cluster, "Pod", "deployer")), cluster, right)


def test_rights_in_another_namespace_count_where_a_policy_names_it(cluster: Cluster) -> None:
    """The account is here, what it may delete is there."""
    cluster.admin("create", "serviceaccount", "deployer", f"--namespace={cluster.namespace}")
    whom = f"--serviceaccount={cluster.namespace}:deployer"
    cluster.admin("create", "role", cluster.namespace, "--verb=delete", "--resource=secrets", "--namespace=default")
    cluster.admin(
        "create", "rolebinding", cluster.namespace, f"--role={cluster.namespace}", whom, "--namespace=default"
    )
    cluster.policy(cluster.namespace, namespaces=["default"], resources=[{"group": "", "resources": ["secrets"]}])
    pod = _workload(cluster, "Pod", "deployer")
    _refused(cluster.agent("create", "--filename=-", stdin=pod), cluster, "delete secrets")
    cluster.admin("delete", "role,rolebinding", cluster.namespace, "--namespace=default")


@pytest.mark.parametrize("account", ["namespace-controller", "generic-garbage-collector"])
def test_a_pod_as_one_of_the_control_planes_controllers_is_refused(cluster: Cluster, account: str) -> None:
    """Whom nothing here ever binds."""
    pod = json.loads(_workload(cluster, "Pod", account))
    pod["metadata"]["namespace"] = "kube-system"
    answer = cluster.agent("create", "--filename=-", stdin=json.dumps(pod))
    assert answer.refused_with("ProtectedConfiguration"), answer.err
    assert f"agents may not act as ServiceAccount kube-system/{account}" in answer.err


def _pod_of_agent(cluster: Cluster, account: str) -> str:
    pod = json.loads(_workload(cluster, "Pod", account))
    pod["metadata"] |= {"namespace": "seconder-agents", "name": cluster.namespace}
    return json.dumps(pod)


def test_a_pod_as_another_agent_is_refused(cluster: Cluster) -> None:
    """Its operator is another: the agent's own could approve. Entering one of its pods is the same."""
    cluster.admin("create", "serviceaccount", cluster.namespace[-12:], "--namespace=seconder-agents")
    pod = _pod_of_agent(cluster, cluster.namespace[-12:])
    answer = cluster.agent("create", "--filename=-", stdin=pod)
    assert answer.refused_with("ProtectedConfiguration"), answer.err
    assert (
        f"agents may not act as ServiceAccount seconder-agents/{cluster.namespace[-12:]}, another agent" in answer.err
    )
    cluster.admin("create", "--filename=-", stdin=pod)
    path = f"/api/v1/namespaces/seconder-agents/pods/{cluster.namespace}/exec?command=id&stdout=true"
    answer = cluster.agent("create", "--raw", path, "--filename=-", stdin="{}")
    assert answer.refused_with("ProtectedConfiguration"), answer.err
    cluster.admin("delete", "pod", cluster.namespace, "--namespace=seconder-agents", "--force")
    cluster.admin("delete", "serviceaccount", cluster.namespace[-12:], "--namespace=seconder-agents")


def test_a_pod_as_the_agent_itself_stays_free(cluster: Cluster) -> None:
    """What it does there is refused as the agent's."""
    made = cluster.agent("create", "--filename=-", stdin=_pod_of_agent(cluster, "kiro"))
    assert made.code == 0, made.err
    cluster.admin("delete", "pod", cluster.namespace, "--namespace=seconder-agents", "--force")


def test_a_pod_that_outlives_the_end_of_an_agents_tokens_is_refused(cluster: Cluster) -> None:
    """Kubelets renew a pod's token for as long as it runs."""
    cluster.admin(
        "annotate", "serviceaccount", "kiro", "seconder.dev/token-end=2099-01-01T00:00:00Z", "-n=seconder-agents"
    )
    try:
        eventually(
            lambda: (
                "whose tokens have an end"
                in cluster.agent("create", "--dry-run=server", "--filename=-", stdin=_pod_of_agent(cluster, "kiro")).err
            ),
            10,
            "the pod is refused",
        )
    finally:
        cluster.admin("annotate", "serviceaccount", "kiro", "seconder.dev/token-end-", "-n=seconder-agents")


def test_people_run_what_they_like(cluster: Cluster) -> None:
    """None of this is asked of them."""
    _powerful(cluster)
    made = cluster.human("create", "--filename=-", stdin=_workload(cluster, "Deployment", "deployer"))
    assert made.code == 0, made.err
