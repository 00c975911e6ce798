"""Tiles in the lake: the daily aggregates of one validated delivery.

    tiles/<aggregate>@<hash>/<digest of the validated delivery>/tile-0000.parquet

The hash is that of the aggregate's definition, so a changed definition makes new tiles and leaves the old ones alone.
"""

from __future__ import annotations

import pandas as pd
import pyarrow as pa

from pipeline.errors import DamagedError
from pipeline.stores.lake import Lake
from pipeline.stores.parquet import decode_parquet, encode_parquet

CACHED_ROWS = 10_000
"""Tiles up to this size are kept in memory: windows of neighbouring partitions share nearly all of theirs."""


class Tiles:
    """All tiles of the lake."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._cache: dict[str, pd.DataFrame] = {}

    def find(self, aggregate: str, definition: str, validated: str) -> pd.DataFrame | None:
        """The tile of a validated delivery; None if nobody has made it yet.

        Args:
            aggregate: name of the aggregate.
            definition: digest of its definition.
            validated: digest of the validated delivery.

        Raises:
            DamagedError: its bytes are not those that were written.
        """
        path = _path(aggregate, definition, validated)
        if path in self._cache:
            return self._cache[path]
        try:
            tile = decode_parquet(self._lake.read_bytes(path)).to_pandas()
        except FileNotFoundError:
            return None
        except (OSError, pa.ArrowException) as error:
            raise _damaged(self._lake.url(path), "a whole Parquet file", str(error)) from error
        return self._keep(path, tile)

    def put(self, aggregate: str, definition: str, validated: str, tile: pd.DataFrame) -> pd.DataFrame:
        """Store a tile.

        Raises:
            DamagedError: another one is there: whoever makes it from the same rows makes the same bytes.
        """
        path = _path(aggregate, definition, validated)
        content = encode_parquet(pa.Table.from_pandas(tile, preserve_index=False))
        if not self._lake.put_if_absent(path, content) and self._lake.read_bytes(path) != content:
            raise _damaged(self._lake.url(path), "the bytes that the rows give", "others")
        return self._keep(path, tile)

    def _keep(self, path: str, tile: pd.DataFrame) -> pd.DataFrame:
        if len(tile) <= CACHED_ROWS:
            self._cache[path] = tile
        return tile


def _damaged(url: str, expected: str, found: str) -> DamagedError:
    return DamagedError(
        "a tile is not what was written",
        expected=f"{expected} at {url}",
        found=found,
        next_step="remove that file; the next run makes it anew",
    )


def _path(aggregate: str, definition: str, validated: str) -> str:
    return f"tiles/{aggregate}@{definition[:16]}/{validated}/tile-0000.parquet"
