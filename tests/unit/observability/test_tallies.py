"""Counters and histograms of our own say what prometheus-client's would."""

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics

from seconder.observability.tallies import Counts, Spread

_BOUNDS = (0.1, 1, 10)
_VALUES = (0.05, 0.1, 0.100001, 1, 9.5, 10, 11)


def test_what_is_scraped_is_what_the_library_would_say() -> None:
    """In both formats, with labels and without, on a bound and between two."""
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    disable_created_metrics()  # type: ignore[no-untyped-call]
    counts = Counts("calls", "Calls.", ["verb", "code"], ours)
    spread = Spread("seconds", "Times.", ["verb"], _BOUNDS, ours)
    bare = Spread("ages_seconds", "Ages.", [], _BOUNDS, ours)
    counter = Counter("calls", "Calls.", ["verb", "code"], registry=theirs)
    histogram = Histogram("seconds", "Times.", ["verb"], buckets=_BOUNDS, registry=theirs)
    plain = Histogram("ages_seconds", "Ages.", buckets=_BOUNDS, registry=theirs)
    bare.among()
    for verb, code in (("get", "200"), ("put", 'a "quoted"\n\\ one'), ("get", "200")):
        counts.by[verb, code] += 1
        counter.labels(verb, code).inc()
        for value in _VALUES:
            spread.observe(value, verb)
            histogram.labels(verb).observe(value)
    bare.observe(0.5)
    plain.observe(0.5)
    assert generate_latest(ours) == generate_latest(theirs)
    assert openmetrics(ours) == openmetrics(theirs)  # type: ignore[no-untyped-call]


def test_no_two_of_them_have_one_name() -> None:
    """The registry refuses the second, as with the library's own."""
    registry = CollectorRegistry()
    Counts("calls", "Calls.", [], registry)
    Spread("seconds", "Times.", [], _BOUNDS, registry)
    for again in (lambda: Counts("calls", "Calls.", [], registry), lambda: Counter("seconds", "", registry=registry)):
        with pytest.raises(ValueError, match="Duplicated"):
            again()
