"""Upstream lands a partition again: a new run takes it, a run in the middle keeps what it began with."""

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import tasks
from tests.meter_readings.upstream import MeterUpstream
from tests.tasks.conftest import Served
from tests.tasks.nights import LIVE, land_again, read_live, run_night


def double_amps(table: pa.Table) -> pa.Table:
    amps = pc.multiply(table["rated_amps"], 2.0)
    return table.set_column(table.schema.get_field_index("rated_amps"), "rated_amps", amps)


def double_kwh(table: pa.Table) -> pa.Table:
    return table.set_column(table.schema.get_field_index("kwh"), "kwh", pc.multiply(table["kwh"], 2.0))


def test_a_new_run_takes_the_delivery_that_landed_last(served: Served) -> None:
    workspace, job = served.workspace, served.job
    delivery = land_again(workspace, "meters", LIVE, double_amps)
    second = run_night(workspace, job, LIVE, "second")
    assert second["ingest"]["deliveries"]["meters"]["digest"] == delivery.digest
    assert second["publish"]["result"] == "live"
    assert read_live(workspace, job, list(served.predictions)) != served.predictions


def test_the_delivery_before_stays_as_it_landed(served: Served) -> None:
    before = served.first["ingest"]["deliveries"]["meters"]
    land_again(served.workspace, "meters", LIVE, double_amps)
    deliveries = served.workspace.deliveries
    deliveries.verify(deliveries.get("meters", **before), served.job.name)
    assert len(deliveries.all_of("meters", LIVE)) == 2


def test_a_run_in_the_middle_keeps_its_delivery(served: Served) -> None:
    workspace, job = served.workspace, served.job
    ingested = tasks.ingest(workspace, job, LIVE, "slow")
    land_again(workspace, "meters", LIVE, double_amps)
    validated = tasks.validate(workspace, job, LIVE, "slow", ingested)
    built = tasks.build_features(workspace, job, LIVE, "slow", validated)
    assert built["output"] == served.first["build_features"]["output"]


def test_a_run_past_validation_keeps_the_deliveries_of_its_windows_too(served: Served) -> None:
    workspace, job = served.workspace, served.job
    ingested = tasks.ingest(workspace, job, LIVE, "slow")
    validated = tasks.validate(workspace, job, LIVE, "slow", ingested)
    land_again(workspace, "readings", "2024-03-02", double_kwh)
    built = tasks.build_features(workspace, job, LIVE, "slow", validated)
    scored = tasks.score(workspace, job, LIVE, "slow", built)
    assert scored["output"] == served.first["score"]["output"]
    assert run_night(workspace, job, LIVE, "next")["score"]["output"] != scored["output"]


def test_landing_the_same_again_changes_nothing(served: Served) -> None:
    deliveries = served.workspace.deliveries
    before = deliveries.newest("meters", LIVE)
    table = MeterUpstream().deliver("meters", date.fromisoformat(LIVE))
    again, is_new = deliveries.land("meters", date.fromisoformat(LIVE), [table], served.workspace.clock())
    assert (again, is_new) == (before, False)
