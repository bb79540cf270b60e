"""What the authorizer holds alone: no webhook configuration, no static policy, and an agent that is cluster-admin."""

import json
import re
import urllib.request
from collections.abc import Iterator

import pytest
from tests.support.layers import AGENT, Layers, webhook_configuration
from tests.support.powers import POWERS, Power, has
from tests.support.requests import client

from localstack.binaries import provide

pytestmark = pytest.mark.since("1.37", "admission policies in files")


@pytest.fixture(scope="module")
def layers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Layers]:
    """A control plane that asks the authorizer, with every other layer taken away."""
    with Layers(tmp_path_factory.mktemp("layers"), provide(any_kubectl=False)) as layers:
        layers.without_webhook_configuration()
        with layers.without_static_policy():
            yield layers


@pytest.mark.parametrize(
    "words",
    [
        ("get", "namespaces", "--as=dana@example.com"),
        ("delete", "namespace", "default", "--as=dana@example.com", "--as-group=people"),
        ("delete", "namespace", "default", "--as=anybody", "--as-group=system:masters"),
        ("create", "configmap", "x", "--as=system:serviceaccount:default:builder"),
        ("get", "namespaces", f"--as={AGENT}", "--as-user-extra=scopes=none"),
        ("delete", "namespace", "default", "--as=anybody", "--as-uid=1"),
        ("delete", "namespace", "default", "--as=system:node:n1", "--as-group=system:nodes"),
    ],
    ids=" ".join,
)
def test_an_agent_cannot_act_as_somebody_else(layers: Layers, words: tuple[str, ...]) -> None:
    """It would be that somebody to every review."""
    tried = layers.run(layers.agent, *words)
    assert tried.code == 1
    assert "agents may not impersonate" in tried.err


def test_people_act_as_whom_they_like(layers: Layers) -> None:
    """Nobody but agents is asked about; who is impersonated counts by their own tags."""
    layers.must(layers.person, "create", "configmap", "x", "--dry-run=server", "--as=erin", "--as-group=people")
    layers.must(layers.builder, "create", "configmap", "x", "--dry-run=server", "--as=erin", "--as-group=people")
    as_agent = layers.run(layers.person, "delete", "crd", "approvers.seconder.dev", f"--as={AGENT}")
    assert "agents may not change the guard's own resource definitions" in as_agent.err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("delete", "validatingwebhookconfigurations", "x"), "agents may not change admission configuration"),
        (("delete", "validatingadmissionpolicy", "x"), "agents may not change admission configuration"),
        (("delete", "mutatingadmissionpolicybinding", "x"), "agents may not change admission configuration"),
        (
            ("delete", "--raw=/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"),
            "agents may not change admission configuration",
        ),
        (("delete", "approvers.seconder.dev", "x"), "agents may not change policies"),
        (("delete", "apiservice", "v1alpha1.seconder.dev"), "agents may not change which server answers for an API"),
        (("delete", "crd", "approvers.seconder.dev"), "agents may not change the guard's own resource definitions"),
        (
            ("delete", "--raw=/apis/apiextensions.k8s.io/v1/customresourcedefinitions"),
            "agents may not change the guard's own resource definitions",
        ),
        (("delete", "namespace", "seconder-system"), "agents may not change or enter namespace seconder-system"),
        (("create", "configmap", "x", "-n=seconder-system"), "agents may not change or enter namespace"),
        (("delete", "serviceaccount", "seconder-operator", "-n=seconder-system"), "agents may not change or enter"),
        (
            ("get", "--raw=/api/v1/namespaces/seconder-system/pods/x/proxy/"),
            "agents may not change or enter namespace",
        ),
        (("get", "secrets", "-n=seconder-system"), "agents may not use Secrets of the cluster's own programs"),
        (("get", "secrets", "--all-namespaces"), "agents may not use Secrets of the cluster's own programs"),
        (("get", "--raw=/api/v1/nodes/x/proxy/runningpods/"), "agents may not run commands through nodes"),
        (("create", "token", "builder"), "agents may not make tokens of ServiceAccounts"),
        (("annotate", "serviceaccount", "kiro", "-n=seconder-agents", "a=b"), "agents may not change ServiceAccounts"),
        (("create", "clusterrolebinding", "x", "--clusterrole=view", "--user=x"), "agents may not change roles"),
        (("create", "role", "x", "--verb=get", "--resource=pods"), "agents may not change roles"),
        (("delete", "certificatesigningrequest", "x"), "agents may not make or approve certificates"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_an_agent_cannot_end_the_guard_or_become_another(layers: Layers, words: tuple[str, ...], reason: str) -> None:
    """Whatever its roles say, and with no review to stop it. The reason is in the refusal."""
    tried = layers.run(layers.agent, *words)
    assert tried.code == 1
    assert reason in tried.err


def test_an_agent_cannot_create_a_webhook_configuration_and_a_person_can(layers: Layers) -> None:
    """Its own could rewrite what people send."""
    document = webhook_configuration("by-hand")
    tried = layers.run(layers.agent, "create", "--filename=-", stdin=document)
    assert 'cannot create resource "validatingwebhookconfigurations"' in tried.err
    layers.must(layers.person, "create", "--filename=-", stdin=document)
    refused = layers.run(layers.agent, "delete", "validatingwebhookconfiguration", "by-hand")
    assert "agents may not change admission configuration" in refused.err
    layers.must(layers.person, "delete", "validatingwebhookconfiguration", "by-hand")


@pytest.mark.parametrize(
    "tag",
    [
        ("--as=erin", "--as-group=people", "--as-group=seconder.dev:agents"),
        ("--as=erin", "--as-group=people", "--as-user-extra=seconder.dev/agent=kiro"),
        ("--as=system:serviceaccount:seconder-agents:new", "--as-group=people"),
    ],
    ids=["group", "extra key", "ServiceAccount"],
)
def test_each_tag_makes_an_agent(layers: Layers, tag: tuple[str, ...]) -> None:
    """The example configuration asks about all that the defaults take for an agent."""
    tried = layers.run(layers.person, "create", "--filename=-", *tag, stdin=webhook_configuration("x"))
    assert "agents may not change admission configuration" in tried.err


def test_ordinary_work_goes_on(layers: Layers) -> None:
    """Whatever is not refused is for RBAC to decide."""
    for words in [
        ("create", "deployment", "web", "--image=none:0"),
        ("scale", "deployment", "web", "--replicas=2"),
        ("delete", "deployment", "web", "--wait=false"),
        ("create", "secret", "generic", "release", "--from-literal=a=b"),
        ("get", "secret", "release"),
        ("get", "clusterroles,validatingwebhookconfigurations,crds"),
        ("create", "token", "kiro", "--namespace=seconder-agents"),
    ]:
        layers.must(layers.agent, *words)


@pytest.mark.parametrize(
    ("attributes", "denied"),
    [
        # A kubelet asks this about whoever comes to its own port.
        ({"verb": "get", "resource": "nodes", "subresource": "proxy", "name": "n1"}, True),
        # kube-controller-manager asks this before it approves a node's certificate by itself.
        (
            {
                "verb": "create",
                "group": "certificates.k8s.io",
                "resource": "certificatesigningrequests",
                "subresource": "nodeclient",
            },
            True,
        ),
        ({"verb": "approve", "group": "certificates.k8s.io", "resource": "signers", "name": "any/any"}, True),
        ({"verb": "escalate", "group": "rbac.authorization.k8s.io", "resource": "clusterroles"}, True),
        ({"verb": "bind", "group": "rbac.authorization.k8s.io", "resource": "clusterroles"}, True),
        ({"verb": "delete", "group": "apps", "resource": "deployments", "namespace": "default"}, False),
    ],
    ids=lambda value: value["verb"] if isinstance(value, dict) else "",
)
def test_others_who_ask_the_api_server_get_the_same_answer(
    layers: Layers, attributes: dict[str, str], denied: bool
) -> None:
    """Kubelets and controllers ask it before they act for an agent; of a person it says yes."""
    for user, groups, refused in [(AGENT, [], denied), ("dana@example.com", ["people"], False)]:
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {"user": user, "groups": groups, "resourceAttributes": attributes},
        }
        out = layers.must(layers.person, "create", "--filename=-", "--output=json", stdin=review)
        status = json.loads(out)["status"]
        assert (status["allowed"], status.get("denied", False)) == (not refused, refused), status


@pytest.mark.parametrize("power", [power for power in POWERS if not power.decided], ids=str)
def test_no_power_that_ends_the_guard_is_an_agents(layers: Layers, power: Power) -> None:
    """Nor is it left to reviews: no approval would allow it. A person with the same role has it."""
    admin = client(layers.plane.admin_kubeconfig, 1)
    assert not has(admin, AGENT, power, "default")
    assert has(admin, "system:serviceaccount:default:builder", power, "default")


def test_what_agents_are_denied_is_counted(layers: Layers) -> None:
    """So that an alert can tell of it: no review is."""
    before = _denied(layers)
    tried = layers.run(layers.agent, "get", "namespaces", "--as=somebody-new")
    assert tried.code == 1
    assert _denied(layers) > before


def _denied(layers: Layers) -> float:
    with urllib.request.urlopen(f"http://{layers.seconder.webhook_metrics_address}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    series = r'^seconder_authorization_requests_total\{decision="deny",reason="ProtectedConfiguration"\} (\S+)$'
    found = re.search(series, text, re.MULTILINE)
    assert found is not None
    return float(found[1])
