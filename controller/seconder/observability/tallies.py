"""Counters and histograms as plain numbers, for what each review counts.

prometheus-client's own take a lock and five Python calls for each increment, since any thread may count. Here one
thread alone counts, the event loop's, and any may read: a reader copies what it reads in one step of the interpreter.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import INF, floatToGoString


class Counts(Collector):
    """A counter. ``by`` holds the number for each tuple of its labels' values, which are texts."""

    def __init__(self, name: str, help_text: str, labels: Sequence[str], registry: CollectorRegistry) -> None:
        self._family: Final = (name, help_text, None, tuple(labels))
        self.by: Final[defaultdict[tuple[str, ...], int]] = defaultdict(int)
        registry.register(self)

    def describe(self) -> Iterator[CounterMetricFamily]:
        """The counter without its numbers."""
        yield CounterMetricFamily(*self._family)

    def collect(self) -> Iterator[CounterMetricFamily]:
        """The counter as it stands."""
        family = CounterMetricFamily(*self._family)
        for labels, count in self.by.copy().items():
            family.add_metric(labels, count)
        yield family


class Spread(Collector):
    """A histogram. ``bounds`` are the buckets' upper ones, which count as inside; one more holds all the rest."""

    def __init__(
        self,
        name: str,
        help_text: str,
        labels: Sequence[str],
        bounds: Sequence[float],
        registry: CollectorRegistry,
    ) -> None:
        self._name, self._help, self._labels = name, help_text, tuple(labels)
        self._bounds: Final = tuple(bounds)
        self._rows: Final[dict[tuple[str, ...], list[float]]] = {}
        registry.register(self)

    def observe(self, value: float, *labels: str) -> None:
        """Count one value."""
        row = self._rows.get(labels) or self.among(*labels)
        row[bisect_left(self._bounds, value)] += 1
        row[-1] += value

    def among(self, *labels: str) -> list[float]:
        """The row of these labels' values, with nothing counted in it: its buckets, then the sum."""
        row = self._rows[labels] = [0.0] * (len(self._bounds) + 2)
        return row

    def describe(self) -> Iterator[HistogramMetricFamily]:
        """The histogram without its numbers."""
        yield HistogramMetricFamily(self._name, self._help, labels=self._labels)

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """The histogram as it stands."""
        family = HistogramMetricFamily(self._name, self._help, labels=self._labels)
        names = [floatToGoString(bound) for bound in (*self._bounds, INF)]  # type: ignore[no-untyped-call]
        for labels, row in self._rows.copy().items():
            *counted, total = row.copy()
            family.add_metric(labels, list(zip(names, accumulate(counted), strict=True)), total)
        yield family
