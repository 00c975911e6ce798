"""Every signal has a section of the runbooks, and every such section its signal."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipeline.alerts import DAMAGED_ALERT, FAILED_NIGHT, RUNBOOKS, WITHOUT_LAKE, find_runbook, link_runbook
from pipeline.monitoring import MONITORS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/operations.md").read_text()
SIGNAL = re.compile(rf'"((?:{"|".join(MONITORS)})\.[a-z_]+)"')
QUESTIONS = ("**Means.**", "**Served.**", "**Look at.**", "**Do.**", "**Who.**")


def find_signals() -> set[str]:
    """Names of signals that stand in the code."""
    sources = [path.read_text() for folder in ("pipeline", "dags", "plugins") for path in (ROOT / folder).rglob("*.py")]
    return {name for source in sources for name in SIGNAL.findall(source)}


def list_headings() -> list[str]:
    return re.findall(r"^#{2,4} (.+)$", PAGE, re.MULTILINE)


def make_anchor(heading: str) -> str:
    """As GitHub does: lower case, no punctuation but hyphens and underscores, a hyphen for a space."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def read_section(heading: str) -> str:
    return re.split(r"^#{2,4} ", PAGE.partition(f"\n#### {heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def test_every_signal_of_the_code_has_a_section_and_every_section_its_signal() -> None:
    sections = {heading for heading in list_headings() if heading.partition(".")[0] in MONITORS and "." in heading}
    assert find_signals() == sections == set(RUNBOOKS)


@pytest.mark.parametrize("section", [*RUNBOOKS, DAMAGED_ALERT, FAILED_NIGHT, WITHOUT_LAKE])
def test_every_link_of_an_alert_leads_to_a_section(section: str) -> None:
    anchors = [make_anchor(heading) for heading in list_headings()]
    page, _, anchor = link_runbook("docs/operations.md", section).partition("#")
    assert page == "docs/operations.md"
    assert anchors.count(anchor) == 1


@pytest.mark.parametrize("signal", RUNBOOKS)
def test_every_section_answers_what_somebody_asks_who_is_woken(signal: str) -> None:
    section = read_section(signal)
    assert [question for question in QUESTIONS if question not in section] == []


def test_an_alarm_of_a_newer_version_can_be_told() -> None:
    assert find_runbook("inputs.smell").meaning == "inputs.smell is beyond what is usual"


def test_an_address_is_linked_as_it_is() -> None:
    assert link_runbook("https://example.org/ops", "inputs.drift") == "https://example.org/ops#inputsdrift"
