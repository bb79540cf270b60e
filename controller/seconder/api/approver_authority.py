"""ApproverAuthority as a document: the types that parse it and that its CRD is generated from."""

from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from seconder.api.approver import SshLine
from seconder.api.conditions import Conditions
from seconder.api.duration import Duration
from seconder.api.schema import SET, Strict, cel_rules

PLACE: Final = "{principal}"
"""Where a certificate's principal stands in a template."""

DEFAULT_VALIDITY_SECONDS: Final = 24 * 3600
MAX_VALIDITY_SECONDS: Final = 720 * 3600

_LABEL: Final = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"

PrincipalPattern = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=253,
        pattern=rf"^(\*@({_LABEL}\.)+{_LABEL}|[^*\x00-\x1f\x7f]+)$",
        description="A principal's exact name, or *@domain for any at a domain.",
    ),
]

# A star at the place itself would let one user name stand for several principals.
_TEMPLATE: Final = r"^([^{}\x00-\x1f\x7f]*[^*{}\x00-\x1f\x7f])?\{principal\}([^*{}\x00-\x1f\x7f][^{}\x00-\x1f\x7f]*)?$"

UserNameTemplate = Annotated[
    str,
    Meta(
        min_length=len(PLACE),
        max_length=253,
        pattern=_TEMPLATE,
        description="A user name of a principal, which stands where it says {principal}; * elsewhere in it stands for "
        "any characters.",
    ),
]


class ExtraTemplate(Strict, frozen=True, kw_only=True):
    """A key of ``userInfo.extra``, and the value that it has for a principal."""

    key: Annotated[str, Meta(min_length=1, max_length=253, pattern=r"^[^\x00-\x20\x7f]+$")]
    value: Annotated[
        str,
        Meta(min_length=len(PLACE), max_length=253, pattern=r"^[^*{}\x00-\x1f\x7f]*\{principal\}[^*{}\x00-\x1f\x7f]*$"),
    ]


class IdentityTemplate(Strict, frozen=True, kw_only=True):
    """What tells a principal whose user name changes."""

    extra: ExtraTemplate


class CertificateTeams(Strict, frozen=True, kw_only=True):
    """How a certificate names teams."""

    prefix: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=63,
            pattern=r"^[!-~]+$",
            description="A principal that begins so is no person: what follows is a team.",
        ),
    ]


class Revoked(Strict, frozen=True, kw_only=True):
    """Certificates of this authority that do not count any more."""

    serials: Annotated[
        Sequence[Annotated[int, Meta(ge=1)] | Annotated[str, Meta(pattern=r"^[1-9][0-9]{0,19}$")]],
        Meta(
            max_length=1024,
            description="Serial numbers; those above 9223372036854775807 as texts.",
            extra_json_schema={"x-kubernetes-list-type": "atomic"},
        ),
    ] = ()
    key_ids: Annotated[
        frozenset[Annotated[str, Meta(min_length=1, max_length=1024)]],
        Meta(max_length=1024, description="Key ids, exact.", extra_json_schema=SET),
    ] = frozenset()
    fingerprints: Annotated[
        frozenset[Annotated[str, Meta(pattern=r"^SHA256:[A-Za-z0-9+/]{43}$")]],
        Meta(
            max_length=1024, description="Of the certified keys, as ssh-keygen -l prints them.", extra_json_schema=SET
        ),
    ] = frozenset()


class ApproverAuthoritySpec(Strict, frozen=True, kw_only=True):
    """SSH certificate authorities, and for whom their certificates may approve."""

    ssh: Annotated[
        Sequence[SshLine],
        Meta(
            min_length=1,
            max_length=4,
            description="The authorities' public keys: one, or two while they are exchanged.",
            extra_json_schema={"x-kubernetes-list-type": "atomic"},
        ),
    ]
    principals: Annotated[
        frozenset[PrincipalPattern],
        Meta(min_length=1, max_length=64, description="Whom it may speak for.", extra_json_schema=SET),
    ]
    kubernetes_users: Annotated[
        frozenset[UserNameTemplate],
        Meta(
            min_length=1,
            max_length=16,
            description="User names of a principal, who never approves what is requested or operated under one.",
            extra_json_schema=SET,
        ),
    ] = frozenset({PLACE})
    identities: Annotated[
        Sequence[IdentityTemplate],
        Meta(
            max_length=16,
            description="For user names that change with each login: what else tells a principal's requests.",
            extra_json_schema={"x-kubernetes-list-type": "atomic"},
        ),
    ] = ()
    teams: Annotated[CertificateTeams | UnsetType, Meta(description="Left out: certificates name no teams.")] = UNSET
    max_validity: Annotated[
        Duration,
        Meta(
            description="The longest validity of a certificate, such as 24h; at most 720h.",
            extra_json_schema={"maxLength": 16, "pattern": r"^([0-9]+[hms])+$"}
            | cel_rules(
                (
                    "duration(self) >= duration('1m') && duration(self) <= duration('720h')",
                    "maxValidity must be from 1m to 720h",
                )
            ),
        ),
    ] = msgspec.field(default=Duration(DEFAULT_VALIDITY_SECONDS))
    revoked: Revoked = Revoked()


class AuthorityKeyStatus(Struct, rename="camel", kw_only=True):
    """What the operator found out about one authority's key. ``problem`` is empty for one that counts."""

    fingerprint: Annotated[str, Meta(max_length=64)] = ""
    type: Annotated[str, Meta(max_length=64)] = ""
    problem: Annotated[str, Meta(max_length=1024)] = ""


class ApproverAuthorityStatus(Struct, rename="camel", kw_only=True):
    """What the operator made of the authority."""

    conditions: Conditions = []
    observed_generation: int = 0
    authorities: Annotated[
        list[AuthorityKeyStatus],
        Meta(max_length=4, extra_json_schema={"x-kubernetes-list-type": "atomic"}),
    ] = []
