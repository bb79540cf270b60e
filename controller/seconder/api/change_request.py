"""ChangeRequest: its types, from which the CRD is generated."""

import enum
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from seconder.api import constants, moments
from seconder.api.policy import Assurance
from seconder.api.resources import Action, GroupResource, Target
from seconder.api.schema import cel_rules, list_map
from seconder.api.text import clean, named
from seconder.api.type_reader import TypeReader

PATH: Final = f"{constants.API_PATH}/changerequests"
"""Where the API server serves them."""

PENDING_FOR: Final = timedelta(hours=24)
MOST_PRINCIPALS: Final = 16
"""Of a requester, that are recorded. What lets through is never asked of the record."""

KEPT_FOR: Final = timedelta(hours=1)
"""How long an ended one stays to be read."""


class Phase(enum.StrEnum):
    """Where a change request stands. The first three are open; the others are ends, until it is refused again."""

    PENDING = "Pending"
    APPROVED = "Approved"
    DENIED = "Denied"
    USED = "Used"
    EXPIRED = "Expired"
    WITHDRAWN = "Withdrawn"

    @property
    def open(self) -> bool:
        """Whether it can still be approved and used. A denial decides nothing, and can be taken back."""
        return self in {Phase.PENDING, Phase.APPROVED, Phase.DENIED}

    @property
    def waits(self) -> bool:
        """Whether somebody is asked for something: a peer, or the requester to use what is approved."""
        return self.open and self is not Phase.DENIED


class _Document(Struct, rename="camel"):
    """Names as in Kubernetes. Unknown fields are passed over: only the API server's schema need be strict here."""


LONGEST_REASON: Final = 400
"""Characters of a requester's own words."""

Text = Annotated[str, Meta(max_length=512)]


class ObjectDoc(_Document, kw_only=True):
    """The object that the change is about."""

    group: Annotated[str, Meta(max_length=253)] = ""
    version: Annotated[str, Meta(max_length=63)]
    resource: Annotated[str, Meta(max_length=63)]
    kind: Annotated[str, Meta(max_length=63)]
    namespace: Annotated[str, Meta(max_length=63)] | UnsetType = UNSET
    name: Annotated[str, Meta(max_length=253)]
    uid: Annotated[str, Meta(max_length=128)]


class ByDoc(_Document, kw_only=True):
    """A request for something else, which counts as the action on the object. It is as the requester wrote it."""

    operation: Annotated[str, Meta(max_length=16, description="CREATE, UPDATE or DELETE.")]
    group: Annotated[str, Meta(max_length=253)] = ""
    resource: Annotated[str, Meta(max_length=63)]
    subresource: Annotated[str, Meta(max_length=63)] | UnsetType = UNSET
    namespace: Annotated[str, Meta(max_length=63)] | UnsetType = UNSET
    name: Annotated[str, Meta(max_length=253)] = ""
    reason: Annotated[str, Meta(max_length=512, description="Why it counts as the action.")] = ""

    @property
    def asked(self) -> str:
        """The request alone, in one line for people."""
        kind = GroupResource(self.group, f"{self.resource}/{self.subresource}" if self.subresource else self.resource)
        path = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{clean(self.operation)} of {named(str(kind))} {named(path)}"

    @property
    def told(self) -> str:
        """In one line for people, in which what the requester chose is told apart from what is ours."""
        return f"{self.asked}: {clean(self.reason)}" if self.reason else self.asked


class ImpactDoc(_Document, kw_only=True):
    """What goes down with a namespace, as it stood at the first refusal."""

    counts: Annotated[dict[str, int], Meta(extra_json_schema={"maxProperties": 64})]
    sha256: Annotated[str, Meta(max_length=64)]


Digest = Annotated[str, Meta(max_length=64)]


class ChangeDoc(_Document, kw_only=True):
    """What an update was to change, beside what is free. Data of Secrets stands here as digests."""

    before: Annotated[Digest, Meta(description="SHA-256 of the object as it was stored.")] = msgspec.field(name="from")
    after: Annotated[Digest, Meta(description="SHA-256 of the object as it was wanted.")] = msgspec.field(name="to")
    paths: Annotated[list[Annotated[str, Meta(max_length=253)]], Meta(max_length=64)] = []
    patch: Annotated[
        str, Meta(max_length=65536, description="JSON Merge Patch (RFC 7386) from the one to the other.")
    ] = ""
    truncated: Annotated[bool, Meta(description="It is too large or too deep: paths and patch are not all of it.")] = (
        False
    )
    next_apply: (
        Annotated[
            str,
            Meta(max_length=65536, description="What somebody's next apply takes away by it: JSON, by who takes it."),
        ]
        | UnsetType
    ) = UNSET


class RequirementDoc(_Document, kw_only=True):
    """What one policy requires."""

    name: Annotated[str, Meta(max_length=253)]
    required: int
    teams: Annotated[list[Annotated[str, Meta(max_length=63)]], Meta(max_length=32)] = []
    assurance: Assurance
    max_ttl_seconds: int = msgspec.field(name="maxTTLSeconds")
    bind_impact: bool


class ChangeRequestSpec(_Document, kw_only=True):
    """What was refused, to whom, and what it takes. Never changed."""

    requester: Annotated[str, Meta(max_length=512, description="User name of the refused request.")]
    by_agent: Annotated[bool, Meta(description="The requester is an agent.")] = False
    agent: Annotated[str, Meta(max_length=512, description="The agent's name, if its credential gives one.")] = ""
    operator: Annotated[Text, Meta(description="Who set the agent going, if recorded. They cannot approve.")] = ""
    other_operators: Annotated[
        list[Text], Meta(max_length=8, description="Whoever else is recorded as that. None of them can approve.")
    ] = []
    requester_principals: (
        Annotated[
            list[Text],
            Meta(
                max_length=MOST_PRINCIPALS,
                description="Approvers who are the requester by more than its user name. None of them can approve.",
            ),
        ]
        | UnsetType
    ) = UNSET

    @property
    def asked_by(self) -> str:
        """By what it was asked, in one line for people; empty where by the action on the object itself."""
        return self.by.told if isinstance(self.by, ByDoc) else ""

    @property
    def principals(self) -> frozenset[str]:
        """The approvers who are the requester by more than its user name."""
        return frozenset(self.requester_principals or ())

    reason: Annotated[str, Meta(max_length=LONGEST_REASON, description="The requester's own words, unproven.")] = ""
    object: ObjectDoc
    action: Action
    by: (
        Annotated[ByDoc, Meta(description="By what it was asked, where not by the action on the object itself.")]
        | UnsetType
    ) = UNSET
    change: Annotated[ChangeDoc, Meta(description="For the action Change.")] | UnsetType = UNSET
    impact: ImpactDoc | UnsetType = UNSET
    policies: Annotated[list[RequirementDoc], Meta(max_length=256, description="All of these must be satisfied.")] = []


SPEC_RULES: Final = cel_rules(("self == oldSelf", "a change request is a record: its spec cannot be changed"))


class ApprovalDoc(_Document, kw_only=True):
    """One approval on the object. ``reason`` is why it does not count, empty where it does."""

    name: Annotated[str, Meta(max_length=63)]
    approver: Text = ""
    fingerprint: Annotated[str, Meta(max_length=128)] = ""
    assurance: Annotated[str, Meta(max_length=16)] = ""
    certificate: Annotated[str, Meta(max_length=512, description="The SSH certificate that it was signed with.")] = ""
    expires_at: Annotated[str, Meta(max_length=32)] = ""
    reason: Annotated[str, Meta(max_length=64)] = ""
    message: Annotated[str, Meta(max_length=512)] = ""


class CopyDoc(_Document, kw_only=True):
    """An approval that has stood both here and on the object: whoever takes it off either withdraws it from both."""

    statement: Annotated[Digest, Meta(description="SHA-256 of the statement that was signed.")]
    approver: Text = ""
    expires_at: Annotated[str, Meta(max_length=32)] = ""
    version: Annotated[
        str,
        Meta(
            max_length=128,
            description="resourceVersion at which the object is to get it; empty once it has stood there.",
        ),
    ] = ""
    withdrawn: Annotated[bool, Meta(description="It was taken off the object, and does not come back.")] = False


MOST_COPIED: Final = 64
"""Approvals that are copied from one change request in the hours in which they hold."""


class DenialDoc(_Document, kw_only=True):
    """One approver's no. It decides nothing."""

    name: Annotated[str, Meta(max_length=253, description="The Approver's.")]
    reason: Annotated[str, Meta(max_length=512)] = ""


class UseDoc(_Document, kw_only=True):
    """That it was let through once: when, as what, by whose approvals; and how that ended, once another followed."""

    allowed_at: Annotated[str, Meta(max_length=32)]
    let_through: Annotated[str, Meta(max_length=384, description="As of the status.")] = ""
    approvals: Annotated[list[ApprovalDoc], Meta(max_length=16, extra_json_schema=list_map("name"))] = []
    phase: Annotated[str, Meta(max_length=16, description="That it ended in.")] = ""
    ended_at: Annotated[str, Meta(max_length=32)] = ""
    message: Annotated[str, Meta(max_length=512, description="Why it ended.")] = ""

    @property
    def peers(self) -> list[str]:
        """Who approved it."""
        return sorted({approval.approver for approval in self.approvals if approval.approver})

    @property
    def told(self) -> str:
        """When it was, by whom it was approved, as what it was let through, and how it ended, in one line."""
        by = f", approved by {', '.join(self.peers)}" if self.peers else ""
        way = f", as {clean(self.let_through)}" if self.let_through else ""
        return clean(f"{self.allowed_at}{by}{way}{f'; {self.phase} at {self.ended_at}' if self.ended_at else ''}")


MOST_USES: Final = 16
"""Times that it was let through of which each is kept. Each takes approvals of its own."""


class ChangeRequestStatus(_Document, kw_only=True):
    """Where it stands. Times are RFC 3339."""

    phase: Phase = Phase.PENDING
    object: Annotated[str, Meta(max_length=512, description="The object in one word or two.")] = ""
    impact: Annotated[str, Meta(max_length=1024, description="What goes down with it.")] = ""
    progress: Annotated[str, Meta(max_length=16, description="Peers who approved, of those required.")] = ""
    approvals: Annotated[list[ApprovalDoc], Meta(max_length=16, extra_json_schema=list_map("name"))] = []
    denials: Annotated[
        list[DenialDoc],
        Meta(max_length=16, description="Approvers who said no.", extra_json_schema=list_map("name")),
    ] = []
    attempts: Annotated[int, Meta(description="How often it was refused.")] = 0
    last_reason: Annotated[str, Meta(max_length=64, description="Reason code of the last refusal.")] = ""
    first_refused_at: str = ""
    last_refused_at: str = ""
    expires_at: Annotated[str, Meta(description="Until then it waits.")] = ""
    approved_at: Annotated[str, Meta(description="Since when it is approved; empty while it is not.")] = ""
    allowed_at: Annotated[str, Meta(description="When the webhook last let it through.")] = ""
    let_through: Annotated[
        str,
        Meta(max_length=384, description="What it let through then, where it was asked for by another request."),
    ] = ""
    uses: Annotated[
        list[UseDoc],
        Meta(max_length=MOST_USES, description="Each time that other approvals let it through, as far as kept."),
    ] = []
    seen: Annotated[
        str,
        Meta(max_length=64, description="SHA-256 of the finalizers or owners at the last refusal: a use changes them."),
    ] = ""
    ended_at: str = ""
    message: Annotated[str, Meta(max_length=512, description="Why it ended.")] = ""
    accepts_approvals: Annotated[bool, Meta(description="Approvals annotated here are copied to the object.")] = False
    copied: Annotated[
        list[CopyDoc],
        Meta(
            max_length=MOST_COPIED,
            description="Approvals that were copied from here, each once.",
            extra_json_schema=list_map("statement"),
        ),
    ] = []
    statement: Annotated[
        str,
        Meta(max_length=8192, description="What to sign, lacking iss, iat, exp, jti and reason."),
    ] = ""

    @property
    def history(self) -> list[UseDoc]:
        """Each time that it was let through, the last one last."""
        if not self.allowed_at or any(use.allowed_at == self.allowed_at for use in self.uses):
            return self.uses
        standing = [approval for approval in self.approvals if not approval.reason]
        return [*self.uses, UseDoc(allowed_at=self.allowed_at, let_through=self.let_through, approvals=standing)]

    @property
    def former_uses(self) -> list[UseDoc]:
        """The times that it was let through before the one that the other fields tell of, if they do of any."""
        return [use for use in self.uses if use.allowed_at != self.allowed_at]

    @property
    def counted(self) -> list[ApprovalDoc]:
        """The approvals that count, and those that did when it was let through, each once."""
        standing = [approval for approval in self.approvals if not approval.reason]
        found = [*(approval for use in self.uses for approval in use.approvals), *standing]
        return list({(each.name, each.fingerprint, each.expires_at): each for each in found}.values())

    @property
    def answered(self) -> bool:
        """Whether it was let through, and not refused again since: nobody waits for a peer."""
        return bool(self.allowed_at) and self.allowed_at >= self.last_refused_at


class ChangeRequest(_Document, kw_only=True):
    """A whole document. ``metadata`` is as the API server gave it."""

    api_version: str = f"{constants.DOMAIN}/{constants.API_VERSION}"
    kind: str = "ChangeRequest"
    metadata: dict[str, Any]
    spec: ChangeRequestSpec
    status: ChangeRequestStatus = msgspec.field(default_factory=ChangeRequestStatus)

    @property
    def name(self) -> str:
        """The change request's name."""
        return str(self.metadata["name"])

    @property
    def uid(self) -> str:
        """The change request's uid: the ``txn`` of approvals for it."""
        return str(self.metadata["uid"])

    @property
    def reason(self) -> str:
        """The requester's own words, unproven: those stated here since, else those of the refused request."""
        annotations = self.metadata.get("annotations")
        stated = annotations.get(constants.REASON_KEY, "") if isinstance(annotations, dict) else ""
        return str(stated)[:LONGEST_REASON] or self.spec.reason

    @property
    def target(self) -> Target:
        """The object as the target of a request."""
        given = self.spec.object
        namespace = given.namespace if isinstance(given.namespace, str) else ""
        return Target(GroupResource(given.group, given.resource), given.kind, namespace, given.name, given.uid)


UNSEEN: Final = "not seen on the object since"
"""Of what was let through: it came to nothing, or was taken back before anybody looked."""


def let_through(status: ChangeRequestStatus) -> str:
    """When it was let through last, as what, and of an open one that its use was not seen; empty where it never was."""
    told = f"{status.allowed_at}, as {clean(status.let_through)}" if status.let_through else status.allowed_at
    return f"{told}, and {UNSEEN}" if status.allowed_at and status.phase.open else told


def denial_of(status: ChangeRequestStatus) -> str:
    """Who said no, and why; empty where the last word is not a no."""
    if status.phase is not Phase.DENIED:
        return ""
    return "; ".join(f"{denial.name}: {denial.reason}" if denial.reason else denial.name for denial in status.denials)


_reader: Final = TypeReader(ChangeRequest)


def parse(document: Mapping[str, Any]) -> ChangeRequest:
    """Read a ChangeRequest. Raises msgspec.ValidationError."""
    return _reader.convert(document)


def readable(document: Mapping[str, Any]) -> ChangeRequest | None:
    """Read a ChangeRequest; None for one that is damaged, where the others count without it."""
    try:
        return parse(document)
    except msgspec.ValidationError:
        return None


def with_status(request: ChangeRequest, status: ChangeRequestStatus) -> dict[str, Any]:
    """The document to PUT on the status subresource; its resourceVersion makes a lost update a conflict."""
    document: dict[str, Any] = msgspec.to_builtins(msgspec.structs.replace(request, status=status))
    return document


def stamp(moment: datetime) -> str:
    """RFC 3339 in UTC, to the second, as Kubernetes writes times."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(text: str) -> datetime | None:
    """Read what ``stamp`` wrote; None for nothing and for what is no time."""
    return moments.read(text)
