"""A night that was served is written down once, beside what is usual; alarms follow, and a training is asked for."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipeline import tasks
from pipeline.errors import DamagedError
from pipeline.job import Job, Monitoring
from pipeline.monitoring import Observed
from pipeline.tasks import Workspace, runs
from pipeline.tasks.monitoring import followups
from pipeline.tasks.monitoring.past_nights import read_past
from tests.clock import Clock
from tests.meter_readings.upstream import MeterUpstream
from tests.tasks.conftest import Served
from tests.tasks.gates import make_lossy, with_gate
from tests.tasks.nights import LIVE, NEXT, land_again, land_days, run_night

FIRST = date(2024, 3, 3)
ORDINARY = 11
"""Nine for a limit, and two that are judged along with the next."""
DRIFTED = (11, 12)
NIGHTS = ORDINARY + len(DRIFTED) + 3


class DriftingUpstream(MeterUpstream):
    """Meters that are rated three times as high on two nights."""

    def deliver(self, source: str, partition: date) -> pa.Table | None:
        """The table of one source and day."""
        table = super().deliver(source, partition)
        if table is None or source != "meters" or (partition - FIRST).days not in DRIFTED:
            return table
        place = table.schema.get_field_index("rated_amps")
        return table.set_column(place, "rated_amps", pc.multiply(table["rated_amps"], 3.0))


@pytest.fixture
def job(job: Job) -> Job:
    """The second job, whose limits are learnt from nine nights."""
    return job.model_copy(update={"monitoring": Monitoring(history=14, minimum=7, false_alarms=0.1)})


def day(age: int) -> str:
    return (FIRST + timedelta(days=age)).isoformat()


def run_and_watch(workspace: Workspace, job: Job, partition: str, run: str = "first", **options: Any) -> dict[str, Any]:
    """A whole night, and what watching it says."""
    published = run_night(workspace, job, partition, run, **options)["publish"]
    return tasks.watch(workspace, job, partition, run, published)


def test_a_drifted_night_alarms_once_it_lasts_and_is_resolved(
    trained: Workspace, job: Job, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without suites, which take most of a night's time and none of its scores; every stage takes as long as ever."""
    monkeypatch.setattr(runs, "time", SimpleNamespace(perf_counter=itertools.count().__next__))
    job = job.model_copy(update={"sources": tuple(each.model_copy(update={"suite": None}) for each in job.sources)})
    clock.now = datetime(2024, 3, 25, tzinfo=UTC)
    land_days(trained.settings.lake, DriftingUpstream(), date(2024, 3, 7), date(2024, 3, 22))
    seen = [run_and_watch(trained, job, day(age), f"night {age}") for age in range(NIGHTS)]
    beyond = [[signal["name"] for signal in night["breached"]] for night in seen]
    assert [age for age in range(NIGHTS) if "inputs.drift" in beyond[age]] == list(DRIFTED)
    assert [age for age in range(NIGHTS) if "inputs.drift" in seen[age]["raised"]] == [DRIFTED[1]]
    assert [age for age in range(NIGHTS) if "inputs.drift" in seen[age]["resolved"]] == [NIGHTS - 1]
    (alarmed,) = [night for night in seen if night["ask"] is not None]
    assert "inputs.drift was beyond its limit on several nights since 2024-03-14" in alarmed["ask"]
    record = trained.monitoring(job).find_observed(day(DRIFTED[0]))
    assert record is not None
    assert (record.drift[0].feature, record.drift[0].breached) == ("rated_amps", True)
    raised = trained.monitoring(job).alarms.events()[0]
    assert raised.worst[0].name == "rated_amps"
    taught = [night.partition for night in read_past(trained, job, day(NIGHTS))]
    assert taught == [day(age) for age in range(NIGHTS - 2) if age not in DRIFTED]


def test_a_first_night_is_written_down_and_every_limit_waits(served: Served) -> None:
    workspace, job = served.workspace, served.job
    seen = tasks.watch(workspace, job, LIVE, "first", served.first["publish"])
    assert (seen["watched"], seen["breached"], seen["raised"], seen["ask"]) == (True, [], [], None)
    assert "operations.seconds" in seen["muted"]
    night = find_night(workspace, job)
    assert (night.generation, night.went_live, night.model_version) == (
        served.first["publish"]["generation"],
        True,
        served.first["publish"]["model_version"],
    )
    assert night.rows == served.first["publish"]["rows"]
    assert night.observed_at == workspace.clock().isoformat(timespec="seconds")
    assert set(workspace.monitoring(job).profiles([LIVE])) == {LIVE}
    assert {"inputs.drift", "inputs.weekday_drift", "outputs.mean", "operations.latency"} <= {
        signal.name for signal in night.signals
    }


def test_it_is_a_stage_of_the_run_and_says_what_it_cost(served: Served) -> None:
    workspace, job = served.workspace, served.job
    seen = tasks.watch(workspace, job, LIVE, "first", served.first["publish"])
    assert tasks.read_run(workspace, job, LIVE)["stages"][-1] == seen
    assert 0 < seen["share_of_run"] < 1


def test_a_report_that_goes_wrong_as_nobody_foresaw_is_a_warning(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> None:
        raise ValueError("meter 70000000000001 has a value of 12.5")

    monkeypatch.setattr(followups, "write_night_report", fail)
    seen = tasks.watch(served.workspace, served.job, LIVE, "first", served.first["publish"])
    (warning,) = seen["warnings"]
    assert (seen["watched"], "ValueError" in warning, "70000000000001" in warning) == (True, True, False)


def test_a_retry_leaves_one_record_and_doubles_nothing(served: Served) -> None:
    workspace, job = served.workspace, served.job
    first, second = (tasks.watch(workspace, job, LIVE, "first", served.first["publish"]) for _ in range(2))
    assert (first["attempt"], second["attempt"]) == (1, 2)
    assert len(workspace.monitoring(job).observed()) == 1
    assert find_night(workspace, job).operations.stages[-1].attempts == 1


def test_a_backfill_replaces_the_record_of_its_partition_and_does_not_go_live(served: Served) -> None:
    workspace, job = served.workspace, served.job
    run_and_watch(workspace, job, NEXT)
    before = tasks.watch(workspace, job, LIVE, "first", served.first["publish"])
    again = run_and_watch(workspace, job, LIVE, "backfill")
    night = find_night(workspace, job)
    assert again["generation"] != before["generation"]
    assert (night.generation, night.went_live) == (again["generation"], False)
    assert night.operations.reads is not None
    assert night.operations.reads.errors == 0


def test_an_overtaken_run_leaves_the_record_of_the_newer_release(served: Served) -> None:
    workspace, job = served.workspace, served.job
    newer = run_and_watch(workspace, job, LIVE, "second")
    late = tasks.watch(workspace, job, LIVE, "first", served.first["publish"])
    assert (late["watched"], late["why"]) == (
        False,
        f"the newer release {newer['generation']} of this partition was watched already",
    )
    assert find_night(workspace, job).generation == newer["generation"]


@pytest.mark.parametrize("options", [{"dry_run": True}, {"basis": "as_known_then"}])
def test_what_readers_are_not_given_is_not_watched(served: Served, options: dict[str, Any]) -> None:
    workspace, job = served.workspace, served.job
    seen = run_and_watch(workspace, job, LIVE, "second", **options)
    assert (seen["watched"], seen["rows"], seen["ask"]) == (False, 0, None)
    assert workspace.monitoring(job).observed() == []


def test_what_the_gate_holds_back_is_watched_once_it_is_approved(served: Served) -> None:
    strict = with_gate(served, on_breach="ask")
    workspace, job = strict.workspace, strict.job
    make_lossy(workspace, NEXT)
    held = run_night(workspace, job, NEXT, "lossy")["publish"]
    assert tasks.watch(workspace, job, NEXT, "lossy", held)["why"] == "the release gate has held it back"
    done = tasks.approve_release(workspace, job, held["generation"], who="Jane Doe", why="the region was sold")
    seen = tasks.watch(workspace, job, done["partition"], "cli-approval", done)
    night = find_night(workspace, job, NEXT)
    assert (seen["watched"], night.went_live, night.run) == (True, True, "lossy")
    assert [stage.stage for stage in night.operations.stages][-1] == "publish"


def test_a_release_that_was_rolled_back_teaches_no_limit(served: Served) -> None:
    workspace = served.workspace
    job = served.job.model_copy(update={"monitoring": Monitoring(k=1, n=1)})
    tasks.watch(workspace, job, LIVE, "first", served.first["publish"])
    run_and_watch(workspace, job, NEXT)
    assert [night.partition for night in read_past(workspace, job, "2024-03-09")] == [LIVE, NEXT]
    target = tasks.choose_rollback(workspace, job, to=None, with_model=False)
    tasks.roll_back(workspace, job, target, with_model=False, who="tests", why="a test")
    assert [night.partition for night in read_past(workspace, job, "2024-03-09")] == [LIVE]
    assert [night.partition for night in workspace.monitoring(job).observed()] == [LIVE, NEXT]


def test_what_goes_wrong_is_in_the_run_record_and_the_release_stays(served: Served) -> None:
    workspace, job = served.workspace, served.job
    folder = f"jobs/{job.name}/monitoring/observed"
    workspace.lake.replace(f"{folder}/2024-03-01.json", b"{}")
    with pytest.raises(DamagedError):
        tasks.watch(workspace, job, LIVE, "first", served.first["publish"])
    record = tasks.read_run(workspace, job, LIVE)["stages"][-1]
    assert (record["stage"], record["state"], record["error"]["error"]) == ("watch", "failed", "DamagedError")
    served.check_still_served()


def test_refused_rows_are_counted_by_source_and_reason(served: Served) -> None:
    workspace, job = served.workspace, served.job
    land_again(workspace, "meters", NEXT, spoil_three)
    run_and_watch(workspace, job, NEXT)
    operations = find_night(workspace, job, NEXT).operations
    assert operations.quarantined["meters"] == 3
    assert sum(operations.quarantine["meters"].values()) == 3
    assert operations.received["meters"] == 240


def spoil_three(table: pa.Table) -> pa.Table:
    """Three meters that are rated at less than nothing."""
    place = table.schema.get_field_index("rated_amps")
    rated = [-1.0] * 3 + table["rated_amps"].to_pylist()[3:]
    return table.set_column(place, "rated_amps", pa.array(rated, pa.float64()))


def find_night(workspace: Workspace, job: Job, partition: str = LIVE) -> Observed:
    night = workspace.monitoring(job).find_observed(partition)
    assert night is not None
    return night
