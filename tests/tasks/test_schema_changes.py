"""Upstream changes its columns: what the policy lets pass is noted, the rest is refused with a readable diff."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipeline import tasks
from pipeline.errors import SchemaRefusedError
from pipeline.job import Cast, Job, SchemaPolicy
from pipeline.tasks import Workspace
from tests.tasks.conftest import Served
from tests.tasks.nights import LIVE, NEXT, land_again, run_night


def with_policy(job: Job, **policy: Any) -> Job:
    """The job with another policy for its meters."""
    meters = job.population.model_copy(update={"schema_policy": SchemaPolicy(**policy)})
    return job.model_copy(update={"sources": (meters, *(each for each in job.sources if each.name != "meters"))})


def add_note(table: pa.Table) -> pa.Table:
    return table.append_column("note", pa.array(["new"] * table.num_rows))


def amps_as_text(table: pa.Table) -> pa.Table:
    amps = pc.cast(pc.cast(table["rated_amps"], pa.int64()), pa.string())
    return table.set_column(table.schema.get_field_index("rated_amps"), "rated_amps", amps)


def ingest(workspace: Workspace, job: Job, partition: str, run: str = "first") -> dict[str, Any]:
    return tasks.ingest(workspace, job, partition, run)


def read_page(workspace: Workspace, job: Job, partition: str) -> str:
    return workspace.lake.read_bytes(f"jobs/{job.name}/data_docs/nights/{partition}.html").decode()


def test_new_columns_are_warned_of_once_and_noted_every_night(landed: Workspace, job: Job) -> None:
    """The meters always had one that the contract does not name; another one comes up in the second night."""
    warned = ["meters: new columns are ignored: installer"]
    assert ingest(landed, job, LIVE)["warnings"] == ingest(landed, job, LIVE, "again")["warnings"] == warned
    land_again(landed, "meters", NEXT, add_note)
    second = ingest(landed, job, NEXT)
    assert second["warnings"] == ["meters: new columns are ignored: note"]
    assert [each["column"] for each in second["schema"]["meters"]] == ["installer", "note"]
    assert ingest(landed, job, "2024-03-05")["warnings"] == []


def test_known_columns_are_no_news(landed: Workspace, job: Job) -> None:
    ingested = ingest(landed, with_policy(job, known_columns=("installer",), new_columns="refuse"), LIVE)
    assert (ingested["warnings"], ingested["schema"]["meters"]) == ([], [])


def test_a_new_column_is_refused_where_the_policy_says_so(served: Served) -> None:
    """What was ingested under another policy does not count."""
    strict = with_policy(served.job, new_columns="refuse")
    run_night(served.workspace, served.job, NEXT)
    with pytest.raises(SchemaRefusedError) as caught:
        ingest(served.workspace, strict, NEXT, "strict")
    assert "installer | -        | string | new" in str(caught.value.found)


def test_a_refusal_is_in_the_error_the_run_record_and_the_pages(served: Served) -> None:
    def change(table: pa.Table) -> pa.Table:
        return amps_as_text(table).rename_columns({"region": "area"})

    land_again(served.workspace, "meters", NEXT, change)
    with pytest.raises(SchemaRefusedError) as caught:
        ingest(served.workspace, with_policy(served.job, known_columns=("installer",)), NEXT, "bad")
    served.check_refused(caught.value)
    rows = [
        "    region     | string   | -      | missing; is it area now?",
        "    rated_amps | double   | string | type changed",
        "    area       | -        | string | new, ignored",
    ]
    lines = str(caught.value).splitlines()
    assert [line for line in lines if line.startswith("    ")][1:] == rows
    (record,) = tasks.read_run(served.workspace, served.job, NEXT, "bad")["stages"]
    assert record["error"]["differences"] == caught.value.differences
    assert {each["column"] for each in record["error"]["differences"] if each["is_refused"]} == {"region", "rated_amps"}
    page = read_page(served.workspace, served.job, NEXT)
    for words in ("does not have the columns of the contract", "missing; is it area now?", "type changed"):
        assert words in page


def test_a_declared_cast_is_made_and_shown_in_the_pages(served: Served) -> None:
    lenient = with_policy(served.job, casts=(Cast(column="rated_amps", types=("string",)),))
    land_again(served.workspace, "meters", NEXT, amps_as_text)
    night = run_night(served.workspace, lenient, NEXT)
    assert night["publish"]["result"] == "live"
    (cast,) = (each for each in night["ingest"]["schema"]["meters"] if each["column"] == "rated_amps")
    assert cast["verdict"] == "type changed, cast where no value is lost"
    assert cast["verdict"] in read_page(served.workspace, served.job, NEXT)


def test_no_value_of_a_row_is_told_when_a_cast_would_lose_it(served: Served) -> None:
    def set_fraction(table: pa.Table) -> pa.Table:
        ids = pa.array([271828.5, *([1.0] * (table.num_rows - 1))])
        return table.set_column(table.schema.get_field_index("meter_id"), "meter_id", ids)

    land_again(served.workspace, "meters", NEXT, set_fraction)
    with pytest.raises(SchemaRefusedError) as caught:
        ingest(served.workspace, served.job, NEXT, "bad")
    told = [str(caught.value), json.dumps(tasks.read_run(served.workspace, served.job, NEXT, "bad"))]
    assert not any("271828" in text for text in [*told, read_page(served.workspace, served.job, NEXT)])
