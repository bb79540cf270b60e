"""``explain --prune``: what a merge would delete and which of it is approved, as a check for a pull request."""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, Final

from seconder.admission.request import Caller
from seconder.api import constants, in_force
from seconder.api.in_force import Standing
from seconder.api.text import clean
from seconder.plugin.approving import summary
from seconder.plugin.gitops import inventory, pruning, rendering
from seconder.plugin.gitops.inventory import Inventory, Kinds
from seconder.plugin.gitops.pruning import Cluster, Deletion, Outcome, Plan
from seconder.plugin.gitops.rendering import Rendered
from seconder.plugin.terminal import callers, cluster_state, output, resource_types, times
from seconder.plugin.terminal.connection import Connection
from seconder.plugin.terminal.problem import Problem

NOT_APPROVED: Final = 3
"""The exit code where something is neither approved nor free, or not known."""

_HEADER: Final = ("OBJECT", "DELETION", "WHY")
_WITH_UNTIL: Final = "%s, until %s"
_ORDER: Final = (Outcome.UNKNOWN, Outcome.REFUSED, Outcome.APPROVED, Outcome.FREE)


def run(arguments: argparse.Namespace, connected: Connection) -> int:
    """Print what a merge would delete; the exit code is 0 only where all of it is approved or free."""
    found, standings = read(arguments, connected)
    if arguments.output:
        print(output.dump(document(found, standings), arguments.output))
    else:
        output.show(lines(found, standings))
    return 0 if found.passes else NOT_APPROVED


def read(arguments: argparse.Namespace, connected: Connection) -> tuple[Plan, list[Standing]]:
    """Read, render, compare and judge. Raises Problem and ApiError."""
    if bool(arguments.kustomize) == bool(arguments.filename):
        raise Problem(
            "--prune needs what Git would have after the merge: -k DIR, or -f FILE with what would be applied"
        )
    api = connected.api
    caller: Caller | None = None
    if arguments.requester or arguments.selector:
        caller = pruning.caller_of(arguments.requester) if arguments.requester else callers.who_am_i(connected.api)
    with cluster_state.readable():
        kinds = resource_types.by_kind(api)
        managed = _managed(arguments, connected, kinds, caller)
        rendered = _rendered(arguments, managed)
        state = cluster_state.read(api, Caller(managed.requester), arguments.cluster_id)
        now = cluster_state.clock(api)
        if note := _another_path(arguments.kustomize, managed):
            managed = replace(managed, notes=(*managed.notes, note))
        found = pruning.plan(Cluster(api, kinds, state, now), managed, rendered, caller)
        policies, _ = api.items(f"{constants.API_PATH}/protectionpolicies")
    return found, [in_force.standing(policy, now) for policy in policies]


def _managed(arguments: argparse.Namespace, connected: Connection, kinds: Kinds, caller: Caller | None) -> Inventory:
    api, requester = connected.api, arguments.requester
    if arguments.kustomization:
        return inventory.of_kustomization(api, kinds, arguments.kustomization, requester)
    if arguments.application:
        return inventory.of_application(api, kinds, arguments.application, requester)
    if arguments.selector and caller is not None:
        managed = inventory.of_selector(api, kinds, arguments.selector, caller.username)
        return replace(managed, default_namespace=connected.namespace)
    raise Problem("--prune needs what is managed today: --kustomization, --application or --selector")


def _rendered(arguments: argparse.Namespace, managed: Inventory) -> Rendered:
    if arguments.filename:
        return rendering.of_file(arguments.filename)
    if managed.other_rendering:
        raise Problem(
            f"{managed.other_rendering}: a directory alone does not tell what is applied, so what a merge would delete "
            "is not known; give what would be applied as -f - (flux build kustomization, argocd app manifests)"
        )
    return rendering.of_directory(arguments.kustomize, managed.namespace)


def _another_path(directory: str | None, managed: Inventory) -> str:
    """A note where the directory is hardly the one that is applied; empty where it may be."""
    applied = [part for part in PurePosixPath(managed.path).parts if part not in {".", "/"}]
    if not directory or not applied or list(Path(directory).resolve().parts[-len(applied) :]) == applied:
        return ""
    return f"{managed.owner} applies {managed.path}, and -k names {directory}"


def lines(plan: Plan, standings: list[Standing]) -> Iterator[str]:
    """The lines for people; everything that came from the cluster is cleaned."""
    for found in standings:
        if not found.in_force:
            yield clean(f"NOT IN FORCE: policy {found.name}: {found.message} ({found.reason})")
    yield clean(_headline(plan))
    if plan.deletions:
        yield clean(f"requester: {', '.join(sorted({deletion.requester for deletion in plan.deletions}))}")
        yield ""
        # What somebody has to do something about comes first.
        ordered = sorted(plan.deletions, key=lambda deletion: _ORDER.index(deletion.outcome))
        yield from output.table([_HEADER, *(_row(plan, deletion) for deletion in ordered)])
    if plan.stays:
        yield ""
        yield "Not in Git any more, and not deleted:"
        yield from (f"  {clean(f'{identity.typed}: {why}')}" for identity, why in plan.stays)
    if plan.notes:
        yield ""
        yield from (clean(f"note: {note}") for note in plan.notes)
    if any(deletion.outcome is Outcome.REFUSED for deletion in plan.deletions):
        yield ""
        yield "Approve before the merge: kubectl seconder approve --prune, with the same flags"


def document(plan: Plan, standings: list[Standing]) -> dict[str, Any]:
    """The document for programs."""
    return {
        "managedBy": plan.inventory.owner,
        "passes": plan.passes,
        "deletions": [
            {
                "group": deletion.identity.group,
                "kind": deletion.identity.kind,
                "namespace": deletion.identity.namespace,
                "name": deletion.identity.name,
                "uid": deletion.place.target.uid if deletion.place else "",
                "requester": deletion.requester,
                "managedBy": deletion.owner,
                "outcome": _WORDS[deletion.outcome],
                "reason": deletion.reason,
                "message": deletion.message,
                "approvedUntil": "" if deletion.until is None else times.rfc3339(deletion.until),
            }
            for deletion in plan.deletions
        ],
        "stays": [{"object": identity.typed, "message": why} for identity, why in plan.stays],
        "inForce": [
            {"policy": found.name, "inForce": found.in_force, "reason": found.reason, "message": found.message}
            for found in standings
        ],
        "notes": list(plan.notes),
    }


_WORDS: Final = {
    Outcome.FREE: "Free",
    Outcome.APPROVED: "Approved",
    Outcome.REFUSED: "NeedsApproval",
    Outcome.UNKNOWN: "Unknown",
}


def _headline(plan: Plan) -> str:
    deletions = plan.deletions
    if not deletions:
        return f"{plan.inventory.owner}: a merge would delete nothing"
    counts = {outcome: sum(deletion.outcome is outcome for deletion in deletions) for outcome in Outcome}
    told = ", ".join(f"{counts[outcome]} {_counted(outcome, counts[outcome])}" for outcome in _ORDER if counts[outcome])
    objects = "1 object" if len(deletions) == 1 else f"{len(deletions)} objects"
    return f"{plan.inventory.owner}: a merge would delete {objects}: {told}"


def _counted(outcome: Outcome, count: int) -> str:
    return "need approval" if outcome is Outcome.REFUSED and count > 1 else outcome.value


def _row(plan: Plan, deletion: Deletion) -> tuple[str, ...]:
    # The object is told already.
    why = deletion.message.rpartition(" needs approval ")[2]
    if deletion.until is not None:
        why = _WITH_UNTIL % (why, summary.until(deletion.until))
    if deletion.owner != plan.inventory.owner:
        why = f"{why}; goes with {deletion.owner}"
    return deletion.identity.typed, deletion.outcome.value, clean(why)
