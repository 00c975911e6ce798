"""What the stages of a night import, imported ahead of them: once, and not in every task.

Airflow forks a process for every task from a worker.  What the worker has imported, that process has too, in memory
that they share.

Libraries alone are imported ahead.  Nightjar's own code and the jobs' are left to the tasks: what was edited counts
from the next task on, and provenance names the code that ran.
"""

from __future__ import annotations

import logging
import os
from importlib import import_module

LIBRARIES = (
    "fsspec.implementations.local",
    "great_expectations",
    "joblib",
    "pandas",
    "pandera.pandas",
    "pyarrow.compute",
    "pyarrow.parquet",
    "redis",
    "sklearn.compose",
    "sklearn.ensemble",
    "sklearn.metrics",
    "sklearn.pipeline",
    "sklearn.preprocessing",
)
"""But for what only one of the stages needs."""


def import_libraries() -> None:
    """Import :data:`LIBRARIES`, quietly."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # Great Expectations reads it on import
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    for name in LIBRARIES:
        import_module(name)
