"""Whether each policy is in force, by how the stored configuration stands, and its status with that said."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from seconder.admission.policy_index import Installation
from seconder.api import moments, policy_documents
from seconder.api.conditions import IN_FORCE, NOT_IN_FORCE, READY
from seconder.api.policy import Mode
from seconder.api.resources import GroupResource
from seconder.operator.conditions import condition
from seconder.operator.configuration_keeper import Kept, covers
from seconder.operator.policy_status import Judged

HEARTBEAT: Final = timedelta(seconds=25)
"""How old ``observedAt`` may become before it is written anew, so that it stays well under a minute."""

AS_COMPILED: Final = "the API server asks about all that the policy names"

_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a policy is in force; if not, why, and who else is the cause, where that is known."""

    name: str
    in_force: bool
    reason: str = "AsCompiled"
    message: str = AS_COMPILED
    writer: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """How the guard stands after a pass. ``left_out``: by policy, why the API server takes nothing for it.

    ``led``: an operator leads. ``unasked``: kinds that the API server takes in no rule, by which agents may reach what
    policies name.
    """

    kept: Kept = field(default_factory=Kept)
    left_out: Mapping[str, str] = field(default_factory=dict)
    led: bool = True
    unasked: Sequence[GroupResource] = ()


def verdict(judged: Judged, standing: Standing, place: Installation) -> Verdict:
    """Judge one policy."""
    kept, writer = standing.kept, standing.kept.writer
    if judged.name in standing.left_out:
        return Verdict(judged.name, False, "RefusedByAPIServer", standing.left_out[judged.name])
    covered = [str(kind) for kind in standing.unasked if any(kind in policy.resolved for policy in judged.policies)]
    if covered:
        text = f"the API server takes no rules for {', '.join(covered[:_NAMED])}, which the policy covers"
        return Verdict(judged.name, False, "RefusedByAPIServer", text)
    audit = judged.mode is Mode.AUDIT
    narrowed = [str(found) for found in kept.narrowed if found.audit is audit or found.entry == ""]
    if narrowed:
        text = f"{writer} changed the webhook configuration: {'; '.join(narrowed[:_NAMED])}"
        return Verdict(judged.name, False, "Overwritten", text, writer)
    excluded = [name for name in kept.excluded if _protects(judged, name, place)]
    if excluded:
        names = ", ".join(excluded[:_NAMED]) + (" and more" if len(excluded) > _NAMED else "")
        text = f"nobody asks about namespaces {names}, by what {writer} wrote: {kept.excluded[excluded[0]]}"
        return Verdict(judged.name, False, "NamespacesLeftOut", text, writer)
    if kept.unguarded:
        keys = ", ".join(sorted({exclusion.key for exclusion in kept.unguarded})[:_NAMED])
        text = f"{writer} leaves out namespaces by labels that agents may still set: {keys}"
        return Verdict(judged.name, False, "LabelsUnguarded", text, writer)
    if kept.disputed:
        text = f"{writer} keeps changing the webhook configuration; it is put back each time"
        return Verdict(judged.name, False, "Overwritten", text, writer)
    text = AS_COMPILED
    if standing.unasked:
        # Named in full: which rights agents must not have follows from it.
        kinds = ", ".join(map(str, standing.unasked))
        text += f", but for what agents do by kinds that it takes no rules for: {kinds}"
    if not standing.led:
        # The same words from each that stands in, or they would write them over each other's.
        return Verdict(judged.name, True, "NobodyLeads", f"{text}; no operator leads, which looks after the rest")
    return Verdict(judged.name, True, "SomeKindsUnasked" if standing.unasked else "AsCompiled", text)


def _protects(judged: Judged, namespace: str, place: Installation) -> bool:
    if namespace == place.namespace and judged.mode is Mode.ENFORCE:
        return True
    return any(covers(policy, namespace, place) for policy in judged.policies)


def with_verdict(status: dict[str, Any], document: Mapping[str, Any], found: Verdict, now: datetime) -> dict[str, Any]:
    """A policy's status with the verdict on it. A policy that is not in force is not ready. ``document``: as stored."""
    generation = document["metadata"].get("generation", 0)
    before = policy_documents.status_of(document).conditions

    def made(kind: str, reason: str) -> dict[str, Any]:
        made = condition(
            kind, ok=found.in_force, reason=reason, text=found.message, generation=generation, before=before
        )
        return dict(msgspec.to_builtins(made))

    conditions = [other for other in status.get("conditions") or () if other["type"] != IN_FORCE]
    if not found.in_force:
        conditions = [
            made(READY, NOT_IN_FORCE) if other["type"] == READY and other["status"] == "True" else other
            for other in conditions
        ]
        if not any(other["type"] == READY for other in conditions):
            conditions.append(made(READY, NOT_IN_FORCE))
    return status | {"conditions": [*conditions, made(IN_FORCE, found.reason)], "observedAt": _written(now)}


def due(document: Mapping[str, Any], status: Mapping[str, Any], now: datetime) -> bool:
    """Whether a status is to be written: it differs in more than its time, or that is old."""
    stored: Mapping[str, Any] = document.get("status") or {}
    if _timeless(stored) != _timeless(status):
        return True
    seen = moments.read(str(stored.get("observedAt", "")))
    return "observedAt" in status if seen is None else now - seen >= HEARTBEAT


def _timeless(status: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in status.items() if key != "observedAt"}


def _written(now: datetime) -> str:
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")
