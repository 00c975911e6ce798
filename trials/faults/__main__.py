"""Put faults into real nights of the flight job, and see what validation makes of them and what they would have cost.

    python -m trials.faults                       # everything; goes on where it was stopped
    python -m trials.faults --fault "minutes to hours" --nights 2 --clean 0
    python -m trials.faults --calibrate           # what the limits were chosen by

``docs/faults.md`` says how it is done and what came of it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import track

from trials.faults.cases import Case, list_cases
from trials.faults.limits import find_limits, print_limits
from trials.faults.nights import CALIBRATION, CLEAN, FAULTY
from trials.faults.report import Cost, describe, make_rows, measure_clean, measure_costs, print_scorecard
from trials.faults.trial import Trial

HARMLESS_STEP = 5
"""Of cases that are not costly, validation sees one faulty night in so many."""

Result = TypeVar("Result")


def run(home: Path, cases: Sequence[Case], faulty: Sequence[date], clean: Sequence[date], processes: int) -> Any:
    """Score, judge and report; the rows of the scorecard, and the report as JSON."""
    began = time.perf_counter()
    trial = Trial(home, processes)
    scores = dict(_show(trial.score(cases, faulty), "scoring", len(faulty)))
    nights = [scores[night] for night in faulty]
    costs = measure_costs(cases, nights)
    outcomes = dict(_show(trial.judge(choose_cases(cases, costs, faulty)), "validating", len(faulty)))
    clean_outcomes = dict(_show(trial.judge_clean(clean), "clean nights", len(clean)))
    rows = make_rows(cases, costs, outcomes.values())
    facts = {
        "clean_metrics": measure_clean(nights),
        "faulty_nights": [night.isoformat() for night in faulty],
        "command": "python -m trials.faults",
        "seconds": round(time.perf_counter() - began, 1),
    }
    return rows, describe(rows, clean_outcomes, **facts)


def choose_cases(cases: Sequence[Case], costs: dict[str, Cost], nights: Sequence[date]) -> dict[date, list[Case]]:
    """The cases that validation sees, by night: costly ones on every night."""
    return {
        night: [case for case in cases if number % HARMLESS_STEP == 0 or costs[case.name].is_costly]
        for number, night in enumerate(nights)
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the trial, print the scorecard and write the report."""
    parser = argparse.ArgumentParser(prog="python -m trials.faults", description=__doc__.partition("\n")[0])
    parser.add_argument("--fault", default="", help="only faults whose name has this in it")
    parser.add_argument("--nights", type=int, default=len(FAULTY), help="only the first so many faulty nights")
    parser.add_argument("--clean", type=int, default=len(CLEAN), help="only the first so many clean nights")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--home", type=Path, default=Path(".nightjar/trials/faults"), help="where results are kept")
    parser.add_argument("--out", type=Path, default=Path("reports/faults.json"))
    parser.add_argument("--calibrate", action="store_true", help="only the limits, beside the calibration nights")
    options = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 160)
    if options.calibrate:
        trial = Trial(options.home, options.processes)
        nights = dict(_show(trial.judge_clean(CALIBRATION), "nights", len(CALIBRATION)))
        print_limits(console, find_limits(nights))
        return 0
    cases = [case for case in list_cases() if options.fault in case.name]
    if not cases:
        parser.error(f"no fault has {options.fault!r} in its name")
    rows, report = run(
        options.home, cases, FAULTY[: options.nights], CLEAN[: options.clean], processes=options.processes
    )
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    print_scorecard(console, rows, report)
    return 0


def _show(results: Iterator[Result], what: str, total: int) -> Iterator[Result]:
    return iter(track(results, what, total=total, console=Console(stderr=True)))


if __name__ == "__main__":
    sys.exit(main())
