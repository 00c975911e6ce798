"""Signals of a plausible year: a week's rhythm, and storms, beside the limits that are learnt from them."""

from __future__ import annotations

import numpy as np

from pipeline.monitoring import Part, Signal
from pipeline.stages.monitor.limits import Band, learn_band

FEATURES = (
    "dep_hour", "carrier", "origin", "dest", "distance_km", "temperature", "wind_speed", "visibility", "precipitation",
    "pressure", "humidity", "plane_age", "seats", "flights_same_hour", "late_share_7d", "late_share_28d",
    "carrier_late_share_7d", "dest_late_share_7d", "origin_late_share_1d", "weekday", "is_holiday",
    "turnaround_minutes", "gusts", "dew_point",
)  # fmt: skip
OBSERVED = {
    "inputs.drift": (1.6, 0.5, 5.5, ""),
    "inputs.weekday_drift": (1.3, 0.4, 4.5, ""),
    "outputs.drift": (0.02, 0.008, 0.14, ""),
    "outputs.mean": (0.22, 0.012, 0.16, ""),
    "outputs.share_above": (0.31, 0.02, 0.22, "share"),
    "outputs.concentration": (0.011, 0.002, 0.004, "share"),
    "outputs.segments": (1.4, 0.4, 3.6, ""),
    "operations.seconds": (11.4, 0.6, 2.5, "seconds"),
    "operations.memory": (412e6, 6e6, 4e6, "bytes"),
    "operations.retries": (0.0, 0.0, 0.0, ""),
    "operations.quarantine": (0.002, 0.0006, 0.002, "share"),
    "operations.latency": (0.0011, 0.0001, 0.0002, "seconds"),
    "operations.read_errors": (0.0, 0.0, 0.0, "share"),
    "accuracy.estimate": (0.452, 0.01, 0.06, ""),
}
"""Of every signal of a night: usual value, spread, how far a storm moves it, unit."""

GRADED = {
    "accuracy.primary": (0.458, 0.013, 0.15, ""),
    "accuracy.segments": (1.2, 0.4, 2.8, ""),
    "accuracy.calibration": (0.018, 0.005, 0.05, ""),
    "accuracy.concept": (0.006, 0.006, 0.07, ""),
}
"""Likewise, of those that wait for labels."""

_STORMS = ((195, 181), (70, 64), (3, 0))
"""From and to how many nights before the last, inputs and outputs are unlike the others."""

_LATELY = ("inputs.drift", "inputs.weekday_drift", "outputs.mean", "accuracy.estimate")
"""Signals that the last storm moves; labels of its nights have not closed yet."""

_UPWARDS = ("drift", "segments", "calibration", "concept", "quarantine", "latency", "memory")
"""How the names of signals end that have no lower limit."""

_PARTS = {
    "inputs.drift": FEATURES,
    "inputs.weekday_drift": FEATURES,
    "outputs.segments": ("carrier=EV", "carrier=B6", "origin=LGA"),
    "accuracy.segments": ("carrier=EV", "carrier=MQ", "origin=EWR"),
    "operations.seconds": ("validate", "build_features"),
    "operations.memory": ("validate", "score"),
    "operations.quarantine": ("weather", "schedule"),
}
"""What a signal may be worst in."""


def is_storm(nights_ago: int) -> bool:
    """Whether a night, so many before the last, is one of a storm."""
    return any(first >= nights_ago >= last for first, last in _STORMS)


def draw_signal(name: str, usual: float, spread: float, moved: float, unit: str, *, nights: int) -> list[Signal]:
    """One signal on every night, the oldest first; its limits are learnt from the nights before that had no storm."""
    chance = np.random.default_rng([7, *name.encode()])
    drawn: list[Signal] = []
    ordinary: list[float] = []
    for place in range(nights):
        value = usual + spread * float(chance.normal()) + 0.6 * spread * float(np.sin(2 * np.pi * place / 7))
        nights_ago = nights - 1 - place
        if is_storm(nights_ago) and (nights_ago > _STORMS[-1][0] or name in _LATELY):
            value += moved * (0.55 + 0.45 * float(chance.random()))
        if usual >= 0:
            value = max(value, 0.0)
        band = learn_band(ordinary[-90:], 0.05) if len(ordinary) >= 21 and spread else None
        drawn.append(_hold_against(band, name, value, unit, place, min(len(ordinary), 90)))
        if not is_storm(nights_ago):
            ordinary.append(value)
    return drawn


def _hold_against(band: Band | None, name: str, value: float, unit: str, place: int, nights: int) -> Signal:
    """The signal beside its limits; if it is beyond them, worst in parts that the place of the night chooses."""
    if band is None:
        return Signal(name=name, value=round(value, 6), unit=unit, nights=nights)
    if name.endswith(_UPWARDS):
        band = Band(-np.inf, band.upper)
    is_out = not band.holds(value)
    parts = _PARTS.get(name, ()) if is_out else ()
    return Signal(
        name=name,
        value=round(value, 6),
        lower=None if np.isinf(band.lower) else max(band.lower, 0.0),
        upper=band.upper,
        unit=unit,
        breached=is_out,
        nights=nights,
        worst=tuple(
            Part(name=parts[(place + 5 * rank) % len(parts)], value=value / (1 + rank), limit=band.upper)
            for rank in range(min(len(parts), 2))
        ),
    )
