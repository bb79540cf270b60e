"""Judges each ProtectionPolicy on its own: that it parses, that its names are known, that the API server takes it."""

from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from seconder.admission.indirect import aliases, table
from seconder.admission.indirect.aliases import Alias
from seconder.admission.kinds import makers
from seconder.admission.policy_index import MOST_FOLLOWED, PolicyIndex
from seconder.api import policy_documents
from seconder.api.conditions import READY, Conditions
from seconder.api.policy import Mode, Policy
from seconder.api.protection_policy import PolicyStatus, ResolvedDoc
from seconder.api.resources import NAMESPACES, GroupResource, ResolvedResource
from seconder.api.text import clean
from seconder.client import discovery
from seconder.client.discovery import Catalogue
from seconder.operator.conditions import condition


@dataclass(frozen=True, slots=True)
class Judged:
    """A policy's new status, and what it amounts to under it. ``problem`` is empty for a valid one."""

    name: str
    mode: Mode
    problem: str
    status: dict[str, Any]
    policies: list[Policy]


def judge(
    document: dict[str, Any],
    served: Catalogue,
    trial: Callable[[list[Policy]], str],
    installed: tuple[Alias, ...] = aliases.BUILT_IN,
) -> Judged:
    """The new status of one ProtectionPolicy document, and its policies. ``installed``: see ``table.ending``.

    Raises ApiError when the API server could not be asked.
    """
    name, generation = document["metadata"]["name"], document["metadata"].get("generation", 0)
    before, in_force = policy_documents.status_of(document), ""
    status = PolicyStatus(observed_generation=generation, last_valid=before.last_valid)
    stood_for = policy_documents.resolved_of(before)
    try:
        spec = policy_documents.parse_spec(document.get("spec") or {})
    except (msgspec.ValidationError, ValueError) as error:
        reason, problem = "SpecInvalid", clean(str(error))
        named = policy_documents.coarse(name, document.get("spec"), status, generation, problem)
        status.resources = _docs(discovery.resolve(named.resources, named.limited, served, stood_for).resources)
    else:
        named_now = policy_documents.named_resources(spec)
        limited = policy_documents.policy_of(name, spec, status, generation).limited
        resolution = discovery.resolve(named_now, limited, served, stood_for)
        status.resources = _docs(resolution.resources)
        status.ended_by = _ended_by(status, served, installed)
        reason, problem = "ResourcesInvalid", "; ".join(resolution.problems)
        if not problem:
            reason = "RefusedByAPIServer"
            problem = trial([policy_documents.policy_of(name, spec, status, generation)])
        if not problem:
            status.last_valid = document["spec"]
            reason = "Protecting" if spec.mode is Mode.ENFORCE else "Auditing"
            in_force = _in_force(status, policy_documents.policy_of(name, spec, status, generation))
    if problem:
        # Where its last valid form stays in force, so does what that names.
        forms = policy_documents.last_valid(name, status, generation)
        known = {(doc.group, doc.resource) for doc in status.resources}
        kept = [resource for form in forms for resource in form.resources]
        also = _docs(discovery.resolve(kept, False, served, stood_for).resources)
        status.resources += [doc for doc in also if (doc.group, doc.resource) not in known]
        status.ended_by = _ended_by(status, served, installed)
    status.conditions = _conditions(reason, problem, in_force, generation, before.conditions)
    written: dict[str, Any] = msgspec.to_builtins(status)
    policies = policy_documents.policies(document | {"status": written})
    return Judged(name, policies[-1].mode, problem, written, policies)


def _in_force(status: PolicyStatus, policy: Policy) -> str:
    """What there is to say of a valid policy: that it is in force, and what of it nobody can see at present."""
    hidden = [str(each) for each, resolved in policy_documents.resolved_of(status).items() if not resolved.served]
    said = "in force"
    if hidden:
        said += f"; not served at present, and protected as before: {', '.join(hidden)}"
    stands_for = len(PolicyIndex([policy]).protected)
    if stands_for > MOST_FOLLOWED:
        said += (
            f"; it stands for {stands_for} resources, and owners are followed of {MOST_FOLLOWED}:"
            " where it holds, agents delete nothing, with or without approval"
        )
    return said


def _conditions(reason: str, problem: str, in_force: str, generation: int, before: Conditions) -> Conditions:
    if problem:
        compiled, text = "CoarseDenial", "until it is mended, what it names is refused to agents"
    else:
        compiled, text = "Compiled", "in the webhook configuration as written"
    return [
        condition(kind, ok=not problem, reason=why, text=said, generation=generation, before=before)
        for kind, why, said in ((READY, reason, problem or in_force), ("Compiled", compiled, text))
    ]


def _ended_by(status: PolicyStatus, served: Catalogue, installed: tuple[Alias, ...]) -> list[ResolvedDoc] | UnsetType:
    """The kinds with whose objects some of what a policy names ends, as far as they are served and can be watched."""
    found = ending(policy_documents.resolved_of(status), installed)
    return _docs([served[kind].resolved for kind in sorted(found) if kind in served and served[kind].kept]) or UNSET


def ending(resolved: Mapping[GroupResource, ResolvedResource], installed: tuple[Alias, ...]) -> Set[GroupResource]:
    """The kinds with whose objects some of these end, or what they are made of or in."""
    named = {*resolved, *(kind.resource for kind in makers(resolved))}
    if any(kind.namespaced for kind in resolved.values()):
        named.add(NAMESPACES)
    return table.ending(named, installed) - resolved.keys()


def _docs(resources: Iterable[ResolvedResource]) -> list[ResolvedDoc]:
    return [
        ResolvedDoc(
            group=resolved.resource.group,
            version=resolved.version,
            resource=resolved.resource.resource,
            namespaced=resolved.namespaced,
            custom=resolved.custom,
            kind=resolved.kind,
            presence=UNSET if resolved.served else resolved.presence,
        )
        for resolved in resources
    ]
