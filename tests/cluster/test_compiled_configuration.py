"""What policies compile to, on the real API server: it is taken, means what it should, and stays within the limits."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.cluster import Cluster, eventually

from seconder.admission import cel
from seconder.admission.policy_index import Installation
from seconder.api.policy import AgentTags, Mode, Policy, Subjects
from seconder.api.resources import GroupResource
from seconder.operator.webhook_configuration import Endpoint, configuration

pytestmark = pytest.mark.core

_OWN = Installation()
_ENDPOINT = Endpoint(url="https://127.0.0.1:9443")
_DEPLOYMENTS = frozenset({GroupResource("apps", "deployments")})

# What has broken quoting elsewhere comes first.
_TEXTS = [
    "x'] && false && '' in ['",
    '"] || true || "" in ["',
    "\\",
    '\\"',
    "\\u0041",
    "\n\r\t\0",
    "${x}",
    "{{.}}",
    "\u2028\u202e\ufeff",
    "\U0001f600",
    "@",
    "'''",
    '"""',
    'r""',
]


def test_quoted_text_is_that_text_to_the_api_server(cluster: Cluster) -> None:
    """The API server's own CEL compares hundreds of hostile strings with their quoted forms, one rule for each."""
    drawn: list[str] = list(_TEXTS)

    @settings(max_examples=250, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.text(max_size=40))
    def draw(text: str) -> None:
        drawn.append(text)

    draw()
    texts = list(dict.fromkeys(drawn))[:250]
    fields = {f"f{number}": text for number, text in enumerate(texts)}
    rules = [
        {"rule": f"self.{name} == {cel.quote(text)}", "message": name, "fieldPath": f".{name}"}
        for name, text in fields.items()
    ]
    properties = {name: {"type": "string", "maxLength": 64} for name in fields}
    spec = {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "properties": properties,
                "required": list(fields),
                "x-kubernetes-validations": rules,
            }
        },
    }
    name = f"quotes{cluster.namespace[-6:]}"
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": spec}}
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{name}.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": name, "kind": "Quote"},
            "versions": [version],
        },
    }
    cluster.apply(crd)
    try:
        eventually(lambda: cluster.human("get", f"{name}.example.com").code == 0, 20, "the kind is served")
        document = {
            "apiVersion": "example.com/v1",
            "kind": "Quote",
            "metadata": {"name": "q", "namespace": cluster.namespace},
        }
        create = ("create", "--filename=-")
        wrong = cluster.human(*create, stdin=json.dumps(document | {"spec": fields | {"f0": "other"}}))
        assert "f0" in wrong.err
        right = cluster.human(*create, stdin=json.dumps(document | {"spec": fields}))
        assert right.code == 0, right.err
    finally:
        cluster.admin("delete", "crd", f"{name}.example.com")


@pytest.mark.parametrize("text", _TEXTS)
def test_a_hostile_tag_switches_nothing_off(cluster: Cluster, text: str) -> None:
    """A policy with such a user, group or extra key compiles to what the API server takes."""
    tags = AgentTags(
        groups=frozenset({text}), users=frozenset({text}), extra_keys=frozenset({text}), annotations=frozenset({text})
    )
    policies = [Policy("hostile", agents=tags, resources=_DEPLOYMENTS)]
    assert _refusal(cluster, policies) == ""


def test_a_tag_pasted_from_an_attack_protects_others_as_before(cluster: Cluster) -> None:
    """The string that disables everything when pasted raw is just another user name."""
    cluster.deployment()
    cluster.policy("hostile", agents={"users": _TEXTS[:2]})
    assert cluster.delete(cluster.agent).refused_with("ApprovalMissing")
    assert cluster.delete(cluster.human).code == 0


@pytest.mark.parametrize("subjects", list(Subjects))
def test_a_thousand_policies_stay_within_the_api_servers_limits(cluster: Cluster, subjects: Subjects) -> None:
    """Each with names, people and places of its own: taken, and cheap enough to evaluate that people go on unharmed."""
    policies = [_one_of_many(number, subjects) for number in range(1000)]
    cluster.deployment(annotations={f"note-{number}": "x" for number in range(200)})
    document = configuration(policies, _OWN, _ENDPOINT, ca_bundle="")
    document["metadata"]["name"] = f"many-{cluster.namespace[-6:]}"
    made = cluster.human("create", "--filename=-", stdin=json.dumps(document))
    assert made.code == 0, made.err[:2000]
    try:
        # Nothing answers at the configured URL: whoever is let out to it is refused, and so shows that it matched.
        seen = cluster.kubectl(
            cluster.stack.control_plane.client_kubeconfig("agent-999@example.com", ["people"]),
            *("delete", "deployment", "checkout", f"--namespace={cluster.namespace}", "--dry-run=server"),
        )
        assert "failed calling webhook" in seen.err
        result = cluster.delete(cluster.human)
        assert result.code == 0, result.err[:2000]
    finally:
        cluster.admin("delete", "validatingwebhookconfiguration", document["metadata"]["name"])


def _one_of_many(number: int, subjects: Subjects) -> Policy:
    return Policy(
        f"policy-{number}",
        mode=Mode.ENFORCE if number % 2 else Mode.AUDIT,
        subjects=subjects,
        exempt_users=frozenset({f"person-{number}@example.com"}),
        agents=AgentTags(
            groups=frozenset({f"agents-of-team-{number}"}),
            users=frozenset({f"agent-{number}@example.com"}),
            service_account_namespaces=frozenset({f"agents-{number}"}),
            annotations=frozenset({f"team-{number}.example.com/agent"}),
        ),
        resources=_DEPLOYMENTS | {GroupResource(f"group-{number}.example.com", "things")},
        namespaces=frozenset({f"team-{number}-{place}" for place in range(10)}),
    )


def _refusal(cluster: Cluster, policies: list[Policy]) -> str:
    document = configuration(policies, _OWN, _ENDPOINT, ca_bundle="")
    document["metadata"]["name"] = f"trial-{cluster.namespace[-6:]}"
    result = cluster.human("create", "--dry-run=server", "--filename=-", stdin=json.dumps(document))
    return "" if result.code == 0 else result.err[:2000]
