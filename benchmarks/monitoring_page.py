"""How long the page of a job with a year of nights takes, in Chromium, out of a real Airflow; and its pictures.

Writes ``reports/bench-monitoring-page.json``, and with ``--pictures docs/images`` the pictures of the documentation.
The nights are made up (:mod:`tests.monitoring_year`); lake, Redis, Airflow and browser are real.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from benchmarks.reports import Report, describe_command, describe_machine, describe_versions, finish
from pipeline import tasks
from tests.dags.browser import Browser
from tests.dags.nightjar_page.visitor import FRAME, list_hosts, log_in, open_page
from tests.dags.page_site import JOB, PageSite
from tests.stores.predictions.server import RedisServer

REPORT = Path("reports/bench-monitoring-page.json")
COMPLETE = "performance.getEntriesByName('complete')[0].startTime"
WIDE, TALL, PHONE = (1360, 900), 1180, (390, 844)


def main() -> None:
    """Measure, and take pictures if there is a folder for them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nights", type=int, default=365)
    parser.add_argument("--repeat", type=int, default=10)
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with start_site(options.nights) as site:
        report = {
            "command": describe_command("benchmarks.monitoring_page"),
            "nights": options.nights,
            "machine": describe_machine(),
            "versions": describe_versions(site.redis_url),
            "server": measure_server(site, options.repeat),
            "browser": measure_browser(site, options.repeat),
        }
        if options.pictures is not None:
            take_pictures(site, options.pictures)
    finish(report, REPORT, as_json=options.json, print_table=print_table)


@contextmanager
def start_site(nights: int) -> Iterator[PageSite]:
    """Airflow with the page; everything is gone afterwards."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        for name in ("redis", "home"):
            (Path(folder) / name).mkdir()
        redis = RedisServer(Path(folder) / "redis")
        site = PageSite(Path(folder) / "home", redis.url, nights)
        try:
            site.start()
            yield site
        finally:
            site.stop()
            redis.stop()


def measure_server(site: PageSite, repeat: int) -> dict[str, Any]:
    """Milliseconds of the year's JSON: read for the first time, again, unchanged, and after one night was replaced."""
    path = f"/nightjar/api/jobs/{JOB}"
    with site.log_in("viewer") as client:
        client.get("/nightjar/api/jobs")  # imports the page
        first, answer = clock(client, path)
        known = {"If-None-Match": answer.headers["ETag"]}
        again = [clock(client, path)[0] for _ in range(repeat)]
        unchanged = [clock(client, path, known) for _ in range(repeat)]
        assert {asked.status_code for _, asked in unchanged} == {304}
        records = site.workspace.monitoring(site.job)
        night = records.find_observed(site.partitions[-1])
        assert night is not None
        records.write_observed(night)
        replaced, _ = clock(client, path, known)
    return {
        "first_ms": first,
        "again_ms": statistics.median(again),
        "unchanged_ms": statistics.median(milliseconds for milliseconds, _ in unchanged),
        "one_night_replaced_ms": replaced,
        "bytes": len(answer.content),
        "bytes_compressed": answer.num_bytes_downloaded,
    }


def clock(client: httpx.Client, path: str, headers: dict[str, str] | None = None) -> tuple[float, httpx.Response]:
    """Milliseconds of a request, and its answer."""
    start = time.perf_counter()
    answer = client.get(path, headers=headers or {})
    return round(1000 * (time.perf_counter() - start), 1), answer


def measure_browser(site: PageSite, repeat: int) -> dict[str, Any]:
    """Milliseconds from the beginning of the navigation until everything is drawn."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, open_browser(site, Path(folder)) as page:
        page.send("Network.enable")
        loads = []
        for _ in range(repeat):
            open_page(page, site, "")
            open_page(page, site)
            loads.append(page.run(COMPLETE))
        page.send("Network.setCacheDisabled", cacheDisabled=True)
        open_page(page, site, "")
        open_page(page, site)
        return {
            "complete_ms": round(statistics.median(loads), 1),
            "complete_without_cache_ms": round(page.run(COMPLETE), 1),
            "charts": page.run("document.querySelectorAll('.plot svg').length"),
            "hosts": len(list_hosts(page)),
        }


@contextmanager
def open_browser(site: PageSite, folder: Path) -> Iterator[Browser]:
    """A browser in which a viewer has logged in."""
    with Browser(folder / "browser", "UTC") as page:
        page.resize(*WIDE)
        log_in(page, site, "viewer")
        yield page


def take_pictures(site: PageSite, folder: Path) -> None:
    """The pictures of ``docs/monitoring-page.md``."""
    night = site.partitions[-4]
    tasks.write_night_report(site.workspace, site.job, night)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile, open_browser(site, Path(profile)) as page:
        page.prefer(prefers_color_scheme="light")
        page.open(f"{site.url}/plugin/nightjar/nightjar/jobs/{JOB}")
        page.wait_for(f"{FRAME}?.querySelectorAll('.plot svg').length > 15")
        page.resize(WIDE[0], TALL)
        page.take_picture(folder / "monitoring-page.png")
        page.resize(*WIDE)
        page.prefer(prefers_color_scheme="dark")
        open_page(page, site)
        page.run("document.getElementById('outputs').scrollIntoView()")
        page.take_picture(folder / "monitoring-page-dark.png")
        page.prefer(prefers_color_scheme="light")
        open_page(page, site, f"jobs/{JOB}/nights/{night}")
        page.click("document.querySelector('button.feature')")
        page.wait_for("!!document.querySelector('td.opened .pair')")
        page.resize(WIDE[0], TALL)
        page.run("document.getElementById('moved').scrollIntoView()")
        page.take_picture(folder / "monitoring-night.png")
        page.resize(*WIDE)
        page.open(f"{site.url}/nightjar/jobs/{JOB}/reports/{night}.html")
        page.wait_for("document.title.includes('night of')")
        page.take_picture(folder / "night-report.png")
        page.resize(*PHONE, mobile=True)
        open_page(page, site)
        page.take_picture(folder / "monitoring-phone.png")


def print_table(report: Report) -> None:
    """Names and numbers."""
    for part in ("server", "browser"):
        for name, value in report[part].items():
            print(f"{part:8} {name.replace('_', ' '):28} {value:>12,}")


if __name__ == "__main__":
    main()
