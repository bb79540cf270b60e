"""The metrics that Seconder exposes. Every label takes its values from a closed or bounded set."""

import sys
from collections.abc import Callable, Hashable
from functools import partial
from typing import Final, Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

from seconder import __version__
from seconder.core.decision import Decision
from seconder.core.request import GroupResource, Request
from seconder.wire.change_requests import Phase

OTHER: Final = "other"
_MAX_AGENTS: Final = 50
_REVIEW_BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_AGE_BUCKETS: Final = (5, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)

M = TypeVar("M", bound=MetricWrapperBase)


def registry(revision: str = "") -> CollectorRegistry:
    """Make a registry that tells the build it belongs to."""
    made = CollectorRegistry()
    build = Gauge("seconder_build_info", "Constant 1, labelled by the build.", ["version", "revision"], registry=made)
    build.labels(__version__, revision).set(1)
    return made


class _Children(Generic[M]):
    """Looks labelled children up in a plain dict: ``labels()`` costs four times the increment itself."""

    def __init__(self, metric: M) -> None:
        self._metric = metric
        self._known: dict[Hashable, M] = {}

    def __call__(self, *labels: str) -> M:
        child = self._known.get(labels)
        if child is None:
            child = self._known[labels] = self._metric.labels(*labels)
        return child


class ReviewMetrics:
    """What the webhook counts."""

    def __init__(self, registry: CollectorRegistry, *, namespaces: bool = False) -> None:
        """``namespaces``: label blocked actions by namespace. Off by default: their number is not bounded here."""
        self._namespaces = namespaces
        self._agents: set[str] = set()
        self._requests = _Children(
            Counter(
                "seconder_admission_requests",
                "Admission reviews answered.",
                ["operation", "resource", "decision", "reason", "dry_run"],
                registry=registry,
            )
        )
        self._blocked = _Children(
            Counter(
                "seconder_blocked_actions",
                "Actions refused; dry runs and Audit not counted.",
                ["operation", "resource", "namespace", "agent", "reason"],
                registry=registry,
            )
        )
        self._duration = _Children(
            Histogram(
                "seconder_admission_review_duration_seconds",
                "Time from a review's arrival to its answer.",
                ["operation", "decision"],
                buckets=_REVIEW_BUCKETS,
                registry=registry,
            )
        )
        self.in_flight = 0
        """Reviews being answered; touched by the event loop's thread alone, and read when metrics are rendered."""
        Gauge(
            "seconder_admission_requests_in_flight", "Admission reviews being answered.", registry=registry
        ).set_function(lambda: self.in_flight)
        self._verifications = _Children(
            Counter(
                "seconder_approval_verifications",
                "Approvals looked at.",
                ["format", "key_type", "result", "reason"],
                registry=registry,
            )
        )
        self._used = _Children(
            Counter(
                "seconder_approvals_used",
                "Approvals that let an action through.",
                ["resource", "assurance"],
                registry=registry,
            )
        )
        self._glass = _Children(
            Counter(
                "seconder_break_glass",
                "Actions let through in an emergency, policies passed by.",
                ["resource"],
                registry=registry,
            )
        )
        self._age = Histogram(
            "seconder_approval_age_seconds",
            "Age of an approval when it was used, from its iat.",
            buckets=_AGE_BUCKETS,
            registry=registry,
        )
        self.certificate_expiry = Gauge(
            "seconder_serving_certificate_expiry_timestamp_seconds",
            "When the serving certificate expires.",
            registry=registry,
        )

    def answered(
        self, request: Request, decision: Decision, *, known: frozenset[GroupResource], allowed: bool, seconds: float
    ) -> None:
        """Count one decided review. ``allowed`` is what the API server was told: in Audit always true."""
        resource = str(request.target.resource) if request.target.resource in known else OTHER
        operation = request.operation.value
        verdict = "allow" if allowed else "error" if decision.reason.is_error else "deny"
        reason = decision.reason.value
        self._requests(operation, resource, verdict, reason, "true" if request.dry_run else "false").inc()
        self._duration(operation, verdict).observe(seconds)
        for failure in decision.failures:
            self._verifications(failure.format, failure.key_type, "rejected", failure.reason.value).inc()
        for approval in decision.counted:
            self._verifications(approval.format, approval.key_type, "accepted", "").inc()
        if request.dry_run:
            return
        if not allowed:
            namespace = request.target.namespace if self._namespaces else ""
            self._blocked(operation, resource, namespace, self._agent(decision), reason).inc()

    def used(self, resource: GroupResource, decision: Decision, now: float) -> None:
        """Count the approvals that let an action through, on an object of a resource that some policy names."""
        for approval in decision.counted:
            self._used(str(resource), approval.assurance.value).inc()
            self._age.observe(max(0.0, now - approval.statement.iat))

    def broke_glass(self, request: Request) -> None:
        """Count an action that passed policies by. Its resource is one that a policy names."""
        self._glass(str(request.target.resource)).inc()

    def undecided(self, reason: str, seconds: float) -> None:
        """Count a review that did not get as far as a decision."""
        self._requests("", OTHER, "error", reason, "false").inc()
        self._duration("", "error").observe(seconds)

    def _agent(self, decision: Decision) -> str:
        name = decision.requester.agent_name
        if name is None:
            return ""
        if name not in self._agents:
            if len(self._agents) >= _MAX_AGENTS:
                return OTHER
            # Interned and kept: the first names seen are the ones that run in this cluster.
            self._agents.add(sys.intern(name))
        return name


class OperatorMetrics:
    """What the operator counts. ``change_requests`` gives how many there are in a phase; asked when it is rendered."""

    def __init__(self, registry: CollectorRegistry, change_requests: Callable[[Phase], int]) -> None:
        waiting = Gauge("seconder_change_requests", "ChangeRequests.", ["phase"], registry=registry)
        for phase in Phase:
            waiting.labels(phase.value).set_function(partial(change_requests, phase))
        self.in_sync = Gauge(
            "seconder_webhook_configuration_in_sync",
            "Whether the stored webhook configuration is as compiled (1) or could not be made so (0).",
            registry=registry,
        )
        self.repairs = Counter(
            "seconder_webhook_configuration_repairs",
            "Times that the webhook configuration was found changed or deleted, and put back.",
            registry=registry,
        )
        self.keys = Gauge(
            "seconder_approver_keys", "Approvers' keys that count.", ["format", "assurance"], registry=registry
        )
        self.policies = Gauge("seconder_policies", "ProtectionPolicies.", ["mode", "ready"], registry=registry)
        self.certificate_expiry = Gauge(
            "seconder_serving_certificate_expiry_timestamp_seconds",
            "When the serving certificate expires.",
            registry=registry,
        )
        self.failures = Counter(
            "seconder_reconcile_errors", "Passes of the operator that failed and were tried again.", registry=registry
        )
