"""Judge a watched replay of the flight job by the disruptions that its data is known for.

nightjar replay flight_delays --from 2013-04-01 --to 2013-12-30 --policy weekly --watch weekly
python -m trials.monitoring
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from trials.monitoring.disruptions import find_disruptions, read_cancelled_shares
from trials.monitoring.judging import judge
from trials.monitoring.plots import plot_estimate, plot_signal

PLOTTED = {
    "inputs.drift": ("drift of the features", "log"),
    "outputs.mean": ("mean prediction", "linear"),
    "accuracy.primary": ("log loss", "linear"),
}
"""Signals, what their axis is called, and its scale."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge, write ``monitoring.json`` and the plots, print tables."""
    parser = argparse.ArgumentParser(prog="python -m trials.monitoring", description=__doc__.partition("\n")[0])
    parser.add_argument("--watched", type=Path, default=Path("reports/watched.json"), help="what the replay wrote")
    parser.add_argument("--report", type=Path, default=Path("reports"), help="folder for monitoring.json")
    parser.add_argument("--plots", type=Path, help="folder for the plots; default: beside monitoring.json")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    options = parser.parse_args(arguments)
    watched = json.loads(options.watched.read_text())
    first, last = (date.fromisoformat(watched[name]) for name in ("first", "last"))
    disruptions = find_disruptions(read_cancelled_shares(), first, last + timedelta(days=1))
    report = judge(watched, disruptions)
    plots = options.plots or options.report
    for folder in (options.report, plots):
        folder.mkdir(parents=True, exist_ok=True)
    (options.report / "monitoring.json").write_text(json.dumps(report, indent=2) + "\n")
    for signal, (label, scale) in PLOTTED.items():
        plot = plot_signal(watched, signal, disruptions, label, scale)
        (plots / f"{signal.replace('.', '-')}.svg").write_bytes(plot)
    (plots / "estimate.svg").write_bytes(plot_estimate(watched, "log_loss", "log loss"))
    if options.json:
        sys.stdout.write(json.dumps(report, indent=2) + "\n")
    else:
        print_report(Console(width=None if sys.stdout.isatty() else 140), report)
    return 0


def print_report(console: Console, report: dict[str, Any]) -> None:
    """The counts, then every alarm and every disruption."""
    console.print(
        f"{report['alarms']} alarms in {report['nights']} nights: {report['matched']} match a disruption, "
        f"{report['false_alarms_per_month']} false ones a month; {report['disruptions_found']} of "
        f"{report['disruptions']} disruptions were alarmed of. Estimated AUC: off by {report['estimate_auc_error']} "
        f"(by the mean so far: {report['naive_auc_error']})."
    )
    for title, rows in (("alarms", report["all_alarms"]), ("disruptions", report["all_disruptions"])):
        table = Table(title=title, title_justify="left")
        for column in rows[0] if rows else ():
            table.add_column(column)
        for row in rows:
            table.add_row(*(", ".join(cell) if isinstance(cell, list) else str(cell or "-") for cell in row.values()))
        console.print(table)


if __name__ == "__main__":
    sys.exit(main())
