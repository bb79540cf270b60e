"""The one stand-in for what answers a review's look-ups, and a review decided by it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
from tests.support import signing
from tests.support.builders import DEPLOYMENT

from seconder.admission import lookups, pipeline
from seconder.admission.decision import Decision
from seconder.admission.dependents import Dependent
from seconder.admission.kinds import MAKERS
from seconder.admission.lookups import (
    Adopting,
    AliasedBy,
    Called,
    Claim,
    Claimant,
    Claimants,
    Claims,
    Controlled,
    ControlledIn,
    DaemonSet,
    DaemonSets,
    Definitions,
    Dependents,
    FirstRight,
    FreeVolume,
    FreeVolumes,
    Holder,
    Holders,
    Hosting,
    Lookup,
    MissingOwners,
    NamespaceContents,
    Naming,
    Namings,
    OfClass,
    Overlapping,
    OwningResources,
    OwnsGuard,
    Placed,
    PodsOn,
    ReadableTokens,
    ReadObjects,
    ReadWhole,
    ReplicaSet,
    ReplicaSets,
    Right,
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
from seconder.admission.policy_index import PolicyIndex
from seconder.admission.rbac import Rule
from seconder.admission.request import Metadata, Owner, Request
from seconder.admission.review import ReviewContext
from seconder.admission.rule import Rule as ReviewRule
from seconder.admission.rules import RULES
from seconder.admission.state import ClusterState
from seconder.api.policy import Mode
from seconder.api.reasons import Reason
from seconder.api.resources import NAMESPACES, NODES, REPLICA_SETS, GroupResource, ResolvedResource, Target
from seconder.approvals.impact import Item
from seconder.client.resolver import LATER, Resolver

L = TypeVar("L", bound=Lookup[Any])

_CHECKOUT = Owner("apps/v1", DEPLOYMENT.kind, DEPLOYMENT.name, DEPLOYMENT.uid)


@dataclass(eq=False)
class Answers(Resolver):
    """Answers from what the test gave; else nothing is there, nobody may anything, and the view is fresh.

    ``objects`` are by resource, namespace and name; ``whole`` is the one object that is read in full.
    ``runs`` are fields of the pod that is entered; ``secrets``: which are there, by whose token each holds, if any;
    ``accounts`` are there, too; ``readable``: whose tokens each may read. ``elsewhere`` are groups that another
    server answers for; ``missing`` names of owners. Of ``replica_sets`` one runs, of the builders' own Deployment.
    ``unknown`` are the look-ups that nobody answers. ``asked`` is what was asked, in order.
    """

    objects: Mapping[tuple[GroupResource, str, str], Metadata] = field(default_factory=dict)
    whole: Mapping[str, Any] | None = None
    holds: Mapping[GroupResource, Sequence[Item]] = field(default_factory=dict)
    dependents: Sequence[Dependent] = ()
    owning: frozenset[GroupResource] = frozenset()
    owns_guard: bool = False
    pods: Sequence[Placed] = ()
    selecting: Sequence[Target] = ()
    selected: Sequence[Target] = ()
    replica_sets: Sequence[ReplicaSet] = (ReplicaSet(_CHECKOUT, 1, msgspec.Raw(b"{}")),)
    adopting: Sequence[Target] = ()
    sharing: Sequence[Target] = ()
    volumes: Sequence[FreeVolume] = ()
    claims: Sequence[Claim] = ()
    claimants: Sequence[Claimant] = ()
    daemon_sets: Sequence[DaemonSet] = ()
    holders: Sequence[Holder] = ()
    of_class: Sequence[Placed] = ()
    called: Sequence[Placed] = ()
    namings: Sequence[Naming] = ()
    hosting: Sequence[Placed] = ()
    overlapping: Sequence[Placed] = ()
    scaling: Sequence[Target] = ()
    uncontrolled: Mapping[GroupResource, Sequence[Placed]] = field(default_factory=dict)
    tokens: Sequence[Placed] = ()
    crowded: bool = False
    aliased: frozenset[str] = frozenset()
    machines: frozenset[str] = frozenset()
    elsewhere: Collection[str] = ()
    stored_in: str | None = None
    definitions: int = 0
    missing: Collection[str] = ()
    rules: Sequence[Rule] = ()
    runs_as: str = "default"
    runs: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    accounts: Collection[str] = ("default",)
    readable: Mapping[str, TokenAccounts] = field(default_factory=dict)
    may: Collection[Right] = ()
    fresh: bool = True
    unknown: Collection[type[Lookup[Any]]] = ()
    asked: list[Lookup[Any]] = field(default_factory=list)

    def __call__(self, lookup: Lookup[Any]) -> Any:
        """Answer. Raises Unknown."""
        self.asked.append(lookup)
        if type(lookup) in self.unknown:
            raise lookup.unanswered
        match lookup:
            case ViewIsFresh():
                return self.fresh
            case ReadObjects():
                places = {ref: (ref.resource.resource, ref.namespace, ref.name) for ref in lookup.refs}
                return {ref: self.objects[place] for ref, place in places.items() if place in self.objects}
            case ReadWhole():
                return self.whole
            case ControlledIn():
                return self._controlled(lookup)
            case NamespaceContents():
                return {held.resource.resource: self.holds.get(held.resource.resource, ()) for held in lookup.held}
            case Dependents():
                return self.dependents
            case OwningResources():
                return self.owning
            case OwnsGuard():
                return self.owns_guard
            case PodsOn():
                return [pod for pod in self.pods if lookup.namespace in {"", pod.namespace}]
            case Selecting():
                return self.selecting
            case Sharing():
                return self.sharing
            case Adopting():
                return [each for each in self.adopting if any(_kind(each) in kinds for _, kinds in lookup.takers)]
            case ReplicaSets():
                return self.replica_sets
            case Selected():
                return self.selected
            case FreeVolumes():
                return [each for each in self.volumes if not lookup.names or each.name in lookup.names]
            case Claimants():
                return self.claimants
            case Claims():
                return self.claims
            case DaemonSets():
                return self.daemon_sets
            case ScaledBy():
                return self.scaling
            case OfClass():
                return self.of_class
            case Called():
                return [each for each in self.called if each.name in lookup.names]
            case Namings():
                return self.namings
            case Hosting():
                return self.hosting
            case Overlapping():
                return self.overlapping
            case Holders():
                return self.holders
            case Uncontrolled():
                return self.uncontrolled.get(lookup.kind.resource, ())
            case Tokens():
                return self.tokens
            case AliasedBy():
                standing = {NAMESPACES: self.aliased, NODES: self.machines}
                return frozenset((each.of, name) for each in lookup.aliases for name in standing[each.of])
            case MissingOwners():
                return frozenset(owner for owner in lookup.owners if owner.name in self.missing)
            case RoleRules():
                return self.rules
            case StorageVersion():
                return lookup.version if self.stored_in is None else self.stored_in
            case ServedElsewhere():
                return lookup.group in self.elsewhere
            case Definitions():
                return self.definitions
            case RunningPod():
                return msgspec.Raw(msgspec.json.encode({"serviceAccountName": self.runs_as, **self.runs}))
            case SecretTokens():
                wanted = [self.secrets.get(name) for name in lookup.secrets]
                held = frozenset(account for account in wanted if account)
                return (
                    TokenAccounts(held, frozenset(self.accounts), self.crowded)
                    if None in wanted
                    else TokenAccounts(held)
                )
            case ReadableTokens():
                return self.readable.get(lookup.account.name, TokenAccounts())
            case FirstRight():
                return next((right for right in lookup.rights if right in self.may), None)
        raise AssertionError(f"no answer to {lookup}")

    def _controlled(self, lookup: ControlledIn) -> list[Controlled]:
        """Of the objects those of the kind that some controller has."""
        there = [
            Controlled(Placed(place, name, metadata.uid), owner)
            for (resource, place, name), metadata in self.objects.items()
            if resource == lookup.kind.resource and lookup.namespace in {"", place}
            if (owner := metadata.controller_owner)
        ]
        if lookup.kind.resource == REPLICA_SETS:
            sets = enumerate(self.replica_sets)
            there += [
                Controlled(Placed("payments", f"set-{at}", ""), each.controller) for at, each in sets if each.controller
            ]
        return [each for each in there if lookup.by in {"", each.controller.uid}]

    def questions(self, kind: type[L]) -> list[L]:
        """What was asked of one kind."""
        return [lookup for lookup in self.asked if isinstance(lookup, kind)]

    @property
    def read(self) -> list[tuple[GroupResource, str, str]]:
        """The objects that were read."""
        refs = [ref for lookup in self.questions(ReadObjects) for ref in lookup.refs]
        return [(ref.resource.resource, ref.namespace, ref.name) for ref in refs]

    def at_hand(self, lookup: Lookup[Any], policies: PolicyIndex) -> Any:
        """See Resolver."""
        nothing_owned = isinstance(lookup, Dependents) and not self.dependents and Dependents not in self.unknown
        return self(lookup) if nothing_owned or isinstance(lookup, ViewIsFresh) else LATER

    def answer(self, lookup: Lookup[Any], policies: PolicyIndex, deadline: float) -> Any:
        """See Resolver."""
        return self(lookup)


def _kind(workload: Target) -> ResolvedResource:
    return MAKERS[workload.resource]


def decide(
    asked: Request,
    cluster: ClusterState,
    mode: Mode = Mode.ENFORCE,
    answers: Answers | None = None,
    now: float = signing.NOW,
    rules: Iterable[ReviewRule] = RULES,
) -> Decision:
    """Decide a request as the webhook would."""
    context = ReviewContext(asked, cluster, mode, now, signing.memo())
    return lookups.drive(pipeline.review(context, rules), answers or Answers())


def ended(decided: Decision) -> list[str]:
    """The names of the protected objects that a request would end; a request that is free ends none."""
    expected = Reason.NOT_COVERED if decided.allowed else Reason.APPROVAL_MISSING
    assert decided.reason is expected, decided.message
    return [] if decided.allowed else [part.effect.target.name for part in decided.parts]


def refusal(decided: Decision) -> str:
    """What is said in a few words to whom no approval would help; empty where the request is let through."""
    if decided.allowed:
        return ""
    return decided.message.partition("\n")[0].partition(" is refused: ")[2].rpartition(" (")[0]
