"""What an approver reads before signing: the object, whose wish it is, what goes down with it, and what it takes."""

import time
from collections.abc import Iterator, Sequence

from seconder.admission.decision import Verdict
from seconder.api import change_request, constants
from seconder.api.change_request import ChangeRequest
from seconder.api.policy import Policy, most_required
from seconder.api.text import clean, describe, named, quoted
from seconder.approvals import impact
from seconder.approvals.registry import certificate_of
from seconder.approvals.verification import approvals_of
from seconder.plugin.approving import cluster_reads
from seconder.plugin.approving.changes import Wanted
from seconder.plugin.approving.cluster_reads import Case
from seconder.plugin.terminal import output

_SHOWN_NAMES = 5


def progress(verdict: Verdict) -> tuple[int, int]:
    """How many peers have approved, and how many it takes."""
    required = most_required(verdict.covering)
    return required - (0 if verdict.allowed else verdict.missing), required


def lines(case: Case, now: float) -> list[str]:
    """The case in lines; everything that came from the cluster is cleaned, and told apart from what we say."""
    return [*output.fields(_facts(case, now))]


def approvals(case: Case, values: dict[str, str]) -> list[str]:
    """Lines that tell of each approval on the object why it counts or not."""
    verdict = case.verdict(values)
    why = {failure.slug: failure for failure in verdict.failures}
    described = []
    for approval in verdict.valid:
        claims = approval.statement
        if approval.slug in why:
            continue
        shown = certificate_of(approval.key) or approval.key.entry.fingerprint
        told = f"{named(claims.iss)} ({approval.assurance}, {shown}), expires {until(claims.exp)}"
        described.append(f"{clean(approval.slug)}: counts: {clean(told)}: {quoted(claims.reason)}")
    described += [
        f"{clean(slug)}: does not count: {clean(failure.detail)} ({failure.reason})"
        for slug, failure in sorted(why.items())
    ]
    return described


def policy(policy: Policy) -> str:
    """Lines that say what a policy requires."""
    need = policy.requirement
    parts = ["1 peer" if need.required == 1 else f"{need.required} peers"]
    if need.teams:
        parts.append(f"of {', '.join(sorted(need.teams))}")
    if need.assurance.value != "Software":
        parts.append(f"signing with {need.assurance} assurance")
    return clean(f"{policy.name}: {' '.join(parts)}, for at most {output.short(need.max_ttl)}")


def until(exp: float) -> str:
    """``14:32Z``, with the date when it is not today's."""
    moment = time.gmtime(exp)
    today = time.gmtime()[:3] == moment[:3]
    return time.strftime("%H:%MZ" if today else "%Y-%m-%d %H:%MZ", moment)


def request_line(request: ChangeRequest) -> str:
    """A change request's name, its phase, and how often it was refused."""
    attempts = request.status.attempts
    return f"{request.name}, {request.status.phase}, refused {'once' if attempts <= 1 else f'{attempts} times'}"


def who(case: Case) -> str:
    """The requester's name."""
    change = case.change
    agent = f" (agent {named(change.agent)})" if change.agent else " (an agent)" if change.by_agent else ""
    return f"{named(change.requester)}{agent}"


def row(case: Case) -> tuple[str, ...]:
    """One line of a table of wishes: the action, the object, how many go down with it, whose wish it is."""
    target = case.change.target
    counted = sum(len(items) for items in case.contents.values())
    by = case.place.request.spec.asked_by if case.place.request else ""
    return (
        case.change.action.value,
        describe(target),
        f"with {counted} objects" if counted else f"by {by}" if by else "",
        who(case),
    )


def impact_lines(case: Case) -> Iterator[str]:
    """Lines that tell how many of each kind go down with the object, and the names of the first few."""
    if case.impact is None:
        return
    for resource in impact.counted(case.change.policies):
        items = case.contents.get(resource.resource) or ()
        if not items:
            continue
        first = ", ".join(named(item.name) for item in items[:_SHOWN_NAMES])
        more = f" and {len(items) - _SHOWN_NAMES} more" if len(items) > _SHOWN_NAMES else ""
        yield clean(f"{len(items)} {resource.resource}: {first}{more}")


def _facts(case: Case, now: float) -> Iterator[tuple[str, str]]:
    change, place = case.change, case.place
    request = place.request
    if request:
        yield "request", request_line(request)
        for denial in request.status.denials:
            yield "denied by", f"{named(denial.name)}: {quoted(denial.reason)}"
    yield "action", change.action.value
    where = f" in namespace {change.target.namespace}" if change.target.namespace else ""
    yield "object", clean(f"{place.typed}{where}, uid {change.target.uid}")
    if request and (by := request.spec.asked_by):
        yield "by", by
        yield "", f"That may last when the approval has ended. What is signed for is {change.action}, by whatever way."
    document = place.found
    if made := cluster_reads.created(document):
        yield "created", f"{change_request.stamp(made)}, {output.short(now - made.timestamp())} ago"
    if told := _state(document):
        yield "state", told
    yield "requester", who(case)
    if change.operators:
        yield "operator", f"{', '.join(map(named, sorted(change.operators)))} (cannot approve this)"
    if change.claimed:
        yield "says", f"{quoted(change.claimed)} (the requester's own words, unproven)"
    if request and (asked := change_request.moment(request.status.last_refused_at)):
        yield "asked", f"{output.short(now - asked.timestamp())} ago"
    if request and (allowed := change_request.let_through(request.status)):
        yield "allowed", allowed
    if case.impact is not None:
        yield "goes down", case.impact.summary
        for line in impact_lines(case):
            yield "", line
    elif case.wanted is not None:
        yield from _change(case.wanted)
    elif place.target.resource.resource != "namespaces":
        yield "goes down", "the object itself"
    for required in sorted(change.policies, key=lambda required: required.name):
        yield "policy", policy(required)
    for line in approvals(case, approvals_of(place.annotations)):
        yield "approval", line


def _change(wanted: Wanted) -> Iterator[tuple[str, str]]:
    difference = wanted.difference
    if difference is not None:
        yield "changes", clean(difference.summary)
        yield "from", difference.before
        yield "to", difference.after
    for line in wanted.diff(output.room()):
        yield "", line
    if wanted.problem:
        yield "but", wanted.problem


def _state(document: object) -> str:
    """What is worth knowing of a workload: its size and its images."""
    if not isinstance(document, dict):
        return ""
    facts: list[str] = []
    spec, status = document.get("spec") or {}, document.get("status") or {}
    if isinstance(spec.get("replicas"), int):
        facts.append(f"{status.get('readyReplicas') or 0}/{spec['replicas']} replicas ready")
    containers = ((spec.get("template") or {}).get("spec") or {}).get("containers") or []
    images = [
        named(str(container.get("image", ""))) for container in containers[:_SHOWN_NAMES] if container.get("image")
    ]
    if images:
        facts.append(f"image {', '.join(images)}")
    if document["metadata"].get("deletionTimestamp"):
        facts.append("its deletion has begun")
    if constants.AGENT_KEY in (document["metadata"].get("annotations") or {}):
        facts.append("marked as an agent's")
    return clean("; ".join(facts))


def documents(policies: Sequence[Policy]) -> list[dict[str, object]]:
    """Policies' requirements for programs."""
    return [
        {
            "name": policy.name,
            "required": policy.requirement.required,
            "teams": sorted(policy.requirement.teams),
            "assurance": policy.requirement.assurance.value,
            "maxTTLSeconds": int(policy.requirement.max_ttl),
            "bindImpact": policy.requirement.bind_impact,
        }
        for policy in policies
    ]
