"""Records of made-up nights."""

from __future__ import annotations

from typing import Any

from pipeline.monitoring import Distribution, Graded, Moved, Observed, Operations, Outputs, Signal
from pipeline.stores.alarms import AlarmEvent

OUTPUTS = Outputs(
    rows=100,
    mean=12.0,
    std=3.0,
    quantiles={"0.5": 12.0},
    share_above=None,
    concentration=0.02,
    distribution=Distribution(edges=(0.0, 20.0), counts=(100,)),
)
OPERATIONS = Operations(
    stages=(),
    seconds=100.0,
    quarantine={},
    received={},
    age_seconds=3600.0,
    bytes_per_prediction=30.0,
    reads=None,
)


def make_signal(flag: str, name: str = "inputs.drift") -> Signal:
    """``x``: beyond the limit; ``.``: within it; ``m``: muted."""
    value, muted = {"x": (9.0, None), ".": (1.0, None), "m": (1.0, "a test")}[flag]
    return Signal(name=name, value=value, upper=5.0, breached=flag == "x", muted=muted, nights=30)


def make_night(partition: str, *signals: Signal, **changes: Any) -> Observed:
    """A night with these signals."""
    facts = {
        "partition": partition,
        "run": "night",
        "generation": f"1-{partition}",
        "model_version": "1",
        "model_digest": "f" * 64,
        "observed_at": f"{partition}T04:00:00+00:00",
        "went_live": True,
        "rows": 100,
        "signals": signals,
        "outputs": OUTPUTS,
        "operations": OPERATIONS,
    }
    return Observed.model_validate(facts | changes)


def make_grading(partition: str, *signals: Signal) -> Graded:
    """A night held against its labels, with these signals."""
    return Graded(
        partition=partition,
        generation=f"1-{partition}",
        model_version="1",
        model_digest="f" * 64,
        graded_at=f"{partition}T05:00:00+00:00",
        scored=100,
        labelled=90,
        metrics={"rmse": 3.0},
        segments=(),
        calibration=(),
        estimated={},
        signals=signals,
    )


def make_moved(partition: str) -> Moved:
    """What moved the scores of a night of :func:`make_night`."""
    return Moved(
        partition=partition,
        against=("2023-01-20",),
        generation=f"1-{partition}",
        model_version="1",
        rows=100,
        mean_before=10.0,
        mean_after=12.0,
        features=(("rated_amps", 2.5), ("kwh_1d", -0.5)),
    )


def make_alarm(number: int, partition: str, kind: str = "raised", signal: str = "inputs.drift") -> AlarmEvent:
    """An event of the log of alarms, of an episode of one night."""
    facts = {"severity": "warning", "at": f"{partition}T05:00:00+00:00", "partition": partition, "since": partition}
    measured = {"value": 9.0, "upper": 5.0, "worst": [{"name": "rated_amps", "value": 9.0}]}
    return AlarmEvent.model_validate({"number": number, "kind": kind, "signal": signal, **facts, **measured})
