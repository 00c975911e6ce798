"""Outputs of stages: named by their inputs, never changed, checked when read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.digests import digest_json
from pipeline.errors import DamagedError
from pipeline.stores.lake import Lake
from pipeline.stores.stage_outputs import Output, StageOutputs, shard_label

INPUTS = {"features": "a" * 64, "seed": 7}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path))


@pytest.fixture
def outputs(lake: Lake) -> StageOutputs:
    return StageOutputs(lake, "job")


def make_table(*numbers: int) -> pa.Table:
    return pa.table({"number": pa.array(numbers, pa.int64()), "double": pa.array([2 * n for n in numbers])})


def write(outputs: StageOutputs, facts: dict[str, Any] | None = None) -> Output:
    """Two shards of valid rows and one of quarantined ones."""
    tables = {"valid-0000": make_table(1, 2), "valid-0001": make_table(3), "quarantined-0000": make_table(4)}
    files = {label: outputs.write("validate", INPUTS, label, table) for label, table in tables.items()}
    return outputs.commit("validate", INPUTS, files, facts or {"received": 4})


def test_an_output_is_found_by_its_inputs(lake: Lake, outputs: StageOutputs) -> None:
    assert outputs.find("validate", INPUTS) is None
    output = write(outputs)
    assert output.address == digest_json(INPUTS)
    for store in (outputs, StageOutputs(lake, "job")):
        assert store.find("validate", dict(reversed(INPUTS.items()))) == output
        assert store.find("validate", {**INPUTS, "seed": 8}) is None
        assert store.find("score", INPUTS) is None
    assert StageOutputs(lake, "other").find("validate", INPUTS) is None


def test_files_that_no_manifest_names_were_never_written(outputs: StageOutputs) -> None:
    outputs.write("validate", INPUTS, "valid-0000", make_table(1))
    assert outputs.find("validate", INPUTS) is None


def test_rows_are_counted_by_role_and_read_by_shard(outputs: StageOutputs) -> None:
    output = write(outputs)
    assert output.rows == {"valid": 3, "quarantined": 1}
    assert output.shards("valid") == [shard_label("valid", 0), shard_label("valid", 1)]
    assert outputs.read(output, "valid-0001") == make_table(3)
    assert outputs.read(output, "valid-0000", ["double"]) == make_table(1, 2).select(["double"])
    assert outputs.read_all(output, "valid") == make_table(1, 2, 3)


def test_making_it_again_changes_nothing(lake: Lake, outputs: StageOutputs) -> None:
    first = write(outputs)
    before = lake.list(f"stages/job/validate/{first.address}")
    assert write(StageOutputs(lake, "job")) == first
    assert lake.list(f"stages/job/validate/{first.address}") == before


def test_another_result_from_the_same_inputs_is_refused(outputs: StageOutputs) -> None:
    output = write(outputs)
    with pytest.raises(DamagedError, match="with another result") as caught:
        write(outputs, {"received": 5})
    assert caught.value.job == "job"
    assert caught.value.next_step
    assert outputs.load("validate", output.address).facts == {"received": 4}


@pytest.mark.parametrize("content", [None, b"", b"other bytes"])
def test_a_file_that_is_not_what_the_manifest_says_is_not_read(
    lake: Lake, outputs: StageOutputs, content: bytes | None
) -> None:
    output = write(outputs)
    file = output.files["valid-0000"]
    path = f"stages/job/validate/{output.address}/{file.name}"
    lake.remove(path) if content is None else lake.replace(path, content)
    with pytest.raises(DamagedError, match="not what its manifest says") as caught:
        outputs.read(output, "valid-0000")
    assert file.sha256 in str(caught.value.expected)
    assert caught.value.next_step


def test_writing_again_mends_a_broken_file(lake: Lake, outputs: StageOutputs) -> None:
    output = write(outputs)
    lake.replace(f"stages/job/validate/{output.address}/{output.files['valid-0000'].name}", b"broken")
    write(outputs)
    assert outputs.read(output, "valid-0000") == make_table(1, 2)


def test_a_manifest_in_a_place_that_is_not_its_own_is_refused(lake: Lake, outputs: StageOutputs) -> None:
    output = write(outputs)
    other = "f" * 64
    lake.replace(
        f"stages/job/validate/{other}/manifest.json",
        lake.read_bytes(f"stages/job/validate/{output.address}/manifest.json"),
    )
    with pytest.raises(DamagedError, match="does not belong where it is"):
        outputs.load("validate", other)


def test_the_digest_of_an_output_tells_its_files_and_facts(outputs: StageOutputs) -> None:
    output = write(outputs)
    assert Output.model_validate(output.model_dump()).digest == output.digest
    for name in ("inputs", "files", "facts"):
        assert Output.model_validate({**output.model_dump(), name: {}}).digest != output.digest


def test_bytes_that_are_no_parquet_are_kept_too(outputs: StageOutputs) -> None:
    file = outputs.write_bytes("validate", INPUTS, "profile-0000", b"{}", 1, suffix="json")
    output = outputs.commit("validate", INPUTS, {"profile-0000": file}, {})
    assert file.name.endswith(".json")
    assert outputs.read_bytes(output, "profile-0000") == b"{}"
