"""
# Retraining

Weekly, unless the job says otherwise, a challenger is trained, compared with the champion on the same rows, and
promoted if the gate lets it pass. One DAG per job, `retraining_<job>`.

**What runs.** `resolve_partition` decides which day is the last that training may know. `settle_shadow` decides about
challengers whose shadow nights are over. `snapshot` lists the validated deliveries up to it; no night needs to have
run. Then `train`, `evaluate`, which also writes the challenger's card, `prove` (the model scores its golden rows in a
process that has the libraries of scoring alone), `promote`. A challenger that the gate refuses is kept, and the model
ledger says why; the run still counts as a success, and the champion keeps serving.

**Approval.** Where the job declares one, `ask_for_approval` waits under *Required actions* with the numbers of both
models, the interval of their difference and every check. An approval promotes in the name of whoever gave it. A
rejection, or no answer in time, rejects the challenger in the model ledger and fails the run. Nobody is asked about a
challenger that the gate refused.

**Shadow nights.** Where the job asks for some, a challenger that passed scores along with the nights after its training
before it is promoted; its scores stay in the lake and are never published. Once the outcomes of those nights are known,
the next run's `settle_shadow` holds them against what was served, with the same gate, and promotes or rejects.

**When.** On the job's own schedule, in UTC, with the newest partition that was closed when the run became due; and
whenever an event of the asset `nightjar://<job>/retrain` asks for it. The event's `extra` may hold `{"partition":
"2013-03-30", "why": "drift of dep_delay"}`; without a partition the newest closed one is taken. Within the job's
cool-down after the last training, counted in partitions, such a run is skipped and its log says so. If upstream has
ended, so has the schedule: unpausing runs nothing, runs by hand, events and backfills still work.

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
from nightjar_dags.stages import evaluate, promote, prove, resolve_newest_partition, settle_shadow, snapshot, train
from nightjar_dags.triggers import retrain_asset
from pipeline.job import Job
from pipeline.jobs import load_jobs
from pipeline.settings import Settings


def build_retraining(job: Job) -> None:
    """Declare the retraining DAG of ``job``."""

    arguments = dag_arguments(
        job, purpose="retraining", schedule=job.training.every, doc_md=__doc__, asset=retrain_asset(job.name)
    )

    @dag(**arguments)
    def retraining() -> None:
        partition = resolve_newest_partition(job.name)
        settled = settle_shadow(job.name, partition)
        dataset = snapshot(job.name, settled)
        trained = train(job.name, dataset)
        evaluated = evaluate(job.name, trained)
        proved = prove(job.name, evaluated)
        if job.training.approval is None:
            promote(job.name, proved)
        else:
            from nightjar_dags.approval import AskForPromotion

            asked = AskForPromotion(task_id="ask_for_approval", job=job, approval=job.training.approval, summary=proved)
            # What the gate refused asks nobody, and goes into the ledger all the same; a run without work skips both.
            promote.override(trigger_rule="none_failed_min_one_success")(job.name, proved, asked.output)

    retraining()


for _job in load_jobs(Settings.from_environment()):
    build_retraining(_job)
