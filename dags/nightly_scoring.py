"""
# Nightly scoring

Every night, for one job, upstream's newest closed day is taken in, validated, turned into features, scored with the
champion and published to Redis. One DAG per job, `nightly_scoring_<job>`.

**What runs.** `resolve_partition` decides which day the run works on. `wait_for_deliveries` holds no worker while it
waits, until the partition's cutoff plus the job's patience. Then `ingest`, `validate`, `build_features`, `score`,
`publish`. If any of them fails, nothing is published and the predictions of the night before stay live.

**When.** At midnight UTC, for the day that has just ended; readers see the new predictions once `publish` is done. If
upstream has ended, so has the schedule: unpausing runs nothing, backfills and runs by hand still work.

**Who is called.** The job's owner, who is the owner of the tasks: a line in the failed task's log, and the webhook of
`NIGHTJAR_ALERT_WEBHOOK` where one is set. What a retry cannot heal (bad input, a missing delivery, a refused release)
fails at once; a service that does not answer is tried again three times, with growing pauses.

**Run one day by hand.** *Trigger*, *Single Run*: give `partition`, such as `2013-04-01`, and clear the
logical date, since Airflow makes no tasks for a run whose date is beyond the DAG's start and end. With REST:
`POST /api/v2/dags/<dag>/dagRuns` with `{"logical_date": null, "conf": {"partition": "2013-04-01"}}`. Without the param
a run that has a logical date works on the day before it, as Airflow sees it; one that has none fails and says so.
A day whose cutoff has not passed is refused.

**Backfill.** Both ends are included; leave `partition` empty.

- UI: *Trigger*, *Backfill*, from `2013-03-31` to `2013-04-02`.
- CLI: `airflow backfill create --dag-id <dag> --from-date 2013-03-31 --to-date 2013-04-02`
- REST: `POST /api/v2/backfills` with `{"dag_id": "<dag>", "from_date": "2013-03-31T00:00:00Z", "to_date":
  "2013-04-02T00:00:00Z"}`

Days that were run before are left alone unless you ask to reprocess them (*reprocess behavior* `completed` or
`failed`). Order does not matter and neither does repetition: work that was done is found, not done again, and an older
day is stored and readable by its date but never becomes live over a newer one. On a paused DAG a backfill waits.
"""

from __future__ import annotations

from airflow.sdk import dag

from nightjar_dags.defaults import EVERY_NIGHT, dag_arguments, longest_wait
from nightjar_dags.stages import (
    build_features,
    ingest,
    publish,
    resolve_partition,
    score,
    validate,
    wait_for_deliveries,
)
from pipeline.job import Job
from pipeline.jobs import load_jobs
from pipeline.settings import Settings


def build_nightly_scoring(job: Job) -> None:
    """Declare the nightly DAG of ``job``."""

    @dag(**dag_arguments(job, purpose="nightly_scoring", schedule=EVERY_NIGHT, doc_md=__doc__))
    def nightly_scoring() -> None:
        partition = resolve_partition(job.name)
        delivered = wait_for_deliveries.override(timeout=longest_wait(job).total_seconds())(job.name, partition)
        ingested = ingest(job.name, delivered)
        validated = validate(job.name, ingested)
        built = build_features(job.name, validated)
        scored = score(job.name, built)
        publish(job.name, scored)

    nightly_scoring()


for _job in load_jobs(Settings.from_environment()):
    build_nightly_scoring(_job)
