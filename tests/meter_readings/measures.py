"""What holds between the readings of a meter: it is known, and does not count the same twice."""

from __future__ import annotations

from pipeline.measures import Measure, Reference, share_repeated, share_unknown

READINGS: tuple[Measure, ...] = (
    share_repeated("repeated", Reference("readings", (1, 2)), ["meter_id", "kwh"]),
    share_unknown("meter_unknown", Reference("meters", (1,)), ["meter_id"]),
    share_unknown("long_unknown", Reference("meters", (1, 2, 3), least=3), ["meter_id"]),
)
