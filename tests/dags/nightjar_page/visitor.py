"""What a person does with the page, in a real browser."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from tests.dags.browser import Browser
from tests.dags.page_site import JOB, PageSite

COMPLETE = "!document.querySelector('main').hasAttribute('aria-busy')"
FRAME = "document.querySelector('iframe')?.contentDocument"

CONTRAST = """
(() => {
  const parse = (text) => { const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number); return [r, g, b, a]; };
  const over = (top, under) => [0, 1, 2].map((part) => top[part] * top[3] + under[part] * (1 - top[3])).concat(1);
  const light = (colour) => colour.slice(0, 3).map((part) => part / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
    .reduce((sum, part, place) => sum + part * [0.2126, 0.7152, 0.0722][place], 0);
  const ground = (node) => {
    const layers = [];
    for (let at = node; at; at = at.parentElement) layers.push(parse(getComputedStyle(at).backgroundColor));
    return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255, 1]);
  };
  const poor = [];
  for (const node of document.querySelectorAll('body *')) {
    const says = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
    if (!says || !node.getClientRects().length || node.closest('.unseen, .skip, noscript')) continue;
    const style = getComputedStyle(node);
    const under = ground(node);
    const colour = parse(node instanceof SVGElement ? style.fill : style.color);
    const [one, other] = [light(over(colour, under)), light(under)];
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (ratio < 4.5) poor.push(`${node.textContent.trim().slice(0, 40)}: ${ratio.toFixed(2)}`);
  }
  return poor;
})()
"""
"""Texts whose contrast with what is behind them is below the 4.5 that WCAG 2.1 AA asks for."""


def log_in(browser: Browser, site: PageSite, user: str) -> None:
    """Log in with Airflow's own form."""
    browser.open(f"{site.url}/auth/login")
    for name in ("username", "password"):
        browser.write(f"document.querySelector('input[name={name}]')", user)
    browser.click("document.querySelector('button[type=submit]')")
    browser.wait_for("!location.pathname.startsWith('/auth')")


def open_page(browser: Browser, site: PageSite, path: str = f"jobs/{JOB}") -> None:
    """Open a page of Nightjar by itself, and wait until it is complete."""
    browser.open(f"{site.url}/nightjar/{path}")
    browser.wait_for(f"location.pathname.endsWith({path!r}) && {COMPLETE}")


def list_complaints(browser: Browser) -> list[Any]:
    """Errors of scripts, refused requests and violations of the policy."""
    logged = [event["entry"] for event in browser.list_events("Log.entryAdded")]
    thrown = browser.list_events("Runtime.exceptionThrown")
    return [entry for entry in logged if entry["level"] == "error"] + thrown


def list_hosts(browser: Browser) -> set[str]:
    """Where requests went."""
    asked = [event["request"]["url"] for event in browser.list_events("Network.requestWillBeSent")]
    return {urlsplit(url).netloc for url in asked if not url.startswith(("data:", "blob:"))}
