"""The demo: real nights on a real scheduler, from upstream's deliveries to predictions read back from Redis."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import date

from rich.console import Console
from rich.markup import escape

from pipeline import tasks
from pipeline.errors import NightjarError, NotReadyError, RefusedError
from pipeline.job import Job
from pipeline.jobs import load_job
from pipeline.local.airflow_api import UNFINISHED, AirflowApi, wait_for_dag
from pipeline.local.credentials import write_private
from pipeline.local.home_lock import hold_home
from pipeline.local.metrics_server import token_path
from pipeline.local.report import check_report, gather_report, print_report
from pipeline.local.runs import find_backfill_runs, follow_runs
from pipeline.local.services import LocalServices, find_services, start_services, stop_services
from pipeline.local.signals import Interrupted, ignore_signals, raise_on_signals
from pipeline.local.steps import Steps, open_console
from pipeline.settings import Settings
from pipeline.stores.experiments import hide_password
from pipeline.tasks import Workspace

JOB = "flight_delays"
RETRAINING = f"retraining_{JOB}"
NIGHTLY = f"nightly_scoring_{JOB}"
LANDED = (date(2013, 1, 1), date(2013, 4, 5))
TRAINED_ON = "2013-03-30"
NIGHTS = ("2013-03-31", "2013-04-01", "2013-04-02")
AS_OF = "2013-04-03T13:00:00Z"
"""When the newest of these nights is due, in the time of the data."""
PARSE_SECONDS = 60.0
RUN_SECONDS = 1200.0


def run_demo(settings: Settings, keep_running: bool = False) -> int:
    """Run the demo and print its report.

    Services that ``nightjar up`` left running are used and left alone.  Others are started, and stopped again whatever
    happens, unless ``keep_running`` is set and all went well.  The report is kept in ``demo-report.json`` under home.

    Returns:
        The exit code: 0; 1 if a step did not do its work; 128 and the number of the signal that ended it.
    """
    console = open_console()
    began = time.monotonic()
    try:
        with raise_on_signals(), hold_home(settings.home):
            _run_steps(settings, keep_running, console)
    except NightjarError as error:
        console.print(f"[red]The demo failed.[/red] {escape(error.describe())}", highlight=False, soft_wrap=True)
        return 1
    except Interrupted as interrupted:
        console.print("Interrupted; everything that was started has been stopped.")
        return 128 + interrupted.number
    console.print(f"[green]Done[/green] in {time.monotonic() - began:.0f} s.")
    return 0


def _run_steps(settings: Settings, keep_running: bool, console: Console) -> None:
    services = find_services(settings)
    leave_running = reused = services is not None
    stays = keep_running and not reused
    try:
        with Steps(console) as steps:
            services = services or _start_and_land(settings, steps)
            workspace = tasks.open_workspace(services.settings)
            job = load_job(services.settings, JOB)
            with closing(services.connect_api()) as api:
                _find_dags(api, services, steps)
                _retrain(api, services, steps)
                _require_champion(workspace, job)
                if stays:
                    # Retraining has made the database, which two must not make at once.  It starts beside the nights.
                    services.start_mlflow()
                    services.start_metrics()
                _run_nights(api, services, steps)
            with steps.step("Report"):
                report = gather_report(workspace, job, NIGHTS)
                write_private(settings.home / "demo-report.json", report)
                check_report(report)
            if stays:
                with steps.step("MLflow and metrics answer"):
                    services.wait_for_pages()
        print_report(console, report)
        if stays:
            services.keep = leave_running = True
            services.record()
        if keep_running:
            _print_directions(console, services)
    finally:
        if not leave_running:
            with ignore_signals(), console.status("Stopping what was started"):
                stop_services(settings.home)


def _start_and_land(settings: Settings, steps: Steps) -> LocalServices:
    """Start Redis, then Airflow while upstream's data is landed."""
    with steps.step("Redis starts" if settings.embedded_redis else "Redis answers"):
        services = start_services(settings)
    workspace = tasks.open_workspace(services.settings)
    job = load_job(services.settings, JOB)

    def start_airflow() -> None:
        with steps.step("Airflow starts"):
            services.start_airflow()

    with ThreadPoolExecutor(1) as pool:
        starting = pool.submit(start_airflow)
        try:
            with steps.step(f"Upstream delivers {LANDED[0]} to {LANDED[1]}") as step:
                tasks.land_upstream(workspace, job, *LANDED, progress=step.show)
            starting.result()
        except BaseException:
            # The pool waits for its thread, which ends as soon as Airflow's processes do.
            with ignore_signals():
                services.stop()
            raise
    return services


def _find_dags(api: AirflowApi, services: LocalServices, steps: Steps) -> None:
    """Wait for the DAGs, let their runs start, and see that nothing else is under way."""
    with steps.step("Airflow reads the DAGs"):
        for dag in (RETRAINING, NIGHTLY):
            wait_for_dag(api, dag, since=services.since, seconds=PARSE_SECONDS)
            unfinished = api.list_runs(dag, UNFINISHED)
            if unfinished:
                raise RefusedError(
                    f"{dag} is at work in the Airflow that `nightjar up` left running",
                    found=f"unfinished: {', '.join(run['dag_run_id'] for run in unfinished)}",
                    next_step=f"wait until they have ended, see {services.airflow_url}, or stop it: `nightjar down`",
                )
            api.end_backfills(dag)
            api.unpause(dag)


def _retrain(api: AirflowApi, services: LocalServices, steps: Steps) -> None:
    run = api.trigger(RETRAINING, {"partition": TRAINED_ON})
    title = f"Retraining on what was known by {TRAINED_ON}"
    follow_runs(api, RETRAINING, {title: run}, steps=steps, services=services.processes, timeout_seconds=RUN_SECONDS)


def _require_champion(workspace: Workspace, job: Job) -> None:
    if workspace.ledger(job).champion(NIGHTS[0]) is None:
        raise NotReadyError(
            "retraining promoted no model",
            job=job.name,
            partition=NIGHTS[0],
            expected="a champion in the ledger",
            next_step=f"`nightjar up` leaves Airflow running: read the log of promote in {RETRAINING}",
        )


def _run_nights(api: AirflowApi, services: LocalServices, steps: Steps) -> None:
    api.create_backfill(NIGHTLY, NIGHTS[0], NIGHTS[-1])
    runs = find_backfill_runs(api, NIGHTLY, NIGHTS)
    if tuple(runs) != NIGHTS:
        raise NightjarError(
            "Airflow's backfill left nights out", expected=", ".join(NIGHTS), found=", ".join(runs) or "none"
        )
    titles = {f"Night of {partition}": run for partition, run in runs.items()}
    follow_runs(api, NIGHTLY, titles, steps=steps, services=services.processes, timeout_seconds=RUN_SECONDS)


def find_mlflow(services: LocalServices) -> str:
    """Where MLflow is looked at: the server that was started here, or else the one that the settings name."""
    named = services.settings.mlflow_uri.get_secret_value()
    return services.mlflow_url or hide_password(named, named)


def _print_directions(console: Console, services: LocalServices) -> None:
    console.print(
        f"\nAirflow is at [link]{services.airflow_url}[/link]\n"
        f"  log in as admin with {services.credentials.admin_password} (or look around as viewer with "
        f"{services.credentials.viewer_password})\n"
        f"  a backfill by hand: Dags, {NIGHTLY}, Trigger, Backfill; from {NIGHTS[0].replace('-', '/')} to 2013/04/04,\n"
        "  Reprocess Behavior 'All Runs' to do again what was done before; leave the param partition empty\n"
        "  (Airflow takes up to a minute to call the demo's own backfill completed, and allows no other until then)\n"
        f"MLflow is at [link]{escape(find_mlflow(services))}[/link]\n"
        f"  Model training, Models, {JOB}: what became of every version; its card is an artifact of its run\n"
        f"Metrics are at {services.metrics_url}\n"
        f"  for Prometheus (docs/prometheus.md); the token is in {token_path(services.settings.home)}\n"
        f"Redis is at {services.settings.url_for_reading}\n"
        "  for applications: that user reads predictions and may do nothing else\n"
        "  .venv/bin/nightjar status, get and the other commands find these services by themselves in this folder\n"
        f"  NIGHTJAR_CLOCK={AS_OF} .venv/bin/nightjar check {JOB}: whether all is well, as of the data's own time\n"
        "`make down` stops them.",
        highlight=False,
        soft_wrap=True,
    )
