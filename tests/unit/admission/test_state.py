"""Who a caller is, remembered as long as the policies are the same."""

from hypothesis import given
from hypothesis import strategies as st
from tests.support.builders import AGENT, PERSON, policy, state

from seconder.admission.principal import classify
from seconder.admission.request import Caller
from seconder.api.policy import AgentTags

GROUPS = st.sets(st.sampled_from(["seconder.dev:agents", "bots", "system:nodes", "people"])).map(frozenset)
KEYS = st.sampled_from(["seconder.dev/agent", "seconder.dev/operator", "example.com/bot", "authentication/pod-name"])
EXTRA = st.dictionaries(KEYS, st.lists(st.sampled_from(["", "kiro", "hal"]), max_size=2).map(tuple))
CALLERS = st.builds(
    Caller, st.sampled_from([AGENT.username, "dana", "system:node:n1", "system:kube-scheduler"]), GROUPS, EXTRA
)
TAGS = AgentTags(groups=frozenset({"bots"}), extra_keys=frozenset({"example.com/bot"}))
CLUSTER = state(policy(), policy(name="q", agents=TAGS), operators={AGENT.username: "erin"})


@given(st.lists(CALLERS, max_size=8))
def test_who_is_remembered_is_who_would_be_found(callers: list[Caller]) -> None:
    """Whoever asked before: nothing that tells one caller from another is left out."""
    for caller in callers:
        assert CLUSTER.principal(caller) == classify(caller, CLUSTER.policies, CLUSTER.operators.get(caller.username))


def test_a_caller_is_classified_once() -> None:
    """What changes with each token is not looked at."""
    cluster = state(policy())
    first = cluster.principal(Caller(PERSON.username, extra={"authentication/pod-name": ("a",)}))
    assert cluster.principal(Caller(PERSON.username, extra={"authentication/pod-name": ("b",)})) is first
    assert cluster.principal(Caller(PERSON.username, frozenset({"seconder.dev:agents"}))) is not first


def test_what_is_remembered_is_bounded() -> None:
    """An agent may be called anything."""
    cluster = state()
    for number in range(3000):
        assert cluster.principal(Caller(f"x{number}", frozenset({"seconder.dev:agents"}))).agent
    assert len(cluster._principals) <= 1024
