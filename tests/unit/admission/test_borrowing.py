"""As whom an agent's pods run, and what is asked about that ServiceAccount."""

from collections.abc import Mapping

import pytest

from seconder.admission.borrowing import Account, Borrowed, Right, account, questions, refusal
from seconder.admission.policy_index import Guarded, PolicyIndex
from seconder.admission.principal import BUILTIN_CONTROLLERS
from seconder.admission.request import Caller, Operation, Request
from seconder.api.policy import AgentTags, Mode, Policy, ResolvedResource
from seconder.api.resources import GroupResource, Target

DEPLOYMENTS = GroupResource("apps", "deployments")
PODS = GroupResource("", "pods")
NODES = GroupResource("", "nodes")
WORKER = Account("payments", "worker")
MAY_DELETE = Right("delete", "apps", "deployments", "", "payments")


KIRO = Caller("system:serviceaccount:seconder-agents:kiro")


def _request(
    operation: Operation,
    subresource: str = "",
    runs_as: str = "",
    namespace: str = "payments",
    caller: Caller = KIRO,
) -> Request:
    target = Target(PODS, "Pod", namespace, "p", "uid")
    return Request("r", operation, target, subresource, caller, "", False, {}, {}, runs_as=runs_as)


def _account(request: Request) -> Account | None:
    return account(request, Guarded())


def _refusal(
    found: Borrowed, *policies: Policy, caller: Caller = KIRO, token_ends: Mapping[str, float] | None = None
) -> str:
    request = _request(Operation.CREATE, caller=caller)
    return refusal(found, request, PolicyIndex(policies), token_ends or {})


@pytest.mark.parametrize("subresource", ["exec", "attach", "portforward", "proxy"])
def test_entering_a_pod_asks_as_whom_it_runs(subresource: str) -> None:
    """The review does not say."""
    assert _account(_request(Operation.CONNECT, subresource)) == Account("payments", "", "p")


def test_making_or_changing_pods_says_as_whom_they_run() -> None:
    """Reading logs and deleting do not."""
    assert _account(_request(Operation.CREATE, runs_as="worker")) == WORKER
    assert _account(_request(Operation.UPDATE, "ephemeralcontainers", "worker")) == WORKER
    assert _account(_request(Operation.UPDATE)) is None
    assert _account(_request(Operation.CONNECT, "log")) is None


def test_the_guards_own_namespace_is_not_asked_about() -> None:
    """It is refused as a whole; and what has no namespace is no pod."""
    assert _account(_request(Operation.CREATE, runs_as="x", namespace="seconder-system")) is None
    assert _account(_request(Operation.CONNECT, "exec", namespace="")) is None


def test_accounts_of_agents_are_not_asked_about() -> None:
    """Reviews bind them."""
    tags = AgentTags(users=frozenset({"system:serviceaccount:payments:worker"}))
    assert questions(WORKER, PolicyIndex([Policy("p", agents=tags)]), ()) == ()
    assert questions(Account("seconder-agents", "", "p"), PolicyIndex([]), ()) == ()
    assert questions(Account("payments", "", "p"), PolicyIndex([Policy("p", agents=tags)]), ())


def test_an_agent_runs_pods_as_itself_and_as_no_other_agent() -> None:
    """The other one's operator is another: its own could approve."""
    itself, other = (Borrowed(Account("seconder-agents", name), None) for name in ("kiro", "hal"))
    assert _refusal(itself) == ""
    assert _refusal(other) == "act as ServiceAccount seconder-agents/hal, another agent"
    tags = AgentTags(users=frozenset({"system:serviceaccount:payments:worker"}))
    assert _refusal(Borrowed(WORKER, None), Policy("p", agents=tags)).endswith("another agent")


def test_an_agent_does_not_shed_a_tag_or_its_tokens_end_in_a_pod() -> None:
    """The pod's token says nothing of an extra key, and is renewed for as long as the pod runs."""
    itself = Borrowed(Account("seconder-agents", "kiro"), None)
    tagged = Caller(KIRO.username, frozenset(), {"seconder.dev/agent": ("x",)})
    assert _refusal(itself, caller=tagged).endswith("another agent")
    assert _refusal(itself, token_ends={KIRO.username: 1.0}).endswith("whose tokens have an end")
    assert _refusal(itself, token_ends={"system:serviceaccount:seconder-agents:hal": 1.0}) == ""


def test_the_first_right_refuses() -> None:
    """In a few words; without any there is no reason to."""
    said = "act as ServiceAccount payments/worker, which may delete deployments.apps"
    assert _refusal(Borrowed(WORKER, MAY_DELETE)) == said
    assert _refusal(Borrowed(WORKER, None)) == ""
    assert Right("create", "", "pods", "exec", "").what == "create pods/exec"


def test_what_policies_name_is_asked_about_where_the_account_is_and_where_they_say() -> None:
    """A wildcard through what it stands for; of cluster-scoped things without a namespace; nothing of Audit."""
    resolved = {
        each: ResolvedResource(each, "v1", namespaced=each != NODES, custom=False) for each in (DEPLOYMENTS, NODES)
    }
    policies = [
        Policy("all", resources=frozenset({GroupResource("apps", "*")}), resolved=resolved),
        Policy("there", resources=frozenset({GroupResource("", "configmaps")}), namespaces=frozenset({"prod"})),
        Policy("watching", mode=Mode.AUDIT, resources=frozenset({GroupResource("", "services")})),
    ]
    asked = set(questions(WORKER, PolicyIndex(policies), ()))
    for verb in ("delete", "deletecollection", "patch", "update"):
        assert Right(verb, "apps", "deployments", "", "payments") in asked
        assert Right(verb, "", "nodes", "", "") in asked
        assert Right(verb, "", "configmaps", "", "prod") in asked
        assert Right(verb, "", "namespaces", "", "prod") in asked
    assert Right("patch", "apps", "deployments", "scale", "payments") in asked
    assert not {right for right in asked if right.resource in {"services", "*"}}
    assert Right("delete", "", "configmaps", "", "payments") not in asked


def test_what_owns_protected_objects_is_asked_about_and_crowds_nothing_out() -> None:
    """To delete it is to delete these; to change it is not. Of agents' accounts nothing is asked."""
    stacks = GroupResource("example.com", "stacks")
    far = [Policy(f"p{n}", resources=frozenset({DEPLOYMENTS}), namespaces=frozenset({f"place-{n}"})) for n in range(99)]
    without = questions(WORKER, PolicyIndex(far), ())
    asked = questions(WORKER, PolicyIndex(far), {stacks})
    assert asked[: len(without)] == without
    assert list(asked[len(without) :]) == [
        Right(verb, *stacks, "", "payments") for verb in ("delete", "deletecollection")
    ]
    assert questions(Account("seconder-agents", "", "p"), PolicyIndex([]), {stacks}) == ()


def test_what_is_asked_is_bounded_and_its_own_namespace_comes_first() -> None:
    """However many policies there are."""
    far = [Policy(f"p{n}", resources=frozenset({DEPLOYMENTS}), namespaces=frozenset({f"place-{n}"})) for n in range(99)]
    asked = questions(WORKER, PolicyIndex([*far, Policy("z", resources=frozenset({DEPLOYMENTS}))]), ())
    assert len(asked) == len(set(asked)) == 256
    assert MAY_DELETE in asked


def test_the_control_planes_controllers_are_asked_about() -> None:
    """They are exempt from everything, so nobody else may be one."""
    for username in BUILTIN_CONTROLLERS:
        if username.startswith("system:serviceaccount:"):
            request = _request(Operation.CREATE, runs_as=username.rpartition(":")[2], namespace="kube-system")
            found = _account(request)
            assert found is not None
            assert questions(found, PolicyIndex([]), ())
