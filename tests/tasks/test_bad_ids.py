"""Entity ids that no reader could ask for are quarantined; those of any script are published and read back."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pyarrow as pa
import pytest

from pipeline.errors import BadInputError
from pipeline.job import Job
from tests.meter_readings.upstream import METERS, NAMES, NamedMeterUpstream
from tests.tasks.conftest import Served
from tests.tasks.nights import NEXT, land_again, open_reader, read_live, read_scores, run_night

LONGEST = "é" * 32
BAD = {
    "": "meter_id: must not be empty",
    "x" * 65: "meter_id: must be at most 64 bytes long",
    "é" * 32 + "x": "meter_id: must be at most 64 bytes long",
    "nul\0nul": "meter_id: must not hold control characters",
    "cr\rcr": "meter_id: must not hold control characters",
    "lf\n": "meter_id: must not hold control characters",
}


def name_first(ids: Sequence[str | None]) -> Callable[[pa.Table], pa.Table]:
    """The meters of a day, the first of them renamed."""

    def change(table: pa.Table) -> pa.Table:
        names = [*ids, *table["meter_id"].to_pylist()[len(ids) :]]
        return table.set_column(table.schema.get_field_index("meter_id"), "meter_id", pa.array(names))

    return change


def allow_more(job: Job) -> Job:
    sources = tuple(source.model_copy(update={"max_quarantined": 0.1}) for source in job.sources)
    return job.model_copy(update={"sources": sources})


def test_names_with_spaces_and_letters_of_any_script_are_read_back(served_names: Served) -> None:
    names = [f"{name} {number}" for number, name in enumerate(NAMES)]
    assert set(names) <= set(served_names.predictions)
    assert read_live(served_names.workspace, served_names.job, list(served_names.predictions)) == (
        served_names.predictions
    )
    assert len(served_names.predictions) == METERS


def test_ids_that_no_reader_could_ask_for_are_quarantined_and_accounted_for(served_names: Served) -> None:
    workspace, job = served_names.workspace, allow_more(served_names.job)
    land_again(workspace, "meters", NEXT, name_first([*BAD, None, LONGEST]), NamedMeterUpstream())
    night = run_night(workspace, job, NEXT)
    bad = len(BAD) + 1
    accounting = night["publish"]["accounting"]
    assert accounting == {
        "received": METERS,
        "quarantined": bad,
        "scored": METERS - bad,
        "published": METERS - bad,
        "read_back": METERS - bad,
    }
    reasons = night["validate"]["sources"]["meters"]["reasons"]
    assert reasons == {
        "meter_id: must not be empty": 1,
        "meter_id: must not be missing": 1,
        "meter_id: must be at most 64 bytes long": 2,
        "meter_id: must not hold control characters": 3,
    }
    scores = read_scores(workspace, job, night["score"])
    assert not set(BAD) & set(scores)
    assert open_reader(workspace, job).get(LONGEST).value == scores[LONGEST]


def test_too_many_of_them_stop_the_night_and_the_old_predictions_are_served(served_names: Served) -> None:
    land_again(served_names.workspace, "meters", NEXT, name_first([*BAD]), NamedMeterUpstream())
    with pytest.raises(BadInputError) as caught:
        run_night(served_names.workspace, served_names.job, NEXT)
    assert "nul\0nul" not in str(caught.value), "errors name reasons, never values"
    served_names.check_refused(caught.value)
