"""The scorecard: what every case cost and what validation made of it, as a table for people and as JSON."""

from __future__ import annotations

import importlib.metadata
import platform
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from pipeline.jobs.flight_delays.job import JOB
from pipeline.stages.evaluate import compute_metrics
from trials.faults.cases import NIGHT, Case
from trials.faults.trial import CLEAN_SCORES, Outcomes, Scores
from trials.faults.validating import ALARMS, VERDICTS

COSTLY = 0.01
"""AUC, pooled over the nights, from which on a fault counts as costly."""

CAUGHT = 0.95
"""Share of the nights on which a fault has to be refused or flagged to count as caught."""


@dataclass(frozen=True)
class Cost:
    """What a case costs over all nights, against the clean ones: AUC lost, log loss gained.

    Attributes:
        failed: nights on which nothing could be scored, so that the night would have failed by itself; in the pooled
            numbers every flight of them has the night's mean score.
    """

    auc: float
    log_loss: float
    failed: int

    @property
    def is_costly(self) -> bool:
        """Whether it has to be caught."""
        return self.auc > COSTLY


@dataclass(frozen=True)
class Row:
    """One row of the scorecard.

    Attributes:
        verdicts: nights by verdict.
        sign: what it was most often refused or flagged for.
    """

    case: Case
    cost: Cost
    verdicts: Mapping[str, int]
    sign: str

    @property
    def is_caught(self) -> bool:
        """Whether it was refused or flagged on nearly all nights."""
        return sum(self.verdicts[verdict] for verdict in ALARMS) >= CAUGHT * sum(self.verdicts.values())


def measure_clean(nights: Sequence[Scores]) -> dict[str, float]:
    """The metrics of the clean nights, pooled."""
    clean = pd.concat([night[CLEAN_SCORES] for night in nights])
    return compute_metrics(JOB.task, clean["label"], clean["score"])


def measure_costs(cases: Sequence[Case], nights: Sequence[Scores]) -> dict[str, Cost]:
    """The cost of every case, by its name."""
    labels = pd.concat([night[CLEAN_SCORES]["label"] for night in nights], ignore_index=True)
    clean = measure_clean(nights)
    costs = {}
    for case in cases:
        failed = [night[case.name] is None for night in nights]
        scores = pd.Series(np.concatenate([_scores_of(case, night) for night in nights]))
        faulty = compute_metrics(JOB.task, labels, scores)
        costs[case.name] = Cost(clean["auc"] - faulty["auc"], faulty["log_loss"] - clean["log_loss"], sum(failed))
    return costs


def make_rows(cases: Sequence[Case], costs: Mapping[str, Cost], nights: Iterable[Outcomes]) -> list[Row]:
    """The scorecard, the costliest case first."""
    found = list(nights)
    rows = []
    for case in cases:
        outcomes = [night[case.name] for night in found if case.name in night]
        counts = Counter(outcome.verdict for outcome in outcomes)
        signs = Counter(outcome.signs[0] for outcome in outcomes if outcome.signs)
        verdicts = {verdict: counts[verdict] for verdict in VERDICTS}
        rows.append(Row(case, costs[case.name], verdicts, signs.most_common(1)[0][0] if signs else ""))
    return sorted(rows, key=lambda row: -row.cost.auc)


def find_alarms(nights: Mapping[date, Outcomes]) -> dict[str, list[str]]:
    """Clean nights on which a source was refused or flagged, with the reasons."""
    alarms = {
        night.isoformat(): [
            f"{source} {outcome.verdict}: {sign}"
            for source, outcome in outcomes.items()
            if outcome.verdict in ALARMS
            for sign in outcome.signs
        ]
        for night, outcomes in sorted(nights.items())
    }
    return {night: signs for night, signs in alarms.items() if signs}


def describe(rows: Sequence[Row], clean: Mapping[date, Outcomes], **facts: Any) -> dict[str, Any]:
    """The report as JSON; ``facts`` are put beside."""
    costly = [row for row in rows if row.cost.is_costly]
    alarms = find_alarms(clean)
    return {
        "costly": len(costly),
        "caught": sum(row.is_caught for row in costly),
        "missed": [row.case.name for row in costly if not row.is_caught],
        "clean_nights": len(clean),
        "false_alarms": len(alarms),
        "alarms": alarms,
        "drift_nights": sum(any(outcome.drifts for outcome in night.values()) for night in clean.values()),
        **facts,
        "versions": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in ("nightjar", "great_expectations", "pandas")},
        },
        "rows": [_describe_row(row) for row in rows],
    }


def print_scorecard(console: Console, rows: Sequence[Row], report: Mapping[str, Any]) -> None:
    """The table, and what it comes to."""
    table = Table(title="Faults, the costliest first")
    for name in ("fault", "where", "share", "nights", "AUC lost", "log loss", *VERDICTS, "caught"):
        table.add_column(name, justify="left" if name in ("fault", "where") else "right")
    for row in rows:
        table.add_row(
            row.case.fault,
            f"{row.case.source}.{row.case.column}",
            f"{row.case.share:.0%}",
            str(row.case.nights),
            f"{row.cost.auc:+.4f}",
            f"{row.cost.log_loss:+.4f}",
            *(str(count or "") for count in row.verdicts.values()),
            _word(row),
        )
    console.print(table)
    console.print(
        f"{report['caught']} of {report['costly']} faults that cost more than {COSTLY} AUC were refused or flagged; "
        f"{report['false_alarms']} false alarms in {report['clean_nights']} clean nights."
    )
    for name in report["missed"]:
        console.print(f"missed: {name}")
    for night, signs in report["alarms"].items():
        console.print(f"false alarm on {night}: {'; '.join(signs)}", highlight=False)


def _word(row: Row) -> str:
    if row.is_caught:
        return "yes"
    return "no" if row.cost.is_costly else "-"


def _describe_row(row: Row) -> dict[str, Any]:
    return {
        "fault": row.case.fault,
        "source": row.case.source,
        "column": row.case.column,
        "share": row.case.share,
        "reach": "night" if row.case.nights == NIGHT else "week",
        "auc_lost": round(row.cost.auc, 5),
        "log_loss_gained": round(row.cost.log_loss, 5),
        "nights_failed": row.cost.failed,
        "verdicts": dict(row.verdicts),
        "costly": row.cost.is_costly,
        "caught": row.is_caught,
        "sign": row.sign,
    }


def _scores_of(case: Case, night: Scores) -> np.ndarray:
    if night[case.name] is None:
        clean = night[CLEAN_SCORES]["score"]
        return np.full(len(clean), clean.mean())
    return np.asarray(night[case.name], dtype="float64")
