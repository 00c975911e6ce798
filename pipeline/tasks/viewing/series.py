"""Nights as columns: one list a number, in order of partition, which is what a chart takes and what travels well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.monitoring import Graded, Observed, Signal

Row = Mapping[str, Any]

_NIGHT = ("generation", "model_version", "rows", "went_live", "seconds", "received", "quarantined")
_DIGITS = 6


def condense_observed(night: Observed) -> dict[str, Any]:
    """What a chart needs of a night: a few hundred bytes of a record of tens of thousands."""
    operations = night.operations
    return {
        "partition": night.partition,
        "generation": night.generation,
        "model_version": night.model_version,
        "rows": night.rows,
        "went_live": night.went_live,
        "seconds": shorten(operations.seconds),
        "received": sum(operations.received.values()),
        "quarantined": sum(operations.quarantined.values()),
        "signals": {signal.name: _condense_signal(signal) for signal in night.signals},
        "estimated": {} if night.estimate is None else _shorten_all(night.estimate.metrics),
    }


def condense_graded(night: Graded) -> dict[str, Any]:
    """What a chart needs of a grading."""
    return {
        "partition": night.partition,
        "labelled": night.labelled,
        "signals": {signal.name: _condense_signal(signal) for signal in night.signals},
        "realised": _shorten_all(night.metrics),
        "estimated": _shorten_all(night.estimated),
    }


def lay_out(observed: Sequence[Row], graded: Sequence[Row]) -> dict[str, Any]:
    """Columns over the partitions that were watched.

    Returns:
        ``partitions``; ``nights``, a column for each of a few facts; ``signals`` by name, each with ``unit``,
        ``values``, ``lower``, ``upper`` (columns, None where nothing is known), ``breached`` (places), ``muted`` and
        ``worst`` (by place); ``metrics`` by name, each with the columns ``realised`` and ``estimated``.
    """
    later = {row["partition"]: row for row in graded}
    rows = [{**row, **_merge(row, later.get(row["partition"]))} for row in observed]
    names = sorted({name for row in rows for name in row["signals"]})
    metrics = sorted({name for row in rows for kind in ("realised", "estimated") for name in row[kind]})
    return {
        "partitions": [row["partition"] for row in rows],
        "nights": {name: [row[name] for row in rows] for name in (*_NIGHT, "labelled")},
        "signals": {name: _lay_out_signal([row["signals"].get(name) for row in rows]) for name in names},
        "metrics": {
            name: {kind: [row[kind].get(name) for row in rows] for kind in ("realised", "estimated")}
            for name in metrics
            if name != "rows"
        },
    }


def shorten(value: float | None) -> float | None:
    """``value`` with as many digits as anybody can see in a chart."""
    return None if value is None else float(f"{value:.{_DIGITS}g}")


def _merge(row: Row, grading: Row | None) -> dict[str, Any]:
    """What labels say of a night beside what was known before; the estimate of that time stays where there is one."""
    if grading is None:
        return {"labelled": None, "realised": {}}
    return {
        "labelled": grading["labelled"],
        "realised": grading["realised"],
        "estimated": row["estimated"] or grading["estimated"],
        "signals": {**row["signals"], **grading["signals"]},
    }


def _condense_signal(signal: Signal) -> dict[str, Any]:
    condensed: dict[str, Any] = {
        "value": shorten(signal.value),
        "lower": shorten(signal.lower),
        "upper": shorten(signal.upper),
        "unit": signal.unit,
    }
    if signal.breached:
        condensed["breached"] = True
    if signal.muted is not None:
        condensed["muted"] = signal.muted
    if signal.worst and signal.breached:
        condensed["worst"] = [[part.name, shorten(part.value), shorten(part.limit)] for part in signal.worst]
    return condensed


def _lay_out_signal(signals: Sequence[Row | None]) -> dict[str, Any]:
    known = [(place, signal) for place, signal in enumerate(signals) if signal is not None]
    columns = {
        f"{name}s" if name == "value" else name: [None if signal is None else signal[name] for signal in signals]
        for name in ("value", "lower", "upper")
    }
    return {
        "unit": known[-1][1]["unit"],
        **columns,
        "breached": [place for place, signal in known if "breached" in signal],
        "muted": {str(place): signal["muted"] for place, signal in known if "muted" in signal},
        "worst": {str(place): signal["worst"] for place, signal in known if "worst" in signal},
    }


def _shorten_all(metrics: Mapping[str, float]) -> dict[str, float | None]:
    return {name: shorten(value) for name, value in metrics.items()}
