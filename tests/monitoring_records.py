"""Records of monitoring, made up: of plain nights, until a test says what is to be different about them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, TypeVar

from pydantic import BaseModel

from pipeline.monitoring import Distribution, Graded, Moved, Observed, Operations, Outputs, Signal
from pipeline.stores.alarms import AlarmEvent
from pipeline.stores.monitoring import MonitoringRecords

M = TypeVar("M", bound=BaseModel)

FIRST = date(2024, 1, 1)

_MODEL_DIGEST = "f" * 64


def name_night(number: int) -> str:
    """The partition of the night that is so many days after the first one."""
    return (FIRST + timedelta(days=number)).isoformat()


def make_signal(flag: str, name: str = "inputs.drift") -> Signal:
    """``x``: beyond the limit; ``.``: within it; ``m``: muted."""
    value, muted = {"x": (9.0, None), ".": (1.0, None), "m": (1.0, "a test")}[flag]
    return Signal(name=name, value=value, upper=5.0, breached=flag == "x", muted=muted, nights=30)


def make_outputs(**changes: Any) -> Outputs:
    """The predictions of a hundred rows."""
    facts = {
        "rows": 100,
        "mean": 12.0,
        "std": 3.0,
        "quantiles": {"0.5": 12.0},
        "share_above": None,
        "concentration": 0.02,
        "distribution": Distribution(edges=(0.0, 20.0), counts=(100,)),
    }
    return _fill(Outputs, facts, changes)


def make_operations(**changes: Any) -> Operations:
    """A run that refused nothing, and that no reader was asked about."""
    facts = {
        "stages": (),
        "seconds": 100.0,
        "quarantine": {},
        "received": {},
        "age_seconds": 3600.0,
        "bytes_per_prediction": 30.0,
        "reads": None,
    }
    return _fill(Operations, facts, changes)


def make_observed(partition: str, *signals: Signal, **changes: Any) -> Observed:
    """A night that was served, with these signals."""
    outputs = changes.get("outputs", make_outputs())
    facts = {
        **_released(partition),
        "model_digest": _MODEL_DIGEST,
        "run": "first",
        "observed_at": _morning_after(partition),
        "went_live": True,
        "rows": outputs.rows,
        "signals": signals,
        "outputs": outputs,
        "operations": make_operations(),
    }
    return _fill(Observed, facts, changes)


def make_graded(partition: str, *signals: Signal, **changes: Any) -> Graded:
    """The same night held against its labels, ten of which are not known; with these signals."""
    facts = {
        **_released(partition),
        "model_digest": _MODEL_DIGEST,
        "graded_at": _morning_after(partition),
        "scored": 100,
        "labelled": 90,
        "metrics": {"rmse": 3.0},
        "segments": (),
        "calibration": (),
        "estimated": {},
        "signals": signals,
    }
    return _fill(Graded, facts, changes)


def make_moved(partition: str, **changes: Any) -> Moved:
    """What moved the scores of the same night away from those of a week before."""
    facts = {
        **_released(partition),
        "against": ((date.fromisoformat(partition) - timedelta(days=7)).isoformat(),),
        "rows": 100,
        "mean_before": 10.0,
        "mean_after": 12.0,
        "features": (("rated_amps", 2.5), ("kwh_1d", -0.5)),
    }
    return _fill(Moved, facts, changes)


def make_alarm(number: int, partition: str, **changes: Any) -> AlarmEvent:
    """A warning that the inputs of the night, and of none before it, are unlike those of the training."""
    facts = {
        "number": number,
        "kind": "raised",
        "signal": "inputs.drift",
        "severity": "warning",
        "at": _morning_after(partition),
        "partition": partition,
        "since": partition,
        "value": 9.0,
        "upper": 5.0,
        "worst": [{"name": "rated_amps", "value": 9.0}],
    }
    return _fill(AlarmEvent, facts, changes)


def log_alarm(records: MonitoringRecords, partition: str, **changes: Any) -> AlarmEvent:
    """Append an event of :func:`make_alarm` to a job's log of alarms."""
    return records.alarms.append(lambda number: make_alarm(number, partition, **changes))


def _released(partition: str) -> dict[str, Any]:
    """What every record says of the release that it is of."""
    return {"partition": partition, "generation": f"1-{partition}", "model_version": "1"}


def _morning_after(partition: str) -> str:
    return f"{date.fromisoformat(partition) + timedelta(days=1)}T05:00:00+00:00"


def _fill(model: type[M], facts: Mapping[str, Any], changes: Mapping[str, Any]) -> M:
    """A record that says these facts, but for the changes; one of a field that it does not have is a mistake."""
    assert changes.keys() <= model.model_fields.keys(), sorted(changes.keys() - model.model_fields.keys())
    return model.model_validate({**facts, **changes})
