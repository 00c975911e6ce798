"""A card's page in a real browser, in light and dark."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from pipeline.stores.model_cards.rendering import render_card
from tests.dags.browser import Browser
from tests.stores.model_cards.documents import make_document

pytestmark = pytest.mark.slow

HOSTILE = "<img src=x onerror=document.title='forged'>"
CONTRASTS = """
(() => {
  const canvas = document.createElement('canvas').getContext('2d');
  const light = colour => {
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [red, green, blue] = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map(part => {
      part /= 255;
      return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const contrast = (one, other) => {
    const [dark, bright] = [light(one), light(other)].sort((a, b) => a - b);
    return (bright + 0.05) / (dark + 0.05);
  };
  const behind = getComputedStyle(document.querySelector('figure')).backgroundColor;
  const page = getComputedStyle(document.body).backgroundColor;
  return [
    ...[...document.querySelectorAll('svg.plot text')].map(text => contrast(getComputedStyle(text).fill, behind)),
    ...[...document.querySelectorAll('p, td, th, li, h2')].map(text => contrast(getComputedStyle(text).color, page)),
  ];
})()
"""


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("task", ["binary", "regression"])
def test_a_page_can_be_read_in_every_theme_and_runs_nothing(tmp_path: Path, task: str, theme: str) -> None:
    """Contrast as WCAG 2.1 wants it of text, 4.5 to 1.  The picture is left beside the page for people."""
    document: dict[str, Any] = make_document(task, HOSTILE)
    page = tmp_path / "card.html"
    page.write_bytes(render_card(document)["card.html"])
    with Browser(tmp_path / "browser", "UTC") as browser:
        browser.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])
        browser.open(page.as_uri())
        browser.wait_for("document.readyState === 'complete' && document.querySelectorAll('svg.plot').length > 3")
        picture = browser.send("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        page.with_suffix(".png").write_bytes(base64.b64decode(picture))
        assert browser.run("document.title") == "Model 3 of " + document["job"]["name"]
        assert browser.run("document.images.length + document.scripts.length") == 0
        assert browser.run("document.documentElement.scrollWidth <= innerWidth")
        assert browser.run("[...document.querySelectorAll('svg.plot')].every(plot => plot.clientWidth > 300)")
        assert browser.run("matchMedia('(prefers-color-scheme: dark)').matches") is (theme == "dark")
        contrasts = browser.run(CONTRASTS)
        assert len(contrasts) > 100
        assert min(contrasts) >= 4.5
