"""Airflow with the page and a few weeks of nights, started once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dags.browser import Browser
from tests.dags.nightjar_page.visitor import log_in
from tests.dags.page_site import PageSite
from tests.stores.predictions.server import RedisServer

HOSTILE = '<script>document.title="run"</script>'


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageSite]:
    """Forty nights, one of whose categories is a piece of HTML."""
    redis = RedisServer(tmp_path_factory.mktemp("page-redis"))
    site = PageSite(tmp_path_factory.mktemp("page"), redis.url, nights=40, category=HOSTILE)
    try:
        site.start()
        yield site
    finally:
        site.stop()
        redis.stop()


@pytest.fixture
def page(site: PageSite, tmp_path: Path) -> Iterator[Browser]:
    """A browser in which an admin has logged in, which writes down what pages ask for and complain of."""
    with Browser(tmp_path / "browser", "UTC") as browser:
        log_in(browser, site, "admin")
        for domain in ("Log", "Runtime", "Network"):
            browser.send(f"{domain}.enable")
        yield browser
