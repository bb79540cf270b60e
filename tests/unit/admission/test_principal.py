"""Who is an agent, its name, and who set it going."""

import pytest
from tests.support.builders import AGENT, PERSON

from seconder.admission.policy_index import PolicyIndex
from seconder.admission.principal import BUILTIN_CONTROLLERS, Principal, classify
from seconder.admission.request import Caller
from seconder.api.policy import DEFAULT_TAGS, AgentTags, Policy
from seconder.api.resources import PODS, GroupResource

KIRO = AGENT.username
NONE: frozenset[str] = frozenset()
AGENTS = frozenset({"seconder.dev:agents"})
BOTS = AgentTags(groups=frozenset({"bots"}), service_account_namespaces=NONE, extra_keys=NONE)


def _classify(caller: Caller, *tags: AgentTags, recorded: str | None = None) -> Principal:
    index = PolicyIndex([Policy(f"p{number}", agents=known) for number, known in enumerate(tags)])
    return classify(caller, index, recorded)


@pytest.mark.parametrize(
    "caller",
    [
        AGENT,
        Caller("x", AGENTS),
        Caller("x", NONE, {"seconder.dev/agent": ("kiro",)}),
        Caller("x", NONE, {"seconder.dev/agent": ()}),
    ],
)
def test_each_default_tag_makes_an_agent(caller: Caller) -> None:
    """Namespace of its ServiceAccount, group, or extra key, with or without a value."""
    assert _classify(caller).agent


@pytest.mark.parametrize(
    "username",
    [
        "dana@example.com",
        "system:serviceaccount:seconder-agents",
        "system:serviceaccount:seconder-agents:",
        "system:serviceaccount:seconder-agents:a:b",
        "system:serviceaccount:seconder-agents-2:kiro",
        "SYSTEM:serviceaccount:seconder-agents:kiro",
        "",
    ],
)
def test_a_name_that_only_looks_like_an_agents_is_none(username: str) -> None:
    """Compared exactly, and a ServiceAccount's name has its four parts."""
    assert not _classify(Caller(username)).agent


def test_the_extra_keys_value_names_the_agent_before_its_serviceaccount() -> None:
    """An empty value names nobody."""
    for values, name in (((), "kiro"), (("hal", "eve"), "hal"), (("",), "kiro")):
        assert _classify(Caller(KIRO, NONE, {"seconder.dev/agent": values})).agent_name == name
    assert _classify(AGENT).agent_name == "kiro"


def test_a_group_or_user_name_gives_no_name() -> None:
    """A ServiceAccount elsewhere gives none either."""
    for username in ("bot", "system:serviceaccount:ci:bot"):
        principal = _classify(Caller(username, AGENTS))
        assert (principal.agent, principal.agent_name) == (True, None)


def test_of_several_extra_keys_our_own_counts_first() -> None:
    """Then by their order, so that the name never depends on chance."""
    tags = AgentTags(extra_keys=frozenset({"a.example/agent", "seconder.dev/agent", "z.example/agent"}))
    extra = {"z.example/agent": ("z",), "a.example/agent": ("a",)}
    assert _classify(Caller("x", NONE, extra), tags).agent_name == "a"
    assert _classify(Caller("x", NONE, extra | {"seconder.dev/agent": ("s",)}), tags).agent_name == "s"


@pytest.mark.parametrize(
    ("extra", "recorded", "operators"),
    [
        ((), None, set()),
        (("erin",), None, {"erin"}),
        ((), "erin", {"erin"}),
        (("erin",), "erin", {"erin"}),
        (("erin", "dana", ""), "frank", {"erin", "dana", "frank"}),
    ],
)
def test_every_recorded_operator_is_barred(extra: tuple[str, ...], recorded: str | None, operators: set[str]) -> None:
    """Where they differ, all of them."""
    caller = Caller(KIRO, NONE, {"seconder.dev/operator": extra} if extra else {})
    assert _classify(caller, recorded=recorded).operators == operators


def test_a_person_has_no_operator() -> None:
    """Whatever their credential says."""
    person = _classify(Caller("dana", NONE, {"seconder.dev/operator": ("erin",)}), recorded="frank")
    assert (person.agent, person.agent_name, person.operators) == (False, None, NONE)


def test_an_agent_is_one_under_the_tags_that_it_has() -> None:
    """Those of the defaults count whatever policies say; a field manager or an annotation is no identity."""
    assert _classify(AGENT, BOTS).tags == {DEFAULT_TAGS}
    assert _classify(Caller("bot", frozenset({"bots"})), BOTS).tags == {BOTS}
    assert _classify(Caller(KIRO, frozenset({"bots"})), BOTS).tags == {BOTS, DEFAULT_TAGS}
    helm = AgentTags(field_managers=frozenset({"helm"}), annotations=frozenset({"dana@example.com"}))
    assert not _classify(PERSON, helm).agent


def test_controllers_and_kubelets_are_known_by_their_exact_names() -> None:
    """A kubelet by its group as well, and for pods alone."""
    deployments = GroupResource("apps", "deployments")
    for username in BUILTIN_CONTROLLERS:
        assert _classify(Caller(username)).exempt_on(deployments)
    kubelet = _classify(Caller("system:node:n1", frozenset({"system:nodes"})))
    assert (kubelet.exempt_on(PODS), kubelet.exempt_on(deployments)) == (True, False)
    for caller in (Caller("system:node:n1"), Caller("n1", frozenset({"system:nodes"})), Caller("system:kube-proxy")):
        assert not _classify(caller).exempt_on(PODS)
