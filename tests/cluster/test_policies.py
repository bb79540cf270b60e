"""ProtectionPolicies on a real API server: what is refused at apply, what takes effect, and what spoils nothing."""

import json
from typing import Any

import pytest
from tests.support.cluster import Cluster, eventually

from seconder.admission.principal import BUILTIN_CONTROLLERS, service_account_user

pytestmark = pytest.mark.core

_ROLE = "system:controller:"
_DEPLOYMENTS = [{"group": "apps", "resources": ["deployments"]}]


def _apply(cluster: Cluster, kind: str, spec: dict[str, Any]) -> str:
    document = {"apiVersion": "seconder.dev/v1alpha1", "kind": kind, "metadata": {"name": "trial"}, "spec": spec}
    result = cluster.human(
        "create", "--dry-run=server", "--validate=strict", "--filename=-", stdin=json.dumps(document)
    )
    return "" if result.code == 0 else result.err


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"resource": []}, 'unknown field "spec.resource"'),
        ({"resources": []}, "spec.resources"),
        ({"resources": [{"group": "apps", "resources": ["deployments/scale"]}]}, "spec.resources[0].resources[0]"),
        ({"mode": "enforce"}, "Unsupported value"),
        ({"approvals": {"required": 0}}, "greater than or equal to 1"),
        ({"approvals": {"required": 9}}, "less than or equal to 8"),
        ({"approvals": {"maxTTL": "2h"}}, "maxTTL must be from 1s to 1h"),
        ({"approvals": {"maxTTL": "0s"}}, "maxTTL must be from 1s to 1h"),
        ({"approvals": {"maxTTL": "15 minutes"}}, "spec.approvals.maxTTL"),
        ({"actions": ["Drain"]}, "Unsupported value"),
        ({"actions": []}, "spec.actions"),
        ({"namespaces": ["Payments"]}, "spec.namespaces[0]"),
        ({"agents": {"extraKeys": ["Example.com/Agent"]}}, "spec.agents.extraKeys[0]"),
        (
            {"agents": {"groups": [], "serviceAccountNamespaces": [], "extraKeys": [], "annotations": []}},
            "every way to recognise an agent is cleared",
        ),
        (
            {
                "agents": {
                    "groups": [],
                    "serviceAccountNamespaces": [],
                    "extraKeys": [],
                    "annotations": [],
                    "fieldManagers": ["bot"],
                }
            },
            "fieldManagers never match a Delete",
        ),
        ({"subjects": "Everyone", "resources": [{"group": "*", "resources": ["*"]}]}, "'*' cannot be used"),
        (
            {"subjects": "Everyone", "resources": [{"group": "seconder.dev", "resources": ["approvers"]}]},
            "seconder.dev",
        ),
    ],
)
def test_a_policy_that_says_nothing_sensible_is_refused_at_apply(
    cluster: Cluster, change: dict[str, Any], complaint: str
) -> None:
    """A typo or an out-of-range value never gets as far as the operator."""
    assert complaint in _apply(cluster, "ProtectionPolicy", {"resources": _DEPLOYMENTS} | change)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"agents": {"groups": []}},
        {"actions": ["ScaleToZero"], "agents": {"fieldManagers": ["bot"]}},
        {"resources": [{"group": "*", "resources": ["*"]}]},
        {"approvals": {"maxTTL": "1h", "required": 8, "assurance": "Verified", "teams": ["payments"]}},
    ],
)
def test_a_sensible_policy_is_taken(cluster: Cluster, change: dict[str, Any]) -> None:
    """The schema refuses nothing that means something."""
    assert _apply(cluster, "ProtectionPolicy", {"resources": _DEPLOYMENTS} | change) == ""


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"kubernetesUsers": []}, "spec.kubernetesUsers"),
        ({"keys": []}, "spec.keys"),
        ({"keys": [{"name": "laptop"}]}, "give exactly one of ssh and jwk"),
        ({"keys": [{"name": "a b", "ssh": "x"}]}, "spec.keys[0].name"),
        ({"keys": [{"name": "laptop", "ssh": "x", "notAfter": "soon"}]}, "notAfter"),
        ({"principle": "x"}, 'unknown field "spec.principle"'),
    ],
)
def test_an_approver_that_says_nothing_sensible_is_refused_at_apply(
    cluster: Cluster, change: dict[str, Any], complaint: str
) -> None:
    """The same for approvers."""
    spec = {
        "principal": "carol@example.com",
        "kubernetesUsers": ["carol@example.com"],
        "keys": [{"name": "laptop", "ssh": cluster.alice.public_key}],
    }
    assert complaint in _apply(cluster, "Approver", spec | change)


def test_defaults_are_filled_in_field_by_field(cluster: Cluster) -> None:
    """A subfield left out keeps its default; [] clears it."""
    cluster.policy("partial", agents={"groups": []})
    agents = cluster.get("protectionpolicy", "partial")["spec"]["agents"]
    assert agents["groups"] == []
    assert agents["serviceAccountNamespaces"] == ["seconder-agents"]
    assert agents["extraKeys"] == ["seconder.dev/agent"]


def test_an_edited_policy_is_effective_within_two_seconds(cluster: Cluster) -> None:
    """From the answer to the edit until a person feels it, and back."""
    cluster.deployment()
    dry_run = ("deployment", "checkout", "--dry-run=server")
    spec = {"resources": _DEPLOYMENTS, "namespaces": [cluster.namespace], "subjects": "Everyone"}
    document = {"apiVersion": "seconder.dev/v1alpha1", "kind": "ProtectionPolicy", "metadata": {"name": "edited"}}
    cluster.apply(document | {"spec": spec})
    eventually(lambda: cluster.delete(cluster.human, *dry_run).refused, 2, "the policy binds")
    cluster.admin("patch", "protectionpolicy", "edited", "--type=merge", "-p", '{"spec":{"subjects":"Agents"}}')
    eventually(lambda: cluster.delete(cluster.human, *dry_run).code == 0, 2, "the edit frees people")


@pytest.mark.parametrize(
    ("named", "meant"),
    [("deployment", "deployments"), ("Deployments", "deployments"), ("deploy", "deployments"), ("deploiments", "")],
)
def test_a_name_that_the_cluster_does_not_know_is_said_on_the_status(cluster: Cluster, named: str, meant: str) -> None:
    """Not Ready, with the name that was probably meant, which is refused to agents until the policy is mended."""
    cluster.deployment()
    cluster.policy("misspelt", resources=[{"group": "apps", "resources": [named]}])
    conditions = cluster.get("protectionpolicy", "misspelt")["status"]["conditions"]
    ready = next(each for each in conditions if each["type"] == "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "ResourcesInvalid")
    assert f"{named}.apps is not a resource of this cluster" in ready["message"]
    if meant:
        assert f"did you mean {meant}" in ready["message"]
        cluster.approve(cluster.alice)
        assert cluster.delete(cluster.agent).refused_with("PolicyInvalid")
    assert cluster.delete(cluster.human).code == 0


def test_a_bad_policy_spoils_no_other(cluster: Cluster) -> None:
    """The default policy goes on as before, with approvals, beside one that names nothing there is."""
    cluster.deployment()
    cluster.policy("bad", resources=[{"group": "nosuch.example.com", "resources": ["things"]}])
    assert cluster.delete(cluster.agent).refused_with("ApprovalMissing")
    cluster.approve(cluster.alice)
    assert cluster.delete(cluster.agent).code == 0


def test_an_invalid_policy_for_everyone_keeps_its_last_valid_form(cluster: Cluster) -> None:
    """An edit that makes it invalid does not free people."""
    cluster.deployment()
    cluster.policy("kept", subjects="Everyone")
    assert cluster.delete(cluster.human).refused_with("ApprovalMissing")
    cluster.policy("kept", subjects="Everyone", resources=[{"group": "apps", "resources": ["nosuch"]}])
    assert cluster.delete(cluster.human).refused_with("ApprovalMissing")


def test_a_policy_for_everyone_binds_people_but_the_exempt(cluster: Cluster) -> None:
    """Dana needs a peer; an exempt name does not; controllers go on."""
    cluster.deployment()
    cluster.policy("everyone", subjects="Everyone", exempt={"users": ["bob@example.com"]})
    bob = lambda *arguments: cluster.kubectl(cluster.bob.kubeconfig, *arguments)  # noqa: E731
    assert cluster.delete(cluster.human).refused_with("ApprovalMissing")
    assert cluster.delete(bob, "deployment", "checkout", "--dry-run=server").code == 0
    cluster.approve(cluster.alice, sub="dana@example.com", act=None)
    assert cluster.delete(cluster.human).code == 0


def test_an_agent_is_never_exempt(cluster: Cluster) -> None:
    """Whatever list its name stands in."""
    cluster.deployment()
    cluster.policy("everyone", subjects="Everyone", exempt={"users": ["system:serviceaccount:seconder-agents:kiro"]})
    assert cluster.delete(cluster.agent).refused


def test_controllers_go_on_under_a_policy_for_everyone(cluster: Cluster) -> None:
    """The deployment controller and the garbage collector clear away what has been approved."""
    pods = [{"group": "apps", "resources": ["deployments", "replicasets"]}, {"group": "", "resources": ["pods"]}]
    cluster.policy("everyone", subjects="Everyone", resources=pods)
    cluster.deployment()

    eventually(lambda: cluster.admin("get", "pods", "-n", cluster.namespace, "-o", "name"), 10, "a pod")
    cluster.approve(cluster.alice, sub="dana@example.com", act=None)
    assert cluster.delete(cluster.human).code == 0
    eventually(lambda: not cluster.admin("get", "rs,pods", "-n", cluster.namespace, "-o", "name"), 20, "all is cleared")


def test_every_controller_that_this_api_server_has_a_role_for_is_known(cluster: Cluster) -> None:
    """A version of Kubernetes with a controller more does not pass unnoticed: policies for Everyone would bind it."""
    roles = [*cluster.objects.all("clusterroles"), *cluster.objects.all("roles", "kube-system")]
    names = [role["metadata"]["name"] for role in roles]
    named = {name.removeprefix(_ROLE) for name in names if name.startswith(_ROLE)}
    assert {"namespace-controller", "token-cleaner"} <= named
    assert not {name for name in named if service_account_user("kube-system", name) not in BUILTIN_CONTROLLERS}


@pytest.mark.since("1.34", "these kinds")
@pytest.mark.parametrize(
    ("version", "kind", "plural", "body"),
    [
        ("resource.k8s.io/v1", "ResourceClaim", "resourceclaims", {"spec": {"devices": {}}}),
        (
            "storage.k8s.io/v1",
            "VolumeAttributesClass",
            "volumeattributesclasses",
            {"driverName": "none", "parameters": {"a": "b"}},
        ),
        ("networking.k8s.io/v1", "ServiceCIDR", "servicecidrs", {"spec": {"cidrs": ["10.213.0.0/24"]}}),
    ],
)
def test_a_finalizer_that_a_controller_takes_away_goes_under_a_policy_for_everyone(
    cluster: Cluster, version: str, kind: str, plural: str, body: dict[str, Any]
) -> None:
    """What a person may delete goes, whichever of the control plane's controllers has the last word."""
    name, namespaced = cluster.namespace, kind == "ResourceClaim"
    cluster.policy(
        "everyone",
        subjects="Everyone",
        exempt={"users": ["dana@example.com"]},
        resources=[{"group": version.partition("/")[0], "resources": [plural]}],
        namespaces=[name] if namespaced else [],
    )
    metadata: dict[str, Any] = {"name": name}
    if namespaced:
        # Its controller gives it one when the claim is allocated, which needs a node, and takes away any.
        metadata |= {"namespace": name, "finalizers": ["resource.kubernetes.io/delete-protection"]}
    cluster.objects.create({"apiVersion": version, "kind": kind, "metadata": metadata} | body)
    eventually(lambda: cluster.get(kind.lower(), name)["metadata"].get("finalizers"), 20, "it has a finalizer")
    result = cluster.delete(cluster.human, kind.lower(), name)
    assert result.code == 0, result.err
    eventually(lambda: not cluster.exists(kind.lower(), name), 30, "it is gone")


def test_an_object_tagged_by_annotation_needs_a_peer_whoever_asks(cluster: Cluster) -> None:
    """The object is agent-originated: a person is refused too, an approver can approve, controllers go on."""
    cluster.deployment(annotations={"seconder.dev/agent": "kiro"})
    cluster.deployment("plain")
    assert cluster.delete(cluster.human).refused_with("ApprovalMissing")
    assert cluster.delete(cluster.human, "deployment", "plain").code == 0
    cluster.approve(cluster.alice, sub="dana@example.com", act=None)
    assert cluster.delete(cluster.human).code == 0
    eventually(lambda: not cluster.admin("get", "rs,pods", "-n", cluster.namespace, "-o", "name"), 20, "all is cleared")


def test_audit_warns_and_lets_through(cluster: Cluster) -> None:
    """Decided, counted, warned of, not blocked: for a person, since agents are bound by the default policy too."""
    cluster.deployment()
    cluster.policy("watching", subjects="Everyone", mode="Audit")
    result = cluster.delete(cluster.human)
    assert result.code == 0
    assert "Warning: audit: would be refused: Delete of deployments.apps" in result.err


def test_every_policy_must_be_satisfied_by_its_own_terms(cluster: Cluster) -> None:
    """An approval that is enough for one is not enough for the other."""
    cluster.deployment()
    cluster.policy("teams", approvals={"teams": ["payments"]})
    cluster.approve(cluster.alice)
    result = cluster.delete(cluster.agent)
    assert result.refused_with("ApproverNotAllowed"), result.err
    cluster.admin("patch", "approver", "alice", "--type=merge", "-p", '{"spec":{"teams":["payments"]}}')
    try:
        eventually(lambda: cluster.delete(cluster.agent).code == 0, 2, "alice belongs to the team")
    finally:
        cluster.admin("patch", "approver", "alice", "--type=merge", "-p", '{"spec":{"teams":[]}}')


def test_two_peers_where_two_are_required(cluster: Cluster) -> None:
    """One is not enough, and one with two signatures is one."""
    cluster.deployment()
    cluster.policy("pair", approvals={"required": 2})
    cluster.approve(cluster.alice, txn="one")
    cluster.approve(cluster.alice, slug="alice-again", txn="one")
    assert cluster.delete(cluster.agent).refused_with("QuorumNotReached")
    cluster.approve(cluster.bob, slug="bob", iss="bob@example.com", txn="one")
    assert cluster.delete(cluster.agent).code == 0


def test_an_approvers_keys_are_linted_on_its_status(cluster: Cluster) -> None:
    """A key that counts shows its fingerprint, one that does not its problem; a shared one counts nowhere."""
    spec = {
        "principal": "mallory@example.com",
        "kubernetesUsers": ["mallory@example.com"],
        "keys": [{"name": "copied", "ssh": cluster.bob.public_key}, {"name": "broken", "ssh": "ssh-ed25519 AAAA"}],
    }
    document = {"apiVersion": "seconder.dev/v1alpha1", "kind": "Approver", "metadata": {"name": "mallory"}}
    cluster.apply(document | {"spec": spec})
    try:
        cluster.admin("wait", "approver/mallory", "--for=condition=Duplicate", "--timeout=5s")
        keys = {key["name"]: key for key in cluster.get("approver", "mallory")["status"]["keys"]}
        assert keys["copied"]["problem"].startswith("Duplicate")
        assert keys["copied"]["fingerprint"].startswith("SHA256:")
        assert keys["broken"]["problem"]
        assert cluster.get("approver", "bob")["status"]["keys"][0]["problem"].startswith("Duplicate")
        cluster.deployment()
        cluster.approve(cluster.bob, slug="bob", iss="bob@example.com")
        assert cluster.delete(cluster.agent).refused_with("ApproverNotAllowed")
    finally:
        cluster.admin("delete", "approver", "mallory")
    cluster.admin("wait", "approver/bob", "--for=condition=Ready", "--timeout=5s")


def test_a_policy_for_everyone_covers_the_namespace_that_holds_what_it_names(cluster: Cluster) -> None:
    """A person who deletes the namespace would delete the Deployment in it."""
    cluster.policy("everyone", subjects="Everyone")
    empty = cluster.delete(cluster.human, "namespace", cluster.namespace, "--dry-run=server")
    assert empty.code == 0, empty.err
    cluster.deployment()
    assert cluster.delete(cluster.human, "namespace", cluster.namespace).refused_with("ApprovalMissing")


def test_without_any_approver_the_refusal_says_whom_to_ask_for_one(cluster: Cluster) -> None:
    """Nobody can approve, and the message does not pretend otherwise."""
    cluster.deployment()
    documents = [cluster.get("approver", name) for name in ("alice", "bob")]
    cluster.admin("delete", "approver", "alice", "bob")
    try:
        eventually(lambda: "No approver is registered" in cluster.delete(cluster.agent).err, 2, "the message says so")
        assert cluster.exists("deployment", "checkout")
    finally:
        for document in documents:
            metadata = {"name": document["metadata"]["name"]}
            cluster.apply({key: document[key] for key in ("apiVersion", "kind", "spec")} | {"metadata": metadata})
    eventually(lambda: "Ask an approver" in cluster.delete(cluster.agent).err, 2, "approvers are known again")
