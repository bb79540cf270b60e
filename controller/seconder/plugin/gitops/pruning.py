"""Which objects a merge would delete, each judged as the webhook would judge its deletion now."""

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from seconder.admission import codec, lookups, pipeline
from seconder.admission.decision import Decision
from seconder.admission.principal import service_account, service_account_caller
from seconder.admission.request import Caller
from seconder.admission.review import ReviewContext
from seconder.admission.state import ClusterState
from seconder.api.policy import Mode
from seconder.api.reasons import Reason
from seconder.api.resources import Target
from seconder.api.text import clean
from seconder.approvals.verification import Memo
from seconder.client.api import Api
from seconder.plugin.approving import cluster_reads
from seconder.plugin.approving.answers import Answers
from seconder.plugin.approving.cluster_reads import Place
from seconder.plugin.gitops import inventory
from seconder.plugin.gitops.identity import Identity
from seconder.plugin.gitops.inventory import KUSTOMIZATION, Inventory, Kinds
from seconder.plugin.gitops.rendering import Rendered
from seconder.plugin.terminal import cluster_state
from seconder.plugin.terminal.problem import Problem

_MOST: Final = 2000
"""Objects that are looked at."""

_KEPT_POLICIES: Final = frozenset({"Orphan"})
_DELETING_ANYWAY: Final = frozenset({"Delete", "WaitForTermination"})
_DELETES_OTHERS: Final = frozenset(
    {inventory.APPLICATION, ("argoproj.io", "ApplicationSet"), ("helm.toolkit.fluxcd.io", "HelmRelease")}
)
"""Kinds whose deletion deletes what they manage, which stands in no inventory that is read here."""


class Outcome(enum.StrEnum):
    """What would become of a deletion."""

    FREE = "free"
    APPROVED = "approved"
    REFUSED = "needs approval"
    UNKNOWN = "not known"


@dataclass(frozen=True, slots=True)
class Deletion:
    """An object that would be deleted, by whom, and what would become of it. ``until``: seconds since 1970, or None."""

    identity: Identity
    requester: str
    owner: str
    place: Place | None
    outcome: Outcome
    reason: str
    message: str
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a merge would do. ``stays`` are objects that leave Git and are not deleted, with the reason."""

    inventory: Inventory
    deletions: Sequence[Deletion]
    stays: Sequence[tuple[Identity, str]]
    notes: Sequence[str]

    @property
    def passes(self) -> bool:
        """Whether all that would be deleted is approved or free, and all of it is known."""
        return all(deletion.outcome in {Outcome.FREE, Outcome.APPROVED} for deletion in self.deletions)


@dataclass(frozen=True, slots=True)
class Cluster:
    """What deletions are judged by: the cluster as it was read at ``now``, in seconds since 1970."""

    api: Api
    kinds: Kinds
    state: ClusterState
    now: float


@dataclass(frozen=True, slots=True)
class _Candidate:
    identity: Identity
    inventory: Inventory
    replaced: bool = False


def plan(cluster: Cluster, managed: Inventory, rendered: Rendered, caller: Caller | None = None) -> Plan:
    """Compare, and judge each deletion. ``caller``: who the requester is beside its name. Raises Problem, ApiError."""
    kinds = cluster.kinds
    kept = {_normal(each, kinds, managed.default_namespace): document for each, document in rendered.items()}
    leaving = [each for each in managed.entries if _normal(each, kinds) not in kept]
    notes = list(managed.notes)
    if managed.entries and len(leaving) == len(managed.entries):
        notes.append("nothing that is managed today is among the manifests: are they the right ones?")
    candidates: list[_Candidate] = []
    stays: list[tuple[Identity, str]] = []
    if managed.prunes:
        candidates = [_Candidate(each, managed) for each in leaving]
    else:
        stays = [(each, "pruning is off") for each in leaving]
    # What stays in Git may be deleted, too, and made anew.
    for each in managed.entries:
        document = kept.get(_normal(each, kinds))
        if document is not None and (managed.replaces or inventory.replaced(managed.controller, document)):
            candidates.append(_Candidate(each, managed, replaced=True))
    deletions = list(_Judge(cluster, caller).all(candidates, stays))
    return Plan(managed, deletions, stays, notes)


class _Judge:
    """Judges deletions one by one, and what nested Kustomizations take along."""

    def __init__(self, cluster: Cluster, caller: Caller | None) -> None:
        self._api = cluster.api
        self._kinds = cluster.kinds
        self._state = cluster.state
        self._now = cluster.now
        self._callers = {} if caller is None else {caller.username: caller}
        self._operators: dict[str, ClusterState] = {}
        self._memo = Memo(1000)
        self._answers = Answers(cluster.api, cluster.state)

    def all(self, candidates: list[_Candidate], stays: list[tuple[Identity, str]]) -> Iterator[Deletion]:
        """Judge all of these; add to ``stays`` what is not deleted after all. Raises Problem and ApiError."""
        waiting, seen = list(candidates), set()
        while waiting:
            candidate = waiting.pop(0)
            key = (_normal(candidate.identity, self._kinds), candidate.inventory.requester)
            if key in seen:
                continue
            seen.add(key)
            if len(seen) > _MOST:
                raise Problem(f"a merge would delete more than {_MOST} objects: look at fewer at a time")
            place = self._place(candidate.identity)
            if place is None:
                told = "its kind is not served here, so that nothing tells whether it is there"
                yield _deletion(candidate, None, Outcome.UNKNOWN, "", told)
                continue
            document = place.document
            if document is None or document["metadata"].get("deletionTimestamp"):
                continue
            if not candidate.replaced and inventory.disabled(candidate.inventory.controller, document):
                stays.append((candidate.identity, "it says itself that it is not pruned"))
                continue
            judged = self._judged(candidate, place)
            if not candidate.replaced:
                waiting += self._nested(candidate.identity, place)
            elif judged.outcome is Outcome.FREE:
                continue
            yield judged

    def _place(self, each: Identity) -> Place | None:
        served = self._kinds.get((each.group, each.kind))
        if served is None:
            return None
        namespace = each.namespace if served.namespaced else ""
        return cluster_reads.live(
            self._api, Target(served.resource, served.kind, namespace, each.name, ""), served.version
        )

    def _judged(self, candidate: _Candidate, place: Place) -> Deletion:
        requester = candidate.inventory.requester
        caller = self._callers.get(requester) or caller_of(requester)
        body = codec.deletion_review(place.target, place.version, caller, place.document)
        context = ReviewContext(codec.decode(body), self._state_for(requester), Mode.ENFORCE, self._now, self._memo)
        decided = lookups.drive(pipeline.review(context), self._answers)
        if self._answers.failed:
            problem = self._answers.problem("it is not known what would happen")
            self._answers = Answers(self._api, self._state)
            return _deletion(candidate, place, Outcome.UNKNOWN, decided.reason.value, str(problem))
        if not decided.allowed:
            outcome = Outcome.UNKNOWN if candidate.replaced else Outcome.REFUSED
            told = decided.message.partition("\n")[0]
            if candidate.replaced:
                told = f"it may be deleted and made anew (force, replace); then: {told}"
            return _deletion(candidate, place, outcome, decided.reason.value, told)
        deletes_others = (candidate.identity.group, candidate.identity.kind) in _DELETES_OTHERS
        if decided.reason is not Reason.APPROVED:
            if deletes_others and not candidate.replaced:
                told = "its deletion deletes what it manages, and that is not looked at"
                return _deletion(candidate, place, Outcome.UNKNOWN, decided.reason.value, told)
            return _deletion(candidate, place, Outcome.FREE, decided.reason.value, _why_free(decided))
        until = min(approval.statement.exp for approval in decided.counted)
        peers = ", ".join(sorted({approval.statement.iss for approval in decided.counted}))
        told = f"by {peers}{' with what it manages' if deletes_others else ''}"
        return _deletion(candidate, place, Outcome.APPROVED, decided.reason.value, told, until)

    def _state_for(self, requester: str) -> ClusterState:
        if requester not in self._operators:
            recorded = cluster_state.operator_of(self._api, requester)
            operators = {} if recorded is None else {requester: recorded}
            self._operators[requester] = replace(self._state, operators=operators)
        return self._operators[requester]

    def _nested(self, each: Identity, place: Place) -> list[_Candidate]:
        """What goes when a Kustomization is deleted: its finalizer deletes all that it manages."""
        if (each.group, each.kind) != KUSTOMIZATION:
            return []
        document = place.found
        spec = document.get("spec") or {}
        policy = spec.get("deletionPolicy") or "MirrorPrune"
        deletes = policy in _DELETING_ANYWAY or (policy not in _KEPT_POLICIES and bool(spec.get("prune")))
        if spec.get("suspend") or not deletes or not (document.get("status") or {}).get("inventory"):
            return []
        if spec.get("kubeConfig"):
            raise Problem(f"{each.typed} deletes what it manages in another cluster: that is not looked at")
        managed = inventory.flux_inventory(self._api, document, None)
        return [_Candidate(entry, managed) for entry in managed.entries]


def caller_of(requester: str) -> Caller:
    """The caller that a user name stands for; a ServiceAccount has its groups."""
    account = service_account(requester)
    return service_account_caller(*account) if account else Caller(requester, frozenset({"system:authenticated"}))


def _deletion(
    candidate: _Candidate, place: Place | None, outcome: Outcome, reason: str, message: str, until: float | None = None
) -> Deletion:
    managed = candidate.inventory
    return Deletion(candidate.identity, managed.requester, managed.owner, place, outcome, reason, clean(message), until)


def _why_free(decided: Decision) -> str:
    if decided.broken_glass:
        return f"in an emergency: {decided.broken_glass}"
    return "no policy asks for approval of it"


def _normal(each: Identity, kinds: Kinds, default: str = "") -> Identity:
    """The identity as inventories have it: no namespace where the kind has none."""
    served = kinds.get((each.group, each.kind))
    if served is None:
        return each
    return Identity(each.group, each.kind, (each.namespace or default) if served.namespaced else "", each.name)
