"""Pods that agents make, start or enter: they act as their ServiceAccount, and as whose tokens they have, or may read.

Whoever wrote a workload that runs nothing, of size 0, suspended or paused, was asked about nothing: so is told what an
update starts of it, by whatever field.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from seconder.admission import account_rights, cel, codec, pod_reach, pod_starts, pod_templates
from seconder.admission.findings import Cleared, Findings, Refusal
from seconder.admission.kinds import MAKERS, POD_RUNNERS
from seconder.admission.lookups import (
    Account,
    Asking,
    ObjectRef,
    ReadableTokens,
    ReadWhole,
    RunningPod,
    SecretTokens,
    TokenAccounts,
    Unknown,
    ask,
)
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.prefilter import Entry, Prefilter
from seconder.admission.principal import (
    identity_tagged,
    keeps_its_tags,
    service_account_caller,
    service_account_user,
)
from seconder.admission.request import WRITES, Malformed, Operation, Request
from seconder.admission.review import ReviewContext
from seconder.admission.rule import AppliesTo, Binds, Rule
from seconder.api.resources import DEPLOYMENTS, PODS

_CLUSTERS_OWN: Final = "kube-system"
_UNREAD: Final = "the workload that is to be scaled could not be looked up"
_AWAITED: Final = "a Secret that the pod names cannot be seen, and may hold its token one day"
_MAKE_FIRST: Final = "Have the Secret made first, or ask a person who administers this cluster."
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
    try:
        reach = _reach(context, spec)
        name, secrets = pod_templates.account(spec), pod_templates.secrets(spec)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise _not_understood(context, error) from None
    if reach:
        return [Refusal(f"agents may not {reach}")]
    if secrets and place == _CLUSTERS_OWN:
        return [Refusal("agents may not use Secrets of the cluster's own programs")]
    tokens = TokenAccounts()
    if secrets:
        tokens = yield from ask(SecretTokens(place, tuple(sorted(secrets))))
    held = tokens.held | {name}
    for name in sorted(held):
        refusal = yield from _judge(context, Account(place, name))
        if refusal:
            return [Refusal(refusal)]
    for name in sorted(tokens.awaited - held):
        refusal = yield from _judge(context, Account(place, name))
        if refusal:
            return [Refusal(f"{refusal}: {_AWAITED}", advice=_MAKE_FIRST)]
    refused = yield from _read(context, place, held)
    return [refused or Cleared()]


def _read(context: ReviewContext, place: str, held: frozenset[str]) -> Asking[Refusal | None]:
    """Why whoever acts as these ServiceAccounts reads a token by which it may do more; None where it does not."""
    known = context.state.policies.known_tags
    judged, waiting = set(held), sorted(held)
    for name in waiting:
        # What an agent may read as itself, it reads without a pod.
        if identity_tagged(service_account_caller(place, name), known):
            continue
        readable = yield from ask(ReadableTokens(Account(place, name)))
        for other in sorted((readable.held | readable.awaited) - judged):
            refusal = yield from _judge(context, Account(place, other))
            if refusal:
                how = "may read" if other in readable.held else "may read Secrets there, which may hold"
                return Refusal(f"{refusal}: ServiceAccount {place}/{name} {how} its token")
            judged.add(other)
            # With that token it reads what that one may read.
            waiting.append(other)
    return None


def _reach(context: ReviewContext, spec: msgspec.Raw) -> str:
    """What an agent may not do with pods of such a specification; empty where there is nothing."""
    request, reaching = context.request, context.state.installation.node_pods
    entered = request.operation is Operation.CONNECT
    # Over its ports nobody runs anything but what the pod runs.
    if entered and (reaching or request.subresource not in {"exec", "attach"}):
        return ""
    pod = pod_reach.read(spec)
    if not entered and pod.is_critical:
        return "run pods of the cluster's own priority"
    if not entered and _keeps_others_off(context, pod):
        return "run pods that keep those of other namespaces from being scheduled: required podAntiAffinity"
    field = "" if reaching else pod.reaching
    return field and f"{'enter' if entered else 'run'} pods that reach their node's files or processes: {field}"


def _keeps_others_off(context: ReviewContext, pod: pod_reach.Pod) -> bool:
    """Whether it gets a term by which no pod of other namespaces, the guard's among them, may come near it."""
    request = context.request
    beyond = [each for each in pod.repelling if each.reaches_beyond(request.target.namespace)]
    if not beyond:
        return False
    stored = pod_reach.read(pod_templates.spec_of_pods(request.target.resource, request.old_spec)).repelling
    return any(each not in stored for each in beyond)


def _judge(context: ReviewContext, account: Account) -> Asking[str]:
    """Why an agent may not act as a ServiceAccount; empty where it may. Raises Unknown."""
    known = context.state.policies.known_tags
    if identity_tagged(service_account_caller(*account), known):
        return _as_agent(context, account)
    if account.namespace in known.service_account_namespaces:
        return ""
    told = yield from account_rights.told(context, account)
    return told and f"agents may not act as ServiceAccount {account.namespace}/{account.name}, {told}"


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
        if not request.updates:
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
        raise _not_understood(context, error) from None


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


def _not_understood(context: ReviewContext, error: Exception) -> Malformed | Unknown:
    if context.request.operation is Operation.CONNECT:
        return Unknown(RunningPod.unknown)
    return Malformed(context.request.uid, f"the pods' specification is not understood: {codec.plain(error)}")


def _as_agent(context: ReviewContext, account: Account) -> str:
    """Why a pod may not run as an agent; empty where it may.

    As another agent, the caller's own operator could approve. A pod's token is renewed as long as the pod runs.
    """
    username, caller = service_account_user(*account), context.request.caller
    who, known = f"ServiceAccount {account.namespace}/{account.name}", context.state.policies.known_tags
    if caller.username != username or not keeps_its_tags(caller, account.namespace, account.name, known):
        return f"agents may not act as {who}, another agent"
    ends = username in context.state.token_ends
    return f"agents may not run pods as {who}, whose tokens have an end" if ends else ""


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
