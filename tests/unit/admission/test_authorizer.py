"""What agents are denied before anything is admitted, and what is none of the authorizer's business."""

import pytest
from tests.support.builders import AGENT

from seconder.admission.authorizer import Access, denial
from seconder.admission.principal import BUILTIN_CONTROLLERS
from seconder.admission.request import Caller
from seconder.api.policy import DEFAULT_TAGS, AgentTags
from seconder.api.resources import GroupResource

OWN = "seconder-system"
READS = ["get", "list", "watch"]
WRITES = ["create", "update", "patch", "delete", "deletecollection"]
NONE: frozenset[str] = frozenset()


def _ask(
    verb: str,
    resource: str = "deployments",
    group: str = "",
    *,
    subresource: str = "",
    namespace: str = "",
    name: str = "",
    caller: Caller = AGENT,
    tags: AgentTags = DEFAULT_TAGS,
) -> str:
    return denial(Access(caller, verb, GroupResource(group, resource), subresource, namespace, name), tags, OWN)


@pytest.mark.parametrize(
    "verb",
    [
        "impersonate",
        "impersonate:user-info",
        "impersonate:serviceaccount",
        "impersonate:arbitrary-node",
        "impersonate-on:user-info:delete",
        "impersonate-on:associated-node:get",
    ],
)
@pytest.mark.parametrize("resource", ["users", "groups", "serviceaccounts", "uids", "userextras", "deployments"])
def test_every_verb_of_impersonation_is_denied(verb: str, resource: str) -> None:
    """On whatever it is asked for."""
    assert _ask(verb, resource) == "agents may not impersonate"


@pytest.mark.parametrize("verb", ["bind", "escalate", "approve", "sign", "attest"])
def test_verbs_that_hand_out_rights_are_denied(verb: str) -> None:
    """Admission never sees them: others ask for them while they check a request."""
    assert _ask(verb, "clusterroles", "rbac.authorization.k8s.io")
    assert _ask(verb, "signers", "certificates.k8s.io", name="kubernetes.io/kube-apiserver-client")


@pytest.mark.parametrize("verb", [*WRITES, "some-verb-of-the-future"])
@pytest.mark.parametrize(
    ("group", "resource"),
    [
        ("admissionregistration.k8s.io", "validatingwebhookconfigurations"),
        ("admissionregistration.k8s.io", "mutatingadmissionpolicybindings"),
        ("apiregistration.k8s.io", "apiservices"),
        ("certificates.k8s.io", "certificatesigningrequests"),
        ("rbac.authorization.k8s.io", "rolebindings"),
        ("seconder.dev", "approvers"),
    ],
)
def test_whatever_is_no_read_of_these_groups_is_denied(verb: str, group: str, resource: str) -> None:
    """In every namespace and for every name; reads are free."""
    assert _ask(verb, resource, group, namespace="payments", name="x", subresource="status")
    assert [_ask(read, resource, group, name="x") for read in READS] == ["", "", ""]


@pytest.mark.parametrize("verb", [*READS, *WRITES])
def test_a_kubelet_runs_no_commands_for_an_agent(verb: str) -> None:
    """Over a WebSocket a command begins with ``get``. Its statistics are free."""
    assert _ask(verb, "nodes", subresource="proxy", name="n1")
    assert _ask(verb, "nodes", subresource="stats", name="n1") == ""
    assert _ask(verb, "services", subresource="proxy", namespace="payments") == ""


@pytest.mark.parametrize("verb", WRITES)
def test_the_guards_own_namespace_is_not_written_to(verb: str) -> None:
    """Nor is the Namespace object itself; others, and reading, are free."""
    assert _ask(verb, "configmaps", namespace=OWN)
    assert _ask(verb, "namespaces", name=OWN)
    assert _ask(verb, "namespaces", name=OWN, subresource="finalize")
    assert _ask(verb, "configmaps", namespace="seconder-system-2") == ""
    assert _ask(verb, "configmaps", namespace="payments", name=OWN) == ""
    assert [_ask(read, "pods", namespace=OWN) for read in READS] == ["", "", ""]


@pytest.mark.parametrize("subresource", ["exec", "attach", "portforward", "proxy"])
def test_the_guards_own_pods_are_not_entered(subresource: str) -> None:
    """With whatever verb the connection begins."""
    assert _ask("get", "pods", subresource=subresource, namespace=OWN)
    assert _ask("create", "pods", subresource=subresource, namespace=OWN)
    assert _ask("create", "pods", subresource=subresource, namespace="payments") == ""


@pytest.mark.parametrize("verb", READS)
def test_secrets_of_the_clusters_own_programs_are_not_read(verb: str) -> None:
    """Nor all secrets at once, which these are among; those of a namespace of theirs are."""
    assert [bool(_ask(verb, "secrets", namespace=place)) for place in ("", "kube-system", OWN)] == [True, True, True]
    assert _ask(verb, "secrets", namespace="payments") == ""
    assert _ask(verb, "configmaps", namespace="") == ""


def test_the_guards_own_definitions_stay() -> None:
    """By name, and in a collection, which says no names."""
    group, resource = "apiextensions.k8s.io", "customresourcedefinitions"
    for verb in ("update", "patch", "delete"):
        assert _ask(verb, resource, group, name="approvers.seconder.dev")
        assert _ask(verb, resource, group, name="approvers.seconder.dev", subresource="status")
        assert _ask(verb, resource, group, name="databases.example.com") == ""
        assert _ask(verb, resource, group, name="approvers.notseconder.dev") == ""
    assert _ask("deletecollection", resource, group)
    assert _ask("create", resource, group) == ""


def test_tokens_are_for_oneself() -> None:
    """An agent may renew its own; who is no ServiceAccount has none to renew."""

    def token(namespace: str, name: str, caller: Caller = AGENT) -> str:
        return _ask("create", "serviceaccounts", subresource="token", namespace=namespace, name=name, caller=caller)

    assert token("seconder-agents", "kiro") == ""
    assert token("seconder-agents", "hal")
    assert token("default", "kiro")
    assert token("seconder-agents", "kiro", Caller("kiro", frozenset({"seconder.dev:agents"})))
    within = Caller(f"system:serviceaccount:{OWN}:bot", frozenset({"seconder.dev:agents"}))
    assert token(OWN, "bot", within)


def test_no_namespace_is_finalized() -> None:
    """The API server gives a Namespace's own name as the namespace that is asked about."""
    for verb in ("update", "patch"):
        assert _ask(verb, "namespaces", subresource="finalize", namespace="payments", name="payments")
        assert _ask(verb, "namespaces", subresource="status", namespace="payments", name="payments") == ""


@pytest.mark.parametrize("verb", WRITES)
def test_serviceaccounts_of_agents_are_not_an_agents_to_change(verb: str) -> None:
    """They say who its operator is, and until when its tokens last; its own is no exception."""
    assert _ask(verb, "serviceaccounts", namespace="seconder-agents", name="kiro")
    assert _ask(verb, "serviceaccounts", namespace="payments", name="web") == ""
    tags = AgentTags(service_account_namespaces=frozenset({"seconder-agents", "bots"}))
    assert _ask(verb, "serviceaccounts", namespace="bots", tags=tags)


@pytest.mark.parametrize("verb", [*READS, *WRITES])
@pytest.mark.parametrize(
    ("resource", "group"), [("deployments", "apps"), ("namespaces", ""), ("pods", ""), ("databases", "example.com")]
)
def test_there_is_no_opinion_on_ordinary_work(verb: str, resource: str, group: str) -> None:
    """Deletions too: an approval is nowhere to be seen here."""
    assert _ask(verb, resource, group, namespace="payments", name="x") == ""


FORBIDDEN = [
    ("impersonate", "users", ""),
    ("delete", "validatingwebhookconfigurations", "admissionregistration.k8s.io"),
    ("create", "rolebindings", "rbac.authorization.k8s.io"),
    ("list", "secrets", ""),
]


@pytest.mark.parametrize(("verb", "resource", "group"), FORBIDDEN)
@pytest.mark.parametrize(
    "caller",
    [
        Caller("bot", frozenset({"seconder.dev:agents"})),
        Caller("bot", NONE, {"seconder.dev/agent": ("kiro",)}),
        Caller("bot", NONE, {"seconder.dev/agent": ()}),
        AGENT,
    ],
)
def test_each_default_tag_makes_an_agent(caller: Caller, verb: str, resource: str, group: str) -> None:
    """Any single one is enough."""
    assert _ask(verb, resource, group, caller=caller)


@pytest.mark.parametrize(("verb", "resource", "group"), FORBIDDEN)
@pytest.mark.parametrize(
    "caller",
    [
        Caller("dana", frozenset({"people", "system:masters"})),
        Caller("system:serviceaccount:seconder-agents-2:kiro"),
        Caller("system:serviceaccount:seconder-system:seconder-operator"),
        Caller("bot", frozenset({"seconder.dev:agents-2"}), {"seconder.dev/agents": ("kiro",)}),
    ],
)
def test_there_is_no_opinion_on_anybody_else(caller: Caller, verb: str, resource: str, group: str) -> None:
    """Whatever they ask for."""
    assert _ask(verb, resource, group, caller=caller) == ""


def test_tags_of_policies_count() -> None:
    """Those of the defaults and of all policies together."""
    bot = Caller("bot", frozenset({"our-bots"}))
    assert _ask("impersonate", "users", caller=bot) == ""
    assert _ask("impersonate", "users", caller=bot, tags=AgentTags(groups=frozenset({"our-bots"})))


@pytest.mark.parametrize("username", sorted(BUILTIN_CONTROLLERS))
def test_controllers_of_the_control_plane_are_never_bound(username: str) -> None:
    """A tag that takes in kube-system would stop the whole cluster."""
    tags = AgentTags(users=BUILTIN_CONTROLLERS, service_account_namespaces=frozenset({"kube-system"}))
    assert _ask("escalate", "clusterroles", "rbac.authorization.k8s.io", caller=Caller(username), tags=tags) == ""


@pytest.mark.parametrize("resource", ["configmaps", "secrets", "widgets", "nodes"])
def test_what_cannot_be_read_is_deleted_by_no_agent(resource: str) -> None:
    """No review sees that deletion (KEP-3926)."""
    said = _ask("unsafe-delete-ignore-read-errors", resource, "example.com", namespace="payments", name="x")
    assert said == "agents may not delete past admission what cannot be read"


def test_nobody_is_served_first_by_an_agents_word() -> None:
    """FlowSchemas and priority levels are none of its business but to read."""
    group = "flowcontrol.apiserver.k8s.io"
    assert all(_ask(verb, "flowschemas", group, name="x") for verb in WRITES)
    assert [_ask(read, "prioritylevelconfigurations", group) for read in READS] == ["", "", ""]
