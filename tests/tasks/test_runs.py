"""Run records: what every attempt did, whether it succeeded or failed."""

from __future__ import annotations

import os
import signal
from urllib.parse import quote

import pytest

from pipeline.errors import BadInputError, NotReadyError, RefusedError, UnforeseenError
from pipeline.job import Job
from pipeline.tasks import Workspace, read_run
from pipeline.tasks.runs import Summary, record_stage
from tests.clock import Clock
from tests.tasks.nights import LIVE

RUN = "manual__2024-03-03T00:00:00+00:00/../1"


def fail_with(error: BaseException) -> Summary:
    raise error


def test_a_record_says_who_did_what_when_and_for_how_long(workspace: Workspace, job: Job) -> None:
    summary = record_stage(workspace, job, LIVE, RUN, "ingest", lambda: {"rows": 3})
    assert summary["seconds"] >= 0
    assert summary["peak_memory_mib"] > 0
    assert summary | {"seconds": 0, "peak_memory_mib": 0} == {
        "stage": "ingest",
        "job": job.name,
        "partition": LIVE,
        "run": RUN,
        "started_at": "2024-03-10T12:00:00+00:00",
        "attempt": 1,
        "state": "success",
        "rows": 3,
        "seconds": 0,
        "peak_memory_mib": 0,
    }
    assert read_run(workspace, job, LIVE, RUN)["stages"] == [summary]


def test_a_failure_is_recorded_and_raised(workspace: Workspace, job: Job) -> None:
    with pytest.raises(BadInputError) as caught:
        record_stage(workspace, job, LIVE, RUN, "score", lambda: fail_with(BadInputError("infinite")))
    assert (caught.value.job, caught.value.partition) == (job.name, LIVE)
    (record,) = read_run(workspace, job, LIVE)["stages"]
    assert (record["state"], record["error"]) == ("failed", caught.value.to_json())


def test_an_error_that_nobody_foresaw_is_recorded_without_its_text(workspace: Workspace, job: Job) -> None:
    """It may hold rows."""
    with pytest.raises(UnforeseenError, match="ZeroDivisionError") as caught:
        record_stage(workspace, job, LIVE, RUN, "score", lambda: fail_with(ZeroDivisionError("a row")))
    (record,) = read_run(workspace, job, LIVE)["stages"]
    assert record["error"] == caught.value.to_json()
    assert "a row" not in str(record)


def test_that_a_file_was_not_to_be_had_is_raised_as_it_is(workspace: Workspace, job: Job) -> None:
    with pytest.raises(ConnectionResetError):
        record_stage(workspace, job, LIVE, RUN, "score", lambda: fail_with(ConnectionResetError("object store")))
    (record,) = read_run(workspace, job, LIVE)["stages"]
    assert record["error"] == {"error": "ConnectionResetError"}


def test_a_stage_that_is_tried_again_replaces_its_record(workspace: Workspace, job: Job) -> None:
    for rows in (1, 2):
        record_stage(workspace, job, LIVE, RUN, "ingest", lambda rows=rows: {"rows": rows})  # type: ignore[misc]
    assert [stage["rows"] for stage in read_run(workspace, job, LIVE)["stages"]] == [2]


def test_every_attempt_is_counted_and_its_record_kept(workspace: Workspace, job: Job) -> None:
    with pytest.raises(RefusedError):
        record_stage(workspace, job, LIVE, RUN, "ingest", lambda: fail_with(RefusedError("not yet")))
    for stage in ("ingest", "validate"):
        record_stage(workspace, job, LIVE, RUN, stage, lambda: {"rows": 1})
    assert {stage["stage"]: stage["attempt"] for stage in read_run(workspace, job, LIVE)["stages"]} == {
        "ingest": 2,
        "validate": 1,
    }
    folder = f"jobs/{job.name}/runs/{LIVE}/{quote(RUN, safe='')}/attempts"
    attempts = {name: workspace.lake.read_json(f"{folder}/{name}")["state"] for name in workspace.lake.list(folder)}
    assert attempts == {
        "ingest-0001.json": "failed",
        "ingest-0002.json": "success",
        "validate-0001.json": "success",
    }


def test_an_attempt_that_was_killed_counts(workspace: Workspace, job: Job) -> None:
    def end_at_once() -> Summary:
        os.kill(os.getpid(), signal.SIGKILL)
        return {}

    child = os.fork()
    if child == 0:
        record_stage(workspace, job, LIVE, RUN, "score", end_at_once)
    os.waitpid(child, 0)
    record_stage(workspace, job, LIVE, RUN, "score", lambda: {"rows": 1})
    (record,) = read_run(workspace, job, LIVE)["stages"]
    assert (record["attempt"], record["state"]) == (2, "success")


def test_an_attempt_that_was_overtaken_leaves_the_record_of_its_successor(
    workspace: Workspace, job: Job, clock: Clock
) -> None:
    def overtaken() -> Summary:
        clock.advance(minutes=5)
        record_stage(workspace, job, LIVE, RUN, "publish", lambda: {"rows": 3})
        raise RefusedError("was not made live")

    with pytest.raises(RefusedError, match="was not made live"):
        record_stage(workspace, job, LIVE, RUN, "publish", overtaken)
    (record,) = read_run(workspace, job, LIVE, RUN)["stages"]
    assert (record["state"], record["rows"]) == ("success", 3)


def test_the_newest_run_is_read_unless_one_is_named(workspace: Workspace, job: Job, clock: Clock) -> None:
    for run in ("b", "c", "a"):
        clock.advance(minutes=1)
        record_stage(workspace, job, LIVE, run, "ingest", lambda: {"rows": 0})
    assert read_run(workspace, job, LIVE)["run"] == "a"
    assert read_run(workspace, job, LIVE, "b")["run"] == "b"


def test_a_partition_without_a_run_is_told(workspace: Workspace, job: Job) -> None:
    with pytest.raises(NotReadyError, match="no run of this partition") as caught:
        read_run(workspace, job, LIVE)
    assert (caught.value.job, caught.value.partition) == (job.name, LIVE)
