"""The demo's report: figures that do not add up fail it, and what it prints is what was measured."""

from __future__ import annotations

import copy
import io
from typing import Any

import pytest
from rich.console import Console

from pipeline.errors import DamagedError
from pipeline.local.report import check_report, print_report

ACCOUNTING = {"received": 943, "quarantined": 3, "scored": 940, "published": 940, "read_back": 940}
PUBLISH = {"stage": "publish", "seconds": 1.25, "rows": 940, "peak_memory_mib": 300, "bytes_per_prediction": 31.4}
REPORT: dict[str, Any] = {
    "job": "numbers",
    "nights": [
        {
            "partition": "2013-04-02",
            "stages": [PUBLISH],
            "accounting": ACCOUNTING,
            "grade": {"auc": 0.7012, "log_loss": 0.5123, "brier": 0.1712, "rows": 930},
        }
    ],
    "live": {
        "job": "numbers",
        "generation": "3-9f3a",
        "partition": "2013-04-02",
        "model_version": "1",
        "feature_set": "numbers@1",
        "rows": 940,
        "buckets": 15,
        "cutoff": "2013-04-03T08:00:00Z",
    },
    "samples": [
        {
            "entity_id": "7",
            "reader": 0.25,
            "plain": 0.25,
            "model_version": "1",
            "partition": "2013-04-02",
            "commands": [["HGET nightjar:{numbers}:live generation", "3-9f3a"]],
        }
    ],
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """The report with another value at ``path``."""
    report = copy.deepcopy(REPORT)
    *parents, last = path.split(".")
    place: Any = report
    for name in parents:
        place = place[int(name)] if name.isdigit() else place[name]
    place[last] = value
    return report


def test_a_report_that_adds_up_passes() -> None:
    check_report(REPORT)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("nights.0.accounting.received", 944),
        ("nights.0.accounting.published", 939),
        ("nights.0.accounting.read_back", 939),
        ("nights.0.accounting", {}),
        ("nights.0.accounting", dict.fromkeys(ACCOUNTING, 0)),
        ("live.partition", "2013-04-01"),
        ("samples.0.plain", 0.26),
        ("samples", []),
    ],
)
def test_a_report_that_does_not_add_up_is_refused(path: str, value: Any) -> None:
    with pytest.raises(DamagedError, match="numbers"):
        check_report(changed(path, value))


def test_a_live_generation_of_a_later_night_is_no_fault() -> None:
    check_report(changed("live.partition", "2013-04-03"))


def test_the_print_shows_stages_accounting_grades_and_commands() -> None:
    output = io.StringIO()

    print_report(Console(file=output, width=160), REPORT)

    for figure in (
        "publish",
        "1.2",
        "943",
        "940",
        "31",
        "0.7012",
        "0.5123",
        "0.1712",
        "3-9f3a",
        "0.25",
        "HGET nightjar",
    ):
        assert figure in output.getvalue()
