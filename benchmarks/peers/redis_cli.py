"""``redis-cli --pipe`` over a file that was made before: the bulk loader that comes with Redis."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


@contextmanager
def pipe_sets(socket: str, ids: pa.StringArray, scores: np.ndarray) -> Iterator[Callable[[], float]]:
    """A ``SET`` an entity; the function sends them through the unix socket, and says in how many seconds.

    The commands are written beforehand, which counts for nothing here.
    """
    with tempfile.NamedTemporaryFile(suffix=".resp") as commands:
        Path(commands.name).write_bytes(_write_commands(ids, scores))

        def publish() -> float:
            started = time.perf_counter()
            with Path(commands.name).open("rb") as stream:
                subprocess.run(
                    ["redis-cli", "-s", socket, "--pipe"],  # noqa: S607 - the one on the PATH
                    stdin=stream,
                    stdout=subprocess.DEVNULL,
                    check=True,
                )
            return time.perf_counter() - started

        yield publish


def _write_commands(ids: pa.StringArray, scores: np.ndarray) -> bytes:
    keys = pc.binary_join_element_wise("bench:predictions:", ids, "")
    values = pa.array(scores).cast(pa.string())
    parts = ["*3\r\n$3\r\nSET", *_write_text(keys), *_write_text(values)]
    joined = pc.binary_join_element_wise(*parts, "", "\r\n").cast(pa.large_string())
    return b"".join(memoryview(buffer) for buffer in [joined.buffers()[2]])


def _write_text(texts: pa.StringArray) -> list[pa.StringArray]:
    lengths = pc.binary_join_element_wise("$", pc.binary_length(texts).cast(pa.string()), "")
    return [lengths, texts]
