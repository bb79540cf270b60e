"""ProtectionPolicy as a document: the types that parse it and that its CRD is generated from.

The API server enforces the generated schema; parsing here is strict again, so that a document which got round it (an
older CRD, a restored etcd) becomes a problem on its status and never a policy that protects less than it says.
"""

from typing import Annotated, Any, Final

from msgspec import UNSET, Meta, Struct, UnsetType

from seconder.api.conditions import Conditions
from seconder.api.label_selector import LabelSelector
from seconder.api.policy import (
    AGENTS_RULES,
    FREE_CHANGE,
    AgentTags,
    Mode,
    Namespace,
    Requirement,
    SetOfPrincipals,
    Subjects,
)
from seconder.api.resources import LOSSES, Action, Presence
from seconder.api.schema import SET, Strict, cel_rules


class Exempt(Strict, frozen=True, kw_only=True):
    """Who is not bound although everyone is, beside the control plane's own controllers."""

    users: Annotated[SetOfPrincipals, Meta(description="Exact user names. An agent is never exempt.")] = frozenset()


class Resources(Strict, frozen=True, kw_only=True):
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
            extra_json_schema=SET,
        ),
    ]


class BreakGlass(Strict, frozen=True, kw_only=True):
    """Who may act without approval in an emergency, leaving a reason on the object."""

    groups: Annotated[SetOfPrincipals, Meta(description="Exact group names.")] = frozenset()


class PolicySpec(Strict, frozen=True, kw_only=True):
    """What is protected, from whom, and what it takes to let it through."""

    mode: Annotated[
        Mode, Meta(description="Enforce refuses; Audit decides, counts and warns, and lets it through.")
    ] = Mode.ENFORCE
    subjects: Annotated[Subjects, Meta(description="Whom the policy binds.")] = Subjects.AGENTS
    exempt: Exempt = Exempt()
    agents: Annotated[AgentTags, Meta(extra_json_schema=AGENTS_RULES)] = AgentTags()
    resources: Annotated[
        list[Resources],
        Meta(
            min_length=1,
            max_length=64,
            description="What is protected.",
        ),
    ]
    namespaces: Annotated[
        frozenset[Namespace],
        Meta(
            max_length=256,
            description="Where; empty: everywhere. For Namespaces their own names.",
            extra_json_schema=SET,
        ),
    ] = frozenset()
    namespace_selector: Annotated[
        LabelSelector,
        Meta(
            description="Where, beside the names: namespaces with these labels, which agents may then not change. With "
            "neither, everywhere.",
        ),
    ] = LabelSelector()
    actions: (
        Annotated[
            frozenset[Action],
            Meta(
                min_length=1,
                max_length=5,
                description="What needs approval; left out: everything, for Everyone everything but Change, which"
                " binds agents alone.",
                extra_json_schema=SET,
            ),
        ]
        | UnsetType
    ) = UNSET
    free_changes: (
        Annotated[
            list[Annotated[str, Meta(min_length=1, max_length=512, pattern=FREE_CHANGE)]],
            Meta(
                max_length=64,
                description="What agents may change all the same, such as spec.template or"
                " metadata.labels[example.com/team]; * is any one step, a leading ! takes back. Left out: what is"
                " harmless on such a kind; []: nothing.",
            ),
        ]
        | UnsetType
    ) = UNSET
    approvals: Requirement = Requirement()
    break_glass: BreakGlass = BreakGlass()

    @property
    def guarded(self) -> frozenset[Action]:
        """The actions that need approval, those that are meant where none are named."""
        if not isinstance(self.actions, UnsetType):
            return self.actions
        return frozenset(Action) if self.subjects is Subjects.AGENTS else LOSSES


POLICY_RULES: Final = cel_rules(
    (
        "self.subjects != 'Everyone' || !self.resources.exists(r, r.group == '*' || r.resources.exists(n, n == '*'))",
        "'*' cannot be used with subjects: Everyone; name the groups and resources",
    ),
    (
        "(has(self.actions) && !self.actions.exists(a, a == 'Delete'))"
        " || size(self.agents.groups) + size(self.agents.users)"
        " + size(self.agents.serviceAccountNamespaces) + size(self.agents.extraKeys)"
        " + size(self.agents.annotations) > 0",
        "fieldManagers never match a Delete: name another way to recognise an agent, or leave Delete out of actions",
    ),
    (
        "!self.resources.exists(r, r.group == 'seconder.dev') || self.subjects != 'Everyone'",
        "kinds of seconder.dev cannot be protected from everyone",
    ),
)


class ResolvedDoc(Struct, rename="camel", kw_only=True):
    """A resource that the policy names, as this cluster serves it."""

    group: str
    version: str
    resource: str
    namespaced: bool
    custom: bool = False
    kind: str = ""
    presence: (
        Annotated[
            Presence,
            Meta(description="Left out: Served. What is not served any more stays, and protects what it protected."),
        ]
        | UnsetType
    ) = UNSET


class PolicyStatus(Struct, rename="camel", kw_only=True):
    """What the operator made of the policy."""

    conditions: Conditions = []
    observed_generation: int = 0
    observed_at: (
        Annotated[
            str,
            Meta(
                description="When the operator last saw for itself what InForce says. Older than a minute: not known.",
                extra_json_schema={"format": "date-time"},
            ),
        ]
        | UnsetType
    ) = UNSET
    resources: Annotated[
        list[ResolvedDoc], Meta(max_length=4096, description="What the policy's names stand for in this cluster.")
    ] = []
    ended_by: (
        Annotated[
            list[ResolvedDoc],
            Meta(
                max_length=4096,
                description="Other kinds of this cluster by whose end a controller ends some of these.",
            ),
        ]
        | UnsetType
    ) = UNSET
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
