"""What there is to see, once: the Grafana dashboard and the console are both written from this."""

import enum
from dataclasses import dataclass
from typing import Final

from observability.promql import CHANGES, ENFORCING, grown

RANGE: Final = "$__range"
FIRING: Final = 'ALERTS{alertname=~"Seconder.+",alertstate="firing"}'
STEP: Final = "$__rate_interval"
"""Grafana's variables: the whole time shown, and a window that holds enough samples for a rate."""


class Look(enum.StrEnum):
    """How a panel shows its values, by Grafana's names."""

    NUMBER = "stat"
    TABLE = "table"
    LINES = "timeseries"
    BARS = "bars"
    """A time series too, of events that are worth a bar each."""


@dataclass(frozen=True, slots=True)
class Query:
    """An expression, and how its series are called: Grafana's format, with ``{{label}}``."""

    expression: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel. ``unit`` by Grafana's names. ``width`` of 24.

    ``red`` and ``green`` are values from which a number has that colour; the lower one also colours all below it.
    """

    title: str
    description: str
    look: Look
    queries: tuple[Query, ...]
    unit: str = "short"
    width: int = 12
    red: float | None = None
    green: float | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """Panels under one heading."""

    title: str
    panels: tuple[Panel, ...]


def _events(counter: str, by: str, window: str) -> str:
    return f"round(sum by ({by}) ({grown(counter, window)}))"


def _total(counter: str) -> str:
    return f"round(sum({grown(counter, RANGE)})) or vector(0)"


def _number(
    title: str,
    description: str,
    expression: str,
    unit: str = "short",
    *,
    red: float | None = None,
    green: float | None = None,
) -> Panel:
    return Panel(title, description, Look.NUMBER, (Query(expression),), unit, 4, red, green)


_BLOCKED: Final = "seconder_blocked_actions_total"
_AUDITED: Final = (
    'seconder_admission_requests_total{decision="allow",dry_run="false",'
    'reason!~"NotCovered|Exempt|Approved|BreakGlass"}'
)
_REVIEWS: Final = "seconder_admission_requests_total"
_DURATIONS: Final = "seconder_admission_review_duration_seconds_bucket"
_FAILED_CALLS: Final = f'apiserver_admission_webhook_rejection_count{{{ENFORCING},error_type!="no_error"}}'
_CALLS: Final = f"apiserver_admission_webhook_admission_duration_seconds_bucket{{{ENFORCING}}}"
_FAIL_OPEN: Final = f"apiserver_admission_webhook_fail_open_count{{{ENFORCING}}}"


def _quantiles(buckets: str, window: str) -> tuple[Query, ...]:
    return tuple(
        Query(f"histogram_quantile({quantile}, sum by (le) (rate({buckets}[{window}])))", legend)
        for quantile, legend in ((0.5, "half"), (0.9, "9 of 10"), (0.99, "99 of 100"))
    )


def _share(ours: str, all_: str) -> str:
    # Over short times the two counters are sampled at different moments.
    return f"clamp_max((sum(rate({ours}[{STEP}])) or vector(0)) / sum(rate({all_}[{STEP}])), 1)"


_NOW: Final = Section(
    "Is the guard up, and does anything need me?",
    (
        _number(
            "Webhooks running",
            "Webhooks that Prometheus reaches. With none, agents get errors for what policies cover.",
            "count(seconder_admission_requests_in_flight) or vector(0)",
            red=0,
            green=1,
        ),
        _number(
            "Operators",
            "Those that Prometheus reaches. One of them leads; with one alone, nobody stands by.",
            "count(seconder_leader) or vector(0)",
            red=0,
            green=1,
        ),
        _number(
            "Operator's last pass",
            "Seconds since the operator last found, or put, everything as it should be. It does so every 15 s.",
            "time() - max(seconder_reconcile_last_success_timestamp_seconds)",
            "s",
            green=0,
            red=120,
        ),
        _number(
            "Enforcing policies",
            "Valid ProtectionPolicies in mode Enforce. With none, only Seconder itself is guarded.",
            'sum(seconder_policies{mode="Enforce",ready="true"}) or vector(0)',
            red=0,
            green=1,
        ),
        _number(
            "Not in force",
            "Policies of which the API server does not ask the webhook, or of which nobody knows that it does.",
            "count(seconder_policy_in_force == 0) or 0 * sum(seconder_policy_in_force)",
            green=0,
            red=1,
        ),
        _number(
            "Invalid policies",
            "What an invalid policy names is refused to agents. kubectl get protectionpolicies says why.",
            'sum(seconder_policies{ready="false"}) or vector(0)',
            green=0,
            red=1,
        ),
        _number(
            "Certificate ends in",
            "The serving certificate that ends first. The operator renews it a month before.",
            "min(seconder_serving_certificate_expiry_timestamp_seconds > 0) - time()",
            "s",
            red=0,
            green=14 * 86_400,
        ),
        _number(
            "Alerts firing",
            "Seconder's alerts that fire now. Their names are those of the runbooks.",
            f"count({FIRING}) or vector(0)",
            green=0,
            red=1,
        ),
        _number(
            "Waiting for a peer",
            "Change requests that nobody has approved yet. kubectl seconder pending lists them.",
            'sum(seconder_change_requests{phase="Pending"}) or vector(0)',
        ),
        _number(
            "Blocked",
            "Actions refused in the time shown, dry runs not counted.",
            _total(_BLOCKED),
        ),
        _number(
            "Approvals used",
            "Approvals that let an action through in the time shown.",
            _total("seconder_approvals_used_total"),
        ),
        _number(
            "Bad signatures",
            "Approvals in a registered key's name that this key did not sign, each time they were looked at.",
            _total('seconder_approval_verifications_total{reason="SignatureInvalid"}'),
            green=0,
            red=1,
        ),
        _number(
            "Break-glass",
            "Actions that somebody on call took past the policies in the time shown.",
            _total("seconder_break_glass_total"),
            green=0,
            red=1,
        ),
        _number(
            "Configuration put back",
            "Times that the webhook configuration was changed or deleted by somebody else in the time shown.",
            _total("seconder_webhook_configuration_repairs_total"),
            green=0,
            red=1,
        ),
    ),
)

_WHAT: Final = Section(
    "What was blocked, by whom, and why",
    (
        Panel(
            "Blocked, by agent",
            "By the name that the agent's credential gives; other is an agent without one, and all beyond the first 50."
            " Empty is no agent: people, where a policy binds everyone.",
            Look.BARS,
            (Query(_events(_BLOCKED, "agent", STEP), "{{agent}}"),),
        ),
        Panel(
            "Blocked, by reason",
            "ApprovalMissing: nobody signed. ProtectedConfiguration: an agent reached for the guard itself. The other"
            " reasons say why an approval did not count.",
            Look.BARS,
            (Query(_events(_BLOCKED, "reason", STEP), "{{reason}}"),),
        ),
        Panel(
            "What was blocked",
            "In the time shown. The decision log and kubectl seconder report name each object and user.",
            Look.TABLE,
            (Query(f"sort_desc({_events(_BLOCKED, 'agent, operation, resource, namespace, reason', RANGE)} > 0)"),),
            width=12,
        ),
        Panel(
            "Top agents",
            "Who was refused most often in the time shown, of the first 50 names that each webhook saw.",
            Look.TABLE,
            (Query(f"topk(10, {_events(_BLOCKED, 'agent', RANGE)} > 0)"),),
            width=6,
        ),
        Panel(
            "Would have been blocked",
            "In the time shown, by policies in mode Audit, which let it through.",
            Look.TABLE,
            (Query(f"({_events(_AUDITED, 'resource, reason', RANGE)} > 0) or on () vector(0)"),),
            width=6,
        ),
    ),
)

_APPROVALS: Final = Section(
    "What waits for a peer, and what peers approved",
    (
        Panel(
            "Change requests",
            "Pending ones wait for a peer; Approved ones for the agent to try again. The others have ended and are"
            " removed after an hour.",
            Look.LINES,
            (Query("sum by (phase) (seconder_change_requests)", "{{phase}}"),),
        ),
        Panel(
            "Approvals used, by resource",
            "And by what the signature proves: Software, that a key signed; Presence, that a person touched"
            " it; Verified, that they gave its PIN too.",
            Look.BARS,
            (
                Query(
                    _events("seconder_approvals_used_total", "resource, assurance", STEP), "{{resource}} {{assurance}}"
                ),
            ),
        ),
        Panel(
            "How old approvals were when used",
            "From signing to use. Old ones mean that approvals are given long before they are needed.",
            Look.LINES,
            _quantiles("seconder_approval_age_seconds_bucket", RANGE),
            "s",
        ),
        Panel(
            "Approvals looked at",
            "Accepted, or rejected with the reason. SignatureInvalid deserves a look at once.",
            Look.BARS,
            (Query(_events("seconder_approval_verifications_total", "result, reason", STEP), "{{result}} {{reason}}"),),
        ),
        Panel(
            "Approvers' keys",
            "Keys that count, by format and by the most that they can prove. With none, nothing can be approved.",
            Look.TABLE,
            (Query("sum by (format, assurance) (seconder_approver_keys)"),),
            width=8,
        ),
        Panel(
            "Break-glass, by resource",
            "Actions that went past the policies in an emergency. Each has an Event and an audit annotation with the"
            " reason given.",
            Look.BARS,
            (Query(f"{_events('seconder_break_glass_total', 'resource', STEP)} or on () vector(0)", "{{resource}}"),),
            width=16,
        ),
    ),
)

_SHARE: Final = Section(
    "Agents' share of changes",
    (
        Panel(
            "Agents' part of deletions, and of all changes",
            "Requests by agents that the guard was asked about, against all that the API server served, dry runs not"
            " counted. Of what agents create and update, the guard sees only what may matter to it.",
            Look.LINES,
            (
                Query(
                    _share(
                        'seconder_agent_requests_total{operation="DELETE"}',
                        'apiserver_request_total{verb=~"DELETE|DELETECOLLECTION",dry_run=""}',
                    ),
                    "deletions",
                ),
                Query(_share("seconder_agent_requests_total", f"apiserver_request_total{{{CHANGES}}}"), "all changes"),
            ),
            "percentunit",
        ),
        Panel(
            "Agents' requests, by resource",
            "What agents asked for, allowed or not, as far as the guard was asked. other is what no policy names.",
            Look.LINES,
            (
                Query(
                    f"sum by (operation, resource) (rate(seconder_agent_requests_total[{STEP}]))",
                    "{{operation}} {{resource}}",
                ),
            ),
            "reqps",
        ),
    ),
)

_HEALTH: Final = Section(
    "Health and latency",
    (
        Panel(
            "Reviews, by decision",
            "error is a refusal for want of a decision: an InternalError or a malformed review.",
            Look.LINES,
            (Query(f"sum by (decision) (rate({_REVIEWS}[{STEP}]))", "{{decision}}"),),
            "reqps",
        ),
        Panel(
            "Time to answer",
            "In the webhook, from a review's arrival to its answer. The API server waits 10 s at most.",
            Look.LINES,
            _quantiles(_DURATIONS, STEP),
            "s",
        ),
        Panel(
            "Time to answer, as the API server sees it",
            "99 of 100 calls took no longer, network and TLS included. Much more than the panel before: look at the"
            " network.",
            Look.LINES,
            (Query(f"histogram_quantile(0.99, sum by (le, name) (rate({_CALLS}[{STEP}])))", "{{name}}"),),
            "s",
        ),
        Panel(
            "Calls that failed",
            "The API server could not call the webhook. Entries other than those of Audit refuse then.",
            Look.BARS,
            (
                Query(f"{_events(_FAILED_CALLS, 'name', STEP)} or on () vector(0)", "refused {{name}}"),
                Query(f"{_events(_FAIL_OPEN, 'name', STEP)} or on () vector(0)", "let through {{name}}"),
            ),
        ),
        Panel(
            "Reviews being answered",
            "In each webhook. A number that stays up means look-ups at the API server that take long.",
            Look.LINES,
            (Query("seconder_admission_requests_in_flight", "{{instance}}"),),
            width=8,
        ),
        Panel(
            "Age of the webhooks' view",
            "Since policies and approvers were last proven to be as they are known. Above 60 s approvals do not count.",
            Look.LINES,
            (Query("seconder_view_age_seconds", "{{instance}}"),),
            "s",
            width=8,
        ),
        Panel(
            "Operator's failed passes",
            "Each is tried again; the operator's log says why.",
            Look.BARS,
            (Query(f"round(sum(increase(seconder_reconcile_errors_total[{STEP}])))", "failed"),),
            width=8,
        ),
        Panel(
            "Answers to the authorizer",
            "Where the API server's authorizer asks the webhook: deny is an agent's impersonation or the like; all"
            " others get no opinion.",
            Look.BARS,
            (Query(_events("seconder_authorization_requests_total", "decision", STEP), "{{decision}}"),),
            width=8,
        ),
        Panel(
            "Builds",
            "What runs where.",
            Look.TABLE,
            (Query("sum by (job, instance, version, revision) (seconder_build_info)"),),
            width=16,
        ),
    ),
)

SECTIONS: Final = (_NOW, _WHAT, _APPROVALS, _SHARE, _HEALTH)
