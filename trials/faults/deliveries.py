"""Deliveries with a fault in them, made from the real ones."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from pipeline.job import Role
from pipeline.jobs.flight_delays.job import JOB
from pipeline.jobs.flight_delays.upstream import FlightUpstream
from trials.faults.cases import Case
from trials.faults.corruptions import move_days, to_table


def faulty_days(case: Case, night: date) -> list[date]:
    """Partitions whose delivery has the fault, oldest first; ``night`` is the last."""
    return [night - timedelta(days=age) for age in reversed(range(case.nights))]


def deliver(upstream: FlightUpstream, source: str, day: date) -> pa.Table:
    """What upstream really delivered for a partition; of a dimension, what it delivered last."""
    is_dimension = JOB.source(source).role is Role.DIMENSION
    table = upstream.deliver(source, JOB.first_partition if is_dimension else day)
    assert table is not None, "events and populations come every day"
    return table


def deliver_faulty(upstream: FlightUpstream, case: Case, day: date) -> pa.Table:
    """The delivery of ``day`` with the fault in it; the same every time."""
    if case.stale:
        table = deliver(upstream, case.source, day - timedelta(days=case.stale))
        return to_table(move_days(table.to_pandas(), case.stale), table.schema) if case.redated else table
    assert case.corruption is not None, "a case is a stale file or a corruption"
    table = deliver(upstream, case.source, day)
    random = case.random(day.toordinal())
    rows = table.to_pandas()
    hit = np.zeros(len(rows), dtype=bool)
    hit[random.permutation(len(rows))[: round(case.share * len(rows))]] = True
    return to_table(case.corruption(rows, hit, random), table.schema)
