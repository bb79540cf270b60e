"""The metrics that Seconder exposes. Every label takes its values from a closed or bounded set."""

import collections
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, disable_created_metrics
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from seconder import __version__
from seconder.admission.decision import Decision
from seconder.admission.request import Request
from seconder.api.change_request import Phase
from seconder.api.constants import FRESH_SECONDS
from seconder.api.policy import Assurance, Mode
from seconder.api.reasons import Reason
from seconder.api.resources import GroupResource
from seconder.approvals.verification import Approval
from seconder.observability import log
from seconder.observability.tallies import Counts, Spread

OTHER: Final = "other"
MAX_AGENTS: Final = 50
MAX_NAMESPACES: Final = 100
MAX_POLICIES: Final = 200
_LONGEST: Final = 253
"""Characters of a label's value that comes from outside: as long as a name may be in Kubernetes."""

_FORMATS: Final = ("ssh", "jws")
_REVIEW_BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_AGE_BUCKETS: Final = (5, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)

_REVISION: Final = os.environ.get("SECONDER_REVISION", "")
"""The commit that the image was built from, which sets this; empty elsewhere."""


def registry(revision: str = _REVISION) -> CollectorRegistry:
    """Make a registry that tells the build it belongs to, and what became of the log."""
    # Without a type. Prometheus sees a start by itself, and these would double the series.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    made = CollectorRegistry()
    build = Gauge("seconder_build_info", "Constant 1, labelled by the build.", ["version", "revision"], registry=made)
    build.labels(__version__, revision).set(1)
    made.register(_LinesNotWritten())
    return made


class _LinesNotWritten(Collector):
    """Reads from the log, which counts by itself, what it lost or left out."""

    def collect(self) -> Iterator[CounterMetricFamily]:
        yield CounterMetricFamily(
            "seconder_log_lines_dropped", "Log lines lost because nobody read them, or not fast enough.", log.lost()
        )
        yield CounterMetricFamily(
            "seconder_log_library_lines_left_out",
            "Lines of libraries that were not written: too many of one, or about bytes of a client that are no HTTP.",
            log.left_out(),
        )


class _First:
    """Keeps the first ``most`` values, which are those of this cluster; whatever comes later is ``OTHER``."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: set[str] = set()

    def __call__(self, value: str) -> str:
        value = value[:_LONGEST]
        if value not in self._known:
            if len(self._known) >= self._most:
                return OTHER
            self._known.add(value)
        return value


class ReviewMetrics:
    """What the webhook counts, all of it in the event loop's thread."""

    # Longer than 50 lines: it is the list of these metrics, each with its help and labels.
    def __init__(self, registry: CollectorRegistry, *, namespaces: bool = False) -> None:
        """``namespaces``: label blocked actions by namespace, and not with an empty text."""
        self._agent = _First(MAX_AGENTS)
        self._namespace = _First(MAX_NAMESPACES) if namespaces else None
        self._requests = Counts(
            "seconder_admission_requests",
            "Admission reviews answered; an action that policies in both modes cover is two.",
            ["operation", "resource", "decision", "reason", "dry_run"],
            registry,
        )
        self._by_agents = Counts(
            "seconder_agent_requests",
            "Of the admission reviews, those of what agents asked for, dry runs not counted.",
            ["operation", "resource"],
            registry,
        )
        self._blocked = Counts(
            "seconder_blocked_actions",
            "Actions refused, dry runs and Audit not counted; agent is empty for who is none.",
            ["operation", "resource", "namespace", "agent", "reason"],
            registry,
        )
        self._duration = Spread(
            "seconder_admission_review_duration_seconds",
            "Time from the arrival of an admission review to its answer.",
            ["operation", "decision"],
            _REVIEW_BUCKETS,
            registry,
        )
        self.in_flight = 0
        """Reviews being answered; touched by the event loop's thread alone, and read when metrics are rendered."""
        Gauge(
            "seconder_admission_requests_in_flight", "Admission reviews being answered.", registry=registry
        ).set_function(lambda: self.in_flight)
        self._verifications = Counts(
            "seconder_approval_verifications",
            "Approvals looked at, accepted or rejected; a rejected one has the reason.",
            ["format", "key_type", "result", "reason"],
            registry,
        )
        self._used = Counts(
            "seconder_approvals_used",
            "Approvals that let an action through; an action that takes two counts two.",
            ["resource", "assurance"],
            registry,
        )
        self._glass = Counts(
            "seconder_break_glass",
            "Actions let through in an emergency, past the policies.",
            ["resource"],
            registry,
        )
        # Any thread counts this one.
        self._unproven = Counter(
            "seconder_admission_unproven_reviews",
            "Reviews without a record: of no authenticated API server, or of an object that is not as they say.",
            ["reason"],
            registry=registry,
        )
        for reason in ("NotAuthenticated", "NotAsStored"):
            self._unproven.labels(reason)
        self.view_age = Gauge(
            "seconder_view_age_seconds",
            "Since the view of policies and approvers was last proven true; beyond 60 s approvals do not count.",
            registry=registry,
        )
        self._age = Spread(
            "seconder_approval_age_seconds",
            "Age of an approval when it let an action through, from its iat.",
            [],
            _AGE_BUCKETS,
            registry,
        )
        # It shows from the start.
        self._age.among()
        self.certificate_expiry = Gauge(
            "seconder_serving_certificate_expiry_timestamp_seconds",
            "When the serving certificate expires; 0 while there is none.",
            registry=registry,
        )

    def answered(
        self, request: Request, decision: Decision, *, known: frozenset[GroupResource], allowed: bool, seconds: float
    ) -> None:
        """Count one decided review. ``allowed`` is what the API server was told: in Audit always true."""
        resource = str(request.target.resource) if request.target.resource in known else OTHER
        # Not ``.value``, which takes an enum ten times as long.
        operation, reason = str(request.operation), str(decision.reason)
        verdict = "allow" if allowed else "error" if decision.reason.is_error else "deny"
        self._requests.by[operation, resource, verdict, reason, "true" if request.dry_run else "false"] += 1
        self._duration.observe(seconds, operation, verdict)
        for failure in decision.failures:
            self._verifications.by[failure.format, failure.key_type, "rejected", str(failure.reason)] += 1
        for approval in decision.counted:
            self._verifications.by[approval.format, approval.key_type, "accepted", ""] += 1
        if request.dry_run:
            return
        principal = decision.principal
        if principal.agent:
            self._by_agents.by[operation, resource] += 1
        if not allowed:
            namespace = self._namespace(request.target.namespace) if self._namespace else ""
            agent = self._agent(principal.agent_name or OTHER) if principal.agent else ""
            self._blocked.by[operation, resource, namespace, agent, reason] += 1

    def used(self, resource: GroupResource, counted: Sequence[Approval], now: float) -> None:
        """Count the approvals that let an action through, on an object of a resource that some policy names."""
        for approval in counted:
            self._used.by[str(resource), str(approval.assurance)] += 1
            age = now - approval.statement.iat
            self._age.observe(age if age > 0.0 else 0.0)

    def broke_glass(self, request: Request) -> None:
        """Count an action that passed policies by. Its resource is one that a policy names."""
        self._glass.by[(str(request.target.resource),)] += 1

    def unproven(self, reason: str) -> None:
        """Count a review that leaves no record: NotAuthenticated, or NotAsStored."""
        self._unproven.labels(reason).inc()

    def undecided(self, reason: str, seconds: float) -> None:
        """Count a review that did not get as far as a decision."""
        self._requests.by["", OTHER, "error", str(reason), "false"] += 1
        self._duration.observe(seconds, "", "error")


class AuthorizerMetrics:
    """What the webhook counts of what the API server's authorizer asks it."""

    def __init__(self, registry: CollectorRegistry) -> None:
        answers = Counter(
            "seconder_authorization_requests",
            "Questions of the API server's authorizer answered: deny, no_opinion or error; never allow.",
            ["decision", "reason"],
            registry=registry,
        )
        self.denied = answers.labels("deny", Reason.PROTECTED_CONFIGURATION.value)
        self.passed = answers.labels("no_opinion", Reason.NOT_COVERED.value)
        self.malformed = answers.labels("error", Reason.REQUEST_MALFORMED.value)


class NotificationMetrics:
    """What the operator counts of messages. Targets are those of one Secret, of which a bounded number is told."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._messages = Counter(
            "seconder_notifications",
            "Messages to targets: delivered, failed (and tried again) or dropped.",
            ["target", "result"],
            registry=registry,
        )

    def count(self, target: str, result: str) -> None:
        """Count one attempt. ``target`` is empty for what is wrong with all of them."""
        self._messages.labels(target, result).inc()


class InForce(NamedTuple):
    """Whether a policy is in force, and if not, why and because of whom."""

    policy: str
    holds: bool
    reason: str
    writer: str


class _PoliciesInForce(Collector):
    """Tells what was seen of each policy, and that nothing is in force which was not seen for a minute."""

    def __init__(self) -> None:
        self._seen: Sequence[InForce] = ()
        self._at = float("-inf")

    def seen(self, found: Iterable[InForce]) -> None:
        """Take what was seen just now. Beyond ``MAX_POLICIES``, those that are in force are left out first."""
        self._seen = sorted(found, key=lambda policy: (policy.holds, policy.policy))[:MAX_POLICIES]
        self._at = time.monotonic()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(
            "seconder_policy_in_force",
            "Whether the API server asks about all that a policy names, seen within the last minute (1), or not (0).",
            labels=["policy", "reason", "writer"],
        )
        fresh = time.monotonic() - self._at <= FRESH_SECONDS
        for name, holds, reason, writer in self._seen:
            labels = [name[:_LONGEST], reason if fresh else "NotSeenLately", writer[:_LONGEST]]
            family.add_metric(labels, float(holds and fresh))
        yield family


class LeaderMetrics(Collector):
    """Tells whether this operator leads, and, while it does, what it counts then: of one that stands by, all is absent.

    ``leads`` is asked when it is rendered. ``while_leading``: what is counted in the present term.
    """

    def __init__(self, registry: CollectorRegistry, leads: Callable[[], bool]) -> None:
        self._leads = leads
        self.while_leading = CollectorRegistry()
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """See Collector."""
        leads = self._leads()
        yield GaugeMetricFamily(
            "seconder_leader", "Whether this operator leads (1), so that it alone writes, or stands by (0).", leads
        )
        if leads:
            yield from self.while_leading.collect()


class OperatorMetrics:
    """What the operator counts. ``change_requests`` gives how many there are in a phase; asked when it is rendered."""

    # Longer than 50 lines: it is the list of these metrics, each with its help and labels.
    def __init__(
        self,
        registry: CollectorRegistry,
        change_requests: Callable[[Phase], int],
        longest: Callable[[], float] = lambda: 0.0,
        untried: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """``longest``: for how many seconds the one waits that has waited longest for a peer.

        ``untried``: for how many seconds the one is approved that has waited longest for whoever asked.
        """
        waiting = Gauge(
            "seconder_change_requests", "ChangeRequests; those Pending wait for a peer.", ["phase"], registry=registry
        )
        oldest = Gauge(
            "seconder_change_request_longest_wait_seconds",
            "For how long the ChangeRequest waits for a peer that has waited longest; 0 while none does.",
            registry=registry,
        )
        oldest.set_function(longest)
        unused = Gauge(
            "seconder_change_request_longest_untried_seconds",
            "For how long the ChangeRequest is approved that nobody has tried since for the longest time; 0 for none.",
            registry=registry,
        )
        unused.set_function(untried)
        for phase in Phase:
            waiting.labels(phase.value).set_function(partial(change_requests, phase))
        self.in_sync = Gauge(
            "seconder_webhook_configuration_in_sync",
            "Whether the stored webhook configuration is as compiled (1) or could not be made so (0).",
            registry=registry,
        )
        self.in_force = _PoliciesInForce()
        registry.register(self.in_force)
        self.repairs = Counter(
            "seconder_webhook_configuration_repairs",
            "Times that the webhook configuration was found changed or deleted, and put back.",
            registry=registry,
        )
        self._keys = Gauge(
            "seconder_approver_keys",
            "Approvers' keys that count, by the most that a signature with them can prove.",
            ["format", "assurance"],
            registry=registry,
        )
        self._policies = Gauge(
            "seconder_policies", "ProtectionPolicies; invalid ones are not ready.", ["mode", "ready"], registry=registry
        )
        self.last_success = Gauge(
            "seconder_reconcile_last_success_timestamp_seconds",
            "When the operator last completed a pass; 0 before the first.",
            registry=registry,
        )
        self.certificate_expiry = Gauge(
            "seconder_serving_certificate_expiry_timestamp_seconds",
            "When the serving certificate expires; 0 while there is none.",
            registry=registry,
        )
        self.failures = Counter(
            "seconder_reconcile_errors", "Passes of the operator that failed and were tried again.", registry=registry
        )

    def policies(self, found: Iterable[tuple[Mode, bool]]) -> None:
        """Set how many ProtectionPolicies there are, each given by its mode and whether it is ready."""
        counted = collections.Counter(found)
        for mode in Mode:
            for ready in (True, False):
                self._policies.labels(mode.value, "true" if ready else "false").set(counted[mode, ready])

    def keys(self, found: Iterable[tuple[str, str]]) -> None:
        """Set how many keys of approvers count, each given by its format and its best assurance."""
        counted = collections.Counter(found)
        for kind in _FORMATS:
            for assurance in Assurance:
                self._keys.labels(kind, assurance.value).set(counted[kind, assurance.value])
