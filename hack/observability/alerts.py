"""The alerts. Each has a runbook of its name in docs/runbooks."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from observability.promql import ENFORCING, duration, grown
from seconder.api import constants

RUNBOOKS: Final = "docs/runbooks"
"""Where ``runbook_url`` points, in this repository. The chart puts the base of its value in this one's place."""

_LAST: Final = "seconder_reconcile_last_success_timestamp_seconds"
"""Of the operator that leads; those that stand by have none."""

_CERTIFICATE_DAYS: Final = 14
_SLOW_SECONDS: Final = 1
_ERRORS: Final = 3
_SPIKE: Final = 30
_WAITING: Final = 900
_UNTRIED: Final = 600


@dataclass(frozen=True, slots=True)
class Alert:
    """One rule. ``lasting`` is for how long the expression must hold, in seconds.

    Severity ``critical`` wakes somebody; ``warning`` is for the next working hour.
    """

    name: str
    severity: str
    expression: str
    lasting: float
    summary: str
    description: str


def alerts(scale: float = 1.0) -> list[Alert]:
    """All alerts. ``scale`` shortens every window and wait, for tests that cannot wait a quarter of an hour."""

    def time(seconds: float) -> str:
        return duration(seconds * scale)

    return [*_guard(time, scale), *_attacks(time, scale), *_upkeep(scale)]


def document(scale: float = 1.0) -> dict[str, Any]:
    """The rule file, for Prometheus as it is and for the chart's PrometheusRule."""
    rules = [
        {
            "alert": alert.name,
            "expr": alert.expression,
            **({"for": duration(alert.lasting)} if alert.lasting else {}),
            "labels": {"severity": alert.severity},
            "annotations": {
                "summary": alert.summary,
                "description": alert.description,
                "runbook_url": f"{RUNBOOKS}/{alert.name}.md",
            },
        }
        for alert in alerts(scale)
    ]
    return {"groups": [{"name": "seconder", "rules": rules}]}


# Longer than 50 lines: it is a list of alerts with their words.
def _guard(time: Callable[[float], str], scale: float) -> list[Alert]:
    """The alerts about the webhook: that it answers, in time, and that its answer counts."""
    decisions = grown('seconder_admission_requests_total{decision="error"}', time(600))
    failed_calls = f'apiserver_admission_webhook_rejection_count{{{ENFORCING},error_type!="no_error"}}'
    failing_open = f"apiserver_admission_webhook_fail_open_count{{{ENFORCING}}}"
    buckets = f"rate(seconder_admission_review_duration_seconds_bucket[{time(300)}])"
    return [
        Alert(
            "SeconderDown",
            "critical",
            "absent(seconder_admission_requests_in_flight)",
            120 * scale,
            "No Seconder webhook is running, or Prometheus cannot reach any.",
            "Without a webhook, what policies cover is refused to agents with an error, approved or not.",
        ),
        Alert(
            "SeconderNotInForce",
            "critical",
            # While no operator leads, or the one that does has not seen anything yet, nobody knows of any policy.
            f"min by (policy, reason, writer) (seconder_policy_in_force) == 0 or absent({_LAST} > 0)",
            60 * scale,
            "A ProtectionPolicy is not in force, or no operator leads that would know.",
            "{{ with $labels.policy }}Policy {{ . }}: {{ $labels.reason }}{{ with $labels.writer }}, by {{ . }}"
            "{{ end }}. What it names may be deleted unasked. kubectl describe protectionpolicy {{ . }} says more."
            "{{ else }}No operator leads, or the one that does has seen nothing yet. Unless policies say NobodyLeads,"
            " none looks whether the API server asks about what they name.{{ end }}",
        ),
        Alert(
            "SeconderWebhookErrors",
            "warning",
            f"sum({decisions}) >= {_ERRORS} or sum({grown(failed_calls, time(600))}) >= {_ERRORS}",
            0,
            "Seconder refuses requests because of errors, not by a decision.",
            "{{ $value | humanize }} requests in 10 minutes were refused because the webhook could not decide, or"
            " because the API server could not call it.",
        ),
        Alert(
            "SeconderWebhookFailingOpen",
            "critical",
            f"sum by (name) ({grown(failing_open, time(600))}) > 0",
            0,
            "Requests that Seconder guards went through without it.",
            "The API server let {{ $value | humanize }} requests pass that it could not ask {{ $labels.name }} about."
            " That entry should refuse then: somebody has set its failurePolicy to Ignore.",
        ),
        Alert(
            "SeconderReviewLatencyHigh",
            "warning",
            f"histogram_quantile(0.99, sum by (le) ({buckets})) > {_SLOW_SECONDS}",
            300 * scale,
            "Seconder takes long to answer.",
            "One review in a hundred takes {{ $value | humanizeDuration }} or more. After 10 s the API server gives up"
            " and refuses the request.",
        ),
        Alert(
            "SeconderViewStale",
            "warning",
            f"max(seconder_view_age_seconds) > {constants.FRESH_SECONDS:.0f}",
            60 * scale,
            "A Seconder webhook does not hear from the API server, so approvals do not count there.",
            "Its view of policies and approvers was last proven true {{ $value | humanizeDuration }} ago. It goes on"
            " refusing; what is approved is refused with InternalError.",
        ),
    ]


def _attacks(time: Callable[[float], str], scale: float) -> list[Alert]:
    """The alerts about what somebody does to the guard, or past it."""
    # Not "other": what all agents beyond those with a name of their own do together tells of no single one.
    blocked = grown('seconder_blocked_actions_total{agent!="",agent!="other"}', time(600))
    forged = 'seconder_approval_verifications_total{result="rejected",reason="SignatureInvalid"}'
    repairs = grown("seconder_webhook_configuration_repairs_total", time(900))
    return [
        Alert(
            "SeconderBlockedActionsSpike",
            "warning",
            f"sum by (agent) ({blocked}) > {_SPIKE}",
            0,
            "The agent {{ $labels.agent }} keeps trying what is refused.",
            "{{ $value | humanize }} of its actions were refused within 10 minutes. Agents that are counted together as"
            " `other` raise no such alert.",
        ),
        Alert(
            "SeconderSignatureFailures",
            "warning",
            f"sum by (format, key_type) ({grown(forged, time(900))}) > 0",
            0,
            "An approval carries a registered key's name and a signature that is not that key's.",
            "{{ $value | humanize }} such approvals ({{ $labels.format }}, {{ $labels.key_type }}) were looked at in 15"
            " minutes. None counted.",
        ),
        Alert(
            "SeconderConfigurationTampered",
            "critical",
            f"sum({repairs}) > 0",
            0,
            "Somebody changed or deleted Seconder's webhook configuration.",
            "The operator has put it back {{ $value | humanize }} times within 15 minutes. In between, requests may"
            " have passed unseen.",
        ),
        Alert(
            "SeconderBreakGlassUsed",
            "warning",
            f"sum by (resource) ({grown('seconder_break_glass_total', time(900))}) > 0",
            0,
            "Somebody went past Seconder's policies in an emergency.",
            "{{ $value | humanize }} actions on {{ $labels.resource }} within 15 minutes.",
        ),
    ]


def _upkeep(scale: float) -> list[Alert]:
    """The alerts about what the operator keeps, and what people configure."""
    ends = "min(seconder_serving_certificate_expiry_timestamp_seconds > 0) - time()"
    return [
        Alert(
            "SeconderOperatorStalled",
            "warning",
            f"absent({_LAST}) or time() - max({_LAST}) > {120 * scale:g}",
            300 * scale,
            "None of Seconder's operators leads, or the one that does cannot complete a pass.",
            "Refusals and approvals go on. New policies are not put in force, a changed webhook configuration is not"
            " put back, and certificates are not renewed.",
        ),
        Alert(
            "SeconderCertificateExpiring",
            "warning",
            f"{ends} < {_CERTIFICATE_DAYS * 86_400}",
            300 * scale,
            "Seconder's serving certificate ends soon and was not renewed.",
            "It ends in {{ $value | humanizeDuration }}. After that the API server cannot call the webhook, and what"
            " policies cover is refused to agents.",
        ),
        Alert(
            "SeconderApprovalWaiting",
            "warning",
            f"max(seconder_change_request_longest_wait_seconds) > {_WAITING * scale:g}",
            0,
            "A change request waits for a peer.",
            "The one that has waited longest has waited {{ $value | humanizeDuration }}. After 24 h it expires.",
        ),
        Alert(
            "SeconderApprovalUntried",
            "warning",
            f"max(seconder_change_request_longest_untried_seconds) > {_UNTRIED * scale:g}",
            0,
            "An action is approved, and nobody has tried it since.",
            "The one approved first has waited {{ $value | humanizeDuration }} for whoever asked. A GitOps controller"
            " may have forgotten it.",
        ),
        Alert(
            "SeconderPolicyInvalid",
            "warning",
            'max by (mode) (seconder_policies{ready="false"}) > 0',
            300 * scale,
            "A ProtectionPolicy is invalid.",
            "{{ $value | humanize }} in mode {{ $labels.mode }}. What they name is refused to agents, approved or not.",
        ),
        Alert(
            "SeconderPolicyMissing",
            "critical",
            "sum(seconder_policies) == 0",
            300 * scale,
            "There is no ProtectionPolicy.",
            "Only Seconder itself is guarded: agents may delete everything else.",
        ),
    ]
