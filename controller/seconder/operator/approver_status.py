"""Lints each Approver's keys, alone and against all the others, and says on its status which ones count."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from seconder.api.approver import ApproverStatus, KeyStatus
from seconder.api.conditions import ConditionDoc
from seconder.api.text import clean
from seconder.approvals import approver_documents
from seconder.approvals.registry import Approver, KeyEntry, Registry, shared_names
from seconder.operator.conditions import condition


@dataclass(frozen=True, slots=True)
class Judged:
    """An approver's new status. ``counting``: format and best assurance of each key that counts."""

    status: dict[str, Any]
    counting: list[tuple[str, str]]


def judge(documents: Sequence[dict[str, Any]]) -> list[Judged]:
    """The statuses of all Approvers, judged together, in their order."""
    parsed: list[Approver | str] = []
    for document in documents:
        try:
            parsed.append(approver_documents.parse_approver(document))
        except msgspec.ValidationError as error:
            parsed.append(clean(str(error)))
    registry = Registry(approver for approver in parsed if isinstance(approver, Approver))
    shared = shared_names(registry.approvers)
    return [
        _judge(document, approver, registry, shared.get(document["metadata"]["name"]))
        for document, approver in zip(documents, parsed, strict=True)
    ]


def _judge(
    document: dict[str, Any], parsed: Approver | str, registry: Registry, shared: tuple[str, str] | None
) -> Judged:
    generation: int = document["metadata"].get("generation", 0)
    before = _conditions(document)
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
    if shared is not None:
        # They stay approvers: of a request under such a name neither is a peer.
        name, other = shared[0].replace("\0", "="), shared[1]
        text = f"{name} may stand for approver {other} too: neither approves what is requested or operated under it"
        conditions.append(("SharedUserName", True, "StandsForAnotherApprover", text))
    status.conditions = [
        condition(kind, ok=ok, reason=why, text=said, generation=generation, before=before)
        for kind, ok, why, said in conditions
    ]
    return Judged(msgspec.to_builtins(status), counting)


def _best(key: KeyEntry) -> str:
    return key.public.best_assurance.value if key.public is not None else ""


def _conditions(document: dict[str, Any]) -> Sequence[ConditionDoc]:
    try:
        return msgspec.convert(document.get("status") or {}, ApproverStatus).conditions
    except msgspec.ValidationError:
        return []
