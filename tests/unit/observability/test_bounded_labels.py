"""No client can make the number of series grow."""

from prometheus_client import CollectorRegistry
from tests.support.builders import DEPLOYMENTS, deletion, target

from seconder.admission.decision import Decision
from seconder.admission.principal import Principal
from seconder.admission.request import Caller
from seconder.api.reasons import Reason
from seconder.api.resources import GroupResource
from seconder.observability.metrics import OTHER, ReviewMetrics

KNOWN = frozenset({DEPLOYMENTS})


def _labels(registry: CollectorRegistry, name: str, label: str) -> set[str]:
    return {sample.labels[label] for metric in registry.collect() for sample in metric.samples if sample.name == name}


def _answer(
    metrics: ReviewMetrics,
    resource: GroupResource = DEPLOYMENTS,
    name: str | None = "kiro",
    namespace: str = "payments",
    *,
    agent: bool = True,
    dry_run: bool = False,
) -> None:
    request = deletion(target(resource, namespace=namespace), Caller(name or "hal"), dryRun=dry_run)
    principal = Principal(name or "hal", agent, name, frozenset())
    decision = Decision(allowed=False, reason=Reason.APPROVAL_MISSING, principal=principal)
    metrics.answered(request, decision, known=KNOWN, allowed=False, seconds=0.001)


def test_resources_that_no_policy_names_are_counted_together() -> None:
    """The guard sees requests for anything."""
    registry = CollectorRegistry()
    metrics = ReviewMetrics(registry)
    for number in range(100):
        _answer(metrics, GroupResource("example.com", f"r{number}"))
    _answer(metrics)
    assert _labels(registry, "seconder_admission_requests_total", "resource") == {"deployments.apps", OTHER}


def test_agents_beyond_the_first_fifty_are_counted_together() -> None:
    """The first ones keep their names."""
    registry = CollectorRegistry()
    metrics = ReviewMetrics(registry)
    for number in [*range(200), 0]:
        _answer(metrics, name=f"agent-{number}")
    agents = _labels(registry, "seconder_blocked_actions_total", "agent")
    assert len(agents) == 51
    assert {"agent-0", "agent-49", OTHER} <= agents


def test_namespaces_are_labels_only_when_asked_for() -> None:
    """Their number is the users' affair."""
    for wanted in (False, True):
        registry = CollectorRegistry()
        metrics = ReviewMetrics(registry, namespaces=wanted)
        _answer(metrics)
        assert _labels(registry, "seconder_blocked_actions_total", "namespace") == {"payments" if wanted else ""}


def test_namespaces_beyond_the_first_hundred_are_counted_together() -> None:
    """An agent may delete collections in namespaces that do not even exist."""
    registry = CollectorRegistry()
    metrics = ReviewMetrics(registry, namespaces=True)
    for number in range(300):
        _answer(metrics, namespace=f"made-up-{number}")
    namespaces = _labels(registry, "seconder_blocked_actions_total", "namespace")
    assert len(namespaces) == 101
    assert {"made-up-0", "made-up-99", OTHER} <= namespaces


def test_an_agent_without_a_name_is_told_from_a_person() -> None:
    """A group may be all that tags it."""
    registry = CollectorRegistry()
    metrics = ReviewMetrics(registry)
    for agent in (True, False):
        _answer(metrics, name=None, agent=agent)
    assert _labels(registry, "seconder_blocked_actions_total", "agent") == {OTHER, ""}


def test_a_very_long_name_is_cut() -> None:
    """Who may impersonate may call itself anything."""
    registry = CollectorRegistry()
    _answer(ReviewMetrics(registry), name="x" * 100_000)
    assert {len(agent) for agent in _labels(registry, "seconder_blocked_actions_total", "agent")} == {253}


def test_agents_requests_are_counted_dry_runs_and_people_not() -> None:
    """What their share of changes is made of."""
    registry = CollectorRegistry()
    metrics = ReviewMetrics(registry)
    for agent, dry_run in ((True, False), (True, True), (False, False)):
        _answer(metrics, agent=agent, dry_run=dry_run)
    labels = {"operation": "DELETE", "resource": "deployments.apps"}
    assert registry.get_sample_value("seconder_agent_requests_total", labels) == 1
