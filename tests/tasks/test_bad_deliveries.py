"""Deliveries that are late, broken or wrong: a clear error, nothing lost, and the old predictions still served."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipeline import tasks
from pipeline.digests import digest_bytes
from pipeline.errors import BadInputError, NotReadyError
from pipeline.stores.deliveries import MARKER, DeliveredFile, Delivery
from pipeline.stores.parquet import encode_parquet
from tests.clock import Clock
from tests.meter_readings.upstream import FIRST_ID, METERS, MeterUpstream
from tests.tasks.conftest import Served
from tests.tasks.nights import NEXT, land_again, open_reader, read_scores, run_night, run_until_scored

MISSING = "2024-03-08"
"""Nothing landed on this day."""

Change = Callable[[pa.Table], pa.Table]


def set_column(table: pa.Table, name: str, values: object) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), name, values)


def set_amps(rows: int, amps: float) -> Change:
    """The first rows are rated at so much."""

    def change(table: pa.Table) -> pa.Table:
        values = table["rated_amps"].to_pylist()
        return set_column(table, "rated_amps", pa.array([amps] * rows + values[rows:]))

    return change


def rename_region(table: pa.Table) -> pa.Table:
    return table.rename_columns(["area" if name == "region" else name for name in table.column_names])


def number_as_text(table: pa.Table) -> pa.Table:
    return set_column(table, "rated_amps", pc.cast(table["rated_amps"], pa.string()))


def fraction_as_id(table: pa.Table) -> pa.Table:
    return set_column(table, "meter_id", pa.array([number + 0.5 for number in range(table.num_rows)]))


def refuse_night(served: Served, run: str = "bad") -> BadInputError:
    """Run the next night, which must be refused as bad input, and say so in its record."""
    with pytest.raises(BadInputError) as caught:
        run_night(served.workspace, served.job, NEXT, run)
    record = tasks.read_run(served.workspace, served.job, NEXT, run)["stages"][-1]
    assert record["state"] == "failed"
    assert record["error"] == caught.value.to_json()
    served.check_refused(caught.value)
    return caught.value


def test_no_delivery_by_the_deadline(served: Served, clock: Clock) -> None:
    workspace, job = served.workspace, served.job
    deadline = job.cutoff(date.fromisoformat(MISSING)) + job.patience
    clock.now = job.cutoff(date.fromisoformat(MISSING))
    assert not tasks.deliveries_ready(workspace, job, MISSING)
    clock.now = deadline
    with pytest.raises(NotReadyError, match="no delivery of meters, readings by the deadline") as caught:
        tasks.deliveries_ready(workspace, job, MISSING)
    assert deadline.isoformat() in str(caught.value.expected)
    served.check_refused(caught.value, MISSING)


def test_deliveries_are_waited_for_until_the_cutoff_and_taken_once_there(served: Served, clock: Clock) -> None:
    clock.now = served.job.cutoff(date.fromisoformat(NEXT)).replace(minute=0, hour=0)
    assert not tasks.deliveries_ready(served.workspace, served.job, NEXT), "the partition is open"
    clock.now = served.job.cutoff(date.fromisoformat(NEXT))
    assert tasks.deliveries_ready(served.workspace, served.job, NEXT)


def test_a_run_without_waiting_finds_no_delivery(served: Served) -> None:
    with pytest.raises(NotReadyError, match="source meters was not delivered") as caught:
        run_night(served.workspace, served.job, MISSING)
    served.check_refused(caught.value, MISSING)


def test_an_open_partition_asked_for(served: Served, clock: Clock) -> None:
    cutoff = served.job.cutoff(date.fromisoformat(NEXT))
    clock.now = cutoff.replace(hour=cutoff.hour - 1)
    with pytest.raises(NotReadyError, match="still open") as caught:
        run_night(served.workspace, served.job, NEXT)
    assert cutoff.isoformat() in str(caught.value.expected)
    served.check_refused(caught.value)


@pytest.mark.parametrize(
    ("change", "expected", "found"),
    [
        (lambda table: table.drop_columns(["rated_amps"]), "column rated_amps (double)", "| -      | missing"),
        (rename_region, "column region (string)", "| -      | missing"),
        (number_as_text, "column rated_amps (double)", "| string | type changed"),
        (fraction_as_id, "column meter_id (int64)", "double | type changed, values would be lost"),
        (lambda table: table.slice(0, 0), "at least one row", "no rows"),
    ],
    ids=["missing column", "renamed column", "changed dtype", "lossy dtype", "empty partition"],
)
def test_a_delivery_that_cannot_be_ingested(served: Served, change: Change, expected: str, found: str) -> None:
    land_again(served.workspace, "meters", NEXT, change)
    error = refuse_night(served)
    assert expected in str(error.expected)
    assert found in str(error.found)
    assert "meters" in error.problem


def test_a_file_cut_short_that_its_marker_contradicts(served: Served) -> None:
    delivery = land_again(served.workspace, "meters", NEXT, lambda table: table.slice(1))
    path = f"{delivery.folder}/{delivery.files[0].name}"
    served.workspace.lake.replace(path, served.workspace.lake.read_bytes(path)[:-100])
    error = refuse_night(served)
    assert "not what its marker says" in error.problem
    assert delivery.files[0].sha256 in str(error.expected)


@pytest.mark.parametrize("kept", [0, 100, -100], ids=["nothing", "the beginning", "all but the end"])
def test_a_file_cut_short_that_its_marker_agrees_with(served: Served, clock: Clock, kept: int) -> None:
    clock.advance(hours=1)
    table = MeterUpstream().deliver("meters", date.fromisoformat(NEXT))
    assert table is not None
    content = encode_parquet(table)[:kept]
    land_bytes(served, content, table.num_rows)
    error = refuse_night(served)
    assert "part-0000.parquet cannot be read" in error.problem


def test_a_marker_that_counts_other_rows_than_the_file_has(served: Served, clock: Clock) -> None:
    clock.advance(hours=1)
    table = MeterUpstream().deliver("meters", date.fromisoformat(NEXT))
    assert table is not None
    land_bytes(served, encode_parquet(table), METERS + 1)
    error = refuse_night(served)
    assert (error.expected, error.found) == (f"{METERS + 1} rows", f"{METERS} rows")


def land_bytes(served: Served, content: bytes, rows: int) -> None:
    """Land a file as an upstream of its own might, with a marker that describes these very bytes."""
    file = DeliveredFile(name="part-0000.parquet", rows=rows, bytes=len(content), sha256=digest_bytes(content))
    draft = Delivery(
        source="meters", partition=NEXT, digest="", landed_at=served.workspace.clock(), rows=rows, files=(file,)
    )
    delivery = draft.model_copy(update={"digest": draft.identify()})
    served.workspace.lake.replace(f"{delivery.folder}/{file.name}", content)
    served.workspace.lake.put_json_if_absent(f"{delivery.folder}/{MARKER}", delivery.model_dump(mode="json"))


def test_every_row_bad(served: Served) -> None:
    land_again(served.workspace, "meters", NEXT, set_amps(METERS, 1000.0))
    error = refuse_night(served)
    assert "every row broke the contract" in error.problem
    assert f"{METERS} quarantined: rated_amps: must be between 0 and 400 ({METERS} rows)" in str(error.found)


def test_more_bad_rows_than_the_job_allows_are_kept_in_quarantine(served: Served) -> None:
    delivery = land_again(served.workspace, "meters", NEXT, set_amps(5, 1000.0))
    error = refuse_night(served)
    assert "2.08%" in error.problem
    assert "5 quarantined" in str(error.found)
    outputs = served.workspace.outputs(served.job)
    validated = [
        outputs.load("validate", address)
        for address in served.workspace.lake.list(f"stages/{served.job.name}/validate")
    ]
    (refused,) = (output for output in validated if output.facts["quarantined"] == 5)
    ingested = [
        outputs.load("ingest", address) for address in served.workspace.lake.list(f"stages/{served.job.name}/ingest")
    ]
    (source,) = (output for output in ingested if output.digest == refused.inputs["ingested"])
    assert source.inputs["delivery"] == delivery.digest
    assert outputs.read_all(refused, "quarantined")["rated_amps"].to_pylist() == [1000.0] * 5


def test_a_batch_that_breaks_its_suite(served: Served) -> None:
    land_again(served.workspace, "meters", NEXT, lambda table: table.slice(0, METERS // 2))
    error = refuse_night(served)
    assert "rows_ratio" in str(error.found)


def test_a_warning_of_the_suite_is_told_and_stops_nothing(served: Served) -> None:
    def raise_kwh(table: pa.Table) -> pa.Table:
        return set_column(table, "kwh", pc.add(table["kwh"], 50.0))

    land_again(served.workspace, "readings", NEXT, raise_kwh)
    night = run_night(served.workspace, served.job, NEXT)
    assert night["publish"]["result"] == "live"
    (warning,) = night["validate"]["warnings"]
    assert warning.startswith("readings: ")
    assert "mean.kwh" in warning
    assert night["validate"]["drifts"] == []


def test_a_few_bad_rows_are_quarantined_and_accounted_for(served: Served) -> None:
    land_again(served.workspace, "meters", NEXT, set_amps(4, 1000.0))
    night = run_night(served.workspace, served.job, NEXT)
    assert night["publish"]["accounting"] == {
        "received": METERS,
        "quarantined": 4,
        "scored": METERS - 4,
        "published": METERS - 4,
        "read_back": METERS - 4,
    }
    reader = open_reader(served.workspace, served.job)
    assert reader.get(str(FIRST_ID)).source == "prior"
    assert reader.get(str(FIRST_ID + 8)).found


def test_of_identical_rows_the_first_is_scored(served: Served) -> None:
    land_again(served.workspace, "meters", NEXT, lambda table: pa.concat_tables([table, table.slice(10, 3)]))
    night = run_night(served.workspace, served.job, NEXT)
    accounting = night["publish"]["accounting"]
    assert (accounting["received"], accounting["quarantined"], accounting["scored"]) == (METERS + 3, 3, METERS)
    assert night["validate"]["sources"]["meters"]["reasons"] == {"duplicate of an earlier row": 3}
    assert len(read_scores(served.workspace, served.job, night["score"])) == METERS


def test_conflicting_rows_of_one_id_are_all_refused(served: Served) -> None:
    def contradict(table: pa.Table) -> pa.Table:
        return pa.concat_tables([table, set_amps(2, 77.0)(table.slice(10, 2))])

    land_again(served.workspace, "meters", NEXT, contradict)
    night = run_night(served.workspace, served.job, NEXT)
    accounting = night["publish"]["accounting"]
    assert (accounting["received"], accounting["quarantined"], accounting["scored"]) == (METERS + 2, 4, METERS - 2)
    assert night["validate"]["sources"]["meters"]["reasons"] == {"conflicts with another row of the same key": 4}
    answers = open_reader(served.workspace, served.job).get_many([str(FIRST_ID + 20), str(FIRST_ID + 22)])
    assert {answer.source for answer in answers.values()} == {"prior"}


def test_infinity_in_a_feature(served: Served) -> None:
    land_again(served.workspace, "meters", NEXT, set_amps(1, 0.0))
    error = refuse_night(served)
    assert error.problem == "features hold infinity"
    assert "1 of " in str(error.found)
    assert "cents_per_amp" in str(error.found)


def test_a_refused_delivery_in_the_trailing_window_is_named(served: Served) -> None:
    land_again(served.workspace, "readings", "2024-03-02", lambda table: table.slice(0, 0))
    error = refuse_night_of(served, "2024-03-02")
    assert f"the features of {NEXT} need readings of 2024-03-02" in error.problem


def refuse_night_of(served: Served, partition: str) -> BadInputError:
    """Run the next night, which must be refused because of the delivery of an earlier partition."""
    with pytest.raises(BadInputError) as caught:
        run_until_scored(served.workspace, served.job, NEXT, "bad")
    served.check_refused(caught.value, partition)
    return caught.value


@pytest.mark.parametrize(
    "change", [lambda table: table.slice(0, 0), set_amps(METERS, 1000.0)], ids=["empty", "all bad"]
)
def test_a_refused_population_stops_its_own_night_and_not_those_after_it(served: Served, change: Change) -> None:
    land_again(served.workspace, "meters", NEXT, change)
    refuse_night(served)
    assert run_night(served.workspace, served.job, "2024-03-05")["publish"]["result"] == "live"
