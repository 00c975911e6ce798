"""The page in a real Chromium, inside and outside of Airflow's UI."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.dags.browser import Browser
from tests.dags.nightjar_page.conftest import HOSTILE
from tests.dags.nightjar_page.visitor import COMPLETE, CONTRAST, FRAME, list_complaints, list_hosts, log_in, open_page
from tests.dags.page_server import HARBOUR
from tests.dags.page_site import JOB, RUNBOOKS, PageSite

PHONE = 360


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Where pictures are left: what ``NIGHTJAR_TEST_PICTURES`` names, or a folder of the test."""
    return Path(os.environ.get("NIGHTJAR_TEST_PICTURES", tmp_path))


def test_airflow_shows_the_page_behind_its_navigation(site: PageSite, page: Browser, pictures: Path) -> None:
    """Everything comes from Airflow itself, nothing is refused by the policy, no script fails."""
    page.open(f"{site.url}/")
    page.click("[...document.querySelectorAll('nav a, a')].find(each => each.textContent.trim() === 'Nightjar')")
    page.click(f"[...({FRAME}?.querySelectorAll('.jobs a') ?? [])].find(each => each.textContent.includes('{JOB}'))")
    page.wait_for(f"{FRAME}?.querySelectorAll('.plot svg').length > 15")
    page.wait_for(f"location.pathname === '/plugin/nightjar/nightjar/jobs/{JOB}'")
    page.take_picture(pictures / "page-in-airflow.png")
    assert list_complaints(page) == []
    assert list_hosts(page) == {site.url.removeprefix("http://")}


def test_names_from_data_are_text(site: PageSite, page: Browser) -> None:
    open_page(page, site, f"jobs/{JOB}/nights/{site.partitions[-1]}")
    page.click("[...document.querySelectorAll('button')].find(each => each.textContent.startsWith('Show all'))")
    page.click("[...document.querySelectorAll('button.feature')].find(each => each.textContent === 'carrier')")
    page.wait_for("!!document.querySelector('td.opened .pair')")
    page.click("[...document.querySelectorAll('summary')].find(each => each.textContent === 'By segment')")
    shown = page.run("document.body.innerText")
    assert HOSTILE in shown
    assert f"carrier={HOSTILE}" in shown
    assert page.run("document.title") != "run"
    assert page.run("document.querySelectorAll('body script').length") == 0


def test_a_night_shows_what_moved_its_scores(site: PageSite, page: Browser) -> None:
    moved = site.workspace.monitoring(site.job).find_moved(site.partitions[-1])
    assert moved is not None
    open_page(page, site, f"jobs/{JOB}/nights/{site.partitions[-1]}")
    names = "[...document.querySelectorAll('#moved tbody th')].map(each => each.textContent)"
    assert page.run(names)[:-1] == [feature for feature, _ in moved.features[:12]]
    assert page.run(names)[-1] == f"{len(moved.features) - 12} others together"
    assert page.run("[...document.querySelectorAll('#moved p a')].map(each => each.textContent)") == [*moved.against]
    page.click("document.querySelector('#moved button.more')")
    page.wait_for(f"document.querySelectorAll('#moved tbody th').length === {len(moved.features)}")
    falls = [feature for feature, change in moved.features if change < 0]
    assert falls
    shown = "[...document.querySelectorAll('#moved tr')].filter(each => each.querySelector('.down'))"
    assert page.run(f"{shown}.map(each => each.querySelector('th').textContent)") == falls
    assert page.run(f"{shown}.every(each => each.textContent.includes('\\u2212'))")
    open_page(page, site, f"jobs/{JOB}/nights/{site.partitions[3]}")
    assert page.run("document.getElementById('moved')") is None


def test_a_graded_night_shows_its_metrics(site: PageSite, page: Browser) -> None:
    graded = site.workspace.monitoring(site.job).find_graded(site.partitions[-4])
    assert graded is not None
    open_page(page, site, f"jobs/{JOB}/nights/{graded.partition}")
    metrics = page.run("[...document.querySelectorAll('#accuracy tbody th')].map(each => each.textContent)")
    assert [name.replace(" ", "_") for name in metrics] == list(graded.metrics)
    assert "[object" not in page.run("document.body.textContent")


def test_the_runbook_of_an_alarm_opens_beside_airflow(site: PageSite, page: Browser) -> None:
    """Although Airflow's frame may open no window."""
    shown = f"/plugin/nightjar/nightjar/jobs/{JOB}"
    page.open(f"{site.url}{shown}")
    link = f"[...({FRAME}?.querySelectorAll('.alarms a') ?? [])].find(each => each.href.endsWith('#inputsdrift'))"
    page.wait_for(f"!!({link})")
    page.run(f"({link}).focus()")
    page.press("Enter", 13)
    page.wait_for_window(f"{RUNBOOKS}#inputsdrift")
    assert page.run("location.pathname") == shown


@pytest.mark.parametrize("runbook", ["docs/operations.md#inputsdrift", "javascript:alert(1)#inputsdrift"])
def test_a_runbook_that_is_no_address_is_text(site: PageSite, page: Browser, runbook: str) -> None:
    open_page(page, site)
    asked = f'import("{site.url}/nightjar/static/parts.js"), fetch("{site.url}/nightjar/api/jobs/{JOB}")'
    page.run(f"""Promise.all([{asked}]).then(async ([parts, answer]) => {{
      const {{ job, episodes }} = await answer.json();
      document.body.append(parts.alarmList(job, [{{ ...episodes[0], runbook: {runbook!r} }}], true));
    }})""")
    page.wait_for("!!document.querySelector('body > .alarms')")
    assert page.run("document.querySelector('body > .alarms').textContent").endswith(f"Runbook: {runbook}")
    assert page.run("document.querySelectorAll('body > .alarms a').length") == 1


@pytest.mark.parametrize(
    ("ended", "said"),
    [
        (
            {"judged": False, "why_resolved": "not judged on 3 nights: <b>few rows</b>"},
            "closed 2024-03-09 without being known to be well: not judged on 3 nights: <b>few rows</b>; ",
        ),
        ({"judged": True, "why_resolved": "within its limits again"}, "resolved 2024-03-09: within its limits again; "),
        ({"found": "readers get nothing", "value": None}, "; readers get nothing. "),
    ],
)
def test_an_alarm_says_in_words_why_it_ended_and_what_was_found(
    site: PageSite, page: Browser, ended: dict[str, Any], said: str
) -> None:
    open_page(page, site)
    asked = f'import("{site.url}/nightjar/static/parts.js"), fetch("{site.url}/nightjar/api/jobs/{JOB}")'
    over = json.dumps({"resolved_by": "2024-03-09", "worst": [], **ended})
    page.run(f"""Promise.all([{asked}]).then(async ([parts, answer]) => {{
      const {{ job, episodes }} = await answer.json();
      document.body.append(parts.alarmList(job, [{{ ...episodes[0], ...{over} }}], false));
    }})""")
    page.wait_for("!!document.querySelector('body > .alarms')")
    assert said in page.run("document.querySelector('body > .alarms').textContent")


def test_who_may_see_no_job_is_told_so_in_words(site: PageSite, tmp_path: Path) -> None:
    with Browser(tmp_path / "browser", "UTC") as browser:
        log_in(browser, site, HARBOUR)
        open_page(browser, site, "")
        assert "tide_levels" in browser.run("document.body.innerText")
        assert JOB not in browser.run("document.body.innerText")
        browser.open(f"{site.url}/nightjar/jobs/{JOB}")
        browser.wait_for("document.body.innerText.includes('Forbidden')")


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["", f"jobs/{JOB}", "night"])
def test_text_stands_out_by_day_and_by_night(
    site: PageSite, page: Browser, pictures: Path, scheme: str, path: str
) -> None:
    page.prefer(prefers_color_scheme=scheme)
    open_page(page, site, path.replace("night", f"jobs/{JOB}/nights/{site.partitions[-4]}"))
    page.take_picture(pictures / f"{path.replace('/', '-') or 'jobs'}-{scheme}.png", whole=True)
    assert page.run(CONTRAST) == []


@pytest.mark.slow
def test_the_theme_is_the_one_chosen_in_airflow(site: PageSite, page: Browser) -> None:
    page.prefer(prefers_color_scheme="light")
    open_page(page, site)
    bright = page.run("getComputedStyle(document.body).backgroundColor")
    page.run("localStorage.setItem('theme', 'dark')")
    open_page(page, site, "")
    assert page.run("getComputedStyle(document.body).backgroundColor") != bright


@pytest.mark.slow
@pytest.mark.parametrize("path", ["", f"jobs/{JOB}", "night"])
def test_a_phone_needs_no_sideways_scrolling(site: PageSite, page: Browser, pictures: Path, path: str) -> None:
    page.resize(PHONE, 760, mobile=True)
    open_page(page, site, path.replace("night", f"jobs/{JOB}/nights/{site.partitions[-1]}"))
    page.take_picture(pictures / f"{path.replace('/', '-') or 'jobs'}-phone.png")
    assert page.run("document.documentElement.scrollWidth") == PHONE


@pytest.mark.slow
def test_the_keyboard_reaches_a_night_through_a_chart(site: PageSite, page: Browser) -> None:
    open_page(page, site)
    page.run("document.getElementById('inputs').querySelector('.plot').focus()")
    page.press("ArrowLeft", 37)
    page.press("Home", 36)
    said = page.run("document.activeElement.getAttribute('aria-valuetext')")
    assert site.partitions[0] in said
    assert page.run("getComputedStyle(document.activeElement).outlineStyle") != "none"
    page.press("ArrowRight", 39)
    page.press("Enter", 13)
    page.wait_for(f"location.pathname.endsWith('/nights/{site.partitions[1]}') && {COMPLETE}")


@pytest.mark.slow
def test_every_chart_has_its_numbers_and_a_name(site: PageSite, page: Browser) -> None:
    open_page(page, site)
    nameless = "[...document.querySelectorAll('.plot, svg[role=img], .scroll')].filter(each => !each.ariaLabel).length"
    assert page.run(nameless) == 0
    assert page.run("document.querySelectorAll('.plot').length") == page.run(
        "[...document.querySelectorAll('.plot')].filter(each => each.nextSibling.matches('details')).length"
    )
    page.click("document.querySelector('#accuracy .plot + details summary')")
    page.wait_for("!!document.querySelector('#accuracy details[open] table')")
    assert page.run("document.querySelectorAll('#accuracy details[open] tbody tr').length") == len(site.partitions)


@pytest.mark.slow
def test_a_run_has_a_tab_with_its_night(site: PageSite, page: Browser, pictures: Path) -> None:
    dag = f"nightly_scoring_{JOB}"
    with site.log_in("admin") as admin:
        order = {"logical_date": None, "conf": {"partition": site.partitions[-1]}}
        run = quote(admin.post(f"/api/v2/dags/{dag}/dagRuns", json=order).json()["dag_run_id"], safe="")
        task = f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/resolve_partition"
        admin.post(f"{task}/xcomEntries", json={"key": "return_value", "value": site.partitions[-1]})
    page.open(f"{site.url}/dags/{dag}/runs/{run}")
    page.click("[...document.querySelectorAll('a')].find(each => each.href.endsWith('/plugin/night'))")
    page.wait_for(f"!!{FRAME}?.getElementById('signals') && {FRAME}.body.innerText.includes('{site.partitions[-1]}')")
    page.take_picture(pictures / "run-in-airflow.png")
    assert list_complaints(page) == []


@pytest.mark.slow
def test_the_frame_leads_to_pages_of_airflow(site: PageSite, page: Browser) -> None:
    page.open(f"{site.url}/plugin/nightjar/nightjar/jobs/{JOB}")
    page.click(f"[...({FRAME}?.querySelectorAll('a') ?? [])].find(each => each.textContent === 'Required actions')")
    page.wait_for(f"location.pathname === '/dags/nightly_scoring_{JOB}/required_actions'")
