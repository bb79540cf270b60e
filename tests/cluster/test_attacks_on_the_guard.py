"""An agent that takes the guard away from under everybody: its roles, its place, who answers for its objects."""

import json

import pytest
from tests.support.cluster import Cluster

pytestmark = pytest.mark.core


@pytest.mark.parametrize(
    "words",
    [
        ("delete", "clusterrole", "seconder-webhook"),
        ("delete", "clusterrolebinding", "seconder-operator"),
        ("patch", "clusterrole", "seconder-webhook-lookups", "--type=merge", "-p", '{"rules":[]}'),
        ("create", "clusterrole", "seconder-more", "--verb=get", "--resource=pods"),
        ("create", "clusterrolebinding", "seconder-more", "--clusterrole=view", "--group=people"),
        ("delete", "clusterroles", "--selector=app.kubernetes.io/name=seconder"),
    ],
    ids=" ".join,
)
def test_changing_the_guards_own_roles_is_refused(cluster: Cluster, words: tuple[str, ...]) -> None:
    """Without them it sees nothing."""
    cluster.admin("label", "clusterrole", "seconder-webhook", "--overwrite", "app.kubernetes.io/name=seconder")
    answer = cluster.agent(*words)
    assert answer.refused_with("ProtectedConfiguration"), answer.err
    assert "agents may not change the guard's own roles" in answer.err
    assert cluster.there("clusterrole", "seconder-webhook")


def test_taking_the_guards_roles_from_people_is_refused(cluster: Cluster) -> None:
    """Whatever the binding is called: with nobody left who may approve, everything waits."""
    kind, name = "clusterrolebinding", cluster.namespace
    cluster.admin("create", kind, name, "--clusterrole=seconder-approver", "--user=alice@example.com")
    before = cluster.get(kind, name)["subjects"]
    for words in (
        ("delete", kind, name),
        ("delete", "--raw=/apis/rbac.authorization.k8s.io/v1/clusterrolebindings?fieldSelector=metadata.name=" + name),
        ("patch", kind, name, "--type=merge", "-p", '{"subjects":[]}'),
        ("patch", kind, name, "--type=json", "-p", '[{"op":"replace","path":"/subjects/0/name","value":"erin"}]'),
    ):
        answer = cluster.agent_with_all_rights(*words)
        assert answer.refused_with("ProtectedConfiguration"), answer.err
        assert "agents may not change who has the guard's own roles" in answer.err
        assert cluster.get(kind, name)["subjects"] == before
    taken = cluster.human("delete", kind, name)
    assert taken.code == 0, taken.err


@pytest.mark.parametrize("group", ["seconder.dev", "apps", "example.com"])
def test_answering_for_an_api_is_refused(cluster: Cluster, group: str) -> None:
    """A server of an agent's own could give the webhook policies that protect nothing."""
    service = {"namespace": cluster.namespace, "name": "mine"}
    spec = {"group": group, "version": "v1alpha9", "service": service, "groupPriorityMinimum": 1, "versionPriority": 1}
    document = {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": f"v1alpha9.{group}"},
        "spec": spec | {"insecureSkipTLSVerify": True},
    }
    answer = cluster.agent("create", "--filename=-", stdin=json.dumps(document))
    assert answer.refused_with("ProtectedConfiguration"), answer.err
    taken = json.dumps({"spec": {"service": service, "insecureSkipTLSVerify": True}})
    answer = cluster.agent("patch", "apiservice", "v1alpha1.seconder.dev", "--type=merge", "-p", taken)
    assert answer.refused_with("ProtectedConfiguration"), answer.err


@pytest.mark.parametrize("subresource", ["exec", "attach", "portforward", "proxy", "eviction", "ephemeralcontainers"])
def test_entering_the_guards_own_pods_is_refused(cluster: Cluster, subresource: str) -> None:
    """And throwing them out, or adding a container to them."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": cluster.namespace, "namespace": "seconder-system"},
        "spec": {"containers": [{"name": "main", "image": "none:0"}], "nodeName": "nowhere"},
    }
    cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": "default", "namespace": "seconder-system"},
        },
        pod,
    )
    path = f"/api/v1/namespaces/seconder-system/pods/{cluster.namespace}/{subresource}"
    match subresource:
        case "eviction":
            body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": cluster.namespace}}
            answer = cluster.agent("create", "--raw", path, "--filename=-", stdin=json.dumps(body))
        case "ephemeralcontainers":
            body = {"spec": {"ephemeralContainers": [{"name": "x", "image": "none:0"}]}}
            place = ("--namespace=seconder-system", "--subresource=ephemeralcontainers", "--type=strategic")
            answer = cluster.agent("patch", "pod", cluster.namespace, *place, "-p", json.dumps(body))
        case _:
            answer = cluster.agent("create", "--raw", f"{path}?command=id&stdout=true", "--filename=-", stdin="{}")
    assert answer.refused_with("ProtectedConfiguration"), answer.err


def test_reaching_a_node_past_the_api_server_is_refused(cluster: Cluster) -> None:
    """Through the API server's proxy; a kubelet that is reached directly asks no review."""
    cluster.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": cluster.namespace}})
    answer = cluster.agent("create", "--raw", f"/api/v1/nodes/{cluster.namespace}/proxy/run", "-f", "-", stdin="{}")
    assert answer.refused_with("ProtectedConfiguration"), answer.err
    cluster.admin("delete", "node", cluster.namespace)


def test_ordinary_work_stays_free(cluster: Cluster) -> None:
    """Configuration, Secrets, workloads and ServiceAccounts of an agent's own, in places that are nobody's guard."""
    place = f"--namespace={cluster.namespace}"
    for words in (
        ("create", "configmap", "settings", "--from-literal=a=b"),
        ("create", "secret", "generic", "password", "--from-literal=a=b"),
        ("create", "serviceaccount", "worker"),
        ("create", "deployment", "worker", "--image=none:0"),
        ("run", "once", "--image=none:0", "--restart=Never", '--overrides={"spec":{"serviceAccountName":"default"}}'),
        ("scale", "deployment", "worker", "--replicas=2"),
        ("label", "secret", "password", "a=b"),
    ):
        answer = cluster.agent(*words, place)
        assert answer.code == 0, answer.err
