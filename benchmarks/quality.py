"""How good the flight job's predictions are: every week a model trained on all that was known before, as in production.

    python -m benchmarks.quality --from 2013-04-01 --to 2013-06-30

A week's model is trained on the partitions whose labels had closed before the week's first night, and scores the seven
nights of the week.  Contracts, tiles, features, training, scoring and metrics are the pipeline's own; only the lake is
left out.  Choices were made on nights before July; later ones are there to be reported.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache, cached_property
from typing import Any

import pandas as pd

from features.build import build_features
from features.declarations import Aggregate
from features.flight_delays import FEATURES
from features.rows import compute_columns
from features.tiles import make_tile, sum_windows
from pipeline.contracts import load_contract
from pipeline.job import Role, import_attribute
from pipeline.jobs.flight_delays.job import JOB
from pipeline.jobs.flight_delays.upstream import FlightUpstream
from pipeline.stages.evaluate import compute_metrics
from pipeline.stages.ingest import number_rows
from pipeline.stages.score import score_rows
from pipeline.stages.train import fit_model
from pipeline.stages.validate import frame_from_arrow, judge_rows

METRICS = ("auc", "log_loss", "brier", "calibration")
LABEL = "label"


@dataclass(frozen=True)
class WeeklyModel:
    """A fitted model as :func:`score_rows` wants it."""

    version: str
    estimator: Any
    feature_columns: tuple[str, ...] = tuple(feature.name for feature in FEATURES.columns)
    feature_set_digest: str = FEATURES.digest


class History:
    """Everything that upstream delivers, validated, and what is made of it; all of it kept in memory."""

    def __init__(self) -> None:
        self._upstream = FlightUpstream()
        self.read_rows = cache(self._read_rows)
        self.read_tile = cache(self._read_tile)
        self.build_features = cache(self._build_features)

    @cached_property
    def dimensions(self) -> dict[str, pd.DataFrame]:
        """Validated rows of the dimensions that features look up."""
        return {lookup.source: self.read_rows(lookup.source, JOB.first_partition) for lookup in FEATURES.lookups}

    def read_examples(self, partition: date, known_by: date) -> pd.DataFrame:
        """Features and labels of the entities whose outcome was known when ``known_by`` closed."""
        days = [partition + timedelta(days=age) for age in range(1, JOB.label.closes_after + 1)]
        wanted = [JOB.entity_id, JOB.label.value]
        reports = [
            compute_columns(self.read_rows(JOB.label.source, day), FEATURES, wanted) for day in days if day <= known_by
        ]
        labels = pd.concat(reports).set_axis([JOB.entity_id, LABEL], axis=1).dropna()
        return self.build_features(partition).merge(labels, on=JOB.entity_id, validate="one_to_one")

    def _read_rows(self, source_name: str, partition: date) -> pd.DataFrame:
        source = JOB.source(source_name)
        contract = load_contract(source)
        delivered = self._upstream.deliver(source_name, partition)
        if delivered is None:
            raise ValueError(f"{source_name} is not delivered for {partition}")
        verdict = judge_rows(
            frame_from_arrow(number_rows(delivered, 0), contract),
            contract,
            key=source.key,
            event_time=source.event_time,
            cutoff=JOB.cutoff(partition),
            entity_id=JOB.entity_id if source.role is Role.POPULATION else None,
        )
        return verdict.valid

    def _read_tile(self, aggregate: Aggregate, partition: date) -> pd.DataFrame:
        return make_tile(self.read_rows(aggregate.source, partition), FEATURES, aggregate)

    def _sum_aggregate(self, aggregate: Aggregate, partition: date) -> pd.DataFrame:
        lengths = {window for item in FEATURES.trailing if item.aggregate == aggregate for window in item.windows}
        days = [partition - timedelta(days=age) for age in range(max(lengths))]
        tiles = [self.read_tile(aggregate, day) for day in days if day >= JOB.first_partition]
        return sum_windows(tiles, aggregate, sorted(lengths))

    def _build_features(self, partition: date) -> pd.DataFrame:
        return build_features(
            self.read_rows(JOB.population.name, partition),
            FEATURES,
            entity_id=JOB.entity_id,
            dimensions=self.dimensions,
            windows={aggregate: self._sum_aggregate(aggregate, partition) for aggregate in FEATURES.aggregates},
        )


def walk_weeks(
    history: History, first: date, last: date, *, holdout: int = 0, retrain: bool = True
) -> Iterator[dict[str, Any]]:
    """Metrics of one week after the other, from the night of ``first`` to that of ``last``.

    Args:
        holdout: newest partitions that are kept from training, as the retraining DAG keeps some.
        retrain: False for the first week's model throughout.
    """
    model = None
    for start in days_between(first, last)[::7]:
        known_by = start - timedelta(days=1)
        seconds = None
        if model is None or retrain:
            began = time.perf_counter()
            model = train_model(history, known_by, holdout)
            seconds = round(time.perf_counter() - began, 1)
        nights = days_between(start, min(start + timedelta(days=6), last))
        examples = pd.concat([history.read_examples(night, date.max) for night in nights], ignore_index=True)
        features, labels = examples.drop(columns=LABEL), examples[LABEL]
        scores = score_rows(model, features, JOB, feature_set_digest=FEATURES.digest)
        yield {"week": start.isoformat(), "train_seconds": seconds, **compute_metrics(JOB.task, labels, scores)}


def train_model(history: History, known_by: date, holdout: int) -> WeeklyModel:
    """The job's model, trained on all partitions whose labels had closed by ``known_by``, less the holdout."""
    newest = known_by - timedelta(days=JOB.label.closes_after + holdout)
    days = days_between(JOB.first_partition, newest)[-JOB.training.window :]
    examples = pd.concat({day.isoformat(): history.read_examples(day, known_by) for day in days}, names=["partition"])
    partitions = pd.Series(examples.index.get_level_values("partition"))
    features, labels = examples.drop(columns=LABEL).reset_index(drop=True), examples[LABEL].reset_index(drop=True)
    build_model = import_attribute(JOB.model)
    fitted = fit_model(build_model, features, labels, partitions, job=JOB, partition=known_by.isoformat())
    return WeeklyModel(known_by.isoformat(), fitted.estimator)


def days_between(first: date, last: date) -> list[date]:
    """Every day from ``first`` to ``last``, both included."""
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def print_week(week: dict[str, Any]) -> None:
    """One line: the week, its rows and metrics, and how long its training took, features included."""
    numbers = "  ".join(f"{week[name]:>11.4f}" for name in METRICS)
    seconds = "" if week["train_seconds"] is None else f"{week['train_seconds']:>8.1f} s"
    print(f"{week['week']:<10}  {week['rows']:>7,.0f}  {numbers}  {seconds}", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Walk the weeks and print them, then their mean."""
    parser = argparse.ArgumentParser(description="Weekly quality of the flight job's predictions.")
    parser.add_argument("--from", dest="first", type=date.fromisoformat, default=date(2013, 4, 1))
    parser.add_argument("--to", dest="last", type=date.fromisoformat, default=date(2013, 6, 30))
    parser.add_argument("--holdout", type=int, default=0, help="newest partitions kept from training (default: none)")
    parser.add_argument("--never-retrain", action="store_true", help="score every week with the first week's model")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    options = parser.parse_args(arguments)
    weeks = []
    if not options.json:
        print(f"{'week':<10}  {'rows':>7}  " + "  ".join(f"{name:>11}" for name in METRICS) + "    training")
    for week in walk_weeks(
        History(), options.first, options.last, holdout=options.holdout, retrain=not options.never_retrain
    ):
        weeks.append(week)
        if not options.json:
            print_week(week)
    mean = {name: sum(week[name] for week in weeks) / len(weeks) for name in METRICS}
    if options.json:
        print(json.dumps({"weeks": weeks, "mean": mean}))
    else:
        print_week({"week": "mean", "rows": sum(week["rows"] for week in weeks), "train_seconds": None, **mean})
    return 0


if __name__ == "__main__":
    sys.exit(main())
