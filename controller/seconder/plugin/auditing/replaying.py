"""What the policies would have said to a request of the past, by the webhook's own parsing and decision code.

An audit log does not hold all that a review does: never the object as it was before, nor its annotations where the
answer is a bare Status. So each request is decided twice: with the least that it may have been, and with the most.
What is refused either way would have been refused; what is refused only by the most cannot be told from the log.
"""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

import msgspec

from seconder.admission import codec, pod_templates, prerequisites, principal, rbac_documents
from seconder.admission.borrowing import Borrowed
from seconder.admission.decision import Decision, decide
from seconder.admission.evidence import Evidence, World
from seconder.admission.policy_index import ANY, Guarded, PolicyIndex
from seconder.admission.request import Operation, Request
from seconder.api import constants
from seconder.api.policy import Mode, Policy
from seconder.api.reasons import Reason
from seconder.api.resources import AUTOSCALERS, DEFINITIONS, NAMESPACES, REPLICA_SETS, GroupResource, Target
from seconder.approvals import impact
from seconder.approvals.impact import Item, LiveObject, ObjectRef
from seconder.approvals.registry import Registry
from seconder.approvals.verification import Memo
from seconder.plugin.auditing.audit_log import Event, Reference

_UNKNOWN: Final = "unknown"
_NULL: Final = b"null"
_COLLECTION: Final = "deletecollection"
_OPERATIONS: Final = {
    "create": Operation.CREATE,
    "update": Operation.UPDATE,
    "patch": Operation.UPDATE,
    "delete": Operation.DELETE,
    _COLLECTION: Operation.DELETE,
}
_CONNECTIONS: Final = frozenset({"exec", "attach", "portforward", "proxy"})
_FAILED: Final = 400
_CREATED: Final = 201
_ALWAYS: Final = frozenset({NAMESPACES, DEFINITIONS, AUTOSCALERS, REPLICA_SETS})
"""What a policy may cover without naming it."""

_READ_FROM_BODY: Final = (
    frozenset({GroupResource("", "secrets"), AUTOSCALERS})
    | pod_templates.RUNNERS
    | rbac_documents.ROLES
    | rbac_documents.BINDINGS
)
"""Of which the webhook reads more than the metadata when an agent writes them."""

_OWNER: Final = {"apiVersion": "apps/v1", "kind": "Deployment", "name": _UNKNOWN, "uid": _UNKNOWN, "controller": True}

_body: Final = msgspec.json.Decoder(Any)


class Missing(StrEnum):
    """Why a request cannot be judged by its log."""

    TAGGED = "requests by callers who are no agents: refused only if the object carries an agent's annotation"
    BODY = "writes without a body in the log (level Metadata)"
    UNDECIDED = "requests under policies whose resources nobody has looked up yet (see their status)"
    UNREADABLE = "requests whose body in the log is not understood"
    OBJECTS = "deletions of collections: which objects they found is not in the log (level below RequestResponse)"
    CONTENTS = "deletions of namespaces: refused only if they held what a policy names"
    REPLICAS = "updates that left or set no replicas: refused unless there were none before"
    FINALIZERS = "updates of what may have been under deletion: refused if they removed a finalizer"
    OWNERS = "updates of what has owners: refused if they added one that is not protected itself"
    MAKER = "deletions of ReplicaSets: refused if a protected Deployment's"
    OWNED = "deletions by agents: refused if a protected object is owned by what they deleted"
    RIGHTS = "writes by agents: refused if they give, or act with, rights that agents may not use"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What would have become of one request. ``missing`` is set where the log does not tell; else it was refused.

    ``targets`` are the objects that it would have been refused for. ``failed``: it came to nothing anyway.
    """

    event: Event
    operation: str
    decided: Decision
    targets: Sequence[Target]
    failed: bool
    dry_run: bool
    missing: Missing | None = None


@dataclass(frozen=True, slots=True)
class _Guess:
    """One way in which a request may have been more than its least.

    ``apply`` changes the review. ``blind``: too little is known to say what the most would be.
    """

    missing: Missing
    apply: Callable[[dict[str, Any]], None] | None = None
    contents: bool = False
    owned: bool = False
    rights: bool = False
    blind: bool = False


class Judge:
    """Judges the requests of an audit log by policies, each as if it were in mode Enforce and nobody had approved."""

    def __init__(self, policies: Sequence[Policy], namespace: str = constants.DEFAULT_NAMESPACE) -> None:
        """``namespace``: where Seconder is installed, which agents never write to."""
        index = PolicyIndex(replace(each, mode=Mode.ENFORCE) for each in policies)
        self._world: Final = World(index, Registry(()), {}, "", Guarded(namespace))
        self._nothing: Final = {each.resource: () for each in impact.counted(list(index.all))}
        self._everything: Final = self._nothing | {each: (Item(_UNKNOWN, _UNKNOWN),) for each in index.known}
        self._tags: Final = dict.fromkeys(sorted(index.known_tags.annotations), _UNKNOWN)
        named = {each for policy in index.all for each in (*policy.resources, *policy.resolved)}
        self._named: Final[set[tuple[str, str]]] = {*_ALWAYS, *named}
        self._memo: Final = Memo(1)
        self._unwritten: Final = {each for policy in index.all for each in policy.resources if ANY not in each}

    def unseen(self) -> list[str]:
        """Give the resources that policies name and of which no write was seen: some may be misspelt."""
        return sorted(map(str, self._unwritten))

    def judge(self, event: Event) -> Verdict | None:
        """Give what would have become of it; None where no policy has anything to say."""
        ref = event.object_ref
        if ref is None or not ref.resource:
            return None
        connects = ref.subresource in _CONNECTIONS
        operation = Operation.CONNECT if connects else _OPERATIONS.get(event.verb)
        if operation is None:
            return None
        if self._unwritten:
            self._unwritten.discard(GroupResource(ref.api_group, ref.resource))
        user = event.acting
        if user.username in principal.BUILTIN_CONTROLLERS:
            return None
        agent = principal.identity_tagged(user.caller, self._world.policies.known_tags)
        if not agent and not self._is_named(ref):
            return None
        # Applied or put where nothing was.
        if event.verb in {"patch", "update"} and event.code == _CREATED:
            operation = Operation.CREATE
        try:
            return self._judged(event, ref, operation, agent=agent)
        except (msgspec.MsgspecError, codec.Malformed, RecursionError, ValueError):
            # An address or a body that nobody can read (UnicodeError is a ValueError).
            logged = any(bytes(each) != _NULL for each in (event.request_object, event.response_object))
            return self._verdict(event, ref, operation, None, [], Missing.UNREADABLE if logged else Missing.BODY)

    def _judged(self, event: Event, ref: Reference, operation: Operation, *, agent: bool) -> Verdict | None:
        if event.verb == _COLLECTION:
            return self._collection(event, ref, agent=agent)
        answer = _answer(event)
        if operation is Operation.DELETE:
            return self._one(event, ref, operation, *_deletion(event, ref, answer, self._tags, agent=agent))
        if operation is Operation.UPDATE:
            return self._one(event, ref, operation, *_update(event, ref, answer, self._tags, agent=agent))
        return self._one(event, ref, operation, *_creation(event, ref, answer, operation, agent=agent))

    def _collection(self, event: Event, ref: Reference, *, agent: bool) -> Verdict | None:
        """Judge each object that a collection's deletion found, as the API server asks about each."""
        answer = _body.decode(event.response_object)
        items = answer.get("items") if isinstance(answer, dict) else None
        if not isinstance(items, list):
            found, guesses = _deletion(event, ref, None, self._tags, agent=agent)
            whole = self._one(event, ref, Operation.DELETE, found, guesses)
            if whole is None:
                return None
            return replace(whole, targets=(), missing=Missing.OBJECTS)
        refused: list[Verdict] = []
        unknown: list[Verdict] = []
        for item in items:
            if not isinstance(item, dict):
                continue
            found, guesses = _deletion(event, ref, item, self._tags, agent=agent)
            one = self._one(event, ref, Operation.DELETE, found, guesses)
            if one is not None:
                (unknown if one.missing else refused).append(one)
        told = refused or unknown
        if not told:
            return None
        return replace(told[0], targets=[target for each in told for target in each.targets])

    def _one(
        self, event: Event, ref: Reference, operation: Operation, least: dict[str, Any], guesses: Sequence[_Guess]
    ) -> Verdict | None:
        request = _request(event, ref, operation, least)
        decided = self._decide(request)
        if not decided.allowed and decided.reason is not Reason.INTERNAL_ERROR:
            return self._verdict(event, ref, operation, decided, [_target(request, decided)], None)
        blind = next((each for each in guesses if each.blind), None)
        if blind is not None:
            return self._verdict(event, ref, operation, None, [request.target], blind.missing)

        def supposing(chosen: Sequence[_Guess]) -> Request:
            if all(each.apply is None for each in chosen):
                return request
            return _request(event, ref, operation, _supposed(least, chosen))

        most = supposing(guesses)
        guesses = [*guesses, *self._further(most)]
        if not decided.allowed:
            return self._verdict(event, ref, operation, decided, [request.target], Missing.UNDECIDED)
        # Most requests are free whatever they were: then one more decision tells.
        if not guesses or self._decide(most, guesses).allowed:
            return None
        alone = (each for each in guesses if not self._decide(supposing([each]), [each]).allowed)
        missing = next(alone, guesses[0]).missing
        return self._verdict(event, ref, operation, decided, [request.target], missing)

    def _further(self, request: Request) -> Iterator[_Guess]:
        """Give what no body would tell."""
        world, mode = self._world, Mode.ENFORCE
        if request.operation is Operation.DELETE and request.target.resource == NAMESPACES:
            yield _Guess(Missing.CONTENTS, contents=True)
        if prerequisites.owner_keys(request, world, mode):
            yield _Guess(Missing.OWNED, owned=True)
        if prerequisites.role_to_read(request, world, mode) or prerequisites.account_to_ask(
            request, world, mode, frozenset()
        ):
            yield _Guess(Missing.RIGHTS, rights=True)

    def _decide(self, request: Request, guesses: Sequence[_Guess] = ()) -> Decision:
        """Decide. What is supposed of a namespace's contents is all that policies name; of the rest, that it failed."""
        filled = any(each.contents for each in guesses)
        owned = any(each.owned for each in guesses)
        rights = any(each.rights for each in guesses)
        world, mode = self._world, Mode.ENFORCE
        account = prerequisites.account_to_ask(request, world, mode, frozenset())
        evidence = Evidence(
            fresh=True,
            contents=self._everything if filled else self._nothing,
            objects={ref: _live(ref, request) for ref in prerequisites.looks(request, world, mode)},
            role=None if rights else (),
            borrowed=None if rights or account is None else Borrowed(account[0], None),
            owned=None if owned else (),
            missing=frozenset(),
        )
        return decide(request, world, mode, evidence, 0.0, self._memo)

    def _verdict(
        self,
        event: Event,
        ref: Reference,
        operation: Operation,
        decided: Decision | None,
        targets: Sequence[Target],
        missing: Missing | None,
    ) -> Verdict:
        if decided is None:
            requester = principal.requester_of(event.acting.caller, self._world.policies.known_tags, None)
            decided = Decision(False, Reason.REQUEST_MALFORMED, requester, None)
        return Verdict(
            event,
            operation.value,
            decided,
            targets or [_named(ref)],
            event.code >= _FAILED,
            event.dry_run,
            missing,
        )

    def _is_named(self, ref: Reference) -> bool:
        """Say whether some policy may cover this resource for callers who are no agents."""
        group, plural = ref.api_group, ref.resource
        return any(each in self._named for each in ((group, plural), (ANY, plural), (group, ANY), (ANY, ANY)))


def _supposed(least: dict[str, Any], guesses: Sequence[_Guess]) -> dict[str, Any]:
    made = copy.deepcopy(least)
    for guess in guesses:
        if guess.apply is not None:
            guess.apply(made)
    return made


def _request(event: Event, ref: Reference, operation: Operation, made: Mapping[str, Any]) -> Request:
    """Have the webhook's own parser read the review that the API server would have sent."""
    user = event.acting
    options: dict[str, Any] = {"fieldManager": event.query.get("fieldManager", [""])[0]}
    if operation is Operation.DELETE:
        options |= _deletion_options(event)
    name = ref.name or made.get("name") or ""
    body = {
        "apiVersion": codec.API_VERSION,
        "kind": codec.KIND,
        "request": {
            "uid": _UNKNOWN,
            "kind": {"group": ref.api_group, "version": ref.api_version, "kind": made.get("kind") or ""},
            "resource": {"group": ref.api_group, "version": ref.api_version, "resource": ref.resource},
            "operation": operation.value,
            "userInfo": {"username": user.username, "groups": user.groups, "extra": user.extra},
            "name": name,
            "namespace": ref.namespace,
            "subResource": ref.subresource,
            "dryRun": event.dry_run,
            "object": made.get("object"),
            "oldObject": made.get("oldObject"),
            "options": options,
        },
    }
    return codec.decode(msgspec.json.encode(body))


def _deletion_options(event: Event) -> dict[str, Any]:
    given = event.deletion
    return {key: given.get(key) for key in ("propagationPolicy", "orphanDependents")}


def _answer(event: Event) -> dict[str, Any] | None:
    """Give the object that the API server answered with; None where it gave none, or is not logged."""
    found = _body.decode(event.response_object)
    if not isinstance(found, dict) or found.get("kind") == "Status" or event.code >= _FAILED:
        return None
    return found if isinstance(found.get("metadata"), dict) else None


def _deletion(
    event: Event, ref: Reference, answer: dict[str, Any] | None, tags: Mapping[str, str], *, agent: bool
) -> tuple[dict[str, Any], list[_Guess]]:
    """Give the least review of a deletion, and what it may have been beyond. ``answer``: the object, where known."""
    guesses = []
    status = event.response_status
    metadata = dict(answer["metadata"]) if answer and isinstance(answer.get("metadata"), dict) else {}
    if not metadata:
        metadata = {"name": ref.name or _UNKNOWN, "uid": (status and status.details and status.details.uid) or ref.uid}
        if not agent:
            guesses.append(_Guess(Missing.TAGGED, lambda made: _annotate(made["oldObject"], tags)))
        if (ref.api_group, ref.resource) == REPLICA_SETS:
            guesses.append(_Guess(Missing.MAKER, lambda made: _own(made["oldObject"])))
    metadata["uid"] = metadata.get("uid") or _UNKNOWN
    metadata["namespace"] = ref.namespace
    stored = {"metadata": metadata}
    return {"name": metadata.get("name"), "kind": (answer or {}).get("kind"), "oldObject": stored}, guesses


def _creation(
    event: Event, ref: Reference, answer: dict[str, Any] | None, operation: Operation, *, agent: bool
) -> tuple[dict[str, Any], list[_Guess]]:
    """Give the review of a creation or connection."""
    if operation is Operation.CONNECT:
        return {}, []
    made = answer or (_body.decode(event.request_object) if event.verb == "create" else None)
    if isinstance(made, dict):
        metadata = made.get("metadata") if isinstance(made.get("metadata"), dict) else {}
        return {"name": (metadata or {}).get("name"), "kind": made.get("kind"), "object": made}, []
    blind = [_Guess(Missing.BODY, blind=True)] if agent and _read(ref) else []
    return {"object": {"metadata": {"name": ref.name}, "spec": {}}}, blind


def _update(
    event: Event, ref: Reference, answer: dict[str, Any] | None, tags: Mapping[str, str], *, agent: bool
) -> tuple[dict[str, Any], list[_Guess]]:
    """Give the least review of an update, one that changes nothing, and what it may have changed."""
    body: Any = _body.decode(event.request_object)
    found = answer or (body if event.verb == "update" and isinstance(body, dict) else None)
    after = dict(found) if found is not None else {}
    metadata = dict(after["metadata"]) if isinstance(after.get("metadata"), dict) else {}
    metadata["name"], metadata["uid"] = ref.name or metadata.get("name"), metadata.get("uid") or ref.uid or _UNKNOWN
    after["metadata"] = metadata
    guesses: list[_Guess] = []
    # The scale subresource carries no annotations, and asks by none.
    if not agent and found is None and ref.subresource != "scale":
        guesses.append(_Guess(Missing.TAGGED, lambda made: _annotate(made["oldObject"], tags)))
    if found is None and body is None:
        guesses.append(_Guess(Missing.BODY, _anything))
    else:
        guesses += _changes(event, ref, answer, after, body)
    if agent and _read(ref) and not ref.subresource:
        if found is None:
            guesses.append(_Guess(Missing.BODY, blind=True))
        else:
            guesses.append(_Guess(Missing.RIGHTS, _emptied, rights=True))
    return {"kind": after.get("kind"), "object": after, "oldObject": copy.deepcopy(after)}, guesses


def _changes(
    event: Event, ref: Reference, answer: dict[str, Any] | None, after: Mapping[str, Any], body: Any
) -> Iterator[_Guess]:
    """Give what an update of which something is known may have changed."""
    patched = event.verb == "patch"
    mentions = _Mentions(event.request_object, body) if patched else None
    whole = answer is not None or not patched
    replicas = _replicas(after, ref) if whole else _replicas(body, ref)
    touched = ref.subresource != "status" and (mentions is None or mentions.of(b"replicas"))
    if touched and (replicas == 0 or (not whole and replicas is None)):
        yield _Guess(Missing.REPLICAS, _scaled)
    owners = after["metadata"].get("ownerReferences")
    if (owners or not whole) and (mentions is None or mentions.of(b"ownerReferences")):
        yield _Guess(Missing.OWNERS, _owned)
    if answer is not None:
        leaving = bool(answer["metadata"].get("deletionTimestamp")) or ref.subresource == "finalize"
    else:
        # A patch that names no finalizer leaves them alone, unless it may replace all of the metadata.
        leaving = mentions is None or mentions.of(b"finalizers") or mentions.wholesale
    if leaving:
        yield _Guess(Missing.FINALIZERS, _finalized)


class _Mentions:
    """What a patch names. One that is spelt with escapes may name anything."""

    def __init__(self, raw: msgspec.Raw, body: Any) -> None:
        self._raw = bytes(raw)
        self._spelt = b"\\" in self._raw
        applied = isinstance(body, dict) and "kind" in body
        moves = isinstance(body, list) and any(word in self._raw for word in (b'"copy"', b'"move"'))
        self._spelt |= moves
        self.wholesale = (
            applied or self._spelt or any(word in self._raw for word in (b'"/metadata"', b'"$patch"', b'""'))
        )

    def of(self, word: bytes) -> bool:
        """Say whether the patch may change a field of this name."""
        return self._spelt or word in self._raw


def _replicas(document: Any, ref: Reference) -> int | None:
    spec = document.get("spec") if isinstance(document, dict) else None
    found = spec.get("replicas") if isinstance(spec, dict) else None
    if found is None and ref.subresource == "scale":
        return 0 if isinstance(document, dict) and document.get("kind") == "Scale" else None
    return found if isinstance(found, int) else None


def _annotate(document: dict[str, Any], tags: Mapping[str, str]) -> None:
    document["metadata"]["annotations"] = dict(tags)


def _own(document: dict[str, Any]) -> None:
    document["metadata"]["ownerReferences"] = [_OWNER]


def _spec_of(document: dict[str, Any]) -> dict[str, Any]:
    spec = document.get("spec")
    document["spec"] = spec = dict(spec) if isinstance(spec, dict) else {}
    return spec


def _scaled(made: dict[str, Any]) -> None:
    _spec_of(made["object"])["replicas"] = 0
    _spec_of(made["oldObject"])["replicas"] = 1


def _finalized(made: dict[str, Any]) -> None:
    metadata = made["oldObject"]["metadata"]
    metadata["finalizers"] = [*(metadata.get("finalizers") or ()), _UNKNOWN]
    metadata["deletionTimestamp"] = metadata.get("deletionTimestamp") or _UNKNOWN


def _owned(made: dict[str, Any]) -> None:
    made["object"]["metadata"].setdefault("ownerReferences", [_OWNER])
    made["oldObject"]["metadata"].pop("ownerReferences", None)


def _emptied(made: dict[str, Any]) -> None:
    """Leave nothing of what was before: all that is there now is new."""
    for key in ("spec", "rules", "subjects", "aggregationRule"):
        made["oldObject"].pop(key, None)


def _anything(made: dict[str, Any]) -> None:
    _scaled(made)
    _finalized(made)
    _owned(made)


def _read(ref: Reference) -> bool:
    return (ref.api_group, ref.resource) in _READ_FROM_BODY


def _live(ref: ObjectRef, request: Request) -> LiveObject:
    """Suppose that what a decision would read is there, but no approval on it."""
    maker = request.maker
    return LiveObject(maker.uid if maker is not None and maker.name == ref.name else request.target.uid, {})


def _target(request: Request, decided: Decision) -> Target:
    return decided.change.target if decided.change is not None else request.target


def _named(ref: Reference) -> Target:
    resource = GroupResource(ref.api_group, ref.resource)
    return Target(resource, "", "" if resource == NAMESPACES else ref.namespace, ref.name, ref.uid)
