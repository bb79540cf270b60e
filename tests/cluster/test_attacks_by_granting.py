"""An agent that gives somebody else, whom nobody watches, the rights that it may not use itself."""

import json
from typing import Any

import pytest
from tests.support.cluster import Cluster, Result

ANONYMOUS = "--group=system:unauthenticated"
_TO_EVERYBODY = "give a role to users and groups of Kubernetes' own"


def _refused(answer: Result, words: str) -> None:
    assert answer.refused_with("ProtectedConfiguration"), answer.err
    assert f"agents may not {words}" in answer.err, answer.err


def _role(cluster: Cluster, name: str, verbs: str, resource: str, who: str = "admin") -> None:
    """Make a Role as a person, who may; or as the agent, which may this one too."""
    words = ("create", "role", name, f"--verb={verbs}", f"--resource={resource}", f"--namespace={cluster.namespace}")
    if who == "admin":
        cluster.admin(*words)
    else:
        made = cluster.agent(*words)
        assert made.code == 0, made.err


@pytest.mark.parametrize(
    "whom",
    [
        "--user=system:anonymous",
        ANONYMOUS,
        "--group=system:authenticated",
        "--group=system:serviceaccounts",
        "--user=erin",
        "--serviceaccount=default:default",
    ],
)
def test_binding_a_role_that_deletes_to_others_is_refused(cluster: Cluster, whom: str) -> None:
    """To everybody, somebody, or a ServiceAccount that the agent can run something as."""
    _role(cluster, "deleter", "delete", "deployments.apps")
    answer = cluster.agent("create", "rolebinding", "x", "--role=deleter", whom, f"--namespace={cluster.namespace}")
    everybody = "=system:" in whom
    _refused(
        answer, _TO_EVERYBODY if everybody else "give others than agents the right to delete or change deployments"
    )
    assert not cluster.exists("rolebinding", "x")


@pytest.mark.parametrize("verb", ["delete", "deletecollection", "update", "patch"])
def test_writing_a_role_with_a_protected_verb_is_refused(cluster: Cluster, verb: str) -> None:
    """A binding of that name may be there already: so a new role, one made again, and one that is changed."""
    place = f"--namespace={cluster.namespace}"
    for resource in ("deployments.apps", "deployments.apps/scale", "namespaces"):
        answer = cluster.agent("create", "role", "more", f"--verb={verb}", f"--resource={resource}", place)
        _refused(answer, "put the right ")
    _role(cluster, "reader", "get", "deployments.apps")
    cluster.admin("create", "rolebinding", "reader", "--role=reader", ANONYMOUS, place)
    rule = {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", verb]}
    change = json.dumps([{"op": "replace", "path": "/rules/0", "value": rule}])
    _refused(cluster.agent("patch", "role", "reader", place, "--type=json", "-p", change), "put the right ")


@pytest.mark.parametrize("rule", [("*", "*"), ("apps", "*"), ("*", "deployments"), ("*", "*/scale")])
def test_wildcards_count_as_what_they_cover(cluster: Cluster, rule: tuple[str, str]) -> None:
    """In a ClusterRole too."""
    group, resource = rule
    document: dict[str, Any] = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": cluster.namespace},
        "rules": [{"apiGroups": [group], "resources": [resource], "verbs": ["patch"]}],
    }
    answer = cluster.agent_with_all_rights("create", "--filename=-", stdin=json.dumps(document))
    assert answer.refused_with("ProtectedConfiguration"), answer.err
    applied = cluster.agent_with_all_rights("apply", "--server-side", "--filename=-", stdin=json.dumps(document))
    assert applied.refused_with("ProtectedConfiguration"), applied.err


def test_a_subject_more_on_a_binding_that_is_there_is_refused(cluster: Cluster) -> None:
    """By a patch of the list."""
    place = f"--namespace={cluster.namespace}"
    _role(cluster, "deleter", "delete", "deployments.apps")
    cluster.admin("create", "rolebinding", "x", "--role=deleter", "--serviceaccount=seconder-agents:kiro", place)
    everybody = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:authenticated"}
    more = json.dumps([{"op": "add", "path": "/subjects/-", "value": everybody}])
    answer = cluster.agent("patch", "rolebinding", "x", place, "--type=json", "-p", more)
    _refused(answer, _TO_EVERYBODY)
    assert cluster.agent("label", "rolebinding", "x", place, "a=b").code == 0


@pytest.mark.parametrize(
    ("verb", "resource", "right"),
    [
        ("impersonate", "users", "to impersonate"),
        ("impersonate", "serviceaccounts", "to impersonate"),
        ("escalate", "clusterroles", "to grant what they do not hold"),
        ("bind", "roles", "to grant what they do not hold"),
        ("delete", "validatingwebhookconfigurations", "to change admission configuration"),
        pytest.param(
            *("create", "mutatingadmissionpolicies", "to change admission configuration"),
            marks=pytest.mark.since("1.36", "mutating admission policies"),
        ),
        ("update", "apiservices", "to change which server answers for an API"),
        ("create", "serviceaccounts/token", "to make tokens of ServiceAccounts"),
        ("update", "certificatesigningrequests/approval", "to make or approve certificates"),
        ("get", "nodes/proxy", "to run commands through nodes"),
    ],
)
def test_rights_past_any_guard_go_to_nobody(cluster: Cluster, verb: str, resource: str, right: str) -> None:
    """To the agent itself no more than to others; by a new role, or by a binding to one that is there."""
    name = cluster.namespace
    words = ("create", "clusterrole", name, f"--verb={verb}", f"--resource={resource}")
    _refused(cluster.agent_with_all_rights(*words), f"give anybody the right {right}")
    cluster.admin(*words)
    bind = ("create", "clusterrolebinding", name, f"--clusterrole={name}", "--serviceaccount=seconder-agents:kiro")
    _refused(cluster.agent_with_all_rights(*bind), f"give anybody the right {right}")
    cluster.admin("delete", "clusterrole", name)


@pytest.mark.parametrize("role", ["cluster-admin", "admin", "edit"])
def test_the_roles_that_come_with_the_cluster_and_impersonate_go_to_nobody(cluster: Cluster, role: str) -> None:
    """Their rules are read: ``edit`` impersonates any ServiceAccount of its namespace."""
    place = f"--namespace={cluster.namespace}"
    for whom in ("--serviceaccount=seconder-agents:kiro", "--user=erin"):
        answer = cluster.agent_with_all_rights("create", "rolebinding", "x", f"--clusterrole={role}", whom, place)
        _refused(answer, "give anybody the right ")


def test_gathering_rules_by_labels_is_refused(cluster: Cluster) -> None:
    """A new label puts what a role allows into another one; and a new role gathers by labels of its own."""
    name = cluster.namespace
    cluster.admin("create", "clusterrole", name, "--verb=delete", "--resource=deployments.apps")
    label = ("label", "clusterrole", name, "rbac.authorization.k8s.io/aggregate-to-view=true")
    _refused(cluster.agent(*label), "put the right to delete or change deployments.apps into a role")
    assert cluster.agent("annotate", "clusterrole", name, "a=b").code == 0
    gathers = {"clusterRoleSelectors": [{"matchLabels": {"kubernetes.io/bootstrapping": "rbac-defaults"}}]}
    document = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": f"{name}-all"},
        "aggregationRule": gathers,
    }
    made = cluster.agent_with_all_rights("create", "--filename=-", stdin=json.dumps(document))
    _refused(made, "make roles that gather the rules of others")
    change = json.dumps({"aggregationRule": gathers})
    changed = cluster.agent_with_all_rights("patch", "clusterrole", name, "--type=merge", "-p", change)
    _refused(changed, "make roles that gather the rules of others")
    cluster.admin("delete", "clusterrole", name)


def test_what_a_policy_names_counts_in_its_namespaces(cluster: Cluster) -> None:
    """ConfigMaps are free until a policy names them, and stay free elsewhere."""
    place = f"--namespace={cluster.namespace}"
    make = ("create", "role", "keeper", "--verb=delete", "--resource=configmaps")
    free = cluster.agent(*make, place, "--dry-run=server")
    assert free.code == 0, free.err
    cluster.policy(cluster.namespace, resources=[{"group": "", "resources": ["configmaps"]}])
    _refused(cluster.agent(*make, place), "put the right to delete or change configmaps into a role")
    assert cluster.agent(*make, "--namespace=default", "--dry-run=server").code == 0


def test_granting_ordinary_rights_stays_free(cluster: Cluster) -> None:
    """To read, to others; to work, to agents; on what no policy names, to anybody. And who has them may lose them."""
    place = f"--namespace={cluster.namespace}"
    _role(cluster, "deleter", "delete,update", "deployments.apps")
    _role(cluster, "settings", "create,update,delete", "configmaps", who="agent")
    other = "--serviceaccount=seconder-agents:hal"
    for words in (
        ("create", "rolebinding", "a", "--clusterrole=view", "--user=erin"),
        ("create", "rolebinding", "b", "--clusterrole=view", other),
        ("create", "rolebinding", "c", "--role=deleter", other),
        ("create", "rolebinding", "d", "--role=deleter", "--group=seconder.dev:agents"),
        ("create", "rolebinding", "e", "--role=settings", "--user=erin"),
        ("label", "role", "settings", "a=b"),
        ("annotate", "role", "deleter", "a=b"),
        ("delete", "rolebinding", "a", "c"),
        ("delete", "role", "settings"),
    ):
        answer = cluster.agent(*words, place)
        assert answer.code == 0, f"{words}: {answer.err}"


def test_people_grant_what_they_like(cluster: Cluster) -> None:
    """None of this is asked of them."""
    place = f"--namespace={cluster.namespace}"
    for words in (
        ("create", "role", "deleter", "--verb=*", "--resource=deployments.apps"),
        ("create", "rolebinding", "x", "--role=deleter", ANONYMOUS),
        ("create", "token", "default"),
    ):
        answer = cluster.human(*words, place)
        assert answer.code == 0, answer.err
