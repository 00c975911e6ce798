"""A contract with a column of every kind, and rows for it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pandera.pandas as pandera
import pyarrow as pa

from pipeline.contracts import POSITION, REASONS, Contract
from pipeline.stages.validate import Verdict, frame_from_arrow, judge_rows

CUTOFF = datetime(2013, 4, 1, 8, tzinfo=UTC)
BEFORE = datetime(2013, 4, 1, 7, tzinfo=UTC)

CONTRACT = Contract(
    pandera.DataFrameSchema(
        {
            "id": pandera.Column(str),
            "known_at": pandera.Column("datetime64[us, UTC]"),
            "delay": pandera.Column(float, pandera.Check.in_range(-120, 2000), nullable=True),
            "seats": pandera.Column("int64", pandera.Check.ge(1)),
            "origin": pandera.Column(str, pandera.Check.isin(["EWR", "JFK"])),
            "cancelled": pandera.Column(bool),
        },
        checks=pandera.Check(
            lambda rows: ~(rows["cancelled"] & (rows["delay"] > 0)), error="cancelled flights have no delay"
        ),
    )
)
GOOD: dict[str, Any] = {
    "id": "UA1",
    "known_at": BEFORE,
    "delay": 5.0,
    "seats": 100,
    "origin": "EWR",
    "cancelled": False,
}


def make_table(*rows: dict[str, Any]) -> pa.Table:
    """Rows that are GOOD but for what is given; ids count up unless given."""
    full = [{**GOOD, "id": f"UA{number}", **row} for number, row in enumerate(rows)]
    table = pa.Table.from_pylist(full, schema=CONTRACT.arrow_schema())
    return table.append_column(POSITION, pa.array(range(len(rows)), pa.int64()))


def judge(*rows: dict[str, Any], **options: Any) -> Verdict:
    frame = frame_from_arrow(make_table(*rows), CONTRACT)
    return judge_rows(frame, CONTRACT, **{"key": ("id",), "event_time": "known_at", "cutoff": CUTOFF, **options})


def reasons_of(verdict: Verdict) -> dict[int, list[str]]:
    """Reasons by row position."""
    quarantined = verdict.quarantined
    return dict(zip(quarantined[POSITION].tolist(), map(list, quarantined[REASONS]), strict=True))
