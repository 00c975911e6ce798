"""Airflow's own UI in a real browser: a backfill ordered with its form, in the time zone of the browser."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

from tests.dags.browser import PATIENCE, Browser
from tests.dags.scheduler import Scheduler
from tests.dags.test_backfills import NEW_YORK, TOKYO, resolve_all

pytestmark = pytest.mark.slow

DIALOG = "document.querySelector('[role=dialog][data-state=open]')"


@pytest.fixture
def airflow_url(scheduler: Scheduler) -> Iterator[str]:
    """Airflow's API server, with the UI, on a free port of this machine."""
    server = uvicorn.Server(uvicorn.Config(scheduler.rest.app, host="127.0.0.1", port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + PATIENCE
    while not server.started:
        assert thread.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(PATIENCE)


def button(text: str, inside: str = "document") -> str:
    return f"[...{inside}.querySelectorAll('button')].find(each => each.textContent.trim() === '{text}')"


def choose_day(page: Browser, number: int, day: str) -> None:
    """Type a day into the first or the second date field of the form."""
    page.click(f"document.querySelectorAll('[data-testid=datetime-input]')[{number}]")
    page.write("document.querySelector('input[placeholder=\"YYYY/MM/DD\"]')", day.replace("-", "/"))
    page.wait_for(
        f"!document.querySelectorAll('[data-testid=datetime-input]')[{number}].textContent.includes('Select')"
    )
    page.click(f"document.querySelectorAll('[data-testid=datetime-input]')[{number}]")
    page.wait_for("!document.querySelector('input[placeholder=\"YYYY/MM/DD\"]')")


@pytest.mark.parametrize(
    ("dag_id", "zone"),
    [(NEW_YORK, "America/New_York"), (TOKYO, "Asia/Tokyo"), (TOKYO, "America/New_York")],
)
def test_a_backfill_ordered_with_the_form_makes_those_nights(
    scheduler: Scheduler, airflow_url: str, tmp_path: Path, dag_id: str, zone: str
) -> None:
    nights = ["2024-03-09", "2024-03-10", "2024-03-11"]
    with Browser(tmp_path / "browser", zone) as page:
        page.open(f"{airflow_url}/dags/{dag_id}")
        page.click(button("Trigger"))
        page.click("document.querySelector('input[type=radio][value=backfill]')")
        choose_day(page, 0, nights[0])
        choose_day(page, 1, nights[-1])
        page.wait_for(f"document.body.innerText.includes('{len(nights)} runs')")
        page.click(button("Run Backfill"))
        deadline = time.monotonic() + PATIENCE
        while len(scheduler.list_runs(dag_id)) < len(nights):
            assert time.monotonic() < deadline
            time.sleep(0.1)
    assert resolve_all(scheduler, dag_id) == nights
