"""
# Rollback

Readers see an earlier generation again, in well under a second once the task runs: nothing is loaded. One DAG per job,
`rollback_<job>`.

**What runs.** `choose_generation` finds the generation to return to; `roll_back` moves the live pointer. What was
released after it is rejected by the digest of its inputs: a retry or a re-run of the same inputs does not come back,
corrected inputs do, and the next night goes on normally. To release the same all the same, run the partition with the
param `release_rejected`.

**When.** By hand only: *Trigger*, *Single Run*. `why` is required and goes into the release log, with your user name.
`generation` is one that was live and is still kept (`nightjar releases <job>`); empty means the one that was live
before. With `with_model` the models that made what is rolled back are demoted in the ledger too, and an empty
`generation` means the newest one that another model made.

With REST: `POST /api/v2/dags/<dag>/dagRuns` with `{"logical_date": null, "conf": {"why": "scores are off"}}`. On the
command line: `nightjar rollback <job> --why TEXT`.

**Who is called.** The job's owner, who is the owner of the tasks. If it breaks off half-way, clear the failed task: it
completes what was begun.

**Backfill.** Never: it works on no day of upstream data.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, dag

from nightjar_dags.defaults import EVERY_NIGHT, dag_arguments
from nightjar_dags.stages import choose_generation, roll_back
from pipeline.job import Job
from pipeline.jobs import load_jobs
from pipeline.settings import Settings

PARAMS = {
    "generation": Param(
        None,
        type=["null", "string"],
        title="Generation",
        description="The generation to return to, such as 42-9f3a. Empty: the one that was live before.",
    ),
    "with_model": Param(
        False,
        type="boolean",
        title="With the model",
        description="Demote the models that made what is rolled back, too.",
    ),
    # With a default, since Airflow looks at params without the run's conf when it calls back; the task refuses "".
    "why": Param("", type="string", title="Why", description="Required. Goes into the release log, with your name."),
}


def build_rollback(job: Job) -> None:
    """Declare the rollback DAG of ``job``."""
    shared: dict[str, Any] = dag_arguments(job, purpose="rollback", schedule=EVERY_NIGHT, doc_md=__doc__)
    # It is on no schedule and works on no partition, so it neither ends with the data nor waits to be unpaused.
    own = {"schedule": None, "end_date": None, "params": PARAMS, "is_paused_upon_creation": False}

    @dag(**{**shared, **own})
    def rollback() -> None:
        roll_back(job.name, choose_generation(job.name))

    rollback()


for _job in load_jobs(Settings.from_environment()):
    build_rollback(_job)
