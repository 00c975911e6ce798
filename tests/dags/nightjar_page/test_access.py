"""Who sees what: asked of a real Airflow with real logins."""

from __future__ import annotations

import importlib
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from pipeline import tasks
from tests.dags.page_server import HARBOUR
from tests.dags.page_site import JOB, PageSite

OTHER = "tide_levels"


def list_paths(site: PageSite, job: str = JOB) -> list[str]:
    """Every route of the page, with something that exists in the place of what it names."""
    server: Any = importlib.import_module("nightjar_page.server")
    names = {
        "job": job,
        "partition": site.partitions[-1],
        "feature": "dep_hour",
        "version": "1",
        "name": "page.js",
        "dag_id": f"nightly_scoring_{job}",
        "run_id": "manual",
    }
    return [route.path.format_map(names) for route in server.application.routes]


def test_no_route_answers_without_a_login(site: PageSite) -> None:
    paths = list_paths(site)
    assert len(paths) >= 14
    answers = {path: httpx.get(f"{site.url}/nightjar{path}", timeout=120).status_code for path in paths}
    assert answers == dict.fromkeys(paths, 401)


def test_a_forged_login_is_refused(site: PageSite) -> None:
    answer = httpx.get(f"{site.url}/nightjar/api/jobs", headers={"Authorization": "Bearer no.token"}, timeout=120)
    assert answer.status_code == 403


def test_a_job_is_shown_to_those_alone_who_may_read_its_dag(site: PageSite) -> None:
    of_job = [path for path in list_paths(site) if JOB in path]
    with site.log_in(HARBOUR) as harbour, site.log_in("viewer") as viewer:
        refused = {path: harbour.get(f"/nightjar{path}").status_code for path in of_job}
        assert refused == dict.fromkeys(of_job, 403)
        assert [item["job"]["name"] for item in harbour.get("/nightjar/api/jobs").json()] == [OTHER]
        assert [item["job"]["name"] for item in viewer.get("/nightjar/api/jobs").json()] == [JOB, OTHER]
        assert viewer.get(f"/nightjar/api/jobs/{JOB}").status_code == 200


def test_whether_a_job_exists_is_not_told_to_who_may_not_see_it(site: PageSite) -> None:
    with site.log_in(HARBOUR) as harbour, site.log_in("admin") as admin:
        assert harbour.get("/nightjar/api/jobs/no_such_job").status_code == 403
        assert admin.get("/nightjar/api/jobs/no_such_job").status_code == 404


@pytest.mark.parametrize("path", ["", f"jobs/{JOB}", f"api/jobs/{JOB}", "static/page.js"])
def test_a_page_may_ask_nothing_of_other_hosts_and_run_nothing_inline(site: PageSite, path: str) -> None:
    with site.log_in("viewer") as viewer:
        policy = viewer.get(f"/nightjar/{path}").headers["Content-Security-Policy"]
    rules = {rule.split()[0]: rule.split()[1:] for rule in policy.split("; ")}
    assert rules["default-src"] == ["'none'"]
    assert all(rules[name] == ["'self'"] for name in ("script-src", "style-src", "connect-src", "frame-ancestors"))
    assert "unsafe" not in policy


def test_data_docs_are_shown_without_scripts(site: PageSite) -> None:
    night = f"/nightjar/jobs/{JOB}/docs/nights/{site.partitions[-1]}.html"
    with site.log_in("viewer") as viewer:
        answer = viewer.get(night)
        assert "Data Docs" in answer.text
        assert "sandbox" in answer.headers["Content-Security-Policy"]
        assert "script" not in answer.headers["Content-Security-Policy"]
        assert viewer.get(f"/nightjar/jobs/{JOB}/docs/index.html").status_code == 200
        assert viewer.get(f"/nightjar/jobs/{JOB}/docs/nights/..%2F..%2Fmodels.html").status_code == 404


def test_files_beside_the_static_ones_are_not_sent(site: PageSite) -> None:
    with site.log_in("viewer") as viewer:
        assert viewer.get("/nightjar/static/page.css").status_code == 200
        assert viewer.get("/nightjar/static/..%2Fserver.py").status_code == 404


def test_a_year_that_has_not_changed_is_not_sent_again(site: PageSite) -> None:
    with site.log_in("viewer") as viewer:
        first = viewer.get(f"/nightjar/api/jobs/{JOB}")
        again = viewer.get(f"/nightjar/api/jobs/{JOB}", headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
        records = site.workspace.monitoring(site.job)
        night = records.find_observed(site.partitions[3])
        assert night is not None
        records.write_observed(night.model_copy(update={"rows": 4}))
        changed = viewer.get(f"/nightjar/api/jobs/{JOB}", headers={"If-None-Match": first.headers["ETag"]})
        assert changed.status_code == 200
        assert changed.json()["nights"]["rows"][3] == 4
        records.write_observed(night)


def test_what_is_wrong_is_said_in_words(site: PageSite) -> None:
    with site.log_in("viewer") as viewer:
        answer = viewer.get(f"/nightjar/api/jobs/{JOB}/nights/1999-01-01")
        assert answer.status_code == 404
        assert answer.json()["next_step"].startswith("nightjar run")
        assert viewer.get(f"/nightjar/api/jobs/{JOB}/nights/yesterday").status_code == 400


def test_a_run_is_shown_with_the_night_that_it_worked_on(site: PageSite) -> None:
    dag = f"nightly_scoring_{JOB}"
    with site.log_in("admin") as admin:
        order = {"logical_date": None, "conf": {"partition": site.partitions[-1]}}
        run = admin.post(f"/api/v2/dags/{dag}/dagRuns", json=order).json()["dag_run_id"]
        tab = f"/nightjar/runs/{dag}/{quote(run, safe='')}"
        assert 'data-view="pending"' in admin.get(tab).text
        path = f"/api/v2/dags/{dag}/dagRuns/{quote(run, safe='')}/taskInstances/resolve_partition/xcomEntries"
        answer = admin.post(path, json={"key": "return_value", "value": site.partitions[-1]})
        assert answer.status_code == 201, answer.text
        page = admin.get(tab).text
        assert 'data-view="night"' in page
        assert f'data-partition="{site.partitions[-1]}"' in page
        assert 'data-view="other"' in admin.get(f"/nightjar/runs/retraining_{JOB}/{quote(run, safe='')}").text


def test_a_report_is_shown_as_it_is_kept(site: PageSite) -> None:
    night = site.partitions[-4]
    with site.log_in("viewer") as viewer:
        assert viewer.get(f"/nightjar/jobs/{JOB}/reports/{night}.html").status_code == 404
        tasks.write_night_report(site.workspace, site.job, night)
        answer = viewer.get(f"/nightjar/jobs/{JOB}/reports/{night}.html")
        assert answer.status_code == 200
        assert "script" not in answer.headers["Content-Security-Policy"]
