"""How far one night of the flight job is from the next: what the limits of its release gate were chosen by.

    python -m benchmarks.release_gate --from 2013-04-01 --to 2013-06-30

Every week a model is trained as in production, holdout included, and scores the whole population of each of its nights;
each night is compared with the one before it, as the gate does, overall and by segment.  Limits were chosen on nights
before July; for later ones the table says how many the gate would have held back.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.quality import History, days_between, train_model
from features.flight_delays import FEATURES
from pipeline.job import ReleaseGate
from pipeline.jobs.flight_delays.job import JOB
from pipeline.stages.compare import Difference, Scores, find_breaches, tally_scores
from pipeline.stages.score import score_rows

SEGMENTS = ("origin", "carrier")
MIN_SEGMENT = 100
QUANTILES = (0.5, 0.9, 0.95, 0.99, 1.0)


def score_nights(history: History, first: date, last: date) -> Iterator[pd.DataFrame]:
    """Scores and segments of every night, by the model of its week."""
    for start in days_between(first, last)[::7]:
        model = train_model(history, start - timedelta(days=1), JOB.training.holdout)
        for night in days_between(start, min(start + timedelta(days=6), last)):
            features = history.build_features(night)
            scores = score_rows(model, features, JOB, feature_set_digest=FEATURES.digest)
            population = history.read_rows(JOB.population.name, night).set_index(JOB.entity_id)
            segments = population.loc[features[JOB.entity_id], list(SEGMENTS)].reset_index(drop=True)
            ids = features[JOB.entity_id].astype("str").reset_index(drop=True)
            yield segments.assign(entity_id=ids, prediction=scores.to_numpy())


def compare_nights(nights: Sequence[pd.DataFrame], gate: ReleaseGate | None) -> list[dict[str, Any]]:
    """Of each night beside the one before: the largest shift and shrinkage, and what the gate says."""
    by = Scores(*JOB.score_range, JOB.decision_threshold, SEGMENTS)
    rows = []
    for before, after in pairwise(nights):
        tally = tally_scores(before, after, by)
        judged = [segment for segment in tally.segments if segment.before >= MIN_SEGMENT]
        large = [segment for segment in judged if segment.after >= MIN_SEGMENT]
        breaches = [] if gate is None else find_breaches(tally, gate, same_partition=False)
        rows.append(
            {
                "shift": tally.overall.shift,
                "segment_shift": _largest(large, "shift"),
                "shrunk": tally.overall.shrunk_share,
                "segment_shrunk": _largest(judged, "shrunk_share"),
                "breaches": [f"{breach.describe()}: {breach.value}" for breach in breaches],
            }
        )
    return rows


def _largest(differences: Sequence[Difference], measure: str) -> float:
    return max((getattr(item, measure) for item in differences), default=0.0)


def main() -> None:
    """Print the quantiles, and the nights that the job's gate would have held back."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="first", type=date.fromisoformat, required=True)
    parser.add_argument("--to", dest="last", type=date.fromisoformat, required=True)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    days = days_between(arguments.first, arguments.last)
    rows = compare_nights(list(score_nights(History(), arguments.first, arguments.last)), JOB.release_gate)
    measures = [name for name in rows[0] if name != "breaches"]
    table = {name: np.quantile([row[name] for row in rows], QUANTILES).round(3).tolist() for name in measures}
    held = {str(day): row["breaches"] for day, row in zip(days[1:], rows, strict=True) if row["breaches"]}
    if arguments.json:
        json.dump({"nights": len(rows), "quantiles": QUANTILES, **table, "held": held}, sys.stdout, indent=2)
        return
    print(f"{len(rows)} nights, each beside the one before")
    print(f"{'':16}" + "".join(f"{f'{quantile:.0%}':>8}" for quantile in QUANTILES))
    for name, values in table.items():
        print(f"{name:16}" + "".join(f"{value:8.3f}" for value in values))
    print(f"held back: {len(held)}")
    for day, breaches in held.items():
        print(f"  {day}: {breaches[0]}")


if __name__ == "__main__":
    main()
