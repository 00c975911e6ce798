"""The collector that Prometheus' client library asks for every scrape."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from pipeline.errors import NightjarError, escape_controls
from pipeline.exporter.catalogue import JOB_LABEL, METRICS, Metric
from pipeline.exporter.parts import JobParts
from pipeline.exporter.samples import Sample
from pipeline.job import Job
from pipeline.tasks import Workspace

Family = CounterMetricFamily | GaugeMetricFamily
Series = dict[tuple[str, ...], float]

CACHE_SECONDS = 10.0
_READERS = 8

_log = logging.getLogger(__name__)


class JobsCollector(Collector):
    """Metrics of every job.  What was read is kept for some seconds, so scrapes cannot overload lake or Redis.

    A part that cannot be read takes none of the others down: it is absent, and ``nightjar_scrape_error`` says so.

    Args:
        monotonic: seconds that only grow, to measure how long what was read is kept.
    """

    def __init__(
        self, workspace: Workspace, jobs: Sequence[Job], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._parts = {
            (job.name, name): read for job in jobs for name, read in JobParts(workspace, job).by_name.items()
        }
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._kept: tuple[float, list[Family]] | None = None
        self._failing: set[tuple[str, str]] = set()

    def describe(self) -> list[Family]:
        """Every metric without samples, so that registering reads nothing."""
        return [_make_family(metric, {}) for metric in METRICS.values()]

    def collect(self) -> list[Family]:
        """Every metric that has samples."""
        with self._lock:
            now = self._monotonic()
            if self._kept is None or now - self._kept[0] >= CACHE_SECONDS:
                self._kept = now, self._read()
            return self._kept[1]

    def _read(self) -> list[Family]:
        series: dict[str, Series] = {name: {} for name in METRICS}
        with ThreadPoolExecutor(_READERS) as readers:  # a Redis that hangs must not hold up the rest
            for (job, _), samples in zip(self._parts, readers.map(self._read_part, self._parts), strict=True):
                for sample in samples:
                    series[sample.metric][(job, *map(escape_controls, sample.labels))] = float(sample.value)
        return [_make_family(METRICS[name], found) for name, found in series.items() if found]

    def _read_part(self, key: tuple[str, str]) -> Iterable[Sample]:
        part = key[1]
        try:
            samples = list(self._parts[key]())
        except (NightjarError, OSError) as error:
            if key not in self._failing:
                _log.warning("%s of %s cannot be read: %s", part, key[0], error)
            self._failing.add(key)
            return [Sample("nightjar_scrape_error", (part,), 1)]
        self._failing.discard(key)
        return [*samples, Sample("nightjar_scrape_error", (part,), 0)]


def _make_family(metric: Metric, series: Series) -> Family:
    kind = CounterMetricFamily if metric.is_counter else GaugeMetricFamily
    family = kind(metric.name, metric.help, labels=(JOB_LABEL, *metric.labels))
    for labels, value in series.items():
        family.add_metric(labels, value)
    return family
