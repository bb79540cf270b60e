"""What one is taken for, and by whom."""

import pytest

from seconder.admission.request import Caller
from seconder.api.policy import AgentTags, Policy
from seconder.plugin.agents import whoami

KIRO = Caller("system:serviceaccount:seconder-agents:kiro", frozenset({"system:authenticated"}))
DANA = Caller("dana@example.com", frozenset({"system:authenticated"}))


@pytest.mark.parametrize(
    ("caller", "tags"),
    [
        (DANA, []),
        (KIRO, [("ServiceAccount of namespace seconder-agents", ["the defaults", "policy p"])]),
        (
            Caller("x", frozenset({"seconder.dev:agents"})),
            [("group seconder.dev:agents", ["the defaults", "policy p"])],
        ),
        (
            Caller("x", extra={"seconder.dev/agent": ("amp",)}),
            [("extra key seconder.dev/agent", ["the defaults", "policy p"])],
        ),
        (Caller("bot"), [("user name bot", ["policy own"])]),
        (Caller("bot", frozenset({"bots"})), [("group bots", ["policy own"]), ("user name bot", ["policy own"])]),
    ],
)
def test_every_tag_is_told_with_who_knows_it(caller: Caller, tags: list[tuple[str, list[str]]]) -> None:
    """The defaults, and each policy by name."""
    none: frozenset[str] = frozenset()
    nobody = dict.fromkeys(AgentTags.__struct_fields__, none)
    own = AgentTags(**nobody | {"groups": frozenset({"bots"}), "users": frozenset({"bot"})})
    found = whoami.tags_on(caller, [Policy("p"), Policy("own", agents=own)])
    assert [(each.what, list(each.known_to)) for each in found] == tags
