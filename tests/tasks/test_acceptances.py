"""Refused deliveries that a person answers for, and partitions that never came."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipeline import tasks
from pipeline.errors import BadInputError, DamagedError, NotReadyError, RefusedError
from pipeline.stores.acceptances import Acceptance
from pipeline.tasks.night_inputs import load_night
from tests.meter_readings.upstream import METERS
from tests.tasks.conftest import Served
from tests.tasks.nights import (
    LIVE,
    NEXT,
    NIGHTS,
    Summary,
    land_again,
    live_header,
    read_scores,
    run_night,
    run_until_scored,
)
from tests.tasks.test_bad_deliveries import Change, set_amps

JANE = {"who": "Jane Doe", "why": "checked by hand"}
BEFORE = "2024-03-02"
"""A partition that the windows of LIVE and NEXT reach."""


def halve(table: pa.Table) -> pa.Table:
    return table.slice(0, table.num_rows // 2)


def break_kwh(table: pa.Table) -> pa.Table:
    """Half of the readings are beyond the contract."""
    kwh = pc.if_else(pa.array(number % 2 == 0 for number in range(table.num_rows)), pa.scalar(999.0), table["kwh"])
    return table.set_column(table.schema.get_field_index("kwh"), "kwh", kwh)


def acceptances_of(served: Served, night: dict[str, Summary]) -> tuple[Acceptance, ...]:
    outputs = served.workspace.outputs(served.job)
    return load_night(outputs, served.job, night["validate"]["output"])[1].acceptances


def lose(served: Served, source: str, partition: str) -> None:
    """As if it had never landed; what was made of it may stay."""
    served.workspace.lake.remove(f"upstream/{source}/partition={partition}")


def accept(served: Served, source: str, partition: str) -> Acceptance:
    acceptance, is_new = tasks.accept_delivery(served.workspace, served.job, source, partition, **JANE)
    assert is_new
    return acceptance


def accept_missing(served: Served, partition: str) -> Acceptance:
    acceptance, is_new = tasks.accept_missing(served.workspace, served.job, "readings", partition, **JANE)
    assert is_new
    return acceptance


def test_a_batch_that_broke_its_suite_is_taken_once_a_person_answers_for_it(served: Served) -> None:
    delivery = land_again(served.workspace, "meters", NEXT, halve)
    with pytest.raises(BadInputError) as refused:
        run_night(served.workspace, served.job, NEXT)
    assert f"nightjar accept meter_readings meters --partition {NEXT}" in str(refused.value.next_step)
    acceptance = accept(served, "meters", NEXT)
    assert (acceptance.delivery, acceptance.who, acceptance.why) == (delivery.digest, "Jane Doe", "checked by hand")
    assert "rows_ratio" in acceptance.problem
    night = run_night(served.workspace, served.job, NEXT, "again")
    assert night["publish"]["result"] == "live"
    assert acceptances_of(served, night) == (acceptance,)
    assert any("accepted by Jane Doe: checked by hand" in warning for warning in night["validate"]["warnings"])
    told = f"meters of {NEXT}: delivery {delivery.digest[:12]}, accepted by Jane Doe: checked by hand"
    assert live_header(served.workspace, served.job).caveats == (told,)
    manifest = tasks.explain_release(served.workspace, served.job, night["publish"]["generation"])["manifest"]
    assert manifest["acceptances"] == [acceptance.to_json()]


def test_rows_that_broke_the_contract_stay_in_quarantine(served: Served) -> None:
    land_again(served.workspace, "meters", NEXT, set_amps(20, 1000.0))
    accept(served, "meters", NEXT)
    accounting = run_night(served.workspace, served.job, NEXT)["publish"]["accounting"]
    assert (accounting["received"], accounting["quarantined"], accounting["scored"]) == (METERS, 20, METERS - 20)
    assert tasks.read_quarantine(served.workspace, served.job, "meters", NEXT).num_rows == 20


def test_later_nights_whose_windows_reach_the_delivery_say_so_too(served: Served) -> None:
    land_again(served.workspace, "readings", NEXT, break_kwh)
    with pytest.raises(BadInputError, match=f"need readings of {NEXT}"):
        run_until_scored(served.workspace, served.job, NIGHTS[2], "refused")
    acceptance = accept(served, "readings", NEXT)
    for night in NIGHTS[1:]:
        assert acceptances_of(served, run_until_scored(served.workspace, served.job, night)) == (acceptance,)
    assert acceptances_of(served, run_until_scored(served.workspace, served.job, LIVE, "earlier")) == ()


def test_the_acceptance_is_part_of_what_the_night_is_made_of(served: Served) -> None:
    land_again(served.workspace, "readings", BEFORE, break_kwh)
    accept(served, "readings", BEFORE)
    night = run_until_scored(served.workspace, served.job, LIVE, "with")
    pinned = served.workspace.outputs(served.job).load("night_inputs", night["validate"]["output"])
    assert [entry["who"] for entry in pinned.inputs["acceptances"]] == ["Jane Doe"]


def test_the_page_of_the_night_shows_who_took_it(served: Served) -> None:
    land_again(served.workspace, "meters", NEXT, halve)
    accept(served, "meters", NEXT)
    run_until_scored(served.workspace, served.job, NEXT)
    page = served.workspace.lake.read_bytes(f"jobs/meter_readings/data_docs/nights/{NEXT}.html").decode()
    assert "Taken as it is: meters" in page
    assert "accepted by Jane Doe: checked by hand" in page


def test_another_delivery_needs_an_acceptance_of_its_own(served: Served) -> None:
    land_again(served.workspace, "meters", NEXT, halve)
    accept(served, "meters", NEXT)
    land_again(served.workspace, "meters", NEXT, lambda table: table.slice(1, METERS // 2))
    with pytest.raises(BadInputError, match="broke its suite"):
        run_night(served.workspace, served.job, NEXT)


def test_the_first_acceptance_of_a_delivery_stays(served: Served) -> None:
    delivery = land_again(served.workspace, "meters", NEXT, halve)
    first = accept(served, "meters", NEXT)
    second, is_new = tasks.accept_delivery(
        served.workspace, served.job, "meters", NEXT, who="John", why="me too", delivery=delivery.digest[:10]
    )
    assert (second, is_new) == (first, False)


@pytest.mark.parametrize("change", [lambda table: table.drop_columns(["rated_amps"]), lambda table: table.slice(0, 0)])
def test_what_cannot_be_worked_with_cannot_be_accepted(served: Served, change: Change) -> None:
    land_again(served.workspace, "meters", NEXT, change)
    with pytest.raises(RefusedError, match="cannot be accepted") as caught:
        accept(served, "meters", NEXT)
    served.check_refused(caught.value)


def test_a_damaged_delivery_cannot_be_accepted(served: Served) -> None:
    delivery = land_again(served.workspace, "meters", NEXT, halve)
    served.workspace.lake.replace(f"{delivery.folder}/{delivery.files[0].name}", b"PAR1")
    with pytest.raises(RefusedError, match="not what its marker says"):
        accept(served, "meters", NEXT)


def test_a_population_of_which_no_row_is_left_cannot_be_accepted(served: Served) -> None:
    land_again(served.workspace, "meters", NEXT, set_amps(METERS, 1000.0))
    with pytest.raises(RefusedError, match="no row of the population would be left"):
        accept(served, "meters", NEXT)


def test_what_was_not_refused_needs_no_acceptance(served: Served) -> None:
    with pytest.raises(RefusedError, match="was not refused"):
        accept(served, "meters", NEXT)


def test_a_delivery_that_never_landed_cannot_be_named(served: Served) -> None:
    with pytest.raises(NotReadyError, match="0 deliveries of meters have this digest"):
        tasks.accept_delivery(served.workspace, served.job, "meters", NEXT, delivery="f00", **JANE)


@pytest.mark.parametrize(
    "words", [{"who": " "}, {"why": ""}, {"who": "Jane\nDoe"}, {"why": "\x1b[31mred"}, {"why": "x" * 301}]
)
def test_an_acceptance_needs_a_name_and_a_reason_of_one_line(served: Served, words: dict[str, str]) -> None:
    land_again(served.workspace, "meters", NEXT, halve)
    with pytest.raises(BadInputError, match="needs a name and a reason"):
        tasks.accept_delivery(served.workspace, served.job, "meters", NEXT, **{**JANE, **words})


def test_windows_do_without_a_partition_that_a_person_gave_up_waiting_for(served: Served) -> None:
    lose(served, "readings", BEFORE)
    with pytest.raises(NotReadyError, match=f"need readings of {BEFORE}") as caught:
        run_until_scored(served.workspace, served.job, NEXT)
    assert "--missing" in str(caught.value.next_step)
    acceptance = accept_missing(served, BEFORE)
    night = run_night(served.workspace, served.job, NEXT)
    assert acceptances_of(served, night) == (acceptance,)
    assert night["publish"]["result"] == "live"


def test_no_older_day_takes_the_place_of_a_missing_one(served: Served) -> None:
    """A window of four that reaches to 02-29 knows nothing of 02-28, whatever is missing in between."""
    lose(served, "readings", BEFORE)
    accept_missing(served, BEFORE)
    night = run_until_scored(served.workspace, served.job, LIVE, "without")
    land_again(served.workspace, "readings", "2024-02-28", lambda table: table.slice(5))
    assert run_until_scored(served.workspace, served.job, LIVE, "again")["score"]["output"] == night["score"]["output"]
    counted = read_counts(served, night)
    assert max(counted) == 3
    assert max(read_counts(served, served.first)) == 4


def read_counts(served: Served, night: dict[str, Summary]) -> list[float]:
    """Readings in the window of four partitions, by meter."""
    outputs = served.workspace.outputs(served.job)
    features = outputs.read_all(outputs.load("build_features", night["build_features"]["output"]), "features")
    (name,) = (name for name in features.column_names if "count" in name)
    return [value for value in features[name].to_pylist() if value is not None]


def test_a_missing_partition_that_comes_after_all_is_used(served: Served) -> None:
    lose(served, "readings", BEFORE)
    accept_missing(served, BEFORE)
    without = run_until_scored(served.workspace, served.job, NEXT)
    land_again(served.workspace, "readings", BEFORE, lambda table: table.slice(1))
    after = run_until_scored(served.workspace, served.job, NEXT, "after")
    assert acceptances_of(served, after) == ()
    assert after["build_features"]["output"] != without["build_features"]["output"]


def test_what_was_delivered_is_not_missing(served: Served) -> None:
    with pytest.raises(RefusedError, match="was delivered"):
        accept_missing(served, NEXT)


def test_no_window_waits_for_a_population(served: Served) -> None:
    with pytest.raises(RefusedError, match="no trailing window"):
        tasks.accept_missing(served.workspace, served.job, "meters", "2024-03-08", **JANE)


def test_a_partition_that_is_still_open_is_not_missing_yet(served: Served) -> None:
    with pytest.raises(NotReadyError, match="still open"):
        accept_missing(served, "2024-03-10")


def test_a_record_that_was_put_in_another_place_accepts_nothing(served: Served) -> None:
    land_again(served.workspace, "meters", NEXT, halve)
    acceptance = accept(served, "meters", NEXT)
    other = land_again(served.workspace, "meters", NEXT, lambda table: table.slice(1, METERS // 2))
    folder = f"jobs/meter_readings/acceptances/meters/{NEXT}"
    content = served.workspace.lake.read_bytes(f"{folder}/{acceptance.delivery}.json")
    served.workspace.lake.replace(f"{folder}/{other.digest}.json", content)
    with pytest.raises(DamagedError, match="record of an acceptance is damaged"):
        run_night(served.workspace, served.job, NEXT)


def test_a_training_takes_what_was_accepted(served: Served) -> None:
    """Nights and trainings come through the same door, so they see the same features."""
    land_again(served.workspace, "readings", "2024-03-01", break_kwh)
    with pytest.raises(NotReadyError, match="too little history to train on"):
        tasks.snapshot(served.workspace, served.job, "2024-03-03", "refused")
    accept(served, "readings", "2024-03-01")
    assert tasks.snapshot(served.workspace, served.job, "2024-03-03", "accepted")["left_out"] == {}


def test_scores_of_an_accepted_delivery_are_those_of_its_valid_rows(served: Served) -> None:
    land_again(served.workspace, "meters", NEXT, halve)
    accept(served, "meters", NEXT)
    assert len(read_scores(served.workspace, served.job, run_night(served.workspace, served.job, NEXT)["score"])) == 120
