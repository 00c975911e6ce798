"""The tasks of a night and of a training, each handing its job, partition and input to one verb of ``pipeline.tasks``.

What is imported inside a task costs nothing where DAG files are parsed.  Tasks take and return small JSON
values: the partition, then the summary of the stage before, which names its partition.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

from airflow.sdk import PokeReturnValue, get_current_context, task
from airflow.sdk.exceptions import AirflowSkipException, AirflowTaskTimeout

from nightjar_dags.partitions import read_request, resolve_scored_partition, resolve_training_partition
from nightjar_dags.triggers import rest_for_cool_down, retrain_asset
from pipeline.jobs import load_job
from pipeline.settings import Settings

if TYPE_CHECKING:
    from pipeline.job import Job
    from pipeline.tasks import Workspace

# While a task runs, a string and a dict; where a DAG is drawn, references to them, which is why they are Any.
Partition: TypeAlias = Any
Summary: TypeAlias = Any

log = logging.getLogger(__name__)

SHORT = timedelta(minutes=10)
LONG = timedelta(hours=6)


@task(execution_timeout=SHORT)
def resolve_partition(job: str) -> Partition:
    """Decide, once for the run, which day of upstream data it works on."""
    workspace, declaration = open_job(job)
    return resolve_scored_partition(declaration, read_request(get_current_context()), workspace.clock())


@task(execution_timeout=SHORT, task_id="resolve_partition")
def resolve_newest_partition(job: str) -> Partition:
    """Decide, once for the run, which day of upstream data is the last that training may know.

    Raises:
        AirflowSkipException: an event asks for a training soon after the last one; so the run has nothing to do.
    """
    workspace, declaration = open_job(job)
    request = read_request(get_current_context())
    partition = resolve_training_partition(declaration, request, workspace.clock())
    if request.trigger is not None:
        rest_for_cool_down(workspace, declaration, partition, request.trigger, run_name())
    return partition


@task.sensor(mode="reschedule", poke_interval=120, execution_timeout=SHORT)
def wait_for_deliveries(job: str, partition: Partition) -> Partition:
    """Wait for every source's delivery until cutoff plus patience; after that, fail and name what is missing."""
    from pipeline import tasks

    return PokeReturnValue(tasks.deliveries_ready(*open_job(job), partition), xcom_value=partition)


@task
def ingest(job: str, partition: Partition) -> Summary:
    """Read the deliveries, check them against their markers, cast without loss, write shards by entity id."""
    from pipeline import tasks

    workspace, declaration = open_job(job)
    basis = tasks.parse_basis(read_param("basis"), declaration)
    return tasks.ingest(workspace, declaration, partition, run_name(), basis=basis)


@task
def validate(job: str, ingested: Summary) -> Summary:
    """Judge every row by its contract and the batch by its suite; refused rows go to quarantine with every reason."""
    from pipeline import tasks

    return tasks.validate(*open_job(job), ingested["partition"], run_name(), ingested)


@task
def build_features(job: str, validated: Summary) -> Summary:
    """Compute the feature set as it was known at the cutoff."""
    from pipeline import tasks

    return tasks.build_features(*open_job(job), validated["partition"], run_name(), validated)


@task
def score(job: str, built: Summary) -> Summary:
    """Score with the champion, whose file and feature set are verified first."""
    from pipeline import tasks

    return tasks.score(*open_job(job), built["partition"], run_name(), built)


@task
def publish(job: str, scored: Summary) -> Summary:
    """Load a new generation into Redis, read all of it back, ask the release gate, then move the live pointer."""
    from pipeline import tasks

    return tasks.publish(
        *open_job(job),
        scored["partition"],
        run_name(),
        scored,
        dry_run=read_param("dry_run"),
        release_rejected=read_param("release_rejected"),
    )


@task(retries=0)
def score_shadows(job: str, scored: Summary) -> Summary:
    """Score with challengers on their shadow nights; whatever goes wrong, the night is none the worse."""
    from pipeline import tasks

    try:
        return tasks.score_shadows(*open_job(job), scored["partition"], run_name(), scored)
    except (Exception, AirflowTaskTimeout) as error:
        raise AirflowSkipException(f"no shadow is known to have scored this night: {type(error).__name__}") from error


@task
def release_approved(job: str, published: Summary, answer: Summary) -> Summary:
    """Make live what the release gate held back, now that somebody approved it."""
    from pipeline import tasks

    return tasks.approve(
        *open_job(job),
        published["partition"],
        run_name(),
        published,
        who=answer["who"],
        why=answer["why"],
        release_rejected=read_param("release_rejected"),
    )


@task
def watch(job: str, published: Summary, approved: Summary | None = None) -> Summary:
    """Write down what the night was like, beside what is usual; raise and resolve alarms.

    Raises:
        AirflowSkipException: nothing was published.
    """
    from pipeline import tasks

    released = approved or published
    if released is None:
        raise AirflowSkipException("nothing was published")
    return tasks.watch(*open_job(job), released["partition"], run_name(), released)


@task(execution_timeout=SHORT)
def ask_for_training(job: str, summary: Summary | None) -> None:
    """Emit the event that starts a training, if the summary's ``ask`` says why; else skip.

    The summary of a task that failed is missing.  What it had raised is asked for all the same, since an alarm that
    stands is not raised again.

    Its outlet is the asset of :func:`nightjar_dags.triggers.retrain_asset`, which only the DAG file knows.

    Raises:
        AirflowSkipException: nothing asks for a training.
    """
    from pipeline import tasks

    summary = summary or tasks.find_ask(*open_job(job), run_name())
    if summary["ask"] is None:
        raise AirflowSkipException("nothing asks for a training")
    log.info("asks for a training as of %s: %s", summary["partition"], summary["ask"])
    event = get_current_context()["outlet_events"][retrain_asset(job)]
    event.extra = {"partition": summary["partition"], "why": summary["ask"]}


@task(execution_timeout=SHORT)
def choose_generation(job: str) -> str:
    """Decide, once for the run, which generation to return to: a retry must not go back one further."""
    from pipeline import tasks

    return tasks.choose_rollback(*open_job(job), to=read_param("generation"), with_model=read_param("with_model"))


@task(execution_timeout=SHORT)
def roll_back(job: str, generation: Any) -> Summary:
    """Make the generation live again and reject what was released after it."""
    from pipeline import tasks

    return tasks.roll_back(
        *open_job(job),
        generation,
        with_model=read_param("with_model"),
        who=get_current_context()["dag_run"].triggering_user_name or "somebody with access to Airflow",
        why=read_param("why"),
    )


@task
def settle_shadow(job: str, partition: Partition) -> Partition:
    """Promote or reject every challenger whose shadow nights are over, before another one is trained."""
    from pipeline import tasks

    tasks.settle_shadow(*open_job(job), partition, run_name())
    return partition


@task
def snapshot(job: str, partition: Partition) -> Summary:
    """List the validated deliveries, with their digests, that training may know: the version of the dataset."""
    from pipeline import tasks

    return tasks.snapshot(*open_job(job), partition, run_name())


@task(execution_timeout=LONG)
def train(job: str, snapshot: Summary) -> Summary:
    """Fit a challenger on all but the newest partitions."""
    from pipeline import tasks

    return tasks.train(*open_job(job), snapshot["partition"], run_name(), snapshot)


@task
def evaluate(job: str, trained: Summary) -> Summary:
    """Compare challenger and champion on the same rows of the newest partitions, and write the challenger's card."""
    from pipeline import tasks

    workspace, declaration = open_job(job)
    evaluated = tasks.evaluate(workspace, declaration, trained["partition"], run_name(), trained)
    return tasks.write_card(workspace, declaration, trained["partition"], trained, evaluated)


@task
def prove(job: str, evaluated: Summary) -> Summary:
    """Have the challenger score its golden rows in a process that has the libraries of scoring alone."""
    from pipeline import tasks

    return tasks.prove(*open_job(job), evaluated["partition"], run_name(), evaluated)


@task
def promote(job: str, proved: Summary, approved: Summary | None = None) -> Summary:
    """Make the challenger champion if the gate let it pass, and a person where one is asked; else say why not."""
    from pipeline import tasks

    return tasks.promote(*open_job(job), proved["partition"], run_name(), proved, approved=approved)


def open_job(name: str) -> tuple[Workspace, Job]:
    """The stores of this installation, and the job called ``name``."""
    from pipeline import tasks

    settings = Settings.from_environment()
    return tasks.open_workspace(settings), load_job(settings, name)


def read_param(name: str) -> Any:
    """What the run's form, backfill or request says for this param."""
    return get_current_context()["params"][name]


def run_name() -> str:
    """The name of this attempt to produce a partition."""
    return str(get_current_context()["dag_run"].run_id)
