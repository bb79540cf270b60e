"""What still holds with both programs stopped and the webhook configuration deleted by an administrator."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.cluster import eventually
from tests.support.layers import Layers, webhook_configuration

from localstack.binaries import provide
from localstack.seconder import MANIFESTS
from seconder.api.constants import KINDS

_STATIC = "ValidatingAdmissionPolicy 'seconder-guard.static.k8s.io'"
_API = "ValidatingAdmissionPolicy 'seconder-webhook-configurations'"
_PATCH = '[JSONPatch{op: "add", path: "/metadata/name", value: "x"}]'
_API_POLICY = ("validatingadmissionpolicy", "seconder-webhook-configurations")

pytestmark = pytest.mark.since("1.37", "admission policies in files")


@pytest.fixture(scope="module")
def layers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Layers]:
    """The static policy and the authorizer's configuration are there, Seconder is not."""
    with Layers(tmp_path_factory.mktemp("layers"), provide(any_kubectl=False)) as layers:
        layers.without_seconder()
        layers.must(layers.person, "create", "--filename=-", stdin=webhook_configuration("left"))
        yield layers


@pytest.fixture
def api_policy(layers: Layers) -> Iterator[None]:
    """The policy that is applied like any object, in force, and nothing above or below it."""
    manifest = str(MANIFESTS / "admission-policy.yaml")
    with layers.without_static_policy(), layers.without_authorizer():
        layers.must(layers.person, "apply", f"--filename={manifest}")
        attempt = ("create", "--dry-run=server", "--filename=-")
        document = webhook_configuration("x")
        eventually(lambda: _API in layers.run(layers.agent, *attempt, stdin=document).err, 10, "the policy is in force")
        yield
        layers.must(layers.person, "delete", f"--filename={manifest}", "--ignore-not-found")


_REFUSED = {
    ("delete", "validatingwebhookconfiguration", "left"): "agents may not change admission configuration",
    ("label", "validatingwebhookconfiguration", "left", "a=b"): "agents may not change admission configuration",
    ("delete", "crd", "approvers.seconder.dev"): "agents may not change the guard's own resource definitions",
    ("label", "crd", "protectionpolicies.seconder.dev", "a=b"): "agents may not change the guard's own resource",
    ("delete", "apiservice", "v1alpha1.seconder.dev"): "agents may not change which server answers for an API",
    ("delete", "clusterrole", "seconder-webhook"): "agents may not change roles and bindings",
    ("delete", "clusterrolebinding", "seconder-operator"): "agents may not change roles and bindings",
    ("delete", "namespace", "seconder-system"): "agents may not change or enter namespace seconder-system",
    ("delete", "secret", "seconder-ca", "--namespace=seconder-system"): "agents may not change or enter namespace",
    ("create", "token", "seconder-operator", "--namespace=seconder-system"): "agents may not make tokens of",
    ("create", "configmap", "x", "--namespace=seconder-system"): "agents may not change or enter namespace",
    ("label", "serviceaccount", "kiro", "a=b", "--namespace=seconder-agents"): "agents may not change ServiceAccounts",
    ("create", "secret", "generic", "x", "--namespace=kube-system"): "agents may not use Secrets of the cluster's own",
}


@pytest.mark.parametrize("words", _REFUSED, ids=" ".join)
def test_the_static_policy_refuses_even_an_agent_of_system_masters(layers: Layers, words: tuple[str, ...]) -> None:
    """Such a certificate passes RBAC and every authorizer by."""
    unless_token = () if "token" in words else ("--dry-run=server",)
    tried = layers.run(layers.root_agent, *words, *unless_token)
    assert tried.code == 1
    assert f"is forbidden: {_STATIC}" in tried.err
    assert f"denied request: {_REFUSED[words]}" in tried.err
    for who in (layers.person, layers.builder, layers.plane.admin_kubeconfig):
        layers.must(who, *words, *unless_token)


@pytest.mark.parametrize(
    "kind",
    [
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "MutatingAdmissionPolicy",
        "MutatingAdmissionPolicyBinding",
        "MutatingWebhookConfiguration",
        "ValidatingWebhookConfiguration",
    ],
)
def test_the_static_policy_covers_every_kind_of_admission_configuration(layers: Layers, kind: str) -> None:
    """Those too that no webhook and no policy in the API ever sees."""
    rules = [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["bindings"]}]
    specs = {
        "ValidatingAdmissionPolicy": {
            "matchConstraints": {"resourceRules": rules},
            "validations": [{"expression": "true"}],
        },
        "ValidatingAdmissionPolicyBinding": {"policyName": "none", "validationActions": ["Deny"]},
        "MutatingAdmissionPolicy": {
            "matchConstraints": {"resourceRules": rules},
            "reinvocationPolicy": "Never",
            "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": _PATCH}}],
        },
        "MutatingAdmissionPolicyBinding": {"policyName": "none"},
    }
    spec = {"spec": specs[kind]} if kind in specs else {"webhooks": []}
    document = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": "all-kinds"}} | spec
    tried = layers.run(layers.root_agent, "create", "--filename=-", stdin=document)
    assert _STATIC in tried.err
    layers.must(layers.person, "create", "--filename=-", stdin=document)
    plural = f"{kind.lower()}s" if not kind.endswith("Policy") else f"{kind.lower()[:-1]}ies"
    # Collections too: each object is refused by itself.
    raw = f"--raw=/apis/admissionregistration.k8s.io/v1/{plural}"
    assert _STATIC in layers.run(layers.root_agent, "delete", raw).err
    assert _STATIC in layers.run(layers.root_agent, "delete", plural, "all-kinds").err
    layers.must(layers.person, "delete", plural, "all-kinds")


def test_nobody_removes_the_static_policy_through_the_api(layers: Layers) -> None:
    """It is not there to be listed, deleted or replaced, for administrators neither."""
    for who in (layers.root_agent, layers.plane.admin_kubeconfig):
        for kind in ("validatingadmissionpolicy", "validatingadmissionpolicybinding"):
            assert "seconder-guard" not in layers.must(who, "get", kind, "--output=name")
            gone = layers.run(who, "delete", kind, "seconder-guard.static.k8s.io")
            assert gone.code == 1
            assert "NotFound" in gone.err
    assert _STATIC in layers.run(layers.root_agent, "delete", "validatingwebhookconfiguration", "left").err


def test_a_collection_of_resource_definitions_keeps_ours(layers: Layers) -> None:
    """Its deletion names no object; what is stored does."""
    raw = "--raw=/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    assert _STATIC in layers.run(layers.root_agent, "delete", raw).err
    assert len(layers.must(layers.person, "get", "crds", "--output=name").split()) == len(KINDS)


@pytest.mark.parametrize(
    "tag",
    [
        ("--as=erin", "--as-group=people", "--as-group=seconder.dev:agents"),
        ("--as=erin", "--as-group=people", "--as-user-extra=seconder.dev/agent=kiro"),
        ("--as=system:serviceaccount:seconder-agents:new", "--as-group=people"),
    ],
    ids=["group", "extra key", "ServiceAccount"],
)
def test_each_tag_makes_an_agent_to_the_static_policy(layers: Layers, tag: tuple[str, ...]) -> None:
    """And a neighbour in name is none."""
    attempt = ("create", "--dry-run=server", "--filename=-", *tag)
    with layers.without_authorizer():
        assert _STATIC in layers.run(layers.person, *attempt, stdin=webhook_configuration("x")).err
        near = [
            part.replace("seconder-agents:", "seconder-agents-2:").replace("dev:agents", "dev:agent")
            for part in attempt
        ]
        near = [part.replace("seconder.dev/agent", "seconder.dev/agency") for part in near]
        layers.must(layers.person, *near, stdin=webhook_configuration("x"))


def test_tags_of_ones_own_are_added_to_the_file(layers: Layers, tmp_path: Path) -> None:
    """A changed file counts at once, with no restart."""
    text = layers.example("policies/seconder.yaml")
    attempt = ("create", "--dry-run=server", "--filename=-", "--as=erin", "--as-group=people", "--as-group=our-bots")
    document = webhook_configuration("x")
    layers.must(layers.person, *attempt, stdin=document)
    layers.put_static_policy(text.replace("'seconder.dev:agents'", "'seconder.dev:agents', 'our-bots'"))
    eventually(lambda: _STATIC in layers.run(layers.person, *attempt, stdin=document).err, 20, "the tag counts")
    layers.put_static_policy(text)
    eventually(lambda: layers.run(layers.person, *attempt, stdin=document).code == 0, 20, "the tag is gone")


def test_agents_ordinary_work_passes_the_static_policy(layers: Layers) -> None:
    """It is about the guard alone: what is deleted is for the webhook to judge."""
    for words in [
        ("create", "deployment", "web", "--image=none:0"),
        ("delete", "deployment", "web", "--wait=false"),
        ("create", "clusterrole", "theirs", "--verb=get", "--resource=pods"),
        ("delete", "clusterrole", "theirs"),
    ]:
        layers.must(layers.root_agent, *words)


def test_the_api_policy_keeps_agents_from_webhook_configurations(layers: Layers, api_policy: None) -> None:
    """With no static file and no authorizer, for cluster-admin and system:masters; people go on."""
    for who in (layers.agent, layers.root_agent):
        for words in [
            ("delete", "validatingwebhookconfiguration", "left"),
            ("label", "validatingwebhookconfiguration", "left", "a=b"),
        ]:
            tried = layers.run(who, *words)
            assert f"is forbidden: {_API}" in tried.err
            assert "denied request: agents may not change admission configuration" in tried.err
        raw = "--raw=/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
        assert _API in layers.run(who, "delete", raw).err
        layers.must(who, "create", "configmap", "x", "--dry-run=server")
        layers.must(who, "delete", "namespace", "seconder-agents", "--dry-run=server")
    layers.must(layers.person, "label", "validatingwebhookconfiguration", "left", "c=d", "--overwrite")
    layers.must(layers.builder, "create", "--filename=-", "--dry-run=server", stdin=webhook_configuration("x"))


def test_the_api_policy_needs_another_layer_to_stay(layers: Layers, api_policy: None) -> None:
    """An agent with the right to delete it can; the static policy takes that away whatever the rights."""
    layers.must(layers.root_agent, "delete", *_API_POLICY, "--dry-run=server")
    layers.put_static_policy(layers.example("policies/seconder.yaml"))
    assert _STATIC in layers.run(layers.root_agent, "delete", *_API_POLICY, "--dry-run=server").err


def test_with_the_authorizer_down_agents_cannot_write_and_people_go_on(layers: Layers) -> None:
    """Their reads go on too; nobody is impersonated meanwhile."""
    attempt = ("create", "configmap", "meanwhile", "--dry-run=server")
    tried = layers.run(layers.agent, *attempt)
    assert tried.code == 1
    assert "connection refused" in tried.err
    assert layers.run(layers.agent, "get", "namespaces", "--as=dana@example.com").code == 1
    assert layers.run(layers.agent, "get", "secrets", "--namespace=seconder-system").code == 1
    layers.must(layers.agent, "get", "deployments,namespaces")
    layers.must(layers.person, *attempt)
    layers.must(layers.builder, *attempt)
    layers.must(layers.person, *attempt, "--as=erin", "--as-group=people")
