"""Tiles in the lake: by aggregate, definition and validated delivery."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from pipeline.errors import DamagedError
from pipeline.stores.lake import Lake
from pipeline.stores.tiles import CACHED_ROWS, Tiles

KEY = ("readings.kwh_by_meter", "a" * 64, "b" * 64)
TILE = pd.DataFrame({"meter": ["x"], "count": [1], "sum": [2]})


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path))


def test_a_tile_is_found_by_whoever_looks(lake: Lake) -> None:
    tiles = Tiles(lake)
    assert tiles.find(*KEY) is None
    tiles.put(*KEY, TILE)
    for store in (tiles, Tiles(lake)):
        found = store.find(*KEY)
        assert found is not None
        pd.testing.assert_frame_equal(found, TILE)
    assert lake.list("tiles") == [f"readings.kwh_by_meter@{'a' * 16}"]


@pytest.mark.parametrize("part", range(3))
def test_another_aggregate_definition_or_delivery_has_another_tile(lake: Lake, part: int) -> None:
    tiles = Tiles(lake)
    tiles.put(*KEY, TILE)
    other = [*KEY]
    other[part] = "c" * 64
    assert tiles.find(other[0], other[1], other[2]) is None


def test_another_tile_in_the_place_of_one_is_damage(lake: Lake) -> None:
    Tiles(lake).put(*KEY, TILE)
    Tiles(lake).put(*KEY, TILE)
    with pytest.raises(DamagedError, match="not what was written"):
        Tiles(lake).put(*KEY, TILE.iloc[:0])
    found = Tiles(lake).find(*KEY)
    assert found is not None
    assert len(found) == 1


def test_a_tile_with_a_flipped_bit_is_damage(lake: Lake) -> None:
    tiles = Tiles(lake)
    tile = pd.DataFrame({"key": ["somewhere"] * 3, "count": [1, 2, 3], "sum": [4, 5, 6]})
    tiles.put(*KEY, tile)
    folder = f"tiles/{KEY[0]}@{KEY[1][:16]}/{KEY[2]}"
    path = f"{folder}/{lake.list(folder)[0]}"
    content = bytearray(lake.read_bytes(path))
    content[content.index(b"somewhere")] ^= 1
    lake.replace(path, bytes(content))
    with pytest.raises(DamagedError, match="not what was written"):
        Tiles(lake).find(*KEY)


def test_large_tiles_are_not_kept_in_memory(lake: Lake) -> None:
    tiles = Tiles(lake)
    tiles.put(*KEY, pd.DataFrame({"count": range(CACHED_ROWS + 1)}))
    lake.remove("tiles")
    assert tiles.find(*KEY) is None
