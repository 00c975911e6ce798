"""What a benchmark leaves behind: its numbers, and what they depend on."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import redis

Report = dict[str, Any]


def describe_command(module: str) -> str:
    """How this benchmark was started."""
    return " ".join([f"python -m {module}", *sys.argv[1:]])


def describe_machine() -> dict[str, Any]:
    """The machine, and how busy it was."""
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "load_average": [round(load, 1) for load in os.getloadavg()],
    }


def describe_versions(url: str) -> dict[str, str]:
    """Versions of what publishing and reading go through, the Redis at ``url`` among it."""
    with redis.Redis.from_url(url) as client:
        server: dict[str, str] = client.info("server")
    return {
        "python": platform.python_version(),
        "redis": server["redis_version"],
        "redis-py": redis.__version__,
        "pyarrow": pa.__version__,
        "numpy": np.__version__,
    }


def finish(report: Report, path: Path, *, as_json: bool, print_table: Callable[[Report], None]) -> None:
    """Write the report, and print it as JSON or as a table."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(report, indent=2) + "\n")
    if as_json:
        print(json.dumps(report))
    else:
        print_table(report)
