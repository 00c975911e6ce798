"""
# Retraining

Weekly, unless the job says otherwise, a challenger is trained, compared with the champion on the same rows, and
promoted if it is not worse. One DAG per job, `retraining_<job>`.

**What runs.** `resolve_partition` decides which day is the last that training may know. `snapshot` lists the validated
deliveries up to it; no night needs to have run. Then `train`, `evaluate`, `promote`. A challenger that is worse is kept
and the log says why; the run still counts as a success, and the champion keeps serving.

**When.** On the job's own schedule, in UTC, with the newest partition that was closed when the run became due. If
upstream has ended, so has the schedule: unpausing runs nothing, runs by hand and backfills still work.

**Who is called.** The job's owner, who is the owner of the tasks: a line in the failed task's log, and the webhook of
`NIGHTJAR_ALERT_WEBHOOK` where one is set. What a retry cannot heal (too few days, damaged files) fails at once; a
service that does not answer is tried again three times, with growing pauses.

**Run by hand.** *Trigger*, *Single Run*: give `partition`, such as `2013-03-30`, and clear the
logical date, since Airflow makes no tasks for a run whose date is beyond the DAG's start and end. With REST:
`POST /api/v2/dags/<dag>/dagRuns` with `{"logical_date": null, "conf": {"partition": "2013-03-30"}}`. Without the param
a run that has a logical date takes what was closed when the last schedule before it was due; one that has none fails
and says so. The same deliveries give the same snapshot and the same model; a correction that landed
since is used.

**Backfill.** One training for each time the schedule was due; leave `partition` empty.

- UI: *Trigger*, *Backfill*, with the first and the last day.
- CLI: `airflow backfill create --dag-id <dag> --from-date 2013-03-01 --to-date 2013-03-31`
- REST: `POST /api/v2/backfills` with `{"dag_id": "<dag>", "from_date": "2013-03-01T00:00:00Z", "to_date":
  "2013-03-31T00:00:00Z"}`
"""

from __future__ import annotations

from airflow.sdk import dag

from nightjar_dags.defaults import dag_arguments
from nightjar_dags.stages import evaluate, promote, resolve_newest_partition, snapshot, train
from pipeline.job import Job
from pipeline.jobs import load_jobs
from pipeline.settings import Settings


def build_retraining(job: Job) -> None:
    """Declare the retraining DAG of ``job``."""

    @dag(**dag_arguments(job, purpose="retraining", schedule=job.training.every, doc_md=__doc__))
    def retraining() -> None:
        partition = resolve_newest_partition(job.name)
        dataset = snapshot(job.name, partition)
        trained = train(job.name, dataset)
        evaluated = evaluate(job.name, trained)
        promote(job.name, evaluated)

    retraining()


for _job in load_jobs(Settings.from_environment()):
    build_retraining(_job)
