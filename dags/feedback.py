"""
# Feedback

Every day, for one job, the nights whose labels have closed are held against them: metrics overall and by segment,
calibration, business cost, and how far the estimate of the evening was off. One DAG per job, `feedback_<job>`.

**What runs.** `grade` looks for every partition that was served, whose labels have closed by now, and that was not
graded yet; and, of the newest nights that were, for those whose labels were delivered again since. What was served is
told by the release log and the manifests in the lake; Redis is not asked. A signal that is beyond its limit on several
of the newest nights raises an alarm, as after a night (`nightjar alarms`). Then `ask_for_training` emits an event of
the asset `nightjar://<job>/retrain` if such an alarm was raised because accuracy dropped, or outcomes have come out
otherwise than the scores promise; on all other days it is skipped. Nothing is graded twice with the same labels:
running it again changes nothing.

**What is not graded, and is no failure.** A partition of which nothing was served, or whose scores retention has
removed; and one whose labels are late or were refused, until they come. The task's result names each with the reason,
under `skipped`. Anything damaged fails the task, and the run, once all other nights are graded; what these raised is
told, and a training is asked for, all the same.

**When.** Daily, in UTC, at the first full hour after the night's own deadline: what upstream delivers for the night
holds the labels of earlier ones. If upstream has ended, so has the schedule; runs by hand and backfills still work.

**Who is called.** The job's owner, who is the owner of the tasks: a line in the failed task's log, and the webhook of
`NIGHTJAR_ALERT_WEBHOOK` where one is set. What a retry cannot heal (damaged files) fails at once; a service that does
not answer is tried again three times, with growing pauses.

**Run by hand.** *Trigger*, *Single Run*, and clear the logical date. Leave `partition` empty to grade all that is due,
or give one, such as `2013-04-01`, to look at that night alone, however old. With REST: `POST
/api/v2/dags/<dag>/dagRuns` with `{"logical_date": null, "conf": {"partition": "2013-04-01"}}`. On the command line:
`nightjar feedback <job>`.

**Backfill.** Each run looks at the partition of its own day; both ends are included; leave `partition` empty. It is
seldom needed, since one run by hand grades all that is due.

- UI: *Trigger*, *Backfill*, from `2013-03-31` to `2013-04-02`.
- CLI: `airflow backfill create --dag-id <dag> --from-date 2013-03-31 --to-date 2013-04-02`
- REST: `POST /api/v2/backfills` with `{"dag_id": "<dag>", "from_date": "2013-03-31T00:00:00Z", "to_date":
  "2013-04-02T00:00:00Z"}`
"""

from __future__ import annotations

from airflow.sdk import dag

from nightjar_dags.alerts import tell_either_way
from nightjar_dags.defaults import after_nights, dag_arguments
from nightjar_dags.grading import grade
from nightjar_dags.stages import ask_for_training
from nightjar_dags.triggers import retrain_asset
from pipeline.job import Job
from pipeline.jobs import load_jobs
from pipeline.settings import Settings


def build_feedback(job: Job) -> None:
    """Declare the feedback DAG of ``job``."""

    @dag(**dag_arguments(job, purpose="feedback", schedule=after_nights(job), doc_md=__doc__))
    def feedback() -> None:
        graded = grade.override(**tell_either_way(job))(job.name)
        # As a teardown it runs although a night cannot be graded, and the run has failed all the same.
        ask_for_training.override(outlets=[retrain_asset(job.name)])(job.name, graded).as_teardown()

    feedback()


for _job in load_jobs(Settings.from_environment()):
    build_feedback(_job)
