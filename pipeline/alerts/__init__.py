"""What people are told: alerts, their words, and the runbooks that they point to."""

from pipeline.alerts.alert import Alert, Kind, Served, find_escalation, find_owner
from pipeline.alerts.runbooks import (
    DAMAGED_ALERT,
    FAILED_NIGHT,
    RUNBOOKS,
    WITHOUT_LAKE,
    Runbook,
    find_runbook,
    link_runbook,
)
from pipeline.alerts.wording import to_json, write_blocks, write_html, write_mail_subject, write_plain, write_text

__all__ = [
    "DAMAGED_ALERT",
    "FAILED_NIGHT",
    "RUNBOOKS",
    "WITHOUT_LAKE",
    "Alert",
    "Kind",
    "Runbook",
    "Served",
    "find_escalation",
    "find_owner",
    "find_runbook",
    "link_runbook",
    "to_json",
    "write_blocks",
    "write_html",
    "write_mail_subject",
    "write_plain",
    "write_text",
]
