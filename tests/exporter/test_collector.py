"""What is exported of a job: names and labels, values, and what happens when a part cannot be read."""

from __future__ import annotations

import json
import logging
import re
from datetime import timedelta

import pytest
from pydantic import SecretStr

from pipeline.exporter import JobsCollector
from pipeline.exporter.catalogue import METRICS
from pipeline.exporter.collector import CACHE_SECONDS
from pipeline.exporter.samples import MOST_FEATURES, MOST_SEGMENTS
from pipeline.job import Job
from pipeline.monitoring import FeatureDrift, SegmentOutputs
from pipeline.tasks import Workspace, open_workspace
from tests.clock import Clock
from tests.exporter.nights import (
    NEWEST,
    OUTPUTS,
    SEGMENT,
    SIGNALS,
    grade,
    log_release,
    midnight_of,
    observe,
    publish,
    resolve_alarm,
)
from tests.exporter.scraping import Scraped, scrape


def test_every_metric_of_the_catalogue_is_exported_and_no_other(watched: Workspace, job: Job) -> None:
    assert scrape(watched, job).names == METRICS.keys()


def test_names_end_in_base_units_and_counters_in_total() -> None:
    for metric in METRICS.values():
        assert re.fullmatch(r"nightjar_[a-z_]+", metric.name)
        assert not re.search(r"milli|micro|minutes|hours|percent|megabytes|mib", metric.name)
        assert not {"job", "instance"} & set(metric.labels)


def test_what_is_live_is_told_by_redis_and_the_clock(watched: Workspace, job: Job, clock: Clock) -> None:
    scraped = scrape(watched, job)
    live = watched.predictions.live(job.name)
    assert live is not None
    assert scraped.labels("nightjar_live_info") == [
        {"scoring_job": job.name, "generation": live.generation, "partition": "2024-03-09", "model_version": "1"}
    ]
    assert scraped.value("nightjar_live_rows") == 300
    assert scraped.value("nightjar_live_age_seconds") == (clock() - job.cutoff(NEWEST)).total_seconds()
    assert scraped.value("nightjar_live_max_age_seconds") == timedelta(hours=40).total_seconds()
    assert scraped.value("nightjar_generations", state="live") == 1


def test_the_next_night_is_overdue_from_its_deadline_on(watched: Workspace, job: Job, clock: Clock) -> None:
    deadline = job.cutoff(NEWEST + timedelta(days=1)) + job.patience
    assert scrape(watched, job).value("nightjar_night_overdue_seconds") == (clock() - deadline).total_seconds() < 0
    clock.advance(hours=24)
    assert scrape(watched, job).value("nightjar_night_overdue_seconds") > 0


def test_a_backfill_of_an_older_night_makes_no_night_overdue(watched: Workspace, job: Job) -> None:
    before = scrape(watched, job).value("nightjar_night_overdue_seconds")
    log_release(watched, job, "9-ffff", NEWEST - timedelta(days=7), 9)
    assert scrape(watched, job).value("nightjar_night_overdue_seconds") == before


def test_no_night_is_due_after_the_last_one_that_upstream_has(watched: Workspace, job: Job) -> None:
    ended = job.model_copy(update={"last_partition": NEWEST})
    assert "nightjar_night_overdue_seconds" not in scrape(watched, ended).names


def test_the_newest_watched_night_is_the_one_that_is_told(watched: Workspace, job: Job) -> None:
    older = observe(NEWEST - timedelta(days=1), rows=7)
    watched.monitoring(job).write_observed(older)
    scraped = scrape(watched, job)
    assert scraped.value("nightjar_watched_partition_timestamp_seconds") == midnight_of(NEWEST)
    assert scraped.value("nightjar_scored_rows") == 300
    assert scraped.value("nightjar_quarantined_rows", source="meters", reason="kwh: below 0") == 9
    assert scraped.value("nightjar_stage_attempts", stage="publish") == 2
    assert scraped.value("nightjar_read_error_ratio") == 1 / 200


def test_a_signal_is_shown_beside_its_limits(watched: Workspace, job: Job) -> None:
    scraped = scrape(watched, job)
    assert scraped.value("nightjar_signal_value", signal="outputs.mean") == 12.5
    assert scraped.value("nightjar_signal_lower_limit", signal="outputs.mean") == 11
    assert scraped.value("nightjar_signal_upper_limit", signal="outputs.mean") == 14
    assert scraped.value("nightjar_signal_breached", signal="inputs.drift") == 1
    assert scraped.value("nightjar_signal_breached", signal="accuracy.primary") == 0


def test_a_muted_signal_says_so_and_has_no_value(watched: Workspace, job: Job) -> None:
    scraped = scrape(watched, job)
    assert scraped.value("nightjar_signal_muted", signal="accuracy.estimate") == 1
    assert "accuracy.estimate" not in {labels["signal"] for labels in scraped.labels("nightjar_signal_value")}


def test_a_side_that_does_not_count_has_no_limit(watched: Workspace, job: Job) -> None:
    bounded_below = {labels["signal"] for labels in scrape(watched, job).labels("nightjar_signal_lower_limit")}
    assert bounded_below == {"outputs.mean", "outputs.share_above", "accuracy.concept"}


def test_accuracy_is_told_of_the_newest_graded_night(watched: Workspace, job: Job) -> None:
    scraped = scrape(watched, job)
    assert scraped.value("nightjar_graded_partition_timestamp_seconds") == midnight_of(NEWEST - timedelta(days=1))
    assert scraped.value("nightjar_realised_metric", metric="rmse") == 1.9
    assert scraped.value("nightjar_graded_estimate", metric="rmse") == 2
    assert scraped.value("nightjar_segment_realised_metric", segment=SEGMENT.replace("\n", "\\n"), metric="rmse") == 1.8


def test_only_open_alarms_are_shown_and_all_are_counted(watched: Workspace, job: Job) -> None:
    scraped = scrape(watched, job)
    assert {(labels["signal"], labels["severity"]) for labels in scraped.labels("nightjar_alarm_open")} == {
        ("inputs.drift", "warning"),
        ("operations.quarantine", "critical"),
    }
    assert scraped.value("nightjar_alarms_total", signal="outputs.mean") == 1
    since = scraped.value("nightjar_alarm_since_timestamp_seconds", signal="inputs.drift")
    assert since == midnight_of(NEWEST - timedelta(days=1))


def test_a_resolved_alarm_is_gone_from_the_next_scrape(watched: Workspace, job: Job) -> None:
    seconds = iter([0.0, CACHE_SECONDS])
    collector = JobsCollector(watched, [job], lambda: next(seconds))
    assert len(Scraped(collector).labels("nightjar_alarm_open")) == 2
    resolve_alarm(watched, job, "inputs.drift")
    assert [labels["signal"] for labels in Scraped(collector).labels("nightjar_alarm_open")] == [
        "operations.quarantine"
    ]


def test_the_champion_and_what_became_of_models(watched: Workspace, job: Job) -> None:
    scraped = scrape(watched, job)
    assert scraped.labels("nightjar_champion_info") == [{"scoring_job": job.name, "model_version": "1"}]
    assert scraped.value("nightjar_model_events_total", kind="promoted") == 1


def test_labels_are_escaped_so_that_no_value_can_forge_a_line(watched: Workspace, job: Job) -> None:
    scraped = scrape(watched, job)
    assert 'segment="tariff=day \\"and\\"\\\\night\\\\n"' in scraped.text
    assert all(re.match(r"# (HELP|TYPE) nightjar_|nightjar_", line) for line in scraped.text.splitlines())


def test_a_lone_surrogate_in_a_label_does_not_break_the_scrape(watched: Workspace, job: Job) -> None:
    broken = OUTPUTS.model_copy(update={"segments": (SegmentOutputs(segment="tariff=\ud800", rows=1, mean=0.0),)})
    text = json.dumps(observe(NEWEST, outputs=broken).model_dump())
    watched.lake.replace(f"jobs/{job.name}/monitoring/observed/{NEWEST}.json", text.encode())
    assert scrape(watched, job).value("nightjar_segment_rows") == 1


def test_features_and_segments_are_bounded_and_the_worst_and_largest_stay(watched: Workspace, job: Job) -> None:
    drift = [
        FeatureDrift(feature=f"f{number}", against=against, psi=1.0, jensen_shannon=0.1)
        for number in range(MOST_FEATURES + 10)
        for against in ("reference", "weekday")
    ]
    segments = [SegmentOutputs(segment=f"s{rows}", rows=rows, mean=1.0) for rows in range(MOST_SEGMENTS + 5)]
    outputs = OUTPUTS.model_copy(update={"segments": tuple(segments)})
    watched.monitoring(job).write_observed(observe(NEWEST, drift=drift, outputs=outputs))
    scraped = scrape(watched, job)
    shown = {labels["feature"] for labels in scraped.labels("nightjar_feature_psi")}
    assert shown == {f"f{number}" for number in range(MOST_FEATURES)}
    assert len(scraped.labels("nightjar_feature_psi")) == 2 * MOST_FEATURES
    assert "s0" not in {labels["segment"] for labels in scraped.labels("nightjar_segment_rows")}
    assert scraped.value("nightjar_omitted_series", what="features") == 10
    assert scraped.value("nightjar_omitted_series", what="segments") == 5


def test_a_signal_in_both_records_is_one_series(watched: Workspace, job: Job) -> None:
    """Prometheus refuses a whole scrape that says a series twice."""
    watched.monitoring(job).write_graded(grade(NEWEST, *SIGNALS))
    assert scrape(watched, job).value("nightjar_signal_value", signal="inputs.drift") == 3.5


def test_a_job_that_never_ran_is_exported_without_an_error(workspace: Workspace, job: Job) -> None:
    scraped = scrape(workspace, job)
    assert scraped.names == {"nightjar_scrape_error", "nightjar_releases_total", "nightjar_model_events_total"}
    assert {sample.value for sample in scraped.samples} == {0}


def test_a_counter_is_there_before_it_counts(watched: Workspace, job: Job) -> None:
    """Or Prometheus would see no increase when the first rollback makes it appear with a one."""
    assert scrape(watched, job).value("nightjar_releases_total", kind="rolled_back") == 0
    assert scrape(watched, job).value("nightjar_model_events_total", kind="demoted") == 0


def test_a_redis_that_is_down_takes_nothing_else_down(watched: Workspace, job: Job) -> None:
    gone = watched.settings.model_copy(update={"redis_url": SecretStr("redis://:hush@127.0.0.1:1/0")})
    scraped = scrape(open_workspace(gone, watched.clock), job)
    assert scraped.value("nightjar_scrape_error", part="live") == 1
    assert scraped.value("nightjar_scrape_error", part="watched") == 0
    assert "nightjar_live_age_seconds" not in scraped.names
    assert scraped.value("nightjar_scored_rows") == 300


def test_a_redis_that_lost_what_was_live_is_an_error(watched: Workspace, job: Job) -> None:
    with watched.predictions._client as client:
        client.flushall()
    assert scrape(watched, job).value("nightjar_scrape_error", part="live") == 1


@pytest.mark.parametrize(
    ("path", "part"),
    [
        (f"monitoring/observed/{NEWEST}.json", "watched"),
        (f"monitoring/graded/{NEWEST - timedelta(days=1)}.json", "graded"),
        ("monitoring/alarms/000001.json", "alarms"),
        ("models/000001.json", "models"),
        ("release_log/000001.json", "releases"),
    ],
)
@pytest.mark.parametrize("content", [b"{", b"{}"])
def test_a_damaged_record_takes_its_own_part_down_and_no_other(
    watched: Workspace, job: Job, path: str, part: str, content: bytes
) -> None:
    watched.lake.replace(f"jobs/{job.name}/{path}", content)
    scraped = scrape(watched, job)
    broken = {
        sample.labels["part"] for sample in scraped.samples if sample.name == "nightjar_scrape_error" and sample.value
    }
    assert broken == {part}


def test_a_part_that_stays_broken_is_logged_once_and_without_the_password(
    watched: Workspace, job: Job, caplog: pytest.LogCaptureFixture
) -> None:
    gone = watched.settings.model_copy(update={"redis_url": SecretStr("redis://:hush@127.0.0.1:1/0")})
    seconds = iter([0.0, CACHE_SECONDS])
    collector = JobsCollector(open_workspace(gone, watched.clock), [job], lambda: next(seconds))
    with caplog.at_level(logging.WARNING):
        collector.collect()
        collector.collect()
    (record,) = caplog.records
    assert f"live of {job.name} cannot be read" in record.getMessage()
    assert "hush" not in record.getMessage()


def test_what_was_read_is_kept_for_some_seconds(watched: Workspace, job: Job) -> None:
    seconds = iter([0.0, CACHE_SECONDS - 1, CACHE_SECONDS])
    collector = JobsCollector(watched, [job], lambda: next(seconds))
    first = Scraped(collector)
    publish(watched, job, NEWEST + timedelta(days=1), rows=100)
    assert Scraped(collector).text == first.text
    assert Scraped(collector).value("nightjar_live_rows") == 100


def test_a_year_of_events_is_read_once(watched: Workspace, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter([0.0, CACHE_SECONDS])
    collector = JobsCollector(watched, [job], lambda: next(seconds))
    collector.collect()
    log_release(watched, job, "9-ffff", NEWEST + timedelta(days=1), 9)
    opened: list[str] = []
    read = watched.lake.read_bytes

    def note(path: str) -> bytes:
        opened.append(path)
        return read(path)

    monkeypatch.setattr(watched.lake, "read_bytes", note)
    collector.collect()
    assert sorted(path.split("/", 2)[2] for path in opened) == [
        f"monitoring/graded/{NEWEST - timedelta(days=1)}.json",
        f"monitoring/observed/{NEWEST}.json",
        "release_log/000002.json",
    ]
