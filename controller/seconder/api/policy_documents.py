"""ProtectionPolicy documents to policies in force. What is wrong with one is named, and never passed over."""

import contextlib
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from msgspec import UnsetType

from seconder.api import constants, protection_policy
from seconder.api.conditions import NOT_IN_FORCE, READY
from seconder.api.duration import decoded
from seconder.api.label_selector import selector_of
from seconder.api.policy import FREE_CHANGE, Policy, Subjects
from seconder.api.resources import Action, GroupResource, Presence, ResolvedResource
from seconder.api.text import clean
from seconder.api.type_reader import TypeReader

_spec: Final = TypeReader(protection_policy.PolicySpec, decoded)
_resources: Final = TypeReader(protection_policy.Resources)
_status: Final = TypeReader(protection_policy.PolicyStatus)


def parse_spec(document: Mapping[str, Any]) -> protection_policy.PolicySpec:
    """Parse a ProtectionPolicy's spec.

    Raises msgspec.ValidationError, which names the field, for whatever the CRD's schema refuses.
    """
    spec = _spec.convert(document)
    if not 1 <= spec.approvals.max_ttl <= constants.MAX_TTL_SECONDS:
        raise msgspec.ValidationError("approvals.maxTTL must be from 1s to 1h")
    agents = spec.agents
    on_delete = (agents.groups, agents.users, agents.service_account_namespaces, agents.extra_keys, agents.annotations)
    if not any(on_delete) and (Action.DELETE in spec.guarded or not agents.field_managers):
        raise msgspec.ValidationError("agents leaves no way to recognise an agent")
    free = spec.free_changes if isinstance(spec.free_changes, list) else []
    if not all(re.fullmatch(FREE_CHANGE, path) for path in free):
        raise msgspec.ValidationError("freeChanges must be paths of fields")
    if spec.subjects is Subjects.EVERYONE and any("*" in resource for resource in named_resources(spec)):
        raise msgspec.ValidationError("'*' cannot be used with subjects: Everyone")
    selector_of(spec.namespace_selector)
    return spec


def policy_of(
    name: str, spec: protection_policy.PolicySpec, status: protection_policy.PolicyStatus, generation: int
) -> Policy:
    """The policy of one valid spec. ``generation`` is the document's own, to see if the status is current."""
    resolved = resolved_of(status)
    named = named_resources(spec)
    current = status.observed_generation == generation or named <= resolved.keys()
    return Policy(
        name=name,
        mode=spec.mode,
        subjects=spec.subjects,
        exempt_users=spec.exempt.users,
        agents=spec.agents,
        resources=named,
        namespaces=spec.namespaces,
        selector=selector_of(spec.namespace_selector),
        actions=spec.guarded,
        free_changes=tuple(spec.free_changes) if isinstance(spec.free_changes, list) else None,
        requirement=spec.approvals,
        break_glass_groups=spec.break_glass.groups,
        # The status may know more: of the form before an edit, or of an invalid one.
        resolved={key: item for key, item in resolved.items() if key in named or _by_wildcard(named, key)},
        # An edit that names nothing new needs no new look at discovery.
        resolution_current=current,
        ended_by=ended_by(status),
    )


def named_resources(spec: protection_policy.PolicySpec) -> frozenset[GroupResource]:
    """What a spec names, wildcards as they stand."""
    return frozenset(GroupResource(named.group, plural) for named in spec.resources for plural in named.resources)


def _by_wildcard(named: frozenset[GroupResource], resource: GroupResource) -> bool:
    group, plural = resource
    return not named.isdisjoint({(group, "*"), ("*", plural), ("*", "*")})


def policies(document: Mapping[str, Any]) -> list[Policy]:
    """What one ProtectionPolicy amounts to: itself, or, when it is invalid, what it refuses meanwhile.

    Invalid is what cannot be parsed, and what the operator's status says of this very generation. An invalid policy
    refuses what it names to agents; where it bound everyone, its last valid form stays in force beside that.
    """
    metadata = document["metadata"]
    name, generation = metadata["name"], metadata.get("generation", 0)
    status = status_of(document)
    try:
        policy = policy_of(name, parse_spec(document.get("spec", {})), status, generation)
        problem = _problem(status, generation)
        if not problem:
            return [policy]
    except (msgspec.ValidationError, ValueError) as error:
        problem = clean(str(error))
    return [*last_valid(name, status, generation), coarse(name, document.get("spec"), status, generation, problem)]


def coarse(name: str, spec: object, status: protection_policy.PolicyStatus, generation: int, problem: str) -> Policy:
    """The refusal that stands for an invalid policy: to agents, for whatever names can still be read from it.

    Fields that do not parse fall back to their defaults, the defaults of the agents' tags included.
    """
    spec = spec if isinstance(spec, dict) else {}
    named: set[GroupResource] = set()
    listed = spec.get("resources")
    for entry in listed if isinstance(listed, list) else ():
        with contextlib.suppress(msgspec.ValidationError):
            read = _resources.convert(entry)
            named |= {GroupResource(read.group, plural) for plural in read.resources}
    readable: dict[str, Any] = {"resources": [{"group": "", "resources": ["namespaces"]}]}
    if "freeChanges" in spec:
        # Should they not be readable, nothing is free.
        readable["freeChanges"] = []
    # Where one of two does not parse, the other does not say where: it is then refused everywhere.
    parts = (("mode",), ("agents",), ("namespaces", "namespaceSelector"), ("actions",), ("freeChanges",))
    for fields in parts:
        with contextlib.suppress(msgspec.ValidationError):
            given = {field: spec[field] for field in fields if field in spec}
            parse_spec(readable | given)
            readable |= given
    policy = policy_of(name, parse_spec(readable), status, generation)
    resolved = resolved_of(status)
    return Policy(
        name=name,
        mode=policy.mode,
        subjects=Subjects.AGENTS,
        agents=policy.agents,
        resources=frozenset(named),
        namespaces=policy.namespaces,
        selector=policy.selector,
        actions=policy.actions,
        free_changes=policy.free_changes,
        # All of it: beside a misspelt name stands what was probably meant.
        resolved=resolved,
        resolution_current=status.observed_generation == generation or named <= resolved.keys(),
        ended_by=ended_by(status),
        problem=problem,
    )


def last_valid(name: str, status: protection_policy.PolicyStatus, generation: int) -> Iterable[Policy]:
    """The form in which a policy that bound everyone stays in force while its present one is invalid."""
    if not isinstance(status.last_valid, dict):
        return []
    with contextlib.suppress(msgspec.ValidationError, ValueError):
        spec = parse_spec(status.last_valid)
        if spec.subjects is Subjects.EVERYONE:
            return [policy_of(name, spec, status, generation)]
    return []


def resolved_of(status: protection_policy.PolicyStatus) -> dict[GroupResource, ResolvedResource]:
    """What a policy's names stand for by its status."""
    return {resolved.resource: resolved for resolved in map(_resolved, status.resources)}


def ended_by(status: protection_policy.PolicyStatus) -> tuple[ResolvedResource, ...]:
    """The kinds by whose end some of what a policy names ends, by its status."""
    return () if isinstance(status.ended_by, UnsetType) else tuple(map(_resolved, status.ended_by))


def _resolved(doc: protection_policy.ResolvedDoc) -> ResolvedResource:
    return ResolvedResource(
        GroupResource(doc.group, doc.resource),
        doc.version,
        doc.namespaced,
        doc.custom,
        doc.kind,
        Presence.SERVED if isinstance(doc.presence, UnsetType) else doc.presence,
    )


def status_of(document: Mapping[str, Any]) -> protection_policy.PolicyStatus:
    """Read a ProtectionPolicy's status; an empty one where it cannot be read."""
    try:
        return _status.convert(document.get("status") or {})
    except msgspec.ValidationError:
        # Only the operator writes it. What cannot be read is as if it were not there: nothing is resolved.
        return protection_policy.PolicyStatus()


def _problem(status: protection_policy.PolicyStatus, generation: int) -> str:
    for condition in status.conditions:
        refused = condition.type == READY and condition.status == "False" and condition.reason != NOT_IN_FORCE
        if refused and condition.observed_generation == generation:
            return clean(condition.message) or condition.reason
    return ""
