"""ProtectionPolicies as the core sees them: validated values without any Kubernetes document around them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from seconder.api import constants
from seconder.api.resources import Action, GroupResource


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


@dataclass(frozen=True, slots=True)
class AgentTags:
    """How one policy recognises an agent. Any single match is enough; all strings are compared exactly."""

    groups: frozenset[str] = frozenset({constants.AGENT_GROUP})
    users: frozenset[str] = frozenset()
    service_account_namespaces: frozenset[str] = frozenset({constants.AGENT_NAMESPACE})
    extra_keys: frozenset[str] = frozenset({constants.AGENT_KEY})
    field_managers: frozenset[str] = frozenset()
    annotations: frozenset[str] = frozenset({constants.AGENT_KEY})


DEFAULT_TAGS = AgentTags()


@dataclass(frozen=True, slots=True)
class Requirement:
    """What a policy's ``approvals`` asks for. Equal requirements are judged once. ``max_ttl`` is in seconds."""

    required: int = 1
    teams: frozenset[str] = frozenset()
    max_ttl: int = constants.DEFAULT_TTL_SECONDS
    assurance: Assurance = Assurance.SOFTWARE
    bind_impact: bool = True
    unknown_operator: UnknownOperator = UnknownOperator.ACCEPT


@dataclass(frozen=True, slots=True)
class ResolvedResource:
    """A resource that a policy names, as this cluster's discovery knows it.

    ``custom``: served from a CustomResourceDefinition, hence part of a namespace's impact when a policy names it.
    ``kind`` is what ownerReferences name it by.
    """

    resource: GroupResource
    version: str
    namespaced: bool
    custom: bool
    kind: str = ""


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
    actions: frozenset[Action] = frozenset(Action)
    requirement: Requirement = field(default_factory=Requirement)
    break_glass_groups: frozenset[str] = frozenset()
    resolved: Mapping[GroupResource, ResolvedResource] = field(default_factory=dict)
    resolution_current: bool = True
    problem: str = ""
