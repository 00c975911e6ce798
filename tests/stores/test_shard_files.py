"""Shard files: written while rows stream in, gone afterwards, the same bytes however the rows came in pieces."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.stores import parquet, shard_files
from pipeline.stores.parquet import decode_parquet
from pipeline.stores.shard_files import ROWS_PER_GROUP, ROWS_WAITING, ShardFiles

SCHEMA = pa.schema([pa.field("number", pa.int64())])


@pytest.fixture(autouse=True)
def temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def make_table(first: int, last: int) -> pa.Table:
    return pa.table({"number": pa.array(range(first, last), pa.int64())})


def write(*pieces: tuple[int, int]) -> bytes:
    with ShardFiles(SCHEMA) as files:
        for first, last in pieces:
            files.append("rows", make_table(first, last))
        content, rows = files.finish("rows")
    assert rows == sum(last - first for first, last in pieces)
    return content


def test_rows_come_back_in_the_order_in_which_they_were_appended() -> None:
    assert decode_parquet(write((0, 10), (10, 15))) == make_table(0, 15)


def test_every_label_has_its_own_file() -> None:
    with ShardFiles(SCHEMA) as files:
        files.append("a", make_table(0, 2))
        files.append("b", make_table(5, 6))
        files.append("a", make_table(2, 3))
        found = {label: files.finish(label) for label in ("a", "b", "c")}
    assert {label: rows for label, (_, rows) in found.items()} == {"a": 3, "b": 1, "c": 0}
    assert decode_parquet(found["a"][0]) == make_table(0, 3)
    assert decode_parquet(found["c"][0]) == SCHEMA.empty_table()


def wait_for_rows(folder: Path) -> None:
    """Until a thread has written a row group."""
    deadline = time.monotonic() + 30
    while not any(path.stat().st_size > 1000 for path in folder.rglob("rows")):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_rows_are_not_held_back_beyond_a_group(temporary_folder: Path) -> None:
    with ShardFiles(SCHEMA) as files:
        files.append("rows", make_table(0, ROWS_PER_GROUP))
        wait_for_rows(temporary_folder)
        files.append("rows", make_table(0, 1))
        content, _ = files.finish("rows")
    assert pq.ParquetFile(pa.BufferReader(content)).metadata.num_row_groups == 2


def test_of_many_files_less_is_held_back(temporary_folder: Path) -> None:
    with ShardFiles(SCHEMA, files=64) as files:
        files.append("rows", make_table(0, ROWS_WAITING // 64))
        wait_for_rows(temporary_folder)
        assert files.finish("rows")[1] == ROWS_WAITING // 64


def write_and_fail() -> None:
    with ShardFiles(SCHEMA) as files:
        files.append("rows", make_table(0, ROWS_PER_GROUP))
        files.append("rows", pa.table({"number": ["not a number"]}))


def test_nothing_is_left_behind_even_after_an_error(temporary_folder: Path) -> None:
    with pytest.raises(pa.ArrowInvalid):
        write_and_fail()
    write((0, 1))
    assert list(temporary_folder.iterdir()) == []


def test_the_bytes_do_not_depend_on_how_many_threads_encode(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = pa.table({"id": pa.array(range(3 * ROWS_PER_GROUP), pa.int64())})
    made = []
    for encoders in (1, 4):
        monkeypatch.setattr(shard_files, "THREADS", encoders)
        with ShardFiles(rows.schema) as files:
            for start in range(0, rows.num_rows, 10_000):
                for label in ("one", "two", "three"):
                    files.append(label, rows.slice(start, 10_000))
            made.append({label: files.finish(label) for label in ("one", "two", "three", "none")})
    assert made[0] == made[1]
    assert made[0]["two"][1] == rows.num_rows


def test_what_an_encoder_raises_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "COMPRESSION", "no such codec")
    with ShardFiles(SCHEMA) as files:
        files.append("rows", make_table(0, ROWS_PER_GROUP))
        with pytest.raises(pa.ArrowException, match="no such codec"):
            files.finish("rows")
