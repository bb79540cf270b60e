"""Approver as a document: the types that parse it and that its CRD is generated from."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from seconder.api.conditions import Conditions
from seconder.api.policy import DNS_LABEL, Principal, Teams
from seconder.api.schema import SET, Strict, cel_rules, list_map

Coordinate = Annotated[str, Meta(min_length=43, max_length=43, pattern=r"^[A-Za-z0-9_-]+$")]
SshLine = Annotated[
    str, Meta(min_length=1, max_length=4096, description="A line of an OpenSSH .pub file, or of ssh-add -L.")
]


class Jwk(Strict, frozen=True, kw_only=True):
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


class Key(Strict, frozen=True, kw_only=True):
    """A public key, in one of two notations."""

    name: Annotated[str, Meta(min_length=1, max_length=63, pattern=DNS_LABEL)]
    ssh: SshLine | UnsetType = UNSET
    jwk: Annotated[Jwk, Meta(extra_json_schema=JWK_RULES)] | UnsetType = UNSET
    not_after: Annotated[datetime, Meta(tz=True, description="It stops counting at this time.")] | UnsetType = UNSET


KEY_RULES: Final = cel_rules(("has(self.ssh) != has(self.jwk)", "give exactly one of ssh and jwk"))


UserName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=253,
        pattern=r"^[^\x00-\x1f\x7f]*[^*\x00-\x20\x7f][^\x00-\x1f\x7f]*$",
        description="A user name; * within it stands for any characters.",
    ),
]


class ExtraValue(Strict, frozen=True, kw_only=True):
    """A key of ``userInfo.extra`` and its value, as the API server's authenticator gives them."""

    key: Annotated[str, Meta(min_length=1, max_length=253, pattern=r"^[^\x00-\x20\x7f]+$")]
    value: UserName


class IdentityDoc(Strict, frozen=True, kw_only=True):
    """What tells a person whose user name changes."""

    extra: ExtraValue


class Certificates(StrEnum):
    """Whether certificates of an ApproverAuthority count for a person who has an Approver."""

    ACCEPT = "Accept"
    REFUSE = "Refuse"


class ApproverSpec(Strict, frozen=True, kw_only=True):
    """A person who may approve, and the keys that prove it."""

    principal: Annotated[Principal, Meta(description="The iss claim of this person's approvals.")]
    kubernetes_users: Annotated[
        frozenset[UserName],
        Meta(
            min_length=1,
            max_length=64,
            description="User names of this person, whose requests, and whose agents' requests, they never approve. "
            "Exact, but for * within a name.",
            extra_json_schema=SET,
        ),
    ]
    identities: Annotated[
        Sequence[IdentityDoc],
        Meta(
            max_length=16,
            description="For user names that change with each login: what else tells this person's requests.",
            extra_json_schema={"x-kubernetes-list-type": "atomic"},
        ),
    ] = ()
    teams: Teams = frozenset()
    certificates: Annotated[
        Certificates,
        Meta(
            description="Whether certificates of an ApproverAuthority count beside the keys: for teams that both "
            "name, under the names of both. Refuse: the keys alone count."
        ),
    ] = Certificates.ACCEPT
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
