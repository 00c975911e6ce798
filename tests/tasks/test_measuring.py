"""Measures of a delivery: taken beside what came before, judged by the suite, left out where they cannot be taken."""

from __future__ import annotations

from datetime import date
from typing import Any

import pyarrow as pa
import pytest
from great_expectations import expectations

from pipeline.contracts import Suite
from pipeline.errors import BadInputError
from pipeline.job import Job
from pipeline.stores.deliveries import Delivery
from pipeline.tasks import Workspace
from pipeline.tasks.accepting import Validated, check_accepted, examine_delivery, is_examined
from tests.meter_readings.job import JOB
from tests.meter_readings.upstream import MeterUpstream
from tests.tasks.nights import land_again

gx: Any = expectations
DAY = "2024-02-21"
MEASURES = "tests.meter_readings.measures:READINGS"


def measured_suite(trailing: int) -> Suite:
    """Readings that were delivered before are a warning, and of meters that nobody knows a reason to stop."""
    limits = {"repeated": (0.5, "warning"), "meter_unknown": (0.1, "critical"), "long_unknown": (0.1, "critical")}
    return Suite(
        profile=[
            gx.ExpectColumnValuesToBeBetween(column=f"measure.{name}", max_value=limit, severity=severity)
            for name, (limit, severity) in limits.items()
        ]
    )


@pytest.fixture
def measured() -> Job:
    """The meter job, its readings measured."""
    readings = JOB.source("readings").model_copy(
        update={"measures": MEASURES, "suite": f"{__name__}:measured_suite", "max_quarantined": 0.1}
    )
    sources = tuple(readings if source.name == "readings" else source for source in JOB.sources)
    return JOB.model_copy(update={"sources": sources})


def find(workspace: Workspace, day: str = DAY) -> Delivery:
    delivery = workspace.deliveries.newest("readings", day)
    assert delivery is not None
    return delivery


def examine(workspace: Workspace, job: Job, delivery: Delivery) -> Validated:
    validated = examine_delivery(workspace, job, job.source("readings"), delivery)
    assert validated.judgement is not None
    return validated


def verdict_of(validated: Validated) -> dict[str, Any]:
    assert validated.judgement is not None
    verdict: dict[str, Any] = validated.judgement.facts["verdict"]
    return verdict


def test_a_usual_delivery_breaks_nothing(landed: Workspace, measured: Job) -> None:
    validated = examine(landed, measured, find(landed))
    check_accepted(landed, measured, measured.source("readings"), validated)
    assert verdict_of(validated)["warnings"] == []
    found = {result["column"]: result["observed"]["value"] for result in verdict_of(validated)["results"]}
    assert found["measure.meter_unknown"] == 0
    assert found["measure.repeated"] < 0.1


def test_what_there_is_no_reference_for_is_not_judged(landed: Workspace, measured: Job) -> None:
    """Three days of meters are needed, and the third day of all has two."""
    validated = examine(landed, measured, find(landed))
    assert validated.judgement is not None
    assert validated.judgement.facts["unmeasured"] == ["measure.long_unknown"]
    assert verdict_of(validated)["planned"] == 2


def test_a_file_delivered_again_under_another_day_is_told(landed: Workspace, measured: Job) -> None:
    yesterday = MeterUpstream().deliver("readings", date(2024, 2, 20))
    delivery = land_again(landed, "readings", DAY, lambda _: yesterday)
    (warning,) = verdict_of(examine(landed, measured, delivery))["warnings"]
    assert "measure.repeated" in warning


def test_readings_of_meters_that_nobody_knows_are_refused(landed: Workspace, measured: Job) -> None:
    def rename(table: pa.Table) -> pa.Table:
        return table.set_column(0, "meter_id", pa.array(range(1, table.num_rows + 1), pa.int64()))

    validated = examine(landed, measured, land_again(landed, "readings", DAY, rename))
    with pytest.raises(BadInputError, match=r"measure\.meter_unknown"):
        check_accepted(landed, measured, measured.source("readings"), validated)


def test_a_judgement_is_found_again_until_a_reference_is_delivered_anew(landed: Workspace, measured: Job) -> None:
    delivery, source = find(landed), measured.source("readings")
    first = examine(landed, measured, delivery)
    assert is_examined(landed, measured, source, delivery)
    land_again(landed, "meters", "2024-02-20", lambda table: table.slice(0, 200))
    again = examine(landed, measured, delivery)
    assert again.judgement is not None
    assert first.judgement is not None
    assert again.judgement.address != first.judgement.address
    with pytest.raises(BadInputError, match=r"measure\.meter_unknown"):
        check_accepted(landed, measured, source, again)
