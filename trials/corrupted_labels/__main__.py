"""Run the trial, and print what the gate said and the model ledgers.

python -m trials.corrupted_labels                 # half of the deliveries
python -m trials.corrupted_labels --share 0.1 --json
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from trials.corrupted_labels.trial import CORRUPTED, SOUND, Plan, Report, run_trial

HISTORY = ("number", "model_version", "kind", "holds_from", "who", "why")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the trial; 1 unless the sound challenger was promoted and the corrupted one was not."""
    parser = argparse.ArgumentParser(prog="python -m trials.corrupted_labels", description=__doc__.partition("\n")[0])
    parser.add_argument("--share", type=float, default=Plan.share, help="of the deliveries that are corrupted")
    parser.add_argument("--parallel", default="processes", help="as NIGHTJAR_PARALLEL: processes, processes:N, inline")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    options = parser.parse_args(arguments)
    progress = Console(stderr=True)
    with TemporaryDirectory(prefix="nightjar-trial-") as home:
        report = run_trial(Path(home), Plan(share=options.share), options.parallel, progress.print)
    if options.json:
        sys.stdout.write(json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    else:
        print_report(Console(width=None if sys.stdout.isatty() else 160), report)
    promoted = {name: found["promoted"] for name, found in report["challengers"].items()}
    return int(promoted != {SOUND: True, CORRUPTED: False})


def print_report(console: Console, report: Report) -> None:
    """The verdicts in words, and what each model ledger holds."""
    console.print(
        f"{report['swapped']} outcomes were swapped in {len(report['corrupted'])} of the {report['deliveries']} "
        f"deliveries that hold labels to train on; validation kept {len(report['refused'])} partitions from training."
    )
    for name, found in report["challengers"].items():
        verdict = "promoted" if found["promoted"] else "not promoted"
        console.print(f"The challenger that learnt from {name} labels was {verdict}: {found['why']}.", highlight=False)
    for name, found in report["challengers"].items():
        table = Table(title=f"model ledger, {name} labels", title_justify="left")
        for column in HISTORY:
            table.add_column(column.replace("_", " "), overflow="fold")
        for event in found["history"]:
            table.add_row(*("-" if event[column] is None else str(event[column]) for column in HISTORY))
        console.print(table)


if __name__ == "__main__":
    sys.exit(main())
