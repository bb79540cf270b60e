"""No client can make the number of series grow."""

from prometheus_client import CollectorRegistry

from seconder.core.agents import Requester
from seconder.core.decision import Decision
from seconder.core.reasons import Reason
from seconder.core.request import Action, Caller, GroupResource, Operation, Request, Target
from seconder.telemetry.metrics import OTHER, ReviewMetrics

KNOWN = frozenset({GroupResource("apps", "deployments")})


def _labels(registry: CollectorRegistry, name: str, label: str) -> set[str]:
    return {sample.labels[label] for metric in registry.collect() for sample in metric.samples if sample.name == name}


def _answer(metrics: ReviewMetrics, resource: GroupResource, agent: str, namespace: str = "payments") -> None:
    target = Target(resource, "Kind", namespace, "name", "uid")
    request = Request("r", Operation.DELETE, target, "", Caller(agent), "", False, {}, {})
    requester = Requester(agent, True, agent, frozenset())
    decision = Decision(False, Reason.APPROVAL_MISSING, requester, Action.DELETE)
    metrics.answered(request, decision, known=KNOWN, allowed=False, seconds=0.001)


def test_resources_that_no_policy_names_are_counted_together() -> None:
    """The guard sees requests for anything."""
    registry = CollectorRegistry()
    metrics = ReviewMetrics(registry)
    for number in range(100):
        _answer(metrics, GroupResource("example.com", f"r{number}"), "kiro")
    _answer(metrics, next(iter(KNOWN)), "kiro")
    assert _labels(registry, "seconder_admission_requests_total", "resource") == {"deployments.apps", OTHER}


def test_agents_beyond_the_first_fifty_are_counted_together() -> None:
    """The first ones keep their names."""
    registry = CollectorRegistry()
    metrics = ReviewMetrics(registry)
    for number in [*range(200), 0]:
        _answer(metrics, next(iter(KNOWN)), f"agent-{number}")
    agents = _labels(registry, "seconder_blocked_actions_total", "agent")
    assert len(agents) == 51
    assert {"agent-0", "agent-49", OTHER} <= agents


def test_namespaces_are_labels_only_when_asked_for() -> None:
    """Their number is the users' affair."""
    for wanted in (False, True):
        registry = CollectorRegistry()
        metrics = ReviewMetrics(registry, namespaces=wanted)
        _answer(metrics, next(iter(KNOWN)), "kiro")
        assert _labels(registry, "seconder_blocked_actions_total", "namespace") == {"payments" if wanted else ""}
