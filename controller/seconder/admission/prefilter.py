"""What the API server must ask Seconder about, so that a rule sees every request that it would find something in.

Only these requests leave the API server. What is asked may be too much, since the rules decide again, exactly; it is
never too little.
"""

from enum import Enum

from msgspec import Struct

from seconder.api.resources import GroupResource


class Entry(Enum):
    """An entry of the webhook configuration, by whose requests it takes."""

    AGENTS = "agents"
    """What agents, or anyone on an object that is tagged as an agent's, do to what policies name."""
    EVERYONE = "everyone"
    """What the others do to what policies for Everyone name."""
    OWNERS = "owners"
    """What all callers that no other entry takes give owners to, of what policies name or Seconder rests on."""
    GUARD = "guard"
    """What agents do to Seconder itself and to all the rest, as far as ``agents`` does not take it."""


class Prefilter(Struct, frozen=True):
    """One alternative of an entry's condition, in CEL over ``object``, ``oldObject`` and ``request``.

    ``creates``: a resource and its subresource whose creation is asked about where policies that name Delete name the
    resource.
    ``by_agents``: of the entry ``agents``, what those alone do who are agents themselves, by identity or field manager.
    """

    entry: Entry
    expression: str
    creates: tuple[GroupResource, str] | None = None
    by_agents: bool = False
