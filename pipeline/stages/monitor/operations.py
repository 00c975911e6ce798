"""How a run went, beside how runs usually go: seconds, memory, retries, quarantine, and reads of what it released."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.job import Monitoring
from pipeline.monitoring import Operations, Part, Signal
from pipeline.stages.monitor.drift import SHOWN
from pipeline.stages.monitor.limits import learn_upper
from pipeline.stages.monitor.unusual import count_needed, describe_waiting

UNREMARKABLE_SECONDS = 60.0
"""Stages that take a minute a night together are in nobody's way: three seconds instead of two are no alarm."""

UNREMARKABLE_LATENCY = 0.005
"""Seconds.  A read as fast as that waits for the network rather than for Redis; what varies there is the machine."""

UNREMARKABLE_MEMORY = 512 * 2**20
"""Bytes.  Half of it are the libraries; every machine that can run a stage has this much."""

UNREMARKABLE_QUARANTINE = 0.001
"""A row in a thousand: where none was ever refused, one bad row of a large delivery is none of the owner's business."""


@dataclass(frozen=True)
class _Measure:
    """One number of a run.

    Attributes:
        unremarkable: up to this value nothing is beyond a limit, however low the job's own nights are.
        read: None where the run does not say.
        rank: the parts of the number, such as seconds by stage.
    """

    name: str
    unit: str
    unremarkable: float
    read: Callable[[Operations], float | None]
    rank: Callable[[Operations], Mapping[str, float]]
    missing: str = "it was not measured"


def judge_operations(tonight: Operations, past: Sequence[Operations], monitoring: Monitoring) -> tuple[Signal, ...]:
    """The signals of a run.  Only more than usual counts: a night may be as quick as it likes.

    Args:
        past: of the nights before it, oldest first.
    """
    return tuple(_judge(measure, tonight, past, monitoring) for measure in _MEASURES)


def share_quarantined(night: Operations) -> dict[str, float]:
    """Share of the received rows that were quarantined, by source."""
    return {
        source: night.quarantined.get(source, 0) / received for source, received in night.received.items() if received
    }


def _judge(measure: _Measure, tonight: Operations, past: Sequence[Operations], monitoring: Monitoring) -> Signal:
    known = [value for night in past if (value := measure.read(night)) is not None][-monitoring.history :]
    value = measure.read(tonight)
    needed = count_needed(monitoring.minimum, monitoring.false_alarms)
    muted = None
    if value is None:
        muted = measure.missing
    elif len(known) < needed:
        muted = describe_waiting(len(known), monitoring)
    usual = learn_upper(known, monitoring.false_alarms) if len(known) >= needed else None
    upper = None if usual is None else max(usual, measure.unremarkable)
    ranked = sorted(measure.rank(tonight).items(), key=lambda part: (-part[1], part[0]))
    return Signal(
        name=f"operations.{measure.name}",
        value=value,
        upper=upper,
        unit=measure.unit,
        breached=value is not None and upper is not None and value > upper,
        muted=muted,
        nights=len(known),
        worst=tuple(Part(name=name, value=part) for name, part in ranked[:SHOWN] if part > 0),
    )


def _seconds(night: Operations) -> float | None:
    return night.seconds if night.computed else None


def _memory(night: Operations) -> float | None:
    return max((float(stage.peak_memory_bytes) for stage in night.stages), default=None)


def _retries(night: Operations) -> float:
    return float(sum(stage.attempts - 1 for stage in night.stages))


def _quarantine(night: Operations) -> float | None:
    return max(share_quarantined(night).values(), default=None)


def _rank_reasons(night: Operations) -> dict[str, float]:
    """Share of a source's rows by source and reason."""
    return {
        f"{source}: {reason}": rows / night.received[source]
        for source, reasons in night.quarantine.items()
        for reason, rows in reasons.items()
        if night.received.get(source)
    }


def _latency(night: Operations) -> float | None:
    return night.reads.p99 if night.reads is not None and night.reads.errors < night.reads.reads else None


def _read_errors(night: Operations) -> float | None:
    return night.reads.errors / night.reads.reads if night.reads is not None and night.reads.reads else None


def _nothing(_: Operations) -> dict[str, float]:
    return {}


_MEASURES = (
    _Measure(
        "seconds",
        "seconds",
        UNREMARKABLE_SECONDS,
        _seconds,
        lambda night: {stage.stage: stage.seconds for stage in night.stages},
        missing="its work had been done before, so it says nothing of how long a night takes",
    ),
    _Measure(
        "memory",
        "bytes",
        UNREMARKABLE_MEMORY,
        _memory,
        lambda night: {stage.stage: float(stage.peak_memory_bytes) for stage in night.stages},
    ),
    _Measure(
        "retries",
        "",
        0.0,
        _retries,
        lambda night: {stage.stage: float(stage.attempts - 1) for stage in night.stages},
    ),
    _Measure("quarantine", "share", UNREMARKABLE_QUARANTINE, _quarantine, _rank_reasons),
    _Measure("latency", "seconds", UNREMARKABLE_LATENCY, _latency, _nothing, missing="no read found anything"),
    _Measure("read_errors", "share", 0.0, _read_errors, _nothing),
)
