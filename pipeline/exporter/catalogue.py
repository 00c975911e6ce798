"""Every metric that there is: name, labels and meaning.  ``docs/prometheus.md`` shows the same as a table.

Units are base units, and names end in them.  Each metric has the label ``scoring_job`` as well: ``job`` is Prometheus'
own, for what it scrapes.
"""

from __future__ import annotations

from dataclasses import dataclass

JOB_LABEL = "scoring_job"


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        help: what its value means, in one line.
        labels: beside ``scoring_job``.
    """

    name: str
    help: str
    labels: tuple[str, ...] = ()

    @property
    def is_counter(self) -> bool:
        """Whether it only grows; everything else is a gauge."""
        return self.name.endswith("_total")


_RELEASE = ("generation", "partition", "model_version")

LIVE = (
    Metric("nightjar_live_info", "1; labels say what readers see", _RELEASE),
    Metric("nightjar_live_age_seconds", "now minus the cutoff of what is live"),
    Metric("nightjar_live_max_age_seconds", "age beyond which readers call predictions stale; absent without a limit"),
    Metric("nightjar_live_rows", "predictions that are live, as counted back from Redis"),
    Metric("nightjar_live_published_timestamp_seconds", "when what is live was sealed"),
    Metric("nightjar_generations", "generations in Redis, by state", ("state",)),
)
RELEASES = (
    Metric("nightjar_releases_total", "events of the release log, such as released or rolled_back", ("kind",)),
    Metric("nightjar_released_partition_timestamp_seconds", "midnight (UTC) of the newest partition that was loaded"),
    Metric(
        "nightjar_night_overdue_seconds",
        "now minus the deadline of the partition after that (cutoff and patience); absent beyond the job's last one",
    ),
)
WATCHED = (
    Metric("nightjar_watched_info", "1; labels say which release of the newest watched night", _RELEASE),
    Metric("nightjar_watched_partition_timestamp_seconds", "midnight (UTC) of the newest watched night"),
    Metric("nightjar_received_rows", "rows that came", ("source",)),
    Metric("nightjar_quarantined_rows", "rows that a contract refused, by reason", ("source", "reason")),
    Metric("nightjar_scored_rows", "predictions made, which are those published"),
    Metric("nightjar_night_duration_seconds", "wall time of all stages together"),
    Metric("nightjar_stage_duration_seconds", "wall time", ("stage",)),
    Metric("nightjar_stage_rows", "rows that the stage worked on", ("stage",)),
    Metric("nightjar_stage_peak_memory_bytes", "largest resident memory", ("stage",)),
    Metric("nightjar_stage_attempts", "how often the stage was begun", ("stage",)),
    Metric("nightjar_prediction_size_bytes", "memory of the generation in Redis, by prediction"),
    Metric("nightjar_sampled_reads", "reads of live predictions that the probe sampled"),
    Metric("nightjar_read_latency_seconds", "of these reads; quantile 0.5 and 0.99", ("quantile",)),
    Metric("nightjar_read_error_ratio", "share of these reads that failed"),
)
OUTPUTS = (
    Metric("nightjar_output_mean", "mean prediction"),
    Metric("nightjar_output_standard_deviation", "of the predictions"),
    Metric("nightjar_output_quantile", "of the predictions", ("quantile",)),
    Metric("nightjar_output_above_threshold_ratio", "share at or above the job's decision threshold"),
    Metric("nightjar_output_concentration_ratio", "largest share of one single prediction"),
    Metric("nightjar_segment_rows", "predictions of a segment", ("segment",)),
    Metric("nightjar_segment_output_mean", "mean prediction of a segment", ("segment",)),
    Metric("nightjar_segment_above_threshold_ratio", "share at or above the threshold, of a segment", ("segment",)),
)
INPUTS = (
    Metric("nightjar_feature_psi", "population stability index, nats", ("feature", "against")),
    Metric("nightjar_feature_jensen_shannon", "distance, 0 to 1", ("feature", "against")),
    Metric("nightjar_feature_unusualness", "of the index, in spreads from its usual value", ("feature", "against")),
    Metric("nightjar_feature_unusualness_limit", "beyond it the feature drifts", ("feature", "against")),
    Metric("nightjar_feature_breached", "1 if the feature drifts", ("feature", "against")),
)
SIGNALS = (
    Metric("nightjar_signal_value", "the signal of its newest night, in its own unit", ("signal",)),
    Metric(
        "nightjar_signal_lower_limit", "what is usual ends there; absent where that side does not count", ("signal",)
    ),
    Metric("nightjar_signal_upper_limit", "likewise", ("signal",)),
    Metric("nightjar_signal_breached", "1 if the value is beyond a limit", ("signal",)),
    Metric("nightjar_signal_muted", "1 if the signal does not count tonight", ("signal",)),
    Metric("nightjar_signal_nights", "nights that its limits were learnt from", ("signal",)),
)
ACCURACY = (
    Metric("nightjar_estimated_metric", "performance that the scores of the newest night promise", ("metric",)),
    Metric("nightjar_estimate_muted", "1 if that is not to be believed"),
    Metric("nightjar_graded_info", "1; labels say which release of the newest graded night", _RELEASE),
    Metric("nightjar_graded_partition_timestamp_seconds", "midnight (UTC) of the newest graded night"),
    Metric("nightjar_graded_scored_rows", "predictions of that night"),
    Metric("nightjar_graded_labelled_rows", "those of which the outcome is known"),
    Metric("nightjar_realised_metric", "performance of that night, such as calibration_error", ("metric",)),
    Metric("nightjar_graded_estimate", "what had been estimated for that night", ("metric",)),
    Metric("nightjar_segment_realised_metric", "performance on a segment", ("segment", "metric")),
)
ALARMS = (
    Metric("nightjar_alarm_open", "1 while an alarm is open; absent otherwise", ("signal", "severity")),
    Metric("nightjar_alarm_since_timestamp_seconds", "midnight (UTC) of the first night of an open alarm", ("signal",)),
    Metric("nightjar_alarms_total", "alarms that were ever raised", ("signal",)),
)
MODELS = (
    Metric("nightjar_champion_info", "1; the label says which model is champion", ("model_version",)),
    Metric("nightjar_champion_promoted_timestamp_seconds", "when it was promoted"),
    Metric("nightjar_model_events_total", "events of the model ledger, such as promoted or demoted", ("kind",)),
)
EXPORTER = (
    Metric("nightjar_scrape_error", "1 if a part of what is exported could not be read", ("part",)),
    Metric("nightjar_omitted_series", "features or segments that were left out as too many", ("what",)),
)

METRICS = {
    metric.name: metric
    for group in (LIVE, RELEASES, WATCHED, OUTPUTS, INPUTS, SIGNALS, ACCURACY, ALARMS, MODELS, EXPORTER)
    for metric in group
}
