"""Pods that agents make, start or enter: they act as their ServiceAccount, and as whose tokens they have, or may read.

Whoever wrote a workload that runs nothing, of size 0, suspended or paused, was asked about nothing: so is told what an
update starts of it, by whatever field.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from seconder.admission import cel, pod_accounts, pod_starts, pod_templates
from seconder.admission.findings import Cleared, Findings, Refusal
from seconder.admission.kinds import MAKERS, POD_RUNNERS
from seconder.admission.lookups import Asking, ObjectRef, ReadWhole, RunningPod, ask
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.prefilter import Entry, Prefilter
from seconder.admission.request import WRITES, Operation, Request
from seconder.admission.review import ReviewContext
from seconder.admission.rule import AppliesTo, Binds, Rule
from seconder.api.resources import DEPLOYMENTS, PODS

_UNREAD: Final = "the workload that is to be scaled could not be looked up"
_BY_ANNOTATION: Final = f"agents may not roll a Deployment back by annotation {pod_starts.ROLLBACK}"
_ROLL_BACK: Final = "Write that template itself, as kubectl rollout undo does."
_BY_STATUS: Final = "agents may not write in a status from which template pods are made"
_ENTRANCES: Final = frozenset({"exec", "attach", "portforward", "proxy"})


def evaluate(context: ReviewContext) -> Findings:
    """Refuse pods that run as somebody else who may do what an agent may not, or that hold such a one's token."""
    place = context.request.target.namespace
    # The guard's own namespace is refused as a whole.
    if not place or place == context.state.installation.namespace:
        return []
    request = context.request
    if request.old.annotations != request.new.annotations and _rolls_back(request):
        return [Refusal(_BY_ANNOTATION, advice=_ROLL_BACK)]
    spec = yield from _specification(context)
    if spec is None:
        return []
    if request.subresource == "status" and request.target.resource in pod_starts.BY_STATUS:
        return [Refusal(_BY_STATUS)]
    refused = yield from pod_accounts.judged(context, spec)
    return [refused or Cleared()]


def _specification(context: ReviewContext) -> Asking[msgspec.Raw | None]:
    """What runs in the pods of a request; None where there are none, or no others than before. Raises Unknown."""
    request, target = context.request, context.request.target
    if target.resource == PODS:
        if request.operation is Operation.CONNECT and request.subresource in _ENTRANCES:
            return (yield from ask(RunningPod(target.namespace, target.name)))
        # Another subresource stores nothing of the pod's specification, or nothing that runs.
        if request.subresource not in {"", "ephemeralcontainers"}:
            return None
    try:
        if request.subresource == "scale":
            return (yield from _sized(context))
        if request.operation is not Operation.UPDATE:
            return pod_templates.specification(target.resource, request.old_spec, request.new_spec)
        unlike = context.unlike
        if not pod_templates.surely_left(target.resource, *unlike):
            spec = pod_templates.specification(target.resource, request.old_spec, request.new_spec)
            if spec is not None:
                return spec
        # Most updates leave the pods as they are, and as many as are running, or fewer, or more of the same.
        if target.resource == PODS or not pod_starts.started(
            target.resource, unlike, context.replicas, request.new_spec
        ):
            return None
        spec = pod_templates.spec_of_pods(target.resource, request.new_spec)
        return None if bytes(spec) == b"null" else spec
    except (msgspec.MsgspecError, RecursionError) as error:
        raise pod_accounts.not_understood(context.request, error) from None


def _sized(context: ReviewContext) -> Asking[msgspec.Raw | None]:
    """What runs in the pods of a workload whose Scale is written; None where no others come to run than did."""
    target = context.request.target
    before, after = context.replicas
    kind = MAKERS.get(target.resource)
    if kind is None or not pod_starts.grows(target.resource, before, after, None):
        return None
    stored = yield from ask(ReadWhole(ObjectRef(kind, target.namespace, target.name), _UNREAD))
    spec = msgspec.Raw(msgspec.json.encode((stored or {}).get("spec")))
    grows = pod_starts.grows(target.resource, before, after, spec)
    return pod_templates.spec_of_pods(target.resource, spec) if grows else None


def _rolls_back(request: Request) -> bool:
    wanted = request.incoming.get(pod_starts.ROLLBACK)
    return request.target.resource == DEPLOYMENTS and wanted not in {None, request.stored.get(pod_starts.ROLLBACK)}


def prefilters(index: PolicyIndex, place: Installation) -> Sequence[Prefilter]:
    """Writes of what runs pods, through whichever subresource, and connections to pods; of a pod not its status."""
    return [
        Prefilter(
            Entry.GUARD,
            f'request.operation != "DELETE" && ({cel.one_of(POD_RUNNERS)}) && !(has(request.subResource)'
            f' && request.subResource in ["eviction", "status"] && {cel.kind(PODS)})',
        )
    ]


RULE: Final = Rule(
    "pod-identity",
    "Agents run, start or enter no pod that acts as a ServiceAccount, or holds or reads the token of one, which may do"
    " what needs approval, or end the guard; and none that goes before the guard's own, keeps others off, or reaches"
    " its node.",
    Binds.AGENTS,
    evaluate,
    prefilters,
    applies_to=AppliesTo({*WRITES, Operation.CONNECT}, POD_RUNNERS),
)
