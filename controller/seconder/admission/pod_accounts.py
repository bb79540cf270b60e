"""What an agent may not have run: pods as somebody who may do more, with such a one's token, or that reach their node.

For whoever makes, starts or enters pods, and for whoever has a controller start them.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from seconder.admission import account_rights, codec, pod_reach, pod_templates
from seconder.admission.findings import Refusal
from seconder.admission.lookups import (
    Account,
    Asking,
    ReadableTokens,
    ReplicaSet,
    RunningPod,
    SecretTokens,
    TokenAccounts,
    Unknown,
    ask,
)
from seconder.admission.principal import (
    identity_tagged,
    keeps_its_tags,
    service_account_caller,
    service_account_user,
)
from seconder.admission.request import Malformed, Operation, Request
from seconder.admission.review import ReviewContext

_CLUSTERS_OWN: Final = "kube-system"
_AWAITED: Final = "a Secret that the pod names cannot be seen, and may hold its token one day"
_CROWD: Final = "more ServiceAccounts are there than can be asked about"
_UNASKED: Final = (
    "what the ServiceAccounts may do whose token a Secret that the pod names, and that is not there, may come to hold"
    " could not be looked up; with the Secret made first nobody needs to ask"
)
_MAKE_FIRST: Final = "Have the Secret made first, or ask a person who administers this cluster."


def judged(context: ReviewContext, spec: msgspec.Raw) -> Asking[Refusal | None]:
    """Why an agent may not have pods of this specification where the request is; None where it may. Raises Unknown."""
    place = context.request.target.namespace
    try:
        reach = _reach(context, spec)
        name, secrets = pod_templates.account(spec), pod_templates.secrets(spec)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise not_understood(context.request, error) from None
    if reach:
        return Refusal(f"agents may not {reach}")
    if secrets and place == _CLUSTERS_OWN:
        return Refusal("agents may not use Secrets of the cluster's own programs")
    tokens = TokenAccounts()
    if secrets:
        tokens = yield from ask(SecretTokens(place, tuple(sorted(secrets))))
    held = tokens.held | {name}
    for name in sorted(held):
        refusal = yield from _judge(context, Account(place, name))
        if refusal:
            return Refusal(refusal)
    if tokens.crowded:
        return Refusal(f"agents may not run pods with a Secret that cannot be seen here: {_CROWD}", advice=_MAKE_FIRST)
    for name in sorted(tokens.awaited - held):
        try:
            refusal = yield from _judge(context, Account(place, name))
        except Unknown:
            raise Unknown(_UNASKED) from None
        if refusal:
            return Refusal(f"{refusal}: {_AWAITED}", advice=_MAKE_FIRST)
    return (yield from _read(context, place, held))


def started(
    context: ReviewContext, stopped: Iterable[ReplicaSet], running: Iterable[ReplicaSet]
) -> Asking[Refusal | None]:
    """Why an agent may not have some of these stopped ReplicaSets run; None where it may. Raises Unknown.

    ``running``: those that run on beside them. As whom one of these runs the others may run as well.
    """
    try:
        known = {_identity(each.pods) for each in running if each.size}
        waiting = {identity: each.pods for each in stopped if (identity := _identity(each.pods)) not in known}
    except (msgspec.MsgspecError, RecursionError) as error:
        raise not_understood(context.request, error) from None
    for pods in waiting.values():
        refused = yield from judged(context, pods)
        if refused:
            return refused
    return None


def _identity(pods: msgspec.Raw) -> tuple[str, frozenset[str]]:
    return pod_templates.account(pods), pod_templates.secrets(pods)


def _read(context: ReviewContext, place: str, held: frozenset[str]) -> Asking[Refusal | None]:
    """Why whoever acts as these ServiceAccounts reads a token by which it may do more; None where it does not."""
    known = context.state.policies.known_tags
    judged, waiting = set(held), sorted(held)
    for name in waiting:
        # What an agent may read as itself, it reads without a pod.
        if identity_tagged(service_account_caller(place, name), known):
            continue
        readable = yield from ask(ReadableTokens(Account(place, name)))
        if readable.crowded:
            return Refusal(
                f"agents may not act as ServiceAccount {place}/{name}, which may read Secrets there: {_CROWD}"
            )
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


def not_understood(request: Request, error: Exception) -> Malformed | Unknown:
    """What to raise where pods' specification cannot be read: the one of a request, or of a pod that is entered."""
    if request.operation is Operation.CONNECT:
        return Unknown(RunningPod.unknown)
    return Malformed(request.uid, f"the pods' specification is not understood: {codec.plain(error)}")


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
