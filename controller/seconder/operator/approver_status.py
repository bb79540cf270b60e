"""Lints each Approver's keys and each ApproverAuthority's, alone and against all the others.

Their statuses say which ones count.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

import msgspec

from seconder.api.approver import ApproverStatus, KeyStatus
from seconder.api.approver_authority import ApproverAuthorityStatus, AuthorityKeyStatus
from seconder.api.conditions import ConditionDoc
from seconder.api.text import clean
from seconder.api.type_reader import TypeReader
from seconder.approvals import approver_documents
from seconder.approvals.certificates import authority_documents, overlaps
from seconder.approvals.certificates.authority import Authority
from seconder.approvals.certificates.overlaps import APPROVER, AUTHORITY, Party
from seconder.approvals.registry import Approver, KeyEntry, Registry, shared_names
from seconder.approvals.user_names import may_be_an_account
from seconder.operator.conditions import condition

_T = TypeVar("_T")
_SHARED: Final = "SharedUserName"


@dataclass(frozen=True, slots=True)
class Judged:
    """An approver's new status. ``counting``: format and best assurance of each key that counts."""

    status: dict[str, Any]
    counting: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Verdicts:
    """On all of both kinds, in the order of their documents. ``authorities``: statuses."""

    approvers: list[Judged]
    authorities: list[dict[str, Any]]


_Document = dict[str, Any]


_approver: Final = TypeReader(ApproverStatus)
_authority: Final = TypeReader(ApproverAuthorityStatus)


def judge(documents: Sequence[_Document], of_authorities: Sequence[_Document] = ()) -> Verdicts:
    """The verdicts on all Approvers and ApproverAuthorities, judged together."""
    parsed = [_parsed(approver_documents.parse_approver, document) for document in documents]
    authorities = [_parsed(authority_documents.parse_authority, document) for document in of_authorities]
    registry = Registry(
        [approver for approver in parsed if isinstance(approver, Approver)],
        [authority for authority in authorities if isinstance(authority, Authority)],
    )
    shared = {Party(APPROVER, name): told for name, told in shared_names(registry.approvers).items()}
    for party, what, other in overlaps.user_names(registry.authorities, registry.approvers):
        shared.setdefault(party, (what, f"of {other.kind} {other.name}"))
    duplicates = overlaps.principals(registry.authorities)
    return Verdicts(
        [
            _judge(document, approver, registry, shared.get(Party(APPROVER, document["metadata"]["name"])))
            for document, approver in zip(documents, parsed, strict=True)
        ],
        [
            _judge_authority(
                document,
                authority,
                registry,
                duplicates.get(document["metadata"]["name"]),
                shared.get(Party(AUTHORITY, document["metadata"]["name"])),
            )
            for document, authority in zip(of_authorities, authorities, strict=True)
        ],
    )


def _parsed(parse: Callable[[_Document], _T], document: _Document) -> _T | str:
    """What a document says, or why it says nothing."""
    try:
        return parse(document)
    except msgspec.ValidationError as error:
        return clean(str(error))


def _judge(document: _Document, parsed: Approver | str, registry: Registry, shared: tuple[str, str] | None) -> Judged:
    generation: int = document["metadata"].get("generation", 0)
    before = _conditions(document, _approver)
    status = ApproverStatus(observed_generation=generation)
    counting: list[tuple[str, str]] = []
    duplicates: list[str] = []
    if isinstance(parsed, Approver):
        for key in parsed.keys:
            problem = registry.problems[parsed.name, key.name]
            best = _best(key)
            status.keys.append(
                KeyStatus(name=key.name, fingerprint=key.fingerprint, assurance=best, problem=clean(problem))
            )
            if not problem:
                counting.append((key.format, best))
            elif problem.startswith("Duplicate"):
                duplicates.append(problem)
        bad = [key.name for key in status.keys if key.problem]
        text = f"{len(counting)} of {len(status.keys)} keys count" + (f"; see {', '.join(bad)}" if bad else "")
        reason = "KeysCount" if counting else "NoUsableKey"
    else:
        reason, text = "SpecInvalid", parsed
    conditions = [("Ready", bool(counting), reason, text)]
    if duplicates:
        conditions.append(("Duplicate", True, "SharedWithAnotherApprover", duplicates[0]))
    wide = next(filter(may_be_an_account, sorted(parsed.kubernetes_users)), "") if isinstance(parsed, Approver) else ""
    if wide:
        text = f"{wide} may stand for agents' ServiceAccounts too: this approver approves nothing that these ask for"
        conditions.append((_SHARED, True, "StandsForServiceAccounts", text))
    elif shared is not None:
        conditions.append(_shared(shared))
    status.conditions = [
        condition(kind, ok=ok, reason=why, text=said, generation=generation, before=before)
        for kind, ok, why, said in conditions
    ]
    return Judged(msgspec.to_builtins(status), counting)


def _judge_authority(
    document: _Document,
    parsed: Authority | str,
    registry: Registry,
    duplicate: tuple[str, str] | None,
    shared: tuple[str, str] | None,
) -> dict[str, Any]:
    generation: int = document["metadata"].get("generation", 0)
    before = _conditions(document, _authority)
    status = ApproverAuthorityStatus(observed_generation=generation)
    if isinstance(parsed, Authority):
        for key in parsed.keys:
            kind = key.public.type.value if key.public is not None else ""
            problem = clean(key.problem or registry.authority_problem(key.blob))
            status.authorities.append(AuthorityKeyStatus(fingerprint=key.fingerprint, type=kind, problem=problem))
    count = sum(not key.problem for key in status.authorities)
    reason = "KeysCount" if count else "NoUsableKey"
    text = f"{count} of {len(status.authorities)} keys count"
    problems = [key.problem for key in status.authorities if key.problem]
    if problems:
        text = f"{text}: {problems[0]}"
    if isinstance(parsed, str):
        reason, text = "SpecInvalid", parsed
    conditions = [("Ready", bool(count), reason, text)]
    if duplicate is not None:
        principal, other = duplicate
        told = (
            f"ApproverAuthority {other} may speak for {principal} too: for whom both may, neither's certificates count"
        )
        conditions.append(("Duplicate", True, "SharedWithAnotherAuthority", told))
    elif any(problem.startswith("Duplicate") for problem in problems):
        conditions.append(("Duplicate", True, "SharedKey", next(p for p in problems if p.startswith("Duplicate"))))
    if shared is not None:
        conditions.append(_shared(shared))
    status.conditions = [
        condition(kind, ok=ok, reason=why, text=said, generation=generation, before=before)
        for kind, ok, why, said in conditions
    ]
    return cast("dict[str, Any]", msgspec.to_builtins(status))


def _shared(shared: tuple[str, str]) -> tuple[str, bool, str, str]:
    """The condition that a user name may stand for two people. Both stay approvers, and neither is a peer then."""
    name, other = shared[0].replace("\0", "="), shared[1]
    text = f"{name} may stand for approver {other} too: neither approves what is requested or operated under it"
    return _SHARED, True, "StandsForAnotherApprover", text


def _best(key: KeyEntry) -> str:
    return key.public.best_assurance.value if key.public is not None else ""


def _conditions(
    document: _Document, reader: TypeReader[ApproverStatus] | TypeReader[ApproverAuthorityStatus]
) -> Sequence[ConditionDoc]:
    try:
        return reader.convert(document.get("status") or {}).conditions
    except msgspec.ValidationError:
        return []
