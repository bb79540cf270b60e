"""What a scrape gets: the metrics by their names, types and labels, in either format."""

import subprocess

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from tests.support.metrics import operator_registry, shapes, webhook_registry
from tests.support.prometheus import program

from seconder.api.policy import Assurance, Mode
from seconder.observability.metrics import LeaderMetrics, OperatorMetrics, registry

_COUNTER, _GAUGE, _HISTOGRAM = "counter", "gauge", "histogram"
_NONE: frozenset[str] = frozenset()
_PUBLISHED = {
    "seconder_admission_requests_total": (
        _COUNTER,
        frozenset({"operation", "resource", "decision", "reason", "dry_run"}),
    ),
    "seconder_blocked_actions_total": (_COUNTER, frozenset({"operation", "resource", "namespace", "agent", "reason"})),
    "seconder_admission_review_duration_seconds": (_HISTOGRAM, frozenset({"operation", "decision"})),
    "seconder_admission_requests_in_flight": (_GAUGE, _NONE),
    "seconder_approval_verifications_total": (_COUNTER, frozenset({"format", "key_type", "result", "reason"})),
    "seconder_approvals_used_total": (_COUNTER, frozenset({"resource", "assurance"})),
    "seconder_approval_age_seconds": (_HISTOGRAM, _NONE),
    "seconder_approver_keys": (_GAUGE, frozenset({"format", "assurance"})),
    "seconder_webhook_configuration_in_sync": (_GAUGE, _NONE),
    "seconder_webhook_configuration_repairs_total": (_COUNTER, _NONE),
    "seconder_serving_certificate_expiry_timestamp_seconds": (_GAUGE, _NONE),
    "seconder_break_glass_total": (_COUNTER, frozenset({"resource"})),
    "seconder_build_info": (_GAUGE, frozenset({"version", "revision"})),
    "seconder_log_lines_dropped_total": (_COUNTER, _NONE),
    "seconder_log_library_lines_left_out_total": (_COUNTER, _NONE),
    "seconder_leader": (_GAUGE, _NONE),
    "seconder_policies": (_GAUGE, frozenset({"mode", "ready"})),
    "seconder_change_requests": (_GAUGE, frozenset({"phase"})),
    "seconder_change_request_longest_wait_seconds": (_GAUGE, _NONE),
    "seconder_change_request_longest_untried_seconds": (_GAUGE, _NONE),
}


@pytest.fixture(params=[webhook_registry, operator_registry], ids=["webhook", "operator"])
def exposed(request: pytest.FixtureRequest) -> CollectorRegistry:
    """What one of the two programs exposes."""
    registry: CollectorRegistry = request.param()
    return registry


def test_names_types_and_labels_are_the_published_ones() -> None:
    """Others' dashboards rely on them."""
    found = shapes(webhook_registry()) | shapes(operator_registry())
    for name, (kind, labels) in _PUBLISHED.items():
        assert found[name] == (kind, labels), name


def test_promtool_finds_nothing_to_mend(exposed: CollectorRegistry) -> None:
    """Help, units, suffixes; in the text format, which it reads."""
    tool = program("promtool")
    done = subprocess.run([tool, "check", "metrics"], input=generate_latest(exposed), capture_output=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def test_openmetrics_is_well_formed(exposed: CollectorRegistry) -> None:
    """By a parser that takes no liberties; every metric says in a sentence what it is."""
    text = openmetrics(exposed).decode()  # type: ignore[no-untyped-call]
    families = list(text_string_to_metric_families(text))  # type: ignore[no-untyped-call]
    assert len(families) > 5
    for family in families:
        assert family.documentation.endswith("."), family.name


def test_there_is_one_series_for_each_value_and_none_for_its_beginning(exposed: CollectorRegistry) -> None:
    """Creation times would double what Prometheus keeps."""
    assert b"_created" not in generate_latest(exposed)


def test_an_operator_that_stands_by_tells_that_and_nothing_of_what_a_leader_counts() -> None:
    """Old figures of a former leader would be taken for the present leader's."""
    made, leads = registry(), True
    leader = LeaderMetrics(made, lambda: leads)
    OperatorMetrics(leader.while_leading, lambda _: 3).failures.inc()
    assert made.get_sample_value("seconder_leader") == 1.0
    assert made.get_sample_value("seconder_change_requests", {"phase": "Pending"}) == 3.0
    leads = False
    assert made.get_sample_value("seconder_leader") == 0.0
    assert {family.name for family in made.collect()} == {
        "seconder_build_info",
        "seconder_leader",
        "seconder_log_library_lines_left_out",
        "seconder_log_lines_dropped",
    }


def test_what_there_is_none_of_is_zero_and_not_absent() -> None:
    """So that an alert can tell no policy from no operator."""
    made = registry()
    metrics = OperatorMetrics(made, lambda _: 0)
    metrics.policies([(Mode.ENFORCE, True)])
    metrics.keys([("ssh", Assurance.SOFTWARE.value)])
    metrics.policies([])
    metrics.keys([])
    values = {
        sample.value
        for family in made.collect()
        if family.name in {"seconder_policies", "seconder_approver_keys"}
        for sample in family.samples
    }
    assert values == {0.0}
    assert made.get_sample_value("seconder_policies", {"mode": "Audit", "ready": "false"}) == 0.0
