"""One review from its bytes to its answer: nothing that goes wrong on the way lets anything through."""

import asyncio
import json
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry
from seconder.admission.borrowing import Account, Borrowed, Right
from seconder.client.existence import Existence
from seconder.client.lookup import Finder, LookupFailed
from seconder.client.owners import Owners
from seconder.client.rights import Rights
from tests.support import signing

from seconder.admission.dependents import Kind, Owned
from seconder.admission.policy_index import Installation, PolicyIndex
from seconder.admission.rbac import RoleRef, Rule
from seconder.admission.request import Owner, Request
from seconder.admission.state import ClusterState
from seconder.api.policy import Mode, Policy
from seconder.api.reasons import Reason
from seconder.api.resources import GroupResource, ResolvedResource, Target
from seconder.approvals.change import Change
from seconder.approvals.impact import Contents, LiveObject, Lookup, ObjectRef
from seconder.approvals.verification import Approval
from seconder.client.cache import Cache
from seconder.client.kinds import Kinds
from seconder.http.handler import BadReview
from seconder.observability.metrics import ReviewMetrics
from seconder.webhook.recorder import Recorder
from seconder.webhook.reviewer import Reviewer

DEPLOYMENTS = GroupResource("apps", "deployments")
RECORDED = Path(__file__).parents[2] / "edge" / "reviews"


class View:
    """What the reviewer sees of a cache, set by the test."""

    def __init__(self, *policies: Policy) -> None:
        self.state: ClusterState | None = ClusterState(PolicyIndex(policies), signing.registry(), {}, signing.AUDIENCE, Installation())
        self.is_fresh = True

    def fresh(self) -> bool:
        """Say so."""
        return self.is_fresh


class Search:
    """Answers look-ups with nothing held, and objects as the test set them; or fails."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.live: dict[str, LiveObject] = {}

    def look(self, refs: Sequence[ObjectRef]) -> dict[ObjectRef, LiveObject]:
        """See Finder."""
        if self.error is not None:
            raise self.error
        return {ref: self.live.get(ref.name, LiveObject(f"uid-{ref.name}", {})) for ref in refs}

    def find(self, lookups: list[Lookup]) -> Contents:
        """See Finder."""
        if self.error is not None:
            raise self.error
        return {lookup.resource.resource: [] for lookup in lookups}


class Ownerships:
    """Answers what goes with an object: nothing, something, or that it is not known."""

    def __init__(self) -> None:
        self.found: Sequence[Owned] | None = ()
        self.kinds: frozenset[Kind] | None = frozenset()
        self.asked: list[Target] = []
        self.keys: list[frozenset[str]] = []
        self.places: list[str] = []

    def nothing_owned(self, policies: PolicyIndex, keys: frozenset[str]) -> bool:
        """See Owners."""
        self.keys.append(keys)
        return self.found is not None and not self.found

    def owned(self, policies: PolicyIndex, keys: frozenset[str], target: Target) -> Sequence[Owned] | None:
        """See Owners."""
        self.asked.append(target)
        return self.found

    def owning(self, policies: PolicyIndex, place: str) -> frozenset[Kind] | None:
        """See Owners."""
        self.places.append(place)
        return self.kinds


class Served:
    """Says that each kind is served as its plural, or fails."""

    def __init__(self) -> None:
        self.fails = False

    def resources(self, kinds: Collection[Kind]) -> frozenset[GroupResource]:
        """See Kinds."""
        if self.fails:
            raise LookupFailed("no")
        return frozenset(GroupResource(each.api_version.rpartition("/")[0], f"{each.kind.lower()}s") for each in kinds)


class Notes:
    """What the reviewer had recorded. Says of every refusal that there is a change request, unless it is full."""

    def __init__(self) -> None:
        self.refusals: list[Change] = []
        self.uses: list[Change] = []
        self.emergencies: list[str] = []
        self.full = False

    def refused(self, change: Change, reason: Reason) -> bool:
        """See Recorder."""
        self.refusals.append(change)
        return not self.full

    def allowed(self, change: Change, counted: Sequence[Approval]) -> None:
        """See Recorder."""
        self.uses.append(change)

    def broke_glass(self, request: Request, reason: str) -> None:
        """See Recorder."""
        self.emergencies.append(reason)


class Answers:
    """Says what a role gives and what a ServiceAccount may do, or fails."""

    def __init__(self) -> None:
        self.role: list[Rule] = []
        self.right: Right | None = None
        self.fails = False

    def rules(self, role: RoleRef) -> list[Rule]:
        """See Rights."""
        if self.fails:
            raise LookupFailed("no")
        return self.role

    def borrowed(self, asked: tuple[Account, Sequence[Right]]) -> Borrowed:
        """See Rights."""
        if self.fails:
            raise LookupFailed("no")
        return Borrowed(asked[0], self.right)


class Register:
    """Says which owners are missing, or fails."""

    def __init__(self) -> None:
        self.missing_names: set[str] = set()
        self.error: Exception | None = None
        self.asked: list[tuple[str, Sequence[Owner]]] = []

    def missing(self, asked: tuple[str, Sequence[Owner]]) -> frozenset[Owner]:
        """See Existence."""
        self.asked.append(asked)
        if self.error is not None:
            raise self.error
        return frozenset(each for each in asked[1] if each.name in self.missing_names)


class Desk:
    """A reviewer over a view and a search, with its metrics."""

    def __init__(self, view: View, search: Search | None = None) -> None:
        self.registry = CollectorRegistry()
        self.view = view
        self.notes = Notes()
        self.owners = Ownerships()
        self.rights = Answers()
        self.register = Register()
        self.served = Served()
        self.reviewer = Reviewer(
            cast(Cache, view),
            cast(Finder, search or Search()),
            cast(Rights, self.rights),
            cast(Existence, self.register),
            cast(Owners, self.owners),
            cast(Kinds, self.served),
            cast(Recorder, self.notes),
            ReviewMetrics(self.registry),
            clock=lambda: float(signing.NOW),
        )

    def ask(self, document: Any, mode: Mode = Mode.ENFORCE) -> dict[str, Any]:
        """Review a document, or bytes; give the response."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        answer = self.reviewer.enforce if mode is Mode.ENFORCE else self.reviewer.audit
        response: dict[str, Any] = json.loads(asyncio.run(answer(body)))["response"]
        return response

    def count(self, name: str, **labels: str) -> float:
        """Add up a metric's samples that have these labels."""
        return sum(
            sample.value
            for metric in self.registry.collect()
            for sample in metric.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )


def _policy(mode: Mode = Mode.ENFORCE) -> Policy:
    resolved = {DEPLOYMENTS: ResolvedResource(DEPLOYMENTS, "v1", namespaced=True, custom=False)}
    return Policy("production", mode=mode, resources=frozenset({DEPLOYMENTS}), resolved=resolved)


def _review(recorded: str = "delete-deployment", /, **request: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((RECORDED / f"{recorded}.json").read_text())
    document["request"]["userInfo"] = {"username": signing.REQUESTER}
    document["request"] |= request
    return document


def _approved(**request: Any) -> dict[str, Any]:
    target = signing.DEPLOYMENT
    metadata = {"name": target.name, "namespace": target.namespace, "uid": target.uid}
    annotations = {"approval.seconder.dev/alice": signing.approval()}
    named = {"name": target.name, "namespace": target.namespace}
    return _review(oldObject={"metadata": metadata | {"annotations": annotations}}, **named, **request)


def test_a_refusal_says_why_everywhere() -> None:
    """403, the reason in the causes and the audit annotations, and counted once."""
    desk = Desk(View(_policy()))
    review = _review()
    response = desk.ask(review)
    assert (response["allowed"], response["uid"], response["status"]["code"]) == (False, review["request"]["uid"], 403)
    assert response["status"]["details"]["causes"][0]["reason"] == "ApprovalMissing"
    audit = response["auditAnnotations"]
    assert (audit["decision"], audit["reason"], audit["policies"]) == ("deny", "ApprovalMissing", "production")
    assert desk.count("seconder_admission_requests_total", decision="deny", reason="ApprovalMissing") == 1
    assert desk.count("seconder_blocked_actions_total", agent="kiro", resource="deployments.apps", namespace="") == 1


def test_an_approval_that_lets_through_is_named_in_the_audit_trail() -> None:
    """By approver and token; its use is counted."""
    desk = Desk(View(_policy()))
    response = desk.ask(_approved())
    assert response["allowed"]
    audit = response["auditAnnotations"]
    assert (audit["reason"], audit["approvers"]) == ("Approved", "alice@example.com")
    assert audit["approvals"] == signing.claims()["jti"]
    assert desk.count("seconder_approvals_used_total") == 1
    assert desk.count("seconder_approval_age_seconds_sum") == 100


def test_a_dry_run_is_decided_alike_and_not_counted_as_blocked_or_used() -> None:
    """It changes nothing."""
    desk = Desk(View(_policy()))
    assert desk.ask(_approved(dryRun=True))["allowed"]
    assert not desk.ask(_review(dryRun=True))["allowed"]
    assert desk.count("seconder_approvals_used_total") == 0
    assert desk.count("seconder_blocked_actions_total") == 0
    assert desk.count("seconder_admission_requests_total", dry_run="true") == 2


def _owned(name: str) -> Owned:
    resource = ResolvedResource(DEPLOYMENTS, "v1", namespaced=True, custom=False, kind="Deployment")
    return Owned(resource, "payments", name, f"uid-{name}", GroupResource("", "configmaps"))


def _of_config_map(**request: Any) -> dict[str, Any]:
    review = _review(**request)
    review["request"]["resource"] = {"group": "", "version": "v1", "resource": "configmaps"}
    review["request"]["kind"] = {"group": "", "version": "v1", "kind": "ConfigMap"}
    return review


def test_what_goes_along_is_refused_and_noted_object_by_object() -> None:
    """One refusal; a change request for each object that lacks approval."""
    desk = Desk(View(_policy()))
    desk.owners.found = [_owned("a"), _owned("b")]
    message = desk.ask(_of_config_map())["status"]["message"]
    assert [change.target.name for change in desk.notes.refusals] == ["a", "b"]
    assert f"change request: {desk.notes.refusals[0].name}" in message
    assert [target.resource.resource for target in desk.owners.asked] == ["configmaps"]


def test_what_goes_along_on_approval_is_noted_object_by_object() -> None:
    """With the approvals of each; they are counted under the kind of the object that they are on."""
    search = Search()
    search.live["checkout"] = LiveObject(signing.DEPLOYMENT.uid, {"approval.seconder.dev/alice": signing.approval()})
    desk = Desk(View(_policy()), search)
    desk.owners.found = [_owned("checkout")._replace(uid=signing.DEPLOYMENT.uid)]
    assert desk.ask(_of_config_map())["allowed"]
    assert [change.target.name for change in desk.notes.uses] == ["checkout"]
    assert desk.count("seconder_approvals_used_total", resource="deployments.apps") == 1


def test_while_it_is_not_known_who_owns_what_an_agents_deletion_is_refused() -> None:
    """Of anything; a person's is not looked at."""
    desk = Desk(View(_policy()))
    desk.owners.found = None
    assert "what it owns is not known yet" in desk.ask(_of_config_map())["status"]["message"]
    assert desk.ask(_of_config_map(userInfo={"username": "dana@example.com"}))["allowed"]
    assert len(desk.owners.asked) == 1


def test_a_refusal_is_noted_and_names_its_change_request() -> None:
    """Where there is no place for one, it says how to approve without."""
    desk = Desk(View(_policy()))
    first = desk.ask(_review())["status"]["message"]
    (change,) = desk.notes.refusals
    assert f"change request: {change.name}" in first
    assert first.endswith(f"Ask an approver: kubectl seconder approve {change.name}")
    desk.notes.full = True
    second = desk.ask(_review())["status"]["message"]
    assert "change request:" not in second
    assert "--requester" in second


def test_what_changes_nothing_is_not_noted() -> None:
    """Neither dry runs nor what Audit watches."""
    desk = Desk(View(_policy()))
    desk.ask(_review(dryRun=True))
    desk.ask(_approved(dryRun=True))
    watching = Desk(View(_policy(Mode.AUDIT)))
    watching.ask(_review(), Mode.AUDIT)
    watching.ask(_approved(), Mode.AUDIT)
    for each in (desk, watching):
        assert (each.notes.refusals, each.notes.uses) == ([], [])


def test_what_was_let_through_is_noted() -> None:
    """So that its change request can be told used from withdrawn."""
    desk = Desk(View(_policy()))
    assert desk.ask(_approved())["allowed"]
    assert [change.requester for change in desk.notes.uses] == [signing.REQUESTER]


def test_no_change_request_is_noted_for_what_no_approval_lets_through() -> None:
    """An agent's touch of the guard itself."""
    desk = Desk(View(_policy()))
    resource = {"group": "seconder.dev", "version": "v1alpha1", "resource": "approvers"}
    response = desk.ask(_review(resource=resource))
    assert response["status"]["details"]["causes"][0]["reason"] == "ProtectedConfiguration"
    assert desk.notes.refusals == []


def test_a_view_that_is_not_fresh_counts_no_approval() -> None:
    """InternalError, a refusal."""
    desk = Desk(View(_policy()))
    desk.view.is_fresh = False
    assert desk.ask(_approved())["status"]["details"]["causes"][0]["reason"] == "InternalError"


def test_a_view_that_is_not_loaded_refuses() -> None:
    """To Audit it is a warning."""
    desk = Desk(View())
    desk.view.state = None
    assert not desk.ask(_review())["allowed"]
    assert desk.ask(_review(), Mode.AUDIT)["allowed"]


def test_audit_never_blocks_and_says_what_would_have_happened() -> None:
    """With a warning; nothing is counted as blocked."""
    desk = Desk(View(_policy(Mode.AUDIT)))
    response = desk.ask(_review(), Mode.AUDIT)
    assert response["allowed"]
    [warning] = response["warnings"]
    assert warning.startswith("audit: would be refused: Delete of deployments.apps")
    assert response["auditAnnotations"]["decision"] == "deny"
    assert desk.count("seconder_blocked_actions_total") == 0
    assert desk.ask(_review())["allowed"]


@pytest.mark.parametrize("error", [LookupFailed("late"), KeyError("metadata"), RuntimeError("the password is hunter2")])
def test_a_look_up_that_fails_in_any_way_refuses(error: Exception, capfd: pytest.CaptureFixture[str]) -> None:
    """With nothing internal in the answer, and a line in the log."""
    desk = Desk(View(_policy()), Search(error))
    response = desk.ask(_review("delete-namespace"))
    assert not response["allowed"]
    assert response["status"]["details"]["causes"][0]["reason"] == "InternalError"
    assert "hunter2" not in json.dumps(response)
    assert desk.count("seconder_admission_requests_total", decision="error", reason="InternalError") == 1
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert any(line["level"] in {"warning", "error"} for line in lines)


def test_an_empty_namespace_stays_free() -> None:
    """The policy names deployments, and there are none."""
    assert Desk(View(_policy())).ask(_review("delete-namespace"))["allowed"]


def test_a_malformed_review_is_refused_with_its_uid() -> None:
    """Without one there is nobody to answer; to Audit it is a warning."""
    desk = Desk(View(_policy()))
    response = desk.ask(b'{"request":{"uid":"u-1"}}')
    assert (response["uid"], response["allowed"]) == ("u-1", False)
    assert response["status"]["details"]["causes"][0]["reason"] == "RequestMalformed"
    assert desk.ask(b'{"request":{"uid":"u-1"}}', Mode.AUDIT)["allowed"]
    with pytest.raises(BadReview):
        desk.ask(b"{}")
    assert desk.count("seconder_admission_requests_total", reason="RequestMalformed") == 3


def test_reviews_in_flight_come_back_to_none() -> None:
    """Whatever became of them."""
    desk = Desk(View(_policy()), Search(RuntimeError("x")))
    for body in (b"{}", b'{"request":{"uid":"u"}}', json.dumps(_review("delete-namespace")).encode()):
        try:
            desk.ask(body)
        except BadReview:
            continue
    assert desk.count("seconder_admission_requests_in_flight") == 0


def test_a_decision_is_one_line_of_json(capfd: pytest.CaptureFixture[str]) -> None:
    """However odd the names in it are."""
    desk = Desk(View(_policy()))
    desk.ask(_review(userInfo={"username": "a\nb\u202e\x1b[2J", "groups": ["seconder.dev:agents"]}))
    [line] = capfd.readouterr().out.splitlines()
    logged = json.loads(line)
    assert (logged["decision"], logged["reason"], logged["user"]) == ("deny", "ApprovalMissing", "a\nb\u202e\x1b[2J")


def _binding() -> dict[str, Any]:
    document = {
        "metadata": {"name": "x"},
        "roleRef": {"kind": "ClusterRole", "name": "r"},
        "subjects": [{"kind": "User", "name": "erin"}],
    }
    resource = {"group": "rbac.authorization.k8s.io", "version": "v1", "resource": "clusterrolebindings"}
    return _review(operation="CREATE", resource=resource, name="x", namespace="", object=document, oldObject=None)


def _pod() -> dict[str, Any]:
    document = {"metadata": {"name": "x"}, "spec": {"serviceAccountName": "worker"}}
    resource = {"group": "", "version": "v1", "resource": "pods"}
    return _review(operation="CREATE", resource=resource, name="x", object=document, oldObject=None)


@pytest.mark.parametrize("make", [_binding, _pod])
def test_what_is_given_or_borrowed_is_looked_up(make: Callable[[], dict[str, Any]]) -> None:
    """And refused when it is too much, when it cannot be told, and when policies may be others by now."""
    desk = Desk(View(_policy()))
    assert desk.ask(make())["allowed"]
    desk.rights.role = [Rule(frozenset({"apps"}), frozenset({"deployments"}), frozenset({"delete"}))]
    desk.rights.right = Right("delete", "apps", "deployments", "", "payments")
    assert desk.ask(make())["auditAnnotations"]["reason"] == Reason.PROTECTED_CONFIGURATION
    desk.rights.fails = True
    assert desk.ask(make())["auditAnnotations"]["reason"] == Reason.INTERNAL_ERROR
    assert desk.ask(make() | {"request": make()["request"] | {"userInfo": {"username": "erin"}}})["allowed"]
    stale = Desk(View(_policy()))
    stale.view.is_fresh = False
    assert stale.ask(make())["auditAnnotations"]["reason"] == Reason.INTERNAL_ERROR


@pytest.mark.parametrize("make", [_binding, _pod])
def test_what_owns_protected_objects_is_known_before_anything_is_given_or_borrowed(
    make: Callable[[], dict[str, Any]],
) -> None:
    """Where that cannot be told, nothing is; who is no agent is not asked."""
    desk = Desk(View(_policy()))
    desk.owners.kinds = frozenset({Kind("example.com/v1", "Stack")})
    desk.rights.role = [Rule(frozenset({"example.com"}), frozenset({"stacks"}), frozenset({"delete"}))]
    desk.rights.right = Right("delete", "example.com", "stacks", "", "payments")
    assert desk.ask(make())["auditAnnotations"]["reason"] == Reason.PROTECTED_CONFIGURATION
    assert desk.owners.places == [make()["request"].get("namespace", "")]
    desk.rights.role, desk.rights.right = [], None
    assert desk.ask(make())["allowed"]
    desk.served.fails = True
    assert desk.ask(make())["auditAnnotations"]["reason"] == Reason.INTERNAL_ERROR
    desk.owners.kinds = None
    assert desk.ask(make())["auditAnnotations"]["reason"] == Reason.INTERNAL_ERROR
    assert desk.ask(make() | {"request": make()["request"] | {"userInfo": {"username": "erin"}}})["allowed"]
    assert len(desk.owners.places) == 4


def _owned_by(name: str, **request: Any) -> dict[str, Any]:
    owners = [{"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": "uid-9"}]
    stored = {"name": "checkout", "namespace": "payments", "uid": "uid-1"}
    given = {"name": "checkout", "namespace": "payments", "operation": "UPDATE", "options": {}}
    person = {"username": "dana@example.com"}
    objects = {"object": {"metadata": stored | {"ownerReferences": owners}}, "oldObject": {"metadata": stored}}
    return _review(**(given | objects | {"userInfo": person} | request))


def test_a_persons_new_owner_is_looked_for() -> None:
    """In the object's namespace; one that is there is no matter, one that is not is refused."""
    desk = Desk(View(_policy()))
    desk.register.missing_names = {"ghost"}
    assert desk.ask(_owned_by("real"))["allowed"]
    refused = desk.ask(_owned_by("ghost"))
    assert refused["auditAnnotations"]["reason"] == "ProtectedConfiguration"
    assert refused["auditAnnotations"]["action"] == "ChangeOwners"
    assert [namespace for namespace, _ in desk.register.asked] == ["payments", "payments"]
    assert desk.notes.refusals == []


@pytest.mark.parametrize("error", [LookupFailed("late"), RuntimeError("a bug")])
def test_an_owner_that_cannot_be_looked_for_is_refused(error: Exception, capfd: pytest.CaptureFixture[str]) -> None:
    """For want of an answer, whatever the cause."""
    desk = Desk(View(_policy()))
    desk.register.error = error
    response = desk.ask(_owned_by("real"))
    assert not response["allowed"]
    assert response["auditAnnotations"]["reason"] == "InternalError"
    assert capfd.readouterr().out


def test_an_agents_new_owner_is_not_looked_for() -> None:
    """Approvals decide there, and nobody is kept busy by it."""
    desk = Desk(View(_policy()))
    response = desk.ask(_owned_by("real", userInfo={"username": signing.REQUESTER}))
    assert response["auditAnnotations"]["reason"] == "ApprovalMissing"
    assert desk.register.asked == []
