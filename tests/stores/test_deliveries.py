"""Deliveries: landed once, named by their content, found again, and checked against their marker."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.errors import BadInputError
from pipeline.stores.deliveries import MARKER, Deliveries
from pipeline.stores.lake import Lake
from pipeline.stores.parquet import decode_parquet

DAY = date(2024, 3, 1)
NOON = datetime(2024, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path))


@pytest.fixture
def deliveries(lake: Lake) -> Deliveries:
    return Deliveries(lake)


def make_table(*numbers: int) -> pa.Table:
    return pa.table({"number": pa.array(numbers, pa.int64())})


def test_a_delivery_is_its_files_and_a_marker_that_counts_and_digests_them(lake: Lake, deliveries: Deliveries) -> None:
    delivery, is_new = deliveries.land("meters", DAY, [make_table(1, 2), make_table(3)], NOON)
    assert is_new
    assert delivery.folder == f"upstream/meters/partition=2024-03-01/delivery={delivery.digest}"
    assert lake.list(delivery.folder) == [MARKER, "part-0000.parquet", "part-0001.parquet"]
    marker = lake.read_json(f"{delivery.folder}/{MARKER}")
    assert (marker["rows"], [file["rows"] for file in marker["files"]]) == (3, [2, 1])
    assert marker["landed_at"] == "2024-03-02T12:00:00Z"
    assert decode_parquet(lake.read_bytes(f"{delivery.folder}/part-0001.parquet")) == make_table(3)
    deliveries.verify(delivery, "job")


def test_landing_the_same_again_changes_nothing(deliveries: Deliveries) -> None:
    first, _ = deliveries.land("meters", DAY, [make_table(1)], NOON)
    again, is_new = deliveries.land("meters", DAY, [make_table(1)], NOON + timedelta(hours=1))
    assert (again, is_new) == (first, False)
    assert len(deliveries.all_of("meters", "2024-03-01")) == 1


def test_another_content_source_or_partition_is_another_delivery(deliveries: Deliveries) -> None:
    landed = [
        deliveries.land("meters", DAY, [make_table(1)], NOON),
        deliveries.land("meters", DAY, [make_table(2)], NOON),
        deliveries.land("readings", DAY, [make_table(1)], NOON),
        deliveries.land("meters", DAY + timedelta(days=1), [make_table(1)], NOON),
    ]
    assert len({delivery.digest for delivery, _ in landed}) == 4


def test_the_delivery_that_landed_last_is_the_newest(deliveries: Deliveries) -> None:
    for hour in range(8):
        landed, _ = deliveries.land("meters", DAY, [make_table(hour)], NOON + timedelta(hours=hour))
        assert deliveries.newest("meters", "2024-03-01") == landed
    deliveries.land("meters", DAY, [make_table(9)], NOON)
    assert deliveries.newest("meters", "2024-03-01") == landed


def test_nothing_was_delivered(deliveries: Deliveries) -> None:
    assert deliveries.newest("meters", "2024-03-01") is None
    assert deliveries.newest_as_of("meters", "2024-03-01") is None
    assert deliveries.partitions("meters") == []
    with pytest.raises(FileNotFoundError):
        deliveries.get("meters", "2024-03-01", "a" * 64)


def test_a_delivery_without_its_marker_has_not_landed(lake: Lake, deliveries: Deliveries) -> None:
    delivery, _ = deliveries.land("meters", DAY, [make_table(1)], NOON)
    lake.remove(f"{delivery.folder}/{MARKER}")
    assert deliveries.newest("meters", "2024-03-01") is None
    assert deliveries.land("meters", DAY, [make_table(1)], NOON) == (delivery, True)


def test_a_dimension_is_the_newest_up_to_the_partition(lake: Lake, deliveries: Deliveries) -> None:
    old, _ = deliveries.land("tariffs", date(2024, 2, 28), [make_table(1)], NOON)
    new, _ = deliveries.land("tariffs", date(2024, 3, 3), [make_table(2)], NOON)
    unfinished, _ = deliveries.land("tariffs", date(2024, 3, 1), [make_table(3)], NOON)
    lake.remove(f"{unfinished.folder}/{MARKER}")
    assert deliveries.newest_as_of("tariffs", "2024-03-02") == old
    assert deliveries.newest_as_of("tariffs", "2024-03-03") == new
    assert deliveries.newest_as_of("tariffs", "2024-02-27") is None


def test_a_file_that_was_cut_altered_or_removed_is_noticed(lake: Lake, deliveries: Deliveries) -> None:
    delivery, _ = deliveries.land("meters", DAY, [make_table(1, 2)], NOON)
    path = f"{delivery.folder}/part-0000.parquet"
    content = lake.read_bytes(path)
    for broken in (content[:-1], b"", bytes([content[0] ^ 1]) + content[1:], None):
        lake.replace(path, broken) if broken is not None else lake.remove(path)
        with pytest.raises(BadInputError, match="not what its marker says") as caught:
            deliveries.verify(delivery, "job")
        assert (caught.value.job, caught.value.partition) == ("job", "2024-03-01")
        assert delivery.files[0].sha256 in str(caught.value.expected)
        assert caught.value.next_step
    assert caught.value.found == "no such file"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rows", None),
        ("rows", -1),
        ("files", "none"),
        ("landed_at", "yesterday"),
        ("source", "readings"),
        ("partition", "2024-03-02"),
        ("digest", "b" * 64),
        ("files", []),
    ],
)
def test_a_marker_that_is_no_marker_or_of_something_else_is_refused(
    lake: Lake, deliveries: Deliveries, name: str, value: Any
) -> None:
    delivery, _ = deliveries.land("meters", DAY, [make_table(1)], NOON)
    path = f"{delivery.folder}/{MARKER}"
    lake.replace_json(path, {**lake.read_json(path), name: value})
    with pytest.raises(BadInputError, match="the marker of a delivery of meters") as caught:
        Deliveries(lake).newest("meters", "2024-03-01")
    assert caught.value.partition == "2024-03-01"
    assert caught.value.next_step


@pytest.mark.parametrize("name", ["../../secret.parquet", "/etc/passwd", ".hidden", ""])
def test_a_marker_cannot_name_files_elsewhere(lake: Lake, deliveries: Deliveries, name: str) -> None:
    delivery, _ = deliveries.land("meters", DAY, [make_table(1)], NOON)
    path = f"{delivery.folder}/{MARKER}"
    marker = lake.read_json(path)
    marker["files"][0]["name"] = name
    lake.replace_json(path, marker)
    with pytest.raises(BadInputError, match="cannot be read"):
        Deliveries(lake).get("meters", "2024-03-01", delivery.digest)


def test_counts_that_do_not_add_up_are_noticed(lake: Lake, deliveries: Deliveries) -> None:
    delivery, _ = deliveries.land("meters", DAY, [make_table(1, 2)], NOON)
    with pytest.raises(BadInputError) as caught:
        deliveries.verify(delivery.model_copy(update={"rows": 3}), "job")
    assert (caught.value.expected, caught.value.found) == ("3 rows, as the marker says", "2 rows over its files")
