"""What somebody would be taken for, and why: by the API server, and by what runs on this machine."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from msgspec import structs

from seconder.admission import principal
from seconder.admission.principal import Principal
from seconder.admission.request import Caller
from seconder.api.policy import DEFAULT_TAGS, AgentTags, Policy
from seconder.api.text import clean
from seconder.plugin.agents import assistants
from seconder.plugin.agents.assistants import Detection
from seconder.plugin.terminal.problem import Problem

_NONE: Final[frozenset[str]] = frozenset()
_NOTHING: Final = AgentTags(**dict.fromkeys(AgentTags.__struct_fields__, _NONE))
_KINDS: Final = {
    "groups": "group",
    "users": "user name",
    "service_account_namespaces": "ServiceAccount of namespace",
    "extra_keys": "extra key",
}


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag on an identity, and who takes it for one: ``the defaults``, or policies by name."""

    what: str
    known_to: Sequence[str]


def tags_on(caller: Caller, policies: Sequence[Policy]) -> list[Tag]:
    """Every tag that the identity carries, by the very code that decides whether it is an agent's."""
    tags_found: dict[str, list[str]] = {}
    for name, tags in (
        ("the defaults", DEFAULT_TAGS),
        *((f"policy {policy.name}", policy.agents) for policy in policies),
    ):
        for what in _matching(caller, tags):
            names = tags_found.setdefault(what, [])
            if name not in names:
                names.append(name)
    return [Tag(what, names) for what, names in tags_found.items()]


def here() -> Detection:
    """Look for an AI assistant around this process, as ``credential`` does. Without one, ``why`` says what was seen."""
    try:
        return assistants.detect_here() or Detection("", "nothing shows an AI assistant")
    except Problem as problem:
        return Detection("", str(problem))


def lines(
    caller: Caller, requester: Principal, tags: Sequence[Tag], detection: Detection | None, notes: Sequence[str]
) -> Iterator[str]:
    """The lines for people. ``detection``: None where it is about somebody else. ``notes``: what could not be seen."""
    yield f"The API server takes {'you' if detection else 'them'} for {clean(caller.username)}"
    yield f"  groups     {clean(', '.join(sorted(caller.groups))) or 'none'}"
    for key, values in sorted(caller.extra.items()):
        yield f"  extra      {clean(key)}: {clean(', '.join(values))}"
    if requester.agent:
        name = f"named {clean(requester.agent_name)}" if requester.agent_name else "without a name of its own"
        yield f"Seconder takes that for an agent, {name}"
        for tag in tags:
            yield f"  tag        {clean(tag.what)}: known to {clean(', '.join(tag.known_to))}"
        who = clean(", ".join(sorted(requester.operators))) or "not recorded"
        yield f"  operator   {who}"
    else:
        yield "Seconder takes that for nobody's agent: no tag is on it"
    if detection:
        seen = f"{clean(detection.assistant)}: {clean(detection.why)}" if detection.assistant else clean(detection.why)
        yield f"On this machine: {seen}"
    yield from (f"note: {clean(note)}" for note in notes)


def document(
    caller: Caller, requester: Principal, tags: Sequence[Tag], detection: Detection | None, notes: Sequence[str]
) -> dict[str, Any]:
    """The document for programs."""
    document: dict[str, Any] = {
        "username": caller.username,
        "groups": sorted(caller.groups),
        "extra": {key: list(values) for key, values in sorted(caller.extra.items())},
        "agent": requester.agent,
        "agentName": requester.agent_name or "",
        "operators": sorted(requester.operators),
        "tags": [{"tag": tag.what, "knownTo": list(tag.known_to)} for tag in tags],
        "notes": list(notes),
    }
    if detection:
        document["here"] = {"assistant": detection.assistant, "why": detection.why}
    return document


def _matching(caller: Caller, tags: AgentTags) -> Iterator[str]:
    for field, words in _KINDS.items():
        for value in sorted(getattr(tags, field)):
            if principal.identity_tagged(caller, structs.replace(_NOTHING, **{field: frozenset({value})})):
                yield f"{words} {value}"
