"""ProtectionPolicy and Approver as documents: the typed models that parse them and that their CRDs are generated from.

The API server enforces the generated schema; parsing here is strict again, so that a document which got round it (an
older CRD, a restored etcd) becomes a problem on its status and never a policy that protects less than it says.
"""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from seconder.api import constants
from seconder.api.policy import Assurance, Mode, Subjects, UnknownOperator
from seconder.api.resources import Action

_DNS_LABEL: Final = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
_QUALIFIED: Final = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"


def cel_rules(*rules: tuple[str, str]) -> dict[str, Any]:
    """Give the schema's part that holds CEL rules, each with its message."""
    return {"x-kubernetes-validations": [{"rule": rule, "message": text} for rule, text in rules]}


_SET: Final = {"x-kubernetes-list-type": "set"}


def list_map(key: str) -> dict[str, Any]:
    """Give the schema's part that makes a list a map by this field."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}


def _list(*values: str) -> Any:
    return msgspec.field(default_factory=lambda: list(values))


Principal = Annotated[str, Meta(min_length=1, max_length=253, pattern=r"^[^\x00-\x1f\x7f]+$")]
Namespace = Annotated[str, Meta(min_length=1, max_length=63, pattern=_DNS_LABEL)]
SetOfPrincipals = Annotated[list[Principal], Meta(max_length=64, extra_json_schema=_SET)]
Team = Annotated[str, Meta(min_length=1, max_length=63, pattern=r"^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$")]
Teams = Annotated[list[Team], Meta(max_length=32, extra_json_schema=_SET)]


class _Strict(Struct, rename="camel", forbid_unknown_fields=True):
    """Names as in Kubernetes, and no field that is not known."""


class Exempt(_Strict, kw_only=True):
    """Who is not bound although everyone is, beside the control plane's own controllers."""

    users: Annotated[SetOfPrincipals, Meta(description="Exact user names. An agent is never exempt.")] = []


class Agents(_Strict, kw_only=True):
    """How an agent is recognised; any single match is enough. A field left out keeps its default, [] clears it."""

    groups: Annotated[SetOfPrincipals, Meta(description="Exact group names.")] = _list(constants.AGENT_GROUP)
    users: Annotated[SetOfPrincipals, Meta(description="Exact user names.")] = []
    service_account_namespaces: Annotated[
        list[Namespace],
        Meta(
            max_length=64,
            description="Every ServiceAccount of these namespaces is an agent.",
            extra_json_schema=_SET,
        ),
    ] = _list(constants.AGENT_NAMESPACE)
    extra_keys: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=253, pattern=r"^[^A-Z\x00-\x20\x7f]+$")]],
        Meta(
            max_length=16,
            description="Keys in userInfo.extra, lower-case as the API server gives them. The value names the agent.",
            extra_json_schema=_SET,
        ),
    ] = _list(constants.AGENT_KEY)
    field_managers: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")]],
        Meta(
            max_length=64,
            description="Exact field managers. A DELETE carries none.",
            extra_json_schema=_SET,
        ),
    ] = []
    annotations: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=317, pattern=_QUALIFIED)]],
        Meta(
            max_length=16,
            description="Annotation keys that mark an object as agent-originated, whoever acts on it.",
            extra_json_schema=_SET,
        ),
    ] = _list(constants.AGENT_KEY)


AGENTS_RULES: Final = cel_rules(
    (
        "size(self.groups) + size(self.users) + size(self.serviceAccountNamespaces) + size(self.extraKeys)"
        " + size(self.fieldManagers) + size(self.annotations) > 0",
        "every way to recognise an agent is cleared: name at least one",
    )
)


class Resources(_Strict, kw_only=True):
    """Kinds of objects by API group and plural name; custom resources too."""

    group: Annotated[
        str,
        Meta(
            max_length=253,
            pattern=r"^(\*|[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?)?$",
            description='"" is the core group.',
        ),
    ]
    resources: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=63, pattern=r"^(\*|[A-Za-z]([-A-Za-z0-9]*[A-Za-z0-9])?)$")]],
        Meta(
            min_length=1,
            max_length=64,
            description="Plural names in lower case, without subresources.",
            extra_json_schema=_SET,
        ),
    ]


class Approvals(_Strict, kw_only=True):
    """What it takes to let an action through."""

    required: Annotated[int, Meta(ge=1, le=8, description="How many distinct peers must approve.")] = 1
    teams: Annotated[Teams, Meta(description="Approvers must belong to one of these; empty: any approver.")] = []
    max_ttl: Annotated[
        str,
        Meta(
            max_length=16,
            pattern=r"^([0-9]+[hms])+$",
            description="The longest lifetime of an approval, such as 15m; at most 1h.",
            extra_json_schema=cel_rules(
                (
                    "duration(self) >= duration('1s') && duration(self) <= duration('1h')",
                    "maxTTL must be from 1s to 1h",
                )
            ),
        ),
    ] = msgspec.field(default="15m", name="maxTTL")
    assurance: Annotated[
        Assurance,
        Meta(description="What a signature must prove: a key (Software), a touch (Presence), a PIN too (Verified)."),
    ] = Assurance.SOFTWARE
    bind_impact: Annotated[bool, Meta(description="Namespaces: the approval names what goes down with it.")] = True
    unknown_operator: Annotated[
        UnknownOperator, Meta(description="Whether approvals count for an agent whose operator nobody recorded.")
    ] = UnknownOperator.ACCEPT


class BreakGlass(_Strict, kw_only=True):
    """Who may act without approval in an emergency, leaving a reason on the object."""

    groups: Annotated[SetOfPrincipals, Meta(description="Exact group names.")] = []


class PolicySpec(_Strict, kw_only=True):
    """What is protected, from whom, and what it takes to let it through."""

    mode: Annotated[
        Mode, Meta(description="Enforce refuses; Audit decides, counts and warns, and lets it through.")
    ] = Mode.ENFORCE
    subjects: Annotated[Subjects, Meta(description="Whom the policy binds.")] = Subjects.AGENTS
    exempt: Exempt = msgspec.field(default_factory=Exempt)
    agents: Annotated[Agents, Meta(extra_json_schema=AGENTS_RULES)] = msgspec.field(default_factory=Agents)
    resources: Annotated[
        list[Resources],
        Meta(
            min_length=1,
            max_length=64,
            description="What is protected.",
        ),
    ]
    namespaces: Annotated[
        list[Namespace],
        Meta(
            max_length=256,
            description="Where; empty: everywhere. For Namespaces their own names.",
            extra_json_schema=_SET,
        ),
    ] = []
    actions: Annotated[
        list[Action],
        Meta(
            min_length=1,
            max_length=4,
            description="What needs approval; left out: everything.",
            extra_json_schema=_SET,
        ),
    ] = _list(*Action)
    approvals: Approvals = msgspec.field(default_factory=Approvals)
    break_glass: BreakGlass = msgspec.field(default_factory=BreakGlass)


POLICY_RULES: Final = cel_rules(
    (
        "self.subjects != 'Everyone' || !self.resources.exists(r, r.group == '*' || r.resources.exists(n, n == '*'))",
        "'*' cannot be used with subjects: Everyone; name the groups and resources",
    ),
    (
        "!self.actions.exists(a, a == 'Delete') || size(self.agents.groups) + size(self.agents.users)"
        " + size(self.agents.serviceAccountNamespaces) + size(self.agents.extraKeys)"
        " + size(self.agents.annotations) > 0",
        "fieldManagers never match a Delete: name another way to recognise an agent, or leave Delete out of actions",
    ),
    (
        "!self.resources.exists(r, r.group == 'seconder.dev') || self.subjects != 'Everyone'",
        "kinds of seconder.dev cannot be protected from everyone",
    ),
)


class ConditionDoc(Struct, rename="camel", kw_only=True):
    """A status condition (meta/v1 Condition)."""

    type: Annotated[str, Meta(max_length=64)]
    status: Literal["True", "False", "Unknown"]
    reason: Annotated[str, Meta(max_length=64)]
    message: Annotated[str, Meta(max_length=4096)]
    last_transition_time: Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
    observed_generation: int = 0


Conditions = Annotated[
    list[ConditionDoc],
    Meta(
        max_length=8,
        extra_json_schema=list_map("type"),
    ),
]


class ResolvedDoc(Struct, rename="camel", kw_only=True):
    """A resource that the policy names, as this cluster serves it."""

    group: str
    version: str
    resource: str
    namespaced: bool
    custom: bool = False
    kind: str = ""


class PolicyStatus(Struct, rename="camel", kw_only=True):
    """What the operator made of the policy."""

    conditions: Conditions = []
    observed_generation: int = 0
    resources: Annotated[
        list[ResolvedDoc], Meta(max_length=4096, description="What the policy's names stand for in this cluster.")
    ] = []
    last_valid: (
        Annotated[
            dict[str, Any],
            Meta(
                description="For Everyone: the last valid form, which stays in force while the present one is invalid.",
                extra_json_schema={"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            ),
        ]
        | UnsetType
    ) = UNSET


Coordinate = Annotated[str, Meta(min_length=43, max_length=43, pattern=r"^[A-Za-z0-9_-]+$")]
SshLine = Annotated[
    str, Meta(min_length=1, max_length=4096, description="A line of an OpenSSH .pub file, or of ssh-add -L.")
]


class Jwk(_Strict, kw_only=True):
    """A public JSON Web Key (RFC 7517): OKP Ed25519 or EC P-256."""

    kty: Literal["OKP", "EC"]
    crv: Literal["Ed25519", "P-256"]
    kid: Annotated[str, Meta(min_length=1, max_length=253)]
    x: Coordinate
    y: Coordinate | UnsetType = UNSET


JWK_RULES: Final = cel_rules(
    (
        "self.kty == 'OKP' ? self.crv == 'Ed25519' && !has(self.y) : self.crv == 'P-256' && has(self.y)",
        "give kty OKP, crv Ed25519 and x, or kty EC, crv P-256, x and y",
    )
)


class Key(_Strict, kw_only=True):
    """A public key, in one of two notations."""

    name: Annotated[str, Meta(min_length=1, max_length=63, pattern=_DNS_LABEL)]
    ssh: SshLine | UnsetType = UNSET
    jwk: Annotated[Jwk, Meta(extra_json_schema=JWK_RULES)] | UnsetType = UNSET
    not_after: Annotated[datetime, Meta(tz=True, description="It stops counting at this time.")] | UnsetType = UNSET


KEY_RULES: Final = cel_rules(("has(self.ssh) != has(self.jwk)", "give exactly one of ssh and jwk"))


class ApproverSpec(_Strict, kw_only=True):
    """A person who may approve, and the keys that prove it."""

    principal: Annotated[Principal, Meta(description="The iss claim of this person's approvals.")]
    kubernetes_users: Annotated[
        SetOfPrincipals,
        Meta(
            min_length=1,
            description="User names of this person, whose requests, and whose agents' requests, they never approve.",
        ),
    ]
    teams: Teams = []
    keys: Annotated[
        list[Annotated[Key, Meta(extra_json_schema=KEY_RULES)]],
        Meta(
            min_length=1,
            max_length=16,
            extra_json_schema=list_map("name"),
        ),
    ]


class KeyStatus(Struct, rename="camel", kw_only=True):
    """What the operator found out about one key. ``problem`` is empty for a key that counts."""

    name: str
    fingerprint: str = ""
    assurance: str = ""
    problem: str = ""


class ApproverStatus(Struct, rename="camel", kw_only=True):
    """What the operator made of the approver."""

    conditions: Conditions = []
    observed_generation: int = 0
    keys: Annotated[
        list[KeyStatus],
        Meta(max_length=16, extra_json_schema=list_map("name")),
    ] = []
