"""One review from its bytes to its answer: nothing that goes wrong on the way lets anything through."""

import asyncio
import json
import threading
import time
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry
from tests.support import signing
from tests.support.builders import (
    AGENT,
    CONFIG_MAPS,
    DEPLOYMENT,
    DEPLOYMENTS,
    GHOST,
    PERSON,
    approved,
    creation,
    deletion,
    live,
    policy,
    resolved,
    scale,
    state,
    target,
    update,
)
from tests.support.resolving import Answers
from tests.support.served import View

from seconder.admission.decision import Decision
from seconder.admission.dependents import Dependent
from seconder.admission.lookups import (
    Dependents,
    FirstRight,
    Lookup,
    MissingOwners,
    NamespaceContents,
    Right,
    RoleRules,
)
from seconder.admission.policy_index import PolicyIndex
from seconder.admission.rbac import Rule
from seconder.admission.request import Caller, Request
from seconder.api import constants
from seconder.api.policy import Mode, Policy, Subjects
from seconder.api.reasons import Reason
from seconder.api.resources import NAMESPACES, PODS, GroupResource
from seconder.approvals.change import Change
from seconder.approvals.verification import Approval
from seconder.http.handler import BadReview
from seconder.http.limits import SMALL_BODY_BYTES
from seconder.observability.metrics import ReviewMetrics
from seconder.webhook import reviewer as reviewer_module
from seconder.webhook.recorder import Recorder
from seconder.webhook.reviewer import Reviewer

PROTECTING = policy(name="production")
WATCHING = policy(name="production", mode=Mode.AUDIT)
OWNER = target(CONFIG_MAPS, "owner")
NAMESPACE = deletion(target(NAMESPACES, "payments"))
APPROVED = deletion(stored={"annotations": approved()})


class Notes(Recorder):
    """What the reviewer had recorded. Says of every refusal that there is a change request, unless it is full."""

    def __init__(self) -> None:
        self.refusals: list[Change] = []
        self.uses: list[Change] = []
        self.seen: list[bool] = []
        self.emergencies: list[str] = []
        self.full = False
        self.shown: bool | Exception = True
        self.seconds = 0.0

    def sees(self, decided: Decision, policies: PolicyIndex) -> bool:
        """See Recorder."""
        time.sleep(self.seconds)
        if isinstance(self.shown, Exception):
            raise self.shown
        return self.shown

    def refused(self, change: Change, reason: Reason) -> bool:
        """See Recorder."""
        self.refusals.append(change)
        return not self.full

    def denial(self, change: Change) -> str:
        """See Recorder."""
        return ""

    def allowed(self, change: Change, counted: Sequence[Approval], *, seen: bool = False) -> None:
        """See Recorder."""
        self.uses.append(change)
        self.seen.append(seen)

    def broke_glass(self, request: Request, reason: str) -> None:
        """See Recorder."""
        self.emergencies.append(reason)


class Desk:
    """A reviewer over a cluster, with its metrics. ``others`` answers for who is no agent."""

    def __init__(
        self, *policies: Policy, agents: Answers | None = None, others: Answers | None = None, proven: bool = True
    ) -> None:
        self.registry = CollectorRegistry()
        self.view = View(state(*(policies or (PROTECTING,))))
        self.notes = Notes()
        self.agents, self.others = agents or Answers(), others or Answers()
        metrics = ReviewMetrics(self.registry)
        resolvers = (self.agents, self.others)
        now = float(signing.NOW)
        self.reviewer = Reviewer(self.view, resolvers, self.notes, metrics, clock=lambda: now, proven=proven)

    async def answer(self, asked: Request | bytes, mode: Mode = Mode.ENFORCE) -> dict[str, Any]:
        """Review a request, or bytes; give the response."""
        handler = self.reviewer.enforce if mode is Mode.ENFORCE else self.reviewer.audit
        answered = handler(asked if isinstance(asked, bytes) else asked.body)
        response: dict[str, Any] = json.loads(answered if isinstance(answered, bytes) else await answered)["response"]
        return response

    def ask(self, asked: Request | bytes, mode: Mode = Mode.ENFORCE) -> dict[str, Any]:
        """See ``answer``."""
        return asyncio.run(self.answer(asked, mode))

    def reason(self, asked: Request) -> str:
        """Tell why."""
        return str(self.ask(asked)["auditAnnotations"]["reason"])

    def count(self, name: str, **labels: str) -> float:
        """Add up a metric's samples that have these labels."""
        return sum(
            sample.value
            for metric in self.registry.collect()
            for sample in metric.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )


def test_a_refusal_says_why_everywhere() -> None:
    """403, the reason in the causes and the audit annotations, and counted once."""
    desk = Desk()
    response = desk.ask(deletion())
    assert (response["allowed"], response["uid"], response["status"]["code"]) == (False, "review-1", 403)
    assert response["status"]["details"]["causes"][0]["reason"] == "ApprovalMissing"
    audit = response["auditAnnotations"]
    assert (audit["decision"], audit["reason"], audit["policies"]) == ("deny", "ApprovalMissing", "production")
    assert (audit["action"], audit["agent"]) == ("Delete", "kiro")
    assert desk.count("seconder_admission_requests_total", decision="deny", reason="ApprovalMissing") == 1
    assert desk.count("seconder_blocked_actions_total", agent="kiro", resource="deployments.apps", namespace="") == 1


def test_an_approval_that_lets_through_is_named_in_the_audit_trail() -> None:
    """By approver and token; its use is counted."""
    desk = Desk()
    response = desk.ask(APPROVED)
    assert response["allowed"]
    audit = response["auditAnnotations"]
    assert (audit["reason"], audit["approvers"]) == ("Approved", "alice@example.com")
    assert audit["approvals"] == signing.claims()["jti"]
    assert desk.count("seconder_approvals_used_total") == 1
    assert desk.count("seconder_approval_age_seconds_sum") == 100


def test_a_dry_run_is_decided_alike_and_not_counted_as_blocked_or_used() -> None:
    """It changes nothing."""
    desk = Desk()
    assert desk.ask(deletion(stored={"annotations": approved()}, dryRun=True))["allowed"]
    assert not desk.ask(deletion(dryRun=True))["allowed"]
    assert desk.count("seconder_approvals_used_total") == 0
    assert desk.count("seconder_blocked_actions_total") == 0
    assert desk.count("seconder_admission_requests_total", dry_run="true") == 2


def _owning(*names: str, **metadata: Any) -> Answers:
    owned = [DEPLOYMENT if name == "checkout" else target(name=name) for name in names]
    objects = {place: there for one in owned for place, there in live(one, **metadata).items()}
    along = [Dependent(resolved(DEPLOYMENTS), "payments", one.name, one.uid, CONFIG_MAPS) for one in owned]
    return Answers(objects=objects, dependents=along)


def test_what_goes_along_is_refused_and_noted_object_by_object() -> None:
    """One refusal; a change request for each object that lacks approval."""
    desk = Desk(agents=_owning("a", "b"))
    message = desk.ask(deletion(OWNER))["status"]["message"]
    assert [change.target.name for change in desk.notes.refusals] == ["a", "b"]
    assert f"change request: {desk.notes.refusals[0].name}" in message


def test_what_goes_along_on_approval_is_noted_object_by_object() -> None:
    """With the approvals of each; they are counted under the kind of the object that they are on."""
    desk = Desk(agents=_owning("checkout", annotations=approved()))
    assert desk.ask(deletion(OWNER))["allowed"]
    assert [change.target.name for change in desk.notes.uses] == ["checkout"]
    assert desk.count("seconder_approvals_used_total", resource="deployments.apps") == 1


def test_while_it_is_not_known_who_owns_what_an_agents_deletion_is_refused() -> None:
    """Of anything; a person's is not looked at."""
    desk = Desk(agents=Answers(unknown=[Dependents]), others=Answers(unknown=[Dependents]))
    assert "what it owns is not known yet" in desk.ask(deletion(OWNER))["status"]["message"]
    assert desk.ask(deletion(OWNER, PERSON))["allowed"]
    assert desk.others.questions(Dependents) == []


def test_a_refusal_is_noted_and_names_its_change_request() -> None:
    """Where there is no place for one, it says how to approve without."""
    desk = Desk()
    first = desk.ask(deletion())["status"]["message"]
    (change,) = desk.notes.refusals
    assert f"change request: {change.name}" in first
    assert first.endswith(f"Ask an approver: kubectl seconder approve {change.name}")
    desk.notes.full = True
    second = desk.ask(deletion())["status"]["message"]
    assert "change request:" not in second
    assert "--requester" in second


def test_what_changes_nothing_is_not_noted() -> None:
    """Neither dry runs nor what Audit watches."""
    desk, watching = Desk(), Desk(WATCHING)
    for held in ({}, approved()):
        desk.ask(deletion(stored={"annotations": held}, dryRun=True))
        watching.ask(deletion(stored={"annotations": held}), Mode.AUDIT)
    for reviewing in (desk, watching):
        assert (reviewing.notes.refusals, reviewing.notes.uses) == ([], [])


def test_what_was_let_through_is_noted() -> None:
    """So that its change request can be told used from withdrawn."""
    desk = Desk()
    assert desk.ask(APPROVED)["allowed"]
    assert [change.requester for change in desk.notes.uses] == [signing.REQUESTER]


def test_what_is_let_through_in_part_is_not_noted_as_used() -> None:
    """An approval for one of two actions has not been used by a refusal."""
    desk = Desk()
    held = {"annotations": approved(detail={"actions": ["ScaleToZero"]})}
    both = update(old=held | {"spec": {"replicas": 1}}, new=held | {"spec": {"replicas": 0}, "owners": [GHOST]})
    assert not desk.ask(both)["allowed"]
    assert (len(desk.notes.refusals), desk.notes.uses) == (1, [])
    assert desk.count("seconder_approvals_used_total") == 0


EVERYONE = policy(subjects=Subjects.EVERYONE, break_glass_groups=frozenset({"oncall"}))
GLASS = {"annotations": {constants.BREAK_GLASS: "2026-11-22T04:30:00Z INC-4821"}}
SPENDING = update(
    old={"annotations": approved(detail={"actions": ["ScaleToZero"]}), "spec": {"replicas": 3}},
    new={"spec": {"replicas": 0}},
)
"""What lets it through goes by it."""
EMERGENCY = deletion(user=Caller("dana", frozenset({"oncall"})), stored=GLASS)


def test_an_emergency_is_noted_and_counted() -> None:
    """With its reason, in the audit trail too."""
    desk = Desk(EVERYONE)
    response = desk.ask(EMERGENCY)
    assert (response["allowed"], response["auditAnnotations"]["break-glass"]) == (True, "INC-4821")
    assert desk.notes.emergencies == ["INC-4821"]
    assert desk.count("seconder_break_glass_total") == 1
    assert desk.count("seconder_admission_unproven_reviews_total") == 0


@pytest.mark.parametrize("sees", [False, ValueError("what")], ids=["not so", "not known"])
def test_an_emergency_that_is_not_seen_is_let_through_without_an_event(sees: bool | Exception) -> None:
    """Anybody who reaches the port could have made it up."""
    desk = Desk(EVERYONE)
    desk.notes.shown = sees
    assert desk.ask(EMERGENCY)["allowed"]
    assert desk.notes.emergencies == []
    assert desk.count("seconder_admission_unproven_reviews_total", reason="NotAsStored") == 1


def test_nobody_in_an_emergency_waits_long_for_a_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """The API server may be what the emergency is about."""
    monkeypatch.setattr(reviewer_module, "_SEEING_SECONDS", 0.05)
    desk = Desk(EVERYONE)
    desk.notes.seconds = 0.5

    async def timed() -> float:
        started = time.perf_counter()
        assert (await desk.answer(EMERGENCY))["allowed"]
        return time.perf_counter() - started

    assert asyncio.run(timed()) < 0.4
    assert desk.notes.emergencies == []


@pytest.mark.parametrize("shown", [True, False, ValueError("what")], ids=["so", "not so", "not known"])
def test_what_an_update_takes_off_is_seen_before_it_is_let_through(shown: bool | Exception) -> None:
    """Nothing on the object tells of it afterwards. Nobody is refused for want of that look."""
    desk = Desk(PROTECTING)
    desk.notes.shown = shown
    assert desk.ask(SPENDING)["allowed"]
    assert (len(desk.notes.uses), desk.notes.seen) == (1, [shown is True])
    desk.notes.shown = True
    assert desk.ask(APPROVED)["allowed"]
    assert desk.notes.seen[1:] == [False]


@pytest.mark.parametrize("mode", [Mode.ENFORCE, Mode.AUDIT])
@pytest.mark.parametrize(
    "asked",
    [deletion(), APPROVED, SPENDING, EMERGENCY, b"{}", b'{"request": {"uid": "1"}}'],
    ids=lambda each: type(each).__name__,
)
def test_whoever_is_no_proven_api_server_leaves_no_trace_but_a_counter(
    asked: Request | bytes, mode: Mode, capfd: pytest.CaptureFixture[str]
) -> None:
    """No record, no line in the log, no other number; and is answered the same."""
    proven, unproven = Desk(PROTECTING, EVERYONE), Desk(PROTECTING, EVERYONE, proven=False)

    def answer(desk: Desk) -> Any:
        try:
            return desk.ask(asked, mode)
        except BadReview as bad:
            return bad.detail

    expected = answer(proven)
    capfd.readouterr()
    given = answer(unproven)
    assert str(given.get("allowed") if isinstance(given, dict) else given) == str(
        expected.get("allowed") if isinstance(expected, dict) else expected
    )
    assert capfd.readouterr() == ("", "")
    assert (unproven.notes.refusals, unproven.notes.uses, unproven.notes.emergencies) == ([], [], [])
    totals = {
        sample.name: sample.value
        for metric in unproven.registry.collect()
        for sample in metric.samples
        if sample.value and sample.name.endswith("_total")
    }
    assert totals == {"seconder_admission_unproven_reviews_total": 1.0}


def test_a_large_review_holds_up_no_small_one() -> None:
    """It takes as long as a hundred of them, and an agent may send many."""
    desk = Desk()
    labels = {f"label-{number}": "v" * 63 for number in range(2_000)}
    large = deletion(stored={"labels": labels})
    assert len(large.body) > SMALL_BODY_BYTES
    begun, go_on = threading.Event(), threading.Event()

    def busy() -> None:
        begun.set()
        go_on.wait(10)

    async def side_by_side() -> tuple[dict[str, Any], dict[str, Any]]:
        desk.reviewer._reading.submit(busy)
        begun.wait(10)
        waiting = asyncio.ensure_future(desk.answer(large))
        await asyncio.sleep(0)
        small = await asyncio.wait_for(desk.answer(deletion()), 5)
        assert not waiting.done()
        go_on.set()
        return small, await waiting

    small, answered = asyncio.run(side_by_side())
    assert (small["allowed"], answered["allowed"]) == (False, False)
    assert answered["status"]["message"] == small["status"]["message"]
    assert not desk.ask(b'{"request": {"uid": "1", "what": "' + b"x" * SMALL_BODY_BYTES + b'"}}')["allowed"]


def test_no_persons_large_review_waits_for_an_agents() -> None:
    """Whose it is is told once it is read."""
    desk = Desk()
    labels = {f"label-{number}": "v" * 63 for number in range(2_000)}
    mine, persons = (deletion(user=user, stored={"labels": labels}) for user in (AGENT, PERSON))
    begun, go_on = threading.Event(), threading.Event()

    def busy() -> None:
        begun.set()
        go_on.wait(10)

    async def side_by_side() -> tuple[dict[str, Any], dict[str, Any]]:
        desk.reviewer._agents.large.submit(busy)
        begun.wait(10)
        waiting = asyncio.ensure_future(desk.answer(mine))
        free = await asyncio.wait_for(desk.answer(persons), 5)
        assert not waiting.done()
        go_on.set()
        return free, await waiting

    free, refused = asyncio.run(side_by_side())
    assert (free["allowed"], refused["allowed"]) == (True, False)


def test_no_change_request_is_noted_for_what_no_approval_lets_through() -> None:
    """An agent's touch of the guard itself."""
    desk = Desk()
    assert desk.reason(deletion(target(GroupResource("seconder.dev", "approvers")))) == "ProtectedConfiguration"
    assert desk.notes.refusals == []


def test_a_view_that_is_not_fresh_counts_no_approval() -> None:
    """InternalError, a refusal."""
    assert Desk(agents=Answers(fresh=False)).reason(APPROVED) == "InternalError"


def test_a_view_that_is_not_loaded_refuses() -> None:
    """To Audit it is a warning."""
    desk = Desk()
    desk.view.state = None
    assert not desk.ask(deletion())["allowed"]
    assert desk.ask(deletion(), Mode.AUDIT)["allowed"]


def test_audit_never_blocks_and_says_what_would_have_happened() -> None:
    """With a warning; nothing is counted as blocked."""
    desk = Desk(WATCHING)
    response = desk.ask(deletion(), Mode.AUDIT)
    assert response["allowed"]
    [warning] = response["warnings"]
    assert warning.startswith("audit: would be refused: Delete of deployments.apps")
    assert response["auditAnnotations"]["decision"] == "deny"
    assert desk.count("seconder_blocked_actions_total") == 0
    assert desk.ask(deletion())["allowed"]


class Broken(Answers):
    """Fails as nobody foresaw."""

    error: Exception

    def answer(self, lookup: Lookup[Any], policies: PolicyIndex, deadline: float) -> Any:
        """See Resolver."""
        raise self.error


@pytest.mark.parametrize("error", [KeyError("metadata"), RuntimeError("the password is hunter2")])
def test_a_look_up_that_fails_in_any_way_refuses(error: Exception, capfd: pytest.CaptureFixture[str]) -> None:
    """With nothing internal in the answer, and a line in the log."""
    broken = Broken()
    broken.error = error
    desk = Desk(agents=broken)
    response = desk.ask(NAMESPACE)
    assert not response["allowed"]
    assert response["status"]["details"]["causes"][0]["reason"] == "InternalError"
    assert "hunter2" not in json.dumps(response)
    assert desk.count("seconder_admission_requests_total", decision="error", reason="InternalError") == 1
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert any(line["level"] == "error" for line in lines)


def test_a_look_up_without_an_answer_refuses() -> None:
    """In its own words."""
    desk = Desk(agents=Answers(unknown=[NamespaceContents]))
    response = desk.ask(NAMESPACE)
    assert response["auditAnnotations"] | {"agent": ""} == {
        "decision": "deny",
        "reason": "InternalError",
        "mode": "Enforce",
        "action": "Delete",
        "agent": "",
    }
    assert "what the namespace holds could not be looked up" in response["status"]["message"]
    assert desk.count("seconder_admission_requests_total", decision="error", reason="InternalError") == 1


def test_an_empty_namespace_stays_free() -> None:
    """The policy names deployments, and there are none."""
    assert Desk().ask(NAMESPACE)["allowed"]


def test_a_malformed_review_is_refused_with_its_uid() -> None:
    """Without one there is nobody to answer; to Audit it is a warning."""
    desk = Desk()
    response = desk.ask(b'{"request":{"uid":"u-1"}}')
    assert (response["uid"], response["allowed"]) == ("u-1", False)
    assert response["status"]["details"]["causes"][0]["reason"] == "RequestMalformed"
    assert desk.ask(b'{"request":{"uid":"u-1"}}', Mode.AUDIT)["allowed"]
    with pytest.raises(BadReview):
        desk.ask(b"{}")
    assert desk.count("seconder_admission_requests_total", reason="RequestMalformed") == 3


def test_what_a_rule_does_not_understand_is_malformed_too() -> None:
    """Found later, and answered alike."""
    strange = creation(target(GroupResource("rbac.authorization.k8s.io", "roles")), new={"rules": "all"})
    response = Desk().ask(strange)
    assert (response["allowed"], response["uid"]) == (False, "review-1")
    assert response["auditAnnotations"] == {"decision": "error", "reason": "RequestMalformed"}


def test_reviews_in_flight_come_back_to_none() -> None:
    """Whatever became of them."""
    broken = Broken()
    broken.error = RuntimeError("x")
    desk = Desk(agents=broken)
    for body in (b"{}", b'{"request":{"uid":"u"}}', NAMESPACE.body):
        try:
            desk.ask(body)
        except BadReview:
            continue
    assert desk.count("seconder_admission_requests_in_flight") == 0


def test_a_decision_is_one_line_of_json(capfd: pytest.CaptureFixture[str]) -> None:
    """However odd the names in it are."""
    Desk().ask(deletion(user=Caller("a\nb\u202e\x1b[2J", frozenset({"seconder.dev:agents"}))))
    [line] = capfd.readouterr().out.splitlines()
    logged = json.loads(line)
    assert (logged["decision"], logged["reason"], logged["user"]) == ("deny", "ApprovalMissing", "a\nb\u202e\x1b[2J")


_BINDING = {"roleRef": {"kind": "Role", "name": "r"}, "subjects": [{"kind": "User", "name": "erin"}]}
_DELETES = {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["delete"]}


@pytest.mark.parametrize(
    ("asked", "refusing", "lookup"),
    [
        (
            creation(target(GroupResource("rbac.authorization.k8s.io", "rolebindings")), new=_BINDING),
            {"rules": [msgspec.convert(_DELETES, Rule)]},
            RoleRules,
        ),
        (
            creation(target(PODS), new={"spec": {"serviceAccountName": "worker"}}),
            {"may": {Right("delete", *DEPLOYMENTS, "", "payments")}},
            FirstRight,
        ),
        (update(user=PERSON, new={"owners": [GHOST]}), {"missing": {GHOST.name}}, MissingOwners),
    ],
    ids=["given", "borrowed", "owned"],
)
def test_what_is_given_or_borrowed_is_looked_up(asked: Request, refusing: Any, lookup: type[Lookup[Any]]) -> None:
    """And refused when it is too much, or when it cannot be told; agents' look-ups apart from the others'."""

    def reason(answers: Answers) -> str:
        by_agent = asked.caller == AGENT
        told = Desk(agents=answers if by_agent else None, others=None if by_agent else answers).reason(asked)
        assert answers.questions(lookup), "nobody else was asked"
        return told

    assert reason(Answers()) == Reason.NOT_COVERED
    assert reason(Answers(**refusing)) == Reason.PROTECTED_CONFIGURATION
    assert reason(Answers(unknown=[lookup])) == Reason.INTERNAL_ERROR


def test_what_needs_no_look_up_is_answered_at_once() -> None:
    """Without a turn of the event loop: most reviews are such."""
    desk = Desk()
    for asked in (deletion(), APPROVED, deletion(OWNER), deletion(user=PERSON)):
        assert isinstance(desk.reviewer.enforce(asked.body), bytes)
    later = desk.reviewer.enforce(scale(1, 0).body)
    assert not isinstance(later, bytes)

    async def wait() -> bytes:
        return await later

    assert json.loads(asyncio.run(wait()))["response"]["uid"] == "review-1"


class Slow(Answers):
    """Answers when it is told to."""

    over: threading.Event

    def answer(self, lookup: Lookup[Any], policies: PolicyIndex, deadline: float) -> Any:
        """See Resolver."""
        assert self.over.wait(10)
        return self(lookup)


def test_nobody_waits_behind_what_agents_ask() -> None:
    """However many of their reviews wait for the API server; and no more of them at once than there are threads."""
    slow = Slow(objects=live(DEPLOYMENT))
    slow.over = threading.Event()
    desk = Desk(policy(subjects=Subjects.EVERYONE), agents=slow, others=Answers(objects=live(DEPLOYMENT)))

    async def crowd() -> list[dict[str, Any]]:
        waiting = [asyncio.ensure_future(desk.answer(scale(1, 0))) for _ in range(50)]
        await asyncio.sleep(0)
        person = await asyncio.wait_for(desk.answer(scale(1, 0, PERSON)), 5)
        assert not any(review.done() for review in waiting)
        assert desk.count("seconder_admission_requests_in_flight") == 50
        slow.over.set()
        return [person, *await asyncio.gather(*waiting)]

    assert [response["auditAnnotations"]["reason"] for response in asyncio.run(crowd())] == ["ApprovalMissing"] * 51
