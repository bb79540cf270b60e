"""What the policies would have said to a request of the past, by the webhook's own codec and pipeline.

Each is decided with the least that it may have been, and with the most: see ``past_requests`` for the request itself;
here, what a log tells nothing of is looked up as the least and as the most. What is refused either way would have been
refused; what is refused only by the most cannot be told from the log.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from seconder.admission import lookups, pipeline
from seconder.admission.decision import Decision
from seconder.admission.dependents import kind_of
from seconder.admission.lookups import (
    Adopting,
    AliasedBy,
    Called,
    Claimants,
    Claims,
    ControlledIn,
    DaemonSets,
    Definitions,
    Dependents,
    FirstRight,
    FreeVolumes,
    Holders,
    Hosting,
    Lookup,
    MissingOwners,
    NamespaceContents,
    Namings,
    ObjectRef,
    OfClass,
    Overlapping,
    OwningResources,
    OwnsGuard,
    PodsOn,
    ReadableTokens,
    ReadObjects,
    ReadWhole,
    ReplicaSets,
    RoleRules,
    RunningPod,
    ScaledBy,
    SecretTokens,
    Selected,
    Selecting,
    ServedElsewhere,
    Sharing,
    StorageVersion,
    TokenAccounts,
    Tokens,
    Uncontrolled,
    ViewIsFresh,
)
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.principal import BUILTIN_CONTROLLERS, classify, service_account
from seconder.admission.request import Metadata, Request
from seconder.admission.review import ReviewContext
from seconder.admission.state import ClusterState
from seconder.api import constants
from seconder.api.policy import Mode, Policy
from seconder.api.reasons import Reason
from seconder.api.resources import ANY, DEFINITIONS, NAMESPACES, GroupResource, Target
from seconder.approvals.impact import Item
from seconder.approvals.registry import Registry
from seconder.approvals.verification import Memo
from seconder.plugin.auditing.audit_log import Event, Reference
from seconder.plugin.auditing.past_requests import UNKNOWN, Missing, PastRequest, PastReview, operation_of

_NULL: Final = b"null"
_ALWAYS: Final = frozenset({NAMESPACES, DEFINITIONS})
"""What a policy may cover without naming it, whoever asks."""

_UNTOLD: Final[Mapping[type[Lookup[Any]], Missing]] = {
    ReadObjects: Missing.TAGGED,
    ReadWhole: Missing.CHANGED,
    NamespaceContents: Missing.CONTENTS,
    Dependents: Missing.OWNED,
    PodsOn: Missing.OWNED,
    Uncontrolled: Missing.OWNED,
    Selecting: Missing.OWNED,
    Selected: Missing.OWNED,
    FreeVolumes: Missing.OWNED,
    Claims: Missing.OWNED,
    DaemonSets: Missing.OWNED,
    Holders: Missing.OWNED,
    OfClass: Missing.OWNED,
    Called: Missing.OWNED,
    Hosting: Missing.OWNED,
    Namings: Missing.OWNED,
    Overlapping: Missing.OWNED,
    ScaledBy: Missing.OWNED,
    Tokens: Missing.OWNED,
    AliasedBy: Missing.OWNED,
    Adopting: Missing.OWNED,
    Claimants: Missing.OWNED,
    ControlledIn: Missing.OWNED,
    Sharing: Missing.OWNED,
    RoleRules: Missing.RIGHTS,
    ReplicaSets: Missing.RIGHTS,
    RunningPod: Missing.RIGHTS,
    SecretTokens: Missing.RIGHTS,
    ReadableTokens: Missing.RIGHTS,
    FirstRight: Missing.RIGHTS,
    ServedElsewhere: Missing.RIGHTS,
    Definitions: Missing.RIGHTS,
    OwningResources: Missing.RIGHTS,
}
"""What is missing for want of the answer to a look-up. The others have one answer: see ``_least``."""

_LAST: Final = frozenset({Missing.CHANGED, Missing.ENDED})
"""Told where nothing of a name of its own is missing."""

_EVERYTHING: Final = frozenset(Missing)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What would have become of one request: the decision that refuses it, or why the log does not tell.

    ``targets`` are the objects that it would have been refused for.
    """

    past: PastRequest
    outcome: Decision | Missing
    targets: Sequence[Target]


class Judge:
    """Judges the requests of an audit log by policies, each as if it were in mode Enforce and nobody had approved."""

    def __init__(self, policies: Sequence[Policy], namespace: str = constants.DEFAULT_NAMESPACE) -> None:
        """``namespace``: where Seconder is installed, which agents never write to."""
        index = PolicyIndex(replace(policy, mode=Mode.ENFORCE) for policy in policies)
        self._state: Final = ClusterState(index, Registry(()), {}, "", Installation(namespace))
        self._tags: Final = dict.fromkeys(sorted(index.known_tags.annotations), UNKNOWN)
        self._named: Final[set[tuple[str, str]]] = {*_ALWAYS, *index.known}
        self._memo: Final = Memo(1)
        self._unwritten: Final = {name for policy in index.all for name in policy.resources if ANY not in name}

    def unseen(self) -> list[str]:
        """The resources that policies name and of which no write was seen: some may be misspelt."""
        return sorted(map(str, self._unwritten))

    def judge(self, event: Event) -> Verdict | None:
        """What would have become of it; None where no policy has anything to say."""
        ref, operation = event.object_ref, operation_of(event)
        if operation is None or ref is None or not ref.resource:
            return None
        if self._unwritten:
            self._unwritten.discard(GroupResource(ref.api_group, ref.resource))
        user = event.acting
        if user.username in BUILTIN_CONTROLLERS:
            return None
        principal = classify(user.caller, self._state.policies, None)
        if not principal.agent and not self._is_named(ref):
            return None
        past = PastRequest(event, ref, operation, principal, self._tags)
        try:
            return self._judged(past)
        except Exception:  # noqa: BLE001 - a log holds what no API server would take, and a rule may read any of it
            logged = any(bytes(body) != _NULL for body in (event.request_object, event.response_object))
            return Verdict(past, Missing.UNREADABLE if logged else Missing.BODY, [ref.target])

    def _is_named(self, ref: Reference) -> bool:
        """Whether some policy may cover this resource for callers who are no agents."""
        group, plural = ref.api_group, ref.resource
        return any(name in self._named for name in ((group, plural), (ANY, plural), (group, ANY), (ANY, ANY)))

    def _judged(self, past: PastRequest) -> Verdict | None:
        """The verdict on all its objects, each judged as the API server asks about it."""
        reviews = past.reviews()
        if reviews is None:
            whole = self._one(past, past.deletion(None))
            return Verdict(past, Missing.OBJECTS, ()) if whole else None
        # Of thousands, no more is kept than what is told of them.
        told: Verdict | None = None
        targets: list[Target] = []
        for review in reviews:
            verdict = self._one(past, review)
            if verdict is None:
                continue
            refused = isinstance(verdict.outcome, Decision)
            if told is None or (refused and not isinstance(told.outcome, Decision)):
                told, targets = verdict, []
            if refused == isinstance(told.outcome, Decision):
                targets += verdict.targets
        return replace(told, targets=targets) if told else None

    def _one(self, past: PastRequest, review: PastReview) -> Verdict | None:
        request = past.request(review)
        decided, asked = self._decide(past, request)
        if not decided.allowed and decided.reason is not Reason.INTERNAL_ERROR:
            target = decided.parts[0].effect.target if decided.parts else request.target
            return Verdict(past, decided, [target])
        missing: Missing | None = next((way for way, more in review.more.items() if more is None), None)
        if missing is None:
            missing = self._more(past, review, asked) if decided.allowed else Missing.UNDECIDED
        return Verdict(past, missing, [request.target]) if missing else None

    def _more(self, past: PastRequest, review: PastReview, asked: Sequence[Missing]) -> Missing | None:
        """What is missing to judge a request that is free at its least; None where it is free at its most, too.

        ``asked``: what was missing to decide it at its least.
        """
        # Most requests are free whatever they were.
        if not review.more and not asked:
            return None
        most, further = self._decide(past, past.request(review, _EVERYTHING), _EVERYTHING)
        if most.allowed:
            return None
        # What has a name of its own is told before anything else that may have changed.
        ways = sorted(dict.fromkeys((*review.more, *asked, *further)), key=lambda way: way in _LAST)

        def suffices(way: Missing) -> bool:
            alone, _ = self._decide(past, past.request(review, {way}), {way})
            return not alone.allowed

        # What an update ends rests on both what it changed and what its object owned.
        together = Missing.ENDED if Missing.ENDED in ways else ways[0]
        return next(filter(suffices, ways), together) if len(ways) > 1 else ways[0]

    def _decide(
        self, past: PastRequest, request: Request, supposed: Collection[Missing] = ()
    ) -> tuple[Decision, Sequence[Missing]]:
        """The decision, and what was missing for it. What is ``supposed`` is answered with the most."""
        asked: list[Missing] = []

        def answer(lookup: Lookup[Any]) -> Any:
            missing = None if self._is_rare(lookup) else _UNTOLD.get(type(lookup))
            if missing is Missing.OWNED and request.updates and not request.may_end:
                missing = Missing.ENDED
            if missing is not None:
                asked.append(missing)
            return _most(lookup, request, past.tags) if missing in supposed else _least(lookup, request)

        context = ReviewContext(request, self._state, Mode.ENFORCE, 0.0, self._memo, past.principal)
        return lookups.drive(pipeline.review(context), answer), asked

    def _is_rare(self, lookup: Lookup[Any]) -> bool:
        """Whether it asks if any pod there, or any Job, owns what is protected: nothing else would be told of most."""
        of_kinds = isinstance(lookup, Dependents) and all(map(kind_of, lookup.keys))
        return of_kinds and not self._state.policies.pods_hold


def _least(lookup: Lookup[Any], request: Request) -> Any:
    """The least answer to a look-up: nothing is held, owned or allowed; what is read is there, without approvals.

    Owners that were added are taken to exist.
    """
    match lookup:
        case ViewIsFresh():
            return True
        case NamespaceContents():
            return {held.resource.resource: () for held in lookup.held}
        case ReadObjects():
            return _stored(lookup, request, {})
        case ReadWhole():
            return {"metadata": {"uid": request.target.uid}, "spec": {"replicas": request.replicas[0]}}
        case RunningPod():
            # An agent may act as itself.
            own = service_account(request.caller.username)
            name = own[1] if own and own[0] == lookup.namespace else UNKNOWN
            return msgspec.Raw(msgspec.json.encode({"serviceAccountName": name}))
        case SecretTokens() | ReadableTokens():
            return TokenAccounts()
        case (
            Dependents()
            | RoleRules()
            | PodsOn()
            | Uncontrolled()
            | Tokens()
            | FreeVolumes()
            | Claims()
            | DaemonSets()
            | Holders()
            | OfClass()
            | Called()
            | Hosting()
            | Overlapping()
            | ScaledBy()
            | Selected()
            | Selecting()
            | Namings()
            | Adopting()
            | Claimants()
            | ControlledIn()
            | ReplicaSets()
            | Sharing()
        ):
            return ()
        case MissingOwners() | OwningResources() | AliasedBy():
            return frozenset()
        case FirstRight():
            return None
        case ServedElsewhere():
            return False
        case StorageVersion():
            # Most kinds are served in one version, and most requests ask in the stored one.
            return lookup.version
        case Definitions():
            return 0
        case OwnsGuard():
            # Nothing owns what the chart installs, unless somebody hangs it under something.
            return False
    raise TypeError(f"no answer to {type(lookup).__name__}")


def _most(lookup: Lookup[Any], request: Request, tags: Mapping[str, str]) -> Any:
    """The answer to a look-up that holds all that policies name. Raises Unknown where that cannot be said."""
    match lookup:
        case NamespaceContents():
            return {held.resource.resource: (Item(UNKNOWN, UNKNOWN),) for held in lookup.held}
        case ReadObjects():
            return _stored(lookup, request, tags)
        case OwningResources():
            return frozenset({GroupResource(ANY, ANY)})
        case ReadWhole():
            return _least(lookup, request)
    raise lookup.unanswered


def _stored(lookup: ReadObjects, request: Request, annotations: Mapping[str, str]) -> Mapping[ObjectRef, Metadata]:
    """What is read is the object of the request itself, or its controller."""
    owner = request.old.controller_owner
    return {
        ref: Metadata(
            uid=owner.uid if owner is not None and owner.name == ref.name else request.target.uid,
            annotations=dict(annotations),
        )
        for ref in lookup.refs
    }
