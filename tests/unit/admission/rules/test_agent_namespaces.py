"""The namespaces of agents stand whatever policies say."""

from tests.support.builders import CONFIG_MAPS, PERSON, creation, deletion, policy, state, target, update
from tests.support.resolving import decide, refusal

from seconder.api.policy import AgentTags
from seconder.api.resources import NAMESPACES

WHAT = "agents may not change the namespaces of agents"


def test_an_agent_writes_no_namespace_of_agents() -> None:
    """Neither the usual one, nor one that a policy names; another, and what is in it, are free."""
    bots = policy(CONFIG_MAPS, agents=AgentTags(service_account_namespaces=frozenset({"bots"})))
    for name in ("seconder-agents", "bots"):
        place = target(NAMESPACES, name)
        for asked in (creation(place), update(place), deletion(place), update(place, subResource="status")):
            assert refusal(decide(asked, state(bots))) == WHAT
        assert decide(deletion(place, PERSON), state(bots)).allowed
    assert refusal(decide(deletion(target(NAMESPACES, "seconder-agents")), state())) == WHAT
    assert decide(deletion(target(NAMESPACES, "payments")), state()).allowed
    assert decide(update(target(CONFIG_MAPS, "seconder-agents")), state(bots)).allowed
