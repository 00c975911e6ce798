"""Makes the dashboard that Grafana is provisioned with; its file is committed, and a test makes it again.

python -m deploy.grafana.make_dashboard > deploy/grafana/dashboards/nightjar.json
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DataSourceRef,
    DynamicConfigValue,
    VariableRefresh,
    VariableSort,
)

SOURCE = DataSourceRef("prometheus", "prometheus")
JOB = 'scoring_job="$scoring_job"'
LIMITS = ("lower limit", "upper limit")


@dataclass(frozen=True)
class Query:
    """PromQL with the name that its series get in the legend."""

    expression: str
    legend: str


@dataclass(frozen=True)
class Chart:
    """Series over time.

    Attributes:
        unit: as Grafana calls it.
    """

    title: str
    queries: tuple[Query, ...]
    unit: str = "short"
    stacked: bool = False
    description: str = ""


@dataclass(frozen=True)
class Number:
    """One value of now; ``by_name`` shows the legend in its place."""

    title: str
    query: Query
    unit: str = "short"
    by_name: bool = False


def chart_signal(signal: str, title: str, unit: str = "short") -> Chart:
    """A signal between its limits."""
    labels = f'{{{JOB}, signal="{signal}"}}'
    sides = ("value", "lower_limit", "upper_limit")
    queries = tuple(Query(f"nightjar_signal_{side}{labels}", side.replace("_", " ")) for side in sides)
    return Chart(title, queries, unit, description=f"Signal {signal}; dashed lines end what is usual.")


def show(metric: str, legend: str, **labels: str) -> Query:
    """A metric of the chosen job."""
    matchers = ", ".join([JOB, *(f'{name}="{value}"' for name, value in labels.items())])
    return Query(f"{metric}{{{matchers}}}", legend)


LIVE = (
    Number("Age of what is live", show("nightjar_live_age_seconds", "age"), "s"),
    Number("Partition", show("nightjar_live_info", "{{partition}}"), by_name=True),
    Number("Model", show("nightjar_live_info", "{{model_version}}"), by_name=True),
    Number("Champion", show("nightjar_champion_info", "{{model_version}}"), by_name=True),
    Number("Predictions", show("nightjar_live_rows", "rows")),
    Number("Open alarms", show("scoring_job:nightjar_open_alarms:count", "alarms")),
    Number("Unreadable parts", Query(f"sum(nightjar_scrape_error{{{JOB}}})", "parts")),
    Number("Next night overdue by", show("nightjar_night_overdue_seconds", "overdue"), "s"),
)
ROWS: dict[str, tuple[Chart, ...]] = {
    "Inputs": (
        chart_signal("inputs.drift", "Drift from the training reference (worst feature)"),
        chart_signal("inputs.weekday_drift", "Drift from the same weekday (worst feature)"),
        Chart(
            "Most unusual features",
            (Query(f"topk(10, nightjar_feature_unusualness{{{JOB}}})", "{{feature}} · {{against}}"),),
            description="Spreads from the usual value of the population stability index.",
        ),
        Chart(
            "Jensen-Shannon distance (ten largest)",
            (Query(f"topk(10, nightjar_feature_jensen_shannon{{{JOB}}})", "{{feature}} · {{against}}"),),
        ),
    ),
    "Outputs": (
        chart_signal("outputs.mean", "Mean prediction"),
        chart_signal("outputs.drift", "Drift of the distribution (PSI)"),
        chart_signal("outputs.share_above", "Share at or above the decision threshold", "percentunit"),
        chart_signal("outputs.concentration", "Largest share of one prediction", "percentunit"),
        chart_signal("outputs.segments", "Most unusual segment"),
        Chart("Quantiles", (show("nightjar_output_quantile", "{{quantile}}"),)),
        Chart("Mean prediction by segment", (show("nightjar_segment_output_mean", "{{segment}}"),)),
    ),
    "Operations": (
        Chart(
            "Age of what is live",
            (show("nightjar_live_age_seconds", "age"), show("nightjar_live_max_age_seconds", "upper limit")),
            "s",
        ),
        chart_signal("operations.seconds", "Seconds of a night", "s"),
        Chart("Seconds by stage", (show("nightjar_stage_duration_seconds", "{{stage}}"),), "s", stacked=True),
        chart_signal("operations.memory", "Peak memory", "bytes"),
        Chart("Peak memory by stage", (show("nightjar_stage_peak_memory_bytes", "{{stage}}"),), "bytes"),
        chart_signal("operations.retries", "Attempts beyond the first"),
        Chart(
            "Rows",
            (
                show("nightjar_received_rows", "received · {{source}}"),
                show("nightjar_scored_rows", "scored"),
                show("nightjar_live_rows", "live"),
            ),
        ),
        chart_signal("operations.quarantine", "Share of rows quarantined (worst source)", "percentunit"),
        Chart(
            "Quarantined rows by reason (ten largest)",
            (Query(f"topk(10, nightjar_quarantined_rows{{{JOB}}})", "{{source}} · {{reason}}"),),
        ),
        chart_signal("operations.latency", "Read latency, p99", "s"),
        Chart("Read latency", (show("nightjar_read_latency_seconds", "p{{quantile}}"),), "s"),
        chart_signal("operations.read_errors", "Share of reads that failed", "percentunit"),
        Chart("Memory by prediction", (show("nightjar_prediction_size_bytes", "in Redis"),), "bytes"),
    ),
    "Accuracy": (
        chart_signal("accuracy.primary", "Primary metric"),
        chart_signal("accuracy.estimate", "Primary metric, estimated before labels"),
        chart_signal("accuracy.concept", "Realised less estimated: concept drift"),
        chart_signal("accuracy.calibration", "Calibration error"),
        chart_signal("accuracy.segments", "Most unusual segment"),
        Chart(
            "Realised and estimated",
            (
                show("nightjar_realised_metric", "{{metric}}"),
                show("nightjar_graded_estimate", "{{metric}}, as estimated"),
            ),
        ),
        Chart("By segment", (show("nightjar_segment_realised_metric", "{{segment}} · {{metric}}"),)),
        Chart("Share of outcomes known", (show("scoring_job:nightjar_labelled:ratio", "known"),), "percentunit"),
    ),
}
MARKS = {
    "Alarms": ("red", f"nightjar_alarm_open{{{JOB}}}"),
    "Promotions": ("green", f'increase(nightjar_model_events_total{{{JOB}, kind=~"promoted|demoted"}}[1h]) > 0'),
    "Rollbacks": ("orange", f'increase(nightjar_releases_total{{{JOB}, kind="rolled_back"}}[1h]) > 0'),
    "Backfills": ("blue", f'increase(nightjar_releases_total{{{JOB}, kind="kept"}}[1h]) > 0'),
}
"""Annotations: their colours, and what is true while they last.  Over a year Grafana looks once in three quarters of an
hour, so shorter windows would lose some."""


def make_dashboard() -> str:
    """The dashboard as JSON text."""
    made = (
        dashboard.Dashboard("Nightjar")
        .uid("nightjar")
        .description("What one scoring job serves, and the four monitors of its nights.")
        .tags(["nightjar"])
        .readonly()
        .timezone("utc")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .time("now-30d", "now")
        .refresh("5m")
        .with_variable(_make_job_variable())
    )
    for name, (colour, expression) in MARKS.items():
        made.annotation(
            dashboard.AnnotationQuery().name(name).datasource(SOURCE).icon_color(colour).expr(expression).enable(True)
        )
    made.with_row(dashboard.Row("Live"))
    for number in LIVE:
        made.with_panel(_make_number(number))
    for title, charts in ROWS.items():
        made.with_row(dashboard.Row(title))
        for chart in charts:
            made.with_panel(_make_chart(chart))
    return json.dumps(made.build(), cls=JSONEncoder, indent=2, sort_keys=True) + "\n"


def _make_job_variable() -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable("scoring_job")
        .label("Job")
        .datasource(SOURCE)
        .query("label_values(nightjar_scrape_error, scoring_job)")
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
    )


def _make_query(query: Query, number: int) -> prometheus.Dataquery:
    return prometheus.Dataquery().expr(query.expression).legend_format(query.legend).ref_id(chr(ord("A") + number))


def _make_number(number: Number) -> stat.Panel:
    mode = common_models.BigValueTextMode.NAME if number.by_name else common_models.BigValueTextMode.VALUE
    return (
        stat.Panel()
        .title(number.title)
        .datasource(SOURCE)
        .unit(number.unit)
        .text_mode(mode)
        .graph_mode(common_models.BigValueGraphMode.NONE)
        .color_mode(common_models.BigValueColorMode.NONE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .with_target(_make_query(number.query, 0).instant())
        .height(4)
        .span(3)
    )


def _make_chart(chart: Chart) -> timeseries.Panel:
    panel = (
        timeseries.Panel()
        .title(chart.title)
        .description(chart.description)
        .datasource(SOURCE)
        .unit(chart.unit)
        .line_interpolation(common_models.LineInterpolation.STEP_AFTER)
        .legend(common.VizLegendOptions().show_legend(True).placement(common_models.LegendPlacement.BOTTOM))
        .height(8)
        .span(8)
    )
    for number, query in enumerate(chart.queries):
        panel.with_target(_make_query(query, number))
    for limit in LIMITS:
        panel.override_by_name(
            limit,
            [
                DynamicConfigValue("color", {"mode": "fixed", "fixedColor": "red"}),
                DynamicConfigValue("custom.lineStyle", {"fill": "dash", "dash": [8, 8]}),
            ],
        )
    if chart.stacked:
        panel.stacking(common.StackingConfig().mode(common_models.StackingMode.NORMAL)).fill_opacity(30)
    return panel


if __name__ == "__main__":
    sys.stdout.write(make_dashboard())
