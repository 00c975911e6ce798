"""Run the trial, print what happened and write ``reports/kill.json``."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

import redis
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from trials.kill.trial import Trial
from trials.redis_process import start_redis

REPORT = Path("reports/kill.json")
MUST_BE_NONE = ("mixed", "lost", "stale_flips", "unavailable", "left_over_keys")


def main() -> int:
    """Kill as many publishers as asked; 1 if a reader saw something wrong or anything was left over."""
    parser = argparse.ArgumentParser(prog="python -m trials.kill", description="Kill publishers while readers read.")
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--report", type=Path, default=REPORT)
    arguments = parser.parse_args()
    started = time.monotonic()
    with start_redis() as url, Progress(console=Console(stderr=True)) as progress:
        shown = progress.add_task("publishers killed", total=arguments.kills)
        report = Trial(url).run(arguments.kills, lambda done: progress.update(shown, completed=done))
        with redis.Redis.from_url(url, decode_responses=True) as client:
            version = client.info("server")["redis_version"]
    report |= {
        "seconds": round(time.monotonic() - started, 1),
        "command": f"python -m trials.kill {' '.join(sys.argv[1:])}".strip(),
        "machine": {
            "platform": platform.platform(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "redis": version,
        },
    }
    arguments.report.parent.mkdir(parents=True, exist_ok=True)
    arguments.report.write_text(json.dumps(report, indent=2) + "\n")
    _print(report)
    return int(bool(report["failures"]) or any(report[name] for name in MUST_BE_NONE))


def _print(report: dict[str, Any]) -> None:
    table = Table(title=f"publishers killed while readers read, {report['seconds']:.0f} s", title_justify="left")
    table.add_column("")
    table.add_column("count", justify="right")
    for name in ("kills", "paused", "published", "reads", *MUST_BE_NONE):
        table.add_row(name.replace("_", " "), f"{report[name]:,}")
    for name in ("killed", "left_behind"):
        for what, count in report[name].items():
            table.add_row(f"{name.replace('_', ' ')} {what}", f"{count:,}", style="dim")
    console = Console()
    console.print(table)
    for failure in report["failures"]:
        console.print(failure, style="red", markup=False)


if __name__ == "__main__":
    sys.exit(main())
