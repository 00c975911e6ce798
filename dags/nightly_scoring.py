"""
# Nightly scoring

Every night, for one job, upstream's newest closed day is taken in, validated, turned into features, scored with the
champion and published to Redis. One DAG per job, `nightly_scoring_<job>`.

**What runs.** `resolve_partition` decides which day the run works on. `wait_for_deliveries` holds no worker while it
waits, until the partition's cutoff plus the job's patience. Then `ingest`, `validate`, `build_features`, `score`,
`publish`. If any of them fails, nothing is published and the predictions of the night before stay live.

**The release gate.** Where the job declares one, `publish` holds the new generation against the live one before readers
see it: entities lost, decisions flipped, shift of the scores, overall and by segment. What is too far off is blocked,
and the run fails; or, if the job says `ask`, `ask_for_approval` waits under *Required actions* with the numbers, and
`release_approved` makes it live once somebody approves. A rejection, or no answer in time, fails the run. On ordinary
nights both are skipped.

**Shadow nights.** Where the job asks for some, `score_shadows` scores the night with the challengers that are on
theirs, beside `publish`. Nothing waits for it, and nothing that goes wrong in it fails the run: it is skipped, and the
run record says why.

**Watching.** After the release, `watch` writes down what the night was like, beside what is usual for the job: inputs,
outputs, and how the run went. A signal that is beyond its limit on several of the newest nights raises an alarm, of
which the owner is told once, and so is its end; `nightjar alarms` lists them. `ask_for_training` starts the retraining
DAG when an alarm of drift or accuracy was raised just now. Neither can fail the run or take a release back: what goes
wrong in them fails the task alone, and calls the owner.

**When.** At midnight UTC, for the day that has just ended; readers see the new predictions once `publish` is done. If
upstream has ended, so has the schedule: unpausing runs nothing, backfills and runs by hand still work.

**Who is called.** The job's owner, who is the owner of the tasks, and the escalation: a line in the failed task's log,
and webhook and mail where `NIGHTJAR_ALERT_WEBHOOK` and `NIGHTJAR_SMTP_URL` are set, once for the same failure. What a
retry cannot heal (bad input, a missing delivery, a refused release) fails at once; a service that does not answer is
tried again three times, with growing pauses.

**Run one day by hand.** *Trigger*, *Single Run*: give `partition`, such as `2013-04-01`, and clear the
logical date, since Airflow makes no tasks for a run whose date is beyond the DAG's start and end. With REST:
`POST /api/v2/dags/<dag>/dagRuns` with `{"logical_date": null, "conf": {"partition": "2013-04-01"}}`. Without the param
a run that has a logical date works on the day before it, as Airflow sees it; one that has none fails and says so.
A day whose cutoff has not passed is refused. `dry_run` does everything up to the flip and keeps nothing;
`release_rejected` lets inputs go live again that a rollback took back.

**Backfill.** Both ends are included, and are days, in whatever time zone the UI shows; leave `partition` empty.

- UI: *Trigger*, *Backfill*, from `2013-03-31` to `2013-04-02`.
- CLI: `airflow backfill create --dag-id <dag> --from-date 2013-03-31 --to-date 2013-04-02`
- REST: `POST /api/v2/backfills` with `{"dag_id": "<dag>", "from_date": "2013-03-31T00:00:00Z", "to_date":
  "2013-04-02T00:00:00Z"}`

With the param `basis` set to `as_known_then` (*Advanced options*, `--dag-run-conf '{"basis": "as_known_then"}'`, or
`dag_run_conf` in REST) a day is made of the deliveries and the champion that its own night knew, for audits: it
never goes live, and is read by partition only where nothing else of that day is kept. `as_corrected`, the default,
takes what there is today.

Days that were run before are left alone unless you ask to reprocess them (*reprocess behavior* `completed` or
`failed`). Order does not matter and neither does repetition: work that was done is found, not done again, and an older
day is stored and readable by its date but never becomes live over a newer one. On a paused DAG a backfill waits.
"""

from __future__ import annotations

from airflow.sdk import Param, dag

from nightjar_dags.alerts import tell_either_way
from nightjar_dags.defaults import EVERY_NIGHT, dag_arguments, longest_wait
from nightjar_dags.stages import (
    ask_for_training,
    build_features,
    ingest,
    publish,
    release_approved,
    resolve_partition,
    score,
    score_shadows,
    validate,
    wait_for_deliveries,
    watch,
)
from nightjar_dags.triggers import retrain_asset
from pipeline.job import Job
from pipeline.jobs import load_jobs
from pipeline.settings import Settings

RELEASE_PARAMS = {
    "basis": Param(
        "as_corrected",
        type="string",
        enum=["as_corrected", "as_known_then"],
        title="Basis",
        description=(
            "What a past partition is made of: today's deliveries and champion, or those of its own night. "
            "The second is for audits: it never goes live, and never replaces what the night released."
        ),
    ),
    "dry_run": Param(
        False,
        type="boolean",
        title="Dry run",
        description="Do everything up to the flip, load, read-back and release gate included, then discard the load.",
    ),
    "release_rejected": Param(
        False,
        type="boolean",
        title="Release what was rolled back",
        description="Let inputs go live again that a rollback took back.",
    ),
}


def build_nightly_scoring(job: Job) -> None:
    """Declare the nightly DAG of ``job``."""
    arguments = dag_arguments(job, purpose="nightly_scoring", schedule=EVERY_NIGHT, doc_md=__doc__)
    arguments["params"] |= RELEASE_PARAMS

    @dag(**arguments)
    def nightly_scoring() -> None:
        partition = resolve_partition(job.name)
        delivered = wait_for_deliveries.override(timeout=longest_wait(job).total_seconds())(job.name, partition)
        ingested = ingest(job.name, delivered)
        validated = validate(job.name, ingested)
        built = build_features(job.name, validated)
        scored = score(job.name, built)
        published = publish(job.name, scored)
        approved = None
        if job.release_gate is not None and job.release_gate.on_breach == "ask":
            from nightjar_dags.approval import AskForRelease

            asked = AskForRelease(task_id="ask_for_approval", job=job, gate=job.release_gate, summary=published)
            approved = release_approved(job.name, published, asked.output)
        # As teardowns they may even be killed without failing the run.
        seen = watch.override(**tell_either_way(job))(job.name, published, approved).as_teardown()
        ask_for_training.override(outlets=[retrain_asset(job.name)])(job.name, seen).as_teardown()
        if job.training.shadow_nights > 0:
            score_shadows(job.name, scored).as_teardown()

    nightly_scoring()


for _job in load_jobs(Settings.from_environment()):
    build_nightly_scoring(_job)
