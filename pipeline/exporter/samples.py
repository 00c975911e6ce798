"""What records say, as samples of the metrics of :mod:`pipeline.exporter.catalogue`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple, Protocol, get_args

from pipeline.job import Job
from pipeline.monitoring import FeatureDrift, Graded, Observed, Operations, Outputs, Signal
from pipeline.serving import Status
from pipeline.stores.alarms import AlarmEvent, list_open
from pipeline.stores.ledger_events import Event, Kind, find_champion
from pipeline.stores.release_log import ReleaseEvent, ReleaseKind

MOST_FEATURES = 200
MOST_SEGMENTS = 100
MOST_REASONS = 50


class Sample(NamedTuple):
    """One value of one metric; ``labels`` in the order of the metric's, without the job's."""

    metric: str
    labels: tuple[str, ...]
    value: float


class Release(Protocol):
    """What names the release that a record is of."""

    @property
    def generation(self) -> str: ...

    @property
    def partition(self) -> str: ...

    @property
    def model_version(self) -> str: ...


def describe_live(status: Status) -> Iterator[Sample]:
    """What readers see."""
    header = status.header
    yield _info("nightjar_live_info", header)
    yield _one("nightjar_live_age_seconds", status.age.total_seconds())
    yield from _maybe("nightjar_live_max_age_seconds", header.max_age_seconds)
    yield _one("nightjar_live_rows", header.rows)
    yield _one("nightjar_live_published_timestamp_seconds", header.published_at.timestamp())
    for state, count in status.states.items():
        yield Sample("nightjar_generations", (state,), count)


def describe_releases(job: Job, events: Sequence[ReleaseEvent], now: datetime) -> Iterator[Sample]:
    """What became of the job's nights, and how late the next one is."""
    yield from _count("nightjar_releases_total", get_args(ReleaseKind), (event.kind for event in events))
    newest = max((event.partition for event in events), default=None)
    if newest is None:
        return
    yield _one("nightjar_released_partition_timestamp_seconds", _midnight(newest))
    due = date.fromisoformat(newest) + timedelta(days=1)
    if job.last_partition is None or due <= job.last_partition:
        yield _one("nightjar_night_overdue_seconds", (now - job.cutoff(due) - job.patience).total_seconds())


def describe_observed(night: Observed) -> Iterator[Sample]:
    """The newest night as it was served."""
    yield _info("nightjar_watched_info", night)
    yield _one("nightjar_watched_partition_timestamp_seconds", _midnight(night.partition))
    yield _one("nightjar_scored_rows", night.rows)
    yield from _describe_operations(night.operations)
    yield from _describe_outputs(night.outputs)
    yield from _describe_drift(night.drift)
    yield from _describe_signals(night.signals)
    if night.estimate is not None:
        yield from _label_each("nightjar_estimated_metric", night.estimate.metrics)
        yield _one("nightjar_estimate_muted", night.estimate.muted is not None)


def describe_graded(night: Graded) -> Iterator[Sample]:
    """The newest night whose labels have closed."""
    yield _info("nightjar_graded_info", night)
    yield _one("nightjar_graded_partition_timestamp_seconds", _midnight(night.partition))
    yield _one("nightjar_graded_scored_rows", night.scored)
    yield _one("nightjar_graded_labelled_rows", night.labelled)
    yield from _label_each("nightjar_realised_metric", night.metrics)
    yield from _label_each("nightjar_graded_estimate", night.estimated)
    segments = sorted(night.segments, key=lambda segment: segment.rows, reverse=True)
    for segment in segments[:MOST_SEGMENTS]:
        for name, value in segment.metrics.items():
            yield Sample("nightjar_segment_realised_metric", (segment.segment, name), value)
    yield Sample("nightjar_omitted_series", ("graded segments",), max(0, len(segments) - MOST_SEGMENTS))
    yield from _describe_signals(night.signals)


def describe_alarms(events: Sequence[AlarmEvent]) -> Iterator[Sample]:
    """The alarms that are open, and how many there ever were."""
    for signal, event in list_open(events).items():
        yield Sample("nightjar_alarm_open", (signal, event.severity), 1)
        yield Sample("nightjar_alarm_since_timestamp_seconds", (signal,), _midnight(event.since))
    yield from _count("nightjar_alarms_total", (), (event.signal for event in events if event.kind == "raised"))


def describe_models(events: Sequence[Event]) -> Iterator[Sample]:
    """Who is champion since when, and what became of models."""
    yield from _count("nightjar_model_events_total", get_args(Kind), (event.kind for event in events))
    champion = find_champion(events)
    promotions = [event for event in events if event.kind == "promoted" and event.model_version == champion]
    if promotions:
        yield Sample("nightjar_champion_info", (promotions[-1].model_version,), 1)
        promoted_at = datetime.fromisoformat(promotions[-1].at).timestamp()
        yield _one("nightjar_champion_promoted_timestamp_seconds", promoted_at)


def _describe_operations(operations: Operations) -> Iterator[Sample]:
    yield _one("nightjar_night_duration_seconds", operations.seconds)
    for stage in operations.stages:
        yield Sample("nightjar_stage_duration_seconds", (stage.stage,), stage.seconds)
        if stage.rows is not None:
            yield Sample("nightjar_stage_rows", (stage.stage,), stage.rows)
        yield Sample("nightjar_stage_peak_memory_bytes", (stage.stage,), stage.peak_memory_bytes)
        yield Sample("nightjar_stage_attempts", (stage.stage,), stage.attempts)
    for source, rows in operations.received.items():
        yield Sample("nightjar_received_rows", (source,), rows)
    for source, reasons in operations.quarantine.items():
        for reason, rows in Counter(reasons).most_common(MOST_REASONS):
            yield Sample("nightjar_quarantined_rows", (source, reason), rows)
    yield from _maybe("nightjar_prediction_size_bytes", operations.bytes_per_prediction)
    reads = operations.reads
    if reads is not None and reads.reads:
        yield _one("nightjar_sampled_reads", reads.reads)
        yield Sample("nightjar_read_latency_seconds", ("0.5",), reads.p50)
        yield Sample("nightjar_read_latency_seconds", ("0.99",), reads.p99)
        yield _one("nightjar_read_error_ratio", reads.errors / reads.reads)


def _describe_outputs(outputs: Outputs) -> Iterator[Sample]:
    yield _one("nightjar_output_mean", outputs.mean)
    yield _one("nightjar_output_standard_deviation", outputs.std)
    yield _one("nightjar_output_concentration_ratio", outputs.concentration)
    yield from _maybe("nightjar_output_above_threshold_ratio", outputs.share_above)
    yield from _label_each("nightjar_output_quantile", outputs.quantiles)
    segments = sorted(outputs.segments, key=lambda segment: segment.rows, reverse=True)
    for segment in segments[:MOST_SEGMENTS]:
        yield Sample("nightjar_segment_rows", (segment.segment,), segment.rows)
        yield Sample("nightjar_segment_output_mean", (segment.segment,), segment.mean)
        if segment.share_above is not None:
            yield Sample("nightjar_segment_above_threshold_ratio", (segment.segment,), segment.share_above)
    yield Sample("nightjar_omitted_series", ("segments",), max(0, len(segments) - MOST_SEGMENTS))


def _describe_drift(drifts: Sequence[FeatureDrift]) -> Iterator[Sample]:
    features = list(dict.fromkeys(drift.feature for drift in drifts))  # the worst first, as the record has them
    shown = set(features[:MOST_FEATURES])
    for drift in drifts:
        if drift.feature in shown:
            labels = (drift.feature, drift.against)
            yield Sample("nightjar_feature_psi", labels, drift.psi)
            yield Sample("nightjar_feature_jensen_shannon", labels, drift.jensen_shannon)
            yield Sample("nightjar_feature_breached", labels, drift.breached)
            yield from _maybe("nightjar_feature_unusualness", drift.score, labels)
            yield from _maybe("nightjar_feature_unusualness_limit", drift.limit, labels)
    yield Sample("nightjar_omitted_series", ("features",), max(0, len(features) - MOST_FEATURES))


def _describe_signals(signals: Sequence[Signal]) -> Iterator[Sample]:
    for signal in signals:
        labels = (signal.name,)
        yield from _maybe("nightjar_signal_value", signal.value, labels)
        yield from _maybe("nightjar_signal_lower_limit", signal.lower, labels)
        yield from _maybe("nightjar_signal_upper_limit", signal.upper, labels)
        yield Sample("nightjar_signal_breached", labels, signal.breached)
        yield Sample("nightjar_signal_muted", labels, signal.muted is not None)
        yield Sample("nightjar_signal_nights", labels, signal.nights)


def _info(metric: str, release: Release) -> Sample:
    return Sample(metric, (release.generation, release.partition, release.model_version), 1)


def _one(metric: str, value: float) -> Sample:
    return Sample(metric, (), value)


def _maybe(metric: str, value: float | None, labels: tuple[str, ...] = ()) -> Iterator[Sample]:
    """Nothing where there is no value: a series that is absent says so, and a zero would be a claim."""
    if value is not None:
        yield Sample(metric, labels, value)


def _label_each(metric: str, values: dict[str, float]) -> Iterator[Sample]:
    for label, value in values.items():
        yield Sample(metric, (label,), value)


def _count(metric: str, known: Iterable[str], labels: Iterable[str]) -> Iterator[Sample]:
    """Every label that is ``known`` from the beginning: a counter that appears with a one has never increased."""
    counts = {**dict.fromkeys(known, 0), **Counter(labels)}
    for label, count in counts.items():
        yield Sample(metric, (label,), count)


def _midnight(partition: str) -> float:
    return datetime.combine(date.fromisoformat(partition), datetime.min.time(), UTC).timestamp()
