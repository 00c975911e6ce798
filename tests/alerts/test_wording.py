"""An alert says everything, in words that nothing can forge."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.alerts import (
    find_escalation,
    find_owner,
    to_json,
    write_blocks,
    write_html,
    write_mail_subject,
    write_plain,
    write_text,
)
from pipeline.errors import CONTROLS
from tests.alerts.samples import OWNER, make_alert

TEXTS = st.text(st.characters(), max_size=60) | st.sampled_from(
    ["<!channel> *all*", "<https://evil.example|Runbook>", "a\r\nBcc: b@c", "<script>alert(1)</script>", "&lt;"]
)
EVERYTHING = (
    "the features are unlike those of the training",
    "2024-02-12",
    "2024-02-11",
    "7.2",
    "at most 3.1",
    "level 7.2 (limit 3.1)",
    "generation 42-9f3a of 2024-02-12 by model 3",
    "look at the worst features",
    "docs/operations.md#inputsdrift",
    "critical",
)
"""What, since when, how large, what is served, what to do."""


@pytest.mark.parametrize("write", [write_text, write_plain, write_html, lambda alert: json.dumps(write_blocks(alert))])
def test_every_form_says_everything(write: object) -> None:
    assert callable(write)
    written = write(make_alert())
    assert [words for words in EVERYTHING if words not in written] == []


@given(text=TEXTS)
def test_no_form_is_forged(text: str) -> None:
    alert = make_alert(problem=text, next_step=text, subject=text, facts={"worst": text})
    assert not CONTROLS.search(write_text(alert))
    assert not CONTROLS.search(write_mail_subject(alert))
    assert write_plain(alert).count("\n") == write_plain(make_alert(facts={"worst": "level"})).count("\n")
    assert set(re.findall(r"<(/?[a-z!]+)", write_html(alert))) <= set(
        re.findall(r"<(/?[a-z!]+)", write_html(make_alert()))
    )
    section = write_blocks(alert)[1]["text"]["text"]
    assert not re.search(r"[<>]", section + to_json(alert)["text"])


def test_a_runbook_that_is_no_address_is_no_link() -> None:
    assert "<a " not in write_html(make_alert(runbook="javascript:alert(1)"))
    assert '<a href="https://example.org/ops#inputsdrift">' in write_html(
        make_alert(runbook="https://example.org/ops#inputsdrift")
    )


def test_slack_takes_the_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    header, section = write_blocks(make_alert(subject="x" * 5000, problem="&" * 5000))
    assert len(header["text"]["text"]) <= 150
    assert len(section["text"]["text"]) <= 3000


def test_machines_get_the_fields() -> None:
    content = to_json(make_alert())
    assert content["owner"] == {"name": OWNER.name, "email": OWNER.email, "escalation": OWNER.escalation}
    assert (content["signal"], content["value"], content["since"]) == ("inputs.drift", 7.2, "2024-02-11")
    assert content["served"] == {"generation": "42-9f3a", "partition": "2024-02-12", "model_version": "3"}
    assert json.loads(json.dumps(content)) == content


@pytest.mark.parametrize(
    ("severity", "escalation", "told"),
    [
        ("info", "director@example.org", (None, None)),
        ("warning", "director@example.org", ("harbour@example.org", None)),
        ("critical", "director@example.org", ("harbour@example.org", "director@example.org")),
        ("critical", "harbour@example.org", ("harbour@example.org", None)),
        ("critical", None, ("harbour@example.org", None)),
    ],
)
def test_who_is_told_follows_from_the_severity(
    severity: str, escalation: str | None, told: tuple[str | None, str | None]
) -> None:
    alert = make_alert(severity=severity, owner=OWNER.model_copy(update={"escalation": escalation}))
    assert (find_owner(alert), find_escalation(alert)) == told
