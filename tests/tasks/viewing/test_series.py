"""Nights as columns."""

from __future__ import annotations

from typing import Any

from pipeline.monitoring import Part, Signal
from pipeline.tasks.viewing.series import condense_graded, lay_out
from tests.monitoring_records import make_graded


def row(partition: str, **signals: float | None) -> dict[str, Any]:
    night = {"generation": "1-a", "model_version": "1", "rows": 5, "went_live": True, "seconds": 1.0, "received": 5}
    made = {
        name.replace("__", "."): {"value": value, "lower": None, "upper": 2.0, "unit": "s"}
        for name, value in signals.items()
    }
    return {"partition": partition, **night, "quarantined": 0, "signals": made, "estimated": {"auc": 0.7}}


def grade(partition: str, value: float) -> dict[str, Any]:
    signal = Signal(
        name="accuracy.primary",
        value=value,
        upper=0.5,
        unit="",
        breached=value > 0.5,
        worst=(Part(name="JFK", value=1),),
    )
    metrics = {"auc": 0.6, "rows": 4.0}
    return condense_graded(make_graded(partition, signal, labelled=4, metrics=metrics, estimated={"auc": 0.5}))


def test_every_column_has_a_place_for_every_night() -> None:
    columns = lay_out([row("2024-01-01", inputs__drift=1.0), row("2024-01-02", outputs__mean=3.0)], [])
    assert columns["partitions"] == ["2024-01-01", "2024-01-02"]
    assert columns["signals"]["inputs.drift"]["values"] == [1.0, None]
    assert columns["signals"]["outputs.mean"]["upper"] == [None, 2.0]


def test_a_grading_joins_the_night_that_it_is_of() -> None:
    nights = [row("2024-01-01", accuracy__estimate=0.4), row("2024-01-02", accuracy__estimate=0.4)]
    columns = lay_out(nights, [grade("2024-01-01", 0.6), grade("2023-12-31", 0.9)])
    assert columns["signals"]["accuracy.primary"]["values"] == [0.6, None]
    assert columns["signals"]["accuracy.primary"]["breached"] == [0]
    assert columns["signals"]["accuracy.primary"]["worst"] == {"0": [["JFK", 1.0, None]]}
    assert columns["signals"]["accuracy.estimate"]["values"] == [0.4, 0.4]
    assert columns["nights"]["labelled"] == [4, None]


def test_an_estimate_stays_what_it_was_before_the_labels() -> None:
    columns = lay_out([row("2024-01-01")], [grade("2024-01-01", 0.1)])
    assert columns["metrics"] == {"auc": {"realised": [0.6], "estimated": [0.7]}}
