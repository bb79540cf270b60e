"""What a policy says, and a policy in force."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from seconder.api import constants
from seconder.api.duration import Duration
from seconder.api.label_selector import Selector
from seconder.api.resources import Action, GroupResource, ResolvedResource
from seconder.api.schema import SET, Strict, cel_rules

DNS_LABEL: Final = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
_QUALIFIED: Final = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"

FREE_CHANGE: Final = r"^!?(\[[^\[\]]+\]|[^.\[\]!\s]+)(\.?\[[^\[\]]+\]|\.[^.\[\]\s]+)*$"
"""A path of fields: steps with dots between them, those that hold a dot in brackets."""

Principal = Annotated[str, Meta(min_length=1, max_length=253, pattern=r"^[^\x00-\x1f\x7f]+$")]
Namespace = Annotated[str, Meta(min_length=1, max_length=63, pattern=DNS_LABEL)]
SetOfPrincipals = Annotated[frozenset[Principal], Meta(max_length=64, extra_json_schema=SET)]
TEAM: Final = r"^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"
Team = Annotated[str, Meta(min_length=1, max_length=63, pattern=TEAM)]
Teams = Annotated[frozenset[Team], Meta(max_length=32, extra_json_schema=SET)]


class Mode(StrEnum):
    """Whether a policy refuses (Enforce) or only decides, counts and warns (Audit)."""

    ENFORCE = "Enforce"
    AUDIT = "Audit"


class Subjects(StrEnum):
    """Whom a policy binds."""

    AGENTS = "Agents"
    EVERYONE = "Everyone"


class Assurance(StrEnum):
    """What a signature proves about the human behind it, weakest first.

    Software: a key signed. Presence: someone touched a FIDO authenticator. Verified: and gave its PIN or biometric.
    """

    SOFTWARE = "Software"
    PRESENCE = "Presence"
    VERIFIED = "Verified"


class UnknownOperator(StrEnum):
    """What to do with approvals for an agent whose operator nobody recorded."""

    ACCEPT = "Accept"
    REFUSE = "Refuse"


class AgentTags(Strict, frozen=True, kw_only=True):
    """How an agent is recognised; any single match is enough. A field left out keeps its default, [] clears it."""

    groups: Annotated[SetOfPrincipals, Meta(description="Exact group names.")] = frozenset({constants.AGENT_GROUP})
    users: Annotated[SetOfPrincipals, Meta(description="Exact user names.")] = frozenset()
    service_account_namespaces: Annotated[
        frozenset[Namespace],
        Meta(
            max_length=64,
            description="Every ServiceAccount of these namespaces is an agent.",
            extra_json_schema=SET,
        ),
    ] = frozenset({constants.AGENT_NAMESPACE})
    extra_keys: Annotated[
        frozenset[Annotated[str, Meta(min_length=1, max_length=253, pattern=r"^[^A-Z\x00-\x20\x7f]+$")]],
        Meta(
            max_length=16,
            description="Keys in userInfo.extra, lower-case as the API server gives them. The value names the agent.",
            extra_json_schema=SET,
        ),
    ] = frozenset({constants.AGENT_KEY})
    field_managers: Annotated[
        frozenset[Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")]],
        Meta(
            max_length=64,
            description="Exact field managers. A DELETE carries none.",
            extra_json_schema=SET,
        ),
    ] = frozenset()
    annotations: Annotated[
        frozenset[Annotated[str, Meta(min_length=1, max_length=317, pattern=_QUALIFIED)]],
        Meta(
            max_length=16,
            description="Annotation keys that mark an object as agent-originated, whoever acts on it.",
            extra_json_schema=SET,
        ),
    ] = frozenset({constants.AGENT_KEY})


DEFAULT_TAGS: Final = AgentTags()

AGENTS_RULES: Final = cel_rules(
    (
        "size(self.groups) + size(self.users) + size(self.serviceAccountNamespaces) + size(self.extraKeys)"
        " + size(self.fieldManagers) + size(self.annotations) > 0",
        "every way to recognise an agent is cleared: name at least one",
    )
)


class Requirement(Strict, frozen=True, kw_only=True):
    """What it takes to let an action through."""

    required: Annotated[int, Meta(ge=1, le=8, description="How many distinct peers must approve.")] = 1
    teams: Annotated[Teams, Meta(description="Approvers must belong to one of these; empty: any approver.")] = (
        frozenset()
    )
    max_ttl: Annotated[
        Duration,
        Meta(
            description="The longest lifetime of an approval, such as 15m; at most 1h.",
            extra_json_schema={"maxLength": 16, "pattern": r"^([0-9]+[hms])+$"}
            | cel_rules(
                (
                    "duration(self) >= duration('1s') && duration(self) <= duration('1h')",
                    "maxTTL must be from 1s to 1h",
                )
            ),
        ),
    ] = msgspec.field(default=Duration(constants.DEFAULT_TTL_SECONDS), name="maxTTL")
    assurance: Annotated[
        Assurance,
        Meta(description="What a signature must prove: a key (Software), a touch (Presence), a PIN too (Verified)."),
    ] = Assurance.SOFTWARE
    bind_impact: Annotated[bool, Meta(description="Namespaces: an approval of its end names what goes down.")] = True
    unknown_operator: Annotated[
        UnknownOperator, Meta(description="Whether approvals count for an agent whose operator nobody recorded.")
    ] = UnknownOperator.ACCEPT


@dataclass(frozen=True, slots=True)
class Policy:
    """One ProtectionPolicy. ``problem`` is set when it is invalid: it then refuses what it names to agents.

    ``resolved`` holds what it names as discovery knows it; a name that discovery does not know is left out once
    ``resolution_current`` is true, and simply not looked at yet while it is false.
    """

    name: str
    mode: Mode = Mode.ENFORCE
    subjects: Subjects = Subjects.AGENTS
    exempt_users: frozenset[str] = frozenset()
    agents: AgentTags = DEFAULT_TAGS
    resources: frozenset[GroupResource] = frozenset()
    namespaces: frozenset[str] = frozenset()
    selector: Selector = ()
    actions: frozenset[Action] = frozenset(Action)
    free_changes: tuple[str, ...] | None = None
    """Paths that agents may change freely; None: those of the kind's table."""
    requirement: Requirement = field(default_factory=Requirement)
    break_glass_groups: frozenset[str] = frozenset()
    resolved: Mapping[GroupResource, ResolvedResource] = field(default_factory=dict)
    resolution_current: bool = True
    ended_by: tuple[ResolvedResource, ...] = ()
    """The kinds that this cluster serves by whose end a controller ends some of what it names."""
    problem: str = ""

    @property
    def places(self) -> frozenset[str]:
        """All namespaces that it may ever be about, by name; empty: any, as where labels select some."""
        return frozenset() if self.selector else self.namespaces

    @property
    def limited(self) -> bool:
        """Whether it is about some namespaces only."""
        return bool(self.namespaces or self.selector)


def most_required(policies: Sequence[Policy]) -> int:
    """The number of peers that the most demanding of some policies requires; 0 without any."""
    most = 0
    for policy in policies:
        required = policy.requirement.required
        if required > most:
            most = required
    return most
