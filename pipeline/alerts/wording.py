"""The words of an alert: one line for logs and chats, blocks for Slack, plain text and HTML for mail, JSON.

What is told may have come from upstream, so nothing in it ends a line, steers a terminal, or is markup anywhere.
"""

from __future__ import annotations

import html
from typing import Any

from pipeline.alerts.alert import Alert
from pipeline.errors import escape_controls

_SUBJECT_LENGTH = 150
_SECTION_LENGTH = 2900
"""Slack refuses a header of more than 150 characters, and a section of more than 3,000."""

_STATES = {"raised": "alarm", "resolved": "resolved", "failed": "failed", "recovered": "recovered"}


def write_text(alert: Alert) -> str:
    """One line: the problem, and every fact with its name."""
    facts = ", ".join(f"{name}={words}" for name, words in _list_facts(alert))
    return escape_controls(f"Nightjar: {alert.problem} ({facts})")


def write_mail_subject(alert: Alert) -> str:
    """One line of at most 150 characters."""
    night = f" {alert.partition}" if alert.partition else ""
    subject = f"[Nightjar] {alert.job}{night}: {alert.subject} {_STATES[alert.kind]} ({alert.severity})"
    return escape_controls(subject)[:_SUBJECT_LENGTH]


def write_plain(alert: Alert) -> str:
    """For mail: the problem, then a fact a line."""
    facts = [f"{escape_controls(name)}: {escape_controls(words)}" for name, words in _list_facts(alert)]
    return "\n".join([f"{escape_controls(alert.problem)}.", "", *facts, ""])


def write_html(alert: Alert) -> str:
    """For mail: the same as a table that asks nothing of the network."""
    rows = "".join(
        f'<tr><th style="text-align:left;vertical-align:top;padding-right:1em">{_escape(name)}</th>'
        f"<td>{_link(words) if name == 'runbook' else _escape(words)}</td></tr>"
        for name, words in _list_facts(alert)
    )
    return f"<!doctype html><html><body><p>{_escape(alert.problem)}.</p><table>{rows}</table></body></html>"


def write_blocks(alert: Alert) -> list[dict[str, Any]]:
    """Slack's Block Kit: a header and a section."""
    lines = [f"*{_escape_slack(name)}:* {_escape_slack(words)}" for name, words in _list_facts(alert)]
    section = "\n".join([f"{_escape_slack(alert.problem)}.", *lines])
    return [
        {"type": "header", "text": {"type": "plain_text", "text": write_mail_subject(alert), "emoji": False}},
        {"type": "section", "text": {"type": "mrkdwn", "text": section[:_SECTION_LENGTH]}},
    ]


def to_json(alert: Alert) -> dict[str, Any]:
    """What a webhook gets: ``text`` and ``blocks`` for a chat, the rest for machines."""
    return {
        "text": _escape_slack(write_text(alert)),
        "blocks": write_blocks(alert),
        "job": alert.job,
        "partition": alert.partition,
        "owner": alert.owner.model_dump(exclude_none=True),
        "severity": alert.severity,
        "kind": alert.kind,
        "subject": alert.subject,
        "problem": alert.problem,
        "at": alert.at,
        "since": alert.since,
        "served": None if alert.served is None else alert.served.model_dump(),
        "next_step": alert.next_step,
        "runbook": alert.runbook,
        **alert.details,
    }


def _list_facts(alert: Alert) -> list[tuple[str, str]]:
    served = alert.served
    still = (
        "not known"
        if served is None
        else (f"generation {served.generation} of {served.partition} by model {served.model_version}")
    )
    owner = f"{alert.owner.name} <{alert.owner.email}>"
    known = {
        "job": alert.job,
        "partition": alert.partition or "unknown",
        "since": alert.since,
        "severity": alert.severity,
        **alert.facts,
        "served": still,
        "owner": owner,
        "next_step": alert.next_step,
        "runbook": alert.runbook,
    }
    return [(name, words) for name, words in known.items() if words is not None]


def _escape(text: str) -> str:
    return html.escape(escape_controls(text))


def _link(url: str) -> str:
    """A link only of what is one: the name of a file, or a script, is none."""
    escaped = _escape(url)
    return f'<a href="{escaped}">{escaped}</a>' if url.startswith(("https://", "http://")) else escaped


def _escape_slack(text: str) -> str:
    """So that nothing in it mentions a person or the whole channel, or pretends to be a link."""
    return html.escape(escape_controls(text), quote=False)
