"""The routes of the page: three pages, their JSON, and what the lake keeps as pages already.

Every route asks Airflow who the user is; those of a job ask whether the user may read its DAG.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

from airflow.api_fastapi.core_api.security import GetUserDep, get_user, requires_access_dag
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from jinja2 import Environment, FileSystemLoader

from nightjar_page.access import AuthorisedJob, ReadableJobs
from nightjar_page.answers import answer_bytes, answer_json, answer_kept_page
from nightjar_page.jobs import NIGHTLY, find_job, name_dag, open_stores, remember_nights
from nightjar_page.required import list_questions
from nightjar_page.runs import find_partition
from pipeline import tasks
from pipeline.digests import canonical_json
from pipeline.errors import BadInputError, NightjarError, NotReadyError
from pipeline.job import Job
from pipeline.stores.data_docs import DataDocs
from pipeline.stores.model_cards import PAGE
from pipeline.stores.night_reports import NightReports
from pipeline.tasks.partitions import parse_partition
from pipeline.tasks.viewing.distributions import Against

FOLDER = Path(__file__).parent
MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

application = FastAPI(
    title="Nightjar", docs_url=None, redoc_url=None, openapi_url=None, dependencies=[Depends(get_user)]
)


@application.exception_handler(NightjarError)
def explain(_: Request, error: NightjarError) -> JSONResponse:
    """What is wrong, in the words of the error."""
    status = {NotReadyError: 404, BadInputError: 400}.get(type(error), 500)
    return JSONResponse(error.to_json(), status)


@application.get("/static/{name}")
def send_static(name: str, request: Request) -> Response:
    """A script, a style sheet or the icon."""
    files = {path.name: path for path in (FOLDER / "static").iterdir()}
    if name not in files:
        raise HTTPException(404)
    return answer_bytes(request, files[name].read_bytes(), MEDIA_TYPES[files[name].suffix])


@application.get("/")
def show_jobs(request: Request) -> Response:
    """The page of all jobs."""
    return _show(request, "jobs", "Jobs")


@application.get("/jobs/{job}")
def show_job(job: AuthorisedJob, request: Request) -> Response:
    """The page of a job."""
    return _show(request, "job", job.name, job=job.name)


@application.get("/jobs/{job}/nights/{partition}")
def show_night(job: AuthorisedJob, partition: str, request: Request) -> Response:
    """The page of a night."""
    return _show(request, "night", f"{job.name} {partition}", job=job.name, partition=partition)


@application.get("/runs/{dag_id}/{run_id}", dependencies=[Depends(requires_access_dag("GET"))])
def show_run(dag_id: str, run_id: str, request: Request) -> Response:
    """The page of the night that a DAG run worked on; for other runs it says what there is to see."""
    job = find_job(dag_id.removeprefix(NIGHTLY))
    if job is None or not dag_id.startswith(NIGHTLY):
        return _show(request, "other", dag_id, job="")
    partition = find_partition(dag_id, run_id)
    if partition is None:
        return _show(request, "pending", dag_id, job=job.name)
    return _show(request, "night", f"{job.name} {partition}", job=job.name, partition=partition, run=run_id)


@application.get("/api/jobs")
def send_jobs(jobs: ReadableJobs, request: Request) -> Response:
    """What is live of every job that the user may see."""
    stores = open_stores()
    return answer_json(request, [{"job": tasks.describe_job(job), **tasks.view_live(stores, job)} for job in jobs])


@application.get("/api/jobs/{job}")
def send_job(job: AuthorisedJob, request: Request) -> Response:
    """A year of the job."""
    tag, content = _summarise(job)
    return answer_bytes(request, content, "application/json", tag)


@application.get("/api/jobs/{job}/live")
def send_live(job: AuthorisedJob, user: GetUserDep, request: Request) -> Response:
    """What is live of the job, and what waits for a person."""
    dags = (name_dag(job.name), f"retraining_{job.name}")
    return answer_json(request, {**tasks.view_live(open_stores(), job), "questions": list_questions(user, dags)})


@application.get("/api/jobs/{job}/nights/{partition}")
def send_night(job: AuthorisedJob, partition: str, request: Request, run: str | None = None) -> Response:
    """One night of the job."""
    return answer_json(request, tasks.view_night(open_stores(), job, partition, run))


@application.get("/api/jobs/{job}/nights/{partition}/features/{feature}")
def send_feature(job: AuthorisedJob, partition: str, feature: str, against: Against, request: Request) -> Response:
    """Two distributions of a feature."""
    return answer_json(request, tasks.view_feature(open_stores(), job, partition, feature, against))


@application.get("/jobs/{job}/docs/index.html")
def show_docs(job: AuthorisedJob) -> Response:
    """The first page of the job's Data Docs."""
    return _send_docs(job, None)


@application.get("/jobs/{job}/docs/nights/{partition}.html")
def show_docs_of_night(job: AuthorisedJob, partition: str) -> Response:
    """The page of a night in the job's Data Docs."""
    if partition not in DataDocs(open_stores().lake, job.name).nights():
        raise HTTPException(404, "the Data Docs have no page of this night")
    return _send_docs(job, partition)


@application.get("/jobs/{job}/cards/{version}")
def show_card(job: AuthorisedJob, version: str) -> Response:
    """The card of a model."""
    stores = open_stores()
    if version not in {known.version for known in stores.ledger(job).versions()}:
        raise HTTPException(404, f"there is no model {version}")
    return answer_kept_page(stores.cards(job).read(version, PAGE).encode())


@application.get("/jobs/{job}/reports/{partition}.html")
def show_report(job: AuthorisedJob, partition: str) -> Response:
    """The report of a night."""
    parse_partition(partition, job)
    return answer_kept_page(NightReports(open_stores().lake, job.name).read(partition))


def _send_docs(job: Job, partition: str | None) -> Response:
    try:
        return answer_kept_page(DataDocs(open_stores().lake, job.name).read_page(partition))
    except FileNotFoundError as error:
        raise HTTPException(404, "there are no Data Docs yet") from error


_summaries: OrderedDict[str, tuple[str, bytes]] = OrderedDict()
_summaries_lock = Lock()
_MOST_SUMMARIES = 64


def _summarise(job: Job) -> tuple[str, bytes]:
    """The view of a job as JSON and what it is told by; made anew only when something of it has changed."""
    stores = open_stores()
    tag = tasks.identify_view(stores, job)
    known = _summaries.get(job.name)
    if known is not None and known[0] == tag:
        return known
    made = tag, canonical_json(tasks.view_job(stores, job, remember_nights())).encode()
    with _summaries_lock:
        _summaries[job.name] = made
        _summaries.move_to_end(job.name)
        while len(_summaries) > _MOST_SUMMARIES:
            _summaries.popitem(last=False)
    return made


def _show(request: Request, view: str, title: str, **facts: Any) -> Response:
    root = request.scope["root_path"]
    page = _templates().get_template("page.html").render(root=root, view=view, title=title, facts=facts)
    return answer_bytes(request, page.encode(), "text/html")


@cache
def _templates() -> Environment:
    return Environment(loader=FileSystemLoader(FOLDER), autoescape=True, trim_blocks=True, lstrip_blocks=True)
