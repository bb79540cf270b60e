"""Roles, bindings, pods and Secrets in a review: what of them the core is told."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from seconder.admission import codec, pod_templates, rbac_documents
from seconder.admission.borrowing import Account, Right
from seconder.admission.rbac import BindingEdit, Role, RoleEdit, RoleRef, Rule, Subject
from seconder.admission.request import Request
from seconder.client import access_reviews

_GOOD = Path(__file__).parents[2] / "edge" / "reviews" / "delete-deployment.json"
RULE = {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get"], "resourceNames": ["x"]}
READS = Rule(frozenset({"apps"}), frozenset({"deployments"}), frozenset({"get"}))
ERIN = {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "erin"}
HAL = {"kind": "ServiceAccount", "namespace": "seconder-agents", "name": "hal"}


def _review(group: str, resource: str, new: Any, old: Any = None, **more: Any) -> Request:
    document: dict[str, Any] = json.loads(_GOOD.read_text())
    metadata = {"name": "x", "uid": "1"}
    document["request"] |= {
        "operation": "CREATE" if old is None else "UPDATE",
        "resource": {"group": group, "version": "v1", "resource": resource},
        "name": "x",
        "namespace": "payments",
        "object": None if new is None else {"metadata": metadata} | new,
        "oldObject": None if old is None else {"metadata": metadata} | old,
    } | more
    return codec.decode(json.dumps(document).encode())


def _rbac(resource: str, new: Any, old: Any = None) -> RoleEdit | BindingEdit | None:
    return _review("rbac.authorization.k8s.io", resource, new, old).rbac


@pytest.mark.parametrize("resource", ["roles", "clusterroles"])
def test_a_role_is_read_as_it_was_and_as_it_will_be(resource: str) -> None:
    """A rule for paths gives nothing on resources."""
    paths = {"verbs": ["get"], "nonResourceURLs": ["/metrics"]}
    read = _rbac(resource, {"rules": [RULE, paths], "metadata": {"name": "x", "uid": "1", "labels": {"a": "b"}}})
    none = Rule(frozenset(), frozenset(), frozenset({"get"}))
    assert read == RoleEdit(None, Role(frozenset({READS, none}), frozenset({("a", "b")})))
    assert _rbac(resource, {"rules": [RULE]}, {"rules": None}) == RoleEdit(Role(frozenset()), Role(frozenset({READS})))


def test_how_a_role_gathers_is_compared_by_what_it_says() -> None:
    """The order of keys makes no difference."""
    one, same, other = ({"clusterRoleSelectors": [each]} for each in ({"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": 1}))
    read = _rbac("clusterroles", {"aggregationRule": one}, {"aggregationRule": same})
    assert isinstance(read, RoleEdit)
    assert read.before is not None
    assert read.before.gathers == read.after.gathers != b""
    changed = _rbac("clusterroles", {"aggregationRule": one}, {"aggregationRule": other})
    assert isinstance(changed, RoleEdit)
    assert changed.before is not None
    assert changed.before.gathers != changed.after.gathers


@pytest.mark.parametrize(("kind", "namespace"), [("ClusterRole", ""), ("Role", "payments"), ("Other", "payments")])
def test_a_binding_tells_whom_it_adds_and_which_role_it_gives(kind: str, namespace: str) -> None:
    """Who had it before is not news."""
    ref = {"roleRef": {"kind": kind, "name": "r", "apiGroup": "rbac.authorization.k8s.io"}}
    made = _rbac("rolebindings", ref | {"subjects": [ERIN, HAL]})
    hal, erin = Subject("ServiceAccount", "seconder-agents", "hal"), Subject("User", "", "erin")
    assert made == BindingEdit(RoleRef(namespace, "r"), frozenset({hal, erin}))
    changed = _rbac("rolebindings", ref | {"subjects": [ERIN, HAL]}, ref | {"subjects": [HAL]})
    assert changed == BindingEdit(RoleRef(namespace, "r"), frozenset({erin}))
    emptied = _rbac("clusterrolebindings", ref, ref | {"subjects": [HAL]})
    assert isinstance(emptied, BindingEdit)
    assert not emptied.added


def test_a_binding_that_is_deleted_tells_which_role_it_gave() -> None:
    """And gives it to nobody."""
    stored = {
        "roleRef": {"kind": "ClusterRole", "name": "r"},
        "subjects": [ERIN],
        "metadata": {"name": "x", "uid": "1"},
    }
    deleted = _review("rbac.authorization.k8s.io", "clusterrolebindings", None, stored, operation="DELETE")
    assert deleted.rbac == BindingEdit(RoleRef("", "r"), frozenset())


@pytest.mark.parametrize(
    ("resource", "document"),
    [
        ("roles", {"rules": "all"}),
        ("roles", {"rules": [{"verbs": "get"}]}),
        ("clusterroles", {"aggregationRule": []}),
        ("rolebindings", {"subjects": []}),
        ("rolebindings", {"roleRef": {"kind": "Role", "name": "r"}, "subjects": [{"kind": "User"}]}),
    ],
)
def test_what_is_not_understood_is_refused(resource: str, document: Any) -> None:
    """Rather than taken for nothing."""
    with pytest.raises(codec.Malformed, match="the role or binding is not understood"):
        _rbac(resource, document)


def test_other_kinds_may_have_fields_of_these_names() -> None:
    """Of any shape; and a deletion gives nothing."""
    odd = {"rules": 5, "subjects": "x", "roleRef": [], "aggregationRule": 1, "type": {}, "spec": "text"}
    read = _review("example.com", "widgets", odd)
    assert (read.rbac, read.secret_type, read.runs_as) == (None, "", "")
    assert _review("rbac.authorization.k8s.io", "others", odd).rbac is None
    old = {"rules": [RULE], "metadata": {"name": "x", "uid": "1", "namespace": "payments"}}
    deleted = _review("rbac.authorization.k8s.io", "roles", None, old, operation="DELETE")
    assert deleted.rbac is None


def test_the_type_of_a_secret_is_read() -> None:
    """Of nothing else."""
    assert (
        _review("", "secrets", {"type": "bootstrap.kubernetes.io/token"}).secret_type == "bootstrap.kubernetes.io/token"
    )
    assert _review("", "secrets", {}).secret_type == ""
    assert _review("", "events", {"type": "Normal"}).secret_type == ""
    with pytest.raises(codec.Malformed, match="the Secret's type is not understood"):
        _review("", "secrets", {"type": 5})


def _template(run: dict[str, Any]) -> dict[str, Any]:
    return {"spec": {"template": {"metadata": {}, "spec": run}}}


@pytest.mark.parametrize("resource", sorted(pod_templates.RUNNERS), ids=str)
def test_as_whom_pods_run_is_read_from_every_kind(resource: tuple[str, str]) -> None:
    """Where nothing is said, as ``default``; where nothing of the pods changes, nothing is said."""

    def wrapped(run: dict[str, Any], **more: Any) -> dict[str, Any]:
        if resource == pod_templates.PODS:
            return {"spec": run}
        job = {"template": {"spec": run}} | more
        return {"spec": {"jobTemplate": {"spec": job}}} if resource[1] == "cronjobs" else {"spec": job}

    run = {"serviceAccountName": "worker", "containers": []}
    other = run | {"containers": [{"image": "x"}]}
    assert _review(*resource, wrapped(run)).runs_as == "worker"
    assert _review(*resource, wrapped({"containers": []})).runs_as == "default"
    assert _review(*resource, wrapped(run), wrapped(run, replicas=3)).runs_as == ""
    assert _review(*resource, wrapped(other), wrapped(run)).runs_as == "worker"
    assert _review(*resource, wrapped(other), wrapped(run), subResource="status").runs_as == ""
    assert _review(*resource, wrapped(other), wrapped(run), subResource="ephemeralcontainers").runs_as == "worker"
    assert _review(*resource, {"spec": None}).runs_as == ""
    with pytest.raises(codec.Malformed, match="the pods' specification is not understood"):
        _review(*resource, wrapped({"serviceAccountName": 5}))


def test_a_role_and_a_pod_are_read_from_what_the_api_server_gives() -> None:
    """What has another shape is an error and no answer."""
    assert rbac_documents.rules({"rules": [RULE]}) == [READS]
    assert rbac_documents.rules({}) == rbac_documents.rules({"rules": None}) == []
    assert pod_templates.account_of({"spec": {"serviceAccountName": "worker"}}) == "worker"
    assert pod_templates.account_of({"spec": {}}) == "default"
    for read, document in (
        (rbac_documents.rules, {"rules": 5}),
        (pod_templates.account_of, {}),
        (access_reviews.allowed, {}),
    ):
        with pytest.raises(msgspec.ValidationError):
            read(document)


def test_a_question_has_the_words_of_a_subjectaccessreview() -> None:
    """With the groups that every token of the ServiceAccount has."""
    asked = access_reviews.access_review(
        Account("payments", "worker"), Right("patch", "apps", "deployments", "scale", "p")
    )
    assert asked["spec"] == {
        "user": "system:serviceaccount:payments:worker",
        "groups": ["system:authenticated", "system:serviceaccounts", "system:serviceaccounts:payments"],
        "resourceAttributes": {
            "verb": "patch",
            "group": "apps",
            "resource": "deployments",
            "subresource": "scale",
            "namespace": "p",
        },
    }
    assert (
        "namespace"
        not in access_reviews.access_review(Account("p", "w"), Right("get", "", "nodes", "proxy", ""))["spec"][
            "resourceAttributes"
        ]
    )
    assert access_reviews.allowed({"status": {"allowed": True}})
    assert not access_reviews.allowed({"status": {"allowed": False, "evaluationError": "no such role"}})
